/* tests/lib/failing_host.c - see failing_host.h. */
#include "tests/lib/failing_host.h"

#include <errno.h>
#include <stdatomic.h>
#include <stddef.h>
#include <sys/types.h>

static atomic_uint countdown; /* allocations until the failing one; 0: none fails */
static atomic_bool has_failed, refuses_random;
static atomic_size_t awaited_bytes; /* 0: no allocation is awaited */
static void (*awaiting)(void);

void failing_host_fail_allocation(unsigned nth)
{
    atomic_store(&has_failed, false);
    atomic_store(&countdown, nth);
}

bool failing_host_has_failed(void)
{
    return atomic_load(&has_failed);
}

void failing_host_refuse_random(bool refuse)
{
    atomic_store(&refuses_random, refuse);
}

void failing_host_await_allocation(size_t nr_bytes, void (*call)(void))
{
    awaiting = call;
    atomic_store(&awaited_bytes, nr_bytes);
}

static void see_allocation(size_t nr_bytes)
{
    size_t awaited = atomic_load(&awaited_bytes);
    if (awaited && nr_bytes >= awaited && atomic_compare_exchange_strong(&awaited_bytes, &awaited, 0))
        awaiting();
}

static bool allocation_fails(void)
{
    unsigned left = atomic_load(&countdown);
    while (left && !atomic_compare_exchange_weak(&countdown, &left, left - 1))
        ;
    if (left != 1)
        return false;
    atomic_store(&has_failed, true);
    errno = ENOMEM;
    return true;
}

/* The linker's names: __wrap_f takes the calls of f, __real_f is the library's. */
void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *block, size_t size);
ssize_t __real_getrandom(void *out, size_t size, unsigned flags);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *block, size_t size);
ssize_t __wrap_getrandom(void *out, size_t size, unsigned flags);

void *__wrap_malloc(size_t size)
{
    see_allocation(size);
    return allocation_fails() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size)
{
    return allocation_fails() ? NULL : __real_calloc(count, size);
}

void *__wrap_realloc(void *block, size_t size)
{
    return allocation_fails() ? NULL : __real_realloc(block, size);
}

ssize_t __wrap_getrandom(void *out, size_t size, unsigned flags)
{
    if (!atomic_load(&refuses_random))
        return __real_getrandom(out, size, flags);
    errno = ENOSYS;
    return -1;
}
