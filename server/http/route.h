/* server/http/route.h - what is known of a route: the shape of a row. The table itself is server/api/routes.c. */
#pragma once
#include "server/http/request.h"

enum route_flags {
    ROUTE_SLOW = 1,      /* on a worker from the first turn: its answer may be long, or the store is read */
    ROUTE_VIEW = 2,      /* needs the lab at ?at=, or as it is */
    ROUTE_UPLOAD = 4,    /* takes any content type and length, on a thread of its own that reads while it arrives */
    ROUTE_LINES = 8,     /* takes NDJSON too, then on a worker and up to LINES_LIMIT */
    ROUTE_SERIES = 16,   /* needs no lab in the first turn when it is asked for a range */
    ROUTE_KEYED = 32,    /* on a worker when it has an Idempotency-Key, which is looked up in the store */
    ROUTE_PRESENT = 256, /* needs the lab as it is */
    ROUTE_WRITES = 512,  /* changes it, and waits for the end of an import that is all or nothing */
    ROUTE_GONE = 64,     /* with an Idempotency-Key also for a lab that is not there: request->lab is NULL then */
};
#define LINES_LIMIT (32 * MIB)

struct route {
    const char *method, *pattern;
    struct reply (*handle)(struct app *app, struct request *request);
    size_t body_limit; /* bytes */
    int flags;
    const char *query; /* parameters it takes, blanks between them; NULL: any */
};
