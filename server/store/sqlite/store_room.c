/* server/store/sqlite/store_room.c - room on the disk: what is kept for those who free some, and what is given back.
 *
 * Even a deletion is written before it frees anything. STORE.reserve holds a little of the disk, so that a deletion can be
 * written when nothing else can; it is made again when there is room. A store that was made with incremental vacuum gives
 * the pages that a deletion has left at its end back to the disk; in others they wait for the next operations. */
#include "server/store/sqlite/store_state.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#define RESERVE_BYTES (UINT64_C(8) << 20) /* what the WAL may hold that the file must still grow by */
#define RESERVE_MIN UINT64_C(65536)
#define RESERVE_SHARE 16u  /* of a small disk's free room */
#define PAGES_AT_ONCE "32" /* given back in one commit */
#define PAGES_KEPT 64      /* for the next operations */
#define KEYS_AT_ONCE 500
#define KEY_LIFETIME_S 86400

/* ---- the reserve ---- */

static void reserve_path(const struct store *store, char path[STORE_PATH_BYTES])
{
    snprintf(path, STORE_PATH_BYTES, "%s.reserve", store->path);
}

/* 0: none. */
static uint64_t reserve_bytes(int fd)
{
    struct statvfs disk;
    if (fstatvfs(fd, &disk) != 0)
        return 0;
    uint64_t bytes = disk.f_bavail * disk.f_frsize / RESERVE_SHARE;
    return bytes > RESERVE_BYTES ? RESERVE_BYTES : bytes < RESERVE_MIN ? 0 : bytes;
}

static bool reserve_fill(int fd)
{
    struct stat status;
    if (fstat(fd, &status) == 0 && status.st_size > 0)
        return true; /* of an earlier start */
    uint64_t bytes = reserve_bytes(fd);
    return bytes && posix_fallocate(fd, 0, (off_t)bytes) == 0;
}

void store_make_reserve(struct store *store)
{
    char path[STORE_PATH_BYTES];
    pthread_mutex_lock(&store->mutex);
    bool has_reserve = store->has_reserve;
    pthread_mutex_unlock(&store->mutex);
    if (has_reserve)
        return;
    reserve_path(store, path);
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0)
        return;
    has_reserve = reserve_fill(fd);
    close(fd);
    if (!has_reserve)
        unlink(path);
    pthread_mutex_lock(&store->mutex);
    store->has_reserve = has_reserve;
    pthread_mutex_unlock(&store->mutex);
}

bool store_use_reserve(struct store *store)
{
    char path[STORE_PATH_BYTES];
    reserve_path(store, path);
    pthread_mutex_lock(&store->mutex);
    store->has_reserve = false;
    pthread_mutex_unlock(&store->mutex);
    return unlink(path) == 0;
}

/* ---- the file ---- */

static int room_run_give_back(struct store *store, void *context)
{
    bool *more = context;
    int64_t nr_before = 0, nr_after = 0;
    int rc = sql_select_number(store->db, "PRAGMA freelist_count", SQL_NONE, &nr_before);
    if (rc != SQLITE_ROW || nr_before <= PAGES_KEPT)
        return rc == SQLITE_ROW ? SQLITE_OK : rc;
    rc = sql_run(store->db, "PRAGMA incremental_vacuum(" PAGES_AT_ONCE ")", SQL_NONE);
    if (rc == SQLITE_OK)
        rc = sql_select_number(store->db, "PRAGMA freelist_count", SQL_NONE, &nr_after);
    *more = rc == SQLITE_ROW && nr_after < nr_before; /* not so in a store without incremental vacuum */
    return rc == SQLITE_ROW ? SQLITE_OK : rc;
}

enum pagoda_error store_give_back(struct store *store, bool *more)
{
    *more = false;
    return store_run_freeing(store, room_run_give_back, more);
}

/* ---- keys ---- */

/* From where the last slice ended: keys are looked at in their order, since none says how old they are. */
static int room_run_forget(struct store *store, void *context)
{
    bool *more = context;
    struct key_cursor *at = &store->forgotten;
    sqlite3_stmt *select;
    int64_t lab = 0;
    char key[KEY_MAX + 1] = "";
    int rc = sql_select(store->db,
                        "SELECT lab, key FROM answered WHERE (lab, key) > (?1, ?2) ORDER BY lab, key LIMIT 1 OFFSET ?3",
                        SQL_VALUES(sql_i64(at->lab), sql_text(at->key), sql_i64(KEYS_AT_ONCE - 1)), &select);
    if (rc == SQLITE_OK)
        rc = sqlite3_step(select);
    *more = rc == SQLITE_ROW;
    if (*more) {
        lab = sqlite3_column_int64(select, 0);
        snprintf(key, sizeof key, "%s", (const char *)sqlite3_column_text(select, 1));
    }
    sqlite3_finalize(select);
    if (rc != SQLITE_ROW && rc != SQLITE_DONE)
        return rc;
    rc = sql_run(store->db,
                 "DELETE FROM answered WHERE (lab, key) > (?1, ?2) AND (?3 OR (lab, key) <= (?4, ?5))"
                 " AND at < strftime('%s', 'now') - ?6",
                 SQL_VALUES(sql_i64(at->lab), sql_text(at->key), sql_i64(!*more), sql_i64(lab), sql_text(key),
                            sql_i64(KEY_LIFETIME_S)));
    at->lab = lab; /* from the beginning, next time, when this was the end */
    memcpy(at->key, key, sizeof key);
    return rc;
}

enum pagoda_error store_forget_keys(struct store *store, bool *more)
{
    return store_run_freeing(store, room_run_forget, more);
}
