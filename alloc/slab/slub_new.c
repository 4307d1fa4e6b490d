/* A new slab of SLUB: its pages, and the order in which its objects stand on its first free list. Linux v6.1 mm/slub.c:
 * allocate_slab(), shuffle_freelist().
 *
 * The cache's own order is tried first, without effort where there is a smaller one to fall back to: that which just holds
 * an object. Objects follow one another by address, or as a seed shuffles them (CONFIG_SLAB_FREELIST_RANDOM). */
#include "alloc/base/bits.h"
#include "alloc/slab/slub.h"
#include "alloc/base/invariant.h"

/* What new_slab() lets through to the page allocator (GFP_RECLAIM_MASK | GFP_CONSTRAINT_MASK). */
#define RECLAIM_BITS (__GFP_DIRECT_RECLAIM | __GFP_KSWAPD_RECLAIM)
#define NEW_SLAB_BITS                                                                                                      \
    (RECLAIM_BITS | __GFP_HIGH | __GFP_IO | __GFP_FS | __GFP_NOWARN | __GFP_RETRY_MAYFAIL | __GFP_NOFAIL | __GFP_NORETRY | \
     __GFP_MEMALLOC | __GFP_NOMEMALLOC | __GFP_ATOMIC | __GFP_HARDWALL | __GFP_THISNODE)

static uint32_t slub_try_pages(struct kmalloc *k, const struct cache *cache, uint32_t gfp, uint32_t *order)
{
    gfp = (kmalloc_fix_gfp(k, gfp) & NEW_SLAB_BITS) | cache->gfp;
    uint32_t easy = (gfp | __GFP_NOWARN | __GFP_NORETRY) & ~(uint32_t)__GFP_NOFAIL;
    if (gfp_may_sleep(gfp) && cache->order > cache->min_order) /* there is a smaller order: no reclaim for this one */
        easy = (easy | __GFP_NOMEMALLOC) & ~(uint32_t)RECLAIM_BITS;
    trace_step(k->trace, PATH_new_slab);
    trace_step(k->trace, PATH___get_free_pages);
    *order = cache->order;
    uint32_t pfn = k->pages->take(k->reclaim, easy, *order);
    if (pfn)
        return pfn;
    *order = cache->min_order;
    return k->pages->take(k->reclaim, gfp, *order);
}

/* count_partial(): free objects of the node's partial slabs. */
static uint32_t slub_nr_free_in_partial(const struct kmalloc *k, const struct cache *cache)
{
    uint32_t nr = 0;
    for (struct slab_ref i = slab_list_first(&cache->partial); i.index; i = slab_at(k, i)->next)
        nr += slab_at(k, i)->objects - slab_at(k, i)->inuse;
    return nr;
}

/* slab_out_of_memory() */
static void slub_say_out_of_memory(struct kmalloc *k, const struct cache *cache, uint32_t gfp)
{
    struct trace *trace = k->trace;
    char names[512];
    if (gfp & __GFP_NOWARN)
        return;
    gfp_format(gfp, "", names, sizeof names);
    trace_end_line(trace);
    trace_print(trace, "SLUB: Unable to allocate memory on node -1, gfp=0x%x(%s)\n", gfp, names);
    trace_print(trace, "  cache: %s, object size: %u, buffer size: %u, default order: %u, min order: %u\n", cache->name,
                cache->object_size, cache->size, cache->order, cache->min_order);
    if (cache->min_order > order_for_bytes(cache->object_size))
        trace_print(trace, "  %s debugging increased min order, use slub_debug=O to disable.\n", cache->name);
    trace_print(trace, "  node 0: slabs: %u, objs: %u, free: %u\n", cache->nr_slabs, cache->nr_objects,
                slub_nr_free_in_partial(k, cache));
}

uint32_t slub_take_pages(struct kmalloc *k, struct cache_ref cache_ref, uint32_t gfp, uint32_t *order)
{
    const struct cache *cache = cache_at(k, cache_ref);
    uint32_t pfn = slub_try_pages(k, cache, gfp, order);
    if (!pfn)
        slub_say_out_of_memory(k, cache, gfp);
    return pfn;
}

void slub_link(struct kmalloc *k, struct slab_ref slab_ref, uint16_t *freelist, const uint16_t *objects, uint32_t count)
{
    struct slab *slab = slab_at(k, slab_ref);
    const struct cache *cache = cache_at(k, slab->cache);
    uint32_t next = 0;
    while (count--) {
        slub_write_pointer(k, cache, slab, objects[count], next);
        next = objects[count] + 1u;
    }
    *freelist = (uint16_t)next;
}

static uint32_t slub_shuffle_next(uint32_t *state) /* xorshift32 */
{
    *state ^= *state << 13;
    *state ^= *state >> 17;
    *state ^= *state << 5;
    return *state;
}

/* The cache's permutation of its objects (Fisher-Yates), entered at a place that differs from slab to slab. A slab of the
 * minimum order leaves out what it has no room for. */
static void slub_shuffle_objects(const struct kmalloc *k, const struct slab *slab, uint16_t *objects)
{
    const struct cache *cache = cache_at(k, slab->cache);
    uint16_t permutation[MAX_OBJECTS] = { 0 };
    INVARIANT(&k->caches, cache->objects);
    uint32_t state = k->shuffle_seed ^ slab->cache.index * 2654435761u;
    state += !state;
    for (uint32_t i = 0; i < cache->objects; i++)
        permutation[i] = (uint16_t)i;
    for (uint32_t i = cache->objects - 1; i > 0; i--) {
        uint32_t j = slub_shuffle_next(&state) % (i + 1);
        uint16_t swapped = permutation[i];
        permutation[i] = permutation[j];
        permutation[j] = swapped;
    }
    state ^= cache->nr_slabs_made * 2246822519u;
    state += !state;
    uint32_t entry = slub_shuffle_next(&state) % cache->objects;
    for (uint32_t i = 0, n = 0; n < slab->objects; i++) {
        uint16_t object = permutation[(entry + i) % cache->objects];
        if (object < slab->objects)
            objects[n++] = object;
    }
}

void slub_link_new(struct kmalloc *k, struct slab_ref slab_ref)
{
    struct slab *slab = slab_at(k, slab_ref);
    uint16_t objects[MAX_OBJECTS];
    if (k->shuffle_seed && slab->objects > 1) {
        slub_shuffle_objects(k, slab, objects);
    } else {
        for (uint32_t i = 0; i < slab->objects; i++)
            objects[i] = (uint16_t)i;
    }
    slub_link(k, slab_ref, &slab->freelist, objects, slab->objects);
}
