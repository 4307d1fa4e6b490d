/* server/api/import_lab.c - see import_lab.h. The log is committed as an import goes; when it lags more than a window
 * behind, the import waits for it, so that what is not yet on disk stays bounded. */
#include "server/api/import_lab.h"
#include "server/api/idempotency.h"
#include "server/api/import_spool.h"
#include "server/api/sse.h"
#include "server/base/clock.h"
#include "server/base/guard.h"
#include "server/base/host_memory.h"

#include <stdio.h>

#define OPS_BETWEEN_LOOKS 512u /* of a rehearsal */
#define OPS_PER_WINDOW 1000u   /* a commit holds at most two: others wait for it */
#define TELL_EVERY_S 0.25
#define REHEARSALS_MAX 3 /* before giving up on a lab that others keep changing */

struct lab_sink {
    struct import_run *run;
    struct lab *lab;
    struct lab_hold hold;
    bool has_lab;
    uint64_t turn_ends_ns;
    struct lab_import *whole; /* all or nothing: instead of turns of the lab */
    uint32_t nr_in_window;
    uint64_t window_ticket;
    uint32_t nr_losses; /* of the lab's log, in the last turn */
    double told_s;
};

/* ---- the list of runs ---- */

void import_run_begin(struct import_run *run)
{
    run->started_s = clock_s();
    pthread_mutex_lock(&run->app->imports_mutex);
    run->next = run->app->imports;
    run->app->imports = run;
    pthread_mutex_unlock(&run->app->imports_mutex);
}

void import_run_end(struct import_run *run)
{
    pthread_mutex_lock(&run->app->imports_mutex);
    struct import_run **at = &run->app->imports;
    while (*at != run)
        at = &(*at)->next;
    *at = run->next;
    pthread_mutex_unlock(&run->app->imports_mutex);
}

/* ---- turns ---- */

/* For GET /import. Called before others see the lab: what they see there has been told here. */
static void import_note_progress(struct import_run *run)
{
    atomic_store(&run->nr_bytes_told, upload_nr_bytes(run->upload));
    atomic_store(&run->nr_ops_told, run->nr_ops);
}

static void import_tell(struct lab_sink *sink)
{
    struct import_run *run = sink->run;
    char news[160];
    import_note_progress(run);
    if (clock_s() - sink->told_s < TELL_EVERY_S)
        return;
    sink->told_s = clock_s();
    snprintf(news, sizeof news, "event: import\ndata: {\"running\":true,\"bytes\":%llu,\"operations\":%llu}\n\n",
             (unsigned long long)atomic_load(&run->nr_bytes_told), (unsigned long long)run->nr_ops);
    sse_tell(run->app, run->lab, news);
}

static void import_end_turn(struct lab_sink *sink)
{
    if (!sink->has_lab)
        return;
    import_note_progress(sink->run);
    machine_record_events(sink->hold.machine, true);
    lab_release(&sink->hold);
    sink->has_lab = false;
}

static enum pagoda_error import_begin_turn(struct lab_sink *sink)
{
    enum pagoda_error error = lab_take(sink->lab, &sink->hold);
    if (error)
        return error;
    uint32_t nr_losses = lab_nr_losses(sink->lab);
    if (nr_losses != sink->nr_losses && sink->run->ticket)
        error = store_wait(sink->run->app->store, sink->run->ticket);
    sink->nr_losses = nr_losses;
    if (error) { /* what came before this turn is gone: it must not go on behind a gap */
        lab_release(&sink->hold);
        return error;
    }
    machine_record_events(sink->hold.machine, false);
    sink->turn_ends_ns = clock_ns() + TURN_NS;
    sink->has_lab = true;
    return PAGODA_OK;
}

/* At most two windows of operations wait in memory for the log. */
static enum pagoda_error import_pace(struct lab_sink *sink)
{
    enum pagoda_error error = PAGODA_OK;
    if (clock_ns() >= sink->turn_ends_ns) {
        import_end_turn(sink);
        import_tell(sink);
        sink->turn_ends_ns = clock_ns() + TURN_NS;
        if (sink->whole && upload_is_cancelled(sink->run->upload))
            return PAGODA_ERR_CONFLICT;
    }
    if (++sink->nr_in_window < OPS_PER_WINDOW)
        return PAGODA_OK;
    import_end_turn(sink);
    if (sink->window_ticket)
        error = store_wait(sink->run->app->store, sink->window_ticket);
    sink->window_ticket = sink->run->ticket;
    sink->nr_in_window = 0;
    return error;
}

