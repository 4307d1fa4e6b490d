/* server/base/utf16.c - see utf16.h. Letters below U+0080 become one byte, those below U+0800 two: never more than they
 * had. So one pointer writes behind the one that reads. */
#include "server/base/utf16.h"

#include <string.h>

static bool text_begins(const char *text, size_t length, const char *start, size_t nr)
{
    return length >= nr && memcmp(text, start, nr) == 0;
}

enum encoding encoding_detect(const char *text, size_t length, size_t *nr_mark)
{
    *nr_mark = 2;
    if (text_begins(text, length, "\xff\xfe", 2) && !text_begins(text, length, "\xff\xfe\0\0", 4)) /* not UTF-32 */
        return ENCODING_UTF16LE;
    if (text_begins(text, length, "\xfe\xff", 2))
        return ENCODING_UTF16BE;
    *nr_mark = text_begins(text, length, "\xef\xbb\xbf", 3) ? 3 : 0; /* of UTF-8 */
    if (*nr_mark || length < 4)
        return ENCODING_BYTES;
    if (text[0] && !text[1] && text[2] && !text[3])
        return ENCODING_UTF16LE;
    return !text[0] && text[1] && !text[2] && text[3] ? ENCODING_UTF16BE : ENCODING_BYTES;
}

static char *utf16_put(char *out, unsigned letter)
{
    if (letter < 0x80) {
        *out++ = (char)letter;
    } else if (letter < 0x800) {
        *out++ = (char)(0xc0 | letter >> 6);
        *out++ = (char)(0x80 | (letter & 0x3f));
    } else {
        *out++ = '?';
    }
    return out;
}

size_t utf16_decode(enum encoding encoding, char *text, size_t length, int *odd)
{
    unsigned high = encoding == ENCODING_UTF16LE; /* which byte of a pair is the high one */
    char *out = text;
    if (*odd >= 0 && length) {
        memmove(text + 1, text, length++);
        *text = (char)*odd;
        *odd = -1;
    }
    for (size_t i = 0; i + 1 < length; i += 2) {
        unsigned pair[2] = { (unsigned char)text[i], (unsigned char)text[i + 1] };
        out = utf16_put(out, pair[high] << 8 | pair[!high]);
    }
    if (length % 2)
        *odd = (unsigned char)text[length - 1];
    return (size_t)(out - text);
}
