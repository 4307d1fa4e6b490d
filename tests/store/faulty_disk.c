/* A VFS around the default one. Files of this VFS hold the real file behind a table of methods of their own; what changes
 * the disk goes through may_write(). */
#include "tests/store/faulty_disk.h"

#include <pthread.h>
#include <sqlite3.h>
#include <string.h>

struct faulty_file {
    sqlite3_file base;
    sqlite3_file *real; /* behind this struct */
};

static sqlite3_vfs faulty_vfs;
static sqlite3_io_methods methods;
static sqlite3_vfs *real_vfs;
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static int good_left = -1, failure; /* -1: disarmed */
static bool goes_on, has_failed;

void faulty_disk_arm(int nr_good, int code, bool forever)
{
    pthread_mutex_lock(&mutex);
    good_left = nr_good;
    failure = code;
    goes_on = forever;
    has_failed = false;
    pthread_mutex_unlock(&mutex);
}

bool faulty_disk_disarm(void)
{
    pthread_mutex_lock(&mutex);
    good_left = -1;
    bool failed = has_failed;
    pthread_mutex_unlock(&mutex);
    return failed;
}

static int may_write(void)
{
    int rc = SQLITE_OK;
    pthread_mutex_lock(&mutex);
    if (good_left == 0) {
        rc = failure;
        has_failed = true;
        good_left = goes_on ? 0 : -1;
    } else if (good_left > 0) {
        good_left--;
    }
    pthread_mutex_unlock(&mutex);
    return rc;
}

static sqlite3_file *real_of(sqlite3_file *file)
{
    return ((struct faulty_file *)file)->real;
}

static int file_close(sqlite3_file *file)
{
    return real_of(file)->pMethods->xClose(real_of(file));
}
static int file_read(sqlite3_file *file, void *out, int count, sqlite3_int64 at)
{
    return real_of(file)->pMethods->xRead(real_of(file), out, count, at);
}
static int file_write(sqlite3_file *file, const void *bytes, int count, sqlite3_int64 at)
{
    int rc = may_write();
    if (rc != SQLITE_OK && count > 1) /* a torn write: the first half arrives */
        real_of(file)->pMethods->xWrite(real_of(file), bytes, count / 2, at);
    return rc != SQLITE_OK ? rc : real_of(file)->pMethods->xWrite(real_of(file), bytes, count, at);
}
static int file_truncate(sqlite3_file *file, sqlite3_int64 size)
{
    int rc = may_write();
    return rc != SQLITE_OK ? rc : real_of(file)->pMethods->xTruncate(real_of(file), size);
}
static int file_sync(sqlite3_file *file, int flags)
{
    (void)flags;
    (void)file; /* no need to wait for a disk in a test */
    return may_write();
}
static int file_size(sqlite3_file *file, sqlite3_int64 *size)
{
    return real_of(file)->pMethods->xFileSize(real_of(file), size);
}
static int file_lock(sqlite3_file *file, int lock)
{
    return real_of(file)->pMethods->xLock(real_of(file), lock);
}
static int file_unlock(sqlite3_file *file, int lock)
{
    return real_of(file)->pMethods->xUnlock(real_of(file), lock);
}
static int file_check_lock(sqlite3_file *file, int *out)
{
    return real_of(file)->pMethods->xCheckReservedLock(real_of(file), out);
}
static int file_control(sqlite3_file *file, int op, void *argument)
{
    return real_of(file)->pMethods->xFileControl(real_of(file), op, argument);
}
static int file_sector_size(sqlite3_file *file)
{
    return real_of(file)->pMethods->xSectorSize(real_of(file));
}
static int file_characteristics(sqlite3_file *file)
{
    return real_of(file)->pMethods->xDeviceCharacteristics(real_of(file));
}
static int file_shm_map(sqlite3_file *file, int page, int size, int extend, void volatile **out)
{
    return real_of(file)->pMethods->xShmMap(real_of(file), page, size, extend, out);
}
static int file_shm_lock(sqlite3_file *file, int offset, int count, int flags)
{
    return real_of(file)->pMethods->xShmLock(real_of(file), offset, count, flags);
}
static void file_shm_barrier(sqlite3_file *file)
{
    real_of(file)->pMethods->xShmBarrier(real_of(file));
}
static int file_shm_unmap(sqlite3_file *file, int is_deleted)
{
    return real_of(file)->pMethods->xShmUnmap(real_of(file), is_deleted);
}

static int vfs_open(sqlite3_vfs *vfs, const char *name, sqlite3_file *file, int flags, int *out_flags)
{
    (void)vfs;
    struct faulty_file *faulty = (struct faulty_file *)file;
    faulty->real = (sqlite3_file *)(faulty + 1);
    int rc = real_vfs->xOpen(real_vfs, name, faulty->real, flags, out_flags);
    faulty->base.pMethods = faulty->real->pMethods ? &methods : NULL;
    return rc;
}

void faulty_disk_register(void)
{
    real_vfs = sqlite3_vfs_find(NULL);
    faulty_vfs = *real_vfs;
    faulty_vfs.zName = "faulty";
    faulty_vfs.pNext = NULL;
    faulty_vfs.szOsFile = (int)sizeof(struct faulty_file) + real_vfs->szOsFile;
    faulty_vfs.xOpen = vfs_open;
    methods = (sqlite3_io_methods){ .iVersion = 2,
                                    .xClose = file_close,
                                    .xRead = file_read,
                                    .xWrite = file_write,
                                    .xTruncate = file_truncate,
                                    .xSync = file_sync,
                                    .xFileSize = file_size,
                                    .xLock = file_lock,
                                    .xUnlock = file_unlock,
                                    .xCheckReservedLock = file_check_lock,
                                    .xFileControl = file_control,
                                    .xSectorSize = file_sector_size,
                                    .xDeviceCharacteristics = file_characteristics,
                                    .xShmMap = file_shm_map,
                                    .xShmLock = file_shm_lock,
                                    .xShmBarrier = file_shm_barrier,
                                    .xShmUnmap = file_shm_unmap };
    sqlite3_vfs_register(&faulty_vfs, 1);
}
