/* See heap_script.h. A line that cannot be read ends the program: scripts are ours. */
#include "tests/lib/heap_script.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HEAP_SPAN (UINT64_C(1) << 29)
#define LIBC_SPAN UINT64_C(0x1e2000)
#define AREA_SPAN UINT64_C(0x10000)
#define THREAD_SPAN UINT64_C(0x3000)

/* A line that is being read, in its turn. */
struct reader {
    struct heap_script *script;
    const char *at;
    uint32_t turn;
};

static void skip_blanks(struct reader *r)
{
    while (*r->at == ' ')
        r->at++;
}

static bool take(struct reader *r, const char *word)
{
    size_t length = strlen(word);
    skip_blanks(r);
    if (strncmp(r->at, word, length) != 0 || (isalpha((unsigned char)*word) && isalnum((unsigned char)r->at[length])))
        return false;
    r->at += length;
    return true;
}

static void read_name(struct reader *r, char name[HEAP_SCRIPT_NAME])
{
    size_t length = 0;
    skip_blanks(r);
    for (; isalnum((unsigned char)*r->at) || *r->at == '#'; r->at++) {
        if (*r->at == '#')
            length += (size_t)snprintf(name + length, HEAP_SCRIPT_NAME - length, "%u", r->turn);
        else
            name[length++] = *r->at;
        if (length + 4 > HEAP_SCRIPT_NAME)
            abort();
    }
    name[length] = 0;
}

static uint64_t *value_of(struct heap_script *script, const char *name, bool add)
{
    for (uint32_t i = 0; i < script->nr_names; i++)
        if (strcmp(script->names[i], name) == 0)
            return &script->values[i];
    if (!add || script->nr_names == HEAP_SCRIPT_NAMES)
        abort();
    memcpy(script->names[script->nr_names], name, HEAP_SCRIPT_NAME);
    return &script->values[script->nr_names++];
}

static uint64_t read_term(struct reader *r)
{
    char name[HEAP_SCRIPT_NAME], *end;
    skip_blanks(r);
    if (isdigit((unsigned char)*r->at)) {
        uint64_t number = strtoull(r->at, &end, 0);
        r->at = end;
        return number;
    }
    read_name(r, name);
    return strcmp(name, "heap") == 0     ? r->script->heap
           : strcmp(name, "libc") == 0   ? r->script->libc
           : strcmp(name, "area") == 0   ? r->script->area
           : strcmp(name, "thread") == 0 ? r->script->thread
                                         : *value_of(r->script, name, false);
}

static uint64_t read_value(struct reader *r)
{
    uint64_t value = read_term(r);
    for (;;) {
        if (take(r, "+"))
            value += read_term(r);
        else if (take(r, "-"))
            value -= read_term(r);
        else if (take(r, "^"))
            value ^= read_term(r);
        else if (take(r, "&"))
            value &= read_term(r);
        else if (take(r, ">>"))
            value >>= read_term(r);
        else
            return value;
    }
}

static uint64_t read_next_value(struct reader *r)
{
    if (!take(r, ","))
        abort();
    return read_value(r);
}

/* --- results in words --- */

/* Writes an address as where it lies. False: it lies nowhere.
 * is_protected  it was a protected link. */
static bool put_place(const struct heap_script *s, uint64_t value, bool is_protected, char result[64])
{
    const struct {
        const char *name;
        uint64_t start, span;
    } places[] = { { "heap", s->heap, HEAP_SPAN },
                   { "libc", s->libc, LIBC_SPAN },
                   { "area", s->area, AREA_SPAN },
                   { "thread", s->thread, THREAD_SPAN } };
    for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
        if (value - places[i].start >= places[i].span)
            continue;
        (void)snprintf(result, 64, is_protected ? "P(%s+0x%llx)" : "%s+0x%llx", places[i].name,
                       (unsigned long long)(value - places[i].start));
        return true;
    }
    return false;
}

/* at  where it was read; 0: nowhere. */
static void put_value(const struct heap_script *s, uint64_t value, uint64_t at, char result[64])
{
    uint64_t revealed = value ^ at >> 12;
    if (put_place(s, value, false, result))
        return;
    if (at && revealed && put_place(s, revealed, true, result))
        return;
    if (at && !revealed)
        (void)snprintf(result, 64, "P(0)");
    else if (!at && value)
        (void)snprintf(result, 64, "elsewhere");
    else
        (void)snprintf(result, 64, "0x%llx", (unsigned long long)value);
}

/* --- lines --- */

static bool run_call(struct reader *r, const char *name, char result[64])
{
    static const char *const FUNCTIONS[] = { "malloc", "calloc", "realloc", "memalign" };
    uint64_t a, b = 0, got = 0;
    for (uint32_t i = 0; i < sizeof FUNCTIONS / sizeof FUNCTIONS[0]; i++) {
        if (!take(r, FUNCTIONS[i]))
            continue;
        a = read_value(r);
        b = i ? read_next_value(r) : 0;
        if (!r->script->call(r->script->target, i == 3 ? 'a' : FUNCTIONS[i][0], a, b, &got))
            return false;
        *value_of(r->script, name, true) = got;
        put_value(r->script, got, 0, result);
        return true;
    }
    abort();
}

static bool run_turn(struct reader *r, char result[64])
{
    struct heap_script *s = r->script;
    uint64_t at, value;
    char name[HEAP_SCRIPT_NAME];
    if (take(r, "free"))
        return s->call(s->target, 'f', read_value(r), 0, &value);
    if (take(r, "write1")) {
        at = read_value(r);
        return s->write(s->target, at, read_next_value(r), 1);
    }
    if (take(r, "write")) {
        at = read_value(r);
        return s->write(s->target, at, read_next_value(r), 8);
    }
    if (take(r, "link")) {
        at = read_value(r);
        return s->write(s->target, at, at >> 12 ^ read_next_value(r), 8);
    }
    if (take(r, "read")) {
        at = read_value(r);
        if (!s->read(s->target, at, &value))
            return false;
        put_value(s, value, at, result);
        return true;
    }
    read_name(r, name);
    if (!take(r, "="))
        abort();
    return run_call(r, name, result);
}

bool heap_script_line(struct heap_script *script, const char *line, char result[64])
{
    uint32_t turns = 1;
    if (*line == 'x' && isdigit((unsigned char)line[1])) {
        char *end;
        turns = (uint32_t)strtoul(line + 1, &end, 10);
        line = end;
    }
    result[0] = 0;
    for (uint32_t i = 0; i < turns; i++) {
        struct reader r = { script, line, i };
        if (!run_turn(&r, result))
            return false;
    }
    return true;
}
