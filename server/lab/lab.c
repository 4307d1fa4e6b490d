/* server/lab/lab.c - see lab.h: the registry, labs made and ended, the present. The past is lab_past.c.
 *
 * A lab's machine is woken by a snapshot and the log behind it, and put to sleep, when it is not used or others need the
 * room, by dropping it: nothing has to be written then. While it lives it leaves snapshots behind, a few milliseconds of
 * replay apart. */
#include "server/lab/lab.h"
#include "server/base/host_memory.h"
#include "server/base/problem.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

static uint64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* ---- the registry ---- */

static struct lab *make_lab(struct labs *labs, const struct lab_row *row)
{
    struct lab *lab = calloc(1, sizeof *lab);
    if (!lab)
        return NULL;
    lab->labs = labs;
    lab->row = *row;
    lab->log.lab = row->id;
    atomic_store(&lab->log.durable_seq, row->seq);
    atomic_store(&lab->seq, row->seq);
    lab->is_importing = row->is_importing;
    lab->import_seq = row->seq;
    pthread_mutex_init(&lab->mutex, NULL);
    pthread_mutex_init(&lab->past_mutex, NULL);
    return lab;
}

/* What a lab holds in memory, taken from it. */
struct machines {
    struct machine *all[1 + NR_PASTS];
};

static struct machines take_machines(struct lab *lab)
{
    struct machines taken = { { atomic_exchange(&lab->machine, NULL) } };
    for (uint32_t i = 0; i < NR_PASTS; i++) {
        taken.all[1 + i] = lab->pasts[i].machine;
        lab->pasts[i] = (struct past){ 0 };
    }
    lab->host_bytes = 0;
    return taken;
}

static void destroy_machines(const struct machines *machines)
{
    for (uint32_t i = 0; i < 1 + NR_PASTS; i++)
        machine_destroy(machines->all[i]);
}

/* Without users: nobody is changing them. */
static uint64_t count_host_bytes(struct lab *lab)
{
    struct machine *machine = atomic_load(&lab->machine);
    uint64_t bytes = machine ? machine_host_bytes(machine) : 0;
    for (uint32_t i = 0; i < NR_PASTS; i++)
        bytes += lab->pasts[i].machine ? machine_host_bytes(lab->pasts[i].machine) : 0;
    return bytes;
}

static void free_lab(struct lab *lab)
{
    struct machines machines = take_machines(lab);
    destroy_machines(&machines);
    pthread_mutex_destroy(&lab->mutex);
    pthread_mutex_destroy(&lab->past_mutex);
    free(lab);
}

static struct lab **bucket_of(struct labs *labs, const char *key)
{
    uint32_t hash = 0x811c9dc5; /* FNV-1a */
    for (; *key; key++)
        hash = (hash ^ (unsigned char)*key) * 0x01000193;
    return &labs->buckets[hash % LAB_BUCKETS];
}

static void append_lab(struct labs *labs, struct lab *lab)
{
    if (labs->last)
        labs->last->next = lab;
    else
        labs->first = lab;
    labs->last = lab;
    struct lab **bucket = bucket_of(labs, lab->row.key);
    lab->next_in_bucket = *bucket;
    *bucket = lab;
    labs->nr_labs++;
}

static void load_lab(void *context, const struct lab_row *row)
{
    struct lab *lab = make_lab(context, row);
    if (lab)
        append_lab(context, lab);
}

enum pagoda_error labs_open(struct store *store, struct labs *labs, struct problem *why)
{
    *labs = (struct labs){ .store = store, .memory_budget = UINT64_MAX };
    pthread_mutex_init(&labs->mutex, NULL);
    if (!snapshots_start(&labs->snapshots, store))
        return PAGODA_ERR_NOMEM;
    return store_list_labs(store, load_lab, labs, why);
}

void labs_stop(struct labs *labs)
{
    snapshots_stop(&labs->snapshots);
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
    struct lab *lab = *bucket_of(labs, key);
    while (lab && (lab->deleted || strcmp(lab->row.key, key) != 0))
        lab = lab->next_in_bucket;
    if (lab)
        lab->nr_users++;
    pthread_mutex_unlock(&labs->mutex);
    return lab;
}

void lab_hold(struct lab *lab)
{
    pthread_mutex_lock(&lab->labs->mutex);
    lab->nr_users++;
    pthread_mutex_unlock(&lab->labs->mutex);
}

static void unlink_lab(struct labs *labs, struct lab *lab)
{
    struct lab **at = &labs->first, *before = NULL;
    while (*at != lab) {
        before = *at;
        at = &before->next;
    }
    *at = lab->next;
    if (labs->last == lab)
        labs->last = before;
    at = bucket_of(labs, lab->row.key);
    while (*at != lab)
        at = &(*at)->next_in_bucket;
    *at = lab->next_in_bucket;
    labs->nr_labs--;
}

