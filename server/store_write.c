/* server/store_write.c - the writer thread: batches in, commits out.
 *
 * Appending copies an operation and its words behind the others of the pending batch. The writer takes the whole batch, so
 * that the next one fills while this one is written and synced: the slower the disk, the more share a sync. A ticket is a
 * batch's number. If a commit fails, that batch and the pending one are lost together, since the operations in the pending
 * one were computed upon what was lost. */
#include "server/store_state.h"
#include "pagoda/gfp.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define KEY_MAX 64u
#define NR_FIXED_COLUMNS 8 /* of table op, before the parameters */

/* In the batch: this, then the bytes of name, cache, call_site, text, data, each as long as entry says. */
struct queued_row {
    struct lab_log *log;
    struct log_entry entry;
    uint64_t body_hash;
    uint32_t nr_bytes; /* that follow, padded to 8 */
    char key[KEY_MAX + 1];
};

/* ---- words -> ids ---- */

static uint64_t hash_text(const char *text, size_t length)
{
    uint64_t hash = 0xcbf29ce484222325u; /* FNV-1a */
    for (size_t i = 0; i < length; i++)
        hash = (hash ^ (unsigned char)text[i]) * 0x100000001b3u;
    return hash ? hash : 1;
}

static struct text_id *text_slot(struct text_ids *ids, uint64_t hash)
{
    size_t i = hash & (ids->nr_slots - 1);
    while (ids->slots[i].id && ids->slots[i].hash != hash)
        i = (i + 1) & (ids->nr_slots - 1);
    return &ids->slots[i];
}

static bool text_ids_grow(struct text_ids *ids)
{
    struct text_ids bigger = { .nr_slots = ids->nr_slots ? ids->nr_slots * 2 : 256 };
    bigger.slots = calloc(bigger.nr_slots, sizeof *bigger.slots);
    if (!bigger.slots)
        return false;
    for (size_t i = 0; i < ids->nr_slots; i++)
        if (ids->slots[i].id)
            *text_slot(&bigger, ids->slots[i].hash) = ids->slots[i];
    bigger.nr_used = ids->nr_used;
    free(ids->slots);
    *ids = bigger;
    return true;
}

static int find_or_insert_text(struct store *store, struct text text, int64_t *id)
{
    sqlite3_stmt *find = store->find_text, *insert = store->insert_text;
    int rc = sqlite3_bind_text(find, 1, text.start, (int)text.length, SQLITE_STATIC);
    if (rc == SQLITE_OK)
        rc = sqlite3_step(find);
    if (rc == SQLITE_ROW)
        *id = sqlite3_column_int64(find, 0);
    sqlite3_reset(find);
    if (rc != SQLITE_DONE)
        return rc == SQLITE_ROW ? SQLITE_OK : rc;
    rc = sqlite3_bind_text(insert, 1, text.start, (int)text.length, SQLITE_STATIC);
    if (rc == SQLITE_OK)
        rc = sqlite3_step(insert);
    sqlite3_reset(insert);
    *id = sqlite3_last_insert_rowid(store->db);
    return rc == SQLITE_DONE ? SQLITE_OK : rc;
}

/* Two texts of one 64-bit hash would share an id: at a million words that is one chance in forty million. */
static int text_to_id(struct store *store, struct text text, int64_t *id)
{
    struct text_ids *ids = &store->texts;
    if (ids->nr_used * 2 >= ids->nr_slots && !text_ids_grow(ids))
        return SQLITE_NOMEM;
    uint64_t hash = hash_text(text.start, text.length);
    struct text_id *slot = text_slot(ids, hash);
    if (slot->id) {
        *id = slot->id;
        return SQLITE_OK;
    }
    int rc = find_or_insert_text(store, text, id);
    if (rc == SQLITE_OK) {
        *slot = (struct text_id){ hash, *id };
        ids->nr_used++;
    }
    return rc;
}

/* ---- rows ---- */

static uint64_t param_number(const struct op *op, const struct op_param_info *info)
{
    const char *field = (const char *)op + info->offset;
    uint64_t value = 0;
    memcpy(&value, field, info->width); /* the store is little-endian only, as the daemon's hosts are */
    return value;
}

