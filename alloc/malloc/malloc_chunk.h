/* alloc/malloc/malloc_chunk.h - chunks: their two header words, their links, and how large one is for a request. Stands on:
 * words.
 *
 *      chunk            mem = what the program gets
 *      | prev_size | size and bits | fd | bk | fd_nextsize | bk_nextsize | ... |
 *
 * prev_size belongs to the chunk before as long as that is in use. fd to bk_nextsize lie in the payload of a free chunk;
 * only large ones have the last two. */
#pragma once
#include "alloc/malloc/malloc_words.h"

/* Bits of the size field. */
enum { PREV_INUSE = 1, IS_MMAPPED = 2, NON_MAIN_ARENA = 4, SIZE_BITS = 7 };
/* Words of a chunk, as offsets in words. */
enum chunk_word { CHUNK_PREV_SIZE, CHUNK_SIZE, CHUNK_FD, CHUNK_BK, CHUNK_FD_NEXTSIZE, CHUNK_BK_NEXTSIZE };

static inline uint64_t chunk_get(struct libc *c, uint64_t chunk, enum chunk_word word)
{
    return libc_get(c, chunk + ((uint64_t)word << c->word_shift));
}
static inline void chunk_put(struct libc *c, uint64_t chunk, enum chunk_word word, uint64_t value)
{
    libc_put(c, chunk + ((uint64_t)word << c->word_shift), value);
}
/* The size with its bits (chunksize_nomask). */
static inline uint64_t chunk_field(struct libc *c, uint64_t chunk)
{
    return chunk_get(c, chunk, CHUNK_SIZE);
}
static inline uint64_t chunk_size(struct libc *c, uint64_t chunk)
{
    return chunk_field(c, chunk) & ~(uint64_t)SIZE_BITS;
}
static inline void chunk_set_head(struct libc *c, uint64_t chunk, uint64_t field)
{
    chunk_put(c, chunk, CHUNK_SIZE, field);
}
static inline void chunk_set_foot(struct libc *c, uint64_t chunk, uint64_t size)
{
    chunk_put(c, chunk + size, CHUNK_PREV_SIZE, size);
}
static inline bool chunk_is_prev_inuse(struct libc *c, uint64_t chunk)
{
    return chunk_field(c, chunk) & PREV_INUSE;
}
static inline void chunk_set_prev_inuse(struct libc *c, uint64_t chunk)
{
    chunk_set_head(c, chunk, chunk_field(c, chunk) | PREV_INUSE);
}
static inline uint64_t chunk_to_mem(const struct libc *c, uint64_t chunk)
{
    return chunk + (2ULL << c->word_shift);
}
static inline uint64_t chunk_of_mem(const struct libc *c, uint64_t mem)
{
    return mem - (2ULL << c->word_shift);
}
static inline bool chunk_is_misaligned(const struct libc *c, uint64_t chunk)
{
    return chunk_to_mem(c, chunk) % CHUNK_ALIGN != 0;
}

/* Links of singly linked lists are mixed with the place where they are stored (safe linking). */
static inline uint64_t chunk_protect(uint64_t place, uint64_t link)
{
    return place >> PAGE_SHIFT ^ link;
}
static inline uint64_t chunk_reveal(struct libc *c, uint64_t place)
{
    return chunk_protect(place, libc_get(c, place));
}

/* The chunk size for a request (request2size); 0: the request is too large. */
static inline uint64_t chunk_size_for(const struct libc_rules *rules, uint64_t request)
{
    if (request > rules->ptrdiff_max)
        return 0;
    uint64_t size = (request + rules->word + CHUNK_ALIGN - 1) & ~(uint64_t)(CHUNK_ALIGN - 1);
    return size < rules->min_chunk ? rules->min_chunk : size;
}
