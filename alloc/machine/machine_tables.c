/* Counts page tables. It reads tables above the last level alone, so a walk costs one entry for each 2 MiB that are mapped.
 */
#include "alloc/machine/machine_internal.h"

static uint32_t tables_last_level(const struct machine_state *s)
{
    return s->pages.profile->pgtable_levels - 1;
}

/* Adds the tables below a table to the counts of their levels. */
static void tables_count_below(const struct machine_state *s, uint32_t table, uint32_t level, uint64_t nr[MAX_LEVELS])
{
    const struct profile *profile = s->pages.profile;
    uint64_t entry_bytes = profile->word_bits / 8;
    if (level == tables_last_level(s) || !frame_peek(&s->frames, table))
        return;
    for (uint32_t i = 0; i < 1u << profile->pgtable_bits; i++) {
        uint64_t entry = pte_load(&s->frames, profile, ((uint64_t)table << PAGE_SHIFT) + i * entry_bytes);
        if (!(entry & PTE_PRESENT) || (entry & PTE_HUGE))
            continue;
        nr[level + 1]++;
        tables_count_below(s, pte_pfn(entry), level + 1, nr);
    }
}

uint64_t machine_count_tables(const void *state)
{
    const struct machine_state *s = state;
    uint64_t user[MAX_LEVELS] = { 0 }, kernel[MAX_LEVELS] = { 0 };
    uint32_t last = tables_last_level(s);
    for (struct space_ref i = { 1 }; i.index < s->reclaim.spaces.nr_used; i.index++)
        if (reclaim_space_at(&s->reclaim, i)->root)
            tables_count_below(s, reclaim_space_at(&s->reclaim, i)->root, 0, user);
    tables_count_below(s, s->pgtable.kernel_root, 0, kernel);
    return last > 1 ? user[last] + user[last - 1] + kernel[last - 1] : user[last];
}

uint64_t machine_process_tables(const struct machine_state *s, const struct process *process)
{
    uint64_t nr[MAX_LEVELS] = { 0 }, sum = 0;
    tables_count_below(s, reclaim_space_at(&s->reclaim, process->space)->root, 0, nr);
    for (uint32_t level = 1; level < MAX_LEVELS; level++)
        sum += nr[level];
    return sum;
}
