/* Misuse of kmalloc and of slab caches, a table of it: what each kernel says, that nothing has changed but bytes, and what
 * a write over a free pointer does where nobody watches. What wrong frees of slab objects lead to is in test_slab_free.c.
 */
#include "alloc/slab/bucket.h"
#include "alloc/slab/slub.h"
#include "alloc/machine/machine_state.h"
#include "tests/lib/fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define MIB (UINT64_C(1) << 20)
#define COUNT(array) (sizeof(array) / sizeof *(array))

static uint64_t take(struct machine *m, uint64_t size)
{
    return fixture_apply(m, fixture_alloc(OP_KMALLOC, size, 0))->address;
}

static const struct op_result *release(struct machine *m, enum op_kind kind, uint64_t address)
{
    return fixture_apply(m, fixture_free(kind, address));
}

static void give(struct machine *m, uint64_t address)
{
    const struct op_result *result = release(m, OP_KFREE, address);
    if (result->outcome != OUTCOME_OK || result->message)
        fail_msg("kfree: %s", result->message);
}

static void write_word(struct machine *m, uint64_t address, uint64_t word)
{
    struct op op = fixture_free(OP_WRITE, address);
    op.data = (const uint8_t *)&word;
    op.nr_data = 8;
    op.given |= OP_BIT(HEX);
    assert_int_equal(fixture_apply(m, op)->outcome, OUTCOME_OK);
}

