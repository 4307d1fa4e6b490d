/* SLUB. Each CPU owns one slab of a cache at a time and takes objects from a free list of its own. When that is empty it
 * takes over, in this order: what others freed into its slab meanwhile, the next slab of its partial chain, slabs from the
 * front of the node's list (the first to use, some more for the chain), and at last a new slab. A freed object goes on the
 * free list of its own slab; a full slab that gets one back joins the CPU's partial chain, and when that is long enough the
 * whole chain moves to the end of the node's list, where empty slabs beyond min_partial are given back.
 *
 * The free pointer of an object stands in its bytes at the place where Linux keeps it, but plain: Linux scrambles it with
 * the pointer's own address and a random number (CONFIG_SLAB_FREELIST_HARDENED). What a stray write did to it is found
 * out when it is followed: the allocation ends as the bug that it would be, and changes nothing. */
#include "alloc/kmalloc_internal.h"

#include <string.h>

enum source { FROM_OWN_LIST, FROM_CPU_PARTIAL, FROM_NODE, FROM_NEW }; /* EV_SLAB_CPU's "source" */

/* What new_slab() lets through to the page allocator (GFP_RECLAIM_MASK | GFP_CONSTRAINT_MASK). */
#define RECLAIM_BITS (__GFP_DIRECT_RECLAIM | __GFP_KSWAPD_RECLAIM)
#define NEW_SLAB_BITS                                                                                                      \
    (RECLAIM_BITS | __GFP_HIGH | __GFP_IO | __GFP_FS | __GFP_NOWARN | __GFP_RETRY_MAYFAIL | __GFP_NOFAIL | __GFP_NORETRY | \
     __GFP_MEMALLOC | __GFP_NOMEMALLOC | __GFP_ATOMIC | __GFP_HARDWALL | __GFP_THISNODE)

static struct cpu_slab *this_cpu(const struct kmalloc *k, struct cache *cache)
{
    return &cache->cpus[k->trace->cpu];
}

/* next: an object, + 1; 0 ends the chain. */
static inline void write_pointer(struct kmalloc *k, const struct cache *cache, const struct slab *slab, uint32_t object,
                                 uint32_t next)
{
    uint64_t word = next ? object_address(k, cache, slab, next - 1) : 0;
    memcpy(bytes_at(k->frames, object_physical(cache, slab, object) + cache->offset), &word, sizeof word);
}

/* May this object be handed out: it is free, and so is the one that its bytes lead to. */
static inline bool is_sound(const struct kmalloc *k, const struct cache *cache, const struct slab *slab, uint32_t object,
                            uint32_t *next)
{
    return !track_at(k, slab, object)->live &&
           free_pointer_is_sound(k, cache, slab, object, slub_read_pointer(k, cache, slab, object), next);
}

void slub_link(struct kmalloc *k, uint32_t index, uint16_t *freelist, const uint16_t *objects, uint32_t count)
{
    struct slab *slab = slab_at(k, index);
    const struct cache *cache = cache_at(k, slab->cache);
    uint32_t next = 0;
    while (count--) {
        write_pointer(k, cache, slab, objects[count], next);
        next = objects[count] + 1u;
    }
    *freelist = (uint16_t)next;
}

static uint32_t shuffle_next(uint32_t *state) /* xorshift32 */
{
    *state ^= *state << 13;
    *state ^= *state >> 17;
    *state ^= *state << 5;
    return *state;
}

/* The cache's permutation of its objects (Fisher-Yates), entered at a place that differs from slab to slab. A slab of the
 * minimum order leaves out what it has no room for. */
static void shuffled_objects(const struct kmalloc *k, const struct slab *slab, uint16_t *objects)
{
    const struct cache *cache = cache_at(k, slab->cache);
    uint16_t permutation[MAX_OBJECTS] = { 0 };
    assert(cache->objects);
    uint32_t state = k->shuffle_seed ^ slab->cache * 2654435761u;
    state += !state;
    for (uint32_t i = 0; i < cache->objects; i++)
        permutation[i] = (uint16_t)i;
    for (uint32_t i = cache->objects - 1; i > 0; i--) {
        uint32_t j = shuffle_next(&state) % (i + 1);
        uint16_t swapped = permutation[i];
        permutation[i] = permutation[j];
        permutation[j] = swapped;
    }
    state ^= cache->nr_slabs_made * 2246822519u;
    state += !state;
    uint32_t entry = shuffle_next(&state) % cache->objects;
    for (uint32_t i = 0, n = 0; n < slab->objects; i++) {
        uint16_t object = permutation[(entry + i) % cache->objects];
        if (object < slab->objects)
            objects[n++] = object;
    }
}

