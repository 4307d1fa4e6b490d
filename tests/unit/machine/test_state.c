/* States of the page allocator as text: out and in again to the byte, machines that go on from them, and whatever is wrong
 * with a text refused with its line. */
#include "tests/lib/fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define MIB (UINT64_C(1) << 20)

static const struct machine_config CONFIG = { .profile = PROFILE_LINUX_6_1, .memory = 64 * MIB, .cpus = 2 };

static char *dump(const struct machine *m, size_t *length)
{
    *length = machine_dump_state(m, NULL, 0);
    char *text = malloc(*length + 1);
    assert_non_null(text);
    assert_int_equal(machine_dump_state(m, text, *length + 1), *length);
    return text;
}

/* A state with something on every kind of list. */
static char *used_state(size_t *length)
{
    struct machine *m = fixture_machine_of(&CONFIG);
    for (unsigned i = 0; i < 300; i++) {
        struct op op = fixture_op(OP_ALLOC_PAGES);
        op.order = (uint8_t)(i % 5);
        op.cpu = i % 2;
        op.gfp = i % 3 ? GFP_KERNEL : GFP_HIGHUSER_MOVABLE;
        op.given = OP_BIT(ORDER) | OP_BIT(GFP) | OP_BIT(CPU);
        uint64_t address = fixture_apply(m, op)->address;
        struct op release = fixture_free(OP_FREE_PAGES, address);
        release.order = op.order;
        release.cpu = (uint16_t)(i / 3 % 2);
        release.given |= OP_BIT(ORDER) | OP_BIT(CPU);
        if (i % 4)
            fixture_apply(m, release);
    }
    char *text = dump(m, length);
    machine_destroy(m);
    return text;
}

static enum pagoda_error load(const char *text, size_t length, struct machine **out, struct problem *why)
{
    char *copy = malloc(length + 1); /* of its own, so that a step beyond it is seen */
    assert_non_null(copy);
    memcpy(copy, text, length);
    copy[length] = '\0';
    enum pagoda_error err = machine_create_from_state(&CONFIG, copy, length, &fixture_host()->host, out, why);
    free(copy);
    return err;
}

static void a_state_survives_to_the_byte(void **state)
{
    (void)state;
    size_t length, again;
    char *text = used_state(&length);
    struct machine *m;
    struct problem why = { 0 };
    if (load(text, length, &m, &why))
        fail_msg("line %zu: %s", why.offset, why.text);
    fixture_check(m);
    char *out = dump(m, &again);
    assert_int_equal(again, length);
    assert_memory_equal(out, text, length);
    uint32_t pid = fixture_apply(m, fixture_op(OP_SPAWN))->pid; /* tables and zero page have found new places */
    for (unsigned i = 1; i < 40; i++) {
        assert_int_equal(fixture_apply(m, fixture_user(OP_MALLOC, pid, i * 1000))->outcome, OUTCOME_OK);
        assert_int_equal(fixture_apply(m, fixture_alloc(OP_VMALLOC, i * 9000, 0))->outcome, OUTCOME_OK);
        assert_int_equal(fixture_apply(m, fixture_alloc(OP_KMALLOC, i * 77, 0))->outcome, OUTCOME_OK);
    }
    free(out);
    free(text);
    machine_destroy(m);
}

static size_t line_of(const char *text, size_t at)
{
    size_t line = 1;
    for (size_t i = 0; i < at; i++)
        line += text[i] == '\n';
    return line;
}

/* A word that is no line, at each line: refused there. */
static void a_strange_line_is_named(void **state)
{
    (void)state;
    size_t length;
    char *text = used_state(&length);
    for (char *at = text; at; at = strchr(at + 1, '\n')) {
        char *word = at == text ? at : at + 1;
        if (!*word)
            break;
        char kept = *word;
        struct machine *m;
        struct problem why = { 0 };
        *word = 'x';
        assert_int_equal(load(text, length, &m, &why), PAGODA_ERR_INVALID);
        assert_int_equal(why.offset, line_of(text, (size_t)(word - text)));
        assert_string_equal(why.field, "state");
        assert_null(m);
        *word = kept;
    }
    free(text);
}

/* Bytes changed, lines cut, doubled or left out: refused, or a machine whose invariants hold. */
static void mutations_never_break_a_machine(void **state)
{
    (void)state;
    struct fixture_random random = { fixture_seed() };
    size_t length, nr_refused = 0;
    char *text = used_state(&length), *mutant = malloc(2 * length + 2);
    assert_non_null(mutant);
    for (unsigned i = 0; i < 600; i++) {
        static const char BYTES[] = "0123456789abcx \t\n:-=,\0\xff";
        size_t nr = length, at = (size_t)fixture_random_below(&random, length);
        memcpy(mutant, text, length);
        switch (fixture_random_below(&random, 4)) {
        case 0:
        case 1:
            mutant[at] = BYTES[fixture_random_below(&random, sizeof BYTES)];
            break;
        case 2: /* cut short */
            nr = at;
            break;
        default: { /* a stretch twice */
            size_t more = (size_t)fixture_random_below(&random, length - at);
            memmove(mutant + at + more, mutant + at, length - at);
            nr = length + more;
        }
        }
        struct machine *m;
        struct problem why = { 0 };
        enum pagoda_error err = load(mutant, nr, &m, &why);
        assert_true(err == PAGODA_OK || err == PAGODA_ERR_INVALID);
        nr_refused += err != PAGODA_OK;
        if (!err)
            fixture_apply(m, fixture_alloc(OP_VMALLOC, 100000, 0)); /* checks every invariant */
        machine_destroy(m);
    }
    assert_true(nr_refused > 300);
    free(mutant);
    free(text);
}

static void only_linux_6_1_has_states(void **state)
{
    (void)state;
    struct machine *m = fixture_machine("classic", 0), *none;
    struct machine_config config = { .profile = PROFILE_CLASSIC };
    struct problem why = { 0 };
    char text[] = "";
    assert_int_equal(machine_dump_state(m, text, 1), 0);
    assert_int_equal(machine_create_from_state(&config, text, 0, &fixture_host()->host, &none, &why), PAGODA_ERR_INVALID);
    assert_null(none);
    machine_destroy(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_state_survives_to_the_byte),
        cmocka_unit_test(a_strange_line_is_named),
        cmocka_unit_test(mutations_never_break_a_machine),
        cmocka_unit_test(only_linux_6_1_has_states),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
