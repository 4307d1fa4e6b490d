/* Replays of kmalloc/kfree runs against SLUB, and comparisons of the caches.
 *
 * A run is replayed in a machine whose slabs at the start are those of the recording. Where a brand-new slab lies was the
 * page allocator's decision, which these recordings do not hold, so it is taken from the "newcpu" line behind the
 * operation; in a shuffled run the order of its objects as well. Everything else must come out of the engine: the cache,
 * the address, which slab becomes the CPU's next one and with which free list, and at the end every slab of every cache, in
 * order. */
#include "tests/truth/truth_slub.h"
#include "alloc/slab/bucket.h"
#include "alloc/slab/slub.h"
#include "alloc/machine/machine_state.h"
#include "tests/lib/fixture.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MIB (UINT64_C(1) << 20)

struct lines {
    char **text;
    size_t nr, capacity;
};

struct replay {
    struct lines lines;
    size_t at; /* the line being replayed, from 0 */
    struct machine *machine;
    struct kmalloc *k;
    struct truth_report *report;
    uint64_t *addresses; /* of the live allocations, by the number of their operation */
    size_t nr_addresses;
    bool sequential;
    uint32_t
        unlisted[4096]; /* per cache: slabs that were full at the start, which the recording counts but does not list */
};

static void differ(struct truth_report *report, size_t line, const char *expected, const char *got)
{
    if (!report->first_difference[0])
        snprintf(report->first_difference, sizeof report->first_difference, "line %zu: expected %.200s, got %.200s", line,
                 expected, got);
}

static bool read_lines(const char *path, struct lines *lines, struct truth_report *report)
{
    struct truth_file *file = truth_open(path);
    char *line;
    size_t length;
    while (file && truth_next_line(file, &line, &length)) {
        if (lines->nr == lines->capacity) {
            lines->capacity = lines->capacity ? 2 * lines->capacity : 1024;
            lines->text = realloc(lines->text, lines->capacity * sizeof *lines->text);
        }
        lines->text[lines->nr] = malloc(length + 1);
        memcpy(lines->text[lines->nr++], line, length + 1);
    }
    bool good = file && !truth_is_damaged(file);
    if (!good)
        snprintf(report->note, sizeof report->note, file ? "the file is damaged" : "the file cannot be opened");
    truth_close(file);
    return good;
}

static void free_lines(struct lines *lines)
{
    for (size_t i = 0; i < lines->nr; i++)
        free(lines->text[i]);
    free(lines->text);
}

static bool starts_with(const char *line, const char *prefix)
{
    return !strncmp(line, prefix, strlen(prefix));
}

/* The n-th tab-separated field of a line, copied. */
static void field(const char *line, int n, char *out, size_t capacity)
{
    for (; n && line; n--) {
        line = strchr(line, '\t');
        line = line ? line + 1 : NULL;
    }
    size_t length = line ? strcspn(line, "\t") : 0;
    if (length >= capacity)
        length = capacity - 1;
    if (length)
        memcpy(out, line, length);
    out[length] = '\0';
}

static uint64_t number_field(const char *line, int n)
{
    char text[32];
    field(line, n, text, sizeof text);
    return strtoull(text, NULL, 0);
}

static uint32_t key(const char *line, const char *name)
{
    int64_t number = 0;
    return truth_key(line, name, &number) ? (uint32_t)number : UINT32_MAX;
}

static struct cache_ref cache_of_line(const struct replay *r, const char *line, int n)
{
    char name[64];
    field(line, n, name, sizeof name);
    return kmem_cache_find(r->k, fixture_text(name));
}

/* --- loading a recorded slab --- */

/* The object numbers behind "\tkey=", separated by blanks. */
static uint32_t read_list(const char *line, const char *name, uint16_t *objects)
{
    char pattern[32];
    uint32_t nr = 0;
    snprintf(pattern, sizeof pattern, "\t%s=", name);
    const char *at = strstr(line, pattern);
    char *end;
    for (at += at ? strlen(pattern) : 0; at && *at && *at != '\t' && nr < MAX_OBJECTS; at = end) {
        unsigned long object = strtoul(at, &end, 10);
        if (end == at)
            break;
        objects[nr++] = (uint16_t)object;
        end += *end == ' ';
    }
    return nr;
}

