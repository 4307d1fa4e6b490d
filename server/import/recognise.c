/* server/import/recognise.c - see recognise.h. Each line is shown to every reader. Some lines are of one format only
 * ("sure"): an event of the kernel's allocators, a call of malloc with its pointer. A number, or a letter and a number, may
 * be anything: there most lines must be readable. While it is in doubt, more is read. */
#include "server/import/recognise.h"
#include "server/import/call_line.h"
#include "server/import/foreign.h"
#include "server/import/ftrace_line.h"
#include "server/import/heap_replay.h"
#include "server/import/ops_line.h"

#include <stdio.h>
#include <string.h>

#define LINES_MAX 2000u
#define LINES_ENOUGH 8u /* that are readable, and none that is not */

#define READ_HERE                                                                                                          \
    "Read are: ftrace, trace-cmd report, perf script, LTTng text; ltrace, valgrind --trace-malloc, mtrace, malloc-log; "   \
    ".rep, malloc scripts; operations as NDJSON"

struct evidence {
    uint64_t nr_lines; /* that are not blank, and no comment */
    uint64_t nr_sure[NR_TRACE_FORMATS], nr_likely[NR_TRACE_FORMATS], first_line[NR_TRACE_FORMATS];
    uint64_t nr_numbers;           /* at the start, as of .rep */
    const struct foreign *foreign; /* the first line that is of one of these */
    uint64_t nr_kernel_messages, nr_other_calls;
    uint64_t foreign_line, line;
    struct gfp_memory gfps;
};

static bool line_begins_with(const char *line, size_t length, const char *text)
{
    size_t nr = strlen(text);
    return length >= nr && memcmp(line, text, nr) == 0;
}

static bool line_is_number(const char *line, size_t length)
{
    struct text text = { line, (uint32_t)length }, word;
    uint64_t number;
    return trace_word(&text, &word) && trace_decimal(word, &number) && !trace_word(&text, &word);
}

bool trace_line_is_remark(const char *line, size_t length)
{
    while (length && (*line == ' ' || *line == '\t' || *line == '\r')) {
        line++;
        length--;
    }
    return !length || (*line == '#' && !line_begins_with(line, length, "# malloc-log "));
}

static void evidence_add(struct evidence *seen, enum trace_format format, bool is_sure)
{
    uint64_t *count = is_sure ? seen->nr_sure : seen->nr_likely;
    if (!seen->nr_sure[format] && (is_sure || !seen->nr_likely[format]))
        seen->first_line[format] = seen->line;
    count[format]++;
}

/* ---- one line, shown to each reader ---- */

static void evidence_of_ftrace(struct evidence *seen, const char *line, size_t length)
{
    struct ftrace_event event;
    enum ftrace_line_kind kind = ftrace_line_parse(line, length, &seen->gfps, &event);
    bool is_kmem = event.kind != FTRACE_OTHER && event.kind != FTRACE_MARK;
    bool is_cut = kind == LINE_BROKEN && is_kmem && !event.is_message; /* as mails wrap them */
    if (kind == LINE_EVENT || kind == LINE_LOST || is_cut || (kind == LINE_COMMENT && length > 4))
        evidence_add(seen, FORMAT_FTRACE, is_kmem && kind != LINE_COMMENT && kind != LINE_LOST);
}

static void evidence_of_calls(struct evidence *seen, const char *line, size_t length)
{
    struct call_line call;
    enum call_line_kind kind = call_line_parse(line, length, &call);
    seen->nr_other_calls += kind == CALL_OTHER && memmem(line, length, " = ", 3);
    if (kind == CALL_MADE || kind == CALL_UNFINISHED || kind == CALL_RESUMED)
        evidence_add(seen, FORMAT_LTRACE, true);
}

