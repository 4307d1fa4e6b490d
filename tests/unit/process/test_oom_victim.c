/* A process that faults more pages in than there is memory for. Where there is swap, it goes on. Else the OOM killer
 * chooses it: one report, one page more, and the end. */
#include "alloc/machine/machine_state.h"
#include "tests/lib/fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define MIB (UINT64_C(1) << 20)

static unsigned count_of(const char *text, const char *words)
{
    unsigned nr = 0;
    for (const char *at = text; (at = strstr(at, words)) != NULL; at++)
        nr++;
    return nr;
}

static void a_killed_process_stops_at_once(void **state)
{
    (void)state;
    struct machine *m = fixture_machine("linux-6.1", 96 * MIB);
    struct op op = fixture_op(OP_SPAWN);
    struct op_result result;
    struct problem why = { .text = "" };
    assert_int_equal(machine_apply(m, &op, &result, &why), PAGODA_OK);
    uint32_t pid = result.pid;
    /* What is mapped at once may not be more than the memory: four mappings, next to each other, are. */
    for (unsigned i = 0; i < 4; i++) {
        op = fixture_user(OP_MMAP, pid, 0);
        op.length = 32 * MIB;
        op.given |= OP_BIT(LENGTH);
        op.given &= ~OP_BIT(SIZE);
        assert_int_equal(machine_apply(m, &op, &result, &why), PAGODA_OK);
        assert_int_equal(result.outcome, OUTCOME_OK);
    }
    op = fixture_op(OP_WRITE);
    op.pid = pid;
    op.address = result.address;
    op.fill = 1;
    op.length = 128 * MIB;
    op.given |= OP_BIT(PID) | OP_BIT(ADDRESS) | OP_BIT(FILL) | OP_BIT(LENGTH);
    assert_int_equal(machine_apply(m, &op, &result, &why), PAGODA_OK);
    assert_non_null(result.message);
    assert_int_not_equal(result.outcome, OUTCOME_OK);
    assert_int_equal(count_of(result.message, "invoked oom-killer"), 1);
    assert_int_equal(count_of(result.message, "Mem-Info:"), 1);
    assert_int_equal(count_of(result.message, "Out of memory: Killed process"), 1);
    assert_int_equal(count_of(result.message, "page allocation failure"), 0);
    op = fixture_user(OP_MALLOC, pid, 8);
    assert_int_equal(machine_apply(m, &op, &result, &why), PAGODA_ERR_INVALID); /* it is gone */
    fixture_check(m);
    machine_destroy(m);
}

/* memset() of more than is free: each page comes in when it is reached, and others go to swap. */
static void a_write_larger_than_memory_goes_through_swap(void **state)
{
    (void)state;
    static const struct {
        enum profile_id profile;
        uint64_t memory, swap, length;
    } CASES[] = {
        { PROFILE_CLASSIC, 4 * MIB, 8 * MIB, 3 * MIB },
        { PROFILE_CLASSIC, 4 * MIB, 8 * MIB, 8 * MIB },
        { PROFILE_LINUX_6_1, 32 * MIB, 64 * MIB, 60 * MIB },
    };
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        const struct machine_config config = { .profile = CASES[i].profile,
                                               .memory = CASES[i].memory,
                                               .swap = CASES[i].swap };
        struct machine *m = fixture_machine_of(&config);
        uint32_t pid = fixture_apply(m, fixture_op(OP_SPAWN))->pid;
        uint64_t block = fixture_apply(m, fixture_user(OP_MALLOC, pid, CASES[i].length))->address;
        assert_int_not_equal(block, 0);
        struct op op = fixture_op(OP_WRITE);
        op.pid = pid;
        op.address = block;
        op.fill = 7;
        op.length = CASES[i].length;
        op.given |= OP_BIT(PID) | OP_BIT(ADDRESS) | OP_BIT(FILL) | OP_BIT(LENGTH);
        const struct op_result *r = fixture_apply(m, op);
        assert_int_equal(r->outcome, OUTCOME_OK);
        assert_int_equal(m->state.reclaim.nr_oom_kills, 0);
        op.kind = OP_READ;
        op.length = 8;
        op.given &= ~OP_BIT(FILL);
        for (uint64_t at = 0; at + 8 <= CASES[i].length; at += 1009 * 8) {
            op.address = block + at;
            r = fixture_apply(m, op);
            assert_int_equal(r->outcome, OUTCOME_OK);
            assert_memory_equal(r->bytes, "\7\7\7\7\7\7\7\7", 8);
        }
        fixture_check(m);
        machine_destroy(m);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_write_larger_than_memory_goes_through_swap),
        cmocka_unit_test(a_killed_process_stops_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
