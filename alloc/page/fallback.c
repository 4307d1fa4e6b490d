/* Stealing: a migratetype that has no block left takes one from another type. It takes the largest block there is. Later
 * requests then find more memory in the same pageblock, and few pageblocks hold two types.
 *
 * How much changes hands depends on the block, on who asks, and on the block's pageblock:
 *
 *      |uu......u.....mm....[ block ]..|     a pageblock. u: kernel pages, m: pages that can be migrated, .: free
 *
 *      the block is a pageblock or more      it moves, and its pageblocks change their type
 *      free pages and pages like those of    all free blocks of the pageblock move, and it changes its type
 *        the thief are half of it or more
 *      they are less than half of it         all free blocks of the pageblock move; it keeps its type
 *      a Movable request, a block below      only the block moves
 *        order 4, a HighAtomic pageblock, or
 *        a pageblock that the zone's end cuts
 *
 * Compaction cannot empty a pageblock in which kernel pages lie. So each theft below a pageblock's size raises the zone's
 * watermarks for a while: kswapd frees memory up to them, and the next request finds a block of its own type. */
#include "alloc/page/buddy.h"

#define BOOST_PERCENT 150u /* watermark_boost_factor 15000: the most, as a share of the high watermark */

static const uint8_t FALLBACKS[NR_PCP_TYPES][NR_PCP_TYPES - 1] = {
    [MT_UNMOVABLE] = { MT_RECLAIMABLE, MT_MOVABLE },
    [MT_MOVABLE] = { MT_RECLAIMABLE, MT_UNMOVABLE },
    [MT_RECLAIMABLE] = { MT_UNMOVABLE, MT_MOVABLE },
};

uint32_t buddy_find_fallback(const struct zone *zone, uint32_t order, uint32_t migratetype)
{
    for (uint32_t i = 0; i < NR_PCP_TYPES - 1; i++)
        if (zone->free_area[order][FALLBACKS[migratetype][i]].first)
            return FALLBACKS[migratetype][i];
    return NR_MIGRATETYPES;
}

/* Only Movable requests may take a small block and leave the rest of its pageblock: compaction can undo that. */
bool buddy_claims_pageblock(uint32_t order, uint32_t migratetype)
{
    return order >= PAGEBLOCK_ORDER / 2 || migratetype != MT_MOVABLE;
}

/* Raises the zone's marks by a pageblock. Zones of less than four pageblocks are left alone. */
static void buddy_boost_watermark(struct zone *zone, uint32_t flags)
{
    if (PAGEBLOCK_PAGES * 4 > zone->managed)
        return;
    uint32_t most = (uint32_t)((uint64_t)zone->high * BOOST_PERCENT / 100);
    if (!most)
        return;
    if (most < PAGEBLOCK_PAGES)
        most = PAGEBLOCK_PAGES;
    zone->boost = zone->boost + PAGEBLOCK_PAGES < most ? zone->boost + PAGEBLOCK_PAGES : most;
    if (flags & ALLOC_KSWAPD)
        zone->flags |= ZONE_BOOSTED_WATERMARK;
}

uint32_t buddy_move_pageblock(struct page_alloc *pa, struct zone *zone, uint32_t pfn, uint32_t migratetype,
                              uint32_t *movable)
{
    uint32_t at = pfn & ~(PAGEBLOCK_PAGES - 1);
    uint32_t end = at + PAGEBLOCK_PAGES;
    uint32_t nr_moved = 0;
    if (movable)
        *movable = 0;
    if (!zone_has_pfn(zone, at))
        at = pfn; /* cut by the zone's start: scanned from the page itself */
    if (!zone_has_pfn(zone, end - 1))
        return 0; /* cut by its end: not at all */
    while (at < end) {
        const struct frame *frame = frame_at(pa->frames, at);
        if (frame->kind != FRAME_FREE) {
            if (movable)
                *movable += frame_is_migratable(frame);
            at++;
            continue;
        }
        uint32_t nr_pages = 1u << frame->order;
        buddy_move(pa, zone, at, migratetype);
        nr_moved += nr_pages;
        at += nr_pages;
    }
    return nr_moved;
}

