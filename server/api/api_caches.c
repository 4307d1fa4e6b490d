/* GET handlers: slab caches and kmalloc buckets, slabs, objects. */
#include "server/api/api_view.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Offsets from an object's first byte; parts that it does not have are left out. */
static void put_cache_layout(struct buffer *out, const struct cache_view *cache)
{
    put_field_u64(out, "usable", cache->usable);
    put_field_u64(out, "head", cache->head);
    put_field_object(out, "layout");
    put_field_u64(out, "free_pointer", cache->free_pointer);
    put_field_u64(out, "inuse", cache->inuse);
    if (cache->tracks)
        put_field_u64(out, "tracks", cache->tracks);
    if (cache->padding)
        put_field_u64(out, "padding", cache->padding);
    put_close(out, '}');
    put_field_array(out, "flags");
    uint32_t cursor = 0;
    for (const char *name; (name = view_slab_flag_name(cache->flags, &cursor));)
        put_text(out, name);
    put_close(out, ']');
}

static void put_cache_counts(struct buffer *out, const struct cache_view *cache)
{
    put_field_u64(out, "min_order", cache->min_order);
    put_field_u64(out, "min_partial", cache->min_partial);
    put_field_u64(out, "cpu_partial_slabs", cache->cpu_partial_slabs);
    put_field_object(out, "slabs_by_state");
    put_field_u64(out, "cpu", cache->slabs_by_state.cpu);
    put_field_u64(out, "cpu_partial", cache->slabs_by_state.cpu_partial);
    put_field_u64(out, "partial", cache->slabs_by_state.partial);
    put_field_u64(out, "full", cache->slabs_by_state.full);
    put_close(out, '}');
    put_field_u64(out, "active_objs", cache->active_objs);
    put_field_u64(out, "rounding_bytes", cache->rounding_bytes);
    put_field_u64(out, "overhead_bytes", cache->overhead_bytes);
    put_field_bool(out, "is_kmalloc", cache->is_kmalloc);
    put_field_bool(out, "is_destroyed", cache->is_destroyed);
}

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
    put_cache_layout(out, cache);
    put_cache_counts(out, cache);
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

static void put_object(struct buffer *out, const struct object_view *object, uint32_t nth)
{
    put_open(out, '{');
    put_field_hex64(out, "address", object->address);
    put_field_bool(out, "in_use", object->in_use);
    put_field_u64(out, "requested", object->requested);
    put_field_u64(out, "seq", object->seq);
    put_field_text(out, "label", object->label);
    put_field_bool(out, "is_handle", object->is_handle);
    put_field_text(out, "call_site", object->call_site[0] ? object->call_site : NULL);
    put_field_u64(out, "lost", object->lost);
    put_field_u64(out, "nth", nth);
    if (!object->in_use)
        put_field_hex64(out, "free_next", object->free_next);
    put_close(out, '}');
}

/* The free chains and the objects of one slab. */
static void put_objects(struct buffer *out, const struct machine *machine, uint32_t slab_pfn)
{
    uint64_t cursor = 0;
    struct object_view object;
    struct chain_view chains;
    view_slab_chains(machine, slab_pfn, &chains);
    put_field_object(out, "free_chain");
    put_field_hex64(out, "cpu_first", chains.cpu_first);
    put_field_u64(out, "nr_cpu", chains.nr_cpu);
    put_field_hex64(out, "first", chains.first);
    put_field_u64(out, "nr", chains.nr);
    if (chains.stray)
        put_field_hex64(out, "stray", chains.stray);
    put_close(out, '}');
    put_field_array(out, "objects");
    for (uint32_t i = 0; view_next_object(machine, slab_pfn, &cursor, &object); i++)
        put_object(out, &object, chains.nth[i]);
    put_close(out, ']');
}

static void put_slab_fields(struct buffer *out, const struct slab_view *slab)
{
    put_field_u64(out, "pfn", slab->pfn);
    put_field_u64(out, "order", slab->order);
    put_field_hex64(out, "address", slab->address);
    put_field_u64(out, "nr_objects", slab->nr_objects);
    put_field_u64(out, "in_use", slab->in_use);
    put_field_u64(out, "inuse", slab->inuse);
    put_field_u64(out, "requested_bytes", slab->requested_bytes);
    put_field_text(out, "state", slab->state);
    if (strncmp(slab->state, "cpu", 3) == 0)
        put_field_u64(out, "cpu", slab->cpu);
    put_field_u64(out, "position", slab->position);
}

static void put_slabs(struct view *view, const char *cache, bool with_objects)
{
    struct buffer *out = &view->out;
    uint64_t cursor = 0;
    struct slab_view slab;
    put_field_array(out, "slabs");
    while (view_next_slab(view->machine, cache, &cursor, &slab)) {
        put_open(out, '{');
        put_slab_fields(out, &slab);
        if (with_objects)
            put_objects(out, view->machine, slab.pfn);
        put_close(out, '}');
    }
    put_close(out, ']');
}

static bool find_cache(const struct machine *machine, const char *name, struct cache_view *cache)
{
    uint64_t cursor = 0;
    while (view_next_cache(machine, &cursor, cache))
        if (strcmp(cache->name, name) == 0)
            return true;
    return false;
}

static bool encode_cache(struct view *view, struct reply *refusal)
{
    bool with_objects = false;
    struct cache_view cache;
    const char *name = view->request->path_values[1];
    if (!query_bool(view->request, "objects", &with_objects, refusal))
        return false;
    if (!find_cache(view->machine, name, &cache)) {
        *refusal = reply_say(404, "", "there is no cache %.64s", name);
        return false;
    }
    view_open(view);
    put_cache_fields(&view->out, &cache);
    put_slabs(view, name, with_objects);
    put_close(&view->out, '}');
    return true;
}

struct reply cache_get(struct app *app, struct request *request)
{
    (void)app;
    return view_reply(request, encode_cache);
}

/* Any frame of a slab names it. */
static bool encode_slab(struct view *view, struct reply *refusal)
{
    struct slab_view slab;
    struct cache_view cache;
    const char *text = view->request->path_values[1];
    char *end;
    unsigned long long pfn = strtoull(text, &end, 10);
    bool is_number = text[0] >= '0' && text[0] <= '9' && *end == '\0' && pfn <= UINT32_MAX;
    if (!is_number || !view_slab(view->machine, (uint32_t)pfn, &slab) || !find_cache(view->machine, slab.cache, &cache)) {
        *refusal = reply_say(404, "", "frame %.20s is no slab's", text);
        return false;
    }
    view_open(view);
    put_slab_fields(&view->out, &slab);
    put_field_object(&view->out, "cache");
    put_cache_fields(&view->out, &cache);
    put_close(&view->out, '}');
    put_objects(&view->out, view->machine, slab.pfn);
    put_close(&view->out, '}');
    return true;
}

struct reply slab_get(struct app *app, struct request *request)
{
    (void)app;
    return view_reply(request, encode_slab);
}
