/* What madvise asks of the pages of a range. Linux v6.1 mm/madvise.c: madvise_free_pte_range(),
 * madvise_cold_or_pageout_pte_range(), swapin_walk_pmd_entry(). Pages that another process maps, too, are left alone. */
#include "alloc/process/process_internal.h"

static bool space_is_own_page(const struct processes *ps, uint64_t entry)
{
    return (entry & PTE_PRESENT) && pte_pfn(entry) != ps->zero_pfn &&
           ANON_MAPPINGS(frame_at(ps->frames, pte_pfn(entry))->index) == 1;
}

/* Makes pages clean and old. Reclaim may drop such a page without writing it anywhere, as long as nobody has written to it
 * since. What is swapped is dropped at once. */
void space_free_lazily(struct processes *ps, struct process *p, uint64_t start, uint64_t end)
{
    uint64_t at = start, slot;
    for (; (slot = space_next_entry(ps, p->space, &at, end)); at += PAGE_SIZE) {
        uint64_t entry = pte_load(ps->frames, ps->profile, slot);
        trace_cost(ps->trace, COST_PTE, 1);
        if (!(entry & PTE_PRESENT)) {
            pte_store(ps->frames, ps->profile, slot, 0);
            reclaim_put_slot(ps->reclaim, pte_pfn(entry));
            process_space(ps, p)->swap_pages--;
        } else if (space_is_own_page(ps, entry)) {
            pte_store(ps->frames, ps->profile, slot, entry & ~(uint64_t)(PTE_ACCESSED | PTE_DIRTY));
            reclaim_free_lazily(ps->reclaim, pte_pfn(entry));
        }
    }
    space_changed(ps, p, start, (end - start) >> PAGE_SHIFT);
}

void space_page_out(struct processes *ps, struct process *p, uint64_t start, uint64_t end)
{
    uint64_t at = start, slot;
    for (; (slot = space_next_entry(ps, p->space, &at, end)); at += PAGE_SIZE) {
        uint64_t entry = pte_load(ps->frames, ps->profile, slot);
        if (space_is_own_page(ps, entry))
            reclaim_page_out(ps->reclaim, pte_pfn(entry));
    }
    space_changed(ps, p, start, (end - start) >> PAGE_SHIFT);
}

/* Linux reads the pages into the swap cache, and the first access maps them by a minor fault. There is no swap cache here.
 * The pages are mapped at once, and count as resident, but not as faults. */
void space_swap_in(struct processes *ps, struct process *p, uint64_t start, uint64_t end)
{
    uint64_t at = start, major_faults = p->major_faults;
    bool has_memory = true;
    for (; has_memory && space_next_entry(ps, p->space, &at, end); at += PAGE_SIZE)
        has_memory = fault_swap_in(ps, p, at);
    p->major_faults = major_faults;
}
