/* server/http/http.c - libmicrohttpd around the routes: a few epoll threads, and connections that sleep while they wait.
 *
 * The way of a request: begin (checks, route), body, dispatch (dispatch.h: the handler's turns, and the log if it wrote),
 * send. */
#include "server/http/http.h"
#include "server/base/clock.h"
#include "server/http/dispatch.h"
#include "server/http/intake.h"
#include "server/http/request_log.h"
#include "server/http/unread.h"
#include "server/http/upload.h"

#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#define CONNECTION_TIMEOUT_S 120u /* on which nothing moves */
#define CONNECTIONS_MAX 65536u    /* host memory: up to CONNECTION_MEMORY each */
#define FDS_OF_OTHERS 256u        /* file descriptors that are no connections */
#define STREAMS_OF_4 3u           /* so many of four connections may be event streams */
#define LAST_REPLIES_MS 500
#define CONNECTION_MEMORY (16 * KIB) /* headers must fit; cleared for every request */

/* ---- libmicrohttpd's side ---- */

/* NULL: the host has no memory; then the house does it. */
static struct client *client_of(struct app *app, struct MHD_Connection *connection)
{
    const union MHD_ConnectionInfo *peer = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
    return client_get(&app->clients, peer ? peer->client_addr : NULL);
}

static struct request *request_begin(struct app *app, struct MHD_Connection *connection, const char *url,
                                     const char *method)
{
    struct request *request = calloc(1, sizeof *request);
    if (!request)
        return NULL;
    request->app = app;
    request->connection = (struct connection){ connection, &app->connections, false };
    request->peer = peer_of(connection);
    peer_enter(request->peer, PEER_BODY);
    request->client = client_of(app, connection);
    request->url = url;
    request->method = method;
    request->reply.seq = UINT64_MAX;
    if (app->options->log)
        request->started_us = (int64_t)(clock_ns() / 1000);
    atomic_fetch_add(&app->nr_requests, 1);
    request_check(request);
    return request;
}

/* The request lasts as long as its stream, which sees to what it needs of the lab: between slices that may sleep. */
static void request_leave_lab(struct request *request)
{
    if (request->lab)
        lab_put(request->lab);
    request->lab = NULL;
}

static enum MHD_Result request_send_reply(struct request *request)
{
    struct reply *reply = &request->reply;
    if (request->is_answered || !peer_begin_reply(request->peer))
        return MHD_NO; /* what there was to say has been said */
    (void)unread_admit(request);
    if (reply->response)
        request_leave_lab(request);
    unsigned status = reply->status;
    struct MHD_Response *response = reply_make(request);
    if (status >= 400)
        atomic_fetch_add(&request->app->nr_problems, 1);
    if (!response)
        return MHD_NO;
    enum MHD_Result queued = MHD_queue_response(request->connection.mhd, status, response);
    MHD_destroy_response(response);
    reply->response = NULL;
    return queued;
}

/* The head was enough to refuse it. A short body is read first: so the reply is heard, and the connection goes on. */
static enum MHD_Result request_begin_refused(struct request *request)
{
    const char *length = request_header(request, "Content-Length");
    if (request_header(request, "Expect"))
        return request_send_reply(request); /* no body is under way */
    if (request->reply.closes || request->reply.status == 413 || (length && strtoull(length, NULL, 10) > DRAIN_LIMIT))
        request_answer_now(request);
    return MHD_YES;
}

/* NOLINTNEXTLINE(bugprone-easily-swappable-parameters): libmicrohttpd's MHD_AccessHandlerCallback. */
static enum MHD_Result on_request(void *context, struct MHD_Connection *connection, const char *url, const char *method,
                                  const char *version, const char *upload, size_t *nr_upload, void **state)
{
    (void)version;
    struct request *request = *state;
    if (!request) {
        request = request_begin(context, connection, url, method);
        *state = request;
        if (!request)
            return MHD_NO;
        return request->refused ? request_begin_refused(request) : MHD_YES;
    }
    if (*nr_upload) {
        *nr_upload -= request_take_body(request, upload, *nr_upload);
        return request_is_endless(request) ? MHD_NO : MHD_YES;
    }
    peer_enter(request->peer, PEER_BUSY);
    if (request->upload && !request->refused)
        return upload_finish(request->upload) ? request_send_reply(request) : MHD_YES;
    if (request->refused || request->has_reply)
        return request_send_reply(request);
    return request_dispatch(request) ? request_send_reply(request) : MHD_YES;
}

static void on_completed(void *context, struct MHD_Connection *connection, void **state,
                         enum MHD_RequestTerminationCode code)
{
    (void)code;
    peer_enter(peer_of(connection), PEER_IDLE);
    const struct app *app = context;
    struct request *request = *state;
    if (!request)
        return;
    *state = NULL;
    if (app->options->log)
        request_log(request);
    if (!request->upload || upload_close(request->upload))
        request_destroy(request);
}

