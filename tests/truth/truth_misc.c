/* misc-*.tsv.gz: what single calls do: limits and flag values, what kzalloc clears, which bytes survive a free, when
 * krealloc and kvmalloc move or change over. Each line is done again by a machine's own operations. */
#include "alloc/slab/slab_record.h"
#include "alloc/machine/machine_state.h"
#include "tests/lib/fixture.h"
#include "tests/truth/truth_slub.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LINE_MAX_LENGTH 256

static struct op_result apply(struct machine *m, struct op op)
{
    struct op_result result = { 0 };
    struct problem why = { 0 };
    if (machine_apply(m, &op, &result, &why))
        result.outcome = OUTCOME_BUG; /* the call was refused: it will compare as different */
    return result;
}

static uint64_t address_of(struct machine *m, enum op_kind kind, uint64_t size)
{
    return apply(m, fixture_alloc(kind, size, 0)).address;
}

static void release(struct machine *m, uint64_t address)
{
    apply(m, fixture_free(OP_KFREE, address));
}

static uint64_t ksize(struct machine *m, uint64_t address)
{
    return address ? apply(m, fixture_free(OP_KSIZE, address)).allocated : 0;
}

static void fill(struct machine *m, uint64_t address, uint64_t length, uint8_t byte)
{
    for (uint64_t n; length; address += n, length -= n) {
        n = length < OP_DATA_MAX ? length : OP_DATA_MAX;
        struct op op = fixture_free(OP_WRITE, address);
        op.fill = byte;
        op.length = n;
        op.given |= OP_BIT(FILL) | OP_BIT(LENGTH);
        apply(m, op);
    }
}

/* --- contents --- */

struct survivors {
    uint64_t nr; /* bytes that are still what they were */
    int64_t first_changed, last_changed;
};

/* survived[i] stays true for the bytes that still hold byte. */
static void mark_survivors(const struct machine *m, uint64_t address, uint64_t length, uint8_t byte, bool *survived)
{
    static uint8_t bytes[1u << 22];
    memset(bytes, 0, length);
    view_memory(m, address, 0, bytes, length);
    for (uint64_t i = 0; i < length; i++)
        survived[i] &= bytes[i] == byte;
}

static struct survivors count_survivors(const bool *survived, uint64_t length)
{
    struct survivors s = { 0, -1, -1 };
    for (uint64_t i = 0; i < length; i++) {
        s.nr += survived[i];
        if (survived[i])
            continue;
        if (s.first_changed < 0)
            s.first_changed = (int64_t)i;
        s.last_changed = (int64_t)i;
    }
    return s;
}

static uint64_t allocate_again(struct machine *m, enum op_kind kind, uint64_t size, uint32_t order, uint64_t *again,
                               uint8_t byte)
{
    struct op make = fixture_alloc(kind, size, 0), end = fixture_free(OP_KFREE, 0);
    if (kind == OP_ALLOC_PAGES) {
        make = op_default(kind);
        make.order = (uint8_t)order;
        make.given = OP_BIT(ORDER);
        end = fixture_free(OP_FREE_PAGES, 0);
        end.order = (uint8_t)order;
        end.given |= OP_BIT(ORDER);
    }
    uint64_t first = end.address = apply(m, make).address;
    fill(m, first, size, byte);
    apply(m, end);
    *again = apply(m, make).address;
    return first;
}

/* Two fills, so that a byte of the free pointer that happens to be like one of them is seen to change by the other. */
static struct survivors stale(struct machine *m, enum op_kind kind, uint64_t size, uint32_t order, bool *same)
{
    static bool survived[1u << 22];
    static const uint8_t FILLS[] = { 0xaa, 0x35 };
    memset(survived, 1, size);
    *same = true;
    for (int i = 0; i < 2; i++) {
        uint64_t again, first = allocate_again(m, kind, size, order, &again, FILLS[i]);
        *same &= first == again;
        mark_survivors(m, again, size, FILLS[i], survived);
        struct op end = fixture_free(kind == OP_ALLOC_PAGES ? OP_FREE_PAGES : OP_KFREE, again);
        end.order = (uint8_t)order;
        end.given |= kind == OP_ALLOC_PAGES ? OP_BIT(ORDER) : 0;
        apply(m, end);
    }
    return count_survivors(survived, size);
}

