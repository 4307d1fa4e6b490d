/* server/import/import_ops.c - malloc scripts, whose blocks have numbers instead of addresses.
 *
 * ops: one call a line, with threads, options and calls of sbrk.
 * rep: the traces of the CS:APP malloc lab. Four numbers stand at the head (heap size, ids, operations, weight; in later
 * versions weight, ids, operations, bytes); ids count from 0. In the wild there are lines ended by CR LF, a blank or junk
 * last line, f -1 (free of NULL), ids that the head does not count, ids freed without having been allocated, ids that a
 * realloc allocates, and heads that count wrong: all of it is read as meant, or counted with its line. */
#include "server/import/heap_replay.h"
#include "server/import/ops_line.h"

#include <stdlib.h>
#include <string.h>

#define IDS_MAX (UINT64_C(1) << 24)
#define THREADS_MAX 256u

struct script {
    struct heap_replay replay;
    uint64_t *slots; /* address of the block with that id; 0: empty */
    uint64_t nr_slots;
};

/* The slot of an id; NULL: the error is set, or the line counted. */
static uint64_t *script_slot(struct script *s, uint64_t id, enum op_kind kind)
{
    if (id >= IDS_MAX) {
        heap_replay_skip(&s->replay, kind, "an id beyond 16777215");
        return NULL;
    }
    if (id < s->nr_slots)
        return &s->slots[id];
    uint64_t nr = 2 * id + 64;
    uint64_t *slots = realloc(s->slots, nr * sizeof *slots);
    if (!slots) {
        s->replay.error = PAGODA_ERR_NOMEM;
        return NULL;
    }
    memset(slots + s->nr_slots, 0, (nr - s->nr_slots) * sizeof *slots);
    s->slots = slots;
    s->nr_slots = nr;
    return &s->slots[id];
}

/* --- calls --- */

static void script_allocate(struct script *s, struct op *op, uint64_t id)
{
    struct op_result result;
    uint64_t *slot = script_slot(s, id, op->kind);
    if (!slot)
        return;
    if (*slot)
        heap_replay_remark(&s->replay, "(filled slot)", "an id is allocated again; its block is lost");
    if (heap_replay_apply(&s->replay, op, &result))
        *slot = result.address;
}

static void script_resize(struct script *s, uint64_t id, uint64_t size)
{
    struct op_result result;
    uint64_t *slot = script_slot(s, id, OP_REALLOC);
    if (!slot)
        return;
    struct op op = op_default(OP_REALLOC);
    op.address = *slot;
    op.size = size;
    op.given = OP_BIT(ADDRESS) | OP_BIT(SIZE);
    if (heap_replay_apply(&s->replay, &op, &result) && (result.address || !size))
        *slot = result.address;
}

static void script_release(struct script *s, uint64_t *slot)
{
    struct op_result result;
    struct op op = op_default(OP_FREE);
    op.address = *slot;
    op.given = OP_BIT(ADDRESS);
    (void)heap_replay_apply(&s->replay, &op, &result);
    *slot = 0;
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
        uint64_t *slot = script_slot(s, line->numbers[0], OP_FREE);
        if (slot)
            script_release(s, slot);
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

static bool script_run_line(struct script *s, const struct ops_line *line)
{
    if (!line->letter || (line->letter == 's' && !line->nr_numbers)) /* s: a dump of the heap, which is there to be seen */
        return true;
    if (line->letter == 'T' && line->nr_numbers == 1 && line->numbers[0] < THREADS_MAX) {
        s->replay.tid = (uint16_t)line->numbers[0];
        return true;
    }
    for (size_t i = 0; i < sizeof CALLS / sizeof CALLS[0]; i++) {
        const struct script_call *call = &CALLS[i];
        if (call->letter != line->letter)
            continue;
        if (line->nr_numbers != call->has_id + (call->first != 0) + (call->second != 0))
            return false;
        script_call_once(s, call, line);
        return true;
    }
    return false;
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
    free(script.slots);
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
    uint64_t id = line->numbers[0], null = 0;
    rep->nr_ops++;
    if (frees && id == UINT64_MAX) {
        script_release(s, &null);
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
    } else {
        uint64_t *slot = script_slot(s, id, OP_FREE);
        if (slot && *slot)
            script_release(s, slot);
        else if (slot)
            heap_replay_skip(&s->replay, OP_FREE, "frees what the trace never allocated");
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
    free(rep.script.slots);
    heap_replay_end(&rep.script.replay);
    return rep.script.replay.error;
}
