/* The page allocator alone: boots as recorded, what each list does, random runs in which every frame has at most one owner,
 * and the text form of its state. Exactness against the kernel's own runs is the business of the truth tests. */
#include "alloc/page/state_dump.h"
#include "alloc/page/zone.h"
#include "tests/lib/floor_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define MIB (UINT64_C(1) << 20)

static struct page_floor *boot(enum profile_id profile, uint64_t memory, uint32_t cpus)
{
    struct machine_config config = { .profile = profile, .memory = memory, .cpus = cpus };
    struct page_floor *floor = page_floor_open(&config);
    assert_non_null(floor);
    return floor;
}

static void check(const struct page_floor *floor)
{
    char why[256];
    if (!page_alloc_check(&floor->pages, why, sizeof why))
        fail_msg("%s", why);
}

static uint32_t take(struct page_floor *floor, uint32_t gfp, uint32_t order)
{
    uint32_t pfn = page_alloc_fast(&floor->pages, gfp, order);
    return pfn ? pfn : page_alloc_slow(&floor->pages, gfp, order);
}

/* --- boot --- */

/* From /proc/zoneinfo of real boots; 96 MiB: the watermarks without the boost that zoneinfo adds. */
static const struct {
    uint32_t memory_mib, cpus, zone; /* zone: position */
    uint32_t spanned, present, managed, min, low, high, lowmem_reserve, pcp_high, pcp_batch;
} BOOTS[] = {
    { 96, 1, 1, 20448, 20448, 8448, 119, 148, 177, 0, 148, 1 },
    { 128, 1, 1, 28640, 28640, 16640, 209, 261, 313, 0, 261, 3 },
    { 192, 1, 1, 45024, 45024, 32464, 325, 406, 487, 0, 406, 7 },
    { 256, 1, 0, 4095, 3998, 3840, 34, 42, 50, 180, 42, 1 },
    { 256, 1, 1, 61408, 61408, 48848, 412, 515, 618, 0, 515, 15 },
    { 512, 1, 1, 126944, 126944, 113264, 653, 816, 979, 0, 816, 31 },
    { 512, 2, 0, 4095, 3998, 3840, 22, 27, 32, 432, 13, 1 },
    { 512, 8, 1, 126944, 126944, 112830, 652, 815, 978, 0, 124, 31 },
    { 1024, 1, 1, 258016, 258016, 242096, 11086, 13857, 16628, 0, 13857, 63 },
    { 2048, 1, 0, 4095, 3998, 3840, 86, 107, 128, 1942, 107, 1 },
    { 4096, 1, 1, 1044480, 782304, 754602, 12709, 15886, 19063, 952, 15886, 63 },
    { 4096, 1, 2, 262144, 262144, 243907, 4121, 5151, 6181, 0, 5151, 63 },
    { 6144, 1, 2, 786432, 786432, 758467, 8462, 10577, 12692, 0, 10577, 63 },
};

static void boots_as_recorded(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof BOOTS / sizeof BOOTS[0]; i++) {
        struct page_floor *floor = boot(PROFILE_LINUX_6_1, BOOTS[i].memory_mib * MIB, BOOTS[i].cpus);
        const struct zone *zone = &floor->pages.zones[BOOTS[i].zone];
        check(floor);
        assert_int_equal(zone->spanned, BOOTS[i].spanned);
        assert_int_equal(zone->present, BOOTS[i].present);
        assert_int_equal(zone->managed, BOOTS[i].managed);
        assert_int_equal(zone->min, BOOTS[i].min);
        assert_int_equal(zone->low, BOOTS[i].low);
        assert_int_equal(zone->high, BOOTS[i].high);
        assert_int_equal(zone->lowmem_reserve[ZONE_NORMAL], BOOTS[i].lowmem_reserve);
        assert_int_equal(zone->pageset_high, BOOTS[i].pcp_high);
        assert_int_equal(zone->pageset_batch, BOOTS[i].pcp_batch);
        page_floor_close(floor);
    }
}

static void boots_at_any_size(void **state)
{
    (void)state;
    static const uint32_t SIZES_MIB[] = { 32, 33, 63, 64, 79, 80, 81, 100, 640, 3072, 3583, 3584, 3600, 5000 };
    for (size_t i = 0; i < sizeof SIZES_MIB / sizeof SIZES_MIB[0]; i++) {
        for (uint32_t cpus = 1; cpus <= 64; cpus *= 8) {
            struct page_floor *floor = boot(PROFILE_LINUX_6_1, SIZES_MIB[i] * MIB, cpus);
            check(floor);
            assert_true(page_alloc_nr_free(&floor->pages) == page_alloc_nr_managed(&floor->pages));
            page_floor_close(floor);
        }
    }
}

