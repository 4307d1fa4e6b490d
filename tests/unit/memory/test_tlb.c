/* The TLB model: what hits, what misses, what is forgotten when, and what it costs. */
#include "alloc/machine/machine_state.h"
#include "tests/lib/fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

#define MIB (UINT64_C(1) << 20)

static struct machine *machine_of(enum profile_id profile, uint32_t cpus, uint32_t entries, uint32_t ways)
{
    struct machine_config config = {
        .profile = profile, .memory = 64 * MIB, .cpus = cpus, .tlb_entries = entries, .tlb_ways = ways
    };
    return fixture_machine_of(&config);
}

static uint64_t make(struct machine *m, enum op_kind kind, uint64_t size)
{
    const struct op_result *r = fixture_apply(m, fixture_alloc(kind, size, 0));
    assert_int_equal(r->outcome, OUTCOME_OK);
    return r->address;
}

static struct op access_op(enum op_kind kind, uint32_t pid, uint64_t address, uint64_t length)
{
    struct op op = fixture_op(kind);
    op.pid = pid;
    op.address = address;
    op.length = length;
    op.fill = 0x5a;
    op.given = OP_BIT(ADDRESS) | OP_BIT(LENGTH) | (pid ? OP_BIT(PID) : 0) | (kind == OP_WRITE ? OP_BIT(FILL) : 0);
    return op;
}

/* Reads a range and says how often the TLB had the page. */
static void expect_read(struct machine *m, uint32_t pid, uint64_t address, uint64_t length, uint32_t hits, uint32_t misses)
{
    const struct op_result *r = fixture_apply(m, access_op(OP_READ, pid, address, length));
    assert_int_equal(r->outcome, OUTCOME_OK);
    assert_int_equal(r->tlb.hits, hits);
    assert_int_equal(r->tlb.misses, misses);
}

static void test_kmalloc_needs_one_entry_where_vmalloc_needs_many(void **state)
{
    (void)state;
    struct machine *m = machine_of(PROFILE_LINUX_6_1, 1, 0, 0);
    uint64_t k = make(m, OP_KMALLOC, 32 * PAGE_SIZE - 8), v = make(m, OP_VMALLOC, 16 * PAGE_SIZE);
    expect_read(m, 0, k, 16 * PAGE_SIZE, 15, 1); /* one 2 MiB page of the direct map */
    uint64_t cost = fixture_apply(m, access_op(OP_READ, 0, k, 16 * PAGE_SIZE))->cost_ns;
    expect_read(m, 0, v, 16 * PAGE_SIZE, 0, 16);
    expect_read(m, 0, v, 16 * PAGE_SIZE, 16, 0);
    fixture_apply(m, fixture_op(OP_VM_UNMAP_ALIASES)); /* nothing lazy: nothing is flushed */
    expect_read(m, 0, v, 16 * PAGE_SIZE, 16, 0);
    uint64_t other = make(m, OP_VMALLOC, 16 * PAGE_SIZE);
    assert_true(fixture_apply(m, access_op(OP_READ, 0, other, 16 * PAGE_SIZE))->cost_ns > cost);
    uint64_t huge = make(m, OP_VMALLOC_HUGE, 2 * MIB);
    expect_read(m, 0, huge, 16 * PAGE_SIZE, 15, 1);
    machine_destroy(m);
}

static void test_the_least_recently_used_way_goes(void **state)
{
    (void)state;
    struct machine *m = machine_of(PROFILE_LINUX_6_1, 1, 8, 2); /* 4 sets of 2 */
    uint64_t v = make(m, OP_VMALLOC, 16 * PAGE_SIZE);
    expect_read(m, 0, v, 1, 0, 1);
    expect_read(m, 0, v + 4 * PAGE_SIZE, 1, 0, 1); /* the same set */
    expect_read(m, 0, v, 1, 1, 0);
    expect_read(m, 0, v + 8 * PAGE_SIZE, 1, 0, 1); /* takes the place of page 4 */
    expect_read(m, 0, v, 1, 1, 0);
    expect_read(m, 0, v + 4 * PAGE_SIZE, 1, 0, 1);
    machine_destroy(m);
}

