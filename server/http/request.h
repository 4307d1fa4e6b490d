/* server/http/request.h - what a request says. */
#pragma once
#include "server/http/app.h"
#include "server/http/reply.h"
#include <microhttpd.h>

#define PATH_VALUES_MAX 3
#define PATH_VALUE_MAX 200

struct upload;

struct request {
    struct work work; /* first member */
    struct store_waiter waiter;
    struct app *app;
    struct connection connection;
    struct peer *peer;
    const struct route *route;
    const char *url, *method;
    char path_values[PATH_VALUES_MAX][PATH_VALUE_MAX];
    struct lab *lab; /* of {lab}; NULL when the route has none */
    struct buffer body;
    struct upload *upload; /* instead of body, on a ROUTE_UPLOAD */
    struct reply reply;
    void *progress; /* of a handler that works in slices, and is its to free; NULL at its first call */
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
