/* Mappings: where they go, how they merge and split, what a new process has, and what refuses a call. Linux v6.1's rules.
 */
#include "tests/lib/fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define PAGES(n) ((uint64_t)(n)*PAGE_SIZE)
#define MIB (UINT64_C(1) << 20)
#define HUGE (2 * MIB)

static struct machine *m; /* of the running test */
static uint32_t pid;

static const struct op_result *apply(enum op_kind kind, uint64_t address, uint64_t length, uint8_t choice)
{
    struct op op = fixture_op(kind);
    op.pid = pid;
    op.address = address;
    op.length = length;
    *(kind == OP_MADVISE ? &op.advice : &op.prot) = choice;
    op.given = OP_BIT(PID) | (op_info(kind)->needed & (OP_BIT(ADDRESS) | OP_BIT(LENGTH) | OP_BIT(PROT) | OP_BIT(ADVICE)));
    op.given |= kind == OP_MMAP ? OP_BIT(PROT) : 0;
    return fixture_apply(m, op);
}

static uint64_t map(uint64_t nr_pages, enum prot prot)
{
    return apply(OP_MMAP, 0, PAGES(nr_pages), (uint8_t)prot)->address;
}

static uint64_t map_named(uint64_t nr_pages, const char *name)
{
    struct op op = fixture_op(OP_MMAP);
    op.pid = pid;
    op.length = PAGES(nr_pages);
    op.name = fixture_text(name);
    op.given = OP_BIT(PID) | OP_BIT(LENGTH) | OP_BIT(NAME);
    return fixture_apply(m, op)->address;
}

static void protect(uint64_t address, uint64_t nr_pages, enum prot prot)
{
    assert_int_equal(apply(OP_MPROTECT, address, PAGES(nr_pages), (uint8_t)prot)->outcome, OUTCOME_OK);
}

static void unmap(uint64_t address, uint64_t nr_pages)
{
    assert_int_equal(apply(OP_MUNMAP, address, PAGES(nr_pages), 0)->outcome, OUTCOME_OK);
}

static const struct op_result *write_byte(uint64_t address)
{
    struct op op = fixture_op(OP_WRITE);
    op.pid = pid;
    op.address = address;
    op.fill = 1;
    op.length = 1;
    op.given = OP_BIT(PID) | OP_BIT(ADDRESS) | OP_BIT(FILL) | OP_BIT(LENGTH);
    return fixture_apply(m, op);
}

static const struct op_result *read_bytes(uint64_t address, uint64_t length)
{
    struct op op = fixture_free(OP_READ, address);
    op.pid = pid;
    op.length = length;
    op.given |= OP_BIT(PID) | OP_BIT(LENGTH);
    return fixture_apply(m, op);
}

static const struct op_result *remap(uint64_t address, uint64_t old_pages, uint64_t new_pages)
{
    struct op op = fixture_free(OP_MREMAP, address);
    op.pid = pid;
    op.length = PAGES(old_pages);
    op.new_length = PAGES(new_pages);
    op.given |= OP_BIT(PID) | OP_BIT(LENGTH) | OP_BIT(NEW_LENGTH);
    return fixture_apply(m, op);
}

static const struct op_result *limit(enum resource resource, uint64_t bytes)
{
    struct op op = fixture_op(OP_SETRLIMIT);
    op.pid = pid;
    op.resource = (uint8_t)resource;
    op.size = bytes;
    op.given = OP_BIT(PID) | OP_BIT(RESOURCE) | OP_BIT(SIZE);
    return fixture_apply(m, op);
}

static uint32_t spawn(void)
{
    return fixture_apply(m, fixture_op(OP_SPAWN))->pid;
}

static void start(const struct machine_config *config)
{
    m = fixture_machine_of(config);
    pid = spawn();
}

static void start_linux(void)
{
    start(&(struct machine_config){ .profile = PROFILE_LINUX_6_1 });
}

