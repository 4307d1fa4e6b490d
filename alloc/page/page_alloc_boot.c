/* Booting a linux-6.1 machine: where memory lies, and what of it the kernel keeps for itself. The rest goes onto the free
 * lists. The map is that of a PC with Debian's 6.1 kernel. Before its page allocator runs, the kernel takes memory from the
 * top down: hash tables, the array of page structs (2 MiB for each 128 MiB), per-CPU areas. Sizes follow the recorded boots
 * of 96 MiB to 6 GiB, and agree with them to the page.
 *
 *      memory below 3.5 GiB
 *      0        1 MiB  16 MiB                                                          low_end
 *      |firmware| free |kernel image| free |per-CPU| |mem_map| |hash tables|initrd| ACPI |
 *      |----- DMA -----|------------------------- DMA32 -------------------------|
 *
 *      more memory: devices have [3 GiB, 4 GiB), and what they displace lies above
 *      0        1 MiB  16 MiB                                    3 GiB  4 GiB                               high_end
 *      |firmware| free |kernel image| free |swiotlb|initrd| ACPI | hole | free |per-CPU| |mem_map| |hash tables|
 *      |----- DMA -----|--------------------- DMA32 --------------------|---------------- Normal ----------------|
 *
 * The initrd's pages are free after boot. */
#include "alloc/page/buddy.h"

#include <string.h>

#define PFN_HOLE_START 0xc0000u    /* 3 GiB: devices lie between here and 4 GiB, on machines with ... */
#define PAGES_BEFORE_HOLE 0xe0000u /* ... 3.5 GiB or more; their memory goes on above */
#define PFN_LOW_FREE 256u          /* below 1 MiB everything stays reserved */
#define PFN_EBDA 159u              /* 1 .. this-1 and all from 1 MiB up count as present */
#define ACPI_PAGES 32u             /* at the end of low memory, not in any zone */
#define INITRD_PAGES 576u          /* below ACPI's; free again after boot */
#define MISC_PAGES 60u             /* node data and other small things */
#define HIGH_MISC_PAGES 195u       /* with memory above 4 GiB: slots of the bounce buffer, page tables */
#define BOUNCE_PAGES 16384u        /* swiotlb: 64 MiB of DMA32, when there is memory above 4 GiB */
#define PERCPU_PAGES 62u           /* each CPU */
#define SECTION_PAGES 32768u       /* 128 MiB: granularity of the array of page structs */
#define LATE_PAGES 2577u           /* initrd, init code and such, freed after the watermarks were computed */
#define SMALL_MACHINE_PAGES 20480u /* below 80 MiB that kernel does not fit: a small one is assumed */
#define SMALL_KERNEL_PAGES 1024u

struct reserved_range {
    uint32_t start, end; /* [start, end) */
    enum reserved_owner owner;
};
static const struct {
    uint32_t start, end;
} KERNEL_IMAGE[] = {
    { 4096, 7682 }, { 8192, 10475 }, { 10752, 12356 }, { 13071, 16899 }, { 17408, 17425 },
};
#define NR_IMAGE_RANGES (sizeof KERNEL_IMAGE / sizeof KERNEL_IMAGE[0])

/* The parts of physical memory, in pfns. */
struct memory_map {
    uint32_t nr_pages;
    uint32_t low_end, high_end; /* high_end: 0 without memory above 4 GiB */
    uint32_t nr_reserved;
    struct reserved_range reserved[NR_IMAGE_RANGES + 8]; /* ascending */
};

static void boot_map_memory(struct memory_map *map, uint64_t memory)
{
    map->nr_pages = (uint32_t)(memory >> PAGE_SHIFT);
    map->low_end = map->nr_pages;
    map->high_end = 0;
    map->nr_reserved = 0;
    if (map->nr_pages < PAGES_BEFORE_HOLE)
        return;
    map->low_end = PFN_HOLE_START;
    map->high_end = PFN_DMA32_END + (map->nr_pages - PFN_HOLE_START);
}

uint32_t page_alloc_nr_frames(const struct machine_config *config, const struct profile *profile)
{
    struct memory_map map;
    boot_map_memory(&map, config->memory);
    return profile->has_migratetypes && map.high_end ? map.high_end : map.nr_pages;
}

static void boot_reserve(struct memory_map *map, uint32_t start, uint32_t end, enum reserved_owner owner)
{
    map->reserved[map->nr_reserved++] = (struct reserved_range){ start, end, owner };
}

