/* GET handlers: live allocations of every allocator, and the one that holds an address. */
#include "server/api/api_view.h"

#define RUNS_PER_ALLOCATION 64

static void put_names(struct buffer *out, const struct allocation_view *allocation)
{
    bool has_site = allocation->call_site && allocation->call_site[0];
    put_field_text(out, "name", allocation->is_named ? allocation->name : NULL);
    put_field_text(out, "call_site", has_site ? allocation->call_site : NULL);
}

void view_put_allocation(const struct view *view, const struct allocation_view *allocation, struct buffer *out)
{
    uint64_t cursor = 0;
    struct frame_range run;
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
    put_field_array(out, "frames");
    for (int i = 0; i < RUNS_PER_ALLOCATION &&
                    view_next_allocation_run(view->machine, allocation->address, allocation->pid, &cursor, &run);
         i++)
        view_put_frame_range(out, &run);
    put_close(out, ']');
    put_close(out, '}');
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
        view_put_allocation(view, &allocation, out);
    return true;
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
