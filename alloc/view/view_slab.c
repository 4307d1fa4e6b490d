/* Views of slab caches, slabs and objects. A cache's slabs come list by list, so a reader sees which is used next. A slab's
 * objects come by address. The chains of its free objects are told as their bytes link them. */
#include "alloc/machine/machine_state.h"
#include "alloc/slab/bucket.h"
#include "alloc/slab/slub.h"

#include <string.h>

_Static_assert(VIEW_OBJECTS_MAX == MAX_OBJECTS, "a view has room for every object of a slab");

const char *view_slab_flag_name(uint32_t flags, uint32_t *cursor)
{
    static const struct {
        uint32_t flag;
        const char *name;
    } NAMES[] = {
        { SLAB_CONSISTENCY_CHECKS, "SLAB_CONSISTENCY_CHECKS" },
        { SLAB_RED_ZONE, "SLAB_RED_ZONE" },
        { SLAB_POISON, "SLAB_POISON" },
        { SLAB_STORE_USER, "SLAB_STORE_USER" },
        { SLAB_KMALLOC, "SLAB_KMALLOC" },
        { SLAB_HWCACHE_ALIGN, "SLAB_HWCACHE_ALIGN" },
        { SLAB_CACHE_DMA, "SLAB_CACHE_DMA" },
        { SLAB_CACHE_DMA32, "SLAB_CACHE_DMA32" },
        { SLAB_RECLAIM_ACCOUNT, "SLAB_RECLAIM_ACCOUNT" },
        { SLAB_TYPESAFE_BY_RCU, "SLAB_TYPESAFE_BY_RCU" },
        { SLAB_ACCOUNT, "SLAB_ACCOUNT" },
    };
    for (; *cursor < sizeof NAMES / sizeof NAMES[0]; ++*cursor)
        if (flags & NAMES[*cursor].flag)
            return NAMES[(*cursor)++].name;
    return NULL;
}

/* --- caches --- */

static void count_slabs(const struct kmalloc *k, const struct cache *cache, struct cache_view *view)
{
    uint64_t nr_free = 0;
    for (uint32_t i = 0; i < k->nr_cpus; i++) {
        view->slabs_by_state.cpu += cache->cpus[i].slab.index != 0;
        view->slabs_by_state.cpu_partial += cache->cpus[i].nr_partial;
    }
    for (struct slab_ref slab = slab_list_first(&cache->partial); slab.index; slab = slab_at(k, slab)->next)
        nr_free += (uint32_t)slab_at(k, slab)->objects -
                   (kmalloc_is_slub(k) ? slab_at(k, slab)->inuse : slab_at(k, slab)->nr_live);
    view->slabs_by_state.partial = cache->partial.count;
    view->slabs_by_state.full =
        cache->nr_slabs - view->slabs_by_state.cpu - view->slabs_by_state.cpu_partial - view->slabs_by_state.partial;
    view->active_objs = cache->nr_objects - nr_free;
}

static void count_bytes(const struct cache *cache, struct cache_view *view)
{
    uint64_t slab_bytes = (uint64_t)cache->nr_slabs * (PAGE_SIZE << cache->order); /* as if no slab had the minimum order */
    uint64_t object_bytes = (uint64_t)cache->nr_objects * cache->usable;
    view->rounding_bytes = (uint64_t)cache->nr_live * cache->usable - cache->requested_bytes;
    view->overhead_bytes = slab_bytes > object_bytes ? slab_bytes - object_bytes : 0;
}

static void describe_cache(const struct kmalloc *k, const struct cache *cache, struct cache_view *view)
{
    bool has_tracks = cache->flags & SLAB_STORE_USER;
    uint32_t padding = kmalloc_is_slub(k) ? slub_padding_at(cache) : 0;
    *view = (struct cache_view){
        .name = cache->name,
        .object_size = cache->object_size,
        .size = cache->size,
        .align = cache->align,
        .objects_per_slab = cache->objects,
        .order = cache->order,
        .nr_slabs = cache->nr_slabs,
        .nr_objects = cache->nr_objects,
        .nr_in_use = cache->nr_live,
        .requested_bytes = cache->requested_bytes,
        .usable = cache->usable,
        .head = cache->head,
        .free_pointer = cache->offset,
        .inuse = cache->inuse,
        .tracks = has_tracks ? slub_tracks_at(cache) : 0,
        .padding = padding < cache->size - cache->red_left ? padding : 0,
        .flags = cache->flags,
        .min_order = cache->min_order,
        .min_partial = cache->min_partial,
        .cpu_partial_slabs = cache->cpu_partial_slabs,
        .is_kmalloc = cache->is_kmalloc,
        .is_destroyed = cache->is_destroyed,
    };
    count_slabs(k, cache, view);
    count_bytes(cache, view);
}

