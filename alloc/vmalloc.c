/* vmalloc. The frames of an area are chained through frame.next in page order from area.first_pfn; that is how they are
 * found again when the page tables no longer lead to them. An allocation builds area, page array, pages and mappings in the
 * kernel's order, and whatever exists when a step fails is taken down by the same function that vfree uses. */
#include "alloc/vmalloc.h"

#include "pagoda/gfp.h"
#include <string.h>

#define BULK_PAGES 100u  /* pages that vm_area_alloc_pages() asks the bulk allocator for at a time */
#define LAZY_PAGES 8192u /* 32 MiB: lazy_max_pages() for each bit of the number of CPUs */
#define HUGE_ORDER 9u
#define HUGE_SIZE ((uint64_t)PAGE_SIZE << HUGE_ORDER)
#define VMEMMAP UINT64_C(0xffffea0000000000) /* x86-64: struct page of pfn 0 */
#define STRUCT_PAGE_SIZE 64u
#define POINTER_SIZE 8u
#define AREAS_PER_CALL 16u /* area, page array, a hole cut in two for each; twice, when huge pages fail */

#define KERNEL_BITS (PTE_PRESENT | PTE_WRITE | PTE_ACCESSED | PTE_DIRTY)
#define GFP_RECLAIM_BITS                                                                                                   \
    (__GFP_DIRECT_RECLAIM | __GFP_KSWAPD_RECLAIM | __GFP_HIGH | __GFP_IO | __GFP_FS | __GFP_NOWARN | __GFP_RETRY_MAYFAIL | \
     __GFP_NOFAIL | __GFP_NORETRY | __GFP_MEMALLOC | __GFP_NOMEMALLOC | __GFP_ATOMIC)

static struct vmap_area *area_at(const struct vmalloc *v, uint32_t area)
{
    return vmap_area_at(&v->space, area);
}
static bool is_classic(const struct vmalloc *v) /* no lazy list, no page array: Linux 2.0 */
{
    return v->space.lazy_max_pages == 0;
}
static uint32_t leaf_bits(const struct vmalloc *v)
{
    return is_classic(v) ? KERNEL_BITS : KERNEL_BITS | PTE_GLOBAL;
}
static uint32_t nr_wanted(const struct vmap_area *area) /* pages, without the guard */
{
    return (uint32_t)(area->node.size >> PAGE_SHIFT) - 1;
}

/* --- what the kernel says --- */

static void say_line(struct trace *trace, const char *text)
{
    if (trace->message_length)
        trace_say(trace, "\n");
    trace_say(trace, text);
}

/* warn_alloc(): "vmalloc error: size N<what>[M], mode:0x...(names), nodemask=(null)". */
static void say_error(struct trace *trace, uint64_t size, const char *what, uint64_t number, uint32_t gfp)
{
    char names[512];
    say_line(trace, "vmalloc error: size ");
    trace_say_number(trace, size);
    trace_say(trace, what);
    if (number)
        trace_say_number(trace, number);
    trace_say(trace, ", mode:0x");
    trace_say_hex(trace, gfp);
    trace_say(trace, "(");
    (void)gfp_format(gfp, names, sizeof names);
    trace_say(trace, names);
    trace_say(trace, "), nodemask=(null)");
}

static void say_no_room(struct trace *trace, uint64_t area_size, uint64_t size, uint32_t gfp)
{
    say_line(trace, "vmap allocation for size ");
    trace_say_number(trace, area_size);
    trace_say(trace, " failed: use vmalloc=<size> to increase size");
    say_error(trace, size, ", vm_struct allocation failed", 0, gfp);
}

static void bug_address(struct vmalloc *v, const char *what, uint64_t address)
{
    trace_bug(v->trace, what);
    trace_say_hex(v->trace, address);
    trace_say(v->trace, ")");
}

/* --- taking down --- */

static void free_chain(struct vmalloc *v, uint32_t first_pfn)
{
    for (uint32_t pfn = first_pfn, next; pfn; pfn = next) {
        struct frame *frame = frame_at(v->frames, pfn);
        next = frame->next;
        frame->next = frame->owner = 0;
        frame->index = 0;
        reclaim_free_pages(v->reclaim, pfn, 0);
    }
}

