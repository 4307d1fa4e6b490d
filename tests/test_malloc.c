/* The user heap: where blocks lie, what glibc says to misuse, random programs beside a naive model, corrupted bytes, fork.
 */
#include "tests/fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define KIB 1024u

static uint32_t spawn(struct machine *m)
{
    return fixture_apply(m, fixture_op(OP_SPAWN))->pid;
}

static uint64_t heap_start(struct machine *m, uint32_t pid)
{
    struct process_view view;
    for (uint64_t cursor = 0; view_next_process(m, &cursor, &view);)
        if (view.pid == pid)
            return view.heap_start;
    return 0;
}

static const struct op_result *user(struct machine *m, enum op_kind kind, uint32_t pid, uint64_t size)
{
    return fixture_apply(m, fixture_user(kind, pid, size));
}

static const struct op_result *give(struct machine *m, uint32_t pid, uint64_t address)
{
    struct op op = fixture_free(OP_FREE, address);
    op.pid = pid;
    op.given |= P(PID);
    return fixture_apply(m, op);
}

static const struct op_result *move(struct machine *m, uint32_t pid, uint64_t address, uint64_t size)
{
    struct op op = fixture_user(OP_REALLOC, pid, size);
    op.address = address;
    op.given |= P(ADDRESS);
    return fixture_apply(m, op);
}

static const struct op_result *aligned(struct machine *m, uint32_t pid, uint64_t align, uint64_t size)
{
    struct op op = fixture_user(OP_ALIGNED_ALLOC, pid, size);
    op.align = align;
    op.given |= P(ALIGN);
    return fixture_apply(m, op);
}

static const struct op_result *poke(struct machine *m, uint32_t pid, uint64_t address, const void *bytes, uint32_t length)
{
    struct op op = fixture_op(OP_WRITE);
    op.address = address;
    op.pid = pid;
    op.data = bytes;
    op.nr_data = length;
    op.given |= P(ADDRESS) | P(PID) | P(HEX);
    return fixture_apply(m, op);
}

static const uint8_t *peek(struct machine *m, uint32_t pid, uint64_t address, uint32_t length)
{
    struct op op = fixture_op(OP_READ);
    op.address = address;
    op.pid = pid;
    op.length = length;
    op.given |= P(ADDRESS) | P(PID) | P(LENGTH);
    const struct op_result *r = fixture_apply(m, op);
    assert_int_equal(r->outcome, OUTCOME_OK);
    return r->bytes;
}

/* --- where blocks lie: offsets from the start of the heap, and what can be used of them --- */

static const struct {
    const char *profile;
    uint64_t size, offset, usable;
} FIRST[] = {
    { "linux-6.1", 24, 0x2a0, 24 }, /* behind the thread's cache block */
    { "linux-6.1", 25, 0x2a0, 40 }, { "linux-6.1", 0, 0x2a0, 24 },    { "linux-6.1", 1000, 0x2a0, 1000 },
    { "classic", 12, 0x1a0, 12 }, /* 4-byte words: header 8, pointers still at multiples of 16 */
    { "classic", 13, 0x1a0, 28 },   { "classic", 1000, 0x1a0, 1004 },
};

static void test_first_block(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof FIRST / sizeof *FIRST; i++) {
        struct machine *m = fixture_machine(FIRST[i].profile, 0);
        uint32_t pid = spawn(m);
        const struct op_result *r = user(m, OP_MALLOC, pid, FIRST[i].size);
        assert_int_equal(r->outcome, OUTCOME_OK);
        assert_int_equal(r->allocated, FIRST[i].usable);
        uint64_t address = r->address;
        assert_int_equal(address - heap_start(m, pid), FIRST[i].offset);
        machine_destroy(m);
    }
}

static void test_large_blocks_get_a_mapping(void **state)
{
    (void)state;
    struct machine *m = fixture_machine("linux-6.1", 0);
    uint32_t pid = spawn(m);
    uint64_t address = user(m, OP_MALLOC, pid, 200 * KIB)->address;
    struct chunk_view chunk = { 0 };
    for (uint64_t cursor = 0; view_next_chunk(m, pid, &cursor, &chunk);)
        ;
    assert_string_equal(chunk.state, "mmap");
    assert_int_equal(chunk.address + 16, address);
    assert_int_equal(give(m, pid, address)->outcome, OUTCOME_OK);
    address = user(m, OP_MALLOC, pid, 200 * KIB)->address; /* the threshold has risen: from the heap now */
    assert_true(address - heap_start(m, pid) < 64 * KIB);
    machine_destroy(m);
}

