/* server/base/input.c - see input.h. The first bytes tell the packing: 1f 8b is gzip, 28 b5 2f fd is zstd, anything else is
 * plain. The first bytes of the text tell UTF-16. Text is unpacked into one buffer, a step at a time, so that it is still
 * in the cache when it is read; lines are handed out where they lie, and the last, unfinished one moves to the buffer's
 * start before more is unpacked behind it. */
#include "server/base/input.h"
#include "server/base/utf16.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>

#define PACKED_SIZE (64u << 10)
#define STEP_SIZE (128u << 10) /* of text, unpacked at once */
#define MAGIC_BYTES 4u
#define PEEK_SIZE (64u << 10)
#define LINE_MAX_BYTES (256u << 10)                /* a write of OP_DATA_MAX bytes in hex, twice over */
#define TEXT_SIZE (LINE_MAX_BYTES + STEP_SIZE + 1) /* 1: half a letter of UTF-16 */

enum packing { PACKING_UNKNOWN, PACKING_NONE, PACKING_GZIP, PACKING_ZSTD };

struct input {
    struct source source;
    enum packing packing;
    bool source_ended, ended;
    bool is_too_long;
    bool between_members;   /* of a gzip file: an end here is a good one */
    enum encoding encoding; /* of the text */
    int odd_byte;           /* half a letter of UTF-16, -1: none */
    const char *problem;
    uint64_t line_number;
    uint64_t nr_unpacked, limit; /* of text, bytes */
    z_stream gzip;
    ZSTD_DStream *zstd;
    size_t zstd_hint;             /* 0: between frames */
    size_t packed_at, packed_end; /* unread packed bytes */
    size_t text_at, text_end;     /* unread text */
    unsigned char packed[PACKED_SIZE];
    char text[TEXT_SIZE];
};

struct input *input_open(struct source source)
{
    struct input *input = malloc(sizeof *input);
    if (!input)
        return NULL;
    memset(input, 0, offsetof(struct input, packed));
    input->source = source;
    input->limit = UINT64_MAX;
    input->odd_byte = -1;
    return input;
}

void input_limit(struct input *input, uint64_t nr_bytes)
{
    input->limit = nr_bytes;
}

bool input_is_too_long(const struct input *input)
{
    return input->is_too_long;
}

void input_close(struct input *input)
{
    if (!input)
        return;
    if (input->packing == PACKING_GZIP)
        inflateEnd(&input->gzip);
    ZSTD_freeDStream(input->zstd);
    free(input);
}

uint64_t input_line_number(const struct input *input)
{
    return input->line_number;
}

const char *input_problem(const struct input *input)
{
    return input->problem;
}

static void input_end(struct input *input, const char *problem)
{
    input->ended = true;
    if (problem && !input->problem)
        input->problem = problem;
}

/* False: the source gives nothing more. */
static bool input_fill_packed(struct input *input)
{
    if (input->packed_at < input->packed_end)
        return true;
    if (input->source_ended)
        return false;
    long nr_bytes = input->source.read(input->source.context, input->packed, PACKED_SIZE);
    if (nr_bytes < 0)
        input->problem = "the input cannot be read";
    input->source_ended = nr_bytes <= 0;
    input->packed_at = 0;
    input->packed_end = nr_bytes > 0 ? (size_t)nr_bytes : 0;
    return nr_bytes > 0;
}

/* A source may give its first bytes one by one. */
static void input_fill_magic(struct input *input)
{
    long nr_bytes = 1;
    while (input->packed_end < MAGIC_BYTES && nr_bytes > 0) {
        nr_bytes = input->source.read(input->source.context, input->packed + input->packed_end, MAGIC_BYTES);
        input->packed_end += nr_bytes > 0 ? (size_t)nr_bytes : 0;
    }
    input->source_ended = nr_bytes <= 0;
    if (nr_bytes < 0)
        input->problem = "the input cannot be read";
}

