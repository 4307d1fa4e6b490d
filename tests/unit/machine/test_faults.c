/* Page faults of a replayed heap beside those of the real one: a process whose blocks are touched by glibc alone (headers)
 * faults exactly the pages that glibc writes to. The driver that made the recordings (truth-malloc.c) is built and run here
 * and now, if its source and a compiler are there. It counts its own minor faults while it replays a script, with huge
 * pages off. Its pages of data and stack are the C library's and its own, so what it faults for an empty script is taken
 * off.
 *
 * The kernel below decides one thing that the test has to know. Linux maps the shared zero page where an untouched page is
 * read, so the first write to that page faults again. Some kernels (of small virtual machines, say) map a frame of the
 * process's own at once, and the write does not fault. realloc() reads pages that nobody wrote to, so the counts differ by
 * just these writes. probe_zero_page() asks the kernel which rule it has. */
#include "tests/lib/fixture.h"

#include <gnu/libc-version.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <fts.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <zlib.h>

#include <cmocka.h>

#define MIB (UINT64_C(1) << 20)
#define SLOTS_MAX 1000000u

/* --- the engine's faults --- */

struct fault_counts {
    uint64_t minor;
    uint64_t zero_page_writes; /* among them: writes to a page that had been read only */
};

static uint64_t *slots; /* addresses */

static struct op user_op(enum op_kind kind, uint32_t pid)
{
    struct op op = fixture_op(kind);
    op.pid = pid;
    op.given = OP_BIT(PID);
    return op;
}

/* Which option of mallopt a number of malloc.h is. */
static uint8_t option_of(int64_t parameter)
{
    static const struct {
        int64_t parameter;
        enum mallopt_option option;
    } OPTIONS[] = { { 1, MALLOPT_MXFAST },
                    { -1, MALLOPT_TRIM_THRESHOLD },
                    { -2, MALLOPT_TOP_PAD },
                    { -3, MALLOPT_MMAP_THRESHOLD },
                    { -4, MALLOPT_MMAP_MAX } };
    for (size_t i = 0; i < sizeof OPTIONS / sizeof OPTIONS[0]; i++)
        if (OPTIONS[i].parameter == parameter)
            return (uint8_t)OPTIONS[i].option;
    fail_msg("mallopt(%lld)", (long long)parameter);
    return 0;
}

static enum op_kind kind_of(char letter)
{
    static const struct {
        char letter;
        enum op_kind kind;
    } KINDS[] = { { 'a', OP_MALLOC },         { 'c', OP_CALLOC }, { 'r', OP_REALLOC }, { 'm', OP_MEMALIGN },
                  { 'g', OP_POSIX_MEMALIGN }, { 'v', OP_VALLOC }, { 'p', OP_PVALLOC }, { 't', OP_MALLOC_TRIM },
                  { 'o', OP_MALLOPT },        { 'k', OP_SBRK } };
    for (size_t i = 0; i < sizeof KINDS / sizeof KINDS[0]; i++)
        if (KINDS[i].letter == letter)
            return KINDS[i].kind;
    return OP_FREE;
}

/* One line of a script as an operation; false: nothing to do. *slot: where its address goes, 0: nowhere. */
static bool decode(const char *line, uint32_t pid, struct op *op, uint64_t *slot)
{
    char *rest = (char *)(uintptr_t)(line + 1);
    uint64_t number[3] = { 0 };
    for (int i = 0; i < 3 && *rest; i++)
        number[i] = *rest && rest[1] == '-' ? (uint64_t)strtoll(rest, &rest, 0) : strtoull(rest, &rest, 0);
    if (line[0] == '#' || line[0] == 's')
        return false;
    *op = user_op(kind_of(line[0]), pid);
    bool has_slot = strchr("tok", line[0]) == NULL, has_align = line[0] == 'm' || line[0] == 'g';
    *slot = has_slot ? number[0] : 0;
    assert_true(*slot < SLOTS_MAX);
    if (op->kind == OP_REALLOC && !slots[*slot])
        op->kind = OP_MALLOC;
    op->address = slots[*slot];
    op->n = number[1];
    op->align = number[1];
    op->size = line[0] == 'c' || has_align ? number[2] : number[1];
    op->pad = number[0];
    op->increment = (int64_t)number[0];
    op->value = (int64_t)number[1];
    op->option = op->kind == OP_MALLOPT ? option_of((int64_t)number[0]) : 0;
    op->given |= op_info(op->kind)->needed | (op->kind == OP_MALLOC_TRIM ? OP_BIT(PAD) : 0);
    return op->kind != OP_FREE || op->address;
}

