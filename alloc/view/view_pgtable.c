/* Looking at page tables as tables: which frame each is, and what its entries say, neighbours that go on alike as one run.
 */
#include "alloc/machine/machine_internal.h"

static const struct {
    uint64_t bit;
    const char *name;
} FLAGS[] = {
    { PTE_PRESENT, "present" }, { PTE_WRITE, "rw" }, { PTE_USER, "user" },     { PTE_ACCESSED, "accessed" },
    { PTE_DIRTY, "dirty" },     { PTE_HUGE, "pse" }, { PTE_GLOBAL, "global" }, { PTE_NX, "nx" },
    { PTE_SWAP, "swap" },       { PTE_COW, "cow" },
};

uint32_t view_entry_flags(uint64_t entry, const char *names[VIEW_ENTRY_FLAGS])
{
    _Static_assert(sizeof FLAGS / sizeof *FLAGS == VIEW_ENTRY_FLAGS, "room for every flag");
    uint32_t nr = 0;
    for (uint32_t i = 0; i < VIEW_ENTRY_FLAGS; i++)
        if (entry & FLAGS[i].bit)
            names[nr++] = FLAGS[i].name;
    return nr;
}

const char *view_level_name(const struct machine *machine, uint32_t level)
{
    return pte_level_name(machine->profile, level);
}

/* The top table for an address as seen from a process; 0: there is none. */
static uint32_t view_root_of(const struct machine *machine, uint32_t pid, uint64_t address)
{
    const struct machine_state *s = &machine->state;
    struct process_ref process = process_find(&s->processes, pid);
    if (address >= machine->profile->user_end)
        return pid && !process.index ? 0 : s->pgtable.kernel_root;
    return process.index ? reclaim_space_at(&s->reclaim, process_at(&s->processes, process)->space)->root : 0;
}

bool view_table(const struct machine *machine, uint32_t pid, uint64_t address, uint32_t level, struct table_view *out)
{
    const struct profile *profile = machine->profile;
    uint32_t root = view_root_of(machine, pid, address);
    if (!root)
        return false;
    struct pte_walk walk = pte_walk(&machine->state.frames, profile, root, address);
    if (level >= walk.nr_levels)
        return false;
    uint32_t shift = PAGE_SHIFT + profile->pgtable_bits * (profile->pgtable_levels - 1 - level);
    uint64_t span = UINT64_C(1) << shift, whole = span << profile->pgtable_bits;
    *out = (struct table_view){ .name = view_level_name(machine, level),
                                .level = level,
                                .pfn = walk.level[level].table_pfn,
                                .nr_entries = 1u << profile->pgtable_bits,
                                .index = walk.level[level].index,
                                .base = address & ~(whole - 1),
                                .entry_bytes = span };
    return true;
}

static uint64_t entry_of(const struct machine *machine, const struct table_view *table, uint32_t index)
{
    uint64_t slot = ((uint64_t)table->pfn << PAGE_SHIFT) + (uint64_t)index * (machine->profile->word_bits / 8);
    return pte_load(&machine->state.frames, machine->profile, slot);
}

static enum entry_kind kind_of(const struct machine *machine, const struct table_view *table, uint64_t entry)
{
    if (!(entry & PTE_PRESENT))
        return ENTRY_SWAP;
    if (table->level + 1 == machine->profile->pgtable_levels)
        return ENTRY_PAGE;
    return entry & PTE_HUGE ? ENTRY_HUGE : ENTRY_TABLE;
}

const char *entry_kind_name(enum entry_kind kind)
{
    static const char *const NAMES[] = { "page", "huge", "table", "swap" };
    return NAMES[kind];
}

/* Frames from one entry to the next in a run: tables never form one that runs on, their frames mean nothing together. */
static uint64_t step_of(const struct machine *machine, enum entry_kind kind)
{
    return kind == ENTRY_HUGE ? UINT64_C(1) << machine->profile->pgtable_bits : 1;
}

bool view_next_entry_run(const struct machine *machine, const struct table_view *table, uint64_t *cursor,
                         struct entry_run *run)
{
    uint64_t entry = 0;
    while (*cursor < table->nr_entries && !(entry = entry_of(machine, table, (uint32_t)*cursor)))
        ++*cursor;
    if (*cursor >= table->nr_entries)
        return false;
    enum entry_kind kind = kind_of(machine, table, entry);
    *run = (struct entry_run){ .index = (uint32_t)*cursor, .entry = entry, .pfn = pte_pfn(entry), .kind = kind };
    uint64_t step = step_of(machine, kind) << PAGE_SHIFT;
    do {
        run->count++;
        ++*cursor;
        entry += step;
    } while (kind != ENTRY_TABLE && *cursor < table->nr_entries && entry_of(machine, table, (uint32_t)*cursor) == entry);
    return true;
}
