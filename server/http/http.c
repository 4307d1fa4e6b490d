/* server/http/http.c - libmicrohttpd around the routes: a few epoll threads, two workers, connections that sleep while they
 * wait.
 *
 * The way of a request: begin (checks, route), body, handle (here or on a worker), wait for the log if it wrote, send.
 * While a worker or the store's writer has the request, its connection sleeps (connection.h) and nobody else looks at
 * either. Whoever is done with it wakes the connection, and the HTTP thread sends the reply. */
#include "server/http/http.h"
#include "server/base/clock.h"
#include "server/http/origin.h"
#include "server/http/upload.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define DRAIN_LIMIT (16 * MIB) /* of a refused body: read and dropped, so that the reply is heard */
#define CONNECTION_TIMEOUT_S 120u
#define CONNECTIONS_MAX 1000u
#define HTTP_THREADS_MAX 4
#define CONNECTION_MEMORY (16 * KIB) /* headers must fit; cleared for every request */

/* ---- the way of one request ---- */

/* An HTTP thread sends the reply. */
static void request_wake(struct request *request)
{
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
 * True: at once, by the caller. False: by whoever wakes the connection; the request may be gone when this returns. */
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
        request_hear_log(request, store_wait(store, ticket));
    }
    if (!request->connection.is_asleep)
        return true;
    request_wake(request);
    return false;
}

static bool request_handle_here(struct request *request);

static void request_handle_on_worker(struct work *work)
{
    request_handle_here((struct request *)work);
}

static void request_submit(struct request *request)
{
    request->work.run = request_handle_on_worker;
    workers_submit(&request->app->workers, &request->work);
}

/* The handler finds out by itself whether the log was written or lost. */
static void request_handle_again(struct store_waiter *waiter, enum pagoda_error error)
{
    (void)error;
    request_submit(request_of_waiter(waiter));
}

/* Runs the handler on this thread. Result: as of request_settle(). */
static bool request_handle_here(struct request *request)
{
    struct store *store = request->app->store;
    for (;;) {
        request->reply = request->route->handle(request->app, request);
        if (!request->reply.is_again)
            return request_settle(request);
        if (connection_sleep(&request->connection)) {
            request->waiter.wake = request_handle_again;
            store_when_durable(store, request->reply.ticket, &request->waiter);
            return false;
        }
        enum pagoda_error error = store_wait(store, request->reply.ticket);
        (void)error; /* as in request_handle_again() */
    }
}

static bool request_needs_worker(const struct request *request)
{
    const struct route *route = request->route;
    if (route->flags & ROUTE_SLOW)
        return true;
    if (request->lab && !lab_is_awake(request->lab))
        return true;
    if ((route->flags & ROUTE_LINES) && request_is_ndjson(request))
        return true;
    if ((route->flags & ROUTE_KEYED) && request_header(request, "Idempotency-Key"))
        return true;
    if ((route->flags & ROUTE_SERIES) &&
        (query_text(request, "points") || query_text(request, "from") || query_text(request, "to")))
        return true; /* a walk through history */
    const char *at = route->flags & ROUTE_VIEW ? query_text(request, "at") : NULL;
    return at && strtoull(at, NULL, 10) != lab_seq(request->lab);
}

/* Runs the handler here or on a worker. Result: as of request_settle(). */
static bool request_handle(struct request *request)
{
    if (request_needs_worker(request) && connection_sleep(&request->connection)) {
        request_submit(request);
        return false;
    }
    return request_handle_here(request);
}

/* ---- the body ---- */

static size_t body_limit(const struct request *request)
{
    if (!request->route)
        return 0;
    if (request->route->flags & ROUTE_UPLOAD)
        return SIZE_MAX;
    return (request->route->flags & ROUTE_LINES) && request_is_ndjson(request) ? LINES_LIMIT : request->route->body_limit;
}

static void request_refuse(struct request *request, struct reply reply)
{
    if (request->refused) {
        buffer_clear(&reply.body);
        return;
    }
    request->refused = true;
    buffer_clear(&request->body);
    request->reply = reply;
}

static bool type_is_json(const char *type)
{
    return type && strncmp(type, "application/json", 16) == 0 && (type[16] == '\0' || type[16] == ';' || type[16] == ' ');
}

