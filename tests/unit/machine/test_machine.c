/* The machine as a whole: every row of the comparison of the allocators, outcomes, contents, copies, and random histories.
 */
#include "tests/lib/fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define KIB 1024u

static struct op in_context(struct op op, enum context context)
{
    op.context = (uint8_t)context;
    op.given |= OP_BIT(CONTEXT);
    return op;
}

static struct op named(struct op op, const char *name)
{
    op.name = fixture_text(name);
    op.given |= OP_BIT(NAME);
    return op;
}

static uint32_t spawn(struct machine *m)
{
    return fixture_apply(m, fixture_op(OP_SPAWN))->pid;
}

static uint64_t get(struct machine *m, enum op_kind kind, uint64_t size)
{
    const struct op_result *r = fixture_apply(m, fixture_alloc(kind, size, 0));
    assert_int_equal(r->outcome, OUTCOME_OK);
    return r->address;
}

/* --- one row each: what is asked, of which profile, and the outcome --- */

static const struct {
    const char *name, *profile;
    enum op_kind kind;
    uint64_t size;
    uint32_t gfp;
    enum context context;
    enum outcome want;
} OUTCOMES[] = {
    { "largest classic block", "classic", OP_KMALLOC, 131056, 0, CONTEXT_PROCESS, OUTCOME_OK },
    { "one byte more", "classic", OP_KMALLOC, 131057, 0, CONTEXT_PROCESS, OUTCOME_NULL },
    { "vmalloc is not bound by it", "classic", OP_VMALLOC, 1024 * KIB, 0, CONTEXT_PROCESS, OUTCOME_OK },
    { "largest of 6.1", "linux-6.1", OP_KMALLOC, 4096 * KIB, 0, CONTEXT_PROCESS, OUTCOME_OK },
    { "one byte more than 4 MiB", "linux-6.1", OP_KMALLOC, 4096 * KIB + 1, 0, CONTEXT_PROCESS, OUTCOME_NULL },
    { "kmalloc(0) is ZERO_SIZE_PTR", "linux-6.1", OP_KMALLOC, 0, 0, CONTEXT_PROCESS, OUTCOME_OK },
    { "GFP_KERNEL in a softirq", "classic", OP_KMALLOC, 100, GFP_KERNEL, CONTEXT_SOFTIRQ, OUTCOME_BUG },
    { "GFP_USER in a tasklet", "linux-6.1", OP_KMALLOC, 100, GFP_USER, CONTEXT_TASKLET, OUTCOME_BUG },
    { "GFP_KERNEL in a hardirq", "linux-6.1", OP_KZALLOC, 100, GFP_KERNEL, CONTEXT_HARDIRQ, OUTCOME_BUG },
    { "GFP_ATOMIC in a hardirq", "classic", OP_KMALLOC, 100, GFP_ATOMIC, CONTEXT_HARDIRQ, OUTCOME_OK },
    { "GFP_ATOMIC in a softirq", "linux-6.1", OP_KMALLOC, 100, GFP_ATOMIC, CONTEXT_SOFTIRQ, OUTCOME_OK },
    { "vmalloc in a hardirq", "classic", OP_VMALLOC, 4096, 0, CONTEXT_HARDIRQ, OUTCOME_BUG },
    { "vmalloc in a softirq", "linux-6.1", OP_VMALLOC, 4096, 0, CONTEXT_SOFTIRQ, OUTCOME_BUG },
    { "vmalloc(0)", "linux-6.1", OP_VMALLOC, 0, 0, CONTEXT_PROCESS, OUTCOME_NULL },
    { "vmalloc of more than there is", "linux-6.1", OP_VMALLOC, UINT64_C(1) << 40, 0, CONTEXT_PROCESS, OUTCOME_NULL },
};

static void test_outcomes(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof OUTCOMES / sizeof *OUTCOMES; i++) {
        struct machine *m = fixture_machine(OUTCOMES[i].profile, 0);
        struct op op = fixture_alloc(OUTCOMES[i].kind, OUTCOMES[i].size, OUTCOMES[i].gfp);
        const struct op_result *r = fixture_apply(m, in_context(op, OUTCOMES[i].context));
        if (r->outcome != OUTCOMES[i].want)
            fail_msg("%s: %s", OUTCOMES[i].name, outcome_name(r->outcome));
        if (r->outcome == OUTCOME_BUG)
            assert_non_null(r->message);
        machine_destroy(m);
    }
}