static int bind_param(struct store *store, int column, const struct op *op, enum op_param_id id)
{
    const struct op_param_info *info = op_param_info(id);
    if (!(op->given & (1u << id)))
        return sqlite3_bind_null(store->insert_op, column);
    if (info->type == TYPE_HEX)
        return sqlite3_bind_blob(store->insert_op, column, op->nr_data ? (const void *)op->data : "", (int)op->nr_data,
                                 SQLITE_STATIC);
    if (info->type != TYPE_TEXT)
        return sqlite3_bind_int64(store->insert_op, column, (sqlite3_int64)param_number(op, info));
    struct text text;
    memcpy(&text, (const char *)op + info->offset, sizeof text);
    int64_t text_id = 0;
    int rc = text_to_id(store, text, &text_id);
    return rc == SQLITE_OK ? sqlite3_bind_int64(store->insert_op, column, text_id) : rc;
}

static int note_gfp(struct store *store, uint32_t gfp)
{
    uint32_t *seen = &store->gfp_seen[(gfp ^ gfp >> 6 ^ gfp >> 12 ^ gfp >> 18) % 64];
    if (*seen == gfp + 1)
        return SQLITE_OK;
    char text[512];
    gfp_format(gfp, text, sizeof text);
    sqlite3_bind_int64(store->insert_gfp, 1, gfp);
    sqlite3_bind_text(store->insert_gfp, 2, text, -1, SQLITE_STATIC);
    int rc = sqlite3_step(store->insert_gfp);
    sqlite3_reset(store->insert_gfp);
    *seen = gfp + 1;
    return rc == SQLITE_DONE ? SQLITE_OK : rc;
}

static int insert_answered(struct store *store, const struct queued_row *row)
{
    sqlite3_stmt *insert = store->insert_answered;
    sqlite3_bind_int64(insert, 1, row->log->lab);
    sqlite3_bind_text(insert, 2, row->key, -1, SQLITE_STATIC);
    sqlite3_bind_int64(insert, 3, (sqlite3_int64)row->body_hash);
    sqlite3_bind_int64(insert, 4, (sqlite3_int64)row->entry.seq);
    int rc = sqlite3_step(insert);
    sqlite3_reset(insert);
    return rc == SQLITE_DONE ? SQLITE_OK : rc;
}

static int insert_row(struct store *store, const struct queued_row *row)
{
    sqlite3_stmt *insert = store->insert_op;
    const struct log_entry *entry = &row->entry;
    const uint64_t fixed[NR_FIXED_COLUMNS] = { (uint64_t)row->log->lab,  entry->seq,     (uint64_t)entry->op.kind,
                                               (uint64_t)entry->outcome, entry->address, entry->allocated,
                                               entry->cost_ns,           entry->slept_ns };
    int rc = SQLITE_OK;
    for (int i = 0; i < NR_FIXED_COLUMNS && rc == SQLITE_OK; i++)
        rc = sqlite3_bind_int64(insert, i + 1, (sqlite3_int64)fixed[i]);
    for (unsigned id = 0; id < NR_OP_PARAMS && rc == SQLITE_OK; id++)
        rc = bind_param(store, NR_FIXED_COLUMNS + 1 + (int)id, &entry->op, (enum op_param_id)id);
    if (rc == SQLITE_OK && (entry->op.given & P(GFP)))
        rc = note_gfp(store, entry->op.gfp);
    if (rc == SQLITE_OK)
        rc = sqlite3_step(insert);
    sqlite3_reset(insert);
    if (rc == SQLITE_DONE)
        rc = row->key[0] ? insert_answered(store, row) : SQLITE_OK;
    return rc;
}

static const char *take_text(const char *bytes, struct text *text)
{
    text->start = text->length ? bytes : NULL;
    return bytes + text->length;
}

/* Points the texts of a copied row at the copied bytes behind it. */
static struct queued_row *next_row(struct buffer *rows, size_t *offset)
{
    if (*offset >= rows->length)
        return NULL;
    struct queued_row *row = (void *)(rows->data + *offset);
    const char *bytes = (const char *)(row + 1);
    struct op *op = &row->entry.op;
    bytes = take_text(bytes, &op->name);
    bytes = take_text(bytes, &op->cache);
    bytes = take_text(bytes, &op->call_site);
    bytes = take_text(bytes, &op->text);
    op->data = (const uint8_t *)bytes;
    *offset += sizeof *row + row->nr_bytes;
    return row;
}

