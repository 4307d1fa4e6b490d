/* alloc/reclaim.h - what happens when memory runs short: kswapd, direct reclaim, LRU lists, swap, the OOM killer. Linux v6.1
 * mm/vmscan.c, mm/swapfile.c, mm/oom_kill.c. Every floor above gets its frames here. Stands on: page_alloc, pte, frame. */
#pragma once
#include "alloc/page_alloc.h"
#include "alloc/pte.h"

/* How reclaim reaches the page tables of a process: one record per address space. Owned by the process floor. */
struct reclaim_space {
    uint32_t link; /* pool */
    uint32_t root; /* pfn of the top table; 0: not in use */
    uint32_t pid;
    uint32_t generation; /* counts every removal or narrowing of a mapping: soft TLBs compare it */
    uint64_t rss_pages, swap_pages;
    uint64_t oom_victim; /* 1: chosen; the machine ends the process after the operation */
};

/* A page in the swap area. Its bytes move here from the frame, which reads as zeroes afterwards (Linux leaves them there). */
struct swap_slot {
    uint32_t users; /* page-table entries that name it */
    uint32_t contents; /* in frames->contents; 0: all zero */
};

struct reclaim {
    struct page_alloc *pages; /* wired */
    struct frames *frames; /* wired */
    struct trace *trace; /* wired */
    const struct profile *profile; /* wired */
    struct pool spaces; /* struct reclaim_space */
    struct pool slots; /* struct swap_slot: the swap area, a page each */
    struct frame_list active, inactive; /* anonymous frames */
    uint64_t nr_reclaimed, nr_oom_kills;
};

void reclaim_shape(struct reclaim *reclaim, const struct machine_config *config);
void reclaim_wire(struct reclaim *reclaim, struct page_alloc *pages, struct frames *frames, struct trace *trace,
                  const struct profile *profile);
uint32_t reclaim_pools(struct reclaim *reclaim, struct pool **pools);

/* __alloc_pages: fast path, slow path, and, when gfp may sleep, direct reclaim and the OOM killer. 0: none; the trace has the
 * page allocation failure message unless __GFP_NOWARN. */
uint32_t reclaim_alloc_pages(struct reclaim *reclaim, uint32_t gfp, uint32_t order);
uint32_t reclaim_alloc_bulk(struct reclaim *reclaim, uint32_t gfp, uint32_t nr, uint32_t *pfns);
static inline void reclaim_free_pages(struct reclaim *reclaim, uint32_t pfn, uint32_t order)
{
    page_free(reclaim->pages, pfn, order);
}
/* Lets kswapd work if it was woken: called between operations, and by tick. */
void reclaim_run_kswapd(struct reclaim *reclaim);

/* Anonymous frames: mapped at vpn of one space. add puts the frame on the LRU; remove takes it off (the frame is not freed). */
void reclaim_add_anon(struct reclaim *reclaim, uint32_t pfn, uint32_t space, uint64_t vpn);
void reclaim_remove_anon(struct reclaim *reclaim, uint32_t pfn);
/* space no longer maps the frame (its entry is cleared already). The last mapping's end frees the frame. */
void reclaim_drop_mapping(struct reclaim *reclaim, uint32_t pfn, uint32_t space);
static inline struct reclaim_space *reclaim_space_at(const struct reclaim *reclaim, uint32_t space)
{
    return pool_at(&reclaim->spaces, space);
}
/* One user fewer of a swap slot. read copies the slot's bytes into a frame. */
void reclaim_put_slot(struct reclaim *reclaim, uint32_t slot);
void reclaim_get_slot(struct reclaim *reclaim, uint32_t slot); /* one more: fork */
void reclaim_read_slot(struct reclaim *reclaim, uint32_t slot, uint32_t pfn);
static inline uint64_t reclaim_nr_slots(const struct reclaim *reclaim)
{
    return reclaim->slots.capacity - 1;
}
bool reclaim_check(const struct reclaim *reclaim, char *text, size_t capacity);