static void test_kmalloc_is_contiguous_and_large_enough(void **state)
{
    (void)state;
    static const char *const PROFILES[] = { "classic", "linux-6.1" };
    for (int p = 0; p < 2; p++) {
        struct machine *m = fixture_machine(PROFILES[p], 0);
        for (uint64_t size = 1; size <= 131056; size = size * 3 / 2 + 1) {
            const struct op_result *r = fixture_apply(m, fixture_alloc(OP_KMALLOC, size, 0));
            assert_int_equal(r->outcome, OUTCOME_OK);
            assert_true(r->allocated >= size && r->allocated >= (p ? 8 : 32));
            assert_true(r->physically_contiguous);
            assert_int_equal(r->nr_frame_runs, 1);
            bool ends_in_pages = false;
            for (uint32_t i = 0; i < r->nr_path; i++)
                ends_in_pages = ends_in_pages || r->path[i] == PATH___get_free_pages;
            if (size > 8192)
                assert_true(ends_in_pages || p);
        }
        machine_destroy(m);
    }
}

static void test_min_block_of_64(void **state)
{
    (void)state;
    struct machine_config config = { .profile = PROFILE_CLASSIC, .min_block = 64 };
    struct machine *m = fixture_machine_of(&config);
    assert_int_equal(fixture_apply(m, fixture_alloc(OP_KMALLOC, 1, 0))->allocated, 64);
    machine_destroy(m);
    m = fixture_machine("classic", 0);
    assert_int_equal(fixture_apply(m, fixture_alloc(OP_KMALLOC, 1, 0))->allocated, 32);
    machine_destroy(m);
}

static struct op write_fill(uint64_t address, uint8_t byte, uint64_t length)
{
    struct op op = fixture_free(OP_WRITE, address);
    op.fill = byte;
    op.length = length;
    op.given |= OP_BIT(FILL) | OP_BIT(LENGTH);
    return op;
}

static const struct op_result *read_back(struct machine *m, uint64_t address, uint64_t length)
{
    struct op op = fixture_free(OP_READ, address);
    op.length = length;
    op.given |= OP_BIT(LENGTH);
    return fixture_apply(m, op);
}

static bool all_are(const struct op_result *r, uint8_t byte, uint32_t from, uint32_t to)
{
    for (uint32_t i = from; i < to; i++)
        if (r->bytes[i] != byte)
            return false;
    return true;
}

/* kmalloc keeps what the last owner wrote, but for the allocator's own link; kzalloc gives zeroes. */
static void test_stale_data_and_zeroes(void **state)
{
    (void)state;
    static const char *const PROFILES[] = { "classic", "linux-6.1" };
    for (int p = 0; p < 2; p++) {
        struct machine *m = fixture_machine(PROFILES[p], 0);
        uint64_t first = get(m, OP_KMALLOC, 250);
        fixture_apply(m, write_fill(first, 0xaa, 250));
        fixture_apply(m, fixture_free(OP_KFREE, first));
        uint64_t again = get(m, OP_KMALLOC, 250);
        assert_int_equal(again, first);
        const struct op_result *r = read_back(m, again, 250);
        uint32_t kept = 0;
        for (uint32_t i = 0; i < 250; i++)
            kept += r->bytes[i] == 0xaa;
        assert_true(kept >= 242 && kept < 250);
        fixture_apply(m, fixture_free(OP_KFREE, again));
        uint64_t zeroed = get(m, OP_KZALLOC, 250);
        assert_int_equal(zeroed, first);
        assert_true(all_are(read_back(m, zeroed, 250), 0, 0, 250));
        machine_destroy(m);
    }
}

/* The 16-byte page descriptor stands at the head of a classic block of pages. */
static void test_classic_page_descriptor(void **state)
{
    (void)state;
    struct machine *m = fixture_machine("classic", 0);
    uint64_t block = get(m, OP_KMALLOC, 131056);
    assert_int_equal(block % PAGE_SIZE, 16);
    const struct op_result *r = read_back(m, block - 16, 16);
    assert_int_equal(r->outcome, OUTCOME_OK);
    assert_false(all_are(r, 0, 0, 16));
    machine_destroy(m);
}

