/* alloc/base/invariant.h - what must hold. A broken invariant does not end the process: control leaves the engine through
 * the host's hook, and whoever called it drops the machine. Stands on: pool. */
#pragma once
#include "alloc/base/pool.h"

/* Leaves the engine. Ends the process by a trap where the host has no hook. */
_Noreturn void fault_raise(const struct pagoda_host *host, const struct pagoda_fault *fault);
/* pool  any pool of the machine: it knows the host. */
_Noreturn void invariant_broken(const struct pool *pool, const char *condition, const char *file, int line);

/* In every build. pool  any pool of the machine that is at hand. */
#define INVARIANT(pool_, condition_) ((condition_) ? (void)0 : invariant_broken((pool_), #condition_, __FILE__, __LINE__))
