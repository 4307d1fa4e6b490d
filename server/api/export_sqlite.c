/* GET /labs/{lab}/export?format=sqlite: the lab as a store of its own. It is built first, a slice a turn, then sent. */
#include "server/api/export_reply.h"
#include "server/http/stream.h"

#include <stdlib.h>

struct sqlite_export {
    struct lab *lab;
    struct store_copy *copy;
    bool is_built;
};

static enum pagoda_error sqlite_export_send(struct sqlite_export *export, struct buffer *out, bool *is_last)
{
    char *room = buffer_grow(out, SLICE_BYTES);
    long nr = room ? store_copy_read(export->copy, room, SLICE_BYTES) : -1;
    if (nr > 0)
        out->length += (size_t)nr;
    *is_last = nr == 0;
    return nr < 0 ? PAGODA_ERR_IO : PAGODA_OK;
}

static enum pagoda_error sqlite_export_next(void *context, struct lab_hold *hold, struct buffer *out, bool *is_last)
{
    (void)hold;
    struct sqlite_export *export = context;
    *is_last = false;
    if (export->is_built)
        return sqlite_export_send(export, out, is_last);
    return store_copy_step(export->copy, &export->is_built);
}

static void sqlite_export_close(void *context)
{
    struct sqlite_export *export = context;
    store_copy_end(export->copy);
    lab_put(export->lab);
    free(export);
}

static enum pagoda_error sqlite_export_begin(struct request *request, const void *kind, struct stream_source *source)
{
    const bool *with_snapshots = kind;
    struct sqlite_export *export = calloc(1, sizeof *export);
    if (!export)
        return PAGODA_ERR_NOMEM;
    export->lab = request->lab;
    lab_keep(export->lab);
    enum pagoda_error error = store_copy_begin(request->app->store, lab_number(export->lab), lab_durable_seq(export->lab),
                                               *with_snapshots, &export->copy);
    if (error)
        sqlite_export_close(export);
    *source = (struct stream_source){ .next = sqlite_export_next, .close = sqlite_export_close, .context = export };
    return error;
}

struct reply export_sqlite_reply(struct request *request, bool with_snapshots)
{
    return stream_reply(request, sqlite_export_begin, &with_snapshots, "application/vnd.sqlite3");
}
