/* The way out of the engine. */
#include "alloc/base/invariant.h"

_Noreturn void fault_raise(const struct pagoda_host *host, const struct pagoda_fault *fault)
{
    if (host && host->fault)
        host->fault(host->context, fault);
    __builtin_trap();
}

_Noreturn void invariant_broken(const struct pool *pool, const char *condition, const char *file, int line)
{
    const struct pagoda_host *host = pool->source ? pool->source->host : NULL;
    fault_raise(host, &(struct pagoda_fault){ PAGODA_FAULT_INVARIANT, condition, file, line });
}
