/* server/import/ftrace_objects.h - objects of a recorded kernel. Stands on ftrace_caches, ftrace_pages. */
#pragma once
#include "server/import/ftrace_sink.h"

void ftrace_object_alloc(struct ftrace_import *in, const struct ftrace_event *event);
void ftrace_object_free(struct ftrace_import *in, const struct ftrace_event *event);
