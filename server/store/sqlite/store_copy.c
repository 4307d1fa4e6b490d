/* server/store/sqlite/store_copy.c - one lab as a store of its own.
 *
 * The copy is built beside the store in a file that loses its name as soon as it is open, so that nothing is left of it
 * whoever dies. It is filled from the store, attached to its connection, slice by slice: the lab becomes number 1 with the
 * history that it shares with its parents, and the calls, words and hashes that belong to it go along; images if asked for.
 */
#include "server/store/sqlite/op_columns.h"
#include "server/store/sqlite/store_state.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define SLICE 20000u /* operations */

struct store_copy {
    struct store *store;
    int64_t lab;
    int64_t root; /* the lab's first ancestor */
    uint64_t next_seq, last_seq;
    bool with_images;
    sqlite3 *db;
    int file;
    char *call_columns; /* ", \"n\", \"gfp\", …" */
    struct buffer sql;
};

static bool copy_list_call_columns(struct store_copy *copy)
{
    struct buffer out = { 0 };
    buffer_text(&out, "id, kind, outcome, allocated");
    for (unsigned id = 0; id < NR_OP_PARAMS; id++)
        if (param_is_in_call(id))
            buffer_print(&out, ", \"%s\"", op_param_info((enum op_param_id)id)->name);
    buffer_terminate(&out);
    copy->call_columns = out.data;
    return !out.failed;
}

static int copy_make_file(struct store_copy *copy)
{
    char path[1056];
    snprintf(path, sizeof path, "%s.export-XXXXXX", copy->store->path);
    copy->file = mkstemp(path);
    if (copy->file < 0)
        return SQLITE_CANTOPEN;
    int rc = sqlite3_open_v2(path, &copy->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL);
    unlink(path);
    if (rc == SQLITE_OK)
        rc = sqlite3_busy_timeout(copy->db, 5000);
    if (rc == SQLITE_OK)
        rc = store_distrust(copy->db);
    if (rc == SQLITE_OK)
        rc = store_add_seal(copy->db);
    if (rc == SQLITE_OK) /* nobody will ever open half of it: no journal, no sync */
        rc = sql_script(copy->db, "PRAGMA main.journal_mode = OFF; PRAGMA main.synchronous = OFF;"
                                  "PRAGMA temp_store = MEMORY; PRAGMA main.cache_size = -8000");
    return rc;
}

static enum pagoda_error copy_find_root(struct store_copy *copy)
{
    uint64_t last;
    struct reader *reader = store_take_reader(copy->store);
    enum pagoda_error error = store_find_holder(reader, copy->lab, 0, &copy->root, &last);
    store_give_reader(reader);
    return error;
}

enum pagoda_error store_copy_begin(struct store *store, int64_t lab, uint64_t last_seq, bool with_images,
                                   struct store_copy **out)
{
    *out = NULL;
    if (!store_is_in_place(store)) /* it is attached by its name */
        return PAGODA_ERR_GONE;
    struct store_copy *copy = calloc(1, sizeof *copy);
    if (!copy)
        return PAGODA_ERR_NOMEM;
    *copy = (struct store_copy){
        .store = store, .lab = lab, .next_seq = 1, .last_seq = last_seq, .with_images = with_images, .file = -1
    };
    int rc = copy_list_call_columns(copy) ? copy_make_file(copy) : SQLITE_NOMEM;
    if (rc == SQLITE_OK)
        rc = sql_script(copy->db, schema_sql);
    if (rc == SQLITE_OK)
        rc = sql_run(copy->db, "ATTACH ? AS store", SQL_VALUES(sql_text(store->path)));
    enum pagoda_error error = rc == SQLITE_OK ? copy_find_root(copy) : store_error(rc);
    if (error)
        store_copy_end(copy);
    else
        *out = copy;
    return error;
}

