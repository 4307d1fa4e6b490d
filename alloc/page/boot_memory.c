/* alloc/page/boot_memory.c - see boot_memory.h.
 *
 * Linux v6.1: mm/sparse.c: sparse_init(); arch/x86/kernel/e820.c: e820__reserve_resources(); init/main.c:
 * setup_command_line(); mm/percpu.c: pcpu_embed_first_chunk(), pcpu_setup_first_chunk(); kernel/printk/printk.c:
 * setup_log_buf(); mm/page_alloc.c: alloc_large_system_hash(); arch/x86/mm/cpu_entry_area.c; kernel/dma/swiotlb.c. */
#include "alloc/page/boot_memory.h"
#include "alloc/page/boot_direct_map.h"

#include <string.h>

#define MIB (UINT64_C(1) << 20)
#define GIB (UINT64_C(1) << 30)
#define HUGE_BYTES (2 * MIB)

#define LOW_MAX (3 * GIB)               /* devices lie between here and 4 GiB, on machines with ... */
#define MEMORY_BEFORE_HOLE (3584 * MIB) /* ... so much memory or more */
#define EBDA UINT64_C(0x9f000)          /* the BIOS's, up to 1 MiB */
#define PFN_MIB 256u
#define NR_LOW_PRESENT 158u /* below 1 MiB, which all stay reserved */
#define FIRMWARE_PAGES 32u  /* ACPI's tables at the end of low memory, in no zone */
#define SECTION ((uint64_t)SECTION_PAGES << PAGE_SHIFT)
#define SECTION_ROOT (128 * SECTION)
#define NODE_DATA_PAGES 43u
#define SECTION_ROOTS_PAGES 8u
#define USAGE_BYTES 56u                         /* struct mem_section_usage, of each section */
#define PERCPU_BYTES (UINT64_C(62) * PAGE_SIZE) /* each CPU's */
#define ENTRY_AREA_PAGES 59u                    /* each CPU's */
#define BOUNCE_BYTES (64 * MIB)
#define SMALL_MACHINE (80 * MIB) /* a smaller one does not hold that kernel: a small kernel is assumed */

static const struct boot_kernel DEBIAN_KERNEL = {
    .parts = { { 4096, 7682 }, { 8192, 10475 }, { 10752, 12356 }, { 13071, 16899 }, { 17408, 17425 } },
    .nr_parts = 5,
    .nr_initrd = 576,
    .nr_late = 576 + 510 + 277 + 706 + 509, /* between the parts: 9 pages more, of the SMP alternatives, go back before */
};
static const struct boot_kernel SMALL_KERNEL = { .parts = { { 4096, 5120 } }, .nr_parts = 1 };

/* --- what there is --- */

static void boot_add_zone(struct boot_memory *boot, uint32_t index, uint64_t start, uint64_t end, uint64_t present)
{
    boot->zones[boot->nr_zones++] = (struct boot_zone){ index, (uint32_t)start, (uint32_t)end, (uint32_t)present };
}

