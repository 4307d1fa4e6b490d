/* maps and smaps (fs/proc/task_mmu.c). Each page-table entry of a mapping is read once. The zero page belongs to nobody,
 * and is in no sum. Pagoda keeps the program's image and malloc's mappings apart from what the program maps. Neighbours
 * that differ in nothing else are one VMA in Linux, so they are one line here. */
#include "alloc/proc/procfs_process.h"
#include "alloc/process/process_internal.h"

#include <string.h>

#define NAME_COLUMN 73u /* 64-bit: where seq_pad() puts the name */
#define PSS_SHIFT 12u

/* --- what the pages are --- */

/* Bytes; pss in 1/4096 of a byte. */
struct page_sums {
    uint64_t rss, shared_clean, shared_dirty, private_clean, private_dirty, referenced, anonymous, lazy_free, swap;
    uint64_t pss, pss_dirty, pss_locked, swap_pss;
};

static void maps_add_present(const struct machine_state *s, const struct vma *vma, uint64_t entry, struct page_sums *sums)
{
    const struct frame *frame = frame_at(&s->frames, pte_pfn(entry));
    uint32_t nr_users = ANON_MAPPINGS(frame->index);
    bool is_dirty = entry & PTE_DIRTY, is_shared = nr_users > 1;
    uint64_t pss = ((uint64_t)PAGE_SIZE << PSS_SHIFT) / (nr_users ? nr_users : 1);
    sums->rss += PAGE_SIZE;
    sums->anonymous += PAGE_SIZE;
    sums->lazy_free += frame->flags & FRAME_LAZYFREE ? PAGE_SIZE : 0;
    sums->pss += pss;
    sums->pss_dirty += is_dirty ? pss : 0;
    sums->pss_locked += vma->flags & VMA_LOCKED ? pss : 0;
    sums->referenced += (entry & PTE_ACCESSED) || (frame->flags & FRAME_REFERENCED) ? PAGE_SIZE : 0;
    uint64_t *sum = is_shared  ? is_dirty ? &sums->shared_dirty : &sums->shared_clean
                    : is_dirty ? &sums->private_dirty
                               : &sums->private_clean;
    *sum += PAGE_SIZE;
}

static void maps_add_swapped(const struct machine_state *s, uint64_t entry, struct page_sums *sums)
{
    const struct swap_slot *slot = pool_at(&s->reclaim.slots, pte_pfn(entry));
    sums->swap += PAGE_SIZE;
    sums->swap_pss += ((uint64_t)PAGE_SIZE << PSS_SHIFT) / (slot->users ? slot->users : 1);
}

static struct page_sums maps_sum_pages(const struct machine_state *s, const struct process *process, const struct vma *vma)
{
    struct page_sums sums = { 0 };
    uint64_t at = vma->start, slot;
    for (; (slot = space_next_entry(&s->processes, process->space, &at, vma->end)); at += PAGE_SIZE) {
        uint64_t entry = pte_load(&s->frames, s->pages.profile, slot);
        if (!(entry & PTE_PRESENT))
            maps_add_swapped(s, entry, &sums);
        else if (pte_pfn(entry) != s->processes.zero_pfn)
            maps_add_present(s, vma, entry, &sums);
    }
    return sums;
}

/* --- maps --- */

static bool maps_goes_on(const struct vma *map, const struct vma *next)
{
    uint32_t differs = map->flags ^ next->flags;
    return map->end == next->start && !map->file && !next->file && map->name.index == next->name.index &&
           map->pgoff + vma_pages(map) == next->pgoff && differs && !(differs & ~(uint32_t)(VMA_TEXT | VMA_CHUNK));
}

/* The mapping, as Linux would have it, that begins with a VMA.
 * vma  in: that VMA; out: the first one behind the mapping. */
static struct vma maps_take(const struct processes *ps, struct vma_ref *vma)
{
    struct vma map = *vma_at(ps, *vma);
    for (*vma = map.next; vma->index && maps_goes_on(&map, vma_at(ps, *vma)); *vma = vma_at(ps, *vma)->next) {
        map.end = vma_at(ps, *vma)->end;
        map.flags = vma_at(ps, *vma)->flags;
    }
    return map;
}

/* Device and inode are 0, for files, too: there is no disk. */
static void maps_put_perms(struct writer *w, const struct vma *vma)
{
    const char perms[] = { vma->flags & VMA_READ ? 'r' : '-', vma->flags & VMA_WRITE ? 'w' : '-',
                           vma->flags & VMA_EXEC ? 'x' : '-', 'p' };
    write_text(w, " ");
    write_bytes(w, perms, sizeof perms);
    write_text(w, " ");
    write_hex(w, 8, vma->file ? vma->pgoff << PAGE_SHIFT : 0);
    write_text(w, " 00:00 0");
}

static void maps_put_range(struct writer *w, const struct vma *vma)
{
    write_hex(w, 8, vma->start);
    write_text(w, "-");
    write_hex(w, 8, vma->end);
}

