/* Page tables. On the way down to the entry of an address the missing tables are made, one zeroed frame each. A table is
 * linked into its parent when it is there. So a failure half-way leaves a smaller tree that is whole.
 *
 *      root -> [ | | * | ]            level 0
 *                    |
 *                    v
 *                  [ * | | | ]        ...
 *                    |
 *                    v
 *                  [ | | | * ]        the last level: entries of pages
 *
 * Entries of neighbouring pages are written table by table. A run of consecutive frames leaves one event, unless another
 * event comes between. */
#include "alloc/base/check.h"
#include "alloc/base/invariant.h"
#include "alloc/pgtable/pgtable.h"

#include <string.h>

#define GFP_PGTABLE_KERNEL (GFP_KERNEL | __GFP_ZERO)
#define GFP_PGTABLE_USER (GFP_KERNEL_ACCOUNT | __GFP_ZERO)

struct table {
    uint32_t pfn, level; /* level 0: the top */
};

static uint32_t pgtable_last_level(const struct pgtable *pgtable)
{
    return pgtable->profile->pgtable_levels - 1;
}
static uint32_t pgtable_nr_entries(const struct pgtable *pgtable)
{
    return 1u << pgtable->profile->pgtable_bits;
}
static uint64_t pgtable_slot_of(const struct pgtable *pgtable, uint32_t table, uint32_t index)
{
    return ((uint64_t)table << PAGE_SHIFT) + (uint64_t)index * (pgtable->profile->word_bits / 8);
}
/* Pages that one entry of a level spans. */
static uint64_t pgtable_level_pages(const struct pgtable *pgtable, uint32_t level)
{
    return UINT64_C(1) << (pgtable->profile->pgtable_bits * (pgtable_last_level(pgtable) - level));
}
static uint64_t pgtable_load(const struct pgtable *pgtable, uint64_t slot)
{
    return pte_load(pgtable->frames, pgtable->profile, slot);
}
static void pgtable_store(struct pgtable *pgtable, uint64_t slot, uint64_t entry)
{
    pte_store(pgtable->frames, pgtable->profile, slot, entry);
    trace_cost(pgtable->trace, COST_PTE, 1);
}
static bool pgtable_is_table(const struct pgtable *pgtable, uint32_t level, uint64_t entry)
{
    return level < pgtable_last_level(pgtable) && (entry & PTE_PRESENT) && !(entry & PTE_HUGE);
}

/* A run of frames is one event: the last event grows when this entry goes on where it ended. */
static void pgtable_note_entry(struct trace *trace, enum event_kind kind, uint64_t address, uint32_t pfn, uint32_t count)
{
    if (!trace->recording)
        return;
    struct event *last = trace->nr_events && !trace->nr_dropped ? &trace->events[trace->nr_events - 1] : NULL;
    if (last && last->kind == kind && last->pfn + last->count == pfn &&
        last->address + ((uint64_t)last->count << PAGE_SHIFT) == address)
        last->count += count;
    else
        TRACE_EVENT(trace, .kind = (uint16_t)kind, .address = address, .pfn = pfn, .count = count);
}

static uint32_t pgtable_make_table(struct pgtable *pgtable, uint32_t level, uint64_t slot, uint64_t address, uint32_t gfp)
{
    uint32_t pfn = reclaim_alloc_pages(pgtable->reclaim, gfp | __GFP_ZERO, 0);
    if (!pfn)
        return 0;
    frame_set_kind(pgtable->frames, pfn, FRAME_PGTABLE, 0);
    struct frame *frame = frame_at(pgtable->frames, pfn);
    frame->owner = level;
    frame->index = slot;
    TRACE_EVENT(pgtable->trace, .kind = EV_PGTABLE, .pfn = pfn, .address = address, .a = level);
    return pfn;
}

/* A table that is given back holds nothing but zeroes, so its contents go, too. */
static void pgtable_free_table(struct pgtable *pgtable, uint32_t pfn)
{
    struct frame *frame = frame_at(pgtable->frames, pfn);
    TRACE_EVENT(pgtable->trace, .kind = EV_PGTABLE_FREE, .pfn = pfn, .a = frame->owner);
    frame_zero(pgtable->frames, pfn, 1);
    frame->owner = 0;
    frame->index = 0;
    reclaim_free_pages(pgtable->reclaim, pfn, 0);
}