static void expect_words(const struct op_result *result, const char *words)
{
    if (!result->message || !strstr(result->message, words))
        fail_msg("no \"%s\" in \"%s\"", words, result->message ? result->message : "");
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

/* --- the table --- */

/* Somewhere to free from: what each of them is at is worked out anew in every machine. */
enum where {
    AT_INTERIOR,
    AT_FREED_LAST,
    AT_FREED_BEFORE,
    AT_SLAB_END,
    AT_VMALLOC,
    AT_USER,
    AT_PAGE,
    AT_PAGES_2,
    AT_TABLE,
    AT_TEXT,
    AT_OUTSIDE,
    AT_NON_CANONICAL,
    AT_NULL_PAGE,
    AT_DESCRIPTOR,
    NR_PLACES
};

static uint64_t place(struct machine *m, enum where where)
{
    uint64_t a = take(m, 90), b = take(m, 90), c = take(m, 90);
    (void)c;
    struct op pages = fixture_op(OP_ALLOC_PAGES);
    pages.order = where == AT_PAGES_2 ? 2 : 0;
    pages.given = OP_BIT(ORDER);
    switch (where) {
    case AT_INTERIOR:
        return a + 8;
    case AT_FREED_LAST:
    case AT_FREED_BEFORE:
        give(m, where == AT_FREED_LAST ? b : a);
        give(m, where == AT_FREED_LAST ? a : b);
        return a;
    case AT_SLAB_END:
        return (a & ~UINT64_C(4095)) + 42 * 96;
    case AT_VMALLOC:
        return fixture_apply(m, fixture_alloc(OP_VMALLOC, 5000, 0))->address;
    case AT_USER:
        return UINT64_C(0x10000000);
    case AT_PAGE:
    case AT_PAGES_2:
        return fixture_apply(m, pages)->address;
    case AT_TABLE:
        return frame_address(&m->state.frames, m->state.pgtable.kernel_root);
    case AT_TEXT:
        return UINT64_C(0xffffffff81000000);
    case AT_OUTSIDE:
        return m->profile->page_offset + 64 * MIB;
    case AT_NON_CANONICAL:
        return UINT64_C(0x4141414141414141);
    case AT_NULL_PAGE:
        return 100;
    case AT_DESCRIPTOR:
        return a & ~UINT64_C(4095);
    default:
        return 0;
    }
}

static const struct {
    const char *profile;
    enum where where;
    enum op_kind op;
    const char *kernel, *words; /* what the kernel itself prints, or NULL; what it comes to */
} MISUSES[] = {
    { "linux-6.1", AT_INTERIOR, OP_KFREE, NULL, "invalid pointer, 8 bytes into the object" },
    { "linux-6.1", AT_FREED_LAST, OP_KFREE, "kernel BUG at mm/slub.c:419!\ninvalid opcode: 0000", "double free" },
    { "linux-6.1", AT_FREED_BEFORE, OP_KFREE, NULL,
      "double free, or never allocated (kmalloc-96); a kernel without slub_debug=F notices nothing" },
    { "linux-6.1", AT_SLAB_END, OP_KFREE, NULL, "unused end of a slab" },
    { "linux-6.1", AT_VMALLOC, OP_KFREE, "BUG: unable to handle page fault for address: ffffeb",
      "this is vmalloc memory; it is released by vfree" },
    { "linux-6.1", AT_USER, OP_KFREE, "BUG: unable to handle page fault for address: ffffebde",
      "this is user-space memory; it is released by free" },
    { "linux-6.1", AT_PAGE, OP_KFREE, "object pointer: 0xffff8880",
      "this is alloc_pages memory; it is released by free_pages" },
    { "linux-6.1", AT_PAGES_2, OP_KFREE, "object pointer: 0xffff8880", "alloc_pages memory" },
    { "linux-6.1", AT_TABLE, OP_KFREE, "object pointer: 0xffff8880", "its page frame is a page table" },
    { "linux-6.1", AT_TEXT, OP_KFREE, NULL, "not an address of the direct map" },
    { "linux-6.1", AT_OUTSIDE, OP_KFREE, "BUG: unable to handle page fault for address: ffffea0000100008",
      "not an address of the direct map" },
    { "linux-6.1", AT_NON_CANONICAL, OP_KFREE, "fault", "not an address of the direct map" },
    { "linux-6.1", AT_NULL_PAGE, OP_KFREE, "BUG: unable to handle page fault for address: ffffebde00000008",
      "not an address" },
    { "linux-6.1", AT_INTERIOR, OP_KSIZE, NULL, "ksize: 0x" },
    { "linux-6.1", AT_INTERIOR, OP_KMEM_CACHE_FREE, NULL, "kmem_cache_free: 0x" },
    { "linux-6.1", AT_PAGE, OP_KMEM_CACHE_FREE, NULL, "alloc_pages memory" },
    { "linux-6.1", AT_INTERIOR, OP_KVFREE, NULL, "invalid pointer" },
    { "classic", AT_INTERIOR, OP_KFREE, "kfree of non-kmalloced memory: c", "invalid pointer, 8 bytes into the object" },
    { "classic", AT_FREED_LAST, OP_KFREE, ", next= 00000000, order=2\n", "double free" },
    { "classic", AT_DESCRIPTOR, OP_KFREE, "kfree of non-kmalloced memory: c", "page descriptor" },
    { "classic", AT_VMALLOC, OP_KFREE, "kfree of non-kmalloced memory: c", "released by vfree" },
    { "classic", AT_PAGE, OP_KFREE, "kfree of non-kmalloced memory: c", "alloc_pages memory" },
    { "classic", AT_NULL_PAGE, OP_KFREE, "Unable to handle kernel paging request at virtual address 00000000",
      "not an address" },
};

static void test_misuses(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(MISUSES); i++) {
        struct machine *m = fixture_machine(MISUSES[i].profile, 64 * MIB);
        uint64_t address = place(m, MISUSES[i].where), nr_live = m->state.kmalloc.nr_live;
        struct pool slabs = m->state.kmalloc.slabs;
        uint64_t frames[NR_FRAME_KINDS], after[NR_FRAME_KINDS];
        view_kind_counts(m, frames);
        const struct op_result *result = release(m, MISUSES[i].op, address);
        if (result->outcome != OUTCOME_BUG)
            fail_msg("row %zu is no bug", i);
        if (MISUSES[i].kernel)
            expect_words(result, MISUSES[i].kernel);
        expect_words(result, MISUSES[i].words);
        view_kind_counts(m, after);
        assert_memory_equal(frames, after, sizeof frames);
        assert_int_equal(m->state.kmalloc.nr_live, nr_live);
        assert_int_equal(m->state.kmalloc.taints, 0);
        assert_int_equal(m->state.kmalloc.slabs.nr_used, slabs.nr_used);
        machine_destroy(m);
    }
}

