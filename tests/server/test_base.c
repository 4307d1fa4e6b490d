/* tests/server/test_base.c - server/base: problems, numbers, options, what the host gives. */
#include "server/base/clock.h"
#include "server/base/hash.h"
#include "server/base/number.h"
#include "server/base/options.h"
#include "server/base/problem.h"
#include "server/base/random.h"
#include "tests/lib/failing_host.h"
#include "tests/lib/fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* ---- problems ---- */

static void the_first_cause_wins(void **state)
{
    (void)state;
    struct problem why = { 0 };
    problem_say(&why, "size", "%s is %d", "size", -1);
    problem_say(&why, "order", "out of range");
    assert_int_equal(problem_refuse(&why, "cpu", "there is no such CPU"), PAGODA_ERR_INVALID);
    assert_int_equal(problem_refuse_at(&why, 7, "gfp", "not a GFP flag"), PAGODA_ERR_INVALID);
    assert_string_equal(why.field, "size");
    assert_string_equal(why.text, "size is -1");
    assert_int_equal(why.offset, 0);
}

static void a_refusal_is_not_overwritten(void **state)
{
    (void)state;
    struct problem why = { 0 };
    assert_int_equal(problem_refuse_at(&why, 7, "gfp", "not a GFP flag"), PAGODA_ERR_INVALID);
    assert_int_equal(problem_refuse(&why, "cpu", "there is no such CPU"), PAGODA_ERR_INVALID);
    problem_say(&why, "order", "out of range");
    assert_string_equal(why.field, "gfp");
    assert_string_equal(why.text, "not a GFP flag");
    assert_int_equal(why.offset, 7);
}

static void texts_are_cut_to_fit(void **state)
{
    (void)state;
    char longer[400];
    memset(longer, 'x', sizeof longer - 1);
    longer[sizeof longer - 1] = '\0';
    struct problem said = { 0 }, refused = { 0 };
    problem_say(&said, longer, "%s", longer);
    (void)problem_refuse(&refused, longer, longer);
    assert_int_equal(strlen(said.field), sizeof said.field - 1);
    assert_int_equal(strlen(said.text), sizeof said.text - 1);
    assert_string_equal(said.field, refused.field);
    assert_string_equal(said.text, refused.text);
}

static void a_problem_becomes_problem_details(void **state)
{
    (void)state;
    struct buffer out = { 0 };
    problem_encode(&out, 422, "size is \"x\"", "/api/v1/labs", "size");
    assert_string_equal(buffer_terminate(&out),
                        "{\"type\":\"about:blank\",\"title\":\"Unprocessable Content\",\"status\":422,"
                        "\"detail\":\"size is \\\"x\\\"\",\"instance\":\"/api/v1/labs\","
                        "\"errors\":[{\"pointer\":\"/size\",\"detail\":\"size is \\\"x\\\"\"}]}");
    out.length = 0;
    problem_encode(&out, 503, "busy", NULL, "");
    assert_string_equal(buffer_terminate(&out),
                        "{\"type\":\"about:blank\",\"title\":\"Service Unavailable\",\"status\":503,\"detail\":\"busy\"}");
    buffer_clear(&out);
}

static void every_error_has_a_status_and_a_text(void **state)
{
    (void)state;
#define X(name, text)                                                                                                      \
    assert_string_not_equal(status_title(error_status(name)), "Error");                                                    \
    assert_string_equal(pagoda_error_text(name), text);
    PAGODA_ERROR_MAP(X)
#undef X
    assert_int_equal(error_status(PAGODA_OK), 200);
    assert_int_equal(error_status(PAGODA_ERR_NOMEM), 503);
    assert_int_equal(error_status(PAGODA_ERR_FULL), 507);
    assert_string_equal(status_title(299), "Error");
}

/* ---- numbers ---- */

#define BAD UINT64_MAX

static void numbers_are_whole_texts(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        uint64_t number, hex, size, address; /* BAD: it is none */
    } CASES[] = {
        { "0", 0, 0, 0, BAD },
        { "4096", 4096, 0x4096, 4096, BAD },
        { "64K", BAD, BAD, 65536, BAD },
        { "2g", BAD, BAD, UINT64_C(2) << 30, BAD },
        { "0x1F", BAD, 0x1f, 0x1f, 0x1f },
        { "0X1f", BAD, 0x1f, 0x1f, 0x1f },
        { "1f", BAD, 0x1f, BAD, BAD },
        { "", BAD, BAD, BAD, BAD },
        { "0x", BAD, BAD, BAD, BAD },
        { "K", BAD, BAD, BAD, BAD },
        { "-1", BAD, BAD, BAD, BAD },
        { " 1", BAD, BAD, BAD, BAD },
        { "1 ", BAD, BAD, BAD, BAD },
        { "0xffff888000000000", BAD, 0xffff888000000000, BAD, 0xffff888000000000 },
        { "0x0ffff888000000000", BAD, 0xffff888000000000, BAD, BAD },
        { "9007199254740991", 9007199254740991, 0x9007199254740991, 9007199254740991, BAD },
        { "9007199254740992", 9007199254740992, 0x9007199254740992, BAD, BAD },
        { "8191T", BAD, BAD, UINT64_C(8191) << 40, BAD },
        { "8192T", BAD, BAD, BAD, BAD },
        { "18446744073709551616", BAD, BAD, BAD, BAD },
    };
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        const char *text = CASES[i].text;
        size_t length = strlen(text);
        uint64_t value;
        assert_int_equal(number_parse(text, length, &value) ? value : BAD, CASES[i].number);
        assert_int_equal(number_parse_hex(text, length, &value) ? value : BAD, CASES[i].hex);
        assert_int_equal(size_parse(text, length, &value) ? value : BAD, CASES[i].size);
        assert_int_equal(address_parse(text, length, &value) ? value : BAD, CASES[i].address);
    }
}

