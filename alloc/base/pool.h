/* alloc/base/pool.h - pools: arrays of equal items, linked by index, inside the one address range that a machine reserves.
 * Stands on: nothing.
 *
 * Item 0 is never given out, so index 0 means "none" everywhere. Items never move, so a pointer to an item is good while
 * the machine lives. State stores indices alone: pointers differ between copies. */
#pragma once
#include "pagoda/error.h"
#include "pagoda/exact.h"
#include "pagoda/host.h"
#include <stdint.h>

STATE_STRUCTS
struct pool {
    uint8_t *items;               /* wired: set again in a copy or a loaded machine */
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
/* Makes sure that the next nr_items calls of pool_take() succeed, as far as the pool's capacity goes. It is called before
 * an operation starts, so that no operation stops half-way. PAGODA_ERR_NOMEM  the host refused. */
static inline enum pagoda_error pool_reserve(struct pool *pool, const struct pagoda_host *host, uint64_t nr_items)
{
    if (nr_items + pool->nr_used <= (uint64_t)pool->committed + pool->nr_free)
        return PAGODA_OK;
    return pool_extend(pool, host, nr_items);
}
/* Gives the host back what is committed beyond the items that were used; a pool that is committed whole, or large, keeps
 * it. What was reserved is to be reserved again. */
void pool_trim(struct pool *pool, const struct pagoda_host *host);
/* Takes an item; its bytes are zero. Returns 0 when nothing is reserved, or when the pool is at its capacity, which is a
 * limit of the simulated machine. */
uint32_t pool_take(struct pool *pool);
void pool_give(struct pool *pool, uint32_t index); /* gives an item back */

static inline void *pool_at(const struct pool *pool, uint32_t index)
{
    return pool->items + (size_t)index * pool->item_size;
}
static inline uint32_t pool_nr_live(const struct pool *pool)
{
    return pool->nr_used - 1 - pool->nr_free;
}
