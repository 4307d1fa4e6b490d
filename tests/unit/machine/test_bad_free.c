/* free_pages of what is no block of alloc_pages: the kernel's report, an unchanged machine, and invariants that hold. */
#include "tests/lib/fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct op free_op(uint64_t address, uint8_t order)
{
    struct op op = fixture_free(OP_FREE_PAGES, address);
    op.order = order;
    op.given |= OP_BIT(ORDER);
    return op;
}

static uint64_t pages(struct machine *m, uint8_t order)
{
    struct op op = fixture_op(OP_ALLOC_PAGES);
    op.order = order;
    op.given = OP_BIT(ORDER);
    return fixture_apply(m, op)->address;
}

static uint8_t *cells_of(const struct machine *m)
{
    uint8_t *cells = malloc((size_t)view_nr_frames(m) * 4);
    assert_non_null(cells);
    view_frame_cells(m, 0, view_nr_frames(m), cells);
    return cells;
}

static void refused(struct machine *m, uint64_t address, uint8_t order, const char *words)
{
    uint8_t *cells = cells_of(m);
    struct stats_view before, after;
    view_stats(m, &before);
    const struct op_result *r = fixture_apply(m, free_op(address, order));
    assert_int_equal(r->outcome, OUTCOME_BUG);
    if (!strstr(r->message, words))
        fail_msg("wanted: %s\nsaid: %s", words, r->message);
    uint8_t *now = cells_of(m);
    assert_memory_equal(now, cells, (size_t)view_nr_frames(m) * 4);
    view_stats(m, &after);
    after.nr_outcomes[OUTCOME_BUG]--;
    assert_memory_equal(&after, &before, sizeof before);
    free(cells);
    free(now);
}

/* The direct-map address of the first frame of a kind. */
static uint64_t first_of(const struct machine *m, enum frame_kind kind)
{
    struct frame_run run;
    uint64_t cursor = 0;
    while (view_next_frame_run(m, &cursor, &run))
        if (run.kind == kind && run.pfn)
            return machine_profile(m)->page_offset + ((uint64_t)run.pfn << PAGE_SHIFT);
    fail_msg("no frame of kind %s", frame_kind_name(kind));
    return 0;
}

static void linux_reports_what_it_finds(void **state)
{
    (void)state;
    static const char SILENCE[] = "__free_pages: Linux would not notice";
    static const char FLAGS[] = "\npage dumped because: PAGE_FLAGS_CHECK_AT_FREE flag(s) set";
    struct machine *m = fixture_machine("linux-6.1", 0);
    uint64_t single = pages(m, 0), block = pages(m, 3),
             kmalloc = fixture_apply(m, fixture_alloc(OP_KMALLOC, 100, 0))->address;
    uint64_t large = fixture_apply(m, fixture_alloc(OP_KMALLOC, 40000, 0))->address;
    uint64_t area = fixture_apply(m, fixture_alloc(OP_VMALLOC, 10000, 0))->address;
    uint32_t pid = fixture_apply(m, fixture_op(OP_SPAWN))->pid;
    fixture_apply(m, fixture_user(OP_MALLOC, pid, 100));
    assert_int_equal(fixture_apply(m, free_op(single, 0))->outcome, OUTCOME_OK);
    refused(m, single, 0, SILENCE);
    refused(m, single, 3, "(the page is free already)");
    refused(m, block + PAGE_SIZE, 0, SILENCE);
    refused(m, block + PAGE_SIZE, 0, "(the page is the tail of a block)");
    refused(m, block, 2, SILENCE);
    refused(m, block, 2, "(the block at this address has order 3, not 2)");
    refused(m, block, 4, "(the block at this address has order 3, not 4)");
    refused(m, block, 63, "(the block at this address has order 3, not 63)");
    refused(m, kmalloc & ~(uint64_t)(PAGE_SIZE - 1), 0, SILENCE); /* a per-CPU list takes it */
    refused(m, kmalloc & ~(uint64_t)(PAGE_SIZE - 1), 4, FLAGS);
    refused(m, first_of(m, FRAME_RESERVED), 0, SILENCE);
    refused(m, first_of(m, FRAME_RESERVED), 1, FLAGS); /* the next page is reserved too */
    refused(m, first_of(m, FRAME_ANON), 0, SILENCE);
    refused(m, first_of(m, FRAME_ANON), 10, FLAGS);
    refused(m, first_of(m, FRAME_PGTABLE), 0, SILENCE);
    refused(m, first_of(m, FRAME_PGTABLE), 10, "\npage dumped because: nonzero mapcount");
    refused(m, first_of(m, FRAME_VMALLOC), 0, "vfree");
    refused(m, first_of(m, FRAME_FREE), 0, "free already");
    refused(m, large, 4, "kfree");
    refused(m, area, 0, "BUG: unable to handle page fault for address: ");
    refused(m, machine_profile(m)->page_offset + (UINT64_C(256) << 20), 0,
            "BUG: unable to handle page fault for address: ffffea0000400008");
    assert_int_equal(fixture_apply(m, free_op(0, 0))->outcome, OUTCOME_OK); /* as free_pages(0) */
    assert_int_equal(fixture_apply(m, free_op(block, 3))->outcome, OUTCOME_OK);
    machine_destroy(m);
}