static void input_detect_packing(struct input *input)
{
    input_fill_magic(input);
    const unsigned char *start = input->packed;
    size_t length = input->packed_end;
    input->packing = PACKING_NONE;
    if (length >= 2 && start[0] == 0x1f && start[1] == 0x8b) {
        if (inflateInit2(&input->gzip, 15 + 16) == Z_OK)
            input->packing = PACKING_GZIP;
        else
            input_end(input, "out of memory");
    } else if (length >= 4 && memcmp(start, "\x28\xb5\x2f\xfd", 4) == 0) {
        input->packing = PACKING_ZSTD;
        input->zstd = ZSTD_createDStream();
        if (!input->zstd)
            input_end(input, "out of memory");
    }
}

static void input_unpack_plain(struct input *input)
{
    size_t left = input->packed_end - input->packed_at, step = left < STEP_SIZE ? left : STEP_SIZE;
    memcpy(input->text + input->text_end, input->packed + input->packed_at, step);
    input->packed_at += step;
    input->text_end += step;
}

/* gzip files may be concatenated, and padded with zeroes as on tapes. False: nothing is left to unpack for now. */
static bool input_begin_member(struct input *input)
{
    while (input->packed_at < input->packed_end && !input->packed[input->packed_at])
        input->packed_at++;
    if (input->packed_at == input->packed_end)
        return false;
    input->between_members = false;
    if (inflateReset(&input->gzip) == Z_OK)
        return true;
    input_end(input, "damaged gzip input");
    return false;
}

static void input_unpack_gzip(struct input *input)
{
    z_stream *gzip = &input->gzip;
    if (input->between_members && !input_begin_member(input))
        return;
    gzip->next_in = input->packed + input->packed_at;
    gzip->avail_in = (uInt)(input->packed_end - input->packed_at);
    gzip->next_out = (Bytef *)input->text + input->text_end;
    gzip->avail_out = STEP_SIZE;
    int rc = inflate(gzip, Z_NO_FLUSH);
    input->packed_at = input->packed_end - gzip->avail_in;
    input->text_end += STEP_SIZE - gzip->avail_out;
    if (rc == Z_STREAM_END)
        input->between_members = true;
    else if (rc != Z_OK && rc != Z_BUF_ERROR)
        input_end(input, "damaged gzip input");
}

static void input_unpack_zstd(struct input *input)
{
    ZSTD_inBuffer in = { input->packed, input->packed_end, input->packed_at };
    ZSTD_outBuffer out = { input->text, input->text_end + STEP_SIZE, input->text_end };
    input->zstd_hint = ZSTD_decompressStream(input->zstd, &out, &in);
    input->packed_at = in.pos;
    input->text_end = out.pos;
    if (ZSTD_isError(input->zstd_hint))
        input_end(input, "damaged zstd input");
}

static void input_end_of_source(struct input *input)
{
    bool in_gzip = input->packing == PACKING_GZIP && !input->between_members;
    bool in_zstd = input->packing == PACKING_ZSTD && input->zstd_hint != 0;
    input_end(input, in_gzip ? "truncated gzip input" : in_zstd ? "truncated zstd input" : NULL);
}

/* Plain text needs no copy on the way: the source writes where it is read. */
static void input_read_plain(struct input *input)
{
    long nr_bytes = input->source.read(input->source.context, input->text + input->text_end, STEP_SIZE);
    if (nr_bytes > 0)
        input->text_end += (size_t)nr_bytes;
    else
        input_end(input, nr_bytes < 0 ? "the input cannot be read" : NULL);
}

static void input_unpack_step(struct input *input)
{
    if (input->packing == PACKING_NONE && input->packed_at == input->packed_end && !input->source_ended)
        return input_read_plain(input);
    if (!input_fill_packed(input)) {
        input_end_of_source(input);
        return;
    }
    if (input->packing == PACKING_UNKNOWN)
        input_detect_packing(input);
    if (input->ended)
        return;
    if (input->packing == PACKING_GZIP)
        input_unpack_gzip(input);
    else if (input->packing == PACKING_ZSTD)
        input_unpack_zstd(input);
    else
        input_unpack_plain(input);
}

