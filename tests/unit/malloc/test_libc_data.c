/* Malloc's own variables as bytes of the process: what stands there when, and what becomes of them with fork, swap,
 * mappings that are gone, and the calls that change them. What attacks on them do is in test_techniques.c. */
#include "alloc/machine/machine_internal.h"
#include "pagoda/heap_view.h"
#include "tests/lib/fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

/* Offsets from the start of the data: fields of mp_, main_arena and others, as Debian's glibc 2.36 has them. */
enum {
    MMAP_THRESHOLD = 0x350,
    N_MMAPS_MAX = 0x380,
    TCACHE_BINS = 0x3a8,
    TCACHE_MAX_BYTES = 0x3b0,
    TCACHE_COUNT = 0x3b8,
    MAIN_TOP = 0xcc0,
    UNSORTED_FD = 0xcd0,
    MAIN_NEXT = 0x14d0,
    ATTACHED = 0x14e0,
    MAX_FAST = 0x74a0
};

static uint64_t libc_data(const struct machine *m, uint32_t pid)
{
    const struct processes *ps = &m->state.processes;
    return process_at(ps, process_find(ps, pid))->libc_data;
}

static uint64_t peek(struct machine *m, uint32_t pid, uint64_t offset)
{
    uint64_t word;
    struct op op = fixture_op(OP_READ);
    op.address = libc_data(m, pid) + offset;
    op.pid = pid;
    op.length = sizeof word;
    op.given |= OP_BIT(ADDRESS) | OP_BIT(PID) | OP_BIT(LENGTH);
    const struct op_result *r = fixture_apply(m, op);
    assert_int_equal(r->outcome, OUTCOME_OK);
    memcpy(&word, r->bytes, sizeof word);
    return word;
}

static void poke(struct machine *m, uint32_t pid, uint64_t offset, uint64_t word)
{
    struct op op = fixture_op(OP_WRITE);
    op.address = libc_data(m, pid) + offset;
    op.pid = pid;
    op.data = (const uint8_t *)&word;
    op.nr_data = sizeof word;
    op.given |= OP_BIT(ADDRESS) | OP_BIT(PID) | OP_BIT(HEX);
    assert_int_equal(fixture_apply(m, op)->outcome, OUTCOME_OK);
}

static uint32_t spawn(struct machine *m, const char *tunables)
{
    struct op op = fixture_op(OP_SPAWN);
    if (tunables) {
        op.tunables = fixture_text(tunables);
        op.given |= OP_BIT(TUNABLES);
    }
    return fixture_apply(m, op)->pid;
}

static uint64_t take(struct machine *m, uint32_t pid, uint64_t size)
{
    const struct op_result *r = fixture_apply(m, fixture_user(OP_MALLOC, pid, size));
    return r->outcome == OUTCOME_OK ? r->address : 0;
}

static void give(struct machine *m, uint32_t pid, uint64_t address)
{
    struct op op = fixture_free(OP_FREE, address);
    op.pid = pid;
    op.given |= OP_BIT(PID);
    (void)fixture_apply(m, op);
}

/* An operation on the range of the data that malloc's variables are in. */
static void on_data(struct machine *m, uint32_t pid, struct op op)
{
    op.address = libc_data(m, pid);
    op.length = UINT64_C(15) << PAGE_SHIFT;
    op.pid = pid;
    op.given |= OP_BIT(ADDRESS) | OP_BIT(PID) | OP_BIT(LENGTH);
    assert_int_equal(fixture_apply(m, op)->outcome, OUTCOME_OK);
}

static uint64_t minor_faults(struct machine *m, uint32_t pid)
{
    const struct processes *ps = &m->state.processes;
    return process_at(ps, process_find(ps, pid))->minor_faults;
}

/* The library's file has values in it before anybody calls malloc. To look at them costs no fault, as the loader has been
 * there. */
static void test_before_the_first_call(void **state)
{
    (void)state;
    struct machine *m = fixture_machine("linux-6.1", 0);
    uint32_t pid = spawn(m, NULL);
    assert_int_equal(peek(m, pid, MMAP_THRESHOLD), 128 << 10);
    assert_int_equal(peek(m, pid, TCACHE_BINS), 64);
    assert_int_equal(peek(m, pid, TCACHE_MAX_BYTES), 1032);
    assert_int_equal(peek(m, pid, MAIN_NEXT), libc_data(m, pid) + 0xc60);
    assert_int_equal(peek(m, pid, ATTACHED), 1);
    assert_int_equal(minor_faults(m, pid), 0);
    poke(m, pid, TCACHE_COUNT, 1);
    uint64_t a = take(m, pid, 24), b = take(m, pid, 24);
    give(m, pid, a);
    give(m, pid, b); /* the cache has room for one */
    assert_int_equal(take(m, pid, 24), a);
    assert_int_equal(take(m, pid, 24), b);
    machine_destroy(m);
}

