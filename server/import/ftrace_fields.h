/* server/import/ftrace_fields.h - the fields of kmem events, and GFP flags as traces print them. */
#pragma once
#include "server/import/ftrace_cursor.h"
#include "server/import/ftrace_line.h"

/* Reads what stands behind the name of an event of event->kind. False: something that the kind must have is not there. */
bool ftrace_take_fields(struct cursor *fields, struct gfp_memory *gfps, struct ftrace_event *event);
/* What a mail has wrapped behind a whole event: "name=dentry". */
void ftrace_take_more_fields(const char *line, size_t length, struct ftrace_event *event);
/* "GFP_KERNEL|__GFP_ZERO", "none", "0xcc0", "3264". Flags that Linux 6.1 does not have are left out, and told. */
void ftrace_take_gfp(struct cursor *c, struct gfp_memory *gfps, struct ftrace_event *event);
