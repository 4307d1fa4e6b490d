/* server/http/stream.c - see stream.h. libmicrohttpd asks for bytes on an HTTP thread, which hands out what is left of the
 * slice. When nothing is left, the connection sleeps until a turn has made the next slice. */
#include "server/http/stream.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#define BLOCK_SIZE (64 * KIB)

struct stream {
    struct work work; /* first member */
    struct lab_job job;
    struct app *app;
    struct client *client; /* whose; NULL: the house's */
    struct connection connection;
    struct stream_source source;
    struct buffer slice; /* belongs to the turn while one is being made, else to the HTTP thread */
    size_t sent;
    bool is_last;
    enum pagoda_error error;
};

static void stream_make_slice(struct stream *stream, struct lab_hold *hold)
{
    stream->slice.length = stream->sent = 0;
    stream->error = stream->source.next(stream->source.context, hold, &stream->slice, &stream->is_last);
    if (stream->slice.failed)
        stream->error = PAGODA_ERR_NOMEM;
}

/* ---- turns, with the connection asleep ---- */

static void stream_run_on_worker(struct work *work)
{
    struct stream *stream = (struct stream *)work;
    stream_make_slice(stream, NULL);
    connection_wake(&stream->connection);
}

static struct stream *stream_of_job(struct lab_job *job)
{
    return (void *)((char *)job - offsetof(struct stream, job));
}

static enum lab_turn stream_take_turn(struct lab_job *job, struct lab_hold *hold)
{
    stream_make_slice(stream_of_job(job), hold);
    return LAB_TURN_DONE;
}

static void stream_end_job(struct lab_job *job, enum pagoda_error error)
{
    struct stream *stream = stream_of_job(job);
    if (error)
        stream->error = error;
    lab_put(stream->source.lab);
    connection_wake(&stream->connection);
}

/* False: the daemon stops, and the answer breaks off. Else a turn has the stream when this returns. */
static bool stream_ask_for_slice(struct stream *stream)
{
    struct share *share = stream->client ? &stream->client->share : NULL;
    if (!connection_sleep(&stream->connection))
        return false;
    if (stream->source.moment) {
        stream->job = (struct lab_job){ .turn = stream_take_turn,
                                        .done = stream_end_job,
                                        .moment = LAB_RECORDED,
                                        .share = share,
                                        .at = stream->source.moment(stream->source.context) };
        lab_keep(stream->source.lab);
        lab_post(stream->source.lab, &stream->job);
    } else {
        stream->work = (struct work){ .run = stream_run_on_worker, .share = share };
        workers_submit(&stream->app->workers, &stream->work);
    }
    return true;
}

/* ---- libmicrohttpd's side ---- */

static ssize_t stream_read(void *context, uint64_t position, char *out, size_t capacity)
{
    (void)position;
    struct stream *stream = context;
    size_t left = stream->slice.length - stream->sent;
    if (left) {
        size_t given = left < capacity ? left : capacity;
        memcpy(out, stream->slice.data + stream->sent, given);
        stream->sent += given;
        return (ssize_t)given;
    }
    if (!stream->error && stream->is_last)
        return MHD_CONTENT_READER_END_OF_STREAM;
    return !stream->error && stream_ask_for_slice(stream) ? 0 : MHD_CONTENT_READER_END_WITH_ERROR;
}

static void stream_destroy(void *context)
{
    struct stream *stream = context;
    if (stream->client)
        client_put(&stream->app->clients, stream->client);
    stream->source.close(stream->source.context);
    buffer_clear(&stream->slice);
    free(stream);
}

/* ---- the first slice, as turns of the request ---- */

static struct reply stream_begin(struct request *request,
                                 enum pagoda_error (*begin)(struct request *request, const void *kind,
                                                            struct stream_source *source),
                                 const void *kind)
{
    struct stream *stream = calloc(1, sizeof *stream);
    enum pagoda_error error = stream ? begin(request, kind, &stream->source) : PAGODA_ERR_NOMEM;
    if (error) {
        free(stream);
        return reply_error(error, NULL);
    }
    stream->app = request->app;
    stream->client = request->client;
    if (stream->client)
        client_keep(&stream->app->clients, stream->client);
    stream->connection = (struct connection){ .mhd = request->connection.mhd, .all = request->connection.all };
    request->progress = stream;
    request->drop = stream_destroy;
    const struct stream_source *source = &stream->source;
    if (source->moment)
        request->want = (struct turn_want){ HOLD_RECORDED, source->lab, source->moment(source->context), 0 };
    return reply_turn();
}

struct reply stream_reply(struct request *request,
                          enum pagoda_error (*begin)(struct request *request, const void *kind,
                                                     struct stream_source *source),
                          const void *kind, const char *content_type)
{
    struct stream *stream = request->progress;
    if (!stream)
        return stream_begin(request, begin, kind);
    if (request->error)
        return reply_error(request->error, NULL);
    stream_make_slice(stream, request->hold);
    if (stream->error)
        return reply_error(stream->error, NULL);
    struct reply reply = reply_empty(200);
    reply.response = MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, BLOCK_SIZE, stream_read, stream, stream_destroy);
    if (!reply.response)
        return reply_error(PAGODA_ERR_NOMEM, NULL);
    request->progress = NULL; /* the response owns it now */
    reply.content_type = content_type;
    return reply;
}
