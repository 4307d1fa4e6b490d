/* make truth: the kmem events of a running kernel, one by one, as far as each tells something that follows from itself.
 * What a kmalloc of that many bytes with those flags takes; the migratetype that flags ask for; how flags are written;
 * where the struct page of a pfn lies. Which pfn it was does not follow from the events: the bulk allocator makes none. */
#include "alloc/page/zone.h"
#include "pagoda/event.h"
#include "pagoda/gfp.h"
#include "tests/lib/fixture.h"
#include "tests/truth/truth.h"
#include "tests/truth/truth_slub.h"
#include "tests/truth/truth_state.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define VMEMMAP_BASE UINT64_C(0xffffea0000000000)
#define STRUCT_PAGE_BYTES 64u

struct events {
    struct machine *machine;
    bool has_pointers; /* no_hash_pointers: a struct page's address is a real one */
    char want[512], got[512];
};

/* The text behind "key=" up to the next blank. False: the line has no such key. */
static bool event_text(const char *line, const char *key, char *out, size_t capacity)
{
    char spelt[32];
    int length = snprintf(spelt, sizeof spelt, " %s=", key);
    const char *at = strstr(line, spelt);
    if (at)
        snprintf(out, capacity, "%.*s", (int)strcspn(at + length, " "), at + length);
    return at != NULL;
}

static uint64_t event_number(const char *line, const char *key, int base)
{
    char text[32];
    return event_text(line, key, text, sizeof text) ? strtoull(text, NULL, base) : 0;
}

/* The event's flags. False: they are no flags here, and want and got tell. */
static bool event_flags(struct events *events, const char *line, uint32_t *gfp)
{
    struct problem why = { 0 };
    if (!event_text(line, "gfp_flags", events->want, sizeof events->want))
        return false;
    if (gfp_parse(events->want, strlen(events->want), gfp, &why)) {
        snprintf(events->got, sizeof events->got, "%s", why.text);
        return false;
    }
    (void)gfp_format(*gfp, "none", events->got, sizeof events->got);
    return strcmp(events->want, events->got) == 0;
}

static uint64_t bytes_alloc_here(struct events *events, uint64_t size, uint32_t gfp)
{
    const struct op_result *r = fixture_apply(events->machine, fixture_alloc(OP_KMALLOC, size, gfp));
    uint64_t address = r->address, bytes = 0;
    for (uint32_t i = 0; i < r->nr_events; i++)
        if (r->events[i].kind == EV_KMALLOC)
            bytes = r->events[i].b;
    fixture_apply(events->machine, fixture_free(OP_KFREE, address));
    return bytes;
}

static bool same_kmalloc(struct events *events, const char *line)
{
    uint32_t gfp;
    if (!event_flags(events, line, &gfp))
        return false;
    uint64_t size = event_number(line, "bytes_req", 10), bytes = event_number(line, "bytes_alloc", 10);
    char accounted[8] = "";
    bool is_accounted = event_text(line, "accounted", accounted, sizeof accounted) && strcmp(accounted, "true") == 0;
    snprintf(events->want, sizeof events->want, "bytes_alloc=%" PRIu64 " accounted=%d", bytes, is_accounted);
    snprintf(events->got, sizeof events->got, "bytes_alloc=%" PRIu64 " accounted=%d", bytes_alloc_here(events, size, gfp),
             (gfp & __GFP_ACCOUNT) != 0);
    return strcmp(events->want, events->got) == 0;
}

static bool same_page_alloc(struct events *events, const char *line)
{
    uint32_t gfp;
    if (!event_flags(events, line, &gfp))
        return false;
    snprintf(events->want, sizeof events->want, "migratetype=%" PRIu64, event_number(line, "migratetype", 10));
    snprintf(events->got, sizeof events->got, "migratetype=%" PRIu32, gfp_migratetype(gfp));
    return strcmp(events->want, events->got) == 0;
}

static bool same_page(struct events *events, const char *line)
{
    snprintf(events->want, sizeof events->want, "page=%" PRIx64, event_number(line, "page", 16));
    snprintf(events->got, sizeof events->got, "page=%" PRIx64,
             VMEMMAP_BASE + event_number(line, "pfn", 16) * STRUCT_PAGE_BYTES);
    return !events->has_pointers || strcmp(events->want, events->got) == 0;
}

/* True: there was something to compare. */
static bool compare_event(struct events *events, const char *line, bool *same)
{
    uint32_t gfp;
    bool has_page = strstr(line, " page=") != NULL;
    if (strstr(line, ": kmalloc: ") || strstr(line, ": kmalloc_node: "))
        *same = same_kmalloc(events, line);
    else if (strstr(line, ": mm_page_alloc: "))
        *same = same_page_alloc(events, line) && same_page(events, line);
    else if (strstr(line, " gfp_flags="))
        *same = event_flags(events, line, &gfp);
    else if (has_page && events->has_pointers)
        *same = same_page(events, line);
    else
        return false;
    return true;
}

int truth_events(const char *path, struct truth_report *report)
{
    struct truth_file *file = truth_open(path);
    char *line;
    size_t length;
    if (!file)
        return -1;
    struct machine_config config = truth_config_beside(path);
    struct events events = { .machine = fixture_machine_of(&config),
                             .has_pointers = truth_boot_has(path, "no_hash_pointers") };
    machine_record_events(events.machine, true);
    while (truth_next_line(file, &line, &length)) {
        bool same = true;
        if (line[0] == '#' || !compare_event(&events, line, &same))
            continue;
        report->nr_operations++;
        report->nr_identical += same;
        if (!same)
            truth_differ(report, "line %" PRIu64 ": expected %.200s got %.200s", truth_line_number(file), events.want,
                         events.got);
    }
    bool is_readable = !truth_is_damaged(file);
    snprintf(report->note, sizeof report->note, "sizes, flags, migratetypes; pfns and addresses were that moment's");
    machine_destroy(events.machine);
    truth_close(file);
    return is_readable ? 0 : -1;
}
