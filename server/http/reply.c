/* server/http/reply.c - see reply.h. */
#include "server/http/reply.h"
#include "server/http/unread.h"
#include "server/http/request.h"
#include "server/lab/lab.h"

#include <stdarg.h>
#include <stdio.h>
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

void reply_name_damage(struct reply *reply, struct store *store, const struct lab *lab)
{
    uint64_t first, last;
    if (reply->status != 500 || !lab || !store_find_damage(store, lab_number(lab), &first, &last))
        return;
    buffer_clear(&reply->body);
    *reply = reply_say(500, "", "the log of this lab is damaged between operations %llu and %llu (pagodad check says more)",
                       (unsigned long long)first, (unsigned long long)last);
}

struct reply reply_too_long(uint64_t limit)
{
    return reply_say(413, "", "the body may have at most %llu bytes here", (unsigned long long)limit);
}

struct reply reply_busy(const char *why)
{
    struct reply reply = reply_say(503, "", "%s", why);
    reply.retry_after_s = 1;
    return reply;
}

struct reply reply_turn(void)
{
    return (struct reply){ .next = REPLY_TURN, .seq = NO_SEQ };
}

struct reply reply_again(uint64_t ticket)
{
    return (struct reply){ .next = REPLY_AFTER_LOG, .seq = NO_SEQ, .ticket = ticket };
}

struct reply reply_after_change(void)
{
    return (struct reply){ .next = REPLY_AFTER_CHANGE, .seq = NO_SEQ };
}

bool reply_after_room(const struct request *request, enum pagoda_error error, struct reply *reply)
{
    if (error != PAGODA_ERR_BUDGET || !labs_may_wait_for_room(request->app->labs, &request->room))
        return false;
    *reply = (struct reply){ .next = REPLY_AFTER_ROOM, .seq = NO_SEQ };
    return true;
}

/* ---- as libmicrohttpd wants it ---- */

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

void reply_pack(const struct request *request, struct reply *reply)
{
    reply->is_packed = !reply->response && wants_gzip(request, reply) && compress_body(&reply->body);
}

struct MHD_Response *reply_make(struct request *request)
{
    const struct reply *reply = &request->reply;
    struct MHD_Response *response = reply->response ? reply->response : unread_response(request);
    if (!response)
        return NULL;
    char seq[24] = "", retry_after[12] = "";
    if (reply->seq != NO_SEQ)
        snprintf(seq, sizeof seq, "%llu", (unsigned long long)reply->seq);
    if (reply->retry_after_s)
        snprintf(retry_after, sizeof retry_after, "%u", reply->retry_after_s);
    add_header(response, "Content-Type", reply->content_type);
    add_header(response, "Content-Encoding", reply->is_packed ? "gzip" : "");
    add_header(response, "Vary", reply->content_type && !reply->response ? "Accept, Accept-Encoding" : "");
    add_header(response, "Cache-Control", reply->cache_control ? reply->cache_control : "no-store");
    add_header(response, "ETag", reply->etag);
    add_header(response, "Location", reply->location);
    add_header(response, "Link", reply->link);
    add_header(response, "Allow", reply->allow);
    add_header(response, "Retry-After", retry_after);
    add_header(response, "Connection", reply->closes ? "close" : "");
    add_header(response, "X-Pagoda-Seq", seq);
    add_header(response, "X-Content-Type-Options", "nosniff");
    return response;
}
