/* GET /labs/{lab}/export: the whole history in a format of choice, streamed; memory holds one slice of it. */
#include "server/api/api.h"
#include "server/api/export_reply.h"
#include "server/http/stream.h"

#include <stdlib.h>
#include <string.h>

#define SLICE_ENTRIES 1024u /* operations read from the log at a time */
#define SLICE_RESULTS 256u  /* operations run again at a time */

struct export
{
    struct store *store;
    struct lab *lab;
    const struct export_format *format;
    struct buffer *out; /* of the slice being made */
    uint64_t next_seq, last_seq;
    bool has_begun;
};

static bool export_entry(void *context, const struct log_entry *entry)
{
    struct export *export = context;
    export->format->entry(export->out, entry);
    export->next_seq = entry->seq + 1;
    return !export->out->failed;
}

static bool export_result(void *context, const struct log_entry *entry, const struct op_result *result)
{
    struct export *export = context;
    export->format->result(export->out, entry, result);
    export->next_seq = entry->seq + 1;
    return !export->out->failed;
}

static enum pagoda_error export_relive_slice(struct export *export)
{
    uint64_t last = export->next_seq + SLICE_RESULTS - 1;
    last = last < export->last_seq ? last : export->last_seq;
    struct lab_hold hold;
    enum pagoda_error error = lab_take_recorded(export->lab, export->next_seq - 1, &hold);
    if (error)
        return error;
    error = lab_relive(&hold, last, export_result, export);
    if (!error && export->next_seq <= last)
        error = PAGODA_ERR_CORRUPT; /* the log has a gap */
    if (!error && export->format->sample && machine_seq(hold.machine) == hold.seq)
        export->format->sample(export->out, hold.machine);
    lab_release(&hold);
    return error;
}

static enum pagoda_error export_read_slice(struct export *export)
{
    uint64_t last = export->next_seq + SLICE_ENTRIES - 1;
    last = last < export->last_seq ? last : export->last_seq;
    enum pagoda_error error =
        store_read_ops(export->store, lab_id(export->lab), export->next_seq, last, export_entry, export);
    return !error && export->next_seq <= last ? PAGODA_ERR_CORRUPT : error;
}

static enum pagoda_error export_next_slice(void *context, struct buffer *out, bool *is_last)
{
    struct export *export = context;
    enum pagoda_error error = PAGODA_OK;
    export->out = out;
    if (!export->has_begun && export->format->begin) {
        struct lab_row row;
        lab_read_row(export->lab, &row);
        export->format->begin(out, &row);
    }
    export->has_begun = true;
    if (export->next_seq <= export->last_seq)
        error = export->format->relives ? export_relive_slice(export) : export_read_slice(export);
    *is_last = export->next_seq > export->last_seq;
    if (*is_last && !error && export->format->end)
        export->format->end(out);
    return error;
}

static void export_close(void *context)
{
    struct export *export = context;
    lab_put(export->lab);
    free(export);
}

struct reply export_reply(struct request *request, const struct export_format *format)
{
    struct export *export = calloc(1, sizeof *export);
    if (!export)
        return reply_error(PAGODA_ERR_NOMEM, NULL);
    struct lab *lab = request->lab;
    lab_keep(lab);
    *export = (struct export){
        .store = request->app->store, .lab = lab, .format = format, .next_seq = 1, .last_seq = lab_durable_seq(lab)
    };
    return stream_reply(request, (struct stream_source){ export_next_slice, export_close, export }, format->content_type);
}

struct reply export_get(struct app *app, struct request *request)
{
    (void)app;
    static const struct export_format *const FORMATS[] = { &EXPORT_NDJSON, &EXPORT_CSV, &EXPORT_FTRACE, &EXPORT_PERFETTO };
    const char *name = query_text(request, "format");
    bool with_snapshots = false;
    struct reply refusal;
    if (!query_bool(request, "snapshots", &with_snapshots, &refusal))
        return refusal;
    if (name && strcmp(name, "sqlite") == 0)
        return export_sqlite_reply(request, with_snapshots);
    for (size_t i = 0; i < sizeof FORMATS / sizeof FORMATS[0]; i++)
        if (strcmp(name ? name : "ndjson", FORMATS[i]->name) == 0)
            return export_reply(request, FORMATS[i]);
    return reply_say(422, "format", "format must be ndjson, csv, ftrace, perfetto or sqlite");
}
