/* server/store/sqlite/store_write.c - the writer thread: batches in, commits out.
 *
 * Appending copies an operation and its words behind the others of the pending batch. The writer takes the whole batch, so
 * that the next one fills while this one is written and synced. A slow disk makes batches larger. A ticket is a batch's
 * number. If a commit fails, that batch and the pending one are lost together, since the operations in the pending one were
 * computed upon what was lost. Tasks (labs made and deleted, parts of snapshots) follow the operations of their batch in
 * transactions of their own. A task that fails fails alone.
 */
#include "server/store/sqlite/store_state.h"

#include <stdio.h>

/* The next text that an operation was given. left: those to come, as bits. */
static enum op_param_id next_text(uint32_t *left)
{
    enum op_param_id id = (enum op_param_id)__builtin_ctz(*left);
    *left &= *left - 1;
    return id;
}

/* Points the texts of a copied row at the copied bytes behind it. */
struct queued_row *store_next_row(struct buffer *rows, size_t *offset)
{
    if (*offset >= rows->length)
        return NULL;
    struct queued_row *row = (void *)(rows->data + *offset);
    const char *bytes = (const char *)(row + 1);
    struct op *op = &row->entry.op;
    for (uint32_t left = op->given & OP_TEXT_BITS; left;) {
        enum op_param_id id = next_text(&left);
        struct text text = op_text(op, id);
        op_set_text(op, id, (struct text){ text.length ? bytes : NULL, text.length });
        bytes += text.length;
    }
    op->data = (const uint8_t *)bytes;
    *offset += sizeof *row + row->nr_bytes;
    return row;
}

/* ---- commits ---- */

static int writer_end_transaction(struct store *store, int rc)
{
    if (rc == SQLITE_OK)
        rc = sql_run_prepared(store->commit, SQL_NONE);
    if (rc == SQLITE_OK)
        return SQLITE_OK;
    sql_script(store->db, "ROLLBACK");
    store_forget_written(store);
    return rc;
}

/* Never into a file that nobody can find any more: what was acknowledged would be gone. */
static int writer_begin(struct store *store)
{
    return store_is_in_place(store) ? sql_run_prepared(store->begin, SQL_NONE) : SQLITE_READONLY_DBMOVED;
}

static int writer_write_rows(struct store *store)
{
    if (!store->committing.rows.length)
        return SQLITE_OK;
    int rc = writer_begin(store);
    if (rc != SQLITE_OK)
        return rc;
    return writer_end_transaction(store, store_insert_rows(store));
}

static int writer_try_task(struct store *store, struct store_task *task)
{
    int rc = writer_begin(store);
    return rc == SQLITE_OK ? writer_end_transaction(store, task->run(store, task->context)) : rc;
}

static void writer_run_task(struct store *store, struct store_task *task)
{
    int rc = writer_try_task(store, task);
    if ((rc & 0xff) == SQLITE_FULL && task->frees_room && store_use_reserve(store))
        rc = writer_try_task(store, task);
    void (*ended)(struct store_task * task) = task->ended; /* a task that somebody waits for is gone when it is done */
    pthread_mutex_lock(&store->mutex);
    task->error = store_error(rc);
    task->is_done = true;
    store->nr_commits += rc == SQLITE_OK;
    pthread_cond_broadcast(&store->done);
    pthread_mutex_unlock(&store->mutex);
    if (ended)
        ended(task);
}

/* ---- batches ---- */

static void batch_settle_rows(struct batch *batch, bool durable)
{
    size_t offset = 0;
    for (struct queued_row *row; (row = store_next_row(&batch->rows, &offset));) {
        if (durable)
            atomic_store(&row->log->durable_seq, row->entry.seq);
        else if (!atomic_exchange(&row->log->lost, true))
            atomic_fetch_add(&row->log->nr_losses, 1);
    }
}

static void batch_remember_failure(struct store *store, uint64_t ticket, enum pagoda_error error)
{
    uint32_t slot = store->nr_failures++ % NR_FAILURES;
    store->failures[slot].ticket = ticket;
    store->failures[slot].error = error;
}

