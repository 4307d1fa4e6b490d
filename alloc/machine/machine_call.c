/* What the handlers of operations have in common, and the end of a process. */
#include "alloc/machine/machine_internal.h"

const char *call_task_name(const struct call *call)
{
    const struct machine_state *s = call->s;
    return call->process.index ? name_text(&s->names, process_at(&s->processes, call->process)->name) : "pagoda";
}

/* Linux 2.0 prints the address that it was called from. Its text begins at 1 MiB; each call site has 16 bytes of it. */
static void call_warn_nonatomic(struct call *call, const char *function)
{
    const uint32_t text = 0x00100000;
    trace_bug(&call->m->trace, "%s called nonatomically from interrupt %08x\n", function,
              text + 16 * call->call_site.index);
}

bool call_refuse_sleep(struct call *call, uint32_t *gfp, enum source_place_id at, const char *function)
{
    if (!gfp_may_sleep(*gfp) || call->op->context == CONTEXT_PROCESS)
        return false;
    if (call->m->profile->places) {
        oops_sleeping(&call->m->trace, call->m->profile, at, (enum context)call->op->context, call_task_name(call));
        return true;
    }
    call_warn_nonatomic(call, function);
    *gfp = (*gfp & ~(uint32_t)GFP_KERNEL) | GFP_ATOMIC;
    return false;
}

void call_took(struct call *call, struct taken taken)
{
    call->result->address = taken.address;
    call->result->requested = taken.requested;
    call->result->allocated = taken.allocated;
    if (!taken.address && !call_is_bug(call))
        call->m->trace.outcome = OUTCOME_NULL;
    if (!taken.address || !call->name.index || call->op->kind == OP_SPAWN)
        return;
    uint32_t pid = process_pid(&call->s->processes, call->process);
    name_give(&call->s->names, call->name, taken.address, pid, call->call_site);
}

void call_forget_name(struct call *call, struct name_ref name, uint64_t address)
{
    if (!call_is_bug(call) && name_is_of(&call->s->names, name, address))
        name_release(&call->s->names, name);
}

void call_load_space(struct call *call)
{
    struct machine_state *s = call->s;
    const struct reclaim_space *space = reclaim_space_at(&s->reclaim, process_at(&s->processes, call->process)->space);
    tlb_load(&s->tlb, space->root, space->generation);
}

void machine_end_process(struct machine *m, struct process_ref process)
{
    struct machine_state *s = &m->state;
    uint32_t pid = process_at(&s->processes, process)->pid;
    for (struct name_ref i = { 1 }; i.index < s->names.pool.nr_used; i.index++)
        if (name_at(&s->names, i)->pid == pid)
            name_at(&s->names, i)->address = name_at(&s->names, i)->freed = 0;
    heap_exit(&s->heaps, process);
    process_exit(&s->processes, process);
}
