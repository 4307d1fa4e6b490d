/* The calls on slab caches: kmem_cache_create() and its relatives (mm/slab_common.c).
 *
 * Linux merges a new cache with an existing one of a similar size (SLAB_MERGE_DEFAULT), so that most caches are other names
 * of a few. Here every cache stays its own, so that it can be seen: as with slab_nomerge, or with slub_debug. */
#include "alloc/slab/kmalloc_internal.h"

#include <string.h>

#define SHRINK_PROMOTE_MAX 32u /* free objects of the slabs that kmem_cache_shrink() puts in order */

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

uint32_t kmem_cache_create(struct kmalloc *k, struct text name, uint64_t size, uint64_t align, uint32_t flags)
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
    if (flags & ~(uint32_t)SLAB_FLAGS_ALL)
        return refuse_create(trace, name, "-22: a flag that callers may not give");
    uint32_t index = cache_make(k, name);
    if (!index)
        return refuse_create(trace, name, "-12");
    if (!slub_shape(k, cache_at(k, index), (uint32_t)size, (uint32_t)align, flags)) {
        cache_unmake(k, index);
        return refuse_create(trace, name, "-22: no order holds such an object");
    }
    k->debug_seen |= cache_at(k, index)->flags & SLAB_DEBUG_FLAGS;
    trace->outcome = OUTCOME_OK;
    return index;
}

uint64_t kmem_cache_alloc(struct kmalloc *k, uint32_t index, uint32_t gfp, struct name_ref name)
{
    if (!has_caches(k, "kmem_cache_alloc"))
        return 0;
    const struct cache *cache = cache_at(k, index);
    trace_step(k->trace, PATH_kmem_cache_alloc);
    uint64_t address = slub_alloc(k, index, gfp, cache->object_size, name);
    if (address)
        TRACE_EVENT(k->trace, .kind = EV_CACHE_ALLOC, .address = address, .a = cache->object_size, .b = cache->size);
    return address;
}

static void complain_wrong_cache(struct kmalloc *k, const struct cache *given, const struct cache *real, uint64_t address)
{
    struct trace *trace = k->trace;
    trace_bug(trace, "cache_from_obj: Wrong slab cache. ");
    trace_say(trace, given->name);
    trace_say(trace, " but object is from ");
    trace_say(trace, real->name);
    trace_say(trace, "\n");
    slub_say_tracks(k, real, address);
}

/* The object goes back to the cache that it is from, whichever was given. */
static void free_object(struct kmalloc *k, const struct found *found, uint64_t address)
{
    if (!slub_debug_may_free(k, found->slab, address))
        return;
    if (!found_is_live(found)) {
        kmalloc_complain(k, "kmem_cache_free", address);
        slub_free_stray(k, found, address);
        return;
    }
    TRACE_EVENT(k->trace, .kind = EV_CACHE_FREE, .address = address);
    slub_free(k, found->slab, found->object);
}

void kmem_cache_free(struct kmalloc *k, uint32_t index, uint64_t address)
{
    if (!has_caches(k, "kmem_cache_free"))
        return;
    struct found found = kmalloc_look(k, address);
    uint32_t real = found.slab ? slab_at(k, found.slab)->cache : 0;
    trace_step(k->trace, PATH_kmem_cache_free);
    if (!found.slab && found.pfn != UINT32_MAX) {
        trace_bug(k->trace, "WARNING: virt_to_cache: Object is not a Slab page!\n");
        kmalloc_complain(k, "kmem_cache_free", address);
    } else if (!real) {
        kmalloc_complain(k, "kmem_cache_free", address);
    } else {
        if (index && index != real)
            complain_wrong_cache(k, cache_at(k, index), cache_at(k, real), address);
        free_object(k, &found, address);
    }
}

/* --- giving slabs back --- */

/* free_partial(): empty slabs of the node's list go back, the last one first: Linux turns the list round while it collects
 * them. */
static void discard_empty(struct kmalloc *k, struct cache *cache)
{
    for (uint32_t slab = cache->partial.last, before; slab; slab = before) {
        before = slab_at(k, slab)->prev;
        if (!slab_is_empty(slab_at(k, slab)))
            continue;
        slab_remove(k, &cache->partial, slab);
        slab_unmake(k, slab);
    }
}

static void report_remaining(struct kmalloc *k, struct cache *cache)
{
    struct trace *trace = k->trace;
    for (uint32_t slab = cache->partial.first; slab; slab = slab_at(k, slab)->next)
        slub_say_remaining(k, slab_at(k, slab));
    trace_bug(trace, "kmem_cache_destroy ");
    trace_say(trace, cache->name);
    trace_say(trace, ": Slab cache still has objects when called from ");
    if (k->call_site.index)
        trace_say(trace, name_text(k->names, k->call_site));
    else
        kmalloc_say_pointer(trace, KERNEL_TEXT);
    k->taints |= TAINT_WARN;
}

/* What cannot go stays, with the cache, as in Linux; there nobody could ever destroy it again, here one may free the
 * objects and try once more. */
void kmem_cache_destroy(struct kmalloc *k, uint32_t index)
{
    if (!has_caches(k, "kmem_cache_destroy"))
        return;
    struct cache *cache = cache_at(k, index);
    trace_step(k->trace, PATH_kmem_cache_destroy);
    if (cache->is_kmalloc) {
        trace_bug(k->trace, "kmem_cache_destroy ");
        trace_say(k->trace, cache->name);
        trace_say(k->trace, ": kmalloc itself needs this cache");
        return;
    }
    if (!slub_may_flush(k, index))
        return;
    slub_flush(k, index);
    discard_empty(k, cache);
    if (!cache->nr_slabs) {
        cache_unmake(k, index);
        return;
    }
    cache->is_destroyed = 1;
    report_remaining(k, cache);
}

/* The fullest slabs, which have fewest free objects, go to the front of the node's list: they are used up first. */
static void promote_fullest(struct kmalloc *k, struct cache *cache)
{
    struct slab_list *list = &cache->partial, by_free[SHRINK_PROMOTE_MAX];
    memset(by_free, 0, sizeof by_free);
    for (uint32_t slab = list->first, next; slab; slab = next) {
        uint32_t nr_free = (uint32_t)slab_at(k, slab)->objects - slab_at(k, slab)->inuse;
        next = slab_at(k, slab)->next;
        if (!nr_free || nr_free > SHRINK_PROMOTE_MAX)
            continue;
        slab_remove(k, list, slab);
        slab_push_head(k, &by_free[nr_free - 1], slab);
    }
    for (uint32_t i = SHRINK_PROMOTE_MAX; i-- > 0;) {
        for (uint32_t slab; (slab = by_free[i].last);) {
            slab_remove(k, &by_free[i], slab);
            slab_push_head(k, list, slab);
        }
    }
}

void kmem_cache_shrink(struct kmalloc *k, uint32_t index)
{
    if (!has_caches(k, "kmem_cache_shrink"))
        return;
    trace_step(k->trace, PATH_kmem_cache_shrink);
    if (!slub_may_flush(k, index))
        return;
    slub_flush(k, index);
    promote_fullest(k, cache_at(k, index));
    discard_empty(k, cache_at(k, index));
}
