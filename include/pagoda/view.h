/* pagoda/view.h - looking into a machine without changing it.
 *
 * Lists are walked with a cursor: start with 0, call until false. Strings borrow from the machine until its next operation;
 * a name that is not there is "". Addresses are virtual unless said otherwise. */
#pragma once
#include "pagoda/machine.h"

/* --- page frames --- */
#define FRAME_KIND_MAP(X)                                                                                                  \
    X(FRAME_NONE, "none", '-') /* inside a block: see the block's head */                                                  \
    X(FRAME_FREE, "free", 'B')                                                                                             \
    X(FRAME_PCP, "pcp", 'b')                                                                                               \
    X(FRAME_KERNEL, "kernel", 'K')                                                                                         \
    X(FRAME_SLAB, "slab", 'S')                                                                                             \
    X(FRAME_VMALLOC, "vmalloc", 'v')                                                                                       \
    X(FRAME_PGTABLE, "pgtable", 'g')                                                                                       \
    X(FRAME_ANON, "anon", 'a')                                                                                             \
    X(FRAME_SWAPCACHE, "swapcache", 'w')                                                                                   \
    X(FRAME_RESERVED, "reserved", 'r')

enum frame_kind {
#define X(id, name, letter) id,
    FRAME_KIND_MAP(X)
#undef X
        NR_FRAME_KINDS
};
const char *frame_kind_name(enum frame_kind kind);
char frame_kind_letter(enum frame_kind kind);
/* The kind of frames that operations of this group (op_info) are about; FRAME_NONE: of no kind by themselves. */
enum frame_kind frame_kind_of_group(const char *group);
const char *migratetype_name(uint32_t migratetype); /* "Unmovable" ... */

struct frame_run {
    uint32_t pfn, count; /* frames of one block, or of several neighbouring order-0 blocks of the same owner */
    enum frame_kind kind;
    uint8_t order, migratetype;
    uint32_t owner_id; /* stable number for colours: cache, area, process; 0: none */
    char owner[64];    /* "kmalloc-64", "vmalloc a", "pid 1" */
};
uint32_t view_nr_frames(const struct machine *machine); /* pfns are 0 .. this-1 */
bool view_next_frame_run(const struct machine *machine, uint64_t *cursor, struct frame_run *run);
/* One frame's block, whatever frame of it is asked for. False: there is no such pfn. */
bool view_frame(const struct machine *machine, uint32_t pfn, struct frame_run *block, uint64_t *born_seq);
/* 4 bytes a frame: kind, order (of its block), migratetype | 0x80 for a block's head, hash of the owner. */
void view_frame_cells(const struct machine *machine, uint32_t from, uint32_t count, uint8_t *out);
void view_kind_counts(const struct machine *machine, uint64_t counts[NR_FRAME_KINDS]);

/* --- zones --- */
#define VIEW_ORDERS 11
#define VIEW_MIGRATETYPES 5
struct zone_view {
    const char *name;
    uint32_t start_pfn, spanned, present, managed;
    uint64_t free; /* pages in the buddy lists */
    uint64_t pcp;  /* pages on the per-CPU lists */
    uint32_t min, low, high, boost, highatomic;
    uint32_t lowmem_reserve[4];
    uint32_t pcp_high, pcp_batch;
    uint32_t nr_orders;
    uint32_t nr_free[VIEW_ORDERS][VIEW_MIGRATETYPES]; /* blocks per order and migratetype (classic: all in column 0) */
    /* debugfs extfrag, thousandths: share of free memory in blocks too small for the order; why a request of the order
     * would fail, 0 for want of memory .. 1000 because memory is in pieces, -1000: it would not. */
    uint32_t unusable_index[VIEW_ORDERS];
    int32_t fragmentation_index[VIEW_ORDERS];
    uint32_t nr_pageblocks[VIEW_MIGRATETYPES]; /* of 512 pages, by type; classic: none */
    uint32_t nr_inactive, nr_active;           /* anonymous pages on the LRU lists */
    bool kswapd_awake;                         /* it works on this zone's node */
};
/* One CPU's lists of one zone: blocks by order and migratetype; order 9 stands in row 4, Unmovable there meaning all but
 * Movable. False: there is no such zone (by position) or CPU, or the profile has no such lists. */
#define VIEW_PCP_ORDERS 5
struct pcp_view {
    uint32_t count, high, batch, free_factor; /* pages */
    uint32_t nr_blocks[VIEW_PCP_ORDERS][3];
};
bool view_pcp(const struct machine *machine, uint32_t zone, uint32_t cpu, struct pcp_view *pcp);
bool view_next_zone(const struct machine *machine, uint64_t *cursor, struct zone_view *zone);

