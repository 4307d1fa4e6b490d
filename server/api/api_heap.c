/* GET /processes/{pid}/heap: malloc's state, its arenas and lists, and the chunks in address order; ?chunk= names the words
 * of one. */
#include "pagoda/heap_view.h"
#include "server/api/api_view.h"

#include <inttypes.h>
#include <stdlib.h>

#define CHUNKS_DEFAULT 1000u
#define CHUNKS_MAX 10000u
#define LISTED_MAX 256u /* chunks shown of one list */

/* --- state --- */

static void heap_put_state(struct buffer *out, const struct heap_view *heap)
{
    put_field_object(out, "state");
    PUT_FIELD(out, heap, word);
    PUT_FIELD(out, heap, header);
    PUT_FIELD(out, heap, min_chunk);
    PUT_HEX64(out, heap, tcache_key);
    PUT_FIELD(out, heap, mmap_threshold);
    PUT_FIELD(out, heap, trim_threshold);
    PUT_FIELD(out, heap, top_pad);
    PUT_FIELD(out, heap, max_fast);
    PUT_FIELD(out, heap, thresholds_fixed);
    PUT_FIELD(out, heap, tcache_max);
    PUT_FIELD(out, heap, tcache_count);
    PUT_FIELD(out, heap, n_mmaps);
    PUT_FIELD(out, heap, n_mmaps_max);
    PUT_FIELD(out, heap, max_n_mmaps);
    PUT_FIELD(out, heap, mmapped_mem);
    PUT_FIELD(out, heap, max_mmapped_mem);
    PUT_FIELD(out, heap, nr_arenas);
    put_close(out, '}');
}

static void put_arena(struct buffer *out, const struct arena_view *arena)
{
    put_open(out, '{');
    PUT_HEX64(out, arena, address);
    PUT_FIELD(out, arena, main);
    PUT_FIELD(out, arena, free);
    PUT_FIELD(out, arena, contiguous);
    PUT_FIELD(out, arena, have_fast);
    PUT_FIELD(out, arena, nr_threads);
    put_field_address(out, "top", arena->top);
    PUT_FIELD(out, arena, top_size);
    put_field_address(out, "last_remainder", arena->last_remainder);
    PUT_FIELD(out, arena, system_mem);
    PUT_FIELD(out, arena, max_system_mem);
    put_field_array(out, "binmap");
    for (unsigned i = 0; i < 4; i++)
        put_hex64(out, arena->binmap[i]);
    put_close(out, ']');
    put_close(out, '}');
}

static void put_arenas(struct view *view, uint32_t pid)
{
    struct buffer *out = &view->out;
    struct arena_view arena;
    struct heap_region_view region;
    struct heap_thread_view thread;
    put_field_array(out, "arenas");
    for (uint64_t cursor = 0; view_next_arena(view->machine, pid, &cursor, &arena);)
        put_arena(out, &arena);
    put_close(out, ']');
    put_field_array(out, "regions");
    for (uint64_t cursor = 0; view_next_heap_region(view->machine, pid, &cursor, &region);) {
        put_open(out, '{');
        PUT_HEX64(out, &region, address);
        PUT_HEX64(out, &region, arena);
        put_field_address(out, "previous", region.previous);
        PUT_FIELD(out, &region, size);
        PUT_FIELD(out, &region, mprotect_size);
        PUT_HEX64(out, &region, first_chunk);
        put_close(out, '}');
    }
    put_close(out, ']');
    put_field_array(out, "threads");
    for (uint64_t cursor = 0; view_next_heap_thread(view->machine, pid, &cursor, &thread);) {
        put_open(out, '{');
        PUT_FIELD(out, &thread, tid);
        put_field_address(out, "arena", thread.arena);
        put_field_address(out, "tcache", thread.tcache);
        put_field_address(out, "stack", thread.stack);
        put_field_address(out, "stack_end", thread.stack_end);
        put_close(out, '}');
    }
    put_close(out, ']');
}

/* --- lists --- */

/* Chunks of a list, from its head; true: there are more than fit. */
static bool put_listed(struct view *view, uint32_t pid, const struct heap_list_view *list)
{
    struct listed_chunk_view chunk;
    unsigned nr = 0;
    for (uint64_t cursor = 0; view_next_listed_chunk(view->machine, pid, list, &cursor, &chunk); nr++) {
        if (nr == LISTED_MAX)
            return true;
        put_open(&view->out, '{');
        PUT_HEX64(&view->out, &chunk, address);
        PUT_FIELD(&view->out, &chunk, size);
        PUT_HEX64(&view->out, &chunk, link);
        put_field_address(&view->out, "next", chunk.next);
        put_close(&view->out, '}');
    }
    return false;
}

