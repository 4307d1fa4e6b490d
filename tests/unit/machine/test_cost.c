/* The cost model: every cost_ns is the sum of its steps, a lab's own numbers count, and time moves by them. */
#include "tests/lib/fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define MIB (UINT64_C(1) << 20)

static uint64_t sum_of(const struct op_result *r)
{
    uint64_t sum = 0;
    for (unsigned i = 0; i < NR_COST_STEPS; i++)
        sum += (uint64_t)r->cost_count[i] * r->cost_each_ns[i];
    return sum;
}

static void test_every_step_has_a_name_and_a_source(void **state)
{
    (void)state;
    for (unsigned i = 0; i < NR_COST_STEPS; i++) {
        const struct cost_info *info = cost_info((enum cost_step)i);
        assert_true(info->each_ns > 0);
        assert_null(strstr(info->source, "estimate"));
        assert_true(strlen(info->source) > 10);
        for (unsigned j = 0; j < i; j++)
            assert_string_not_equal(info->name, cost_info((enum cost_step)j)->name);
    }
}

/* Random operations of all kinds on machines with random costs: the steps sum up, and the clock goes on by cost and sleep.
 */
static void test_steps_sum_up(void **state)
{
    (void)state;
    struct fixture_random random = { fixture_seed() };
    for (int round = 0; round < 4; round++) {
        struct machine_config config = { .profile = (uint32_t)(round % NR_PROFILES), .memory = 64 * MIB, .swap = 16 * MIB };
        config.cpus = config.profile == PROFILE_CLASSIC ? 1 : 4;
        for (unsigned i = 0; round > 1 && i < NR_COST_STEPS; i++)
            config.cost_ns[i] = (uint32_t)fixture_random_below(&random, 1000);
        struct machine *m = fixture_machine_of(&config);
        uint32_t pid = fixture_apply(m, fixture_op(OP_SPAWN))->pid;
        uint64_t now = machine_now_ns(m), live[3] = { 0 };
        static const enum op_kind MAKE[] = { OP_KMALLOC, OP_VMALLOC, OP_MALLOC }, FREE[] = { OP_KFREE, OP_VFREE, OP_FREE };
        for (int step = 0; step < 400; step++) {
            uint64_t what = fixture_random_below(&random, 3), size = 1 + fixture_random_below(&random, 200000);
            struct op op = live[what] ? fixture_free(FREE[what], live[what]) : fixture_alloc(MAKE[what], size, 0);
            if (live[what] && fixture_random_below(&random, 2)) {
                op = fixture_op(OP_WRITE);
                op.address = live[what];
                op.length = 1;
                op.given = OP_BIT(ADDRESS) | OP_BIT(LENGTH) | OP_BIT(FILL);
            }
            op.pid = what == 2 ? pid : 0;
            op.given |= what == 2 ? OP_BIT(PID) : 0;
            op.cpu = (uint16_t)fixture_random_below(&random, config.cpus);
            const struct op_result *r = fixture_apply(m, op);
            assert_int_equal(r->cost_ns, sum_of(r));
            assert_int_equal(r->now_ns, now + r->cost_ns + r->slept_ns);
            now = r->now_ns;
            if (op.kind != OP_WRITE)
                live[what] = op.kind == MAKE[what] && r->outcome == OUTCOME_OK ? r->address : 0;
        }
        machine_destroy(m);
    }
}

/* --- every kind of operation --- */

struct caller {
    struct machine *m;
    struct fixture_random random;
    uint32_t pid;
    uint64_t seen[16]; /* addresses that calls have returned */
    bool has_run[NR_OPS];
};

static struct op call_of(struct caller *c, enum op_kind kind)
{
    struct op op = fixture_op(kind);
    op.given = kind == OP_WRITE ? OP_BIT(ADDRESS) | OP_BIT(FILL) | OP_BIT(LENGTH) : op_info(kind)->needed;
    op.size = fixture_random_below(&c->random, 8) ? 1 + fixture_random_below(&c->random, 50000) : 8 * MIB;
    op.length = op.new_length = 1 + fixture_random_below(&c->random, 20000);
    op.n = 3;
    op.align = 64;
    op.order = (uint8_t)fixture_random_below(&c->random, 4);
    op.address = c->seen[fixture_random_below(&c->random, 16)];
    op.cache = op.text = fixture_text("c");
    op.tid = 1;
    op.context = (uint8_t)(fixture_random_below(&c->random, 9) ? CONTEXT_PROCESS : CONTEXT_HARDIRQ);
    op.given |= op_info(kind)->further & OP_BIT(CONTEXT);
    bool is_access = kind == OP_READ || kind == OP_WRITE;
    if ((op.given & OP_BIT(PID)) || (is_access && op.address < machine_profile(c->m)->user_end)) {
        op.pid = c->pid;
        op.given |= OP_BIT(PID);
    }
    return op;
}

