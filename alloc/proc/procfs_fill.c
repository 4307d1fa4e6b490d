/* The gauges of /proc. The kernel counts them up and down as it goes. Pagoda computes them when it is asked, from the free
 * lists, the counts of frames by kind, the LRU lists and the page tables. So operations pay nothing. Reading costs a walk
 * over the upper page tables; when something is locked, also one over the LRU lists. What is not simulated (page cache,
 * huge pages, NUMA) is 0. */
#include "alloc/proc/procfs_fill.h"
#include "alloc/slab/slab_record.h"
#include "alloc/machine/machine_state.h"
#include "alloc/page/zone.h"

#include <string.h>

#define PAGE_KB (PAGE_SIZE / 1024u)
#define PERCPU_PAGES 65u /* each CPU: what /proc/meminfo shows on recorded machines of every size */
#define VM_DIRTY_RATIO 20u
#define VM_DIRTY_BACKGROUND_RATIO 10u

/* --- free blocks and pageblocks --- */

static void fill_blocks(const struct page_alloc *pa, const struct zone *zone, struct zone_blocks *blocks)
{
    memset(blocks, 0, sizeof *blocks);
    memcpy(blocks->name, zone->name, sizeof blocks->name);
    for (uint32_t order = 0; order < VIEW_ORDERS; order++) {
        blocks->nr_free[order] = zone->nr_free[order];
        for (uint32_t type = 0; type < NR_MIGRATETYPES; type++)
            blocks->nr_free_of[type][order] = zone->free_area[order][type].count;
    }
    for (uint32_t pfn = zone->start_pfn; zone_has_pfn(zone, pfn); pfn += PAGEBLOCK_PAGES)
        if (pageblock_type(pa, pfn) != PAGEBLOCK_ABSENT)
            blocks->nr_pageblocks[pageblock_type(pa, pfn)]++;
}

uint32_t procfs_fill_blocks(const struct page_alloc *pa, struct zone_blocks zones[PROCFS_ZONES])
{
    for (uint32_t i = 0; i < pa->nr_zones; i++)
        fill_blocks(pa, &pa->zones[i], &zones[i]);
    return pa->nr_zones;
}

/* --- a zone --- */

static void fill_cpus(const struct page_alloc *pa, const struct zone *zone, struct zoneinfo *info)
{
    info->nr_cpus = pa->nr_cpus;
    for (uint32_t cpu = 0; cpu < pa->nr_cpus; cpu++) {
        const struct pcp *pcp = zone_pcp(pa, zone, cpu);
        info->cpus[cpu] = (struct zoneinfo_cpu){ pcp->count, pcp->high, pcp->batch, zone->stat_threshold };
    }
}

static void fill_zone(const struct page_alloc *pa, const struct zone *zone, struct zoneinfo *info)
{
    info->free = (uint64_t)zone->free_global; /* as in Linux, without what the CPUs have not folded in yet */
    info->boost = zone->boost;
    info->min = (uint64_t)zone->min + zone->boost;
    info->low = (uint64_t)zone->low + zone->boost;
    info->high = (uint64_t)zone->high + zone->boost;
    info->spanned = zone->spanned;
    info->present = zone->present;
    info->managed = zone->managed;
    info->start_pfn = zone->start_pfn;
    for (uint32_t i = 0; i < PROCFS_ZONES; i++) /* above Movable there is no other zone */
        info->protection[i] = zone->lowmem_reserve[i < ZONE_MOVABLE ? i : ZONE_MOVABLE];
    info->stats.count[VM_nr_free_pages] = info->free;
    info->stats.count[VM_numa_hit] = info->stats.count[VM_numa_local] = zone->numa_hit;
    fill_cpus(pa, zone, info);
}

static struct zoneinfo *fill_info_of_pfn(struct zoneinfo *zones, uint32_t pfn)
{
    return &zones[pfn < PFN_DMA_END ? ZONE_DMA : pfn < PFN_DMA32_END ? ZONE_DMA32 : ZONE_NORMAL];
}

