/* Processes: their life, and the checks of the floor. Linux v6.1 kernel/fork.c: dup_mmap(); mm/mmap.c: exit_mmap().
 *
 * Pids are handed out in turn, as idr_alloc_cyclic() does. A process is found by its pid through a table of short chains.
 *
 * Fork copies VMAs and page-table entries, no bytes:
 *
 *      parent: pfn 7, writable      ->      parent: pfn 7, read-only \
 *                                           child:  pfn 7, read-only / frame 7 has two mappings
 *
 * The first of them that writes faults and gets a copy of the page; the other one then is alone, and its next write fault
 * only makes the entry writable again (fault.c: fault_shared). Swap slots and the zero page are shared in the same way. */
#include "alloc/base/check.h"
#include "alloc/base/invariant.h"
#include "alloc/process/process_internal.h"

#include <string.h>

#define NR_PROCESSES (1u << 15)
#define NR_VMAS (1u << 20)
#define FIRST_PID 100u     /* kernel threads and init would have the lower ones */
#define RESERVED_PIDS 300u /* where the numbers begin again */
#define PID_MAX 4194304u
#define VMAS_PER_CALL 8u
#define VMAS_PER_PROCESS 32u /* of a new one */

static const char *const REFUSALS[NR_REFUSALS][2] = {
#define X(id, name, why) { name, why },
    REFUSAL_MAP(X)
#undef X
};

const char *refusal_errno(enum refusal refusal)
{
    return REFUSALS[refusal][0];
}
const char *refusal_text(enum refusal refusal)
{
    return REFUSALS[refusal][1];
}

void processes_shape(struct processes *ps, const struct machine_config *config, const struct profile *profile)
{
    (void)profile;
    memset(ps, 0, sizeof *ps);
    pool_shape(&ps->pool, sizeof(struct process), NR_PROCESSES);
    pool_shape(&ps->vmas, sizeof(struct vma), NR_VMAS);
    ps->next_pid = FIRST_PID;
    ps->aslr_seed = config->aslr_seed;
    limits_shape(ps, config);
}

uint32_t processes_pools(struct processes *ps, struct pool **pools)
{
    pools[0] = &ps->pool;
    pools[1] = &ps->vmas;
    return 2;
}

enum pagoda_error processes_reserve(struct processes *ps, const struct pagoda_host *host, uint32_t nr_operations)
{
    enum pagoda_error err = pool_reserve(&ps->pool, host, nr_operations);
    if (!err)
        err = pool_reserve(&ps->reclaim->spaces, host, nr_operations);
    return err ? err : pool_reserve(&ps->vmas, host, (uint64_t)VMAS_PER_PROCESS * nr_operations);
}

enum pagoda_error processes_reserve_fork(struct processes *ps, const struct pagoda_host *host, struct process_ref parent)
{
    return pool_reserve(&ps->vmas, host, (uint64_t)process_at(ps, parent)->nr_vmas + VMAS_PER_CALL);
}

void processes_start(struct processes *ps)
{
    ps->zero_pfn = reclaim_alloc_pages(ps->reclaim, GFP_KERNEL | __GFP_ZERO, 0);
    INVARIANT(&ps->pool, ps->zero_pfn);
    frame_set_kind(ps->frames, ps->zero_pfn, FRAME_RESERVED, 0);
    limits_start(ps);
}

/* --- pids --- */

struct process_ref process_find(const struct processes *ps, uint32_t pid)
{
    struct process_ref process = ps->by_pid[pid % PID_BUCKETS];
    while (process.index && process_at(ps, process)->pid != pid)
        process = process_at(ps, process)->next_in_bucket;
    return process;
}

static uint32_t pid_take(struct processes *ps)
{
    uint32_t pid;
    do {
        pid = ps->next_pid;
        ps->next_pid = pid + 1 < PID_MAX ? pid + 1 : RESERVED_PIDS;
    } while (process_find(ps, pid).index); /* there are fewer processes than numbers */
    return pid;
}

static void pid_enter(struct processes *ps, struct process_ref process)
{
    struct process_ref *first = &ps->by_pid[process_at(ps, process)->pid % PID_BUCKETS];
    process_at(ps, process)->next_in_bucket = *first;
    *first = process;
}

