/* Speed of the user heap: pairs that the tcache serves; replays of recorded programs, beside the real malloc that this
 * program is linked with, which gets the same calls in the same run; and reading of scripts. TRUTH names the directory with
 * recordings. */
#include "server/input.h"
#include "server/ops_line.h"
#include "tests/bench.h"

#include <fcntl.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define OPS_MAX 2000000u
#define REPLAYS 5

struct script {
    struct ops_line *ops;
    void **slots;
    size_t nr_ops, nr_slots;
};

static void tcache_pairs(void)
{
    const unsigned nr = 2000000;
    double best = 1e9;
    for (int run = 0; run < BENCH_RUNS; run++) {
        struct machine *m = fixture_machine("linux-6.1", 0);
        machine_record_events(m, false);
        uint32_t pid = fixture_apply(m, fixture_op(OP_SPAWN))->pid;
        struct op alloc = fixture_user(OP_MALLOC, pid, 100), release = fixture_free(OP_FREE, 0);
        release.pid = pid;
        release.given |= P(PID);
        double start = bench_seconds();
        for (unsigned i = 0; i < nr; i++) {
            release.address = bench_apply(m, &alloc);
            bench_apply(m, &release);
        }
        double took = bench_seconds() - start;
        best = took < best ? took : best;
        machine_destroy(m);
    }
    bench_report("malloc+free 100 tcache", best, nr, "pairs");
}

/* --- scripts --- */

static size_t slots_needed(const struct ops_line *op)
{
    return op->nr_numbers && op->numbers[0] < OPS_MAX ? (size_t)op->numbers[0] + 1 : 1;
}

/* Reads a script as the importer does; *seconds: how long that took. False: it is not there. */
static bool read_script(const char *path, struct script *script, uint64_t *nr_lines, double *seconds)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    struct input *input = fd < 0 ? NULL : input_open(source_of_file(&fd));
    const char *line;
    size_t length;
    double start = bench_seconds();
    script->nr_ops = 0;
    while (input && script->nr_ops < OPS_MAX && input_next_line(input, &line, &length)) {
        struct ops_line *op = &script->ops[script->nr_ops];
        if (!ops_line_read(line, length, op) || !op->letter || !strchr("acrmf", op->letter))
            continue;
        script->nr_ops++;
        script->nr_slots = slots_needed(op) > script->nr_slots ? slots_needed(op) : script->nr_slots;
    }
    *seconds = bench_seconds() - start;
    *nr_lines = input ? input_line_number(input) : 0;
    input_close(input);
    if (fd >= 0)
        close(fd);
    return script->nr_ops != 0;
}

/* --- the real one --- */

static void call_real(struct script *s, const struct ops_line *op)
{
    void **slot = &s->slots[op->numbers[0]];
    switch (op->letter) {
    case 'a':
        *slot = malloc(op->numbers[1]);
        break;
    case 'c':
        *slot = calloc(op->numbers[1], op->numbers[2]);
        break;
    case 'r':
        *slot = realloc(*slot, op->numbers[1]);
        break;
    case 'm':
        *slot = memalign(op->numbers[1], op->numbers[2]);
        break;
    default:
        free(*slot);
        *slot = NULL;
    }
}

/* In a process of its own, so that each run begins with the same heap. */
static double time_real(struct script *s)
{
    int ends[2];
    double took = 1e9;
    if (pipe(ends))
        abort();
    pid_t child = fork();
    if (child == 0) {
        double start = bench_seconds();
        for (size_t i = 0; i < s->nr_ops; i++)
            call_real(s, &s->ops[i]);
        took = bench_seconds() - start;
        _exit(write(ends[1], &took, sizeof took) != sizeof took);
    }
    close(ends[1]);
    if (read(ends[0], &took, sizeof took) != sizeof took)
        abort();
    close(ends[0]);
    waitpid(child, NULL, 0);
    return took;
}

/* --- the simulated one --- */

static void set_call(struct op *op, const struct ops_line *line)
{
    switch (line->letter) {
    case 'a':
        op->kind = OP_MALLOC;
        op->given = P(PID) | P(SIZE);
        break;
    case 'c':
        op->kind = OP_CALLOC;
        op->given = P(PID) | P(N) | P(SIZE);
        break;
    case 'r':
        op->kind = OP_REALLOC;
        op->given = P(PID) | P(ADDRESS) | P(SIZE);
        break;
    case 'm':
        op->kind = OP_MEMALIGN;
        op->given = P(PID) | P(ALIGN) | P(SIZE);
        break;
    default:
        op->kind = OP_FREE;
        op->given = P(PID) | P(ADDRESS);
    }
}

