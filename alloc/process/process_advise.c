/* mprotect, madvise, mlock and munlock: what is done to each mapping of a range. Linux v6.1 mm/mprotect.c, mm/madvise.c,
 * mm/mlock.c. Where the range has a hole, mprotect and mlock change what lies before it, and then give ENOMEM. madvise goes
 * on behind the hole, and gives ENOMEM at the end. */
#include "alloc/process/process_internal.h"

/* Where a walk over a range stands. */
struct walk {
    struct processes *ps;
    struct process *p;
    struct process_ref process; /* its index */
    uint64_t at, end;
    bool has_hole;
};

/* The next VMA of the range; 0: there is none.
 * start, end  out: the part of it that the range covers. */
static struct vma_ref walk_next_vma(struct walk *walk, uint64_t *start, uint64_t *end)
{
    struct vma_ref vma = walk->at < walk->end ? vma_find_end(walk->ps, walk->p, walk->at) : VMA_NONE;
    const struct vma *v = vma.index ? vma_at(walk->ps, vma) : NULL;
    walk->has_hole |= walk->at < walk->end && (!v || v->start > walk->at);
    if (!v || v->start >= walk->end)
        return VMA_NONE;
    *start = v->start > walk->at ? v->start : walk->at;
    *end = v->end < walk->end ? v->end : walk->end;
    walk->at = *end;
    trace_cost(walk->ps->trace, COST_VMA, 1);
    return vma;
}

/* Checks what all of these calls check. False: refused. A length of 0 is the caller's to refuse. */
static bool walk_start(struct processes *ps, struct process_ref process, uint64_t start, uint64_t length, struct walk *walk)
{
    uint64_t user_end = ps->profile->user_end;
    if (start % PAGE_SIZE)
        return process_refuse(ps, REFUSAL_ALIGN);
    bool is_outside = start > user_end || length > user_end - start;
    *walk = (struct walk){
        .ps = ps, .p = process_at(ps, process), .process = process, .at = start, .end = start + page_align(length)
    };
    return !is_outside || process_refuse(ps, REFUSAL_HOLE);
}

/* --- mprotect --- */

/* Memory that becomes writable counts for Committed_AS from now on, even when it is made read-only again. */
static bool mprotect_vma(struct walk *walk, struct vma_ref vma, uint64_t start, uint64_t end, uint32_t access)
{
    struct processes *ps = walk->ps;
    uint32_t old = vma_at(ps, vma)->flags, flags = (old & ~(uint32_t)VMA_ACCESS) | access;
    uint64_t nr_pages = (end - start) >> PAGE_SHIFT;
    if (flags == old)
        return true;
    bool becomes_data = limits_is_data(flags) && !limits_is_data(old);
    if (becomes_data && !limits_may_expand(ps, walk->p, flags, nr_pages) && limits_may_expand(ps, walk->p, old, nr_pages))
        return process_refuse(ps, REFUSAL_DATA);
    if ((flags & VMA_WRITE) && !(old & (VMA_ACCOUNT | VMA_WRITE | VMA_NORESERVE))) {
        if (!limits_may_commit(ps, walk->p, nr_pages))
            return false;
        flags |= VMA_ACCOUNT;
    }
    if (!vma_set_flags(ps, walk->p, vma, start, end, flags).index)
        return false;
    space_protect(ps, walk->p, start, end, flags);
    if ((old & (VMA_WRITE | VMA_LOCKED)) == VMA_LOCKED && (flags & VMA_WRITE))
        process_populate(ps, walk->process, start, end); /* locked pages are had before they are written to */
    return true;
}

bool process_mprotect(struct processes *ps, struct process_ref process, uint64_t start, uint64_t length, uint32_t access)
{
    struct walk walk;
    uint64_t from, to;
    process_enter_call(ps, PATH_mprotect);
    if (!walk_start(ps, process, start, length, &walk))
        return false;
    for (struct vma_ref vma; (vma = walk_next_vma(&walk, &from, &to)).index && !walk.has_hole;)
        if (!mprotect_vma(&walk, vma, from, to, access))
            return false;
    TRACE_EVENT(ps->trace, .kind = EV_MPROTECT, .address = start, .pid = walk.p->pid,
                .count = (uint32_t)((walk.at - start) >> PAGE_SHIFT), .a = access);
    return !walk.has_hole || process_refuse(ps, REFUSAL_HOLE);
}

/* --- madvise --- */

