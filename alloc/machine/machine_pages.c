/* Operations on the page allocator: alloc_pages, free_pages, and the two writes by which an administrator tidies it up.
 * What a bad free is told: machine_bad_free.c. */
#include "alloc/machine/machine_internal.h"

void run_alloc_pages(struct call *call)
{
    const struct op *op = call->op;
    struct machine_state *s = call->s;
    uint32_t gfp = op->gfp;
    if (call_refuse_sleep(call, &gfp, AT_MIGHT_ALLOC, "gfp"))
        return;
    trace_step(&call->m->trace, PATH_alloc_pages);
    if (op->order >= call->m->profile->nr_orders) {
        if (call->m->profile->places && !(gfp & __GFP_NOWARN))
            oops_warn(&call->m->trace, call->m->profile, AT_ALLOC_PAGES, NULL);
        call_took(call, (struct taken){ .requested = op->order < 52 ? UINT64_C(1) << (op->order + PAGE_SHIFT) : 0 });
        return;
    }
    uint32_t pfn = reclaim_alloc_pages(&s->reclaim, gfp, op->order);
    uint64_t bytes = (uint64_t)PAGE_SIZE << op->order;
    struct taken taken = { .requested = bytes };
    if (pfn) {
        taken.address = frame_address(&s->frames, pfn);
        taken.allocated = bytes;
        frame_at(&s->frames, pfn)->owner = call_recorded_name(call).index;
        frame_at(&s->frames, pfn)->index = 0;
        s->nr_page_blocks++;
        s->page_block_bytes += bytes;
    }
    call_took(call, taken);
}

void run_free_pages(struct call *call)
{
    struct machine_state *s = call->s;
    trace_step(&call->m->trace, PATH___free_pages);
    call->result->address = call->address;
    if (!call->address)
        return; /* free_pages(0) does nothing */
    uint32_t pfn = frame_of_address(&s->frames, call->address);
    if (!call_check_free_pages(call, pfn))
        return;
    struct name_ref name = { frame_at(&s->frames, pfn)->owner };
    reclaim_free_pages(&s->reclaim, pfn, call->op->order);
    s->nr_page_blocks--;
    s->page_block_bytes -= (uint64_t)PAGE_SIZE << call->op->order;
    call_forget_name(call, name, call->address);
}

/* --- tidying up --- */

void run_drain_pages(struct call *call)
{
    trace_step(&call->m->trace, PATH_drain_local_pages);
    page_alloc_drain(&call->s->pages, call->op->cpu);
}

void run_compact_memory(struct call *call)
{
    trace_step(&call->m->trace, PATH_compact_memory);
    if (call->m->profile->has_migratetypes) {
        (void)reclaim_compact_memory(&call->s->reclaim);
        return;
    }
    trace_print(&call->m->trace, "compact_memory: ENOENT: Linux 2.0 cannot move pages");
    call->m->trace.outcome = OUTCOME_NULL;
}

/* --- for the OOM report --- */

struct reclaim_task machine_task_of(const void *state, struct space_ref space)
{
    const struct machine_state *s = state;
    struct reclaim_task task = { .name = "" };
    for (struct process_ref i = { 1 }; i.index < s->processes.pool.nr_used; i.index++) {
        const struct process *p = process_at(&s->processes, i);
        if (!p->pid || p->space.index != space.index)
            continue;
        task.name = name_text(&s->names, p->name);
        for (struct vma_ref vma = p->first_vma; vma.index; vma = vma_at(&s->processes, vma)->next)
            task.total_vm += (vma_at(&s->processes, vma)->end - vma_at(&s->processes, vma)->start) >> PAGE_SHIFT;
        break;
    }
    return task;
}
