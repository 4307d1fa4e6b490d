/* Does a kmalloc block hold an area's page array, and is everything about vmalloc as it must be? */
#include "alloc/base/check.h"
#include "alloc/vmalloc/vmalloc_internal.h"

uint64_t vmalloc_of_kmalloc_array(const struct vmalloc *v, uint64_t address)
{
    if (vmalloc_is_classic(v) || frame_of_address(v->frames, address) == UINT32_MAX)
        return 0;
    /* A page array begins with the address of a struct page; that page's area knows its array. */
    uint64_t pointer = frame_read64(v->frames, address - v->frames->page_offset);
    uint64_t pfn = (pointer - VMEMMAP) / STRUCT_PAGE_SIZE;
    if (pointer < VMEMMAP || pfn >= v->frames->nr || frame_at(v->frames, (uint32_t)pfn)->kind != FRAME_VMALLOC)
        return 0;
    const struct vmap_area *area = vmalloc_area(v, (struct vmap_area_ref){ frame_at(v->frames, (uint32_t)pfn)->owner });
    return area->page_array == address ? area->start : 0;
}

bool vmalloc_owns_kmalloc(const struct vmalloc *v, uint64_t address)
{
    return vmalloc_of_kmalloc_array(v, address) != 0;
}

uint64_t vmalloc_of_array_area(const struct vmalloc *v, uint64_t address)
{
    struct vmap_area_ref area = vmalloc_contains(v, address) ? vmalloc_area_of_page(v, address) : VMAP_AREA_NONE;
    struct vmap_area_ref served = area.index ? vmalloc_area(v, area)->array_of : VMAP_AREA_NONE;
    return served.index ? vmalloc_area(v, served)->start : 0;
}

static bool vmalloc_maps(const struct vmalloc *v, uint64_t address, uint32_t *pfn)
{
    return pte_translate(v->frames, v->profile, v->pgtable->kernel_root, address, pfn);
}

static const char *vmalloc_check_array(const struct vmalloc *v, struct vmap_area_ref area_ref)
{
    const struct vmap_area *area = vmalloc_area(v, area_ref);
    if (vmalloc_is_classic(v))
        return area->page_array ? "vmalloc: a page array that the classic kernel does not have" : NULL;
    struct vmap_area_ref array = vmalloc_area_at(v, area->page_array);
    bool is_nested = (uint64_t)area->nr_pages * POINTER_SIZE > PAGE_SIZE;
    if (is_nested != (array.index != 0) || (is_nested && vmalloc_area(v, array)->array_of.index != area_ref.index))
        return "vmalloc: the page array is not where its size says";
    return NULL; /* its bytes are not checked: a caller's stray write may have changed them, as on a real machine */
}

static const char *vmalloc_check_area(const struct vmalloc *v, struct vmap_area_ref area_ref)
{
    const struct vmap_area *area = vmalloc_area(v, area_ref);
    uint32_t pfn = 0, expected = area->first_pfn;
    if (area->nr_pages != vmalloc_nr_wanted(area) || area->requested > (uint64_t)area->nr_pages << PAGE_SHIFT)
        return "vmalloc: an area has not the pages that it spans";
    for (uint32_t i = 0; i < area->nr_pages; i++) {
        if (!vmalloc_maps(v, area->start + ((uint64_t)i << PAGE_SHIFT), &pfn) || pfn != expected)
            return "vmalloc: a page is not mapped to the frame that the area has for it";
        const struct frame *frame = frame_at(v->frames, pfn);
        if (frame->kind != FRAME_VMALLOC || frame->order != 0 || frame->owner != area_ref.index || frame->index != i)
            return "vmalloc: a frame does not know its place in the area";
        expected = frame->next;
    }
    if (expected || vmalloc_maps(v, area->end - PAGE_SIZE, &pfn))
        return "vmalloc: a guard page is mapped, or an area has frames too many";
    return vmalloc_check_array(v, area_ref);
}

static const char *vmalloc_check_lazy(const struct vmalloc *v)
{
    const struct vmap_space *space = &v->space;
    uint32_t pfn;
    for (uint32_t i = rb_first(&space->extents, space->lazy_root); i; i = rb_next(&space->extents, i))
        if (vmalloc_maps(v, vmap_extent_at(space, i)->start, &pfn) ||
            vmalloc_maps(v, vmap_extent_end(space, i) - PAGE_SIZE, &pfn))
            return "vmalloc: a lazy area is still mapped";
    return NULL;
}

/* Walks in address order, as views do. Every area must be met. */
static const char *vmalloc_check_busy(const struct vmalloc *v)
{
    uint64_t nr_busy = 0, requested = 0, allocated = 0, nr_pages = 0, nr_met = 0, at = v->space.start;
    for (struct vmap_area_ref i; (i = vmalloc_area_from(v, at)).index; nr_met++) {
        const struct vmap_area *area = vmalloc_area(v, i);
        const char *what = area->start < at ? "vmalloc: areas overlap" : vmalloc_check_area(v, i);
        if (what)
            return what;
        at = area->end;
        nr_pages += area->nr_pages;
        if (area->array_of.index)
            continue;
        nr_busy++;
        requested += area->requested;
        allocated += (uint64_t)area->nr_pages << PAGE_SHIFT;
    }
    if (nr_met != pool_nr_live(&v->space.areas))
        return "vmalloc: an area cannot be found by its address";
    if (nr_busy != v->nr_busy || requested != v->requested_bytes || allocated != v->allocated_bytes)
        return "vmalloc: the counts of busy areas are wrong";
    return nr_pages == v->frames->kind_count[FRAME_VMALLOC] ? NULL : "vmalloc: a vmalloc frame belongs to no area";
}

bool vmalloc_check(const struct vmalloc *v, char *text, size_t capacity)
{
    const char *what = NULL;
    if (vmap_space_check(&v->space, &what))
        what = vmalloc_check_busy(v);
    if (!what)
        what = vmalloc_check_lazy(v);
    if (!what)
        return pgtable_check(v->pgtable, v->pgtable->kernel_root, text, capacity);
    return check_report(what, text, capacity);
}
