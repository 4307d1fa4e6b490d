/* mmap, munmap, mremap and the program break. Linux v6.1 mm/mmap.c: do_mmap(), mmap_region(), do_mas_align_munmap(), brk,
 * do_brk_flags(); mm/mremap.c. Each call looks for all that could refuse it before it changes anything. Only when mremap
 * moves pages may memory for page tables still run out; then the pages go back. */
#include "alloc/process/process_internal.h"

static bool map_may_add_vma(struct processes *ps, const struct process *p)
{
    return p->nr_vmas <= MAX_MAP_COUNT || process_refuse(ps, REFUSAL_MAP_COUNT);
}

/* May so much new memory of that kind be mapped? */
static bool map_is_allowed(struct processes *ps, const struct process *p, uint32_t flags, uint64_t length)
{
    uint64_t nr_pages = length >> PAGE_SHIFT;
    return limits_may_expand(ps, p, flags, nr_pages) && (!(flags & VMA_ACCOUNT) || limits_may_commit(ps, p, nr_pages));
}

static uint64_t map_find_room(struct processes *ps, const struct process *p, uint64_t length)
{
    uint64_t start = length <= ps->profile->user_end ? vma_find_gap(ps, p, length) : 0;
    if (!start)
        process_refuse(ps, REFUSAL_NO_ROOM);
    return start;
}

static bool map_is_free(const struct processes *ps, const struct process *p, uint64_t start, uint64_t length)
{
    struct vma_ref above = vma_find_end(ps, p, start);
    const struct vma *vma = above.index ? vma_at(ps, above) : NULL;
    uint64_t limit = vma ? vma->start - (vma->flags & VMA_STACK ? STACK_GUARD_GAP : 0) : ps->profile->user_end;
    return start <= limit && length <= limit - start;
}

/* near  where the caller would like it (get_unmapped_area()); 0: anywhere. */
static uint64_t map_anonymous(struct processes *ps, struct process *p, uint64_t near, uint64_t length, uint32_t flags,
                              struct name_ref name)
{
    uint64_t start = 0;
    if (map_may_add_vma(ps, p))
        start = near && map_is_free(ps, p, near, length) ? near : map_find_room(ps, p, length);
    flags |= limits_account_flag(flags);
    if (!start || !map_is_allowed(ps, p, flags, length))
        return 0;
    const struct vma kind = { .start = start,
                              .end = start + length,
                              .pgoff = start >> PAGE_SHIFT,
                              .flags = flags,
                              .name = name,
                              .seq = ps->trace->seq };
    trace_cost(ps->trace, COST_VMA, 1);
    if (!vma_insert(ps, p, &kind).index) {
        process_refuse(ps, REFUSAL_MAP_COUNT);
        return 0;
    }
    TRACE_EVENT(ps->trace, .kind = EV_MMAP, .address = start, .pid = p->pid, .count = (uint32_t)(length >> PAGE_SHIFT));
    return start;
}

uint64_t process_mmap(struct processes *ps, struct process_ref process, uint64_t length, uint32_t flags,
                      struct name_ref name)
{
    process_enter_call(ps, PATH_mmap);
    if (!length || length > ps->profile->user_end) {
        process_refuse(ps, length ? REFUSAL_NO_ROOM : REFUSAL_EMPTY);
        return 0;
    }
    return map_anonymous(ps, process_at(ps, process), 0, page_align(length), flags, name);
}

uint64_t process_mmap_near(struct processes *ps, struct process_ref process, uint64_t address, uint64_t length,
                           uint32_t flags)
{
    process_enter_call(ps, PATH_mmap);
    address = page_align(address < MMAP_MIN_ADDR ? MMAP_MIN_ADDR : address);
    return map_anonymous(ps, process_at(ps, process), address, length, flags, NAME_NONE);
}

/* --- munmap --- */

/* Removes the VMAs of [start, end), which end at its bounds. The tables of the hole go when nothing else is mapped in their
 * span. */
