/* Page faults: anonymous memory gets its frames when it is touched. Linux v6.1 mm/memory.c: do_anonymous_page(),
 * do_wp_page(), do_swap_page(); mm/mmap.c: expand_downwards(); arch/x86/mm/fault.c: do_user_addr_fault().
 *
 * An access first needs a VMA that allows it; a stack grows down for it. Then the page-table entry decides:
 *
 *      entry                        read                          write
 *      empty                        the shared zero page          a zeroed frame of its own
 *      present, not writable        (no fault)                    sole owner: made writable; else a copy
 *      swapped                      a frame with the slot's       the same, writable
 *                                   bytes, write-protected
 *
 * Pages of files are not read from anywhere: they are the zero page, too.
 *
 * Each process keeps a small cache of translations. It only saves host time, and is no part of the cost model. An entry is
 * good while the generation of the address space stands. */
#include "alloc/process/process_internal.h"

#include <string.h>

#define GFP_ANON (GFP_HIGHUSER_MOVABLE | __GFP_ZERO)

struct fault {
    struct processes *ps;
    struct process *process;
    struct reclaim_space *space;
    struct vma_ref vma;
    uint64_t address; /* of the page */
    uint64_t slot, entry;
    bool write;
};

static void fault_count(struct fault *f, enum vm_item item)
{
    vmstat_add(&f->ps->reclaim->pages->vmstat, item, 1);
}

static uint32_t fault_vma_flags(const struct fault *f)
{
    return vma_at(f->ps, f->vma)->flags;
}

static void fault_set_entry(struct fault *f, uint32_t pfn, uint32_t bits)
{
    f->entry = pte_make(pfn, space_user_bits(f->ps, fault_vma_flags(f)) | PTE_ACCESSED | bits);
    pte_store(f->ps->frames, f->ps->profile, f->slot, f->entry);
    trace_cost(f->ps->trace, COST_PTE, 1);
    TRACE_EVENT(f->ps->trace, .kind = EV_PTE_SET, .address = f->address, .pfn = pfn, .count = 1, .pid = f->process->pid);
}

static uint32_t fault_write_bits(const struct fault *f)
{
    return PTE_DIRTY | (fault_vma_flags(f) & VMA_WRITE ? PTE_WRITE : 0u);
}

/* Gets a frame for the faulting page, and counts it; 0: no memory. The caller sets the entry. */
static uint32_t fault_new_frame(struct fault *f, uint32_t gfp)
{
    uint32_t pfn = reclaim_alloc_pages(f->ps->reclaim, gfp, 0);
    if (!pfn) {
        process_refuse(f->ps, REFUSAL_KILLED);
        return 0;
    }
    reclaim_add_anon(f->ps->reclaim, pfn, f->process->space, f->address >> PAGE_SHIFT);
    if (fault_vma_flags(f) & VMA_LOCKED)
        frame_at(f->ps->frames, pfn)->flags |= FRAME_LOCKED;
    if (++f->space->rss_pages > f->space->peak_rss_pages)
        f->space->peak_rss_pages = f->space->rss_pages;
    return pfn;
}

static uint32_t fault_anonymous(struct fault *f)
{
    trace_step(f->ps->trace, PATH_do_anonymous_page);
    f->process->minor_faults++;
    if (!f->write) {
        fault_set_entry(f, f->ps->zero_pfn, PTE_COW);
        return f->ps->zero_pfn;
    }
    vma_anon_for(f->ps, f->vma);
    uint32_t pfn = fault_new_frame(f, GFP_ANON);
    if (pfn)
        fault_set_entry(f, pfn, fault_write_bits(f));
    return pfn;
}

/* Copies the bytes of the old page into the new one. While we waited for the new frame, reclaim may have taken the old
 * page, or compaction may have moved it. Returns the old page's frame; 0: it was taken. */
static uint32_t fault_copy_old(struct fault *f, uint32_t pfn)
{
    f->entry = pte_load(f->ps->frames, f->ps->profile, f->slot);
    uint32_t old = f->entry & PTE_PRESENT ? pte_pfn(f->entry) : 0;
    if (!old && (f->entry & PTE_SWAP)) {
        reclaim_read_slot(f->ps->reclaim, pte_pfn(f->entry), pfn);
        reclaim_put_slot(f->ps->reclaim, pte_pfn(f->entry));
        f->space->swap_pages--;
    } else if (old && old != f->ps->zero_pfn) {
        frame_copy(f->ps->frames, pfn, old);
        trace_cost(f->ps->trace, COST_COPY_PAGE, 1);
    }
    return old;
}