static struct store_waiter *waiters_join(struct store_waiter *first, struct store_waiter *second)
{
    if (!first)
        return second;
    struct store_waiter *last = first;
    while (last->next)
        last = last->next;
    last->next = second;
    return first;
}

/* Ends the batch that was being committed. On an error the pending batch fails, too. Returns the waiters. The caller wakes
 * them when it has given the mutex back. */
static struct store_waiter *batch_settle(struct store *store, enum pagoda_error error)
{
    if (!error)
        batch_settle_rows(&store->committing, true);
    pthread_mutex_lock(&store->mutex);
    atomic_store(&store->durable_ticket, store->committing.ticket);
    struct store_waiter *wake = store->committing.waiters;
    store->committing.waiters = NULL;
    if (error) {
        struct batch *pending = &store->pending;
        batch_remember_failure(store, store->committing.ticket, error);
        batch_remember_failure(store, pending->ticket, error);
        batch_settle_rows(&store->committing, false);
        batch_settle_rows(pending, false);
        atomic_store(&store->durable_ticket, pending->ticket);
        wake = waiters_join(wake, pending->waiters);
        pending->rows.length = 0;
        pending->waiters = NULL;
        pending->ticket++;
    } else {
        store->nr_commits += store->committing.rows.length > 0;
    }
    pthread_cond_broadcast(&store->done);
    pthread_mutex_unlock(&store->mutex);
    return wake;
}

static bool batch_is_empty(const struct batch *batch)
{
    return batch->rows.length == 0 && !batch->tasks && !batch->waiters;
}

/* Swaps the batches: the rows' buffers change places, so that neither is allocated anew. False: stop, nothing is left. */
static bool writer_take_batch(struct store *store)
{
    pthread_mutex_lock(&store->mutex);
    while (batch_is_empty(&store->pending) && !store->stopping)
        pthread_cond_wait(&store->work, &store->mutex);
    bool more = !batch_is_empty(&store->pending);
    struct buffer spare = store->committing.rows;
    spare.length = 0;
    if (spare.capacity > 8u << 20)
        buffer_clear(&spare);
    store->committing = store->pending;
    store->pending = (struct batch){ .ticket = store->committing.ticket + 1, .rows = spare };
    pthread_mutex_unlock(&store->mutex);
    return more;
}

void *store_writer(void *context)
{
    struct store *store = context;
    pthread_setname_np(pthread_self(), "store-writer"); /* as top -H shows it */
    store_watch_wal(store);
    while (writer_take_batch(store)) {
        enum pagoda_error error = store_error(writer_write_rows(store));
        bool has_written = !error && store->committing.rows.length;
        for (struct store_waiter *waiter = batch_settle(store, error); waiter;) {
            struct store_waiter *next = waiter->next; /* the waiter may be gone after wake */
            waiter->wake(waiter, error);
            waiter = next;
        }
        if (has_written && store->on_commit)
            store->on_commit(store->on_commit_context);
        for (struct store_task *task = store->committing.tasks; task;) {
            struct store_task *next = task->next; /* the task is gone when it is done */
            writer_run_task(store, task);
            task = next;
        }
    }
    return NULL;
}

/* ---- the callers' side ---- */

uint64_t store_append(struct store *store, struct lab_log *log, const struct log_entry *entry, const char *key,
                      uint64_t body_hash)
{
    struct queued_row row = { .log = log, .entry = *entry, .body_hash = body_hash };
    uint32_t nr_bytes = row.entry.op.nr_data;
    for (uint32_t left = entry->op.given & OP_TEXT_BITS; left;)
        nr_bytes += op_text(&entry->op, next_text(&left)).length;
    row.nr_bytes = (nr_bytes + 7) & ~7u;
    if (key)
        snprintf(row.key, sizeof row.key, "%s", key);
    uint64_t ticket = 0;
    pthread_mutex_lock(&store->mutex);
    struct buffer *rows = &store->pending.rows;
    if (!atomic_load(&log->lost) && buffer_grow(rows, sizeof row + row.nr_bytes)) {
        bool was_empty = batch_is_empty(&store->pending);
        buffer_add(rows, &row, sizeof row);
        for (uint32_t left = entry->op.given & OP_TEXT_BITS; left;) {
            struct text text = op_text(&entry->op, next_text(&left));
            buffer_add(rows, text.start, text.length);
        }
        buffer_add(rows, entry->op.data, entry->op.nr_data);
        buffer_add(rows, "\0\0\0\0\0\0\0", row.nr_bytes - nr_bytes);
        ticket = store->pending.ticket;
        if (was_empty)
            pthread_cond_signal(&store->work);
    }
    rows->failed = false;
    pthread_mutex_unlock(&store->mutex);
    return ticket;
}