static void evidence_of_mtrace(struct evidence *seen, const char *line, size_t length)
{
    static const char *const EVENTS[] = { "+ 0x", "- 0x", "< 0x", "> 0x", "! 0x" };
    bool has_caller = line_begins_with(line, length, "@ ") || line_begins_with(line, length, "[0x");
    bool is_event = line_begins_with(line, length, "= Start");
    for (unsigned i = 0; i < sizeof EVENTS / sizeof EVENTS[0]; i++)
        is_event |= has_caller ? memmem(line, length, EVENTS[i], 4) != NULL : line_begins_with(line, length, EVENTS[i]);
    if (is_event)
        evidence_add(seen, FORMAT_MTRACE, true);
}

static void evidence_of_scripts(struct evidence *seen, const char *line, size_t length)
{
    struct ops_line script;
    if (line_is_number(line, length)) {
        bool is_head = seen->nr_numbers + 1 == seen->nr_lines && seen->nr_numbers < 4;
        seen->nr_numbers++;
        if (is_head)
            evidence_add(seen, FORMAT_REP, false);
    } else if (ops_line_read(line, length, &script) && script.letter && import_ops_knows(&script)) {
        evidence_add(seen, seen->nr_likely[FORMAT_REP] ? FORMAT_REP : FORMAT_OPS, false);
    }
}

static void evidence_of_line(struct evidence *seen, const char *line, size_t length)
{
    seen->line++;
    if (line_begins_with(line, length, "# tracer: ") || line_begins_with(line, length, "# entries-in-buffer"))
        evidence_add(seen, FORMAT_FTRACE, false);
    if (trace_line_is_remark(line, length))
        return;
    seen->nr_lines++;
    if (import_ndjson_knows(line, length))
        return evidence_add(seen, FORMAT_NDJSON, true);
    if (line_begins_with(line, length, "# malloc-log "))
        return evidence_add(seen, FORMAT_MALLOC_LOG, true);
    evidence_of_ftrace(seen, line, length);
    evidence_of_calls(seen, line, length);
    evidence_of_mtrace(seen, line, length);
    evidence_of_scripts(seen, line, length);
    seen->nr_kernel_messages += foreign_is_kernel_message(line, length);
    const struct foreign *foreign = seen->foreign ? NULL : foreign_find_line(line, length);
    if (foreign) {
        seen->foreign = foreign;
        seen->foreign_line = seen->line;
    }
}

/* ---- what it comes to ---- */

static enum trace_format evidence_best(const uint64_t *counts)
{
    enum trace_format best = FORMAT_AUTO;
    for (unsigned i = 1; i < NR_TRACE_FORMATS; i++)
        if (counts[i] && (best == FORMAT_AUTO || counts[i] > counts[best]))
            best = (enum trace_format)i;
    return best;
}

/* FORMAT_AUTO: none. */
static enum trace_format evidence_judge(const struct evidence *seen)
{
    enum trace_format sure = evidence_best(seen->nr_sure), likely = evidence_best(seen->nr_likely);
    if (seen->nr_sure[FORMAT_MALLOC_LOG])
        return FORMAT_MALLOC_LOG; /* its head comes once */
    if (sure)
        return sure;
    return seen->nr_likely[likely] * 2 > seen->nr_lines ? likely : FORMAT_AUTO;
}

static bool evidence_is_enough(const struct evidence *seen)
{
    enum trace_format format = evidence_judge(seen);
    uint64_t nr = seen->nr_sure[format] + seen->nr_likely[format];
    if (seen->line >= LINES_MAX)
        return true;
    return format && (seen->nr_sure[format] ? nr * 2 >= seen->nr_lines : nr == seen->nr_lines && nr >= LINES_ENOUGH);
}

/* Looks at the whole lines of text, from *at on. */
static void evidence_look(struct evidence *seen, const char *text, size_t length, size_t *at, bool is_end)
{
    while (*at < length && !evidence_is_enough(seen)) {
        const char *newline = memchr(text + *at, '\n', length - *at);
        if (!newline && !is_end)
            return;
        size_t nr = (newline ? (size_t)(newline - text) : length) - *at;
        evidence_of_line(seen, text + *at, nr);
        *at += nr + (newline != NULL);
    }
}

