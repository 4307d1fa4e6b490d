/* Watermarks of zones, and the test whether a request may take a block.
 *
 * min, low and high say how many pages a zone shall keep free. lowmem_reserve says how many more it keeps from requests
 * that a higher zone could serve. Both follow from the managed pages of all zones and from the vm sysctls; so do the limits
 * of the per-CPU lists. */
#include "alloc/base/bits.h"
#include "alloc/page/pcp.h"

#include <string.h>

#define HUGEPAGE_MIN_PAGES 131072u /* from 512 MiB of managed memory on khugepaged runs, and raises min_free_kbytes */

static uint32_t integer_sqrt(uint64_t n)
{
    uint64_t root = 0;
    for (uint64_t bit = UINT64_C(1) << 31; bit; bit >>= 1)
        if ((root + bit) * (root + bit) <= n)
            root += bit;
    return (uint32_t)root;
}

/* nr_free_buffer_pages(): pages above the high watermarks. */
static uint64_t zones_nr_above_high(const struct page_alloc *pa)
{
    uint64_t sum = 0;
    for (uint32_t i = 0; i < pa->nr_zones; i++)
        if (pa->zones[i].managed > pa->zones[i].high)
            sum += pa->zones[i].managed - pa->zones[i].high;
    return sum;
}

static void zones_set_watermarks(struct page_alloc *pa)
{
    uint64_t sum = page_alloc_nr_managed(pa), pages_min = pa->min_free_kbytes / 4;
    for (uint32_t i = 0; i < pa->nr_zones; i++) {
        struct zone *zone = &pa->zones[i];
        zone->min = (uint32_t)(pages_min * zone->managed / sum);
        uint32_t distance = (uint32_t)((uint64_t)zone->managed * pa->watermark_scale_factor / 10000);
        if (distance < zone->min / 4)
            distance = zone->min / 4;
        zone->boost = 0;
        zone->low = zone->min + distance;
        zone->high = zone->low + distance;
        zone->promo = zone->high + distance;
    }
}

/* setup_per_zone_lowmem_reserve(): lowmem_reserve[i] is what the zone keeps from requests that may use zone i. It is a
 * share of the pages of the zones above it, up to zone i. */
static void zones_set_lowmem_reserves(struct page_alloc *pa)
{
    for (uint32_t i = 0; i < pa->nr_zones; i++) {
        struct zone *zone = &pa->zones[i];
        memset(zone->lowmem_reserve, 0, sizeof zone->lowmem_reserve);
        uint64_t above = 0;
        uint32_t next = i + 1;
        for (uint32_t index = zone->index + 1; index <= ZONE_MOVABLE; index++) {
            if (next < pa->nr_zones && pa->zones[next].index == index)
                above += pa->zones[next++].managed;
            uint32_t ratio = pa->lowmem_reserve_ratio[zone->index];
            zone->lowmem_reserve[index] = ratio ? (uint32_t)(above / ratio) : 0;
        }
    }
}

/* refresh_zone_stat_thresholds(). It also runs as each further CPU comes up, when the watermarks are 0 as yet; what it sets
 * then stays where the watermarks leave room for the drift. */
static void zones_set_stat_thresholds(struct page_alloc *pa)
{
    for (uint32_t i = 0; i < pa->nr_zones; i++) {
        struct zone *zone = &pa->zones[i];
        uint32_t threshold = 2 * bit_length(pa->nr_cpus) * (1 + bit_length(zone->managed >> 15));
        zone->stat_threshold = threshold < 125 ? threshold : 125;
        uint32_t drift = pa->nr_cpus * zone->stat_threshold;
        zone->drift_mark = pa->nr_cpus > 1 ? drift : 0;
        if (drift > zone->low - zone->min)
            zone->drift_mark = zone->high + drift;
    }
}

static void zones_set_pcp_limits(struct page_alloc *pa)
{
    for (uint32_t i = 0; i < pa->nr_zones; i++)
        pcp_set_limits(pa, &pa->zones[i]);
}

void page_alloc_set_min_free(struct page_alloc *pa, uint32_t kbytes)
{
    pa->min_free_kbytes = kbytes;
    zones_set_watermarks(pa);
    zones_set_pcp_limits(pa);
}

void page_alloc_set_scale(struct page_alloc *pa, uint32_t scale)
{
    pa->watermark_scale_factor = scale;
    zones_set_watermarks(pa);
    zones_set_pcp_limits(pa);
}

void page_alloc_set_pcp_fraction(struct page_alloc *pa, uint32_t fraction)
{
    pa->percpu_pagelist_high_fraction = fraction;
    zones_set_pcp_limits(pa);
}

void page_alloc_set_reserve_ratio(struct page_alloc *pa, const uint32_t ratio[3])
{
    memmove(pa->lowmem_reserve_ratio, ratio, sizeof pa->lowmem_reserve_ratio);
    zones_set_lowmem_reserves(pa);
}

