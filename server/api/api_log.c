/* server/api/api_log.c - what the log holds: operations in pages, and one with all that it did. */
#include "server/api/api_ops.h"
#include "server/api/api_view.h"
#include "server/api/export_reply.h"
#include "server/base/number.h"
#include "server/export/entry_json.h"
#include "server/json/result_json.h"

#include <stdio.h>
#include <string.h>

#define LIST_LIMIT 1000u
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
    reply = reply_json(200, full.out);
    reply.cache_control = view_cache_control(request, !differs_at || seq < differs_at);
    return reply;
}
