/* Looking at slab caches, slabs and objects. Slabs come in the order of their records; objects by address. */
#include "alloc/kmalloc_internal.h"
#include "alloc/machine_state.h"

#include <string.h>

bool view_next_cache(const struct machine *machine, uint64_t *cursor, struct cache_view *view)
{
    const struct kmalloc *k = &machine->state.kmalloc;
    while (++*cursor < k->caches.nr_used) {
        const struct cache *cache = cache_at(k, (uint32_t)*cursor);
        if (!cache->name[0])
            continue;
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
        };
        return true;
    }
    *cursor = k->caches.nr_used;
    return false;
}

static const char *state_name(const struct slab *slab)
{
    static const char *const NAMES[] = {
        [SLAB_FULL] = "full", [SLAB_CPU] = "cpu", [SLAB_CPU_PARTIAL] = "cpu_partial", [SLAB_PARTIAL] = "partial"
    };
    return NAMES[slab->state];
}

bool view_next_slab(const struct machine *machine, const char *cache_name, uint64_t *cursor, struct slab_view *view)
{
    const struct kmalloc *k = &machine->state.kmalloc;
    uint32_t wanted = kmem_cache_find(k, (struct text){ cache_name, (uint32_t)strlen(cache_name) });
    while (wanted && ++*cursor < k->slabs.nr_used) {
        const struct slab *slab = slab_at(k, (uint32_t)*cursor);
        if (!slab->pfn || slab->cache != wanted)
            continue;
        *view = (struct slab_view){
            .pfn = slab->pfn,
            .order = slab->order,
            .address = object_address(k, cache_at(k, wanted), slab, 0),
            .objects = slab->objects,
            .in_use = slab->nr_live,
            .state = state_name(slab),
        };
        return true;
    }
    *cursor = k->slabs.nr_used;
    return false;
}

static uint64_t free_next(const struct kmalloc *k, const struct cache *cache, const struct slab *slab, uint32_t object)
{
    if (k->profile->kmalloc_style == KMALLOC_SLUB)
        return slub_read_pointer(k, cache, slab, object);
    return bucket_read_pointer(k, cache, slab, object);
}

bool view_next_object(const struct machine *machine, uint32_t slab_pfn, uint64_t *cursor, struct object_view *view)
{
    const struct kmalloc *k = &machine->state.kmalloc;
    const struct frames *frames = &machine->state.frames;
    if (slab_pfn >= frames->nr || frame_at(frames, slab_pfn)->kind != FRAME_SLAB)
        return false;
    const struct slab *slab = slab_at(k, frame_at(frames, slab_pfn)->owner);
    if (*cursor >= slab->objects)
        return false;
    uint32_t object = (uint32_t)(*cursor)++;
    const struct cache *cache = cache_at(k, slab->cache);
    const struct track *track = track_at(k, slab, object);
    *view = (struct object_view){
        .address = object_address(k, cache, slab, object),
        .in_use = track->live,
        .requested = track->requested,
        .seq = track->seq,
        .label = label_text(k->labels, track->label),
        .free_next = track->live ? 0 : free_next(k, cache, slab, object),
    };
    return true;
}
