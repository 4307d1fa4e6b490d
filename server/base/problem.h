/* server/base/problem.h - answers that say what was wrong with a request: RFC 9457 problem details. */
#pragma once
#include "pagoda/error.h"
#include "server/base/buffer.h"

/* Writes the object. field, when not empty, becomes errors[0].pointer: a JSON Pointer into the request's body. */
void problem_encode(struct buffer *out, unsigned status, const char *detail, const char *instance, const char *field);
const char *status_title(unsigned status);      /* "Not Found" */
unsigned error_status(enum pagoda_error error); /* the HTTP status that an error deserves */

/* Fills *why; the first cause wins, so a *why that is filled already stays. */
void problem_say(struct problem *why, const char *field, const char *format, ...) __attribute__((format(printf, 3, 4)));