/* A decoded "%00" would end the text early: whoever sends one gets it left as it is, and finds nothing by that name. */
static size_t unescape_path(void *context, struct MHD_Connection *connection, char *text)
{
    (void)context;
    (void)connection;
    return strstr(text, "%00") ? strlen(text) : MHD_http_unescape(text);
}

static void on_connection(void *context, struct MHD_Connection *connection, void **state,
                          enum MHD_ConnectionNotificationCode code)
{
    if (code == MHD_CONNECTION_NOTIFY_STARTED) {
        *state = peer_create(context, MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd);
    } else {
        peer_destroy(*state);
        *state = NULL;
    }
}

/* The first line of a request is there. */
static void *on_first_line(void *context, const char *url, struct MHD_Connection *connection)
{
    (void)context;
    (void)url;
    peer_enter(peer_of(connection), PEER_HEAD);
    return NULL; /* no request yet */
}

/* ---- start and stop ---- */

/* More than there are CPUs would only take turns. */
static unsigned nr_http_threads(void)
{
    long nr_cpus = sysconf(_SC_NPROCESSORS_ONLN);
    return nr_cpus < 1 ? 1 : nr_cpus > HTTP_THREADS_MAX ? HTTP_THREADS_MAX : (unsigned)nr_cpus;
}

/* As many as the host lets this process have. */
static uint32_t nr_connections_raise(void)
{
    struct rlimit limit = { .rlim_cur = 1024, .rlim_max = 1024 };
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    if (setrlimit(RLIMIT_NOFILE, &limit) != 0)
        getrlimit(RLIMIT_NOFILE, &limit);
    rlim_t nr = limit.rlim_cur > 2 * FDS_OF_OTHERS ? limit.rlim_cur - FDS_OF_OTHERS : limit.rlim_cur / 2;
    return nr > CONNECTIONS_MAX ? CONNECTIONS_MAX : (uint32_t)nr;
}

static void http_start_peers(struct app *app)
{
    uint32_t nr = nr_connections_raise();
    peers_start(&app->peers, &(struct peer_limits){ .nr_peers = nr,
                                                    .nr_streams = nr / 4 * STREAMS_OF_4,
                                                    .patience_ns = app->limits.patience_s * UINT64_C(1000000000) });
}

static struct MHD_Daemon *http_start_thread(struct app *app)
{
    return MHD_start_daemon(
        MHD_USE_EPOLL_INTERNAL_THREAD | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ITC | MHD_USE_TURBO | MHD_USE_NO_LISTEN_SOCKET,
        0, NULL, NULL, on_request, app, MHD_OPTION_NOTIFY_COMPLETED, on_completed, app, MHD_OPTION_NOTIFY_CONNECTION,
        on_connection, &app->peers, MHD_OPTION_URI_LOG_CALLBACK, on_first_line, NULL, MHD_OPTION_CONNECTION_TIMEOUT,
        CONNECTION_TIMEOUT_S, MHD_OPTION_CONNECTION_LIMIT, 2 * CONNECTIONS_MAX, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
        (size_t)CONNECTION_MEMORY, MHD_OPTION_UNESCAPE_CALLBACK, unescape_path, NULL, MHD_OPTION_END);
}

static void http_end_threads(struct app *app)
{
    for (unsigned i = 0; i < app->nr_daemons; i++)
        MHD_stop_daemon(app->daemons[i]);
}

bool http_start(struct app *app, const struct http_hooks *hooks, struct problem *why)
{
    app->hooks = hooks;
    pthread_mutex_init(&app->mutex, NULL);
    pthread_cond_init(&app->upload_ended, NULL);
    pthread_mutex_init(&app->imports_mutex, NULL);
    http_start_peers(app);
    if (!listener_open(app, why))
        return false;
    while (app->nr_daemons < nr_http_threads() && (app->daemons[app->nr_daemons] = http_start_thread(app)))
        app->nr_daemons++;
    if (app->nr_daemons == nr_http_threads() && listener_start(app, why))
        return true;
    problem_say(why, "listen", "cannot start the HTTP server");
    http_end_threads(app);
    return false;
}

static void http_wait_for_last_replies(struct app *app)
{
    for (unsigned ms = 0; ms < LAST_REPLIES_MS && peers_count(&app->peers, PEER_BUSY); ms++)
        nanosleep(&(struct timespec){ .tv_nsec = 1000000 }, NULL);
}

void http_stop(struct app *app)
{
    listener_stop(app);
    connections_stop(&app->connections);
    labs_hurry(app->labs);
    uploads_cancel(app);
    app->hooks->end_streams(app);
    connections_wait_awake(&app->connections);
    http_wait_for_last_replies(app);
    http_end_threads(app);
    uploads_wait(app);
}

void http_abandon(struct app *app)
{
    struct reply reply = reply_busy(STOPPING_TEXT);
    peers_refuse_all(&app->peers, &reply);
    buffer_clear(&reply.body);
}
