/* GET handlers: counters now, and as series over the history. */
#include "server/api/api_view.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define POINTS_MAX 512u

/* Free memory against the watermarks: what a timeline draws of each zone. */
static void put_zone_levels(struct buffer *out, const struct machine *machine)
{
    uint64_t cursor = 0;
    struct zone_view zone;
    put_field_array(out, "zones");
    while (view_next_zone(machine, &cursor, &zone)) {
        if (!zone.managed)
            continue;
        put_open(out, '{');
        PUT_FIELD(out, &zone, name);
        PUT_FIELD(out, &zone, free);
        PUT_FIELD(out, &zone, min);
        PUT_FIELD(out, &zone, low);
        PUT_FIELD(out, &zone, high);
        put_close(out, '}');
    }
    put_close(out, ']');
}

/* Page faults of the processes that live at this moment. */
static void put_faults(struct buffer *out, const struct machine *machine)
{
    uint64_t cursor = 0, minor = 0, major = 0;
    struct process_view process;
    while (view_next_process(machine, &cursor, &process)) {
        minor += process.minor_faults;
        major += process.major_faults;
    }
    put_field_u64(out, "minor_faults", minor);
    put_field_u64(out, "major_faults", major);
}

static void put_tlb(struct buffer *out, const struct machine *machine)
{
    struct tlb_view tlb;
    view_tlb(machine, &tlb);
    put_field_object(out, "tlb");
    PUT_FIELD(out, &tlb, hits);
    PUT_FIELD(out, &tlb, misses);
    PUT_FIELD(out, &tlb, flushes);
    put_close(out, '}');
}

static void put_stats(struct buffer *out, const struct machine *machine)
{
    struct stats_view stats;
    view_stats(machine, &stats);
    view_put_kind_counts(out, "frames", stats.frames);
    PUT_FIELD(out, &stats, nr_allocations);
    PUT_FIELD(out, &stats, requested_bytes);
    PUT_FIELD(out, &stats, allocated_bytes);
    PUT_FIELD(out, &stats, swap_total_pages);
    PUT_FIELD(out, &stats, swap_used_pages);
    PUT_FIELD(out, &stats, nr_reclaimed);
    PUT_FIELD(out, &stats, nr_oom_kills);
    put_field_object(out, "outcomes");
    for (unsigned i = 0; i < 3; i++)
        put_field_u64(out, outcome_name((enum outcome)i), stats.nr_outcomes[i]);
    put_close(out, '}');
    put_zone_levels(out, machine);
    put_faults(out, machine);
    put_tlb(out, machine);
}

static bool encode_stats(struct view *view, struct reply *refusal)
{
    (void)refusal;
    view_open(view);
    put_field_u64(&view->out, "now_ns", machine_now_ns(view->machine));
    put_stats(&view->out, view->machine);
    put_close(&view->out, '}');
    return true;
}

/* The time series: the past machine walks from point to point, each once. */
static struct reply stats_points(struct request *request)
{
    uint64_t head = lab_seq(request->lab), from = 0, to = head, points = 128;
    struct reply reply;
    if (!query_u64(request, "to", 0, head, &to, &reply) || !query_u64(request, "from", 0, to, &from, &reply) ||
        !query_u64(request, "points", 1, POINTS_MAX, &points, &reply))
        return reply;
    struct buffer out = { 0 };
    put_open(&out, '{');
    put_field_u64(&out, "seq", head);
    put_field_array(&out, "points");
    if (points > to - from + 1)
        points = to - from + 1;
    enum pagoda_error error = PAGODA_OK;
    for (uint64_t i = 0; i < points && !error; i++) {
        uint64_t seq = points == 1 ? to : from + (to - from) * i / (points - 1);
        struct lab_hold hold;
        error = lab_take_past(request->lab, seq, &hold);
        if (error)
            break;
        put_open(&out, '{');
        put_field_u64(&out, "seq", seq);
        put_field_u64(&out, "now_ns", machine_now_ns(hold.machine));
        put_stats(&out, hold.machine);
        put_close(&out, '}');
        lab_release(&hold);
    }
    put_close(&out, ']');
    put_close(&out, '}');
    if (!error)
        return reply_json(200, out);
    buffer_clear(&out);
    return reply_error(error, NULL);
}

struct reply stats_get(struct app *app, struct request *request)
{
    (void)app;
    bool is_series = query_text(request, "from") || query_text(request, "to") || query_text(request, "points");
    return is_series ? stats_points(request) : view_reply(request, encode_stats);
}
