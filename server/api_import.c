/* server/api_import.c - POST /labs/{lab}/import: a recorded trace into a lab.
 *
 * Runs on a worker. The lab is taken for a few hundred operations at a time, so that others come in between; the log is
 * committed as it goes, and when it lags more than a window behind, the import waits for it. */
#include "server/api.h"
#include "server/import.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#define OPS_PER_TURN 512u
#define OPS_PER_WINDOW 10000u

struct lab_sink {
    struct lab *lab;
    bool is_locked;
    uint32_t nr_in_turn, nr_in_window;
    uint64_t ticket, window_ticket;
};

static void end_turn(struct lab_sink *sink)
{
    if (!sink->is_locked)
        return;
    machine_record_events(atomic_load(&sink->lab->machine), true);
    lab_unlock(sink->lab);
    sink->is_locked = false;
}

static enum pagoda_error begin_turn(struct lab_sink *sink)
{
    enum pagoda_error error = lab_lock(sink->lab);
    if (error)
        return error;
    machine_record_events(atomic_load(&sink->lab->machine), false);
    sink->is_locked = true;
    sink->nr_in_turn = 0;
    return PAGODA_OK;
}

/* At most two windows of operations wait in memory for the log. */
static enum pagoda_error pace(struct lab_sink *sink)
{
    enum pagoda_error error = PAGODA_OK;
    if (++sink->nr_in_turn >= OPS_PER_TURN)
        end_turn(sink);
    if (++sink->nr_in_window < OPS_PER_WINDOW)
        return PAGODA_OK;
    end_turn(sink);
    if (sink->window_ticket)
        error = store_wait(sink->lab->labs->store, sink->window_ticket);
    sink->window_ticket = sink->ticket;
    sink->nr_in_window = 0;
    return error;
}

/* The result's pointers die with the lock; importers look at its numbers only. */
static enum pagoda_error apply(void *context, const struct op *op, struct op_result *result, struct problem *why)
{
    struct lab_sink *sink = context;
    enum pagoda_error error = sink->is_locked ? PAGODA_OK : begin_turn(sink);
    if (!error)
        error = lab_apply(sink->lab, op, NULL, 0, result, &sink->ticket, why);
    return error ? error : pace(sink);
}

static const struct machine *look(void *context)
{
    struct lab_sink *sink = context;
    return sink->is_locked || !begin_turn(sink) ? atomic_load(&sink->lab->machine) : NULL;
}

static double now_s(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static struct reply import_into(struct lab *lab, struct input *input, enum trace_format format)
{
    struct import_summary *summary = calloc(1, sizeof *summary);
    struct lab_sink lab_sink = { .lab = lab };
    const struct import_sink sink = { apply, look, &lab_sink, lab->row.config.cpus ? lab->row.config.cpus : 1 };
    double start = now_s();
    enum pagoda_error error = summary ? import_run(input, format, &sink, summary) : PAGODA_ERR_NOMEM;
    end_turn(&lab_sink);
    struct buffer out = { 0 };
    if (!error)
        import_summary_encode(&out, summary, lab_seq(lab), now_s() - start);
    bool has_applied = summary && summary->nr_applied;
    char problem[200] = "";
    if (!error && !has_applied && summary->problem[0])
        memcpy(problem, summary->problem, sizeof summary->problem);
    free(summary);
    if (!error && has_applied) {
        struct reply reply = reply_json(200, out);
        reply.ticket = lab_sink.ticket;
        return reply;
    }
    buffer_clear(&out);
    if (error)
        return reply_error(error, NULL);
    return reply_say(422, "", "nothing in the body could be applied%s%s", problem[0] ? ": " : "", problem);
}

struct reply import_post(struct app *app, struct request *request)
{
    (void)app;
    enum trace_format format = FORMAT_AUTO;
    const char *name = query_text(request, "format");
    if (name && !trace_format_find(name, &format))
        return reply_say(422, "format", "format must be auto, ndjson or ftrace");
    struct memory_source memory = { .bytes = request->body.data, .nr_bytes = request->body.length };
    struct input *input = input_open(source_of_memory(&memory));
    if (!input)
        return reply_error(PAGODA_ERR_NOMEM, NULL);
    struct reply reply = import_into(request->lab, input, format);
    input_close(input);
    return reply;
}
