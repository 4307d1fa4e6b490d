/* alloc/slab/kmalloc.h - kmalloc, kfree, ksize, krealloc, kmem_cache_*: one face, two styles.
 * slub: Linux v6.1 mm/slub.c, mm/slab_common.c (alloc/slab/slub.c). buckets: Linux v1.x/2.0 mm/kmalloc.c
 * (alloc/slab/bucket.c). Stands on: reclaim, page_alloc, frame, name.
 *
 * Functions that can meet misuse first find everything out, then change things; on misuse they call trace_bug() with what
 * the kernel would print, and change nothing. 0 as an address is NULL. */
#pragma once
#include "alloc/base/name.h"
#include "alloc/reclaim/reclaim.h"

#define ZERO_SIZE_PTR 16u
#define NR_TRACK_RUNS 8   /* runs of 4 << i tracks: a slab holds at most 512 objects */
#define NR_CACHE_NAMES 64 /* hash buckets */

/* A block above the largest class is a FRAME_KERNEL block whose head frame has index = LARGE_KMALLOC | bytes asked for, and
 * owner = index of the name (struct name_ref). Blocks of alloc_pages have index 0. */
#define LARGE_KMALLOC (UINT64_C(1) << 63)

/* Where slabs and large blocks get their frames and give them back: reclaim_alloc_pages() and page_free(), unless a replay
 * brings the frames that the recorded machine got. */
struct page_source {
    uint32_t (*take)(struct reclaim *reclaim, uint32_t gfp, uint32_t order);
    void (*give)(struct reclaim *reclaim, uint32_t pfn, uint32_t order);
};

struct kmalloc {
    struct reclaim *reclaim;              /* wired */
    struct frames *frames;                /* wired */
    struct trace *trace;                  /* wired */
    const struct profile *profile;        /* wired */
    const struct names *names;            /* wired */
    const struct page_source *pages;      /* wired */
    struct pool caches;                   /* struct cache: slub caches, or classic buckets (kmalloc_internal.h) */
    struct pool slabs;                    /* struct slab */
    struct pool tracks[NR_TRACK_RUNS];    /* who has which object: runs of 4 << i struct track, one run a slab */
    uint32_t cache_names[NR_CACHE_NAMES]; /* caches by hash of their name, linked */
    uint32_t nr_cpus, min_block;
    uint32_t options;          /* init_on_alloc, init_on_free */
    uint32_t debug_flags;      /* slub_debug, as flags that every cache gets */
    uint32_t debug_seen;       /* debugging flags that any cache ever had */
    struct name_ref call_site; /* of the running call, for slub_debug's tracks; else 0 */
    uint32_t taints;           /* enum kmalloc_taint: what reports say of the kernel from then on */
    uint32_t shuffle_seed;
    uint32_t kmalloc_caches[4][14]; /* slub: [enum cache_kind][class]; classic: [0: any, 1: DMA][bucket] */
    uint64_t nr_live, requested_bytes, allocated_bytes; /* live objects and blocks of every kind, and their bytes */
    uint64_t nr_large_pages;                            /* in live blocks above the largest class */
    uint32_t nr_caches_made;
};

void kmalloc_shape(struct kmalloc *k, const struct machine_config *config, const struct profile *profile);
void kmalloc_wire(struct kmalloc *k, struct reclaim *reclaim, struct frames *frames, struct trace *trace,
                  const struct profile *profile, const struct names *names);
uint32_t kmalloc_pools(struct kmalloc *k, struct pool **pools);
/* Host memory for the worst case of so many operations, pool by pool. */
enum pagoda_error kmalloc_reserve(struct kmalloc *k, const struct pagoda_host *host, uint32_t nr_operations);
void kmalloc_start(struct kmalloc *k, const struct machine_config *config); /* boot: the kmalloc caches */

uint64_t kmalloc_alloc(struct kmalloc *k, uint64_t size, uint32_t gfp,
                       struct name_ref name); /* 0: NULL; ZERO_SIZE_PTR for 0 (slub) */
void kmalloc_free(struct kmalloc *k, uint64_t address);
uint64_t kmalloc_realloc(struct kmalloc *k, uint64_t address, uint64_t size, uint32_t gfp, struct name_ref name);
/* What ksize() says; 0 for NULL and ZERO_SIZE_PTR; misuse is a bug as in the kernel. */
uint64_t kmalloc_usable(struct kmalloc *k, uint64_t address);
/* A hint: the block at address is going to be freed or resized (machine_prefetch). */
void kmalloc_prefetch(const struct kmalloc *k, uint64_t address, enum machine_prefetch step);
/* Looking only: is address the start of a live block of this floor; *usable, *cache as far as known. */
struct kmalloc_block {
    uint64_t address, usable, requested;
    struct name_ref name;
    uint32_t seq;
    uint32_t pfn, nr_frames;        /* frames that the block touches */
    uint32_t order;                 /* large blocks */
    const char *cache;              /* "kmalloc-64"; large blocks: NULL */
    bool is_large, is_cache_object; /* made by kmem_cache_alloc */
};
bool kmalloc_find(const struct kmalloc *k, uint64_t address, struct kmalloc_block *block);
/* Live blocks, in a stable order; cursor from 0. */
bool kmalloc_next(const struct kmalloc *k, uint64_t *cursor, struct kmalloc_block *block);

/* kmem_cache_create returns the cache's index, or 0 (trace says why: a bug when the name is taken). cache_find: 0 = none.
 */
/* flags: SLAB_HWCACHE_ALIGN and its like (enum slab_flag in kmalloc_internal.h). */
uint32_t kmem_cache_create(struct kmalloc *k, struct text name, uint64_t size, uint64_t align, uint32_t flags);
uint32_t kmem_cache_find(const struct kmalloc *k, struct text name);
uint64_t kmem_cache_alloc(struct kmalloc *k, uint32_t cache, uint32_t gfp, struct name_ref name);
void kmem_cache_free(struct kmalloc *k, uint32_t cache, uint64_t address); /* cache 0: whichever it belongs to */
/* With objects left it is a bug, and the cache stays; its empty slabs are gone then. */
void kmem_cache_destroy(struct kmalloc *k, uint32_t cache);
void kmem_cache_shrink(struct kmalloc *k, uint32_t cache); /* gives its empty slabs back */
/* Pages of bytes that an operation on this cache or address may need beyond the usual, because slub_debug fills them. */
uint64_t kmalloc_contents_needed(const struct kmalloc *k, uint32_t cache, uint64_t address);
/* Says, as a bug, what the kernel itself would print if it were asked to free an address that is no slab's, and a new line.
 */
void kmalloc_say_reaction(struct kmalloc *k, uint64_t address);
/* Who owns a FRAME_SLAB block: the name of the cache of frame.owner, and the cache's index. */
const char *kmalloc_slab_cache(const struct kmalloc *k, uint32_t slab, uint32_t *cache);
bool kmalloc_check(const struct kmalloc *k, char *text, size_t capacity);
/* Besides: do the free chains in the simulated bytes agree with the records. Stray writes to free objects may break them.
 */
bool kmalloc_check_chains(const struct kmalloc *k, char *text, size_t capacity);
