/* Is a loaded machine sound? See machine_valid.h. Here: page tables, what they map, address spaces, processes, TLBs. */
#include "alloc/machine/machine_valid.h"
#include "alloc/malloc/malloc_heap.h"

/* --- page tables --- */

static uint32_t valid_nr_entries(const struct valid *v)
{
    return 1u << v->m->profile->pgtable_bits;
}

/* An entry that maps pages, or names a page in swap.
 * is_user  counted, to compare with what frames and slots say. */
static bool valid_leaf(const struct valid *v, uint64_t entry, uint32_t nr_pages, bool is_user)
{
    uint32_t at = pte_pfn(entry), nr_frames = v->s->frames.nr;
    if (entry & PTE_PRESENT) {
        if (at >= nr_frames || nr_pages > nr_frames - at || (is_user && nr_pages != 1))
            return false;
        if (is_user && at != v->s->processes.zero_pfn && frame_at(&v->s->frames, at)->kind != FRAME_ANON)
            return false;
        v->nr_mappings[at] += is_user;
        return true;
    }
    if (!(entry & PTE_SWAP))
        return true;
    const struct swap_slot *slot = valid_has(&v->s->reclaim.slots, at) ? pool_at(&v->s->reclaim.slots, at) : NULL;
    v->nr_swapped[slot ? at : 0] += is_user;
    return slot && slot->users && is_user;
}

static bool valid_table(struct valid *v, uint32_t pfn, uint32_t level, bool is_user)
{
    const struct frames *frames = &v->s->frames;
    const struct profile *profile = v->m->profile;
    uint32_t last = profile->pgtable_levels - 1, nr_entries = valid_nr_entries(v);
    if (!pfn || pfn >= frames->nr || !v->nr_tables_left--)
        return false;
    const struct frame *frame = frame_at(frames, pfn), *head = frame_at(frames, frame_head(frames, pfn));
    bool is_table = frame->kind == FRAME_PGTABLE && frame->owner == level;
    if ((!is_table && (is_user || head->kind != FRAME_RESERVED)) || frame->contents & CONTENTS_SHARED)
        return false;
    if (!frame->contents)
        return true;
    for (uint32_t i = 0; i < nr_entries; i++) {
        uint64_t entry = pte_load(frames, profile, ((uint64_t)pfn << PAGE_SHIFT) + i * (profile->word_bits / 8));
        bool is_huge = level + 1 == last && (entry & PTE_HUGE) && (entry & PTE_PRESENT);
        bool is_leaf = level == last || is_huge || !(entry & PTE_PRESENT);
        if (is_leaf ? !valid_leaf(v, entry, is_huge ? nr_entries : 1, is_user)
                    : !valid_table(v, pte_pfn(entry), level + 1, is_user))
            return false;
    }
    return true;
}

static uint32_t valid_nr_tables(const struct frames *frames)
{
    return (uint32_t)(frames->kind_count[FRAME_PGTABLE] + frames->kind_count[FRAME_RESERVED]) + 1;
}

/* --- address spaces --- */

static bool valid_spaces(struct valid *v)
{
    const struct reclaim *reclaim = &v->s->reclaim;
    for (struct space_ref i = { 1 }; i.index < reclaim->spaces.nr_used; i.index++) {
        const struct reclaim_space *space = reclaim_space_at(reclaim, i);
        if (!space->root)
            continue;
        if (space->root >= v->s->frames.nr || frame_at(&v->s->frames, space->root)->index ||
            !valid_table(v, space->root, 0, true))
            return false;
    }
    return true;
}

/* Do frames and swap slots know how often they are mapped? */
static bool valid_mapping_counts(const struct valid *v)
{
    for (uint32_t pfn = 0; (pfn = valid_next_frame(v, pfn)) < v->s->frames.nr; pfn++) {
        const struct frame *frame = frame_at(&v->s->frames, pfn);
        if (frame->kind == FRAME_ANON && ANON_MAPPINGS(frame->index) != v->nr_mappings[pfn])
            return false;
    }
    const struct pool *slots = &v->s->reclaim.slots;
    for (uint32_t i = 1; i < slots->nr_used; i++) {
        const struct swap_slot *slot = pool_at(slots, i);
        bool is_free = !valid_mark(valid_marks(v, slots), slots, i); /* its first word is the pool's link */
        if (v->nr_swapped[i] != (is_free ? 0 : slot->users))
            return false;
    }
    return true;
}

/* --- processes --- */

