/* GET handlers: slab caches and kmalloc buckets, slabs, objects. */
#include "server/api/api_view.h"

#include <stdlib.h>
#include <string.h>

/* Offsets from an object's first byte; parts that it does not have are left out. */
static void put_cache_layout(struct buffer *out, const struct cache_view *cache)
{
    PUT_FIELD(out, cache, usable);
    PUT_FIELD(out, cache, head);
    put_field_object(out, "layout");
    PUT_FIELD(out, cache, free_pointer);
    PUT_FIELD(out, cache, inuse);
    if (cache->tracks)
        PUT_FIELD(out, cache, tracks);
    if (cache->padding)
        PUT_FIELD(out, cache, padding);
    put_close(out, '}');
    put_field_array(out, "flags");
    uint32_t cursor = 0;
    for (const char *name; (name = view_slab_flag_name(cache->flags, &cursor));)
        put_text(out, name);
    put_close(out, ']');
}

static void put_cache_counts(struct buffer *out, const struct cache_view *cache)
{
    PUT_FIELD(out, cache, min_order);
    PUT_FIELD(out, cache, min_partial);
    PUT_FIELD(out, cache, cpu_partial_slabs);
    put_field_object(out, "slabs_by_state");
    PUT_FIELD(out, &cache->slabs_by_state, cpu);
    PUT_FIELD(out, &cache->slabs_by_state, cpu_partial);
    PUT_FIELD(out, &cache->slabs_by_state, partial);
    PUT_FIELD(out, &cache->slabs_by_state, full);
    put_close(out, '}');
    PUT_FIELD(out, cache, active_objs);
    PUT_FIELD(out, cache, rounding_bytes);
    PUT_FIELD(out, cache, overhead_bytes);
    PUT_FIELD(out, cache, is_kmalloc);
    PUT_FIELD(out, cache, is_destroyed);
}

static void put_cache_fields(struct buffer *out, const struct cache_view *cache)
{
    PUT_FIELD(out, cache, name);
    PUT_FIELD(out, cache, object_size);
    PUT_FIELD(out, cache, size);
    PUT_FIELD(out, cache, align);
    PUT_FIELD(out, cache, objects_per_slab);
    PUT_FIELD(out, cache, order);
    PUT_FIELD(out, cache, nr_slabs);
    PUT_FIELD(out, cache, nr_objects);
    PUT_FIELD(out, cache, nr_in_use);
    PUT_FIELD(out, cache, requested_bytes);
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
    PUT_HEX64(out, object, address);
    PUT_FIELD(out, object, in_use);
    PUT_FIELD(out, object, requested);
    PUT_FIELD(out, object, seq);
    put_field_text(out, "name", object->is_named ? object->name : NULL);
    put_field_text(out, "call_site", object->call_site[0] ? object->call_site : NULL);
    put_field_text(out, "label", object->name); /* label and is_handle: for clients from before there was a name */
    put_field_bool(out, "is_handle", object->is_named);
    PUT_FIELD(out, object, lost);
    view_put_page_array_of(out, object->page_array_of);
    put_field_u64(out, "nth", nth);
    if (!object->in_use)
        PUT_HEX64(out, object, free_next);
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
    PUT_HEX64(out, &chains, cpu_first);
    PUT_FIELD(out, &chains, nr_cpu);
    PUT_HEX64(out, &chains, first);
    PUT_FIELD(out, &chains, nr);
    if (chains.stray)
        PUT_HEX64(out, &chains, stray);
    put_close(out, '}');
    put_field_array(out, "objects");
    for (uint32_t i = 0; view_next_object(machine, slab_pfn, &cursor, &object); i++)
        put_object(out, &object, chains.nth[i]);
    put_close(out, ']');
}

static void put_slab_fields(struct buffer *out, const struct slab_view *slab)
{
    PUT_FIELD(out, slab, pfn);
    PUT_FIELD(out, slab, order);
    PUT_HEX64(out, slab, address);
    PUT_FIELD(out, slab, nr_objects);
    PUT_FIELD(out, slab, in_use);
    PUT_FIELD(out, slab, inuse);
    PUT_FIELD(out, slab, requested_bytes);
    PUT_FIELD(out, slab, state);
    if (strncmp(slab->state, "cpu", 3) == 0)
        PUT_FIELD(out, slab, cpu);
    PUT_FIELD(out, slab, position);
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
