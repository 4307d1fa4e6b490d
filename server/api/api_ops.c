/* server/api/api_ops.c - operations: one, many as NDJSON, a rehearsal on a copy, and what the log holds. */
#include "server/api/api_view.h"
#include "server/api/export_reply.h"
#include "server/api/idempotency.h"
#include "server/base/number.h"
#include "server/export/entry_json.h"
#include "server/json/op_json.h"
#include "server/json/result_json.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LIST_LIMIT 1000u
#define LINES_PER_TURN 256u /* operations of a long request before others may have the lab */

/* ---- one operation ---- */

struct post_options {
    bool explain, dry_run;
    struct op_key key;
};

static bool read_post_options(const struct request *request, struct post_options *options, struct reply *refusal)
{
    *options = (struct post_options){ 0 };
    if (!idempotency_key(request, &options->key.key, refusal))
        return false;
    if (options->key.key)
        options->key.body_hash = hash_bytes(HASH_START, request->body.data, request->body.length);
    return query_bool(request, "explain", &options->explain, refusal) &&
           query_bool(request, "dry_run", &options->dry_run, refusal);
}

/* With the lab locked. */
static bool if_match_holds(const struct request *request)
{
    const char *given = request_header(request, "If-Match");
    char seq[24];
    snprintf(seq, sizeof seq, "\"%llu\"", (unsigned long long)lab_seq(request->lab));
    return !given || strcmp(given, "*") == 0 || strcmp(given, seq) == 0;
}

struct one_result {
    struct buffer *out;
    bool explain;
};

static bool encode_relived(void *context, const struct log_entry *entry, const struct op_result *result)
{
    (void)entry;
    struct one_result *one = context;
    result_encode(one->out, result, one->explain, NULL);
    return true;
}

static struct reply result_reply(const struct lab *lab, uint64_t seq, struct buffer out)
{
    struct reply reply = reply_json(201, out);
    snprintf(reply.location, sizeof reply.location, "/api/v1/labs/%s/ops/%llu", lab_key(lab), (unsigned long long)seq);
    reply.seq = seq;
    return reply;
}

static enum pagoda_error
relive_op(struct lab *lab, uint64_t seq,
          bool (*each)(void *context, const struct log_entry *entry, const struct op_result *result), void *context)
{
    struct lab_hold hold;
    enum pagoda_error error = lab_wait_durable(lab, seq);
    if (!error)
        error = lab_take_past(lab, seq - 1, &hold);
    if (error)
        return error;
    error = lab_relive(&hold, seq, each, context);
    lab_release(&hold);
    return error;
}

/* The first answer to a request that comes again. True: *reply has it. False: the key is new. */
static bool answer_again(struct request *request, const struct post_options *options, struct reply *reply)
{
    uint64_t body_hash, seq;
    enum pagoda_error error =
        store_find_answered(request->app->store, lab_id(request->lab), options->key.key, &body_hash, &seq);
    if (error == PAGODA_ERR_NOT_FOUND)
        return false;
    if (!error && body_hash != options->key.body_hash) {
        *reply = reply_say(422, "", "this Idempotency-Key was used with another body");
        return true;
    }
    struct buffer out = { 0 };
    struct one_result one = { &out, options->explain };
    if (!error)
        error = relive_op(request->lab, seq, encode_relived, &one);
    if (error)
        buffer_clear(&out);
    *reply = error ? reply_error(error, NULL) : result_reply(request->lab, seq, out);
    return true;
}

/* With the lab locked: what would happen, on a copy. */
static struct reply op_rehearse(const struct lab_hold *hold, const struct op *op, bool explain)
{
    struct machine *copy;
    struct op_result result;
    struct problem why = { 0 };
    struct buffer out = { 0 };
    enum pagoda_error error = machine_clone(hold->machine, &copy);
    if (error)
        return reply_error(error, NULL);
    machine_record_events(copy, true);
    error = machine_apply(copy, op, &result, &why);
    if (!error)
        result_encode(&out, &result, explain, NULL);
    machine_destroy(copy);
    return error ? reply_error(error, &why) : reply_json(200, out);
}