static bool fill_is_anything_locked(const struct processes *ps)
{
    for (struct process_ref i = { 1 }; i.index < ps->pool.nr_used; i.index++)
        if (process_at(ps, i)->pid && process_at(ps, i)->vm.locked)
            return true;
    return false;
}

/* Locked pages are on Pagoda's two lists. Linux has moved them to a list of their own, so they are counted apart. */
static void fill_sort_lru(const struct machine_state *s, const struct index_list *list, enum vm_item item,
                          struct zoneinfo *zones)
{
    for (uint32_t pfn = list->first; pfn; pfn = frame_at(&s->frames, pfn)->next) {
        uint64_t *count = fill_info_of_pfn(zones, pfn)->stats.count;
        bool is_locked = frame_at(&s->frames, pfn)->flags & FRAME_LOCKED;
        count[is_locked ? VM_nr_zone_unevictable : item]++;
        count[VM_nr_mlock] += is_locked;
    }
}

static void fill_count_lru(const struct machine_state *s, struct zoneinfo *zones)
{
    if (fill_is_anything_locked(&s->processes)) {
        fill_sort_lru(s, &s->reclaim.active, VM_nr_zone_active_anon, zones);
        fill_sort_lru(s, &s->reclaim.inactive, VM_nr_zone_inactive_anon, zones);
        return;
    }
    for (uint32_t i = 0; i < s->pages.nr_zones; i++) {
        uint64_t *count = zones[s->pages.zones[i].index].stats.count;
        count[VM_nr_zone_inactive_anon] = s->reclaim.nr_lru[i][0];
        count[VM_nr_zone_active_anon] = s->reclaim.nr_lru[i][1];
    }
}

static uint64_t fill_sum_zones(const struct zoneinfo *zones, enum vm_item item)
{
    uint64_t sum = 0;
    for (uint32_t i = 0; i < PROCFS_ZONES; i++)
        sum += zones[i].stats.count[item];
    return sum;
}

/* --- the node --- */

static uint64_t fill_reclaimable_slab_pages(const struct kmalloc *k)
{
    uint64_t pages = 0;
    for (struct slab_ref i = { 1 }; i.index < k->slabs.nr_used; i.index++) {
        const struct slab *slab = slab_at(k, i);
        if (slab->pfn && cache_at(k, slab->cache)->gfp & __GFP_RECLAIMABLE)
            pages += UINT64_C(1) << slab->order;
    }
    return pages;
}

static void fill_node(const struct machine_state *s, const struct zoneinfo *zones, uint64_t *count)
{
    const uint64_t *kinds = s->frames.kind_count, *events = s->pages.vmstat.count;
    for (uint32_t i = 0; i < NR_VM_ITEMS; i++)
        if (vmstat_group((enum vm_item)i) == VM_NODE)
            count[i] = events[i];
    count[VM_nr_inactive_anon] = fill_sum_zones(zones, VM_nr_zone_inactive_anon);
    count[VM_nr_active_anon] = fill_sum_zones(zones, VM_nr_zone_active_anon);
    count[VM_nr_unevictable] = fill_sum_zones(zones, VM_nr_zone_unevictable);
    count[VM_nr_slab_reclaimable] = fill_reclaimable_slab_pages(&s->kmalloc);
    count[VM_nr_slab_unreclaimable] = kinds[FRAME_SLAB] - count[VM_nr_slab_reclaimable] + s->kmalloc.nr_large_pages;
    count[VM_nr_anon_pages] = kinds[FRAME_ANON];
    count[VM_nr_file_pages] = count[VM_nr_swapcached] = kinds[FRAME_SWAPCACHE];
    count[VM_nr_page_table_pages] = machine_count_tables(s);
    count[VM_nr_vmscan_write] = count[VM_nr_written] = events[VM_pswpout]; /* nothing else is ever written */
}

