/* tests/lib/slow_disk.c - a disk that is slow or full, on command: a library to preload (LD_PRELOAD) into a daemon.
 *
 * The environment's SLOW_DISK names a file, which is read at each call. Does it hold a number, fsync() and fdatasync() take
 * that many milliseconds; does it hold "full", pwrite() fails with ENOSPC. Else, or without the file, all is as usual.
 * SQLite writes with pwrite() only. */
#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <time.h>

int fsync(int fd);
int fdatasync(int fd);
ssize_t pwrite64(int fd, const void *bytes, size_t nr_bytes, off64_t offset);

/* NULL: there is no such function. (A pointer to data does not become one to a function by assignment in ISO C.) */
#define NEXT(function, pointer) (*(void **)&(pointer) = dlsym(RTLD_NEXT, function))

static void read_command(char command[16])
{
    const char *path = getenv("SLOW_DISK");
    FILE *file = path ? fopen(path, "re") : NULL;
    command[0] = '\0';
    if (!file)
        return;
    if (!fgets(command, 16, file))
        command[0] = '\0';
    fclose(file);
}

static void sleep_as_told(void)
{
    char command[16];
    read_command(command);
    long ms = strtol(command, NULL, 10);
    struct timespec left = { .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000 };
    while (ms > 0 && nanosleep(&left, &left) != 0 && errno == EINTR)
        ;
}

int fsync(int fd)
{
    int (*next)(int fd);
    sleep_as_told();
    return NEXT("fsync", next) ? next(fd) : -1;
}

int fdatasync(int fd)
{
    int (*next)(int fd);
    sleep_as_told();
    return NEXT("fdatasync", next) ? next(fd) : -1;
}

ssize_t pwrite64(int fd, const void *bytes, size_t nr_bytes, off64_t offset)
{
    ssize_t (*next)(int fd, const void *bytes, size_t nr_bytes, off64_t offset);
    char command[16];
    read_command(command);
    if (strncmp(command, "full", 4) == 0) {
        errno = ENOSPC;
        return -1;
    }
    return NEXT("pwrite64", next) ? next(fd, bytes, nr_bytes, offset) : -1;
}
