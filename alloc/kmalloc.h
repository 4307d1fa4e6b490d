/* alloc/kmalloc.h - kmalloc, kfree, ksize, krealloc, kmem_cache_*: one face, two styles.
 * slub: Linux v6.1 mm/slub.c, mm/slab_common.c (alloc/slub.c). buckets: Linux v1.x/2.0 mm/kmalloc.c (alloc/bucket.c).
 * Stands on: reclaim, page_alloc, frame, label.
 *
 * Functions that can meet misuse first find everything out, then change things; on misuse they call trace_bug() with what
 * the kernel would print, and change nothing. 0 as an address is NULL. label: alloc/label.h index, 0 for none. */
#pragma once
#include "alloc/label.h"
#include "alloc/reclaim.h"

#define ZERO_SIZE_PTR 16u

struct kmalloc {
    struct reclaim *reclaim; /* wired */
    struct frames *frames; /* wired */
    struct trace *trace; /* wired */
    const struct profile *profile; /* wired */
    const struct labels *labels; /* wired */
    struct pool caches; /* struct cache: slub caches, or classic buckets (kmalloc_internal.h) */
    struct pool slabs; /* struct slab */
    struct pool tracks[13]; /* who has which object: runs of 2^i struct track, one run a slab */
    struct pool cpu_slabs; /* struct cpu_slab: per cache and CPU */
    uint32_t nr_cpus, min_block;
    uint32_t options; /* init_on_alloc, init_on_free */
    uint32_t shuffle_seed;
    uint32_t kmalloc_caches[4][14]; /* slub: [kind: plain, rcl, cg, dma][class]; classic: [0: any, 1: DMA][bucket] */
    uint64_t nr_live, requested_bytes, allocated_bytes; /* live objects and blocks of every kind, and their bytes */
};

void kmalloc_shape(struct kmalloc *k, const struct machine_config *config, const struct profile *profile);
void kmalloc_wire(struct kmalloc *k, struct reclaim *reclaim, struct frames *frames, struct trace *trace,
                  const struct profile *profile, const struct labels *labels);
uint32_t kmalloc_pools(struct kmalloc *k, struct pool **pools);
/* Host memory for the worst case of one call, pool by pool. */
enum pagoda_error kmalloc_reserve(struct kmalloc *k, const struct pagoda_host *host);
void kmalloc_start(struct kmalloc *k, const struct machine_config *config); /* boot: the kmalloc caches */

uint64_t kmalloc_alloc(struct kmalloc *k, uint64_t size, uint32_t gfp, uint32_t label); /* 0: NULL; ZERO_SIZE_PTR for 0 (slub) */
void kmalloc_free(struct kmalloc *k, uint64_t address);
uint64_t kmalloc_realloc(struct kmalloc *k, uint64_t address, uint64_t size, uint32_t gfp, uint32_t label);
/* What ksize() says; 0 for NULL and ZERO_SIZE_PTR; misuse is a bug as in the kernel. */
uint64_t kmalloc_usable(struct kmalloc *k, uint64_t address);
/* Looking only: is address the start of a live block of this floor; *usable, *cache as far as known. */
struct kmalloc_block {
    uint64_t address, usable, requested;
    uint32_t label, seq;
    uint32_t pfn, nr_frames; /* frames that the block touches */
    uint32_t order; /* large blocks */
    const char *cache; /* "kmalloc-64"; large blocks: NULL */
    bool is_large, is_cache_object; /* made by kmem_cache_alloc */
};
bool kmalloc_find(const struct kmalloc *k, uint64_t address, struct kmalloc_block *block);
/* Live blocks, in a stable order; cursor from 0. */
bool kmalloc_next(const struct kmalloc *k, uint64_t *cursor, struct kmalloc_block *block);

/* kmem_cache_create returns the cache's index, or 0 (trace says why: a bug when the name is taken). cache_find: 0 = none. */
uint32_t kmem_cache_create(struct kmalloc *k, struct text name, uint64_t size, uint64_t align);
uint32_t kmem_cache_find(const struct kmalloc *k, struct text name);
uint64_t kmem_cache_alloc(struct kmalloc *k, uint32_t cache, uint32_t gfp, uint32_t label);
void kmem_cache_free(struct kmalloc *k, uint32_t cache, uint64_t address); /* cache 0: whichever it belongs to */
void kmem_cache_destroy(struct kmalloc *k, uint32_t cache);
bool kmalloc_check(const struct kmalloc *k, char *text, size_t capacity);