/* Whatever its outcome, unless the machine does not take such a call at all. Many calls end the process. */
static void call_once(struct caller *c, enum op_kind kind)
{
    struct process_view process;
    bool is_there = false;
    for (uint64_t cursor = 0; !is_there && view_next_process(c->m, &cursor, &process);)
        is_there = process.pid == c->pid;
    if (!is_there)
        c->pid = fixture_apply(c->m, fixture_op(OP_SPAWN))->pid;
    struct op op = call_of(c, kind);
    struct op_result r;
    struct problem why = { 0 };
    uint64_t now = machine_now_ns(c->m);
    if (machine_apply(c->m, &op, &r, &why) != PAGODA_OK)
        return;
    assert_int_equal(r.cost_ns, sum_of(&r));
    assert_int_equal(r.now_ns, now + r.cost_ns + r.slept_ns + (kind == OP_TICK ? op.duration_ns : 0));
    c->has_run[kind] = true;
    if (r.address && r.outcome == OUTCOME_OK)
        c->seen[fixture_random_below(&c->random, 16)] = r.address;
}

static void test_every_kind_sums_up(void **state)
{
    (void)state;
    for (uint32_t profile = 0; profile < NR_PROFILES; profile++) {
        struct machine_config config = { .profile = profile, .memory = 32 * MIB, .swap = 8 * MIB };
        for (unsigned i = 0; i < NR_COST_STEPS; i++)
            config.cost_ns[i] = 1009 + 2 * i; /* no step can stand in for another */
        struct caller c = { .m = fixture_machine_of(&config), .random = { fixture_seed() } };
        c.pid = fixture_apply(c.m, fixture_op(OP_SPAWN))->pid;
        for (int round = 0; round < 60; round++)
            for (unsigned kind = 0; kind < NR_OPS; kind++)
                call_once(&c, (enum op_kind)kind);
        for (unsigned kind = 0; profile != PROFILE_CLASSIC && kind < NR_OPS; kind++) /* classic has not all of them */
            if (!c.has_run[kind])
                fail_msg("%s never ran", op_info((enum op_kind)kind)->name);
        fixture_check(c.m);
        machine_destroy(c.m);
    }
}

static void test_a_lab_may_have_its_own_numbers(void **state)
{
    (void)state;
    struct machine_config config = { .profile = PROFILE_LINUX_6_1 };
    struct machine *usual = fixture_machine_of(&config);
    config.cost_ns[COST_ZERO_PAGE] = 1000;
    struct machine *slow = fixture_machine_of(&config), *copy;
    struct op zalloc = fixture_alloc(OP_KZALLOC, 4 * PAGE_SIZE, 0);
    uint64_t before = fixture_apply(usual, zalloc)->cost_ns;
    const struct op_result *r = fixture_apply(slow, zalloc);
    uint32_t more = 1000 - cost_info(COST_ZERO_PAGE)->each_ns;
    assert_int_equal(r->cost_count[COST_ZERO_PAGE], 4);
    assert_int_equal(r->cost_ns, before + 4 * (uint64_t)more);
    assert_int_equal(r->cost_each_ns[COST_ZERO_PAGE], 1000);
    assert_int_equal(r->cost_each_ns[COST_PTE], cost_info(COST_PTE)->each_ns);
    assert_int_equal(machine_clone(slow, &copy), PAGODA_OK); /* a copy reckons alike */
    assert_int_equal(fixture_apply(copy, zalloc)->cost_ns, fixture_apply(slow, zalloc)->cost_ns);
    machine_destroy(copy);
    machine_destroy(slow);
    machine_destroy(usual);
}

static void test_what_is_zeroed_flushed_and_walked_is_charged(void **state)
{
    (void)state;
    struct machine_config config = { .profile = PROFILE_LINUX_6_1, .cpus = 4 };
    struct machine *m = fixture_machine_of(&config);
    const struct op_result *r = fixture_apply(m, fixture_alloc(OP_VZALLOC, 10 * PAGE_SIZE, 0));
    uint64_t address = r->address;
    assert_true(r->cost_count[COST_ZERO_PAGE] >= 10);
    assert_true(r->cost_count[COST_PTE] >= 10);
    assert_int_equal(r->cost_count[COST_VMAP_AREA], 1);
    assert_int_equal(r->cost_count[COST_IPI], 0);
    struct op read = fixture_op(OP_READ);
    read.address = address;
    read.length = 3 * PAGE_SIZE;
    read.given = OP_BIT(ADDRESS) | OP_BIT(LENGTH);
    assert_int_equal(fixture_apply(m, read)->cost_count[COST_WALK_LEVEL], 3 * 4);
    fixture_apply(m, fixture_free(OP_VFREE, address));
    assert_int_equal(fixture_apply(m, fixture_op(OP_VM_UNMAP_ALIASES))->cost_count[COST_IPI], 3);
    machine_destroy(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_step_has_a_name_and_a_source),
        cmocka_unit_test(test_steps_sum_up),
        cmocka_unit_test(test_every_kind_sums_up),
        cmocka_unit_test(test_a_lab_may_have_its_own_numbers),
        cmocka_unit_test(test_what_is_zeroed_flushed_and_walked_is_charged),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
