/* Compaction: movable pages gather at a zone's upper end, bytes and mappings follow, and large blocks can be had again. */
#include "tests/lib/fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define MIB (UINT64_C(1) << 20)

static const struct op_result *apply(struct machine *m, struct op op)
{
    static struct op_result result;
    struct problem why = { 0 };
    if (machine_apply(m, &op, &result, &why))
        fail_msg("%s: %s %s", op_info(op.kind)->name, why.field, why.text);
    return &result;
}

static struct op user_op(enum op_kind kind, uint32_t pid, uint64_t address, uint64_t length)
{
    struct op op = fixture_op(kind);
    op.pid = pid;
    op.address = address;
    op.length = length;
    op.given = OP_BIT(PID) | (address ? OP_BIT(ADDRESS) : 0) | (length ? OP_BIT(LENGTH) : 0);
    return op;
}

static void fill(struct machine *m, uint32_t pid, uint64_t address, uint64_t length, uint8_t byte)
{
    struct op op = user_op(OP_WRITE, pid, address, length);
    op.fill = byte;
    op.given |= OP_BIT(FILL);
    assert_int_equal(apply(m, op)->outcome, OUTCOME_OK);
}

static uint8_t byte_at(struct machine *m, uint32_t pid, uint64_t address)
{
    return apply(m, user_op(OP_READ, pid, address, 1))->bytes[0];
}

static uint32_t count_events(const struct op_result *r, enum event_kind kind)
{
    uint32_t nr = 0;
    for (uint32_t i = 0; i < r->nr_events; i++)
        nr += r->events[i].kind == kind;
    return nr;
}

static struct zone_view zone_at(const struct machine *m, uint64_t position)
{
    struct zone_view zone;
    assert_true(view_next_zone(m, &position, &zone));
    return zone;
}

static uint64_t nr_large_blocks(const struct machine *m, uint32_t order)
{
    uint64_t nr = 0;
    for (uint64_t i = 0; i < 2; i++) {
        struct zone_view zone = zone_at(m, i);
        for (uint32_t at = order; at < zone.nr_orders; at++)
            for (uint32_t type = 0; type < 3; type++)
                nr += (uint64_t)zone.nr_free[at][type] << at;
    }
    return nr;
}

/* Two processes take turns, page by page, until memory is nearly full; then one ends. What is free then is in single pages.
 */
struct checkerboard {
    struct machine *machine;
    uint32_t pid;
    uint64_t address, nr_pages;
};
static struct checkerboard checkerboard(void)
{
    struct machine_config config = { .profile = PROFILE_LINUX_6_1, .memory = 64 * MIB, .overcommit_memory = 1 };
    struct checkerboard board = { .machine = fixture_machine_of(&config) };
    struct machine *m = board.machine;
    board.pid = apply(m, fixture_op(OP_SPAWN))->pid;
    uint32_t other = apply(m, fixture_op(OP_SPAWN))->pid;
    board.address = apply(m, user_op(OP_MMAP, board.pid, 0, 64 * MIB))->address;
    uint64_t b = apply(m, user_op(OP_MMAP, other, 0, 64 * MIB))->address;
    for (; zone_at(m, 1).free > zone_at(m, 1).high + 400; board.nr_pages++) {
        fill(m, board.pid, board.address + board.nr_pages * PAGE_SIZE, PAGE_SIZE, (uint8_t)board.nr_pages);
        fill(m, other, b + board.nr_pages * PAGE_SIZE, PAGE_SIZE, 0xff);
    }
    assert_int_equal(apply(m, user_op(OP_EXIT, other, 0, 0))->outcome, OUTCOME_OK);
    apply(m, fixture_op(OP_DRAIN_PAGES));
    fixture_check(m);
    return board;
}

static void check_bytes(const struct checkerboard *board, uint32_t pid)
{
    for (uint64_t i = 0; i < board->nr_pages; i += 7)
        assert_int_equal(byte_at(board->machine, pid, board->address + i * PAGE_SIZE), (uint8_t)i);
}

static void compact_memory_gathers_free_pages(void **state)
{
    (void)state;
    struct checkerboard board = checkerboard();
    struct machine *m = board.machine;
    struct zone_view before = zone_at(m, 1);
    uint64_t large = nr_large_blocks(m, 9);
    uint64_t rss = board.nr_pages;
    const struct op_result *r = apply(m, fixture_op(OP_COMPACT_MEMORY));
    assert_int_equal(r->outcome, OUTCOME_OK);
    assert_int_equal(count_events(r, EV_COMPACT_BEGIN), 2); /* DMA, DMA32 */
    assert_true(count_events(r, EV_MIGRATE) > 500);
    fixture_check(m);
    struct zone_view after = zone_at(m, 1);
    assert_true(nr_large_blocks(m, 9) > large + 512 * 4);
    assert_true(after.unusable_index[9] < before.unusable_index[9] / 2);
    assert_int_equal(after.fragmentation_index[9], -1000); /* a block of order 9 is there */
    struct process_view p;
    uint64_t cursor = 0;
    assert_true(view_next_process(m, &cursor, &p));
    assert_true(p.rss_pages >= rss && p.swap_pages == 0);
    check_bytes(&board, board.pid);
    fixture_check(m);
    machine_destroy(m);
}