static int copy_calls(struct store_copy *copy, const struct sql_value *range)
{
    copy->sql.length = 0;
    buffer_print(&copy->sql,
                 "INSERT OR IGNORE INTO main.call (%s) SELECT %s FROM store.call"
                 " WHERE id IN (SELECT call FROM store.op WHERE id BETWEEN ?1 AND ?2)",
                 copy->call_columns, copy->call_columns);
    const char *sql = buffer_terminate(&copy->sql);
    return copy->sql.failed ? SQLITE_NOMEM : sql_run(copy->db, sql, range);
}

/* Operations [next_seq, to], all of them holder's. */
static int copy_range(struct store_copy *copy, int64_t holder, uint64_t to)
{
    static const char OPS[] = "INSERT INTO main.op SELECT 1 << 40 | (id & 1099511627775)" OP_COLUMN_NAMES
                              " FROM store.op WHERE id BETWEEN ?1 AND ?2 ORDER BY id";
    static const char CHAIN[] = "INSERT INTO main.chain SELECT 1 << 40 | (id & 1099511627775), seq, value FROM store.chain"
                                " WHERE id BETWEEN ?1 AND ?2";
    static const char HASHES[] = "INSERT INTO main.snapshot SELECT 1 << 40 | (id & 1099511627775), engine, hash, cost,"
                                 " nr_parts * ?3, key, mac FROM store.snapshot WHERE id BETWEEN ?1 AND ?2";
    static const char IMAGES[] = "INSERT INTO main.image SELECT 1 << 40 | (id & 1099511627775), part, bytes"
                                 " FROM store.image JOIN store.snapshot USING (id) WHERE id BETWEEN ?1 AND ?2";
    sqlite3_int64 first = op_id(holder, copy->next_seq), last = op_id(holder, to);
    const struct sql_value range[] = { sql_i64(first), sql_i64(last), { .type = SQL_END } };
    int rc = sql_run(copy->db, OPS, range);
    if (rc == SQLITE_OK && sqlite3_changes64(copy->db) != last - first + 1)
        return SQLITE_CORRUPT; /* the log has a gap, or the lab has been deleted meanwhile */
    if (rc == SQLITE_OK)
        rc = copy_calls(copy, range);
    if (rc == SQLITE_OK)
        rc = sql_run(copy->db, CHAIN, range);
    if (rc == SQLITE_OK)
        rc = sql_run(copy->db, HASHES, SQL_VALUES(range[0], range[1], sql_i64(copy->with_images)));
    if (rc == SQLITE_OK && copy->with_images)
        rc = sql_run(copy->db, IMAGES, range);
    return rc;
}

/* Words that the calls name, by every parameter that is a text. */
static int copy_texts(struct store_copy *copy)
{
    int rc = SQLITE_OK;
    for (unsigned id = 0; rc == SQLITE_OK && id < NR_OP_PARAMS; id++) {
        const struct op_param_info *info = op_param_info((enum op_param_id)id);
        char sql[200];
        if (!param_is_in_call(id) || info->type != TYPE_TEXT)
            continue;
        snprintf(sql, sizeof sql,
                 "INSERT OR IGNORE INTO main.text SELECT * FROM store.text WHERE id IN (SELECT \"%s\" FROM main.call)",
                 info->name);
        rc = sql_run(copy->db, sql, SQL_NONE);
    }
    return rc;
}

/* The block that the copy ends in has a value of its own. */
static int copy_chain_end(struct store_copy *copy)
{
    struct chain_value value;
    sqlite3_stmt *insert = NULL;
    if (copy->last_seq % CHAIN_BLOCK == 0)
        return SQLITE_OK;
    struct reader *reader = store_take_reader(copy->store);
    enum pagoda_error error = store_chain_value_at(reader, copy->lab, copy->last_seq, &value);
    store_give_reader(reader);
    if (error)
        return error == PAGODA_ERR_CORRUPT ? SQLITE_CORRUPT : SQLITE_IOERR;
    int rc = sql_prepare(copy->db, STORE_INSERT_CHAIN, &insert);
    if (rc == SQLITE_OK)
        rc = store_insert_chain(insert, 1, copy->last_seq, &value);
    sqlite3_finalize(insert);
    return rc;
}

