/* alloc/malloc/malloc_heap.h - what the engine keeps of a process's heap beside its bytes: where things are, and threads.
 * Stands on: process.
 *
 * glibc's own variables are bytes of the process, in libc's data (malloc_vars.h, malloc_arena.h). */
#pragma once
#include "alloc/malloc/malloc.h"
#include "alloc/malloc/malloc_rules.h"

#define HEAP_THREADS_MAX 256
#define THREAD_STACK_BYTES (UINT64_C(8) << 20)             /* RLIMIT_STACK at the start of the process */
#define THREAD_STACK_SPAN (THREAD_STACK_BYTES + PAGE_SIZE) /* with the guard below it */
#define THREAD_STACKS_KEPT (HEAP_THREADS_MAX + 8)

STATE_STRUCTS
struct heap_thread {
    uint64_t tcache_at;     /* address of the variable that leads to the thread's cache; 0: it is the next one */
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
    uint32_t thread;   /* that calls; 0 is the main thread */
    uint32_t nr_cpus;  /* what thread arenas are limited by */
    uint64_t nr_live;  /* notes of this process */
    bool is_written;   /* the program wrote outside its blocks: the bytes may say anything */
    bool is_perturbed; /* by mallopt or a tunable; good unless is_written */
    uint8_t libc;      /* enum libc_row */
    bool is_threaded;  /* it has had a thread beside the main one */
    uint8_t unused[4];
    uint64_t data;       /* address of libc's writable data */
    uint64_t main_arena; /* address, in there */
    struct heap_thread threads[HEAP_THREADS_MAX];
    struct kept_stack kept_stacks[THREAD_STACKS_KEPT]; /* the newest last */
    uint32_t nr_kept_stacks, unused_too;
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
/* Does its heap fill blocks (M_PERTURB)? If the program has written anywhere, the variable decides; that it cannot be seen
 * counts as yes. */
bool heap_looks_perturbed(const struct heaps *heaps, uint32_t heap);
static inline bool heap_is_perturbed(const struct heaps *heaps, struct process_ref process)
{
    uint32_t heap = process_at(heaps->processes, process)->heap;
    if (!heap)
        return false;
    return heap_at(heaps, heap)->is_written ? heap_looks_perturbed(heaps, heap) : heap_at(heaps, heap)->is_perturbed;
}
/* Gives malloc's variables their pages. False: no memory. */
bool heap_load_vars(struct heaps *heaps, struct process_ref process);
/* NULL: limit of the machine, or the process is to end: it got no page for the variables. */
struct heap *heap_create(struct heaps *heaps, struct process_ref process);
/* The heap of a process, made at its first call. NULL: limit of the machine. */
static inline struct heap *heap_of_process(struct heaps *heaps, struct process_ref process)
{
    uint32_t heap = process_at(heaps->processes, process)->heap;
    return heap ? heap_at(heaps, heap) : heap_create(heaps, process);
}