/* Its order is right, and yet: every page but the first is no block, and the block is still there whole. */
static void a_tail_with_its_blocks_order_is_refused(void **state)
{
    (void)state;
    static const struct {
        const char *profile, *words;
    } CASES[] = {
        { "linux-6.1", "__free_pages: Linux would not notice\n(the page is the tail of a block)" },
        { "classic", "free_pages: trying to free the tail of a block" },
    };
    for (unsigned i = 0; i < 2; i++)
        for (uint8_t order = 1; order <= 4; order++) {
            struct machine *m = fixture_machine(CASES[i].profile, 0);
            uint64_t block = pages(m, order), next = pages(m, order);
            for (uint32_t at = 1; at < 1u << order; at++)
                refused(m, block + at * PAGE_SIZE, order, CASES[i].words);
            assert_int_equal(fixture_apply(m, free_op(block, order))->outcome, OUTCOME_OK);
            assert_int_equal(fixture_apply(m, free_op(next, order))->outcome, OUTCOME_OK);
            machine_destroy(m);
        }
}

static void classic_says_less(void **state)
{
    (void)state;
    struct machine *m = fixture_machine("classic", 0);
    uint64_t block = pages(m, 2);
    refused(m, block + PAGE_SIZE, 0, "trying to free the tail of a block");
    refused(m, block, 1, "a block by another order");
    refused(m, 0xf0000000, 0, "trying to free nonexistent page (f0000000): memory probably corrupted");
    assert_int_equal(fixture_apply(m, free_op(block, 2))->outcome, OUTCOME_OK);
    refused(m, block, 2, "trying to free free memory");
    machine_destroy(m);
}

static void too_large_an_order_is_warned_of(void **state)
{
    (void)state;
    struct machine *m = fixture_machine("linux-6.1", 0);
    struct op op = fixture_op(OP_ALLOC_PAGES);
    op.order = 11;
    op.given = OP_BIT(ORDER);
    const struct op_result *r = fixture_apply(m, op);
    assert_int_equal(r->outcome, OUTCOME_NULL);
    assert_non_null(strstr(r->message, "WARNING: CPU: 0 PID: 0 at mm/page_alloc.c:5634 __alloc_pages"));
    op.gfp = GFP_KERNEL | __GFP_NOWARN;
    op.given |= OP_BIT(GFP);
    r = fixture_apply(m, op);
    assert_int_equal(r->outcome, OUTCOME_NULL);
    assert_null(r->message);
    machine_destroy(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(linux_reports_what_it_finds),
        cmocka_unit_test(a_tail_with_its_blocks_order_is_refused),
        cmocka_unit_test(classic_says_less),
        cmocka_unit_test(too_large_an_order_is_warned_of),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
