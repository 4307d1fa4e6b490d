/* server/api/idempotency.h - Idempotency-Key: the same key and request once more gets the first answer and does nothing. */
#pragma once
#include "server/http/request.h"

#define IDEMPOTENCY_KEY_MAX 64                  /* bytes */
#define HASH_START UINT64_C(0xcbf29ce484222325) /* FNV-1a, 64 bits */
uint64_t hash_more(uint64_t hash, const char *bytes, size_t length);

/* The request's key; NULL: none was given. False: it cannot be one, and *refusal says so. */
bool idempotency_key(const struct request *request, const char **key, struct reply *refusal);

/* For requests that are more than one operation. lab: whose keys. The hash covers method, address and body; of an upload it
 * is complete when hash_more() has seen all of it. */
bool idempotency_read(const struct request *request, int64_t lab, struct answer *answer, struct reply *refusal);
/* True: *reply is what was answered before, with that status and, when it made a lab, its Location; or says why there is
 * none (422: another request; 409: it was cut short, or is under way). */
bool idempotency_answered(const struct request *request, const struct answer *answer, unsigned status, struct reply *reply);
