/* Runs for the comparison. One machine of each profile and past is made at first use and only ever copied, so a run costs a
 * copy and its operations. Limits are found by halving: each step asks a fresh copy, and what was found is kept. */
#include "server/api/compare.h"
#include "pagoda/gfp.h"
#include "pagoda/view.h"
#include "server/base/guard.h"
#include "server/base/host_memory.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

const enum op_kind COMPARE_OPS[COMPARE_ALLOCATORS] = { OP_KMALLOC, OP_KZALLOC, OP_VMALLOC, OP_MALLOC };
#define LIMIT_MAX (UINT64_C(1) << 52)

static struct {
    pthread_mutex_t mutex;
    struct machine *machine[NR_PROFILES][NR_MACHINE_PASTS];
    uint64_t limit[NR_PROFILES][NR_MACHINE_PASTS][NR_OPS]; /* 0: not known yet */
} base = { .mutex = PTHREAD_MUTEX_INITIALIZER };

/* A copy of the machine on which the request is to be run. */
static enum pagoda_error machine_for(const struct compare_request *request, struct machine **out)
{
    enum pagoda_error error = PAGODA_OK;
    struct problem why = { 0 };
    struct machine **original = &base.machine[request->profile][request->machine];
    pthread_mutex_lock(&base.mutex);
    if (!*original) {
        struct machine_config config = { .profile = request->profile, .machine = request->machine };
        error = guard_create(&config, &HOST_MEMORY, original, &why);
    }
    pthread_mutex_unlock(&base.mutex);
    if (!error)
        error = guard_clone(*original, out); /* nobody changes it any more */
    return host_memory_explain(error, NULL);
}

uint64_t compare_memory(enum profile_id profile)
{
    return profile_get(profile)->memory_default;
}

static enum pagoda_error spawn(struct machine *machine, uint32_t *pid)
{
    struct op_result result;
    struct problem why = { 0 };
    struct op op = op_default(OP_SPAWN);
    enum pagoda_error error = guard_apply(machine, &op, &result, &why);
    *pid = result.pid;
    return error;
}

/* The call, on a machine where its process exists. */
static enum pagoda_error prepare(struct machine *machine, const struct compare_request *request, enum op_kind kind,
                                 struct op *op)
{
    *op = op_default(kind);
    op->size = request->size;
    op->given = OP_BIT(SIZE);
    if (kind == OP_KMALLOC || kind == OP_KZALLOC) {
        op->gfp = request->gfp;
        op->given |= OP_BIT(GFP);
    }
    if (kind != OP_MALLOC) {
        op->context = (uint8_t)request->context;
        op->given |= OP_BIT(CONTEXT);
        return PAGODA_OK;
    }
    op->given |= OP_BIT(PID);
    return spawn(machine, &op->pid);
}

static void keep(const struct op_result *result, struct compare_step *step)
{
    step->result = *result;
    snprintf(step->message, sizeof step->message, "%s", result->message ? result->message : "");
    snprintf(step->cache, sizeof step->cache, "%s", result->cache ? result->cache : "");
    memcpy(step->cost_each_ns, result->cost_each_ns, sizeof step->cost_each_ns);
    step->result.message = step->result.cache = NULL;
    step->result.events = NULL;
    step->result.cost_each_ns = NULL;
}

/* Bytes of the block that kmalloc gave for an area's page pointers: the events tell. */
static uint64_t kmalloc_array(const struct op_result *result)
{
    for (uint32_t i = 0; i < result->nr_events; i++)
        if (result->events[i].kind == EV_KMALLOC)
            return result->events[i].b;
    return 0;
}

static void count_waste(const struct op_result *result, const uint64_t before[NR_FRAME_KINDS],
                        const uint64_t after[NR_FRAME_KINDS], struct compare_answer *answer)
{
    if (result->outcome != OUTCOME_OK)
        return;
    answer->slack = result->allocated - result->requested;
    answer->page_tables = (after[FRAME_PGTABLE] - before[FRAME_PGTABLE]) * PAGE_SIZE;
    if (answer->op.kind != OP_VMALLOC)
        return;
    answer->guard_addresses = PAGE_SIZE;
    uint64_t area_frames = after[FRAME_VMALLOC] - before[FRAME_VMALLOC];
    answer->page_array = area_frames * PAGE_SIZE - result->allocated; /* an area of its own, beyond 512 pages */
    if (!answer->page_array)
        answer->page_array = kmalloc_array(result);
}

static struct op access_op(const struct compare_answer *answer, enum op_kind kind, uint64_t length)
{
    struct op op = op_default(kind);
    op.address = answer->call.result.address;
    op.length = length;
    op.pid = answer->op.pid;
    op.given = OP_BIT(ADDRESS) | OP_BIT(LENGTH) | (op.pid ? OP_BIT(PID) : 0) | (kind == OP_WRITE ? OP_BIT(FILL) : 0);
    return op;
}

