/* alloc/page/page_alloc.h - zones, buddy free areas, per-CPU lists, watermarks, fallback. Linux v6.1 mm/page_alloc.c (as in
 * Debian 6.1.192); classic: Linux v2.0 mm/page_alloc.c. Stands on: frame, base.
 *
 * A block is 2^order frames. It is named by the pfn of its first frame. Pfn 0 is never handed out: it means "none". */
#pragma once
#include "alloc/memory/frame.h"
#include "alloc/base/vmstat.h"
#include "pagoda/config.h"
#include "pagoda/gfp.h"

#define NR_PCP_LISTS 14
#define CPUS_MAX 256
#define ZONES_MAX 3

STATE_STRUCTS
struct pcp {                     /* per zone and CPU */
    uint32_t count, free_factor; /* pages */
    uint32_t high, batch;
    int32_t nr_free_diff; /* part of the zone's free count that is not folded in yet (vmstat) */
    struct index_list lists[NR_PCP_LISTS];
};
struct zone {
    char name[8];
    uint32_t index; /* 0 DMA, 1 DMA32, 2 Normal */
    uint32_t start_pfn, spanned, present, managed;
    uint32_t min, low, high, promo, boost;
    uint32_t lowmem_reserve[4];
    uint32_t nr_reserved_highatomic;
    uint32_t pageset_high, pageset_batch, stat_threshold;
    uint32_t drift_mark; /* percpu_drift_mark: below it kswapd adds the CPUs' parts to free_global; 0: it never does */
    uint32_t unused;
    int64_t free_global; /* what watermark checks read */
    struct index_list free_area[VIEW_ORDERS][NR_MIGRATETYPES];
    uint32_t nr_free[VIEW_ORDERS];
    uint32_t flags;                                                         /* enum zone_flag */
    uint32_t compact_considered, compact_defer_shift, compact_order_failed; /* compaction is put off after it failed */
    uint32_t compact_migrate_pfn, compact_free_pfn; /* where its scanners go on; 0: at the zone's ends */
    uint64_t numa_hit;                              /* blocks handed out from here */
};
enum zone_flag { ZONE_BOOSTED_WATERMARK = 1, ZONE_RECLAIM_ACTIVE = 2 };

/* kswapd as far as allocations know it: what they asked of it. How it works is reclaim's. */
struct kswapd {
    uint32_t awake;
    uint32_t order, highest_zone; /* what it shall balance */
    uint32_t failures;            /* runs in a row that reclaimed nothing; from MAX_RECLAIM_RETRIES on it is left asleep */
    uint32_t priority;            /* 12 .. 1: it scans 1/2^priority of the lists at a time */
    uint32_t nr_reclaimed;        /* since it woke */
    uint32_t boost[ZONES_MAX];    /* of each zone when it woke: what it takes away at its end */
    uint32_t is_working;          /* it has begun */
    uint64_t busy_until_ns;       /* simulated time at which its last step ends */
};
#define MAX_RECLAIM_RETRIES 16u
struct page_alloc {
    struct frames *frames;         /* wired */
    struct trace *trace;           /* wired */
    const struct profile *profile; /* wired */
    uint32_t nr_zones, nr_cpus;
    uint32_t always_gfp;          /* __GFP_ZERO with init_on_alloc */
    uint32_t init_on_free;        /* every page is zeroed as it is freed */
    struct zone zones[ZONES_MAX]; /* those with managed pages, lowest first */
    /* Both pools are used whole from the start. The machine commits their capacity before page_alloc_start(). */
    struct pool pageblocks; /* uint32_t migratetype of each 512-page block, item = block number + 1 */
    struct pool pcps;       /* struct pcp, item = zone position * nr_cpus + cpu + 1 */
    uint32_t min_free_kbytes, watermark_scale_factor, percpu_pagelist_high_fraction;
    uint32_t lowmem_reserve_ratio[3];
    uint32_t unused;
    uint32_t classic_reserve_pages; /* classic: min_free_pages, kept for GFP_ATOMIC */
    struct kswapd kswapd;
    struct vmstat vmstat; /* events of every floor that allocates through this one */
};
STATE_STRUCTS_END

