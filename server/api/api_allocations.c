/* GET handlers: live allocations of every allocator. */
#include "server/api/api_view.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RUNS_PER_ALLOCATION 64

static void put_names(struct buffer *out, const struct allocation_view *allocation)
{
    bool has_site = allocation->call_site && allocation->call_site[0];
    put_field_text(out, "name", allocation->is_handle ? allocation->name : NULL);
    put_field_text(out, "call_site", has_site ? allocation->call_site : NULL);
}

static void allocations_put_one(struct view *view, const struct allocation_view *allocation)
{
    struct buffer *out = &view->out;
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

static bool encode_allocations(struct view *view, struct reply *refusal)
{
    uint64_t cursor = 0, limit = 1000;
    struct allocation_view allocation;
    if (!query_u64(view->request, "next", 0, INT64_MAX, &cursor, refusal) ||
        !query_u64(view->request, "limit", 1, 1000, &limit, refusal))
        return false;
    view_open(view);
    put_field_array(&view->out, "allocations");
    bool is_there = true;
    while (limit > 0 && (is_there = view_next_allocation(view->machine, &cursor, &allocation))) {
        allocations_put_one(view, &allocation);
        limit--;
    }
    put_close(&view->out, ']');
    uint64_t beyond = cursor;
    if (is_there && view_next_allocation(view->machine, &beyond, &allocation))
        snprintf(view->next, sizeof view->next, "%llu", (unsigned long long)cursor);
    put_field_text(&view->out, "next", view->next[0] ? view->next : NULL);
    put_close(&view->out, '}');
    return true;
}

struct reply allocations_get(struct app *app, struct request *request)
{
    (void)app;
    return view_reply(request, encode_allocations);
}
