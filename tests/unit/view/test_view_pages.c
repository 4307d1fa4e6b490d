/* Looking at frames and zones: runs tile the machine, cells and counts say the same as runs, names tell who owns what. */
#include "pagoda/view.h"
#include "tests/lib/fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const char *const PROFILES[] = { "classic", "linux-6.1" };

static void check_cells(const uint8_t *cells, const struct frame_run *run)
{
    for (uint32_t i = 0; i < run->count; i++) {
        const uint8_t *cell = cells + (size_t)(run->pfn + i) * 4;
        bool is_head = run->kind != FRAME_NONE && i % (1u << run->order) == 0;
        assert_int_equal(cell[0], run->kind);
        assert_int_equal(cell[1], run->order);
        assert_int_equal(cell[2], run->migratetype | (is_head ? 0x80 : 0));
        assert_int_equal(cell[3] == 0, run->owner_id == 0);
    }
}

static void check_views(const struct machine *machine)
{
    uint32_t nr = view_nr_frames(machine), pfn = 0;
    uint64_t counts[NR_FRAME_KINDS] = { 0 }, want[NR_FRAME_KINDS], cursor = 0, born;
    uint8_t *cells = malloc((size_t)nr * 4);
    struct frame_run run, block;
    assert_non_null(cells);
    view_frame_cells(machine, 0, nr, cells);
    while (view_next_frame_run(machine, &cursor, &run)) {
        assert_int_equal(run.pfn, pfn);
        assert_true(run.count > 0 && run.count <= nr - pfn);
        check_cells(cells, &run);
        assert_true(view_frame(machine, run.pfn + run.count - 1, &block, &born));
        assert_true(block.kind == run.kind && block.order == run.order && block.owner_id == run.owner_id);
        assert_true(born <= machine_seq(machine));
        counts[run.kind] += run.count;
        pfn += run.count;
    }
    assert_int_equal(pfn, nr);
    view_kind_counts(machine, want);
    assert_memory_equal(counts, want, sizeof counts);
    assert_false(view_frame(machine, nr, &block, &born));
    free(cells);
}

static void views_agree_after_every_operation(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        struct machine *machine = fixture_machine(PROFILES[i], 0);
        check_views(machine);
        for (uint64_t size = 24; size < 200000; size *= 3) {
            uint64_t block = fixture_apply(machine, fixture_alloc(OP_KMALLOC, size, GFP_KERNEL))->address;
            uint64_t area = fixture_apply(machine, fixture_alloc(OP_VMALLOC, size, 0))->address;
            check_views(machine);
            if (area && size % 2)
                (void)fixture_apply(machine, fixture_free(OP_VFREE, area));
            if (block)
                (void)fixture_apply(machine, fixture_free(OP_KFREE, block));
            check_views(machine);
        }
        machine_destroy(machine);
    }
}

static void owners_have_names(void **state)
{
    (void)state;
    struct machine *machine = fixture_machine("linux-6.1", 0);
    struct frame_run run;
    uint64_t born;
    const struct op_result *result = fixture_apply(machine, fixture_alloc(OP_KMALLOC, 40, GFP_KERNEL));
    assert_true(view_frame(machine, result->frames[0].pfn, &run, &born));
    assert_int_equal(run.kind, FRAME_SLAB);
    assert_string_equal(run.owner, "kmalloc-64");
    assert_int_equal(born, machine_seq(machine));
    assert_true(view_frame(machine, 5000, &run, &born));
    assert_string_equal(run.owner, "kernel image");
    assert_true(view_frame(machine, 0, &run, &born));
    assert_string_equal(run.owner, "firmware");
    machine_destroy(machine);
}

static void cells_of_a_part_are_those_of_the_whole(void **state)
{
    (void)state;
    struct machine *machine = fixture_machine("linux-6.1", 0);
    static uint8_t part[40 * 4], whole[8192 * 4];
    view_frame_cells(machine, 0, 8192, whole);
    for (uint32_t from = 0; from + 40 < 8192; from += 997) {
        view_frame_cells(machine, from, 40, part);
        assert_memory_equal(part, whole + (size_t)from * 4, sizeof part);
    }
    view_frame_cells(machine, view_nr_frames(machine) - 1, 40, part); /* past the end: nothing */
    assert_int_equal(part[0], FRAME_RESERVED);
    assert_int_equal(part[4], FRAME_NONE);
    machine_destroy(machine);
}

