/* server/import/heap_replay.c - see heap_replay.h. Traces have gaps: what they free without having it allocated is skipped;
 * what they hand out twice is freed in between. */
#include "server/import/heap_replay.h"
#include "server/base/number.h"
#include "pagoda/view.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* --- words of a line --- */

static bool trace_is_blank(char letter)
{
    return letter == ' ' || letter == '\t' || letter == '\r';
}

bool trace_word(struct text *line, struct text *word)
{
    while (line->length && trace_is_blank(*line->start)) {
        line->start++;
        line->length--;
    }
    *word = (struct text){ line->start, 0 };
    while (word->length < line->length && !trace_is_blank(line->start[word->length]))
        word->length++;
    line->start += word->length;
    line->length -= word->length;
    return word->length != 0;
}

bool trace_decimal(struct text word, uint64_t *number)
{
    return number_has_0x(word.start, word.length) ? number_parse_hex(word.start, word.length, number)
                                                  : number_parse(word.start, word.length, number);
}

bool trace_hex(struct text word, uint64_t *number)
{
    return number_parse_hex(word.start, word.length, number);
}

bool trace_word_is(struct text word, const char *text)
{
    return strlen(text) == word.length && memcmp(text, word.start, word.length) == 0;
}

/* --- counting --- */

static struct import_event *heap_replay_row(struct heap_replay *r, enum op_kind kind)
{
    if (!r->rows[kind])
        r->rows[kind] = import_event(r->summary, op_info(kind)->name);
    return r->rows[kind];
}

void heap_replay_skip(struct heap_replay *r, enum op_kind kind, const char *reason)
{
    struct import_event *event = heap_replay_row(r, kind);
    event->read++;
    r->summary->events_read++;
    import_skip(r->summary, event, input_line_number(r->input), reason);
}

void heap_replay_remark(struct heap_replay *r, const char *what, const char *reason)
{
    struct import_event *event = import_event(r->summary, what);
    event->read++;
    import_skip(r->summary, event, input_line_number(r->input), reason);
}

void heap_replay_unreadable(struct heap_replay *r, const char *reason)
{
    r->summary->failed++;
    heap_replay_remark(r, "(unreadable line)", reason);
}

/* --- calls --- */

/* The process is made when the first call comes: a trace without any leaves the lab as it was. */
static bool heap_replay_make_process(struct heap_replay *r)
{
    struct op op = op_default(OP_SPAWN);
    struct op_result result = { 0 };
    struct problem why = { 0 };
    if (r->pid)
        return true;
    if (r->nr_name) {
        op.name = (struct text){ r->name, r->nr_name };
        op.given |= OP_BIT(NAME);
    }
    r->error = r->sink->apply(r->sink->context, &op, &result, &why);
    if (r->error)
        return false;
    r->summary->operations++;
    r->summary->outcomes[result.outcome]++;
    r->summary->pid = r->pid = result.pid;
    const struct machine *machine = r->sink->look ? r->sink->look(r->sink->context) : NULL;
    struct process_view process;
    for (uint64_t cursor = 0; machine && view_next_process(machine, &cursor, &process);)
        if (process.pid == r->pid)
            r->heap_start = process.heap_start;
    return true;
}

bool heap_replay_apply(struct heap_replay *r, struct op *op, struct op_result *result)
{
    struct problem why = { 0 };
    if (!heap_replay_make_process(r))
        return false;
    struct import_event *event = heap_replay_row(r, op->kind);
    op->pid = r->pid;
    op->given |= OP_BIT(PID);
    if (r->tid && (op_info(op->kind)->further & OP_BIT(TID))) {
        op->tid = r->tid;
        op->given |= OP_BIT(TID);
    }
    event->read++;
    r->summary->events_read++;
    *result = (struct op_result){ 0 };
    enum pagoda_error error = r->sink->apply(r->sink->context, op, result, &why);
    if (error == PAGODA_ERR_INVALID) {
        import_skip(r->summary, event, input_line_number(r->input), why.text);
        return false;
    }
    if (error) {
        r->error = error;
        return false;
    }
    event->applied++;
    r->summary->applied++;
    r->summary->operations++;
    r->summary->outcomes[result->outcome]++;
    return true;
}