static void link_new_slab(struct kmalloc *k, uint32_t index)
{
    struct slab *slab = slab_at(k, index);
    uint16_t objects[MAX_OBJECTS];
    if (k->shuffle_seed && slab->objects > 1) {
        shuffled_objects(k, slab, objects);
    } else {
        for (uint32_t i = 0; i < slab->objects; i++)
            objects[i] = (uint16_t)i;
    }
    slub_link(k, index, &slab->freelist, objects, slab->objects);
}

/* The slab's whole free list becomes the CPU's. */
static void take_over(struct kmalloc *k, struct cache *cache, uint32_t index, enum source source)
{
    struct cpu_slab *cpu = this_cpu(k, cache);
    struct slab *slab = slab_at(k, index);
    cpu->slab = index;
    cpu->freelist = slab->freelist;
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
}

uint32_t slub_add_slab(struct kmalloc *k, uint32_t cache_index, uint32_t pfn, uint32_t order)
{
    struct cache *cache = cache_at(k, cache_index);
    uint32_t index = slab_make(k, cache_index, pfn, order);
    retire(k, this_cpu(k, cache));
    TRACE_EVENT(k->trace, .kind = EV_NEW_SLAB, .pfn = pfn, .order = (uint8_t)order, .count = slab_at(k, index)->objects);
    link_new_slab(k, index);
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

/* Where free chains are whole, inuse alone would do. Where one was overwritten, an object may have been on two chains, and
 * inuse is too low: a slab with live objects is never given back. */
static bool is_empty(const struct slab *slab)
{
    return !slab->inuse && !slab->nr_live;
}

/* A CPU's partial chain goes to the end of the node's list, in order. Empty slabs beyond min_partial are not kept; they are
 * given back when all others have been moved, the last one first. */
static void unfreeze(struct kmalloc *k, struct cache *cache, struct cpu_slab *cpu)
{
    uint32_t discard = 0;
    for (uint32_t index = cpu->partial, next; index; index = next) {
        struct slab *slab = slab_at(k, index);
        next = slab->next;
        if (!is_empty(slab) || cache->partial.count < cache->min_partial) {
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

static uint32_t take_pages(struct kmalloc *k, const struct cache *cache, uint32_t gfp, uint32_t *order)
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

static void say_out_of_memory(struct kmalloc *k, const struct cache *cache, uint32_t gfp)
{
    struct trace *trace = k->trace;
    if (gfp & __GFP_NOWARN)
        return;
    if (trace->message_length && trace->message[trace->message_length - 1] != '\n')
        trace_say(trace, "\n");
    trace_say(trace, "SLUB: Unable to allocate memory on node -1, gfp=0x");
    trace_say_hex(trace, gfp);
    trace_say(trace, "; cache: ");
    trace_say(trace, cache->name);
    trace_say(trace, ", object size: ");
    trace_say_number(trace, cache->object_size);
    trace_say(trace, ", buffer size: ");
    trace_say_number(trace, cache->size);
    trace_say(trace, ", default order: ");
    trace_say_number(trace, cache->order);
    trace_say(trace, ", min order: ");
    trace_say_number(trace, cache->min_order);
}

static bool add_new_slab(struct kmalloc *k, uint32_t cache_index, uint32_t gfp)
{
    struct cache *cache = cache_at(k, cache_index);
    uint32_t order;
    retire(k, this_cpu(k, cache));
    uint32_t pfn = take_pages(k, cache, gfp, &order);
    if (!pfn) {
        say_out_of_memory(k, cache, gfp);
        return false;
    }
    slub_add_slab(k, cache_index, pfn, order);
    return true;
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

/* ___slab_alloc(): fills the CPU's empty free list. False: no memory, or a broken chain and nothing changed. */
static bool refill(struct kmalloc *k, uint32_t cache_index, uint32_t gfp)
{
    struct cache *cache = cache_at(k, cache_index);
    struct cpu_slab *cpu = this_cpu(k, cache);
    enum source source;
    uint32_t index = next_slab(k, cache, &source), ignored;
    trace_step(k->trace, PATH____slab_alloc);
    trace_cost(k->trace, COST_SLAB_SLOW, 1);
    if (!index)
        return add_new_slab(k, cache_index, gfp);
    const struct slab *slab = slab_at(k, index);
    if (!is_sound(k, cache, slab, slab->freelist - 1u, &ignored)) {
        kmalloc_complain_chain(k, cache, slab, slab->freelist - 1u);
        return false;
    }
    if (source != FROM_OWN_LIST) {
        trace_step(k->trace, PATH_get_partial);
        retire(k, cpu);
    }
    if (source == FROM_NODE) {
        take_from_node(k, cache);
        return true;
    }
    if (source == FROM_CPU_PARTIAL) {
        cpu->partial = slab->next;
        cpu->nr_partial--;
        slab_at(k, index)->next = 0;
    }
    take_over(k, cache, index, source);
    return true;
}

uint64_t slub_alloc(struct kmalloc *k, uint32_t cache_index, uint32_t gfp, uint32_t requested, uint32_t label)
{
    struct cache *cache = cache_at(k, cache_index);
    struct cpu_slab *cpu = this_cpu(k, cache);
    if (!cpu->freelist && !refill(k, cache_index, gfp))
        return 0;
    struct slab *slab = slab_at(k, cpu->slab);
    uint32_t object = cpu->freelist - 1u, next;
    if (!is_sound(k, cache, slab, object, &next)) {
        kmalloc_complain_chain(k, cache, slab, object);
        return 0;
    }
    cpu->freelist = (uint16_t)next;
    track_take(k, cache, slab, object, requested, label);
    trace_cost(k->trace, COST_SLAB_FAST, 1);
    if (gfp & __GFP_ZERO || k->options & KMALLOC_INIT_ON_ALLOC)
        object_zero(k, object_physical(cache, slab, object), cache->object_size);
    return object_address(k, cache, slab, object);
}

/* __slab_free(): into a slab that is not this CPU's current one. */
static void free_elsewhere(struct kmalloc *k, struct cache *cache, uint32_t index, uint32_t object)
{
    struct cpu_slab *cpu = this_cpu(k, cache);
    struct slab *slab = slab_at(k, index);
    write_pointer(k, cache, slab, object, slab->freelist);
    slab->freelist = (uint16_t)(object + 1);
    if (slab->inuse)
        slab->inuse--;
    trace_step(k->trace, PATH___slab_free);
    trace_cost(k->trace, COST_SLAB_SLOW, 1);
    if (slab->state == SLAB_FULL) {
        if (cpu->nr_partial >= cache->cpu_partial_slabs)
            unfreeze(k, cache, cpu);
        push_cpu_partial(k, cpu, index);
    } else if (slab->state == SLAB_PARTIAL && is_empty(slab) && cache->partial.count >= cache->min_partial) {
        slab_remove(k, &cache->partial, index);
        slab_unmake(k, index);
    }
}

void slub_free(struct kmalloc *k, uint32_t index, uint32_t object)
{
    struct slab *slab = slab_at(k, index);
    struct cache *cache = cache_at(k, slab->cache);
    struct cpu_slab *cpu = this_cpu(k, cache);
    track_give(k, cache, slab, object);
    if (k->options & KMALLOC_INIT_ON_FREE)
        object_zero(k, object_physical(cache, slab, object), cache->object_size);
    trace_cost(k->trace, COST_SLAB_FAST, 1);
    if (cpu->slab != index) {
        free_elsewhere(k, cache, index, object);
        return;
    }
    write_pointer(k, cache, slab, object, cpu->freelist);
    cpu->freelist = (uint16_t)(object + 1);
}

/* deactivate_slab(): back to the front of the node's list, or to its end when others freed into the slab meanwhile. For a
 * cache that is going away: what the CPU's own list held is not counted back. */
static void deactivate(struct kmalloc *k, struct cache *cache, struct cpu_slab *cpu)
{
    uint32_t index = cpu->slab;
    bool freed_into = index && slab_at(k, index)->freelist;
    retire(k, cpu);
    if (!index)
        return;
    if (cache->partial.count >= cache->min_partial)
        slab_unmake(k, index);
    else if (freed_into)
        slab_push_tail(k, &cache->partial, index);
    else
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
