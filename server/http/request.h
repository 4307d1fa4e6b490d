/* server/http/request.h - what a request says. */
#pragma once
#include "server/http/app.h"
#include "server/http/reply.h"
#include <microhttpd.h>

#define PATH_VALUES_MAX 3
#define PATH_VALUE_MAX 200

struct upload;

/* What a turn of a handler needs. */
struct turn_want {
    enum turn_hold { HOLD_NONE, HOLD_PRESENT, HOLD_PAST, HOLD_RECORDED } hold; /* RECORDED: as of enum lab_moment */
    struct lab *lab;                                                           /* kept by the request or its progress */
    uint64_t at, until;                                                        /* as of struct lab_job */
};

struct request {
    struct work work; /* first member */
    struct store_waiter waiter;
    struct room_waiter room;
    struct lab_job job;
    struct app *app;
    struct client *client; /* whom it is done for; NULL: the house */
    struct connection connection;
    struct peer *peer;
    const struct route *route;
    const char *url, *method;
    char path_values[PATH_VALUES_MAX][PATH_VALUE_MAX];
    struct lab *lab; /* of {lab}; NULL when the route has none */
    struct buffer body;
    struct upload *upload; /* instead of body, on a ROUTE_UPLOAD */
    struct reply reply;
    struct turn_want want;
    struct lab_hold *hold;        /* for this turn, if one was wanted; NULL: error says why there is none */
    enum pagoda_error error;      /* also: what became of change */
    struct lab_change change;     /* for reply_after_change() */
    unsigned phase;               /* of a handler that has more than one turn, which says what it means; 0 at the first */
    void *progress;               /* of such a handler; NULL at the first turn */
    void (*drop)(void *progress); /* at the request's end */
    bool is_here;                 /* this turn is on an HTTP thread: what may take long asks for another */
    bool has_begun, is_waiting;
    bool refused, has_reply;
    bool is_answered;                 /* past libmicrohttpd: what still comes is dropped */
    uint64_t nr_received, nr_dropped; /* of the body, bytes; nr_dropped: since it was refused */
    int64_t started_us;
};

void request_destroy(struct request *request); /* gives back its lab, body and reply */

/* ---- ?name=value ---- */

const char *query_text(const struct request *request, const char *name); /* NULL: not given */
/* True: *value is what was given, or stays as it is when nothing was.
 * False: *refusal says that it is no number in [min, max], or neither true nor false. */
bool query_u64(const struct request *request, const char *name, uint64_t min, uint64_t max, uint64_t *value,
               struct reply *refusal);
bool query_bool(const struct request *request, const char *name, bool *value, struct reply *refusal);

/* ---- headers ---- */

const char *request_header(const struct request *request, const char *name); /* NULL: not given */
bool request_is_ndjson(const struct request *request);                       /* by its Content-Type */
bool request_accepts(const struct request *request, const char *type);       /* names it in Accept */
bool etag_matches(const struct request *request, const char *etag);          /* If-None-Match */
