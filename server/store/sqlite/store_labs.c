/* server/store/sqlite/store_labs.c - labs: made, renamed, deleted, listed.
 *
 * Deleting a lab only hides it. Its rows go slice by slice, in commits of their own, so that nobody waits while ten million
 * of them go; the keeper asks for the slices, and after a crash the next start goes on. A lab that a fork reads stays. */
#include "server/json/config_json.h"
#include "server/json/json_value.h"
#include "server/base/problem.h"
#include "server/store/sqlite/store_state.h"

#include <stdio.h>
#include <string.h>

/* Column deleted. */
enum lab_presence { LAB_THERE, LAB_DELETED, LAB_HIDDEN };

/* ---- making ---- */

static int labs_seal(sqlite3 *db, int64_t lab)
{
    return sql_run(db, "UPDATE lab SET seal = " LAB_SEAL " WHERE id = ?", SQL_VALUES(sql_i64(lab)));
}

/* A fork has its configuration from its parent, letter by letter: the chain begins with it. */
static int labs_insert(struct store *store, const struct lab_row *row, const char *config)
{
    return sql_run(
        store->db,
        "INSERT INTO lab (key, name, created, parent, parent_seq, made, rules, differs_at, deleted, config, chain_since)"
        " VALUES (?1, ?2, ?3, nullif(?4, 0), ?5, ?6, ?7, nullif(?8, 0), ?9,"
        " coalesce((SELECT config FROM lab WHERE id = ?4), ?10),"
        " coalesce((SELECT min(chain_since, ?5) FROM lab WHERE id = ?4), 0))",
        SQL_VALUES(sql_text(row->id), sql_text(row->name), sql_text(row->created), sql_i64(row->parent),
                   sql_u64(row->parent_seq), sql_i64(row->made), sql_i64(row->rules), sql_u64(row->differs_at),
                   sql_i64(row->is_hidden ? LAB_HIDDEN : LAB_THERE), sql_text(config)));
}

/* Of a fork: the chain behind the last operation that it shares. */
static int labs_chain_fork(struct store *store, const struct lab_row *row)
{
    struct chain_value chain;
    if (row->parent_seq % CHAIN_BLOCK == 0)
        return SQLITE_OK;
    struct reader *reader = store_take_reader(store);
    enum pagoda_error error = store_chain_value_at(reader, row->parent, row->parent_seq, &chain);
    store_give_reader(reader);
    if (error)
        return error == PAGODA_ERR_CORRUPT ? SQLITE_CORRUPT : SQLITE_IOERR;
    return store_insert_chain(store->insert_chain, row->number, row->parent_seq, &chain);
}

static int labs_run_create(struct store *store, struct store_change *change)
{
    struct lab_row *row = change->row;
    struct buffer config = { 0 };
    put_open(&config, '{');
    config_encode_fields(&config, &row->config);
    put_close(&config, '}');
    const char *text = buffer_terminate(&config);
    int rc = config.failed ? SQLITE_NOMEM : labs_insert(store, row, text);
    row->number = sqlite3_last_insert_rowid(store->db);
    buffer_clear(&config);
    if (rc == SQLITE_OK)
        rc = labs_seal(store->db, row->number);
    if (rc == SQLITE_OK)
        rc = labs_chain_fork(store, row);
    return rc == SQLITE_OK ? store_insert_answer(store, change->answer, row->parent_seq, row->number) : rc;
}

static int labs_run_publish(struct store *store, const struct store_change *change)
{
    int rc = sql_run(store->db, "UPDATE lab SET deleted = 0 WHERE id = ? AND deleted = 2 AND seal = " LAB_SEAL,
                     SQL_VALUES(sql_i64(change->lab)));
    if (rc == SQLITE_OK && sqlite3_changes(store->db) != 1)
        rc = SQLITE_NOTFOUND;
    if (rc == SQLITE_OK)
        rc = labs_seal(store->db, change->lab);
    return rc == SQLITE_OK ? store_insert_answer(store, change->answer, change->seq, change->lab) : rc;
}

int store_drop_hidden(sqlite3 *db)
{
    int rc = sql_run(db, "UPDATE lab SET deleted = 1 WHERE deleted = 2 AND seal = " LAB_SEAL, SQL_NONE);
    if (rc == SQLITE_OK && sqlite3_changes(db) > 0) /* those that are gone: no harm in sealing all of them */
        rc = sql_run(db, "UPDATE lab SET seal = " LAB_SEAL " WHERE deleted = 1", SQL_NONE);
    return rc;
}

