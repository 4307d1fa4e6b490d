/* server/import/import.c - see import.h. What a trace is, and its summary; NDJSON, one operation a line. */
#include "server/import/import.h"
#include "server/json/op_json.h"
#include "server/import/ops_line.h"

#include <stdio.h>
#include <string.h>

bool trace_format_find(const char *name, enum trace_format *format)
{
    static const char *const NAMES[] = {
#define X(id, text) text,
        TRACE_FORMAT_MAP(X)
#undef X
    };
    for (unsigned i = 0; i < NR_TRACE_FORMATS; i++)
        if (strcmp(name, NAMES[i]) == 0) {
            *format = (enum trace_format)i;
            return true;
        }
    return false;
}

/* When the table is full the last row takes the rest. */
struct import_event *import_event(struct import_summary *summary, const char *name)
{
    for (uint32_t i = 0; i < summary->nr_events_used; i++)
        if (strcmp(summary->events[i].name, name) == 0)
            return &summary->events[i];
    if (summary->nr_events_used == IMPORT_EVENTS_MAX)
        return &summary->events[IMPORT_EVENTS_MAX - 1];
    struct import_event *event = &summary->events[summary->nr_events_used++];
    snprintf(event->name, sizeof event->name, "%s", name);
    return event;
}

void import_skip(struct import_summary *summary, struct import_event *event, uint64_t line, const char *reason)
{
    event->nr_skipped++;
    summary->nr_skipped++;
    unsigned i = 0;
    while (i < IMPORT_REASONS_MAX - 1 && event->reasons[i].count &&
           strncmp(event->reasons[i].text, reason, sizeof event->reasons[i].text - 1) != 0)
        i++;
    struct import_reason *row = &event->reasons[i];
    if (row->count++ == 0) {
        snprintf(row->text, sizeof row->text, "%s", reason);
        row->first_line = line;
    }
}

/* ---- NDJSON ---- */

static void bad_line(struct import_summary *summary, uint64_t line, const struct problem *why)
{
    struct import_event *event = import_event(summary, "(unreadable line)");
    event->nr_read++;
    summary->nr_failed++;
    import_skip(summary, event, line, why->text);
}

static enum pagoda_error import_op_line(const char *line, size_t length, uint64_t number, const struct import_sink *sink,
                                        struct import_summary *summary)
{
    struct op_request decoded;
    struct op_result result;
    struct problem why = { 0 };
    if (op_decode(line, length, &decoded, &why)) {
        bad_line(summary, number, &why);
        return PAGODA_OK;
    }
    struct import_event *event = import_event(summary, op_info(decoded.op.kind)->name);
    event->nr_read++;
    summary->nr_events++;
    enum pagoda_error error = sink->apply(sink->context, &decoded.op, &result, &why);
    op_request_clear(&decoded);
    if (error == PAGODA_ERR_INVALID) {
        import_skip(summary, event, number, why.text);
        return PAGODA_OK;
    }
    if (error)
        return error;
    event->nr_applied++;
    summary->nr_applied++;
    summary->nr_ops++;
    summary->nr_outcomes[result.outcome]++;
    return PAGODA_OK;
}

static enum pagoda_error import_ndjson(struct input *input, const char *line, size_t length, const struct import_sink *sink,
                                       struct import_summary *summary)
{
    enum pagoda_error error = PAGODA_OK;
    do {
        if (length && !(length == 1 && *line == '\r'))
            error = import_op_line(line, length, input_line_number(input), sink, summary);
    } while (!error && input_next_line(input, &line, &length));
    return error;
}

/* ---- what it is ---- */

static bool begins_with(const char *line, size_t length, const char *text)
{
    size_t nr = strlen(text);
    return length >= nr && memcmp(line, text, nr) == 0;
}

static bool is_number(const char *line, size_t length)
{
    size_t digits = 0;
    while (digits < length && line[digits] >= '0' && line[digits] <= '9')
        digits++;
    return digits && (digits == length || (digits + 1 == length && line[digits] == '\r'));
}

/* By a line that is neither blank nor a comment of a malloc script. */
static enum trace_format recognise(const char *line, size_t length)
{
    struct ops_line script;
    if (begins_with(line, length, "{"))
        return FORMAT_NDJSON;
    if (begins_with(line, length, "# malloc-log "))
        return FORMAT_MALLOC_LOG;
    if (begins_with(line, length, "= Start") || begins_with(line, length, "@ ") || begins_with(line, length, "+ 0x"))
        return FORMAT_MTRACE;
    if (is_number(line, length))
        return FORMAT_REP;
    bool is_script = ops_line_read(line, length, &script) && script.letter && strchr("acrmgvpftoksTX", script.letter);
    return is_script ? FORMAT_OPS : FORMAT_FTRACE;
}

