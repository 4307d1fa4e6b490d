/* server/http/reply.h - what a handler answers. */
#pragma once
#include "server/base/buffer.h"
#include "server/base/problem.h"
#include "pagoda/error.h"

struct MHD_Response;
struct lab;
struct request;
struct store;

/* What comes next. */
enum reply_next {
    REPLY_SEND,         /* the reply is sent */
    REPLY_TURN,         /* there is none yet: the handler runs once more, with request->want, behind others */
    REPLY_AFTER_LOG,    /* the same, when ticket is on disk or lost */
    REPLY_AFTER_CHANGE, /* the same, when request->change is on disk or has failed */
    REPLY_AFTER_ROOM,   /* the same, when labs that are in use now may have made room */
};

struct reply {
    unsigned status;
    const char *content_type;
    const char *cache_control; /* NULL: no-store */
    char location[96], etag[64], link[200], allow[48];
    unsigned retry_after_s; /* 0: not said */
    bool closes;            /* the connection ends behind it */
    uint64_t seq;           /* for X-Pagoda-Seq; UINT64_MAX: none */
    uint64_t ticket;        /* not 0: send it when this is on disk */
    struct buffer body;
    struct MHD_Response *response; /* made already (files, streams) */
    bool is_packed;
    enum reply_next next;
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

/* 413. limit: bytes. */
struct reply reply_too_long(uint64_t limit);
/* 503: come back in a second. */
struct reply reply_busy(const char *why);
/* An error for damage in the lab's log says where that is. lab: NULL: of none. */
void reply_name_damage(struct reply *reply, struct store *store, const struct lab *lab);

/* No reply yet: enum reply_next. */
struct reply reply_turn(void);
struct reply reply_again(uint64_t ticket);
struct reply reply_after_change(void);
/* Is the error one that others may end soon, and has the request time left to wait for that? Then *reply says so. */
bool reply_after_room(const struct request *request, enum pagoda_error error, struct reply *reply);

/* Packs the body, if it has some length and the request allows that. Takes a while, so it is done in the last turn. */
void reply_pack(const struct request *request, struct reply *reply);
/* The request's reply with its headers, behind unread_admit().
 * Result: the caller's, to MHD_queue_response() and MHD_destroy_response(); NULL: out of memory. */
struct MHD_Response *reply_make(struct request *request);
