/* server/import_ftrace.c - the kernel's own kmem events into a machine.
 *
 * Objects. kmalloc and kfree are operations as they stand. kmem_cache_alloc does not record which cache it was;
 * kmem_cache_free does. So a cache is created on first sight as trace-SIZE, after bytes_alloc, and when a free tells the
 * name of an object, later allocations of its call site and size use a cache of that name. An object is freed by the
 * function that suits how it was allocated here. Frees of what was allocated before the recording began are counted, not
 * applied.
 *
 * Pages. The recorded kernel took pages for its own slabs and large kmallocs; the machine takes its own, so those events
 * must not be applied again:
 *  - a slab's page is known by its flags: allocate_slab() adds __GFP_NOWARN and __GFP_NORETRY to the caller's flags and
 * drops all but the reclaim bits, so __GFP_ZERO, __GFP_HIGHMEM, __GFP_MOVABLE, __GFP_ACCOUNT and __GFP_HARDWALL are never
 * among them, and a higher order has __GFP_COMP. This needs no pointers, so it works with hashed ones too.
 *  - a large kmalloc's block has __GFP_COMP, and is followed, in the same task and context, by a kmalloc event whose
 *    bytes_alloc is the block's size. Such a page event waits for the next event of its task and context before it counts.
 * Their mm_page_free events are known by the pfn. As a check, with real pointers, the first rule is compared with the
 * place: a slab's block holds the object that its task is given next. (Directly mapped addresses equal the pfn modulo the 1
 * GiB to which KASLR aligns the map.) In the recordings of Linux 6.1 the two agree on every page. mm_page_free_batched
 * repeats mm_page_free; the bulk allocator records nothing, so its pages appear when they are freed.
 *
 * Markers. A history that Pagoda exported has a marker before the events of each operation, which holds the operation
 * itself (export_ftrace.c): then the markers are applied and the events, which only repeat them, are not. */
#include "pagoda/gfp.h"
#include "pagoda/view.h"
#include "server/address_map.h"
#include "server/ftrace_line.h"
#include "server/import.h"
#include "server/op_json.h"
#include "server/problem.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ZERO_SIZE_PTR 16u
#define SLUB_LARGEST 8192u /* bytes; larger kmallocs get pages of their own */
#define CACHE_NAME_MAX 64
#define RECENT_PAGES 16
#define SLAB_NEVER (__GFP_ZERO | __GFP_HIGHMEM | __GFP_MOVABLE | __GFP_ACCOUNT | __GFP_HARDWALL)
#define SLAB_ALWAYS (__GFP_NOWARN | __GFP_NORETRY)
#define PLACE_MASK ((1u << 18) - 1) /* frames of 1 GiB */

/* How a recorded object or page stands in the machine: tag of its address_entry. */
enum holder { HELD_BY_KMALLOC, HELD_BY_CACHE, HELD_BY_PAGES, HELD_BY_SLAB };

/* Objects: holder in bits 0-1, index of the site that allocated it above. Pages: holder, order above. */
static uint64_t make_tag(enum holder holder, uint64_t rest)
{
    return rest << 2 | (uint64_t)holder;
}
static enum holder tag_holder(uint64_t tag)
{
    return (enum holder)(tag & 3);
}

struct cache {
    char name[CACHE_NAME_MAX];
    uint64_t size;
};

/* A call site and size of kmem_cache_alloc, and the cache it has turned out to use. */
struct site {
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
    struct gfp_memory gfps;
    struct address_map objects, pages, sites; /* sites: hash of site and size -> index */
    struct cache *caches;
    uint32_t nr_caches, caches_room;
    struct site *site_list;
    uint32_t nr_sites, sites_room;
    uint64_t line;
    struct ftrace_event held; /* a page event that may belong to a large kmalloc */
    uint64_t held_line;       /* 0: none */
    struct recent_page recent[RECENT_PAGES];
    uint32_t next_recent;
    bool has_hashed_pointers, knows_pointers;
    bool has_markers; /* of a history that Pagoda exported: they say all, the events repeat it */
    enum pagoda_error error;
};

/* ---- applying ---- */