static uint32_t fault_copy_shared(struct fault *f, uint32_t old)
{
    vma_anon_for(f->ps, f->vma);
    uint32_t pfn = fault_new_frame(f, old == f->ps->zero_pfn ? GFP_ANON : GFP_HIGHUSER_MOVABLE);
    if (!pfn)
        return 0;
    old = fault_copy_old(f, pfn);
    fault_set_entry(f, pfn, fault_write_bits(f));
    if (old && old != f->ps->zero_pfn)
        space_drop(f->ps, f->process, old);
    space_changed(f->ps, f->process, f->address, 1);
    TRACE_EVENT(f->ps->trace, .kind = EV_COW, .pfn = pfn, .a = old, .address = f->address, .pid = f->process->pid);
    return pfn;
}

static uint32_t fault_shared(struct fault *f)
{
    trace_step(f->ps->trace, PATH_do_wp_page);
    f->process->minor_faults++;
    uint32_t old = pte_pfn(f->entry);
    if (old == f->ps->zero_pfn || ANON_MAPPINGS(frame_at(f->ps->frames, old)->index) != 1)
        return fault_copy_shared(f, old);
    fault_count(f, VM_pgreuse);
    fault_set_entry(f, old, fault_write_bits(f));
    return old;
}

/* A page that is read comes back write-protected, as in Linux. The first write is one more minor fault. */
static uint32_t fault_swapped(struct fault *f)
{
    trace_step(f->ps->trace, PATH_do_swap_page);
    uint32_t slot = pte_pfn(f->entry);
    uint32_t pfn = fault_new_frame(f, GFP_HIGHUSER_MOVABLE);
    if (!pfn)
        return 0;
    f->process->major_faults++;
    fault_count(f, VM_pgmajfault);
    fault_count(f, VM_pswpin);
    f->ps->trace->slept_ns += f->ps->trace->cost_each_ns[COST_SWAP_IO];
    reclaim_read_slot(f->ps->reclaim, slot, pfn);
    reclaim_put_slot(f->ps->reclaim, slot);
    f->space->swap_pages--;
    fault_set_entry(f, pfn, f->write ? fault_write_bits(f) : 0);
    TRACE_EVENT(f->ps->trace, .kind = EV_SWAP_IN, .pfn = pfn, .a = slot, .address = f->address, .pid = f->process->pid);
    return pfn;
}

static uint32_t fault_handle(struct fault *f)
{
    TRACE_EVENT(f->ps->trace, .kind = EV_FAULT, .address = f->address, .pid = f->process->pid, .a = f->write);
    trace_step(f->ps->trace, PATH_handle_mm_fault);
    trace_cost(f->ps->trace, COST_FAULT, 1);
    fault_count(f, VM_pgfault);
    if (!f->entry)
        return fault_anonymous(f);
    return f->entry & PTE_PRESENT ? fault_shared(f) : fault_swapped(f);
}

/* --- which accesses a mapping allows --- */

/* May the stack grow down to the page? Not beyond its limit, and not into the guard gap above another mapping. */
static bool stack_may_grow(struct processes *ps, const struct process *p, const struct vma *stack, uint64_t page)
{
    uint64_t nr_pages = (stack->start - page) >> PAGE_SHIFT;
    const struct vma *below = stack->prev.index ? vma_at(ps, stack->prev) : NULL;
    bool is_near = below && (below->flags & VMA_ACCESS) && page - below->end < STACK_GUARD_GAP;
    if (!(stack->flags & VMA_STACK) || page < PAGE_SIZE || is_near)
        return process_refuse(ps, REFUSAL_SIGNAL);
    uint64_t limit = p->limits[RESOURCE_STACK];
    if (limit != LIMIT_NONE && stack->end - page > limit)
        return process_refuse(ps, REFUSAL_STACK);
    if ((stack->flags & VMA_LOCKED) && !limits_may_lock(p, p->vm.locked + nr_pages))
        return process_refuse(ps, REFUSAL_MEMLOCK);
    return limits_may_expand(ps, p, stack->flags, nr_pages) && limits_may_commit(ps, p, nr_pages);
}