static void test_vmalloc_is_virtual_only(void **state)
{
    (void)state;
    static const char *const PROFILES[] = { "classic", "linux-6.1" };
    for (int p = 0; p < 2; p++) {
        struct machine *m = fixture_machine(PROFILES[p], 0);
        uint64_t holes[64];
        for (int i = 0; i < 64; i++)
            holes[i] = get(m, OP_KMALLOC, 4000);
        for (int i = 0; i < 64; i += 2)
            fixture_apply(m, fixture_free(OP_KFREE, holes[i]));
        const struct op_result *r = fixture_apply(m, fixture_alloc(OP_VMALLOC, 200 * PAGE_SIZE, 0));
        assert_int_equal(r->outcome, OUTCOME_OK);
        assert_true(r->nr_frame_runs > 1);
        assert_false(r->physically_contiguous);
        uint64_t address = r->address;
        fixture_apply(m, write_fill(address + 100 * PAGE_SIZE - 8, 0x5a, 16)); /* across two frames */
        assert_true(all_are(read_back(m, address + 100 * PAGE_SIZE - 8, 16), 0x5a, 0, 16));
        assert_int_equal(read_back(m, address + 200 * PAGE_SIZE, 1)->outcome, OUTCOME_BUG); /* the guard page */
        machine_destroy(m);
    }
}

static void test_vmalloc_takes_no_flags(void **state)
{
    (void)state;
    struct machine *m = fixture_machine("classic", 0);
    struct op op = fixture_alloc(OP_VMALLOC, 4096, GFP_KERNEL);
    struct op_result r;
    struct problem why = { 0 };
    assert_int_equal(machine_apply(m, &op, &r, &why), PAGODA_ERR_INVALID);
    assert_string_equal(why.field, "gfp");
    assert_int_equal(machine_seq(m), 0);
    machine_destroy(m);
}

static uint64_t rss_of(const struct machine *m)
{
    struct process_view p;
    uint64_t cursor = 0;
    return view_next_process(m, &cursor, &p) ? p.rss_pages : 0;
}

static void test_malloc_is_a_promise(void **state)
{
    (void)state;
    static const char *const PROFILES[] = { "classic", "linux-6.1" };
    for (int p = 0; p < 2; p++) {
        struct machine *m = fixture_machine(PROFILES[p], 0);
        uint32_t pid = spawn(m);
        const struct op_result *r = fixture_apply(m, fixture_user(OP_MALLOC, pid, 1024 * KIB));
        assert_int_equal(r->outcome, OUTCOME_OK);
        uint64_t address = r->address, before = rss_of(m);
        assert_true(before < 8);
        struct op op = write_fill(address, 1, 10 * PAGE_SIZE);
        op.pid = pid;
        op.given |= OP_BIT(PID);
        assert_int_equal(fixture_apply(m, op)->outcome, OUTCOME_OK);
        assert_true(rss_of(m) >= before + 9);
        op = fixture_user(OP_FREE, pid, 0);
        op.given = OP_BIT(PID) | OP_BIT(ADDRESS);
        op.address = address;
        fixture_apply(m, op);
        assert_true(rss_of(m) <= before);
        machine_destroy(m);
    }
}

/* A call that is misuse is a bug with a reason, and the machine stays as it was but for its clock and counters. */
static void expect_bug(struct machine *m, struct op op, const char *what)
{
    struct stats_view before, after;
    view_stats(m, &before);
    const struct op_result *r = fixture_apply(m, op);
    if (r->outcome != OUTCOME_BUG || !r->message)
        fail_msg("%s: %s", what, outcome_name(r->outcome));
    view_stats(m, &after);
    assert_memory_equal(before.frames, after.frames, sizeof before.frames);
    assert_int_equal(before.nr_allocations, after.nr_allocations);
    assert_int_equal(before.requested_bytes, after.requested_bytes);
}

static struct op user_free(uint32_t pid, uint64_t address);

/* Misuse of free() ends the process; nothing else changes. */
static void expect_kill(struct machine *m, uint64_t address, const char *what)
{
    struct stats_view before, after;
    view_stats(m, &before);
    uint32_t pid = spawn(m);
    fixture_apply(m, fixture_user(OP_MALLOC, pid, 100));
    const struct op_result *r = fixture_apply(m, user_free(pid, address));
    if (r->outcome != OUTCOME_BUG || !r->message)
        fail_msg("%s: %s", what, outcome_name(r->outcome));
    view_stats(m, &after);
    assert_int_equal(before.frames[FRAME_ANON], after.frames[FRAME_ANON]);
    assert_int_equal(before.nr_allocations, after.nr_allocations);
    struct process_view process;
    for (uint64_t cursor = 0; view_next_process(m, &cursor, &process);)
        assert_int_not_equal(process.pid, pid);
}

