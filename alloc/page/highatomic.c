/* HighAtomic pageblocks: the kernel keeps a few pageblocks for atomic requests of order 1 and more. The pageblock of a
 * block that such a request got is reserved, up to 1% of the zone and one more. Reclaim gives them back before it gives up.
 * Linux v6.1 mm/page_alloc.c: reserve_highatomic_pageblock(), unreserve_highatomic_pageblock(). */
#include "alloc/page/buddy.h"

void buddy_reserve_highatomic(struct page_alloc *pa, struct zone *zone, uint32_t pfn)
{
    if (zone->nr_reserved_highatomic >= zone->managed / 100 + PAGEBLOCK_PAGES)
        return;
    if (!migratetype_is_mergeable(pageblock_type(pa, pfn)))
        return;
    zone->nr_reserved_highatomic += PAGEBLOCK_PAGES;
    *pageblock_at(pa, pfn) = MT_HIGHATOMIC;
    buddy_move_pageblock(pa, zone, pfn, MT_HIGHATOMIC, NULL);
    TRACE_EVENT(pa->trace, .kind = EV_HIGHATOMIC, .pfn = pfn & ~(PAGEBLOCK_PAGES - 1), .zone = (uint8_t)zone->index);
}

/* The block of the lowest order on a HighAtomic list whose pageblock is still reserved; 0: none. */
static uint32_t page_find_highatomic(const struct page_alloc *pa, const struct zone *zone)
{
    for (uint32_t order = 0; order < MAX_ORDER; order++) {
        uint32_t pfn = zone->free_area[order][MT_HIGHATOMIC].first;
        if (pfn && pageblock_type(pa, pfn) == MT_HIGHATOMIC)
            return pfn;
    }
    return 0;
}

bool page_alloc_unreserve_highatomic(struct page_alloc *pa, uint32_t gfp, bool force)
{
    uint32_t migratetype = gfp_migratetype(gfp), highest = page_alloc_gfp_zone(gfp);
    for (uint32_t i = pa->nr_zones; i-- > 0;) {
        struct zone *zone = &pa->zones[i];
        if (zone->index > highest || (!force && zone->nr_reserved_highatomic <= PAGEBLOCK_PAGES))
            continue;
        uint32_t pfn = page_find_highatomic(pa, zone);
        if (!pfn)
            continue;
        zone->nr_reserved_highatomic -= PAGEBLOCK_PAGES;
        *pageblock_at(pa, pfn) = migratetype;
        bool moved = buddy_move_pageblock(pa, zone, pfn, migratetype, NULL) > 0;
        TRACE_EVENT(pa->trace, .kind = EV_UNRESERVE, .pfn = pfn & ~(PAGEBLOCK_PAGES - 1), .zone = (uint8_t)zone->index,
                    .migratetype = (uint8_t)migratetype, .ok = moved);
        if (moved)
            return true;
    }
    return false;
}
