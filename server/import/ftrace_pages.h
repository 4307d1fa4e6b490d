/* server/import/ftrace_pages.h - page blocks of a recorded kernel. Stands on ftrace_sink. */
#pragma once
#include "server/import/ftrace_sink.h"

void ftrace_page_alloc(struct ftrace_import *in, const struct ftrace_event *event);
void ftrace_page_free(struct ftrace_import *in, const struct ftrace_event *event);

/* Decides what the held page event (in->held) was, and applies or skips it.
 * next  the next event of the same task and context; NULL: there is none. */
void ftrace_decide_held(struct ftrace_import *in, const struct ftrace_event *next);

/* Compares the two rules that tell a slab's page: was this object given out of a block that its task has just taken? */
void ftrace_compare_place(struct ftrace_import *in, const struct ftrace_event *event);

/* Ends the comparison of the blocks that are still open. Called once, at the end of the trace. */
void ftrace_close_pages(struct ftrace_import *in);
