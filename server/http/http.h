/* server/http/http.h - the HTTP server.
 *
 * A few threads run all connections (epoll). A handler that is quick runs on one of them. A handler that may take long runs
 * on a worker while its connection is suspended. A reply that says what was changed is held back, without a thread waiting,
 * until the log is on disk. */
#pragma once
#include "server/http/route.h"

/* Listens where app->options say; app->port is the port then.
 * app    workers, labs and store run already.
 * hooks  stay the caller's, and must live until http_stop().
 * False: *why says what the host refused. */
bool http_start(struct app *app, const struct http_hooks *hooks, struct problem *why);
/* Takes no new connections and ends the threads. Requests that are at work are finished, those that wait are answered with
 * 503, imports and streams are broken off. Only after http_start() was true. */
void http_stop(struct app *app);
/* From another thread, while http_stop() takes too long: who still waits is answered with 503, and all connections end. The
 * process must end behind it. */
void http_abandon(struct app *app);
