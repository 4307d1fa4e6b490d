/* Operations on the heap of a process. What a call into malloc answers goes into the result. A call that finds the heap
 * broken, or faults in it, ends its process. */
#include "alloc/machine/machine_internal.h"

/* --- the heap: what the calls have in common --- */

static bool user_refuse_thread(struct call *call)
{
    if (!call_is_bug(call)) {
        trace_print(&call->m->trace, "pthread_create: EAGAIN: there is no memory for another thread");
        call->m->trace.outcome = OUTCOME_NULL;
    }
    return false;
}

/* The calling thread begins, if it is new. False: the call is over. */
static inline bool user_enter_heap(struct call *call)
{
    struct heaps *heaps = &call->s->heaps;
    uint32_t tid = call->op->tid;
    bool is_in = tid ? heap_start_thread(heaps, call->process, tid) : heap_switch_thread(heaps, call->process, tid);
    return is_in || user_refuse_thread(call);
}

/* The call was a bug, and has killed its process. */
static void user_end_caller(struct call *call)
{
    trace_print(&call->m->trace, " ends process %u", process_pid(&call->s->processes, call->process));
    machine_end_process(call->m, call->process);
}

static inline void user_leave_heap(struct call *call)
{
    if (call_is_bug(call))
        user_end_caller(call);
}

static void user_touch_all(struct call *call, uint64_t address, uint64_t length)
{
    for (uint64_t at = address; at < address + length; at = (at | (PAGE_SIZE - 1)) + 1)
        if (!process_fault(&call->s->processes, call->process, at, true))
            return;
}

static void user_took(struct call *call, uint64_t address, uint64_t requested)
{
    uint64_t usable = address ? call->s->heaps.last_usable : 0;
    call_took(call, (struct taken){ .address = address, .requested = requested, .allocated = usable });
    if (address && process_at(&call->s->processes, call->process)->touch == TOUCH_ALL)
        user_touch_all(call, address, usable);
}

/* Runs one of the functions that hand out a block.
 * requested  bytes, for the result.
 * get        makes the call; returns the address. */
static void user_allocate(struct call *call, enum path_step step, uint64_t requested, uint64_t (*get)(struct call *call))
{
    trace_step(&call->m->trace, step);
    uint64_t address = user_enter_heap(call) ? get(call) : 0;
    user_took(call, address, requested);
    user_leave_heap(call);
}

/* --- allocating --- */

static uint64_t user_malloc(struct call *call)
{
    uint64_t mem = heap_malloc_at_once(&call->s->heaps, call->process, call->op->size, call_recorded_name(call));
    return mem ? mem : heap_malloc(&call->s->heaps, call->process, call->op->size, call_recorded_name(call));
}

void run_malloc(struct call *call)
{
    user_allocate(call, PATH_malloc, call->op->size, user_malloc);
}

static uint64_t user_calloc(struct call *call)
{
    return heap_calloc(&call->s->heaps, call->process, call->op->n, call->op->size, call_recorded_name(call));
}

void run_calloc(struct call *call)
{
    user_allocate(call, PATH_calloc, call_product(call->op->n, call->op->size), user_calloc);
}

static uint64_t user_memalign(struct call *call)
{
    return heap_memalign(&call->s->heaps, call->process, call->op->align, call->op->size, call_recorded_name(call));
}

void run_aligned_alloc(struct call *call)
{
    user_allocate(call, PATH_aligned_alloc, call->op->size, user_memalign);
}

void run_memalign(struct call *call)
{
    user_allocate(call, PATH_memalign, call->op->size, user_memalign);
}

static uint64_t user_posix_memalign(struct call *call)
{
    return heap_posix_memalign(&call->s->heaps, call->process, call->op->align, call->op->size, call_recorded_name(call));
}

void run_posix_memalign(struct call *call)
{
    user_allocate(call, PATH_posix_memalign, call->op->size, user_posix_memalign);
}

static uint64_t user_valloc(struct call *call)
{
    return heap_valloc(&call->s->heaps, call->process, call->op->size, call_recorded_name(call));
}

