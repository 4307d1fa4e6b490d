/* pagoda/event.h - what happened inside one operation: events, decisions, the call path, and what it cost. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

/* Fields of an event that carry meaning; the JSON of an event shows just these. */
enum event_field {
    F_PFN = 1,
    F_ORDER = 2,
    F_MT = 4,
    F_ZONE = 8,
    F_ADDRESS = 16,
    F_COUNT = 32,
    F_PID = 64,
    F_A = 128, /* free, named by the table */
    F_B = 256,
    F_OK = 512,        /* decisions: did the test hold */
    F_DECISION = 1024, /* shown by explain=true, not among events */
    F_STEP = 2048,     /* an event that explain=true shows among the decisions, too: what a decision led to */
};

/* id, name (the kernel's tracepoint or function), fields, name of A, name of B. Append only. */
#define EVENT_MAP(X)                                                                                                       \
    X(EV_PAGE_ALLOC, "mm_page_alloc", F_PFN | F_ORDER | F_MT, "", "")                                                      \
    X(EV_PAGE_FREE, "mm_page_free", F_PFN | F_ORDER, "", "")                                                               \
    X(EV_SPLIT, "split", F_STEP | F_PFN | F_ORDER | F_MT, "", "") /* order: of the two halves */                           \
    X(EV_MERGE, "merge", F_PFN | F_ORDER | F_A, "buddy", "")      /* order: of the merged block */                         \
    X(EV_PCP_REFILL, "pcp_refill", F_STEP | F_ORDER | F_MT | F_ZONE | F_COUNT, "", "")                                     \
    X(EV_PCP_DRAIN, "mm_page_pcpu_drain", F_PFN | F_ORDER | F_MT, "", "")                                                  \
    X(EV_EXTFRAG, "mm_page_alloc_extfrag", F_STEP | F_PFN | F_ORDER | F_MT | F_A | F_B, "fallback_order",                  \
      "fallback_migratetype")                                                                                              \
    X(EV_STEAL, "steal", F_STEP | F_PFN | F_MT | F_COUNT, "", "") /* count: pages moved; a whole pageblock changed type */ \
    X(EV_HIGHATOMIC, "reserve_highatomic", F_STEP | F_PFN | F_ZONE, "", "")                                                \
    X(EV_WAKE_KSWAPD, "wakeup_kswapd", F_STEP | F_ZONE | F_ORDER, "", "")                                                  \
    X(EV_DIRECT_RECLAIM, "direct_reclaim", F_STEP | F_ORDER | F_COUNT, "", "") /* count: pages reclaimed */                \
    X(EV_KSWAPD, "kswapd", F_COUNT, "", "")                                    /* one run; count: pages reclaimed */       \
    X(EV_SWAP_OUT, "swap_out", F_PFN | F_ADDRESS | F_PID | F_A, "slot", "")                                                \
    X(EV_SWAP_IN, "swap_in", F_PFN | F_ADDRESS | F_PID | F_A, "slot", "")                                                  \
    X(EV_OOM_KILL, "oom_kill", F_STEP | F_PID | F_COUNT, "", "")           /* count: pages freed */                        \
    X(EV_NEW_SLAB, "new_slab", F_STEP | F_PFN | F_ORDER | F_COUNT, "", "") /* count: objects */                            \
    X(EV_SLAB_CPU, "slab_cpu", F_STEP | F_PFN | F_A, "source",                                                             \
      "") /* a slab becomes the CPU's; source 0 own list, 1 cpu partial, 2 node, 3 new */                                  \
    X(EV_SLAB_DISCARD, "discard_slab", F_PFN | F_ORDER, "", "")                                                            \
    X(EV_KMALLOC, "kmalloc", F_ADDRESS | F_A | F_B, "bytes_req", "bytes_alloc")                                            \
    X(EV_KFREE, "kfree", F_ADDRESS, "", "")                                                                                \
    X(EV_CACHE_ALLOC, "kmem_cache_alloc", F_ADDRESS | F_A | F_B, "bytes_req", "bytes_alloc")                               \
    X(EV_CACHE_FREE, "kmem_cache_free", F_ADDRESS, "", "")                                                                 \
    X(EV_VMAP_AREA, "alloc_vmap_area", F_ADDRESS | F_COUNT, "", "") /* count: pages, the guard included */                 \
    X(EV_VMAP_LAZY, "free_vmap_area_noflush", F_ADDRESS | F_COUNT | F_A, "lazy_nr", "")                                    \
    X(EV_VMAP_PURGE, "purge_vmap_area_lazy", F_ADDRESS | F_COUNT, "", "")                                                  \
    X(EV_PTE_SET, "pte_set", F_ADDRESS | F_PFN, "", "")                                                                    \
    X(EV_PTE_CLEAR, "pte_clear", F_ADDRESS | F_PFN, "", "")                                                                \
    X(EV_PGTABLE, "pgtable_alloc", F_PFN | F_ADDRESS | F_A, "level", "")                                                   \
    X(EV_PGTABLE_FREE, "pgtable_free", F_PFN | F_A, "level", "")                                                           \
    X(EV_TLB_FLUSH, "tlb_flush", F_ADDRESS | F_COUNT, "", "")                                                              \
    X(EV_FAULT, "page_fault", F_ADDRESS | F_PID | F_A, "write", "")                                                        \
    X(EV_COW, "copy_on_write", F_PFN | F_ADDRESS | F_PID | F_A, "from_pfn", "")                                            \
    X(EV_BRK, "brk", F_ADDRESS | F_PID, "", "")                                                                            \
    X(EV_MMAP, "mmap", F_ADDRESS | F_PID | F_COUNT, "", "")                                                                \
    X(EV_MUNMAP, "munmap", F_ADDRESS | F_PID | F_COUNT, "", "")                                                            \
    X(EV_ZERO, "zero", F_ADDRESS | F_COUNT, "", "") /* count: bytes cleared */                                             \
    X(EV_WATERMARK, "watermark", F_DECISION | F_ZONE | F_ORDER | F_A | F_B | F_OK, "free", "mark")                         \
    X(EV_TRY_PCP, "try_pcp", F_DECISION | F_ZONE | F_ORDER | F_MT | F_COUNT | F_OK, "", "") /* count: pages on the list */ \
    X(EV_TRY_BUDDY, "try_buddy", F_DECISION | F_ZONE | F_ORDER | F_MT | F_OK, "", "")                                      \
    X(EV_SLOWPATH, "slowpath", F_DECISION | F_ORDER, "", "")                                                               \
    X(EV_VMAP_SEARCH, "find_vmap_lowest_match", F_DECISION | F_ADDRESS | F_COUNT | F_OK, "", "")                           \
    X(EV_KSWAPD_WAKE, "mm_vmscan_kswapd_wake", F_ZONE | F_ORDER, "", "") /* it begins; zone: the highest to balance */     \
    X(EV_KSWAPD_SLEEP, "mm_vmscan_kswapd_sleep", F_COUNT | F_OK, "",                                                       \
      "") /* count: pages reclaimed since it woke; ok: balanced */                                                         \
    X(EV_LRU_INACTIVE, "mm_vmscan_lru_shrink_inactive", F_COUNT | F_A | F_B, "nr_scanned",                                 \
      "priority")                                                                  /* count: reclaimed */                  \
    X(EV_LRU_ACTIVE, "mm_vmscan_lru_shrink_active", F_COUNT | F_B, "", "priority") /* count: pages moved to inactive */    \
    X(EV_RECLAIMED_FROM, "reclaimed_from", F_PID | F_COUNT, "", "") /* what direct reclaim took from one process */        \
    X(EV_REFAULT, "workingset_refault", F_PFN | F_A | F_OK, "distance", "") /* ok: back to the active list */              \
    X(EV_COMPACT_BEGIN, "mm_compaction_begin", F_ZONE | F_ORDER | F_PFN | F_A, "free_pfn", "") /* pfn: migrate scanner */  \
    X(EV_COMPACT_END, "mm_compaction_end", F_ZONE | F_PFN | F_A | F_COUNT | F_OK, "free_pfn",                              \
      "") /* count: pages moved; ok: a block is there */                                                                   \
    X(EV_MIGRATE, "mm_migrate_page", F_PFN | F_A | F_PID | F_ADDRESS, "from_pfn", "")                                      \
    X(EV_UNRESERVE, "unreserve_highatomic", F_PFN | F_ZONE | F_MT | F_OK, "", "") /* ok: free pages came with it */        \
    X(EV_DRAIN_ALL, "drain_all_pages", F_COUNT, "", "")                           /* count: pages given back */            \
    X(EV_NO_WATERMARKS, "alloc_no_watermarks", F_DECISION | F_ORDER, "", "")      /* __GFP_MEMALLOC or an OOM victim */    \
    X(EV_REFERENCES, "folio_check_references", F_DECISION | F_PFN | F_PID | F_COUNT | F_A | F_OK, "was_referenced",        \
      "") /* count: accessed bits; ok: may go */                                                                           \
    X(EV_SWAP_FULL, "get_scan_count", F_DECISION | F_COUNT | F_A | F_OK, "free_swap",                                      \
      "") /* count: anonymous pages; ok: reclaimable */                                                                    \
    X(EV_SUITABLE, "mm_compaction_suitable", F_DECISION | F_ZONE | F_ORDER | F_A | F_B | F_OK, "free", "needed")           \
    X(EV_FRAGINDEX, "fragmentation_index", F_DECISION | F_ZONE | F_ORDER | F_A | F_OK, "index",                            \
      "") /* thousandths; ok: fragmentation, not want of memory */                                                         \
    X(EV_DEFERRED, "mm_compaction_deferred", F_DECISION | F_ZONE | F_ORDER | F_A, "defer_shift", "")                       \
    X(EV_RECLAIM_RETRY, "reclaim_retry_zone", F_DECISION | F_ZONE | F_ORDER | F_A | F_B | F_COUNT | F_OK, "available",     \
      "min_wmark") /* count: tries without progress */                                                                     \
    X(EV_COMPACT_RETRY, "compact_retry", F_DECISION | F_ORDER | F_A | F_COUNT | F_OK, "priority", "") /* count: retries */ \
    X(EV_OOM_BADNESS, "oom_badness", F_DECISION | F_PID | F_A | F_OK, "points", "") /* ok: the chosen one */               \
    X(EV_OOM_REFUSED, "oom_refused", F_DECISION | F_ORDER, "", "") /* costly order, flags or a low zone forbid killing */  \
    X(EV_NOPAGE_NOWAIT, "nopage_no_direct_reclaim", F_DECISION | F_ORDER, "",                                              \
      "")                                                                    /* may not sleep: nothing more can be done */ \
    X(EV_NOPAGE_NORETRY, "nopage_noretry", F_DECISION | F_ORDER, "", "")     /* __GFP_NORETRY: one try was all */          \
    X(EV_NOPAGE_COSTLY, "nopage_costly_order", F_DECISION | F_ORDER, "", "") /* order > 3 is not retried */                \
    X(EV_NOPAGE, "nopage", F_DECISION | F_ORDER, "", "")                     /* everything was tried */                    \
    X(EV_MREMAP, "mremap", F_ADDRESS | F_PID | F_COUNT | F_A, "from_address", "") /* moved */                              \
    X(EV_MPROTECT, "mprotect", F_ADDRESS | F_PID | F_COUNT | F_A, "access", "")   /* access: 1 read, 2 write, 4 execute */ \
    X(EV_MADVISE, "madvise", F_ADDRESS | F_PID | F_COUNT | F_A, "advice", "") /* advice: its place in the list of words */