/* With the lab locked. */
static struct reply apply_one(const struct request *request, struct lab_hold *hold, const struct op *op,
                              const struct post_options *options)
{
    struct op_result result;
    struct problem why = { 0 };
    if (!if_match_holds(request))
        return reply_say(412, "", "the lab is at operation %llu", (unsigned long long)lab_seq(request->lab));
    if (lab_differs_at(request->lab)) {
        lab_refuse_rules(request->lab, &why);
        return reply_error(PAGODA_ERR_RULES, &why);
    }
    if (options->dry_run)
        return op_rehearse(hold, op, options->explain);
    enum pagoda_error error = lab_apply(hold, op, &options->key, &result, &why);
    if (error)
        return reply_error(error, &why);
    struct buffer out = { 0 };
    result_encode(&out, &result, options->explain, NULL);
    struct reply reply = result_reply(request->lab, result.seq, out);
    reply.ticket = hold->ticket;
    return reply;
}

enum key_state { KEY_IS_NEW, KEY_IS_IN_FLIGHT, KEY_IS_USED };

/* With the lab locked, so that nobody else brings the key meanwhile.
 * *ticket  out: for a key in flight: what to wait for before the store knows the key. */
static enum key_state op_find_key(const struct lab_hold *hold, struct store *store, const char *key, uint64_t *ticket)
{
    uint64_t body_hash, seq;
    if (!key)
        return KEY_IS_NEW;
    if (lab_key_is_in_flight(hold, key, ticket))
        return KEY_IS_IN_FLIGHT;
    bool is_new = store_find_answered(store, lab_id(hold->lab), key, &body_hash, &seq) == PAGODA_ERR_NOT_FOUND;
    return is_new ? KEY_IS_NEW : KEY_IS_USED;
}

static struct reply post_one(struct request *request)
{
    struct op_request decoded;
    struct problem why = { 0 };
    struct post_options options;
    struct reply reply;
    struct lab_hold hold;
    if (!read_post_options(request, &options, &reply))
        return reply;
    unsigned status = op_decode(request->body.data ? request->body.data : "", request->body.length, &decoded, &why);
    if (status)
        return reply_problem(status, &why);
    enum pagoda_error error = lab_take(request->lab, &hold);
    if (error) {
        op_request_clear(&decoded);
        return reply_error(error, NULL);
    }
    uint64_t ticket;
    enum key_state key = op_find_key(&hold, request->app->store, options.key.key, &ticket);
    if (key == KEY_IS_NEW)
        reply = apply_one(request, &hold, &decoded.op, &options);
    lab_release(&hold);
    op_request_clear(&decoded);
    if (key == KEY_IS_IN_FLIGHT)
        return reply_again(ticket);
    if (key == KEY_IS_USED && !answer_again(request, &options, &reply))
        return reply_error(PAGODA_ERR_IO, NULL);
    return reply;
}

/* ---- many ---- */

enum line_results { RESULTS_ALL, RESULTS_FAILURES, RESULTS_SUMMARY };

struct lines {
    struct request *request;
    struct buffer out;
    enum line_results results;
    bool goes_on_after_error, explain;
    uint64_t line, applied, failed, first_failed_line, ticket;
    struct problem first_problem;
    enum pagoda_error error; /* of the store: the rest is pointless */
    bool is_too_late;        /* the lab had moved on from If-Match before the first line */
};

static bool read_lines_options(const struct request *request, struct lines *lines, struct reply *refusal)
{
    const char *results = query_text(request, "results"), *on_error = query_text(request, "on_error");
    static const char *const NAMES[] = { "all", "failures", "summary" };
    for (size_t i = 0; results && i < 3; i++)
        if (strcmp(results, NAMES[i]) == 0) {
            lines->results = (enum line_results)i;
            results = NULL;
        }
    if (results) {
        *refusal = reply_say(422, "results", "results must be all, failures or summary");
        return false;
    }
    if (on_error && strcmp(on_error, "stop") != 0 && strcmp(on_error, "continue") != 0) {
        *refusal = reply_say(422, "on_error", "on_error must be stop or continue");
        return false;
    }
    lines->goes_on_after_error = on_error && on_error[0] == 'c';
    if (query_text(request, "dry_run") || request_header(request, "Idempotency-Key")) {
        *refusal = reply_say(422, "dry_run", "a dry run and Idempotency-Key are for single operations");
        return false;
    }
    return query_bool(request, "explain", &lines->explain, refusal);
}

static void lines_note_failed(struct lines *lines, unsigned status, const struct problem *why)
{
    if (lines->failed++ == 0) {
        lines->first_failed_line = lines->line;
        lines->first_problem = *why;
    }
    if (lines->results == RESULTS_SUMMARY)
        return;
    put_open(&lines->out, '{');
    PUT_FIELD(&lines->out, lines, line);
    put_field_u64(&lines->out, "status", status);
    put_key(&lines->out, "problem");
    problem_encode(&lines->out, status, why->text, NULL, why->field);
    put_close(&lines->out, '}');
    buffer_text(&lines->out, "\n");
}

