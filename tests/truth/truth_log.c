/* make truth: what a recorder inside a running program wrote of its calls into malloc, one a line, with the pointers that
 * it got. The calls are made again in a process of a machine, and each pointer is compared, as an offset in the heap.
 * Blocks outside of it have an address that other mappings of the program decided: there it is compared that they are
 * outside. */
#include "pagoda/view.h"
#include "tests/lib/fixture.h"
#include "tests/truth/truth.h"
#include "tests/truth/truth_state.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAPPED_MAX 4096u

struct log {
    struct machine *machine;
    uint32_t pid;
    uint64_t heap_start;
    /* Blocks outside the heap: the recorded address, and ours. */
    struct {
        uint64_t there, here;
    } mapped[MAPPED_MAX];
    uint32_t nr_mapped;
    struct truth_report *report;
};

/* "+2a0": in the heap; "@7f…": outside; "0": NULL. Here: an address of the process; 0: the text names none. */
static uint64_t log_address(const struct log *log, const char *text)
{
    uint64_t number = strtoull(text + 1, NULL, 16);
    if (text[0] == '+')
        return log->heap_start + number;
    for (uint32_t i = 0; text[0] == '@' && i < log->nr_mapped; i++)
        if (log->mapped[i].there == number)
            return log->mapped[i].here;
    return 0;
}

static void log_note_mapped(struct log *log, uint64_t there, uint64_t here)
{
    uint32_t i = 0;
    while (i < log->nr_mapped && log->mapped[i].there != there)
        i++;
    if (i == MAPPED_MAX)
        abort();
    log->nr_mapped += i == log->nr_mapped;
    log->mapped[i].there = there;
    log->mapped[i].here = here;
}

/* Is it the pointer that the program got? */
static bool log_same(struct log *log, const char *want, uint64_t got)
{
    bool is_in_heap = got - log->heap_start < UINT64_C(1) << 40;
    if (want[0] == '@' && got && !is_in_heap) {
        log_note_mapped(log, strtoull(want + 1, NULL, 16), got);
        return true;
    }
    return want[0] != '@' && got == log_address(log, want);
}

static struct op log_op(const struct log *log, enum op_kind kind, uint32_t given)
{
    struct op op = op_default(kind);
    op.pid = log->pid;
    op.given = given | OP_BIT(PID);
    return op;
}

/* One call. result: the text of the pointer that it returned; NULL: it returns none. False: it is none of those that are
 * recorded, or the half of one. */
static bool log_read(const struct log *log, char *line, struct op *op, const char **result)
{
    char *rest = line, *words[6] = { "", "", "", "", "", "" };
    for (unsigned i = 0; i < 6 && rest; i++)
        words[i] = truth_field(&rest, ' ');
    uint64_t first = strtoull(words[2], NULL, 10), second = strtoull(words[3], NULL, 10);
    *result = NULL;
    if (strcmp(words[1], "malloc") == 0) {
        *op = log_op(log, OP_MALLOC, OP_BIT(SIZE));
        op->size = first;
        *result = words[4];
    } else if (strcmp(words[1], "calloc") == 0) {
        *op = log_op(log, OP_CALLOC, OP_BIT(N) | OP_BIT(SIZE));
        op->n = first;
        op->size = second;
        *result = words[5];
    } else if (strcmp(words[1], "realloc>") == 0) {
        *op = log_op(log, OP_REALLOC, OP_BIT(ADDRESS) | OP_BIT(SIZE));
        op->address = log_address(log, words[2]);
        op->size = second;
        *result = words[5];
    } else if (strcmp(words[1], "free") == 0) {
        *op = log_op(log, OP_FREE, OP_BIT(ADDRESS));
        op->address = log_address(log, words[2]);
    } else {
        return false;
    }
    return true;
}

static void log_replay(struct log *log, struct truth_file *file)
{
    char *line;
    size_t length;
    while (truth_next_line(file, &line, &length)) {
        struct op op;
        const char *want;
        if (line[0] == '#' || !log_read(log, line, &op, &want))
            continue;
        struct op_result r;
        struct problem why = { 0 };
        bool same = !machine_apply(log->machine, &op, &r, &why) && r.outcome == OUTCOME_OK &&
                    (!want || log_same(log, want, r.address));
        log->report->nr_operations++;
        log->report->nr_identical += same;
        if (!same)
            truth_differ(log->report, "line %" PRIu64 ": expected %s, got +%" PRIx64, truth_line_number(file),
                         want ? want : "no message", r.address - log->heap_start);
    }
}

/* The heap begins where the break is before the first call. */
static void log_open(struct log *log)
{
    const struct machine_config config = { .profile = PROFILE_LINUX_6_1, .memory = UINT64_C(1) << 30, .cpus = 1 };
    struct process_view process;
    uint64_t cursor = 0;
    log->machine = fixture_machine_of(&config);
    machine_record_events(log->machine, false);
    log->pid = fixture_apply(log->machine, fixture_op(OP_SPAWN))->pid;
    while (view_next_process(log->machine, &cursor, &process))
        log->heap_start = process.heap_start;
}

int truth_log(const char *path, struct truth_report *report)
{
    struct truth_file *file = truth_open(path);
    char *header;
    size_t length;
    if (!file)
        return -1;
    bool is_alone = truth_next_line(file, &header, &length) && strstr(header, " threads 1 ");
    if (is_alone) {
        struct log *log = calloc(1, sizeof *log);
        if (!log)
            abort();
        log->report = report;
        log_open(log);
        log_replay(log, file);
        machine_destroy(log->machine);
        free(log);
    }
    snprintf(report->note, sizeof report->note,
             is_alone ? "addresses outside the heap are the program's"
                      : "not checked: the order of its threads is the recorder's");
    bool is_readable = !truth_is_damaged(file);
    truth_close(file);
    return is_readable ? 0 : -1;
}