void boot_memory_map(struct boot_memory *boot, const struct machine_config *config)
{
    uint64_t limit = config->max_ram_below_4g && config->max_ram_below_4g < LOW_MAX ? config->max_ram_below_4g : LOW_MAX;
    uint64_t most_low = config->max_ram_below_4g ? config->max_ram_below_4g : MEMORY_BEFORE_HOLE;
    bool is_split = config->memory >= most_low;
    memset(boot, 0, sizeof *boot);
    boot->nr_cpus = config->cpus ? config->cpus : 1;
    boot->cmdline_length = config->cmdline_length;
    boot->firmware = is_split ? limit : config->memory;
    boot->kernel = boot->firmware < SMALL_MACHINE ? &SMALL_KERNEL : &DEBIAN_KERNEL;
    boot->low_end = boot->firmware - FIRMWARE_PAGES * PAGE_SIZE;
    boot->high = config->memory - boot->firmware;
    boot->end = boot->high ? 4 * GIB + boot->high : boot->low_end;
    memblock_add(&boot->block, PAGE_SIZE, EBDA);
    memblock_add(&boot->block, MIB, boot->low_end);
    if (boot->high)
        memblock_add(&boot->block, 4 * GIB, boot->end);
    uint64_t low_end = boot->low_end >> PAGE_SHIFT;
    boot_add_zone(boot, ZONE_DMA, 1, PFN_DMA_END, NR_LOW_PRESENT + PFN_DMA_END - PFN_MIB);
    boot_add_zone(boot, ZONE_DMA32, PFN_DMA_END, boot->high ? PFN_DMA32_END : low_end, low_end - PFN_DMA_END);
    if (boot->high)
        boot_add_zone(boot, ZONE_NORMAL, PFN_DMA32_END, boot->end >> PAGE_SHIFT, boot->high >> PAGE_SHIFT);
}

/* --- requests --- */

static uint64_t boot_divide_up(uint64_t number, uint64_t unit)
{
    return (number + unit - 1) / unit;
}

static uint64_t boot_power_of_two(uint64_t least)
{
    uint64_t power = 1;
    while (power < least)
        power *= 2;
    return power;
}

/* Small things, as the kernel asks for them: whole lines of the CPU's cache, or whole pages. */
static void boot_take_lines(struct boot_memory *boot, uint64_t size)
{
    (void)memblock_take(&boot->block, &(struct memblock_request){ .size = size, .owner = RESERVED_TABLES });
}

static void boot_take_page(struct boot_memory *boot)
{
    struct memblock_request request = { .size = PAGE_SIZE, .align = PAGE_SIZE, .owner = RESERVED_TABLES };
    (void)memblock_take(&boot->block, &request);
}

/* The array of page structs, and the bookkeeping of its sections. */
static void boot_take_sections(struct boot_memory *boot)
{
    uint64_t nr = boot_divide_up(boot->low_end, SECTION) + boot_divide_up(boot->high, SECTION);
    boot_take_lines(boot, SECTION_ROOTS_PAGES * PAGE_SIZE);
    for (uint64_t i = 0; i < boot_divide_up(boot->end, SECTION_ROOT); i++)
        boot_take_lines(boot, PAGE_SIZE);
    boot_take_lines(boot, USAGE_BYTES * nr);
    struct memblock_request structs = {
        .size = nr * HUGE_BYTES, .align = HUGE_BYTES, .low = 16 * MIB, .owner = RESERVED_MEM_MAP
    };
    (void)memblock_take(&boot->block, &structs);
    for (uint64_t i = 0; i < 2 + (boot->end - 1) / (64 * GIB); i++) /* page tables that map the array */
        boot_take_page(boot);
}

/* Copies of the firmware's map of memory, and of the boot line. */
static void boot_take_maps(struct boot_memory *boot)
{
    uint32_t nr_entries = boot->high ? 8 : 7, nr_nosave = boot->high ? 3 : 2;
    boot_take_lines(boot, 128 + MEMBLOCK_LINE); /* the IO-APIC's resource */
    boot_take_lines(boot, 64 * (nr_entries + UINT64_C(1)));
    for (uint32_t i = 0; i < nr_entries; i++)
        boot_take_lines(boot, 104);
    for (uint32_t i = 0; i < nr_nosave; i++)
        boot_take_lines(boot, 32);
    for (uint32_t i = 0; i < 2; i++)
        boot_take_lines(boot, boot->cmdline_length + UINT64_C(1));
}

