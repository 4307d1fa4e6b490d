/* server/base/utf16.h - UTF-16 as UTF-8, in place: what PowerShell and Windows editors make of a trace. */
#pragma once
#include <stdbool.h>
#include <stddef.h>

enum encoding { ENCODING_UNKNOWN, ENCODING_BYTES, ENCODING_UTF16LE, ENCODING_UTF16BE };

/* By a byte order mark, or by zeroes beside the first letters. *nr_mark: bytes of the mark, 0: there is none. */
enum encoding encoding_detect(const char *text, size_t length, size_t *nr_mark);

/* Rewrites text. What has three bytes in UTF-8 becomes '?', so the text grows no longer.
 * *odd  in, out: the byte that the text before left over, -1: none. With one, text has room for a byte more.
 * Returns the new length. */
size_t utf16_decode(enum encoding encoding, char *text, size_t length, int *odd);