static bool madvise_vma(struct walk *walk, struct vma_ref vma, uint64_t start, uint64_t end, enum advice advice)
{
    struct processes *ps = walk->ps;
    const struct vma *v = vma_at(ps, vma);
    if (advice != ADVICE_WILLNEED && (v->flags & VMA_LOCKED))
        return process_refuse(ps, REFUSAL_LOCKED);
    if (advice == ADVICE_FREE && v->file)
        return process_refuse(ps, REFUSAL_FILE);
    if (advice == ADVICE_DONTNEED)
        space_zap(ps, walk->p, start, end);
    else if (advice == ADVICE_FREE)
        space_free_lazily(ps, walk->p, start, end);
    else if (advice == ADVICE_PAGEOUT)
        space_page_out(ps, walk->p, start, end);
    else
        space_swap_in(ps, walk->p, start, end);
    return true;
}

bool process_advise(struct processes *ps, struct process_ref process, uint64_t start, uint64_t length, enum advice advice)
{
    struct walk walk;
    uint64_t from, to;
    process_enter_call(ps, PATH_madvise);
    if (!walk_start(ps, process, start, length, &walk))
        return false;
    TRACE_EVENT(ps->trace, .kind = EV_MADVISE, .address = start, .pid = walk.p->pid,
                .count = (uint32_t)((walk.end - start) >> PAGE_SHIFT), .a = advice);
    for (struct vma_ref vma; (vma = walk_next_vma(&walk, &from, &to)).index;)
        if (!madvise_vma(&walk, vma, from, to, advice))
            return false;
    return !walk.has_hole || process_refuse(ps, REFUSAL_HOLE);
}

/* --- mlock --- */

bool process_populate(struct processes *ps, struct process_ref process, uint64_t start, uint64_t end)
{
    for (uint64_t at = start; at < end; at += PAGE_SIZE) {
        struct vma_ref vma = process_find_vma(ps, process_at(ps, process), at);
        bool write = vma.index && (vma_at(ps, vma)->flags & VMA_WRITE);
        if (!vma.index || !process_fault(ps, process, at, write))
            return process_refuse(ps, REFUSAL_POPULATE);
    }
    return true;
}

/* Sets or takes away VMA_LOCKED, up to the first hole. */
static bool mlock_vmas(struct walk *walk, bool on)
{
    uint64_t from, to;
    for (struct vma_ref vma; (vma = walk_next_vma(walk, &from, &to)).index && !walk->has_hole;) {
        uint32_t flags = vma_at(walk->ps, vma)->flags;
        flags = on ? flags | VMA_LOCKED : flags & ~(uint32_t)VMA_LOCKED;
        if (!vma_set_flags(walk->ps, walk->p, vma, from, to, flags).index)
            return false;
        space_lock(walk->ps, walk->p, from, to, on);
    }
    return !walk->has_hole || process_refuse(walk->ps, REFUSAL_HOLE);
}

/* Pages of the range that are locked already. They do not count twice. */
static uint64_t mlock_count_locked(struct walk walk)
{
    uint64_t from, to, nr_pages = 0;
    for (struct vma_ref vma; (vma = walk_next_vma(&walk, &from, &to)).index;)
        nr_pages += vma_at(walk.ps, vma)->flags & VMA_LOCKED ? (to - from) >> PAGE_SHIFT : 0;
    return nr_pages;
}

static bool mlock_is_allowed(struct processes *ps, const struct walk *walk)
{
    uint64_t nr_pages = walk->p->vm.locked + ((walk->end - walk->at) >> PAGE_SHIFT);
    if (!walk->p->limits[RESOURCE_MEMLOCK])
        return process_refuse(ps, REFUSAL_MEMLOCK_NONE);
    return limits_may_lock(walk->p, nr_pages) || limits_may_lock(walk->p, nr_pages - mlock_count_locked(*walk)) ||
           process_refuse(ps, REFUSAL_MEMLOCK);
}

/* mlock and munlock take any address, and work on whole pages. */
static bool mlock_start(struct processes *ps, struct process_ref process, uint64_t start, uint64_t length,
                        struct walk *walk)
{
    uint64_t offset = start % PAGE_SIZE;
    return walk_start(ps, process, start - offset, length + offset >= length ? length + offset : length, walk);
}

bool process_mlock(struct processes *ps, struct process_ref process, uint64_t start, uint64_t length)
{
    struct walk walk;
    process_enter_call(ps, PATH_mlock);
    if (!mlock_start(ps, process, start, length, &walk) || !mlock_is_allowed(ps, &walk))
        return false;
    uint64_t from = walk.at;
    return mlock_vmas(&walk, true) && process_populate(ps, process, from, walk.end);
}

bool process_munlock(struct processes *ps, struct process_ref process, uint64_t start, uint64_t length)
{
    struct walk walk;
    process_enter_call(ps, PATH_munlock);
    return mlock_start(ps, process, start, length, &walk) && mlock_vmas(&walk, false);
}