static struct op user_free(uint32_t pid, uint64_t address)
{
    struct op op = fixture_free(OP_FREE, address);
    op.pid = pid;
    op.given |= OP_BIT(PID);
    return op;
}

static void misuse(const char *profile)
{
    struct machine *m = fixture_machine(profile, 0);
    uint64_t k = get(m, OP_KMALLOC, 100), v = get(m, OP_VMALLOC, 10000), freed = get(m, OP_KMALLOC, 100);
    uint64_t vfreed = get(m, OP_VMALLOC, 5000), large = get(m, OP_KMALLOC, 60000);
    uint32_t pid = spawn(m);
    uint64_t u = fixture_apply(m, fixture_user(OP_MALLOC, pid, 100))->address;
    uint64_t ufreed = fixture_apply(m, fixture_user(OP_MALLOC, pid, 100))->address;
    struct op op = fixture_op(OP_ALLOC_PAGES);
    op.order = 2;
    op.given = OP_BIT(ORDER);
    uint64_t pages = fixture_apply(m, op)->address;
    fixture_apply(m, fixture_free(OP_KFREE, freed));
    fixture_apply(m, fixture_free(OP_VFREE, vfreed));
    fixture_apply(m, user_free(pid, ufreed));

    expect_bug(m, fixture_free(OP_KFREE, v), "kfree of vmalloc memory");
    expect_bug(m, fixture_free(OP_VFREE, k), "vfree of kmalloc memory");
    expect_bug(m, fixture_free(OP_KFREE, freed), "double kfree");
    expect_bug(m, fixture_free(OP_VFREE, vfreed), "double vfree");
    expect_bug(m, fixture_free(OP_KFREE, k + 8), "kfree inside a block");
    expect_bug(m, fixture_free(OP_VFREE, v + PAGE_SIZE), "vfree inside an area");
    expect_bug(m, fixture_free(OP_KFREE, u), "kfree of user memory");
    expect_bug(m, fixture_free(OP_KFREE, pages), "kfree of pages");
    expect_bug(m, fixture_free(OP_KFREE, UINT64_C(0x123456789abcdef)), "kfree of nonsense");
    expect_bug(m, fixture_free(OP_VFREE, UINT64_C(0x123456789abcdef)), "vfree of nonsense");
    expect_kill(m, k, "free of kernel memory");
    expect_kill(m, 0x10, "free of nonsense");
    for (uint8_t order = 0; order < 5; order++) {
        op = fixture_free(OP_FREE_PAGES, pages);
        op.order = order;
        op.given |= OP_BIT(ORDER);
        if (order != 2)
            expect_bug(m, op, "free_pages of another order");
    }
    op.order = 2;
    assert_int_equal(fixture_apply(m, op)->outcome, OUTCOME_OK);
    expect_bug(m, op, "free_pages twice");
    assert_int_equal(fixture_apply(m, fixture_free(OP_KFREE, k))->outcome, OUTCOME_OK);
    assert_int_equal(fixture_apply(m, fixture_free(OP_KFREE, large))->outcome, OUTCOME_OK);
    assert_int_equal(fixture_apply(m, fixture_free(OP_VFREE, v))->outcome, OUTCOME_OK);
    assert_int_equal(fixture_apply(m, user_free(pid, u))->outcome, OUTCOME_OK);
    assert_int_equal(fixture_apply(m, fixture_free(OP_KFREE, 0))->outcome, OUTCOME_OK);
    machine_destroy(m);
}

static void test_writes_to_nowhere(void **state)
{
    (void)state;
    struct machine *m = fixture_machine("classic", 0);
    assert_int_equal(fixture_apply(m, write_fill(0, 1, 0))->outcome, OUTCOME_OK); /* nothing was asked for */
    expect_bug(m, write_fill(0, 1, 1), "a write through NULL");
    expect_bug(m, write_fill(UINT64_MAX - 10, 1, 100), "a write past the end of all addresses");
    machine_destroy(m);
}

static void test_misuse(void **state)
{
    (void)state;
    misuse("classic");
    misuse("linux-6.1");
}