/* What comes after the call: the first write to a block of malloc's, and a read of any. */
static enum pagoda_error touch(struct machine *machine, struct compare_answer *answer)
{
    const struct op_result *call = &answer->call.result;
    struct op_result result;
    struct problem why = { 0 };
    enum pagoda_error error = PAGODA_OK;
    if (call->outcome != OUTCOME_OK || !call->requested)
        return PAGODA_OK;
    uint64_t most = machine_config(machine)->memory / 2; /* so that reclaim and the OOM killer stay out of it */
    most = most < COMPARE_TOUCH_MAX ? most : COMPARE_TOUCH_MAX;
    answer->touched = call->requested < most ? call->requested : most;
    struct op write = access_op(answer, OP_WRITE, answer->touched);
    struct op read = access_op(answer, OP_READ, answer->touched < OP_DATA_MAX ? answer->touched : OP_DATA_MAX);
    if (!answer->is_kernel && !(error = guard_apply(machine, &write, &result, &why)))
        keep(&result, &answer->touch);
    if (!error && !(error = guard_apply(machine, &read, &result, &why)))
        keep(&result, &answer->access);
    return error;
}

static enum pagoda_error run_on(struct machine *machine, const struct compare_request *request, enum op_kind kind,
                                struct compare_answer *answer)
{
    uint64_t before[NR_FRAME_KINDS], after[NR_FRAME_KINDS], touched[NR_FRAME_KINDS];
    struct op_result result;
    struct problem why = { 0 };
    enum pagoda_error error = prepare(machine, request, kind, &answer->op);
    view_kind_counts(machine, before);
    if (!error)
        error = guard_apply(machine, &answer->op, &result, &why);
    if (error)
        return error;
    view_kind_counts(machine, after);
    count_waste(&result, before, after, answer);
    keep(&result, &answer->call);
    error = touch(machine, answer);
    view_kind_counts(machine, touched);
    answer->page_tables += (touched[FRAME_PGTABLE] - after[FRAME_PGTABLE]) * PAGE_SIZE;
    return error;
}

/* --- limits --- */

static enum pagoda_error succeeds(const struct compare_request *where, enum op_kind kind, uint64_t size, bool *yes)
{
    struct compare_request request = {
        .profile = where->profile, .machine = where->machine, .size = size, .gfp = GFP_KERNEL
    };
    struct machine *machine = NULL;
    struct op_result result = { 0 };
    struct problem why = { 0 };
    struct op op;
    enum pagoda_error error = machine_for(&request, &machine);
    if (error)
        return error;
    machine_record_events(machine, false);
    error = prepare(machine, &request, kind, &op);
    if (!error)
        error = guard_apply(machine, &op, &result, &why);
    *yes = !error && result.outcome == OUTCOME_OK;
    machine_destroy(machine);
    return error;
}

static enum pagoda_error find_limit(const struct compare_request *where, enum op_kind kind, uint64_t *limit)
{
    uint64_t good = 1, bad = PAGE_SIZE;
    enum pagoda_error error = PAGODA_OK;
    bool yes = true;
    while (!error && bad < LIMIT_MAX && !(error = succeeds(where, kind, bad, &yes)) && yes) {
        good = bad;
        bad *= 2;
    }
    while (!error && bad - good > 1) {
        uint64_t middle = good + (bad - good) / 2;
        error = succeeds(where, kind, middle, &yes);
        *(yes ? &good : &bad) = middle;
    }
    *limit = good;
    return error;
}

/* Two who ask at once may both look for it; they find the same. */
static enum pagoda_error known_limit(const struct compare_request *where, enum op_kind kind, uint64_t *limit)
{
    uint64_t *known = &base.limit[where->profile][where->machine][kind];
    pthread_mutex_lock(&base.mutex);
    *limit = *known;
    pthread_mutex_unlock(&base.mutex);
    if (*limit)
        return PAGODA_OK;
    enum pagoda_error error = find_limit(where, kind, limit);
    if (error)
        return error;
    pthread_mutex_lock(&base.mutex);
    *known = *limit;
    pthread_mutex_unlock(&base.mutex);
    return PAGODA_OK;
}

enum pagoda_error compare_run(const struct compare_request *request, enum op_kind op, bool with_limit,
                              struct compare_answer *answer)
{
    memset(answer, 0, sizeof *answer);
    answer->is_kernel = op != OP_MALLOC;
    answer->promises_frames = op != OP_VMALLOC && op != OP_MALLOC;
    answer->may_sleep = op == OP_VMALLOC || op == OP_MALLOC || gfp_may_sleep(request->gfp);
    answer->release = op == OP_VMALLOC ? "vfree" : op == OP_MALLOC ? "free" : "kfree";
    struct machine *machine = NULL;
    enum pagoda_error error = machine_for(request, &machine);
    if (error)
        return error;
    error = run_on(machine, request, op, answer);
    machine_destroy(machine);
    return error || !with_limit ? error : known_limit(request, op, &answer->limit);
}