static void test_chunks_tell_their_state(void **state)
{
    (void)state;
    struct machine *m = fixture_machine("linux-6.1", 0);
    uint32_t pid = spawn(m);
    uint64_t small[9], large, guard;
    for (int i = 0; i < 9; i++)
        small[i] = user(m, OP_MALLOC, pid, 24)->address;
    large = user(m, OP_MALLOC, pid, 2000)->address;
    guard = user(m, OP_MALLOC, pid, 24)->address;
    for (int i = 0; i < 9; i++)
        give(m, pid, small[i]);
    give(m, pid, large);
    const char *want[] = { "used",   "tcache", "tcache", "tcache",   "tcache", "tcache", "tcache",
                           "tcache", "fast",   "fast",   "unsorted", "used",   "top" };
    uint64_t cursor = 0;
    struct chunk_view chunk;
    for (size_t i = 0; i < sizeof want / sizeof *want; i++) {
        assert_true(view_next_chunk(m, pid, &cursor, &chunk));
        assert_string_equal(chunk.state, want[i]);
        assert_true((chunk.address + 16 == guard) == (chunk.requested == 24));
    }
    assert_false(view_next_chunk(m, pid, &cursor, &chunk));
    user(m, OP_MALLOC, pid, 4000); /* a larger request files what is unsorted, and merges the fastbins */
    for (cursor = 0; view_next_chunk(m, pid, &cursor, &chunk) && chunk.address + 16 != small[7];)
        ;
    assert_string_equal(chunk.state, "large");
    machine_destroy(m);
}

/* --- misuse: a program in letters, and what glibc 2.36 says at its last step --- */

/* m<slot> malloc(size), f<slot> free, w<slot> write word at offset; slots 0-9. t: seven blocks of 24 bytes, T: frees them.
 */
struct misuse_step {
    char what;
    uint32_t slot;
    int64_t number; /* size, or offset */
    uint64_t word;
};
static const struct {
    const char *name;
    struct misuse_step steps[10];
    const char *want;
} MISUSE[] = {
    { "twice", { { 'm', 0, 24, 0 }, { 'f', 0, 0, 0 }, { 'f', 0, 0, 0 } }, "free(): double free detected in tcache 2" },
    { "twice, the cache being full",
      { { 't', 0, 0, 0 }, { 'm', 0, 24, 0 }, { 'T', 0, 0, 0 }, { 'f', 0, 0, 0 }, { 'f', 0, 0, 0 } },
      "double free or corruption (fasttop)" },
    { "twice, large",
      { { 'm', 0, 2000, 0 }, { 'm', 1, 24, 0 }, { 'f', 0, 0, 0 }, { 'f', 0, 0, 0 } },
      "double free or corruption (!prev)" },
    { "twice, merged into top",
      { { 'm', 0, 2000, 0 }, { 'f', 0, 0, 0 }, { 'f', 0, 0, 0 } },
      "double free or corruption (top)" },
    { "into a block", { { 'm', 0, 24, 0 }, { 'f', 0, 8, 0 } }, "free(): invalid pointer" },
    { "size overwritten", { { 'm', 0, 24, 0 }, { 'w', 0, -8, 0x11 }, { 'f', 0, 0, 0 } }, "free(): invalid size" },
    { "size beyond the heap",
      { { 'm', 0, 2000, 0 }, { 'w', 0, -8, 0x100001 }, { 'f', 0, 0, 0 } },
      "double free or corruption (out)" },
    { "next size of a fast chunk",
      { { 't', 0, 0, 0 }, { 'm', 0, 24, 0 }, { 'm', 1, 24, 0 }, { 'T', 0, 0, 0 }, { 'w', 0, 24, 0 }, { 'f', 0, 0, 0 } },
      "free(): invalid next size (fast)" },
    { "size of a free neighbour",
      { { 'm', 0, 2000, 0 },
        { 'm', 1, 2000, 0 },
        { 'm', 2, 24, 0 },
        { 'f', 0, 0, 0 },
        { 'w', 0, -8, 0x8e1 },
        { 'f', 1, 0, 0 } },
      "corrupted size vs. prev_size while consolidating" },
    { "links of a free neighbour",
      { { 'm', 0, 2000, 0 }, { 'm', 1, 2000, 0 }, { 'm', 2, 24, 0 }, { 'f', 0, 0, 0 }, { 'W', 0, 0, 0 }, { 'f', 1, 0, 0 } },
      "corrupted double-linked list" },
    { "a link to nowhere",
      { { 'm', 0, 2000, 0 },
        { 'm', 1, 2000, 0 },
        { 'm', 2, 24, 0 },
        { 'f', 0, 0, 0 },
        { 'w', 0, 0, 0x4141414141414140 },
        { 'f', 1, 0, 0 } },
      "Segmentation fault" },
    { "a link of the thread's cache",
      { { 'm', 0, 24, 0 },
        { 'm', 1, 24, 0 },
        { 'f', 0, 0, 0 },
        { 'f', 1, 0, 0 },
        { 'w', 1, 0, 0x4141414141414141 },
        { 'm', 2, 24, 0 },
        { 'm', 3, 24, 0 } },
      "malloc(): unaligned tcache chunk detected" },
    { "size of an unsorted chunk",
      { { 'm', 0, 2000, 0 }, { 'm', 1, 24, 0 }, { 'f', 0, 0, 0 }, { 'w', 0, -8, 9 }, { 'm', 2, 3000, 0 } },
      "malloc(): invalid size (unsorted)" },
    { "size of top",
      { { 'm', 0, 24, 0 }, { 'w', 0, 24, 0xfffffffffffffff1 }, { 'm', 1, 2000, 0 } },
      "malloc(): corrupted top size" },
    { "realloc of the inside", { { 'm', 0, 24, 0 }, { 'r', 0, 8, 100 } }, "realloc(): invalid pointer" },
    { "distance to the mapping",
      { { 'm', 0, 200000, 0 }, { 'w', 0, -16, 0x10 }, { 'f', 0, 0, 0 } },
      "munmap_chunk(): invalid pointer" },
    { "a mapped block twice", { { 'm', 0, 200000, 0 }, { 'f', 0, 0, 0 }, { 'f', 0, 0, 0 } }, "Segmentation fault" },
    { "a number", { { 'f', 9, 16, 0 } }, "Segmentation fault" },
};

