/* server/api/api_labs.c - labs: listed, made, forked, renamed, deleted. */
#include "server/api/api_labs.h"
#include "server/json/boot_line.h"
#include "server/json/config_json.h"

#include <stdio.h>
#include <stdlib.h>

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
    put_field_text(out, "id", row->id);
    PUT_FIELD(out, row, name);
    config_encode_fields(out, &row->config);
    if (row->config.profile != PROFILE_CLASSIC) {
        put_key(out, "boot");
        boot_line_encode(out, &row->config);
    }
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

struct reply lab_show(struct app *app, struct request *request)
{
    (void)app;
    struct lab *lab = request->lab;
    struct buffer out = { 0 };
    struct lab_row row;
    if (!request->hold && request->error != PAGODA_ERR_QUARANTINED)
        return reply_error(request->error, NULL);
    lab_read_row(lab, &row);
    lab_encode(&out, &(struct lab_status){ &row, row.seq, lab_nr_faults(lab), lab_is_quarantined(lab) },
               request->hold ? request->hold->machine : NULL); /* of a lab that rests nobody gets the machine */
    return reply_json(200, out);
}

/* ---- new labs ---- */

struct reply birth_error(const struct request *request, const struct lab_request *made, enum pagoda_error error,
                         const struct problem *why)
{
    struct reply reply; /* of two requests with one key at once, the second gets the answer of the first */
    if (error == PAGODA_ERR_CONFLICT && idempotency_answered(request, &made->answer, 201, &reply))
        return reply;
    return reply_error(error, why);
}

struct reply birth_reply(struct request *request, const struct lab_request *made)
{
    struct lab *lab;
    enum pagoda_error error = lab_change_end(&request->change, request->error, &lab);
    if (error)
        return birth_error(request, made, error, NULL);
    struct reply reply = reply_json(201, request->change.text);
    request->change.text = (struct buffer){ 0 };
    snprintf(reply.location, sizeof reply.location, "/api/v1/labs/%s", lab_id(request->change.lab));
    if (lab)
        lab_put(lab);
    return reply;
}

struct birth *birth_begin(struct request *request, enum wish_kind kind, size_t nr_bytes, struct reply *reply)
{
    struct problem why = { 0 };
    struct birth *birth = calloc(1, nr_bytes);
    if (!birth) {
        *reply = reply_error(PAGODA_ERR_NOMEM, NULL);
        return NULL;
    }
    request->progress = birth;
    request->drop = free;
    birth->made.encode = lab_encode;
    unsigned status = wish_decode(request, kind, &birth->wish, &why);
    if (status) {
        *reply = reply_problem(status, &why);
        return NULL;
    }
    bool is_new = idempotency_read(request, request->lab ? lab_number(request->lab) : 0, &birth->made.answer, reply) &&
                  !idempotency_answered(request, &birth->made.answer, 201, reply);
    return is_new ? birth : NULL;
}

enum { CREATE_ASKED, CREATE_STORED };

struct reply labs_post(struct app *app, struct request *request)
{
    struct reply reply;
    struct problem why = { 0 };
    struct birth *birth = request->progress;
    if (request->phase == CREATE_STORED)
        return birth_reply(request, &birth->made);
    if (!birth)
        birth = birth_begin(request, WISH_CREATE, sizeof *birth, &reply);
    if (!birth)
        return reply;
    const struct lab_wish *wish = &birth->wish;
    enum pagoda_error error = lab_begin_create(app->labs, wish->has_name ? wish->name : "lab", &wish->config, false,
                                               &birth->made, &request->change, &why);
    if (reply_after_room(request, error, &reply))
        return reply;
    request->phase = CREATE_STORED;
    return error ? birth_error(request, &birth->made, error, &why) : reply_after_change();
}

enum { FORK_ASKED, FORK_HELD, FORK_STORED };

/* The parent is needed at the moment where the fork leaves. */
static struct reply fork_ask(struct request *request, struct birth *birth)
{
    struct lab *parent = request->lab;
    struct lab_wish *wish = &birth->wish;
    if (wish->has_at && wish->at > lab_seq(parent))
        return reply_say(422, "at", "the lab has no operation %llu", (unsigned long long)wish->at);
    if (!wish->has_name) {
        struct lab_row row;
        lab_read_row(parent, &row);
        snprintf(wish->name, sizeof wish->name, "%.100s (fork)", row.name);
    }
    request->phase = FORK_HELD;
    request->want = (struct turn_want){ HOLD_PAST, parent, wish->has_at ? wish->at : lab_seq(parent), 0 };
    return reply_turn();
}