/* NULL and what stands for nothing may be freed. */
static void test_nothing(void **state)
{
    (void)state;
    static const uint64_t NOTHING[] = { 0, 1, ZERO_SIZE_PTR };
    struct machine *m = fixture_machine("linux-6.1", 64 * MIB);
    assert_int_equal(take(m, 0), ZERO_SIZE_PTR);
    for (size_t i = 0; i < COUNT(NOTHING); i++) {
        give(m, NOTHING[i]);
        assert_int_equal(release(m, OP_KSIZE, NOTHING[i])->allocated, 0);
        assert_int_equal(release(m, OP_KVFREE, NOTHING[i])->outcome, OUTCOME_OK);
    }
    machine_destroy(m);
}

/* --- flags and sizes --- */

static const struct {
    uint32_t gfp;
    const char *cache;
} KINDS[] = {
    { GFP_KERNEL, "kmalloc-128" },
    { GFP_KERNEL | __GFP_ACCOUNT, "kmalloc-cg-128" },
    { GFP_KERNEL | __GFP_RECLAIMABLE, "kmalloc-rcl-128" },
    { GFP_KERNEL | __GFP_RECLAIMABLE | __GFP_ACCOUNT, "kmalloc-rcl-128" },
    { GFP_KERNEL | __GFP_DMA, "dma-kmalloc-128" },
    { GFP_KERNEL | __GFP_DMA | __GFP_RECLAIMABLE | __GFP_ACCOUNT, "dma-kmalloc-128" },
};

static void test_kinds(void **state)
{
    (void)state;
    struct machine *m = fixture_machine("linux-6.1", 64 * MIB);
    for (size_t i = 0; i < COUNT(KINDS); i++)
        assert_string_equal(fixture_apply(m, fixture_alloc(OP_KMALLOC, 100, KINDS[i].gfp))->cache, KINDS[i].cache);
    const struct op_result *result = fixture_apply(m, fixture_alloc(OP_KMALLOC, 3000, GFP_KERNEL | GFP_DMA32));
    assert_int_equal(result->outcome, OUTCOME_OK);
    expect_words(result, "Unexpected gfp: 0x4 (GFP_DMA32). Fixing up to gfp: 0xcc0 (GFP_KERNEL). Fix your code!");
    machine_destroy(m);
}

static void test_arrays(void **state)
{
    (void)state;
    static const struct {
        uint64_t n, size;
        enum outcome outcome;
        uint64_t usable;
    } CASES[] = { { 10, 12, OUTCOME_OK, 128 },
                  { UINT64_MAX / 2, 3, OUTCOME_NULL, 0 },
                  { UINT64_MAX, 1, OUTCOME_NULL, 0 },
                  { 1, 4 * MIB, OUTCOME_OK, 4 * MIB },
                  { 2, 4 * MIB, OUTCOME_NULL, 0 } };
    struct machine *m = fixture_machine("linux-6.1", 64 * MIB);
    for (size_t i = 0; i < COUNT(CASES); i++) {
        struct op op = fixture_alloc(OP_KCALLOC, CASES[i].size, 0);
        op.n = CASES[i].n & ((UINT64_C(1) << 53) - 1);
        if (CASES[i].n > op.n)
            op.size = (UINT64_C(1) << 53) - 1;
        op.given |= OP_BIT(N);
        const struct op_result *result = fixture_apply(m, op);
        assert_int_equal(result->outcome, CASES[i].outcome);
        assert_int_equal(result->allocated, CASES[i].usable);
        assert_true(result->requested < UINT64_C(1) << 53);
        give(m, result->address);
    }
    struct op op = fixture_alloc(OP_KVMALLOC, UINT64_C(1) << 31, 0); /* one more than INT_MAX */
    const struct op_result *result = fixture_apply(m, op);
    assert_int_equal(result->outcome, OUTCOME_NULL);
    expect_words(result, "WARNING: CPU: 0 PID: 0 at mm/util.c:596 kvmalloc_node");
    op.gfp = GFP_KERNEL | __GFP_NOWARN;
    op.given |= OP_BIT(GFP);
    assert_null(fixture_apply(m, op)->message);
    machine_destroy(m);
}

