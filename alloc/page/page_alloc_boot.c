/* Booting a linux-6.1 machine: zones, and free lists of what the kernel did not take for itself (boot_memory.h). */
#include "alloc/page/boot_memory.h"
#include "alloc/page/buddy.h"

#include <string.h>

#define DEFAULT_SCALE 10u
static const uint32_t DEFAULT_RATIO[3] = { 256, 256, 32 };

uint32_t page_alloc_nr_frames(const struct machine_config *config, const struct profile *profile)
{
    struct boot_memory boot;
    if (!profile->has_migratetypes)
        return (uint32_t)(config->memory >> PAGE_SHIFT);
    boot_memory_map(&boot, config);
    return (uint32_t)((boot.high ? boot.end : boot.firmware) >> PAGE_SHIFT);
}

const char *reserved_owner_name(uint32_t owner)
{
    static const char *const NAMES[NR_RESERVED_OWNERS] = {
        [RESERVED_IN_USE] = "in use",   [RESERVED_FIRMWARE] = "firmware",    [RESERVED_KERNEL] = "kernel image",
        [RESERVED_MEM_MAP] = "mem_map", [RESERVED_PERCPU] = "per-CPU areas", [RESERVED_TABLES] = "hash tables",
        [RESERVED_BOUNCE] = "swiotlb",
    };
    return owner < NR_RESERVED_OWNERS ? NAMES[owner] : "";
}

uint32_t frames_largest_order(uint32_t start, uint32_t end, uint32_t nr_orders)
{
    uint32_t order = 0;
    while (order + 1 < nr_orders && !(start & ((2u << order) - 1)) && start + (2u << order) <= end)
        order++;
    return order;
}

void frames_reserve_range(struct frames *frames, uint32_t start, uint32_t end, uint32_t nr_orders,
                          enum reserved_owner owner)
{
    while (start < end) {
        uint32_t order = frames_largest_order(start, end, nr_orders);
        frame_set_kind(frames, start, FRAME_RESERVED, order);
        frame_at(frames, start)->owner = owner;
        start += 1u << order;
    }
}

/* Puts [start, end) on the free lists in blocks as large as they can be, ascending, all Movable. */
static void boot_free_range(struct page_alloc *pa, uint32_t start, uint32_t end)
{
    while (start < end) {
        uint32_t order = frames_largest_order(start, end, MAX_ORDER);
        struct zone *zone = zone_of_pfn(pa, start);
        /* Written before it is read: the host then gives this page of frames at once, not a page of zeroes first. */
        frame_at(pa->frames, start)->born = 0;
        buddy_add(pa, zone, start, order, MT_MOVABLE, true);
        zone->managed += 1u << order;
        zone->free_global += INT64_C(1) << order;
        start += 1u << order;
    }
}

static void zones_add(struct page_alloc *pa, const struct boot_zone *extent)
{
    static const char NAMES[ZONES_MAX][8] = { "DMA", "DMA32", "Normal" };
    struct zone *zone = &pa->zones[pa->nr_zones++];
    memset(zone, 0, sizeof *zone);
    memcpy(zone->name, NAMES[extent->index], sizeof zone->name);
    zone->index = extent->index;
    zone->start_pfn = extent->start;
    zone->spanned = extent->end - extent->start;
    zone->present = extent->present;
}

/* Each page of an area is free or reserved. A page that two have parts of goes to the first. */
static void zones_fill_area(struct page_alloc *pa, const struct memblock *block, const struct memblock_range *area)
{
    uint32_t at = (uint32_t)(area->start >> PAGE_SHIFT), last = (uint32_t)(area->end >> PAGE_SHIFT);
    for (uint32_t i = 0; i < block->nr_reserved; i++) {
        const struct memblock_range *range = &block->reserved[i];
        if (range->end <= area->start || range->start >= area->end)
            continue;
        uint32_t start = (uint32_t)(range->start >> PAGE_SHIFT);
        uint32_t end = (uint32_t)((range->end + PAGE_SIZE - 1) >> PAGE_SHIFT);
        start = start > at ? start : at;
        end = end < last ? end : last;
        if (start > at)
            boot_free_range(pa, at, start);
        if (end > start)
            frames_reserve_range(pa->frames, start, end, MAX_ORDER, range->owner);
        at = end > at ? end : at;
    }
    if (at < last)
        boot_free_range(pa, at, last);
}

