/* GET handlers: the files of the simulated machine's /proc, as text in its kernel's own layout. The engine writes them;
 * here is only which file was asked for. */
#include "pagoda/procfs.h"
#include "server/api/api_view.h"
#include "server/base/number.h"

#include <stdio.h>
#include <string.h>

#define PAGEMAP_LENGTH_DEFAULT (2u * MIB)
#define PAGEMAP_LENGTH_MAX ((uint64_t)1 << 32) /* of the address space: 8 MiB of answer */

static void proc_take_bytes(void *context, const char *bytes, size_t nr_bytes)
{
    buffer_add(context, bytes, nr_bytes);
}

static struct procfs_out out_of(struct view *view)
{
    return (struct procfs_out){ proc_take_bytes, &view->out };
}

/* 404 with what there is instead. */
static struct reply refuse_name(const struct view *view, bool of_process, const char *name)
{
    char names[100] = "";
    const char *known;
    for (uint32_t i = 0; (known = procfs_name(view->machine, of_process, i)); i++)
        snprintf(names + strlen(names), sizeof names - strlen(names), "%s%s", i ? ", " : "", known);
    return reply_say(404, "", "there is no %.30s here; there is: %.100s", name, names);
}

static bool encode_proc(struct view *view, struct reply *refusal)
{
    const char *name = view->request->path_values[1];
    struct procfs_out out = out_of(view);
    view->content_type = "text/plain; charset=utf-8";
    if (procfs_read(view->machine, name, &out))
        return true;
    *refusal = refuse_name(view, false, name);
    return false;
}

struct reply proc_get(struct app *app, struct request *request)
{
    (void)app;
    return view_reply(request, encode_proc);
}

static bool encode_pagemap(struct view *view, uint32_t pid, struct reply *refusal)
{
    uint64_t address, length = PAGEMAP_LENGTH_DEFAULT;
    struct procfs_out out = out_of(view);
    if (!view_query_address(view->request, &address, refusal) ||
        !query_u64(view->request, "length", 1, PAGEMAP_LENGTH_MAX, &length, refusal))
        return false;
    view->content_type = "application/octet-stream";
    uint64_t in_page = address % PAGE_SIZE;
    struct procfs_pages pages = { address, (in_page + length + PAGE_SIZE - 1) / PAGE_SIZE };
    return procfs_read_pagemap(view->machine, pid, pages, &out);
}

static bool has_process_file(const struct machine *machine, const char *name)
{
    const char *known;
    for (uint32_t i = 0; (known = procfs_name(machine, true, i)); i++)
        if (strcmp(known, name) == 0)
            return true;
    return false;
}

static bool find_pid(struct view *view, uint32_t *pid, struct reply *refusal)
{
    const char *text = view->request->path_values[1];
    struct process_view process;
    uint64_t number, cursor = 0;
    if (size_parse(text, strlen(text), &number))
        while (view_next_process(view->machine, &cursor, &process))
            if (process.pid == number) {
                *pid = process.pid;
                return true;
            }
    *refusal = reply_say(404, "", "there is no process %.40s", text);
    return false;
}

static bool encode_process_file(struct view *view, struct reply *refusal)
{
    const char *name = view->request->path_values[2];
    struct procfs_out out = out_of(view);
    uint32_t pid;
    if (!find_pid(view, &pid, refusal))
        return false;
    if (!has_process_file(view->machine, name)) {
        *refusal = refuse_name(view, true, name);
        return false;
    }
    if (strcmp(name, "pagemap") == 0)
        return encode_pagemap(view, pid, refusal);
    view->content_type = "text/plain; charset=utf-8";
    return procfs_read_process(view->machine, pid, name, &out);
}

struct reply proc_process_get(struct app *app, struct request *request)
{
    (void)app;
    return view_reply(request, encode_process_file);
}
