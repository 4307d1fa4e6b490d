/* alloc/vmalloc/vmap_area.h - which addresses of the vmalloc range are free, busy, or freed but still lazy. Linux v6.1
 * mm/vmalloc.c: __alloc_vmap_area(), merge_or_add_vmap_area_augment(), __purge_vmap_area_lazy(). Knows nothing of pages.
 * Stands on: base.
 *
 * Free and lazy addresses are extents in two trees. All other addresses are busy: areas, one item each, in no tree. Linux
 * keeps a third tree to find an area by its address. Here the page tables lead to it, since every busy area has a page
 * (vmalloc.h: vmalloc_area_at); so a million live areas cost no more to find than a few. The kernel takes its struct
 * vmap_area from a slab cache of its own; that cache is not simulated. */
#pragma once
#include "alloc/base/name.h"
#include "alloc/base/rbtree.h"
#include "alloc/base/trace.h"

/* A busy area. Index 0: none. */
struct vmap_area_ref {
    uint32_t index;
};
#define VMAP_AREA_NONE ((struct vmap_area_ref){ 0 })

STATE_STRUCTS
struct vmap_extent {     /* free or lazy */
    struct rb_node node; /* size: bytes */
    uint64_t start;
};

/* Busy. It fills one cache line of the host. All but its addresses is kept by the floor above. */
struct vmap_area {
    _Alignas(64) uint32_t first_pfn; /* frames, in page order, linked through frame.next */
    uint32_t nr_pages;
    uint64_t start, end; /* [start, end), guard page included; start 0: the item is not in use */
    uint64_t requested;  /* bytes that the caller asked for */
    uint64_t page_array; /* address of the array of page pointers: kmalloc, or the start of another area; 0: none */
    struct name_ref name;
    uint32_t seq;
    struct vmap_area_ref array_of; /* this area is the page array of that one; 0: a caller's */
    uint32_t page_order;           /* of its pages: 9 where 2 MiB are mapped at a time */
    uint64_t unused;
};
_Static_assert(sizeof(struct vmap_area) == 64, "an area is one cache line");

struct vmap_space {
    struct trace *trace;                    /* wired */
    struct pool areas;                      /* struct vmap_area */
    struct pool extents;                    /* struct vmap_extent */
    uint32_t free_root, lazy_root;          /* extents by address */
    uint64_t start, end;                    /* [start, end): where areas may lie */
    uint64_t nr_lazy_pages, lazy_max_pages; /* guard pages included */
};
STATE_STRUCTS_END

static inline struct vmap_area *vmap_area_at(const struct vmap_space *space, struct vmap_area_ref area)
{
    return (struct vmap_area *)(void *)space->areas.items + area.index;
}
static inline struct vmap_extent *vmap_extent_at(const struct vmap_space *space, uint32_t extent)
{
    return (struct vmap_extent *)(void *)space->extents.items + extent;
}
static inline uint64_t vmap_extent_end(const struct vmap_space *space, uint32_t extent)
{
    return vmap_extent_at(space, extent)->start + vmap_extent_at(space, extent)->node.size;
}

/* Room for nr_areas busy areas, and for what may lie between them. */
void vmap_space_shape(struct vmap_space *space, uint32_t nr_areas, uint64_t lazy_max_pages);
/* All of [all_start, all_end) is free at first. Of that, [space->start, space->end) will be given out. */
void vmap_space_start(struct vmap_space *space, uint64_t all_start, uint64_t all_end);
/* Makes an area; 0: no hole fits.
 * size   bytes, whole pages.
 * align  of its start: a power of two. */
struct vmap_area_ref vmap_area_alloc(struct vmap_space *space, uint64_t size, uint64_t align);
/* Busy -> lazy: the addresses stay out of use until the purge. The item is gone. */
void vmap_area_free_lazy(struct vmap_space *space, struct vmap_area_ref area);
/* Busy -> free at once, as in kernels without a lazy list. The item is gone. */
void vmap_area_free_now(struct vmap_space *space, struct vmap_area_ref area);
/* Lazy -> free, all of them. False: there was none.
 * start, end  out: the span of what became free. */
bool vmap_space_purge(struct vmap_space *space, uint64_t *start, uint64_t *end);

/* The extent that holds address; 0: none. */
uint32_t vmap_extent_find(const struct vmap_space *space, uint32_t root, uint64_t address);
/* The first extent that ends behind address; 0: none. */
uint32_t vmap_extent_find_from(const struct vmap_space *space, uint32_t root, uint64_t address);
/* For states that were recorded: a busy area of these addresses, and an extent that goes into a tree unmerged. 0: no room.
 */
struct vmap_area_ref vmap_area_add(struct vmap_space *space, uint64_t start, uint64_t end);
uint32_t vmap_extent_add(struct vmap_space *space, uint32_t *root, uint64_t start, uint64_t end);
/* Are the trees in order, is nothing in two of the three states, do the sizes add up to the whole, are the counts right?
 * The floor above checks whether busy areas overlap, since it finds them by address.
 * what  out: what is wrong. */
bool vmap_space_check(const struct vmap_space *space, const char **what);
