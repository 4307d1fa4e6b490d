/* Building areas, and taking them down. An allocation makes area, page array, pages and mappings in the kernel's order.
 * When a step fails, the function that vfree uses takes down what exists. The frames of an area are chained through
 * frame.next in page order, from area.first_pfn on, so that they are found when the page tables no longer lead to them. */
#include "alloc/vmalloc/vmalloc_internal.h"

#include "pagoda/gfp.h"

#define BULK_PAGES 100u /* pages that vm_area_alloc_pages() asks the bulk allocator for at a time */
#define HUGE_ORDER 9u
#define HUGE_SIZE ((uint64_t)PAGE_SIZE << HUGE_ORDER)

#define KERNEL_BITS (PTE_PRESENT | PTE_WRITE | PTE_ACCESSED | PTE_DIRTY)
#define GFP_RECLAIM_BITS                                                                                                   \
    (__GFP_DIRECT_RECLAIM | __GFP_KSWAPD_RECLAIM | __GFP_HIGH | __GFP_IO | __GFP_FS | __GFP_NOWARN | __GFP_RETRY_MAYFAIL | \
     __GFP_NOFAIL | __GFP_NORETRY | __GFP_MEMALLOC | __GFP_NOMEMALLOC | __GFP_ATOMIC)

/* PAGE_KERNEL: 0x8000000000000163 on x86-64, 0x63 on an i486. */
static uint64_t vmalloc_leaf_bits(const struct vmalloc *v)
{
    return vmalloc_is_classic(v) ? KERNEL_BITS : KERNEL_BITS | PTE_GLOBAL | PTE_NX;
}

/* --- taking down --- */

static void vmalloc_free_chain(struct vmalloc *v, uint32_t first_pfn)
{
    for (uint32_t pfn = first_pfn, next; pfn; pfn = next) {
        struct frame *frame = frame_at(v->frames, pfn);
        next = frame->next;
        frame->next = frame->owner = 0;
        frame->index = 0;
        reclaim_free_pages(v->reclaim, pfn, 0);
    }
}

void vmalloc_release(struct vmalloc *v, struct vmap_area_ref area_ref)
{
    trace_step(v->trace, PATH_remove_vm_area);
    struct vmap_area area = *vmalloc_area(v, area_ref);
    if (area.page_array)
        kmalloc_prefetch(v->kmalloc, area.page_array, PREFETCH_NEAR);
    pgtable_unmap(v->pgtable, v->pgtable->kernel_root, (struct page_range){ area.start, vmalloc_nr_wanted(&area) });
    if (vmalloc_is_classic(v)) {
        tlb_flush_kernel(v->pgtable->tlb, area.start, vmalloc_nr_wanted(&area));
        vmap_area_free_now(&v->space, area_ref);
    } else {
        vmap_area_free_lazy(&v->space, area_ref);
    }
    vmalloc_free_chain(v, area.first_pfn);
    if (vmalloc_contains(v, area.page_array)) {
        vmalloc_release(v, vmalloc_area_of_page(v, area.page_array));
    } else if (area.page_array) {
        kmalloc_free(v->kmalloc, area.page_array, NAME_NONE);
        v->nr_kmalloc_arrays--;
    }
}

/* --- pages --- */

struct builder {
    struct vmalloc *v;
    struct vmap_area_ref area;
    uint32_t last_pfn;   /* end of its chain */
    uint32_t gfp;        /* for its pages */
    uint32_t page_order; /* 0 or HUGE_ORDER */
};

static void build_add_page(struct builder *b, uint32_t pfn)
{
    struct frames *frames = b->v->frames;
    struct vmap_area *area = vmalloc_area(b->v, b->area);
    frame_set_kind(frames, pfn, FRAME_VMALLOC, 0);
    struct frame *frame = frame_at(frames, pfn);
    frame->owner = b->area.index;
    frame->index = area->nr_pages++;
    frame->next = frame->prev = 0;
    if (b->last_pfn)
        frame_at(frames, b->last_pfn)->next = pfn;
    else
        area->first_pfn = pfn;
    b->last_pfn = pfn;
}

/* split_page(): every frame of the block becomes a block of its own. */
static void build_add_split_block(struct builder *b, uint32_t pfn)
{
    struct frame head = *frame_at(b->v->frames, pfn);
    frame_set_kind(b->v->frames, pfn, FRAME_NONE, 0);
    for (uint32_t i = 0; i < 1u << b->page_order; i++) {
        struct frame *frame = frame_at(b->v->frames, pfn + i);
        frame->born = head.born;
        frame->migratetype = head.migratetype;
        build_add_page(b, pfn + i);
    }
}