/* With the mutex held: true and *error when the ticket's batch has ended. */
static bool ticket_has_ended(const struct store *store, uint64_t ticket, enum pagoda_error *error)
{
    *error = PAGODA_OK;
    for (uint32_t i = 0; i < NR_FAILURES; i++)
        if (store->failures[i].ticket == ticket)
            *error = store->failures[i].error;
    return ticket <= atomic_load(&store->durable_ticket);
}

void store_when_durable(struct store *store, uint64_t ticket, struct store_waiter *waiter)
{
    enum pagoda_error error;
    pthread_mutex_lock(&store->mutex);
    bool ended = ticket_has_ended(store, ticket, &error);
    if (!ended) {
        struct batch *batch = ticket == store->committing.ticket ? &store->committing : &store->pending;
        waiter->next = batch->waiters;
        batch->waiters = waiter;
    }
    pthread_mutex_unlock(&store->mutex);
    if (ended)
        waiter->wake(waiter, error);
}

bool store_is_durable(struct store *store, uint64_t ticket)
{
    enum pagoda_error error;
    if (ticket > atomic_load(&store->durable_ticket))
        return false;
    pthread_mutex_lock(&store->mutex);
    bool ended = ticket_has_ended(store, ticket, &error);
    pthread_mutex_unlock(&store->mutex);
    return ended && !error;
}

bool store_has_ended(struct store *store, uint64_t ticket)
{
    return ticket <= atomic_load(&store->durable_ticket);
}

enum pagoda_error store_wait(struct store *store, uint64_t ticket)
{
    enum pagoda_error error;
    pthread_mutex_lock(&store->mutex);
    while (!ticket_has_ended(store, ticket, &error))
        pthread_cond_wait(&store->done, &store->mutex);
    pthread_mutex_unlock(&store->mutex);
    return error;
}

void store_post_task(struct store *store, struct store_task *task)
{
    pthread_mutex_lock(&store->mutex);
    task->is_done = false;
    task->next = NULL;
    *(store->pending.tasks ? &store->pending.last_task->next : &store->pending.tasks) = task;
    store->pending.last_task = task;
    pthread_cond_signal(&store->work);
    pthread_mutex_unlock(&store->mutex);
}

static enum pagoda_error task_run(struct store *store, struct store_task *task)
{
    store_post_task(store, task);
    pthread_mutex_lock(&store->mutex);
    while (!task->is_done)
        pthread_cond_wait(&store->done, &store->mutex);
    pthread_mutex_unlock(&store->mutex);
    return task->error;
}

enum pagoda_error store_run_task(struct store *store, int (*run)(struct store *store, void *context), void *context)
{
    return task_run(store, &(struct store_task){ .run = run, .context = context });
}

enum pagoda_error store_run_freeing(struct store *store, int (*run)(struct store *store, void *context), void *context)
{
    return task_run(store, &(struct store_task){ .run = run, .context = context, .frees_room = true });
}

void store_on_commit(struct store *store, void (*call)(void *context), void *context)
{
    store->on_commit = call;
    store->on_commit_context = context;
}

uint64_t store_nr_commits(struct store *store)
{
    pthread_mutex_lock(&store->mutex);
    uint64_t nr_commits = store->nr_commits;
    pthread_mutex_unlock(&store->mutex);
    return nr_commits;
}