/* The result's pointers die with the lock; importers look at its numbers only. */
static enum pagoda_error import_apply_to_lab(void *context, const struct op *op, struct op_result *result,
                                             struct problem *why)
{
    struct lab_sink *sink = context;
    enum pagoda_error error = sink->has_lab ? PAGODA_OK : import_begin_turn(sink);
    if (!error)
        error = lab_apply(&sink->hold, op, NULL, result, why);
    if (error)
        return error;
    sink->run->ticket = sink->hold.ticket;
    sink->run->nr_ops++;
    return import_pace(sink);
}

static const struct machine *import_look_at_lab(void *context)
{
    struct lab_sink *sink = context;
    return sink->has_lab || !import_begin_turn(sink) ? sink->hold.machine : NULL;
}

static uint32_t cpus_of(const struct lab *lab)
{
    return lab_config(lab)->cpus ? lab_config(lab)->cpus : 1;
}

static enum pagoda_error import_read_all(struct import_run *run, struct source source, const struct import_sink *sink,
                                         struct import_summary *summary)
{
    struct input *input = input_open(source);
    if (!input)
        return PAGODA_ERR_NOMEM;
    input_limit(input, run->app->limits.unpacked);
    enum pagoda_error error = import_run(input, run->format, sink, summary);
    run->is_too_long = input_is_too_long(input);
    input_close(input);
    return error;
}

/* ---- the body, the answer ---- */

long import_read_body(struct import_run *run, void *out, size_t capacity)
{
    struct source source = upload_source(run->upload);
    long nr = source.read(source.context, out, capacity);
    if (nr > 0 && run->answer.key)
        run->answer.body_hash = hash64_bytes(run->answer.body_hash, out, (size_t)nr);
    return nr;
}

/* What the importer left of it. False: it did not come. */
static bool import_read_rest(struct import_run *run)
{
    char block[16 * KIB];
    long nr;
    do
        nr = import_read_body(run, block, sizeof block);
    while (nr > 0);
    return nr == 0;
}

static void import_encode_summary(struct import_run *run, const struct import_summary *summary)
{
    import_summary_encode(&run->text, summary, lab_seq(run->lab), clock_s() - run->started_s);
}

static enum pagoda_error import_take_key(struct import_run *run)
{
    enum pagoda_error error =
        run->answer.key ? store_begin_answer(run->app->store, &run->answer, lab_seq(run->lab)) : PAGODA_OK;
    run->was_answered = error == PAGODA_ERR_CONFLICT;
    if (run->was_answered)
        error = import_read_rest(run) ? PAGODA_OK : PAGODA_ERR_IO;
    return error;
}

/* If no operation was applied, the key is free again. If the body was cut short, the key stays taken and has no answer:
 * nobody can tell whether a second request is the same. */
static enum pagoda_error import_give_answer(struct import_run *run)
{
    bool is_complete = !run->is_too_long && import_read_rest(run);
    if (run->nr_ops && !is_complete)
        return PAGODA_OK;
    enum pagoda_error error = run->ticket ? store_wait(run->app->store, run->ticket) : PAGODA_OK;
    run->answer.text = run->nr_ops ? buffer_terminate(&run->text) : NULL;
    return error ? error : store_end_answer(run->app->store, &run->answer, lab_seq(run->lab));
}

/* ---- in turns ---- */

/* Nobody waits for the lab while the import waits for its peer. */
static long import_read_between_turns(void *context, void *out, size_t capacity)
{
    struct lab_sink *sink = context;
    import_end_turn(sink);
    if (sink->run->nr_ops)
        import_tell(sink);
    return import_read_body(sink->run, out, capacity);
}

static bool import_lab_is_over(void *context)
{
    return upload_is_cancelled(((struct lab_sink *)context)->run->upload);
}

enum pagoda_error import_into_lab(struct import_run *run, struct import_summary *summary)
{
    struct lab_sink into = { .run = run, .lab = run->lab };
    const struct import_sink sink = { import_apply_to_lab, import_look_at_lab, &into, cpus_of(run->lab) };
    const struct source body = { .read = import_read_between_turns, .is_over = import_lab_is_over, .context = &into };
    enum pagoda_error error = import_take_key(run);
    if (error || run->was_answered)
        return error;
    error = import_read_all(run, body, &sink, summary);
    import_end_turn(&into);
    enum pagoda_error cause = error == PAGODA_ERR_IO && run->ticket ? store_wait(run->app->store, run->ticket) : PAGODA_OK;
    error = cause ? cause : error; /* why the log was lost */
    if (upload_is_cancelled(run->upload))
        snprintf(summary->problem, sizeof summary->problem, "stopped on request");
    import_encode_summary(run, summary);
    if (run->answer.key && (!error || !run->nr_ops)) {
        enum pagoda_error keeping = import_give_answer(run);
        error = error ? error : keeping;
    }
    return error;
}

/* ---- all or nothing ---- */

struct rehearsal {
    struct import_run *run;
    struct machine *copy;
    uint32_t nr_done;
};

