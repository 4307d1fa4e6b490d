/* server/http/stream.c - see stream.h. libmicrohttpd asks for bytes on an HTTP thread, which hands out what is left of the
 * slice. When nothing is left, the connection sleeps until a worker has made the next slice. */
#include "server/http/stream.h"

#include <stdlib.h>
#include <string.h>

#define BLOCK_SIZE (64 * KIB)

struct stream {
    struct work work; /* first member */
    struct workers *workers;
    struct connection connection;
    struct stream_source source;
    struct buffer slice; /* belongs to the worker while one is being made, else to the HTTP thread */
    size_t sent;
    bool is_last;
    enum pagoda_error error;
};

static void stream_make_slice(struct stream *stream)
{
    stream->slice.length = stream->sent = 0;
    stream->error = stream->source.next(stream->source.context, &stream->slice, &stream->is_last);
    if (stream->slice.failed)
        stream->error = PAGODA_ERR_NOMEM;
}

static void stream_make_slice_on_worker(struct work *work)
{
    struct stream *stream = (struct stream *)work;
    stream_make_slice(stream);
    connection_wake(&stream->connection);
}

/* False: the daemon stops, and no more slices are made. */
static bool stream_ask_for_slice(struct stream *stream)
{
    if (!connection_sleep(&stream->connection))
        return false;
    stream->work.run = stream_make_slice_on_worker;
    workers_submit(stream->workers, &stream->work);
    return true;
}

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
    if (stream->error)
        return MHD_CONTENT_READER_END_WITH_ERROR;
    if (stream->is_last)
        return MHD_CONTENT_READER_END_OF_STREAM;
    return stream_ask_for_slice(stream) ? 0 : MHD_CONTENT_READER_END_WITH_ERROR;
}

static void stream_destroy(void *context)
{
    struct stream *stream = context;
    stream->source.close(stream->source.context);
    buffer_clear(&stream->slice);
    free(stream);
}

struct reply stream_reply(struct request *request, struct stream_source source, const char *content_type)
{
    struct stream *stream = calloc(1, sizeof *stream);
    if (!stream) {
        source.close(source.context);
        return reply_error(PAGODA_ERR_NOMEM, NULL);
    }
    *stream = (struct stream){ .workers = &request->app->workers,
                               .connection = { .mhd = request->connection.mhd, .all = request->connection.all },
                               .source = source };
    stream_make_slice(stream);
    enum pagoda_error error = stream->error;
    struct reply reply = reply_empty(200);
    if (!error)
        reply.response =
            MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, BLOCK_SIZE, stream_read, stream, stream_destroy);
    if (!reply.response) {
        stream_destroy(stream);
        return reply_error(error ? error : PAGODA_ERR_NOMEM, NULL);
    }
    reply.content_type = content_type;
    return reply;
}
