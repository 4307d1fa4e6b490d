/* Processes: their life, and walks over their address spaces. The layout is that of a small dynamically linked program with
 * address randomisation off: text and data, the heap above them, mappings below mmap_top, the stack at the top. */
#include "alloc/process_internal.h"

#include <string.h>

#define NR_PROCESSES (1u << 15)
#define NR_VMAS (1u << 20)
#define FIRST_PID 100u /* kernel threads and init would have the lower ones */
#define TEXT_PAGES 8u
#define DATA_PAGES 2u
#define STACK_PAGES 33u /* 132 KiB, what the kernel maps at first */

void processes_shape(struct processes *ps, const struct machine_config *config, const struct profile *profile)
{
    (void)config;
    (void)profile;
    memset(ps, 0, sizeof *ps);
    pool_shape(&ps->pool, sizeof(struct process), NR_PROCESSES);
    pool_shape(&ps->vmas, sizeof(struct vma), NR_VMAS);
    ps->next_pid = FIRST_PID;
}

void processes_wire(struct processes *ps, struct pgtable *pgtable, struct reclaim *reclaim, struct frames *frames,
                    struct trace *trace, const struct profile *profile)
{
    ps->pgtable = pgtable;
    ps->reclaim = reclaim;
    ps->frames = frames;
    ps->trace = trace;
    ps->profile = profile;
}

uint32_t processes_pools(struct processes *ps, struct pool **pools)
{
    pools[0] = &ps->pool;
    pools[1] = &ps->vmas;
    return 2;
}

enum pagoda_error processes_reserve(struct processes *ps, const struct pagoda_host *host)
{
    enum pagoda_error err = pool_reserve(&ps->pool, host, 1);
    if (!err)
        err = pool_reserve(&ps->reclaim->spaces, host, 1);
    return err ? err : pool_reserve(&ps->vmas, host, 8);
}

void processes_start(struct processes *ps)
{
    ps->zero_pfn = reclaim_alloc_pages(ps->reclaim, GFP_KERNEL | __GFP_ZERO, 0);
    assert(ps->zero_pfn);
    frame_set_kind(ps->frames, ps->zero_pfn, FRAME_RESERVED, 0);
}

uint32_t process_find(const struct processes *ps, uint32_t pid)
{
    for (uint32_t i = 1; i < ps->pool.nr_used; i++)
        if (process_at(ps, i)->pid == pid && pid)
            return i;
    return 0;
}

bool process_is_mapped(const struct processes *ps, uint32_t process, uint64_t address)
{
    return process_find_vma(ps, process_at(ps, process), address) != 0;
}

uint64_t process_mapped_until(const struct processes *ps, uint32_t process, uint64_t address)
{
    uint32_t vma = process_find_vma(ps, process_at(ps, process), address);
    for (; vma && vma_at(ps, vma)->start <= address; vma = vma_at(ps, vma)->next)
        address = vma_at(ps, vma)->end;
    return address;
}

uint64_t process_next_page(const struct processes *ps, uint32_t process, uint64_t address, uint64_t end)
{
    uint64_t at = address;
    return space_next_entry(ps, process_at(ps, process)->space, &at, end) ? at : end;
}

uint64_t space_next_entry(const struct processes *ps, uint32_t space, uint64_t *address, uint64_t end)
{
    uint32_t root = reclaim_space_at(ps->reclaim, space)->root;
    while (*address < end) {
        struct pte_walk walk = pte_walk(ps->frames, ps->profile, root, *address);
        if (walk.complete && walk.level[walk.nr_levels - 1].entry)
            return walk.slot;
        uint32_t below = walk.complete ? 0 : ps->profile->pgtable_levels - walk.nr_levels; /* levels that are not there */
        uint64_t hole = (uint64_t)PAGE_SIZE << (below * ps->profile->pgtable_bits);
        *address = (*address & ~(hole - 1)) + hole;
    }
    return 0;
}

static void unmap_entry(struct processes *ps, uint32_t space, uint64_t slot)
{
    uint64_t entry = pte_load(ps->frames, ps->profile, slot);
    pte_store(ps->frames, ps->profile, slot, 0);
    trace_cost(ps->trace, COST_PTE, 1);
    if (!(entry & PTE_PRESENT)) {
        reclaim_put_slot(ps->reclaim, pte_pfn(entry));
        reclaim_space_at(ps->reclaim, space)->swap_pages--;
    } else if (pte_pfn(entry) != ps->zero_pfn) {
        reclaim_space_at(ps->reclaim, space)->rss_pages--;
        reclaim_drop_mapping(ps->reclaim, pte_pfn(entry), space);
    }
}

