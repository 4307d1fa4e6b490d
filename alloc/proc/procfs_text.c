/* Text is gathered in one buffer. The buffer is handed on when it is full, so whoever takes the text is called a few times
 * for each file. */
#include "alloc/proc/procfs_text.h"

#include "alloc/base/text.h"

#include <string.h>

void writer_open(struct writer *writer, const struct procfs_out *out)
{
    writer->out = out;
    writer->used = 0;
}

void writer_close(struct writer *writer)
{
    if (writer->used)
        writer->out->write(writer->out->context, writer->bytes, writer->used);
    writer->used = 0;
}

void write_bytes(struct writer *writer, const void *bytes, size_t length)
{
    const char *from = bytes;
    while (length) {
        if (writer->used == WRITER_BYTES)
            writer_close(writer);
        size_t room = WRITER_BYTES - writer->used, n = length < room ? length : room;
        memcpy(writer->bytes + writer->used, from, n);
        writer->used += n;
        from += n;
        length -= n;
    }
}

void write_text(struct writer *writer, const char *text)
{
    write_bytes(writer, text, strlen(text));
}

void write_escaped(struct writer *writer, const char *text)
{
    for (; *text; text++) {
        uint8_t byte = (uint8_t)*text;
        const char octal[4] = { '\\', (char)('0' + (byte >> 6)), (char)('0' + (byte >> 3 & 7)), (char)('0' + (byte & 7)) };
        bool is_plain = byte >= ' ' && byte != 127 && byte != '\\';
        write_bytes(writer, is_plain ? text : octal, is_plain ? 1 : sizeof octal);
    }
}

void write_spaces(struct writer *writer, uint32_t nr)
{
    while (nr--)
        write_bytes(writer, " ", 1);
}

static uint32_t write_missing(uint32_t width, size_t length)
{
    return length < width ? width - (uint32_t)length : 0;
}

void write_left(struct writer *writer, uint32_t width, const char *text)
{
    write_text(writer, text);
    write_spaces(writer, write_missing(width, strlen(text)));
}

void write_right(struct writer *writer, uint32_t width, const char *text)
{
    write_spaces(writer, write_missing(width, strlen(text)));
    write_text(writer, text);
}

void write_number(struct writer *writer, uint32_t width, uint64_t number)
{
    char digits[TEXT_DIGITS_MAX];
    uint32_t length = text_digits(digits, number, 10);
    write_spaces(writer, write_missing(width, length));
    write_bytes(writer, digits, length);
}

void write_hex(struct writer *writer, uint32_t digits, uint64_t number)
{
    char text[TEXT_DIGITS_MAX];
    uint32_t length = text_digits(text, number, 16);
    for (uint32_t nr = write_missing(digits, length); nr; nr--)
        write_bytes(writer, "0", 1);
    write_bytes(writer, text, length);
}

void write_u64(struct writer *writer, uint64_t word)
{
    uint8_t bytes[8];
    for (unsigned i = 0; i < 8; i++)
        bytes[i] = (uint8_t)(word >> 8 * i);
    write_bytes(writer, bytes, sizeof bytes);
}
