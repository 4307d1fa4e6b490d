/* alloc/vmalloc/vmalloc_internal.h - what the files of the vmalloc floor share. */
#pragma once
#include "alloc/base/oops.h"
#include "alloc/vmalloc/vmalloc.h"

#define VMEMMAP UINT64_C(0xffffea0000000000) /* x86-64: struct page of pfn 0 */
#define STRUCT_PAGE_SIZE 64u
#define POINTER_SIZE 8u

static inline struct vmap_area *vmalloc_area(const struct vmalloc *v, struct vmap_area_ref area)
{
    return vmap_area_at(&v->space, area);
}
/* Linux 2.0 has no lazy list and no page array. */
static inline bool vmalloc_is_classic(const struct vmalloc *v)
{
    return v->space.lazy_max_pages == 0;
}
/* Pages, without the guard. */
static inline uint32_t vmalloc_nr_wanted(const struct vmap_area *area)
{
    return (uint32_t)((area->end - area->start) >> PAGE_SHIFT) - 1;
}

/* The area that a mapped address belongs to; 0: nothing is mapped there. It is found by way of the page's frame. vfree has
 * to touch both anyway, while a tree of a million areas costs twenty cache misses. */
static inline struct vmap_area_ref vmalloc_area_of_page(const struct vmalloc *v, uint64_t address)
{
    uint32_t pfn;
    if (!pte_translate(v->frames, v->profile, v->pgtable->kernel_root, address, &pfn))
        return VMAP_AREA_NONE;
    const struct frame *frame = frame_at(v->frames, pfn);
    if (frame->kind != FRAME_VMALLOC)
        return VMAP_AREA_NONE;
    return (struct vmap_area_ref){ frame->owner };
}

/* --- vmalloc_build.c --- */

/* Makes a busy area with pages, page array and mappings. 0: refused, or no memory; the trace has the message. */
struct vmap_area_ref vmalloc_build(struct vmalloc *v, uint64_t size, uint32_t flags);
/* Ends an area, complete or not, in the order of vfree(): mappings, addresses, pages, page array. */
void vmalloc_release(struct vmalloc *v, struct vmap_area_ref area);
