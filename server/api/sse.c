/* server/api/sse.c - GET /labs/{lab}/events: operations as Server-Sent Events, as they become durable.
 *
 * A stream knows the next operation that its reader is to get. When the log has got that far, a turn of the lab's past
 * relives the missing operations (lab_relive) and hands their text to the connection, some of it at a time: what a reader
 * has not read stays in the log. That is the same for one operation that was just made and for a thousand that a returning
 * reader missed. Between times the connection sleeps, and so may the lab. */
#include "server/api/sse.h"
#include "server/api/api.h"
#include "server/base/clock.h"
#include "server/base/number.h"
#include "server/json/result_json.h"

#include <stdlib.h>
#include <string.h>

#define TEXT_MAX (64 * KIB)  /* of what waits for a reader; one event may go beyond it */
#define TEXT_KEPT (4 * KIB)  /* of a stream that has nothing to send */
#define BLOCK_SIZE (4 * KIB) /* of what is handed to libmicrohttpd */

enum stream_state { STREAM_IDLE, STREAM_FILLING, STREAM_READY }; /* idle: asleep, nothing to send */

struct sse_stream {
    struct lab_job job; /* first member */
    struct sse_stream *next;
    struct app *app;
    struct client *client;        /* whose; NULL: the house's */
    struct lab *lab;              /* watched; kept while it is filled */
    struct connection connection; /* app mutex */
    struct buffer text;
    struct buffer news; /* app mutex: sse_tell()'s last, while the text was not to be touched */
    size_t sent;
    uint64_t next_seq, deadline_ns;
    enum stream_state state; /* app mutex */
    bool ended;              /* app mutex: a failure, or the daemon stops */
};

static bool sse_add_event(void *context, const struct log_entry *entry, const struct op_result *result)
{
    struct sse_stream *stream = context;
    struct buffer *out = &stream->text;
    buffer_print(out, "id: %llu\nevent: op\ndata: ", (unsigned long long)entry->seq);
    struct buffer json = { 0 };
    result_encode(&json, result, false, &entry->op);
    buffer_add(out, json.data, json.length);
    out->failed |= json.failed;
    buffer_clear(&json);
    buffer_text(out, "\n\n");
    stream->next_seq = entry->seq + 1;
    return !out->failed && out->length < TEXT_MAX && clock_ns() < stream->deadline_ns;
}

/* App mutex held. */
static void sse_wake(struct sse_stream *stream, enum stream_state state)
{
    stream->state = state;
    connection_wake(&stream->connection);
}

static enum lab_turn sse_fill(struct lab_job *job, struct lab_hold *hold)
{
    struct sse_stream *stream = (struct sse_stream *)job;
    stream->deadline_ns = clock_ns() + TURN_NS;
    enum pagoda_error error = lab_relive(hold, lab_durable_seq(stream->lab), sse_add_event, stream);
    stream->text.failed |= error != PAGODA_OK;
    return LAB_TURN_DONE;
}

static void sse_end_fill(struct lab_job *job, enum pagoda_error error)
{
    struct sse_stream *stream = (struct sse_stream *)job;
    struct app *app = stream->app; /* outlives the stream */
    lab_put(stream->lab);
    pthread_mutex_lock(&app->mutex);
    stream->ended |= error || stream->text.failed || lab_is_deleted(stream->lab);
    sse_wake(stream, STREAM_READY);
    pthread_mutex_unlock(&app->mutex);
}

static bool sse_is_owed(const struct sse_stream *stream)
{
    return lab_durable_seq(stream->lab) >= stream->next_seq;
}

/* App mutex held. */
static void sse_start_fill(struct sse_stream *stream)
{
    stream->state = STREAM_FILLING;
    lab_keep(stream->lab);
    stream->job = (struct lab_job){ .turn = sse_fill,
                                    .done = sse_end_fill,
                                    .moment = LAB_RECORDED,
                                    .share = stream->client ? &stream->client->share : NULL,
                                    .at = stream->next_seq - 1 };
    lab_post(stream->lab, &stream->job);
}

/* All of it has been sent. */
static void sse_empty_text(struct sse_stream *stream)
{
    stream->text.length = stream->sent = 0;
    if (stream->text.capacity > TEXT_KEPT)
        buffer_clear(&stream->text);
}

/* libmicrohttpd asks for bytes: what is ready, else fall asleep until there is something. */
static ssize_t sse_read(void *context, uint64_t position, char *out, size_t capacity)
{
    (void)position;
    struct sse_stream *stream = context;
    struct app *app = stream->app;
    ssize_t given = 0;
    pthread_mutex_lock(&app->mutex);
    if (stream->state != STREAM_FILLING && stream->sent == stream->text.length && stream->news.length) {
        stream->text.length = stream->sent = 0;
        buffer_add(&stream->text, stream->news.data, stream->news.length);
        stream->news.length = 0;
    }
    size_t left = stream->state == STREAM_FILLING ? 0 : stream->text.length - stream->sent;
    if (left) {
        given = (ssize_t)(left < capacity ? left : capacity);
        memcpy(out, stream->text.data + stream->sent, (size_t)given);
        stream->sent += (size_t)given;
    } else if (stream->ended || !connection_sleep(&stream->connection)) {
        given = MHD_CONTENT_READER_END_OF_STREAM;
    } else if (stream->state != STREAM_FILLING) {
        sse_empty_text(stream);
        stream->state = STREAM_IDLE;
        if (sse_is_owed(stream))
            sse_start_fill(stream);
    }
    pthread_mutex_unlock(&app->mutex);
    return given;
}

