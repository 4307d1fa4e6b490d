/* Compaction moves anonymous user pages to the upper end of a zone. Free memory then lies at the lower end, in large
 * blocks. Linux v6.1 mm/compaction.c; there pageblocks that were of no use are skipped for a while, too.
 *
 * Two scanners walk towards each other. The migrate scanner goes up and collects pages to move. The free scanner goes down
 * through Movable pageblocks and collects free pages to move them to. The page-table entries of all owners are changed by
 * way of the reverse map.
 *
 *      start of the zone                                    its end
 *      |a.a..u.a|..a.....|...a...u|...a....|........|.......a|       a: user page, u: kernel page, .: free
 *       migrate ->                                  <- free
 *
 *      |......u.|........|...a...u|...a....|........|...aaaaa|
 *                         migrate ->                <- free
 *
 * A run ends when the scanners meet, or when a block of the wanted order is there. The next run goes on at the same places.
 */
#include "alloc/reclaim/reclaim_internal.h"
#include "alloc/page/buddy.h"

#define COMPACT_CLUSTER_MAX 32u /* pages moved at a time */

struct compact_control {
    struct worker *worker;
    struct reclaim *reclaim;
    struct zone *zone;
    uint32_t order, migratetype;                   /* of the request that waits */
    bool is_async;                                 /* looks into pageblocks of the request's type only */
    bool is_whole;                                 /* began at the zone's ends */
    uint32_t migrate_pfn, free_pfn;                /* next pfn to look at; end of the next pageblock to look at */
    uint32_t nr_pages, pages[COMPACT_CLUSTER_MAX]; /* to be moved */
    struct index_list free;                        /* taken off the buddy lists */
    uint32_t nr_moved;
    uint32_t drained_pfn; /* pages that were freed below it are on no per-CPU list any more */
};

static uint32_t compact_zone_end(const struct zone *zone)
{
    return zone->start_pfn + zone->spanned;
}

static uint32_t compact_block_of(uint32_t pfn)
{
    return pfn & ~(PAGEBLOCK_PAGES - 1);
}

static bool compact_scanners_met(const struct compact_control *cc)
{
    return compact_block_of(cc->migrate_pfn) >= compact_block_of(cc->free_pfn - 1);
}

/* --- the migrate scanner --- */

static bool compact_is_source(const struct compact_control *cc, uint32_t pfn)
{
    if (!cc->is_async)
        return true;
    return pageblock_type(cc->reclaim->pages, pfn) == cc->migratetype;
}

/* The migrate scanner: collects pages of one pageblock, at most COMPACT_CLUSTER_MAX. */
static void compact_isolate_pages(struct compact_control *cc)
{
    const struct frames *frames = cc->reclaim->frames;
    uint32_t end = compact_block_of(cc->migrate_pfn) + PAGEBLOCK_PAGES;
    if (!compact_is_source(cc, cc->migrate_pfn))
        cc->migrate_pfn = end;
    while (cc->migrate_pfn < end && cc->migrate_pfn < compact_zone_end(cc->zone) && cc->nr_pages < COMPACT_CLUSTER_MAX) {
        const struct frame *frame = frame_at(frames, cc->migrate_pfn);
        reclaim_count(cc->reclaim, VM_compact_migrate_scanned, 1);
        if (frame->kind == FRAME_ANON)
            cc->pages[cc->nr_pages++] = cc->migrate_pfn;
        cc->migrate_pfn += frame->kind == FRAME_NONE ? 1 : 1u << frame->order;
    }
}

/* --- the free scanner --- */

static bool compact_is_target(const struct compact_control *cc, uint32_t pfn)
{
    const struct frame *frame = frame_at(cc->reclaim->frames, pfn);
    if (frame->kind == FRAME_FREE && frame->order >= PAGEBLOCK_ORDER)
        return false; /* a large block is not broken in order to make one */
    return pageblock_type(cc->reclaim->pages, pfn) == MT_MOVABLE;
}

