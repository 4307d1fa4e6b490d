/* When memory is compacted, and for whom: whether a zone has the pages that a run needs, how long a zone is left alone
 * after a failure, and the three callers: a request, kcompactd, a write to compact_memory. Linux v6.1 mm/compaction.c:
 * compaction_suitable(), defer_compaction(), try_to_compact_pages(). */
#include "alloc/reclaim/reclaim_internal.h"

#define EXTFRAG_THRESHOLD 500 /* vm.extfrag_threshold: below it, want of memory is to blame */
#define DEFER_SHIFT_MAX 6u

/* --- whether it is worth it --- */

/* compact_gap(): free pages that migration needs at once: twice the block. */
static uint32_t compact_gap(uint32_t order)
{
    return 2u << order;
}

/* __compaction_suitable().
 * free             pages that are taken to be free.
 * COMPACT_SUCCESS  the zone has such a block already.
 * COMPACT_SKIPPED  too little is free.
 * COMPACT_PARTIAL  compaction may begin. */
static enum compact_result compact_suitable(const struct reclaim *reclaim, const struct zone *zone, uint32_t order,
                                            uint32_t alloc_flags, uint32_t highest_zone, int64_t free)
{
    const struct page_request request = { .order = order, .flags = alloc_flags, .highest_zone = highest_zone };
    if (zone_watermark_ok(zone, &request, zone_mark(zone, alloc_flags), highest_zone))
        return COMPACT_SUCCESS;
    const struct page_request single = { .highest_zone = highest_zone };
    uint32_t needed = (order > COSTLY_ORDER ? zone->low : zone->min) + compact_gap(order);
    bool ok = zone_is_above(zone, &single, needed, highest_zone, free);
    TRACE_EVENT(reclaim->trace, .kind = EV_SUITABLE, .zone = (uint8_t)zone->index, .order = (uint8_t)order,
                .a = free < 0 ? 0 : (uint64_t)free, .b = needed, .ok = ok);
    return ok ? COMPACT_PARTIAL : COMPACT_SKIPPED;
}

/* compaction_suitable(). A costly order is skipped when memory is missing rather than order (vm.extfrag_threshold). */
static enum compact_result compact_suitable_now(const struct reclaim *reclaim, const struct zone *zone, uint32_t order,
                                                uint32_t alloc_flags, uint32_t highest_zone)
{
    enum compact_result result = compact_suitable(reclaim, zone, order, alloc_flags, highest_zone, zone->free_global);
    if (result != COMPACT_PARTIAL || order <= COSTLY_ORDER)
        return result;
    int32_t index = zone_fragmentation_index(zone, order);
    bool ok = index < 0 || index > EXTFRAG_THRESHOLD;
    TRACE_EVENT(reclaim->trace, .kind = EV_FRAGINDEX, .zone = (uint8_t)zone->index, .order = (uint8_t)order,
                .a = index < 0 ? 0 : (uint64_t)index, .ok = ok);
    return ok ? COMPACT_PARTIAL : COMPACT_SKIPPED;
}

bool compact_is_ready(const struct reclaim *reclaim, const struct zone *zone, uint32_t order, uint32_t highest_zone)
{
    enum compact_result result = compact_suitable_now(reclaim, zone, order, 0, highest_zone);
    if (result != COMPACT_PARTIAL)
        return result == COMPACT_SUCCESS;
    const struct page_request single = { .highest_zone = highest_zone };
    return zone_is_above(zone, &single, zone->high + compact_gap(order), highest_zone, zone_nr_free(reclaim->pages, zone));
}

/* May the request use the zone? */
static bool compact_may_use(const struct zone *zone, uint32_t gfp)
{
    return zone->index <= page_alloc_gfp_zone(gfp);
}

bool compact_is_worth_reclaim(struct reclaim *reclaim, uint32_t gfp, uint32_t order, uint32_t alloc_flags)
{
    for (uint32_t i = reclaim->pages->nr_zones; i-- > 0;) {
        const struct zone *zone = &reclaim->pages->zones[i];
        int64_t available = (int64_t)(lru_nr_reclaimable(reclaim, zone) / order) + zone_nr_free(reclaim->pages, zone);
        if (compact_may_use(zone, gfp) &&
            compact_suitable(reclaim, zone, order, alloc_flags, page_alloc_gfp_zone(gfp), available) != COMPACT_SKIPPED)
            return true;
    }
    return false;
}

