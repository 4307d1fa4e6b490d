/* alloc/page/boot_direct_map.h - what the tables of the direct map take at boot. Linux v6.1 arch/x86/mm/init.c:
 * init_mem_mapping(), memory_map_top_down(), alloc_low_pages(). Stands on: boot_memory. */
#pragma once
#include "alloc/page/boot_memory.h"

/* Maps all memory by 2 MiB, from its top down. The first tables come from the kernel's brk, the others from memblock. */
void boot_direct_map(struct boot_memory *boot);
