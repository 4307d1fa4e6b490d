/* server/api_views.c - GET handlers that show a machine at one moment: frames, zones, caches, areas, processes, bytes.
 *
 * All go through view(): it finds the machine of the moment asked for (?at=, else the head), answers 304 when the caller
 * has that moment already, and hands the machine to a function that writes JSON. */
#include "pagoda/view.h"
#include "server/api.h"
#include "server/op_json.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ENGINE_VERSION "1"
#define RUNS_PER_ALLOCATION 64
#define MEMORY_MAX 65536u /* bytes of one /memory */
#define POINTS_MAX 512u
#define CELLS_MAX (1u << 24)

struct view {
    struct request *request;
    const struct machine *machine;
    struct buffer out;
    const char *content_type; /* NULL: JSON */
    char next[24];            /* of a page; empty: the last one */
};

static void open_view(struct view *view)
{
    put_open(&view->out, '{');
    put_field_u64(&view->out, "seq", machine_seq(view->machine));
}

static struct reply finish(struct view *view, const struct reply *base)
{
    struct reply reply = reply_json(200, view->out);
    if (view->content_type && reply.status == 200)
        reply.content_type = view->content_type;
    reply.cache_control = base->cache_control;
    memcpy(reply.etag, base->etag, sizeof reply.etag);
    reply.seq = base->seq;
    if (view->next[0])
        snprintf(reply.link, sizeof reply.link, "<%.150s?next=%s>; rel=\"next\"", view->request->url, view->next);
    return reply;
}

static enum pagoda_error lock_moment(struct lab *lab, bool is_head, uint64_t at, struct machine **machine)
{
    enum pagoda_error error;
    if (!is_head)
        return lab_lock_past(lab, at, machine);
    error = lab_lock(lab);
    if (!error)
        *machine = atomic_load(&lab->machine);
    return error;
}

/* encode writes the view; it returns false with *refusal when the request asks for something that is not there. */
static struct reply view(struct request *request, bool (*encode)(struct view *view, struct reply *refusal))
{
    struct lab *lab = request->lab;
    struct reply base = reply_empty(304);
    uint64_t head = lab_seq(lab), at = head;
    if (!query_u64(request, "at", 0, head, &at, &base))
        return base;
    bool is_fixed = query_text(request, "at") != NULL, is_head = at == head;
    struct view view = { .request = request };
    struct machine *machine;
    enum pagoda_error error = lock_moment(lab, is_head, at, &machine);
    if (error)
        return reply_error(error, NULL);
    view.machine = machine;
    base.seq = machine_seq(machine); /* the head may have moved on since */
    base.cache_control = is_fixed && base.seq == at ? "private, max-age=31536000, immutable" : "no-cache";
    bool is_raw = request_accepts(request, "application/octet-stream"); /* another representation, another tag */
    snprintf(base.etag, sizeof base.etag, "\"%s-%llu-" ENGINE_VERSION "%s\"", lab->row.key, (unsigned long long)base.seq,
             is_raw ? "-raw" : "");
    bool is_known = etag_matches(request, base.etag), ok = is_known || encode(&view, &base);
    if (is_head)
        lab_unlock(lab);
    else
        lab_unlock_past(lab);
    if (ok && !is_known)
        return finish(&view, &base);
    buffer_clear(&view.out);
    return base;
}

/* ---- frames ---- */

static void put_kind_counts(struct buffer *out, const char *key, const uint64_t counts[NR_FRAME_KINDS])
{
    put_field_object(out, key);
    for (unsigned i = 0; i < NR_FRAME_KINDS; i++)
        if (i != FRAME_NONE)
            put_field_u64(out, frame_kind_name((enum frame_kind)i), counts[i]);
    put_close(out, '}');
}

static void put_run(struct buffer *out, const struct frame_run *run)
{
    put_open(out, '{');
    put_field_u64(out, "pfn", run->pfn);
    put_field_u64(out, "count", run->count);
    put_field_text(out, "kind", frame_kind_name(run->kind));
    put_field_u64(out, "order", run->order);
    put_field_text(out, "migratetype", migratetype_name(run->migratetype));
    put_field_text(out, "owner", run->owner_name);
    put_field_u64(out, "owner_id", run->owner);
    put_close(out, '}');
}

