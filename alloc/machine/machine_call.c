/* What the handlers of operations have in common, and the end of a process. */
#include "alloc/machine/machine_internal.h"

bool call_refuse_sleep(struct call *call, bool may_sleep, const char *function)
{
    struct trace *t = &call->m->trace;
    if (!may_sleep || call->op->context == CONTEXT_PROCESS)
        return false;
    const char *context = context_name((enum context)call->op->context);
    if (call->m->profile->kmalloc_style == KMALLOC_BUCKETS)
        trace_bug(t, "%s called nonatomically from interrupt (%s)", function, context);
    else
        trace_bug(t, "BUG: sleeping function called from invalid context: %s in %s", function, context);
    return true;
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
    struct name *name = name_at(&call->s->names, call->name);
    name->address = taken.address;
    name->call_site = call->call_site;
    name->pid = process_pid(&call->s->processes, call->process);
}

void call_forget_name(struct call *call, struct name_ref name, uint64_t address)
{
    if (!call_is_bug(call) && name_is_of(&call->s->names, name, address))
        name_at(&call->s->names, name)->address = 0;
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
            name_at(&s->names, i)->address = 0;
    heap_exit(&s->heaps, process);
    process_exit(&s->processes, process);
}
