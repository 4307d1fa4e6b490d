/* What the API shows of processes: their mappings and pages, the swap area, and how much memory has been promised. */
#include "alloc/machine/machine_internal.h"
#include "alloc/process/process_internal.h"

#include <string.h>

bool view_next_process(const struct machine *machine, uint64_t *cursor, struct process_view *process)
{
    const struct processes *ps = &machine->state.processes;
    struct process_ref i = { (uint32_t)*cursor + 1 };
    while (i.index < ps->pool.nr_used && !process_at(ps, i)->pid)
        i.index++;
    *cursor = i.index;
    if (i.index >= ps->pool.nr_used)
        return false;
    const struct process *p = process_at(ps, i);
    const struct reclaim_space *space = process_space(ps, p);
    *process = (struct process_view){ .pid = p->pid,
                                      .parent_pid = p->parent_pid,
                                      .name = name_text(&machine->state.names, p->name),
                                      .rss_pages = space->rss_pages,
                                      .swap_pages = space->swap_pages,
                                      .minor_faults = p->minor_faults,
                                      .major_faults = p->major_faults,
                                      .virtual_bytes = p->vm.total << PAGE_SHIFT,
                                      .heap_start = p->heap_start,
                                      .brk = p->brk,
                                      .peak_rss_pages = space->peak_rss_pages,
                                      .peak_virtual_bytes = p->peak_bytes,
                                      .data_pages = p->vm.data,
                                      .stack_pages = p->vm.stack,
                                      .locked_pages = p->vm.locked,
                                      .committed_pages = p->vm.committed,
                                      .nr_maps = p->nr_vmas,
                                      .mmap_top = p->mmap_top,
                                      .stack_top = p->stack_top };
    for (uint32_t r = 0; r < NR_RESOURCES; r++)
        process->limits[r] = p->limits[r] == LIMIT_NONE ? UINT64_MAX : p->limits[r];
    return true;
}

void view_commit(const struct machine *machine, struct commit_view *commit)
{
    const struct processes *ps = &machine->state.processes;
    *commit = (struct commit_view){ .overcommit_memory = ps->overcommit_memory,
                                    .limit_pages = processes_commit_limit(ps),
                                    .committed_pages = ps->nr_committed };
}

/* --- mappings --- */

static const char *view_map_name(const struct machine *m, const struct process *p, const struct vma *v)
{
    const struct names *names = &m->state.names;
    if (v->flags & VMA_HEAP)
        return "[heap]";
    if (v->flags & VMA_STACK)
        return "[stack]";
    if (v->file == VMA_FILE_PROGRAM && p->name.index)
        return name_text(names, p->name);
    if (v->file)
        return vma_file_name(m->profile, v->file);
    if (v->flags & VMA_CHUNK)
        return "malloc'ed blocks";
    return name_text(names, v->name);
}

/* The letters of smaps' VmFlags, in its order. */
static void view_put_vm_flags(const struct vma *v, char out[MAP_FLAGS_MAX])
{
    /* The kernel's own pages. */
    const bool is_vvar = v->file == VMA_FILE_VVAR, is_vdso = v->file == VMA_FILE_VDSO;
    const struct {
        bool is_set;
        const char *letters;
    } FLAGS[] = {
        { v->flags & VMA_READ, "rd " },
        { v->flags & VMA_WRITE, "wr " },
        { v->flags & VMA_EXEC, "ex " },
        { true, "mr " },
        { !is_vvar, "mw me " },
        { v->flags & VMA_STACK, "gd " },
        { is_vvar, "pf " },
        { v->flags & VMA_LOCKED, "lo " },
        { is_vvar, "io " },
        { is_vvar || is_vdso, "de " },
        { v->flags & VMA_ACCOUNT, "ac " },
        { v->flags & VMA_NORESERVE, "nr " },
        { is_vvar, "dd " },
        { true, "sd" },
    };
    size_t at = 0;
    for (size_t i = 0; i < sizeof FLAGS / sizeof FLAGS[0]; i++) {
        size_t length = FLAGS[i].is_set ? strlen(FLAGS[i].letters) : 0;
        memcpy(out + at, FLAGS[i].letters, length);
        at += length;
    }
    out[at] = '\0';
}

