/* The page allocator's entry points. The GFP flags of a request say which zones it may use, which migratetype it has, and
 * how deep it may go below the watermarks. The walk begins at the highest of these zones and goes down. It takes the first
 * zone that passes the watermark test and has a block: on this CPU's list, else on the buddy lists.
 *
 *      reclaim_alloc_pages()
 *        page_alloc_fast()      walk: low watermark
 *        page_alloc_slow()      wakes kswapd; walk: min watermark, and what the flags add
 *          page_walk_zones()       Normal, DMA32, DMA
 *            page_may_use_zone()   zone_has_plenty(), zone_watermark_ok()
 *            page_take_from_zone() pcp_take(), buddy_take() */
#include "alloc/page/page_alloc.h"
#include "alloc/page/page_alloc_classic.h"
#include "alloc/page/pcp.h"

/* gfp_zone(): the highest zone that the request may use. */
static uint32_t gfp_highest_zone(uint32_t gfp)
{
    uint32_t asked = gfp & (__GFP_DMA | __GFP_DMA32 | __GFP_MOVABLE | __GFP_HIGHMEM);
    if (!(asked & (__GFP_DMA | __GFP_DMA32 | __GFP_HIGHMEM)))
        return ZONE_NORMAL;
    if (asked & (__GFP_DMA | __GFP_DMA32))
        return asked & __GFP_DMA ? ZONE_DMA : ZONE_DMA32;
    return asked & __GFP_MOVABLE ? ZONE_MOVABLE : ZONE_NORMAL;
}

/* gfp_migratetype(). A request that claims to be Movable and Reclaimable at once is taken for Movable. */
uint32_t gfp_migratetype(uint32_t gfp)
{
    uint32_t migratetype = (gfp >> 3) & 3;
    return migratetype < NR_PCP_TYPES ? migratetype : MT_MOVABLE;
}

uint32_t page_alloc_gfp_zone(uint32_t gfp)
{
    return gfp_highest_zone(gfp);
}

static uint32_t page_preferred_zone(const struct page_alloc *pa, uint32_t highest)
{
    uint32_t at = pa->nr_zones - 1;
    while (at && pa->zones[at].index > highest)
        at--;
    return at;
}

static inline struct page_request page_make_request(const struct page_alloc *pa, uint32_t gfp, uint32_t order)
{
    uint32_t highest = gfp_highest_zone(gfp);
    return (struct page_request){
        .gfp = gfp,
        .order = order,
        .migratetype = gfp_migratetype(gfp),
        .highest_zone = highest,
        .preferred = page_preferred_zone(pa, highest),
    };
}

static uint32_t page_fast_flags(const struct page_alloc *pa, const struct page_request *request)
{
    uint32_t flags = ALLOC_WMARK_LOW;
    if (request->gfp & __GFP_KSWAPD_RECLAIM)
        flags |= ALLOC_KSWAPD;
    if (pa->zones[request->preferred].index == ZONE_NORMAL)
        flags |= ALLOC_NOFRAGMENT;
    return flags;
}

uint32_t page_alloc_slow_flags(uint32_t gfp, uint32_t order)
{
    uint32_t flags = ALLOC_WMARK_MIN;
    if (gfp & __GFP_HIGH)
        flags |= ALLOC_MIN_RESERVE;
    if (gfp & __GFP_KSWAPD_RECLAIM)
        flags |= ALLOC_KSWAPD;
    if (gfp_may_sleep(gfp) || (gfp & __GFP_NOMEMALLOC))
        return flags;
    flags |= ALLOC_NON_BLOCK;
    if (order && (gfp & __GFP_HIGH))
        flags |= ALLOC_HIGHATOMIC;
    return flags;
}

uint32_t page_alloc_reserve_flags(uint32_t gfp)
{
    return (gfp & (__GFP_MEMALLOC | __GFP_NOMEMALLOC)) == __GFP_MEMALLOC ? ALLOC_NO_WATERMARKS : 0;
}

static uint32_t page_take_from_buddy(struct page_alloc *pa, struct zone *zone, const struct page_request *request)
{
    uint32_t pfn = 0;
    if (request->flags & ALLOC_HIGHATOMIC)
        pfn = buddy_take_smallest(pa, zone, request->order, MT_HIGHATOMIC);
    if (!pfn)
        pfn = buddy_take(pa, zone, request->order, request->migratetype, request->flags);
    if (!pfn && (request->flags & (ALLOC_OOM | ALLOC_NON_BLOCK)))
        pfn = buddy_take_smallest(pa, zone, request->order, MT_HIGHATOMIC);
    if (pfn)
        zone_add_free(pa, zone, -(1 << request->order));
    return pfn;
}