/* Behind a change of a row whose seal was good. */
static int labs_seal_changed(sqlite3 *db, int64_t lab)
{
    return sqlite3_changes(db) ? labs_seal(db, lab) : SQLITE_CORRUPT;
}

static int labs_run_rename(struct store *store, const struct store_change *change)
{
    int rc = sql_run(store->db, "UPDATE lab SET name = ?2 WHERE id = ?1 AND seal = " LAB_SEAL,
                     SQL_VALUES(sql_i64(change->lab), sql_text(change->name)));
    return rc == SQLITE_OK ? labs_seal_changed(store->db, change->lab) : rc;
}

static int labs_run_note_rules(struct store *store, const struct store_change *change)
{
    int rc = sql_run(store->db, "UPDATE lab SET rules = ?2, differs_at = nullif(?3, 0) WHERE id = ?1 AND seal = " LAB_SEAL,
                     SQL_VALUES(sql_i64(change->lab), sql_i64(change->rules), sql_u64(change->differs_at)));
    return rc == SQLITE_OK ? labs_seal_changed(store->db, change->lab) : rc;
}

/* ---- ending ---- */

static int labs_run_delete(struct store *store, const struct store_change *change)
{
    int rc = sql_run(store->db, "UPDATE lab SET deleted = 1 WHERE id = ?1", SQL_VALUES(sql_i64(change->lab)));
    if (rc == SQLITE_OK)
        rc = labs_seal(store->db, change->lab);
    return rc == SQLITE_OK ? store_insert_answer(store, change->answer, 0, 0) : rc;
}

/* Rows of the lab go first, the lab last: until then it is found again. */
static int labs_run_sweep(struct store *store, void *context)
{
    static const char *const SLICES[] = {
        "DELETE FROM op WHERE id IN (SELECT id FROM op WHERE id > ?1 << 40 AND id < (?1 + 1) << 40 LIMIT 4000)",
        "DELETE FROM image WHERE rowid IN (SELECT rowid FROM image WHERE id > ?1 << 40 AND id < (?1 + 1) << 40 LIMIT 4)",
        "DELETE FROM snapshot WHERE id IN (SELECT id FROM snapshot WHERE id > ?1 << 40 AND id < (?1 + 1) << 40 LIMIT 4000)",
        "DELETE FROM chain WHERE id IN (SELECT id FROM chain WHERE id > ?1 << 40 AND id < (?1 + 1) << 40 LIMIT 4000)",
        "DELETE FROM answered WHERE lab = ?1 AND key IN (SELECT key FROM answered WHERE lab = ?1 LIMIT 4000)",
        "DELETE FROM importing WHERE lab = ?1",
        "DELETE FROM lab WHERE id = ?1",
    };
    bool *more = context;
    int64_t lab = 0;
    int rc = sql_select_number(store->db,
                               "SELECT id FROM lab WHERE deleted = 1 AND seal = " LAB_SEAL " AND NOT EXISTS"
                               " (SELECT 1 FROM lab AS fork WHERE fork.parent = lab.id) LIMIT 1",
                               SQL_NONE, &lab);
    *more = rc == SQLITE_ROW;
    if (rc != SQLITE_ROW)
        return rc == SQLITE_DONE ? SQLITE_OK : rc;
    rc = SQLITE_OK;
    for (size_t i = 0; rc == SQLITE_OK && i < sizeof SLICES / sizeof SLICES[0]; i++) {
        rc = sql_run(store->db, SLICES[i], SQL_VALUES(sql_i64(lab)));
        if (rc == SQLITE_OK && sqlite3_changes(store->db) > 0)
            break;
    }
    return rc;
}

enum pagoda_error store_sweep(struct store *store, bool *more)
{
    return store_run_freeing(store, labs_run_sweep, more);
}

/* ---- changes ---- */

static int labs_run_change_kind(struct store *store, struct store_change *change)
{
    switch (change->kind) {
    case STORE_CREATE_LAB:
        return labs_run_create(store, change);
    case STORE_PUBLISH_LAB:
        return labs_run_publish(store, change);
    case STORE_RENAME_LAB:
        return labs_run_rename(store, change);
    case STORE_DELETE_LAB:
        return labs_run_delete(store, change);
    case STORE_NOTE_RULES:
        return labs_run_note_rules(store, change);
    case STORE_UNDO_IMPORT:
        return store_run_undo(store, change);
    case STORE_DROP_SNAPSHOTS:
        return store_run_drop_snapshots(store, change);
    }
    return SQLITE_MISUSE;
}

static int labs_run_change(struct store *store, void *context)
{
    struct store_change *change = context;
    change->store = store;
    return labs_run_change_kind(store, change);
}

