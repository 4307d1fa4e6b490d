/* server/json/json_value.h - single values out of JSON, with the words for what is wrong with them. Each decoder returns
 * false after it has said in *why what is wrong; a *why that says something already keeps it (problem.h). */
#pragma once
#include "pagoda/op.h"
#include "server/base/buffer.h"
#include <jansson.h>

/* Parses a text that must be one JSON object.
 * *root    the object, which the caller ends with json_decref(); NULL on an error.
 * Returns 0, or the HTTP status that the text deserves:
 * 400  it is not JSON; why->offset says where.
 * 422  it is JSON, but no object, or has a number out of range.
 * 503  the host is out of memory. */
unsigned json_decode(const char *text, size_t length, json_t **root, struct problem *why);

/* A field, and the range that its number must lie in, both ends included. */
struct number_range {
    const char *field;
    uint64_t min, max;
};
/* A whole number. */
bool number_decode(const json_t *value, const struct number_range *range, uint64_t *number, struct problem *why);
/* A number of bytes: a whole number, or a text such as "64K" (size_parse). */
bool size_decode(const json_t *value, const struct number_range *range, uint64_t *size, struct problem *why);
/* A text, borrowed from the value. */
bool text_decode(const json_t *value, const char *field, struct text *text, struct problem *why);
