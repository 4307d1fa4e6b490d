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
#include "alloc/slab/slub.h"

enum slub_source { FROM_OWN_LIST, FROM_CPU_PARTIAL, FROM_NODE, FROM_NEW }; /* EV_SLAB_CPU's "source" */

static struct cpu_slab *slub_this_cpu(const struct kmalloc *k, struct cache *cache)
{
    return &cache->cpus[k->trace->cpu];
}

/* The slab becomes the CPU's current one, and its whole free list the CPU's. The slab's own list is empty then, and its
 * count says that all objects are in use: the CPU takes them one by one without a further change to the slab. What others
 * free into the slab meanwhile goes on the slab's own list again.
 *
 *     before   slab: A -> B -> C    CPU: (empty)
 *     after    slab: (empty)        CPU: A -> B -> C */
static void slub_take_over(struct kmalloc *k, struct cache *cache, struct slab_ref slab_ref, enum slub_source source)
{
    struct cpu_slab *cpu = slub_this_cpu(k, cache);
    struct slab *slab = slab_at(k, slab_ref);
    cpu->slab = slab_ref;
    cpu->freelist = slab->freelist;
    if (slab->freelist & SLAB_STRAY)
        slub_follow(k, cache, cpu, slab, slab_free_word(k, cache, slab));
    slab->freelist = 0;
    slab->inuse = slab->objects;
    slab->state = SLAB_CPU;
    slab->cpu = k->trace->cpu;
    TRACE_EVENT(k->trace, .kind = EV_SLAB_CPU, .pfn = slab->pfn, .a = source);
}

/* The current slab has nothing left. The CPU forgets it, and it is on no list until somebody frees into it. */
static void slub_retire(const struct kmalloc *k, struct cpu_slab *cpu)
{
    if (cpu->slab.index)
        slab_at(k, cpu->slab)->state = SLAB_FULL;
    cpu->slab = SLAB_NONE;
    cpu->freelist = 0;
    cpu->stray = 0;
}

struct slab_ref slub_add_slab(struct kmalloc *k, struct cache_ref cache_ref, uint32_t pfn, uint32_t order)
{
    struct cache *cache = cache_at(k, cache_ref);
    struct slab_ref slab_ref = slab_make(k, cache_ref, pfn, order);
    slub_retire(k, slub_this_cpu(k, cache));
    TRACE_EVENT(k->trace, .kind = EV_NEW_SLAB, .pfn = pfn, .order = (uint8_t)order, .count = slab_at(k, slab_ref)->objects);
    slub_link_new(k, slab_ref);
    slub_take_over(k, cache, slab_ref, FROM_NEW);
    return slab_ref;
}

static void slub_push_cpu_partial(struct kmalloc *k, struct cpu_slab *cpu, struct slab_ref slab_ref)
{
    struct slab *slab = slab_at(k, slab_ref);
    slab->next = cpu->partial;
    slab->state = SLAB_CPU_PARTIAL;
    slab->cpu = k->trace->cpu;
    cpu->partial = slab_ref;
    cpu->nr_partial++;
}

/* __unfreeze_partials(): the CPU's partial chain is too long. All of it goes to the end of the node's list, in order. An
 * empty slab is given back instead, when the list has min_partial slabs already. That happens after all others have been
 * moved, and the last one goes first.
 *
 *     CPU's chain: S3 -> S2 (empty) -> S1    node: N1 <-> N2
 *     afterwards:  (none)                    node: N1 <-> N2 <-> S3 <-> S1, and S2's frames are free */
static void slub_unfreeze(struct kmalloc *k, struct cache *cache, struct cpu_slab *cpu)
{
    struct slab_ref discard = SLAB_NONE;
    for (struct slab_ref slab_ref = cpu->partial, next; slab_ref.index; slab_ref = next) {
        struct slab *slab = slab_at(k, slab_ref);
        next = slab->next;
        if (!slab_is_empty(slab) || cache->partial.count < cache->min_partial) {
            slab_push_tail(k, &cache->partial, slab_ref);
            continue;
        }
        slab->next = discard;
        discard = slab_ref;
    }
    cpu->partial = SLAB_NONE;
    cpu->nr_partial = 0;
    for (struct slab_ref next; discard.index; discard = next) {
        next = slab_at(k, discard)->next;
        slab_unmake(k, discard);
    }
}

