/* The calls on slab caches: kmem_cache_create() and its relatives (mm/slab_common.c).
 *
 * Linux merges a new cache with an existing one of a similar size (SLAB_MERGE_DEFAULT), so that most caches are other names
 * of a few. Here every cache stays its own, so that it can be seen: as with slab_nomerge, or with slub_debug. */
#include "alloc/slab/slub.h"

#include <string.h>

#define SHRINK_PROMOTE_MAX 32u /* free objects of the slabs that kmem_cache_shrink() puts in order */

/* error  a negative errno
 * why    what it means here, a line of its own; NULL: the errno says it */
static struct cache_ref cache_refuse_create(struct trace *trace, struct text name, int64_t error, const char *why)
{
    if (name.length > CACHE_NAME_MAX)
        name.length = CACHE_NAME_MAX;
    trace_print(trace, "kmem_cache_create_usercopy(%.*s) failed with error %jd\n", TEXT_ARG(name), error);
    if (why)
        trace_print(trace, "(%s)", why);
    return CACHE_NONE;
}

/* Linux 1.x and 2.0 have no slab allocator. */
static bool kmalloc_has_caches(struct kmalloc *k, const char *function)
{
    if (k->profile->kmalloc_style == KMALLOC_SLUB)
        return true;
    k->trace->outcome = OUTCOME_NULL;
    trace_print(k->trace, "%s: this kernel has no slab caches; Linux got them in 2.1", function);
    return false;
}

struct cache_ref kmem_cache_create(struct kmalloc *k, struct text name, const struct kmem_cache_args *args)
{
    struct trace *trace = k->trace;
    if (!kmalloc_has_caches(k, "kmem_cache_create"))
        return CACHE_NONE;
    if (kmem_cache_find(k, name).index) {
        trace_bug(trace, "sysfs: cannot create duplicate filename '/kernel/slab/%.*s'\n", TEXT_ARG(name));
        trace_print(trace,
                    "kobject_add_internal failed for %.*s with -EEXIST, don't try to register things with the same name in "
                    "the same directory.\n",
                    TEXT_ARG(name));
        return cache_refuse_create(trace, name, -17, NULL);
    }
    trace->outcome = OUTCOME_NULL;
    bool is_name = name.length && name.length <= CACHE_NAME_MAX && !memchr(name.start, '\0', name.length);
    if (!is_name || !args->size || args->size > k->profile->kmalloc_max)
        return cache_refuse_create(trace, name, -22, "a name of 1 to 63 bytes, and objects of 1 byte to KMALLOC_MAX_SIZE");
    if (args->align & (args->align - 1) || args->align > k->profile->kmalloc_max)
        return cache_refuse_create(trace, name, -22, "the alignment is not a power of two, or too large");
    if (args->flags & ~(uint32_t)SLAB_FLAGS_ALL)
        return cache_refuse_create(trace, name, -22, "a flag that callers may not give");
    struct cache_ref cache_ref = cache_make(k, name);
    if (!cache_ref.index)
        return cache_refuse_create(trace, name, -12, NULL);
    if (!slub_shape(k, cache_at(k, cache_ref), args)) {
        cache_unmake(k, cache_ref);
        return cache_refuse_create(trace, name, -22, "no order holds such an object");
    }
    k->debug_seen |= cache_at(k, cache_ref)->flags & SLAB_DEBUG_FLAGS;
    trace->outcome = OUTCOME_OK;
    return cache_ref;
}

struct kmalloc_block kmem_cache_alloc(struct kmalloc *k, struct cache_ref cache_ref, const struct kmalloc_request *request)
{
    if (!kmalloc_has_caches(k, "kmem_cache_alloc"))
        return KMALLOC_NULL;
    const struct cache *cache = cache_at(k, cache_ref);
    struct kmalloc_request of_object = *request;
    of_object.size = cache->object_size;
    struct kmalloc_block block = slub_alloc(k, cache_ref, &of_object);
    if (block.address)
        TRACE_EVENT(k->trace, .kind = EV_CACHE_ALLOC, .address = block.address, .a = cache->object_size, .b = cache->size);
    return block;
}

static void cache_complain_wrong(struct kmalloc *k, const struct cache *given, const struct cache *real, uint64_t address)
{
    k->trace->outcome = OUTCOME_BUG;
    oops_warn(k->trace, k->profile, AT_CACHE_FROM_OBJ, "cache_from_obj: Wrong slab cache. %s but object is from %s",
              given->name, real->name);
    slub_say_tracks(k, real, address);
}

/* The object goes back to the cache that it is from, whichever was given. True: it is gone. */
static bool cache_free_object(struct kmalloc *k, const struct found *found, uint64_t address, struct name_ref call_site)
{
    if (!slub_debug_may_free(k, found->slab, address))
        return false;
    if (!found_is_live(found)) {
        kmalloc_complain(k, "kmem_cache_free", address);
        slub_free_stray(k, found, address);
        return false;
    }
    TRACE_EVENT(k->trace, .kind = EV_CACHE_FREE, .address = address);
    slub_free(k, found, call_site);
    return true;
}