/* Ends an area, complete or not, in the order of Linux's vfree(): mappings, addresses, pages, page array. */
static void release(struct vmalloc *v, uint32_t index)
{
    trace_step(v->trace, PATH_remove_vm_area);
    struct vmap_area area = *area_at(v, index);
    pgtable_unmap(v->pgtable, v->pgtable->kernel_root, area.start, nr_wanted(&area));
    if (is_classic(v)) {
        pgtable_flush(v->pgtable, area.start, nr_wanted(&area));
        vmap_area_free_now(&v->space, index);
    } else {
        vmap_area_free_lazy(&v->space, index);
    }
    free_chain(v, area.first_pfn);
    if (vmalloc_contains(v, area.page_array))
        release(v, vmap_area_find(&v->space, v->space.busy_root, area.page_array));
    else if (area.page_array)
        kmalloc_free(v->kmalloc, area.page_array);
}

static void purge_if_many(struct vmalloc *v)
{
    if (v->space.nr_lazy_pages > v->space.lazy_max_pages)
        vmalloc_purge(v);
}

/* --- building: pages --- */

struct builder {
    struct vmalloc *v;
    uint32_t index;      /* of the area */
    uint32_t last_pfn;   /* end of its chain */
    uint32_t gfp;        /* for its pages */
    uint32_t page_order; /* 0 or HUGE_ORDER */
};

static void add_page(struct builder *b, uint32_t pfn)
{
    struct frames *frames = b->v->frames;
    struct vmap_area *area = area_at(b->v, b->index);
    frame_set_kind(frames, pfn, FRAME_VMALLOC, 0);
    struct frame *frame = frame_at(frames, pfn);
    frame->owner = b->index;
    frame->index = area->nr_pages++;
    frame->next = frame->prev = 0;
    if (b->last_pfn)
        frame_at(frames, b->last_pfn)->next = pfn;
    else
        area->first_pfn = pfn;
    b->last_pfn = pfn;
}

/* split_page(): every frame of the block becomes a block of its own. */
static void add_split_block(struct builder *b, uint32_t pfn)
{
    struct frame head = *frame_at(b->v->frames, pfn);
    frame_set_kind(b->v->frames, pfn, FRAME_NONE, 0);
    for (uint32_t i = 0; i < 1u << b->page_order; i++) {
        struct frame *frame = frame_at(b->v->frames, pfn + i);
        frame->born = head.born;
        frame->migratetype = head.migratetype;
        add_page(b, pfn + i);
    }
}

static bool take_pages(struct builder *b)
{
    struct vmalloc *v = b->v;
    trace_step(v->trace, PATH_vm_area_alloc_pages);
    const struct vmap_area *area = area_at(v, b->index);
    uint32_t nr = nr_wanted(area), pfns[BULK_PAGES];
    for (bool is_short = b->page_order > 0; !is_short && area->nr_pages < nr;) {
        uint32_t want = nr - area->nr_pages < BULK_PAGES ? nr - area->nr_pages : BULK_PAGES;
        uint32_t got = reclaim_alloc_bulk(v->reclaim, b->gfp, want, pfns);
        for (uint32_t i = 0; i < got; i++)
            add_page(b, pfns[i]);
        is_short = got < want;
    }
    while (area->nr_pages < nr) {
        uint32_t pfn = reclaim_alloc_pages(v->reclaim, b->gfp, b->page_order);
        if (!pfn)
            return false;
        if (b->page_order)
            add_split_block(b, pfn);
        else
            add_page(b, pfn);
    }
    return true;
}

static bool map_pages(struct builder *b)
{
    struct vmalloc *v = b->v;
    trace_step(v->trace, PATH_vmap_pages_range);
    uint32_t pfns[1u << HUGE_ORDER], n;
    uint64_t address = area_at(v, b->index)->start;
    for (uint32_t pfn = area_at(v, b->index)->first_pfn; pfn; address += (uint64_t)n << PAGE_SHIFT) {
        for (n = 0; pfn && n < 1u << HUGE_ORDER; pfn = frame_at(v->frames, pfn)->next)
            pfns[n++] = pfn;
        uint32_t root = v->pgtable->kernel_root, bits = leaf_bits(v);
        bool ok = b->page_order ? pgtable_map_huge(v->pgtable, root, address, pfns[0], bits, GFP_KERNEL)
                                : pgtable_map(v->pgtable, root, address, pfns, n, bits, GFP_KERNEL);
        if (!ok)
            return false;
    }
    return true;
}

