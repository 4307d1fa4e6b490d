/* server/store/sqlite/store_files.c - the files of a store: who may read them, the lock, the key, and whether they are
 * still where they were.
 *
 * STORE holds what its users did, so it and what lies beside it is for its owner alone. SQLite gives -wal and -shm the mode
 * of the file. STORE.key is a secret of this host, by which it knows the images that it has made: it goes into no copy. */
#include "server/base/problem.h"
#include "server/base/random.h"
#include "server/store/sqlite/store_state.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define OWNER_ONLY 0600

void store_make_directories(const char *path)
{
    char part[1024];
    snprintf(part, sizeof part, "%s", path);
    for (char *slash = strchr(part + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        mkdir(part, 0777); /* a failure shows when the file itself is opened */
        *slash = '/';
    }
}

static int files_open(const struct store *store, const char *end, int flags, char path[STORE_PATH_BYTES])
{
    snprintf(path, STORE_PATH_BYTES, "%s%s", store->path, end);
    return open(path, flags | O_CLOEXEC, OWNER_ONLY);
}

/* What an older pagodad has left readable for others is so no longer. */
static void files_narrow(int fd)
{
    struct stat status;
    if (fstat(fd, &status) == 0 && (status.st_mode & 077))
        fchmod(fd, OWNER_ONLY); /* of another owner: as that one has wanted it */
}

enum pagoda_error store_narrow_files(struct store *store, struct problem *why)
{
    static const char *const ENDS[] = { "-wal", "-shm", "" };
    char path[STORE_PATH_BYTES];
    for (size_t i = 0; i < sizeof ENDS / sizeof ENDS[0]; i++) {
        int fd = files_open(store, ENDS[i], ENDS[i][0] ? O_RDWR : O_RDWR | O_CREAT, path);
        if (fd < 0 && !ENDS[i][0]) {
            problem_say(why, "store", "cannot open %s: %s", path, strerror(errno));
            return errno == ENOSPC ? PAGODA_ERR_FULL : PAGODA_ERR_IO;
        }
        if (fd >= 0) {
            files_narrow(fd);
            close(fd);
        }
    }
    return PAGODA_OK;
}

enum pagoda_error store_take_lock(struct store *store, struct problem *why)
{
    char path[STORE_PATH_BYTES];
    store->lock_fd = files_open(store, ".lock", O_RDWR | O_CREAT, path);
    if (store->lock_fd < 0) {
        problem_say(why, "store", "cannot open %s: %s", path, strerror(errno));
        return PAGODA_ERR_IO;
    }
    files_narrow(store->lock_fd);
    if (flock(store->lock_fd, LOCK_EX | LOCK_NB) != 0) {
        problem_say(why, "store", "%s is in use by another pagodad", store->path);
        return PAGODA_ERR_CONFLICT;
    }
    return PAGODA_OK;
}

/* ---- where they are ---- */

static struct file_place files_find(const struct store *store, const char *end)
{
    char path[STORE_PATH_BYTES];
    struct stat status;
    snprintf(path, sizeof path, "%s%s", store->path, end);
    return stat(path, &status) == 0 ? (struct file_place){ status.st_dev, status.st_ino } : (struct file_place){ 0, 0 };
}

static bool files_are_equal(struct file_place a, struct file_place b)
{
    return a.device == b.device && a.number == b.number;
}

void store_find_place(struct store *store)
{
    store->place = files_find(store, "");
    store->wal_place = files_find(store, "-wal");
}

bool store_is_in_place(struct store *store)
{
    return files_are_equal(store->place, files_find(store, "")) &&
           files_are_equal(store->wal_place, files_find(store, "-wal"));
}

/* ---- the key ---- */

static void key_path(const struct store *store, const char *given, char path[STORE_PATH_BYTES])
{
    snprintf(path, STORE_PATH_BYTES, "%s%s", given ? given : store->path, given ? "" : ".key");
}

static enum pagoda_error key_write(const char *path, const unsigned char *key, size_t nr_bytes)
{
    char part[STORE_PATH_BYTES + 8];
    snprintf(part, sizeof part, "%s.part", path);
    unlink(part);
    int fd = open(part, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, OWNER_ONLY);
    bool ok = fd >= 0 && write(fd, key, nr_bytes) == (ssize_t)nr_bytes && fsync(fd) == 0;
    if (fd >= 0)
        close(fd);
    ok = ok && (link(part, path) == 0 || errno == EEXIST); /* whoever was first: that key is read */
    unlink(part);
    return ok ? PAGODA_OK : errno == ENOSPC ? PAGODA_ERR_FULL : PAGODA_ERR_IO;
}

/* NOT_FOUND: there is no such file. */
static enum pagoda_error key_read(const char *path, struct store *store, struct problem *why)
{
    unsigned char bytes[sizeof store->key + 1];
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 && errno == ENOENT)
        return PAGODA_ERR_NOT_FOUND;
    ssize_t nr = fd < 0 ? -1 : read(fd, bytes, sizeof bytes);
    if (nr != (ssize_t)sizeof store->key)
        problem_say(why, "key-file", "%s: %s", path, nr < 0 ? strerror(errno) : "a key has 32 bytes");
    if (fd >= 0) {
        files_narrow(fd);
        close(fd);
    }
    if (nr != (ssize_t)sizeof store->key)
        return PAGODA_ERR_IO;
    memcpy(store->key, bytes, sizeof store->key);
    crypto_generichash((unsigned char *)&store->key_number, sizeof store->key_number, store->key, sizeof store->key, NULL,
                       0);
    store->key_number |= 1; /* 0 is nobody's */
    return PAGODA_OK;
}

enum pagoda_error store_read_key(struct store *store, const char *given, struct problem *why)
{
    char path[STORE_PATH_BYTES];
    key_path(store, given, path);
    return key_read(path, store, why);
}

enum pagoda_error store_make_key(struct store *store, const char *given, struct problem *why)
{
    char path[STORE_PATH_BYTES];
    unsigned char key[sizeof store->key];
    key_path(store, given, path);
    enum pagoda_error error = key_read(path, store, why);
    if (error != PAGODA_ERR_NOT_FOUND)
        return error;
    error = random_fill(key, sizeof key) ? key_write(path, key, sizeof key) : PAGODA_ERR_RANDOM;
    if (error)
        problem_say(why, "key-file", "cannot make %s: %s", path,
                    error == PAGODA_ERR_RANDOM ? pagoda_error_text(error) : strerror(errno));
    return error ? error : key_read(path, store, why);
}