/* rmqueue(): a block of this zone. */
static uint32_t page_take_from_zone(struct page_alloc *pa, struct zone *zone, const struct page_request *request)
{
    uint32_t pfn = 0;
    trace_step(pa->trace, PATH_rmqueue);
    if (pcp_takes_order(request->order)) {
        struct pcp *pcp = zone_pcp(pa, zone, pa->trace->cpu);
        pcp->free_factor >>= 1; /* who allocates will not free in bulk soon */
        pfn = pcp_take(pa, zone, pcp, request->order, request->migratetype, request->flags);
    }
    if (!pfn)
        pfn = page_take_from_buddy(pa, zone, request);
    if ((request->flags & ALLOC_KSWAPD) && (zone->flags & ZONE_BOOSTED_WATERMARK)) {
        zone->flags &= ~(uint32_t)ZONE_BOOSTED_WATERMARK;
        page_wake_kswapd(pa, zone->index, 0);
    }
    return pfn;
}

static bool page_may_use_zone(struct page_alloc *pa, const struct zone *zone, const struct page_request *request)
{
    uint32_t mark = zone_mark(zone, request->flags);
    bool ok = zone_has_plenty(zone, request->order, mark, request->highest_zone) ||
              zone_watermark_ok(zone, request, mark, request->highest_zone);
    TRACE_EVENT(pa->trace, .kind = EV_WATERMARK, .zone = (uint8_t)zone->index, .order = (uint8_t)request->order,
                .a = (uint64_t)zone->free_global, .b = mark + zone->lowmem_reserve[request->highest_zone], .ok = ok);
    return ok || (request->flags & ALLOC_NO_WATERMARKS);
}

/* Makes the block the caller's. Owner and links are cleared. Contents stay, unless zeroes were asked for. */
static void page_prepare_block(struct page_alloc *pa, uint32_t pfn, const struct page_request *request)
{
    struct frame *frame = frame_at(pa->frames, pfn);
    frame_set_kind(pa->frames, pfn, FRAME_KERNEL, request->order);
    frame->migratetype = (uint8_t)request->migratetype;
    frame->flags = 0;
    frame->owner = 0;
    frame->index = 0;
    frame->born = pa->trace->seq;
    if (!((request->gfp | pa->always_gfp) & __GFP_ZERO))
        return;
    frame_zero(pa->frames, pfn, 1u << request->order);
    trace_cost(pa->trace, COST_ZERO_PAGE, 1u << request->order);
}

static uint32_t page_walk_once(struct page_alloc *pa, const struct page_request *request)
{
    for (uint32_t i = request->preferred + 1; i-- > 0;) {
        struct zone *zone = &pa->zones[i];
        if (!page_may_use_zone(pa, zone, request))
            continue;
        uint32_t pfn = page_take_from_zone(pa, zone, request);
        if (!pfn)
            continue;
        zone_count_alloc(pa, zone, request->order, 1);
        page_prepare_block(pa, pfn, request);
        if (request->flags & ALLOC_HIGHATOMIC)
            buddy_reserve_highatomic(pa, zone, pfn);
        return pfn;
    }
    return 0;
}

/* get_page_from_freelist(). The first round does not steal blocks below a pageblock's size from Normal memory
 * (ALLOC_NOFRAGMENT). Only when no zone can serve the request so, a second round does. */
static uint32_t page_walk_zones(struct page_alloc *pa, struct page_request *request)
{
    trace_step(pa->trace, PATH_get_page_from_freelist);
    uint32_t pfn = page_walk_once(pa, request);
    if (pfn || !(request->flags & ALLOC_NOFRAGMENT))
        return pfn;
    request->flags &= ~(uint32_t)ALLOC_NOFRAGMENT;
    return page_walk_once(pa, request);
}

static uint32_t page_classic_get(struct page_alloc *pa, uint32_t gfp, uint32_t order)
{
    trace_step(pa->trace, PATH___get_free_pages);
    uint32_t pfn = classic_alloc(pa, gfp, order);
    if (pfn)
        page_prepare_block(pa, pfn, &(struct page_request){ .gfp = gfp, .order = order });
    return pfn;
}

static uint32_t page_note_alloc(struct page_alloc *pa, uint32_t pfn, uint32_t gfp, uint32_t order)
{
    if (pfn)
        TRACE_EVENT(pa->trace, .kind = EV_PAGE_ALLOC, .pfn = pfn, .order = (uint8_t)order,
                    .migratetype = pa->profile->has_migratetypes ? (uint8_t)gfp_migratetype(gfp) : 0);
    return pfn;
}

uint32_t page_alloc_fast(struct page_alloc *pa, uint32_t gfp, uint32_t order)
{
    if (order >= pa->profile->nr_orders)
        return 0;
    if (!pa->profile->has_migratetypes)
        return page_note_alloc(pa, page_classic_get(pa, gfp, order), gfp, order);
    struct page_request request = page_make_request(pa, gfp, order);
    request.flags = page_fast_flags(pa, &request);
    return page_note_alloc(pa, page_walk_zones(pa, &request), gfp, order);
}

