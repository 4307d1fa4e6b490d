/* The rows of C libraries. glibc 2.36: malloc/malloc.c, malloc/arena.c.
 *
 * With 32 bits (classic; glibc's i386) a word has 4 bytes, and pointers are still aligned to 16. The header has 8 bytes,
 * the smallest chunk 16. Chunks start 8 bytes before a multiple of 16, also at the start of the heap and of a mapping. Bins
 * are numbered one up (the bin of size 16 is 2), and large ones begin at 1008. Fastbins serve chunks of up to 64 bytes, the
 * cache those of up to 1024. The mapping threshold grows to 512 KiB, heaps of thread arenas have 1 MiB, and there are two
 * arenas a CPU. The row is checked against recordings of the i386 library (tests/truth/sample/glibc-2.36/i386).
 *
 * Where malloc's variables lie is what Debian's builds say (2.36-9+deb12u14): with 64 bits by its debugging symbols. With
 * 32 bits main_arena, mp_, narenas, perturb_byte and global_max_fast are read off the code; the others are put beside them
 * in the order of the larger library, and the main thread's variables where that has them. */
#include "alloc/malloc/malloc_rules.h"

#define KIB UINT64_C(1024)
#define TCACHE_BINS 64u

/* struct malloc_state holds, in this order: mutex, flags, have_fastchunks, fastbins, top, last_remainder, bins, binmap,
 * next, next_free, attached_threads, system_mem, max_system_mem. */
#define NR_FAST(word) ((word) == 8 ? 10u : 11u)
#define AT_FAST(word) (8u + (word))
#define AT_BINS(word) (AT_FAST(word) + (NR_FAST(word) + 2) * (word))
#define AT_BINMAP(word) (AT_BINS(word) + (NR_BINS - 1) * 2 * (word))
#define AT_LINKS(word) (AT_BINMAP(word) + 4 * BINMAP_WORDS)
#define ARENA_LAYOUT(w)                                                                                                    \
    .nr_fast = NR_FAST(w), .at_flags = 4, .at_have_fast = 8, .at_fast = AT_FAST(w), .at_top = AT_BINS(w) - 2 * (w),        \
    .at_last_remainder = AT_BINS(w) - (w), .at_bins = AT_BINS(w), .at_binmap = AT_BINMAP(w), .at_next = AT_LINKS(w),       \
    .at_next_free = AT_LINKS(w) + (w), .at_attached = AT_LINKS(w) + 2 * (w), .at_system_mem = AT_LINKS(w) + 3 * (w),       \
    .at_max_system_mem = AT_LINKS(w) + 4 * (w), .arena_bytes = AT_LINKS(w) + 5 * (w)
/* struct malloc_par at mp, in this order: trim_threshold, top_pad, mmap_threshold, arena_test, arena_max, thp_pagesize,
 * hp_pagesize; as int hp_flags, n_mmaps, n_mmaps_max, max_n_mmaps, no_dyn_threshold; mmapped_mem, max_mmapped_mem,
 * sbrk_base, tcache_bins, tcache_max_bytes, tcache_count, tcache_unsorted_limit. */
#define AT_MMAPPED(w) ((7 * (w) + 5 * 4 + (w)-1) / (w) * (w))
#define PAR_LAYOUT(w, mp)                                                                                                  \
    .at_trim_threshold = (mp), .at_top_pad = (mp) + (w), .at_mmap_threshold = (mp) + 2 * (w),                              \
    .at_arena_test = (mp) + 3 * (w), .at_arena_max = (mp) + 4 * (w), .at_n_mmaps = (mp) + 7 * (w) + 4,                     \
    .at_n_mmaps_max = (mp) + 7 * (w) + 8, .at_max_n_mmaps = (mp) + 7 * (w) + 12,                                           \
    .at_no_dyn_threshold = (mp) + 7 * (w) + 16, .at_mmapped_mem = (mp) + AT_MMAPPED(w),                                    \
    .at_max_mmapped_mem = (mp) + AT_MMAPPED(w) + (w), .at_sbrk_base = (mp) + AT_MMAPPED(w) + 2 * (w),                      \
    .at_tcache_bins = (mp) + AT_MMAPPED(w) + 3 * (w), .at_tcache_max_bytes = (mp) + AT_MMAPPED(w) + 4 * (w),               \
    .at_tcache_count = (mp) + AT_MMAPPED(w) + 5 * (w), .at_tcache_unsorted_limit = (mp) + AT_MMAPPED(w) + 6 * (w)
