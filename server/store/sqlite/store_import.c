/* server/store/sqlite/store_import.c - imports that are all or nothing, whenever the power goes.
 *
 * A row of table importing says from where: written before the first operation of the import, removed, in one transaction
 * with the answer to its request, behind the last. As long as it stands, the lab's log is read up to there only, and what
 * lies behind it goes before anybody gets the lab: slice by slice, so that others' commits fit in between, from the end, so
 * that the log never has a gap. */
#include "server/store/sqlite/store_state.h"

#include <string.h>

struct importing {
    int64_t lab;
    uint64_t seq;
    const struct answer *answer;
};

/* The block that seq lies in; of 0, none. */
static uint64_t import_block(uint64_t seq)
{
    return seq ? chain_block_end(seq) : 0;
}

static int import_run_begin(struct store *store, void *context)
{
    const struct importing *import = context;
    return sql_run(
        store->db,
        "INSERT INTO importing (lab, seq, chain) VALUES (?1, ?2, (SELECT value FROM chain WHERE id = ?3 AND seq = ?2))",
        SQL_VALUES(sql_i64(import->lab), sql_u64(import->seq), sql_i64(op_id(import->lab, import_block(import->seq)))));
}

enum pagoda_error store_begin_import(struct store *store, int64_t lab, uint64_t seq)
{
    struct importing import = { .lab = lab, .seq = seq };
    return store_run_task(store, import_run_begin, &import);
}

static int import_run_finish(struct store *store, void *context)
{
    const struct importing *import = context;
    int rc = sql_run(store->db, "DELETE FROM importing WHERE lab = ?", SQL_VALUES(sql_i64(import->lab)));
    return rc == SQLITE_OK ? store_insert_answer(store, import->answer, import->seq, 0) : rc;
}

enum pagoda_error store_finish_import(struct store *store, int64_t lab, uint64_t seq, const struct answer *answer)
{
    struct importing import = { .lab = lab, .seq = seq, .answer = answer };
    return store_run_task(store, import_run_finish, &import);
}

/* The chain as it was at begin. */
static int import_undo_chain(struct store *store, const struct store_change *import)
{
    const struct sql_value lab = sql_i64(import->lab), seq = sql_u64(import->seq);
    int rc = sql_run(
        store->db, "DELETE FROM chain WHERE id > ?1 AND id <= ?2",
        SQL_VALUES(sql_i64(op_id(import->lab, import_block(import->seq))), sql_i64(op_id(import->lab, UINT64_MAX))));
    if (rc == SQLITE_OK)
        rc = sql_run(store->db,
                     "UPDATE chain SET seq = ?2, value = importing.chain FROM importing"
                     " WHERE id = ?3 AND importing.lab = ?1 AND importing.chain IS NOT NULL",
                     SQL_VALUES(lab, seq, sql_i64(op_id(import->lab, import_block(import->seq)))));
    return rc;
}

/* Is seq where the import began? Else what was acknowledged would be deleted. */
static int import_verify(struct store *store, const struct store_change *import)
{
    struct chain_value began = { { 0 } }, value;
    sqlite3_stmt *select = NULL;
    int rc = sql_select(store->db, "SELECT chain FROM importing WHERE lab = ? AND chain IS NOT NULL",
                        SQL_VALUES(sql_i64(import->lab)), &select);
    if (rc == SQLITE_OK)
        rc = sqlite3_step(select);
    if (rc == SQLITE_ROW && sqlite3_column_bytes(select, 0) == sizeof began.bytes)
        memcpy(began.bytes, sqlite3_column_blob(select, 0), sizeof began.bytes);
    sqlite3_finalize(select);
    if (rc != SQLITE_ROW)
        return rc == SQLITE_DONE ? SQLITE_OK : rc;
    enum pagoda_error error = store_chain_value_at(&store->own_reader, import->lab, import->seq, &value);
    if (error && error != PAGODA_ERR_CORRUPT && error != PAGODA_ERR_NOT_FOUND)
        return SQLITE_IOERR;
    return error || !chain_is_equal(&began, &value) ? SQLITE_CORRUPT : SQLITE_OK;
}

/* Operations are deleted last. A snapshot behind seq must be gone before a new operation gets its number. */
int store_run_undo(struct store *store, struct store_change *change)
{
    static const char *const SLICES[] = {
        "DELETE FROM image WHERE rowid IN (SELECT rowid FROM image WHERE id > ?1 AND id <= ?2 LIMIT 4)",
        "DELETE FROM snapshot WHERE id > ?1 AND id <= ?2",
        "DELETE FROM op WHERE id IN (SELECT id FROM op WHERE id > ?1 AND id <= ?2 ORDER BY id DESC LIMIT 4000)",
    };
    const struct sql_value from = sql_i64(op_id(change->lab, change->seq));
    const struct sql_value to = sql_i64(op_id(change->lab, UINT64_MAX));
    change->has_more = false;
    int rc = import_verify(store, change);
    if (rc == SQLITE_OK)
        rc = import_undo_chain(store, change);
    for (size_t i = 0; rc == SQLITE_OK && !change->has_more && i < sizeof SLICES / sizeof SLICES[0]; i++) {
        rc = sql_run(store->db, SLICES[i], SQL_VALUES(from, to));
        change->has_more = rc == SQLITE_OK && sqlite3_changes(store->db) > 0;
    }
    if (rc == SQLITE_OK && !change->has_more)
        rc = sql_run(store->db, "DELETE FROM importing WHERE lab = ?", SQL_VALUES(sql_i64(change->lab)));
    return rc;
}
