/* server/api/api_view.h - what the GET handlers that show a machine at one moment share. */
#pragma once
#include "pagoda/view.h"
#include "server/api/api.h"

struct view {
    struct request *request;
    const struct machine *machine;
    struct buffer out;
    const char *content_type; /* NULL: JSON */
    char next[24];            /* of a page; empty: the last one */
};

/* The reply that encode writes, for the moment that is asked for.
 * encode  false: *refusal says that the request asks for something that is not there. */
struct reply view_reply(struct request *request, bool (*encode)(struct view *view, struct reply *refusal));
/* Looks at ?rules=, of an answer about one moment. False: it is another revision than today's; *refusal says so. */
bool view_query_rules(const struct request *request, struct reply *refusal);
/* The Cache-Control of an answer about a moment.
 * is_fixed  the URL names the moment, so that only other rules could change the answer. */
const char *view_cache_control(const struct request *request, bool is_fixed);
void view_open(struct view *view); /* opens the answer's object with "seq" */
bool view_find_process(const struct view *view, uint32_t *pid, struct reply *refusal);            /* {pid} of the path */
bool view_query_address(const struct request *request, uint64_t *address, struct reply *refusal); /* ?address=, needed */
void view_put_kind_counts(struct buffer *out, const char *key, const uint64_t counts[NR_FRAME_KINDS]);
void view_put_frame_range(struct buffer *out, const struct frame_range *run);
