/* The buddy lists of one zone: a list for each order and migratetype.
 *
 * An allocation takes the head of the list of the smallest order that has a block, and splits the block. The upper halves
 * go back, so low addresses are used first. A freed block merges with its buddy for as long as that is a free block of the
 * same order. The buddy's pfn differs from the block's in the bit of the order alone. */
#include "alloc/page/buddy.h"

void buddy_add(struct page_alloc *pa, struct zone *zone, uint32_t pfn, uint32_t order, uint32_t migratetype, bool to_tail)
{
    struct index_list *list = &zone->free_area[order][migratetype];
    frame_set_kind(pa->frames, pfn, FRAME_FREE, order);
    frame_at(pa->frames, pfn)->migratetype = (uint8_t)migratetype;
    if (to_tail)
        frame_list_push_tail(pa->frames, list, pfn);
    else
        frame_list_push_head(pa->frames, list, pfn);
    zone->nr_free[order]++;
}

void buddy_remove(struct page_alloc *pa, struct zone *zone, uint32_t pfn)
{
    const struct frame *frame = frame_at(pa->frames, pfn);
    frame_list_remove(pa->frames, &zone->free_area[frame->order][frame->migratetype], pfn);
    zone->nr_free[frame->order]--;
}

void buddy_move(struct page_alloc *pa, struct zone *zone, uint32_t pfn, uint32_t migratetype)
{
    uint32_t order = frame_at(pa->frames, pfn)->order;
    buddy_remove(pa, zone, pfn);
    buddy_add(pa, zone, pfn, order, migratetype, true);
}

/* expand(): splits a block from order high down to order low. The block is off its list. At each step the upper half
 * becomes free; the lowest part is left.
 *
 *      ........      8 pages: high = 3, low = 0
 *      ....2222      the upper half is a free block of order 2
 *      ..112222
 *      *0112222      page * is left */
static void buddy_expand(struct page_alloc *pa, struct zone *zone, uint32_t pfn, uint32_t low, uint32_t high,
                         uint32_t migratetype)
{
    while (high > low) {
        high--;
        buddy_add(pa, zone, pfn + (1u << high), high, migratetype, false);
        trace_cost(pa->trace, COST_SPLIT, 1);
        TRACE_EVENT(pa->trace, .kind = EV_SPLIT, .pfn = pfn, .order = (uint8_t)high, .migratetype = (uint8_t)migratetype);
    }
}

uint32_t buddy_take_smallest(struct page_alloc *pa, struct zone *zone, uint32_t order, uint32_t migratetype)
{
    for (uint32_t from = order; from < MAX_ORDER; from++) {
        uint32_t pfn = zone->free_area[from][migratetype].first;
        if (!pfn)
            continue;
        buddy_remove(pa, zone, pfn);
        buddy_expand(pa, zone, pfn, order, from, migratetype);
        trace_cost(pa->trace, COST_BUDDY, 1);
        return pfn;
    }
    return 0;
}

uint32_t buddy_take(struct page_alloc *pa, struct zone *zone, uint32_t order, uint32_t migratetype, uint32_t flags)
{
    trace_step(pa->trace, PATH___rmqueue);
    uint32_t pfn = buddy_take_smallest(pa, zone, order, migratetype);
    while (!pfn && buddy_steal(pa, zone, order, migratetype, flags))
        pfn = buddy_take_smallest(pa, zone, order, migratetype);
    TRACE_EVENT(pa->trace, .kind = EV_TRY_BUDDY, .zone = (uint8_t)zone->index, .order = (uint8_t)order,
                .migratetype = (uint8_t)migratetype, .ok = pfn != 0);
    return pfn;
}

static bool buddy_is_free_block(const struct page_alloc *pa, uint32_t pfn, uint32_t order)
{
    if (pfn >= pa->frames->nr)
        return false;
    const struct frame *frame = frame_at(pa->frames, pfn);
    return frame->kind == FRAME_FREE && frame->order == order;
}

/* May two blocks of a pageblock's size or more merge? HighAtomic and Isolate pageblocks merge with none of another type. */
static bool buddy_types_may_merge(uint32_t a, uint32_t b)
{
    return a == b || (migratetype_is_mergeable(a) && migratetype_is_mergeable(b));
}

/* buddy_merge_likely(): is the buddy of the next larger block free? Then a merge over two orders lacks nothing but this
 * block's own buddy. The block waits at the tail of its list, where it is handed out last.
 *
 *      [ block ][ buddy ][   free, one order up   ] */
static bool buddy_merge_is_likely(const struct page_alloc *pa, uint32_t pfn, uint32_t order)
{
    if (order >= MAX_ORDER - 2)
        return false;
    uint32_t parent = pfn & ~(1u << order);
    return buddy_is_free_block(pa, parent ^ (2u << order), order + 1);
}

/* Each turn of the loop makes one block of the next order out of the block and its buddy.
 *
 *      pfn  0    1    2    3    4    5    6    7
 *          [    A    ][ * ][ B ][       C        ]      page * is freed; A, B and C are free
 *          [    A    ][  *   B ][       C        ]      order 0: its buddy is 3
 *          [    A       *    B ][       C        ]      order 1: its buddy is 0
 *          [    A       *    B          C        ]      order 2: its buddy is 4 */
void buddy_free(struct page_alloc *pa, struct zone *zone, uint32_t pfn, uint32_t order, uint32_t migratetype)
{
    trace_step(pa->trace, PATH___free_one_page);
    zone_add_free(pa, zone, 1 << order);
    frame_set_kind(pa->frames, pfn, FRAME_NONE, 0);
    while (order < MAX_ORDER - 1) {
        uint32_t buddy = pfn ^ (1u << order);
        if (!buddy_is_free_block(pa, buddy, order))
            break;
        if (order >= PAGEBLOCK_ORDER && !buddy_types_may_merge(migratetype, pageblock_type(pa, buddy)))
            break;
        buddy_remove(pa, zone, buddy);
        frame_set_kind(pa->frames, buddy, FRAME_NONE, 0);
        pfn &= ~(1u << order);
        order++;
        trace_cost(pa->trace, COST_SPLIT, 1);
        TRACE_EVENT(pa->trace, .kind = EV_MERGE, .pfn = pfn, .order = (uint8_t)order, .a = buddy);
    }
    buddy_add(pa, zone, pfn, order, migratetype, buddy_merge_is_likely(pa, pfn, order));
    trace_cost(pa->trace, COST_BUDDY, 1);
}