static void zones_fill(struct page_alloc *pa, const struct boot_memory *boot)
{
    const struct memblock_range *low = &boot->block.areas[0];
    uint32_t acpi = (uint32_t)(boot->low_end >> PAGE_SHIFT), first = (uint32_t)(boot->block.areas[1].start >> PAGE_SHIFT);
    frames_reserve_range(pa->frames, 0, first, MAX_ORDER, RESERVED_FIRMWARE);
    for (uint32_t i = 1; i < boot->block.nr_areas; i++)
        zones_fill_area(pa, &boot->block, &low[i]);
    frames_reserve_range(pa->frames, acpi, (uint32_t)(boot->firmware >> PAGE_SHIFT), MAX_ORDER, RESERVED_FIRMWARE);
}

/* The kernel computes its defaults before the late pages go back, and not again after. A lab that sets one of these options
 * is a machine on which the sysctl was written after boot. */
static void zones_set_boot_limits(struct page_alloc *pa, const struct machine_config *config, uint32_t late_pages)
{
    uint32_t scale = pa->watermark_scale_factor, fraction = pa->percpu_pagelist_high_fraction, ratio[3];
    memcpy(ratio, pa->lowmem_reserve_ratio, sizeof ratio);
    pa->watermark_scale_factor = DEFAULT_SCALE;
    pa->percpu_pagelist_high_fraction = 0;
    memcpy(pa->lowmem_reserve_ratio, DEFAULT_RATIO, sizeof DEFAULT_RATIO);
    pa->zones[1].managed -= late_pages;
    zones_set_defaults(pa, !config->transparent_hugepage_never);
    pa->zones[1].managed += late_pages;
    if (config->min_free_kbytes)
        page_alloc_set_min_free(pa, config->min_free_kbytes);
    if (scale != DEFAULT_SCALE)
        page_alloc_set_scale(pa, scale);
    if (fraction)
        page_alloc_set_pcp_fraction(pa, fraction);
    if (memcmp(ratio, DEFAULT_RATIO, sizeof ratio) != 0)
        page_alloc_set_reserve_ratio(pa, ratio);
}

/* All are Movable at first. In a hole nobody sets the type: it stays 0, Unmovable. Whole sections in a hole are absent. */
static void zones_set_pageblocks(struct page_alloc *pa, const struct boot_memory *boot)
{
    uint32_t hole = (uint32_t)(boot->low_end >> PAGE_SHIFT), hole_end = boot->high ? PFN_DMA32_END : 0;
    uint32_t absent = (hole + SECTION_PAGES - 1) & ~(SECTION_PAGES - 1);
    for (uint32_t pfn = 0; pfn < pa->frames->nr; pfn += PAGEBLOCK_PAGES) {
        bool is_hole = pfn >= hole && pfn < hole_end;
        *pageblock_at(pa, pfn) = !is_hole ? MT_MOVABLE : pfn < absent ? MT_UNMOVABLE : PAGEBLOCK_ABSENT;
    }
}

void zones_boot(struct page_alloc *pa, const struct machine_config *config)
{
    struct boot_memory boot;
    boot_memory_map(&boot, config);
    boot_memory_take(&boot);
    boot_memory_free_late(&boot);
    pa->nr_zones = 0;
    for (uint32_t i = 0; i < boot.nr_zones; i++)
        zones_add(pa, &boot.zones[i]);
    zones_set_pageblocks(pa, &boot);
    zones_fill(pa, &boot);
    zones_set_boot_limits(pa, config, boot.kernel->nr_late);
}
