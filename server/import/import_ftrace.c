/* server/import/import_ftrace.c - the kernel's own kmem events into a machine: lines are read (ftrace_line.c), put into the
 * order of their times (ftrace_order.c), and applied as objects (ftrace_objects.c) and pages (ftrace_pages.c).
 *
 * What is not applied is counted with its line: events inside the page allocator, which the machine's own repeats; callers
 * and functions; events that the recorder lost; lines that cannot be read.
 *
 * A line that is cut waits for the next ones (ftrace_wrap.c). Lines of a kernel log are counted at the end: they are no
 * fault where tp_printk has put events between them.
 *
 * Markers. A history that Pagoda exported has a marker before the events of each operation, which holds the operation
 * itself (export_ftrace.c): then the markers are applied and the events, which only repeat them, are not. */
#include "server/import/foreign.h"
#include "server/import/ftrace_fields.h"
#include "server/import/ftrace_objects.h"
#include "server/import/ftrace_pages.h"
#include "server/json/op_json.h"

#include <stdlib.h>
#include <string.h>

#define MARKER "pagoda: "

/* ---- events ---- */

static void ftrace_run_marker(struct ftrace_import *in, const struct ftrace_event *event)
{
    const size_t length = sizeof MARKER - 1;
    if (event->mark.length <= length || memcmp(event->mark.start, MARKER, length) != 0)
        return ftrace_skip(in, event, "not an event of an allocator");
    struct op_request decoded;
    struct op_result result;
    struct problem why = { 0 };
    in->has_markers = true;
    unsigned status = op_decode(event->mark.start + length, event->mark.length - length, &decoded, &why);
    if (status == 503)
        in->error = PAGODA_ERR_NOMEM;
    if (status)
        return ftrace_skip(in, event, why.text);
    ftrace_apply_event(in, event, &decoded.op, &result);
    op_request_clear(&decoded);
}

static void ftrace_run_event(struct ftrace_import *in, const struct ftrace_event *event)
{
    if (in->has_markers)
        return ftrace_skip(in, event, "told by the marker before it");
    if (in->held.line && event->pid == in->held.pid && event->context == in->held.context &&
        event->kind != FTRACE_ZONE_LOCKED)
        ftrace_decide_held(in, event);
    switch (event->kind) {
    case FTRACE_KMALLOC:
    case FTRACE_KMALLOC_NODE:
    case FTRACE_CACHE_ALLOC:
    case FTRACE_CACHE_ALLOC_NODE:
        return ftrace_object_alloc(in, event);
    case FTRACE_KFREE:
    case FTRACE_CACHE_FREE:
        return ftrace_object_free(in, event);
    case FTRACE_PAGE_ALLOC:
        if (in->held.line)
            ftrace_decide_held(in, NULL);
        return ftrace_page_alloc(in, event);
    case FTRACE_PAGE_FREE:
    case FTRACE_PAGE_FREE_DIRECT:
    case FTRACE_PAGEVEC_FREE: /* those kernels' batched frees have no other event */
        return ftrace_page_free(in, event);
    case FTRACE_PAGE_FREE_BATCHED:
        return ftrace_skip(in, event, "the same pages have mm_page_free events");
    case FTRACE_ZONE_LOCKED:
    case FTRACE_PCPU_DRAIN:
    case FTRACE_EXTFRAG:
        return ftrace_skip(in, event, "inside the page allocator: the machine's own does this");
    default:
        return ftrace_skip(in, event,
                           event->is_function ? "a line of the function tracer" : "not an event of an allocator");
    }
}

static void ftrace_run_window(struct ftrace_import *in)
{
    const struct ftrace_event *event;
    while (!in->error && (event = ftrace_order_leave(&in->order)) != NULL)
        ftrace_run_event(in, event);
}

/* ---- lines ---- */

/* Something that is beside the events. */
static void remark(struct ftrace_import *in, const char *what, uint64_t line, const char *reason)
{
    struct import_event *row = import_event(in->summary, what);
    row->read++;
    import_skip(in->summary, row, line, reason);
}

/* For the maps: by the time the event leaves the window its entry is there. */
static void ftrace_fetch_entry(const struct ftrace_import *in, const struct ftrace_event *event)
{
    if (event->ptr)
        address_map_fetch(&in->objects, event->ptr);
}

