/* server/import/ftrace_line.c - see ftrace_line.h. These are heads of lines that are read:
 *
 *     sh-90      [000] d.h2.     4.350245: kfree: ...          /sys/kernel/tracing/trace, trace_pipe
 *     sh-90      (     90) [000] d.h2.     4.350245: kfree: ...     with record-tgid
 *     sh-90      [000]     4.350245: kfree: ...                without irq-info; trace-cmd report
 *     sh-90        0d.h2.     23us : kfree: ...                with latency-format
 *     sh    90/90    [000]     4.350245:          1 kmem:kfree: ...     perf script, any of whose columns may be missing
 *
 * Lines of other tools that have such events in them are in ftrace_guests.c.
 *
 * A name of a task may have blanks, digits, dashes and brackets in it, so the head is read from "[cpu]" outwards: backwards
 * to the pid, forwards to the event. A bracket for which that makes no sense belongs to a name, and the next one is tried.
 * Lines without brackets are read from their time, or from "kmem:". A million lines a second is the aim, so all of this
 * walks over a line once; what else a line may be is asked only when it is no event. */
#include "server/import/ftrace_line.h"
#include "server/import/ftrace_fields.h"
#include "server/import/ftrace_guests.h"
#include "server/import/ftrace_head.h"

#define FLAGS_MAX 10

/* ---- words of the head ---- */

enum { FLAG = 1, FLAG_SOFTIRQ = 2, FLAG_HARDIRQ = 4 };

/* Flags are a column each, but which columns there are depends on the version. 's' stands in one of them only, as do 'h',
 * 'H', 'z' and 'Z' (an NMI). */
static uint8_t flag_of(char letter)
{
    char lower = (char)(letter | 0x20);
    if (lower == 'h' || lower == 'z')
        return FLAG | FLAG_HARDIRQ;
    if (letter == 's')
        return FLAG | FLAG_SOFTIRQ;
    return letter == '.' || letter == '#' || is_digit(letter) || (lower >= 'a' && lower <= 'z') ? FLAG : 0;
}

/* False: they are none. */
static bool read_flags(struct text word, uint8_t *context)
{
    uint8_t all = 0;
    if (word.length == 0 || word.length > FLAGS_MAX)
        return false;
    for (uint32_t i = 0; i < word.length; i++) {
        uint8_t flag = word.start[i] == '.' ? FLAG : flag_of(word.start[i]);
        if (!flag)
            return false;
        all |= flag;
    }
    *context = all & FLAG_HARDIRQ ? CONTEXT_HARDIRQ : all & FLAG_SOFTIRQ ? CONTEXT_SOFTIRQ : CONTEXT_PROCESS;
    return true;
}

/* "4.350245:", "4.350245123:", "123456:", "23us", "23us+:": digits, and something that ends a column. */
static bool read_time(struct text word, uint64_t *time)
{
    struct cursor c = { word.start, word.start + word.length };
    uint64_t ns = 0;
    if (!word.length || !is_digit(*c.at))
        return false;
    *time = take_number(&c);
    if (TAKE(&c, ".")) {
        if (!take_fraction(&c, &ns))
            return false;
        *time = *time * 1000000000 + ns;
    } else if (TAKE(&c, "us")) {
        *time *= 1000;
        if (c.at == c.end || (c.at + 1 == c.end && *c.at != ':'))
            return true;      /* " : " follows */
        c.at += *c.at != ':'; /* the mark of a delay */
    }
    return TAKE(&c, ":") && c.at == c.end;
}

/* "kfree:", "kmem:kfree:", "kmem:kfree/call-graph=no/:" */
static void read_name(struct text word, struct ftrace_event *event)
{
    const char *slash = memchr(word.start, '/', word.length);
    word.length = slash ? (uint32_t)(slash - word.start) : word.length - 1;
    const char *colon = memchr(word.start, ':', word.length);
    if (colon) {
        word.length -= (uint32_t)(colon + 1 - word.start);
        word.start = colon + 1;
    }
    event->kind = find_kind(word);
}

/* What trace-cmd and perf call the writes to trace_marker: "print: tracing_mark_write: text". */
static bool is_marker_by_another_name(struct cursor *c, struct text word)
{
    return (BEGINS(word, "print:") || BEGINS(word, "ftrace:print:")) && TAKE(c, "tracing_mark_write: ");
}

/* ---- from the CPU or the time onwards ---- */

/* Flags, time, difference to the time before it, period, event: all but the last may be missing. True: the cursor stands at
 * the event's fields. */
static bool take_rest_of_head(struct cursor *c, struct ftrace_event *event)
{
    bool has_flags = false, has_time = false;
    for (;;) {
        skip_blanks(c);
        struct text word = take_word(c);
        if (!word.length)
            return false;
        if (!has_time && read_time(word, &event->time)) {
            has_time = true;
        } else if (last_letter(word) == ':' && word.length > 1) {
            if (!has_time && !memchr(word.start, ':', word.length - 1))
                return false;
            skip_blanks(c);
            read_name(word, event);
            if (event->kind == FTRACE_OTHER && is_marker_by_another_name(c, word))
                event->kind = FTRACE_MARK;
            return true;
        } else if (!has_time) {
            if (has_flags || !read_flags(word, &event->context))
                return false;
            has_flags = true;
        } else if (!is_digit(*word.start) && *word.start != '(' && *word.start != ':') {
            return false; /* neither a period nor "(+12)" nor what is left of "23us :" */
        }
    }
}

