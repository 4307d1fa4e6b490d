/* Operations of processes and on user memory. */
#include "alloc/machine_internal.h"

static void made_process(struct call *call, uint32_t process)
{
    if (process)
        call->result->pid = process_at(&call->s->processes, process)->pid;
    else
        call->m->trace.outcome = OUTCOME_NULL;
}

void run_spawn(struct call *call)
{
    made_process(call, process_spawn(&call->s->processes, call->label, call->op->touch));
}

void run_fork(struct call *call)
{
    uint32_t child = process_fork(&call->s->processes, call->process);
    if (child)
        heap_fork(&call->s->heaps, call->process, child);
    made_process(call, child);
}

void run_exit(struct call *call)
{
    machine_end_process(call->m, call->process);
}

static void touch_all(struct call *call, uint64_t address, uint64_t length)
{
    if (process_at(&call->s->processes, call->process)->touch != TOUCH_ALL)
        return;
    for (uint64_t at = address; at < address + length; at = (at | (PAGE_SIZE - 1)) + 1)
        if (!process_fault(&call->s->processes, call->process, at, true))
            return;
}

static void took_user(struct call *call, uint64_t address, uint64_t requested)
{
    uint64_t usable = address ? heap_usable(&call->s->heaps, call->process, address) : 0;
    call_took(call, address, requested, usable);
    if (address)
        touch_all(call, address, usable);
}

void run_malloc(struct call *call)
{
    trace_step(&call->m->trace, PATH_malloc);
    took_user(call, heap_malloc(&call->s->heaps, call->process, call->op->size, call->label), call->op->size);
}

void run_calloc(struct call *call)
{
    trace_step(&call->m->trace, PATH_calloc);
    uint64_t n = call->op->n, size = call->op->size;
    uint64_t address = heap_calloc(&call->s->heaps, call->process, n, size, call->label);
    took_user(call, address, size && n > UINT64_MAX / size ? UINT64_MAX : n * size);
}

void run_realloc(struct call *call)
{
    trace_step(&call->m->trace, PATH_realloc);
    struct heap_block block = { 0 };
    uint32_t label = call->label;
    if (heap_find(&call->s->heaps, call->process, call->address, &block))
        label = block.label;
    bool is_handle = block.label && label_at(&call->s->labels, block.label)->address == call->address;
    uint64_t address = heap_realloc(&call->s->heaps, call->process, call->address, call->op->size, label);
    if (is_handle && !call_is_bug(call) && (address || !call->op->size))
        label_at(&call->s->labels, block.label)->address = address;
    took_user(call, address, call->op->size);
}

void run_aligned_alloc(struct call *call)
{
    trace_step(&call->m->trace, PATH_aligned_alloc);
    const struct op *op = call->op;
    took_user(call, heap_memalign(&call->s->heaps, call->process, op->align, op->size, call->label), op->size);
}

void run_free(struct call *call)
{
    trace_step(&call->m->trace, PATH_free);
    struct heap_block block = { 0 };
    if (call->address >= call->m->profile->user_end) {
        trace_bug(&call->m->trace,
                  "free(): invalid pointer (a kernel address; kmalloc memory is released by kfree, vmalloc's by vfree)");
        return;
    }
    heap_find(&call->s->heaps, call->process, call->address, &block);
    heap_free(&call->s->heaps, call->process, call->address);
    call_forget_handle(call, block.label, call->address);
    call->result->address = call->address;
}

void run_mmap(struct call *call)
{
    uint64_t length = call->op->length, rounded = (length + PAGE_SIZE - 1) & ~(uint64_t)(PAGE_SIZE - 1);
    uint64_t address = process_mmap(&call->s->processes, call->process, length, 0, call->label);
    call_took(call, address, length, address ? rounded : 0);
}

void run_munmap(struct call *call)
{
    struct processes *ps = &call->s->processes;
    uint32_t vma = process_find_vma(ps, process_at(ps, call->process), call->address);
    uint32_t label = vma && vma_at(ps, vma)->start == call->address ? vma_at(ps, vma)->label : 0;
    call->result->address = call->address;
    if (!process_munmap(ps, call->process, call->address, call->op->length)) {
        trace_say(&call->m->trace, "munmap: EINVAL: address is not page-aligned, or length is 0");
        call->m->trace.outcome = OUTCOME_NULL;
    }
    if (call->m->trace.outcome == OUTCOME_OK)
        call_forget_handle(call, label, call->address);
}

void run_mlock(struct call *call)
{
    call->result->address = call->address;
    if (process_mlock(&call->s->processes, call->process, call->address, call->op->length))
        return;
    trace_say(&call->m->trace, "mlock: ENOMEM: the range is not mapped, or there is no memory for it");
    call->m->trace.outcome = OUTCOME_NULL;
}
