/* The kernel's own words about its memory: the Mem-Info block of a failed allocation or an OOM kill. Linux v6.1
 * lib/show_mem.c, mm/page_alloc.c: show_free_areas(), warn_alloc(). What Pagoda does not simulate is 0. Linux 2.0 says
 * less. */
#include "alloc/reclaim/reclaim_internal.h"

#define QUIET_NS UINT64_C(10000000000) /* DEFINE_RATELIMIT_STATE(nopage_rs, 10 * HZ, 1) */

static void say(struct reclaim *reclaim, const char *words)
{
    trace_say(reclaim->trace, words);
}

static void say_number(struct reclaim *reclaim, const char *key, uint64_t n)
{
    say(reclaim, key);
    trace_say_number(reclaim->trace, n);
}

static void say_kb(struct reclaim *reclaim, const char *key, uint64_t nr_pages)
{
    say_number(reclaim, key, nr_pages * (PAGE_SIZE / 1024));
    say(reclaim, "kB");
}

static void say_counts(struct reclaim *reclaim)
{
    const uint64_t *kinds = reclaim->frames->kind_count;
    say(reclaim, "Mem-Info:\n");
    say_number(reclaim, "active_anon:", reclaim->active.count);
    say_number(reclaim, " inactive_anon:", reclaim->inactive.count);
    say(reclaim, " isolated_anon:0\n active_file:0 inactive_file:0 isolated_file:0\n unevictable:0 dirty:0 writeback:0\n");
    say_number(reclaim, " slab_reclaimable:0 slab_unreclaimable:", kinds[FRAME_SLAB]);
    say_number(reclaim, "\n mapped:0 shmem:0 pagetables:", kinds[FRAME_PGTABLE]);
    say(reclaim, "\n sec_pagetables:0 bounce:0\n kernel_misc_reclaimable:0\n");
    say_number(reclaim, " free:", kinds[FRAME_FREE]);
    say_number(reclaim, " free_pcp:", kinds[FRAME_PCP]);
    say(reclaim, " free_cma:0\n");
}

static void say_node(struct reclaim *reclaim)
{
    say_kb(reclaim, "Node 0 active_anon:", reclaim->active.count);
    say_kb(reclaim, " inactive_anon:", reclaim->inactive.count);
    say(reclaim, " active_file:0kB inactive_file:0kB unevictable:0kB isolated(anon):0kB isolated(file):0kB mapped:0kB"
                 " dirty:0kB writeback:0kB shmem:0kB shmem_thp: 0kB shmem_pmdmapped: 0kB anon_thp: 0kB writeback_tmp:0kB"
                 " kernel_stack:0kB");
    say_kb(reclaim, " pagetables:", reclaim->frames->kind_count[FRAME_PGTABLE]);
    say(reclaim, " sec_pagetables:0kB all_unreclaimable? ");
    say(reclaim, reclaim->pages->kswapd.failures >= MAX_RECLAIM_RETRIES ? "yes\n" : "no\n");
}

static void say_zone(struct reclaim *reclaim, const struct zone *zone)
{
    const struct page_alloc *pa = reclaim->pages;
    const uint32_t *lru = reclaim->nr_lru[zone - pa->zones];
    uint64_t nr_pcp = 0;
    for (uint32_t cpu = 0; cpu < pa->nr_cpus; cpu++)
        nr_pcp += zone_pcp(pa, zone, cpu)->count;
    say(reclaim, "Node 0 ");
    say(reclaim, zone->name);
    say_kb(reclaim, " free:", (uint64_t)zone_nr_free(pa, zone));
    say_kb(reclaim, " boost:", zone->boost);
    say_kb(reclaim, " min:", zone->min + zone->boost);
    say_kb(reclaim, " low:", zone->low + zone->boost);
    say_kb(reclaim, " high:", zone->high + zone->boost);
    say_number(reclaim, " reserved_highatomic:", (uint64_t)zone->nr_reserved_highatomic * (PAGE_SIZE / 1024));
    say_kb(reclaim, "KB active_anon:", lru[1]);
    say_kb(reclaim, " inactive_anon:", lru[0]);
    say_kb(reclaim, " active_file:0kB inactive_file:0kB unevictable:0kB writepending:0kB present:", zone->present);
    say_kb(reclaim, " managed:", zone->managed);
    say_kb(reclaim, " mlocked:0kB bounce:0kB free_pcp:", nr_pcp);
    say_kb(reclaim, " local_pcp:", zone_pcp(pa, zone, reclaim->trace->cpu)->count);
    say(reclaim, " free_cma:0kB\nlowmem_reserve[]:");
    for (uint32_t i = 0; i < 4; i++)
        say_number(reclaim, " ", zone->lowmem_reserve[i]);
    say_number(reclaim, " ", zone->lowmem_reserve[3]); /* the zone of devices, which is never there */
    say(reclaim, "\n");
}

