/* Runs of calls into malloc. One machine gets them by machine_heap_run(), another one gets each as an operation. Copies of
 * both know nothing of the pages that the first two keep at hand. Afterwards all of them are the same machine, to the last
 * bit. */
#include "tests/lib/fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include <cmocka.h>

#define BLOCKS_MAX 100000u
#define CALLS_MAX 1000000u

/* The same history twice. */
struct pair {
    struct machine *by_run, *by_op;
    uint32_t pid;
    uint64_t *run_blocks, *op_blocks;
    uint32_t nr_blocks;
};

static struct pair start_pair(const char *profile, uint64_t memory, uint64_t swap, enum touch touch, uint32_t nr_blocks)
{
    const struct machine_config config = { .profile = (uint32_t)profile_find(profile, strlen(profile))->id,
                                           .memory = memory,
                                           .swap = swap };
    struct pair pair = { .by_run = fixture_machine_of(&config),
                         .by_op = fixture_machine_of(&config),
                         .nr_blocks = nr_blocks };
    struct op spawn = fixture_op(OP_SPAWN);
    spawn.touch = (uint8_t)touch;
    spawn.given |= OP_BIT(TOUCH);
    pair.pid = fixture_apply(pair.by_run, spawn)->pid;
    assert_int_equal(fixture_apply(pair.by_op, spawn)->pid, pair.pid);
    pair.run_blocks = calloc(nr_blocks, sizeof(uint64_t));
    pair.op_blocks = calloc(nr_blocks, sizeof(uint64_t));
    assert_true(pair.run_blocks && pair.op_blocks);
    return pair;
}

static void end_pair(struct pair *pair)
{
    machine_destroy(pair->by_run);
    machine_destroy(pair->by_op);
    free(pair->run_blocks);
    free(pair->op_blocks);
}

static struct op op_of(const struct pair *pair, const struct heap_call *call)
{
    struct op op = op_default((enum op_kind)call->kind);
    op.given = op_info(op.kind)->needed | (call->tid ? OP_BIT(TID) : 0);
    op.pid = pair->pid;
    op.tid = call->tid;
    op.size = call->size;
    op.n = op.align = call->n;
    op.address = pair->op_blocks[call->block];
    return op;
}

/* One call as an operation; false: it was refused. */
static bool apply_one(struct pair *pair, const struct heap_call *call, uint64_t outcomes[3])
{
    static struct op_result result;
    struct problem why = { 0 };
    struct op op = op_of(pair, call);
    uint64_t *block = &pair->op_blocks[call->block];
    if (machine_apply(pair->by_op, &op, &result, &why))
        return false;
    outcomes[result.outcome]++;
    if (op.kind == OP_FREE)
        *block = 0;
    else if (op.kind != OP_REALLOC || result.address || !op.size)
        *block = result.address;
    return true;
}

static void compare(struct pair *pair)
{
    assert_true(machine_hash(pair->by_run) == machine_hash(pair->by_op));
    assert_memory_equal(pair->run_blocks, pair->op_blocks, pair->nr_blocks * sizeof(uint64_t));
    fixture_check(pair->by_run);
}

/* Both get the calls. False: the process has ended. */
static bool make_calls(struct pair *pair, const struct heap_call *calls, size_t nr_calls)
{
    struct heap_run done;
    struct problem why = { 0 };
    uint64_t outcomes[3] = { 0 };
    size_t nr = 0;
    enum pagoda_error err = machine_heap_run(pair->by_run, pair->pid, calls, nr_calls, pair->run_blocks, &done, &why);
    while (nr < nr_calls && apply_one(pair, &calls[nr], outcomes))
        nr++;
    assert_true(nr == done.nr_done);
    assert_int_equal(err, nr < nr_calls ? PAGODA_ERR_INVALID : PAGODA_OK);
    assert_memory_equal(outcomes, done.nr_outcomes, sizeof outcomes);
    compare(pair);
    return !err;
}

/* A copy knows no page of the process, so it looks pages up again. That must not show. */
static void swap_for_copy(struct machine **machine)
{
    struct machine *copy;
    assert_int_equal(machine_clone(*machine, &copy), PAGODA_OK);
    machine_destroy(*machine);
    *machine = copy;
}

static uint64_t apply_both(struct pair *pair, struct op op)
{
    uint64_t address = fixture_apply(pair->by_run, op)->address;
    assert_true(fixture_apply(pair->by_op, op)->address == address);
    return address;
}

/* --- recorded scripts --- */

