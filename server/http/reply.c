/* server/http/reply.c - making replies, and reading what a request says beside its body. */
#include "server/http/http.h"
#include "server/base/number.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#define GZIP_MIN 1024u /* bytes; below that the headers weigh more than the gain */
#define NO_SEQ UINT64_MAX

struct reply reply_empty(unsigned status)
{
    return (struct reply){ .status = status, .seq = NO_SEQ };
}

struct reply reply_json(unsigned status, struct buffer body)
{
    struct reply reply = reply_empty(status);
    if (body.failed) {
        buffer_clear(&body);
        return reply_say(503, "", "out of memory");
    }
    reply.content_type = "application/json";
    reply.body = body;
    return reply;
}

struct reply reply_problem(unsigned status, const struct problem *why)
{
    struct reply reply = reply_empty(status);
    reply.content_type = "application/problem+json";
    problem_encode(&reply.body, status, why->text, NULL, why->field);
    return reply;
}

struct reply reply_say(unsigned status, const char *field, const char *format, ...)
{
    struct problem why = { 0 };
    snprintf(why.field, sizeof why.field, "%s", field);
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(why.text, sizeof why.text, format, arguments);
    va_end(arguments);
    return reply_problem(status, &why);
}

struct reply reply_error(enum pagoda_error error, const struct problem *why)
{
    if (why && why->text[0])
        return reply_problem(error_status(error), why);
    return reply_say(error_status(error), "", "%s", pagoda_error_text(error));
}

/* ---- out ---- */

static void add_header(struct MHD_Response *response, const char *name, const char *value)
{
    if (value && value[0])
        MHD_add_response_header(response, name, value);
}

/* Replaces the body by its gzip form. A failure leaves it as it is. */
static bool compress_body(struct buffer *body)
{
    z_stream stream = { 0 };
    struct buffer packed = { 0 };
    if (deflateInit2(&stream, 1, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) != Z_OK)
        return false;
    uLong bound = deflateBound(&stream, body->length);
    char *room = buffer_grow(&packed, bound);
    stream.next_in = (Bytef *)body->data;
    stream.avail_in = (uInt)body->length;
    stream.next_out = (Bytef *)room;
    stream.avail_out = (uInt)bound;
    bool ok = room && body->length < 1u << 30 && deflate(&stream, Z_FINISH) == Z_STREAM_END;
    packed.length = stream.total_out;
    deflateEnd(&stream);
    if (!ok) {
        buffer_clear(&packed);
        return false;
    }
    buffer_clear(body);
    *body = packed;
    return true;
}

static bool wants_gzip(const struct request *request, const struct reply *reply)
{
    const char *accepted = request_header(request, "Accept-Encoding");
    return reply->body.length >= GZIP_MIN && accepted && strstr(accepted, "gzip") && reply->content_type &&
           strcmp(reply->content_type, "application/octet-stream") != 0;
}

struct MHD_Response *reply_make(struct request *request, struct reply *reply)
{
    struct MHD_Response *response = reply->response;
    bool is_packed = false;
    if (!response) {
        is_packed = wants_gzip(request, reply) && compress_body(&reply->body);
        response = MHD_create_response_from_buffer(reply->body.length, reply->body.data, MHD_RESPMEM_MUST_FREE);
        if (response)
            reply->body = (struct buffer){ 0 }; /* the response owns it now */
    }
    if (!response)
        return NULL;
    char seq[24] = "";
    if (reply->seq != NO_SEQ)
        snprintf(seq, sizeof seq, "%llu", (unsigned long long)reply->seq);
    add_header(response, "Content-Type", reply->content_type);
    add_header(response, "Content-Encoding", is_packed ? "gzip" : "");
    add_header(response, "Vary", reply->content_type && !reply->response ? "Accept, Accept-Encoding" : "");
    add_header(response, "Cache-Control", reply->cache_control ? reply->cache_control : "no-store");
    add_header(response, "ETag", reply->etag);
    add_header(response, "Location", reply->location);
    add_header(response, "Link", reply->link);
    add_header(response, "Allow", reply->allow);
    add_header(response, "X-Pagoda-Seq", seq);
    add_header(response, "X-Content-Type-Options", "nosniff");
    return response;
}

/* ---- in ---- */

const char *query_text(const struct request *request, const char *name)
{
    return MHD_lookup_connection_value(request->connection, MHD_GET_ARGUMENT_KIND, name);
}

bool query_u64(const struct request *request, const char *name, uint64_t min, uint64_t max, uint64_t *value,
               struct reply *refusal)
{
    const char *text = query_text(request, name);
    if (!text)
        return true;
    uint64_t number;
    if (!size_parse(text, strlen(text), &number) || number < min || number > max) {
        *refusal = reply_say(422, name, "%s must be a whole number between %llu and %llu", name, (unsigned long long)min,
                             (unsigned long long)max);
        return false;
    }
    *value = number;
    return true;
}

bool query_bool(const struct request *request, const char *name, bool *value, struct reply *refusal)
{
    const char *text = query_text(request, name);
    if (!text)
        return true;
    if (strcmp(text, "true") != 0 && strcmp(text, "false") != 0) {
        *refusal = reply_say(422, name, "%s must be true or false", name);
        return false;
    }
    *value = text[0] == 't';
    return true;
}

const char *request_header(const struct request *request, const char *name)
{
    return MHD_lookup_connection_value(request->connection, MHD_HEADER_KIND, name);
}

bool request_is_ndjson(const struct request *request)
{
    const char *type = request_header(request, "Content-Type");
    return type && strncmp(type, "application/x-ndjson", 20) == 0;
}

bool request_accepts(const struct request *request, const char *type)
{
    const char *accepted = request_header(request, "Accept");
    return accepted && strstr(accepted, type);
}

bool etag_matches(const struct request *request, const char *etag)
{
    const char *given = request_header(request, "If-None-Match");
    return given && (strcmp(given, "*") == 0 || strstr(given, etag));
}
