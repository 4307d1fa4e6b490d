/* A run of calls into malloc by one process. Each call does what machine_apply() would do for it. What the calls have in
 * common is done once for all of them: looking the process up, reserving host memory, checking the operation. Nobody asks
 * for events, paths and counts of costs, so there are none. The result of a call is an address.
 *
 * Most calls are small ones by the thread that called last. These go straight to the heap, between the few steps that every
 * operation takes. Others go through machine_apply(): the first call, one by another thread, a large one (it may need more
 * host memory), and whatever is rare. */
#include "alloc/machine/machine_internal.h"
#include "alloc/malloc/malloc_heap.h"

#define SMALL_BYTES (UINT64_C(64) << 10)
#ifdef PAGODA_CHECKED
#define CALLS_RESERVED 1u /* as RESERVED_OPS of machine_reserve.c */
#else
#define CALLS_RESERVED 64u /* mappings and notes are reserved for so many calls at once */
#endif
#define CALL_CONTENTS 128u /* pages of bytes that one call may come to need */
#define CALL_VMAS 8u
#define CALL_NOTES 2u
#define NO_THREAD UINT32_MAX

struct run {
    struct machine *m;
    struct machine_state *s;
    uint64_t *blocks;
    uint32_t pid;
    struct process_ref process;
    uint32_t thread;      /* that called last, from which further calls are short; NO_THREAD: it is not known */
    uint32_t generation;  /* of the address space when the CPU looked at it */
    uint32_t nr_reserved; /* calls */
    const struct reclaim_space *space;
    struct heap_run *done;
};

/* --- one call, the long way --- */

/* What the call is as an operation. False: it is none of malloc's. */
static bool heap_run_op(const struct run *run, const struct heap_call *call, struct op *op)
{
    static const uint32_t TAKES = OP_BIT(PID) | OP_BIT(SIZE) | OP_BIT(N) | OP_BIT(ALIGN) | OP_BIT(ADDRESS);
    bool is_known = call->kind < NR_OPS && op_info((enum op_kind)call->kind)->group == op_info(OP_MALLOC)->group;
    uint32_t needed = is_known ? op_info((enum op_kind)call->kind)->needed : 0;
    if (!(needed & (OP_BIT(SIZE) | OP_BIT(ADDRESS))) || (needed & ~TAKES))
        return false;
    *op = op_default((enum op_kind)call->kind);
    op->given = needed | (call->tid ? OP_BIT(TID) : 0);
    op->pid = run->pid;
    op->tid = call->tid;
    op->size = call->size;
    op->n = op->align = call->n;
    op->address = run->blocks[call->block];
    return true;
}

/* Where the block is after the call. free() takes it away; a realloc() that fails leaves it. */
static uint64_t heap_run_block_after(const struct op *op, const struct op_result *result)
{
    bool stays = op->kind == OP_REALLOC && op->size && !result->address;
    return op->kind == OP_FREE ? 0 : stays || op->kind == OP_MALLOC_USABLE_SIZE ? op->address : result->address;
}

static enum pagoda_error heap_run_apply(struct run *run, const struct heap_call *call, struct problem *why)
{
    struct op op;
    struct op_result result;
    if (!heap_run_op(run, call, &op))
        return problem_refuse(why, "op", "is no call into malloc that runs take");
    run->m->nr_reserved_ops = run->m->nr_reserved_user = 0; /* short calls draw on the same pools */
    enum pagoda_error err = machine_apply(run->m, &op, &result, why);
    if (err)
        return err;
    run->blocks[call->block] = heap_run_block_after(&op, &result);
    run->done->nr_outcomes[result.outcome]++;
    run->process = process_find(&run->s->processes, run->pid);
    const struct process *p = run->process.index ? process_at(&run->s->processes, run->process) : NULL;
    bool may_be_short = p && p->heap && result.outcome == OUTCOME_OK && p->touch != TOUCH_ALL &&
                        !heap_is_perturbed(&run->s->heaps, run->process);
    run->thread = may_be_short ? call->tid : NO_THREAD;
    run->space = p ? reclaim_space_at(&run->s->reclaim, p->space) : NULL;
    run->generation = ~(run->space ? run->space->generation : 0); /* to be looked at again */
    run->m->trace.pid = run->pid;
    return PAGODA_OK;
}

/* --- one call, the short way --- */

static bool heap_run_is_short(const struct run *run, const struct heap_call *call)
{
    if (call->tid != run->thread || call->size > SMALL_BYTES)
        return false;
    switch (call->kind) {
    case OP_MALLOC:
        return true;
    case OP_FREE:
        return run->blocks[call->block] < run->m->profile->user_end;
    case OP_REALLOC:
        return true;
    case OP_CALLOC:
        return call->n <= SMALL_BYTES && call->n * call->size <= SMALL_BYTES;
    default:
        return false;
    }
}

static enum pagoda_error heap_run_reserve(struct run *run)
{
    struct machine_state *s = run->s;
    const struct pagoda_host *host = &run->m->host;
    enum pagoda_error err = pool_reserve(&s->frames.contents, host, CALL_CONTENTS);
    if (!err && heaps_is_tight(&s->heaps))
        err = heaps_grow_buckets(&s->heaps, host);
    if (err || run->nr_reserved) {
        run->nr_reserved -= !err;
        return err;
    }
    err = pool_reserve(&s->processes.vmas, host, (uint64_t)CALLS_RESERVED * CALL_VMAS);
    if (!err)
        err = pool_reserve(&s->heaps.notes, host, (uint64_t)CALLS_RESERVED * CALL_NOTES);
    run->nr_reserved = err ? 0 : CALLS_RESERVED - 1;
    return err;
}

