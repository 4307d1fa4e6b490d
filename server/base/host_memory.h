/* server/base/host_memory.h - host memory for machines: address space by mmap, paid for as it is committed, within limits.
 *
 * A machine's range is one mapping. All machines of the process are counted together. */
#pragma once
#include "pagoda/error.h"
#include "pagoda/host.h"

#include <stdint.h>

extern const struct pagoda_host HOST_MEMORY;

struct host_limits {
    uint64_t machine; /* bytes that one machine may commit; no limit to begin with */
    uint64_t all;     /* bytes that all machines together may commit; no limit to begin with */
};
void host_memory_limit(const struct host_limits *limits); /* what is committed already stays */
uint64_t host_memory_committed(void);                     /* bytes, of all machines */

/* What this thread commits from now on until it says otherwise is beyond the limit of a machine: it replays what was within
 * it once, perhaps in other steps. */
void host_memory_replay(bool is_replay);

/* Has make_room called before a commit or a reservation is refused for want of memory, on the thread that asks. It ends
 * machines that nobody uses. False: there are none. Set before the first machine is made. NULL: nobody. */
void host_memory_on_shortage(bool (*make_room)(void *context), void *context);

/* Which limit was it? Turns PAGODA_ERR_NOMEM, which the engine has just returned on this thread, into
 * PAGODA_ERR_LAB_MEMORY or PAGODA_ERR_BUDGET, and says in *why (NULL: nowhere) how much there is. Other errors pass. */
enum pagoda_error host_memory_explain(enum pagoda_error error, struct problem *why);
