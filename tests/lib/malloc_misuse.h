/* tests/lib/malloc_misuse.h - programs that break their heap, and the word that glibc 2.36 (x86-64) has for it at their
 * last step. Each expectation was printed by the real library for the same calls and the same writes.
 *
 * A program is a list of steps. Slots 0-9 hold pointers; 10-16 those of t and d. A place is a slot and a distance: 0, 0-8.
 *     m0 24     malloc(24) into slot 0          c0 24     calloc(1, 24)
 *     r0 99     realloc(slot 0, 99)             f0, f0+8  free
 *     w0-8 17   writes the word 17              w0 @1+8   writes the address of slot 1, plus 8
 *     p0 @1     writes it protected, as a link of the thread's cache or of a fastbin
 *     y0+8 @1+8 copies a word                   t24, T    malloc(24) seven times; free them: the cache is full
 *     d24       malloc(24) seven times: the cache is empty
 *     k99       sbrk(-99): the program itself moves the break
 *     n, x      from here on a second thread calls; it ends
 *     u2000     10001 times malloc(2000) and malloc(24), then all the large ones are freed, one after the other: more than
 *               one search of malloc looks at. Slot 9 is the last of them */
#pragma once

static const struct misuse {
    const char *name, *steps, *want; /* want: a number stands for the signal alone */
} MISUSE[] = {
    /* free */
    { "twice", "m0 24 f0 f0", "free(): double free detected in tcache 2" },
    { "twice, large enough for no cache", "m0 2000 m1 24 f0 f0", "double free or corruption (!prev)" },
    { "twice, the cache being full", "t24 m0 24 T f0 f0", "double free or corruption (fasttop)" },
    { "twice, merged into top", "m0 2000 f0 f0", "double free or corruption (top)" },
    { "into a block", "m0 24 f0+8", "free(): invalid pointer" },
    { "size beyond all addresses", "m0 24 w0-8 18446744073709551585 f0", "free(): invalid pointer" },
    { "size too small", "m0 24 w0-8 17 f0", "free(): invalid size" },
    { "size no multiple of 16", "m0 24 w0-8 41 f0", "free(): invalid size" },
    { "size beyond the heap", "m0 2000 w0-8 1048577 f0", "double free or corruption (out)" },
    { "next size of a fast chunk", "t24 m0 24 m1 24 T w0+24 0 f0", "free(): invalid next size (fast)" },
    { "next size", "m0 2000 m1 24 w0+2008 1 f0", "free(): invalid next size (normal)" },
    { "first fastbin entry has another size", "t24 m0 24 m1 56 m2 24 T f0 w0-8 65 r1 24", "invalid fastbin entry (free)" },
    { "cache list goes round", "m0 24 t24 T p10 @16 y0+8 @16+8 f0", "free(): too many chunks detected in tcache" },
    { "cache list is not aligned", "m0 24 t24 T p16 @10+8 y0+8 @16+8 f0", "free(): unaligned chunk detected in tcache 2" },
    { "size of a free neighbour", "m0 2000 m1 2000 m2 24 f0 w0-8 2273 f1",
      "corrupted size vs. prev_size while consolidating" },
    { "links of a free neighbour", "m0 2000 m1 2000 m2 24 f0 w0 @0 f1", "corrupted double-linked list" },
    { "first of the unsorted list", "m0 2000 m1 24 m2 2000 m3 24 f0 w0+8 @1 f2", "free(): corrupted unsorted chunks" },
    { "prev_size behind a free neighbour", "m0 2000 m1 2000 m2 24 f1 w1+2000 16 f0", "corrupted size vs. prev_size" },
    { "a link to nowhere", "m0 2000 m1 2000 m2 24 f0 w0 4702111234474983744 f1", "11" },
    { "what was never a pointer", "w9 0 f9+16", "11" },
    { "a mapped block twice", "m0 200000 f0 f0", "11" },
    { "IS_MMAPPED set on a heap chunk", "m0 24 w0-8 35 f0", "munmap_chunk(): invalid pointer" },
    { "distance to the mapping", "m0 200000 w0-16 16 f0", "munmap_chunk(): invalid pointer" },
    { "NON_MAIN_ARENA set on a heap chunk", "m0 2000 m1 24 w0-8 2021 f0", "11" },
    /* malloc, from the cache and the fastbins */
    { "a link of the cache", "m0 24 m1 24 f0 f1 p1 @0+8 m2 24 m3 24", "malloc(): unaligned tcache chunk detected" },
    { "a link of the cache to nowhere", "m0 24 m1 24 f0 f1 p1 4702111234474983744 m2 24 m3 24", "11" },
    { "a link of a fastbin", "t24 m0 24 m1 24 T f0 f1 p1 @0+8 c2 24 c3 24",
      "malloc(): unaligned fastbin chunk detected 2" },
    { "a link of a fastbin, met on the way to the cache", "t24 m0 24 m1 24 T f0 f1 p1 @0+8 d24 m2 24",
      "malloc(): unaligned fastbin chunk detected 3" },
    { "size in a fastbin", "t24 m0 24 T f0 w0-8 65 c1 24", "malloc(): memory corruption (fast)" },
    { "a link of a fastbin, met by merging", "t24 m0 24 m1 24 m2 24 T f0 f1 p1 @0+8 m3 2000",
      "malloc_consolidate(): unaligned fastbin chunk detected" },
    { "size in a fastbin, met by merging", "t24 m0 24 m1 24 T f0 w0-8 65 m2 2000",
      "malloc_consolidate(): invalid chunk size" },
    { "prev_size in a fastbin", "t24 m0 24 m1 24 T f0 w0-8 32 w0-16 64 m2 2000",
      "corrupted size vs. prev_size in fastbins" },
    /* malloc, from the bins */
    { "bk in a small bin", "t200 m0 200 m1 24 T f0 m2 3000 w0+8 @1 c3 200",
      "malloc(): smallbin double linked list corrupted" },
    { "size of an unsorted chunk", "m0 2000 m1 24 f0 w0-8 9 m2 3000", "malloc(): invalid size (unsorted)" },
    { "size behind an unsorted chunk", "m0 2000 m1 24 f0 w0+2008 8 m2 3000", "malloc(): invalid next size (unsorted)" },
    { "prev_size behind an unsorted chunk", "m0 2000 m1 24 f0 w0+2000 16 m2 3000",
      "malloc(): mismatching next->prev_size (unsorted)" },
    { "fd of an unsorted chunk", "m0 2000 m1 24 f0 w0 @1 m2 3000", "malloc(): unsorted double linked list corrupted" },
    { "PREV_INUSE behind an unsorted chunk", "m0 2000 m1 24 f0 w0+2008 33 m2 3000",
      "malloc(): invalid next->prev_inuse (unsorted)" },
    { "bk_nextsize in a large bin", "m0 1990 m1 24 m2 2000 m3 24 f0 m4 3000 f2 w0+24 @1 m5 3000",
      "malloc(): largebin double linked list corrupted (nextsize)" },
    { "bk in a large bin", "m0 1990 m1 24 m2 2000 m3 24 f0 m4 3000 f2 w0+8 @1 m5 3000",
      "malloc(): largebin double linked list corrupted (bk)" },
    { "fd_nextsize in a large bin", "m0 2000 m1 24 f0 m2 3000 w0+16 @1 m3 2000",
      "corrupted double-linked list (not small)" },
    /* top */
    { "size of top", "m0 24 w0+24 18446744073709551601 m1 2000", "malloc(): corrupted top size" },
    { "end of top", "m0 24 w0+24 257 m1 2000",
      "Fatal glibc error: malloc assertion failure in sysmalloc: (old_top == initial_top (av) && old_size == 0) || "
      "((unsigned long) (old_size) >= MINSIZE && prev_inuse (old_top) && ((unsigned long) old_end & (pagesize - 1)) == "
      "0)" },
    /* realloc */
    { "realloc of the inside", "m0 24 r0+8 100", "realloc(): invalid pointer" },
    { "realloc, size too small", "m0 24 w0-8 16 r0 100", "realloc(): invalid old size" },
    { "realloc, size beyond the heap", "m0 24 w0-8 1048577 r0 100", "realloc(): invalid old size" },
    { "realloc, next size", "m0 24 m1 24 w0+24 0 r0 100", "realloc(): invalid next size" },
    { "realloc into a broken neighbour", "m0 2000 m1 2000 m2 24 f1 w1+2000 16 r0 3000", "corrupted size vs. prev_size" },
    /* the break, the end of a thread, a search that stops on its way */
    { "the break was moved back", "m0 100000 k4096 m1 100000", "break adjusted to free malloc space" },
    { "a link in the cache of a thread that ends", "n m0 24 m1 24 f0 f1 p1 @0+8 x",
      "tcache_thread_shutdown(): unaligned tcache chunk detected" },
    { "bk of what was not looked at, rest of a large chunk", "u2000 w9+8 @9 m0 1970",
      "malloc(): corrupted unsorted chunks" },
    { "bk of what was not looked at, rest of a larger bin's", "u2000 w9+8 @9 m0 1500",
      "malloc(): corrupted unsorted chunks 2" },
    { "realloc of a mapping, distance", "m0 200000 w0-16 16 r0 300000", "mremap_chunk(): invalid pointer" },
};
enum { NR_MISUSE = sizeof MISUSE / sizeof MISUSE[0] };
