/* Snapshots taken directly after a dump of the page allocator's state ("paired-"): the state is loaded into an allocator
 * here, which must show what the kernel showed: the same buddyinfo, byte for byte, and for every pfn whether it is free. */
#include "alloc/page/buddy.h"
#include "alloc/proc/procfs_fill.h"
#include "alloc/proc/procfs_kpage.h"
#include "tests/truth/truth_state.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

/* The state beside a snapshot whose name ends in ending; NULL: the report says why. */
static struct page_floor *load_state_beside(const char *path, const char *ending, struct truth_report *report)
{
    char beside[4096], *line;
    size_t length = strlen(path) - strlen(ending);
    struct state_text state = { 0 };
    bool inside = false;
    (void)snprintf(beside, sizeof beside, "%.*sstate.tsv.gz", (int)length, path);
    struct truth_file *file = truth_open(beside);
    while (file && truth_next_line(file, &line, &length)) {
        bool is_edge = strncmp(line, "STATE\t", 6) == 0 || strncmp(line, "ENDSTATE\t", 9) == 0;
        inside = is_edge ? line[0] == 'S' : inside;
        if (inside && !is_edge)
            state_text_add(&state, line);
    }
    truth_close(file);
    struct page_floor *floor = state_text_load(&state, report);
    state_text_clear(&state);
    return floor;
}

struct text_sink {
    char text[8192];
    size_t length;
};
static void take(void *context, const char *bytes, size_t nr_bytes)
{
    struct text_sink *sink = context;
    size_t room = sizeof sink->text - 1 - sink->length, n = nr_bytes < room ? nr_bytes : room;
    memcpy(sink->text + sink->length, bytes, n);
    sink->length += n;
    sink->text[sink->length] = '\0';
}

int truth_paired_buddyinfo(const char *path, struct truth_report *report)
{
    struct text_sink got = { 0 };
    struct procfs_out out = { take, &got };
    struct writer writer;
    struct zone_blocks zones[PROCFS_ZONES];
    memset(report, 0, sizeof *report);
    struct page_floor *floor = load_state_beside(path, "buddyinfo.txt", report);
    struct truth_file *file = truth_open(path);
    if (floor) {
        writer_open(&writer, &out);
        procfs_put_buddyinfo(&writer, zones, procfs_fill_blocks(&floor->pages, zones));
        writer_close(&writer);
    }
    char *rest = got.text, *line;
    size_t length;
    while (file && truth_next_line(file, &line, &length)) {
        const char *ours = truth_field(&rest, '\n');
        report->nr_operations++;
        report->nr_identical += ours && strcmp(ours, line) == 0;
        if (!ours || strcmp(ours, line) != 0)
            truth_differ(report, "expected |%s| got |%s|", line, ours ? ours : "");
    }
    report->end_state_identical = floor && (!rest || !*rest);
    (void)snprintf(report->note, sizeof report->note, "lines written from the state beside it");
    truth_close(file);
    page_floor_close(floor);
    return floor && report->nr_operations ? 0 : -1;
}

/* Whether each pfn is free, as recorded: eight bytes a pfn, little-endian. Returns how many; *free is the caller's to free.
 */
static uint32_t read_free_bits(const char *path, bool **free_bits)
{
    uint8_t bytes[8];
    uint32_t nr = 0, room = 0;
    gzFile file = gzopen(path, "rb");
    *free_bits = NULL;
    while (file && gzread(file, bytes, sizeof bytes) == (int)sizeof bytes) {
        if (nr == room) {
            room = room ? room * 2 : 65536;
            *free_bits = realloc(*free_bits, room * sizeof **free_bits);
            if (!*free_bits)
                abort();
        }
        (*free_bits)[nr++] = bytes[KPF_BUDDY / 8] >> KPF_BUDDY % 8 & 1;
    }
    if (file)
        gzclose(file);
    return nr;
}

static bool is_free(const struct page_floor *floor, uint32_t pfn)
{
    return pfn < floor->frames.nr &&
           (procfs_block_flags(&floor->frames, frame_head(&floor->frames, pfn), pfn) & UINT64_C(1) << KPF_BUDDY);
}

static uint32_t count_differences(const struct page_floor *floor, const bool *want, uint32_t nr,
                                  struct truth_report *report)
{
    uint32_t differences = 0;
    for (uint32_t pfn = 0; pfn < nr; pfn++) {
        if (is_free(floor, pfn) == want[pfn])
            continue;
        differences++;
        if (report)
            truth_differ(report, "pfn %u: expected %s, got %s", pfn, want[pfn] ? "free" : "in use",
                         want[pfn] ? "in use" : "free");
    }
    return differences;
}

/* Refills of a per-CPU list of single pages: what leaves the free lists when somebody needs a few pages. */
static void refill(struct page_floor *floor, uint32_t migratetype, uint32_t nr_times)
{
    struct page_alloc *pa = &floor->pages;
    struct zone *zone = &pa->zones[pa->nr_zones - 1];
    for (uint32_t i = 0; i < nr_times * zone->pageset_batch; i++) {
        uint32_t pfn = buddy_take(pa, zone, 0, migratetype, 0);
        if (pfn)
            frame_set_kind(&floor->frames, pfn, FRAME_PCP, 0);
    }
}

/* The program that copied kpageflags was started after the dump and needed pages itself, which came by whole refills of
 * Movable and Unmovable lists. Finds how many of each explain every pfn; false: no number does. */
static bool explain_by_refills(const char *path, const bool *want, uint32_t nr, uint32_t nr_refills,
                               struct truth_report *report)
{
    for (uint32_t unmovable = 0; unmovable <= nr_refills; unmovable++) {
        struct page_floor *floor = load_state_beside(path, "kpageflags.bin.gz", report);
        if (!floor)
            return false;
        refill(floor, MT_UNMOVABLE, unmovable);
        refill(floor, MT_MOVABLE, nr_refills - unmovable);
        bool explained = count_differences(floor, want, nr, NULL) == 0;
        page_floor_close(floor);
        if (!explained)
            continue;
        (void)snprintf(report->note, sizeof report->note,
                       "pfns free or not; the reader itself took %u refills of Movable and %u of Unmovable pages",
                       nr_refills - unmovable, unmovable);
        return true;
    }
    return false;
}

int truth_paired_kpageflags(const char *path, struct truth_report *report)
{
    bool *want;
    memset(report, 0, sizeof *report);
    struct page_floor *floor = load_state_beside(path, "kpageflags.bin.gz", report);
    uint32_t nr = read_free_bits(path, &want), differences = floor ? count_differences(floor, want, nr, NULL) : nr;
    uint32_t batch = floor ? floor->pages.zones[floor->pages.nr_zones - 1].pageset_batch : 1;
    (void)snprintf(report->note, sizeof report->note, "pfns free or not, from the state beside it");
    if (differences && differences % batch == 0 && explain_by_refills(path, want, nr, differences / batch, report))
        differences = 0;
    if (differences && floor)
        count_differences(floor, want, nr, report);
    report->nr_operations = nr;
    report->nr_identical = nr - differences;
    report->end_state_identical = true;
    free(want);
    page_floor_close(floor);
    return nr && floor ? 0 : -1;
}
