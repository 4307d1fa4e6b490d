/* GET /labs/{lab}/diff?a=&b=: what changed between two moments of a lab, or between a moment of this lab (a) and one of
 * another (b, ?with=LAB) that shares a fork point with it.
 *
 * Each side is written down in a compact form (its block runs and its live allocations, in order) and its machine let go;
 * then the two are compared. So only one machine is held at a time, for one turn, whatever the labs do meanwhile.
 */
#include "pagoda/view.h"
#include "server/api/api.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LIST_LIMIT 1000u /* entries of each list, unless ?limit= says less */

struct side_run {
    uint32_t pfn, count, owner;
    uint8_t kind, order, migratetype;
    uint32_t name; /* offset in texts */
};

struct side_allocation {
    uint64_t seq, address, requested, allocated;
    uint32_t pid, op, name;
};

/* One moment, written down. */
struct side {
    uint64_t seq, now_ns;
    struct buffer runs, allocations, texts;
    struct stats_view stats;
};

static uint32_t keep_text(struct side *side, const char *text)
{
    uint32_t at = (uint32_t)side->texts.length;
    buffer_add(&side->texts, text, strlen(text) + 1);
    return at;
}

static void note_runs(struct side *side, const struct machine *machine)
{
    struct frame_run run;
    const char *last_name = NULL;
    uint32_t last_at = 0;
    for (uint64_t cursor = 0; view_next_frame_run(machine, &cursor, &run);) {
        last_name = side->texts.data && last_at < side->texts.length ? side->texts.data + last_at : NULL;
        if (!last_name || strcmp(last_name, run.owner) != 0)
            last_at = keep_text(side, run.owner);
        struct side_run kept = { run.pfn, run.count, run.owner_id, (uint8_t)run.kind, run.order, run.migratetype, last_at };
        buffer_add(&side->runs, &kept, sizeof kept);
    }
}

static int by_place(const void *a, const void *b)
{
    const struct side_allocation *left = a, *right = b;
    if (left->pid != right->pid)
        return left->pid < right->pid ? -1 : 1;
    return left->address < right->address ? -1 : left->address > right->address;
}

static void note_allocations(struct side *side, const struct machine *machine)
{
    struct allocation_view each;
    for (uint64_t cursor = 0; view_next_allocation(machine, &cursor, &each);) {
        struct side_allocation kept = { each.seq,
                                        each.address,
                                        each.requested,
                                        each.allocated,
                                        each.pid,
                                        (uint32_t)each.op,
                                        keep_text(side, each.name ? each.name : "") };
        buffer_add(&side->allocations, &kept, sizeof kept);
    }
    if (side->allocations.length)
        qsort(side->allocations.data, side->allocations.length / sizeof(struct side_allocation),
              sizeof(struct side_allocation), by_place);
}

static bool note_side(const struct lab_hold *hold, struct side *side)
{
    const struct machine *machine = hold->machine;
    side->seq = hold->seq;
    side->now_ns = machine_now_ns(machine);
    note_runs(side, machine);
    note_allocations(side, machine);
    view_stats(machine, &side->stats);
    return !side->runs.failed && !side->allocations.failed && !side->texts.failed;
}

static void clear_side(struct side *side)
{
    buffer_clear(&side->runs);
    buffer_clear(&side->allocations);
    buffer_clear(&side->texts);
}

/* ---- frames ---- */

static void diff_put_state(struct buffer *out, const char *key, const struct side *side, const struct side_run *run)
{
    put_field_object(out, key);
    put_field_text(out, "kind", frame_kind_name((enum frame_kind)run->kind));
    PUT_FIELD(out, run, order);
    put_field_text(out, "migratetype", migratetype_name(run->migratetype));
    put_field_text(out, "owner", side->texts.data + run->name);
    put_close(out, '}');
}

static bool run_differs(const struct side *a, const struct side_run *x, const struct side *b, const struct side_run *y)
{
    return x->kind != y->kind || x->order != y->order || x->migratetype != y->migratetype ||
           strcmp(a->texts.data + x->name, b->texts.data + y->name) != 0;
}

static uint32_t diff_end_of(const struct side_run *run)
{
    return run->pfn + run->count;
}

