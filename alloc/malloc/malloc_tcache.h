/* alloc/malloc/malloc_tcache.h - the calling thread's cache. Stands on: arena. */
#pragma once
#include "alloc/malloc/malloc_arena.h"

/* The bin of a chunk size. It may be one that the cache has not. */
static inline uint64_t tcache_index(const struct libc_rules *rules, uint64_t size)
{
    return (size - rules->min_chunk + CHUNK_ALIGN - 1) / CHUNK_ALIGN;
}
uint64_t tcache_of_thread_slow(struct libc *c); /* malloc_state.c */
/* Address of the calling thread's cache; 0: it has none. */
static inline uint64_t tcache_of_thread(struct libc *c)
{
    return c->tcache_place ? libc_load_word(c, c->tcache_place) : tcache_of_thread_slow(c);
}
static inline uint64_t tcache_key(struct libc *c)
{
    return var_get(c, c->rules->at_tcache_key);
}
/* Addresses of a bin's counter and of its list head. A tcache_bins that was written over makes bins of whatever lies behind
 * the cache. */
static inline uint64_t tcache_count_at(struct libc *c, uint64_t index)
{
    return tcache_of_thread(c) + c->rules->at_tcache_counts + 2 * index;
}
static inline uint64_t tcache_entry_at(struct libc *c, uint64_t index)
{
    return tcache_of_thread(c) + c->rules->at_tcache_entries + (index << c->word_shift);
}
/* Does the thread cache chunks of that size? */
static inline bool tcache_serves(struct libc *c, uint64_t size)
{
    return tcache_index(c->rules, size) < var_get(c, c->rules->at_tcache_bins) && tcache_of_thread(c);
}
static inline bool tcache_has_room(struct libc *c, uint64_t size)
{
    return tcache_serves(c, size) &&
           libc_get16(c, tcache_count_at(c, tcache_index(c->rules, size))) < var_get(c, c->rules->at_tcache_count);
}
void tcache_create(struct libc *c); /* nothing when the thread ends */
static inline void tcache_init(struct libc *c)
{
    if (!tcache_of_thread(c))
        tcache_create(c);
}
/* The thread ends: its cache is emptied and freed. */
void tcache_shutdown(struct libc *c);
/* Is the block in that bin? Walks the bin; dies of a broken one. */
bool tcache_holds(struct libc *c, uint64_t mem, uint64_t index);
void tcache_put(struct libc *c, uint64_t chunk, uint64_t index);
/* Takes the newest block of a bin that is not empty; returns the user's pointer. */
uint64_t tcache_get(struct libc *c, uint64_t index);