static void a_written_sysctl_changes_its_own_limits_alone(void **state)
{
    (void)state;
    struct machine_config config = {
        .profile = PROFILE_LINUX_6_1, .memory = 512 * MIB, .cpus = 1, .min_free_kbytes = 4096
    };
    struct page_floor *floor = page_floor_open(&config);
    assert_non_null(floor);
    if (!floor)
        return;                                    /* for the analyzer, which does not know cmocka */
    const struct zone *zones = floor->pages.zones; /* as recorded after `sysctl vm.min_free_kbytes=4096` */
    assert_int_equal(zones[0].min, 33);
    assert_int_equal(zones[1].min, 990);
    assert_int_equal(zones[1].low, 1237);
    assert_int_equal(zones[1].pageset_high, 1237);
    assert_int_equal(zones[0].lowmem_reserve[ZONE_NORMAL], 432); /* as at boot, before the late pages went back */
    uint32_t threshold = zones[1].stat_threshold;
    page_alloc_set_reserve_ratio(&floor->pages, (const uint32_t[3]){ 256, 256, 32 });
    assert_int_equal(zones[0].lowmem_reserve[ZONE_NORMAL], 442); /* of all that is managed by now */
    page_alloc_set_pcp_fraction(&floor->pages, 8);
    assert_int_equal(zones[1].pageset_high, zones[1].managed / 8);
    assert_int_equal(zones[1].low, 1237);
    assert_int_equal(zones[1].stat_threshold, threshold);
    page_floor_close(floor);
}

/* --- linux-6.1, list by list --- */

static void pcp_refills_upwards_and_reuses_the_last(void **state)
{
    (void)state;
    struct page_floor *floor = boot(PROFILE_LINUX_6_1, 256 * MIB, 1);
    uint32_t first = take(floor, GFP_KERNEL, 0), second = take(floor, GFP_KERNEL, 0);
    assert_int_equal(second, first + 1);
    assert_int_equal(zone_pcp(&floor->pages, &floor->pages.zones[1], 0)->count, 15 - 2);
    page_free(&floor->pages, first, 0);
    page_free(&floor->pages, second, 0);
    assert_int_equal(take(floor, GFP_KERNEL, 0), second);
    assert_int_equal(take(floor, GFP_KERNEL, 0), first);
    check(floor);
    page_floor_close(floor);
}

static void pcp_overflow_frees_in_growing_batches(void **state)
{
    (void)state;
    enum { NR = 600 };
    static uint32_t pfns[NR];
    struct page_floor *floor = boot(PROFILE_LINUX_6_1, 256 * MIB, 1);
    const struct pcp *pcp = zone_pcp(&floor->pages, &floor->pages.zones[1], 0);
    for (uint32_t i = 0; i < NR; i++)
        pfns[i] = take(floor, GFP_KERNEL, 0);
    uint32_t most = 0;
    for (uint32_t i = 0; i < NR; i++) {
        page_free(&floor->pages, pfns[i], 0);
        most = pcp->count > most ? pcp->count : most;
        check(floor);
    }
    assert_int_equal(most, pcp->high - 1);
    assert_true(pcp->free_factor > 0);
    page_alloc_drain(&floor->pages, 0);
    assert_int_equal(pcp->count, 0);
    check(floor);
    page_floor_close(floor);
}

/* After boot everything is Movable: the first Unmovable request claims a whole block of the largest order. */
static void first_kernel_page_claims_pageblocks(void **state)
{
    (void)state;
    struct page_floor *floor = boot(PROFILE_LINUX_6_1, 256 * MIB, 1);
    uint32_t pfn = take(floor, GFP_KERNEL, 0);
    assert_int_equal(pageblock_type(&floor->pages, pfn), MT_UNMOVABLE);
    assert_int_equal(pageblock_type(&floor->pages, pfn ^ PAGEBLOCK_PAGES), MT_UNMOVABLE);
    assert_int_equal(floor->pages.zones[1].boost, 0);
    pfn = take(floor, GFP_HIGHUSER_MOVABLE, 0);
    assert_int_equal(pageblock_type(&floor->pages, pfn), MT_MOVABLE);
    check(floor);
    page_floor_close(floor);
}

static void pcp_refills_by_order(void **state)
{
    (void)state;
    static const uint32_t REFILL[] = { 15, 7, 3, 2 }; /* blocks: the batch of 15 pages, at least two blocks */
    for (uint32_t order = 0; order < 4; order++) {
        struct page_floor *floor = boot(PROFILE_LINUX_6_1, 256 * MIB, 1);
        assert_true(take(floor, GFP_KERNEL, order) != 0);
        assert_int_equal(zone_pcp(&floor->pages, &floor->pages.zones[1], 0)->count, (REFILL[order] - 1) << order);
        page_floor_close(floor);
    }
}

