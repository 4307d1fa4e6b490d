/* server/json/op_json.h - operations out of JSON and into it, both driven by the engine's own table of parameters. */
#pragma once
#include "pagoda/op.h"
#include "server/base/buffer.h"
#include <jansson.h>

/* A decoded operation and what its texts borrow from: this, or the text that was decoded. */
struct op_request {
    struct op op;
    json_t *root;
    uint8_t *data; /* bytes of hex */
};

/* 0: decoded. Else the HTTP status: 400 when it is not JSON, 422 when it means nothing; *why says what. */
unsigned op_decode(const char *text, size_t length, struct op_request *out, struct problem *why);
void op_request_clear(struct op_request *request);

/* The fields of an operation as its caller gave them, "op" first; the object is open already. */
void op_encode_fields(struct buffer *out, const struct op *op);
/* The value of one of its parameters. */
void op_encode_param(struct buffer *out, const struct op *op, enum op_param_id id);
/* GET /ops: operations, parameters, flags, contexts, events, costs, kinds of frames. */
void op_table_encode(struct buffer *out);

/* "64K", "256M", "4096", "0x1000"; false: no size, or beyond 2^53-1. */
bool size_parse(const char *text, size_t length, uint64_t *size);
bool address_parse(const char *text, size_t length, uint64_t *address); /* "0x…", at most 64 bits */
/* 0 or an HTTP status for a text that is no JSON object. *root is the caller's. */
unsigned json_decode(const char *text, size_t length, json_t **root, struct problem *why);
/* A size in JSON: a number or a text. False: *why says what is wrong with field. */
bool size_decode(const json_t *value, const char *field, uint64_t min, uint64_t max, uint64_t *size, struct problem *why);
