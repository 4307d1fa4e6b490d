/* Any operation with any arguments, stray writes included: the machine answers, never crashes, and its invariants hold.
 * What is refused as a bug leaves frames and allocations as they were, but for what SLUB does without a look. Seeds are
 * printed; SEED= repeats one. */
#include "tests/lib/fixture.h"
#include "tests/lib/formats.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define NR_SEEN 256u

struct abuser {
    struct machine *m;
    struct fixture_random random;
    uint64_t seen[NR_SEEN]; /* addresses that the machine has given out at some time */
    uint32_t pids[8], nr_pids;
    char name[8];
};

static uint64_t below(struct abuser *a, uint64_t bound)
{
    return fixture_random_below(&a->random, bound);
}

/* Sizes around the limits that matter, and some without any sense. */
static uint64_t some_size(struct abuser *a)
{
    static const uint64_t EDGES[] = { 0, 1, 8, 4096, 8192, 131056, 1 << 20, 4 << 20, UINT64_C(1) << 32, UINT64_C(1) << 47 };
    uint64_t edge = EDGES[below(a, sizeof EDGES / sizeof EDGES[0])];
    uint64_t size = below(a, 3) ? below(a, 3000) : edge + below(a, 5) - 2;
    return size > UINT64_C(9007199254740991) ? 9007199254740991 : size;
}

static uint64_t some_address(struct abuser *a)
{
    uint64_t seen = a->seen[below(a, NR_SEEN)];
    switch (below(a, 6)) {
    case 0:
        return seen + below(a, 100);
    case 1:
        return seen + (below(a, 64) << 12);
    case 2:
        return machine_profile(a->m)->page_offset + below(a, machine_config(a->m)->memory + 8192);
    case 3:
        return below(a, 2) ? below(a, 1 << 16) : UINT64_MAX - below(a, 1 << 16);
    default:
        return seen;
    }
}

static struct text some_name(struct abuser *a)
{
    snprintf(a->name, sizeof a->name, "n%u", (unsigned)below(a, 20));
    return fixture_text(a->name);
}

/* An operation that the table allows, with whatever in it. */
static struct op some_op(struct abuser *a, const uint8_t *bytes)
{
    struct op op = fixture_op((enum op_kind)below(a, NR_OPS));
    const struct op_info *info = op_info(op.kind);
    uint32_t further = (uint32_t)below(a, UINT32_MAX) & info->further;
    op.given = info->needed | further;
    op.size = some_size(a);
    op.n = below(a, 4) ? below(a, 20) : some_size(a);
    op.length = below(a, 4) ? below(a, 20000) : some_size(a);
    op.align = below(a, 2) ? UINT64_C(1) << below(a, 20) : some_size(a);
    op.order = (uint8_t)below(a, 13);
    op.address = some_address(a);
    op.gfp = (uint32_t)(below(a, 2) ? GFP_KERNEL : below(a, GFP_ALL_BITS + 1ull));
    op.context = (uint8_t)(below(a, 4) ? 0 : below(a, NR_CONTEXTS));
    op.pid = a->nr_pids ? a->pids[below(a, a->nr_pids)] : 1;
    op.cache = op.name = op.call_site = op.text = some_name(a);
    op.fill = (uint8_t)below(a, 256);
    op.flags = (uint32_t)below(a, UINT32_MAX) & (below(a, 4) ? (uint32_t)SLAB_FLAGS_ALL : UINT32_MAX);
    op.touch = (uint8_t)below(a, NR_TOUCHES);
    op.duration_ns = below(a, 1000000);
    op.data = bytes;
    op.nr_data = (uint32_t)below(a, 200);
    if (op.kind == OP_WRITE && below(a, 2))
        op.given = (op.given & ~OP_BIT(HEX)) | OP_BIT(FILL) | OP_BIT(LENGTH);
    if (op.given & OP_BIT(HEX))
        op.given &= ~OP_BIT(FILL);
    if ((op.given & OP_BIT(ADDRESS)) && below(a, 8) == 0)
        op.given = (op.given & ~OP_BIT(ADDRESS)) | OP_BIT(NAME);
    else if (info->needed & OP_BIT(ADDRESS))
        op.given &= ~OP_BIT(NAME);
    return op;
}