/* " d.h2.     4.350245: kfree: ", as tracefs prints it: the general way finds the same in twice the time. False: it is
 * something else, and the cursor stands where it stood. */
static bool take_usual_rest(struct cursor *c, struct ftrace_event *event)
{
    struct cursor at = *c;
    uint64_t ns;
    if (!TAKE(&at, " ") || !read_flags(take_word(&at), &event->context))
        return false;
    skip_blanks(&at);
    if (at.at == at.end || !is_digit(*at.at))
        return false;
    event->time = take_number(&at) * 1000000000;
    if (!TAKE(&at, ".") || !take_fraction(&at, &ns) || !TAKE(&at, ": "))
        return false;
    event->time += ns;
    const char *colon = memchr(at.at, ':', (size_t)(at.end - at.at));
    if (!colon || colon + 2 > at.end || colon[1] != ' ')
        return false;
    event->kind = find_kind((struct text){ at.at, (uint32_t)(colon - at.at) });
    at.at = colon + 2;
    if (event->kind == FTRACE_OTHER || at.at == at.end || is_blank(*at.at))
        return false;
    *c = at;
    return true;
}

/* "[003]" */
static bool take_head_by_cpu(struct cursor *c, struct ftrace_event *event)
{
    const char *start = c->at, *bracket = start;
    while ((bracket = memchr(bracket, '[', (size_t)(c->end - bracket))) != NULL) {
        c->at = bracket + 1;
        uint64_t cpu = take_number(c);
        if (c->at > bracket + 1 && TAKE(c, "]") && (take_usual_rest(c, event) || take_rest_of_head(c, event))) {
            event->cpu = (uint32_t)cpu;
            event->pid = pid_before(start, bracket);
            return true;
        }
        bracket++;
    }
    return false;
}

/* What stands before the time: "sh-90  0d.h2." of latency-format, "sh 90" or "sh 90/90" of perf script. */
static void read_columns_before(const char *start, const char *at, struct ftrace_event *event)
{
    while (at > start && is_blank(at[-1]))
        at--;
    const char *word = at;
    while (word > start && !is_blank(word[-1]))
        word--;
    struct cursor c = { word, at };
    uint64_t number = take_number(&c);
    struct text flags = { c.at, (uint32_t)(at - c.at) };
    if (c.at > word && read_flags(flags, &event->context)) {
        event->cpu = (uint32_t)number;
        at = word;
    }
    event->pid = pid_before(start, at);
}

/* "4.350245:", "23us"; a bare number would be found in too many texts. */
static bool is_sure_time(struct text word)
{
    uint64_t time;
    return read_time(word, &time) && (memchr(word.start, '.', word.length) || memchr(word.start, 'u', word.length));
}

/* "kmem:kfree:" */
static bool is_long_name(struct text word)
{
    if (last_letter(word) != ':' || !memchr(word.start, ':', word.length - 1))
        return false;
    for (uint32_t i = 0; i < word.length; i++) {
        char letter = word.start[i];
        if (!is_digit(letter) && (letter < 'a' || letter > 'z') && letter != '_' && letter != ':')
            return false;
    }
    return true;
}

static bool take_head_by_time(struct cursor *c, struct ftrace_event *event)
{
    const char *start = c->at;
    if (find_text(start, c->end, ": { ")) /* LTTng's */
        return false;
    for (;;) {
        skip_blanks(c);
        const char *at = c->at;
        struct text word = take_word(c);
        if (!word.length)
            return false;
        if (!is_sure_time(word) && !is_long_name(word))
            continue;
        c->at = at;
        if (!take_rest_of_head(c, event))
            return false;
        read_columns_before(start, at, event);
        return true;
    }
}

/* ---- lines that are no events ---- */

/* "CPU:1 [LOST 12 EVENTS]", "CPU:1 [LOST EVENTS]", "CPU:7 [204600 EVENTS DROPPED]", "PERF_RECORD_LOST lost 9", "LOST 12
 * events!", "Processed 90 events and lost 3 chunks!" */
static bool is_lost(const char *line, const char *end, uint64_t *nr_lost)
{
    const char *dropped = find_text(line, end, "EVENTS DROPPED]"), *bracket = memchr(line, '[', (size_t)(end - line));
    const char *lost = find_text(line, end, " lost "), *big = find_text(line, end, "LOST ");
    bool says_events = find_text(line, end, "EVENTS") || find_text(line, end, "events") ||
                       find_text(line, end, "samples") || find_text(line, end, "PERF_RECORD_LOST");
    if (!says_events || (!dropped && !lost && !big))
        return false;
    *nr_lost = dropped ? (bracket ? number_at(bracket + 1, end) : 0) : number_at(lost ? lost + 6 : big + 5, end);
    return true;
}

