/* A name that was freed still leads to where its allocation was, so that a double free and a use after free can be written
 * down. */
#include "alloc/machine/machine_state.h"
#include "pagoda/gfp.h"
#include "tests/lib/fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static struct machine *m;

static struct op named(struct op op, const char *name)
{
    op.name = (struct text){ name, (uint32_t)strlen(name) };
    op.given = (op.given & ~OP_BIT(ADDRESS)) | OP_BIT(NAME);
    return op;
}

static struct op access_of(enum op_kind kind, uint32_t pid, const char *name)
{
    struct op op = named(fixture_op(kind), name);
    op.length = 8;
    op.given |= OP_BIT(LENGTH) | (kind == OP_WRITE ? OP_BIT(FILL) : 0) | (pid ? OP_BIT(PID) : 0);
    op.fill = 0x41;
    op.pid = pid;
    return op;
}

static const struct op_result *apply(struct op op, enum outcome outcome, bool name_is_freed)
{
    const struct op_result *r = fixture_apply(m, op);
    assert_int_equal(r->outcome, outcome);
    assert_int_equal(r->name_is_freed, name_is_freed);
    fixture_check(m);
    return r;
}

static void refused(struct op op)
{
    static struct op_result r;
    struct problem why = { .text = "" };
    assert_int_equal(machine_apply(m, &op, &r, &why), PAGODA_ERR_INVALID);
    assert_string_equal(why.field, "name");
}

static void kfree_twice(void **state)
{
    (void)state;
    m = fixture_machine("linux-6.1", 0);
    uint64_t a = apply(named(fixture_alloc(OP_KMALLOC, 100, GFP_KERNEL), "a"), OUTCOME_OK, false)->address;
    apply(named(fixture_free(OP_KFREE, 0), "a"), OUTCOME_OK, false);
    assert_int_equal(apply(access_of(OP_WRITE, 0, "a"), OUTCOME_OK, true)->address, a);
    assert_int_equal(apply(access_of(OP_READ, 0, "a"), OUTCOME_OK, true)->address, a);
    const struct op_result *r = apply(named(fixture_free(OP_KFREE, 0), "a"), OUTCOME_BUG, true);
    assert_int_equal(r->address, a);
    assert_non_null(strstr(r->message, "kernel BUG at mm/slub.c"));
    refused(named(fixture_free(OP_KFREE, 0), "b")); /* it was never given */
    machine_destroy(m);
}

/* The name is given again: then it is the new allocation's alone. */
static void a_name_is_given_again(void **state)
{
    (void)state;
    m = fixture_machine("linux-6.1", 0);
    uint64_t a = apply(named(fixture_alloc(OP_KMALLOC, 100, GFP_KERNEL), "a"), OUTCOME_OK, false)->address;
    apply(named(fixture_free(OP_KFREE, 0), "a"), OUTCOME_OK, false);
    uint64_t b = apply(named(fixture_alloc(OP_KMALLOC, 5000, GFP_KERNEL), "a"), OUTCOME_OK, false)->address;
    assert_int_not_equal(a, b);
    assert_int_equal(apply(access_of(OP_WRITE, 0, "a"), OUTCOME_OK, false)->address, b);
    apply(named(fixture_free(OP_KFREE, 0), "a"), OUTCOME_OK, false);
    machine_destroy(m);
}

static void free_twice_ends_the_process(void **state)
{
    (void)state;
    m = fixture_machine("linux-6.1", 0);
    uint32_t pid = fixture_apply(m, fixture_op(OP_SPAWN))->pid;
    struct op release = named(fixture_free(OP_FREE, 0), "a");
    release.pid = pid;
    release.given |= OP_BIT(PID);
    apply(named(fixture_user(OP_MALLOC, pid, 24), "a"), OUTCOME_OK, false);
    apply(release, OUTCOME_OK, false);
    apply(access_of(OP_READ, pid, "a"), OUTCOME_OK, true);
    assert_non_null(strstr(apply(release, OUTCOME_BUG, true)->message, "double free detected in tcache 2"));
    refused(access_of(OP_READ, 0, "a")); /* the names of a process end with it */
    machine_destroy(m);
}

/* The oldest are forgotten. */
static void so_many_and_no_more(void **state)
{
    (void)state;
    char name[16];
    m = fixture_machine("classic", 0);
    for (unsigned i = 0; i <= NR_FREED_NAMES; i++) {
        snprintf(name, sizeof name, "n%u", i);
        fixture_apply(m, named(fixture_alloc(OP_KMALLOC, 32, GFP_KERNEL), name));
        fixture_apply(m, named(fixture_free(OP_KFREE, 0), name));
    }
    refused(access_of(OP_READ, 0, "n0"));
    apply(access_of(OP_READ, 0, "n1"), OUTCOME_OK, true);
    apply(access_of(OP_READ, 0, name), OUTCOME_OK, true);
    machine_destroy(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(kfree_twice),
        cmocka_unit_test(a_name_is_given_again),
        cmocka_unit_test(free_twice_ends_the_process),
        cmocka_unit_test(so_many_and_no_more),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