/* __isolate_free_page(): takes a block off its list, and makes single pages of it. False: the zone cannot spare it. */
static bool compact_isolate_block(struct compact_control *cc, uint32_t pfn)
{
    struct page_alloc *pa = cc->reclaim->pages;
    uint32_t order = frame_at(pa->frames, pfn)->order, nr = 1u << order;
    const struct page_request request = { .flags = ALLOC_WMARK_MIN };
    if (!zone_watermark_ok(cc->zone, &request, cc->zone->min + nr, 0))
        return false;
    buddy_remove(pa, cc->zone, pfn);
    zone_add_free(pa, cc->zone, -(int32_t)nr);
    frame_set_kind(pa->frames, pfn, FRAME_NONE, 0);
    for (uint32_t i = 0; i < nr; i++) {
        struct frame *frame = frame_at(pa->frames, pfn + i);
        frame_set_kind(pa->frames, pfn + i, FRAME_KERNEL, 0);
        frame->flags = 0;
        frame_list_push_head(pa->frames, &cc->free, pfn + i); /* so that the highest is used first */
    }
    reclaim_count(cc->reclaim, VM_compact_isolated, nr);
    return true;
}

static void compact_isolate_from_block(struct compact_control *cc, uint32_t start)
{
    const struct frames *frames = cc->reclaim->frames;
    uint32_t end = start + PAGEBLOCK_PAGES;
    if (start < cc->zone->start_pfn)
        start = cc->zone->start_pfn;
    for (uint32_t pfn = start; pfn < end && pfn < compact_zone_end(cc->zone) && cc->free.count < cc->nr_pages;) {
        const struct frame *frame = frame_at(frames, pfn);
        uint32_t nr = frame->kind == FRAME_NONE ? 1 : 1u << frame->order;
        reclaim_count(cc->reclaim, VM_compact_free_scanned, 1);
        if (frame->kind == FRAME_FREE && !compact_isolate_block(cc, pfn))
            return;
        pfn += nr;
    }
}

/* The free scanner: goes down until there is a free page for each page that was collected, or the scanners meet. */
static void compact_isolate_free_pages(struct compact_control *cc)
{
    while (cc->free.count < cc->nr_pages && !compact_scanners_met(cc)) {
        uint32_t start = compact_block_of(cc->free_pfn - 1);
        if (compact_is_target(cc, start < cc->zone->start_pfn ? cc->zone->start_pfn : start))
            compact_isolate_from_block(cc, start);
        if (cc->free.count < cc->nr_pages)
            cc->free_pfn = start;
    }
}

/* --- moving --- */

static bool compact_point_to(struct reclaim *reclaim, struct reclaim_space *space, uint64_t slot, uint32_t to)
{
    uint64_t entry = pte_load(reclaim->frames, reclaim->profile, slot);
    uint64_t moved = pte_make(to, 0) | (entry & ~pte_make(pte_pfn(entry), 0));
    pte_store(reclaim->frames, reclaim->profile, slot, moved);
    space->generation++;
    return false;
}

/* The bytes move to the new frame. The old frame reads as zeroes afterwards. */
static void compact_move_page(struct compact_control *cc, uint32_t from)
{
    struct reclaim *reclaim = cc->reclaim;
    struct frame *old = frame_at(reclaim->frames, from);
    uint32_t to = cc->free.first;
    struct frame *new = frame_at(reclaim->frames, to);
    frame_list_remove(reclaim->frames, &cc->free, to);
    TRACE_EVENT(reclaim->trace, .kind = EV_MIGRATE, .pfn = to, .a = from,
                .pid = reclaim_space_at(reclaim, reclaim_owner(old))->pid, .address = ANON_VPN(old->index) << PAGE_SHIFT);
    lru_each_mapping(reclaim, from, to, compact_point_to);
    contents_give(reclaim->frames, new->contents);
    new->contents = old->contents;
    old->contents = 0;
    lru_replace(reclaim, from, to);
    page_free(reclaim->pages, from, 0);
    worker_cost(cc->worker, COST_COPY_PAGE, 1);
    worker_cost(cc->worker, COST_PTE, 1);
    reclaim_count(reclaim, VM_pgmigrate_success, 1);
    cc->nr_moved++;
}

/* Moves the collected pages, as far as there are free ones. */
static void compact_move_pages(struct compact_control *cc)
{
    compact_isolate_free_pages(cc);
    for (uint32_t i = 0; i < cc->nr_pages && cc->free.first; i++)
        compact_move_page(cc, cc->pages[i]);
    cc->nr_pages = 0;
}

/* --- one zone --- */

/* Is there a block that the request could have? */
static bool compact_has_block_for(const struct compact_control *cc)
{
    for (uint32_t order = cc->order; order < MAX_ORDER; order++) {
        if (cc->zone->free_area[order][cc->migratetype].first)
            return true;
        if (buddy_find_fallback(cc->zone, order, cc->migratetype) < NR_MIGRATETYPES &&
            buddy_claims_pageblock(order, cc->migratetype))
            return true;
    }
    return false;
}

