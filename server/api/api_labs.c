/* server/api/api_labs.c - labs: listed, made, forked, run again, renamed, deleted. */
#include "server/api/api.h"
#include "server/json/config_json.h"
#include "server/api/idempotency.h"
#include "server/base/guard.h"
#include "server/json/json_value.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* What a comparison found under other rules than today's says nothing about today's. */
static void lab_encode_engine(struct buffer *out, const struct lab_row *row)
{
    bool is_compared = row->rules == machine_rules();
    put_field_object(out, "engine");
    put_field_u64(out, "made", row->made);
    put_field_u64(out, "now", machine_rules());
    put_key(out, "differs_at");
    if (is_compared && row->differs_at)
        put_u64(out, row->differs_at);
    else
        put_null(out);
    put_field_bool(out, "compared", is_compared);
    put_close(out, '}');
}

void lab_encode(struct buffer *out, const struct lab_status *lab, const struct machine *machine)
{
    const struct lab_row *row = lab->row;
    put_open(out, '{');
    put_field_text(out, "id", row->key);
    PUT_FIELD(out, row, name);
    config_encode_fields(out, &row->config);
    put_field_u64(out, "seq", lab->seq);
    bool is_head = machine && machine_seq(machine) == lab->seq; /* else it shows the last moment that is as recorded */
    put_key(out, "now_ns");
    if (is_head)
        put_u64(out, machine_now_ns(machine));
    else
        put_null(out);
    PUT_FIELD(out, row, created);
    lab_encode_engine(out, row);
    put_field_u64(out, "faults", lab->nr_faults);
    put_field_bool(out, "quarantined", lab->is_quarantined);
    if (is_head) {
        char hash[24];
        snprintf(hash, sizeof hash, "0x%016llx", (unsigned long long)machine_hash(machine));
        put_field_text(out, "hash", hash);
    }
    put_close(out, '}');
}

static void list_lab(void *context, const struct lab_status *lab)
{
    lab_encode(context, lab, NULL);
}

struct reply labs_get(struct app *app, struct request *request)
{
    (void)request;
    struct buffer out = { 0 };
    put_open(&out, '{');
    put_field_array(&out, "labs");
    labs_each(app->labs, list_lab, &out);
    put_close(&out, ']');
    put_close(&out, '}');
    return reply_json(200, out);
}

struct lab_picture {
    struct lab_status status;
    const struct machine *machine;
    struct buffer out;
};

static void lab_draw(void *context)
{
    struct lab_picture *picture = context;
    lab_encode(&picture->out, &picture->status, picture->machine);
}

static struct reply lab_reply(struct lab *lab, unsigned status)
{
    struct lab_picture picture = { 0 };
    struct lab_hold hold;
    struct lab_row row;
    enum pagoda_error error = lab_take(lab, &hold);
    if (error && error != PAGODA_ERR_QUARANTINED)
        return reply_error(error, NULL);
    lab_read_row(lab, &row);
    picture.status = (struct lab_status){ &row, row.seq, lab_nr_faults(lab), lab_is_quarantined(lab) };
    if (error) {
        lab_draw(&picture); /* without its machine, which nobody gets */
    } else {
        picture.machine = hold.machine;
        error = guard_run(hold.machine, lab_draw, &picture);
        if (error)
            lab_broke(&hold);
        lab_release(&hold);
        if (error) {
            buffer_clear(&picture.out);
            return reply_error(error, NULL);
        }
    }
    struct reply reply = reply_json(status, picture.out);
    if (status == 201)
        snprintf(reply.location, sizeof reply.location, "/api/v1/labs/%s", lab_key(lab));
    return reply;
}

struct reply lab_show(struct app *app, struct request *request)
{
    (void)app;
    return lab_reply(request->lab, 200);
}

/* What POST /labs and PATCH say about a lab. */
struct lab_wish {
    char name[LAB_NAME_MAX + 1];
    uint64_t at;
    bool has_name, has_at;
    struct machine_config config;
};

static bool wish_name(const json_t *value, struct lab_wish *wish, struct problem *why)
{
    if (!json_is_string(value)) {
        problem_say(why, "name", "name must be a text");
        return false;
    }
    if (json_string_length(value) == 0 || json_string_length(value) > LAB_NAME_MAX) {
        problem_say(why, "name", "name must have 1 to %d bytes", LAB_NAME_MAX);
        return false;
    }
    snprintf(wish->name, sizeof wish->name, "%s", json_string_value(value));
    wish->has_name = true;
    return true;
}

enum wish_kind { WISH_CREATE, WISH_RENAME, WISH_FORK, WISH_RERUN, WISH_WAKE };

