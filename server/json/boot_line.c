/* server/json/boot_line.c - see boot_line.h. */
#include "server/json/boot_line.h"
#include "server/json/json_value.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#define LINE_LENGTH 66u /* of most of the recorded boots, without a word of these */
#define LINE_MAX_LENGTH 1900u
#define BLANKS " \t\n\v\f\r"

struct boot_word {
    const char *text;
    size_t length;
    const char *value; /* behind its "="; "" where there is none */
    size_t value_length;
};

/* --- values --- */

static bool value_is(const struct boot_word *word, const char *text)
{
    return word->value_length == strlen(text) && memcmp(word->value, text, word->value_length) == 0;
}

static bool value_refuse(const struct boot_word *word, const char *takes, struct problem *why)
{
    problem_say(why, "boot", "boot: \"%.*s\" takes %s", (int)word->length, word->text, takes);
    return false;
}

/* kstrtobool(): the first letter tells, of "on" and "off" the second. */
static bool boolean_decode(const struct boot_word *word, uint32_t *flag, struct problem *why)
{
    char first = word->value_length ? (char)tolower((unsigned char)word->value[0]) : '\0';
    char second = word->value_length > 1 ? (char)tolower((unsigned char)word->value[1]) : '\0';
    bool is_on = first == 'y' || first == 't' || first == '1' || (first == 'o' && second == 'n');
    bool is_off = first == 'n' || first == 'f' || first == '0' || (first == 'o' && second == 'f');
    *flag = is_on;
    return is_on || is_off || value_refuse(word, "0 or 1", why);
}

static bool hugepage_decode(const struct boot_word *word, struct machine_config *config, struct problem *why)
{
    config->transparent_hugepage_never = value_is(word, "never");
    return config->transparent_hugepage_never || value_is(word, "always") || value_is(word, "madvise") ||
           value_refuse(word, "always, madvise or never", why);
}

/* Letters in either case; "-": none of them; no value: all. Lists of caches are not simulated. */
static bool slub_debug_decode(const struct boot_word *word, struct machine_config *config, struct problem *why)
{
    config->slub_debug = word->value_length ? 0 : SLUB_DEBUG_ALL;
    for (size_t i = 0; i < word->value_length && !value_is(word, "-"); i++) {
        const char *letter = strchr(SLUB_DEBUG_LETTERS, toupper((unsigned char)word->value[i]));
        if (!letter)
            return value_refuse(word, "letters of " SLUB_DEBUG_LETTERS " (lists of caches are not simulated)", why);
        config->slub_debug |= 1u << (letter - SLUB_DEBUG_LETTERS);
    }
    return true;
}

static bool init_on_alloc_decode(const struct boot_word *word, struct machine_config *config, struct problem *why)
{
    return boolean_decode(word, &config->init_on_alloc, why);
}

static bool init_on_free_decode(const struct boot_word *word, struct machine_config *config, struct problem *why)
{
    return boolean_decode(word, &config->init_on_free, why);
}

/* --- words --- */

static const struct {
    const char *name;
    bool (*decode)(const struct boot_word *word, struct machine_config *config, struct problem *why);
} WORDS[] = {
    { "transparent_hugepage", hugepage_decode },
    { "slub_debug", slub_debug_decode },
    { "init_on_alloc", init_on_alloc_decode },
    { "init_on_free", init_on_free_decode },
};

/* On a real line stands at least one of these. */
static const char *const SIGNS_OF_WHOLE[] = { "BOOT_IMAGE", "root", "console" };

/* They make another machine, which is not simulated. */
static const char *const NOT_SIMULATED[] = {
    "cgroup.memory",
    "crashkernel",
    "debug_pagealloc",
    "default_hugepagesz",
    "dhash_entries",
    "hugepages",
    "hugepagesz",
    "ihash_entries",
    "kernelcore",
    "log_buf_len",
    "maxcpus",
    "mem",
    "memmap",
    "movablecore",
    "nr_cpus",
    "numa",
    "numa_balancing",
    "page_alloc.shuffle",
    "page_owner",
    "page_poison",
    "percpu_alloc",
    "slab_max_order",
    "slab_merge",
    "slab_nomerge",
    "slub_max_order",
    "slub_merge",
    "slub_min_objects",
    "slub_min_order",
    "slub_nomerge",
    "swiotlb",
    "transparent_hugepage_shmem",
};

