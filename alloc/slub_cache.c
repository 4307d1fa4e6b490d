/* Slab caches: how large their slabs are, and the calls that make and end them. The order of a slab is the smallest that
 * holds enough objects for the machine's CPUs and wastes little; how many partial slabs a CPU and the node keep follows
 * from the object's size. Linux merges a new cache with an existing one of a similar size; here every cache stays its own,
 * so that it can be seen. */
#include "alloc/kmalloc_internal.h"

#include <string.h>

#define MAX_SLAB_ORDER 3u /* PAGE_ALLOC_COSTLY_ORDER: slub_max_order */
#define MIN_PARTIAL 5u
#define MAX_PARTIAL 10u
#define NO_ORDER UINT32_MAX

static const uint16_t CLASS_SIZE[NR_KMALLOC_CLASSES] = { 8, 16, 32, 64, 96, 128, 192, 256, 512, 1024, 2048, 4096, 8192 };
static const char *const CLASS_NAME[NR_KMALLOC_CLASSES] = { "8",   "16",  "32", "64", "96", "128", "192",
                                                            "256", "512", "1k", "2k", "4k", "8k" };
static const struct {
    const char *prefix;
    uint32_t gfp;
} KINDS[NR_CACHE_KINDS] = {
    [CACHE_PLAIN] = { "kmalloc-", 0 },
    [CACHE_RECLAIMABLE] = { "kmalloc-rcl-", __GFP_RECLAIMABLE },
    [CACHE_ACCOUNTED] = { "kmalloc-cg-", 0 },
    [CACHE_DMA] = { "dma-kmalloc-", __GFP_DMA },
};

static uint32_t bit_length(uint32_t number) /* fls(): 0 for 0 */
{
    uint32_t length = 0;
    for (; number; number >>= 1)
        length++;
    return length;
}

static uint32_t order_for(uint64_t size) /* get_order() */
{
    uint32_t order = 0;
    while ((uint64_t)PAGE_SIZE << order < size)
        order++;
    return order;
}

/* The first order, at most max_order, that holds min_objects and wastes at most one part in fraction of the slab. */
static uint32_t fitting_order(uint32_t size, uint32_t min_objects, uint32_t max_order, uint32_t fraction)
{
    for (uint32_t order = order_for((uint64_t)min_objects * size); order <= max_order; order++) {
        uint32_t slab_size = PAGE_SIZE << order;
        if (slab_size % size <= slab_size / fraction)
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
            uint32_t order = fitting_order(size, min_objects, MAX_SLAB_ORDER, fraction);
            if (order != NO_ORDER)
                return order;
        }
    }
    uint32_t order = fitting_order(size, 1, MAX_SLAB_ORDER, 1);
    return order != NO_ORDER ? order : fitting_order(size, 1, VIEW_ORDERS - 1, 1);
}

/* Free objects that a CPU may keep in its partial slabs. */
static uint32_t cpu_partial_objects(uint32_t size)
{
    if (size >= PAGE_SIZE)
        return 6;
    if (size >= 1024)
        return 24;
    return size >= 256 ? 52 : 120;
}

static uint32_t min_partial(uint32_t size)
{
    uint32_t half_log = (bit_length(size) - 1) / 2;
    if (half_log < MIN_PARTIAL)
        return MIN_PARTIAL;
    return half_log < MAX_PARTIAL ? half_log : MAX_PARTIAL;
}

/* Everything that follows from the size of an object. False: no slab can hold it. */
static bool shape_cache(struct cache *cache, uint32_t object_size, uint32_t align, uint32_t nr_cpus)
{
    uint32_t size = ((object_size + 7) & ~7u) + align - 1;
    cache->object_size = object_size;
    cache->align = align;
    cache->size = size & ~(align - 1);
    cache->reciprocal = reciprocal_of(cache->size);
    cache->offset = (object_size / 2) & ~7u;
    cache->order = slub_order(cache->size, nr_cpus);
    if (cache->order == NO_ORDER)
        return false;
    cache->min_order = order_for(cache->size);
    cache->objects = (PAGE_SIZE << cache->order) / cache->size;
    cache->cpu_partial = cpu_partial_objects(cache->size);
    cache->cpu_partial_slabs = (2 * cache->cpu_partial + cache->objects - 1) / cache->objects;
    cache->min_partial = min_partial(cache->size);
    cache->gfp |= cache->order ? (uint32_t)__GFP_COMP : 0;
    return true;
}

