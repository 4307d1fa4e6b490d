/* server/import/foreign.h - what people hand in that is not read: its name, and what to do instead. */
#pragma once
#include <stdbool.h>
#include <stddef.h>

struct foreign {
    const char *name;   /* "a recording of heaptrack" */
    const char *remedy; /* a sentence; NULL: none */
    const char *start;  /* its first bytes, or what a line begins with */
    unsigned length;
};

/* By the first bytes of all. NULL: it is none of them. */
const struct foreign *foreign_find_start(const char *text, size_t length);
/* By one line. NULL: it may be anything. */
const struct foreign *foreign_find_line(const char *line, size_t length);
/* A message of the kernel, "[   12.345678] usb 1-1: new device". With tp_printk there may be events among them. */
bool foreign_is_kernel_message(const char *line, size_t length);
extern const struct foreign FOREIGN_KERNEL_LOG, FOREIGN_CALLS;
/* What cannot be told from its lines, by what its bytes are: JSON, markup, a table, binary data, text. Never NULL. */
const struct foreign *foreign_guess(const char *text, size_t length);