void space_unmap(struct processes *ps, uint32_t space, uint64_t start, uint64_t end)
{
    uint64_t at = start, slot;
    uint32_t count = 0;
    for (; (slot = space_next_entry(ps, space, &at, end)); at += PAGE_SIZE, count++)
        unmap_entry(ps, space, slot);
    if (count) {
        reclaim_space_at(ps->reclaim, space)->generation++;
        trace_cost(ps->trace, COST_TLB_FLUSH, 1);
        TRACE_EVENT(ps->trace, .kind = EV_TLB_FLUSH, .address = start, .count = count);
    }
    pgtable_free_range(ps->pgtable, reclaim_space_at(ps->reclaim, space)->root, start, end);
}

/* An empty process with an address space of its own; 0: no memory, or too many. */
static uint32_t new_process(struct processes *ps, uint32_t label, uint32_t touch)
{
    uint32_t root = pgtable_create(ps->pgtable);
    if (!root)
        return 0;
    uint32_t process = pool_take(&ps->pool), space = pool_take(&ps->reclaim->spaces);
    if (!process || !space) {
        if (process)
            pool_give(&ps->pool, process);
        if (space)
            pool_give(&ps->reclaim->spaces, space);
        pgtable_destroy(ps->pgtable, root);
        return 0;
    }
    uint32_t pid = ps->next_pid++;
    *reclaim_space_at(ps->reclaim, space) = (struct reclaim_space){ .root = root, .pid = pid };
    *process_at(ps, process) = (struct process){
        .pid = pid, .label = label, .space = space, .touch = touch, .mmap_top = ps->profile->user_mmap_top
    };
    return process;
}

static bool map_program(struct processes *ps, struct process *p)
{
    const struct profile *profile = ps->profile;
    uint64_t text = profile->user_text & ~(uint64_t)(PAGE_SIZE - 1), data = text + TEXT_PAGES * PAGE_SIZE;
    uint64_t stack = profile->user_stack_top - STACK_PAGES * PAGE_SIZE;
    p->heap_start = p->brk = data + (DATA_PAGES + 1) * PAGE_SIZE;
    if (p->mmap_top > stack)
        p->mmap_top = stack;
    return vma_insert(ps, p, text, data, VMA_READ | VMA_EXEC | VMA_TEXT, 0) &&
           vma_insert(ps, p, data, data + DATA_PAGES * PAGE_SIZE, VMA_READ | VMA_WRITE | VMA_TEXT, 0) &&
           vma_insert(ps, p, stack, stack + STACK_PAGES * PAGE_SIZE, VMA_READ | VMA_WRITE | VMA_STACK, 0);
}

uint32_t process_spawn(struct processes *ps, uint32_t label, uint32_t touch)
{
    trace_step(ps->trace, PATH_spawn);
    uint32_t process = new_process(ps, label, touch);
    if (process && !map_program(ps, process_at(ps, process))) {
        process_exit(ps, process);
        return 0;
    }
    return process;
}

/* One entry from parent to child: a present page becomes shared and write-protected in both. */
static bool copy_entry(struct processes *ps, const struct process *parent, const struct process *child, uint64_t at,
                       uint64_t slot)
{
    uint32_t root = reclaim_space_at(ps->reclaim, child->space)->root;
    uint64_t target = pgtable_entry(ps->pgtable, root, at, GFP_KERNEL | __GFP_ZERO);
    if (!target)
        return false;
    uint64_t entry = pte_load(ps->frames, ps->profile, slot);
    if (!entry)
        return true; /* reclaim may have emptied it meanwhile */
    struct reclaim_space *space = reclaim_space_at(ps->reclaim, child->space);
    if (!(entry & PTE_PRESENT)) {
        reclaim_get_slot(ps->reclaim, pte_pfn(entry));
        space->swap_pages++;
    } else if (pte_pfn(entry) != ps->zero_pfn) {
        entry = (entry & ~(uint64_t)PTE_WRITE) | PTE_COW;
        frame_at(ps->frames, pte_pfn(entry))->index += ANON_MAPPING;
        space->rss_pages++;
        pte_store(ps->frames, ps->profile, slot, entry);
        reclaim_space_at(ps->reclaim, parent->space)->generation++;
    }
    pte_store(ps->frames, ps->profile, target, entry);
    trace_cost(ps->trace, COST_PTE, 2);
    return true;
}