bool view_next_cache(const struct machine *machine, uint64_t *cursor, struct cache_view *view)
{
    const struct kmalloc *k = &machine->state.kmalloc;
    while (++*cursor < k->caches.nr_used) {
        const struct cache *cache = cache_at(k, (struct cache_ref){ (uint32_t)*cursor });
        if (!cache->name[0])
            continue;
        describe_cache(k, cache, view);
        return true;
    }
    *cursor = k->caches.nr_used;
    return false;
}

/* --- slabs --- */

static const char *state_name(const struct slab *slab)
{
    static const char *const NAMES[] = {
        [SLAB_FULL] = "full", [SLAB_CPU] = "cpu", [SLAB_CPU_PARTIAL] = "cpu_partial", [SLAB_PARTIAL] = "partial"
    };
    return NAMES[slab->state];
}

static void describe_slab(const struct kmalloc *k, const struct slab *slab, uint32_t position, struct slab_view *view)
{
    const struct cache *cache = cache_at(k, slab->cache);
    bool has_cpu = slab->state == SLAB_CPU || slab->state == SLAB_CPU_PARTIAL;
    *view = (struct slab_view){
        .pfn = slab->pfn,
        .order = slab->order,
        .address = object_address(k, cache, slab, 0),
        .nr_objects = slab->objects,
        .in_use = slab->nr_live,
        .state = state_name(slab),
        .cache = cache->name,
        .cpu = has_cpu ? slab->cpu : 0,
        .position = position,
        .inuse = kmalloc_is_slub(k) ? slab->inuse : slab->nr_live,
    };
    for (uint32_t object = 0; object < slab->objects; object++)
        view->requested_bytes += track_at(k, slab, object)->requested;
}

/* Where a walk over a cache's slabs is. Lists are numbered so:
 *
 *      0      1        2      3        ...    2 * nr_cpus     2 * nr_cpus + 1
 *      CPU 0: its      CPU 1: its             the node's      full slabs, which are
 *      slab   partial  slab   partial         partial list    on no list
 */
struct slab_place {
    struct slab_ref slab;
    uint32_t position, list;
};
static struct slab_place slab_place_unpack(uint64_t cursor)
{
    return (struct slab_place){ { cursor & 0x3ffffff }, cursor >> 26 & 0x3ffffff, (uint32_t)(cursor >> 52) };
}
static uint64_t slab_place_pack(struct slab_place at)
{
    return at.slab.index | (uint64_t)at.position << 26 | (uint64_t)at.list << 52;
}

static struct slab_ref first_of_list(const struct kmalloc *k, const struct cache *cache, uint32_t list)
{
    if (list >= 2 * k->nr_cpus)
        return slab_list_first(&cache->partial);
    const struct cpu_slab *cpu = &cache->cpus[list / 2];
    return list % 2 ? cpu->partial : cpu->slab;
}

/* The next slab of the walk, on the same list or on the next one. 0: full slabs alone are left. */
static struct slab_ref next_listed(const struct kmalloc *k, const struct cache *cache, struct slab_place *at)
{
    bool is_single = at->list < 2 * k->nr_cpus && at->list % 2 == 0; /* a CPU's own slab is a list of one */
    struct slab_ref next = at->slab.index && !is_single ? slab_at(k, at->slab)->next : SLAB_NONE;
    at->position++;
    if (!at->slab.index) {
        next = first_of_list(k, cache, at->list);
        at->position = 0;
    }
    while (!next.index && at->list < 2 * k->nr_cpus) {
        next = first_of_list(k, cache, ++at->list);
        at->position = 0;
    }
    return next;
}

/* The next full slab of the cache, in the order of the pool. */
static struct slab_ref next_full(const struct kmalloc *k, struct cache_ref cache, struct slab_ref behind)
{
    while (++behind.index < k->slabs.nr_used) {
        const struct slab *slab = slab_at(k, behind);
        if (slab->pfn && slab->cache.index == cache.index && slab->state == SLAB_FULL)
            return behind;
    }
    return SLAB_NONE;
}