/* Freed pages wait on per-CPU lists, where they cannot merge. They go back when the migrate scanner has passed a block of
 * the order. */
static void compact_drain_behind(struct compact_control *cc)
{
    uint32_t passed = cc->migrate_pfn & ~((1u << (cc->order < MAX_ORDER ? cc->order : PAGEBLOCK_ORDER)) - 1);
    if (passed <= cc->drained_pfn)
        return;
    page_alloc_drain(cc->reclaim->pages, cc->reclaim->trace->cpu);
    cc->drained_pfn = passed;
}

/* Free pages that were not used go back to the free lists. The free scanner goes back, too, so that it finds them again. */
static void compact_release_free_pages(struct compact_control *cc)
{
    while (cc->free.first) {
        uint32_t pfn = cc->free.first;
        frame_list_remove(cc->reclaim->frames, &cc->free, pfn);
        page_free(cc->reclaim->pages, pfn, 0);
        if (compact_block_of(pfn) + PAGEBLOCK_PAGES > cc->free_pfn)
            cc->free_pfn = compact_block_of(pfn) + PAGEBLOCK_PAGES;
    }
    page_alloc_drain(cc->reclaim->pages, cc->reclaim->trace->cpu);
}

static void compact_start_scanners(struct compact_control *cc)
{
    struct zone *zone = cc->zone;
    uint32_t end = compact_zone_end(zone);
    bool has_place = zone->compact_migrate_pfn >= zone->start_pfn && zone->compact_free_pfn > zone->start_pfn &&
                     zone->compact_migrate_pfn < end && zone->compact_free_pfn <= end + PAGEBLOCK_PAGES;
    if (cc->order == COMPACT_WHOLE || !has_place) {
        zone->compact_migrate_pfn = zone->start_pfn;
        zone->compact_free_pfn = compact_block_of(end - 1) + PAGEBLOCK_PAGES;
    }
    cc->migrate_pfn = cc->drained_pfn = zone->compact_migrate_pfn;
    cc->free_pfn = zone->compact_free_pfn;
    cc->is_whole = cc->migrate_pfn == zone->start_pfn;
}

static enum compact_result compact_finish(struct compact_control *cc, bool found)
{
    struct zone *zone = cc->zone;
    bool met = compact_scanners_met(cc);
    compact_release_free_pages(cc);
    zone->compact_migrate_pfn = met ? 0 : cc->migrate_pfn;
    zone->compact_free_pfn = met ? 0 : cc->free_pfn;
    if (!found && cc->order != COMPACT_WHOLE)
        found = compact_has_block_for(cc); /* the last pages have only now left the per-CPU lists */
    if (found)
        return COMPACT_SUCCESS;
    return cc->is_whole ? COMPACT_COMPLETE : COMPACT_PARTIAL;
}

static enum compact_result compact_run(struct compact_control *cc)
{
    bool found = false;
    compact_start_scanners(cc);
    TRACE_EVENT(cc->reclaim->trace, .kind = EV_COMPACT_BEGIN, .zone = (uint8_t)cc->zone->index,
                .order = (uint8_t)(cc->order < MAX_ORDER ? cc->order : MAX_ORDER - 1), .pfn = cc->migrate_pfn,
                .a = cc->free_pfn);
    while (!found && !compact_scanners_met(cc)) {
        compact_isolate_pages(cc);
        if (cc->nr_pages)
            compact_move_pages(cc);
        compact_drain_behind(cc);
        bool at_block_end = !(cc->migrate_pfn & (PAGEBLOCK_PAGES - 1)); /* a pageblock is gone through to its end */
        found = at_block_end && cc->order < MAX_ORDER && compact_has_block_for(cc);
    }
    enum compact_result result = compact_finish(cc, found);
    TRACE_EVENT(cc->reclaim->trace, .kind = EV_COMPACT_END, .zone = (uint8_t)cc->zone->index, .pfn = cc->migrate_pfn,
                .a = cc->free_pfn, .count = cc->nr_moved, .ok = result == COMPACT_SUCCESS);
    return result;
}

enum compact_result compact_zone(struct worker *worker, struct zone *zone, struct compact_goal goal, uint32_t *nr_moved)
{
    struct compact_control cc = { .worker = worker,
                                  .reclaim = worker->reclaim,
                                  .zone = zone,
                                  .order = goal.order,
                                  .migratetype = goal.migratetype,
                                  .is_async = goal.is_async };
    enum compact_result result = compact_run(&cc);
    *nr_moved += cc.nr_moved;
    return result;
}
