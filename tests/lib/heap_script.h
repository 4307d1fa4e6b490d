/* tests/lib/heap_script.h - small programs that misuse malloc, a line a call. The same lines run against the real C library
 * (tests/unit/malloc/techniques/record.c) and against a simulated machine (tests/unit/malloc/test_techniques.c).
 *
 *      a = malloc 0x428            also calloc 1, 8; memalign 0x100, 40; realloc a, 80
 *      free a + 0x10
 *      write a + 0x18, area - 0x20         eight bytes; write1: one
 *      read libc + 0x1d3cc0                eight bytes
 *      link b, area                        writes a protected link at b that leads to area
 *      x7 t# = malloc 0x80                 seven times; # is the number of the turn
 *
 * Values are numbers, names that were given, and heap, libc, area, thread: where these begin. Operators are + - ^ & >>,
 * from left to right. The result of a line is written in the same words, so that it does not depend on where things lie:
 *
 *      heap+0x2a0
 *      P(heap+0x2a0)       a protected link to there, by the place that it was read from
 *      elsewhere           an address that a call gave, in none of these places
 *
 * Nothing here calls malloc. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HEAP_SCRIPT_NAMES 512u
#define HEAP_SCRIPT_NAME 16u

struct heap_script {
    uint64_t heap, libc, area, thread; /* where these begin */
    void *target;
    /* function: the first letter of malloc, calloc, realloc, memalign (as 'a'), free. False: the process has ended. */
    bool (*call)(void *target, char function, uint64_t a, uint64_t b, uint64_t *result);
    bool (*write)(void *target, uint64_t at, uint64_t value, uint32_t nr_bytes);
    bool (*read)(void *target, uint64_t at, uint64_t *value);
    uint32_t nr_names;
    char names[HEAP_SCRIPT_NAMES][HEAP_SCRIPT_NAME];
    uint64_t values[HEAP_SCRIPT_NAMES];
};

/* Runs a line. False: the process has ended; the caller knows how.
 * result  out: in words; empty if the line has none. */
bool heap_script_line(struct heap_script *script, const char *line, char result[64]);