static bool copy_space(struct processes *ps, struct process *parent, struct process *child)
{
    for (uint32_t vma = parent->first_vma; vma; vma = vma_at(ps, vma)->next) {
        const struct vma v = *vma_at(ps, vma);
        uint32_t copy = vma_insert(ps, child, v.start, v.end, v.flags, v.label);
        if (!copy)
            return false;
        uint64_t at = v.start, slot;
        for (; (slot = space_next_entry(ps, parent->space, &at, v.end)); at += PAGE_SIZE)
            if (!copy_entry(ps, parent, child, at, slot))
                return false;
    }
    return true;
}

uint32_t process_fork(struct processes *ps, uint32_t parent)
{
    trace_step(ps->trace, PATH_dup_mmap);
    uint32_t child = new_process(ps, process_at(ps, parent)->label, process_at(ps, parent)->touch);
    if (!child)
        return 0;
    struct process *from = process_at(ps, parent), *to = process_at(ps, child);
    to->parent_pid = from->pid;
    to->heap_start = from->heap_start;
    to->brk = from->brk;
    to->mmap_top = from->mmap_top;
    if (copy_space(ps, from, to))
        return child;
    process_exit(ps, child);
    return 0;
}

void process_exit(struct processes *ps, uint32_t process)
{
    struct process *p = process_at(ps, process);
    trace_step(ps->trace, PATH_exit_mmap);
    while (p->first_vma) {
        uint32_t vma = p->first_vma;
        space_unmap(ps, p->space, vma_at(ps, vma)->start, vma_at(ps, vma)->end);
        p->first_vma = vma_at(ps, vma)->next;
        pool_give(&ps->vmas, vma);
    }
    pgtable_destroy(ps->pgtable, reclaim_space_at(ps->reclaim, p->space)->root);
    pool_give(&ps->reclaim->spaces, p->space);
    pool_give(&ps->pool, process);
}

bool process_mlock(struct processes *ps, uint32_t process, uint64_t start, uint64_t length)
{
    struct process *p = process_at(ps, process);
    uint64_t end = start + length;
    trace_step(ps->trace, PATH_mlock);
    if (end < start || (length && process_mapped_until(ps, process, start) < end))
        return false;
    for (uint64_t at = start & ~(uint64_t)(PAGE_SIZE - 1); at < end; at += PAGE_SIZE) {
        bool write = (vma_at(ps, process_find_vma(ps, p, at))->flags & VMA_WRITE) != 0;
        uint32_t pfn = process_fault(ps, process, at, write);
        if (!pfn)
            return false;
        if (pfn != ps->zero_pfn)
            frame_at(ps->frames, pfn)->flags |= FRAME_LOCKED;
    }
    return true;
}

static const char *check_process(const struct processes *ps, const struct process *p)
{
    uint64_t rss = 0, swap = 0, last_end = 0;
    for (uint32_t vma = p->first_vma; vma; vma = vma_at(ps, vma)->next) {
        const struct vma *v = vma_at(ps, vma);
        if (v->start >= v->end || v->start < last_end || v->start % PAGE_SIZE || v->end % PAGE_SIZE)
            return "process: VMAs overlap, are empty, or not page-aligned";
        last_end = v->end;
        uint64_t at = v->start, slot;
        for (; (slot = space_next_entry(ps, p->space, &at, v->end)); at += PAGE_SIZE) {
            uint64_t entry = pte_load(ps->frames, ps->profile, slot);
            uint32_t pfn = pte_pfn(entry);
            swap += !(entry & PTE_PRESENT);
            rss += (entry & PTE_PRESENT) && pfn != ps->zero_pfn;
            if ((entry & PTE_PRESENT) && pfn != ps->zero_pfn && frame_at(ps->frames, pfn)->kind != FRAME_ANON)
                return "process: a user page maps a frame that is not anonymous";
            if ((entry & PTE_PRESENT) && (entry & PTE_WRITE) && ANON_MAPPINGS(frame_at(ps->frames, pfn)->index) != 1)
                return "process: a shared frame is mapped writable";
        }
    }
    const struct reclaim_space *space = reclaim_space_at(ps->reclaim, p->space);
    return rss == space->rss_pages && swap == space->swap_pages ? NULL
                                                                : "process: rss or swap count differs from the page tables";
}

bool processes_check(const struct processes *ps, char *text, size_t capacity)
{
    for (uint32_t i = 1; i < ps->pool.nr_used; i++) {
        const char *wrong = process_at(ps, i)->pid ? check_process(ps, process_at(ps, i)) : NULL;
        if (!wrong)
            continue;
        size_t length = strlen(wrong) < capacity ? strlen(wrong) : capacity - 1;
        memcpy(text, wrong, length);
        text[length] = '\0';
        return false;
    }
    return true;
}
