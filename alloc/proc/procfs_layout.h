/* alloc/proc/procfs_layout.h - the files of /proc as plain structs, and how Linux 6.1 lays each out as text. A machine
 * fills the structs (alloc/proc/procfs_fill.c), and so can a parser of real files. Stands on: page_alloc (vmstat),
 * procfs_text. */
#pragma once
#include "alloc/page/page_alloc.h"
#include "alloc/proc/procfs_text.h"

#define PROCFS_ZONES 5 /* DMA, DMA32, Normal, Movable, Device */

/* --- buddyinfo, pagetypeinfo: each zone that has memory. mm/vmstat.c: frag_show_print(), pagetypeinfo_show() --- */
struct zone_blocks {
    char name[8];
    uint64_t nr_free[VIEW_ORDERS]; /* blocks */
    uint64_t nr_free_of[NR_MIGRATETYPES][VIEW_ORDERS];
    uint64_t nr_pageblocks[NR_MIGRATETYPES];
};
void procfs_put_buddyinfo(struct writer *writer, const struct zone_blocks *zones, uint32_t nr_zones);
void procfs_put_pagetypeinfo(struct writer *writer, const struct zone_blocks *zones, uint32_t nr_zones);

/* --- zoneinfo, zone by zone. zoneinfo_show_print() --- */
struct zoneinfo_cpu {
    uint64_t count, high, batch, threshold;
};
struct zoneinfo {
    char name[8];
    bool has_node_stats; /* the first zone that has memory shows the node's numbers */
    struct vmstat stats; /* VM_NODE: the node's; VM_ZONE and VM_NUMA: this zone's */
    uint64_t free, boost, min, low, high, spanned, present, managed, cma;
    uint64_t protection[PROCFS_ZONES];
    uint64_t node_unreclaimable, start_pfn;
    uint32_t nr_cpus;
    struct zoneinfo_cpu cpus[CPUS_MAX];
};
void procfs_put_zoneinfo(struct writer *writer, const struct zoneinfo *zone);

void procfs_put_vmstat(struct writer *writer, const struct vmstat *vmstat);
const char *vmstat_name(enum vm_item item);
enum vm_group vmstat_group(enum vm_item item);

