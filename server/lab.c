/* server/lab.c - see lab.h.
 *
 * A lab's machine is woken by replaying its log and put to sleep, when others need the room, by dropping it. On the way it
 * leaves snapshots behind, evenly spaced: when all places are taken every other one goes and the spacing doubles, so that
 * any moment is at most one spacing of replay away. A past machine walks forward cheaply, which is what a timeline being
 * played does; walking back starts again at a snapshot. */
#include "server/lab.h"
#include "server/host_memory.h"
#include "server/problem.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#define FIRST_INTERVAL 512u /* operations between snapshots */
#define AWAKE_MAX 32u       /* labs with a machine in memory */

/* ---- the registry ---- */

static struct lab *make_lab(struct labs *labs, const struct lab_row *row)
{
    struct lab *lab = calloc(1, sizeof *lab);
    if (!lab)
        return NULL;
    lab->labs = labs;
    lab->row = *row;
    lab->log.lab = row->id;
    lab->snapshot_interval = FIRST_INTERVAL;
    atomic_store(&lab->log.durable_seq, row->seq);
    atomic_store(&lab->seq, row->seq);
    pthread_mutex_init(&lab->mutex, NULL);
    pthread_mutex_init(&lab->past_mutex, NULL);
    return lab;
}

static void drop_snapshots_after(struct lab *lab, uint64_t seq)
{
    while (lab->nr_snapshots && lab->snapshots[lab->nr_snapshots - 1].seq > seq)
        machine_destroy(lab->snapshots[--lab->nr_snapshots].machine);
}

static void drop_machines(struct lab *lab)
{
    machine_destroy(atomic_exchange(&lab->machine, NULL));
    for (uint32_t i = 0; i < lab->nr_snapshots; i++)
        machine_destroy(lab->snapshots[i].machine);
    lab->nr_snapshots = 0;
    lab->snapshot_interval = FIRST_INTERVAL;
    for (uint32_t i = 0; i < NR_PASTS; i++) {
        machine_destroy(lab->pasts[i]);
        lab->pasts[i] = NULL;
    }
}

static void free_lab(struct lab *lab)
{
    drop_machines(lab);
    pthread_mutex_destroy(&lab->mutex);
    pthread_mutex_destroy(&lab->past_mutex);
    free(lab);
}

static void append_lab(struct labs *labs, struct lab *lab)
{
    struct lab **end = &labs->first;
    while (*end)
        end = &(*end)->next;
    *end = lab;
    labs->nr_labs++;
}

static void load_lab(void *context, const struct lab_row *row)
{
    struct lab *lab = make_lab(context, row);
    if (lab)
        append_lab(context, lab);
}

enum pagoda_error labs_open(struct store *store, struct labs *labs)
{
    *labs = (struct labs){ .store = store };
    pthread_mutex_init(&labs->mutex, NULL);
    return store_list_labs(store, load_lab, labs);
}

void labs_close(struct labs *labs)
{
    while (labs->first) {
        struct lab *lab = labs->first;
        labs->first = lab->next;
        free_lab(lab);
    }
    pthread_mutex_destroy(&labs->mutex);
}

struct lab *lab_get(struct labs *labs, const char *key)
{
    pthread_mutex_lock(&labs->mutex);
    struct lab *lab = labs->first;
    while (lab && (lab->deleted || strcmp(lab->row.key, key) != 0))
        lab = lab->next;
    if (lab) {
        lab->nr_users++;
        lab->last_used = ++labs->clock;
    }
    pthread_mutex_unlock(&labs->mutex);
    return lab;
}

static void unlink_lab(struct labs *labs, struct lab *lab)
{
    struct lab **at = &labs->first;
    while (*at != lab)
        at = &(*at)->next;
    *at = lab->next;
    labs->nr_labs--;
}

