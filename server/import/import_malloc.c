/* server/import/import_malloc.c - traces of malloc calls with the pointers that the real library answered.
 *
 * malloc-log is what a recorder in the program wrote, one call a line: allocations after the call, frees before it. A
 * realloc is two lines. Other threads' lines may stand between them, and the second does not repeat the old pointer. The
 * first thread seen is the main one; the others get numbers as they come. Of a trace with one thread every pointer is
 * compared with the block's place here: its distance from the start of the heap, or that it lies elsewhere.
 *
 * mtrace is what glibc's mtrace(3) writes. It does not tell calloc and memalign from malloc, so blocks may lie elsewhere
 * than in the program. It tells who called; that is kept as the call site. */
#include "server/import/heap_replay.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* --- malloc-log --- */

/* A pointer as the log writes it: +distance from the start of the heap, @address, or 0. */
struct pointer {
    char sort;
    uint64_t value;
};
struct moving {               /* between the two lines of a realloc */
    bool is_open, has_failed; /* has_failed: the old block's allocation, here */
    uint64_t recorded, address;
};
struct malloc_log {
    struct heap_replay replay;
    uint64_t heap_start; /* recorded */
    bool is_compared;    /* one thread */
    struct moving moving[HEAP_THREADS_MAX];
};

static const struct log_call {
    const char *word;
    enum op_kind kind;
    uint32_t first, second; /* parameters; 0: none */
} LOG_CALLS[] = {
    { "malloc", OP_MALLOC, OP_BIT(SIZE), 0 },
    { "calloc", OP_CALLOC, OP_BIT(N), OP_BIT(SIZE) },
    { "memalign", OP_MEMALIGN, OP_BIT(ALIGN), OP_BIT(SIZE) },
    { "aligned_alloc", OP_ALIGNED_ALLOC, OP_BIT(ALIGN), OP_BIT(SIZE) },
    { "posix_memalign", OP_POSIX_MEMALIGN, OP_BIT(ALIGN), OP_BIT(SIZE) },
    { "valloc", OP_VALLOC, OP_BIT(SIZE), 0 },
    { "pvalloc", OP_PVALLOC, OP_BIT(SIZE), 0 },
};

static bool trace_next_decimal(struct text *line, uint64_t *number)
{
    struct text word;
    return trace_word(line, &word) && trace_decimal(word, number);
}

static bool trace_next_hex(struct text *line, uint64_t *number)
{
    struct text word;
    return trace_word(line, &word) && trace_hex(word, number);
}

static bool malloc_log_next_pointer(struct text *line, struct pointer *pointer)
{
    struct text word;
    if (!trace_word(line, &word))
        return false;
    pointer->sort = *word.start;
    if (trace_word_is(word, "0"))
        pointer->value = 0;
    else if (pointer->sort != '+' && pointer->sort != '@')
        return false;
    else
        return trace_hex((struct text){ word.start + 1, word.length - 1 }, &pointer->value);
    return true;
}

static bool malloc_log_next_result(struct text *line, struct pointer *pointer)
{
    struct text word;
    return trace_word(line, &word) && trace_word_is(word, "=") && malloc_log_next_pointer(line, pointer);
}

/* A name for the block: its recorded address. */
static uint64_t malloc_log_address(const struct malloc_log *log, struct pointer pointer)
{
    return pointer.sort == '+' ? log->heap_start + pointer.value : pointer.value;
}

static void malloc_log_compare(struct malloc_log *log, struct pointer pointer, uint64_t address)
{
    struct import_summary *summary = log->replay.summary;
    uint64_t offset = address - log->replay.heap_start;
    bool agrees = pointer.sort == '+'   ? address && offset == pointer.value
                  : pointer.sort == '@' ? address && offset % 4096 == pointer.value % 4096
                                        : !address;
    if (!log->is_compared)
        return;
    summary->blocks_compared++;
    summary->blocks_agree += agrees;
    if (agrees || summary->first_difference[0])
        return;
    summary->first_difference_line = input_line_number(log->replay.input);
    snprintf(summary->first_difference, sizeof summary->first_difference,
             "line %" PRIu64 ": the trace has %c%" PRIx64 ", here it is +%" PRIx64, summary->first_difference_line,
             pointer.sort, pointer.value, offset);
}

static void malloc_log_put_argument(struct op *op, uint32_t which, uint64_t value)
{
    uint64_t *field = which == OP_BIT(SIZE) ? &op->size : which == OP_BIT(N) ? &op->n : &op->align;
    *field = value;
    op->given |= which;
}

static bool malloc_log_read_allocation(struct malloc_log *log, const struct log_call *call, struct text line)
{
    struct op op = op_default(call->kind);
    struct op_result result;
    struct pointer pointer;
    uint64_t first, second = 0;
    if (!trace_next_decimal(&line, &first) || (call->second && !trace_next_decimal(&line, &second)) ||
        !malloc_log_next_result(&line, &pointer))
        return false;
    malloc_log_put_argument(&op, call->first, first);
    if (call->second)
        malloc_log_put_argument(&op, call->second, second);
    if (!heap_replay_apply(&log->replay, &op, &result))
        return true;
    malloc_log_compare(log, pointer, result.address);
    heap_replay_took(&log->replay, malloc_log_address(log, pointer), &result);
    return true;
}