/* --- meminfo. fs/proc/meminfo.c: field, name and blanks before the number, width of the number, what follows it --- */
#define MEMINFO_MAP(X)                                                                                                     \
    X(mem_total, "MemTotal:       ", 8, " kB")                                                                             \
    X(mem_free, "MemFree:        ", 8, " kB")                                                                              \
    X(mem_available, "MemAvailable:   ", 8, " kB")                                                                         \
    X(buffers, "Buffers:        ", 8, " kB")                                                                               \
    X(cached, "Cached:         ", 8, " kB")                                                                                \
    X(swap_cached, "SwapCached:     ", 8, " kB")                                                                           \
    X(active, "Active:         ", 8, " kB")                                                                                \
    X(inactive, "Inactive:       ", 8, " kB")                                                                              \
    X(active_anon, "Active(anon):   ", 8, " kB")                                                                           \
    X(inactive_anon, "Inactive(anon): ", 8, " kB")                                                                         \
    X(active_file, "Active(file):   ", 8, " kB")                                                                           \
    X(inactive_file, "Inactive(file): ", 8, " kB")                                                                         \
    X(unevictable, "Unevictable:    ", 8, " kB")                                                                           \
    X(mlocked, "Mlocked:        ", 8, " kB")                                                                               \
    X(swap_total, "SwapTotal:      ", 8, " kB")                                                                            \
    X(swap_free, "SwapFree:       ", 8, " kB")                                                                             \
    X(zswap, "Zswap:          ", 8, " kB")                                                                                 \
    X(zswapped, "Zswapped:       ", 8, " kB")                                                                              \
    X(dirty, "Dirty:          ", 8, " kB")                                                                                 \
    X(writeback, "Writeback:      ", 8, " kB")                                                                             \
    X(anon_pages, "AnonPages:      ", 8, " kB")                                                                            \
    X(mapped, "Mapped:         ", 8, " kB")                                                                                \
    X(shmem, "Shmem:          ", 8, " kB")                                                                                 \
    X(k_reclaimable, "KReclaimable:   ", 8, " kB")                                                                         \
    X(slab, "Slab:           ", 8, " kB")                                                                                  \
    X(s_reclaimable, "SReclaimable:   ", 8, " kB")                                                                         \
    X(s_unreclaim, "SUnreclaim:     ", 8, " kB")                                                                           \
    X(kernel_stack, "KernelStack:    ", 8, " kB")                                                                          \
    X(page_tables, "PageTables:     ", 8, " kB")                                                                           \
    X(sec_page_tables, "SecPageTables:  ", 8, " kB")                                                                       \
    X(nfs_unstable, "NFS_Unstable:   ", 8, " kB")                                                                          \
    X(bounce, "Bounce:         ", 8, " kB")                                                                                \
    X(writeback_tmp, "WritebackTmp:   ", 8, " kB")                                                                         \
    X(commit_limit, "CommitLimit:    ", 8, " kB")                                                                          \
    X(committed_as, "Committed_AS:   ", 8, " kB")                                                                          \
    X(vmalloc_total, "VmallocTotal:   ", 8, " kB")                                                                         \
    X(vmalloc_used, "VmallocUsed:    ", 8, " kB")                                                                          \
    X(vmalloc_chunk, "VmallocChunk:   ", 8, " kB")                                                                         \
    X(percpu, "Percpu:         ", 8, " kB")                                                                                \
    X(hardware_corrupted, "HardwareCorrupted: ", 5, " kB")                                                                 \
    X(anon_huge_pages, "AnonHugePages:  ", 8, " kB")                                                                       \
    X(shmem_huge_pages, "ShmemHugePages: ", 8, " kB")                                                                      \
    X(shmem_pmd_mapped, "ShmemPmdMapped: ", 8, " kB")                                                                      \
    X(file_huge_pages, "FileHugePages:  ", 8, " kB")                                                                       \
    X(file_pmd_mapped, "FilePmdMapped:  ", 8, " kB")                                                                       \
    X(huge_pages_total, "HugePages_Total:   ", 5, "")                                                                      \
    X(huge_pages_free, "HugePages_Free:    ", 5, "")                                                                       \
    X(huge_pages_rsvd, "HugePages_Rsvd:    ", 5, "")                                                                       \
    X(huge_pages_surp, "HugePages_Surp:    ", 5, "")                                                                       \
    X(hugepagesize, "Hugepagesize:   ", 8, " kB")                                                                          \
    X(hugetlb, "Hugetlb:        ", 8, " kB")                                                                               \
    X(direct_map_4k, "DirectMap4k:    ", 8, " kB")                                                                         \
    X(direct_map_2m, "DirectMap2M:    ", 8, " kB")

struct meminfo { /* kB, but for huge_pages_*, which are counts */
#define X(field, name, width, unit) uint64_t field;
    MEMINFO_MAP(X)
#undef X
};
void procfs_put_meminfo(struct writer *writer, const struct meminfo *meminfo);

/* --- /proc/meminfo of Linux 2.0: fs/proc/array.c get_meminfo(). Bytes --- */
struct meminfo_classic {
    uint64_t total, free, shared, buffers, cached, swap_total, swap_free;
};
void procfs_put_meminfo_classic(struct writer *writer, const struct meminfo_classic *meminfo);

/* --- slabinfo: a line a cache. mm/slab_common.c: print_slabinfo_header(), cache_show() --- */
struct slabinfo {
    const char *name;
    uint64_t active_objs, num_objs, objsize, objperslab, pagesperslab;
    uint64_t limit, batchcount, sharedfactor; /* tunables: SLAB's, 0 with SLUB */
    uint64_t active_slabs, num_slabs, sharedavail;
};
void procfs_put_slabinfo_head(struct writer *writer);
void procfs_put_slabinfo(struct writer *writer, const struct slabinfo *cache);

/* --- vmallocinfo: a line an area. mm/vmalloc.c: s_show(), show_purge_info() --- */
enum vmallocinfo_flag {
    VMINFO_IOREMAP = 1,
    VMINFO_VMALLOC = 2,
    VMINFO_VMAP = 4,
    VMINFO_USER = 8,
    VMINFO_DMA_COHERENT = 16,
    VMINFO_VPAGES = 32 /* the array of page pointers is vmalloc'ed, too */
};
struct vmallocinfo {
    uint64_t start, end;
    bool is_unpurged;   /* freed and still lazy: nothing else is known of it then */
    const char *caller; /* with offset and module; "": not known */
    uint64_t nr_pages;  /* 0: not shown */
    uint64_t physical;  /* 0: not shown */
    uint32_t flags;
    uint64_t nr_node_pages; /* on node 0; 0: not shown */
};
void procfs_put_vmallocinfo(struct writer *writer, const struct vmallocinfo *area);