static void allocating_halves_the_free_factor(void **state)
{
    (void)state;
    struct page_floor *floor = boot(PROFILE_LINUX_6_1, 256 * MIB, 1);
    struct pcp *pcp = zone_pcp(&floor->pages, &floor->pages.zones[1], 0);
    for (uint32_t factor = 5, want[] = { 2, 1, 0, 0 }, i = 0; i < 4; i++) {
        pcp->free_factor = i ? pcp->free_factor : factor;
        assert_true(take(floor, GFP_KERNEL, 0) != 0);
        assert_int_equal(pcp->free_factor, want[i]);
    }
    uint32_t pfn = take(floor, GFP_KERNEL, 1);
    pcp->free_factor = 1; /* while a CPU frees in bulk, blocks of order 1 to 3 are not kept back */
    page_free(&floor->pages, pfn, 1);
    assert_int_equal(pcp->count, 0);
    check(floor);
    page_floor_close(floor);
}

static uint32_t last_free(struct page_floor *floor, uint32_t order, uint32_t migratetype) /* of DMA32 */
{
    return zone_of_pfn(&floor->pages, PFN_DMA_END)->free_area[order][migratetype].last;
}

/* AABBCCCC: B is in use, CCCC is free. A goes to the tail: when B comes back too, all eight can become one block. Without
 * CCCC, A goes to the head. */
static void a_block_that_will_merge_rests_at_the_tail(void **state)
{
    (void)state;
    struct page_floor *floor = boot(PROFILE_LINUX_6_1, 256 * MIB, 1);
    uint32_t a = take(floor, GFP_KERNEL, 4), b = take(floor, GFP_KERNEL, 4), c = take(floor, GFP_KERNEL, 5);
    uint32_t x = take(floor, GFP_KERNEL, 4), y = take(floor, GFP_KERNEL, 4), z = take(floor, GFP_KERNEL, 5);
    assert_true(b == a + 16 && c == a + 32 && x == a + 64 && y == x + 16 && z == x + 32);
    page_free(&floor->pages, x, 4);
    page_free(&floor->pages, c, 5);
    page_free(&floor->pages, a, 4);
    assert_int_equal(floor->pages.zones[1].free_area[4][MT_UNMOVABLE].first, x);
    assert_int_equal(last_free(floor, 4, MT_UNMOVABLE), a);
    page_free(&floor->pages, b, 4);
    page_free(&floor->pages, y, 4);
    page_free(&floor->pages, z, 5);
    check(floor);
    page_floor_close(floor);
}

/* One zone with one free block of order 7 in a Movable pageblock, of which nr_movable frames belong to user pages. */
static struct page_floor *boot_one_pageblock(uint32_t nr_movable)
{
    struct page_floor *floor = boot(PROFILE_LINUX_6_1, 96 * MIB, 1);
    char line[512];
    state_load_begin(&floor->pages);
    (void)snprintf(line, sizeof line,
                   "ZONE\t1\tDMA32\tstart_pfn=4096\tspanned=4096\tpresent=4096\tmanaged=4096\tmin=0\tlow=0\thigh=0\tpromo=0"
                   "\tboost=0\tlowmem_reserve=0,0,0,0\thighatomic=0\tfree_global=128\tpageset_high=40\tpageset_batch=1"
                   "\tdrift_mark=0\tflags=0x0\tnr_isolate=0");
    assert_true(state_load_line(&floor->pages, line));
    assert_true(state_load_line(&floor->pages, "ZSTAT\t1\tcpu=0\tnr_free_diff=0\tstat_threshold=2"));
    assert_true(state_load_line(&floor->pages, "FREE\t1\t7\t1\t1\t4096 "));
    assert_true(state_load_line(&floor->pages, "PCP\t1\tcpu=0\tcount=0\thigh=40\tbatch=1\tfree_factor=0"));
    assert_true(state_load_line(&floor->pages, "PB\t1\t4096:1 "));
    (void)snprintf(line, sizeof line, "LRU\t1\t4224-%u ", 4224 + nr_movable - 1);
    assert_true(nr_movable == 0 || state_load_line(&floor->pages, line));
    state_load_end(&floor->pages);
    check(floor);
    return floor;
}

/* A kernel request takes the pageblock over when at least half of it is free or held by kernel pages. */
static void half_a_pageblock_decides(void **state)
{
    (void)state;
    static const struct {
        uint32_t nr_movable, type;
    } CASES[] = { { 0, MT_UNMOVABLE }, { 256, MT_UNMOVABLE }, { 257, MT_MOVABLE }, { 384, MT_MOVABLE } };
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        struct page_floor *floor = boot_one_pageblock(CASES[i].nr_movable);
        assert_int_equal(take(floor, GFP_KERNEL, 0), 4096);
        assert_int_equal(pageblock_type(&floor->pages, 4096), CASES[i].type);
        assert_int_equal(last_free(floor, 6, MT_UNMOVABLE), 4096 + 64); /* the rest of the block came along in any case */
        check(floor);
        page_floor_close(floor);
    }
}