static bool fault_allows(const struct vma *vma, bool write)
{
    return (vma->flags & (write ? VMA_WRITE : VMA_ACCESS)) != 0;
}

/* The VMA that serves an access to a page; a stack has grown for it then. 0: SIGSEGV. */
static struct vma_ref fault_find_vma(struct processes *ps, struct process *p, uint64_t address, bool write)
{
    uint64_t page = address & ~(uint64_t)(PAGE_SIZE - 1);
    struct vma_ref vma = vma_find_end(ps, p, address);
    bool is_allowed = vma.index && fault_allows(vma_at(ps, vma), write);
    if (!is_allowed) {
        process_refuse(ps, REFUSAL_SIGNAL);
        return VMA_NONE;
    }
    if (vma_at(ps, vma)->start <= address)
        return vma;
    if (!stack_may_grow(ps, p, vma_at(ps, vma), page))
        return VMA_NONE;
    trace_step(ps->trace, PATH_expand_stack);
    trace_cost(ps->trace, COST_VMA, 1);
    vma_grow_down(ps, p, vma, page);
    return vma;
}

uint64_t process_allowed_until(struct processes *ps, struct process_ref process, uint64_t address, uint64_t end, bool write)
{
    struct process *p = process_at(ps, process);
    while (address < end) {
        struct vma_ref vma = vma_find_end(ps, p, address);
        const struct vma *v = vma.index ? vma_at(ps, vma) : NULL;
        ps->refusal = REFUSAL_SIGNAL;
        if (!v || !fault_allows(v, write) ||
            (v->start > address && !stack_may_grow(ps, p, v, address & ~(uint64_t)(PAGE_SIZE - 1))))
            return address;
        address = v->end;
    }
    return end;
}

uint32_t process_error_code(const struct processes *ps, struct process_ref process, uint64_t address, bool write)
{
    uint32_t root = process_space(ps, process_at(ps, process))->root;
    struct pte_walk walk = pte_walk(ps->frames, ps->profile, root, address);
    uint64_t entry = walk.complete ? walk.level[walk.nr_levels - 1].entry : 0;
    bool is_present = (entry & PTE_PRESENT) && (entry & PTE_USER);
    return (uint32_t)is_present | (write ? 2u : 0u) | 4u;
}

/* --- the way to a frame --- */

static struct fault fault_at(struct processes *ps, struct process *p, struct vma_ref vma, uint64_t address, bool write)
{
    return (struct fault){ .ps = ps,
                           .process = p,
                           .space = process_space(ps, p),
                           .vma = vma,
                           .address = address & ~(uint64_t)(PAGE_SIZE - 1),
                           .write = write };
}

static bool fault_find_entry(struct fault *f)
{
    f->slot = pgtable_entry(f->ps->pgtable, f->space->root, f->address, GFP_KERNEL | __GFP_ZERO);
    if (!f->slot)
        return process_refuse(f->ps, REFUSAL_KILLED);
    f->entry = pte_load(f->ps->frames, f->ps->profile, f->slot);
    return true;
}

/* A process that was killed gets no further than the fault in which that happened: on its way back to user mode the signal
 * ends it. */
static bool fault_finds_killed(struct processes *ps, const struct process *p)
{
    return process_space(ps, p)->oom_victim && !process_refuse(ps, REFUSAL_KILLED);
}

uint32_t process_resolve(struct processes *ps, struct process_ref process, uint64_t address, bool write)
{
    struct process *p = process_at(ps, process);
    if (fault_finds_killed(ps, p))
        return 0;
    struct vma_ref vma = fault_find_vma(ps, p, address, write);
    struct fault f = fault_at(ps, p, vma, address, write);
    if (!vma.index || !fault_find_entry(&f))
        return 0;
    if (!(f.entry & PTE_PRESENT) || (write && !(f.entry & PTE_WRITE)))
        return fault_handle(&f);
    uint64_t marked = f.entry | PTE_ACCESSED | (write ? PTE_DIRTY : 0);
    if (marked != f.entry)
        pte_store(ps->frames, ps->profile, f.slot, marked);
    return pte_pfn(f.entry);
}

