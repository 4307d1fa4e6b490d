/* server/import/call_line.c - see call_line.h. These are lines that are read:
 *
 *     malloc(24)                               = 0x55d0c62a72a0         ltrace, and most tracers to be preloaded
 *     [pid 77] 10:11:12.345678 app->realloc(0x55d0c62a72a0, 100, 0, 0) = 0x55d0c62a7320 <0.000123>    ltrace -f -tt -T
 *     77 free(0x55d0c62a72c0)                  = <void>                 ltrace -f -o FILE
 *     77 malloc(24 <unfinished ...>                                     and later
 *     77 <... malloc resumed> )                = 0x55d0c62a72a0
 *     --77-- calloc(0x0, 10,8) = 0x4A5B040                              valgrind --trace-malloc=yes
 *     [10:11:12.3] (+0.1) host lttng_ust_libc:malloc: { cpu_id = 1 }, { vtid = 77 }, { size = 24, ptr = 0x55d0c62a72a0 }
 *
 * The first bracket that stands directly behind a name is the call's: what stands in texts is none. */
#include "server/import/call_line.h"
#include "server/base/number.h"
#include "server/import/ftrace_cursor.h"

#include <ctype.h>

#define ARGUMENTS_MAX 4u
#define THREAD_DIGITS_MAX 7u /* PID_MAX_LIMIT has seven */

/* name, operation, number of the call's arguments that are kept, how many stand before them */
static const struct call_name {
    const char *name;
    enum op_kind kind;
    unsigned nr_arguments, first;
} CALL_NAMES[] = {
    { "malloc", OP_MALLOC, 1, 0 },
    { "free", OP_FREE, 1, 0 },
    { "calloc", OP_CALLOC, 2, 0 },
    { "realloc", OP_REALLOC, 2, 0 },
    { "reallocarray", OP_REALLOC, 3, 0 },
    { "memalign", OP_MEMALIGN, 2, 0 },
    { "aligned_alloc", OP_ALIGNED_ALLOC, 2, 0 },
    { "posix_memalign", OP_POSIX_MEMALIGN, 2, 1 },
    { "valloc", OP_VALLOC, 1, 0 },
    { "pvalloc", OP_PVALLOC, 1, 0 },
    { "cfree", OP_FREE, 1, 0 },
    { "new", OP_MALLOC, 1, 0 }, /* "operator new", as the three below */
    { "new[]", OP_MALLOC, 1, 0 },
    { "delete", OP_FREE, 1, 0 },
    { "delete[]", OP_FREE, 1, 0 },
    { "_Znwm", OP_MALLOC, 1, 0 },
    { "_Znam", OP_MALLOC, 1, 0 },
    { "_ZdlPv", OP_FREE, 1, 0 },
    { "_ZdaPv", OP_FREE, 1, 0 },
    { "_ZdlPvm", OP_FREE, 1, 0 },
    { "_ZdaPvm", OP_FREE, 1, 0 },
    { "builtin_new", OP_MALLOC, 1, 0 }, /* valgrind's words, with __ before them */
    { "builtin_vec_new", OP_MALLOC, 1, 0 },
    { "builtin_delete", OP_FREE, 1, 0 },
    { "builtin_vec_delete", OP_FREE, 1, 0 },
};

/* ---- names ---- */

static bool is_name_letter(char c)
{
    return isalnum((unsigned char)c) || c == '_' || c == '@' || c == '.' || c == '[' || c == ']' || c == '+' || c == '~';
}

