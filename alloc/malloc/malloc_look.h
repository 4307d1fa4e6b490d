/* alloc/malloc/malloc_look.h - reading a heap's bytes without touching them, for views and checks. Pages that are not
 * resident cannot be looked at: absent is set, and what is read from then on is 0. */
#pragma once
#include "alloc/malloc/malloc_internal.h"

struct look {
    const struct heaps *heaps;
    const struct heap *heap;
    const struct malloc_sizes *sizes;
    bool absent; /* something could not be read */
};

static inline struct look look_at(const struct heaps *heaps, uint32_t heap)
{
    return (
        struct look){ .heaps = heaps, .heap = heap_at(heaps, heap), .sizes = malloc_sizes_get(heaps->profile->word_bits) };
}
uint64_t peek_bytes(struct look *look, uint64_t address, uint32_t nr_bytes); /* 1 to 8, little-endian */
static inline uint64_t peek(struct look *look, uint64_t address)
{
    return peek_bytes(look, address, look->sizes->word);
}
static inline uint64_t peek_chunk(struct look *look, uint64_t chunk, enum chunk_word word)
{
    return peek(look, chunk + ((uint64_t)word << look->sizes->word_shift));
}
static inline uint64_t peek_size(struct look *look, uint64_t chunk)
{
    return peek_chunk(look, chunk, CHUNK_SIZE) & ~(uint64_t)SIZE_BITS;
}
static inline uint64_t peek_top(struct look *look, uint64_t arena)
{
    return peek(look, arena + look->sizes->at_top);
}
static inline uint64_t look_bin(const struct look *look, uint64_t arena, uint32_t index)
{
    return arena + look->sizes->at_bins + 2ULL * index * look->sizes->word - 4ULL * look->sizes->word;
}
/* The first chunk of the main heap; 0: none yet. */
static inline uint64_t look_first_chunk(const struct look *look)
{
    uint64_t base = look->heap->par.sbrk_base;
    return base ? base + -(base + look->sizes->header) % CHUNK_ALIGN : 0;
}