/* Both lists cover the same frames in order: the pieces on which both are constant are compared one by one. */
static void put_frames(struct buffer *out, const struct side *a, const struct side *b, uint64_t limit)
{
    const struct side_run *x = (const void *)a->runs.data, *y = (const void *)b->runs.data;
    const struct side_run *x_end = x + a->runs.length / sizeof *x, *y_end = y + b->runs.length / sizeof *y;
    uint64_t nr_frames = 0, nr_listed = 0;
    put_field_array(out, "frames");
    while (x < x_end && y < y_end) {
        uint32_t start = x->pfn > y->pfn ? x->pfn : y->pfn,
                 end = diff_end_of(x) < diff_end_of(y) ? diff_end_of(x) : diff_end_of(y);
        if (start < end && run_differs(a, x, b, y)) {
            nr_frames += end - start;
            if (nr_listed++ < limit) {
                put_open(out, '{');
                put_field_u64(out, "pfn", start);
                put_field_u64(out, "count", end - start);
                diff_put_state(out, "a", a, x);
                diff_put_state(out, "b", b, y);
                put_close(out, '}');
            }
        }
        bool x_ends = diff_end_of(x) <= end, y_ends = diff_end_of(y) <= end;
        x += x_ends;
        y += y_ends;
    }
    put_close(out, ']');
    put_field_u64(out, "nr_frames", nr_frames);
    put_field_u64(out, "nr_frame_runs", nr_listed);
}

/* ---- allocations ---- */

static void diff_put_allocation(struct buffer *out, const struct side *side, const struct side_allocation *allocation)
{
    const char *name = side->texts.data + allocation->name;
    put_open(out, '{');
    PUT_FIELD(out, allocation, seq);
    put_field_text(out, "op", op_info((enum op_kind)allocation->op)->name);
    PUT_HEX64(out, allocation, address);
    PUT_FIELD(out, allocation, requested);
    PUT_FIELD(out, allocation, allocated);
    PUT_FIELD(out, allocation, pid);
    put_field_text(out, "name", name[0] ? name : NULL);
    put_close(out, '}');
}

static bool is_same(const struct side_allocation *x, const struct side_allocation *y)
{
    return by_place(x, y) == 0 && x->seq == y->seq && x->requested == y->requested && x->allocated == y->allocated;
}

/* Those of one side that the other has not: in both lists one is looked for at its place. */
static void put_only(struct buffer *out, const char *key, const struct side *side, const struct side *other, uint64_t limit)
{
    const struct side_allocation *x = (const void *)side->allocations.data, *y = (const void *)other->allocations.data;
    const struct side_allocation *x_end = x + side->allocations.length / sizeof *x,
                                 *y_end = y + other->allocations.length / sizeof *y;
    uint64_t nr = 0;
    put_field_array(out, key);
    for (; x < x_end; x++) {
        while (y < y_end && by_place(y, x) < 0)
            y++;
        if (y < y_end && is_same(x, y))
            continue;
        if (nr++ < limit)
            diff_put_allocation(out, side, x);
    }
    put_close(out, ']');
    char count[32];
    snprintf(count, sizeof count, "nr_%s", key);
    put_field_u64(out, count, nr);
}

/* ---- counters ---- */

static void put_counter(struct buffer *out, const char *name, uint64_t a, uint64_t b)
{
    if (a == b)
        return;
    put_open(out, '{');
    put_field_text(out, "name", name);
    put_field_u64(out, "a", a);
    put_field_u64(out, "b", b);
    put_close(out, '}');
}

static void put_counters(struct buffer *out, const struct side *a, const struct side *b)
{
    const struct stats_view *x = &a->stats, *y = &b->stats;
    put_field_array(out, "counters");
    put_counter(out, "now_ns", a->now_ns, b->now_ns);
    for (unsigned kind = 0; kind < NR_FRAME_KINDS; kind++) {
        char name[32];
        snprintf(name, sizeof name, "frames.%s", frame_kind_name((enum frame_kind)kind));
        put_counter(out, name, x->frames[kind], y->frames[kind]);
    }
    put_counter(out, "nr_allocations", x->nr_allocations, y->nr_allocations);
    put_counter(out, "requested_bytes", x->requested_bytes, y->requested_bytes);
    put_counter(out, "allocated_bytes", x->allocated_bytes, y->allocated_bytes);
    put_counter(out, "swap_used_pages", x->swap_used_pages, y->swap_used_pages);
    put_counter(out, "nr_reclaimed", x->nr_reclaimed, y->nr_reclaimed);
    put_counter(out, "nr_oom_kills", x->nr_oom_kills, y->nr_oom_kills);
    for (unsigned i = 0; i < 3; i++) {
        char name[32];
        snprintf(name, sizeof name, "outcomes.%s", outcome_name((enum outcome)i));
        put_counter(out, name, x->nr_outcomes[i], y->nr_outcomes[i]);
    }
    put_close(out, ']');
}

