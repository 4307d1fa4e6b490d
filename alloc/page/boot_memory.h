/* alloc/page/boot_memory.h - what the kernel takes of memory before its page allocator runs, request by request. The
 * machine is a PC under Debian's 6.1; the sizes are those of the recorded build (6.1.192-2) and its initrd. Every page that
 * a zone manages follows from this. tests/truth/boot_model.py works the same out a second time.
 *
 *      memory below 3.5 GiB
 *      0        1 MiB  16 MiB                                                               low_end
 *      |firmware| free |kernel image| free |per-CPU| |mem_map| |tables, sections|initrd| ACPI |
 *      |----- DMA -----|---------------------------- DMA32 ----------------------------|
 *
 *      more memory: devices have [3 GiB, 4 GiB), and what they displace lies above
 *      0        1 MiB  16 MiB                                      3 GiB  4 GiB                             end
 *      |firmware| free |kernel image| free |swiotlb|initrd| ACPI | hole | free |per-CPU| |mem_map| |tables, sections|
 *      |----- DMA -----|---------------------- DMA32 --------------------|--------------- Normal ----------------|
 *
 * Stands on: memblock. */
#pragma once
#include "alloc/page/memblock.h"

/* An image of the kernel with its initrd: pfns and pages. */
struct boot_kernel {
    struct {
        uint32_t start, end;
    } parts[5]; /* that stay; what lies between them goes back late */
    uint32_t nr_parts;
    uint32_t nr_initrd; /* below the end of low memory; go back late */
    uint32_t nr_late;   /* all that go back after the watermarks were computed */
};

/* A zone's extent in pfns; present does not count holes. */
struct boot_zone {
    uint32_t index, start, end, present;
};

struct boot_memory {
    struct memblock block;
    const struct boot_kernel *kernel;
    uint64_t low_end;  /* end of low memory, without the firmware's tables; bytes, as what follows */
    uint64_t firmware; /* end of the firmware's tables */
    uint64_t end;      /* of all memory */
    uint64_t high;     /* memory above 4 GiB; 0: none */
    uint32_t nr_cpus, cmdline_length;
    uint32_t nr_zones;
    struct boot_zone zones[ZONES_MAX];
};

void boot_memory_map(struct boot_memory *boot, const struct machine_config *config); /* what there is; nothing is taken */
void boot_memory_take(struct boot_memory *boot);                                     /* all of the kernel's requests */
void boot_memory_free_late(struct boot_memory *boot); /* gives back the initrd and what is not kept of the kernel's image */