/* Nothing forks here, so each page that is copied on write was the zero page. An operation's list of events has an end; a
 * copy beyond it would show as a difference. */
static uint64_t count_zero_page_writes(const struct op_result *r)
{
    uint64_t nr = 0;
    for (uint32_t i = 0; i < r->nr_events; i++)
        nr += r->events[i].kind == EV_COW;
    return nr;
}

static void run_line(struct machine *m, uint32_t pid, const char *line, struct fault_counts *counts)
{
    struct op op;
    struct op_result r;
    struct problem why = { 0 };
    uint64_t slot;
    if (!decode(line, pid, &op, &slot))
        return;
    if (machine_apply(m, &op, &r, &why))
        fail_msg("%s: %s %s", line, why.field, why.text);
    assert_int_not_equal(r.outcome, OUTCOME_BUG);
    counts->zero_page_writes += count_zero_page_writes(&r);
    if (op.kind == OP_FREE || (op.kind == OP_REALLOC && !op.size))
        slots[slot] = 0;
    else if (r.address && slot)
        slots[slot] = r.address;
}

/* As the driver does: alignments of more than a page depend on where the heap starts. */
static void start_heap(struct machine *m, uint32_t pid)
{
    struct process_view p;
    struct op op = user_op(OP_BRK, pid);
    uint64_t cursor = 0;
    assert_true(view_next_process(m, &cursor, &p));
    op.address = (p.brk + 64 * MIB - 1) & ~(64 * MIB - 1);
    op.given |= OP_BIT(ADDRESS);
    assert_int_equal(fixture_apply(m, op)->outcome, OUTCOME_OK);
}

static struct fault_counts engine_faults(const char *path)
{
    struct fault_counts counts = { 0 };
    struct machine_config config = { .profile = PROFILE_LINUX_6_1, .memory = 1024 * MIB, .overcommit_memory = 1 };
    struct machine *m = fixture_machine_of(&config);
    gzFile file = gzopen(path, "rb");
    struct process_view p;
    char line[256];
    uint64_t cursor = 0;
    assert_non_null(file);
    slots = calloc(SLOTS_MAX, sizeof *slots);
    assert_non_null(slots);
    uint32_t pid = fixture_apply(m, fixture_op(OP_SPAWN))->pid;
    start_heap(m, pid);
    while (gzgets(file, line, sizeof line))
        run_line(m, pid, line, &counts);
    fixture_check(m);
    assert_true(view_next_process(m, &cursor, &p));
    assert_int_equal(p.major_faults, 0);
    (void)gzclose(file);
    free(slots);
    machine_destroy(m);
    counts.minor = p.minor_faults;
    return counts;
}

/* --- the real library's --- */

static char directory[] = "/tmp/pagoda-faults-XXXXXX";
static char driver[64], script[64];

