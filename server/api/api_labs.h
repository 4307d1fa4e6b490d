/* server/api/api_labs.h - what the requests that make labs share: labs_post() and fork_post() (api_labs.c), rerun_post()
 * (api_rerun.c). */
#pragma once
#include "server/api/api.h"
#include "server/api/idempotency.h"

/* What a body says about a lab. (lab_wish.c) */
struct lab_wish {
    char name[LAB_NAME_MAX + 1];
    uint64_t at;
    bool has_name, has_at;
    struct machine_config config;
};
enum wish_kind { WISH_CREATE, WISH_RENAME, WISH_FORK, WISH_RERUN, WISH_WAKE };
/* 0, or a status with *why. */
unsigned wish_decode(const struct request *request, enum wish_kind kind, struct lab_wish *wish, struct problem *why);

/* A request that makes a lab, between its turns: request->progress. */
struct birth {
    struct lab_wish wish;
    struct lab_request made;
};
/* The first turn, on a worker.
 * nr_bytes  of what begins with a struct birth: request->progress, zeroed.
 * NULL: *reply refuses the request, or is what it was answered before. */
struct birth *birth_begin(struct request *request, enum wish_kind kind, size_t nr_bytes, struct reply *reply);
/* request->change, which makes the lab or publishes it, has been stored. */
struct reply birth_reply(struct request *request, const struct lab_request *made);
struct reply birth_error(const struct request *request, const struct lab_request *made, enum pagoda_error error,
                         const struct problem *why);
