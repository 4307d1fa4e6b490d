/* The page allocator's state: its shape, its wires, its start, and sums over its zones. */
#include "alloc/page/page_alloc_classic.h"
#include "alloc/page/zone.h"

#include <string.h>

#define DEFAULT_SCALE 10u

void page_alloc_shape(struct page_alloc *pa, const struct machine_config *config, const struct profile *profile)
{
    static const uint32_t RATIO[3] = { 256, 256, 32 };
    memset(pa, 0, sizeof *pa);
    pa->nr_cpus = config->cpus ? config->cpus : 1;
    pa->min_free_kbytes = config->min_free_kbytes;
    pa->always_gfp = config->init_on_alloc ? __GFP_ZERO : 0;
    pa->init_on_free = config->init_on_free;
    pa->watermark_scale_factor = config->watermark_scale_factor ? config->watermark_scale_factor : DEFAULT_SCALE;
    pa->percpu_pagelist_high_fraction = config->percpu_pagelist_high_fraction;
    for (unsigned i = 0; i < 3; i++)
        pa->lowmem_reserve_ratio[i] = config->lowmem_reserve_ratio[i] ? config->lowmem_reserve_ratio[i] : RATIO[i];
    uint32_t nr_frames = page_alloc_nr_frames(config, profile);
    pool_shape(&pa->pageblocks, sizeof(uint32_t), (nr_frames >> PAGEBLOCK_ORDER) + 2);
    pool_shape(&pa->pcps, sizeof(struct pcp), ZONES_MAX * pa->nr_cpus + 1);
}

uint32_t page_alloc_pools(struct page_alloc *pa, struct pool **pools)
{
    pools[0] = &pa->pageblocks;
    pools[1] = &pa->pcps;
    return 2;
}

void page_alloc_start(struct page_alloc *pa, const struct machine_config *config)
{
    pa->pageblocks.nr_used = pa->pageblocks.capacity;
    pa->pcps.nr_used = pa->pcps.capacity;
    if (pa->profile->has_migratetypes)
        zones_boot(pa, config);
    else
        classic_boot(pa);
}

uint64_t page_alloc_nr_free(const struct page_alloc *pa)
{
    return pa->frames->kind_count[FRAME_FREE] + pa->frames->kind_count[FRAME_PCP];
}

uint64_t page_alloc_nr_managed(const struct page_alloc *pa)
{
    uint64_t sum = 0;
    for (uint32_t i = 0; i < pa->nr_zones; i++)
        sum += pa->zones[i].managed;
    return sum;
}
