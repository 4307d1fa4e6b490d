/* alloc/page/buddy.h - free areas of one zone, split and merge. Linux v6.1 mm/page_alloc.c: expand(), __free_one_page(),
 * __rmqueue_fallback(). Stands on: zone, frame, base. */
#pragma once
#include "alloc/page/zone.h"

/* A free block enters or leaves the list of its order and type; its pages are counted by the caller. */
void buddy_add(struct page_alloc *pa, struct zone *zone, uint32_t pfn, uint32_t order, uint32_t migratetype, bool to_tail);
void buddy_remove(struct page_alloc *pa, struct zone *zone, uint32_t pfn);
void buddy_move(struct page_alloc *pa, struct zone *zone, uint32_t pfn,
                uint32_t migratetype); /* to the tail of that type */

/* __rmqueue_smallest(): head of the smallest fitting list, split down to order; 0: none. The block is still marked free. */
uint32_t buddy_take_smallest(struct page_alloc *pa, struct zone *zone, uint32_t order, uint32_t migratetype);
/* __rmqueue(): the same, and when that type has nothing, from another type's list. */
uint32_t buddy_take(struct page_alloc *pa, struct zone *zone, uint32_t order, uint32_t migratetype, uint32_t flags);
/* __free_one_page(): merges with free buddies and counts the pages as free. */
void buddy_free(struct page_alloc *pa, struct zone *zone, uint32_t pfn, uint32_t order, uint32_t migratetype);

/* find_suitable_fallback(): the type to rob when migratetype has no block of that order; NR_MIGRATETYPES: none has. Whether
 * the request would claim the block's pageblock (can_steal_fallback). */
uint32_t buddy_find_fallback(const struct zone *zone, uint32_t order, uint32_t migratetype);
bool buddy_claims_pageblock(uint32_t order, uint32_t migratetype);
/* __rmqueue_fallback(): makes a block of another type available to migratetype; false: there is none. */
bool buddy_steal(struct page_alloc *pa, struct zone *zone, uint32_t order, uint32_t migratetype, uint32_t flags);
/* move_freepages_block(): every free block of pfn's pageblock goes to migratetype's lists. Returns the pages moved;
 * *movable (may be NULL) counts allocated frames that could be migrated. */
uint32_t buddy_move_pageblock(struct page_alloc *pa, struct zone *zone, uint32_t pfn, uint32_t migratetype,
                              uint32_t *movable);
/* reserve_highatomic_pageblock(): keeps the pageblock of pfn for later high-order atomic requests. */
void buddy_reserve_highatomic(struct page_alloc *pa, struct zone *zone, uint32_t pfn);
