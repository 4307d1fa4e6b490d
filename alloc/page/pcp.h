/* alloc/page/pcp.h - per-CPU lists of free pages. Linux v6.1 mm/page_alloc.c: rmqueue_pcplist(), free_unref_page_commit(),
 * free_pcppages_bulk(). Stands on: buddy, zone, frame. */
#pragma once
#include "alloc/page/buddy.h"

static inline bool pcp_takes_order(uint32_t order)
{
    return order <= 3 || order == PAGEBLOCK_ORDER;
}
/* One block from this CPU's list, refilled from the buddy lists if it is empty; 0: none. The block is still FRAME_PCP. */
uint32_t pcp_take(struct page_alloc *pa, struct zone *zone, struct pcp *pcp, uint32_t order, uint32_t migratetype,
                  uint32_t flags);
void pcp_free(struct page_alloc *pa, struct zone *zone, uint32_t pfn, uint32_t order);
void pcp_drain(struct page_alloc *pa, struct zone *zone, uint32_t cpu);
void pcp_set_limits(struct page_alloc *pa, struct zone *zone); /* high and batch, from the watermarks of now */
