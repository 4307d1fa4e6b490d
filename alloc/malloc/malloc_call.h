/* alloc/malloc/malloc_call.h - how a call into malloc begins. Stands on: arena. */
#pragma once
#include "alloc/malloc/malloc_arena.h"

/* Another process is served from now on. It has a heap. */
void libc_turn_to(struct libc *c, struct heaps *heaps, struct process_ref process);
/* A call begins. What was known of the process stays known, unless its address space lost a page meanwhile, or somebody
 * else has written to one (heap_written). */
static inline struct libc *libc_start(struct heaps *heaps, struct process_ref process)
{
    struct libc *c = heaps->libc;
    if (c->process.index != process.index)
        libc_turn_to(c, heaps, process);
    libc_look_again(c);
    struct heap_thread *thread = &c->heap->threads[c->heap->thread];
    if (c->thread != thread)
        c->cache = c->tcache_place = NULL;
    c->thread = thread;
    c->dead = c->is_from_cache = false;
    arena_use(c, c->heap->main_arena);
    return c;
}
/* The same for a public function, which costs its time. NULL: a limit of the simulated machine, which looks like ENOMEM. */
static inline struct libc *libc_enter(struct heaps *heaps, struct process_ref process)
{
    trace_cost(heaps->trace, COST_HEAP, 1);
    if (heaps->libc->process.index != process.index && !heap_of_process(heaps, process))
        return NULL;
    return libc_start(heaps, process);
}
