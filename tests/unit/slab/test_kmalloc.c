/* Tests of kmalloc in both styles: the documented sizes, contents, misuse, overwritten free chains, caches, many CPUs, and
 * random runs against a model that only remembers who has which bytes. */
#include "alloc/slab/bucket.h"
#include "alloc/slab/slub.h"
#include "alloc/machine/machine_state.h"
#include "tests/lib/fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define MIB (UINT64_C(1) << 20)
#define COUNT(array) (sizeof(array) / sizeof *(array))

static struct kmalloc *start(struct machine *m)
{
    struct kmalloc *k = &m->state.kmalloc;
    assert_int_equal(kmalloc_reserve(k, &m->host, 1), PAGODA_OK);
    assert_int_equal(pool_reserve(&m->state.frames.contents, &m->host, 2048), PAGODA_OK);
    trace_start(&m->trace, 7, m->trace.cpu);
    return k;
}

static uint64_t take(struct machine *m, uint64_t size, uint32_t gfp)
{
    return kmalloc_alloc(start(m), &(struct kmalloc_request){ .size = size, .gfp = gfp }).address;
}

static void give(struct machine *m, uint64_t address)
{
    kmalloc_free(start(m), address, NAME_NONE);
    assert_string_equal(m->trace.message, "");
    assert_int_equal(m->trace.outcome, OUTCOME_OK);
}

static void check(const struct machine *m, bool chains)
{
    char text[160] = "";
    const struct kmalloc *k = &m->state.kmalloc;
    if (!kmalloc_check(k, text, sizeof text) || (chains && !kmalloc_check_chains(k, text, sizeof text)))
        fail_msg("%s", text);
}

static uint64_t physical(const struct machine *m, uint64_t address)
{
    return address - m->state.frames.page_offset;
}

static uint64_t usable(struct machine *m, uint64_t address)
{
    return kmalloc_usable(start(m), address);
}

static void expect_bug(struct machine *m, const char *words)
{
    assert_int_equal(m->trace.outcome, OUTCOME_BUG);
    if (!strstr(m->trace.message, words))
        fail_msg("no \"%s\" in \"%s\"", words, m->trace.message);
}

/* --- sizes --- */

static const struct {
    const char *profile;
    uint32_t min_block;
    uint64_t size, usable; /* usable 0: NULL */
} SIZES[] = {
    { "linux-6.1", 0, 1, 8 },           { "linux-6.1", 0, 8, 8 },          { "linux-6.1", 0, 9, 16 },
    { "linux-6.1", 0, 64, 64 },         { "linux-6.1", 0, 65, 96 },        { "linux-6.1", 0, 96, 96 },
    { "linux-6.1", 0, 97, 128 },        { "linux-6.1", 0, 129, 192 },      { "linux-6.1", 0, 192, 192 },
    { "linux-6.1", 0, 193, 256 },       { "linux-6.1", 0, 257, 512 },      { "linux-6.1", 0, 4097, 8192 },
    { "linux-6.1", 0, 8192, 8192 },     { "linux-6.1", 0, 8193, 16384 },   { "linux-6.1", 0, 4 * MIB, 4 * MIB },
    { "linux-6.1", 0, 4 * MIB + 1, 0 }, { "linux-6.1", 0, UINT64_MAX, 0 }, { "classic", 32, 0, 32 },
    { "classic", 32, 1, 32 },           { "classic", 32, 33, 64 },         { "classic", 32, 129, 252 },
    { "classic", 32, 253, 508 },        { "classic", 32, 509, 1020 },      { "classic", 32, 1021, 2040 },
    { "classic", 32, 2041, 4080 },      { "classic", 32, 4081, 8176 },     { "classic", 32, 8177, 16368 },
    { "classic", 32, 16369, 32752 },    { "classic", 32, 32753, 65520 },   { "classic", 32, 65521, 131056 },
    { "classic", 32, 131056, 131056 },  { "classic", 32, 131057, 0 },      { "classic", 64, 1, 64 },
    { "classic", 64, 64, 64 },          { "classic", 64, 65, 128 },
};

static struct machine *machine_with(const char *profile, uint32_t min_block, uint32_t cpus, uint32_t shuffle_seed)
{
    struct machine_config config = { .memory = 64 * MIB, .min_block = min_block, .cpus = cpus };
    config.profile = (uint32_t)profile_find(profile, strlen(profile))->id;
    config.slab_shuffle_seed = shuffle_seed;
    return fixture_machine_of(&config);
}

static void test_sizes(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(SIZES); i++) {
        struct machine *m = machine_with(SIZES[i].profile, SIZES[i].min_block, 1, 0);
        uint64_t address = take(m, SIZES[i].size, GFP_KERNEL);
        if (!SIZES[i].usable) {
            assert_int_equal(address, 0);
            assert_true(m->trace.message_length > 0);
        } else {
            assert_int_equal(usable(m, address), SIZES[i].usable);
            give(m, address);
        }
        check(m, true);
        machine_destroy(m);
    }
}

static void test_nothing_is_a_size(void **state)
{
    (void)state;
    struct machine *m = fixture_machine("linux-6.1", 64 * MIB);
    assert_int_equal(take(m, 0, GFP_KERNEL), ZERO_SIZE_PTR);
    assert_int_equal(usable(m, ZERO_SIZE_PTR), 0);
    give(m, ZERO_SIZE_PTR);
    give(m, 0);
    assert_int_equal(m->state.kmalloc.nr_live, 0);
    machine_destroy(m);
}

static void test_too_large_says_so(void **state)
{
    (void)state;
    struct machine *m = fixture_machine("classic", 0);
    assert_int_equal(take(m, 131057, GFP_KERNEL), 0);
    assert_string_equal(m->trace.message, "kmalloc of too large a block (131057 bytes).\n");
    machine_destroy(m);
}

/* From /proc/slabinfo of machines with that many CPUs. */
static const struct {
    uint32_t size, nr_cpus, order;
} ORDERS[] = { { 192, 1, 0 },  { 192, 8, 0 },  { 256, 4, 0 },  { 256, 8, 1 },  { 416, 1, 1 },
               { 416, 8, 2 },  { 512, 1, 0 },  { 512, 4, 1 },  { 512, 8, 2 },  { 832, 1, 2 },
               { 832, 8, 3 },  { 1024, 1, 1 }, { 1024, 2, 2 }, { 1024, 8, 3 }, { 1216, 2, 2 },
               { 1216, 4, 3 }, { 2496, 1, 3 }, { 6208, 8, 3 }, { 8192, 1, 3 }, { 262144, 1, 6 } };

