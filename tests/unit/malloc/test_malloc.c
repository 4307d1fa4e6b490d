/* The user heap: where blocks lie, what glibc says to misuse, random programs beside a naive model, corrupted bytes, fork.
 */
#include "tests/lib/fixture.h"
#include "tests/lib/malloc_misuse.h"

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
    op.given |= OP_BIT(PID);
    return fixture_apply(m, op);
}

static const struct op_result *move(struct machine *m, uint32_t pid, uint64_t address, uint64_t size)
{
    struct op op = fixture_user(OP_REALLOC, pid, size);
    op.address = address;
    op.given |= OP_BIT(ADDRESS);
    return fixture_apply(m, op);
}

static const struct op_result *aligned(struct machine *m, uint32_t pid, uint64_t align, uint64_t size)
{
    struct op op = fixture_user(OP_ALIGNED_ALLOC, pid, size);
    op.align = align;
    op.given |= OP_BIT(ALIGN);
    return fixture_apply(m, op);
}

static const struct op_result *poke(struct machine *m, uint32_t pid, uint64_t address, const void *bytes, uint32_t length)
{
    struct op op = fixture_op(OP_WRITE);
    op.address = address;
    op.pid = pid;
    op.data = bytes;
    op.nr_data = length;
    op.given |= OP_BIT(ADDRESS) | OP_BIT(PID) | OP_BIT(HEX);
    return fixture_apply(m, op);
}

