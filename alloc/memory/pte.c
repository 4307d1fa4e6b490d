/* Page-table entries are bytes of table frames, little-endian as on x86. An entry has four or eight bytes, by the profile's
 * word size. A walk reads one entry of each level. It stops at an entry that leads nowhere, at a huge mapping, and at the
 * last level. */
#include "alloc/memory/pte.h"

#include <string.h>

#define HUGE_LEVEL(profile) ((profile)->pgtable_levels - 2) /* the PMD, where there are 4 */

static uint32_t pte_entry_size(const struct profile *profile)
{
    return profile->word_bits / 8;
}

const char *pte_level_name(const struct profile *profile, uint32_t level)
{
    static const char *const NAMES[MAX_LEVELS] = { "PGD", "PUD", "PMD", "PTE" };
    return NAMES[level + 1 < profile->pgtable_levels ? level : MAX_LEVELS - 1];
}

uint64_t pte_load(const struct frames *frames, const struct profile *profile, uint64_t slot)
{
    const uint8_t *bytes = frame_peek(frames, (uint32_t)(slot >> PAGE_SHIFT));
    uint64_t entry = 0;
    if (!bytes)
        return 0;
    bytes += slot & (PAGE_SIZE - 1);
    if (profile->word_bits == 64)
        memcpy(&entry, bytes, sizeof(uint64_t));
    else
        memcpy(&entry, bytes, sizeof(uint32_t));
    return entry;
}

void pte_store(struct frames *frames, const struct profile *profile, uint64_t slot, uint64_t entry)
{
    uint32_t pfn = (uint32_t)(slot >> PAGE_SHIFT);
    if (entry == 0 && !frame_peek(frames, pfn))
        return; /* an empty table stays without backing */
    uint8_t *bytes = frame_bytes(frames, pfn) + (slot & (PAGE_SIZE - 1));
    if (profile->word_bits == 64)
        memcpy(bytes, &entry, sizeof(uint64_t));
    else
        memcpy(bytes, &entry, sizeof(uint32_t));
}

/* Reads an entry for a walk. It does what pte_load() does, in fewer instructions: a translation needs four of them. A
 * table's contents are its own: pte_store() wrote to them, and nobody else does. */
static inline uint64_t pte_entry_at(const struct frames *frames, bool is_wide, uint32_t table, uint32_t index)
{
    uint32_t contents = frame_at(frames, table)->contents, narrow;
    uint64_t wide;
    if (!contents)
        return 0;
    const uint8_t *bytes = contents_own_at(frames, contents);
    if (is_wide) {
        memcpy(&wide, bytes + (size_t)index * sizeof wide, sizeof wide);
        return wide;
    }
    memcpy(&narrow, bytes + (size_t)index * sizeof narrow, sizeof narrow);
    return narrow;
}

static inline bool pte_is_huge(const struct profile *profile, uint32_t level, uint64_t entry)
{
    return (entry & PTE_HUGE) && (entry & PTE_PRESENT) && level == HUGE_LEVEL(profile);
}

struct pte_walk pte_walk(const struct frames *frames, const struct profile *profile, uint32_t root, uint64_t address)
{
    struct pte_walk walk = { 0 };
    uint32_t table = root;
    for (uint32_t level = 0; table && level < profile->pgtable_levels; level++) {
        uint32_t index = pte_index(profile, level, address);
        uint64_t entry = pte_entry_at(frames, profile->word_bits == 64, table, index);
        walk.slot = ((uint64_t)table << PAGE_SHIFT) + (uint64_t)index * pte_entry_size(profile);
        walk.level[level].table_pfn = table;
        walk.level[level].index = index;
        walk.level[level].entry = entry;
        walk.nr_levels = level + 1;
        walk.complete = level + 1 == profile->pgtable_levels || pte_is_huge(profile, level, entry);
        table = walk.complete || !(entry & PTE_PRESENT) ? 0 : pte_pfn(entry);
    }
    return walk;
}

bool pte_walk_frame(const struct profile *profile, const struct pte_walk *walk, uint64_t address, uint32_t *pfn)
{
    uint64_t entry = walk->complete ? walk->level[walk->nr_levels - 1].entry : 0;
    if (!(entry & PTE_PRESENT))
        return false;
    *pfn = pte_pfn(entry);
    if (walk->nr_levels < profile->pgtable_levels) /* huge */
        *pfn += pte_index(profile, profile->pgtable_levels - 1, address);
    return true;
}

bool pte_translate(const struct frames *frames, const struct profile *profile, uint32_t root, uint64_t address,
                   uint32_t *pfn)
{
    uint32_t table = root, last = profile->pgtable_levels - 1;
    bool is_wide = profile->word_bits == 64;
    for (uint32_t level = 0;; level++) {
        uint64_t entry = pte_entry_at(frames, is_wide, table, pte_index(profile, level, address));
        if (!(entry & PTE_PRESENT))
            return false;
        table = pte_pfn(entry);
        if (level == last || pte_is_huge(profile, level, entry)) {
            *pfn = level == last ? table : table + pte_index(profile, last, address);
            return true;
        }
    }
}
