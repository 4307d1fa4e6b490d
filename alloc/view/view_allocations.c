/* Live allocations of every allocator, one list: kernel blocks, page blocks, vmalloc areas, heap blocks, mappings. A cursor
 * stays below 2^53, for clients that keep it as a number: the top bits say which list it is in, the rest is that list's
 * own. */
#include "alloc/machine/machine_internal.h"

#include <string.h>

#define LIST_SHIFT 48 /* the longest is vmalloc's: an offset in its 32 TiB */

enum list { LIST_KMALLOC, LIST_PAGES, LIST_VMALLOC, LIST_HEAP, LIST_MAPS, NR_LISTS };

static uint32_t count_frames(const struct machine *m, uint32_t pid, uint64_t start, uint64_t end)
{
    uint32_t count = 0;
    struct frame_range run;
    while (machine_next_run(m, pid, &start, end, &run))
        count += run.count;
    return count;
}

static void set_name(const struct machine *m, struct name_ref name, uint64_t address, struct allocation_view *a)
{
    a->name = name_text(&m->state.names, name);
    a->is_named = name_is_of(&m->state.names, name, address);
    a->call_site = name_call_site(&m->state.names, name, address);
}

/* ---- one of each kind ---- */

static void set_kmalloc(const struct machine *m, const struct kmalloc_record *block, struct allocation_view *a)
{
    *a = (struct allocation_view){ .seq = block->seq,
                                   .address = block->address,
                                   .requested = block->requested,
                                   .allocated = block->usable,
                                   .op = block->is_cache_object ? OP_KMEM_CACHE_ALLOC : OP_KMALLOC,
                                   .release = block->is_cache_object ? "kmem_cache_free" : "kfree",
                                   .cache = block->cache,
                                   .nr_frames = block->nr_frames };
    set_name(m, block->name, block->address, a);
}

static void set_page_block(const struct machine *m, uint32_t pfn, struct allocation_view *a)
{
    const struct frame *frame = frame_at(&m->state.frames, pfn);
    uint64_t bytes = (uint64_t)PAGE_SIZE << frame->order;
    *a = (struct allocation_view){ .seq = frame->born,
                                   .address = frame_address(&m->state.frames, pfn),
                                   .requested = bytes,
                                   .allocated = bytes,
                                   .op = OP_ALLOC_PAGES,
                                   .release = "free_pages",
                                   .nr_frames = 1u << frame->order,
                                   .order = frame->order };
    set_name(m, (struct name_ref){ frame->owner }, a->address, a);
}

static void set_vmalloc(const struct machine *m, const struct vmalloc_block *block, struct allocation_view *a)
{
    *a = (struct allocation_view){ .seq = block->seq,
                                   .address = block->address,
                                   .requested = block->requested,
                                   .allocated = (uint64_t)block->nr_pages << PAGE_SHIFT,
                                   .op = OP_VMALLOC,
                                   .release = "vfree",
                                   .nr_frames = block->nr_pages };
    set_name(m, block->name, block->address, a);
}

static void set_heap(const struct machine *m, const struct heap_block *block, struct allocation_view *a)
{
    *a = (struct allocation_view){ .seq = block->seq,
                                   .address = block->address,
                                   .requested = block->requested,
                                   .allocated = block->usable,
                                   .op = OP_MALLOC,
                                   .release = "free",
                                   .pid = block->pid };
    a->nr_frames = count_frames(m, block->pid, block->address, block->address + block->usable);
    set_name(m, block->name, block->address, a);
}

static void set_map(const struct machine *m, uint32_t pid, const struct vma *v, struct allocation_view *a)
{
    *a = (struct allocation_view){ .seq = v->seq,
                                   .address = v->start,
                                   .requested = v->end - v->start,
                                   .allocated = v->end - v->start,
                                   .op = OP_MMAP,
                                   .release = "munmap",
                                   .pid = pid };
    a->nr_frames = count_frames(m, pid, v->start, v->end);
    set_name(m, v->name, v->start, a);
}

/* ---- all of them ---- */

static bool next_kmalloc(const struct machine *m, uint64_t *cursor, struct allocation_view *a)
{
    struct kmalloc_record block;
    do {
        if (!kmalloc_next(&m->state.kmalloc, cursor, &block))
            return false;
    } while (vmalloc_owns_kmalloc(&m->state.vmalloc, block.address));
    set_kmalloc(m, &block, a);
    return true;
}

static bool next_page_block(const struct machine *m, uint64_t *cursor, struct allocation_view *a)
{
    const struct frames *frames = &m->state.frames;
    for (uint32_t pfn = (uint32_t)*cursor; pfn < frames->nr;) {
        const struct frame *frame = frame_at(frames, pfn);
        uint32_t next = pfn + (frame->kind == FRAME_NONE ? 1 : 1u << frame->order);
        *cursor = next;
        if (machine_is_page_block(&m->state, pfn)) {
            set_page_block(m, pfn, a);
            return true;
        }
        pfn = next;
    }
    return false;
}