static bool encode_frame_runs(struct view *view, uint64_t from, uint64_t end)
{
    struct buffer *out = &view->out;
    uint64_t cursor = 0, counts[NR_FRAME_KINDS] = { 0 };
    struct frame_run run;
    open_view(view);
    put_field_u64(out, "nr_frames", view_nr_frames(view->machine));
    put_field_array(out, "frames");
    while (view_next_frame_run(view->machine, &cursor, &run) && run.pfn < end)
        if ((uint64_t)run.pfn + run.count > from)
            put_run(out, &run);
    put_close(out, ']');
    view_kind_counts(view->machine, counts);
    put_kind_counts(out, "counts", counts);
    put_close(out, '}');
    return true;
}

static bool encode_cells(struct view *view, uint64_t from, uint64_t end)
{
    uint32_t count = (uint32_t)(end - from < CELLS_MAX ? end - from : CELLS_MAX);
    char *cells = buffer_grow(&view->out, (size_t)count * 4 + 1);
    if (cells)
        view_frame_cells(view->machine, (uint32_t)from, count, (uint8_t *)cells);
    view->out.length += cells ? (size_t)count * 4 : 0;
    view->content_type = "application/octet-stream";
    return true;
}

/* Shares by kind of every 2^lod frames, for pictures with more frames than pixels. */
static bool encode_tiles(struct view *view, uint64_t lod)
{
    struct buffer *out = &view->out;
    uint32_t nr_frames = view_nr_frames(view->machine), step = 1u << lod;
    open_view(view);
    put_field_u64(out, "lod", lod);
    put_field_array(out, "tiles");
    uint8_t *cells = malloc((size_t)step * 4);
    for (uint64_t pfn = 0; cells && pfn < nr_frames; pfn += step) {
        uint32_t count = nr_frames - pfn < step ? (uint32_t)(nr_frames - pfn) : step;
        uint64_t shares[256] = { 0 };
        view_frame_cells(view->machine, (uint32_t)pfn, count, cells);
        for (uint32_t i = 0; i < count; i++)
            shares[cells[4 * i]]++;
        put_open(out, '{');
        put_field_u64(out, "pfn", pfn);
        put_field_u64(out, "count", count);
        put_field_object(out, "shares");
        for (unsigned kind = 0; kind < NR_FRAME_KINDS; kind++)
            if (shares[kind])
                put_field_u64(out, frame_kind_name((enum frame_kind)kind), shares[kind]);
        put_close(out, '}');
        put_close(out, '}');
    }
    out->failed |= !cells;
    free(cells);
    put_close(out, ']');
    put_close(out, '}');
    return true;
}

static bool encode_frames(struct view *view, struct reply *refusal)
{
    const struct request *request = view->request;
    uint64_t nr_frames = view_nr_frames(view->machine), from = 0, count = nr_frames, lod = UINT64_MAX;
    if (!query_u64(request, "from", 0, nr_frames, &from, refusal) ||
        !query_u64(request, "count", 1, UINT32_MAX, &count, refusal) || !query_u64(request, "lod", 0, 20, &lod, refusal))
        return false;
    uint64_t end = from + count < nr_frames ? from + count : nr_frames;
    if (request_accepts(request, "application/octet-stream"))
        return encode_cells(view, from, end);
    return lod == UINT64_MAX ? encode_frame_runs(view, from, end) : encode_tiles(view, lod);
}

struct reply frames_get(struct app *app, struct request *request)
{
    (void)app;
    return view(request, encode_frames);
}

static bool encode_frame(struct view *view, struct reply *refusal)
{
    const char *text = view->request->path_values[1];
    struct frame_run block;
    uint64_t pfn, born_seq;
    if (!size_parse(text, strlen(text), &pfn) || pfn >= view_nr_frames(view->machine) ||
        !view_frame(view->machine, (uint32_t)pfn, &block, &born_seq)) {
        *refusal = reply_say(404, "", "there is no frame %.40s", text);
        return false;
    }
    char letter[2] = { frame_kind_letter(block.kind), '\0' };
    open_view(view);
    put_field_u64(&view->out, "pfn", pfn);
    put_key(&view->out, "block");
    put_run(&view->out, &block);
    put_field_u64(&view->out, "born", born_seq);
    put_field_hex64(&view->out, "address", machine_profile(view->machine)->page_offset + (pfn << PAGE_SHIFT));
    put_field_text(&view->out, "letter", letter);
    put_close(&view->out, '}');
    return true;
}

