/* tests/server/test_registry.c - the list of labs on a host that runs out of memory. */
#include "tests/lib/failing_host.h"
#include "tests/store/store_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define NR_LABS 5u

struct keys {
    unsigned nr;
    char all[NR_LABS][LAB_ID_LENGTH + 1];
};

static void collect_key(void *context, const struct lab_status *status)
{
    struct keys *keys = context;
    assert_true(keys->nr < NR_LABS);
    memcpy(keys->all[keys->nr++], status->row->id, sizeof keys->all[0]);
}

static struct keys make_labs(struct store_fixture *f)
{
    struct keys keys = { 0 };
    for (unsigned i = 0; i < NR_LABS; i++)
        lab_put(store_fixture_lab(f, "classic"));
    labs_each(f->labs, collect_key, &keys);
    assert_int_equal(keys.nr, NR_LABS);
    return keys;
}

/* The fixture's labs are those of the store, in their order, and are found by their keys. */
static void expect_labs(struct store_fixture *f, const struct keys *want)
{
    struct keys keys = { 0 };
    labs_each(f->labs, collect_key, &keys);
    assert_memory_equal(&keys, want, sizeof keys);
    for (unsigned i = 0; i < NR_LABS; i++) {
        struct lab *lab = lab_get(f->labs, want->all[i]);
        assert_non_null(lab);
        lab_put(lab);
    }
}

static void close_labs(struct store_fixture *f)
{
    labs_stop(f->labs);
    labs_close(f->labs);
    f->labs = NULL;
}

/* Whichever allocation fails while the list is loaded: all of the labs, or none and an error. */
static void no_lab_is_missing_when_the_list_is_open(void **state)
{
    (void)state;
    struct store_fixture f;
    store_fixture_make(&f);
    store_fixture_must_open(&f);
    struct keys keys = make_labs(&f);
    bool has_failed = true;
    unsigned nth = 0;
    while (has_failed) {
        struct problem why = { 0 };
        close_labs(&f);
        failing_host_fail_allocation(++nth);
        enum pagoda_error error = labs_open(f.store, NULL, &f.labs, &why);
        has_failed = failing_host_has_failed();
        failing_host_fail_allocation(0);
        assert_int_equal(error, has_failed ? PAGODA_ERR_NOMEM : PAGODA_OK);
        assert_true((f.labs == NULL) == has_failed);
    }
    assert_true(nth > NR_LABS); /* one for each lab at least has been refused */
    expect_labs(&f, &keys);
    store_fixture_close(&f);
    store_fixture_remove(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(no_lab_is_missing_when_the_list_is_open) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
