/* server/import/import.c - has it found out what a trace is (recognise.c), and hands it to that format's importer. */
#include "server/import/import.h"
#include "server/import/recognise.h"

#include <stdio.h>
#include <string.h>

static const char *const FORMAT_NAMES[] = {
#define X(id, text) text,
    TRACE_FORMAT_MAP(X)
#undef X
};

bool trace_format_find(const char *name, enum trace_format *format)
{
    for (unsigned i = 0; i < NR_TRACE_FORMATS; i++)
        if (strcmp(name, FORMAT_NAMES[i]) == 0) {
            *format = (enum trace_format)i;
            return true;
        }
    return false;
}

const char *trace_format_name(enum trace_format format)
{
    return FORMAT_NAMES[format];
}

static enum pagoda_error import_as(enum trace_format format, struct input *input, const char *line, size_t length,
                                   const struct import_sink *sink, struct import_summary *summary)
{
    static enum pagoda_error (*const IMPORTERS[NR_TRACE_FORMATS])(struct input *, const char *, size_t,
                                                                  const struct import_sink *, struct import_summary *) = {
        [FORMAT_NDJSON] = import_ndjson, [FORMAT_FTRACE] = import_ftrace, [FORMAT_MALLOC_LOG] = import_malloc_log,
        [FORMAT_MTRACE] = import_mtrace, [FORMAT_REP] = import_rep,       [FORMAT_OPS] = import_ops,
        [FORMAT_LTRACE] = import_calls,
    };
    return IMPORTERS[format](input, line, length, sink, summary);
}

/* FORMAT_AUTO: nothing is read of it. */
static enum pagoda_error import_lines(struct input *input, bool is_asked, const struct import_sink *sink,
                                      struct import_summary *summary)
{
    const char *line;
    size_t length;
    bool more = summary->format && input_next_line(input, &line, &length);
    while (more && !is_asked && trace_line_is_remark(line, length))
        more = input_next_line(input, &line, &length);
    return more ? import_as(summary->format, input, line, length, sink, summary) : PAGODA_OK;
}

enum pagoda_error import_run(struct input *input, enum trace_format format, const struct import_sink *sink,
                             struct import_summary *summary)
{
    *summary = (struct import_summary){ 0 };
    trace_recognise(input, format, summary);
    enum pagoda_error error = import_lines(input, format != FORMAT_AUTO, sink, summary);
    summary->lines = input_line_number(input);
    if (input_problem(input)) {
        summary->failed++;
        snprintf(summary->problem, sizeof summary->problem, "%s after line %llu", input_problem(input),
                 (unsigned long long)summary->lines);
    }
    import_summary_refuse(summary);
    return error;
}
