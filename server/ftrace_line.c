/* server/ftrace_line.c - see ftrace_line.h. Such a line looks like
 *
 *     sh-90  [000] d.h2.  4.350245: kfree: call_site=detach_buf_split+0x104/0x150 [virtio_ring] ptr=ffff888013efc2a0
 *     task-pid [cpu] flags time: event: fields
 *
 * A million of them a second is the aim, so a line is walked once with a cursor, fields in the order in which the kernel
 * prints them; perf script has no flags and a "kmem:" before the event. */
#include "server/ftrace_line.h"
#include "pagoda/gfp.h"

#include <string.h>

#define GFP_RECLAIM (__GFP_DIRECT_RECLAIM | __GFP_KSWAPD_RECLAIM)
#define FLAG_CONTEXT 2 /* place of 'h', 's' among the flags */

struct cursor {
    const char *at, *end;
};

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static void skip_blanks(struct cursor *c)
{
    while (c->at < c->end && *c->at == ' ')
        c->at++;
}

static uint64_t take_number(struct cursor *c)
{
    uint64_t value = 0;
    for (; c->at < c->end && is_digit(*c->at); c->at++)
        value = value * 10 + (uint64_t)(*c->at - '0');
    return value;
}

/* Value of a hex digit, 255 for anything else. */
static const uint8_t HEX_VALUE[256] = {
#define H(digit, value) [digit] = (value) + 1
    H('0', 0),  H('1', 1),  H('2', 2),  H('3', 3),  H('4', 4),  H('5', 5),  H('6', 6),  H('7', 7),
    H('8', 8),  H('9', 9),  H('a', 10), H('b', 11), H('c', 12), H('d', 13), H('e', 14), H('f', 15),
    H('A', 10), H('B', 11), H('C', 12), H('D', 13), H('E', 14), H('F', 15),
#undef H
};

/* "ffff888004a9b000", "0x598c", "(null)" */
static bool take_hex(struct cursor *c, uint64_t *value)
{
    *value = 0;
    if (c->end - c->at >= 5 && c->at[0] == '(') { /* (null), (nil) */
        while (c->at < c->end && *c->at != ' ')
            c->at++;
        return true;
    }
    if (c->end - c->at > 2 && c->at[0] == '0' && c->at[1] == 'x')
        c->at += 2;
    const char *start = c->at;
    for (uint8_t digit; c->at < c->end && (digit = HEX_VALUE[(unsigned char)*c->at]) != 0; c->at++)
        *value = *value << 4 | (uint64_t)(digit - 1);
    return c->at > start && c->at - start <= 16;
}

/* Moves behind "key", which may stand after a blank or at once. Skips what is between. */
static bool find_key(struct cursor *c, const char *key, size_t length)
{
    for (const char *at = c->at; at + length <= c->end; at++) {
        if (*at == *key && memcmp(at, key, length) == 0) {
            c->at = at + length;
            return true;
        }
        at = memchr(at, ' ', (size_t)(c->end - at));
        if (!at)
            return false;
    }
    return false;
}
#define FIND(c, key) find_key(c, key "=", sizeof key)

static struct text take_until(struct cursor *c, const char *stop)
{
    struct text text = { c->at, (uint32_t)(stop - c->at) };
    c->at = stop;
    return text;
}

static struct text take_word(struct cursor *c)
{
    const char *blank = memchr(c->at, ' ', (size_t)(c->end - c->at));
    return take_until(c, blank ? blank : c->end);
}

/* ---- flags ---- */

static bool decode_one_flag(const char *text, size_t length, uint32_t *gfp)
{
    struct problem why;
    uint32_t bits;
    if (length == 13 && memcmp(text, "__GFP_RECLAIM", 13) == 0)
        bits = GFP_RECLAIM;
    else if (length == 4 && memcmp(text, "none", 4) == 0)
        bits = 0;
    else if (gfp_parse(text, length, &bits, &why))
        return false;
    *gfp |= bits;
    return true;
}

static bool decode_gfp(struct text text, uint32_t *gfp)
{
    *gfp = 0;
    const char *at = text.start, *end = at + text.length;
    while (at < end) {
        const char *bar = memchr(at, '|', (size_t)(end - at));
        const char *stop = bar ? bar : end;
        if (!decode_one_flag(at, (size_t)(stop - at), gfp))
            return false;
        at = bar ? bar + 1 : end;
    }
    *gfp &= GFP_ALL_BITS;
    return text.length > 0;
}

static bool take_gfp(struct cursor *c, struct gfp_memory *gfps, uint32_t *gfp)
{
    struct text text = take_word(c);
    uint32_t hash = text.length;
    for (uint32_t i = 3; i < text.length; i += 3)
        hash = hash * 31 + (unsigned char)text.start[i];
    uint32_t slot = hash % (sizeof gfps->rows / sizeof gfps->rows[0]);
    if (gfps->rows[slot].length == text.length && memcmp(gfps->rows[slot].text, text.start, text.length) == 0) {
        *gfp = gfps->rows[slot].gfp;
        return text.length > 0;
    }
    if (!decode_gfp(text, gfp))
        return false;
    if (text.length <= sizeof gfps->rows[slot].text) {
        memcpy(gfps->rows[slot].text, text.start, text.length);
        gfps->rows[slot].length = text.length;
        gfps->rows[slot].gfp = *gfp;
    }
    return true;
}

/* ---- the fields of each event ---- */

/* Ends before " ptr=": a call site in a module has a blank in it. */
static bool take_call_site(struct cursor *c, struct ftrace_event *event)
{
    if (!FIND(c, "call_site"))
        return false;
    const char *start = c->at;
    if (!FIND(c, "ptr") || c->at - start < 5)
        return false;
    event->call_site = (struct text){ start, (uint32_t)(c->at - 5 - start) };
    return take_hex(c, &event->ptr);
}

