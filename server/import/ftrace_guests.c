/* server/import/ftrace_guests.c - see ftrace_guests.h. These are read:
 *
 *   4.350245 |   1)   sh-90   |    |  /+ kfree: ... +/        function_graph, as a C comment; time and task may be missing
 *   [10:11:12.123456789] (+0.000000123) host kmem_kfree: { cpu_id = 1 }, { tid = 90 }, { call_site = 0x..., ptr = 0x... }
 *                                                             LTTng, as babeltrace prints it
 *   Dec  1 10:11:12 host kernel: [    4.350245][   T90] kfree: call_site=...      tp_printk in a kernel log, or a print of
 *                                                             bpftrace: any line with an event's name before its fields
 *
 * (+ stands for an asterisk.) */
#include "server/import/ftrace_guests.h"
#include "server/import/ftrace_head.h"

#define ESCAPE '\x1b'

/* ---- the function_graph tracer ---- */

/* "   77.105144 |   ", or nothing */
static void graph_read_time(const char *start, const char *end, struct ftrace_event *event)
{
    struct cursor c = { start, end };
    uint64_t ns;
    skip_blanks(&c);
    uint64_t seconds = take_number(&c);
    if (TAKE(&c, ".") && take_fraction(&c, &ns))
        event->time = seconds * 1000000000 + ns;
}

/* "4.350245 |   1)   sh-90   |   1.688 us    |  kfree: ...", the event as a C comment: a CPU, a bracket, columns between
 * bars. */
bool ftrace_take_graph_head(struct cursor *c, struct ftrace_event *event)
{
    const char *start = c->at, *bracket = memchr(start, ')', (size_t)(c->end - start));
    const char *column = bracket ? find_text(bracket, c->end, "|  ") : NULL;
    const char *comment = column ? find_text(column, c->end, "/* ") : NULL;
    const char *end = comment ? find_text(comment, c->end, " */") : NULL;
    if (!end)
        return false;
    const char *cpu = bracket, *bar = memchr(bracket, '|', (size_t)(comment - bracket));
    while (cpu > start && is_digit(cpu[-1]))
        cpu--;
    if (!bar || cpu == bracket)
        return false;
    event->cpu = (uint32_t)number_at(cpu, bracket);
    event->pid = pid_before(bracket + 1, bar);
    graph_read_time(start, cpu, event);
    c->at = comment + 3;
    c->end = end;
    const char *colon = memchr(c->at, ':', (size_t)(end - c->at));
    if (!colon || colon + 2 > end || colon[1] != ' ')
        return false;
    event->kind = find_kind((struct text){ c->at, (uint32_t)(colon - c->at) });
    c->at = colon + 2;
    return true;
}

/* ---- LTTng ---- */

/* The time in "[10:11:12.123456789] ", "[2026-12-01 10:11:12.123456789] ", "[1764583872.123456789] ", in ns. */
static uint64_t lttng_read_time(const char *start, const char *end)
{
    struct cursor c = { start, end };
    uint64_t time = 0, ns = 0;
    if (!TAKE(&c, "["))
        return 0;
    const char *bracket = memchr(c.at, ']', (size_t)(end - c.at));
    const char *blank = bracket ? memchr(c.at, ' ', (size_t)(bracket - c.at)) : NULL;
    c.at = blank ? blank + 1 : c.at; /* a date: recordings over midnight stay in order by their CPUs */
    do
        time = time * 60 + take_number(&c);
    while (TAKE(&c, ":"));
    if (TAKE(&c, "."))
        (void)take_fraction(&c, &ns);
    return time * 1000000000 + ns;
}

/* "key = 12" */
static uint64_t lttng_number(const char *at, const char *end, const char *key)
{
    const char *found = find_text(at, end, key);
    return found ? number_at(found + strlen(key), end) : 0;
}

/* "call_site = 0x1, name = "a" }" as "call_site=0x1 name=a". */
static size_t lttng_rewrite(const char *at, const char *end, char *out)
{
    size_t nr = 0;
    for (; at < end && *at != '}' && nr < GUEST_TEXT_MAX; at++) {
        bool is_equal = end - at > 2 && at[0] == ' ' && at[1] == '=' && at[2] == ' ';
        if (*at == ',' || *at == '"')
            continue;
        out[nr++] = is_equal ? '=' : *at;
        at += is_equal ? 2 : 0;
    }
    return nr;
}

