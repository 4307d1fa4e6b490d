/* Tests of frames' contents: what a fill stores, what a write to a filled page does, and what large fills cost the host. */
#include "alloc/machine/machine_state.h"
#include "tests/lib/fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define MIB (UINT64_C(1) << 20)

static uint32_t nr_pages(const struct machine *machine)
{
    return pool_nr_live(&machine->state.frames.contents);
}

static uint64_t spawn_and_map(struct machine *machine, uint64_t length, uint32_t *pid)
{
    *pid = fixture_apply(machine, fixture_op(OP_SPAWN))->pid;
    struct op op = fixture_op(OP_MMAP);
    op.pid = *pid;
    op.length = length;
    op.given = OP_BIT(PID) | OP_BIT(LENGTH);
    return fixture_apply(machine, op)->address;
}

static struct op access_of(enum op_kind kind, uint32_t pid, uint64_t address, uint64_t length)
{
    struct op op = fixture_free(kind, address);
    op.pid = pid;
    op.length = length;
    op.given |= OP_BIT(PID) | OP_BIT(LENGTH);
    return op;
}

static void fill(struct machine *machine, struct op op, uint8_t byte)
{
    op.fill = byte;
    op.given |= OP_BIT(FILL);
    assert_int_equal(fixture_apply(machine, op)->outcome, OUTCOME_OK);
}

static void expect_bytes(struct machine *machine, uint32_t pid, uint64_t address, const char *hex)
{
    char text[65] = "";
    size_t length = strlen(hex) / 2;
    const struct op_result *result = fixture_apply(machine, access_of(OP_READ, pid, address, length));
    assert_int_equal(result->nr_bytes, length);
    for (size_t i = 0; i < length; i++)
        snprintf(text + 2 * i, 3, "%02x", result->bytes[i]);
    assert_string_equal(text, hex);
}

/* |....aaaaaaaaaaaaaa....| -> one byte in the midst changes, and nothing around it. */
static void test_filled_pages_share_one_page(void **state)
{
    (void)state;
    uint32_t pid;
    struct machine *machine = fixture_machine("linux-6.1", 64 * MIB);
    uint64_t start = spawn_and_map(machine, 8 * MIB, &pid);
    fill(machine, access_of(OP_WRITE, pid, start, 4096), 0x11); /* page tables are there now */
    uint32_t before = nr_pages(machine);
    fill(machine, access_of(OP_WRITE, pid, start + 100, 1 * MIB), 0xaa);
    assert_true(nr_pages(machine) <= before + 1 + 2); /* the page of all that are 0xaa; those at the ends */
    expect_bytes(machine, pid, start + 98, "1111aaaa");
    expect_bytes(machine, pid, start + MIB + 98, "aaaa0000");
    before = nr_pages(machine);
    fill(machine, access_of(OP_WRITE, pid, start + 300000, 1), 0x55);
    assert_int_equal(nr_pages(machine), before + 1);
    expect_bytes(machine, pid, start + 299999, "aa55aa");
    expect_bytes(machine, pid, start + 299999 + 4096, "aaaaaa");
    fill(machine, access_of(OP_WRITE, pid, start, 2 * MIB), 0);
    assert_true(nr_pages(machine) <= before);
    expect_bytes(machine, pid, start + 299999, "000000");
    fill(machine, access_of(OP_WRITE, pid, start, 2 * MIB), 0xaa);
    fill(machine, access_of(OP_WRITE, pid, start, 2 * MIB), 0xab);
    expect_bytes(machine, pid, start + 12345, "abab");
    machine_destroy(machine);
}

static void test_a_fork_writes_to_its_own_copy(void **state)
{
    (void)state;
    uint32_t pid;
    struct machine *machine = fixture_machine("linux-6.1", 64 * MIB);
    uint64_t start = spawn_and_map(machine, MIB, &pid);
    fill(machine, access_of(OP_WRITE, pid, start, MIB), 0x77);
    struct op op = fixture_op(OP_FORK);
    op.pid = pid;
    op.given = OP_BIT(PID);
    uint32_t child = fixture_apply(machine, op)->pid;
    uint32_t before = nr_pages(machine);
    fill(machine, access_of(OP_WRITE, child, start + 8000, 200000), 0x88);
    expect_bytes(machine, child, start + 7999, "7788");
    expect_bytes(machine, pid, start + 7999, "7777");
    expect_bytes(machine, child, start + 300000, "7777");
    assert_true(nr_pages(machine) <= before + 3);
    machine_destroy(machine);
}

