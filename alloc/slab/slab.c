/* Slabs, tracks and caches as records: what both styles share. A slab's frames name it (frame.owner), its tracks tell which
 * objects are live, and so every address given to a free function can be judged before anything changes. */
#include "alloc/slab/slab.h"
#include "alloc/base/invariant.h"

#include "alloc/base/hash.h"
#include "pagoda/gfp.h"

#include <string.h>

/* The smallest run of 4 << i tracks that holds one for each object. */
static uint8_t track_run_for(const struct kmalloc *k, uint32_t nr_objects)
{
    uint8_t run = 0;
    while (4u << run < nr_objects)
        run++;
    INVARIANT(&k->slabs, run < NR_TRACK_RUNS);
    return run;
}

static void slab_sign_frames(struct kmalloc *k, struct slab_ref slab_ref)
{
    const struct slab *slab = slab_at(k, slab_ref);
    struct slab_frame f = { .tracks = slab->tracks, .cache = slab->cache, .track_run = slab->track_run };
    for (; f.page < 1u << slab->order; f.page++) {
        struct frame *frame = frame_at(k->frames, slab->pfn + f.page);
        frame->owner = slab_ref.index;
        frame->index = slab_frame_pack(f);
    }
}

static void slab_clear_frames(struct kmalloc *k, const struct slab *slab)
{
    for (uint32_t i = 0; i < 1u << slab->order; i++)
        frame_at(k->frames, slab->pfn + i)->index = frame_at(k->frames, slab->pfn + i)->owner = 0;
}

struct slab_ref slab_make(struct kmalloc *k, struct cache_ref cache_ref, uint32_t pfn, uint32_t order)
{
    struct cache *cache = cache_at(k, cache_ref);
    struct slab_ref slab_ref = { pool_take(&k->slabs) };
    struct slab *slab = slab_at(k, slab_ref);
    slab->pfn = pfn;
    slab->cache = cache_ref;
    slab->order = (uint8_t)order;
    slab->objects = (uint16_t)(((PAGE_SIZE << order) - cache->reserved) / cache->size);
    slab->track_run = track_run_for(k, slab->objects);
    slab->tracks = pool_take(&k->tracks[slab->track_run]);
    INVARIANT(&k->slabs, slab_ref.index && slab->tracks); /* each pool has an item for every frame */
    frame_set_kind(k->frames, pfn, FRAME_SLAB, order);
    slab_sign_frames(k, slab_ref);
    cache->nr_objects += slab->objects;
    cache->nr_slabs++;
    cache->nr_slabs_made++;
    return slab_ref;
}

void slab_unmake(struct kmalloc *k, struct slab_ref slab_ref)
{
    struct slab slab = *slab_at(k, slab_ref);
    cache_at(k, slab.cache)->nr_slabs--;
    cache_at(k, slab.cache)->nr_objects -= slab.objects;
    pool_give(&k->tracks[slab.track_run], slab.tracks);
    pool_give(&k->slabs, slab_ref.index);
    slab_clear_frames(k, &slab);
    TRACE_EVENT(k->trace, .kind = EV_SLAB_DISCARD, .pfn = slab.pfn, .order = slab.order);
    trace_step(k->trace, PATH_discard_slab);
    k->pages->give(k->reclaim, slab.pfn, slab.order);
}

static struct index_items slab_items(const struct kmalloc *k)
{
    return (struct index_items){ .start = k->slabs.items, .item_size = sizeof(struct slab) };
}

void slab_push_head(struct kmalloc *k, struct index_list *list, struct slab_ref slab)
{
    index_list_push_head(slab_items(k), list, slab.index);
    slab_at(k, slab)->state = SLAB_PARTIAL;
}

void slab_push_tail(struct kmalloc *k, struct index_list *list, struct slab_ref slab)
{
    index_list_push_tail(slab_items(k), list, slab.index);
    slab_at(k, slab)->state = SLAB_PARTIAL;
}

void slab_remove(struct kmalloc *k, struct index_list *list, struct slab_ref slab)
{
    index_list_remove(slab_items(k), list, slab.index);
    slab_at(k, slab)->state = SLAB_FULL;
}

void object_zero(struct kmalloc *k, uint64_t physical, uint32_t size)
{
    frame_fill(k->frames, physical, 0, size);
    trace_cost(k->trace, COST_ZERO_PAGE, (size + PAGE_SIZE / 2) / PAGE_SIZE);
    TRACE_EVENT(k->trace, .kind = EV_ZERO, .address = k->frames->page_offset + physical, .count = size);
}

/* Place in cache_names. */
static uint32_t cache_name_place(const char *name, size_t length)
{
    uint32_t hash = hash32_bytes(name, length);
    return (hash ^ hash >> 16) % NR_CACHE_NAMES;
}

struct cache_ref cache_make(struct kmalloc *k, struct text name)
{
    struct cache_ref cache_ref = { pool_take(&k->caches) };
    if (!cache_ref.index)
        return CACHE_NONE;
    struct cache *cache = cache_at(k, cache_ref);
    memcpy(cache->name, name.start, name.length);
    struct cache_ref *bucket = &k->cache_names[cache_name_place(name.start, name.length)];
    cache->made = ++k->nr_caches_made;
    cache->same_hash = *bucket;
    *bucket = cache_ref;
    return cache_ref;
}

void cache_unmake(struct kmalloc *k, struct cache_ref cache_ref)
{
    struct cache *cache = cache_at(k, cache_ref);
    struct cache_ref *link = &k->cache_names[cache_name_place(cache->name, strlen(cache->name))];
    while (link->index != cache_ref.index)
        link = &cache_at(k, *link)->same_hash;
    *link = cache->same_hash;
    pool_give(&k->caches, cache_ref.index);
}

struct cache_ref kmem_cache_find(const struct kmalloc *k, struct text name)
{
    if (!name.length || name.length > CACHE_NAME_MAX)
        return CACHE_NONE;
    struct cache_ref cache_ref = k->cache_names[cache_name_place(name.start, name.length)];
    for (; cache_ref.index; cache_ref = cache_at(k, cache_ref)->same_hash) {
        const char *other = cache_at(k, cache_ref)->name;
        if (!memcmp(other, name.start, name.length) && !other[name.length])
            break;
    }
    return cache_ref;
}

const char *kmem_cache_name(const struct kmalloc *k, struct cache_ref cache)
{
    return cache.index ? cache_at(k, cache)->name : NULL;
}

struct cache_ref kmalloc_slab_cache(const struct kmalloc *k, struct slab_ref slab)
{
    return slab_at(k, slab)->cache;
}

uint32_t kmalloc_fix_gfp(struct kmalloc *k, uint32_t gfp)
{
    uint32_t bad = gfp & (uint32_t)(__GFP_DMA32 | __GFP_HIGHMEM);
    if (!bad)
        return gfp;
    char bad_names[512], good_names[512];
    gfp_format(bad, "", bad_names, sizeof bad_names);
    gfp_format(gfp & ~bad, "", good_names, sizeof good_names);
    trace_print(k->trace, "Unexpected gfp: 0x%x (%s). Fixing up to gfp: 0x%x (%s). Fix your code!\n", bad, bad_names,
                gfp & ~bad, good_names);
    return gfp & ~bad;
}
