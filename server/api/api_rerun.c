/* server/api/api_rerun.c - POST /labs/{lab}/rerun: a sibling under today's rules: the same configuration, the same
 * operations.
 *
 * The lab is made hidden, filled slice by slice, and shown when all of it is on disk; if anything fails, it is deleted. */
#include "server/api/api_labs.h"

#include <stdio.h>
#include <stdlib.h>

enum rerun_phase { RERUN_ASKED, RERUN_MADE, RERUN_RUNS, RERUN_PUBLISHED, RERUN_DROPPED };

struct rerun {
    struct birth birth;    /* first member */
    struct lab_hold hold;  /* of the new lab, which nobody else sees; lab NULL: none */
    struct lab_rerun *run; /* NULL: it is over */
    enum pagoda_error error;
};

static void rerun_drop(void *progress)
{
    struct rerun *rerun = progress;
    lab_rerun_end(rerun->run);
    if (rerun->hold.lab) {
        lab_release(&rerun->hold);
        lab_put(rerun->hold.lab);
    }
    free(rerun);
}

/* Nothing is left of it. */
static struct reply rerun_fail(struct request *request, struct rerun *rerun, enum pagoda_error error)
{
    rerun->error = error;
    request->phase = RERUN_DROPPED;
    buffer_clear(&request->change.text);
    lab_begin_delete(rerun->hold.lab, NULL, &request->change);
    return reply_after_change();
}

static struct reply rerun_end_failed(struct request *request, const struct rerun *rerun)
{
    struct lab *none;
    enum pagoda_error deleting = lab_change_end(&request->change, request->error, &none);
    (void)deleting; /* else the next start drops it */
    if (connections_are_stopping(request->connection.all))
        return reply_say(503, "", "pagodad is stopping");
    return birth_error(request, &rerun->birth.made, rerun->error, NULL);
}

static struct reply rerun_publish(struct request *request, struct rerun *rerun)
{
    uint64_t ticket = lab_ticket(rerun->hold.lab);
    if (ticket)
        return reply_again(ticket);
    enum pagoda_error error = lab_begin_publish(&rerun->hold, &rerun->birth.made, &request->change);
    if (error)
        return rerun_fail(request, rerun, error);
    request->phase = RERUN_PUBLISHED;
    return reply_after_change();
}

/* At most two slices wait in memory for the log. */
static struct reply rerun_step(struct request *request, struct rerun *rerun)
{
    bool is_done;
    if (!rerun->run)
        return rerun_publish(request, rerun);
    if (connections_are_stopping(request->connection.all))
        return rerun_fail(request, rerun, PAGODA_ERR_IO);
    uint64_t ticket = rerun->hold.ticket; /* of the slice before */
    enum pagoda_error error = lab_rerun_step(rerun->run, &is_done);
    if (error)
        return rerun_fail(request, rerun, error);
    if (!is_done)
        return ticket ? reply_again(ticket) : reply_turn();
    lab_rerun_end(rerun->run);
    rerun->run = NULL;
    return rerun_publish(request, rerun);
}

/* The hidden lab is there. Nobody else sees it, so it is had at once. */
static struct reply rerun_start(struct request *request, struct rerun *rerun)
{
    struct lab *lab;
    enum pagoda_error error = lab_change_end(&request->change, request->error, &lab);
    if (error)
        return birth_error(request, &rerun->birth.made, error, NULL);
    if (!lab_try(lab, &rerun->hold)) {
        rerun->hold.lab = NULL;
        lab_put(lab);
        return reply_error(PAGODA_ERR_IO, NULL);
    }
    request->phase = RERUN_RUNS;
    rerun->run = lab_rerun_begin(request->lab, &rerun->hold);
    return rerun->run ? rerun_step(request, rerun) : rerun_fail(request, rerun, PAGODA_ERR_NOMEM);
}

static struct reply rerun_end(struct request *request, struct rerun *rerun)
{
    if (request->error)
        return rerun_fail(request, rerun, request->error);
    struct reply reply = birth_reply(request, &rerun->birth.made);
    lab_release(&rerun->hold);
    lab_put(rerun->hold.lab);
    rerun->hold.lab = NULL;
    return reply;
}

static struct reply rerun_create(struct request *request)
{
    struct reply reply;
    struct problem why = { 0 };
    struct birth *birth = birth_begin(request, WISH_RERUN, sizeof(struct rerun), &reply);
    if (!birth)
        return reply;
    request->drop = rerun_drop;
    struct lab_wish *wish = &birth->wish;
    if (!wish->has_name) {
        struct lab_row row;
        lab_read_row(request->lab, &row);
        snprintf(wish->name, sizeof wish->name, "%.100s (rules %u)", row.name, machine_rules());
    }
    request->phase = RERUN_MADE;
    enum pagoda_error error =
        lab_begin_create(request->app->labs, wish->name, lab_config(request->lab), true, NULL, &request->change, &why);
    return error ? birth_error(request, &birth->made, error, &why) : reply_after_change();
}

/* Called once for each slice. What is run again is on disk first. */
struct reply rerun_post(struct app *app, struct request *request)
{
    (void)app;
    uint64_t ticket = lab_ticket(request->lab);
    switch (request->phase) {
    case RERUN_ASKED:
        return ticket ? reply_again(ticket) : rerun_create(request);
    case RERUN_MADE:
        return rerun_start(request, request->progress);
    case RERUN_RUNS:
        return rerun_step(request, request->progress);
    case RERUN_PUBLISHED:
        return rerun_end(request, request->progress);
    default:
        return rerun_end_failed(request, request->progress);
    }
}