static void redo_stale(struct machine *m, char *line, char *got)
{
    int64_t size = 0, order = 0;
    bool same;
    if (truth_key(line, "order", &order)) {
        uint64_t bytes = (uint64_t)PAGE_SIZE << order;
        struct survivors s = stale(m, OP_ALLOC_PAGES, bytes, (uint32_t)order, &same);
        snprintf(got, LINE_MAX_LENGTH,
                 "STALE\talloc_pages\torder=%" PRId64 "\tbytes=%" PRIu64 "\tsame_page=%d\tretained=%" PRIu64, order, bytes,
                 same, s.nr);
        return;
    }
    truth_key(line, "size", &size);
    uint64_t address = address_of(m, OP_KMALLOC, (uint64_t)size), usable = ksize(m, address);
    release(m, address);
    struct survivors s = stale(m, OP_KMALLOC, usable, 0, &same);
    snprintf(got, LINE_MAX_LENGTH,
             "STALE\tkmalloc\tsize=%" PRId64 "\tksize=%" PRIu64 "\tsame_ptr=%d\tretained=%" PRIu64
             "\tchanged_first=%" PRId64 "\tchanged_last=%" PRId64,
             size, usable, same, s.nr, s.first_changed, s.last_changed);
}

/* The recorded kernel scrambles its free pointers, so that a byte of one may happen to be 0xaa and look as if it survived.
 * Then the recording counts a few of the pointer's 8 bytes more, and its changed range is inside ours. */
static bool is_same_but_for_chance(const char *want, const char *got)
{
    int64_t w[3], g[3];
    static const char *const KEYS[] = { "retained", "changed_first", "changed_last" };
    for (int i = 0; i < 3; i++)
        if (!truth_key(want, KEYS[i], &w[i]) || !truth_key(got, KEYS[i], &g[i]))
            return false;
    size_t head = (size_t)(strstr(want, "retained=") - want);
    return !strncmp(want, got, head) && g[2] - g[1] == 7 && w[0] >= g[0] && w[0] < g[0] + 8 && w[1] >= g[1] && w[2] <= g[2];
}

static void redo_zero(struct machine *m, char *line, char *got)
{
    static bool zero[1u << 22];
    int64_t size = 0;
    truth_key(line, "size", &size);
    uint64_t dirty = address_of(m, OP_KMALLOC, (uint64_t)size), usable = ksize(m, dirty);
    fill(m, dirty, usable, 0xaa);
    release(m, dirty);
    uint64_t address = address_of(m, OP_KZALLOC, (uint64_t)size);
    memset(zero, 1, usable);
    mark_survivors(m, address, usable, 0, zero);
    uint64_t nonzero = usable - count_survivors(zero, usable).nr;
    snprintf(got, LINE_MAX_LENGTH,
             "ZERO\tkzalloc\tsize=%" PRId64 "\tksize=%" PRIu64 "\tsame_ptr=%d\tnonzero_bytes=%" PRIu64, size, usable,
             address == dirty, nonzero);
    release(m, address);
}

/* --- calls --- */

static uint64_t krealloc(struct machine *m, uint64_t address, uint64_t size)
{
    struct op op = fixture_alloc(OP_KREALLOC, size, 0);
    op.address = address;
    op.given |= OP_BIT(ADDRESS);
    return apply(m, op).address;
}

static void redo_krealloc(struct machine *m, char *line, char *got)
{
    char *rest = line;
    truth_field(&rest, '\t');
    char *old_size = truth_field(&rest, '\t'), *new_size = truth_field(&rest, '\t');
    uint64_t before = address_of(m, OP_KMALLOC, strtoull(old_size, NULL, 10)), usable = ksize(m, before);
    uint64_t after = krealloc(m, before, strtoull(new_size, NULL, 10));
    snprintf(got, LINE_MAX_LENGTH, "KREALLOC\t%s\t%s\tksize_before=%" PRIu64 "\tmoved=%d\tksize_after=%" PRIu64, old_size,
             new_size, usable, before != after, ksize(m, after));
    release(m, after);
}