void lab_put(struct lab *lab)
{
    struct labs *labs = lab->labs;
    pthread_mutex_lock(&labs->mutex);
    bool last = --lab->nr_users == 0 && lab->deleted;
    if (last)
        unlink_lab(labs, lab);
    pthread_mutex_unlock(&labs->mutex);
    if (last)
        free_lab(lab);
}

void labs_each(struct labs *labs, void (*each)(void *context, struct lab *lab), void *context)
{
    pthread_mutex_lock(&labs->mutex);
    for (struct lab *lab = labs->first; lab; lab = lab->next)
        if (!lab->deleted)
            each(context, lab);
    pthread_mutex_unlock(&labs->mutex);
}

static bool is_durable(const struct lab *lab)
{
    return atomic_load(&lab->log.durable_seq) == lab_seq(lab) && !atomic_load(&lab->log.lost);
}

/* Makes room for one more machine: whoever has been unused longest goes to sleep. */
static void put_one_to_sleep(struct labs *labs)
{
    struct lab *oldest = NULL;
    uint32_t nr_awake = 0;
    pthread_mutex_lock(&labs->mutex);
    for (struct lab *lab = labs->first; lab; lab = lab->next) {
        nr_awake += lab_is_awake(lab);
        if (lab_is_awake(lab) && lab->nr_users == 0 && is_durable(lab) && (!oldest || lab->last_used < oldest->last_used))
            oldest = lab;
    }
    if (oldest && nr_awake >= AWAKE_MAX)
        drop_machines(oldest); /* without users nobody holds its mutexes, and none can come while we hold the registry's */
    pthread_mutex_unlock(&labs->mutex);
}

/* ---- making and ending labs ---- */

static void fill_key(char key[LAB_KEY_LENGTH + 1])
{
    static const char DIGITS[] = "abcdefghjkmnpqrstuvwxyz023456789"; /* 32, none that look alike */
    unsigned char bytes[LAB_KEY_LENGTH];
    if (getrandom(bytes, sizeof bytes, 0) != (ssize_t)sizeof bytes)
        memset(bytes, (int)(time(NULL) & 0xff), sizeof bytes);
    for (size_t i = 0; i < LAB_KEY_LENGTH; i++)
        key[i] = DIGITS[bytes[i] & 31];
    key[LAB_KEY_LENGTH] = '\0';
}

static void fill_row(struct lab_row *row, const char *name)
{
    fill_key(row->key);
    snprintf(row->name, sizeof row->name, "%s", name);
    time_t now = time(NULL);
    struct tm utc;
    gmtime_r(&now, &utc);
    strftime(row->created, sizeof row->created, "%Y-%m-%dT%H:%M:%SZ", &utc);
}

static enum pagoda_error add_lab(struct labs *labs, struct lab_row *row, struct machine *machine, struct lab **out)
{
    enum pagoda_error error = store_create_lab(labs->store, row);
    struct lab *lab = error ? NULL : make_lab(labs, row);
    if (!lab) {
        machine_destroy(machine);
        return error ? error : PAGODA_ERR_NOMEM;
    }
    atomic_store(&lab->machine, machine);
    lab->nr_users = 1;
    pthread_mutex_lock(&labs->mutex);
    lab->last_used = ++labs->clock;
    append_lab(labs, lab);
    pthread_mutex_unlock(&labs->mutex);
    *out = lab;
    return PAGODA_OK;
}

enum pagoda_error lab_create(struct labs *labs, const char *name, const struct machine_config *config, struct lab **out,
                             struct problem *why)
{
    *out = NULL;
    struct lab_row row = { .config = *config };
    struct machine *machine;
    put_one_to_sleep(labs);
    enum pagoda_error error = machine_config_complete(&row.config, why);
    if (!error)
        error = machine_create(&row.config, &HOST_MEMORY, &machine, why);
    if (error)
        return error;
    fill_row(&row, name);
    return add_lab(labs, &row, machine, out);
}

