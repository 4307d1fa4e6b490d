/* The page allocator against recordings. A run ("format 2"): loads the recorded start state, applies every operation, and
 * compares the pfn and every zone's counters after each, and the recorded end state line by line at the end. The recording
 * does not say which CPU ran the operations: with more than one, each is tried and the best counts. A state in which a
 * request failed: the same request must fail here. */
#include "alloc/page/zone.h"
#include "tests/truth/truth_state.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct recorded_op {
    uint64_t line_number;
    char *line; /* as in the file */
};

/* When a run's third state was taken. EXHAUSTED: behind its third request that failed. FILLED: behind the first that
 * failed, or left no more than the high mark and 200 pages in the zone that it prefers. */
enum moment { MOMENT_NONE, MOMENT_EXHAUSTED, MOMENT_FILLED };
#define FAILURES_EXHAUSTED 3u
#define PAGES_FILLED INT64_C(200)

struct recording {
    struct state_text start, middle, end;
    enum moment moment; /* of middle */
    bool had_irqs;      /* other activity took part as soon as kswapd had work */
    struct recorded_op *ops;
    size_t nr_ops, capacity_ops;
    bool complete;      /* ENDRUN was there */
    int64_t gfp, order; /* of a PRESS line: what could not be had in the recorded state; order -1: there is no such line */
};

/* --- reading the file --- */

static void *grow(void *items, size_t nr, size_t *capacity, size_t item_size)
{
    if (nr < *capacity)
        return items;
    *capacity = *capacity ? *capacity * 2 : 256;
    void *bigger = realloc(items, *capacity * item_size);
    if (!bigger)
        abort();
    return bigger;
}

static char *copy_line(const char *line)
{
    char *copy = strdup(line);
    if (!copy)
        abort();
    return copy;
}

static void keep_op(struct recording *recording, const char *line, uint64_t line_number)
{
    recording->ops = grow(recording->ops, recording->nr_ops, &recording->capacity_ops, sizeof *recording->ops);
    recording->ops[recording->nr_ops++] = (struct recorded_op){ line_number, copy_line(line) };
}

/* A state that stands alone is the start, whatever it is called. NULL: a state of an unknown name. */
static struct state_text *begin_state(struct recording *recording, const char *name)
{
    bool is_exhausted = strcmp(name, "exhausted") == 0;
    if (strcmp(name, "end") == 0)
        return &recording->end;
    if (strcmp(name, "start") == 0 || (is_exhausted && !recording->start.nr_lines))
        return &recording->start;
    if (!is_exhausted && strcmp(name, "filled") != 0)
        return NULL;
    recording->moment = is_exhausted ? MOMENT_EXHAUSTED : MOMENT_FILLED;
    return &recording->middle;
}

static bool read_recording(const char *path, struct recording *recording)
{
    struct truth_file *file = truth_open(path);
    struct state_text *state = NULL;
    char *line;
    size_t length;
    int64_t irqs_off;
    if (!file)
        return false;
    while (truth_next_line(file, &line, &length)) {
        if (strncmp(line, "STATE\t", 6) == 0)
            state = begin_state(recording, line + 6);
        else if (strncmp(line, "ENDSTATE\t", 9) == 0)
            state = NULL;
        else if (state)
            state_text_add(state, line);
        else if (strncmp(line, "RUN\t", 4) == 0 && truth_key(line, "irqs_off", &irqs_off))
            recording->had_irqs = !irqs_off;
        else if (line[0] >= '0' && line[0] <= '9')
            keep_op(recording, line, truth_line_number(file));
        else if (strncmp(line, "ENDRUN", 6) == 0)
            recording->complete = true;
        else if (strncmp(line, "PRESS\t", 6) == 0 && truth_key(line, "gfp", &recording->gfp))
            (void)truth_key(line, "order", &recording->order);
    }
    bool ok = !truth_is_damaged(file) && recording->start.nr_frames && recording->start.nr_cpus;
    truth_close(file);
    return ok;
}

