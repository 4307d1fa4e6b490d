/* server/store/sqlite/store.c - opening and closing a store.
 *
 * A store is one SQLite file in WAL mode. Beside it lies STORE.lock, held with flock() while a daemon serves: SQLite's own
 * locks would let a second writer in between two transactions. */
#include "server/store/sqlite/store_state.h"
#include "server/base/problem.h"
#include "server/base/random.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

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
    case SQLITE_READONLY: /* SQLITE_READONLY_DBMOVED */
        return PAGODA_ERR_GONE;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
        return PAGODA_ERR_CORRUPT;
    case SQLITE_CONSTRAINT:
        return PAGODA_ERR_CONFLICT;
    default:
        return PAGODA_ERR_IO;
    }
}

/* A file may come from somebody else: what it would have done beside the statements of this program is not done. A trigger
 * or a view can go on for ever. */
int store_distrust(sqlite3 *db)
{
    static const int OFF[] = { SQLITE_DBCONFIG_ENABLE_TRIGGER, SQLITE_DBCONFIG_ENABLE_VIEW,
                               SQLITE_DBCONFIG_TRUSTED_SCHEMA };
    int rc = SQLITE_OK;
    for (size_t i = 0; rc == SQLITE_OK && i < sizeof OFF / sizeof OFF[0]; i++)
        rc = sqlite3_db_config(db, OFF[i], 0, NULL);
    return rc;
}

static enum pagoda_error open_connection(const char *path, int flags, sqlite3 **db, struct problem *why)
{
    int rc = sqlite3_open_v2(path, db, flags | SQLITE_OPEN_NOMUTEX, NULL);
    if (rc == SQLITE_OK)
        rc = sqlite3_busy_timeout(*db, 5000);
    if (rc == SQLITE_OK)
        rc = store_distrust(*db);
    if (rc == SQLITE_OK)
        rc = store_add_seal(*db);
    if (rc == SQLITE_OK && (flags & SQLITE_OPEN_CREATE))
        rc = sql_script(*db, "PRAGMA auto_vacuum = INCREMENTAL; PRAGMA secure_delete = FAST; PRAGMA journal_mode = WAL; "
                             "PRAGMA synchronous = FULL; "
                             "PRAGMA temp_store = MEMORY;"
                             "PRAGMA cache_size = -16000; PRAGMA journal_size_limit = 67108864");
    if (rc != SQLITE_OK)
        problem_say(why, "store", "%s: %s", path, *db ? sqlite3_errmsg(*db) : sqlite3_errstr(rc));
    return store_error(rc);
}