struct reply frame_get(struct app *app, struct request *request)
{
    (void)app;
    return view(request, encode_frame);
}

/* ---- zones ---- */

static void put_free_area(struct buffer *out, const struct zone_view *zone, uint32_t order, bool has_migratetypes)
{
    uint64_t total = 0;
    put_open(out, '{');
    put_field_u64(out, "order", order);
    put_field_object(out, "migratetypes");
    for (unsigned type = 0; type < VIEW_MIGRATETYPES; type++) {
        total += zone->nr_free[order][type];
        if (has_migratetypes || type == 0)
            put_field_u64(out, migratetype_name(type), zone->nr_free[order][type]);
    }
    put_close(out, '}');
    put_field_u64(out, "nr_free", total);
    put_close(out, '}');
}

static void put_zone(struct buffer *out, const struct zone_view *zone, bool has_migratetypes)
{
    const struct {
        const char *name;
        uint64_t value;
    } FIELDS[] = {
        { "start_pfn", zone->start_pfn },
        { "spanned", zone->spanned },
        { "present", zone->present },
        { "managed", zone->managed },
        { "free", zone->free },
        { "pcp", zone->pcp },
        { "min", zone->min },
        { "low", zone->low },
        { "high", zone->high },
        { "boost", zone->boost },
        { "highatomic", zone->highatomic },
        { "pcp_high", zone->pcp_high },
        { "pcp_batch", zone->pcp_batch },
    };
    put_open(out, '{');
    put_field_text(out, "name", zone->name);
    for (size_t i = 0; i < sizeof FIELDS / sizeof FIELDS[0]; i++)
        put_field_u64(out, FIELDS[i].name, FIELDS[i].value);
    put_field_array(out, "lowmem_reserve");
    for (unsigned i = 0; i < 4; i++)
        put_u64(out, zone->lowmem_reserve[i]);
    put_close(out, ']');
    put_field_array(out, "free_area");
    for (uint32_t order = 0; order < zone->nr_orders; order++)
        put_free_area(out, zone, order, has_migratetypes);
    put_close(out, ']');
    put_close(out, '}');
}

static bool encode_zones(struct view *view, struct reply *refusal)
{
    (void)refusal;
    uint64_t cursor = 0;
    struct zone_view zone;
    open_view(view);
    put_field_array(&view->out, "zones");
    while (view_next_zone(view->machine, &cursor, &zone))
        put_zone(&view->out, &zone, machine_profile(view->machine)->has_migratetypes);
    put_close(&view->out, ']');
    put_close(&view->out, '}');
    return true;
}

struct reply zones_get(struct app *app, struct request *request)
{
    (void)app;
    return view(request, encode_zones);
}

/* ---- caches ---- */

static void put_cache_fields(struct buffer *out, const struct cache_view *cache)
{
    put_field_text(out, "name", cache->name);
    put_field_u64(out, "object_size", cache->object_size);
    put_field_u64(out, "size", cache->size);
    put_field_u64(out, "align", cache->align);
    put_field_u64(out, "objects_per_slab", cache->objects_per_slab);
    put_field_u64(out, "order", cache->order);
    put_field_u64(out, "nr_slabs", cache->nr_slabs);
    put_field_u64(out, "nr_objects", cache->nr_objects);
    put_field_u64(out, "nr_in_use", cache->nr_in_use);
    put_field_u64(out, "requested_bytes", cache->requested_bytes);
}

static bool encode_caches(struct view *view, struct reply *refusal)
{
    (void)refusal;
    uint64_t cursor = 0;
    struct cache_view cache;
    open_view(view);
    put_field_array(&view->out, "caches");
    while (view_next_cache(view->machine, &cursor, &cache)) {
        put_open(&view->out, '{');
        put_cache_fields(&view->out, &cache);
        put_close(&view->out, '}');
    }
    put_close(&view->out, ']');
    put_close(&view->out, '}');
    return true;
}