static void sse_destroy(void *context)
{
    struct sse_stream *stream = context;
    struct app *app = stream->app;
    pthread_mutex_lock(&app->mutex);
    struct sse_stream **at = &app->streams;
    while (*at != stream)
        at = &(*at)->next;
    *at = stream->next;
    pthread_mutex_unlock(&app->mutex);
    lab_unwatch(stream->lab);
    if (stream->client)
        client_put(&app->clients, stream->client);
    buffer_clear(&stream->text);
    buffer_clear(&stream->news);
    free(stream);
}

void sse_on_commit(void *context)
{
    struct app *app = context;
    labs_offer_room(app->labs);
    pthread_mutex_lock(&app->mutex);
    for (struct sse_stream *stream = app->streams; stream; stream = stream->next)
        if (stream->state == STREAM_IDLE && stream->connection.is_asleep && sse_is_owed(stream))
            sse_start_fill(stream);
    pthread_mutex_unlock(&app->mutex);
}

/* A connection that sleeps does not notice that its peer has gone. */
void sse_end_deserted(struct app *app)
{
    pthread_mutex_lock(&app->mutex);
    for (struct sse_stream *stream = app->streams; stream; stream = stream->next)
        if (stream->state == STREAM_IDLE && stream->connection.is_asleep &&
            (lab_is_deleted(stream->lab) || connection_is_deserted(&stream->connection))) {
            stream->ended = true;
            sse_wake(stream, STREAM_READY);
        }
    pthread_mutex_unlock(&app->mutex);
}

/* A peer may go without a word: its host is gone. A comment line now and then finds out, and keeps proxies waiting. */
void sse_heartbeat(struct app *app)
{
    pthread_mutex_lock(&app->mutex);
    for (struct sse_stream *stream = app->streams; stream; stream = stream->next)
        if (stream->state == STREAM_IDLE && stream->connection.is_asleep) {
            buffer_text(&stream->text, ":\n\n");
            sse_wake(stream, STREAM_READY);
        }
    pthread_mutex_unlock(&app->mutex);
}

void sse_tell(struct app *app, const struct lab *lab, const char *events)
{
    pthread_mutex_lock(&app->mutex);
    for (struct sse_stream *stream = app->streams; stream; stream = stream->next)
        if (stream->lab == lab && stream->state == STREAM_IDLE && stream->connection.is_asleep) {
            stream->news.length = 0;
            buffer_text(&stream->text, events);
            sse_wake(stream, STREAM_READY);
        } else if (stream->lab == lab) {
            stream->news.length = 0;
            buffer_text(&stream->news, events);
        }
    pthread_mutex_unlock(&app->mutex);
}

void sse_stop(struct app *app)
{
    pthread_mutex_lock(&app->mutex);
    for (struct sse_stream *stream = app->streams; stream; stream = stream->next) {
        stream->ended = true;
        if (stream->state != STREAM_FILLING)
            sse_wake(stream, STREAM_READY);
    }
    pthread_mutex_unlock(&app->mutex);
}

/* Without Last-Event-ID a stream starts at the head: what was before is GET /ops. */
static bool sse_first_owed(const struct request *request, uint64_t *seq, struct reply *refusal)
{
    const char *last = request_header(request, "Last-Event-ID");
    *seq = lab_seq(request->lab) + 1;
    if (!last)
        return true;
    uint64_t given;
    if (!size_parse(last, strlen(last), &given) || given > lab_seq(request->lab)) {
        *refusal = reply_say(422, "", "Last-Event-ID must be the number of an operation of this lab");
        return false;
    }
    *seq = given + 1;
    return true;
}

struct reply events_get(struct app *app, struct request *request)
{
    struct reply reply = reply_empty(200);
    uint64_t next_seq;
    if (!sse_first_owed(request, &next_seq, &reply))
        return reply;
    struct sse_stream *stream = calloc(1, sizeof *stream);
    if (!stream)
        return reply_error(PAGODA_ERR_NOMEM, NULL);
    struct lab *lab = request->lab;
    lab_watch(lab);
    if (request->client)
        client_keep(&app->clients, request->client);
    *stream = (struct sse_stream){ .app = app,
                                   .lab = lab,
                                   .client = request->client,
                                   .connection = { .mhd = request->connection.mhd, .all = request->connection.all },
                                   .next_seq = next_seq,
                                   .state = STREAM_READY };
    buffer_text(&stream->text, "retry: 1000\n\n");
    reply.response = MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, BLOCK_SIZE, sse_read, stream, sse_destroy);
    pthread_mutex_lock(&app->mutex);
    stream->next = app->streams;
    app->streams = stream;
    pthread_mutex_unlock(&app->mutex);
    if (!reply.response) {
        sse_destroy(stream);
        return reply_say(503, "", "out of memory");
    }
    lab_put(lab); /* the request lasts as long as the stream, and a lab that is only watched may sleep */
    request->lab = NULL;
    reply.content_type = "text/event-stream";
    reply.cache_control = "no-store";
    return reply;
}