/* Objects on no free list belong to somebody. */
static void mark_live(struct replay *r, struct slab *slab, const uint16_t *free_objects, uint32_t nr_free)
{
    bool is_free[MAX_OBJECTS] = { false };
    for (uint32_t i = 0; i < nr_free; i++)
        is_free[free_objects[i] % MAX_OBJECTS] = true;
    const struct kmalloc_request whole = { .size = cache_at(r->k, slab->cache)->object_size };
    for (uint32_t i = 0; i < slab->objects; i++)
        if (!is_free[i])
            track_take(r->k, cache_at(r->k, slab->cache), slab, track_at(r->k, slab, i), &whole);
}

static void reserve(struct replay *r)
{
    struct pagoda_host *host = &r->machine->host;
    if (kmalloc_reserve(r->k, host, 1) || pool_reserve(&r->machine->state.frames.contents, host, 64))
        abort();
}

/* Can a slab as this line says be made: its frames exist and are no slab's, and its order is one that the cache may use. */
static bool is_fresh(const struct replay *r, struct cache_ref cache, const char *line)
{
    const struct frames *frames = &r->machine->state.frames;
    uint32_t pfn = key(line, "pfn"), order = key(line, "order");
    return cache.index && pfn && pfn < frames->nr && frame_at(frames, pfn)->kind != FRAME_SLAB &&
           (order == cache_at(r->k, cache)->order || order == cache_at(r->k, cache)->min_order);
}

static void load_slab(struct replay *r, const char *line)
{
    char kind[16];
    uint16_t cpu_objects[MAX_OBJECTS], objects[2 * MAX_OBJECTS];
    field(line, 2, kind, sizeof kind);
    struct cache_ref cache_ref = cache_of_line(r, line, 1);
    uint32_t pfn = key(line, "pfn");
    if (!is_fresh(r, cache_ref, line)) {
        differ(r->report, r->at + 1, line, "no such cache, or a frame that cannot be used");
        return;
    }
    reserve(r);
    struct cache *cache = cache_at(r->k, cache_ref);
    struct slab_ref slab_ref = slab_make(r->k, cache_ref, pfn, key(line, "order"));
    struct slab *slab = slab_at(r->k, slab_ref);
    uint32_t nr_cpu = read_list(line, "cpu_freelist", cpu_objects), nr = read_list(line, "freelist", objects);
    slub_link(r->k, slab_ref, &slab->freelist, objects, nr);
    slab->inuse = (uint16_t)key(line, "inuse");
    if (!strcmp(kind, "cpu")) {
        cache->cpus[0].slab = slab_ref;
        slub_link(r->k, slab_ref, &cache->cpus[0].freelist, cpu_objects, nr_cpu);
        slab->state = SLAB_CPU;
        memcpy(objects + nr, cpu_objects, nr_cpu * sizeof *objects);
    } else if (!strcmp(kind, "cpupartial")) { /* head first: each goes behind the one before */
        struct slab_ref *link = &cache->cpus[0].partial;
        while (link->index)
            link = &slab_at(r->k, *link)->next;
        *link = slab_ref;
        cache->cpus[0].nr_partial++;
        slab->state = SLAB_CPU_PARTIAL;
    } else {
        slab_push_tail(r->k, &cache->partial, slab_ref);
    }
    mark_live(r, slab, objects, nr + nr_cpu);
}

/* --- writing the engine's slabs as the recorder did --- */

static char *put_list(const struct replay *r, const struct slab *slab, uint32_t first, char *out, char *end)
{
    const struct cache *cache = cache_at(r->k, slab->cache);
    for (uint32_t next, n = 0; first && n < MAX_OBJECTS && out < end; first = next, n++) {
        out += snprintf(out, (size_t)(end - out), "%u ", first - 1);
        if (!free_pointer_is_sound(r->k, cache, slab, first - 1, slub_read_pointer(r->k, cache, slab, first - 1), &next))
            break;
    }
    return out < end ? out : end;
}

