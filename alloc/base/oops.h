/* alloc/base/oops.h - what Linux prints where it stops, or warns, at a line of its own source. Stands on: trace.
 *
 * Which line that is differs between kernels. Each profile has a row of places (struct profile, places). A WARN_ON_ONCE()
 * is printed at each operation that reaches it, because an operation's message stands for itself. Call traces, registers
 * and module lists are left out.
 * Linux v6.1 lib/bug.c: report_bug(); kernel/panic.c: __warn(), __warn_printk(); kernel/sched/core.c: __might_resched();
 * arch/x86/kernel/dumpstack.c: __die_header(). */
#pragma once
#include "alloc/base/trace.h"
#include "pagoda/config.h"

/* A place of the source that prints. */
enum source_place_id {
    AT_MIGHT_ALLOC,      /* might_alloc(): any allocation that may sleep */
    AT_MUTEX_LOCK,       /* kmem_cache_create() */
    AT_PERCPU_DOWN_READ, /* cpus_read_lock(): kmem_cache_shrink(), kmem_cache_destroy() */
    AT_GET_VM_AREA,      /* BUG_ON(in_interrupt()) */
    AT_VMALLOC_RANGE,    /* size 0 */
    AT_VUNMAP_ALIGN,     /* vfree() of what is no multiple of a page */
    AT_VUNMAP_AREA,      /* vfree() of what is no area */
    AT_ALLOC_PAGES,      /* order >= MAX_ORDER */
    AT_KVMALLOC,         /* size > INT_MAX */
    AT_SET_FREEPOINTER,  /* BUG_ON(object == fp), CONFIG_SLAB_FREELIST_HARDENED */
    AT_FREE_LARGE,       /* order 0 */
    AT_VIRT_TO_CACHE,    /* no slab */
    AT_CACHE_FROM_OBJ,   /* another cache's object */
    AT_CACHE_DESTROY,    /* objects are left */
    NR_SOURCE_PLACES
};

struct source_place {
    const char *file;
    uint32_t line;
    const char *function; /* that the warning names */
};

extern const struct source_place LINUX_6_1_PLACES[NR_SOURCE_PLACES];

/* BUG(): the cut line, "kernel BUG at FILE:LINE!" and the trap. The operation's outcome is a bug. */
void oops_bug(struct trace *trace, const struct profile *profile, enum source_place_id at);
/* WARN(): the cut line, the text (a line of its own; NULL: none) and "WARNING: CPU: N PID: N at FILE:LINE FUNCTION". The
 * outcome stays what it is. */
void oops_warn(struct trace *trace, const struct profile *profile, enum source_place_id at, const char *format, ...)
    TEXT_FORMAT(4, 5);
/* A kernel access to an address of no form: a general protection fault. The outcome is a bug. */
void oops_not_canonical(struct trace *trace, uint64_t address);
/* might_sleep() in a context that must not. The outcome is a bug.
 * context  not CONTEXT_PROCESS
 * task     the name of the task that was interrupted; its pid is trace->pid */
void oops_sleeping(struct trace *trace, const struct profile *profile, enum source_place_id at, enum context context,
                   const char *task);
