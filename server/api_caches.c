/* GET handlers: slab caches and kmalloc buckets, slabs, objects. */
#include "server/api_view.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void put_cache_fields(struct buffer *out, const struct cache_view *cache)
{
    put_field_text(out, "name", cache->name);
    put_field_u64(out, "object_size", cache->object_size);
    put_field_u64(out, "size", cache->size);
    put_field_u64(out, "align", cache->align);
    put_field_u64(out, "objects_per_slab", cache->objects_per_slab);
    put_field_u64(out, "order", cache->order);
    put_field_u64(out, "nr_slabs", cache->nr_slabs);
    put_field_u64(out, "nr_objects", cache->nr_objects);
    put_field_u64(out, "nr_in_use", cache->nr_in_use);
    put_field_u64(out, "requested_bytes", cache->requested_bytes);
}

static bool encode_caches(struct view *view, struct reply *refusal)
{
    (void)refusal;
    uint64_t cursor = 0;
    struct cache_view cache;
    view_open(view);
    put_field_array(&view->out, "caches");
    while (view_next_cache(view->machine, &cursor, &cache)) {
        put_open(&view->out, '{');
        put_cache_fields(&view->out, &cache);
        put_close(&view->out, '}');
    }
    put_close(&view->out, ']');
    put_close(&view->out, '}');
    return true;
}

struct reply caches_get(struct app *app, struct request *request)
{
    (void)app;
    return view_reply(request, encode_caches);
}

static void put_objects(struct buffer *out, const struct machine *machine, uint32_t slab_pfn)
{
    uint64_t cursor = 0;
    struct object_view object;
    put_field_array(out, "objects");
    while (view_next_object(machine, slab_pfn, &cursor, &object)) {
        put_open(out, '{');
        put_field_hex64(out, "address", object.address);
        put_field_bool(out, "in_use", object.in_use);
        put_field_u64(out, "requested", object.requested);
        put_field_u64(out, "seq", object.seq);
        put_field_text(out, "label", object.label);
        if (!object.in_use)
            put_field_hex64(out, "free_next", object.free_next);
        put_close(out, '}');
    }
    put_close(out, ']');
}

static void put_slabs(struct view *view, const char *cache, bool with_objects)
{
    struct buffer *out = &view->out;
    uint64_t cursor = 0;
    struct slab_view slab;
    put_field_array(out, "slabs");
    while (view_next_slab(view->machine, cache, &cursor, &slab)) {
        put_open(out, '{');
        put_field_u64(out, "pfn", slab.pfn);
        put_field_u64(out, "order", slab.order);
        put_field_hex64(out, "address", slab.address);
        put_field_u64(out, "nr_objects", slab.objects);
        put_field_u64(out, "in_use", slab.in_use);
        put_field_text(out, "state", slab.state);
        if (with_objects)
            put_objects(out, view->machine, slab.pfn);
        put_close(out, '}');
    }
    put_close(out, ']');
}

static bool encode_cache(struct view *view, struct reply *refusal)
{
    bool with_objects = false;
    uint64_t cursor = 0;
    struct cache_view cache;
    const char *name = view->request->path_values[1];
    if (!query_bool(view->request, "objects", &with_objects, refusal))
        return false;
    while (view_next_cache(view->machine, &cursor, &cache)) {
        if (strcmp(cache.name, name) != 0)
            continue;
        view_open(view);
        put_cache_fields(&view->out, &cache);
        put_slabs(view, name, with_objects);
        put_close(&view->out, '}');
        return true;
    }
    *refusal = reply_say(404, "", "there is no cache %.64s", name);
    return false;
}

struct reply cache_get(struct app *app, struct request *request)
{
    (void)app;
    return view_reply(request, encode_cache);
}
