/* server/import/ftrace_head.h - what the readers of heads of lines share: times, pids, names of events. */
#pragma once
#include "server/import/ftrace_cursor.h"
#include "server/import/ftrace_line.h"

#define NS_DIGITS 9

/* The digits behind the point of a time in seconds. */
static inline bool take_fraction(struct cursor *c, uint64_t *ns)
{
    static const uint32_t UNITS[NS_DIGITS + 1] = { 0, 100000000, 10000000, 1000000, 100000, 10000, 1000, 100, 10, 1 };
    const char *start = c->at;
    *ns = take_number(c);
    ptrdiff_t nr_digits = c->at - start;
    if (nr_digits == 0 || nr_digits > NS_DIGITS)
        return false;
    *ns *= UNITS[nr_digits];
    return true;
}

static inline enum ftrace_kind find_kind(struct text name)
{
    static const struct text NAMES[] = {
#define X(id, text) { text, sizeof text - 1 },
        FTRACE_EVENT_MAP(X)
#undef X
    };
    char last = last_letter(name); /* length and end tell most of them apart */
    for (unsigned i = 0; i < FTRACE_OTHER; i++)
        if (NAMES[i].length == name.length && NAMES[i].start[name.length - 1] == last &&
            memcmp(NAMES[i].start, name.start, name.length) == 0)
            return (enum ftrace_kind)i;
    return FTRACE_OTHER;
}

/* The number that ends what stands before at, but for a "(tgid)". */
static inline uint32_t pid_before(const char *start, const char *at)
{
    while (at > start && is_blank(at[-1]))
        at--;
    if (at > start && at[-1] == ')') {
        while (at > start && *at != '(')
            at--;
        while (at > start && is_blank(at[-1]))
            at--;
    }
    uint32_t pid = 0;
    for (uint32_t unit = 1; at > start && is_digit(at[-1]); unit *= 10)
        pid += unit * (uint32_t)(*--at - '0');
    return pid;
}

static inline const char *find_text(const char *line, const char *end, const char *text)
{
    return memmem(line, (size_t)(end - line), text, strlen(text));
}

static inline uint64_t number_at(const char *at, const char *end)
{
    struct cursor c = { at, end };
    skip_blanks(&c);
    return take_number(&c);
}
