/* alloc/malloc/malloc_tcache.h - the calling thread's cache. Stands on: arena. */
#pragma once
#include "alloc/malloc/malloc_arena.h"

/* The bin of a chunk size. It may be one that the cache has not. */
static inline uint32_t tcache_index(const struct libc_rules *rules, uint64_t size)
{
    return (uint32_t)((size - rules->min_chunk + CHUNK_ALIGN - 1) / CHUNK_ALIGN);
}
/* Addresses of a bin's counter and of its list head. */
static inline uint64_t tcache_count_at(const struct libc *c, uint32_t index)
{
    return c->thread->tcache + c->rules->at_tcache_counts + 2 * (uint64_t)index;
}
static inline uint64_t tcache_entry_at(const struct libc *c, uint32_t index)
{
    return c->thread->tcache + c->rules->at_tcache_entries + ((uint64_t)index << c->word_shift);
}
/* Does the thread cache chunks of that size? */
static inline bool tcache_serves(const struct libc *c, uint64_t size)
{
    return c->thread->tcache && tcache_index(c->rules, size) < c->heap->par.tcache_bins;
}
static inline bool tcache_has_room(struct libc *c, uint64_t size)
{
    return tcache_serves(c, size) &&
           libc_get16(c, tcache_count_at(c, tcache_index(c->rules, size))) < c->heap->par.tcache_count;
}
/* The host's place of the cache; NULL: there is none, or it is not at hand. */
static inline uint8_t *tcache_at_hand(struct libc *c)
{
    uint64_t at = c->thread->tcache;
    if (!c->cache && at && at % PAGE_SIZE + c->rules->tcache_bytes <= PAGE_SIZE) {
        c->cache = libc_at_hand(c, at, CHUNK_ALIGN);
        c->cache_entries = c->cache ? c->cache + c->rules->at_tcache_entries : NULL;
    }
    return c->cache;
}

void tcache_create(struct libc *c); /* nothing when the thread ends */
static inline void tcache_init(struct libc *c)
{
    if (!c->thread->tcache)
        tcache_create(c);
}
/* The thread ends: its cache is emptied and freed. */
void tcache_shutdown(struct libc *c);
/* Is the block in that bin? Walks the bin; dies of a broken one. */
bool tcache_holds(struct libc *c, uint64_t mem, uint32_t index);
void tcache_put(struct libc *c, uint64_t chunk, uint32_t index);
/* Takes the newest block of a bin that is not empty; returns the user's pointer. */
uint64_t tcache_get(struct libc *c, uint32_t index);