static enum pagoda_error open_schema(struct store *store, struct problem *why)
{
    int version = 0;
    int rc = store_read_version(store->db, &version);
    if (rc == SQLITE_OK && version > SCHEMA_VERSION) {
        problem_say(why, "store", "%s has schema %d, written by a newer pagodad; this one knows up to %d", store->path,
                    version, SCHEMA_VERSION);
        return PAGODA_ERR_VERSION;
    }
    if (rc == SQLITE_OK)
        rc = store_migrate(store->db, version);
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
    for (unsigned i = 0; i <= NR_READERS && !error; i++) {
        struct reader *reader = i < NR_READERS ? &store->readers[i] : &store->short_reader;
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
    struct store *store = sodium_init() < 0 ? NULL : calloc(1, sizeof *store);
    if (!store)
        return NULL;
    store->lock_fd = -1;
    snprintf(store->path, sizeof store->path, "%s", path);
    pthread_mutex_init(&store->mutex, NULL);
    pthread_mutex_init(&store->damage_mutex, NULL);
    pthread_mutex_init(&store->fold_mutex, NULL);
    pthread_mutex_init(&store->short_reader.mutex, NULL);
    store->first_head = NO_HEAD;
    pthread_cond_init(&store->work, NULL);
    pthread_cond_init(&store->done, NULL);
    store_init_clocked(&store->keeping);
    for (unsigned i = 0; i < NR_READERS; i++)
        pthread_mutex_init(&store->readers[i].mutex, NULL);
    store->pending.ticket = 1;
    store->has_garbage = true; /* perhaps: the last sweep may have been cut short */
    if (!random_fill(store->hash_seed, sizeof store->hash_seed))
        store->hash_seed[0] = (uint64_t)(uintptr_t)store; /* no secret, but labs get no keys then either */
    return store;
}

/* What an older pagodad has left is chained before anybody reads it. */
static enum pagoda_error prepare_writer(struct store *store, struct problem *why)
{
    int rc = store_prepare_writer(store) ? store_chain_old(store) : SQLITE_CORRUPT;
    if (rc != SQLITE_OK)
        problem_say(why, "store", "%s: %s", store->path, sqlite3_errmsg(store->db));
    return store_error(rc);
}

static enum pagoda_error open_to_write(struct store *store, const char *key_path, struct problem *why)
{
    store_make_directories(store->path);
    enum pagoda_error error = store_take_lock(store, why);
    if (!error)
        error = store_narrow_files(store, why);
    if (!error)
        error = open_connection(store->path, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, &store->db, why);
    if (!error)
        error = open_schema(store, why);
    if (!error)
        error = store_make_key(store, key_path, why);
    if (!error)
        error = open_connection(store->path, SQLITE_OPEN_READWRITE, &store->keeper_db, why);
    if (!error) /* a connection that has read nothing knows of no WAL, and folds none */
        error = store_error(sql_script(store->keeper_db, "SELECT count(*) FROM sqlite_schema"));
    if (!error)
        error = prepare_writer(store, why);
    if (!error)
        error = open_readers(store, why, open_strict);
    if (!error)
        store_find_place(store);
    return error ? error : start_threads(store);
}

enum pagoda_error store_open(const char *path, const char *key_path, struct store **out, struct problem *why)
{
    *out = NULL;
    struct store *store = make_store(path);
    if (!store)
        return PAGODA_ERR_NOMEM;
    enum pagoda_error error = open_to_write(store, key_path, why);
    if (!error)
        store_say_foreign(store);
    if (error)
        store_close(store);
    else
        *out = store;
    return error;
}

static enum pagoda_error check_version(struct store *store, struct problem *why)
{
    int version = 0;
    int rc = store_read_version(store->db, &version);
    if (rc != SQLITE_OK)
        problem_say(why, "store", "%s: %s", store->path, sqlite3_errmsg(store->db));
    else if (version != SCHEMA_VERSION)
        problem_say(why, "store", "%s has schema %d, this pagodad reads %d%s", store->path, version, SCHEMA_VERSION,
                    version < SCHEMA_VERSION ? ": pagodad serve migrates it" : "");
    return rc != SQLITE_OK ? store_error(rc) : version != SCHEMA_VERSION ? PAGODA_ERR_VERSION : PAGODA_OK;
}

enum pagoda_error store_open_to_read(const char *path, const char *key_path, struct store **out, struct problem *why)
{
    *out = NULL;
    struct store *store = make_store(path);
    if (!store)
        return PAGODA_ERR_NOMEM;
    store->is_read_only = true;
    enum pagoda_error error = open_tolerant(path, &store->db, why);
    if (!error)
        error = check_version(store, why);
    if (!error && (error = store_read_key(store, key_path, why)) == PAGODA_ERR_NOT_FOUND && !key_path)
        error = PAGODA_OK; /* a copy from elsewhere: none of its images is read */
    if (!error)
        error = open_readers(store, why, open_tolerant);
    if (error)
        store_close(store);
    else
        *out = store;
    return error;
}

/* Calls line with each text that the statement gives. */
static void check_rows(sqlite3 *db, const char *sql, void (*line)(void *context, const char *text), void *context)
{
    sqlite3_stmt *check;
    int rc = sql_select(db, sql, SQL_NONE, &check);
    while (rc == SQLITE_OK && (rc = sqlite3_step(check)) == SQLITE_ROW) {
        const char *text = (const char *)sqlite3_column_text(check, 0);
        if (text && strcmp(text, "ok") != 0)
            line(context, text);
        rc = SQLITE_OK;
    }
    if (rc != SQLITE_DONE)
        line(context, sqlite3_errmsg(db));
    sqlite3_finalize(check);
}

/* Is the view for people understood? It is not run: nobody knows how long it would take. */
static bool check_view(sqlite3 *db)
{
    sqlite3_stmt *select = NULL;
    int rc = sqlite3_db_config(db, SQLITE_DBCONFIG_ENABLE_VIEW, 1, NULL);
    if (rc == SQLITE_OK)
        rc = sql_prepare(db, "SELECT * FROM trace", &select);
    sqlite3_finalize(select);
    return rc == SQLITE_OK;
}

void store_check_file(struct store *store, void (*line)(void *context, const char *text), void *context)
{
    static const char *const CHECKS[] = {
        "PRAGMA integrity_check(20)",
        "SELECT 'lab number ' || lab || ' is not chained to its end yet: pagodad serve goes on with it' FROM unchained",
        "SELECT DISTINCT 'operations of lab number ' || (id >> 40) || ', which there is not' FROM op"
        " WHERE id >> 40 NOT IN (SELECT id FROM lab)",
        "SELECT DISTINCT 'a hash chain of lab number ' || (id >> 40) || ', which there is not' FROM chain"
        " WHERE id >> 40 NOT IN (SELECT id FROM lab)",
    };
    struct problem why = { 0 };
    sqlite3 *strict = NULL; /* the connection that reads passes over a schema that nobody understands */
    if (open_strict(store->path, &strict, &why) != PAGODA_OK)
        line(context, why.text);
    else if (!check_view(strict))
        line(context, sqlite3_errmsg(strict));
    sqlite3_close(strict);
    for (size_t i = 0; i < sizeof CHECKS / sizeof CHECKS[0]; i++)
        check_rows(store->db, CHECKS[i], line, context);
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
    store_finish_reader(&store->short_reader);
    sqlite3_close(store->short_reader.db);
    store_finish_writer(store);
    sqlite3_close(store->keeper_db);
    sqlite3_close(store->db);
    if (store->lock_fd >= 0)
        close(store->lock_fd);
    buffer_clear(&store->pending.rows);
    buffer_clear(&store->committing.rows);
    pthread_mutex_destroy(&store->mutex);
    pthread_mutex_destroy(&store->damage_mutex);
    pthread_mutex_destroy(&store->fold_mutex);
    pthread_mutex_destroy(&store->short_reader.mutex);
    pthread_cond_destroy(&store->work);
    pthread_cond_destroy(&store->done);
    pthread_cond_destroy(&store->keeping);
    free(store);
}
