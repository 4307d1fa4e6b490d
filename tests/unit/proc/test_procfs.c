/* What /proc says agrees with the machine, and with itself. Its layout is compared with real files in truth_proc.c. */
#include "alloc/proc/procfs_text.h"
#include "pagoda/procfs.h"
#include "tests/lib/fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define TEXT_MAX (1u << 21)
#define BIT(number) (UINT64_C(1) << (number))

enum {
    ANON = 12,
    BUDDY = 10,
    SLAB = 7,
    PGTABLE = 26,
    NOPAGE = 20,
    RESERVED = 32,
    HEAD = 15,
    TAIL = 16
}; /* of kpageflags */

/* --- reading --- */

struct sink {
    size_t length;
    char text[TEXT_MAX];
};
static struct sink sink;

static void take(void *context, const char *bytes, size_t nr_bytes)
{
    struct sink *to = context;
    assert_true(to->length + nr_bytes < sizeof to->text);
    memcpy(to->text + to->length, bytes, nr_bytes);
    to->length += nr_bytes;
    to->text[to->length] = '\0';
}

static const struct procfs_out *empty_sink(void)
{
    static const struct procfs_out OUT = { take, &sink };
    sink.length = 0;
    sink.text[0] = '\0';
    return &OUT;
}

/* The text borrows until the next call. */
static const char *proc(const struct machine *m, const char *name)
{
    assert_true(procfs_read(m, name, empty_sink()));
    return sink.text;
}
static const char *proc_of(const struct machine *m, uint32_t pid, const char *name)
{
    assert_true(procfs_read_process(m, pid, name, empty_sink()));
    return sink.text;
}

/* The number behind a word at the start of a line (blanks before it do not count); from: where to look. */
static uint64_t number_in(const char *from, const char *word)
{
    for (const char *at = from; (at = strstr(at, word)); at++) {
        const char *before = at;
        while (before > from && before[-1] == ' ')
            before--;
        if (before == from || before[-1] == '\n')
            return strtoull(at + strlen(word) + strspn(at + strlen(word), " \t"), NULL, 10);
    }
    fail_msg("no line %s", word);
    return 0;
}
static uint64_t vmstat(const struct machine *m, const char *name)
{
    char word[64];
    (void)snprintf(word, sizeof word, "%s ", name);
    return number_in(proc(m, "vmstat"), word);
}
static uint64_t meminfo(const struct machine *m, const char *name)
{
    return number_in(proc(m, "meminfo"), name);
}
/* Sum of a number that stands in every zone of zoneinfo. */
static uint64_t zone_sum(const struct machine *m, const char *word)
{
    uint64_t sum = 0;
    size_t length = strlen(word);
    for (const char *line = proc(m, "zoneinfo"); line; line = strchr(line, '\n')) {
        line += strspn(line, "\n ");
        if (strncmp(line, word, length) == 0)
            sum += strtoull(line + length, NULL, 10);
    }
    return sum;
}
static uint64_t sum_of(const char *text, const char *word)
{
    uint64_t sum = 0;
    for (const char *at = text; (at = strstr(at, word)); at++)
        if (at == text || at[-1] == '\n')
            sum += strtoull(at + strlen(word), NULL, 10);
    return sum;
}

static bool has_line(const char *text, const char *line)
{
    size_t length = strlen(line);
    for (const char *at = text; (at = strstr(at, line)); at++)
        if ((at == text || at[-1] == '\n') && at[length] == '\n')
            return true;
    return false;
}

/* --- doing --- */

static uint64_t get(struct machine *m, struct op op)
{
    const struct op_result *result = fixture_apply(m, op);
    assert_int_equal(result->outcome, OUTCOME_OK);
    return result->address;
}
static uint32_t spawn(struct machine *m, const char *name)
{
    struct op op = fixture_op(OP_SPAWN);
    op.name = fixture_text(name);
    op.given |= OP_BIT(NAME);
    return fixture_apply(m, op)->pid;
}
static uint64_t map(struct machine *m, uint32_t pid, uint64_t length)
{
    struct op op = fixture_op(OP_MMAP);
    op.pid = pid;
    op.length = length;
    op.given = OP_BIT(PID) | OP_BIT(LENGTH);
    return get(m, op);
}
static void fill(struct machine *m, uint32_t pid, uint64_t address, uint64_t length)
{
    struct op op = fixture_free(OP_WRITE, address);
    op.pid = pid;
    op.fill = 7;
    op.length = length;
    op.given |= OP_BIT(PID) | OP_BIT(FILL) | OP_BIT(LENGTH);
    assert_int_equal(fixture_apply(m, op)->outcome, OUTCOME_OK);
}
static struct op pages(uint32_t order)
{
    struct op op = fixture_op(OP_ALLOC_PAGES);
    op.order = (uint8_t)order;
    op.given = OP_BIT(ORDER);
    return op;
}
static struct machine *swapping_machine(uint64_t memory, uint64_t swap)
{
    struct machine_config config = { .profile = PROFILE_LINUX_6_1, .memory = memory, .swap = swap };
    return fixture_machine_of(&config);
}

/* --- the text itself --- */