struct reply caches_get(struct app *app, struct request *request)
{
    (void)app;
    return view(request, encode_caches);
}

static void put_objects(struct buffer *out, const struct machine *machine, uint32_t slab_pfn)
{
    uint64_t cursor = 0;
    struct object_view object;
    put_field_array(out, "objects");
    while (view_next_object(machine, slab_pfn, &cursor, &object)) {
        put_open(out, '{');
        put_field_hex64(out, "address", object.address);
        put_field_bool(out, "in_use", object.in_use);
        put_field_u64(out, "requested", object.requested);
        put_field_u64(out, "seq", object.seq);
        put_field_text(out, "label", object.label);
        if (!object.in_use)
            put_field_hex64(out, "free_next", object.free_next);
        put_close(out, '}');
    }
    put_close(out, ']');
}

static void put_slabs(struct view *view, const char *cache, bool with_objects)
{
    struct buffer *out = &view->out;
    uint64_t cursor = 0;
    struct slab_view slab;
    put_field_array(out, "slabs");
    while (view_next_slab(view->machine, cache, &cursor, &slab)) {
        put_open(out, '{');
        put_field_u64(out, "pfn", slab.pfn);
        put_field_u64(out, "order", slab.order);
        put_field_hex64(out, "address", slab.address);
        put_field_u64(out, "nr_objects", slab.objects);
        put_field_u64(out, "in_use", slab.in_use);
        put_field_text(out, "state", slab.state);
        if (with_objects)
            put_objects(out, view->machine, slab.pfn);
        put_close(out, '}');
    }
    put_close(out, ']');
}

static bool encode_cache(struct view *view, struct reply *refusal)
{
    bool with_objects = false;
    uint64_t cursor = 0;
    struct cache_view cache;
    const char *name = view->request->path_values[1];
    if (!query_bool(view->request, "objects", &with_objects, refusal))
        return false;
    while (view_next_cache(view->machine, &cursor, &cache)) {
        if (strcmp(cache.name, name) != 0)
            continue;
        open_view(view);
        put_cache_fields(&view->out, &cache);
        put_slabs(view, name, with_objects);
        put_close(&view->out, '}');
        return true;
    }
    *refusal = reply_say(404, "", "there is no cache %.64s", name);
    return false;
}

struct reply cache_get(struct app *app, struct request *request)
{
    (void)app;
    return view(request, encode_cache);
}

/* ---- vmalloc ---- */

static void put_frame_range(struct buffer *out, const struct frame_range *run)
{
    put_open(out, '{');
    put_field_u64(out, "pfn", run->pfn);
    put_field_u64(out, "count", run->count);
    put_close(out, '}');
}

static void put_area(struct view *view, const struct vmalloc_view *area)
{
    struct buffer *out = &view->out;
    uint64_t cursor = 0;
    struct frame_range run;
    put_open(out, '{');
    put_field_hex64(out, "start", area->start);
    put_field_hex64(out, "end", area->end);
    put_field_u64(out, "requested", area->requested);
    put_field_u64(out, "nr_pages", area->nr_pages);
    put_field_u64(out, "guard_pages", area->guard_pages);
    put_field_text(out, "state", area->state);
    put_field_text(out, "name", area->label);
    put_field_text(out, "caller", area->caller);
    put_field_u64(out, "seq", area->seq);
    put_field_array(out, "frames");
    while (view_next_vmalloc_run(view->machine, area->start, &cursor, &run))
        put_frame_range(out, &run);
    put_close(out, ']');
    put_close(out, '}');
}

static bool encode_vmalloc(struct view *view, struct reply *refusal)
{
    (void)refusal;
    uint64_t start, end, nr_lazy_pages, cursor = 0;
    struct vmalloc_view area;
    view_vmalloc_range(view->machine, &start, &end, &nr_lazy_pages);
    open_view(view);
    put_field_hex64(&view->out, "start", start);
    put_field_hex64(&view->out, "end", end);
    put_field_u64(&view->out, "nr_lazy_pages", nr_lazy_pages);
    put_field_array(&view->out, "areas");
    while (view_next_vmalloc(view->machine, &cursor, &area))
        put_area(view, &area);
    put_close(&view->out, ']');
    put_close(&view->out, '}');
    return true;
}

