/* alloc/base/pool.h - pools: arrays of equal items, linked by index, inside the one address range that a machine reserves.
 * Stands on: nothing.
 *
 * Item 0 is never given out, so index 0 means "none" everywhere. Items never move, so a pointer to an item is good while
 * the machine lives. State stores indices alone: pointers differ between copies. */
#pragma once
#include "pagoda/error.h"
#include "pagoda/exact.h"
#include "pagoda/host.h"
#include <stdbool.h>
#include <stdint.h>

/* Where a pool gets more. Not part of the state. */
struct pool_source {
    const struct pagoda_host *host;
    const char *name; /* of the pool, for reports */
    /* Checked builds (PAGODA_CHECKED): an operation may take what was reserved for it, and not one item more. */
    bool is_counted; /* an operation is under way */
    const char *operation;
    uint64_t allowed; /* items that may be live before it ends */
};

STATE_STRUCTS
struct pool {
    uint8_t *items;               /* wired: set again in a copy or a loaded machine */
    struct pool_source *source;   /* wired; NULL: what is committed is all there is */
    uint32_t item_size;           /* bytes */
    uint32_t nr_used;             /* high-water mark, item 0 included */
    uint32_t capacity, committed; /* items */
    uint32_t first_free, nr_free; /* given-back items, linked through their first four bytes */
};
STATE_STRUCTS_END

/* Gives the pool its shape. machine_reserve() gives it its place. */
void pool_shape(struct pool *pool, uint32_t item_size, uint32_t capacity);
size_t pool_span(const struct pool *pool); /* bytes of address range that it needs: whole pages */
enum pagoda_error pool_extend(struct pool *pool, const struct pagoda_host *host, uint64_t nr_items);
static inline uint32_t pool_nr_live(const struct pool *pool)
{
    return pool->nr_used - 1 - pool->nr_free;
}
/* Checked builds: between begin and end, more items than pool_reserve() was asked for in between are an undercount, which
 * is reported by name and with its numbers (PAGODA_FAULT_UNDERCOUNT). */
#ifdef PAGODA_CHECKED
void pool_count_begin(const struct pool *pool, const char *operation);
void pool_count_end(const struct pool *pool);
void pool_count_reserved(const struct pool *pool, uint64_t nr_items);
void pool_count_taken(const struct pool *pool);
#else
static inline void pool_count_reserved(const struct pool *pool, uint64_t nr_items)
{
    (void)pool;
    (void)nr_items;
}
static inline void pool_count_taken(const struct pool *pool)
{
    (void)pool;
}
#endif
/* Makes sure that the next nr_items calls of pool_take() succeed, as far as the pool's capacity goes. It is called before
 * an operation starts, so that no operation stops half-way.
 * PAGODA_ERR_NOMEM  the host refused. */
static inline enum pagoda_error pool_reserve(struct pool *pool, const struct pagoda_host *host, uint64_t nr_items)
{
    pool_count_reserved(pool, nr_items);
    if (nr_items + pool->nr_used <= (uint64_t)pool->committed + pool->nr_free)
        return PAGODA_OK;
    return pool_extend(pool, host, nr_items);
}
/* Host memory for the items that a copied pool says are used; it commits them as if the pool had grown. A table is used
 * whole, but sparsely.
 * PAGODA_ERR_NOMEM  the host refused. */
enum pagoda_error pool_commit_used(struct pool *pool, const struct pagoda_host *host);
/* Gives the host back what is committed beyond the items that were used; a pool that is committed whole, or large, keeps
 * it. What was reserved is to be reserved again. */
void pool_trim(struct pool *pool, const struct pagoda_host *host);
/* The same in the middle of an operation, for a walk whose length nobody knows before it begins. Does not return when the
 * host refuses (PAGODA_FAULT_HOST_MEMORY). */
void pool_need(struct pool *pool, uint64_t nr_items);
/* Has the pool room for one item more? If nothing is reserved, more is committed there and then; items do not move. False:
 * the pool is at its capacity, which is a limit of the simulated machine. Does not return when the host refuses. */
bool pool_grow(struct pool *pool);
/* Takes an item; its bytes are zero. Returns 0 when the pool is at its capacity. Else as pool_grow(). */
uint32_t pool_take(struct pool *pool);
void pool_give(struct pool *pool, uint32_t index); /* gives an item back */

static inline void *pool_at(const struct pool *pool, uint32_t index)
{
    return pool->items + (size_t)index * pool->item_size;
}
