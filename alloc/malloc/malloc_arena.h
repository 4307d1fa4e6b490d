/* alloc/malloc/malloc_arena.h - the arena at work: fields of struct malloc_state, heads of its bins and fastbins. Stands
 * on: chunk, vars.
 *
 * The core functions work on one arena at a time (arena_use). It lies in one page or two, whose places are looked for once.
 * A corrupted chunk may name any address as its arena. */
#pragma once
#include "alloc/malloc/malloc_chunk.h"
#include "alloc/malloc/malloc_vars.h"

enum { ARENA_NONCONTIGUOUS = 2 }; /* of the flags */

static inline bool arena_is_main(const struct libc *c)
{
    return c->arena == c->heap->main_arena;
}
static inline void arena_use(struct libc *c, uint64_t arena)
{
    if (c->arena == arena)
        return;
    c->arena = arena;
    c->arena_split = PAGE_SIZE - arena % PAGE_SIZE;
    c->arena_at[0] = c->arena_at[1] = 0;
}
/* offset  of a field, or of a bin's head. */
static inline uint8_t *arena_at_hand(const struct libc *c, uint32_t offset)
{
    uintptr_t host = c->arena_at[offset >= c->arena_split];
    return host ? (uint8_t *)(host + offset) : NULL;
}
/* Look for the page first. offset  of any word from the arena's start. */
uint64_t arena_get_slow(struct libc *c, uint64_t offset);
uint32_t arena_get32_slow(struct libc *c, uint32_t offset);
void arena_put_slow(struct libc *c, uint64_t offset, uint64_t value);
void arena_put32_slow(struct libc *c, uint32_t offset, uint32_t value);

static inline uint64_t arena_get(struct libc *c, uint32_t offset)
{
    const uint8_t *here = arena_at_hand(c, offset);
    return here ? libc_load_word(c, here) : arena_get_slow(c, offset);
}
static inline void arena_put(struct libc *c, uint32_t offset, uint64_t value)
{
    uint8_t *here = arena_at_hand(c, offset);
    if (here)
        libc_store_word(c, here, value);
    else
        arena_put_slow(c, offset, value);
}
static inline uint32_t arena_get32(struct libc *c, uint32_t offset)
{
    const uint8_t *here = arena_at_hand(c, offset);
    return here ? libc_load32(here) : arena_get32_slow(c, offset);
}
static inline void arena_put32(struct libc *c, uint32_t offset, uint32_t value)
{
    uint8_t *here = arena_at_hand(c, offset);
    if (here)
        libc_store32(here, value);
    else
        arena_put32_slow(c, offset, value);
}
/* For the size field of chunks that are handed out. */
static inline uint64_t arena_flag(const struct libc *c)
{
    return arena_is_main(c) ? 0 : NON_MAIN_ARENA;
}
static inline uint64_t arena_top(struct libc *c)
{
    return arena_get(c, c->rules->at_top);
}
static inline void arena_set_top(struct libc *c, uint64_t chunk)
{
    arena_put(c, c->rules->at_top, chunk);
}
static inline uint64_t arena_system_mem(struct libc *c)
{
    return arena_get(c, c->rules->at_system_mem);
}
static inline void arena_add_system_mem(struct libc *c, uint64_t bytes)
{
    arena_put(c, c->rules->at_system_mem, arena_system_mem(c) + bytes);
}
static inline bool arena_is_contiguous(struct libc *c)
{
    return !(arena_get32(c, c->rules->at_flags) & ARENA_NONCONTIGUOUS);
}
static inline bool arena_has_fast(struct libc *c)
{
    return arena_get32(c, c->rules->at_have_fast) != 0;
}
static inline void arena_set_has_fast(struct libc *c, bool has)
{
    arena_put32(c, c->rules->at_have_fast, has);
}
/* M_PERTURB: new blocks are filled with its complement, freed ones with it; 0: neither. */
static inline uint8_t arena_perturb(struct libc *c)
{
    return (uint8_t)var_get_int(c, c->rules->at_perturb);
}
/* Chunks of up to that size go to fastbins. */
static inline uint64_t arena_max_fast(struct libc *c)
{
    return var_get(c, c->rules->at_max_fast);
}
/* No list can be longer: a walk over a corrupted one ends here. Each entry has been written to, so its page has a frame, or
 * is in swap. */
static inline uint64_t libc_longest_list(const struct libc *c)
{
    return (c->space->rss_pages + c->space->swap_pages) * (PAGE_SIZE / c->rules->min_chunk) + NR_BINS;
}

/* --- heads of bins --- */

/* The head of a bin, seen as the chunk whose fd and bk it is. Bin 1 is the unsorted list. */
static inline uint64_t bin_at(const struct libc *c, uint32_t index)
{
    return c->arena + (c->rules->at_bins + ((2 * index - 4) << c->word_shift)); /* below at_bins for bin 1 */
}
static inline uint64_t bin_unsorted(const struct libc *c)
{
    return bin_at(c, 1);
}
/* The head's own links: word is CHUNK_FD or CHUNK_BK. */
static inline uint64_t bin_get(struct libc *c, uint64_t bin, enum chunk_word word)
{
    return arena_get(c, (uint32_t)(bin - c->arena) + ((uint32_t)word << c->word_shift));
}
static inline void bin_put(struct libc *c, uint64_t bin, enum chunk_word word, uint64_t value)
{
    arena_put(c, (uint32_t)(bin - c->arena) + ((uint32_t)word << c->word_shift), value);
}
static inline uint32_t fastbin_index(const struct libc_rules *rules, uint64_t size)
{
    return (uint32_t)(size >> rules->fast_shift) - 2;
}
/* The first chunk of a fastbin. A max_fast that was written over makes fastbins of whatever lies behind them. */
static inline uint64_t fastbin_get(struct libc *c, uint32_t index)
{
    uint64_t offset = c->rules->at_fast + ((uint64_t)index << c->word_shift);
    return index < c->rules->nr_fast ? arena_get(c, (uint32_t)offset) : arena_get_slow(c, offset);
}
static inline void fastbin_put(struct libc *c, uint32_t index, uint64_t chunk)
{
    uint64_t offset = c->rules->at_fast + ((uint64_t)index << c->word_shift);
    if (index < c->rules->nr_fast)
        arena_put(c, (uint32_t)offset, chunk);
    else
        arena_put_slow(c, offset, chunk);
}

/* --- malloc_arena.c --- */

void arena_init(struct libc *c); /* malloc_init_state() */
uint64_t arena_of_chunk(struct libc *c, uint64_t chunk);
/* Turns to the calling thread's arena (arena_get()). A thread that has none gets one.
 * request  bytes that the arena will be asked for first. */
void arena_choose(struct libc *c, uint64_t request);
/* Makes top larger, or starts a new heap with a new top. False: no memory. */
bool arena_grow(struct libc *c, uint64_t size);
/* heap_trim() of the heap that holds top. */
void arena_heap_trim(struct libc *c, uint64_t pad);
/* In the child: only the thread that forked lives on. */
void arenas_after_fork(struct libc *c);
