/* The direct map's tables: what maps which frame, by entries of which size, in whose frames, and what an access costs. */
#include "alloc/machine/machine_state.h"
#include "alloc/page/zone.h"
#include "tests/lib/fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define MIB (UINT64_C(1) << 20)
#define GIB (UINT64_C(1) << 30)
#define SMALL_PAGE UINT64_C(0x8000000000000163) /* PAGE_KERNEL */
#define LARGE_PAGE UINT64_C(0x80000000000001e3) /* PAGE_KERNEL_LARGE */

static struct translation at(const struct machine *m, uint64_t address)
{
    struct translation where;
    assert_true(view_translate(m, address, 0, &where));
    return where;
}

/* Does boot's memory map say that there is memory? The 32 pages of ACPI's and the hole below 4 GiB are none. */
static bool is_memory(const struct machine *m, uint32_t pfn)
{
    for (uint32_t i = 1; i < m->state.pages.nr_zones; i++) {
        const struct zone *zone = &m->state.pages.zones[i];
        if (pfn < zone->start_pfn + zone->present && (i == 1 || pfn >= zone->start_pfn))
            return true;
    }
    return m->profile->pgtable_levels == 2;
}

static uint64_t entry_of(const struct translation *where)
{
    return where->levels[where->nr_levels - 1].entry;
}

/* One frame: mapped to itself, by the entry that its place calls for. */
static void check_frame(const struct machine *m, uint32_t pfn)
{
    struct translation where = at(m, frame_address(&m->state.frames, pfn) + 0x123);
    assert_string_equal(where.region, "direct map");
    assert_int_equal(where.present, is_memory(m, pfn));
    if (!where.present)
        return;
    assert_int_equal(where.pfn, pfn);
    assert_int_equal(where.offset, 0x123);
    if (m->profile->pgtable_levels == 2) {
        assert_int_equal(where.nr_levels, 2);
        assert_int_equal(entry_of(&where), (uint64_t)pfn << PAGE_SHIFT | 0x27);
        return;
    }
    uint32_t first = pfn & ~511u;
    bool is_large = pfn >= 512 && is_memory(m, first + 511);
    assert_int_equal(where.nr_levels, is_large ? 3 : 4);
    assert_int_equal(where.page_shift, is_large ? 21 : 12);
    assert_int_equal(entry_of(&where),
                     is_large ? ((uint64_t)first << 12 | LARGE_PAGE) : ((uint64_t)pfn << 12 | SMALL_PAGE));
}

static void test_every_frame_is_mapped(void **state)
{
    (void)state;
    static const struct {
        const char *profile;
        uint64_t memory;
    } SIZES[] = { { "classic", 4 * MIB },      { "classic", 16 * MIB },    { "classic", 768 * MIB },
                  { "linux-6.1", 32 * MIB },   { "linux-6.1", 96 * MIB },  { "linux-6.1", 255 * MIB },
                  { "linux-6.1", 4096 * MIB }, { "linux-6.1", 6144 * MIB } };
    for (size_t i = 0; i < sizeof SIZES / sizeof SIZES[0]; i++) {
        struct machine *m = fixture_machine(SIZES[i].profile, SIZES[i].memory);
        uint32_t nr = m->state.frames.nr, step = nr > 100000 ? 61 : 1; /* 61: no part of a page is passed over for good */
        for (uint32_t pfn = 0; pfn < nr; pfn += step)
            check_frame(m, pfn);
        check_frame(m, nr - 1);
        fixture_check(m);
        machine_destroy(m);
    }
}

