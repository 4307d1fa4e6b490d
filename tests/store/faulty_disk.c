/* A VFS around the default one. Files of this VFS hold the real file behind a table of methods of their own; what changes
 * the disk goes through may_write(). */
#include "tests/store/faulty_disk.h"

#include <dirent.h>
#include <pthread.h>
#include <sqlite3.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

struct faulty_file {
    sqlite3_file base;
    sqlite3_file *real; /* behind this struct */
};

static sqlite3_vfs faulty_vfs;
static sqlite3_io_methods methods;
static sqlite3_vfs *real_vfs;
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
/* Which calls fail. */
struct fault {
    int good_left, code; /* good_left -1: disarmed */
    bool goes_on;
};
static struct fault writes = { .good_left = -1 }, reads = { .good_left = -1 }, shorts = { .good_left = -1 };
static bool has_failed;
static char limited_directory[256];
static uint64_t limit; /* bytes; 0: none */

static void fault_arm(struct fault *fault, int nr_good, int code, bool forever)
{
    pthread_mutex_lock(&mutex);
    *fault = (struct fault){ nr_good, code, forever };
    has_failed = false;
    pthread_mutex_unlock(&mutex);
}

void faulty_disk_arm(int nr_good, int code, bool forever)
{
    fault_arm(&writes, nr_good, code, forever);
}

void faulty_disk_arm_reads(int nr_good, int code, bool forever)
{
    fault_arm(&reads, nr_good, code, forever);
}

void faulty_disk_arm_short(int nr_good, bool forever)
{
    fault_arm(&shorts, nr_good, SQLITE_IOERR, forever);
}

bool faulty_disk_disarm(void)
{
    pthread_mutex_lock(&mutex);
    writes.good_left = reads.good_left = shorts.good_left = -1;
    bool failed = has_failed;
    pthread_mutex_unlock(&mutex);
    return failed;
}

static int fault_meet(struct fault *fault)
{
    int rc = SQLITE_OK;
    pthread_mutex_lock(&mutex);
    if (fault->good_left == 0) {
        rc = fault->code;
        has_failed = true;
        fault->good_left = fault->goes_on ? 0 : -1;
    } else if (fault->good_left > 0) {
        fault->good_left--;
    }
    pthread_mutex_unlock(&mutex);
    return rc;
}

static int may_write(void)
{
    return fault_meet(&writes);
}

/* ---- system calls that do less than they are asked for ---- */

static size_t maybe_half(size_t nr_bytes)
{
    return nr_bytes > 1 && fault_meet(&shorts) != SQLITE_OK ? nr_bytes / 2 : nr_bytes;
}
static ssize_t short_read(int fd, void *out, size_t nr_bytes)
{
    return read(fd, out, maybe_half(nr_bytes));
}
static ssize_t short_pread(int fd, void *out, size_t nr_bytes, off_t at)
{
    return pread(fd, out, maybe_half(nr_bytes), at);
}
static ssize_t short_write(int fd, const void *bytes, size_t nr_bytes)
{
    return write(fd, bytes, maybe_half(nr_bytes));
}
static ssize_t short_pwrite(int fd, const void *bytes, size_t nr_bytes, off_t at)
{
    return pwrite(fd, bytes, maybe_half(nr_bytes), at);
}

/* SQLite uses those that it was built for. */
static void replace_calls(sqlite3_vfs *vfs)
{
    const struct {
        const char *name;
        sqlite3_syscall_ptr call;
    } CALLS[] = { { "read", (sqlite3_syscall_ptr)short_read },     { "pread", (sqlite3_syscall_ptr)short_pread },
                  { "pread64", (sqlite3_syscall_ptr)short_pread }, { "write", (sqlite3_syscall_ptr)short_write },
                  { "pwrite", (sqlite3_syscall_ptr)short_pwrite }, { "pwrite64", (sqlite3_syscall_ptr)short_pwrite } };
    for (size_t i = 0; i < sizeof CALLS / sizeof CALLS[0]; i++)
        vfs->xSetSystemCall(vfs, CALLS[i].name, CALLS[i].call);
}

/* ---- a disk of a size of one's own ---- */

void faulty_disk_limit(const char *directory, uint64_t nr_bytes)
{
    pthread_mutex_lock(&mutex);
    snprintf(limited_directory, sizeof limited_directory, "%s", directory);
    limit = nr_bytes;
    pthread_mutex_unlock(&mutex);
}

static uint64_t used_bytes(void)
{
    uint64_t sum = 0;
    DIR *directory = opendir(limited_directory);
    struct stat status;
    for (struct dirent *entry; directory && (entry = readdir(directory));)
        if (fstatat(dirfd(directory), entry->d_name, &status, 0) == 0 && S_ISREG(status.st_mode))
            sum += (uint64_t)status.st_size;
    if (directory)
        closedir(directory);
    return sum;
}

static bool has_room(sqlite3_file *real, sqlite3_int64 end)
{
    sqlite3_int64 size = 0;
    pthread_mutex_lock(&mutex);
    bool is_short = limit && real->pMethods->xFileSize(real, &size) == SQLITE_OK && end > size &&
                    used_bytes() + (uint64_t)(end - size) > limit;
    has_failed = has_failed || is_short;
    pthread_mutex_unlock(&mutex);
    return !is_short;
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
    int rc = fault_meet(&reads);
    if (rc != SQLITE_OK)
        return rc;
    return real_of(file)->pMethods->xRead(real_of(file), out, count, at);
}
static int file_write(sqlite3_file *file, const void *bytes, int count, sqlite3_int64 at)
{
    int rc = has_room(real_of(file), at + count) ? may_write() : SQLITE_FULL;
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
    replace_calls(real_vfs);
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
