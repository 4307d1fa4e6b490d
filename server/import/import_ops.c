/* server/import/import_ops.c - malloc scripts, whose blocks have numbers instead of addresses.
 *
 * ops: one call a line, with threads, options and calls of sbrk.
 * rep: the traces of the CS:APP malloc lab. Four numbers stand at the head (heap size, ids, operations, weight; in later
 * versions weight, ids, operations, bytes); ids count from 0. In the wild there are lines ended by CR LF, a blank or junk
 * last line, f -1 (free of NULL), ids that the head does not count, ids freed without having been allocated, ids that a
 * realloc allocates, and heads that count wrong: all of it is read as meant, or counted with its line. */
#include "server/import/heap_replay.h"
#include "server/import/ops_line.h"

#define IDS_MAX (UINT64_C(1) << 24)
#define THREADS_MAX 256u

/* Its blocks (replay.blocks) are found by id + 1. So memory goes by the blocks that are there, not by the largest id. */
struct script {
    struct heap_replay replay;
};

/* False: no id; the line has been counted. */
static bool script_takes_id(struct script *s, uint64_t id, enum op_kind kind)
{
    if (id >= IDS_MAX)
        heap_replay_skip(&s->replay, kind, "an id beyond 16777215");
    return id < IDS_MAX;
}

/* --- calls --- */

static uint64_t script_block(const struct script *s, uint64_t id)
{
    const struct address_entry *entry = address_map_find(&s->replay.blocks, id + 1);
    return entry ? entry->address : 0;
}

/* address: 0: the id has no block any more. */
static void script_set_block(struct script *s, uint64_t id, uint64_t address)
{
    if (!address)
        (void)heap_replay_take(&s->replay, id + 1);
    else if (!address_map_put(&s->replay.blocks, (struct address_entry){ id + 1, address, 0 }))
        s->replay.error = PAGODA_ERR_NOMEM;
}

static void script_allocate(struct script *s, struct op *op, uint64_t id)
{
    struct op_result result;
    if (!script_takes_id(s, id, op->kind))
        return;
    if (script_block(s, id))
        heap_replay_remark(&s->replay, "(filled slot)", "an id is allocated again; its block is lost");
    if (!heap_replay_apply(&s->replay, op, &result))
        return;
    if (result.address)
        script_set_block(s, id, result.address);
    else
        heap_replay_fail(&s->replay, id + 1);
}

static void script_resize(struct script *s, uint64_t id, uint64_t size)
{
    struct op_result result;
    if (!script_takes_id(s, id, OP_REALLOC))
        return;
    struct op op = op_default(OP_REALLOC);
    op.address = script_block(s, id);
    op.size = size;
    op.given = OP_BIT(ADDRESS) | OP_BIT(SIZE);
    if (!heap_replay_apply(&s->replay, &op, &result))
        return;
    if (result.address || !size)
        script_set_block(s, id, result.address);
    else if (!op.address)
        heap_replay_fail(&s->replay, id + 1);
}

/* address: of the block, which may be NULL. */
static void script_release(struct script *s, uint64_t address)
{
    struct op_result result;
    struct op op = op_default(OP_FREE);
    op.address = address;
    op.given = OP_BIT(ADDRESS);
    (void)heap_replay_apply(&s->replay, &op, &result);
}

/* --- ops --- */

/* letter, whether an id leads, kind, the parameters that its numbers are; a leading id is not counted. */
static const struct script_call {
    char letter;
    bool has_id;
    enum op_kind kind;
    uint32_t first, second; /* 0: none */
} CALLS[] = {
    { 'a', true, OP_MALLOC, OP_BIT(SIZE), 0 },
    { 'c', true, OP_CALLOC, OP_BIT(N), OP_BIT(SIZE) },
    { 'r', true, OP_REALLOC, OP_BIT(SIZE), 0 },
    { 'm', true, OP_MEMALIGN, OP_BIT(ALIGN), OP_BIT(SIZE) },
    { 'g', true, OP_POSIX_MEMALIGN, OP_BIT(ALIGN), OP_BIT(SIZE) },
    { 'v', true, OP_VALLOC, OP_BIT(SIZE), 0 },
    { 'p', true, OP_PVALLOC, OP_BIT(SIZE), 0 },
    { 'f', true, OP_FREE, 0, 0 },
    { 't', false, OP_MALLOC_TRIM, OP_BIT(PAD), 0 },
    { 'o', false, OP_MALLOPT, OP_BIT(OPTION), OP_BIT(VALUE) },
    { 'k', false, OP_SBRK, OP_BIT(INCREMENT), 0 },
    { 'X', false, OP_THREAD_EXIT, OP_BIT(TID), 0 },
};

/* glibc's numbers of mallopt's options. */
static bool script_find_mallopt(int64_t number, uint8_t *option)
{
    static const int64_t NUMBERS[NR_MALLOPT_OPTIONS] = { 1, -1, -2, -3, -4, -6, -7, -8 };
    for (unsigned i = 0; i < NR_MALLOPT_OPTIONS; i++)
        if (NUMBERS[i] == number) {
            *option = (uint8_t)i;
            return true;
        }
    return false;
}

static bool script_put_number(struct op *op, uint32_t which, uint64_t number)
{
    op->given |= which;
    switch (which) {
    case OP_BIT(SIZE):
        op->size = number;
        return true;
    case OP_BIT(N):
        op->n = number;
        return true;
    case OP_BIT(ALIGN):
        op->align = number;
        return true;
    case OP_BIT(PAD):
        op->pad = number;
        return true;
    case OP_BIT(INCREMENT):
        op->increment = (int64_t)number;
        return true;
    case OP_BIT(VALUE):
        op->value = (int32_t)number;
        return true;
    case OP_BIT(TID):
        op->tid = (uint16_t)number;
        return number < THREADS_MAX;
    default:
        return script_find_mallopt((int64_t)number, &op->option);
    }
}