/* Behind the commit: what a deleted lab left is for the keeper. */
static void labs_call_keeper(const struct store_change *change)
{
    struct store *store = change->store;
    if (change->kind != STORE_DELETE_LAB || change->task.error)
        return;
    pthread_mutex_lock(&store->mutex);
    store->has_garbage = true;
    store->is_tidy = false;
    pthread_cond_signal(&store->keeping);
    pthread_mutex_unlock(&store->mutex);
}

static void labs_tell_change(struct store_task *task)
{
    struct store_change *change = (struct store_change *)task;
    labs_call_keeper(change);
    change->told(change, task->error);
}

void store_post_change(struct store *store, struct store_change *change)
{
    change->task = (struct store_task){
        .run = labs_run_change, .context = change, .ended = labs_tell_change, .frees_room = change->kind == STORE_DELETE_LAB
    };
    store_post_task(store, &change->task);
}

enum pagoda_error store_make_change(struct store *store, struct store_change *change)
{
    bool frees_room = change->kind == STORE_DELETE_LAB;
    change->task.error = (frees_room ? store_run_freeing : store_run_task)(store, labs_run_change, change);
    labs_call_keeper(change);
    return change->task.error;
}

enum pagoda_error store_undo_import(struct store *store, int64_t lab, uint64_t seq)
{
    struct store_change change = { .kind = STORE_UNDO_IMPORT, .lab = lab, .seq = seq };
    enum pagoda_error error;
    do
        error = store_make_change(store, &change);
    while (!error && change.has_more);
    return error;
}

/* ---- listing ---- */

static void column_copy_text(sqlite3_stmt *row, int column, char *out, size_t capacity)
{
    const unsigned char *text = sqlite3_column_text(row, column);
    snprintf(out, capacity, "%s", text ? (const char *)text : "");
}

/* text: NULL when SQLite found no room for it. */
static enum pagoda_error lab_row_read_config(const char *text, struct machine_config *config, struct problem *why)
{
    json_t *root = NULL, *value;
    const char *field;
    *config = (struct machine_config){ 0 };
    unsigned status = text ? json_decode(text, strlen(text), &root, why) : 503;
    bool ok = status == 0;
    json_object_foreach(root, field, value)
    {
        ok = ok && config_field_decode(field, value, config, why);
    }
    json_decref(root);
    if (status == 503)
        return PAGODA_ERR_NOMEM;
    return ok && !machine_config_complete(config, why) ? PAGODA_OK : PAGODA_ERR_INVALID;
}

static enum pagoda_error lab_row_read(sqlite3_stmt *select, bool with_last, struct lab_row *row, struct problem *why)
{
    *row = (struct lab_row){ .number = sqlite3_column_int64(select, 0) };
    column_copy_text(select, 1, row->id, sizeof row->id);
    column_copy_text(select, 2, row->name, sizeof row->name);
    column_copy_text(select, 3, row->created, sizeof row->created);
    row->parent = sqlite3_column_int64(select, 4);
    row->parent_seq = (uint64_t)sqlite3_column_int64(select, 5);
    uint64_t last = op_id_seq(sqlite3_column_int64(select, 7));
    row->seq = last > row->parent_seq ? last : row->parent_seq;
    row->is_importing = sqlite3_column_type(select, 8) != SQLITE_NULL;
    if (row->is_importing)
        row->seq = (uint64_t)sqlite3_column_int64(select, 8);
    row->made = (uint32_t)sqlite3_column_int64(select, 9);
    row->rules = (uint32_t)sqlite3_column_int64(select, 10);
    uint64_t differs_at = (uint64_t)sqlite3_column_int64(select, 11);
    row->differs_at = differs_at <= row->seq ? differs_at : 0; /* what was salvaged may end before */
    row->chain_since = (uint64_t)sqlite3_column_int64(select, 12);
    /* The last operation and the chain's end are found apart: a log that has lost its end does not pass for a shorter one.
     */
    uint64_t chained = (uint64_t)sqlite3_column_int64(select, 14);
    bool is_whole = row->is_importing || (chained > row->parent_seq ? chained : row->parent_seq) == row->seq;
    row->is_damaged = !sqlite3_column_int(select, 13) || (with_last && !is_whole);
    struct problem cause = { 0 };
    enum pagoda_error error = lab_row_read_config((const char *)sqlite3_column_text(select, 6), &row->config, &cause);
    if (error == PAGODA_ERR_INVALID && row->is_damaged) { /* shown, though nothing can be done with it */
        row->config = (struct machine_config){ 0 };
        error = machine_config_complete(&row->config, &cause);
    }
    if (error == PAGODA_ERR_INVALID)
        problem_say(why, "store", "lab %s: its configuration is not understood: %s", row->id, cause.text);
    return error;
}