static uint64_t exhaust(struct page_floor *floor, uint32_t gfp, uint32_t order)
{
    uint64_t nr = 0;
    while (take(floor, gfp, order))
        nr++;
    check(floor);
    return nr;
}

/* Each kind of request stops at its own depth; the deeper ones go on from there. */
static void watermarks_keep_reserves(void **state)
{
    (void)state;
    struct page_floor *floor = boot(PROFILE_LINUX_6_1, 192 * MIB, 1);
    const struct zone *zone = &floor->pages.zones[1];
    while (page_alloc_fast(&floor->pages, GFP_KERNEL, 0))
        ;
    assert_true(zone->free_global <= zone->low + zone->boost);
    assert_true(zone->free_global > zone->min + zone->boost);
    exhaust(floor, GFP_NOWAIT, 0);
    assert_true(zone->free_global <= zone->min + zone->boost);
    assert_true(zone->free_global > zone->min + zone->boost - zone->pageset_batch - zone->stat_threshold);
    assert_true(exhaust(floor, GFP_ATOMIC, 0) > 0);
    uint32_t limit = zone->min - zone->min / 2; /* half for __GFP_HIGH, three quarters of that because it cannot wait */
    limit -= limit / 4;
    assert_int_equal(limit, 123);
    assert_true(zone->free_global <= limit && zone->free_global > limit - zone->pageset_batch - zone->stat_threshold);
    exhaust(floor, GFP_ATOMIC | __GFP_MEMALLOC, 0);
    assert_int_equal(page_alloc_nr_free(&floor->pages), 0);
    page_floor_close(floor);
}

static uint64_t nr_listed(const struct zone *zone)
{
    uint64_t nr = 0;
    for (uint32_t order = 0; order < VIEW_ORDERS; order++)
        nr += (uint64_t)zone->nr_free[order] << order;
    return nr;
}

/* One zone stands above that mark, its boost and what it keeps back from requests that begin higher up. */
static bool has_zone_above(const struct page_alloc *pa, bool high)
{
    for (uint32_t i = 0; i < pa->nr_zones; i++) {
        const struct zone *zone = &pa->zones[i];
        uint32_t reserve = pa->profile->has_migratetypes ? zone->lowmem_reserve[ZONE_NORMAL] : 0;
        if (nr_listed(zone) > (uint64_t)(high ? zone->high : zone->low) + zone->boost + reserve)
            return true;
    }
    return false;
}

/* What kswapd works towards; the low mark only wakes it. */
static void balanced_means_above_the_high_mark(void **state)
{
    (void)state;
    static const struct {
        enum profile_id profile;
        uint64_t memory;
    } CASES[] = { { PROFILE_LINUX_6_1, 192 * MIB }, { PROFILE_CLASSIC, 16 * MIB } };
    for (unsigned i = 0; i < 2; i++) {
        struct page_floor *floor = boot(CASES[i].profile, CASES[i].memory, 1);
        const struct page_alloc *pa = &floor->pages;
        uint32_t nr_between = 0;
        assert_true(page_alloc_is_balanced(pa, 0, ZONE_NORMAL));
        while (take(floor, GFP_ATOMIC | __GFP_MOVABLE, 0)) { /* of the type that all memory has: nothing is boosted */
            bool is_balanced = page_alloc_is_balanced(pa, 0, ZONE_NORMAL);
            assert_int_equal(is_balanced, has_zone_above(pa, true));
            nr_between += !is_balanced && has_zone_above(pa, false);
        }
        assert_false(page_alloc_is_balanced(pa, 0, ZONE_NORMAL));
        assert_true(nr_between > 0); /* where the two marks differ */
        page_floor_close(floor);
    }
}

static void atomic_high_orders_reserve_pageblocks(void **state)
{
    (void)state;
    struct page_floor *floor = boot(PROFILE_LINUX_6_1, 192 * MIB, 1);
    const struct zone *zone = &floor->pages.zones[1];
    while (page_alloc_fast(&floor->pages, GFP_KERNEL, 3))
        ;
    exhaust(floor, GFP_ATOMIC, 3);
    assert_int_equal(zone->nr_reserved_highatomic, 1024); /* managed/100 + 512 is passed by the second one */
    assert_false(page_alloc_unreserve_highatomic(&floor->pages, GFP_KERNEL, false) &&
                 page_alloc_unreserve_highatomic(&floor->pages, GFP_KERNEL, false));
    check(floor);
    page_floor_close(floor);
}

