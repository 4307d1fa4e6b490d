/* Stacks of threads, against what a real program got (glibc 2.36 on x86-64, no address randomisation, two CPUs). It made
 * ten threads one after the other, each of which called malloc(100), joined them in order, then made two more. Its mappings
 * began 5 pages lower than those of Pagoda's program. */
#include "pagoda/heap_view.h"
#include "tests/lib/fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define NR_THREADS 10
#define SPAN UINT64_C(0x801000)      /* 8 MiB and the guard */
#define TOP UINT64_C(0x7ffff7dd5000) /* what is mapped at the start of a process begins here */

static struct machine *machine_of(const char *profile)
{
    struct machine_config config = { .memory = UINT64_C(64) << 20 };
    config.profile = profile_find(profile, strlen(profile))->id;
    config.cpus = config.profile == PROFILE_CLASSIC ? 1 : 2;
    struct machine *m = fixture_machine_of(&config);
    assert_int_equal(fixture_apply(m, fixture_op(OP_SPAWN))->pid, 100);
    return m;
}

static uint64_t call(struct machine *m, uint16_t tid, uint64_t size)
{
    struct op op = fixture_user(OP_MALLOC, 100, size);
    op.tid = tid;
    op.given |= OP_BIT(TID);
    return fixture_apply(m, op)->address;
}

static const struct op_result *end_thread(struct machine *m, uint16_t tid)
{
    struct op op = fixture_op(OP_THREAD_EXIT);
    op.pid = 100;
    op.tid = tid;
    op.given = OP_BIT(PID) | OP_BIT(TID);
    return fixture_apply(m, op);
}

static bool is_mapped(const struct machine *m, uint64_t start, uint64_t end, const char *perms)
{
    struct map_view map;
    for (uint64_t cursor = 0; view_next_map(m, 100, &cursor, &map);)
        if (map.start == start && map.end == end && strncmp(map.perms, perms, 4) == 0)
            return true;
    return false;
}

static void expect_stack(const struct machine *m, uint64_t start, bool is_there)
{
    bool whole = is_mapped(m, start, start + PAGE_SIZE, "---p") && is_mapped(m, start + PAGE_SIZE, start + SPAN, "rw-p");
    if (whole != is_there)
        fail_msg("stack at %llx: %s", (unsigned long long)start, whole ? "is there" : "is not there");
}

static struct process_view process_of(const struct machine *m)
{
    struct process_view process;
    uint64_t cursor = 0;
    assert_true(view_next_process(m, &cursor, &process));
    return process;
}

/* Seven fit above the first arena; the next ones lie in the first gap that holds them. */
static const uint64_t STACKS[NR_THREADS + 1] = {
    0,
    TOP - SPAN,
    TOP - 2 * SPAN,
    TOP - 3 * SPAN,
    TOP - 4 * SPAN,
    TOP - 5 * SPAN,
    TOP - 6 * SPAN,
    TOP - 7 * SPAN,
    UINT64_C(0x7fffd8000000) - SPAN,
    UINT64_C(0x7fffd8000000) - 2 * SPAN,
    UINT64_C(0x7fffd8000000) - 3 * SPAN,
};
static const uint64_t BLOCKS[NR_THREADS + 1] = {
    0,
    UINT64_C(0x7ffff0000b70),
    UINT64_C(0x7fffe8000b70),
    UINT64_C(0x7fffec000b70),
    UINT64_C(0x7fffe0000b70),
    UINT64_C(0x7fffe4000b70),
    UINT64_C(0x7fffd8000b70),
    UINT64_C(0x7fffdc000b70),
    UINT64_C(0x7fffd0000b70),
    UINT64_C(0x7fffc8000b70),
    UINT64_C(0x7fffcc000b70),
};

static void as_a_real_program(void **state)
{
    (void)state;
    struct machine *m = machine_of("linux-6.1");
    uint64_t heap = process_of(m).heap_start;
    assert_int_equal(call(m, 0, 250), heap + 0x2a0);
    for (uint16_t tid = 1; tid <= NR_THREADS; tid++)
        assert_int_equal(call(m, tid, 100), BLOCKS[tid]);
    for (uint16_t tid = 1; tid <= NR_THREADS; tid++)
        expect_stack(m, STACKS[tid], true);
    assert_int_equal(call(m, 0, 250), heap + 0xef0);
    for (uint16_t tid = 1; tid <= NR_THREADS; tid++)
        assert_int_equal(end_thread(m, tid)->outcome, OUTCOME_OK);
    for (uint16_t tid = 1; tid <= NR_THREADS; tid++)
        expect_stack(m, STACKS[tid], tid > 6); /* 40 MiB hold four */
    assert_int_equal(call(m, 0, 250), heap + 0x1000);
    assert_int_equal(call(m, 0, 272), heap + 0x950); /* the storage of thread 6: what went back last */
    assert_int_equal(call(m, 11, 100), UINT64_C(0x7fffcc000be0));
    assert_int_equal(call(m, 12, 100), UINT64_C(0x7fffc8000be0));
    assert_int_equal(call(m, 0, 272), heap + 0x830); /* the new threads have the storage of the old ones */
    struct heap_thread_view thread;
    for (uint64_t cursor = 0; view_next_heap_thread(m, 100, &cursor, &thread);) {
        assert_int_equal(thread.stack, thread.tid ? STACKS[thread.tid == 11 ? 10 : 9] : 0);
        assert_int_equal(thread.stack_end, thread.tid ? thread.stack + SPAN : 0);
    }
    machine_destroy(m);
}

