/* The direct map: all memory at page_offset. Boot writes its tables, and nobody changes them later. Linux v6.1
 * arch/x86/mm/init.c: split_mem_range(), memory_map_top_down(); Linux v2.0 arch/i386/mm/init.c: paging_init().
 *
 * On x86-64 one entry of a PMD maps 2 MiB. The first 2 MiB, where the BIOS's hole lies, and the odd end of each part of
 * memory are mapped page by page. The recorded machines have no pages of 1 GiB. Linux goes on to split the entries around
 * its own text, which it makes read-only; Pagoda does not. An i486 has pages of 4 KiB alone.
 *
 * Linux takes these tables from memory that it reserved before there was a page allocator. Here they are the highest pages
 * of those that are reserved for early tables, from the top down. So no frame is taken from anybody, and their bytes can be
 * read.
 */
#include "alloc/page/page_alloc.h"
#include "alloc/pgtable/pgtable.h"
#include "alloc/page/zone.h"

#define LOW_PAGES 512u /* mapped page by page at the start of memory */

struct boot_map {
    struct frames *frames;
    const struct profile *profile;
    uint32_t root, last_table; /* pfns; tables are taken from last_table down */
    enum reserved_owner owner; /* of the frames that are tables */
};

/* PAGE_KERNEL on x86-64, PAGE_SHARED of Linux 2.0. */
static uint64_t boot_map_leaf_bits(const struct profile *profile)
{
    if (profile->pgtable_levels < MAX_LEVELS)
        return PTE_PRESENT | PTE_WRITE | PTE_USER | PTE_ACCESSED;
    return PTE_PRESENT | PTE_WRITE | PTE_ACCESSED | PTE_DIRTY | PTE_GLOBAL | PTE_NX;
}

/* The next page below that is reserved for such things. */
static uint32_t boot_map_take_table(struct boot_map *map)
{
    for (uint32_t pfn = map->last_table - 1; pfn; pfn--) {
        uint32_t head = frame_head(map->frames, pfn);
        const struct frame *frame = frame_at(map->frames, head);
        if (frame->kind == FRAME_RESERVED && frame->owner == map->owner)
            return map->last_table = pfn;
        pfn = frame->kind == FRAME_NONE ? pfn : head;
    }
    return 0;
}

/* Physical address of the entry for address in the table of a level. Missing tables on the way are made. */
static uint64_t boot_map_slot(struct boot_map *map, uint64_t address, uint32_t level)
{
    uint32_t table = map->root;
    for (uint32_t i = 0;; i++) {
        uint64_t place = (uint64_t)pte_index(map->profile, i, address) * (map->profile->word_bits / 8);
        uint64_t slot = ((uint64_t)table << PAGE_SHIFT) + place, entry = pte_load(map->frames, map->profile, slot);
        if (i == level)
            return slot;
        table = entry & PTE_PRESENT ? pte_pfn(entry) : boot_map_take_table(map);
        if (!(entry & PTE_PRESENT))
            pte_store(map->frames, map->profile, slot, pte_make(table, PTE_TABLE));
    }
}

static void boot_map_part(struct boot_map *map, uint32_t start, uint32_t end)
{
    uint32_t last = map->profile->pgtable_levels - 1, nr_huge = 1u << map->profile->pgtable_bits;
    uint64_t bits = boot_map_leaf_bits(map->profile);
    for (uint32_t pfn = start, n; pfn < end; pfn += n) {
        bool is_huge = map->profile->direct_map_shift > PAGE_SHIFT && pfn >= LOW_PAGES && pfn % nr_huge == 0;
        n = is_huge && end - pfn >= nr_huge ? nr_huge : 1;
        uint64_t slot = boot_map_slot(map, frame_address(map->frames, pfn), n > 1 ? last - 1 : last);
        pte_store(map->frames, map->profile, slot, pte_make(pfn, n > 1 ? bits | PTE_HUGE : bits));
    }
}

void pgtable_map_memory(struct pgtable *pgtable, const struct page_alloc *pages)
{
    bool is_classic = pgtable->profile->pgtable_levels < MAX_LEVELS;
    struct boot_map map = { .frames = pgtable->frames, .profile = pgtable->profile, .root = pgtable->kernel_root };
    map.last_table = pgtable->frames->nr;
    map.owner = is_classic ? RESERVED_KERNEL : RESERVED_TABLES;
    if (is_classic) {
        boot_map_part(&map, 0, pgtable->frames->nr);
        return;
    }
    for (uint32_t i = 1; i < pages->nr_zones; i++) { /* the first zone and the second are one part of memory */
        const struct zone *zone = &pages->zones[i];
        boot_map_part(&map, i == 1 ? 0 : zone->start_pfn, zone->start_pfn + zone->present);
    }
}