static void numbers_are_padded_as_printf_does(void **state)
{
    (void)state;
    static const uint64_t NUMBERS[] = { 0, 7, 10, 99999, 100000, UINT32_MAX, UINT64_MAX };
    struct writer writer;
    char want[256];
    for (size_t i = 0; i < sizeof NUMBERS / sizeof NUMBERS[0]; i++) {
        unsigned long long n = NUMBERS[i];
        writer_open(&writer, empty_sink());
        write_number(&writer, 6, n);
        write_number(&writer, 0, n);
        write_hex(&writer, 8, n);
        write_hex(&writer, 16, n);
        write_left(&writer, 5, "ab");
        write_right(&writer, 5, "ab");
        write_left(&writer, 1, "abc");
        writer_close(&writer);
        (void)snprintf(want, sizeof want, "%6llu%llu%08llx%016llx%-5s%5s%-1s", n, n, n, n, "ab", "ab", "abc");
        assert_string_equal(sink.text, want);
    }
}

static void long_texts_come_whole(void **state)
{
    (void)state;
    struct writer writer;
    static char word[WRITER_BYTES * 2 + 10];
    memset(word, 'w', sizeof word - 1);
    writer_open(&writer, empty_sink());
    write_text(&writer, "ab");
    write_text(&writer, word);
    write_text(&writer, "yz");
    writer_close(&writer);
    assert_int_equal(sink.length, sizeof word - 1 + 4);
    assert_memory_equal(sink.text + sink.length - 3, "wyz", 3);
}

static void names_cannot_break_lines(void **state)
{
    (void)state;
    struct machine *m = fixture_machine("linux-6.1", 0);
    struct op op = fixture_alloc(OP_VMALLOC, 4096, 0);
    op.name = fixture_text("a\nb\\");
    op.given |= OP_BIT(NAME);
    get(m, op);
    assert_non_null(strstr(proc(m, "vmallocinfo"), " a\\012b\\134 pages=1 vmalloc N0=1\n"));
    machine_destroy(m);
}

/* --- the machine's memory --- */

static void memory_adds_up(const struct machine *m)
{
    uint64_t counts[NR_FRAME_KINDS];
    view_kind_counts(m, counts);
    uint64_t cursor = 0, free = 0, pcp = 0;
    struct zone_view zone;
    while (view_next_zone(m, &cursor, &zone)) {
        free += zone.free;
        pcp += zone.pcp;
    }
    assert_int_equal(free, counts[FRAME_FREE]);
    uint64_t pages_free = zone_sum(m, "pages free"), managed = zone_sum(m, "managed");
    assert_int_equal(meminfo(m, "MemTotal:"), managed * 4);
    assert_int_equal(meminfo(m, "MemFree:"), pages_free * 4);
    assert_int_equal(vmstat(m, "nr_free_pages"), pages_free);
    assert_int_equal(zone_sum(m, "count:"), pcp);
    assert_int_equal(meminfo(m, "AnonPages:"), counts[FRAME_ANON] * 4);
    assert_int_equal(meminfo(m, "VmallocUsed:"), counts[FRAME_VMALLOC] * 4);
    assert_int_equal(meminfo(m, "Slab:"), meminfo(m, "SReclaimable:") + meminfo(m, "SUnreclaim:"));
    uint64_t lru = vmstat(m, "nr_inactive_anon") + vmstat(m, "nr_active_anon") + vmstat(m, "nr_unevictable");
    assert_int_equal(lru, counts[FRAME_ANON]);
    assert_int_equal(zone_sum(m, "nr_zone_inactive_anon"), vmstat(m, "nr_inactive_anon"));
    assert_int_equal(zone_sum(m, "nr_zone_active_anon"), vmstat(m, "nr_active_anon"));
}

/* Pages that went out and did not come back are those in use. */
static void counters_add_up(const struct machine *m)
{
    uint64_t counts[NR_FRAME_KINDS];
    view_kind_counts(m, counts);
    uint64_t out = vmstat(m, "pgalloc_dma") + vmstat(m, "pgalloc_dma32") + vmstat(m, "pgalloc_normal");
    assert_int_equal(out - vmstat(m, "pgfree"), zone_sum(m, "managed") - counts[FRAME_FREE] - counts[FRAME_PCP]);
    assert_int_equal(vmstat(m, "numa_hit"), zone_sum(m, "numa_hit"));
    assert_true(vmstat(m, "numa_hit") <= out);
}

static void buddyinfo_is_what_zones_show(const struct machine *m)
{
    uint64_t cursor = 0;
    struct zone_view zone;
    char word[64];
    while (view_next_zone(m, &cursor, &zone)) {
        (void)snprintf(word, sizeof word, "Node 0, zone %8s ", zone.name);
        const char *line = strstr(proc(m, "buddyinfo"), word);
        assert_non_null(line);
        char *at = (char *)(uintptr_t)line + strlen(word);
        for (uint32_t order = 0; order < zone.nr_orders; order++) {
            uint64_t blocks = 0;
            for (uint32_t type = 0; type < VIEW_MIGRATETYPES; type++)
                blocks += zone.nr_free[order][type];
            assert_int_equal(strtoull(at, &at, 10), blocks);
        }
    }
}