static bool read_call(const char *line, struct heap_call *call)
{
    static const struct {
        char letter;
        enum op_kind kind;
        bool has_n;
    } LETTERS[] = {
        { 'a', OP_MALLOC, false }, { 'c', OP_CALLOC, true },   { 'r', OP_REALLOC, false },
        { 'f', OP_FREE, false },   { 'm', OP_MEMALIGN, true }, { 'g', OP_POSIX_MEMALIGN, true },
        { 'v', OP_VALLOC, false }, { 'p', OP_PVALLOC, false },
    };
    char *end;
    for (size_t i = 0; i < sizeof LETTERS / sizeof LETTERS[0]; i++) {
        if (line[0] != LETTERS[i].letter || line[1] != ' ')
            continue;
        *call = (struct heap_call){ .kind = (uint16_t)LETTERS[i].kind, .block = (uint32_t)strtoull(line + 2, &end, 0) };
        call->n = LETTERS[i].has_n ? strtoull(end, &end, 0) : 0;
        call->size = strtoull(end, &end, 0);
        return call->block < BLOCKS_MAX;
    }
    return false;
}

static size_t read_script(const char *path, struct heap_call *calls)
{
    char line[256];
    size_t nr = 0;
    gzFile file = gzopen(path, "r");
    while (file && nr < CALLS_MAX && gzgets(file, line, sizeof line))
        nr += read_call(line, &calls[nr]);
    if (file)
        gzclose(file);
    return nr;
}

static bool replay(const char *directory, const char *name, const char *profile, struct heap_call *calls)
{
    char path[4096];
    snprintf(path, sizeof path, "%s/glibc-2.36/%s", directory, name);
    size_t nr = read_script(path, calls), batch = nr / 5 + 1;
    struct pair pair = start_pair(profile, 0, 0, TOUCH_HEADERS, BLOCKS_MAX);
    for (size_t i = 0; i < nr; i += batch) {
        machine_record_events(pair.by_op, false);
        assert_true(make_calls(&pair, calls + i, nr - i < batch ? nr - i : batch));
        swap_for_copy(i ? &pair.by_op : &pair.by_run);
    }
    end_pair(&pair);
    return nr != 0;
}

static void test_recorded_scripts(void **state)
{
    static const char *const SAMPLES[] = { "edge/mmap_threshold.ops", "edge/realloc_basic.ops", "edge/tcache_fill.ops",
                                           "edge/coalesce.ops", "edge/sizes.ops" };
    static const char *const SAMPLES_32[] = { "i386/memalign.ops", "i386/small-mixed.ops.gz", "i386/realloc_mmap.ops" };
    static const char *const RECORDED[] = { "traces/jq.ops.gz", "traces/gitlog.ops.gz", "traces/sqlite.ops.gz",
                                            "random/mixed-100000-s5.ops.gz", "edge/last_remainder.ops" };
    const char *truth = getenv("TRUTH");
    struct heap_call *calls = malloc(CALLS_MAX * sizeof *calls);
    (void)state;
    assert_non_null(calls);
    for (size_t i = 0; i < sizeof SAMPLES / sizeof SAMPLES[0]; i++)
        assert_true(replay("tests/truth/sample", SAMPLES[i], "linux-6.1", calls));
    for (size_t i = 0; i < sizeof SAMPLES_32 / sizeof SAMPLES_32[0]; i++)
        assert_true(replay("tests/truth/sample", SAMPLES_32[i], "classic", calls));
    for (size_t i = 0; truth && i < sizeof RECORDED / sizeof RECORDED[0]; i++)
        (void)replay(truth, RECORDED[i], "linux-6.1", calls);
    free(calls);
}

/* --- random programs --- */

static const struct {
    const char *name, *profile;
    uint64_t memory, swap;
    enum touch touch;
    uint64_t max_size;
    uint32_t nr_threads, nr_blocks;
    bool may_break; /* a block is freed twice */
} PROGRAMS[] = {
    { "small blocks", "linux-6.1", 0, 0, TOUCH_HEADERS, 300, 1, 400, false },
    { "all sizes", "linux-6.1", 0, 0, TOUCH_HEADERS, 300000, 1, 300, false },
    { "threads", "linux-6.1", 0, 0, TOUCH_HEADERS, 3000, 4, 300, false },
    { "touched blocks", "linux-6.1", 0, 0, TOUCH_ALL, 20000, 1, 200, false },
    { "swapping", "linux-6.1", 32u << 20, 64u << 20, TOUCH_ALL, 200000, 2, 500, false },
    { "running out", "linux-6.1", 32u << 20, 0, TOUCH_ALL, 400000, 1, 500, false },
    { "double frees", "linux-6.1", 0, 0, TOUCH_HEADERS, 300, 2, 100, true },
    { "32 bits", "classic", 0, 0, TOUCH_HEADERS, 3000, 2, 300, false },
};

