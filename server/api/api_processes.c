/* GET handlers: processes, their mappings and pages, the swap area. */
#include "server/api/api_view.h"

#define RUNS_MAX 1000u /* of one answer */

static void put_limits(struct buffer *out, const uint64_t limits[NR_RESOURCES])
{
    put_field_object(out, "limits");
    for (unsigned i = 0; i < NR_RESOURCES; i++) {
        put_key(out, op_choice_name(PARAM_RESOURCE, i));
        if (limits[i] == UINT64_MAX)
            put_null(out);
        else
            put_u64(out, limits[i]);
    }
    put_close(out, '}');
}

static void put_process(struct buffer *out, const struct process_view *process)
{
    put_open(out, '{');
    PUT_FIELD(out, process, pid);
    PUT_FIELD(out, process, parent_pid);
    PUT_FIELD(out, process, name);
    PUT_FIELD(out, process, rss_pages);
    PUT_FIELD(out, process, swap_pages);
    PUT_FIELD(out, process, minor_faults);
    PUT_FIELD(out, process, major_faults);
    PUT_FIELD(out, process, virtual_bytes);
    PUT_HEX64(out, process, heap_start);
    PUT_HEX64(out, process, brk);
    PUT_FIELD(out, process, peak_rss_pages);
    PUT_FIELD(out, process, peak_virtual_bytes);
    PUT_FIELD(out, process, data_pages);
    PUT_FIELD(out, process, stack_pages);
    PUT_FIELD(out, process, locked_pages);
    PUT_FIELD(out, process, committed_pages);
    PUT_FIELD(out, process, nr_maps);
    PUT_HEX64(out, process, mmap_top);
    PUT_HEX64(out, process, stack_top);
    put_limits(out, process->limits);
    put_close(out, '}');
}

static void put_commit(struct buffer *out, const struct machine *machine)
{
    struct commit_view commit;
    view_commit(machine, &commit);
    put_field_object(out, "commit");
    PUT_FIELD(out, &commit, overcommit_memory);
    PUT_FIELD(out, &commit, limit_pages);
    PUT_FIELD(out, &commit, committed_pages);
    put_close(out, '}');
}

static bool encode_processes(struct view *view, struct reply *refusal)
{
    (void)refusal;
    uint64_t cursor = 0;
    struct process_view process;
    view_open(view);
    put_commit(&view->out, view->machine);
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

/* --- mappings --- */

static void put_map(struct buffer *out, const struct map_view *map)
{
    put_open(out, '{');
    PUT_HEX64(out, map, start);
    PUT_HEX64(out, map, end);
    PUT_FIELD(out, map, perms);
    PUT_FIELD(out, map, name);
    PUT_FIELD(out, map, rss_pages);
    PUT_FIELD(out, map, swap_pages);
    PUT_FIELD(out, map, zero_pages);
    PUT_FIELD(out, map, shared_pages);
    PUT_FIELD(out, map, locked_pages);
    PUT_FIELD(out, map, flags);
    PUT_FIELD(out, map, is_file);
    PUT_FIELD(out, map, offset);
    put_close(out, '}');
}

static bool encode_maps(struct view *view, struct reply *refusal)
{
    struct buffer *out = &view->out;
    uint64_t cursor = 0;
    struct map_view map;
    uint32_t pid;
    if (!view_find_process(view, &pid, refusal))
        return false;
    view_open(view);
    put_field_u64(out, "pid", pid);
    put_field_array(out, "maps");
    while (view_next_map(view->machine, pid, &cursor, &map))
        put_map(out, &map);
    put_close(out, ']');
    put_close(out, '}');
    return true;
}

struct reply maps_get(struct app *app, struct request *request)
{
    (void)app;
    return view_reply(request, encode_maps);
}

/* --- pages --- */

static void put_page_run(struct buffer *out, const struct page_run *run)
{
    static const char *const STATES[NR_PAGE_STATES] = { "untouched", "zero", "present", "shared", "lazyfree", "swapped" };
    bool has_frame = run->state != PAGE_UNTOUCHED && run->state != PAGE_SWAPPED;
    put_open(out, '{');
    PUT_HEX64(out, run, address);
    PUT_FIELD(out, run, count);
    put_field_text(out, "state", STATES[run->state]);
    if (has_frame) {
        PUT_FIELD(out, run, pfn);
        PUT_FIELD(out, run, writable);
        PUT_FIELD(out, run, accessed);
        PUT_FIELD(out, run, dirty);
        PUT_FIELD(out, run, locked);
    }
    if (run->state == PAGE_SWAPPED)
        PUT_FIELD(out, run, slot);
    if (run->nr_users > 1)
        PUT_FIELD(out, run, nr_users);
    put_close(out, '}');
}

static bool query_range(const struct view *view, uint64_t *start, uint64_t *end, struct reply *refusal)
{
    uint64_t length = UINT64_MAX;
    if (query_text(view->request, "address") && !view_query_address(view->request, start, refusal))
        return false;
    if (!query_u64(view->request, "length", 1, INT64_MAX, &length, refusal))
        return false;
    *end = length > UINT64_MAX - *start ? UINT64_MAX : *start + length;
    return true;
}

static bool encode_pages(struct view *view, struct reply *refusal)
{
    struct buffer *out = &view->out;
    uint64_t start = 0, end = 0, limit = RUNS_MAX;
    struct page_run run;
    uint32_t pid;
    if (!view_find_process(view, &pid, refusal) || !query_range(view, &start, &end, refusal) ||
        !query_u64(view->request, "limit", 1, RUNS_MAX, &limit, refusal))
        return false;
    view_open(view);
    put_field_u64(out, "pid", pid);
    put_field_array(out, "pages");
    bool has_more = true;
    for (; limit && (has_more = view_next_page_run(view->machine, pid, &start, end, &run)); limit--)
        put_page_run(out, &run);
    put_close(out, ']');
    uint64_t next = start;
    put_key(out, "next_address"); /* ask again with address=this for what did not fit */
    if (has_more && view_next_page_run(view->machine, pid, &start, end, &run))
        put_hex64(out, next);
    else
        put_null(out);
    put_close(out, '}');
    return true;
}

struct reply pages_get(struct app *app, struct request *request)
{
    (void)app;
    return view_reply(request, encode_pages);
}

/* --- swap --- */

static bool swap_put_next_run(const struct view *view, const struct view_page *page, uint64_t *cursor, struct buffer *out)
{
    (void)page;
    struct swap_run found;
    const struct swap_run *run = &found;
    if (!view_next_swap_run(view->machine, cursor, &found))
        return false;
    if (!out)
        return true;
    put_open(out, '{');
    PUT_FIELD(out, run, slot);
    PUT_FIELD(out, run, count);
    PUT_FIELD(out, run, pid);
    PUT_HEX64(out, run, address);
    PUT_FIELD(out, run, nr_users);
    put_close(out, '}');
    return true;
}

static bool encode_swap(struct view *view, struct reply *refusal)
{
    struct view_page page = { .key = "slots", .limit = RUNS_MAX, .put = swap_put_next_run };
    struct stats_view stats;
    if (!view_query_page(view, &page, refusal))
        return false;
    view_stats(view->machine, &stats);
    view_open(view);
    put_field_u64(&view->out, "total_pages", stats.swap_total_pages);
    put_field_u64(&view->out, "used_pages", stats.swap_used_pages);
    view_put_page(view, &page);
    put_close(&view->out, '}');
    return true;
}

struct reply swap_get(struct app *app, struct request *request)
{
    (void)app;
    return view_reply(request, encode_swap);
}