/* page-types' question, put to kpageflags: what is this page. */
static void flags_tell_the_kind(const struct machine *m)
{
    uint32_t nr = view_nr_frames(m);
    assert_true(procfs_read_kpageflags(m, 0, nr, empty_sink()));
    assert_int_equal(sink.length, (size_t)nr * 8);
    const uint8_t *words = (const uint8_t *)sink.text;
    uint64_t cursor = 0;
    struct frame_run run;
    while (view_next_frame_run(m, &cursor, &run)) {
        for (uint32_t pfn = run.pfn; pfn < run.pfn + run.count; pfn++) {
            uint64_t flags = 0;
            for (unsigned i = 0; i < 8; i++)
                flags |= (uint64_t)words[pfn * 8 + i] << 8 * i;
            assert_int_equal(!!(flags & BIT(BUDDY)), run.kind == FRAME_FREE);
            assert_int_equal(!!(flags & BIT(SLAB)), run.kind == FRAME_SLAB);
            assert_int_equal(!!(flags & BIT(ANON)), run.kind == FRAME_ANON);
            assert_int_equal(!!(flags & BIT(RESERVED)), run.kind == FRAME_RESERVED);
            assert_int_equal(!!(flags & BIT(NOPAGE)), run.kind == FRAME_NONE);
            assert_true(!(flags & BIT(PGTABLE)) || run.kind == FRAME_PGTABLE);
            if (run.kind == FRAME_SLAB && run.order)
                assert_int_equal(flags & (BIT(HEAD) | BIT(TAIL)), pfn == run.pfn ? BIT(HEAD) : BIT(TAIL));
        }
    }
}

static struct op random_op(struct fixture_random *random, uint32_t pid, uint64_t address)
{
    static const enum op_kind KINDS[] = { OP_KMALLOC, OP_VMALLOC, OP_ALLOC_PAGES, OP_MALLOC };
    enum op_kind kind = KINDS[fixture_random_below(random, 4)];
    uint64_t size = fixture_random_below(random, 20000) + 1;
    (void)address;
    if (kind == OP_ALLOC_PAGES)
        return pages((uint32_t)fixture_random_below(random, 6));
    return kind == OP_MALLOC ? fixture_user(kind, pid, size) : fixture_alloc(kind, size, 0);
}

static struct op release_of(const struct allocation_view *live)
{
    enum op_kind kind = OP_KFREE;
    (void)op_kind_find(live->release, strlen(live->release), &kind);
    struct op op = fixture_free(kind, live->address);
    if (live->pid) {
        op.pid = live->pid;
        op.given |= OP_BIT(PID);
    }
    if (kind == OP_FREE_PAGES) {
        op.order = (uint8_t)live->order;
        op.given |= OP_BIT(ORDER);
    }
    return op;
}

static void everything_agrees_after_random_operations(void **state)
{
    (void)state;
    struct fixture_random random = { fixture_seed() };
    struct machine_config config = { .profile = PROFILE_LINUX_6_1, .memory = UINT64_C(96) << 20, .cpus = 2 };
    struct machine *m = fixture_machine_of(&config);
    uint32_t pid = spawn(m, "sh");
    for (uint32_t i = 0; i < 300; i++) {
        struct allocation_view live;
        uint64_t cursor = fixture_random_below(&random, 2) ? 0 : UINT64_MAX;
        if (cursor == 0 && fixture_random_below(&random, 2) && view_next_allocation(m, &cursor, &live))
            fixture_apply(m, release_of(&live));
        else
            fixture_apply(m, random_op(&random, pid, 0));
        if (i % 20)
            continue;
        memory_adds_up(m);
        counters_add_up(m);
        buddyinfo_is_what_zones_show(m);
        flags_tell_the_kind(m);
    }
    machine_destroy(m);
}

static void a_machine_with_a_hole_has_pages_below_and_above(void **state)
{
    (void)state;
    struct machine *m = fixture_machine("linux-6.1", UINT64_C(4) << 30);
    memory_adds_up(m);
    buddyinfo_is_what_zones_show(m);
    /* 3 GiB below the hole, 1 GiB above 4 GiB: 2 MiB blocks of each, and none between */
    const char *text = proc(m, "pagetypeinfo");
    const char *line = strstr(strstr(text, "Number of blocks type"), "zone    DMA32 ");
    assert_int_equal(number_in(line, "zone    DMA32"), 0);
    char *at;
    uint64_t sum = strtoull(line + 14, &at, 10);
    for (int i = 0; i < 4; i++)
        sum += strtoull(at, &at, 10);
    assert_int_equal(sum, (UINT64_C(0xc0000) - 4096) / 512);
    uint8_t flags[8];
    assert_true(procfs_read_kpageflags(m, 0xd0000, 1, empty_sink()));
    assert_int_equal(sink.length, 8);
    memcpy(flags, sink.text, 8);
    assert_int_equal(flags[NOPAGE / 8], 1 << NOPAGE % 8);
    machine_destroy(m);
}

