/* Boots a machine of the recorded size and compares what /proc/zoneinfo said of its zones: extent, watermarks, lowmem
 * reserves, per-CPU limits. The same for the extracts taken after writes to vm sysctls, and for what else tells of the
 * machine: /proc/iomem, the boot's messages, the sysctls. Memory and CPUs stand in
 * qemu-config.txt in the same directory. Numbers of free pages and statistics depend on what ran on that machine and are
 * not compared. */
#include "tests/truth/truth.h"
#include "alloc/page/boot_memory.h"
#include "tests/lib/floor_fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct zones_reader {
    struct page_floor *floor;
    struct truth_report *report;
    struct truth_file *file;
    const struct zone *zone; /* that the lines speak of; NULL: one without memory here */
    char zone_name[16];
    int64_t boost; /* part of the watermarks as printed */
    struct boot_memory boot;
    uint32_t nr_areas; /* of memory, that were compared */
};

/* --- the machine --- */

/* "DIR/qemu-config.txt" for "DIR/zoneinfo.txt". */
static struct truth_file *open_beside(const char *path, const char *name)
{
    char beside[4096];
    const char *slash = strrchr(path, '/');
    int length = slash ? (int)(slash - path) + 1 : 0;
    (void)snprintf(beside, sizeof beside, "%.*s%s", length, path, name);
    return truth_open(beside);
}

/* Its length counts at boot; recordings without one had the default's. */
static void read_boot_line(const char *path, struct machine_config *config)
{
    struct truth_file *file = open_beside(path, "boot-cmdline.txt");
    char *line;
    size_t nr;
    if (file && truth_next_line(file, &line, &nr)) {
        config->cmdline_length = (uint32_t)strlen(line);
        config->transparent_hugepage_never = strstr(line, "transparent_hugepage=never") != NULL;
    }
    truth_close(file);
}

static bool read_size(const char *path, struct machine_config *config)
{
    struct truth_file *file = open_beside(path, "qemu-config.txt");
    char *line;
    size_t nr;
    if (!file || !truth_next_line(file, &line, &nr)) {
        truth_close(file);
        return false;
    }
    const char *memory = strstr(line, "mem="), *cpus = strstr(line, "smp=");
    const char *limit = strstr(line, "max-ram-below-4g=");
    config->max_ram_below_4g = limit ? strtoull(limit + 17, NULL, 10) << 20 : 0;
    if (memory && cpus) {
        char *unit;
        config->memory = strtoull(memory + 4, &unit, 10);
        config->memory <<= *unit == 'G' ? 30 : 20;
        config->cpus = (uint32_t)strtoul(cpus + 4, NULL, 10);
    }
    truth_close(file);
    read_boot_line(path, config);
    return config->memory >= UINT64_C(32) << 20 && config->memory <= UINT64_C(64) << 30 && config->cpus &&
           config->cpus <= 64;
}

static bool open_reader(const char *path, struct truth_report *report, struct zones_reader *reader)
{
    struct machine_config config = { .profile = PROFILE_LINUX_6_1 };
    memset(report, 0, sizeof *report);
    memset(reader, 0, sizeof *reader);
    report->end_state_identical = true;
    reader->report = report;
    if (!read_size(path, &config)) {
        (void)snprintf(report->note, sizeof report->note, "no qemu-config.txt beside it tells the size of the machine");
        return false;
    }
    if (machine_config_complete(&config, NULL))
        return false;
    reader->file = truth_open(path);
    reader->floor = page_floor_open(&config);
    boot_memory_map(&reader->boot, &config);
    if (reader->file && reader->floor)
        return true;
    (void)snprintf(report->note, sizeof report->note, "it cannot be read");
    return false;
}

static int close_reader(struct zones_reader *reader, bool opened)
{
    bool ok = opened && !truth_is_damaged(reader->file) && reader->report->nr_operations;
    truth_close(reader->file);
    page_floor_close(reader->floor);
    return ok ? 0 : -1;
}

/* --- one line of zoneinfo --- */

static void compare(struct zones_reader *reader, const char *what, int64_t want, int64_t got)
{
    struct truth_report *report = reader->report;
    report->nr_operations++;
    report->nr_identical += want == got;
    if (want != got && !report->first_difference[0])
        (void)snprintf(
            report->first_difference, sizeof report->first_difference, "line %llu: zone %s, %s: expected %lld, got %lld",
            (unsigned long long)truth_line_number(reader->file), reader->zone_name, what, (long long)want, (long long)got);
}

