/* alloc/malloc/malloc_heap.h - glibc's static state of one process: options, threads, the main arena. Stands on: process.
 *
 * main_arena is glibc's own static data. It gets an address just above the mappings, where a C library would be. Its bytes
 * are kept in struct heap, so that bin heads are linked like chunks. Thread arenas lie in mappings of the process. */
#pragma once
#include "alloc/malloc/malloc.h"
#include "alloc/malloc/malloc_rules.h"

#define HEAP_THREADS_MAX 256
#define THREAD_STACK_BYTES (UINT64_C(8) << 20)             /* RLIMIT_STACK at the start of the process */
#define THREAD_STACK_SPAN (THREAD_STACK_BYTES + PAGE_SIZE) /* with the guard below it */
#define THREAD_STACKS_KEPT (HEAP_THREADS_MAX + 8)

STATE_STRUCTS
/* struct malloc_par, and the tunables. Sizes are in bytes; max_fast is a chunk size. */
struct malloc_par {
    uint64_t trim_threshold, top_pad, mmap_threshold, max_fast;
    uint64_t n_mmaps, n_mmaps_max, max_n_mmaps;
    uint64_t mmapped_mem, max_mmapped_mem, sbrk_base;
    uint64_t tcache_bins, tcache_count, tcache_unsorted_limit;
    uint64_t arena_test, arena_max;
    bool no_dyn_threshold;
    uint8_t unused[6];
    uint8_t perturb; /* M_PERTURB: new blocks are filled with its complement, freed ones with it; 0: neither */
};
struct heap_thread {
    uint64_t tcache, arena; /* addresses; 0: none yet */
    uint64_t dtv;           /* block that pthread_create took for it; 0: no such thread */
    uint64_t stack;         /* start of its mapping; 0: it brought one of its own */
    uint64_t shutting_down; /* 1: it is */
};
/* The stack of a thread that has ended. */
struct kept_stack {
    uint64_t start, dtv;
};
struct heap {
    uint32_t link; /* pool */
    struct process_ref process;
    uint32_t thread;  /* that calls; 0 is the main thread */
    uint32_t nr_cpus; /* what thread arenas are limited by */
    uint64_t nr_live; /* notes of this process */
    bool is_written;  /* the program wrote outside its blocks: the bytes may say anything */
    uint8_t libc;     /* enum libc_row */
    uint8_t unused[6];
    struct malloc_par par;
    uint64_t main_arena; /* its address */
    uint64_t tcache_key;
    uint64_t arena_free_list, next_to_use, nr_arenas, nr_arenas_max, aligned_heap_area;
    struct heap_thread threads[HEAP_THREADS_MAX];
    struct kept_stack kept_stacks[THREAD_STACKS_KEPT]; /* the newest last */
    uint32_t nr_kept_stacks, unused_too;
    uint8_t static_page[PAGE_SIZE]; /* the page that holds main_arena */
};
STATE_STRUCTS_END

static inline struct heap *heap_at(const struct heaps *heaps, uint32_t heap)
{
    return (struct heap *)(void *)heaps->heaps.items + heap;
}
static inline const struct libc_rules *heap_rules(const struct heap *heap)
{
    return &LIBC_RULES[heap->libc];
}
/* NULL: limit of the machine. */
struct heap *heap_create(struct heaps *heaps, struct process_ref process);
/* The heap of a process, made at its first call. NULL: limit of the machine. */
static inline struct heap *heap_of_process(struct heaps *heaps, struct process_ref process)
{
    uint32_t heap = process_at(heaps->processes, process)->heap;
    return heap ? heap_at(heaps, heap) : heap_create(heaps, process);
}