static void unmap_vmas(struct processes *ps, struct process *p, uint64_t start, uint64_t end)
{
    for (struct vma_ref vma; (vma = vma_find_end(ps, p, start)).index && vma_at(ps, vma)->start < end;) {
        space_zap(ps, p, vma_at(ps, vma)->start, vma_at(ps, vma)->end);
        vma_remove(ps, p, vma);
        trace_cost(ps->trace, COST_VMA, 1);
    }
    struct vma_ref above = vma_find_end(ps, p, start), below = above.index ? vma_at(ps, above)->prev : p->last_vma;
    space_free_tables(ps, p, start, end, below.index ? vma_at(ps, below)->end : 0,
                      above.index ? vma_at(ps, above)->start : ps->profile->user_end);
}

/* A hole in the middle of a VMA makes one more. */
static bool unmap_is_allowed(struct processes *ps, const struct process *p, uint64_t start, uint64_t end)
{
    struct vma_ref vma = process_find_vma(ps, p, start);
    bool is_hole = vma.index && vma_at(ps, vma)->start < start && end < vma_at(ps, vma)->end;
    return !is_hole || p->nr_vmas < MAX_MAP_COUNT || process_refuse(ps, REFUSAL_MAP_COUNT);
}

static bool unmap_range(struct processes *ps, struct process *p, uint64_t start, uint64_t end)
{
    if (!unmap_is_allowed(ps, p, start, end) || !vma_split_at(ps, p, start) || !vma_split_at(ps, p, end))
        return false;
    unmap_vmas(ps, p, start, end);
    TRACE_EVENT(ps->trace, .kind = EV_MUNMAP, .address = start, .pid = p->pid,
                .count = (uint32_t)((end - start) >> PAGE_SHIFT));
    return true;
}

bool process_munmap(struct processes *ps, struct process_ref process, uint64_t start, uint64_t length)
{
    process_enter_call(ps, PATH_munmap);
    if (start % PAGE_SIZE)
        return process_refuse(ps, REFUSAL_ALIGN);
    if (!length)
        return process_refuse(ps, REFUSAL_EMPTY);
    if (start > ps->profile->user_end || length > ps->profile->user_end - start)
        return process_refuse(ps, REFUSAL_RANGE);
    return unmap_range(ps, process_at(ps, process), start, start + page_align(length));
}

/* --- mremap --- */

/* A call that is to change the length of a range; lengths are whole pages. */
struct mremap {
    struct processes *ps;
    struct process *p;
    struct process_ref process; /* the same */
    struct vma_ref vma;         /* that holds start */
    uint64_t start, old_length, new_length;
};

static uint64_t mremap_nr_new_pages(const struct mremap *call)
{
    return (call->new_length - call->old_length) >> PAGE_SHIFT;
}

/* A VMA can grow in place if it ends with the range, and the room up to the new end is free. */
static bool mremap_can_grow_in_place(const struct mremap *call)
{
    const struct vma *v = vma_at(call->ps, call->vma);
    uint64_t limit = v->next.index ? vma_at(call->ps, v->next)->start : call->ps->profile->user_end;
    uint64_t new_end = call->start + call->new_length;
    return new_end > call->start && v->end == call->start + call->old_length && new_end <= limit;
}

/* The pages that a locked VMA has grown by are had at once. start: where the range is now. */
static void mremap_populate_if_locked(const struct mremap *call, uint64_t start)
{
    uint64_t from = start + call->old_length;
    struct vma_ref vma = process_find_vma(call->ps, call->p, from);
    if (vma.index && (vma_at(call->ps, vma)->flags & VMA_LOCKED))
        process_populate(call->ps, call->process, from, start + call->new_length);
}

