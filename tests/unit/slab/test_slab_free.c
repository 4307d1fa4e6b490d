/* kfree() and kmem_cache_free() of what is no live object, where nobody watches: it is told as a bug, and SLUB does as it
 * is asked all the same. The address goes on a free list and is handed out again; the machine's invariants hold. */
#include "alloc/slab/bucket.h"
#include "alloc/slab/slub.h"
#include "alloc/machine/machine_state.h"
#include "tests/lib/fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define MIB (UINT64_C(1) << 20)
#define NR_CLASS_64 64 /* objects of one slab of kmalloc-64 */

static uint64_t take(struct machine *m, uint64_t size)
{
    return fixture_apply(m, fixture_alloc(OP_KMALLOC, size, 0))->address;
}

static void give(struct machine *m, uint64_t address)
{
    const struct op_result *result = fixture_apply(m, fixture_free(OP_KFREE, address));
    if (result->outcome != OUTCOME_OK || result->message)
        fail_msg("kfree: %s", result->message);
}

static void free_wrong(struct machine *m, enum op_kind op, uint64_t address, const char *words)
{
    uint64_t nr_live = m->state.kmalloc.nr_live;
    const struct op_result *result = fixture_apply(m, fixture_free(op, address));
    assert_int_equal(result->outcome, OUTCOME_BUG);
    if (!strstr(result->message, words))
        fail_msg("no \"%s\" in \"%s\"", words, result->message);
    assert_int_equal(m->state.kmalloc.nr_live, nr_live);
}

static uint64_t word_at(const struct machine *m, uint64_t address)
{
    uint64_t word;
    assert_int_equal(view_memory(m, address, 0, (uint8_t *)&word, sizeof word), sizeof word);
    return word;
}

static const struct op_result *cache_op(struct machine *m, enum op_kind kind, const char *cache, uint64_t size,
                                        uint64_t address)
{
    struct op op = fixture_op(kind);
    op.cache = fixture_text(cache);
    op.size = size;
    op.address = address;
    op.given = OP_BIT(CACHE) | (size ? OP_BIT(SIZE) : 0) | (address ? OP_BIT(ADDRESS) : 0);
    return fixture_apply(m, op);
}

/* Its free pointer is written into the middle of what the owner has, and the next caller gets memory that overlaps it. */
static void an_interior_pointer_is_handed_out(void **state)
{
    (void)state;
    struct machine *m = fixture_machine("linux-6.1", 64 * MIB);
    uint64_t a = take(m, 64), b = take(m, 64), next = b + 64;
    fixture_fill(m, FIXTURE_RANGE(a, 64), 0xaa);
    free_wrong(m, OP_KFREE, a + 8, "invalid pointer, 8 bytes into the object");
    assert_int_equal(word_at(m, a + 8 + 32), next); /* the list goes on behind it */
    assert_int_equal(word_at(m, a + 32), UINT64_C(0xaaaaaaaaaaaaaaaa));
    assert_int_equal(take(m, 64), a + 8);
    assert_int_equal(take(m, 64), next);
    give(m, a);
    give(m, b);
    machine_destroy(m);
}

/* The kernel's own check sees the simplest case only, and stops before anything has changed. */
static void twice_in_a_row_is_a_kernel_bug(void **state)
{
    (void)state;
    struct machine *m = fixture_machine("linux-6.1", 64 * MIB);
    uint64_t a = take(m, 64), b = take(m, 64);
    give(m, a);
    free_wrong(m, OP_KFREE, a, "kernel BUG at mm/slub.c:419!");
    assert_int_equal(take(m, 64), a);
    assert_int_not_equal(take(m, 64), a);
    free_wrong(m, OP_KFREE, b + 16, "invalid pointer");
    free_wrong(m, OP_KFREE, b + 16, "kernel BUG at mm/slub.c:419!"); /* it is the first of the list now */
    machine_destroy(m);
}

