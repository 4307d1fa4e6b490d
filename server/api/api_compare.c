/* GET handlers: the four allocators side by side, for one request and over all sizes. Pure functions of the query and the
 * engine: the tag is a hash of the answer, and it may be kept for a while. */
#include "pagoda/gfp.h"
#include "server/base/clock.h"
#include "server/base/hash.h"
#include "server/api/api.h"
#include "server/api/compare.h"
#include "server/json/result_json.h"
#include "server/base/number.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define POINTS_DEFAULT 49u
#define POINTS_MAX 129u
#define CURVE_SIZE_LOG2 24u /* 16 MiB */

/* --- the query --- */

static bool query_profile(const struct request *request, enum profile_id *profile, struct reply *refusal)
{
    const char *text = query_text(request, "profile");
    const struct profile *found = text ? profile_find(text, strlen(text)) : profile_get(PROFILE_CLASSIC);
    if (!found) {
        *refusal = reply_say(422, "profile", "there is no profile \"%.40s\"", text);
        return false;
    }
    *profile = found->id;
    return true;
}

static bool query_machine(const struct request *request, enum machine_past *machine, struct reply *refusal)
{
    const char *text = query_text(request, "machine");
    for (unsigned i = 0; text && i < NR_MACHINE_PASTS; i++)
        if (strcmp(text, MACHINE_WORDS[i]) == 0) {
            *machine = (enum machine_past)i;
            return true;
        }
    if (!text)
        return true;
    *refusal = reply_say(422, "machine", "machine is fresh, used or fragmented");
    return false;
}

static bool query_gfp(const struct request *request, uint32_t *gfp, struct reply *refusal)
{
    const char *text = query_text(request, "gfp");
    struct problem why = { 0 };
    if (!text || !gfp_parse(text, strlen(text), gfp, &why))
        return true;
    *refusal = reply_say(422, "gfp", "gfp takes flags such as GFP_KERNEL|__GFP_ZERO");
    return false;
}

static bool query_context(const struct request *request, enum context *context, struct reply *refusal)
{
    const char *text = query_text(request, "context");
    for (unsigned i = 0; text && i < NR_CONTEXTS; i++)
        if (strcmp(text, context_name((enum context)i)) == 0) {
            *context = (enum context)i;
            return true;
        }
    if (!text)
        return true;
    *refusal = reply_say(422, "context", "context is process, softirq, tasklet or hardirq");
    return false;
}

static bool query_size(const struct request *request, uint64_t *size, struct reply *refusal)
{
    const char *text = query_text(request, "size");
    if (!text || size_parse(text, strlen(text), size))
        return true;
    *refusal = reply_say(422, "size", "size is bytes, such as 1000 or 64K");
    return false;
}

static struct reply compare_reply(const struct request *request, struct buffer body)
{
    uint64_t hash = hash64_bytes(HASH_START, body.data, body.length);
    char etag[sizeof((struct reply *)0)->etag];
    snprintf(etag, sizeof etag, "\"compare-%016llx\"", (unsigned long long)hash);
    bool is_known = etag_matches(request, etag);
    if (is_known)
        buffer_clear(&body);
    struct reply reply = is_known ? reply_empty(304) : reply_json(200, body);
    memcpy(reply.etag, etag, sizeof reply.etag);
    reply.cache_control = "public, max-age=3600";
    return reply;
}

/* --- one request --- */

static void put_cost(struct buffer *out, const struct compare_step *step)
{
    PUT_FIELD(out, &step->result, cost_ns);
    PUT_FIELD(out, &step->result, slept_ns);
    put_field_array(out, "cost");
    for (unsigned i = 0; i < NR_COST_STEPS; i++) {
        if (!step->result.cost_count[i])
            continue;
        put_open(out, '{');
        put_field_text(out, "step", cost_info((enum cost_step)i)->name);
        put_field_u64(out, "count", step->result.cost_count[i]);
        put_field_u64(out, "ns", (uint64_t)step->result.cost_count[i] * step->cost_each_ns[i]);
        put_close(out, '}');
    }
    put_close(out, ']');
}

