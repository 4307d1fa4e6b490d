/* server/store/sqlite/store.c - opening and closing a store: the lock, migrations, the tables of names.
 *
 * A store is one SQLite file in WAL mode. Beside it lies STORE.lock, held with flock() while a daemon serves: SQLite's own
 * locks would let a second writer in between two transactions. The schema's version is PRAGMA user_version. */
#include "server/store/sqlite/store_state.h"
#include "server/base/problem.h"
#include "server/base/random.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

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

enum pagoda_error store_error(int sqlite_code)
{
    switch (sqlite_code & 0xff) {
    case SQLITE_OK:
    case SQLITE_ROW:
    case SQLITE_DONE:
        return PAGODA_OK;
    case SQLITE_FULL:
        return PAGODA_ERR_FULL;
    case SQLITE_NOMEM:
        return PAGODA_ERR_NOMEM;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
        return PAGODA_ERR_CORRUPT;
    case SQLITE_CONSTRAINT:
        return PAGODA_ERR_CONFLICT;
    default:
        return PAGODA_ERR_IO;
    }
}

static void make_parent_directories(const char *path)
{
    char part[1024];
    snprintf(part, sizeof part, "%s", path);
    for (char *slash = strchr(part + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        mkdir(part, 0777); /* a failure shows when the file itself is opened */
        *slash = '/';
    }
}

static enum pagoda_error take_lock(struct store *store, struct problem *why)
{
    char path[1040];
    snprintf(path, sizeof path, "%s.lock", store->path);
    store->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    if (store->lock_fd < 0) {
        problem_say(why, "store", "cannot open %s: %s", path, strerror(errno));
        return PAGODA_ERR_IO;
    }
    if (flock(store->lock_fd, LOCK_EX | LOCK_NB) != 0) {
        problem_say(why, "store", "%s is in use by another pagodad", store->path);
        return PAGODA_ERR_CONFLICT;
    }
    return PAGODA_OK;
}

static int read_version(sqlite3 *db, int *version)
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
static int migrate_2(sqlite3 *db)
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

static int migrate_4(sqlite3 *db)
{
    return sql_script(db, migrate_4_sql);
}

/* migrate-3.sql and what came later, then the end of the schema: its view. */
static int migrate_3(sqlite3 *db)
{
    const char *view = strstr(schema_sql, "CREATE VIEW trace");
    int rc = view ? sql_script(db, migrate_3_sql) : SQLITE_ERROR;
    if (rc == SQLITE_OK)
        rc = migrate_4(db);
    return rc == SQLITE_OK ? sql_script(db, view) : rc;
}

static int make_schema(sqlite3 *db)
{
    return sql_script(db, schema_sql);
}

/* From each version to the newest. */
static int (*const STEPS[SCHEMA_VERSION])(sqlite3 *db) = { make_schema, migrate_2, migrate_3, migrate_4 };

/* All or nothing: an interrupted migration leaves the file as it was. */
static int migrate(sqlite3 *db, int version)
{
    int rc = sql_script(db, "BEGIN IMMEDIATE");
    if (rc == SQLITE_OK && version < SCHEMA_VERSION)
        rc = STEPS[version](db);
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

static enum pagoda_error open_connection(const char *path, int flags, sqlite3 **db, struct problem *why)
{
    int rc = sqlite3_open_v2(path, db, flags | SQLITE_OPEN_NOMUTEX, NULL);
    if (rc == SQLITE_OK)
        rc = sqlite3_busy_timeout(*db, 5000);
    if (rc == SQLITE_OK && (flags & SQLITE_OPEN_CREATE))
        rc = sql_script(*db, "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA temp_store = MEMORY;"
                             "PRAGMA cache_size = -16000; PRAGMA journal_size_limit = 67108864");
    if (rc != SQLITE_OK)
        problem_say(why, "store", "%s: %s", path, *db ? sqlite3_errmsg(*db) : sqlite3_errstr(rc));
    return store_error(rc);
}

static enum pagoda_error open_schema(struct store *store, struct problem *why)
{
    int version = 0;
    int rc = read_version(store->db, &version);
    if (rc == SQLITE_OK && version > SCHEMA_VERSION) {
        problem_say(why, "store", "%s has schema %d, written by a newer pagodad; this one knows up to %d", store->path,
                    version, SCHEMA_VERSION);
        return PAGODA_ERR_VERSION;
    }
    if (rc == SQLITE_OK)
        rc = migrate(store->db, version);
    if (rc == SQLITE_OK)
        rc = store_drop_hidden(store->db);
    if (rc != SQLITE_OK)
        problem_say(why, "store", "%s: %s", store->path, sqlite3_errmsg(store->db));
    return store_error(rc);
}

static enum pagoda_error open_strict(const char *path, sqlite3 **db, struct problem *why)
{
    return open_connection(path, SQLITE_OPEN_READONLY, db, why);
}

/* SQLite reads a file that ends too early only to those who say that they know. */
static enum pagoda_error open_tolerant(const char *path, sqlite3 **db, struct problem *why)
{
    enum pagoda_error error = open_connection(path, SQLITE_OPEN_READONLY, db, why);
    if (!error)
        sql_script(*db, "PRAGMA writable_schema = ON");
    return error;
}

static enum pagoda_error open_readers(struct store *store, struct problem *why,
                                      enum pagoda_error (*open_reader)(const char *, sqlite3 **, struct problem *))
{
    enum pagoda_error error = PAGODA_OK;
    for (unsigned i = 0; i < NR_READERS && !error; i++) {
        struct reader *reader = &store->readers[i];
        error = open_reader(store->path, &reader->db, why);
        if (!error && !store_prepare_reader(reader)) {
            problem_say(why, "store", "%s: %s", store->path, sqlite3_errmsg(reader->db));
            error = PAGODA_ERR_CORRUPT;
        }
    }
    return error;
}

static enum pagoda_error start_threads(struct store *store)
{
    if (pthread_create(&store->writer, NULL, store_writer, store) != 0) {
        store->writer = 0;
        return PAGODA_ERR_NOMEM;
    }
    if (pthread_create(&store->keeper, NULL, store_keeper, store) != 0) {
        store->keeper = 0;
        return PAGODA_ERR_NOMEM;
    }
    return PAGODA_OK;
}

static struct store *make_store(const char *path)
{
    struct store *store = calloc(1, sizeof *store);
    if (!store)
        return NULL;
    store->lock_fd = -1;
    snprintf(store->path, sizeof store->path, "%s", path);
    pthread_mutex_init(&store->mutex, NULL);
    pthread_cond_init(&store->work, NULL);
    pthread_cond_init(&store->done, NULL);
    pthread_cond_init(&store->keeping, NULL);
    for (unsigned i = 0; i < NR_READERS; i++)
        pthread_mutex_init(&store->readers[i].mutex, NULL);
    store->pending.ticket = 1;
    store->has_garbage = true; /* perhaps: the last sweep may have been cut short */
    if (!random_fill(store->hash_seed, sizeof store->hash_seed))
        store->hash_seed[0] = (uint64_t)(uintptr_t)store; /* no secret, but labs get no keys then either */
    return store;
}

enum pagoda_error store_open(const char *path, struct store **out, struct problem *why)
{
    *out = NULL;
    struct store *store = make_store(path);
    if (!store)
        return PAGODA_ERR_NOMEM;
    make_parent_directories(path);
    enum pagoda_error error = take_lock(store, why);
    if (!error)
        error = open_connection(path, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, &store->db, why);
    if (!error)
        error = open_schema(store, why);
    if (!error)
        error = open_connection(path, SQLITE_OPEN_READWRITE, &store->keeper_db, why);
    if (!error && !store_prepare_writer(store)) {
        problem_say(why, "store", "%s: %s", path, sqlite3_errmsg(store->db));
        error = PAGODA_ERR_CORRUPT;
    }
    if (!error)
        error = open_readers(store, why, open_strict);
    if (!error)
        error = start_threads(store);
    if (error) {
        store_close(store);
        return error;
    }
    *out = store;
    return PAGODA_OK;
}

enum pagoda_error store_open_to_read(const char *path, struct store **out, struct problem *why)
{
    *out = NULL;
    struct store *store = make_store(path);
    if (!store)
        return PAGODA_ERR_NOMEM;
    int version = 0;
    enum pagoda_error error = open_tolerant(path, &store->db, why);
    if (!error && (error = store_error(read_version(store->db, &version))) != PAGODA_OK)
        problem_say(why, "store", "%s: %s", path, sqlite3_errmsg(store->db));
    if (!error && version != SCHEMA_VERSION) {
        problem_say(why, "store", "%s has schema %d, this pagodad reads %d%s", path, version, SCHEMA_VERSION,
                    version < SCHEMA_VERSION ? ": pagodad serve migrates it" : "");
        error = PAGODA_ERR_VERSION;
    }
    if (!error)
        error = open_readers(store, why, open_tolerant);
    if (error)
        store_close(store);
    else
        *out = store;
    return error;
}

void store_check_file(struct store *store, void (*line)(void *context, const char *text), void *context)
{
    sqlite3_stmt *check;
    int rc = sql_select(store->db, "PRAGMA integrity_check(20)", SQL_NONE, &check);
    while (rc == SQLITE_OK && (rc = sqlite3_step(check)) == SQLITE_ROW) {
        const char *text = (const char *)sqlite3_column_text(check, 0);
        if (text && strcmp(text, "ok") != 0)
            line(context, text);
        rc = SQLITE_OK;
    }
    if (rc != SQLITE_DONE)
        line(context, sqlite3_errmsg(store->db));
    sqlite3_finalize(check);
}

static void stop_threads(struct store *store)
{
    pthread_mutex_lock(&store->mutex);
    store->keeper_stops = true;
    pthread_cond_signal(&store->keeping);
    pthread_mutex_unlock(&store->mutex);
    if (store->keeper) /* first: it may be waiting for a task */
        pthread_join(store->keeper, NULL);
    pthread_mutex_lock(&store->mutex);
    store->stopping = true;
    pthread_cond_signal(&store->work);
    pthread_mutex_unlock(&store->mutex);
    if (store->writer)
        pthread_join(store->writer, NULL);
}

void store_close(struct store *store)
{
    if (!store)
        return;
    stop_threads(store);
    for (unsigned i = 0; i < NR_READERS; i++) {
        store_finish_reader(&store->readers[i]);
        sqlite3_close(store->readers[i].db); /* before the writer, whose close folds the WAL into the file */
        pthread_mutex_destroy(&store->readers[i].mutex);
    }
    store_finish_writer(store);
    sqlite3_close(store->keeper_db);
    sqlite3_close(store->db);
    if (store->lock_fd >= 0)
        close(store->lock_fd);
    buffer_clear(&store->pending.rows);
    buffer_clear(&store->committing.rows);
    pthread_mutex_destroy(&store->mutex);
    pthread_cond_destroy(&store->work);
    pthread_cond_destroy(&store->done);
    pthread_cond_destroy(&store->keeping);
    free(store);
}
