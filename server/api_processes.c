/* GET handlers: processes, their mappings and heaps. */
#include "server/api_view.h"
#include "server/op_json.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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
    view_open(view);
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
    return view_reply(request, encode_processes);
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
    view_open(view);
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
    return view_reply(request, encode_maps);
}

static bool encode_heap(struct view *view, struct reply *refusal)
{
    struct buffer *out = &view->out;
    uint64_t cursor = 0;
    struct chunk_view chunk;
    uint32_t pid;
    if (!find_process(view, &pid, refusal))
        return false;
    view_open(view);
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
    return view_reply(request, encode_heap);
}
