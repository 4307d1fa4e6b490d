/* alloc/slab/kmalloc.h - kmalloc, kfree, ksize, krealloc, kmem_cache_*: one face, two styles.
 * slub: Linux v6.1 mm/slub.c, mm/slab_common.c (alloc/slab/slub.c). buckets: Linux v1.x/2.0 mm/kmalloc.c
 * (alloc/slab/bucket.c). Stands on: reclaim, page_alloc, frame, name.
 *
 * An address that is 0 is NULL. Misuse ends in a bug: the outcome is set, and the trace has what the kernel would print.
 * What the simulated kernel then does is what the real one does:
 *
 * kfree() and kmem_cache_free() of what is no live object: SLUB puts the address on a free list all the same, so that it
 * is handed out again (slub_stray.c).
 * The same with slub_debug=F, in the classic kernel, and outside the slabs and large blocks: nothing changes.
 * kfree() of an address inside a large block: the block is freed.
 * An object of another cache than the one that was given: it goes back to its own cache.
 * Overwritten bytes that slub_debug finds: it puts them right.
 * krealloc() and ksize() of what is no live block: nothing changes. */
#pragma once
#include "alloc/base/name.h"
#include "alloc/reclaim/reclaim.h"

#define ZERO_SIZE_PTR 16u
#define NR_TRACK_RUNS 8   /* runs of 4 << i tracks: a slab holds at most 512 objects */
#define NR_CACHE_NAMES 64 /* hash buckets */

/* A block above the largest class is a FRAME_KERNEL block. Its head frame has index = LARGE_KMALLOC | bytes asked for, and
 * owner = index of the name (struct name_ref). Blocks of alloc_pages have index 0. */
#define LARGE_KMALLOC (UINT64_C(1) << 63)

struct slab_ref { /* a slab. Index 0: none */
    uint32_t index;
};
struct cache_ref { /* a slab cache, or a classic bucket. Index 0: none */
    uint32_t index;
};
#define SLAB_NONE ((struct slab_ref){ 0 })
#define CACHE_NONE ((struct cache_ref){ 0 })

/* Where slabs and large blocks get their frames and give them back: reclaim_alloc_pages() and page_free(), unless a replay
 * brings the frames that the recorded machine got. */
struct page_source {
    uint32_t (*take)(struct reclaim *reclaim, uint32_t gfp, uint32_t order);
    void (*give)(struct reclaim *reclaim, uint32_t pfn, uint32_t order);
};
extern const struct page_source KMALLOC_PAGES; /* reclaim_alloc_pages(), reclaim_free_pages() */

STATE_STRUCTS
struct kmalloc {
    struct reclaim *reclaim;                      /* wired */
    struct frames *frames;                        /* wired */
    struct trace *trace;                          /* wired */
    const struct profile *profile;                /* wired */
    const struct names *names;                    /* wired */
    const struct page_source *pages;              /* wired */
    struct pool caches;                           /* struct cache: slub caches, or classic buckets (slab_record.h) */
    struct pool slabs;                            /* struct slab */
    struct pool tracks[NR_TRACK_RUNS];            /* who has which object: runs of 4 << i struct track, one run a slab */
    struct cache_ref cache_names[NR_CACHE_NAMES]; /* caches by hash of their name, linked */
    uint32_t nr_cpus, min_block;
    uint32_t options;     /* init_on_alloc, init_on_free */
    uint32_t debug_flags; /* slub_debug, as flags that every cache gets */
    uint32_t debug_seen;  /* debugging flags that any cache ever had */
    uint32_t taints;      /* enum kmalloc_taint: what reports say of the kernel from then on */
    uint32_t shuffle_seed, unused_too;
    struct cache_ref kmalloc_caches[4][14]; /* slub: [enum cache_kind][class]; classic: [0: any, 1: DMA][bucket] */
    uint64_t nr_live, requested_bytes, allocated_bytes; /* live objects and blocks of every kind, and their bytes */
    uint64_t nr_large_pages;                            /* in live blocks above the largest class */
    uint32_t nr_caches_made, unused;
};
STATE_STRUCTS_END

/* A floor's life. shape: what the configuration decides, before the pools have a place. pools: writes the floor's pools to
 * pools, and returns how many they are. */
void kmalloc_shape(struct kmalloc *k, const struct machine_config *config, const struct profile *profile);
uint32_t kmalloc_pools(struct kmalloc *k, struct pool **pools);
/* Host memory for the worst case of so many operations, pool by pool.
 * PAGODA_ERR_NOMEM  the host refused. */
enum pagoda_error kmalloc_reserve(struct kmalloc *k, const struct pagoda_host *host, uint32_t nr_operations);
void kmalloc_start(struct kmalloc *k, const struct machine_config *config); /* boot: the kmalloc caches */

/* --- allocating and freeing --- */

struct kmalloc_request {
    uint64_t size; /* bytes */
    uint32_t gfp;
    struct name_ref name;      /* what the record keeps: the name, or the call site of a block without one */
    struct name_ref call_site; /* who calls, for the tracks of slub_debug; 0: name stands for it */
};
/* What a caller got. Two machine words, so that it travels in registers. */
struct kmalloc_block {
    uint64_t address;       /* 0: NULL, and the trace has the message; ZERO_SIZE_PTR: nothing was asked for (slub) */
    struct cache_ref cache; /* 0: a large block, or memory that is no block: an overwritten free list led there */
    uint32_t pfn;           /* first frame */
};
_Static_assert(sizeof(struct kmalloc_block) == 16, "returned in registers");
#define KMALLOC_NULL ((struct kmalloc_block){ 0 })
/* What stood at an address that was freed. */
struct kmalloc_freed {
    uint64_t address;       /* where the block begins; 0: no live block was there */
    struct cache_ref cache; /* 0: a large block */
    struct name_ref name;   /* from its record; 0 too when the block is still live, because a bug was reported */
};