/* The mappings that touch [start, end), as "rw-p 3|r--p 1": permissions and pages of each. */
static const char *shape(uint64_t start_address, uint64_t end)
{
    static char text[512];
    struct map_view v;
    size_t at = 0;
    text[0] = '\0';
    for (uint64_t cursor = 0; view_next_map(m, pid, &cursor, &v);)
        if (v.end > start_address && v.start < end)
            at += (size_t)snprintf(text + at, sizeof text - at, "%s%s %llu", at ? "|" : "", v.perms,
                                   (unsigned long long)((v.end - v.start) / PAGE_SIZE));
    return text;
}

static bool find_process(uint32_t wanted, struct process_view *p)
{
    for (uint64_t cursor = 0; view_next_process(m, &cursor, p);)
        if (p->pid == wanted)
            return true;
    return false;
}

/* --- layout --- */

/* What a program that does nothing has, address randomisation off: addresses and sizes as on Debian 12. */
static void test_layout(void **state)
{
    (void)state;
    static const char WANT[] = "555555554000-555555555000 r--p 00000000 program\n"
                               "555555555000-55555555d000 r-xp 00001000 program\n"
                               "55555555d000-55555555f000 r--p 00009000 program\n"
                               "55555555f000-555555560000 r--p 0000a000 program\n"
                               "555555560000-555555561000 rw-p 0000b000 program\n"
                               "7ffff7dd5000-7ffff7dd8000 rw-p 00000000 \n"
                               "7ffff7dd8000-7ffff7dfe000 r--p 00000000 /usr/lib/x86_64-linux-gnu/libc.so.6\n"
                               "7ffff7dfe000-7ffff7f54000 r-xp 00026000 /usr/lib/x86_64-linux-gnu/libc.so.6\n"
                               "7ffff7f54000-7ffff7fa7000 r--p 0017c000 /usr/lib/x86_64-linux-gnu/libc.so.6\n"
                               "7ffff7fa7000-7ffff7fab000 r--p 001cf000 /usr/lib/x86_64-linux-gnu/libc.so.6\n"
                               "7ffff7fab000-7ffff7fad000 rw-p 001d3000 /usr/lib/x86_64-linux-gnu/libc.so.6\n"
                               "7ffff7fad000-7ffff7fba000 rw-p 00000000 \n"
                               "7ffff7fc2000-7ffff7fc4000 rw-p 00000000 \n"
                               "7ffff7fc4000-7ffff7fc8000 r--p 00000000 [vvar]\n"
                               "7ffff7fc8000-7ffff7fca000 r-xp 00000000 [vdso]\n"
                               "7ffff7fca000-7ffff7fcb000 r--p 00000000 /usr/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2\n"
                               "7ffff7fcb000-7ffff7ff1000 r-xp 00001000 /usr/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2\n"
                               "7ffff7ff1000-7ffff7ffb000 r--p 00027000 /usr/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2\n"
                               "7ffff7ffb000-7ffff7ffd000 r--p 00031000 /usr/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2\n"
                               "7ffff7ffd000-7ffff7fff000 rw-p 00033000 /usr/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2\n"
                               "7ffffffde000-7ffffffff000 rw-p 00000000 [stack]\n";
    char text[4096] = "";
    size_t at = 0;
    struct map_view v;
    struct process_view p;
    start_linux();
    for (uint64_t cursor = 0; view_next_map(m, pid, &cursor, &v);) {
        at += (size_t)snprintf(text + at, sizeof text - at, "%llx-%llx %s %08llx %s\n", (unsigned long long)v.start,
                               (unsigned long long)v.end, v.perms, (unsigned long long)v.offset, v.name);
        assert_int_equal(v.rss_pages + v.zero_pages, 0);
    }
    assert_string_equal(text, WANT);
    assert_true(find_process(pid, &p));
    assert_int_equal(p.rss_pages + p.minor_faults + p.major_faults, 0);
    assert_int_equal(p.heap_start, 0x555555561000);
    assert_int_equal(p.brk, p.heap_start);
    machine_destroy(m);
}