static void test_handles(void **state)
{
    (void)state;
    struct machine *m = fixture_machine("linux-6.1", 0);
    struct op_result r;
    struct problem why = { 0 };
    uint64_t a = fixture_apply(m, named(fixture_alloc(OP_KMALLOC, 64, 0), "a"))->address;
    struct op op = named(fixture_alloc(OP_KMALLOC, 64, 0), "a");
    assert_int_equal(machine_apply(m, &op, &r, &why), PAGODA_ERR_INVALID);
    assert_string_equal(why.field, "name");
    const struct op_result *freed = fixture_apply(m, named(fixture_op(OP_KFREE), "a"));
    assert_int_equal(freed->address, a);
    fixture_apply(m, named(fixture_alloc(OP_VMALLOC, 64, 0), "a")); /* free again */
    machine_destroy(m);
}

/* The list of live allocations names everything that callers hold, of every allocator, and nothing else. */
static void test_allocations_are_all_listed(void **state)
{
    (void)state;
    static const char *const PROFILES[] = { "classic", "linux-6.1" };
    for (int p = 0; p < 2; p++) {
        struct machine *m = fixture_machine(PROFILES[p], 0);
        uint32_t pid = spawn(m);
        uint64_t sum = 0;
        for (int i = 0; i < 5; i++) {
            sum += get(m, OP_KMALLOC, 100) + get(m, OP_KMALLOC, 30000) + get(m, OP_VMALLOC, i < 4 ? 5000 : 3000000);
            sum += fixture_apply(m, fixture_user(OP_MALLOC, pid, 3000))->address;
            sum += fixture_apply(m, fixture_user(OP_MALLOC, pid, 300000))->address;
            struct op op = fixture_op(OP_ALLOC_PAGES);
            op.order = 1;
            op.given = OP_BIT(ORDER);
            sum += fixture_apply(m, op)->address;
            op = fixture_op(OP_MMAP);
            op.pid = pid;
            op.length = 10000;
            op.given = OP_BIT(PID) | OP_BIT(LENGTH) | OP_BIT(NAME);
            char name[2] = { (char)('a' + i), '\0' };
            op.name = fixture_text(name);
            sum += fixture_apply(m, op)->address;
        }
        struct allocation_view a;
        uint64_t cursor = 0, count = 0, listed = 0;
        for (; view_next_allocation(m, &cursor, &a); count++)
            listed += a.address;
        assert_int_equal(count, 35);
        assert_int_equal(listed, sum);
        struct stats_view stats;
        view_stats(m, &stats);
        assert_int_equal(stats.nr_allocations, 35);
        machine_destroy(m);
    }
}

/* --- histories --- */

struct live {
    enum op_kind release;
    uint64_t address;
    uint32_t pid;
    uint8_t order;
};