static void pid_leave(struct processes *ps, struct process_ref process)
{
    struct process_ref *link = &ps->by_pid[process_at(ps, process)->pid % PID_BUCKETS];
    while (link->index != process.index)
        link = &process_at(ps, *link)->next_in_bucket;
    *link = process_at(ps, process)->next_in_bucket;
}

/* --- life --- */

/* Makes an empty process with an address space of its own. None: no memory, or too many processes. */
static struct process_ref process_new(struct processes *ps, struct name_ref name, uint32_t touch)
{
    uint32_t root = pgtable_create(ps->pgtable);
    ps->refusal = REFUSAL_NO_MEMORY;
    if (!root)
        return PROCESS_NONE;
    struct process_ref process = { pool_take(&ps->pool) };
    struct space_ref space = { pool_take(&ps->reclaim->spaces) };
    if (!process.index || !space.index) {
        if (process.index)
            pool_give(&ps->pool, process.index);
        if (space.index)
            pool_give(&ps->reclaim->spaces, space.index);
        pgtable_destroy(ps->pgtable, root);
        return PROCESS_NONE;
    }
    uint32_t pid = pid_take(ps);
    *reclaim_space_at(ps->reclaim, space) = (struct reclaim_space){ .root = root, .pid = pid };
    *process_at(ps, process) = (struct process){ .pid = pid, .name = name, .space = space, .touch = touch };
    pid_enter(ps, process);
    limits_set_defaults(ps, process_at(ps, process));
    return process;
}

struct process_ref process_spawn(struct processes *ps, struct name_ref name, uint32_t touch)
{
    trace_step(ps->trace, PATH_spawn);
    struct process_ref process = process_new(ps, name, touch);
    if (!process.index || layout_map(ps, process_at(ps, process)))
        return process;
    uint32_t refusal = ps->refusal;
    process_exit(ps, process);
    process_refuse(ps, refusal);
    return PROCESS_NONE;
}

/* Copies a VMA and its entries. One that never had a page of its own has no entries to copy: the child's faults see the
 * same zero page (vma_needs_copy()). */
static bool fork_copy_vma(struct processes *ps, struct process *parent, struct process *child, struct vma_ref vma)
{
    struct vma copy = *vma_at(ps, vma);
    copy.flags &= ~(uint32_t)VMA_LOCKED;
    copy.is_forked = copy.anon != 0;
    copy.anon = copy.anon ? ++ps->next_anon : 0;
    if ((copy.flags & VMA_ACCOUNT) && !limits_may_commit(ps, parent, vma_pages(&copy)))
        return false;
    ps->refusal = REFUSAL_MAP_COUNT;
    return vma_add(ps, child, &copy).index && (!copy.anon || space_copy(ps, parent, child, copy.start, copy.end));
}

static void fork_inherit(struct process *child, const struct process *parent)
{
    child->parent_pid = parent->pid;
    child->heap_start = parent->heap_start;
    child->brk = parent->brk;
    child->data_start = parent->data_start;
    child->data_end = parent->data_end;
    child->mmap_top = parent->mmap_top;
    child->stack_top = parent->stack_top;
    child->libc_data = parent->libc_data;
    child->thread_data = parent->thread_data;
    memcpy(child->limits, parent->limits, sizeof child->limits);
}

struct process_ref process_fork(struct processes *ps, struct process_ref parent)
{
    trace_step(ps->trace, PATH_dup_mmap);
    struct process_ref child = process_new(ps, process_at(ps, parent)->name, process_at(ps, parent)->touch);
    if (!child.index)
        return PROCESS_NONE;
    struct process *from = process_at(ps, parent), *to = process_at(ps, child);
    fork_inherit(to, from);
    struct vma_ref vma = from->first_vma;
    while (vma.index && fork_copy_vma(ps, from, to, vma))
        vma = vma_at(ps, vma)->next;
    struct reclaim_space *space = process_space(ps, to);
    space->peak_rss_pages = space->rss_pages;
    if (!vma.index)
        return child;
    uint32_t refusal = ps->refusal;
    process_exit(ps, child);
    process_refuse(ps, refusal);
    return PROCESS_NONE;
}

