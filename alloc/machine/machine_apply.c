/* One operation in, one result out. Every operation goes the same way:
 *
 *      op_check()           is it an operation of the table, with parameters in range?
 *      call_find_names()    process, name and cache that it names
 *      call_reserve()       host memory for the worst case
 *      -----------------    from here on nothing can refuse it
 *      HANDLERS[kind]()     does it
 *      call_list_frames()   the frames behind a new allocation
 *      machine_settle()     background work: kswapd, the end of OOM victims
 *      call_describe()      fills the result in */
#include "alloc/machine/machine_internal.h"

#include <string.h>

/* --- finding what the operation names --- */

static enum pagoda_error call_find_named(struct call *call, struct problem *why)
{
    const struct op *op = call->op;
    call->address = op->address;
    if (!(op->given & OP_BIT(NAME)))
        return PAGODA_OK;
    struct name_ref name = name_find(&call->s->names, op->name);
    const struct name *found = name.index ? name_at(&call->s->names, name) : NULL;
    bool is_live = found && found->address;
    if (!(op_info(op->kind)->needed & OP_BIT(ADDRESS)))
        return is_live ? problem_refuse(why, "name", "already names a live allocation") : PAGODA_OK;
    call->address = is_live ? found->address : found ? name_freed_address(&call->s->names, name) : 0;
    if (!call->address)
        return problem_refuse(why, "name", "names no allocation, neither a live one nor one that was freed");
    if ((op->given & OP_BIT(PID)) && found->pid != op->pid)
        return problem_refuse(why, "name", "names an allocation of another process");
    call->name_is_freed = !is_live;
    if (found->pid)
        call->process = process_find(&call->s->processes, found->pid);
    return PAGODA_OK;
}

static enum pagoda_error call_find_names(struct call *call, struct problem *why)
{
    const struct op *op = call->op;
    if (op->cpu >= call->s->config.cpus)
        return problem_refuse(why, "cpu", "the machine has no such CPU");
    if (op->given & OP_BIT(PID)) {
        call->process = process_find(&call->s->processes, op->pid);
        if (!call->process.index)
            return problem_refuse(why, "pid", "there is no such process");
    }
    if ((op->given & OP_BIT(CACHE)) && op->kind != OP_KMEM_CACHE_CREATE) {
        call->cache = kmem_cache_find(&call->s->kmalloc, op->cache);
        if (!call->cache.index)
            return problem_refuse(why, "cache", "there is no such cache");
    }
    enum pagoda_error err = call_find_named(call, why);
    if (err)
        return err;
    bool is_user_address = call->address < call->m->profile->user_end && !call->process.index;
    if ((op->kind == OP_READ || op->kind == OP_WRITE) && is_user_address && call->address >= PAGE_SIZE)
        return problem_refuse(why, "pid", "a user-space address needs the process it belongs to");
    return PAGODA_OK;
}

/* --- time --- */

void run_tick(struct call *call)
{
    call->m->trace.now_ns += call->op->duration_ns;
}

void run_mark(struct call *call)
{
    (void)call; /* its text stands in the log; the machine does not change */
}

static void (*const HANDLERS[NR_OPS])(struct call *) = {
#define X(id, name, ...) [id] = run_##name,
    OP_MAP(X)
#undef X
};

/* --- afterwards --- */

static void machine_end_oom_victims(struct machine *m)
{
    struct processes *ps = &m->state.processes;
    for (struct process_ref i = { 1 }; i.index < ps->pool.nr_used; i.index++)
        if (process_at(ps, i)->pid && reclaim_space_at(ps->reclaim, process_at(ps, i)->space)->oom_victim)
            machine_end_process(m, i);
}

static void call_describe(struct call *call)
{
    struct op_result *r = call->result;
    const struct trace *t = &call->m->trace;
    r->seq = call->s->seq;
    r->kind = call->op->kind;
    r->outcome = t->outcome;
    r->message = t->message_length ? t->message : NULL;
    r->cost_ns = t->cost_ns;
    r->slept_ns = t->slept_ns;
    r->now_ns = call->s->now_ns;
    r->nr_reclaimed = t->nr_reclaimed;
    r->nr_reclaimed_from = t->nr_victims;
    if (t->nr_victims)
        memcpy(r->reclaimed_from, t->victims, t->nr_victims * sizeof r->reclaimed_from[0]);
    uint32_t i = 0;
    for (; i + COST_BATCH <= NR_COST_STEPS; i += COST_BATCH)
        memcpy(r->cost_count + i, t->cost_count + i, COST_BATCH * sizeof r->cost_count[0]);
    for (; i < NR_COST_STEPS; i++)
        r->cost_count[i] = t->cost_count[i];
    r->cost_each_ns = t->cost_each_ns;
    r->name_is_freed = call->name_is_freed;
    r->tlb.hits = t->nr_tlb_hits;
    r->tlb.misses = t->nr_tlb_misses;
    r->tlb.flushes = t->nr_tlb_flushes;
    r->nr_path = t->nr_path;
    if (t->nr_path)
        memcpy(r->path, t->path, t->nr_path);
    r->events = t->events;
    r->nr_events = t->nr_events;
    r->events_dropped = t->nr_dropped;
}