static void scanners_stop_behind_the_number(void **state)
{
    (void)state;
    static const char TEXT[] = "123abc,";
    uint64_t value;
    assert_ptr_equal(number_scan_decimal(TEXT, TEXT + 7, &value), TEXT + 3);
    assert_int_equal(value, 123);
    assert_ptr_equal(number_scan_hex(TEXT, TEXT + 7, &value), TEXT + 6);
    assert_int_equal(value, 0x123abc);
    assert_null(number_scan_decimal(TEXT + 3, TEXT + 7, &value));
    assert_null(number_scan_decimal(TEXT, TEXT, &value));
    for (int letter = 0; letter < 256; letter++) {
        const char *digits = "0123456789abcdefABCDEF", *at = letter ? strchr(digits, letter) : NULL;
        unsigned want = !at ? 16 : at - digits < 16 ? (unsigned)(at - digits) : (unsigned)(at - digits) - 6;
        assert_int_equal(number_digit((char)letter), want);
    }
}

/* ---- the host ---- */

static void clocks_say_what_time_it_is(void **state)
{
    (void)state;
    uint64_t before = clock_ns();
    assert_true(clock_ns() >= before);
    assert_true(clock_s() >= (double)before / 1e9);
}

static void random_numbers_are_given_or_refused(void **state)
{
    (void)state;
    unsigned char bytes[600] = { 0 }, zeroes[600] = { 0 };
    assert_true(random_fill(bytes, sizeof bytes));
    assert_memory_not_equal(bytes, zeroes, sizeof bytes);
    failing_host_refuse_random(true);
    assert_false(random_fill(bytes, sizeof bytes));
    failing_host_refuse_random(false);
    assert_true(random_fill(bytes, 0));
}

static void hashes_go_on(void **state)
{
    (void)state;
    assert_int_equal(hash64_bytes(HASH_START, "a", 1), UINT64_C(0xaf63dc4c8601ec8c)); /* FNV's own test vector */
    assert_int_equal(hash64_bytes(hash64_bytes(HASH_START, "foo", 3), "bar", 3), hash64_bytes(HASH_START, "foobar", 6));
}

/* ---- options ---- */

static void clear_variables(void)
{
    unsetenv("PAGODA_SAVE_STATE");
    unsetenv("PAGODA_SAVE-STATE");
    unsetenv("PAGODA_CPUS");
}

static void a_dash_is_an_underscore_in_a_variable(void **state)
{
    (void)state;
    struct options options;
    char file[] = "trace";
    char *argv[] = { file };
    clear_variables();
    setenv("PAGODA_SAVE_STATE", "end.state", 1);
    setenv("PAGODA_CPUS", "2", 1);
    assert_true(options_read(&options, "replay", 1, argv));
    assert_string_equal(options.save_state, "end.state");
    assert_string_equal(options.cpus, "2");
    clear_variables();
}

static void the_old_spelling_still_works(void **state)
{
    (void)state;
    struct options options;
    char file[] = "trace", flag[] = "--save-state=line.state";
    char *argv[] = { file, flag };
    clear_variables();
    setenv("PAGODA_SAVE-STATE", "old.state", 1);
    assert_true(options_read(&options, "replay", 1, argv));
    assert_string_equal(options.save_state, "old.state");
    setenv("PAGODA_SAVE_STATE", "new.state", 1);
    assert_true(options_read(&options, "replay", 1, argv));
    assert_string_equal(options.save_state, "new.state");
    assert_true(options_read(&options, "replay", 2, argv)); /* the command line wins over both */
    assert_string_equal(options.save_state, "line.state");
    clear_variables();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_cause_wins),
        cmocka_unit_test(a_refusal_is_not_overwritten),
        cmocka_unit_test(texts_are_cut_to_fit),
        cmocka_unit_test(a_problem_becomes_problem_details),
        cmocka_unit_test(every_error_has_a_status_and_a_text),
        cmocka_unit_test(numbers_are_whole_texts),
        cmocka_unit_test(scanners_stop_behind_the_number),
        cmocka_unit_test(clocks_say_what_time_it_is),
        cmocka_unit_test(random_numbers_are_given_or_refused),
        cmocka_unit_test(hashes_go_on),
        cmocka_unit_test(a_dash_is_an_underscore_in_a_variable),
        cmocka_unit_test(the_old_spelling_still_works),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
