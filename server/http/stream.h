/* server/http/stream.h - long answers, made slice by slice on a worker. Memory holds one slice of an answer. A slow reader
 * holds no thread. */
#pragma once
#include "server/http/request.h"

#define SLICE_BYTES (256 * KIB) /* a slice ends behind what goes beyond that */

struct stream_source {
    /* Appends a slice to out, in a turn of its own.
     * hold      of the lab at moment(); NULL: none was wanted.
     * *is_last  out: this was the last slice.
     * An error breaks the answer off, so that its reader can tell that it is not whole. */
    enum pagoda_error (*next)(void *context, struct lab_hold *hold, struct buffer *out, bool *is_last);
    /* Where the next slice needs the lab, for lab_relive(). NULL: nowhere. */
    uint64_t (*moment)(void *context);
    struct lab *lab;              /* kept by the context; NULL when moment is */
    void (*close)(void *context); /* once, when nobody reads any more */
    void *context;
};

/* Makes the first slice before it answers: an error there is an answer of its own. Called again, as the handler is, until
 * the reply is there.
 * begin  makes the source, in the first turn; an error is the answer. The source is the reply's from
 * then on. */
struct reply stream_reply(struct request *request,
                          enum pagoda_error (*begin)(struct request *request, const void *kind,
                                                     struct stream_source *source),
                          const void *kind, const char *content_type);
