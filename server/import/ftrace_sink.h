/* server/import/ftrace_sink.h - the state of one import of a kernel trace, and how its parts apply operations to the
 * machine and count what they skip. The parts stand on this file, and on each other in this order: caches, pages, objects,
 * and import_ftrace.c, which reads lines and hands out events. */
#pragma once
#include "server/base/address_map.h"
#include "server/import/ftrace_order.h"
#include "server/import/ftrace_wrap.h"
#include "server/import/import.h"

#define RECENT_PAGES 16

/* How a recorded object or page stands in the machine. */
enum holder { HELD_BY_KMALLOC, HELD_BY_CACHE, HELD_BY_PAGES, HELD_BY_SLAB };

/* The tag of an address_entry: the holder in bits 0-1. Above it stands, of an object, the index of the call site that
 * allocated it; of a page block, its order. */
static inline uint64_t make_tag(enum holder holder, uint64_t rest)
{
    return rest << 2 | (uint64_t)holder;
}
static inline enum holder tag_holder(uint64_t tag)
{
    return (enum holder)(tag & 3);
}
static inline uint64_t tag_rest(uint64_t tag)
{
    return tag >> 2;
}

struct trace_cache {
    char name[CACHE_NAME_MAX + 1];
    uint64_t size; /* bytes of an object */
    uint32_t nr_name;
};

/* A call site and size of kmem_cache_alloc. */
struct trace_call_site {
    uint32_t cache;  /* index of the cache that it uses, as far as is known */
    bool is_learned; /* a free has told the cache's name */
};

/* A page block that was allocated lately, kept for the comparison of two rules (ftrace_pages.c). */
struct recent_page {
    uint64_t pfn;
    uint32_t pid;
    uint8_t order;
    bool is_open;       /* no object has been seen in it yet */
    bool has_signature; /* its GFP flags are those of a slab */
};

struct ftrace_import {
    const struct import_sink *sink;
    struct import_summary *summary;
    struct import_event *events[NR_FTRACE_KINDS];
    struct op ops[NR_OPS]; /* one operation of each kind; each event changes only what differs */
    struct gfp_memory gfps;
    struct address_map objects, pages, call_site_map; /* call_site_map: hash of call site and size -> index */
    struct trace_cache *caches;                       /* index 0 is none, as of call_sites */
    uint32_t nr_caches, caches_room;
    struct trace_call_site *call_sites;
    uint32_t nr_call_sites, call_sites_room;
    struct ftrace_event held;     /* a page event that may belong to a large kmalloc; held.line 0: none */
    uint64_t nr_held[ORDERS_MAX]; /* page blocks in pages, by their order */
    uint64_t freed_pfn;           /* of the page event before, where that was a free; else 0 */
    struct recent_page recent[RECENT_PAGES];
    uint32_t next_recent;
    bool has_hashed_pointers, knows_pointers;
    bool has_markers;        /* Pagoda exported this history: its markers say all, and the events repeat it */
    enum pagoda_error error; /* of the sink, or out of memory; ends the import */
    struct ftrace_wrap wrap;
    struct ftrace_event *last;           /* the event that entered the window last */
    uint64_t last_line;                  /* its line; 0: there is none */
    bool has_messages;                   /* events stand in a kernel log */
    uint64_t nr_messages, first_message; /* lines of a kernel log that are no events */
    struct ftrace_order order;
};

/* Counts an event that is not applied. reason: one of a few texts, which the summary lists. */
void ftrace_skip(struct ftrace_import *in, const struct ftrace_event *event, const char *reason);

/* The operation of that kind, prepared for an event: CPU, context and call site are set, and nothing else is given. It is
 * in's own, and valid until the next call for the same kind. */
struct op *ftrace_op(struct ftrace_import *in, const struct ftrace_event *event, enum op_kind kind);

/* Applies an operation. False: it was not applied. Then *why has the reason, or in->error is set. */
bool ftrace_apply(struct ftrace_import *in, const struct op *op, struct op_result *result, struct problem *why);

/* The same for the operation that an event stands for; the event is counted as applied or as skipped. */
bool ftrace_apply_event(struct ftrace_import *in, const struct ftrace_event *event, const struct op *op,
                        struct op_result *result);
