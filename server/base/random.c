/* server/base/random.c - see random.h. A signal may cut a long request short; then the rest is asked for. */
#include "server/base/random.h"

#include <errno.h>
#include <sys/random.h>

bool random_fill(void *out, size_t nr_bytes)
{
    unsigned char *at = out;
    while (nr_bytes) {
        ssize_t nr_given = getrandom(at, nr_bytes, 0);
        if (nr_given < 0 && errno == EINTR)
            continue;
        if (nr_given <= 0)
            return false;
        at += nr_given;
        nr_bytes -= (size_t)nr_given;
    }
    return true;
}
