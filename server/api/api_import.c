/* POST /labs/{lab}/import: a recorded trace into a lab; GET: how far it is; DELETE: stop it. */
#include "server/api/api.h"
#include "server/api/idempotency.h"
#include "server/api/import_lab.h"
#include "server/api/sse.h"
#include "server/base/clock.h"
#include "server/base/problem.h"

#include <stdio.h>
#include <stdlib.h>

static const char STOPPED[] = "the server is about to stop; nothing was applied";

/* Refusals name a remedy, so they are longer than a struct problem. */
static struct reply import_refuse_all(struct import_summary *summary)
{
    struct reply reply = reply_empty(422);
    if (!summary->refusal[0])
        import_refusal_say(summary);
    reply.content_type = "application/problem+json";
    problem_encode(&reply.body, 422, summary->refusal, NULL, "");
    return reply;
}

static struct reply import_summarise(struct import_run *run)
{
    struct reply reply = reply_json(200, run->text);
    reply.ticket = run->ticket;
    run->text = (struct buffer){ 0 };
    return reply;
}

static struct reply import_refuse_rest(const struct import_run *run, bool is_atomic)
{
    return reply_say(413, "",
                     "unpacked, the body may have at most %llu bytes here; %llu operations before that were applied",
                     (unsigned long long)run->app->limits.unpacked, (unsigned long long)(is_atomic ? 0 : run->nr_ops));
}

static struct reply import_body(struct import_run *run, bool is_atomic, struct import_summary *summary)
{
    bool applied = true;
    struct problem why = { 0 };
    enum pagoda_error error = is_atomic ? import_whole_into_lab(run, summary, &applied) : import_into_lab(run, summary);
    if (run->is_too_long)
        return import_refuse_rest(run, is_atomic);
    bool are_stopping = connections_are_stopping(&run->app->connections);
    if (error == PAGODA_ERR_CONFLICT && are_stopping)
        return reply_busy(STOPPED);
    if (error == PAGODA_ERR_CONFLICT)
        return reply_say(409, "", "the import was stopped, or the lab was changed meanwhile; nothing was applied");
    if (error == PAGODA_ERR_RULES)
        lab_refuse_rules(run->lab, &why);
    if (error)
        return reply_error(error, &why);
    if (applied && summary->applied)
        return import_summarise(run);
    return are_stopping ? reply_busy(STOPPED) : import_refuse_all(summary);
}

struct reply import_post(struct app *app, struct request *request)
{
    struct import_run run = { .app = app, .lab = request->lab, .upload = request->upload };
    const char *name = query_text(request, "format");
    bool is_atomic = false;
    struct reply reply;
    if (name && !trace_format_find(name, &run.format))
        return reply_say(422, "format", "format must be " TRACE_FORMATS_TEXT);
    if (!query_bool(request, "atomic", &is_atomic, &reply) ||
        !idempotency_read(request, lab_number(request->lab), &run.answer, &reply))
        return reply;
    struct import_summary *summary = calloc(1, sizeof *summary);
    if (!summary)
        return reply_error(PAGODA_ERR_NOMEM, NULL);
    if (run.answer.key) {
        snprintf(run.key, sizeof run.key, "%s", run.answer.key);
        run.answer.key = run.key;
        upload_outlive_peer(run.upload);
    }
    upload_leave_connection(run.upload);
    import_run_begin(&run);
    reply = import_body(&run, is_atomic, summary);
    import_run_end(&run);
    sse_tell(app, run.lab, "event: import\ndata: {\"running\":false}\n\n");
    if (run.was_answered) {
        buffer_clear(&reply.body);
        if (!idempotency_answered(request, &run.answer, 200, &reply))
            reply = reply_error(PAGODA_ERR_IO, NULL);
    }
    buffer_clear(&run.text);
    free(summary);
    return reply;
}

/* With the imports' mutex held. */
static struct import_run *find_run(struct app *app, const struct lab *lab)
{
    struct import_run *run = app->imports;
    while (run && run->lab != lab)
        run = run->next;
    return run;
}

struct reply import_get(struct app *app, struct request *request)
{
    struct buffer out = { 0 };
    pthread_mutex_lock(&app->imports_mutex);
    struct import_run *run = find_run(app, request->lab);
    put_open(&out, '{');
    put_field_bool(&out, "running", run != NULL);
    put_field_u64(&out, "bytes", run ? atomic_load(&run->nr_bytes_told) : 0);
    put_field_u64(&out, "operations", run ? atomic_load(&run->nr_ops_told) : 0);
    put_key(&out, "seconds");
    put_double(&out, run ? clock_s() - run->started_s : 0);
    put_close(&out, '}');
    pthread_mutex_unlock(&app->imports_mutex);
    return reply_json(200, out);
}

struct reply import_cancel(struct app *app, struct request *request)
{
    pthread_mutex_lock(&app->imports_mutex);
    struct import_run *run = find_run(app, request->lab);
    if (run)
        upload_cancel(run->upload);
    pthread_mutex_unlock(&app->imports_mutex);
    return run ? reply_empty(204) : reply_say(404, "", "no import runs in this lab");
}
