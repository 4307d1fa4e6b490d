/* server/api/api_view.h - what the GET handlers that show a machine at one moment share. */
#pragma once
#include "pagoda/view.h"
#include "server/api/api.h"

/* Where the next page of a list begins: "next" in the answer, and a Link. */
struct page_next {
    const char *parameter; /* that takes it; NULL: this is no list */
    char text[24];         /* empty: this was the last page */
};

struct view {
    struct request *request;
    const struct machine *machine;
    struct buffer out;
    const char *content_type; /* NULL: JSON */
    struct page_next next;
};

/* One page of a list that may be long. */
struct view_page {
    const char *key;
    const char *parameter; /* that takes the cursor; NULL: "next" */
    uint64_t cursor;       /* of the first item */
    uint64_t limit;        /* items at most */
    uint32_t pid;          /* for put; whose list */
    bool with_past;        /* for put: also what was there before operation 1 */
    bool is_hex;           /* cursors are addresses: "next" is one, too */
    /* Moves *cursor over the next item and writes it to out; NULL: nobody wants to see it. False: there is none. */
    bool (*put)(const struct view *view, const struct view_page *page, uint64_t *cursor, struct buffer *out);
};

/* The reply that encode writes, for the moment that is asked for. Of a ROUTE_VIEW.
 * encode  false: *refusal says that the request asks for something that is not there. */
struct reply view_reply(struct request *request, bool (*encode)(struct view *view, struct reply *refusal));
/* Looks at ?rules=, of an answer about one moment. False: it is another revision than today's; *refusal says so. */
bool view_query_rules(const struct request *request, struct reply *refusal);
/* The Cache-Control of an answer about a moment.
 * is_fixed  the URL names the moment, so that only other rules could change the answer. */
const char *view_cache_control(const struct request *request, bool is_fixed);
/* Gives the reply the ETag of an answer about operation or moment seq. True: the client has that answer.
 * what  tells kinds of answers apart. */
bool view_is_known(const struct request *request, const char *what, uint64_t seq, struct reply *reply);
void view_open(struct view *view); /* opens the answer's object with "seq" */
bool view_find_process(const struct view *view, uint32_t *pid, struct reply *refusal);            /* {pid} of the path */
bool view_query_address(const struct request *request, uint64_t *address, struct reply *refusal); /* ?address=, needed */
/* Reads ?next= and ?limit=, which is page->limit at most and by default. False: *refusal says what is wrong. */
bool view_query_page(const struct view *view, struct view_page *page, struct reply *refusal);
/* The items, then "next": where the next page begins; null, when this is the last. */
void view_put_page(struct view *view, const struct view_page *page);
/* Of any list, with these two its page ends: "next", and a Link that keeps the request's other parameters. */
void page_put_next(struct buffer *out, const struct page_next *next);
void page_link_next(const struct request *request, const struct page_next *next, struct reply *reply);
void view_put_kind_counts(struct buffer *out, const char *key, const uint64_t counts[NR_FRAME_KINDS]);
void view_put_frame_range(struct buffer *out, const struct frame_range *run);
/* Where the area starts whose page pointers something holds; 0 becomes null. */
void view_put_page_array_of(struct buffer *out, uint64_t start);
void view_put_allocation(const struct view *view, const struct allocation_view *allocation, struct buffer *out);