/* --- building: the page array --- */

static uint32_t build_area(struct vmalloc *v, uint64_t size, uint32_t page_order, uint32_t gfp);

/* Walks the bytes of an area's page array together with its chain of frames, and lets step() write or compare each pointer.
 */
static bool each_pointer(const struct vmalloc *v, const struct vmap_area *area,
                         bool (*step)(struct frames *frames, uint64_t physical, uint64_t pointer))
{
    uint64_t physical = area->page_array - v->frames->page_offset;
    uint32_t array = vmap_area_find(&v->space, v->space.busy_root, area->page_array);
    uint32_t array_pfn = array ? area_at(v, array)->first_pfn : 0;
    if (array)
        physical = (uint64_t)array_pfn << PAGE_SHIFT;
    for (uint32_t pfn = area->first_pfn; pfn; pfn = frame_at(v->frames, pfn)->next) {
        if (!step(v->frames, physical, VMEMMAP + (uint64_t)pfn * STRUCT_PAGE_SIZE))
            return false;
        physical += POINTER_SIZE;
        if (array && (physical & (PAGE_SIZE - 1)) == 0) {
            array_pfn = frame_at(v->frames, array_pfn)->next;
            physical = (uint64_t)array_pfn << PAGE_SHIFT;
        }
    }
    return true;
}

static bool write_pointer(struct frames *frames, uint64_t physical, uint64_t pointer)
{
    frame_write64(frames, physical, pointer);
    return true;
}

static bool has_pointer(struct frames *frames, uint64_t physical, uint64_t pointer)
{
    return frame_read64(frames, physical) == pointer;
}

static bool make_page_array(struct builder *b)
{
    struct vmalloc *v = b->v;
    uint64_t array_size = (uint64_t)nr_wanted(area_at(v, b->index)) * POINTER_SIZE;
    uint32_t gfp = (b->gfp & GFP_RECLAIM_BITS) | __GFP_ZERO;
    uint64_t address = 0;
    if (array_size > PAGE_SIZE) {
        uint32_t array = build_area(v, array_size, 0, gfp);
        if (array) {
            area_at(v, array)->array_of = b->index;
            address = area_at(v, array)->start;
        }
    } else {
        address = kmalloc_alloc(v->kmalloc, array_size, gfp, 0);
    }
    area_at(v, b->index)->page_array = address;
    return address != 0;
}

/* --- building: the whole --- */

static bool fill_area(struct builder *b)
{
    struct vmalloc *v = b->v;
    uint32_t gfp = b->gfp | __GFP_HIGHMEM;
    if (!make_page_array(b)) {
        uint64_t nr = nr_wanted(area_at(v, b->index));
        say_error(v->trace, nr << PAGE_SHIFT, ", failed to allocated page array size ", nr * POINTER_SIZE, gfp);
        return false;
    }
    b->gfp = gfp | __GFP_NOWARN;
    bool has_all = take_pages(b);
    uint64_t got = (uint64_t)area_at(v, b->index)->nr_pages << PAGE_SHIFT;
    if (!has_all && b->page_order == 0) /* huge pages are tried again as small ones, without a word */
        say_error(v->trace, got, ", page order 0, failed to allocate pages", 0, gfp);
    if (!has_all)
        return false;
    each_pointer(v, area_at(v, b->index), write_pointer);
    if (!map_pages(b)) {
        say_error(v->trace, got, ", failed to map pages", 0, gfp);
        return false;
    }
    return true;
}

