/* Speed of the user heap: pairs that the tcache serves, replays of recorded programs, and the reading of scripts. The real
 * malloc that this program is linked with gets the same calls in the same run. TRUTH names the directory with recordings.
 */
#include "server/base/input.h"
#include "server/import/ops_line.h"
#include "tests/bench/bench.h"

#include <fcntl.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define CALLS_MAX 2000000u
#define REPLAYS 9

/* Calls by what a machine takes; the real malloc gets the same ones. */
struct script {
    struct heap_call *calls;
    uint64_t *blocks;
    size_t nr_calls, nr_blocks;
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
        release.given |= OP_BIT(PID);
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

static enum op_kind kind_of(char letter)
{
    return letter == 'a'   ? OP_MALLOC
           : letter == 'c' ? OP_CALLOC
           : letter == 'r' ? OP_REALLOC
           : letter == 'm' ? OP_MEMALIGN
                           : OP_FREE;
}

/* False: it is no call, or beyond what is set up for. */
static bool set_call(struct heap_call *call, const struct ops_line *op)
{
    if (!op->letter || !strchr("acrmf", op->letter) || !op->nr_numbers || op->numbers[0] >= CALLS_MAX)
        return false;
    *call = (struct heap_call){ .kind = (uint16_t)kind_of(op->letter), .block = (uint32_t)op->numbers[0] };
    call->size = op->letter == 'f' ? 0 : op->numbers[op->nr_numbers - 1];
    call->n = op->nr_numbers > 1 ? op->numbers[1] : 0;
    return true;
}

/* Reads a script as the importer does. False: it is not there.
 * seconds  out: how long that took. */
static bool read_script(const char *path, struct script *script, uint64_t *nr_lines, double *seconds)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    struct input *input = fd < 0 ? NULL : input_open(source_of_file(&fd));
    const char *line;
    size_t length;
    double start = bench_seconds();
    script->nr_calls = script->nr_blocks = 0;
    while (input && script->nr_calls < CALLS_MAX && input_next_line(input, &line, &length)) {
        struct heap_call *call = &script->calls[script->nr_calls];
        struct ops_line op;
        if (!ops_line_read(line, length, &op) || !set_call(call, &op))
            continue;
        script->nr_calls++;
        script->nr_blocks = call->block >= script->nr_blocks ? call->block + 1 : script->nr_blocks;
    }
    *seconds = bench_seconds() - start;
    *nr_lines = input ? input_line_number(input) : 0;
    input_close(input);
    if (fd >= 0)
        close(fd);
    return script->nr_calls != 0;
}

/* --- the real one --- */

static void *call_real(void *block, const struct heap_call *call)
{
    switch (call->kind) {
    case OP_MALLOC:
        return malloc(call->size);
    case OP_CALLOC:
        return calloc(call->n, call->size);
    case OP_REALLOC:
        return realloc(block, call->size);
    case OP_MEMALIGN:
        return memalign(call->n, call->size);
    default:
        free(block);
        return NULL;
    }
}

/* Runs in a process of its own, so that each run begins with the same heap. */
static double time_real(struct script *s)
{
    int ends[2];
    double took = 1e9;
    if (pipe(ends))
        abort();
    pid_t child = fork();
    if (child == 0) {
        void **blocks = (void **)(void *)s->blocks;
        double start = bench_seconds();
        for (size_t i = 0; i < s->nr_calls; i++)
            blocks[s->calls[i].block] = call_real(blocks[s->calls[i].block], &s->calls[i]);
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

static double time_simulated(struct script *s)
{
    struct machine *m = fixture_machine("linux-6.1", UINT64_C(1) << 30);
    uint32_t pid = fixture_apply(m, fixture_op(OP_SPAWN))->pid;
    struct heap_run done;
    struct problem why = { 0 };
    memset(s->blocks, 0, s->nr_blocks * sizeof *s->blocks);
    double start = bench_seconds();
    if (machine_heap_run(m, pid, s->calls, s->nr_calls, s->blocks, &done, &why))
        abort();
    double took = bench_seconds() - start;
    memset(s->blocks, 0, s->nr_blocks * sizeof *s->blocks);
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
    bench_report(row, simulated, s->nr_calls, "ops");
    printf("%-32s %8.2f of the real malloc (%.1f M ops/s)\n", "", real / simulated, (double)s->nr_calls / real / 1e6);
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
    struct script script = { .calls = map(CALLS_MAX * sizeof(struct heap_call)),
                             .blocks = map(CALLS_MAX * sizeof(uint64_t)) };
    tcache_pairs();
    replay(truth ? truth : "tests/truth/sample", "traces/sqlite.ops.gz", &script);
    replay(truth ? truth : "tests/truth/sample", "traces/jq.ops.gz", &script);
    replay(truth ? truth : "tests/truth/sample", "traces/gitlog.ops.gz", &script);
    replay(truth ? truth : "tests/truth/sample", "random/mixed-100000-s5.ops.gz", &script);
    reading(&script);
    munmap(script.calls, CALLS_MAX * sizeof(struct heap_call));
    munmap(script.blocks, CALLS_MAX * sizeof(uint64_t));
}
