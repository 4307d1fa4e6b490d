/* A process that the OOM killer chose while it faulted itself: one report, one page more, and the end. */
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_killed_process_stops_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