/* "malloc", "malloc@plt", "__libc_malloc", "libc.so.6->malloc" */
static const struct call_name *call_find_name(struct text name)
{
    const char *at = memchr(name.start, '@', name.length);
    if (at)
        name.length = (uint32_t)(at - name.start);
    static const char *const PREFIXES[] = { "__libc_", "__GI_", "__interceptor_", "__" };
    for (unsigned i = 0; i < sizeof PREFIXES / sizeof PREFIXES[0]; i++)
        if (text_begins(name, PREFIXES[i], strlen(PREFIXES[i]))) {
            name.start += strlen(PREFIXES[i]);
            name.length -= (uint32_t)strlen(PREFIXES[i]);
            break;
        }
    for (unsigned i = 0; i < sizeof CALL_NAMES / sizeof CALL_NAMES[0]; i++)
        if (strlen(CALL_NAMES[i].name) == name.length && memcmp(CALL_NAMES[i].name, name.start, name.length) == 0)
            return &CALL_NAMES[i];
    return NULL;
}

/* The name that ends at an opening bracket. Empty: none does. */
static struct text call_name_before(const char *start, const char *bracket)
{
    const char *at = bracket;
    while (at > start && is_name_letter(at[-1]))
        at--;
    return (struct text){ at, (uint32_t)(bracket - at) };
}

/* The thread among what stands before a call: "[pid 77] ", "77 ", "--77-- ", "[77] ". Times have colons or points in them.
 */
static uint64_t call_read_thread(const char *start, const char *end)
{
    struct cursor c = { start, end };
    for (;;) {
        skip_blanks(&c);
        struct text word = take_word(&c);
        if (!word.length)
            return 0;
        while (word.length && strchr("[]-()", *word.start)) {
            word.start++;
            word.length--;
        }
        while (word.length && strchr("[]-()", last_letter(word)))
            word.length--;
        uint64_t thread;
        if (word.length && word.length <= THREAD_DIGITS_MAX && number_parse(word.start, word.length, &thread))
            return thread;
    }
}

/* ---- arguments and results ---- */

static bool call_take_nil(struct cursor *c)
{
    return TAKE(c, "(nil)") || TAKE(c, "(null)") || TAKE(c, "NULL") || TAKE(c, "nil");
}

/* "24", "-1", "0x18", "55d0c62a72a0", "(nil)" */
static bool call_take_value(struct cursor *c, bool is_pointer, uint64_t *value)
{
    *value = 0;
    if (call_take_nil(c))
        return true;
    bool is_negative = TAKE(c, "-");
    bool is_hex = number_has_0x(c->at, (size_t)(c->end - c->at));
    const char *start = c->at + (is_hex ? 2 : 0), *at = start;
    while (at < c->end && isxdigit((unsigned char)*at))
        at++;
    uint32_t length = (uint32_t)(at - start);
    struct text digits = { start, length };
    c->at = at;
    if (is_hex)
        return number_parse_hex(digits.start, digits.length, value);
    if (number_parse(digits.start, digits.length, value)) {
        *value = is_negative ? -*value : *value;
        return true;
    }
    return (is_pointer && length >= 6 && number_parse_hex(digits.start, digits.length, value));
}

/* "size=24", "24" */
static void call_skip_key(struct cursor *c)
{
    struct cursor at = *c;
    while (at.at < at.end && (isalpha((unsigned char)*at.at) || *at.at == '_'))
        at.at++;
    skip_blanks(&at);
    if (at.at > c->at && (TAKE(&at, "=") || TAKE(&at, ":"))) {
        skip_blanks(&at);
        *c = at;
    }
}

static unsigned call_take_arguments(struct cursor *c, uint64_t values[ARGUMENTS_MAX])
{
    unsigned nr = 0;
    while (nr < ARGUMENTS_MAX) {
        skip_blanks(c);
        call_skip_key(c);
        if (!call_take_value(c, true, &values[nr]))
            break;
        nr++;
        skip_blanks(c);
        if (!TAKE(c, ","))
            break;
    }
    return nr;
}

/* "= 0x55d0c62a72a0", "-> 0x…", ": 0x…" */
static bool call_take_result(struct cursor *c, uint64_t *pointer)
{
    skip_blanks(c);
    if (!TAKE(c, "=>") && !TAKE(c, "->") && !TAKE(c, "=") && !TAKE(c, ":") && !TAKE(c, "returns") && !TAKE(c, "returned"))
        return false;
    skip_blanks(c);
    return call_take_value(c, true, pointer);
}