static bool wish_field(const char *field, const json_t *value, enum wish_kind kind, struct lab_wish *wish,
                       struct problem *why)
{
    if (strcmp(field, "name") == 0 && kind != WISH_WAKE)
        return wish_name(value, wish, why);
    if (kind == WISH_FORK && strcmp(field, "at") == 0) {
        wish->has_at = true;
        static const struct number_range RANGE = { "at", 0, UINT64_C(1) << 53 };
        return size_decode(value, &RANGE, &wish->at, why);
    }
    if (kind == WISH_CREATE)
        return config_field_decode(field, value, &wish->config, why);
    problem_say(why, field, "there is no field \"%.40s\" here", field);
    return false;
}

/* 0, or a status with *why. */
static unsigned wish_decode(const struct request *request, enum wish_kind kind, struct lab_wish *wish, struct problem *why)
{
    json_t *root, *value;
    const char *field;
    *wish = (struct lab_wish){ 0 };
    unsigned status = json_decode(request->body.data ? request->body.data : "", request->body.length, &root, why);
    if (status)
        return status;
    bool ok = true;
    json_object_foreach(root, field, value)
    {
        ok = wish_field(field, value, kind, wish, why);
        if (!ok)
            break;
    }
    json_decref(root);
    return ok ? 0 : 422;
}

/* A lab that rests after faults is tried once more. */
struct reply lab_wake_post(struct app *app, struct request *request)
{
    (void)app;
    struct lab_wish wish;
    struct problem why = { 0 };
    unsigned status = wish_decode(request, WISH_WAKE, &wish, &why);
    if (status)
        return reply_problem(status, &why);
    lab_forgive(request->lab);
    return lab_reply(request->lab, 200);
}

/* Of two requests with one key at once, the second gets the answer of the first. */
static struct reply new_lab_reply(const struct request *request, const struct lab_request *made, enum pagoda_error error,
                                  struct lab *lab, const struct problem *why)
{
    struct reply reply;
    if (error == PAGODA_ERR_CONFLICT && idempotency_answered(request, &made->answer, 201, &reply))
        return reply;
    if (error)
        return reply_error(error, why);
    reply = lab_reply(lab, 201);
    lab_put(lab);
    return reply;
}

struct reply labs_post(struct app *app, struct request *request)
{
    struct lab_wish wish;
    struct problem why = { 0 };
    struct lab_request made = { .encode = lab_encode };
    struct reply reply;
    unsigned status = wish_decode(request, WISH_CREATE, &wish, &why);
    if (status)
        return reply_problem(status, &why);
    if (!idempotency_read(request, 0, &made.answer, &reply) || idempotency_answered(request, &made.answer, 201, &reply))
        return reply;
    struct lab *lab;
    enum pagoda_error error = lab_create(app->labs, wish.has_name ? wish.name : "lab", &wish.config, &made, &lab, &why);
    return new_lab_reply(request, &made, error, lab, &why);
}

struct reply fork_post(struct app *app, struct request *request)
{
    (void)app;
    struct lab_wish wish;
    struct problem why = { 0 };
    struct lab_request made = { .encode = lab_encode };
    struct reply reply;
    struct lab *parent = request->lab, *lab = NULL;
    unsigned status = wish_decode(request, WISH_FORK, &wish, &why);
    if (status)
        return reply_problem(status, &why);
    if (!idempotency_read(request, lab_id(parent), &made.answer, &reply) ||
        idempotency_answered(request, &made.answer, 201, &reply))
        return reply;
    if (wish.has_at && wish.at > lab_seq(parent))
        return reply_say(422, "at", "the lab has no operation %llu", (unsigned long long)wish.at);
    if (!wish.has_name) {
        struct lab_row row;
        lab_read_row(parent, &row);
        snprintf(wish.name, sizeof wish.name, "%.100s (fork)", row.name);
    }
    struct lab_hold hold;
    struct lab_fork fork;
    enum pagoda_error error = lab_take_past(parent, wish.has_at ? wish.at : lab_seq(parent), &hold);
    if (!error) {
        error = lab_fork_begin(&hold, &fork);
        lab_release(&hold);
    }
    if (!error)
        error = lab_fork_end(&fork, wish.name, &made, &lab);
    return new_lab_reply(request, &made, error, lab, &why);
}

/* What a rerun keeps between its slices. */
struct rerun_progress {
    struct lab_request made;
    struct lab_hold hold; /* of the new lab, which nobody else sees */
    struct lab_rerun *rerun;
};

static enum pagoda_error rerun_publish(struct rerun_progress *progress)
{
    struct lab *lab = progress->hold.lab;
    struct answer *answer = &progress->made.answer;
    struct lab_row row;
    struct buffer text = { 0 };
    lab_read_row(lab, &row);
    lab_encode(&text, &(struct lab_status){ .row = &row, .seq = row.seq }, progress->hold.machine);
    answer->text = buffer_terminate(&text);
    enum pagoda_error error = text.failed ? PAGODA_ERR_NOMEM : lab_publish(&progress->hold, answer->key ? answer : NULL);
    buffer_clear(&text);
    answer->text = NULL;
    return error;
}

