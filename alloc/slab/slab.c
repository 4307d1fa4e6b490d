/* Slabs, tracks and caches as records: what both styles share. A slab's frames name it (frame.owner), its tracks tell which
 * objects are live, and so every address given to a free function can be judged before anything changes. */
#include "alloc/slab/kmalloc_internal.h"
#include "pagoda/gfp.h"

#include <string.h>

/* The smallest run of 4 << i tracks that holds one for each object. */
static uint8_t run_for(uint32_t nr_objects)
{
    uint8_t run = 0;
    while (4u << run < nr_objects)
        run++;
    assert(run < NR_TRACK_RUNS);
    return run;
}

static void sign_frames(struct kmalloc *k, uint32_t index)
{
    const struct slab *slab = slab_at(k, index);
    struct slab_frame f = { .tracks = slab->tracks, .cache = slab->cache, .track_run = slab->track_run };
    for (; f.page < 1u << slab->order; f.page++) {
        struct frame *frame = frame_at(k->frames, slab->pfn + f.page);
        frame->owner = index;
        frame->index = slab_frame_pack(f);
    }
}

static void clear_frames(struct kmalloc *k, const struct slab *slab)
{
    for (uint32_t i = 0; i < 1u << slab->order; i++)
        frame_at(k->frames, slab->pfn + i)->index = frame_at(k->frames, slab->pfn + i)->owner = 0;
}

uint32_t slab_make(struct kmalloc *k, uint32_t cache_index, uint32_t pfn, uint32_t order)
{
    struct cache *cache = cache_at(k, cache_index);
    uint32_t index = pool_take(&k->slabs);
    struct slab *slab = slab_at(k, index);
    slab->pfn = pfn;
    slab->cache = cache_index;
    slab->order = (uint8_t)order;
    slab->objects = (uint16_t)(((PAGE_SIZE << order) - cache->reserved) / cache->size);
    slab->track_run = run_for(slab->objects);
    slab->tracks = pool_take(&k->tracks[slab->track_run]);
    assert(index && slab->tracks); /* kmalloc_reserve() has seen to it */
    frame_set_kind(k->frames, pfn, FRAME_SLAB, order);
    sign_frames(k, index);
    cache->nr_objects += slab->objects;
    cache->nr_slabs++;
    cache->nr_slabs_made++;
    return index;
}

void slab_unmake(struct kmalloc *k, uint32_t index)
{
    struct slab slab = *slab_at(k, index);
    cache_at(k, slab.cache)->nr_slabs--;
    cache_at(k, slab.cache)->nr_objects -= slab.objects;
    pool_give(&k->tracks[slab.track_run], slab.tracks);
    pool_give(&k->slabs, index);
    clear_frames(k, &slab);
    TRACE_EVENT(k->trace, .kind = EV_SLAB_DISCARD, .pfn = slab.pfn, .order = slab.order);
    trace_step(k->trace, PATH_discard_slab);
    k->pages->give(k->reclaim, slab.pfn, slab.order);
}

void slab_push_head(struct kmalloc *k, struct slab_list *list, uint32_t index)
{
    struct slab *slab = slab_at(k, index);
    slab->prev = 0;
    slab->next = list->first;
    if (list->first)
        slab_at(k, list->first)->prev = index;
    else
        list->last = index;
    list->first = index;
    list->count++;
    slab->state = SLAB_PARTIAL;
}

void slab_push_tail(struct kmalloc *k, struct slab_list *list, uint32_t index)
{
    struct slab *slab = slab_at(k, index);
    slab->next = 0;
    slab->prev = list->last;
    if (list->last)
        slab_at(k, list->last)->next = index;
    else
        list->first = index;
    list->last = index;
    list->count++;
    slab->state = SLAB_PARTIAL;
}

void slab_remove(struct kmalloc *k, struct slab_list *list, uint32_t index)
{
    struct slab *slab = slab_at(k, index);
    if (slab->prev)
        slab_at(k, slab->prev)->next = slab->next;
    else
        list->first = slab->next;
    if (slab->next)
        slab_at(k, slab->next)->prev = slab->prev;
    else
        list->last = slab->prev;
    slab->next = slab->prev = 0;
    list->count--;
    slab->state = SLAB_FULL;
}

void object_zero(struct kmalloc *k, uint64_t physical, uint32_t size)
{
    frame_fill(k->frames, physical, 0, size);
    trace_cost(k->trace, COST_ZERO_PAGE, (size + PAGE_SIZE / 2) / PAGE_SIZE);
    TRACE_EVENT(k->trace, .kind = EV_ZERO, .address = k->frames->page_offset + physical, .count = size);
}

/* Place in cache_names: FNV-1a. */
static uint32_t name_place(const char *name, size_t length)
{
    uint32_t hash = 2166136261u;
    for (size_t i = 0; i < length; i++)
        hash = (hash ^ (uint8_t)name[i]) * 16777619u;
    return (hash ^ hash >> 16) % NR_CACHE_NAMES;
}

uint32_t cache_make(struct kmalloc *k, struct text name)
{
    uint32_t index = pool_take(&k->caches);
    if (!index)
        return 0;
    struct cache *cache = cache_at(k, index);
    memcpy(cache->name, name.start, name.length);
    uint32_t *bucket = &k->cache_names[name_place(name.start, name.length)];
    cache->made = ++k->nr_caches_made;
    cache->same_hash = *bucket;
    *bucket = index;
    return index;
}

void cache_unmake(struct kmalloc *k, uint32_t index)
{
    struct cache *cache = cache_at(k, index);
    uint32_t *link = &k->cache_names[name_place(cache->name, strlen(cache->name))];
    while (*link != index)
        link = &cache_at(k, *link)->same_hash;
    *link = cache->same_hash;
    pool_give(&k->caches, index);
}

uint32_t kmem_cache_find(const struct kmalloc *k, struct text name)
{
    if (!name.length || name.length > CACHE_NAME_MAX)
        return 0;
    uint32_t index = k->cache_names[name_place(name.start, name.length)];
    for (; index; index = cache_at(k, index)->same_hash) {
        const char *other = cache_at(k, index)->name;
        if (!memcmp(other, name.start, name.length) && !other[name.length])
            break;
    }
    return index;
}

const char *kmalloc_slab_cache(const struct kmalloc *k, uint32_t slab, uint32_t *cache)
{
    *cache = slab_at(k, slab)->cache;
    return cache_at(k, *cache)->name;
}

static void say_gfp(struct trace *trace, uint32_t gfp)
{
    char names[512];
    size_t length = gfp_format(gfp, names, sizeof names - 1);
    names[length] = '\0';
    trace_say(trace, "0x");
    trace_say_hex(trace, gfp);
    trace_say(trace, " (");
    trace_say(trace, names);
    trace_say(trace, ")");
}

uint32_t kmalloc_fix_gfp(struct kmalloc *k, uint32_t gfp)
{
    uint32_t bad = gfp & (uint32_t)(__GFP_DMA32 | __GFP_HIGHMEM);
    if (!bad)
        return gfp;
    trace_say(k->trace, "Unexpected gfp: ");
    say_gfp(k->trace, bad);
    trace_say(k->trace, ". Fixing up to gfp: ");
    say_gfp(k->trace, gfp & ~bad);
    trace_say(k->trace, ". Fix your code!\n");
    return gfp & ~bad;
}