static void test_slab_orders(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(ORDERS); i++)
        assert_int_equal(slub_order(ORDERS[i].size, ORDERS[i].nr_cpus), ORDERS[i].order);
}

/* How many objects a slab has, and from the kernel's own figures, how many slabs a CPU and the node keep. */
static const struct {
    const char *name;
    uint32_t objects, cpu_partial_slabs, min_partial;
} SHAPES[] = { { "kmalloc-8", 512, 1, 5 },  { "kmalloc-96", 42, 6, 5 },     { "kmalloc-256", 16, 7, 5 },
               { "kmalloc-512", 8, 13, 5 }, { "kmalloc-1k", 8, 6, 5 },      { "kmalloc-4k", 8, 2, 6 },
               { "kmalloc-8k", 4, 3, 6 },   { "kmalloc-rcl-64", 64, 4, 5 }, { "dma-kmalloc-192", 21, 12, 5 } };

static void test_shapes(void **state)
{
    (void)state;
    struct machine *m = fixture_machine("linux-6.1", 64 * MIB);
    for (size_t i = 0; i < COUNT(SHAPES); i++) {
        const struct kmalloc *k = &m->state.kmalloc;
        const struct cache *cache = cache_at(k, kmem_cache_find(k, fixture_text(SHAPES[i].name)));
        assert_string_equal(cache->name, SHAPES[i].name);
        assert_int_equal(cache->objects, SHAPES[i].objects);
        assert_int_equal(cache->cpu_partial_slabs, SHAPES[i].cpu_partial_slabs);
        assert_int_equal(cache->min_partial, SHAPES[i].min_partial);
    }
    machine_destroy(m);
}

/* Slabs as text: where each one stands, and how many of its objects are live: "CPU 1, chain 2 2, node 0". */
static void slab_places(const struct kmalloc *k, struct cache_ref ref, char *text, size_t capacity)
{
    const struct cache *cache = cache_at(k, ref);
    const struct cpu_slab *cpu = &cache->cpus[0];
    size_t n = (size_t)snprintf(text, capacity, "cpu");
    if (cpu->slab.index)
        n += (size_t)snprintf(text + n, capacity - n, " %u", slab_at(k, cpu->slab)->nr_live);
    n += (size_t)snprintf(text + n, capacity - n, ", chain");
    for (struct slab_ref i = cpu->partial; i.index; i = slab_at(k, i)->next)
        n += (size_t)snprintf(text + n, capacity - n, " %u", slab_at(k, i)->nr_live);
    n += (size_t)snprintf(text + n, capacity - n, ", node");
    for (struct slab_ref i = slab_list_first(&cache->partial); i.index; i = slab_at(k, i)->next)
        n += (size_t)snprintf(text + n, capacity - n, " %u", slab_at(k, i)->nr_live);
}

static void expect_places(struct machine *m, const char *want)
{
    char got[256];
    struct kmalloc *k = &m->state.kmalloc;
    slab_places(k, kmem_cache_find(k, fixture_text("kmalloc-4k")), got, sizeof got);
    assert_string_equal(got, want);
}

/* kmalloc-4k: 8 objects a slab, 2 slabs in a CPU's chain, at least 6 kept on the node's list. */
static void test_slabs_travel(void **state)
{
    (void)state;
    struct machine *m = fixture_machine("linux-6.1", 64 * MIB);
    uint64_t a[12][8];
    for (unsigned s = 0; s < 12; s++)
        for (unsigned i = 0; i < 8; i++)
            a[s][i] = take(m, 4096, GFP_KERNEL);
    expect_places(m, "cpu 8, chain, node");
    give(m, a[0][0]);
    give(m, a[1][0]);
    give(m, a[1][1]);
    expect_places(m, "cpu 8, chain 6 7, node"); /* newest first */
    give(m, a[2][0]);
    expect_places(m, "cpu 8, chain 7, node 6 7"); /* the chain was full: all of it moved, in its order */
    for (unsigned i = 1; i < 8; i++)
        give(m, a[0][i]);
    expect_places(m, "cpu 8, chain 7, node 6 0"); /* empty, but the node keeps it */
    take(m, 4096, GFP_KERNEL);
    expect_places(m, "cpu 8, chain, node 6 0"); /* the chain's slab had one object */
    take(m, 4096, GFP_KERNEL);
    expect_places(m, "cpu 7, chain 0, node"); /* the node's first, and some behind it for the chain */
    for (unsigned s = 3; s < 11; s++)
        for (unsigned i = 0; i < 8; i++)
            give(m, a[s][i]);
    expect_places(m,
                  "cpu 7, chain 0, node 0 0 0 0 0 0"); /* the last chain that moved was empty slabs too many: given back */
    assert_int_equal(pool_nr_live(&m->state.kmalloc.slabs), 10);
    check(m, true);
    machine_destroy(m);
}

/* --- classic pages --- */

static void test_descriptor_is_visible(void **state)
{
    (void)state;
    struct machine *m = fixture_machine("classic", 0);
    uint64_t a = take(m, 64, GFP_KERNEL);
    uint32_t words[4];
    assert_int_equal(a & 4095, 16);
    frame_read(&m->state.frames, physical(m, a) - 16, words, sizeof words);
    assert_int_equal(words[0], 0);      /* next page of the bucket */
    assert_int_equal(words[1], a + 64); /* first free block */
    assert_int_equal(words[2], 1);      /* the second size */
    assert_int_equal(words[3], 62);     /* of 63 blocks */
    uint32_t next;
    frame_read(&m->state.frames, physical(m, a) + 64, &next, sizeof next);
    assert_int_equal(next, a + 128);
    give(m, a);
    assert_int_equal(m->state.frames.kind_count[FRAME_SLAB], 0); /* all blocks free: the page went back */
    machine_destroy(m);
}

