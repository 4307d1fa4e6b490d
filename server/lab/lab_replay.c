/* server/lab/lab_replay.c - replays: how a machine comes back from the log.
 *
 * A replay starts at the nearest snapshot and goes along the log. A log of other rules is compared with today's: the first
 * result that differs ends the replay. A log of today's rules that leads elsewhere is damaged (`pagodad check` tells): that
 * is said once, and the replay goes on. Where a hash of this engine was logged it is compared. */
#include "server/base/clock.h"
#include "server/base/guard.h"
#include "server/base/host_memory.h"
#include "server/base/turn.h"
#include "server/lab/ahead.h"
#include "server/lab/lab_internal.h"

#include <stdio.h>

struct replay {
    struct lab *lab;
    struct past *past;
    const struct lab_walk *walk;
    struct snapshot_row next_hash; /* seq UINT64_MAX: there is none */
    bool differs, is_late;
    enum pagoda_error error;
    struct ahead ahead; /* read, not yet applied */
};

static void replay_find_hash(struct replay *replay, uint64_t from)
{
    struct lab *lab = replay->lab;
    const struct snapshot_moment moment = { lab->row.number, from, snapshot_identity() };
    if (store_next_hash(lab->labs->store, &moment, &replay->next_hash))
        replay->next_hash.seq = UINT64_MAX;
}

/* The log is the truth; a hash that disagrees is reported, and the way goes on. */
static void replay_compare_hash(struct replay *replay)
{
    const struct machine *machine = replay->past->machine;
    if (machine_hash(machine) != replay->next_hash.hash) {
        atomic_fetch_add(&replay->lab->labs->nr_mismatches, 1);
        fprintf(stderr, "pagodad: lab %s: after operation %llu the machine's hash is not the one logged\n",
                replay->lab->row.id, (unsigned long long)machine_seq(machine));
    }
    replay_find_hash(replay, machine_seq(machine) + 1);
}

static bool replay_agrees(const struct log_entry *entry, const struct op_result *result)
{
    return result->seq == entry->seq && result->kind == entry->op.kind && result->outcome == entry->outcome &&
           result->address == entry->address && result->allocated == entry->allocated;
}

enum pagoda_error lab_apply_logged(struct machine *machine, const struct log_entry *entry, struct op_result *result)
{
    struct problem why = { 0 };
    enum pagoda_error error = guard_apply(machine, &entry->op, result, &why);
    if (error != PAGODA_ERR_INVALID)
        return error;
    struct op mark = op_default(OP_MARK);
    mark.text = (struct text){ "refused", 7 };
    mark.given = OP_BIT(TEXT);
    return guard_apply(machine, &mark, result, &why);
}

static void replay_say_difference(struct replay *replay, uint64_t seq)
{
    if (replay->differs)
        return;
    replay->differs = true;
    atomic_fetch_add(&replay->lab->labs->nr_mismatches, 1);
    fprintf(stderr, "pagodad: lab %s: operation %llu led elsewhere when it was logged (see: pagodad check)\n",
            replay->lab->row.id, (unsigned long long)seq);
}

static bool replay_entry(struct replay *replay, const struct log_entry *entry)
{
    struct op_result result;
    replay->error = lab_apply_logged(replay->past->machine, entry, &result);
    if (replay->error)
        return false;
    if (!replay_agrees(entry, &result)) {
        if (replay->walk->differs_at) {
            *replay->walk->differs_at = entry->seq;
            return false;
        }
        replay_say_difference(replay, entry->seq);
    }
    replay->past->cost_ns += snapshot_replay_ns(result.cost_ns);
    if (entry->seq == replay->next_hash.seq)
        replay_compare_hash(replay);
    if (replay->walk->each_step)
        replay->walk->each_step(replay->lab, replay->past);
    replay->is_late = replay->walk->deadline_ns != FOREVER && clock_ns() >= replay->walk->deadline_ns;
    return !replay->is_late;
}

/* All that was read and is still waiting. */
static bool replay_rest(struct replay *replay)
{
    const struct log_entry *entry;
    while ((entry = ahead_take(&replay->ahead)))
        if (!replay_entry(replay, entry))
            return false;
    return true;
}

static bool replay_put(void *context, const struct log_entry *entry)
{
    struct replay *replay = context;
    if (!ahead_can_hold(entry))
        return replay_rest(replay) && replay_entry(replay, entry);
    if (ahead_is_full(&replay->ahead) && !replay_entry(replay, ahead_take(&replay->ahead)))
        return false;
    ahead_put(&replay->ahead, replay->past->machine, entry);
    return true;
}

static bool replay_ended_early(const struct replay *replay)
{
    return replay->is_late || (replay->walk->differs_at && *replay->walk->differs_at);
}

enum pagoda_error lab_replay(struct lab *lab, struct past *past, const struct lab_walk *walk)
{
    struct replay replay = { .lab = lab, .past = past, .walk = walk };
    if (walk->differs_at)
        *walk->differs_at = 0;
    uint64_t from = machine_seq(past->machine) + 1;
    if (from > walk->to)
        return PAGODA_OK;
    machine_record_events(past->machine, false);
    if (walk->to - from < SHORT_WALK)
        replay.next_hash.seq = UINT64_MAX;
    else
        replay_find_hash(&replay, from);
    host_memory_replay(true);
    enum pagoda_error error = store_read_ops(lab->labs->store, lab->row.number, from, walk->to, replay_put, &replay);
    if (!error && !replay.error && !replay_ended_early(&replay))
        (void)replay_rest(&replay);
    host_memory_replay(false);
    if (!error)
        error = replay.error;
    if (!error && replay_ended_early(&replay))
        return PAGODA_OK;
    return !error && machine_seq(past->machine) != walk->to ? PAGODA_ERR_CORRUPT : error;
}

static enum pagoda_error replay_start(struct lab *lab, uint64_t seq, struct past *past)
{
    struct problem why = { 0 };
    turn_is_for(lab->row.id);
    *past = (struct past){ 0 };
    if (lab->row.is_damaged) /* of whose configuration nobody knows what it was */
        return PAGODA_ERR_CORRUPT;
    if (seq && !atomic_load(&lab->mistrusts_snapshots) &&
        !snapshot_load(lab->labs->store, lab->row.number, seq, &past->machine, &past->cost_ns))
        return PAGODA_OK;
    past->cost_ns = 0;
    enum pagoda_error error = guard_create(&lab->row.config, &HOST_MEMORY, &past->machine, &why);
    return error == PAGODA_ERR_INVALID ? PAGODA_ERR_CORRUPT : error;
}

enum pagoda_error lab_begin_replay(struct lab *lab, uint64_t seq, struct past *past)
{
    host_memory_replay(true);
    enum pagoda_error error = replay_start(lab, seq, past);
    host_memory_replay(false);
    return error;
}
