/* Interned texts: each is found again while the table grows, and nothing else is. */
#include "alloc/base/label.h"

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

static struct labels labels;

static int open_labels(void **state)
{
    (void)state;
    labels_shape(&labels);
    for (int i = 0; i < 2; i++) {
        struct pool *pool = i ? &labels.buckets : &labels.pool;
        pool->items = mmap(NULL, SPAN, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        pool->committed = NR_TEXTS + 1;
    }
    return labels.pool.items == MAP_FAILED || labels.buckets.items == MAP_FAILED;
}

static int close_labels(void **state)
{
    (void)state;
    return munmap(labels.pool.items, SPAN) || munmap(labels.buckets.items, SPAN);
}

static struct text text_of(char *buffer, size_t size, const char *format, unsigned number)
{
    return (struct text){ buffer, (uint32_t)snprintf(buffer, size, format, number) };
}

static void test_every_text_is_found_while_the_table_grows(void **state)
{
    (void)state;
    char buffer[LABEL_MAX + 1];
    for (unsigned i = 0; i < NR_TEXTS; i++) {
        struct text text = text_of(buffer, sizeof buffer, "name-%u", i);
        assert_int_equal(label_find(&labels, text), 0);
        assert_int_equal(label_intern(&labels, text), i + 1);
        assert_int_equal(label_intern(&labels, text), i + 1);
        unsigned earlier = i / 3;
        assert_int_equal(label_find(&labels, text_of(buffer, sizeof buffer, "name-%u", earlier)), earlier + 1);
    }
    for (unsigned i = 0; i < NR_TEXTS; i++)
        assert_int_equal(label_find(&labels, text_of(buffer, sizeof buffer, "name-%u", i)), i + 1);
}

/* A search looks at few texts: without the splits a chain would have a thousand. */
static void test_chains_stay_short(void **state)
{
    (void)state;
    char buffer[LABEL_MAX + 1];
    for (unsigned i = 0; i < NR_TEXTS; i++)
        label_intern(&labels, text_of(buffer, sizeof buffer, "kmem_cache_%08x", i * 16));
    unsigned longest = 0;
    for (unsigned bucket = 1; bucket < labels.buckets.nr_used; bucket++) {
        unsigned length = 0;
        for (uint32_t at = *(uint32_t *)pool_at(&labels.buckets, bucket); at; at = label_at(&labels, at)->link)
            length++;
        longest = length > longest ? length : longest;
    }
    assert_in_range(longest, 1, 16);
}

static void test_texts_are_compared_whole(void **state)
{
    (void)state;
    char longest[LABEL_MAX + 2];
    memset(longest, 'x', sizeof longest);
    uint32_t whole = label_intern(&labels, (struct text){ longest, LABEL_MAX });
    uint32_t shorter = label_intern(&labels, (struct text){ longest, LABEL_MAX - 1 });
    assert_true(whole && shorter && whole != shorter);
    assert_int_equal(strlen(label_text(&labels, whole)), LABEL_MAX);
    assert_int_equal(label_intern(&labels, (struct text){ longest, LABEL_MAX + 1 }), 0);
    assert_int_equal(label_intern(&labels, (struct text){ longest, 0 }), 0);
    assert_int_equal(label_find(&labels, (struct text){ longest, 8 }), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_every_text_is_found_while_the_table_grows, open_labels, close_labels),
        cmocka_unit_test_setup_teardown(test_chains_stay_short, open_labels, close_labels),
        cmocka_unit_test_setup_teardown(test_texts_are_compared_whole, open_labels, close_labels),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
