/* alloc/slab/slab_record.h - the records that both styles of kmalloc are made of: caches of equal objects, slabs (blocks of
 * frames cut into objects), a track for each object, and what a frame tells of its slab. Stands on: kmalloc.h.
 *
 * Objects of a slab are numbered from 0. A link to an object is its number + 1, so that 0 is the end of a chain. These
 * structs hold only the heads of free chains. The chains themselves run through the simulated bytes of the free objects, as
 * in Linux, where anybody may overwrite them (slab_bytes.h). */
#pragma once
#include "alloc/base/index_list.h"
#include "alloc/slab/kmalloc.h"

#define NR_KMALLOC_CLASSES 13u
#define KERNEL_TEXT UINT64_C(0xffffffff81000000) /* where the kernel's code begins */
#define TRACK_BYTES 32u /* struct track of mm/slub.c: address of the call site, stack, CPU, pid, time */
#define ORIG_SIZE_BYTES 4u
#define MAX_OBJECTS 512u /* of a slab: objects of 8 bytes in one page; larger slabs have larger objects */

enum kmalloc_options { KMALLOC_INIT_ON_ALLOC = 1, KMALLOC_INIT_ON_FREE = 2 };
/* Flags of struct cache, besides those that callers may give (SLAB_FLAG_MAP): the numbers of Linux v6.1 (mm/slab.h).
 * The debugging four follow slub_debug=FZPU: checks, red zones, poison, users. */
enum slab_flag {
    SLAB_KMALLOC = 0x1000,
    SLAB_CMPXCHG_DOUBLE = 0x40000000, /* no checks that need a lock around a free list and its counters */
    SLAB_DEBUG_FLAGS = SLAB_CONSISTENCY_CHECKS | SLAB_RED_ZONE | SLAB_POISON | SLAB_STORE_USER,
};
enum kmalloc_taint { TAINT_BAD_PAGE = 1, TAINT_WARN = 2 };
enum cache_kind { CACHE_PLAIN, CACHE_ACCOUNTED, CACHE_RECLAIMABLE, CACHE_DMA, NR_CACHE_KINDS }; /* as Linux makes them */
enum slab_state { SLAB_FULL, SLAB_CPU, SLAB_CPU_PARTIAL, SLAB_PARTIAL }; /* full slabs are on no list */

STATE_STRUCTS
struct track {                         /* who has an object */
    uint32_t live : 1, requested : 31; /* bytes */
    uint32_t seq;
    struct name_ref name;
};

struct slab {
    struct slab_ref next; /* slab of the same list; the pool's link, when the slab is not in use */
    struct slab_ref prev;
    uint32_t pfn; /* of its first frame; 0: not in use */
    struct cache_ref cache;
    uint32_t tracks;   /* a run in kmalloc.tracks[track_run] */
    uint16_t freelist; /* first free object, + 1; or SLAB_STRAY and an offset: slab_free_word() */
    uint16_t inuse;    /* as the kernel counts: objects on the CPU's own free list are in use */
    uint16_t objects, nr_live;
    uint8_t order, state, track_run, cpu; /* cpu: where it is SLAB_CPU or SLAB_CPU_PARTIAL */
};
_Static_assert(sizeof(struct slab) == 32, "a slab's record lies in one cache line");
_Static_assert(offsetof(struct slab, next) == 0 && offsetof(struct slab, prev) == 4, "links stand first: index_list.h");

#define FREELIST_STRAY UINT16_MAX
/* A slab's free list begins at an address that is no object, because somebody freed it: bytes from the slab's start. */
#define SLAB_STRAY 0x8000u
struct cpu_slab {
    struct slab_ref slab;    /* the CPU's current one; 0: none */
    struct slab_ref partial; /* first of a chain of slabs, linked by next alone */
    uint16_t nr_partial;     /* of that chain */
    uint16_t unused[2];
    uint16_t freelist; /* the CPU's own free objects in slab, + 1; FREELIST_STRAY: the chain goes on at stray */
    uint64_t stray;    /* where an overwritten free pointer led: an address that is no object of slab */
};

struct cache {
    uint32_t link;
    uint32_t size;                /* bytes from one object to the next */
    uint32_t reciprocal;          /* 2^32 / size, rounded up: divides by multiplying */
    uint32_t object_size, offset; /* bytes that a caller may use; offset: of the free pointer in a free object */
    uint32_t usable;              /* bytes that ksize() tells of an object */
    uint32_t head;                /* bytes before the first object: classic page descriptor, left red zone */
    uint32_t reserved;            /* bytes of a slab that objects have no part in: classic page descriptor */
    uint32_t flags;               /* enum slab_flag */
    uint32_t inuse; /* bytes of an object and what follows it at once: its right red zone; then come pointer and tracks */
    uint32_t red_left; /* bytes of the left red zone */
    uint32_t nr_live;
    uint64_t requested_bytes;
    uint32_t align, order, min_order, objects;
    uint32_t cpu_partial, cpu_partial_slabs, min_partial;
    uint32_t gfp;                                 /* added to every request for pages */
    uint32_t nr_slabs, nr_slabs_made, nr_objects; /* nr_objects: live and free */
    uint32_t is_kmalloc;                          /* made at boot, for kmalloc */
    uint32_t is_destroyed; /* kmem_cache_destroy() was called, but objects were left: it stays as it is */
    uint32_t class;
    struct cache_ref same_hash;
    uint32_t unused;
    uint32_t made;                 /* of all caches ever made, which one: slabinfo shows the newest first */
    struct index_list partial;     /* the node's list; classic: pages with free blocks */
    char name[CACHE_NAME_MAX + 1]; /* empty: not in use */
    struct cpu_slab cpus[];        /* one a CPU */
};
STATE_STRUCTS_END