static const char *slab_line(const struct replay *r, struct slab_ref slab_ref, const char *kind)
{
    static char text[2 * 5 * MAX_OBJECTS + 256];
    const struct slab *slab = slab_at(r->k, slab_ref);
    const struct cache *cache = cache_at(r->k, slab->cache);
    bool is_cpu = slab_is_same(cache->cpus[0].slab, slab_ref);
    char *at = text, *end = text + sizeof text - 1;
    at += snprintf(text, sizeof text,
                   "SLAB\t%s\t%s\tpfn=%u\torder=%u\tinuse=%u\tobjects=%u\tfrozen=%d\tcpu_freelist=", cache->name, kind,
                   slab->pfn, slab->order, slab->inuse, slab->objects, slab->state != SLAB_PARTIAL);
    at = put_list(r, slab, is_cpu ? cache->cpus[0].freelist : 0, at, end);
    at += snprintf(at, (size_t)(end - at), "\tfreelist=");
    put_list(r, slab, slab->freelist, at, end);
    return text;
}

/* --- comparing --- */

static bool same_cache(const struct kmalloc *k, struct cache_ref ref, const char *line, char *got, size_t capacity)
{
    const struct cache *c = cache_at(k, ref);
    const struct {
        const char *name;
        uint32_t value;
    } fields[] = {
        { "size", c->size },
        { "object_size", c->object_size },
        { "offset", c->offset },
        { "align", c->align },
        { "order", c->order },
        { "objects", c->objects },
        { "min_order", c->min_order },
        { "min_objects", (PAGE_SIZE << c->min_order) / c->size },
        { "cpu_partial", c->cpu_partial },
        { "cpu_partial_slabs", c->cpu_partial_slabs },
        { "min_partial", c->min_partial },
        { "flags", c->flags },
        { "allocflags", c->gfp },
    };
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
        if (key(line, fields[i].name) == fields[i].value)
            continue;
        snprintf(got, capacity, "%s=%u", fields[i].name, fields[i].value);
        return false;
    }
    return true;
}

/* A CACHE line and the SLAB lines behind it, against the engine. Leaves r->at on the last line of the block. */
static bool compare_cache_block(struct replay *r)
{
    char got[96];
    const char *line = r->lines.text[r->at];
    struct cache_ref ref = cache_of_line(r, line, 2);
    if (!ref.index || !same_cache(r->k, ref, line, got, sizeof got)) {
        differ(r->report, r->at + 1, line, ref.index ? got : "no such cache");
        return false;
    }
    const struct cache *cache = cache_at(r->k, ref);
    uint32_t nr_slabs = cache->nr_slabs + r->unlisted[ref.index];
    if (key(line, "nr_slabs") != nr_slabs || key(line, "nr_partial") != cache->partial.count) {
        snprintf(got, sizeof got, "nr_slabs=%u nr_partial=%u", nr_slabs, cache->partial.count);
        differ(r->report, r->at + 1, strstr(line, "nr_slabs="), got);
        return false;
    }
    const struct cpu_slab *cpu = &cache->cpus[0];
    const struct slab_ref first[] = { cpu->slab, cpu->partial, slab_list_first(&cache->partial) };
    static const char *const KINDS[] = { "cpu", "cpupartial", "nodepartial" };
    for (int kind = 0; kind < 3; kind++) {
        for (struct slab_ref slab = first[kind]; slab.index; slab = kind ? slab_at(r->k, slab)->next : SLAB_NONE) {
            const char *want = r->at + 1 < r->lines.nr ? r->lines.text[++r->at] : "";
            const char *mine = slab_line(r, slab, KINDS[kind]);
            if (strcmp(want, mine) != 0) {
                differ(r->report, r->at + 1, want, mine);
                return false;
            }
        }
    }
    if (r->at + 1 < r->lines.nr && starts_with(r->lines.text[r->at + 1], "SLAB\t")) {
        differ(r->report, r->at + 2, r->lines.text[r->at + 1], "no further slab");
        return false;
    }
    return true;
}

/* --- the run --- */

static uint32_t refuse_take(struct reclaim *reclaim, uint32_t gfp, uint32_t order)
{
    (void)reclaim, (void)gfp, (void)order;
    return 0; /* the engine wants a slab where the recorded kernel made none */
}

static void give_nowhere(struct reclaim *reclaim, uint32_t pfn, uint32_t order)
{
    frame_set_kind(reclaim->frames, pfn, FRAME_NONE, order);
}