/* A reserved pageblock serves order-0 requests again once reclaim has given it back; the last one goes only by force. */
static void reserved_pageblocks_are_given_back(void **state)
{
    (void)state;
    struct page_floor *floor = boot(PROFILE_LINUX_6_1, 192 * MIB, 1);
    struct page_alloc *pa = &floor->pages;
    const struct zone *zone = &pa->zones[1];
    while (page_alloc_fast(pa, GFP_KERNEL, 3))
        ;
    uint32_t pfn = page_alloc_slow(pa, GFP_ATOMIC, 3);
    assert_int_equal(zone->nr_reserved_highatomic, PAGEBLOCK_PAGES);
    assert_int_equal(pageblock_type(pa, pfn), MT_HIGHATOMIC);
    page_free(pa, pfn, 3);
    page_alloc_drain_all(pa);
    check(floor);
    uint32_t head = frame_head(&floor->frames, pfn);
    assert_int_equal(frame_at(&floor->frames, head)->migratetype, MT_HIGHATOMIC);
    assert_false(page_alloc_unreserve_highatomic(pa, GFP_KERNEL, false)); /* it is the last one */
    assert_int_equal(zone->nr_reserved_highatomic, PAGEBLOCK_PAGES);
    assert_true(page_alloc_unreserve_highatomic(pa, GFP_KERNEL, true));
    assert_int_equal(zone->nr_reserved_highatomic, 0);
    assert_int_equal(pageblock_type(pa, pfn), MT_UNMOVABLE);
    assert_int_equal(frame_at(&floor->frames, head)->migratetype, MT_UNMOVABLE);
    assert_false(page_alloc_unreserve_highatomic(pa, GFP_KERNEL, true)); /* nothing is left to give */
    check(floor);
    page_floor_close(floor);
}

static void zones_limit_where_pages_come_from(void **state)
{
    (void)state;
    struct page_floor *floor = boot(PROFILE_LINUX_6_1, 4096 * MIB, 1);
    assert_true(take(floor, GFP_KERNEL | __GFP_DMA, 0) < PFN_DMA_END);
    assert_in_range(take(floor, GFP_KERNEL | __GFP_DMA32, 0), PFN_DMA_END, PFN_DMA32_END - 1);
    assert_true(take(floor, GFP_KERNEL, 0) >= PFN_DMA32_END);
    assert_int_equal(take(floor, GFP_KERNEL, 11), 0);
    page_floor_close(floor);
}

static void bulk_takes_from_one_list(void **state)
{
    (void)state;
    uint32_t pfns[100];
    struct page_floor *floor = boot(PROFILE_LINUX_6_1, 256 * MIB, 1);
    assert_int_equal(page_alloc_bulk(&floor->pages, GFP_KERNEL, 0, pfns), 0);
    assert_int_equal(page_alloc_bulk(&floor->pages, GFP_KERNEL, 1, pfns), 0); /* one page: the ordinary way */
    assert_int_equal(page_alloc_bulk(&floor->pages, GFP_KERNEL, 100, pfns), 100);
    for (uint32_t i = 1; i < 100; i++)
        assert_int_equal(pfns[i], pfns[0] + i);
    check(floor);
    page_floor_close(floor);
}

static void each_cpu_has_its_lists(void **state)
{
    (void)state;
    struct page_floor *floor = boot(PROFILE_LINUX_6_1, 512 * MIB, 2);
    uint32_t pfn = take(floor, GFP_KERNEL, 0);
    floor->trace.cpu = 1;
    page_free(&floor->pages, pfn, 0);
    assert_int_equal(zone_pcp(&floor->pages, &floor->pages.zones[1], 1)->count, 1);
    page_alloc_drain_all(&floor->pages);
    assert_true(page_alloc_nr_free(&floor->pages) == page_alloc_nr_managed(&floor->pages));
    check(floor);
    page_floor_close(floor);
}

/* --- classic --- */

static void classic_hands_out_from_the_top(void **state)
{
    (void)state;
    struct page_floor *floor = boot(PROFILE_CLASSIC, 16 * MIB, 1);
    for (uint32_t i = 0; i < 62; i++) /* the odd ends of low memory: 1..31 and 128..158 hold no block of order 5 */
        assert_in_range(take(floor, GFP_KERNEL, 0), 1, 158);
    assert_int_equal(take(floor, GFP_KERNEL, 0), 4095);
    assert_int_equal(take(floor, GFP_KERNEL, 0), 4094);
    assert_int_equal(take(floor, GFP_KERNEL, 5), 4032); /* the block below the one that was split */
    assert_int_equal(take(floor, GFP_KERNEL, 6), 0);
    page_free(&floor->pages, 4095, 0);
    page_free(&floor->pages, 4094, 0);
    assert_int_equal(take(floor, GFP_KERNEL, 5), 4064); /* merged again, and at the head of its list */
    check(floor);
    page_floor_close(floor);
}

