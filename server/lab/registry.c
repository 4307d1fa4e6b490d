/* server/lab/registry.c - the list of labs: who exists, who is used, who sleeps. */
#include "server/base/clock.h"
#include "server/base/hash.h"
#include "server/base/host_memory.h"
#include "server/lab/lab_internal.h"

#include <stdlib.h>
#include <string.h>

#define BUDGET_MIN (UINT64_C(64) << 20) /* bytes: so much can be had under any budget, or no lab could be used */
#define ROOM_LABS 8u                    /* so many labs at a time fall asleep when host memory is short */

struct lab *lab_make(struct labs *labs, const struct lab_row *row)
{
    struct lab *lab = calloc(1, sizeof *lab);
    if (!lab)
        return NULL;
    lab->labs = labs;
    lab->row = *row;
    lab->log.lab = row->number;
    atomic_store(&lab->log.durable_seq, row->seq);
    atomic_store(&lab->seq, row->seq);
    lab->has_images_behind = true; /* who wrote them did not see to it, perhaps */
    lab->is_importing = row->is_importing;
    lab->import_seq = row->seq;
    atomic_store(&lab->is_compared, row->rules == machine_rules());
    atomic_store(&lab->differs_at, row->rules == machine_rules() ? row->differs_at : 0);
    lane_init(&lab->present, labs->workers);
    lane_init(&lab->past, labs->workers);
    return lab;
}

/* ---- labs that are awake and that nobody uses, longest unused first; registry mutex held ---- */

static void unused_append(struct labs *labs, struct lab *lab)
{
    lab->unused_before = labs->unused_last;
    lab->unused_next = NULL;
    *(labs->unused_last ? &labs->unused_last->unused_next : &labs->unused_first) = lab;
    labs->unused_last = lab;
    lab->is_unused = true;
}

static void unused_remove(struct labs *labs, struct lab *lab)
{
    if (!lab->is_unused)
        return;
    *(lab->unused_before ? &lab->unused_before->unused_next : &labs->unused_first) = lab->unused_next;
    *(lab->unused_next ? &lab->unused_next->unused_before : &labs->unused_last) = lab->unused_before;
    lab->unused_next = lab->unused_before = NULL;
    lab->is_unused = false;
}

/* ---- machines ---- */

/* What a lab holds in memory, taken from it. */
struct machines {
    struct machine *all[2 + NR_PASTS];
};

static struct machines registry_take_machines(struct lab *lab)
{
    struct machines taken = { { atomic_exchange(&lab->machine, NULL), lab->waking.machine } };
    lab->waking = (struct past){ 0 };
    for (uint32_t i = 0; i < NR_PASTS; i++) {
        taken.all[2 + i] = lab->pasts[i].machine;
        lab->pasts[i] = (struct past){ 0 };
    }
    lab->host_bytes = 0;
    return taken;
}

static void registry_destroy_machines(const struct machines *machines)
{
    for (uint32_t i = 0; i < 2 + NR_PASTS; i++)
        machine_destroy(machines->all[i]);
}

static uint64_t registry_trim(struct machine *machine)
{
    if (!machine)
        return 0;
    machine_trim(machine);
    return machine_host_bytes(machine);
}

/* Of a lab without users, so that nobody has its machines: they keep what they use. Returns its bytes. */
static uint64_t registry_trim_lab(struct lab *lab)
{
    uint64_t bytes = registry_trim(atomic_load(&lab->machine));
    for (uint32_t i = 0; i < NR_PASTS; i++)
        bytes += registry_trim(lab->pasts[i].machine);
    return bytes;
}

void lab_free(struct lab *lab)
{
    struct machines machines = registry_take_machines(lab);
    registry_destroy_machines(&machines);
    lane_destroy(&lab->present);
    lane_destroy(&lab->past);
    free(lab);
}

static struct lab **registry_bucket(struct labs *labs, const char *id)
{
    return &labs->buckets[hash64_bytes(HASH_START, id, strlen(id)) % LAB_BUCKETS];
}

void labs_add(struct labs *labs, struct lab *lab)
{
    if (labs->last)
        labs->last->next = lab;
    else
        labs->first = lab;
    labs->last = lab;
    struct lab **bucket = registry_bucket(labs, lab->row.id);
    lab->next_in_bucket = *bucket;
    *bucket = lab;
    labs->nr_labs++;
}

/* ---- who sleeps ---- */

static bool registry_may_sleep(const struct lab *lab)
{
    return atomic_load(&lab->log.durable_seq) == lab_seq(lab) && !atomic_load(&lab->log.lost);
}