static void events_are_counted_where_they_happen(void **state)
{
    (void)state;
    struct machine *m = fixture_machine("linux-6.1", 0);
    uint64_t pgalloc = vmstat(m, "pgalloc_dma32"), hits = vmstat(m, "numa_hit"), freed = vmstat(m, "pgfree");
    uint64_t address = get(m, pages(3));
    assert_int_equal(vmstat(m, "pgalloc_dma32"), pgalloc + 8);
    assert_int_equal(vmstat(m, "numa_hit"), hits + 1);
    struct op op = fixture_free(OP_FREE_PAGES, address);
    op.order = 3;
    op.given |= OP_BIT(ORDER);
    fixture_apply(m, op);
    assert_int_equal(vmstat(m, "pgfree"), freed + 8);
    op = pages(0);
    op.gfp = GFP_KERNEL | __GFP_DMA;
    op.given |= OP_BIT(GFP);
    uint64_t dma = vmstat(m, "pgalloc_dma");
    get(m, op);
    assert_int_equal(vmstat(m, "pgalloc_dma"), dma + 1);
    uint32_t pid = spawn(m, "sh");
    uint64_t mapping = map(m, pid, 65536), faults = vmstat(m, "pgfault");
    fill(m, pid, mapping, 3 * 4096);
    assert_int_equal(vmstat(m, "pgfault"), faults + 3);
    assert_int_equal(vmstat(m, "pgmajfault"), 0);
    machine_destroy(m);
}

static void pressure_shows_in_counters(void **state)
{
    (void)state;
    struct machine *m = swapping_machine(UINT64_C(64) << 20, UINT64_C(64) << 20);
    uint32_t pid = spawn(m, "hog");
    uint64_t mapping = map(m, pid, UINT64_C(80) << 20);
    for (uint64_t at = 0; at < UINT64_C(80) << 20; at += 65536)
        fill(m, pid, mapping + at, 65536);
    fill(m, pid, mapping, 65536);
    uint64_t out = vmstat(m, "pswpout"), in = vmstat(m, "pswpin");
    assert_true(out > 0 && in > 0);
    assert_int_equal(vmstat(m, "pgmajfault"), in);
    assert_int_equal(vmstat(m, "pgsteal_kswapd") + vmstat(m, "pgsteal_direct"), out);
    assert_int_equal(vmstat(m, "pgsteal_anon"), out);
    assert_int_equal(vmstat(m, "pgscan_kswapd") + vmstat(m, "pgscan_direct"), vmstat(m, "pgscan_anon"));
    assert_true(vmstat(m, "pgscan_anon") >= out);
    assert_int_equal(vmstat(m, "nr_vmscan_write"), out);
    assert_int_equal(meminfo(m, "SwapTotal:"), 65536);
    struct stats_view stats;
    view_stats(m, &stats);
    assert_int_equal(meminfo(m, "SwapFree:"), (stats.swap_total_pages - stats.swap_used_pages) * 4);
    assert_int_equal(number_in(proc_of(m, pid, "status"), "VmSwap:"), stats.swap_used_pages * 4);
    memory_adds_up(m);
    machine_destroy(m);
}

static void locked_pages_are_unevictable(void **state)
{
    (void)state;
    struct machine *m = fixture_machine("linux-6.1", 0);
    uint32_t pid = spawn(m, "sh");
    uint64_t mapping = map(m, pid, 16 * 4096);
    fill(m, pid, mapping, 8 * 4096);
    uint64_t anon = vmstat(m, "nr_inactive_anon") + vmstat(m, "nr_active_anon");
    struct op op = fixture_free(OP_MLOCK, mapping);
    op.pid = pid;
    op.length = 3 * 4096;
    op.given |= OP_BIT(PID) | OP_BIT(LENGTH);
    fixture_apply(m, op);
    assert_int_equal(meminfo(m, "Mlocked:"), 12);
    assert_int_equal(meminfo(m, "Unevictable:"), 12);
    assert_int_equal(vmstat(m, "nr_mlock"), 3);
    assert_int_equal(zone_sum(m, "nr_zone_unevictable"), 3);
    assert_int_equal(vmstat(m, "nr_inactive_anon") + vmstat(m, "nr_active_anon"), anon - 3);
    assert_int_equal(number_in(proc_of(m, pid, "status"), "VmLck:"), 12);
    assert_int_equal(sum_of(proc_of(m, pid, "smaps"), "Locked:"), 12);
    memory_adds_up(m);
    machine_destroy(m);
}

static void oom_kills_are_counted(void **state)
{
    (void)state;
    struct machine *m = swapping_machine(UINT64_C(64) << 20, 0);
    uint32_t pid = spawn(m, "hog");
    uint64_t part = UINT64_C(16) << 20;
    for (uint64_t at = 0, mapping = 0; vmstat(m, "oom_kill") == 0 && at < 5 * part; at += 65536) {
        mapping = at % part ? mapping : map(m, pid, part);
        struct op op = fixture_free(OP_WRITE, mapping + at % part);
        op.pid = pid;
        op.fill = 1;
        op.length = 65536;
        op.given |= OP_BIT(PID) | OP_BIT(FILL) | OP_BIT(LENGTH);
        fixture_apply(m, op);
    }
    struct stats_view stats;
    view_stats(m, &stats);
    assert_int_equal(stats.nr_oom_kills, 1);
    assert_int_equal(vmstat(m, "oom_kill"), 1);
    assert_true(vmstat(m, "allocstall_movable") + vmstat(m, "allocstall_normal") > 0);
    machine_destroy(m);
}

