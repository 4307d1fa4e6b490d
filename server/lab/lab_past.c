/* server/lab/lab_past.c - replays: how a lab comes back, and how its earlier moments are seen.
 *
 * A replay starts at the nearest snapshot and goes along the log. Where it leads elsewhere than it led when it was written,
 * the engine has learnt better since (or the file is damaged; `pagodad check` tells): that is said once, and the machine of
 * today is shown. Where a hash of this engine was logged it is compared. A past machine walks forward cheaply, which is
 * what a timeline being played does; walking back starts again at a snapshot. */
#include "server/lab/ahead.h"
#include "server/base/host_memory.h"
#include "server/lab/lab.h"

#include <stdio.h>

#define SHORT_WALK 2000u /* operations: cheaper than to look for a snapshot */

struct replay {
    struct lab *lab;
    struct past *past;
    void (*each_step)(struct lab *lab, const struct past *past);
    struct snapshot_row next_hash; /* seq UINT64_MAX: there is none */
    bool differs;
    enum pagoda_error error;
    struct ahead ahead; /* read, not yet applied */
};

static void find_next_hash(struct replay *replay, uint64_t from)
{
    struct lab *lab = replay->lab;
    if (store_next_hash(lab->labs->store, lab->row.id, from, machine_engine(), &replay->next_hash))
        replay->next_hash.seq = UINT64_MAX;
}

/* The log is the truth; a hash that disagrees is reported, and the way goes on. */
static void compare_hash(struct replay *replay)
{
    const struct machine *machine = replay->past->machine;
    if (machine_hash(machine) != replay->next_hash.hash) {
        atomic_fetch_add(&replay->lab->labs->nr_mismatches, 1);
        fprintf(stderr, "pagodad: lab %s: after operation %llu the machine's hash is not the one logged\n",
                replay->lab->row.key, (unsigned long long)machine_seq(machine));
    }
    find_next_hash(replay, machine_seq(machine) + 1);
}

static bool agrees(const struct log_entry *entry, const struct op_result *result)
{
    return result->seq == entry->seq && result->outcome == entry->outcome && result->address == entry->address;
}

/* What is refused today keeps its number and does nothing. */
static enum pagoda_error apply_logged(struct machine *machine, const struct log_entry *entry, struct op_result *result)
{
    struct problem why;
    enum pagoda_error error = machine_apply(machine, &entry->op, result, &why);
    if (error != PAGODA_ERR_INVALID)
        return error;
    struct op mark = op_default(OP_MARK);
    mark.text = (struct text){ "refused", 7 };
    mark.given = P(TEXT);
    return machine_apply(machine, &mark, result, &why);
}

static void say_difference(struct replay *replay, uint64_t seq)
{
    if (replay->differs)
        return;
    replay->differs = true;
    atomic_fetch_add(&replay->lab->labs->nr_mismatches, 1);
    fprintf(stderr, "pagodad: lab %s: operation %llu led elsewhere when it was logged (see: pagodad check)\n",
            replay->lab->row.key, (unsigned long long)seq);
}

