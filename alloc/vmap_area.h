/* alloc/vmap_area.h - which addresses of the vmalloc range are free, busy, or freed but still lazy. Linux v6.1 mm/vmalloc.c:
 * __alloc_vmap_area(), merge_or_add_vmap_area_augment(), __purge_vmap_area_lazy(). Knows nothing of pages.
 *
 * An area is an item of one pool and stands in one of three trees. The areas of the three trees together cover the address
 * space without a gap. The kernel takes its struct vmap_area from a slab cache of their own; that cache is not simulated.
 * Stands on: base. */
#pragma once
#include "alloc/rbtree.h"
#include "alloc/trace.h"

struct vmap_area {
    struct rb_node node; /* size: of the area, guard page included */
    uint64_t start, end; /* [start, end) */
    /* The rest is for busy ones, and kept by the floor above. */
    uint64_t requested; /* bytes that the caller asked for */
    uint64_t page_array; /* address of the array of page pointers: kmalloc, or the start of another area; 0: none */
    uint32_t first_pfn; /* frames, in page order, linked through frame.next */
    uint32_t nr_pages;
    uint32_t label, seq;
    uint32_t array_of; /* this area is the page array of that one; 0: a caller's */
    uint32_t page_order; /* of its pages: 9 where 2 MiB are mapped at a time */
};

struct vmap_space {
    struct trace *trace; /* wired */
    struct pool areas; /* struct vmap_area */
    uint32_t free_root, busy_root, lazy_root; /* trees by address */
    uint64_t start, end; /* [start, end): where areas may lie */
    uint64_t nr_lazy_pages, lazy_max_pages; /* guard pages included */
};

static inline struct vmap_area *vmap_area_at(const struct vmap_space *space, uint32_t area)
{
    return pool_at(&space->areas, area);
}

/* All of [all_start, all_end) is free at first, of which [start, end) will be given out. */
void vmap_space_start(struct vmap_space *space, uint64_t all_start, uint64_t all_end);
/* An area of size bytes (whole pages) at a multiple of align (a power of two), out of the hole where it belongs; 0: none fits.
 * It is busy when it has been inserted, which is quick for a caller who knows the busy area that ends where this one starts
 * (0: it does not). */
uint32_t vmap_area_take(struct vmap_space *space, uint64_t size, uint64_t align);
void vmap_area_insert(struct vmap_space *space, uint32_t area, uint32_t before);
static inline uint32_t vmap_area_alloc(struct vmap_space *space, uint64_t size, uint64_t align)
{
    uint32_t area = vmap_area_take(space, size, align);
    if (area)
        vmap_area_insert(space, area, 0);
    return area;
}
/* Busy -> lazy: the addresses stay out of use until the purge. The item is gone afterwards. */
void vmap_area_free_lazy(struct vmap_space *space, uint32_t area);
/* Busy -> free at once, as before there was a lazy list. */
void vmap_area_free_now(struct vmap_space *space, uint32_t area);
/* Lazy -> free, all of them. False: there was none; else *start, *end span what became free. */
bool vmap_space_purge(struct vmap_space *space, uint64_t *start, uint64_t *end);

uint32_t vmap_area_find(const struct vmap_space *space, uint32_t root, uint64_t address); /* the one that holds it; 0: none */
uint32_t vmap_area_find_from(const struct vmap_space *space, uint32_t root, uint64_t address); /* first that ends behind it */
/* Puts an area of that extent into a tree, unmerged: for states that were recorded. 0: the pool is full. */
uint32_t vmap_area_add(struct vmap_space *space, uint32_t *root, uint64_t start, uint64_t end);
/* Trees in order, nothing overlaps, nothing is missing, counts agree. */
bool vmap_space_check(const struct vmap_space *space, const char **what);
