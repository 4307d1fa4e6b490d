/* Tests of slub_debug and of init_on_free: the layout of objects, what each fault is reported as, in which words, and what
 * is put right; and that machines with every combination of the options go on working. */
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
enum { F = SLUB_DEBUG_F, Z = SLUB_DEBUG_Z, POISON = SLUB_DEBUG_P, U = SLUB_DEBUG_U };

static struct machine *machine_with(uint32_t slub_debug, uint32_t cpus)
{
    struct machine_config config = { .profile = PROFILE_LINUX_6_1, .memory = 64 * MIB, .cpus = cpus };
    config.slub_debug = slub_debug;
    return fixture_machine_of(&config);
}

static uint64_t take(struct machine *m, uint64_t size, const char *call_site)
{
    struct op op = fixture_alloc(OP_KMALLOC, size, 0);
    op.call_site = fixture_text(call_site);
    op.given |= OP_BIT(CALL_SITE);
    return fixture_apply(m, op)->address;
}

static const struct op_result *give(struct machine *m, uint64_t address)
{
    struct op op = fixture_free(OP_KFREE, address);
    op.call_site = fixture_text("driver_remove");
    op.given |= OP_BIT(CALL_SITE);
    return fixture_apply(m, op);
}

static void expect_bytes(const struct machine *m, uint64_t address, uint8_t byte, uint64_t length)
{
    uint8_t bytes[4096];
    assert_int_equal(view_memory(m, address, 0, bytes, length), length);
    for (uint64_t i = 0; i < length; i++)
        if (bytes[i] != byte)
            fail_msg("byte %llu is %02x, not %02x", (unsigned long long)i, bytes[i], byte);
}

static void expect_words(const struct op_result *result, const char *words)
{
    if (!result->message || !strstr(result->message, words))
        fail_msg("no \"%s\" in \"%s\"", words, result->message ? result->message : "");
}

static void expect_clean(const struct op_result *result)
{
    if (result->outcome != OUTCOME_OK || result->message)
        fail_msg("unexpected: %s", result->message);
}

/* Worked out by hand from Linux's rules for an object and what follows it. */
static const struct {
    uint32_t debug;
    const char *cache;
    uint32_t size, inuse, offset, red_left, objects, order;
} LAYOUTS[] = {
    { 0, "kmalloc-64", 64, 64, 32, 0, 64, 0 },
    { F, "kmalloc-64", 64, 64, 32, 0, 64, 0 },
    { Z, "kmalloc-64", 192, 72, 32, 64, 21, 0 },     /* 64 + 8, + 8, and 64 in front */
    { POISON, "kmalloc-64", 128, 64, 64, 0, 32, 0 }, /* 64 + pointer */
    { U, "kmalloc-64", 192, 64, 32, 0, 21, 0 },      /* 64 + 2 * 32 + 4 */
    { F | Z | POISON | U, "kmalloc-64", 256, 72, 72, 64, 16, 0 },
    { F | Z | POISON | U, "kmalloc-8", 112, 16, 16, 8, 36, 0 }, /* 8 + 8 + 8 + 68, + 8, 8 in front: 108, aligned to 8 */
    { Z, "kmalloc-96", 120, 104, 48, 8, 34, 0 },
    { F | Z, "kmalloc-16", 48, 24, 8, 16, 85, 0 },
};

static void test_layouts(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(LAYOUTS); i++) {
        struct machine *m = machine_with(LAYOUTS[i].debug, 1);
        struct kmalloc *k = &m->state.kmalloc;
        const struct cache *cache = cache_at(k, kmem_cache_find(k, fixture_text(LAYOUTS[i].cache)));
        assert_int_equal(cache->size, LAYOUTS[i].size);
        assert_int_equal(cache->inuse, LAYOUTS[i].inuse);
        assert_int_equal(cache->offset, LAYOUTS[i].offset);
        assert_int_equal(cache->red_left, LAYOUTS[i].red_left);
        assert_int_equal(cache->objects, LAYOUTS[i].objects);
        assert_int_equal(cache->order, LAYOUTS[i].order);
        assert_int_equal(cache->cpu_partial_slabs == 0, LAYOUTS[i].debug != 0);
        machine_destroy(m);
    }
}