static void make_kmalloc_cache(struct kmalloc *k, enum cache_kind kind, uint32_t class)
{
    char name[CACHE_NAME_MAX + 1];
    size_t length = strlen(KINDS[kind].prefix), digits = strlen(CLASS_NAME[class]);
    memcpy(name, KINDS[kind].prefix, length);
    memcpy(name + length, CLASS_NAME[class], digits);
    uint32_t index = cache_make(k, (struct text){ name, (uint32_t)(length + digits) });
    assert(index); /* reserved before boot */
    struct cache *cache = cache_at(k, index);
    uint32_t size = CLASS_SIZE[class];
    cache->gfp = KINDS[kind].gfp;
    cache->is_kmalloc = 1;
    cache->class = class;
    bool shaped = shape_cache(cache, size, size & (size - 1) ? 8 : size, k->nr_cpus);
    assert(shaped);
    (void)shaped;
    k->kmalloc_caches[kind][class] = index;
}

void slub_start(struct kmalloc *k)
{
    for (uint32_t kind = 0; kind < NR_CACHE_KINDS; kind++)
        for (uint32_t class = 0; class < NR_KMALLOC_CLASSES; class ++)
            make_kmalloc_cache(k, kind, class);
}

/* Classes are powers of two from 8 on, and 96 and 192. */
static uint32_t class_of(uint32_t size)
{
    static const uint8_t UP_TO_192[24] = { 0, 1, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 6, 6, 6, 6, 6, 6, 6, 6 };
    if (size <= 192)
        return UP_TO_192[(size - 1) / 8];
    uint32_t class = 7;
    for (uint32_t limit = 256; limit < size; limit *= 2)
        class ++;
    return class;
}

static enum cache_kind kind_of(uint32_t gfp)
{
    if (!(gfp & (__GFP_DMA | __GFP_RECLAIMABLE | __GFP_ACCOUNT)))
        return CACHE_PLAIN;
    if (gfp & __GFP_DMA)
        return CACHE_DMA;
    return gfp & __GFP_RECLAIMABLE ? CACHE_RECLAIMABLE : CACHE_ACCOUNTED;
}

uint32_t slub_kmalloc_cache(const struct kmalloc *k, uint64_t size, uint32_t gfp)
{
    return k->kmalloc_caches[kind_of(gfp)][class_of((uint32_t)size)];
}

static void say_name(struct trace *trace, struct text name)
{
    char text[CACHE_NAME_MAX + 1] = { 0 };
    memcpy(text, name.start, name.length <= CACHE_NAME_MAX ? name.length : CACHE_NAME_MAX);
    trace_say(trace, text);
}

static uint32_t refuse_create(struct trace *trace, struct text name, const char *why)
{
    trace_say(trace, "kmem_cache_create(");
    say_name(trace, name);
    trace_say(trace, ") failed with error ");
    trace_say(trace, why);
    return 0;
}

/* Linux 1.x and 2.0 have no slab allocator. */
static bool has_caches(struct kmalloc *k, const char *function)
{
    if (k->profile->kmalloc_style == KMALLOC_SLUB)
        return true;
    k->trace->outcome = OUTCOME_NULL;
    trace_say(k->trace, function);
    trace_say(k->trace, ": this kernel has no slab caches; Linux got them in 2.1");
    return false;
}