static void enter_zone(struct zones_reader *reader, const char *name)
{
    const struct page_alloc *pa = &reader->floor->pages;
    (void)snprintf(reader->zone_name, sizeof reader->zone_name, "%s", name);
    reader->zone = NULL;
    reader->boost = 0;
    for (uint32_t i = 0; i < pa->nr_zones; i++)
        if (strcmp(pa->zones[i].name, name) == 0)
            reader->zone = &pa->zones[i];
}

static void compare_reserves(struct zones_reader *reader, const char *list)
{
    char *end;
    for (uint32_t i = 0; i < 4; i++, list = end) {
        list += strspn(list, "(, ");
        compare(reader, "protection", strtoll(list, &end, 10), reader->zone->lowmem_reserve[i]);
    }
}

static void read_zone_line(struct zones_reader *reader, const char *line)
{
    const struct zone *zone = reader->zone;
    if (!zone)
        return;
    const struct {
        const char *key;
        int64_t value;
        bool has_boost; /* zoneinfo prints it with the boost added */
    } FIELDS[] = {
        { "min", zone->min, true },
        { "low", zone->low, true },
        { "high", zone->high, true },
        { "spanned", zone->spanned, false },
        { "present", zone->present, false },
        { "managed", zone->managed, false },
        { "high:", zone->pageset_high, false },
        { "batch:", zone->pageset_batch, false },
        { "vm stats threshold:", zone->stat_threshold, false },
        { "start_pfn:", zone->start_pfn, false },
    };
    line += strspn(line, " ");
    if (strncmp(line, "boost ", 6) == 0)
        reader->boost = strtoll(line + 6, NULL, 10);
    if (strncmp(line, "protection: ", 12) == 0)
        compare_reserves(reader, line + 12);
    for (size_t i = 0; i < sizeof FIELDS / sizeof FIELDS[0]; i++) {
        size_t length = strlen(FIELDS[i].key);
        if (strncmp(line, FIELDS[i].key, length) == 0 && line[length] == ' ')
            compare(reader, FIELDS[i].key, strtoll(line + length, NULL, 10) - (FIELDS[i].has_boost ? reader->boost : 0),
                    FIELDS[i].value);
    }
}

static bool read_line(struct zones_reader *reader, const char *line)
{
    char name[16];
    if (sscanf(line, "Node 0, zone %15s", name) == 1)
        enter_zone(reader, name);
    else if (line[0] == ' ')
        read_zone_line(reader, line);
    else
        return false;
    return true;
}

/* Reading lowmem_reserve_ratio sets the lowmem reserves up, as writing it does. */
static void read_sysctls(struct zones_reader *reader)
{
    struct page_alloc *pa = &reader->floor->pages;
    page_alloc_set_reserve_ratio(pa, pa->lowmem_reserve_ratio);
}

static int read_zoneinfo(const char *path, struct truth_report *report, bool is_later)
{
    struct zones_reader reader;
    char *line;
    size_t length;
    bool opened = open_reader(path, report, &reader);
    if (opened && is_later)
        read_sysctls(&reader);
    while (opened && truth_next_line(reader.file, &line, &length))
        (void)read_line(&reader, line);
    return close_reader(&reader, opened);
}

int truth_zoneinfo(const char *path, struct truth_report *report)
{
    return read_zoneinfo(path, report, false);
}

int truth_zoneinfo_later(const char *path, struct truth_report *report)
{
    return read_zoneinfo(path, report, true);
}

/* --- sysctls --- */

/* "min_free_kbytes 4096": what was written before the next extract. */
static void write_sysctl(struct zones_reader *reader, const char *line)
{
    struct page_alloc *pa = &reader->floor->pages;
    uint32_t n[3] = { 0 };
    char name[64];
    int nr = sscanf(line, "%63s %u %u %u", name, &n[0], &n[1], &n[2]);
    if (nr >= 2 && strcmp(name, "min_free_kbytes") == 0)
        page_alloc_set_min_free(pa, n[0]);
    else if (nr >= 2 && strcmp(name, "watermark_scale_factor") == 0)
        page_alloc_set_scale(pa, n[0]);
    else if (nr >= 2 && strcmp(name, "percpu_pagelist_high_fraction") == 0)
        page_alloc_set_pcp_fraction(pa, n[0]);
    else if (nr == 4 && strcmp(name, "lowmem_reserve_ratio") == 0)
        page_alloc_set_reserve_ratio(pa, n);
    else
        (void)snprintf(reader->report->note, sizeof reader->report->note, "unknown sysctl: %.80s", line);
}