static bool call_end_arguments(struct cursor *c)
{
    const char *end = memchr(c->at, ')', (size_t)(c->end - c->at));
    c->at = end ? end + 1 : c->at;
    return end != NULL;
}

static bool call_is_result_told(const struct call_line *call)
{
    return call->kind != OP_POSIX_MEMALIGN && call->kind != OP_FREE;
}

/* Arguments that were read to their places in the call. */
static bool call_keep_arguments(struct call_line *call, const struct call_name *name, const uint64_t *values, unsigned nr)
{
    if (nr < name->first + name->nr_arguments)
        return false;
    call->kind = name->kind;
    call->arguments[0] = values[name->first];
    call->arguments[1] = name->nr_arguments > 1 ? values[name->first + 1] : 0;
    if (name->nr_arguments > 2 && __builtin_mul_overflow(call->arguments[1], values[2], &call->arguments[1]))
        call->arguments[1] = UINT64_MAX; /* reallocarray refuses it; so does realloc */
    return true;
}

/* valgrind prints "realloc(0x4A5B040,100)malloc(100) = 0x…" for one that allocates or frees. */
static void call_skip_inner(struct cursor *c)
{
    if (c->end - c->at > 5 && (memcmp(c->at, "malloc", 6) == 0 || memcmp(c->at, "free(", 5) == 0))
        (void)call_end_arguments(c);
}

static enum call_line_kind call_read(struct cursor *c, const struct call_name *name, struct call_line *call)
{
    uint64_t values[ARGUMENTS_MAX] = { 0 };
    unsigned nr = call_take_arguments(c, values);
    bool is_cut = memmem(c->at, (size_t)(c->end - c->at), "<unfinished", 11) != NULL;
    if (!call_keep_arguments(call, name, values, nr))
        return CALL_BROKEN;
    if (is_cut)
        return CALL_UNFINISHED;
    if (!call_end_arguments(c))
        return CALL_BROKEN;
    call_skip_inner(c);
    bool is_free =
        call->kind == OP_REALLOC && !call->arguments[1]; /* valgrind prints the result of such on the next line */
    call->has_pointer = call_is_result_told(call) && (call_take_result(c, &call->pointer) || is_free);
    return call->has_pointer || !call_is_result_told(call) ? CALL_MADE : CALL_BROKEN;
}

/* ---- LTTng ---- */

#define UST "lttng_ust_libc:"

/* "key = 0x18" somewhere behind the cursor. */
static bool ust_find(const struct cursor *c, const char *key, uint64_t *value)
{
    size_t length = strlen(key);
    for (const char *at = c->at; (at = memmem(at, (size_t)(c->end - at), key, length)) != NULL; at += length) {
        struct cursor behind = { at + length, c->end };
        if (at > c->at && is_blank(at[-1]) && TAKE(&behind, " = "))
            return call_take_value(&behind, true, value);
    }
    return false;
}

/* kind, keys of the arguments, key of the result */
static const struct {
    enum op_kind kind;
    const char *first, *second, *pointer;
} UST_KEYS[] = {
    { OP_MALLOC, "size", NULL, "ptr" },          { OP_FREE, "ptr", NULL, NULL },
    { OP_CALLOC, "nmemb", "size", "ptr" },       { OP_REALLOC, "in_ptr", "size", "ptr" },
    { OP_MEMALIGN, "alignment", "size", "ptr" }, { OP_POSIX_MEMALIGN, "alignment", "size", "out_ptr" },
};

