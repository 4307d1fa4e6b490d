/* GET /labs/{lab}/export: the whole history in a format of choice, streamed; memory holds one slice of it. */
#include "server/api/api.h"
#include "server/api/export_reply.h"
#include "server/base/clock.h"
#include "server/http/stream.h"

#include <stdlib.h>
#include <string.h>

#define SLICE_ENTRIES 1024u /* operations read from the log at a time, at most */
#define SLICE_RESULTS 256u  /* operations run again at a time, at most */

struct export
{
    struct store *store;
    struct lab *lab;
    const struct export_format *format;
    struct buffer *out; /* of the slice being made */
    uint64_t next_seq, last_seq, deadline_ns;
    bool has_begun, is_full; /* is_full: the slice */
};

static bool export_goes_on(struct export *export, uint64_t seq)
{
    export->next_seq = seq + 1;
    export->is_full = export->out->length >= SLICE_BYTES || clock_ns() >= export->deadline_ns;
    return !export->out->failed && !export->is_full;
}

static bool export_entry(void *context, const struct log_entry *entry)
{
    struct export *export = context;
    export->format->entry(export->out, entry);
    return export_goes_on(export, entry->seq);
}

static bool export_result(void *context, const struct log_entry *entry, const struct op_result *result)
{
    struct export *export = context;
    export->format->result(export->out, entry, result);
    return export_goes_on(export, entry->seq);
}

/* A picture of the machine comes behind every SLICE_RESULTS operations and the last, wherever slices ended. */
static enum pagoda_error export_relive_slice(struct export *export, struct lab_hold *hold, uint64_t last)
{
    enum pagoda_error error = lab_relive(hold, last, export_result, export);
    if (!error && export->next_seq > last && export->format->sample && machine_seq(hold->machine) == hold->seq)
        export->format->sample(export->out, hold->machine);
    return error;
}

/* The last operation of a slice that is not cut. */
static uint64_t export_slice_end(const struct export *export)
{
    uint64_t nr = export->format->relives ? SLICE_RESULTS : SLICE_ENTRIES;
    uint64_t last = ((export->next_seq - 1) / nr + 1) * nr;
    return last < export->last_seq ? last : export->last_seq;
}

static enum pagoda_error export_make_slice(struct export *export, struct lab_hold *hold)
{
    uint64_t last = export_slice_end(export);
    export->is_full = false;
    enum pagoda_error error = export->format->relives ? export_relive_slice(export, hold, last)
                                                      : store_read_ops(export->store, lab_number(export->lab),
                                                                       export->next_seq, last, export_entry, export);
    bool has_gap = export->next_seq <= last && !export->is_full;
    return !error && has_gap ? PAGODA_ERR_CORRUPT : error;
}

static enum pagoda_error export_next_slice(void *context, struct lab_hold *hold, struct buffer *out, bool *is_last)
{
    struct export *export = context;
    enum pagoda_error error = PAGODA_OK;
    export->out = out;
    export->deadline_ns = clock_ns() + TURN_NS;
    if (!export->has_begun && export->format->begin) {
        struct lab_row row;
        lab_read_row(export->lab, &row);
        export->format->begin(out, &row);
    }
    export->has_begun = true;
    if (export->next_seq <= export->last_seq)
        error = export_make_slice(export, hold);
    *is_last = export->next_seq > export->last_seq;
    if (*is_last && !error && export->format->end)
        export->format->end(out);
    return error;
}

static uint64_t export_moment(void *context)
{
    const struct export *export = context;
    return export->next_seq - 1;
}

static void export_close(void *context)
{
    struct export *export = context;
    lab_unwatch(export->lab);
    free(export);
}

static enum pagoda_error export_begin(struct request *request, const void *kind, struct stream_source *source)
{
    const struct export_format *format = kind;
    struct export *export = calloc(1, sizeof *export);
    if (!export)
        return PAGODA_ERR_NOMEM;
    struct lab *lab = request->lab;
    lab_watch(lab); /* between slices it may sleep: a reader may take as long as it likes */
    *export = (struct export){
        .store = request->app->store, .lab = lab, .format = format, .next_seq = 1, .last_seq = lab_durable_seq(lab)
    };
    *source = (struct stream_source){
        .next = export_next_slice, .moment = format->relives ? export_moment : NULL, .lab = lab, .close = export_close
    };
    source->context = export;
    return PAGODA_OK;
}

struct reply export_reply(struct request *request, const struct export_format *format)
{
    return stream_reply(request, export_begin, format, format->content_type);
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