/* How many pfns a machine has: 0 .. this-1, reserved frames and the hole below 4 GiB included. */
uint32_t page_alloc_nr_frames(const struct machine_config *config, const struct profile *profile);
void page_alloc_shape(struct page_alloc *pa, const struct machine_config *config, const struct profile *profile);
uint32_t page_alloc_pools(struct page_alloc *pa, struct pool **pools); /* lists them; returns how many */
void page_alloc_start(struct page_alloc *pa,
                      const struct machine_config *config); /* boot: reserved frames, zones, free lists */

/* The fast path: one walk with the low watermark. Returns the first frame of the block; 0: none. It never sleeps. The block
 * is FRAME_KERNEL: the caller gives it another kind. __GFP_ZERO clears its contents. */
uint32_t page_alloc_fast(struct page_alloc *pa, uint32_t gfp, uint32_t order);
/* All that a call may do that cannot sleep: wakes kswapd; a walk with the min watermark and what the flags allow; a walk
 * with what __GFP_MEMALLOC adds. */
uint32_t page_alloc_slow(struct page_alloc *pa, uint32_t gfp, uint32_t order);
/* The parts of page_alloc_slow(), for calls that may sleep. */
uint32_t page_alloc_slow_flags(uint32_t gfp, uint32_t order); /* gfp_to_alloc_flags() */
uint32_t page_alloc_reserve_flags(uint32_t gfp);              /* __gfp_pfmemalloc_flags(); 0: nothing more */
/* get_page_from_freelist(): one walk over the zones.
 * flags  enum alloc_flag. */
uint32_t page_alloc_walk(struct page_alloc *pa, uint32_t gfp, uint32_t order, uint32_t flags);
void page_alloc_wake_kswapd(struct page_alloc *pa, uint32_t gfp, uint32_t order); /* wake_all_kswapds() */
/* __alloc_pages_bulk(): takes up to nr single pages. Returns how many it took. It never sleeps. After 0 the caller makes
 * one ordinary allocation, as the kernel does. 0 is the answer for nr = 1, too, and always in the classic profile. pfns
 * out: the pages; room for nr. */
uint32_t page_alloc_bulk(struct page_alloc *pa, uint32_t gfp, uint32_t nr, uint32_t *pfns);
/* __free_pages(). The caller has checked that an allocated block of that order begins at pfn. Contents stay, unless the
 * machine was booted with init_on_free. */
void page_free(struct page_alloc *pa, uint32_t pfn, uint32_t order);
void page_alloc_drain(struct page_alloc *pa, uint32_t cpu); /* drain_local_pages */
void page_alloc_drain_all(struct page_alloc *pa);

uint32_t page_alloc_gfp_zone(uint32_t gfp); /* gfp_zone(): ZONE_*, the highest that the request may use */

/* pgdat_balanced(): is one zone up to highest_zone (ZONE_*) above its high mark, with a block of that order? */
bool page_alloc_is_balanced(const struct page_alloc *pa, uint32_t order, uint32_t highest_zone);
uint64_t page_alloc_nr_free(const struct page_alloc *pa); /* pages in buddy and pcp lists */
uint64_t page_alloc_nr_managed(const struct page_alloc *pa);

/* Direct reclaim's last resort: gives one HighAtomic pageblock to the type of gfp. Returns true when a free block moved.
 * force  gives the last one of a zone, too. */
bool page_alloc_unreserve_highatomic(struct page_alloc *pa, uint32_t gfp, bool force);
/* Writes to vm sysctls. Each sets up, from the managed counts of now, only what its handler in Linux does: min_free_kbytes
 * and watermark_scale_factor the watermarks and the limits of per-CPU lists, percpu_pagelist_high_fraction these limits
 * alone, lowmem_reserve_ratio (also when it is read) the lowmem reserves alone. */
void page_alloc_set_min_free(struct page_alloc *pa, uint32_t kbytes);
void page_alloc_set_scale(struct page_alloc *pa, uint32_t scale);
void page_alloc_set_pcp_fraction(struct page_alloc *pa, uint32_t fraction);
void page_alloc_set_reserve_ratio(struct page_alloc *pa, const uint32_t ratio[3]);

bool page_alloc_check(const struct page_alloc *pa, char *text, size_t capacity);
