/* alloc/base/pool.h - pools: arrays of equal items, linked by index, inside the one address range that a machine reserves.
 *
 * Item 0 is never given out, so index 0 means "none" everywhere. Items never move: pointers into a pool are stable while
 * the machine lives, but only indices may be stored in it. */
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

/* Gives the pool its shape; the arena gives it its memory (machine.c). */
void pool_shape(struct pool *pool, uint32_t item_size, uint32_t capacity);
size_t pool_span(const struct pool *pool); /* bytes of address range that it needs, whole pages */
enum pagoda_error pool_extend(struct pool *pool, const struct pagoda_host *host, uint64_t nr_items);
/* Makes sure that the next nr_items pool_take() succeed, if the pool's capacity allows; NOMEM when the host refuses.
 * Called before an operation starts, so that no operation stops half-way. */
static inline enum pagoda_error pool_reserve(struct pool *pool, const struct pagoda_host *host, uint64_t nr_items)
{
    if (nr_items + pool->nr_used <= (uint64_t)pool->committed + pool->nr_free)
        return PAGODA_OK;
    return pool_extend(pool, host, nr_items);
}
/* A zeroed item, or 0 when the pool is at its capacity (that is a limit of the simulated machine) or nothing is reserved.
 */
uint32_t pool_take(struct pool *pool);
void pool_give(struct pool *pool, uint32_t index);

static inline void *pool_at(const struct pool *pool, uint32_t index)
{
    return pool->items + (size_t)index * pool->item_size;
}
static inline uint32_t pool_nr_live(const struct pool *pool)
{
    return pool->nr_used - 1 - pool->nr_free;
}