/* Who has been unused longest and may sleep; NULL: nobody. Registry mutex held. */
static struct lab *registry_find_sleepy(const struct labs *labs)
{
    struct lab *lab = labs->unused_first;
    while (lab && !registry_may_sleep(lab))
        lab = lab->unused_next;
    return lab;
}

bool registry_has_sleepy(const struct labs *labs)
{
    return registry_find_sleepy(labs) != NULL;
}

/* Puts the next one to sleep if it has been unused for idle_ns, or, with is_short, in any case. False: nobody is left. */
static bool registry_put_to_sleep(struct labs *labs, bool is_short)
{
    struct machines machines = { { NULL } };
    pthread_mutex_lock(&labs->mutex);
    struct lab *lab = registry_find_sleepy(labs);
    uint64_t idle_ns = labs->limits.idle_ns;
    bool is_idle = lab && idle_ns && clock_ns() - lab->last_used_ns > idle_ns;
    bool is_over = host_memory_committed() > labs->limits.memory_budget;
    if (lab && !(is_idle || is_over || is_short))
        lab = NULL;
    if (lab) {
        unused_remove(labs, lab);
        machines = registry_take_machines(lab); /* without users nobody has its lanes, and none can come meanwhile */
    }
    pthread_mutex_unlock(&labs->mutex);
    registry_destroy_machines(&machines);
    atomic_fetch_add(&labs->nr_sleeps, lab != NULL);
    return lab != NULL;
}

/* The host has no more memory for a machine: those that are not used make room, whatever their age. */
static bool registry_make_room(void *context)
{
    uint32_t nr = 0;
    while (nr < ROOM_LABS && registry_put_to_sleep(context, true))
        nr++;
    return nr != 0;
}

/* ---- the list ---- */

static void registry_load(void *context, const struct lab_row *row)
{
    struct labs *labs = context;
    struct lab *lab = lab_make(labs, row);
    if (lab)
        labs_add(labs, lab);
    else
        labs->out_of_memory = true;
}

static enum pagoda_error registry_fill(struct labs *labs, struct problem *why)
{
    if (!snapshots_start(&labs->snapshots, labs->store))
        return PAGODA_ERR_NOMEM;
    enum pagoda_error error = store_list_labs(labs->store, registry_load, labs, why);
    return !error && labs->out_of_memory ? PAGODA_ERR_NOMEM : error;
}

enum pagoda_error labs_open(struct store *store, struct workers *workers, struct labs **out, struct problem *why)
{
    *out = NULL;
    struct labs *labs = calloc(1, sizeof *labs);
    if (!labs)
        return PAGODA_ERR_NOMEM;
    *labs = (struct labs){ .store = store, .workers = workers, .limits = LABS_UNLIMITED };
    pthread_mutex_init(&labs->mutex, NULL);
    host_memory_on_shortage(registry_make_room, labs);
    enum pagoda_error error = registry_fill(labs, why);
    if (error) {
        labs_stop(labs);
        labs_close(labs);
    } else {
        *out = labs;
    }
    return error;
}

void labs_limit(struct labs *labs, const struct labs_limits *limits)
{
    pthread_mutex_lock(&labs->mutex);
    labs->limits = *limits;
    pthread_mutex_unlock(&labs->mutex);
    host_memory_limit(&(struct host_limits){
        .machine = limits->machine_bytes, .all = limits->memory_budget > BUDGET_MIN ? limits->memory_budget : BUDGET_MIN });
}

void labs_hurry(struct labs *labs)
{
    atomic_store(&labs->are_stopping, true);
    labs_offer_room(labs);
}

void labs_stop(struct labs *labs)
{
    if (labs)
        snapshots_stop(&labs->snapshots);
}

void labs_close(struct labs *labs)
{
    if (!labs)
        return;
    host_memory_on_shortage(NULL, NULL);
    while (labs->first) {
        struct lab *lab = labs->first;
        labs->first = lab->next;
        lab_free(lab);
    }
    pthread_mutex_destroy(&labs->mutex);
    free(labs);
}

struct lab *lab_get(struct labs *labs, const char *id)
{
    pthread_mutex_lock(&labs->mutex);
    struct lab *lab = *registry_bucket(labs, id);
    while (lab && (lab->deleted || strcmp(lab->row.id, id) != 0))
        lab = lab->next_in_bucket;
    if (lab) {
        lab->nr_users++;
        unused_remove(labs, lab);
    }
    pthread_mutex_unlock(&labs->mutex);
    return lab;
}

void lab_keep(struct lab *lab)
{
    pthread_mutex_lock(&lab->labs->mutex);
    lab->nr_users++;
    unused_remove(lab->labs, lab); /* a watcher may have kept it till now, and watchers let it sleep */
    pthread_mutex_unlock(&lab->labs->mutex);
}

