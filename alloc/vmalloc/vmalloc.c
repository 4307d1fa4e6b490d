/* vmalloc and vfree: the limits of a call, the counters, the lazy purge. vmalloc_build.c builds areas and takes them down.
 */
#include "alloc/vmalloc/vmalloc_internal.h"

#include <string.h>

#define LAZY_PAGES 8192u   /* 32 MiB: lazy_max_pages() for each bit of the number of CPUs */
#define AREAS_PER_CALL 16u /* area, page array, a hole cut in two for each; twice, when huge pages fail */

static void vmalloc_purge_if_many(struct vmalloc *v)
{
    if (v->space.nr_lazy_pages > v->space.lazy_max_pages)
        vmalloc_purge(v);
}

void vmalloc_shape(struct vmalloc *v, const struct machine_config *config, const struct profile *profile)
{
    memset(v, 0, sizeof *v);
    uint32_t cpu_bits = 0;
    for (uint32_t cpus = config->cpus; cpus; cpus >>= 1)
        cpu_bits++;
    uint32_t lazy_max_pages = profile->id == PROFILE_CLASSIC ? 0 : cpu_bits * LAZY_PAGES;
    vmap_space_shape(&v->space, (uint32_t)(config->memory >> PAGE_SHIFT) + AREAS_PER_CALL,
                     lazy_max_pages); /* a page each */
}

uint32_t vmalloc_pools(struct vmalloc *v, struct pool **pools)
{
    pools[0] = &v->space.areas;
    pools[1] = &v->space.extents;
    return 2;
}

enum pagoda_error vmalloc_reserve(struct vmalloc *v, const struct pagoda_host *host, uint32_t nr_operations)
{
    enum pagoda_error err = pool_reserve(&v->space.areas, host, AREAS_PER_CALL * nr_operations);
    return err ? err : pool_reserve(&v->space.extents, host, AREAS_PER_CALL * nr_operations);
}

void vmalloc_start(struct vmalloc *v, const struct machine_config *config)
{
    const struct profile *profile = v->profile;
    v->space.end = profile->vmalloc_end;
    if (profile->vmalloc_start) { /* the kernel's trees hold all addresses but the first */
        v->space.start = profile->vmalloc_start;
        vmap_space_start(&v->space, 1, UINT64_MAX);
        return;
    }
    uint64_t high_memory = profile->page_offset + config->memory;
    v->space.start = (high_memory + profile->vmalloc_gap) & ~(profile->vmalloc_gap - 1);
    vmap_space_start(&v->space, v->space.start, v->space.end);
}

bool vmalloc_size_is_possible(const struct vmalloc *v, uint64_t size)
{
    if (vmalloc_is_classic(v))
        return size && size <= (uint64_t)v->frames->nr << PAGE_SHIFT;
    return size && size >> PAGE_SHIFT <= page_alloc_nr_managed(v->reclaim->pages); /* the shift drops bytes, as in Linux */
}

uint64_t vmalloc_alloc(struct vmalloc *v, uint64_t size, uint32_t flags, struct name_ref name)
{
    struct vmap_area_ref area_ref = vmalloc_build(v, size, flags);
    vmalloc_purge_if_many(v);
    if (!area_ref.index)
        return 0;
    struct vmap_area *area = vmalloc_area(v, area_ref);
    area->name = name;
    v->nr_busy++;
    v->requested_bytes += size;
    v->allocated_bytes += (uint64_t)area->nr_pages << PAGE_SHIFT;
    return area->start;
}

/* The caller's area that starts at address; 0: there is none. */
static struct vmap_area_ref vmalloc_find_start(const struct vmalloc *v, uint64_t address)
{
    struct vmap_area_ref area_ref = vmalloc_contains(v, address) ? vmalloc_area_of_page(v, address) : VMAP_AREA_NONE;
    if (!area_ref.index || vmalloc_area(v, area_ref)->start != address || vmalloc_area(v, area_ref)->array_of.index)
        return VMAP_AREA_NONE;
    return area_ref;
}

/* What vfree() says of an address that is none of its areas'. Linux 2.0 says it without a place. */
static void vmalloc_complain(struct vmalloc *v, enum source_place_id at, const char *what, uint64_t address)
{
    int digits = (int)v->profile->word_bits / 4;
    v->trace->outcome = OUTCOME_BUG;
    if (v->profile->places)
        oops_warn(v->trace, v->profile, at, "Trying to vfree() %s (%0*jx)", what, digits, address);
    else
        trace_print(v->trace, "Trying to vfree() %s (%0*jx)\n", what, digits, address);
}

