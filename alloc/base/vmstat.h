/* alloc/base/vmstat.h - the counters of /proc/vmstat, under the kernel's names and in its order. Linux v6.1 mm/vmstat.c:
 * vmstat_text[] as a kernel built like Debian's prints it. Stands on: nothing.
 *
 * Events are counted where they happen, by one addition. Gauges (VM_ZONE, VM_NODE, VM_LIMIT) follow from the state. They
 * are computed when somebody reads them (alloc/proc/procfs_fill.c), so no operation pays for them; here they stay 0. What
 * Pagoda does not simulate (file cache, NUMA, huge pages) is always 0. */
#pragma once
#include <stdint.h>

enum vm_group { VM_ZONE, VM_NUMA, VM_NODE, VM_LIMIT, VM_EVENT };

/* name, group. zoneinfo prints the first three groups too: VM_NODE once, VM_ZONE and VM_NUMA for each zone. */
#define VMSTAT_MAP(X)                                                                                                      \
    X(nr_free_pages, VM_ZONE)                                                                                              \
    X(nr_zone_inactive_anon, VM_ZONE)                                                                                      \
    X(nr_zone_active_anon, VM_ZONE)                                                                                        \
    X(nr_zone_inactive_file, VM_ZONE)                                                                                      \
    X(nr_zone_active_file, VM_ZONE)                                                                                        \
    X(nr_zone_unevictable, VM_ZONE)                                                                                        \
    X(nr_zone_write_pending, VM_ZONE)                                                                                      \
    X(nr_mlock, VM_ZONE)                                                                                                   \
    X(nr_bounce, VM_ZONE)                                                                                                  \
    X(nr_zspages, VM_ZONE)                                                                                                 \
    X(nr_free_cma, VM_ZONE)                                                                                                \
    X(numa_hit, VM_NUMA)                                                                                                   \
    X(numa_miss, VM_NUMA)                                                                                                  \
    X(numa_foreign, VM_NUMA)                                                                                               \
    X(numa_interleave, VM_NUMA)                                                                                            \
    X(numa_local, VM_NUMA)                                                                                                 \
    X(numa_other, VM_NUMA)                                                                                                 \
    X(nr_inactive_anon, VM_NODE)                                                                                           \
    X(nr_active_anon, VM_NODE)                                                                                             \
    X(nr_inactive_file, VM_NODE)                                                                                           \
    X(nr_active_file, VM_NODE)                                                                                             \
    X(nr_unevictable, VM_NODE)                                                                                             \
    X(nr_slab_reclaimable, VM_NODE)                                                                                        \
    X(nr_slab_unreclaimable, VM_NODE)                                                                                      \
    X(nr_isolated_anon, VM_NODE)                                                                                           \
    X(nr_isolated_file, VM_NODE)                                                                                           \
    X(workingset_nodes, VM_NODE)                                                                                           \
    X(workingset_refault_anon, VM_NODE)                                                                                    \
    X(workingset_refault_file, VM_NODE)                                                                                    \
    X(workingset_activate_anon, VM_NODE)                                                                                   \
    X(workingset_activate_file, VM_NODE)                                                                                   \
    X(workingset_restore_anon, VM_NODE)                                                                                    \
    X(workingset_restore_file, VM_NODE)                                                                                    \
    X(workingset_nodereclaim, VM_NODE)                                                                                     \
    X(nr_anon_pages, VM_NODE)                                                                                              \
    X(nr_mapped, VM_NODE)                                                                                                  \
    X(nr_file_pages, VM_NODE)                                                                                              \
    X(nr_dirty, VM_NODE)                                                                                                   \
    X(nr_writeback, VM_NODE)                                                                                               \
    X(nr_writeback_temp, VM_NODE)                                                                                          \
    X(nr_shmem, VM_NODE)                                                                                                   \
    X(nr_shmem_hugepages, VM_NODE)                                                                                         \
    X(nr_shmem_pmdmapped, VM_NODE)                                                                                         \
    X(nr_file_hugepages, VM_NODE)                                                                                          \
    X(nr_file_pmdmapped, VM_NODE)                                                                                          \
    X(nr_anon_transparent_hugepages, VM_NODE)                                                                              \
    X(nr_vmscan_write, VM_NODE)                                                                                            \
    X(nr_vmscan_immediate_reclaim, VM_NODE)                                                                                \
    X(nr_dirtied, VM_NODE)                                                                                                 \
    X(nr_written, VM_NODE)                                                                                                 \
    X(nr_throttled_written, VM_NODE)                                                                                       \
    X(nr_kernel_misc_reclaimable, VM_NODE)                                                                                 \
    X(nr_foll_pin_acquired, VM_NODE)                                                                                       \
    X(nr_foll_pin_released, VM_NODE)                                                                                       \
    X(nr_kernel_stack, VM_NODE)                                                                                            \
    X(nr_page_table_pages, VM_NODE)                                                                                        \
    X(nr_sec_page_table_pages, VM_NODE)                                                                                    \
    X(nr_swapcached, VM_NODE)                                                                                              \
    X(pgpromote_success, VM_NODE)                                                                                          \
    X(pgpromote_candidate, VM_NODE)                                                                                        \
    X(nr_dirty_threshold, VM_LIMIT)                                                                                        \
    X(nr_dirty_background_threshold, VM_LIMIT)                                                                             \
    X(pgpgin, VM_EVENT)                                                                                                    \
    X(pgpgout, VM_EVENT)                                                                                                   \
    X(pswpin, VM_EVENT)                                                                                                    \
    X(pswpout, VM_EVENT)                                                                                                   \
    X(pgalloc_dma, VM_EVENT)                                                                                               \
    X(pgalloc_dma32, VM_EVENT)                                                                                             \
    X(pgalloc_normal, VM_EVENT)                                                                                            \
    X(pgalloc_movable, VM_EVENT)                                                                                           \
    X(pgalloc_device, VM_EVENT)                                                                                            \
    X(allocstall_dma, VM_EVENT)                                                                                            \
    X(allocstall_dma32, VM_EVENT)                                                                                          \
    X(allocstall_normal, VM_EVENT)                                                                                         \
    X(allocstall_movable, VM_EVENT)                                                                                        \
    X(allocstall_device, VM_EVENT)                                                                                         \
    X(pgskip_dma, VM_EVENT)                                                                                                \
    X(pgskip_dma32, VM_EVENT)                                                                                              \
    X(pgskip_normal, VM_EVENT)                                                                                             \
    X(pgskip_movable, VM_EVENT)                                                                                            \
    X(pgskip_device, VM_EVENT)                                                                                             \
    X(pgfree, VM_EVENT)                                                                                                    \
    X(pgactivate, VM_EVENT)                                                                                                \
    X(pgdeactivate, VM_EVENT)                                                                                              \
    X(pglazyfree, VM_EVENT)                                                                                                \
    X(pgfault, VM_EVENT)                                                                                                   \
    X(pgmajfault, VM_EVENT)                                                                                                \
    X(pglazyfreed, VM_EVENT)                                                                                               \
    X(pgrefill, VM_EVENT)                                                                                                  \
    X(pgreuse, VM_EVENT)                                                                                                   \
    X(pgsteal_kswapd, VM_EVENT)                                                                                            \
    X(pgsteal_direct, VM_EVENT)                                                                                            \
    X(pgdemote_kswapd, VM_EVENT)                                                                                           \
    X(pgdemote_direct, VM_EVENT)                                                                                           \
    X(pgscan_kswapd, VM_EVENT)                                                                                             \
    X(pgscan_direct, VM_EVENT)                                                                                             \
    X(pgscan_direct_throttle, VM_EVENT)                                                                                    \
    X(pgscan_anon, VM_EVENT)                                                                                               \
    X(pgscan_file, VM_EVENT)                                                                                               \
    X(pgsteal_anon, VM_EVENT)                                                                                              \
    X(pgsteal_file, VM_EVENT)                                                                                              \
    X(zone_reclaim_failed, VM_EVENT)                                                                                       \
    X(pginodesteal, VM_EVENT)                                                                                              \
    X(slabs_scanned, VM_EVENT)                                                                                             \
    X(kswapd_inodesteal, VM_EVENT)                                                                                         \
    X(kswapd_low_wmark_hit_quickly, VM_EVENT)                                                                              \
    X(kswapd_high_wmark_hit_quickly, VM_EVENT)                                                                             \
    X(pageoutrun, VM_EVENT)                                                                                                \
    X(pgrotated, VM_EVENT)                                                                                                 \
    X(drop_pagecache, VM_EVENT)                                                                                            \
    X(drop_slab, VM_EVENT)                                                                                                 \
    X(oom_kill, VM_EVENT)                                                                                                  \
    X(numa_pte_updates, VM_EVENT)                                                                                          \
    X(numa_huge_pte_updates, VM_EVENT)                                                                                     \
    X(numa_hint_faults, VM_EVENT)                                                                                          \
    X(numa_hint_faults_local, VM_EVENT)                                                                                    \
    X(numa_pages_migrated, VM_EVENT)                                                                                       \
    X(pgmigrate_success, VM_EVENT)                                                                                         \
    X(pgmigrate_fail, VM_EVENT)                                                                                            \
    X(thp_migration_success, VM_EVENT)                                                                                     \
    X(thp_migration_fail, VM_EVENT)                                                                                        \
    X(thp_migration_split, VM_EVENT)                                                                                       \
    X(compact_migrate_scanned, VM_EVENT)                                                                                   \
    X(compact_free_scanned, VM_EVENT)                                                                                      \
    X(compact_isolated, VM_EVENT)                                                                                          \
    X(compact_stall, VM_EVENT)                                                                                             \
    X(compact_fail, VM_EVENT)                                                                                              \
    X(compact_success, VM_EVENT)                                                                                           \
    X(compact_daemon_wake, VM_EVENT)                                                                                       \
    X(compact_daemon_migrate_scanned, VM_EVENT)                                                                            \
    X(compact_daemon_free_scanned, VM_EVENT)                                                                               \
    X(htlb_buddy_alloc_success, VM_EVENT)                                                                                  \
    X(htlb_buddy_alloc_fail, VM_EVENT)                                                                                     \
    X(unevictable_pgs_culled, VM_EVENT)                                                                                    \
    X(unevictable_pgs_scanned, VM_EVENT)                                                                                   \
    X(unevictable_pgs_rescued, VM_EVENT)                                                                                   \
    X(unevictable_pgs_mlocked, VM_EVENT)                                                                                   \
    X(unevictable_pgs_munlocked, VM_EVENT)                                                                                 \
    X(unevictable_pgs_cleared, VM_EVENT)                                                                                   \
    X(unevictable_pgs_stranded, VM_EVENT)                                                                                  \
    X(thp_fault_alloc, VM_EVENT)                                                                                           \
    X(thp_fault_fallback, VM_EVENT)                                                                                        \
    X(thp_fault_fallback_charge, VM_EVENT)                                                                                 \
    X(thp_collapse_alloc, VM_EVENT)                                                                                        \
    X(thp_collapse_alloc_failed, VM_EVENT)                                                                                 \
    X(thp_file_alloc, VM_EVENT)                                                                                            \
    X(thp_file_fallback, VM_EVENT)                                                                                         \
    X(thp_file_fallback_charge, VM_EVENT)                                                                                  \
    X(thp_file_mapped, VM_EVENT)                                                                                           \
    X(thp_split_page, VM_EVENT)                                                                                            \
    X(thp_split_page_failed, VM_EVENT)                                                                                     \
    X(thp_deferred_split_page, VM_EVENT)                                                                                   \
    X(thp_split_pmd, VM_EVENT)                                                                                             \
    X(thp_scan_exceed_none_pte, VM_EVENT)                                                                                  \
    X(thp_scan_exceed_swap_pte, VM_EVENT)                                                                                  \
    X(thp_scan_exceed_share_pte, VM_EVENT)                                                                                 \
    X(thp_split_pud, VM_EVENT)                                                                                             \
    X(thp_zero_page_alloc, VM_EVENT)                                                                                       \
    X(thp_zero_page_alloc_failed, VM_EVENT)                                                                                \
    X(thp_swpout, VM_EVENT)                                                                                                \
    X(thp_swpout_fallback, VM_EVENT)                                                                                       \
    X(balloon_inflate, VM_EVENT)                                                                                           \
    X(balloon_deflate, VM_EVENT)                                                                                           \
    X(balloon_migrate, VM_EVENT)                                                                                           \
    X(swap_ra, VM_EVENT)                                                                                                   \
    X(swap_ra_hit, VM_EVENT)                                                                                               \
    X(ksm_swpin_copy, VM_EVENT)                                                                                            \
    X(cow_ksm, VM_EVENT)                                                                                                   \
    X(zswpin, VM_EVENT)                                                                                                    \
    X(zswpout, VM_EVENT)                                                                                                   \
    X(direct_map_level2_splits, VM_EVENT)                                                                                  \
    X(direct_map_level3_splits, VM_EVENT)                                                                                  \
    X(nr_unstable, VM_EVENT)

enum vm_item {
#define X(name, group) VM_##name,
    VMSTAT_MAP(X)
#undef X
        NR_VM_ITEMS
};

struct vmstat {
    uint64_t count[NR_VM_ITEMS];
};

static inline void vmstat_add(struct vmstat *vmstat, enum vm_item item, uint64_t n)
{
    vmstat->count[item] += n;
}
