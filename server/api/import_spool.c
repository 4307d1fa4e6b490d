/* server/api/import_spool.c - see import_spool.h. */
#include "server/api/import_spool.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

#define SPOOLS_OF_LIMIT 4u      /* all spools together, by the limit of one body */
#define DISK_FOR_LOG (64 * MIB) /* what spools leave free; of a small disk, an eighth */

/* Is there room for the log? */
static bool disk_has_room(int file)
{
    struct statvfs disk;
    if (fstatvfs(file, &disk) != 0)
        return true;
    uint64_t whole = disk.f_blocks * disk.f_frsize, left = disk.f_bavail * disk.f_frsize;
    return left >= (whole / 8 < DISK_FOR_LOG ? whole / 8 : DISK_FOR_LOG);
}

static bool import_spool_has_room(struct import_run *run, uint64_t nr_bytes)
{
    run->nr_spooled += nr_bytes;
    uint64_t in_all = atomic_fetch_add(&run->app->nr_spooled, nr_bytes) + nr_bytes;
    return in_all <= SPOOLS_OF_LIMIT * run->app->limits.upload && disk_has_room(run->spool);
}

static enum pagoda_error import_spool_body(struct import_run *run)
{
    char block[64 * KIB];
    long nr;
    while ((nr = import_read_body(run, block, sizeof block)) > 0)
        if (!import_spool_has_room(run, (uint64_t)nr) || write(run->spool, block, (size_t)nr) != nr)
            return PAGODA_ERR_FULL;
    return nr == 0 ? PAGODA_OK : PAGODA_ERR_CONFLICT;
}

enum pagoda_error import_spool(struct import_run *run)
{
    char directory[4096];
    snprintf(directory, sizeof directory, "%s", run->app->options->store);
    char *slash = strrchr(directory, '/');
    if (slash)
        *slash = '\0';
    run->spool = open(slash ? directory : ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (run->spool < 0)
        return PAGODA_ERR_IO;
    enum pagoda_error error = import_spool_body(run);
    if (error)
        import_spool_close(run);
    return error;
}

void import_spool_close(struct import_run *run)
{
    close(run->spool);
    atomic_fetch_sub(&run->app->nr_spooled, run->nr_spooled);
}

static long import_read_spool(void *context, void *out, size_t capacity)
{
    struct import_run *run = context;
    return read(run->spool, out, capacity);
}

static bool import_spool_is_over(void *context)
{
    return upload_is_cancelled(((struct import_run *)context)->upload);
}

struct source import_spool_source(struct import_run *run)
{
    lseek(run->spool, 0, SEEK_SET);
    return (struct source){ .read = import_read_spool, .is_over = import_spool_is_over, .context = run };
}
