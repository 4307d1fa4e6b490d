/* What a process may have: RLIMIT_AS, DATA, STACK and MEMLOCK, and whether memory may be promised at all (overcommit).
 * Linux v6.1 mm/mmap.c: may_expand_vm(), accountable_mapping(), is_data_mapping(); mm/util.c: __vm_enough_memory(),
 * vm_commit_limit(). Processes are ordinary users': nobody has CAP_SYS_ADMIN or CAP_IPC_LOCK. */
#include "alloc/process/process_internal.h"

/* Committed_AS counts memory that would need a frame or a swap slot of its own: private and writable. */
uint32_t limits_account_flag(uint32_t flags)
{
    return (flags & (VMA_WRITE | VMA_NORESERVE)) == VMA_WRITE ? VMA_ACCOUNT : 0;
}

bool limits_is_data(uint32_t flags)
{
    return (flags & (VMA_WRITE | VMA_STACK)) == VMA_WRITE;
}

void limits_count(struct processes *ps, struct process *p, const struct vma *vma, bool comes)
{
    uint64_t n = comes ? vma_pages(vma) : -vma_pages(vma); /* unsigned: adding the complement takes away */
    struct vm_counts *vm = &p->vm;
    vm->total += n;
    vm->data += limits_is_data(vma->flags) ? n : 0;
    vm->stack += vma->flags & VMA_STACK ? n : 0;
    vm->locked += vma->flags & VMA_LOCKED ? n : 0;
    vm->committed += vma->flags & VMA_ACCOUNT ? n : 0;
    ps->nr_committed += vma->flags & VMA_ACCOUNT ? n : 0;
    if (vm->total << PAGE_SHIFT > p->peak_bytes)
        p->peak_bytes = vm->total << PAGE_SHIFT;
}

static bool limits_is_within(const struct process *p, enum resource resource, uint64_t nr_pages)
{
    return p->limits[resource] == LIMIT_NONE || nr_pages <= p->limits[resource] >> PAGE_SHIFT;
}

bool limits_may_expand(struct processes *ps, const struct process *p, uint32_t flags, uint64_t nr_pages)
{
    if (!limits_is_within(p, RESOURCE_AS, p->vm.total + nr_pages))
        return process_refuse(ps, REFUSAL_AS);
    if (limits_is_data(flags) && !limits_is_within(p, RESOURCE_DATA, p->vm.data + nr_pages))
        return process_refuse(ps, REFUSAL_DATA);
    return true;
}

bool limits_may_lock(const struct process *p, uint64_t nr_pages)
{
    return limits_is_within(p, RESOURCE_MEMLOCK, nr_pages);
}

static uint64_t limits_min(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

uint64_t processes_commit_limit(const struct processes *ps)
{
    return ps->nr_total * ps->overcommit_ratio / 100 + ps->nr_swap;
}

/* Mode 0 refuses only a request that is larger than all memory and swap. Mode 1 refuses nothing. Mode 2 never promises more
 * than the limit, less two reserves: one for administrators, one for a user who has to end a process that grew too large.
 */
bool limits_may_commit(struct processes *ps, const struct process *p, uint64_t nr_pages)
{
    uint64_t allowed = processes_commit_limit(ps),
             kept = ps->admin_reserve + limits_min(p->vm.total / 32, ps->user_reserve);
    bool fits = true;
    if (ps->overcommit_memory == 0)
        fits = nr_pages <= ps->nr_total + ps->nr_swap;
    else if (ps->overcommit_memory == 2)
        fits = ps->nr_committed + nr_pages + kept < allowed;
    return fits || process_refuse(ps, REFUSAL_COMMIT);
}

void process_set_limit(struct processes *ps, struct process_ref process, enum resource resource, uint64_t limit)
{
    process_at(ps, process)->limits[resource] = limit < LIMIT_NONE ? limit : LIMIT_NONE;
}

void limits_shape(struct processes *ps, const struct machine_config *config)
{
    ps->overcommit_memory = config->overcommit_memory;
    ps->overcommit_ratio = config->overcommit_ratio;
}

void limits_start(struct processes *ps)
{
    uint64_t nr_free = page_alloc_nr_free(ps->reclaim->pages);
    ps->nr_total = page_alloc_nr_managed(ps->reclaim->pages);
    ps->nr_swap = reclaim_nr_slots(ps->reclaim);
    ps->admin_reserve = limits_min(nr_free / 32, (8u << 20) / PAGE_SIZE); /* init_admin_reserve() */
    ps->user_reserve = limits_min(nr_free / 32, (128u << 20) / PAGE_SIZE);
}

void limits_set_defaults(const struct processes *ps, struct process *p)
{
    bool is_old =
        ps->profile->kmalloc_style == KMALLOC_BUCKETS; /* there, nobody was allowed to lock, or root was: unlimited */
    p->limits[RESOURCE_AS] = p->limits[RESOURCE_DATA] = LIMIT_NONE;
    p->limits[RESOURCE_STACK] = 8u << 20;                         /* _STK_LIM */
    p->limits[RESOURCE_MEMLOCK] = is_old ? LIMIT_NONE : 8u << 20; /* MLOCK_LIMIT since v5.16 */
}