int truth_sysctl_effects(const char *path, struct truth_report *report)
{
    struct zones_reader reader;
    char *line;
    size_t length;
    bool opened = open_reader(path, report, &reader);
    if (opened) /* the recorder read every one before it wrote the first */
        read_sysctls(&reader);
    while (opened && truth_next_line(reader.file, &line, &length))
        if (line[0] && !read_line(&reader, line))
            write_sysctl(&reader, line);
    return close_reader(&reader, opened);
}

/* --- what the machine printed at boot, and how it was set up --- */

/* The next area of memory is [start, end]. Linux rounds areas to whole pages. */
static void compare_area(struct zones_reader *reader, uint64_t start, uint64_t end)
{
    const uint64_t page = PAGE_SIZE;
    const struct memblock *block = &reader->boot.block;
    bool exists = reader->nr_areas < block->nr_areas;
    const struct memblock_range none = { 0 }, *area = exists ? &block->areas[reader->nr_areas] : &none;
    compare(reader, "start of memory", (int64_t)((start + page - 1) & ~(page - 1)), (int64_t)area->start);
    compare(reader, "end of memory", (int64_t)((end + 1) & ~(page - 1)), (int64_t)area->end);
    reader->nr_areas++;
}

static void compare_all_areas(struct zones_reader *reader)
{
    compare(reader, "areas of memory", reader->nr_areas, reader->boot.block.nr_areas);
}

/* "00100000-0ffdffff : System RAM" */
static void read_iomem_line(struct zones_reader *reader, const char *line)
{
    unsigned long long start, end;
    if (line[0] != ' ' && strstr(line, " : System RAM") && sscanf(line, "%llx-%llx", &start, &end) == 2)
        compare_area(reader, start, end);
}

/* "Early memory node ranges": "  node   0: [mem 0x0000000000001000-0x000000000009efff]"; "Memory: 207548K/1023480K
 * available": the second number is all that the zones have. */
static void read_dmesg_line(struct zones_reader *reader, const char *line)
{
    unsigned long long start, end, available;
    const char *node = strstr(line, "  node   0: [mem "), *memory = strstr(line, "] Memory: ");
    if (node && sscanf(node, "  node   0: [mem %llx-%llx]", &start, &end) == 2)
        compare_area(reader, start, end);
    if (!memory || sscanf(memory, "] Memory: %lluK/%lluK", &available, &end) != 2)
        return;
    uint64_t present = 0;
    for (uint32_t i = 0; i < reader->floor->pages.nr_zones; i++)
        present += reader->floor->pages.zones[i].present;
    compare(reader, "Memory", (int64_t)end, (int64_t)(present * (PAGE_SIZE / 1024)));
}

/* "vm.min_free_kbytes = 45056" */
static void read_sysctl_line(struct zones_reader *reader, const char *line)
{
    const struct page_alloc *pa = &reader->floor->pages;
    unsigned n[3];
    if (sscanf(line, "vm.min_free_kbytes = %u", &n[0]) == 1)
        compare(reader, "min_free_kbytes", n[0], pa->min_free_kbytes);
    else if (sscanf(line, "vm.watermark_scale_factor = %u", &n[0]) == 1)
        compare(reader, "watermark_scale_factor", n[0], pa->watermark_scale_factor);
    else if (sscanf(line, "vm.percpu_pagelist_high_fraction = %u", &n[0]) == 1)
        compare(reader, "percpu_pagelist_high_fraction", n[0], pa->percpu_pagelist_high_fraction);
    else if (sscanf(line, "vm.lowmem_reserve_ratio = %u %u %u", &n[0], &n[1], &n[2]) == 3)
        for (unsigned i = 0; i < 3; i++)
            compare(reader, "lowmem_reserve_ratio", n[i], pa->lowmem_reserve_ratio[i]);
}

static int read_boot_file(const char *path, struct truth_report *report, bool has_areas,
                          void (*read)(struct zones_reader *reader, const char *line))
{
    struct zones_reader reader;
    char *line;
    size_t length;
    bool opened = open_reader(path, report, &reader);
    while (opened && truth_next_line(reader.file, &line, &length))
        read(&reader, line);
    if (opened && has_areas)
        compare_all_areas(&reader);
    return close_reader(&reader, opened);
}

int truth_iomem(const char *path, struct truth_report *report)
{
    return read_boot_file(path, report, true, read_iomem_line);
}

int truth_dmesg(const char *path, struct truth_report *report)
{
    return read_boot_file(path, report, true, read_dmesg_line);
}

int truth_sysctl_vm(const char *path, struct truth_report *report)
{
    return read_boot_file(path, report, false, read_sysctl_line);
}
