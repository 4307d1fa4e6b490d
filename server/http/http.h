/* server/http/http.h - requests in, replies out: what handlers see of HTTP.
 *
 * One thread runs all connections (epoll). A handler that is quick runs on it; one that may take long runs on a worker
 * while its connection is suspended; one that changed a lab has its reply held back, without a thread waiting, until the
 * log is on disk. */
#pragma once
#include "server/base/buffer.h"
#include "server/lab/lab.h"
#include "server/base/workers.h"
#include "server/base/options.h"
#include "server/base/problem.h"
#include <microhttpd.h>

#define KIB 1024u
#define MIB (1024u * KIB)
#define PATH_VALUES_MAX 3
#define PATH_VALUE_MAX 200

struct sse_stream;
struct upload;
struct import_run;

struct app {
    const struct options *options;
    struct store *store;
    struct labs *labs;
    struct workers workers;
    struct MHD_Daemon *daemon;
    uint16_t port;
    int web_fd; /* directory of the pages, -1: none */
    int64_t started_ms;

    pthread_mutex_t mutex; /* guards what follows */
    struct sse_stream *streams;
    uint32_t nr_uploads;
    bool stopping;

    pthread_mutex_t imports_mutex; /* before an upload's, before mutex */
    struct import_run *imports;    /* those that run now */

    _Atomic uint32_t nr_busy; /* requests whose connection is suspended, and who resumes them: counted down last */
    _Atomic uint64_t nr_requests, nr_problems;
};

struct reply {
    unsigned status;
    const char *content_type;
    const char *cache_control; /* NULL: no-store */
    char location[96], etag[64], link[200], allow[48];
    uint64_t seq;    /* for X-Pagoda-Seq; UINT64_MAX: none */
    uint64_t ticket; /* not 0: send it when this is on disk */
    struct buffer body;
    struct MHD_Response *response; /* made already (files, streams) */
};

struct request {
    struct work work; /* first member */
    struct store_waiter waiter;
    struct app *app;
    struct MHD_Connection *connection;
    const struct route *route;
    const char *url, *method;
    char path_values[PATH_VALUES_MAX][PATH_VALUE_MAX];
    struct lab *lab; /* of {lab}; NULL when the route has none */
    struct buffer body;
    struct upload *upload; /* instead of body, on a ROUTE_UPLOAD */
    struct reply reply;
    bool refused, has_reply, suspended;
    uint64_t nr_received;
    int64_t started_us;
};

enum route_flags {
    ROUTE_SLOW = 1,    /* always on a worker */
    ROUTE_VIEW = 2,    /* on a worker when ?at= is not the head */
    ROUTE_UPLOAD = 4,  /* takes any content type and length, on a thread of its own that reads while it arrives */
    ROUTE_SERIES = 16, /* on a worker when it is asked for a range */
    ROUTE_LINES = 8,   /* takes NDJSON too, then on a worker and up to LINES_LIMIT */
};
#define LINES_LIMIT (32 * MIB)

struct route {
    const char *method, *pattern;
    struct reply (*handle)(struct app *app, struct request *request);
    size_t body_limit; /* bytes */
    int flags;
    const char *query; /* parameters it takes, blanks between them */
};

extern const struct route ROUTES[];
extern const size_t NR_ROUTES;
/* Finds the route, or makes the reply that says why there is none. */
const struct route *route_find(struct request *request, struct reply *refusal);

/* http.c */
bool http_start(struct app *app, struct problem *why);
void http_stop(struct app *app); /* lets requests finish */

/* reply.c */
struct reply reply_empty(unsigned status);
struct reply reply_json(unsigned status, struct buffer body);
struct reply reply_problem(unsigned status, const struct problem *why);
struct reply reply_say(unsigned status, const char *field, const char *format, ...) __attribute__((format(printf, 3, 4)));
struct reply reply_error(enum pagoda_error error, const struct problem *why);  /* why may be NULL */
struct MHD_Response *reply_make(struct request *request, struct reply *reply); /* the whole thing, headers and all */

/* What a request says. */
const char *query_text(const struct request *request, const char *name); /* NULL: not given */
/* False: it is no number in [min, max]; *refusal says so. Not given: *value stays. */
bool query_u64(const struct request *request, const char *name, uint64_t min, uint64_t max, uint64_t *value,
               struct reply *refusal);
bool query_bool(const struct request *request, const char *name, bool *value, struct reply *refusal);
const char *request_header(const struct request *request, const char *name);
bool request_is_ndjson(const struct request *request);                 /* by its Content-Type */
bool request_accepts(const struct request *request, const char *type); /* names it in Accept */
bool etag_matches(const struct request *request, const char *etag);    /* If-None-Match */

/* host.c */
/* 0, or the status for a Host or Origin that is not ours. */
unsigned origin_check(const struct request *request, struct problem *why);
/* static.c */
struct reply static_get(struct app *app, struct request *request);
/* sse.c */
struct reply events_get(struct app *app, struct request *request);
void sse_on_commit(void *app);
void sse_heartbeat(struct app *app);
/* Whole events for those who watch the lab; who is busy just then gets only the last of them. */
void sse_tell(struct app *app, const struct lab *lab, const char *events);
void sse_stop(struct app *app);