void run_valloc(struct call *call)
{
    user_allocate(call, PATH_valloc, call->op->size, user_valloc);
}

static uint64_t user_pvalloc(struct call *call)
{
    return heap_pvalloc(&call->s->heaps, call->process, call->op->size, call_recorded_name(call));
}

void run_pvalloc(struct call *call)
{
    user_allocate(call, PATH_pvalloc, call->op->size, user_pvalloc);
}

uint64_t machine_heap_realloc(struct machine *m, struct process_ref process, uint64_t address, uint64_t size,
                              struct name_ref name)
{
    struct heap_block block = { 0 };
    struct heaps *heaps = &m->state.heaps;
    struct names *names = &m->state.names;
    name = heap_find(heaps, process, address, &block) ? block.name : name;
    bool is_named = name_is_of(names, block.name, address);
    uint64_t moved = heap_realloc(heaps, process, address, size, name);
    if (is_named && m->trace.outcome != OUTCOME_BUG && moved)
        name_at(names, block.name)->address = moved;
    else if (is_named && m->trace.outcome != OUTCOME_BUG && !size)
        name_release(names, block.name);
    return moved;
}

static uint64_t user_realloc(struct call *call)
{
    return machine_heap_realloc(call->m, call->process, call->address, call->op->size, call_recorded_name(call));
}

void run_realloc(struct call *call)
{
    user_allocate(call, PATH_realloc, call->op->size, user_realloc);
}

/* --- freeing, asking, tuning --- */

void machine_heap_free(struct machine *m, struct process_ref process, uint64_t address)
{
    struct name_ref name = heap_free(&m->state.heaps, process, address);
    if (m->trace.outcome != OUTCOME_BUG && name_is_of(&m->state.names, name, address))
        name_release(&m->state.names, name);
}

static void user_free(struct call *call)
{
    if (call->address >= call->m->profile->user_end) {
        trace_bug(&call->m->trace, "free(): Segmentation fault (a kernel address; kmalloc memory is released by kfree, "
                                   "vmalloc's by vfree): SIGSEGV");
        return;
    }
    if (!heap_free_at_once(&call->s->heaps, call->process, call->address))
        machine_heap_free(call->m, call->process, call->address);
}

void run_free(struct call *call)
{
    trace_step(&call->m->trace, PATH_free);
    call->result->address = call->address;
    if (user_enter_heap(call))
        user_free(call);
    user_leave_heap(call);
}

void run_malloc_usable_size(struct call *call)
{
    trace_step(&call->m->trace, PATH_malloc_usable_size);
    call->result->address = call->address;
    if (user_enter_heap(call))
        call->result->allocated = heap_usable(&call->s->heaps, call->process, call->address);
    user_leave_heap(call);
}

static void user_answered(struct call *call, bool yes)
{
    if (!call_is_bug(call))
        trace_print(&call->m->trace, "returns %d", yes);
    user_leave_heap(call);
}

void run_malloc_trim(struct call *call)
{
    trace_step(&call->m->trace, PATH_malloc_trim);
    if (user_enter_heap(call))
        user_answered(call, heap_trim(&call->s->heaps, call->process, call->op->pad));
    else
        user_leave_heap(call);
}

void run_mallopt(struct call *call)
{
    int64_t value = call->op->value;
    trace_step(&call->m->trace, PATH_mallopt);
    if (user_enter_heap(call))
        user_answered(call,
                      heap_mallopt(&call->s->heaps, call->process, (enum mallopt_option)call->op->option, (int32_t)value));
    else
        user_leave_heap(call);
}

void run_thread_exit(struct call *call)
{
    trace_step(&call->m->trace, PATH___malloc_arena_thread_freeres);
    if (!call->op->tid) {
        trace_print(&call->m->trace, "the main thread ends with its process: exit");
        call->m->trace.outcome = OUTCOME_NULL;
    } else if (!heap_end_thread(&call->s->heaps, call->process, call->op->tid)) {
        trace_print(&call->m->trace, "ESRCH: there is no such thread");
        call->m->trace.outcome = OUTCOME_NULL;
    }
    user_leave_heap(call);
}