/* --- slabs, vmalloc --- */

static void make_cache(struct machine *m, enum op_kind kind, const char *name)
{
    struct op op = fixture_op(kind);
    op.cache = fixture_text(name);
    op.given |= OP_BIT(CACHE);
    if (kind == OP_KMEM_CACHE_CREATE) {
        op.size = 100;
        op.given |= OP_BIT(SIZE);
    }
    assert_int_equal(fixture_apply(m, op)->outcome, OUTCOME_OK);
}
/* The name that begins the line nr lines behind the two of the head. */
static const char *cache_line(const struct machine *m, unsigned nr)
{
    static char name[32];
    const char *line = proc(m, "slabinfo");
    for (nr += 2; nr--;)
        line = strchr(line, '\n') + 1;
    (void)sscanf(line, "%31s", name);
    return name;
}

static void caches_are_listed_newest_first(void **state)
{
    (void)state;
    struct machine *m = fixture_machine("linux-6.1", 0);
    assert_string_equal(cache_line(m, 0), "dma-kmalloc-8k");
    assert_string_equal(cache_line(m, 13), "kmalloc-rcl-8k");
    assert_string_equal(cache_line(m, 26), "kmalloc-cg-8k");
    make_cache(m, OP_KMEM_CACHE_CREATE, "one");
    make_cache(m, OP_KMEM_CACHE_CREATE, "two");
    make_cache(m, OP_KMEM_CACHE_DESTROY, "one");
    make_cache(m, OP_KMEM_CACHE_CREATE, "three"); /* takes the record of the first */
    assert_string_equal(cache_line(m, 0), "three");
    assert_string_equal(cache_line(m, 1), "two");
    assert_string_equal(cache_line(m, 2), "dma-kmalloc-8k");
    machine_destroy(m);
}

static void slabinfo_counts_objects_as_slub_does(void **state)
{
    (void)state;
    struct machine *m = fixture_machine("linux-6.1", 0);
    uint64_t blocks[20];
    for (int i = 0; i < 20; i++)
        blocks[i] = get(m, fixture_alloc(OP_KMALLOC, 500, 0)); /* kmalloc-512: 8 objects a slab */
    assert_true(has_line(
        proc(m, "slabinfo"),
        "kmalloc-512           24     24    512    8    1 : tunables    0    0    0 : slabdata      3      3      0"));
    assert_true(has_line(
        proc(m, "slabinfo"),
        "kmalloc-8k             0      0   8192    4    8 : tunables    0    0    0 : slabdata      0      0      0"));
    /* free objects of the CPU's slabs count as active, those of slabs on the node's list do not */
    uint64_t active = number_in(proc(m, "slabinfo"), "kmalloc-512 ");
    fixture_apply(m, fixture_free(OP_KFREE, blocks[0]));
    assert_int_equal(number_in(proc(m, "slabinfo"), "kmalloc-512 "), active);
    uint64_t unreclaim = meminfo(m, "SUnreclaim:");
    uint64_t large = get(m, fixture_alloc(OP_KMALLOC, 20000, 0)); /* order 3 from the page allocator */
    assert_int_equal(meminfo(m, "SUnreclaim:"), unreclaim + 32);
    fixture_apply(m, fixture_free(OP_KFREE, large));
    assert_int_equal(meminfo(m, "SUnreclaim:"), unreclaim);
    get(m, fixture_alloc(OP_KMALLOC, 64, GFP_KERNEL | __GFP_RECLAIMABLE));
    assert_int_equal(meminfo(m, "SReclaimable:"), 4);
    assert_int_equal(meminfo(m, "SUnreclaim:"), unreclaim);
    machine_destroy(m);
}

static void areas_are_listed_with_their_callers(void **state)
{
    (void)state;
    struct machine *m = fixture_machine("linux-6.1", 0);
    struct op op = fixture_alloc(OP_VMALLOC, 12288, 0);
    op.call_site = fixture_text("load_module+0x1b6/0x1d0");
    op.given |= OP_BIT(CALL_SITE);
    get(m, op);
    get(m, fixture_alloc(OP_VMALLOC, 4096 * 513, 0));
    uint64_t last = get(m, fixture_alloc(OP_VMALLOC, 4096, 0));
    fixture_apply(m, fixture_free(OP_VFREE, last));
    assert_string_equal(proc(m, "vmallocinfo"),
                        "0xffffc90000000000-0xffffc90000004000   16384 load_module+0x1b6/0x1d0 pages=3 vmalloc N0=3\n"
                        "0xffffc90000004000-0xffffc90000206000 2105344 vmalloc pages=513 vmalloc vpages N0=513\n"
                        "0xffffc90000206000-0xffffc90000209000   12288 vmalloc pages=2 vmalloc N0=2\n"
                        "0xffffc90000209000-0xffffc9000020b000    8192 unpurged vm_area\n");
    machine_destroy(m);
}

/* --- processes --- */

