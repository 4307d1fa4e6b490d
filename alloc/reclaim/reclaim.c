/* What an allocation goes through when the free lists have nothing for it. Linux v6.1 mm/page_alloc.c:
 * __alloc_pages_slowpath().
 *
 * A call that cannot sleep gets what the watermarks and its flags allow, or nothing. A call that can sleep goes on for as
 * long as the kernel's rules see hope:
 *
 *      walk  ->  attempt_compact_first()  ->  attempt_try_once(), again and again  ->  failure
 *                                               walk
 *                                               attempt_reclaim_and_walk()   frees pages: direct reclaim
 *                                               attempt_compact_and_walk()   moves pages
 *                                               attempt_kill_and_walk()      the OOM killer, when neither helps any more
 *
 * kswapd frees memory in the background meanwhile (kswapd.c). */
#include "alloc/reclaim/reclaim_internal.h"

/* --- a call that may sleep --- */

struct attempt {
    struct reclaim *reclaim;
    uint32_t gfp, order;
    uint32_t flags;        /* enum alloc_flag of its walks */
    uint32_t nr_reclaimed; /* of the last round */
    uint32_t no_progress_loops, compaction_retries;
    uint64_t nr_reclaimed_before; /* by anybody, when the round began */
    enum compact_priority priority;
    enum compact_result compacted;
};

static uint32_t attempt_walk(const struct attempt *at)
{
    return page_alloc_walk(at->reclaim->pages, at->gfp, at->order, at->flags);
}

static bool attempt_is_costly(const struct attempt *at)
{
    return at->order > COSTLY_ORDER;
}

static uint32_t attempt_highest_zone(const struct attempt *at)
{
    return page_alloc_gfp_zone(at->gfp);
}

/* Has some zone room enough to make a block of a costly order by moving pages? That is better than to free more. */
static bool attempt_can_compact_instead(const struct attempt *at)
{
    const struct page_alloc *pa = at->reclaim->pages;
    if (!attempt_is_costly(at) || !at->reclaim->profile->has_migratetypes)
        return false;
    for (uint32_t i = 0; i < pa->nr_zones && pa->zones[i].index <= attempt_highest_zone(at); i++)
        if (compact_is_ready(at->reclaim, &pa->zones[i], at->order, attempt_highest_zone(at)))
            return true;
    return false;
}

/* try_to_free_pages(): scans ever larger shares of the lists, until enough is free. Returns the pages that were freed; 1
 * when there are none, but compaction can go on instead. */
static uint32_t attempt_direct_reclaim(struct attempt *at)
{
    struct reclaim *reclaim = at->reclaim;
    struct worker worker = { .reclaim = reclaim };
    uint32_t freed = 0;
    bool enough = false;
    trace_step(reclaim->trace, PATH_try_to_free_pages);
    reclaim_count(reclaim, VM_allocstall_dma + attempt_highest_zone(at), 1);
    TRACE_EVENT(reclaim->trace, .kind = EV_SWAP_FULL, .count = reclaim->active.count + reclaim->inactive.count,
                .a = swap_nr_free(reclaim), .ok = swap_nr_free(reclaim) > 0);
    for (uint32_t priority = SCAN_PRIORITY + 1; priority-- > 0 && freed < SWAP_CLUSTER_MAX && !enough;) {
        const struct lru_goal goal = { priority, SWAP_CLUSTER_MAX - freed, attempt_highest_zone(at) };
        enough = attempt_can_compact_instead(at);
        if (!enough)
            freed += lru_shrink(&worker, &goal);
    }
    TRACE_EVENT(reclaim->trace, .kind = EV_DIRECT_RECLAIM, .order = (uint8_t)at->order, .count = freed);
    if (freed)
        reclaim->pages->kswapd.failures = 0;
    reclaim_run_kswapd(reclaim); /* which had the CPU while this call slept */
    return freed || !enough ? freed : 1;
}

/* __alloc_pages_direct_reclaim(). Before a second walk the reserved pageblocks and the per-CPU lists are let go. */
static uint32_t attempt_reclaim_and_walk(struct attempt *at)
{
    at->nr_reclaimed = attempt_direct_reclaim(at);
    if (!at->nr_reclaimed)
        return 0;
    uint32_t pfn = attempt_walk(at);
    if (pfn)
        return pfn;
    page_alloc_unreserve_highatomic(at->reclaim->pages, at->gfp, false);
    page_alloc_drain_all(at->reclaim->pages);
    return attempt_walk(at);
}