struct reply vmalloc_get(struct app *app, struct request *request)
{
    (void)app;
    return view(request, encode_vmalloc);
}

/* ---- processes ---- */

static void put_process(struct buffer *out, const struct process_view *process)
{
    put_open(out, '{');
    put_field_u64(out, "pid", process->pid);
    put_field_u64(out, "parent_pid", process->parent_pid);
    put_field_text(out, "name", process->name);
    put_field_u64(out, "rss_pages", process->rss_pages);
    put_field_u64(out, "swap_pages", process->swap_pages);
    put_field_u64(out, "minor_faults", process->minor_faults);
    put_field_u64(out, "major_faults", process->major_faults);
    put_field_u64(out, "virtual_bytes", process->virtual_bytes);
    put_field_hex64(out, "heap_start", process->heap_start);
    put_field_hex64(out, "brk", process->brk);
    put_close(out, '}');
}

static bool encode_processes(struct view *view, struct reply *refusal)
{
    (void)refusal;
    uint64_t cursor = 0;
    struct process_view process;
    open_view(view);
    put_field_array(&view->out, "processes");
    while (view_next_process(view->machine, &cursor, &process))
        put_process(&view->out, &process);
    put_close(&view->out, ']');
    put_close(&view->out, '}');
    return true;
}

struct reply processes_get(struct app *app, struct request *request)
{
    (void)app;
    return view(request, encode_processes);
}

/* The process that the path names, or a refusal. */
static bool find_process(const struct view *view, uint32_t *pid, struct reply *refusal)
{
    const char *text = view->request->path_values[1];
    uint64_t wanted, cursor = 0;
    struct process_view process;
    if (size_parse(text, strlen(text), &wanted))
        while (view_next_process(view->machine, &cursor, &process))
            if (process.pid == wanted) {
                *pid = process.pid;
                return true;
            }
    *refusal = reply_say(404, "", "there is no process %.40s", text);
    return false;
}

static bool encode_maps(struct view *view, struct reply *refusal)
{
    struct buffer *out = &view->out;
    uint64_t cursor = 0;
    struct map_view map;
    uint32_t pid;
    if (!find_process(view, &pid, refusal))
        return false;
    open_view(view);
    put_field_u64(out, "pid", pid);
    put_field_array(out, "maps");
    while (view_next_map(view->machine, pid, &cursor, &map)) {
        put_open(out, '{');
        put_field_hex64(out, "start", map.start);
        put_field_hex64(out, "end", map.end);
        put_field_text(out, "perms", map.perms);
        put_field_text(out, "name", map.name);
        put_field_u64(out, "rss_pages", map.rss_pages);
        put_field_u64(out, "swap_pages", map.swap_pages);
        put_close(out, '}');
    }
    put_close(out, ']');
    put_close(out, '}');
    return true;
}

struct reply maps_get(struct app *app, struct request *request)
{
    (void)app;
    return view(request, encode_maps);
}

static bool encode_heap(struct view *view, struct reply *refusal)
{
    struct buffer *out = &view->out;
    uint64_t cursor = 0;
    struct chunk_view chunk;
    uint32_t pid;
    if (!find_process(view, &pid, refusal))
        return false;
    open_view(view);
    put_field_u64(out, "pid", pid);
    put_field_array(out, "chunks");
    while (view_next_chunk(view->machine, pid, &cursor, &chunk)) {
        put_open(out, '{');
        put_field_hex64(out, "address", chunk.address);
        put_field_u64(out, "size", chunk.size);
        put_field_text(out, "state", chunk.state);
        put_field_u64(out, "requested", chunk.requested);
        put_field_text(out, "name", chunk.label);
        put_close(out, '}');
    }
    put_close(out, ']');
    put_close(out, '}');
    return true;
}

struct reply heap_get(struct app *app, struct request *request)
{
    (void)app;
    return view(request, encode_heap);
}

/* ---- addresses ---- */

