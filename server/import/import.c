/* server/import/import.c - tells what a trace is by its first line, and hands it to that format's importer. */
#include "server/import/import.h"
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

static bool line_begins_with(const char *line, size_t length, const char *text)
{
    size_t nr = strlen(text);
    return length >= nr && memcmp(line, text, nr) == 0;
}

static bool line_is_number(const char *line, size_t length)
{
    size_t digits = 0;
    while (digits < length && line[digits] >= '0' && line[digits] <= '9')
        digits++;
    return digits && (digits == length || (digits + 1 == length && line[digits] == '\r'));
}

/* By a line that is neither blank nor a comment of a malloc script. */
static enum trace_format trace_format_recognise(const char *line, size_t length)
{
    struct ops_line script;
    if (line_begins_with(line, length, "{"))
        return FORMAT_NDJSON;
    if (line_begins_with(line, length, "# malloc-log "))
        return FORMAT_MALLOC_LOG;
    if (line_begins_with(line, length, "= Start") || line_begins_with(line, length, "@ ") ||
        line_begins_with(line, length, "+ 0x") || line_begins_with(line, length, "[0x"))
        return FORMAT_MTRACE;
    if (line_is_number(line, length))
        return FORMAT_REP;
    bool is_script = ops_line_read(line, length, &script) && script.letter && strchr("acrmgvpftoksTX", script.letter);
    return is_script ? FORMAT_OPS : FORMAT_FTRACE;
}

static bool trace_line_is_remark(const char *line, size_t length)
{
    return length == 0 || *line == '\r' || (*line == '#' && !line_begins_with(line, length, "# malloc-log "));
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
        while (format == FORMAT_AUTO && more && trace_line_is_remark(line, length))
            more = input_next_line(input, &line, &length);
        if (format == FORMAT_AUTO && more)
            format = trace_format_recognise(line, length);
        summary->format = format;
        if (more)
            error = import_as(format, input, line, length, sink, summary);
    }
    summary->lines = input_line_number(input);
    if (input_problem(input)) {
        summary->failed++;
        snprintf(summary->problem, sizeof summary->problem, "%s after line %llu", input_problem(input),
                 (unsigned long long)summary->lines);
    }
    return error;
}
