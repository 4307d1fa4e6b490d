/* server/import/ops_line.h - one line of a malloc script: a letter, and up to three numbers, decimal or 0x hex, of which
 * one may be negative. Kept apart from what is done with it, because scripts are read in the millions. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct ops_line {
    char letter; /* 0: a blank line, or a comment */
    uint8_t nr_numbers;
    uint64_t numbers[3]; /* negative ones as two's complement */
};
/* False: it is none. */
bool ops_line_read(const char *line, size_t length, struct ops_line *out);