/* krealloc zeroes what is new only when it moves: in place the caller finds what was there. */
static void test_krealloc_zero(void **state)
{
    (void)state;
    struct machine *m = fixture_machine("linux-6.1", 64 * MIB);
    uint64_t a = take(m, 20);
    struct op fill = fixture_free(OP_WRITE, a);
    fill.fill = 0x44;
    fill.length = 32;
    fill.given |= OP_BIT(FILL) | OP_BIT(LENGTH);
    fixture_apply(m, fill);
    struct op op = fixture_alloc(OP_KREALLOC, 32, GFP_KERNEL | __GFP_ZERO);
    op.address = a;
    op.given |= OP_BIT(ADDRESS);
    assert_int_equal(fixture_apply(m, op)->address, a);
    uint8_t bytes[64];
    view_memory(m, a, 0, bytes, 32);
    assert_int_equal(bytes[31], 0x44);
    op.size = 64;
    uint64_t b = fixture_apply(m, op)->address;
    assert_int_not_equal(a, b);
    view_memory(m, b, 0, bytes, 64);
    assert_int_equal(bytes[31], 0x44);
    for (int i = 32; i < 64; i++)
        assert_int_equal(bytes[i], 0);
    machine_destroy(m);
}

/* --- caches --- */

static void test_wrong_cache(void **state)
{
    (void)state;
    struct machine *m = fixture_machine("linux-6.1", 64 * MIB);
    cache_op(m, OP_KMEM_CACHE_CREATE, "inode", 600, 0);
    cache_op(m, OP_KMEM_CACHE_CREATE, "dentry", 192, 0);
    uint64_t a = cache_op(m, OP_KMEM_CACHE_ALLOC, "inode", 0, 0)->address;
    const struct op_result *result = cache_op(m, OP_KMEM_CACHE_FREE, "dentry", 0, a);
    assert_int_equal(result->outcome, OUTCOME_BUG);
    expect_words(result, "cache_from_obj: Wrong slab cache. dentry but object is from inode");
    assert_int_equal(m->state.kmalloc.nr_live, 0); /* a warning, no more */
    a = take(m, 16384);                            /* pages, no slab */
    result = cache_op(m, OP_KMEM_CACHE_FREE, "inode", 0, a);
    assert_int_equal(result->outcome, OUTCOME_BUG);
    expect_words(result,
                 "virt_to_cache: Object is not a Slab page!\nWARNING: CPU: 0 PID: 0 at mm/slab.h:630 cache_from_obj\n");
    give(m, a);
    machine_destroy(m);
}

/* What is left keeps its slab and its cache; the empty slabs are gone. */
static void test_destroy_with_objects(void **state)
{
    (void)state;
    struct machine *m = fixture_machine("linux-6.1", 64 * MIB);
    struct kmalloc *k = &m->state.kmalloc;
    uint64_t objects[60];
    cache_op(m, OP_KMEM_CACHE_CREATE, "inode", 600, 0);
    for (size_t i = 0; i < COUNT(objects); i++)
        objects[i] = cache_op(m, OP_KMEM_CACHE_ALLOC, "inode", 0, 0)->address;
    for (size_t i = 0; i < COUNT(objects); i++)
        if (i != 30)
            assert_int_equal(cache_op(m, OP_KMEM_CACHE_FREE, "inode", 0, objects[i])->outcome, OUTCOME_OK);
    const struct op_result *result = cache_op(m, OP_KMEM_CACHE_DESTROY, "inode", 0, 0);
    assert_int_equal(result->outcome, OUTCOME_BUG);
    char words[64];
    snprintf(words, sizeof words, "\nObject 0x%llx @offset=", (unsigned long long)objects[30]);
    expect_words(result, "BUG inode (Not tainted): Objects remaining in inode on __kmem_cache_shutdown()");
    expect_words(result, words);
    expect_words(result, "kmem_cache_destroy inode: Slab cache still has objects when called from ");
    const struct cache *cache = cache_at(k, kmem_cache_find(k, fixture_text("inode")));
    assert_int_equal(cache->nr_slabs, 1);
    assert_int_equal(cache->nr_live, 1);
    assert_int_equal(cache->is_destroyed, 1);
    expect_words(cache_op(m, OP_KMEM_CACHE_CREATE, "inode", 600, 0), "cannot create duplicate filename");
    give(m, objects[30]);
    assert_int_equal(cache_op(m, OP_KMEM_CACHE_DESTROY, "inode", 0, 0)->outcome, OUTCOME_OK);
    assert_int_equal(kmem_cache_find(k, fixture_text("inode")).index, 0);
    machine_destroy(m);
}