static void test_lazy_areas_keep_their_entries_until_the_purge(void **state)
{
    (void)state;
    struct machine *m = machine_of(PROFILE_LINUX_6_1, 4, 0, 0);
    uint64_t v = make(m, OP_VMALLOC, 4 * PAGE_SIZE), kept = make(m, OP_VMALLOC, PAGE_SIZE), cursor = 0, nr_stale = 0;
    expect_read(m, 0, v, 4 * PAGE_SIZE, 0, 4);
    expect_read(m, 0, kept, 1, 0, 1);
    const struct op_result *r = fixture_apply(m, fixture_free(OP_VFREE, v));
    assert_int_equal(r->tlb.flushes, 0);
    struct tlb_entry_view entry;
    while (view_next_tlb_entry(m, 0, &cursor, &entry))
        nr_stale += entry.stale;
    assert_int_equal(nr_stale, 4);
    r = fixture_apply(m, fixture_op(OP_VM_UNMAP_ALIASES));
    assert_int_equal(r->tlb.flushes, 4); /* every CPU */
    assert_int_equal(r->cost_count[COST_IPI], 3);
    assert_int_equal(r->cost_count[COST_INVLPG], 5); /* the guard page, too */
    expect_read(m, 0, kept, 1, 1, 0);
    v = make(m, OP_VMALLOC, 40 * PAGE_SIZE);
    fixture_apply(m, fixture_free(OP_VFREE, v));
    r = fixture_apply(m, fixture_op(OP_VM_UNMAP_ALIASES)); /* more than 33 pages: everything goes */
    assert_int_equal(r->cost_count[COST_TLB_FLUSH], 1);
    expect_read(m, 0, kept, 1, 0, 1);
    machine_destroy(m);
}

static uint32_t spawn(struct machine *m)
{
    return fixture_apply(m, fixture_op(OP_SPAWN))->pid;
}

static uint64_t map(struct machine *m, uint32_t pid, uint64_t nr_pages)
{
    struct op op = fixture_op(OP_MMAP);
    op.pid = pid;
    op.length = nr_pages * PAGE_SIZE;
    op.given = OP_BIT(PID) | OP_BIT(LENGTH);
    uint64_t address = fixture_apply(m, op)->address;
    fixture_apply(m, access_op(OP_WRITE, pid, address, nr_pages * PAGE_SIZE));
    return address;
}

static void test_processes_take_turns(void **state)
{
    (void)state;
    for (int profile = 0; profile < NR_PROFILES; profile++) {
        struct machine *m = machine_of((enum profile_id)profile, 1, 0, 0);
        bool keeps = profile == PROFILE_LINUX_6_1; /* its identifiers tell processes apart; an i486 starts anew */
        uint32_t pids[8];
        uint64_t pages[8];
        for (int i = 0; i < 2; i++) {
            pids[i] = spawn(m);
            pages[i] = map(m, pids[i], 2);
        }
        for (int i = 0; i < 2; i++)
            expect_read(m, pids[i], pages[i], 1, keeps, !keeps);
        expect_read(m, pids[1], pages[1], 1, 1, 0);
        for (int i = 2; i < 8; i++) { /* more processes than identifiers */
            pids[i] = spawn(m);
            pages[i] = map(m, pids[i], 2);
        }
        expect_read(m, pids[0], pages[0], 1, 0, 1);
        expect_read(m, pids[7], pages[7], 1, keeps, !keeps);
        machine_destroy(m);
    }
}

static void test_other_cpus_are_told(void **state)
{
    (void)state;
    struct machine *m = machine_of(PROFILE_LINUX_6_1, 2, 0, 0);
    uint32_t pid = spawn(m);
    uint64_t address = map(m, pid, 4);
    struct op read = access_op(OP_READ, pid, address, 1);
    read.cpu = 1;
    read.given |= OP_BIT(CPU);
    assert_int_equal(fixture_apply(m, read)->tlb.misses, 1); /* each CPU has its own */
    struct op unmap = fixture_op(OP_MUNMAP);
    unmap.pid = pid;
    unmap.address = address + PAGE_SIZE;
    unmap.length = PAGE_SIZE;
    unmap.given = OP_BIT(PID) | OP_BIT(ADDRESS) | OP_BIT(LENGTH);
    const struct op_result *r = fixture_apply(m, unmap);
    assert_int_equal(r->tlb.flushes, 2);
    assert_int_equal(r->cost_count[COST_IPI], 1);
    assert_int_equal(r->cost_count[COST_INVLPG], 1);
    expect_read(m, pid, address, 1, 1, 0); /* only the page that went is forgotten */
    assert_int_equal(fixture_apply(m, read)->tlb.hits, 1);
    r = fixture_apply(m, access_op(OP_READ, pid, address + PAGE_SIZE, 1));
    assert_int_equal(r->outcome, OUTCOME_BUG);
    machine_destroy(m);
}