static bool malloc_log_read_free(struct malloc_log *log, struct text line)
{
    struct pointer pointer;
    if (!malloc_log_next_pointer(&line, &pointer))
        return false;
    heap_replay_free(&log->replay, malloc_log_address(log, pointer));
    return true;
}

/* Takes the old block out of the map. */
static struct moving moving_begin(struct heap_replay *replay, uint64_t recorded)
{
    bool has_failed = heap_replay_has_failed(replay, recorded);
    return (struct moving){ true, has_failed, recorded, heap_replay_take(replay, recorded) };
}

static void moving_remark_unknown(struct heap_replay *replay, const struct moving *moving)
{
    heap_replay_remark(replay, moving->has_failed ? "(failed block)" : "(unknown block)",
                       moving->has_failed ? heap_replay_failed_reason(replay)
                                          : "realloc of what the trace never allocated; it allocates here");
}

static bool malloc_log_begin_realloc(struct malloc_log *log, struct moving *moving, struct text line)
{
    struct pointer old;
    uint64_t size;
    if (!malloc_log_next_pointer(&line, &old) || !trace_next_decimal(&line, &size))
        return false;
    if (moving->is_open)
        heap_replay_skip(&log->replay, OP_REALLOC, "a realloc whose second line is missing");
    *moving = moving_begin(&log->replay, malloc_log_address(log, old));
    return true;
}

static bool malloc_log_end_realloc(struct malloc_log *log, struct moving *moving, struct text line)
{
    struct pointer old, now;
    struct op_result result;
    uint64_t size;
    if (!malloc_log_next_pointer(&line, &old) || !trace_next_decimal(&line, &size) || !malloc_log_next_result(&line, &now))
        return false;
    uint64_t recorded = malloc_log_address(log, old);
    if (!moving->is_open || moving->recorded != recorded)
        *moving = moving_begin(&log->replay, recorded);
    if (recorded && !moving->address)
        moving_remark_unknown(&log->replay, moving);
    heap_replay_move(&log->replay, recorded, moving->address, size, malloc_log_address(log, now), &result);
    malloc_log_compare(log, now, result.address);
    moving->is_open = false;
    return true;
}

static bool malloc_log_read_line(struct malloc_log *log, struct text line)
{
    struct text call;
    uint64_t tid;
    if (!trace_next_decimal(&line, &tid) || !trace_word(&line, &call))
        return false;
    if (!heap_replay_enter_thread(&log->replay, tid))
        return true;
    struct moving *moving = &log->moving[log->replay.tid];
    if (trace_word_is(call, "free"))
        return malloc_log_read_free(log, line);
    if (trace_word_is(call, "realloc<"))
        return malloc_log_begin_realloc(log, moving, line);
    if (trace_word_is(call, "realloc>"))
        return malloc_log_end_realloc(log, moving, line);
    for (size_t i = 0; i < sizeof LOG_CALLS / sizeof LOG_CALLS[0]; i++)
        if (trace_word_is(call, LOG_CALLS[i].word))
            return malloc_log_read_allocation(log, &LOG_CALLS[i], line);
    return false;
}

/* # malloc-log 1 program <name> heap_start <hex> threads <n> events <n> */
static struct text malloc_log_read_header(struct malloc_log *log, struct text line)
{
    struct text word, name = { 0 };
    uint64_t nr_threads = 0;
    while (trace_word(&line, &word))
        if (trace_word_is(word, "program"))
            (void)trace_word(&line, &name);
        else if (trace_word_is(word, "heap_start"))
            (void)trace_next_hex(&line, &log->heap_start);
        else if (trace_word_is(word, "threads"))
            (void)trace_next_decimal(&line, &nr_threads);
    log->is_compared = nr_threads == 1;
    return name;
}

enum pagoda_error import_malloc_log(struct input *input, const char *line, size_t length, const struct import_sink *sink,
                                    struct import_summary *summary)
{
    struct malloc_log log = { 0 };
    struct text name = malloc_log_read_header(&log, (struct text){ line, (uint32_t)length });
    heap_replay_start(&log.replay, input, sink, summary, name);
    for (; !log.replay.error;) {
        if (length && *line != '#' && *line != '\r' && !malloc_log_read_line(&log, (struct text){ line, (uint32_t)length }))
            heap_replay_unreadable(&log.replay, "no call of a malloc-log");
        if (!input_next_line(input, &line, &length))
            break;
    }
    for (uint32_t i = 0; i < HEAP_THREADS_MAX; i++)
        if (log.moving[i].is_open)
            heap_replay_skip(&log.replay, OP_REALLOC, "a realloc whose second line is missing");
    heap_replay_end(&log.replay);
    return log.replay.error;
}

