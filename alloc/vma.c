/* VMAs of a process, in a list by address. New mappings go top-down: into the gap nearest to the top that is large enough,
 * at its upper end (Linux v6.1 mm/mmap.c: vm_unmapped_area with VM_UNMAPPED_AREA_TOPDOWN). Neighbours of the same kind
 * merge, unless one is a named allocation or a malloc block with a mapping of its own, which stay visible as what they are.
 */
#include "alloc/process_internal.h"

static uint64_t page_align(uint64_t bytes)
{
    return (bytes + PAGE_SIZE - 1) & ~(uint64_t)(PAGE_SIZE - 1);
}

uint32_t process_find_vma(const struct processes *ps, const struct process *process, uint64_t address)
{
    for (uint32_t vma = process->first_vma; vma; vma = vma_at(ps, vma)->next) {
        if (address < vma_at(ps, vma)->start)
            return 0;
        if (address < vma_at(ps, vma)->end)
            return vma;
    }
    return 0;
}

/* The last VMA that starts below address; 0: none. */
static uint32_t vma_before(const struct processes *ps, const struct process *process, uint64_t address)
{
    uint32_t before = 0;
    for (uint32_t vma = process->first_vma; vma && vma_at(ps, vma)->start < address; vma = vma_at(ps, vma)->next)
        before = vma;
    return before;
}

static bool can_merge(const struct vma *a, const struct vma *b)
{
    return a->end == b->start && a->flags == b->flags && !a->label && !b->label && !(a->flags & (VMA_CHUNK | VMA_HEAP));
}

/* AAA|BBB -> AAAAAA. Returns the VMA that is left. */
static uint32_t merge_with_next(struct processes *ps, uint32_t vma)
{
    struct vma *a = vma_at(ps, vma);
    uint32_t next = a->next;
    if (!next || !can_merge(a, vma_at(ps, next)))
        return vma;
    a->end = vma_at(ps, next)->end;
    a->next = vma_at(ps, next)->next;
    pool_give(&ps->vmas, next);
    return vma;
}

uint32_t vma_insert(struct processes *ps, struct process *process, uint64_t start, uint64_t end, uint32_t flags,
                    uint32_t label)
{
    uint32_t new = pool_take(&ps->vmas);
    if (!new)
        return 0;
    uint32_t before = vma_before(ps, process, start);
    uint32_t *link = before ? &vma_at(ps, before)->next : &process->first_vma;
    *vma_at(ps, new) =
        (struct vma){ .next = *link, .start = start, .end = end, .flags = flags, .label = label, .seq = ps->trace->seq };
    *link = new;
    merge_with_next(ps, new);
    return before ? merge_with_next(ps, before) : new;
}

/* Highest start of a gap of length bytes; 0: none. */
static uint64_t find_gap(const struct processes *ps, const struct process *process, uint64_t length)
{
    uint64_t found = 0, gap_start = PAGE_SIZE;
    for (uint32_t vma = process->first_vma;; vma = vma_at(ps, vma)->next) {
        uint64_t gap_end = vma ? vma_at(ps, vma)->start : process->mmap_top;
        if (gap_end > process->mmap_top)
            gap_end = process->mmap_top;
        if (gap_end > gap_start && gap_end - gap_start >= length)
            found = gap_end - length;
        if (!vma)
            return found > process->brk ? found : 0;
        gap_start = vma_at(ps, vma)->end;
    }
}

uint64_t process_mmap(struct processes *ps, uint32_t process, uint64_t length, uint32_t flags, uint32_t label)
{
    struct process *p = process_at(ps, process);
    trace_step(ps->trace, PATH_mmap);
    trace_cost(ps->trace, COST_SYSCALL, 1);
    trace_cost(ps->trace, COST_VMA, 1);
    if (!length || length > ps->profile->user_end)
        return 0;
    length = page_align(length);
    uint64_t start = find_gap(ps, p, length);
    if (!start || !vma_insert(ps, p, start, start + length, flags | VMA_READ | VMA_WRITE, label))
        return 0;
    TRACE_EVENT(ps->trace, .kind = EV_MMAP, .address = start, .pid = p->pid, .count = (uint32_t)(length >> PAGE_SHIFT));
    return start;
}

/* Cuts a VMA in two at address, which lies inside it; false: no more VMAs. */
static bool split_at(struct processes *ps, struct process *process, uint64_t address)
{
    uint32_t vma = process_find_vma(ps, process, address);
    if (!vma || vma_at(ps, vma)->start == address)
        return true;
    uint32_t upper = pool_take(&ps->vmas);
    if (!upper)
        return false;
    *vma_at(ps, upper) = *vma_at(ps, vma);
    vma_at(ps, upper)->start = vma_at(ps, vma)->end > address ? address : vma_at(ps, upper)->start;
    vma_at(ps, vma)->end = address;
    vma_at(ps, vma)->next = upper;
    return true;
}

bool process_munmap(struct processes *ps, uint32_t process, uint64_t start, uint64_t length)
{
    struct process *p = process_at(ps, process);
    uint64_t end = start + page_align(length);
    trace_step(ps->trace, PATH_munmap);
    trace_cost(ps->trace, COST_SYSCALL, 1);
    if (start % PAGE_SIZE || !length || end <= start || !split_at(ps, p, start) || !split_at(ps, p, end))
        return false;
    uint32_t before = vma_before(ps, p, start);
    uint32_t *link = before ? &vma_at(ps, before)->next : &p->first_vma;
    while (*link && vma_at(ps, *link)->start < end) {
        uint32_t gone = *link;
        *link = vma_at(ps, gone)->next;
        space_unmap(ps, p->space, vma_at(ps, gone)->start, vma_at(ps, gone)->end);
        pool_give(&ps->vmas, gone);
        trace_cost(ps->trace, COST_VMA, 1);
    }
    TRACE_EVENT(ps->trace, .kind = EV_MUNMAP, .address = start, .pid = p->pid,
                .count = (uint32_t)((end - start) >> PAGE_SHIFT));
    return true;
}

