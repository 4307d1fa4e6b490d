/* server/json/op_json.h - operations out of JSON and into it, both driven by the engine's own table of parameters. */
#pragma once
#include "pagoda/op.h"
#include "server/base/buffer.h"
#include <jansson.h>

/* A decoded operation. Its texts lie in root or in the text that was decoded, and its bytes in data: both must stay. */
struct op_request {
    struct op op;
    json_t *root;  /* NULL when the text was simple enough to be read without a tree (op_plain.h) */
    uint8_t *data; /* the bytes of hex; NULL: it has none */
};

/* Decodes one operation.
 * *out  the operation, which the caller ends with op_request_clear(); empty on an error.
 * *why  says what is wrong, on an error.
 * Returns 0, or the HTTP status that the text deserves:
 * 400  it is not JSON.
 * 422  it is JSON, but no operation.
 * 503  the host is out of memory. */
unsigned op_decode(const char *text, size_t length, struct op_request *out, struct problem *why);
void op_request_clear(struct op_request *request);

/* Writes "op" and the parameters that the caller gave. The object must be open; it stays open. */
void op_encode_fields(struct buffer *out, const struct op *op);
/* Writes the value of one parameter, without its key. */
void op_encode_param(struct buffer *out, const struct op *op, enum op_param_id id);
/* Writes the answer of GET /ops: one object with operations, parameters, flags, contexts, events, costs, kinds of frames.
 */
void op_table_encode(struct buffer *out);