static void lines_note_applied(struct lines *lines, const struct op_result *result)
{
    lines->applied++;
    if (lines->results == RESULTS_SUMMARY || (lines->results == RESULTS_FAILURES && result->outcome == OUTCOME_OK))
        return;
    put_open(&lines->out, '{');
    PUT_FIELD(&lines->out, lines, line);
    put_field_u64(&lines->out, "status", 201);
    put_key(&lines->out, "result");
    result_encode(&lines->out, result, lines->explain, NULL);
    put_close(&lines->out, '}');
    buffer_text(&lines->out, "\n");
}

/* With the lab locked: one line. False: stop. */
static bool lines_run_one(struct lines *lines, struct lab_hold *hold, const char *text, size_t length)
{
    struct op_request decoded;
    struct op_result result;
    struct problem why = { 0 };
    unsigned status = op_decode(text, length, &decoded, &why);
    if (status) {
        lines_note_failed(lines, status, &why);
        return lines->goes_on_after_error;
    }
    enum pagoda_error error = lab_apply(hold, &decoded.op, NULL, &result, &why);
    op_request_clear(&decoded);
    if (error == PAGODA_ERR_INVALID) {
        lines_note_failed(lines, 422, &why);
        return lines->goes_on_after_error;
    }
    lines->error = error;
    lines->ticket = hold->ticket;
    if (!error)
        lines_note_applied(lines, &result);
    return !error && !lines->out.failed;
}

/* A slice of lines under one lock. Moves *at behind them; false: stop. If-Match is asked in the first slice, under the lock
 * that its lines run under: whoever looks earlier may be overtaken. */
static bool lines_run_turn(struct lines *lines, const char **at, const char *end)
{
    struct lab_hold hold;
    lines->error = lab_take(lines->request->lab, &hold);
    if (lines->error)
        return false;
    lines->is_too_late = !lines->line && !if_match_holds(lines->request);
    bool go_on = !lines->is_too_late;
    for (unsigned i = 0; go_on && *at < end && i < LINES_PER_TURN; i++) {
        const char *newline = memchr(*at, '\n', (size_t)(end - *at));
        const char *line_end = newline ? newline : end;
        lines->line++;
        if (line_end > *at && !(line_end == *at + 1 && **at == '\r')) /* blank lines are nothing */
            go_on = lines_run_one(lines, &hold, *at, (size_t)(line_end - *at));
        *at = newline ? newline + 1 : end;
    }
    lab_release(&hold);
    return go_on;
}

static void lines_summarise(struct lines *lines)
{
    struct buffer *out = &lines->out;
    put_open(out, '{');
    put_field_object(out, "summary");
    PUT_FIELD(out, lines, applied);
    PUT_FIELD(out, lines, failed);
    put_key(out, "first_failed_line");
    if (lines->failed)
        put_u64(out, lines->first_failed_line);
    else
        put_null(out);
    put_field_u64(out, "seq", lab_seq(lines->request->lab));
    put_close(out, '}');
    put_close(out, '}');
    buffer_text(out, "\n");
}

static struct reply lines_refuse_all(struct lines *lines)
{
    buffer_clear(&lines->out);
    if (!lines->failed)
        return reply_say(422, "", "the body has no operation");
    return reply_say(422, lines->first_problem.field, "line %llu: %.120s", (unsigned long long)lines->first_failed_line,
                     lines->first_problem.text);
}

static struct reply post_lines(struct request *request)
{
    struct lines lines = { .request = request };
    struct reply reply = reply_empty(200);
    if (!read_lines_options(request, &lines, &reply))
        return reply;
    const char *at = request->body.data ? request->body.data : "", *end = at + request->body.length;
    while (at < end && lines_run_turn(&lines, &at, end))
        ;
    if (lines.is_too_late)
        return reply_say(412, "", "the lab is at operation %llu", (unsigned long long)lab_seq(request->lab));
    if (lines.error) {
        struct problem why = { 0 };
        if (lines.error == PAGODA_ERR_RULES)
            lab_refuse_rules(request->lab, &why);
        buffer_clear(&lines.out);
        return reply_error(lines.error, &why);
    }
    if (!lines.applied)
        return lines_refuse_all(&lines);
    lines_summarise(&lines);
    reply = reply_json(200, lines.out);
    reply.content_type = "application/x-ndjson";
    reply.ticket = lines.ticket;
    return reply;
}