static void test_classic_blocks_per_page(void **state)
{
    (void)state;
    static const uint32_t EXPECTED[][2] = { { 32, 127 }, { 64, 63 },  { 128, 31 }, { 252, 16 },
                                            { 508, 8 },  { 1020, 4 }, { 2040, 2 }, { 4080, 1 } };
    struct machine *m = fixture_machine("classic", 0);
    for (size_t i = 0; i < COUNT(EXPECTED); i++) {
        uint64_t first = take(m, EXPECTED[i][0], GFP_KERNEL), address;
        uint32_t nr = 1;
        for (; (address = take(m, EXPECTED[i][0], GFP_KERNEL)) >> PAGE_SHIFT == first >> PAGE_SHIFT; nr++)
            assert_int_equal(address, first + (uint64_t)nr * EXPECTED[i][0]);
        assert_int_equal(nr, EXPECTED[i][1]);
    }
    check(m, true);
    machine_destroy(m);
}

static void test_dma_has_its_own_pages(void **state)
{
    (void)state;
    static const char *const PROFILES[] = { "classic", "linux-6.1" };
    for (size_t i = 0; i < COUNT(PROFILES); i++) {
        struct machine *m = fixture_machine(PROFILES[i], 64 * MIB);
        uint64_t plain = take(m, 100, GFP_KERNEL), dma = take(m, 100, GFP_KERNEL | GFP_DMA);
        assert_int_not_equal(plain >> PAGE_SHIFT, dma >> PAGE_SHIFT);
        assert_true(physical(m, dma) < 16 * MIB);
        struct kmalloc_record block;
        assert_true(kmalloc_find(&m->state.kmalloc, dma, &block));
        assert_string_equal(block.cache, "dma-kmalloc-128");
        machine_destroy(m);
    }
}

/* --- contents --- */

/* Stale bytes stay, but for the free pointer; with __GFP_ZERO none does. */
static void test_stale_and_zero(void **state)
{
    (void)state;
    static const struct {
        const char *profile;
        uint64_t size, pointer_at, pointer_size;
    } CASES[] = { { "linux-6.1", 8, 0, 8 },   { "linux-6.1", 16, 8, 8 },      { "linux-6.1", 96, 48, 8 },
                  { "linux-6.1", 64, 32, 8 }, { "linux-6.1", 8192, 4096, 8 }, { "classic", 128, 0, 4 } };
    uint8_t bytes[8192];
    for (size_t i = 0; i < COUNT(CASES); i++) {
        struct machine *m = fixture_machine(CASES[i].profile, 64 * MIB);
        uint64_t size = CASES[i].size, keeps_page = take(m, size, GFP_KERNEL), a = take(m, size, GFP_KERNEL);
        frame_fill(&m->state.frames, physical(m, a), 0xaa, size);
        give(m, a);
        assert_int_equal(take(m, size, GFP_KERNEL), a);
        frame_read(&m->state.frames, physical(m, a), bytes, size);
        for (uint64_t b = 0; b < size; b++)
            if (b - CASES[i].pointer_at >= CASES[i].pointer_size)
                assert_int_equal(bytes[b], 0xaa);
        give(m, a);
        assert_int_equal(take(m, size, GFP_KERNEL | __GFP_ZERO), a);
        frame_read(&m->state.frames, physical(m, a), bytes, size);
        for (uint64_t b = 0; b < size; b++)
            assert_int_equal(bytes[b], 0);
        give(m, keeps_page);
        machine_destroy(m);
    }
}

static void test_init_on_alloc(void **state)
{
    (void)state;
    struct machine_config config = { .profile = PROFILE_LINUX_6_1, .memory = 64 * MIB, .init_on_alloc = 1 };
    struct machine *m = fixture_machine_of(&config);
    static const uint64_t SIZES_TRIED[] = { 64, 20000 };
    uint8_t bytes[20000];
    for (size_t i = 0; i < COUNT(SIZES_TRIED); i++) {
        uint64_t size = SIZES_TRIED[i], a = take(m, size, GFP_KERNEL);
        frame_fill(&m->state.frames, physical(m, a), 0xaa, size);
        give(m, a);
        assert_int_equal(take(m, size, GFP_KERNEL), a);
        frame_read(&m->state.frames, physical(m, a), bytes, size);
        for (uint64_t b = 0; b < size; b++)
            assert_int_equal(bytes[b], 0);
    }
    machine_destroy(m);
}

static void test_krealloc(void **state)
{
    (void)state;
    static const char *const PROFILES[] = { "linux-6.1", "classic" };
    for (size_t i = 0; i < COUNT(PROFILES); i++) {
        struct machine *m = fixture_machine(PROFILES[i], 64 * MIB);
        uint8_t before[128], after[128];
        uint64_t a = take(m, 100, GFP_KERNEL), b;
        for (unsigned n = 0; n < sizeof before; n++)
            before[n] = (uint8_t)(n * 7 + 1);
        frame_write(&m->state.frames, physical(m, a), before, sizeof before);
        assert_int_equal(kmalloc_realloc(start(m), a, &(struct kmalloc_request){ .size = 128, .gfp = GFP_KERNEL },
                                         &(struct name_ref){ 0 })
                             .address,
                         a); /* fits */
        assert_int_equal(
            kmalloc_realloc(start(m), a, &(struct kmalloc_request){ .size = 1, .gfp = GFP_KERNEL }, &(struct name_ref){ 0 })
                .address,
            a); /* never shrinks */
        assert_int_equal(m->state.kmalloc.requested_bytes, 1);
        b = kmalloc_realloc(start(m), a, &(struct kmalloc_request){ .size = 20000, .gfp = GFP_KERNEL },
                            &(struct name_ref){ 0 })
                .address;
        assert_int_not_equal(a, b);
        frame_read(&m->state.frames, physical(m, b), after, sizeof after);
        assert_memory_equal(before, after, sizeof before);
        assert_int_equal(m->state.kmalloc.requested_bytes, 20000);
        assert_int_equal(m->state.kmalloc.nr_live, 1);
        assert_int_equal(kmalloc_realloc(start(m), b, &(struct kmalloc_request){ .size = 64 * MIB, .gfp = GFP_KERNEL },
                                         &(struct name_ref){ 0 })
                             .address,
                         0); /* refused: the block stays */
        assert_int_equal(m->state.kmalloc.nr_live, 1);
        check(m, true);
        give(m, b);
        machine_destroy(m);
    }
    struct machine *m = fixture_machine("linux-6.1", 64 * MIB);
    uint64_t a =
        kmalloc_realloc(start(m), 0, &(struct kmalloc_request){ .size = 100, .gfp = GFP_KERNEL }, &(struct name_ref){ 0 })
            .address;
    assert_int_equal(
        kmalloc_realloc(start(m), a, &(struct kmalloc_request){ .size = 0, .gfp = GFP_KERNEL }, &(struct name_ref){ 0 })
            .address,
        ZERO_SIZE_PTR);
    assert_int_equal(m->state.kmalloc.nr_live, 0);
    machine_destroy(m);
}