uint32_t kmem_cache_create(struct kmalloc *k, struct text name, uint64_t size, uint64_t align)
{
    struct trace *trace = k->trace;
    if (!has_caches(k, "kmem_cache_create"))
        return 0;
    trace_step(trace, PATH_kmem_cache_create);
    if (kmem_cache_find(k, name)) {
        trace_bug(trace, "sysfs: cannot create duplicate filename '/kernel/slab/");
        say_name(trace, name);
        trace_say(trace, "': ");
        return refuse_create(trace, name, "-17");
    }
    trace->outcome = OUTCOME_NULL;
    if (!name.length || name.length > CACHE_NAME_MAX || !size || size > k->profile->kmalloc_max)
        return refuse_create(trace, name, "-22: a name of 1 to 63 bytes, and objects of 1 byte to KMALLOC_MAX_SIZE");
    if (align & (align - 1) || align > k->profile->kmalloc_max)
        return refuse_create(trace, name, "-22: the alignment is not a power of two, or too large");
    uint32_t index = cache_make(k, name);
    if (!index)
        return refuse_create(trace, name, "-12");
    if (!shape_cache(cache_at(k, index), (uint32_t)size, align < 8 ? 8 : (uint32_t)align, k->nr_cpus)) {
        cache_unmake(k, index);
        return refuse_create(trace, name, "-22: no order holds such an object");
    }
    trace->outcome = OUTCOME_OK;
    return index;
}

uint64_t kmem_cache_alloc(struct kmalloc *k, uint32_t index, uint32_t gfp, uint32_t label)
{
    if (!has_caches(k, "kmem_cache_alloc"))
        return 0;
    const struct cache *cache = cache_at(k, index);
    trace_step(k->trace, PATH_kmem_cache_alloc);
    uint64_t address = slub_alloc(k, index, gfp, cache->object_size, label);
    if (address)
        TRACE_EVENT(k->trace, .kind = EV_CACHE_ALLOC, .address = address, .a = cache->object_size, .b = cache->size);
    return address;
}

static void complain_wrong_cache(struct trace *trace, const struct cache *given, const struct cache *real)
{
    trace_bug(trace, "cache_from_obj: Wrong slab cache. ");
    trace_say(trace, given->name);
    trace_say(trace, " but object is from ");
    trace_say(trace, real->name);
}

void kmem_cache_free(struct kmalloc *k, uint32_t index, uint64_t address)
{
    if (!has_caches(k, "kmem_cache_free"))
        return;
    struct found found = kmalloc_look(k, address);
    trace_step(k->trace, PATH_kmem_cache_free);
    if (found.kind != FOUND_OBJECT || !found_is_live(k, &found)) {
        kmalloc_complain(k, "kmem_cache_free", address);
        return;
    }
    uint32_t real = slab_at(k, found.slab)->cache;
    if (index && index != real) {
        complain_wrong_cache(k->trace, cache_at(k, index), cache_at(k, real));
        return;
    }
    TRACE_EVENT(k->trace, .kind = EV_CACHE_FREE, .address = address);
    slub_free(k, found.slab, found.object);
}

/* The node's list is emptied from its end: shutting a cache down, Linux turns the list round while it collects the slabs.
 */
static void discard_all(struct kmalloc *k, uint32_t index)
{
    struct cache *cache = cache_at(k, index);
    for (uint32_t slab; (slab = cache->partial.last);) {
        slab_remove(k, &cache->partial, slab);
        slab_unmake(k, slab);
    }
    /* What is left are slabs that lost objects because somebody overwrote their free chain. */
    for (uint32_t slab = 1; cache->nr_slabs && slab < k->slabs.nr_used; slab++)
        if (slab_at(k, slab)->pfn && slab_at(k, slab)->cache == index)
            slab_unmake(k, slab);
}

void kmem_cache_destroy(struct kmalloc *k, uint32_t index)
{
    if (!has_caches(k, "kmem_cache_destroy"))
        return;
    struct cache *cache = cache_at(k, index);
    trace_step(k->trace, PATH_kmem_cache_destroy);
    if (cache->nr_live || cache->is_kmalloc) {
        trace_bug(k->trace, "kmem_cache_destroy ");
        trace_say(k->trace, cache->name);
        trace_say(k->trace, cache->nr_live ? ": Slab cache still has objects" : ": kmalloc itself needs this cache");
        return;
    }
    slub_flush(k, index);
    discard_all(k, index);
    cache_unmake(k, index);
}