enum event_kind {
#define X(id, name, fields, a, b) id,
    EVENT_MAP(X)
#undef X
        NR_EVENTS
};

/* An event that a kernel call would repeat for consecutive frames (pte_set) may stand for count of them. */
struct event {
    uint16_t kind;
    uint8_t order, migratetype;
    uint8_t zone, ok;
    uint32_t pid;
    uint32_t pfn, count;
    uint64_t address, a, b;
};

struct event_info {
    const char *name;
    uint32_t fields;
    const char *a_name, *b_name;
};
const struct event_info *event_info(enum event_kind kind);

/* Functions on the call path, in the names of the kernel and glibc. Append only. */
#define PATH_MAP(X)                                                                                                        \
    X(kmalloc)                                                                                                             \
    X(kzalloc)                                                                                                             \
    X(kcalloc)                                                                                                             \
    X(krealloc)                                                                                                            \
    X(kfree)                                                                                                               \
    X(ksize)                                                                                                               \
    X(__kmem_cache_alloc)                                                                                                  \
    X(kmalloc_large)                                                                                                       \
    X(kmem_cache_alloc)                                                                                                    \
    X(kmem_cache_free)                                                                                                     \
    X(kmem_cache_create)                                                                                                   \
    X(kmem_cache_destroy)                                                                                                  \
    X(___slab_alloc)                                                                                                       \
    X(get_partial)                                                                                                         \
    X(new_slab)                                                                                                            \
    X(__slab_free)                                                                                                         \
    X(discard_slab)                                                                                                        \
    X(get_km_page)                                                                                                         \
    X(__get_free_pages)                                                                                                    \
    X(alloc_pages)                                                                                                         \
    X(get_page_from_freelist)                                                                                              \
    X(rmqueue)                                                                                                             \
    X(rmqueue_pcplist)                                                                                                     \
    X(rmqueue_bulk)                                                                                                        \
    X(__rmqueue)                                                                                                           \
    X(__rmqueue_fallback)                                                                                                  \
    X(__alloc_pages_slowpath)                                                                                              \
    X(__alloc_pages_bulk)                                                                                                  \
    X(__free_pages)                                                                                                        \
    X(free_unref_page)                                                                                                     \
    X(free_pcppages_bulk)                                                                                                  \
    X(__free_one_page)                                                                                                     \
    X(free_pages_ok)                                                                                                       \
    X(try_to_free_pages)                                                                                                   \
    X(wakeup_kswapd)                                                                                                       \
    X(out_of_memory)                                                                                                       \
    X(vmalloc)                                                                                                             \
    X(vzalloc)                                                                                                             \
    X(vfree)                                                                                                               \
    X(kvmalloc)                                                                                                            \
    X(kvfree)                                                                                                              \
    X(__get_vm_area_node)                                                                                                  \
    X(alloc_vmap_area)                                                                                                     \
    X(vm_area_alloc_pages)                                                                                                 \
    X(vmap_pages_range)                                                                                                    \
    X(remove_vm_area)                                                                                                      \
    X(purge_vmap_area_lazy)                                                                                                \
    X(malloc)                                                                                                              \
    X(calloc)                                                                                                              \
    X(realloc)                                                                                                             \
    X(aligned_alloc)                                                                                                       \
    X(free)                                                                                                                \
    X(_int_malloc)                                                                                                         \
    X(_int_free)                                                                                                           \
    X(sysmalloc)                                                                                                           \
    X(brk)                                                                                                                 \
    X(mmap)                                                                                                                \
    X(munmap)                                                                                                              \
    X(mlock)                                                                                                               \
    X(mremap)                                                                                                              \
    X(handle_mm_fault)                                                                                                     \
    X(do_anonymous_page)                                                                                                   \
    X(do_wp_page)                                                                                                          \
    X(do_swap_page)                                                                                                        \
    X(spawn)                                                                                                               \
    X(exit_mmap)                                                                                                           \
    X(dup_mmap)                                                                                                            \
    X(vmalloc_huge)                                                                                                        \
    X(__vfree_deferred)                                                                                                    \
    X(vm_unmap_aliases)                                                                                                    \
    X(malloc_printerr)                                                                                                     \
    X(malloc_usable_size)                                                                                                  \
    X(malloc_trim)                                                                                                         \
    X(mallopt)                                                                                                             \
    X(memalign)                                                                                                            \
    X(posix_memalign)                                                                                                      \
    X(valloc)                                                                                                              \
    X(pvalloc)                                                                                                             \
    X(__malloc_arena_thread_freeres)                                                                                       \
    X(__alloc_pages_direct_compact)                                                                                        \
    X(compact_memory)                                                                                                      \
    X(drain_local_pages)                                                                                                   \
    X(kmem_cache_shrink)                                                                                                   \
    X(mprotect)                                                                                                            \
    X(madvise)                                                                                                             \
    X(munlock)                                                                                                             \
    X(setrlimit)                                                                                                           \
    X(expand_stack)                                                                                                        \
    X(force_sig_fault)

