/* alloc/page/pcp.h - per-CPU lists of free pages. Linux v6.1 mm/page_alloc.c: rmqueue_pcplist(), free_unref_page_commit(),
 * free_pcppages_bulk(). Stands on: buddy, zone, frame. */
#pragma once
#include "alloc/page/buddy.h"

/* Has a block of that order a per-CPU list? */
static inline bool pcp_takes_order(uint32_t order)
{
    return order <= 3 || order == PAGEBLOCK_ORDER;
}
/* Takes a block off this CPU's list. An empty list is refilled first. The block is still FRAME_PCP. Returns its pfn; 0:
 * there is none.
 * flags  enum alloc_flag. */
uint32_t pcp_take(struct page_alloc *pa, struct zone *zone, struct pcp *pcp, uint32_t order, uint32_t migratetype,
                  uint32_t flags);
void pcp_free(struct page_alloc *pa, struct zone *zone, uint32_t pfn, uint32_t order); /* to this CPU's list */
void pcp_drain(struct page_alloc *pa, struct zone *zone, uint32_t cpu); /* all of a CPU's pages go to the buddy lists */
/* Sets high and batch of each CPU from the zone's present watermarks. */
void pcp_set_limits(struct page_alloc *pa, struct zone *zone);
