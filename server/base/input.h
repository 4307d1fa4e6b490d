/* server/base/input.h - lines out of plain, gzip or zstd input, in UTF-8 or UTF-16, however it arrives. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Where bytes come from. */
struct source {
    long (*read)(void *context, void *out, size_t capacity); /* how many were put into out; 0: the end; -1: an error */
    bool (*is_over)(void *context); /* nobody wants the rest: asked before each step of unpacking. May be NULL */
    void *context;
};

struct input;

/* NULL: out of memory. The source must live as long. */
struct input *input_open(struct source source);
void input_close(struct input *input);
/* Ends the input when more text than that has been unpacked. Until this is called there is no limit. */
void input_limit(struct input *input, uint64_t nr_bytes);
bool input_is_too_long(const struct input *input); /* it was ended by input_limit() */
/* The next line without its end, borrowed until the next call. False: the input ends, see input_problem(). A line longer
 * than 256 KiB is given in pieces. */
bool input_next_line(struct input *input, const char **line, size_t *length);
/* What the next lines are cut from, and how long it is. Borrowed until the next call. */
const char *input_peek(struct input *input, size_t *length);
/* Makes it longer, up to 64 KiB. False: it is as long as it gets, or the input ends. */
bool input_peek_more(struct input *input);
bool input_is_utf16(const struct input *input);        /* as far as has been read */
uint64_t input_line_number(const struct input *input); /* of the line given last, from 1 */
const char *input_problem(const struct input *input);  /* "truncated gzip input"; NULL: all was read */

struct memory_source {
    const char *bytes;
    size_t nr_bytes, at;
};
struct source source_of_memory(struct memory_source *memory);
struct source source_of_file(int *fd);