static bool take_object_alloc(struct cursor *c, struct gfp_memory *gfps, struct ftrace_event *event)
{
    if (!take_call_site(c, event) || !FIND(c, "bytes_req"))
        return false;
    event->bytes_req = take_number(c);
    if (!FIND(c, "bytes_alloc"))
        return false;
    event->bytes_alloc = take_number(c);
    return FIND(c, "gfp_flags") && take_gfp(c, gfps, &event->gfp);
}

static bool take_page(struct cursor *c, struct ftrace_event *event)
{
    if (!FIND(c, "pfn"))
        return false;
    const char *start = c->at;
    bool is_hex = c->end - start > 2 && start[1] == 'x';
    if (is_hex && !take_hex(c, &event->pfn))
        return false;
    if (!is_hex)
        event->pfn = take_number(c);
    if (!FIND(c, "order"))
        return false;
    uint64_t order = take_number(c);
    event->order = (uint8_t)order;
    return c->at > start && order < 32;
}

static bool take_fields(struct cursor *c, struct gfp_memory *gfps, struct ftrace_event *event)
{
    switch (event->kind) {
    case FTRACE_KMALLOC:
    case FTRACE_KMALLOC_NODE:
    case FTRACE_CACHE_ALLOC:
    case FTRACE_CACHE_ALLOC_NODE:
        return take_object_alloc(c, gfps, event);
    case FTRACE_KFREE:
        return take_call_site(c, event);
    case FTRACE_CACHE_FREE:
        if (!take_call_site(c, event))
            return false;
        if (FIND(c, "name"))
            event->name = take_word(c);
        return true;
    case FTRACE_PAGE_ALLOC:
        return take_page(c, event) && FIND(c, "gfp_flags") && take_gfp(c, gfps, &event->gfp);
    case FTRACE_PAGE_FREE:
        return take_page(c, event);
    case FTRACE_MARK:
        event->name = take_until(c, c->end);
        return true;
    default:
        return true; /* counted, not applied */
    }
}

/* ---- the head of a line ---- */

static bool find_kind(struct text name, enum ftrace_kind *kind)
{
    static const struct text NAMES[] = {
#define X(id, text) { text, sizeof text - 1 },
        FTRACE_EVENT_MAP(X)
#undef X
    };
    for (unsigned i = 0; i < FTRACE_OTHER; i++)
        if (NAMES[i].length == name.length && memcmp(NAMES[i].start, name.start, name.length) == 0) {
            *kind = (enum ftrace_kind)i;
            return true;
        }
    *kind = FTRACE_OTHER;
    return false;
}

/* To "[cpu]"; the number before it is the pid: "sh-90  [000]", "sh-90 (90) [000]", "sh  90 [000]". */
static bool take_task(struct cursor *c, struct ftrace_event *event)
{
    const char *start = c->at, *bracket = start;
    do {
        bracket = memchr(bracket, '[', (size_t)(c->end - bracket));
        if (!bracket)
            return false;
        c->at = ++bracket;
        event->cpu = (uint32_t)take_number(c);
    } while (c->at == bracket || c->at >= c->end || *c->at != ']');
    c->at++;
    const char *back = bracket - 2;
    while (back > start && !is_digit(*back))
        back--;
    const char *last = back;
    while (back > start && is_digit(back[-1]))
        back--;
    struct cursor digits = { back, last + 1 };
    event->pid = (uint32_t)take_number(&digits);
    return back > start && is_digit(*last);
}

static uint8_t context_of(struct text flags)
{
    char c = flags.length > FLAG_CONTEXT ? flags.start[FLAG_CONTEXT] : '.';
    return c == 'h' || c == 'H' ? CONTEXT_HARDIRQ : c == 's' ? CONTEXT_SOFTIRQ : CONTEXT_PROCESS;
}

/* Flags, if there are any, and the time. */
static bool take_time(struct cursor *c, struct ftrace_event *event)
{
    skip_blanks(c);
    struct text word = take_word(c);
    if (word.length && word.start[word.length - 1] != ':') {
        event->context = context_of(word);
        skip_blanks(c);
        word = take_word(c);
    }
    return word.length > 1 && is_digit(word.start[0]) && word.start[word.length - 1] == ':';
}

static bool take_event_name(struct cursor *c, struct ftrace_event *event)
{
    skip_blanks(c);
    struct text word = take_word(c);
    if (word.length < 2 || word.start[word.length - 1] != ':')
        return false;
    word.length--;
    const char *colon = memchr(word.start, ':', word.length); /* "kmem:kfree" */
    if (colon) {
        word.length -= (uint32_t)(colon + 1 - word.start);
        word.start = colon + 1;
    }
    find_kind(word, &event->kind);
    event->name = event->kind == FTRACE_OTHER ? word : (struct text){ 0 };
    skip_blanks(c);
    return word.length > 0;
}

enum ftrace_line_kind ftrace_line_parse(const char *line, size_t length, struct gfp_memory *gfps,
                                        struct ftrace_event *event)
{
    if (length && line[length - 1] == '\r')
        length--;
    if (length == 0 || line[0] == '#')
        return LINE_COMMENT;
    if (length > 5 && memcmp(line, "CPU:", 4) == 0)
        return LINE_LOST; /* "CPU:0 [LOST 12 EVENTS]" */
    struct cursor c = { line, line + length };
    *event = (struct ftrace_event){ .context = CONTEXT_PROCESS };
    bool ok = take_task(&c, event) && take_time(&c, event) && take_event_name(&c, event) && take_fields(&c, gfps, event);
    return ok ? LINE_EVENT : LINE_GARBAGE;
}