/* One random operation; what it allocated goes to the list, what it frees comes from there. */
static void random_step(struct machine *m, struct fixture_random *random, struct live *live, uint32_t *nr_live,
                        uint32_t *pids, uint32_t nr_pids)
{
    static const struct {
        enum op_kind kind, release;
    } ALLOCATORS[] = { { OP_KMALLOC, OP_KFREE }, { OP_KZALLOC, OP_KFREE },
                       { OP_VMALLOC, OP_VFREE }, { OP_ALLOC_PAGES, OP_FREE_PAGES },
                       { OP_MALLOC, OP_FREE },   { OP_CALLOC, OP_FREE },
                       { OP_MMAP, OP_MUNMAP } };
    struct op op;
    if (*nr_live > 200 || (*nr_live && fixture_random_below(random, 5) < 2)) {
        uint32_t i = (uint32_t)fixture_random_below(random, *nr_live);
        struct live l = live[i];
        live[i] = live[--*nr_live];
        op = fixture_free(l.release, l.address);
        op.order = l.order;
        op.length = 3 * PAGE_SIZE;
        op.pid = l.pid;
        op.given |= (l.pid ? OP_BIT(PID) : 0) | (l.release == OP_FREE_PAGES ? OP_BIT(ORDER) : 0) |
                    (l.release == OP_MUNMAP ? OP_BIT(LENGTH) : 0);
        const struct op_result *r = fixture_apply(m, op);
        if (r->outcome != OUTCOME_OK)
            fail_msg("%s: %s", op_info(op.kind)->name, r->message ? r->message : outcome_name(r->outcome));
        return;
    }
    unsigned a = (unsigned)fixture_random_below(random, sizeof ALLOCATORS / sizeof *ALLOCATORS);
    uint64_t size = 1 + fixture_random_below(random, UINT64_C(1) << fixture_random_below(random, 18));
    op = fixture_alloc(ALLOCATORS[a].kind, size, 0);
    struct live l = { .release = ALLOCATORS[a].release };
    if (op.kind == OP_ALLOC_PAGES) {
        op.order = l.order = (uint8_t)fixture_random_below(random, 5);
        op.given = OP_BIT(ORDER);
    }
    if (op_info(op.kind)->needed & OP_BIT(PID)) {
        op.pid = l.pid = pids[fixture_random_below(random, nr_pids)];
        op.given |= OP_BIT(PID);
    }
    if (op.kind == OP_CALLOC) {
        op.n = 2;
        op.given |= OP_BIT(N);
    }
    if (op.kind == OP_MMAP) {
        op.length = 3 * PAGE_SIZE;
        op.given = OP_BIT(PID) | OP_BIT(LENGTH);
    }
    const struct op_result *r = fixture_apply(m, op);
    l.address = r->address;
    if (r->outcome == OUTCOME_BUG)
        fail_msg("%s: %s", op_info(op.kind)->name, r->message);
    if (r->outcome != OUTCOME_OK)
        return;
    live[(*nr_live)++] = l;
    if (fixture_random_below(random, 3) == 0) {
        op = write_fill(l.address, (uint8_t)size, size < 5000 && size <= r->allocated ? size : 1);
        op.pid = l.pid;
        op.given |= l.pid ? OP_BIT(PID) : 0;
        fixture_apply(m, op);
    }
}

static void random_history(const char *profile, uint64_t memory, uint64_t swap, unsigned nr_steps)
{
    struct machine_config config = { .memory = memory, .swap = swap };
    config.profile = (uint32_t)profile_find(profile, strlen(profile))->id;
    struct machine *m = fixture_machine_of(&config);
    struct fixture_random random = { fixture_seed() };
    struct live *live = calloc(1000, sizeof *live);
    assert_non_null(live);
    uint32_t nr_live = 0, pids[3] = { spawn(m), spawn(m), 0 };
    struct op op = fixture_op(OP_FORK);
    op.pid = pids[0];
    op.given = OP_BIT(PID);
    pids[2] = fixture_apply(m, op)->pid;
    for (unsigned i = 0; i < nr_steps; i++) {
        random_step(m, &random, live, &nr_live, pids, 3);
        if (i % 5 == 0)
            machine_trim(m); /* who then uses what it has not reserved again, crashes */
    }
    struct machine *copy;
    assert_int_equal(machine_clone(m, &copy), PAGODA_OK);
    assert_int_equal(machine_hash(copy), machine_hash(m));
    struct fixture_random fork = random;
    struct live *twin = calloc(1000, sizeof *twin);
    assert_non_null(twin);
    memcpy(twin, live, 1000 * sizeof *live);
    uint32_t nr_twin = nr_live;
    for (unsigned i = 0; i < 50; i++) {
        random_step(m, &random, live, &nr_live, pids, 3);
        random_step(copy, &fork, twin, &nr_twin, pids, 3);
    }
    assert_int_equal(machine_hash(copy), machine_hash(m));
    machine_destroy(copy);
    free(twin);
    free(live);
    machine_destroy(m);
}

static void test_random_histories(void **state)
{
    (void)state;
    random_history("classic", 0, 0, 1500);
    random_history("linux-6.1", UINT64_C(64) << 20, 0, 1500);
    random_history("classic", UINT64_C(4) << 20, UINT64_C(8) << 20, 1500); /* short of memory, with swap */
}

/* The recorded log of a history, replayed with recording off, ends in the same state. */
static void test_recording_is_no_part_of_the_state(void **state)
{
    (void)state;
    struct machine *loud = fixture_machine("linux-6.1", 0), *quiet = fixture_machine("linux-6.1", 0);
    machine_record_events(quiet, false);
    for (uint64_t i = 1; i < 300; i++) {
        fixture_apply(loud, fixture_alloc(i % 3 ? OP_KMALLOC : OP_VMALLOC, i * 37, 0));
        fixture_apply(quiet, fixture_alloc(i % 3 ? OP_KMALLOC : OP_VMALLOC, i * 37, 0));
    }
    assert_int_equal(machine_hash(loud), machine_hash(quiet));
    machine_destroy(loud);
    machine_destroy(quiet);
}

