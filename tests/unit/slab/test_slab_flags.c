/* Flags of kmem_cache_create(), as an operation takes them: what a cache becomes by each, and that debugging works in one
 * cache alone, without slub_debug. */
#include "alloc/slab/bucket.h"
#include "alloc/slab/slub.h"
#include "alloc/machine/machine_state.h"
#include "tests/lib/fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define MIB (UINT64_C(1) << 20)

static const struct op_result *cache_op(struct machine *m, enum op_kind kind, uint64_t size, uint32_t flags,
                                        uint64_t address)
{
    struct op op = fixture_op(kind);
    op.cache = fixture_text("mine");
    op.call_site = fixture_text("mine_init");
    op.size = size;
    op.flags = flags;
    op.address = address;
    op.given = OP_BIT(CACHE) | OP_BIT(CALL_SITE) | (size ? OP_BIT(SIZE) : 0) | (flags ? OP_BIT(FLAGS) : 0) |
               (address ? OP_BIT(ADDRESS) : 0);
    return fixture_apply(m, op);
}

static struct cache_view find(const struct machine *m)
{
    struct cache_view cache;
    for (uint64_t cursor = 0; view_next_cache(m, &cursor, &cache);)
        if (!strcmp(cache.name, "mine"))
            return cache;
    fail_msg("there is no such cache");
    return cache;
}

/* The layouts of 100 bytes under each flag, by calculate_sizes(). */
static const struct {
    uint32_t flags, size, align, free_pointer, usable;
} LAYOUTS[] = {
    { 0, 104, 8, 48, 104 },
    { SLAB_HWCACHE_ALIGN, 128, 64, 48, 128 },
    { SLAB_CACHE_DMA, 104, 8, 48, 104 },
    { SLAB_CACHE_DMA32, 104, 8, 48, 104 },
    { SLAB_RECLAIM_ACCOUNT, 104, 8, 48, 104 },
    { SLAB_ACCOUNT, 104, 8, 48, 104 },
    { SLAB_TYPESAFE_BY_RCU, 112, 8, 104, 104 },
    { SLAB_CONSISTENCY_CHECKS, 104, 8, 48, 104 },
    { SLAB_RED_ZONE, 120, 8, 48, 100 },
    { SLAB_POISON, 112, 8, 104, 100 },
    { SLAB_STORE_USER, 168, 8, 48, 104 },
    { SLAB_POISON | SLAB_RED_ZONE | SLAB_STORE_USER | SLAB_HWCACHE_ALIGN, 256, 64, 104, 100 },
};

static void layouts(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof LAYOUTS / sizeof *LAYOUTS; i++) {
        struct machine *m = fixture_machine("linux-6.1", 64 * MIB);
        assert_int_equal(cache_op(m, OP_KMEM_CACHE_CREATE, 100, LAYOUTS[i].flags, 0)->outcome, OUTCOME_OK);
        struct cache_view cache = find(m);
        assert_int_equal(cache.flags & SLAB_FLAGS_ALL, LAYOUTS[i].flags);
        assert_int_equal(cache.size, LAYOUTS[i].size);
        assert_int_equal(cache.align, LAYOUTS[i].align);
        assert_int_equal(cache.free_pointer, LAYOUTS[i].free_pointer);
        assert_int_equal(cache.usable, LAYOUTS[i].usable);
        uint64_t a = cache_op(m, OP_KMEM_CACHE_ALLOC, 0, 0, 0)->address;
        assert_int_equal(a % LAYOUTS[i].align, 0);
        assert_int_equal(cache_op(m, OP_KMEM_CACHE_FREE, 0, 0, a)->outcome, OUTCOME_OK);
        machine_destroy(m);
    }
}

/* Where the pages come from. */
static void zones_and_mobility(void **state)
{
    (void)state;
    struct machine *m = fixture_machine("linux-6.1", 64 * MIB);
    cache_op(m, OP_KMEM_CACHE_CREATE, 100, SLAB_CACHE_DMA, 0);
    uint64_t a = cache_op(m, OP_KMEM_CACHE_ALLOC, 0, 0, 0)->address;
    assert_true(a - m->profile->page_offset < 16 * MIB);
    machine_destroy(m);
    m = fixture_machine("linux-6.1", 64 * MIB);
    cache_op(m, OP_KMEM_CACHE_CREATE, 100, SLAB_RECLAIM_ACCOUNT, 0);
    a = cache_op(m, OP_KMEM_CACHE_ALLOC, 0, 0, 0)->address;
    struct frame_run block;
    uint64_t born;
    assert_true(view_frame(m, (uint32_t)((a - m->profile->page_offset) >> PAGE_SHIFT), &block, &born));
    assert_string_equal(migratetype_name(block.migratetype), "Reclaimable");
    machine_destroy(m);
}