static void ftrace_enter_window(struct ftrace_import *in, const struct ftrace_event *event)
{
    if (ftrace_order_is_restart(&in->order, event)) {
        struct ftrace_event first = *event; /* emptying the window takes its slot */
        remark(in, "(another recording)", event->line, "time goes back on one CPU: what follows is a recording of its own");
        ftrace_run_window(in);
        ftrace_order_restart(&in->order);
        *ftrace_order_next(&in->order) = first;
    }
    in->last = ftrace_order_next(&in->order);
    in->last_line = in->last->line;
    if (!ftrace_order_enter(&in->order))
        remark(in, "(out of order)", event->line, "happened before events that have been applied already");
    if (ftrace_order_is_full(&in->order))
        ftrace_run_event(in, ftrace_order_leave(&in->order));
}

static void ftrace_take_event(struct ftrace_import *in, struct ftrace_event *event)
{
    static const char *const NAMES[] = {
#define X(id, name) name,
        FTRACE_EVENT_MAP(X)
#undef X
    };
    if (!in->events[event->kind])
        in->events[event->kind] = import_event(in->summary, NAMES[event->kind]);
    in->events[event->kind]->read++;
    in->summary->events_read++;
    in->has_messages |= event->is_message;
    if (event->has_unknown_gfp)
        remark(in, "(GFP flags)", event->line, "a flag that Linux 6.1 does not have is left out");
    if (event->kind != FTRACE_MARK) {
        ftrace_fetch_entry(in, event);
        return ftrace_enter_window(in, event);
    }
    struct ftrace_event marker = *event;
    ftrace_run_window(in); /* its text ends with the line, and the window holds what came before */
    ftrace_run_marker(in, &marker);
}

/* ---- lines that are no events, or not whole ---- */

#define NOT_WHOLE "an event whose fields cannot be read"
#define NO_LINE "not a line of ftrace text"

static void ftrace_count_unreadable(struct ftrace_import *in, uint64_t count, uint64_t first_line, const char *reason)
{
    struct import_event *row = import_event(in->summary, "(unreadable line)");
    row->read += count;
    in->summary->failed += count;
    import_skip_many(in->summary, row, count, first_line, reason);
}

/* What was held has become no event. */
static void ftrace_give_up_wrap(struct ftrace_import *in)
{
    struct ftrace_wrap *wrap = &in->wrap;
    if (!wrap->length)
        return;
    ftrace_count_unreadable(in, 1, wrap->first_line, wrap->has_event ? NOT_WHOLE : NO_LINE);
    if (wrap->nr_pieces > 1)
        ftrace_count_unreadable(in, wrap->nr_pieces - 1, wrap->first_line + 1, NO_LINE);
    wrap->length = 0;
}

static void ftrace_take_unreadable(struct ftrace_import *in, const char *line, size_t length, uint64_t number,
                                   bool has_event)
{
    if (ftrace_wrap_begin(&in->wrap, line, length, number, has_event))
        return;
    if (!has_event && foreign_is_kernel_message(line, length)) {
        in->first_message = in->nr_messages++ ? in->first_message : number;
    } else if (in->last_line && in->last_line + 1 == number && ftrace_wrap_is_rest(line, length)) {
        ftrace_take_more_fields(line, length, in->last);
        remark(in, "(wrapped line)", number, "fields of the event before it");
    } else {
        ftrace_count_unreadable(in, 1, number, has_event ? NOT_WHOLE : NO_LINE);
    }
}

static void ftrace_count_messages(struct ftrace_import *in)
{
    if (!in->nr_messages)
        return;
    if (!in->has_messages)
        return ftrace_count_unreadable(in, in->nr_messages, in->first_message, NO_LINE);
    struct import_event *row = import_event(in->summary, "(kernel message)");
    row->read += in->nr_messages;
    import_skip_many(in->summary, row, in->nr_messages, in->first_message, "not an event of an allocator");
}

/* ---- lines ---- */