/* --- mtrace --- */

struct mtrace {
    struct heap_replay replay;
    struct moving moving;
    struct text call_site;
};

static void mtrace_allocate(struct mtrace *trace, uint64_t pointer, uint64_t size)
{
    struct op op = op_default(OP_MALLOC);
    struct op_result result;
    op.size = size;
    op.given = OP_BIT(SIZE);
    if (trace->call_site.length) {
        op.call_site = trace->call_site;
        op.given |= OP_BIT(CALL_SITE);
    }
    if (heap_replay_apply(&trace->replay, &op, &result))
        heap_replay_took(&trace->replay, pointer, &result);
}

static void mtrace_move(struct mtrace *trace, uint64_t pointer, uint64_t size)
{
    struct moving moving = trace->moving;
    struct op_result result;
    trace->moving.is_open = false;
    if (!moving.is_open || !moving.address)
        moving_remark_unknown(&trace->replay, &moving);
    heap_replay_move(&trace->replay, moving.recorded, moving.is_open ? moving.address : 0, size, pointer, &result);
}

/* The caller, object:(function+offset)[address], without the address: what fits a call site. */
static struct text mtrace_call_site(struct text call_site)
{
    const char *bracket = memchr(call_site.start, '[', call_site.length);
    if (bracket && bracket != call_site.start && bracket[-1] == ')')
        call_site.length = (uint32_t)(bracket - call_site.start);
    uint32_t cut = call_site.length > 63 ? call_site.length - 63 : 0; /* the end tells more than the path it begins with */
    return (struct text){ call_site.start + cut, call_site.length - cut };
}

/* To the bracket that closes its address: paths may have blanks in them. */
static bool mtrace_next_caller(struct text *line, struct text *caller)
{
    const char *close = NULL, *at = line->start, *end = line->start + line->length;
    for (; (at = memchr(at, ']', (size_t)(end - at))) != NULL; at++)
        close = at + 1 < end && at[1] == ' ' ? at : close;
    if (!trace_word(line, caller))
        return false;
    const char *stop = caller->start + caller->length;
    if (close && close >= stop) {
        caller->length += (uint32_t)(close + 1 - stop);
        line->start = close + 1;
        line->length = (uint32_t)(end - line->start);
    }
    return true;
}

static bool mtrace_read_line(struct mtrace *trace, struct text line)
{
    struct text word;
    uint64_t pointer, size = 0;
    trace->call_site = (struct text){ 0 };
    if (!trace_word(&line, &word))
        return true;
    if (trace_word_is(word, "=")) /* = Start, = End */
        return true;
    bool is_marked = trace_word_is(word, "@"); /* old libraries, and the manual's example, leave the mark out */
    if (!is_marked && *word.start == '[') {
        bool is_closed = word.start[word.length - 1] == ']';
        trace->call_site = mtrace_call_site((struct text){ word.start + 1, word.length - 1 - is_closed });
        if (!trace_word(&line, &word))
            return false;
    }
    if (is_marked) {
        if (!mtrace_next_caller(&line, &word))
            return false;
        trace->call_site = mtrace_call_site(word);
        if (!trace_word(&line, &word))
            return false;
    }
    char what = word.length == 1 ? *word.start : 0;
    bool has_size = what == '+' || what == '>' || what == '!';
    if (!what || !strchr("+-<>!", what) || !trace_next_hex(&line, &pointer) || (has_size && !trace_next_hex(&line, &size)))
        return false;
    if (trace->moving.is_open && what != '>') {
        heap_replay_skip(&trace->replay, OP_REALLOC, "a realloc whose second line is missing");
        trace->moving.is_open = false;
    }
    if (what == '+')
        mtrace_allocate(trace, pointer, size);
    else if (what == '-')
        heap_replay_free(&trace->replay, pointer);
    else if (what == '<')
        trace->moving = moving_begin(&trace->replay, pointer);
    else if (what == '>')
        mtrace_move(trace, pointer, size);
    else
        heap_replay_skip(&trace->replay, OP_REALLOC, "a realloc that failed in the program");
    return true;
}

enum pagoda_error import_mtrace(struct input *input, const char *line, size_t length, const struct import_sink *sink,
                                struct import_summary *summary)
{
    struct mtrace trace = { 0 };
    static const char NAME[] = "mtrace";
    heap_replay_start(&trace.replay, input, sink, summary, (struct text){ NAME, sizeof NAME - 1 });
    while (!trace.replay.error) {
        if (!mtrace_read_line(&trace, (struct text){ line, (uint32_t)length }))
            heap_replay_unreadable(&trace.replay, "no event of mtrace");
        if (!input_next_line(input, &line, &length))
            break;
    }
    if (trace.moving.is_open)
        heap_replay_skip(&trace.replay, OP_REALLOC, "a realloc whose second line is missing");
    heap_replay_end(&trace.replay);
    return trace.replay.error;
}
