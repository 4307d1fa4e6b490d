/* alloc/malloc/malloc_rules.h - what differs between C libraries and word sizes: one row each. Stands on: base.
 *
 * Each process has one row for its whole life (struct heap: libc). A rule that differs between libraries is a field of the
 * row. Code asks the field; it never asks which library or which word size it is.
 *
 * A new library is a new row. Where it does something that no row does yet, that is a new field, asked by the function that
 * decides it today:
 *
 *      when the cache is made, who takes from it        tcache_init(), libc_malloc(), libc_calloc(), heap_memalign()
 *      what goes into the cache, what a counter counts  tcache_take_freed(), bin_stash_small(), tcache_put()
 *      whether there are fastbins                       int_free(), int_take_chunk(), malloc_consolidate()
 *      where a freed chunk goes                         chunk_merge_forward()
 *      what becomes of the rests of a block             chunk_align_up(), int_memalign(), chunk_cut_tail()
 *      headers of mappings                              mapped_new(), mapped_range(), mremap_chunk()
 *      how large the first heap of an arena is          arena_choose(), arena_new()
 *      where malloc's own variables lie                 the at_* fields; process_layout.c: what is mapped
 *      what a failed check says                         the *_complaint() functions, libc_die() */
#pragma once
#include "pagoda/config.h"
#include <stdint.h>

/* True of every row. */
enum { CHUNK_ALIGN = 16, NR_BINS = 128, BINMAP_WORDS = 4 };

enum libc_row { LIBC_GLIBC_2_36, LIBC_GLIBC_2_36_I386, NR_LIBC_ROWS };

/* Sizes are in bytes unless said otherwise. */
struct libc_rules {
    const char *name;

    /* The word (SIZE_SZ). */
    uint32_t word;
    uint32_t word_shift;   /* log2 */
    uint64_t address_mask; /* bits that an address has */
    uint64_t ptrdiff_max;  /* the largest request (PTRDIFF_MAX) */

    /* Chunks and bins. */
    uint32_t header;     /* before the user's pointer (CHUNK_HDR_SZ) */
    uint32_t min_chunk;  /* MINSIZE */
    uint32_t min_large;  /* first chunk size that belongs in a large bin */
    uint32_t small_skip; /* bin of a small size = size / CHUNK_ALIGN + small_skip */
    uint32_t large_base; /* bin of the smallest large sizes = size / 64 + large_base ... */
    uint32_t large_last; /* ... up to this size / 64 */

    /* Fastbins. Index = (chunk size >> fast_shift) - 2. */
    uint32_t nr_fast;
    uint32_t fast_shift;
    uint32_t max_fast;   /* largest chunk at first (DEFAULT_MXFAST, as chunk size) */
    uint32_t max_mxfast; /* largest M_MXFAST */

    /* The thread's cache: a block with one counter of two bytes and one list head a bin. */
    uint32_t nr_tcache_bins;
    uint32_t tcache_count;     /* blocks a bin at first */
    uint32_t tcache_count_max; /* largest tcache_count that the tunable takes */
    uint32_t at_tcache_counts, at_tcache_entries;
    uint32_t tcache_bytes;

    /* struct malloc_state: offsets of its fields, and its size. */
    uint32_t at_flags, at_have_fast, at_fast, at_top, at_last_remainder, at_bins, at_binmap, at_next, at_next_free,
        at_attached, at_system_mem, at_max_system_mem;
    uint32_t arena_bytes;

    /* Malloc's own variables: offsets from the start of libc's writable data. First mp_ (struct malloc_par). Marked with
     * int: they have four bytes. The others have a word. */
    uint32_t at_trim_threshold, at_top_pad, at_mmap_threshold, at_arena_test, at_arena_max;
    uint32_t at_n_mmaps, at_n_mmaps_max, at_max_n_mmaps, at_no_dyn_threshold; /* int */
    uint32_t at_mmapped_mem, at_max_mmapped_mem, at_sbrk_base;
    uint32_t at_tcache_bins, at_tcache_max_bytes, at_tcache_count, at_tcache_unsorted_limit;
    uint32_t at_main_arena, at_narenas;
    uint32_t at_next_to_use, at_narenas_limit, at_tcache_key, at_aligned_heap_area, at_free_list, at_max_fast;
    uint32_t at_perturb; /* int */
    /* The main thread's variables: offsets from the start of the mapping that holds them. */
    uint32_t at_tcache, at_thread_arena;

    /* Heaps of thread arenas. */
    uint32_t heap_info_bytes;
    uint64_t heap_min, heap_max; /* HEAP_MIN_SIZE, HEAP_MAX_SIZE */
    uint32_t arenas_per_cpu;     /* arenas, at most */

    /* Blocks with a mapping of their own. */
    uint32_t mapped_spare;       /* what the mapping has more than the chunk needs */
    uint32_t mapped_unusable;    /* what the program does not get of the chunk */
    uint64_t mmap_threshold_max; /* DEFAULT_MMAP_THRESHOLD_MAX */

    /* Options at first (struct malloc_par). */
    uint64_t trim_threshold, top_pad, mmap_threshold;
    uint64_t n_mmaps_max; /* mappings */
};
extern const struct libc_rules LIBC_RULES[NR_LIBC_ROWS];

/* The largest request that the cache serves at first, and can be made to serve (MAX_TCACHE_SIZE). */
static inline uint64_t libc_tcache_max(const struct libc_rules *rules)
{
    return (rules->nr_tcache_bins - 1) * CHUNK_ALIGN + rules->min_chunk - rules->word;
}
/* The row that processes of a profile begin with. */
static inline enum libc_row libc_row_of_profile(const struct profile *profile)
{
    return profile->word_bits == 32 ? LIBC_GLIBC_2_36_I386 : LIBC_GLIBC_2_36;
}
static inline const struct libc_rules *libc_rules_of_profile(const struct profile *profile)
{
    return &LIBC_RULES[libc_row_of_profile(profile)];
}
