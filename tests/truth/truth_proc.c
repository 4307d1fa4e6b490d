/* Snapshots of /proc. Each file is parsed into the struct that a machine would fill, and written again: every line must
 * come out byte for byte. So the layout is the kernel's, whatever the numbers. Besides, numbers of meminfo that follow from
 * those of zoneinfo beside it are worked out as a machine's are (alloc/proc/procfs_fill.c), and must be what the kernel
 * printed.
 */
#include "alloc/proc/procfs_fill.h"
#include "alloc/page/zone.h"
#include "tests/truth/truth_state.h"

#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct text_sink {
    char *text; /* NUL-terminated */
    size_t length;
};

static void take(void *context, const char *bytes, size_t nr_bytes)
{
    struct text_sink *sink = context;
    sink->text = realloc(sink->text, sink->length + nr_bytes + 1);
    if (!sink->text)
        abort();
    memcpy(sink->text + sink->length, bytes, nr_bytes);
    sink->length += nr_bytes;
    sink->text[sink->length] = '\0';
}

/* A file read whole, and what is written of it again. */
struct snapshot {
    const char *path;
    struct truth_report *report;
    char *want; /* as recorded */
    char *at;   /* the next line to parse; NULL: none */
    struct text_sink got;
    struct procfs_out out;
    struct writer writer;
};

static bool snapshot_open(struct snapshot *s, const char *path, struct truth_report *report)
{
    struct truth_file *file = truth_open(path);
    struct text_sink want = { 0 };
    char *line;
    size_t length;
    memset(report, 0, sizeof *report);
    *s = (struct snapshot){ .path = path, .report = report };
    s->out = (struct procfs_out){ take, &s->got };
    writer_open(&s->writer, &s->out);
    take(&want, "", 0);
    while (file && truth_next_line(file, &line, &length)) {
        take(&want, line, length);
        take(&want, "\n", 1);
        report->nr_operations++;
    }
    bool ok = file && !truth_is_damaged(file) && report->nr_operations;
    truth_close(file);
    s->want = want.text;
    s->at = strdup(want.text);
    if (!s->at)
        abort();
    return ok;
}

/* The next line, without its newline; NULL at the end. */
static char *next_line(struct snapshot *s)
{
    char *line = s->at, *end = line ? strchr(line, '\n') : NULL;
    if (!end)
        return NULL;
    *end = '\0';
    s->at = end + 1;
    return line;
}

/* Compares what was written with what was recorded, line by line. */
static int snapshot_close(struct snapshot *s, bool ok, char *copy)
{
    writer_close(&s->writer);
    char *want = s->want, *got = s->got.text;
    uint64_t number = 0;
    for (char *a, *b; want && *want;) {
        a = truth_field(&want, '\n');
        b = got ? truth_field(&got, '\n') : NULL;
        number++;
        if (b && strcmp(a, b) == 0)
            s->report->nr_identical++;
        else
            truth_differ(s->report, "line %llu: expected |%.200s| got |%.200s|", (unsigned long long)number, a, b ? b : "");
    }
    s->report->end_state_identical = ok && (!got || !*got);
    (void)snprintf(s->report->note, sizeof s->report->note, "%s", ok ? "lines parsed and written again" : "cannot be read");
    free(s->want);
    free(s->got.text);
    free(copy);
    return ok ? 0 : -1;
}

static int check(const char *path, struct truth_report *report, void (*rewrite)(struct snapshot *))
{
    struct snapshot s;
    bool ok = snapshot_open(&s, path, report);
    char *copy = s.at;
    if (ok)
        rewrite(&s);
    return snapshot_close(&s, ok, copy);
}

/* The numbers of a line, from text on; returns how many. */
static uint32_t numbers(const char *text, uint64_t *out, uint32_t most)
{
    uint32_t nr = 0;
    char *end;
    for (text += strcspn(text, "0123456789"); *text && nr < most; text = end + strcspn(end, "0123456789"))
        out[nr++] = strtoull(text, &end, 10);
    return nr;
}

/* --- buddyinfo, pagetypeinfo --- */

static struct zone_blocks *zone_named(struct zone_blocks *zones, uint32_t *nr_zones, const char *name)
{
    for (uint32_t i = 0; i < *nr_zones; i++)
        if (strcmp(zones[i].name, name) == 0)
            return &zones[i];
    if (*nr_zones == PROCFS_ZONES)
        return NULL;
    struct zone_blocks *zone = &zones[(*nr_zones)++];
    *zone = (struct zone_blocks){ 0 };
    (void)snprintf(zone->name, sizeof zone->name, "%s", name);
    return zone;
}