static const uint8_t *peek(struct machine *m, uint32_t pid, uint64_t address, uint32_t length)
{
    struct op op = fixture_op(OP_READ);
    op.address = address;
    op.pid = pid;
    op.length = length;
    op.given |= OP_BIT(ADDRESS) | OP_BIT(PID) | OP_BIT(LENGTH);
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

/* --- misuse: the steps of tests/lib/malloc_misuse.h, and what glibc 2.36 says at the last one --- */

struct program {
    struct machine *machine;
    uint32_t pid;
    uint16_t tid;
    uint64_t slots[20];
    const char *at;
    const struct op_result *last;
};

static uint64_t read_number(struct program *p)
{
    char *end;
    uint64_t number = strtoull(p->at, &end, 10);
    p->at = end;
    return number;
}

static uint64_t *read_slot(struct program *p)
{
    return &p->slots[read_number(p)];
}

static uint64_t read_place(struct program *p)
{
    uint64_t base = *read_slot(p);
    bool back = *p->at == '-', on = *p->at == '+';
    p->at += back || on;
    uint64_t distance = back || on ? read_number(p) : 0;
    return back ? base - distance : base + distance;
}

static uint64_t read_value(struct program *p)
{
    p->at += strspn(p->at, " ");
    if (*p->at != '@')
        return read_number(p);
    p->at++;
    return read_place(p);
}

static void put_word(struct program *p, uint64_t address, uint64_t word)
{
    if (address)
        p->last = poke(p->machine, p->pid, address, &word, 8);
}

static void take_into(struct program *p, uint64_t *slot, enum op_kind kind, uint64_t size)
{
    struct op op = fixture_user(kind, p->pid, size);
    op.given |= kind == OP_CALLOC ? OP_BIT(N) : 0;
    op.tid = p->tid;
    op.given |= OP_BIT(TID);
    p->last = fixture_apply(p->machine, op);
    *slot = p->last->address;
}

static void free_at(struct program *p, uint64_t address)
{
    struct op op = fixture_free(OP_FREE, address);
    op.pid = p->pid;
    op.tid = p->tid;
    op.given |= OP_BIT(PID) | OP_BIT(TID);
    p->last = fixture_apply(p->machine, op);
}

static void move_break(struct program *p, uint64_t back)
{
    struct op op = fixture_op(OP_SBRK);
    op.pid = p->pid;
    op.increment = -(int64_t)back;
    op.given = OP_BIT(PID) | OP_BIT(INCREMENT);
    p->last = fixture_apply(p->machine, op);
}

static void thread_step(struct program *p, char what)
{
    p->tid = what == 'n';
    if (p->tid)
        return;
    struct op op = fixture_op(OP_THREAD_EXIT);
    op.pid = p->pid;
    op.tid = 1;
    op.given = OP_BIT(PID) | OP_BIT(TID);
    p->last = fixture_apply(p->machine, op);
}

/* There are too many of these calls to check every invariant after each. */
static void apply_fast(struct program *p, struct op op, uint64_t *address)
{
    static struct op_result result;
    struct problem why = { 0 };
    assert_int_equal(machine_apply(p->machine, &op, &result, &why), PAGODA_OK);
    p->last = &result;
    *address = result.address;
}

#define NR_UNSORTED 10001 /* one more than a search looks at */
static void fill_unsorted(struct program *p, uint64_t size)
{
    static uint64_t blocks[NR_UNSORTED];
    uint64_t between;
    for (int i = 0; i < NR_UNSORTED; i++) {
        apply_fast(p, fixture_user(OP_MALLOC, p->pid, size), &blocks[i]);
        apply_fast(p, fixture_user(OP_MALLOC, p->pid, 24), &between);
    }
    for (int i = 0; i < NR_UNSORTED; i++) {
        struct op op = fixture_free(OP_FREE, blocks[i]);
        op.pid = p->pid;
        op.given |= OP_BIT(PID);
        apply_fast(p, op, &between);
    }
    p->slots[9] = blocks[NR_UNSORTED - 1];
}

static void seven_steps(struct program *p, char what)
{
    uint64_t size = what == 'T' ? 0 : read_value(p);
    for (int i = 10; i < 17; i++)
        if (what == 'T')
            p->last = give(p->machine, p->pid, p->slots[i]);
        else
            take_into(p, &p->slots[i], OP_MALLOC, size);
}

static void misuse_step(struct program *p)
{
    char what = *p->at++;
    uint64_t *slot = what == 'm' || what == 'c' ? read_slot(p) : NULL, place, word;
    if (slot) {
        take_into(p, slot, what == 'c' ? OP_CALLOC : OP_MALLOC, read_value(p));
        return;
    }
    if (strchr("tTd", what)) {
        seven_steps(p, what);
        return;
    }
    if (strchr("nx", what)) {
        thread_step(p, what);
        return;
    }
    if (strchr("ku", what)) {
        (what == 'k' ? move_break : fill_unsorted)(p, read_number(p));
        return;
    }
    place = read_place(p);
    switch (what) {
    case 'f':
        free_at(p, place);
        break;
    case 'r':
        p->last = move(p->machine, p->pid, place, read_value(p));
        break;
    case 'w':
        put_word(p, place, read_value(p));
        break;
    case 'p':
        put_word(p, place, read_value(p) ^ place >> 12);
        break;
    case 'y':
        memcpy(&word, peek(p->machine, p->pid, read_value(p), 8), 8);
        put_word(p, place, word);
        break;
    default:
        fail_msg("no such step: %c", what);
    }
}

static bool has_process(struct machine *m, uint32_t pid)
{
    struct process_view view;
    for (uint64_t cursor = 0; view_next_process(m, &cursor, &view);)
        if (view.pid == pid)
            return true;
    return false;
}

/* The result has glibc's words and the signal. The process ends and gives all of its memory back; the lab goes on. */
static void test_misuse(void **state)
{
    (void)state;
    struct machine *m = fixture_machine("linux-6.1", 0);
    struct stats_view before, after;
    view_stats(m, &before);
    for (size_t i = 0; i < NR_MISUSE; i++) {
        struct program p = { .machine = m, .pid = spawn(m), .at = MISUSE[i].steps };
        while (*(p.at += strspn(p.at, " "))) {
            assert_true(!p.last || p.last->outcome == OUTCOME_OK);
            misuse_step(&p);
        }
        bool by_signal_alone = MISUSE[i].want[0] == '1';
        const char *want = by_signal_alone ? "Segmentation fault" : MISUSE[i].want,
                   *signal = by_signal_alone ? ": SIGSEGV ends process" : ": SIGABRT ends process";
        if (p.last->outcome != OUTCOME_BUG || strncmp(p.last->message, want, strlen(want)) != 0 ||
            (!by_signal_alone && strncmp(p.last->message + strlen(want), ": SIG", 5) != 0))
            fail_msg("%s: got %s", MISUSE[i].name, p.last->message ? p.last->message : "nothing");
        assert_non_null(strstr(p.last->message, signal));
        assert_false(has_process(m, p.pid));
        view_stats(m, &after);
        assert_int_equal(after.frames[FRAME_ANON], before.frames[FRAME_ANON]);
        assert_int_equal(after.frames[FRAME_PGTABLE], before.frames[FRAME_PGTABLE]);
        assert_int_equal(after.nr_allocations, before.nr_allocations);
    }
    assert_int_equal(user(m, OP_MALLOC, spawn(m), 100)->outcome, OUTCOME_OK);
    machine_destroy(m);
}

/* --- the rest of malloc.h, and threads --- */

static struct op asking(enum op_kind kind, uint32_t pid)
{
    struct op op = fixture_op(kind);
    op.pid = pid;
    op.given |= OP_BIT(PID);
    return op;
}

static const struct op_result *align_to(struct machine *m, enum op_kind kind, uint32_t pid, uint64_t align, uint64_t size)
{
    struct op op = fixture_user(kind, pid, size);
    op.align = align;
    op.given |= OP_BIT(ALIGN);
    return fixture_apply(m, op);
}

static void test_aligned_blocks(void **state)
{
    (void)state;
    struct machine *m = fixture_machine("linux-6.1", 0);
    uint32_t pid = spawn(m);
    static const struct {
        enum op_kind kind;
        uint64_t align, size, usable; /* 0: EINVAL */
    } CASES[] = {
        { OP_MEMALIGN, 64, 100, 104 },       { OP_MEMALIGN, 48, 100, 104 },      { OP_MEMALIGN, 0, 100, 104 },
        { OP_POSIX_MEMALIGN, 64, 100, 104 }, { OP_POSIX_MEMALIGN, 4, 100, 0 },   { OP_POSIX_MEMALIGN, 48, 100, 0 },
        { OP_POSIX_MEMALIGN, 0, 100, 0 },    { OP_ALIGNED_ALLOC, 4096, 10, 24 }, { OP_MEMALIGN, (1ull << 52) + 1, 1, 0 },
    };
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        const struct op_result *r = align_to(m, CASES[i].kind, pid, CASES[i].align, CASES[i].size);
        assert_int_equal(r->outcome, CASES[i].usable ? OUTCOME_OK : OUTCOME_NULL);
        assert_in_range(r->allocated, CASES[i].usable,
                        CASES[i].usable + (CASES[i].usable ? 32 : 0)); /* a small rest stays */
        if (CASES[i].usable && CASES[i].align)
            assert_int_equal(r->address % (CASES[i].align == 48 ? 64 : CASES[i].align), 0);
        if (CASES[i].kind == OP_POSIX_MEMALIGN && !CASES[i].usable)
            assert_non_null(strstr(r->message, "EINVAL"));
    }
    const struct op_result *r = user(m, OP_VALLOC, pid, 10);
    assert_int_equal(r->address % PAGE_SIZE, 0);
    assert_in_range(r->allocated, 24, 56);
    r = user(m, OP_PVALLOC, pid, 10);
    assert_int_equal(r->address % PAGE_SIZE, 0);
    assert_in_range(r->allocated, 4104, 4136);
    machine_destroy(m);
}

