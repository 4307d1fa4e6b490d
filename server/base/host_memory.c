/* server/base/host_memory.c - struct pagoda_host over mmap. A reservation is PROT_NONE and NORESERVE, so it costs address
 * space alone; commit makes part of it usable, and the kernel gives frames (zeroed) on the first touch. */
#include "server/base/host_memory.h"
#include "server/base/guard.h"
#include "server/base/plant.h"

#include <stdint.h>
#include <sys/mman.h>

#define HUGE_PAGE (2u * 1024u * 1024u) /* large pools grow by these: alloc/base/pool.c */

static void *host_reserve(void *context, size_t nr_bytes)
{
    (void)context;
    void *start = mmap(NULL, nr_bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (start == MAP_FAILED)
        return NULL;
    guard_note_range(start, nr_bytes);
    return start;
}

static bool host_commit(void *context, void *start, size_t nr_bytes)
{
    (void)context;
    if (plant_refuses_memory() || mprotect(start, nr_bytes, PROT_READ | PROT_WRITE))
        return false;
    if ((uintptr_t)start % HUGE_PAGE == 0 && nr_bytes >= HUGE_PAGE)
        (void)madvise(start, nr_bytes, MADV_HUGEPAGE); /* a wish */
    return true;
}

static void host_release(void *context, void *start, size_t nr_bytes)
{
    (void)context;
    munmap(start, nr_bytes);
}

const struct pagoda_host HOST_MEMORY = { host_reserve, host_commit, host_release, NULL, guard_fault };
