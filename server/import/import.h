/* server/import/import.h - recorded traces into a machine: what was read, what was applied, what was skipped and why. */
#pragma once
#include "pagoda/machine.h"
#include "server/base/buffer.h"
#include "server/base/input.h"

/* The formats: id, name. */
#define TRACE_FORMAT_MAP(X)                                                                                                \
    X(FORMAT_AUTO, "auto")                                                                                                 \
    X(FORMAT_NDJSON, "ndjson")         /* one operation a line, as POST /ops takes it */                                   \
    X(FORMAT_FTRACE, "ftrace")         /* kmem events of trace-cmd, perf, /sys/kernel/tracing, LTTng, dmesg */             \
    X(FORMAT_MALLOC_LOG, "malloc-log") /* calls of malloc with threads and pointers */                                     \
    X(FORMAT_MTRACE, "mtrace")         /* glibc's mtrace(3) */                                                             \
    X(FORMAT_REP, "rep")               /* CS:APP malloc lab */                                                             \
    X(FORMAT_OPS, "ops")               /* malloc scripts */                                                                \
    X(FORMAT_LTRACE, "ltrace")         /* calls of malloc as ltrace, preloaded tracers, valgrind and LTTng print them */
enum trace_format {
#define X(id, name) id,
    TRACE_FORMAT_MAP(X)
#undef X
        NR_TRACE_FORMATS
};
#define TRACE_FORMATS_TEXT "auto, ndjson, ftrace, ltrace, malloc-log, mtrace, rep or ops"

/* Takes operations one by one: a lab, or a machine of one's own. Errors as machine_apply(). */
struct import_sink {
    enum pagoda_error (*apply)(void *context, const struct op *op, struct op_result *result, struct problem *why);
    /* The machine as it is now, to look into; borrowed until the next apply. NULL: it cannot be had. */
    const struct machine *(*look)(void *context);
    void *context;
    uint32_t cpus; /* of the machine; recorded CPUs are folded into these */
};

#define IMPORT_EVENTS_MAX 64
#define IMPORT_REASONS_MAX 8

struct import_reason {
    char reason[96];
    uint64_t count, first_line;
};

struct import_event {
    char event[40]; /* its name */
    uint64_t read, applied, skipped;
    struct import_reason reasons[IMPORT_REASONS_MAX];
};

/* What an import has done so far. Fields are called as in JSON. */
struct import_summary {
    enum trace_format format; /* as it turned out to be; FORMAT_AUTO: none that is read */
    char format_reason[160];  /* how that was found */
    char refusal[480];        /* why nothing was applied; empty: something was */
    uint64_t lines, events_read, operations;
    uint64_t applied, skipped;                /* events */
    uint64_t failed;                          /* lines that could not be read */
    uint64_t lost;                            /* events that the recorder lost, where it says how many */
    uint64_t outcomes[3];                     /* of operations */
    uint64_t kmalloc_compared, kmalloc_agree; /* bytes_alloc: recorded against here */
    uint64_t first_difference_line;
    char first_difference[96];                      /* of these; empty: none */
    uint64_t blocks_compared, blocks_agree;         /* places of malloc's blocks: recorded against here */
    uint32_t pid;                                   /* the process that a malloc trace ran in; 0: none */
    uint64_t slab_pages_compared, slab_pages_agree; /* page events of slabs: signature against place, see import_ftrace.c */
    char problem[96];                               /* of the input as a whole, with its line; empty: none */
    struct import_event by_event[IMPORT_EVENTS_MAX];
    uint32_t nr_by_event;
};

bool trace_format_find(const char *name, enum trace_format *format);
/* Runs all of it. An error is the sink's, and ends the import; what was applied before it stays. */
enum pagoda_error import_run(struct input *input, enum trace_format format, const struct import_sink *sink,
                             struct import_summary *summary) PAGODA_MUST_CHECK;
enum pagoda_error import_ndjson(struct input *input, const char *line, size_t length, const struct import_sink *sink,
                                struct import_summary *summary) PAGODA_MUST_CHECK;
/* import_ftrace.c. The first line has been read already. */
enum pagoda_error import_ftrace(struct input *input, const char *line, size_t length, const struct import_sink *sink,
                                struct import_summary *summary) PAGODA_MUST_CHECK;

/* Is it an operation, not just JSON? */
bool import_ndjson_knows(const char *line, size_t length);

/* The same for traces of malloc, which run in a process of their own: import_malloc.c, import_calls.c, import_ops.c. */
enum pagoda_error import_malloc_log(struct input *input, const char *line, size_t length, const struct import_sink *sink,
                                    struct import_summary *summary) PAGODA_MUST_CHECK;
enum pagoda_error import_mtrace(struct input *input, const char *line, size_t length, const struct import_sink *sink,
                                struct import_summary *summary) PAGODA_MUST_CHECK;
enum pagoda_error import_calls(struct input *input, const char *line, size_t length, const struct import_sink *sink,
                               struct import_summary *summary) PAGODA_MUST_CHECK;
enum pagoda_error import_rep(struct input *input, const char *line, size_t length, const struct import_sink *sink,
                             struct import_summary *summary) PAGODA_MUST_CHECK;
enum pagoda_error import_ops(struct input *input, const char *line, size_t length, const struct import_sink *sink,
                             struct import_summary *summary) PAGODA_MUST_CHECK;

struct ops_line;
bool import_ops_knows(const struct ops_line *line); /* is it a call of a malloc script? */

struct import_event *import_event(struct import_summary *summary, const char *name); /* its row; made on first sight */
void import_skip(struct import_summary *summary, struct import_event *event, uint64_t line, const char *reason);
void import_skip_many(struct import_summary *summary, struct import_event *event, uint64_t count, uint64_t first_line,
                      const char *reason);
/* Says in refusal why nothing was applied, unless it says so already; empties it where something was. */
void import_summary_refuse(struct import_summary *summary);
void import_refusal_say(struct import_summary *summary); /* the same, whatever was applied: a whole trace is refused */
const char *trace_format_name(enum trace_format format);
void import_summary_encode(struct buffer *out, const struct import_summary *summary, uint64_t seq, double seconds);
