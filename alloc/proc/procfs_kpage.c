/* kpageflags, kpagecount, pagemap: eight bytes for each page. Frames are walked block by block, because the head tells what
 * all frames of its block are. */
#include "alloc/proc/procfs_kpage.h"
#include "alloc/machine/machine_state.h"
#include "alloc/process/process_internal.h"
#include "alloc/proc/procfs_text.h"

#define BIT(number) (UINT64_C(1) << (number))

/* pagemap: Documentation/admin-guide/mm/pagemap.rst. */
#define PM_SWAP_TYPE_BITS 5u  /* below the offset in the swap area; there is one area, of type 0 */
#define PM_SOFT_DIRTY BIT(55) /* nobody has ever cleared it */
#define PM_MMAP_EXCLUSIVE BIT(56)
#define PM_SWAP BIT(62)
#define PM_PRESENT BIT(63)

/* --- kpageflags --- */

static uint64_t kpage_compound_flags(uint32_t head, uint32_t pfn, uint32_t order)
{
    return order == 0 ? 0 : pfn == head ? BIT(KPF_COMPOUND_HEAD) : BIT(KPF_COMPOUND_TAIL);
}

static uint64_t kpage_anon_flags(const struct frame *frame)
{
    uint64_t flags = BIT(KPF_UPTODATE) | BIT(KPF_LRU) | BIT(KPF_MMAP) | BIT(KPF_ANON) | BIT(KPF_SWAPBACKED);
    flags |= frame->flags & FRAME_REFERENCED ? BIT(KPF_REFERENCED) : 0;
    if (frame->flags & FRAME_LOCKED)
        return flags | BIT(KPF_UNEVICTABLE) | BIT(KPF_MLOCKED);
    return flags | (frame->flags & FRAME_ACTIVE ? BIT(KPF_ACTIVE) : 0);
}

uint64_t procfs_block_flags(const struct frames *frames, uint32_t head, uint32_t pfn)
{
    const struct frame *frame = frame_at(frames, head);
    switch ((enum frame_kind)frame->kind) {
    case FRAME_NONE:
        return BIT(KPF_NOPAGE);
    case FRAME_FREE:
        return BIT(KPF_BUDDY);
    case FRAME_SLAB:
        return BIT(KPF_SLAB) | kpage_compound_flags(head, pfn, frame->order);
    case FRAME_KERNEL: /* what alloc_pages() gave is taken for a block without __GFP_COMP */
        return frame->index & LARGE_KMALLOC ? kpage_compound_flags(head, pfn, frame->order) : 0;
    case FRAME_ANON:
        return kpage_anon_flags(frame);
    case FRAME_SWAPCACHE:
        return BIT(KPF_UPTODATE) | BIT(KPF_LRU) | BIT(KPF_SWAPBACKED) | BIT(KPF_SWAPCACHE);
    case FRAME_RESERVED:
        return BIT(KPF_RESERVED);
    default: /* on a CPU's list, under vmalloc, a table: no flag of its own */
        return 0;
    }
}

/* Linux marks the tables of the last level but one, and those of processes of the last level. */
static bool kpage_is_marked_table(const struct machine_state *s, uint32_t pfn)
{
    const struct frame *frame = frame_at(&s->frames, pfn);
    uint32_t last = s->pages.profile->pgtable_levels - 1, level = frame->owner;
    if (frame->kind != FRAME_PGTABLE || level + 1 < last)
        return false;
    while (frame_at(&s->frames, pfn)->index)
        pfn = (uint32_t)(frame_at(&s->frames, pfn)->index >> PAGE_SHIFT);
    return level < last || pfn != s->pgtable.kernel_root;
}

uint64_t procfs_page_flags(const struct machine_state *s, uint32_t head, uint32_t pfn)
{
    uint64_t flags = procfs_block_flags(&s->frames, head, pfn);
    flags |= pfn == s->processes.zero_pfn ? BIT(KPF_ZERO_PAGE) : 0;
    return kpage_is_marked_table(s, head) ? flags | BIT(KPF_PGTABLE) : flags;
}

