/* alloc/page/page_alloc_classic.h - the classic page allocator: one list per order. Linux v2.0 mm/page_alloc.c. Stands on:
 * frame. */
#pragma once
#include "alloc/page/page_alloc.h"

void classic_boot(struct page_alloc *pa);
uint32_t classic_alloc(struct page_alloc *pa, uint32_t gfp, uint32_t order); /* 0: none; the block is still marked free */
void classic_free(struct page_alloc *pa, uint32_t pfn, uint32_t order);