static const struct page_source RECORDED_PAGES = { refuse_take, give_nowhere };

static const char *newcpu_line(const struct replay *r)
{
    const char *next = r->at + 1 < r->lines.nr ? r->lines.text[r->at + 1] : "";
    return starts_with(next, "SLAB\t") && strstr(next, "\tnewcpu\t") ? next : NULL;
}

/* The engine is about to make a slab: the recording says where, and in a shuffled run, in which order. */
static void bring_slab(struct replay *r, struct cache_ref cache, uint16_t object)
{
    uint16_t objects[MAX_OBJECTS + 1] = { object };
    const char *line = newcpu_line(r);
    if (!line || !is_fresh(r, cache, line))
        return;
    struct slab_ref slab_ref = slub_add_slab(r->k, cache, key(line, "pfn"), key(line, "order"));
    if (!r->sequential)
        slub_link(r->k, slab_ref, &cache_at(r->k, cache)->cpus[0].freelist, objects,
                  1 + read_list(line, "cpu_freelist", objects + 1));
}

static bool replay_alloc(struct replay *r, const char *line)
{
    uint64_t size = number_field(line, 2), number = number_field(line, 4), want = number_field(line, 5);
    char got[128], expected[128], name[64];
    struct cache_ref cache = slub_kmalloc_cache(r->k, size, GFP_KERNEL);
    if (slub_is_dry(r->k, cache))
        bring_slab(r, cache, (uint16_t)number_field(line, 7));
    uint64_t address = kmalloc_alloc(r->k, &(struct kmalloc_request){ .size = size, .gfp = GFP_KERNEL }).address;
    struct found found = kmalloc_look(r->k, address);
    field(line, 3, name, sizeof name);
    snprintf(expected, sizeof expected, "%s 0x%" PRIx64 " %" PRIu64 " %" PRIu64, name, want, number_field(line, 6),
             number_field(line, 7));
    snprintf(got, sizeof got, "%s 0x%" PRIx64 " %u %u", cache_at(r->k, cache)->name, address, found.pfn, found.object);
    if (number < r->nr_addresses)
        r->addresses[number] = address;
    if (!strcmp(expected, got))
        return true;
    differ(r->report, r->at + 1, expected, got);
    return false;
}

static bool replay_free(struct replay *r, const char *line)
{
    uint64_t number = number_field(line, 4), want = number_field(line, 5);
    char got[128] = "", name[64];
    field(line, 3, name, sizeof name);
    struct kmalloc_record block = { 0 };
    bool known = number < r->nr_addresses && r->addresses[number] == want && kmalloc_find(r->k, want, &block);
    if (known && !strcmp(block.cache, name) && block.requested == number_field(line, 2)) {
        kmalloc_free(r->k, want, NAME_NONE);
        if (r->machine->trace.outcome == OUTCOME_OK)
            return true;
        snprintf(got, sizeof got, "%.100s", r->machine->trace.message);
    }
    differ(r->report, r->at + 1, line, got[0] ? got : "another block");
    return false;
}

/* One operation and the newcpu line that follows it when the CPU's slab changed. */
static void replay_op(struct replay *r)
{
    const char *line = r->lines.text[r->at];
    struct cache_ref cache = cache_of_line(r, line, 3);
    struct slab_ref before = cache.index ? cache_at(r->k, cache)->cpus[0].slab : SLAB_NONE;
    char kind[4];
    field(line, 1, kind, sizeof kind);
    reserve(r);
    trace_start(&r->machine->trace, (uint32_t)++r->report->nr_operations, 0);
    bool same = kind[0] == 'A' ? replay_alloc(r, line) : replay_free(r, line);
    struct slab_ref after = cache.index ? cache_at(r->k, cache)->cpus[0].slab : SLAB_NONE;
    const char *want = newcpu_line(r);
    const char *mine = !slab_is_same(after, before) ? slab_line(r, after, "newcpu") : NULL;
    r->at += want != NULL;
    if ((want || mine) && (!want || !mine || strcmp(want, mine) != 0)) {
        differ(r->report, r->at + 1, want ? want : "no new slab for the CPU", mine ? mine : "no new slab for the CPU");
        same = false;
    }
    r->report->nr_identical += same;
}

