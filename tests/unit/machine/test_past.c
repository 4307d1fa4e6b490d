/* Machines with a past: sound, equal each time, at operation 0 and time 0, and in the state that their name promises. */
#include "tests/lib/fixture.h"
#include "pagoda/view.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define MIB (UINT64_C(1) << 20)

static struct machine *machine_with(uint32_t profile, uint32_t past, uint64_t memory)
{
    const struct machine_config config = { .profile = profile, .machine = past, .memory = memory };
    return fixture_machine_of(&config);
}

static void assert_sound(struct machine *m)
{
    char text[160] = "";
    if (!machine_check(m, text, sizeof text))
        fail_msg("%s", text);
}

/* Of the free memory, thousandths that lie in blocks too small for the order. */
static uint32_t unusable_for(const struct machine *m, unsigned order)
{
    struct zone_view zone;
    uint64_t cursor = 0, unusable = 0, all = 0;
    while (view_next_zone(m, &cursor, &zone)) {
        unusable += zone.unusable_index[order] * zone.free;
        all += zone.free;
    }
    return all ? (uint32_t)(unusable / all) : 0;
}

static void test_sound_and_equal(void **state)
{
    (void)state;
    static const uint64_t SIZES[NR_PROFILES][3] = { { 4, 16, 768 }, { 32, 256, 1024 } };
    for (uint32_t profile = 0; profile < NR_PROFILES; profile++)
        for (uint32_t past = MACHINE_USED; past < NR_MACHINE_PASTS; past++)
            for (unsigned i = 0; i < 3; i++) {
                struct machine *a = machine_with(profile, past, SIZES[profile][i] * MIB);
                struct machine *b = machine_with(profile, past, SIZES[profile][i] * MIB);
                assert_sound(a);
                assert_int_equal(machine_hash(a), machine_hash(b));
                assert_int_equal(machine_seq(a), 0);
                assert_int_equal(machine_now_ns(a), 0);
                machine_destroy(a);
                machine_destroy(b);
            }
}

/* Everything that is there has operation number 0 and somebody's name; operations begin at 1. */
static void test_before_the_first_operation(void **state)
{
    (void)state;
    for (uint32_t profile = 0; profile < NR_PROFILES; profile++) {
        struct machine *m = machine_with(profile, MACHINE_USED, 16 * MIB << profile);
        struct allocation_view allocation;
        struct stats_view stats;
        uint64_t cursor = 0, nr = 0;
        view_stats(m, &stats);
        assert_int_equal(stats.nr_outcomes[OUTCOME_OK], 0);
        for (; view_next_allocation(m, &cursor, &allocation); nr++) {
            assert_int_equal(allocation.seq, 0);
            assert_non_null(allocation.call_site);
            assert_false(allocation.is_named);
        }
        assert_true(nr > 500);
        const struct op_result *r = fixture_apply(m, fixture_alloc(OP_KMALLOC, 100, 0));
        assert_int_equal(r->seq, 1);
        assert_int_equal(r->outcome, OUTCOME_OK);
        cursor = 0;
        for (nr = 0; view_next_allocation(m, &cursor, &allocation);)
            nr += allocation.seq == 1;
        assert_int_equal(nr, 1);
        machine_destroy(m);
    }
}

/* A used machine gives pages that lie apart, where a fresh one gives one run; a third of a fragmented one is free, and
 * little of it is of use to who asks for 8 pages. */
static void test_as_the_name_promises(void **state)
{
    (void)state;
    for (uint32_t profile = 0; profile < NR_PROFILES; profile++) {
        struct machine *fresh = machine_with(profile, MACHINE_FRESH, 64 * MIB);
        struct machine *used = machine_with(profile, MACHINE_USED, 64 * MIB);
        struct machine *fragmented = machine_with(profile, MACHINE_FRAGMENTED, 64 * MIB);
        bool adjoins = fixture_apply(fresh, fixture_alloc(OP_VMALLOC, 20 * PAGE_SIZE, 0))->physically_contiguous;
        assert_int_equal(adjoins, profile == PROFILE_LINUX_6_1); /* 2.0 takes its pages downwards, one by one */
        assert_false(fixture_apply(used, fixture_alloc(OP_VMALLOC, 20 * PAGE_SIZE, 0))->physically_contiguous);
        assert_true(unusable_for(used, 3) < 500);
        assert_true(unusable_for(fragmented, 3) > 900);
        struct stats_view stats;
        view_stats(fragmented, &stats);
        assert_true(stats.frames[FRAME_FREE] > 3000 && stats.frames[FRAME_FREE] < 6000);
        struct op big = fixture_alloc(OP_KMALLOC, 128 * 1024 - 100, GFP_ATOMIC | __GFP_NOWARN);
        assert_int_equal(fixture_apply(fragmented, big)->outcome, OUTCOME_NULL);
        assert_sound(fragmented);
        machine_destroy(fresh);
        machine_destroy(used);
        machine_destroy(fragmented);
    }
}

static void test_limit(void **state)
{
    (void)state;
    const struct machine_config config = { .profile = PROFILE_LINUX_6_1, .machine = MACHINE_USED, .memory = 1025 * MIB };
    struct machine *m;
    struct problem why = { 0 };
    assert_int_equal(machine_create(&config, &fixture_host()->host, &m, &why), PAGODA_ERR_INVALID);
    assert_string_equal(why.field, "machine");
}

/* A host that refuses in the middle gets everything back. */
static void test_host_refuses(void **state)
{
    (void)state;
    const struct machine_config config = { .profile = PROFILE_LINUX_6_1, .machine = MACHINE_USED, .memory = 64 * MIB };
    struct machine *m = NULL;
    enum pagoda_error err = PAGODA_ERR_NOMEM;
    int nr_refused = 0;
    for (int64_t n = 0; err && n < 10000; n++) {
        struct problem why = { 0 };
        struct fixture_host *host = fixture_host();
        host->fail_after = n;
        err = machine_create(&config, &host->host, &m, &why);
        assert_true(!err || (err == PAGODA_ERR_NOMEM && !m));
        nr_refused += err != PAGODA_OK;
    }
    assert_true(nr_refused > 20);
    assert_sound(m);
    machine_destroy(m);
    fixture_host();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sound_and_equal),      cmocka_unit_test(test_before_the_first_operation),
        cmocka_unit_test(test_as_the_name_promises), cmocka_unit_test(test_limit),
        cmocka_unit_test(test_host_refuses),
    };
    return cmocka_run_group_tests_name("past", tests, NULL, NULL);
}