static bool pgtable_table_is_empty(const struct pgtable *pgtable, uint32_t pfn)
{
    const uint8_t *bytes = frame_peek(pgtable->frames, pfn);
    return !bytes || (bytes[0] == 0 && memcmp(bytes, bytes + 1, PAGE_SIZE - 1) == 0);
}

/* Physical address of the entry for address in the table of a level. Missing tables on the way are made. 0: no memory. */
static uint64_t pgtable_make_entry(struct pgtable *pgtable, uint32_t root, uint64_t address, uint32_t level, uint32_t gfp)
{
    uint32_t table = root;
    for (uint32_t i = 0; i < level; i++) {
        uint64_t slot = pgtable_slot_of(pgtable, table, pte_index(pgtable->profile, i, address));
        uint64_t entry = pgtable_load(pgtable, slot);
        table = pte_pfn(entry);
        if (entry & PTE_PRESENT) {
            INVARIANT(&pgtable->frames->pool, !(entry & PTE_HUGE));
            continue;
        }
        table = pgtable_make_table(pgtable, i + 1, slot, address, gfp);
        if (!table)
            return 0;
        pgtable_store(pgtable, slot, pte_make(table, PTE_TABLE));
    }
    return pgtable_slot_of(pgtable, table, pte_index(pgtable->profile, level, address));
}

/* preallocate_vmalloc_pages(): with 4 levels Linux makes the second-level tables of the whole vmalloc range at boot. So no
 * process's top table has to be brought up to date later. */
void pgtable_start(struct pgtable *pgtable)
{
    const struct profile *profile = pgtable->profile;
    pgtable->kernel_root = pgtable_make_table(pgtable, 0, 0, 0, GFP_PGTABLE_KERNEL);
    if (!pgtable->kernel_root || profile->pgtable_levels < 4)
        return;
    uint64_t step = pgtable_level_pages(pgtable, 0) << PAGE_SHIFT;
    for (uint64_t address = profile->vmalloc_start; address < profile->vmalloc_end; address += step)
        if (!pgtable_make_entry(pgtable, pgtable->kernel_root, address, 1, GFP_PGTABLE_KERNEL))
            return;
}

uint32_t pgtable_create(struct pgtable *pgtable)
{
    return pgtable_make_table(pgtable, 0, 0, 0, GFP_PGTABLE_USER);
}

static void pgtable_destroy_below(struct pgtable *pgtable, uint32_t table, uint32_t level)
{
    if (level == pgtable_last_level(pgtable) || !frame_peek(pgtable->frames, table))
        return;
    for (uint32_t i = 0; i < pgtable_nr_entries(pgtable); i++) {
        uint64_t slot = pgtable_slot_of(pgtable, table, i);
        uint64_t entry = pgtable_load(pgtable, slot);
        if (!pgtable_is_table(pgtable, level, entry))
            continue;
        pgtable_destroy_below(pgtable, pte_pfn(entry), level + 1);
        pgtable_store(pgtable, slot, 0);
        pgtable_free_table(pgtable, pte_pfn(entry));
    }
}

void pgtable_destroy(struct pgtable *pgtable, uint32_t root)
{
    pgtable_destroy_below(pgtable, root, 0);
    pgtable_free_table(pgtable, root);
    tlb_forget(pgtable->tlb, root);
}

uint64_t pgtable_entry(struct pgtable *pgtable, uint32_t root, uint64_t address, uint32_t gfp)
{
    return pgtable_make_entry(pgtable, root, address, pgtable_last_level(pgtable), gfp);
}

/* Entries from the one of address to the end of its table, at most nr. */
static uint32_t pgtable_entries_left(const struct pgtable *pgtable, uint64_t address, uint64_t nr)
{
    uint32_t left = pgtable_nr_entries(pgtable) - pte_index(pgtable->profile, pgtable_last_level(pgtable), address);
    return nr < left ? (uint32_t)nr : left;
}

