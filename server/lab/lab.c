/* server/lab/lab.c - a lab's present: it wakes, takes operations, and leaves snapshots behind.
 *
 * A lab's machine is woken by a snapshot and the log behind it, and put to sleep, when it is not used or others need the
 * room, by dropping it: nothing has to be written then. While it lives it leaves snapshots behind, a few milliseconds of
 * replay apart. */
#include "server/base/clock.h"
#include "server/base/guard.h"
#include "server/base/hash.h"
#include "server/base/host_memory.h"
#include "server/base/problem.h"
#include "server/lab/lab_internal.h"

#include <stddef.h>
#include <string.h>

#define LOOK_NS UINT64_C(100000000) /* who wakes a lab on a thread of its own looks so often whether the daemon stops */

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

/* ---- waking ---- */

static void lab_drop_waking(struct lab *lab)
{
    machine_destroy(lab->waking.machine);
    lab->waking = (struct past){ 0 };
}

bool lab_is_awake(const struct lab *lab)
{
    return atomic_load(&lab->machine) && !atomic_load(&lab->log.lost) && !atomic_load(&lab->is_broken);
}

void lab_leave_snapshot(struct lab *lab, const struct machine *machine)
{
    /* What an image takes to make is small beside the replay that it spares. */
    if (lab->cost_ns - lab->snapshot_cost_ns >= SNAPSHOT_NEAR_NS &&
        snapshot_take(&lab->labs->snapshots, lab, &lab->log, machine, lab->cost_ns))
        lab->snapshot_cost_ns = lab->cost_ns;
}

/* Where snapshots are missing (another engine wrote them, say), waking leaves new ones. */
static void lab_wake_step(struct lab *lab, const struct past *past)
{
    lab->cost_ns = past->cost_ns;
    lab_leave_snapshot(lab, past->machine);
}

uint64_t lab_ticket(const struct lab *lab)
{
    uint64_t ticket = atomic_load(&lab->last_ticket);
    return ticket && !store_has_ended(lab->labs->store, ticket) ? ticket : 0;
}

void lab_prepare_undo(struct lab *lab)
{
    lab->undoing.kind = STORE_UNDO_IMPORT;
    lab->undoing.lab = lab->row.number;
    lab->undoing.seq = lab->import_seq;
    atomic_store(&lab->log.durable_seq, lab->import_seq);
    atomic_store(&lab->seq, lab->import_seq);
}

static void lab_images_are_dropped(struct store_change *change, enum pagoda_error error)
{
    struct lab *lab = (struct lab *)(void *)((char *)change - offsetof(struct lab, dropping));
    if (!error && change->has_more) {
        store_post_change(lab->labs->store, change);
        return;
    }
    atomic_store(&lab->has_images_behind, error != PAGODA_OK);
    atomic_store(&lab->is_dropping, false);
    lab_put(lab);
}

/* Snapshots of operations that are not in the log would pass for those of the operations that get their numbers next. While
 * the disk does not let them go they are tried again; who reads one compares it with the log in any case. */
static void lab_drop_images_behind(struct lab *lab)
{
    if (!atomic_load(&lab->has_images_behind) && !atomic_load(&lab->log.lost))
        return;
    atomic_store(&lab->has_images_behind, true);
    if (atomic_exchange(&lab->is_dropping, true))
        return;
    lab_keep(lab);
    lab->dropping = (struct store_change){
        .kind = STORE_DROP_SNAPSHOTS, .lab = lab->row.number, .seq = lab_durable_seq(lab), .told = lab_images_are_dropped
    };
    store_post_change(lab->labs->store, &lab->dropping);
}

/* The log as it is on disk becomes the lab's history. */
static void lab_accept_log(struct lab *lab)
{
    atomic_store(&lab->last_ticket, 0);
    memset(lab->keys, 0, sizeof lab->keys);
    lab_drop_images_behind(lab);
    lab->nr_losses = atomic_load(&lab->log.nr_losses);
    atomic_store(&lab->log.lost, false);
    atomic_store(&lab->seq, lab_durable_seq(lab));
}

/* On to seq, or, with differs_at, to the first result that is another today. */
static enum pagoda_error lab_wake_to(struct lab *lab, const struct lab_walk *walk)
{
    struct past *waking = &lab->waking;
    if (!waking->machine) {
        enum pagoda_error beginning = lab_begin_replay(lab, walk->to, waking);
        if (beginning)
            return beginning;
        lab->cost_ns = lab->snapshot_cost_ns = waking->cost_ns;
    }
    enum pagoda_error error = lab_replay(lab, waking, walk);
    if (error)
        lab_drop_waking(lab);
    return error;
}

static void lab_rules_are_noted(struct store_change *change, enum pagoda_error error)
{
    struct lab *lab = (struct lab *)(void *)((char *)change - offsetof(struct lab, noting));
    (void)error; /* should the store not take it, the next waking compares once more */
    atomic_store(&lab->is_noting, false);
    lab_put(lab);
}