void zones_set_defaults(struct page_alloc *pa, bool has_khugepaged)
{
    uint32_t kbytes = integer_sqrt(zones_nr_above_high(pa) * 4 * 16);
    kbytes = kbytes < 128 ? 128 : kbytes > 262144 ? 262144 : kbytes;
    page_alloc_set_min_free(pa, kbytes);
    zones_set_stat_thresholds(pa);
    zones_set_lowmem_reserves(pa);
    if (!has_khugepaged || page_alloc_nr_managed(pa) < HUGEPAGE_MIN_PAGES)
        return;
    uint64_t pages = (uint64_t)pa->nr_zones * PAGEBLOCK_PAGES * (2 + NR_PCP_TYPES * NR_PCP_TYPES);
    if (pages > zones_nr_above_high(pa) / 20)
        pages = zones_nr_above_high(pa) / 20;
    if (pages * 4 > kbytes)
        page_alloc_set_min_free(pa, (uint32_t)pages * 4);
}

uint32_t zone_unusable_index(const struct zone *zone, uint32_t order)
{
    uint64_t free = 0, unusable = 0;
    for (uint32_t at = 0; at < VIEW_ORDERS; at++) {
        free += (uint64_t)zone->nr_free[at] << at;
        unusable += at < order ? (uint64_t)zone->nr_free[at] << at : 0;
    }
    return free ? (uint32_t)(unusable * 1000 / free) : 1000;
}

int32_t zone_fragmentation_index(const struct zone *zone, uint32_t order)
{
    uint64_t nr_blocks = 0, free = 0;
    bool has_large = false;
    for (uint32_t at = 0; at < VIEW_ORDERS; at++) {
        nr_blocks += zone->nr_free[at];
        free += (uint64_t)zone->nr_free[at] << at;
        has_large = has_large || (at >= order && zone->nr_free[at]);
    }
    if (!nr_blocks)
        return 0;
    if (has_large)
        return -1000;
    return 1000 - (int32_t)((1000 + free * 1000 / (UINT64_C(1) << order)) / nr_blocks);
}

/* Is there a free block of that order or more, of a type that the request may take? The loop goes from the top down: where
 * memory is not short, the largest list decides at once. */
static bool zone_has_block(const struct zone *zone, uint32_t order, uint32_t flags)
{
    for (uint32_t at = MAX_ORDER; at-- > order;) {
        if (!zone->nr_free[at])
            continue;
        for (uint32_t type = 0; type < NR_PCP_TYPES; type++)
            if (zone->free_area[at][type].first)
                return true;
        if ((flags & (ALLOC_HIGHATOMIC | ALLOC_OOM)) && zone->free_area[at][MT_HIGHATOMIC].first)
            return true;
    }
    return false;
}

/* The test: what is left of the free pages must be more than what has to stay.
 *
 *      |------------------------ free ------------------------|
 *      | 2^order - 1 | highatomic |         what is left       |
 *                                 | min | lowmem_reserve |  ok |
 *
 *      highatomic      pages of HighAtomic pageblocks; 0 for requests that may use a reserve
 *      min             the mark. ALLOC_MIN_RESERVE halves it, and with ALLOC_NON_BLOCK a quarter of the rest goes too.
 *                      ALLOC_OOM halves what is left.
 *      lowmem_reserve  of the request's zone
 *
 * A request of order 1 or more also needs a block of that order. The numbers are signed: reserves may exceed what is free.
 */
bool zone_is_above(const struct zone *zone, const struct page_request *request, uint32_t mark, uint32_t reserve_zone,
                   int64_t free)
{
    uint32_t flags = request->flags;
    int64_t min = mark;
    if (free < 0)
        free = 0;
    free -= (INT64_C(1) << request->order) - 1;
    if (!(flags & ALLOC_RESERVES))
        free -= zone->nr_reserved_highatomic;
    if (flags & ALLOC_MIN_RESERVE) {
        min -= min / 2;
        if (flags & ALLOC_NON_BLOCK)
            min -= min / 4;
    }
    if (flags & ALLOC_OOM)
        min -= min / 2;
    if (free <= min + zone->lowmem_reserve[reserve_zone])
        return false;
    return request->order == 0 || zone_has_block(zone, request->order, flags);
}

bool zone_watermark_ok(const struct zone *zone, const struct page_request *request, uint32_t mark, uint32_t reserve_zone)
{
    if (zone_is_above(zone, request, mark, reserve_zone, zone->free_global))
        return true;
    bool at_min = (request->flags & ALLOC_WMARK_MASK) == ALLOC_WMARK_MIN;
    if (request->order || !(request->gfp & __GFP_ATOMIC) || !zone->boost || !at_min)
        return false;
    /* Atomic requests of a single page need not respect the boost. */
    return zone_is_above(zone, request, zone->min, reserve_zone, zone->free_global);
}