/* What the range becomes at its new place. */
static struct vma mremap_kind_at(const struct mremap *call, uint64_t to)
{
    struct vma kind = *vma_at(call->ps, call->vma);
    kind.pgoff = kind.anon || kind.file ? kind.pgoff + ((call->start - kind.start) >> PAGE_SHIFT) : to >> PAGE_SHIFT;
    kind.flags &= ~(uint32_t)VMA_HEAP; /* it is no longer between the start of the heap and the break */
    kind.start = to;
    kind.end = to + call->new_length;
    return kind;
}

/* Moves the range to a new place, where it has new_length. It becomes a VMA of its own there, or part of a neighbour. */
static uint64_t mremap_move(const struct mremap *call)
{
    struct processes *ps = call->ps;
    struct process *p = call->p;
    bool has_spare = p->nr_vmas < MAX_MAP_COUNT - 3 || process_refuse(ps, REFUSAL_MAP_COUNT);
    uint64_t to = has_spare ? map_find_room(ps, p, call->new_length) : 0;
    if (!to)
        return 0;
    const struct vma kind = mremap_kind_at(call, to);
    if ((kind.flags & VMA_ACCOUNT) && !limits_may_commit(ps, p, call->new_length >> PAGE_SHIFT))
        return 0;
    trace_cost(ps->trace, COST_VMA, 1);
    if (!vma_insert(ps, p, &kind).index) {
        process_refuse(ps, REFUSAL_MAP_COUNT);
        return 0;
    }
    if (!space_move(ps, p, call->start, to, call->old_length)) {
        unmap_range(ps, p, to, to + call->new_length);
        process_refuse(ps, REFUSAL_NO_MEMORY);
        return 0;
    }
    TRACE_EVENT(ps->trace, .kind = EV_MREMAP, .address = to, .pid = p->pid, .a = call->start,
                .count = (uint32_t)(call->new_length >> PAGE_SHIFT));
    unmap_range(ps, p, call->start, call->start + call->old_length); /* cannot fail: there were three VMAs to spare */
    return to;
}

static bool mremap_may_grow(const struct mremap *call)
{
    const struct vma *v = vma_at(call->ps, call->vma);
    uint64_t nr_pages = mremap_nr_new_pages(call);
    if (call->start + call->old_length > v->end)
        return process_refuse(call->ps, REFUSAL_PAST_END);
    if ((v->flags & VMA_LOCKED) && !limits_may_lock(call->p, call->p->vm.locked + nr_pages))
        return process_refuse(call->ps, REFUSAL_MEMLOCK_LATER);
    return limits_may_expand(call->ps, call->p, v->flags, nr_pages);
}

static uint64_t mremap_grow(const struct mremap *call)
{
    uint64_t start = call->start;
    if (!mremap_may_grow(call))
        return 0;
    if (mremap_can_grow_in_place(call)) {
        bool is_counted = vma_at(call->ps, call->vma)->flags & VMA_ACCOUNT;
        if (is_counted && !limits_may_commit(call->ps, call->p, mremap_nr_new_pages(call)))
            return 0;
        vma_extend(call->ps, call->p, call->vma, start + call->new_length);
    } else {
        start = mremap_move(call);
    }
    if (start)
        mremap_populate_if_locked(call, start);
    return start;
}

/* What Linux looks at first, in its order. */
static enum refusal mremap_refusal(const struct mremap *call)
{
    uint64_t user_end = call->ps->profile->user_end, room = user_end - call->start;
    if (call->start % PAGE_SIZE)
        return REFUSAL_ALIGN;
    if (!call->new_length)
        return REFUSAL_EMPTY;
    if (!call->vma.index)
        return REFUSAL_NOT_MAPPED;
    if (!call->old_length)
        return REFUSAL_EMPTY;
    if (call->old_length <= room && call->new_length <= user_end)
        return REFUSAL_NONE;
    return call->old_length > call->new_length ? REFUSAL_RANGE
           : call->new_length > room           ? REFUSAL_NO_ROOM
                                               : REFUSAL_PAST_END;
}

