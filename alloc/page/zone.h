/* alloc/page/zone.h - inside the page_alloc floor: zones, pageblock types, free-page counting, watermark tests. Linux v6.1
 * mm/page_alloc.c: __zone_watermark_ok(), setup_per_zone_wmarks(); mm/vmstat.c: __mod_zone_page_state(). Stands on: frame,
 * base. */
#pragma once
#include "alloc/page/page_alloc.h"

#define MAX_ORDER 11u /* orders 0 .. 10 */
#define PAGEBLOCK_ORDER 9u
#define PAGEBLOCK_PAGES (1u << PAGEBLOCK_ORDER)
#define NR_PCP_TYPES 3u             /* the types that have lists of their own: Unmovable, Movable, Reclaimable */
#define PAGEBLOCK_ABSENT UINT32_MAX /* the type of a pageblock in a hole of whole sections: it has no page structs */
#define SECTION_PAGES 32768u        /* 128 MiB: granularity of the array of page structs */
#define PFN_DMA_END 4096u           /* 16 MiB */
#define PFN_DMA32_END 0x100000u     /* 4 GiB */

enum { ZONE_DMA, ZONE_DMA32, ZONE_NORMAL, ZONE_MOVABLE };

/* What one walk over the zones may do; names without ALLOC_ are the kernel's. */
enum alloc_flag {
    ALLOC_WMARK_MIN = 0,
    ALLOC_WMARK_LOW = 1,
    ALLOC_WMARK_HIGH = 2,
    ALLOC_WMARK_MASK = 3,
    ALLOC_NO_WATERMARKS = 4,
    ALLOC_OOM = 8,
    ALLOC_NON_BLOCK = 16,
    ALLOC_MIN_RESERVE = 32,
    ALLOC_NOFRAGMENT = 64,
    ALLOC_HIGHATOMIC = 128,
    ALLOC_KSWAPD = 256,
    ALLOC_RESERVES = ALLOC_NON_BLOCK | ALLOC_MIN_RESERVE | ALLOC_HIGHATOMIC | ALLOC_OOM,
};

uint32_t gfp_migratetype(uint32_t gfp); /* MT_* of what the request allocates */

static inline struct zone *zone_of_pfn(struct page_alloc *pa, uint32_t pfn)
{
    uint32_t at = pa->nr_zones - 1;
    while (at && pfn < pa->zones[at].start_pfn)
        at--;
    return &pa->zones[at];
}
static inline bool zone_has_pfn(const struct zone *zone, uint32_t pfn)
{
    return pfn >= zone->start_pfn && pfn - zone->start_pfn < zone->spanned;
}
static inline struct pcp *zone_pcp(const struct page_alloc *pa, const struct zone *zone, uint32_t cpu)
{
    return (struct pcp *)(void *)pa->pcps.items + (uint32_t)(zone - pa->zones) * pa->nr_cpus + cpu + 1;
}
static inline uint32_t *pageblock_at(const struct page_alloc *pa, uint32_t pfn)
{
    return (uint32_t *)(void *)pa->pageblocks.items + (pfn >> PAGEBLOCK_ORDER) + 1;
}
static inline uint32_t pageblock_type(const struct page_alloc *pa, uint32_t pfn)
{
    return *pageblock_at(pa, pfn);
}
static inline bool migratetype_is_mergeable(uint32_t migratetype)
{
    return migratetype < NR_PCP_TYPES;
}

/* An allocated frame that migration could empty: it counts as movable when its pageblock is stolen. */
static inline bool frame_is_migratable(const struct frame *frame)
{
    return frame->kind == FRAME_ANON || frame->kind == FRAME_SWAPCACHE || (frame->flags & FRAME_DRIVER_MOVABLE);
}

/* NR_FREE_PAGES += delta. The delta goes to this CPU's part. When the part passes the threshold, it is added to the global
 * part. Watermark tests see the global part alone. */
static inline void zone_add_free(const struct page_alloc *pa, struct zone *zone, int32_t delta)
{
    struct pcp *pcp = zone_pcp(pa, zone, pa->trace->cpu);
    int32_t diff = pcp->nr_free_diff + delta;
    int32_t threshold = (int32_t)zone->stat_threshold;
    if (diff > threshold || diff < -threshold) {
        zone->free_global += diff;
        diff = 0;
    }
    pcp->nr_free_diff = diff;
}