/* Runs a program with its standard streams on files; huge pages off, so that a fault is one page. */
static int run(char *const arguments[], const char *in, const char *out)
{
    pid_t child = fork();
    if (child == 0) {
        int from = open(in, O_RDONLY | O_CLOEXEC), to = open(out, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
        if (from < 0 || to < 0 || dup2(from, 0) < 0 || dup2(to, 1) < 0 || dup2(to, 2) < 0 ||
            prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0) != 0)
            _exit(126);
        execvp(arguments[0], arguments);
        _exit(127);
    }
    int status = -1;
    return child > 0 && waitpid(child, &status, 0) == child && WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/* The driver counts its faults from the first operation to the last by getrusage(). */
static uint64_t real_faults(const char *path)
{
    char text[4096], out[80];
    gzFile from = gzopen(path, "rb");
    FILE *to = fopen(script, "w");
    assert_true(from && to);
    for (int n; (n = gzread(from, text, sizeof text)) > 0;)
        assert_int_equal(fwrite(text, 1, (size_t)n, to), n);
    (void)gzclose(from);
    assert_int_equal(fclose(to), 0);
    snprintf(out, sizeof out, "%s/out", directory);
    char option[] = "-t", *arguments[] = { driver, option, NULL };
    assert_int_equal(run(arguments, script, out), 0);
    FILE *answer = fopen(out, "r");
    assert_non_null(answer);
    size_t n = fread(text, 1, sizeof text - 1, answer);
    (void)fclose(answer);
    text[n] = '\0';
    const char *found = strstr(text, "minflt ");
    assert_non_null(found);
    return strtoull(found + strlen("minflt "), NULL, 10);
}

/* Builds the driver from the collection of recordings; false: it is not there, or this host's libc is another one. */
static bool build_driver(const char *truth)
{
    char source[512], out[80];
    snprintf(source, sizeof source, "%s/glibc-2.36/truth-malloc.c", truth);
    if (access(source, R_OK) != 0 || strcmp(gnu_get_libc_version(), "2.36") != 0 || !mkdtemp(directory))
        return false;
    snprintf(driver, sizeof driver, "%s/driver", directory);
    snprintf(script, sizeof script, "%s/script", directory);
    snprintf(out, sizeof out, "%s/out", directory);
    const char *words[] = { "cc", "-O2", "-w", "-std=gnu11", "-fno-builtin", "-o", driver, source, "-pthread", NULL };
    char *arguments[16] = { NULL };
    memcpy(arguments, words, sizeof words);
    return run(arguments, "/dev/null", out) == 0;
}

static void remove_driver(void)
{
    char out[80];
    snprintf(out, sizeof out, "%s/out", directory);
    (void)unlink(out);
    (void)unlink(script);
    (void)unlink(driver);
    (void)rmdir(directory);
}

static bool is_wanted(const char *path)
{
    static const char *const PATTERNS[] = { "*/traces/*.ops.gz", "*/edge/*.ops", "*/random/*-1000-*.ops.gz",
                                            "*/random/*-10000-*.ops.gz" };
    for (size_t i = 0; i < sizeof PATTERNS / sizeof PATTERNS[0]; i++)
        if (fnmatch(PATTERNS[i], path, 0) == 0)
            return true;
    return false;
}

/* --- what the host's kernel does where an untouched page is read --- */

enum zero_page_rule {
    ZERO_PAGE_MAPPED, /* the read maps the zero page: the first write faults again (Linux as it is released) */
    ZERO_PAGE_NONE,   /* the read maps a frame of the process's own: the first write does not fault */
    ZERO_PAGE_UNKNOWN,
};

/* Minor faults of this process that one byte of each page costs: read, or written to. ASan's shadow would fault too. */
__attribute__((no_sanitize("address"))) static long probe_touch(volatile char *pages, size_t nr_pages, bool write)
{
    struct rusage before, after;
    assert_int_equal(getrusage(RUSAGE_SELF, &before), 0);
    for (size_t i = 0; i < nr_pages; i++)
        if (write)
            pages[i * PAGE_SIZE] = 1;
        else
            (void)pages[i * PAGE_SIZE];
    assert_int_equal(getrusage(RUSAGE_SELF, &after), 0);
    return after.ru_minflt - before.ru_minflt;
}

/* As many pages that the faults of the test itself, if there are any, do not matter. */
static enum zero_page_rule probe_zero_page(void)
{
    enum { NR_PAGES = 256, STRAY_MAX = 16 };
    assert_int_equal(prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0), 0);
    char *pages = mmap(NULL, NR_PAGES * PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_ptr_not_equal(pages, MAP_FAILED);
    long reads = probe_touch(pages, NR_PAGES, false), writes = probe_touch(pages, NR_PAGES, true);
    assert_int_equal(munmap(pages, NR_PAGES * PAGE_SIZE), 0);
    printf("%d untouched pages: %ld faults when read, %ld when written to after that\n", NR_PAGES, reads, writes);
    if (reads < NR_PAGES || reads > NR_PAGES + STRAY_MAX)
        return ZERO_PAGE_UNKNOWN;
    if (writes <= STRAY_MAX)
        return ZERO_PAGE_NONE;
    return writes >= NR_PAGES && writes <= NR_PAGES + STRAY_MAX ? ZERO_PAGE_MAPPED : ZERO_PAGE_UNKNOWN;
}

/* Not one page of difference: nothing is left to explain. */
static bool is_equal(const char *path, uint64_t of_nothing, enum zero_page_rule rule)
{
    struct fault_counts counts = engine_faults(path);
    uint64_t real = real_faults(path) - of_nothing;
    uint64_t ours = counts.minor - (rule == ZERO_PAGE_NONE ? counts.zero_page_writes : 0);
    if (real != ours)
        fprintf(stderr, "%s: %llu faults instead of %llu\n", path, (unsigned long long)ours, (unsigned long long)real);
    return real == ours;
}

static void test_faults_are_the_real_ones(void **state)
{
    (void)state;
    const char *truth = getenv("TRUTH") ? getenv("TRUTH") : "../shared/truth";
    enum zero_page_rule rule = probe_zero_page();
    if (rule == ZERO_PAGE_UNKNOWN || !build_driver(truth)) {
        printf(rule == ZERO_PAGE_UNKNOWN ? "not compared: this kernel maps other pages than the one that is touched\n"
                                         : "not compared: no driver, or this host's C library is not glibc 2.36\n");
        remove_driver();
        skip();
    }
    if (rule == ZERO_PAGE_NONE)
        printf("this kernel has no zero page: writes to pages that were read first are left out of the engine's count\n");
    char *roots[] = { (char *)(uintptr_t)truth, NULL };
    FTS *tree = fts_open(roots, FTS_LOGICAL | FTS_NOCHDIR, NULL);
    uint64_t of_nothing = real_faults("/dev/null");
    unsigned nr_scripts = 0, nr_different = 0;
    assert_non_null(tree);
    for (FTSENT *entry; (entry = fts_read(tree));) {
        if (entry->fts_info != FTS_F || !is_wanted(entry->fts_path))
            continue;
        nr_scripts++;
        nr_different += !is_equal(entry->fts_path, of_nothing, rule);
    }
    fts_close(tree);
    remove_driver();
    printf("%u scripts\n", nr_scripts);
    assert_true(nr_scripts > 0);
    assert_int_equal(nr_different, 0);
}

/* What touch means: headers and none leave a block alone once malloc has returned it, all writes to every page of it. */
static void test_touch(void **state)
{
    (void)state;
    static const uint64_t WANT[NR_TOUCHES] = { [TOUCH_HEADERS] = 1, [TOUCH_ALL] = 257, [TOUCH_NONE] = 1 };
    for (int touch = 0; touch < NR_TOUCHES; touch++) {
        struct machine *m = fixture_machine("linux-6.1", 64 * MIB);
        struct op op = fixture_op(OP_SPAWN);
        struct process_view p, before;
        uint64_t cursor = 0;
        op.touch = (uint8_t)touch;
        op.given = OP_BIT(TOUCH);
        uint32_t pid = fixture_apply(m, op)->pid;
        fixture_apply(m, fixture_user(OP_MALLOC, pid, 1));
        assert_true(view_next_process(m, &cursor, &before));
        fixture_apply(m, fixture_user(OP_MALLOC, pid, MIB)); /* a mapping of its own */
        cursor = 0;
        assert_true(view_next_process(m, &cursor, &p));
        assert_int_equal(p.minor_faults - before.minor_faults, WANT[touch]);
        machine_destroy(m);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_touch),
        cmocka_unit_test(test_faults_are_the_real_ones),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