void procfs_fill_zones(const struct machine_state *s, struct zoneinfo zones[PROCFS_ZONES])
{
    static const char NAMES[PROCFS_ZONES][8] = { "DMA", "DMA32", "Normal", "Movable", "Device" };
    memset(zones, 0, PROCFS_ZONES * sizeof *zones);
    for (uint32_t i = 0; i < PROCFS_ZONES; i++)
        memcpy(zones[i].name, NAMES[i], sizeof zones[i].name);
    for (uint32_t i = 0; i < s->pages.nr_zones; i++)
        fill_zone(&s->pages, &s->pages.zones[i], &zones[s->pages.zones[i].index]);
    fill_count_lru(s, zones);
    struct zoneinfo *first = &zones[s->pages.zones[0].index];
    first->has_node_stats = true;
    fill_node(s, zones, first->stats.count);
}

void procfs_fill_vmstat(const struct machine_state *s, const struct zoneinfo zones[PROCFS_ZONES], struct vmstat *vmstat)
{
    *vmstat = s->pages.vmstat;
    uint64_t *count = vmstat->count;
    for (uint32_t i = 0; i < NR_VM_ITEMS; i++)
        if (vmstat_group((enum vm_item)i) < VM_LIMIT)
            count[i] = fill_sum_zones(zones, (enum vm_item)i);
    procfs_dirty_limits(procfs_reserves(zones), count[VM_nr_free_pages], 0, &count[VM_nr_dirty_threshold],
                        &count[VM_nr_dirty_background_threshold]);
    count[VM_pgpgin] = count[VM_pswpin] * PAGE_KB; /* the swap area is the only disk */
    count[VM_pgpgout] = count[VM_pswpout] * PAGE_KB;
}

/* --- what follows from other numbers --- */

struct page_reserves procfs_reserves(const struct zoneinfo zones[PROCFS_ZONES])
{
    struct page_reserves reserves = { 0 };
    for (uint32_t i = 0; i < PROCFS_ZONES; i++) {
        const struct zoneinfo *zone = &zones[i];
        uint64_t most = 0;
        for (uint32_t j = i; j < PROCFS_ZONES; j++)
            most = zone->protection[j] > most ? zone->protection[j] : most;
        most += zone->high - zone->boost;
        reserves.total += most < zone->managed ? most : zone->managed;
        reserves.low += zone->low;
    }
    return reserves;
}

static uint64_t fill_minus(uint64_t a, uint64_t b)
{
    return a > b ? a - b : 0;
}
/* The part of it that can be had: all but half of it, or but the low marks if those are less. */
static uint64_t fill_available_part(uint64_t pages, uint64_t low)
{
    return pages - (pages / 2 < low ? pages / 2 : low);
}

uint64_t procfs_available(struct page_reserves reserves, uint64_t free, uint64_t file, uint64_t reclaimable)
{
    return fill_minus(free + fill_available_part(file, reserves.low) + fill_available_part(reclaimable, reserves.low),
                      reserves.total);
}

void procfs_dirty_limits(struct page_reserves reserves, uint64_t free, uint64_t file, uint64_t *limit, uint64_t *background)
{
    uint64_t pages = fill_minus(free, reserves.total) + file + 1; /* global_dirtyable_memory() never is 0 */
    *limit = VM_DIRTY_RATIO * PAGE_SIZE / 100 * pages / PAGE_SIZE;
    *background = VM_DIRTY_BACKGROUND_RATIO * PAGE_SIZE / 100 * pages / PAGE_SIZE;
    if (*background >= *limit)
        *background = *limit / 2;
}

/* --- meminfo --- */

/* The direct map has entries of 4 KiB for the first 2 MiB and for the odd end of each part of memory, and of 2 MiB for the
 * rest (pgtable_boot.c). */
static void fill_direct_map(const struct zoneinfo *zones, struct meminfo *m)
{
    const uint64_t parts[] = { zones[ZONE_DMA32].start_pfn + zones[ZONE_DMA32].present, zones[ZONE_NORMAL].present };
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        m->direct_map_4k += parts[i] % PAGEBLOCK_PAGES * PAGE_KB;
        m->direct_map_2m += parts[i] / PAGEBLOCK_PAGES * PAGEBLOCK_PAGES * PAGE_KB;
    }
    m->direct_map_4k += PAGEBLOCK_PAGES * PAGE_KB;
    m->direct_map_2m -= PAGEBLOCK_PAGES * PAGE_KB;
}

