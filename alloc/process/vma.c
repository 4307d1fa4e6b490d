/* VMAs merge and split as Linux v6.1 mm/mmap.c does it: vma_merge(), can_vma_merge_before(), can_vma_merge_after(),
 * is_mergeable_anon_vma(), __split_vma(). Neighbours become one when
 *  - they have the same flags, file and name (PR_SET_VMA_ANON_NAME gives names);
 *  - the page offset of the upper one goes on where the lower one's ends (mremap keeps offsets once there are pages);
 *  - their anonymous pages belong to one family (anon_vma), or one of the two has never had any. */
#include "alloc/process/process_internal.h"
#include "alloc/base/invariant.h"

/* May two ranges with these anon_vmas join? Equal ones may. If one is 0, Linux asks whether the existing VMA's chain is
 * singular: a chain of more than one (after fork) forbids it, and so does an empty one. So a VMA that was never touched
 * does not take in one that was.
 * existing  the VMA that a range would join; NULL: two VMAs meet. */
static bool vma_anon_fits(uint32_t a, uint32_t b, const struct vma *existing)
{
    bool is_single = !existing || (existing->anon && !existing->is_forked);
    return ((!a || !b) && is_single) || a == b;
}

static bool vma_is_same_kind(const struct vma *a, const struct vma *b)
{
    return a->flags == b->flags && a->file == b->file && a->name.index == b->name.index;
}

static bool vma_may_follow(const struct vma *below, const struct vma *range)
{
    return below->end == range->start && vma_is_same_kind(below, range) && vma_anon_fits(range->anon, below->anon, below) &&
           below->pgoff + vma_pages(below) == range->pgoff;
}

static bool vma_may_precede(const struct vma *above, const struct vma *range)
{
    return range->end == above->start && vma_is_same_kind(above, range) && vma_anon_fits(range->anon, above->anon, above) &&
           range->pgoff + vma_pages(range) == above->pgoff;
}

static void vma_take_over_anon(struct vma *to, const struct vma *from)
{
    if (to->anon)
        return;
    to->anon = from->anon;
    to->is_forked = from->is_forked;
}

/* Changes the bounds of a VMA, and the counts with them. */
static void vma_count_bounds(struct processes *ps, struct process *p, struct vma_ref vma, uint64_t start, uint64_t end)
{
    limits_count(ps, p, vma_at(ps, vma), false);
    vma_set_bounds(ps, vma, start, end);
    limits_count(ps, p, vma_at(ps, vma), true);
}

/* Joins a range with its neighbours. Nothing of the range is in the tree. Returns the VMA that has it; 0: it joins neither.
 *
 *      AAA***BBB -> AAAAAAAAA  it joins both, and their pages may be one family: B is removed
 *                -> AAAAAABBB  it joins the lower one (also if it could join either, but not both at once)
 *                -> AAABBBBBB  it joins the upper one */
static struct vma_ref vma_merge(struct processes *ps, struct process *p, struct vma_ref below, struct vma_ref above,
                                const struct vma *range)
{
    struct vma *a = below.index ? vma_at(ps, below) : NULL, *b = above.index ? vma_at(ps, above) : NULL;
    bool joins_below = a && vma_may_follow(a, range), joins_above = b && vma_may_precede(b, range);
    if (joins_below && joins_above && vma_anon_fits(a->anon, b->anon, NULL)) {
        const struct vma last = *b;
        vma_remove(ps, p, above);
        vma_take_over_anon(a, range);
        vma_take_over_anon(a, &last);
        vma_count_bounds(ps, p, below, a->start, last.end);
        return below;
    }
    if (joins_below) {
        vma_take_over_anon(a, range);
        vma_count_bounds(ps, p, below, a->start, range->end);
        return below;
    }
    if (!joins_above)
        return VMA_NONE;
    vma_take_over_anon(b, range);
    vma_count_bounds(ps, p, above, range->start, b->end);
    return above;
}

struct vma_ref vma_add(struct processes *ps, struct process *p, const struct vma *kind)
{
    struct vma_ref new = { pool_take(&ps->vmas) };
    if (!new.index)
        return VMA_NONE;
    *vma_at(ps, new) = *kind;
    vma_link(ps, p, new);
    limits_count(ps, p, kind, true);
    return new;
}

