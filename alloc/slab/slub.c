/* SLUB. Each CPU owns one slab of a cache at a time and takes objects from a free list of its own. When that is empty it
 * takes over, in this order: what others freed into its slab meanwhile, the next slab of its partial chain, slabs from the
 * front of the node's list (the first to use, some more for the chain), and at last a new slab. A freed object goes on the
 * free list of its own slab; a full slab that gets one back joins the CPU's partial chain, and when that is long enough the
 * whole chain moves to the end of the node's list, where empty slabs beyond min_partial are given back.
 *
 * Free pointers are the words in the frames' bytes, at the place where Linux keeps them, but plain: Linux scrambles them
 * with their own address and a random number (CONFIG_SLAB_FREELIST_HARDENED), so that an overwritten one ends in a fault.
 * Here the next allocations go where the bytes say, as they do in a kernel without that option: to another object of the
 * slab, even to one that is in use, to any other place in memory (slub_stray.c), or into a fault. Caches with slub_debug go
 * another way altogether: slub_debug.c. */
#include "alloc/slab/kmalloc_internal.h"

enum source { FROM_OWN_LIST, FROM_CPU_PARTIAL, FROM_NODE, FROM_NEW }; /* EV_SLAB_CPU's "source" */

static struct cpu_slab *this_cpu(const struct kmalloc *k, struct cache *cache)
{
    return &cache->cpus[k->trace->cpu];
}

/* The slab's whole free list becomes the CPU's. */
static void take_over(struct kmalloc *k, struct cache *cache, uint32_t index, enum source source)
{
    struct cpu_slab *cpu = this_cpu(k, cache);
    struct slab *slab = slab_at(k, index);
    cpu->slab = index;
    cpu->freelist = slab->freelist;
    if (slab->freelist & SLAB_STRAY)
        slub_follow(k, cache, cpu, slab, slab_free_word(k, cache, slab));
    slab->freelist = 0;
    slab->inuse = slab->objects;
    slab->state = SLAB_CPU;
    slab->cpu = k->trace->cpu;
    TRACE_EVENT(k->trace, .kind = EV_SLAB_CPU, .pfn = slab->pfn, .a = source);
}

/* The current slab has nothing left: it is forgotten until somebody frees into it. */
static void retire(const struct kmalloc *k, struct cpu_slab *cpu)
{
    if (cpu->slab)
        slab_at(k, cpu->slab)->state = SLAB_FULL;
    cpu->slab = 0;
    cpu->freelist = 0;
    cpu->stray = 0;
}

uint32_t slub_add_slab(struct kmalloc *k, uint32_t cache_index, uint32_t pfn, uint32_t order)
{
    struct cache *cache = cache_at(k, cache_index);
    uint32_t index = slab_make(k, cache_index, pfn, order);
    retire(k, this_cpu(k, cache));
    TRACE_EVENT(k->trace, .kind = EV_NEW_SLAB, .pfn = pfn, .order = (uint8_t)order, .count = slab_at(k, index)->objects);
    slub_link_new(k, index);
    take_over(k, cache, index, FROM_NEW);
    return index;
}

static void push_cpu_partial(struct kmalloc *k, struct cpu_slab *cpu, uint32_t index)
{
    struct slab *slab = slab_at(k, index);
    slab->next = cpu->partial;
    slab->state = SLAB_CPU_PARTIAL;
    slab->cpu = k->trace->cpu;
    cpu->partial = index;
    cpu->nr_partial++;
}

/* A CPU's partial chain goes to the end of the node's list, in order. Empty slabs beyond min_partial are not kept; they are
 * given back when all others have been moved, the last one first. */
static void unfreeze(struct kmalloc *k, struct cache *cache, struct cpu_slab *cpu)
{
    uint32_t discard = 0;
    for (uint32_t index = cpu->partial, next; index; index = next) {
        struct slab *slab = slab_at(k, index);
        next = slab->next;
        if (!slab_is_empty(slab) || cache->partial.count < cache->min_partial) {
            slab_push_tail(k, &cache->partial, index);
            continue;
        }
        slab->next = discard;
        discard = index;
    }
    cpu->partial = 0;
    cpu->nr_partial = 0;
    for (uint32_t next; discard; discard = next) {
        next = slab_at(k, discard)->next;
        slab_unmake(k, discard);
    }
}

/* Takes the first slab of the node's list into use, and some of those behind it into the CPU's partial chain. */
static void take_from_node(struct kmalloc *k, struct cache *cache)
{
    struct slab_list *list = &cache->partial;
    uint32_t first = list->first;
    slab_remove(k, list, first);
    take_over(k, cache, first, FROM_NODE);
    for (uint32_t moved = 0; list->first && moved <= cache->cpu_partial_slabs / 2; moved++) {
        uint32_t index = list->first;
        slab_remove(k, list, index);
        push_cpu_partial(k, this_cpu(k, cache), index);
    }
}