/* __alloc_pages_direct_compact() */
static uint32_t attempt_compact_and_walk(struct attempt *at)
{
    struct reclaim *reclaim = at->reclaim;
    if (!at->order)
        return 0;
    trace_step(reclaim->trace, PATH___alloc_pages_direct_compact);
    at->compacted = compact_for_request(reclaim, at->gfp, at->order, at->flags, at->priority);
    if (at->compacted == COMPACT_SKIPPED)
        return 0;
    reclaim_count(reclaim, VM_compact_stall, 1);
    uint32_t pfn = attempt_walk(at);
    if (pfn)
        compact_note_success(reclaim, pfn, at->order);
    reclaim_count(reclaim, pfn ? VM_compact_success : VM_compact_fail, 1);
    return pfn;
}

/* should_reclaim_retry(): would a zone do, if all that can be reclaimed were free? */
static bool attempt_should_reclaim_retry(struct attempt *at)
{
    struct page_alloc *pa = at->reclaim->pages;
    bool has_progress = at->nr_reclaimed && !attempt_is_costly(at);
    at->no_progress_loops = has_progress ? 0 : at->no_progress_loops + 1;
    if (at->no_progress_loops > MAX_RECLAIM_RETRIES)
        return page_alloc_unreserve_highatomic(pa, at->gfp, true);
    for (uint32_t i = pa->nr_zones; i-- > 0;) {
        const struct zone *zone = &pa->zones[i];
        if (zone->index > attempt_highest_zone(at))
            continue;
        const struct page_request request = { .order = at->order,
                                              .flags = at->flags,
                                              .highest_zone = attempt_highest_zone(at) };
        int64_t available = (int64_t)lru_nr_reclaimable(at->reclaim, zone) + zone_nr_free(pa, zone);
        bool ok = zone_is_above(zone, &request, zone->min + zone->boost, attempt_highest_zone(at), available);
        TRACE_EVENT(pa->trace, .kind = EV_RECLAIM_RETRY, .zone = (uint8_t)zone->index, .order = (uint8_t)at->order,
                    .a = available < 0 ? 0 : (uint64_t)available, .b = zone->min + zone->boost,
                    .count = at->no_progress_loops, .ok = ok);
        if (ok)
            return true;
    }
    return false;
}

static bool attempt_try_harder_to_compact(struct attempt *at)
{
    enum compact_priority least = attempt_is_costly(at) ? COMPACT_SYNC_LIGHT : COMPACT_SYNC_FULL;
    if (at->priority <= least)
        return false;
    at->priority--;
    at->compaction_retries = 0;
    return true;
}

/* should_compact_retry() */
static bool attempt_should_compact_retry(struct attempt *at)
{
    uint32_t limit = attempt_is_costly(at) ? MAX_RECLAIM_RETRIES / 4 : MAX_RECLAIM_RETRIES;
    bool ok;
    if (!at->order)
        return false;
    at->compaction_retries += at->compacted == COMPACT_SUCCESS;
    if (at->compacted == COMPACT_SKIPPED)
        ok = compact_is_worth_reclaim(at->reclaim, at->gfp, at->order, at->flags);
    else if (at->compacted == COMPACT_SUCCESS && at->compaction_retries <= limit)
        ok = true;
    else
        ok = attempt_try_harder_to_compact(at);
    TRACE_EVENT(at->reclaim->trace, .kind = EV_COMPACT_RETRY, .order = (uint8_t)at->order, .a = at->priority,
                .count = at->compaction_retries, .ok = ok);
    return ok;
}

/* __alloc_pages_may_oom().
 * killed  out: a process has been killed, so it is worth going on. */
