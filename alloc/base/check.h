/* alloc/base/check.h - what a floor's check tells of what it found. Stands on: nothing. */
#pragma once
#include <stdbool.h>
#include <stddef.h>

/* wrong: what is not as it must be; NULL: all is well. Writes it to text, cut to capacity bytes with its NUL (0: nothing is
 * written), and is true when all is well, so that a check can end with it. */
bool check_report(const char *wrong, char *text, size_t capacity);
