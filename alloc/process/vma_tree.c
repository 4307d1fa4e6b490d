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
    return vma->prev ? vma_at(ps, vma->prev)->end : LOWEST;
}

static uint64_t gap_room_below(const struct processes *ps, const struct vma *vma)
{
    uint64_t top = vma_gap_start(vma), bottom = gap_end_below(ps, vma);
    return top > bottom ? top - bottom : 0;
}

static void gap_renew_room(struct processes *ps, uint32_t vma)
{
    if (vma)
        rb_resize(&ps->vmas, vma, gap_room_below(ps, vma_at(ps, vma)));
}

uint32_t vma_find_end(const struct processes *ps, const struct process *p, uint64_t address)
{
    uint32_t found = 0;
    for (uint32_t at = p->root_vma; at;) {
        const struct vma *v = vma_at(ps, at);
        if (v->end <= address) {
            at = v->node.right;
        } else {
            found = at;
            at = v->node.left;
        }
    }
    return found;
}

uint32_t process_find_vma(const struct processes *ps, const struct process *process, uint64_t address)
{
    uint32_t vma = vma_find_end(ps, process, address);
    return vma && vma_at(ps, vma)->start <= address ? vma : 0;
}

bool process_is_mapped(const struct processes *ps, struct process_ref process, uint64_t address)
{
    return process_find_vma(ps, process_at(ps, process), address) != 0;
}

void vma_link(struct processes *ps, struct process *p, uint32_t vma)
{
    struct vma *v = vma_at(ps, vma);
    uint32_t parent = 0;
    bool is_left = false;
    for (uint32_t at = p->root_vma; at; at = is_left ? vma_at(ps, at)->node.left : vma_at(ps, at)->node.right) {
        parent = at;
        is_left = v->start < vma_at(ps, at)->start;
    }
    v->next = !parent ? 0 : is_left ? parent : vma_at(ps, parent)->next;
    v->prev = !parent ? 0 : is_left ? vma_at(ps, parent)->prev : parent;
    *(v->prev ? &vma_at(ps, v->prev)->next : &p->first_vma) = vma;
    *(v->next ? &vma_at(ps, v->next)->prev : &p->last_vma) = vma;
    v->node.size = gap_room_below(ps, v);
    rb_insert(&ps->vmas, &p->root_vma, vma, parent, is_left);
    gap_renew_room(ps, v->next);
    p->nr_vmas++;
}

void vma_unlink(struct processes *ps, struct process *p, uint32_t vma)
{
    const struct vma *v = vma_at(ps, vma);
    rb_erase(&ps->vmas, &p->root_vma, vma);
    *(v->prev ? &vma_at(ps, v->prev)->next : &p->first_vma) = v->next;
    *(v->next ? &vma_at(ps, v->next)->prev : &p->last_vma) = v->prev;
    gap_renew_room(ps, v->next);
    p->nr_vmas--;
}

void vma_set_bounds(struct processes *ps, uint32_t vma, uint64_t start, uint64_t end)
{
    struct vma *v = vma_at(ps, vma);
    v->pgoff += (start >> PAGE_SHIFT) - (v->start >> PAGE_SHIFT);
    v->start = start;
    v->end = end;
    gap_renew_room(ps, vma);
    gap_renew_room(ps, v->next);
}

/* --- gaps --- */

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
    uint32_t above = vma_find_end(ps, p, limit - 1);
    uint64_t top = above && vma_gap_start(vma_at(ps, above)) < limit ? vma_gap_start(vma_at(ps, above)) : limit;
    uint32_t below = above ? vma_at(ps, above)->prev : p->last_vma;
    uint64_t bottom = below ? vma_at(ps, below)->end : LOWEST;
    if (top > bottom && top - bottom >= length)
        return top - length;
    uint32_t vma = above                                     ? gap_fit_before(ps, above, length)
                   : gap_fits_below(ps, p->root_vma, length) ? gap_last_fit(ps, p->root_vma, length)
                                                             : 0;
    return vma ? vma_gap_start(vma_at(ps, vma)) - length : 0;
}

/* The lowest start of length free bytes from low on; 0: none. */
static uint64_t gap_bottom_up(const struct processes *ps, const struct process *p, uint64_t low, uint64_t length)
{
    uint32_t vma = vma_find_end(ps, p, low);
    uint64_t bottom = vma ? gap_end_below(ps, vma_at(ps, vma)) : p->last_vma ? vma_at(ps, p->last_vma)->end : LOWEST;
    bottom = bottom > low ? bottom : low;
    uint64_t top = vma ? vma_gap_start(vma_at(ps, vma)) : ps->profile->user_end;
    if (top > bottom && top - bottom >= length)
        return bottom;
    vma = vma ? gap_fit_after(ps, vma, length) : 0;
    if (vma)
        return gap_end_below(ps, vma_at(ps, vma));
    bottom = p->last_vma ? vma_at(ps, p->last_vma)->end : low;
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
    uint32_t nr = 0, last = 0;
    if (!rb_check(&ps->vmas, p->root_vma, &nr_nodes) || nr_nodes != p->nr_vmas)
        return "process: the tree of VMAs is not in order";
    for (uint32_t vma = p->first_vma; vma; last = vma, vma = vma_at(ps, vma)->next, nr++) {
        const struct vma *v = vma_at(ps, vma);
        if (v->start >= v->end || v->start < last_end || v->start % PAGE_SIZE || v->end % PAGE_SIZE)
            return "process: VMAs overlap, are empty, or not page-aligned";
        if (v->prev != last || v->node.size != gap_room_below(ps, v) || process_find_vma(ps, p, v->start) != vma)
            return "process: a VMA's links or the room below it are wrong";
        last_end = v->end;
    }
    return nr == p->nr_vmas && last == p->last_vma ? NULL : "process: the list and the tree of VMAs differ";
}
