/* Page-table entries of ranges of an address space: removed, copied for fork, moved, protected, locked. Linux v6.1
 * mm/memory.c: zap_pte_range(), copy_present_pte(), free_pgtables(); mm/mprotect.c: change_pte_range(); mm/mremap.c:
 * move_ptes().
 *
 * Where an entry allows nothing (PROT_NONE), Linux clears its present bit and sets another one. Here the user bit is
 * cleared, so that reclaim and fork find the page as before.
 *
 * A frame knows one virtual page number, and is looked for at that page of every process. So before mremap moves a page
 * that is shared after fork, the process gets a copy of its own. */
#include "alloc/process/process_internal.h"

uint64_t space_next_entry(const struct processes *ps, struct space_ref space, uint64_t *address, uint64_t end)
{
    uint32_t root = reclaim_space_at(ps->reclaim, space)->root;
    while (*address < end) {
        struct pte_walk walk = pte_walk(ps->frames, ps->profile, root, *address);
        if (walk.complete && walk.level[walk.nr_levels - 1].entry)
            return walk.slot;
        uint32_t below = walk.complete ? 0 : ps->profile->pgtable_levels - walk.nr_levels; /* levels that are not there */
        uint64_t hole = (uint64_t)PAGE_SIZE << (below * ps->profile->pgtable_bits);
        *address = (*address & ~(hole - 1)) + hole;
    }
    return 0;
}

uint64_t process_next_page(const struct processes *ps, struct process_ref process, uint64_t address, uint64_t end)
{
    uint64_t at = address;
    return space_next_entry(ps, process_at(ps, process)->space, &at, end) ? at : end;
}

uint64_t space_user_bits(const struct processes *ps, uint32_t flags)
{
    bool has_nx = ps->profile->word_bits == 64;
    return PTE_PRESENT | (flags & VMA_ACCESS ? PTE_USER : 0) | (has_nx && !(flags & VMA_EXEC) ? PTE_NX : 0);
}

void space_changed(struct processes *ps, const struct process *p, uint64_t start, uint64_t nr_pages)
{
    struct reclaim_space *space = process_space(ps, p);
    space->generation++;
    tlb_flush_user(ps->pgtable->tlb, space->root, space->generation, start, nr_pages);
}

/* Does some process map the frame in a locked VMA? Fork keeps addresses, so it is at the same page of each. */
static bool space_is_locked(const struct processes *ps, uint32_t pfn)
{
    uint64_t address = ANON_VPN(frame_at(ps->frames, pfn)->index) << PAGE_SHIFT;
    for (struct process_ref i = { 1 }; i.index < ps->pool.nr_used; i.index++) {
        const struct process *p = process_at(ps, i);
        struct vma_ref vma = p->pid ? process_find_vma(ps, p, address) : VMA_NONE;
        uint32_t mapped;
        if (vma.index && (vma_at(ps, vma)->flags & VMA_LOCKED) &&
            pte_translate(ps->frames, ps->profile, process_space(ps, p)->root, address, &mapped) && mapped == pfn)
            return true;
    }
    return false;
}

static void space_renew_lock(const struct processes *ps, uint32_t pfn)
{
    struct frame *frame = frame_at(ps->frames, pfn);
    if (!space_is_locked(ps, pfn))
        frame->flags &= (uint8_t)~FRAME_LOCKED;
}

void space_drop(struct processes *ps, struct process *p, uint32_t pfn)
{
    const struct frame *frame = frame_at(ps->frames, pfn);
    bool may_unlock = (frame->flags & FRAME_LOCKED) && ANON_MAPPINGS(frame->index) > 1;
    process_space(ps, p)->rss_pages--;
    reclaim_drop_mapping(ps->reclaim, pfn, p->space);
    if (may_unlock)
        space_renew_lock(ps, pfn);
}