/* The cache of translations is believed without a look at the tables. */
static bool valid_soft_tlb(const struct valid *v, const struct process *p, const struct reclaim_space *space)
{
    for (uint32_t i = 0; i < SOFT_TLB_SIZE; i++) {
        if (!p->tlb[i].vpn || p->tlb[i].generation != space->generation)
            continue;
        uint64_t address = ((p->tlb[i].vpn >> 1) - 1) << PAGE_SHIFT;
        struct pte_walk walk = pte_walk(&v->s->frames, v->m->profile, space->root, address);
        uint64_t entry = walk.complete ? walk.level[walk.nr_levels - 1].entry : 0;
        if (!(entry & PTE_PRESENT) || pte_pfn(entry) != p->tlb[i].pfn || ((p->tlb[i].vpn & 1) && !(entry & PTE_WRITE)))
            return false;
    }
    return true;
}

static bool valid_process(const struct valid *v, struct process_ref process, uint8_t *spaces)
{
    const struct processes *ps = &v->s->processes;
    const struct process *p = process_at(ps, process);
    if (!valid_has_name(v, p->name) || !valid_may_have(&ps->pool, p->next_in_bucket.index) ||
        !valid_may_have(&ps->vmas, p->root_vma) || !valid_may_have(&ps->vmas, p->first_vma.index) ||
        !valid_may_have(&ps->vmas, p->last_vma.index) || !valid_may_have(&v->s->heaps.heaps, p->heap) ||
        !valid_mark(spaces, &ps->reclaim->spaces, p->space.index) || (p->libc_data | p->thread_data) % PAGE_SIZE)
        return false;
    const struct reclaim_space *space = reclaim_space_at(ps->reclaim, p->space);
    return space->root && space->pid == p->pid &&
           (!p->heap || heap_at(&v->s->heaps, p->heap)->process.index == process.index) && valid_soft_tlb(v, p, space);
}

static bool valid_vmas(struct valid *v)
{
    const struct processes *ps = &v->s->processes;
    uint8_t *marks = valid_marks(v, &ps->vmas);
    uint64_t nr_vmas = 0;
    for (uint32_t i = 1; i < ps->vmas.nr_used; i++) {
        const struct vma *vma = vma_at(ps, (struct vma_ref){ i });
        if (!valid_mark(marks, &ps->vmas, i))
            continue; /* free */
        if (!valid_may_have(&ps->vmas, vma->node.left) || !valid_may_have(&ps->vmas, vma->node.right) ||
            !valid_may_have(&ps->vmas, vma->node.parent) || !valid_may_have(&ps->vmas, vma->next.index) ||
            !valid_may_have(&ps->vmas, vma->prev.index) || !valid_has_name(v, vma->name) || vma->file >= NR_VMA_FILES)
            return false;
    }
    for (struct process_ref i = { 1 }; i.index < ps->pool.nr_used; i.index++)
        nr_vmas += process_at(ps, i)->pid ? process_at(ps, i)->nr_vmas : 0;
    return nr_vmas == pool_nr_live(&ps->vmas);
}

static bool valid_pid_chains(struct valid *v)
{
    const struct processes *ps = &v->s->processes;
    uint8_t *marks = valid_marks(v, &ps->pool);
    for (uint32_t i = 0; i < PID_BUCKETS; i++)
        for (struct process_ref at = ps->by_pid[i]; at.index; at = process_at(ps, at)->next_in_bucket)
            if (!valid_mark(marks, &ps->pool, at.index) || !process_at(ps, at)->pid)
                return false;
    return true;
}

static bool valid_tlbs(const struct valid *v)
{
    const struct tlb *tlb = &v->s->tlb;
    for (uint32_t cpu = 0; cpu < tlb->nr_cpus; cpu++) {
        const struct tlb_cpu *c = pool_at(&tlb->cpus, cpu + 1);
        if (c->asid >= TLB_ASIDS_MAX || c->next_asid > TLB_ASIDS_MAX)
            return false;
    }
    for (uint32_t i = 1; i < tlb->entries.nr_used; i++) {
        const struct tlb_entry *entry = pool_at(&tlb->entries, i);
        if (entry->key && (!tlb_key_is_valid(entry->key) || entry->pfn >= v->s->frames.nr))
            return false;
    }
    return true;
}

bool valid_processes(struct valid *v)
{
    const struct processes *ps = &v->s->processes;
    uint8_t *spaces = valid_marks(v, &ps->reclaim->spaces);
    v->nr_tables_left = valid_nr_tables(&v->s->frames);
    if (!valid_table(v, v->s->pgtable.kernel_root, 0, false) || !valid_spaces(v))
        return false;
    if (ps->zero_pfn >= v->s->frames.nr || ps->refusal >= NR_REFUSALS || !valid_mapping_counts(v) || !valid_vmas(v))
        return false;
    for (struct process_ref i = { 1 }; i.index < ps->pool.nr_used; i.index++)
        if (process_at(ps, i)->pid && !valid_process(v, i, spaces))
            return false;
    return valid_pid_chains(v) && valid_tlbs(v);
}