static void a_double_free_is_handed_out_twice(void **state)
{
    (void)state;
    struct machine *m = fixture_machine("linux-6.1", 64 * MIB);
    uint64_t a = take(m, 64), b = take(m, 64);
    give(m, a);
    give(m, b);
    free_wrong(m, OP_KFREE, a, "double free, or never allocated");
    assert_int_equal(word_at(m, a + 32), b); /* a circle: a, b, a, b... */
    assert_int_equal(word_at(m, b + 32), a);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(take(m, 64), a);
        assert_int_equal(take(m, 64), b);
    }
    assert_int_equal(m->state.kmalloc.nr_live, 2);
    machine_destroy(m);
}

/* Into a slab that no CPU has at hand: its own list begins with the address, and whoever takes the slab over gets it. */
static void other_slabs_take_it_too(void **state)
{
    (void)state;
    struct machine *m = fixture_machine("linux-6.1", 64 * MIB);
    uint64_t full[NR_CLASS_64], here = take(m, 64);
    for (unsigned i = 0; i < NR_CLASS_64 - 1; i++)
        (void)take(m, 64);
    for (unsigned i = 0; i < NR_CLASS_64; i++)
        full[i] = take(m, 64);
    (void)take(m, 64); /* the CPU's slab is a third one */
    free_wrong(m, OP_KFREE, full[3] + 8, "invalid pointer, 8 bytes into");
    struct frame_run block;
    uint64_t born;
    assert_true(view_frame(m, (uint32_t)((full[0] - m->profile->page_offset) >> PAGE_SHIFT), &block, &born));
    struct chain_view chains;
    view_slab_chains(m, block.pfn, &chains);
    assert_int_equal(chains.first, full[3] + 8);
    assert_int_equal(chains.stray, full[3] + 8);
    struct slab_view slab;
    assert_true(view_slab(m, block.pfn, &slab));
    assert_string_equal(slab.state, "cpu_partial");
    assert_int_equal(slab.in_use, NR_CLASS_64);
    assert_int_equal(slab.inuse, NR_CLASS_64 - 1);
    give(m, full[5]); /* goes in front of it */
    assert_int_equal(word_at(m, full[5] + 32), full[3] + 8);
    for (unsigned i = 0; i < NR_CLASS_64 - 1; i++)
        (void)take(m, 64); /* the third slab is full */
    assert_int_equal(take(m, 64), full[5]);
    assert_int_equal(take(m, 64), full[3] + 8);
    give(m, here);
    machine_destroy(m);
}

/* The list of a whole slab that is taken over begins with the stray address itself. */
static void a_slab_with_nothing_else_is_taken_over(void **state)
{
    (void)state;
    struct machine *m = fixture_machine("linux-6.1", 64 * MIB);
    uint64_t first = take(m, 64);
    for (unsigned i = 0; i < 2 * NR_CLASS_64 - 1; i++)
        (void)take(m, 64);
    free_wrong(m, OP_KFREE, first + 40, "invalid pointer");
    assert_int_equal(take(m, 64), first + 40);
    machine_destroy(m);
}

/* Counters that were lowered too often: what is still in use keeps its slab. */
static void a_slab_with_live_objects_stays(void **state)
{
    (void)state;
    struct machine *m = fixture_machine("linux-6.1", 64 * MIB);
    uint64_t objects[2 * NR_CLASS_64];
    for (unsigned i = 0; i < 2 * NR_CLASS_64; i++)
        objects[i] = take(m, 64);
    (void)take(m, 64);
    for (unsigned i = 1; i < NR_CLASS_64; i++)
        give(m, objects[i]);
    for (unsigned i = 1; i < 9; i++)
        free_wrong(m, OP_KFREE, objects[i], "double free");
    assert_int_equal(word_at(m, objects[0]), 0);
    give(m, objects[0]);
    machine_destroy(m);
}