/* From the lists themselves, as the kernel's debugfs has them in thousandths: the share of free memory below each order;
 * and where no block of it is there, how far the want of one comes from pieces (1000) rather than from want of memory (0).
 * Returns how many orders have no block. */
static uint32_t check_indices(const struct zone_view *zone)
{
    uint64_t nr_blocks[VIEW_ORDERS] = { 0 }, all = 0, below = 0, nr_below = 0;
    for (uint32_t order = 0; order < zone->nr_orders; order++)
        for (uint32_t type = 0; type < VIEW_MIGRATETYPES; type++) {
            nr_blocks[order] += zone->nr_free[order][type];
            all += zone->nr_free[order][type];
        }
    uint32_t nr_missing = 0;
    for (uint32_t order = 0; order < zone->nr_orders; order++) {
        int64_t index = -1000;
        if (nr_below == all) { /* none is left at this order or above */
            index = all ? 1000 - (int64_t)((1000 + (zone->free * 1000 >> order)) / all) : 0;
            nr_missing++;
        }
        assert_int_equal(zone->unusable_index[order], zone->free ? below * 1000 / zone->free : 1000);
        assert_int_equal(zone->fragmentation_index[order], index);
        below += nr_blocks[order] << order;
        nr_below += nr_blocks[order];
    }
    return nr_missing;
}

/* Every page is taken, then every other one is given back: much is free, and hardly any of it in one piece. */
static void indices_tell_pieces_from_want(void **state)
{
    (void)state;
    static uint64_t pages[16384];
    for (unsigned i = 0; i < 2; i++) {
        struct machine *machine = fixture_machine(PROFILES[i], UINT64_C(32) << 20);
        struct op op = fixture_op(OP_ALLOC_PAGES);
        op.gfp = GFP_ATOMIC | __GFP_MEMALLOC | __GFP_NOWARN;
        op.given = OP_BIT(GFP) | OP_BIT(ORDER);
        struct op_result result;
        struct problem why = { 0 };
        uint32_t nr = 0, nr_missing = 0;
        while (machine_apply(machine, &op, &result, &why) == PAGODA_OK && result.outcome == OUTCOME_OK)
            pages[nr++] = result.address;
        struct zone_view zone;
        for (uint64_t cursor = 0; view_next_zone(machine, &cursor, &zone);)
            assert_int_equal(check_indices(&zone), zone.nr_orders); /* nothing at all is free */
        for (uint32_t at = 0; at < nr; at += 2) {
            op = fixture_free(OP_FREE_PAGES, pages[at]);
            op.given |= OP_BIT(ORDER);
            assert_int_equal(machine_apply(machine, &op, &result, &why), PAGODA_OK);
        }
        (void)fixture_apply(machine, fixture_op(OP_DRAIN_PAGES));
        for (uint64_t cursor = 0; view_next_zone(machine, &cursor, &zone);) {
            nr_missing += check_indices(&zone);
            assert_in_range(zone.unusable_index[2], 990, 1000);
            assert_in_range(zone.fragmentation_index[4], 930, 940); /* 16 pages of some thousand: 1 - 1/16 */
        }
        assert_true(nr_missing > 4);
        machine_destroy(machine);
    }
}

static void zones_add_up(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        struct machine *machine = fixture_machine(PROFILES[i], 0);
        (void)fixture_apply(machine, fixture_alloc(OP_KMALLOC, 100, GFP_KERNEL));
        uint64_t cursor = 0, counts[NR_FRAME_KINDS], free = 0, pcp = 0;
        struct zone_view zone;
        while (view_next_zone(machine, &cursor, &zone)) {
            uint64_t listed = 0;
            for (uint32_t order = 0; order < zone.nr_orders; order++)
                for (uint32_t type = 0; type < VIEW_MIGRATETYPES; type++)
                    listed += (uint64_t)zone.nr_free[order][type] << order;
            assert_true(listed == zone.free);
            (void)check_indices(&zone);
            assert_true(zone.min < zone.low && zone.low < zone.high && zone.high < zone.managed);
            free += zone.free;
            pcp += zone.pcp;
        }
        view_kind_counts(machine, counts);
        assert_true(free == counts[FRAME_FREE] && pcp == counts[FRAME_PCP]);
        machine_destroy(machine);
    }
}