uint64_t process_mremap(struct processes *ps, struct process_ref process, uint64_t start, uint64_t old_length,
                        uint64_t new_length)
{
    struct process *p = process_at(ps, process);
    struct mremap call = { ps, p, process, process_find_vma(ps, p, start), start, old_length, new_length };
    process_enter_call(ps, PATH_mremap);
    enum refusal refusal = mremap_refusal(&call);
    if (refusal) {
        process_refuse(ps, refusal);
        return 0;
    }
    call.old_length = page_align(old_length);
    call.new_length = page_align(new_length);
    if (call.old_length > call.new_length)
        return unmap_range(ps, p, start + call.new_length, start + call.old_length) ? start : 0;
    return call.old_length == call.new_length ? start : mremap_grow(&call);
}

/* --- the program break --- */

/* The heap keeps a page and a stack's guard gap away from what is above it. */
static bool brk_is_free_above(const struct processes *ps, const struct process *p, uint64_t old_end, uint64_t new_end)
{
    struct vma_ref above = vma_find_end(ps, p, old_end);
    uint64_t limit = above.index ? vma_gap_start(vma_at(ps, above)) : ps->profile->user_end;
    return new_end + PAGE_SIZE <= limit;
}

static bool brk_grow(struct processes *ps, struct process *p, uint64_t old_end, uint64_t new_end)
{
    const uint32_t flags = VMA_READ | VMA_WRITE | VMA_HEAP | VMA_ACCOUNT;
    const struct vma kind = { .start = old_end, .end = new_end, .pgoff = old_end >> PAGE_SHIFT, .flags = flags };
    if (new_end > ps->profile->user_end || !brk_is_free_above(ps, p, old_end, new_end))
        return process_refuse(ps, REFUSAL_NO_ROOM);
    if (!limits_may_expand(ps, p, flags, (new_end - old_end) >> PAGE_SHIFT) || !map_may_add_vma(ps, p) ||
        !limits_may_commit(ps, p, (new_end - old_end) >> PAGE_SHIFT))
        return false;
    return vma_insert(ps, p, &kind).index || process_refuse(ps, REFUSAL_MAP_COUNT);
}

/* check_data_rlimit(): the heap and the program's data together. */
static bool brk_is_within_data_limit(const struct process *p, uint64_t brk)
{
    uint64_t limit = p->limits[RESOURCE_DATA];
    return limit == LIMIT_NONE || (brk - p->heap_start) + (p->data_end - p->data_start) <= limit;
}

bool process_brk(struct processes *ps, struct process_ref process, uint64_t brk)
{
    struct process *p = process_at(ps, process);
    uint64_t old_end = page_align(p->brk), new_end = page_align(brk);
    process_enter_call(ps, PATH_brk);
    if (brk < p->heap_start)
        return process_refuse(ps, REFUSAL_BREAK);
    if (brk > ps->profile->user_end)
        return process_refuse(ps, REFUSAL_NO_ROOM);
    if (!brk_is_within_data_limit(p, brk))
        return process_refuse(ps, REFUSAL_DATA);
    if (new_end > old_end && !brk_grow(ps, p, old_end, new_end))
        return false;
    if (new_end < old_end && !unmap_range(ps, p, new_end, old_end))
        return false;
    p->brk = brk;
    trace_cost(ps->trace, COST_VMA, new_end != old_end);
    TRACE_EVENT(ps->trace, .kind = EV_BRK, .address = brk, .pid = p->pid);
    return true;
}

uint64_t process_sbrk(struct processes *ps, struct process_ref process, int64_t increment)
{
    uint64_t old = process_at(ps, process)->brk, brk = old + (uint64_t)increment;
    if (!increment)
        return old; /* the C library knows the break */
    bool wraps = increment > 0 ? brk < old : brk > old;
    if (wraps) {
        process_refuse(ps, increment > 0 ? REFUSAL_NO_ROOM : REFUSAL_BREAK);
        return UINT64_MAX;
    }
    return process_brk(ps, process, brk) ? old : UINT64_MAX;
}