#define KMALLOC_NOT_FREED ((struct kmalloc_freed){ 0 })

/* kmalloc(): KMALLOC_NULL when there is no memory, or the size is too large; the trace has the message. */
struct kmalloc_block kmalloc_alloc(struct kmalloc *k, const struct kmalloc_request *request);
/* kfree(). What is wrong with the address is reported as a bug.
 * call_site: who calls, for the tracks of slub_debug. */
struct kmalloc_freed kmalloc_free(struct kmalloc *k, uint64_t address, struct name_ref call_site);
/* krealloc(). A block keeps its name; request->name is for a new block, when address is NULL.
 * name  out: of the old block; 0: there was none.
 * Returns address 0 when there is no memory, or for misuse: then the old block stays as it is. */
struct kmalloc_block kmalloc_realloc(struct kmalloc *k, uint64_t address, const struct kmalloc_request *request,
                                     struct name_ref *name);
/* Bytes that the caller may use of a block that he just got; 0 where the memory is no kmalloc block. */
uint64_t kmalloc_block_usable(const struct kmalloc *k, const struct kmalloc_block *block);
/* What ksize() says; 0 for NULL and ZERO_SIZE_PTR; misuse is a bug as in the kernel. */
uint64_t kmalloc_usable(struct kmalloc *k, uint64_t address);
/* A hint: the block at address is going to be freed or resized (machine_prefetch). */
void kmalloc_prefetch(const struct kmalloc *k, uint64_t address, enum machine_prefetch step);

/* --- looking --- */

struct kmalloc_record { /* all that is known of a live block */
    uint64_t address, usable, requested;
    struct name_ref name;
    uint32_t seq;
    uint32_t pfn, nr_frames;        /* frames that the block touches */
    uint32_t order;                 /* large blocks */
    const char *cache;              /* "kmalloc-64"; large blocks: NULL */
    bool is_large, is_cache_object; /* made by kmem_cache_alloc */
};
/* Is address the start of a live block of this floor? record: out, if it is. */
bool kmalloc_find(const struct kmalloc *k, uint64_t address, struct kmalloc_record *record);
/* The first live block with bytes from from up to end, which lie in one frame. */
bool kmalloc_find_in(const struct kmalloc *k, uint64_t from, uint64_t end, struct kmalloc_record *record);
/* Live blocks, in a stable order; cursor from 0. */
bool kmalloc_next(const struct kmalloc *k, uint64_t *cursor, struct kmalloc_record *record);

/* --- slab caches --- */

struct kmem_cache_args {
    uint64_t size, align; /* bytes */
    uint32_t flags;       /* SLAB_HWCACHE_ALIGN and its like (SLAB_FLAG_MAP); for kmalloc's own caches enum slab_flag */
};
/* kmem_cache_create(). Linux 1.x and 2.0 have no slab caches: these calls then say so, and the outcome is NULL.
 * name   1 to CACHE_NAME_MAX bytes.
 * Returns 0 when it is refused. The trace says why; a name that is taken is a bug. */
struct cache_ref kmem_cache_create(struct kmalloc *k, struct text name, const struct kmem_cache_args *args);
struct cache_ref kmem_cache_find(const struct kmalloc *k, struct text name);  /* 0: none */
const char *kmem_cache_name(const struct kmalloc *k, struct cache_ref cache); /* NULL for 0 */
/* request->size is not read: an object has its cache's size. */
struct kmalloc_block kmem_cache_alloc(struct kmalloc *k, struct cache_ref cache, const struct kmalloc_request *request);
/* cache      as the caller says; 0: whichever the object belongs to.
 * call_site  who calls, for the tracks of slub_debug. */
struct kmalloc_freed kmem_cache_free(struct kmalloc *k, struct cache_ref cache, uint64_t address,
                                     struct name_ref call_site);
/* With objects left it is a bug, and the cache stays; its empty slabs are gone then. call_site: who calls, for the report.
 */
void kmem_cache_destroy(struct kmalloc *k, struct cache_ref cache, struct name_ref call_site);
void kmem_cache_shrink(struct kmalloc *k, struct cache_ref cache); /* gives its empty slabs back */
/* Pages of bytes that an operation on this cache or address may need beyond the usual, because slub_debug fills them. */
uint64_t kmalloc_contents_needed(const struct kmalloc *k, struct cache_ref cache, uint64_t address);
/* Says, as a bug, what the kernel itself would print if it were asked to free an address that is no slab's, and a new line.
 * pfn  where it looks for what it knows of the block; UINT32_MAX: there is nothing */
void kmalloc_say_reaction(struct kmalloc *k, uint64_t address, uint32_t pfn);
/* The cache of the slab that owns a FRAME_SLAB block. */
struct cache_ref kmalloc_slab_cache(const struct kmalloc *k, struct slab_ref slab);

/* --- invariants --- */

bool kmalloc_check(const struct kmalloc *k, char *text, size_t capacity);
/* Besides: do the free chains in the simulated bytes agree with the records? Stray writes to free objects may break them.
 */
bool kmalloc_check_chains(const struct kmalloc *k, char *text, size_t capacity);
