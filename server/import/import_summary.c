/* server/import/import_summary.c - what an import says of itself: events counted by name, skipped ones by reason. The
 * tables are of fixed size; when one is full its last row takes the rest. */
#include "server/import/import.h"

#include <stdio.h>
#include <string.h>

struct import_event *import_event(struct import_summary *summary, const char *name)
{
    for (uint32_t i = 0; i < summary->nr_by_event; i++)
        if (strcmp(summary->by_event[i].event, name) == 0)
            return &summary->by_event[i];
    if (summary->nr_by_event == IMPORT_EVENTS_MAX)
        return &summary->by_event[IMPORT_EVENTS_MAX - 1];
    struct import_event *event = &summary->by_event[summary->nr_by_event++];
    snprintf(event->event, sizeof event->event, "%s", name);
    return event;
}

void import_skip_many(struct import_summary *summary, struct import_event *event, uint64_t count, uint64_t first_line,
                      const char *reason)
{
    event->skipped += count;
    summary->skipped += count;
    unsigned i = 0;
    while (i < IMPORT_REASONS_MAX - 1 && event->reasons[i].count &&
           strncmp(event->reasons[i].reason, reason, sizeof event->reasons[i].reason - 1) != 0)
        i++;
    struct import_reason *row = &event->reasons[i];
    if (row->count == 0)
        snprintf(row->reason, sizeof row->reason, "%s", reason);
    if (row->count == 0 || first_line < row->first_line)
        row->first_line = first_line;
    row->count += count;
}

void import_skip(struct import_summary *summary, struct import_event *event, uint64_t line, const char *reason)
{
    import_skip_many(summary, event, 1, line, reason);
}

/* The reason that stands first in the trace. NULL: nothing was skipped. */
static const struct import_reason *import_first_reason(const struct import_summary *summary)
{
    const struct import_reason *first = NULL;
    for (uint32_t i = 0; i < summary->nr_by_event; i++)
        for (unsigned j = 0; j < IMPORT_REASONS_MAX && summary->by_event[i].reasons[j].count; j++)
            if (!first || summary->by_event[i].reasons[j].first_line < first->first_line)
                first = &summary->by_event[i].reasons[j];
    return first;
}

void import_refusal_say(struct import_summary *summary)
{
    const struct import_reason *first = import_first_reason(summary);
    if (first)
        snprintf(summary->refusal, sizeof summary->refusal, "nothing was applied: line %llu: %s",
                 (unsigned long long)first->first_line, first->reason);
    else
        snprintf(summary->refusal, sizeof summary->refusal, "nothing was applied: %s",
                 summary->problem[0] ? summary->problem : "no line of it has anything to apply");
}

void import_summary_refuse(struct import_summary *summary)
{
    if (summary->applied)
        summary->refusal[0] = '\0';
    else if (!summary->refusal[0] || summary->problem[0])
        import_refusal_say(summary);
}

static void import_event_encode(struct buffer *out, const struct import_event *event)
{
    put_open(out, '{');
    PUT_FIELD(out, event, event);
    PUT_FIELD(out, event, read);
    PUT_FIELD(out, event, applied);
    PUT_FIELD(out, event, skipped);
    put_field_array(out, "reasons");
    for (unsigned i = 0; i < IMPORT_REASONS_MAX && event->reasons[i].count; i++) {
        const struct import_reason *row = &event->reasons[i];
        put_open(out, '{');
        PUT_FIELD(out, row, reason);
        PUT_FIELD(out, row, count);
        PUT_FIELD(out, row, first_line);
        put_close(out, '}');
    }
    put_close(out, ']');
    put_close(out, '}');
}

void import_summary_encode(struct buffer *out, const struct import_summary *summary, uint64_t seq, double seconds)
{
    put_open(out, '{');
    put_field_text(out, "format", summary->format ? trace_format_name(summary->format) : NULL);
    put_field_text(out, "format_reason", summary->format_reason[0] ? summary->format_reason : NULL);
    put_field_text(out, "refusal", summary->refusal[0] ? summary->refusal : NULL);
    PUT_FIELD(out, summary, lines);
    PUT_FIELD(out, summary, events_read);
    PUT_FIELD(out, summary, applied);
    PUT_FIELD(out, summary, skipped);
    PUT_FIELD(out, summary, failed);
    PUT_FIELD(out, summary, lost);
    PUT_FIELD(out, summary, operations);
    put_field_object(out, "outcomes");
    for (unsigned i = 0; i < 3; i++)
        put_field_u64(out, outcome_name((enum outcome)i), summary->outcomes[i]);
    put_close(out, '}');
    put_field_array(out, "by_event");
    for (uint32_t i = 0; i < summary->nr_by_event; i++)
        import_event_encode(out, &summary->by_event[i]);
    put_close(out, ']');
    PUT_FIELD(out, summary, kmalloc_compared);
    PUT_FIELD(out, summary, kmalloc_agree);
    PUT_FIELD(out, summary, blocks_compared);
    PUT_FIELD(out, summary, blocks_agree);
    put_key(out, "pid");
    if (summary->pid)
        put_u64(out, summary->pid);
    else
        put_null(out);
    put_field_text(out, "first_difference", summary->first_difference[0] ? summary->first_difference : NULL);
    PUT_FIELD(out, summary, slab_pages_compared);
    PUT_FIELD(out, summary, slab_pages_agree);
    put_field_text(out, "problem", summary->problem[0] ? summary->problem : NULL);
    put_field_u64(out, "seq", seq);
    put_key(out, "seconds");
    put_double(out, seconds);
    put_close(out, '}');
}
