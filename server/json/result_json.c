/* server/json/result_json.c - see result_json.h. */
#include "server/json/result_json.h"
#include "pagoda/view.h"
#include "server/json/op_json.h"

static void trace_event_encode(struct buffer *out, const struct event *event)
{
    const struct event_info *info = event_info((enum event_kind)event->kind);
    put_open(out, '{');
    put_field_text(out, "event", info->name);
    if (info->fields & F_ZONE)
        PUT_FIELD(out, event, zone);
    if (info->fields & F_PFN)
        PUT_FIELD(out, event, pfn);
    if (info->fields & F_ORDER)
        PUT_FIELD(out, event, order);
    if (info->fields & F_MT)
        put_field_text(out, "migratetype", migratetype_name(event->migratetype));
    if (info->fields & F_ADDRESS)
        PUT_HEX64(out, event, address);
    if (info->fields & F_COUNT)
        PUT_FIELD(out, event, count);
    if (info->fields & F_PID)
        PUT_FIELD(out, event, pid);
    if (info->fields & F_A)
        put_field_u64(out, info->a_name, event->a);
    if (info->fields & F_B)
        put_field_u64(out, info->b_name, event->b);
    if (info->fields & F_OK)
        put_field_bool(out, "ok", event->ok != 0);
    put_close(out, '}');
}

static void trace_events_encode(struct buffer *out, const struct op_result *result, const char *key, bool decisions)
{
    put_field_array(out, key);
    for (uint32_t i = 0; i < result->nr_events; i++) {
        const struct event *event = &result->events[i];
        uint32_t fields = event_info((enum event_kind)event->kind)->fields;
        if (decisions ? fields & (F_DECISION | F_STEP) : !(fields & F_DECISION))
            trace_event_encode(out, event);
    }
    put_close(out, ']');
}

void result_frames_encode(struct buffer *out, const struct op_result *result)
{
    put_field_array(out, "frames");
    for (uint32_t i = 0; i < result->nr_frame_runs && i < RESULT_FRAMES_MAX; i++) {
        put_open(out, '{');
        put_field_u64(out, "pfn", result->frames[i].pfn);
        put_field_u64(out, "count", result->frames[i].count);
        put_close(out, '}');
    }
    put_close(out, ']');
    PUT_FIELD(out, result, nr_frame_runs);
    PUT_FIELD(out, result, physically_contiguous);
}

static void cost_encode(struct buffer *out, const struct op_result *result)
{
    PUT_FIELD(out, result, cost_ns);
    PUT_FIELD(out, result, slept_ns);
    PUT_FIELD(out, result, now_ns);
    put_field_array(out, "cost");
    for (unsigned i = 0; i < NR_COST_STEPS; i++) {
        if (!result->cost_count[i])
            continue;
        const struct cost_info *info = cost_info((enum cost_step)i);
        put_open(out, '{');
        put_field_text(out, "step", info->name);
        put_field_u64(out, "count", result->cost_count[i]);
        put_field_u64(out, "ns", (uint64_t)result->cost_count[i] * result->cost_each_ns[i]);
        put_close(out, '}');
    }
    put_close(out, ']');
}

static void victims_encode(struct buffer *out, const struct op_result *result)
{
    put_field_array(out, "reclaimed_from");
    for (uint32_t i = 0; i < result->nr_reclaimed_from; i++) {
        put_open(out, '{');
        put_field_u64(out, "pid", result->reclaimed_from[i].pid);
        put_field_u64(out, "pages", result->reclaimed_from[i].pages);
        put_close(out, '}');
    }
    put_close(out, ']');
}

static void tlb_encode(struct buffer *out, const struct op_result *result)
{
    put_field_object(out, "tlb");
    PUT_FIELD(out, &result->tlb, hits);
    PUT_FIELD(out, &result->tlb, misses);
    PUT_FIELD(out, &result->tlb, flushes);
    put_close(out, '}');
}

static void path_encode(struct buffer *out, const struct op_result *result)
{
    put_field_array(out, "path");
    for (uint32_t i = 0; i < result->nr_path; i++)
        put_text(out, path_step_name((enum path_step)result->path[i]));
    put_close(out, ']');
}

void result_encode(struct buffer *out, const struct op_result *result, bool with_decisions, const struct op *request)
{
    put_open(out, '{');
    PUT_FIELD(out, result, seq);
    put_field_text(out, "op", op_info(result->kind)->name);
    put_field_text(out, "outcome", outcome_name(result->outcome));
    put_field_address(out, "address", result->address);
    PUT_FIELD(out, result, requested);
    PUT_FIELD(out, result, allocated);
    PUT_FIELD(out, result, cache);
    if (result->pid)
        PUT_FIELD(out, result, pid);
    if (result->name_is_freed)
        PUT_FIELD(out, result, name_is_freed);
    result_frames_encode(out, result);
    cost_encode(out, result);
    tlb_encode(out, result);
    PUT_FIELD(out, result, nr_reclaimed);
    victims_encode(out, result);
    if (result->kind == OP_READ) {
        put_key(out, "hex");
        put_bytes(out, result->bytes, result->nr_bytes);
    }
    path_encode(out, result);
    trace_events_encode(out, result, "events", false);
    PUT_FIELD(out, result, events_dropped);
    PUT_FIELD(out, result, message);
    if (with_decisions)
        trace_events_encode(out, result, "decisions", true);
    if (request) {
        put_field_object(out, "request");
        op_encode_fields(out, request);
        put_close(out, '}');
    }
    put_close(out, '}');
}
