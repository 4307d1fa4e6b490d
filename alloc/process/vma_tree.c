/* The VMAs of a process: a red-black tree by address, threaded as a list. Each node knows the room below its VMA, and the
 * largest such room in its subtree. So placing a mapping looks at one path of the tree. Linux up to v6.0 mm/mmap.c:
 * vm_unmapped_area(); the maple tree of v6.1 finds the same gaps.
 *
 * A mapping goes to the end of the highest gap below mmap_top that is large enough. When there is none, it goes to the
 * lowest gap above a third of user space, as arch_get_unmapped_area_topdown() falls back to the old layout. A length of
 * whole huge pages starts on a huge page if a gap has room for one huge page more, as the recorded kernel places it
 * (mm/huge_memory.c:
 * __thp_get_unmapped_area(), since v6.7). Older kernels put it at the end of the gap, like others. */
#include "alloc/process/process_internal.h"

#define LOWEST ((uint64_t)PAGE_SIZE) /* nothing is mapped at address 0 */

uint64_t vma_gap_start(const struct vma *vma)
{
    if (!(vma->flags & VMA_STACK))
        return vma->start;
    return vma->start > STACK_GUARD_GAP ? vma->start - STACK_GUARD_GAP : 0;
}

static uint64_t gap_end_below(const struct processes *ps, const struct vma *vma)
{
    return vma->prev.index ? vma_at(ps, vma->prev)->end : LOWEST;
}

static uint64_t gap_room_below(const struct processes *ps, const struct vma *vma)
{
    uint64_t top = vma_gap_start(vma), bottom = gap_end_below(ps, vma);
    return top > bottom ? top - bottom : 0;
}

static void gap_renew_room(struct processes *ps, struct vma_ref vma)
{
    if (vma.index)
        rb_resize(&ps->vmas, vma.index, gap_room_below(ps, vma_at(ps, vma)));
}

struct vma_ref vma_find_end(const struct processes *ps, const struct process *p, uint64_t address)
{
    struct vma_ref found = VMA_NONE;
    for (struct vma_ref at = { p->root_vma }; at.index;) {
        const struct vma *v = vma_at(ps, at);
        if (v->end <= address) {
            at.index = v->node.right;
        } else {
            found = at;
            at.index = v->node.left;
        }
    }
    return found;
}

struct vma_ref process_find_vma(const struct processes *ps, const struct process *process, uint64_t address)
{
    struct vma_ref vma = vma_find_end(ps, process, address);
    return vma.index && vma_at(ps, vma)->start <= address ? vma : VMA_NONE;
}

bool process_is_mapped(const struct processes *ps, struct process_ref process, uint64_t address)
{
    return process_find_vma(ps, process_at(ps, process), address).index != 0;
}

void vma_link(struct processes *ps, struct process *p, struct vma_ref vma)
{
    struct vma *v = vma_at(ps, vma);
    struct vma_ref parent = VMA_NONE;
    bool is_left = false;
    for (struct vma_ref at = { p->root_vma }; at.index;) {
        const struct vma *above = vma_at(ps, at);
        parent = at;
        is_left = v->start < above->start;
        at.index = is_left ? above->node.left : above->node.right;
    }
    v->next = !parent.index ? VMA_NONE : is_left ? parent : vma_at(ps, parent)->next;
    v->prev = !parent.index ? VMA_NONE : is_left ? vma_at(ps, parent)->prev : parent;
    *(v->prev.index ? &vma_at(ps, v->prev)->next : &p->first_vma) = vma;
    *(v->next.index ? &vma_at(ps, v->next)->prev : &p->last_vma) = vma;
    v->node.size = gap_room_below(ps, v);
    rb_insert(&ps->vmas, &p->root_vma, vma.index, parent.index, is_left);
    gap_renew_room(ps, v->next);
    p->nr_vmas++;
}

void vma_unlink(struct processes *ps, struct process *p, struct vma_ref vma)
{
    const struct vma *v = vma_at(ps, vma);
    rb_erase(&ps->vmas, &p->root_vma, vma.index);
    *(v->prev.index ? &vma_at(ps, v->prev)->next : &p->first_vma) = v->next;
    *(v->next.index ? &vma_at(ps, v->next)->prev : &p->last_vma) = v->prev;
    gap_renew_room(ps, v->next);
    p->nr_vmas--;
}

void vma_set_bounds(struct processes *ps, struct vma_ref vma, uint64_t start, uint64_t end)
{
    struct vma *v = vma_at(ps, vma);
    v->pgoff += (start >> PAGE_SHIFT) - (v->start >> PAGE_SHIFT);
    v->start = start;
    v->end = end;
    gap_renew_room(ps, vma);
    gap_renew_room(ps, v->next);
}

/* --- gaps: here a VMA is a node of the tree --- */

static bool gap_fits(const struct processes *ps, uint32_t vma, uint64_t length)
{
    return rb_at(&ps->vmas, vma)->size >= length;
}
static bool gap_fits_below(const struct processes *ps, uint32_t vma, uint64_t length)
{
    return vma && rb_max(&ps->vmas, vma) >= length;
}

/* The highest VMA of a subtree with that much room below it. There is one. */
static uint32_t gap_last_fit(const struct processes *ps, uint32_t at, uint64_t length)
{
    for (;;) {
        const struct rb_node *node = rb_at(&ps->vmas, at);
        if (gap_fits_below(ps, node->right, length))
            at = node->right;
        else if (gap_fits(ps, at, length))
            return at;
        else
            at = node->left;
    }
}

