/* Tests of the host's memory for machines: how many mappings they take, and where limits refuse. */
#include "server/base/host_memory.h"
#include "tests/lib/fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define NR 200
#define MIB (UINT64_C(1) << 20)

static unsigned nr_mappings(void)
{
    FILE *file = fopen("/proc/self/maps", "r");
    assert_non_null(file);
    unsigned nr = 0;
    for (int letter; (letter = fgetc(file)) != EOF;)
        nr += letter == '\n';
    fclose(file);
    return nr;
}

static struct machine *make(const char *profile, uint64_t memory, enum pagoda_error want, struct problem *why)
{
    struct machine *machine;
    struct machine_config config = { .memory = memory };
    config.profile = (uint32_t)profile_find(profile, strlen(profile))->id;
    enum pagoda_error error = machine_create(&config, &HOST_MEMORY, &machine, why);
    assert_int_equal(host_memory_explain(error, why), want);
    return machine;
}

static enum pagoda_error apply(struct machine *machine, struct op op)
{
    struct op_result result;
    struct problem why = { 0 };
    enum pagoda_error error = machine_apply(machine, &op, &result, &why);
    return host_memory_explain(error, &why);
}

static void test_a_machine_takes_two_mappings(void **state)
{
    (void)state;
    static struct machine *machines[NR];
    struct problem why = { 0 };
    uint64_t committed = host_memory_committed();
    unsigned before = nr_mappings();
    for (unsigned i = 0; i < NR; i++) {
        machines[i] = make(i % 2 ? "classic" : "linux-6.1", 0, PAGODA_OK, &why);
        assert_int_equal(apply(machines[i], fixture_alloc(OP_KMALLOC, 100, 0)), PAGODA_OK);
    }
    unsigned after = nr_mappings();
    print_message("%u mappings for %u machines, %llu KiB each\n", after - before, NR,
                  (unsigned long long)(host_memory_committed() - committed) / NR / 1024);
    assert_true(after - before <= 2 * NR + 8); /* its range, and the page behind it; the rest are malloc's */
    for (unsigned i = 0; i < NR; i++)
        machine_destroy(machines[i]);
    assert_int_equal(host_memory_committed(), committed);
    assert_true(nr_mappings() <= before + 8);
}

/* Pools that grow large ask for huge pages; that splits nothing for good. */
static void test_a_grown_machine_takes_two_mappings(void **state)
{
    (void)state;
    struct problem why = { 0 };
    unsigned before = nr_mappings();
    struct machine *machine = make("linux-6.1", 1024 * MIB, PAGODA_OK, &why), *copy;
    machine_record_events(machine, false);
    for (unsigned i = 0; i < 100000; i++)
        assert_int_equal(apply(machine, fixture_alloc(i % 3 ? OP_KMALLOC : OP_VMALLOC, 64 + i % 2000, 0)), PAGODA_OK);
    assert_true(machine_host_bytes(machine) > 60 * MIB);
    assert_int_equal(machine_clone(machine, &copy), PAGODA_OK);
    assert_true(nr_mappings() - before <= 2 * 2 + 8);
    machine_destroy(machine);
    machine_destroy(copy);
}

static void test_limit_of_a_machine(void **state)
{
    (void)state;
    struct problem why = { 0 };
    uint64_t all = host_memory_committed();
    host_memory_limit(&(struct host_limits){ .machine = 8 * MIB, .all = UINT64_MAX });
    assert_null(make("linux-6.1", 4096 * MIB, PAGODA_ERR_LAB_MEMORY, &why));
    assert_non_null(strstr(why.text, "8 MiB"));
    assert_int_equal(host_memory_committed(), all);
    struct machine *machine = make("linux-6.1", 64 * MIB, PAGODA_OK, &why);
    enum pagoda_error error = PAGODA_OK;
    uint64_t hash = 0, seq = 0;
    while (!error && machine_seq(machine) < 10000) {
        hash = machine_hash(machine);
        seq = machine_seq(machine);
        error = apply(machine, fixture_alloc(OP_KMALLOC, 4096, 0));
    }
    assert_int_equal(error, PAGODA_ERR_LAB_MEMORY);
    assert_int_equal(machine_seq(machine), seq);
    assert_int_equal(machine_hash(machine), hash); /* nothing has changed */
    host_memory_limit(&(struct host_limits){ .machine = UINT64_MAX, .all = UINT64_MAX });
    assert_int_equal(apply(machine, fixture_alloc(OP_KMALLOC, 4096, 0)), PAGODA_OK);
    machine_destroy(machine);
}

struct room {
    struct machine *unused[3];
    unsigned nr_asked;
};

static bool end_one(void *context)
{
    struct room *room = context;
    if (room->nr_asked == 3)
        return false;
    machine_destroy(room->unused[room->nr_asked++]);
    return true;
}

static void test_budget_and_who_makes_room(void **state)
{
    (void)state;
    struct problem why = { 0 };
    struct room room = { 0 };
    for (unsigned i = 0; i < 3; i++)
        room.unused[i] = make("classic", 0, PAGODA_OK, &why);
    uint64_t all = host_memory_committed();
    host_memory_limit(&(struct host_limits){ .machine = UINT64_MAX, .all = all });
    assert_null(make("classic", 0, PAGODA_ERR_BUDGET, &why));
    assert_non_null(strstr(why.text, "--budget"));
    host_memory_on_shortage(end_one, &room);
    struct machine *machines[3];
    for (unsigned i = 0; i < 3; i++)
        machines[i] = make("classic", 0, PAGODA_OK, &why);
    assert_int_equal(room.nr_asked, 3);
    assert_null(make("classic", 0, PAGODA_ERR_BUDGET, &why));
    assert_int_equal(host_memory_committed(), all);
    host_memory_on_shortage(NULL, NULL);
    host_memory_limit(&(struct host_limits){ .machine = UINT64_MAX, .all = UINT64_MAX });
    for (unsigned i = 0; i < 3; i++)
        machine_destroy(machines[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_machine_takes_two_mappings),
        cmocka_unit_test(test_a_grown_machine_takes_two_mappings),
        cmocka_unit_test(test_limit_of_a_machine),
        cmocka_unit_test(test_budget_and_who_makes_room),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