/* get_partial_node(): takes the first slab of the node's list into use. Some of those behind it join the CPU's partial
 * chain, so that the CPU need not lock the node's list again soon: half of what the chain may hold, and one more.
 *
 *     node: N1 <-> N2 <-> N3 <-> N4, cpu_partial_slabs 2
 *     CPU's current slab: N1    chain: N3 -> N2    node: N4 */
static void slub_take_from_node(struct kmalloc *k, struct cache *cache)
{
    struct index_list *list = &cache->partial;
    struct slab_ref first = slab_list_first(list);
    slab_remove(k, list, first);
    slub_take_over(k, cache, first, FROM_NODE);
    for (uint32_t moved = 0; list->first && moved <= cache->cpu_partial_slabs / 2; moved++) {
        struct slab_ref slab_ref = slab_list_first(list);
        slab_remove(k, list, slab_ref);
        slub_push_cpu_partial(k, slub_this_cpu(k, cache), slab_ref);
    }
}

static bool slub_add_new_slab(struct kmalloc *k, struct cache_ref cache_ref, uint32_t gfp)
{
    uint32_t order;
    slub_retire(k, slub_this_cpu(k, cache_at(k, cache_ref)));
    uint32_t pfn = slub_take_pages(k, cache_ref, gfp, &order);
    if (pfn)
        slub_add_slab(k, cache_ref, pfn, order);
    return pfn != 0;
}

/* The slab that this CPU will use when its own free list is empty; 0: a new one. */
static struct slab_ref slub_next_slab(const struct kmalloc *k, const struct cache *cache, enum slub_source *source)
{
    const struct cpu_slab *cpu = &cache->cpus[k->trace->cpu];
    *source = FROM_OWN_LIST;
    if (cpu->slab.index && slab_at(k, cpu->slab)->freelist)
        return cpu->slab;
    *source = FROM_CPU_PARTIAL;
    if (cpu->partial.index)
        return cpu->partial;
    *source = FROM_NODE;
    return slab_list_first(&cache->partial);
}

bool slub_is_dry(const struct kmalloc *k, struct cache_ref cache_ref)
{
    const struct cache *cache = cache_at(k, cache_ref);
    enum slub_source source;
    return !cache->cpus[k->trace->cpu].freelist && !slub_next_slab(k, cache, &source).index;
}

/* ___slab_alloc(), the slow path: fills the CPU's empty free list. The nearest place that has free objects wins:
 *
 *     1. the current slab's own list   what others freed into it since the CPU took it over
 *     2. the CPU's partial chain       its first slab becomes the current one
 *     3. the node's list               its first slab becomes the current one, some more go to the chain
 *     4. the page allocator            a new slab
 *
 * In 2 to 4 the slab that the CPU had is full. It is on no list then, until somebody frees into it (slub_freed_into()).
 * False: no memory. */
static bool slub_refill(struct kmalloc *k, struct cache_ref cache_ref, uint32_t gfp)
{
    struct cache *cache = cache_at(k, cache_ref);
    struct cpu_slab *cpu = slub_this_cpu(k, cache);
    enum slub_source source;
    struct slab_ref slab_ref = slub_next_slab(k, cache, &source);
    trace_step(k->trace, PATH____slab_alloc);
    trace_cost(k->trace, COST_SLAB_SLOW, 1);
    if (!slab_ref.index)
        return slub_add_new_slab(k, cache_ref, gfp);
    if (source != FROM_OWN_LIST) {
        trace_step(k->trace, PATH_get_partial);
        slub_retire(k, cpu);
    }
    if (source == FROM_NODE) {
        slub_take_from_node(k, cache);
        return true;
    }
    if (source == FROM_CPU_PARTIAL) {
        struct slab *slab = slab_at(k, slab_ref);
        cpu->partial = slab->next;
        cpu->nr_partial--;
        slab->next = SLAB_NONE;
    }
    slub_take_over(k, cache, slab_ref, source);
    slab_fetch(slab_at(k, slub_next_slab(k, cache, &source)));
    return true;
}