/* ---- the request ---- */

struct ancestor {
    int64_t id, parent;
};

static void find_parent(void *context, const struct lab_status *lab)
{
    struct ancestor *ancestor = context;
    if (lab->row->number == ancestor->id)
        ancestor->parent = lab->row->parent;
}

/* The lab that this one's history begins in: forks are followed back as far as labs are there. */
static int64_t diff_root_of(struct lab *lab)
{
    struct ancestor at = { .parent = lab_number(lab) };
    while (at.parent) {
        at = (struct ancestor){ at.parent, 0 };
        labs_each(lab_labs(lab), find_parent, &at);
    }
    return at.id;
}

struct diff {
    struct lab *other; /* kept */
    struct side sides[2];
    uint64_t seqs[2], limit;
};

static void diff_drop(void *progress)
{
    struct diff *diff = progress;
    clear_side(&diff->sides[0]);
    clear_side(&diff->sides[1]);
    if (diff->other)
        lab_put(diff->other);
    free(diff);
}

static struct reply diff_compare(const struct diff *diff)
{
    const struct side *a = &diff->sides[0], *b = &diff->sides[1];
    struct buffer out = { 0 };
    put_open(&out, '{');
    put_field_u64(&out, "a", a->seq);
    put_field_u64(&out, "b", b->seq);
    put_field_text(&out, "with", lab_id(diff->other));
    put_frames(&out, a, b, diff->limit);
    put_only(&out, "removed", a, b, diff->limit);
    put_only(&out, "added", b, a, diff->limit);
    put_counters(&out, a, b);
    put_close(&out, '}');
    return reply_json(200, out);
}

/* Phases 1 and 2 write down a side each, with its lab held; the last compares them, with nothing held. */
static struct reply diff_go_on(struct request *request, struct diff *diff)
{
    struct turn_want *want = &request->want;
    if (request->phase > 2)
        return diff_compare(diff);
    if (request->phase > 0 && !request->hold)
        return reply_error(request->error, NULL);
    if (request->phase > 0 && !note_side(request->hold, &diff->sides[request->phase - 1]))
        return reply_error(PAGODA_ERR_NOMEM, NULL);
    if (request->phase == 2)
        *want = (struct turn_want){ HOLD_NONE, NULL, 0, 0 };
    else
        *want = (struct turn_want){ HOLD_PAST, request->phase ? diff->other : request->lab, diff->seqs[request->phase], 0 };
    request->phase++;
    return reply_turn();
}

/* False: *refusal says what is wrong with what is asked for. */
static bool diff_read(const struct request *request, struct diff *diff, struct reply *refusal)
{
    struct lab *lab = request->lab;
    const char *with = query_text(request, "with");
    diff->limit = LIST_LIMIT;
    if (!with) {
        lab_keep(lab);
        diff->other = lab;
    } else if (!(diff->other = lab_get(lab_labs(lab), with))) {
        *refusal = reply_say(404, "with", "there is no lab \"%.40s\"", with);
        return false;
    }
    diff->seqs[1] = lab_seq(diff->other);
    if (diff->other != lab && diff_root_of(lab) != diff_root_of(diff->other))
        *refusal = reply_say(422, "with", "the labs share no history: neither is a fork of what the other comes from");
    else if (!query_text(request, "a"))
        *refusal = reply_say(422, "a", "say with a= and b= which two moments (operation numbers) to compare");
    else
        return query_u64(request, "a", 0, lab_seq(lab), &diff->seqs[0], refusal) &&
               query_u64(request, "b", 0, lab_seq(diff->other), &diff->seqs[1], refusal) &&
               query_u64(request, "limit", 1, LIST_LIMIT, &diff->limit, refusal);
    return false;
}

struct reply diff_get(struct app *app, struct request *request)
{
    (void)app;
    struct reply refusal;
    if (request->progress)
        return diff_go_on(request, request->progress);
    struct diff *diff = calloc(1, sizeof *diff);
    if (!diff)
        return reply_error(PAGODA_ERR_NOMEM, NULL);
    request->progress = diff;
    request->drop = diff_drop;
    return diff_read(request, diff, &refusal) ? diff_go_on(request, diff) : refusal;
}
