/* Large operations on large machines, at random: none may take more host memory than was reserved for it. A checked build
 * counts, and says which operation took how much of what. Seeds are printed; SEED= repeats one, RUNS= makes more. */
#include "tests/lib/fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#define MIB (UINT64_C(1) << 20)
#define GIB (UINT64_C(1) << 30)
#define NR_PLACES 64u
#define MOST_BYTES (96 * MIB) /* of one operation that writes bytes: so much is quickly written */

/* An address that was handed out, and to whom. */
struct place {
    uint64_t address, length;
    uint32_t pid; /* 0: the kernel */
};

struct hog {
    struct machine *m;
    struct fixture_random random;
    struct place places[NR_PLACES];
    uint32_t pids[4], nr_pids;
    uint64_t memory;
};

static uint64_t hog_below(struct hog *hog, uint64_t bound)
{
    return fixture_random_below(&hog->random, bound);
}

/* Every order of magnitude is as likely as the next. */
static uint64_t hog_size(struct hog *hog, uint64_t most)
{
    uint64_t size = UINT64_C(1) << hog_below(hog, 40);
    size += hog_below(hog, size);
    return size < most ? size : 1 + hog_below(hog, most);
}

/* A place of the process; after some tries, any. */
static const struct place *hog_place(struct hog *hog, uint32_t pid)
{
    const struct place *place = hog->places;
    for (unsigned tries = 0; tries < 8; tries++) {
        place = &hog->places[hog_below(hog, NR_PLACES)];
        if (place->pid == pid && place->address)
            break;
    }
    return place;
}

static bool hog_takes_block(const struct op *op)
{
    return op->kind == OP_FREE || op->kind == OP_REALLOC || op->kind == OP_KREALLOC || op->kind == OP_KFREE ||
           op->kind == OP_VFREE || op->kind == OP_KVFREE;
}

static void hog_fill_range(struct hog *hog, struct op *op)
{
    const struct place *place = hog_place(hog, op->given & OP_BIT(PID) ? op->pid : 0);
    bool is_whole = hog_takes_block(op) || hog_below(hog, 4);
    uint64_t inside = is_whole || !place->length ? 0 : hog_below(hog, place->length) & ~UINT64_C(4095);
    op->address = place->address + inside;
    op->length = is_whole ? place->length : hog_size(hog, place->length - inside + 4096);
    op->length = op->length ? op->length : 1;
    if (op->kind == OP_WRITE && place->pid) {
        op->pid = place->pid;
        op->given |= OP_BIT(PID);
    }
}

static struct op hog_mallopt(struct hog *hog)
{
    static const enum mallopt_option OPTIONS[] = { MALLOPT_PERTURB, MALLOPT_MMAP_THRESHOLD, MALLOPT_TRIM_THRESHOLD,
                                                   MALLOPT_TOP_PAD };
    struct op op = fixture_op(OP_MALLOPT);
    op.option = (uint8_t)OPTIONS[hog_below(hog, sizeof OPTIONS / sizeof OPTIONS[0])];
    op.value = op.option == MALLOPT_PERTURB ? (int64_t)hog_below(hog, 2) : (int64_t)hog_size(hog, 32 * MIB);
    op.given = OP_BIT(OPTION) | OP_BIT(VALUE);
    return op;
}

static const enum op_kind KINDS[] = {
    OP_MALLOC,
    OP_MALLOC,
    OP_MALLOC,
    OP_MALLOC,
    OP_CALLOC,
    OP_REALLOC,
    OP_REALLOC,
    OP_ALIGNED_ALLOC,
    OP_MEMALIGN,
    OP_VALLOC,
    OP_PVALLOC,
    OP_FREE,
    OP_FREE,
    OP_FREE,
    OP_MMAP,
    OP_MMAP,
    OP_MUNMAP,
    OP_MREMAP,
    OP_MREMAP,
    OP_MLOCK,
    OP_MUNLOCK,
    OP_MPROTECT,
    OP_MADVISE,
    OP_WRITE,
    OP_WRITE,
    OP_WRITE,
    OP_READ,
    OP_BRK,
    OP_SBRK,
    OP_FORK,
    OP_SPAWN,
    OP_EXIT,
    OP_MALLOPT,
    OP_MALLOPT,
    OP_MALLOC_TRIM,
    OP_THREAD_EXIT,
    OP_KMALLOC,
    OP_KREALLOC,
    OP_KCALLOC,
    OP_KFREE,
    OP_VMALLOC,
    OP_VZALLOC,
    OP_VMALLOC_HUGE,
    OP_KVMALLOC,
    OP_VFREE,
    OP_KVFREE,
    OP_ALLOC_PAGES,
    OP_SETRLIMIT,
    OP_COMPACT_MEMORY,
    OP_TICK,
    OP_VM_UNMAP_ALIASES,
};