static uint64_t waste_of(const struct compare_answer *answer)
{
    return answer->slack + answer->page_array + answer->page_tables;
}

static void put_waste(struct buffer *out, const struct compare_answer *answer)
{
    put_field_object(out, "waste");
    PUT_FIELD(out, answer, slack);
    PUT_FIELD(out, answer, page_array);
    PUT_FIELD(out, answer, page_tables);
    put_field_u64(out, "total", waste_of(answer));
    PUT_FIELD(out, answer, guard_addresses);
    put_close(out, '}');
}

static void put_step(struct buffer *out, const char *key, const struct compare_step *step, uint64_t length)
{
    put_key(out, key);
    if (!length) {
        put_null(out);
        return;
    }
    put_open(out, '{');
    put_field_u64(out, "length", length);
    put_cost(out, step);
    put_field_object(out, "tlb");
    PUT_FIELD(out, &step->result.tlb, hits);
    PUT_FIELD(out, &step->result.tlb, misses);
    PUT_FIELD(out, &step->result.tlb, flushes);
    put_close(out, '}');
    put_close(out, '}');
}

static void put_text_or_null(struct buffer *out, const char *key, const char *text)
{
    put_field_text(out, key, text[0] ? text : NULL);
}

/* Whether one run of frames is a promise, or what the machine happens to give. NULL: there is nothing to say. */
static const char *contiguity_of(const struct compare_answer *answer, enum machine_past machine)
{
    const struct op_result *result = &answer->call.result;
    if (result->outcome != OUTCOME_OK || !result->nr_frame_runs)
        return NULL;
    if (answer->promises_frames)
        return "promised: one run of frames";
    if (result->nr_frame_runs == 1 && result->frames[0].count == 1)
        return "a single frame";
    if (!result->physically_contiguous)
        return "none: its frames may lie anywhere";
    return machine == MACHINE_FRESH
               ? "by chance: these frames happen to adjoin, as the machine is fresh; it promises nothing"
               : "by chance: these frames happen to adjoin; it promises nothing";
}

static void put_answer(struct buffer *out, const struct compare_answer *answer, enum machine_past machine)
{
    const struct op_result *result = &answer->call.result;
    put_open(out, '{');
    put_field_text(out, "op", op_info(answer->op.kind)->name);
    put_field_text(out, "outcome", outcome_name(result->outcome));
    put_text_or_null(out, "message", answer->call.message);
    put_key(out, "address");
    if (result->address)
        put_hex64(out, result->address);
    else
        put_null(out);
    PUT_FIELD(out, result, requested);
    PUT_FIELD(out, result, allocated);
    put_text_or_null(out, "cache", answer->call.cache);
    result_frames_encode(out, result);
    put_field_text(out, "contiguity", contiguity_of(answer, machine));
    put_waste(out, answer);
    put_field_text(out, "context", context_name((enum context)answer->op.context));
    PUT_FIELD(out, answer, may_sleep);
    PUT_FIELD(out, answer, limit);
    PUT_FIELD(out, answer, release);
    put_cost(out, &answer->call);
    put_step(out, "first_touch", &answer->touch, answer->is_kernel ? 0 : answer->touched);
    put_step(out, "access", &answer->access, answer->touched < OP_DATA_MAX ? answer->touched : OP_DATA_MAX);
    put_close(out, '}');
}

struct comparison {
    struct compare_request ask;
    unsigned nr_done;
    struct buffer out;
};

static void comparison_drop(void *progress)
{
    struct comparison *comparison = progress;
    buffer_clear(&comparison->out);
    free(comparison);
}