static void test_bytes(void **state)
{
    (void)state;
    struct machine *m = machine_with(F | Z | POISON | U, 1);
    uint64_t a = take(m, 50, "driver_probe");
    assert_int_equal(a % 64, 0); /* aligned as always: the red zone stands before it */
    expect_bytes(m, a - 64, 0xcc, 64);
    expect_bytes(m, a, 0x6b, 63); /* not zeroed: poisoned, to show who reads it before it is written */
    expect_bytes(m, a + 63, 0xa5, 1);
    expect_bytes(m, a + 64, 0xcc, 8);
    expect_bytes(m, a + 256 - 64, 0xbb, 64); /* the next object is free */
    expect_bytes(m, a + 144, 50, 1);         /* behind the tracks: the size asked for */
    expect_bytes(m, a + 148, 0x5a, 44);      /* padding behind the tracks */
    fixture_fill(m, FIXTURE_RANGE(a, 64), 0x11);
    expect_clean(give(m, a));
    expect_bytes(m, a - 64, 0xbb, 64);
    expect_bytes(m, a, 0x6b, 63);
    expect_bytes(m, a + 64, 0xbb, 8);
    struct op zeroed = fixture_alloc(OP_KZALLOC, 50, 0);
    assert_int_equal(fixture_apply(m, zeroed)->address, a);
    expect_bytes(m, a, 0, 64);
    assert_int_equal(fixture_apply(m, fixture_free(OP_KSIZE, a))->allocated, 64);
    machine_destroy(m);
}

/* A write, then a free or an allocation that finds it out. */
static const struct {
    const char *name;
    uint32_t debug;
    int32_t at; /* from the object's start */
    uint32_t length;
    bool after_free; /* found by the next allocation; else by the free */
    const char *heading, *first_byte, *fix;
} FAULTS[] = {
    { "overflow by one", F | Z, 64, 1, false, "BUG kmalloc-64 (Not tainted): Right Redzone overwritten\n",
      "First byte 0xee instead of 0xcc", "FIX kmalloc-64: Restoring Right Redzone 0x" },
    { "underflow", F | Z, -3, 3, false, "BUG kmalloc-64 (Not tainted): Left Redzone overwritten\n",
      "First byte 0xee instead of 0xcc", "FIX kmalloc-64: Restoring Left Redzone 0x" },
    { "use after free", F | POISON, 10, 4, true, "BUG kmalloc-64 (Not tainted): Poison overwritten\n",
      "First byte 0xee instead of 0x6b", "FIX kmalloc-64: Restoring Poison 0x" },
    { "use after free, last byte", F | POISON, 63, 1, true, "BUG kmalloc-64 (Not tainted): End Poison overwritten\n",
      "First byte 0xee instead of 0xa5", "FIX kmalloc-64: Restoring End Poison 0x" },
    { "overflow after free", F | Z, 70, 2, true, "BUG kmalloc-64 (Not tainted): Right Redzone overwritten\n",
      "First byte 0xee instead of 0xbb", "FIX kmalloc-64: Restoring Right Redzone 0x" },
    { "free pointer", F | POISON, 64, 8, true, "BUG kmalloc-64 (Not tainted): Freepointer corrupt\n",
      "fp=0xeeeeeeeeeeeeeeee", "FIX kmalloc-64: Marking all objects used" },
    { "with everything", F | Z | POISON | U, 0, 1, true, "BUG kmalloc-64 (Not tainted): Poison overwritten\n",
      "Freed in driver_remove age=0 cpu=0 pid=0\n", "FIX kmalloc-64: Marking all objects used" },
};

