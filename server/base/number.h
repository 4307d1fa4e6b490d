/* server/base/number.h - whole numbers out of text: the one place where digits become values.
 *
 * The scanners walk over the digits at the front of a text and stop behind them; they are inline because importers call
 * them for every line. The parsers want the whole text to be one number. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define NUMBER_JSON_MAX UINT64_C(9007199254740991) /* 2^53-1: the largest that every JSON client holds exactly */

/* The value of a hexadecimal digit in either case; 16: the letter is none. */
static inline unsigned number_digit(char letter)
{
    unsigned digit = (unsigned)(unsigned char)letter - '0', lower = ((unsigned char)letter | 0x20u) - 'a';
    return digit < 10 ? digit : lower < 6 ? lower + 10 : 16;
}

/* Reads the decimal digits at `at`. Returns where they end; NULL: there are none, or their value is beyond 64 bits. */
static inline const char *number_scan_decimal(const char *at, const char *end, uint64_t *value)
{
    const char *start = at;
    uint64_t sum = 0;
    for (unsigned digit; at < end && (digit = (unsigned)(unsigned char)*at - '0') <= 9; at++) {
        if (sum > (UINT64_MAX - digit) / 10)
            return NULL;
        sum = sum * 10 + digit;
    }
    *value = sum;
    return at > start ? at : NULL;
}

/* The same for hexadecimal digits, without "0x" before them. */
static inline const char *number_scan_hex(const char *at, const char *end, uint64_t *value)
{
    const char *start = at;
    uint64_t sum = 0;
    for (unsigned digit; at < end && (digit = number_digit(*at)) < 16; at++) {
        if (sum >> 60)
            return NULL;
        sum = sum << 4 | digit;
    }
    *value = sum;
    return at > start ? at : NULL;
}

/* Does the text begin with "0x" or "0X", with something behind it? */
static inline bool number_has_0x(const char *text, size_t length)
{
    return length > 2 && text[0] == '0' && (text[1] | 0x20) == 'x';
}

/* "4096". False: it is something else, or beyond 64 bits; *value is then undefined. */
bool number_parse(const char *text, size_t length, uint64_t *value);
/* "0x1f", "1f": hexadecimal with or without 0x. */
bool number_parse_hex(const char *text, size_t length, uint64_t *value);
/* "64K", "256M", "4096", "0x1000": bytes. False: no size, or beyond NUMBER_JSON_MAX. */
bool size_parse(const char *text, size_t length, uint64_t *size);
/* "0xffff888000000000": 0x is needed, and at most 16 digits stand behind it. */
bool address_parse(const char *text, size_t length, uint64_t *address);