/* Empty slabs go, the fullest come first. */
static void test_shrink(void **state)
{
    (void)state;
    struct machine *m = fixture_machine("linux-6.1", 64 * MIB);
    struct kmalloc *k = &m->state.kmalloc;
    uint64_t objects[8][8];
    cache_op(m, OP_KMEM_CACHE_CREATE, "page", 4096, 0);
    for (unsigned s = 0; s < 8; s++)
        for (unsigned i = 0; i < 8; i++)
            objects[s][i] = cache_op(m, OP_KMEM_CACHE_ALLOC, "page", 0, 0)->address;
    for (unsigned s = 0; s < 8; s++) /* slab s keeps s objects */
        for (unsigned i = s; i < 8; i++)
            cache_op(m, OP_KMEM_CACHE_FREE, "page", 0, objects[s][i]);
    assert_int_equal(cache_op(m, OP_KMEM_CACHE_SHRINK, "page", 0, 0)->outcome, OUTCOME_OK);
    const struct cache *cache = cache_at(k, kmem_cache_find(k, fixture_text("page")));
    assert_int_equal(cache->nr_slabs, 7);
    assert_int_equal(cache->partial.count, 7);
    uint32_t nr = 7;
    for (struct slab_ref slab = slab_list_first(&cache->partial); slab.index; slab = slab_at(k, slab)->next, nr--)
        assert_int_equal(slab_at(k, slab)->nr_live, nr);
    char text[160];
    if (!kmalloc_check_chains(k, text, sizeof text))
        fail_msg("%s", text);
    assert_int_equal(cache_op(m, OP_KMEM_CACHE_ALLOC, "page", 0, 0)->address, objects[7][7]);
    machine_destroy(m);
}

static const struct {
    uint32_t size, align, flags, want_size, want_align, usable, gfp;
} CREATED[] = {
    { 100, 0, 0, 104, 8, 104, 0 },
    { 100, 64, 0, 128, 64, 128, 0 },
    { 100, 0, SLAB_HWCACHE_ALIGN, 128, 64, 128, 0 },
    { 20, 0, SLAB_HWCACHE_ALIGN, 32, 32, 32, 0 },
    { 20, 64, SLAB_HWCACHE_ALIGN, 64, 64, 64, 0 },
    { 100, 0, SLAB_RECLAIM_ACCOUNT, 104, 8, 104, __GFP_RECLAIMABLE },
    { 100, 0, SLAB_CACHE_DMA, 104, 8, 104, __GFP_DMA },
    { 100, 0, SLAB_TYPESAFE_BY_RCU, 112, 8, 104, 0 }, /* the free pointer may not touch the object */
    { 100, 0, SLAB_POISON, 112, 8, 100, 0 },
};

