/* GET handlers: page frames: as runs, cells, tiles; one frame. */
#include "pagoda/procfs.h"
#include "server/api/api_view.h"
#include "server/base/number.h"

#include <stdlib.h>
#include <string.h>

#define CELLS_MAX (1u << 24)

static void frames_put_run(struct buffer *out, const struct frame_run *run)
{
    put_open(out, '{');
    PUT_FIELD(out, run, pfn);
    PUT_FIELD(out, run, count);
    put_field_text(out, "kind", frame_kind_name(run->kind));
    PUT_FIELD(out, run, order);
    put_field_text(out, "migratetype", migratetype_name(run->migratetype));
    PUT_FIELD(out, run, owner);
    PUT_FIELD(out, run, owner_id);
    put_close(out, '}');
}

static bool encode_frame_runs(struct view *view, uint64_t from, uint64_t end)
{
    struct buffer *out = &view->out;
    uint64_t cursor = 0, counts[NR_FRAME_KINDS] = { 0 };
    struct frame_run run;
    view_open(view);
    put_field_u64(out, "nr_frames", view_nr_frames(view->machine));
    put_field_array(out, "frames");
    while (view_next_frame_run(view->machine, &cursor, &run) && run.pfn < end)
        if ((uint64_t)run.pfn + run.count > from)
            frames_put_run(out, &run);
    put_close(out, ']');
    view_kind_counts(view->machine, counts);
    view_put_kind_counts(out, "counts", counts);
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

/* Eight bytes a frame, as the kernel's own files have them. */
static const struct {
    const char *content_type;
    bool (*read)(const struct machine *machine, uint32_t pfn, uint32_t count, const struct procfs_out *out);
} KPAGE_FILES[] = {
    { "application/vnd.linux.kpageflags", procfs_read_kpageflags },
    { "application/vnd.linux.kpagecount", procfs_read_kpagecount },
};
#define NR_KPAGE_FILES (sizeof KPAGE_FILES / sizeof KPAGE_FILES[0])

static void frames_take_bytes(void *context, const char *bytes, size_t nr_bytes)
{
    buffer_add(context, bytes, nr_bytes);
}

static bool encode_kpage(struct view *view, size_t file, uint64_t from, uint64_t end, struct reply *refusal)
{
    uint64_t count = end - from < CELLS_MAX ? end - from : CELLS_MAX;
    struct procfs_out out = { frames_take_bytes, &view->out };
    view->content_type = KPAGE_FILES[file].content_type;
    if (KPAGE_FILES[file].read(view->machine, (uint32_t)from, (uint32_t)count, &out))
        return true;
    *refusal = reply_say(406, "", "the kernel of this profile has no %s", strrchr(view->content_type, '.') + 1);
    return false;
}

/* Shares by kind of every 2^lod frames, for pictures with more frames than pixels. */
static bool encode_tiles(struct view *view, uint64_t lod)
{
    struct buffer *out = &view->out;
    uint32_t nr_frames = view_nr_frames(view->machine), step = 1u << lod;
    view_open(view);
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
    for (size_t file = 0; file < NR_KPAGE_FILES; file++)
        if (request_accepts(request, KPAGE_FILES[file].content_type))
            return encode_kpage(view, file, from, end, refusal);
    if (request_accepts(request, "application/octet-stream"))
        return encode_cells(view, from, end);
    return lod == UINT64_MAX ? encode_frame_runs(view, from, end) : encode_tiles(view, lod);
}

struct reply frames_get(struct app *app, struct request *request)
{
    (void)app;
    return view_reply(request, encode_frames);
}

static bool encode_frame(struct view *view, struct reply *refusal)
{
    const char *text = view->request->path_values[1];
    struct frame_run block;
    struct allocation_view allocation;
    uint64_t pfn, born_seq;
    if (!size_parse(text, strlen(text), &pfn) || pfn >= view_nr_frames(view->machine) ||
        !view_frame(view->machine, (uint32_t)pfn, &block, &born_seq)) {
        *refusal = reply_say(404, "", "there is no frame %.40s", text);
        return false;
    }
    char letter[2] = { frame_kind_letter(block.kind), '\0' };
    view_open(view);
    put_field_u64(&view->out, "pfn", pfn);
    put_key(&view->out, "block");
    frames_put_run(&view->out, &block);
    put_field_u64(&view->out, "born", born_seq);
    put_field_hex64(&view->out, "address", machine_profile(view->machine)->page_offset + (pfn << PAGE_SHIFT));
    put_field_text(&view->out, "letter", letter);
    put_key(&view->out, "allocation");
    if (view_frame_allocation(view->machine, (uint32_t)pfn, &allocation))
        view_put_allocation(view, &allocation, &view->out);
    else
        put_null(&view->out);
    view_put_page_array_of(&view->out, view_frame_page_array_of(view->machine, (uint32_t)pfn));
    put_close(&view->out, '}');
    return true;
}

struct reply frame_get(struct app *app, struct request *request)
{
    (void)app;
    return view_reply(request, encode_frame);
}