static bool replay_entry(struct replay *replay, const struct log_entry *entry)
{
    struct op_result result;
    replay->error = apply_logged(replay->past->machine, entry, &result);
    if (!replay->error && !agrees(entry, &result))
        say_difference(replay, entry->seq);
    if (replay->error)
        return false;
    replay->past->cost_ns += snapshot_replay_ns(result.cost_ns);
    if (entry->seq == replay->next_hash.seq)
        compare_hash(replay);
    if (replay->each_step)
        replay->each_step(replay->lab, replay->past);
    return true;
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

static bool replay_one(void *context, const struct log_entry *entry)
{
    struct replay *replay = context;
    if (!ahead_can_hold(entry))
        return replay_rest(replay) && replay_entry(replay, entry);
    if (ahead_is_full(&replay->ahead) && !replay_entry(replay, ahead_take(&replay->ahead)))
        return false;
    ahead_put(&replay->ahead, replay->past->machine, entry);
    return true;
}

enum pagoda_error lab_replay(struct lab *lab, struct past *past, uint64_t seq,
                             void (*each_step)(struct lab *lab, const struct past *past))
{
    struct replay replay = { .lab = lab, .past = past, .each_step = each_step };
    uint64_t from = machine_seq(past->machine) + 1;
    if (from > seq)
        return PAGODA_OK;
    machine_record_events(past->machine, false);
    if (seq - from < SHORT_WALK)
        replay.next_hash.seq = UINT64_MAX;
    else
        find_next_hash(&replay, from);
    enum pagoda_error error = store_read_ops(lab->labs->store, lab->row.id, from, seq, replay_one, &replay);
    if (!error && !replay.error)
        (void)replay_rest(&replay);
    if (!error)
        error = replay.error;
    return !error && machine_seq(past->machine) != seq ? PAGODA_ERR_CORRUPT : error;
}

enum pagoda_error lab_begin_replay(struct lab *lab, uint64_t seq, struct past *past)
{
    struct problem why = { 0 };
    *past = (struct past){ 0 };
    if (seq && !snapshot_load(lab->labs->store, lab->row.id, seq, &past->machine, &past->cost_ns))
        return PAGODA_OK;
    past->cost_ns = 0;
    enum pagoda_error error = machine_create(&lab->row.config, &HOST_MEMORY, &past->machine, &why);
    return error == PAGODA_ERR_INVALID ? PAGODA_ERR_CORRUPT : error;
}

/* ---- earlier moments ---- */

static void drop_past(struct past *past)
{
    machine_destroy(past->machine);
    *past = (struct past){ 0 };
}

/* Moments behind the durable one never happened when the log was lost. */
static void drop_lost_pasts(struct lab *lab)
{
    for (uint32_t i = 0; i < NR_PASTS; i++)
        if (lab->pasts[i].machine && machine_seq(lab->pasts[i].machine) > atomic_load(&lab->log.durable_seq))
            drop_past(&lab->pasts[i]);
}

/* The past machine that needs the shortest walk to seq, or -1. */
static int nearest_past(const struct lab *lab, uint64_t seq)
{
    int nearest = -1;
    for (int i = 0; i < NR_PASTS; i++)
        if (lab->pasts[i].machine && machine_seq(lab->pasts[i].machine) <= seq &&
            (nearest < 0 || machine_seq(lab->pasts[i].machine) > machine_seq(lab->pasts[nearest].machine)))
            nearest = i;
    return nearest;
}

/* Reading starts when the log on disk has got as far as the lab has. */
static enum pagoda_error wait_for_log(struct lab *lab, uint64_t seq)
{
    pthread_mutex_lock(&lab->mutex);
    uint64_t ticket = lab->last_ticket;
    bool is_behind = atomic_load(&lab->log.durable_seq) < seq;
    pthread_mutex_unlock(&lab->mutex);
    enum pagoda_error error = is_behind && ticket ? store_wait(lab->labs->store, ticket) : PAGODA_OK;
    return error || atomic_load(&lab->log.durable_seq) >= seq ? error : PAGODA_ERR_IO;
}

/* With the past mutex held: where the walk to seq starts. A new start takes the place of the older past machine. */
static enum pagoda_error start_walk(struct lab *lab, uint64_t seq, uint32_t *index)
{
    int nearest = nearest_past(lab, seq);
    *index = nearest < 0 ? 1 - lab->newest_past : (uint32_t)nearest;
    uint64_t past_seq = nearest < 0 ? 0 : machine_seq(lab->pasts[nearest].machine);
    if (nearest >= 0 && seq - past_seq <= SHORT_WALK)
        return PAGODA_OK;
    struct past start;
    enum pagoda_error error = lab_begin_replay(lab, seq, &start);
    if (error)
        return nearest < 0 ? error : PAGODA_OK;
    if (nearest >= 0 && machine_seq(start.machine) <= past_seq) {
        drop_past(&start);
        return PAGODA_OK;
    }
    *index = 1 - lab->newest_past;
    drop_past(&lab->pasts[*index]);
    lab->pasts[*index] = start;
    return PAGODA_OK;
}

static enum pagoda_error seek(struct lab *lab, uint64_t seq, struct machine **out)
{
    uint32_t index;
    enum pagoda_error error = wait_for_log(lab, seq);
    drop_lost_pasts(lab);
    if (!error)
        error = start_walk(lab, seq, &index);
    if (error)
        return error;
    lab->newest_past = index;
    error = lab_replay(lab, &lab->pasts[index], seq, NULL);
    if (error) /* half way is nowhere */
        drop_past(&lab->pasts[index]);
    else
        *out = lab->pasts[index].machine;
    return error;
}

enum pagoda_error lab_lock_past(struct lab *lab, uint64_t seq, struct machine **machine)
{
    if (seq > lab_seq(lab))
        return PAGODA_ERR_NOT_FOUND;
    pthread_mutex_lock(&lab->past_mutex);
    enum pagoda_error error = seek(lab, seq, machine);
    if (error)
        pthread_mutex_unlock(&lab->past_mutex);
    return error;
}

void lab_unlock_past(struct lab *lab)
{
    pthread_mutex_unlock(&lab->past_mutex);
}

struct relive {
    struct past *past;
    bool (*each)(void *context, const struct log_entry *entry, const struct op_result *result);
    void *context;
    enum pagoda_error error;
};

static bool relive_one(void *context, const struct log_entry *entry)
{
    struct relive *relive = context;
    struct op_result result;
    relive->error = apply_logged(relive->past->machine, entry, &result);
    if (relive->error)
        return false;
    relive->past->cost_ns += snapshot_replay_ns(result.cost_ns);
    return relive->each(relive->context, entry, &result);
}

enum pagoda_error lab_relive(struct lab *lab, uint64_t from, uint64_t to,
                             bool (*each)(void *context, const struct log_entry *entry, const struct op_result *result),
                             void *context)
{
    struct machine *machine;
    if (from == 0 || from > to)
        return PAGODA_OK;
    enum pagoda_error error = wait_for_log(lab, to);
    if (!error)
        error = lab_lock_past(lab, from - 1, &machine);
    if (error)
        return error;
    struct relive relive = { .past = &lab->pasts[lab->newest_past], .each = each, .context = context };
    machine_record_events(machine, true);
    error = store_read_ops(lab->labs->store, lab->row.id, from, to, relive_one, &relive);
    machine_record_events(machine, false);
    lab_unlock_past(lab);
    return error ? error : relive.error;
}
