/* tests/store/test_store_memory.c - stores and labs on a host that runs out of memory and of random numbers. */
#include "tests/lib/failing_host.h"
#include "tests/store/store_fixture.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>
#include <jansson.h>

static void count_row(void *context, const struct lab_row *row)
{
    assert_true(row->id[0]);
    ++*(unsigned *)context;
}

static struct store_fixture open_with_labs(unsigned nr_labs)
{
    struct store_fixture f;
    store_fixture_make(&f);
    store_fixture_must_open(&f);
    for (unsigned i = 0; i < nr_labs; i++)
        lab_put(store_fixture_lab(&f, "classic"));
    return f;
}

/* Whichever allocation fails: all of the labs, or an error. */
static void no_lab_is_left_out_of_the_list(void **state)
{
    (void)state;
    struct store_fixture f = open_with_labs(5);
    bool has_failed = true;
    for (unsigned nth = 1; has_failed; nth++) {
        struct problem why = { 0 };
        unsigned nr_rows = 0;
        failing_host_fail_allocation(nth);
        enum pagoda_error error = store_list_labs(f.store, count_row, &nr_rows, &why);
        has_failed = failing_host_has_failed();
        failing_host_fail_allocation(0);
        assert_int_equal(error, has_failed ? PAGODA_ERR_NOMEM : PAGODA_OK);
        assert_int_equal(nr_rows, has_failed ? 0 : 5);
    }
    store_fixture_close(&f);
    store_fixture_remove(&f);
}

static void *no_room(size_t nr_bytes)
{
    (void)nr_bytes;
    return NULL;
}

/* A configuration that cannot be read for want of memory is no damage. */
static void a_row_without_room_is_no_damage(void **state)
{
    (void)state;
    struct store_fixture f = open_with_labs(2);
    struct problem why = { 0 };
    unsigned nr_rows = 0;
    json_malloc_t give;
    json_free_t take;
    json_get_alloc_funcs(&give, &take);
    json_set_alloc_funcs(no_room, take);
    enum pagoda_error error = store_list_labs(f.store, count_row, &nr_rows, &why);
    json_set_alloc_funcs(give, take);
    assert_int_equal(error, PAGODA_ERR_NOMEM);
    assert_int_equal(nr_rows, 0);
    store_fixture_close(&f);
    store_fixture_remove(&f);
}

static void a_lab_gets_a_key_that_nobody_guesses_or_none(void **state)
{
    (void)state;
    struct store_fixture f = open_with_labs(1);
    struct machine_config config = { .profile = PROFILE_CLASSIC };
    struct problem why = { 0 };
    struct lab *lab;
    unsigned nr_rows = 0;
    failing_host_refuse_random(true);
    enum pagoda_error error = store_fixture_create(&f, "lab", &config, &lab, &why);
    failing_host_refuse_random(false);
    assert_int_equal(error, PAGODA_ERR_RANDOM);
    assert_null(lab);
    assert_int_equal(store_list_labs(f.store, count_row, &nr_rows, &why), PAGODA_OK);
    assert_int_equal(nr_rows, 1);
    store_fixture_close(&f);
    store_fixture_remove(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_lab_is_left_out_of_the_list),
        cmocka_unit_test(a_row_without_room_is_no_damage),
        cmocka_unit_test(a_lab_gets_a_key_that_nobody_guesses_or_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