/* Fetches the first object of a free list into the host's cache for the next caller: prefetch_freepointer(). */
static inline void slub_fetch_object(const struct kmalloc *k, const struct cache *cache, const struct slab *slab,
                                     uint32_t first)
{
    if (first > slab->objects)
        return;
    slab_fetch(track_at(k, slab, first - 1));
    slab_fetch(slab_peek_bytes(k->frames, object_physical(cache, slab, first - 1) + cache->offset));
}

/* Fetches the first object of the slab that the CPU will go on to. The slab's record was fetched when the present one was
 * taken over. */
static void slub_fetch_next_slab(const struct kmalloc *k, const struct cache *cache)
{
    enum slub_source source;
    const struct slab *slab = slab_at(k, slub_next_slab(k, cache, &source));
    if (slab->freelist)
        slub_fetch_object(k, cache, slab, slab->freelist);
}

struct kmalloc_block slub_alloc(struct kmalloc *k, struct cache_ref cache_ref, const struct kmalloc_request *request)
{
    struct cache *cache = cache_at(k, cache_ref);
    struct cpu_slab *cpu = slub_this_cpu(k, cache);
    if (cache->flags & SLAB_DEBUG_FLAGS)
        return slub_debug_alloc(k, cache_ref, request);
    if (!cpu->freelist && !slub_refill(k, cache_ref, request->gfp))
        return KMALLOC_NULL;
    struct slab *slab = slab_at(k, cpu->slab);
    uint32_t object = cpu->freelist - 1u;
    struct track *track = track_at(k, slab, object);
    if (object >= slab->objects || track->live) /* an overwritten free pointer led here */
        return slub_alloc_stray(k, cache_ref, request);
    uint64_t physical = object_physical(cache, slab, object);
    slub_follow(k, cache, cpu, slab, slab_read_word(k->frames, physical + cache->offset));
    if (cpu->freelist)
        slub_fetch_object(k, cache, slab, cpu->freelist);
    else
        slub_fetch_next_slab(k, cache);
    track_take(k, cache, slab, track, request);
    trace_cost(k->trace, COST_SLAB_FAST, 1);
    slub_prepare(k, cache, physical, request->gfp);
    return object_block(k, slab, physical);
}

/* __slab_free(): something was freed into a slab that is not this CPU's current one. head: of the slab's free list now.
 * Where the slab goes depends on where it stood:
 *
 *     full, on no list     to the front of this CPU's partial chain; a chain that is long enough moves to the node first
 *     on the node's list   it stays, or is given back when it is empty and the list has min_partial slabs without it
 *     on a CPU's chain,    it stays; its CPU finds the object later
 *     or its current one */
void slub_freed_into(struct kmalloc *k, struct slab_ref slab_ref, uint16_t head)
{
    struct slab *slab = slab_at(k, slab_ref);
    struct cache *cache = cache_at(k, slab->cache);
    struct cpu_slab *cpu = slub_this_cpu(k, cache);
    slab->freelist = head;
    if (slab->inuse)
        slab->inuse--;
    trace_step(k->trace, PATH___slab_free);
    trace_cost(k->trace, COST_SLAB_SLOW, 1);
    if (slab->state == SLAB_FULL) {
        if (cpu->nr_partial >= cache->cpu_partial_slabs)
            slub_unfreeze(k, cache, cpu);
        slub_push_cpu_partial(k, cpu, slab_ref);
    } else if (slab->state == SLAB_PARTIAL && slab_is_empty(slab) && cache->partial.count >= cache->min_partial) {
        slab_remove(k, &cache->partial, slab_ref);
        slab_unmake(k, slab_ref);
    }
}

