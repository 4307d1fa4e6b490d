/* The kernel's own words about its memory: the Mem-Info block of a failed allocation or an OOM kill. Linux v6.1
 * lib/show_mem.c, mm/page_alloc.c: show_free_areas(), warn_alloc(). What Pagoda does not simulate is 0. Linux 2.0 says
 * less. */
#include "alloc/reclaim/reclaim_internal.h"

#include <stdarg.h>

#define QUIET_NS UINT64_C(10000000000) /* DEFINE_RATELIMIT_STATE(nopage_rs, 10 * HZ, 1) */

static uint64_t show_nr_tables(const struct reclaim *reclaim)
{
    return reclaim->count_tables ? reclaim->count_tables(reclaim->world) : 0;
}

static void show_counts(struct reclaim *reclaim)
{
    const uint64_t *kinds = reclaim->frames->kind_count;
    trace_print(reclaim->trace,
                "Mem-Info:\n"
                "active_anon:%u inactive_anon:%u isolated_anon:0\n"
                " active_file:0 inactive_file:0 isolated_file:0\n"
                " unevictable:0 dirty:0 writeback:0\n"
                " slab_reclaimable:0 slab_unreclaimable:%ju\n"
                " mapped:0 shmem:0 pagetables:%ju\n"
                " sec_pagetables:0 bounce:0\n"
                " kernel_misc_reclaimable:0\n"
                " free:%ju free_pcp:%ju free_cma:0\n",
                reclaim->active.count, reclaim->inactive.count, kinds[FRAME_SLAB], show_nr_tables(reclaim),
                kinds[FRAME_FREE], kinds[FRAME_PCP]);
}

static void show_node(struct reclaim *reclaim)
{
    trace_print(reclaim->trace,
                "Node 0 active_anon:%jukB inactive_anon:%jukB active_file:0kB inactive_file:0kB unevictable:0kB"
                " isolated(anon):0kB isolated(file):0kB mapped:0kB dirty:0kB writeback:0kB shmem:0kB shmem_thp: 0kB"
                " shmem_pmdmapped: 0kB anon_thp: 0kB writeback_tmp:0kB kernel_stack:0kB pagetables:%jukB"
                " sec_pagetables:0kB all_unreclaimable? %s\n",
                pages_kb(reclaim->active.count), pages_kb(reclaim->inactive.count), pages_kb(show_nr_tables(reclaim)),
                reclaim->pages->kswapd.failures >= MAX_RECLAIM_RETRIES ? "yes" : "no");
}

static void show_zone(struct reclaim *reclaim, const struct zone *zone)
{
    const struct page_alloc *pa = reclaim->pages;
    const uint32_t *lru = reclaim->nr_lru[zone - pa->zones];
    struct trace *t = reclaim->trace;
    uint64_t nr_pcp = 0;
    for (uint32_t cpu = 0; cpu < pa->nr_cpus; cpu++)
        nr_pcp += zone_pcp(pa, zone, cpu)->count;
    trace_print(t, "Node 0 %s free:%jukB boost:%jukB min:%jukB low:%jukB high:%jukB reserved_highatomic:%juKB", zone->name,
                pages_kb((uint64_t)zone_nr_free(pa, zone)), pages_kb(zone->boost), pages_kb(zone->min + zone->boost),
                pages_kb(zone->low + zone->boost), pages_kb(zone->high + zone->boost),
                pages_kb(zone->nr_reserved_highatomic));
    trace_print(t,
                " active_anon:%jukB inactive_anon:%jukB active_file:0kB inactive_file:0kB unevictable:0kB writepending:0kB",
                pages_kb(lru[1]), pages_kb(lru[0]));
    trace_print(t, " present:%jukB managed:%jukB mlocked:0kB bounce:0kB free_pcp:%jukB local_pcp:%jukB free_cma:0kB\n",
                pages_kb(zone->present), pages_kb(zone->managed), pages_kb(nr_pcp),
                pages_kb(zone_pcp(pa, zone, t->cpu)->count));
    trace_print(t, "lowmem_reserve[]:");
    for (uint32_t i = 0; i < 4; i++)
        trace_print(t, " %u", zone->lowmem_reserve[i]);
    trace_print(t, " %u\n", zone->lowmem_reserve[3]); /* the zone of devices, which is never there */
}