/* pcpu_build_alloc_info(): how many CPUs share 2 MiB. */
static uint32_t boot_units_per_group(uint32_t nr_cpus)
{
    uint32_t best = 1, least = UINT32_MAX;
    for (uint32_t units = (uint32_t)(HUGE_BYTES / PERCPU_BYTES); units; units--) {
        uint32_t nr_groups = (nr_cpus + units - 1) / units;
        if (HUGE_BYTES % units || HUGE_BYTES / units % PAGE_SIZE || nr_groups * units - nr_cpus > nr_cpus / 3)
            continue;
        if (nr_groups > least)
            break;
        best = units;
        least = nr_groups;
    }
    return best;
}

/* pcpu_page_first_chunk(): page by page, where no groups fit. A machine too small for so many CPUs keeps half of what is
 * free; Linux would not boot there. */
static void boot_take_percpu_pages(struct boot_memory *boot)
{
    uint64_t nr = boot->nr_cpus * (PERCPU_BYTES >> PAGE_SHIFT), most = (boot->low_end >> PAGE_SHIFT) / 4;
    struct memblock_request request = { .size = PAGE_SIZE, .align = PAGE_SIZE, .low = 16 * MIB, .owner = RESERVED_PERCPU };
    for (uint64_t i = 0; i < nr && i < most && memblock_take(&boot->block, &request); i++) {
    }
}

static void boot_take_percpu_units(struct boot_memory *boot, uint64_t unit, uint64_t nr_units)
{
    struct memblock_request request = {
        .size = unit * nr_units, .align = HUGE_BYTES, .low = 16 * MIB, .owner = RESERVED_PERCPU
    };
    uint64_t group = memblock_take(&boot->block, &request);
    if (!group)
        boot_take_percpu_pages(boot);
    for (uint64_t i = 0; group && i < nr_units; i++) /* what a unit does not need goes back */
        memblock_free(&boot->block, group + i * unit + (i < boot->nr_cpus ? PERCPU_BYTES : 0), group + (i + 1) * unit);
}

static void boot_take_percpu(struct boot_memory *boot)
{
    uint32_t units = boot_units_per_group(boot->nr_cpus), log2 = 0;
    uint64_t unit = HUGE_BYTES / units, cpus = boot->nr_cpus;
    struct memblock_request page = { .size = PAGE_SIZE, .align = PAGE_SIZE, .owner = RESERVED_TABLES };
    uint64_t info = memblock_take(&boot->block, &page);
    page.align = 0;
    uint64_t areas = memblock_take(&boot->block, &page);
    boot_take_percpu_units(boot, unit, boot_divide_up(cpus, units) * units);
    while (unit >> log2)
        log2++;
    const uint64_t SIZES[] = { 8, 8, 4 * cpus, 8 * cpus, 16 * (log2 + UINT64_C(1)) };
    for (size_t i = 0; i < sizeof SIZES / sizeof SIZES[0]; i++)
        boot_take_lines(boot, SIZES[i]);
    for (uint64_t pages = 2; pages <= 7; pages += 5) { /* the reserved and the dynamic chunk: two bitmaps, its blocks */
        boot_take_lines(boot, 144);
        boot_take_lines(boot, 128 * pages);
        boot_take_lines(boot, 128 * pages + 8);
        boot_take_lines(boot, 32 * pages);
    }
    memblock_free(&boot->block, areas, areas + PAGE_SIZE);
    memblock_free(&boot->block, info, info + PAGE_SIZE);
    for (uint32_t i = 0; i < 5; i++) /* CPU masks */
        boot_take_lines(boot, 8);
}

/* log_buf_add_cpu(): many CPUs get a longer log, with its descriptors and infos. */
static void boot_take_log(struct boot_memory *boot)
{
    static const uint32_t BYTES_A_RECORD[] = { 32, 24, 88 };
    uint64_t extra = (boot->nr_cpus - UINT64_C(1)) * 4096, size = boot_power_of_two(131072 + extra);
    for (uint32_t i = 0; extra > 65536 && i < 3; i++) {
        struct memblock_request request = { .size = size / 32 * BYTES_A_RECORD[i], .align = 8, .owner = RESERVED_TABLES };
        (void)memblock_take(&boot->block, &request);
    }
}