struct name_ref vmalloc_free(struct vmalloc *v, uint64_t address)
{
    if (address == 0)
        return NAME_NONE;
    if (address & (PAGE_SIZE - 1)) {
        vmalloc_complain(v, AT_VUNMAP_ALIGN, "bad address", address);
        return NAME_NONE;
    }
    struct vmap_area_ref area_ref = vmalloc_find_start(v, address);
    if (!area_ref.index) {
        vmalloc_complain(v, AT_VUNMAP_AREA, "nonexistent vm area", address);
        return NAME_NONE;
    }
    const struct vmap_area *area = vmalloc_area(v, area_ref);
    struct name_ref name = area->name;
    v->nr_busy--;
    v->requested_bytes -= area->requested;
    v->allocated_bytes -= (uint64_t)area->nr_pages << PAGE_SHIFT;
    vmalloc_release(v, area_ref);
    vmalloc_purge_if_many(v);
    return name;
}

/* PREFETCH_FAR fetches the page-table entry. PREFETCH_NEAR fetches the frame behind it, which knows the area. */
void vmalloc_prefetch(const struct vmalloc *v, uint64_t address, enum machine_prefetch step)
{
    uint32_t pfn;
    if (!vmalloc_contains(v, address))
        return;
    if (step == PREFETCH_FAR)
        pgtable_prefetch(v->pgtable, v->pgtable->kernel_root, address);
    else if (pte_translate(v->frames, v->profile, v->pgtable->kernel_root, address, &pfn))
        __builtin_prefetch(frame_at(v->frames, pfn), 1);
}

void vmalloc_purge(struct vmalloc *v)
{
    uint64_t start, end;
    if (vmap_space_purge(&v->space, &start, &end))
        tlb_flush_kernel(v->pgtable->tlb, start, (end - start) >> PAGE_SHIFT);
}

static void vmalloc_describe(const struct vmap_area *area, struct vmalloc_block *block)
{
    *block = (struct vmalloc_block){ .address = area->start,
                                     .requested = area->requested,
                                     .nr_pages = area->nr_pages,
                                     .name = area->name,
                                     .seq = area->seq };
}

bool vmalloc_find(const struct vmalloc *v, uint64_t address, struct vmalloc_block *block)
{
    struct vmap_area_ref area_ref = vmalloc_find_start(v, address);
    if (area_ref.index)
        vmalloc_describe(vmalloc_area(v, area_ref), block);
    return area_ref.index != 0;
}

bool vmalloc_find_around(const struct vmalloc *v, uint64_t address, struct vmalloc_block *block)
{
    struct vmap_area_ref area_ref = vmalloc_contains(v, address) ? vmalloc_area_of_page(v, address) : VMAP_AREA_NONE;
    return area_ref.index && vmalloc_find(v, vmalloc_area(v, area_ref)->start, block);
}

bool vmalloc_next(const struct vmalloc *v, uint64_t *cursor, struct vmalloc_block *block)
{
    struct vmap_area_ref area_ref = vmalloc_area_from(v, v->space.start + *cursor);
    while (area_ref.index && vmalloc_area(v, area_ref)->array_of.index)
        area_ref = vmalloc_area_from(v, vmalloc_area(v, area_ref)->end);
    if (!area_ref.index)
        return false;
    vmalloc_describe(vmalloc_area(v, area_ref), block);
    *cursor =
        vmalloc_area(v, area_ref)->end - v->space.start; /* not the address: callers keep room at the top for themselves */
    return true;
}

bool vmalloc_contains(const struct vmalloc *v, uint64_t address)
{
    return address >= v->space.start && address < v->space.end;
}

struct vmap_area_ref vmalloc_area_at(const struct vmalloc *v, uint64_t address)
{
    if (!vmalloc_contains(v, address))
        return VMAP_AREA_NONE;
    struct vmap_area_ref area_ref = vmalloc_area_of_page(v, address);
    return area_ref.index ? area_ref
                          : vmalloc_area_of_page(v, address - PAGE_SIZE); /* a guard page belongs to the page before it */
}

/* An address that neither tree has belongs to an area. */
struct vmap_area_ref vmalloc_area_from(const struct vmalloc *v, uint64_t address)
{
    const struct vmap_space *space = &v->space;
    for (uint64_t at = address > space->start ? address : space->start; at < space->end;) {
        uint32_t extent = vmap_extent_find(space, space->free_root, at);
        if (!extent)
            extent = vmap_extent_find(space, space->lazy_root, at);
        if (!extent)
            return vmalloc_area_at(v, at);
        at = vmap_extent_end(space, extent);
    }
    return VMAP_AREA_NONE;
}