/* With a seed every process lies elsewhere, within the bounds that Linux has. The same seed gives the same places. */
static void test_random_layout(void **state)
{
    (void)state;
    struct machine_config config = { .profile = PROFILE_LINUX_6_1, .aslr_seed = 7 };
    struct process_view first = { 0 }, p;
    uint64_t tops = 0, stacks = 0, breaks = 0;
    for (int round = 0; round < 2; round++) {
        start(&config);
        assert_true(find_process(pid, &p));
        if (round)
            assert_true(memcmp(&p.heap_start, &first.heap_start, 8) == 0 && p.mmap_top == first.mmap_top);
        first = p;
        for (int i = 0; i < 40; i++) {
            pid = spawn();
            fixture_check(m);
            assert_true(find_process(pid, &p));
            tops |= p.mmap_top ^ first.mmap_top;
            stacks |= p.stack_top ^ first.stack_top;
            breaks |= p.heap_start ^ first.heap_start;
            assert_true(p.mmap_top <= UINT64_C(0x7ffffffff000) - (UINT64_C(0x3fffff) << 12) - 9 * MIB);
            assert_true(p.mmap_top > UINT64_C(0x7ffffffff000) - (UINT64_C(1) << 42));
            assert_true(p.heap_start >= UINT64_C(0x555555554000) && p.heap_start < UINT64_C(0x565555554000) + 64 * MIB);
            assert_true(strstr(shape(p.stack_top - PAGE_SIZE, UINT64_C(0x7ffffffff000)), "|r--p 4|r-xp 2") != NULL);
        }
        machine_destroy(m);
    }
    assert_true(tops >> 12 > 1u << 27 && stacks >> 12 > 1u << 21 && breaks >> 12 > 1u << 27);
}

/* --- placement --- */

/* The rule of placement, naively: gaps between mappings below the top, the highest first. A length of whole huge pages
 * starts on a huge page. */
static uint64_t place(uint64_t length)
{
    struct {
        uint64_t start, end;
    } gaps[4096];
    uint32_t nr = 0;
    struct process_view p;
    struct map_view v;
    uint64_t last_end = PAGE_SIZE;
    assert_true(find_process(pid, &p));
    for (uint64_t cursor = 0; view_next_map(m, pid, &cursor, &v);) {
        uint64_t guard = strcmp(v.name, "[stack]") == 0 ? PAGES(256) : 0;
        uint64_t end = v.start - guard < p.mmap_top ? v.start - guard : p.mmap_top;
        if (end > last_end) {
            gaps[nr].start = last_end;
            gaps[nr++].end = end;
        }
        last_end = v.end;
    }
    for (int huge = length % HUGE == 0; huge >= 0; huge--)
        for (uint32_t i = nr; i-- > 0;) {
            uint64_t need = huge ? length + HUGE : length;
            /* cppcheck-suppress uninitvar; nr of them are filled */
            if (gaps[i].end - gaps[i].start >= need)
                return huge ? (gaps[i].end - length) & ~(HUGE - 1) : gaps[i].end - length;
        }
    return 0;
}

static void test_placement(void **state)
{
    (void)state;
    struct fixture_random random = { fixture_seed() };
    uint64_t at[300], pages[300];
    unsigned nr = 0;
    start(&(struct machine_config){ .profile = PROFILE_LINUX_6_1, .overcommit_memory = 1 });
    for (int i = 0; i < 3000; i++) {
        if (nr == 300 || (nr && fixture_random_below(&random, 5) < 2)) {
            unsigned k = (unsigned)fixture_random_below(&random, nr);
            unmap(at[k], pages[k]);
            at[k] = at[--nr];
            pages[k] = pages[nr];
            continue;
        }
        pages[nr] = 1 + fixture_random_below(&random, 24);
        if (fixture_random_below(&random, 8) == 0)
            pages[nr] = 512 * (1 + fixture_random_below(&random, 3));
        uint64_t want = place(PAGES(pages[nr]));
        at[nr] = map(pages[nr], fixture_random_below(&random, 2) ? PROT_RW : PROT_R);
        if (at[nr] != want)
            fail_msg("step %d: %llx instead of %llx", i, (unsigned long long)at[nr], (unsigned long long)want);
        nr++;
    }
    machine_destroy(m);
}