static void maps_have_the_columns_of_linux(void **state)
{
    (void)state;
    struct machine *m = fixture_machine("linux-6.1", 0);
    uint32_t pid = spawn(m, "sh");
    struct op op = fixture_op(OP_MMAP);
    op.pid = pid;
    op.length = 8192;
    op.name = fixture_text("m");
    op.given = OP_BIT(PID) | OP_BIT(LENGTH) | OP_BIT(NAME);
    uint64_t named = get(m, op), plain = map(m, pid, 4096);
    const char *text = proc_of(m, pid, "maps");
    char want[160];
    (void)snprintf(want, sizeof want, "%08llx-%08llx rw-p 00000000 00:00 0 %24s %s", (unsigned long long)named,
                   (unsigned long long)named + 8192, "", "[anon:m]");
    assert_true(has_line(text, want));
    (void)snprintf(want, sizeof want, "%08llx-%08llx rw-p 00000000 00:00 0 ", (unsigned long long)plain,
                   (unsigned long long)plain + 4096);
    assert_true(has_line(text, want));
    assert_non_null(strstr(text, " [stack]\n"));
    for (const char *line = text; *line; line = strchr(line, '\n') + 1) {
        const char *name = strpbrk(line, "[/\n");
        if (*name != '\n')
            assert_int_equal(name - line, 73);
    }
    machine_destroy(m);
}

static void maps_name_files_and_places_in_them(void **state)
{
    (void)state;
    struct machine *m = fixture_machine("linux-6.1", 0);
    uint32_t pid = spawn(m, "sh");
    const char *maps = proc_of(m, pid, "maps");
    assert_true(has_line(maps, "555555554000-555555555000 r--p 00000000 00:00 0                          /sh"));
    assert_true(has_line(maps, "55555555f000-555555560000 r--p 0000a000 00:00 0                          /sh"));
    assert_non_null(strstr(maps, " r-xp 00026000 00:00 0                          /usr/lib/x86_64-linux-gnu/libc.so.6\n"));
    assert_non_null(strstr(maps, " r-xp 00001000 00:00 0                          /usr/lib/x86_64-linux-gnu/ld-linux"));
    assert_non_null(strstr(maps, " r--p 00000000 00:00 0                          [vvar]\n"));
    assert_non_null(strstr(maps, " r-xp 00000000 00:00 0                          [vdso]\n"));
    static const char *const FLAGS[][2] = {
        { "\n555555555000-", "rd ex mr mw me sd " },    /* the program's code: nobody's memory */
        { "\n55555555f000-", "rd mr mw me ac sd " },    /* was writable while the loader worked */
        { "\n555555560000-", "rd wr mr mw me ac sd " }, /* data */
        { "[vvar]\n", "rd mr pf io de dd sd " },        /* not memory, but the kernel's own pages */
        { "[vdso]\n", "rd ex mr mw me de sd " },        { "[stack]\n", "rd wr mr mw me gd ac sd " },
    };
    const char *smaps = proc_of(m, pid, "smaps");
    for (size_t i = 0; i < sizeof FLAGS / sizeof FLAGS[0]; i++) {
        const char *at = strstr(smaps, FLAGS[i][0]);
        assert_non_null(at);
        at = strstr(at, "VmFlags: ") + strlen("VmFlags: ");
        assert_memory_equal(at, FLAGS[i][1], strlen(FLAGS[i][1]));
        assert_int_equal(at[strlen(FLAGS[i][1])], '\n');
    }
    machine_destroy(m);
}

/* [start, end) of a line; false: the text is at its end. */
static bool take_range(const char **line, uint64_t *start, uint64_t *end)
{
    if (!**line)
        return false;
    char *behind;
    *start = strtoull(*line, &behind, 16);
    *end = strtoull(behind + 1, NULL, 16);
    *line = strchr(*line, '\n') + 1;
    return true;
}

/* What malloc maps lies against the main thread's storage, and Linux makes one VMA of both. */
static void what_linux_merges_is_one_line(void **state)
{
    (void)state;
    struct machine *m = fixture_machine("linux-6.1", 0);
    uint32_t pid = spawn(m, "sh");
    uint64_t block = get(m, fixture_user(OP_MALLOC, pid, 300000)), start, end, cursor = 0;
    uint32_t nr_lines = 0, nr_views = 0;
    struct map_view view;
    const char *line = proc_of(m, pid, "maps");
    bool is_found = false;
    for (; take_range(&line, &start, &end); nr_lines++) { /* each line is some of the views, whole */
        assert_true(view_next_map(m, pid, &cursor, &view));
        assert_int_equal(view.start, start);
        for (nr_views++; view.end < end; nr_views++)
            assert_true(view_next_map(m, pid, &cursor, &view));
        assert_int_equal(view.end, end);
        is_found = is_found || (start == (block & ~UINT64_C(4095)) && end - start == (74 + 3) * 4096);
    }
    assert_false(view_next_map(m, pid, &cursor, &view));
    assert_true(is_found);
    assert_int_equal(nr_views, nr_lines + 1);
    uint64_t size = sum_of(proc_of(m, pid, "smaps"), "Size:"), rss = sum_of(sink.text, "Rss:");
    assert_int_equal(number_in(proc_of(m, pid, "status"), "VmSize:"), size);
    assert_int_equal(number_in(sink.text, "VmRSS:"), rss);
    assert_int_not_equal(rss, 0);
    machine_destroy(m);
}