uint32_t page_alloc_walk(struct page_alloc *pa, uint32_t gfp, uint32_t order, uint32_t flags)
{
    if (order >= pa->profile->nr_orders)
        return 0;
    if (!pa->profile->has_migratetypes)
        return page_note_alloc(pa, page_classic_get(pa, gfp, order), gfp, order);
    if (flags & ALLOC_NO_WATERMARKS)
        TRACE_EVENT(pa->trace, .kind = EV_NO_WATERMARKS, .order = (uint8_t)order);
    struct page_request request = page_make_request(pa, gfp, order);
    request.flags = flags;
    return page_note_alloc(pa, page_walk_zones(pa, &request), gfp, order);
}

uint32_t page_alloc_slow(struct page_alloc *pa, uint32_t gfp, uint32_t order)
{
    page_alloc_wake_kswapd(pa, gfp, order);
    if (!pa->profile->has_migratetypes)
        return page_alloc_walk(pa, gfp, order, 0);
    trace_step(pa->trace, PATH___alloc_pages_slowpath);
    uint32_t flags = page_alloc_slow_flags(gfp, order), reserve = page_alloc_reserve_flags(gfp);
    uint32_t pfn = page_alloc_walk(pa, gfp, order, flags);
    if (pfn)
        return pfn;
    /* The kernel looks twice: pages may have come back while it woke kswapd. */
    return page_alloc_walk(pa, gfp, order, reserve ? reserve | (flags & ALLOC_KSWAPD) : flags);
}

/* The zone that has nr pages to spare above its low watermark; NULL: none. lowmem_reserve is that of the preferred zone. */
static struct zone *page_find_bulk_zone(struct page_alloc *pa, const struct page_request *request, uint32_t nr)
{
    for (uint32_t i = request->preferred + 1; i-- > 0;) {
        struct zone *zone = &pa->zones[i];
        uint32_t mark = zone_mark(zone, request->flags) + nr;
        if (zone_watermark_ok(zone, request, mark, pa->zones[request->preferred].index))
            return zone;
    }
    return NULL;
}

uint32_t page_alloc_bulk(struct page_alloc *pa, uint32_t gfp, uint32_t nr, uint32_t *pfns)
{
    if (nr <= 1 || !pa->profile->has_migratetypes)
        return 0;
    trace_step(pa->trace, PATH___alloc_pages_bulk);
    struct page_request request = page_make_request(pa, gfp, 0);
    request.flags = ALLOC_WMARK_LOW; /* and nothing else: it neither keeps Normal unfragmented nor wakes kswapd */
    struct zone *zone = page_find_bulk_zone(pa, &request, nr);
    if (!zone)
        return 0;
    struct pcp *pcp = zone_pcp(pa, zone, pa->trace->cpu);
    uint32_t got = 0;
    while (got < nr && (pfns[got] = pcp_take(pa, zone, pcp, 0, request.migratetype, request.flags)))
        page_prepare_block(pa, pfns[got++], &request);
    zone_count_alloc(pa, zone, 0, got);
    return got;
}

void page_free(struct page_alloc *pa, uint32_t pfn, uint32_t order)
{
    struct frame *frame = frame_at(pa->frames, pfn);
    trace_step(pa->trace, PATH___free_pages);
    TRACE_EVENT(pa->trace, .kind = EV_PAGE_FREE, .pfn = pfn, .order = (uint8_t)order);
    frame->flags = 0;
    frame->owner = 0;
    frame->index = 0;
    if (pa->init_on_free) {
        frame_zero(pa->frames, pfn, 1u << order);
        trace_cost(pa->trace, COST_ZERO_PAGE, 1u << order);
    }
    if (!pa->profile->has_migratetypes) {
        classic_free(pa, pfn, order);
        return;
    }
    vmstat_add(&pa->vmstat, VM_pgfree, UINT64_C(1) << order);
    struct zone *zone = zone_of_pfn(pa, pfn);
    if (pcp_takes_order(order))
        pcp_free(pa, zone, pfn, order);
    else
        buddy_free(pa, zone, pfn, order, pageblock_type(pa, pfn));
}

void page_alloc_drain(struct page_alloc *pa, uint32_t cpu)
{
    if (!pa->profile->has_migratetypes)
        return;
    for (uint32_t i = 0; i < pa->nr_zones; i++)
        pcp_drain(pa, &pa->zones[i], cpu);
}

void page_alloc_drain_all(struct page_alloc *pa)
{
    uint64_t before = pa->frames->kind_count[FRAME_PCP];
    for (uint32_t cpu = 0; cpu < pa->nr_cpus; cpu++)
        page_alloc_drain(pa, cpu);
    TRACE_EVENT(pa->trace, .kind = EV_DRAIN_ALL, .count = (uint32_t)(before - pa->frames->kind_count[FRAME_PCP]));
}
