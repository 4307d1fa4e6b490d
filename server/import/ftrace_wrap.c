/* server/import/ftrace_wrap.c - see ftrace_wrap.h. Mails are cut between words at some 72 letters, and each piece may have
 * the marks of a quotation before it. */
#include "server/import/ftrace_wrap.h"
#include "server/import/ftrace_cursor.h"

static struct cursor wrap_strip(const char *line, size_t length)
{
    struct cursor c = { line, line + length };
    while (c.at < c.end && (is_blank(*c.at) || *c.at == '>'))
        c.at++;
    while (c.end > c.at && (is_blank(c.end[-1]) || c.end[-1] == '\r'))
        c.end--;
    return c;
}

/* "sh-90   [000] d.h2.     4.350245:": a CPU in it */
static bool wrap_is_head(struct cursor c)
{
    while ((c.at = memchr(c.at, '[', (size_t)(c.end - c.at))) != NULL) {
        const char *bracket = c.at++;
        take_number(&c);
        if (c.at > bracket + 1 && TAKE(&c, "]"))
            return true;
    }
    return false;
}

bool ftrace_wrap_begin(struct ftrace_wrap *wrap, const char *line, size_t length, uint64_t number, bool has_event)
{
    struct cursor c = wrap_strip(line, length);
    size_t nr = (size_t)(c.end - c.at);
    if (!nr || nr > WRAP_TEXT_MAX || (!has_event && !wrap_is_head(c)))
        return false;
    memcpy(wrap->text, c.at, nr);
    wrap->length = nr;
    wrap->nr_pieces = 1;
    wrap->first_line = number;
    wrap->has_event = has_event;
    return true;
}

bool ftrace_wrap_add(struct ftrace_wrap *wrap, const char *line, size_t length)
{
    struct cursor c = wrap_strip(line, length);
    size_t nr = (size_t)(c.end - c.at);
    if (wrap->nr_pieces == WRAP_PIECES_MAX || wrap->length + 1 + nr > WRAP_TEXT_MAX)
        return false;
    wrap->text[wrap->length++] = ' ';
    memcpy(wrap->text + wrap->length, c.at, nr);
    wrap->length += nr;
    wrap->nr_pieces++;
    return true;
}

bool ftrace_wrap_is_rest(const char *line, size_t length)
{
    struct cursor c = wrap_strip(line, length);
    bool has_field = false;
    for (;;) {
        skip_blanks(&c);
        struct text word = take_word(&c);
        if (!word.length)
            return has_field;
        if (!memchr(word.start, '=', word.length))
            return false;
        has_field = true;
    }
}