/* No page of a stack has a frame before it is touched, and the guard page never has one. What was touched goes with the
 * thread. */
static void pages_of_a_stack(void **state)
{
    (void)state;
    struct machine *m = machine_of("linux-6.1");
    call(m, 1, 100);
    uint64_t rss = process_of(m).rss_pages;
    struct op op = fixture_free(OP_WRITE, STACKS[1] + SPAN - 64 * PAGE_SIZE);
    op.pid = 100;
    op.fill = 1;
    op.length = 20 * PAGE_SIZE;
    op.given |= OP_BIT(PID) | OP_BIT(FILL) | OP_BIT(LENGTH);
    assert_int_equal(fixture_apply(m, op)->outcome, OUTCOME_OK);
    assert_int_equal(process_of(m).rss_pages, rss + 20);
    end_thread(m, 1);
    assert_int_equal(process_of(m).rss_pages, rss);
    call(m, 1, 100);
    op.address = STACKS[1] + 100;
    op.length = 1;
    assert_int_equal(fixture_apply(m, op)->outcome, OUTCOME_BUG); /* SIGSEGV: the guard */
    machine_destroy(m);
}

/* Stacks count as data, for RLIMIT_DATA, too. A thread that finds no room is refused, and nothing of it stays. */
static void limits_count_stacks(void **state)
{
    (void)state;
    struct machine *m = machine_of("linux-6.1");
    call(m, 0, 100);
    struct process_view before = process_of(m);
    call(m, 1, 100);
    struct process_view with = process_of(m);
    assert_true(with.data_pages >= before.data_pages + 2048);
    struct op limit = fixture_user(OP_SETRLIMIT, 100, 16 << 20);
    limit.resource = RESOURCE_DATA;
    limit.given |= OP_BIT(RESOURCE);
    assert_int_equal(fixture_apply(m, limit)->outcome, OUTCOME_OK);
    struct op op = fixture_user(OP_MALLOC, 100, 100);
    op.tid = 2;
    op.given |= OP_BIT(TID);
    const struct op_result *result = fixture_apply(m, op);
    assert_int_equal(result->outcome, OUTCOME_NULL);
    assert_non_null(strstr(result->message, "pthread_create: EAGAIN"));
    assert_int_equal(process_of(m).virtual_bytes, with.virtual_bytes);
    machine_destroy(m);
}

/* The child of a fork has one thread. The stacks of the others are kept, and used again. */
static void fork_keeps_stacks(void **state)
{
    (void)state;
    struct machine *m = machine_of("linux-6.1");
    for (uint16_t tid = 1; tid <= 3; tid++)
        call(m, tid, 100);
    call(m, 0, 100);
    struct op fork = fixture_user(OP_FORK, 100, 0);
    fork.given = OP_BIT(PID);
    uint32_t child = fixture_apply(m, fork)->pid;
    struct op op = fixture_user(OP_MALLOC, child, 100);
    op.tid = 1;
    op.given |= OP_BIT(TID);
    fixture_apply(m, op);
    struct heap_thread_view thread;
    uint64_t cursor = 0;
    assert_true(view_next_heap_thread(m, child, &cursor, &thread));
    assert_true(view_next_heap_thread(m, child, &cursor, &thread));
    assert_int_equal(thread.stack, STACKS[3]);
    machine_destroy(m);
}

/* With 32 bits stacks have the same size. Those of all threads fit below the mappings. */
static void classic_has_them_too(void **state)
{
    (void)state;
    struct machine *m = machine_of("classic");
    for (uint16_t tid = 1; tid < 40; tid++)
        assert_int_not_equal(call(m, tid, 100), 0);
    struct heap_thread_view thread;
    uint64_t cursor = 0, nr = 0;
    for (; view_next_heap_thread(m, 100, &cursor, &thread); nr++)
        if (thread.tid)
            expect_stack(m, thread.stack, true);
    assert_int_equal(nr, 40);
    machine_destroy(m);
}

/* There are 8 arenas a CPU, the main one among them. With two CPUs the 17th thread shares the main heap. */
static void arenas_by_cpus(void **state)
{
    (void)state;
    struct machine *m = machine_of("linux-6.1");
    uint64_t heap = process_of(m).heap_start;
    for (uint16_t tid = 1; tid < 16; tid++)
        assert_true(call(m, tid, 100) > UINT64_C(0x7fff00000000));
    uint64_t shared = call(m, 16, 100);
    assert_true(shared > heap && shared < heap + (1 << 20));
    machine_destroy(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(as_a_real_program), cmocka_unit_test(pages_of_a_stack),     cmocka_unit_test(limits_count_stacks),
        cmocka_unit_test(fork_keeps_stacks), cmocka_unit_test(classic_has_them_too), cmocka_unit_test(arenas_by_cpus),
    };
    return cmocka_run_group_tests_name("thread_stack", tests, NULL, NULL);
}