/* The heap's VMA ends where the page of the break ends. */
static bool resize_heap(struct processes *ps, struct process *p, uint64_t new_end)
{
    uint64_t old_end = page_align(p->brk);
    uint32_t vma = process_find_vma(ps, p, p->heap_start);
    if (new_end < old_end) {
        space_unmap(ps, p->space, new_end, old_end);
        vma_at(ps, vma)->end = new_end;
        if (new_end > p->heap_start)
            return true;
        uint32_t before = vma_before(ps, p, p->heap_start);
        *(before ? &vma_at(ps, before)->next : &p->first_vma) = vma_at(ps, vma)->next;
        pool_give(&ps->vmas, vma);
        return true;
    }
    uint32_t before = vma_before(ps, p, new_end);
    if (new_end > p->mmap_top || (before && before != vma && vma_at(ps, before)->end > p->heap_start))
        return false;
    if (!vma)
        return new_end == old_end || vma_insert(ps, p, p->heap_start, new_end, VMA_READ | VMA_WRITE | VMA_HEAP, 0) != 0;
    vma_at(ps, vma)->end = new_end;
    return true;
}

uint64_t process_sbrk(struct processes *ps, uint32_t process, int64_t increment)
{
    struct process *p = process_at(ps, process);
    uint64_t old = p->brk, new = old + (uint64_t)increment;
    if (!increment)
        return old;
    trace_step(ps->trace, PATH_brk);
    trace_cost(ps->trace, COST_SYSCALL, 1);
    if (new < p->heap_start || new > ps->profile->user_end || !resize_heap(ps, p, page_align(new)))
        return UINT64_MAX;
    p->brk = new;
    trace_cost(ps->trace, COST_VMA, 1);
    TRACE_EVENT(ps->trace, .kind = EV_BRK, .address = new, .pid = p->pid);
    return old;
}

/* Moves the entries of a mapping to another address: the frames follow, and know their new page. */
static bool move_pages(struct processes *ps, struct process *p, uint64_t from, uint64_t to, uint64_t length)
{
    struct reclaim_space *space = reclaim_space_at(ps->reclaim, p->space);
    uint64_t at = from, slot;
    for (; (slot = space_next_entry(ps, p->space, &at, from + length)); at += PAGE_SIZE) {
        uint64_t target = pgtable_entry(ps->pgtable, space->root, to + (at - from), GFP_KERNEL | __GFP_ZERO);
        if (!target)
            return false;
        uint64_t entry = pte_load(ps->frames, ps->profile, slot);
        pte_store(ps->frames, ps->profile, target, entry);
        pte_store(ps->frames, ps->profile, slot, 0);
        struct frame *frame = entry & PTE_PRESENT ? frame_at(ps->frames, pte_pfn(entry)) : NULL;
        if (frame && frame->kind == FRAME_ANON && ANON_MAPPINGS(frame->index) == 1)
            frame->index = ((to + (at - from)) >> PAGE_SHIFT) | ANON_MAPPING;
    }
    space->generation++;
    return true;
}

/* Copy-on-write pages are found by their address in each process, so a page that moves must be the process's own first. */
static bool unshare(struct processes *ps, uint32_t process, uint64_t start, uint64_t length)
{
    uint64_t at = start, slot;
    uint32_t space = process_at(ps, process)->space;
    for (; (slot = space_next_entry(ps, space, &at, start + length)); at += PAGE_SIZE)
        if ((pte_load(ps->frames, ps->profile, slot) & PTE_COW) && !process_fault(ps, process, at, true))
            return false;
    return true;
}

uint64_t process_mremap(struct processes *ps, uint32_t process, uint64_t start, uint64_t old_length, uint64_t new_length)
{
    struct process *p = process_at(ps, process);
    uint32_t vma = process_find_vma(ps, p, start);
    trace_step(ps->trace, PATH_mremap);
    old_length = page_align(old_length);
    new_length = page_align(new_length);
    if (!vma || !new_length || vma_at(ps, vma)->start != start || vma_at(ps, vma)->end != start + old_length)
        return 0;
    if (new_length < old_length)
        return process_munmap(ps, process, start + new_length, old_length - new_length) ? start : 0;
    uint32_t next = vma_at(ps, vma)->next;
    uint64_t limit = next ? vma_at(ps, next)->start : p->mmap_top;
    if (start + new_length <= limit) {
        vma_at(ps, vma)->end = start + new_length;
        return start;
    }
    uint32_t flags = vma_at(ps, vma)->flags, label = vma_at(ps, vma)->label;
    if (!unshare(ps, process, start, old_length))
        return 0;
    uint64_t to = process_mmap(ps, process, new_length, flags, label);
    if (!to)
        return 0;
    if (!move_pages(ps, p, start, to, old_length)) {
        move_pages(ps, p, to, start, old_length); /* the old tables still stand */
        process_munmap(ps, process, to, new_length);
        return 0;
    }
    process_munmap(ps, process, start, old_length);
    return to;
}