/* --- slab caches and kmalloc buckets --- */
struct cache_view {
    const char *name;
    uint32_t object_size, size, align; /* bytes; size: distance of two objects */
    uint32_t objects_per_slab, order;
    uint64_t nr_slabs, nr_objects, nr_in_use; /* objects that fit, objects handed out */
    uint64_t requested_bytes;                 /* sum of what callers asked for */
    /* How an object lies: head bytes stand before the first one (classic: the page descriptor; else the left red zone,
     * which every object has); the offsets count from an object's first byte; 0: there is no such part, but of
     * free_pointer. */
    uint32_t usable, head;                         /* usable: what ksize() says */
    uint32_t free_pointer, inuse, tracks, padding; /* inuse: where what belongs to the object itself ends */
    uint32_t flags;                                /* enum slab_flag; view_slab_flag_name() */
    uint32_t min_order, min_partial, cpu_partial_slabs;
    struct {
        uint64_t cpu, cpu_partial, partial, full;
    } slabs_by_state;              /* numbers of slabs */
    uint64_t active_objs;          /* as /proc/slabinfo counts: what is not free on the node's list */
    uint64_t rounding_bytes;       /* usable but not asked for, in live objects */
    uint64_t overhead_bytes;       /* red zones, pointers, tracks, padding of all objects, and what is left over in slabs */
    bool is_kmalloc, is_destroyed; /* is_destroyed: kmem_cache_destroy() found objects left */
};
bool view_next_cache(const struct machine *machine, uint64_t *cursor, struct cache_view *cache);
const char *view_slab_flag_name(uint32_t flags, uint32_t *cursor); /* of the next flag that is set; NULL: none left */
struct slab_view {
    uint32_t pfn, order;
    uint64_t address; /* of the first object */
    uint32_t nr_objects, in_use;
    const char *state; /* "cpu", "cpu_partial", "partial", "full"; classic: "partial", "full" */
    const char *cache;
    uint32_t cpu, position; /* cpu: of "cpu" and "cpu_partial"; position: on its list, from 0 */
    uint32_t inuse;         /* as the kernel counts: free objects on the CPU's own list are in use */
    uint64_t requested_bytes;
};
/* A cache's slabs in the order in which they would be used: CPU by CPU its slab and its partial ones, the node's list, and
 * then the full ones. */
bool view_next_slab(const struct machine *machine, const char *cache, uint64_t *cursor, struct slab_view *slab);
bool view_slab(const struct machine *machine, uint32_t pfn, struct slab_view *slab); /* of any of its frames; position 0 */
#define VIEW_OBJECTS_MAX 512
/* The free chains of a slab as the bytes have them: first the CPU's, then the slab's own. */
struct chain_view {
    uint64_t cpu_first, first;      /* addresses; 0: empty */
    uint32_t nr_cpu, nr;            /* objects on each */
    uint16_t nth[VIEW_OBJECTS_MAX]; /* by number: when the object comes, from 1; 0: no chain reaches it */
    uint64_t stray; /* where an overwritten free pointer leads, if not to a free object of this slab that is not yet passed;
                       else 0 */
};
void view_slab_chains(const struct machine *machine, uint32_t slab_pfn, struct chain_view *chains);
struct object_view {
    uint64_t address;
    bool in_use;
    uint32_t requested;
    uint64_t seq;           /* operation that allocated it */
    const char *name;       /* the name, or the call site when no name was given */
    const char *call_site;  /* "": not said */
    uint64_t free_next;     /* free objects: where the free pointer in the bytes leads; 0: end */
    bool is_named;          /* name is a name: operations may say it instead of the address */
    uint32_t lost;          /* bytes that a live object's owner may use but did not ask for */
    uint64_t page_array_of; /* it holds the page pointers of the vmalloc area that starts there; 0: it does not */
};
bool view_next_object(const struct machine *machine, uint32_t slab_pfn, uint64_t *cursor, struct object_view *object);

/* --- vmalloc --- */
struct vmalloc_view {
    uint64_t start, end; /* [start, end), the guard page included */
    uint64_t requested;
    uint32_t nr_pages, guard_pages;
    uint32_t page_order; /* 9: mapped by 2 MiB at a time (vmalloc_huge) */
    bool has_vpages;     /* its page pointers stand in an area of their own ("vpages" in /proc/vmallocinfo) */
    const char *state;   /* "busy", "lazy" (freed, not yet purged), "free" */
    const char *name;    /* the name, or the call site when no name was given */
    const char *caller;  /* the function that made it: "vmalloc", "vmalloc pages array" */
    uint64_t seq;
};
bool view_next_vmalloc(const struct machine *machine, uint64_t *cursor, struct vmalloc_view *area);
void view_vmalloc_range(const struct machine *machine, uint64_t *start, uint64_t *end, uint64_t *nr_lazy_pages);
/* The frames of one area, in address order, as runs. */
bool view_next_vmalloc_run(const struct machine *machine, uint64_t start, uint64_t *cursor, struct frame_range *run);