/* --- misuse: a bug with its reason, and nothing changed; wrong addresses in slabs of SLUB: see test_slab_free.c --- */

static void expect_refusal(struct machine *m, uint64_t address, const char *words)
{
    start(m);
    uint64_t before = machine_hash(m);
    bool is_refused = !kmalloc_look(&m->state.kmalloc, address).slab.index || m->profile->kmalloc_style == KMALLOC_BUCKETS;
    if (is_refused) {
        kmalloc_free(&m->state.kmalloc, address, NAME_NONE);
        expect_bug(m, "kfree");
        expect_bug(m, words);
    }
    assert_int_equal(machine_hash(m), before);
    kmalloc_usable(start(m), address);
    expect_bug(m, "ksize");
    assert_int_equal(kmalloc_realloc(start(m), address, &(struct kmalloc_request){ .size = 100, .gfp = GFP_KERNEL },
                                     &(struct name_ref){ 0 })
                         .address,
                     0);
    expect_bug(m, "krealloc");
    assert_int_equal(machine_hash(m), before);
}

static void test_misuse(void **state)
{
    (void)state;
    static const char *const PROFILES[] = { "linux-6.1", "classic" };
    for (size_t i = 0; i < COUNT(PROFILES); i++) {
        struct machine *m = fixture_machine(PROFILES[i], 64 * MIB);
        uint64_t a = take(m, 60, GFP_KERNEL), keeps_page = take(m, 60, GFP_KERNEL);
        expect_refusal(m, a + 8, "invalid pointer, 8 bytes into the object");
        give(m, a);
        expect_refusal(m, a, "double free");
        expect_refusal(m, a + 1, "invalid pointer");
        expect_refusal(m, i ? 1 : 17, "not an address of the direct map");
        expect_refusal(m, UINT64_MAX, "not an address of the direct map");
        expect_refusal(m, m->profile->page_offset + 64 * MIB, "not an address of the direct map");
        give(m, keeps_page);
        uint64_t pages = frame_address(&m->state.frames, reclaim_alloc_pages(&m->state.reclaim, GFP_KERNEL, 1));
        expect_refusal(m, pages, "alloc_pages");
        struct op vmalloc = fixture_alloc(OP_VMALLOC, 5000, 0);
        expect_refusal(m, fixture_apply(m, vmalloc)->address, "not an address of the direct map");
        machine_destroy(m);
    }
    struct machine *m = fixture_machine("linux-6.1", 64 * MIB);
    uint64_t large = take(m, 100000, GFP_KERNEL);
    give(m, large);
    expect_refusal(m, large, "page frame is free");
    assert_int_equal(frame_address(&m->state.frames, reclaim_alloc_pages(&m->state.reclaim, GFP_KERNEL, 5)), large);
    expect_refusal(m, large, "alloc_pages");
    uint64_t tail = take(m, 90, GFP_KERNEL) & ~UINT64_C(4095);
    expect_refusal(m, tail + 42 * 96, "unused end of a slab");
    machine_destroy(m);
    m = fixture_machine("classic", 0);
    expect_refusal(m, take(m, 90, GFP_KERNEL) - 16, "page descriptor");
    machine_destroy(m);
}

/* --- chains that somebody wrote over: SLUB goes where the bytes say (test_slab_misuse.c), the old kernels look --- */

static void test_broken_chain(void **state)
{
    (void)state;
    struct machine *m = fixture_machine("classic", 0);
    struct frames *frames = &m->state.frames;
    uint64_t a = take(m, 64, GFP_KERNEL), b = take(m, 64, GFP_KERNEL);
    give(m, b);
    frame_fill(frames, physical(m, b), 0x55, 4);
    assert_int_equal(take(m, 64, GFP_KERNEL), 0);
    expect_bug(m, "isn't free");
    frame_fill(frames, physical(m, a) - 16, 0x55, 16);
    assert_int_equal(take(m, 64, GFP_KERNEL), 0);
    expect_bug(m, "page descriptor");
    kmalloc_free(start(m), a, NAME_NONE);
    expect_bug(m, "page descriptor");
    check(m, false);
    machine_destroy(m);
}

/* --- random runs against a model --- */

#define SLOTS 700

struct model {
    struct machine *m;
    struct fixture_random random;
    struct {
        uint64_t address, usable, requested;
        uint8_t fill;
    } slots[SLOTS];
    uint64_t nr_live, requested;
    bool scribbles; /* also writes to what is free */
};

static uint64_t pick_size(struct model *model, bool slub)
{
    uint64_t limit = UINT64_C(1) << fixture_random_below(&model->random, slub ? 16 : 15);
    return 1 + fixture_random_below(&model->random, limit);
}

static void model_alloc(struct model *model, unsigned i)
{
    static const uint32_t GFPS[] = {
        GFP_KERNEL,        GFP_ATOMIC, GFP_KERNEL | __GFP_ZERO, GFP_KERNEL | GFP_DMA, GFP_KERNEL | __GFP_RECLAIMABLE,
        GFP_KERNEL_ACCOUNT
    };
    struct machine *m = model->m;
    uint64_t size = pick_size(model, m->profile->kmalloc_style == KMALLOC_SLUB);
    uint64_t address = take(m, size, GFPS[fixture_random_below(&model->random, COUNT(GFPS))]);
    if (!address)
        return; /* no memory, or a broken chain */
    model->slots[i].address = address;
    model->slots[i].usable = usable(m, address);
    model->slots[i].requested = size;
    model->slots[i].fill = (uint8_t)(i * 31 + 1);
    assert_true(model->slots[i].usable >= size);
    frame_fill(&m->state.frames, physical(m, address), model->slots[i].fill, model->slots[i].usable);
    model->nr_live++;
    model->requested += size;
}

/* Nobody else may have written to the bytes: blocks never overlap. */
static void model_free(struct model *model, unsigned i)
{
    static uint8_t bytes[131072];
    struct machine *m = model->m;
    frame_read(&m->state.frames, physical(m, model->slots[i].address), bytes, model->slots[i].usable);
    for (uint64_t b = 0; b < model->slots[i].usable; b++)
        if (bytes[b] != model->slots[i].fill)
            fail_msg("byte %llu of slot %u was overwritten", (unsigned long long)b, i);
    kmalloc_free(start(m), model->slots[i].address, NAME_NONE);
    if (m->trace.outcome == OUTCOME_BUG) { /* a classic page descriptor that was scribbled on */
        assert_true(model->scribbles);
        return;
    }
    model->nr_live--;
    model->requested -= model->slots[i].requested;
    model->slots[i].address = 0;
}

