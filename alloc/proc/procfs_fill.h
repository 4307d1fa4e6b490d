/* alloc/proc/procfs_fill.h - the structs of procfs_layout.h, filled from a machine's state. Gauges are computed here, when
 * they are read. Stands on: machine_state, procfs_layout. */
#pragma once
#include "alloc/proc/procfs_layout.h"

struct machine_state;

/* Zones that have memory. Returns how many. It needs no floor but the page allocator's. */
uint32_t procfs_fill_blocks(const struct page_alloc *pa, struct zone_blocks zones[PROCFS_ZONES]);
/* All five zones. The first that has memory gets the node's gauges. */
void procfs_fill_zones(const struct machine_state *s, struct zoneinfo zones[PROCFS_ZONES]);
/* Events as they were counted; gauges as sums over the zones.
 * zones  from procfs_fill_zones(). */
void procfs_fill_vmstat(const struct machine_state *s, const struct zoneinfo zones[PROCFS_ZONES], struct vmstat *vmstat);
void procfs_fill_meminfo(const struct machine_state *s, const struct zoneinfo zones[PROCFS_ZONES], struct meminfo *meminfo);
void procfs_fill_meminfo_classic(const struct machine_state *s, struct meminfo_classic *meminfo);

/* Pages that user memory and the page cache can never have (mm/page_alloc.c: calculate_totalreserve_pages()), and the sum
 * of the low marks. */
struct page_reserves {
    uint64_t total, low;
};
struct page_reserves procfs_reserves(const struct zoneinfo zones[PROCFS_ZONES]);
/* si_mem_available(): free pages, page cache and reclaimable slabs, as far as they can be had without swap. */
uint64_t procfs_available(struct page_reserves reserves, uint64_t free, uint64_t file, uint64_t reclaimable);
/* global_dirty_limits(), with 20 and 10 percent: so many pages may be dirty before writers wait, and before writing begins.
 */
void procfs_dirty_limits(struct page_reserves reserves, uint64_t free, uint64_t file, uint64_t *limit,
                         uint64_t *background);
