/* GET handlers: live allocations of every allocator, and the one that holds an address. */
#include "server/api/api_view.h"

#define RUNS_IN_LIST 64
#define RUNS_OF_ONE 65536

static void put_names(struct buffer *out, const struct allocation_view *allocation)
{
    bool has_site = allocation->call_site && allocation->call_site[0];
    put_field_text(out, "name", allocation->is_named ? allocation->name : NULL);
    put_field_text(out, "call_site", has_site ? allocation->call_site : NULL);
}

/* Its runs of frames, so many at most; and whether there are more. */
static void put_runs(const struct view *view, const struct allocation_view *allocation, uint32_t most, struct buffer *out)
{
    uint64_t cursor = 0;
    struct frame_range run;
    bool has_more = true;
    put_field_array(out, "frames");
    for (uint32_t i = 0;
         (has_more = view_next_allocation_run(view->machine, allocation->address, allocation->pid, &cursor, &run)) &&
         i < most;
         i++)
        view_put_frame_range(out, &run);
    put_close(out, ']');
    put_field_bool(out, "frames_cut", has_more);
}

static void put_allocation(const struct view *view, const struct allocation_view *allocation, uint32_t nr_runs,
                           struct buffer *out)
{
    put_open(out, '{');
    PUT_FIELD(out, allocation, seq);
    put_field_text(out, "op", op_info(allocation->op)->name);
    PUT_HEX64(out, allocation, address);
    PUT_FIELD(out, allocation, requested);
    PUT_FIELD(out, allocation, allocated);
    PUT_FIELD(out, allocation, release);
    put_names(out, allocation);
    put_field_text(out, "cache", allocation->cache && allocation->cache[0] ? allocation->cache : NULL);
    PUT_FIELD(out, allocation, pid);
    PUT_FIELD(out, allocation, nr_frames);
    PUT_FIELD(out, allocation, order);
    put_runs(view, allocation, nr_runs, out);
    put_close(out, '}');
}

void view_put_allocation(const struct view *view, const struct allocation_view *allocation, struct buffer *out)
{
    put_allocation(view, allocation, RUNS_OF_ONE, out);
}

static bool allocations_put_next(const struct view *view, const struct view_page *page, uint64_t *cursor,
                                 struct buffer *out)
{
    struct allocation_view allocation;
    do {
        if (!view_next_allocation(view->machine, cursor, &allocation))
            return false;
    } while (!allocation.seq && !page->with_past);
    if (out)
        put_allocation(view, &allocation, RUNS_IN_LIST, out);
    return true;
}

void view_put_page_array_of(struct buffer *out, uint64_t start)
{
    put_key(out, "page_array_of");
    if (start)
        put_hex64(out, start);
    else
        put_null(out);
}

/* With ?address=: the one that holds it, as a list of one, or of none. */
static bool encode_allocation_at(struct view *view, struct reply *refusal)
{
    uint64_t address, pid = 0;
    struct allocation_view allocation;
    if (!view_query_address(view->request, &address, refusal) ||
        !query_u64(view->request, "pid", 0, UINT32_MAX, &pid, refusal))
        return false;
    view_open(view);
    put_field_array(&view->out, "allocations");
    if (view_find_allocation(view->machine, (uint32_t)pid, address, &allocation))
        view_put_allocation(view, &allocation, &view->out);
    put_close(&view->out, ']');
    view_put_page_array_of(&view->out, pid ? 0 : view_page_array_of(view->machine, address));
    page_put_next(&view->out, &view->next);
    put_close(&view->out, '}');
    return true;
}

static bool encode_allocations(struct view *view, struct reply *refusal)
{
    if (query_text(view->request, "address") || query_text(view->request, "pid"))
        return encode_allocation_at(view, refusal);
    struct view_page page = { .key = "allocations", .limit = 1000, .put = allocations_put_next };
    if (!query_bool(view->request, "past", &page.with_past, refusal) || !view_query_page(view, &page, refusal))
        return false;
    view_open(view);
    view_put_page(view, &page);
    put_close(&view->out, '}');
    return true;
}

struct reply allocations_get(struct app *app, struct request *request)
{
    (void)app;
    return view_reply(request, encode_allocations);
}