bool view_next_slab(const struct machine *machine, const char *cache_name, uint64_t *cursor, struct slab_view *view)
{
    const struct kmalloc *k = &machine->state.kmalloc;
    struct cache_ref wanted = kmem_cache_find(k, (struct text){ cache_name, (uint32_t)strlen(cache_name) });
    struct slab_place at = slab_place_unpack(*cursor);
    const uint32_t full = 2 * k->nr_cpus + 1; /* of the list that is none */
    if (!wanted.index)
        return false;
    struct slab_ref next = at.list < full ? next_listed(k, cache_at(k, wanted), &at) : SLAB_NONE;
    if (!next.index) {
        next = next_full(k, wanted, at.list < full ? SLAB_NONE : at.slab);
        at = (struct slab_place){ .list = full };
    }
    if (!next.index)
        return false;
    at.slab = next;
    *cursor = slab_place_pack(at);
    describe_slab(k, slab_at(k, next), at.position, view);
    return true;
}

static const struct slab *slab_with_frame(const struct machine *machine, uint32_t pfn)
{
    const struct frames *frames = &machine->state.frames;
    if (pfn >= frames->nr)
        return NULL;
    const struct frame *head = frame_at(frames, frame_head(frames, pfn));
    return head->kind == FRAME_SLAB ? slab_at(&machine->state.kmalloc, slab_of_frame(head)) : NULL;
}

bool view_slab(const struct machine *machine, uint32_t pfn, struct slab_view *view)
{
    const struct slab *slab = slab_with_frame(machine, pfn);
    if (slab)
        describe_slab(&machine->state.kmalloc, slab, 0, view);
    return slab != NULL;
}

/* --- objects --- */

static uint64_t free_next(const struct kmalloc *k, const struct cache *cache, const struct slab *slab, uint32_t object)
{
    if (kmalloc_is_slub(k))
        return slub_read_pointer(k, cache, slab, object);
    return bucket_read_pointer(k, cache, slab, object);
}

/* Numbers the objects of a chain. Returns how many they are.
 * first  object of the chain, + 1. */
static uint32_t walk_chain(const struct kmalloc *k, const struct slab *slab, uint32_t first, struct chain_view *view)
{
    const struct cache *cache = cache_at(k, slab->cache);
    uint32_t nr = 0;
    for (uint32_t at = first, number; at && at <= slab->objects;) {
        view->nth[at - 1] = (uint16_t)(view->nr_cpu + ++nr);
        uint64_t word = free_next(k, cache, slab, at - 1);
        if (!word)
            break;
        if (!object_number(k, cache, slab, word, &number) || track_at(k, slab, number)->live || view->nth[number]) {
            view->stray = word;
            break;
        }
        at = number + 1;
    }
    return nr;
}

void view_slab_chains(const struct machine *machine, uint32_t slab_pfn, struct chain_view *view)
{
    const struct kmalloc *k = &machine->state.kmalloc;
    const struct slab *slab = slab_with_frame(machine, slab_pfn);
    memset(view, 0, sizeof *view);
    if (!slab)
        return;
    const struct cache *cache = cache_at(k, slab->cache);
    if (slab->state == SLAB_CPU) {
        const struct cpu_slab *cpu = &cache->cpus[slab->cpu];
        if (cpu->freelist == FREELIST_STRAY) {
            view->cpu_first = view->stray = cpu->stray;
        } else if (cpu->freelist) {
            view->cpu_first = object_address(k, cache, slab, cpu->freelist - 1u);
            view->nr_cpu = walk_chain(k, slab, cpu->freelist, view);
        }
    }
    if (slab->freelist) {
        view->first = slab_free_word(k, cache, slab);
        view->stray = slab->freelist & SLAB_STRAY ? view->first : view->stray;
        view->nr = walk_chain(k, slab, slab->freelist, view);
    }
}

bool view_next_object(const struct machine *machine, uint32_t slab_pfn, uint64_t *cursor, struct object_view *view)
{
    const struct kmalloc *k = &machine->state.kmalloc;
    const struct slab *slab = slab_with_frame(machine, slab_pfn);
    if (!slab || *cursor >= slab->objects)
        return false;
    uint32_t object = (uint32_t)(*cursor)++;
    const struct cache *cache = cache_at(k, slab->cache);
    const struct track *track = track_at(k, slab, object);
    uint64_t address = object_address(k, cache, slab, object);
    *view = (struct object_view){
        .address = address,
        .in_use = track->live,
        .requested = track->requested,
        .seq = track->seq,
        .name = name_text(k->names, track->name),
        .free_next = track->live ? 0 : free_next(k, cache, slab, object),
        .call_site = track->live ? name_call_site(k->names, track->name, address) : "",
        .is_named = track->live && name_is_of(k->names, track->name, address),
        .lost = track->live && track->requested < cache->usable ? cache->usable - track->requested : 0,
        .page_array_of = track->live ? vmalloc_of_kmalloc_array(&machine->state.vmalloc, address) : 0,
    };
    return true;
}