static int copy_rest(struct store_copy *copy)
{
    static const char *const NAMES[] = {
        "INSERT INTO main.gfp SELECT * FROM store.gfp WHERE bits IN (SELECT gfp FROM main.call)",
        "INSERT INTO main.op_kind SELECT * FROM store.op_kind",
        "INSERT INTO main.outcome SELECT * FROM store.outcome",
        "INSERT INTO main.choice SELECT * FROM store.choice",
    };
    int rc = copy_texts(copy);
    for (size_t i = 0; rc == SQLITE_OK && i < sizeof NAMES / sizeof NAMES[0]; i++)
        rc = sql_run(copy->db, NAMES[i], SQL_NONE);
    if (rc == SQLITE_OK)
        rc = sql_run(copy->db,
                     "INSERT INTO main.lab (id, key, name, created, config, made, rules, differs_at, chain_since)"
                     " SELECT 1, key, name, created, (SELECT config FROM store.lab WHERE id = ?3), made, rules,"
                     " CASE WHEN differs_at <= ?2 THEN differs_at END, min(chain_since, ?2) FROM store.lab WHERE id = ?1",
                     SQL_VALUES(sql_i64(copy->lab), sql_u64(copy->last_seq), sql_i64(copy->root)));
    if (rc == SQLITE_OK)
        rc = sql_run(copy->db, "UPDATE main.lab SET seal = " LAB_SEAL, SQL_NONE);
    return rc == SQLITE_OK ? copy_chain_end(copy) : rc;
}

static bool copy_see(void *context, const struct log_entry *entry)
{
    (void)context;
    (void)entry;
    return true;
}

static enum pagoda_error copy_slice(struct store_copy *copy)
{
    int64_t holder;
    uint64_t last;
    struct reader *reader = store_take_reader(copy->store);
    enum pagoda_error error = store_find_holder(reader, copy->lab, copy->next_seq, &holder, &last);
    store_give_reader(reader);
    if (error)
        return error;
    last = last < copy->last_seq ? last : copy->last_seq;
    last = last < copy->next_seq + SLICE - 1 ? last : copy->next_seq + SLICE - 1;
    int rc = sql_script(copy->db, "BEGIN");
    if (rc == SQLITE_OK)
        rc = copy_range(copy, holder, last);
    if (rc == SQLITE_OK)
        rc = sql_script(copy->db, "COMMIT");
    error = store_error(rc);
    if (!error) /* the rows as the chain vouches for them */
        error = store_read_ops(copy->store, copy->lab, copy->next_seq, last, copy_see, NULL);
    copy->next_seq = last + 1;
    return error;
}

static enum pagoda_error copy_finish(struct store_copy *copy)
{
    char version[48];
    snprintf(version, sizeof version, "PRAGMA main.user_version = %d", SCHEMA_VERSION);
    int rc = sql_script(copy->db, "BEGIN");
    if (rc == SQLITE_OK)
        rc = copy_rest(copy);
    if (rc == SQLITE_OK)
        rc = sql_script(copy->db, version);
    if (rc == SQLITE_OK)
        rc = sql_script(copy->db, "COMMIT");
    if (rc == SQLITE_OK && lseek(copy->file, 0, SEEK_SET) != 0)
        rc = SQLITE_IOERR;
    sqlite3_close(copy->db);
    copy->db = NULL;
    return store_error(rc);
}

enum pagoda_error store_copy_step(struct store_copy *copy, bool *is_done)
{
    enum pagoda_error error = copy->next_seq <= copy->last_seq ? copy_slice(copy) : PAGODA_OK;
    *is_done = !error && copy->next_seq > copy->last_seq;
    return *is_done ? copy_finish(copy) : error;
}

long store_copy_read(struct store_copy *copy, void *out, size_t capacity)
{
    return (long)read(copy->file, out, capacity);
}

void store_copy_end(struct store_copy *copy)
{
    if (!copy)
        return;
    sqlite3_close(copy->db);
    if (copy->file >= 0)
        close(copy->file);
    free(copy->call_columns);
    buffer_clear(&copy->sql);
    free(copy);
}
