/* Reads tests/truth/formats.tsv once, and compares lines with it. */
#include "tests/lib/formats.h"

#include "alloc/base/trace.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define TABLE "tests/truth/formats.tsv"
#define NR_TEXTS 512
#define LINE_MAX 2048

static char *texts[NR_TEXTS];
static size_t nr_texts;

static void formats_load(void)
{
    static char line[LINE_MAX];
    FILE *file = fopen(TABLE, "r");
    assert_non_null(file);
    while (nr_texts < NR_TEXTS && fgets(line, sizeof line, file)) {
        char *text = strchr(line, '\t');
        line[strcspn(line, "\n")] = '\0';
        if (line[0] != '#' && text)
            texts[nr_texts++] = strdup(text + 1);
    }
    (void)fclose(file);
    assert_in_range(nr_texts, 100, NR_TEXTS - 1);
}

/* A conversion: where it ends, and which characters stand for it; NULL: any. */
static const char *conversion_end(const char *text, const char **allowed)
{
    text += 1 + strspn(text + 1, "-0 #+123456789.*");
    text += strspn(text, "hljzt");
    *allowed = *text == 'd' || *text == 'u' ? " -0123456789" : *text == 'x' ? "0123456789abcdefx" : NULL;
    if (*text != 'p')
        return text + 1;
    bool is_address = text[1] != 'G' && text[1] != 'S' && text[1] != 'V';
    *allowed = is_address ? "0123456789abcdefx" : NULL;
    return text + (text[1] == 'G' ? 3 : text[1] == 'S' || text[1] == 'V' || text[1] == 'x' ? 2 : 1);
}

bool formats_match(const char *text, const char *line)
{
    for (; *text && *text != '%'; text++, line++)
        if (*text != *line)
            return false;
    if (!*text)
        return !*line;
    const char *allowed, *rest = conversion_end(text, &allowed);
    for (;; line++) {
        if (formats_match(rest, line))
            return true;
        if (!*line || (allowed && !strchr(allowed, *line)))
            return false;
    }
}

static bool formats_know(const char *line)
{
    for (size_t i = 0; i < nr_texts; i++)
        if (formats_match(texts[i], line))
            return true;
    return false;
}

void formats_check(const char *message)
{
    char line[LINE_MAX];
    if (!nr_texts)
        formats_load();
    for (const char *at = message; at && *at;) {
        size_t length = strcspn(at, "\n");
        snprintf(line, sizeof line, "%.*s", (int)length, at);
        char *end = strstr(line, " ends process "); /* Pagoda's own, behind what ended it */
        if (end)
            *end = '\0';
        bool is_cut = !at[length] && at + length - message >= MESSAGE_MAX - 1;
        if (length && !is_cut && !formats_know(line))
            fail_msg("not in " TABLE ": \"%s\"\nin: %s", line, message);
        at += length + (at[length] == '\n');
    }
}
