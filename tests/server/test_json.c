/* tests/server/test_json.c - server/json: operations out of JSON when the host has no memory left. */
#include "server/base/problem.h"
#include "server/json/json_value.h"
#include "server/json/op_json.h"
#include "tests/lib/failing_host.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static const char WRITE[] = "{\"op\":\"write\",\"address\":\"0xffff888000000000\",\"hex\":\"00ff10\"}";

static void bytes_that_find_no_room_are_not_the_clients_fault(void **state)
{
    (void)state;
    struct op_request request;
    struct problem why = { 0 };
    failing_host_fail_allocation(1);
    unsigned status = op_decode(WRITE, sizeof WRITE - 1, &request, &why);
    assert_true(failing_host_has_failed());
    failing_host_fail_allocation(0);
    assert_int_equal(status, 503);
    assert_string_equal(why.text, "host is out of memory");
    assert_null(request.root);
    assert_null(request.data);
    assert_int_equal(op_decode(WRITE, sizeof WRITE - 1, &request, &(struct problem){ 0 }), 0);
    assert_int_equal(request.op.nr_data, 3);
    assert_memory_equal(request.op.data, "\x00\xff\x10", 3);
    op_request_clear(&request);
}

static void *no_room(size_t nr_bytes)
{
    (void)nr_bytes;
    return NULL;
}

static void a_tree_that_finds_no_room_is_not_the_clients_fault(void **state)
{
    (void)state;
    struct problem why = { 0 };
    json_t *root;
    json_malloc_t give;
    json_free_t take;
    json_get_alloc_funcs(&give, &take);
    json_set_alloc_funcs(no_room, take);
    unsigned status = json_decode(WRITE, sizeof WRITE - 1, &root, &why);
    json_set_alloc_funcs(give, take);
    assert_int_equal(status, 503);
    assert_string_equal(why.text, "host is out of memory");
    assert_null(root);
}

static void what_is_wrong_has_its_own_status(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        unsigned status;
        const char *field, *why;
    } CASES[] = {
        { "{", 400, "", NULL },
        { "[]", 422, "", "a JSON object is expected" },
        { "{\"op\":1e999}", 422, "", NULL },
        { "{}", 422, "op", "op is missing" },
        { "{\"op\":5}", 422, "op", "op must be a text" },
        { "{\"op\":\"x\"}", 422, "op", "there is no operation \"x\"" },
        { "{\"op\":\"kmalloc\",\"size\":-1}", 422, "size", "size must be between 0 and 9007199254740991" },
        { "{\"op\":\"kmalloc\",\"size\":1.5}", 422, "size", "size must be a whole number" },
        { "{\"op\":\"kmalloc\",\"size\":\"x\"}", 422, "size",
          "size must be a whole number of bytes, such as 4096, \"64K\" or \"256M\"" },
        { "{\"op\":\"write\",\"address\":\"0x1\",\"hex\":\"0\"}", 422, "hex", "hex must have two digits for each byte" },
        { "{\"op\":\"write\",\"address\":\"0x1\",\"hex\":\"0g\"}", 422, "hex",
          "hex has something else than a hexadecimal digit at character 1" },
    };
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        struct op_request request;
        struct problem why = { 0 };
        assert_int_equal(op_decode(CASES[i].text, strlen(CASES[i].text), &request, &why), CASES[i].status);
        assert_string_equal(why.field, CASES[i].field);
        assert_true(why.text[0]);
        if (CASES[i].why)
            assert_string_equal(why.text, CASES[i].why);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bytes_that_find_no_room_are_not_the_clients_fault),
        cmocka_unit_test(a_tree_that_finds_no_room_is_not_the_clients_fault),
        cmocka_unit_test(what_is_wrong_has_its_own_status),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
