/* Is a loaded machine sound? See machine_valid.h. Here: names, slabs, areas of vmalloc, heaps. */
#include "alloc/machine/machine_valid.h"
#include "alloc/malloc/malloc_notes.h"
#include "alloc/slab/slab_record.h"

#include <string.h>

/* --- names --- */

static bool valid_name(const struct valid *v, uint32_t index)
{
    const struct name *name = name_at(&v->s->names, (struct name_ref){ index });
    return valid_has_name(v, name->link) && valid_has_name(v, name->call_site) && !name->text[NAME_TEXT_MAX] &&
           !(name->freed && name->address);
}

/* Each chain ends, and no text stands in two. */
bool valid_names(struct valid *v)
{
    const struct names *names = &v->s->names;
    uint8_t *marks = valid_marks(v, &names->pool);
    for (uint32_t i = 1; i < names->pool.nr_used; i++)
        if (!valid_name(v, i))
            return false;
    for (uint32_t i = 1; i < names->buckets.nr_used; i++) {
        struct name_ref at;
        memcpy(&at, pool_at(&names->buckets, i), sizeof at);
        for (; at.index; at = name_at(names, at)->link)
            if (!valid_mark(marks, &names->pool, at.index))
                return false;
    }
    return names->buckets.nr_free == 0;
}

/* --- slabs --- */

static bool valid_cache_numbers(const struct cache *cache)
{
    uint64_t bytes = (uint64_t)PAGE_SIZE << (cache->order < VIEW_ORDERS ? cache->order : 0);
    return cache->size && cache->size <= bytes && cache->order < VIEW_ORDERS && cache->min_order < VIEW_ORDERS &&
           cache->objects && cache->objects <= MAX_OBJECTS && cache->head <= bytes &&
           cache->reciprocal == object_reciprocal(cache->size) && cache->object_size <= cache->size &&
           cache->usable <= cache->size && cache->inuse <= cache->size && cache->red_left <= cache->head &&
           cache->reserved <= bytes && (cache->offset + sizeof(uint64_t) <= cache->size || !cache->offset) &&
           cache->class < NR_KMALLOC_CLASSES + 1 && !cache->name[CACHE_NAME_MAX];
}

static bool valid_cache(const struct valid *v, const struct cache *cache)
{
    const struct kmalloc *k = &v->s->kmalloc;
    if (!valid_cache_numbers(cache) || !valid_may_have(&k->caches, cache->same_hash.index) ||
        !valid_may_have(&k->slabs, cache->partial.first) || !valid_may_have(&k->slabs, cache->partial.last))
        return false;
    for (uint32_t cpu = 0; cpu < k->nr_cpus; cpu++) {
        const struct cpu_slab *c = &cache->cpus[cpu];
        if (!valid_may_have(&k->slabs, c->slab.index) || !valid_may_have(&k->slabs, c->partial.index) ||
            (c->freelist && (!c->slab.index || (c->freelist > cache->objects && c->freelist != FREELIST_STRAY))))
            return false;
    }
    return true;
}

static bool valid_slab(const struct valid *v, const struct slab *slab)
{
    const struct kmalloc *k = &v->s->kmalloc;
    if (slab->order >= VIEW_ORDERS || slab->pfn >= v->s->frames.nr || 1u << slab->order > v->s->frames.nr - slab->pfn ||
        !valid_has(&k->caches, slab->cache.index) || slab->track_run >= NR_TRACK_RUNS || slab->cpu >= k->nr_cpus ||
        slab->state > SLAB_PARTIAL || !valid_may_have(&k->slabs, slab->next.index) ||
        !valid_may_have(&k->slabs, slab->prev.index))
        return false;
    const struct cache *cache = cache_at(k, slab->cache);
    uint64_t bytes = (uint64_t)PAGE_SIZE << slab->order; /* an object's left red zone lies before it */
    if (!cache->name[0] || !slab->objects || slab->objects > 4u << slab->track_run || slab->objects > MAX_OBJECTS ||
        (uint64_t)slab->objects * cache->size + cache->head - cache->red_left > bytes || slab->inuse > slab->objects ||
        (slab->freelist & SLAB_STRAY && (slab->freelist & ~SLAB_STRAY) >= bytes))
        return false;
    const struct pool *tracks = &k->tracks[slab->track_run];
    if (!valid_mark(valid_marks(v, tracks), tracks, slab->tracks))
        return false;
    for (uint32_t i = 0; i < slab->objects; i++)
        if (!valid_has_name(v, track_at(k, slab, i)->name))
            return false;
    return true;
}

/* Each cache stands in one chain, once. */
static bool valid_cache_chains(const struct valid *v)
{
    const struct kmalloc *k = &v->s->kmalloc;
    uint8_t *marks = valid_marks(v, &k->caches);
    for (uint32_t i = 0; i < NR_CACHE_NAMES; i++)
        for (struct cache_ref at = k->cache_names[i]; at.index; at = cache_at(k, at)->same_hash)
            if (!valid_mark(marks, &k->caches, at.index) || !cache_at(k, at)->name[0])
                return false;
    return true;
}

static bool valid_kmalloc_caches(const struct kmalloc *k)
{
    for (uint32_t kind = 0; kind < NR_CACHE_KINDS; kind++)
        for (uint32_t class = 0; class < 14; class ++) {
            struct cache_ref cache = k->kmalloc_caches[kind][class];
            if (!valid_may_have(&k->caches, cache.index) || (cache.index && !cache_at(k, cache)->name[0]))
                return false;
        }
    return true;
}