static void redo_krealloc_zero(struct machine *m, char *line, char *got)
{
    (void)line;
    snprintf(got, LINE_MAX_LENGTH, "KREALLOC0\tkrealloc(p,0)=0x%016" PRIx64,
             krealloc(m, address_of(m, OP_KMALLOC, 100), 0));
}

static void redo_krealloc_null(struct machine *m, char *line, char *got)
{
    (void)line;
    uint64_t address = krealloc(m, 0, 50);
    snprintf(got, LINE_MAX_LENGTH, "KREALLOCNULL\tkrealloc(NULL,50)_nonnull=%d\tksize=%" PRIu64, address != 0,
             ksize(m, address));
    release(m, address);
}

static void redo_array(struct machine *m, char *line, char *got)
{
    struct op op = fixture_alloc(OP_KCALLOC, 8, 0);
    bool overflow = strstr(line, "SIZE_MAX") != NULL;
    op.n = overflow ? UINT64_MAX / 2 : 0;
    op.size = overflow ? 3 : 8;
    op.given |= OP_BIT(N);
    snprintf(got, LINE_MAX_LENGTH, "ARRAY\t%s=0x%016" PRIx64, overflow ? "kmalloc_array(SIZE_MAX/2,3)" : "kcalloc(0,8)",
             apply(m, op).address);
}

static const char *kvmalloc_kind(struct machine *m, uint64_t size, uint32_t gfp)
{
    uint64_t address = apply(m, fixture_alloc(OP_KVMALLOC, size, gfp)).address;
    if (!address)
        return "NULL";
    apply(m, fixture_free(OP_KVFREE, address));
    return vmalloc_contains(&m->state.vmalloc, address) ? "vmalloc" : "kmalloc";
}

static void redo_kvmalloc(struct machine *m, char *line, char *got)
{
    int64_t size, gfp;
    if (truth_key(line, "size", &size) && truth_key(line, "gfp", &gfp)) {
        snprintf(got, LINE_MAX_LENGTH, "KVMALLOC\tgfp=0x%" PRIx64 "\tsize=%" PRId64 "\tresult=%s", (uint64_t)gfp, size,
                 kvmalloc_kind(m, (uint64_t)size, (uint32_t)gfp));
        return;
    }
    uint64_t bytes = strtoull(line + strlen("KVMALLOC\t"), NULL, 10);
    const char *kind = kvmalloc_kind(m, bytes, 0);
    snprintf(got, LINE_MAX_LENGTH, "KVMALLOC\t%" PRIu64 "\tvmalloc=%d", bytes, kind[0] == 'N' ? -1 : kind[0] == 'v');
}

static void redo_gfp(struct machine *m, char *line, char *got)
{
    (void)m;
    char *rest = line;
    struct problem why = { 0 };
    uint32_t gfp = 0;
    truth_field(&rest, '\t');
    const char *name = truth_field(&rest, '\t');
    if (gfp_parse(name, strlen(name), &gfp, &why))
        name = "unknown";
    snprintf(got, LINE_MAX_LENGTH, "GFP\t%s\t0x%x", name, gfp);
}

static uint64_t shift_of(uint64_t size)
{
    uint64_t shift = 0;
    while (UINT64_C(1) << shift < size)
        shift++;
    return shift;
}

static const struct cache *cache_of(const struct machine *m, const char *name)
{
    const struct kmalloc *k = &m->state.kmalloc;
    return cache_at(k, kmem_cache_find(k, fixture_text(name)));
}

/* Classes that are no power of two promise no more than the minimum. */
static uint64_t align_of_odd(const struct machine *m)
{
    return cache_of(m, "kmalloc-96")->align;
}

static uint64_t largest_class(const struct machine *m)
{
    uint64_t largest = 0, cursor = 0;
    for (struct cache_view cache; view_next_cache(m, &cursor, &cache);)
        if (cache.is_kmalloc && cache.object_size > largest)
            largest = cache.object_size;
    return largest;
}