static bool is_number_after(const char *line, const char *end, const char *start)
{
    struct cursor c = { line, end };
    if (!take_text(&c, start, strlen(start)) || c.at == c.end || !is_digit(*c.at))
        return false;
    take_number(&c);
    return c.at == c.end || TAKE(&c, " is empty");
}

/* What trace-cmd report begins with, and its remarks on sub-buffers. */
static bool is_header(const char *line, const char *end)
{
    return is_number_after(line, end, "cpus=") || is_number_after(line, end, "version = ") ||
           is_number_after(line, end, "CPU ") || find_text(line, end, "[SUBBUFFER START]");
}

/* " => vfs_read", "<stack trace>" of ftrace; "  ffffffff811a2b3c vfs_read+0x9c ([kernel.kallsyms])" of perf script. */
static bool is_stack(const char *line, const char *end)
{
    struct cursor c = { line, end };
    skip_blanks(&c);
    if (TAKE(&c, "=> ") || find_text(line, end, ": <stack trace") || find_text(line, end, ": <user stack trace"))
        return true;
    struct text word = take_word(&c);
    for (uint32_t i = 0; i < word.length; i++) {
        char lower = (char)(word.start[i] | 0x20);
        if (!is_digit(word.start[i]) && (lower < 'a' || lower > 'f'))
            return false;
    }
    return is_blank(*line) && word.length && c.at < c.end;
}

/* A line of the function tracer: "sh-90 [000] .....  4.350245: vfs_read <-ksys_read", or of function_graph: " 1)   1.688 us
 * |  vfs_read();", " 1)   sh-90    =>   make-91" */
static bool is_function(const char *line, const char *end)
{
    struct cursor c = { line, end };
    if (find_text(line, end, ": ") && find_text(line, end, " <-"))
        return true;
    const char *bracket = memchr(line, ')', (size_t)(end - line));
    if (!bracket)
        return false;
    const char *bar = find_text(line, end, " | ");
    c.at = bar && bar < bracket ? bar + 3 : line;
    skip_blanks(&c);
    bool has_cpu = c.at < c.end && is_digit(*c.at);
    (void)take_number(&c);
    return has_cpu && c.at == bracket && (find_text(bracket, end, "|  ") || find_text(bracket, end, " => "));
}

/* All but the texts: they are as long as nr_call_site and nr_name say. */
static void event_clear_head(struct ftrace_event *event)
{
    memset(event, 0, offsetof(struct ftrace_event, call_site));
}

static enum ftrace_line_kind other_line(const char *line, const char *end, struct ftrace_event *event)
{
    struct cursor c = { line, end };
    event_clear_head(event);
    event->kind = FTRACE_OTHER;
    while (c.at < end && (is_blank(*c.at) || *c.at == '>')) /* of a quoting mail */
        c.at++;
    if (c.at == end)
        return LINE_COMMENT;
    if (is_lost(line, end, &event->nr_lost))
        return LINE_LOST;
    if (is_stack(line, end))
        return LINE_STACK;
    event->is_function = is_function(line, end);
    return is_header(line, end) ? LINE_COMMENT : event->is_function ? LINE_EVENT : LINE_GARBAGE;
}

static enum ftrace_line_kind guest_line(const char *line, size_t length, struct gfp_memory *gfps,
                                        struct ftrace_event *event)
{
    struct guest_text text;
    struct cursor c = { line, line + length };
    event_clear_head(event);
    if (ftrace_take_lttng_head(&c, &text, event))
        return ftrace_take_fields(&c, gfps, event) ? LINE_EVENT : LINE_BROKEN;
    if (!ftrace_take_message_head(&c, event))
        return other_line(line, line + length, event);
    event->is_message = true;
    return ftrace_take_fields(&c, gfps, event) ? LINE_EVENT : LINE_BROKEN;
}

enum ftrace_line_kind ftrace_line_parse(const char *line, size_t length, struct gfp_memory *gfps,
                                        struct ftrace_event *event)
{
    if (length && line[length - 1] == '\r')
        length--;
    if (length == 0 || line[0] == '#')
        return LINE_COMMENT;
    static bool (*const HEADS[])(struct cursor *, struct ftrace_event *) = {
        take_head_by_cpu,
        take_head_by_time,
        ftrace_take_graph_head,
    };
    struct cursor c;
    unsigned i = 0;
    do {
        if (i == sizeof HEADS / sizeof HEADS[0])
            return guest_line(line, length, gfps, event);
        c = (struct cursor){ line, line + length };
        event_clear_head(event);
    } while (!HEADS[i++](&c, event));
    if (event->kind == FTRACE_OTHER && TAKE(&c, "PERF_RECORD_LOST"))
        return other_line(line, line + length, event);
    return ftrace_take_fields(&c, gfps, event) ? LINE_EVENT : LINE_BROKEN;
}