/* A stray write of one word into some slab page, but not into a live object: the model could not tell it from an overlap.
 */
static void scribble(struct model *model)
{
    struct machine *m = model->m;
    struct kmalloc *k = start(m);
    struct slab_ref ref = { 1 + (uint32_t)fixture_random_below(&model->random, k->slabs.nr_used) };
    if (ref.index >= k->slabs.nr_used || !slab_at(k, ref)->pfn)
        return;
    const struct slab *slab = slab_at(k, ref);
    const struct cache *cache = cache_at(k, slab->cache);
    uint32_t object = (uint32_t)fixture_random_below(&model->random, slab->objects);
    uint32_t other = (uint32_t)fixture_random_below(&model->random, slab->objects);
    uint64_t words[] = { 0, 0x1122334455667788, object_address(k, cache, slab, other),
                         object_address(k, cache, slab, other) };
    uint64_t word = words[fixture_random_below(&model->random, COUNT(words))];
    if (!track_at(k, slab, object)->live)
        frame_write(k->frames, object_physical(cache, slab, object) + cache->offset, &word, cache->head ? 4 : 8);
}

static void model_step(struct model *model)
{
    unsigned i = (unsigned)fixture_random_below(&model->random, SLOTS);
    model->m->trace.cpu = (uint8_t)fixture_random_below(&model->random, model->m->state.config.cpus);
    if (model->slots[i].address)
        model_free(model, i);
    else
        model_alloc(model, i);
    if (model->scribbles && !fixture_random_below(&model->random, 20))
        scribble(model);
    assert_int_equal(model->m->state.kmalloc.nr_live, model->nr_live);
    assert_int_equal(model->m->state.kmalloc.requested_bytes, model->requested);
}

static void run_model(struct machine *m, unsigned nr_steps, bool scribbles)
{
    static struct model model;
    memset(&model, 0, sizeof model);
    model.m = m;
    model.random.state = fixture_seed();
    model.scribbles = scribbles;
    machine_record_events(m, false);
    for (unsigned n = 0; n < nr_steps; n++) {
        model_step(&model);
        check(m, !scribbles);
    }
    for (unsigned i = 0; i < SLOTS; i++)
        if (model.slots[i].address)
            model_free(&model, i);
    check(m, !scribbles);
    if (!scribbles)
        assert_int_equal(m->state.kmalloc.nr_live, 0);
    fixture_check(m);
    machine_destroy(m);
}

static void test_random_slub(void **state)
{
    (void)state;
    run_model(machine_with("linux-6.1", 0, 1, 0), 6000, false);
    run_model(machine_with("linux-6.1", 0, 4, 99), 6000, false);
}

static void test_random_classic(void **state)
{
    (void)state;
    run_model(machine_with("classic", 32, 1, 0), 6000, false);
    run_model(machine_with("classic", 64, 1, 0), 2000, false);
}

static void test_random_with_stray_writes(void **state)
{
    (void)state;
    run_model(machine_with("classic", 32, 1, 0), 4000, true);
}

/* --- memory runs out --- */

static void test_exhaustion(void **state)
{
    (void)state;
    static const char *const PROFILES[] = { "linux-6.1", "classic" };
    static const uint64_t EACH[] = { 4000, 1000, 8000 };
    static uint64_t got[65536];
    for (size_t i = 0; i < COUNT(PROFILES) * COUNT(EACH); i++) {
        struct machine *m = fixture_machine(PROFILES[i % 2], 32 * MIB);
        machine_record_events(m, false);
        size_t nr = 0;
        while (nr < COUNT(got) && (got[nr] = take(m, EACH[i / 2], GFP_ATOMIC)))
            nr++;
        assert_true(nr > 100 && nr < COUNT(got));
        assert_true(m->trace.message_length > 0);
        check(m, true);
        while (nr)
            give(m, got[--nr]);
        check(m, true);
        fixture_check(m);
        assert_int_not_equal(take(m, EACH[i / 2], GFP_ATOMIC), 0);
        machine_destroy(m);
    }
}

/* With no block of the wished order left, a slab of the minimum order must do. */
static void test_minimum_order(void **state)
{
    (void)state;
    struct machine *m = fixture_machine("linux-6.1", 32 * MIB);
    machine_record_events(m, false);
    static uint32_t pages[8192];
    size_t nr = 0;
    start(m);
    while (nr < COUNT(pages) &&
           (pages[nr] = reclaim_alloc_pages(&m->state.reclaim, GFP_NOWAIT | __GFP_MEMALLOC | __GFP_NOWARN, 0)))
        nr++;
    for (size_t i = 0; i < nr; i++) /* every second frame: nothing merges */
        if (pages[i] % 2)
            page_free(&m->state.pages, pages[i], 0);
    uint64_t address = take(m, 2048, GFP_ATOMIC);
    assert_int_not_equal(address, 0);
    struct found found = kmalloc_look(&m->state.kmalloc, address);
    assert_int_equal(slab_at(&m->state.kmalloc, found.slab)->order, 0);
    assert_int_equal(slab_at(&m->state.kmalloc, found.slab)->objects, 2);
    check(m, true);
    give(m, address);
    machine_destroy(m);
}

/* --- caches --- */

static struct cache_ref make_cache(struct machine *m, const char *name, uint64_t size, uint64_t align)
{
    return kmem_cache_create(start(m), fixture_text(name), &(struct kmem_cache_args){ .size = size, .align = align });
}