static struct heap_call random_call(struct fixture_random *random, const struct pair *pair, size_t program)
{
    static const enum op_kind ALLOCATES[] = { OP_MALLOC, OP_MALLOC, OP_MALLOC, OP_CALLOC, OP_MEMALIGN, OP_VALLOC };
    struct heap_call call = { .block = (uint32_t)fixture_random_below(random, pair->nr_blocks) };
    bool is_live = pair->run_blocks[call.block] != 0;
    uint64_t bound = fixture_random_below(random, 10) ? 200 : PROGRAMS[program].max_size;
    call.size = fixture_random_below(random, bound);
    call.tid =
        (uint16_t)(fixture_random_below(random, 20) ? 0 : fixture_random_below(random, PROGRAMS[program].nr_threads));
    call.kind = (uint16_t)(is_live ? OP_FREE : ALLOCATES[fixture_random_below(random, 6)]);
    if (!fixture_random_below(random, 8))
        call.kind = OP_REALLOC;
    if (is_live && !fixture_random_below(random, 20))
        call.kind = OP_MALLOC_USABLE_SIZE;
    call.n = call.kind == OP_CALLOC ? fixture_random_below(random, 5) : 64;
    return call;
}

/* Other operations in between: names, zeroes over whole pages, a fork, another process's calls. */
static void disturb(struct fixture_random *random, struct pair *pair)
{
    uint32_t block = (uint32_t)fixture_random_below(random, pair->nr_blocks);
    struct op op = fixture_user(OP_MALLOC, pair->pid, 100);
    uint64_t address = pair->run_blocks[block];
    char name[32];
    switch (fixture_random_below(random, 4)) {
    case 0: /* a handle for what runs will free or move */
        if (address)
            return;
        snprintf(name, sizeof name, "at-%u", (unsigned)machine_seq(pair->by_op));
        op.name = fixture_text(name);
        op.given |= OP_BIT(NAME);
        pair->run_blocks[block] = pair->op_blocks[block] = apply_both(pair, op);
        return;
    case 1:
        op = fixture_op(OP_WRITE);
        op.pid = pair->pid;
        op.address = address;
        op.length = address ? 5000 : 0;
        op.given = OP_BIT(PID) | OP_BIT(ADDRESS) | OP_BIT(FILL) | OP_BIT(LENGTH);
        if (address)
            (void)apply_both(pair, op);
        return;
    case 2:
        op = fixture_op(OP_FORK);
        op.pid = pair->pid;
        op.given = OP_BIT(PID);
        (void)apply_both(pair, op);
        return;
    default:
        swap_for_copy(&pair->by_run);
    }
}

/* Breaks the heap: two blocks of the program are the same one from now on. */
static void forget_free(struct fixture_random *random, struct pair *pair)
{
    uint32_t from = (uint32_t)fixture_random_below(random, pair->nr_blocks);
    uint32_t to = (uint32_t)fixture_random_below(random, pair->nr_blocks);
    pair->run_blocks[to] = pair->run_blocks[from];
    pair->op_blocks[to] = pair->op_blocks[from];
}

static void test_random_programs(void **state)
{
    struct fixture_random random = { fixture_seed() };
    (void)state;
    for (size_t program = 0; program < sizeof PROGRAMS / sizeof PROGRAMS[0]; program++) {
        struct heap_call calls[200];
        struct pair pair = start_pair(PROGRAMS[program].profile, PROGRAMS[program].memory, PROGRAMS[program].swap,
                                      PROGRAMS[program].touch, PROGRAMS[program].nr_blocks);
        for (unsigned round = 0; round < 25; round++) {
            size_t nr = fixture_random_below(&random, 200);
            for (size_t i = 0; i < nr; i++)
                calls[i] = random_call(&random, &pair, program);
            if (PROGRAMS[program].may_break && round > 5)
                forget_free(&random, &pair);
            if (!make_calls(&pair, calls, nr))
                break;
            disturb(&random, &pair);
            compare(&pair);
        }
        end_pair(&pair);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_recorded_scripts),
        cmocka_unit_test(test_random_programs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
