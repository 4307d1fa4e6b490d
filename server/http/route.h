/* server/http/route.h - what is known of a route: the shape of a row. The table itself is server/api/routes.c. */
#pragma once
#include "server/http/request.h"

enum route_flags {
    ROUTE_SLOW = 1,    /* always on a worker */
    ROUTE_VIEW = 2,    /* on a worker when ?at= is not the head */
    ROUTE_UPLOAD = 4,  /* takes any content type and length, on a thread of its own that reads while it arrives */
    ROUTE_LINES = 8,   /* takes NDJSON too, then on a worker and up to LINES_LIMIT */
    ROUTE_SERIES = 16, /* on a worker when it is asked for a range */
    ROUTE_KEYED = 32,  /* on a worker when it has an Idempotency-Key, which is looked up in the store */
    ROUTE_GONE = 64,   /* with an Idempotency-Key also for a lab that is not there: request->lab is NULL then */
};
#define LINES_LIMIT (32 * MIB)

struct route {
    const char *method, *pattern;
    struct reply (*handle)(struct app *app, struct request *request);
    size_t body_limit; /* bytes */
    int flags;
    const char *query; /* parameters it takes, blanks between them; NULL: any */
};
