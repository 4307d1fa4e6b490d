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
    F_OK = 512, /* decisions: did the test hold */
    F_DECISION = 1024, /* shown by explain=true, not among events */
};

/* id, name (the kernel's tracepoint or function), fields, name of A, name of B. Append only. */
#define EVENT_MAP(X)                                                                                                   \
    X(EV_PAGE_ALLOC, "mm_page_alloc", F_PFN | F_ORDER | F_MT, "", "")                                                  \
    X(EV_PAGE_FREE, "mm_page_free", F_PFN | F_ORDER, "", "")                                                           \
    X(EV_SPLIT, "split", F_PFN | F_ORDER | F_MT, "", "") /* order: of the two halves */                                \
    X(EV_MERGE, "merge", F_PFN | F_ORDER | F_A, "buddy", "") /* order: of the merged block */                          \
    X(EV_PCP_REFILL, "pcp_refill", F_ORDER | F_MT | F_ZONE | F_COUNT, "", "")                                          \
    X(EV_PCP_DRAIN, "mm_page_pcpu_drain", F_PFN | F_ORDER | F_MT, "", "")                                              \
    X(EV_EXTFRAG, "mm_page_alloc_extfrag", F_PFN | F_ORDER | F_MT | F_A | F_B, "fallback_order", "fallback_migratetype") \
    X(EV_STEAL, "steal", F_PFN | F_MT | F_COUNT, "", "") /* count: pages moved; a whole pageblock changed type */      \
    X(EV_HIGHATOMIC, "reserve_highatomic", F_PFN | F_ZONE, "", "")                                                     \
    X(EV_WAKE_KSWAPD, "wakeup_kswapd", F_ZONE | F_ORDER, "", "")                                                       \
    X(EV_DIRECT_RECLAIM, "direct_reclaim", F_ORDER | F_COUNT, "", "") /* count: pages reclaimed */                     \
    X(EV_KSWAPD, "kswapd", F_COUNT, "", "") /* one run; count: pages reclaimed */                                      \
    X(EV_SWAP_OUT, "swap_out", F_PFN | F_ADDRESS | F_PID | F_A, "slot", "")                                            \
    X(EV_SWAP_IN, "swap_in", F_PFN | F_ADDRESS | F_PID | F_A, "slot", "")                                              \
    X(EV_OOM_KILL, "oom_kill", F_PID | F_COUNT, "", "") /* count: pages freed */                                       \
    X(EV_NEW_SLAB, "new_slab", F_PFN | F_ORDER | F_COUNT, "", "") /* count: objects */                                 \
    X(EV_SLAB_CPU, "slab_cpu", F_PFN | F_A, "source", "") /* a slab becomes the CPU's; source 0 own list, 1 cpu partial, 2 node, 3 new */ \
    X(EV_SLAB_DISCARD, "discard_slab", F_PFN | F_ORDER, "", "")                                                        \
    X(EV_KMALLOC, "kmalloc", F_ADDRESS | F_A | F_B, "bytes_req", "bytes_alloc")                                        \
    X(EV_KFREE, "kfree", F_ADDRESS, "", "")                                                                            \
    X(EV_CACHE_ALLOC, "kmem_cache_alloc", F_ADDRESS | F_A | F_B, "bytes_req", "bytes_alloc")                           \
    X(EV_CACHE_FREE, "kmem_cache_free", F_ADDRESS, "", "")                                                             \
    X(EV_VMAP_AREA, "alloc_vmap_area", F_ADDRESS | F_COUNT, "", "") /* count: pages, the guard included */             \
    X(EV_VMAP_LAZY, "free_vmap_area_noflush", F_ADDRESS | F_COUNT | F_A, "lazy_nr", "")                                \
    X(EV_VMAP_PURGE, "purge_vmap_area_lazy", F_ADDRESS | F_COUNT, "", "")                                              \
    X(EV_PTE_SET, "pte_set", F_ADDRESS | F_PFN, "", "")                                                                \
    X(EV_PTE_CLEAR, "pte_clear", F_ADDRESS | F_PFN, "", "")                                                            \
    X(EV_PGTABLE, "pgtable_alloc", F_PFN | F_ADDRESS | F_A, "level", "")                                               \
    X(EV_PGTABLE_FREE, "pgtable_free", F_PFN | F_A, "level", "")                                                       \
    X(EV_TLB_FLUSH, "tlb_flush", F_ADDRESS | F_COUNT, "", "")                                                          \
    X(EV_FAULT, "page_fault", F_ADDRESS | F_PID | F_A, "write", "")                                                    \
    X(EV_COW, "copy_on_write", F_PFN | F_ADDRESS | F_PID | F_A, "from_pfn", "")                                        \
    X(EV_BRK, "brk", F_ADDRESS | F_PID, "", "")                                                                        \
    X(EV_MMAP, "mmap", F_ADDRESS | F_PID | F_COUNT, "", "")                                                            \
    X(EV_MUNMAP, "munmap", F_ADDRESS | F_PID | F_COUNT, "", "")                                                        \
    X(EV_ZERO, "zero", F_ADDRESS | F_COUNT, "", "") /* count: bytes cleared */                                         \
    X(EV_WATERMARK, "watermark", F_DECISION | F_ZONE | F_ORDER | F_A | F_B | F_OK, "free", "mark")                     \
    X(EV_TRY_PCP, "try_pcp", F_DECISION | F_ZONE | F_ORDER | F_MT | F_COUNT | F_OK, "", "") /* count: pages on the list */ \
    X(EV_TRY_BUDDY, "try_buddy", F_DECISION | F_ZONE | F_ORDER | F_MT | F_OK, "", "")                                  \
    X(EV_SLOWPATH, "slowpath", F_DECISION | F_ORDER, "", "")                                                           \
    X(EV_VMAP_SEARCH, "find_vmap_lowest_match", F_DECISION | F_ADDRESS | F_COUNT | F_OK, "", "")

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
#define PATH_MAP(X)                                                                                                    \
    X(kmalloc) X(kzalloc) X(kcalloc) X(krealloc) X(kfree) X(ksize) X(__kmem_cache_alloc) X(kmalloc_large) X(kmem_cache_alloc)  \
    X(kmem_cache_free) X(kmem_cache_create) X(kmem_cache_destroy) X(___slab_alloc) X(get_partial) X(new_slab) X(__slab_free)   \
    X(discard_slab) X(get_km_page) X(__get_free_pages) X(alloc_pages) X(get_page_from_freelist) X(rmqueue) X(rmqueue_pcplist)  \
    X(rmqueue_bulk) X(__rmqueue) X(__rmqueue_fallback) X(__alloc_pages_slowpath) X(__alloc_pages_bulk) X(__free_pages)         \
    X(free_unref_page) X(free_pcppages_bulk) X(__free_one_page) X(free_pages_ok) X(try_to_free_pages) X(wakeup_kswapd)         \
    X(out_of_memory) X(vmalloc) X(vzalloc) X(vfree) X(kvmalloc) X(kvfree) X(__get_vm_area_node) X(alloc_vmap_area)             \
    X(vm_area_alloc_pages) X(vmap_pages_range) X(remove_vm_area) X(purge_vmap_area_lazy) X(malloc) X(calloc) X(realloc)        \
    X(aligned_alloc) X(free) X(_int_malloc) X(_int_free) X(sysmalloc) X(brk) X(mmap) X(munmap) X(mlock) X(mremap)              \
    X(handle_mm_fault) X(do_anonymous_page) X(do_wp_page) X(do_swap_page) X(spawn) X(exit_mmap) X(dup_mmap)

