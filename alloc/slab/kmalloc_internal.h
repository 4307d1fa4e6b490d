/* alloc/slab/kmalloc_internal.h - what both styles of kmalloc are made of: caches of equal objects, slabs (blocks of frames
 * cut into objects), and a track for each object. For alloc/slab/kmalloc.c, slab.c, slub*.c, bucket.c and the views of
 * them.
 *
 * Objects of a slab are numbered from 0. A link to an object is its number + 1, so that 0 is the end of a chain. Only the
 * heads of free chains live in these structs; the chains themselves run through the simulated bytes of the free objects, as
 * in Linux, where anybody may overwrite them: what is read from there is checked before it is believed. */
#pragma once
#include "alloc/slab/kmalloc.h"

#include <string.h>

#define CACHE_NAME_MAX 63u
#define NR_KMALLOC_CLASSES 13u
#define KERNEL_TEXT UINT64_C(0xffffffff81000000) /* where the kernel's code begins */
#define TRACK_BYTES 32u /* struct track of mm/slub.c: address of the caller, stack, CPU, pid, time */
#define ORIG_SIZE_BYTES 4u
#define MAX_OBJECTS 512u /* of a slab: objects of 8 bytes in one page; larger slabs have larger objects */

enum kmalloc_options { KMALLOC_INIT_ON_ALLOC = 1, KMALLOC_INIT_ON_FREE = 2 };
/* Of struct cache, besides those that callers may give (SLAB_FLAG_MAP): the numbers of Linux v6.1 (mm/slab.h). The
 * debugging four follow slub_debug=FZPU: checks, red zones, poison, users. */
enum slab_flag {
    SLAB_KMALLOC = 0x1000,
    SLAB_CMPXCHG_DOUBLE = 0x40000000, /* no checks that need a lock around a free list and its counters */
    SLAB_DEBUG_FLAGS = SLAB_CONSISTENCY_CHECKS | SLAB_RED_ZONE | SLAB_POISON | SLAB_STORE_USER,
};
enum kmalloc_taint { TAINT_BAD_PAGE = 1, TAINT_WARN = 2 };
enum cache_kind { CACHE_PLAIN, CACHE_ACCOUNTED, CACHE_RECLAIMABLE, CACHE_DMA, NR_CACHE_KINDS }; /* as Linux makes them */
enum slab_state { SLAB_FULL, SLAB_CPU, SLAB_CPU_PARTIAL, SLAB_PARTIAL }; /* full slabs are on no list */

struct track {                         /* who has an object */
    uint32_t live : 1, requested : 31; /* bytes */
    uint32_t seq;
    struct name_ref name;
};

struct slab {
    uint32_t next; /* slab of the same list; the pool's link, when the slab is not in use */
    uint32_t pfn;  /* of its first frame; 0: not in use */
    uint32_t cache;
    uint32_t prev;
    uint32_t tracks;   /* a run in kmalloc.tracks[track_run] */
    uint16_t freelist; /* first free object, + 1; or slab_free_word() */
    uint16_t inuse;    /* as the kernel counts: objects on the CPU's own free list are in use */
    uint16_t objects, nr_live;
    uint8_t order, state, track_run, cpu; /* cpu: where it is SLAB_CPU or SLAB_CPU_PARTIAL */
};
_Static_assert(sizeof(struct slab) == 32, "a slab's record lies in one cache line");
struct slab_list {
    uint32_t first, last, count;
};

#define FREELIST_STRAY UINT16_MAX
/* A slab's free list begins at an address that is no object, because somebody freed it: bytes from the slab's start. */
#define SLAB_STRAY 0x8000u
struct cpu_slab {
    uint32_t slab;       /* the CPU's current one; 0: none */
    uint32_t partial;    /* first of a chain of slabs, linked by next alone */
    uint16_t nr_partial; /* of that chain */
    uint16_t freelist;   /* the CPU's own free objects in slab, + 1; FREELIST_STRAY: the chain goes on at stray */
    uint64_t stray;      /* where an overwritten free pointer led: an address that is no object of slab */
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
    uint32_t class, same_hash;
    uint32_t made;                 /* of all caches ever made, which one: slabinfo shows the newest first */
    struct slab_list partial;      /* the node's list; classic: pages with free blocks */
    char name[CACHE_NAME_MAX + 1]; /* empty: not in use */
    struct cpu_slab cpus[];        /* one a CPU */
};