static void test_copy_on_write_forgets_the_shared_page(void **state)
{
    (void)state;
    struct machine *m = machine_of(PROFILE_LINUX_6_1, 1, 0, 0);
    uint32_t pid = spawn(m);
    uint64_t address = map(m, pid, 2);
    struct op fork = fixture_op(OP_FORK);
    fork.pid = pid;
    fork.given = OP_BIT(PID);
    uint32_t child = fixture_apply(m, fork)->pid;
    expect_read(m, child, address, 2 * PAGE_SIZE, 0, 2);
    const struct op_result *r = fixture_apply(m, access_op(OP_WRITE, child, address, 1));
    assert_int_equal(r->tlb.flushes, 1);
    assert_int_equal(r->tlb.misses, 1);
    expect_read(m, child, address, 2 * PAGE_SIZE, 2, 0);
    expect_read(m, pid, address, 1, 0, 1); /* fork write-protected the parent's pages */
    machine_destroy(m);
}

/* Random accesses and changes: machine_check() compares every entry with the page tables after each. */
static void test_random_accesses(void **state)
{
    (void)state;
    struct fixture_random random = { fixture_seed() };
    for (int profile = 0; profile < NR_PROFILES; profile++) {
        struct machine_config config = { .profile = (uint32_t)profile, .memory = 16 * MIB, .swap = 16 * MIB };
        config.memory = profile == PROFILE_CLASSIC ? 16 * MIB : 64 * MIB;
        config.cpus = profile == PROFILE_CLASSIC ? 1 : 3;
        struct machine *m = fixture_machine_of(&config);
        uint64_t areas[8] = { 0 }, pages[3];
        uint32_t pids[3];
        for (int i = 0; i < 3; i++)
            pages[i] = map(m, pids[i] = spawn(m), 64);
        for (int step = 0; step < 3000; step++) {
            uint32_t who = (uint32_t)fixture_random_below(&random, 3);
            uint64_t *area = &areas[fixture_random_below(&random, 8)],
                     at = pages[who] + fixture_random_below(&random, 63 * PAGE_SIZE);
            struct op op = access_op(fixture_random_below(&random, 2) ? OP_READ : OP_WRITE, pids[who], at, 5000);
            uint64_t what = fixture_random_below(&random, 40);
            if (what == 0) {
                op = fixture_op(OP_VM_UNMAP_ALIASES);
            } else if (what == 1 && op.kind == OP_READ) {
                op = fixture_op(OP_FORK);
                op.pid = pids[who];
                op.given = OP_BIT(PID);
                pids[who] = fixture_apply(m, op)->pid;
                op.kind = OP_EXIT;
            } else if (what < 12) {
                op = *area ? fixture_free(OP_VFREE, *area)
                           : fixture_alloc(OP_VMALLOC, 1 + fixture_random_below(&random, 20 * PAGE_SIZE), 0);
            } else if (what < 24 && *area) {
                op = access_op(op.kind, 0, *area, 1);
            }
            op.cpu = (uint16_t)fixture_random_below(&random, config.cpus);
            const struct op_result *r = fixture_apply(m, op);
            if (op.kind == OP_VMALLOC || op.kind == OP_VFREE)
                *area = op.kind == OP_VMALLOC ? r->address : 0;
        }
        struct tlb_view tlb;
        view_tlb(m, &tlb);
        assert_true(tlb.hits > 40 && tlb.misses > 1000 && tlb.flushes > 200);
        machine_destroy(m);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_kmalloc_needs_one_entry_where_vmalloc_needs_many),
        cmocka_unit_test(test_the_least_recently_used_way_goes),
        cmocka_unit_test(test_lazy_areas_keep_their_entries_until_the_purge),
        cmocka_unit_test(test_processes_take_turns),
        cmocka_unit_test(test_other_cpus_are_told),
        cmocka_unit_test(test_copy_on_write_forgets_the_shared_page),
        cmocka_unit_test(test_random_accesses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
