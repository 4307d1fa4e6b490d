/* server/lab/lab_life.c - labs are made, forked, renamed and deleted. A change is begun by whoever has
 * the lab, its commit is waited for by nobody, and then it is ended. */
#include "server/base/clock.h"
#include "server/base/guard.h"
#include "server/base/host_memory.h"
#include "server/base/problem.h"
#include "server/base/random.h"
#include "server/lab/lab_internal.h"

#include <stdio.h>
#include <time.h>

/* False: the host gives no random numbers. A key that can be guessed would be as good as none. */
static bool life_fill_key(char key[LAB_ID_LENGTH + 1])
{
    static const char DIGITS[] = "abcdefghjkmnpqrstuvwxyz023456789"; /* 32, none that look alike */
    unsigned char bytes[LAB_ID_LENGTH];
    if (!random_fill(bytes, sizeof bytes))
        return false;
    for (size_t i = 0; i < LAB_ID_LENGTH; i++)
        key[i] = DIGITS[bytes[i] & 31];
    key[LAB_ID_LENGTH] = '\0';
    return true;
}

static enum pagoda_error life_fill_row(struct lab_row *row, const char *name)
{
    if (!life_fill_key(row->id))
        return PAGODA_ERR_RANDOM;
    snprintf(row->name, sizeof row->name, "%s", name);
    time_t now = time(NULL);
    struct tm utc;
    gmtime_r(&now, &utc);
    strftime(row->created, sizeof row->created, "%Y-%m-%dT%H:%M:%SZ", &utc);
    return PAGODA_OK;
}

/* The answer to a request that makes a lab, in the commit that makes it. */
static enum pagoda_error life_fill_answer(struct lab_change *change, const struct lab *lab,
                                          const struct lab_request *request)
{
    if (!request)
        return PAGODA_OK;
    struct lab_row row;
    lab_read_row(change->lab, &row);
    request->encode(&change->text, &(struct lab_status){ .row = &row, .seq = row.seq }, atomic_load(&lab->machine));
    change->answer = request->answer;
    change->answer.text = buffer_terminate(&change->text);
    change->stored.answer = change->answer.key ? &change->answer : NULL;
    return change->text.failed ? PAGODA_ERR_NOMEM : PAGODA_OK;
}

/* A lab that nobody sees before the change has ended. machine is the lab's from here on. */
static enum pagoda_error life_begin(struct labs *labs, struct lab_row *row, struct machine *machine, uint64_t cost_ns,
                                    const struct lab_request *request, struct lab_change *change)
{
    struct lab *lab = lab_make(labs, row);
    if (!lab) {
        machine_destroy(machine);
        return PAGODA_ERR_NOMEM;
    }
    atomic_store(&lab->machine, machine);
    atomic_store(&lab->deleted, row->is_hidden);
    lab->cost_ns = lab->snapshot_cost_ns = cost_ns;
    lab->nr_users = 1;
    lab->host_bytes = machine_host_bytes(machine);
    *change = (struct lab_change){ .lab = lab, .stored = { .kind = STORE_CREATE_LAB, .row = &lab->row } };
    enum pagoda_error error = life_fill_answer(change, lab, request);
    if (error) {
        buffer_clear(&change->text);
        lab_free(lab);
    }
    return error;
}

static enum pagoda_error life_refuse_memory(const struct labs *labs, struct problem *why)
{
    problem_say(why, "memory", "must be at most %llu here (--max-memory)", (unsigned long long)labs->limits.memory_max);
    return PAGODA_ERR_INVALID;
}

enum pagoda_error lab_begin_create(struct labs *labs, const char *name, const struct machine_config *config, bool is_hidden,
                                   const struct lab_request *request, struct lab_change *change, struct problem *why)
{
    struct lab_row row = { .config = *config, .made = machine_rules(), .rules = machine_rules(), .is_hidden = is_hidden };
    struct machine *machine;
    enum pagoda_error error = machine_config_complete(&row.config, why);
    if (!error && row.config.memory > labs->limits.memory_max)
        error = life_refuse_memory(labs, why);
    if (!error)
        error = guard_create(&row.config, &HOST_MEMORY, &machine, why);
    if (error)
        return host_memory_explain(error, why);
    error = life_fill_row(&row, name);
    if (error) {
        machine_destroy(machine);
        return error;
    }
    return life_begin(labs, &row, machine, 0, request, change);
}

