/* server/lab/lab_past.c - earlier moments: machines that are made from the log and walk along it.
 *
 * A past machine walks forward cheaply, which is what a timeline that is played does. Walking back starts again at a
 * snapshot. All of it happens with the past lane held. */
#include "server/base/clock.h"
#include "server/base/host_memory.h"
#include "server/lab/lab_internal.h"

static void past_drop(struct past *past)
{
    machine_destroy(past->machine);
    *past = (struct past){ 0 };
}

/* Moments behind the durable one never happened when the log was lost. */
static void past_drop_lost(struct lab *lab)
{
    for (uint32_t i = 0; i < NR_PASTS; i++)
        if (lab->pasts[i].machine && machine_seq(lab->pasts[i].machine) > atomic_load(&lab->log.durable_seq))
            past_drop(&lab->pasts[i]);
}

/* The past machine that needs the shortest walk to seq, or -1. */
static int past_nearest(const struct lab *lab, uint64_t seq)
{
    int nearest = -1;
    for (int i = 0; i < NR_PASTS; i++)
        if (lab->pasts[i].machine && machine_seq(lab->pasts[i].machine) <= seq &&
            (nearest < 0 || machine_seq(lab->pasts[i].machine) > machine_seq(lab->pasts[nearest].machine)))
            nearest = i;
    return nearest;
}

/* Where the walk to seq starts. A new start takes the place of the older past machine. */
static enum pagoda_error past_start_walk(struct lab *lab, uint64_t seq, uint32_t *index)
{
    int nearest = past_nearest(lab, seq);
    *index = nearest < 0 ? 1 - lab->newest_past : (uint32_t)nearest;
    uint64_t past_seq = nearest < 0 ? 0 : machine_seq(lab->pasts[nearest].machine);
    if (nearest >= 0 && seq - past_seq <= SHORT_WALK)
        return PAGODA_OK;
    struct past start;
    enum pagoda_error error = lab_begin_replay(lab, seq, &start);
    if (error)
        return nearest < 0 ? host_memory_explain(error, NULL) : PAGODA_OK;
    if (nearest >= 0 && machine_seq(start.machine) <= past_seq) {
        past_drop(&start);
        return PAGODA_OK;
    }
    *index = 1 - lab->newest_past;
    past_drop(&lab->pasts[*index]);
    lab->pasts[*index] = start;
    return PAGODA_OK;
}

enum pagoda_error lab_seek(struct lab *lab, uint64_t seq, uint64_t deadline_ns, struct lab_hold *hold)
{
    uint32_t index;
    if (lab_is_quarantined(lab))
        return PAGODA_ERR_QUARANTINED;
    if (lab_differs_at(lab) && seq >= lab_differs_at(lab))
        return PAGODA_ERR_RULES;
    if (atomic_load(&lab->labs->are_stopping))
        return PAGODA_ERR_STOPPING;
    enum pagoda_error error = PAGODA_OK;
    if (lab->is_seeking) {
        index = lab->newest_past;
    } else {
        past_drop_lost(lab);
        error = past_start_walk(lab, seq, &index);
    }
    if (error)
        return error;
    struct past *past = &lab->pasts[index];
    lab->newest_past = index;
    error = lab_replay(lab, past, &(struct lab_walk){ .to = seq, .deadline_ns = deadline_ns });
    if (error == PAGODA_ERR_FAULT)
        lab_count_fault(lab);
    error = host_memory_explain(error, NULL);
    if (error) /* half way is nowhere */
        past_drop(past);
    bool is_there = !error && machine_seq(past->machine) == seq;
    lab->is_seeking = !error && !is_there;
    *hold = (struct lab_hold){ .lab = lab, .machine = is_there ? past->machine : NULL, .seq = seq, .past = past };
    return error;
}

/* ---- what is only recorded ---- */

static void past_add_time(struct past *past, const struct log_entry *entry)
{
    uint64_t waited_ns = entry->op.kind == OP_TICK ? entry->op.duration_ns : 0;
    past->recorded_now_ns += waited_ns + entry->cost_ns + entry->slept_ns;
    past->recorded_seq = entry->seq;
}

