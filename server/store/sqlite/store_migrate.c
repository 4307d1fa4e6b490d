/* server/store/sqlite/store_migrate.c - the schema, the tables of names, and stores of older schemas.
 *
 * The schema's version is PRAGMA user_version. An older store gets the new tables and columns in one transaction. Then its
 * operations are chained and its labs sealed, slice by slice, each a transaction of its own: who is interrupted goes on at
 * the next start. Table unchained says which labs are left. */
#include "server/base/clock.h"
#include "server/base/problem.h"
#include "server/store/sqlite/op_columns.h"
#include "server/store/sqlite/store_state.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

/* Texts of data/, each with a NUL behind it. */
#define BUILT_IN(symbol, file)                                                                                             \
    __asm__(".pushsection .rodata\n"                                                                                       \
            ".global " #symbol "\n" #symbol ":\n"                                                                          \
            ".incbin \"" file "\"\n"                                                                                       \
            ".byte 0\n"                                                                                                    \
            ".popsection\n");                                                                                              \
    extern const char symbol[]
BUILT_IN(schema_sql, "data/schema.sql");
BUILT_IN(migrate_2_sql, "data/migrate-2.sql");
BUILT_IN(migrate_3_sql, "data/migrate-3.sql");
BUILT_IN(migrate_4_sql, "data/migrate-4.sql");
BUILT_IN(migrate_5_sql, "data/migrate-5.sql");
BUILT_IN(migrate_behind_sql, "data/migrate-behind.sql");

int store_read_version(sqlite3 *db, int *version)
{
    int64_t number = 0;
    int rc = sql_select_number(db, "PRAGMA user_version", SQL_NONE, &number);
    *version = (int)number;
    return rc == SQLITE_ROW ? SQLITE_OK : rc;
}

static int name_rows(sqlite3 *db, const char *sql, unsigned count, const char *(*name)(unsigned))
{
    sqlite3_stmt *insert = NULL;
    int rc = sql_prepare(db, sql, &insert);
    for (unsigned i = 0; rc == SQLITE_OK && i < count; i++)
        rc = sql_run_prepared(insert, SQL_VALUES(sql_i64(i), sql_text(name(i))));
    sqlite3_finalize(insert);
    return rc;
}

static const char *op_name_at(unsigned i)
{
    return op_info((enum op_kind)i)->name;
}
static const char *outcome_name_at(unsigned i)
{
    return outcome_name((enum outcome)i);
}

static int fill_choices(sqlite3 *db, enum op_param_id id)
{
    sqlite3_stmt *insert = NULL;
    int rc = sql_prepare(db, "INSERT OR IGNORE INTO choice VALUES (?, ?, ?)", &insert);
    const char *word;
    uint64_t number = 0; /* of flags: the bit */
    for (unsigned i = 0; rc == SQLITE_OK && ((word = op_flag_name(id, i, &number)) || (word = op_choice_name(id, i))); i++)
        rc = sql_run_prepared(insert,
                              SQL_VALUES(sql_text(op_param_info(id)->name), sql_u64(number ? number : i), sql_text(word)));
    sqlite3_finalize(insert);
    return rc;
}

/* Every start refreshes the names: a newer pagodad may know more operations than the one that made the file. */
static int fill_names(sqlite3 *db)
{
    int rc = name_rows(db, "INSERT OR IGNORE INTO op_kind VALUES (?, ?)", NR_OPS, op_name_at);
    if (rc == SQLITE_OK)
        rc = name_rows(db, "INSERT OR IGNORE INTO outcome VALUES (?, ?)", OUTCOME_BUG + 1, outcome_name_at);
    for (unsigned id = 0; rc == SQLITE_OK && id < NR_OP_PARAMS; id++)
        rc = fill_choices(db, (enum op_param_id)id);
    return rc;
}

/* ---- migrations ---- */

/* migrate-2.sql, in two halves around the schema. */
static int migrate_from_1(sqlite3 *db)
{
    static const char MARK[] = "-- SCHEMA\n";
    const char *mark = strstr(migrate_2_sql, MARK);
    char *first = mark ? strndup(migrate_2_sql, (size_t)(mark - migrate_2_sql)) : NULL;
    int rc = first ? sql_script(db, first) : SQLITE_NOMEM;
    if (rc == SQLITE_OK)
        rc = sql_script(db, schema_sql);
    if (rc == SQLITE_OK)
        rc = sql_script(db, mark + sizeof MARK - 1);
    free(first);
    return rc;
}

