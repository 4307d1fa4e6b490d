/* alloc/process/process_internal.h - what the files of the process floor share. */
#pragma once
#include "alloc/process/process.h"

#define MAX_MAP_COUNT 65530u               /* vm.max_map_count */
#define MMAP_MIN_ADDR (UINT64_C(64) << 10) /* no mapping is placed lower (vm.mmap_min_addr) */

static inline struct reclaim_space *process_space(const struct processes *ps, const struct process *process)
{
    return reclaim_space_at(ps->reclaim, process->space);
}
static inline uint64_t vma_pages(const struct vma *vma)
{
    return (vma->end - vma->start) >> PAGE_SHIFT;
}
static inline bool process_refuse(struct processes *ps, enum refusal refusal)
{
    ps->refusal = refusal;
    return false;
}

/* A system call begins: it is noted on the path, and costs its time. */
static inline void process_enter_call(struct processes *ps, enum path_step step)
{
    trace_step(ps->trace, step);
    trace_cost(ps->trace, COST_SYSCALL, 1);
    ps->refusal = REFUSAL_NONE;
}

/* --- vma_tree.c: the VMAs of a process as a tree and a list --- */

/* The first VMA that ends above address; 0: none. */
struct vma_ref vma_find_end(const struct processes *ps, const struct process *p, uint64_t address);
void vma_link(struct processes *ps, struct process *p, struct vma_ref vma);
void vma_unlink(struct processes *ps, struct process *p, struct vma_ref vma);
/* pgoff follows start. */
void vma_set_bounds(struct processes *ps, struct vma_ref vma, uint64_t start, uint64_t end);
/* Where the room below the VMA ends. A stack keeps its guard gap. */
uint64_t vma_gap_start(const struct vma *vma);
/* Where a new mapping of length bytes begins; 0: there is no room. */
uint64_t vma_find_gap(const struct processes *ps, const struct process *p, uint64_t length);
const char *vma_tree_check(const struct processes *ps, const struct process *p);

/* --- vma.c: VMAs come, go, merge, split --- */

/* Maps [kind->start, kind->end), which is free: a neighbour that it may merge with grows, else it becomes a VMA of its own.
 * Returns the VMA; 0: the machine has no more. */
struct vma_ref vma_insert(struct processes *ps, struct process *p, const struct vma *kind);
struct vma_ref vma_add(struct processes *ps, struct process *p, const struct vma *kind); /* never merges */
void vma_remove(struct processes *ps, struct process *p, struct vma_ref vma);            /* its pages are gone already */
/* Cuts the VMA that holds address, if one does. False: the machine has no more VMAs. */
bool vma_split_at(struct processes *ps, struct process *p, uint64_t address);
/* Gives the part [start, end) of a VMA other flags: it merges with a neighbour, or is split off. Returns the VMA that holds
 * start then; 0: refused. */
struct vma_ref vma_set_flags(struct processes *ps, struct process *p, struct vma_ref vma, uint64_t start, uint64_t end,
                             uint32_t flags);
/* Grows a VMA up to new_end; the room is free. If it then touches a VMA that it may merge with, it takes that in. */
void vma_extend(struct processes *ps, struct process *p, struct vma_ref vma, uint64_t new_end);
/* Grows a stack down to new_start. */
void vma_grow_down(struct processes *ps, struct process *p, struct vma_ref vma, uint64_t new_start);
/* The anon_vma of a VMA. One that had none gets a neighbour's, or a new one. */
uint32_t vma_anon_for(struct processes *ps, struct vma_ref vma);

/* --- process_limits.c --- */

/* Adds a VMA to the counts of its process, or takes it out. */
void limits_count(struct processes *ps, struct process *p, const struct vma *vma, bool comes);
bool limits_may_expand(struct processes *ps, const struct process *p, uint32_t flags, uint64_t nr_pages);
bool limits_may_commit(struct processes *ps, const struct process *p, uint64_t nr_pages);
bool limits_may_lock(const struct process *p, uint64_t nr_pages);
/* VMA_ACCOUNT if new memory of that kind counts for Committed_AS, else 0. */
uint32_t limits_account_flag(uint32_t flags);
bool limits_is_data(uint32_t flags);
void limits_set_defaults(const struct processes *ps, struct process *p);
void limits_shape(struct processes *ps, const struct machine_config *config);
/* After boot, when it is known how much memory there is. */
void limits_start(struct processes *ps);

/* --- process_space.c: page-table entries of ranges --- */

/* Returns the physical address of the next entry of [*address, end) that is not empty; 0: none is left. It skips holes of
 * whole tables at once.
 * address  out: the entry's page. */
uint64_t space_next_entry(const struct processes *ps, struct space_ref space, uint64_t *address, uint64_t end);
/* The pages from start on are gone, or allow less than before: TLBs must forget them. */
void space_changed(struct processes *ps, const struct process *p, uint64_t start, uint64_t nr_pages);
/* Removes every page. Tables stay. */
void space_zap(struct processes *ps, struct process *p, uint64_t start, uint64_t end);
/* Frees the tables that served only [start, end).
 * floor, ceiling  nothing is mapped between them; the range lies inside. */
void space_free_tables(struct processes *ps, const struct process *p, uint64_t start, uint64_t end, uint64_t floor,
                       uint64_t ceiling);
/* Fork: the child gets the parent's entries. False: no memory; the child has a part of them. */
bool space_copy(struct processes *ps, struct process *parent, struct process *child, uint64_t start, uint64_t end);
/* Mremap: moves length bytes of entries. False: no memory; nothing has moved. */
bool space_move(struct processes *ps, struct process *p, uint64_t from, uint64_t to, uint64_t length);
void space_protect(struct processes *ps, const struct process *p, uint64_t start, uint64_t end, uint32_t flags);
void space_lock(struct processes *ps, const struct process *p, uint64_t start, uint64_t end, bool on);
/* The process no longer maps the frame; its entry is cleared already. */
void space_drop(struct processes *ps, struct process *p, uint32_t pfn);
/* Bits of a present entry in a VMA with these flags, but for PTE_WRITE. */
uint64_t space_user_bits(const struct processes *ps, uint32_t flags);

/* --- process_reclaim.c: what madvise asks of the pages of a range --- */

void space_free_lazily(struct processes *ps, struct process *p, uint64_t start, uint64_t end); /* MADV_FREE */
void space_page_out(struct processes *ps, struct process *p, uint64_t start, uint64_t end);    /* MADV_PAGEOUT */
void space_swap_in(struct processes *ps, struct process *p, uint64_t start, uint64_t end);     /* MADV_WILLNEED */

/* --- process_advise.c --- */

/* Faults every page in, for mlock. False: one cannot be touched. */
bool process_populate(struct processes *ps, struct process_ref process, uint64_t start, uint64_t end);

/* --- fault.c --- */

/* Gives the process a copy of its own of a page, whatever the VMA allows. False: no memory. */
bool fault_unshare(struct processes *ps, struct process *p, uint64_t address);
/* Brings a page in if it is swapped. False: no memory. */
bool fault_swap_in(struct processes *ps, struct process *p, uint64_t address);

/* --- process_layout.c --- */

/* Maps program, libraries and stack of a new process. False: refused. */
bool layout_map(struct processes *ps, struct process *p);