static void remember(struct abuser *a, const struct op *op, const struct op_result *r)
{
    if (r->address)
        a->seen[below(a, NR_SEEN)] = r->address;
    if (r->pid)
        a->pids[a->nr_pids < 8 ? a->nr_pids++ : below(a, 8)] = r->pid;
    (void)op;
}

static void abuse(const struct machine_config *config, uint64_t seed, unsigned nr_steps, bool with_writes)
{
    struct abuser a = { .m = fixture_machine_of(config), .random = { seed } };
    uint8_t bytes[256];
    for (unsigned i = 0; i < sizeof bytes; i++)
        bytes[i] = (uint8_t)below(&a, 256);
    for (unsigned step = 0; step < nr_steps; step++) {
        struct op op = some_op(&a, bytes);
        if (op.kind == OP_WRITE && !with_writes)
            continue;
        struct op_result r;
        struct problem why = { 0 };
        struct stats_view before, after;
        view_stats(a.m, &before);
        enum pagoda_error err = machine_apply(a.m, &op, &r, &why);
        assert_true(err == PAGODA_OK || err == PAGODA_ERR_INVALID);
        fixture_check(a.m);
        formats_check(err ? NULL : r.message);
        view_stats(a.m, &after);
        bool touches_memory = op.kind == OP_READ || op.kind == OP_WRITE || op_info(op.kind)->group[0] == 'u';
        bool frees_anyway = machine_profile(a.m)->kmalloc_style == KMALLOC_SLUB && /* wrong cache, middle of a block */
                            (op.kind == OP_KFREE || op.kind == OP_KVFREE || op.kind == OP_KMEM_CACHE_FREE);
        /* krealloc has moved the block when its kfree finds the old one's page overwritten. */
        bool took = op.kind == OP_KREALLOC && r.outcome == OUTCOME_BUG && r.address;
        /* Linux 2.0 warns of a call that may sleep in an interrupt, and goes on: what it does then counts. */
        bool is_warned = !err && r.outcome == OUTCOME_BUG && r.message && strstr(r.message, "called nonatomically");
        if (err || (r.outcome == OUTCOME_BUG && !took && !is_warned && !touches_memory && !frees_anyway)) {
            assert_memory_equal(before.frames, after.frames, sizeof before.frames);
            assert_int_equal(before.nr_allocations, after.nr_allocations);
        }
        if (!err)
            remember(&a, &op, &r);
    }
    machine_destroy(a.m);
}

static void abuse_all(bool with_writes)
{
    const char *runs = getenv("RUNS");
    uint64_t seed = fixture_seed();
    for (int run = 0; run < (runs ? atoi(runs) : 2); run++) {
        struct machine_config classic = { .profile = PROFILE_CLASSIC, .memory = 4 << 20, .swap = 1 << 20 };
        struct machine_config slub = { .profile = PROFILE_LINUX_6_1, .memory = 32 << 20, .cpus = 1, .swap = 1 << 20 };
        abuse(&classic, seed + (uint64_t)run, 1500, with_writes);
        abuse(&slub, seed + (uint64_t)run, 1500, with_writes);
    }
}

static void test_any_call(void **state)
{
    (void)state;
    abuse_all(false);
}

static void test_any_call_and_stray_writes(void **state)
{
    (void)state;
    abuse_all(true);
}

/* A costly order that may not fail, in a machine where reclaim leaves it to compaction, and compaction wants more
 * reclaimed: once it went round for ever. */
static void test_nothing_goes_round_for_ever(void **state)
{
    (void)state;
    struct machine_config config = { .profile = PROFILE_LINUX_6_1, .memory = 32 << 20, .cpus = 1, .swap = 1 << 20 };
    abuse(&config, 601, 1500, true);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_any_call),
        cmocka_unit_test(test_any_call_and_stray_writes),
        cmocka_unit_test(test_nothing_goes_round_for_ever),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