static void test_cache_life(void **state)
{
    (void)state;
    struct machine *m = fixture_machine("linux-6.1", 64 * MIB);
    struct kmalloc *k = &m->state.kmalloc;
    struct cache_ref inode = make_cache(m, "inode", 600, 0), other = make_cache(m, "other", 600, 256);
    static uint64_t objects[1000];
    assert_true(inode.index && other.index && inode.index != other.index);
    assert_int_equal(cache_at(k, other)->size, 768);
    for (size_t i = 0; i < COUNT(objects); i++) {
        objects[i] =
            kmem_cache_alloc(start(m), i % 2 ? other : inode, &(struct kmalloc_request){ .gfp = GFP_KERNEL }).address;
        assert_int_equal(objects[i] % (i % 2 ? 256 : 8), 0);
    }
    assert_int_equal(usable(m, objects[0]), 600);
    kmem_cache_free(start(m), other, objects[0], NAME_NONE);
    expect_bug(m, "cache_from_obj: Wrong slab cache. other but object is from inode");
    objects[0] = kmem_cache_alloc(start(m), inode, &(struct kmalloc_request){ .gfp = GFP_KERNEL })
                     .address; /* it has gone back, with a warning */
    kmem_cache_destroy(start(m), inode, NAME_NONE);
    expect_bug(m, "kmem_cache_destroy inode: Slab cache still has objects");
    for (size_t i = 0; i < COUNT(objects); i++) {
        if (i % 3)
            kmem_cache_free(start(m), i % 4 ? CACHE_NONE : inode, objects[i], NAME_NONE);
        else
            kmalloc_free(start(m), objects[i], NAME_NONE);
        assert_int_equal(m->trace.outcome, OUTCOME_OK);
    }
    check(m, true);
    kmem_cache_destroy(start(m), inode, NAME_NONE);
    kmem_cache_destroy(start(m), other, NAME_NONE);
    assert_int_equal(m->trace.outcome, OUTCOME_OK);
    assert_int_equal(m->state.frames.kind_count[FRAME_SLAB], 0);
    assert_int_equal(kmem_cache_find(k, fixture_text("inode")).index, 0);
    check(m, true);
    machine_destroy(m);
}

/* The longest name is kept whole and found again; one byte more is refused, not cut. */
static void test_cache_names(void **state)
{
    (void)state;
    struct machine *m = fixture_machine("linux-6.1", 64 * MIB);
    struct kmalloc *k = &m->state.kmalloc;
    char name[CACHE_NAME_MAX + 2];
    memset(name, 'n', sizeof name);
    name[CACHE_NAME_MAX + 1] = '\0';
    assert_int_equal(make_cache(m, name, 64, 0).index, 0);
    assert_int_equal(m->trace.outcome, OUTCOME_NULL);
    name[CACHE_NAME_MAX] = '\0';
    struct cache_ref longest = make_cache(m, name, 64, 0);
    assert_int_equal(m->trace.outcome, OUTCOME_OK);
    assert_int_equal(strlen(name), 63);
    assert_string_equal(kmem_cache_name(k, longest), name);
    assert_int_equal(kmem_cache_find(k, fixture_text(name)).index, longest.index);
    assert_int_equal(make_cache(m, "", 64, 0).index, 0);
    machine_destroy(m);
}

static void test_cache_refusals(void **state)
{
    (void)state;
    struct machine *m = fixture_machine("linux-6.1", 64 * MIB);
    assert_int_equal(make_cache(m, "empty", 0, 0).index, 0);
    assert_int_equal(m->trace.outcome, OUTCOME_NULL);
    assert_int_equal(make_cache(m, "huge", 4 * MIB + 1, 0).index, 0);
    assert_int_equal(make_cache(m, "odd", 100, 24).index, 0);
    assert_int_equal(make_cache(m, "wide", 4 * MIB, 0).index != 0, 1);
    assert_int_equal(make_cache(m, "kmalloc-64", 64, 0).index, 0);
    expect_bug(m, "sysfs: cannot create duplicate filename");
    kmem_cache_destroy(start(m), kmem_cache_find(&m->state.kmalloc, fixture_text("kmalloc-64")), NAME_NONE);
    expect_bug(m, "kmalloc itself");
    check(m, true);
    machine_destroy(m);
    m = fixture_machine("classic", 0);
    assert_int_equal(make_cache(m, "inode", 600, 0).index, 0);
    assert_int_equal(m->trace.outcome, OUTCOME_NULL);
    assert_non_null(strstr(m->trace.message, "no slab caches"));
    machine_destroy(m);
}

/* --- CPUs, shuffled lists, views --- */

static void test_other_cpus_free(void **state)
{
    (void)state;
    struct machine *m = machine_with("linux-6.1", 0, 2, 0);
    struct kmalloc *k = &m->state.kmalloc;
    uint64_t a = take(m, 64, GFP_KERNEL);
    m->trace.cpu = 1;
    uint64_t b = take(m, 64, GFP_KERNEL);
    assert_int_not_equal(a >> PAGE_SHIFT, b >> PAGE_SHIFT); /* each CPU its own slab */
    give(m, a);                                             /* into CPU 0's slab: on the slab's list, not on this CPU's */
    struct found found = kmalloc_look(k, a);
    assert_int_equal(slab_at(k, found.slab)->freelist, found.object + 1);
    assert_int_not_equal(take(m, 64, GFP_KERNEL), a);
    m->trace.cpu = 0;
    assert_int_not_equal(take(m, 64, GFP_KERNEL), a); /* CPU 0's own list comes first */
    check(m, true);
    machine_destroy(m);
}

/* Every new slab of one cache is a rotation of one permutation. */
static void test_shuffle_rotates(void **state)
{
    (void)state;
    uint32_t orders[4][64], entries[4];
    struct machine *m = machine_with("linux-6.1", 0, 1, 12345);
    for (unsigned s = 0; s < 4; s++) {
        for (unsigned i = 0; i < 64; i++)
            orders[s][i] = (uint32_t)(take(m, 64, GFP_KERNEL) & 4095) / 64;
        for (entries[s] = 0; orders[s][entries[s]];)
            entries[s]++;
        for (unsigned i = 0; i < 64; i++)
            assert_int_equal(orders[s][(entries[s] + i) % 64], orders[0][(entries[0] + i) % 64]);
    }
    assert_false(entries[0] == entries[1] && entries[1] == entries[2] && entries[2] == entries[3]);
    assert_int_not_equal(orders[0][(entries[0] + 1) % 64], 1);
    machine_destroy(m);
}