static bool query_address(const struct request *request, uint64_t *address, struct reply *refusal)
{
    const char *text = query_text(request, "address");
    if (text && address_parse(text, strlen(text), address))
        return true;
    *refusal = reply_say(422, "address", "address must be given, such as 0xffff888000000000");
    return false;
}

static bool encode_translate(struct view *view, struct reply *refusal)
{
    struct buffer *out = &view->out;
    uint64_t address, pid = 0;
    struct translation walk;
    if (!query_address(view->request, &address, refusal) || !query_u64(view->request, "pid", 0, UINT32_MAX, &pid, refusal))
        return false;
    view_translate(view->machine, address, (uint32_t)pid, &walk);
    open_view(view);
    put_field_hex64(out, "address", address);
    put_field_bool(out, "present", walk.present);
    put_field_u64(out, "pfn", walk.pfn);
    put_field_u64(out, "offset", walk.offset);
    put_key(out, "physical");
    if (walk.present)
        put_hex64(out, ((uint64_t)walk.pfn << PAGE_SHIFT) + walk.offset);
    else
        put_null(out);
    put_field_text(out, "region", walk.region);
    put_field_array(out, "levels");
    for (uint32_t i = 0; i < walk.nr_levels; i++) {
        put_open(out, '{');
        put_field_text(out, "name", walk.levels[i].name);
        put_field_u64(out, "index", walk.levels[i].index);
        put_field_u64(out, "table_pfn", walk.levels[i].table_pfn);
        put_field_hex64(out, "entry", walk.levels[i].entry);
        put_close(out, '}');
    }
    put_close(out, ']');
    put_close(out, '}');
    return true;
}

struct reply translate_get(struct app *app, struct request *request)
{
    (void)app;
    return view(request, encode_translate);
}

static bool encode_memory(struct view *view, struct reply *refusal)
{
    uint64_t address, length = 256, pid = 0;
    if (!query_address(view->request, &address, refusal) ||
        !query_u64(view->request, "pid", 0, UINT32_MAX, &pid, refusal) ||
        !query_u64(view->request, "length", 1, MEMORY_MAX, &length, refusal))
        return false;
    struct buffer bytes = { 0 };
    char *room = buffer_grow(&bytes, length);
    if (room)
        bytes.length = view_memory(view->machine, address, (uint32_t)pid, (uint8_t *)room, length);
    if (request_accepts(view->request, "application/octet-stream")) {
        view->out = bytes;
        view->content_type = "application/octet-stream";
        return true;
    }
    open_view(view);
    put_field_hex64(&view->out, "address", address);
    put_field_u64(&view->out, "length", bytes.length);
    put_key(&view->out, "hex");
    put_bytes(&view->out, (uint8_t *)bytes.data, bytes.length);
    put_close(&view->out, '}');
    buffer_clear(&bytes);
    return true;
}

struct reply memory_get(struct app *app, struct request *request)
{
    (void)app;
    return view(request, encode_memory);
}

/* ---- allocations ---- */

static void put_label(struct buffer *out, const struct allocation_view *allocation)
{
    bool has_label = allocation->label && allocation->label[0];
    put_field_text(out, "name", has_label && allocation->is_handle ? allocation->label : NULL);
    put_field_text(out, "call_site", has_label && !allocation->is_handle ? allocation->label : NULL);
}

static void put_allocation(struct view *view, const struct allocation_view *allocation)
{
    struct buffer *out = &view->out;
    uint64_t cursor = 0;
    struct frame_range run;
    put_open(out, '{');
    put_field_u64(out, "seq", allocation->seq);
    put_field_text(out, "op", op_info(allocation->op)->name);
    put_field_hex64(out, "address", allocation->address);
    put_field_u64(out, "requested", allocation->requested);
    put_field_u64(out, "allocated", allocation->allocated);
    put_field_text(out, "release", allocation->release);
    put_label(out, allocation);
    put_field_text(out, "cache", allocation->cache && allocation->cache[0] ? allocation->cache : NULL);
    put_field_u64(out, "pid", allocation->pid);
    put_field_u64(out, "nr_frames", allocation->nr_frames);
    put_field_u64(out, "order", allocation->order);
    put_field_array(out, "frames");
    for (int i = 0; i < RUNS_PER_ALLOCATION &&
                    view_next_allocation_run(view->machine, allocation->address, allocation->pid, &cursor, &run);
         i++)
        put_frame_range(out, &run);
    put_close(out, ']');
    put_close(out, '}');
}