/* What the comparison with today's rules has found. */
static void lab_note_rules(struct lab *lab, uint64_t differs_at)
{
    pthread_mutex_lock(&lab->labs->mutex);
    lab->row.rules = machine_rules();
    lab->row.differs_at = differs_at;
    pthread_mutex_unlock(&lab->labs->mutex);
    atomic_store(&lab->differs_at, differs_at);
    atomic_store(&lab->is_compared, true);
    if (atomic_exchange(&lab->is_noting, true))
        return;
    lab_keep(lab);
    lab->noting = (struct store_change){ .kind = STORE_NOTE_RULES,
                                         .lab = lab->row.number,
                                         .rules = machine_rules(),
                                         .differs_at = differs_at,
                                         .told = lab_rules_are_noted };
    store_post_change(lab->labs->store, &lab->noting);
}

/* A log of other rules is compared on the way. */
static enum pagoda_error lab_compare_on(struct lab *lab, uint64_t deadline_ns)
{
    uint64_t head = lab_seq(lab), differs_at;
    enum pagoda_error error =
        lab_wake_to(lab, &(struct lab_walk){ head, deadline_ns, lab_wake_step, .differs_at = &differs_at });
    if (error || (!differs_at && machine_seq(lab->waking.machine) != head))
        return error;
    lab_note_rules(lab, differs_at);
    if (differs_at)
        lab_drop_waking(lab);
    return PAGODA_OK;
}

/* When the lab differs, its present is the last moment that is as recorded. */
static enum pagoda_error lab_make_present(struct lab *lab, uint64_t deadline_ns)
{
    uint64_t differs_at = lab_differs_at(lab), to = differs_at ? differs_at - 1 : lab_seq(lab);
    enum pagoda_error error = lab_wake_to(lab, &(struct lab_walk){ to, deadline_ns, lab_wake_step, NULL });
    if (error || machine_seq(lab->waking.machine) != to)
        return error;
    machine_record_events(lab->waking.machine, true);
    atomic_store(&lab->is_broken, false);
    atomic_store(&lab->mistrusts_snapshots, false);
    atomic_store(&lab->machine, lab->waking.machine);
    lab->waking = (struct past){ 0 };
    atomic_fetch_add(&lab->labs->nr_wakes, 1);
    return PAGODA_OK;
}

enum pagoda_error lab_wake_on(struct lab *lab, uint64_t deadline_ns)
{
    if (lab_is_awake(lab))
        return PAGODA_OK;
    if (atomic_load(&lab->labs->are_stopping))
        return PAGODA_ERR_STOPPING;
    if (!lab->waking.machine) {
        machine_destroy(atomic_exchange(&lab->machine, NULL));
        if (lab_is_quarantined(lab))
            return PAGODA_ERR_QUARANTINED;
        lab_accept_log(lab);
    }
    enum pagoda_error error = atomic_load(&lab->is_compared) ? PAGODA_OK : lab_compare_on(lab, deadline_ns);
    if (!error && atomic_load(&lab->is_compared))
        error = lab_make_present(lab, deadline_ns);
    if (error == PAGODA_ERR_FAULT) {
        atomic_store(&lab->mistrusts_snapshots, true);
        lab_count_fault(lab);
    }
    return host_memory_explain(error, NULL);
}

static enum pagoda_error lab_undo_import(struct lab *lab)
{
    lab_prepare_undo(lab);
    enum pagoda_error error = store_undo_import(lab->labs->store, lab->row.number, lab->import_seq);
    lab->is_importing = error != PAGODA_OK;
    return error;
}

enum pagoda_error lab_wake(struct lab *lab)
{
    enum pagoda_error error = PAGODA_OK;
    uint64_t ticket = lab_is_awake(lab) ? 0 : lab_ticket(lab);
    if (ticket)
        (void)!store_wait(lab->labs->store, ticket); /* whatever became of the last batch, durable_seq tells it */
    if (lab->is_importing && !lab_is_awake(lab))
        error = lab_undo_import(lab);
    while (!error && !lab_is_awake(lab))
        error = lab_wake_on(lab, clock_ns() + LOOK_NS);
    return error;
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
                (unsigned long long)lab_differs_at(lab), machine_rules(), lab->row.id);
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

struct log_entry lab_log_entry(const struct op *op, const struct op_result *result)
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
    if (lab->import || atomic_load(&lab->is_leaving))
        return lab->import ? PAGODA_ERR_CONFLICT : PAGODA_ERR_NOT_FOUND;
    enum pagoda_error error = guard_apply(hold->machine, op, result, why);
    if (error == PAGODA_ERR_FAULT)
        lab_broke(hold);
    if (error)
        return host_memory_explain(error, why);
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