/* Limits that the engine has too; got stays empty when it has no such number. */
static void redo_limit(struct machine *m, char *line, char *got)
{
    const struct profile *p = m->profile;
    const uint64_t smallest = cache_of(m, "kmalloc-8")->size;
    const struct {
        const char *name;
        uint64_t value;
        bool is_hex;
    } limits[] = {
        { "KMALLOC_MAX_SIZE", p->kmalloc_max, false },
        { "KMALLOC_MAX_ORDER", p->nr_orders - 1, false },
        { "ZERO_SIZE_PTR", ZERO_SIZE_PTR, true },
        { "PAGE_SIZE", PAGE_SIZE, false },
        { "MAX_ORDER", p->nr_orders, false },
        { "MIGRATE_TYPES", NR_MIGRATETYPES, false },
        { "NR_PCP_LISTS", NR_PCP_LISTS, false },
        { "PAGE_OFFSET", p->page_offset, true },
        { "VMALLOC_START", p->vmalloc_start, true },
        { "online_cpus", m->state.config.cpus, false },
        { "VMALLOC_END", p->vmalloc_end, true },
        { "nr_cpu_ids", m->state.config.cpus, false },
        { "KMALLOC_MIN_SIZE", smallest, false },
        { "KMALLOC_SHIFT_LOW", shift_of(smallest), false },
        { "ARCH_SLAB_MINALIGN", 8, false },
        { "ARCH_KMALLOC_MINALIGN", align_of_odd(m), false },
        { "KMALLOC_MAX_CACHE_SIZE", largest_class(m), false },
    };
    char *rest = line;
    truth_field(&rest, '\t');
    const char *name = truth_field(&rest, '\t');
    for (size_t i = 0; i < sizeof limits / sizeof *limits; i++) {
        if (strcmp(limits[i].name, name) != 0)
            continue;
        if (limits[i].is_hex)
            snprintf(got, LINE_MAX_LENGTH, "LIMIT\t%s\t0x%" PRIx64, name, limits[i].value);
        else
            snprintf(got, LINE_MAX_LENGTH, "LIMIT\t%s\t%" PRIu64, name, limits[i].value);
    }
}

static const struct {
    const char *kind;
    void (*redo)(struct machine *m, char *line, char *got); /* may cut the line up */
} KINDS[] = {
    { "ZERO", redo_zero },
    { "STALE", redo_stale },
    { "KREALLOC", redo_krealloc },
    { "KREALLOC0", redo_krealloc_zero },
    { "KREALLOCNULL", redo_krealloc_null },
    { "ARRAY", redo_array },
    { "KVMALLOC", redo_kvmalloc },
    { "GFP", redo_gfp },
    { "LIMIT", redo_limit },
};

/* Writes the line as this machine would have; false: there is nothing to compare it with. */
static bool redo(struct machine *m, const char *line, char *got)
{
    char copy[LINE_MAX_LENGTH];
    size_t length = strcspn(line, "\t");
    snprintf(copy, sizeof copy, "%s", line);
    got[0] = '\0';
    for (size_t i = 0; i < sizeof KINDS / sizeof *KINDS; i++)
        if (strlen(KINDS[i].kind) == length && !memcmp(KINDS[i].kind, line, length))
            KINDS[i].redo(m, copy, got);
    return got[0] != '\0';
}

int truth_misc(const char *path, struct truth_report *report)
{
    struct truth_file *file = truth_open(path);
    char *line, got[LINE_MAX_LENGTH];
    size_t length;
    if (!file)
        return -1;
    struct machine_config config = truth_config_beside(path);
    struct machine *m = fixture_machine_of(&config);
    unsigned nr_skipped = 0;
    machine_record_events(m, false);
    while (truth_next_line(file, &line, &length)) {
        if (!redo(m, line, got)) {
            nr_skipped++;
            continue;
        }
        report->nr_operations++;
        if (!strcmp(line, got) || is_same_but_for_chance(line, got))
            report->nr_identical++;
        else if (!report->first_difference[0])
            snprintf(report->first_difference, sizeof report->first_difference,
                     "line %" PRIu64 ": expected %.200s, got %.200s", truth_line_number(file), line, got);
    }
    bool readable = !truth_is_damaged(file);
    report->end_state_identical = report->nr_identical == report->nr_operations;
    snprintf(report->note, sizeof report->note, "%u lines of limits that the engine has not are not compared", nr_skipped);
    machine_destroy(m);
    truth_close(file);
    return readable ? 0 : -1;
}
