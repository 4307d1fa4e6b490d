/* GET handlers: counters now, and as series over the history. */
#include "server/api/api_view.h"

#include <stdlib.h>

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

/* ---- the time series: the past machine walks from point to point, each once; a point a turn ---- */

struct series {
    struct buffer out;
    uint64_t head, from, to, nr_points, next;
};

static void series_drop(void *progress)
{
    struct series *series = progress;
    buffer_clear(&series->out);
    free(series);
}

static struct reply series_turn(struct request *request, const struct series *series)
{
    uint64_t seq = series->nr_points == 1
                       ? series->to
                       : series->from + (series->to - series->from) * series->next / (series->nr_points - 1);
    request->want = (struct turn_want){ HOLD_PAST, request->lab, seq, series->to };
    return reply_turn();
}

static struct reply series_begin(struct request *request)
{
    struct reply reply;
    struct series *series = calloc(1, sizeof *series);
    if (!series)
        return reply_error(PAGODA_ERR_NOMEM, NULL);
    request->progress = series;
    request->drop = series_drop;
    *series = (struct series){ .head = lab_seq(request->lab), .nr_points = 128 };
    series->to = series->head;
    if (!query_u64(request, "to", 0, series->head, &series->to, &reply) ||
        !query_u64(request, "from", 0, series->to, &series->from, &reply) ||
        !query_u64(request, "points", 1, POINTS_MAX, &series->nr_points, &reply))
        return reply;
    if (series->nr_points > series->to - series->from + 1)
        series->nr_points = series->to - series->from + 1;
    put_open(&series->out, '{');
    put_field_u64(&series->out, "seq", series->head);
    put_field_array(&series->out, "points");
    return series_turn(request, series);
}

static void series_put_point(struct series *series, const struct lab_hold *hold)
{
    put_open(&series->out, '{');
    put_field_u64(&series->out, "seq", hold->seq);
    put_field_u64(&series->out, "now_ns", machine_now_ns(hold->machine));
    put_stats(&series->out, hold->machine);
    put_close(&series->out, '}');
}

static struct reply series_reply(struct request *request)
{
    struct series *series = request->progress;
    if (!series)
        return series_begin(request);
    if (!request->hold)
        return reply_error(request->error, NULL);
    series_put_point(series, request->hold);
    if (++series->next < series->nr_points)
        return series_turn(request, series);
    put_close(&series->out, ']');
    put_close(&series->out, '}');
    struct buffer out = series->out;
    series->out = (struct buffer){ 0 };
    return reply_json(200, out);
}

struct reply stats_get(struct app *app, struct request *request)
{
    (void)app;
    bool is_series = query_text(request, "from") || query_text(request, "to") || query_text(request, "points");
    return is_series ? series_reply(request) : view_reply(request, encode_stats);
}