static void status_tells_code_from_libraries(void **state)
{
    (void)state;
    struct machine *m = fixture_machine("linux-6.1", 0);
    uint32_t pid = spawn(m, "sh");
    const char *status = proc_of(m, pid, "status");
    assert_int_equal(number_in(status, "VmExe:"), 32);
    assert_int_equal(number_in(status, "VmLib:"), (0x156 + 0x26 + 2) * 4); /* libc, loader, [vdso] */
    assert_int_equal(number_in(status, "VmStk:"), 132);
    machine_destroy(m);
}

static void pages_of_a_process_are_told_alike_everywhere(void **state)
{
    (void)state;
    struct machine *m = fixture_machine("linux-6.1", 0);
    uint32_t pid = spawn(m, "sh");
    uint64_t mapping = map(m, pid, 16 * 4096);
    fill(m, pid, mapping, 5 * 4096);
    struct op read = fixture_free(OP_READ, mapping + 6 * 4096); /* the zero page: nobody's */
    read.pid = pid;
    read.length = 1;
    read.given |= OP_BIT(PID) | OP_BIT(LENGTH);
    fixture_apply(m, read);
    const char *smaps = proc_of(m, pid, "smaps");
    assert_int_equal(sum_of(smaps, "Rss:"), 20);
    assert_int_equal(sum_of(smaps, "Private_Dirty:"), 20);
    assert_int_equal(sum_of(smaps, "Pss:"), 20);
    assert_int_equal(sum_of(smaps, "Anonymous:"), 20);
    assert_non_null(strstr(smaps, "\nVmFlags: rd wr mr mw me ac sd \n"));
    assert_int_equal(number_in(proc_of(m, pid, "status"), "VmRSS:"), 20);
    assert_int_equal(number_in(proc_of(m, pid, "status"), "VmHWM:"), 20);
    assert_true(procfs_read_pagemap(m, pid, (struct procfs_pages){ mapping, 16 }, empty_sink()));
    assert_int_equal(sink.length, 16 * 8);
    for (uint32_t i = 0; i < 16; i++) {
        struct translation where;
        uint64_t word = 0;
        memcpy(&word, sink.text + 8 * i, 8);
        view_translate(m, mapping + i * 4096, pid, &where);
        assert_int_equal(word >> 63, where.present);
        assert_int_equal(word & (BIT(55) - 1), where.present ? where.pfn : 0);
        assert_int_equal(word >> 56 & 1, i < 5); /* mapped by this process alone */
        assert_int_equal(word >> 55 & 1, 1);
    }
    machine_destroy(m);
}

static void shared_pages_count_in_parts(void **state)
{
    (void)state;
    struct machine *m = fixture_machine("linux-6.1", 0);
    uint32_t pid = spawn(m, "sh");
    fill(m, pid, map(m, pid, 8 * 4096), 8 * 4096);
    struct op op = fixture_op(OP_FORK);
    op.pid = pid;
    op.given = OP_BIT(PID);
    uint32_t child = fixture_apply(m, op)->pid;
    assert_int_equal(sum_of(proc_of(m, child, "smaps"), "Rss:"), 32);
    assert_int_equal(sum_of(proc_of(m, child, "smaps"), "Pss:"), 16);
    assert_int_equal(sum_of(proc_of(m, child, "smaps"), "Shared_Dirty:"), 32);
    assert_int_equal(sum_of(proc_of(m, pid, "smaps"), "Private_Dirty:"), 0);
    char want[32];
    (void)snprintf(want, sizeof want, "PPid:\t%u", pid);
    assert_true(has_line(proc_of(m, child, "status"), want));
    uint64_t count = 0;
    assert_true(procfs_read_kpagecount(m, 0, view_nr_frames(m), empty_sink()));
    for (size_t i = 0; i < sink.length; i += 8)
        count += (uint8_t)sink.text[i];
    assert_int_equal(count, 16); /* eight frames, two mappings each */
    machine_destroy(m);
}

static void peaks_outlast_what_made_them(void **state)
{
    (void)state;
    struct machine *m = fixture_machine("linux-6.1", 0);
    uint32_t pid = spawn(m, "sh");
    uint64_t size = number_in(proc_of(m, pid, "status"), "VmSize:");
    uint64_t mapping = map(m, pid, 64 * 4096);
    fill(m, pid, mapping, 64 * 1024);
    struct op op = fixture_free(OP_MUNMAP, mapping);
    op.pid = pid;
    op.length = 64 * 4096;
    op.given |= OP_BIT(PID) | OP_BIT(LENGTH);
    fixture_apply(m, op);
    const char *status = proc_of(m, pid, "status");
    assert_int_equal(number_in(status, "VmSize:"), size);
    assert_int_equal(number_in(status, "VmPeak:"), size + 256);
    assert_int_equal(number_in(status, "VmRSS:"), 0);
    assert_int_equal(number_in(status, "VmHWM:"), 64);
    machine_destroy(m);
}