#define LAB_COLUMNS "SELECT id, key, name, created, parent, parent_seq, config,"
/* An import begins behind what a fork shares. It has no value of a chain only where the lab itself has none. */
#define IMPORT_IS_ODD                                                                                                      \
    " (importing.seq < lab.parent_seq OR"                                                                                  \
    " (importing.chain IS NULL) <> (importing.seq % 64 = 0 AND importing.seq = lab.parent_seq))"
#define LAB_ROWS                                                                                                           \
    ", (SELECT importing.seq FROM importing WHERE importing.lab = lab.id), made, rules, differs_at, chain_since,"          \
    " seal = " LAB_SEAL " AND NOT EXISTS (SELECT 1 FROM importing WHERE importing.lab = lab.id AND" IMPORT_IS_ODD ")"
#define LABS_BETWEEN " FROM lab WHERE (NOT deleted OR seal <> " LAB_SEAL ") AND id BETWEEN ?1 AND ?2 ORDER BY id"

static const char LABS_WITH_LAST[] =
    LAB_COLUMNS "(SELECT max(op.id) FROM op WHERE op.id > lab.id << 40 AND op.id < (lab.id + 1) << 40)" LAB_ROWS
                ", (SELECT chain.seq FROM chain WHERE chain.id > lab.id << 40 AND chain.id < (lab.id + 1) << 40"
                " ORDER BY chain.id DESC LIMIT 1)" LABS_BETWEEN;
/* Where the ends of the log or of the chain cannot be read. */
static const char LABS_WITHOUT_LAST[] = LAB_COLUMNS "-1" LAB_ROWS ", NULL" LABS_BETWEEN;

static enum pagoda_error labs_list_range(struct store *store, int64_t first, int64_t last, bool with_last,
                                         void (*each)(void *context, const struct lab_row *row), void *context,
                                         struct problem *why)
{
    struct buffer rows = { 0 }; /* each may take long: nothing is locked while it does */
    sqlite3_stmt *select;
    struct reader *reader = store_take_reader(store);
    enum pagoda_error error = PAGODA_OK;
    int rc = sql_select(reader->db, with_last ? LABS_WITH_LAST : LABS_WITHOUT_LAST,
                        SQL_VALUES(sql_i64(first), sql_i64(last)), &select);
    while (rc == SQLITE_OK && !error && (rc = sqlite3_step(select)) == SQLITE_ROW) {
        struct lab_row row;
        error = lab_row_read(select, with_last, &row, why);
        if (!error)
            buffer_add(&rows, &row, sizeof row);
        rc = SQLITE_OK;
    }
    sqlite3_finalize(select);
    store_give_reader(reader);
    if (rows.failed)
        error = PAGODA_ERR_NOMEM;
    for (size_t at = 0; !rows.failed && at < rows.length; at += sizeof(struct lab_row))
        each(context, (const struct lab_row *)(void *)(rows.data + at));
    buffer_clear(&rows);
    return error ? error : store_error(rc);
}

enum pagoda_error store_list_labs(struct store *store, void (*each)(void *context, const struct lab_row *row),
                                  void *context, struct problem *why)
{
    return labs_list_range(store, 1, INT64_MAX, true, each, context, why);
}

static void lab_row_take(void *context, const struct lab_row *row)
{
    *(struct lab_row *)context = *row;
}

enum pagoda_error store_read_lab(struct store *store, int64_t id, struct lab_row *row, struct problem *why)
{
    *row = (struct lab_row){ 0 };
    enum pagoda_error error = labs_list_range(store, id, id, true, lab_row_take, row, why);
    if (error == PAGODA_ERR_CORRUPT) /* perhaps the end of its log is what cannot be read */
        error = labs_list_range(store, id, id, false, lab_row_take, row, why);
    return !error && !row->number ? PAGODA_ERR_NOT_FOUND : error;
}

/* What SQLite has counted is believed when it is near the last lab that is found; labs are numbered one by one. */
int64_t store_last_lab(struct store *store)
{
    const int64_t guess = 10000;
    int64_t counted = INT64_MAX, found = 0;
    struct reader *reader = store_take_reader(store);
    sql_select_number(reader->db, "SELECT seq FROM sqlite_sequence WHERE name = 'lab'", SQL_NONE, &counted);
    sql_select_number(reader->db, "SELECT max(id) FROM lab", SQL_NONE, &found);
    store_give_reader(reader);
    int64_t most = (found > 0 && found < LAB_ID_MAX - guess ? found : 0) + guess;
    return counted < most ? counted : most;
}
