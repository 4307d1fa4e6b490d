/* server/import/call_line.h - one line of a trace of malloc calls as ltrace, LD_PRELOAD tracers, valgrind
 * --trace-malloc=yes and LTTng (lttng_ust_libc) print it. call_line.c lists the layouts. */
#pragma once
#include "pagoda/op.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum call_line_kind {
    CALL_MADE,
    CALL_UNFINISHED, /* its result comes in a CALL_RESUMED of the same thread */
    CALL_RESUMED,
    CALL_OTHER,  /* of another function, or a signal */
    CALL_REMARK, /* blank, or the end of the program */
    CALL_BROKEN, /* of malloc and its kind, but it cannot be read */
    CALL_NONE
};

struct call_line {
    enum op_kind kind;
    uint64_t arguments[2]; /* as the C function takes them: of calloc n and size, of realloc pointer and size */
    uint64_t pointer;      /* the result; 0: NULL */
    bool has_pointer;      /* false: it was not told, as of posix_memalign */
    uint64_t thread;       /* its number in the recording; 0: not told */
};

enum call_line_kind call_line_parse(const char *line, size_t length, struct call_line *call);