/* What both word sizes of glibc 2.36 have alike. */
#define GLIBC_2_36(w)                                                                                                      \
    ARENA_LAYOUT(w), .word = (w), .header = 2 * (w), .max_fast = 16 * (w), .max_mxfast = 20 * (w),                         \
                     .nr_tcache_bins = TCACHE_BINS, .tcache_count = 7, .tcache_count_max = UINT16_MAX,                     \
                     .at_tcache_counts = 0, .at_tcache_entries = 2 * TCACHE_BINS, .tcache_bytes = TCACHE_BINS * (2 + (w)), \
                     .mapped_unusable = 2 * (w), .heap_min = 32 * KIB, .trim_threshold = 128 * KIB, .top_pad = 128 * KIB,  \
                     .mmap_threshold = 128 * KIB, .n_mmaps_max = 65536
_Static_assert(AT_LINKS(8) + 5 * 8 == 0x898, "size of struct malloc_state");

const struct libc_rules LIBC_RULES[NR_LIBC_ROWS] = {
    [LIBC_GLIBC_2_36] = { GLIBC_2_36(8),
                          .name = "glibc 2.36",
                          .word_shift = 3,
                          .address_mask = UINT64_MAX,
                          .ptrdiff_max = INT64_MAX,
                          .min_chunk = 32,
                          .min_large = 1024,
                          .small_skip = 0,
                          .large_base = 48,
                          .large_last = 48,
                          .fast_shift = 4,
                          .heap_info_bytes = 48,
                          .heap_max = 64 * KIB * KIB,
                          .arenas_per_cpu = 8,
                          .mapped_spare = 8,
                          .mmap_threshold_max = 32 * KIB * KIB,
                          PAR_LAYOUT(8, 0x340),
                          .at_main_arena = 0xc60,
                          .at_narenas = 0x328,
                          .at_next_to_use = 0x7468,
                          .at_narenas_limit = 0x7470,
                          .at_tcache_key = 0x7478,
                          .at_aligned_heap_area = 0x7480,
                          .at_free_list = 0x7490,
                          .at_perturb = 0x749c,
                          .at_max_fast = 0x74a0,
                          .at_tcache = 0x6f8,
                          .at_thread_arena = 0x708 },
    [LIBC_GLIBC_2_36_I386] = { GLIBC_2_36(4),
                               .name = "glibc 2.36, i386",
                               .word_shift = 2,
                               .address_mask = UINT32_MAX,
                               .ptrdiff_max = INT32_MAX,
                               .min_chunk = 16,
                               .min_large = 1008,
                               .small_skip = 1,
                               .large_base = 49,
                               .large_last = 45,
                               .fast_shift = 3,
                               .heap_info_bytes = 24,
                               .heap_max = 1024 * KIB,
                               .arenas_per_cpu = 2,
                               .mapped_spare = 4,
                               .mmap_threshold_max = 512 * KIB,
                               PAR_LAYOUT(4, 0x1c0),
                               .at_main_arena = 0x7c0,
                               .at_narenas = 0x1a4,
                               .at_next_to_use = 0x3b48,
                               .at_narenas_limit = 0x3b4c,
                               .at_tcache_key = 0x3b50,
                               .at_aligned_heap_area = 0x3b54,
                               .at_free_list = 0x3b5c,
                               .at_perturb = 0x3b68,
                               .at_max_fast = 0x3b6c,
                               .at_tcache = 0x6f8,
                               .at_thread_arena = 0x708 },
};