static void skip(struct ftrace_import *in, const struct ftrace_event *event, const char *reason)
{
    import_skip(in->summary, in->events[event->kind], in->line, reason);
}

/* False: not applied, for the reason in *why, or because of in->error. */
static bool apply(struct ftrace_import *in, const struct op *op, struct op_result *result, struct problem *why)
{
    enum pagoda_error error = in->sink->apply(in->sink->context, op, result, why);
    if (error && error != PAGODA_ERR_INVALID)
        in->error = error;
    if (error)
        return false;
    in->summary->nr_ops++;
    in->summary->nr_outcomes[result->outcome]++;
    return true;
}

static struct op start_op(const struct ftrace_import *in, const struct ftrace_event *event, enum op_kind kind)
{
    struct op op = op_default(kind);
    op.cpu = (uint16_t)(event->cpu % in->sink->cpus);
    op.context = event->context;
    op.given = P(CPU) | P(CONTEXT);
    if (event->call_site.length) {
        op.call_site = event->call_site;
        op.call_site.length = op.call_site.length < 63 ? op.call_site.length : 63;
        op.given |= P(CALL_SITE);
    }
    return op;
}

/* Applies an operation for an event and counts the event. */
static bool apply_event(struct ftrace_import *in, const struct ftrace_event *event, const struct op *op,
                        struct op_result *result)
{
    struct problem why = { 0 };
    if (!apply(in, op, result, &why)) {
        skip(in, event, why.text[0] ? why.text : "the machine refused");
        return false;
    }
    in->events[event->kind]->nr_applied++;
    in->summary->nr_applied++;
    return true;
}

/* ---- caches ---- */

static bool is_cache_name(const struct cache *cache, struct text name)
{
    return strlen(cache->name) == name.length && memcmp(cache->name, name.start, name.length) == 0;
}

/* An earlier import into the same lab may have left its caches. */
static bool machine_has_cache(const struct ftrace_import *in, struct text name, uint64_t *size)
{
    const struct machine *machine = in->sink->look(in->sink->context);
    struct cache_view cache;
    uint64_t cursor = 0;
    while (machine && view_next_cache(machine, &cursor, &cache))
        if (strlen(cache.name) == name.length && memcmp(cache.name, name.start, name.length) == 0) {
            *size = cache.object_size;
            return true;
        }
    return false;
}

static bool create_cache(struct ftrace_import *in, const struct ftrace_event *event, struct text name, uint64_t size)
{
    struct op op = start_op(in, event, OP_KMEM_CACHE_CREATE);
    struct op_result result;
    struct problem why = { 0 };
    op.context = CONTEXT_PROCESS; /* whoever made it could sleep */
    op.cache = name;
    op.size = size;
    op.given |= P(CACHE) | P(SIZE);
    return apply(in, &op, &result, &why) && result.outcome == OUTCOME_OK;
}

/* Index of the cache of that name and size, made when it is new; 0 when there is none to be had (0 is no cache). */
static uint32_t find_or_create_cache(struct ftrace_import *in, const struct ftrace_event *event, struct text name,
                                     uint64_t size)
{
    for (uint32_t i = 1; i <= in->nr_caches; i++)
        if (is_cache_name(&in->caches[i], name))
            return in->caches[i].size == size ? i : 0;
    if (in->nr_caches + 2 > in->caches_room) {
        uint32_t room = in->caches_room ? in->caches_room * 2 : 64;
        struct cache *bigger = realloc(in->caches, room * sizeof *bigger);
        if (!bigger)
            return 0;
        in->caches = bigger;
        in->caches_room = room;
    }
    uint64_t size_there;
    bool is_there = machine_has_cache(in, name, &size_there);
    if (name.length >= CACHE_NAME_MAX || (is_there ? size_there != size : !create_cache(in, event, name, size)))
        return 0;
    struct cache *cache = &in->caches[++in->nr_caches];
    snprintf(cache->name, sizeof cache->name, "%.*s", (int)name.length, name.start);
    cache->size = size;
    return in->nr_caches;
}

static uint32_t cache_by_size(struct ftrace_import *in, const struct ftrace_event *event)
{
    char name[CACHE_NAME_MAX];
    int length = snprintf(name, sizeof name, "trace-%llu", (unsigned long long)event->bytes_alloc);
    return find_or_create_cache(in, event, (struct text){ name, (uint32_t)length }, event->bytes_alloc);
}

