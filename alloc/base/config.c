/* The profile table, and the completion of a configuration. Every number in which profiles differ is a column of the table.
 * Sources: for linux-6.1 the recorded LIMIT lines of a Debian 6.1 kernel; for classic Linux v2.0 include/asm-i386, mm/. */
#include "pagoda/config.h"

#include "alloc/base/oops.h"

#include <string.h>

#define MIB (UINT64_C(1) << 20)
#define CMDLINE_LENGTH 66u /* of most of the recorded boots */
#define GIB (UINT64_C(1) << 30)
#define PAST_MEMORY_MAX GIB /* a past is lived through each time a machine is made */

static const struct profile PROFILES[NR_PROFILES] = {
    [PROFILE_CLASSIC] = {
        .id = PROFILE_CLASSIC,
        .name = "classic",
        .title = "classic kernel: i386, buckets of pages, 128 KiB - 16 at most from kmalloc",
        .source = "Linux 1.x/2.0 mm/kmalloc.c, mm/page_alloc.c, mm/vmalloc.c",
        .word_bits = 32,
        .nr_orders = 6,
        .has_migratetypes = false,
        .kmalloc_style = KMALLOC_BUCKETS,
        .kmalloc_max = 131056,
        .memory_min = 4 * MIB,
        .memory_default = 16 * MIB,
        .memory_max = 768 * MIB, /* leaves 4 GiB - 3 GiB - memory for vmalloc */
        .cpus_max = 1,
        .page_offset = 0xc0000000,
        .vmalloc_end = 0xff000000,
        .vmalloc_gap = 8 * MIB,
        .pgtable_levels = 2,
        .pgtable_bits = 10,
        .user_end = 0xc0000000,
        .user_text = 0x08048000,
        .user_mmap_top = 0xb8000000,
        .user_stack_top = 0xc0000000,
        .direct_map_shift = PAGE_SHIFT, /* an i486: it has pages of 4 KiB, one address space, and 32 entries in 4 ways */
        .tlb_entries = 32,
        .tlb_ways = 4,
        .tlb_asids = 1,
        .tlb_flush_ceiling = 1,
    },
    [PROFILE_LINUX_6_1] = {
        .id = PROFILE_LINUX_6_1,
        .name = "linux-6.1",
        .title = "Linux 6.1: x86-64, SLUB, zones, per-CPU lists",
        .source = "Linux v6.1 mm/ as in Debian 12, compared with recordings of it",
        .word_bits = 64,
        .nr_orders = 11,
        .has_migratetypes = true,
        .kmalloc_style = KMALLOC_SLUB,
        .kmalloc_max = 4 * MIB,
        .memory_min = 32 * MIB,
        .memory_default = 256 * MIB,
        .memory_max = 64 * GIB,
        .cpus_max = 64,
        .page_offset = 0xffff888000000000,
        .vmalloc_start = 0xffffc90000000000,
        .vmalloc_end = 0xffffe8ffffffffff,
        .pgtable_levels = 4,
        .pgtable_bits = 9,
        .user_end = 0x7ffffffff000,
        .user_text = 0x555555554000,
        .user_mmap_top = 0x7ffff7fff000,
        .user_stack_top = 0x7ffffffff000,
        .mmap_huge_align = 2 * MIB, /* as the recordings of placement show it; their kernel is a later one */
        .direct_map_shift = 21,
        .tlb_entries = 64,
        .tlb_ways = 4,
        .tlb_asids = 6,
        .tlb_flush_ceiling = 33,
        .places = LINUX_6_1_PLACES,
    },
};

