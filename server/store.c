/* server/store.c - opening a store: the lock, migrations, the tables of names; and the calls that change labs.
 *
 * A store is one SQLite file in WAL mode. Beside it lies STORE.lock, held with flock() while a daemon serves: SQLite's own
 * locks would let a second writer in between two transactions. The schema's version is PRAGMA user_version. */
#include "server/store_state.h"
#include "server/problem.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

/* The text of data/schema.sql, with a NUL behind it. */
__asm__(".pushsection .rodata\n"
        ".global schema_sql\n"
        "schema_sql:\n"
        ".incbin \"data/schema.sql\"\n"
        ".byte 0\n"
        ".popsection\n");
extern const char schema_sql[];

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
    sqlite3_stmt *statement = NULL;
    int rc = sqlite3_prepare_v2(db, "PRAGMA user_version", -1, &statement, NULL);
    if (rc == SQLITE_OK)
        rc = sqlite3_step(statement);
    if (rc == SQLITE_ROW)
        *version = sqlite3_column_int(statement, 0);
    sqlite3_finalize(statement);
    return rc == SQLITE_ROW ? SQLITE_OK : rc;
}

static int execute(sqlite3 *db, const char *sql)
{
    return sqlite3_exec(db, sql, NULL, NULL, NULL);
}

static int name_rows(sqlite3 *db, const char *sql, unsigned count, const char *(*name)(unsigned))
{
    sqlite3_stmt *statement = NULL;
    int rc = sqlite3_prepare_v2(db, sql, -1, &statement, NULL);
    for (unsigned i = 0; rc == SQLITE_OK && i < count; i++) {
        sqlite3_bind_int64(statement, 1, i);
        sqlite3_bind_text(statement, 2, name(i), -1, SQLITE_STATIC);
        rc = sqlite3_step(statement);
        rc = rc == SQLITE_DONE ? sqlite3_reset(statement) : rc;
    }
    sqlite3_finalize(statement);
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
static const char *context_name_at(unsigned i)
{
    return context_name((enum context)i);
}

/* Every start refreshes the names: a newer pagodad may know more operations than the one that made the file. */
static int fill_names(sqlite3 *db)
{
    int rc = name_rows(db, "INSERT OR IGNORE INTO op_kind VALUES (?, ?)", NR_OPS, op_name_at);
    if (rc == SQLITE_OK)
        rc = name_rows(db, "INSERT OR IGNORE INTO outcome VALUES (?, ?)", OUTCOME_BUG + 1, outcome_name_at);
    if (rc == SQLITE_OK)
        rc = name_rows(db, "INSERT OR IGNORE INTO context VALUES (?, ?)", NR_CONTEXTS, context_name_at);
    return rc;
}

static int migrate(sqlite3 *db, int version)
{
    int rc = execute(db, "BEGIN IMMEDIATE");
    if (rc == SQLITE_OK && version == 0)
        rc = execute(db, schema_sql);
    if (rc == SQLITE_OK)
        rc = fill_names(db);
    char set[48];
    snprintf(set, sizeof set, "PRAGMA user_version = %d", SCHEMA_VERSION);
    if (rc == SQLITE_OK)
        rc = execute(db, set);
    if (rc == SQLITE_OK)
        return execute(db, "COMMIT");
    execute(db, "ROLLBACK");
    return rc;
}

static enum pagoda_error open_connection(const char *path, int flags, sqlite3 **db, struct problem *why)
{
    int rc = sqlite3_open_v2(path, db, flags | SQLITE_OPEN_NOMUTEX, NULL);
    if (rc == SQLITE_OK)
        rc = sqlite3_busy_timeout(*db, 5000);
    if (rc == SQLITE_OK && (flags & SQLITE_OPEN_CREATE))
        rc = execute(*db, "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA wal_autocheckpoint = 4000;"
                          "PRAGMA journal_size_limit = 67108864");
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
    if (rc != SQLITE_OK)
        problem_say(why, "store", "%s: %s", store->path, sqlite3_errmsg(store->db));
    return store_error(rc);
}

enum pagoda_error store_open(const char *path, struct store **out, struct problem *why)
{
    *out = NULL;
    struct store *store = calloc(1, sizeof *store);
    if (!store)
        return PAGODA_ERR_NOMEM;
    store->lock_fd = -1;
    snprintf(store->path, sizeof store->path, "%s", path);
    pthread_mutex_init(&store->mutex, NULL);
    pthread_mutex_init(&store->read_mutex, NULL);
    pthread_cond_init(&store->work, NULL);
    pthread_cond_init(&store->done, NULL);
    store->pending.ticket = 1;
    make_parent_directories(path);

    enum pagoda_error error = take_lock(store, why);
    if (!error)
        error = open_connection(path, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, &store->db, why);
    if (!error)
        error = open_schema(store, why);
    if (!error)
        error = open_connection(path, SQLITE_OPEN_READONLY, &store->reader, why);
    if (!error && (!store_prepare_writer(store) || !store_prepare_reader(store))) {
        problem_say(why, "store", "%s: %s", path, sqlite3_errmsg(store->db));
        error = PAGODA_ERR_CORRUPT;
    }
    if (!error && pthread_create(&store->writer, NULL, store_writer, store) != 0)
        error = PAGODA_ERR_NOMEM;
    if (error) {
        store->writer = 0;
        store_close(store);
        return error;
    }
    *out = store;
    return PAGODA_OK;
}

void store_close(struct store *store)
{
    if (!store)
        return;
    if (store->writer) {
        pthread_mutex_lock(&store->mutex);
        store->stopping = true;
        pthread_cond_signal(&store->work);
        pthread_mutex_unlock(&store->mutex);
        pthread_join(store->writer, NULL);
    }
    store_finish_reader(store);
    store_finish_writer(store);
    sqlite3_close(store->reader); /* before the writer, whose close folds the WAL into the file */
    sqlite3_close(store->db);
    if (store->lock_fd >= 0)
        close(store->lock_fd);
    pthread_mutex_destroy(&store->mutex);
    pthread_mutex_destroy(&store->read_mutex);
    pthread_cond_destroy(&store->work);
    pthread_cond_destroy(&store->done);
    free(store);
}