static uint64_t site_key(const struct ftrace_event *event)
{
    uint64_t hash = 0xcbf29ce484222325u ^ event->bytes_alloc;
    for (uint32_t i = 0; i < event->call_site.length; i++)
        hash = (hash ^ (unsigned char)event->call_site.start[i]) * 0x100000001b3u;
    return hash | 1;
}

/* Index of the site; 0 when it has no cache. */
static uint32_t find_site(struct ftrace_import *in, const struct ftrace_event *event)
{
    uint64_t key = site_key(event);
    const struct address_entry *entry = address_map_find(&in->sites, key);
    if (entry)
        return (uint32_t)entry->tag;
    if (in->nr_sites + 2 > in->sites_room) {
        uint32_t room = in->sites_room ? in->sites_room * 2 : 256;
        struct site *bigger = realloc(in->site_list, room * sizeof *bigger);
        if (!bigger)
            return 0;
        in->site_list = bigger;
        in->sites_room = room;
    }
    uint32_t cache = cache_by_size(in, event);
    if (!cache || !address_map_put(&in->sites, (struct address_entry){ .key = key, .tag = in->nr_sites + 1 }))
        return 0;
    in->site_list[++in->nr_sites] = (struct site){ .cache = cache };
    return in->nr_sites;
}

/* A free has told the name of what this site allocates. */
static void learn_name(struct ftrace_import *in, const struct ftrace_event *event, uint32_t index)
{
    struct site *site = &in->site_list[index];
    if (site->is_learned || event->name.length == 0)
        return;
    uint32_t cache = find_or_create_cache(in, event, event->name, in->caches[site->cache].size);
    in->site_list[index].cache = cache ? cache : site->cache;
    in->site_list[index].is_learned = true;
}

/* ---- which pages are slabs ---- */

static bool has_slab_signature(const struct ftrace_event *event)
{
    return (event->gfp & SLAB_ALWAYS) == SLAB_ALWAYS && !(event->gfp & SLAB_NEVER) &&
           (event->order == 0 || (event->gfp & __GFP_COMP));
}

static void close_recent(struct ftrace_import *in, struct recent_page *page, bool is_slab_by_place)
{
    if (page->is_open && !in->has_hashed_pointers && (is_slab_by_place || page->has_signature)) {
        in->summary->nr_rules_compared++;
        in->summary->nr_rules_agree += is_slab_by_place && page->has_signature;
    }
    page->is_open = false;
}

static void forget_page(struct ftrace_import *in, const struct ftrace_event *event)
{
    for (uint32_t i = 0; i < RECENT_PAGES; i++)
        if (in->recent[i].pfn == event->pfn)
            close_recent(in, &in->recent[i], false);
}

static void remember_page(struct ftrace_import *in, const struct ftrace_event *event)
{
    struct recent_page *page = &in->recent[in->next_recent++ % RECENT_PAGES];
    close_recent(in, page, false);
    *page = (struct recent_page){ event->pfn, event->pid, event->order, true, has_slab_signature(event) };
}

/* Was this object given out of a block that its task has just taken? */
static void compare_place(struct ftrace_import *in, const struct ftrace_event *event)
{
    uint64_t place = event->ptr >> PAGE_SHIFT & PLACE_MASK;
    for (uint32_t i = 0; i < RECENT_PAGES; i++) {
        struct recent_page *page = &in->recent[i];
        uint64_t first = page->pfn & PLACE_MASK;
        if (page->is_open && page->pid == event->pid && place - first < (uint64_t)1 << page->order)
            close_recent(in, page, true);
    }
}

static void look_at_pointer(struct ftrace_import *in, const struct ftrace_event *event)
{
    if (in->knows_pointers || event->ptr <= ZERO_SIZE_PTR)
        return;
    in->knows_pointers = true;
    in->has_hashed_pointers = event->ptr >> 32 == 0; /* %p prints 32 bits of a hash */
}

/* ---- pages ---- */

