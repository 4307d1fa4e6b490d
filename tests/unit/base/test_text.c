/* The small printf against the real one: the same format, the same bytes and the same length, whole and cut. */
#include "alloc/base/text.h"
#include "alloc/base/trace.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <setjmp.h>
#include <cmocka.h>

/* Both write at every capacity; each must be equal, what lies behind the text included. */
#define check_equal(...)                                                                                                   \
    do {                                                                                                                   \
        for (size_t capacity = 0; capacity < 80; capacity++) {                                                             \
            char ours[128], theirs[128];                                                                                   \
            memset(ours, 'x', sizeof ours);                                                                                \
            memset(theirs, 'x', sizeof theirs);                                                                            \
            size_t length = text_print(ours, capacity, __VA_ARGS__);                                                       \
            assert_int_equal(length, snprintf(theirs, capacity, __VA_ARGS__));                                             \
            assert_memory_equal(ours, theirs, sizeof ours);                                                                \
        }                                                                                                                  \
    } while (0)

static void test_verbs(void **state)
{
    (void)state;
    check_equal("plain");
    check_equal("100%% of %s", "it");
    check_equal("%s%s%s", "", "a", "bc");
    check_equal("<%8s> <%-8s> <%.3s> <%8.2s>", "four", "four", "four", "four");
    check_equal("<%.*s>", 2, "four");
    check_equal("<%*s> <%-*s>", 6, "four", 6, "four");
    check_equal("%c%c%3c", 'a', '\n', 'b');
    check_equal("%u %5u %-5u| %05u", 0u, 42u, 42u, 42u);
    check_equal("%u %x %08x", UINT32_MAX, UINT32_MAX, 0xcc0u);
    check_equal("%ju %jx %016jx", UINT64_MAX, UINT64_MAX, UINT64_C(0xffff888000001000));
    check_equal("%0*jx", 8, UINT64_C(0xc0001000));
    check_equal("%zu", (size_t)-1);
    check_equal("%d %d %d %6d", 0, -1, INT32_MIN, -42);
    check_equal("%jd %jd", INT64_MIN, INT64_MAX);
}

static void test_random_numbers(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < 200; i++) {
        uint64_t number = (uint64_t)rand() << 33 ^ (uint64_t)rand() << 11 ^ (uint64_t)rand();
        number >>= i % 64;
        check_equal("%ju|%jx|%*ju|%0*jx|%d", number, number, (int)(i % 24), number, (int)(i % 20), number, (int)number);
    }
}

static void test_text_grows(void **state)
{
    (void)state;
    char bytes[8];
    struct text_out out = { .start = bytes, .capacity = sizeof bytes };
    text_add(&out, "%s", "abc");
    assert_string_equal(bytes, "abc");
    text_add(&out, "%u", 12345u);
    assert_string_equal(bytes, "abc1234");
    assert_int_equal(out.length, 8);
    text_add(&out, "more");
    assert_string_equal(bytes, "abc1234");
    assert_int_equal(out.length, 12);
}

static void test_message_is_cut(void **state)
{
    (void)state;
    struct trace *trace = calloc(1, sizeof *trace);
    assert_non_null(trace);
    for (uint32_t i = 0; i < MESSAGE_MAX; i++)
        trace_print(trace, "%02x", i & 255);
    assert_int_equal(trace->message_length, MESSAGE_MAX - 1);
    assert_int_equal(strlen(trace->message), MESSAGE_MAX - 1);
    assert_memory_equal(trace->message, "00010203", 8);
    trace_bug(trace, "%s", "too late");
    assert_int_equal(trace->outcome, OUTCOME_BUG);
    assert_int_equal(trace->message_length, MESSAGE_MAX - 1);
    free(trace);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_verbs),
        cmocka_unit_test(test_random_numbers),
        cmocka_unit_test(test_text_grows),
        cmocka_unit_test(test_message_is_cut),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