/* " 3*4kB (UM)": the types that have a block of the order. */
static void say_free_area(struct reclaim *reclaim, const struct zone *zone, uint32_t order)
{
    static const char *const LETTERS[NR_MIGRATETYPES] = { "U", "M", "E", "H", "I" };
    say_number(reclaim, " ", zone->nr_free[order]);
    say_kb(reclaim, "*", UINT64_C(1) << order);
    if (!zone->nr_free[order])
        return;
    say(reclaim, " (");
    for (uint32_t type = 0; type < NR_MIGRATETYPES; type++)
        if (zone->free_area[order][type].first)
            say(reclaim, LETTERS[type]);
    say(reclaim, ")");
}

static void say_free_areas(struct reclaim *reclaim, const struct zone *zone)
{
    uint64_t total = 0;
    say(reclaim, "Node 0 ");
    say(reclaim, zone->name);
    say(reclaim, ":");
    for (uint32_t order = 0; order < MAX_ORDER; order++) {
        say_free_area(reclaim, zone, order);
        total += (uint64_t)zone->nr_free[order] << order;
    }
    say_kb(reclaim, " = ", total);
    say(reclaim, "\n");
}

static void say_totals(struct reclaim *reclaim)
{
    uint64_t present = 0;
    for (uint32_t i = 0; i < reclaim->pages->nr_zones; i++)
        present += reclaim->pages->zones[i].present;
    say(reclaim, "Node 0 hugepages_total=0 hugepages_free=0 hugepages_surp=0 hugepages_size=2048kB\n"
                 "0 total pagecache pages\n0 pages in swap cache\n");
    say_kb(reclaim, "Free swap  = ", swap_nr_free(reclaim));
    say_kb(reclaim, "\nTotal swap = ", reclaim_nr_slots(reclaim));
    say_number(reclaim, "\n", present);
    say_number(reclaim, " pages RAM\n0 pages HighMem/MovableOnly\n", present - page_alloc_nr_managed(reclaim->pages));
    say(reclaim, " pages reserved\n0 pages hwpoisoned\n");
}

void show_mem(struct reclaim *reclaim)
{
    say_counts(reclaim);
    say_node(reclaim);
    for (uint32_t i = 0; i < reclaim->pages->nr_zones; i++)
        say_zone(reclaim, &reclaim->pages->zones[i]);
    for (uint32_t i = 0; i < reclaim->pages->nr_zones; i++)
        say_free_areas(reclaim, &reclaim->pages->zones[i]);
    say_totals(reclaim);
}

void show_task_name(struct reclaim *reclaim, uint32_t pid)
{
    for (struct space_ref i = { 1 }; pid && reclaim->task_of && i.index < reclaim->spaces.nr_used; i.index++)
        if (reclaim_space_at(reclaim, i)->root && reclaim_space_at(reclaim, i)->pid == pid) {
            say(reclaim, reclaim->task_of(reclaim->world, i).name);
            return;
        }
    say(reclaim, "pagoda"); /* kernel code, on nobody's behalf */
}

void show_alloc_failure(struct reclaim *reclaim, uint32_t gfp, uint32_t order)
{
    char names[512];
    if (!reclaim->profile->has_migratetypes) {
        say(reclaim, "Couldn't get a free page.....\n");
        return;
    }
    gfp_format(gfp, names, sizeof names);
    show_task_name(reclaim, reclaim->trace->pid);
    say_number(reclaim, ": page allocation failure: order:", order);
    say(reclaim, ", mode:0x");
    trace_say_hex(reclaim->trace, gfp);
    say(reclaim, "(");
    say(reclaim, names);
    say(reclaim, "), nodemask=(null),cpuset=/,mems_allowed=0\n");
    if (trace_time(reclaim->trace) < reclaim->quiet_until_ns)
        return;
    reclaim->quiet_until_ns = trace_time(reclaim->trace) + QUIET_NS;
    show_mem(reclaim);
}