enum pagoda_error lab_begin_fork(const struct lab_hold *hold, const char *name, const struct lab_request *request,
                                 struct lab_change *change)
{
    const struct lab *parent = hold->lab;
    uint64_t cost_ns = hold->past ? hold->past->cost_ns : parent->cost_ns;
    struct machine *machine;
    enum pagoda_error error = host_memory_explain(guard_clone(hold->machine, &machine), NULL);
    struct lab_hold broken = *hold;
    if (error == PAGODA_ERR_FAULT)
        lab_broke(&broken);
    if (error)
        return error;
    struct lab_row row = { .config = parent->row.config,
                           .parent = parent->row.number,
                           .parent_seq = hold->seq,
                           .seq = hold->seq,
                           .made = parent->row.made,
                           .rules = parent->row.rules };
    error = life_fill_row(&row, name);
    if (error) {
        machine_destroy(machine);
        return error;
    }
    return life_begin(parent->labs, &row, machine, cost_ns, request, change);
}

enum pagoda_error lab_begin_publish(const struct lab_hold *hold, const struct lab_request *request,
                                    struct lab_change *change)
{
    struct lab *lab = hold->lab;
    *change = (struct lab_change){ .lab = lab,
                                   .stored = { .kind = STORE_PUBLISH_LAB, .lab = lab->row.number, .seq = hold->seq } };
    enum pagoda_error error = life_fill_answer(change, lab, request);
    if (error)
        buffer_clear(&change->text);
    return error;
}

void lab_begin_rename(struct lab *lab, const char *name, struct lab_change *change)
{
    *change = (struct lab_change){ .lab = lab, .stored = { .kind = STORE_RENAME_LAB, .lab = lab->row.number } };
    snprintf(change->name, sizeof change->name, "%s", name);
    change->stored.name = change->name;
}

void lab_begin_delete(struct lab *lab, const struct answer *answer, struct lab_change *change)
{
    *change = (struct lab_change){ .lab = lab, .stored = { .kind = STORE_DELETE_LAB, .lab = lab->row.number } };
    if (answer && answer->key) {
        change->answer = *answer;
        change->stored.answer = &change->answer;
    }
    atomic_store(&lab->is_leaving, true);
}

/* ---- ends: the change is on disk, or has failed ---- */

static void life_end_creation(struct lab *lab, enum pagoda_error error)
{
    struct labs *labs = lab->labs;
    if (error) {
        lab_free(lab);
        return;
    }
    lab->log.lab = lab->row.number;
    pthread_mutex_lock(&labs->mutex);
    lab->last_used_ns = clock_ns();
    labs_add(labs, lab);
    pthread_mutex_unlock(&labs->mutex);
}

static void life_set_deleted(struct lab *lab, bool is_deleted)
{
    pthread_mutex_lock(&lab->labs->mutex);
    atomic_store(&lab->deleted, is_deleted);
    pthread_mutex_unlock(&lab->labs->mutex);
}

static void life_set_name(struct lab *lab, const char *name)
{
    pthread_mutex_lock(&lab->labs->mutex);
    snprintf(lab->row.name, sizeof lab->row.name, "%s", name);
    pthread_mutex_unlock(&lab->labs->mutex);
}

enum pagoda_error lab_change_end(struct lab_change *change, enum pagoda_error error, struct lab **out)
{
    struct lab *lab = change->lab;
    bool is_creation = change->stored.kind == STORE_CREATE_LAB;
    *out = is_creation && !error ? lab : NULL;
    if (is_creation)
        life_end_creation(lab, error);
    else if (error)
        atomic_store(&lab->is_leaving, false);
    else if (change->stored.kind == STORE_RENAME_LAB)
        life_set_name(lab, change->name);
    else
        life_set_deleted(lab, change->stored.kind == STORE_DELETE_LAB);
    return error;
}

enum pagoda_error lab_change_now(struct lab_change *change, struct lab **out)
{
    return lab_change_end(change, store_make_change(change->lab->labs->store, &change->stored), out);
}
