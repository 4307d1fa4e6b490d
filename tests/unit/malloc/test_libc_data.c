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
    struct arena_view arena = { 0 };
    assert_true(view_heap(m, pid, &heap) && view_next_arena(m, pid, &cursor, &arena));
    assert_int_equal(heap.mmap_threshold, 128 << 10);
    assert_int_equal(arena.top, top);
    assert_int_equal(take(m, pid, 5000), first + 5008);
    machine_destroy(m);
}

/* --- anything --- */

#define NR_RUNS 15u
#define NR_STEPS 150u
#define NR_SEEN 32u
#define NR_LOOKS 300u

struct scribbler {
    struct machine *m;
    struct fixture_random random;
    uint32_t pid;
    uint64_t seen[NR_SEEN];
};

static uint64_t below(struct scribbler *s, uint64_t bound)
{
    return fixture_random_below(&s->random, bound);
}

static uint64_t some_word(struct scribbler *s)
{
    uint64_t seen = s->seen[below(s, NR_SEEN)];
    switch (below(s, 7)) {
    case 0:
        return below(s, 2) ? 0 : UINT64_MAX - below(s, 3);
    case 1:
        return below(s, 300);
    case 2:
        return libc_data(s->m, s->pid) + below(s, 0x8000);
    case 3:
        return below(s, UINT64_MAX);
    case 4:
        return UINT64_C(1) << below(s, 64);
    default:
        return seen - 16 + 8 * below(s, 6);
    }
}

/* Writes where malloc's variables are, or where blocks were. */
static void scribble(struct scribbler *s)
{
    static const struct {
        uint64_t start, span;
    } WHERE[] = { { 0x320, 0xa8 },  { 0xc60, 0x898 }, { 0xc60, 0x80 },  { 0x1a0, 0xa0 },
                  { 0x7c0, 0x460 }, { 0x7460, 0x48 }, { 0x3b40, 0x30 }, { 0, 0x8000 } };
    size_t at = below(s, sizeof WHERE / sizeof WHERE[0]);
    uint64_t word = some_word(s), address = libc_data(s->m, s->pid) + WHERE[at].start + below(s, WHERE[at].span);
    const struct processes *ps = &s->m->state.processes;
    if (below(s, 8) == 0)
        address = process_at(ps, process_find(ps, s->pid))->thread_data + 0x6f8;
    else if (below(s, 4) == 0)
        address = s->seen[below(s, NR_SEEN)] - 16 + 8 * below(s, 8);
    struct op op = fixture_op(OP_WRITE);
    op.address = below(s, 8) ? address & ~UINT64_C(7) : address;
    op.pid = s->pid;
    op.data = (const uint8_t *)&word;
    op.nr_data = sizeof word;
    op.given |= OP_BIT(ADDRESS) | OP_BIT(PID) | OP_BIT(HEX);
    (void)fixture_apply(s->m, op);
}

static void call_malloc(struct scribbler *s)
{
    static const enum op_kind KINDS[] = {
        OP_MALLOC,  OP_MALLOC,   OP_MALLOC,      OP_FREE, OP_FREE,    OP_FREE,        OP_CALLOC,
        OP_REALLOC, OP_MEMALIGN, OP_MALLOC_TRIM, OP_FORK, OP_MALLOPT, OP_THREAD_EXIT, OP_MALLOC_USABLE_SIZE
    };
    struct op op = fixture_op(KINDS[below(s, sizeof KINDS / sizeof KINDS[0])]);
    op.given |= OP_BIT(PID) | (op_info(op.kind)->needed & ~OP_BIT(NAME));
    op.pid = s->pid;
    op.size = below(s, 4) ? below(s, 2500) : below(s, 300000);
    op.n = below(s, 5);
    op.align = UINT64_C(16) << below(s, 9);
    op.address = s->seen[below(s, NR_SEEN)];
    op.value = (int64_t)below(s, 3000);
    op.option = (uint8_t)below(s, NR_MALLOPT_OPTIONS);
    if (below(s, 4) == 0 && op.kind != OP_FORK) {
        op.tid = (uint16_t)below(s, 4);
        op.given |= OP_BIT(TID);
    }
    const struct op_result *r = fixture_apply(s->m, op);
    if (r->address && r->outcome == OUTCOME_OK)
        s->seen[below(s, NR_SEEN)] = r->address;
}

static void look_at_all(struct scribbler *s)
{
    struct heap_view heap;
    struct arena_view arena;
    struct heap_region_view region;
    struct heap_thread_view thread;
    struct heap_list_view list;
    struct listed_chunk_view listed;
    struct chunk_view chunk;
    uint64_t at[5] = { 0 };
    (void)view_heap(s->m, s->pid, &heap);
    for (unsigned i = 0; i < NR_LOOKS && view_next_arena(s->m, s->pid, &at[0], &arena); i++)
        continue;
    for (unsigned i = 0; i < NR_LOOKS && view_next_heap_region(s->m, s->pid, &at[1], &region); i++)
        continue;
    for (unsigned i = 0; i < NR_LOOKS && view_next_heap_thread(s->m, s->pid, &at[2], &thread); i++)
        continue;
    for (unsigned i = 0; i < NR_LOOKS && view_next_heap_list(s->m, s->pid, &at[3], &list); i++)
        for (uint64_t j = 0, cursor = 0; j < 20 && view_next_listed_chunk(s->m, s->pid, &list, &cursor, &listed); j++)
            continue;
    for (unsigned i = 0; i < NR_LOOKS && view_next_chunk(s->m, s->pid, &at[4], &chunk); i++)
        continue;
}

static void scribble_on(enum profile_id profile, uint64_t seed)
{
    const struct machine_config config = { .profile = profile,
                                           .memory = (profile == PROFILE_CLASSIC ? UINT64_C(8) : UINT64_C(40)) << 20,
                                           .swap = 2 << 20,
                                           .cpus = 1 };
    struct scribbler s = { .m = fixture_machine_of(&config), .random = { seed } };
    for (unsigned step = 0; step < NR_STEPS; step++) {
        if (!process_find(&s.m->state.processes, s.pid).index)
            s.pid = spawn(s.m, NULL);
        if (below(&s, 3) == 0 && s.pid)
            scribble(&s);
        else
            call_malloc(&s);
        if (step % 8 == 0)
            look_at_all(&s);
    }
    machine_destroy(s.m);
}

/* Whatever the variables say, malloc comes to an end: with a block, with none, or with the process. */
static void test_anything_may_stand_there(void **state)
{
    (void)state;
    uint64_t seed = fixture_seed();
    for (unsigned run = 0; run < NR_RUNS; run++) {
        scribble_on(PROFILE_LINUX_6_1, seed + run);
        scribble_on(PROFILE_CLASSIC, seed + run);
    }
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
        cmocka_unit_test(test_anything_may_stand_there),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