/* Another seed, another order; another cache, too. The same seed again: the same. */
static void test_shuffle_follows_its_seed(void **state)
{
    (void)state;
    static const struct {
        uint32_t seed, size;
    } RUNS[] = { { 1, 64 }, { 1, 64 }, { 2, 64 }, { 1, 56 } };
    uint32_t orders[COUNT(RUNS)][64];
    for (size_t run = 0; run < COUNT(RUNS); run++) {
        struct machine *m = machine_with("linux-6.1", 0, 1, RUNS[run].seed);
        uint32_t gfp = RUNS[run].size == 56 ? GFP_KERNEL_ACCOUNT : GFP_KERNEL;
        for (unsigned i = 0; i < 64; i++)
            orders[run][i] = (uint32_t)(take(m, RUNS[run].size, gfp) & 4095) / 64;
        machine_destroy(m);
    }
    assert_memory_equal(orders[0], orders[1], sizeof orders[0]);
    assert_memory_not_equal(orders[0], orders[2], sizeof orders[0]);
    assert_memory_not_equal(orders[0], orders[3], sizeof orders[0]);
}

static void test_listing(void **state)
{
    (void)state;
    static const char *const PROFILES[] = { "linux-6.1", "classic" };
    for (size_t p = 0; p < COUNT(PROFILES); p++) {
        struct machine *m = fixture_machine(PROFILES[p], 64 * MIB);
        struct fixture_random random = { 5 };
        uint64_t requested = 0, cursor = 0, before = 0, nr = 0;
        for (unsigned i = 0; i < 500; i++) {
            uint64_t size = 1 + fixture_random_below(&random, i % 50 ? 3000 : 100000), a = take(m, size, GFP_KERNEL);
            requested += size;
            if (i % 3 == 0) {
                give(m, a);
                requested -= size;
            }
        }
        struct kmalloc_record block, found;
        for (; kmalloc_next(&m->state.kmalloc, &cursor, &block); nr++) {
            assert_true(block.address > before);
            assert_true(kmalloc_find(&m->state.kmalloc, block.address, &found));
            assert_int_equal(found.requested, block.requested);
            requested -= block.requested;
            before = block.address;
        }
        assert_int_equal(nr, m->state.kmalloc.nr_live);
        assert_int_equal(requested, 0);
        machine_destroy(m);
    }
}

/* A cache's slabs come list by list, in the order of each. */
static void test_slab_order(void **state)
{
    (void)state;
    struct machine *m = machine_with("linux-6.1", 0, 2, 0);
    uint64_t a[12][8];
    for (unsigned s = 0; s < 12; s++) {
        m->trace.cpu = s == 11;
        for (unsigned i = 0; i < 8; i++)
            a[s][i] = take(m, 4096, GFP_KERNEL);
    }
    m->trace.cpu = 0;
    for (unsigned s = 0; s < 3; s++)
        give(m, a[s][0]); /* the first two move to the node when the third comes */
    give(m, a[11][7]);    /* CPU 1's own */
    static const struct {
        const char *state;
        uint32_t cpu, position;
        unsigned slab; /* 12: whichever */
    } WANT[] = { { "cpu", 0, 0, 10 },    { "cpu_partial", 0, 0, 2 }, { "cpu", 1, 0, 11 },
                 { "partial", 0, 0, 1 }, { "partial", 0, 1, 0 },     { "full", 0, 0, 12 } };
    uint64_t cursor = 0;
    struct slab_view slab;
    for (size_t i = 0; view_next_slab(m, "kmalloc-4k", &cursor, &slab); i++) {
        size_t w = i < COUNT(WANT) ? i : COUNT(WANT) - 1;
        assert_string_equal(slab.state, WANT[w].state);
        assert_int_equal(slab.cpu, WANT[w].cpu);
        assert_int_equal(slab.position, WANT[w].position);
        if (WANT[w].slab < 12)
            assert_int_equal(slab.address, a[WANT[w].slab][0]);
        struct slab_view same;
        assert_true(view_slab(m, slab.pfn + 3, &same));
        assert_int_equal(same.pfn, slab.pfn);
    }
    struct chain_view chains;
    view_slab_chains(m, (uint32_t)((a[11][7] - m->state.frames.page_offset) >> PAGE_SHIFT), &chains);
    assert_int_equal(chains.nr, 1);
    assert_int_equal(chains.nr_cpu, 0);
    assert_int_equal(chains.first, a[11][7]);
    assert_int_equal(chains.nth[7], 1);
    machine_destroy(m);
}

/* What the views show of every cache, slab and object adds up. */
static void test_views(void **state)
{
    (void)state;
    static const char *const PROFILES[] = { "linux-6.1", "classic" };
    for (size_t p = 0; p < COUNT(PROFILES); p++) {
        struct machine *m = fixture_machine(PROFILES[p], 64 * MIB);
        for (unsigned i = 0; i < 300; i++)
            take(m, 20 + i * 10, GFP_KERNEL);
        uint64_t at = 0, nr_live = 0;
        for (struct cache_view cache; view_next_cache(m, &at, &cache);) {
            uint64_t at_slab = 0, nr_slabs = 0, nr_objects = 0, in_use = 0;
            for (struct slab_view slab; view_next_slab(m, cache.name, &at_slab, &slab); nr_slabs++) {
                uint64_t at_object = 0, used = 0, n = 0;
                for (struct object_view object; view_next_object(m, slab.pfn, &at_object, &object); n++) {
                    assert_int_equal(object.address, slab.address + n * cache.size);
                    used += object.in_use;
                }
                assert_int_equal(n, slab.nr_objects);
                assert_int_equal(used, slab.in_use);
                nr_objects += n;
                in_use += used;
            }
            assert_int_equal(nr_slabs, cache.nr_slabs);
            assert_int_equal(nr_objects, cache.nr_objects);
            assert_int_equal(in_use, cache.nr_in_use);
            nr_live += in_use;
        }
        assert_int_equal(nr_live, m->state.kmalloc.nr_live);
        machine_destroy(m);
    }
}

static void test_path(void **state)
{
    (void)state;
    static const enum path_step SLUB[] = { PATH_kmalloc, PATH___kmem_cache_alloc, PATH____slab_alloc, PATH_new_slab,
                                           PATH___get_free_pages };
    static const enum path_step CLASSIC[] = { PATH_kmalloc, PATH_get_km_page, PATH___get_free_pages };
    struct machine *m = fixture_machine("linux-6.1", 64 * MIB);
    take(m, 64, GFP_KERNEL);
    for (size_t i = 0; i < COUNT(SLUB); i++)
        assert_int_equal(m->trace.path[i], SLUB[i]);
    machine_destroy(m);
    m = fixture_machine("classic", 0);
    take(m, 64, GFP_KERNEL);
    for (size_t i = 0; i < COUNT(CLASSIC); i++)
        assert_int_equal(m->trace.path[i], CLASSIC[i]);
    machine_destroy(m);
}

