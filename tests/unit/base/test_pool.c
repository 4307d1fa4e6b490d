/* Pools: items are taken, given back and taken again; what the host is asked for as a pool grows; how control leaves the
 * engine when it cannot go on. */
#include "alloc/base/invariant.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define HUGE_PAGE ((size_t)2 << 20)
#define ITEM 4096u

struct host {     /* notes what it is asked for; nothing is touched, so there need be no memory */
    uint8_t *end; /* of what is committed so far */
    uint32_t nr_commits, nr_huge;
    bool refuses;
    jmp_buf way_out;
    enum pagoda_fault_kind fault; /* that came last */
    char text[160];
};

static bool note_commit(void *context, void *start, size_t nr_bytes)
{
    struct host *host = context;
    if (host->refuses)
        return false;
    assert_ptr_equal(start, host->end);
    host->end = (uint8_t *)start + nr_bytes;
    host->nr_commits++;
    if ((uintptr_t)start % HUGE_PAGE == 0 && nr_bytes % HUGE_PAGE == 0)
        host->nr_huge++;
    return true;
}

static void note_decommit(void *context, void *start, size_t nr_bytes)
{
    struct host *host = context;
    assert_ptr_equal(host->end, (uint8_t *)start + nr_bytes);
    host->end = start;
}

static struct pool open_pool(struct host *host, uint32_t nr_items)
{
    struct pool pool;
    pool_shape(&pool, ITEM, nr_items);
    pool.items = (uint8_t *)(HUGE_PAGE * 1000 + 5 * ITEM); /* as it comes: not aligned */
    host->end = pool.items;
    return pool;
}

/* Small ones in small steps, since many are; a pool of more than 4 MiB by whole huge pages of the host, one ahead at most.
 */
static void test_grown_pools_grow_by_huge_pages(void **state)
{
    (void)state;
    struct host notes = { 0 };
    const struct pagoda_host host = { .commit = note_commit, .context = &notes };
    struct pool pool = open_pool(&notes, 8192);
    for (pool.nr_used = 1; pool.nr_used < 6000; pool.nr_used++) {
        assert_int_equal(pool_reserve(&pool, &host, 1), PAGODA_OK);
        assert_true(pool.committed > pool.nr_used);
        size_t ahead = (size_t)(pool.committed - pool.nr_used) * ITEM;
        bool has_grown = (size_t)pool.nr_used * ITEM > 2 * HUGE_PAGE;
        assert_true(ahead <= (has_grown ? HUGE_PAGE : HUGE_PAGE + 64 * 1024u));
        assert_ptr_equal(notes.end, pool.items + (size_t)pool.committed * ITEM);
    }
    assert_int_equal((uintptr_t)notes.end % HUGE_PAGE, 0);
    assert_in_range(notes.nr_huge, (6000 * (size_t)ITEM - 2 * HUGE_PAGE) / HUGE_PAGE - 1, 11);
    assert_int_equal(pool_reserve(&pool, &host, 8192), PAGODA_OK); /* up to its capacity, not beyond its span */
    assert_true(pool.committed == 8192 && notes.end <= pool.items + pool_span(&pool));
}

/* A table is committed whole at its creation, and may be used here and there: no huge pages. */
static void test_tables_are_one_commit(void **state)
{
    (void)state;
    struct host notes = { 0 };
    const struct pagoda_host host = { .commit = note_commit, .context = &notes };
    struct pool pool = open_pool(&notes, 8192);
    assert_int_equal(pool_reserve(&pool, &host, 8192), PAGODA_OK);
    assert_int_equal(pool.committed, 8192);
    assert_int_equal(notes.nr_commits, 1);
    assert_int_equal(notes.nr_huge, 0);
}

/* What was not used goes back, to the byte, and comes again. What is used, or committed whole, or large, stays. */
static void test_trimming(void **state)
{
    (void)state;
    struct host notes = { 0 };
    const struct pagoda_host host = { .commit = note_commit, .decommit = note_decommit, .context = &notes };
    for (uint32_t item = 48; item < 20000; item = item * 3 + 8) {
        struct pool pool;
        pool_shape(&pool, item, 5000);
        pool.items = notes.end = (uint8_t *)(HUGE_PAGE * 1000);
        for (uint32_t nr = 1; nr < 40; nr += 3) {
            assert_int_equal(pool_reserve(&pool, &host, 100), PAGODA_OK);
            assert_true(pool.committed >= pool.nr_used + 100);
            pool.nr_used = nr;
            pool_trim(&pool, &host);
            assert_true(pool.committed >= nr && notes.end >= pool.items + nr * item);
            assert_true(notes.end < pool.items + nr * item + ITEM);
        }
    }
    struct pool pool = open_pool(&notes, 64);
    assert_int_equal(pool_reserve(&pool, &host, 64), PAGODA_OK);
    pool_trim(&pool, &host);
    assert_int_equal(pool.committed, 64);
}