/* --- putting it off --- */

/* defer_compaction(): after a failure the next attempts are left out: 1, then 3, 7, ... 63 of them. */
static void compact_defer(struct zone *zone, uint32_t order)
{
    zone->compact_considered = 0;
    if (zone->compact_defer_shift < DEFER_SHIFT_MAX)
        zone->compact_defer_shift++;
    if (!zone->compact_order_failed || order < zone->compact_order_failed)
        zone->compact_order_failed = order;
}

static bool compact_is_deferred(const struct reclaim *reclaim, struct zone *zone, uint32_t order)
{
    uint32_t limit = 1u << zone->compact_defer_shift;
    if (!zone->compact_order_failed || order < zone->compact_order_failed || ++zone->compact_considered >= limit)
        return false;
    TRACE_EVENT(reclaim->trace, .kind = EV_DEFERRED, .zone = (uint8_t)zone->index, .order = (uint8_t)order,
                .a = zone->compact_defer_shift);
    return true;
}

static void compact_stop_deferring(struct zone *zone, uint32_t order, bool allocated)
{
    if (allocated)
        zone->compact_considered = zone->compact_defer_shift = 0;
    if (zone->compact_order_failed && order >= zone->compact_order_failed)
        zone->compact_order_failed = order + 1;
}

void compact_note_success(struct reclaim *reclaim, uint32_t pfn, uint32_t order)
{
    compact_stop_deferring(zone_of_pfn(reclaim->pages, pfn), order, true);
}

/* --- who compacts --- */

enum compact_result compact_for_request(struct reclaim *reclaim, uint32_t gfp, uint32_t order, uint32_t alloc_flags,
                                        enum compact_priority priority)
{
    const struct compact_goal goal = { order, gfp_migratetype(gfp), priority == COMPACT_ASYNC };
    enum compact_result best = COMPACT_SKIPPED;
    struct worker worker = { .reclaim = reclaim };
    uint32_t nr_moved = 0;
    for (uint32_t i = reclaim->pages->nr_zones; (gfp & __GFP_IO) && i-- > 0;) {
        struct zone *zone = &reclaim->pages->zones[i];
        if (!compact_may_use(zone, gfp))
            continue;
        enum compact_result result = COMPACT_DEFERRED;
        if (priority == COMPACT_SYNC_FULL || !compact_is_deferred(reclaim, zone, order))
            result = compact_suitable_now(reclaim, zone, order, alloc_flags, page_alloc_gfp_zone(gfp));
        if (result == COMPACT_PARTIAL)
            result = compact_zone(&worker, zone, goal, &nr_moved);
        if (result > best)
            best = result;
        if (result == COMPACT_SUCCESS) {
            compact_stop_deferring(zone, order, false);
            return result;
        }
        if (priority != COMPACT_ASYNC && (result == COMPACT_COMPLETE || result == COMPACT_PARTIAL))
            compact_defer(zone, order);
    }
    return best;
}

void compact_in_background(struct worker *worker, uint32_t order, uint32_t highest_zone)
{
    struct reclaim *reclaim = worker->reclaim;
    uint32_t nr_moved = 0;
    if (!reclaim->profile->has_migratetypes || !order)
        return;
    reclaim_count(reclaim, VM_compact_daemon_wake, 1);
    for (uint32_t i = 0; i < reclaim->pages->nr_zones && reclaim->pages->zones[i].index <= highest_zone; i++) {
        struct zone *zone = &reclaim->pages->zones[i];
        if (compact_is_deferred(reclaim, zone, order) ||
            compact_suitable_now(reclaim, zone, order, 0, highest_zone) != COMPACT_PARTIAL)
            continue;
        enum compact_result result =
            compact_zone(worker, zone, (struct compact_goal){ order, MT_MOVABLE, false }, &nr_moved);
        if (result == COMPACT_SUCCESS)
            compact_stop_deferring(zone, order, false);
        else
            compact_defer(zone, order);
    }
}

uint32_t reclaim_compact_memory(struct reclaim *reclaim)
{
    struct worker worker = { .reclaim = reclaim };
    uint32_t nr_moved = 0;
    page_alloc_drain_all(reclaim->pages);
    for (uint32_t i = 0; i < reclaim->pages->nr_zones; i++)
        (void)compact_zone(&worker, &reclaim->pages->zones[i], (struct compact_goal){ .order = COMPACT_WHOLE }, &nr_moved);
    return nr_moved;
}