static void test_faults(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(FAULTS); i++) {
        struct machine *m = machine_with(FAULTS[i].debug, 1);
        uint64_t before = take(m, 64, "other"), a = take(m, 64, "driver_probe");
        if (FAULTS[i].after_free)
            expect_clean(give(m, a));
        fixture_fill(m, FIXTURE_RANGE(a + (uint64_t)(int64_t)FAULTS[i].at, FAULTS[i].length), 0xee);
        const struct op_result *result;
        if (FAULTS[i].after_free) {
            struct op op = fixture_alloc(OP_KMALLOC, 64, 0);
            result = fixture_apply(m, op);
            assert_int_not_equal(result->address, 0); /* the kernel goes on, with another slab */
            assert_int_not_equal(result->address >> 12, a >> 12);
        } else {
            result = give(m, a);
            expect_words(result, "not freed");
        }
        assert_int_equal(result->outcome, OUTCOME_BUG);
        expect_words(result, FAULTS[i].heading);
        expect_words(result, FAULTS[i].first_byte);
        expect_words(result, FAULTS[i].fix);
        expect_words(result, "Slab 0xffffea00");
        expect_words(result, "flags=0x"); /* and which zone: this machine has DMA and DMA32 */
        expect_words(result, "(slab|node=0|zone=");
        if (!FAULTS[i].after_free)
            expect_clean(give(m, a)); /* the bytes were put right */
        expect_clean(give(m, before));
        machine_destroy(m);
    }
}

/* The whole report of one overflow. */
static void test_report(void **state)
{
    (void)state;
    struct machine *m = machine_with(F | Z | U, 2);
    struct op op = fixture_alloc(OP_KMALLOC, 30, 0);
    op.call_site = fixture_text("driver_probe");
    op.cpu = 1;
    op.given |= OP_BIT(CALL_SITE) | OP_BIT(CPU);
    uint64_t a = fixture_apply(m, op)->address;
    struct op wait = fixture_op(OP_TICK);
    wait.duration_ns = 1000000000;
    wait.given = OP_BIT(DURATION);
    fixture_apply(m, wait);
    fixture_fill(m, FIXTURE_RANGE(a, 34), 'x');
    char want[4096];
    unsigned long long start = a & ~4095ull, slab = 0xffffea0000000000ull + ((start - 0xffff888000000000ull) >> 12) * 64;
    snprintf(want, sizeof want,
             "=============================================================================\n"
             "BUG kmalloc-32 (Not tainted): Right Redzone overwritten\n"
             "-----------------------------------------------------------------------------\n\n"
             "0x%016llx-0x%016llx @offset=%llu. First byte 0x78 instead of 0xcc\n"
             "Allocated in driver_probe age=250 cpu=1 pid=0\n"
             "Slab 0x%016llx objects=25 used=1 fp=0x%016llx flags=0xfffffc0000200(slab|node=0|zone=1|lastcpupid=0x1fffff)\n"
             "Object 0x%016llx @offset=%llu fp=0x7878787878787878\n\n"
             "Redzone  %016llx: cc cc cc cc cc cc cc cc cc cc cc cc cc cc cc cc  ................\n"
             "Redzone  %016llx: cc cc cc cc cc cc cc cc cc cc cc cc cc cc cc cc  ................\n"
             "Object   %016llx: 78 78 78 78 78 78 78 78 78 78 78 78 78 78 78 78  xxxxxxxxxxxxxxxx\n"
             "Object   %016llx: 78 78 78 78 78 78 78 78 78 78 78 78 78 78 78 78  xxxxxxxxxxxxxxxx\n"
             "Redzone  %016llx: 78 78 cc cc cc cc cc cc                          xx......\n",
             (unsigned long long)a + 32, (unsigned long long)a + 33, (unsigned long long)a + 32 - start, slab,
             (unsigned long long)a + 160, (unsigned long long)a, (unsigned long long)a - start, (unsigned long long)a - 32,
             (unsigned long long)a - 16, (unsigned long long)a, (unsigned long long)a + 16, (unsigned long long)a + 32);
    const struct op_result *result = give(m, a);
    assert_non_null(result->message);
    if (strncmp(result->message, want, strlen(want)) != 0)
        assert_string_equal(result->message, want);
    char fix[256];
    snprintf(
        fix, sizeof fix,
        "FIX kmalloc-32: Restoring Right Redzone 0x%016llx-0x%016llx=0xcc\nFIX kmalloc-32: Object at 0x%016llx not freed",
        (unsigned long long)a + 32, (unsigned long long)a + 33, (unsigned long long)a);
    expect_words(result, fix);
    fixture_fill(m, FIXTURE_RANGE(a + 32, 1), 0);
    expect_words(give(m, a), "BUG kmalloc-32 (Tainted: G    B             ): Right Redzone overwritten");
    machine_destroy(m);
}