static const struct op_result *mallopt_of(struct machine *m, uint32_t pid, enum mallopt_option option, int64_t value)
{
    struct op op = asking(OP_MALLOPT, pid);
    op.option = (uint8_t)option;
    op.value = value;
    op.given |= OP_BIT(OPTION) | OP_BIT(VALUE);
    return fixture_apply(m, op);
}

static void test_options(void **state)
{
    (void)state;
    struct machine *m = fixture_machine("linux-6.1", 0);
    uint32_t pid = spawn(m);
    assert_string_equal(mallopt_of(m, pid, MALLOPT_MXFAST, 161)->message, "returns 0");
    assert_string_equal(mallopt_of(m, pid, MALLOPT_MMAP_THRESHOLD, 1 << 20)->message, "returns 1");
    uint64_t block = user(m, OP_MALLOC, pid, 500 * KIB)->address;
    assert_true(block - heap_start(m, pid) < 1024 * KIB); /* no mapping of its own now */
    struct op op = asking(OP_MALLOC_USABLE_SIZE, pid);
    op.address = block;
    op.given |= OP_BIT(ADDRESS);
    assert_int_equal(fixture_apply(m, op)->allocated, 500 * KIB + 8);
    mallopt_of(m, pid, MALLOPT_TRIM_THRESHOLD, 64 << 20);
    give(m, pid, block);
    op = asking(OP_MALLOC_TRIM, pid);
    assert_string_equal(fixture_apply(m, op)->message, "returns 1");
    assert_string_equal(fixture_apply(m, op)->message, "returns 0");
    mallopt_of(m, pid, MALLOPT_PERTURB, 0x5a);
    block = user(m, OP_MALLOC, pid, 2000)->address;
    user(m, OP_MALLOC, pid, 24);
    assert_int_equal(peek(m, pid, block, 2000)[1999], 0xa5);
    give(m, pid, block);
    assert_int_equal(peek(m, pid, block, 2000)[100], 0x5a); /* behind the links */
    op = fixture_user(OP_CALLOC, pid, 2000);
    op.given |= OP_BIT(N);
    assert_int_equal(*peek(m, pid, fixture_apply(m, op)->address + 100, 1), 0);
    machine_destroy(m);
}

