/* kswapd: frees memory in the background. It is woken when an allocation finds free memory below the low mark, and works
 * until a zone stands above its high mark. Linux v6.1 mm/vmscan.c: kswapd(), balance_pgdat(). */
#include "alloc/reclaim/reclaim_internal.h"

#include <string.h>

static void kswapd_start(struct reclaim *reclaim)
{
    struct page_alloc *pa = reclaim->pages;
    struct kswapd *kswapd = &pa->kswapd;
    kswapd->is_working = 1;
    kswapd->priority = SCAN_PRIORITY;
    kswapd->nr_reclaimed = 0;
    for (uint32_t i = 0; i < pa->nr_zones; i++) {
        kswapd->boost[i] = pa->zones[i].boost;
        pa->zones[i].flags |= ZONE_RECLAIM_ACTIVE;
    }
    if (kswapd->busy_until_ns < trace_time(reclaim->trace))
        kswapd->busy_until_ns = trace_time(reclaim->trace);
    reclaim_count(reclaim, VM_pageoutrun, 1);
    TRACE_EVENT(reclaim->trace, .kind = EV_KSWAPD_WAKE, .zone = (uint8_t)kswapd->highest_zone,
                .order = (uint8_t)kswapd->order);
}

/* kswapd goes to sleep. It takes back the boost that it found when it woke. Memory is compacted then: for the order that it
 * was woken for, or for whole pageblocks after a boost, which means that types are being mixed. */
static void kswapd_stop(struct worker *worker, bool is_balanced)
{
    struct page_alloc *pa = worker->reclaim->pages;
    struct kswapd *kswapd = &pa->kswapd;
    bool was_boosted = false;
    for (uint32_t i = 0; i < pa->nr_zones; i++) {
        struct zone *zone = &pa->zones[i];
        was_boosted = was_boosted || kswapd->boost[i];
        zone->boost -= zone->boost < kswapd->boost[i] ? zone->boost : kswapd->boost[i];
        zone->flags &= ~(uint32_t)ZONE_RECLAIM_ACTIVE;
    }
    kswapd->awake = kswapd->is_working = 0;
    kswapd->failures = kswapd->nr_reclaimed || is_balanced ? 0 : kswapd->failures + 1;
    TRACE_EVENT(worker->reclaim->trace, .kind = EV_KSWAPD, .count = kswapd->nr_reclaimed);
    TRACE_EVENT(worker->reclaim->trace, .kind = EV_KSWAPD_SLEEP, .count = kswapd->nr_reclaimed, .ok = is_balanced);
    compact_in_background(worker, was_boosted ? PAGEBLOCK_ORDER : kswapd->order, kswapd->highest_zone);
}

/* One round of balance_pgdat(). It is done when a zone stands above its high mark, or when nothing can be freed at all.
 * The functions that free pages charge the running call. kswapd has a CPU of its own, so the call's bill is restored. */
static void kswapd_step(struct reclaim *reclaim)
{
    struct trace *t = reclaim->trace;
    uint64_t bill_ns = t->cost_ns;
    uint32_t bill[sizeof t->cost_count / sizeof t->cost_count[0]];
    memcpy(bill, t->cost_count, sizeof bill);
    struct kswapd *kswapd = &reclaim->pages->kswapd;
    struct worker worker = { .reclaim = reclaim, .is_background = true };
    bool is_balanced = page_alloc_is_balanced(reclaim->pages, kswapd->order, kswapd->highest_zone);
    if (is_balanced || !kswapd->priority) {
        kswapd_stop(&worker, is_balanced);
    } else {
        const struct lru_goal goal = { kswapd->priority, SWAP_CLUSTER_MAX, kswapd->highest_zone };
        uint32_t freed = lru_shrink(&worker, &goal);
        kswapd->nr_reclaimed += freed;
        if (freed < SWAP_CLUSTER_MAX)
            kswapd->priority--;
    }
    kswapd->busy_until_ns += worker.ns;
    t->cost_ns = bill_ns;
    memcpy(t->cost_count, bill, sizeof bill);
}

void reclaim_run_kswapd(struct reclaim *reclaim)
{
    const struct kswapd *kswapd = &reclaim->pages->kswapd;
    if (!kswapd->awake)
        return;
    if (!kswapd->is_working)
        kswapd_start(reclaim);
    while (kswapd->is_working && kswapd->busy_until_ns <= trace_time(reclaim->trace))
        kswapd_step(reclaim);
}