static void space_zap_entry(struct processes *ps, struct process *p, uint64_t slot)
{
    uint64_t entry = pte_load(ps->frames, ps->profile, slot);
    pte_store(ps->frames, ps->profile, slot, 0);
    trace_cost(ps->trace, COST_PTE, 1);
    if (!(entry & PTE_PRESENT)) {
        reclaim_put_slot(ps->reclaim, pte_pfn(entry));
        process_space(ps, p)->swap_pages--;
    } else if (pte_pfn(entry) != ps->zero_pfn) {
        space_drop(ps, p, pte_pfn(entry));
    }
}

void space_zap(struct processes *ps, struct process *p, uint64_t start, uint64_t end)
{
    uint64_t at = start, slot, first = end, last = start;
    for (; (slot = space_next_entry(ps, p->space, &at, end)); at += PAGE_SIZE) {
        first = at < first ? at : first;
        last = at;
        space_zap_entry(ps, p, slot);
    }
    if (first < end)
        space_changed(ps, p, first, (last - first) / PAGE_SIZE + 1);
}

void space_free_tables(struct processes *ps, const struct process *p, uint64_t start, uint64_t end, uint64_t floor,
                       uint64_t ceiling)
{
    uint64_t span = (uint64_t)PAGE_SIZE << ps->profile->pgtable_bits; /* of a last-level table */
    uint64_t first = start & ~(span - 1), last = (end + span - 1) & ~(span - 1);
    first += first < floor ? span : 0;
    last -= last > ceiling ? span : 0;
    if (first < last)
        pgtable_free_range(ps->pgtable, process_space(ps, p)->root, first, last);
}

/* --- fork --- */

/* Copies one entry from parent to child. A present page becomes shared, and write-protected in both.
 * slot      physical address of the parent's entry.
 * protects  out: set when the parent may write less than before. */
static bool space_copy_entry(struct processes *ps, struct process *parent, struct process *child, uint64_t at,
                             uint64_t slot, bool *protects)
{
    struct reclaim_space *space = process_space(ps, child);
    uint64_t target = pgtable_entry(ps->pgtable, space->root, at, GFP_KERNEL | __GFP_ZERO);
    if (!target)
        return process_refuse(ps, REFUSAL_NO_MEMORY);
    uint64_t entry = pte_load(ps->frames, ps->profile, slot);
    if (!entry)
        return true; /* reclaim may have emptied it meanwhile */
    if (!(entry & PTE_PRESENT)) {
        reclaim_get_slot(ps->reclaim, pte_pfn(entry));
        space->swap_pages++;
    } else if (pte_pfn(entry) != ps->zero_pfn) {
        *protects |= (entry & PTE_WRITE) != 0;
        entry = (entry & ~(uint64_t)PTE_WRITE) | PTE_COW;
        frame_at(ps->frames, pte_pfn(entry))->index += ANON_MAPPING;
        space->rss_pages++;
        pte_store(ps->frames, ps->profile, slot, entry);
        process_space(ps, parent)->generation++;
    }
    pte_store(ps->frames, ps->profile, target, entry & ~(uint64_t)(entry & PTE_PRESENT ? PTE_ACCESSED : 0));
    trace_cost(ps->trace, COST_PTE, 2);
    return true;
}

bool space_copy(struct processes *ps, struct process *parent, struct process *child, uint64_t start, uint64_t end)
{
    bool protects = false, done = true;
    uint64_t at = start, slot;
    for (; done && (slot = space_next_entry(ps, parent->space, &at, end)); at += PAGE_SIZE)
        done = space_copy_entry(ps, parent, child, at, slot, &protects);
    if (protects)
        space_changed(ps, parent, start, (end - start) / PAGE_SIZE);
    return done;
}

/* --- mremap --- */

/* Pages shared since a fork become the process's own (Linux moves them as they are). These are no faults. */
static bool space_unshare(struct processes *ps, struct process *p, uint64_t start, uint64_t length)
{
    uint64_t at = start, slot;
    bool done = true;
    for (; done && (slot = space_next_entry(ps, p->space, &at, start + length)); at += PAGE_SIZE) {
        uint64_t entry = pte_load(ps->frames, ps->profile, slot);
        if ((entry & PTE_PRESENT) && pte_pfn(entry) != ps->zero_pfn &&
            ANON_MAPPINGS(frame_at(ps->frames, pte_pfn(entry))->index) > 1)
            done = fault_unshare(ps, p, at);
    }
    return done;
}