static const struct op_result *misuse_step(struct machine *m, uint32_t pid, uint64_t *slots, const struct misuse_step *step)
{
    uint64_t *slot = &slots[step->slot], at = *slot + (uint64_t)step->number;
    const struct op_result *r = NULL;
    switch (step->what) {
    case 'm':
        r = user(m, OP_MALLOC, pid, (uint64_t)step->number);
        *slot = r->address;
        return r;
    case 'f':
        return give(m, pid, at);
    case 'r':
        return move(m, pid, at, step->word);
    case 'w':
        return poke(m, pid, at, &step->word, 8);
    case 'W': /* a link to itself */
        return poke(m, pid, at, slot, 8);
    default:
        for (int i = 0; i < 7; i++) {
            if (step->what == 't')
                slots[10 + i] = user(m, OP_MALLOC, pid, 24)->address;
            else
                r = give(m, pid, slots[10 + i]);
        }
        return r;
    }
}

static void test_misuse(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof MISUSE / sizeof *MISUSE; i++) {
        struct machine *m = fixture_machine("linux-6.1", 0);
        uint32_t pid = spawn(m);
        uint64_t slots[20] = { 0 };
        const struct op_result *r = NULL;
        for (size_t n = 0; n < 10 && MISUSE[i].steps[n].what; n++) {
            assert_true(!r || r->outcome == OUTCOME_OK);
            r = misuse_step(m, pid, slots, &MISUSE[i].steps[n]);
        }
        if (!r || r->outcome != OUTCOME_BUG || !strstr(r->message, MISUSE[i].want))
            fail_msg("%s: got %s", MISUSE[i].name, r && r->message ? r->message : "nothing");
        machine_destroy(m);
    }
}

/* --- random programs beside a naive model: every block has its bytes, none overlaps another --- */

#define NR_BLOCKS 64

struct block {
    uint64_t address, usable;
    uint8_t fill;
};

static uint64_t random_size(struct fixture_random *random)
{
    static const uint64_t UP_TO[] = { 64, 64, 200, 1500, 5000, 40000, 300000 };
    return fixture_random_below(random, UP_TO[fixture_random_below(random, sizeof UP_TO / sizeof *UP_TO)]);
}

static void check_apart(const struct block *blocks, const struct block *mine)
{
    for (int i = 0; i < NR_BLOCKS; i++) {
        const struct block *other = &blocks[i];
        if (other != mine && other->address)
            assert_true(mine->address + mine->usable <= other->address || other->address + other->usable <= mine->address);
    }
}