uint32_t process_fault(struct processes *ps, struct process_ref process, uint64_t address, bool write)
{
    struct process *p = process_at(ps, process);
    uint64_t vpn = address >> PAGE_SHIFT;
    uint32_t at = (uint32_t)(vpn % SOFT_TLB_SIZE), generation = process_space(ps, p)->generation;
    if (p->tlb[at].generation == generation && p->tlb[at].vpn >> 1 == vpn + 1 && (!write || (p->tlb[at].vpn & 1)))
        return p->tlb[at].pfn;
    uint32_t pfn = process_resolve(ps, process, address, write);
    if (!pfn)
        return 0;
    p->tlb[at].vpn = (vpn + 1) << 1 | write; /* + 1: so that an empty entry matches nothing */
    p->tlb[at].generation = process_space(ps, p)->generation;
    p->tlb[at].pfn = pfn;
    return pfn;
}

uint8_t *process_touch(struct processes *ps, struct process_ref process, uint64_t address, bool write)
{
    uint32_t pfn = process_resolve(ps, process, address, write);
    return pfn ? frame_bytes(ps->frames, pfn) + (address & (PAGE_SIZE - 1)) : NULL;
}

bool fault_unshare(struct processes *ps, struct process *p, uint64_t address)
{
    struct fault f = fault_at(ps, p, process_find_vma(ps, p, address), address, true);
    if (!fault_find_entry(&f))
        return false;
    return !(f.entry & PTE_PRESENT) || fault_copy_shared(&f, pte_pfn(f.entry)) != 0;
}

bool fault_swap_in(struct processes *ps, struct process *p, uint64_t address)
{
    struct fault f = fault_at(ps, p, process_find_vma(ps, p, address), address, false);
    if (!fault_find_entry(&f))
        return false;
    return !(f.entry & PTE_SWAP) || (f.entry & PTE_PRESENT) || fault_swapped(&f) != 0;
}

bool process_load_page(struct processes *ps, struct process_ref process, uint64_t address)
{
    struct process *p = process_at(ps, process);
    struct vma_ref vma = fault_finds_killed(ps, p) ? VMA_NONE : fault_find_vma(ps, p, address, true);
    struct fault f = fault_at(ps, p, vma, address, true);
    if (!vma.index || !fault_find_entry(&f))
        return false;
    if (f.entry)
        return true;
    vma_anon_for(ps, vma);
    uint32_t pfn = fault_new_frame(&f, GFP_ANON);
    if (pfn)
        fault_set_entry(&f, pfn, fault_write_bits(&f));
    return pfn != 0;
}

bool process_owns_page(const struct processes *ps, struct process_ref process, uint64_t address)
{
    const uint64_t wanted = PTE_PRESENT | PTE_USER | PTE_WRITE | PTE_ACCESSED | PTE_DIRTY;
    uint32_t root = process_space(ps, process_at(ps, process))->root;
    struct pte_walk walk = pte_walk(ps->frames, ps->profile, root, address);
    return walk.complete && (walk.level[walk.nr_levels - 1].entry & wanted) == wanted;
}

size_t process_peek(const struct processes *ps, struct process_ref process, uint64_t address, void *out, size_t length)
{
    uint32_t root = process_space(ps, process_at(ps, process))->root;
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

bool process_peek_in_swap(const struct processes *ps, struct process_ref process, uint64_t address, void *out,
                          size_t length)
{
    uint32_t root = process_space(ps, process_at(ps, process))->root;
    struct pte_walk walk = pte_walk(ps->frames, ps->profile, root, address);
    uint64_t entry = walk.complete ? walk.level[walk.nr_levels - 1].entry : 0;
    if (!(entry & (PTE_PRESENT | PTE_SWAP)))
        return false;
    const uint8_t *page =
        entry & PTE_PRESENT ? frame_peek(ps->frames, pte_pfn(entry)) : reclaim_peek_slot(ps->reclaim, pte_pfn(entry));
    if (page)
        memcpy(out, page + address % PAGE_SIZE, length);
    else
        memset(out, 0, length);
    return true;
}