static uint64_t page_key(const struct ftrace_event *event)
{
    return event->pfn + 1; /* 0 is no key */
}

static void note_page(struct ftrace_import *in, const struct ftrace_event *event, enum holder holder, uint64_t address)
{
    if (!address_map_put(&in->pages, (struct address_entry){ page_key(event), address, make_tag(holder, event->order) }))
        in->error = PAGODA_ERR_NOMEM;
}

static void alloc_pages(struct ftrace_import *in, const struct ftrace_event *event)
{
    struct op op = start_op(in, event, OP_ALLOC_PAGES);
    struct op_result result;
    op.order = event->order;
    op.gfp = event->gfp;
    op.given |= P(ORDER) | P(GFP);
    if (apply_event(in, event, &op, &result))
        note_page(in, event, HELD_BY_PAGES, result.address);
}

static bool may_be_large_kmalloc(const struct ftrace_event *event)
{
    return (event->gfp & __GFP_COMP) && !(event->gfp & (__GFP_HIGHMEM | __GFP_MOVABLE)) &&
           (uint64_t)PAGE_SIZE << event->order > SLUB_LARGEST;
}

static void page_alloc(struct ftrace_import *in, const struct ftrace_event *event)
{
    if (event->pfn == 0)
        return skip(in, event, "failed in the recording too");
    remember_page(in, event);
    if (may_be_large_kmalloc(event)) {
        in->held = *event;
        in->held.call_site = in->held.name = (struct text){ 0 };
        in->held_line = in->line;
    } else if (has_slab_signature(event)) {
        skip(in, event, "page of a slab: the machine's own slabs take theirs");
        note_page(in, event, HELD_BY_SLAB, 0);
    } else {
        alloc_pages(in, event);
    }
}

/* The next event of the held one's task and context decides what it was. */
static void decide_held(struct ftrace_import *in, const struct ftrace_event *next)
{
    struct ftrace_event held = in->held;
    uint64_t line = in->line;
    bool is_kmalloc = next && (next->kind == FTRACE_KMALLOC || next->kind == FTRACE_KMALLOC_NODE);
    in->line = in->held_line;
    in->held_line = 0;
    if (is_kmalloc && next->bytes_alloc == (uint64_t)PAGE_SIZE << held.order) {
        skip(in, &held, "block of a large kmalloc: the machine's kmalloc takes its own");
        note_page(in, &held, HELD_BY_SLAB, 0);
    } else if (has_slab_signature(&held)) {
        skip(in, &held, "page of a slab: the machine's own slabs take theirs");
        note_page(in, &held, HELD_BY_SLAB, 0);
    } else {
        alloc_pages(in, &held);
    }
    in->line = line;
}

static void page_free(struct ftrace_import *in, const struct ftrace_event *event)
{
    struct address_entry *entry = address_map_find(&in->pages, page_key(event));
    forget_page(in, event);
    if (!entry)
        return skip(in, event, "allocated before the recording began, or by the bulk allocator, which records nothing");
    struct address_entry page = *entry;
    address_map_remove(&in->pages, entry);
    if (tag_holder(page.tag) == HELD_BY_SLAB)
        return skip(in, event, "page of a slab or large kmalloc: the machine gives back its own");
    if (!page.address)
        return skip(in, event, "its allocation failed in the machine");
    struct op op = start_op(in, event, OP_FREE_PAGES);
    struct op_result result;
    op.address = page.address;
    op.order = (uint8_t)(page.tag >> 2);
    op.given |= P(ADDRESS) | P(ORDER);
    apply_event(in, event, &op, &result);
}

/* ---- objects ---- */

static bool free_object(struct ftrace_import *in, const struct ftrace_event *event, const struct address_entry *object,
                        struct op_result *result, struct problem *why)
{
    bool is_cached = tag_holder(object->tag) == HELD_BY_CACHE;
    struct op op = start_op(in, event, is_cached ? OP_KMEM_CACHE_FREE : OP_KFREE);
    op.address = object->address;
    op.given |= P(ADDRESS);
    return apply(in, &op, result, why);
}

/* Its address was given out again, so the earlier object has gone by a way that is not recorded (kfree_bulk and its like).
 */