static int migrate_from_4(sqlite3 *db)
{
    return sql_script(db, migrate_5_sql);
}

static int migrate_from_3(sqlite3 *db)
{
    int rc = sql_script(db, migrate_4_sql);
    return rc == SQLITE_OK ? migrate_from_4(db) : rc;
}

/* migrate-3.sql and what came later, then the end of the schema: its view. */
static int migrate_from_2(sqlite3 *db)
{
    const char *view = strstr(schema_sql, "CREATE VIEW trace");
    int rc = view ? sql_script(db, migrate_3_sql) : SQLITE_ERROR;
    if (rc == SQLITE_OK)
        rc = migrate_from_3(db);
    return rc == SQLITE_OK ? sql_script(db, view) : rc;
}

static int make_schema(sqlite3 *db)
{
    return sql_script(db, schema_sql);
}

/* From each version to the newest. */
static int (*const STEPS[SCHEMA_VERSION])(sqlite3 *db) = { make_schema, migrate_from_1, migrate_from_2, migrate_from_3,
                                                           migrate_from_4 };

static int migrate_rows(sqlite3 *db, int version)
{
    int rc = STEPS[version](db);
    return rc == SQLITE_OK && version ? sql_script(db, migrate_behind_sql) : rc;
}

/* All or nothing: an interrupted migration leaves the file as it was. */
int store_migrate(sqlite3 *db, int version)
{
    int rc = sql_script(db, "BEGIN IMMEDIATE");
    if (rc == SQLITE_OK && version < SCHEMA_VERSION)
        rc = migrate_rows(db, version);
    if (rc == SQLITE_OK)
        rc = fill_names(db);
    char set[48];
    snprintf(set, sizeof set, "PRAGMA user_version = %d", SCHEMA_VERSION);
    if (rc == SQLITE_OK)
        rc = sql_script(db, set);
    if (rc == SQLITE_OK)
        rc = sql_script(db, "COMMIT");
    if (rc != SQLITE_OK)
        sql_script(db, "ROLLBACK");
    return rc;
}

/* ---- operations that are older than the chain ---- */

#define CHAIN_SLICE (1u << 17) /* operations in one transaction */
#define CHAIN_OP_BYTES 1u      /* that the table of chains takes for each, generously */
#define SAY_EVERY_NS UINT64_C(2000000000)

struct chaining {
    struct store *store;
    int64_t lab;
    uint64_t nr_ops, nr_done, said_ns;
};

/* What is still to be done: of a lab that was interrupted, what lies behind its chain. */
static int chaining_count(struct chaining *chaining)
{
    static const char LEFT[] =
        "SELECT sum((SELECT count(*) FROM op WHERE op.id < (lab + 1) << 40 AND op.id > coalesce("
        "(SELECT lab << 40 | chain.seq FROM chain WHERE chain.id > lab << 40 AND chain.id < (lab + 1) << 40"
        " ORDER BY chain.id DESC LIMIT 1), lab << 40))) FROM unchained";
    int64_t nr_ops = 0;
    int rc = sql_select_number(chaining->store->db, LEFT, SQL_NONE, &nr_ops);
    chaining->nr_ops = (uint64_t)nr_ops;
    return rc == SQLITE_ROW ? SQLITE_OK : rc;
}

static void chaining_say(struct chaining *chaining)
{
    uint64_t now = clock_ns();
    if (now - chaining->said_ns < SAY_EVERY_NS && chaining->nr_done < chaining->nr_ops)
        return;
    chaining->said_ns = now;
    fprintf(stderr, "pagodad: %s: %llu of %llu operations are chained\n", chaining->store->path,
            (unsigned long long)chaining->nr_done, (unsigned long long)chaining->nr_ops);
}

/* A fork begins with its parent's value, which is known by then: a parent has the lower number. */
static int chaining_begin_fork(struct chaining *chaining, int64_t parent, uint64_t parent_seq)
{
    struct chain_value value;
    if (!parent || parent_seq % CHAIN_BLOCK == 0)
        return SQLITE_OK;
    enum pagoda_error error = store_chain_value_at(&chaining->store->own_reader, parent, parent_seq, &value);
    if (error == PAGODA_ERR_CORRUPT || error == PAGODA_ERR_NOT_FOUND) /* said of the parent */
        return SQLITE_CORRUPT;
    return error ? SQLITE_IOERR : store_insert_chain(chaining->store->insert_chain, chaining->lab, parent_seq, &value);
}