static bool next_vmalloc(const struct machine *m, uint64_t *cursor, struct allocation_view *a)
{
    struct vmalloc_block block;
    if (!vmalloc_next(&m->state.vmalloc, cursor, &block))
        return false;
    set_vmalloc(m, &block, a);
    return true;
}

static bool next_heap(const struct machine *m, uint64_t *cursor, struct allocation_view *a)
{
    struct heap_block block;
    if (!heap_next(&m->state.heaps, cursor, &block))
        return false;
    set_heap(m, &block, a);
    return true;
}

/* A mapping that the program itself made by mmap(). */
static bool is_map(const struct vma *v)
{
    return !(v->flags & (VMA_HEAP | VMA_STACK | VMA_TEXT | VMA_CHUNK));
}

/* Mappings that mmap() made; cursor: process index << 32 | number of the VMA in its list. */
static bool next_map(const struct machine *m, uint64_t *cursor, struct allocation_view *a)
{
    const struct processes *ps = &m->state.processes;
    struct process_ref process = { *cursor >> 32 ? (uint32_t)(*cursor >> 32) : 1 };
    uint32_t number = (uint32_t)*cursor;
    for (; process.index < ps->pool.nr_used; process.index++, number = 0) {
        const struct process *p = process_at(ps, process);
        uint32_t i = 0;
        for (struct vma_ref vma = p->pid ? p->first_vma : VMA_NONE; vma.index; vma = vma_at(ps, vma)->next, i++) {
            const struct vma *v = vma_at(ps, vma);
            if (i < number || !is_map(v))
                continue;
            *cursor = (uint64_t)process.index << 32 | (i + 1);
            set_map(m, p->pid, v, a);
            return true;
        }
    }
    *cursor = (uint64_t)process.index << 32;
    return false;
}

bool view_next_allocation(const struct machine *machine, uint64_t *cursor, struct allocation_view *allocation)
{
    static bool (*const NEXT[NR_LISTS])(const struct machine *, uint64_t *, struct allocation_view *) = {
        [LIST_KMALLOC] = next_kmalloc, [LIST_PAGES] = next_page_block, [LIST_VMALLOC] = next_vmalloc,
        [LIST_HEAP] = next_heap,       [LIST_MAPS] = next_map,
    };
    const uint64_t inner_mask = (UINT64_C(1) << LIST_SHIFT) - 1;
    for (uint64_t list = *cursor >> LIST_SHIFT; list < NR_LISTS; list++) {
        uint64_t inner = list == *cursor >> LIST_SHIFT ? *cursor & inner_mask : 0;
        bool found = NEXT[list](machine, &inner, allocation);
        *cursor = found ? list << LIST_SHIFT | inner : (list + 1) << LIST_SHIFT;
        if (found)
            return true;
    }
    return false;
}

/* ---- the one at a place ---- */

static bool find_user(const struct machine *m, uint32_t pid, uint64_t from, uint64_t end, struct allocation_view *a)
{
    const struct processes *ps = &m->state.processes;
    struct process_ref process = process_find(ps, pid);
    struct vma_ref vma = process.index ? process_find_vma(ps, process_at(ps, process), from) : VMA_NONE;
    struct heap_block block;
    if (!vma.index)
        return false;
    if (heap_find_in(&m->state.heaps, process, vma_at(ps, vma)->start, from, end, &block))
        set_heap(m, &block, a);
    else if (is_map(vma_at(ps, vma)))
        set_map(m, pid, vma_at(ps, vma), a);
    else
        return false;
    return true;
}

static bool find_kernel(const struct machine *m, uint64_t from, uint64_t end, struct allocation_view *a)
{
    const struct machine_state *s = &m->state;
    uint32_t pfn = frame_of_address(&s->frames, from);
    struct kmalloc_record block;
    struct vmalloc_block area;
    if (vmalloc_find_around(&s->vmalloc, from, &area))
        set_vmalloc(m, &area, a);
    else if (kmalloc_find_in(&s->kmalloc, from, end, &block) && !vmalloc_owns_kmalloc(&s->vmalloc, block.address))
        set_kmalloc(m, &block, a);
    else if (pfn != UINT32_MAX && machine_is_page_block(s, frame_head(&s->frames, pfn)))
        set_page_block(m, frame_head(&s->frames, pfn), a);
    else
        return false;
    return true;
}

bool view_find_allocation(const struct machine *machine, uint32_t pid, uint64_t address, struct allocation_view *allocation)
{
    return pid ? find_user(machine, pid, address, address + 1, allocation)
               : find_kernel(machine, address, address + 1, allocation);
}

/* The address at which a frame is used. */
static uint64_t used_at(const struct machine_state *s, uint32_t pfn, uint32_t *pid)
{
    const struct frame *head = frame_at(&s->frames, frame_head(&s->frames, pfn));
    *pid = 0;
    if (head->kind == FRAME_VMALLOC)
        return vmap_area_at(&s->vmalloc.space, (struct vmap_area_ref){ head->owner })->start;
    if (head->kind != FRAME_ANON)
        return frame_address(&s->frames, pfn);
    *pid = reclaim_space_at(&s->reclaim, reclaim_owner(head))->pid;
    return ANON_VPN(head->index) << PAGE_SHIFT;
}