static void classic_keeps_a_reserve_for_atomic(void **state)
{
    (void)state;
    struct page_floor *floor = boot(PROFILE_CLASSIC, 4 * MIB, 1);
    exhaust(floor, GFP_KERNEL, 0);
    assert_int_equal(page_alloc_nr_free(&floor->pages), 16); /* min_free_pages */
    assert_int_equal(exhaust(floor, GFP_ATOMIC, 0), 16);
    page_floor_close(floor);
}

static void classic_dma_is_below_16_mib(void **state)
{
    (void)state;
    struct page_floor *floor = boot(PROFILE_CLASSIC, 64 * MIB, 1);
    assert_true(take(floor, GFP_KERNEL, 5) >= 4096);
    assert_true(take(floor, GFP_KERNEL | __GFP_DMA, 5) < 4096);
    check(floor);
    page_floor_close(floor);
}

/* --- what an operation tells --- */

static uint32_t count_events(const struct page_floor *floor, enum event_kind kind)
{
    uint32_t nr = 0;
    for (uint32_t i = 0; i < floor->trace.nr_events; i++)
        nr += floor->trace.events[i].kind == kind;
    return nr;
}

static void an_allocation_explains_itself(void **state)
{
    (void)state;
    struct page_floor *floor = boot(PROFILE_LINUX_6_1, 256 * MIB, 1);
    floor->trace.recording = true;
    uint32_t pfn = take(floor, GFP_KERNEL, 4); /* a block of order 10 changes its type and is split down to order 4 */
    assert_int_equal(count_events(floor, EV_WATERMARK), 1);
    assert_int_equal(count_events(floor, EV_EXTFRAG), 1);
    assert_int_equal(count_events(floor, EV_STEAL), 1);
    assert_int_equal(count_events(floor, EV_SPLIT), 6);
    assert_int_equal(count_events(floor, EV_PAGE_ALLOC), 1);
    assert_int_equal(floor->trace.cost_count[COST_SPLIT], 6);
    assert_non_null(memchr(floor->trace.path, PATH___rmqueue_fallback, floor->trace.nr_path));
    page_free(&floor->pages, pfn, 4);
    assert_int_equal(count_events(floor, EV_MERGE), 6);
    page_floor_close(floor);
}

static void zeroing_is_asked_for(void **state)
{
    (void)state;
    struct page_floor *floor = boot(PROFILE_LINUX_6_1, 256 * MIB, 1);
    uint32_t pfn = take(floor, GFP_KERNEL, 0);
    memset(frame_bytes(&floor->frames, pfn), 0xaa, PAGE_SIZE);
    page_free(&floor->pages, pfn, 0);
    assert_int_equal(take(floor, GFP_KERNEL, 0), pfn);
    assert_int_equal(frame_peek(&floor->frames, pfn)[0], 0xaa); /* stale */
    page_free(&floor->pages, pfn, 0);
    assert_int_equal(take(floor, GFP_KERNEL | __GFP_ZERO, 0), pfn);
    assert_null(frame_peek(&floor->frames, pfn));
    page_floor_close(floor);
}

/* --- random runs against a model: who owns which frame --- */

#define BLOCKS_MAX 4096u

struct run {
    struct page_floor *floor;
    uint64_t random;
    uint8_t *owned; /* per frame */
    uint32_t nr_blocks;
    struct {
        uint32_t pfn, order;
    } blocks[BLOCKS_MAX];
};

static uint32_t random_below(struct run *run, uint32_t limit)
{
    run->random = run->random * UINT64_C(6364136223846793005) + 1442695040888963407;
    return (uint32_t)(run->random >> 33) % limit;
}

static void own(struct run *run, uint32_t pfn, uint32_t order)
{
    assert_int_equal(pfn & ((1u << order) - 1), 0);
    assert_true(pfn + (1u << order) <= run->floor->frames.nr);
    assert_int_equal(frame_at(&run->floor->frames, pfn)->kind, FRAME_KERNEL);
    for (uint32_t i = 0; i < 1u << order; i++) {
        assert_int_equal(run->owned[pfn + i], 0);
        run->owned[pfn + i] = 1;
    }
    run->blocks[run->nr_blocks].pfn = pfn;
    run->blocks[run->nr_blocks++].order = order;
}

static void release(struct run *run, uint32_t i)
{
    uint32_t pfn = run->blocks[i].pfn, order = run->blocks[i].order;
    memset(run->owned + pfn, 0, (size_t)1 << order);
    run->blocks[i] = run->blocks[--run->nr_blocks];
    page_free(&run->floor->pages, pfn, order);
}

