/* What Linux prints where it stops or warns. The lines are those of Debian's 6.1.192, whose recordings the engine follows.
 */
#include "alloc/base/oops.h"

#include <stdarg.h>

#define DIE "0000 [#1] PREEMPT SMP NOPTI\n"
#define CUT_HERE "------------[ cut here ]------------\n"

const struct source_place LINUX_6_1_PLACES[NR_SOURCE_PLACES] = {
    [AT_MIGHT_ALLOC] = { "include/linux/sched/mm.h", 274, "might_alloc" },
    [AT_MUTEX_LOCK] = { "kernel/locking/mutex.c", 283, "mutex_lock" },
    [AT_PERCPU_DOWN_READ] = { "include/linux/percpu-rwsem.h", 49, "percpu_down_read" },
    [AT_GET_VM_AREA] = { "mm/vmalloc.c", 2554, "__get_vm_area_node" },
    [AT_VMALLOC_RANGE] = { "mm/vmalloc.c", 3227, "__vmalloc_node_range" },
    [AT_VUNMAP_ALIGN] = { "mm/vmalloc.c", 2752, "__vunmap" },
    [AT_VUNMAP_AREA] = { "mm/vmalloc.c", 2758, "__vunmap" },
    [AT_ALLOC_PAGES] = { "mm/page_alloc.c", 5634, "__alloc_pages" },
    [AT_KVMALLOC] = { "mm/util.c", 596, "kvmalloc_node" },
    [AT_SET_FREEPOINTER] = { "mm/slub.c", 419, "set_freepointer" },
    [AT_FREE_LARGE] = { "mm/slab_common.c", 904, "free_large_kmalloc" },
    [AT_VIRT_TO_CACHE] = { "mm/slab.h", 630, "cache_from_obj" },
    [AT_CACHE_FROM_OBJ] = { "mm/slab.h", 665, "cache_from_obj" },
    [AT_CACHE_DESTROY] = { "mm/slab_common.c", 493, "kmem_cache_destroy" },
};

void oops_bug(struct trace *trace, const struct profile *profile, enum source_place_id at)
{
    const struct source_place *place = &profile->places[at];
    trace_end_line(trace);
    trace_bug(trace, CUT_HERE "kernel BUG at %s:%u!\ninvalid opcode: " DIE, place->file, place->line);
}

void oops_warn(struct trace *trace, const struct profile *profile, enum source_place_id at, const char *format, ...)
{
    const struct source_place *place = &profile->places[at];
    va_list args;
    trace_end_line(trace);
    trace_print(trace, CUT_HERE);
    if (format) {
        va_start(args, format);
        trace_print_v(trace, format, args);
        va_end(args);
        trace_end_line(trace);
    }
    trace_print(trace, "WARNING: CPU: %u PID: %u at %s:%u %s\n", trace->cpu, trace->pid, place->file, place->line,
                place->function);
}

void oops_not_canonical(struct trace *trace, uint64_t address)
{
    trace_bug(trace, "general protection fault, probably for non-canonical address 0x%jx: " DIE, address);
}

/* preempt_count() inside a softirq, of which tasklets are a kind, and inside an interrupt. */
static uint32_t oops_preempt_count(enum context context)
{
    return context == CONTEXT_HARDIRQ ? 0x10000 : 0x100;
}

void oops_sleeping(struct trace *trace, const struct profile *profile, enum source_place_id at, enum context context,
                   const char *task)
{
    const struct source_place *place = &profile->places[at];
    trace_end_line(trace);
    trace_bug(trace, "BUG: sleeping function called from invalid context at %s:%u\n", place->file, place->line);
    trace_print(trace, "in_atomic(): 1, irqs_disabled(): %u, non_block: 0, pid: %u, name: %s\n", context == CONTEXT_HARDIRQ,
                trace->pid, task);
    trace_print(trace, "preempt_count: %x, expected: 0\nRCU nest depth: 0, expected: 0\n", oops_preempt_count(context));
}
