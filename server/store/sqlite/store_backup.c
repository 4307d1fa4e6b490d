/* server/store/sqlite/store_backup.c - a copy of a store at one moment, while it may be in use.
 *
 * The copy is one read transaction, which in WAL mode holds up no writer. It is made under another name and gets its own
 * when it is whole and on disk. */
#include "server/base/problem.h"
#include "server/store/sqlite/store_state.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static int backup_copy(sqlite3 *from, sqlite3 *to)
{
    sqlite3_backup *copying = sqlite3_backup_init(to, "main", from, "main");
    if (!copying)
        return sqlite3_errcode(to);
    int rc = sqlite3_backup_step(copying, -1);
    sqlite3_backup_finish(copying);
    return rc == SQLITE_DONE ? SQLITE_OK : rc;
}

static int backup_copy_file(const char *from_path, const char *to_path)
{
    sqlite3 *from = NULL, *to = NULL;
    int rc = sqlite3_open_v2(from_path, &from, SQLITE_OPEN_READONLY, NULL);
    if (rc == SQLITE_OK)
        rc = sqlite3_open_v2(to_path, &to, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, NULL);
    if (rc == SQLITE_OK)
        rc = sqlite3_busy_timeout(from, 5000);
    if (rc == SQLITE_OK)
        rc = backup_copy(from, to);
    sqlite3_close(from);
    sqlite3_close(to);
    return rc;
}

/* The directory entry is as durable as the bytes. */
static void backup_sync_directory(const char *path)
{
    char directory[1024];
    snprintf(directory, sizeof directory, "%s", path);
    char *slash = strrchr(directory, '/');
    if (slash)
        slash[1] = '\0';
    int fd = open(slash ? directory : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd >= 0) {
        fsync(fd);
        close(fd);
    }
}

enum pagoda_error store_backup(const char *path, const char *to_path, struct problem *why)
{
    char part[1024];
    if (access(to_path, F_OK) == 0) {
        problem_say(why, "", "it is there already");
        return PAGODA_ERR_CONFLICT;
    }
    if ((size_t)snprintf(part, sizeof part, "%s.part", to_path) >= sizeof part) {
        problem_say(why, "", "the name is too long");
        return PAGODA_ERR_INVALID;
    }
    unlink(part);
    int fd = open(part, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600); /* as private as the store */
    if (fd >= 0)
        close(fd);
    int rc = fd < 0 ? SQLITE_CANTOPEN : backup_copy_file(path, part);
    if (rc == SQLITE_OK && rename(part, to_path) != 0)
        rc = SQLITE_IOERR;
    if (rc != SQLITE_OK) {
        problem_say(why, "", "%s", sqlite3_errstr(rc));
        unlink(part);
        return store_error(rc);
    }
    backup_sync_directory(to_path);
    return PAGODA_OK;
}
