/* Per-CPU lists keep pages that were freed a moment ago, so that most requests never touch the zone's lists. An empty list
 * is refilled by a batch of blocks. When a CPU holds too many pages, some go back to the buddy lists.
 *
 * free_factor says how many: 2^free_factor batches. It grows by one with each overflow, and halves with each allocation. So
 * a CPU that does nothing but free soon frees in bulk. */
#include "alloc/page/pcp.h"

#define BATCH_SCALE_MAX 5u
#define COSTLY_ORDER 3u
#define LIST_HUGE (NR_PCP_TYPES * (COSTLY_ORDER + 1)) /* order 9: one list for Movable, one for all else */

static uint32_t pcp_list_index(uint32_t order, uint32_t migratetype)
{
    if (order > COSTLY_ORDER)
        return LIST_HUGE + (migratetype == MT_MOVABLE);
    return NR_PCP_TYPES * order + migratetype;
}

static uint32_t pcp_list_order(uint32_t index)
{
    return index < LIST_HUGE ? index / NR_PCP_TYPES : PAGEBLOCK_ORDER;
}

/* rmqueue_bulk(): a batch of blocks goes to the tail of an empty list, in the order in which the buddy lists gave them. A
 * batch of more than one page is two blocks at least. */
static void pcp_refill(struct page_alloc *pa, struct zone *zone, struct pcp *pcp, struct index_list *list, uint32_t order,
                       uint32_t migratetype, uint32_t flags)
{
    uint32_t batch = pcp->batch;
    if (batch > 1)
        batch = batch >> order > 2 ? batch >> order : 2;
    trace_step(pa->trace, PATH_rmqueue_bulk);
    uint32_t nr_blocks = 0;
    while (nr_blocks < batch) {
        uint32_t pfn = buddy_take(pa, zone, order, migratetype, flags);
        if (!pfn)
            break;
        frame_set_kind(pa->frames, pfn, FRAME_PCP, order);
        frame_at(pa->frames, pfn)->migratetype = (uint8_t)migratetype;
        frame_list_push_tail(pa->frames, list, pfn);
        nr_blocks++;
    }
    zone_add_free(pa, zone, -(int32_t)(nr_blocks << order));
    pcp->count += nr_blocks << order;
    TRACE_EVENT(pa->trace, .kind = EV_PCP_REFILL, .zone = (uint8_t)zone->index, .order = (uint8_t)order,
                .migratetype = (uint8_t)migratetype, .count = nr_blocks << order);
}

uint32_t pcp_take(struct page_alloc *pa, struct zone *zone, struct pcp *pcp, uint32_t order, uint32_t migratetype,
                  uint32_t flags)
{
    struct index_list *list = &pcp->lists[pcp_list_index(order, migratetype)];
    trace_step(pa->trace, PATH_rmqueue_pcplist);
    TRACE_EVENT(pa->trace, .kind = EV_TRY_PCP, .zone = (uint8_t)zone->index, .order = (uint8_t)order,
                .migratetype = (uint8_t)migratetype, .count = list->count << order, .ok = list->first != 0);
    if (!list->first)
        pcp_refill(pa, zone, pcp, list, order, migratetype, flags);
    uint32_t pfn = list->first;
    if (!pfn)
        return 0;
    frame_list_remove(pa->frames, list, pfn);
    pcp->count -= 1u << order;
    trace_cost(pa->trace, COST_PCP, 1);
    return pfn;
}

/* free_pcppages_bulk(): gives nr_pages back to the buddy lists. It begins with the list `from` and goes round the lists. It
 * empties each from its tail, where the pages are that have waited longest. Blocks are not cut, so a few pages more may go.
 *
 *      list      0   1   2   3   4 ... 13        from = 2, nr_pages = 7
 *      pages     -   6   4   -   8      -
 *                        |       |
 *                        4 go    4 go: blocks of list 4 have two pages
 *
 * first and last bound the round. An empty list at an end of the round is left out from then on. */
static void pcp_free_bulk(struct page_alloc *pa, struct zone *zone, struct pcp *pcp, uint32_t nr_pages, uint32_t from)
{
    trace_step(pa->trace, PATH_free_pcppages_bulk);
    int32_t left = (int32_t)(nr_pages < pcp->count ? nr_pages : pcp->count);
    int32_t at = (int32_t)from - 1, first = 0, last = NR_PCP_LISTS - 1;
    while (left > 0) {
        for (;;) {
            if (++at > last)
                at = first;
            if (pcp->lists[at].first)
                break;
            last -= at == last;
            first += at == first;
        }
        struct index_list *list = &pcp->lists[at];
        uint32_t order = pcp_list_order((uint32_t)at);
        do {
            uint32_t pfn = list->last;
            uint32_t migratetype = frame_at(pa->frames, pfn)->migratetype;
            frame_list_remove(pa->frames, list, pfn);
            left -= 1 << order;
            pcp->count -= 1u << order;
            if (list->last)
                __builtin_prefetch(frame_at(pa->frames, list->last ^ 1u << order));
            buddy_free(pa, zone, pfn, order, migratetype);
            TRACE_EVENT(pa->trace, .kind = EV_PCP_DRAIN, .pfn = pfn, .order = (uint8_t)order,
                        .migratetype = (uint8_t)migratetype);
        } while (left > 0 && list->first);
    }
}