static void test_wrong_frees(void **state)
{
    (void)state;
    struct machine *m = machine_with(F | Z | POISON | U, 1);
    uint64_t a = take(m, 64, "driver_probe"), b = take(m, 64, "driver_probe");
    const struct op_result *result = give(m, a + 8);
    char words[128];
    snprintf(words, sizeof words, "BUG kmalloc-64 (Not tainted): Invalid object pointer 0x%llx", (unsigned long long)a + 8);
    expect_words(result, words);
    expect_words(result, "FIX kmalloc-64: Object at 0x");
    assert_int_equal(result->outcome, OUTCOME_BUG);
    expect_clean(give(m, a));
    expect_clean(give(m, b));
    result = give(m, a); /* not the first of the list: the kernel walks it */
    expect_words(result, "Object already free");
    expect_words(result, "Allocated in driver_probe");
    expect_words(result, "Freed in driver_remove");
    expect_words(result, "not freed");
    machine_destroy(m);
}

/* The free list itself, and the end of the slab. */
static void test_broken_lists(void **state)
{
    (void)state;
    struct machine *m = machine_with(F, 1);
    uint64_t a = take(m, 96, "x"), b = take(m, 96, "x"), c = take(m, 96, "x");
    expect_clean(give(m, a));
    expect_clean(give(m, b)); /* b, a, ... */
    fixture_fill(m, FIXTURE_RANGE(b + 48, 8), 0x77);
    const struct op_result *result = give(m, c);
    expect_words(result, "Freechain corrupt");
    expect_words(result, "Wrong object count. Counter is 1 but counted were ");
    expect_words(result, "FIX kmalloc-96: Object count adjusted");
    assert_int_equal(result->outcome, OUTCOME_BUG);
    const struct slab *slab = slab_at(&m->state.kmalloc, kmalloc_look(&m->state.kmalloc, c).slab);
    assert_int_equal(slab->inuse, slab->objects - 2); /* b and c; what lay behind b is lost */
    expect_words(give(m, c), "Object already free");  /* it had been freed all the same */
    machine_destroy(m);

    m = machine_with(F | POISON, 1);
    a = take(m, 96, "x");
    fixture_fill(m, FIXTURE_RANGE((a & ~4095ull) + 4095, 1), 0); /* 4096 is no multiple of the object's distance */
    result = give(m, a);
    expect_words(result, "Padding overwritten. 0x");
    expect_words(result, "FIX kmalloc-96: Restoring slab padding 0x");
    expect_words(give(m, a), "Object already free");
    machine_destroy(m);
}

/* What is between the objects is put right when they are freed or allocated, and that is all. */
static void test_padding(void **state)
{
    (void)state;
    struct machine *m = machine_with(F | POISON, 1);
    uint64_t a = take(m, 64, "x");
    fixture_fill(m, FIXTURE_RANGE(a + 100, 2), 0xee); /* behind the free pointer */
    const struct op_result *result = give(m, a);
    expect_words(result, "BUG kmalloc-64 (Not tainted): Object padding overwritten\n");
    expect_words(result, "FIX kmalloc-64: Restoring Object padding 0x");
    expect_bytes(m, a + 72, 0x5a, 56);
    assert_int_equal(take(m, 64, "x"), a); /* it was freed all the same */
    machine_destroy(m);

    m = machine_with(F | POISON, 1);
    a = take(m, 96, "x");
    fixture_fill(m, FIXTURE_RANGE((a & ~4095ull) + 4095, 1), 0);
    struct op op = fixture_alloc(OP_KMALLOC, 96, 0); /* an allocation looks at the end of the slab, too */
    result = fixture_apply(m, op);
    expect_words(result, "Padding overwritten. 0x");
    assert_int_not_equal(result->address, 0);
    machine_destroy(m);

    m = machine_with(F | POISON, 1);
    struct op create = fixture_op(OP_KMEM_CACHE_CREATE), alloc = fixture_op(OP_KMEM_CACHE_ALLOC);
    create.cache = alloc.cache = fixture_text("odd");
    create.size = 61; /* no multiple of a word: three bytes fill it up, and nobody else uses them */
    create.given = OP_BIT(CACHE) | OP_BIT(SIZE);
    alloc.given = OP_BIT(CACHE);
    expect_clean(fixture_apply(m, create));
    a = fixture_apply(m, alloc)->address;
    fixture_fill(m, FIXTURE_RANGE(a + 61, 1), 0xee);
    expect_words(give(m, a), "BUG odd (Not tainted): Alignment padding overwritten\n");
    expect_bytes(m, a + 61, 0x5a, 3);
    machine_destroy(m);
}