static void random_take(struct run *run)
{
    static const uint32_t GFPS[] = { GFP_KERNEL,
                                     GFP_ATOMIC,
                                     GFP_HIGHUSER_MOVABLE,
                                     GFP_KERNEL | __GFP_RECLAIMABLE,
                                     GFP_NOWAIT,
                                     __GFP_DMA | GFP_KERNEL,
                                     GFP_ATOMIC | __GFP_MEMALLOC,
                                     GFP_KERNEL | __GFP_ZERO };
    uint32_t order = random_below(run, 3) ? random_below(run, 4) : random_below(run, run->floor->pages.profile->nr_orders);
    uint32_t pfn = take(run->floor, GFPS[random_below(run, sizeof GFPS / sizeof GFPS[0])], order);
    if (pfn)
        own(run, pfn, order);
}

static void random_step(struct run *run)
{
    uint32_t dice = random_below(run, 100);
    uint32_t pfns[64];
    run->floor->trace.cpu = (uint8_t)random_below(run, run->floor->pages.nr_cpus);
    if (dice == 0)
        page_alloc_drain(&run->floor->pages, run->floor->trace.cpu);
    else if (dice == 1)
        (void)page_alloc_unreserve_highatomic(&run->floor->pages, GFP_KERNEL, true);
    else if (dice < 5 && run->nr_blocks + 64 < BLOCKS_MAX) {
        uint32_t got = page_alloc_bulk(&run->floor->pages, GFP_KERNEL, random_below(run, 64), pfns);
        for (uint32_t i = 0; i < got; i++)
            own(run, pfns[i], 0);
    } else if (run->nr_blocks == BLOCKS_MAX || (run->nr_blocks && random_below(run, 100) < 45))
        release(run, random_below(run, run->nr_blocks));
    else
        random_take(run);
}

static void random_run(enum profile_id profile, uint64_t memory, uint32_t cpus, uint64_t seed, uint32_t nr_steps)
{
    static struct run run;
    memset(&run, 0, sizeof run);
    run.floor = boot(profile, memory, cpus);
    run.random = seed;
    run.owned = calloc(run.floor->frames.nr, 1);
    uint64_t nr_pages = page_alloc_nr_free(&run.floor->pages);
    print_message("random run: profile %d, %llu MiB, %u cpus, seed %llu\n", (int)profile,
                  (unsigned long long)(memory / MIB), cpus, (unsigned long long)seed);
    for (uint32_t i = 0; i < nr_steps; i++) {
        trace_start(&run.floor->trace, i + 1, 0);
        random_step(&run);
        check(run.floor);
        uint64_t nr_owned = 0;
        for (uint32_t b = 0; b < run.nr_blocks; b++)
            nr_owned += UINT64_C(1) << run.blocks[b].order;
        assert_true(page_alloc_nr_free(&run.floor->pages) + nr_owned == nr_pages);
    }
    while (run.nr_blocks)
        release(&run, run.nr_blocks - 1);
    page_alloc_drain_all(&run.floor->pages);
    check(run.floor);
    assert_true(page_alloc_nr_free(&run.floor->pages) == nr_pages);
    free(run.owned);
    page_floor_close(run.floor);
}

static void random_runs(void **state)
{
    (void)state;
    random_run(PROFILE_CLASSIC, 4 * MIB, 1, 1, 4000);
    random_run(PROFILE_CLASSIC, 64 * MIB, 1, 2, 4000);
    random_run(PROFILE_LINUX_6_1, 32 * MIB, 1, 3, 6000);
    random_run(PROFILE_LINUX_6_1, 96 * MIB, 4, 4, 4000);
    random_run(PROFILE_LINUX_6_1, 3600 * MIB, 2, 5, 1000);
}

/* --- the state as text --- */

static char *dump(const struct page_floor *floor)
{
    size_t length = state_dump(&floor->pages, NULL, 0);
    char *text = malloc(length + 1);
    assert_non_null(text);
    assert_int_equal(state_dump(&floor->pages, text, length + 1), length);
    return text;
}

static void load(struct page_floor *floor, const char *text)
{
    char *copy = strdup(text), *rest;
    state_load_begin(&floor->pages);
    assert_non_null(copy);
    for (char *line = copy; *line; line = rest) {
        rest = strchr(line, '\n');
        *rest++ = '\0';
        assert_true(state_load_line(&floor->pages, line));
    }
    state_load_end(&floor->pages);
    free(copy);
}

