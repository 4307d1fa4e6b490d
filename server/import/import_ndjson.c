/* server/import/import_ndjson.c - operations as POST /ops takes them, one JSON object a line. A line that is none is
 * counted; blank ones are nothing. */
#include "server/import/import.h"
#include "server/json/op_json.h"

#include <string.h>

bool import_ndjson_knows(const char *line, size_t length)
{
    while (length && (*line == ' ' || *line == '\t')) {
        line++;
        length--;
    }
    return length && *line == '{' && memmem(line, length, "\"op\"", 4);
}

static void ndjson_bad_line(struct import_summary *summary, uint64_t line, const struct problem *why)
{
    struct import_event *event = import_event(summary, "(unreadable line)");
    event->read++;
    summary->failed++;
    import_skip(summary, event, line, why->text);
}

static enum pagoda_error ndjson_import_line(const char *line, size_t length, uint64_t number,
                                            const struct import_sink *sink, struct import_summary *summary)
{
    struct op_request decoded;
    struct op_result result;
    struct problem why = { 0 };
    unsigned status = op_decode(line, length, &decoded, &why);
    if (status == 503)
        return PAGODA_ERR_NOMEM;
    if (status) {
        ndjson_bad_line(summary, number, &why);
        return PAGODA_OK;
    }
    struct import_event *event = import_event(summary, op_info(decoded.op.kind)->name);
    event->read++;
    summary->events_read++;
    enum pagoda_error error = sink->apply(sink->context, &decoded.op, &result, &why);
    op_request_clear(&decoded);
    if (error == PAGODA_ERR_INVALID) {
        import_skip(summary, event, number, why.text);
        return PAGODA_OK;
    }
    if (error)
        return error;
    event->applied++;
    summary->applied++;
    summary->operations++;
    summary->outcomes[result.outcome]++;
    return PAGODA_OK;
}

enum pagoda_error import_ndjson(struct input *input, const char *line, size_t length, const struct import_sink *sink,
                                struct import_summary *summary)
{
    enum pagoda_error error = PAGODA_OK;
    do {
        if (length && !(length == 1 && *line == '\r'))
            error = ndjson_import_line(line, length, input_line_number(input), sink, summary);
    } while (!error && input_next_line(input, &line, &length));
    return error;
}
