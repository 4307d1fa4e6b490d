/* From an address to what stands behind it: the region, the walk through the page tables, the frame; and the runs of frames
 * behind a range. Nothing here changes the machine. Operations and views share it. */
#include "alloc/machine/machine_internal.h"

static void translate_walk(const struct machine *m, uint32_t root, uint64_t address, struct translation *out)
{
    const struct machine_state *s = &m->state;
    uint32_t nr_levels = m->profile->pgtable_levels;
    struct pte_walk walk = pte_walk(&s->frames, m->profile, root, address);
    out->nr_levels = walk.nr_levels;
    for (uint32_t i = 0; i < walk.nr_levels; i++)
        out->levels[i] = (struct translate_level){ .name = pte_level_name(m->profile, i),
                                                   .index = walk.level[i].index,
                                                   .table_pfn = walk.level[i].table_pfn,
                                                   .entry = walk.level[i].entry };
    out->present = pte_walk_frame(m->profile, &walk, address, &out->pfn);
    if (out->present && walk.nr_levels < nr_levels)
        out->page_shift = PAGE_SHIFT + m->profile->pgtable_bits;
}

bool machine_translate(const struct machine *m, uint64_t address, uint32_t pid, struct translation *out)
{
    const struct machine_state *s = &m->state;
    *out = (struct translation){ .offset = (uint32_t)(address & (PAGE_SIZE - 1)),
                                 .page_shift = PAGE_SHIFT,
                                 .region = "unmapped" };
    struct process_ref process = process_find(&s->processes, pid);
    if (pid && !process.index)
        return false;
    if (frame_of_address(&s->frames, address) != UINT32_MAX) {
        out->region = "direct map";
        translate_walk(m, s->pgtable.kernel_root, address, out);
    } else if (vmalloc_contains(&s->vmalloc, address)) {
        out->region = "vmalloc";
        translate_walk(m, s->pgtable.kernel_root, address, out);
    } else if (process.index && address < m->profile->user_end) {
        const struct reclaim_space *space = reclaim_space_at(&s->reclaim, process_at(&s->processes, process)->space);
        out->region = "user";
        translate_walk(m, space->root, address, out);
    }
    return true;
}

/* Frame behind one page of memory; UINT32_MAX: none. */
static uint32_t translate_frame(const struct machine *m, uint32_t pid, uint64_t address)
{
    uint32_t pfn = frame_of_address(&m->state.frames, address);
    if (pfn != UINT32_MAX)
        return pfn;
    struct translation where;
    return machine_translate(m, address, pid, &where) && where.present ? where.pfn : UINT32_MAX;
}

bool machine_next_run(const struct machine *m, uint32_t pid, uint64_t *address, uint64_t end, struct frame_range *run)
{
    struct process_ref process = process_find(&m->state.processes, pid);
    run->count = 0;
    if (process.index && end > m->profile->user_end) /* a block's header may claim any size */
        end = m->profile->user_end;
    for (; *address < end; *address = (*address | (PAGE_SIZE - 1)) + 1) {
        if (process.index && !run->count) /* large parts of a mapping may have no pages */
            *address = process_next_page(&m->state.processes, process, *address, end);
        if (*address >= end)
            break;
        uint32_t pfn = translate_frame(m, pid, *address);
        if (pfn == UINT32_MAX && !run->count)
            continue;
        if (run->count && pfn != run->pfn + run->count)
            return true;
        if (!run->count)
            run->pfn = pfn;
        run->count++;
    }
    return run->count > 0;
}