/* The last "{ " of a line, behind which the event's fields stand. */
static const char *lttng_fields(const char *at, const char *end)
{
    const char *last = NULL;
    while ((at = find_text(at, end, "{ ")) != NULL)
        last = at += 2;
    return last;
}

bool ftrace_take_lttng_head(struct cursor *c, struct guest_text *text, struct ftrace_event *event)
{
    const char *start = c->at, *colon = find_text(start, c->end, ": { "), *name = colon;
    const char *fields = colon ? lttng_fields(colon, c->end) : NULL;
    if (!fields)
        return false;
    while (name > start && !is_blank(name[-1]) && name[-1] != ':')
        name--;
    struct text word = { name, (uint32_t)(colon - name) };
    event->kind = find_kind(word);
    if (event->kind == FTRACE_OTHER && BEGINS(word, "kmem_"))
        event->kind = find_kind((struct text){ word.start + 5, word.length - 5 });
    event->time = lttng_read_time(start, name);
    event->cpu = (uint32_t)lttng_number(colon, c->end, " cpu_id = ");
    event->pid = (uint32_t)lttng_number(colon, fields, "tid = ");
    *c = (struct cursor){ text->text, text->text + lttng_rewrite(fields, c->end, text->text) };
    return true;
}

/* ---- messages of the kernel, and prints ---- */

/* "[    4.350245]" before the event; 0: there is none. */
static uint64_t message_time(const char *start, const char *end)
{
    for (const char *at = start; (at = memchr(at, '[', (size_t)(end - at))) != NULL; at++) {
        struct cursor c = { at + 1, end };
        uint64_t ns;
        skip_blanks(&c);
        uint64_t seconds = take_number(&c);
        if (TAKE(&c, ".") && take_fraction(&c, &ns) && TAKE(&c, "]"))
            return seconds * 1000000000 + ns;
    }
    return 0;
}

/* "[   T90]", "[    C1]": CONFIG_PRINTK_CALLER */
static void message_read_caller(const char *start, const char *end, struct ftrace_event *event)
{
    for (const char *at = start; (at = memchr(at, '[', (size_t)(end - at))) != NULL; at++) {
        struct cursor c = { at + 1, end };
        skip_blanks(&c);
        bool is_task = TAKE(&c, "T");
        if (!is_task && !TAKE(&c, "C"))
            continue;
        *(is_task ? &event->pid : &event->cpu) = (uint32_t)take_number(&c);
        return;
    }
}

/* "kfree:", "kfree", "kmem:kfree", "tracepoint:kmem:kfree:"; dmesg --color puts "ESC[0m" before it. */
static enum ftrace_kind message_kind(struct text word)
{
    const char *colour;
    while (word.length && *word.start == ESCAPE && (colour = memchr(word.start, 'm', word.length)) != NULL)
        word = (struct text){ colour + 1, word.length - (uint32_t)(colour + 1 - word.start) };
    word.length -= last_letter(word) == ':';
    const char *colon = memrchr(word.start, ':', word.length);
    if (colon)
        word = (struct text){ colon + 1, word.length - (uint32_t)(colon + 1 - word.start) };
    return word.length ? find_kind(word) : FTRACE_OTHER;
}

bool ftrace_take_message_head(struct cursor *c, struct ftrace_event *event)
{
    const char *start = c->at;
    if (!find_text(start, c->end, " ptr=") && !find_text(start, c->end, " pfn="))
        return false;
    for (;;) {
        skip_blanks(c);
        const char *at = c->at;
        struct text word = take_word(c);
        if (!word.length)
            return false;
        event->kind = message_kind(word);
        if (event->kind == FTRACE_OTHER || event->kind == FTRACE_MARK)
            continue;
        skip_blanks(c);
        event->time = message_time(start, at);
        message_read_caller(start, at, event);
        return true;
    }
}