void slub_free(struct kmalloc *k, const struct found *found, struct name_ref call_site)
{
    struct slab *slab = slab_at(k, found->slab);
    uint32_t object = found->object;
    struct cache *cache = cache_at(k, slab->cache);
    struct cpu_slab *cpu = slub_this_cpu(k, cache);
    if (cache->flags & SLAB_DEBUG_FLAGS) {
        slub_debug_free(k, found->slab, object, call_site);
        return;
    }
    track_give(k, cache, slab, found->track);
    if (k->options & KMALLOC_INIT_ON_FREE)
        slub_wipe(k, cache, object_physical(cache, slab, object));
    trace_cost(k->trace, COST_SLAB_FAST, 1);
    if (!slab_is_same(cpu->slab, found->slab)) {
        slub_write_word(k, cache, slab, object, slab_free_word(k, cache, slab));
        slub_freed_into(k, found->slab, (uint16_t)(object + 1));
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

/* Walks a CPU's list to its end, or until it leaves the slab or runs in a circle.
 * last  out: the last object passed, + 1.
 * end   out: the list from where the walk stopped. end->freelist is 0 when that is the list's end.
 * Returns the number of objects passed. */
static uint32_t slub_walk_list(const struct kmalloc *k, const struct cache *cache, const struct cpu_slab *cpu,
                               uint32_t *last, struct cpu_slab *end)
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

static bool slub_refuse_flush(struct kmalloc *k, const struct cache *cache, uint32_t cpu, const struct cpu_slab *end)
{
    if (end->freelist == FREELIST_STRAY) {
        kmalloc_oops(k, end->stray + cache->offset);
    } else {
        trace_bug(k->trace, "watchdog: BUG: soft lockup - CPU#%u stuck for 22s! [pagoda:0]", cpu);
    }
    trace_print(k->trace, "\nwhile it walked its free list of %s: somebody wrote to a free object", cache->name);
    return false;
}

bool slub_may_flush(struct kmalloc *k, struct cache_ref cache_ref)
{
    const struct cache *cache = cache_at(k, cache_ref);
    for (uint32_t i = 0; i < k->nr_cpus; i++) {
        uint32_t last;
        struct cpu_slab end = { 0 };
        if (cache->cpus[i].slab.index)
            slub_walk_list(k, cache, &cache->cpus[i], &last, &end);
        if (end.freelist)
            return slub_refuse_flush(k, cache, i, &end);
    }
    return true;
}

/* deactivate_slab(): the CPU gives its current slab back. The CPU's free objects go in front of the slab's own.
 *
 *     CPU: A -> B    slab: C -> D    becomes    slab: A -> B -> C -> D
 *
 * The slab goes to the front of the node's list, or to its end when others freed into it meanwhile (C and D). */
static void slub_deactivate(struct kmalloc *k, struct cache *cache, struct cpu_slab *cpu)
{
    struct slab_ref slab_ref = cpu->slab;
    uint32_t last;
    struct cpu_slab end;
    if (!slab_ref.index)
        return;
    struct slab *slab = slab_at(k, slab_ref);
    uint32_t nr = slub_walk_list(k, cache, cpu, &last, &end);
    bool freed_into = slab->freelist;
    if (last) {
        slub_write_word(k, cache, slab, last - 1, slab_free_word(k, cache, slab));
        slab->freelist = cpu->freelist;
        slab->inuse = (uint16_t)(slab->inuse > nr ? slab->inuse - nr : 0);
    }
    slub_retire(k, cpu);
    if (slab_is_empty(slab) && cache->partial.count >= cache->min_partial)
        slab_unmake(k, slab_ref);
    else if (slab->freelist && freed_into)
        slab_push_tail(k, &cache->partial, slab_ref);
    else if (slab->freelist)
        slab_push_head(k, &cache->partial, slab_ref);
}

void slub_flush(struct kmalloc *k, struct cache_ref cache_ref)
{
    struct cache *cache = cache_at(k, cache_ref);
    for (uint32_t i = 0; i < k->nr_cpus; i++) {
        slub_deactivate(k, cache, &cache->cpus[i]);
        slub_unfreeze(k, cache, &cache->cpus[i]);
    }
}