static int write_batch(struct store *store, struct batch *batch)
{
    int rc = sqlite3_exec(store->db, "BEGIN IMMEDIATE", NULL, NULL, NULL);
    if (rc != SQLITE_OK)
        return rc;
    size_t offset = 0;
    for (struct queued_row *row; rc == SQLITE_OK && (row = next_row(&batch->rows, &offset));)
        rc = insert_row(store, row);
    for (struct task *task = batch->tasks; rc == SQLITE_OK && task; task = task->next)
        rc = task->run(store->db, task->context);
    if (rc == SQLITE_OK)
        rc = sqlite3_exec(store->db, "COMMIT", NULL, NULL, NULL);
    if (rc == SQLITE_OK)
        return SQLITE_OK;
    sqlite3_exec(store->db, "ROLLBACK", NULL, NULL, NULL);
    memset(store->gfp_seen, 0, sizeof store->gfp_seen);
    free(store->texts.slots);
    store->texts = (struct text_ids){ 0 };
    return rc;
}

/* ---- batches ---- */

static void settle_rows(struct batch *batch, bool durable)
{
    size_t offset = 0;
    for (struct queued_row *row; (row = next_row(&batch->rows, &offset));) {
        if (durable)
            atomic_store(&row->log->durable_seq, row->entry.seq);
        else
            atomic_store(&row->log->lost, true);
    }
}

static void remember_failure(struct store *store, uint64_t ticket, enum pagoda_error error)
{
    uint32_t slot = store->nr_failures++ % NR_FAILURES;
    store->failures[slot].ticket = ticket;
    store->failures[slot].error = error;
}

static struct store_waiter *join_waiters(struct store_waiter *first, struct store_waiter *second)
{
    if (!first)
        return second;
    struct store_waiter *last = first;
    while (last->next)
        last = last->next;
    last->next = second;
    return first;
}