struct time_walk {
    struct past *past;
    uint64_t deadline_ns;
};

static bool past_walk_time(void *context, const struct log_entry *entry)
{
    const struct time_walk *walk = context;
    past_add_time(walk->past, entry);
    return walk->deadline_ns == FOREVER || clock_ns() < walk->deadline_ns;
}

static void past_start_time(struct past *past)
{
    past->recorded_seq = machine_seq(past->machine);
    past->recorded_now_ns = machine_now_ns(past->machine);
}

enum pagoda_error lab_seek_recorded(struct lab *lab, uint64_t seq, uint64_t deadline_ns, struct lab_hold *hold)
{
    uint64_t differs_at = lab_differs_at(lab);
    if (!differs_at || seq < differs_at)
        return lab_seek(lab, seq, deadline_ns, hold);
    enum pagoda_error error = lab_seek(lab, differs_at - 1, deadline_ns, hold);
    if (error || !hold->machine)
        return error;
    struct past *past = hold->past;
    if (past->recorded_seq + 1 < differs_at || past->recorded_seq > seq)
        past_start_time(past);
    struct time_walk walk = { past, deadline_ns };
    if (past->recorded_seq < seq)
        error = store_read_ops(lab->labs->store, lab->row.number, past->recorded_seq + 1, seq, past_walk_time, &walk);
    hold->machine = past->recorded_seq == seq ? hold->machine : NULL;
    hold->seq = seq;
    return !error && past->recorded_seq != seq && clock_ns() < deadline_ns ? PAGODA_ERR_CORRUPT : error;
}

/* ---- history lived again ---- */

struct relive {
    struct lab_hold *hold;
    bool (*each)(void *context, const struct log_entry *entry, const struct op_result *result);
    void *context;
    enum pagoda_error error;
};

void lab_recorded_result(const struct log_entry *entry, struct op_result *result)
{
    *result = (struct op_result){ .seq = entry->seq,
                                  .kind = entry->op.kind,
                                  .outcome = entry->outcome,
                                  .address = entry->address,
                                  .requested = entry->op.size,
                                  .allocated = entry->allocated,
                                  .cost_ns = entry->cost_ns,
                                  .slept_ns = entry->slept_ns };
}

static bool relive_one(void *context, const struct log_entry *entry)
{
    struct relive *relive = context;
    struct op_result result;
    uint64_t differs_at = lab_differs_at(relive->hold->lab);
    if (differs_at && entry->seq >= differs_at) {
        struct past *past = relive->hold->past;
        if (entry->seq == differs_at)
            past_start_time(past);
        past_add_time(past, entry);
        relive->hold->seq = entry->seq;
        lab_recorded_result(entry, &result);
        result.now_ns = past->recorded_now_ns;
        return relive->each(relive->context, entry, &result);
    }
    relive->error = lab_apply_logged(relive->hold->machine, entry, &result);
    if (relive->error)
        return false;
    relive->hold->seq = entry->seq;
    relive->hold->past->cost_ns += snapshot_replay_ns(result.cost_ns);
    return relive->each(relive->context, entry, &result);
}

enum pagoda_error lab_relive(struct lab_hold *hold, uint64_t to,
                             bool (*each)(void *context, const struct log_entry *entry, const struct op_result *result),
                             void *context)
{
    const struct lab *lab = hold->lab;
    struct relive relive = { .hold = hold, .each = each, .context = context };
    if (to <= hold->seq)
        return PAGODA_OK;
    machine_record_events(hold->machine, true);
    enum pagoda_error error = store_read_ops(lab->labs->store, lab->row.number, hold->seq + 1, to, relive_one, &relive);
    if (relive.error == PAGODA_ERR_FAULT)
        lab_broke(hold);
    else
        machine_record_events(hold->machine, false);
    return error ? error : relive.error;
}