/* Adds text behind text_end, or ends. There is room for a step. */
static void input_unpack_more(struct input *input)
{
    size_t before = input->text_end;
    if (input->source.is_over && input->source.is_over(input->source.context)) {
        input_end(input, "the input cannot be read");
        return;
    }
    input_unpack_step(input);
    input->nr_unpacked += input->text_end - before;
    input->is_too_long = input->nr_unpacked > input->limit;
    if (input->is_too_long) {
        input->text_end -= input->nr_unpacked - input->limit;
        input_end(input, "the unpacked input is longer than may be");
    }
}

static void input_decode(struct input *input, size_t from)
{
    if (input->encoding == ENCODING_UTF16LE || input->encoding == ENCODING_UTF16BE)
        input->text_end =
            from + utf16_decode(input->encoding, input->text + from, input->text_end - from, &input->odd_byte);
}

/* Reads as much as tells the encoding. A source may give its first bytes one by one. */
static void input_begin(struct input *input)
{
    while (!input->ended && input->text_end < MAGIC_BYTES)
        input_unpack_more(input);
    input->encoding = encoding_detect(input->text, input->text_end, &input->text_at);
    input_decode(input, input->text_at);
}

static void input_add_text(struct input *input)
{
    size_t before = input->text_end;
    input_unpack_more(input);
    input_decode(input, before);
}

static void input_make_room(struct input *input)
{
    if (input->text_at == 0)
        return;
    memmove(input->text, input->text + input->text_at, input->text_end - input->text_at);
    input->text_end -= input->text_at;
    input->text_at = 0;
}

bool input_next_line(struct input *input, const char **line, size_t *length)
{
    size_t searched = 0;
    if (input->encoding == ENCODING_UNKNOWN)
        input_begin(input);
    for (;;) {
        const char *start = input->text + input->text_at;
        size_t left = input->text_end - input->text_at;
        const char *newline = memchr(start + searched, '\n', left - searched);
        if (newline || left >= LINE_MAX_BYTES || (input->ended && left)) {
            *line = start;
            *length = newline ? (size_t)(newline - start) : left < LINE_MAX_BYTES ? left : LINE_MAX_BYTES;
            input->text_at += *length + (newline != NULL);
            input->line_number++;
            return true;
        }
        if (input->ended)
            return false;
        searched = left;
        input_make_room(input);
        input_add_text(input);
    }
}

const char *input_peek(struct input *input, size_t *length)
{
    if (input->encoding == ENCODING_UNKNOWN)
        input_begin(input);
    *length = input->text_end - input->text_at;
    return input->text + input->text_at;
}

bool input_peek_more(struct input *input)
{
    if (input->ended || input->text_end - input->text_at >= PEEK_SIZE)
        return false;
    input_make_room(input);
    input_add_text(input);
    return true;
}

bool input_is_utf16(const struct input *input)
{
    return input->encoding == ENCODING_UTF16LE || input->encoding == ENCODING_UTF16BE;
}

static long source_read_memory(void *context, void *out, size_t capacity)
{
    struct memory_source *memory = context;
    size_t left = memory->nr_bytes - memory->at, step = left < capacity ? left : capacity;
    if (step == 0)
        return 0;
    memcpy(out, memory->bytes + memory->at, step);
    memory->at += step;
    return (long)step;
}

struct source source_of_memory(struct memory_source *memory)
{
    return (struct source){ .read = source_read_memory, .context = memory };
}

static long source_read_file(void *context, void *out, size_t capacity)
{
    return read(*(int *)context, out, capacity);
}

struct source source_of_file(int *fd)
{
    return (struct source){ .read = source_read_file, .context = fd };
}