enum pagoda_error lab_fork(struct lab *parent, const char *name, uint64_t at, struct lab **out, struct problem *why)
{
    *out = NULL;
    if (at > lab_seq(parent)) {
        problem_say(why, "at", "the lab has no operation %llu", (unsigned long long)at);
        return PAGODA_ERR_INVALID;
    }
    put_one_to_sleep(parent->labs);
    struct machine *past, *machine = NULL;
    enum pagoda_error error = lab_lock_past(parent, at, &past);
    if (error)
        return error;
    error = machine_clone(past, &machine);
    lab_unlock_past(parent);
    if (error)
        return error;
    struct lab_row row = { .config = parent->row.config, .parent = parent->row.id, .parent_seq = at, .seq = at };
    fill_row(&row, name);
    return add_lab(parent->labs, &row, machine, out);
}

enum pagoda_error lab_rename(struct lab *lab, const char *name)
{
    enum pagoda_error error = store_rename_lab(lab->labs->store, lab->row.id, name);
    if (error)
        return error;
    pthread_mutex_lock(&lab->labs->mutex);
    snprintf(lab->row.name, sizeof lab->row.name, "%s", name);
    pthread_mutex_unlock(&lab->labs->mutex);
    return PAGODA_OK;
}

enum pagoda_error lab_delete(struct lab *lab)
{
    pthread_mutex_lock(&lab->mutex); /* no operation may be queued behind the deletion */
    enum pagoda_error error = store_delete_lab(lab->labs->store, lab->row.id);
    pthread_mutex_lock(&lab->labs->mutex);
    lab->deleted = !error;
    pthread_mutex_unlock(&lab->labs->mutex);
    pthread_mutex_unlock(&lab->mutex);
    return error;
}

/* ---- the present ---- */

bool lab_is_awake(const struct lab *lab)
{
    return atomic_load(&lab->machine) && !atomic_load(&lab->log.lost);
}

uint64_t lab_seq(const struct lab *lab)
{
    return atomic_load(&lab->seq);
}

static void thin_snapshots(struct lab *lab)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < lab->nr_snapshots; i++) {
        if (i % 2)
            lab->snapshots[kept++] = lab->snapshots[i];
        else
            machine_destroy(lab->snapshots[i].machine);
    }
    lab->nr_snapshots = kept;
    lab->snapshot_interval *= 2;
}

/* A snapshot that cannot be had costs time later, nothing else. */
static void keep_snapshot(struct lab *lab, const struct machine *machine)
{
    uint64_t seq = machine_seq(machine);
    if (seq % lab->snapshot_interval != 0 || (lab->nr_snapshots && lab->snapshots[lab->nr_snapshots - 1].seq >= seq))
        return;
    if (lab->nr_snapshots == SNAPSHOTS_MAX)
        thin_snapshots(lab);
    struct machine *copy;
    if (seq % lab->snapshot_interval == 0 && machine_clone(machine, &copy) == PAGODA_OK)
        lab->snapshots[lab->nr_snapshots++] = (struct snapshot){ seq, copy };
}

struct replay {
    struct lab *lab; /* NULL: leave no snapshots */
    struct machine *machine;
    enum pagoda_error error;
};

/* The log must lead where it led before; another outcome or address means that file and engine do not belong together. */
static bool replay_one(void *context, const struct log_entry *entry)
{
    struct replay *replay = context;
    struct op_result result;
    struct problem why;
    replay->error = machine_apply(replay->machine, &entry->op, &result, &why);
    if (replay->error == PAGODA_ERR_INVALID ||
        (!replay->error &&
         (result.seq != entry->seq || result.outcome != entry->outcome || result.address != entry->address)))
        replay->error = PAGODA_ERR_CORRUPT;
    if (!replay->error && replay->lab)
        keep_snapshot(replay->lab, replay->machine);
    return !replay->error;
}

