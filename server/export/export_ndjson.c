/* server/export/export_ndjson.c - Pagoda's own formats, one JSON object a line: "ndjson" holds the operations as they were
 * asked for, which POST /ops and imports take; "log" holds their results too. */
#include "server/export/entry_json.h"
#include "server/export/export.h"
#include "server/json/op_json.h"

static void ndjson_put_operation(struct buffer *out, const struct log_entry *entry)
{
    put_open(out, '{');
    op_encode_fields(out, &entry->op);
    put_close(out, '}');
    buffer_text(out, "\n");
}

static void ndjson_put_entry(struct buffer *out, const struct log_entry *entry)
{
    entry_encode(out, entry);
    buffer_text(out, "\n");
}

const struct export_format EXPORT_NDJSON = { .name = "ndjson",
                                             .content_type = "application/x-ndjson",
                                             .entry = ndjson_put_operation };
const struct export_format EXPORT_LOG = { .name = "log",
                                          .content_type = "application/x-ndjson",
                                          .entry = ndjson_put_entry };