static void free_recording(struct recording *recording)
{
    state_text_clear(&recording->start);
    state_text_clear(&recording->middle);
    state_text_clear(&recording->end);
    for (size_t i = 0; i < recording->nr_ops; i++)
        free(recording->ops[i].line);
    free(recording->ops);
}

/* --- operations --- */

struct op_line {
    int64_t number, gfp, order, h, pfn;
    char op;
    char *counters; /* the rest of the line */
};

static bool next_number(char **rest, int64_t *number)
{
    char *text = truth_field(rest, '\t');
    if (!text || !*text)
        return false;
    char *end;
    errno = 0;
    *number = strtoll(text, &end, 0);
    return errno == 0 && *end == '\0';
}

static bool parse_op(char *line, struct op_line *op)
{
    char *rest = line;
    bool ok = next_number(&rest, &op->number);
    char *letter = truth_field(&rest, '\t');
    ok = ok && letter && letter[0] && !letter[1];
    op->op = ok ? letter[0] : '?';
    ok = ok && next_number(&rest, &op->gfp) && next_number(&rest, &op->order) && next_number(&rest, &op->h) &&
         next_number(&rest, &op->pfn);
    op->counters = rest;
    return ok && rest;
}

static void format_counters(const struct page_floor *floor, char *out, size_t capacity)
{
    const struct page_alloc *pa = &floor->pages;
    size_t length = 0;
    out[0] = '\0';
    for (uint32_t i = 0; i < pa->nr_zones && length < capacity; i++) {
        const struct zone *zone = &pa->zones[i];
        const struct pcp *pcp = zone_pcp(pa, zone, floor->trace.cpu);
        length += (size_t)snprintf(out + length, capacity - length, "%s%u:%lld,%d,%u,%u,%u,%u", i ? "\t" : "", zone->index,
                                   (long long)zone->free_global, pcp->nr_free_diff, pcp->count, pcp->free_factor,
                                   zone->boost, zone->nr_reserved_highatomic);
    }
}

/* *is_slow: set when no zone was above its low mark. */
static int64_t alloc_pages(struct page_alloc *pa, uint32_t gfp, uint32_t order, bool *is_slow)
{
    uint32_t pfn = page_alloc_fast(pa, gfp, order);
    *is_slow |= !pfn;
    if (!pfn)
        pfn = page_alloc_slow(pa, gfp, order);
    return pfn ? (int64_t)pfn : -1;
}

static bool is_block(const struct page_floor *floor, int64_t pfn, int64_t order)
{
    if (pfn <= 0 || pfn >= floor->frames.nr)
        return false;
    const struct frame *frame = frame_at(&floor->frames, (uint32_t)pfn);
    return frame->kind == FRAME_KERNEL && frame->order == order;
}

/* What the bulk allocator gave, until the recording has listed it. */
struct bulk {
    uint32_t *pfns;
    uint32_t nr, next;
    bool is_slow; /* a request of any kind has found no zone above its low mark */
};

static void apply_bulk(struct page_floor *floor, const struct op_line *op, struct bulk *bulk, int64_t *h, int64_t *pfn)
{
    free(bulk->pfns);
    uint32_t nr = op->order > 0 && op->order < (1 << 24) ? (uint32_t)op->order : 0;
    bulk->pfns = calloc((size_t)nr + 1, sizeof *bulk->pfns);
    if (!bulk->pfns)
        abort();
    bulk->nr = page_alloc_bulk(&floor->pages, (uint32_t)op->gfp, nr, bulk->pfns);
    int64_t one = bulk->nr || !nr ? -1 : alloc_pages(&floor->pages, (uint32_t)op->gfp, 0, &bulk->is_slow);
    if (one > 0)
        bulk->pfns[bulk->nr++] = (uint32_t)one;
    bulk->next = 0;
    *h = bulk->nr;
    *pfn = op->pfn; /* the call has none of its own */
}