static void script_call_once(struct script *s, const struct script_call *call, const struct ops_line *line)
{
    struct op op = op_default(call->kind);
    struct op_result result;
    const uint64_t *numbers = line->numbers + call->has_id;
    if ((call->first && !script_put_number(&op, call->first, numbers[0])) ||
        (call->second && !script_put_number(&op, call->second, numbers[1]))) {
        heap_replay_skip(&s->replay, call->kind, "a number that the call does not take");
    } else if (call->kind == OP_FREE) {
        if (script_takes_id(s, line->numbers[0], OP_FREE))
            script_release(s, heap_replay_take(&s->replay, line->numbers[0] + 1));
    } else if (call->kind == OP_REALLOC) {
        script_resize(s, line->numbers[0], op.size);
    } else if (call->has_id) {
        script_allocate(s, &op, line->numbers[0]);
    } else {
        (void)heap_replay_apply(&s->replay, &op, &result);
        if (call->kind == OP_THREAD_EXIT && s->replay.tid == op.tid)
            s->replay.tid = 0;
    }
}

static const struct script_call *script_find_call(const struct ops_line *line)
{
    for (size_t i = 0; i < sizeof CALLS / sizeof CALLS[0]; i++) {
        const struct script_call *call = &CALLS[i];
        if (call->letter == line->letter)
            return line->nr_numbers == call->has_id + (call->first != 0) + (call->second != 0) ? call : NULL;
    }
    return NULL;
}

/* s: a dump of the heap, which is there to be seen */
static bool script_is_dump(const struct ops_line *line)
{
    return line->letter == 's' && !line->nr_numbers;
}

static bool script_is_thread(const struct ops_line *line)
{
    return line->letter == 'T' && line->nr_numbers == 1 && line->numbers[0] < THREADS_MAX;
}

bool import_ops_knows(const struct ops_line *line)
{
    return script_is_dump(line) || script_is_thread(line) || script_find_call(line);
}

static bool script_run_line(struct script *s, const struct ops_line *line)
{
    if (!line->letter || script_is_dump(line))
        return true;
    if (script_is_thread(line)) {
        s->replay.tid = (uint16_t)line->numbers[0];
        return true;
    }
    const struct script_call *call = script_find_call(line);
    if (call)
        script_call_once(s, call, line);
    return call != NULL;
}

enum pagoda_error import_ops(struct input *input, const char *line, size_t length, const struct import_sink *sink,
                             struct import_summary *summary)
{
    struct script script = { 0 };
    static const char NAME[] = "ops";
    heap_replay_start(&script.replay, input, sink, summary, (struct text){ NAME, sizeof NAME - 1 });
    while (!script.replay.error) {
        struct ops_line parsed;
        if (!ops_line_read(line, length, &parsed) || !script_run_line(&script, &parsed))
            heap_replay_unreadable(&script.replay, "no line of a malloc script");
        if (!input_next_line(input, &line, &length))
            break;
    }
    heap_replay_end(&script.replay);
    return script.replay.error;
}

/* --- rep --- */

struct rep {
    struct script script;
    uint64_t head[4];
    uint32_t nr_head;
    uint64_t nr_ops;
};

static bool rep_is_head(const char *line, size_t length, uint64_t *number)
{
    struct text text = { line, (uint32_t)length }, word;
    return trace_word(&text, &word) && trace_decimal(word, number) && !trace_word(&text, &word);
}

static bool rep_run_line(struct rep *rep, const struct ops_line *line)
{
    struct script *s = &rep->script;
    bool frees = line->letter == 'f' && line->nr_numbers == 1;
    if (!frees && ((line->letter != 'a' && line->letter != 'r') || line->nr_numbers != 2))
        return false;
    uint64_t id = line->numbers[0];
    rep->nr_ops++;
    if (frees && id == UINT64_MAX) {
        script_release(s, 0);
        return true;
    }
    if (rep->nr_head > 1 && id >= rep->head[1])
        heap_replay_remark(&s->replay, "(head)", "an id that the head does not count");
    if (!frees && line->letter == 'r') {
        script_resize(s, id, line->numbers[1]);
    } else if (!frees) {
        struct op op = op_default(OP_MALLOC);
        op.size = line->numbers[1];
        op.given = OP_BIT(SIZE);
        script_allocate(s, &op, id);
    } else if (script_takes_id(s, id, OP_FREE)) {
        heap_replay_free(&s->replay, id + 1);
    }
    return true;
}

enum pagoda_error import_rep(struct input *input, const char *line, size_t length, const struct import_sink *sink,
                             struct import_summary *summary)
{
    struct rep rep = { 0 };
    static const char NAME[] = "rep";
    heap_replay_start(&rep.script.replay, input, sink, summary, (struct text){ NAME, sizeof NAME - 1 });
    while (!rep.script.replay.error) {
        struct ops_line parsed;
        if (rep.nr_head < 4 && !rep.nr_ops && rep_is_head(line, length, &rep.head[rep.nr_head]))
            rep.nr_head++;
        else if (!ops_line_read(line, length, &parsed) || (parsed.letter && !rep_run_line(&rep, &parsed)))
            heap_replay_unreadable(&rep.script.replay, "no line of a malloc-lab trace");
        if (!input_next_line(input, &line, &length))
            break;
    }
    if (rep.nr_head < 4)
        heap_replay_remark(&rep.script.replay, "(head)", "the head has less than four numbers");
    else if (rep.nr_ops != rep.head[2])
        heap_replay_remark(&rep.script.replay, "(head)", "the head counts another number of operations");
    heap_replay_end(&rep.script.replay);
    return rep.script.replay.error;
}