/* --- processes --- */
struct process_view {
    uint32_t pid, parent_pid;
    const char *name;
    uint64_t rss_pages, swap_pages, minor_faults, major_faults, virtual_bytes;
    uint64_t heap_start, brk;
    uint64_t peak_rss_pages, peak_virtual_bytes;
    uint64_t data_pages, stack_pages, locked_pages, committed_pages; /* of what is mapped, touched or not */
    uint64_t nr_maps, mmap_top, stack_top;
    uint64_t limits[NR_RESOURCES]; /* bytes; UINT64_MAX: unlimited */
};
bool view_next_process(const struct machine *machine, uint64_t *cursor, struct process_view *process);
#define MAP_FLAGS_MAX 48
struct map_view {
    uint64_t start, end;
    char perms[5];    /* "rw-p" */
    const char *name; /* "[heap]", "[stack]", "" */
    uint64_t rss_pages, swap_pages;
    uint64_t zero_pages, shared_pages, locked_pages; /* zero: entries of the zero page, which are in no rss */
    uint64_t offset;                                 /* bytes: of a file */
    bool is_file;
    char flags[MAP_FLAGS_MAX]; /* "rd wr mr mw me ac sd": VmFlags of smaps */
};
bool view_next_map(const struct machine *machine, uint32_t pid, uint64_t *cursor, struct map_view *map);
/* Pages of a process, as runs that are alike: frames, or swap slots, that follow one another. */
enum page_state { PAGE_UNTOUCHED, PAGE_ZERO, PAGE_PRESENT, PAGE_SHARED, PAGE_LAZYFREE, PAGE_SWAPPED, NR_PAGE_STATES };
struct page_run {
    uint64_t address, count;
    enum page_state state;
    uint32_t pfn;                           /* of the first page; the zero page is the same for all */
    uint32_t slot;                          /* swapped: of the first page */
    uint32_t nr_users;                      /* page tables that map the frame, or name the slot */
    bool writable, accessed, dirty, locked; /* as the page table says */
};
/* From address *cursor on; what no VMA covers is left out. */
bool view_next_page_run(const struct machine *machine, uint32_t pid, uint64_t *cursor, uint64_t end, struct page_run *run);
struct swap_run {
    uint32_t slot, count, nr_users; /* slots [slot, slot + count) */
    uint32_t pid;
    uint64_t address; /* of the first page */
};
/* By process and address; a slot that two processes share comes twice. */
bool view_next_swap_run(const struct machine *machine, uint64_t *cursor, struct swap_run *run);
struct commit_view {
    uint32_t overcommit_memory;            /* vm.overcommit_memory */
    uint64_t limit_pages, committed_pages; /* CommitLimit, Committed_AS */
};
void view_commit(const struct machine *machine, struct commit_view *commit);
struct chunk_view {
    uint64_t address; /* of the header */
    uint64_t size;
    const char *state;  /* "used", "tcache", "fast", "unsorted", "small", "large", "top", "mmap", "free" */
    uint64_t requested; /* 0 when not known */
    const char *name;   /* of blocks that malloc keeps for itself: "(thread cache)", "(thread's storage)" */
    uint64_t seq;       /* operation that allocated it; 0: not in use, or not known */
    uint64_t arena;     /* address of struct malloc_state; 0: a mapping of its own */
    uint32_t flags;     /* 1 PREV_INUSE, 2 IS_MMAPPED, 4 NON_MAIN_ARENA */
};
/* The main heap from its start to top, the mappings of thread arenas, then blocks with mappings of their own. A cursor is
 * the address of the chunk that comes next, as long as there are more in an arena: a walk may start at any chunk. */
bool view_next_chunk(const struct machine *machine, uint32_t pid, uint64_t *cursor, struct chunk_view *chunk);

/* --- addresses --- */
struct translate_level {
    const char *name; /* "PGD", "PUD", "PMD", "PTE"; classic: "PGD", "PTE" */
    uint32_t index;
    uint32_t table_pfn;
    uint64_t entry; /* as stored in the table's frame */
};
struct translation {
    bool present;
    uint32_t pfn, offset;
    const char *region;  /* "direct map", "vmalloc", "user", "unmapped" */
    uint32_t page_shift; /* log2 of the size of the page that maps it: 12, or 21 for 2 MiB */
    uint32_t nr_levels;  /* tables on the way; 0: the address is in no region */
    struct translate_level levels[MAX_LEVELS];
};
bool view_translate(const struct machine *machine, uint64_t address, uint32_t pid, struct translation *out);
/* A page table as a table. pid 0: the kernel's tables, which every process sees above its own. level 0 is the top. False:
 * no such process, or no table stands there. */