static void request_check_headers(struct request *request)
{
    const char *length = request_header(request, "Content-Length"), *coding = request_header(request, "Transfer-Encoding");
    const char *type = request_header(request, "Content-Type");
    bool has_body = strcmp(request->method, "POST") == 0 || strcmp(request->method, "PATCH") == 0;
    if (length && strtoull(length, NULL, 10) > body_limit(request))
        request_refuse(request, reply_say(413, "", "the body may have at most %zu bytes here", body_limit(request)));
    else if (has_body && !length && !coding)
        request_refuse(request, reply_say(411, "", "say with Content-Length how long the body is, or send it chunked"));
    else if (has_body && !(request->route->flags & ROUTE_UPLOAD) && !type_is_json(type) &&
             !((request->route->flags & ROUTE_LINES) && request_is_ndjson(request)))
        request_refuse(request, reply_say(415, "", "the body must be application/json%s",
                                          request->route->flags & ROUTE_LINES ? " or application/x-ndjson" : ""));
}

/* False: the peer sends without end; hang up. */
static bool request_take_body(struct request *request, const char *data, size_t nr_bytes)
{
    request->nr_received += nr_bytes;
    if (!request->refused && request->nr_received > body_limit(request))
        request_refuse(request, reply_say(413, "", "the body may have at most %zu bytes here", body_limit(request)));
    if (request->refused)
        return request->nr_received <= DRAIN_LIMIT;
    buffer_add(&request->body, data, nr_bytes);
    if (request->body.failed)
        request_refuse(request, reply_say(503, "", "out of memory"));
    return true;
}

/* ---- libmicrohttpd's side ---- */

static struct request *request_begin(struct app *app, struct MHD_Connection *connection, const char *url,
                                     const char *method)
{
    struct request *request = calloc(1, sizeof *request);
    if (!request)
        return NULL;
    request->app = app;
    request->connection = (struct connection){ connection, &app->connections, false };
    request->url = url;
    request->method = method;
    request->reply.seq = UINT64_MAX;
    if (app->options->log)
        request->started_us = (int64_t)(clock_ns() / 1000);
    atomic_fetch_add(&app->nr_requests, 1);
    struct problem why = { 0 };
    unsigned status = origin_check(request, &why);
    struct reply refusal;
    if (status)
        request_refuse(request, reply_problem(status, &why));
    else if (!(request->route = app->hooks->find_route(request, &refusal)))
        request_refuse(request, refusal);
    else
        request_check_headers(request);
    if (!request->refused && (request->route->flags & ROUTE_UPLOAD) && !upload_start(request))
        request_refuse(request, reply_say(503, "", "too many uploads at once; try again later"));
    return request;
}

static enum MHD_Result request_send_reply(struct request *request)
{
    struct reply *reply = &request->reply;
    unsigned status = reply->status;
    struct MHD_Response *response = reply_make(request, reply);
    if (status >= 400)
        atomic_fetch_add(&request->app->nr_problems, 1);
    if (!response)
        return MHD_NO;
    enum MHD_Result queued = MHD_queue_response(request->connection.mhd, status, response);
    MHD_destroy_response(response);
    reply->response = NULL;
    return queued;
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
        const char *length = request_header(request, "Content-Length");
        bool too_long_to_drain = request->refused && length && strtoull(length, NULL, 10) > DRAIN_LIMIT;
        return too_long_to_drain ? request_send_reply(request) : MHD_YES;
    }
    if (*nr_upload && request->upload) {
        *nr_upload -= upload_push(request->upload, upload, *nr_upload);
        return MHD_YES;
    }
    if (*nr_upload) {
        bool go_on = request_take_body(request, upload, *nr_upload);
        *nr_upload = 0;
        return go_on ? MHD_YES : MHD_NO;
    }
    if (request->upload)
        return upload_finish(request->upload) ? request_send_reply(request) : MHD_YES;
    if (request->refused || request->has_reply)
        return request_send_reply(request);
    return request_handle(request) ? request_send_reply(request) : MHD_YES;
}

static void log_request(const struct request *request)
{
    fprintf(stderr, "%s %s %u %lld us\n", request->method, request->url, request->reply.status,
            (long long)((int64_t)(clock_ns() / 1000) - request->started_us));
}

