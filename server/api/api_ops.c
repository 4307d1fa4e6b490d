/* server/api/api_ops.c - one operation, and its rehearsal on a copy. */
#include "server/api/api_ops.h"
#include "server/api/api_view.h"
#include "server/api/idempotency.h"
#include "server/base/guard.h"
#include "server/base/host_memory.h"
#include "server/json/op_json.h"
#include "server/json/result_json.h"

#include <stdio.h>
#include <string.h>

enum { PHASE_APPLY, PHASE_AGAIN };

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
        options->key.body_hash = hash64_bytes(HASH_START, request->body.data, request->body.length);
    return query_bool(request, "explain", &options->explain, refusal) &&
           query_bool(request, "dry_run", &options->dry_run, refusal);
}

bool ops_if_match_holds(const struct request *request)
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
    snprintf(reply.location, sizeof reply.location, "/api/v1/labs/%s/ops/%llu", lab_id(lab), (unsigned long long)seq);
    reply.seq = seq;
    return reply;
}

/* The request was answered before: its operation is run once more where it was, for the same answer. */
static struct reply answer_again(struct request *request, const struct post_options *options, uint64_t body_hash,
                                 uint64_t seq)
{
    if (body_hash != options->key.body_hash)
        return reply_say(422, "", "this Idempotency-Key was used with another body");
    request->phase = PHASE_AGAIN;
    request->want = (struct turn_want){ HOLD_RECORDED, request->lab, seq - 1, seq };
    return reply_turn();
}

static struct reply relive_answer(struct request *request, const struct post_options *options)
{
    struct buffer out = { 0 };
    struct one_result one = { &out, options->explain };
    uint64_t seq = request->want.until;
    enum pagoda_error error = request->hold ? lab_relive(request->hold, seq, encode_relived, &one) : request->error;
    if (!error)
        return result_reply(request->lab, seq, out);
    buffer_clear(&out);
    return reply_error(error, NULL);
}

/* With the lab held: what would happen, on a copy. */
static struct reply op_rehearse(const struct lab_hold *hold, const struct op *op, bool explain)
{
    struct machine *copy;
    struct op_result result;
    struct problem why = { 0 };
    struct buffer out = { 0 };
    enum pagoda_error error = host_memory_explain(guard_clone(hold->machine, &copy), &why);
    if (error)
        return reply_error(error, &why);
    machine_record_events(copy, true);
    error = host_memory_explain(guard_apply(copy, op, &result, &why), &why);
    if (!error)
        result_encode(&out, &result, explain, NULL);
    machine_destroy(copy);
    return error ? reply_error(error, &why) : reply_json(200, out);
}

/* With the lab held. */
static struct reply apply_one(const struct request *request, struct lab_hold *hold, const struct op *op,
                              const struct post_options *options)
{
    struct op_result result;
    struct problem why = { 0 };
    if (!ops_if_match_holds(request))
        return reply_say(412, "", "the lab is at operation %llu", (unsigned long long)lab_seq(request->lab));
    if (lab_differs_at(request->lab)) {
        lab_refuse_rules(request->lab, &why);
        return reply_error(PAGODA_ERR_RULES, &why);
    }
    if (options->dry_run)
        return op_rehearse(hold, op, options->explain);
    enum pagoda_error error = lab_apply(hold, op, &options->key, &result, &why);
    struct reply later;
    if (error)
        return reply_after_room(request, error, &later) ? later : reply_error(error, &why);
    struct buffer out = { 0 };
    result_encode(&out, &result, options->explain, NULL);
    struct reply reply = result_reply(request->lab, result.seq, out);
    reply.ticket = hold->ticket;
    return reply;
}

/* With the lab held, so that nobody else brings the key meanwhile. False: *reply says what comes instead. */
static bool op_key_is_new(struct request *request, const struct post_options *options, struct reply *reply)
{
    uint64_t body_hash, seq, ticket;
    const char *key = options->key.key;
    if (!key)
        return true;
    if (lab_key_is_in_flight(request->hold, key, &ticket)) {
        *reply = reply_again(ticket);
        return false;
    }
    enum pagoda_error error = store_find_answered(request->app->store, lab_number(request->lab), key, &body_hash, &seq);
    if (error == PAGODA_ERR_NOT_FOUND)
        return true;
    *reply = error ? reply_error(error, NULL) : answer_again(request, options, body_hash, seq);
    return false;
}

/* Too long for an HTTP thread, perhaps. */
static bool op_is_long(const struct op *op, const struct post_options *options)
{
    const uint64_t most = MIB;
    return options->dry_run || op->size > most || op->length > most || op->new_length > most || op->n > most;
}

static struct reply post_decoded(struct request *request, const struct op *op, const struct post_options *options)
{
    struct reply reply;
    if (request->is_here && op_is_long(op, options))
        return reply_turn();
    return op_key_is_new(request, options, &reply) ? apply_one(request, request->hold, op, options) : reply;
}

static struct reply post_one(struct request *request)
{
    struct op_request decoded;
    struct problem why = { 0 };
    struct post_options options;
    struct reply reply;
    if (!read_post_options(request, &options, &reply))
        return reply;
    if (request->phase == PHASE_AGAIN)
        return relive_answer(request, &options);
    unsigned status = op_decode(request->body.data ? request->body.data : "", request->body.length, &decoded, &why);
    if (status)
        return reply_problem(status, &why);
    reply = request->hold ? post_decoded(request, &decoded.op, &options) : reply_error(request->error, NULL);
    op_request_clear(&decoded);
    return reply;
}

struct reply ops_post(struct app *app, struct request *request)
{
    (void)app;
    return request_is_ndjson(request) ? ops_post_lines(request) : post_one(request);
}
