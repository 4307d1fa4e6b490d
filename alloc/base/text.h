/* alloc/base/text.h - texts put together in a caller's buffer: a small printf, because the engine imports none.
 * Stands on: nothing. */
#pragma once
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

/* The verbs are a subset of printf's, so that the compiler checks them:
 *   %s %c %d %u %x   char *, int, int, uint32_t, uint32_t
 *   %ju %jx %jd      uint64_t, uint64_t, int64_t
 *   %zu              size_t
 *   %%               the sign itself
 * Between '%' and the verb stand, as in printf: '-' (to the left) or '0' (zeroes in front), a width, '.' and a precision
 * (of %s alone: at most so many bytes). Width and precision may be '*'. Anything else is an assertion that fails. */
#define TEXT_FORMAT(format_, first_) __attribute__((format(printf, format_, first_)))

#define TEXT_DIGITS_MAX 20u /* of 2^64 - 1 */
/* The two arguments of "%.*s" for a struct text. */
#define TEXT_ARG(text_) (int)(text_).length, (text_).start

struct text_out {
    char *start;     /* the caller's buffer */
    size_t capacity; /* bytes, the NUL included; 0: nothing is written, the length is counted */
    size_t length;   /* bytes of the whole text, also of what was cut */
};

/* Adds to the text. What is beyond the capacity is counted and cut. The buffer ends with NUL. */
void text_add(struct text_out *out, const char *format, ...) TEXT_FORMAT(2, 3);
void text_add_v(struct text_out *out, const char *format, va_list args) TEXT_FORMAT(2, 0);
/* Writes a whole text, and returns its length before it was cut. */
size_t text_print(char *out, size_t capacity, const char *format, ...) TEXT_FORMAT(3, 4);
/* Writes the digits of a number, without NUL, and returns how many they are. base is 10 or 16. */
uint32_t text_digits(char digits[TEXT_DIGITS_MAX], uint64_t number, uint32_t base);