/* i386 has 3 GiB. When all below the top is full, gaps above a third of it are tried from below. */
static void test_full_address_space(void **state)
{
    (void)state;
    start(&(struct machine_config){ .profile = PROFILE_CLASSIC, .memory = 64 * MIB });
    uint64_t total = 0, got, above_top = 0;
    struct process_view p;
    assert_true(find_process(pid, &p));
    for (uint64_t nr_pages = 8192; nr_pages; nr_pages /= 2)
        while ((got = map(nr_pages, PROT_R))) {
            total += nr_pages;
            above_top += got > p.mmap_top ? nr_pages : 0;
        }
    assert_true(total > PAGES(700000) / PAGE_SIZE && above_top > 20000);
    const struct op_result *r = apply(OP_MMAP, 0, PAGES(1), PROT_R);
    assert_int_equal(r->outcome, OUTCOME_NULL);
    assert_string_equal(r->message, "mmap: ENOMEM: no gap in the address space is large enough");
    machine_destroy(m);
}

/* --- merging and splitting --- */

static void test_neighbours_merge(void **state)
{
    (void)state;
    start_linux();
    uint64_t b = map(100, PROT_RW), a = map(50, PROT_RW); /* a is below b */
    assert_int_equal(a + PAGES(50), b);
    assert_string_equal(shape(a, b + PAGES(100)), "rw-p 150");
    protect(a + PAGES(10), 20, PROT_R);
    assert_string_equal(shape(a, b + PAGES(100)), "rw-p 10|r--p 20|rw-p 120");
    protect(a + PAGES(5), 10, PROT_R);
    assert_string_equal(shape(a, b + PAGES(100)), "rw-p 5|r--p 25|rw-p 120");
    protect(a, 150, PROT_RW);
    assert_string_equal(shape(a, b + PAGES(100)), "rw-p 150");
    unmap(a + PAGES(70), 10);
    assert_string_equal(shape(a, b + PAGES(100)), "rw-p 70|rw-p 70");
    assert_int_equal(map(10, PROT_RW), a + PAGES(70)); /* fills the gap, merges both sides */
    assert_string_equal(shape(a, b + PAGES(100)), "rw-p 150");
    apply(OP_MLOCK, a + PAGES(3) + 5, 100, 0); /* of any bytes: their page */
    assert_string_equal(shape(a, b + PAGES(100)), "rw-p 3|rw-p 1|rw-p 146");
    apply(OP_MUNLOCK, a, PAGES(150), 0);
    machine_destroy(m);
}

/* Names keep mappings apart, as PR_SET_VMA_ANON_NAME does. So does counting for Committed_AS. */
static void test_what_keeps_mappings_apart(void **state)
{
    (void)state;
    start_linux();
    uint64_t b = map_named(100, "b"), a = map_named(100, "a"), none = map(100, PROT_RW);
    assert_string_equal(shape(none, b + PAGES(100)), "rw-p 100|rw-p 100|rw-p 100");
    assert_int_equal(a + PAGES(100), b);
    uint64_t other = map(100, PROT_R); /* never writable: not charged */
    struct process_view before, after;
    assert_true(find_process(pid, &before));
    protect(other, 10, PROT_RW); /* is charged now, and stays so */
    protect(other, 10, PROT_R);
    assert_true(find_process(pid, &after));
    assert_int_equal(after.committed_pages, before.committed_pages + 10);
    assert_string_equal(shape(other, none), "r--p 10|r--p 90");
    assert_int_equal(other + PAGES(100), none);
    protect(none, 100, PROT_R);
    assert_string_equal(shape(other, none + PAGES(100)), "r--p 10|r--p 90|r--p 100");
    machine_destroy(m);
}

/* The pages of a mapping belong to a family (anon_vma), which the first write begins. In v6.1 an untouched range joins a
 * touched neighbour, but mprotect does not join a touched range to an untouched one (mended in v6.16). */