/* Blocks of order 1 to 3 that come back while the CPU frees in bulk are not kept: their limit is 0. */
static bool pcp_frees_high_order(const struct pcp *pcp, uint32_t order)
{
    return pcp->free_factor && order && order <= COSTLY_ORDER;
}

/* nr_pcp_high(): pages that the CPU may hold. Fewer while kswapd works on the zone. */
static uint32_t pcp_high_limit(const struct zone *zone, const struct pcp *pcp, uint32_t order)
{
    if (pcp_frees_high_order(pcp, order))
        return 0;
    if ((zone->flags & ZONE_RECLAIM_ACTIVE) && pcp->batch << 2 < pcp->high)
        return pcp->batch << 2;
    return pcp->high;
}

/* nr_pcp_free(): pages that go back at an overflow. A batch stays. */
static uint32_t pcp_nr_to_free(struct pcp *pcp, uint32_t high, uint32_t order)
{
    if (pcp_frees_high_order(pcp, order))
        return pcp->count;
    if (high < pcp->batch)
        return 1;
    uint32_t most = high - pcp->batch;
    uint32_t nr_pages = pcp->batch << pcp->free_factor;
    if (nr_pages < most && pcp->free_factor < BATCH_SCALE_MAX)
        pcp->free_factor++;
    if (nr_pages < pcp->batch)
        nr_pages = pcp->batch;
    return nr_pages < most ? nr_pages : most;
}

void pcp_free(struct page_alloc *pa, struct zone *zone, uint32_t pfn, uint32_t order)
{
    uint32_t migratetype = pageblock_type(pa, pfn);
    if (migratetype == MT_ISOLATE) {
        buddy_free(pa, zone, pfn, order, migratetype);
        return;
    }
    /* HighAtomic pages wait among the Movable ones. frame.migratetype remembers where they belong. */
    uint32_t index = pcp_list_index(order, migratetype < NR_PCP_TYPES ? migratetype : MT_MOVABLE);
    struct pcp *pcp = zone_pcp(pa, zone, pa->trace->cpu);
    trace_step(pa->trace, PATH_free_unref_page);
    trace_cost(pa->trace, COST_PCP, 1);
    frame_set_kind(pa->frames, pfn, FRAME_PCP, order);
    frame_at(pa->frames, pfn)->migratetype = (uint8_t)migratetype;
    frame_list_push_head(pa->frames, &pcp->lists[index], pfn);
    __builtin_prefetch(frame_at(pa->frames, pfn ^ 1u << order)); /* a bulk free will look at the buddy */
    pcp->count += 1u << order;
    uint32_t high = pcp_high_limit(zone, pcp, order);
    if (pcp->count >= high)
        pcp_free_bulk(pa, zone, pcp, pcp_nr_to_free(pcp, high, order), index);
}

void pcp_drain(struct page_alloc *pa, struct zone *zone, uint32_t cpu)
{
    struct pcp *pcp = zone_pcp(pa, zone, cpu);
    while (pcp->count) {
        uint32_t most = pcp->batch << BATCH_SCALE_MAX;
        pcp_free_bulk(pa, zone, pcp, pcp->count < most ? pcp->count : most, 0);
    }
}

/* zone_batchsize(): a share of the zone's pages. It is one less than a power of two, so that batches of pages do not all
 * meet the same lines of the processor's cache. */
static uint32_t pcp_batch_size(uint32_t managed)
{
    uint32_t batch = (managed / 1024 < 256 ? managed / 1024 : 256) / 4;
    batch += batch / 2;
    uint32_t power = 1;
    while (power * 2 <= batch)
        power *= 2;
    return power > 1 ? power - 1 : 1;
}

void pcp_set_limits(struct page_alloc *pa, struct zone *zone)
{
    uint32_t batch = pcp_batch_size(zone->managed);
    uint32_t pages = zone->low + zone->boost;
    if (pa->percpu_pagelist_high_fraction)
        pages = zone->managed / pa->percpu_pagelist_high_fraction;
    uint32_t high = pages / pa->nr_cpus;
    zone->pageset_batch = batch;
    zone->pageset_high = high > batch * 4 ? high : batch * 4;
    for (uint32_t cpu = 0; cpu < pa->nr_cpus; cpu++) {
        struct pcp *pcp = zone_pcp(pa, zone, cpu);
        pcp->high = zone->pageset_high;
        pcp->batch = batch;
    }
}