static void save_load_and_go_on(uint64_t memory)
{
    struct page_floor *one = boot(PROFILE_LINUX_6_1, memory, 2), *other = boot(PROFILE_LINUX_6_1, memory, 2);
    for (uint32_t i = 0; i < 2000; i++) {
        one->trace.cpu = i & 1;
        uint32_t pfn = take(one, i % 3 ? GFP_KERNEL : GFP_HIGHUSER_MOVABLE, i % 5);
        if (pfn && i % 7 < 3)
            page_free(&one->pages, pfn, i % 5);
    }
    char *text = dump(one);
    load(other, text);
    char *again = dump(other);
    check(other);
    assert_string_equal(text, again);
    other->trace.cpu = one->trace.cpu = 0;
    for (uint32_t i = 0; i < 2000; i++)
        assert_int_equal(take(one, GFP_NOWAIT, i % 4), take(other, GFP_NOWAIT, i % 4));
    free(text);
    free(again);
    page_floor_close(one);
    page_floor_close(other);
}

static void a_loaded_state_is_the_same_and_goes_on_alike(void **state)
{
    (void)state;
    save_load_and_go_on(96 * MIB);
    save_load_and_go_on(3600 * MIB); /* three zones, and a hole */
}

static void nonsense_is_not_a_state(void **state)
{
    (void)state;
    static const char *const LINES[] = {
        "",
        "ZONE",
        "ZONE\t",
        "ZONE\t9\tDMA\tstart_pfn=1",
        "FREE\t1\t99\t0\t1\t5 ",
        "FREE\t1\t0\t0\t1\t99999999 ",
        "FREE\t1\t0\t0\t2\t5000 ",
        "FREE\t1\t0\t0\t2\t5000 5000 ",
        "FREE\t1\t3\t0\t1\t5001 ",
        "PCPL\t1\tcpu=0\tpindex=14\torder=0\t1\t5000:0 ",
        "PCPL\t1\tcpu=7\tpindex=0\torder=0\t1\t5000:0 ",
        "PCP\t1\tcpu=0\tcount=-4",
        "PB\t1\t4096:9 ",
        "LRU\t1\t9-8 ",
        "LRU\t1\t4096-4294967295 ",
        "NRFREE\t1\t0\t1",
        "ZSTAT\t2\tcpu=0\tnr_free_diff=0\tstat_threshold=4",
    };
    struct page_floor *floor = boot(PROFILE_LINUX_6_1, 96 * MIB, 1);
    char *text = dump(floor);
    for (size_t i = 0; i < sizeof LINES / sizeof LINES[0]; i++) {
        state_load_begin(&floor->pages);
        for (const char *line = text; strncmp(line, "ZONE\t1", 6) != 0 || line == text; line = strchr(line, '\n') + 1) {
            if (strncmp(line, "ZONE", 4) != 0)
                continue;
            char one[512];
            (void)snprintf(one, sizeof one, "%.*s", (int)strcspn(line, "\n"), line);
            assert_true(state_load_line(&floor->pages, one));
        }
        const char *dma32 = strstr(text, "ZONE\t1");
        char one[512];
        (void)snprintf(one, sizeof one, "%.*s", (int)strcspn(dma32, "\n"), dma32);
        assert_true(state_load_line(&floor->pages, one));
        if (state_load_line(&floor->pages, LINES[i]))
            fail_msg("taken for a line of a state: %s", LINES[i]);
    }
    free(text);
    page_floor_close(floor);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(boots_as_recorded),
        cmocka_unit_test(boots_at_any_size),
        cmocka_unit_test(a_written_sysctl_changes_its_own_limits_alone),
        cmocka_unit_test(pcp_refills_upwards_and_reuses_the_last),
        cmocka_unit_test(pcp_overflow_frees_in_growing_batches),
        cmocka_unit_test(first_kernel_page_claims_pageblocks),
        cmocka_unit_test(pcp_refills_by_order),
        cmocka_unit_test(allocating_halves_the_free_factor),
        cmocka_unit_test(a_block_that_will_merge_rests_at_the_tail),
        cmocka_unit_test(half_a_pageblock_decides),
        cmocka_unit_test(watermarks_keep_reserves),
        cmocka_unit_test(balanced_means_above_the_high_mark),
        cmocka_unit_test(atomic_high_orders_reserve_pageblocks),
        cmocka_unit_test(reserved_pageblocks_are_given_back),
        cmocka_unit_test(zones_limit_where_pages_come_from),
        cmocka_unit_test(bulk_takes_from_one_list),
        cmocka_unit_test(each_cpu_has_its_lists),
        cmocka_unit_test(classic_hands_out_from_the_top),
        cmocka_unit_test(classic_keeps_a_reserve_for_atomic),
        cmocka_unit_test(classic_dma_is_below_16_mib),
        cmocka_unit_test(an_allocation_explains_itself),
        cmocka_unit_test(zeroing_is_asked_for),
        cmocka_unit_test(random_runs),
        cmocka_unit_test(a_loaded_state_is_the_same_and_goes_on_alike),
        cmocka_unit_test(nonsense_is_not_a_state),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
