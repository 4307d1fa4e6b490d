/* server/api/api_lines.c - many operations, one a line, as NDJSON. */
#include "server/api/api_ops.h"
#include "server/api/api_view.h"
#include "server/base/clock.h"
#include "server/base/problem.h"
#include "server/json/op_json.h"
#include "server/json/result_json.h"

#include <stdlib.h>
#include <string.h>

enum line_results { RESULTS_ALL, RESULTS_FAILURES, RESULTS_SUMMARY };

struct lines {
    struct request *request;
    struct buffer out;
    size_t at;          /* of the next line in the body */
    uint32_t nr_losses; /* of the lab's log, in the last turn */
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

/* With the lab held: one line. False: stop. */
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

static bool lines_run_next(struct lines *lines, struct lab_hold *hold)
{
    const char *at = lines->request->body.data + lines->at, *end = lines->request->body.data + lines->request->body.length;
    const char *newline = memchr(at, '\n', (size_t)(end - at));
    const char *line_end = newline ? newline : end;
    lines->line++;
    lines->at += (size_t)(line_end - at) + (newline != NULL);
    bool is_blank = line_end == at || (line_end == at + 1 && *at == '\r');
    return is_blank || lines_run_one(lines, hold, at, (size_t)(line_end - at));
}

/* What was applied before this turn is gone: the rest must not go on behind a gap. */
static enum pagoda_error lines_check_log(struct lines *lines, const struct lab_hold *hold)
{
    uint32_t nr_losses = lab_nr_losses(hold->lab);
    bool is_lost = lines->applied && nr_losses != lines->nr_losses;
    lines->nr_losses = nr_losses;
    return is_lost ? PAGODA_ERR_IO : PAGODA_OK;
}

/* The rest of the lines is not done, and the answer says so. False: the daemon does not stop. */
static bool lines_are_cut(struct lines *lines)
{
    struct problem why = { 0 };
    if (!lines->applied || !connections_are_stopping(lines->request->connection.all))
        return false;
    problem_say(&why, "", "%s", pagoda_error_text(PAGODA_ERR_STOPPING));
    lines->line++;
    lines_note_failed(lines, 503, &why);
    return true;
}

/* If-Match is asked in the first slice, with the lab held that its lines run on: whoever looks earlier may be overtaken.
 * True: there are more. */
static bool lines_run_turn(struct lines *lines, struct lab_hold *hold)
{
    uint64_t deadline_ns = clock_ns() + TURN_NS;
    lines->error = lines_check_log(lines, hold);
    lines->is_too_late = !lines->line && !ops_if_match_holds(lines->request);
    bool go_on = !lines->error && !lines->is_too_late && !lines_are_cut(lines);
    do
        go_on = go_on && lines->at < lines->request->body.length && lines_run_next(lines, hold);
    while (go_on && clock_ns() < deadline_ns);
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
    if (!lines->failed)
        return reply_say(422, "", "the body has no operation");
    return reply_say(422, lines->first_problem.field, "line %llu: %.120s", (unsigned long long)lines->first_failed_line,
                     lines->first_problem.text);
}

static struct reply lines_end(struct lines *lines)
{
    struct request *request = lines->request;
    if (lines->is_too_late)
        return reply_say(412, "", "the lab is at operation %llu", (unsigned long long)lab_seq(request->lab));
    if (lines->error) {
        struct problem why = { 0 };
        if (lines->error == PAGODA_ERR_RULES)
            lab_refuse_rules(request->lab, &why);
        return reply_error(lines->error, &why);
    }
    if (!lines->applied)
        return lines_refuse_all(lines);
    lines_summarise(lines);
    struct reply reply = reply_json(200, lines->out);
    lines->out = (struct buffer){ 0 };
    reply.content_type = "application/x-ndjson";
    reply.ticket = lines->ticket;
    return reply;
}

static void lines_drop(void *progress)
{
    struct lines *lines = progress;
    buffer_clear(&lines->out);
    free(lines);
}

/* The first turn: what was asked for. NULL: *refusal says why not. */
static struct lines *lines_begin(struct request *request, struct reply *refusal)
{
    struct lines *lines = calloc(1, sizeof *lines);
    if (!lines) {
        *refusal = reply_error(PAGODA_ERR_NOMEM, NULL);
        return NULL;
    }
    lines->request = request;
    request->progress = lines;
    request->drop = lines_drop;
    return read_lines_options(request, lines, refusal) ? lines : NULL;
}

/* Once for each slice. At most two slices wait in memory for the log. */
struct reply ops_post_lines(struct request *request)
{
    struct reply refusal;
    struct lines *lines = request->progress ? request->progress : lines_begin(request, &refusal);
    if (!lines)
        return refusal;
    uint64_t ticket = lines->ticket; /* of the slice before */
    if (!request->hold)
        lines->error = request->error;
    else if (lines_run_turn(lines, request->hold))
        return ticket ? reply_again(ticket) : reply_turn();
    return lines_end(lines);
}