const struct config_option CONFIG_OPTIONS[] = {
#define X(field, width, type, min, max, profiles, doc)                                                                     \
    { #field, type, width, min, max, profiles, doc, offsetof(struct machine_config, field) },
    CONFIG_MAP(X)
#undef X
};
const uint32_t NR_CONFIG_OPTIONS = sizeof CONFIG_OPTIONS / sizeof CONFIG_OPTIONS[0];

const char *const MACHINE_WORDS[NR_MACHINE_PASTS] = { "fresh", "used", "fragmented" };

const struct profile *profile_get(enum profile_id id)
{
    return &PROFILES[id];
}

const struct profile *profile_find(const char *name, size_t length)
{
    for (unsigned i = 0; i < NR_PROFILES; i++)
        if (strlen(PROFILES[i].name) == length && memcmp(PROFILES[i].name, name, length) == 0)
            return &PROFILES[i];
    return NULL;
}

static void config_fill_defaults(struct machine_config *c, const struct profile *profile)
{
    static const uint32_t RATIO[3] = { 256, 256, 32 }; /* sysctl_lowmem_reserve_ratio */
    c->memory = c->memory ? c->memory : profile->memory_default;
    c->cpus = c->cpus ? c->cpus : 1;
    if (profile->kmalloc_style == KMALLOC_BUCKETS)
        c->min_block = c->min_block ? c->min_block : 32;
    else
        c->watermark_scale_factor = c->watermark_scale_factor ? c->watermark_scale_factor : 10;
    for (unsigned i = 0; i < 3; i++)
        c->lowmem_reserve_ratio[i] = c->lowmem_reserve_ratio[i] ? c->lowmem_reserve_ratio[i] : RATIO[i];
    if (profile->id == PROFILE_LINUX_6_1) {
        c->overcommit_ratio = c->overcommit_ratio ? c->overcommit_ratio : 50;
        c->cmdline_length = c->cmdline_length ? c->cmdline_length : CMDLINE_LENGTH;
    }
    c->tlb_entries = c->tlb_entries ? c->tlb_entries : profile->tlb_entries;
    if (!c->tlb_ways)
        c->tlb_ways = c->tlb_entries < profile->tlb_ways ? c->tlb_entries : profile->tlb_ways;
    for (unsigned i = 0; i < NR_COST_STEPS; i++)
        c->cost_ns[i] = c->cost_ns[i] ? c->cost_ns[i] : cost_info((enum cost_step)i)->each_ns;
}

uint64_t config_value(const struct machine_config *config, const struct config_option *option)
{
    const uint8_t *at = (const uint8_t *)config + option->offset;
    uint64_t wide;
    uint32_t narrow;
    if (option->width == 64)
        memcpy(&wide, at, sizeof wide);
    else
        memcpy(&narrow, at, sizeof narrow), wide = narrow;
    return wide;
}

void config_set_value(struct machine_config *config, const struct config_option *option, uint64_t value)
{
    uint8_t *at = (uint8_t *)config + option->offset;
    uint32_t narrow = (uint32_t)value;
    memcpy(at, option->width == 64 ? (const void *)&value : &narrow, option->width / 8);
}

/* Checks what the table of options can tell: is a value in range, and has the profile that option? */
static enum pagoda_error config_check_table(const struct machine_config *config, struct problem *why)
{
    for (uint32_t i = 0; i < NR_CONFIG_OPTIONS; i++) {
        const struct config_option *option = &CONFIG_OPTIONS[i];
        uint64_t value = config_value(config, option);
        if (value && (value < option->min || value > option->max))
            return problem_refuse(why, option->name, "out of range");
        if (value && !(option->profiles >> config->profile & 1))
            return problem_refuse(why, option->name, "this profile has no such option");
    }
    return PAGODA_OK;
}

static bool is_power_of_two(uint32_t number)
{
    return number && !(number & (number - 1));
}

enum pagoda_error machine_config_complete(struct machine_config *config, struct problem *why)
{
    if (config->profile >= NR_PROFILES)
        return problem_refuse(why, "profile", "there is no such profile");
    const struct profile *profile = profile_get((enum profile_id)config->profile);
    enum pagoda_error err = config_check_table(config, why);
    if (err)
        return err;
    struct machine_config c = *config;
    config_fill_defaults(&c, profile);
    if (c.memory < profile->memory_min || c.memory > profile->memory_max)
        return problem_refuse(why, "memory",
                              profile->id == PROFILE_CLASSIC ? "classic takes 4M to 768M" : "linux-6.1 takes 32M to 64G");
    if (c.memory % PAGE_SIZE)
        return problem_refuse(why, "memory", "must be a multiple of the page size, 4096");
    if (c.machine != MACHINE_FRESH && c.memory > PAST_MEMORY_MAX)
        return problem_refuse(why, "machine", "a machine with a past has at most 1G of memory");
    if (c.max_ram_below_4g && (c.max_ram_below_4g < profile->memory_min || c.max_ram_below_4g % (2 * MIB)))
        return problem_refuse(why, "max_ram_below_4g", "must be a multiple of 2M, at least 32M");
    if (c.cpus > profile->cpus_max)
        return problem_refuse(why, "cpus",
                              profile->id == PROFILE_CLASSIC ? "the classic kernel runs on one CPU" : "at most 64");
    if (profile->kmalloc_style == KMALLOC_BUCKETS && c.min_block != 32 && c.min_block != 64)
        return problem_refuse(why, "min_block", "must be 32 or 64");
    if (c.swap % PAGE_SIZE || c.swap > 64 * GIB)
        return problem_refuse(why, "swap", "must be a multiple of 4096, at most 64G");
    if (c.min_free_kbytes && (uint64_t)c.min_free_kbytes * 1024 > c.memory / 2)
        return problem_refuse(why, "min_free_kbytes", "at most half of the memory");
    if (c.percpu_pagelist_high_fraction && c.percpu_pagelist_high_fraction < 8)
        return problem_refuse(why, "percpu_pagelist_high_fraction", "0 (off) or at least 8");
    if (!is_power_of_two(c.tlb_entries))
        return problem_refuse(why, "tlb_entries", "must be a power of two");
    if (!is_power_of_two(c.tlb_ways) || c.tlb_ways > c.tlb_entries)
        return problem_refuse(why, "tlb_ways", "must be a power of two, at most tlb_entries");
    *config = c;
    return PAGODA_OK;
}