/* Nobody looks without F: the bytes are there, but what is overwritten goes on as without debugging. */
static void test_without_checks(void **state)
{
    (void)state;
    struct machine *m = machine_with(Z | POISON, 1);
    uint64_t a = take(m, 64, "x");
    fixture_fill(m, FIXTURE_RANGE(a, 72), 0);
    expect_clean(give(m, a));
    fixture_fill(m, FIXTURE_RANGE(a, 64), 0x41);
    assert_int_equal(take(m, 64, "x"), a);
    expect_clean(give(m, a));
    fixture_fill(m, FIXTURE_RANGE(a + 72, 8), 0x41); /* the free pointer lies behind the red zone */
    struct op op = fixture_alloc(OP_KMALLOC, 64, 0);
    const struct op_result *result = fixture_apply(m, op);
    assert_int_equal(result->outcome, OUTCOME_BUG);
    expect_words(result, "general protection fault, probably for non-canonical address 0x4141414141414189");
    machine_destroy(m);
}

/* Every slab with a free object stands on the node's list: at its end when it was full, and fewer empty ones than
 * min_partial. */
static void test_node_list(void **state)
{
    (void)state;
    struct machine *m = machine_with(F, 1);
    struct kmalloc *k = &m->state.kmalloc;
    const struct cache *cache = cache_at(k, kmem_cache_find(k, fixture_text("kmalloc-4k")));
    uint64_t blocks[80];
    for (size_t i = 0; i < COUNT(blocks); i++)
        blocks[i] = take(m, 4096, "x");
    assert_int_equal(cache->nr_slabs, COUNT(blocks) / cache->objects);
    struct slab_ref second = kmalloc_look(k, blocks[cache->objects]).slab;
    expect_clean(give(m, blocks[0]));
    expect_clean(give(m, blocks[cache->objects]));
    assert_int_equal(cache->partial.last, second.index);
    assert_int_equal(take(m, 4096, "x"), blocks[0]);
    assert_int_equal(take(m, 4096, "x"), blocks[cache->objects]);
    for (size_t i = 0; i < COUNT(blocks); i++)
        expect_clean(give(m, blocks[i]));
    assert_int_equal(cache->nr_slabs, cache->min_partial - 1); /* the one that becomes empty is counted, too */
    machine_destroy(m);
}

static void test_handles_follow(void **state)
{
    (void)state;
    struct machine *m = machine_with(F | POISON, 1);
    struct op op = fixture_alloc(OP_KMALLOC, 96, 0);
    op.name = fixture_text("buffer");
    op.given |= OP_BIT(NAME);
    uint64_t a = fixture_apply(m, op)->address;
    fixture_fill(m, FIXTURE_RANGE((a & ~4095ull) + 4095, 1), 0); /* is reported, but does not stop the free */
    struct op end = fixture_op(OP_KFREE);
    end.name = op.name;
    end.given = OP_BIT(NAME);
    assert_int_equal(fixture_apply(m, end)->outcome, OUTCOME_BUG);
    assert_int_equal(fixture_apply(m, op)->outcome, OUTCOME_OK); /* the handle is free again */
    machine_destroy(m);
}

