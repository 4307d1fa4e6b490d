/* server/cmd/serve.c - opens the store, starts HTTP, waits for SIGTERM or SIGINT, lets requests finish, commits, closes.
 *
 * SIGTERM and SIGINT are blocked in every thread and taken by sigtimedwait() in this one, which doubles as the clock of the
 * event streams' heartbeat. */
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

#define TIDY_EVERY_S 1 /* idle labs leave memory, deserted streams end */
#define HEARTBEAT_S 15
#define SECONDS_MAX UINT64_C(1000000000)
#define STOP_S 3 /* then the end does not wait any longer */

static const struct http_hooks HOOKS = { .find_route = route_find, .end_streams = sse_stop };

static sigset_t stop_signals(void)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    return set;
}

/* A peer that has gone, a file at its limit: the call says so too. A terminal that was closed: the daemon stays. */
static void ignore_signals(void)
{
    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN);
    signal(SIGHUP, SIG_IGN);
}

static void wait_for_stop(struct app *app, const sigset_t *signals)
{
    const struct timespec tick = { .tv_sec = TIDY_EVERY_S };
    unsigned nr_ticks = 0;
    while (sigtimedwait(signals, NULL, &tick) < 0) {
        if (errno != EAGAIN)
            continue;
        labs_tidy(app->labs);
        clients_tidy(&app->clients, &app->workers);
        sse_end_deserted(app);
        if (++nr_ticks % (HEARTBEAT_S / TIDY_EVERY_S) == 0)
            sse_heartbeat(app);
    }
}

#define LAB_MEMORY_MIN (UINT64_C(1) << 30) /* bytes: enough for the tables of the largest machine */

static bool read_number(const char *name, const char *text, uint64_t max, uint64_t *value, struct problem *why)
{
    if (number_parse(text, strlen(text), value) && *value <= max)
        return true;
    problem_say(why, name, "--%s must be a whole number up to %llu", name, (unsigned long long)max);
    return false;
}

static bool read_size(const char *name, const char *text, uint64_t *value, struct problem *why)
{
    if (size_parse(text, strlen(text), value) && *value > 0)
        return true;
    problem_say(why, name, "--%s must be a size such as 2G", name);
    return false;
}

/* How long peers and how large bodies may be. */
static bool read_http_limits(struct app *app, struct problem *why)
{
    const struct options *options = app->options;
    return read_size("upload", options->upload, &app->limits.upload, why) &&
           read_size("unpacked", options->unpacked, &app->limits.unpacked, why) &&
           read_number("patience", options->patience, SECONDS_MAX, &app->limits.patience_s, why);
}

/* How much memory labs may hold, and for how long. */
static bool read_limits(struct app *app, struct problem *why)
{
    const struct options *options = app->options;
    uint64_t host = (uint64_t)sysconf(_SC_PHYS_PAGES) * (uint64_t)sysconf(_SC_PAGESIZE), idle_s;
    struct labs_limits limits = { .memory_budget = host / 2 };
    if (options->budget && !read_size("budget", options->budget, &limits.memory_budget, why))
        return false;
    limits.machine_bytes = limits.memory_budget / 4 > LAB_MEMORY_MIN ? limits.memory_budget / 4 : LAB_MEMORY_MIN;
    if ((options->lab_memory && !read_size("lab-memory", options->lab_memory, &limits.machine_bytes, why)) ||
        (options->max_memory && !read_size("max-memory", options->max_memory, &limits.memory_max, why)) ||
        !read_number("idle", options->idle, SECONDS_MAX, &idle_s, why))
        return false;
    limits.idle_ns = idle_s * 1000000000u;
    labs_limit(app->labs, &limits);
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

/* What was acknowledged is on disk, so the process may end at any time. */
static void *end_in_time(void *app)
{
    nanosleep(&(struct timespec){ .tv_sec = STOP_S }, NULL);
    http_abandon(app);
    fprintf(stderr, "pagodad: some requests did not end within %d s\n", STOP_S);
    _exit(0);
}

static void stop(struct app *app)
{
    pthread_t thread;
    if (pthread_create(&thread, NULL, end_in_time, app) == 0)
        pthread_detach(thread);
    http_stop(app);
    workers_stop(&app->workers);
}

static bool start(struct app *app, struct problem *why)
{
    if (!read_http_limits(app, why) || !open_web(app, why))
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
    clients_init(&app->clients);
    store_on_commit(app->store, sse_on_commit, app);
    if (http_start(app, &HOOKS, why))
        return true;
    workers_stop(&app->workers); /* they look at app */
    return false;
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
    ignore_signals();
    guard_install();
    mallopt(M_ARENA_MAX, 2); /* four threads need no eight heaps */
    bool is_started = start(&app, &why);
    if (is_started) {
        announce(&app);
        wait_for_stop(&app, &signals);
        stop(&app);
        clients_clear(&app.clients);
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
