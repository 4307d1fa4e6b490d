/* server/import/ftrace_fields.c - see ftrace_fields.h. Fields are looked for where Linux 6.1 prints them, then behind that,
 * then anywhere: other versions and tools leave some out, add some ("accounted=", "[FAILED TO PARSE]") or print them in
 * another order. */
#include "server/import/ftrace_fields.h"

#include "server/base/number.h"

#include <endian.h>

#define SURE_DIGITS 19 /* a number of that many fits 64 bits */

static bool fields_find_key_behind(struct cursor *c, const char *key, size_t length)
{
    for (const char *at = c->at; at + length <= c->end; at++) {
        if (memcmp(at, key, length) == 0) {
            c->at = at + length;
            return true;
        }
        at = memchr(at, ' ', (size_t)(c->end - at));
        if (!at)
            return false;
    }
    return false;
}

static bool fields_find_key(struct cursor *c, const char *start, const char *key, size_t length)
{
    if (fields_find_key_behind(c, key, length))
        return true;
    c->at = start;
    return fields_find_key_behind(c, key, length);
}

static inline void fields_skip_blank(struct cursor *c)
{
    c->at += c->at < c->end && *c->at == ' ';
}

/* Moves behind "key="; start: where the fields begin. */
#define FIND(c, start, key) (fields_skip_blank(c), TAKE(c, key "=") || fields_find_key(c, start, key "=", sizeof key))

/* Value of a hex digit and one; 0 for anything else. */
static const uint8_t HEX_VALUE[256] = {
#define H(digit, value) [digit] = (value) + 1
    H('0', 0),  H('1', 1),  H('2', 2),  H('3', 3),  H('4', 4),  H('5', 5),  H('6', 6),  H('7', 7),
    H('8', 8),  H('9', 9),  H('a', 10), H('b', 11), H('c', 12), H('d', 13), H('e', 14), H('f', 15),
    H('A', 10), H('B', 11), H('C', 12), H('D', 13), H('E', 14), H('F', 15),
#undef H
};

/* Eight hex digits in lower case at once, each in its byte, then in pairs, fours and all together. False: they are not. */
static bool fields_read_hex8(const char *at, uint64_t *value)
{
    const uint64_t ones = 0x0101010101010101u;
    uint64_t text, digits, letters;
    memcpy(&text, at, sizeof text);
    text = le64toh(text);
    letters = text >> 6 & ones; /* a..f are 0x61.. */
    digits = (text & 0x0f * ones) + letters * 9;
    letters = (digits + 6 * ones) >> 4 & ones;
    if (digits & 0xf0 * ones || digits + 0x30 * ones + letters * 0x27 != text)
        return false;
    digits = (digits << 4 | digits >> 8) & 0x00ff00ff00ff00ffu;
    digits = (digits << 8 | digits >> 16) & 0x0000ffff0000ffffu;
    *value = (digits << 16 | digits >> 32) & 0xffffffffu;
    return true;
}

/* The whole word must be hex. */
static bool fields_take_hex(struct cursor *c, uint64_t *value)
{
    const char *at = c->at, *start = at, *end = c->end;
    uint64_t sum = 0, low;
    if (end - at >= 16 && fields_read_hex8(at, &sum) && fields_read_hex8(at + 8, &low)) {
        sum = sum << 32 | low;
        at += 16;
    } else {
        sum = 0;
    }
    for (uint8_t digit; at < end && (digit = HEX_VALUE[(unsigned char)*at]) != 0; at++)
        sum = sum << 4 | (uint64_t)(digit - 1);
    c->at = at;
    *value = sum;
    return at > start && at - start <= 16 && (at == c->end || is_blank(*at));
}

/* "88", "0x58" */
static bool fields_take_count(struct cursor *c, uint64_t *value)
{
    if (TAKE(c, "0x"))
        return fields_take_hex(c, value);
    const char *start = c->at;
    *value = take_number(c);
    if (c->at - start > SURE_DIGITS)
        return number_scan_decimal(start, c->at, value) != NULL; /* it may be beyond 64 bits */
    return c->at > start;
}

/* "ffff888004a9b000", "0xffff888004a9b000", "(null)", "(____ptrval____)"; before 4.15 "          (null)", as wide as a
 * pointer. */
static bool fields_take_pointer(struct cursor *c, struct ftrace_event *event)
{
    skip_blanks(c);
    (void)TAKE(c, "0x");
    if (fields_take_hex(c, &event->ptr))
        return true;
    struct text word = take_word(c);
    event->ptr = 0;
    event->is_pointer_hidden = BEGINS(word, "(____ptrval____)");
    return event->is_pointer_hidden || BEGINS(word, "(null)") || BEGINS(word, "(nil)");
}

/* ---- call sites ---- */

static void fields_keep_text(char *out, uint8_t *length, struct text text)
{
    size_t nr = text.length < FTRACE_TEXT_MAX - (size_t)*length ? text.length : FTRACE_TEXT_MAX - (size_t)*length;
    memcpy(out + *length, text.start, nr);
    *length = (uint8_t)(*length + nr);
}

static bool fields_is_plain_address(struct text site)
{
    uint64_t value;
    struct cursor c = { site.start, site.start + site.length };
    (void)TAKE(&c, "0x");
    return fields_take_hex(&c, &value);
}