static void rewrite_buddyinfo(struct snapshot *s)
{
    struct zone_blocks zones[PROCFS_ZONES];
    uint32_t nr_zones = 0;
    char name[8];
    int at;
    for (char *line; (line = next_line(s));) {
        if (sscanf(line, "Node 0, zone %7s%n", name, &at) != 1)
            continue;
        struct zone_blocks *zone = zone_named(zones, &nr_zones, name);
        if (zone)
            numbers(line + at, zone->nr_free, VIEW_ORDERS);
    }
    procfs_put_buddyinfo(&s->writer, zones, nr_zones);
}

static uint32_t type_named(const char *name)
{
    for (uint32_t type = 0; type < NR_MIGRATETYPES; type++)
        if (strcmp(migratetype_name(type), name) == 0)
            return type;
    return NR_MIGRATETYPES;
}

static void rewrite_pagetypeinfo(struct snapshot *s)
{
    struct zone_blocks zones[PROCFS_ZONES];
    uint32_t nr_zones = 0, type;
    char name[8], type_name[16];
    int at;
    for (char *line; (line = next_line(s));) {
        if (sscanf(line, "Node 0, zone %7[^,], type %15s%n", name, type_name, &at) == 2) {
            struct zone_blocks *zone = zone_named(zones, &nr_zones, name);
            if (zone && (type = type_named(type_name)) < NR_MIGRATETYPES)
                numbers(line + at, zone->nr_free_of[type], VIEW_ORDERS);
        } else if (sscanf(line, "Node 0, zone %7s%n", name, &at) == 1) {
            struct zone_blocks *zone = zone_named(zones, &nr_zones, name);
            if (zone)
                numbers(line + at, zone->nr_pageblocks, NR_MIGRATETYPES);
        }
    }
    procfs_put_pagetypeinfo(&s->writer, zones, nr_zones);
}

/* --- zoneinfo, vmstat --- */

static bool read_item(struct vmstat *stats, const char *name, uint64_t value)
{
    for (uint32_t i = 0; i < NR_VM_ITEMS; i++)
        if (strcmp(vmstat_name((enum vm_item)i), name) == 0) {
            stats->count[i] = value;
            return true;
        }
    return false;
}

static void read_zone_line(struct zoneinfo *zone, const char *line)
{
    const struct {
        const char *name;
        uint64_t *number;
    } FIELDS[] = {
        { "pages free", &zone->free },
        { "boost", &zone->boost },
        { "min", &zone->min },
        { "low", &zone->low },
        { "high", &zone->high },
        { "spanned", &zone->spanned },
        { "present", &zone->present },
        { "managed", &zone->managed },
        { "cma", &zone->cma },
        { "node_unreclaimable:", &zone->node_unreclaimable },
        { "start_pfn:", &zone->start_pfn },
        { "count:", &zone->cpus[zone->nr_cpus ? zone->nr_cpus - 1 : 0].count },
        { "high:", &zone->cpus[zone->nr_cpus ? zone->nr_cpus - 1 : 0].high },
        { "batch:", &zone->cpus[zone->nr_cpus ? zone->nr_cpus - 1 : 0].batch },
        { "vm stats threshold:", &zone->cpus[zone->nr_cpus ? zone->nr_cpus - 1 : 0].threshold },
    };
    char name[40];
    unsigned long long value;
    line += strspn(line, " ");
    zone->has_node_stats |= strcmp(line, "per-node stats") == 0;
    zone->nr_cpus += strncmp(line, "cpu: ", 5) == 0 && zone->nr_cpus < CPUS_MAX;
    if (strncmp(line, "protection: ", 12) == 0)
        numbers(line, zone->protection, PROCFS_ZONES);
    for (size_t i = 0; i < sizeof FIELDS / sizeof FIELDS[0]; i++) {
        size_t length = strlen(FIELDS[i].name);
        if (strncmp(line, FIELDS[i].name, length) == 0 && line[length] == ' ')
            numbers(line + length, FIELDS[i].number, 1);
    }
    if (sscanf(line, "%39s %llu", name, &value) == 2)
        (void)read_item(&zone->stats, name, value);
}

