/* Operations read without a JSON library are those that the library reads, and what only it can read is still read: each
 * text is decoded twice, the second time with an escape in it, which only the library takes. */
#include "server/json/op_json.h"
#include "server/json/op_plain.h"
#include "server/base/problem.h"
#include "tests/store/store_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

struct outcome_of {
    unsigned status;
    struct problem why;
    struct buffer fields;
};

static struct outcome_of decode(const char *text, size_t length)
{
    struct outcome_of out = { 0 };
    struct op_request request;
    out.status = op_decode(text, length, &request, &out.why);
    if (out.status)
        return out;
    put_open(&out.fields, '{');
    op_encode_fields(&out.fields, &request.op);
    put_close(&out.fields, '}');
    op_request_clear(&request);
    return out;
}

/* rest: what follows {"op" in the text. Columns in messages differ, since an escape is longer. */
static void assert_both_agree(const char *rest)
{
    char plain[1024], escaped[1024];
    int plain_length = snprintf(plain, sizeof plain, "{\"op\"%s", rest);
    int escaped_length = snprintf(escaped, sizeof escaped, "{\"\\u006fp\"%s", rest);
    struct outcome_of a = decode(plain, (size_t)plain_length), b = decode(escaped, (size_t)escaped_length);
    if (a.status != b.status || (!strstr(a.why.text, "column") && strcmp(a.why.text, b.why.text) != 0) ||
        strcmp(a.why.field, b.why.field) != 0 || a.fields.length != b.fields.length ||
        (a.fields.length && memcmp(a.fields.data, b.fields.data, a.fields.length) != 0))
        fail_msg("%s\n%u %s %.*s\n%u %s %.*s", plain, a.status, a.why.text, (int)a.fields.length, a.fields.data, b.status,
                 b.why.text, (int)b.fields.length, b.fields.data);
    buffer_clear(&a.fields);
    buffer_clear(&b.fields);
}

static const char *const VALUES[] = {
    "0",
    "1",
    "64",
    "4096",
    "255",
    "256",
    "007",
    "-1",
    "1.5",
    "1e3",
    "true",
    "null",
    "\"64K\"",
    "\"0x1000\"",
    "\"0X1F\"",
    "\"4096 \"",
    "\"\"",
    "\"x\"",
    "\"a b\"",
    "\"\\n\"",
    "\"\xc3\xa9\"",
    "\"\x7f\"",
    "\"GFP_KERNEL\"",
    "\"GFP_ATOMIC | __GFP_ZERO\"",
    "\"GFP_\"",
    "\"hardirq\"",
    "\"all\"",
    "\"rw-\"",
    "\"MADV_FREE\"",
    "\"RLIMIT_AS\"",
    "\"SLAB_POISON\"",
    "\"00ff\"",
    "\"0xffff888000001000\"",
    "9007199254740991",
    "9007199254740992",
    "999999999999999",
    "18446744073709551616",
    "[]",
    "{}",
    "\"0123456789012345678901234567890123456789012345678901234567890123456789\"",
};
#define NR_VALUES (sizeof VALUES / sizeof VALUES[0])

static const char *random_value(struct fixture_random *random)
{
    return VALUES[fixture_random_below(random, NR_VALUES)];
}

static void test_random_operations(void **state)
{
    (void)state;
    struct fixture_random random = { fixture_seed() };
    for (int i = 0; i < 30000; i++) {
        static const char *const BLANKS[] = { "", "", "", " ", "\t", " \r\n " };
        const struct op_info *info = op_info((enum op_kind)fixture_random_below(&random, NR_OPS));
        const char *blank = BLANKS[fixture_random_below(&random, 6)];
        char text[900];
        int length = snprintf(text, sizeof text, "%s:%s\"%s\"", blank, blank, info->name);
        for (unsigned id = 0; id < NR_OP_PARAMS; id++) {
            bool is_needed = info->needed >> id & 1, is_taken = info->further >> id & 1;
            uint64_t in_thousand = is_needed ? 950 : is_taken ? 300 : 2;
            if (fixture_random_below(&random, 1000) < in_thousand)
                length += snprintf(text + length, sizeof text - (size_t)length, "%s,%s\"%s\":%s%s", blank, blank,
                                   op_param_info((enum op_param_id)id)->name, blank, random_value(&random));
        }
        snprintf(text + length, sizeof text - (size_t)length, "%s}%s", blank, blank);
        assert_both_agree(text);
    }
}

static void test_odd_texts(void **state)
{
    (void)state;
    static const char *const RESTS[] = {
        ":\"kmalloc\",\"size\":64,\"size\":65}",
        ":\"kmalloc\",\"op\":\"kfree\"}",
        ":\"kmalloc\",\"size\":64}x",
        ":\"kmalloc\",\"size\":64,}",
        ":\"kmalloc\",\"size\":64",
        ":\"kmalloc\" \"size\":64}",
        ":\"kmallox\",\"size\":64}",
        ":1,\"size\":64}",
        ":\"kmalloc\",\"sizes\":64}",
        ":\"kmalloc\",\"size\":64]",
        ":\"kmalloc\",,\"size\":64}",
        ":\"kmalloc\",\"size\":6 4}",
        ":\"kmalloc\",\"size\":+64}",
        ":\"kmalloc\",\"\":64}",
        "}",
        "",
    };
    for (size_t i = 0; i < sizeof RESTS / sizeof RESTS[0]; i++)
        assert_both_agree(RESTS[i]);
}

/* The common lines of imports are read here, or this would be for nothing. */
static void test_what_is_plain(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool is_plain;
    } CASES[] = {
        { "{\"op\":\"kmalloc\",\"size\":64,\"gfp\":\"GFP_KERNEL|__GFP_ZERO\",\"call_site\":\"f+0x4\",\"cpu\":1}", true },
        { "{\"op\": \"kfree\", \"address\": \"0xffff888000001000\"}\r", true },
        { "{\"op\":\"malloc\",\"pid\":1,\"size\":\"4K\",\"name\":\"a\"}", true },
        { "{\"size\":64,\"op\":\"kmalloc\"}", false },
        { "{\"op\":\"kmalloc\",\"size\":1e2}", false },
        { "{\"op\":\"kmalloc\"}", false },
    };
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        struct op op;
        assert_int_equal(op_read_plain(CASES[i].text, strlen(CASES[i].text), &op), CASES[i].is_plain);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_random_operations),
        cmocka_unit_test(test_odd_texts),
        cmocka_unit_test(test_what_is_plain),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
