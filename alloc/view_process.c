/* Processes, their mappings and heaps, for whoever looks. */
#include "alloc/machine_internal.h"
#include "alloc/process_internal.h"

#include <string.h>

static uint64_t virtual_bytes(const struct processes *ps, const struct process *p)
{
    uint64_t bytes = 0;
    for (uint32_t vma = p->first_vma; vma; vma = vma_at(ps, vma)->next)
        bytes += vma_at(ps, vma)->end - vma_at(ps, vma)->start;
    return bytes;
}

bool view_next_process(const struct machine *machine, uint64_t *cursor, struct process_view *process)
{
    const struct processes *ps = &machine->state.processes;
    uint64_t i = *cursor + 1;
    while (i < ps->pool.nr_used && !process_at(ps, (uint32_t)i)->pid)
        i++;
    *cursor = i;
    if (i >= ps->pool.nr_used)
        return false;
    const struct process *p = process_at(ps, (uint32_t)i);
    const struct reclaim_space *space = reclaim_space_at(ps->reclaim, p->space);
    *process = (struct process_view){ .pid = p->pid,
                                      .parent_pid = p->parent_pid,
                                      .name = label_text(&machine->state.labels, p->label),
                                      .rss_pages = space->rss_pages,
                                      .swap_pages = space->swap_pages,
                                      .minor_faults = p->minor_faults,
                                      .major_faults = p->major_faults,
                                      .virtual_bytes = virtual_bytes(ps, p),
                                      .heap_start = p->heap_start,
                                      .brk = p->brk };
    return true;
}

static const char *map_name(const struct machine *m, const struct vma *v)
{
    if (v->flags & VMA_HEAP)
        return "[heap]";
    if (v->flags & VMA_STACK)
        return "[stack]";
    if (v->flags & VMA_TEXT)
        return v->flags & VMA_EXEC ? "program (text)" : "program (data)";
    if (v->flags & VMA_CHUNK)
        return "malloc'ed block";
    return label_text(&m->state.labels, v->label);
}

bool view_next_map(const struct machine *machine, uint32_t pid, uint64_t *cursor, struct map_view *map)
{
    const struct processes *ps = &machine->state.processes;
    uint32_t process = process_find(ps, pid), vma = process ? process_at(ps, process)->first_vma : 0;
    for (uint64_t i = 0; vma && i < *cursor; i++)
        vma = vma_at(ps, vma)->next;
    if (!vma)
        return false;
    (*cursor)++;
    const struct vma *v = vma_at(ps, vma);
    *map = (struct map_view){ .start = v->start, .end = v->end, .name = map_name(machine, v) };
    const char perms[5] = { v->flags & VMA_READ ? 'r' : '-', v->flags & VMA_WRITE ? 'w' : '-',
                            v->flags & VMA_EXEC ? 'x' : '-', 'p', '\0' };
    memcpy(map->perms, perms, sizeof perms);
    uint64_t at = v->start, slot;
    for (; (slot = space_next_entry(ps, process_at(ps, process)->space, &at, v->end)); at += PAGE_SIZE) {
        uint64_t entry = pte_load(ps->frames, ps->profile, slot);
        map->swap_pages += !(entry & PTE_PRESENT);
        map->rss_pages += (entry & PTE_PRESENT) && pte_pfn(entry) != ps->zero_pfn;
    }
    return true;
}

bool view_next_chunk(const struct machine *machine, uint32_t pid, uint64_t *cursor, struct chunk_view *chunk)
{
    uint32_t process = process_find(&machine->state.processes, pid);
    return process && heap_next_chunk(&machine->state.heaps, process, cursor, chunk);
}