/* First and last bytes say whose block it is. */
static void mark(struct machine *m, uint32_t pid, const struct block *block)
{
    poke(m, pid, block->address, &block->fill, 1);
    poke(m, pid, block->address + block->usable - 1, &block->fill, 1);
}

static void check_mark(struct machine *m, uint32_t pid, const struct block *block, uint64_t usable)
{
    assert_int_equal(*peek(m, pid, block->address, 1), block->fill);
    if (usable == block->usable)
        assert_int_equal(*peek(m, pid, block->address + usable - 1, 1), block->fill);
}

static bool took(struct block *block, const struct op_result *r)
{
    assert_int_not_equal(r->outcome, OUTCOME_BUG);
    if (r->outcome != OUTCOME_OK)
        return false;
    assert_true(r->allocated >= r->requested);
    assert_int_equal(r->address % 16, 0);
    block->address = r->address;
    block->usable = r->allocated;
    return true;
}

static void take_some(struct machine *m, uint32_t pid, struct block *block, struct fixture_random *random)
{
    uint64_t size = random_size(random), align = UINT64_C(1) << fixture_random_below(random, 14);
    bool zeroed = fixture_random_below(random, 3) == 0;
    if (zeroed) {
        struct op op = fixture_user(OP_CALLOC, pid, size);
        op.n = 1;
        op.given |= P(N);
        if (took(block, fixture_apply(m, op)) && size)
            assert_int_equal(*peek(m, pid, block->address + size - 1, 1), 0);
    } else if (fixture_random_below(random, 6) == 0) {
        if (took(block, aligned(m, pid, align, size)))
            assert_int_equal(block->address % align, 0);
    } else {
        took(block, user(m, OP_MALLOC, pid, size));
    }
}

static void random_step(struct machine *m, uint32_t pid, struct block *blocks, struct fixture_random *random)
{
    struct block *block = &blocks[fixture_random_below(random, NR_BLOCKS)];
    if (!block->address) {
        take_some(m, pid, block, random);
        block->fill = (uint8_t)(1 + fixture_random_below(random, 255));
    } else if (fixture_random_below(random, 3) == 0) {
        struct block moved = *block;
        if (took(&moved, move(m, pid, block->address, 1 + random_size(random)))) {
            assert_int_equal(*peek(m, pid, moved.address, 1), block->fill);
            *block = moved;
        }
    } else {
        check_mark(m, pid, block, block->usable);
        assert_int_equal(give(m, pid, block->address)->outcome, OUTCOME_OK);
        block->address = 0;
    }
    if (block->address) {
        check_apart(blocks, block);
        mark(m, pid, block);
    }
}

static void run_random(const char *profile, uint64_t memory, int nr_steps)
{
    struct fixture_random random = { fixture_seed() };
    struct machine *m = fixture_machine(profile, memory);
    struct block blocks[NR_BLOCKS] = { 0 };
    uint32_t pid = spawn(m);
    for (int i = 0; i < nr_steps; i++)
        random_step(m, pid, blocks, &random);
    for (int i = 0; i < NR_BLOCKS; i++)
        if (blocks[i].address)
            assert_int_equal(give(m, pid, blocks[i].address)->outcome, OUTCOME_OK);
    machine_destroy(m);
}

static void test_random_programs(void **state)
{
    (void)state;
    run_random("linux-6.1", 0, 1500);
    run_random("classic", 0, 1500);
}

/* Whatever is written over the heap, malloc ends in an answer or in a bug that kills the process. */
static void test_corrupted_heaps(void **state)
{
    (void)state;
    struct fixture_random random = { fixture_seed() };
    struct machine *m = fixture_machine("linux-6.1", 0);
    for (int round = 0; round < 60; round++) {
        uint32_t pid = spawn(m);
        uint64_t start = heap_start(m, pid), slots[16] = { 0 };
        enum outcome outcome = OUTCOME_OK;
        for (int i = 0; i < 120 && outcome != OUTCOME_BUG; i++) {
            uint64_t *slot = &slots[fixture_random_below(&random, 16)], kind = fixture_random_below(&random, 4);
            uint64_t word = kind ? start + 8 * fixture_random_below(&random, 2000) : fixture_random_below(&random, 4096);
            if (i > 60 && kind == 1) {
                outcome = poke(m, pid, start + 8 * fixture_random_below(&random, 2000), &word, 8)->outcome;
            } else if (*slot) {
                outcome = give(m, pid, *slot)->outcome;
                *slot = 0;
            } else {
                const struct op_result *r = user(m, OP_MALLOC, pid, fixture_random_below(&random, kind == 2 ? 3000 : 100));
                *slot = r->address;
                outcome = r->outcome;
            }
        }
        if (outcome == OUTCOME_BUG)
            continue;
        struct op op = fixture_op(OP_EXIT);
        op.pid = pid;
        op.given |= P(PID);
        fixture_apply(m, op);
    }
    machine_destroy(m);
}