/* The counters that operations keep are those of the list that is walked. */
static void check_counters(const struct machine *machine, bool has_areas)
{
    struct stats_view stats;
    struct allocation_view a;
    uint64_t cursor = 0, nr = 0, requested = 0, allocated = 0;
    for (; view_next_allocation(machine, &cursor, &a); nr++) {
        requested += a.requested;
        allocated += a.allocated;
    }
    view_stats(machine, &stats);
    assert_true(stats.nr_allocations == nr);
    if (has_areas)
        return; /* an area's array of pages counts as bytes of kmalloc, but is nobody's allocation */
    assert_true(stats.requested_bytes == requested);
    assert_true(stats.allocated_bytes == allocated);
}

static struct op random_alloc(struct fixture_random *random, uint32_t pid, bool has_areas)
{
    static const enum op_kind KINDS[] = { OP_ALLOC_PAGES, OP_KMALLOC, OP_MALLOC, OP_MMAP, OP_VMALLOC };
    enum op_kind kind = KINDS[fixture_random_below(random, has_areas ? 5 : 4)];
    uint64_t size = 1 + fixture_random_below(random, 20000);
    struct op op = kind == OP_MALLOC || kind == OP_MMAP ? fixture_user(kind, pid, size) : fixture_alloc(kind, size, 0);
    op.length = size;
    op.order = (uint8_t)fixture_random_below(random, 5);
    op.given = kind == OP_ALLOC_PAGES ? OP_BIT(ORDER) : kind == OP_MMAP ? OP_BIT(PID) | OP_BIT(LENGTH) : op.given;
    return op;
}

static struct op release_of(const struct allocation_view *a)
{
    enum op_kind kind = 0;
    while (strcmp(op_info(kind)->name, a->release) != 0)
        kind++;
    struct op op = fixture_op(kind);
    op.address = a->address;
    op.order = (uint8_t)a->order;
    op.pid = a->pid;
    op.length = a->requested;
    op.given = OP_BIT(ADDRESS) | (a->pid ? OP_BIT(PID) : 0);
    op.given |= op.kind == OP_FREE_PAGES ? OP_BIT(ORDER) : op.kind == OP_MUNMAP ? OP_BIT(LENGTH) : 0;
    return op;
}

static void check_found(const struct machine *machine, const struct allocation_view *a, uint64_t address, bool is_held)
{
    struct allocation_view found;
    bool has = view_find_allocation(machine, a->pid, address, &found);
    assert_true((has && found.address == a->address) == is_held);
    if (!is_held)
        return;
    assert_true(found.seq == a->seq && found.op == a->op && found.requested == a->requested);
    assert_true(found.allocated == a->allocated && found.nr_frames == a->nr_frames && found.order == a->order);
}

/* Each allocation of the list is found at each of its ends, and not one byte beyond; and so it is by its frames. */
static void check_places(const struct machine *machine)
{
    struct allocation_view a, in_frame;
    struct frame_range run;
    for (uint64_t cursor = 0; view_next_allocation(machine, &cursor, &a);) {
        uint64_t pages = 0;
        check_found(machine, &a, a.address, true);
        check_found(machine, &a, a.address + a.allocated / 2, true);
        check_found(machine, &a, a.address + a.allocated - 1, true);
        check_found(machine, &a, a.address + a.allocated, false);
        check_found(machine, &a, a.address - 1, false);
        if (!view_next_allocation_run(machine, a.address, a.pid, &pages, &run))
            continue;
        assert_true(view_frame_allocation(machine, run.pfn, &in_frame));
        assert_true(in_frame.pid == a.pid && in_frame.address <= a.address);
    }
}

