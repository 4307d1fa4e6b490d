/* Malloc's options: mallopt(), the GLIBC_TUNABLES of a process, and malloc_trim(). glibc 2.36: malloc.c do_set_*(), arena.c
 * ptmalloc_init(), elf/dl-tunables.c. glibc passes over a tunable that it does not know, or whose value is out of range. So
 * does this file, and the message says so. */
#include "alloc/malloc/malloc_bins.h"
#include "alloc/malloc/malloc_call.h"
#include "alloc/malloc/malloc_core.h"
#include "alloc/malloc/malloc_look.h"
#include "alloc/malloc/malloc_tcache.h"
#include "alloc/malloc/malloc_top.h"

/* --- malloc_trim --- */

/* Gives whole free pages inside a chunk back to the system; their addresses stay. False: there are none. */
static bool trim_chunk(struct libc *c, uint64_t chunk)
{
    uint64_t head = 6 * (uint64_t)c->rules->word; /* struct malloc_chunk must stay */
    uint64_t end = chunk + chunk_size(c, chunk), first = page_align(chunk + head);
    if (c->dead || end <= first || end - first < PAGE_SIZE)
        return false;
    uint64_t length = (end - first) & ~(uint64_t)(PAGE_SIZE - 1);
    if (arena_perturb(c))
        libc_fill(c, first, arena_perturb(c), length);
    libc_give_pages(c, first, length);
    return true;
}

static bool trim_bins(struct libc *c)
{
    bool given = false;
    uint64_t left = libc_longest_list(c);
    for (uint32_t i = 1; i < NR_BINS; i = i == 1 ? bin_index(c->rules, PAGE_SIZE) : i + 1) {
        uint64_t bin = bin_at(c, i);
        for (uint64_t chunk = chunk_get(c, bin, CHUNK_BK); chunk != bin && !c->dead && left--;
             chunk = chunk_get(c, chunk, CHUNK_BK)) {
            libc_walk_on(c);
            given = trim_chunk(c, chunk) || given;
        }
    }
    return given;
}

bool heap_trim(struct heaps *heaps, struct process_ref process, uint64_t pad)
{
    struct libc *c = libc_enter(heaps, process);
    bool given = false;
    if (!c)
        return false;
    uint64_t left = libc_longest_list(c);
    do {
        malloc_consolidate(c);
        given = trim_bins(c) || given;
        if (arena_is_main(c))
            given = systrim(c, pad) || given;
        arena_use(c, arena_get(c, c->rules->at_next));
    } while (!arena_is_main(c) && !c->dead && left--);
    return given && !c->dead;
}

/* --- options --- */

static bool tune_max_fast(struct libc *c, uint64_t value)
{
    if (value > c->rules->max_mxfast)
        return false;
    uint64_t size = (value + c->rules->word) & ~(uint64_t)(CHUNK_ALIGN - 1);
    var_put(c, c->rules->at_max_fast, value && size ? size : 2 * c->rules->word);
    return true;
}

static bool tune_tcache_max(struct libc *c, uint64_t value)
{
    if (value > libc_tcache_max(c->rules))
        return false;
    var_put(c, c->rules->at_tcache_max_bytes, value);
    var_put(c, c->rules->at_tcache_bins, tcache_index(c->rules, chunk_size_for(c->rules, value)) + 1);
    return true;
}

/* What mallopt takes, then what only tunables set. */
enum option {
#define X(id, word) id##_,
    MALLOPT_MAP(X)
#undef X
        TCACHE_MAX_,
    TCACHE_COUNT_,
    TCACHE_UNSORTED_LIMIT_,
    NO_EFFECT_
};

/* False: glibc refuses the value. */
static bool tune_option(struct libc *c, enum option option, uint64_t value)
{
    const struct libc_rules *r = c->rules;
    switch (option) {
    case MALLOPT_MXFAST_:
        return tune_max_fast(c, value);
    case MALLOPT_TRIM_THRESHOLD_:
        var_put(c, r->at_trim_threshold, value);
        break;
    case MALLOPT_TOP_PAD_:
        var_put(c, r->at_top_pad, value);
        break;
    case MALLOPT_MMAP_THRESHOLD_:
        var_put(c, r->at_mmap_threshold, value);
        break;
    case MALLOPT_MMAP_MAX_:
        var_put_int(c, r->at_n_mmaps_max, (uint32_t)value);
        break;
    case MALLOPT_PERTURB_:
        var_put_int(c, r->at_perturb, (uint32_t)value);
        c->heap->is_perturbed = (uint8_t)value != 0;
        return true;
    case MALLOPT_ARENA_TEST_:
        var_put(c, r->at_arena_test, value);
        return true;
    case MALLOPT_ARENA_MAX_:
        var_put(c, r->at_arena_max, value);
        return true;
    case TCACHE_MAX_:
        return tune_tcache_max(c, value);
    case TCACHE_COUNT_:
        if (value <= r->tcache_count_max)
            var_put(c, r->at_tcache_count, value);
        return value <= r->tcache_count_max;
    case TCACHE_UNSORTED_LIMIT_:
        var_put(c, r->at_tcache_unsorted_limit, value);
        return true;
    case NO_EFFECT_:
        return true;
    }
    var_put_int(c, r->at_no_dyn_threshold, 1);
    return true;
}

bool heap_mallopt(struct heaps *heaps, struct process_ref process, enum mallopt_option option, int32_t value)
{
    struct libc *c = libc_enter(heaps, process);
    if (!c)
        return false;
    malloc_consolidate(c);
    bool is_arena = option == MALLOPT_ARENA_TEST || option == MALLOPT_ARENA_MAX;
    if (c->dead || (is_arena && value <= 0))
        return !c->dead; /* mallopt answers 1 to these */
    return tune_option(c, (enum option)option, (uint64_t)(int64_t)value & c->rules->address_mask);
}