static void free_unrecorded(struct ftrace_import *in, const struct ftrace_event *event)
{
    struct address_entry *entry = address_map_find(&in->objects, event->ptr);
    if (!entry)
        return;
    struct address_entry object = *entry;
    address_map_remove(&in->objects, entry);
    struct import_event *row = import_event(in->summary, "(free not recorded)");
    row->nr_read++;
    struct op_result result;
    struct problem why = { 0 };
    if (object.address && free_object(in, event, &object, &result, &why))
        row->nr_applied++;
}

static void note_object(struct ftrace_import *in, const struct ftrace_event *event, enum holder holder, uint32_t site,
                        uint64_t address)
{
    if (!address_map_put(&in->objects, (struct address_entry){ event->ptr, address, make_tag(holder, site) }))
        in->error = PAGODA_ERR_NOMEM;
}

static void compare_size(struct ftrace_import *in, const struct ftrace_event *event, const struct op_result *result)
{
    struct import_summary *summary = in->summary;
    if (result->outcome != OUTCOME_OK)
        return;
    summary->nr_compared++;
    if (result->allocated == event->bytes_alloc) {
        summary->nr_agree++;
    } else if (!summary->first_difference_line) {
        summary->first_difference_line = in->line;
        snprintf(summary->first_difference, sizeof summary->first_difference,
                 "line %llu: kmalloc(%llu) got %llu bytes, here %llu", (unsigned long long)in->line,
                 (unsigned long long)event->bytes_req, (unsigned long long)event->bytes_alloc,
                 (unsigned long long)result->allocated);
    }
}

static void object_kmalloc(struct ftrace_import *in, const struct ftrace_event *event)
{
    struct op op = start_op(in, event, OP_KMALLOC);
    struct op_result result;
    op.size = event->bytes_req;
    op.gfp = event->gfp;
    op.given |= P(SIZE) | P(GFP);
    if (!apply_event(in, event, &op, &result))
        return;
    if (event->ptr != ZERO_SIZE_PTR)
        note_object(in, event, HELD_BY_KMALLOC, 0, result.outcome == OUTCOME_OK ? result.address : 0);
    compare_size(in, event, &result);
}

static void object_from_cache(struct ftrace_import *in, const struct ftrace_event *event)
{
    uint32_t site = find_site(in, event);
    if (!site)
        return skip(in, event, "the machine has no cache for it");
    const struct cache *cache = &in->caches[in->site_list[site].cache];
    struct op op = start_op(in, event, OP_KMEM_CACHE_ALLOC);
    struct op_result result;
    op.cache = (struct text){ cache->name, (uint32_t)strlen(cache->name) };
    op.gfp = event->gfp;
    op.given |= P(CACHE) | P(GFP);
    if (apply_event(in, event, &op, &result))
        note_object(in, event, HELD_BY_CACHE, site, result.outcome == OUTCOME_OK ? result.address : 0);
}

static void object_alloc(struct ftrace_import *in, const struct ftrace_event *event)
{
    if (event->ptr == 0)
        return skip(in, event, "failed in the recording too");
    look_at_pointer(in, event);
    compare_place(in, event);
    free_unrecorded(in, event);
    if (event->kind == FTRACE_KMALLOC || event->kind == FTRACE_KMALLOC_NODE)
        object_kmalloc(in, event);
    else
        object_from_cache(in, event);
}

static void object_free(struct ftrace_import *in, const struct ftrace_event *event)
{
    if (event->ptr <= ZERO_SIZE_PTR)
        return skip(in, event, event->ptr ? "ZERO_SIZE_PTR: nothing to free" : "NULL: nothing to free");
    struct address_entry *entry = address_map_find(&in->objects, event->ptr);
    if (!entry)
        return skip(in, event, "allocated before the recording began");
    struct address_entry object = *entry;
    address_map_remove(&in->objects, entry);
    if (tag_holder(object.tag) == HELD_BY_CACHE)
        learn_name(in, event, (uint32_t)(object.tag >> 2));
    if (!object.address)
        return skip(in, event, "its allocation failed in the machine");
    struct op_result result;
    struct problem why = { 0 };
    if (!free_object(in, event, &object, &result, &why))
        return skip(in, event, why.text[0] ? why.text : "the machine refused");
    in->events[event->kind]->nr_applied++;
    in->summary->nr_applied++;
}

