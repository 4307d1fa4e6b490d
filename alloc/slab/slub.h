/* alloc/slab/slub.h - SLUB: the parts of the slub_*.c files that the others call. Linux v6.1 mm/slub.c. Stands on: slab.h.
 */
#pragma once
#include "alloc/base/oops.h"
#include "alloc/slab/slab.h"

/* slub_cache.c: the layout of caches. */
void slub_start(struct kmalloc *k);                                                        /* boot: the kmalloc caches */
struct cache_ref slub_kmalloc_cache(const struct kmalloc *k, uint64_t size, uint32_t gfp); /* size 1 .. 8192 */
uint32_t slub_order(uint32_t size, uint32_t nr_cpus); /* UINT32_MAX: no order holds such an object */
/* Sets everything in the cache that follows from what was asked for. Returns false when no slab can hold such an object. */
bool slub_shape(const struct kmalloc *k, struct cache *cache, const struct kmem_cache_args *args);

/* slub_new.c: new slabs. */
/* Chains free objects of a slab. freelist: out, the first of them, + 1. */
void slub_link(struct kmalloc *k, struct slab_ref slab, uint16_t *freelist, const uint16_t *objects, uint32_t count);
void slub_link_new(struct kmalloc *k, struct slab_ref slab); /* all of its objects, in order or shuffled */
/* Gets pages for a slab from the page allocator. order: out. Returns the first frame; 0: none, and the message says so. */
uint32_t slub_take_pages(struct kmalloc *k, struct cache_ref cache, uint32_t gfp, uint32_t *order);

/* slub.c: allocating and freeing. */
/* Returns address 0 when there is no memory (the trace has the message), or when an overwritten free list ends in a fault
 * (a bug). */
struct kmalloc_block slub_alloc(struct kmalloc *k, struct cache_ref cache, const struct kmalloc_request *request);
/* The object found is live, and slub_debug_may_free() has agreed. call_site: who frees it. */
void slub_free(struct kmalloc *k, const struct found *found, struct name_ref call_site);
bool slub_is_dry(const struct kmalloc *k, struct cache_ref cache); /* the next slub_alloc() needs a new slab */
/* A block of frames becomes a slab, and the CPU's current one. */
struct slab_ref slub_add_slab(struct kmalloc *k, struct cache_ref cache, uint32_t pfn, uint32_t order);
/* Every CPU gives its slabs back to the node's list. Only after slub_may_flush() has agreed: a list that was overwritten
 * may not be walked, and the kernel that tried would not come back. */
void slub_flush(struct kmalloc *k, struct cache_ref cache);
bool slub_may_flush(struct kmalloc *k, struct cache_ref cache); /* false: a bug, which the trace describes */
/* What was freed is the first of its slab's list now. The slab moves to where one with so many free objects belongs.
 * head: as slab.freelist. */
void slub_freed_into(struct kmalloc *k, struct slab_ref slab, uint16_t head);

/* slub_stray.c: allocations that an overwritten free pointer sends elsewhere, frees of what is no live object, and the
 * contents of objects that come and go. */
/* Is the address the first of the free list that it would be put on? Then the kernel itself notices. */
bool slub_is_first_free(const struct kmalloc *k, const struct found *found, uint64_t address);
void slub_free_stray(struct kmalloc *k, const struct found *found, uint64_t address);
struct kmalloc_block slub_alloc_stray(struct kmalloc *k, struct cache_ref cache, const struct kmalloc_request *request);
void slub_prepare_slow(struct kmalloc *k, const struct cache *cache, uint64_t physical, uint32_t gfp);
void slub_wipe(struct kmalloc *k, const struct cache *cache, uint64_t physical); /* init_on_free */
/* A new owner finds zeroes, if he asked for them or the machine was booted so. */
static inline void slub_prepare(struct kmalloc *k, const struct cache *cache, uint64_t physical, uint32_t gfp)
{
    if (gfp & __GFP_ZERO || k->options)
        slub_prepare_slow(k, cache, physical, gfp);
}

/* slub_debug.c: caches with slub_debug. */
struct kmalloc_block slub_debug_alloc(struct kmalloc *k, struct cache_ref cache, const struct kmalloc_request *request);
void slub_debug_free(struct kmalloc *k, struct slab_ref slab, uint32_t object, struct name_ref call_site);
/* The checks before a free of any address inside a slab. Returns false when something was reported: the object then stays
 * as it is. */
bool slub_debug_may_free(struct kmalloc *k, struct slab_ref slab, uint64_t address);
void slub_debug_fill_slab(struct kmalloc *k, struct slab_ref slab); /* a new one: poison, red zones, empty tracks */
/* Bytes from the object's start to its tracks, and to its padding. */
uint32_t slub_tracks_at(const struct cache *cache);
uint32_t slub_padding_at(const struct cache *cache);

/* slub_report.c: what slub_debug says. address: of an object. */
/* Begins a report: "BUG cache: ", what the format says, and a line below it. Details follow. The kernel is tainted now. */
void slub_bug(struct kmalloc *k, const struct cache *cache, const char *format, ...) TEXT_FORMAT(3, 4);
void slub_object_bug(struct kmalloc *k, const struct slab *slab, uint64_t address, const char *what); /* with its details */
/* "FIX cache: ", what the format says, and a new line. */
void slub_fix(struct kmalloc *k, const struct cache *cache, const char *format, ...) TEXT_FORMAT(3, 4);
void slub_say_object(struct kmalloc *k, const struct slab *slab, uint64_t address); /* all that is known, with its bytes */
void slub_say_slab(struct kmalloc *k, const struct slab *slab);
void slub_say_tracks(struct kmalloc *k, const struct cache *cache, uint64_t address);
void slub_say_section(struct kmalloc *k, const char *title, uint64_t physical, uint32_t length);
void slub_say_remaining(struct kmalloc *k, const struct slab *slab); /* its live objects; their cache is going away */
#define POINTER_TEXT_MAX 19u                                         /* "0x", 16 digits, NUL */
/* Call sites have no addresses here: each word has one made up for it, 16 bytes apart in the kernel's text. */
static inline uint64_t slub_call_site_address(struct name_ref call_site)
{
    return KERNEL_TEXT + (uint64_t)call_site.index * 16;
}
/* The word that such an address was made up for. Of any other address: its digits, in the caller's buffer. */
const char *slub_call_site_text(const struct kmalloc *k, uint64_t address, char digits[POINTER_TEXT_MAX]);
enum track_kind { TRACK_ALLOC, TRACK_FREE };
/* Writes who allocated or freed an object behind it. physical: of the object. */
void slub_write_track(struct kmalloc *k, const struct cache *cache, uint64_t physical, enum track_kind kind,
                      struct name_ref call_site);