void heap_replay_start(struct heap_replay *r, struct input *input, const struct import_sink *sink,
                       struct import_summary *summary, struct text name)
{
    *r = (struct heap_replay){ .input = input, .sink = sink, .summary = summary };
    r->nr_name = name.length < sizeof r->name ? name.length : (uint32_t)sizeof r->name;
    if (r->nr_name)
        memcpy(r->name, name.start, r->nr_name);
}

void heap_replay_end(struct heap_replay *r)
{
    address_map_clear(&r->blocks);
}

bool heap_replay_enter_thread(struct heap_replay *r, uint64_t tid)
{
    uint32_t i = 0;
    while (i < r->nr_tids && r->tids[i] != tid)
        i++;
    if (i == HEAP_THREADS_MAX) {
        heap_replay_remark(r, "(thread)", "more threads than a process has here");
        return false;
    }
    if (i == r->nr_tids)
        r->tids[r->nr_tids++] = tid;
    r->tid = (uint16_t)i;
    return true;
}

/* --- blocks --- */

static void heap_replay_free_address(struct heap_replay *r, uint64_t address)
{
    struct op op = op_default(OP_FREE);
    struct op_result result;
    op.address = address;
    op.given = OP_BIT(ADDRESS);
    (void)heap_replay_apply(r, &op, &result);
}

bool heap_replay_has_failed(const struct heap_replay *r, uint64_t recorded)
{
    const struct address_entry *entry = recorded ? address_map_find(&r->blocks, recorded) : NULL;
    return entry && !entry->address;
}

void heap_replay_fail(struct heap_replay *r, uint64_t recorded)
{
    if (recorded && !address_map_put(&r->blocks, (struct address_entry){ recorded, 0, 0 }))
        r->error = PAGODA_ERR_NOMEM;
}

const char *heap_replay_failed_reason(struct heap_replay *r)
{
    const struct machine *machine = r->sink->look ? r->sink->look(r->sink->context) : NULL;
    if (machine && !r->failed_reason[0])
        snprintf(r->failed_reason, sizeof r->failed_reason,
                 "its allocation failed in the machine of %" PRIu64 " MiB: give it more memory (--memory)",
                 machine_config(machine)->memory >> 20);
    return machine ? r->failed_reason : "its allocation failed in the machine: give it more memory (--memory)";
}

void heap_replay_took(struct heap_replay *r, uint64_t recorded, const struct op_result *result)
{
    if (!result->address)
        return heap_replay_fail(r, recorded);
    if (!recorded)
        return;
    struct address_entry *old = address_map_find(&r->blocks, recorded);
    uint64_t lost = old ? old->address : 0;
    if (!address_map_put(&r->blocks, (struct address_entry){ recorded, result->address, 0 }))
        r->error = PAGODA_ERR_NOMEM;
    if (lost) {
        heap_replay_remark(r, "(missing free)", "a block is handed out again; it is freed before that");
        heap_replay_free_address(r, lost);
    }
}

uint64_t heap_replay_take(struct heap_replay *r, uint64_t recorded)
{
    struct address_entry *entry = recorded ? address_map_find(&r->blocks, recorded) : NULL;
    uint64_t address = entry ? entry->address : 0;
    if (entry)
        address_map_remove(&r->blocks, entry);
    return address;
}

void heap_replay_free(struct heap_replay *r, uint64_t recorded)
{
    bool has_failed = heap_replay_has_failed(r, recorded);
    uint64_t address = heap_replay_take(r, recorded);
    if (has_failed)
        heap_replay_skip(r, OP_FREE, heap_replay_failed_reason(r));
    else if (recorded && !address)
        heap_replay_skip(r, OP_FREE, "frees what the trace never allocated");
    else
        heap_replay_free_address(r, address);
}

void heap_replay_move(struct heap_replay *r, uint64_t old_recorded, uint64_t old, uint64_t size, uint64_t recorded,
                      struct op_result *result)
{
    struct op op = op_default(OP_REALLOC);
    op.address = old;
    op.size = size;
    op.given = OP_BIT(ADDRESS) | OP_BIT(SIZE);
    bool done = heap_replay_apply(r, &op, result);
    if (done && result->address)
        heap_replay_took(r, recorded ? recorded : old_recorded, result);
    else if (old && (size || !done)) /* it failed here: the old block is still there */
        heap_replay_took(r, recorded ? recorded : old_recorded, &(const struct op_result){ .address = old });
    else if (size)
        heap_replay_fail(r, recorded);
}
