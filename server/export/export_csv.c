/* server/export/export_csv.c - the log as a table: a column for each parameter of the engine's table, then the result (RFC
 * 4180).
 *
 * Spreadsheets take a field that begins with =, +, -, @, a tab or a line's end for a formula, and names come from anybody.
 * So a text that begins with one of them gets an apostrophe before it, as OWASP's "CSV Injection" advises. A text that
 * begins with an apostrophe gets one too, so that what was added can be told from what was there. Numbers stay as they are.
 */
#include "server/export/export.h"
#include "server/json/op_json.h"

#include <string.h>

/* A JSON value as a CSV field: texts lose their JSON quotes and escapes, and get CSV's where they need them.
 * before  what stands before it, inside of the quotes. */
static void csv_put_field(struct buffer *out, const char *before, const char *text, size_t length)
{
    bool needs_quotes = false;
    for (size_t i = 0; i < length; i++)
        needs_quotes |= text[i] == ',' || text[i] == '"' || text[i] == '\n' || text[i] == '\r';
    if (!needs_quotes) {
        buffer_text(out, before);
        buffer_add(out, text, length);
        return;
    }
    buffer_text(out, "\"");
    buffer_text(out, before);
    for (size_t i = 0; i < length; i++)
        buffer_add(out, text[i] == '"' ? "\"\"" : &text[i], text[i] == '"' ? 2 : 1);
    buffer_text(out, "\"");
}

static void csv_put_text(struct buffer *out, struct text text)
{
    static const char FORMULA[] = { '=', '+', '-', '@', '\t', '\r', '\n', '\'' };
    bool is_formula = text.length && memchr(FORMULA, text.start[0], sizeof FORMULA);
    csv_put_field(out, is_formula ? "'" : "", text.start, text.length);
}

static void csv_put_param(struct buffer *out, const struct op *op, enum op_param_id id)
{
    buffer_text(out, ",");
    if (!(op->given & (1u << id)))
        return;
    const struct op_param_info *info = op_param_info(id);
    if (info->type == TYPE_TEXT) {
        csv_put_text(out, op_text(op, id));
        return;
    }
    struct buffer value = { 0 };
    op_encode_param(&value, op, id);
    bool is_quoted = value.length >= 2 && value.data[0] == '"'; /* hex, gfp, addresses, words: nothing to escape */
    csv_put_field(out, "", value.data + is_quoted, value.length - 2 * is_quoted);
    out->failed |= value.failed;
    buffer_clear(&value);
}

static void csv_begin(struct buffer *out, const struct lab_row *row)
{
    (void)row;
    buffer_text(out, "seq,op");
    for (unsigned id = 0; id < NR_OP_PARAMS; id++)
        buffer_print(out, ",%s", op_param_info((enum op_param_id)id)->name);
    buffer_text(out, ",outcome,result_address,allocated,cost_ns,slept_ns\r\n");
}

static void csv_put_entry(struct buffer *out, const struct log_entry *entry)
{
    buffer_print(out, "%llu,%s", (unsigned long long)entry->seq, op_info(entry->op.kind)->name);
    for (unsigned id = 0; id < NR_OP_PARAMS; id++)
        csv_put_param(out, &entry->op, (enum op_param_id)id);
    buffer_print(out, ",%s,", outcome_name(entry->outcome));
    if (entry->address)
        buffer_print(out, "0x%llx", (unsigned long long)entry->address);
    buffer_print(out, ",%llu,%llu,%llu\r\n", (unsigned long long)entry->allocated, (unsigned long long)entry->cost_ns,
                 (unsigned long long)entry->slept_ns);
}

const struct export_format EXPORT_CSV = {
    .name = "csv", .content_type = "text/csv; charset=utf-8", .begin = csv_begin, .entry = csv_put_entry
};