static enum call_line_kind ust_read(struct cursor *c, struct call_line *call)
{
    const char *colon = memchr(c->at, ':', (size_t)(c->end - c->at));
    const struct call_name *name = colon ? call_find_name((struct text){ c->at, (uint32_t)(colon - c->at) }) : NULL;
    if (!ust_find(c, "vtid", &call->thread))
        (void)ust_find(c, "vpid", &call->thread);
    for (unsigned i = 0; name && i < sizeof UST_KEYS / sizeof UST_KEYS[0]; i++) {
        if (UST_KEYS[i].kind != name->kind)
            continue;
        call->kind = name->kind;
        call->has_pointer = UST_KEYS[i].pointer && ust_find(c, UST_KEYS[i].pointer, &call->pointer);
        bool is_whole = ust_find(c, UST_KEYS[i].first, &call->arguments[0]) &&
                        (!UST_KEYS[i].second || ust_find(c, UST_KEYS[i].second, &call->arguments[1]));
        return is_whole && (call->has_pointer || !UST_KEYS[i].pointer) ? CALL_MADE : CALL_BROKEN;
    }
    return CALL_OTHER;
}

/* ---- lines ---- */

/* "<... malloc resumed> ) = 0x…" */
static enum call_line_kind call_resume(struct cursor *c, struct call_line *call)
{
    struct text word = take_word(c);
    const struct call_name *name = call_find_name(word);
    skip_blanks(c);
    if (!name || !TAKE(c, "resumed>"))
        return CALL_OTHER;
    call->kind = name->kind;
    (void)call_end_arguments(c);
    call->has_pointer = call_is_result_told(call) && call_take_result(c, &call->pointer);
    return CALL_RESUMED;
}

/* "+++ exited (status 0) +++", "--- SIGCHLD (Child exited) ---"; valgrind's "==77== Memcheck" and " = 0x0" */
static enum call_line_kind call_other(const char *line, const char *end)
{
    size_t length = (size_t)(end - line);
    struct cursor c = { line, end };
    skip_blanks(&c);
    if (!length || memmem(line, length, "+++ ", 4) || TAKE(&c, "==") || TAKE(&c, "= 0x"))
        return CALL_REMARK;
    return memmem(line, length, "--- ", 4) ? CALL_OTHER : CALL_NONE;
}

/* "operator new(unsigned long)(24)": the types are skipped. */
static const char *call_skip_types(const char *bracket, const char *end)
{
    const char *close = memchr(bracket, ')', (size_t)(end - bracket));
    return close && close + 1 < end && close[1] == '(' ? close + 1 : bracket;
}

/* The first bracket behind a name, unless a text has begun before it. */
static enum call_line_kind call_find(const char *line, const char *end, struct call_line *call)
{
    for (const char *at = line; (at = memchr(at, '(', (size_t)(end - at))) != NULL; at++) {
        struct text name = call_name_before(line, at);
        if (!name.length || memchr(line, '"', (size_t)(name.start - line)))
            continue;
        const struct call_name *known = call_find_name(name);
        if (!known)
            return text_begins((struct text){ line, (uint32_t)(end - line) }, "==", 2) ? CALL_REMARK : CALL_OTHER;
        struct cursor c = { call_skip_types(at, end) + 1, end };
        call->thread = call_read_thread(line, name.start);
        return call_read(&c, known, call);
    }
    return call_other(line, end);
}

enum call_line_kind call_line_parse(const char *line, size_t length, struct call_line *call)
{
    const char *end = line + length;
    *call = (struct call_line){ 0 };
    while (end > line && (end[-1] == '\r' || is_blank(end[-1])))
        end--;
    const char *ust = memmem(line, (size_t)(end - line), UST, sizeof UST - 1);
    const char *resumed = memmem(line, (size_t)(end - line), "<... ", 5);
    if (ust) {
        struct cursor c = { ust + sizeof UST - 1, end };
        return ust_read(&c, call);
    }
    if (resumed) {
        struct cursor c = { resumed + 5, end };
        call->thread = call_read_thread(line, resumed);
        return call_resume(&c, call);
    }
    return call_find(line, end, call);
}
