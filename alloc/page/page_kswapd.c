/* What the page allocator asks of kswapd: when a zone counts as balanced, and when kswapd is woken. How it works is
 * reclaim's. */
#include "alloc/page/zone.h"

bool page_alloc_is_balanced(const struct page_alloc *pa, uint32_t order, uint32_t highest_zone)
{
    if (!pa->profile->has_migratetypes)
        return pa->zones[0].free_global > pa->zones[0].high;
    struct page_request request = { .order = order, .flags = ALLOC_WMARK_HIGH, .highest_zone = highest_zone };
    for (uint32_t i = 0; i < pa->nr_zones && pa->zones[i].index <= highest_zone; i++) {
        const struct zone *zone = &pa->zones[i];
        int64_t free = zone->free_global < zone->drift_mark ? zone_nr_free(pa, zone) : zone->free_global;
        if (zone_is_above(zone, &request, zone_mark(zone, ALLOC_WMARK_HIGH), highest_zone, free))
            return true;
    }
    return false;
}

/* pgdat_watermark_boosted() */
static bool page_zones_are_boosted(const struct page_alloc *pa, uint32_t highest_zone)
{
    for (uint32_t i = 0; i < pa->nr_zones && pa->zones[i].index <= highest_zone; i++)
        if (pa->zones[i].boost)
            return true;
    return false;
}

void page_wake_kswapd(struct page_alloc *pa, uint32_t highest_zone, uint32_t order)
{
    struct kswapd *kswapd = &pa->kswapd;
    trace_step(pa->trace, PATH_wakeup_kswapd);
    if (!kswapd->awake) {
        bool is_idle = page_alloc_is_balanced(pa, order, highest_zone) && !page_zones_are_boosted(pa, highest_zone);
        if (is_idle || kswapd->failures >= MAX_RECLAIM_RETRIES)
            return;
        kswapd->order = kswapd->highest_zone = 0;
    }
    kswapd->awake = 1;
    kswapd->order = order > kswapd->order ? order : kswapd->order;
    kswapd->highest_zone = highest_zone > kswapd->highest_zone ? highest_zone : kswapd->highest_zone;
    TRACE_EVENT(pa->trace, .kind = EV_WAKE_KSWAPD, .zone = (uint8_t)highest_zone, .order = (uint8_t)order);
}

void page_alloc_wake_kswapd(struct page_alloc *pa, uint32_t gfp, uint32_t order)
{
    if (!pa->profile->has_migratetypes)
        page_wake_kswapd(pa, 0, order);
    else if (gfp & __GFP_KSWAPD_RECLAIM)
        page_wake_kswapd(pa, page_alloc_gfp_zone(gfp), order);
}