/* Pages that fork shares are moved once, for both. */
static void shared_pages_move_for_all_owners(void **state)
{
    (void)state;
    struct checkerboard board = checkerboard();
    struct machine *m = board.machine;
    uint32_t child = apply(m, user_op(OP_FORK, board.pid, 0, 0))->pid;
    assert_int_not_equal(child, 0);
    apply(m, fixture_op(OP_COMPACT_MEMORY));
    fixture_check(m);
    check_bytes(&board, board.pid);
    check_bytes(&board, child);
    fill(m, child, board.address, PAGE_SIZE, 0x55);
    assert_int_equal(byte_at(m, board.pid, board.address), 0);
    assert_int_equal(byte_at(m, child, board.address), 0x55);
    fixture_check(m);
    machine_destroy(m);
}

/* A request for order 9 finds none, and gets one by compaction, without any page leaving memory. */
static void a_costly_request_compacts(void **state)
{
    (void)state;
    struct checkerboard board = checkerboard();
    struct machine *m = board.machine;
    struct op op = fixture_op(OP_ALLOC_PAGES);
    op.order = 9;
    op.given = OP_BIT(ORDER);
    bool compacted = false;
    for (unsigned i = 0; i < 8; i++) {
        const struct op_result *r = apply(m, op);
        fixture_check(m);
        compacted = compacted || (r->outcome == OUTCOME_OK && count_events(r, EV_COMPACT_END) > 0);
        if (count_events(r, EV_COMPACT_BEGIN))
            assert_true(count_events(r, EV_SUITABLE) > 0);
        assert_int_equal(r->nr_reclaimed, 0);
    }
    assert_true(compacted);
    check_bytes(&board, board.pid);
    machine_destroy(m);
}

static void locked_pages_may_move(void **state)
{
    (void)state;
    struct checkerboard board = checkerboard();
    struct machine *m = board.machine;
    uint64_t length = 4 * MIB; /* below RLIMIT_MEMLOCK */
    const struct op_result *r = apply(m, user_op(OP_MLOCK, board.pid, board.address, length));
    if (r->outcome != OUTCOME_OK)
        fail_msg("mlock: %s", r->message);
    apply(m, fixture_op(OP_COMPACT_MEMORY));
    fixture_check(m);
    check_bytes(&board, board.pid);
    machine_destroy(m);
}

/* Hopeless attempts are put off: after failures, several requests pass without another scan. */
static void failures_are_deferred(void **state)
{
    (void)state;
    struct machine_config config = { .profile = PROFILE_LINUX_6_1, .memory = 64 * MIB };
    struct machine *m = fixture_machine_of(&config);
    uint64_t blocks[4096];
    unsigned nr = 0;
    struct op op = fixture_op(OP_ALLOC_PAGES);
    op.given = OP_BIT(ORDER) | OP_BIT(GFP);
    op.gfp = GFP_KERNEL | __GFP_NORETRY | __GFP_NOWARN;
    op.order = 2;
    for (const struct op_result *r; nr < 4096 && (r = apply(m, op))->outcome == OUTCOME_OK;)
        blocks[nr++] = r->address;
    for (unsigned i = 0; i < nr; i += 2) { /* holes of 4 pages between blocks that cannot move */
        struct op release = fixture_free(OP_FREE_PAGES, blocks[i]);
        release.order = 2;
        release.given |= OP_BIT(ORDER);
        apply(m, release);
    }
    op.order = 5;
    op.gfp = GFP_KERNEL | __GFP_RETRY_MAYFAIL;
    while (apply(m, op)->outcome == OUTCOME_OK)
        ;
    unsigned nr_scans = 0, nr_deferred = 0;
    for (unsigned i = 0; i < 40; i++) {
        const struct op_result *r = apply(m, op);
        assert_int_equal(r->outcome, OUTCOME_NULL);
        nr_scans += count_events(r, EV_COMPACT_BEGIN);
        nr_deferred += count_events(r, EV_DEFERRED);
    }
    assert_true(nr_scans > 0 && nr_deferred > nr_scans);
    fixture_check(m);
    machine_destroy(m);
}

static void classic_cannot_compact(void **state)
{
    (void)state;
    struct machine *m = fixture_machine("classic", 0);
    const struct op_result *r = apply(m, fixture_op(OP_COMPACT_MEMORY));
    assert_int_equal(r->outcome, OUTCOME_NULL);
    assert_non_null(strstr(r->message, "Linux 2.0"));
    assert_int_equal(apply(m, fixture_op(OP_DRAIN_PAGES))->outcome, OUTCOME_OK);
    machine_destroy(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(compact_memory_gathers_free_pages),
        cmocka_unit_test(shared_pages_move_for_all_owners),
        cmocka_unit_test(a_costly_request_compacts),
        cmocka_unit_test(locked_pages_may_move),
        cmocka_unit_test(failures_are_deferred),
        cmocka_unit_test(classic_cannot_compact),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
