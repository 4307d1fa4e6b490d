/* alloc/reclaim/reclaim.h - what happens when memory runs short: kswapd, direct reclaim, LRU lists, swap, compaction, the
 * OOM killer. Linux v6.1 mm/page_alloc.c: __alloc_pages_slowpath(); mm/vmscan.c, workingset.c, swapfile.c, compaction.c,
 * oom_kill.c. Every floor above gets its frames here. Stands on: page_alloc, pte, frame.
 *
 * What depends on timing in reality is decided here, so that equal operations always do equal things:
 * - kswapd and kcompactd are one background thread on a CPU of its own. It works after the operation that woke it, and
 * while a caller sleeps. It works in steps of 32 pages. A step takes simulated time for each page that it scans or writes
 * to swap, and the next step begins when that time has passed. So a burst of allocations can outrun it, and tick lets it
 * end.
 * - A page is written to swap and freed in one go. Whoever reclaims waits for the transfer. There is no swap cache.
 * - There is one node, no file cache and no other task. So nobody else frees memory while a call waits: when direct
 * reclaim, compaction and the OOM killer have nothing left, the call fails (GFP_NOFS, __GFP_NOFAIL). */
#pragma once
#include "alloc/page/page_alloc.h"
#include "alloc/memory/pte.h"

/* An address space. Index 0: none. */
struct space_ref {
    uint32_t index;
};
#define SPACE_NONE ((struct space_ref){ 0 })

/* How reclaim reaches the page tables of a process: one record per address space. Owned by the process floor. */
STATE_STRUCTS
struct reclaim_space {
    uint32_t link; /* pool */
    uint32_t root; /* pfn of the top table; 0: not in use */
    uint32_t pid;
    uint32_t generation; /* counts every removal or narrowing of a mapping: soft TLBs compare it */
    uint64_t rss_pages, swap_pages;
    uint64_t peak_rss_pages;
    uint64_t oom_victim; /* 1: chosen; the machine ends the process after the operation */
};
STATE_STRUCTS_END
/* What the OOM report says of a process, and only the floors above know. */
struct reclaim_task {
    const char *name;
    uint64_t total_vm; /* pages mapped, touched or not */
};
typedef struct reclaim_task (*reclaim_task_of)(const void *world, struct space_ref space);
typedef uint64_t (*reclaim_count_tables)(const void *world); /* NR_PAGETABLE: page tables, as Linux counts them */

/* A page in the swap area. Its bytes move here from the frame. The frame reads as zeroes afterwards; Linux leaves them
 * there.
 */
STATE_STRUCTS
struct swap_slot {
    uint32_t users;    /* page-table entries that name it */
    uint32_t contents; /* as struct frame's */
    uint32_t evicted;  /* the LRU's age when the page left */
};

struct reclaim {
    struct page_alloc *pages;           /* wired */
    struct frames *frames;              /* wired */
    struct trace *trace;                /* wired */
    const struct profile *profile;      /* wired */
    const void *world;                  /* wired: what the next two are called with */
    reclaim_task_of task_of;            /* wired; NULL: tasks have no names */
    reclaim_count_tables count_tables;  /* wired; NULL: there are none */
    struct pool spaces;                 /* struct reclaim_space */
    struct pool slots;                  /* struct swap_slot: the swap area, a page each */
    struct index_list active, inactive; /* anonymous frames */
    uint32_t nr_lru[ZONES_MAX][2];      /* pages of each zone (by position) that are on the inactive and the active list */
    uint32_t nr_lazy;                   /* pages on them that MADV_FREE gave up */
    uint32_t age;                       /* evictions and activations so far: the clock of refault distances */
    uint64_t nr_reclaimed, nr_oom_kills;
    uint64_t quiet_until_ns; /* no Mem-Info with a page allocation failure before that */
};
STATE_STRUCTS_END

void reclaim_shape(struct reclaim *reclaim, const struct machine_config *config);
uint32_t reclaim_pools(struct reclaim *reclaim, struct pool **pools);

/* __alloc_pages(): the fast path, then the slow path; when gfp may sleep, also direct reclaim, compaction and the OOM
 * killer. Returns the first frame. 0: none; the trace has the message of the failure, unless gfp has __GFP_NOWARN. */
uint32_t reclaim_alloc_pages(struct reclaim *reclaim, uint32_t gfp, uint32_t order);
/* Takes up to nr single pages, and one at least, if there is one. Returns how many.
 * pfns  out; room for nr. */
uint32_t reclaim_alloc_bulk(struct reclaim *reclaim, uint32_t gfp, uint32_t nr, uint32_t *pfns);
static inline void reclaim_free_pages(struct reclaim *reclaim, uint32_t pfn, uint32_t order)
{
    page_free(reclaim->pages, pfn, order);
}
/* Lets kswapd do what it has time for, up to the trace's simulated time. Called after each operation, tick included. */
void reclaim_run_kswapd(struct reclaim *reclaim);
/* A write to /proc/sys/vm/compact_memory: every zone, every order. Returns the pages moved. */
uint32_t reclaim_compact_memory(struct reclaim *reclaim);

/* A frame becomes anonymous, mapped at a virtual page number of one space, and goes on the inactive list. */
void reclaim_add_anon(struct reclaim *reclaim, uint32_t pfn, struct space_ref space, uint64_t vpn);
/* It leaves its list. It is not freed. */
void reclaim_remove_anon(struct reclaim *reclaim, uint32_t pfn);
/* The space no longer maps the frame; its entry is cleared already. The end of the last mapping frees the frame. */
void reclaim_drop_mapping(struct reclaim *reclaim, uint32_t pfn, struct space_ref space);
static inline struct reclaim_space *reclaim_space_at(const struct reclaim *reclaim, struct space_ref space)
{
    return pool_at(&reclaim->spaces, space.index);
}
/* The address space that an anonymous frame belongs to; of a shared one, a space that maps it. */
static inline struct space_ref reclaim_owner(const struct frame *frame)
{
    return (struct space_ref){ frame->owner };
}
/* madvise(), for a frame with one mapping. */
void reclaim_free_lazily(struct reclaim *reclaim, uint32_t pfn); /* MADV_FREE: reclaim drops it instead of swapping it */
bool reclaim_page_out(struct reclaim *reclaim, uint32_t pfn);    /* MADV_PAGEOUT; false: it is locked, or swap is full */
/* A swap slot has one user fewer; one more; its bytes are copied into a frame. */
void reclaim_put_slot(struct reclaim *reclaim, uint32_t slot);
void reclaim_get_slot(struct reclaim *reclaim, uint32_t slot);
void reclaim_read_slot(struct reclaim *reclaim, uint32_t slot, uint32_t pfn);
const uint8_t *reclaim_peek_slot(const struct reclaim *reclaim, uint32_t slot); /* NULL: all zero */
static inline uint64_t reclaim_nr_slots(const struct reclaim *reclaim)
{
    return reclaim->slots.capacity - 1;
}
bool reclaim_check(const struct reclaim *reclaim, char *text, size_t capacity);
/* show_mem.c: warn_alloc(): "TASK: TEXT, mode:...", and the Mem-Info block unless one was printed within 10 s.
 * Linux v6.1 mm/page_alloc.c. */
void reclaim_warn_alloc(struct reclaim *reclaim, uint32_t gfp, const char *format, ...) TEXT_FORMAT(3, 4);