static void test_refused_growth_changes_nothing(void **state)
{
    (void)state;
    struct host notes = { 0 };
    const struct pagoda_host host = { .commit = note_commit, .context = &notes };
    struct pool pool = open_pool(&notes, 8192);
    assert_int_equal(pool_reserve(&pool, &host, 2000), PAGODA_OK);
    pool.nr_used = pool.committed;
    struct pool before = pool;
    notes.refuses = true;
    assert_int_equal(pool_reserve(&pool, &host, 1), PAGODA_ERR_NOMEM);
    assert_memory_equal(&pool, &before, sizeof pool);
}

static void test_given_back_is_taken_first_and_zeroed(void **state)
{
    (void)state;
    static uint64_t items[8];
    struct pool pool;
    pool_shape(&pool, sizeof items[0], 7);
    pool.items = (uint8_t *)items;
    pool.committed = 7;
    uint32_t a = pool_take(&pool), b = pool_take(&pool);
    items[a] = items[b] = UINT64_MAX;
    pool_give(&pool, a);
    pool_give(&pool, b);
    assert_int_equal(pool_nr_live(&pool), 0);
    assert_int_equal(pool_take(&pool), b);
    assert_int_equal(pool_take(&pool), a);
    assert_true(items[a] == 0 && items[b] == 0);
    for (uint32_t i = 0; i < 4; i++)
        assert_int_not_equal(pool_take(&pool), 0);
    assert_int_equal(pool_take(&pool), 0);
}

static void note_fault(void *context, const struct pagoda_fault *fault)
{
    struct host *host = context;
    host->fault = fault->kind;
    strncpy(host->text, fault->text, sizeof host->text - 1);
    longjmp(host->way_out, 1);
}

/* A pool with nothing committed, in the middle of an operation. */
static void test_empty_pool_grows_there_and_then(void **state)
{
    (void)state;
    struct host notes = { 0 };
    const struct pagoda_host host = { .commit = note_commit, .context = &notes, .fault = note_fault };
    struct pool_source source = { .host = &host, .name = "things" };
    struct pool pool = open_pool(&notes, 40);
    pool.source = &source;
    for (uint32_t i = 1; i < 40; i++)
        assert_int_equal(pool_take(&pool), i);
    assert_int_equal(pool_take(&pool), 0); /* its capacity: the simulated machine's affair */
}

static void test_refusal_leaves_by_the_hook(void **state)
{
    (void)state;
    struct host notes = { .refuses = true };
    const struct pagoda_host host = { .commit = note_commit, .context = &notes, .fault = note_fault };
    struct pool_source source = { .host = &host, .name = "things" };
    struct pool pool = open_pool(&notes, 40);
    pool.source = &source;
    if (!setjmp(notes.way_out)) {
        (void)pool_take(&pool);
        fail();
    }
    assert_int_equal(notes.fault, PAGODA_FAULT_HOST_MEMORY);
    assert_non_null(strstr(notes.text, "things"));
}

static void test_broken_invariant_leaves_by_the_hook(void **state)
{
    (void)state;
    struct host notes = { 0 };
    const struct pagoda_host host = { .commit = note_commit, .context = &notes, .fault = note_fault };
    struct pool_source source = { .host = &host, .name = "things" };
    struct pool pool = open_pool(&notes, 40);
    pool.source = &source;
    INVARIANT(&pool, pool.capacity == 40);
    if (!setjmp(notes.way_out)) {
        pool_give(&pool, 0);
        fail();
    }
    assert_int_equal(notes.fault, PAGODA_FAULT_INVARIANT);
    assert_non_null(strstr(notes.text, "index > 0"));
}

#ifdef PAGODA_CHECKED
static void test_more_than_was_reserved_is_reported(void **state)
{
    (void)state;
    struct host notes = { 0 };
    const struct pagoda_host host = { .commit = note_commit, .context = &notes, .fault = note_fault };
    struct pool_source source = { .host = &host, .name = "things" };
    struct pool pool = open_pool(&notes, 40);
    pool.source = &source;
    if (!setjmp(notes.way_out)) {
        (void)pool_take(&pool);
        pool_count_begin(&pool, "malloc");
        assert_int_equal(pool_reserve(&pool, &host, 2), PAGODA_OK);
        assert_int_equal(pool_take(&pool), 2);
        assert_int_equal(pool_take(&pool), 3);
        (void)pool_take(&pool);
        fail();
    }
    assert_int_equal(notes.fault, PAGODA_FAULT_UNDERCOUNT);
    assert_string_equal(notes.text, "malloc took more from the pool of things than was reserved: 4 items live, 3 allowed");
}
#endif

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_grown_pools_grow_by_huge_pages),
        cmocka_unit_test(test_tables_are_one_commit),
        cmocka_unit_test(test_trimming),
        cmocka_unit_test(test_refused_growth_changes_nothing),
        cmocka_unit_test(test_given_back_is_taken_first_and_zeroed),
        cmocka_unit_test(test_empty_pool_grows_there_and_then),
        cmocka_unit_test(test_refusal_leaves_by_the_hook),
        cmocka_unit_test(test_broken_invariant_leaves_by_the_hook),
#ifdef PAGODA_CHECKED
        cmocka_unit_test(test_more_than_was_reserved_is_reported),
#endif
    };
    return cmocka_run_group_tests_name("pool", tests, NULL, NULL);
}
