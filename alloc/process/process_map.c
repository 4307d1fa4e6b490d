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
    uint32_t above = vma_find_end(ps, p, start);
    const struct vma *vma = above ? vma_at(ps, above) : NULL;
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
    if (!vma_insert(ps, p, &kind)) {
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
    return map_anonymous(ps, process_at(ps, process), address, length, flags, NAME_NONE);
}

/* --- munmap --- */

/* Removes the VMAs of [start, end), which end at its bounds. The tables of the hole go when nothing else is mapped in their
 * span. */
static void unmap_vmas(struct processes *ps, struct process *p, uint64_t start, uint64_t end)
{
    for (uint32_t vma; (vma = vma_find_end(ps, p, start)) && vma_at(ps, vma)->start < end;) {
        space_zap(ps, p, vma_at(ps, vma)->start, vma_at(ps, vma)->end);
        vma_remove(ps, p, vma);
        trace_cost(ps->trace, COST_VMA, 1);
    }
    uint32_t above = vma_find_end(ps, p, start), below = above ? vma_at(ps, above)->prev : p->last_vma;
    space_free_tables(ps, p, start, end, below ? vma_at(ps, below)->end : 0,
                      above ? vma_at(ps, above)->start : ps->profile->user_end);
}

/* A hole in the middle of a VMA makes one more. */
static bool unmap_is_allowed(struct processes *ps, const struct process *p, uint64_t start, uint64_t end)
{
    uint32_t vma = process_find_vma(ps, p, start);
    bool is_hole = vma && vma_at(ps, vma)->start < start && end < vma_at(ps, vma)->end;
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

/* A VMA can grow in place if it ends with the range, and the room up to new_end is free. */
static bool mremap_can_grow_in_place(const struct processes *ps, uint32_t vma, uint64_t old_end, uint64_t new_end)
{
    const struct vma *v = vma_at(ps, vma);
    uint64_t limit = v->next ? vma_at(ps, v->next)->start : ps->profile->user_end;
    return v->end == old_end && new_end <= limit;
}

static bool mremap_populate_if_locked(struct processes *ps, struct process_ref process, uint64_t start, uint64_t end)
{
    uint32_t vma = process_find_vma(ps, process_at(ps, process), start);
    bool is_locked = vma && (vma_at(ps, vma)->flags & VMA_LOCKED);
    return !is_locked || process_populate(ps, process, start, end);
}

/* Moves the range to a new place, where it has new_length. It becomes a VMA of its own there, or part of a neighbour. */
static uint64_t mremap_move(struct processes *ps, struct process *p, uint64_t start, uint64_t old_length,
                            uint64_t new_length)
{
    bool has_spare = p->nr_vmas < MAX_MAP_COUNT - 3 || process_refuse(ps, REFUSAL_MAP_COUNT);
    uint64_t to = has_spare ? map_find_room(ps, p, new_length) : 0;
    if (!to)
        return 0;
    struct vma kind = *vma_at(ps, process_find_vma(ps, p, start));
    if ((kind.flags & VMA_ACCOUNT) && !limits_may_commit(ps, p, new_length >> PAGE_SHIFT))
        return 0;
    kind.pgoff = kind.anon || kind.file ? kind.pgoff + ((start - kind.start) >> PAGE_SHIFT) : to >> PAGE_SHIFT;
    kind.flags &= ~(uint32_t)VMA_HEAP; /* it is no longer between the start of the heap and the break */
    kind.start = to;
    kind.end = to + new_length;
    trace_cost(ps->trace, COST_VMA, 1);
    if (!vma_insert(ps, p, &kind)) {
        process_refuse(ps, REFUSAL_MAP_COUNT);
        return 0;
    }
    if (!space_move(ps, p, start, to, old_length)) {
        unmap_range(ps, p, to, to + new_length);
        process_refuse(ps, REFUSAL_NO_MEMORY);
        return 0;
    }
    TRACE_EVENT(ps->trace, .kind = EV_MREMAP, .address = to, .pid = p->pid, .a = start,
                .count = (uint32_t)(new_length >> PAGE_SHIFT));
    unmap_range(ps, p, start, start + old_length); /* cannot fail: there were three VMAs to spare */
    return to;
}

/* May the range become so much longer? */
static bool mremap_may_grow(struct processes *ps, struct process *p, uint32_t vma, uint64_t old_end, uint64_t by)
{
    const struct vma *v = vma_at(ps, vma);
    if (old_end > v->end)
        return process_refuse(ps, REFUSAL_PAST_END);
    if ((v->flags & VMA_LOCKED) && !limits_may_lock(p, p->vm.locked + (by >> PAGE_SHIFT)))
        return process_refuse(ps, REFUSAL_MEMLOCK_LATER);
    return limits_may_expand(ps, p, v->flags, by >> PAGE_SHIFT);
}

static uint64_t mremap_grow(struct processes *ps, struct process_ref process, uint32_t vma, uint64_t start,
                            uint64_t old_length, uint64_t new_length)
{
    struct process *p = process_at(ps, process);
    uint64_t old_end = start + old_length, new_end = start + new_length;
    if (!mremap_may_grow(ps, p, vma, old_end, new_length - old_length))
        return 0;
    if (new_end > start && mremap_can_grow_in_place(ps, vma, old_end, new_end)) {
        bool is_counted = vma_at(ps, vma)->flags & VMA_ACCOUNT;
        if (is_counted && !limits_may_commit(ps, p, (new_length - old_length) >> PAGE_SHIFT))
            return 0;
        vma_extend(ps, p, vma, new_end);
    } else {
        start = mremap_move(ps, p, start, old_length, new_length);
    }
    if (start)
        mremap_populate_if_locked(ps, process, start + old_length, start + new_length);
    return start;
}

uint64_t process_mremap(struct processes *ps, struct process_ref process, uint64_t start, uint64_t old_length,
                        uint64_t new_length)
{
    struct process *p = process_at(ps, process);
    process_enter_call(ps, PATH_mremap);
    uint32_t vma = process_find_vma(ps, p, start);
    enum refusal refusal = start % PAGE_SIZE ? REFUSAL_ALIGN
                           : !new_length     ? REFUSAL_EMPTY
                           : !vma            ? REFUSAL_NOT_MAPPED
                           : !old_length     ? REFUSAL_EMPTY
                                             : REFUSAL_NONE;
    uint64_t room = vma ? ps->profile->user_end - start : 0;
    if (!refusal && (old_length > room || new_length > ps->profile->user_end))
        refusal = old_length > new_length ? REFUSAL_RANGE : new_length > room ? REFUSAL_NO_ROOM : REFUSAL_PAST_END;
    if (refusal) {
        process_refuse(ps, refusal);
        return 0;
    }
    old_length = page_align(old_length);
    new_length = page_align(new_length);
    if (old_length > new_length)
        return unmap_range(ps, p, start + new_length, start + old_length) ? start : 0;
    return old_length == new_length ? start : mremap_grow(ps, process, vma, start, old_length, new_length);
}

/* --- the program break --- */

/* The heap keeps a page and a stack's guard gap away from what is above it. */
static bool brk_is_free_above(const struct processes *ps, const struct process *p, uint64_t old_end, uint64_t new_end)
{
    uint32_t above = vma_find_end(ps, p, old_end);
    uint64_t limit = above ? vma_gap_start(vma_at(ps, above)) : ps->profile->user_end;
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
    return vma_insert(ps, p, &kind) || process_refuse(ps, REFUSAL_MAP_COUNT);
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
