/* server/import/ftrace_wrap.h - lines that a mail program has wrapped: pieces of one event, put together again. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define WRAP_TEXT_MAX 1024u
#define WRAP_PIECES_MAX 5u

struct ftrace_wrap {
    char text[WRAP_TEXT_MAX];
    size_t length; /* 0: no line is held */
    uint32_t nr_pieces;
    uint64_t first_line;
    bool has_event; /* its event is known, and its fields are not whole; else the line ends before the event */
};

/* Holds the first piece of what may be an event. False: it cannot be one. */
bool ftrace_wrap_begin(struct ftrace_wrap *wrap, const char *line, size_t length, uint64_t number, bool has_event);
/* Adds a piece. False: there are too many, or they are too long; what is held stays as it was. */
bool ftrace_wrap_add(struct ftrace_wrap *wrap, const char *line, size_t length);
/* Are these but fields, of the event before? "node=-1 accounted=false" */
bool ftrace_wrap_is_rest(const char *line, size_t length);