static void space_move_entry(struct processes *ps, uint64_t slot, uint64_t target, uint64_t to)
{
    uint64_t entry = pte_load(ps->frames, ps->profile, slot);
    pte_store(ps->frames, ps->profile, target, entry);
    pte_store(ps->frames, ps->profile, slot, 0);
    trace_cost(ps->trace, COST_PTE, 2);
    if ((entry & PTE_PRESENT) && pte_pfn(entry) != ps->zero_pfn)
        frame_at(ps->frames, pte_pfn(entry))->index = (to >> PAGE_SHIFT) | ANON_MAPPING;
}

static bool space_move_entries(struct processes *ps, struct process *p, uint64_t from, uint64_t to, uint64_t length)
{
    uint64_t at = from, slot;
    for (; (slot = space_next_entry(ps, p->space, &at, from + length)); at += PAGE_SIZE) {
        uint64_t target = pgtable_entry(ps->pgtable, process_space(ps, p)->root, to + (at - from), GFP_KERNEL | __GFP_ZERO);
        if (!target)
            return process_refuse(ps, REFUSAL_NO_MEMORY);
        space_move_entry(ps, slot, target, to + (at - from));
    }
    space_changed(ps, p, from, length / PAGE_SIZE);
    return true;
}

bool space_move(struct processes *ps, struct process *p, uint64_t from, uint64_t to, uint64_t length)
{
    if (!space_unshare(ps, p, from, length))
        return false;
    if (space_move_entries(ps, p, from, to, length))
        return true;
    space_move_entries(ps, p, to, from, length); /* the old tables still stand */
    return process_refuse(ps, REFUSAL_NO_MEMORY);
}

/* --- mprotect, mlock --- */

/* A page that the process has for itself and has written to needs no fault to be written again. */
static uint64_t space_protect_entry(const struct processes *ps, uint64_t entry, uint32_t flags)
{
    uint64_t kept = entry & ~(PTE_PRESENT | PTE_USER | PTE_WRITE | PTE_NX), bits = space_user_bits(ps, flags);
    bool is_own = !(entry & PTE_COW) && pte_pfn(entry) != ps->zero_pfn;
    return kept | bits | ((flags & VMA_WRITE) && is_own && (entry & PTE_DIRTY) ? PTE_WRITE : 0);
}

void space_protect(struct processes *ps, const struct process *p, uint64_t start, uint64_t end, uint32_t flags)
{
    uint64_t at = start, slot;
    bool takes_away = false;
    for (; (slot = space_next_entry(ps, p->space, &at, end)); at += PAGE_SIZE) {
        uint64_t old = pte_load(ps->frames, ps->profile, slot);
        uint64_t entry = old & PTE_PRESENT ? space_protect_entry(ps, old, flags) : old;
        if (entry == old)
            continue;
        pte_store(ps->frames, ps->profile, slot, entry);
        trace_cost(ps->trace, COST_PTE, 1);
        takes_away = takes_away || (old & ~entry & (PTE_WRITE | PTE_USER)) || (entry & ~old & PTE_NX);
    }
    if (takes_away)
        space_changed(ps, p, start, (end - start) / PAGE_SIZE);
}

void space_lock(struct processes *ps, const struct process *p, uint64_t start, uint64_t end, bool on)
{
    uint64_t at = start, slot;
    for (; (slot = space_next_entry(ps, p->space, &at, end)); at += PAGE_SIZE) {
        uint64_t entry = pte_load(ps->frames, ps->profile, slot);
        uint32_t pfn = pte_pfn(entry);
        if (!(entry & PTE_PRESENT) || pfn == ps->zero_pfn)
            continue;
        if (on)
            frame_at(ps->frames, pfn)->flags |= FRAME_LOCKED;
        else
            space_renew_lock(ps, pfn);
    }
}