void lab_put(struct lab *lab)
{
    struct labs *labs = lab->labs;
    uint64_t now = now_ns();
    pthread_mutex_lock(&labs->mutex);
    bool is_last = --lab->nr_users == 0;
    lab->last_used_ns = now;
    if (is_last)
        lab->host_bytes = count_host_bytes(lab);
    bool is_gone = is_last && lab->deleted;
    if (is_gone)
        unlink_lab(labs, lab);
    pthread_mutex_unlock(&labs->mutex);
    if (is_gone)
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

/* Registry mutex held. Who is to sleep next: unused longest, if that is too long or memory is short. */
static struct lab *find_sleepy(struct labs *labs, uint64_t now)
{
    struct lab *oldest = NULL;
    uint64_t bytes = 0;
    for (struct lab *lab = labs->first; lab; lab = lab->next) {
        bytes += lab->host_bytes;
        if (lab->host_bytes && lab->nr_users == 0 && is_durable(lab) &&
            (!oldest || lab->last_used_ns < oldest->last_used_ns))
            oldest = lab;
    }
    bool is_idle = oldest && labs->idle_ns && now - oldest->last_used_ns > labs->idle_ns;
    return is_idle || bytes > labs->memory_budget ? oldest : NULL;
}

void labs_tidy(struct labs *labs)
{
    uint64_t now = now_ns();
    struct lab *lab;
    do {
        struct machines machines = { { NULL } };
        pthread_mutex_lock(&labs->mutex);
        lab = find_sleepy(labs, now);
        if (lab)
            machines = take_machines(lab); /* without users nobody holds its mutexes, and none can come meanwhile */
        pthread_mutex_unlock(&labs->mutex);
        destroy_machines(&machines);
        atomic_fetch_add(&labs->nr_sleeps, lab != NULL);
    } while (lab);
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

static enum pagoda_error store_lab(struct lab *lab, const struct lab_request *request)
{
    struct buffer text = { 0 };
    struct answer answer = { 0 };
    if (request && request->answer.key) {
        request->encode(&text, lab, atomic_load(&lab->machine));
        answer = request->answer;
        answer.text = buffer_terminate(&text);
    }
    enum pagoda_error error =
        text.failed ? PAGODA_ERR_NOMEM : store_create_lab(lab->labs->store, &lab->row, answer.key ? &answer : NULL);
    lab->log.lab = lab->row.id;
    buffer_clear(&text);
    return error;
}

static enum pagoda_error add_lab(struct labs *labs, struct lab_row *row, struct machine *machine, uint64_t cost_ns,
                                 const struct lab_request *request, struct lab **out)
{
    struct lab *lab = make_lab(labs, row);
    if (!lab) {
        machine_destroy(machine);
        return PAGODA_ERR_NOMEM;
    }
    atomic_store(&lab->machine, machine);
    enum pagoda_error error = store_lab(lab, request);
    if (error) {
        free_lab(lab);
        return error;
    }
    lab->cost_ns = lab->snapshot_cost_ns = cost_ns;
    lab->nr_users = 1;
    pthread_mutex_lock(&labs->mutex);
    lab->last_used_ns = now_ns();
    lab->host_bytes = machine_host_bytes(machine);
    append_lab(labs, lab);
    pthread_mutex_unlock(&labs->mutex);
    *out = lab;
    return PAGODA_OK;
}

enum pagoda_error lab_create(struct labs *labs, const char *name, const struct machine_config *config,
                             const struct lab_request *request, struct lab **out, struct problem *why)
{
    *out = NULL;
    struct lab_row row = { .config = *config };
    struct machine *machine;
    labs_tidy(labs);
    enum pagoda_error error = machine_config_complete(&row.config, why);
    if (!error)
        error = machine_create(&row.config, &HOST_MEMORY, &machine, why);
    if (error)
        return error;
    fill_row(&row, name);
    return add_lab(labs, &row, machine, 0, request, out);
}

enum pagoda_error lab_fork(struct lab *parent, const char *name, uint64_t at, const struct lab_request *request,
                           struct lab **out, struct problem *why)
{
    *out = NULL;
    if (at > lab_seq(parent)) {
        problem_say(why, "at", "the lab has no operation %llu", (unsigned long long)at);
        return PAGODA_ERR_INVALID;
    }
    labs_tidy(parent->labs);
    struct machine *past, *machine = NULL;
    enum pagoda_error error = lab_lock_past(parent, at, &past);
    if (error)
        return error;
    error = machine_clone(past, &machine);
    uint64_t cost_ns = parent->pasts[parent->newest_past].cost_ns;
    lab_unlock_past(parent);
    if (error)
        return error;
    struct lab_row row = { .config = parent->row.config, .parent = parent->row.id, .parent_seq = at, .seq = at };
    fill_row(&row, name);
    return add_lab(parent->labs, &row, machine, cost_ns, request, out);
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

enum pagoda_error lab_delete(struct lab *lab, const struct answer *answer)
{
    pthread_mutex_lock(&lab->mutex); /* no operation may be queued behind the deletion */
    enum pagoda_error error = store_delete_lab(lab->labs->store, lab->row.id, answer);
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

/* Now and then, with the lab locked. What its image takes to make is small beside the replay that it spares. */
static void leave_snapshot(struct lab *lab, const struct machine *machine)
{
    if (lab->cost_ns - lab->snapshot_cost_ns >= SNAPSHOT_NEAR_NS &&
        snapshot_take(&lab->labs->snapshots, lab, machine, lab->cost_ns))
        lab->snapshot_cost_ns = lab->cost_ns;
}

/* Where snapshots are missing (another engine wrote them, say), waking leaves new ones. */
static void wake_step(struct lab *lab, const struct past *past)
{
    lab->cost_ns = past->cost_ns;
    leave_snapshot(lab, past->machine);
}

/* Away with what an import has left that was to be all or nothing. Snapshots of it that are still under way know by the
 * losses that they came too late. */
static enum pagoda_error undo_import(struct lab *lab)
{
    atomic_fetch_add(&lab->log.nr_losses, 1);
    atomic_store(&lab->log.durable_seq, lab->import_seq);
    atomic_store(&lab->seq, lab->import_seq);
    enum pagoda_error error = store_undo_import(lab->labs->store, lab->row.id, lab->import_seq);
    lab->is_importing = error != PAGODA_OK;
    return error;
}

static enum pagoda_error wake(struct lab *lab)
{
    machine_destroy(atomic_exchange(&lab->machine, NULL));
    enum pagoda_error error = lab->last_ticket ? store_wait(lab->labs->store, lab->last_ticket) : PAGODA_OK;
    (void)error; /* whatever became of the last batch, durable_seq tells it */
    lab->last_ticket = 0;
    error = lab->is_importing ? undo_import(lab) : PAGODA_OK;
    if (error)
        return error;
    uint64_t seq = atomic_load(&lab->log.durable_seq);
    atomic_store(&lab->log.lost, false);
    atomic_store(&lab->seq, seq);
    labs_tidy(lab->labs);
    struct past present;
    error = lab_begin_replay(lab, seq, &present);
    if (error)
        return error;
    lab->cost_ns = lab->snapshot_cost_ns = present.cost_ns;
    error = lab_replay(lab, &present, seq, wake_step);
    if (error) {
        machine_destroy(present.machine);
        return error;
    }
    machine_record_events(present.machine, true);
    atomic_store(&lab->machine, present.machine);
    atomic_fetch_add(&lab->labs->nr_wakes, 1);
    return PAGODA_OK;
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
    lab->cost_ns += snapshot_replay_ns(result->cost_ns);
    leave_snapshot(lab, machine);
    return PAGODA_OK;
}

/* ---- imports that are all or nothing ---- */

/* Waits until the log has got as far as the lab. A ticket may be one that failed long ago and has been got over. */
static enum pagoda_error settle(struct lab *lab)
{
    enum pagoda_error error = lab->last_ticket ? store_wait(lab->labs->store, lab->last_ticket) : PAGODA_OK;
    if (atomic_load(&lab->log.durable_seq) == lab_seq(lab) && !atomic_load(&lab->log.lost))
        return PAGODA_OK;
    return error ? error : PAGODA_ERR_IO;
}

enum pagoda_error lab_begin_import(struct lab *lab)
{
    enum pagoda_error error = settle(lab);
    lab->import_seq = lab_seq(lab);
    if (!error)
        error = store_begin_import(lab->labs->store, lab->row.id, lab->import_seq);
    lab->is_importing = !error;
    return error;
}

enum pagoda_error lab_end_import(struct lab *lab, bool is_whole, const struct answer *answer)
{
    enum pagoda_error error = settle(lab);
    if (is_whole && !error)
        error = store_finish_import(lab->labs->store, lab->row.id, lab_seq(lab), answer);
    lab->is_importing = !is_whole || error;
    if (!lab->is_importing)
        return PAGODA_OK;
    enum pagoda_error undoing = wake(lab);
    (void)undoing; /* while the disk has no room: whoever wants the lab next tries again */
    return error;
}
