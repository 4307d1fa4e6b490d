/* alloc/page/memblock.c - see memblock.h. */
#include "alloc/page/memblock.h"

#include <string.h>

void memblock_add(struct memblock *block, uint64_t start, uint64_t end)
{
    block->areas[block->nr_areas++] = (struct memblock_range){ .start = start, .end = end };
}

/* --- the list of what is taken --- */

static void memblock_insert(struct memblock *block, uint32_t at, struct memblock_range range)
{
    struct memblock_range *place = &block->reserved[at];
    memmove(place + 1, place, (block->nr_reserved - at) * sizeof *place);
    *place = range;
    block->nr_reserved++;
}

static void memblock_remove(struct memblock *block, uint32_t at)
{
    struct memblock_range *place = &block->reserved[at];
    memmove(place, place + 1, (--block->nr_reserved - at) * sizeof *place);
}

/* Two neighbours of one owner become one range. */
static void memblock_join(struct memblock *block, uint32_t at)
{
    struct memblock_range *range = &block->reserved[at];
    if (at + 1 >= block->nr_reserved || range[1].start != range->end || range[1].owner != range->owner)
        return;
    range->end = range[1].end;
    memblock_remove(block, at + 1);
}

void memblock_reserve(struct memblock *block, uint64_t start, uint64_t end, enum reserved_owner owner)
{
    uint32_t at = block->nr_reserved;
    while (at && block->reserved[at - 1].start > start)
        at--;
    memblock_insert(block, at, (struct memblock_range){ start, end, owner });
    memblock_join(block, at);
    if (at)
        memblock_join(block, at - 1);
}

void memblock_free(struct memblock *block, uint64_t start, uint64_t end)
{
    for (uint32_t i = block->nr_reserved; i-- > 0;) {
        struct memblock_range old = block->reserved[i];
        if (old.end <= start || old.start >= end)
            continue;
        memblock_remove(block, i);
        if (end < old.end)
            memblock_insert(block, i, (struct memblock_range){ end, old.end, old.owner });
        if (old.start < start)
            memblock_insert(block, i, (struct memblock_range){ old.start, start, old.owner });
    }
}

/* --- the highest place --- */

/* The highest place in the free bytes [start, end); 0: they do not suffice. */
static uint64_t memblock_fit(const struct memblock_request *request, uint64_t start, uint64_t end)
{
    uint64_t low = request->low ? request->low : PAGE_SIZE, align = request->align ? request->align : MEMBLOCK_LINE;
    start = start < low ? low : start;
    end = request->high && end > request->high ? request->high : end;
    if (end < start || end - start < request->size)
        return 0;
    uint64_t at = (end - request->size) & ~(align - 1);
    return at < start ? 0 : at;
}

/* In one area. *nr_below: reserved ranges that begin below the area's end; moves down to those below the area. */
static uint64_t memblock_find_in(const struct memblock *block, const struct memblock_range *area, uint32_t *nr_below,
                                 const struct memblock_request *request)
{
    uint64_t end = area->end;
    for (; end > area->start; (*nr_below)--) {
        const struct memblock_range *taken = *nr_below ? &block->reserved[*nr_below - 1] : NULL;
        bool is_first = !taken || taken->end <= area->start;
        uint64_t start = is_first ? area->start : taken->end;
        uint64_t at = start < end ? memblock_fit(request, start, end) : 0;
        if (at || is_first)
            return at;
        end = taken->start;
    }
    return 0;
}

uint64_t memblock_find(const struct memblock *block, const struct memblock_request *request)
{
    uint32_t nr_below = block->nr_reserved;
    uint64_t at = 0;
    for (uint32_t i = block->nr_areas; i-- > 0 && !at;) {
        while (nr_below && block->reserved[nr_below - 1].start >= block->areas[i].end)
            nr_below--;
        at = memblock_find_in(block, &block->areas[i], &nr_below, request);
    }
    return at;
}

uint64_t memblock_take(struct memblock *block, const struct memblock_request *request)
{
    uint64_t at = block->nr_reserved + 2 < MEMBLOCK_RESERVED ? memblock_find(block, request) : 0;
    if (at)
        memblock_reserve(block, at, at + request->size, request->owner);
    return at;
}
