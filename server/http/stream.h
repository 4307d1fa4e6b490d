/* server/http/stream.h - long answers, made slice by slice on a worker. Memory holds one slice of an answer. A slow reader
 * holds no thread. */
#pragma once
#include "server/http/request.h"

struct stream_source {
    /* Appends a slice to out, on a worker.
     * *is_last  out: this was the last slice.
     * An error breaks the answer off, so that its reader can tell that it is not whole. */
    enum pagoda_error (*next)(void *context, struct buffer *out, bool *is_last);
    void (*close)(void *context); /* once, when nobody reads any more */
    void *context;
};

/* Makes the first slice at once: an error there is an answer of its own.
 * source  the reply's from here on, whatever happens. */
struct reply stream_reply(struct request *request, struct stream_source source, const char *content_type);
