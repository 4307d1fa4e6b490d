/* server/lab/lab.c - a lab's present: it wakes, takes operations, and leaves snapshots behind.
 *
 * A lab's machine is woken by a snapshot and the log behind it, and put to sleep, when it is not used or others need the
 * room, by dropping it: nothing has to be written then. While it lives it leaves snapshots behind, a few milliseconds of
 * replay apart. */
#include "server/base/guard.h"
#include "server/base/hash.h"
#include "server/base/problem.h"
#include "server/lab/lab_internal.h"

#include <string.h>

enum pagoda_error lab_wait_durable(struct lab *lab, uint64_t seq)
{
    enum pagoda_error error = PAGODA_OK;
    uint64_t ticket = atomic_load(&lab->last_ticket);
    if (lab_durable_seq(lab) < seq && ticket)
        error = store_wait(lab->labs->store, ticket);
    if (lab_durable_seq(lab) >= seq)
        return PAGODA_OK;
    return error ? error : PAGODA_ERR_IO;
}

enum pagoda_error lab_settle(struct lab *lab)
{
    enum pagoda_error error = lab_wait_durable(lab, lab_seq(lab));
    return !error && atomic_load(&lab->log.lost) ? PAGODA_ERR_IO : error;
}

/* ---- waking ---- */

bool lab_is_awake(const struct lab *lab)
{
    return atomic_load(&lab->machine) && !atomic_load(&lab->log.lost) && !atomic_load(&lab->is_broken);
}

void lab_leave_snapshot(struct lab *lab, const struct machine *machine)
{
    /* What an image takes to make is small beside the replay that it spares. */
    if (lab->cost_ns - lab->snapshot_cost_ns >= SNAPSHOT_NEAR_NS &&
        snapshot_take(&lab->labs->snapshots, lab, machine, lab->cost_ns))
        lab->snapshot_cost_ns = lab->cost_ns;
}

/* Where snapshots are missing (another engine wrote them, say), waking leaves new ones. */
static void lab_wake_step(struct lab *lab, const struct past *past)
{
    lab->cost_ns = past->cost_ns;
    lab_leave_snapshot(lab, past->machine);
}

/* Deletes the operations of an all-or-nothing import that was not finished. nr_losses is raised, so that a snapshot of them
 * which is still being written is thrown away. */
static enum pagoda_error lab_undo_import(struct lab *lab)
{
    atomic_fetch_add(&lab->log.nr_losses, 1);
    atomic_store(&lab->log.durable_seq, lab->import_seq);
    atomic_store(&lab->seq, lab->import_seq);
    enum pagoda_error error = store_undo_import(lab->labs->store, lab->row.id, lab->import_seq);
    lab->is_importing = error != PAGODA_OK;
    return error;
}

/* Snapshots of operations that are not in the log would pass for those of the operations that get their numbers next. While
 * the disk does not let them go they are tried again; who reads one compares it with the log in any case. */
static void lab_drop_images_behind(struct lab *lab)
{
    if (lab->has_images_behind || atomic_load(&lab->log.lost))
        lab->has_images_behind = store_drop_snapshots(lab->labs->store, lab->row.id, lab_durable_seq(lab)) != PAGODA_OK;
}

/* The log as it is on disk becomes the lab's history. */
static enum pagoda_error lab_accept_log(struct lab *lab)
{
    uint64_t ticket = atomic_load(&lab->last_ticket);
    enum pagoda_error error = ticket ? store_wait(lab->labs->store, ticket) : PAGODA_OK;
    (void)error; /* whatever became of the last batch, durable_seq tells it */
    atomic_store(&lab->last_ticket, 0);
    memset(lab->keys, 0, sizeof lab->keys);
    error = lab->is_importing ? lab_undo_import(lab) : PAGODA_OK;
    if (error)
        return error;
    lab_drop_images_behind(lab);
    lab->nr_losses = atomic_load(&lab->log.nr_losses);
    atomic_store(&lab->log.lost, false);
    atomic_store(&lab->seq, lab_durable_seq(lab));
    return PAGODA_OK;
}

/* To seq, or, with differs_at, to the first result that is another today. */
static enum pagoda_error lab_replay_to(struct lab *lab, uint64_t seq, struct past *present, uint64_t *differs_at)
{
    enum pagoda_error error = lab_begin_replay(lab, seq, present);
    if (error)
        return error;
    lab->cost_ns = lab->snapshot_cost_ns = present->cost_ns;
    error = lab_replay(lab, present, seq, lab_wake_step, differs_at);
    if (error)
        machine_destroy(present->machine);
    return error;
}

/* What the comparison with today's rules has found. Should the store not take it, the next waking compares once more. */
static void lab_note_rules(struct lab *lab, uint64_t differs_at)
{
    pthread_mutex_lock(&lab->labs->mutex);
    lab->row.rules = machine_rules();
    lab->row.differs_at = differs_at;
    pthread_mutex_unlock(&lab->labs->mutex);
    atomic_store(&lab->differs_at, differs_at);
    atomic_store(&lab->is_compared, true);
    enum pagoda_error error = store_note_rules(lab->labs->store, lab->row.id, machine_rules(), differs_at);
    (void)error;
}

/* A log of other rules is compared on the way. When it differs, the present is the last moment that is as recorded. */
static enum pagoda_error lab_make_present(struct lab *lab, struct past *present)
{
    if (!atomic_load(&lab->is_compared)) {
        uint64_t differs_at;
        enum pagoda_error error = lab_replay_to(lab, lab_seq(lab), present, &differs_at);
        if (error)
            return error;
        lab_note_rules(lab, differs_at);
        if (!differs_at)
            return PAGODA_OK;
        machine_destroy(present->machine);
    }
    uint64_t differs_at = lab_differs_at(lab);
    return lab_replay_to(lab, differs_at ? differs_at - 1 : lab_seq(lab), present, NULL);
}