static void test_images(void **state)
{
    (void)state;
    struct machine *m = fixture_machine("linux-6.1", 0), *back;
    uint64_t a = get(m, OP_KMALLOC, 5000);
    fixture_apply(m, write_fill(a, 7, 100));
    size_t room = machine_save(m, NULL, 0);
    uint8_t *image = malloc(room);
    assert_non_null(image);
    size_t bytes = machine_save(m, image, room);
    assert_true(bytes < room / 4); /* sparse: most frames of a young machine say nothing */
    assert_int_equal(machine_image_hash(image), machine_hash(m));
    assert_int_equal(machine_load(image, bytes, &fixture_host()->host, &back), PAGODA_OK);
    assert_int_equal(machine_hash(back), machine_hash(m));
    assert_true(all_are(read_back(back, a, 100), 7, 0, 100));
    machine_destroy(back);
    assert_int_equal(machine_load(image, bytes - 1, &fixture_host()->host, &back), PAGODA_ERR_CORRUPT);
    for (size_t at = 0; at < bytes; at += bytes / 64 + 1) {
        image[at] ^= 0x40;
        assert_int_equal(machine_load(image, bytes, &fixture_host()->host, &back),
                         at < 16 ? PAGODA_ERR_VERSION : PAGODA_ERR_CORRUPT); /* who made it is said first */
        image[at] ^= 0x40;
    }
    free(image);
    machine_destroy(m);
}

/* Whatever commit the host refuses: an error, and not a byte of the state is other than before. */
static void test_host_memory_runs_out(void **state)
{
    (void)state;
    for (int64_t after = 0; after < 40; after += 3) {
        struct fixture_host *host = fixture_host();
        host->fail_after = after;
        struct machine_config config = { .profile = PROFILE_LINUX_6_1 };
        struct machine *m;
        struct problem why = { 0 };
        if (machine_create(&config, &host->host, &m, &why)) {
            assert_null(m);
            continue;
        }
        machine_record_events(m, false);
        uint64_t hash = machine_hash(m);
        for (int i = 0; i < 600; i++) {
            struct op op = i % 50 ? fixture_alloc(OP_KMALLOC, 4000, 0) : fixture_alloc(OP_VMALLOC, 100000, 0);
            struct op_result r;
            enum pagoda_error err = machine_apply(m, &op, &r, &why);
            if (err) {
                assert_int_equal(err, PAGODA_ERR_NOMEM);
                assert_int_equal(machine_hash(m), hash);
                fixture_check(m);
                break;
            }
            hash = machine_hash(m);
        }
        machine_destroy(m);
    }
}

static void test_oom_kills_the_largest(void **state)
{
    (void)state;
    struct machine_config config = { .profile = PROFILE_LINUX_6_1, .memory = UINT64_C(32) << 20, .overcommit_memory = 1 };
    struct machine *m = fixture_machine_of(&config);
    uint32_t small = spawn(m), large = spawn(m);
    struct op op = fixture_op(OP_MMAP);
    op.pid = large;
    op.length = UINT64_C(256) << 20;
    op.given = OP_BIT(PID) | OP_BIT(LENGTH);
    uint64_t at = fixture_apply(m, op)->address;
    bool killed = false;
    for (uint64_t done = 0; done < UINT64_C(64) << 20 && !killed; done += 65536) {
        op = write_fill(at + done, 3, 65536);
        op.pid = large;
        op.given |= OP_BIT(PID);
        const struct op_result *r = fixture_apply(m, op);
        killed = r->message && strstr(r->message, "Out of memory: Killed process");
    }
    assert_true(killed);
    struct process_view p;
    uint64_t cursor = 0;
    assert_true(view_next_process(m, &cursor, &p));
    assert_int_equal(p.pid, small);
    assert_false(view_next_process(m, &cursor, &p));
    machine_destroy(m);
}