/* Moves the free blocks of the block's pageblock, and changes its type if half of it fits. False: nothing was moved. */
static bool buddy_steal_pageblock(struct page_alloc *pa, struct zone *zone, uint32_t pfn, uint32_t migratetype)
{
    uint32_t old_type = pageblock_type(pa, pfn);
    uint32_t movable;
    uint32_t nr_moved = buddy_move_pageblock(pa, zone, pfn, migratetype, &movable);
    if (!nr_moved)
        return false;
    uint32_t alike = 0;
    if (migratetype == MT_MOVABLE)
        alike = movable;
    else if (old_type == MT_MOVABLE) /* what is neither free nor movable is taken for kernel pages */
        alike = PAGEBLOCK_PAGES - (nr_moved + movable);
    if (nr_moved + alike >= PAGEBLOCK_PAGES / 2) {
        *pageblock_at(pa, pfn) = migratetype;
        TRACE_EVENT(pa->trace, .kind = EV_STEAL, .pfn = pfn & ~(PAGEBLOCK_PAGES - 1), .migratetype = (uint8_t)migratetype,
                    .count = nr_moved);
    }
    return true;
}

static void buddy_steal_block(struct page_alloc *pa, struct zone *zone, uint32_t pfn, uint32_t migratetype, uint32_t flags)
{
    uint32_t order = frame_at(pa->frames, pfn)->order;
    if (pageblock_type(pa, pfn) == MT_HIGHATOMIC) {
        buddy_move(pa, zone, pfn, migratetype);
        return;
    }
    if (order >= PAGEBLOCK_ORDER) {
        for (uint32_t i = 0; i < 1u << order; i += PAGEBLOCK_PAGES)
            *pageblock_at(pa, pfn + i) = migratetype;
        TRACE_EVENT(pa->trace, .kind = EV_STEAL, .pfn = pfn, .migratetype = (uint8_t)migratetype, .count = 1u << order);
        buddy_move(pa, zone, pfn, migratetype);
        return;
    }
    buddy_boost_watermark(zone, flags);
    if (!buddy_claims_pageblock(order, migratetype) || !buddy_steal_pageblock(pa, zone, pfn, migratetype))
        buddy_move(pa, zone, pfn, migratetype);
}

/* The order to steal from: the largest that has a block. A request that would not claim the pageblock takes the smallest
 * that fits instead. MAX_ORDER: no order has a block. */
static uint32_t buddy_pick_order(const struct zone *zone, uint32_t order, uint32_t migratetype, uint32_t flags)
{
    uint32_t lowest = (flags & ALLOC_NOFRAGMENT) && order < PAGEBLOCK_ORDER ? PAGEBLOCK_ORDER : order;
    uint32_t at = MAX_ORDER - 1;
    while (buddy_find_fallback(zone, at, migratetype) == NR_MIGRATETYPES)
        if (at-- == lowest)
            return MAX_ORDER;
    if (buddy_claims_pageblock(at, migratetype) || at == order)
        return at;
    for (at = order; buddy_find_fallback(zone, at, migratetype) == NR_MIGRATETYPES;)
        at++;
    return at;
}

bool buddy_steal(struct page_alloc *pa, struct zone *zone, uint32_t order, uint32_t migratetype, uint32_t flags)
{
    uint32_t from = buddy_pick_order(zone, order, migratetype, flags);
    if (from == MAX_ORDER)
        return false;
    trace_step(pa->trace, PATH___rmqueue_fallback);
    uint32_t type = buddy_find_fallback(zone, from, migratetype);
    uint32_t pfn = zone->free_area[from][type].first;
    buddy_steal_block(pa, zone, pfn, migratetype, flags);
    TRACE_EVENT(pa->trace, .kind = EV_EXTFRAG, .pfn = pfn, .order = (uint8_t)order, .migratetype = (uint8_t)migratetype,
                .a = from, .b = type);
    return true;
}
