/* pagoda/host.h - the one hook through which the engine gets host memory. */
#pragma once
#include <stdbool.h>
#include <stddef.h>

/* A machine reserves one address range when it is created and commits parts of it as its pools grow, so that host memory
 * is paid for what is touched. reserve returns page-aligned memory that reads as zeroes once committed, or NULL; commit
 * may be refused (false: the operation that needed it ends with PAGODA_ERR_NOMEM and changes nothing); decommit says
 * that a part which still reads as zeroes is not needed for now (NULL: the host does not want to know); release gets
 * exactly what reserve returned. The engine calls nothing else of the host.
 *
 * reserve may put another context in place of its own: that of the range, for its commits and its release. */
struct pagoda_host {
    void *(*reserve)(void **context, size_t nr_bytes);
    bool (*commit)(void *context, void *start, size_t nr_bytes);
    void (*decommit)(void *context, void *start, size_t nr_bytes);
    void (*release)(void *context, void *start, size_t nr_bytes);
    void *context;
};