static bool add_new_slab(struct kmalloc *k, uint32_t cache_index, uint32_t gfp)
{
    uint32_t order;
    retire(k, this_cpu(k, cache_at(k, cache_index)));
    uint32_t pfn = slub_take_pages(k, cache_index, gfp, &order);
    if (pfn)
        slub_add_slab(k, cache_index, pfn, order);
    return pfn != 0;
}

/* The slab that this CPU will use when its own free list is empty; 0: a new one. */
static uint32_t next_slab(const struct kmalloc *k, const struct cache *cache, enum source *source)
{
    const struct cpu_slab *cpu = &cache->cpus[k->trace->cpu];
    *source = FROM_OWN_LIST;
    if (cpu->slab && slab_at(k, cpu->slab)->freelist)
        return cpu->slab;
    *source = FROM_CPU_PARTIAL;
    if (cpu->partial)
        return cpu->partial;
    *source = FROM_NODE;
    return cache->partial.first;
}

bool slub_is_dry(const struct kmalloc *k, uint32_t cache_index)
{
    const struct cache *cache = cache_at(k, cache_index);
    enum source source;
    return !cache->cpus[k->trace->cpu].freelist && !next_slab(k, cache, &source);
}

/* ___slab_alloc(): fills the CPU's empty free list. False: no memory. */
static bool refill(struct kmalloc *k, uint32_t cache_index, uint32_t gfp)
{
    struct cache *cache = cache_at(k, cache_index);
    struct cpu_slab *cpu = this_cpu(k, cache);
    enum source source;
    uint32_t index = next_slab(k, cache, &source);
    trace_step(k->trace, PATH____slab_alloc);
    trace_cost(k->trace, COST_SLAB_SLOW, 1);
    if (!index)
        return add_new_slab(k, cache_index, gfp);
    if (source != FROM_OWN_LIST) {
        trace_step(k->trace, PATH_get_partial);
        retire(k, cpu);
    }
    if (source == FROM_NODE) {
        take_from_node(k, cache);
        return true;
    }
    if (source == FROM_CPU_PARTIAL) {
        struct slab *slab = slab_at(k, index);
        cpu->partial = slab->next;
        cpu->nr_partial--;
        slab->next = 0;
    }
    take_over(k, cache, index, source);
    fetch(slab_at(k, next_slab(k, cache, &source)));
    return true;
}

/* The next caller will not have to wait for the host's memory: prefetch_freepointer(). first: of a free list. */
static inline void fetch_object(const struct kmalloc *k, const struct cache *cache, const struct slab *slab, uint32_t first)
{
    if (first > slab->objects)
        return;
    fetch(track_at(k, slab, first - 1));
    fetch(peek_at(k->frames, object_physical(cache, slab, first - 1) + cache->offset));
}

/* Nor will the one who has to go on to another slab, whose record was fetched when this one was taken over. */
static void fetch_next_slab(const struct kmalloc *k, const struct cache *cache)
{
    enum source source;
    const struct slab *slab = slab_at(k, next_slab(k, cache, &source));
    if (slab->freelist)
        fetch_object(k, cache, slab, slab->freelist);
}

uint64_t slub_alloc(struct kmalloc *k, uint32_t cache_index, uint32_t gfp, uint32_t requested, struct name_ref name)
{
    struct cache *cache = cache_at(k, cache_index);
    struct cpu_slab *cpu = this_cpu(k, cache);
    if (cache->flags & SLAB_DEBUG_FLAGS)
        return slub_debug_alloc(k, cache_index, gfp, requested, name);
    if (!cpu->freelist && !refill(k, cache_index, gfp))
        return 0;
    struct slab *slab = slab_at(k, cpu->slab);
    uint32_t object = cpu->freelist - 1u;
    if (object >= slab->objects || track_at(k, slab, object)->live) /* an overwritten free pointer led here */
        return slub_alloc_stray(k, cache_index, gfp, requested, name);
    slub_follow(k, cache, cpu, slab, slub_read_pointer(k, cache, slab, object));
    if (cpu->freelist)
        fetch_object(k, cache, slab, cpu->freelist);
    else
        fetch_next_slab(k, cache);
    track_take(k, cache, slab, object, requested, name);
    trace_cost(k->trace, COST_SLAB_FAST, 1);
    slub_prepare(k, cache, object_physical(cache, slab, object), gfp);
    return object_address(k, cache, slab, object);
}

/* __slab_free(): into a slab that is not this CPU's current one. */
void slub_freed_into(struct kmalloc *k, uint32_t index, uint16_t head)
{
    struct slab *slab = slab_at(k, index);
    struct cache *cache = cache_at(k, slab->cache);
    struct cpu_slab *cpu = this_cpu(k, cache);
    slab->freelist = head;
    if (slab->inuse)
        slab->inuse--;
    trace_step(k->trace, PATH___slab_free);
    trace_cost(k->trace, COST_SLAB_SLOW, 1);
    if (slab->state == SLAB_FULL) {
        if (cpu->nr_partial >= cache->cpu_partial_slabs)
            unfreeze(k, cache, cpu);
        push_cpu_partial(k, cpu, index);
    } else if (slab->state == SLAB_PARTIAL && slab_is_empty(slab) && cache->partial.count >= cache->min_partial) {
        slab_remove(k, &cache->partial, index);
        slab_unmake(k, index);
    }
}

