/* Slab caches: how their objects are laid out, how large their slabs are, and which of them serves a kmalloc.
 *
 * An object is followed by what its cache needs (calculate_sizes() of mm/slub.c): a right red zone, the free pointer where
 * it must not lie in the object, two tracks and the size asked for, padding; a left red zone stands before it. Without
 * debugging nothing of that is there, and the free pointer lies in the middle of the free object. The order of a slab is
 * the smallest that holds enough objects for the machine's CPUs and wastes little; how many partial slabs a CPU and the
 * node keep follows from the object's size. */
#include "alloc/base/bits.h"
#include "alloc/slab/slub.h"
#include "alloc/base/invariant.h"

#include <string.h>

#define MAX_SLAB_ORDER 3u /* PAGE_ALLOC_COSTLY_ORDER: slub_max_order */
#define MIN_PARTIAL 5u
#define MAX_PARTIAL 10u
#define NO_ORDER UINT32_MAX
#define CACHE_LINE 64u

static const uint16_t CLASS_SIZE[NR_KMALLOC_CLASSES] = { 8, 16, 32, 64, 96, 128, 192, 256, 512, 1024, 2048, 4096, 8192 };
static const char *const CLASS_NAME[NR_KMALLOC_CLASSES] = { "8",   "16",  "32", "64", "96", "128", "192",
                                                            "256", "512", "1k", "2k", "4k", "8k" };
static const struct {
    const char *prefix;
    uint32_t flags;
} KINDS[NR_CACHE_KINDS] = {
    [CACHE_PLAIN] = { "kmalloc-", SLAB_KMALLOC },
    [CACHE_RECLAIMABLE] = { "kmalloc-rcl-", SLAB_KMALLOC | SLAB_RECLAIM_ACCOUNT },
    [CACHE_ACCOUNTED] = { "kmalloc-cg-", SLAB_KMALLOC | SLAB_ACCOUNT },
    [CACHE_DMA] = { "dma-kmalloc-", SLAB_KMALLOC | SLAB_CACHE_DMA },
};

struct order_limits {
    uint32_t min_objects, max_order;
    uint32_t fraction; /* at most one part in fraction of the slab may be wasted */
};
/* The first order within the limits for objects of that size. */
static uint32_t slub_fitting_order(uint32_t size, struct order_limits limits)
{
    for (uint32_t order = order_for_bytes((uint64_t)limits.min_objects * size); order <= limits.max_order; order++) {
        uint32_t slab_size = PAGE_SIZE << order;
        if (slab_size % size <= slab_size / limits.fraction)
            return order;
    }
    return NO_ORDER;
}

uint32_t slub_order(uint32_t size, uint32_t nr_cpus)
{
    uint32_t min_objects = 4 * (bit_length(nr_cpus) + 1);
    uint32_t max_objects = (PAGE_SIZE << MAX_SLAB_ORDER) / size;
    if (min_objects > max_objects)
        min_objects = max_objects;
    for (; min_objects > 1; min_objects--) {
        for (uint32_t fraction = 16; fraction >= 4; fraction /= 2) {
            uint32_t order = slub_fitting_order(size, (struct order_limits){ min_objects, MAX_SLAB_ORDER, fraction });
            if (order != NO_ORDER)
                return order;
        }
    }
    uint32_t order = slub_fitting_order(size, (struct order_limits){ 1, MAX_SLAB_ORDER, 1 });
    return order != NO_ORDER ? order : slub_fitting_order(size, (struct order_limits){ 1, VIEW_ORDERS - 1, 1 });
}

/* Free objects that a CPU may keep in its partial slabs. */
static uint32_t slub_cpu_partial_objects(uint32_t size)
{
    if (size >= PAGE_SIZE)
        return 6;
    if (size >= 1024)
        return 24;
    return size >= 256 ? 52 : 120;
}

static uint32_t slub_min_partial(uint32_t size)
{
    uint32_t half_log = (bit_length(size) - 1) / 2;
    if (half_log < MIN_PARTIAL)
        return MIN_PARTIAL;
    return half_log < MAX_PARTIAL ? half_log : MAX_PARTIAL;
}

static uint64_t slub_align_up(uint64_t size, uint64_t align)
{
    return (size + align - 1) & ~(align - 1);
}

/* calculate_sizes(): where the parts of an object lie. Returns the bytes from one object to the next. With all of
 * slub_debug:
 *
 *     | left red zone | object, rest: right red zone | free pointer | 2 tracks | size asked for | padding |
 *     red_left        0                              inuse = offset   slub_tracks_at()          slub_padding_at()
 *
 * Without debugging just the object is there, and the free pointer lies in its middle while it is free. */
static uint64_t slub_lay_out(struct cache *cache)
{
    const uint32_t flags = cache->flags, object_size = cache->object_size;
    uint64_t size = slub_align_up(object_size, 8);
    if (flags & SLAB_RED_ZONE && size == object_size)
        size += 8; /* there is no rest behind the object that could be its right red zone */
    cache->inuse = (uint32_t)size;
    cache->offset = (object_size / 2) & ~7u;
    if (flags & (SLAB_TYPESAFE_BY_RCU | SLAB_POISON) || (flags & SLAB_RED_ZONE && object_size < 8)) {
        cache->offset = (uint32_t)size; /* the object's own bytes are not to be touched while it is free */
        size += 8;
    }
    if (flags & SLAB_STORE_USER)
        size += 2 * TRACK_BYTES + (flags & SLAB_KMALLOC ? ORIG_SIZE_BYTES : 0);
    cache->red_left = 0;
    if (flags & SLAB_RED_ZONE) {
        cache->red_left = (uint32_t)slub_align_up(8, cache->align);
        size += 8 + cache->red_left;
    }
    cache->head = cache->red_left;
    return slub_align_up(size, cache->align);
}

