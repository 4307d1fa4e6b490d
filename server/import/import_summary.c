/* server/import/import_summary.c - what an import says of itself: events counted by name, skipped ones by reason. The
 * tables are of fixed size; when one is full its last row takes the rest. */
#include "server/import/import.h"

#include <stdio.h>
#include <string.h>

struct import_event *import_event(struct import_summary *summary, const char *name)
{
    for (uint32_t i = 0; i < summary->nr_events_used; i++)
        if (strcmp(summary->events[i].name, name) == 0)
            return &summary->events[i];
    if (summary->nr_events_used == IMPORT_EVENTS_MAX)
        return &summary->events[IMPORT_EVENTS_MAX - 1];
    struct import_event *event = &summary->events[summary->nr_events_used++];
    snprintf(event->name, sizeof event->name, "%s", name);
    return event;
}

void import_skip(struct import_summary *summary, struct import_event *event, uint64_t line, const char *reason)
{
    event->nr_skipped++;
    summary->nr_skipped++;
    unsigned i = 0;
    while (i < IMPORT_REASONS_MAX - 1 && event->reasons[i].count &&
           strncmp(event->reasons[i].text, reason, sizeof event->reasons[i].text - 1) != 0)
        i++;
    struct import_reason *row = &event->reasons[i];
    if (row->count++ == 0) {
        snprintf(row->text, sizeof row->text, "%s", reason);
        row->first_line = line;
    }
}

static void import_event_encode(struct buffer *out, const struct import_event *event)
{
    put_open(out, '{');
    put_field_text(out, "event", event->name);
    put_field_u64(out, "read", event->nr_read);
    put_field_u64(out, "applied", event->nr_applied);
    put_field_u64(out, "skipped", event->nr_skipped);
    put_field_array(out, "reasons");
    for (unsigned i = 0; i < IMPORT_REASONS_MAX && event->reasons[i].count; i++) {
        put_open(out, '{');
        put_field_text(out, "reason", event->reasons[i].text);
        put_field_u64(out, "count", event->reasons[i].count);
        put_field_u64(out, "first_line", event->reasons[i].first_line);
        put_close(out, '}');
    }
    put_close(out, ']');
    put_close(out, '}');
}

void import_summary_encode(struct buffer *out, const struct import_summary *summary, uint64_t seq, double seconds)
{
    put_open(out, '{');
    put_field_u64(out, "lines", summary->nr_lines);
    put_field_u64(out, "events_read", summary->nr_events);
    put_field_u64(out, "applied", summary->nr_applied);
    put_field_u64(out, "skipped", summary->nr_skipped);
    put_field_u64(out, "failed", summary->nr_failed);
    put_field_u64(out, "lost", summary->nr_lost);
    put_field_u64(out, "operations", summary->nr_ops);
    put_field_object(out, "outcomes");
    for (unsigned i = 0; i < 3; i++)
        put_field_u64(out, outcome_name((enum outcome)i), summary->nr_outcomes[i]);
    put_close(out, '}');
    put_field_array(out, "by_event");
    for (uint32_t i = 0; i < summary->nr_events_used; i++)
        import_event_encode(out, &summary->events[i]);
    put_close(out, ']');
    put_field_u64(out, "kmalloc_compared", summary->nr_compared);
    put_field_u64(out, "kmalloc_agree", summary->nr_agree);
    put_field_u64(out, "blocks_compared", summary->nr_blocks_compared);
    put_field_u64(out, "blocks_agree", summary->nr_blocks_agree);
    put_key(out, "pid");
    if (summary->pid)
        put_u64(out, summary->pid);
    else
        put_null(out);
    put_field_text(out, "first_difference", summary->first_difference[0] ? summary->first_difference : NULL);
    put_field_u64(out, "slab_pages_compared", summary->nr_rules_compared);
    put_field_u64(out, "slab_pages_agree", summary->nr_rules_agree);
    put_field_text(out, "problem", summary->problem[0] ? summary->problem : NULL);
    put_field_u64(out, "seq", seq);
    put_key(out, "seconds");
    put_double(out, seconds);
    put_close(out, '}');
}