/* An object of another cache is warned of, and goes where it belongs. */
static void the_wrong_cache_frees_all_the_same(void **state)
{
    (void)state;
    struct machine *m = fixture_machine("linux-6.1", 64 * MIB);
    cache_op(m, OP_KMEM_CACHE_CREATE, "inode", 600, 0);
    cache_op(m, OP_KMEM_CACHE_CREATE, "dentry", 192, 0);
    uint64_t a = cache_op(m, OP_KMEM_CACHE_ALLOC, "inode", 0, 0)->address;
    const struct op_result *result = cache_op(m, OP_KMEM_CACHE_FREE, "dentry", 0, a);
    assert_int_equal(result->outcome, OUTCOME_BUG);
    assert_non_null(strstr(result->message, "cache_from_obj: Wrong slab cache. dentry but object is from inode"));
    assert_int_equal(m->state.kmalloc.nr_live, 0);
    assert_int_equal(cache_op(m, OP_KMEM_CACHE_ALLOC, "inode", 0, 0)->address, a);
    result = cache_op(m, OP_KMEM_CACHE_FREE, "inode", 0, a + 8);
    assert_int_equal(result->outcome, OUTCOME_BUG);
    assert_int_equal(cache_op(m, OP_KMEM_CACHE_ALLOC, "inode", 0, 0)->address, a + 8);
    machine_destroy(m);
}

/* kfree() finds the first page of a large block from any of its pages; the block's handle goes with it. */
static void inside_a_large_block_frees_it(void **state)
{
    (void)state;
    struct machine *m = fixture_machine("linux-6.1", 64 * MIB);
    struct op op = fixture_alloc(OP_KMALLOC, 40000, 0);
    op.name = fixture_text("large");
    op.given |= OP_BIT(NAME);
    uint64_t large = fixture_apply(m, op)->address;
    const struct op_result *result = fixture_apply(m, fixture_free(OP_KFREE, large + 5 * PAGE_SIZE));
    assert_int_equal(result->outcome, OUTCOME_BUG);
    assert_non_null(strstr(result->message, "inside a large block, not its start; the kernel notices nothing"));
    assert_int_equal(m->state.kmalloc.nr_live, 0);
    struct frame_run block;
    uint64_t born;
    assert_true(view_frame(m, (uint32_t)((large - m->profile->page_offset) >> PAGE_SHIFT), &block, &born));
    assert_int_equal(block.kind, FRAME_FREE);
    assert_int_equal(fixture_apply(m, op)->outcome, OUTCOME_OK); /* the name is free again */
    machine_destroy(m);
}

/* ksize() asks the slab, whatever the address. */
static void ksize_of_the_middle(void **state)
{
    (void)state;
    struct machine *m = fixture_machine("linux-6.1", 64 * MIB);
    const struct op_result *result = fixture_apply(m, fixture_free(OP_KSIZE, take(m, 90) + 8));
    assert_int_equal(result->outcome, OUTCOME_BUG);
    assert_int_equal(result->allocated, 96);
    machine_destroy(m);
}

/* Right and wrong frees of any address in a slab, and allocations: every invariant holds (fixture_apply() looks). */
static void any_address_of_a_slab(void **state)
{
    (void)state;
    struct machine *m = fixture_machine("linux-6.1", 64 * MIB);
    struct fixture_random random = { fixture_seed() };
    static const uint64_t SIZES[] = { 8, 64, 96, 1024, 4096 };
    uint64_t seen[32] = { 0 };
    for (unsigned step = 0; step < 4000; step++) {
        uint64_t *slot = &seen[fixture_random_below(&random, 32)];
        struct op op = fixture_alloc(OP_KMALLOC, SIZES[fixture_random_below(&random, 5)], 0);
        if (*slot && fixture_random_below(&random, 2))
            op = fixture_free(OP_KFREE, *slot + (fixture_random_below(&random, 4) ? 0 : fixture_random_below(&random, 70)));
        const struct op_result *result = fixture_apply(m, op);
        if (op.kind == OP_KMALLOC && result->address)
            *slot = result->address;
    }
    machine_destroy(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_interior_pointer_is_handed_out),
        cmocka_unit_test(twice_in_a_row_is_a_kernel_bug),
        cmocka_unit_test(a_double_free_is_handed_out_twice),
        cmocka_unit_test(other_slabs_take_it_too),
        cmocka_unit_test(a_slab_with_nothing_else_is_taken_over),
        cmocka_unit_test(a_slab_with_live_objects_stays),
        cmocka_unit_test(the_wrong_cache_frees_all_the_same),
        cmocka_unit_test(inside_a_large_block_frees_it),
        cmocka_unit_test(ksize_of_the_middle),
        cmocka_unit_test(any_address_of_a_slab),
    };
    return cmocka_run_group_tests_name("slab_free", tests, NULL, NULL);
}