static enum pagoda_error import_apply_to_copy(void *context, const struct op *op, struct op_result *result,
                                              struct problem *why)
{
    struct rehearsal *rehearsal = context;
    if (++rehearsal->nr_done % OPS_BETWEEN_LOOKS == 0 && upload_is_cancelled(rehearsal->run->upload))
        return PAGODA_ERR_CONFLICT;
    return guard_apply(rehearsal->copy, op, result, why);
}

static const struct machine *import_look_at_copy(void *context)
{
    return ((struct rehearsal *)context)->copy;
}

/* Was every line read, and every operation of an NDJSON file taken? (A recording's events may be skipped with good reason.)
 */
static bool is_whole(const struct import_summary *summary, enum trace_format format)
{
    return !summary->failed && !summary->problem[0] && summary->operations &&
           (format != FORMAT_NDJSON || !summary->skipped);
}

static enum pagoda_error import_rehearse(struct import_run *run, uint64_t *seq, struct import_summary *summary)
{
    struct rehearsal rehearsal = { .run = run };
    struct lab_hold hold;
    enum pagoda_error error = lab_take(run->lab, &hold);
    if (error)
        return error;
    *seq = hold.seq;
    error = lab_differs_at(run->lab) ? PAGODA_ERR_RULES : PAGODA_OK; /* no machine of today leads to its head */
    if (!error)
        error = host_memory_explain(guard_clone(hold.machine, &rehearsal.copy), NULL);
    lab_release(&hold);
    if (error)
        return error;
    machine_record_events(rehearsal.copy, false);
    const struct import_sink sink = { import_apply_to_copy, import_look_at_copy, &rehearsal, cpus_of(run->lab) };
    error = import_read_all(run, import_spool_source(run), &sink, summary);
    machine_destroy(rehearsal.copy);
    return error;
}

static bool import_is_answered(struct import_run *run)
{
    uint64_t body_hash, seq;
    struct buffer text = { 0 };
    if (run->answer.key)
        run->was_answered =
            store_find_answer(run->app->store, &run->answer, &body_hash, &seq, &text) != PAGODA_ERR_NOT_FOUND;
    buffer_clear(&text);
    return run->was_answered;
}

static enum pagoda_error import_apply_whole(void *context, const struct op *op, struct op_result *result,
                                            struct problem *why)
{
    struct lab_sink *sink = context;
    enum pagoda_error error = lab_import_apply(sink->whole, op, result, why);
    if (error)
        return error;
    sink->run->ticket = lab_import_ticket(sink->whole);
    sink->run->nr_ops++;
    return import_pace(sink);
}

static const struct machine *import_look_at_whole(void *context)
{
    return lab_import_machine(((struct lab_sink *)context)->whole);
}

/* Nobody else changes the lab meanwhile; everybody sees it as it was. */
static enum pagoda_error import_perform_begun(struct lab_sink *into, struct import_summary *summary)
{
    struct import_run *run = into->run;
    const struct import_sink sink = { import_apply_whole, import_look_at_whole, into, cpus_of(run->lab) };
    enum pagoda_error error = import_read_all(run, import_spool_source(run), &sink, summary);
    run->text.length = 0;
    import_summary_encode(&run->text, summary, machine_seq(lab_import_machine(into->whole)), clock_s() - run->started_s);
    run->answer.text = buffer_terminate(&run->text);
    bool is_done = !error && is_whole(summary, summary->format);
    enum pagoda_error ending = lab_import_end(into->whole, is_done, run->answer.key ? &run->answer : NULL);
    if (ending || error || is_done)
        return ending ? ending : error; /* the disk's word first */
    return upload_is_cancelled(run->upload) ? PAGODA_ERR_CONFLICT : PAGODA_ERR_IO;
}

/* CONFLICT: the lab has moved on since the rehearsal. */
static enum pagoda_error import_perform(struct import_run *run, uint64_t seq, struct import_summary *summary)
{
    struct lab_sink into = { .run = run, .lab = run->lab, .turn_ends_ns = clock_ns() + TURN_NS };
    enum pagoda_error error = lab_import_begin(run->lab, seq, &into.whole);
    return error ? error : import_perform_begun(&into, summary);
}

enum pagoda_error import_whole_into_lab(struct import_run *run, struct import_summary *summary, bool *applied)
{
    uint64_t seq;
    *applied = false;
    enum pagoda_error error = import_spool(run);
    if (error)
        return error;
    for (int i = 0; i < REHEARSALS_MAX && !import_is_answered(run); i++) {
        error = import_rehearse(run, &seq, summary);
        if (error || !is_whole(summary, summary->format))
            break;
        error = import_perform(run, seq, summary);
        *applied = !error && !run->was_answered;
        if (error != PAGODA_ERR_CONFLICT || upload_is_cancelled(run->upload))
            break;
    }
    import_spool_close(run);
    return error;
}
