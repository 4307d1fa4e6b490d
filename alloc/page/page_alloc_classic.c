/* The buddy system of Linux 2.0: one list for each order 0..5, over all of memory.
 *
 * A split gives the lower half back and goes on with the upper one. Everything that becomes free goes to the head of its
 * list. Boot frees memory upwards. So high addresses are handed out first, once the odd ends of low memory are used up.
 * Requests that may sleep stop at min_free_pages; GFP_ATOMIC goes on to the last page. Memory below 16 MiB is good for DMA:
 * a __GFP_DMA request walks each list until it finds such a block. */
#include "alloc/page/page_alloc_classic.h"
#include "alloc/page/zone.h"

#include <string.h>

#define PFN_HOLE_START 159u /* 636 KiB: the BIOS's data, video memory and ROM ... */
#define PFN_HOLE_END 256u   /* ... up to 1 MiB, where the kernel begins */
#define KERNEL_PAGES 256u   /* 1 MiB of code and data */
#define MIN_FREE_SHARE 7u   /* min_free_pages: 1/128 of memory ... */
#define MIN_FREE_LEAST 16u  /* ... at least 16 pages */

static struct zone *classic_memory(struct page_alloc *pa)
{
    return &pa->zones[0];
}

static void classic_push(struct page_alloc *pa, uint32_t pfn, uint32_t order)
{
    struct zone *zone = classic_memory(pa);
    frame_set_kind(pa->frames, pfn, FRAME_FREE, order);
    frame_list_push_head(pa->frames, &zone->free_area[order][0], pfn);
    zone->nr_free[order]++;
}

static void classic_pull(struct page_alloc *pa, uint32_t pfn, uint32_t order)
{
    struct zone *zone = classic_memory(pa);
    frame_list_remove(pa->frames, &zone->free_area[order][0], pfn);
    zone->nr_free[order]--;
}

/* The first block of a list that the request can use. */
static uint32_t classic_find_block(const struct page_alloc *pa, const struct index_list *list, bool dma)
{
    uint32_t pfn = list->first;
    while (pfn && dma && pfn >= PFN_DMA_END)
        pfn = frame_at(pa->frames, pfn)->next;
    return pfn;
}

/* Gives lower halves back until the block has the order low. Returns what is left: the upper end. */
static uint32_t classic_expand(struct page_alloc *pa, uint32_t pfn, uint32_t low, uint32_t high)
{
    frame_set_kind(pa->frames, pfn, FRAME_NONE, 0);
    while (high > low) {
        high--;
        classic_push(pa, pfn, high);
        TRACE_EVENT(pa->trace, .kind = EV_SPLIT, .pfn = pfn, .order = (uint8_t)high);
        trace_cost(pa->trace, COST_SPLIT, 1);
        pfn += 1u << high;
    }
    return pfn;
}

static bool classic_may_take(const struct page_alloc *pa, uint32_t gfp, uint32_t order)
{
    const struct zone *zone = &pa->zones[0];
    bool ok = !gfp_may_sleep(gfp) || zone->free_global > pa->classic_reserve_pages;
    TRACE_EVENT(pa->trace, .kind = EV_WATERMARK, .order = (uint8_t)order, .a = (uint64_t)zone->free_global,
                .b = gfp_may_sleep(gfp) ? pa->classic_reserve_pages : 0, .ok = ok);
    return ok;
}

uint32_t classic_alloc(struct page_alloc *pa, uint32_t gfp, uint32_t order)
{
    struct zone *zone = classic_memory(pa);
    if (!classic_may_take(pa, gfp, order))
        return 0;
    for (uint32_t from = order; from < pa->profile->nr_orders; from++) {
        uint32_t pfn = classic_find_block(pa, &zone->free_area[from][0], gfp & __GFP_DMA);
        TRACE_EVENT(pa->trace, .kind = EV_TRY_BUDDY, .order = (uint8_t)from, .ok = pfn != 0);
        if (!pfn)
            continue;
        classic_pull(pa, pfn, from);
        zone->free_global -= INT64_C(1) << order;
        trace_cost(pa->trace, COST_BUDDY, 1);
        return classic_expand(pa, pfn, order, from);
    }
    return 0;
}

void classic_free(struct page_alloc *pa, uint32_t pfn, uint32_t order)
{
    classic_memory(pa)->free_global += INT64_C(1) << order;
    trace_step(pa->trace, PATH_free_pages_ok);
    trace_cost(pa->trace, COST_BUDDY, 1);
    frame_set_kind(pa->frames, pfn, FRAME_NONE, 0);
    while (order + 1 < pa->profile->nr_orders) {
        uint32_t buddy = pfn ^ (1u << order);
        if (buddy >= pa->frames->nr)
            break;
        const struct frame *frame = frame_at(pa->frames, buddy);
        if (frame->kind != FRAME_FREE || frame->order != order)
            break;
        classic_pull(pa, buddy, order);
        frame_set_kind(pa->frames, buddy, FRAME_NONE, 0);
        pfn &= ~(1u << order);
        order++;
        TRACE_EVENT(pa->trace, .kind = EV_MERGE, .pfn = pfn, .order = (uint8_t)order, .a = buddy);
        trace_cost(pa->trace, COST_SPLIT, 1);
    }
    classic_push(pa, pfn, order);
}

static void classic_set_marks(struct page_alloc *pa)
{
    struct zone *zone = classic_memory(pa);
    uint32_t pages = pa->frames->nr >> MIN_FREE_SHARE;
    if (pages < MIN_FREE_LEAST)
        pages = MIN_FREE_LEAST;
    if (pa->min_free_kbytes)
        pages = pa->min_free_kbytes / 4;
    pa->classic_reserve_pages = pages;
    zone->min = pages;
    zone->low = pages + pages / 2;
    zone->high = pages * 2;
}

/* Linux 2.0 frees its memory page by page, upwards. So of the largest blocks the last one stands first. */
static void classic_free_range(struct page_alloc *pa, uint32_t start, uint32_t end)
{
    while (start < end) {
        uint32_t order = frames_largest_order(start, end, pa->profile->nr_orders);
        classic_push(pa, start, order);
        classic_memory(pa)->managed += 1u << order;
        start += 1u << order;
    }
}

void classic_boot(struct page_alloc *pa)
{
    struct zone *zone = classic_memory(pa);
    pa->nr_zones = 1;
    memset(zone, 0, sizeof *zone);
    memcpy(zone->name, "memory", sizeof "memory");
    zone->spanned = pa->frames->nr;
    zone->present = pa->frames->nr - (PFN_HOLE_END - PFN_HOLE_START);
    frames_reserve_range(pa->frames, 0, 1, 1, RESERVED_FIRMWARE); /* page 0 is the BIOS's, and pfn 0 means none */
    classic_free_range(pa, 1, PFN_HOLE_START);
    frames_reserve_range(pa->frames, PFN_HOLE_START, PFN_HOLE_END, pa->profile->nr_orders, RESERVED_FIRMWARE);
    frames_reserve_range(pa->frames, PFN_HOLE_END, PFN_HOLE_END + KERNEL_PAGES, pa->profile->nr_orders, RESERVED_KERNEL);
    classic_free_range(pa, PFN_HOLE_END + KERNEL_PAGES, pa->frames->nr);
    zone->free_global = zone->managed;
    classic_set_marks(pa);
}