/* Blocks of this zone went to a caller: PGALLOC events and zone_statistics(). */
static inline void zone_count_alloc(struct page_alloc *pa, struct zone *zone, uint32_t order, uint32_t nr_blocks)
{
    vmstat_add(&pa->vmstat, VM_pgalloc_dma + zone->index, (uint64_t)nr_blocks << order);
    zone->numa_hit += nr_blocks;
}

/* A request as the walk sees it. */
struct page_request {
    uint32_t gfp, order, migratetype;
    uint32_t highest_zone; /* ZONE_*: index into lowmem_reserve */
    uint32_t preferred;    /* position of the first zone of the walk; the walk goes down from it */
    uint32_t flags;        /* enum alloc_flag */
};

/* The watermark of ALLOC_WMARK_*, boost included. */
static inline uint32_t zone_mark(const struct zone *zone, uint32_t flags)
{
    uint32_t which = flags & ALLOC_WMARK_MASK;
    return (which == ALLOC_WMARK_LOW ? zone->low : which == ALLOC_WMARK_MIN ? zone->min : zone->high) + zone->boost;
}
/* The quick test for single pages. It nearly always decides: so much is free that no exception matters. */
static inline bool zone_has_plenty(const struct zone *zone, uint32_t order, uint32_t mark, uint32_t reserve_zone)
{
    uint64_t wanted = (uint64_t)mark + zone->lowmem_reserve[reserve_zone] + zone->nr_reserved_highatomic;
    return order == 0 && zone->free_global > (int64_t)wanted;
}
/* __zone_watermark_ok(): the exact test.
 * reserve_zone  ZONE_*, whose lowmem_reserve counts.
 * free          pages that are taken to be free. */
bool zone_is_above(const struct zone *zone, const struct page_request *request, uint32_t mark, uint32_t reserve_zone,
                   int64_t free);
/* NR_FREE_PAGES with the parts that CPUs have not folded in yet (zone_page_state_snapshot). */
static inline int64_t zone_nr_free(const struct page_alloc *pa, const struct zone *zone)
{
    int64_t free = zone->free_global;
    for (uint32_t cpu = 0; pa->pcps.nr_used > 1 && cpu < pa->nr_cpus; cpu++)
        free += zone_pcp(pa, zone, cpu)->nr_free_diff;
    return free;
}
/* Thousandths, as debugfs extfrag shows them. Linux v6.1 mm/vmstat.c: unusable_free_index(), __fragmentation_index().
 * unusable       the share of free memory that lies in blocks too small for the order.
 * fragmentation  why a request of the order would fail. Near 0: too little memory is free. Near 1000: it is in pieces.
 *                -1000: the request would not fail. */
uint32_t zone_unusable_index(const struct zone *zone, uint32_t order);
int32_t zone_fragmentation_index(const struct zone *zone, uint32_t order);
/* zone_watermark_fast(), after zone_has_plenty() has said no: may this zone serve the request? */
bool zone_watermark_ok(const struct zone *zone, const struct page_request *request, uint32_t mark, uint32_t reserve_zone);

/* init_per_zone_wmark_min(); then set_recommended_min_free_kbytes(), if khugepaged runs. */
void zones_set_defaults(struct page_alloc *pa, bool has_khugepaged);

/* page_kswapd.c: wakeup_kswapd(). kswapd stays asleep when it has nothing to do, and when it has failed too often. */
void page_wake_kswapd(struct page_alloc *pa, uint32_t highest_zone, uint32_t order);

/* page_alloc_boot.c: linux-6.1. */
void zones_boot(struct page_alloc *pa, const struct machine_config *config);
/* The order of the largest aligned block in [start, end) that begins at start. */
uint32_t frames_largest_order(uint32_t start, uint32_t end, uint32_t nr_orders);
/* What reserved frames hold: the owner of a FRAME_RESERVED block. */
enum reserved_owner {
    RESERVED_IN_USE, /* by a kernel whose state was recorded */
    RESERVED_FIRMWARE,
    RESERVED_KERNEL,
    RESERVED_MEM_MAP,
    RESERVED_PERCPU,
    RESERVED_TABLES,
    RESERVED_BOUNCE,
    NR_RESERVED_OWNERS
};
const char *reserved_owner_name(uint32_t owner);
/* Marks [start, end) as FRAME_RESERVED in aligned blocks of at most the largest order. */
void frames_reserve_range(struct frames *frames, uint32_t start, uint32_t end, uint32_t nr_orders,
                          enum reserved_owner owner);