static void check_engine(struct replay *r)
{
    char text[160];
    if (kmalloc_check(r->k, text, sizeof text) && kmalloc_check_chains(r->k, text, sizeof text))
        return;
    differ(r->report, r->at + 1, "sound records", text);
    r->report->end_state_identical = false;
}

static void replay_lines(struct replay *r)
{
    bool started = false;
    r->report->end_state_identical = true;
    for (r->at = 0; r->at < r->lines.nr; r->at++) {
        const char *line = r->lines.text[r->at];
        if (starts_with(line, "CACHE\tstart\t")) {
            r->unlisted[cache_of_line(r, line, 2).index] = key(line, "nr_slabs");
        } else if (starts_with(line, "CACHE\tend\t")) {
            r->report->end_state_identical &= compare_cache_block(r);
        } else if (starts_with(line, "SLAB\t") && !started) {
            load_slab(r, line);
            r->unlisted[cache_of_line(r, line, 1).index]--;
        } else if (starts_with(line, "OPS")) {
            started = true;
        } else if (started && line[0] >= '0' && line[0] <= '9') {
            replay_op(r);
        }
    }
    check_engine(r);
}

/* Frames enough for every pfn that the recording names. */
static uint64_t memory_for(const struct lines *lines)
{
    uint64_t last = 0;
    for (size_t i = 0; i < lines->nr; i++) {
        int64_t pfn;
        if (starts_with(lines->text[i], "SLAB\t") && truth_key(lines->text[i], "pfn", &pfn) && (uint64_t)pfn > last)
            last = (uint64_t)pfn;
    }
    return ((last << PAGE_SHIFT) / (256 * MIB) + 1) * 256 * MIB;
}

static bool start_replay(struct replay *r)
{
    struct machine_config config = { .profile = PROFILE_LINUX_6_1, .memory = memory_for(&r->lines), .cpus = 1 };
    int64_t sequential = 0, cpus;
    if (!r->lines.nr || !truth_key(r->lines.text[0], "sequential", &sequential) || config.memory > 64 * 1024 * MIB) {
        snprintf(r->report->note, sizeof r->report->note, "not a kmalloc/kfree run");
        return false;
    }
    if (truth_key(r->lines.text[0], "online_cpus", &cpus) && cpus > 0)
        config.cpus = (uint32_t)cpus;
    r->sequential = sequential;
    r->machine = fixture_machine_of(&config);
    r->k = &r->machine->state.kmalloc;
    r->k->pages = &RECORDED_PAGES;
    r->machine->trace.recording = false;
    r->nr_addresses = r->lines.nr;
    r->addresses = calloc(r->nr_addresses, sizeof *r->addresses);
    return true;
}

int truth_slub_run(const char *path, struct truth_report *report)
{
    struct replay r = { .report = report };
    bool readable = read_lines(path, &r.lines, report) && start_replay(&r);
    if (readable) {
        replay_lines(&r);
        snprintf(report->note, sizeof report->note, "pfns of new slabs%s are taken from the file",
                 r.sequential ? "" : " and their shuffled order");
    }
    machine_destroy(r.machine);
    free(r.addresses);
    free_lines(&r.lines);
    return readable ? 0 : -1;
}

/* --- caches --- */

static void read_beside(const char *path, const char *name, char *text, size_t capacity)
{
    char beside[4096], *line;
    const char *slash = strrchr(path, '/');
    size_t length;
    snprintf(beside, sizeof beside, "%.*s%s", slash ? (int)(slash - path) + 1 : 0, path, name);
    struct truth_file *file = truth_open(beside);
    text[0] = '\0';
    if (file && truth_next_line(file, &line, &length))
        snprintf(text, capacity, "%s", line);
    truth_close(file);
}

struct machine_config truth_config_beside(const char *path)
{
    struct machine_config config = { .profile = PROFILE_LINUX_6_1, .memory = 256 * MIB, .cpus = 1 };
    char text[1024];
    read_beside(path, "qemu-config.txt", text, sizeof text);
    const char *mem = strstr(text, "mem="), *smp = strstr(text, "smp=");
    if (mem)
        config.memory = strtoull(mem + 4, NULL, 10) * MIB;
    if (smp)
        config.cpus = (uint32_t)strtoul(smp + 4, NULL, 10);
    read_beside(path, "boot-cmdline.txt", text, sizeof text);
    config.init_on_alloc = !strstr(text, "init_on_alloc=0"); /* Debian's default is on */
    return config;
}