static bool is_remark(const char *line, size_t length)
{
    return length == 0 || *line == '\r' || (*line == '#' && !begins_with(line, length, "# malloc-log "));
}

static enum pagoda_error import_as(enum trace_format format, struct input *input, const char *line, size_t length,
                                   const struct import_sink *sink, struct import_summary *summary)
{
    static enum pagoda_error (*const IMPORTERS[NR_TRACE_FORMATS])(struct input *, const char *, size_t,
                                                                  const struct import_sink *, struct import_summary *) = {
        [FORMAT_NDJSON] = import_ndjson, [FORMAT_FTRACE] = import_ftrace, [FORMAT_MALLOC_LOG] = import_malloc_log,
        [FORMAT_MTRACE] = import_mtrace, [FORMAT_REP] = import_rep,       [FORMAT_OPS] = import_ops,
    };
    return IMPORTERS[format](input, line, length, sink, summary);
}

enum pagoda_error import_run(struct input *input, enum trace_format format, const struct import_sink *sink,
                             struct import_summary *summary)
{
    const char *line;
    size_t length;
    enum pagoda_error error = PAGODA_OK;
    *summary = (struct import_summary){ 0 };
    if (input_next_line(input, &line, &length)) {
        bool more = true;
        while (format == FORMAT_AUTO && more && is_remark(line, length))
            more = input_next_line(input, &line, &length);
        if (format == FORMAT_AUTO && more)
            format = recognise(line, length);
        summary->format = format;
        if (more)
            error = import_as(format, input, line, length, sink, summary);
    }
    summary->nr_lines = input_line_number(input);
    if (input_problem(input)) {
        summary->nr_failed++;
        snprintf(summary->problem, sizeof summary->problem, "%s after line %llu", input_problem(input),
                 (unsigned long long)summary->nr_lines);
    }
    return error;
}

/* ---- the summary ---- */

static void event_encode(struct buffer *out, const struct import_event *event)
{
    put_open(out, '{');
    put_field_text(out, "event", event->name);
    put_field_u64(out, "read", event->nr_read);
    put_field_u64(out, "applied", event->nr_applied);
    put_field_u64(out, "skipped", event->nr_skipped);
    put_field_array(out, "reasons");
    for (unsigned i = 0; i < IMPORT_REASONS_MAX && event->reasons[i].count; i++) {
        put_open(out, '{');
        put_field_text(out, "reason", event->reasons[i].text);
        put_field_u64(out, "count", event->reasons[i].count);
        put_field_u64(out, "first_line", event->reasons[i].first_line);
        put_close(out, '}');
    }
    put_close(out, ']');
    put_close(out, '}');
}

void import_summary_encode(struct buffer *out, const struct import_summary *summary, uint64_t seq, double seconds)
{
    put_open(out, '{');
    put_field_u64(out, "lines", summary->nr_lines);
    put_field_u64(out, "events_read", summary->nr_events);
    put_field_u64(out, "applied", summary->nr_applied);
    put_field_u64(out, "skipped", summary->nr_skipped);
    put_field_u64(out, "failed", summary->nr_failed);
    put_field_u64(out, "lost", summary->nr_lost);
    put_field_u64(out, "operations", summary->nr_ops);
    put_field_object(out, "outcomes");
    for (unsigned i = 0; i < 3; i++)
        put_field_u64(out, outcome_name((enum outcome)i), summary->nr_outcomes[i]);
    put_close(out, '}');
    put_field_array(out, "by_event");
    for (uint32_t i = 0; i < summary->nr_events_used; i++)
        event_encode(out, &summary->events[i]);
    put_close(out, ']');
    put_field_u64(out, "kmalloc_compared", summary->nr_compared);
    put_field_u64(out, "kmalloc_agree", summary->nr_agree);
    put_field_u64(out, "blocks_compared", summary->nr_blocks_compared);
    put_field_u64(out, "blocks_agree", summary->nr_blocks_agree);
    put_key(out, "pid");
    if (summary->pid)
        put_u64(out, summary->pid);
    else
        put_null(out);
    put_field_text(out, "first_difference", summary->first_difference[0] ? summary->first_difference : NULL);
    put_field_u64(out, "slab_pages_compared", summary->nr_rules_compared);
    put_field_u64(out, "slab_pages_agree", summary->nr_rules_agree);
    put_field_text(out, "problem", summary->problem[0] ? summary->problem : NULL);
    put_field_u64(out, "seq", seq);
    put_key(out, "seconds");
    put_double(out, seconds);
    put_close(out, '}');
}