static enum pagoda_error replay_range(struct lab *lab, struct machine *machine, uint64_t to, bool keeps_snapshots)
{
    struct replay replay = { .lab = keeps_snapshots ? lab : NULL, .machine = machine };
    machine_record_events(machine, false);
    enum pagoda_error error =
        store_read_ops(lab->labs->store, lab->row.id, machine_seq(machine) + 1, to, replay_one, &replay);
    if (!error)
        error = replay.error;
    if (!error && machine_seq(machine) != to)
        error = PAGODA_ERR_CORRUPT;
    return error;
}

static enum pagoda_error wake(struct lab *lab)
{
    machine_destroy(atomic_exchange(&lab->machine, NULL));
    enum pagoda_error error = lab->last_ticket ? store_wait(lab->labs->store, lab->last_ticket) : PAGODA_OK;
    (void)error; /* whatever became of the last batch, durable_seq tells it */
    uint64_t seq = atomic_load(&lab->log.durable_seq);
    drop_snapshots_after(lab, seq);
    atomic_store(&lab->log.lost, false);
    atomic_store(&lab->seq, seq);
    put_one_to_sleep(lab->labs);
    struct machine *machine = NULL;
    struct problem why = { 0 };
    error = lab->nr_snapshots ? machine_clone(lab->snapshots[lab->nr_snapshots - 1].machine, &machine)
                              : machine_create(&lab->row.config, &HOST_MEMORY, &machine, &why);
    if (!error)
        error = replay_range(lab, machine, seq, true);
    if (error) {
        machine_destroy(machine);
        return error == PAGODA_ERR_INVALID ? PAGODA_ERR_CORRUPT : error;
    }
    machine_record_events(machine, true);
    atomic_store(&lab->machine, machine);
    return PAGODA_OK;
}

/* Moments behind the durable one never happened when the log was lost. */
static void drop_lost_pasts(struct lab *lab)
{
    for (uint32_t i = 0; i < NR_PASTS; i++)
        if (lab->pasts[i] && machine_seq(lab->pasts[i]) > atomic_load(&lab->log.durable_seq)) {
            machine_destroy(lab->pasts[i]);
            lab->pasts[i] = NULL;
        }
}

enum pagoda_error lab_lock(struct lab *lab)
{
    pthread_mutex_lock(&lab->mutex);
    enum pagoda_error error = lab_is_awake(lab) ? PAGODA_OK : wake(lab);
    if (error)
        pthread_mutex_unlock(&lab->mutex);
    return error;
}

void lab_unlock(struct lab *lab)
{
    pthread_mutex_unlock(&lab->mutex);
}

enum pagoda_error lab_apply(struct lab *lab, const struct op *op, const char *key, uint64_t body_hash,
                            struct op_result *result, uint64_t *ticket, struct problem *why)
{
    struct machine *machine = atomic_load(&lab->machine);
    enum pagoda_error error = machine_apply(machine, op, result, why);
    if (error)
        return error;
    struct log_entry entry = { .seq = result->seq,
                               .op = *op,
                               .outcome = result->outcome,
                               .address = result->address,
                               .allocated = result->allocated,
                               .cost_ns = result->cost_ns,
                               .slept_ns = result->slept_ns };
    *ticket = store_append(lab->labs->store, &lab->log, &entry, key, body_hash);
    if (!*ticket) {
        atomic_store(&lab->log.lost, true); /* the machine is ahead of what the log will hold */
        return PAGODA_ERR_IO;
    }
    lab->last_ticket = *ticket;
    atomic_store(&lab->seq, result->seq);
    atomic_fetch_add(&lab->labs->nr_applied, 1);
    keep_snapshot(lab, machine);
    return PAGODA_OK;
}

/* ---- the past ---- */

static const struct snapshot *nearest_snapshot(const struct lab *lab, uint64_t seq)
{
    const struct snapshot *nearest = NULL;
    for (uint32_t i = 0; i < lab->nr_snapshots && lab->snapshots[i].seq <= seq; i++)
        nearest = &lab->snapshots[i];
    return nearest;
}