bool truth_boot_has(const char *path, const char *word)
{
    char text[1024];
    read_beside(path, "boot-cmdline.txt", text, sizeof text);
    return strstr(text, word) != NULL;
}

int truth_kmalloc_caches(const char *path, struct truth_report *report)
{
    struct lines lines = { 0 };
    char name[64], got[96] = "no such cache";
    if (!read_lines(path, &lines, report)) {
        free_lines(&lines);
        return -1;
    }
    struct machine_config config = truth_config_beside(path);
    struct machine *machine = fixture_machine_of(&config);
    const struct kmalloc *k = &machine->state.kmalloc;
    for (size_t i = 0; i < lines.nr; i++) {
        if (!starts_with(lines.text[i], "CACHE\t"))
            continue;
        field(lines.text[i], 2, name, sizeof name);
        struct cache_ref ref = kmem_cache_find(k, fixture_text(name));
        bool same = ref.index && same_cache(k, ref, lines.text[i], got, sizeof got);
        report->nr_operations++;
        report->nr_identical += same;
        if (!same)
            differ(report, i + 1, lines.text[i], got);
    }
    report->end_state_identical = report->nr_identical == report->nr_operations;
    snprintf(report->note, sizeof report->note, "the shape of each cache; its slabs are one moment's and are not compared");
    machine_destroy(machine);
    free_lines(&lines);
    return 0;
}

/* One line of /proc/slabinfo: a cache of that object size must get slabs of that many pages and objects. kmalloc's own are
 * there; the others are created. */
static bool same_slabinfo(struct kmalloc *k, const char *line, char *got, size_t capacity)
{
    char name[64];
    unsigned long long active, total, size, objects, pages;
    if (sscanf(line, "%63s %llu %llu %llu %llu %llu", name, &active, &total, &size, &objects, &pages) != 6)
        return false;
    struct cache_ref ref = kmem_cache_find(k, fixture_text(name));
    if (!ref.index)
        ref = kmem_cache_create(k, fixture_text(name), &(struct kmem_cache_args){ .size = size });
    const struct cache *cache = cache_at(k, ref);
    snprintf(got, capacity, "%u %u %u", cache->size, cache->objects, 1u << cache->order);
    return ref.index && cache->size == size && cache->objects == objects && 1ull << cache->order == pages;
}

int truth_slabinfo(const char *path, struct truth_report *report)
{
    struct lines lines = { 0 };
    char got[96] = "";
    if (!read_lines(path, &lines, report)) {
        free_lines(&lines);
        return -1;
    }
    struct machine_config config = truth_config_beside(path);
    struct machine *machine = fixture_machine_of(&config);
    struct kmalloc *k = &machine->state.kmalloc;
    for (size_t i = 0; i < lines.nr; i++) {
        if (starts_with(lines.text[i], "slabinfo") || lines.text[i][0] == '#')
            continue;
        if (kmalloc_reserve(k, &machine->host, 1))
            abort();
        trace_start(&machine->trace, 0, 0);
        bool same = same_slabinfo(k, lines.text[i], got, sizeof got);
        report->nr_operations++;
        report->nr_identical += same;
        if (!same)
            differ(report, i + 1, lines.text[i], got);
    }
    report->end_state_identical = report->nr_identical == report->nr_operations;
    snprintf(report->note, sizeof report->note, "objsize, objperslab, pagesperslab on %u CPUs; the counts are one moment's",
             config.cpus);
    machine_destroy(machine);
    free_lines(&lines);
    return 0;
}

/* --- the table of sizes --- */

enum column { COL_SIZE, COL_GFP, COL_PTR, COL_KSIZE, COL_CACHE, COL_ORDER, COL_FIRST, COL_LAST, COL_CONTIGUOUS, COL_ZONE };

