/* server/http/route.h - what is known of a route: the shape of a row. The table itself is server/api/routes.c. */
#pragma once
#include "server/http/request.h"

enum route_flags {
    ROUTE_SLOW = 1,     /* always on a worker */
    ROUTE_VIEW = 2,     /* on a worker when ?at= is not the head */
    ROUTE_UPLOAD = 4,   /* takes any content type and length, on a thread of its own that reads while it arrives */
    ROUTE_LINES = 8,    /* takes NDJSON too, then on a worker and up to LINES_LIMIT */
    ROUTE_SERIES = 16,  /* on a worker when it is asked for a range */
    ROUTE_KEYED = 32,   /* on a worker when it has an Idempotency-Key, which is looked up in the store */
    ROUTE_GONE = 64,    /* with an Idempotency-Key also for a lab that is not there: request->lab is NULL then */
    ROUTE_STREAM = 128, /* answers without end: may have only a part of the connections */
};
#define LINES_LIMIT (32 * MIB)

struct route {
    const char *method, *pattern;
    struct reply (*handle)(struct app *app, struct request *request);
    size_t body_limit; /* bytes */
    int flags;
    const char *query; /* parameters it takes, blanks between them; NULL: any */
};

/* What the floors above hand in. */
struct http_hooks {
    /* Finds the route of a request, and the lab in its path. NULL: *refusal says why there is none. */
    const struct route *(*find_route)(struct request *request, struct reply *refusal);
    /* Wakes answers that would sleep for ever (event streams), so that they end. New ones do not sleep any more. */
    void (*end_streams)(struct app *app);
};
