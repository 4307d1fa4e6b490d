/* What SLUB prints when it gets no slab: three lines, the kernel's own, with their numbers true. */
#include "alloc/machine/machine_state.h"
#include "pagoda/gfp.h"
#include "pagoda/view.h"
#include "tests/lib/fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define MIB (UINT64_C(1) << 20)

/* Takes all pages, then kmallocs until one fails; its message. */
static const char *message_of_failure(struct machine *m, uint64_t size, uint32_t gfp)
{
    for (unsigned order = 4; order-- > 0;) {
        struct op op = fixture_op(OP_ALLOC_PAGES);
        struct op_result result;
        struct problem why = { .text = "" };
        op.order = (uint8_t)order;
        op.gfp = GFP_ATOMIC | __GFP_NOWARN;
        op.given |= OP_BIT(ORDER) | OP_BIT(GFP);
        do
            assert_int_equal(machine_apply(m, &op, &result, &why), PAGODA_OK);
        while (result.outcome == OUTCOME_OK);
    }
    for (;;) {
        struct op op = fixture_alloc(OP_KMALLOC, size, gfp);
        struct op_result result;
        struct problem why = { .text = "" };
        assert_int_equal(machine_apply(m, &op, &result, &why), PAGODA_OK);
        if (result.outcome != OUTCOME_OK)
            return result.message ? result.message : "";
    }
}

static void find_cache(const struct machine *m, const char *name, struct cache_view *cache)
{
    for (uint64_t cursor = 0; view_next_cache(m, &cursor, cache);)
        if (strcmp(cache->name, name) == 0)
            return;
    fail_msg("no cache %s", name);
}

static void three_lines_with_true_numbers(void **state)
{
    (void)state;
    struct machine *m = fixture_machine("linux-6.1", 32 * MIB);
    char expected[512];
    struct cache_view cache;
    const char *message = message_of_failure(m, 64, GFP_ATOMIC);
    find_cache(m, "kmalloc-64", &cache);
    snprintf(expected, sizeof expected,
             "\nSLUB: Unable to allocate memory on node -1, gfp=0xa20(GFP_ATOMIC)\n"
             "  cache: kmalloc-64, object size: 64, buffer size: 64, default order: 0, min order: 0\n"
             "  node 0: slabs: %u, objs: %u, free: 0\n",
             (unsigned)cache.nr_slabs, (unsigned)cache.nr_objects);
    if (!strstr(message, expected))
        fail_msg("not in %s\nexpected %s", message, expected);
    assert_null(strstr(message, "slub_debug=O"));
    machine_destroy(m);
}

static void debugging_that_costs_an_order_is_told(void **state)
{
    (void)state;
    struct machine_config config = { .profile = PROFILE_LINUX_6_1, .memory = 32 * MIB, .slub_debug = SLUB_DEBUG_ALL };
    struct machine *m = fixture_machine_of(&config);
    const char *message = message_of_failure(m, 4096, GFP_ATOMIC);
    if (!strstr(message, "\n  kmalloc-4k debugging increased min order, use slub_debug=O to disable.\n  node 0: slabs: "))
        fail_msg("%s", message);
    machine_destroy(m);
}

static void nothing_is_said_when_it_is_not_wanted(void **state)
{
    (void)state;
    struct machine *m = fixture_machine("linux-6.1", 32 * MIB);
    assert_string_equal(message_of_failure(m, 64, GFP_ATOMIC | __GFP_NOWARN), "");
    machine_destroy(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(three_lines_with_true_numbers),
        cmocka_unit_test(debugging_that_costs_an_order_is_told),
        cmocka_unit_test(nothing_is_said_when_it_is_not_wanted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
