/* server/api/api_ops.c - one operation, and its rehearsal on a copy. */
#include "server/api/api_ops.h"
#include "server/api/api_view.h"
#include "server/api/idempotency.h"
#include "server/base/host_memory.h"
#include "server/json/op_json.h"
#include "server/json/result_json.h"

#include <stdio.h>
#include <string.h>

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
    snprintf(reply.location, sizeof reply.location, "/api/v1/labs/%s/ops/%llu", lab_key(lab), (unsigned long long)seq);
    reply.seq = seq;
    return reply;
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
        error = ops_relive(request->lab, seq, encode_relived, &one);
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
    enum pagoda_error error = host_memory_explain(machine_clone(hold->machine, &copy), &why);
    if (error)
        return reply_error(error, &why);
    machine_record_events(copy, true);
    error = host_memory_explain(machine_apply(copy, op, &result, &why), &why);
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
    if (!ops_if_match_holds(request))
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

struct reply ops_post(struct app *app, struct request *request)
{
    (void)app;
    return request_is_ndjson(request) ? ops_post_lines(request) : post_one(request);
}