static void evidence_gather(struct evidence *seen, struct input *input, bool may_wait)
{
    size_t length, at = 0;
    const char *text = input_peek(input, &length);
    bool is_end = false;
    for (;;) {
        if (foreign_find_start(text, length))
            return;
        evidence_look(seen, text, length, &at, is_end);
        if (is_end || !may_wait || evidence_is_enough(seen))
            return;
        is_end = !input_peek_more(input);
        text = input_peek(input, &length);
    }
}

/* ---- words ---- */

/* What lines of a format are, and what they say. */
static const struct {
    const char *words, *line;
} FORMAT_WORDS[NR_TRACE_FORMATS] = {
    [FORMAT_NDJSON] = { "operations, one JSON object a line", "an operation" },
    [FORMAT_FTRACE] = { "text of kernel events", "an event of the kernel's allocators" },
    [FORMAT_LTRACE] = { "calls of malloc", "a call with its pointer" },
    [FORMAT_MALLOC_LOG] = { "a malloc-log", "its head" },
    [FORMAT_MTRACE] = { "a trace of mtrace(3)", "one of its lines" },
    [FORMAT_REP] = { "a trace of the CS:APP malloc lab", "the first number of its head" },
    [FORMAT_OPS] = { "a malloc script", "a call of one" },
};

static void recognise_say_format(struct import_summary *summary, const struct evidence *seen, bool is_utf16)
{
    enum trace_format format = summary->format;
    snprintf(summary->format_reason, sizeof summary->format_reason, "%s: line %llu is %s%s", FORMAT_WORDS[format].words,
             (unsigned long long)seen->first_line[format], FORMAT_WORDS[format].line, is_utf16 ? "; in UTF-16" : "");
}

static void recognise_refuse(struct import_summary *summary, const struct evidence *seen, const struct foreign *foreign)
{
    char where[48] = "";
    if (seen->foreign && foreign == seen->foreign)
        snprintf(where, sizeof where, " (line %llu)", (unsigned long long)seen->foreign_line);
    snprintf(summary->refusal, sizeof summary->refusal, "this is %s%s: Pagoda does not read it. %s%s" READ_HERE,
             foreign->name, where, foreign->remedy ? foreign->remedy : "", foreign->remedy ? ". " : "");
}

/* What is wanted may come later: a refusal for the case that it does not. False: it is nothing of the kind. */
static bool recognise_take_hope(struct import_summary *summary, const struct evidence *seen)
{
    bool is_log = seen->nr_kernel_messages * 2 > seen->nr_lines, are_calls = seen->nr_other_calls * 2 > seen->nr_lines;
    if (seen->foreign || (!is_log && !are_calls))
        return false;
    recognise_refuse(summary, seen, is_log ? &FOREIGN_KERNEL_LOG : &FOREIGN_CALLS);
    summary->format = is_log ? FORMAT_FTRACE : FORMAT_LTRACE;
    snprintf(summary->format_reason, sizeof summary->format_reason, "%s",
             is_log ? "a kernel log: tp_printk may have put events into it" : "a trace of calls: malloc's may come later");
    return true;
}

void trace_recognise(struct input *input, enum trace_format asked, struct import_summary *summary)
{
    struct evidence seen = { 0 };
    size_t length;
    evidence_gather(&seen, input, asked == FORMAT_AUTO);
    const char *text = input_peek(input, &length);
    const struct foreign *foreign = foreign_find_start(text, length);
    summary->format = foreign ? FORMAT_AUTO : evidence_judge(&seen);
    if (summary->format)
        recognise_say_format(summary, &seen, input_is_utf16(input));
    else if (foreign || !recognise_take_hope(summary, &seen))
        recognise_refuse(summary, &seen, foreign ? foreign : seen.foreign ? seen.foreign : foreign_guess(text, length));
    if (asked && summary->format != asked)
        snprintf(summary->format_reason, sizeof summary->format_reason, "as asked for");
    if (asked)
        summary->format = asked;
}