/* Every combination works like a machine without: contents are the callers' own, and everything can be given back. */
static void test_random(void **state)
{
    (void)state;
    for (uint32_t debug = 0; debug <= SLUB_DEBUG_ALL; debug++) {
        struct machine *m = machine_with(debug, 2);
        struct fixture_random random = { fixture_seed() + debug };
        struct {
            uint64_t address, size;
        } slots[60] = { 0 };
        for (unsigned n = 0; n < 400; n++) {
            unsigned i = (unsigned)fixture_random_below(&random, COUNT(slots));
            if (slots[i].address) {
                expect_bytes(m, slots[i].address, (uint8_t)i, slots[i].size);
                struct op op = fixture_free(OP_KFREE, slots[i].address);
                op.cpu = (uint16_t)(n & 1);
                op.given |= OP_BIT(CPU);
                expect_clean(fixture_apply(m, op));
                slots[i].address = 0;
                continue;
            }
            slots[i].size = 1 + fixture_random_below(&random, UINT64_C(1) << (3 + fixture_random_below(&random, 10)));
            if (slots[i].size > 4096)
                slots[i].size = 4096;
            struct op op = fixture_alloc(OP_KMALLOC, slots[i].size, 0);
            op.cpu = (uint16_t)(n & 1);
            op.given |= OP_BIT(CPU);
            slots[i].address = fixture_apply(m, op)->address;
            assert_int_not_equal(slots[i].address, 0);
            fixture_fill(m, FIXTURE_RANGE(slots[i].address, slots[i].size), (uint8_t)i);
        }
        char text[160];
        if (!kmalloc_check_chains(&m->state.kmalloc, text, sizeof text))
            fail_msg("%s", text);
        machine_destroy(m);
    }
}

/* Stray writes of every kind: reports there may be, but never a broken machine. */
static void test_random_stray(void **state)
{
    (void)state;
    for (uint32_t debug = 0; debug <= SLUB_DEBUG_ALL; debug++) {
        struct machine *m = machine_with(debug, 2);
        struct fixture_random random = { fixture_seed() + 99 * debug };
        uint64_t addresses[40] = { 0 };
        for (unsigned n = 0; n < 500; n++) {
            unsigned i = (unsigned)fixture_random_below(&random, COUNT(addresses));
            uint64_t other = addresses[fixture_random_below(&random, COUNT(addresses))];
            struct op op = fixture_free(OP_KFREE, addresses[i]);
            if (!addresses[i] || n % 3 == 0)
                op = fixture_alloc(OP_KMALLOC, 1 + fixture_random_below(&random, 200), n % 7 ? 0 : GFP_KERNEL | __GFP_ZERO);
            op.cpu = (uint16_t)fixture_random_below(&random, 2);
            op.given |= OP_BIT(CPU);
            const struct op_result *result = fixture_apply(m, op);
            if (op.kind == OP_KMALLOC)
                addresses[i] = result->address;
            if (!other || n % 5)
                continue;
            uint64_t words[] = { 0, UINT64_C(0x4141414141414141), other, other + 24, addresses[i] };
            struct op write = fixture_free(OP_WRITE, other + 8 * fixture_random_below(&random, 12));
            write.data = (const uint8_t *)&words[fixture_random_below(&random, COUNT(words))];
            write.nr_data = 8;
            write.given |= OP_BIT(HEX);
            fixture_apply(m, write);
        }
        machine_destroy(m);
    }
}

static void test_init_on_free(void **state)
{
    (void)state;
    struct machine_config config = { .profile = PROFILE_LINUX_6_1, .memory = 64 * MIB, .init_on_free = 1 };
    struct machine *m = fixture_machine_of(&config);
    uint64_t a = take(m, 200, "x"), b = take(m, 200, "x");
    fixture_fill(m, FIXTURE_RANGE(a, 256), 0x33);
    expect_clean(give(m, a));
    expect_bytes(m, a, 0, 128); /* all but the free pointer */
    expect_bytes(m, a + 136, 0, 120);
    assert_int_equal(take(m, 200, "x"), a);
    expect_bytes(m, a, 0, 256); /* and that is wiped for the new owner */
    fixture_fill(m, FIXTURE_RANGE(b, 256), 0x33);
    machine_destroy(m);
}

