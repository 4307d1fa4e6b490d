/* alloc/malloc/malloc_bins.h - bins and the unsorted list of an arena. Stands on: arena, tcache. */
#pragma once
#include "alloc/malloc/malloc_arena.h"

/* The number of the bin that holds free chunks of that size. */
uint32_t bin_index(const struct libc_rules *rules, uint64_t size);
static inline bool bin_is_small(const struct libc_rules *rules, uint64_t size)
{
    return size < rules->min_large;
}
/* Takes a free chunk out of its bin. */
void bin_unlink(struct libc *c, uint64_t chunk);
/* Puts a free chunk at the front of the unsorted list. Only its links are written.
 * complaint  what to say if the list is broken; NULL: it is not looked at. */
void bin_push_unsorted(struct libc *c, uint64_t chunk, uint64_t size, const char *complaint);
/* Takes the oldest chunk of a small bin; 0: the bin is empty. */
uint64_t bin_take_small(struct libc *c, uint64_t size);
/* One pass over the unsorted list, then a search of the bins. Returns a chunk; 0: nothing fits.
 * size      of the chunk.
 * index     the bin of that size.
 * nr_filed  counts on from pass to pass of one request. */
uint64_t bin_take_any(struct libc *c, uint64_t size, uint32_t index, uint64_t *nr_filed);
