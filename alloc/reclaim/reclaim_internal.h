/* alloc/reclaim/reclaim_internal.h - what lru.c, swap.c, compaction.c, oom.c, show_mem.c and reclaim.c share. */
#pragma once
#include "alloc/reclaim/reclaim.h"
#include "alloc/page/zone.h"

#define SWAP_CLUSTER_MAX 32u /* pages of one round of scanning */
#define COSTLY_ORDER 3u      /* PAGE_ALLOC_COSTLY_ORDER: above it, no OOM kill and no endless retries */
#define SCAN_PRIORITY 12u    /* DEF_PRIORITY: 1/4096 of the lists first */

/* Who works, and how its time is counted: a caller's is the operation's, a background thread's its own. */
struct worker {
    struct reclaim *reclaim;
    bool is_background;
    uint64_t ns; /* of the background thread so far */
};
/* count steps of work that keep the CPU busy; transfers, during which a caller sleeps. */
void worker_cost(struct worker *worker, enum cost_step step, uint32_t count);
void worker_wait(struct worker *worker, enum cost_step step, uint32_t count);

static inline void reclaim_count(struct reclaim *reclaim, enum vm_item item, uint64_t n)
{
    vmstat_add(&reclaim->pages->vmstat, item, n);
}

/* --- lru.c --- */
/* Calls visit for every space that maps the frame, until it returns true; returns true then. */
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
/* Puts `to` into the place of `from`, which leaves the lists: migration. The mappings are the caller's. */
void lru_replace(struct reclaim *reclaim, uint32_t from, uint32_t to);
/* zone_reclaimable_pages(): 0 without free swap. */
uint64_t lru_nr_reclaimable(const struct reclaim *reclaim, const struct zone *zone);

/* --- swap.c --- */
uint64_t swap_nr_free(const struct reclaim *reclaim);
/* Moves the frame's bytes to a new slot; 0: the area is full. */
uint32_t swap_take_slot(struct reclaim *reclaim, uint32_t pfn);

/* --- compaction.c --- */
enum compact_result { COMPACT_SKIPPED, COMPACT_DEFERRED, COMPACT_PARTIAL, COMPACT_COMPLETE, COMPACT_SUCCESS };
enum compact_priority { COMPACT_SYNC_FULL, COMPACT_SYNC_LIGHT, COMPACT_ASYNC };
/* try_to_compact_pages(): zones of the request's walk, until one has a block of that order. */
enum compact_result compact_for_request(struct reclaim *reclaim, uint32_t gfp, uint32_t order, uint32_t alloc_flags,
                                        enum compact_priority priority);
/* A block was (or was not) to be had after compaction: when may it be tried again. */
void compact_note_success(struct reclaim *reclaim, uint32_t pfn, uint32_t order);
/* compaction_ready(): compaction of this zone can go ahead, and a little of reclaim's gains may be lost meanwhile. */
bool compact_is_ready(const struct reclaim *reclaim, const struct zone *zone, uint32_t order, uint32_t highest_zone);
/* compaction_zonelist_suitable(): would it be worth trying if all that can be reclaimed were free. */
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
