/* server/http/http.h - the HTTP server.
 *
 * A few threads run all connections (epoll). A handler that is quick runs on one of them. A handler that may take long runs
 * on a worker while its connection is suspended. A reply that says what was changed is held back, without a thread waiting,
 * until the log is on disk. */
#pragma once
#include "server/http/route.h"

/* What the floors above hand in. */
struct http_hooks {
    /* Finds the route of a request, and the lab in its path. NULL: *refusal says why there is none. */
    const struct route *(*find_route)(struct request *request, struct reply *refusal);
    /* Wakes answers that would sleep for ever (event streams), so that they end. New ones do not sleep any more. */
    void (*end_streams)(struct app *app);
};

/* Listens where app->options say; app->port is the port then.
 * app    workers, labs and store run already.
 * hooks  stay the caller's, and must live until http_stop().
 * False: *why says what the host refused. */
bool http_start(struct app *app, const struct http_hooks *hooks, struct problem *why);
/* Takes no new connections, lets requests finish, ends the threads. Only after http_start() was true. */
void http_stop(struct app *app);
