/* server/api/api_log.c - what the log holds: operations in pages, and one with all that it did. */
#include "server/api/api_ops.h"
#include "server/api/api_view.h"
#include "server/api/export_reply.h"
#include "server/base/clock.h"
#include "server/base/number.h"
#include "server/export/entry_json.h"
#include "server/json/result_json.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LIST_LIMIT 1000u
#define SCAN_MAX 100000u /* operations that one page of ?op= looks at */

/* A page that is being read from the log. */
struct listing {
    struct buffer out;
    uint64_t last_seq, deadline_ns;
    uint32_t left, scan;
    bool is_cut;      /* at the deadline: there may be more */
    const char *only; /* name of the one operation that is listed; NULL: all */
};

static void listing_drop(void *progress)
{
    struct listing *listing = progress;
    buffer_clear(&listing->out);
    free(listing);
}

static bool list_entry(void *context, const struct log_entry *entry)
{
    struct listing *listing = context;
    listing->last_seq = entry->seq;
    listing->scan--;
    if (!listing->only || strcmp(op_info(entry->op.kind)->name, listing->only) == 0) {
        entry_encode(&listing->out, entry);
        listing->left--;
    }
    listing->is_cut = clock_ns() >= listing->deadline_ns;
    return listing->left && listing->scan && !listing->is_cut;
}

static bool is_op_name(const char *name)
{
    for (unsigned kind = 0; kind < NR_OPS; kind++)
        if (strcmp(op_info((enum op_kind)kind)->name, name) == 0)
            return true;
    return false;
}

static struct reply listing_end(const struct request *request, struct listing *listing)
{
    struct page_next next = { .parameter = "from" };
    if ((!listing->left || !listing->scan) && listing->last_seq < lab_durable_seq(request->lab))
        snprintf(next.text, sizeof next.text, "%llu", (unsigned long long)listing->last_seq + 1);
    put_close(&listing->out, ']');
    page_put_next(&listing->out, &next);
    put_close(&listing->out, '}');
    struct reply reply = reply_json(200, listing->out);
    listing->out = (struct buffer){ 0 };
    page_link_next(request, &next, &reply);
    return reply;
}

/* Once for each slice. */
static struct reply listing_go_on(const struct request *request, struct listing *listing)
{
    listing->deadline_ns = clock_ns() + TURN_NS;
    listing->is_cut = false;
    enum pagoda_error error = store_read_ops(request->app->store, lab_number(request->lab), listing->last_seq + 1,
                                             lab_durable_seq(request->lab), list_entry, listing);
    if (error)
        return reply_error(error, NULL);
    return listing->is_cut && listing->left && listing->scan ? reply_turn() : listing_end(request, listing);
}

struct reply ops_get(struct app *app, struct request *request)
{
    (void)app;
    uint64_t from = 1, limit = 100;
    struct reply reply;
    if (request_accepts(request, "application/x-ndjson"))
        return export_reply(request, &EXPORT_LOG);
    if (request->progress)
        return listing_go_on(request, request->progress);
    if (!query_u64(request, "from", 0, INT64_MAX, &from, &reply) ||
        !query_u64(request, "limit", 1, LIST_LIMIT, &limit, &reply))
        return reply;
    const char *only = query_text(request, "op");
    if (only && !is_op_name(only))
        return reply_say(422, "op", "there is no operation of that name");
    struct listing *listing = calloc(1, sizeof *listing);
    if (!listing)
        return reply_error(PAGODA_ERR_NOMEM, NULL);
    request->progress = listing;
    request->drop = listing_drop;
    *listing = (struct listing){ .last_seq = from ? from - 1 : 0, .left = (uint32_t)limit, .scan = SCAN_MAX, .only = only };
    put_open(&listing->out, '{');
    put_field_array(&listing->out, "ops");
    return listing_go_on(request, listing);
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

/* The first turn: which operation. True: *reply asks for the lab just before it, or refuses. */
static bool op_find(struct request *request, struct reply *reply)
{
    uint64_t seq;
    const char *text = request->path_values[1];
    if (request->hold || request->error)
        return false;
    if (!size_parse(text, strlen(text), &seq) || seq == 0 || seq > lab_seq(request->lab)) {
        *reply = reply_say(404, "", "the lab has no operation %.40s", text);
    } else {
        request->want = (struct turn_want){ HOLD_RECORDED, request->lab, seq - 1, seq };
        *reply = reply_turn();
    }
    return true;
}

struct reply op_get(struct app *app, struct request *request)
{
    (void)app;
    struct full_result full = { 0 };
    struct reply reply;
    if (!query_bool(request, "explain", &full.explain, &reply) || !view_query_rules(request, &reply) ||
        op_find(request, &reply))
        return reply;
    uint64_t seq = request->want.until, differs_at = lab_differs_at(request->lab);
    enum pagoda_error error = request->hold ? lab_relive(request->hold, seq, encode_full, &full) : request->error;
    if (error || !full.is_there) {
        buffer_clear(&full.out);
        return reply_error(error ? error : PAGODA_ERR_NOT_FOUND, NULL);
    }
    struct reply known = reply_empty(304);
    bool is_known = view_is_known(request, "op", seq, &known);
    if (is_known)
        buffer_clear(&full.out);
    reply = is_known ? known : reply_json(200, full.out);
    memcpy(reply.etag, known.etag, sizeof reply.etag);
    reply.cache_control = view_cache_control(request, !differs_at || seq < differs_at);
    return reply;
}