/* What ksize() may promise: with debugging, no more than the caller of kmem_cache_create() asked for. */
static uint32_t slub_usable_bytes(const struct cache *cache)
{
    if (cache->flags & (SLAB_RED_ZONE | SLAB_POISON))
        return cache->object_size;
    return cache->flags & (SLAB_TYPESAFE_BY_RCU | SLAB_STORE_USER) ? cache->inuse : cache->size;
}

static uint32_t slub_pages_gfp(const struct cache *cache)
{
    return (cache->order ? (uint32_t)__GFP_COMP : 0) | (cache->flags & SLAB_CACHE_DMA ? (uint32_t)__GFP_DMA : 0) |
           (cache->flags & SLAB_CACHE_DMA32 ? (uint32_t)__GFP_DMA32 : 0) |
           (cache->flags & SLAB_RECLAIM_ACCOUNT ? (uint32_t)__GFP_RECLAIMABLE : 0);
}

/* calculate_alignment(): at least a word; with SLAB_HWCACHE_ALIGN a cache line, or the part of one that the object needs.
 */
static uint32_t slub_alignment_of(const struct kmem_cache_args *args)
{
    uint32_t line = args->flags & SLAB_HWCACHE_ALIGN ? CACHE_LINE : 8;
    while (line > 8 && args->size <= line / 2)
        line /= 2;
    return args->align > line ? (uint32_t)args->align : line;
}

bool slub_shape(const struct kmalloc *k, struct cache *cache, const struct kmem_cache_args *args)
{
    cache->flags = args->flags | k->debug_flags;
    bool is_debug = cache->flags & SLAB_DEBUG_FLAGS;
    if (!(cache->flags & (SLAB_CONSISTENCY_CHECKS | SLAB_STORE_USER)))
        cache->flags |= SLAB_CMPXCHG_DOUBLE;
    cache->object_size = (uint32_t)args->size;
    cache->align = slub_alignment_of(args);
    uint64_t size = slub_lay_out(cache);
    if (size > (uint64_t)PAGE_SIZE << (VIEW_ORDERS - 1))
        return false;
    cache->size = (uint32_t)size;
    cache->reciprocal = object_reciprocal(cache->size);
    cache->usable = slub_usable_bytes(cache);
    cache->order = slub_order(cache->size, k->nr_cpus);
    if (cache->order == NO_ORDER)
        return false;
    cache->min_order = order_for_bytes(cache->size);
    cache->objects = (PAGE_SIZE << cache->order) / cache->size;
    cache->cpu_partial =
        is_debug ? 0 : slub_cpu_partial_objects(cache->size); /* every debugged slab stands on the node's list */
    cache->cpu_partial_slabs = (2 * cache->cpu_partial + cache->objects - 1) / cache->objects;
    cache->min_partial = slub_min_partial(cache->size);
    cache->gfp = slub_pages_gfp(cache);
    return true;
}

static void slub_make_kmalloc_cache(struct kmalloc *k, enum cache_kind kind, uint32_t class)
{
    char name[CACHE_NAME_MAX + 1];
    size_t length = strlen(KINDS[kind].prefix), digits = strlen(CLASS_NAME[class]);
    memcpy(name, KINDS[kind].prefix, length);
    memcpy(name + length, CLASS_NAME[class], digits);
    struct cache_ref cache_ref = cache_make(k, (struct text){ name, (uint32_t)(length + digits) });
    INVARIANT(&k->caches, cache_ref.index); /* reserved before boot */
    struct cache *cache = cache_at(k, cache_ref);
    uint32_t size = CLASS_SIZE[class];
    cache->is_kmalloc = 1;
    cache->class = class;
    const struct kmem_cache_args args = { .size = size, .align = size & (size - 1) ? 8 : size, .flags = KINDS[kind].flags };
    bool shaped = slub_shape(k, cache, &args);
    INVARIANT(&k->caches, shaped);
    k->kmalloc_caches[kind][class] = cache_ref;
}

void slub_start(struct kmalloc *k)
{
    for (uint32_t kind = 0; kind < NR_CACHE_KINDS; kind++)
        for (uint32_t class = 0; class < NR_KMALLOC_CLASSES; class ++)
            slub_make_kmalloc_cache(k, kind, class);
}

/* Classes are powers of two from 8 on, and 96 and 192. */
static uint32_t slub_class_of(uint32_t size)
{
    static const uint8_t UP_TO_192[24] = { 0, 1, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 6, 6, 6, 6, 6, 6, 6, 6 };
    if (size <= 192)
        return UP_TO_192[(size - 1) / 8];
    uint32_t class = 7;
    for (uint32_t limit = 256; limit < size; limit *= 2)
        class ++;
    return class;
}

static enum cache_kind slub_kind_of(uint32_t gfp)
{
    if (!(gfp & (__GFP_DMA | __GFP_RECLAIMABLE | __GFP_ACCOUNT)))
        return CACHE_PLAIN;
    if (gfp & __GFP_DMA)
        return CACHE_DMA;
    return gfp & __GFP_RECLAIMABLE ? CACHE_RECLAIMABLE : CACHE_ACCOUNTED;
}

struct cache_ref slub_kmalloc_cache(const struct kmalloc *k, uint64_t size, uint32_t gfp)
{
    return k->kmalloc_caches[slub_kind_of(gfp)][slub_class_of((uint32_t)size)];
}