bool view_frame_allocation(const struct machine *machine, uint32_t pfn, struct allocation_view *allocation)
{
    uint32_t pid;
    uint64_t at = used_at(&machine->state, pfn, &pid);
    return pid ? find_user(machine, pid, at, at + PAGE_SIZE, allocation)
               : find_kernel(machine, at, at + PAGE_SIZE, allocation);
}

static uint64_t array_in(const struct machine_state *s, uint64_t from, uint64_t end)
{
    struct kmalloc_record block;
    uint64_t of = vmalloc_of_array_area(&s->vmalloc, from);
    if (!of && kmalloc_find_in(&s->kmalloc, from, end, &block))
        of = vmalloc_of_kmalloc_array(&s->vmalloc, block.address);
    return of;
}

uint64_t view_page_array_of(const struct machine *machine, uint64_t address)
{
    return array_in(&machine->state, address, address + 1);
}

uint64_t view_frame_page_array_of(const struct machine *machine, uint32_t pfn)
{
    uint32_t pid;
    uint64_t at = used_at(&machine->state, pfn, &pid);
    return pid ? 0 : array_in(&machine->state, at, at + PAGE_SIZE);
}

/* ---- its frames ---- */

/* End of the allocation that starts at address; 0: none does. */
static uint64_t allocation_end(const struct machine *m, uint64_t address, uint32_t pid)
{
    const struct machine_state *s = &m->state;
    struct kmalloc_record block;
    struct vmalloc_block area;
    struct heap_block chunk;
    if (pid) {
        struct process_ref process = process_find(&s->processes, pid);
        struct vma_ref vma =
            process.index ? process_find_vma(&s->processes, process_at(&s->processes, process), address) : VMA_NONE;
        if (process.index && heap_find(&s->heaps, process, address, &chunk))
            return address + chunk.usable;
        return vma.index ? vma_at(&s->processes, vma)->end : 0;
    }
    if (kmalloc_find(&s->kmalloc, address, &block))
        return address + block.usable;
    if (vmalloc_find(&s->vmalloc, address, &area))
        return address + ((uint64_t)area.nr_pages << PAGE_SHIFT);
    uint32_t pfn = frame_of_address(&s->frames, address);
    bool is_block = pfn != UINT32_MAX && machine_is_page_block(s, pfn);
    return is_block ? address + ((uint64_t)PAGE_SIZE << frame_at(&s->frames, pfn)->order) : 0;
}

bool view_next_allocation_run(const struct machine *machine, uint64_t address, uint32_t pid, uint64_t *cursor,
                              struct frame_range *run)
{
    uint64_t at = address + *cursor, end = allocation_end(machine, address, pid);
    bool found = machine_next_run(machine, pid, &at, end, run);
    *cursor = at - address;
    return found;
}

/* ---- counters ---- */

/* Mappings are not counted as they come and go (they merge and split), but there are few of them. */
static void add_maps(const struct processes *ps, struct stats_view *stats)
{
    for (struct process_ref i = { 1 }; i.index < ps->pool.nr_used; i.index++) {
        const struct process *p = process_at(ps, i);
        for (struct vma_ref vma = p->pid ? p->first_vma : VMA_NONE; vma.index; vma = vma_at(ps, vma)->next) {
            const struct vma *v = vma_at(ps, vma);
            if (!is_map(v))
                continue;
            stats->nr_allocations++;
            stats->requested_bytes += v->end - v->start;
            stats->allocated_bytes += v->end - v->start;
        }
    }
}

void view_stats(const struct machine *machine, struct stats_view *stats)
{
    const struct machine_state *s = &machine->state;
    memset(stats, 0, sizeof *stats);
    view_kind_counts(machine, stats->frames);
    stats->nr_allocations =
        s->kmalloc.nr_live - s->vmalloc.nr_kmalloc_arrays + s->vmalloc.nr_busy + s->heaps.nr_live + s->nr_page_blocks;
    stats->requested_bytes =
        s->kmalloc.requested_bytes + s->vmalloc.requested_bytes + s->heaps.requested_bytes + s->page_block_bytes;
    stats->allocated_bytes =
        s->kmalloc.allocated_bytes + s->vmalloc.allocated_bytes + s->heaps.allocated_bytes + s->page_block_bytes;
    add_maps(&s->processes, stats);
    stats->swap_total_pages = reclaim_nr_slots(&s->reclaim);
    stats->swap_used_pages = pool_nr_live(&s->reclaim.slots);
    stats->nr_reclaimed = s->reclaim.nr_reclaimed;
    stats->nr_oom_kills = s->reclaim.nr_oom_kills;
    memcpy(stats->nr_outcomes, s->nr_outcomes, sizeof stats->nr_outcomes);
}