/* Applies one operation; *h and *pfn are what the simulated machine would have written there. */
static const char *apply(struct page_floor *floor, const struct op_line *op, struct bulk *bulk, int64_t *h, int64_t *pfn)
{
    *h = op->h;
    *pfn = op->pfn;
    switch (op->op) {
    case 'A':
        *pfn = alloc_pages(&floor->pages, (uint32_t)op->gfp, (uint32_t)op->order, &bulk->is_slow);
        return NULL;
    case 'F':
        if (!is_block(floor, op->pfn, op->order))
            return "frees what is not allocated here";
        page_free(&floor->pages, (uint32_t)op->pfn, (uint32_t)op->order);
        return NULL;
    case 'D':
        page_alloc_drain(&floor->pages, floor->trace.cpu);
        return NULL;
    case 'B':
        apply_bulk(floor, op, bulk, h, pfn);
        return NULL;
    case 'P':
        *pfn = bulk->next < bulk->nr ? (int64_t)bulk->pfns[bulk->next++] : -1;
        return NULL;
    default:
        return "is an operation of an unknown kind";
    }
}

static bool compare_state(const struct state_text *recorded, const struct page_floor *floor, struct truth_report *report)
{
    struct page_floor *want = state_text_load(recorded, report);
    if (!want)
        return false;
    char *want_text = state_text_of(want), *got_text = state_text_of(floor);
    bool same = state_texts_are_equal(want_text, got_text, report);
    free(want_text);
    free(got_text);
    page_floor_close(want);
    return same;
}

/* One replay of a recording. */
struct run {
    const struct recording *recording;
    struct page_floor *floor;
    struct bulk bulk;
    struct truth_report *report;
    uint32_t nr_failed;  /* requests */
    bool middle_is_past; /* the third state was compared */
};

static bool is_refused(const struct op_line *op)
{
    return op->op == 'A' && op->pfn < 0;
}

/* Is the request's own zone nearly empty? */
static bool is_filled(const struct page_alloc *pa, const struct op_line *op)
{
    uint32_t highest = page_alloc_gfp_zone((uint32_t)op->gfp), at = pa->nr_zones - 1;
    while (at && pa->zones[at].index > highest)
        at--;
    const struct zone *zone = &pa->zones[at];
    return op->op == 'A' && zone->free_global <= zone->high + PAGES_FILLED;
}

static bool is_middle(struct run *run, const struct op_line *op)
{
    run->nr_failed += is_refused(op);
    if (run->recording->moment == MOMENT_EXHAUSTED)
        return run->nr_failed == FAILURES_EXHAUSTED;
    return run->recording->moment == MOMENT_FILLED && (is_refused(op) || is_filled(&run->floor->pages, op));
}

static bool run_op(struct run *run, size_t number)
{
    const struct recorded_op *recorded = &run->recording->ops[number];
    struct page_floor *floor = run->floor;
    struct truth_report *report = run->report;
    struct op_line op = { 0 };
    char *line = copy_line(recorded->line);
    char counters[512];
    int64_t h = 0, pfn = 0;
    trace_start(&floor->trace, 1, floor->trace.cpu);
    const char *refusal = parse_op(line, &op) ? apply(floor, &op, &run->bulk, &h, &pfn) : "cannot be read";
    if (run->recording->had_irqs && run->bulk.is_slow) { /* kswapd and reclaim run at once */
        report->timing_line = recorded->line_number;
        report->nr_operations = number;
        free(line);
        return false;
    }
    format_counters(floor, counters, sizeof counters);
    bool same = !refusal && h == op.h && pfn == op.pfn && strcmp(counters, op.counters) == 0;
    if (refusal)
        truth_differ(report, "line %llu %s: %.200s", (unsigned long long)recorded->line_number, refusal, recorded->line);
    else if (!same)
        truth_differ(report, "line %llu: expected %.180s; got h=%lld pfn=%lld %.180s",
                     (unsigned long long)recorded->line_number, recorded->line, (long long)h, (long long)pfn, counters);
    if (!run->middle_is_past && is_middle(run, &op)) {
        run->middle_is_past = true;
        same = compare_state(&run->recording->middle, floor, report) && same;
    }
    free(line);
    return same;
}