static void places_agree_with_the_list(void **state)
{
    (void)state;
    struct fixture_random random = { fixture_seed() };
    for (unsigned run = 0; run < 4; run++) {
        struct machine *machine = fixture_machine(PROFILES[run % 2], 0);
        struct allocation_view a;
        uint32_t pid = fixture_apply(machine, fixture_op(OP_SPAWN))->pid;
        for (unsigned i = 0; i < 120; i++) {
            uint64_t cursor = 0, skip = fixture_random_below(&random, 60);
            bool found = view_next_allocation(machine, &cursor, &a);
            while (found && skip--)
                found = view_next_allocation(machine, &cursor, &a);
            (void)fixture_apply(machine, found ? release_of(&a) : random_alloc(&random, pid, run >= 2));
            if (i % 8 == 0)
                check_places(machine);
        }
        machine_destroy(machine);
    }
}

/* Among many live blocks, the way back to the one before a place in free memory is as long as there are notes. */
static void a_place_in_free_heap_memory_is_nobodys(void **state)
{
    (void)state;
    struct machine *machine = fixture_machine("linux-6.1", 0);
    struct allocation_view a;
    uint32_t pid = fixture_apply(machine, fixture_op(OP_SPAWN))->pid;
    uint64_t first = fixture_apply(machine, fixture_user(OP_MALLOC, pid, 100))->address;
    uint64_t large = fixture_apply(machine, fixture_user(OP_MALLOC, pid, 120000))->address;
    uint64_t last = fixture_apply(machine, fixture_user(OP_MALLOC, pid, 100))->address;
    struct op release = fixture_user(OP_FREE, pid, 0);
    release.address = large;
    release.given = OP_BIT(ADDRESS) | OP_BIT(PID);
    assert_true(view_find_allocation(machine, pid, large + 60000, &a) && a.address == large);
    (void)fixture_apply(machine, release);
    assert_false(view_find_allocation(machine, pid, large + 60000, &a));
    assert_true(view_find_allocation(machine, pid, first + 50, &a) && a.address == first);
    assert_true(view_find_allocation(machine, pid, last + 50, &a) && a.address == last);
    assert_false(view_find_allocation(machine, pid + 1, last, &a));
    machine_destroy(machine);
}

static void counters_agree_with_the_list(void **state)
{
    (void)state;
    struct fixture_random random = { fixture_seed() };
    for (unsigned run = 0; run < 4; run++) {
        bool has_areas = run >= 2;
        struct machine *machine = fixture_machine(PROFILES[run % 2], 0);
        uint32_t pid = fixture_apply(machine, fixture_op(OP_SPAWN))->pid;
        for (unsigned i = 0; i < 150; i++) {
            struct allocation_view a;
            uint64_t cursor = 0, skip = fixture_random_below(&random, 40);
            bool found = view_next_allocation(machine, &cursor, &a);
            while (found && skip--)
                found = view_next_allocation(machine, &cursor, &a);
            (void)fixture_apply(machine, found ? release_of(&a) : random_alloc(&random, pid, has_areas));
            check_counters(machine, has_areas);
        }
        machine_destroy(machine);
    }
}

static void every_kind_has_a_name_and_a_letter(void **state)
{
    (void)state;
    char letters[NR_FRAME_KINDS + 1] = { 0 };
    for (unsigned kind = 0; kind < NR_FRAME_KINDS; kind++) {
        char letter = frame_kind_letter((enum frame_kind)kind);
        assert_true(frame_kind_name((enum frame_kind)kind)[0]);
        assert_null(memchr(letters, letter, kind));
        letters[kind] = letter;
    }
    assert_string_equal(migratetype_name(1), "Movable");
    assert_string_equal(migratetype_name(99), "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(views_agree_after_every_operation),      cmocka_unit_test(owners_have_names),
        cmocka_unit_test(cells_of_a_part_are_those_of_the_whole), cmocka_unit_test(zones_add_up),
        cmocka_unit_test(every_kind_has_a_name_and_a_letter),     cmocka_unit_test(counters_agree_with_the_list),
        cmocka_unit_test(indices_tell_pieces_from_want),          cmocka_unit_test(places_agree_with_the_list),
        cmocka_unit_test(a_place_in_free_heap_memory_is_nobodys),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
