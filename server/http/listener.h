/* server/http/listener.h - takes connections in, and hands them to libmicrohttpd. Its thread is also the clock of the
 * peers' deadlines (peers.h) and looks whether the peers of uploads are still there (upload.h). */
#pragma once
#include "pagoda/error.h"
#include <pthread.h>
#include <stdbool.h>

struct app;

struct listener {
    int fd, wake_fd; /* the socket; an eventfd that ends the thread */
    pthread_t thread;
};

/* Binds app->options->listen. app->port is the port then. False: *why says what the host refused. */
bool listener_open(struct app *app, struct problem *why);
/* Begins to take connections. libmicrohttpd runs already. False: *why says what the host refused; listener_open() is
 * undone.
 */
bool listener_start(struct app *app, struct problem *why);
/* Takes no more, and closes the socket. */
void listener_stop(struct app *app);