static uint32_t maps_hex_digits(uint64_t number)
{
    uint32_t digits = 8;
    while (digits < 16 && number >> 4 * digits)
        digits++;
    return digits;
}

/* The name as Linux writes it. One that the caller gave is written like one of prctl(PR_SET_VMA_ANON_NAME). */
static void maps_put_name(struct writer *w, const struct machine *m, const struct process *process, const struct vma *vma)
{
    const struct names *names = &m->state.names;
    if (vma->flags & VMA_HEAP) {
        write_text(w, "[heap]");
    } else if (vma->flags & VMA_STACK) {
        write_text(w, "[stack]");
    } else if (vma->file == VMA_FILE_PROGRAM) {
        write_text(w, "/");
        write_escaped(w, process->name.index ? name_text(names, process->name) : vma_file_name(m->profile, vma->file));
    } else if (vma->file) {
        write_text(w, vma_file_name(m->profile, vma->file));
    } else {
        write_text(w, "[anon:");
        write_escaped(w, name_text(names, vma->name));
        write_text(w, "]");
    }
}

static void maps_put_map(struct writer *w, const struct machine *m, const struct process *process, const struct vma *vma)
{
    maps_put_range(w, vma);
    maps_put_perms(w, vma);
    write_text(w, " ");
    if (vma->name.index || vma->file || vma->flags & (VMA_HEAP | VMA_STACK)) {
        uint32_t column =
            maps_hex_digits(vma->start) + 1 + maps_hex_digits(vma->end) + (uint32_t)sizeof " rw-p 00000000 00:00 0";
        write_spaces(w, column < NAME_COLUMN ? NAME_COLUMN - column : 0);
        maps_put_name(w, m, process, vma);
    }
    write_text(w, "\n");
}

void procfs_put_maps(struct writer *writer, const struct machine *m, const struct process *process)
{
    for (struct vma_ref vma = process->first_vma; vma.index;) {
        struct vma map = maps_take(&m->state.processes, &vma);
        maps_put_map(writer, m, process, &map);
    }
}

void procfs_put_maps_classic(struct writer *writer, const struct machine *m, const struct process *process)
{
    for (struct vma_ref vma = process->first_vma; vma.index;) {
        struct vma map = maps_take(&m->state.processes, &vma);
        maps_put_range(writer, &map);
        maps_put_perms(writer, &map);
        write_text(writer, "\n");
    }
}

/* --- smaps --- */

static void maps_put_smap(struct writer *w, const struct vma *map, const char *vm_flags, const struct page_sums *sums)
{
    const struct {
        const char *name;
        uint64_t bytes;
    } LINES[] = {
        { "Size:           ", map->end - map->start },
        { "KernelPageSize: ", PAGE_SIZE },
        { "MMUPageSize:    ", PAGE_SIZE },
        { "Rss:            ", sums->rss },
        { "Pss:            ", sums->pss >> PSS_SHIFT },
        { "Pss_Dirty:      ", sums->pss_dirty >> PSS_SHIFT },
        { "Shared_Clean:   ", sums->shared_clean },
        { "Shared_Dirty:   ", sums->shared_dirty },
        { "Private_Clean:  ", sums->private_clean },
        { "Private_Dirty:  ", sums->private_dirty },
        { "Referenced:     ", sums->referenced },
        { "Anonymous:      ", sums->anonymous },
        { "LazyFree:       ", sums->lazy_free },
        { "AnonHugePages:  ", 0 },
        { "ShmemPmdMapped: ", 0 },
        { "FilePmdMapped:  ", 0 },
        { "Shared_Hugetlb: ", 0 },
        { "Private_Hugetlb: ", 0 },
        { "Swap:           ", sums->swap },
        { "SwapPss:        ", sums->swap_pss >> PSS_SHIFT },
        { "Locked:         ", sums->pss_locked >> PSS_SHIFT },
    };
    for (size_t i = 0; i < sizeof LINES / sizeof LINES[0]; i++) {
        write_text(w, LINES[i].name);
        write_number(w, 24 - (uint32_t)strlen(LINES[i].name), LINES[i].bytes >> 10);
        write_text(w, " kB\n");
    }
    write_text(w, "THPeligible:    0\nVmFlags: ");
    write_text(w, vm_flags);
    write_text(w, " \n");
}

void procfs_put_smaps(struct writer *writer, const struct machine *m, const struct process *process)
{
    for (struct vma_ref vma = process->first_vma; vma.index;) {
        struct vma map = maps_take(&m->state.processes, &vma);
        struct page_sums sums = maps_sum_pages(&m->state, process, &map);
        struct map_view view;
        uint64_t cursor = map.start;
        view_next_map(m, process->pid, &cursor, &view);
        maps_put_map(writer, m, process, &map);
        maps_put_smap(writer, &map, view.flags, &sums);
    }
}
