/* server/import_lab.c - see import_lab.h. The log is committed as an import goes; when it lags more than a window behind,
 * the import waits for it, so that what is not yet on disk stays bounded. */
#include "server/import_lab.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define OPS_PER_TURN 512u
#define OPS_PER_WINDOW 2500u /* a commit holds at most two: others wait for it */
#define TELL_EVERY_S 0.25
#define REHEARSALS_MAX 3 /* before giving up on a lab that others keep changing */

struct lab_sink {
    struct import_run *run;
    struct lab *lab;
    bool is_locked, keeps_lab; /* keeps_lab: locked by the caller from start to end */
    uint32_t nr_in_turn, nr_in_window;
    uint64_t window_ticket;
    double told_s;
};

static double now_s(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* ---- the list of runs ---- */

void import_run_begin(struct import_run *run)
{
    run->started_s = now_s();
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

static void tell(struct lab_sink *sink)
{
    struct import_run *run = sink->run;
    char news[160];
    uint64_t nr_bytes = upload_nr_bytes(run->upload);
    atomic_store(&run->nr_bytes_told, nr_bytes);
    atomic_store(&run->nr_ops_told, run->nr_ops);
    if (now_s() - sink->told_s < TELL_EVERY_S)
        return;
    sink->told_s = now_s();
    snprintf(news, sizeof news, "event: import\ndata: {\"running\":true,\"bytes\":%llu,\"operations\":%llu}\n\n",
             (unsigned long long)nr_bytes, (unsigned long long)run->nr_ops);
    sse_tell(run->app, run->lab, news);
}

static void end_turn(struct lab_sink *sink)
{
    if (!sink->is_locked || sink->keeps_lab)
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
    return PAGODA_OK;
}

/* At most two windows of operations wait in memory for the log. */
static enum pagoda_error pace(struct lab_sink *sink)
{
    enum pagoda_error error = PAGODA_OK;
    if (++sink->nr_in_turn >= OPS_PER_TURN) {
        sink->nr_in_turn = 0;
        end_turn(sink);
        tell(sink);
    }
    if (++sink->nr_in_window < OPS_PER_WINDOW)
        return PAGODA_OK;
    end_turn(sink);
    if (sink->window_ticket)
        error = store_wait(sink->lab->labs->store, sink->window_ticket);
    sink->window_ticket = sink->run->ticket;
    sink->nr_in_window = 0;
    return error;
}

/* The result's pointers die with the lock; importers look at its numbers only. */
static enum pagoda_error apply_to_lab(void *context, const struct op *op, struct op_result *result, struct problem *why)
{
    struct lab_sink *sink = context;
    enum pagoda_error error = sink->is_locked ? PAGODA_OK : begin_turn(sink);
    if (!error)
        error = lab_apply(sink->lab, op, NULL, 0, result, &sink->run->ticket, why);
    if (error)
        return error;
    sink->run->nr_ops++;
    return pace(sink);
}

static const struct machine *look_at_lab(void *context)
{
    struct lab_sink *sink = context;
    return sink->is_locked || !begin_turn(sink) ? atomic_load(&sink->lab->machine) : NULL;
}

static uint32_t cpus_of(const struct lab *lab)
{
    return lab->row.config.cpus ? lab->row.config.cpus : 1;
}

static enum pagoda_error read_all(struct source source, enum trace_format format, const struct import_sink *sink,
                                  struct import_summary *summary)
{
    struct input *input = input_open(source);
    if (!input)
        return PAGODA_ERR_NOMEM;
    enum pagoda_error error = import_run(input, format, sink, summary);
    input_close(input);
    return error;
}

/* Nobody waits for the lab while the import waits for its peer. */
static long read_between_turns(void *context, void *out, size_t capacity)
{
    struct lab_sink *sink = context;
    end_turn(sink);
    struct source source = upload_source(sink->run->upload);
    return source.read(source.context, out, capacity);
}

enum pagoda_error import_into_lab(struct import_run *run, struct import_summary *summary)
{
    struct lab_sink into = { .run = run, .lab = run->lab };
    const struct import_sink sink = { apply_to_lab, look_at_lab, &into, cpus_of(run->lab) };
    enum pagoda_error error = read_all((struct source){ read_between_turns, &into }, run->format, &sink, summary);
    end_turn(&into);
    return error;
}

/* ---- all or nothing ---- */

static enum pagoda_error apply_to_copy(void *context, const struct op *op, struct op_result *result, struct problem *why)
{
    return machine_apply(context, op, result, why);
}

static const struct machine *look_at_copy(void *context)
{
    return context;
}

/* Was every line read, and every operation of an NDJSON file taken? (A recording's events may be skipped with good reason.)
 */
static bool is_whole(const struct import_summary *summary, enum trace_format format)
{
    return !summary->nr_failed && !summary->problem[0] && summary->nr_ops &&
           (format != FORMAT_NDJSON || !summary->nr_skipped);
}

static enum pagoda_error rehearse(struct import_run *run, int file, uint64_t *seq, struct import_summary *summary)
{
    struct machine *copy;
    enum pagoda_error error = lab_lock(run->lab);
    if (error)
        return error;
    *seq = lab_seq(run->lab);
    error = machine_clone(atomic_load(&run->lab->machine), &copy);
    lab_unlock(run->lab);
    if (error)
        return error;
    machine_record_events(copy, false);
    const struct import_sink sink = { apply_to_copy, look_at_copy, copy, cpus_of(run->lab) };
    lseek(file, 0, SEEK_SET);
    error = read_all(source_of_file(&file), run->format, &sink, summary);
    machine_destroy(copy);
    return error;
}

/* CONFLICT: the lab has moved on since the rehearsal. */
static enum pagoda_error perform(struct import_run *run, int file, uint64_t seq, struct import_summary *summary)
{
    struct lab_sink into = { .run = run, .lab = run->lab };
    const struct import_sink sink = { apply_to_lab, look_at_lab, &into, cpus_of(run->lab) };
    enum pagoda_error error = begin_turn(&into);
    if (error)
        return error;
    into.keeps_lab = true;
    lseek(file, 0, SEEK_SET);
    error = lab_seq(run->lab) == seq ? read_all(source_of_file(&file), run->format, &sink, summary) : PAGODA_ERR_CONFLICT;
    into.keeps_lab = false;
    end_turn(&into);
    return error;
}

/* The body into a file that has no name, beside the store; -1: *error says why. */
static int spool(struct import_run *run, enum pagoda_error *error)
{
    char directory[4096], block[64 * KIB];
    snprintf(directory, sizeof directory, "%s", run->app->options->store);
    char *slash = strrchr(directory, '/');
    if (slash)
        *slash = '\0';
    int file = open(slash ? directory : ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    struct source source = upload_source(run->upload);
    long nr = 1;
    *error = file < 0 ? PAGODA_ERR_IO : PAGODA_OK;
    while (!*error && (nr = source.read(source.context, block, sizeof block)) > 0)
        if (write(file, block, (size_t)nr) != nr)
            *error = PAGODA_ERR_FULL;
    if (!*error && nr == 0)
        return file;
    if (!*error)
        *error = PAGODA_ERR_CONFLICT; /* the peer has gone, or thought better of it */
    if (file >= 0)
        close(file);
    return -1;
}

enum pagoda_error import_whole_into_lab(struct import_run *run, struct import_summary *summary, bool *applied)
{
    enum pagoda_error error;
    uint64_t seq;
    int file = spool(run, &error);
    *applied = false;
    if (file < 0)
        return error;
    for (int i = 0; i < REHEARSALS_MAX; i++) {
        error = rehearse(run, file, &seq, summary);
        if (error || !is_whole(summary, summary->format))
            break;
        error = perform(run, file, seq, summary);
        *applied = !error;
        if (error != PAGODA_ERR_CONFLICT)
            break;
    }
    close(file);
    return error;
}
