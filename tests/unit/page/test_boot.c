/* Booting: memblock by itself, machines of every size, and what the boot line and the firmware's map change. */
#include "alloc/page/boot_memory.h"
#include "tests/lib/floor_fixture.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define MIB (UINT64_C(1) << 20)
#define GIB (UINT64_C(1) << 30)

/* --- memblock --- */

static void the_highest_place_that_fits_is_taken(void **state)
{
    (void)state;
    struct memblock block = { 0 };
    memblock_add(&block, PAGE_SIZE, MIB);
    memblock_add(&block, 2 * MIB, 4 * MIB);
    struct memblock_request line = { .size = 1, .owner = RESERVED_TABLES };
    assert_int_equal(memblock_take(&block, &line), 4 * MIB - MEMBLOCK_LINE);
    struct memblock_request page = { .size = PAGE_SIZE, .align = PAGE_SIZE, .owner = RESERVED_TABLES };
    assert_int_equal(memblock_take(&block, &page), 4 * MIB - 2 * PAGE_SIZE);
    assert_int_equal(memblock_take(&block, &line), 4 * MIB - 2 * MEMBLOCK_LINE); /* into the gap that is left */
    struct memblock_request large = { .size = 2 * MIB, .owner = RESERVED_TABLES };
    assert_int_equal(memblock_find(&block, &large), 0); /* no area is so large */
    page.high = 2 * MIB;
    assert_int_equal(memblock_take(&block, &page), MIB - PAGE_SIZE);
    page.low = MIB;
    assert_int_equal(memblock_take(&block, &page), 0);
}

static void what_is_given_back_is_found_again(void **state)
{
    (void)state;
    struct memblock block = { 0 };
    memblock_add(&block, PAGE_SIZE, 4 * MIB);
    memblock_reserve(&block, MIB, 4 * MIB, RESERVED_KERNEL);
    memblock_free(&block, 2 * MIB, 3 * MIB); /* out of the middle */
    assert_int_equal(block.nr_reserved, 2);
    struct memblock_request request = { .size = MIB, .align = MIB, .owner = RESERVED_KERNEL };
    assert_int_equal(memblock_take(&block, &request), 2 * MIB);
    assert_int_equal(block.nr_reserved, 1); /* neighbours of one owner are one range */
    memblock_free(&block, 0, 4 * MIB);
    assert_int_equal(block.nr_reserved, 0);
}

/* --- machines --- */

static struct page_floor *boot(struct machine_config config)
{
    char why[256];
    config.profile = PROFILE_LINUX_6_1;
    assert_int_equal(machine_config_complete(&config, NULL), PAGODA_OK);
    struct page_floor *floor = page_floor_open(&config);
    assert_non_null(floor);
    if (!page_alloc_check(&floor->pages, why, sizeof why))
        fail_msg("%llu bytes, %u CPUs: %s", (unsigned long long)config.memory, config.cpus, why);
    return floor;
}

static void machines_of_every_size_boot(void **state)
{
    (void)state;
    static const uint64_t SIZES[] = {
        32 * MIB,   33 * MIB,   48 * MIB,   79 * MIB,   80 * MIB,   81 * MIB, 96 * MIB, 257 * MIB,           3071 * MIB,
        3583 * MIB, 3584 * MIB, 3585 * MIB, 4097 * MIB, 8193 * MIB, 16 * GIB, 64 * GIB, 96 * MIB + PAGE_SIZE
    };
    static const uint32_t CPUS[] = { 1, 2, 7, 64 };
    for (size_t i = 0; i < sizeof SIZES / sizeof SIZES[0]; i++)
        for (size_t j = 0; j < sizeof CPUS / sizeof CPUS[0]; j++) {
            struct page_floor *floor = boot((struct machine_config){ .memory = SIZES[i], .cpus = CPUS[j] });
            assert_true(page_alloc_nr_free(&floor->pages) > SIZES[i] / PAGE_SIZE / 8); /* a machine to work with */
            page_floor_close(floor);
        }
}

static void low_memory_may_end_early(void **state)
{
    (void)state;
    struct page_floor *floor =
        boot((struct machine_config){ .memory = 304 * MIB, .cpus = 2, .max_ram_below_4g = 96 * MIB });
    const struct page_alloc *pa = &floor->pages; /* as recorded */
    assert_int_equal(pa->nr_zones, 3);
    assert_int_equal(pa->zones[2].present, 208 * MIB / PAGE_SIZE);
    assert_int_equal(pageblock_type(pa, 95 * 256), MT_MOVABLE);
    assert_int_equal(pageblock_type(pa, 112 * 256), MT_UNMOVABLE);     /* a hole, but its section has page structs */
    assert_int_equal(pageblock_type(pa, 128 * 256), PAGEBLOCK_ABSENT); /* no section */
    page_floor_close(floor);
}

static void the_boot_line_counts(void **state)
{
    (void)state;
    struct page_floor *longer = boot((struct machine_config){ .memory = 5 * GIB, .cpus = 4, .cmdline_length = 68 });
    struct page_floor *shorter = boot((struct machine_config){ .memory = 5 * GIB, .cpus = 4, .cmdline_length = 63 });
    assert_int_equal(longer->pages.zones[2].managed, 500232); /* as recorded */
    assert_int_equal(shorter->pages.zones[2].managed, 500233);
    page_floor_close(longer);
    page_floor_close(shorter);
    struct page_floor *never = boot((struct machine_config){ .memory = 900 * MIB, .transparent_hugepage_never = 1 });
    struct page_floor *raised = boot((struct machine_config){ .memory = 900 * MIB });
    assert_int_equal(never->pages.zones[0].min, 16); /* as recorded */
    assert_int_equal(raised->pages.zones[0].min, 190);
    page_floor_close(never);
    page_floor_close(raised);
}

static void the_drift_mark_stays_from_before_the_watermarks(void **state)
{
    (void)state;
    struct page_floor *one = boot((struct machine_config){ .memory = 208 * MIB });
    assert_int_equal(one->pages.zones[1].drift_mark, 0); /* as recorded: no other CPU came up */
    page_floor_close(one);
    struct page_floor *two = boot((struct machine_config){ .memory = 512 * MIB, .cpus = 2 });
    const struct zone *zone = &two->pages.zones[1];
    assert_int_equal(zone->drift_mark, 2 * zone->stat_threshold);
    page_floor_close(two);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_highest_place_that_fits_is_taken),
        cmocka_unit_test(what_is_given_back_is_found_again),
        cmocka_unit_test(machines_of_every_size_boot),
        cmocka_unit_test(low_memory_may_end_early),
        cmocka_unit_test(the_boot_line_counts),
        cmocka_unit_test(the_drift_mark_stays_from_before_the_watermarks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
