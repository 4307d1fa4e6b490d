/* server/cmd/serve.c - opens the store, starts HTTP, waits for SIGTERM or SIGINT, lets requests finish, commits, closes.
 *
 * Signals are blocked in every thread and taken by sigtimedwait() in this one, which doubles as the clock of the event
 * streams' heartbeat. */
#include "server/cmd/serve.h"
#include "server/api/routes.h"
#include "server/api/sse.h"
#include "server/base/guard.h"
#include "server/base/number.h"
#include "server/http/http.h"

#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define TIDY_EVERY_S 1 /* idle labs leave memory */
#define HEARTBEAT_S 15

static const struct http_hooks HOOKS = { .find_route = route_find, .end_streams = sse_stop };

static sigset_t stop_signals(void)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    return set;
}

static void wait_for_stop(struct app *app, const sigset_t *signals)
{
    const struct timespec tick = { .tv_sec = TIDY_EVERY_S };
    unsigned nr_ticks = 0;
    while (sigtimedwait(signals, NULL, &tick) < 0) {
        if (errno != EAGAIN)
            continue;
        labs_tidy(app->labs);
        if (++nr_ticks % (HEARTBEAT_S / TIDY_EVERY_S) == 0)
            sse_heartbeat(app);
    }
}

/* How much memory labs may hold, and for how long. */
static bool read_limits(struct app *app, struct problem *why)
{
    const struct options *options = app->options;
    uint64_t budget = (uint64_t)sysconf(_SC_PHYS_PAGES) * (uint64_t)sysconf(_SC_PAGESIZE) / 2, idle_s;
    if (options->budget && !size_parse(options->budget, strlen(options->budget), &budget))
        problem_say(why, "budget", "budget must be a size such as 2G");
    if (!size_parse(options->idle, strlen(options->idle), &idle_s) || idle_s > UINT32_MAX)
        problem_say(why, "idle", "idle must be a number of seconds");
    if (why->text[0])
        return false;
    labs_limit(app->labs, &(struct labs_limits){ budget, idle_s * 1000000000u });
    return true;
}

static bool open_web(struct app *app, struct problem *why)
{
    app->web_fd = -1;
    if (!app->options->web)
        return true;
    app->web_fd = open(app->options->web, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (app->web_fd < 0)
        problem_say(why, "web", "cannot open %s: %s", app->options->web, strerror(errno));
    return app->web_fd >= 0;
}

static bool start(struct app *app, struct problem *why)
{
    if (!open_web(app, why))
        return false;
    enum pagoda_error error = store_open(app->options->store, app->options->key_file, &app->store, why);
    if (!error)
        error = labs_open(app->store, &app->workers, &app->labs, why);
    if (error) {
        problem_say(why, "store", "%s: %s", app->options->store, pagoda_error_text(error));
        return false;
    }
    if (!read_limits(app, why))
        return false;
    if (!workers_start(&app->workers)) {
        problem_say(why, "", "cannot start a thread");
        return false;
    }
    store_on_commit(app->store, sse_on_commit, app);
    return http_start(app, &HOOKS, why);
}

static void announce(const struct app *app)
{
    const char *colon = strrchr(app->options->listen, ':');
    printf("pagodad: http://%.*s:%u\n", (int)(colon - app->options->listen), app->options->listen, app->port);
    fflush(stdout);
}

int serve(const struct options *options)
{
    struct app app = { .options = options, .web_fd = -1 };
    struct problem why = { 0 };
    sigset_t signals = stop_signals();
    pthread_sigmask(SIG_BLOCK, &signals, NULL); /* before any thread starts */
    signal(SIGPIPE, SIG_IGN);
    guard_install();
    mallopt(M_ARENA_MAX, 2); /* four threads need no eight heaps */
    bool is_started = start(&app, &why);
    if (is_started) {
        announce(&app);
        wait_for_stop(&app, &signals);
        http_stop(&app);
        workers_stop(&app.workers);
    } else {
        fprintf(stderr, "pagodad: %s\n", why.text);
    }
    labs_stop(app.labs);
    store_close(app.store);
    labs_close(app.labs);
    if (app.web_fd >= 0)
        close(app.web_fd);
    return is_started ? 0 : 1;
}

void print_routes(void)
{
    for (size_t i = 0; i < NR_ROUTES; i++)
        printf("%s %s\n", ROUTES[i].method, ROUTES[i].pattern);
}