static void put_lists(struct view *view, uint32_t pid)
{
    struct buffer *out = &view->out;
    struct heap_list_view list;
    put_field_array(out, "lists");
    for (uint64_t cursor = 0; view_next_heap_list(view->machine, pid, &cursor, &list);) {
        bool is_cache = list.kind[0] == 't';
        put_open(out, '{');
        PUT_FIELD(out, &list, kind);
        PUT_FIELD(out, &list, index);
        put_key(out, "tid");
        if (is_cache)
            put_u64(out, list.tid);
        else
            put_null(out);
        put_field_address(out, "arena", list.arena);
        PUT_HEX64(out, &list, head);
        PUT_FIELD(out, &list, min_size);
        PUT_FIELD(out, &list, max_size);
        put_key(out, "count");
        if (is_cache)
            put_u64(out, list.count);
        else
            put_null(out);
        put_field_array(out, "chunks");
        bool has_more = put_listed(view, pid, &list);
        put_close(out, ']');
        put_field_bool(out, "truncated", has_more);
        put_close(out, '}');
    }
    put_close(out, ']');
}

/* --- chunks --- */

static void put_chunk_fields(struct buffer *out, const struct chunk_view *chunk)
{
    static const char *const FLAGS[] = { "PREV_INUSE", "IS_MMAPPED", "NON_MAIN_ARENA" };
    PUT_HEX64(out, chunk, address);
    PUT_FIELD(out, chunk, size);
    PUT_FIELD(out, chunk, state);
    PUT_FIELD(out, chunk, requested);
    PUT_FIELD(out, chunk, name);
    PUT_FIELD(out, chunk, seq);
    put_field_address(out, "arena", chunk->arena);
    put_field_array(out, "flags");
    for (unsigned i = 0; i < 3; i++)
        if (chunk->flags & 1u << i)
            put_text(out, FLAGS[i]);
    put_close(out, ']');
}

static void put_words(struct view *view, uint32_t pid, const struct chunk_view *chunk)
{
    struct buffer *out = &view->out;
    struct chunk_field_view fields[CHUNK_FIELDS_MAX];
    uint32_t nr = view_chunk_fields(view->machine, pid, chunk, fields);
    put_field_array(out, "fields");
    for (uint32_t i = 0; i < nr; i++) {
        put_open(out, '{');
        PUT_FIELD(out, &fields[i], name);
        PUT_FIELD(out, &fields[i], offset);
        PUT_FIELD(out, &fields[i], length);
        PUT_HEX64(out, &fields[i], value);
        put_key(out, "target");
        if (fields[i].is_link)
            put_hex64(out, fields[i].target);
        else
            put_null(out);
        PUT_FIELD(out, &fields[i], protected);
        PUT_FIELD(out, &fields[i], previous_block);
        put_close(out, '}');
    }
    put_close(out, ']');
}

static bool query_hex(const struct view *view, const char *name, uint64_t *value, struct reply *refusal)
{
    const char *text = query_text(view->request, name);
    char *end = NULL;
    *value = text ? strtoull(text, &end, 16) : 0;
    if (!text || (end != text && !*end))
        return true;
    *refusal = reply_say(422, name, "%s must be an address, such as 0x5555555592a0", name);
    return false;
}

static bool encode_chunk(struct view *view, uint32_t pid, uint64_t address, struct reply *refusal)
{
    struct chunk_view chunk;
    if (!view_chunk(view->machine, pid, address, &chunk)) {
        *refusal = reply_say(404, "chunk", "there is no chunk at 0x%" PRIx64, address);
        return false;
    }
    view_open(view);
    put_field_u64(&view->out, "pid", pid);
    put_field_object(&view->out, "chunk");
    put_chunk_fields(&view->out, &chunk);
    put_words(view, pid, &chunk);
    put_close(&view->out, '}');
    put_close(&view->out, '}');
    return true;
}

static bool heap_put_next_chunk(const struct view *view, const struct view_page *page, uint64_t *cursor, struct buffer *out)
{
    struct chunk_view chunk;
    if (!view_next_chunk(view->machine, page->pid, cursor, &chunk))
        return false;
    if (out) {
        put_open(out, '{');
        put_chunk_fields(out, &chunk);
        put_close(out, '}');
    }
    return true;
}

/* Pages after the first show chunks only. */
static bool encode_heap(struct view *view, struct reply *refusal)
{
    struct view_page page = {
        .key = "chunks", .parameter = "from", .limit = CHUNKS_DEFAULT, .is_hex = true, .put = heap_put_next_chunk
    };
    uint64_t address;
    struct heap_view heap;
    if (!view_find_process(view, &page.pid, refusal) || !query_hex(view, "from", &page.cursor, refusal) ||
        !query_hex(view, "chunk", &address, refusal) ||
        !query_u64(view->request, "limit", 1, CHUNKS_MAX, &page.limit, refusal))
        return false;
    if (address)
        return encode_chunk(view, page.pid, address, refusal);
    view_open(view);
    PUT_FIELD(&view->out, &page, pid);
    if (!page.cursor && view_heap(view->machine, page.pid, &heap)) {
        heap_put_state(&view->out, &heap);
        put_arenas(view, page.pid);
        put_lists(view, page.pid);
    }
    view_put_page(view, &page);
    put_close(&view->out, '}');
    return true;
}

struct reply heap_get(struct app *app, struct request *request)
{
    (void)app;
    return view_reply(request, encode_heap);
}