static bool build_take_pages(struct builder *b)
{
    struct vmalloc *v = b->v;
    trace_step(v->trace, PATH_vm_area_alloc_pages);
    const struct vmap_area *area = vmalloc_area(v, b->area);
    uint32_t nr = vmalloc_nr_wanted(area), pfns[BULK_PAGES];
    for (bool is_short = b->page_order > 0; !is_short && area->nr_pages < nr;) {
        uint32_t want = nr - area->nr_pages < BULK_PAGES ? nr - area->nr_pages : BULK_PAGES;
        uint32_t got = reclaim_alloc_bulk(v->reclaim, b->gfp, want, pfns);
        for (uint32_t i = 0; i < got; i++)
            build_add_page(b, pfns[i]);
        is_short = got < want;
    }
    while (area->nr_pages < nr) {
        uint32_t pfn = reclaim_alloc_pages(v->reclaim, b->gfp, b->page_order);
        if (!pfn)
            return false;
        if (b->page_order)
            build_add_split_block(b, pfn);
        else
            build_add_page(b, pfn);
    }
    return true;
}

static bool build_map_pages(struct builder *b)
{
    struct vmalloc *v = b->v;
    trace_step(v->trace, PATH_vmap_pages_range);
    uint32_t pfns[1u << HUGE_ORDER], n;
    uint64_t address = vmalloc_area(v, b->area)->start;
    for (uint32_t pfn = vmalloc_area(v, b->area)->first_pfn; pfn; address += (uint64_t)n << PAGE_SHIFT) {
        for (n = 0; pfn && n < 1u << HUGE_ORDER; pfn = frame_at(v->frames, pfn)->next)
            pfns[n++] = pfn;
        uint32_t root = v->pgtable->kernel_root;
        uint64_t bits = vmalloc_leaf_bits(v);
        bool ok = b->page_order
                      ? pgtable_map_huge(v->pgtable, root, address, pfns[0], bits, GFP_KERNEL)
                      : pgtable_map(v->pgtable, root, address, (struct pgtable_frames){ pfns, n }, bits, GFP_KERNEL);
        if (!ok)
            return false;
    }
    return true;
}

/* --- the page array --- */

static struct vmap_area_ref build_area(struct vmalloc *v, uint64_t size, uint32_t page_order, uint32_t gfp);

/* Writes the address of each page's struct page into the array. An array that is a nested area lies on scattered frames. */
static void build_write_page_array(struct vmalloc *v, const struct vmap_area *area)
{
    struct vmap_area_ref array =
        vmalloc_contains(v, area->page_array) ? vmalloc_area_of_page(v, area->page_array) : VMAP_AREA_NONE;
    uint32_t array_pfn = array.index ? vmalloc_area(v, array)->first_pfn : 0;
    uint64_t physical = array.index ? (uint64_t)array_pfn << PAGE_SHIFT : area->page_array - v->frames->page_offset;
    for (uint32_t pfn = area->first_pfn; pfn; pfn = frame_at(v->frames, pfn)->next) {
        frame_write64(v->frames, physical, VMEMMAP + (uint64_t)pfn * STRUCT_PAGE_SIZE);
        physical += POINTER_SIZE;
        if (array.index && (physical & (PAGE_SIZE - 1)) == 0) {
            array_pfn = frame_at(v->frames, array_pfn)->next;
            physical = (uint64_t)array_pfn << PAGE_SHIFT;
        }
    }
}

static bool build_page_array(struct builder *b)
{
    struct vmalloc *v = b->v;
    uint64_t array_size = (uint64_t)vmalloc_nr_wanted(vmalloc_area(v, b->area)) * POINTER_SIZE;
    uint32_t gfp = (b->gfp & GFP_RECLAIM_BITS) | __GFP_ZERO;
    uint64_t address = 0;
    if (array_size > PAGE_SIZE) {
        struct vmap_area_ref array = build_area(v, array_size, 0, gfp);
        if (array.index) {
            vmalloc_area(v, array)->array_of = b->area;
            address = vmalloc_area(v, array)->start;
        }
    } else {
        const struct kmalloc_request request = { .size = array_size, .gfp = gfp };
        address = kmalloc_alloc(v->kmalloc, &request).address;
        v->nr_kmalloc_arrays += address != 0;
    }
    vmalloc_area(v, b->area)->page_array = address;
    return address != 0;
}

/* --- the whole --- */

static bool build_fill(struct builder *b)
{
    struct vmalloc *v = b->v;
    uint32_t gfp = b->gfp | __GFP_HIGHMEM;
    if (!build_page_array(b)) {
        uint64_t nr = vmalloc_nr_wanted(vmalloc_area(v, b->area));
        reclaim_warn_alloc(v->reclaim, gfp, "vmalloc error: size %ju, failed to allocated page array size %ju",
                           nr << PAGE_SHIFT, nr * POINTER_SIZE);
        return false;
    }
    b->gfp = gfp | __GFP_NOWARN;
    bool has_all = build_take_pages(b);
    uint64_t got = (uint64_t)vmalloc_area(v, b->area)->nr_pages << PAGE_SHIFT;
    if (!has_all && b->page_order == 0) /* huge pages are tried again as small ones, without a word */
        reclaim_warn_alloc(v->reclaim, gfp, "vmalloc error: size %ju, page order 0, failed to allocate pages", got);
    if (!has_all)
        return false;
    build_write_page_array(v, vmalloc_area(v, b->area));
    if (!build_map_pages(b)) {
        reclaim_warn_alloc(v->reclaim, gfp, "vmalloc error: size %ju, failed to map pages", got);
        return false;
    }
    return true;
}