static void registry_unlink(struct labs *labs, struct lab *lab)
{
    struct lab **at = &labs->first, *before = NULL;
    while (*at != lab) {
        before = *at;
        at = &before->next;
    }
    *at = lab->next;
    if (labs->last == lab)
        labs->last = before;
    at = registry_bucket(labs, lab->row.id);
    while (*at != lab)
        at = &(*at)->next_in_bucket;
    *at = lab->next_in_bucket;
    labs->nr_labs--;
}

/* Registry mutex held. True: it was deleted, nobody keeps or watches it, and the list has it no longer. */
static bool registry_drop_gone(struct lab *lab)
{
    bool is_gone = !lab->nr_users && !lab->nr_watchers && lab->deleted;
    if (is_gone) {
        unused_remove(lab->labs, lab);
        registry_unlink(lab->labs, lab);
    }
    return is_gone;
}

void lab_put(struct lab *lab)
{
    struct labs *labs = lab->labs;
    uint64_t now = clock_ns();
    pthread_mutex_lock(&labs->mutex);
    struct machines broken = { { NULL } };
    bool is_last = --lab->nr_users == 0;
    lab->last_used_ns = now;
    if (is_last && atomic_load(&lab->is_broken))
        broken = registry_take_machines(lab);
    else if (is_last)
        lab->host_bytes = registry_trim_lab(lab);
    bool is_gone = registry_drop_gone(lab);
    if (is_last && !is_gone && lab->host_bytes)
        unused_append(labs, lab);
    pthread_mutex_unlock(&labs->mutex);
    registry_destroy_machines(&broken);
    if (is_gone)
        lab_free(lab);
    if (is_last)
        labs_offer_room(labs);
}

void lab_watch(struct lab *lab)
{
    pthread_mutex_lock(&lab->labs->mutex);
    lab->nr_watchers++;
    pthread_mutex_unlock(&lab->labs->mutex);
}

void lab_unwatch(struct lab *lab)
{
    struct labs *labs = lab->labs;
    pthread_mutex_lock(&labs->mutex);
    lab->nr_watchers--;
    bool is_gone = registry_drop_gone(lab);
    pthread_mutex_unlock(&labs->mutex);
    if (is_gone)
        lab_free(lab);
}

void labs_each(struct labs *labs, void (*each)(void *context, const struct lab_status *status), void *context)
{
    pthread_mutex_lock(&labs->mutex);
    for (struct lab *lab = labs->first; lab; lab = lab->next)
        if (!lab->deleted)
            each(context, &(struct lab_status){ &lab->row, lab_seq(lab), lab_nr_faults(lab), lab_is_quarantined(lab) });
    pthread_mutex_unlock(&labs->mutex);
}

void labs_count(struct labs *labs, struct labs_counts *counts)
{
    *counts = (struct labs_counts){ .nr_applied = atomic_load(&labs->nr_applied),
                                    .nr_wakes = atomic_load(&labs->nr_wakes),
                                    .nr_sleeps = atomic_load(&labs->nr_sleeps),
                                    .nr_mismatches = atomic_load(&labs->nr_mismatches) };
    pthread_mutex_lock(&labs->mutex);
    counts->nr_labs = labs->nr_labs;
    for (const struct lab *lab = labs->first; lab; lab = lab->next)
        counts->nr_awake += !lab->deleted && lab_is_awake(lab);
    pthread_mutex_unlock(&labs->mutex);
}

/* ---- what is said of a lab ---- */

const char *lab_id(const struct lab *lab)
{
    return lab->row.id;
}

int64_t lab_number(const struct lab *lab)
{
    return lab->row.number;
}

const struct machine_config *lab_config(const struct lab *lab)
{
    return &lab->row.config;
}

struct labs *lab_labs(const struct lab *lab)
{
    return lab->labs;
}

uint64_t lab_seq(const struct lab *lab)
{
    return atomic_load(&lab->seq);
}

uint64_t lab_durable_seq(const struct lab *lab)
{
    return atomic_load(&lab->log.durable_seq);
}

bool lab_is_deleted(const struct lab *lab)
{
    return atomic_load(&lab->deleted);
}

uint32_t lab_nr_losses(const struct lab *lab)
{
    return atomic_load(&lab->log.nr_losses);
}

void lab_read_row(struct lab *lab, struct lab_row *row)
{
    pthread_mutex_lock(&lab->labs->mutex);
    *row = lab->row;
    pthread_mutex_unlock(&lab->labs->mutex);
    row->seq = lab_seq(lab);
}

void labs_tidy(struct labs *labs)
{
    while (registry_put_to_sleep(labs, false)) {
    }
    labs_offer_room(labs);
}