enum path_step {
#define X(name) PATH_##name,
    PATH_MAP(X)
#undef X
        NR_PATH_STEPS
};
const char *path_step_name(enum path_step step);

/* What an operation's time is made of; id, name, ns each, where the number comes from. */
#define COST_MAP(X)                                                                                                    \
    X(COST_SLAB_FAST, "slab fast path", 12, "estimate: tens of cycles, two cache lines")                               \
    X(COST_SLAB_SLOW, "slab slow path", 60, "estimate: a list operation under a lock")                                 \
    X(COST_PCP, "per-CPU page list", 15, "estimate")                                                                   \
    X(COST_BUDDY, "buddy list operation", 40, "estimate: zone lock and two list edits")                                \
    X(COST_SPLIT, "split or merge", 8, "estimate: one list edit")                                                      \
    X(COST_ZERO_PAGE, "zero one page", 100, "estimate: 4096 bytes at 40 GB/s")                                         \
    X(COST_COPY_PAGE, "copy one page", 200, "estimate: twice the bytes of zeroing")                                    \
    X(COST_VMAP_AREA, "vmalloc area search and insert", 250, "estimate: tree walk under a lock")                       \
    X(COST_PTE, "page-table entry write", 5, "estimate")                                                               \
    X(COST_TLB_FLUSH, "TLB flush", 120, "estimate: reload of CR3 and the misses after it")                             \
    X(COST_IPI, "interrupt to another CPU", 1000, "estimate")                                                          \
    X(COST_SYSCALL, "system call", 100, "estimate")                                                                    \
    X(COST_FAULT, "page fault", 500, "estimate: exception, VMA lookup, return")                                        \
    X(COST_HEAP, "user heap operation", 15, "estimate: glibc's fast path")                                             \
    X(COST_VMA, "VMA edit", 200, "estimate")                                                                           \
    X(COST_RECLAIM_PAGE, "reclaim scan of one page", 300, "estimate")                                                  \
    X(COST_SWAP_IO, "swap transfer of one page", 50000, "estimate: a page to or from a fast SSD")                      \
    X(COST_CALL, "the call itself", 2, "estimate")

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