/* Dentry and inode hash tables: 6 bytes per page of memory, sized in powers of two. */
static uint32_t boot_hash_table_pages(uint32_t nr_pages)
{
    uint32_t power = 2048;
    while (power < nr_pages)
        power *= 2;
    return power / 2048 * 3;
}

static uint32_t boot_nr_sections(const struct memory_map *map)
{
    uint32_t nr = (map->low_end + SECTION_PAGES - 1) / SECTION_PAGES;
    if (map->high_end)
        nr += (map->high_end - PFN_DMA32_END + SECTION_PAGES - 1) / SECTION_PAGES;
    return nr;
}

/* What the kernel took from the top of memory down before there was a page allocator. mem_map and per-CPU areas begin at a
 * pageblock. */
static void boot_reserve_top(struct memory_map *map, uint32_t nr_cpus)
{
    uint32_t misc = MISC_PAGES + boot_hash_table_pages(map->nr_pages) + (map->high_end ? HIGH_MISC_PAGES : 0);
    uint32_t top = map->high_end ? map->high_end : map->low_end - ACPI_PAGES - INITRD_PAGES;
    uint32_t structs_end = (top - misc) & ~(PAGEBLOCK_PAGES - 1);
    uint32_t structs_start = structs_end - boot_nr_sections(map) * PAGEBLOCK_PAGES;
    uint32_t floor = map->reserved[map->nr_reserved - 1].end; /* many CPUs on a small machine share what there is */
    uint32_t room = (structs_start - floor) / 2;
    uint32_t percpu_pages = nr_cpus * PERCPU_PAGES < room ? nr_cpus * PERCPU_PAGES : room;
    uint32_t percpu = (structs_start - percpu_pages) & ~(PAGEBLOCK_PAGES - 1);
    if (percpu < floor)
        percpu = floor;
    boot_reserve(map, percpu, percpu + percpu_pages, RESERVED_PERCPU);
    boot_reserve(map, structs_start, structs_end, RESERVED_MEM_MAP);
    boot_reserve(map, top - misc, top, RESERVED_TABLES);
}

static void boot_map_reserved(struct memory_map *map, uint32_t nr_cpus)
{
    boot_reserve(map, 0, PFN_LOW_FREE, RESERVED_FIRMWARE);
    if (map->nr_pages < SMALL_MACHINE_PAGES)
        boot_reserve(map, PFN_DMA_END, PFN_DMA_END + SMALL_KERNEL_PAGES, RESERVED_KERNEL);
    for (uint32_t i = 0; i < NR_IMAGE_RANGES && map->nr_pages >= SMALL_MACHINE_PAGES; i++)
        boot_reserve(map, KERNEL_IMAGE[i].start, KERNEL_IMAGE[i].end, RESERVED_KERNEL);
    uint32_t low_end = map->low_end - ACPI_PAGES;
    if (!map->high_end)
        boot_reserve_top(map, nr_cpus);
    else
        boot_reserve(map, low_end - INITRD_PAGES - BOUNCE_PAGES, low_end - INITRD_PAGES, RESERVED_BOUNCE);
    boot_reserve(map, low_end, map->high_end ? PFN_DMA32_END : map->low_end, RESERVED_FIRMWARE);
    if (map->high_end)
        boot_reserve_top(map, nr_cpus);
}

const char *reserved_owner_name(uint32_t owner)
{
    static const char *const NAMES[NR_RESERVED_OWNERS] = {
        [RESERVED_IN_USE] = "in use",   [RESERVED_FIRMWARE] = "firmware",    [RESERVED_KERNEL] = "kernel image",
        [RESERVED_MEM_MAP] = "mem_map", [RESERVED_PERCPU] = "per-CPU areas", [RESERVED_TABLES] = "hash tables",
        [RESERVED_BOUNCE] = "swiotlb",
    };
    return owner < NR_RESERVED_OWNERS ? NAMES[owner] : "";
}

uint32_t frames_largest_order(uint32_t start, uint32_t end, uint32_t nr_orders)
{
    uint32_t order = 0;
    while (order + 1 < nr_orders && !(start & ((2u << order) - 1)) && start + (2u << order) <= end)
        order++;
    return order;
}

void frames_reserve_range(struct frames *frames, uint32_t start, uint32_t end, uint32_t nr_orders,
                          enum reserved_owner owner)
{
    while (start < end) {
        uint32_t order = frames_largest_order(start, end, nr_orders);
        frame_set_kind(frames, start, FRAME_RESERVED, order);
        frame_at(frames, start)->owner = owner;
        start += 1u << order;
    }
}