/* Zones as recorded; returns how many. */
static uint32_t read_zones(struct snapshot *s, struct zoneinfo *zones)
{
    uint32_t nr_zones = 0;
    char name[8];
    memset(zones, 0, PROCFS_ZONES * sizeof *zones);
    for (char *line; (line = next_line(s));) {
        if (sscanf(line, "Node 0, zone %7s", name) == 1 && nr_zones < PROCFS_ZONES)
            (void)snprintf(zones[nr_zones++].name, sizeof zones->name, "%s", name);
        else if (nr_zones)
            read_zone_line(&zones[nr_zones - 1], line);
    }
    return nr_zones;
}

static void rewrite_zoneinfo(struct snapshot *s)
{
    struct zoneinfo zones[PROCFS_ZONES];
    uint32_t nr_zones = read_zones(s, zones);
    for (uint32_t i = 0; i < nr_zones; i++)
        procfs_put_zoneinfo(&s->writer, &zones[i]);
}

/* What follows from the marks in the zoneinfo beside a snapshot must be what the kernel printed. */
static void expect(struct snapshot *s, const char *what, uint64_t want, uint64_t got)
{
    s->report->nr_operations++;
    s->report->nr_identical += want == got;
    if (want != got)
        truth_differ(s->report, "%s: expected %llu, got %llu", what, (unsigned long long)want, (unsigned long long)got);
}

/* Boost of all zones in the snapshot before 1-..., 2-...: when it was taken, the vm sysctls were read, and the kernel then
 * works its reserves out anew, from high marks that the boost is part of. */
static uint64_t boost_before(const char *path)
{
    char pattern[4096];
    const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
    uint64_t boost = 0;
    struct truth_report unused;
    struct snapshot s;
    struct zoneinfo zones[PROCFS_ZONES];
    glob_t found;
    if (name[0] < '1' || name[0] > '9' || name[1] != '-')
        return 0;
    (void)snprintf(pattern, sizeof pattern, "%.*s%c-*zoneinfo.txt", (int)(name - path), path, name[0] - 1);
    if (glob(pattern, 0, NULL, &found))
        return 0;
    bool ok = snapshot_open(&s, found.gl_pathv[0], &unused);
    char *copy = s.at;
    for (uint32_t i = 0, nr = ok ? read_zones(&s, zones) : 0; i < nr; i++)
        boost += zones[i].boost;
    (void)snapshot_close(&s, ok, copy);
    globfree(&found);
    return boost;
}

/* path: of a snapshot called ...name. False: there is no zoneinfo beside it. */
static bool reserves_beside(const char *path, const char *name, struct page_reserves *reserves)
{
    char beside[4096];
    struct truth_report unused;
    struct snapshot s;
    struct zoneinfo zones[PROCFS_ZONES];
    (void)snprintf(beside, sizeof beside, "%.*szoneinfo.txt", (int)(strstr(path, name) - path), path);
    bool ok = snapshot_open(&s, beside, &unused);
    char *copy = s.at;
    *reserves = (struct page_reserves){ 0 };
    if (ok && read_zones(&s, zones))
        *reserves = procfs_reserves(zones);
    (void)snapshot_close(&s, ok, copy);
    reserves->total += boost_before(beside);
    return ok;
}

static void rewrite_vmstat(struct snapshot *s)
{
    struct vmstat vmstat = { 0 };
    char name[40];
    unsigned long long value;
    for (char *line; (line = next_line(s));)
        if (sscanf(line, "%39s %llu", name, &value) != 2 || !read_item(&vmstat, name, value))
            truth_differ(s->report, "there is no counter %.60s", line);
    procfs_put_vmstat(&s->writer, &vmstat);
    const uint64_t *count = vmstat.count;
    struct page_reserves reserves;
    uint64_t limit, background;
    if (!reserves_beside(s->path, "vmstat.txt", &reserves))
        return;
    procfs_dirty_limits(reserves, count[VM_nr_free_pages], count[VM_nr_inactive_file] + count[VM_nr_active_file], &limit,
                        &background);
    expect(s, "nr_dirty_threshold", count[VM_nr_dirty_threshold], limit);
    expect(s, "nr_dirty_background_threshold", count[VM_nr_dirty_background_threshold], background);
}

/* --- meminfo --- */

static void read_meminfo(struct snapshot *s, struct meminfo *meminfo)
{
    uint64_t *const FIELDS[] = {
#define X(field, name, width, unit) &meminfo->field,
        MEMINFO_MAP(X)
#undef X
    };
    size_t nr = 0;
    memset(meminfo, 0, sizeof *meminfo);
    for (char *line; (line = next_line(s)) && nr < sizeof FIELDS / sizeof FIELDS[0];) {
        const char *colon = strchr(line, ':'); /* names may hold digits */
        numbers(colon ? colon : line, FIELDS[nr++], 1);
    }
}