/* How far the lab is chained. */
static int chaining_find_last(struct chaining *chaining, uint64_t *last)
{
    int64_t found, parent;
    int rc =
        sql_select_number(chaining->store->db, "SELECT seq FROM chain WHERE id > ?1 AND id <= ?2 ORDER BY id DESC LIMIT 1",
                          SQL_VALUES(sql_i64(op_id(chaining->lab, 0)), sql_i64(op_id(chaining->lab, UINT64_MAX))), &found);
    *last = rc == SQLITE_ROW ? (uint64_t)found : 0;
    if (rc != SQLITE_DONE)
        return rc == SQLITE_ROW ? SQLITE_OK : rc;
    enum pagoda_error error = store_find_parent(&chaining->store->own_reader, chaining->lab, &parent, last);
    return error ? SQLITE_CORRUPT : chaining_begin_fork(chaining, parent, *last);
}

/* *from moves on behind what was chained; *more: there is more of the lab. CORRUPT: a row that cannot be read. */
static int chaining_run_slice(struct chaining *chaining, uint64_t *from, bool *more)
{
    struct store *store = chaining->store;
    uint64_t first = *from;
    int rc = store_chain_go_on(store, chaining->lab, first - 1);
    *more = true;
    while (rc == SQLITE_OK && *more && *from - first < CHAIN_SLICE) {
        struct log_block *block = store->own_reader.block;
        rc = store_read_unchained(&store->own_reader, chaining->lab, *from);
        for (uint64_t seq = block->first; rc == SQLITE_OK && seq <= block->covered; seq++)
            rc = store_chain_row(store, chaining->lab, &block->entries[seq - block->first]);
        *more = block->covered >= *from;
        *from = block->covered + 1;
    }
    chaining->nr_done += *from - first;
    int ending = rc == SQLITE_OK || rc == SQLITE_CORRUPT ? store_chain_commit(store) : rc;
    return ending == SQLITE_OK ? rc : ending;
}

/* One transaction of a lab; behind its last row, or at one that cannot be read, the lab is done. */
static int chaining_run(struct chaining *chaining)
{
    uint64_t last = 0;
    bool more = false;
    int rc = chaining_find_last(chaining, &last);
    uint64_t from = last + 1;
    if (rc == SQLITE_OK)
        rc = chaining_run_slice(chaining, &from, &more);
    if (rc == SQLITE_CORRUPT) {
        fprintf(stderr, "pagodad: %s: lab number %lld: operation %llu cannot be read: the lab ends before it\n",
                chaining->store->path, (long long)chaining->lab, (unsigned long long)from);
        more = false;
        rc = SQLITE_OK;
    }
    if (rc == SQLITE_OK && !more)
        rc = sql_run(chaining->store->db, "UPDATE lab SET seal = " LAB_SEAL " WHERE id = ?",
                     SQL_VALUES(sql_i64(chaining->lab)));
    if (rc == SQLITE_OK && !more)
        rc = sql_run(chaining->store->db, "DELETE FROM unchained WHERE lab = ?", SQL_VALUES(sql_i64(chaining->lab)));
    return rc;
}

static int chaining_step(struct chaining *chaining)
{
    int rc = sql_script(chaining->store->db, "BEGIN IMMEDIATE");
    if (rc == SQLITE_OK)
        rc = chaining_run(chaining);
    if (rc == SQLITE_OK)
        rc = sql_script(chaining->store->db, "COMMIT");
    if (rc != SQLITE_OK) {
        sql_script(chaining->store->db, "ROLLBACK");
        store_forget_written(chaining->store);
    }
    return rc;
}

int store_chain_old(struct store *store)
{
    struct chaining chaining = { .store = store, .said_ns = clock_ns() };
    int rc = sql_select_number(store->db, "SELECT lab FROM unchained LIMIT 1", SQL_NONE, &chaining.lab);
    if (rc == SQLITE_ROW && chaining_count(&chaining) == SQLITE_OK)
        fprintf(stderr,
                "pagodad: %s: %llu operations are older than the hash chain and are chained now; that takes %llu MiB\n",
                store->path, (unsigned long long)chaining.nr_ops,
                (unsigned long long)(chaining.nr_ops * CHAIN_OP_BYTES >> 20) + 1);
    while (rc == SQLITE_ROW) {
        rc = chaining_step(&chaining);
        if (rc == SQLITE_OK) {
            chaining_say(&chaining);
            rc = sql_select_number(store->db, "SELECT lab FROM unchained LIMIT 1", SQL_NONE, &chaining.lab);
        }
    }
    return rc == SQLITE_DONE ? SQLITE_OK : rc;
}
