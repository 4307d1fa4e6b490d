/* What the API shows of the vmalloc range, and the way from any address to the bytes behind it. */
#include "alloc/machine/machine_internal.h"

/* --- areas --- */

/* Linux 6.1 names the last byte of the range. This is the one behind it. */
static uint64_t view_vmalloc_end(const struct vmap_space *space)
{
    return (space->end + PAGE_SIZE - 1) & ~(uint64_t)(PAGE_SIZE - 1);
}

static void view_vmalloc_busy(const struct machine *machine, const struct vmap_area *area, struct vmalloc_view *view)
{
    struct vmap_area_ref owner = area->array_of; /* a page array goes by the name of the area that it serves */
    struct name_ref name = owner.index ? vmap_area_at(&machine->state.vmalloc.space, owner)->name : area->name;
    view->requested = area->requested;
    view->nr_pages = area->nr_pages;
    view->guard_pages = 1;
    view->page_order = area->page_order;
    view->has_vpages = vmalloc_contains(&machine->state.vmalloc, area->page_array);
    view->state = "busy";
    view->name = name_text(&machine->state.names, name);
    view->caller = owner.index ? "vmalloc pages array" : "vmalloc";
    view->seq = area->seq;
}

/* Areas and extents come in address order. The cursor is the address up to which they have been told. */
bool view_next_vmalloc(const struct machine *machine, uint64_t *cursor, struct vmalloc_view *view)
{
    const struct vmalloc *v = &machine->state.vmalloc;
    const struct vmap_space *space = &v->space;
    uint64_t from = *cursor > space->start ? *cursor : space->start;
    if (from >= space->end)
        return false;
    *view = (struct vmalloc_view){ .start = from, .name = "", .caller = "" };
    struct vmap_area_ref area = vmalloc_area_at(v, from);
    uint32_t lazy = area.index ? 0 : vmap_extent_find(space, space->lazy_root, from);
    if (area.index)
        view_vmalloc_busy(machine, vmap_area_at(space, area), view);
    else
        view->state = lazy ? "lazy" : "free";
    uint32_t extent = area.index || lazy ? lazy : vmap_extent_find(space, space->free_root, from);
    uint64_t end =
        area.index ? vmap_area_at(space, area)->end : vmap_extent_end(space, extent); /* one of the three has it */
    view->end = end < space->end ? end : view_vmalloc_end(space);
    *cursor = view->end;
    return true;
}

void view_vmalloc_range(const struct machine *machine, uint64_t *start, uint64_t *end, uint64_t *nr_lazy_pages)
{
    const struct vmap_space *space = &machine->state.vmalloc.space;
    *start = space->start;
    *end = view_vmalloc_end(space);
    *nr_lazy_pages = space->nr_lazy_pages;
}

bool view_next_vmalloc_run(const struct machine *machine, uint64_t start, uint64_t *cursor, struct frame_range *run)
{
    const struct vmalloc *v = &machine->state.vmalloc;
    struct vmap_area_ref area = vmalloc_area_at(v, start);
    if (!area.index || vmap_area_at(&v->space, area)->start != start)
        return false;
    uint32_t pfn;
    *run = (struct frame_range){ 0 };
    for (; *cursor < vmap_area_at(&v->space, area)->nr_pages; ++*cursor, run->count++) {
        uint64_t address = start + (*cursor << PAGE_SHIFT);
        if (!pte_translate(v->frames, v->profile, v->pgtable->kernel_root, address, &pfn))
            break;
        if (run->count && pfn != run->pfn + run->count)
            break;
        if (!run->count)
            run->pfn = pfn;
    }
    return run->count > 0;
}

/* --- addresses --- */

bool view_translate(const struct machine *machine, uint64_t address, uint32_t pid, struct translation *out)
{
    return machine_translate(machine, address, pid, out);
}

size_t view_memory(const struct machine *machine, uint64_t address, uint32_t pid, uint8_t *out, size_t length)
{
    struct translation where;
    size_t done = 0;
    while (done < length && view_translate(machine, address + done, pid, &where) && where.present) {
        size_t room = PAGE_SIZE - where.offset;
        size_t n = length - done < room ? length - done : room;
        frame_read(&machine->state.frames, ((uint64_t)where.pfn << PAGE_SHIFT) + where.offset, out + done, n);
        done += n;
    }
    return done;
}