/* Ends the batch that was committing; on an error the pending one with it. Returns whom to wake, outside the mutex. */
static struct store_waiter *settle(struct store *store, enum pagoda_error error)
{
    pthread_mutex_lock(&store->mutex);
    settle_rows(&store->committing, !error);
    store->durable_ticket = store->committing.ticket;
    struct store_waiter *wake = store->committing.waiters;
    store->committing.waiters = NULL;
    if (error) {
        remember_failure(store, store->committing.ticket, error);
        remember_failure(store, store->pending.ticket, error);
        settle_rows(&store->pending, false);
        store->durable_ticket = store->pending.ticket;
        wake = join_waiters(wake, store->pending.waiters);
        store->pending.rows.length = 0;
        store->pending.tasks = NULL;
        store->pending.waiters = NULL;
        store->pending.ticket++;
    } else {
        store->nr_commits++;
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
static bool take_batch(struct store *store)
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
    while (take_batch(store)) {
        enum pagoda_error error = store_error(write_batch(store, &store->committing));
        for (struct store_waiter *waiter = settle(store, error); waiter;) {
            struct store_waiter *next = waiter->next; /* the waiter may be gone after wake */
            waiter->wake(waiter, error);
            waiter = next;
        }
        if (!error && store->on_commit)
            store->on_commit(store->on_commit_context);
    }
    return NULL;
}

/* ---- the callers' side ---- */

static void append_bytes(struct buffer *rows, const struct op *op, uint32_t nr_padding)
{
    buffer_add(rows, op->name.start, op->name.length);
    buffer_add(rows, op->cache.start, op->cache.length);
    buffer_add(rows, op->call_site.start, op->call_site.length);
    buffer_add(rows, op->text.start, op->text.length);
    buffer_add(rows, op->data, op->nr_data);
    buffer_add(rows, "\0\0\0\0\0\0\0", nr_padding);
}

uint64_t store_append(struct store *store, struct lab_log *log, const struct log_entry *entry, const char *key,
                      uint64_t body_hash)
{
    const struct op *op = &entry->op;
    uint32_t nr_bytes = op->name.length + op->cache.length + op->call_site.length + op->text.length + op->nr_data;
    struct queued_row row = { .log = log, .entry = *entry, .body_hash = body_hash, .nr_bytes = (nr_bytes + 7) & ~7u };
    if (key)
        snprintf(row.key, sizeof row.key, "%s", key);
    uint64_t ticket = 0;
    pthread_mutex_lock(&store->mutex);
    struct buffer *rows = &store->pending.rows;
    if (!atomic_load(&log->lost) && buffer_grow(rows, sizeof row + row.nr_bytes)) {
        bool was_empty = batch_is_empty(&store->pending);
        buffer_add(rows, &row, sizeof row);
        append_bytes(rows, op, row.nr_bytes - nr_bytes);
        ticket = store->pending.ticket;
        if (was_empty)
            pthread_cond_signal(&store->work);
    }
    rows->failed = false;
    pthread_mutex_unlock(&store->mutex);
    return ticket;
}

/* With the mutex held: true and *error when the ticket's batch has ended. */
static bool has_ended(const struct store *store, uint64_t ticket, enum pagoda_error *error)
{
    *error = PAGODA_OK;
    for (uint32_t i = 0; i < NR_FAILURES; i++)
        if (store->failures[i].ticket == ticket)
            *error = store->failures[i].error;
    return ticket <= store->durable_ticket;
}

void store_when_durable(struct store *store, uint64_t ticket, struct store_waiter *waiter)
{
    enum pagoda_error error;
    pthread_mutex_lock(&store->mutex);
    bool ended = has_ended(store, ticket, &error);
    if (!ended) {
        struct batch *batch = ticket == store->committing.ticket ? &store->committing : &store->pending;
        waiter->next = batch->waiters;
        batch->waiters = waiter;
    }
    pthread_mutex_unlock(&store->mutex);
    if (ended)
        waiter->wake(waiter, error);
}

enum pagoda_error store_wait(struct store *store, uint64_t ticket)
{
    enum pagoda_error error;
    pthread_mutex_lock(&store->mutex);
    while (!has_ended(store, ticket, &error))
        pthread_cond_wait(&store->done, &store->mutex);
    pthread_mutex_unlock(&store->mutex);
    return error;
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

static enum pagoda_error run_task(struct store *store, int (*run)(sqlite3 *, void *), void *context)
{
    struct task task = { .run = run, .context = context };
    pthread_mutex_lock(&store->mutex);
    task.next = store->pending.tasks;
    store->pending.tasks = &task;
    uint64_t ticket = store->pending.ticket;
    pthread_cond_signal(&store->work);
    pthread_mutex_unlock(&store->mutex);
    return store_wait(store, ticket);
}

/* ---- labs ---- */

static int run_create(sqlite3 *db, void *context)
{
    struct lab_row *row = context;
    const struct machine_config *c = &row->config;
    sqlite3_stmt *insert = NULL;
    int rc = sqlite3_prepare_v2(db, "INSERT INTO lab VALUES (NULL,?,?,?,?,?,0,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)", -1, &insert,
                                NULL);
    if (rc == SQLITE_OK) {
        sqlite3_bind_text(insert, 1, row->key, -1, SQLITE_STATIC);
        sqlite3_bind_text(insert, 2, row->name, -1, SQLITE_STATIC);
        sqlite3_bind_text(insert, 3, row->created, -1, SQLITE_STATIC);
        if (row->parent)
            sqlite3_bind_int64(insert, 4, row->parent);
        sqlite3_bind_int64(insert, 5, (sqlite3_int64)row->parent_seq);
        sqlite3_bind_text(insert, 6, profile_get((enum profile_id)c->profile)->name, -1, SQLITE_STATIC);
        const uint64_t numbers[] = { c->cpus,
                                     c->memory,
                                     c->swap,
                                     c->min_block,
                                     c->min_free_kbytes,
                                     c->watermark_scale_factor,
                                     c->percpu_pagelist_high_fraction,
                                     c->lowmem_reserve_ratio[0],
                                     c->lowmem_reserve_ratio[1],
                                     c->lowmem_reserve_ratio[2],
                                     c->slab_shuffle_seed,
                                     c->init_on_alloc,
                                     c->init_on_free,
                                     c->seed };
        for (int i = 0; i < (int)(sizeof numbers / sizeof numbers[0]); i++)
            sqlite3_bind_int64(insert, 7 + i, (sqlite3_int64)numbers[i]);
        rc = sqlite3_step(insert);
    }
    row->id = sqlite3_last_insert_rowid(db);
    sqlite3_finalize(insert);
    return rc == SQLITE_DONE ? SQLITE_OK : rc;
}

enum pagoda_error store_create_lab(struct store *store, struct lab_row *row)
{
    return run_task(store, run_create, row);
}

struct lab_change {
    int64_t lab;
    const char *name;
};

static int run_sql(sqlite3 *db, const char *sql, const struct lab_change *change)
{
    sqlite3_stmt *statement = NULL;
    int rc = sqlite3_prepare_v2(db, sql, -1, &statement, NULL);
    if (rc == SQLITE_OK)
        rc = sqlite3_bind_int64(statement, 1, change->lab);
    if (rc == SQLITE_OK && change->name)
        rc = sqlite3_bind_text(statement, 2, change->name, -1, SQLITE_STATIC);
    if (rc == SQLITE_OK)
        rc = sqlite3_step(statement);
    sqlite3_finalize(statement);
    return rc == SQLITE_DONE ? SQLITE_OK : rc;
}

static int run_rename(sqlite3 *db, void *context)
{
    return run_sql(db, "UPDATE lab SET name = ?2 WHERE id = ?1", context);
}

/* Operations that a fork reads stay, and so does the row that leads to them. */
#define IS_READ_BY_FORK "EXISTS (SELECT 1 FROM lab AS fork WHERE fork.parent = ?1)"

static int run_delete(sqlite3 *db, void *context)
{
    int rc = run_sql(db, "DELETE FROM answered WHERE lab = ?1", context);
    if (rc == SQLITE_OK)
        rc = run_sql(db, "DELETE FROM op WHERE lab = ?1 AND NOT " IS_READ_BY_FORK, context);
    if (rc == SQLITE_OK)
        rc = run_sql(db, "UPDATE lab SET deleted = 1 WHERE id = ?1 AND " IS_READ_BY_FORK, context);
    if (rc == SQLITE_OK)
        rc = run_sql(db, "DELETE FROM lab WHERE id = ?1 AND NOT deleted", context);
    return rc;
}

enum pagoda_error store_rename_lab(struct store *store, int64_t lab, const char *name)
{
    struct lab_change change = { lab, name };
    return run_task(store, run_rename, &change);
}

enum pagoda_error store_delete_lab(struct store *store, int64_t lab)
{
    struct lab_change change = { lab, NULL };
    return run_task(store, run_delete, &change);
}

bool store_prepare_writer(struct store *store)
{
    struct buffer sql = { 0 };
    buffer_text(&sql, "INSERT INTO op (lab, seq, kind, outcome, result_address, allocated, cost_ns, slept_ns");
    for (unsigned id = 0; id < NR_OP_PARAMS; id++)
        buffer_print(&sql, ", \"%s\"", op_param_info((enum op_param_id)id)->name);
    buffer_text(&sql, ") VALUES (?");
    for (unsigned i = 1; i < NR_FIXED_COLUMNS + NR_OP_PARAMS; i++)
        buffer_text(&sql, ",?");
    buffer_text(&sql, ")");
    int rc = sqlite3_prepare_v3(store->db, buffer_terminate(&sql), -1, SQLITE_PREPARE_PERSISTENT, &store->insert_op, NULL);
    buffer_clear(&sql);
    const struct {
        sqlite3_stmt **statement;
        const char *sql;
    } others[] = {
        { &store->find_text, "SELECT id FROM text WHERE text = ?" },
        { &store->insert_text, "INSERT INTO text (text) VALUES (?)" },
        { &store->insert_gfp, "INSERT OR IGNORE INTO gfp VALUES (?, ?)" },
        { &store->insert_answered, "INSERT INTO answered VALUES (?, ?, ?, ?)" },
    };
    for (size_t i = 0; rc == SQLITE_OK && i < sizeof others / sizeof others[0]; i++)
        rc = sqlite3_prepare_v3(store->db, others[i].sql, -1, SQLITE_PREPARE_PERSISTENT, others[i].statement, NULL);
    return rc == SQLITE_OK;
}

void store_finish_writer(struct store *store)
{
    sqlite3_finalize(store->insert_op);
    sqlite3_finalize(store->find_text);
    sqlite3_finalize(store->insert_text);
    sqlite3_finalize(store->insert_gfp);
    sqlite3_finalize(store->insert_answered);
    free(store->texts.slots);
    buffer_clear(&store->pending.rows);
    buffer_clear(&store->committing.rows);
}