/* page_mapcount() */
static uint64_t kpage_count(const struct machine_state *s, uint32_t head, uint32_t pfn)
{
    const struct frame *frame = frame_at(&s->frames, head);
    (void)pfn;
    return frame->kind == FRAME_ANON ? ANON_MAPPINGS(frame->index) : 0;
}

static bool kpage_read_frames(const struct machine *machine, uint32_t pfn, uint32_t count, const struct procfs_out *out,
                              uint64_t (*word)(const struct machine_state *s, uint32_t head, uint32_t pfn))
{
    const struct machine_state *s = &machine->state;
    struct writer writer;
    if (machine->profile->id != PROFILE_LINUX_6_1)
        return false;
    writer_open(&writer, out);
    uint32_t end = count < s->frames.nr - pfn ? pfn + count : s->frames.nr;
    while (pfn < end) {
        uint32_t head = frame_head(&s->frames, pfn), block_end = head + (1u << frame_at(&s->frames, head)->order);
        for (; pfn < block_end && pfn < end; pfn++)
            write_u64(&writer, word(s, head, pfn));
    }
    writer_close(&writer);
    return true;
}

bool procfs_read_kpageflags(const struct machine *machine, uint32_t pfn, uint32_t count, const struct procfs_out *out)
{
    return kpage_read_frames(machine, pfn, count, out, procfs_page_flags);
}

bool procfs_read_kpagecount(const struct machine *machine, uint32_t pfn, uint32_t count, const struct procfs_out *out)
{
    return kpage_read_frames(machine, pfn, count, out, kpage_count);
}

/* --- pagemap --- */

static uint64_t pagemap_word(const struct machine_state *s, uint64_t entry)
{
    if (!entry)
        return 0;
    if (!(entry & PTE_PRESENT))
        return PM_SWAP | (uint64_t)pte_pfn(entry) << PM_SWAP_TYPE_BITS;
    const struct frame *frame = frame_at(&s->frames, pte_pfn(entry));
    bool is_exclusive = frame->kind == FRAME_ANON && ANON_MAPPINGS(frame->index) == 1;
    return PM_PRESENT | pte_pfn(entry) | (is_exclusive ? PM_MMAP_EXCLUSIVE : 0);
}

/* Writes pages that have an entry, and the holes between them. A hole costs no walk. */
static void pagemap_put(struct writer *w, const struct machine_state *s, const struct process *process, uint64_t address,
                        uint64_t end)
{
    const struct processes *ps = &s->processes;
    struct vma_ref vma = process->first_vma;
    uint64_t next = address, slot = space_next_entry(ps, process->space, &next, end);
    for (; address < end; address += PAGE_SIZE) {
        while (vma.index && vma_at(ps, vma)->end <= address)
            vma = vma_at(ps, vma)->next;
        uint64_t word = vma.index && vma_at(ps, vma)->start <= address ? PM_SOFT_DIRTY : 0;
        if (slot && address == next) {
            word |= pagemap_word(s, pte_load(&s->frames, s->pages.profile, slot));
            next += PAGE_SIZE;
            slot = space_next_entry(ps, process->space, &next, end);
        }
        write_u64(w, word);
    }
}

bool procfs_read_pagemap(const struct machine *machine, uint32_t pid, struct procfs_pages pages,
                         const struct procfs_out *out)
{
    const struct processes *ps = &machine->state.processes;
    struct process_ref process = process_find(ps, pid);
    uint64_t room, from = pages.address & ~(uint64_t)(PAGE_SIZE - 1), user_end = machine->profile->user_end;
    struct writer writer;
    if (!process.index || machine->profile->id != PROFILE_LINUX_6_1)
        return false;
    room = from < user_end ? (user_end - from) >> PAGE_SHIFT : 0;
    writer_open(&writer, out);
    pagemap_put(&writer, &machine->state, process_at(ps, process), from,
                from + ((pages.nr_pages < room ? pages.nr_pages : room) << PAGE_SHIFT));
    writer_close(&writer);
    return true;
}