static const struct {
    const char *text, *message; /* NULL: silence */
    uint64_t offset;            /* of a block of 100 bytes; 0: in a mapping of its own */
} TUNABLES[] = {
    { "glibc.malloc.tcache_count=0", NULL, 0x2a0 },
    { "glibc.malloc.mmap_threshold=0", NULL, 0 },
    { "glibc.malloc.mmap_threshold=0x1000:glibc.malloc.mmap_threshold=64", NULL, 0 },
    { "glibc.malloc.nonsense=1", "glibc.malloc.nonsense is no tunable of malloc, and ignored", 0x2a0 },
    { "glibc.malloc.perturb=256:x", "glibc.malloc.perturb is out of its range, and ignored; x has no value, and is ignored",
      0x2a0 },
    { "glibc.malloc.tcache_max=5000", "glibc.malloc.tcache_max is out of its range, and ignored", 0x2a0 },
    { "glibc.malloc.check=3", "glibc.malloc.check has no effect here", 0x2a0 },
};

static void test_tunables(void **state)
{
    (void)state;
    struct machine *m = fixture_machine("linux-6.1", 0);
    for (size_t i = 0; i < sizeof TUNABLES / sizeof *TUNABLES; i++) {
        struct op op = fixture_op(OP_SPAWN);
        op.tunables = fixture_text(TUNABLES[i].text);
        op.given = OP_BIT(TUNABLES);
        const struct op_result *r = fixture_apply(m, op);
        uint32_t pid = r->pid;
        assert_true(!TUNABLES[i].message == !r->message);
        if (r->message)
            assert_string_equal(r->message, TUNABLES[i].message);
        uint64_t offset = user(m, OP_MALLOC, pid, 100)->address - heap_start(m, pid);
        assert_true(TUNABLES[i].offset ? offset == TUNABLES[i].offset : offset > 1 << 30);
    }
    machine_destroy(m);
}

static const struct op_result *by_thread(struct machine *m, struct op op, uint16_t tid)
{
    op.tid = tid;
    op.given |= OP_BIT(TID);
    return fixture_apply(m, op);
}