static void rewrite_meminfo(struct snapshot *s)
{
    struct meminfo meminfo;
    read_meminfo(s, &meminfo);
    procfs_put_meminfo(&s->writer, &meminfo);
    struct page_reserves reserves;
    if (reserves_beside(s->path, "meminfo.txt", &reserves))
        expect(s, "MemAvailable", meminfo.mem_available / 4,
               procfs_available(reserves, meminfo.mem_free / 4, (meminfo.active_file + meminfo.inactive_file) / 4,
                                meminfo.k_reclaimable / 4));
}

/* --- slabinfo, vmallocinfo --- */

static void rewrite_slabinfo(struct snapshot *s)
{
    char name[64];
    int at;
    procfs_put_slabinfo_head(&s->writer);
    for (char *line; (line = next_line(s));) {
        uint64_t n[11] = { 0 };
        if (line[0] == '#' || strncmp(line, "slabinfo", 8) == 0 || sscanf(line, "%63s%n", name, &at) != 1)
            continue;
        numbers(line + at, n, 11);
        procfs_put_slabinfo(&s->writer, &(struct slabinfo){ .name = name,
                                                            .active_objs = n[0],
                                                            .num_objs = n[1],
                                                            .objsize = n[2],
                                                            .objperslab = n[3],
                                                            .pagesperslab = n[4],
                                                            .limit = n[5],
                                                            .batchcount = n[6],
                                                            .sharedfactor = n[7],
                                                            .active_slabs = n[8],
                                                            .num_slabs = n[9],
                                                            .sharedavail = n[10] });
    }
}

/* Words behind the size: a caller, perhaps with [module], then what the kernel knows of the area. */
static void read_area_words(struct vmallocinfo *area, char *words, char *caller, size_t capacity)
{
    static const char *const FLAGS[] = { "ioremap", "vmalloc", "vmap", "user", "dma-coherent", "vpages" };
    caller[0] = '\0';
    for (char *word = strtok(words, " "); word; word = strtok(NULL, " ")) {
        size_t length = strlen(caller), flag = 0;
        while (flag < sizeof FLAGS / sizeof FLAGS[0] && strcmp(word, FLAGS[flag]) != 0)
            flag++;
        if (strncmp(word, "pages=", 6) == 0)
            area->nr_pages = strtoull(word + 6, NULL, 10);
        else if (strncmp(word, "phys=", 5) == 0)
            area->physical = strtoull(word + 5, NULL, 16);
        else if (strncmp(word, "N0=", 3) == 0)
            area->nr_node_pages = strtoull(word + 3, NULL, 10);
        else if (strcmp(word, "unpurged") == 0)
            area->is_unpurged = true;
        else if (flag < sizeof FLAGS / sizeof FLAGS[0])
            area->flags |= 1u << flag;
        else if (!area->is_unpurged) /* name+offset/size [module], or a bare address */
            (void)snprintf(caller + length, capacity - length, "%s%s", length ? " " : "", word);
    }
}

static void rewrite_vmallocinfo(struct snapshot *s)
{
    char caller[128];
    unsigned long long start, end;
    int at;
    for (char *line; (line = next_line(s));) {
        if (sscanf(line, "0x%llx-0x%llx %*u%n", &start, &end, &at) != 2)
            continue;
        struct vmallocinfo area = { .start = start, .end = end, .caller = caller };
        read_area_words(&area, line + at, caller, sizeof caller);
        procfs_put_vmallocinfo(&s->writer, &area);
    }
}

int truth_proc(const char *path, struct truth_report *report)
{
    static const struct {
        const char *name;
        void (*rewrite)(struct snapshot *);
    } KINDS[] = {
        { "buddyinfo", rewrite_buddyinfo },     { "pagetypeinfo", rewrite_pagetypeinfo }, { "zoneinfo", rewrite_zoneinfo },
        { "vmstat", rewrite_vmstat },           { "meminfo", rewrite_meminfo },           { "slabinfo", rewrite_slabinfo },
        { "vmallocinfo", rewrite_vmallocinfo },
    };
    const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
    for (size_t i = 0; i < sizeof KINDS / sizeof KINDS[0]; i++)
        if (strstr(name, KINDS[i].name))
            return check(path, report, KINDS[i].rewrite);
    return -1;
}