static uint32_t attempt_kill_and_walk(struct attempt *at, bool *killed)
{
    struct reclaim *reclaim = at->reclaim;
    uint32_t pfn = page_alloc_walk(reclaim->pages, at->gfp & ~(uint32_t)__GFP_DIRECT_RECLAIM, at->order, ALLOC_WMARK_HIGH);
    *killed = false;
    if (pfn)
        return pfn;
    bool may_kill = !attempt_is_costly(at) && (at->gfp & __GFP_FS) && !(at->gfp & (__GFP_RETRY_MAYFAIL | __GFP_THISNODE)) &&
                    attempt_highest_zone(at) >= ZONE_NORMAL;
    if (!may_kill) {
        TRACE_EVENT(reclaim->trace, .kind = EV_OOM_REFUSED, .order = (uint8_t)at->order);
        return 0;
    }
    *killed = oom_kill(reclaim, at->gfp, at->order);
    return 0;
}

/* A process that the OOM killer chose may use the reserves, in order to end. It does not wait for more. */
static uint32_t attempt_walk_as_victim(struct attempt *at)
{
    at->flags = ALLOC_OOM | (at->flags & ALLOC_KSWAPD);
    return attempt_walk(at);
}

/* Reclaim leaves it to compaction, compaction wants more to be reclaimed, and so on. Linux goes round until somebody else
 * changes something. Here nobody else is there, so a round that changed nothing is followed by nothing else. */
static bool attempt_is_stuck(const struct attempt *at)
{
    return at->no_progress_loops > MAX_RECLAIM_RETRIES && at->compacted == COMPACT_SKIPPED &&
           at->reclaim->nr_reclaimed == at->nr_reclaimed_before;
}

/* One round of the slow path's loop.
 * again  out: the kernel's rules say that there is hope. */
static uint32_t attempt_try_once(struct attempt *at, bool *again)
{
    struct reclaim *reclaim = at->reclaim;
    uint32_t pfn;
    *again = false;
    at->nr_reclaimed_before = reclaim->nr_reclaimed;
    page_alloc_wake_kswapd(reclaim->pages, at->gfp, at->order);
    uint32_t reserve = page_alloc_reserve_flags(at->gfp);
    if (reserve)
        at->flags = reserve | (at->flags & ALLOC_KSWAPD);
    if ((pfn = attempt_walk(at)) || (pfn = attempt_reclaim_and_walk(at)) || (pfn = attempt_compact_and_walk(at)))
        return pfn;
    if (at->gfp & __GFP_NORETRY) {
        TRACE_EVENT(reclaim->trace, .kind = EV_NOPAGE_NORETRY, .order = (uint8_t)at->order);
        return 0;
    }
    if (attempt_is_costly(at) && !(at->gfp & __GFP_RETRY_MAYFAIL)) {
        TRACE_EVENT(reclaim->trace, .kind = EV_NOPAGE_COSTLY, .order = (uint8_t)at->order);
        return 0;
    }
    if (attempt_should_reclaim_retry(at) || (at->nr_reclaimed && attempt_should_compact_retry(at))) {
        *again = !attempt_is_stuck(at);
        if (*again)
            return 0;
    }
    if ((pfn = attempt_kill_and_walk(at, again)))
        return pfn;
    if (*again && oom_is_victim(reclaim, reclaim->trace->pid)) {
        *again = false;
        return attempt_walk_as_victim(at);
    }
    at->no_progress_loops = 0;
    return 0;
}

/* Before the loop: for a large block, moving pages costs less than freeing others.
 * again  out: the loop is worth trying. */
static uint32_t attempt_compact_first(struct attempt *at, bool *again)
{
    *again = true;
    bool is_unmovable = at->order && gfp_migratetype(at->gfp) != MT_MOVABLE;
    if ((!attempt_is_costly(at) && !is_unmovable) || page_alloc_reserve_flags(at->gfp))
        return 0;
    at->priority = COMPACT_ASYNC;
    uint32_t pfn = attempt_compact_and_walk(at);
    bool is_hopeless = at->compacted == COMPACT_SKIPPED || at->compacted == COMPACT_DEFERRED;
    if (!pfn && attempt_is_costly(at) && (at->gfp & __GFP_NORETRY) && is_hopeless) {
        TRACE_EVENT(at->reclaim->trace, .kind = EV_NOPAGE_NORETRY, .order = (uint8_t)at->order);
        *again = false;
    }
    if (!attempt_is_costly(at) || !(at->gfp & __GFP_NORETRY))
        at->priority = COMPACT_SYNC_LIGHT;
    return pfn;
}