static void view_count_pages(const struct processes *ps, const struct process *p, const struct vma *v, struct map_view *map)
{
    uint64_t at = v->start, slot;
    for (; (slot = space_next_entry(ps, p->space, &at, v->end)); at += PAGE_SIZE) {
        uint64_t entry = pte_load(ps->frames, ps->profile, slot);
        bool is_present = entry & PTE_PRESENT, is_zero = is_present && pte_pfn(entry) == ps->zero_pfn;
        const struct frame *frame = frame_at(ps->frames, is_present ? pte_pfn(entry) : 0);
        map->swap_pages += !is_present;
        map->zero_pages += is_zero;
        map->rss_pages += is_present && !is_zero;
        map->shared_pages += is_present && !is_zero && ANON_MAPPINGS(frame->index) > 1;
        map->locked_pages += is_present && !is_zero && (frame->flags & FRAME_LOCKED);
    }
}

bool view_next_map(const struct machine *machine, uint32_t pid, uint64_t *cursor, struct map_view *map)
{
    const struct processes *ps = &machine->state.processes;
    struct process_ref process = process_find(ps, pid);
    const struct process *p = process.index ? process_at(ps, process) : NULL;
    struct vma_ref vma = p ? vma_find_end(ps, p, *cursor) : VMA_NONE;
    if (!vma.index)
        return false;
    const struct vma *v = vma_at(ps, vma);
    *cursor = v->end;
    *map = (struct map_view){ .start = v->start,
                              .end = v->end,
                              .name = view_map_name(machine, p, v),
                              .offset = v->file ? v->pgoff << PAGE_SHIFT : 0,
                              .is_file = v->file != VMA_FILE_NONE };
    const char perms[5] = { v->flags & VMA_READ ? 'r' : '-', v->flags & VMA_WRITE ? 'w' : '-',
                            v->flags & VMA_EXEC ? 'x' : '-', 'p', '\0' };
    memcpy(map->perms, perms, sizeof perms);
    view_put_vm_flags(v, map->flags);
    view_count_pages(ps, p, v, map);
    return true;
}

/* --- pages --- */

static struct page_run page_run_describe(const struct processes *ps, uint64_t address, uint64_t entry)
{
    struct page_run run = { .address = address, .count = 1, .state = PAGE_UNTOUCHED };
    if (!entry)
        return run;
    if (!(entry & PTE_PRESENT)) {
        const struct swap_slot *slot = pool_at(&ps->reclaim->slots, pte_pfn(entry));
        run.state = PAGE_SWAPPED;
        run.slot = pte_pfn(entry);
        run.nr_users = slot->users;
        return run;
    }
    const struct frame *frame = frame_at(ps->frames, pte_pfn(entry));
    bool is_zero = pte_pfn(entry) == ps->zero_pfn;
    run.pfn = pte_pfn(entry);
    run.nr_users = is_zero ? 0 : ANON_MAPPINGS(frame->index);
    run.state = is_zero                         ? PAGE_ZERO
                : run.nr_users > 1              ? PAGE_SHARED
                : frame->flags & FRAME_LAZYFREE ? PAGE_LAZYFREE
                                                : PAGE_PRESENT;
    run.writable = (entry & PTE_WRITE) != 0;
    run.accessed = (entry & PTE_ACCESSED) != 0;
    run.dirty = (entry & PTE_DIRTY) != 0;
    run.locked = !is_zero && (frame->flags & FRAME_LOCKED);
    return run;
}

/* Is next what the run would go on with? Frames and slots that follow one another make one run. */
static bool page_run_continues(const struct page_run *run, const struct page_run *next)
{
    bool has_frame = run->state == PAGE_PRESENT || run->state == PAGE_SHARED || run->state == PAGE_LAZYFREE;
    uint32_t by = (uint32_t)run->count;
    return next->state == run->state && next->nr_users == run->nr_users && next->writable == run->writable &&
           next->accessed == run->accessed && next->dirty == run->dirty && next->locked == run->locked &&
           next->pfn == run->pfn + (has_frame ? by : 0) && next->slot == run->slot + (run->slot ? by : 0);
}

