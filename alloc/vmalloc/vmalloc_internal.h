/* alloc/vmalloc/vmalloc_internal.h - what the files of the vmalloc floor share. */
#pragma once
#include "alloc/vmalloc/vmalloc.h"

#define VMEMMAP UINT64_C(0xffffea0000000000) /* x86-64: struct page of pfn 0 */
#define STRUCT_PAGE_SIZE 64u
#define POINTER_SIZE 8u

static inline struct vmap_area *vmalloc_area(const struct vmalloc *v, uint32_t area)
{
    return vmap_area_at(&v->space, area);
}
static inline bool vmalloc_is_classic(const struct vmalloc *v) /* no lazy list, no page array: Linux 2.0 */
{
    return v->space.lazy_max_pages == 0;
}
static inline uint32_t vmalloc_nr_wanted(const struct vmap_area *area) /* pages, without the guard */
{
    return (uint32_t)((area->end - area->start) >> PAGE_SHIFT) - 1;
}

/* The area that a mapped address belongs to, by way of its frame: vfree has to touch both anyway, while the way down a tree
 * of a million areas is twenty cache misses. 0: nothing is mapped there. */
static inline uint32_t vmalloc_area_of_page(const struct vmalloc *v, uint64_t address)
{
    uint32_t pfn;
    if (!pte_translate(v->frames, v->profile, v->pgtable->kernel_root, address, &pfn))
        return 0;
    return frame_at(v->frames, pfn)->kind == FRAME_VMALLOC ? frame_at(v->frames, pfn)->owner : 0;
}

/* vmalloc_build.c. A busy area with pages, page array and mappings; 0: refused or no memory, said in the trace. */
uint32_t vmalloc_build(struct vmalloc *v, uint64_t size, uint32_t flags);
/* Ends an area, complete or not, in the order of Linux's vfree(): mappings, addresses, pages, page array. */
void vmalloc_release(struct vmalloc *v, uint32_t area);