/* What is swapped out and in again is as it was, and still costs nothing. */
static void test_filled_pages_in_swap(void **state)
{
    (void)state;
    uint32_t pid;
    struct machine_config config = { .profile = PROFILE_LINUX_6_1, .memory = 32 * MIB, .swap = 64 * MIB };
    struct machine *machine = fixture_machine_of(&config);
    uint64_t start = spawn_and_map(machine, 48 * MIB, &pid);
    for (uint64_t at = 0; at < 48 * MIB; at += MIB)
        fill(machine, access_of(OP_WRITE, pid, start + at, MIB), (uint8_t)(at / MIB + 1));
    for (uint64_t at = 0; at < 48 * MIB; at += 5 * MIB) {
        char hex[5];
        snprintf(hex, sizeof hex, "%02x%02x", (unsigned)(at / MIB + 1), (unsigned)(at / MIB + 1));
        expect_bytes(machine, pid, start + at + 70000, hex);
    }
    assert_true(machine->state.reclaim.slots.nr_used > 1000);
    assert_true(nr_pages(machine) < 48 + 200);
    machine_destroy(machine);
}

static void test_perturbed_blocks_cost_nothing(void **state)
{
    (void)state;
    struct machine *machine = fixture_machine("linux-6.1", 64 * MIB);
    uint32_t pid = fixture_apply(machine, fixture_op(OP_SPAWN))->pid;
    struct op op = fixture_op(OP_MALLOPT);
    op.pid = pid;
    op.option = MALLOPT_PERTURB;
    op.value = 0x5a;
    op.given = OP_BIT(PID) | OP_BIT(OPTION) | OP_BIT(VALUE);
    fixture_apply(machine, op);
    uint32_t before = nr_pages(machine);
    uint64_t address = fixture_apply(machine, fixture_user(OP_MALLOC, pid, 8 * MIB))->address;
    assert_true(nr_pages(machine) < before + 30);
    expect_bytes(machine, pid, address + 5 * MIB, "a5a5a5");
    uint64_t small = fixture_apply(machine, fixture_user(OP_MALLOC, pid, 60000))->address;
    expect_bytes(machine, pid, small + 30000, "a5a5");
    machine_destroy(machine);
}

/* A copy and an image are as the machine, also where pages are shared; and they do not share with each other. */
static void test_images_of_filled_pages(void **state)
{
    (void)state;
    uint32_t pid;
    struct machine *machine = fixture_machine("linux-6.1", 64 * MIB), *copy, *loaded;
    uint64_t start = spawn_and_map(machine, 4 * MIB, &pid);
    fill(machine, access_of(OP_WRITE, pid, start, 4 * MIB), 0xee);
    assert_int_equal(machine_clone(machine, &copy), PAGODA_OK);
    assert_int_equal(machine_hash(copy), machine_hash(machine));
    size_t bytes = machine_save(machine, NULL, 0);
    void *image = test_malloc(bytes);
    bytes = machine_save(machine, image, bytes);
    assert_int_equal(machine_load(image, bytes, &machine->host, &loaded), PAGODA_OK);
    assert_int_equal(machine_hash(loaded), machine_hash(machine));
    fill(loaded, access_of(OP_WRITE, pid, start + 5000, 10), 0x01);
    expect_bytes(copy, pid, start + 5000, "eeee");
    expect_bytes(loaded, pid, start + 4999, "ee01");
    test_free(image);
    machine_destroy(copy);
    machine_destroy(loaded);
    machine_destroy(machine);
}

/* Half a GiB: before, half a GiB of the host. */
static void test_a_large_fill_reserves_little(void **state)
{
    (void)state;
    uint32_t pid;
    struct machine *machine = fixture_machine("linux-6.1", 768 * MIB);
    uint64_t start = spawn_and_map(machine, 512 * MIB, &pid), before = machine_host_bytes(machine);
    fill(machine, access_of(OP_WRITE, pid, start, 512 * MIB), 0xcc);
    assert_true(machine_host_bytes(machine) - before < 8 * MIB);
    expect_bytes(machine, pid, start + 400 * MIB, "cccc");
    machine_destroy(machine);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_filled_pages_share_one_page), cmocka_unit_test(test_a_fork_writes_to_its_own_copy),
        cmocka_unit_test(test_filled_pages_in_swap),        cmocka_unit_test(test_perturbed_blocks_cost_nothing),
        cmocka_unit_test(test_images_of_filled_pages),      cmocka_unit_test(test_a_large_fill_reserves_little),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
