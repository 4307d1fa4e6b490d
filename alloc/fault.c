/* Page faults: anonymous memory gets its frames on first touch. A read of an untouched page maps the shared zero page, a
 * write gets a zeroed frame of its own; a write to a page shared by fork copies it; a swapped page comes back. Linux v6.1
 * mm/memory.c: do_anonymous_page, do_wp_page, do_swap_page. A small cache of translations per process (as a TLB, but only
 * to save host time: it is no part of the cost model) is valid while the space's generation stands. */
#include "alloc/process_internal.h"

#include <string.h>

#define GFP_ANON (GFP_HIGHUSER_MOVABLE | __GFP_ZERO)
#define SWAP_IO_NS 50000u
#define ANON_BITS (PTE_PRESENT | PTE_USER | PTE_ACCESSED)

struct fault {
    struct processes *ps;
    struct process *process;
    struct reclaim_space *space;
    uint64_t address; /* of the page */
    uint64_t slot, entry;
    bool write;
};

static void set_entry(struct fault *f, uint32_t pfn, uint32_t bits)
{
    f->entry = pte_make(pfn, bits);
    pte_store(f->ps->frames, f->ps->profile, f->slot, f->entry);
    trace_cost(f->ps->trace, COST_PTE, 1);
    TRACE_EVENT(f->ps->trace, .kind = EV_PTE_SET, .address = f->address, .pfn = pfn, .count = 1, .pid = f->process->pid);
}

/* A frame of the process's own at the faulting page; 0: no memory. The entry is the caller's to set. */
static uint32_t new_frame(struct fault *f, uint32_t gfp)
{
    uint32_t pfn = reclaim_alloc_pages(f->ps->reclaim, gfp, 0);
    if (!pfn)
        return 0;
    reclaim_add_anon(f->ps->reclaim, pfn, f->process->space, f->address >> PAGE_SHIFT);
    f->space->rss_pages++;
    return pfn;
}

static uint32_t fault_anonymous(struct fault *f)
{
    trace_step(f->ps->trace, PATH_do_anonymous_page);
    f->process->minor_faults++;
    if (!f->write) {
        set_entry(f, f->ps->zero_pfn, ANON_BITS | PTE_COW);
        return f->ps->zero_pfn;
    }
    uint32_t pfn = new_frame(f, GFP_ANON);
    if (pfn)
        set_entry(f, pfn, ANON_BITS | PTE_WRITE | PTE_DIRTY);
    return pfn;
}

static uint32_t fault_shared(struct fault *f)
{
    trace_step(f->ps->trace, PATH_do_wp_page);
    f->process->minor_faults++;
    uint32_t old = pte_pfn(f->entry);
    bool is_zero_page = old == f->ps->zero_pfn;
    if (!is_zero_page && ANON_MAPPINGS(frame_at(f->ps->frames, old)->index) == 1) {
        set_entry(f, old, ANON_BITS | PTE_WRITE | PTE_DIRTY);
        return old;
    }
    uint32_t pfn = new_frame(f, is_zero_page ? GFP_ANON : GFP_HIGHUSER_MOVABLE);
    f->entry = pfn ? pte_load(f->ps->frames, f->ps->profile, f->slot) : 0;
    if (!pfn)
        return 0;
    if ((f->entry & PTE_SWAP) &&
        !(f->entry & PTE_PRESENT)) { /* reclaim took the old page while we waited for the new one */
        reclaim_read_slot(f->ps->reclaim, pte_pfn(f->entry), pfn);
        reclaim_put_slot(f->ps->reclaim, pte_pfn(f->entry));
        f->space->swap_pages--;
    } else if (!is_zero_page) {
        frame_copy(f->ps->frames, pfn, old);
        trace_cost(f->ps->trace, COST_COPY_PAGE, 1);
    }
    bool drop = !is_zero_page && (f->entry & PTE_PRESENT);
    set_entry(f, pfn, ANON_BITS | PTE_WRITE | PTE_DIRTY);
    if (drop) {
        f->space->rss_pages--;
        reclaim_drop_mapping(f->ps->reclaim, old, f->process->space);
    }
    f->space->generation++;
    TRACE_EVENT(f->ps->trace, .kind = EV_COW, .pfn = pfn, .a = old, .address = f->address, .pid = f->process->pid);
    return pfn;
}

