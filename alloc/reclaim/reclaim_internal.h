/* alloc/reclaim/reclaim_internal.h - what the files of the reclaim floor share. */
#pragma once
#include "alloc/reclaim/reclaim.h"
#include "alloc/page/zone.h"

#define SWAP_CLUSTER_MAX 32u /* pages of one round of scanning */
#define COSTLY_ORDER 3u      /* PAGE_ALLOC_COSTLY_ORDER: above it, no OOM kill and no endless retries */
#define SCAN_PRIORITY 12u    /* DEF_PRIORITY: 1/4096 of the lists first */

/* Who does the work. A caller's time is the operation's. A background thread's time is its own. */
struct worker {
    struct reclaim *reclaim;
    bool is_background;
    uint64_t ns; /* of the background thread so far */
};
/* Steps of work that keep the CPU busy. */
void worker_cost(struct worker *worker, enum cost_step step, uint32_t count);
/* Transfers, during which a caller sleeps. */
void worker_wait(struct worker *worker, enum cost_step step, uint32_t count);

static inline void reclaim_count(struct reclaim *reclaim, enum vm_item item, uint64_t n)
{
    vmstat_add(&reclaim->pages->vmstat, item, n);
}

/* --- lru.c --- */
/* Calls visit for each space that maps the frame, until it returns true. Returns whether it did.
 * slot      physical address of the page-table entry.
 * argument  is handed to visit. */
bool lru_each_mapping(struct reclaim *reclaim, uint32_t pfn, uint32_t argument,
                      bool (*visit)(struct reclaim *, struct reclaim_space *, uint64_t slot, uint32_t argument));
/* One scan of the lists: shrink_lruvec(). Returns the pages that it freed. */
struct lru_goal {
    uint32_t priority;     /* the scan looks at a share of 1 / 2^priority of each list */
    uint32_t nr_pages;     /* the scan ends when so many are free */
    uint32_t highest_zone; /* pages of higher zones do not help */
};
uint32_t lru_shrink(struct worker *worker, const struct lru_goal *goal);
void lru_activate(struct reclaim *reclaim, uint32_t pfn);
/* Migration: the frame `to` takes over what `from` is, and `from` leaves the lists. The caller changes the mappings. */
void lru_replace(struct reclaim *reclaim, uint32_t from, uint32_t to);
/* zone_reclaimable_pages(): pages of the zone on both lists. Without free swap: those that MADV_FREE gave up, of all zones.
 */
uint64_t lru_nr_reclaimable(const struct reclaim *reclaim, const struct zone *zone);

/* --- swap.c --- */
uint64_t swap_nr_free(const struct reclaim *reclaim);
/* Moves the frame's bytes to a new slot. Returns its number; 0: the area is full. */
uint32_t swap_take_slot(struct reclaim *reclaim, uint32_t pfn);

/* --- compaction.c --- */
enum compact_result { COMPACT_SKIPPED, COMPACT_DEFERRED, COMPACT_PARTIAL, COMPACT_COMPLETE, COMPACT_SUCCESS };
#define COMPACT_WHOLE 0xffu /* no order in mind: all of the zone */
struct compact_goal {
    uint32_t order, migratetype; /* of the request that waits; order: or COMPACT_WHOLE */
    bool is_async;               /* looks into pageblocks of the request's type only */
};
/* One run over a zone.
 * nr_moved          grows by the pages that it moved.
 * COMPACT_SUCCESS   a block of the order is there.
 * COMPACT_COMPLETE  there is none, and the scanners have been over the whole zone.
 * COMPACT_PARTIAL   there is none, and the run began where an earlier one had ended. */
enum compact_result compact_zone(struct worker *worker, struct zone *zone, struct compact_goal goal, uint32_t *nr_moved);

/* --- compaction_policy.c --- */
enum compact_priority { COMPACT_SYNC_FULL, COMPACT_SYNC_LIGHT, COMPACT_ASYNC };
/* try_to_compact_pages(): compacts the zones of the request's walk, one after the other, until one has a block of the
 * order.
 */
enum compact_result compact_for_request(struct reclaim *reclaim, uint32_t gfp, uint32_t order, uint32_t alloc_flags,
                                        enum compact_priority priority);
/* After compaction a block was had in the zone of pfn: the zone is no longer put off. */
void compact_note_success(struct reclaim *reclaim, uint32_t pfn, uint32_t order);
/* compaction_ready(): has the zone such a block, or room enough to make one, so that reclaim may stop? */
bool compact_is_ready(const struct reclaim *reclaim, const struct zone *zone, uint32_t order, uint32_t highest_zone);
/* compaction_zonelist_suitable(): would compaction be worth trying if all that can be reclaimed were free? */
bool compact_is_worth_reclaim(struct reclaim *reclaim, uint32_t gfp, uint32_t order, uint32_t alloc_flags);
void compact_in_background(struct worker *worker, uint32_t order, uint32_t highest_zone); /* kcompactd */

/* --- oom.c --- */
/* Kills the process with the most memory. False: there is none to kill. */
bool oom_kill(struct reclaim *reclaim, uint32_t gfp, uint32_t order);
bool oom_kill_current(struct reclaim *reclaim); /* Linux 2.0: the one that asks, if a process does */
bool oom_is_victim(const struct reclaim *reclaim, uint32_t pid);

/* --- show_mem.c --- */
void show_mem(struct reclaim *reclaim); /* "Mem-Info:" and what follows it */
/* The name of the running task: that of its process, or "pagoda" for kernel code on nobody's behalf. */
const char *show_task_name(const struct reclaim *reclaim);
static inline uint64_t pages_kb(uint64_t nr_pages)
{
    return nr_pages * (PAGE_SIZE / 1024);
}
/* warn_alloc(): "page allocation failure". The Mem-Info comes at most every ten seconds. */
void show_alloc_failure(struct reclaim *reclaim, uint32_t gfp, uint32_t order);