/* parameqn(): '-' and '_' are one. */
static bool word_is_named(const struct boot_word *word, const char *name)
{
    size_t i = 0;
    while (i < word->length && (word->text[i] == name[i] || (word->text[i] == '-' && name[i] == '_')))
        i++;
    return i == word->length && !name[i];
}

static bool word_is_among(const struct boot_word *word, const char *const *names, size_t nr)
{
    while (nr && !word_is_named(word, names[nr - 1]))
        nr--;
    return nr;
}

/* passes_over: is a word allowed that says nothing of memory? */
static bool boot_word_decode(const struct boot_word *word, bool passes_over, struct machine_config *config,
                             struct problem *why)
{
    for (size_t i = 0; i < sizeof WORDS / sizeof WORDS[0]; i++)
        if (word_is_named(word, WORDS[i].name))
            return WORDS[i].decode(word, config, why);
    if (passes_over && !word_is_among(word, NOT_SIMULATED, sizeof NOT_SIMULATED / sizeof NOT_SIMULATED[0]))
        return true;
    problem_say(
        why, "boot",
        "boot: \"%.*s\" is not simulated; what is: transparent_hugepage=, slub_debug=, init_on_alloc=, init_on_free=",
        (int)(word->length < 60 ? word->length : 60), word->text);
    return false;
}

/* Bytes up to the next blank that stands outside quotes. */
static size_t word_span(const char *at)
{
    bool is_quoted = false;
    size_t n = 0;
    for (; at[n] && (is_quoted || !strchr(BLANKS, at[n])); n++)
        is_quoted ^= at[n] == '"';
    return n;
}

/* next_arg(): the next word of the line; false: there is none, or what follows is for init. *at moves behind it. Quotes
 * round a value are no part of it. */
static bool line_next_word(const char **at, struct boot_word *word)
{
    *at += strspn(*at, BLANKS);
    size_t all = word_span(*at);
    const char *equals = memchr(*at, '=', all);
    size_t length = equals ? (size_t)(equals - *at) : all;
    *word = (struct boot_word){ *at, length, equals ? equals + 1 : "", equals ? all - length - 1 : 0 };
    bool is_quoted = word->value_length > 1 && word->value[0] == '"' && word->value[word->value_length - 1] == '"';
    word->value += is_quoted;
    word->value_length -= 2 * (size_t)is_quoted;
    *at += all;
    return all > 0 && !(all == 2 && memcmp(word->text, "--", 2) == 0);
}

static bool line_is_whole(const char *line)
{
    struct boot_word word;
    while (line_next_word(&line, &word))
        if (word_is_among(&word, SIGNS_OF_WHOLE, sizeof SIGNS_OF_WHOLE / sizeof SIGNS_OF_WHOLE[0]))
            return true;
    return false;
}

/* Characters that the words take, with what stands between them. */
static size_t line_length(const char *line)
{
    line += strspn(line, BLANKS);
    size_t length = strlen(line);
    while (length && strchr(BLANKS, line[length - 1]))
        length--;
    return length;
}

bool boot_line_decode(const char *line, struct machine_config *config, struct problem *why)
{
    struct boot_word word;
    struct machine_config decoded = *config;
    bool is_whole = line_is_whole(line);
    size_t length = line_length(line);
    if (strlen(line) > LINE_MAX_LENGTH) {
        problem_say(why, "boot", "boot has at most %u characters", LINE_MAX_LENGTH);
        return false;
    }
    for (const char *at = line; line_next_word(&at, &word);)
        if (!boot_word_decode(&word, is_whole, &decoded, why))
            return false;
    if (!decoded.cmdline_length && length)
        decoded.cmdline_length = (uint32_t)(is_whole ? length : LINE_LENGTH + 1 + length);
    *config = decoded;
    return true;
}

void boot_line_encode(struct buffer *out, const struct machine_config *config)
{
    char letters[sizeof SLUB_DEBUG_LETTERS] = "", line[128];
    size_t nr = 0;
    for (unsigned i = 0; i < sizeof SLUB_DEBUG_LETTERS - 1; i++)
        if (config->slub_debug >> i & 1)
            letters[nr++] = SLUB_DEBUG_LETTERS[i];
    snprintf(line, sizeof line, "%s%s%s%s%s", config->transparent_hugepage_never ? " transparent_hugepage=never" : "",
             nr ? " slub_debug=" : "", letters, config->init_on_alloc ? " init_on_alloc=1" : "",
             config->init_on_free ? " init_on_free=1" : "");
    put_text(out, line[0] ? line + 1 : "");
}