/* " 3*4kB (UM)": the types that have a block of the order. */
static void show_free_area(struct reclaim *reclaim, const struct zone *zone, uint32_t order)
{
    static const char LETTERS[NR_MIGRATETYPES] = { 'U', 'M', 'E', 'H', 'I' };
    struct trace *t = reclaim->trace;
    trace_print(t, " %u*%jukB", zone->nr_free[order], pages_kb(UINT64_C(1) << order));
    if (!zone->nr_free[order])
        return;
    trace_print(t, " (");
    for (uint32_t type = 0; type < NR_MIGRATETYPES; type++)
        if (zone->free_area[order][type].first)
            trace_print(t, "%c", LETTERS[type]);
    trace_print(t, ")");
}

static void show_free_areas(struct reclaim *reclaim, const struct zone *zone)
{
    uint64_t total = 0;
    trace_print(reclaim->trace, "Node 0 %s:", zone->name);
    for (uint32_t order = 0; order < MAX_ORDER; order++) {
        show_free_area(reclaim, zone, order);
        total += (uint64_t)zone->nr_free[order] << order;
    }
    trace_print(reclaim->trace, " = %jukB\n", pages_kb(total));
}

static void show_totals(struct reclaim *reclaim)
{
    uint64_t present = 0;
    for (uint32_t i = 0; i < reclaim->pages->nr_zones; i++)
        present += reclaim->pages->zones[i].present;
    trace_print(reclaim->trace,
                "Node 0 hugepages_total=0 hugepages_free=0 hugepages_surp=0 hugepages_size=2048kB\n"
                "0 total pagecache pages\n"
                "0 pages in swap cache\n"
                "Free swap  = %jukB\n"
                "Total swap = %jukB\n"
                "%ju pages RAM\n"
                "0 pages HighMem/MovableOnly\n"
                "%ju pages reserved\n"
                "0 pages hwpoisoned\n",
                pages_kb(swap_nr_free(reclaim)), pages_kb(reclaim_nr_slots(reclaim)), present,
                present - page_alloc_nr_managed(reclaim->pages));
}

void show_mem(struct reclaim *reclaim)
{
    show_counts(reclaim);
    show_node(reclaim);
    for (uint32_t i = 0; i < reclaim->pages->nr_zones; i++)
        show_zone(reclaim, &reclaim->pages->zones[i]);
    for (uint32_t i = 0; i < reclaim->pages->nr_zones; i++)
        show_free_areas(reclaim, &reclaim->pages->zones[i]);
    show_totals(reclaim);
}

const char *show_task_name(const struct reclaim *reclaim)
{
    uint32_t pid = reclaim->trace->pid;
    for (struct space_ref i = { 1 }; pid && reclaim->task_of && i.index < reclaim->spaces.nr_used; i.index++)
        if (reclaim_space_at(reclaim, i)->root && reclaim_space_at(reclaim, i)->pid == pid)
            return reclaim->task_of(reclaim->world, i).name;
    return "pagoda"; /* kernel code, on nobody's behalf */
}

/* The kernel says nothing at all within 10 s of the last time. An operation's message says at least why it failed. */
void reclaim_warn_alloc(struct reclaim *reclaim, uint32_t gfp, const char *format, ...)
{
    struct trace *t = reclaim->trace;
    char names[512];
    va_list args;
    gfp_format(gfp, "", names, sizeof names);
    trace_end_line(t);
    trace_print(t, "%s: ", show_task_name(reclaim));
    va_start(args, format);
    trace_print_v(t, format, args);
    va_end(args);
    trace_print(t, ", mode:0x%x(%s), nodemask=(null),cpuset=/,mems_allowed=0\n", gfp, names);
    if (trace_time(t) < reclaim->quiet_until_ns)
        return;
    reclaim->quiet_until_ns = trace_time(t) + QUIET_NS;
    show_mem(reclaim);
}

void show_alloc_failure(struct reclaim *reclaim, uint32_t gfp, uint32_t order)
{
    if (reclaim->profile->has_migratetypes)
        reclaim_warn_alloc(reclaim, gfp, "page allocation failure: order:%u", order);
    else
        trace_print(reclaim->trace, "Couldn't get a free page.....\n");
}
