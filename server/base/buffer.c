/* server/base/buffer.c - see buffer.h. Capacity doubles; a comma is owed exactly when the last byte ends a value, which the
 * byte itself tells: after '{', '[', ':' and at the start of a line none is. */
#include "server/base/buffer.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FIRST_CAPACITY 2048u /* most results fit */

void buffer_clear(struct buffer *buffer)
{
    free(buffer->data);
    *buffer = (struct buffer){ 0 };
}

char *buffer_grow(struct buffer *buffer, size_t nr_bytes)
{
    if (buffer->failed)
        return NULL;
    if (buffer->capacity - buffer->length >= nr_bytes)
        return buffer->data + buffer->length;
    size_t capacity = buffer->capacity ? buffer->capacity : FIRST_CAPACITY;
    while (capacity - buffer->length < nr_bytes) {
        if (capacity > SIZE_MAX / 2)
            goto fail;
        capacity *= 2;
    }
    char *data = realloc(buffer->data, capacity);
    if (!data)
        goto fail;
    buffer->data = data;
    buffer->capacity = capacity;
    return data + buffer->length;
fail:
    buffer->failed = true;
    return NULL;
}

void buffer_add(struct buffer *buffer, const void *bytes, size_t nr_bytes)
{
    char *end = nr_bytes ? buffer_grow(buffer, nr_bytes) : NULL;
    if (!end)
        return;
    memcpy(end, bytes, nr_bytes);
    buffer->length += nr_bytes;
}

void buffer_text(struct buffer *buffer, const char *text)
{
    buffer_add(buffer, text, strlen(text));
}

void buffer_print(struct buffer *buffer, const char *format, ...)
{
    va_list arguments, again;
    va_start(arguments, format);
    va_copy(again, arguments);
    int length = vsnprintf(NULL, 0, format, arguments);
    va_end(arguments);
    char *end = length < 0 ? NULL : buffer_grow(buffer, (size_t)length + 1);
    if (end) {
        vsnprintf(end, (size_t)length + 1, format, again);
        buffer->length += (size_t)length;
    }
    va_end(again);
}

const char *buffer_terminate(struct buffer *buffer)
{
    char *end = buffer_grow(buffer, 1);
    if (!end)
        return "";
    *end = '\0';
    return buffer->data;
}

static void put_separator(struct buffer *out)
{
    if (out->length == 0 || out->failed)
        return;
    char last = out->data[out->length - 1];
    if (last != '{' && last != '[' && last != ':' && last != '\n')
        buffer_add(out, ",", 1);
}

void put_open(struct buffer *out, char bracket)
{
    put_separator(out);
    buffer_add(out, &bracket, 1);
}

void put_close(struct buffer *out, char bracket)
{
    buffer_add(out, &bracket, 1);
}

void put_key(struct buffer *out, const char *key)
{
    put_separator(out);
    buffer_add(out, "\"", 1);
    buffer_text(out, key);
    buffer_add(out, "\":", 2);
}

void put_u64(struct buffer *out, uint64_t value)
{
    char digits[20];
    size_t at = sizeof digits;
    do {
        digits[--at] = (char)('0' + value % 10);
        value /= 10;
    } while (value);
    put_separator(out);
    buffer_add(out, digits + at, sizeof digits - at);
}

void put_i64(struct buffer *out, int64_t value)
{
    put_separator(out);
    buffer_print(out, "%lld", (long long)value);
}

void put_bool(struct buffer *out, bool value)
{
    put_separator(out);
    buffer_text(out, value ? "true" : "false");
}

void put_null(struct buffer *out)
{
    put_separator(out);
    buffer_text(out, "null");
}

void put_double(struct buffer *out, double value)
{
    put_separator(out);
    buffer_print(out, "%.6g", value);
}

/* Bytes of the well-formed UTF-8 sequence at text, or 0. Surrogates, overlong forms and values past U+10FFFF are not. */
static size_t utf8_length(const unsigned char *text, size_t left)
{
    unsigned first = text[0];
    if (first < 0x80)
        return 1;
    size_t length = first >= 0xf0 && first <= 0xf4  ? 4
                    : first >= 0xe0 && first < 0xf0 ? 3
                    : first >= 0xc2 && first < 0xe0 ? 2
                                                    : 0;
    if (length == 0 || length > left)
        return 0;
    for (size_t i = 1; i < length; i++)
        if ((text[i] & 0xc0) != 0x80)
            return 0;
    unsigned second = text[1];
    if ((first == 0xe0 && second < 0xa0) || (first == 0xed && second > 0x9f) || (first == 0xf0 && second < 0x90) ||
        (first == 0xf4 && second > 0x8f))
        return 0;
    return length;
}

static void put_escaped(struct buffer *out, unsigned char byte)
{
    switch (byte) {
    case '"':
        buffer_add(out, "\\\"", 2);
        return;
    case '\\':
        buffer_add(out, "\\\\", 2);
        return;
    case '\n':
        buffer_add(out, "\\n", 2);
        return;
    case '\t':
        buffer_add(out, "\\t", 2);
        return;
    default:
        buffer_print(out, "\\u%04x", byte);
    }
}

void put_text_n(struct buffer *out, const char *text, size_t length)
{
    const unsigned char *bytes = (const unsigned char *)text;
    put_separator(out);
    buffer_add(out, "\"", 1);
    size_t plain = 0; /* start of the bytes that can be copied as they are */
    for (size_t i = 0; i < length;) {
        size_t step = utf8_length(bytes + i, length - i);
        if (step && bytes[i] >= 0x20 && bytes[i] != '"' && bytes[i] != '\\') {
            i += step;
            continue;
        }
        buffer_add(out, text + plain, i - plain);
        if (step)
            put_escaped(out, bytes[i]);
        else
            buffer_text(out, "\xef\xbf\xbd");
        plain = ++i;
    }
    buffer_add(out, text + plain, length - plain);
    buffer_add(out, "\"", 1);
}

void put_text(struct buffer *out, const char *text)
{
    if (text)
        put_text_n(out, text, strlen(text));
    else
        put_null(out);
}

static const char HEX[] = "0123456789abcdef";

void put_hex64(struct buffer *out, uint64_t value)
{
    char text[20] = "\"0x";
    size_t at = 3;
    int shift = 60;
    while (shift > 0 && value >> shift == 0)
        shift -= 4;
    for (; shift >= 0; shift -= 4)
        text[at++] = HEX[(value >> shift) & 15];
    text[at++] = '"';
    put_separator(out);
    buffer_add(out, text, at);
}

void put_bytes(struct buffer *out, const uint8_t *bytes, size_t nr_bytes)
{
    put_separator(out);
    char *end = buffer_grow(out, 2 * nr_bytes + 2);
    if (!end)
        return;
    *end++ = '"';
    for (size_t i = 0; i < nr_bytes; i++) {
        *end++ = HEX[bytes[i] >> 4];
        *end++ = HEX[bytes[i] & 15];
    }
    *end = '"';
    out->length += 2 * nr_bytes + 2;
}
