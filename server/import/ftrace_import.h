/* server/import/ftrace_import.h - what the parts of the import of kernel traces share. import_ftrace.c reads and applies,
 * ftrace_caches.c knows the caches, ftrace_pages.c the pages, ftrace_objects.c the objects. */
#pragma once
#include "server/base/address_map.h"
#include "server/import/ftrace_order.h"
#include "server/import/import.h"

#define RECENT_PAGES 16
#define ZERO_SIZE_PTR 16u

/* How a recorded object or page stands in the machine: tag of its address_entry. */
enum holder { HELD_BY_KMALLOC, HELD_BY_CACHE, HELD_BY_PAGES, HELD_BY_SLAB };

/* Objects: holder in bits 0-1, index of the site that allocated it above. Pages: holder, order above. */
static inline uint64_t make_tag(enum holder holder, uint64_t rest)
{
    return rest << 2 | (uint64_t)holder;
}
static inline enum holder tag_holder(uint64_t tag)
{
    return (enum holder)(tag & 3);
}

struct trace_cache {
    char name[CACHE_NAME_MAX + 1];
    uint64_t size;
    uint32_t nr_name;
};

/* A call site and size of kmem_cache_alloc, and the cache it has turned out to use. */
struct trace_site {
    uint32_t cache; /* index */
    bool is_learned;
};

struct recent_page {
    uint64_t pfn;
    uint32_t pid;
    uint8_t order;
    bool is_open, has_signature; /* open: no object seen in it yet */
};

struct ftrace_import {
    const struct import_sink *sink;
    struct import_summary *summary;
    struct import_event *events[NR_FTRACE_KINDS];
    struct op ops[NR_OPS]; /* the operation of each kind, but for what changes with each event */
    struct gfp_memory gfps;
    struct address_map objects, pages, sites; /* sites: hash of site and size -> index */
    struct trace_cache *caches;
    uint32_t nr_caches, caches_room;
    struct trace_site *site_list;
    uint32_t nr_sites, sites_room;
    struct ftrace_event held; /* a page event that may belong to a large kmalloc; held.line 0: none */
    struct recent_page recent[RECENT_PAGES];
    uint32_t next_recent;
    bool has_hashed_pointers, knows_pointers;
    bool has_markers; /* of a history that Pagoda exported: they say all, the events repeat it */
    enum pagoda_error error;
    struct ftrace_order order;
};

/* import_ftrace.c */
void ftrace_skip(struct ftrace_import *in, const struct ftrace_event *event, const char *reason);
/* The operation of that kind for an event: CPU, context and call site are set. */
struct op *ftrace_op(struct ftrace_import *in, const struct ftrace_event *event, enum op_kind kind);
/* False: not applied, for the reason in *why, or because of in->error. */
bool ftrace_apply(struct ftrace_import *in, const struct op *op, struct op_result *result, struct problem *why);
/* The same for an event, which is counted. */
bool ftrace_apply_event(struct ftrace_import *in, const struct ftrace_event *event, const struct op *op,
                        struct op_result *result);

/* ftrace_caches.c: index of the site of a kmem_cache_alloc; 0 when it has no cache. */
uint32_t ftrace_find_site(struct ftrace_import *in, const struct ftrace_event *event);
/* A free has told the name of what this site allocates. */
void ftrace_learn_name(struct ftrace_import *in, const struct ftrace_event *event, uint32_t site);

/* ftrace_pages.c */
void ftrace_page_alloc(struct ftrace_import *in, const struct ftrace_event *event);
void ftrace_page_free(struct ftrace_import *in, const struct ftrace_event *event);
/* The next event of the held one's task and context decides what it was. next: NULL when there is none. */
void ftrace_decide_held(struct ftrace_import *in, const struct ftrace_event *next);
/* Was this object given out of a block that its task has just taken? */
void ftrace_compare_place(struct ftrace_import *in, const struct ftrace_event *event);
void ftrace_close_pages(struct ftrace_import *in); /* at the end */

/* ftrace_objects.c */
void ftrace_object_alloc(struct ftrace_import *in, const struct ftrace_event *event);
void ftrace_object_free(struct ftrace_import *in, const struct ftrace_event *event);