static void test_options_are_there(void **state)
{
    (void)state;
    struct machine *m = fixture_machine("linux-6.1", 0);
    uint32_t pid = spawn(m, "glibc.malloc.tcache_count=3:glibc.malloc.tcache_max=100:glibc.malloc.mxfast=64");
    assert_int_equal(peek(m, pid, TCACHE_COUNT), 3);
    assert_int_equal(peek(m, pid, TCACHE_MAX_BYTES), 100);
    assert_int_equal(peek(m, pid, TCACHE_BINS), 6);
    assert_int_equal(peek(m, pid, MAX_FAST), 64);
    struct op op = fixture_op(OP_MALLOPT);
    op.pid = pid;
    op.option = MALLOPT_MMAP_MAX;
    op.value = -1;
    op.given |= OP_BIT(PID) | OP_BIT(OPTION) | OP_BIT(VALUE);
    (void)fixture_apply(m, op);
    assert_int_equal(peek(m, pid, N_MMAPS_MAX) & UINT32_MAX, UINT32_MAX);
    uint64_t large = take(m, pid, 1 << 20);                                /* a number below 0 allows no mapping */
    assert_true(large && large < libc_data(m, pid) - (UINT64_C(1) << 40)); /* it is in the heap */
    machine_destroy(m);
}

static void test_a_child_has_its_own(void **state)
{
    (void)state;
    struct machine *m = fixture_machine("linux-6.1", 0);
    uint32_t pid = spawn(m, NULL);
    uint64_t first = take(m, pid, 5000), guard = take(m, pid, 24), top = peek(m, pid, MAIN_TOP);
    struct op op = fixture_op(OP_FORK);
    op.pid = pid;
    op.given |= OP_BIT(PID);
    uint32_t child = fixture_apply(m, op)->pid;
    assert_true(guard != 0);
    give(m, child, first);
    assert_int_equal(peek(m, child, UNSORTED_FD), first - 16);
    assert_int_equal(peek(m, pid, UNSORTED_FD), libc_data(m, pid) + MAIN_TOP);
    poke(m, child, MAIN_TOP, 8);
    assert_int_equal(peek(m, pid, MAIN_TOP), top);
    assert_int_equal(take(m, pid, 24), top + 16);
    machine_destroy(m);
}

static void test_in_swap(void **state)
{
    (void)state;
    const struct machine_config config = { .profile = PROFILE_LINUX_6_1, .memory = 64 << 20, .swap = 16 << 20, .cpus = 1 };
    struct machine *m = fixture_machine_of(&config);
    uint32_t pid = spawn(m, NULL);
    uint64_t first = take(m, pid, 5000), top = peek(m, pid, MAIN_TOP), cursor = 0;
    struct op op = fixture_op(OP_MADVISE);
    op.advice = ADVICE_PAGEOUT;
    op.given |= OP_BIT(ADVICE);
    on_data(m, pid, op);
    struct heap_view heap;
    struct arena_view arena;
    assert_true(view_heap(m, pid, &heap) && view_next_arena(m, pid, &cursor, &arena));
    assert_int_equal(heap.mmap_threshold, 128 << 10);
    assert_int_equal(arena.top, top);
    assert_int_equal(take(m, pid, 5000), first + 5008);
    machine_destroy(m);
}

/* malloc faults where its variables are gone. */
static void test_gone(void **state)
{
    (void)state;
    struct machine *m = fixture_machine("linux-6.1", 0);
    uint32_t pid = spawn(m, NULL);
    assert_true(take(m, pid, 24) != 0);
    on_data(m, pid, fixture_op(OP_MUNMAP));
    const struct op_result *r = fixture_apply(m, fixture_user(OP_MALLOC, pid, 24));
    assert_int_equal(r->outcome, OUTCOME_BUG);
    assert_non_null(strstr(r->message, "SIGSEGV"));
    machine_destroy(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_before_the_first_call),
        cmocka_unit_test(test_options_are_there),
        cmocka_unit_test(test_a_child_has_its_own),
        cmocka_unit_test(test_in_swap),
        cmocka_unit_test(test_gone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