static const struct {
    uint32_t flags;
    uint64_t from, length; /* of a write, counted from the object */
    bool is_freed;         /* before the write */
    const char *words;
} FAULTS[] = {
    { SLAB_CONSISTENCY_CHECKS | SLAB_RED_ZONE, 0, 101, false, "BUG mine (Not tainted): Right Redzone overwritten" },
    { SLAB_CONSISTENCY_CHECKS | SLAB_POISON, 5, 1, true, "BUG mine (Not tainted): Poison overwritten" },
    { SLAB_CONSISTENCY_CHECKS | SLAB_POISON | SLAB_STORE_USER, 5, 1, true, "Allocated in mine_init age=0 cpu=0 pid=0\n" },
    { SLAB_CONSISTENCY_CHECKS | SLAB_POISON | SLAB_STORE_USER, 5, 1, true, "Freed in mine_init age=0 cpu=0 pid=0\n" },
    { SLAB_CONSISTENCY_CHECKS, 48, 8, true, "BUG mine (Not tainted): Freepointer corrupt" },
};

/* Debugging of this cache alone; kmalloc's own objects may overflow unseen meanwhile. */
static void faults_are_found_in_this_cache(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof FAULTS / sizeof *FAULTS; i++) {
        struct machine *m = fixture_machine("linux-6.1", 64 * MIB);
        cache_op(m, OP_KMEM_CACHE_CREATE, 100, FAULTS[i].flags, 0);
        uint64_t a = cache_op(m, OP_KMEM_CACHE_ALLOC, 0, 0, 0)->address;
        uint64_t other = fixture_apply(m, fixture_alloc(OP_KMALLOC, 100, 0))->address;
        fixture_fill(m, FIXTURE_RANGE(other, 120), 0x11);
        assert_int_equal(fixture_apply(m, fixture_free(OP_KFREE, other))->outcome, OUTCOME_OK);
        if (FAULTS[i].is_freed)
            cache_op(m, OP_KMEM_CACHE_FREE, 0, 0, a);
        fixture_fill(m, FIXTURE_RANGE(a + FAULTS[i].from, FAULTS[i].length), 0x11);
        const struct op_result *result =
            FAULTS[i].is_freed ? cache_op(m, OP_KMEM_CACHE_ALLOC, 0, 0, 0) : cache_op(m, OP_KMEM_CACHE_FREE, 0, 0, a);
        assert_int_equal(result->outcome, OUTCOME_BUG);
        if (!strstr(result->message, FAULTS[i].words))
            fail_msg("no \"%s\" in \"%s\"", FAULTS[i].words, result->message);
        machine_destroy(m);
    }
}

/* kfree() of a watched object goes through the same checks as kmem_cache_free(). */
static void kfree_checks_too(void **state)
{
    (void)state;
    struct machine *m = fixture_machine("linux-6.1", 64 * MIB);
    cache_op(m, OP_KMEM_CACHE_CREATE, 100, SLAB_CONSISTENCY_CHECKS, 0);
    uint64_t a = cache_op(m, OP_KMEM_CACHE_ALLOC, 0, 0, 0)->address;
    const struct op_result *result = fixture_apply(m, fixture_free(OP_KFREE, a + 8));
    assert_int_equal(result->outcome, OUTCOME_BUG);
    assert_non_null(strstr(result->message, "BUG mine (Not tainted): Invalid object pointer 0x"));
    assert_int_equal(fixture_apply(m, fixture_free(OP_KFREE, a))->outcome, OUTCOME_OK);
    result = fixture_apply(m, fixture_free(OP_KFREE, a));
    assert_non_null(strstr(result->message, "Object already free"));
    machine_destroy(m);
}

/* A cache as large as a slab may get: what it fills has been reserved. */
static void large_objects_are_filled(void **state)
{
    (void)state;
    struct machine *m = fixture_machine("linux-6.1", 64 * MIB);
    cache_op(m, OP_KMEM_CACHE_CREATE, 2 * MIB, SLAB_POISON | SLAB_RED_ZONE, 0);
    uint64_t a = cache_op(m, OP_KMEM_CACHE_ALLOC, 0, 0, 0)->address;
    assert_int_not_equal(a, 0);
    assert_int_equal(cache_op(m, OP_KMEM_CACHE_FREE, 0, 0, a)->outcome, OUTCOME_OK);
    machine_destroy(m);
}

static void only_flags_of_callers(void **state)
{
    (void)state;
    struct machine *m = fixture_machine("linux-6.1", 64 * MIB);
    struct op op = fixture_op(OP_KMEM_CACHE_CREATE);
    struct op_result result;
    struct problem why = { 0 };
    op.cache = fixture_text("mine");
    op.size = 100;
    op.flags = SLAB_KMALLOC;
    op.given = OP_BIT(CACHE) | OP_BIT(SIZE) | OP_BIT(FLAGS);
    assert_int_equal(machine_apply(m, &op, &result, &why), PAGODA_ERR_INVALID);
    assert_string_equal(why.field, "flags");
    machine_destroy(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(layouts),
        cmocka_unit_test(zones_and_mobility),
        cmocka_unit_test(faults_are_found_in_this_cache),
        cmocka_unit_test(kfree_checks_too),
        cmocka_unit_test(large_objects_are_filled),
        cmocka_unit_test(only_flags_of_callers),
    };
    return cmocka_run_group_tests_name("slab_flags", tests, NULL, NULL);
}