static void comparison_begin(struct comparison *comparison)
{
    struct buffer *out = &comparison->out;
    const struct compare_request *ask = &comparison->ask;
    char gfp[512];
    (void)gfp_format(ask->gfp, "0", gfp, sizeof gfp);
    put_open(out, '{');
    put_field_text(out, "profile", profile_get(ask->profile)->name);
    put_field_text(out, "machine", MACHINE_WORDS[ask->machine]);
    put_field_u64(out, "memory", compare_memory(ask->profile));
    PUT_FIELD(out, ask, size);
    put_field_text(out, "gfp", gfp);
    put_field_text(out, "context", context_name(ask->context));
    put_field_array(out, "allocators");
}

/* One allocator a turn. */
static struct reply comparison_go_on(struct request *request, struct comparison *comparison)
{
    struct compare_answer answer;
    struct reply later;
    enum pagoda_error error = compare_run(&comparison->ask, COMPARE_OPS[comparison->nr_done], true, &answer);
    if (error)
        return reply_after_room(request, error, &later) ? later : reply_error(error, NULL);
    put_answer(&comparison->out, &answer, comparison->ask.machine);
    if (++comparison->nr_done < COMPARE_ALLOCATORS)
        return reply_turn();
    put_close(&comparison->out, ']');
    put_close(&comparison->out, '}');
    struct buffer out = comparison->out;
    comparison->out = (struct buffer){ 0 };
    return compare_reply(request, out);
}

struct reply compare_get(struct app *app, struct request *request)
{
    (void)app;
    struct compare_request ask = { .size = PAGE_SIZE, .gfp = GFP_KERNEL };
    struct reply refusal;
    if (request->progress)
        return comparison_go_on(request, request->progress);
    if (!query_profile(request, &ask.profile, &refusal) || !query_machine(request, &ask.machine, &refusal) ||
        !query_size(request, &ask.size, &refusal) || !query_gfp(request, &ask.gfp, &refusal) ||
        !query_context(request, &ask.context, &refusal))
        return refusal;
    struct comparison *comparison = calloc(1, sizeof *comparison);
    if (!comparison)
        return reply_error(PAGODA_ERR_NOMEM, NULL);
    request->progress = comparison;
    request->drop = comparison_drop;
    comparison->ask = ask;
    comparison_begin(comparison);
    return comparison_go_on(request, comparison);
}

/* --- all sizes --- */

/* 2^(i / steps), rounded: whole powers of two are hit exactly. mantissa: 2^(1/8), 2^(2/8)... in 16 fraction bits. */
static uint64_t size_at(uint64_t i, uint64_t points)
{
    static const uint64_t EIGHTHS[8] = { 65536, 71468, 77936, 84990, 92682, 101070, 110218, 120194 };
    uint64_t eighths = points > 1 ? i * CURVE_SIZE_LOG2 * 8 / (points - 1) : 0;
    return ((EIGHTHS[eighths % 8] << (eighths / 8)) + 32768) >> 16;
}

struct curve {
    enum op_kind op;
    struct curve_point {
        enum outcome outcome;
        uint64_t cost_ns, first_touch_ns, access_ns, allocated, waste;
    } points[POINTS_MAX];
};

/* All of them, and how far they have got. */
struct curves {
    enum profile_id profile;
    enum machine_past machine;
    uint64_t sizes[POINTS_MAX], nr_sizes, nr_done; /* nr_done: points of all curves */
    struct curve each[COMPARE_ALLOCATORS];
};

static enum pagoda_error curves_find_point(struct curves *curves)
{
    struct curve *curve = &curves->each[curves->nr_done / curves->nr_sizes];
    uint64_t i = curves->nr_done % curves->nr_sizes;
    struct compare_request ask = {
        .profile = curves->profile, .machine = curves->machine, .size = curves->sizes[i], .gfp = GFP_KERNEL
    };
    struct compare_answer answer;
    enum pagoda_error error = compare_run(&ask, curve->op, false, &answer);
    curve->points[i] = (struct curve_point){ .outcome = answer.call.result.outcome,
                                             .cost_ns = answer.call.result.cost_ns,
                                             .first_touch_ns = answer.touch.result.cost_ns,
                                             .access_ns = answer.access.result.cost_ns,
                                             .allocated = answer.call.result.allocated,
                                             .waste = waste_of(&answer) };
    curves->nr_done += !error;
    return error;
}