static struct op hog_op(struct hog *hog)
{
    struct op op = fixture_op(KINDS[hog_below(hog, sizeof KINDS / sizeof KINDS[0])]);
    uint64_t most = hog_below(hog, 4) ? MOST_BYTES : hog->memory;
    if (op.kind == OP_MALLOPT)
        op = hog_mallopt(hog);
    op.given |= op_info(op.kind)->needed;
    op.size = hog_size(hog, most);
    op.n = op.kind == OP_CALLOC || op.kind == OP_KCALLOC ? 1 + hog_below(hog, 16) : 1;
    op.align = op.kind == OP_MEMALIGN || op.kind == OP_ALIGNED_ALLOC ? UINT64_C(16) << hog_below(hog, 20) : 0;
    op.pid = hog->nr_pids ? hog->pids[hog_below(hog, hog->nr_pids)] : 1;
    if (op.given & OP_BIT(ADDRESS))
        hog_fill_range(hog, &op);
    else
        op.length = hog_size(hog, most);
    op.new_length = hog_size(hog, most);
    op.increment = (int64_t)hog_size(hog, most);
    op.order = (uint8_t)hog_below(hog, 11);
    op.resource = RESOURCE_STACK;
    op.gfp = GFP_KERNEL;
    op.prot = (uint8_t)hog_below(hog, NR_PROTS);
    op.advice = (uint8_t)hog_below(hog, NR_ADVICES);
    op.touch = (uint8_t)hog_below(hog, NR_TOUCHES);
    op.fill = (uint8_t)hog_below(hog, 3);
    if (op.kind == OP_SPAWN)
        op.given |= OP_BIT(TOUCH);
    if (op.kind == OP_WRITE)
        op.given = (op.given & ~OP_BIT(HEX)) | OP_BIT(FILL) | OP_BIT(LENGTH);
    if ((op.kind == OP_WRITE || op.kind == OP_MLOCK) && op.length > MOST_BYTES)
        op.length = MOST_BYTES;
    if (op.kind == OP_READ && op.length > OP_DATA_MAX)
        op.length = OP_DATA_MAX;
    op.tid = op_info(op.kind)->further & OP_BIT(TID) ? (uint8_t)(hog_below(hog, 3) ? 0 : hog_below(hog, 4)) : 0;
    op.given |= op.tid ? OP_BIT(TID) : 0;
    return op;
}

static void hog_remember(struct hog *hog, const struct op *op, const struct op_result *result)
{
    struct place *place = &hog->places[hog_below(hog, NR_PLACES)];
    if (result->pid)
        hog->pids[hog->nr_pids < 4 ? hog->nr_pids++ : hog_below(hog, 4)] = result->pid;
    if (result->address && result->allocated)
        *place = (struct place){ result->address, result->allocated, op->given & OP_BIT(PID) ? op->pid : 0 };
}

static void hog_run(const struct machine_config *config, uint64_t seed, unsigned nr_steps)
{
    struct hog hog = { .m = fixture_machine_of(config), .random = { seed }, .memory = config->memory };
    machine_record_events(hog.m, false);
    hog.pids[hog.nr_pids++] = fixture_apply(hog.m, fixture_op(OP_SPAWN))->pid;
    for (unsigned step = 0; step < nr_steps; step++) {
        struct op op = step % 16 ? hog_op(&hog) : fixture_op(OP_SPAWN); /* for those that a bug has ended */
        struct op_result result;
        struct problem why = { 0 };
        enum pagoda_error err = machine_apply(hog.m, &op, &result, &why);
        assert_true(err == PAGODA_OK || err == PAGODA_ERR_INVALID);
        if (!err)
            hog_remember(&hog, &op, &result);
    }
    fixture_check(hog.m);
    machine_destroy(hog.m);
}

static const struct machine_config CONFIGS[] = {
    { .profile = PROFILE_CLASSIC, .memory = 64 * MIB, .swap = 16 * MIB },
    { .profile = PROFILE_LINUX_6_1, .memory = 64 * MIB, .swap = 256 * MIB },
    { .profile = PROFILE_LINUX_6_1, .memory = 256 * MIB, .cpus = 2, .slub_debug = SLUB_DEBUG_Z | SLUB_DEBUG_P },
    { .profile = PROFILE_LINUX_6_1, .memory = GIB },
    { .profile = PROFILE_LINUX_6_1, .memory = 4 * GIB, .swap = GIB },
};

static void test_nothing_is_undercounted(void **state)
{
    (void)state;
    const char *runs = getenv("RUNS");
    uint64_t seed = fixture_seed();
    for (int run = 0; run < (runs ? atoi(runs) : 2); run++)
        for (size_t c = 0; c < sizeof CONFIGS / sizeof CONFIGS[0]; c++)
            hog_run(&CONFIGS[c], seed + (uint64_t)run, 250);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nothing_is_undercounted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