static uint32_t gap_first_fit(const struct processes *ps, uint32_t at, uint64_t length)
{
    for (;;) {
        const struct rb_node *node = rb_at(&ps->vmas, at);
        if (gap_fits_below(ps, node->left, length))
            at = node->left;
        else if (gap_fits(ps, at, length))
            return at;
        else
            at = node->right;
    }
}

/* The nearest VMA below that one with so much room below it; 0: none. gap_fit_after() looks above it. */
static uint32_t gap_fit_before(const struct processes *ps, uint32_t vma, uint64_t length)
{
    for (uint32_t at = vma, from = rb_at(&ps->vmas, vma)->right; at; from = at, at = rb_at(&ps->vmas, at)->parent) {
        if (from == rb_at(&ps->vmas, at)->left && from)
            continue;
        if (at != vma && gap_fits(ps, at, length))
            return at;
        if (gap_fits_below(ps, rb_at(&ps->vmas, at)->left, length))
            return gap_last_fit(ps, rb_at(&ps->vmas, at)->left, length);
    }
    return 0;
}

static uint32_t gap_fit_after(const struct processes *ps, uint32_t vma, uint64_t length)
{
    for (uint32_t at = vma, from = rb_at(&ps->vmas, vma)->left; at; from = at, at = rb_at(&ps->vmas, at)->parent) {
        if (from == rb_at(&ps->vmas, at)->right && from)
            continue;
        if (at != vma && gap_fits(ps, at, length))
            return at;
        if (gap_fits_below(ps, rb_at(&ps->vmas, at)->right, length))
            return gap_first_fit(ps, rb_at(&ps->vmas, at)->right, length);
    }
    return 0;
}

/* The highest start of length free bytes below limit; 0: none. The gap that limit cuts, or that ends at it, comes first. */
static uint64_t gap_top_down(const struct processes *ps, const struct process *p, uint64_t limit, uint64_t length)
{
    struct vma_ref above = vma_find_end(ps, p, limit - 1);
    uint64_t top = above.index && vma_gap_start(vma_at(ps, above)) < limit ? vma_gap_start(vma_at(ps, above)) : limit;
    struct vma_ref below = above.index ? vma_at(ps, above)->prev : p->last_vma;
    uint64_t bottom = below.index ? vma_at(ps, below)->end : LOWEST;
    if (top > bottom && top - bottom >= length)
        return top - length;
    struct vma_ref vma = VMA_NONE;
    if (above.index)
        vma.index = gap_fit_before(ps, above.index, length);
    else if (gap_fits_below(ps, p->root_vma, length))
        vma.index = gap_last_fit(ps, p->root_vma, length);
    return vma.index ? vma_gap_start(vma_at(ps, vma)) - length : 0;
}

/* The lowest start of length free bytes from low on; 0: none. */
static uint64_t gap_bottom_up(const struct processes *ps, const struct process *p, uint64_t low, uint64_t length)
{
    struct vma_ref vma = vma_find_end(ps, p, low);
    uint64_t last_end = p->last_vma.index ? vma_at(ps, p->last_vma)->end : 0;
    uint64_t bottom = vma.index ? gap_end_below(ps, vma_at(ps, vma)) : last_end ? last_end : LOWEST;
    bottom = bottom > low ? bottom : low;
    uint64_t top = vma.index ? vma_gap_start(vma_at(ps, vma)) : ps->profile->user_end;
    if (top > bottom && top - bottom >= length)
        return bottom;
    vma.index = vma.index ? gap_fit_after(ps, vma.index, length) : 0;
    if (vma.index)
        return gap_end_below(ps, vma_at(ps, vma));
    bottom = last_end ? last_end : low;
    return ps->profile->user_end > bottom && ps->profile->user_end - bottom >= length ? bottom : 0;
}

static uint64_t gap_find(const struct processes *ps, const struct process *p, uint64_t length)
{
    uint64_t start = gap_top_down(ps, p, p->mmap_top, length);
    return start ? start : gap_bottom_up(ps, p, page_align(ps->profile->user_end / 3), length);
}

uint64_t vma_find_gap(const struct processes *ps, const struct process *p, uint64_t length)
{
    uint64_t huge = ps->profile->mmap_huge_align;
    uint64_t start = huge && length % huge == 0 ? gap_find(ps, p, length + huge) : 0;
    return start ? (start + huge) & ~(huge - 1) : gap_find(ps, p, length);
}

const char *vma_tree_check(const struct processes *ps, const struct process *p)
{
    uint64_t nr_nodes, last_end = 0;
    uint32_t nr = 0;
    struct vma_ref last = VMA_NONE;
    if (!rb_check(&ps->vmas, p->root_vma, &nr_nodes) || nr_nodes != p->nr_vmas)
        return "process: the tree of VMAs is not in order";
    for (struct vma_ref vma = p->first_vma; vma.index; last = vma, vma = vma_at(ps, vma)->next, nr++) {
        const struct vma *v = vma_at(ps, vma);
        if (v->start >= v->end || v->start < last_end || v->start % PAGE_SIZE || v->end % PAGE_SIZE)
            return "process: VMAs overlap, are empty, or not page-aligned";
        if (v->prev.index != last.index || v->node.size != gap_room_below(ps, v) ||
            process_find_vma(ps, p, v->start).index != vma.index)
            return "process: a VMA's links or the room below it are wrong";
        last_end = v->end;
    }
    return nr == p->nr_vmas && last.index == p->last_vma.index ? NULL : "process: the list and the tree of VMAs differ";
}
