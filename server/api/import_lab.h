/* server/api/import_lab.h - a recorded trace into a lab, while others use the lab and watch.
 *
 * Under an Idempotency-Key all of the body is read, also when nothing is applied: its hash tells one request from another.
 */
#pragma once
#include "server/api/idempotency.h"
#include "server/import/import.h"
#include "server/http/upload.h"

/* An import that runs: what its watchers may know. */
struct import_run {
    struct import_run *next; /* imports mutex; the list is app->imports */
    struct app *app;
    struct lab *lab;
    struct upload *upload;
    enum trace_format format;
    uint64_t nr_ops, ticket; /* of the last operation queued for the log; 0: none */
    double started_s;
    struct answer answer; /* to the request's Idempotency-Key; its hash grows as the body is read */
    char key[IDEMPOTENCY_KEY_MAX + 1];
    bool was_answered, is_too_long;              /* is_too_long: unpacked */
    int spool;                                   /* import_spool.h */
    uint64_t nr_spooled;                         /* bytes */
    struct buffer text;                          /* the summary */
    _Atomic uint64_t nr_bytes_told, nr_ops_told; /* for other threads */
};

void import_run_begin(struct import_run *run); /* into the list: GET and DELETE /import find it */
void import_run_end(struct import_run *run);

long import_read_body(struct import_run *run, void *out, size_t capacity); /* as struct source reads */

/* Of both:
 * run->text          out: the summary as JSON.
 * run->was_answered  out: the key had been used before, and nothing was done. */

/* Applies operations as they are read. The lab is taken for a few milliseconds at a time, so that others come in between.
 */
enum pagoda_error import_into_lab(struct import_run *run, struct import_summary *summary) PAGODA_MUST_CHECK;
/* Applies all or nothing, also when the daemon is killed. The body is kept in a file without a name and rehearsed on a
 * copy. If every line can be applied, the body is run (lab_import_begin): until the end the lab is shown as it was, and
 * other changes of it wait.
 * *applied  out: false: nothing was applied; summary says why. */
enum pagoda_error import_whole_into_lab(struct import_run *run, struct import_summary *summary,
                                        bool *applied) PAGODA_MUST_CHECK;