/* __get_vm_area_node() and __vmalloc_area_node(). 0: no addresses or no memory, said in the trace. */
static uint32_t build_area(struct vmalloc *v, uint64_t size, uint32_t page_order, uint32_t gfp)
{
    trace_step(v->trace, PATH___get_vm_area_node);
    uint64_t unit = (uint64_t)PAGE_SIZE << page_order;
    uint64_t area_size = ((size + unit - 1) & ~(unit - 1)) + PAGE_SIZE;
    uint32_t index = vmap_area_alloc(&v->space, area_size, unit);
    if (!index && v->space.lazy_root) {
        vmalloc_purge(v);
        index = vmap_area_alloc(&v->space, area_size, unit);
    }
    if (!index) {
        say_no_room(v->trace, area_size, size, gfp);
        return 0;
    }
    struct builder b = { .v = v, .index = index, .gfp = gfp, .page_order = page_order };
    area_at(v, index)->seq = v->trace->seq;
    area_at(v, index)->requested = size;
    if (fill_area(&b))
        return index;
    release(v, index);
    return 0;
}

static uint32_t build_linux_6_1(struct vmalloc *v, uint64_t size, uint32_t flags)
{
    uint32_t gfp = flags & VMALLOC_ZERO ? GFP_KERNEL | __GFP_ZERO : GFP_KERNEL;
    if (size == 0) {
        say_line(v->trace, "WARNING: at mm/vmalloc.c __vmalloc_node_range: vmalloc of size 0");
        return 0;
    }
    if (size >> PAGE_SHIFT > page_alloc_nr_managed(v->reclaim->pages)) {
        say_error(v->trace, size, ", exceeds total pages", 0, gfp);
        return 0;
    }
    uint32_t index = 0;
    if ((flags & VMALLOC_HUGE) && size >= HUGE_SIZE)
        index = build_area(v, size, HUGE_ORDER, gfp);
    return index ? index : build_area(v, size, 0, gfp);
}

/* Linux 2.0 maps each page as soon as it has it. */
static bool fill_classic(struct builder *b)
{
    struct vmalloc *v = b->v;
    const struct vmap_area *area = area_at(v, b->index);
    uint32_t root = v->pgtable->kernel_root;
    trace_step(v->trace, PATH___get_free_pages);
    for (uint32_t nr = nr_wanted(area); area->nr_pages < nr;) {
        uint64_t address = area->start + ((uint64_t)area->nr_pages << PAGE_SHIFT);
        uint32_t pfn = 0;
        if (pgtable_entry(v->pgtable, root, address, GFP_KERNEL))
            pfn = reclaim_alloc_pages(v->reclaim, b->gfp, 0);
        if (!pfn)
            return false;
        add_page(b, pfn);
        if (!pgtable_map(v->pgtable, root, address, &pfn, 1, leaf_bits(v), GFP_KERNEL))
            return false;
    }
    return true;
}

static uint32_t build_classic(struct vmalloc *v, uint64_t size, uint32_t flags)
{
    if (size == 0 || size > (uint64_t)v->frames->nr << PAGE_SHIFT)
        return 0;
    uint64_t area_size = ((size + PAGE_SIZE - 1) & ~(uint64_t)(PAGE_SIZE - 1)) + PAGE_SIZE;
    uint32_t index = vmap_area_alloc(&v->space, area_size, PAGE_SIZE);
    if (!index)
        return 0;
    struct builder b = { .v = v, .index = index };
    b.gfp = flags & VMALLOC_ZERO ? GFP_KERNEL | __GFP_ZERO : GFP_KERNEL;
    area_at(v, index)->seq = v->trace->seq;
    area_at(v, index)->requested = size;
    if (!fill_classic(&b)) {
        release(v, index);
        return 0;
    }
    pgtable_flush(v->pgtable, area_at(v, index)->start, nr_wanted(area_at(v, index)));
    return index;
}

/* --- public --- */

void vmalloc_shape(struct vmalloc *v, const struct machine_config *config, const struct profile *profile)
{
    memset(v, 0, sizeof *v);
    uint32_t cpu_bits = 0;
    for (uint32_t cpus = config->cpus; cpus; cpus >>= 1)
        cpu_bits++;
    v->space.lazy_max_pages = profile->id == PROFILE_CLASSIC ? 0 : (uint64_t)cpu_bits * LAZY_PAGES;
    /* Every busy area holds a page at least; holes and lazy areas lie between others. */
    uint64_t capacity = 2 * (config->memory >> PAGE_SHIFT) + 2 * v->space.lazy_max_pages + 64;
    pool_shape(&v->space.areas, sizeof(struct vmap_area), (uint32_t)capacity);
}