enum pagoda_error lab_wake(struct lab *lab)
{
    struct past present;
    if (lab_is_awake(lab))
        return PAGODA_OK;
    machine_destroy(atomic_exchange(&lab->machine, NULL));
    if (lab_is_quarantined(lab))
        return PAGODA_ERR_QUARANTINED;
    enum pagoda_error error = lab_accept_log(lab);
    if (error)
        return error;
    labs_tidy(lab->labs);
    error = lab_make_present(lab, &present);
    atomic_store(&lab->mistrusts_snapshots, error == PAGODA_ERR_FAULT);
    if (error == PAGODA_ERR_FAULT)
        lab_count_fault(lab);
    if (error)
        return error;
    atomic_store(&lab->is_broken, false);
    machine_record_events(present.machine, true);
    atomic_store(&lab->machine, present.machine);
    atomic_fetch_add(&lab->labs->nr_wakes, 1);
    return PAGODA_OK;
}

/* ---- rules ---- */

uint64_t lab_differs_at(const struct lab *lab)
{
    return atomic_load(&lab->differs_at);
}

enum pagoda_error lab_refuse_rules(const struct lab *lab, struct problem *why)
{
    problem_say(why, "",
                "operation %llu was recorded under other rules and has another result under rules revision %u: the lab is "
                "read-only; POST /labs/%s/rerun makes one under today's rules",
                (unsigned long long)lab_differs_at(lab), machine_rules(), lab->row.key);
    return PAGODA_ERR_RULES;
}

/* ---- operations ---- */

static uint64_t lab_key_hash(const char *key)
{
    return hash64_bytes(HASH_START, key, strlen(key));
}

static void lab_remember_key(struct lab *lab, const char *key, uint64_t ticket)
{
    lab->keys[lab->next_key++ % KEYS_IN_FLIGHT] = (struct key_in_flight){ lab_key_hash(key), ticket };
}

bool lab_key_is_in_flight(const struct lab_hold *hold, const char *key, uint64_t *ticket)
{
    const struct lab *lab = hold->lab;
    const struct key_in_flight *oldest = &lab->keys[lab->next_key % KEYS_IN_FLIGHT];
    uint64_t hash = lab_key_hash(key);
    for (uint32_t i = 0; i < KEYS_IN_FLIGHT; i++) {
        const struct key_in_flight *each = &lab->keys[i];
        /* The oldest is waited for in any case: this key may need its place. */
        if (each->ticket && (each->hash == hash || each == oldest) && !store_is_durable(lab->labs->store, each->ticket)) {
            *ticket = each->ticket;
            return true;
        }
    }
    return false;
}

static struct log_entry lab_log_entry(const struct op *op, const struct op_result *result)
{
    return (struct log_entry){ .seq = result->seq,
                               .op = *op,
                               .outcome = result->outcome,
                               .address = result->address,
                               .allocated = result->allocated,
                               .cost_ns = result->cost_ns,
                               .slept_ns = result->slept_ns };
}

enum pagoda_error lab_apply(struct lab_hold *hold, const struct op *op, const struct op_key *key, struct op_result *result,
                            struct problem *why)
{
    struct lab *lab = hold->lab;
    if (lab_differs_at(lab))
        return lab_refuse_rules(lab, why);
    enum pagoda_error error = guard_apply(hold->machine, op, result, why);
    if (error == PAGODA_ERR_FAULT)
        lab_broke(hold);
    if (error)
        return error;
    atomic_store_explicit(&lab->nr_faults, 0, memory_order_relaxed);
    const char *word = key ? key->key : NULL;
    struct log_entry entry = lab_log_entry(op, result);
    uint64_t ticket = store_append(lab->labs->store, &lab->log, &entry, word, word ? key->body_hash : 0);
    if (!ticket) {
        atomic_store(&lab->log.lost, true); /* the machine is ahead of what the log will hold */
        return PAGODA_ERR_IO;
    }
    atomic_store(&lab->last_ticket, ticket);
    atomic_store(&lab->seq, result->seq);
    if (word)
        lab_remember_key(lab, word, ticket);
    hold->seq = result->seq;
    hold->ticket = ticket;
    atomic_fetch_add(&lab->labs->nr_applied, 1);
    lab->cost_ns += snapshot_replay_ns(result->cost_ns);
    lab_leave_snapshot(lab, hold->machine);
    return PAGODA_OK;
}

/* ---- imports that are all or nothing ---- */

enum pagoda_error lab_begin_import(struct lab_hold *hold)
{
    struct lab *lab = hold->lab;
    if (lab_differs_at(lab))
        return PAGODA_ERR_RULES;
    enum pagoda_error error = lab_settle(lab);
    lab->import_seq = lab_seq(lab);
    if (!error)
        error = store_begin_import(lab->labs->store, lab->row.id, lab->import_seq);
    lab->is_importing = !error;
    return error;
}

enum pagoda_error lab_end_import(struct lab_hold *hold, bool is_whole, const struct answer *answer)
{
    struct lab *lab = hold->lab;
    enum pagoda_error error = lab_settle(lab);
    if (is_whole && !error)
        error = store_finish_import(lab->labs->store, lab->row.id, lab_seq(lab), answer);
    lab->is_importing = !is_whole || error;
    if (!lab->is_importing)
        return PAGODA_OK;
    machine_destroy(atomic_exchange(&lab->machine, NULL));
    enum pagoda_error undoing = lab_wake(lab);
    (void)undoing; /* while the disk has no room: whoever wants the lab next tries again */
    hold->machine = atomic_load(&lab->machine);
    hold->seq = lab_seq(lab);
    return error;
}