static uint32_t zone_of(const struct machine *machine, uint32_t pfn)
{
    const struct page_alloc *pages = &machine->state.pages;
    for (uint32_t i = 0; i < pages->nr_zones; i++)
        if (pfn - pages->zones[i].start_pfn < pages->zones[i].spanned)
            return pages->zones[i].index;
    return UINT32_MAX;
}

/* The row as the recorder would have written it. Where the block lies was that machine's state: the pfns are not compared,
 * but how many frames the bytes asked for touch, from the recorded pointer's place in its page. */
static void describe(const struct machine *machine, const struct op_result *result, uint64_t size, char *out,
                     size_t capacity)
{
    const struct kmalloc *k = &machine->state.kmalloc;
    struct kmalloc_record block = { 0 };
    if (result->outcome != OUTCOME_OK) {
        snprintf(out, capacity, "NULL 0 - 0 0 0");
    } else if (!kmalloc_find(k, result->address, &block)) {
        snprintf(out, capacity, "0x%" PRIx64 " 0 ZERO_SIZE_PTR 0 0 0", result->address);
    } else {
        uint32_t first = block.pfn, last = (uint32_t)((block.address + size - 1 - k->frames->page_offset) >> PAGE_SHIFT);
        uint32_t order = block.is_large ? block.order : cache_at(k, kmem_cache_find(k, fixture_text(block.cache)))->order;
        bool contiguous = last < first + block.nr_frames;
        snprintf(out, capacity, "%s %" PRIu64 " %s %u %d %u", "address", result->allocated,
                 block.is_large ? "large" : block.cache, order, contiguous, zone_of(machine, first));
    }
}

static bool is_aligned(uint64_t address, uint64_t usable)
{
    return usable & (usable - 1) ? address % 8 == 0 : address % usable == 0;
}

static bool same_row(struct machine *machine, char *row, char *want, char *got, size_t capacity)
{
    char *rest = row, *columns[10] = { 0 };
    struct problem why = { 0 };
    for (int i = 0; i < 10; i++)
        if (!(columns[i] = truth_field(&rest, '\t')))
            return false;
    uint64_t size = strtoull(columns[COL_SIZE], NULL, 10);
    bool placed = columns[COL_PTR][0] == '0' && strcmp(columns[COL_PTR], "0x10") != 0;
    struct op op = fixture_alloc(OP_KMALLOC, size, 0);
    op.given |= OP_BIT(GFP);
    if (gfp_parse(columns[COL_GFP], strcspn(columns[COL_GFP], "("), &op.gfp, &why))
        return false;
    struct op_result result;
    if (machine_apply(machine, &op, &result, &why))
        return false;
    snprintf(want, capacity, "%s %s %s %s %s %s", placed ? "address" : columns[COL_PTR], columns[COL_KSIZE],
             columns[COL_CACHE], columns[COL_ORDER], columns[COL_CONTIGUOUS], columns[COL_ZONE]);
    describe(machine, &result, size, got, capacity);
    bool same = !strcmp(want, got);
    if (result.outcome != OUTCOME_OK || !size)
        return same;
    same &= is_aligned(result.address, result.allocated);
    struct op release = fixture_free(OP_KFREE, result.address);
    return !machine_apply(machine, &release, &result, &why) && result.outcome == OUTCOME_OK && same;
}

int truth_kmalloc_table(const char *path, struct truth_report *report)
{
    struct truth_file *file = truth_open(path);
    char *line, want[256] = "", got[256] = "";
    size_t length;
    if (!file)
        return -1;
    struct machine_config config = truth_config_beside(path);
    struct machine *machine = fixture_machine_of(&config);
    machine_record_events(machine, false);
    while (truth_next_line(file, &line, &length)) {
        if (line[0] < '0' || line[0] > '9')
            continue;
        bool same = same_row(machine, line, want, got, sizeof want);
        report->nr_operations++;
        report->nr_identical += same;
        if (!same)
            differ(report, truth_line_number(file), want, got);
    }
    bool readable = !truth_is_damaged(file);
    report->end_state_identical = report->nr_identical == report->nr_operations;
    snprintf(report->note, sizeof report->note, "addresses and pfns were that moment's and are not compared");
    machine_destroy(machine);
    truth_close(file);
    return readable ? 0 : -1;
}