static void test_touched_pages_and_merging(void **state)
{
    (void)state;
    start_linux();
    uint64_t b = map(100, PROT_RW);
    write_byte(b);
    uint64_t a = map(100, PROT_RW);
    assert_string_equal(shape(a, b + PAGES(100)), "rw-p 200");
    protect(a, 100, PROT_R);
    uint64_t c = map(100, PROT_NONE_);
    write_byte(b);
    protect(c, 100, PROT_RW);
    protect(c, 50, PROT_R);
    assert_string_equal(shape(c, b + PAGES(100)), "r--p 50|rw-p 50|r--p 100|rw-p 100");
    protect(a, 100, PROT_RW);                                                  /* a: of b's family */
    assert_string_equal(shape(c, b + PAGES(100)), "r--p 50|rw-p 50|rw-p 200"); /* not joined with the untouched one */
    machine_destroy(m);
}

/* mremap keeps the page offsets of a touched range. So it joins no neighbour at its new place. */
static void test_moved_ranges_and_merging(void **state)
{
    (void)state;
    for (int touched = 0; touched < 2; touched++) {
        start_linux();
        uint64_t a = map(100, PROT_RW), wall = map(1, PROT_R);
        (void)wall;
        uint64_t b = map(1, PROT_RW);
        if (touched)
            write_byte(a + PAGES(50));
        map(1, PROT_R); /* so that the hole below b is for the moved range */
        unmap(a + PAGES(60), 40);
        uint64_t to = remap(a, 60, 200)->address;
        assert_int_not_equal(to, 0);
        assert_true(to + PAGES(200) <= b || to >= a);
        uint64_t next = map(300, PROT_RW);
        assert_int_equal(next + PAGES(300), to);
        assert_string_equal(shape(next, to + PAGES(200)), touched ? "rw-p 300|rw-p 200" : "rw-p 500");
        unmap(to + PAGES(50), 150);
        assert_int_equal(map(250, PROT_RW), to + PAGES(50)); /* the same from above, up to where a was */
        assert_string_equal(shape(to, to + PAGES(200)), touched ? "rw-p 50|rw-p 250" : "rw-p 600");
        machine_destroy(m);
    }
}

/* After fork a touched heap's family reaches into the parent's, and v6.1 gives the child a second VMA for new heap. */
static void test_fork_and_merging(void **state)
{
    (void)state;
    start_linux();
    uint64_t heap = fixture_apply(m, fixture_user(OP_MALLOC, pid, 100))->address & ~(uint64_t)(PAGE_SIZE - 1);
    struct op op = fixture_op(OP_FORK);
    op.pid = pid;
    op.given = OP_BIT(PID);
    uint32_t parent = pid;
    pid = fixture_apply(m, op)->pid;
    for (int i = 0; i < 2; i++) {
        op = fixture_op(OP_SBRK);
        op.pid = pid;
        op.increment = (int64_t)PAGES(3);
        op.given = OP_BIT(PID) | OP_BIT(INCREMENT);
        fixture_apply(m, op);
        assert_string_equal(shape(heap, heap + PAGES(40)), i ? "rw-p 36" : "rw-p 33|rw-p 3");
        pid = parent;
    }
    machine_destroy(m);
}

/* --- limits --- */