bool valid_slabs(struct valid *v)
{
    const struct kmalloc *k = &v->s->kmalloc;
    uint8_t *marks = valid_marks(v, &k->slabs);
    for (uint32_t i = 1; i < k->caches.nr_used; i++) {
        const struct cache *cache = cache_at(k, (struct cache_ref){ i });
        if (cache->name[0] && !valid_cache(v, cache))
            return false;
    }
    for (uint32_t i = 1; i < k->slabs.nr_used; i++) {
        const struct slab *slab = slab_at(k, (struct slab_ref){ i });
        if (slab->pfn && (!valid_mark(marks, &k->slabs, i) || !valid_slab(v, slab)))
            return false;
    }
    return valid_kmalloc_caches(k) && valid_cache_chains(v);
}

/* --- areas of vmalloc --- */

static bool valid_area(const struct valid *v, const struct vmap_area *area)
{
    const struct vmap_space *space = &v->s->vmalloc.space;
    return area->first_pfn < v->s->frames.nr && area->nr_pages <= v->s->frames.nr && area->end > area->start &&
           area->start % PAGE_SIZE == 0 && area->end % PAGE_SIZE == 0 && valid_has_name(v, area->name) &&
           valid_may_have(&space->areas, area->array_of.index) &&
           (!area->array_of.index || vmap_area_at(space, area->array_of)->start);
}

static bool valid_node(const struct pool *pool, const struct rb_node *node)
{
    return valid_may_have(pool, node->left) && valid_may_have(pool, node->right) && valid_may_have(pool, node->parent);
}

bool valid_areas(struct valid *v)
{
    const struct vmap_space *space = &v->s->vmalloc.space;
    uint8_t *marks = valid_marks(v, &space->areas), *extents = valid_marks(v, &space->extents);
    for (uint32_t i = 1; i < space->areas.nr_used; i++) {
        const struct vmap_area *area = vmap_area_at(space, (struct vmap_area_ref){ i });
        if (area->start && (!valid_mark(marks, &space->areas, i) || !valid_area(v, area)))
            return false;
    }
    for (uint32_t i = 1; i < space->extents.nr_used; i++)
        if (valid_mark(extents, &space->extents, i) && !valid_node(&space->extents, &vmap_extent_at(space, i)->node))
            return false;
    return valid_may_have(&space->extents, space->free_root) && valid_may_have(&space->extents, space->lazy_root) &&
           space->start <= space->end;
}

/* --- heaps --- */

/* A bool that is neither 0 nor 1 may not even be looked at. */
static bool valid_bool(const bool *at)
{
    uint8_t byte;
    memcpy(&byte, at, 1);
    return byte <= 1;
}

/* Malloc's variables are reached from the start of their pages, and do not cross their ends. */
static bool valid_heap_numbers(const struct heap *heap)
{
    if (heap->thread >= HEAP_THREADS_MAX || heap->libc >= NR_LIBC_ROWS || heap->nr_kept_stacks >= THREAD_STACKS_KEPT)
        return false;
    return heap->data % PAGE_SIZE == 0 && heap->main_arena == heap->data + heap_rules(heap)->at_main_arena;
}

static bool valid_heap(const struct valid *v, uint32_t index)
{
    const struct heap *heap = heap_at(&v->s->heaps, index);
    const struct processes *ps = &v->s->processes;
    if (!valid_has(&ps->pool, heap->process.index) || process_at(ps, heap->process)->heap != index ||
        !valid_bool(&heap->is_written) || !valid_bool(&heap->is_perturbed) || !valid_bool(&heap->is_threaded) ||
        !valid_heap_numbers(heap))
        return false;
    uint32_t nr_stacks = heap->nr_kept_stacks;
    for (uint32_t i = 0; i < HEAP_THREADS_MAX; i++) {
        nr_stacks += heap->threads[i].stack != 0;
        if (heap->threads[i].tcache_at % heap_rules(heap)->word)
            return false;
    }
    return nr_stacks <= THREAD_STACKS_KEPT && heap->nr_cpus == v->s->heaps.nr_cpus;
}

static bool valid_note(const struct valid *v, const struct note *note)
{
    const struct processes *ps = &v->s->processes;
    return valid_has(&ps->pool, note->process.index) && process_at(ps, note->process)->pid &&
           process_at(ps, note->process)->heap && valid_has_name(v, note->name);
}

/* Each chain holds notes in use, and no note stands in two. */
static bool valid_note_chains(const struct valid *v)
{
    const struct heaps *heaps = &v->s->heaps;
    uint8_t *marks = valid_marks(v, &heaps->notes);
    if (heaps->note_buckets.nr_free || (heaps->nr_buckets & (heaps->nr_buckets - 1)) ||
        heaps->note_buckets.nr_used != heaps->nr_buckets + 1)
        return false;
    for (uint32_t i = 0; i < heaps->nr_buckets; i++)
        for (uint32_t at = *note_bucket_at(heaps, i); at; at = note_at(heaps, at)->link)
            if (!valid_mark(marks, &heaps->notes, at) || !note_at(heaps, at)->address)
                return false;
    return true;
}

bool valid_heaps(struct valid *v)
{
    const struct heaps *heaps = &v->s->heaps;
    uint8_t *marks = valid_marks(v, &heaps->heaps);
    for (uint32_t i = 1; i < heaps->heaps.nr_used; i++)
        if (heap_at(heaps, i)->process.index && (!valid_mark(marks, &heaps->heaps, i) || !valid_heap(v, i)))
            return false;
    for (uint32_t i = 1; i < heaps->notes.nr_used; i++)
        if (note_at(heaps, i)->address && !valid_note(v, note_at(heaps, i)))
            return false;
    return valid_note_chains(v);
}
