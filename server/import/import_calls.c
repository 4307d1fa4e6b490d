/* server/import/import_calls.c - traces of malloc calls as ltrace, preloaded tracers, valgrind and LTTng print them
 * (call_line.c). A call that another thread interrupts has two lines; what it was waits for its thread's second one. */
#include "server/import/call_line.h"
#include "server/import/heap_replay.h"

struct unfinished {
    bool is_open;
    struct call_line call;
};
struct calls {
    struct heap_replay replay;
    struct unfinished unfinished[HEAP_THREADS_MAX];
};

#define MISSING "a call whose second line is missing"

static struct op calls_make_op(const struct call_line *call)
{
    struct op op = op_default(call->kind);
    uint64_t first = call->arguments[0], second = call->arguments[1];
    switch (call->kind) {
    case OP_CALLOC:
        op.n = first;
        op.size = second;
        op.given = OP_BIT(N) | OP_BIT(SIZE);
        break;
    case OP_MEMALIGN:
    case OP_ALIGNED_ALLOC:
    case OP_POSIX_MEMALIGN:
        op.align = first;
        op.size = second;
        op.given = OP_BIT(ALIGN) | OP_BIT(SIZE);
        break;
    default:
        op.size = first;
        op.given = OP_BIT(SIZE);
    }
    return op;
}

static void calls_move(struct heap_replay *replay, const struct call_line *call)
{
    uint64_t old = call->arguments[0];
    struct op_result result;
    if (!call->pointer && call->arguments[1])
        return heap_replay_skip(replay, OP_REALLOC, "failed in the recording too");
    bool has_failed = heap_replay_has_failed(replay, old);
    uint64_t address = heap_replay_take(replay, old);
    if (old && !address)
        heap_replay_remark(replay, has_failed ? "(failed block)" : "(unknown block)",
                           has_failed ? heap_replay_failed_reason(replay)
                                      : "realloc of what the trace never allocated; it allocates here");
    heap_replay_move(replay, old, address, call->arguments[1], call->pointer, &result);
}

static void calls_allocate(struct heap_replay *replay, const struct call_line *call)
{
    struct op op = calls_make_op(call);
    struct op_result result;
    if (call->has_pointer && !call->pointer)
        return heap_replay_skip(replay, call->kind, "failed in the recording too");
    if (!call->has_pointer)
        heap_replay_remark(replay, "(pointer not told)", "its block is never freed here");
    if (heap_replay_apply(replay, &op, &result))
        heap_replay_took(replay, call->pointer, &result);
}

static void calls_run(struct heap_replay *replay, const struct call_line *call)
{
    if (call->kind == OP_FREE)
        heap_replay_free(replay, call->arguments[0]);
    else if (call->kind == OP_REALLOC)
        calls_move(replay, call);
    else
        calls_allocate(replay, call);
}

/* A free frees where it begins: the block may be handed out again before its second line. */
static void calls_begin(struct calls *calls, struct unfinished *unfinished, const struct call_line *call)
{
    if (unfinished->is_open)
        heap_replay_skip(&calls->replay, unfinished->call.kind, MISSING);
    *unfinished = (struct unfinished){ true, *call };
    if (call->kind == OP_FREE)
        calls_run(&calls->replay, call);
}

static void calls_end(struct calls *calls, struct unfinished *unfinished, const struct call_line *result)
{
    struct call_line call = unfinished->call;
    if (!unfinished->is_open || call.kind != result->kind)
        return heap_replay_skip(&calls->replay, result->kind, "a call whose first line is missing");
    unfinished->is_open = false;
    call.pointer = result->pointer;
    call.has_pointer = result->has_pointer;
    if (call.kind != OP_FREE)
        calls_run(&calls->replay, &call);
}

static void calls_read_line(struct calls *calls, const char *line, size_t length)
{
    struct call_line call;
    enum call_line_kind kind = call_line_parse(line, length, &call);
    bool is_call = kind == CALL_MADE || kind == CALL_UNFINISHED || kind == CALL_RESUMED;
    if (is_call && !heap_replay_enter_thread(&calls->replay, call.thread))
        return;
    struct unfinished *unfinished = &calls->unfinished[calls->replay.tid];
    switch (kind) {
    case CALL_MADE:
        return calls_run(&calls->replay, &call);
    case CALL_UNFINISHED:
        return calls_begin(calls, unfinished, &call);
    case CALL_RESUMED:
        return calls_end(calls, unfinished, &call);
    case CALL_OTHER:
        return heap_replay_remark(&calls->replay, "(other call)", "not a call of malloc and its kind");
    case CALL_BROKEN:
        return heap_replay_unreadable(&calls->replay, "a call whose arguments or result cannot be read");
    case CALL_NONE:
        return heap_replay_unreadable(&calls->replay, "no line of a trace of calls");
    case CALL_REMARK:
        return;
    }
}

enum pagoda_error import_calls(struct input *input, const char *line, size_t length, const struct import_sink *sink,
                               struct import_summary *summary)
{
    struct calls calls = { 0 };
    static const char NAME[] = "ltrace";
    heap_replay_start(&calls.replay, input, sink, summary, (struct text){ NAME, sizeof NAME - 1 });
    while (!calls.replay.error) {
        calls_read_line(&calls, line, length);
        if (!input_next_line(input, &line, &length))
            break;
    }
    for (uint32_t i = 0; i < HEAP_THREADS_MAX; i++)
        if (calls.unfinished[i].is_open && calls.unfinished[i].call.kind != OP_FREE)
            heap_replay_skip(&calls.replay, calls.unfinished[i].call.kind, MISSING);
    heap_replay_end(&calls.replay);
    return calls.replay.error;
}