/* calculate_node_totalpages(), free_area_init_core(): pages without the page structs. */
static uint64_t boot_nr_kernel_pages(const struct boot_memory *boot)
{
    uint64_t total = 0;
    for (uint32_t i = 0; i < boot->nr_zones; i++) {
        const struct boot_zone *zone = &boot->zones[i];
        uint64_t spanned = zone->end - zone->start, present = zone->present;
        uint64_t pages = spanned > present + (present >> 4) ? present : spanned;
        total += present - boot_divide_up(pages * 64, PAGE_SIZE);
    }
    return total - NR_LOW_PRESENT;
}

/* Dentries and inodes. */
static void boot_take_hash_tables(struct boot_memory *boot)
{
    uint64_t pages = boot_divide_up(boot_nr_kernel_pages(boot), PFN_MIB) * PFN_MIB;
    for (uint32_t shift = 1; shift <= 2; shift++)
        boot_take_lines(boot, 8 * boot_power_of_two(pages >> shift > 512 ? pages >> shift : 512));
}

static void boot_take_entry_areas(struct boot_memory *boot)
{
    uint32_t last = 1 + ENTRY_AREA_PAGES * (boot->nr_cpus - 1) + 18; /* page that is mapped */
    for (uint32_t i = 0; i < 2 + last / 512 + 1; i++)
        boot_take_page(boot);
}

/* swiotlb_init_remap(): the bounce buffer for devices that reach 4 GiB. It is halved until it fits. */
static void boot_take_bounce_buffer(struct boot_memory *boot)
{
    struct memblock_request request = {
        .size = BOUNCE_BYTES, .align = PAGE_SIZE, .high = 4 * GIB, .owner = RESERVED_BOUNCE
    };
    while (!memblock_take(&boot->block, &request) && request.size > PAGE_SIZE)
        request.size /= 2;
    struct memblock_request slots = { .align = PAGE_SIZE, .owner = RESERVED_TABLES };
    slots.size = boot_divide_up(request.size / 2048 * 24, PAGE_SIZE) * PAGE_SIZE;
    (void)memblock_take(&boot->block, &slots);
    boot_take_lines(boot, 16 * boot_power_of_two(boot->nr_cpus));
}

void boot_memory_take(struct boot_memory *boot)
{
    const struct boot_kernel *kernel = boot->kernel;
    struct memblock *block = &boot->block;
    uint64_t start = kernel->parts[0].start, end = kernel->parts[kernel->nr_parts - 1].end;
    memblock_reserve(block, 0, MIB, RESERVED_FIRMWARE);
    memblock_reserve(block, start << PAGE_SHIFT, end << PAGE_SHIFT, RESERVED_KERNEL);
    if (kernel->nr_initrd)
        memblock_reserve(block, boot->low_end - kernel->nr_initrd * UINT64_C(4096), boot->low_end, RESERVED_KERNEL);
    boot_direct_map(boot);
    boot_take_lines(boot, NODE_DATA_PAGES * PAGE_SIZE);
    boot_take_sections(boot);
    boot_take_maps(boot);
    boot_take_percpu(boot);
    boot_take_log(boot);
    boot_take_hash_tables(boot);
    boot_take_entry_areas(boot);
    if (boot->high)
        boot_take_bounce_buffer(boot);
}

void boot_memory_free_late(struct boot_memory *boot)
{
    const struct boot_kernel *kernel = boot->kernel;
    memblock_free(&boot->block, boot->low_end - ((uint64_t)kernel->nr_initrd << PAGE_SHIFT), boot->low_end);
    for (uint32_t i = 1; i < kernel->nr_parts; i++)
        memblock_free(&boot->block, (uint64_t)kernel->parts[i - 1].end << PAGE_SHIFT,
                      (uint64_t)kernel->parts[i].start << PAGE_SHIFT);
}
