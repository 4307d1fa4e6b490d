/* Writing a state: see state_dump.h for the format, state_load.c for reading. */
#include "alloc/page/state_dump.h"
#include "alloc/page/zone.h"

static void state_dump_zone(struct text_out *out, const struct zone *zone)
{
    const uint32_t *reserve = zone->lowmem_reserve;
    text_add(out, "ZONE\t%u\t%s\tstart_pfn=%u\tspanned=%u\tpresent=%u\tmanaged=%u", zone->index, zone->name,
             zone->start_pfn, zone->spanned, zone->present, zone->managed);
    text_add(out, "\tmin=%u\tlow=%u\thigh=%u\tpromo=%u\tboost=%u\tlowmem_reserve=%u,%u,%u,%u", zone->min, zone->low,
             zone->high, zone->promo, zone->boost, reserve[0], reserve[1], reserve[2], reserve[3]);
    text_add(out, "\thighatomic=%u\tfree_global=%jd\tpageset_high=%u\tpageset_batch=%u\tdrift_mark=%u",
             zone->nr_reserved_highatomic, zone->free_global, zone->pageset_high, zone->pageset_batch, zone->drift_mark);
    text_add(out, "\tflags=0x%x\tnr_isolate=0\n", zone->flags);
}

static void state_dump_free_lists(struct text_out *out, const struct page_alloc *pa, const struct zone *zone)
{
    for (uint32_t order = 0; order < MAX_ORDER; order++) {
        for (uint32_t type = 0; type < NR_MIGRATETYPES; type++) {
            const struct index_list *list = &zone->free_area[order][type];
            if (!list->first)
                continue;
            text_add(out, "FREE\t%u\t%u\t%u\t%u\t", zone->index, order, type, list->count);
            for (uint32_t pfn = list->first; pfn; pfn = frame_at(pa->frames, pfn)->next)
                text_add(out, "%u ", pfn);
            text_add(out, "\n");
        }
        text_add(out, "NRFREE\t%u\t%u\t%u\n", zone->index, order, zone->nr_free[order]);
    }
}

static void state_dump_pcp_list(struct text_out *out, const struct page_alloc *pa, const struct zone *zone, uint32_t cpu,
                                uint32_t index)
{
    const struct index_list *list = &zone_pcp(pa, zone, cpu)->lists[index];
    if (!list->first)
        return;
    text_add(out, "PCPL\t%u\tcpu=%u\tpindex=%u\torder=%u\t%u\t", zone->index, cpu, index,
             frame_at(pa->frames, list->first)->order, list->count);
    for (uint32_t pfn = list->first; pfn; pfn = frame_at(pa->frames, pfn)->next)
        text_add(out, "%u:%u ", pfn, frame_at(pa->frames, pfn)->migratetype);
    text_add(out, "\n");
}

static void state_dump_pcps(struct text_out *out, const struct page_alloc *pa, const struct zone *zone)
{
    for (uint32_t cpu = 0; cpu < pa->nr_cpus; cpu++) {
        const struct pcp *pcp = zone_pcp(pa, zone, cpu);
        text_add(out, "PCP\t%u\tcpu=%u\tcount=%u\thigh=%u\tbatch=%u\tfree_factor=%u\n", zone->index, cpu, pcp->count,
                 pcp->high, pcp->batch, pcp->free_factor);
        for (uint32_t index = 0; index < NR_PCP_LISTS; index++)
            state_dump_pcp_list(out, pa, zone, cpu, index);
    }
}

static void state_dump_pageblocks(struct text_out *out, const struct page_alloc *pa, const struct zone *zone)
{
    text_add(out, "PB\t%u\t", zone->index);
    uint32_t end = zone->start_pfn + zone->spanned;
    for (uint32_t pfn = zone->start_pfn & ~(PAGEBLOCK_PAGES - 1); pfn < end; pfn += PAGEBLOCK_PAGES)
        text_add(out, "%u:%d ", pfn, (int)pageblock_type(pa, pfn));
    text_add(out, "\n");
}

static void state_dump_movable(struct text_out *out, const struct page_alloc *pa, const struct zone *zone)
{
    text_add(out, "LRU\t%u\t", zone->index);
    uint32_t end = zone->start_pfn + zone->spanned;
    for (uint32_t pfn = zone->start_pfn; pfn < end; pfn++) {
        if (!frame_is_migratable(frame_at(pa->frames, pfn)))
            continue;
        uint32_t first = pfn;
        while (pfn + 1 < end && frame_is_migratable(frame_at(pa->frames, pfn + 1)))
            pfn++;
        text_add(out, "%u-%u ", first, pfn);
    }
    text_add(out, "\n");
}

size_t state_dump(const struct page_alloc *pa, char *out, size_t capacity)
{
    struct text_out text = { .start = out, .capacity = capacity };
    if (capacity)
        out[0] = '\0';
    for (uint32_t i = 0; i < pa->nr_zones; i++) {
        const struct zone *zone = &pa->zones[i];
        state_dump_zone(&text, zone);
        for (uint32_t cpu = 0; cpu < pa->nr_cpus; cpu++)
            text_add(&text, "ZSTAT\t%u\tcpu=%u\tnr_free_diff=%d\tstat_threshold=%u\n", zone->index, cpu,
                     zone_pcp(pa, zone, cpu)->nr_free_diff, zone->stat_threshold);
        state_dump_free_lists(&text, pa, zone);
        state_dump_pcps(&text, pa, zone);
        state_dump_pageblocks(&text, pa, zone);
        state_dump_movable(&text, pa, zone);
    }
    return text.length;
}