static struct reply fork_begin(struct request *request, const struct birth *birth)
{
    enum pagoda_error error = request->error;
    struct reply reply;
    if (request->hold)
        error = lab_begin_fork(request->hold, birth->wish.name, &birth->made, &request->change);
    if (reply_after_room(request, error, &reply))
        return reply;
    if (error)
        return birth_error(request, &birth->made, error, NULL);
    request->phase = FORK_STORED;
    request->want = (struct turn_want){ HOLD_NONE, NULL, 0, 0 };
    return reply_after_change();
}

struct reply fork_post(struct app *app, struct request *request)
{
    (void)app;
    struct reply reply;
    struct birth *birth = request->progress;
    if (request->phase == FORK_HELD)
        return fork_begin(request, birth);
    if (request->phase == FORK_STORED)
        return birth_reply(request, &birth->made);
    birth = birth_begin(request, WISH_FORK, sizeof *birth, &reply);
    return birth ? fork_ask(request, birth) : reply;
}

/* ---- an old one renamed, deleted ---- */

enum { CHANGE_ASKED, CHANGE_HELD, CHANGE_STORED, CHANGE_SHOWN };

/* A lab that rests after faults is tried once more. */
struct reply lab_wake_post(struct app *app, struct request *request)
{
    struct lab_wish wish;
    struct problem why = { 0 };
    if (request->phase == CHANGE_SHOWN)
        return lab_show(app, request);
    unsigned status = wish_decode(request, WISH_WAKE, &wish, &why);
    if (status)
        return reply_problem(status, &why);
    lab_forgive(request->lab);
    request->phase = CHANGE_SHOWN;
    request->want = (struct turn_want){ HOLD_PRESENT, request->lab, 0, 0 };
    return reply_turn();
}

static struct reply patch_end(struct request *request)
{
    struct lab *none;
    enum pagoda_error error = lab_change_end(&request->change, request->error, &none);
    if (error)
        return reply_error(error, NULL);
    request->phase = CHANGE_SHOWN;
    request->want = (struct turn_want){ HOLD_PRESENT, request->lab, 0, 0 };
    return reply_turn();
}

struct reply lab_patch(struct app *app, struct request *request)
{
    struct lab_wish wish;
    struct problem why = { 0 };
    if (request->phase == CHANGE_SHOWN)
        return lab_show(app, request);
    if (request->phase == CHANGE_STORED)
        return patch_end(request);
    unsigned status = wish_decode(request, WISH_RENAME, &wish, &why);
    if (status)
        return reply_problem(status, &why);
    if (wish.has_name) {
        request->phase = CHANGE_STORED;
        lab_begin_rename(request->lab, wish.name, &request->change);
        return reply_after_change();
    }
    request->phase = CHANGE_SHOWN;
    request->want = (struct turn_want){ HOLD_PRESENT, request->lab, 0, 0 };
    return reply_turn();
}

struct reply lab_missing(const struct request *request)
{
    return reply_say(404, "", "there is no lab %.40s", request->path_values[0]);
}

/* The lab's own queue comes first, so that no operation is under way. One that cannot be woken takes none. */
static struct reply remove_begin(struct request *request)
{
    struct answer answer;
    struct reply reply;
    if (!idempotency_read(request, 0, &answer, &reply))
        return reply;
    answer.text = "deleted";
    lab_begin_delete(request->lab, &answer, &request->change);
    request->phase = CHANGE_STORED;
    request->want = (struct turn_want){ HOLD_NONE, NULL, 0, 0 };
    return reply_after_change();
}

static struct reply remove_end(struct request *request)
{
    struct lab *none;
    enum pagoda_error error = lab_change_end(&request->change, request->error, &none);
    return error ? reply_error(error, NULL) : reply_empty(204);
}

/* The request's key is one of no lab, since the lab's keys go with the lab. A lab that has gone was perhaps deleted under
 * this key. */
struct reply lab_remove(struct app *app, struct request *request)
{
    (void)app;
    struct answer answer;
    struct reply reply;
    if (request->phase != CHANGE_ASKED)
        return request->phase == CHANGE_HELD ? remove_begin(request) : remove_end(request);
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
    request->phase = CHANGE_HELD;
    request->want = (struct turn_want){ HOLD_PRESENT, request->lab, 0, 0 };
    return reply_turn();
}
