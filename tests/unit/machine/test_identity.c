/* Identity of images: the same each time, and an image of other rules or another layout is not read. */
#include "tests/lib/fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static void test_identity_is_the_same_each_time(void **state)
{
    (void)state;
    uint64_t first = 0, second = 0;
    assert_int_equal(machine_identity(&fixture_host()->host, &first), PAGODA_OK);
    assert_int_equal(machine_identity(&fixture_host()->host, &second), PAGODA_OK);
    assert_true(first != 0);
    assert_true(first == second);
}

static void test_without_memory_it_says_so(void **state)
{
    (void)state;
    uint64_t identity = 0;
    struct fixture_host *host = fixture_host();
    host->fail_after = 3;
    assert_int_equal(machine_identity(&host->host, &identity), PAGODA_ERR_NOMEM);
    fixture_host();
}

/* The second number of an image is its rules, its layout number and the size of the state. */
static void test_other_images_are_not_read(void **state)
{
    (void)state;
    struct machine *machine = fixture_machine("classic", 0), *loaded;
    size_t capacity = machine_save(machine, NULL, 0);
    uint8_t *image = malloc(capacity);
    size_t nr_bytes = machine_save(machine, image, capacity);
    machine_destroy(machine);
    assert_int_equal(machine_load(image, nr_bytes, &fixture_host()->host, &loaded), PAGODA_OK);
    machine_destroy(loaded);
    for (size_t byte = 8; byte < 16; byte++) {
        image[byte] ^= 1;
        assert_int_equal(machine_load(image, nr_bytes, &fixture_host()->host, &loaded), PAGODA_ERR_VERSION);
        image[byte] ^= 1;
    }
    free(image);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_identity_is_the_same_each_time),
        cmocka_unit_test(test_without_memory_it_says_so),
        cmocka_unit_test(test_other_images_are_not_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
