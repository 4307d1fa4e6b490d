/* server/lab/lab_life.c - labs are made, forked, renamed and deleted. Each of these waits for its commit. */
#include "server/base/clock.h"
#include "server/base/host_memory.h"
#include "server/base/problem.h"
#include "server/base/random.h"
#include "server/lab/lab_internal.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

/* False: the host gives no random numbers. A key that can be guessed would be as good as none. */
static bool life_fill_key(char key[LAB_KEY_LENGTH + 1])
{
    static const char DIGITS[] = "abcdefghjkmnpqrstuvwxyz023456789"; /* 32, none that look alike */
    unsigned char bytes[LAB_KEY_LENGTH];
    if (!random_fill(bytes, sizeof bytes))
        return false;
    for (size_t i = 0; i < LAB_KEY_LENGTH; i++)
        key[i] = DIGITS[bytes[i] & 31];
    key[LAB_KEY_LENGTH] = '\0';
    return true;
}

static enum pagoda_error life_fill_row(struct lab_row *row, const char *name)
{
    if (!life_fill_key(row->key))
        return PAGODA_ERR_RANDOM;
    snprintf(row->name, sizeof row->name, "%s", name);
    time_t now = time(NULL);
    struct tm utc;
    gmtime_r(&now, &utc);
    strftime(row->created, sizeof row->created, "%Y-%m-%dT%H:%M:%SZ", &utc);
    return PAGODA_OK;
}

static enum pagoda_error life_store(struct lab *lab, const struct lab_request *request)
{
    struct buffer text = { 0 };
    struct answer answer = { 0 };
    if (request && request->answer.key) {
        request->encode(&text, &(struct lab_status){ &lab->row, lab_seq(lab) }, atomic_load(&lab->machine));
        answer = request->answer;
        answer.text = buffer_terminate(&text);
    }
    enum pagoda_error error =
        text.failed ? PAGODA_ERR_NOMEM : store_create_lab(lab->labs->store, &lab->row, answer.key ? &answer : NULL);
    lab->log.lab = lab->row.id;
    buffer_clear(&text);
    return error;
}

static enum pagoda_error life_add(struct labs *labs, struct lab_row *row, struct machine *machine, uint64_t cost_ns,
                                  const struct lab_request *request, struct lab **out)
{
    struct lab *lab = lab_make(labs, row);
    if (!lab) {
        machine_destroy(machine);
        return PAGODA_ERR_NOMEM;
    }
    atomic_store(&lab->machine, machine);
    atomic_store(&lab->deleted, row->is_hidden);
    enum pagoda_error error = life_store(lab, request);
    if (error) {
        lab_free(lab);
        return error;
    }
    lab->cost_ns = lab->snapshot_cost_ns = cost_ns;
    lab->nr_users = 1;
    pthread_mutex_lock(&labs->mutex);
    lab->last_used_ns = clock_ns();
    lab->host_bytes = machine_host_bytes(machine);
    labs_add(labs, lab);
    pthread_mutex_unlock(&labs->mutex);
    *out = lab;
    return PAGODA_OK;
}

static enum pagoda_error life_refuse_memory(const struct labs *labs, struct problem *why)
{
    problem_say(why, "memory", "must be at most %llu here (--max-memory)", (unsigned long long)labs->limits.memory_max);
    return PAGODA_ERR_INVALID;
}

static enum pagoda_error life_create(struct labs *labs, const char *name, const struct machine_config *config,
                                     bool is_hidden, const struct lab_request *request, struct lab **out,
                                     struct problem *why)
{
    *out = NULL;
    struct lab_row row = { .config = *config, .made = machine_rules(), .rules = machine_rules(), .is_hidden = is_hidden };
    struct machine *machine;
    enum pagoda_error error = machine_config_complete(&row.config, why);
    if (!error && row.config.memory > labs->limits.memory_max)
        error = life_refuse_memory(labs, why);
    if (!error)
        error = machine_create(&row.config, &HOST_MEMORY, &machine, why);
    if (error)
        return host_memory_explain(error, why);
    error = life_fill_row(&row, name);
    if (error) {
        machine_destroy(machine);
        return error;
    }
    return life_add(labs, &row, machine, 0, request, out);
}

enum pagoda_error lab_create(struct labs *labs, const char *name, const struct machine_config *config,
                             const struct lab_request *request, struct lab **out, struct problem *why)
{
    return life_create(labs, name, config, false, request, out, why);
}

enum pagoda_error lab_create_hidden(struct labs *labs, const char *name, const struct machine_config *config,
                                    struct lab **out, struct problem *why)
{
    return life_create(labs, name, config, true, NULL, out, why);
}

enum pagoda_error lab_publish(struct lab_hold *hold, const struct answer *answer)
{
    struct lab *lab = hold->lab;
    enum pagoda_error error = lab_settle(lab);
    if (!error)
        error = store_publish_lab(lab->labs->store, lab->row.id, lab_seq(lab), answer);
    if (error)
        return error;
    pthread_mutex_lock(&lab->labs->mutex);
    atomic_store(&lab->deleted, false);
    pthread_mutex_unlock(&lab->labs->mutex);
    return PAGODA_OK;
}

enum pagoda_error lab_fork_begin(const struct lab_hold *hold, struct lab_fork *fork)
{
    *fork = (struct lab_fork){ .parent = hold->lab, .cost_ns = hold->past ? hold->past->cost_ns : hold->lab->cost_ns };
    return host_memory_explain(machine_clone(hold->machine, &fork->machine), NULL);
}

enum pagoda_error lab_fork_end(struct lab_fork *fork, const char *name, const struct lab_request *request, struct lab **out)
{
    *out = NULL;
    const struct lab *parent = fork->parent;
    uint64_t at = machine_seq(fork->machine);
    struct lab_row row = { .config = parent->row.config,
                           .parent = parent->row.id,
                           .parent_seq = at,
                           .seq = at,
                           .made = parent->row.made,
                           .rules = parent->row.rules };
    enum pagoda_error error = life_fill_row(&row, name);
    if (error) {
        machine_destroy(fork->machine);
        return error;
    }
    return life_add(parent->labs, &row, fork->machine, fork->cost_ns, request, out);
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

enum pagoda_error lab_delete(struct lab_hold *hold, const struct answer *answer)
{
    struct lab *lab = hold->lab;
    enum pagoda_error error = store_delete_lab(lab->labs->store, lab->row.id, answer);
    if (error)
        return error;
    pthread_mutex_lock(&lab->labs->mutex);
    atomic_store(&lab->deleted, true);
    pthread_mutex_unlock(&lab->labs->mutex);
    return PAGODA_OK;
}
