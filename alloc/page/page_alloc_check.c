/* The page allocator's invariants. Every list is well linked and holds blocks of its kind, order and type. Free buddies
 * have merged. All counts agree with the lists. */
#include "alloc/page/zone.h"

struct complaint {
    char *text;
    size_t capacity;
};

static bool page_check_complain(const struct complaint *why, const char *what, uint64_t n)
{
    text_print(why->text, why->capacity, "page_alloc: %s %ju", what, n);
    return false;
}

/* Links and blocks of one list.
 * type  that each block must have; NR_MIGRATETYPES: any. */
static bool page_check_list(const struct page_alloc *pa, const struct zone *zone, const struct index_list *list,
                            uint32_t kind, uint32_t order, uint32_t type, const struct complaint *why)
{
    uint32_t nr = 0, last = 0;
    for (uint32_t pfn = list->first; pfn; pfn = frame_at(pa->frames, pfn)->next) {
        if (pfn >= pa->frames->nr || !zone_has_pfn(zone, pfn))
            return page_check_complain(why, "a list leads out of its zone, to pfn", pfn);
        const struct frame *frame = frame_at(pa->frames, pfn);
        if (frame->kind != kind || frame->order != order || (type < NR_MIGRATETYPES && frame->migratetype != type))
            return page_check_complain(why, "a list holds what is not of its kind, order and type: pfn", pfn);
        if (frame->migratetype >= NR_MIGRATETYPES)
            return page_check_complain(why, "a block remembers a type that there is not: pfn", pfn);
        if (pfn & ((1u << order) - 1))
            return page_check_complain(why, "a block is not aligned: pfn", pfn);
        if (frame->prev != last)
            return page_check_complain(why, "a list is badly linked at pfn", pfn);
        last = pfn;
        if (++nr > list->count)
            return page_check_complain(why, "a list is longer than its count, or goes round, at pfn", pfn);
    }
    if (nr != list->count || last != list->last)
        return page_check_complain(why, "a list is shorter than its count, or ends elsewhere:", list->count);
    return true;
}

/* Two free buddies below a pageblock's size must have merged. The types of larger ones may keep them apart. */
static bool page_check_merged(const struct page_alloc *pa, const struct index_list *list, uint32_t order,
                              const struct complaint *why)
{
    uint32_t largest = pa->profile->nr_orders - 1;
    if (order >= largest || (pa->profile->has_migratetypes && order >= PAGEBLOCK_ORDER))
        return true;
    for (uint32_t pfn = list->first; pfn; pfn = frame_at(pa->frames, pfn)->next) {
        uint32_t buddy = pfn ^ (1u << order);
        const struct frame *frame = buddy < pa->frames->nr ? frame_at(pa->frames, buddy) : NULL;
        if (frame && frame->kind == FRAME_FREE && frame->order == order)
            return page_check_complain(why, "two free buddies did not merge: pfn", pfn);
    }
    return true;
}

static bool page_check_free_lists(const struct page_alloc *pa, const struct zone *zone, uint64_t *nr_pages,
                                  const struct complaint *why)
{
    for (uint32_t order = 0; order < VIEW_ORDERS; order++) {
        uint32_t nr_blocks = 0;
        for (uint32_t type = 0; type < NR_MIGRATETYPES; type++) {
            const struct index_list *list = &zone->free_area[order][type];
            uint32_t wanted = pa->profile->has_migratetypes ? type : NR_MIGRATETYPES;
            if (!page_check_list(pa, zone, list, FRAME_FREE, order, wanted, why) ||
                !page_check_merged(pa, list, order, why))
                return false;
            nr_blocks += list->count;
        }
        if (nr_blocks != zone->nr_free[order])
            return page_check_complain(why, "nr_free differs from the lists in order", order);
        *nr_pages += (uint64_t)nr_blocks << order;
    }
    return true;
}