void vmalloc_wire(struct vmalloc *v, struct kmalloc *kmalloc, struct pgtable *pgtable, struct reclaim *reclaim,
                  struct frames *frames, struct trace *trace, const struct profile *profile)
{
    v->kmalloc = kmalloc;
    v->pgtable = pgtable;
    v->reclaim = reclaim;
    v->frames = frames;
    v->trace = trace;
    v->profile = profile;
    v->space.trace = trace;
}

uint32_t vmalloc_pools(struct vmalloc *v, struct pool **pools)
{
    pools[0] = &v->space.areas;
    return 1;
}

enum pagoda_error vmalloc_reserve(struct vmalloc *v, const struct pagoda_host *host)
{
    return pool_reserve(&v->space.areas, host, AREAS_PER_CALL);
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

uint64_t vmalloc_alloc(struct vmalloc *v, uint64_t size, uint32_t flags, uint32_t label)
{
    uint32_t index = is_classic(v) ? build_classic(v, size, flags) : build_linux_6_1(v, size, flags);
    purge_if_many(v);
    if (!index)
        return 0;
    struct vmap_area *area = area_at(v, index);
    area->label = label;
    v->nr_busy++;
    v->requested_bytes += size;
    v->allocated_bytes += (uint64_t)area->nr_pages << PAGE_SHIFT;
    return area->start;
}

/* The caller's area that starts at address; 0: there is none. */
static uint32_t find_start(const struct vmalloc *v, uint64_t address)
{
    uint32_t index = vmap_area_find(&v->space, v->space.busy_root, address);
    if (!index || area_at(v, index)->start != address || area_at(v, index)->array_of)
        return 0;
    return index;
}

void vmalloc_free(struct vmalloc *v, uint64_t address)
{
    if (address == 0)
        return;
    if (address & (PAGE_SIZE - 1)) {
        bug_address(v, "Trying to vfree() bad address (0x", address);
        return;
    }
    uint32_t index = find_start(v, address);
    if (!index) {
        bug_address(v, "Trying to vfree() nonexistent vm area (0x", address);
        return;
    }
    const struct vmap_area *area = area_at(v, index);
    v->nr_busy--;
    v->requested_bytes -= area->requested;
    v->allocated_bytes -= (uint64_t)area->nr_pages << PAGE_SHIFT;
    release(v, index);
    purge_if_many(v);
}

void vmalloc_purge(struct vmalloc *v)
{
    uint64_t start, end;
    if (vmap_space_purge(&v->space, &start, &end))
        pgtable_flush(v->pgtable, start, (end - start) >> PAGE_SHIFT);
}

static void describe(const struct vmap_area *area, struct vmalloc_block *block)
{
    *block = (struct vmalloc_block){ .address = area->start,
                                     .requested = area->requested,
                                     .nr_pages = area->nr_pages,
                                     .label = area->label,
                                     .seq = area->seq };
}

bool vmalloc_find(const struct vmalloc *v, uint64_t address, struct vmalloc_block *block)
{
    uint32_t index = find_start(v, address);
    if (index)
        describe(area_at(v, index), block);
    return index != 0;
}

bool vmalloc_next(const struct vmalloc *v, uint64_t *cursor, struct vmalloc_block *block)
{
    uint32_t index = vmap_area_find_from(&v->space, v->space.busy_root, *cursor);
    while (index && area_at(v, index)->array_of)
        index = rb_next(&v->space.areas, index);
    if (!index)
        return false;
    describe(area_at(v, index), block);
    *cursor = area_at(v, index)->end;
    return true;
}

bool vmalloc_contains(const struct vmalloc *v, uint64_t address)
{
    return address >= v->space.start && address < v->space.end;
}

bool vmalloc_owns_kmalloc(const struct vmalloc *v, uint64_t address)
{
    if (is_classic(v) || frame_of_address(v->frames, address) == UINT32_MAX)
        return false;
    /* A page array begins with the address of a struct page; that page's area knows its array. */
    uint64_t pointer = frame_read64(v->frames, address - v->frames->page_offset);
    uint64_t pfn = (pointer - VMEMMAP) / STRUCT_PAGE_SIZE;
    if (pointer < VMEMMAP || pfn >= v->frames->nr || frame_at(v->frames, (uint32_t)pfn)->kind != FRAME_VMALLOC)
        return false;
    return area_at(v, frame_at(v->frames, (uint32_t)pfn)->owner)->page_array == address;
}

/* --- checks --- */

static bool maps(const struct vmalloc *v, uint64_t address, uint32_t *pfn)
{
    return pte_translate(v->frames, v->profile, v->pgtable->kernel_root, address, pfn);
}

static const char *check_array(const struct vmalloc *v, uint32_t index)
{
    const struct vmap_area *area = area_at(v, index);
    if (is_classic(v))
        return area->page_array ? "vmalloc: a page array that the classic kernel does not have" : NULL;
    uint32_t array = vmap_area_find(&v->space, v->space.busy_root, area->page_array);
    bool is_nested = (uint64_t)area->nr_pages * POINTER_SIZE > PAGE_SIZE;
    if (is_nested != (array != 0) || (array && area_at(v, array)->array_of != index))
        return "vmalloc: the page array is not where its size says";
    return each_pointer(v, area, has_pointer) ? NULL : "vmalloc: the page array does not name the area's pages";
}

static const char *check_area(const struct vmalloc *v, uint32_t index)
{
    const struct vmap_area *area = area_at(v, index);
    uint32_t pfn = 0, expected = area->first_pfn;
    if (area->nr_pages != nr_wanted(area) || area->requested > (uint64_t)area->nr_pages << PAGE_SHIFT)
        return "vmalloc: an area has not the pages that it spans";
    for (uint32_t i = 0; i < area->nr_pages; i++) {
        if (!maps(v, area->start + ((uint64_t)i << PAGE_SHIFT), &pfn) || pfn != expected)
            return "vmalloc: a page is not mapped to the frame that the area has for it";
        const struct frame *frame = frame_at(v->frames, pfn);
        if (frame->kind != FRAME_VMALLOC || frame->order != 0 || frame->owner != index || frame->index != i)
            return "vmalloc: a frame does not know its place in the area";
        expected = frame->next;
    }
    if (expected || maps(v, area->end - PAGE_SIZE, &pfn))
        return "vmalloc: a guard page is mapped, or an area has frames too many";
    return check_array(v, index);
}

static const char *check_lazy(const struct vmalloc *v)
{
    uint32_t pfn;
    for (uint32_t i = rb_first(&v->space.areas, v->space.lazy_root); i; i = rb_next(&v->space.areas, i))
        if (maps(v, area_at(v, i)->start, &pfn) || maps(v, area_at(v, i)->end - PAGE_SIZE, &pfn))
            return "vmalloc: a lazy area is still mapped";
    return NULL;
}

static const char *check_busy(const struct vmalloc *v)
{
    uint64_t nr_busy = 0, requested = 0, allocated = 0, nr_pages = 0;
    for (uint32_t i = rb_first(&v->space.areas, v->space.busy_root); i; i = rb_next(&v->space.areas, i)) {
        const char *what = check_area(v, i);
        if (what)
            return what;
        const struct vmap_area *area = area_at(v, i);
        nr_pages += area->nr_pages;
        if (area->array_of)
            continue;
        nr_busy++;
        requested += area->requested;
        allocated += (uint64_t)area->nr_pages << PAGE_SHIFT;
    }
    if (nr_busy != v->nr_busy || requested != v->requested_bytes || allocated != v->allocated_bytes)
        return "vmalloc: the counts of busy areas are wrong";
    return nr_pages == v->frames->kind_count[FRAME_VMALLOC] ? NULL : "vmalloc: a vmalloc frame belongs to no area";
}

bool vmalloc_check(const struct vmalloc *v, char *text, size_t capacity)
{
    const char *what = NULL;
    if (vmap_space_check(&v->space, &what))
        what = check_busy(v);
    if (!what)
        what = check_lazy(v);
    if (!what)
        return pgtable_check(v->pgtable, v->pgtable->kernel_root, text, capacity);
    if (capacity) {
        size_t length = strlen(what) < capacity ? strlen(what) : capacity - 1;
        memcpy(text, what, length);
        text[length] = '\0';
    }
    return false;
}