/* A thread has an arena of its own, which the next thread takes over. The main thread's heap pays for its creation. */
static void test_threads(void **state)
{
    (void)state;
    struct machine *m = fixture_machine("linux-6.1", 0);
    uint32_t pid = spawn(m);
    const struct op hundred = fixture_user(OP_MALLOC, pid, 100);
    uint64_t start = heap_start(m, pid), a = fixture_apply(m, hundred)->address;
    assert_int_equal(a - start, 0x2a0);
    uint64_t b = by_thread(m, hundred, 1)->address;
    assert_int_equal(b % (64 << 20), 0xb70);
    assert_int_equal(fixture_apply(m, hundred)->address - start, 0x2a0 + 0x70 + 0x120);
    uint64_t c = by_thread(m, hundred, 2)->address;
    assert_int_equal(c % (64 << 20), 0xb70);
    assert_true(b >> 26 != c >> 26);
    struct op op = fixture_free(OP_FREE, a);
    op.pid = pid;
    op.given |= OP_BIT(PID);
    by_thread(m, op, 2); /* into the cache of the thread that frees */
    assert_int_equal(by_thread(m, hundred, 2)->address, a);
    assert_int_equal(by_thread(m, asking(OP_THREAD_EXIT, pid), 1)->outcome, OUTCOME_OK);
    assert_int_equal(by_thread(m, asking(OP_THREAD_EXIT, pid), 1)->outcome, OUTCOME_NULL);
    assert_int_equal(by_thread(m, asking(OP_THREAD_EXIT, pid), 0)->outcome, OUTCOME_NULL);
    assert_int_equal(by_thread(m, hundred, 7)->address >> 26, b >> 26);
    struct problem why = { 0 };
    struct op_result result;
    op = hundred;
    op.tid = 256;
    op.given |= OP_BIT(TID);
    assert_int_equal(machine_apply(m, &op, &result, &why), PAGODA_ERR_INVALID);
    assert_string_equal(why.field, "tid");
    machine_destroy(m);
}

/* Threads do not survive fork(). Threads that the child begins take their arenas. */
static void test_fork_frees_arenas(void **state)
{
    (void)state;
    struct machine *m = fixture_machine("linux-6.1", 0);
    uint32_t pid = spawn(m);
    uint64_t mine = by_thread(m, fixture_user(OP_MALLOC, pid, 100), 1)->address;
    uint32_t child = fixture_apply(m, asking(OP_FORK, pid))->pid;
    assert_int_equal(by_thread(m, asking(OP_THREAD_EXIT, child), 1)->outcome, OUTCOME_NULL);
    assert_int_equal(by_thread(m, fixture_user(OP_MALLOC, child, 100), 5)->address >> 26, mine >> 26);
    machine_destroy(m);
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
        op.given |= OP_BIT(N);
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

/* Random bytes are written over the heap. Every call ends in an answer, or in a bug that ends the process. */
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
            continue; /* the process has ended */
        struct op op = fixture_op(OP_EXIT);
        op.pid = pid;
        op.given |= OP_BIT(PID);
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
    op.given |= OP_BIT(PID);
    uint32_t child = fixture_apply(m, op)->pid;
    poke(m, child, a, "child ", 6);
    assert_memory_equal(peek(m, pid, a, 6), "parent", 6);
    assert_int_equal(give(m, child, b)->outcome, OUTCOME_OK);
    assert_int_equal(user(m, OP_MALLOC, child, 100)->address, b);
    assert_true(user(m, OP_MALLOC, pid, 100)->address > b); /* in the parent it is still taken */
    assert_int_equal(give(m, pid, b)->outcome, OUTCOME_OK);
    assert_int_equal(give(m, pid, b)->outcome, OUTCOME_BUG); /* which ends the parent, and not the child */
    assert_int_equal(give(m, child, a)->outcome, OUTCOME_OK);
    machine_destroy(m);
}

/* A copy of a machine goes on alone. The same calls give the same addresses and the same state, and leave the original as
 * it is. */
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
    op.given |= OP_BIT(N);
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
        cmocka_unit_test(test_aligned_blocks),
        cmocka_unit_test(test_options),
        cmocka_unit_test(test_tunables),
        cmocka_unit_test(test_threads),
        cmocka_unit_test(test_fork_frees_arenas),
        cmocka_unit_test(test_random_programs),
        cmocka_unit_test(test_corrupted_heaps),
        cmocka_unit_test(test_fork_copies_the_heap),
        cmocka_unit_test(test_a_copy_behaves_alike),
        cmocka_unit_test(test_sizes_that_cannot_be),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