/* op: of the call before; it keeps its pid. */
static void call_simulated(struct machine *m, struct script *s, const struct ops_line *line, struct op *op)
{
    void **slot = &s->slots[line->numbers[0]];
    set_call(op, line);
    op->address = (uint64_t)(uintptr_t)*slot;
    op->size = line->numbers[line->nr_numbers - 1];
    op->n = op->align = line->numbers[1];
    uint64_t address = bench_apply(m, op);
    *slot = op->kind == OP_FREE ? NULL : (void *)(uintptr_t)address;
}

static double time_simulated(struct script *s)
{
    struct machine *m = fixture_machine("linux-6.1", UINT64_C(1) << 30);
    struct op op = { .pid = fixture_apply(m, fixture_op(OP_SPAWN))->pid };
    machine_record_events(m, false);
    memset(s->slots, 0, s->nr_slots * sizeof *s->slots);
    double start = bench_seconds();
    for (size_t i = 0; i < s->nr_ops; i++)
        call_simulated(m, s, &s->ops[i], &op);
    double took = bench_seconds() - start;
    memset(s->slots, 0, s->nr_slots * sizeof *s->slots);
    machine_destroy(m);
    return took;
}

static void replay(const char *truth, const char *name, struct script *s)
{
    char path[4096], row[64];
    uint64_t nr_lines;
    double seconds, real = 1e9, simulated = 1e9;
    snprintf(path, sizeof path, "%s/glibc-2.36/%s", truth, name);
    if (!read_script(path, s, &nr_lines, &seconds))
        return;
    for (int i = 0; i < REPLAYS; i++) {
        double one = time_real(s), other = time_simulated(s);
        real = one < real ? one : real;
        simulated = other < simulated ? other : simulated;
    }
    snprintf(row, sizeof row, "replay %s", strrchr(name, '/') + 1);
    bench_report(row, simulated, s->nr_ops, "ops");
    printf("%-32s %8.2f of the real malloc (%.1f M ops/s)\n", "", real / simulated, (double)s->nr_ops / real / 1e6);
}

/* From a plain file: unpacking is zlib's. */
static void reading(struct script *s)
{
    char path[] = "/tmp/pagoda-bench-XXXXXX";
    const unsigned nr = 1000000;
    uint64_t nr_lines = 0;
    double best = 1e9, seconds;
    struct fixture_random random = { 42 };
    int fd = mkstemp(path);
    FILE *file = fd < 0 ? NULL : fdopen(fd, "w");
    if (!file)
        return;
    for (unsigned i = 0; i < nr; i++) {
        unsigned id = (unsigned)fixture_random_below(&random, nr);
        fprintf(file, i % 2 ? "f %u\n" : "a %u %u\n", id, (unsigned)fixture_random_below(&random, 4096));
    }
    (void)fclose(file);
    for (int i = 0; i < REPLAYS && read_script(path, s, &nr_lines, &seconds); i++)
        best = seconds < best ? seconds : best;
    unlink(path);
    bench_report("reading of a script", best, nr_lines, "lines");
}

static void *map(size_t nr_bytes)
{
    void *at = mmap(NULL, nr_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (at == MAP_FAILED)
        abort();
    return at;
}

void bench_malloc(void)
{
    const char *truth = getenv("TRUTH");
    struct script script = { .ops = map(OPS_MAX * sizeof(struct ops_line)), .slots = map(OPS_MAX * sizeof(void *)) };
    tcache_pairs();
    replay(truth ? truth : "tests/sample", "traces/sqlite.ops.gz", &script);
    replay(truth ? truth : "tests/sample", "traces/jq.ops.gz", &script);
    replay(truth ? truth : "tests/sample", "traces/gitlog.ops.gz", &script);
    replay(truth ? truth : "tests/sample", "random/mixed-100000-s5.ops.gz", &script);
    reading(&script);
    munmap(script.ops, OPS_MAX * sizeof(struct ops_line));
    munmap(script.slots, OPS_MAX * sizeof(void *));
}