static void on_completed(void *context, struct MHD_Connection *connection, void **state,
                         enum MHD_RequestTerminationCode code)
{
    (void)connection;
    (void)code;
    const struct app *app = context;
    struct request *request = *state;
    if (!request)
        return;
    *state = NULL;
    if (app->options->log)
        log_request(request);
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

/* ---- start and stop ---- */

static bool listen_resolve(const char *listen_at, struct sockaddr_storage *address, socklen_t *length, struct problem *why)
{
    char host[256];
    const char *colon = strrchr(listen_at, ':');
    size_t host_length = colon ? (size_t)(colon - listen_at) : 0;
    bool in_brackets = host_length > 2 && listen_at[0] == '[' && listen_at[host_length - 1] == ']';
    snprintf(host, sizeof host, "%.*s", (int)(in_brackets ? host_length - 2 : host_length), listen_at + in_brackets);
    struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE | AI_NUMERICSERV }, *found = NULL;
    int code = colon ? getaddrinfo(host[0] ? host : NULL, colon + 1, &hints, &found) : EAI_NONAME;
    if (code != 0) {
        problem_say(why, "listen", "cannot listen on \"%s\": %s", listen_at,
                    colon ? gai_strerror(code) : "ADDRESS:PORT is expected");
        return false;
    }
    memcpy(address, found->ai_addr, found->ai_addrlen);
    *length = found->ai_addrlen;
    freeaddrinfo(found);
    return true;
}

static int listen_on(struct app *app, struct problem *why)
{
    struct sockaddr_storage address = { 0 };
    socklen_t length;
    if (!listen_resolve(app->options->listen, &address, &length, why))
        return -1;
    int fd = socket(address.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), on = 1;
    if (fd >= 0)
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (fd < 0 || bind(fd, (struct sockaddr *)&address, length) != 0 || listen(fd, 512) != 0) {
        problem_say(why, "listen", "cannot listen on %s: %s", app->options->listen, strerror(errno));
        if (fd >= 0)
            close(fd);
        return -1;
    }
    length = sizeof address;
    getsockname(fd, (struct sockaddr *)&address, &length);
    app->port = ntohs(address.ss_family == AF_INET6 ? ((struct sockaddr_in6 *)&address)->sin6_port
                                                    : ((struct sockaddr_in *)&address)->sin_port);
    return fd;
}

/* Each with its own share of the connections; more than there are CPUs would only take turns. */
static unsigned nr_http_threads(void)
{
    long nr_cpus = sysconf(_SC_NPROCESSORS_ONLN);
    return nr_cpus < 2 ? 0 : nr_cpus > HTTP_THREADS_MAX ? HTTP_THREADS_MAX : (unsigned)nr_cpus;
}

bool http_start(struct app *app, const struct http_hooks *hooks, struct problem *why)
{
    app->hooks = hooks;
    pthread_mutex_init(&app->mutex, NULL);
    pthread_cond_init(&app->upload_ended, NULL);
    pthread_mutex_init(&app->imports_mutex, NULL);
    int fd = listen_on(app, why);
    if (fd < 0)
        return false;
    app->daemon = MHD_start_daemon(
        MHD_USE_EPOLL_INTERNAL_THREAD | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ITC | MHD_USE_TURBO, 0, NULL, NULL, on_request,
        app, MHD_OPTION_LISTEN_SOCKET, fd, MHD_OPTION_NOTIFY_COMPLETED, on_completed, app, MHD_OPTION_CONNECTION_TIMEOUT,
        CONNECTION_TIMEOUT_S, MHD_OPTION_THREAD_POOL_SIZE, nr_http_threads(), MHD_OPTION_CONNECTION_LIMIT, CONNECTIONS_MAX,
        MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)CONNECTION_MEMORY, MHD_OPTION_UNESCAPE_CALLBACK, unescape_path, NULL,
        MHD_OPTION_END);
    if (!app->daemon)
        problem_say(why, "listen", "cannot start the HTTP server");
    return app->daemon != NULL;
}

void http_stop(struct app *app)
{
    int fd = MHD_quiesce_daemon(app->daemon);
    /* New connections are refused. The number stays taken: it is still in the epoll sets of libmicrohttpd's threads. */
    if (fd >= 0)
        shutdown(fd, SHUT_RDWR);
    connections_stop(&app->connections);
    app->hooks->end_streams(app);
    connections_wait_awake(&app->connections);
    nanosleep(&(struct timespec){ .tv_nsec = 20000000 }, NULL); /* the last replies leave */
    MHD_stop_daemon(app->daemon);
    uploads_wait(app);
    if (fd >= 0)
        close(fd);
}