/* User pages go to swap and come back with their bytes; kernel pages stay where they are. */
static void test_swap_takes_user_pages_only(void **state)
{
    (void)state;
    struct machine_config config = { .profile = PROFILE_LINUX_6_1,
                                     .memory = UINT64_C(32) << 20,
                                     .swap = UINT64_C(64) << 20 };
    struct machine *m = fixture_machine_of(&config);
    uint64_t k = get(m, OP_KMALLOC, 4096);
    fixture_apply(m, write_fill(k, 0x77, 4096));
    uint32_t pid = spawn(m);
    struct op op = fixture_op(OP_MMAP);
    op.pid = pid;
    op.length = UINT64_C(48) << 20;
    op.given = OP_BIT(PID) | OP_BIT(LENGTH);
    uint64_t at = fixture_apply(m, op)->address;
    for (uint64_t done = 0; done < UINT64_C(48) << 20; done += 65536) {
        op = write_fill(at + done, (uint8_t)(done >> 16), 65536);
        op.pid = pid;
        op.given |= OP_BIT(PID);
        assert_int_equal(fixture_apply(m, op)->outcome, OUTCOME_OK);
    }
    struct stats_view stats;
    view_stats(m, &stats);
    assert_true(stats.swap_used_pages > 1000);
    for (uint64_t done = 0; done < UINT64_C(48) << 20; done += UINT64_C(1) << 20) {
        op = fixture_free(OP_READ, at + done);
        op.length = 16;
        op.pid = pid;
        op.given |= OP_BIT(LENGTH) | OP_BIT(PID);
        assert_true(all_are(fixture_apply(m, op), (uint8_t)(done >> 16), 0, 16));
    }
    assert_true(all_are(read_back(m, k, 4096), 0x77, 0, 4096));
    machine_destroy(m);
}

static void test_fork_copies_on_write(void **state)
{
    (void)state;
    struct machine *m = fixture_machine("linux-6.1", 0);
    uint32_t parent = spawn(m);
    uint64_t at = fixture_apply(m, fixture_user(OP_MALLOC, parent, 20000))->address;
    struct op op = write_fill(at, 1, 20000);
    op.pid = parent;
    op.given |= OP_BIT(PID);
    fixture_apply(m, op);
    struct stats_view before, after;
    view_stats(m, &before);
    struct op fork = fixture_op(OP_FORK);
    fork.pid = parent;
    fork.given = OP_BIT(PID);
    uint32_t child = fixture_apply(m, fork)->pid;
    view_stats(m, &after);
    assert_int_equal(before.frames[FRAME_ANON], after.frames[FRAME_ANON]); /* shared */
    op.pid = child;
    op.fill = 2;
    op.length = 1;
    fixture_apply(m, op);
    view_stats(m, &after);
    assert_int_equal(before.frames[FRAME_ANON] + 1, after.frames[FRAME_ANON]);
    struct op look = fixture_free(OP_READ, at);
    look.length = 2;
    look.given |= OP_BIT(LENGTH) | OP_BIT(PID);
    look.pid = parent;
    assert_int_equal(fixture_apply(m, look)->bytes[0], 1);
    look.pid = child;
    const struct op_result *r = fixture_apply(m, look);
    assert_true(r->bytes[0] == 2 && r->bytes[1] == 1);
    struct op end = fixture_op(OP_EXIT);
    end.given = OP_BIT(PID);
    end.pid = parent;
    fixture_apply(m, end);
    end.pid = child;
    fixture_apply(m, end);
    view_stats(m, &after);
    assert_int_equal(after.frames[FRAME_ANON], 0);
    machine_destroy(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_outcomes),
        cmocka_unit_test(test_kmalloc_is_contiguous_and_large_enough),
        cmocka_unit_test(test_min_block_of_64),
        cmocka_unit_test(test_stale_data_and_zeroes),
        cmocka_unit_test(test_classic_page_descriptor),
        cmocka_unit_test(test_vmalloc_is_virtual_only),
        cmocka_unit_test(test_vmalloc_takes_no_flags),
        cmocka_unit_test(test_malloc_is_a_promise),
        cmocka_unit_test(test_misuse),
        cmocka_unit_test(test_writes_to_nowhere),
        cmocka_unit_test(test_handles),
        cmocka_unit_test(test_allocations_are_all_listed),
        cmocka_unit_test(test_random_histories),
        cmocka_unit_test(test_recording_is_no_part_of_the_state),
        cmocka_unit_test(test_images),
        cmocka_unit_test(test_host_memory_runs_out),
        cmocka_unit_test(test_oom_kills_the_largest),
        cmocka_unit_test(test_swap_takes_user_pages_only),
        cmocka_unit_test(test_fork_copies_on_write),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
