/* server/http/dispatch.c - see dispatch.h.
 *
 * While a worker, a lab's queue or the store's writer has a request, its connection sleeps (connection.h) and nobody else
 * looks at either. Whoever is done with it wakes the connection, and the HTTP thread sends the reply. */
#include "server/http/dispatch.h"
#include "server/base/client.h"
#include "server/base/guard.h"

#include <stddef.h>
#include <string.h>

#define HERE_MEMORY_MAX                                                                                                    \
    (256u * MIB) /* of a machine that an HTTP thread looks at or changes: what it does there is short                      \
                  */

/* ---- the reply ---- */

/* An HTTP thread sends the reply. */
static void request_wake(struct request *request)
{
    if (request->is_waiting)
        client_end_wait(request->client);
    request->is_waiting = false;
    request->has_reply = true;
    connection_wake(&request->connection);
}

static struct request *request_of_waiter(struct store_waiter *waiter)
{
    return (void *)((char *)waiter - offsetof(struct request, waiter));
}

static void request_hear_log(struct request *request, enum pagoda_error error)
{
    if (!error)
        return;
    buffer_clear(&request->reply.body);
    request->reply = reply_error(error, NULL);
}

static void request_log_is_written(struct store_waiter *waiter, enum pagoda_error error)
{
    struct request *request = request_of_waiter(waiter);
    request_hear_log(request, error);
    request_wake(request);
}

/* The reply is there. It is sent at once, or when the log is on disk.
 * True: at once, by the caller. False: by whoever wakes the connection. */
static bool request_settle(struct request *request)
{
    struct store *store = request->app->store;
    reply_name_damage(&request->reply, store, request->lab);
    uint64_t ticket = request->reply.ticket;
    if (ticket && !store_is_durable(store, ticket)) {
        if (connection_sleep(&request->connection)) {
            request->waiter.wake = request_log_is_written;
            store_when_durable(store, ticket, &request->waiter);
            return false;
        }
        request_hear_log(request, store_wait(store, ticket)); /* the daemon stops, behind this commit */
    }
    if (!request->connection.is_asleep)
        return true;
    request_wake(request);
    return false;
}

static void request_refuse_turn(struct request *request, unsigned status, const char *why)
{
    buffer_clear(&request->reply.body);
    request->reply = reply_say(status, "", "%s", why);
    request->reply.retry_after_s = 1;
}

/* ---- turns, with the connection asleep ---- */

static void request_handle(void *context)
{
    struct request *request = context;
    request->reply = request->route->handle(request->app, request);
}

/* Who changes something and has begun goes on: it is told what it has done. */
static bool request_may_be_cut(const struct request *request)
{
    return !request->has_begun || strcmp(request->route->method, "GET") == 0;
}

/* Who has waited until the daemon stops is told so. */
static void request_run(struct request *request, struct lab_hold *hold)
{
    if (connections_are_stopping(request->connection.all) && request_may_be_cut(request)) {
        request_refuse_turn(request, 503, "pagodad is stopping");
        return;
    }
    request->has_begun = true;
    request->hold = hold;
    enum pagoda_error fault = PAGODA_OK;
    if (hold)
        fault = guard_run(hold->machine, request_handle, request);
    else
        request_handle(request);
    if (fault) { /* in a look at the machine: what changes it has a guard of its own */
        lab_broke(hold);
        request->reply = reply_error(fault, NULL);
    }
    request->hold = NULL;
    request->error = PAGODA_OK;
}

static void request_queue(struct request *request);

static void request_log_has_ended(struct store_waiter *waiter, enum pagoda_error error)
{
    (void)error; /* the handler finds out by itself whether the log was written or lost */
    request_queue(request_of_waiter(waiter));
}

static void request_has_room(struct room_waiter *waiter)
{
    request_queue((struct request *)(void *)((char *)waiter - offsetof(struct request, room)));
}

static void request_change_is_told(struct store_change *change, enum pagoda_error error)
{
    struct request *request = (void *)((char *)change - offsetof(struct request, change));
    request->error = error;
    request_queue(request);
}

/* A turn has ended, without a hold any more. The request may be gone when this returns. */
static void request_go_on(struct request *request)
{
    struct store *store = request->app->store;
    switch (request->reply.next) {
    case REPLY_SEND:
        reply_pack(request, &request->reply); /* without the hold: others may have the lab */
        request_settle(request);
        return;
    case REPLY_TURN:
        request_queue(request);
        return;
    case REPLY_AFTER_LOG:
        request->waiter.wake = request_log_has_ended;
        store_when_durable(store, request->reply.ticket, &request->waiter);
        return;
    case REPLY_AFTER_CHANGE:
        request->change.stored.told = request_change_is_told;
        store_post_change(store, &request->change.stored);
        return;
    case REPLY_AFTER_ROOM:
        request->room.go_on = request_has_room;
        if (!labs_wait_for_room(request->app->labs, &request->room))
            request_queue(request);
        return;
    }
}