static void test_fork_copies_the_heap(void **state)
{
    (void)state;
    struct machine *m = fixture_machine("linux-6.1", 0);
    uint32_t pid = spawn(m);
    uint64_t a = user(m, OP_MALLOC, pid, 100)->address, b = user(m, OP_MALLOC, pid, 100)->address;
    poke(m, pid, a, "parent", 6);
    struct op op = fixture_op(OP_FORK);
    op.pid = pid;
    op.given |= P(PID);
    uint32_t child = fixture_apply(m, op)->pid;
    poke(m, child, a, "child ", 6);
    assert_memory_equal(peek(m, pid, a, 6), "parent", 6);
    assert_int_equal(give(m, child, b)->outcome, OUTCOME_OK);
    assert_int_equal(user(m, OP_MALLOC, child, 100)->address, b);
    assert_true(user(m, OP_MALLOC, pid, 100)->address > b); /* in the parent it is still taken */
    assert_int_equal(give(m, pid, b)->outcome, OUTCOME_OK);
    assert_int_equal(give(m, pid, b)->outcome, OUTCOME_BUG);
    assert_int_equal(give(m, child, a)->outcome, OUTCOME_OK);
    machine_destroy(m);
}

/* A copy goes on alone: the same calls give the same addresses and the same state, and do not reach the original. */
static void test_a_copy_behaves_alike(void **state)
{
    (void)state;
    struct fixture_random random = { fixture_seed() };
    struct machine *machines[2] = { fixture_machine("linux-6.1", 0), NULL };
    uint32_t pid = spawn(machines[0]);
    uint64_t slots[32] = { 0 };
    for (int i = 0; i < 600; i++) {
        uint64_t *slot = &slots[fixture_random_below(&random, 32)], size = random_size(&random), address = *slot;
        if (i == 300)
            assert_int_equal(machine_clone(machines[0], &machines[1]), PAGODA_OK);
        for (int m = 0; m < 2 && machines[m]; m++) {
            uint64_t got = address ? 0 : user(machines[m], OP_MALLOC, pid, size)->address;
            if (address)
                assert_int_equal(give(machines[m], pid, address)->outcome, OUTCOME_OK);
            assert_true(m == 0 || got == *slot);
            *slot = got;
        }
    }
    assert_int_equal(machine_hash(machines[0]), machine_hash(machines[1]));
    machine_destroy(machines[0]);
    user(machines[1], OP_MALLOC, pid, 1000);
    machine_destroy(machines[1]);
}

static void test_sizes_that_cannot_be(void **state)
{
    (void)state;
    struct machine *m = fixture_machine("classic", 0);
    uint32_t pid = spawn(m);
    assert_int_equal(user(m, OP_MALLOC, pid, UINT64_C(1) << 31)->outcome, OUTCOME_NULL);
    assert_int_equal(user(m, OP_MALLOC, pid, UINT64_C(1) << 32)->outcome, OUTCOME_NULL);
    struct op op = fixture_user(OP_CALLOC, pid, 65536);
    op.n = 65536;
    op.given |= P(N);
    assert_int_equal(fixture_apply(m, op)->outcome, OUTCOME_NULL);
    uint64_t address = user(m, OP_MALLOC, pid, 100)->address;
    assert_int_equal(move(m, pid, address, UINT64_C(1) << 31)->outcome, OUTCOME_NULL);
    assert_int_equal(give(m, pid, address)->outcome, OUTCOME_OK);
    machine_destroy(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_first_block),
        cmocka_unit_test(test_large_blocks_get_a_mapping),
        cmocka_unit_test(test_chunks_tell_their_state),
        cmocka_unit_test(test_misuse),
        cmocka_unit_test(test_random_programs),
        cmocka_unit_test(test_corrupted_heaps),
        cmocka_unit_test(test_fork_copies_the_heap),
        cmocka_unit_test(test_a_copy_behaves_alike),
        cmocka_unit_test(test_sizes_that_cannot_be),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