/* Records cost at most 24 bytes for a live object, when slabs are full. */
static void test_records_are_small(void **state)
{
    (void)state;
    static const uint64_t EACH[] = { 8, 16, 32, 64, 96, 128, 192, 256, 512, 1024, 2048, 4096 };
    for (size_t i = 0; i < COUNT(EACH); i++) {
        struct machine *m = fixture_machine("linux-6.1", 64 * MIB);
        struct kmalloc *k = &m->state.kmalloc;
        while (k->nr_live < 4096)
            take(m, EACH[i], GFP_KERNEL);
        uint64_t bytes = (uint64_t)pool_nr_live(&k->slabs) * k->slabs.item_size;
        for (unsigned run = 0; run < NR_TRACK_RUNS; run++)
            bytes += (uint64_t)pool_nr_live(&k->tracks[run]) * k->tracks[run].item_size;
        assert_true(bytes <= 24 * k->nr_live);
        machine_destroy(m);
    }
}

static void test_host_refuses(void **state)
{
    (void)state;
    struct machine *m = fixture_machine("linux-6.1", 64 * MIB);
    struct fixture_host *host = (struct fixture_host *)m->host.context;
    machine_record_events(m, false);
    host->fail_after = (int64_t)host->nr_commits;
    enum pagoda_error err = PAGODA_OK;
    for (unsigned i = 0; i < 20000 && !err; i++) {
        err = kmalloc_reserve(&m->state.kmalloc, &m->host, 1);
        if (!err)
            err = pool_reserve(&m->state.frames.contents, &m->host, 16);
        trace_start(&m->trace, i, 0);
        if (!err)
            assert_int_not_equal(
                kmalloc_alloc(&m->state.kmalloc, &(struct kmalloc_request){ .size = 600, .gfp = GFP_KERNEL }).address, 0);
    }
    assert_int_equal(err, PAGODA_ERR_NOMEM);
    check(m, true);
    machine_destroy(m);
}

/* From any byte of a slab of 8 frames to the object that begins there; frames that are given back tell nothing. */
static void test_every_frame_leads_to_its_objects(void **state)
{
    (void)state;
    struct machine *m = machine_with("linux-6.1", 0, 16, 0);
    struct kmalloc *k = &m->state.kmalloc;
    uint64_t a = take(m, 3000, GFP_KERNEL);
    struct found found = kmalloc_look(k, a);
    const struct slab *slab = slab_at(k, found.slab);
    const struct cache *cache = cache_at(k, slab->cache);
    assert_int_equal(slab->order, 3);
    uint32_t first = slab->pfn;
    for (uint32_t place = 0; place < PAGE_SIZE << 3; place += 8) {
        found = kmalloc_look(k, frame_address(k->frames, first) + place);
        assert_int_equal(found.kind, place % cache->size ? FOUND_NOTHING : FOUND_OBJECT);
        assert_int_equal(found.pfn, first);
        if (found.kind == FOUND_OBJECT)
            assert_ptr_equal(found.track, track_at(k, slab, place / cache->size));
    }
    give(m, a);
    kmem_cache_shrink(k, slab->cache);
    for (uint32_t i = 0; i < 8; i++) {
        assert_int_equal(frame_at(k->frames, first + i)->owner, 0);
        assert_true(frame_at(k->frames, first + i)->index == 0);
    }
    check(m, true);
    machine_destroy(m);
}

/* Hints may name anything, as often as they like. */
static void test_hints_change_nothing(void **state)
{
    (void)state;
    static const char *const PROFILES[] = { "linux-6.1", "classic" };
    for (size_t p = 0; p < COUNT(PROFILES); p++) {
        struct machine *m = fixture_machine(PROFILES[p], 64 * MIB);
        for (uint64_t size = 8; size < 100000; size += size / 3)
            give(m, (take(m, size, GFP_KERNEL), take(m, size, GFP_KERNEL)));
        uint64_t before = machine_hash(m), base = m->state.frames.page_offset;
        struct op op = fixture_free(OP_KFREE, 0);
        for (uint64_t place = 0; place < 65 * MIB; place += 1000) {
            op.address = base + place;
            machine_prefetch(m, &op, PREFETCH_FAR);
            machine_prefetch(m, &op, PREFETCH_NEAR);
        }
        for (op.address = 1; op.address; op.address <<= 1)
            machine_prefetch(m, &op, PREFETCH_NEAR);
        op = fixture_alloc(OP_KMALLOC, 100, 0);
        machine_prefetch(m, &op, PREFETCH_NEAR);
        assert_true(machine_hash(m) == before);
        check(m, true);
        machine_destroy(m);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_frame_leads_to_its_objects),
        cmocka_unit_test(test_hints_change_nothing),
        cmocka_unit_test(test_sizes),
        cmocka_unit_test(test_nothing_is_a_size),
        cmocka_unit_test(test_too_large_says_so),
        cmocka_unit_test(test_slab_orders),
        cmocka_unit_test(test_shapes),
        cmocka_unit_test(test_slabs_travel),
        cmocka_unit_test(test_descriptor_is_visible),
        cmocka_unit_test(test_classic_blocks_per_page),
        cmocka_unit_test(test_dma_has_its_own_pages),
        cmocka_unit_test(test_stale_and_zero),
        cmocka_unit_test(test_init_on_alloc),
        cmocka_unit_test(test_krealloc),
        cmocka_unit_test(test_misuse),
        cmocka_unit_test(test_broken_chain),
        cmocka_unit_test(test_random_slub),
        cmocka_unit_test(test_random_classic),
        cmocka_unit_test(test_random_with_stray_writes),
        cmocka_unit_test(test_exhaustion),
        cmocka_unit_test(test_minimum_order),
        cmocka_unit_test(test_cache_life),
        cmocka_unit_test(test_cache_names),
        cmocka_unit_test(test_cache_refusals),
        cmocka_unit_test(test_other_cpus_free),
        cmocka_unit_test(test_shuffle_rotates),
        cmocka_unit_test(test_shuffle_follows_its_seed),
        cmocka_unit_test(test_listing),
        cmocka_unit_test(test_slab_order),
        cmocka_unit_test(test_views),
        cmocka_unit_test(test_path),
        cmocka_unit_test(test_records_are_small),
        cmocka_unit_test(test_host_refuses),
    };
    return cmocka_run_group_tests_name("kmalloc", tests, NULL, NULL);
}