void slub_free(struct kmalloc *k, uint32_t index, uint32_t object)
{
    struct slab *slab = slab_at(k, index);
    struct cache *cache = cache_at(k, slab->cache);
    struct cpu_slab *cpu = this_cpu(k, cache);
    if (cache->flags & SLAB_DEBUG_FLAGS) {
        slub_debug_free(k, index, object);
        return;
    }
    track_give(k, cache, slab, object);
    if (k->options & KMALLOC_INIT_ON_FREE)
        slub_wipe(k, cache, object_physical(cache, slab, object));
    trace_cost(k->trace, COST_SLAB_FAST, 1);
    if (cpu->slab != index) {
        slub_write_word(k, cache, slab, object, slab_free_word(k, cache, slab));
        slub_freed_into(k, index, (uint16_t)(object + 1));
        return;
    }
    if (cpu->freelist == FREELIST_STRAY)
        slub_write_word(k, cache, slab, object, cpu->stray);
    else
        slub_write_pointer(k, cache, slab, object, cpu->freelist);
    cpu->freelist = (uint16_t)(object + 1);
    cpu->stray = 0;
}

/* --- flushing: a cache shrinks, or goes away --- */

/* Walks a CPU's list to its end, or until it leaves the slab or runs in a circle: then end->freelist says so. Returns the
 * number of objects passed, the last of them in *last, + 1. */
static uint32_t walk_list(const struct kmalloc *k, const struct cache *cache, const struct cpu_slab *cpu, uint32_t *last,
                          struct cpu_slab *end)
{
    const struct slab *slab = slab_at(k, cpu->slab);
    uint32_t nr = 0;
    *end = *cpu;
    for (*last = 0; end->freelist && end->freelist != FREELIST_STRAY && nr <= slab->objects; nr++) {
        *last = end->freelist;
        slub_follow(k, cache, end, slab, slub_read_pointer(k, cache, slab, end->freelist - 1u));
    }
    return nr;
}

static bool refuse_flush(struct kmalloc *k, const struct cache *cache, uint32_t cpu, const struct cpu_slab *end)
{
    if (end->freelist == FREELIST_STRAY) {
        kmalloc_oops(k, end->stray + cache->offset);
    } else {
        trace_bug(k->trace, "watchdog: BUG: soft lockup - CPU#");
        trace_say_number(k->trace, cpu);
        trace_say(k->trace, " stuck for 22s!");
    }
    trace_say(k->trace, "\nwhile it walked its free list of ");
    trace_say(k->trace, cache->name);
    trace_say(k->trace, ": somebody wrote to a free object");
    return false;
}

bool slub_may_flush(struct kmalloc *k, uint32_t cache_index)
{
    const struct cache *cache = cache_at(k, cache_index);
    for (uint32_t i = 0; i < k->nr_cpus; i++) {
        uint32_t last;
        struct cpu_slab end = { 0 };
        if (cache->cpus[i].slab)
            walk_list(k, cache, &cache->cpus[i], &last, &end);
        if (end.freelist)
            return refuse_flush(k, cache, i, &end);
    }
    return true;
}

/* deactivate_slab(): the CPU's free objects go back in front of the slab's own; it goes to the front of the node's list, or
 * to its end when others freed into it meanwhile. */
static void deactivate(struct kmalloc *k, struct cache *cache, struct cpu_slab *cpu)
{
    uint32_t index = cpu->slab, last;
    struct cpu_slab end;
    if (!index)
        return;
    struct slab *slab = slab_at(k, index);
    uint32_t nr = walk_list(k, cache, cpu, &last, &end);
    bool freed_into = slab->freelist;
    if (last) {
        slub_write_word(k, cache, slab, last - 1, slab_free_word(k, cache, slab));
        slab->freelist = cpu->freelist;
        slab->inuse = (uint16_t)(slab->inuse > nr ? slab->inuse - nr : 0);
    }
    retire(k, cpu);
    if (slab_is_empty(slab) && cache->partial.count >= cache->min_partial)
        slab_unmake(k, index);
    else if (slab->freelist && freed_into)
        slab_push_tail(k, &cache->partial, index);
    else if (slab->freelist)
        slab_push_head(k, &cache->partial, index);
}

void slub_flush(struct kmalloc *k, uint32_t cache_index)
{
    struct cache *cache = cache_at(k, cache_index);
    for (uint32_t i = 0; i < k->nr_cpus; i++) {
        deactivate(k, cache, &cache->cpus[i]);
        unfreeze(k, cache, &cache->cpus[i]);
    }
}
