/* server/base/input.h - lines out of plain, gzip or zstd input, however it arrives. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Where bytes come from. read returns how many it put into out; 0 at the end; -1 on an error. */
struct source {
    long (*read)(void *context, void *out, size_t capacity);
    void *context;
};

struct input;

/* NULL: out of memory. The source must live as long. */
struct input *input_open(struct source source);
void input_close(struct input *input);
/* The next line without its end, borrowed until the next call. False: the input ends, see input_problem(). A line longer
 * than 256 KiB is given in pieces. */
bool input_next_line(struct input *input, const char **line, size_t *length);
uint64_t input_line_number(const struct input *input); /* of the line given last, from 1 */
const char *input_problem(const struct input *input);  /* "truncated gzip input"; NULL: all was read */

struct memory_source {
    const char *bytes;
    size_t nr_bytes, at;
};
struct source source_of_memory(struct memory_source *memory);
struct source source_of_file(int *fd);
