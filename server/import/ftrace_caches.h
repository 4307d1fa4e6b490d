/* server/import/ftrace_caches.h - the slab caches of a recorded kernel. Stands on ftrace_sink. */
#pragma once
#include "server/import/ftrace_sink.h"

/* The index of the call site of a kmem_cache_alloc event; a new call site gets a cache. 0: there is no cache to be had. */
uint32_t ftrace_find_call_site(struct ftrace_import *in, const struct ftrace_event *event);

/* Takes the cache name that a kmem_cache_free event tells for the call site that allocated the object. */
void ftrace_learn_name(struct ftrace_import *in, const struct ftrace_event *event, uint32_t index);
