/* server/lab/registry.c - the list of labs: who exists, who is used, who sleeps. */
#include "server/base/clock.h"
#include "server/base/hash.h"
#include "server/lab/lab_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct lab *lab_make(struct labs *labs, const struct lab_row *row)
{
    struct lab *lab = calloc(1, sizeof *lab);
    if (!lab)
        return NULL;
    lab->labs = labs;
    lab->row = *row;
    lab->log.lab = row->id;
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

/* What a lab holds in memory, taken from it. */
struct machines {
    struct machine *all[1 + NR_PASTS];
};

static struct machines registry_take_machines(struct lab *lab)
{
    struct machines taken = { { atomic_exchange(&lab->machine, NULL) } };
    for (uint32_t i = 0; i < NR_PASTS; i++) {
        taken.all[1 + i] = lab->pasts[i].machine;
        lab->pasts[i] = (struct past){ 0 };
    }
    lab->host_bytes = 0;
    return taken;
}

static void registry_destroy_machines(const struct machines *machines)
{
    for (uint32_t i = 0; i < 1 + NR_PASTS; i++)
        machine_destroy(machines->all[i]);
}

/* A lab without users: nobody is changing its machines. */
static uint64_t registry_host_bytes(struct lab *lab)
{
    struct machine *machine = atomic_load(&lab->machine);
    uint64_t bytes = machine ? machine_host_bytes(machine) : 0;
    for (uint32_t i = 0; i < NR_PASTS; i++)
        bytes += lab->pasts[i].machine ? machine_host_bytes(lab->pasts[i].machine) : 0;
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

static struct lab **registry_bucket(struct labs *labs, const char *key)
{
    return &labs->buckets[hash64_bytes(HASH_START, key, strlen(key)) % LAB_BUCKETS];
}

void labs_add(struct labs *labs, struct lab *lab)
{
    if (labs->last)
        labs->last->next = lab;
    else
        labs->first = lab;
    labs->last = lab;
    struct lab **bucket = registry_bucket(labs, lab->row.key);
    lab->next_in_bucket = *bucket;
    *bucket = lab;
    labs->nr_labs++;
}

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
    *labs = (struct labs){ .store = store, .workers = workers, .limits = { .memory_budget = UINT64_MAX } };
    pthread_mutex_init(&labs->mutex, NULL);
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
    while (labs->first) {
        struct lab *lab = labs->first;
        labs->first = lab->next;
        lab_free(lab);
    }
    pthread_mutex_destroy(&labs->mutex);
    free(labs);
}

struct lab *lab_get(struct labs *labs, const char *key)
{
    pthread_mutex_lock(&labs->mutex);
    struct lab *lab = *registry_bucket(labs, key);
    while (lab && (lab->deleted || strcmp(lab->row.key, key) != 0))
        lab = lab->next_in_bucket;
    if (lab)
        lab->nr_users++;
    pthread_mutex_unlock(&labs->mutex);
    return lab;
}

void lab_keep(struct lab *lab)
{
    pthread_mutex_lock(&lab->labs->mutex);
    lab->nr_users++;
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
    at = registry_bucket(labs, lab->row.key);
    while (*at != lab)
        at = &(*at)->next_in_bucket;
    *at = lab->next_in_bucket;
    labs->nr_labs--;
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
        lab->host_bytes = registry_host_bytes(lab);
    bool is_gone = is_last && lab->deleted;
    if (is_gone)
        registry_unlink(labs, lab);
    pthread_mutex_unlock(&labs->mutex);
    registry_destroy_machines(&broken);
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

const char *lab_key(const struct lab *lab)
{
    return lab->row.key;
}

int64_t lab_id(const struct lab *lab)
{
    return lab->row.id;
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

/* ---- who sleeps ---- */

static bool registry_may_sleep(const struct lab *lab)
{
    return atomic_load(&lab->log.durable_seq) == lab_seq(lab) && !atomic_load(&lab->log.lost);
}

/* Who is to sleep next: unused longest, if that is too long or memory is short. Registry mutex held. */
static struct lab *registry_find_sleepy(struct labs *labs, uint64_t now)
{
    struct lab *oldest = NULL;
    uint64_t bytes = 0;
    for (struct lab *lab = labs->first; lab; lab = lab->next) {
        bytes += lab->host_bytes;
        if (lab->host_bytes && lab->nr_users == 0 && registry_may_sleep(lab) &&
            (!oldest || lab->last_used_ns < oldest->last_used_ns))
            oldest = lab;
    }
    bool is_idle = oldest && labs->limits.idle_ns && now - oldest->last_used_ns > labs->limits.idle_ns;
    return is_idle || bytes > labs->limits.memory_budget ? oldest : NULL;
}

void labs_tidy(struct labs *labs)
{
    uint64_t now = clock_ns();
    struct lab *lab;
    do {
        struct machines machines = { { NULL } };
        pthread_mutex_lock(&labs->mutex);
        lab = registry_find_sleepy(labs, now);
        if (lab)
            machines = registry_take_machines(lab); /* without users nobody has its lanes, and none can come meanwhile */
        pthread_mutex_unlock(&labs->mutex);
        registry_destroy_machines(&machines);
        atomic_fetch_add(&labs->nr_sleeps, lab != NULL);
    } while (lab);
}