static bool page_check_pcp(const struct page_alloc *pa, const struct zone *zone, const struct pcp *pcp,
                           const struct complaint *why)
{
    uint32_t nr_pages = 0;
    if (!pcp->batch || pcp->batch > PAGEBLOCK_PAGES || pcp->free_factor > 5)
        return page_check_complain(why, "a per-CPU list has no sensible batch:", pcp->batch);
    for (uint32_t i = 0; i < NR_PCP_LISTS; i++) {
        uint32_t order = i < 12 ? i / NR_PCP_TYPES : PAGEBLOCK_ORDER;
        if (!page_check_list(pa, zone, &pcp->lists[i], FRAME_PCP, order, NR_MIGRATETYPES, why))
            return false;
        nr_pages += pcp->lists[i].count << order;
    }
    return nr_pages == pcp->count || page_check_complain(why, "a per-CPU count differs from its lists:", pcp->count);
}

static bool page_check_zone(const struct page_alloc *pa, const struct zone *zone, uint64_t *nr_free, uint64_t *nr_pcp,
                            const struct complaint *why)
{
    uint64_t nr_pages = 0;
    int64_t counted = zone->free_global;
    if (!page_check_free_lists(pa, zone, &nr_pages, why))
        return false;
    for (uint32_t cpu = 0; pa->profile->has_migratetypes && cpu < pa->nr_cpus; cpu++) {
        const struct pcp *pcp = zone_pcp(pa, zone, cpu);
        if (!page_check_pcp(pa, zone, pcp, why))
            return false;
        counted += pcp->nr_free_diff;
        *nr_pcp += pcp->count;
    }
    if (counted != (int64_t)nr_pages)
        return page_check_complain(why, "the free count differs from the lists, which hold", nr_pages);
    *nr_free += nr_pages;
    return true;
}

/* What all other checks rely on. It is checked first, because an image may hold anything. */
static bool page_check_shape(const struct page_alloc *pa, const struct complaint *why)
{
    if (!pa->nr_zones || pa->nr_zones > ZONES_MAX || !pa->nr_cpus || pa->nr_cpus > CPUS_MAX)
        return page_check_complain(why, "too many zones or CPUs:", pa->nr_zones);
    if (pa->pcps.capacity <= ZONES_MAX * pa->nr_cpus || pa->pageblocks.capacity <= (pa->frames->nr >> PAGEBLOCK_ORDER) + 1)
        return page_check_complain(why, "a table is too small for CPUs", pa->nr_cpus);
    for (uint32_t i = 0; i < pa->nr_zones; i++)
        if (pa->zones[i].index >= ZONES_MAX || pa->zones[i].spanned > pa->frames->nr ||
            pa->zones[i].start_pfn > pa->frames->nr - pa->zones[i].spanned)
            return page_check_complain(why, "a zone lies outside memory:", i);
    for (uint32_t pfn = 0; pfn < pa->frames->nr; pfn += PAGEBLOCK_PAGES)
        if (pageblock_type(pa, pfn) >= NR_MIGRATETYPES && pageblock_type(pa, pfn) != PAGEBLOCK_ABSENT)
            return page_check_complain(why, "a pageblock has no type: pfn", pfn);
    return true;
}

bool page_alloc_check(const struct page_alloc *pa, char *text, size_t capacity)
{
    const struct complaint why = { text, capacity };
    uint64_t nr_free = 0, nr_pcp = 0;
    if (!page_check_shape(pa, &why))
        return false;
    for (uint32_t i = 0; i < pa->nr_zones; i++)
        if (!page_check_zone(pa, &pa->zones[i], &nr_free, &nr_pcp, &why))
            return false;
    if (nr_free != pa->frames->kind_count[FRAME_FREE])
        return page_check_complain(&why, "frames marked free but on no list, or the reverse; lists hold", nr_free);
    if (nr_pcp != pa->frames->kind_count[FRAME_PCP])
        return page_check_complain(&why, "frames marked per-CPU but on no list, or the reverse; lists hold", nr_pcp);
    return true;
}