/* --- GLIBC_TUNABLES --- */

#define TUNABLE_SHOWN 63u /* bytes of a name that the message shows */

#define TUNABLE_PREFIX "glibc.malloc."
#define ANY_SIZE UINT64_MAX

static const struct tunable {
    const char *name;
    enum option option;
    uint64_t min, max;
} TUNABLES[] = {
    { "check", NO_EFFECT_, 0, 3 }, /* belongs to libc_malloc_debug.so since glibc 2.34 */
    { "top_pad", MALLOPT_TOP_PAD_, 0, ANY_SIZE },
    { "perturb", MALLOPT_PERTURB_, 0, 0xff },
    { "mmap_max", MALLOPT_MMAP_MAX_, 0, INT32_MAX },
    { "mmap_threshold", MALLOPT_MMAP_THRESHOLD_, 0, ANY_SIZE },
    { "trim_threshold", MALLOPT_TRIM_THRESHOLD_, 0, ANY_SIZE },
    { "arena_max", MALLOPT_ARENA_MAX_, 1, ANY_SIZE },
    { "arena_test", MALLOPT_ARENA_TEST_, 1, ANY_SIZE },
    { "tcache_max", TCACHE_MAX_, 0, ANY_SIZE },
    { "tcache_count", TCACHE_COUNT_, 0, ANY_SIZE },
    { "tcache_unsorted_limit", TCACHE_UNSORTED_LIMIT_, 0, ANY_SIZE },
    { "mxfast", MALLOPT_MXFAST_, 0, ANY_SIZE },
    { "hugetlb", NO_EFFECT_, 0, ANY_SIZE }, /* huge pages for users are not simulated */
};

static struct text tunables_cut(struct text *rest, char at)
{
    const char *end = rest->length ? memchr(rest->start, at, rest->length) : NULL;
    struct text head = { rest->start, end ? (uint32_t)(end - rest->start) : rest->length };
    uint32_t skip = head.length + (end ? 1 : 0);
    *rest = (struct text){ rest->start + skip, rest->length - skip };
    return head;
}

static bool tunables_is_name(struct text text, const char *prefix, const char *word)
{
    size_t skip = strlen(prefix), length = strlen(word);
    return text.length == skip + length && memcmp(text.start, prefix, skip) == 0 &&
           memcmp(text.start + skip, word, length) == 0;
}

static uint32_t tunables_digit(char letter)
{
    uint32_t lower = (uint32_t)(unsigned char)letter | 0x20;
    return letter >= '0' && letter <= '9' ? (uint32_t)(letter - '0') : lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : 16;
}

/* As _dl_strtoul(): blanks, a sign, then a hexadecimal (0x), octal (0) or decimal number, up to what is no digit. Without a
 * digit it is 0. */
static uint64_t tunables_number(struct text text)
{
    const char *at = text.start, *end = at + text.length;
    uint64_t number = 0;
    uint32_t base = 10;
    while (at < end && (*at == ' ' || *at == '\t'))
        at++;
    bool negative = at < end && *at == '-';
    at += at < end && (*at == '-' || *at == '+');
    if (at < end && *at == '0') {
        bool is_hex = end - at > 1 && (at[1] == 'x' || at[1] == 'X');
        base = is_hex ? 16 : 8;
        at += is_hex ? 2 : 1;
    }
    for (; at < end && tunables_digit(*at) < base; at++) {
        if (number > (UINT64_MAX - tunables_digit(*at)) / base)
            return UINT64_MAX;
        number = number * base + tunables_digit(*at);
    }
    return negative ? -number : number;
}

static void tunables_pass_over(struct trace *trace, struct text name, const char *why)
{
    trace_print(trace, "%s%.*s%s", trace->message_length ? "; " : "",
                (int)(name.length < TUNABLE_SHOWN ? name.length : TUNABLE_SHOWN), name.start, why);
}

static void tunables_set_one(struct libc *c, struct text name, struct text value)
{
    struct trace *trace = c->heaps->trace;
    for (size_t i = 0; i < sizeof TUNABLES / sizeof TUNABLES[0]; i++) {
        const struct tunable *t = &TUNABLES[i];
        if (!tunables_is_name(name, TUNABLE_PREFIX, t->name))
            continue;
        uint64_t number = tunables_number(value) & c->rules->address_mask;
        bool fits = number >= t->min && number <= t->max;
        if (!fits || !tune_option(c, t->option, number))
            tunables_pass_over(trace, name, " is out of its range, and ignored");
        else if (t->option == NO_EFFECT_)
            tunables_pass_over(trace, name, " has no effect here");
        return;
    }
    tunables_pass_over(trace, name, " is no tunable of malloc, and ignored");
}

bool heap_looks_perturbed(const struct heaps *heaps, uint32_t heap)
{
    struct look look = look_start(heaps, heap);
    return look_int(&look, look.rules->at_perturb) || look.absent;
}

bool heap_tune(struct heaps *heaps, struct process_ref process, struct text tunables)
{
    if (!heap_load_vars(heaps, process) || !heap_of_process(heaps, process))
        return false;
    struct libc *c = libc_start(heaps, process);
    while (tunables.length) {
        struct text value = tunables_cut(&tunables, ':'), name = tunables_cut(&value, '=');
        if (name.length && name.start + name.length != value.start) /* there was a = */
            tunables_set_one(c, name, value);
        else if (name.length)
            tunables_pass_over(heaps->trace, name, " has no value, and is ignored");
    }
    return !c->dead;
}
