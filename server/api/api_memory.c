/* GET handler: the bytes at an address. */
#include "server/api/api_view.h"

#define MEMORY_MAX 65536u /* bytes of one /memory */

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
    PUT_FIELD(&view->out, &bytes, length);
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