#define VIEW_ENTRY_FLAGS 10
enum entry_kind { ENTRY_PAGE, ENTRY_HUGE, ENTRY_TABLE, ENTRY_SWAP };
const char *entry_kind_name(enum entry_kind kind);
uint32_t view_entry_flags(uint64_t entry, const char *names[VIEW_ENTRY_FLAGS]); /* "present", "rw"...; returns how many */
const char *view_level_name(const struct machine *machine, uint32_t level);     /* "PGD", "PUD", "PMD", "PTE" */
struct table_view {
    const char *name;
    uint32_t level, pfn, nr_entries;
    uint32_t index;             /* of the entry on the way to the address */
    uint64_t base, entry_bytes; /* what entry 0 maps; bytes that one entry maps */
};
bool view_table(const struct machine *machine, uint32_t pid, uint64_t address, uint32_t level, struct table_view *table);
struct entry_run { /* entries that map one run of frames with the same flags; empty entries are left out */
    uint32_t index, count;
    uint64_t entry; /* the first */
    uint32_t pfn;   /* of the first; ENTRY_SWAP: its slot */
    enum entry_kind kind;
};
bool view_next_entry_run(const struct machine *machine, const struct table_view *table, uint64_t *cursor,
                         struct entry_run *run);
/* The CPUs' TLBs. Totals are since boot; nr_entries is what each CPU has. */
struct tlb_view {
    uint32_t nr_cpus, entries, ways;
    uint64_t hits, misses, flushes;
};
void view_tlb(const struct machine *machine, struct tlb_view *tlb);
struct tlb_entry_view {
    uint64_t address;         /* of the page */
    uint32_t page_shift, pfn; /* pfn: its first frame */
    uint32_t pid;             /* 0: the kernel's */
    uint32_t set, age;        /* age: look-ups on this CPU since it was used */
    bool stale;               /* the page tables say otherwise by now, and this CPU has not been told yet */
};
bool view_next_tlb_entry(const struct machine *machine, uint32_t cpu, uint64_t *cursor, struct tlb_entry_view *entry);
/* Copies bytes without a fault: returns how many from address on could be read (a page without a frame ends it). */
size_t view_memory(const struct machine *machine, uint64_t address, uint32_t pid, uint8_t *out, size_t length);

/* --- live allocations, of every allocator --- */
struct allocation_view {
    uint64_t seq, address, requested, allocated;
    enum op_kind op;
    const char *release;   /* "kfree", "vfree", "free", "free_pages", "kmem_cache_free", "munmap" */
    const char *name;      /* the name, or the call site when no name was given */
    const char *call_site; /* "": not said */
    bool is_named;         /* name is a name: operations may say it instead of the address */
    const char *cache;
    uint32_t pid;       /* 0: kernel */
    uint32_t nr_frames; /* frames that back it now */
    uint32_t order;     /* alloc_pages */
};
bool view_next_allocation(const struct machine *machine, uint64_t *cursor, struct allocation_view *allocation);
/* The live allocation that holds an address. False: none does. pid 0: a kernel address. */
bool view_find_allocation(const struct machine *machine, uint32_t pid, uint64_t address,
                          struct allocation_view *allocation);
/* The first live allocation that has bytes in a frame, which must exist. False: none has. */
bool view_frame_allocation(const struct machine *machine, uint32_t pfn, struct allocation_view *allocation);
/* vmalloc's own: where the area starts whose page pointers a kernel address, or the first block of a frame, holds; 0: none.
 */
uint64_t view_page_array_of(const struct machine *machine, uint64_t address);
uint64_t view_frame_page_array_of(const struct machine *machine, uint32_t pfn);
/* The frames behind one allocation, in address order, as runs. */
bool view_next_allocation_run(const struct machine *machine, uint64_t address, uint32_t pid, uint64_t *cursor,
                              struct frame_range *run);

/* --- counters --- */
struct stats_view {
    uint64_t frames[NR_FRAME_KINDS];
    uint64_t nr_allocations, requested_bytes, allocated_bytes;
    uint64_t swap_total_pages, swap_used_pages, nr_reclaimed, nr_oom_kills;
    uint64_t nr_outcomes[3];
};
void view_stats(const struct machine *machine, struct stats_view *stats);