/* __GFP_NOFAIL may use half of the reserve, then all of it. Linux goes on for ever after that. Here nobody else could free
 * memory meanwhile. */
static uint32_t attempt_must_not_fail(struct attempt *at)
{
    at->flags |= ALLOC_MIN_RESERVE;
    uint32_t pfn = attempt_walk(at);
    if (pfn)
        return pfn;
    at->flags = ALLOC_NO_WATERMARKS;
    return attempt_walk(at);
}

static uint32_t reclaim_alloc_sleeping(struct reclaim *reclaim, uint32_t gfp, uint32_t order)
{
    struct attempt at = { .reclaim = reclaim,
                          .gfp = gfp,
                          .order = order,
                          .flags = page_alloc_slow_flags(gfp, order),
                          .priority = COMPACT_SYNC_LIGHT };
    page_alloc_wake_kswapd(reclaim->pages, gfp, order);
    bool again = false;
    uint32_t pfn = attempt_walk(&at);
    if (!pfn && oom_is_victim(reclaim, reclaim->trace->pid))
        return attempt_walk_as_victim(&at);
    if (!pfn)
        pfn = attempt_compact_first(&at, &again);
    while (!pfn && again)
        pfn = attempt_try_once(&at, &again);
    if (!pfn && (gfp & __GFP_NOFAIL))
        pfn = attempt_must_not_fail(&at);
    return pfn;
}

/* Linux 2.0: try_to_free_page() and another walk, as long as a page is found. A page fault that gets nothing ends its
 * process.
 */
static uint32_t reclaim_alloc_classic(struct reclaim *reclaim, uint32_t gfp, uint32_t order)
{
    struct attempt at = { .reclaim = reclaim, .gfp = gfp, .order = order };
    uint32_t pfn;
    do
        pfn = page_alloc_slow(reclaim->pages, gfp, order);
    while (!pfn && gfp_may_sleep(gfp) && attempt_direct_reclaim(&at));
    if (!pfn && (gfp & __GFP_MOVABLE))
        oom_kill_current(reclaim);
    return pfn;
}

static uint32_t reclaim_alloc_slowly(struct reclaim *reclaim, uint32_t gfp, uint32_t order)
{
    uint32_t pfn;
    trace_step(reclaim->trace, PATH___alloc_pages_slowpath);
    TRACE_EVENT(reclaim->trace, .kind = EV_SLOWPATH, .order = (uint8_t)order);
    if (!reclaim->profile->has_migratetypes) {
        pfn = reclaim_alloc_classic(reclaim, gfp, order);
    } else if (gfp_may_sleep(gfp)) {
        pfn = reclaim_alloc_sleeping(reclaim, gfp, order);
    } else {
        pfn = page_alloc_slow(reclaim->pages, gfp, order);
        if (!pfn)
            TRACE_EVENT(reclaim->trace, .kind = EV_NOPAGE_NOWAIT, .order = (uint8_t)order);
    }
    if (pfn)
        return pfn;
    TRACE_EVENT(reclaim->trace, .kind = EV_NOPAGE, .order = (uint8_t)order);
    if (!(gfp & __GFP_NOWARN))
        show_alloc_failure(reclaim, gfp, order);
    return 0;
}

uint32_t reclaim_alloc_pages(struct reclaim *reclaim, uint32_t gfp, uint32_t order)
{
    if (order >= reclaim->profile->nr_orders)
        return 0;
    uint32_t pfn = page_alloc_fast(reclaim->pages, gfp, order);
    return pfn ? pfn : reclaim_alloc_slowly(reclaim, gfp, order);
}

uint32_t reclaim_alloc_bulk(struct reclaim *reclaim, uint32_t gfp, uint32_t nr, uint32_t *pfns)
{
    uint32_t got = nr > 1 ? page_alloc_bulk(reclaim->pages, gfp, nr, pfns) : 0;
    if (got || !nr)
        return got;
    pfns[0] = reclaim_alloc_pages(reclaim, gfp, 0); /* one at least, the ordinary way, as __alloc_pages_bulk() */
    return pfns[0] ? 1 : 0;
}