/* Begins to fetch a line of the host's memory that will be written to. The empty asm is there because compilers take a
 * function that does nothing but this for one that does nothing, and drop its calls. */
static inline void fetch(const void *line)
{
    __builtin_prefetch(line, 1);
    __asm__ volatile("");
}

static inline struct cache *cache_at(const struct kmalloc *k, uint32_t cache)
{
    return pool_at(&k->caches, cache);
}
static inline struct slab *slab_at(const struct kmalloc *k, uint32_t slab)
{
    return (struct slab *)(void *)k->slabs.items + slab; /* typed: the compiler knows the size */
}
static inline struct track *run_at(const struct kmalloc *k, uint32_t track_run, uint32_t run)
{
    return (struct track *)(void *)k->tracks[track_run].items + ((size_t)run * 4 << track_run);
}
static inline struct track *track_at(const struct kmalloc *k, const struct slab *slab, uint32_t object)
{
    return run_at(k, slab->track_run, slab->tracks) + object;
}

/* Every frame of a slab, not only its head, names the slab (frame.owner), and tells in frame.index what leads from an
 * address to its track without a look at the slab's record: where the tracks are, which cache it is, and which of the
 * slab's frames this one is. Other frames of kind FRAME_NONE have index 0. */
struct slab_frame {
    uint32_t tracks, cache;
    uint16_t page; /* from the slab's head */
    uint8_t track_run;
};
static inline uint64_t slab_frame_pack(struct slab_frame f)
{
    return (uint64_t)f.tracks << 32 | f.cache << 16 | (uint32_t)f.page << 4 | f.track_run;
}
static inline struct slab_frame slab_frame_unpack(uint64_t index)
{
    return (struct slab_frame){ (uint32_t)(index >> 32), index >> 16 & 0xffff, index >> 4 & 0xfff, index & 0xf };
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
/* Number of the object that starts at address; false: none of this slab does. The multiplication is exact for multiples of
 * the size (the error of n * size is below objects * size, a few MiB), and no other distance passes the last line. */
static inline bool object_number(const struct kmalloc *k, const struct cache *cache, const struct slab *slab,
                                 uint64_t address, uint32_t *object)
{
    uint64_t distance = address - object_address(k, cache, slab, 0);
    if (distance >= (uint64_t)slab->objects * cache->size)
        return false;
    *object = (uint32_t)(distance * cache->reciprocal >> 32);
    return *object * cache->size == (uint32_t)distance;
}
/* Where the slab's own free list begins; 0: it is empty. */
static inline uint64_t slab_free_word(const struct kmalloc *k, const struct cache *cache, const struct slab *slab)
{
    if (slab->freelist & SLAB_STRAY)
        return frame_address(k->frames, slab->pfn) + (slab->freelist & ~SLAB_STRAY);
    return slab->freelist ? object_address(k, cache, slab, slab->freelist - 1u) : 0;
}
static inline uint32_t reciprocal_of(uint32_t size)
{
    return (uint32_t)((UINT64_C(1) << 32) / size + 1);
}
/* The simulated byte at a physical address, and what follows it in its page. */
static inline uint8_t *bytes_at(struct frames *frames, uint64_t physical)
{
    uint32_t pfn = (uint32_t)(physical >> PAGE_SHIFT), contents = frame_at(frames, pfn)->contents;
    uint8_t *page = contents ? frames->contents.items + (size_t)contents * PAGE_SIZE : frame_bytes(frames, pfn);
    return page + (physical & (PAGE_SIZE - 1));
}
/* The same for reading; NULL: the whole page is zero. */
static inline const uint8_t *peek_at(const struct frames *frames, uint64_t physical)
{
    uint32_t contents = frame_at(frames, (uint32_t)(physical >> PAGE_SHIFT))->contents;
    const uint8_t *page = frames->contents.items + (size_t)contents * PAGE_SIZE;
    return contents ? page + (physical & (PAGE_SIZE - 1)) : NULL;
}

/* The free object behind a free one, + 1, from the word in its bytes. False: somebody overwrote the word with what is no
 * free object of the slab. */
static inline bool free_pointer_is_sound(const struct kmalloc *k, const struct cache *cache, const struct slab *slab,
                                         uint32_t object, uint64_t word, uint32_t *next)
{
    uint32_t number;
    *next = 0;
    if (!word)
        return true;
    if (!object_number(k, cache, slab, word, &number) || number == object || track_at(k, slab, number)->live)
        return false;
    *next = number + 1;
    return true;
}

/* What an address is to kmalloc. A slab object may be live or free: its track tells. */
enum found_kind { FOUND_NOTHING, FOUND_OBJECT, FOUND_LARGE };
struct found {
    enum found_kind kind;
    uint32_t pfn; /* head of its block; UINT32_MAX: outside the machine's memory */
    uint32_t slab, object;
    const struct track *track; /* of an object */
};
static inline bool frame_is_of_slab(const struct frame *frame)
{
    return frame->kind == FRAME_SLAB || (frame->kind == FRAME_NONE && frame->index);
}
/* The object at address in a slab, of which frame is the one with that address. */
static inline void look_in_slab(const struct kmalloc *k, uint64_t address, const struct frame *frame, struct found *found)
{
    struct slab_frame f = slab_frame_unpack(frame->index);
    const struct cache *cache = cache_at(k, f.cache);
    uint64_t distance = (uint64_t)f.page * PAGE_SIZE + address % PAGE_SIZE - cache->head;
    uint32_t object = (uint32_t)(distance * cache->reciprocal >> 32);
    found->pfn -= f.page;
    found->slab = frame->owner;
    found->track = run_at(k, f.track_run, f.tracks) + object;
    if (object * (uint64_t)cache->size != distance || object >= slab_at(k, frame->owner)->objects)
        return;
    found->kind = FOUND_OBJECT;
    found->object = object;
}
static inline __attribute__((always_inline)) struct found kmalloc_look(const struct kmalloc *k, uint64_t address)
{
    struct found found = { FOUND_NOTHING, frame_of_address(k->frames, address), 0, 0, NULL };
    if (found.pfn == UINT32_MAX)
        return found;
    const struct frame *frame = frame_at(k->frames, found.pfn);
    if (frame_is_of_slab(frame)) {
        look_in_slab(k, address, frame, &found);
        return found;
    }
    found.pfn = frame_head(k->frames, found.pfn);
    frame = frame_at(k->frames, found.pfn);
    if (frame->kind == FRAME_KERNEL && frame->index & LARGE_KMALLOC && address == frame_address(k->frames, found.pfn))
        found.kind = FOUND_LARGE;
    return found;
}
/* Not its start; kfree() goes from any of its pages to the first, and frees it. */
static inline bool found_is_inside_large(const struct kmalloc *k, const struct found *found)
{
    if (found->kind != FOUND_NOTHING || found->pfn == UINT32_MAX)
        return false;
    const struct frame *head = frame_at(k->frames, found->pfn);
    return head->kind == FRAME_KERNEL && head->index & LARGE_KMALLOC;
}
static inline bool found_is_live(const struct found *found)
{
    return found->kind == FOUND_LARGE || (found->kind == FOUND_OBJECT && found->track->live);
}

/* An object goes to a caller, and comes back: its track and every count. */
static inline void track_take(struct kmalloc *k, struct cache *cache, struct slab *slab, uint32_t object,
                              uint32_t requested, struct name_ref name)
{
    struct track *track = track_at(k, slab, object);
    track->live = 1;
    track->requested = requested & 0x7fffffffu;
    track->seq = k->trace->seq;
    track->name = name;
    slab->nr_live++;
    cache->nr_live++;
    cache->requested_bytes += requested;
    k->nr_live++;
    k->requested_bytes += requested;
    k->allocated_bytes += cache->usable;
}
static inline void track_give(struct kmalloc *k, struct cache *cache, struct slab *slab, uint32_t object)
{
    struct track *track = track_at(k, slab, object);
    cache->requested_bytes -= track->requested;
    k->requested_bytes -= track->requested;
    k->allocated_bytes -= cache->usable;
    *track = (struct track){ 0 };
    slab->nr_live--;
    cache->nr_live--;
    k->nr_live--;
}

/* slab.c: slabs and tracks, whatever the style. */
uint32_t slab_make(struct kmalloc *k, uint32_t cache, uint32_t pfn, uint32_t order); /* frames become FRAME_SLAB */
void slab_unmake(struct kmalloc *k, uint32_t slab); /* frames go back to the page allocator */
void slab_push_head(struct kmalloc *k, struct slab_list *list, uint32_t slab);
void slab_push_tail(struct kmalloc *k, struct slab_list *list, uint32_t slab);
void slab_remove(struct kmalloc *k, struct slab_list *list, uint32_t slab);
void object_zero(struct kmalloc *k, uint64_t physical, uint32_t size);
uint32_t cache_make(struct kmalloc *k, struct text name); /* zeroed but for the name; 0: no room */
void cache_unmake(struct kmalloc *k, uint32_t cache);
/* kmalloc memory is always mapped and knows no DMA32: such flags are taken out, with the kernel's reproach. */
uint32_t kmalloc_fix_gfp(struct kmalloc *k, uint32_t gfp);
/* slab_complain.c */
void kmalloc_say_pointer(struct trace *trace, uint64_t address); /* 0x, 16 digits */
/* Says what is wrong with an address that function() was given, as a bug. */
void kmalloc_complain(struct kmalloc *k, const char *function, uint64_t address);
void kmalloc_oops(struct kmalloc *k, uint64_t address); /* the kernel touched an address where nothing is */

/* The word in a free object's bytes that leads to the next one. */
static inline uint64_t slub_read_pointer(const struct kmalloc *k, const struct cache *cache, const struct slab *slab,
                                         uint32_t object)
{
    const uint8_t *bytes = peek_at(k->frames, object_physical(cache, slab, object) + cache->offset);
    uint64_t word = 0;
    if (bytes)
        memcpy(&word, bytes, sizeof word);
    return word;
}

/* slub_cache.c */
void slub_start(struct kmalloc *k);
uint32_t slub_kmalloc_cache(const struct kmalloc *k, uint64_t size, uint32_t gfp); /* size 1 .. 8192 */
uint32_t slub_order(uint32_t size, uint32_t nr_cpus); /* UINT32_MAX: no order holds such an object */
/* Everything that follows from the size of an object. False: no slab can hold it. */
bool slub_shape(const struct kmalloc *k, struct cache *cache, uint32_t object_size, uint32_t align, uint32_t flags);

/* next: an object, + 1; 0 ends the chain. */
static inline void slub_write_word(struct kmalloc *k, const struct cache *cache, const struct slab *slab, uint32_t object,
                                   uint64_t word)
{
    memcpy(bytes_at(k->frames, object_physical(cache, slab, object) + cache->offset), &word, sizeof word);
}
static inline void slub_write_pointer(struct kmalloc *k, const struct cache *cache, const struct slab *slab,
                                      uint32_t object, uint32_t next)
{
    slub_write_word(k, cache, slab, object, next ? object_address(k, cache, slab, next - 1) : 0);
}
/* The CPU's free list goes on where a free pointer's word says. */
static inline void slub_follow(const struct kmalloc *k, const struct cache *cache, struct cpu_slab *cpu,
                               const struct slab *slab, uint64_t word)
{
    uint32_t number;
    cpu->stray = 0;
    if (!word) {
        cpu->freelist = 0;
    } else if (object_number(k, cache, slab, word, &number)) {
        cpu->freelist = (uint16_t)(number + 1);
    } else {
        cpu->freelist = FREELIST_STRAY;
        cpu->stray = word;
    }
}
/* Where free chains are whole, inuse alone would do. Where one was overwritten, an object may have been on two chains, and
 * inuse is too low: a slab with live objects is never given back. */
static inline bool slab_is_empty(const struct slab *slab)
{
    return !slab->inuse && !slab->nr_live;
}

/* slub_new.c */
void slub_link(struct kmalloc *k, uint32_t slab, uint16_t *freelist, const uint16_t *objects, uint32_t count);
void slub_link_new(struct kmalloc *k, uint32_t slab); /* all of its objects, in order or shuffled */
uint32_t slub_take_pages(struct kmalloc *k, uint32_t cache, uint32_t gfp, uint32_t *order); /* for a slab; 0: none */

/* slub.c */
uint64_t slub_alloc(struct kmalloc *k, uint32_t cache, uint32_t gfp, uint32_t requested, struct name_ref name);
void slub_free(struct kmalloc *k, uint32_t slab, uint32_t object);
bool slub_is_dry(const struct kmalloc *k, uint32_t cache); /* the next slub_alloc() needs a new slab */
uint32_t slub_add_slab(struct kmalloc *k, uint32_t cache, uint32_t pfn, uint32_t order); /* becomes the CPU's current one */
/* Every CPU gives its slabs back to the node's list; not before slub_may_flush(): a list that was overwritten may not be
 * walked, and the kernel that tried would not come back. */
void slub_flush(struct kmalloc *k, uint32_t cache);
bool slub_may_flush(struct kmalloc *k, uint32_t cache);

/* The object, or whatever else was freed, is the first of its slab's list now; head: as slab.freelist. The slab moves to
 * where one with so many free objects belongs. */
void slub_freed_into(struct kmalloc *k, uint32_t slab, uint16_t head);

/* slub_stray.c: allocations that an overwritten free pointer sends elsewhere; frees of what is no live object; contents of
 * objects that come and go. */
/* Is the address the first of the free list that it would be put on? Then the kernel itself notices. */
bool slub_is_first_free(const struct kmalloc *k, const struct found *found, uint64_t address);
void slub_free_stray(struct kmalloc *k, const struct found *found, uint64_t address);
uint64_t slub_alloc_stray(struct kmalloc *k, uint32_t cache, uint32_t gfp, uint32_t requested, struct name_ref name);
void slub_prepare_slow(struct kmalloc *k, const struct cache *cache, uint64_t physical, uint32_t gfp);
void slub_wipe(struct kmalloc *k, const struct cache *cache, uint64_t physical); /* init_on_free */
/* A new owner finds zeroes, if he asked for them or the machine was booted so. */
static inline void slub_prepare(struct kmalloc *k, const struct cache *cache, uint64_t physical, uint32_t gfp)
{
    if (gfp & __GFP_ZERO || k->options)
        slub_prepare_slow(k, cache, physical, gfp);
}

/* slub_debug.c: caches with slub_debug. */
uint64_t slub_debug_alloc(struct kmalloc *k, uint32_t cache, uint32_t gfp, uint32_t requested, struct name_ref name);
void slub_debug_free(struct kmalloc *k, uint32_t slab, uint32_t object);
/* The checks before a free, on any address inside a slab. False: it was reported, and the object stays as it is. */
bool slub_debug_may_free(struct kmalloc *k, uint32_t slab, uint64_t address);
void slub_debug_fill_slab(struct kmalloc *k, uint32_t slab); /* a new one: poison, red zones, empty tracks */
/* Bytes behind the object's start where the tracks begin, and where the padding does. */
uint32_t slub_tracks_at(const struct cache *cache);
uint32_t slub_padding_at(const struct cache *cache);

/* slub_report.c: what slub_debug says. A report is opened, told what it is about, and closed; details follow. address: of
 * an object. */
void slub_bug_open(struct kmalloc *k, const struct cache *cache);
void slub_bug_close(struct kmalloc *k);
void slub_object_bug(struct kmalloc *k, const struct slab *slab, uint64_t address, const char *what); /* all of it */
void slub_fix_open(struct kmalloc *k, const struct cache *cache);
void slub_fix(struct kmalloc *k, const struct cache *cache, const char *what);
void slub_say_object(struct kmalloc *k, const struct slab *slab, uint64_t address); /* all that is known, with its bytes */
void slub_say_slab(struct kmalloc *k, const struct slab *slab);
void slub_say_tracks(struct kmalloc *k, const struct cache *cache, uint64_t address);
void slub_say_section(struct kmalloc *k, const char *title, uint64_t physical, uint32_t length);
void slub_say_remaining(struct kmalloc *k, const struct slab *slab); /* its live objects; their cache is going away */
enum track_kind { TRACK_ALLOC, TRACK_FREE };
/* physical: of the object. call_site: who calls. */
void slub_write_track(struct kmalloc *k, const struct cache *cache, uint64_t physical, enum track_kind kind,
                      struct name_ref call_site);

/* bucket.c */
void bucket_start(struct kmalloc *k);
uint32_t bucket_for(const struct kmalloc *k, uint64_t size, uint32_t gfp); /* the bucket that serves it; 0: none */
uint64_t bucket_alloc(struct kmalloc *k, uint64_t size, uint32_t gfp, struct name_ref name);
void bucket_free(struct kmalloc *k, uint32_t slab, uint32_t object);
uint64_t bucket_read_pointer(const struct kmalloc *k, const struct cache *cache, const struct slab *slab, uint32_t object);
bool bucket_check_page(const struct kmalloc *k, const struct slab *slab);