/* The past machine that needs the shortest walk to seq, or -1. */
static int nearest_past(const struct lab *lab, uint64_t seq)
{
    int nearest = -1;
    for (int i = 0; i < NR_PASTS; i++)
        if (lab->pasts[i] && machine_seq(lab->pasts[i]) <= seq &&
            (nearest < 0 || machine_seq(lab->pasts[i]) > machine_seq(lab->pasts[nearest])))
            nearest = i;
    return nearest;
}

/* Copies the snapshot nearest to seq over the older past machine, or starts one at 0. */
static enum pagoda_error start_past(struct lab *lab, uint64_t seq, int *index)
{
    struct machine *machine = NULL;
    struct problem why = { 0 };
    *index = (int)(1 - lab->newest_past);
    pthread_mutex_lock(&lab->mutex);
    const struct snapshot *snapshot = nearest_snapshot(lab, seq);
    enum pagoda_error error = snapshot ? machine_clone(snapshot->machine, &machine)
                                       : machine_create(&lab->row.config, &HOST_MEMORY, &machine, &why);
    pthread_mutex_unlock(&lab->mutex);
    if (error)
        return error;
    machine_destroy(lab->pasts[*index]);
    lab->pasts[*index] = machine;
    return PAGODA_OK;
}

/* Reading starts when the log on disk has got as far as the lab has. */
static enum pagoda_error wait_for_log(struct lab *lab, uint64_t seq)
{
    enum pagoda_error error = lab_lock(lab); /* wakes it, for its snapshots */
    if (error)
        return error;
    uint64_t ticket = lab->last_ticket;
    bool behind = atomic_load(&lab->log.durable_seq) < seq;
    lab_unlock(lab);
    return behind && ticket ? store_wait(lab->labs->store, ticket) : PAGODA_OK;
}

/* With the past mutex held: a machine at seq, by the shortest way. */
static enum pagoda_error seek(struct lab *lab, uint64_t seq, struct machine **out)
{
    enum pagoda_error error = wait_for_log(lab, seq);
    if (error)
        return error;
    drop_lost_pasts(lab);
    int index = nearest_past(lab, seq);
    pthread_mutex_lock(&lab->mutex);
    const struct snapshot *snapshot = nearest_snapshot(lab, seq);
    bool snapshot_is_nearer = snapshot && (index < 0 || snapshot->seq > machine_seq(lab->pasts[index]));
    pthread_mutex_unlock(&lab->mutex);
    if (index < 0 || snapshot_is_nearer)
        error = start_past(lab, seq, &index);
    if (error)
        return error;
    lab->newest_past = (uint32_t)index;
    error = replay_range(lab, lab->pasts[index], seq, false);
    if (error) { /* half way is nowhere */
        machine_destroy(lab->pasts[index]);
        lab->pasts[index] = NULL;
        return error;
    }
    *out = lab->pasts[index];
    return PAGODA_OK;
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
    struct machine *machine;
    bool (*each)(void *context, const struct log_entry *entry, const struct op_result *result);
    void *context;
    enum pagoda_error error;
};

static bool relive_one(void *context, const struct log_entry *entry)
{
    struct relive *relive = context;
    struct op_result result;
    struct problem why;
    relive->error = machine_apply(relive->machine, &entry->op, &result, &why);
    if (relive->error == PAGODA_ERR_INVALID)
        relive->error = PAGODA_ERR_CORRUPT;
    return !relive->error && relive->each(relive->context, entry, &result);
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
    struct relive relive = { .machine = machine, .each = each, .context = context };
    machine_record_events(machine, true);
    error = store_read_ops(lab->labs->store, lab->row.id, from, to, relive_one, &relive);
    machine_record_events(machine, false);
    lab_unlock_past(lab);
    return error ? error : relive.error;
}