/* --- who has what --- */

static void classic_has_the_meminfo_of_its_time(void **state)
{
    (void)state;
    struct machine *m = fixture_machine("classic", 0);
    uint64_t counts[NR_FRAME_KINDS];
    char want[512];
    get(m, fixture_alloc(OP_KMALLOC, 5000, 0));
    view_kind_counts(m, counts);
    uint64_t cursor = 0;
    struct zone_view zone;
    assert_true(view_next_zone(m, &cursor, &zone));
    unsigned long total = zone.managed * 4096ul, free = (unsigned long)counts[FRAME_FREE] * 4096;
    (void)snprintf(want, sizeof want,
                   "        total:    used:    free:  shared: buffers:  cached:\n"
                   "Mem:  %8lu %8lu %8lu %8lu %8lu %8lu\nSwap: %8lu %8lu %8lu\n"
                   "MemTotal:  %8lu kB\nMemFree:   %8lu kB\nMemShared: %8lu kB\nBuffers:   %8lu kB\n"
                   "Cached:    %8lu kB\nSwapTotal: %8lu kB\nSwapFree:  %8lu kB\n",
                   total, total - free, free, 0ul, 0ul, 0ul, 0ul, 0ul, 0ul, total >> 10, free >> 10, 0ul, 0ul, 0ul, 0ul,
                   0ul);
    assert_string_equal(proc(m, "meminfo"), want);
    static const char *const LATER[] = { "buddyinfo", "pagetypeinfo", "slabinfo", "vmallocinfo", "zoneinfo", "vmstat" };
    for (size_t i = 0; i < sizeof LATER / sizeof LATER[0]; i++) {
        assert_false(procfs_read(m, LATER[i], empty_sink()));
        assert_int_equal(sink.length, 0);
    }
    assert_false(procfs_read_kpageflags(m, 0, 1, empty_sink()));
    uint32_t pid = spawn(m, "sh");
    assert_true(has_line(proc_of(m, pid, "status"), "Name:\tsh"));
    assert_non_null(strstr(proc_of(m, pid, "maps"), " rw-p 00000000 00:00 0\n"));
    assert_false(procfs_read_process(m, pid, "smaps", empty_sink()));
    assert_false(procfs_read_pagemap(m, pid, (struct procfs_pages){ 0, 1 }, empty_sink()));
    machine_destroy(m);
}

static void names_are_those_that_can_be_read(void **state)
{
    (void)state;
    static const char *const PROFILES[] = { "classic", "linux-6.1" };
    for (unsigned i = 0; i < 2; i++) {
        struct machine *m = fixture_machine(PROFILES[i], 0);
        uint32_t pid = spawn(m, "sh"), nr = 0;
        uint64_t hash = machine_hash(m);
        const char *name;
        for (; (name = procfs_name(m, false, nr)); nr++)
            assert_true(procfs_read(m, name, empty_sink()) && (sink.length || strcmp(name, "vmallocinfo") == 0));
        assert_int_equal(nr, i ? 7 : 1);
        for (nr = 0; (name = procfs_name(m, true, nr)); nr++)
            assert_true(strcmp(name, "pagemap") == 0 || procfs_read_process(m, pid, name, empty_sink()));
        assert_int_equal(nr, i ? 4 : 2);
        assert_false(procfs_read(m, "", empty_sink()));
        assert_false(procfs_read(m, "maps", empty_sink()));
        assert_false(procfs_read_process(m, pid, "meminfo", empty_sink()));
        assert_false(procfs_read_process(m, pid + 1, "maps", empty_sink()));
        assert_false(procfs_read_process(m, 0, "maps", empty_sink()));
        assert_true(machine_hash(m) == hash); /* looking changed nothing */
        machine_destroy(m);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_are_padded_as_printf_does),
        cmocka_unit_test(long_texts_come_whole),
        cmocka_unit_test(names_cannot_break_lines),
        cmocka_unit_test(everything_agrees_after_random_operations),
        cmocka_unit_test(a_machine_with_a_hole_has_pages_below_and_above),
        cmocka_unit_test(events_are_counted_where_they_happen),
        cmocka_unit_test(pressure_shows_in_counters),
        cmocka_unit_test(locked_pages_are_unevictable),
        cmocka_unit_test(oom_kills_are_counted),
        cmocka_unit_test(caches_are_listed_newest_first),
        cmocka_unit_test(slabinfo_counts_objects_as_slub_does),
        cmocka_unit_test(areas_are_listed_with_their_callers),
        cmocka_unit_test(maps_have_the_columns_of_linux),
        cmocka_unit_test(maps_name_files_and_places_in_them),
        cmocka_unit_test(what_linux_merges_is_one_line),
        cmocka_unit_test(status_tells_code_from_libraries),
        cmocka_unit_test(pages_of_a_process_are_told_alike_everywhere),
        cmocka_unit_test(shared_pages_count_in_parts),
        cmocka_unit_test(peaks_outlast_what_made_them),
        cmocka_unit_test(classic_has_the_meminfo_of_its_time),
        cmocka_unit_test(names_are_those_that_can_be_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
