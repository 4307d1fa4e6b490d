/* pagoda/view.h - looking into a machine without changing it.
 *
 * Lists are walked with a cursor: start with 0, call until false. Strings borrow from the machine until its next operation;
 * a name that is not there is "". Addresses are virtual unless said otherwise. */
#pragma once
#include "pagoda/machine.h"

/* --- page frames --- */
#define FRAME_KIND_MAP(X)                                             \
    X(FRAME_NONE, "none", '-') /* inside a block: see the block's head */ \
    X(FRAME_FREE, "free", 'B')                                        \
    X(FRAME_PCP, "pcp", 'b')                                          \
    X(FRAME_KERNEL, "kernel", 'K')                                    \
    X(FRAME_SLAB, "slab", 'S')                                        \
    X(FRAME_VMALLOC, "vmalloc", 'v')                                  \
    X(FRAME_PGTABLE, "pgtable", 'g')                                  \
    X(FRAME_ANON, "anon", 'a')                                        \
    X(FRAME_SWAPCACHE, "swapcache", 'w')                              \
    X(FRAME_RESERVED, "reserved", 'r')

enum frame_kind {
#define X(id, name, letter) id,
    FRAME_KIND_MAP(X)
#undef X
        NR_FRAME_KINDS
};
const char *frame_kind_name(enum frame_kind kind);
char frame_kind_letter(enum frame_kind kind);
const char *migratetype_name(uint32_t migratetype); /* "Unmovable" ... */

struct frame_run {
    uint32_t pfn, count; /* frames of one block, or of several neighbouring order-0 blocks of the same owner */
    enum frame_kind kind;
    uint8_t order, migratetype;
    uint32_t owner; /* stable number for colours: cache, area, process; 0: none */
    char owner_name[64]; /* "kmalloc-64", "vmalloc a", "pid 1" */
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
    uint64_t pcp; /* pages on the per-CPU lists */
    uint32_t min, low, high, boost, highatomic;
    uint32_t lowmem_reserve[4];
    uint32_t pcp_high, pcp_batch;
    uint32_t nr_orders;
    uint32_t nr_free[VIEW_ORDERS][VIEW_MIGRATETYPES]; /* blocks per order and migratetype (classic: all in column 0) */
};
bool view_next_zone(const struct machine *machine, uint64_t *cursor, struct zone_view *zone);

/* --- slab caches and kmalloc buckets --- */
struct cache_view {
    const char *name;
    uint32_t object_size, size, align; /* bytes; size: distance of two objects */
    uint32_t objects_per_slab, order;
    uint64_t nr_slabs, nr_objects, nr_in_use; /* objects that fit, objects handed out */
    uint64_t requested_bytes; /* sum of what callers asked for */
};
bool view_next_cache(const struct machine *machine, uint64_t *cursor, struct cache_view *cache);
struct slab_view {
    uint32_t pfn, order;
    uint64_t address; /* of the first object */
    uint32_t objects, in_use;
    const char *state; /* "cpu", "cpu_partial", "partial", "full"; classic: "partial", "full", "empty" */
};
bool view_next_slab(const struct machine *machine, const char *cache, uint64_t *cursor, struct slab_view *slab);
struct object_view {
    uint64_t address;
    bool in_use;
    uint32_t requested;
    uint64_t seq; /* operation that allocated it */
    const char *label; /* name or call site */
    uint64_t free_next; /* free objects: where the free pointer in the bytes leads; 0: end */
};
bool view_next_object(const struct machine *machine, uint32_t slab_pfn, uint64_t *cursor, struct object_view *object);

/* --- vmalloc --- */
struct vmalloc_view {
    uint64_t start, end; /* [start, end), the guard page included */
    uint64_t requested;
    uint32_t nr_pages, guard_pages;
    const char *state; /* "busy", "lazy" (freed, not yet purged), "free" */
    const char *label;
    const char *caller; /* the function that made it: "vmalloc", "vmalloc pages array" */
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
};
bool view_next_process(const struct machine *machine, uint64_t *cursor, struct process_view *process);
struct map_view {
    uint64_t start, end;
    char perms[5]; /* "rw-p" */
    const char *name; /* "[heap]", "[stack]", "" */
    uint64_t rss_pages, swap_pages;
};
bool view_next_map(const struct machine *machine, uint32_t pid, uint64_t *cursor, struct map_view *map);
struct chunk_view {
    uint64_t address; /* of the header */
    uint64_t size;
    const char *state; /* "used", "tcache", "fast", "unsorted", "small", "large", "top", "mmap", "free" */
    uint64_t requested; /* 0 when not known */
    const char *label;
};
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
    const char *region; /* "direct map", "vmalloc", "user", "unmapped" */
    uint32_t nr_levels; /* 0 in the direct map: it needs no walk here */
    struct translate_level levels[MAX_LEVELS];
};
bool view_translate(const struct machine *machine, uint64_t address, uint32_t pid, struct translation *out);
/* Copies bytes without a fault: returns how many from address on could be read (a page without a frame ends it). */
size_t view_memory(const struct machine *machine, uint64_t address, uint32_t pid, uint8_t *out, size_t length);

/* --- live allocations, of every allocator --- */
struct allocation_view {
    uint64_t seq, address, requested, allocated;
    enum op_kind op;
    const char *release; /* "kfree", "vfree", "free", "free_pages", "kmem_cache_free", "munmap" */
    const char *label; /* the handle, else the call site */
    bool is_handle; /* label can be given as "name" */
    const char *cache;
    uint32_t pid; /* 0: kernel */
    uint32_t nr_frames; /* frames that back it now */
    uint32_t order; /* alloc_pages */
};
bool view_next_allocation(const struct machine *machine, uint64_t *cursor, struct allocation_view *allocation);
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
