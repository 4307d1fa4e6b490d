/* GET handlers: vmalloc areas and their frames. */
#include "server/api/api_view.h"

static void put_area(struct view *view, const struct vmalloc_view *area)
{
    struct buffer *out = &view->out;
    uint64_t cursor = 0;
    struct frame_range run;
    put_open(out, '{');
    PUT_HEX64(out, area, start);
    PUT_HEX64(out, area, end);
    PUT_FIELD(out, area, requested);
    PUT_FIELD(out, area, nr_pages);
    PUT_FIELD(out, area, guard_pages);
    put_field_bool(out, "huge", area->page_order > 0);
    put_field_array(out, "flags"); /* the words of /proc/vmallocinfo */
    if (area->nr_pages)
        put_text(out, "vmalloc");
    if (area->has_vpages)
        put_text(out, "vpages");
    put_close(out, ']');
    PUT_FIELD(out, area, state);
    PUT_FIELD(out, area, name);
    PUT_FIELD(out, area, caller);
    PUT_FIELD(out, area, seq);
    put_field_array(out, "frames");
    while (view_next_vmalloc_run(view->machine, area->start, &cursor, &run))
        view_put_frame_range(out, &run);
    put_close(out, ']');
    put_close(out, '}');
}

static bool encode_vmalloc(struct view *view, struct reply *refusal)
{
    (void)refusal;
    uint64_t start, end, nr_lazy_pages, cursor = 0;
    struct vmalloc_view area;
    view_vmalloc_range(view->machine, &start, &end, &nr_lazy_pages);
    view_open(view);
    put_field_hex64(&view->out, "start", start);
    put_field_hex64(&view->out, "end", end);
    put_field_u64(&view->out, "nr_lazy_pages", nr_lazy_pages);
    put_field_array(&view->out, "areas");
    while (view_next_vmalloc(view->machine, &cursor, &area))
        put_area(view, &area);
    put_close(&view->out, ']');
    put_close(&view->out, '}');
    return true;
}

struct reply vmalloc_get(struct app *app, struct request *request)
{
    (void)app;
    return view_reply(request, encode_vmalloc);
}
