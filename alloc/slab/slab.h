/* alloc/slab/slab.h - slabs, caches and tracks come and go; what both styles of kmalloc share. Stands on: slab_bytes.h,
 * kmalloc_look.h. */
#pragma once
#include "alloc/slab/kmalloc_look.h"
#include "alloc/slab/slab_bytes.h"

/* slab.c */
/* A block of frames becomes a slab of the cache: its frames become FRAME_SLAB, all of its objects are free.
 * kmalloc_reserve() has made room for the records. */
struct slab_ref slab_make(struct kmalloc *k, struct cache_ref cache, uint32_t pfn, uint32_t order);
void slab_unmake(struct kmalloc *k, struct slab_ref slab); /* its frames go back to the page allocator */

/* Lists of slabs. A slab on a list is SLAB_PARTIAL; one that leaves a list is SLAB_FULL. */
void slab_push_head(struct kmalloc *k, struct index_list *list, struct slab_ref slab);
void slab_push_tail(struct kmalloc *k, struct index_list *list, struct slab_ref slab);
void slab_remove(struct kmalloc *k, struct index_list *list, struct slab_ref slab);

void object_zero(struct kmalloc *k, uint64_t physical, uint32_t size);
/* A cache that is zeroed but for its name, which has 1 to CACHE_NAME_MAX bytes. Returns 0 when there is no room. */
struct cache_ref cache_make(struct kmalloc *k, struct text name);
void cache_unmake(struct kmalloc *k, struct cache_ref cache);
/* kmalloc memory is always mapped and knows no DMA32: such flags are taken out, with the kernel's reproach. */
uint32_t kmalloc_fix_gfp(struct kmalloc *k, uint32_t gfp);

/* An object goes to a caller: its track and every count. */
static inline void track_take(struct kmalloc *k, struct cache *cache, struct slab *slab, struct track *track,
                              const struct kmalloc_request *request)
{
    track->live = 1;
    track->requested = (uint32_t)request->size & 0x7fffffffu;
    track->seq = k->trace->seq;
    track->name = request->name;
    slab->nr_live++;
    cache->nr_live++;
    cache->requested_bytes += request->size;
    k->nr_live++;
    k->requested_bytes += request->size;
    k->allocated_bytes += cache->usable;
}
/* An object comes back. */
static inline void track_give(struct kmalloc *k, struct cache *cache, struct slab *slab, struct track *track)
{
    cache->requested_bytes -= track->requested;
    k->requested_bytes -= track->requested;
    k->allocated_bytes -= cache->usable;
    *track = (struct track){ 0 };
    slab->nr_live--;
    cache->nr_live--;
    k->nr_live--;
}
/* What the caller is told of the object that he got. physical: where it begins. */
static inline struct kmalloc_block object_block(const struct kmalloc *k, const struct slab *slab, uint64_t physical)
{
    return (struct kmalloc_block){ k->frames->page_offset + physical, slab->cache, (uint32_t)(physical >> PAGE_SHIFT) };
}

/* slab_complain.c */
/* Says what is wrong with an address that function() was given, as a bug. */
void kmalloc_complain(struct kmalloc *k, const char *function, uint64_t address);
void kmalloc_oops(struct kmalloc *k, uint64_t address); /* the kernel touched an address where nothing is */