/* ---- markers of an exported history ---- */

#define MARKER "pagoda: "

static void run_marker(struct ftrace_import *in, const struct ftrace_event *event)
{
    const size_t length = sizeof MARKER - 1;
    if (event->name.length <= length || memcmp(event->name.start, MARKER, length) != 0)
        return skip(in, event, "not an event of an allocator");
    struct op_request decoded;
    struct op_result result;
    struct problem why = { 0 };
    in->has_markers = true;
    if (op_decode(event->name.start + length, event->name.length - length, &decoded, &why))
        return skip(in, event, why.text);
    apply_event(in, event, &decoded.op, &result);
    op_request_clear(&decoded);
}

/* ---- lines ---- */

static void run_event(struct ftrace_import *in, const struct ftrace_event *event)
{
    if (event->kind == FTRACE_MARK)
        return run_marker(in, event);
    if (in->has_markers)
        return skip(in, event, "told by the marker before it");
    if (in->held_line && event->pid == in->held.pid && event->context == in->held.context &&
        event->kind != FTRACE_ZONE_LOCKED)
        decide_held(in, event);
    switch (event->kind) {
    case FTRACE_KMALLOC:
    case FTRACE_KMALLOC_NODE:
    case FTRACE_CACHE_ALLOC:
    case FTRACE_CACHE_ALLOC_NODE:
        return object_alloc(in, event);
    case FTRACE_KFREE:
    case FTRACE_CACHE_FREE:
        return object_free(in, event);
    case FTRACE_PAGE_ALLOC:
        if (in->held_line)
            decide_held(in, NULL);
        return page_alloc(in, event);
    case FTRACE_PAGE_FREE:
        return page_free(in, event);
    case FTRACE_PAGE_FREE_BATCHED:
        return skip(in, event, "the same pages have mm_page_free events");
    case FTRACE_ZONE_LOCKED:
    case FTRACE_PCPU_DRAIN:
    case FTRACE_EXTFRAG:
        return skip(in, event, "inside the page allocator: the machine's own does this");
    default:
        return skip(in, event, "not an event of an allocator");
    }
}

static void run_line(struct ftrace_import *in, const char *line, size_t length)
{
    static const char *const NAMES[] = {
#define X(id, name) name,
        FTRACE_EVENT_MAP(X)
#undef X
    };
    struct ftrace_event event;
    enum ftrace_line_kind kind = ftrace_line_parse(line, length, &in->gfps, &event);
    if (kind == LINE_EVENT) {
        if (!in->events[event.kind])
            in->events[event.kind] = import_event(in->summary, NAMES[event.kind]);
        in->events[event.kind]->nr_read++;
        in->summary->nr_events++;
        run_event(in, &event);
    } else if (kind != LINE_COMMENT) {
        struct import_event *row = import_event(in->summary, kind == LINE_LOST ? "(lost events)" : "(unreadable line)");
        row->nr_read++;
        in->summary->nr_failed += kind == LINE_GARBAGE;
        import_skip(in->summary, row, in->line,
                    kind == LINE_LOST ? "the recorder's buffer ran over" : "not a line of ftrace text");
    }
}

enum pagoda_error import_ftrace(struct input *input, const char *line, size_t length, const struct import_sink *sink,
                                struct import_summary *summary)
{
    struct ftrace_import *in = calloc(1, sizeof *in);
    if (!in)
        return PAGODA_ERR_NOMEM;
    in->sink = sink;
    in->summary = summary;
    do {
        in->line = input_line_number(input);
        run_line(in, line, length);
    } while (!in->error && input_next_line(input, &line, &length));
    if (in->held_line && !in->error)
        decide_held(in, NULL);
    for (uint32_t i = 0; i < RECENT_PAGES; i++)
        close_recent(in, &in->recent[i], false);
    enum pagoda_error error = in->error;
    address_map_clear(&in->objects);
    address_map_clear(&in->pages);
    address_map_clear(&in->sites);
    free(in->caches);
    free(in->site_list);
    free(in);
    return error;
}
