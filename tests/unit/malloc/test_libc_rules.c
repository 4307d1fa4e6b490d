/* The rows of C libraries: what the fields of one row have to do with each other, and the numbers of bins against glibc's
 * own words. */
#include "alloc/malloc/malloc_bins.h"
#include "alloc/malloc/malloc_tcache.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define SIZE_MAX_TESTED (UINT64_C(2) << 20)

/* The fields of struct malloc_state follow one another, and it has no more bytes than they need. */
static void test_arena_layout(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < NR_LIBC_ROWS; i++) {
        const struct libc_rules *r = &LIBC_RULES[i];
        const uint32_t at[] = { r->at_flags,          r->at_have_fast,  r->at_fast,           r->at_top,
                                r->at_last_remainder, r->at_bins,       r->at_binmap,         r->at_next,
                                r->at_next_free,      r->at_system_mem, r->at_max_system_mem, r->arena_bytes };
        for (size_t j = 1; j < sizeof at / sizeof at[0]; j++)
            assert_true(at[j - 1] < at[j]);
        assert_int_equal(r->at_top - r->at_fast, r->nr_fast * r->word);
        assert_int_equal(r->at_binmap - r->at_bins, (NR_BINS - 1) * 2 * r->word);
        assert_int_equal(1u << r->word_shift, r->word);
    }
}

/* Every size has a bin, no smaller than that of the size before. Small bins hold one size each. */
static void test_bins_rise_with_sizes(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < NR_LIBC_ROWS; i++) {
        const struct libc_rules *r = &LIBC_RULES[i];
        uint32_t last = 1;
        for (uint64_t size = r->min_chunk; size < SIZE_MAX_TESTED; size += CHUNK_ALIGN) {
            uint32_t bin = bin_index(r, size);
            assert_true(bin >= last && bin < NR_BINS - 1);
            assert_true(bin > last || !bin_is_small(r, size));
            last = bin;
        }
        assert_int_equal(last, 126);
        assert_int_equal(bin_index(r, r->min_large), 64);
    }
}

/* A chunk holds the request and one word, and is the smallest one that does. */
static void test_chunk_sizes(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < NR_LIBC_ROWS; i++) {
        const struct libc_rules *r = &LIBC_RULES[i];
        for (uint64_t request = 0; request < 5000; request++) {
            uint64_t size = chunk_size_for(r, request);
            assert_true(size % CHUNK_ALIGN == 0 && size - r->word >= request);
            assert_true(size == r->min_chunk || size - CHUNK_ALIGN - r->word < request);
        }
        assert_int_equal(chunk_size_for(r, r->ptrdiff_max + 1), 0);
    }
}

/* The cache's block holds a counter of two bytes and a head for each bin; fastbins end where their sizes do. */
static void test_caches(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < NR_LIBC_ROWS; i++) {
        const struct libc_rules *r = &LIBC_RULES[i];
        assert_int_equal(r->at_tcache_entries - r->at_tcache_counts, 2 * r->nr_tcache_bins);
        assert_int_equal(r->tcache_bytes, r->at_tcache_entries + r->nr_tcache_bins * r->word);
        assert_int_equal(tcache_index(r, r->min_chunk), 0);
        assert_true(r->max_fast <= chunk_size_for(r, r->max_mxfast));
        assert_int_equal(fastbin_index(r, chunk_size_for(r, r->max_mxfast)), r->nr_fast - 1);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_arena_layout),
        cmocka_unit_test(test_bins_rise_with_sizes),
        cmocka_unit_test(test_chunk_sizes),
        cmocka_unit_test(test_caches),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