static struct request *request_of_job(struct lab_job *job)
{
    return (void *)((char *)job - offsetof(struct request, job));
}

static void job_fill(struct lab_job *job, const struct turn_want *want)
{
    static const enum lab_moment MOMENTS[] = { LAB_PRESENT, LAB_PRESENT, LAB_PAST, LAB_RECORDED };
    job->moment = MOMENTS[want->hold];
    job->at = want->at;
    job->until = want->until;
}

static enum lab_turn request_take_turn(struct lab_job *job, struct lab_hold *hold)
{
    struct request *request = request_of_job(job);
    struct turn_want had = request->want;
    request_run(request, hold);
    bool wants_the_same = had.hold == request->want.hold && had.lab == request->want.lab;
    if (wants_the_same && request->reply.next == REPLY_TURN) {
        job_fill(job, &request->want);
        return LAB_TURN_AGAIN;
    }
    if (wants_the_same && request->reply.next == REPLY_AFTER_LOG) {
        job->ticket = request->reply.ticket;
        return LAB_TURN_AFTER_LOG;
    }
    return LAB_TURN_DONE;
}

static void request_end_job(struct lab_job *job, enum pagoda_error error)
{
    struct request *request = request_of_job(job);
    if (error) {
        request->error = error;
        request_run(request, NULL);
    }
    request_go_on(request);
}

static void request_run_on_worker(struct work *work)
{
    struct request *request = (struct request *)work;
    request_run(request, NULL);
    request_go_on(request);
}

static struct share *request_share(const struct request *request)
{
    return request->client ? &request->client->share : NULL;
}

static void request_queue(struct request *request)
{
    if (request->want.hold == HOLD_NONE) {
        request->work.run = request_run_on_worker;
        request->work.share = request_share(request);
        workers_submit(&request->app->workers, &request->work);
        return;
    }
    struct lab_job *job = &request->job;
    job->turn = request_take_turn;
    job->done = request_end_job;
    job->share = request_share(request);
    job->writes = request->route->flags & ROUTE_WRITES;
    job_fill(job, &request->want);
    lab_post(request->want.lab, job);
}

/* ---- on the HTTP thread ---- */

/* True: the connection sleeps. False: it does not, and the reply says why. */
static bool request_sleep(struct request *request)
{
    request->is_waiting = request->client && client_begin_wait(request->client);
    if (request->client && !request->is_waiting) {
        request_refuse_turn(request, 429, "too many requests of yours are waiting; ask for less at once");
        return false;
    }
    if (connection_sleep(&request->connection))
        return true;
    request_refuse_turn(request, 503, "pagodad is stopping");
    return false;
}

/* What the route says that the first turn needs. False: request->reply refuses what is asked for. */
static bool request_read_want(struct request *request)
{
    int flags = request->route->flags;
    bool is_series = (flags & ROUTE_SERIES) &&
                     (query_text(request, "points") || query_text(request, "from") || query_text(request, "to"));
    request->want = (struct turn_want){ .lab = request->lab };
    if (!request->lab || is_series || !(flags & (ROUTE_VIEW | ROUTE_PRESENT)))
        return true;
    uint64_t head = lab_seq(request->lab), at = head;
    if ((flags & ROUTE_VIEW) && !query_u64(request, "at", 0, head, &at, &request->reply))
        return false;
    request->want.hold = at == head ? HOLD_PRESENT : HOLD_PAST;
    request->want.at = at;
    return true;
}

static bool request_is_quick(const struct request *request)
{
    int flags = request->route->flags;
    return !(flags & ROUTE_SLOW) && !((flags & ROUTE_LINES) && request_is_ndjson(request)) &&
           !((flags & ROUTE_KEYED) && request_header(request, "Idempotency-Key"));
}

static void request_run_quick(struct request *request, struct lab_hold *hold)
{
    request->is_here = true;
    request_run(request, hold);
    request->is_here = false;
}

/* Runs the first turn here, if it is quick and nobody has the lab. */
static bool request_run_here(struct request *request)
{
    struct lab_hold hold;
    if (!request_is_quick(request) || request->want.hold == HOLD_PAST)
        return false;
    if (request->want.hold == HOLD_NONE) {
        request_run_quick(request, NULL);
        return true;
    }
    if (lab_config(request->want.lab)->memory > HERE_MEMORY_MAX || !lab_try(request->want.lab, &hold))
        return false;
    bool may_run = !(request->route->flags & ROUTE_WRITES) || lab_takes_ops(&hold);
    if (may_run)
        request_run_quick(request, &hold);
    lab_release(&hold);
    return may_run;
}

bool request_dispatch(struct request *request)
{
    if (!request_read_want(request))
        return true;
    bool has_run = request_run_here(request);
    if (has_run && request->reply.next == REPLY_SEND) {
        reply_pack(request, &request->reply);
        return request_settle(request);
    }
    if (!request_sleep(request))
        return true;
    if (has_run)
        request_go_on(request);
    else
        request_queue(request);
    return false;
}