static uint32_t fault_swapped(struct fault *f)
{
    trace_step(f->ps->trace, PATH_do_swap_page);
    uint32_t slot = pte_pfn(f->entry);
    uint32_t pfn = new_frame(f, GFP_HIGHUSER_MOVABLE);
    if (!pfn)
        return 0;
    f->process->major_faults++;
    f->ps->trace->slept_ns += SWAP_IO_NS;
    reclaim_read_slot(f->ps->reclaim, slot, pfn);
    reclaim_put_slot(f->ps->reclaim, slot);
    f->space->swap_pages--;
    set_entry(f, pfn, ANON_BITS | PTE_WRITE | (f->write ? PTE_DIRTY : 0));
    TRACE_EVENT(f->ps->trace, .kind = EV_SWAP_IN, .pfn = pfn, .a = slot, .address = f->address, .pid = f->process->pid);
    return pfn;
}

static uint32_t handle(struct fault *f)
{
    TRACE_EVENT(f->ps->trace, .kind = EV_FAULT, .address = f->address, .pid = f->process->pid, .a = f->write);
    trace_step(f->ps->trace, PATH_handle_mm_fault);
    trace_cost(f->ps->trace, COST_FAULT, 1);
    if (!f->entry)
        return fault_anonymous(f);
    return f->entry & PTE_PRESENT ? fault_shared(f) : fault_swapped(f);
}

static uint32_t resolve(struct processes *ps, struct process *process, uint64_t address, bool write)
{
    uint32_t vma = process_find_vma(ps, process, address);
    if (!vma || !(vma_at(ps, vma)->flags & (write ? VMA_WRITE : VMA_READ)))
        return 0;
    struct fault f = { .ps = ps,
                       .process = process,
                       .space = reclaim_space_at(ps->reclaim, process->space),
                       .address = address & ~(uint64_t)(PAGE_SIZE - 1),
                       .write = write };
    f.slot = pgtable_entry(ps->pgtable, f.space->root, f.address, GFP_KERNEL | __GFP_ZERO);
    if (!f.slot)
        return 0;
    f.entry = pte_load(ps->frames, ps->profile, f.slot);
    if (!(f.entry & PTE_PRESENT) || (write && !(f.entry & PTE_WRITE)))
        return handle(&f);
    uint64_t marked = f.entry | PTE_ACCESSED | (write ? PTE_DIRTY : 0);
    if (marked != f.entry)
        pte_store(ps->frames, ps->profile, f.slot, marked);
    return pte_pfn(f.entry);
}

uint32_t process_fault(struct processes *ps, uint32_t process, uint64_t address, bool write)
{
    struct process *p = process_at(ps, process);
    uint64_t vpn = address >> PAGE_SHIFT;
    uint32_t at = (uint32_t)(vpn % SOFT_TLB_SIZE), generation = reclaim_space_at(ps->reclaim, p->space)->generation;
    if (p->tlb[at].generation == generation && p->tlb[at].vpn >> 1 == vpn + 1 && (!write || (p->tlb[at].vpn & 1)))
        return p->tlb[at].pfn;
    uint32_t pfn = resolve(ps, p, address, write);
    if (!pfn)
        return 0;
    p->tlb[at].vpn = (vpn + 1) << 1 | write; /* + 1: so that an empty entry matches nothing */
    p->tlb[at].generation = reclaim_space_at(ps->reclaim, p->space)->generation;
    p->tlb[at].pfn = pfn;
    return pfn;
}

uint8_t *process_touch(struct processes *ps, uint32_t process, uint64_t address, bool write)
{
    uint32_t pfn = process_fault(ps, process, address, write);
    return pfn ? frame_bytes(ps->frames, pfn) + (address & (PAGE_SIZE - 1)) : NULL;
}

size_t process_peek(const struct processes *ps, uint32_t process, uint64_t address, void *out, size_t length)
{
    uint32_t root = reclaim_space_at(ps->reclaim, process_at(ps, process)->space)->root;
    size_t done = 0;
    while (done < length) {
        uint64_t at = address + done;
        struct pte_walk walk = pte_walk(ps->frames, ps->profile, root, at);
        uint64_t entry = walk.complete ? walk.level[walk.nr_levels - 1].entry : 0;
        if (!(entry & PTE_PRESENT))
            break;
        size_t room = PAGE_SIZE - (size_t)(at & (PAGE_SIZE - 1)), n = length - done < room ? length - done : room;
        uint64_t physical = ((uint64_t)pte_pfn(entry) << PAGE_SHIFT) + (at & (PAGE_SIZE - 1));
        frame_read(ps->frames, physical, (uint8_t *)out + done, n);
        done += n;
    }
    return done;
}
