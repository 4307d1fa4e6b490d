/* server/import/ftrace_guests.h - heads of lines of other tools that have kmem events in them: ftrace_guests.c lists them.
 */
#pragma once
#include "server/import/ftrace_cursor.h"
#include "server/import/ftrace_line.h"

#define GUEST_TEXT_MAX 512u
struct guest_text {
    char text[GUEST_TEXT_MAX];
};

/* True: the event's kind is known, and the cursor stands at its fields. False: it is another line. */
bool ftrace_take_graph_head(struct cursor *c, struct ftrace_event *event);
bool ftrace_take_message_head(struct cursor *c, struct ftrace_event *event);
/* text: holds the fields as ftrace prints them; the cursor stands in it. */
bool ftrace_take_lttng_head(struct cursor *c, struct guest_text *text, struct ftrace_event *event);