enum path_step {
#define X(name) PATH_##name,
    PATH_MAP(X)
#undef X
        NR_PATH_STEPS
};
const char *path_step_name(enum path_step step);

/* What an operation's time is made of; id, name, ns each, where the number comes from. A lab may have numbers of its own
 * (config.h: cost_ns). "host_cost" is tools/host_cost.c (make bench-cost), run on an AMD EPYC (Milan), Linux 6.18, KVM
 * guest of 2 CPUs. */
#define COST_MAP(X)                                                                                                        \
    X(COST_SLAB_FAST, "slab fast path", 5,                                                                                 \
      "half of the 43 cycles (10.8 ns) of alloc + free: Linux commit fbd02630c6e3, i7-4790K")                              \
    X(COST_SLAB_SLOW, "slab slow path", 15,                                                                                \
      "25.6 ns of alloc + free over 250 objects less the fast path: Linux commit fbd02630c6e3")                            \
    X(COST_PCP, "per-CPU page list", 18, "host_cost: the engine's own edits, half of alloc + free of order 0")             \
    X(COST_BUDDY, "buddy list operation", 26, "host_cost: the engine's own edits, half of alloc + free of order 10")       \
    X(COST_SPLIT, "split or merge", 8, "host_cost: the engine's own edits, a tenth of 5 splits + 5 merges")                \
    X(COST_ZERO_PAGE, "zero one page", 250, "host_cost: memset of 4096 bytes in 64 MiB")                                   \
    X(COST_COPY_PAGE, "copy one page", 400, "host_cost: memcpy of 4096 bytes in 64 MiB")                                   \
    X(COST_VMAP_AREA, "vmalloc area search and insert", 390,                                                               \
      "979 ns of vmalloc(16384) + vfree, AMD Milan (U. Rezki, linux-mm 2025-10-16), less the other steps")                 \
    X(COST_PTE, "page-table entry write", 5, "bench: the engine's own stores, mapping 1 GiB page by page")                 \
    X(COST_TLB_FLUSH, "TLB flush", 40,                                                                                     \
      "96 cycles of __flush_tlb() (I. Molnar, linux-mm 2015-06-08); the misses after it are counted as they come")         \
    X(COST_IPI, "interrupt to another CPU", 8000,                                                                          \
      "host_cost: mprotect with and without a thread on the other CPU, in a KVM guest")                                    \
    X(COST_SYSCALL, "system call", 190, "host_cost: getppid")                                                              \
    X(COST_FAULT, "page fault", 1800, "host_cost: first write to a page, without zeroing it")                              \
    X(COST_HEAP, "user heap operation", 5, "host_cost: half of malloc(64) + free, glibc 2.36")                             \
    X(COST_VMA, "VMA edit", 1600, "host_cost: half of mmap + munmap, without the system calls")                            \
    X(COST_RECLAIM_PAGE, "reclaim scan of one page", 100, "host_cost: madvise(MADV_COLD), by page")                        \
    X(COST_SWAP_IO, "swap transfer of one page", 90000, "host_cost: pread of 4096 bytes, O_DIRECT, virtio disk")           \
    X(COST_CALL, "the call itself", 2, "host_cost: a function that does nothing")                                          \
    X(COST_INVLPG, "TLB flush of one page", 100,                                                                           \
      "Linux v6.1 arch/x86/mm/tlb.c, at tlb_single_page_flush_ceiling: about 100 ns")                                      \
    X(COST_WALK_LEVEL, "page walk, one table", 8, "host_cost: pointer chase over 16384 pages, a quarter of a miss")        \
    X(COST_SWITCH, "load of another address space", 40, "a write of CR3: 96 cycles (I. Molnar, linux-mm 2015-06-08)")

enum cost_step {
#define X(id, name, ns, source) id,
    COST_MAP(X)
#undef X
        NR_COST_STEPS
};
struct cost_info {
    const char *name;
    uint32_t each_ns;
    const char *source;
};
const struct cost_info *cost_info(enum cost_step step);