static void test_flags(void **state)
{
    (void)state;
    struct machine *m = fixture_machine("linux-6.1", 64 * MIB);
    struct kmalloc *k = &m->state.kmalloc;
    for (size_t i = 0; i < COUNT(CREATED); i++) {
        char name[16];
        snprintf(name, sizeof name, "cache-%zu", i);
        assert_int_equal(kmalloc_reserve(k, &m->host, 2), PAGODA_OK);
        assert_int_equal(pool_reserve(&m->state.frames.contents, &m->host, 64), PAGODA_OK);
        trace_start(&m->trace, 1, 0);
        const struct kmem_cache_args args = { CREATED[i].size, CREATED[i].align, CREATED[i].flags };
        struct cache_ref ref = kmem_cache_create(k, fixture_text(name), &args);
        const struct cache *cache = cache_at(k, ref);
        assert_int_equal(cache->size, CREATED[i].want_size);
        assert_int_equal(cache->align, CREATED[i].want_align);
        assert_int_equal(cache->gfp & (__GFP_DMA | __GFP_RECLAIMABLE), CREATED[i].gfp);
        uint64_t address = kmem_cache_alloc(k, ref, &(struct kmalloc_request){ .gfp = GFP_KERNEL }).address;
        assert_int_equal(address % CREATED[i].want_align, 0);
        assert_int_equal(kmalloc_usable(k, address), CREATED[i].usable);
        kmem_cache_free(k, ref, address, NAME_NONE);
        assert_int_equal(m->trace.outcome, OUTCOME_OK);
        fixture_check(m);
    }
    trace_start(&m->trace, 1, 0);
    const struct kmem_cache_args odd = { .size = 100, .flags = 0x1 };
    assert_int_equal(kmem_cache_create(k, fixture_text("odd"), &odd).index, 0);
    assert_non_null(strstr(m->trace.message, "failed with error -22"));
    const struct kmem_cache_args plain = { .size = 100 };
    const struct text with_nul = { "a\0b", 3 };
    assert_int_equal(kmem_cache_create(k, with_nul, &plain).index, 0);
    machine_destroy(m);
}

/* --- writes over free pointers, where nobody watches --- */

#define POINTER_AT 32 /* in a free object of kmalloc-64 */

static struct machine *with_chain(uint64_t *a, uint64_t *b, uint64_t *used)
{
    struct machine *m = fixture_machine("linux-6.1", 64 * MIB);
    *a = take(m, 64);
    *b = take(m, 64);
    *used = take(m, 64);
    give(m, *b);
    give(m, *a); /* the CPU's list: a, b, ... */
    return m;
}

/* The next allocations go where the bytes say, silently. */
static void test_stray_pointers(void **state)
{
    (void)state;
    uint64_t a, b, used;
    struct machine *m = with_chain(&a, &b, &used);
    write_word(m, a + POINTER_AT, used); /* an object that somebody has */
    write_word(m, used + POINTER_AT, 0); /* its owner's data, taken for the end of the list */
    assert_int_equal(take(m, 64), a);
    assert_int_equal(take(m, 64), used); /* it has two owners now */
    assert_int_equal(m->state.kmalloc.nr_live, 2);
    assert_int_not_equal(take(m, 64), b); /* lost, with all behind it */
    give(m, used);
    expect_words(release(m, OP_KFREE, used), "double free");
    machine_destroy(m);

    m = with_chain(&a, &b, &used);
    write_word(m, a + POINTER_AT, used + 8); /* the middle of an object */
    write_word(m, used + 8 + POINTER_AT, 0);
    assert_int_equal(take(m, 64), a);
    assert_int_equal(take(m, 64), used + 8);
    expect_words(release(m, OP_KFREE, used + 8), "invalid pointer, 8 bytes into");
    machine_destroy(m);

    m = with_chain(&a, &b, &used);
    struct op pages = fixture_op(OP_ALLOC_PAGES);
    pages.given = OP_BIT(ORDER);
    uint64_t page = fixture_apply(m, pages)->address;
    write_word(m, page + 256 + POINTER_AT, b);
    write_word(m, a + POINTER_AT, page + 256); /* another's page, and from there back again */
    assert_int_equal(take(m, 64), a);
    assert_int_equal(take(m, 64), page + 256);
    assert_int_equal(take(m, 64), b);
    machine_destroy(m);

    m = with_chain(&a, &b, &used);
    write_word(m, a + POINTER_AT, a); /* a circle of one */
    for (int i = 0; i < 5; i++)
        assert_int_equal(take(m, 64), a);
    assert_int_equal(m->state.kmalloc.nr_live, 2);
    machine_destroy(m);
}