struct kmalloc_freed kmem_cache_free(struct kmalloc *k, struct cache_ref cache_ref, uint64_t address,
                                     struct name_ref call_site)
{
    struct found found = kmalloc_look(k, address);
    struct kmalloc_freed freed = found_before_free(k, &found, address);
    if (!kmalloc_has_caches(k, "kmem_cache_free")) {
        freed.name = NAME_NONE;
        return freed;
    }
    if (!found.slab.index) {
        if (found.pfn != UINT32_MAX)
            oops_warn(k->trace, k->profile, AT_VIRT_TO_CACHE, "virt_to_cache: Object is not a Slab page!");
        kmalloc_complain(k, "kmem_cache_free", address);
        freed.name = NAME_NONE;
        return freed;
    }
    struct cache_ref real = slab_at(k, found.slab)->cache;
    if (cache_ref.index && cache_ref.index != real.index)
        cache_complain_wrong(k, cache_at(k, cache_ref), cache_at(k, real), address);
    if (!cache_free_object(k, &found, address, call_site))
        freed.name = NAME_NONE;
    return freed;
}

/* --- giving slabs back --- */

/* free_partial(): empty slabs of the node's list go back, the last one first: Linux turns the list round while it collects
 * them. */
static void cache_discard_empty(struct kmalloc *k, struct cache *cache)
{
    for (struct slab_ref slab = slab_list_last(&cache->partial), before; slab.index; slab = before) {
        before = slab_at(k, slab)->prev;
        if (!slab_is_empty(slab_at(k, slab)))
            continue;
        slab_remove(k, &cache->partial, slab);
        slab_unmake(k, slab);
    }
}

static void cache_report_remaining(struct kmalloc *k, struct cache *cache, struct name_ref call_site)
{
    char digits[POINTER_TEXT_MAX];
    for (struct slab_ref slab = slab_list_first(&cache->partial); slab.index; slab = slab_at(k, slab)->next)
        slub_say_remaining(k, slab_at(k, slab));
    k->trace->outcome = OUTCOME_BUG;
    oops_warn(k->trace, k->profile, AT_CACHE_DESTROY,
              "kmem_cache_destroy %s: Slab cache still has objects when called from %s", cache->name,
              slub_call_site_text(k, slub_call_site_address(call_site), digits));
    k->taints |= TAINT_WARN;
}

/* A cache with live objects stays, as in Linux. There it can never be destroyed afterwards. Here it can, when its objects
 * have been freed. */
void kmem_cache_destroy(struct kmalloc *k, struct cache_ref cache_ref, struct name_ref call_site)
{
    if (!kmalloc_has_caches(k, "kmem_cache_destroy"))
        return;
    struct cache *cache = cache_at(k, cache_ref);
    if (cache->is_kmalloc) {
        trace_bug(k->trace, "kmem_cache_destroy %s: kmalloc itself needs this cache", cache->name);
        return;
    }
    if (!slub_may_flush(k, cache_ref))
        return;
    slub_flush(k, cache_ref);
    cache_discard_empty(k, cache);
    if (!cache->nr_slabs) {
        cache_unmake(k, cache_ref);
        return;
    }
    cache->is_destroyed = 1;
    cache_report_remaining(k, cache, call_site);
}

/* The fullest slabs, which have fewest free objects, go to the front of the node's list: they are used up first. */
static void cache_promote_fullest(struct kmalloc *k, struct cache *cache)
{
    struct index_list *list = &cache->partial, by_free[SHRINK_PROMOTE_MAX];
    memset(by_free, 0, sizeof by_free);
    for (struct slab_ref slab = slab_list_first(list), next; slab.index; slab = next) {
        uint32_t nr_free = (uint32_t)slab_at(k, slab)->objects - slab_at(k, slab)->inuse;
        next = slab_at(k, slab)->next;
        if (!nr_free || nr_free > SHRINK_PROMOTE_MAX)
            continue;
        slab_remove(k, list, slab);
        slab_push_head(k, &by_free[nr_free - 1], slab);
    }
    for (uint32_t i = SHRINK_PROMOTE_MAX; i-- > 0;) {
        for (struct slab_ref slab; (slab = slab_list_last(&by_free[i])).index;) {
            slab_remove(k, &by_free[i], slab);
            slab_push_head(k, list, slab);
        }
    }
}

void kmem_cache_shrink(struct kmalloc *k, struct cache_ref cache_ref)
{
    if (!kmalloc_has_caches(k, "kmem_cache_shrink"))
        return;
    if (!slub_may_flush(k, cache_ref))
        return;
    slub_flush(k, cache_ref);
    cache_promote_fullest(k, cache_at(k, cache_ref));
    cache_discard_empty(k, cache_at(k, cache_ref));
}