/* Blocks of whole pages and watched objects are wiped as well. */
static void test_init_on_free_elsewhere(void **state)
{
    (void)state;
    struct machine_config config = { .profile = PROFILE_LINUX_6_1, .memory = 64 * MIB, .init_on_free = 1 };
    config.slub_debug = F;
    struct machine *m = fixture_machine_of(&config);
    uint64_t large = take(m, 16384, "x"), a = take(m, 200, "x");
    fixture_fill(m, FIXTURE_RANGE(large, 16384), 0x33);
    fixture_fill(m, FIXTURE_RANGE(a, 256), 0x33);
    expect_clean(give(m, large));
    for (uint64_t at = 0; at < 16384; at += 4096)
        expect_bytes(m, large + at, 0, 4096);
    expect_clean(give(m, a));
    expect_bytes(m, a, 0, 128);
    expect_bytes(m, a + 136, 0, 120);
    for (uint8_t order = 0; order < 5; order += 4) { /* pages without any cache; vmalloc's are such, too */
        struct op op = fixture_op(OP_ALLOC_PAGES);
        op.order = order;
        op.given = OP_BIT(ORDER);
        op.address = fixture_apply(m, op)->address;
        fixture_fill(m, FIXTURE_RANGE(op.address, PAGE_SIZE << order), 0x33);
        op.kind = OP_FREE_PAGES;
        op.given |= OP_BIT(ADDRESS);
        expect_clean(fixture_apply(m, op));
        expect_bytes(m, op.address, 0, PAGE_SIZE);
        expect_bytes(m, op.address + (PAGE_SIZE << order) - PAGE_SIZE, 0, PAGE_SIZE);
    }
    machine_destroy(m);
}

/* init_on_alloc: nobody's old bytes come back. */
static void test_init_on_alloc(void **state)
{
    (void)state;
    static const uint64_t SIZES[] = { 200, 16384 };
    for (size_t i = 0; i < COUNT(SIZES); i++)
        for (uint8_t init = 0; init < 2; init++) {
            struct machine_config config = { .profile = PROFILE_LINUX_6_1, .memory = 64 * MIB, .init_on_alloc = init };
            struct machine *m = fixture_machine_of(&config);
            take(m, SIZES[i], "x");
            uint64_t a = take(m, SIZES[i], "x");
            fixture_fill(m, FIXTURE_RANGE(a, SIZES[i]), 0x33);
            expect_clean(give(m, a));
            assert_int_equal(take(m, SIZES[i], "x"), a);
            expect_bytes(m, a + 16, init ? 0 : 0x33, 64);
            machine_destroy(m);
        }
}

static void test_destroy_tells_owners(void **state)
{
    (void)state;
    struct machine *m = machine_with(F | U, 1);
    struct op op = fixture_op(OP_KMEM_CACHE_CREATE);
    op.cache = fixture_text("inode");
    op.size = 300;
    op.given = OP_BIT(CACHE) | OP_BIT(SIZE);
    expect_clean(fixture_apply(m, op));
    struct op alloc = fixture_op(OP_KMEM_CACHE_ALLOC);
    alloc.cache = op.cache;
    alloc.call_site = fixture_text("inode_new");
    alloc.given = OP_BIT(CACHE) | OP_BIT(CALL_SITE);
    uint64_t a = fixture_apply(m, alloc)->address;
    struct op destroy = fixture_op(OP_KMEM_CACHE_DESTROY);
    destroy.cache = op.cache;
    destroy.call_site = fixture_text("fs_exit");
    destroy.given = OP_BIT(CACHE) | OP_BIT(CALL_SITE);
    const struct op_result *result = fixture_apply(m, destroy);
    assert_int_equal(result->outcome, OUTCOME_BUG);
    expect_words(result, "BUG inode (Not tainted): Objects remaining in inode on __kmem_cache_shutdown()\n");
    expect_words(result, "@offset=0\nAllocated in inode_new age=0 cpu=0 pid=0\n");
    expect_words(result, "kmem_cache_destroy inode: Slab cache still has objects when called from fs_exit");
    expect_clean(give(m, a));
    expect_clean(fixture_apply(m, destroy));
    machine_destroy(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_layouts),
        cmocka_unit_test(test_bytes),
        cmocka_unit_test(test_faults),
        cmocka_unit_test(test_report),
        cmocka_unit_test(test_wrong_frees),
        cmocka_unit_test(test_broken_lists),
        cmocka_unit_test(test_without_checks),
        cmocka_unit_test(test_handles_follow),
        cmocka_unit_test(test_random),
        cmocka_unit_test(test_random_stray),
        cmocka_unit_test(test_padding),
        cmocka_unit_test(test_node_list),
        cmocka_unit_test(test_init_on_free_elsewhere),
        cmocka_unit_test(test_init_on_alloc),
        cmocka_unit_test(test_init_on_free),
        cmocka_unit_test(test_destroy_tells_owners),
    };
    return cmocka_run_group_tests_name("slub_debug", tests, NULL, NULL);
}