struct reply ops_post(struct app *app, struct request *request)
{
    (void)app;
    return request_is_ndjson(request) ? post_lines(request) : post_one(request);
}

/* ---- the log ---- */

#define SCAN_MAX 100000u /* operations that one page of ?op= looks at */

struct listing {
    struct buffer out;
    uint64_t last_seq;
    uint32_t left, scan;
    const char *only; /* name of the one operation that is listed; NULL: all */
};

static bool list_entry(void *context, const struct log_entry *entry)
{
    struct listing *listing = context;
    listing->last_seq = entry->seq;
    if (!listing->only || strcmp(op_info(entry->op.kind)->name, listing->only) == 0) {
        entry_encode(&listing->out, entry);
        listing->left--;
    }
    return listing->left > 0 && --listing->scan > 0;
}

static bool is_op_name(const char *name)
{
    for (unsigned kind = 0; kind < NR_OPS; kind++)
        if (strcmp(op_info((enum op_kind)kind)->name, name) == 0)
            return true;
    return false;
}

struct reply ops_get(struct app *app, struct request *request)
{
    uint64_t from = 1, limit = 100;
    struct reply reply;
    if (request_accepts(request, "application/x-ndjson"))
        return export_reply(request, &EXPORT_LOG);
    if (!query_u64(request, "from", 0, INT64_MAX, &from, &reply) ||
        !query_u64(request, "limit", 1, LIST_LIMIT, &limit, &reply))
        return reply;
    struct listing listing = { .left = (uint32_t)limit, .scan = SCAN_MAX, .only = query_text(request, "op") };
    if (listing.only && !is_op_name(listing.only))
        return reply_say(422, "op", "there is no operation of that name");
    put_open(&listing.out, '{');
    put_field_array(&listing.out, "ops");
    enum pagoda_error error = store_read_ops(app->store, lab_id(request->lab), from, UINT64_MAX, list_entry, &listing);
    if (error) {
        buffer_clear(&listing.out);
        return reply_error(error, NULL);
    }
    bool has_more = (listing.left == 0 || listing.scan == 0) && listing.last_seq < lab_durable_seq(request->lab);
    put_close(&listing.out, ']');
    put_key(&listing.out, "next");
    char next[24];
    snprintf(next, sizeof next, "%llu", (unsigned long long)listing.last_seq + 1);
    put_text(&listing.out, has_more ? next : NULL);
    put_close(&listing.out, '}');
    reply = reply_json(200, listing.out);
    if (has_more)
        snprintf(reply.link, sizeof reply.link, "</api/v1/labs/%s/ops?from=%s&limit=%llu%s%s>; rel=\"next\"",
                 lab_key(request->lab), next, (unsigned long long)limit, listing.only ? "&op=" : "",
                 listing.only ? listing.only : "");
    return reply;
}

struct full_result {
    struct buffer out;
    bool explain, is_there;
};

static bool encode_full(void *context, const struct log_entry *entry, const struct op_result *result)
{
    struct full_result *full = context;
    result_encode(&full->out, result, full->explain, &entry->op);
    full->is_there = true;
    return true;
}

/* The result as it was recorded, with nothing about how it came about. */
static bool encode_recorded(void *context, const struct log_entry *entry)
{
    struct op_result result;
    lab_recorded_result(entry, &result);
    return encode_full(context, entry, &result);
}

struct reply op_get(struct app *app, struct request *request)
{
    (void)app;
    struct full_result full = { 0 };
    struct reply reply;
    uint64_t seq;
    const char *text = request->path_values[1];
    if (!query_bool(request, "explain", &full.explain, &reply))
        return reply;
    if (!size_parse(text, strlen(text), &seq) || seq == 0 || seq > lab_seq(request->lab))
        return reply_say(404, "", "the lab has no operation %.40s", text);
    if (!view_query_rules(request, &reply))
        return reply;
    enum pagoda_error error = relive_op(request->lab, seq, encode_full, &full);
    if (error == PAGODA_ERR_RULES) { /* only what the log holds is known of it */
        error = store_read_ops(request->app->store, lab_id(request->lab), seq, seq, encode_recorded, &full);
    }
    if (error || !full.is_there) {
        buffer_clear(&full.out);
        return reply_error(error ? error : PAGODA_ERR_NOT_FOUND, NULL);
    }
    reply = reply_json(200, full.out);
    uint64_t differs_at = lab_differs_at(request->lab);
    reply.cache_control = view_cache_control(request, !differs_at || seq < differs_at);
    return reply;
}