static void test_refusals(void **state)
{
    (void)state;
    start_linux();
    struct process_view p;
    assert_true(find_process(pid, &p));
    static const struct {
        enum op_kind kind;
        uint64_t address, length;
        uint8_t choice;
        const char *message;
    } CASES[] = {
        { OP_MMAP, 0, 0, PROT_RW, "mmap: EINVAL: the length is 0" },
        { OP_MMAP, 0, UINT64_C(1) << 48, PROT_RW, "mmap: ENOMEM: no gap in the address space is large enough" },
        { OP_MMAP, 0, UINT64_C(1) << 40, PROT_RW, "mmap: ENOMEM: more than vm.overcommit_memory allows" },
        { OP_MUNMAP, 4097, 4096, 0, "munmap: EINVAL: the address is not page-aligned" },
        { OP_MUNMAP, 4096, 0, 0, "munmap: EINVAL: the length is 0" },
        { OP_MUNMAP, UINT64_C(0x7fffffffe000), 8192, 0, "munmap: EINVAL: the range leaves user space" },
        { OP_MPROTECT, 4096, 4096, PROT_R, "mprotect: ENOMEM: part of the range is not mapped" },
        { OP_MADVISE, 4096, 4096, ADVICE_DONTNEED, "madvise: ENOMEM: part of the range is not mapped" },
        { OP_MADVISE, 0x555555554000, 4096, ADVICE_FREE, "madvise: EINVAL: only anonymous memory can be freed lazily" },
        { OP_MLOCK, 4096, 4096, 0, "mlock: ENOMEM: part of the range is not mapped" },
        { OP_MLOCK, 0, 9 << 20, 0, "mlock: ENOMEM: beyond RLIMIT_MEMLOCK" },
        { OP_BRK, 4096, 0, 0, "brk: ENOMEM: below the start of the heap" },
    };
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        const struct op_result *r = apply(CASES[i].kind, CASES[i].address, CASES[i].length, CASES[i].choice);
        assert_int_equal(r->outcome, OUTCOME_NULL);
        assert_string_equal(r->message, CASES[i].message);
    }
    assert_string_equal(remap(0x1000, 1, 2)->message, "mremap: EFAULT: nothing is mapped there");
    uint64_t a = map(10, PROT_RW);
    assert_string_equal(remap(a, 20, 30)->message, "mremap: EFAULT: the range goes on behind the end of the mapping");
    limit(RESOURCE_MEMLOCK, 0);
    assert_string_equal(apply(OP_MLOCK, a, 1, 0)->message, "mlock: EPERM: RLIMIT_MEMLOCK is 0");
    limit(RESOURCE_AS, p.virtual_bytes + PAGES(20));
    assert_string_equal(apply(OP_MMAP, 0, PAGES(11), PROT_R)->message, "mmap: ENOMEM: beyond RLIMIT_AS");
    assert_int_equal(apply(OP_MMAP, 0, PAGES(10), PROT_R)->outcome, OUTCOME_OK);
    limit(RESOURCE_AS, UINT64_C(1) << 40);
    limit(RESOURCE_DATA, PAGES(100));
    assert_string_equal(apply(OP_MMAP, 0, PAGES(90), PROT_RW)->message, "mmap: ENOMEM: beyond RLIMIT_DATA");
    assert_int_equal(apply(OP_MMAP, 0, PAGES(90), PROT_R)->outcome, OUTCOME_OK);
    assert_string_equal(apply(OP_BRK, p.heap_start + PAGES(100), 0, 0)->message, "brk: ENOMEM: beyond RLIMIT_DATA");
    machine_destroy(m);
}

/* Mode 2 promises no more than the limit. A fork promises everything a second time. */
static void test_overcommit(void **state)
{
    (void)state;
    struct machine_config config = { .profile = PROFILE_LINUX_6_1, .memory = 64 * MIB, .swap = 64 * MIB };
    for (uint32_t mode = 0; mode < 3; mode++) {
        config.overcommit_memory = mode;
        start(&config);
        struct commit_view commit;
        bool fits_all = apply(OP_MMAP, 0, 256 * MIB, PROT_RW)->outcome == OUTCOME_OK;
        assert_int_equal(fits_all, mode == 1);
        uint64_t nr = 0;
        while (nr < 100 && apply(OP_MMAP, 0, 4 * MIB, PROT_RW)->outcome == OUTCOME_OK)
            nr++;
        view_commit(m, &commit);
        assert_int_equal(commit.overcommit_memory, mode);
        assert_true(mode == 2 ? commit.committed_pages < commit.limit_pages && nr < 24 && nr > 18 : nr == 100);
        struct op op = fixture_op(OP_FORK);
        op.pid = pid;
        op.given = OP_BIT(PID);
        const struct op_result *r = fixture_apply(m, op);
        assert_int_equal(r->outcome == OUTCOME_OK, mode == 1); /* all of it is one VMA by now, larger than mode 0 allows */
        if (mode != 1)
            assert_string_equal(r->message, "fork: ENOMEM: more than vm.overcommit_memory allows");
        assert_int_equal(apply(OP_MMAP, 0, 512 * MIB, PROT_NONE_)->outcome, OUTCOME_OK); /* never counts */
        machine_destroy(m);
    }
}

