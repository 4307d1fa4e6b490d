/* A view of each CPU's TLB, and the check that no entry contradicts the page tables. An entry may outlive its mapping in
 * two cases, as in Linux. An area that vfree made lazy keeps its translations until the purge. A CPU that left a process
 * learns of changes when it comes back. */
#include "alloc/base/check.h"
#include "alloc/machine/machine_internal.h"

static const struct reclaim_space *tlb_space_of(const struct machine_state *s, uint32_t root)
{
    for (struct space_ref i = { 1 }; i.index < s->reclaim.spaces.nr_used; i.index++)
        if (reclaim_space_at(&s->reclaim, i)->root == root)
            return reclaim_space_at(&s->reclaim, i);
    return NULL;
}

/* The first frame of the page that the tables map at the entry's address now. False: none. */
static bool tlb_entry_maps_now(const struct machine *m, uint32_t root, const struct tlb_translation *entry, uint32_t *pfn)
{
    const struct machine_state *s = &m->state;
    return pte_translate(&s->frames, m->profile, root ? root : s->pgtable.kernel_root, entry->address, pfn);
}

/* May the entry be stale? */
static bool tlb_entry_may_be_stale(const struct machine_state *s, const struct tlb_translation *entry)
{
    if (!entry->root)
        return vmap_extent_find(&s->vmalloc.space, s->vmalloc.space.lazy_root, entry->address) != 0;
    const struct reclaim_space *space = tlb_space_of(s, entry->root);
    return space && space->generation != entry->generation;
}

static bool tlb_entry_is_stale(const struct machine *m, const struct tlb_translation *entry)
{
    uint32_t pfn;
    return !tlb_entry_maps_now(m, entry->root, entry, &pfn) || pfn != entry->pfn;
}

bool machine_check_tlbs(const struct machine *m, char *text, size_t capacity)
{
    struct tlb_translation entry;
    for (uint32_t cpu = 0; cpu < m->state.tlb.nr_cpus; cpu++) {
        uint64_t cursor = 0;
        while (tlb_next(&m->state.tlb, cpu, &cursor, &entry)) {
            if (!tlb_entry_is_stale(m, &entry) || tlb_entry_may_be_stale(&m->state, &entry))
                continue;
            return check_report("tlb: a CPU holds a translation that the page tables contradict", text, capacity);
        }
    }
    return true;
}

bool view_next_tlb_entry(const struct machine *machine, uint32_t cpu, uint64_t *cursor, struct tlb_entry_view *out)
{
    struct tlb_translation entry;
    if (cpu >= machine->state.tlb.nr_cpus || !tlb_next(&machine->state.tlb, cpu, cursor, &entry))
        return false;
    const struct reclaim_space *space = entry.root ? tlb_space_of(&machine->state, entry.root) : NULL;
    *out = (struct tlb_entry_view){ .address = entry.address,
                                    .page_shift = entry.page_shift,
                                    .pfn = entry.pfn,
                                    .pid = space ? space->pid : 0,
                                    .set = entry.set,
                                    .age = entry.age,
                                    .stale = tlb_entry_is_stale(machine, &entry) };
    return true;
}

void view_tlb(const struct machine *machine, struct tlb_view *out)
{
    const struct tlb *tlb = &machine->state.tlb;
    *out = (struct tlb_view){ .nr_cpus = tlb->nr_cpus,
                              .entries = tlb->nr_entries,
                              .ways = tlb->nr_ways,
                              .hits = tlb->nr_hits,
                              .misses = tlb->nr_misses,
                              .flushes = tlb->nr_flushes };
}