struct vma_ref vma_insert(struct processes *ps, struct process *p, const struct vma *kind)
{
    struct vma_ref above = vma_find_end(ps, p, kind->start), below = above.index ? vma_at(ps, above)->prev : p->last_vma;
    struct vma_ref merged = vma_merge(ps, p, below, above, kind);
    return merged.index ? merged : vma_add(ps, p, kind);
}

void vma_remove(struct processes *ps, struct process *p, struct vma_ref vma)
{
    limits_count(ps, p, vma_at(ps, vma), false);
    vma_unlink(ps, p, vma);
    pool_give(&ps->vmas, vma.index);
}

bool vma_split_at(struct processes *ps, struct process *p, uint64_t address)
{
    struct vma_ref lower = process_find_vma(ps, p, address);
    if (!lower.index || vma_at(ps, lower)->start == address)
        return true;
    struct vma_ref upper = { pool_take(&ps->vmas) };
    if (!upper.index)
        return process_refuse(ps, REFUSAL_MAP_COUNT);
    struct vma *v = vma_at(ps, upper);
    *v = *vma_at(ps, lower);
    v->pgoff += (address - v->start) >> PAGE_SHIFT;
    v->start = address;
    vma_count_bounds(ps, p, lower, vma_at(ps, lower)->start, address);
    vma_link(ps, p, upper);
    limits_count(ps, p, v, true);
    return true;
}

/* The same, within vm.max_map_count. */
static bool vma_split_if_allowed(struct processes *ps, struct process *p, uint64_t address)
{
    struct vma_ref vma = process_find_vma(ps, p, address);
    if (vma.index && vma_at(ps, vma)->start != address && p->nr_vmas >= MAX_MAP_COUNT)
        return process_refuse(ps, REFUSAL_MAP_COUNT);
    return vma_split_at(ps, p, address);
}

struct vma_ref vma_set_flags(struct processes *ps, struct process *p, struct vma_ref vma, uint64_t start, uint64_t end,
                             uint32_t flags)
{
    struct vma range = *vma_at(ps, vma);
    range.flags = flags;
    range.pgoff += (start - range.start) >> PAGE_SHIFT;
    range.start = start;
    range.end = end;
    if (vma_at(ps, vma)->flags == flags)
        return vma;
    if (!vma_split_if_allowed(ps, p, start) || !vma_split_if_allowed(ps, p, end))
        return VMA_NONE;
    vma = process_find_vma(ps, p, start);
    struct vma_ref below = vma_at(ps, vma)->prev, above = vma_at(ps, vma)->next;
    vma_remove(ps, p, vma);
    struct vma_ref merged = vma_merge(ps, p, below, above, &range);
    return merged.index ? merged : vma_add(ps, p, &range); /* the item just given back */
}

void vma_extend(struct processes *ps, struct process *p, struct vma_ref vma, uint64_t new_end)
{
    struct vma range = *vma_at(ps, vma);
    range.pgoff += vma_pages(&range);
    range.start = range.end;
    range.end = new_end;
    struct vma_ref above = vma_at(ps, vma)->next;
    struct vma_ref merged = vma_merge(ps, p, vma, above, &range); /* the same family of pages: it always can */
    INVARIANT(&ps->vmas, merged.index == vma.index);
}

void vma_grow_down(struct processes *ps, struct process *p, struct vma_ref vma, uint64_t new_start)
{
    vma_count_bounds(ps, p, vma, new_start, vma_at(ps, vma)->end);
}

/* May b's pages belong to the family of a's (anon_vma_compatible)? The two may differ in what they allow. */
static bool vma_may_share_anon(const struct vma *a, const struct vma *b)
{
    return a->end == b->start && a->file == b->file && !((a->flags ^ b->flags) & ~(uint32_t)VMA_ACCESS) &&
           a->pgoff + vma_pages(a) == b->pgoff;
}

uint32_t vma_anon_for(struct processes *ps, struct vma_ref vma)
{
    struct vma *v = vma_at(ps, vma);
    if (v->anon)
        return v->anon;
    const struct vma *above = v->next.index ? vma_at(ps, v->next) : NULL,
                     *below = v->prev.index ? vma_at(ps, v->prev) : NULL;
    if (above && above->anon && !above->is_forked && vma_may_share_anon(v, above))
        v->anon = above->anon;
    else if (below && below->anon && !below->is_forked && vma_may_share_anon(below, v))
        v->anon = below->anon;
    else
        v->anon = ++ps->next_anon;
    return v->anon;
}