static bool encode_allocations(struct view *view, struct reply *refusal)
{
    uint64_t cursor = 0, limit = 1000;
    struct allocation_view allocation;
    if (!query_u64(view->request, "next", 0, INT64_MAX, &cursor, refusal) ||
        !query_u64(view->request, "limit", 1, 1000, &limit, refusal))
        return false;
    open_view(view);
    put_field_array(&view->out, "allocations");
    bool is_there = true;
    while (limit > 0 && (is_there = view_next_allocation(view->machine, &cursor, &allocation))) {
        put_allocation(view, &allocation);
        limit--;
    }
    put_close(&view->out, ']');
    uint64_t beyond = cursor;
    if (is_there && view_next_allocation(view->machine, &beyond, &allocation))
        snprintf(view->next, sizeof view->next, "%llu", (unsigned long long)cursor);
    put_field_text(&view->out, "next", view->next[0] ? view->next : NULL);
    put_close(&view->out, '}');
    return true;
}

struct reply allocations_get(struct app *app, struct request *request)
{
    (void)app;
    return view(request, encode_allocations);
}

/* ---- counters ---- */

static void put_stats(struct buffer *out, const struct machine *machine)
{
    struct stats_view stats;
    view_stats(machine, &stats);
    put_kind_counts(out, "frames", stats.frames);
    put_field_u64(out, "nr_allocations", stats.nr_allocations);
    put_field_u64(out, "requested_bytes", stats.requested_bytes);
    put_field_u64(out, "allocated_bytes", stats.allocated_bytes);
    put_field_u64(out, "swap_total_pages", stats.swap_total_pages);
    put_field_u64(out, "swap_used_pages", stats.swap_used_pages);
    put_field_u64(out, "nr_reclaimed", stats.nr_reclaimed);
    put_field_u64(out, "nr_oom_kills", stats.nr_oom_kills);
    put_field_object(out, "outcomes");
    for (unsigned i = 0; i < 3; i++)
        put_field_u64(out, outcome_name((enum outcome)i), stats.nr_outcomes[i]);
    put_close(out, '}');
}

static bool encode_stats(struct view *view, struct reply *refusal)
{
    (void)refusal;
    open_view(view);
    put_field_u64(&view->out, "now_ns", machine_now_ns(view->machine));
    put_stats(&view->out, view->machine);
    put_close(&view->out, '}');
    return true;
}

/* The time series: the past machine walks from point to point, each once. */
static struct reply stats_points(struct request *request)
{
    uint64_t head = lab_seq(request->lab), from = 0, to = head, points = 128;
    struct reply reply;
    if (!query_u64(request, "to", 0, head, &to, &reply) || !query_u64(request, "from", 0, to, &from, &reply) ||
        !query_u64(request, "points", 1, POINTS_MAX, &points, &reply))
        return reply;
    struct buffer out = { 0 };
    put_open(&out, '{');
    put_field_u64(&out, "seq", head);
    put_field_array(&out, "points");
    if (points > to - from + 1)
        points = to - from + 1;
    enum pagoda_error error = PAGODA_OK;
    for (uint64_t i = 0; i < points && !error; i++) {
        uint64_t seq = points == 1 ? to : from + (to - from) * i / (points - 1);
        struct machine *machine;
        error = lab_lock_past(request->lab, seq, &machine);
        if (error)
            break;
        put_open(&out, '{');
        put_field_u64(&out, "seq", seq);
        put_field_u64(&out, "now_ns", machine_now_ns(machine));
        put_stats(&out, machine);
        put_close(&out, '}');
        lab_unlock_past(request->lab);
    }
    put_close(&out, ']');
    put_close(&out, '}');
    if (!error)
        return reply_json(200, out);
    buffer_clear(&out);
    return reply_error(error, NULL);
}

struct reply stats_get(struct app *app, struct request *request)
{
    (void)app;
    bool is_series = query_text(request, "from") || query_text(request, "to") || query_text(request, "points");
    return is_series ? stats_points(request) : view(request, encode_stats);
}
