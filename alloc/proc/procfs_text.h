/* alloc/proc/procfs_text.h - text for /proc, put together without printf: numbers and words, padded to a width.
 * Stands on: pagoda/procfs.h. */
#pragma once
#include "pagoda/procfs.h"
#include <stddef.h>
#include <stdint.h>

#define WRITER_BYTES 4096u

struct writer {
    const struct procfs_out *out;
    size_t used;
    char bytes[WRITER_BYTES]; /* waiting to go out together */
};

void writer_open(struct writer *writer, const struct procfs_out *out);
void writer_close(struct writer *writer); /* hands on what is left */

void write_bytes(struct writer *writer, const void *bytes, size_t length);
void write_text(struct writer *writer, const char *text);
void write_escaped(struct writer *writer, const char *text); /* what would break a line: as \\012 (seq_escape) */
void write_left(struct writer *writer, uint32_t width, const char *text);  /* %-*s */
void write_right(struct writer *writer, uint32_t width, const char *text); /* %*s */
void write_spaces(struct writer *writer, uint32_t nr);
void write_number(struct writer *writer, uint32_t width, uint64_t number); /* %*lu */
void write_hex(struct writer *writer, uint32_t digits, uint64_t number);   /* %0*lx */
void write_u64(struct writer *writer, uint64_t word);                      /* eight bytes, little-endian */