/* The pages from address on that are alike, up to end, which lies in the same VMA. */
static struct page_run page_run_next(const struct processes *ps, const struct process *p, uint64_t address, uint64_t end)
{
    uint64_t at = address, slot = space_next_entry(ps, p->space, &at, end);
    if (!slot || at > address)
        return (struct page_run){ .address = address,
                                  .count = ((slot ? at : end) - address) >> PAGE_SHIFT,
                                  .state = PAGE_UNTOUCHED };
    struct page_run run = page_run_describe(ps, address, pte_load(ps->frames, ps->profile, slot));
    for (at = address + PAGE_SIZE; at < end; at += PAGE_SIZE, run.count++) {
        uint64_t here = at;
        slot = space_next_entry(ps, p->space, &here, at + PAGE_SIZE);
        struct page_run next = page_run_describe(ps, at, slot ? pte_load(ps->frames, ps->profile, slot) : 0);
        if (!page_run_continues(&run, &next))
            break;
    }
    return run;
}

bool view_next_page_run(const struct machine *machine, uint32_t pid, uint64_t *cursor, uint64_t end, struct page_run *run)
{
    const struct processes *ps = &machine->state.processes;
    struct process_ref process = process_find(ps, pid);
    const struct process *p = process.index ? process_at(ps, process) : NULL;
    struct vma_ref vma = p ? vma_find_end(ps, p, *cursor) : VMA_NONE;
    const struct vma *v = vma.index ? vma_at(ps, vma) : NULL;
    if (!v || v->start >= end)
        return false;
    uint64_t from = v->start > *cursor ? v->start : *cursor & ~(uint64_t)(PAGE_SIZE - 1);
    *run = page_run_next(ps, p, from, v->end < end ? v->end : page_align(end));
    *cursor = run->address + (run->count << PAGE_SHIFT);
    return true;
}

/* --- the swap area --- */

#define CURSOR_VPN_BITS 40u

/* The swap slot of the next swapped page of a process; 0: none.
 * at  in: where to begin; out: the page's address. */
static uint32_t swap_run_next(const struct processes *ps, const struct process *p, uint64_t *at)
{
    for (uint64_t slot; (slot = space_next_entry(ps, p->space, at, ps->profile->user_end)); *at += PAGE_SIZE) {
        uint64_t entry = pte_load(ps->frames, ps->profile, slot);
        if (!(entry & PTE_PRESENT))
            return pte_pfn(entry);
    }
    return 0;
}

static void swap_run_grow(const struct processes *ps, const struct process *p, uint64_t at, struct swap_run *run)
{
    for (uint64_t next = at; swap_run_next(ps, p, &next) == run->slot + run->count && next == at;
         at += PAGE_SIZE, next = at) {
        const struct swap_slot *slot = pool_at(&ps->reclaim->slots, run->slot + run->count);
        if (slot->users != run->nr_users)
            return;
        run->count++;
    }
}

bool view_next_swap_run(const struct machine *machine, uint64_t *cursor, struct swap_run *run)
{
    const struct processes *ps = &machine->state.processes;
    uint64_t i = *cursor >> CURSOR_VPN_BITS, at = (*cursor & ((UINT64_C(1) << CURSOR_VPN_BITS) - 1)) << PAGE_SHIFT;
    for (i = i ? i : 1; i < ps->pool.nr_used; i++, at = 0) {
        const struct process *p = process_at(ps, (struct process_ref){ (uint32_t)i });
        uint32_t slot = p->pid ? swap_run_next(ps, p, &at) : 0;
        if (!slot)
            continue;
        const struct swap_slot *s = pool_at(&ps->reclaim->slots, slot);
        *run = (struct swap_run){ .slot = slot, .count = 1, .nr_users = s->users, .pid = p->pid, .address = at };
        swap_run_grow(ps, p, at + PAGE_SIZE, run);
        *cursor = i << CURSOR_VPN_BITS | ((at >> PAGE_SHIFT) + run->count);
        return true;
    }
    return false;
}

bool view_next_chunk(const struct machine *machine, uint32_t pid, uint64_t *cursor, struct chunk_view *chunk)
{
    struct process_ref process = process_find(&machine->state.processes, pid);
    return process.index && heap_next_chunk(&machine->state.heaps, process, cursor, chunk);
}