bool pgtable_map(struct pgtable *pgtable, uint32_t root, uint64_t address, struct pgtable_frames frames, uint64_t bits,
                 uint32_t gfp)
{
    uint64_t step = pgtable->profile->word_bits / 8;
    for (uint32_t done = 0, n; done < frames.nr; done += n) {
        uint64_t from = address + ((uint64_t)done << PAGE_SHIFT);
        uint64_t slot = pgtable_entry(pgtable, root, from, gfp);
        if (!slot) {
            pgtable_unmap(pgtable, root, (struct page_range){ address, done });
            return false;
        }
        n = pgtable_entries_left(pgtable, from, frames.nr - done);
        for (uint32_t i = 0; i < n; i++) {
            pgtable_store(pgtable, slot + i * step, pte_make(frames.pfns[done + i], bits));
            pgtable_note_entry(pgtable->trace, EV_PTE_SET, from + ((uint64_t)i << PAGE_SHIFT), frames.pfns[done + i], 1);
        }
    }
    return true;
}

bool pgtable_map_huge(struct pgtable *pgtable, uint32_t root, uint64_t address, uint32_t pfn, uint64_t bits, uint32_t gfp)
{
    uint32_t level = pgtable_last_level(pgtable) - 1;
    uint64_t slot = pgtable_make_entry(pgtable, root, address, level, gfp);
    if (!slot)
        return false;
    uint64_t old = pgtable_load(pgtable, slot);
    pgtable_store(pgtable, slot, pte_make(pfn, bits | PTE_HUGE));
    pgtable_note_entry(pgtable->trace, EV_PTE_SET, address, pfn, pgtable_nr_entries(pgtable));
    if (old & PTE_PRESENT) {
        tlb_flush_kernel(pgtable->tlb, address,
                         pgtable_level_pages(pgtable, level)); /* CPUs may know the way to the old table */
        pgtable_free_table(pgtable, pte_pfn(old));
    }
    return true;
}

/* Clears entries of one last-level table. slot: of the range's first. */
static void pgtable_clear_entries(struct pgtable *pgtable, uint64_t slot, struct page_range range)
{
    uint64_t step = pgtable->profile->word_bits / 8;
    for (uint64_t i = 0; i < range.nr_pages; i++) {
        uint64_t entry = pgtable_load(pgtable, slot + i * step);
        if (entry == 0)
            continue;
        pgtable_store(pgtable, slot + i * step, 0);
        if (entry & PTE_PRESENT) /* else a swap entry: its owner has given the slot back */
            pgtable_note_entry(pgtable->trace, EV_PTE_CLEAR, range.start + (i << PAGE_SHIFT), pte_pfn(entry), 1);
    }
}

/* Clears a huge entry, if the range covers all of it. */
static void pgtable_clear_huge(struct pgtable *pgtable, const struct pte_walk *walk, struct page_range range)
{
    uint32_t span = pgtable_nr_entries(pgtable);
    if (range.nr_pages < span || pte_index(pgtable->profile, pgtable_last_level(pgtable), range.start) != 0)
        return;
    pgtable_note_entry(pgtable->trace, EV_PTE_CLEAR, range.start, pte_pfn(walk->level[walk->nr_levels - 1].entry), span);
    pgtable_store(pgtable, walk->slot, 0);
}

void pgtable_unmap(struct pgtable *pgtable, uint32_t root, struct page_range range)
{
    for (uint64_t done = 0, n; done < range.nr_pages; done += n) {
        uint64_t from = range.start + (done << PAGE_SHIFT);
        struct pte_walk walk = pte_walk(pgtable->frames, pgtable->profile, root, from);
        uint64_t span = pgtable_level_pages(pgtable, walk.nr_levels - 1); /* of the entry where the walk ended */
        if (walk.nr_levels - 1 == pgtable_last_level(pgtable)) {
            n = pgtable_entries_left(pgtable, from, range.nr_pages - done);
            pgtable_clear_entries(pgtable, walk.slot, (struct page_range){ from, n });
            continue;
        }
        n = span - ((from >> PAGE_SHIFT) & (span - 1));
        if (walk.complete)
            pgtable_clear_huge(pgtable, &walk, (struct page_range){ from, range.nr_pages - done });
    }
}

