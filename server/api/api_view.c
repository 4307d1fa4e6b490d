/* What the GET handlers that show a machine at one moment share.
 *
 * All go through view_reply(), with the lab at the moment that is asked for (?at=, else the head). It answers 304 when the
 * caller has that moment already, and hands the machine to a function that writes JSON. */
#include "server/api/api_view.h"
#include "server/base/number.h"

#include <stdio.h>
#include <string.h>

void view_open(struct view *view)
{
    put_open(&view->out, '{');
    put_field_u64(&view->out, "seq", machine_seq(view->machine));
}

bool view_query_page(const struct view *view, struct view_page *page, struct reply *refusal)
{
    return query_u64(view->request, "next", 0, INT64_MAX, &page->cursor, refusal) &&
           query_u64(view->request, "limit", 1, page->limit, &page->limit, refusal);
}

void page_put_next(struct buffer *out, const struct page_next *next)
{
    put_field_text(out, "next", next->text[0] ? next->text : NULL);
}

struct link_text {
    const struct page_next *next;
    char text[80];
    size_t length;
};

/* Parameters of the lists are words and numbers; what is neither is no part of a link. */
static enum MHD_Result link_add_parameter(void *context, enum MHD_ValueKind kind, const char *key, const char *value)
{
    (void)kind;
    static const char PLAIN[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_";
    struct link_text *link = context;
    size_t room = sizeof link->text - link->length;
    if (!value || strcmp(key, link->next->parameter) == 0 || value[strspn(value, PLAIN)] || key[strspn(key, PLAIN)])
        return MHD_YES;
    int nr = snprintf(link->text + link->length, room, "&%s=%s", key, value);
    if (nr > 0 && (size_t)nr < room)
        link->length += (size_t)nr;
    link->text[link->length] = '\0';
    return MHD_YES;
}

void page_link_next(const struct request *request, const struct page_next *next, struct reply *reply)
{
    struct link_text link = { .next = next };
    if (!next->parameter || !next->text[0])
        return;
    MHD_get_connection_values(request->connection.mhd, MHD_GET_ARGUMENT_KIND, link_add_parameter, &link);
    snprintf(reply->link, sizeof reply->link, "<%.80s?%s=%s%s>; rel=\"next\"", request->url, next->parameter, next->text,
             link.text);
}

void view_put_page(struct view *view, const struct view_page *page)
{
    uint64_t cursor = page->cursor, left = page->limit;
    bool has_more = true;
    put_field_array(&view->out, page->key);
    for (; left && (has_more = page->put(view, page, &cursor, &view->out)); left--)
        ;
    put_close(&view->out, ']');
    uint64_t beyond = cursor;
    struct page_next *next = &view->next;
    next->parameter = page->parameter ? page->parameter : "next";
    if (has_more && page->put(view, page, &beyond, NULL))
        snprintf(next->text, sizeof next->text, page->is_hex ? "0x%llx" : "%llu", (unsigned long long)cursor);
    page_put_next(&view->out, next);
}

static struct reply view_finish(struct view *view, const struct reply *base)
{
    struct reply reply = reply_json(200, view->out);
    if (view->content_type && reply.status == 200)
        reply.content_type = view->content_type;
    reply.cache_control = base->cache_control;
    memcpy(reply.etag, base->etag, sizeof reply.etag);
    reply.seq = base->seq;
    page_link_next(view->request, &view->next, &reply);
    return reply;
}

/* What is told apart by Accept needs tags of its own. */
static const char *representation(const struct request *request)
{
    static const struct {
        const char *type, *suffix;
    } KNOWN[] = {
        { "application/vnd.linux.kpageflags", "-kpageflags" },
        { "application/vnd.linux.kpagecount", "-kpagecount" },
        { "application/octet-stream", "-raw" },
    };
    for (size_t i = 0; i < sizeof KNOWN / sizeof KNOWN[0]; i++)
        if (request_accepts(request, KNOWN[i].type))
            return KNOWN[i].suffix;
    return "";
}

static struct reply view_refuse(const struct lab *lab, enum pagoda_error error)
{
    struct problem why = { 0 };
    if (error != PAGODA_ERR_RULES)
        return reply_error(error, NULL);
    problem_say(&why, "",
                "operation %llu was recorded under other rules and has another result today: the lab can be shown up to "
                "operation %llu; POST /labs/%s/rerun makes one under today's rules",
                (unsigned long long)lab_differs_at(lab), (unsigned long long)lab_differs_at(lab) - 1, lab_id(lab));
    return reply_error(error, &why);
}

/* rules=N says which rules the caller takes the answer to be of. Those of today make an answer that never changes; others
 * would be kept for a year as what they are not, so they are refused. */
bool view_query_rules(const struct request *request, struct reply *refusal)
{
    uint64_t rules = machine_rules();
    if (!query_u64(request, "rules", 0, UINT32_MAX, &rules, refusal))
        return false;
    if (rules == machine_rules())
        return true;
    *refusal =
        reply_say(422, "rules", "this pagodad answers by rules revision %u (engine.now of the lab)", machine_rules());
    return false;
}

const char *view_cache_control(const struct request *request, bool is_fixed)
{
    return !is_fixed                      ? "no-cache"
           : query_text(request, "rules") ? "private, max-age=31536000, immutable"
                                          : "private, no-cache";
}

bool view_is_known(const struct request *request, const char *what, uint64_t seq, struct reply *reply)
{
    snprintf(reply->etag, sizeof reply->etag, "\"%s-%s%llu-r%u%s\"", lab_id(request->lab), what, (unsigned long long)seq,
             machine_rules(), representation(request));
    return etag_matches(request, reply->etag);
}

/* The number of a moment that is not on disk yet may come to stand for another one: nobody may keep such an answer. */
static bool view_is_lasting(const struct lab_hold *hold)
{
    return hold->past || hold->seq <= lab_durable_seq(hold->lab);
}

static struct reply view_show(struct request *request, bool (*encode)(struct view *view, struct reply *refusal))
{
    const struct lab_hold *hold = request->hold;
    struct reply base = reply_empty(304);
    struct view view = { .request = request, .machine = hold->machine };
    bool is_known = false;
    base.seq = hold->seq;
    if (view_is_lasting(hold)) {
        base.cache_control = view_cache_control(request, query_text(request, "at") != NULL);
        is_known = view_is_known(request, "", base.seq, &base);
    }
    if (!is_known && encode(&view, &base))
        return view_finish(&view, &base);
    buffer_clear(&view.out);
    return base;
}

struct reply view_reply(struct request *request, bool (*encode)(struct view *view, struct reply *refusal))
{
    const struct lab_hold *hold = request->hold;
    struct turn_want *want = &request->want;
    bool is_fixed = query_text(request, "at") != NULL;
    struct reply refusal;
    if (!view_query_rules(request, &refusal))
        return refusal;
    if (!hold)
        return view_refuse(request->lab, request->error);
    if (is_fixed && hold->seq < want->at) /* the head cannot be shown */
        return view_refuse(request->lab, PAGODA_ERR_RULES);
    if (is_fixed && hold->seq > want->at) { /* it has moved on since */
        want->hold = HOLD_PAST;
        return reply_turn();
    }
    return view_show(request, encode);
}

void view_put_kind_counts(struct buffer *out, const char *key, const uint64_t counts[NR_FRAME_KINDS])
{
    put_field_object(out, key);
    for (unsigned i = 0; i < NR_FRAME_KINDS; i++)
        if (i != FRAME_NONE)
            put_field_u64(out, frame_kind_name((enum frame_kind)i), counts[i]);
    put_close(out, '}');
}

void view_put_frame_range(struct buffer *out, const struct frame_range *run)
{
    put_open(out, '{');
    PUT_FIELD(out, run, pfn);
    PUT_FIELD(out, run, count);
    put_close(out, '}');
}

bool view_query_address(const struct request *request, uint64_t *address, struct reply *refusal)
{
    const char *text = query_text(request, "address");
    if (text && address_parse(text, strlen(text), address))
        return true;
    *refusal = reply_say(422, "address", "address must be %s, such as 0xffff888000000000", text ? "hexadecimal" : "given");
    return false;
}

bool view_find_process(const struct view *view, uint32_t *pid, struct reply *refusal)
{
    const char *text = view->request->path_values[1];
    uint64_t wanted, cursor = 0;
    struct process_view process;
    if (size_parse(text, strlen(text), &wanted))
        while (view_next_process(view->machine, &cursor, &process))
            if (process.pid == wanted) {
                *pid = process.pid;
                return true;
            }
    *refusal = reply_say(404, "", "there is no process %.40s", text);
    return false;
}