static void ftrace_take_parsed(struct ftrace_import *in, enum ftrace_line_kind kind, const char *line, size_t length,
                               uint64_t number)
{
    struct ftrace_event *event = ftrace_order_next(&in->order);
    event->line = number;
    switch (kind) {
    case LINE_EVENT:
        return ftrace_take_event(in, event);
    case LINE_COMMENT:
        return;
    case LINE_STACK:
        return remark(in, "(call stack)", number, "who called the event before it");
    case LINE_LOST:
        in->summary->lost += event->nr_lost;
        return remark(in, "(lost events)", number, "the recorder's buffer ran over");
    case LINE_BROKEN:
    case LINE_GARBAGE:
        return ftrace_take_unreadable(in, line, length, number, kind == LINE_BROKEN);
    }
}

/* A line without a time is whole alone, and may yet be the rest of one that ends with its time. */
static bool ftrace_is_piece(struct ftrace_import *in, enum ftrace_line_kind kind, const char *line, size_t length)
{
    bool is_event = kind == LINE_EVENT || kind == LINE_BROKEN;
    if (is_event)
        return !in->wrap.has_event && !ftrace_order_next(&in->order)->time;
    return kind == LINE_GARBAGE && !foreign_is_kernel_message(line, length);
}

static void ftrace_take_joined(struct ftrace_import *in)
{
    struct ftrace_wrap *wrap = &in->wrap;
    size_t length = wrap->length;
    remark(in, "(wrapped line)", wrap->first_line, "put together again with what follows it");
    wrap->length = 0;
    ftrace_take_parsed(in, LINE_EVENT, wrap->text, length, wrap->first_line);
    in->last_line = wrap->first_line + wrap->nr_pieces - 1;
}

/* False: the line stands for itself. alone: what it is then. */
static bool ftrace_take_piece(struct ftrace_import *in, enum ftrace_line_kind alone, const char *line, size_t length)
{
    struct ftrace_wrap *wrap = &in->wrap;
    size_t length_before = wrap->length;
    enum ftrace_line_kind kind = LINE_GARBAGE;
    bool is_piece = ftrace_is_piece(in, alone, line, length) && ftrace_wrap_add(wrap, line, length);
    if (is_piece)
        kind = ftrace_line_parse(wrap->text, wrap->length, &in->gfps, ftrace_order_next(&in->order));
    if (kind == LINE_EVENT) {
        ftrace_take_joined(in);
        return true;
    }
    if (is_piece && alone != LINE_EVENT) {
        wrap->has_event |= kind == LINE_BROKEN;
        return true; /* more may come */
    }
    wrap->nr_pieces -= is_piece;
    wrap->length = length_before;
    ftrace_give_up_wrap(in);
    return false;
}

static void ftrace_take_line(struct ftrace_import *in, const char *line, size_t length, uint64_t number)
{
    struct ftrace_event *event = ftrace_order_next(&in->order);
    enum ftrace_line_kind kind = ftrace_line_parse(line, length, &in->gfps, event);
    if (in->wrap.length) {
        if (ftrace_take_piece(in, kind, line, length))
            return;
        kind = ftrace_line_parse(line, length, &in->gfps, event); /* a piece may have been read into the event's place */
    }
    ftrace_take_parsed(in, kind, line, length, number);
}

enum pagoda_error import_ftrace(struct input *input, const char *line, size_t length, const struct import_sink *sink,
                                struct import_summary *summary)
{
    struct ftrace_import *in = calloc(1, sizeof *in);
    if (!in)
        return PAGODA_ERR_NOMEM;
    in->sink = sink;
    in->summary = summary;
    for (unsigned kind = 0; kind < NR_OPS; kind++)
        in->ops[kind] = op_default((enum op_kind)kind);
    ftrace_order_start(&in->order);
    do
        ftrace_take_line(in, line, length, input_line_number(input));
    while (!in->error && input_next_line(input, &line, &length));
    ftrace_give_up_wrap(in);
    ftrace_count_messages(in);
    ftrace_run_window(in);
    if (in->held.line && !in->error)
        ftrace_decide_held(in, NULL);
    ftrace_close_pages(in);
    enum pagoda_error error = in->error;
    address_map_clear(&in->objects);
    address_map_clear(&in->pages);
    address_map_clear(&in->call_site_map);
    free(in->caches);
    free(in->call_sites);
    free(in);
    return error;
}
