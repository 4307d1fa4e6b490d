/* server/http/intake.c - see intake.h. */
#include "server/http/intake.h"
#include "server/http/framing.h"
#include "server/http/origin.h"
#include "server/http/upload.h"

#include <stdlib.h>
#include <string.h>

/* ---- the body ---- */

static size_t body_limit(const struct request *request)
{
    if (!request->route)
        return 0;
    if (request->route->flags & ROUTE_UPLOAD)
        return request->app->limits.upload;
    return (request->route->flags & ROUTE_LINES) && request_is_ndjson(request) ? LINES_LIMIT : request->route->body_limit;
}

static void request_refuse(struct request *request, struct reply reply)
{
    if (request->refused) {
        buffer_clear(&reply.body);
        return;
    }
    request->refused = true;
    buffer_clear(&request->body);
    request->reply = reply;
}

static bool type_is_json(const char *type)
{
    return type && strncmp(type, "application/json", 16) == 0 && (type[16] == '\0' || type[16] == ';' || type[16] == ' ');
}

static void request_check_headers(struct request *request)
{
    const char *length = request_header(request, "Content-Length"), *coding = request_header(request, "Transfer-Encoding");
    const char *type = request_header(request, "Content-Type");
    bool has_body = strcmp(request->method, "POST") == 0 || strcmp(request->method, "PATCH") == 0;
    if (length && strtoull(length, NULL, 10) > body_limit(request))
        request_refuse(request, reply_too_long(body_limit(request)));
    else if (has_body && !length && !coding)
        request_refuse(request, reply_say(411, "", "say with Content-Length how long the body is, or send it chunked"));
    else if (has_body && !(request->route->flags & ROUTE_UPLOAD) && !type_is_json(type) &&
             !((request->route->flags & ROUTE_LINES) && request_is_ndjson(request)))
        request_refuse(request, reply_say(415, "", "the body must be application/json%s",
                                          request->route->flags & ROUTE_LINES ? " or application/x-ndjson" : ""));
}

void request_answer_now(struct request *request)
{
    if (!request->peer)
        return;
    request->is_answered = true;
    atomic_fetch_add(&request->app->nr_problems, 1);
    peer_refuse(request->peer, &request->reply);
}

/* The handler's thread may be writing request->reply meanwhile. */
static void request_break_upload(struct request *request)
{
    struct reply reply = reply_too_long(body_limit(request));
    request->refused = request->is_answered = true;
    upload_break(request->upload);
    peer_refuse(request->peer, &reply);
    buffer_clear(&reply.body);
}

static void request_refuse_length(struct request *request)
{
    if (request->upload) {
        request_break_upload(request);
        return;
    }
    request_refuse(request, reply_too_long(body_limit(request)));
    request_answer_now(request);
}

size_t request_take_body(struct request *request, const char *data, size_t nr_bytes)
{
    if (!request->refused && request->nr_received + nr_bytes > body_limit(request))
        request_refuse_length(request);
    size_t nr_taken = nr_bytes;
    if (!request->refused && request->upload)
        nr_taken = upload_push(request->upload, data, nr_bytes);
    else if (!request->refused)
        buffer_add(&request->body, data, nr_bytes);
    if (request->body.failed)
        request_refuse(request, reply_say(503, "", "out of memory"));
    request->nr_received += nr_taken;
    request->nr_dropped += request->refused ? nr_taken : 0;
    peer_receive(request->peer, nr_taken);
    return nr_taken;
}

bool request_is_endless(const struct request *request)
{
    return request->nr_dropped > DRAIN_LIMIT;
}

/* ---- the head ---- */

/* Is there room for the request? */
static bool request_is_admitted(struct request *request)
{
    if (connections_are_stopping(&request->app->connections))
        request_refuse(request, reply_busy(STOPPING_TEXT));
    else if (peer_is_surplus(request->peer))
        request_refuse(request, reply_busy(CROWDED_TEXT));
    request->reply.closes = request->refused;
    return !request->refused;
}

/* May the request be heard here at all? */
static bool request_is_proper(struct request *request)
{
    struct problem why = { 0 };
    unsigned status = framing_check(request, &why);
    bool is_framed = status == 0;
    if (is_framed)
        status = origin_check(request, &why);
    if (status)
        request_refuse(request, reply_problem(status, &why));
    request->reply.closes = !is_framed;
    return status == 0;
}

void request_check(struct request *request)
{
    struct reply refusal;
    if (!request_is_admitted(request) || !request_is_proper(request))
        return;
    request->route = request->app->hooks->find_route(request, &refusal);
    if (!request->route) {
        request_refuse(request, refusal);
        return;
    }
    request_check_headers(request);
    if (!request->refused && (request->route->flags & ROUTE_STREAM) && !peer_begin_stream(request->peer))
        request_refuse(request, reply_busy("there are too many event streams; try again later"));
    if (!request->refused && (request->route->flags & ROUTE_UPLOAD) && !upload_start(request))
        request_refuse(request, reply_busy("there are too many uploads at once; try again later"));
}