static const struct {
    uint64_t word;
    const char *words;
} FAULTS[] = {
    { UINT64_C(0xaaaaaaaaaaaaaaaa), "general protection fault, probably for non-canonical address 0xaaaaaaaaaaaaaaca" },
    { 1, "BUG: kernel NULL pointer dereference, address: 0000000000000021" },
    { UINT64_C(0x7f0000000000), "BUG: unable to handle page fault for address: 00007f0000000020" },
    { UINT64_C(0xffff888800000000), "BUG: unable to handle page fault for address: ffff888800000020" },
};

/* The object itself is still handed out; the allocation after it faults, and so does every later one. */
static void test_stray_faults(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(FAULTS); i++) {
        uint64_t a, b, used;
        struct machine *m = with_chain(&a, &b, &used);
        write_word(m, a + POINTER_AT, FAULTS[i].word);
        assert_int_equal(take(m, 64), a);
        uint64_t nr_live = m->state.kmalloc.nr_live;
        for (int n = 0; n < 2; n++) {
            const struct op_result *result = fixture_apply(m, fixture_alloc(OP_KMALLOC, 64, 0));
            assert_int_equal(result->outcome, OUTCOME_BUG);
            assert_int_equal(result->address, 0);
            expect_words(result, FAULTS[i].words);
            expect_words(result, "somebody wrote over the free pointer");
        }
        assert_int_equal(m->state.kmalloc.nr_live, nr_live);
        give(m, used); /* goes in front of what cannot be read */
        assert_int_equal(take(m, 64), used);
        machine_destroy(m);
    }
}

/* A cache whose list is broken cannot be flushed. */
static void test_stray_flush(void **state)
{
    (void)state;
    struct machine *m = fixture_machine("linux-6.1", 64 * MIB);
    cache_op(m, OP_KMEM_CACHE_CREATE, "thing", 64, 0);
    uint64_t a = cache_op(m, OP_KMEM_CACHE_ALLOC, "thing", 0, 0)->address;
    cache_op(m, OP_KMEM_CACHE_FREE, "thing", 0, a);
    write_word(m, a + POINTER_AT, UINT64_C(0x4141414141414141));
    expect_words(cache_op(m, OP_KMEM_CACHE_SHRINK, "thing", 0, 0), "general protection fault");
    expect_words(cache_op(m, OP_KMEM_CACHE_DESTROY, "thing", 0, 0), "general protection fault");
    write_word(m, a + POINTER_AT, a);
    expect_words(cache_op(m, OP_KMEM_CACHE_DESTROY, "thing", 0, 0), "soft lockup - CPU#0 stuck");
    write_word(m, a + POINTER_AT, 0); /* all behind it are lost: they count as in use */
    expect_words(cache_op(m, OP_KMEM_CACHE_DESTROY, "thing", 0, 0), "Objects remaining in thing");
    machine_destroy(m);
}

/* Zeroing on the way would break the machine's own tables: it faults instead. */
static void test_stray_zero(void **state)
{
    (void)state;
    uint64_t a, b, used;
    struct machine *m = with_chain(&a, &b, &used);
    write_word(m, a + POINTER_AT, frame_address(&m->state.frames, m->state.pgtable.kernel_root));
    assert_int_equal(take(m, 64), a);
    const struct op_result *result = fixture_apply(m, fixture_alloc(OP_KZALLOC, 64, 0));
    assert_int_equal(result->outcome, OUTCOME_BUG);
    expect_words(result, "page fault");
    machine_destroy(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_misuses),
        cmocka_unit_test(test_nothing),
        cmocka_unit_test(test_kinds),
        cmocka_unit_test(test_arrays),
        cmocka_unit_test(test_krealloc_zero),
        cmocka_unit_test(test_wrong_cache),
        cmocka_unit_test(test_destroy_with_objects),
        cmocka_unit_test(test_shrink),
        cmocka_unit_test(test_flags),
        cmocka_unit_test(test_stray_pointers),
        cmocka_unit_test(test_stray_faults),
        cmocka_unit_test(test_stray_flush),
        cmocka_unit_test(test_stray_zero),
    };
    return cmocka_run_group_tests_name("slab_misuse", tests, NULL, NULL);
}
