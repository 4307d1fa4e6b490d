/* GET handlers: what an address leads to: page-table walks and bytes. */
#include "server/api_view.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MEMORY_MAX 65536u /* bytes of one /memory */

static bool encode_translate(struct view *view, struct reply *refusal)
{
    struct buffer *out = &view->out;
    uint64_t address, pid = 0;
    struct translation walk;
    if (!view_query_address(view->request, &address, refusal) || !query_u64(view->request, "pid", 0, UINT32_MAX, &pid, refusal))
        return false;
    view_translate(view->machine, address, (uint32_t)pid, &walk);
    view_open(view);
    put_field_hex64(out, "address", address);
    put_field_bool(out, "present", walk.present);
    put_field_u64(out, "pfn", walk.pfn);
    put_field_u64(out, "offset", walk.offset);
    put_key(out, "physical");
    if (walk.present)
        put_hex64(out, ((uint64_t)walk.pfn << PAGE_SHIFT) + walk.offset);
    else
        put_null(out);
    put_field_text(out, "region", walk.region);
    put_field_array(out, "levels");
    for (uint32_t i = 0; i < walk.nr_levels; i++) {
        put_open(out, '{');
        put_field_text(out, "name", walk.levels[i].name);
        put_field_u64(out, "index", walk.levels[i].index);
        put_field_u64(out, "table_pfn", walk.levels[i].table_pfn);
        put_field_hex64(out, "entry", walk.levels[i].entry);
        put_close(out, '}');
    }
    put_close(out, ']');
    put_close(out, '}');
    return true;
}

struct reply translate_get(struct app *app, struct request *request)
{
    (void)app;
    return view_reply(request, encode_translate);
}

static bool encode_memory(struct view *view, struct reply *refusal)
{
    uint64_t address, length = 256, pid = 0;
    if (!view_query_address(view->request, &address, refusal) ||
        !query_u64(view->request, "pid", 0, UINT32_MAX, &pid, refusal) ||
        !query_u64(view->request, "length", 1, MEMORY_MAX, &length, refusal))
        return false;
    struct buffer bytes = { 0 };
    char *room = buffer_grow(&bytes, length);
    if (room)
        bytes.length = view_memory(view->machine, address, (uint32_t)pid, (uint8_t *)room, length);
    if (request_accepts(view->request, "application/octet-stream")) {
        view->out = bytes;
        view->content_type = "application/octet-stream";
        return true;
    }
    view_open(view);
    put_field_hex64(&view->out, "address", address);
    put_field_u64(&view->out, "length", bytes.length);
    put_key(&view->out, "hex");
    put_bytes(&view->out, (uint8_t *)bytes.data, bytes.length);
    put_close(&view->out, '}');
    buffer_clear(&bytes);
    return true;
}

struct reply memory_get(struct app *app, struct request *request)
{
    (void)app;
    return view_reply(request, encode_memory);
}
