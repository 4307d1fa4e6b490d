/* alloc/base/check.h - what a floor's check tells of what it found. Stands on: nothing. */
#pragma once
#include <stdbool.h>
#include <stddef.h>

/* The end of a check. Returns true when all is well; else writes what is wrong.
 * wrong     what is not as it must be; NULL: all is well.
 * text      out: wrong, with its NUL, cut to capacity.
 * capacity  bytes; 0: nothing is written. */
bool check_report(const char *wrong, char *text, size_t capacity);
