/* server/import/ftrace_caches.c - which cache an object came from.
 *
 * kmem_cache_alloc does not record it; kmem_cache_free does. So a cache is created on first sight as trace-SIZE, after
 * bytes_alloc, and when a free tells the name of an object, later allocations of its call site and size use a cache of that
 * name. */
#include "server/import/ftrace_caches.h"
#include "pagoda/view.h"
#include "server/import/ftrace_cursor.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool is_cache_name(const struct trace_cache *cache, struct text name)
{
    return cache->nr_name == name.length && memcmp(cache->name, name.start, name.length) == 0;
}

/* An earlier import into the same lab may have left its caches. */
static bool machine_has_cache(const struct ftrace_import *in, struct text name, uint64_t *size)
{
    const struct machine *machine = in->sink->look(in->sink->context);
    struct cache_view cache;
    uint64_t cursor = 0;
    while (machine && view_next_cache(machine, &cursor, &cache))
        if (strlen(cache.name) == name.length && memcmp(cache.name, name.start, name.length) == 0) {
            *size = cache.object_size;
            return true;
        }
    return false;
}

static bool create_cache(struct ftrace_import *in, const struct ftrace_event *event, struct text name, uint64_t size)
{
    struct op *op = ftrace_op(in, event, OP_KMEM_CACHE_CREATE);
    struct op_result result;
    struct problem why = { 0 };
    op->context = CONTEXT_PROCESS; /* whoever made it could sleep */
    op->cache = name;
    op->size = size;
    op->given |= OP_BIT(CACHE) | OP_BIT(SIZE);
    return ftrace_apply(in, op, &result, &why) && result.outcome == OUTCOME_OK;
}

/* Index of the cache of that name and size, made when it is new; 0 when there is none to be had (0 is no cache). */
static uint32_t find_or_create_cache(struct ftrace_import *in, const struct ftrace_event *event, struct text name,
                                     uint64_t size)
{
    for (uint32_t i = 1; i <= in->nr_caches; i++)
        if (is_cache_name(&in->caches[i], name))
            return in->caches[i].size == size ? i : 0;
    if (in->nr_caches + 2 > in->caches_room) {
        uint32_t room = in->caches_room ? in->caches_room * 2 : 64;
        struct trace_cache *bigger = realloc(in->caches, room * sizeof *bigger);
        if (!bigger)
            return 0;
        in->caches = bigger;
        in->caches_room = room;
    }
    uint64_t size_there;
    bool is_there = machine_has_cache(in, name, &size_there);
    if (name.length > CACHE_NAME_MAX || (is_there ? size_there != size : !create_cache(in, event, name, size)))
        return 0;
    struct trace_cache *cache = &in->caches[++in->nr_caches];
    *cache = (struct trace_cache){ .size = size, .nr_name = name.length };
    memcpy(cache->name, name.start, name.length);
    return in->nr_caches;
}

static uint32_t cache_by_size(struct ftrace_import *in, const struct ftrace_event *event)
{
    char name[CACHE_NAME_MAX + 1];
    int length = snprintf(name, sizeof name, "trace-%llu", (unsigned long long)event->bytes_alloc);
    return find_or_create_cache(in, event, (struct text){ name, (uint32_t)length }, event->bytes_alloc);
}

static uint64_t call_site_key(const struct ftrace_event *event)
{
    return (text_hash(event->call_site, event->nr_call_site) ^ event->bytes_alloc * 0xcbf29ce484222325u) | 1;
}

uint32_t ftrace_find_call_site(struct ftrace_import *in, const struct ftrace_event *event)
{
    uint64_t key = call_site_key(event);
    const struct address_entry *entry = address_map_find(&in->call_site_map, key);
    if (entry)
        return (uint32_t)entry->tag;
    if (in->nr_call_sites + 2 > in->call_sites_room) {
        uint32_t room = in->call_sites_room ? in->call_sites_room * 2 : 256;
        struct trace_call_site *bigger = realloc(in->call_sites, room * sizeof *bigger);
        if (!bigger)
            return 0;
        in->call_sites = bigger;
        in->call_sites_room = room;
    }
    uint32_t cache = cache_by_size(in, event);
    if (!cache || !address_map_put(&in->call_site_map, (struct address_entry){ .key = key, .tag = in->nr_call_sites + 1 }))
        return 0;
    in->call_sites[++in->nr_call_sites] = (struct trace_call_site){ .cache = cache };
    return in->nr_call_sites;
}

/* Damaged lines have others. */
static bool is_name_printable(const struct ftrace_event *event)
{
    for (uint32_t i = 0; i < event->nr_name; i++)
        if ((unsigned char)event->name[i] <= ' ' || event->name[i] == 0x7f)
            return false;
    return event->nr_name != 0;
}

void ftrace_learn_name(struct ftrace_import *in, const struct ftrace_event *event, uint32_t index)
{
    struct trace_call_site *call_site = &in->call_sites[index];
    if (call_site->is_learned || !is_name_printable(event))
        return;
    struct text name = { event->name, event->nr_name };
    uint32_t cache = find_or_create_cache(in, event, name, in->caches[call_site->cache].size);
    in->call_sites[index].cache = cache ? cache : call_site->cache;
    in->call_sites[index].is_learned = true;
}