/* Puts [start, end) on the free lists in blocks as large as they can be, ascending, all Movable. */
static void boot_free_range(struct page_alloc *pa, uint32_t start, uint32_t end)
{
    while (start < end) {
        uint32_t order = frames_largest_order(start, end, MAX_ORDER);
        struct zone *zone = zone_of_pfn(pa, start);
        /* Written before it is read: the host then gives this page of frames at once, not a page of zeroes first. */
        frame_at(pa->frames, start)->born = 0;
        buddy_add(pa, zone, start, order, MT_MOVABLE, true);
        zone->managed += 1u << order;
        zone->free_global += INT64_C(1) << order;
        start += 1u << order;
    }
}

static void boot_add_zone(struct page_alloc *pa, uint32_t index, uint32_t start, uint32_t end, uint32_t present)
{
    static const char NAMES[ZONES_MAX][8] = { "DMA", "DMA32", "Normal" };
    struct zone *zone = &pa->zones[pa->nr_zones++];
    memset(zone, 0, sizeof *zone);
    memcpy(zone->name, NAMES[index], sizeof zone->name);
    zone->index = index;
    zone->start_pfn = start;
    zone->spanned = end - start;
    zone->present = present;
}

static void boot_add_zones(struct page_alloc *pa, const struct memory_map *map)
{
    uint32_t low_end = map->low_end - ACPI_PAGES;
    boot_add_zone(pa, ZONE_DMA, 1, PFN_DMA_END, PFN_EBDA - 1 + PFN_DMA_END - PFN_LOW_FREE);
    boot_add_zone(pa, ZONE_DMA32, PFN_DMA_END, map->high_end ? PFN_DMA32_END : low_end, low_end - PFN_DMA_END);
    if (map->high_end)
        boot_add_zone(pa, ZONE_NORMAL, PFN_DMA32_END, map->high_end, map->high_end - PFN_DMA32_END);
}

/* The kernel computes its defaults before it frees the initrd and its own init code. A sysctl that is written later uses
 * the full counts. A lab that sets one of these options is a machine on which the sysctl was written after boot. */
static void boot_set_limits(struct page_alloc *pa, const struct machine_config *config, uint32_t late_pages)
{
    uint32_t scale = pa->watermark_scale_factor, fraction = pa->percpu_pagelist_high_fraction;
    pa->watermark_scale_factor = 10;
    pa->percpu_pagelist_high_fraction = 0;
    pa->zones[1].managed -= late_pages;
    zones_set_defaults(pa);
    pa->zones[1].managed += late_pages;
    zones_set_limits(pa);
    pa->watermark_scale_factor = scale;
    pa->percpu_pagelist_high_fraction = fraction;
    if (config->min_free_kbytes)
        pa->min_free_kbytes = config->min_free_kbytes;
    const uint32_t *ratio = pa->lowmem_reserve_ratio;
    if (config->min_free_kbytes || scale != 10 || fraction || ratio[0] != 256 || ratio[1] != 256 || ratio[2] != 32)
        page_alloc_recompute(pa);
}

void zones_boot(struct page_alloc *pa, const struct machine_config *config)
{
    struct memory_map map;
    boot_map_memory(&map, config->memory);
    boot_map_reserved(&map, pa->nr_cpus);
    pa->nr_zones = 0;
    boot_add_zones(pa, &map);
    for (uint32_t pfn = 0; pfn < pa->frames->nr; pfn += PAGEBLOCK_PAGES)
        *pageblock_at(pa, pfn) = MT_MOVABLE;
    uint32_t end = map.high_end ? map.high_end : map.low_end;
    uint32_t at = 0;
    for (uint32_t i = 0; i < map.nr_reserved; i++) {
        const struct reserved_range *range = &map.reserved[i];
        boot_free_range(pa, at, range->start);
        at = range->end;
        /* Below 4 GiB ACPI's pages end where the hole begins, in which there are no frames to reserve. */
        frames_reserve_range(pa->frames, range->start, at == PFN_DMA32_END ? map.low_end : at, MAX_ORDER, range->owner);
    }
    boot_free_range(pa, at, end);
    boot_set_limits(pa, config, map.nr_pages < SMALL_MACHINE_PAGES ? 0 : LATE_PAGES);
}