/* "func+0x104/0x150 [module]", "func+0x104", "ffffffff81234567", "(func+0x104)" before the fields. */
static void fields_take_call_site(struct cursor *c, const char *start, struct ftrace_event *event)
{
    struct cursor prefix = { start, c->end };
    struct text function = { 0 };
    if (TAKE(&prefix, "(")) {
        function = take_word(&prefix);
        function.length -= last_letter(function) == ')';
    }
    if (!FIND(c, start, "call_site")) {
        c->at = start;
        return; /* a print of one's own leaves it out */
    }
    struct text site = take_long_word(c);
    if (function.length && fields_is_plain_address(site))
        site = function;
    const char *slash = memchr(site.start, '/', site.length);
    if (slash)
        site.length = (uint32_t)(slash - site.start);
    fields_keep_text(event->call_site, &event->nr_call_site, site);
    if (c->end - c->at > 1 && c->at[1] == '[') {
        const char *blank = c->at++;
        fields_keep_text(event->call_site, &event->nr_call_site, (struct text){ blank, take_word(c).length + 1 });
    }
}

/* ---- the fields of each event ---- */

static bool fields_take_object(struct cursor *c, const char *start, struct ftrace_event *event)
{
    fields_take_call_site(c, start, event);
    return FIND(c, start, "ptr") && fields_take_pointer(c, event);
}

/* Frees tell it since 5.12, allocations since 7.0. */
static void fields_take_cache_name(struct cursor *c, const char *start, struct ftrace_event *event)
{
    bool is_cached = event->kind != FTRACE_KMALLOC && event->kind != FTRACE_KMALLOC_NODE && event->kind != FTRACE_KFREE;
    if (is_cached && FIND(c, start, "name"))
        fields_keep_text(event->name, &event->nr_name, take_long_word(c));
}

static bool fields_take_object_alloc(struct cursor *c, struct gfp_memory *gfps, struct ftrace_event *event)
{
    const char *start = c->at;
    if (!fields_take_object(c, start, event) || !FIND(c, start, "bytes_req") || !fields_take_count(c, &event->bytes_req) ||
        !FIND(c, start, "bytes_alloc") || !fields_take_count(c, &event->bytes_alloc) || !FIND(c, start, "gfp_flags"))
        return false;
    ftrace_take_gfp(c, gfps, event);
    fields_take_cache_name(c, start, event);
    return true;
}

static bool fields_take_object_free(struct cursor *c, struct ftrace_event *event)
{
    const char *start = c->at;
    if (!fields_take_object(c, start, event))
        return false;
    fields_take_cache_name(c, start, event);
    return true;
}

/* "4660", "0x1234"; of an allocation that failed "-1", or that as a number without sign. */
static bool fields_take_pfn(struct cursor *c, uint64_t *pfn)
{
    if (TAKE(c, "-1"))
        *pfn = 0;
    else if (!fields_take_count(c, pfn))
        return false;
    *pfn = *pfn == UINT64_MAX || *pfn == UINT32_MAX ? 0 : *pfn; /* of 64 and of 32 bits */
    return true;
}

/* "page=(null)", "page=          (null)", "page=(nil)" */
static bool fields_has_no_page(struct cursor c)
{
    if (!TAKE(&c, "page="))
        return false;
    skip_blanks(&c);
    return TAKE(&c, "(n");
}

static bool fields_take_page(struct cursor *c, const char *start, struct ftrace_event *event)
{
    uint64_t order;
    bool has_no_page = fields_has_no_page(*c);
    if (!FIND(c, start, "pfn") || !fields_take_pfn(c, &event->pfn) || !FIND(c, start, "order") ||
        !fields_take_count(c, &order))
        return false;
    event->order = (uint8_t)order;
    event->pfn = has_no_page ? 0 : event->pfn;
    return order < ORDERS_MAX;
}

static bool fields_take_page_alloc(struct cursor *c, struct gfp_memory *gfps, struct ftrace_event *event)
{
    const char *start = c->at;
    if (!fields_take_page(c, start, event) || !FIND(c, start, "gfp_flags"))
        return false;
    ftrace_take_gfp(c, gfps, event);
    return true;
}

void ftrace_take_more_fields(const char *line, size_t length, struct ftrace_event *event)
{
    struct cursor c = { line, line + length };
    if (!event->nr_name)
        fields_take_cache_name(&c, line, event);
}

bool ftrace_take_fields(struct cursor *fields, struct gfp_memory *gfps, struct ftrace_event *event)
{
    struct cursor *c = fields;
    switch (event->kind) {
    case FTRACE_KMALLOC:
    case FTRACE_KMALLOC_NODE:
    case FTRACE_CACHE_ALLOC:
    case FTRACE_CACHE_ALLOC_NODE:
        return fields_take_object_alloc(c, gfps, event);
    case FTRACE_KFREE:
    case FTRACE_CACHE_FREE:
        return fields_take_object_free(c, event);
    case FTRACE_PAGE_ALLOC:
        return fields_take_page_alloc(c, gfps, event);
    case FTRACE_PAGE_FREE:
    case FTRACE_PAGE_FREE_DIRECT:
    case FTRACE_PAGEVEC_FREE:
        return fields_take_page(c, c->at, event);
    case FTRACE_MARK:
        event->mark = (struct text){ c->at, (uint32_t)(c->end - c->at) };
        return true;
    default:
        return true; /* counted, not applied */
    }
}