/* The first and the last slab of a list; 0: it is empty. */
static inline struct slab_ref slab_list_first(const struct index_list *list)
{
    return (struct slab_ref){ list->first };
}
static inline struct slab_ref slab_list_last(const struct index_list *list)
{
    return (struct slab_ref){ list->last };
}
static inline bool slab_is_same(struct slab_ref a, struct slab_ref b)
{
    return a.index == b.index;
}

static inline bool kmalloc_is_slub(const struct kmalloc *k)
{
    return k->profile->kmalloc_style == KMALLOC_SLUB;
}
static inline struct cache *cache_at(const struct kmalloc *k, struct cache_ref cache)
{
    return pool_at(&k->caches, cache.index);
}
static inline struct slab *slab_at(const struct kmalloc *k, struct slab_ref slab)
{
    return (struct slab *)(void *)k->slabs.items + slab.index; /* typed: the compiler knows the size */
}
/* The first track of a run: of an object whose slab has number 0. */
static inline struct track *track_run_at(const struct kmalloc *k, uint32_t track_run, uint32_t run)
{
    return (struct track *)(void *)k->tracks[track_run].items + ((size_t)run * 4 << track_run);
}
static inline struct track *track_at(const struct kmalloc *k, const struct slab *slab, uint32_t object)
{
    return track_run_at(k, slab->track_run, slab->tracks) + object;
}
/* The slab that owns a frame. Only for frames of slabs. */
static inline struct slab_ref slab_of_frame(const struct frame *frame)
{
    return (struct slab_ref){ frame->owner };
}

/* Every frame of a slab, not only its head, names the slab (frame.owner). Its frame.index tells what leads from an address
 * to the track without a look at the slab's record: where the tracks are, which cache it is, and which of the slab's frames
 * this one is. Other frames of kind FRAME_NONE have index 0. */
struct slab_frame {
    uint32_t tracks;
    struct cache_ref cache;
    uint16_t page; /* from the slab's head */
    uint8_t track_run;
};
static inline uint64_t slab_frame_pack(struct slab_frame f)
{
    return (uint64_t)f.tracks << 32 | f.cache.index << 16 | (uint32_t)f.page << 4 | f.track_run;
}
static inline struct slab_frame slab_frame_unpack(uint64_t index)
{
    return (struct slab_frame){ (uint32_t)(index >> 32), { index >> 16 & 0xffff }, index >> 4 & 0xfff, index & 0xf };
}
static inline bool frame_is_of_slab(const struct frame *frame)
{
    return frame->kind == FRAME_SLAB || (frame->kind == FRAME_NONE && frame->index);
}

/* Where an object begins, counted from the first byte of memory. */
static inline uint64_t object_physical(const struct cache *cache, const struct slab *slab, uint32_t object)
{
    return ((uint64_t)slab->pfn << PAGE_SHIFT) + cache->head + (uint64_t)object * cache->size;
}
static inline uint64_t object_address(const struct kmalloc *k, const struct cache *cache, const struct slab *slab,
                                      uint32_t object)
{
    return k->frames->page_offset + object_physical(cache, slab, object);
}
/* Number of the object that starts at address. False: none of this slab does.
 * The multiplication is exact for multiples of the size: the error of n * size is below objects * size, a few MiB. No other
 * distance passes the last line. */
static inline bool object_number(const struct kmalloc *k, const struct cache *cache, const struct slab *slab,
                                 uint64_t address, uint32_t *object)
{
    uint64_t distance = address - object_address(k, cache, slab, 0);
    if (distance >= (uint64_t)slab->objects * cache->size)
        return false;
    *object = (uint32_t)(distance * cache->reciprocal >> 32);
    return *object * cache->size == (uint32_t)distance;
}
static inline uint32_t object_reciprocal(uint32_t size)
{
    return (uint32_t)((UINT64_C(1) << 32) / size + 1);
}
/* Address at which the slab's own free list begins; 0: it is empty. */
static inline uint64_t slab_free_word(const struct kmalloc *k, const struct cache *cache, const struct slab *slab)
{
    if (slab->freelist & SLAB_STRAY)
        return frame_address(k->frames, slab->pfn) + (slab->freelist & ~SLAB_STRAY);
    return slab->freelist ? object_address(k, cache, slab, slab->freelist - 1u) : 0;
}
/* Where free chains are whole, inuse alone would do. Where one was overwritten, an object may have been on two chains, and
 * inuse is too low: a slab with live objects is never given back. */
static inline bool slab_is_empty(const struct slab *slab)
{
    return !slab->inuse && !slab->nr_live;
}