static void test_tables_lie_in_what_boot_reserved(void **state)
{
    (void)state;
    struct machine *m = fixture_machine("linux-6.1", 6144 * MIB);
    const struct frames *frames = &m->state.frames;
    struct translation low = at(m, m->profile->page_offset + 64 * MIB), high = at(m, m->profile->page_offset + 5 * GIB);
    for (uint32_t i = 1; i < 3; i++) {
        uint32_t table = high.levels[i].table_pfn;
        const struct frame *head = frame_at(frames, frame_head(frames, table));
        assert_int_equal(head->kind, FRAME_RESERVED);
        assert_int_equal(head->owner, RESERVED_TABLES);
        uint64_t entry = 0, place = frame_address(frames, table) + (uint64_t)high.levels[i].index * 8;
        assert_int_equal(view_memory(m, place, 0, (uint8_t *)&entry, 8), 8); /* it stands in memory as any table does */
        assert_int_equal(entry, high.levels[i].entry);
    }
    assert_int_equal(low.levels[0].index, 273); /* 0xffff8880... */
    assert_int_equal(low.levels[1].table_pfn, high.levels[1].table_pfn);
    assert_int_equal(high.levels[1].index, 5); /* 1 GiB each */
    assert_int_not_equal(low.levels[2].table_pfn, high.levels[2].table_pfn);
    struct table_view table;
    assert_true(view_table(m, 0, m->profile->page_offset + 64 * MIB, 2, &table));
    uint64_t cursor = 1;
    struct entry_run run;
    assert_true(view_next_entry_run(m, &table, &cursor, &run)); /* but for the first 2 MiB a gibibyte is one run */
    assert_int_equal(run.index, 1);
    assert_int_equal(run.count, 511);
    assert_int_equal(run.kind, ENTRY_HUGE);
    machine_destroy(m);
}

static struct op read_op(uint64_t address, uint64_t length)
{
    struct op op = fixture_op(OP_READ);
    op.address = address;
    op.length = length;
    op.given = OP_BIT(ADDRESS) | OP_BIT(LENGTH);
    return op;
}

/* The same bytes read through both: kmalloc memory misses once for 2 MiB and walks three tables, vmalloc memory misses for
 * each page and walks four. */
static void test_kmalloc_memory_costs_less_to_reach(void **state)
{
    (void)state;
    struct machine *m = fixture_machine("linux-6.1", 256 * MIB);
    uint64_t k = fixture_apply(m, fixture_alloc(OP_KMALLOC, 64 * PAGE_SIZE, 0))->address;
    uint64_t v = fixture_apply(m, fixture_alloc(OP_VMALLOC, 64 * PAGE_SIZE, 0))->address;
    const struct op_result *r = fixture_apply(m, read_op(k, 8 * PAGE_SIZE));
    assert_int_equal(r->tlb.misses, 1);
    assert_int_equal(r->tlb.hits, 7);
    assert_int_equal(r->cost_count[COST_WALK_LEVEL], 3);
    uint64_t cost = r->cost_ns;
    r = fixture_apply(m, read_op(v, 8 * PAGE_SIZE));
    assert_int_equal(r->tlb.misses, 8);
    assert_int_equal(r->cost_count[COST_WALK_LEVEL], 8 * 4);
    assert_int_equal(r->cost_ns, cost + (8 * 4 - 3) * (uint64_t)cost_info(COST_WALK_LEVEL)->each_ns);
    machine_destroy(m);
}

static void test_what_is_no_memory_is_not_mapped(void **state)
{
    (void)state;
    struct machine *m = fixture_machine("linux-6.1", 6144 * MIB);
    uint64_t hole = m->profile->page_offset + 3 * GIB + 5 * MIB; /* devices lie there */
    const struct op_result *r = fixture_apply(m, read_op(hole, 8));
    assert_int_equal(r->outcome, OUTCOME_BUG);
    assert_non_null(strstr(r->message, "BUG: unable to handle page fault for address: ffff8880c0500000"));
    assert_non_null(strstr(r->message, "not-present page\nPGD "));
    uint64_t table = frame_address(&m->state.frames, at(m, m->profile->page_offset).levels[3].table_pfn);
    struct op write = read_op(table, 8);
    write.kind = OP_WRITE;
    write.fill = 0;
    write.given |= OP_BIT(FILL);
    r = fixture_apply(m, write);
    assert_int_equal(r->outcome, OUTCOME_BUG);
    assert_non_null(strstr(r->message, "permissions violation"));
    fixture_check(m);
    machine_destroy(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_frame_is_mapped),
        cmocka_unit_test(test_tables_lie_in_what_boot_reserved),
        cmocka_unit_test(test_kmalloc_memory_costs_less_to_reach),
        cmocka_unit_test(test_what_is_no_memory_is_not_mapped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
