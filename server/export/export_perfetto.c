/* server/export/export_perfetto.c - the history as Chrome trace events (JSON Object Format), which Perfetto and
 * chrome://tracing draw: a slice for each operation on the track of its CPU, and counters of free frames and of frames by
 * kind. */
#include "pagoda/view.h"
#include "server/export/export.h"
#include "server/json/op_json.h"

static void perfetto_put_us(struct buffer *out, const char *key, uint64_t ns)
{
    put_key(out, key);
    put_double(out, (double)ns / 1000.0);
}

static void perfetto_name_track(struct buffer *out, const char *kind, uint64_t pid, const char *name)
{
    put_open(out, '{');
    put_field_text(out, "name", kind);
    put_field_text(out, "ph", "M");
    put_field_u64(out, "pid", pid);
    put_field_u64(out, "tid", 0);
    put_field_object(out, "args");
    put_field_text(out, "name", name);
    put_close(out, '}');
    put_close(out, '}');
}

static void perfetto_begin(struct buffer *out, const struct lab_row *row)
{
    put_open(out, '{');
    put_field_text(out, "displayTimeUnit", "ns");
    put_field_array(out, "traceEvents");
    perfetto_name_track(out, "process_name", 0, row->name);
}

/* Slices are made apart from each other, so the commas between elements are written with the elements. */
static void perfetto_next_element(struct buffer *out)
{
    buffer_text(out, ",\n");
    put_open(out, '{');
}

static void perfetto_put_result(struct buffer *out, const struct log_entry *entry, const struct op_result *result)
{
    perfetto_next_element(out);
    put_field_text(out, "name", op_info(entry->op.kind)->name);
    put_field_text(out, "cat", op_info(entry->op.kind)->group);
    put_field_text(out, "ph", entry->op.kind == OP_MARK ? "i" : "X");
    perfetto_put_us(out, "ts", result->now_ns - result->cost_ns - result->slept_ns);
    if (entry->op.kind != OP_MARK)
        perfetto_put_us(out, "dur", result->cost_ns + result->slept_ns);
    put_field_u64(out, "pid", entry->op.pid);
    put_field_u64(out, "tid", entry->op.cpu);
    put_field_object(out, "args");
    put_field_u64(out, "seq", entry->seq);
    op_encode_fields(out, &entry->op);
    put_field_text(out, "outcome", outcome_name(result->outcome));
    if (result->address)
        put_field_hex64(out, "result", result->address);
    put_field_u64(out, "allocated", result->allocated);
    put_field_u64(out, "slept_ns", result->slept_ns);
    if (result->message)
        put_field_text(out, "message", result->message);
    put_close(out, '}');
    put_close(out, '}');
}

static void perfetto_open_counter(struct buffer *out, const char *name, uint64_t now_ns)
{
    perfetto_next_element(out);
    put_field_text(out, "name", name);
    put_field_text(out, "ph", "C");
    perfetto_put_us(out, "ts", now_ns);
    put_field_u64(out, "pid", 0);
    put_field_object(out, "args");
}

static void perfetto_close_counter(struct buffer *out)
{
    put_close(out, '}');
    put_close(out, '}');
}

static void perfetto_put_sample(struct buffer *out, const struct machine *machine)
{
    struct stats_view stats;
    struct zone_view zone;
    uint64_t now_ns = machine_now_ns(machine);
    view_stats(machine, &stats);
    perfetto_open_counter(out, "frames", now_ns);
    for (unsigned kind = FRAME_FREE; kind < NR_FRAME_KINDS; kind++)
        put_field_u64(out, frame_kind_name((enum frame_kind)kind), stats.frames[kind]);
    perfetto_close_counter(out);
    perfetto_open_counter(out, "free pages", now_ns);
    for (uint64_t cursor = 0; view_next_zone(machine, &cursor, &zone);)
        put_field_u64(out, zone.name, zone.free + zone.pcp);
    perfetto_close_counter(out);
}

static void perfetto_end(struct buffer *out)
{
    buffer_text(out, "]}\n");
}

const struct export_format EXPORT_PERFETTO = { .name = "perfetto",
                                               .content_type = "application/json",
                                               .relives = true,
                                               .begin = perfetto_begin,
                                               .result = perfetto_put_result,
                                               .sample = perfetto_put_sample,
                                               .end = perfetto_end };
