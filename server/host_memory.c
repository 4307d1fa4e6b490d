/* server/host_memory.c - struct pagoda_host over mmap. A reservation is PROT_NONE and NORESERVE, so it costs address space
 * alone; commit makes part of it usable, and the kernel gives frames (zeroed) on the first touch. */
#include "server/host_memory.h"

#include <sys/mman.h>

static void *reserve(void *context, size_t nr_bytes)
{
    (void)context;
    void *start = mmap(NULL, nr_bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    return start == MAP_FAILED ? NULL : start;
}

static bool commit(void *context, void *start, size_t nr_bytes)
{
    (void)context;
    return mprotect(start, nr_bytes, PROT_READ | PROT_WRITE) == 0;
}

static void release(void *context, void *start, size_t nr_bytes)
{
    (void)context;
    munmap(start, nr_bytes);
}

const struct pagoda_host HOST_MEMORY = { reserve, commit, release, NULL };