static void end_run(struct run *run)
{
    struct truth_report *report = run->report;
    const struct recording *recording = run->recording;
    char why[256];
    bool sound = page_alloc_check(&run->floor->pages, why, sizeof why);
    if (!sound)
        truth_differ(report, "after the run: %.200s", why);
    if (recording->moment && !run->middle_is_past && !report->timing_line) {
        sound = false;
        truth_differ(report, "the moment of the state in between never came");
    }
    report->end_state_identical =
        sound && (report->timing_line || (recording->end.nr_lines && compare_state(&recording->end, run->floor, report)));
}

static void replay_on(const struct recording *recording, uint32_t cpu, struct truth_report *report)
{
    struct page_floor *floor = state_text_load(&recording->start, report);
    struct run run = { .recording = recording, .floor = floor, .report = report };
    report->nr_operations = recording->nr_ops;
    if (!floor)
        return;
    trace_start(&floor->trace, 1, cpu);
    for (size_t i = 0; i < recording->nr_ops && !report->timing_line; i++)
        report->nr_identical += run_op(&run, i);
    end_run(&run);
    free(run.bulk.pfns);
    page_floor_close(floor);
}

int truth_buddy(const char *path, struct truth_report *report)
{
    struct recording recording = { .order = -1 };
    memset(report, 0, sizeof *report);
    if (!read_recording(path, &recording)) {
        (void)snprintf(report->note, sizeof report->note, "cannot be read as a run of the page allocator");
        free_recording(&recording);
        return -1;
    }
    for (uint32_t cpu = 0; cpu < recording.start.nr_cpus; cpu++) {
        struct truth_report one = { 0 };
        replay_on(&recording, cpu, &one);
        if (cpu == 0 || one.nr_identical > report->nr_identical)
            *report = one;
        if (one.nr_identical == one.nr_operations)
            break;
    }
    if (!recording.complete)
        (void)snprintf(report->note, sizeof report->note, "the recording stops before its ENDRUN line");
    free_recording(&recording);
    return 0;
}

/* A request that the kernel could not serve in the recorded state must fail here too, and leave the lists as they were. */
static void press(const struct recording *recording, struct truth_report *report)
{
    struct page_floor *floor = state_text_load(&recording->start, report);
    report->end_state_identical = floor != NULL;
    if (!floor)
        return;
    char *before = state_text_of(floor);
    bool is_slow = false;
    int64_t pfn = alloc_pages(&floor->pages, (uint32_t)recording->gfp, (uint32_t)recording->order, &is_slow);
    char *after = state_text_of(floor);
    report->nr_operations = 1;
    report->nr_identical = pfn < 0;
    if (pfn >= 0)
        truth_differ(report, "gfp 0x%llx, order %lld: expected NULL, got pfn %lld", (unsigned long long)recording->gfp,
                     (long long)recording->order, (long long)pfn);
    report->end_state_identical = state_texts_are_equal(before, after, report);
    free(before);
    free(after);
    page_floor_close(floor);
}

int truth_press(const char *path, struct truth_report *report)
{
    struct recording recording = { .order = -1 };
    memset(report, 0, sizeof *report);
    report->end_state_identical = true;
    bool readable = read_recording(path, &recording);
    if (readable && recording.order >= 0 && !gfp_may_sleep((uint32_t)recording.gfp))
        press(&recording, report);
    else
        (void)snprintf(report->note, sizeof report->note,
                       "not checked: only a refusal without reclaim is a function of the state");
    free_recording(&recording);
    return 0;
}
