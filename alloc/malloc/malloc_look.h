/* alloc/malloc/malloc_look.h - reading a heap's bytes without touching them, for views and checks. Stands on: chunk.
 *
 * A page that is not resident cannot be looked at, unless malloc's variables are on it. absent is set then, and all that is
 * read from there on is 0. */
#pragma once
#include "alloc/malloc/malloc_chunk.h"

struct look {
    const struct heaps *heaps;
    const struct heap *heap;
    const struct libc_rules *rules;
    bool absent; /* something could not be read */
};

static inline struct look look_start(const struct heaps *heaps, uint32_t heap)
{
    return (struct look){ .heaps = heaps, .heap = heap_at(heaps, heap), .rules = heap_rules(heap_at(heaps, heap)) };
}
uint64_t look_bytes(struct look *look, uint64_t address, uint32_t nr_bytes); /* 1 to 8, little-endian */
static inline uint64_t look_word(struct look *look, uint64_t address)
{
    return look_bytes(look, address, look->rules->word);
}
/* One of malloc's variables. */
static inline uint64_t look_var(struct look *look, uint32_t at)
{
    return look_word(look, look->heap->data + at);
}
static inline uint32_t look_int(struct look *look, uint32_t at)
{
    return (uint32_t)look_bytes(look, look->heap->data + at, 4);
}
static inline uint64_t look_tcache(struct look *look, uint32_t thread)
{
    const struct heap_thread *t = &look->heap->threads[thread];
    return t->tcache_at ? look_word(look, t->tcache_at) : t->tcache;
}
static inline uint64_t look_chunk_word(struct look *look, uint64_t chunk, enum chunk_word word)
{
    return look_word(look, chunk + ((uint64_t)word << look->rules->word_shift));
}
static inline uint64_t look_chunk_size(struct look *look, uint64_t chunk)
{
    return look_chunk_word(look, chunk, CHUNK_SIZE) & ~(uint64_t)SIZE_BITS;
}
static inline uint64_t look_top(struct look *look, uint64_t arena)
{
    return look_word(look, arena + look->rules->at_top);
}
static inline uint64_t look_bin(const struct look *look, uint64_t arena, uint32_t index)
{
    return arena + look->rules->at_bins + 2ULL * index * look->rules->word - 4ULL * look->rules->word;
}
/* The first chunk of the main heap; 0: none yet. */
static inline uint64_t look_first_chunk(struct look *look)
{
    uint64_t base = look_var(look, look->rules->at_sbrk_base);
    return base ? base + -(base + look->rules->header) % CHUNK_ALIGN : 0;
}