void pgtable_prefetch(const struct pgtable *pgtable, uint32_t root, uint64_t address)
{
    uint32_t table = root;
    for (uint32_t i = 0; i < pgtable_last_level(pgtable); i++) {
        uint64_t entry = pgtable_load(pgtable, pgtable_slot_of(pgtable, table, pte_index(pgtable->profile, i, address)));
        if (!pgtable_is_table(pgtable, i, entry))
            return;
        table = pte_pfn(entry);
    }
    const uint8_t *bytes = frame_peek(pgtable->frames, table);
    uint64_t place = pgtable_slot_of(pgtable, 0, pte_index(pgtable->profile, pgtable_last_level(pgtable), address));
    if (bytes)
        __builtin_prefetch(bytes + place, 1);
}

/* Frees the empty tables that the entries of one table lead to, as far as [start, end) goes.
 * base  the address that the table's first entry maps. */
static void pgtable_free_below(struct pgtable *pgtable, struct table table, uint64_t base, uint64_t start, uint64_t end)
{
    uint64_t span = pgtable_level_pages(pgtable, table.level) << PAGE_SHIFT;
    for (uint32_t i = start > base ? (uint32_t)((start - base) / span) : 0; i < pgtable_nr_entries(pgtable); i++) {
        uint64_t address = base + i * span;
        if (address >= end)
            return;
        uint64_t slot = pgtable_slot_of(pgtable, table.pfn, i);
        uint64_t entry = pgtable_load(pgtable, slot);
        if (!pgtable_is_table(pgtable, table.level, entry))
            continue;
        if (table.level + 1 < pgtable_last_level(pgtable))
            pgtable_free_below(pgtable, (struct table){ pte_pfn(entry), table.level + 1 }, address, start, end);
        if (!pgtable_table_is_empty(pgtable, pte_pfn(entry)))
            continue;
        pgtable_store(pgtable, slot, 0);
        pgtable_free_table(pgtable, pte_pfn(entry));
    }
}

void pgtable_free_range(struct pgtable *pgtable, uint32_t root, uint64_t start, uint64_t end)
{
    if (start < end)
        pgtable_free_below(pgtable, (struct table){ .pfn = root }, 0, start, end);
}

/* parent: physical address of the entry that leads to the table; 0: a top table. */
static bool pgtable_check_table(const struct pgtable *pgtable, struct table table, uint64_t parent, char *text,
                                size_t capacity)
{
    const struct frames *frames = pgtable->frames;
    if (table.pfn == 0 || table.pfn >= frames->nr)
        return check_report("pgtable: an entry leads outside memory", text, capacity);
    const struct frame *frame = frame_at(frames, table.pfn);
    bool is_boot = frame_at(frames, frame_head(frames, table.pfn))->kind == FRAME_RESERVED; /* of the direct map */
    if (!is_boot && (frame->kind != FRAME_PGTABLE || frame->order != 0 || frame->owner != table.level))
        return check_report("pgtable: an entry leads to a frame that is no table of the next level", text, capacity);
    if (!is_boot && frame->index != parent)
        return check_report("pgtable: a table does not know the entry that leads to it", text, capacity);
    if (!frame->contents)
        return true;
    if (!contents_are_own(frame->contents))
        return check_report("pgtable: a table shares its contents", text, capacity);
    for (uint32_t i = 0; i < pgtable_nr_entries(pgtable); i++) {
        uint64_t slot = pgtable_slot_of(pgtable, table.pfn, i);
        uint64_t entry = pgtable_load(pgtable, slot);
        struct table next = { pte_pfn(entry), table.level + 1 };
        if (pgtable_is_table(pgtable, table.level, entry) && !pgtable_check_table(pgtable, next, slot, text, capacity))
            return false;
        if ((entry & PTE_PRESENT) && pte_pfn(entry) >= frames->nr)
            return check_report("pgtable: an entry maps a frame outside memory", text, capacity);
    }
    return true;
}

bool pgtable_check(const struct pgtable *pgtable, uint32_t root, char *text, size_t capacity)
{
    return pgtable_check_table(pgtable, (struct table){ .pfn = root }, 0, text, capacity);
}