/* __get_vm_area_node() and __vmalloc_area_node(). 0: no addresses, or no memory; the trace has the message. */
static struct vmap_area_ref build_area(struct vmalloc *v, uint64_t size, uint32_t page_order, uint32_t gfp)
{
    trace_step(v->trace, PATH___get_vm_area_node);
    uint64_t unit = (uint64_t)PAGE_SIZE << page_order;
    uint64_t area_size = ((size + unit - 1) & ~(unit - 1)) + PAGE_SIZE;
    struct vmap_area_ref area_ref = vmap_area_alloc(&v->space, area_size, unit);
    if (!area_ref.index && v->space.lazy_root) {
        vmalloc_purge(v);
        area_ref = vmap_area_alloc(&v->space, area_size, unit);
    }
    if (!area_ref.index) {
        trace_end_line(v->trace);
        trace_print(v->trace, "vmap allocation for size %ju failed: use vmalloc=<size> to increase size\n", area_size);
        reclaim_warn_alloc(v->reclaim, gfp, "vmalloc error: size %ju, vm_struct allocation failed", size);
        return VMAP_AREA_NONE;
    }
    struct builder b = { .v = v, .area = area_ref, .gfp = gfp, .page_order = page_order };
    vmalloc_area(v, area_ref)->seq = v->trace->seq;
    vmalloc_area(v, area_ref)->requested = size;
    vmalloc_area(v, area_ref)->page_order = page_order;
    if (build_fill(&b))
        return area_ref;
    vmalloc_release(v, area_ref);
    return VMAP_AREA_NONE;
}

static struct vmap_area_ref build_linux_6_1(struct vmalloc *v, uint64_t size, uint32_t flags)
{
    uint32_t gfp = flags & VMALLOC_ZERO ? GFP_KERNEL | __GFP_ZERO : GFP_KERNEL;
    if (size == 0) {
        oops_warn(v->trace, v->profile, AT_VMALLOC_RANGE, NULL);
        return VMAP_AREA_NONE;
    }
    if (!vmalloc_size_is_possible(v, size)) {
        reclaim_warn_alloc(v->reclaim, gfp, "vmalloc error: size %ju, exceeds total pages", size);
        return VMAP_AREA_NONE;
    }
    struct vmap_area_ref area_ref = VMAP_AREA_NONE;
    if ((flags & VMALLOC_HUGE) && size >= HUGE_SIZE)
        area_ref = build_area(v, size, HUGE_ORDER, gfp);
    return area_ref.index ? area_ref : build_area(v, size, 0, gfp);
}

/* Linux 2.0 maps each page as soon as it has it. */
static bool build_fill_classic(struct builder *b)
{
    struct vmalloc *v = b->v;
    const struct vmap_area *area = vmalloc_area(v, b->area);
    uint32_t root = v->pgtable->kernel_root;
    trace_step(v->trace, PATH___get_free_pages);
    for (uint32_t nr = vmalloc_nr_wanted(area); area->nr_pages < nr;) {
        uint64_t address = area->start + ((uint64_t)area->nr_pages << PAGE_SHIFT);
        uint32_t pfn = 0;
        if (pgtable_entry(v->pgtable, root, address, GFP_KERNEL))
            pfn = reclaim_alloc_pages(v->reclaim, b->gfp, 0);
        if (!pfn)
            return false;
        build_add_page(b, pfn);
        struct pgtable_frames one = { &pfn, 1 };
        if (!pgtable_map(v->pgtable, root, address, one, vmalloc_leaf_bits(v), GFP_KERNEL))
            return false;
    }
    return true;
}

static struct vmap_area_ref build_classic(struct vmalloc *v, uint64_t size, uint32_t flags)
{
    if (!vmalloc_size_is_possible(v, size))
        return VMAP_AREA_NONE;
    uint64_t area_size = ((size + PAGE_SIZE - 1) & ~(uint64_t)(PAGE_SIZE - 1)) + PAGE_SIZE;
    struct vmap_area_ref area_ref = vmap_area_alloc(&v->space, area_size, PAGE_SIZE);
    if (!area_ref.index)
        return VMAP_AREA_NONE;
    struct builder b = { .v = v, .area = area_ref };
    b.gfp = flags & VMALLOC_ZERO ? GFP_KERNEL | __GFP_ZERO : GFP_KERNEL;
    vmalloc_area(v, area_ref)->seq = v->trace->seq;
    vmalloc_area(v, area_ref)->requested = size;
    if (!build_fill_classic(&b)) {
        vmalloc_release(v, area_ref);
        return VMAP_AREA_NONE;
    }
    tlb_flush_kernel(v->pgtable->tlb, vmalloc_area(v, area_ref)->start, vmalloc_nr_wanted(vmalloc_area(v, area_ref)));
    return area_ref;
}

struct vmap_area_ref vmalloc_build(struct vmalloc *v, uint64_t size, uint32_t flags)
{
    return vmalloc_is_classic(v) ? build_classic(v, size, flags) : build_linux_6_1(v, size, flags);
}