void process_exit(struct processes *ps, struct process_ref process)
{
    struct process *p = process_at(ps, process);
    uint32_t root = process_space(ps, p)->root;
    trace_step(ps->trace, PATH_exit_mmap);
    while (p->first_vma.index) {
        const struct vma *v = vma_at(ps, p->first_vma);
        space_zap(ps, p, v->start, v->end);
        vma_remove(ps, p, p->first_vma);
    }
    pgtable_destroy(ps->pgtable, root);
    pool_give(&ps->reclaim->spaces, p->space.index);
    pid_leave(ps, process);
    pool_give(&ps->pool, process.index);
}

/* --- checks --- */

struct totals {
    uint64_t rss, swap;
    struct vm_counts vm;
};

static const char *process_check_entry(const struct processes *ps, const struct vma *v, uint64_t entry,
                                       struct totals *totals)
{
    bool is_present = entry & PTE_PRESENT, is_zero = pte_pfn(entry) == ps->zero_pfn;
    totals->swap += !is_present;
    totals->rss += is_present && !is_zero;
    if (!is_present)
        return NULL;
    const struct frame *frame = frame_at(ps->frames, pte_pfn(entry));
    if (!is_zero && frame->kind != FRAME_ANON)
        return "process: a user page maps a frame that is not anonymous";
    if ((entry & PTE_WRITE) && (is_zero || ANON_MAPPINGS(frame->index) != 1))
        return "process: a shared frame is mapped writable";
    if ((entry & PTE_WRITE) && !(v->flags & VMA_WRITE))
        return "process: a page is writable where its VMA is not";
    if (!(entry & PTE_USER) != !(v->flags & VMA_ACCESS))
        return "process: an entry and its VMA differ in whether the page may be accessed";
    if ((v->flags & VMA_LOCKED) && !is_zero && !(frame->flags & FRAME_LOCKED))
        return "process: a page of a locked VMA is not locked";
    return is_zero || v->anon ? NULL : "process: a VMA has pages of its own, but no anon_vma";
}

static void process_check_add_vma(const struct vma *v, struct vm_counts *vm)
{
    uint64_t n = vma_pages(v);
    vm->total += n;
    vm->data += limits_is_data(v->flags) ? n : 0;
    vm->stack += v->flags & VMA_STACK ? n : 0;
    vm->locked += v->flags & VMA_LOCKED ? n : 0;
    vm->committed += v->flags & VMA_ACCOUNT ? n : 0;
}

/* Has [start, end), which no VMA covers, entries all the same? */
static bool process_has_strays(const struct processes *ps, const struct process *p, uint64_t start, uint64_t end)
{
    return space_next_entry(ps, p->space, &start, end) != 0;
}

static const char *process_check_one(const struct processes *ps, struct process_ref process)
{
    const struct process *p = process_at(ps, process);
    const char *wrong = vma_tree_check(ps, p);
    struct totals totals = { 0 };
    uint64_t last_end = 0;
    for (struct vma_ref vma = p->first_vma; vma.index && !wrong; vma = vma_at(ps, vma)->next) {
        const struct vma *v = vma_at(ps, vma);
        uint64_t at = v->start, slot;
        process_check_add_vma(v, &totals.vm);
        if (process_has_strays(ps, p, last_end, v->start))
            return "process: a page outside of all VMAs";
        for (; !wrong && (slot = space_next_entry(ps, p->space, &at, v->end)); at += PAGE_SIZE)
            wrong = process_check_entry(ps, v, pte_load(ps->frames, ps->profile, slot), &totals);
        last_end = v->end;
    }
    const struct reclaim_space *space = process_space(ps, p);
    if (wrong)
        return wrong;
    if (totals.rss != space->rss_pages || totals.swap != space->swap_pages)
        return "process: rss or swap count differs from the page tables";
    if (memcmp(&totals.vm, &p->vm, sizeof p->vm) != 0)
        return "process: counts of mapped pages differ from the VMAs";
    return process_find(ps, p->pid).index == process.index ? NULL : "process: it is not found by its pid";
}

bool processes_check(const struct processes *ps, char *text, size_t capacity)
{
    const char *wrong = NULL;
    uint64_t nr_committed = 0;
    for (struct process_ref i = { 1 }; i.index < ps->pool.nr_used && !wrong; i.index++) {
        if (!process_at(ps, i)->pid)
            continue;
        wrong = process_check_one(ps, i);
        nr_committed += process_at(ps, i)->vm.committed;
    }
    if (!wrong && nr_committed != ps->nr_committed)
        wrong = "process: Committed_AS is not the sum of what processes were promised";
    return check_report(wrong, text, capacity);
}