static void put_curve(struct buffer *out, const struct curve *curve, uint64_t nr)
{
    put_open(out, '{');
    put_field_text(out, "op", op_info(curve->op)->name);
    put_field_array(out, "points");
    for (uint64_t i = 0; i < nr; i++) {
        const struct curve_point *point = &curve->points[i];
        put_open(out, '{');
        put_field_text(out, "outcome", outcome_name(point->outcome));
        PUT_FIELD(out, point, cost_ns);
        PUT_FIELD(out, point, first_touch_ns);
        PUT_FIELD(out, point, access_ns);
        PUT_FIELD(out, point, allocated);
        PUT_FIELD(out, point, waste);
        put_close(out, '}');
    }
    put_close(out, ']');
    put_close(out, '}');
}

static void curves_begin(struct curves *curves, uint64_t points)
{
    for (uint64_t i = 0; i < points; i++) {
        uint64_t size = size_at(i, points), nr = curves->nr_sizes;
        if (nr == 0 || size > curves->sizes[nr - 1]) /* small sizes round to the same byte */
            curves->sizes[curves->nr_sizes++] = size;
    }
    for (unsigned i = 0; i < COMPARE_ALLOCATORS; i++)
        curves->each[i].op = COMPARE_OPS[i];
}

static void put_curves(struct buffer *out, const struct curves *curves)
{
    put_open(out, '{');
    put_field_text(out, "profile", profile_get(curves->profile)->name);
    put_field_text(out, "machine", MACHINE_WORDS[curves->machine]);
    put_field_u64(out, "memory", compare_memory(curves->profile));
    put_field_array(out, "sizes");
    for (uint64_t i = 0; i < curves->nr_sizes; i++)
        put_u64(out, curves->sizes[i]);
    put_close(out, ']');
    put_field_array(out, "allocators");
    for (unsigned i = 0; i < COMPARE_ALLOCATORS; i++)
        put_curve(out, &curves->each[i], curves->nr_sizes);
    put_close(out, ']');
    put_close(out, '}');
}

/* Once for each slice. */
static struct reply curves_go_on(struct request *request, struct curves *curves)
{
    const uint64_t deadline_ns = clock_ns() + TURN_NS, nr_points = curves->nr_sizes * COMPARE_ALLOCATORS;
    enum pagoda_error error = PAGODA_OK;
    while (!error && curves->nr_done < nr_points && clock_ns() < deadline_ns)
        error = curves_find_point(curves);
    struct reply later;
    if (error)
        return reply_after_room(request, error, &later) ? later : reply_error(error, NULL);
    if (curves->nr_done < nr_points)
        return reply_turn();
    struct buffer out = { 0 };
    put_curves(&out, curves);
    return compare_reply(request, out);
}

struct reply compare_curves_get(struct app *app, struct request *request)
{
    (void)app;
    uint64_t points = POINTS_DEFAULT;
    enum profile_id profile;
    enum machine_past machine = MACHINE_FRESH;
    struct reply refusal;
    if (request->progress)
        return curves_go_on(request, request->progress);
    if (!query_profile(request, &profile, &refusal) || !query_machine(request, &machine, &refusal) ||
        !query_u64(request, "points", 2, POINTS_MAX, &points, &refusal))
        return refusal;
    struct curves *curves = calloc(1, sizeof *curves);
    if (!curves)
        return reply_error(PAGODA_ERR_NOMEM, NULL);
    request->progress = curves;
    request->drop = free;
    curves->profile = profile;
    curves->machine = machine;
    curves_begin(curves, points);
    return curves_go_on(request, curves);
}