void procfs_fill_meminfo(const struct machine_state *s, const struct zoneinfo zones[PROCFS_ZONES], struct meminfo *meminfo)
{
    const struct profile *profile = s->pages.profile;
    struct meminfo *m = meminfo;
    struct vmstat vmstat;
    procfs_fill_vmstat(s, zones, &vmstat);
    const uint64_t *count = vmstat.count;
    uint64_t total = page_alloc_nr_managed(&s->pages), swap = reclaim_nr_slots(&s->reclaim);
    memset(m, 0, sizeof *m);
    m->mem_total = total * PAGE_KB;
    m->mem_free = count[VM_nr_free_pages] * PAGE_KB;
    m->mem_available =
        procfs_available(procfs_reserves(zones), count[VM_nr_free_pages], 0, count[VM_nr_slab_reclaimable]) * PAGE_KB;
    m->swap_cached = count[VM_nr_swapcached] * PAGE_KB;
    m->active = m->active_anon = count[VM_nr_active_anon] * PAGE_KB;
    m->inactive = m->inactive_anon = count[VM_nr_inactive_anon] * PAGE_KB;
    m->unevictable = count[VM_nr_unevictable] * PAGE_KB;
    m->mlocked = fill_sum_zones(zones, VM_nr_mlock) * PAGE_KB;
    m->swap_total = swap * PAGE_KB;
    m->swap_free = (swap - pool_nr_live(&s->reclaim.slots)) * PAGE_KB;
    m->anon_pages = count[VM_nr_anon_pages] * PAGE_KB;
    m->k_reclaimable = m->s_reclaimable = count[VM_nr_slab_reclaimable] * PAGE_KB;
    m->s_unreclaim = count[VM_nr_slab_unreclaimable] * PAGE_KB;
    m->slab = m->s_reclaimable + m->s_unreclaim;
    m->page_tables = count[VM_nr_page_table_pages] * PAGE_KB;
    m->commit_limit = processes_commit_limit(&s->processes) * PAGE_KB;
    m->committed_as = s->processes.nr_committed * PAGE_KB;
    m->vmalloc_total = (profile->vmalloc_end - profile->vmalloc_start) >> 10;
    m->vmalloc_used = s->frames.kind_count[FRAME_VMALLOC] * PAGE_KB;
    m->percpu = (uint64_t)PERCPU_PAGES * s->pages.nr_cpus * PAGE_KB;
    m->hugepagesize = (PAGE_SIZE << PAGEBLOCK_ORDER) / 1024;
    fill_direct_map(zones, m);
}

/* si_meminfo() of Linux 2.0: the sum over all pages of their users beyond the first. */
static uint64_t fill_nr_shared(const struct machine_state *s, const struct index_list *list)
{
    uint64_t nr = 0;
    for (uint32_t pfn = list->first; pfn; pfn = frame_at(&s->frames, pfn)->next)
        nr += ANON_MAPPINGS(frame_at(&s->frames, pfn)->index) - 1;
    return nr;
}

void procfs_fill_meminfo_classic(const struct machine_state *s, struct meminfo_classic *meminfo)
{
    uint64_t swap = reclaim_nr_slots(&s->reclaim);
    *meminfo = (struct meminfo_classic){
        .total = page_alloc_nr_managed(&s->pages) * PAGE_SIZE,
        .free = page_alloc_nr_free(&s->pages) * PAGE_SIZE,
        .shared = (fill_nr_shared(s, &s->reclaim.active) + fill_nr_shared(s, &s->reclaim.inactive)) * PAGE_SIZE,
        .swap_total = swap * PAGE_SIZE,
        .swap_free = (swap - pool_nr_live(&s->reclaim.slots)) * PAGE_SIZE,
    };
}