/* --- accesses --- */

static void test_stack_grows(void **state)
{
    (void)state;
    start_linux();
    struct process_view p;
    assert_true(find_process(pid, &p));
    uint64_t top = p.stack_top;
    assert_int_equal(write_byte(top - PAGES(1000))->outcome, OUTCOME_OK);
    assert_true(find_process(pid, &p));
    assert_int_equal(p.stack_pages, 1000);
    assert_int_equal(p.rss_pages, 1);
    assert_int_equal(write_byte(top - 8 * MIB)->outcome, OUTCOME_OK);
    const struct op_result *r = write_byte(top - 8 * MIB - 1);
    assert_int_equal(r->outcome, OUTCOME_BUG);
    assert_string_equal(r->message,
                        "program[100]: segfault at 7fffff7fefff ip 0000555555555000 sp 00007fffffffe000 error 6 in "
                        "program[555555555000+8000] likely on CPU 0 (core 0, socket 0)");
    assert_false(find_process(pid, &p)); /* nobody handled the signal */
    machine_destroy(m);
}

static void test_protection_faults(void **state)
{
    (void)state;
    static const struct {
        enum prot prot;
        bool touched, write, dies;
        unsigned code;
    } CASES[] = {
        { PROT_R, false, false, false, 0 },   { PROT_R, false, true, true, 6 },     { PROT_R, true, true, true, 7 },
        { PROT_NONE_, true, false, true, 4 }, { PROT_NONE_, false, true, true, 6 }, { PROT_RX, true, true, true, 7 },
        { PROT_RW, true, true, false, 0 },    { PROT_RWX, false, true, false, 0 },
    };
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        start_linux();
        uint64_t a = map(3, PROT_RW);
        char code[32];
        if (CASES[i].touched)
            write_byte(a + PAGES(1));
        protect(a + PAGES(1), 1, CASES[i].prot);
        const struct op_result *r = CASES[i].write ? write_byte(a + PAGES(1)) : read_bytes(a + PAGES(1), 1);
        assert_int_equal(r->outcome, CASES[i].dies ? OUTCOME_BUG : OUTCOME_OK);
        snprintf(code, sizeof code, " error %u in ", CASES[i].code);
        assert_true(!CASES[i].dies || strstr(r->message, code));
        machine_destroy(m);
    }
}

/* mprotect takes write permission away and gives it back. A page that was written needs no fault then; one that was only
 * read does. */
static void test_faults_after_mprotect(void **state)
{
    (void)state;
    start_linux();
    struct process_view before, after;
    uint64_t a = map(2, PROT_RW);
    write_byte(a);
    read_bytes(a + PAGES(1), 1);
    protect(a, 2, PROT_R);
    protect(a, 2, PROT_RW);
    assert_true(find_process(pid, &before));
    write_byte(a);
    assert_true(find_process(pid, &after));
    assert_int_equal(after.minor_faults, before.minor_faults);
    write_byte(a + PAGES(1));
    assert_true(find_process(pid, &after));
    assert_int_equal(after.minor_faults, before.minor_faults + 1);
    machine_destroy(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_layout),
        cmocka_unit_test(test_random_layout),
        cmocka_unit_test(test_placement),
        cmocka_unit_test(test_full_address_space),
        cmocka_unit_test(test_neighbours_merge),
        cmocka_unit_test(test_what_keeps_mappings_apart),
        cmocka_unit_test(test_touched_pages_and_merging),
        cmocka_unit_test(test_moved_ranges_and_merging),
        cmocka_unit_test(test_fork_and_merging),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_overcommit),
        cmocka_unit_test(test_stack_grows),
        cmocka_unit_test(test_protection_faults),
        cmocka_unit_test(test_faults_after_mprotect),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
