/* server/api/idempotency.h - Idempotency-Key: the same key and request once more gets the first answer and does nothing. */
#pragma once
#include "server/base/hash.h"
#include "server/http/request.h"

#define IDEMPOTENCY_KEY_MAX 64 /* bytes */

/* Reads the request's key.
 * *key   NULL: none was given.
 * False: what was given cannot be a key; *refusal says so. */
bool idempotency_key(const struct request *request, const char **key, struct reply *refusal);

/* Begins the answer of a request that is more than one operation: its key and its hash.
 * lab      whose keys; 0: of no lab.
 * *answer  its key lives as long as the connection. Its hash covers method, address and body; that of an upload is complete
 *          when hash64_bytes() has seen all of the body.
 * False: as of idempotency_key(). */
bool idempotency_read(const struct request *request, int64_t lab, struct answer *answer, struct reply *refusal);
/* Was this request answered before? Reads the store.
 * status  what it was answered with.
 * True: *reply is that answer, with the Location of a lab that it made. Or *reply says why there is no such answer: 422:
 * the key was used with another request; 409: the first request was cut short or is under way. */
bool idempotency_answered(const struct request *request, const struct answer *answer, unsigned status, struct reply *reply);