/* The frames behind a new allocation. They are listed only when somebody records, because it takes a walk. The allocation
 * is contiguous if one run covers all of it; pages that nobody touched have no frame. */
static void call_list_frames(struct call *call)
{
    struct op_result *r = call->result;
    bool allocates = call->m->trace.outcome == OUTCOME_OK && r->address && r->allocated;
    if (!call->m->trace.recording || !allocates || call->op->kind == OP_KSIZE)
        return;
    uint32_t pid = process_pid(&call->s->processes, call->process);
    uint64_t end = r->address + r->allocated, nr_pages = ((end - 1) >> PAGE_SHIFT) - (r->address >> PAGE_SHIFT) + 1;
    struct frame_range run;
    for (uint64_t at = r->address; machine_next_run(call->m, pid, &at, end, &run); r->nr_frame_runs++)
        if (r->nr_frame_runs < RESULT_FRAMES_MAX)
            r->frames[r->nr_frame_runs] = run;
    r->physically_contiguous = r->nr_frame_runs == 1 && r->frames[0].count == nr_pages;
}

/* Clears what call_describe() does not set. A memset of the whole would cost more than kmalloc's fast path. */
static void call_clear_result(struct op_result *r)
{
    r->seq = r->address = r->requested = r->allocated = 0;
    r->cache = NULL;
    r->bytes = NULL;
    r->nr_bytes = r->pid = r->nr_frame_runs = 0;
    r->physically_contiguous = false;
}

/* Nearly always the process ran last, and nothing was taken from it. Then nothing is to be done. */
void machine_load_space(struct machine *m, struct process_ref process)
{
    struct machine_state *s = &m->state;
    const struct reclaim_space *space = reclaim_space_at(&s->reclaim, process_at(&s->processes, process)->space);
    if (!tlb_has(&s->tlb, space->root, space->generation))
        tlb_load(&s->tlb, space->root, space->generation);
}

void machine_settle(struct machine *m, uint64_t nr_oom_kills)
{
    if (m->state.pages.kswapd.awake)
        reclaim_run_kswapd(&m->state.reclaim);
    if (m->state.reclaim.nr_oom_kills == nr_oom_kills)
        return;
    machine_end_oom_victims(m);
    m->state.now_ns = trace_time(&m->trace); /* it has waited for their end */
}

static bool call_makes_allocation(const struct op *op)
{
    return !(op_info(op->kind)->needed & OP_BIT(ADDRESS));
}

/* Has the operation a text that the pool of names will keep? */
static bool call_brings_text(const struct op *op)
{
    return (op->given & OP_BIT(CALL_SITE)) || (call_makes_allocation(op) && (op->given & OP_BIT(NAME)));
}

enum pagoda_error machine_apply(struct machine *machine, const struct op *op, struct op_result *result, struct problem *why)
{
    struct machine_state *s = &machine->state;
    struct call call = { .m = machine, .s = s, .op = op, .result = result };
    machine_prefetch(machine, op, PREFETCH_FAR);
    call_clear_result(result);
    enum pagoda_error err = op_check(op, why);
    if (!err)
        err = call_find_names(&call, why);
    if (!err && call_brings_text(op) && !names_have_room(&s->names, 2))
        err = problem_refuse(why, "name", "the lab has had as many names as it can keep");
    if (err)
        return err;
    machine_count_begin(machine, op_info(op->kind)->name);
    err = call_reserve(&call);
    if (err) {
        machine_count_end(machine);
        return err;
    }
    if (call_makes_allocation(op) && (op->given & OP_BIT(NAME)))
        call.name = name_intern(&s->names, op->name);
    if (call_makes_allocation(op) && (op->given & OP_BIT(CALL_SITE)))
        call.call_site = name_intern(&s->names, op->call_site);
    trace_start(&machine->trace, (uint32_t)++s->seq, op->cpu);
    machine->trace.now_ns = s->now_ns;
    machine->trace.pid = process_pid(&s->processes, call.process);
    uint64_t kills = s->reclaim.nr_oom_kills;
    if (call.process.index)
        machine_load_space(machine, call.process);
    HANDLERS[op->kind](&call);
    s->nr_outcomes[machine->trace.outcome]++;
    s->now_ns = trace_time(&machine->trace);
    call_list_frames(&call);
    machine_settle(machine, kills);
    machine_count_end(machine);
    call_describe(&call);
    return PAGODA_OK;
}