static void heap_run_load_space(struct run *run)
{
    if (run->space->generation == run->generation)
        return;
    machine_load_space(run->m, run->process);
    run->generation = run->space->generation;
}

/* False: nothing was handed out. */
static bool heap_run_call(const struct run *run, const struct heap_call *call, uint64_t *block)
{
    struct heaps *heaps = &run->s->heaps;
    uint64_t moved;
    switch (call->kind) {
    case OP_MALLOC:
        return (*block = heap_malloc(heaps, run->process, call->size, NAME_NONE)) != 0;
    case OP_CALLOC:
        return (*block = heap_calloc(heaps, run->process, call->n, call->size, NAME_NONE)) != 0;
    case OP_REALLOC:
        moved = machine_heap_realloc(run->m, run->process, *block, call->size, NAME_NONE);
        *block = moved || !call->size ? moved : *block;
        return moved != 0;
    default:
        machine_heap_free(run->m, run->process, *block);
        *block = 0;
        return true;
    }
}

/* A bug has ended the process; the OOM killer may have. */
static void heap_run_end(struct run *run, bool is_null, uint64_t kills)
{
    struct machine_state *s = run->s;
    struct trace *t = &run->m->trace;
    enum outcome outcome = t->outcome == OUTCOME_OK && is_null ? OUTCOME_NULL : t->outcome;
    if (outcome == OUTCOME_BUG)
        machine_end_process(run->m, run->process);
    s->nr_outcomes[outcome]++;
    run->done->nr_outcomes[outcome]++;
    s->now_ns = trace_time(t);
    if (outcome == OUTCOME_BUG || s->reclaim.nr_oom_kills != kills)
        run->thread = NO_THREAD;
    machine_settle(run->m, kills);
}

static enum pagoda_error heap_run_apply_short(struct run *run, const struct heap_call *call)
{
    uint64_t kills = run->s->reclaim.nr_oom_kills;
    machine_count_begin(run->m, op_info((enum op_kind)call->kind)->name);
    enum pagoda_error err = heap_run_reserve(run);
    if (err) {
        machine_count_end(run->m);
        return err;
    }
    trace_restart(&run->m->trace, (uint32_t)++run->s->seq, run->s->now_ns);
    heap_run_load_space(run);
    bool is_null = !heap_run_call(run, call, &run->blocks[call->block]);
    heap_run_end(run, is_null, kills);
    machine_count_end(run->m);
    return PAGODA_OK;
}

/* --- many calls, the shortest way --- */

static bool heap_run_call_cached(struct heaps *heaps, const struct heap_call *call, uint64_t *block, uint64_t seq)
{
    if (call->kind == OP_FREE) {
        if (!heap_free_cached(heaps, *block))
            return false;
        *block = 0;
        return true;
    }
    uint64_t mem = call->kind == OP_MALLOC ? heap_malloc_cached(heaps, call->size, NAME_NONE, (uint32_t)seq) : 0;
    *block = mem ? mem : *block;
    return mem != 0;
}

/* Makes as many calls as the thread's cache serves one after the other; returns how many. They touch nothing but the heap,
 * so time and counters are brought up to date for all of them at the end. */
static size_t heap_run_apply_cached(struct run *run, const struct heap_call *calls, size_t nr_calls)
{
    struct machine_state *s = run->s;
    const uint32_t *cost = run->m->trace.cost_each_ns;
    size_t nr = 0;
    if (run->thread == NO_THREAD || s->pages.kswapd.awake || !heap_is_ready(&s->heaps, run->process))
        return 0;
    while (nr < nr_calls && calls[nr].tid == run->thread && !heaps_is_tight(&s->heaps) &&
           heap_run_call_cached(&s->heaps, &calls[nr], &run->blocks[calls[nr].block], s->seq + nr + 1))
        nr++;
    if (nr)
        heap_run_load_space(run);
    s->seq += nr;
    s->now_ns += nr * ((uint64_t)cost[COST_CALL] + cost[COST_HEAP]);
    s->nr_outcomes[OUTCOME_OK] += nr;
    run->done->nr_outcomes[OUTCOME_OK] += nr;
    return nr;
}

enum pagoda_error machine_heap_run(struct machine *machine, uint32_t pid, const struct heap_call *calls, size_t nr_calls,
                                   uint64_t *blocks, struct heap_run *done, struct problem *why)
{
    struct run run = {
        .m = machine, .s = &machine->state, .blocks = blocks, .pid = pid, .thread = NO_THREAD, .done = done
    };
    bool recording = machine->trace.recording;
    enum pagoda_error err = PAGODA_OK;
    *done = (struct heap_run){ 0 };
    machine->trace.recording = false;
    for (; done->nr_done < nr_calls; done->nr_done++) {
        done->nr_done += heap_run_apply_cached(&run, calls + done->nr_done, nr_calls - done->nr_done);
        if (done->nr_done == nr_calls)
            break;
        const struct heap_call *call = &calls[done->nr_done];
        err = heap_run_is_short(&run, call) ? heap_run_apply_short(&run, call) : heap_run_apply(&run, call, why);
        if (err)
            break;
    }
    machine->trace.recording = recording;
    machine->nr_reserved_ops = machine->nr_reserved_user = 0;
    return err;
}
