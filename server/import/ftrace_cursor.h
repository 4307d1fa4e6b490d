/* server/import/ftrace_cursor.h - walking once over a line: what the readers of heads, fields and flags share. */
#pragma once
#include "pagoda/op.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* Loops walk with a copy of at: a letter that is read could be part of the cursor itself, for all that C knows. */
struct cursor {
    const char *at, *end;
};

static inline bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static inline bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

static inline void skip_blanks(struct cursor *c)
{
    const char *at = c->at, *end = c->end;
    while (at < end && is_blank(*at))
        at++;
    c->at = at;
}

/* Moves behind a text that stands at the cursor. */
static inline bool take_text(struct cursor *c, const char *text, size_t length)
{
    if ((size_t)(c->end - c->at) < length || memcmp(c->at, text, length) != 0)
        return false;
    c->at += length;
    return true;
}
#define TAKE(c, literal) take_text(c, literal, sizeof literal - 1)

static inline uint64_t take_number(struct cursor *c)
{
    const char *at = c->at, *end = c->end;
    uint64_t value = 0;
    for (unsigned digit; at < end && (digit = (unsigned)*at - '0') <= 9; at++)
        value = value * 10 + digit;
    c->at = at;
    return value;
}

/* To the next blank or the end. Empty at a blank. */
static inline struct text take_word(struct cursor *c)
{
    const char *start = c->at, *at = start, *end = c->end;
    while (at < end && !is_blank(*at))
        at++;
    c->at = at;
    return (struct text){ start, (uint32_t)(at - start) };
}

/* The same for long words, between which tools print no tabs. */
static inline struct text take_long_word(struct cursor *c)
{
    const char *start = c->at, *blank = memchr(start, ' ', (size_t)(c->end - start));
    c->at = blank ? blank : c->end;
    return (struct text){ start, (uint32_t)(c->at - start) };
}

/* Eight letters at a time: these texts are some thirty long. */
static inline uint64_t text_hash(const char *text, uint32_t length)
{
    uint64_t hash = length;
    for (uint32_t i = 0; i < length; i += 8) {
        uint64_t piece = 0;
        if (length - i >= 8)
            memcpy(&piece, text + i, 8);
        else
            memcpy(&piece, text + i, length - i);
        hash = (hash ^ piece) * 0x9e3779b97f4a7c15u;
        hash ^= hash >> 32;
    }
    return hash;
}

static inline bool text_begins(struct text text, const char *start, size_t length)
{
    return text.length >= length && memcmp(text.start, start, length) == 0;
}
#define BEGINS(text, literal) text_begins(text, literal, sizeof literal - 1)

static inline char last_letter(struct text word)
{
    return word.length ? word.start[word.length - 1] : '\0';
}