/* All of it is shown, or nothing is left of it. */
static struct reply rerun_end(struct request *request, struct rerun_progress *progress, enum pagoda_error error)
{
    struct lab *lab = progress->hold.lab;
    struct lab_request made = progress->made;
    struct problem why = { 0 };
    lab_rerun_end(progress->rerun);
    if (!error)
        error = rerun_publish(progress);
    if (error) {
        enum pagoda_error deleting = lab_delete(&progress->hold, NULL);
        (void)deleting; /* else the next start drops it */
    }
    lab_release(&progress->hold);
    if (error)
        lab_put(lab);
    free(progress);
    request->progress = NULL;
    return new_lab_reply(request, &made, error, lab, &why);
}

static struct reply rerun_step(struct request *request, struct rerun_progress *progress)
{
    bool is_done;
    if (atomic_load(&request->app->connections.are_stopping)) {
        struct reply reply = rerun_end(request, progress, PAGODA_ERR_IO);
        buffer_clear(&reply.body);
        return reply_say(503, "", "pagodad is stopping");
    }
    uint64_t ticket = progress->hold.ticket; /* of the slice before: at most two wait in memory for the log */
    enum pagoda_error error = lab_rerun_step(progress->rerun, &is_done);
    if (error || is_done)
        return rerun_end(request, progress, error);
    return reply_again(ticket);
}

static enum pagoda_error rerun_begin(struct request *request, const char *name, const struct lab_request *made,
                                     struct problem *why)
{
    struct lab *from = request->lab, *lab;
    struct rerun_progress *progress = calloc(1, sizeof *progress);
    enum pagoda_error error = progress ? lab_wait_durable(from, lab_seq(from)) : PAGODA_ERR_NOMEM;
    if (!error)
        error = lab_create_hidden(request->app->labs, name, lab_config(from), &lab, why);
    if (!error) {
        error = lab_take(lab, &progress->hold);
        if (error)
            lab_put(lab);
    }
    if (error) {
        free(progress);
        return error;
    }
    progress->made = *made;
    progress->rerun = lab_rerun_begin(from, &progress->hold);
    request->progress = progress;
    return PAGODA_OK;
}

/* A sibling under today's rules: the same configuration, the same operations. Called once for each slice. */
struct reply rerun_post(struct app *app, struct request *request)
{
    (void)app;
    struct lab_wish wish;
    struct problem why = { 0 };
    struct lab_request made = { .encode = lab_encode };
    struct reply reply;
    struct lab_row row;
    if (request->progress)
        return rerun_step(request, request->progress);
    unsigned status = wish_decode(request, WISH_RERUN, &wish, &why);
    if (status)
        return reply_problem(status, &why);
    if (!idempotency_read(request, lab_id(request->lab), &made.answer, &reply) ||
        idempotency_answered(request, &made.answer, 201, &reply))
        return reply;
    lab_read_row(request->lab, &row);
    if (!wish.has_name)
        snprintf(wish.name, sizeof wish.name, "%.100s (rules %u)", row.name, machine_rules());
    enum pagoda_error error = rerun_begin(request, wish.name, &made, &why);
    if (error)
        return new_lab_reply(request, &made, error, NULL, &why);
    struct rerun_progress *progress = request->progress;
    return progress->rerun ? rerun_step(request, progress) : rerun_end(request, progress, PAGODA_ERR_NOMEM);
}

struct reply lab_patch(struct app *app, struct request *request)
{
    (void)app;
    struct lab_wish wish;
    struct problem why = { 0 };
    unsigned status = wish_decode(request, WISH_RENAME, &wish, &why);
    if (status)
        return reply_problem(status, &why);
    enum pagoda_error error = wish.has_name ? lab_rename(request->lab, wish.name) : PAGODA_OK;
    return error ? reply_error(error, NULL) : lab_reply(request->lab, 200);
}

struct reply lab_missing(const struct request *request)
{
    return reply_say(404, "", "there is no lab %.40s", request->path_values[0]);
}

/* The request's key is one of no lab, since the lab's keys go with the lab. A lab that has gone was perhaps deleted under
 * this key. */
struct reply lab_remove(struct app *app, struct request *request)
{
    (void)app;
    struct answer answer;
    struct reply reply;
    bool is_readable = idempotency_read(request, 0, &answer, &reply);
    if (is_readable && idempotency_answered(request, &answer, 204, &reply))
        return reply;
    if (!request->lab) {
        if (!is_readable)
            buffer_clear(&reply.body);
        return lab_missing(request);
    }
    if (!is_readable)
        return reply;
    answer.text = "deleted";
    struct lab_hold hold;
    enum pagoda_error error = lab_take(request->lab, &hold);
    if (!error) {
        error = lab_delete(&hold, &answer);
        lab_release(&hold);
    }
    return error ? reply_error(error, NULL) : reply_empty(204);
}
