/* pagoda/host.h - the hooks through which the engine gets host memory, and through which control leaves it when it cannot
 * go on. */
#pragma once
#include <stdbool.h>
#include <stddef.h>

enum pagoda_fault_kind {
    PAGODA_FAULT_INVARIANT,   /* the engine has found itself in a state that cannot be */
    PAGODA_FAULT_HOST_MEMORY, /* an operation needed more than was reserved for it, and the host refused to give more */
    PAGODA_FAULT_UNDERCOUNT,  /* checked builds: an operation took more than was reserved for it */
};
/* Why a call cannot go on. Its texts are good until fault() is left. */
struct pagoda_fault {
    enum pagoda_fault_kind kind;
    const char *text; /* a sentence fragment */
    const char *file; /* of the engine's source */
    int line;
};

/* A machine reserves one address range when it is created and commits parts of it as its pools grow, so that host memory
 * is paid for what is touched. reserve returns page-aligned memory that reads as zeroes once committed, or NULL; commit
 * may be refused (false: the operation that needed it ends with PAGODA_ERR_NOMEM and changes nothing); decommit says
 * that a part which still reads as zeroes is not needed for now (NULL: the host does not want to know); release gets
 * exactly what reserve returned.
 *
 * reserve may put another context in place of its own: that of the range, for its commits, its release and its faults.
 *
 * fault is called in the middle of a call into the engine that cannot go on. It must not return: it leaves the call, by
 * longjmp() to where the engine was called, or by ending the process. The engine owns nothing but the machine, so nothing
 * leaks. Afterwards the machine is undefined: machine_destroy() is all that may be done with it. NULL, or a fault() that
 * returns: the process ends by a trap. The engine calls nothing else of the host. */
struct pagoda_host {
    void *(*reserve)(void **context, size_t nr_bytes);
    bool (*commit)(void *context, void *start, size_t nr_bytes);
    void (*decommit)(void *context, void *start, size_t nr_bytes);
    void (*release)(void *context, void *start, size_t nr_bytes);
    void *context;
    void (*fault)(void *context, const struct pagoda_fault *fault);
};
