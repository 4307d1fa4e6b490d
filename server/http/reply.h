/* server/http/reply.h - what a handler answers. */
#pragma once
#include "server/base/buffer.h"
#include "server/base/problem.h"
#include "pagoda/error.h"

struct MHD_Response;
struct lab;
struct request;
struct store;

struct reply {
    unsigned status;
    const char *content_type;
    const char *cache_control; /* NULL: no-store */
    char location[96], etag[64], link[200], allow[48];
    uint64_t seq;    /* for X-Pagoda-Seq; UINT64_MAX: none */
    uint64_t ticket; /* not 0: send it when this is on disk */
    struct buffer body;
    struct MHD_Response *response; /* made already (files, streams) */
    bool is_again;                 /* no reply: run the handler once more when ticket is on disk or lost */
};

struct reply reply_empty(unsigned status);
/* body  becomes the reply's. If memory ran out while it was written, the reply is a 503. */
struct reply reply_json(unsigned status, struct buffer body);
/* These are application/problem+json.
 * field  what is wrong in the request; "": nothing in particular.
 * why    for reply_error(): NULL or empty: the error's own text. */
struct reply reply_problem(unsigned status, const struct problem *why);
struct reply reply_say(unsigned status, const char *field, const char *format, ...) __attribute__((format(printf, 3, 4)));
struct reply reply_error(enum pagoda_error error, const struct problem *why);

/* No reply yet. The connection sleeps until the ticket's batch is on disk or lost; then the handler runs once more. */
/* An error for damage in the lab's log says where that is. lab: NULL: of none. */
void reply_name_damage(struct reply *reply, struct store *store, const struct lab *lab);
struct reply reply_again(uint64_t ticket);

/* The reply with its headers, its body packed if the request allows that.
 * Result: the caller's, to MHD_queue_response() and MHD_destroy_response(); NULL: out of memory. */
struct MHD_Response *reply_make(const struct request *request, struct reply *reply);
