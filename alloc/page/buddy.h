/* alloc/page/buddy.h - free areas of one zone, split and merge. Linux v6.1 mm/page_alloc.c: expand(), __free_one_page(),
 * __rmqueue_fallback(). Stands on: zone, frame, base. */
#pragma once
#include "alloc/page/zone.h"

/* A free block enters or leaves the list of its order and type. The caller counts its pages. */
void buddy_add(struct page_alloc *pa, struct zone *zone, uint32_t pfn, uint32_t order, uint32_t migratetype, bool to_tail);
void buddy_remove(struct page_alloc *pa, struct zone *zone, uint32_t pfn);
/* A free block goes to the tail of that type's list. */
void buddy_move(struct page_alloc *pa, struct zone *zone, uint32_t pfn, uint32_t migratetype);

/* __rmqueue_smallest(): takes the head of the smallest list that has a block, and splits it down to order. The block is
 * still marked free. Returns its pfn; 0: there is none. */
uint32_t buddy_take_smallest(struct page_alloc *pa, struct zone *zone, uint32_t order, uint32_t migratetype);
/* __rmqueue(): the same. When that type has nothing, a block of another type is stolen.
 * flags  enum alloc_flag. */
uint32_t buddy_take(struct page_alloc *pa, struct zone *zone, uint32_t order, uint32_t migratetype, uint32_t flags);
/* __free_one_page(): merges with free buddies and counts the pages as free. */
void buddy_free(struct page_alloc *pa, struct zone *zone, uint32_t pfn, uint32_t order, uint32_t migratetype);

/* find_suitable_fallback(): the type to steal from when migratetype has no block of that order. NR_MIGRATETYPES: no type
 * has one. */
uint32_t buddy_find_fallback(const struct zone *zone, uint32_t order, uint32_t migratetype);
/* can_steal_fallback(): does who steals a block of that order take the whole pageblock, if he can? */
bool buddy_claims_pageblock(uint32_t order, uint32_t migratetype);
/* __rmqueue_fallback(): moves a block of another type to migratetype's lists. False: there is none.
 * order  of the request.
 * flags  enum alloc_flag. */
bool buddy_steal(struct page_alloc *pa, struct zone *zone, uint32_t order, uint32_t migratetype, uint32_t flags);
/* move_freepages_block(): every free block of pfn's pageblock goes to migratetype's lists. Returns the pages moved.
 * movable  out: allocated frames of the pageblock that could be migrated; may be NULL. */
uint32_t buddy_move_pageblock(struct page_alloc *pa, struct zone *zone, uint32_t pfn, uint32_t migratetype,
                              uint32_t *movable);
/* reserve_highatomic_pageblock(): keeps the pageblock of pfn for later atomic requests of order 1 and more. */
void buddy_reserve_highatomic(struct page_alloc *pa, struct zone *zone, uint32_t pfn);
