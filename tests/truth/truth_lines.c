/* Lines of recordings. zlib reads plain files and gzip alike; lines may be of any length (the free lists of a state dump
 * are long), so the buffer grows to the longest. */
#include "tests/truth/truth.h"

#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#define FIRST_CAPACITY 65536u

struct truth_file {
    gzFile gz;
    char *buffer;
    size_t capacity;
    uint64_t line_number;
};

struct truth_file *truth_open(const char *path)
{
    struct truth_file *file = calloc(1, sizeof *file);
    if (!file)
        return NULL;
    file->capacity = FIRST_CAPACITY;
    file->buffer = malloc(file->capacity);
    file->gz = gzopen(path, "rb");
    if (!file->buffer || !file->gz) {
        truth_close(file);
        return NULL;
    }
    (void)gzbuffer(file->gz, 1u << 17);
    return file;
}

static bool grow(struct truth_file *file)
{
    char *bigger = realloc(file->buffer, file->capacity * 2);
    if (!bigger)
        return false;
    file->buffer = bigger;
    file->capacity *= 2;
    return true;
}

bool truth_next_line(struct truth_file *file, char **line, size_t *length)
{
    size_t used = 0;
    for (;;) {
        if (!gzgets(file->gz, file->buffer + used, (int)(file->capacity - used)))
            break;
        used += strlen(file->buffer + used);
        if (used && file->buffer[used - 1] == '\n') {
            file->buffer[--used] = '\0';
            *line = file->buffer;
            *length = used;
            file->line_number++;
            return true;
        }
        if (used + 1 >= file->capacity && !grow(file))
            return false;
    }
    *line = file->buffer;
    *length = used;
    file->line_number += used > 0;
    return used > 0; /* a last line without its newline */
}

uint64_t truth_line_number(const struct truth_file *file)
{
    return file->line_number;
}

bool truth_is_damaged(const struct truth_file *file)
{
    int error = Z_OK;
    (void)gzerror(file->gz, &error);
    return error != Z_OK && error != Z_STREAM_END;
}

void truth_close(struct truth_file *file)
{
    if (!file)
        return;
    if (file->gz)
        (void)gzclose(file->gz);
    free(file->buffer);
    free(file);
}

char *truth_field(char **rest, char separator)
{
    char *field = *rest;
    if (!field)
        return NULL;
    char *end = strchr(field, separator);
    *rest = end ? end + 1 : NULL;
    if (end)
        *end = '\0';
    return field;
}

bool truth_key(const char *line, const char *key, int64_t *number)
{
    size_t length = strlen(key);
    for (const char *at = line; at; at = strchr(at, '\t')) {
        at += *at == '\t';
        if (strncmp(at, key, length) == 0 && at[length] == '=') {
            *number = strtoll(at + length + 1, NULL, 0);
            return true;
        }
    }
    return false;
}
