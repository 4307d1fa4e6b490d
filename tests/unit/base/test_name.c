/* Interned texts: each is found again while the table grows, and nothing else is. */
#include "alloc/base/name.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include <cmocka.h>

#define NR_TEXTS 100000u
#define SPAN (32u << 20)

static struct names names;

static int open_names(void **state)
{
    (void)state;
    names_shape(&names);
    for (int i = 0; i < 2; i++) {
        struct pool *pool = i ? &names.buckets : &names.pool;
        pool->items = mmap(NULL, SPAN, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        pool->committed = NR_TEXTS + 1;
    }
    return names.pool.items == MAP_FAILED || names.buckets.items == MAP_FAILED;
}

static int close_names(void **state)
{
    (void)state;
    return munmap(names.pool.items, SPAN) || munmap(names.buckets.items, SPAN);
}

__attribute__((format(printf, 3, 4))) static struct text text_of(char *buffer, size_t size, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int length = vsnprintf(buffer, size, format, args);
    va_end(args);
    return (struct text){ buffer, (uint32_t)length };
}

static void test_every_text_is_found_while_the_table_grows(void **state)
{
    (void)state;
    char buffer[NAME_TEXT_MAX + 1];
    for (unsigned i = 0; i < NR_TEXTS; i++) {
        struct text text = text_of(buffer, sizeof buffer, "name-%u", i);
        assert_int_equal(name_find(&names, text).index, 0);
        assert_int_equal(name_intern(&names, text).index, i + 1);
        assert_int_equal(name_intern(&names, text).index, i + 1);
        unsigned earlier = i / 3;
        assert_int_equal(name_find(&names, text_of(buffer, sizeof buffer, "name-%u", earlier)).index, earlier + 1);
    }
    for (unsigned i = 0; i < NR_TEXTS; i++)
        assert_int_equal(name_find(&names, text_of(buffer, sizeof buffer, "name-%u", i)).index, i + 1);
}

/* A search looks at few texts: without the splits a chain would have a thousand. */
static void test_chains_stay_short(void **state)
{
    (void)state;
    char buffer[NAME_TEXT_MAX + 1];
    for (unsigned i = 0; i < NR_TEXTS; i++)
        name_intern(&names, text_of(buffer, sizeof buffer, "kmem_cache_%08x", i * 16));
    unsigned longest = 0;
    for (unsigned bucket = 1; bucket < names.buckets.nr_used; bucket++) {
        unsigned length = 0;
        for (struct name_ref at = *(struct name_ref *)pool_at(&names.buckets, bucket); at.index;
             at = name_at(&names, at)->link)
            length++;
        longest = length > longest ? length : longest;
    }
    assert_in_range(longest, 1, 16);
}

static void test_texts_are_compared_whole(void **state)
{
    (void)state;
    char longest[NAME_TEXT_MAX + 2];
    memset(longest, 'x', sizeof longest);
    struct name_ref whole = name_intern(&names, (struct text){ longest, NAME_TEXT_MAX });
    struct name_ref shorter = name_intern(&names, (struct text){ longest, NAME_TEXT_MAX - 1 });
    assert_true(whole.index && shorter.index && whole.index != shorter.index);
    assert_int_equal(strlen(name_text(&names, whole)), NAME_TEXT_MAX);
    assert_int_equal(name_intern(&names, (struct text){ longest, NAME_TEXT_MAX + 1 }).index, 0);
    assert_int_equal(name_intern(&names, (struct text){ longest, 0 }).index, 0);
    assert_int_equal(name_find(&names, (struct text){ longest, 8 }).index, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_every_text_is_found_while_the_table_grows, open_names, close_names),
        cmocka_unit_test_setup_teardown(test_chains_stay_short, open_names, close_names),
        cmocka_unit_test_setup_teardown(test_texts_are_compared_whole, open_names, close_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
