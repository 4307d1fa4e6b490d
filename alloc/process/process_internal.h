/* alloc/process/process_internal.h - what the files of the process floor share. */
#pragma once
#include "alloc/process/process.h"

#define MAX_MAP_COUNT 65530u /* vm.max_map_count */

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

/* A system call begins. */
static inline void process_enter_call(struct processes *ps, enum path_step step)
{
    trace_step(ps->trace, step);
    trace_cost(ps->trace, COST_SYSCALL, 1);
    ps->refusal = REFUSAL_NONE;
}

/* vma_tree.c: the VMAs of a process as a tree and a list. */
uint32_t vma_find_end(const struct processes *ps, const struct process *p,
                      uint64_t address); /* the first that ends above */
void vma_link(struct processes *ps, struct process *p, uint32_t vma);
void vma_unlink(struct processes *ps, struct process *p, uint32_t vma);
void vma_set_bounds(struct processes *ps, uint32_t vma, uint64_t start, uint64_t end); /* pgoff follows start */
uint64_t vma_gap_start(const struct vma *vma); /* where the room below ends: a stack keeps its guard gap */
/* Where a new mapping goes: the end of the highest gap below mmap_top that is large enough, else the lowest gap above a
 * third of user space. 0: none. */
uint64_t vma_find_gap(const struct processes *ps, const struct process *p, uint64_t length);
const char *vma_tree_check(const struct processes *ps, const struct process *p);

/* vma.c: VMAs come, go, merge, split. */
/* A mapping of that kind at [kind->start, kind->end), which is free: grows the neighbours it may merge with, else a VMA of
 * its own. 0: no more VMAs. */
uint32_t vma_insert(struct processes *ps, struct process *p, const struct vma *kind);
uint32_t vma_add(struct processes *ps, struct process *p, const struct vma *kind); /* never merges */
void vma_remove(struct processes *ps, struct process *p, uint32_t vma);            /* its pages are gone already */
bool vma_split_at(struct processes *ps, struct process *p,
                  uint64_t address); /* cuts the VMA that holds address, if any does */
/* Gives the part [start, end) of a VMA other flags: it merges or is split off. The VMA that then holds start; 0: no more.
 */
uint32_t vma_set_flags(struct processes *ps, struct process *p, uint32_t vma, uint64_t start, uint64_t end, uint32_t flags);
/* The VMA grows to new_end, which is free; it swallows the next one if that is now a neighbour of its kind. */
void vma_extend(struct processes *ps, struct process *p, uint32_t vma, uint64_t new_end);
void vma_grow_down(struct processes *ps, struct process *p, uint32_t vma, uint64_t new_start); /* a stack */
uint32_t vma_anon_for(struct processes *ps, uint32_t vma); /* anon_vma for its first page: a neighbour's, or a new one */

/* process_limits.c */
void limits_count(struct processes *ps, struct process *p, const struct vma *vma, bool comes);
bool limits_may_expand(struct processes *ps, const struct process *p, uint32_t flags, uint64_t nr_pages);
bool limits_may_commit(struct processes *ps, const struct process *p, uint64_t nr_pages);
bool limits_may_lock(const struct process *p, uint64_t nr_pages);
uint32_t limits_account_flag(uint32_t flags); /* VMA_ACCOUNT when new memory of that kind is counted */
bool limits_is_data(uint32_t flags);
void limits_set_defaults(const struct processes *ps, struct process *p);
void limits_shape(struct processes *ps, const struct machine_config *config);
void limits_start(struct processes *ps); /* after boot, when it is known how much memory there is */

/* process_space.c: page-table entries of ranges. */
/* Next entry of [*address, end) that is not empty: its physical address, *address set to its page; 0: none left. Skips
 * holes of whole tables at once. */
uint64_t space_next_entry(const struct processes *ps, struct space_ref space, uint64_t *address, uint64_t end);
/* Pages [start, start + nr_pages) are gone, or allow less than before: TLBs must forget them. */
void space_changed(struct processes *ps, const struct process *p, uint64_t start, uint64_t nr_pages);
void space_zap(struct processes *ps, struct process *p, uint64_t start, uint64_t end); /* removes every page; tables stay */
/* Frees the tables that served only [start, end); nothing is mapped between floor and ceiling, in which the range lies. */
void space_free_tables(struct processes *ps, const struct process *p, uint64_t start, uint64_t end, uint64_t floor,
                       uint64_t ceiling);
bool space_copy(struct processes *ps, struct process *parent, struct process *child, uint64_t start,
                uint64_t end); /* fork */
bool space_move(struct processes *ps, struct process *p, uint64_t from, uint64_t to,
                uint64_t length); /* or nothing moves */
void space_protect(struct processes *ps, const struct process *p, uint64_t start, uint64_t end, uint32_t flags);
void space_lock(struct processes *ps, const struct process *p, uint64_t start, uint64_t end, bool on);
void space_drop(struct processes *ps, struct process *p, uint32_t pfn); /* its entry is cleared: one mapping fewer */
uint64_t space_user_bits(const struct processes *ps, uint32_t flags); /* of an entry in a VMA with these flags; not WRITE */

/* process_reclaim.c: what madvise asks of the pages of a range. */
void space_free_lazily(struct processes *ps, struct process *p, uint64_t start, uint64_t end); /* MADV_FREE */
void space_page_out(struct processes *ps, struct process *p, uint64_t start, uint64_t end);    /* MADV_PAGEOUT */
void space_swap_in(struct processes *ps, struct process *p, uint64_t start, uint64_t end);     /* MADV_WILLNEED */

/* process_advise.c: faults every page in, for mlock; false: one cannot be touched. */
bool process_populate(struct processes *ps, struct process_ref process, uint64_t start, uint64_t end);

/* fault.c */
bool fault_unshare(struct processes *ps, struct process *p,
                   uint64_t address); /* a copy of its own, whatever the VMA allows */
bool fault_swap_in(struct processes *ps, struct process *p, uint64_t address); /* if the page is swapped */

/* process_layout.c */
bool layout_map(struct processes *ps, struct process *p); /* a new process: program, libraries, stack */
