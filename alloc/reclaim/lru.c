/* The two LRU lists of anonymous pages. Linux v6.1 mm/vmscan.c: shrink_lruvec(), folio_check_references(); mm/rmap.c.
 *
 * The newest page is at the head. Reclaim looks at the tail of the inactive list. The processor sets a bit in the
 * page-table entry when a page is accessed; each look clears the bit. A page that was not accessed since the last look goes
 * to the swap area, and its frame is freed. Kernel pages are on no list, so they never leave.
 *
 *                new page
 *                    |
 *                    v
 *            head [ inactive ] tail ---- not accessed ----------------------> swap area
 *              ^                 +------ accessed, for the first time ------> head of inactive
 *              |                 +------ accessed again, or through two ----> head of active
 *              |                         mappings, or mlocked
 *              | when the inactive list is too short: lru_inactive_is_low()
 *              |
 *            tail [ active ] head */
#include "alloc/reclaim/reclaim_internal.h"

void worker_cost(struct worker *worker, enum cost_step step, uint32_t count)
{
    if (worker->is_background)
        worker->ns += (uint64_t)count * worker->reclaim->trace->cost_each_ns[step];
    else
        trace_cost(worker->reclaim->trace, step, count);
}

void worker_wait(struct worker *worker, enum cost_step step, uint32_t count)
{
    uint64_t ns = (uint64_t)count * worker->reclaim->trace->cost_each_ns[step];
    if (worker->is_background)
        worker->ns += ns;
    else
        worker->reclaim->trace->slept_ns += ns;
}

/* --- the lists --- */

static bool lru_is_active(const struct frame *frame)
{
    return (frame->flags & FRAME_ACTIVE) != 0;
}

static struct index_list *lru_list_of(struct reclaim *reclaim, const struct frame *frame)
{
    return lru_is_active(frame) ? &reclaim->active : &reclaim->inactive;
}

static uint32_t *lru_count_of(struct reclaim *reclaim, uint32_t pfn)
{
    const struct zone *zone = zone_of_pfn(reclaim->pages, pfn);
    return &reclaim->nr_lru[zone - reclaim->pages->zones][lru_is_active(frame_at(reclaim->frames, pfn))];
}

static void lru_push(struct reclaim *reclaim, uint32_t pfn)
{
    frame_list_push_head(reclaim->frames, lru_list_of(reclaim, frame_at(reclaim->frames, pfn)), pfn);
    ++*lru_count_of(reclaim, pfn);
}

static void lru_pull(struct reclaim *reclaim, uint32_t pfn)
{
    frame_list_remove(reclaim->frames, lru_list_of(reclaim, frame_at(reclaim->frames, pfn)), pfn);
    --*lru_count_of(reclaim, pfn);
}

void reclaim_add_anon(struct reclaim *reclaim, uint32_t pfn, struct space_ref space, uint64_t vpn)
{
    struct frame *frame = frame_at(reclaim->frames, pfn);
    frame_set_kind(reclaim->frames, pfn, FRAME_ANON, 0);
    frame->owner = space.index;
    frame->index = vpn | ANON_MAPPING;
    frame->flags = 0;
    lru_push(reclaim, pfn);
}

void reclaim_remove_anon(struct reclaim *reclaim, uint32_t pfn)
{
    struct frame *frame = frame_at(reclaim->frames, pfn);
    lru_pull(reclaim, pfn);
    reclaim->nr_lazy -= (frame->flags & FRAME_LAZYFREE) != 0;
    frame->flags = 0;
    frame->index = 0;
}

static void lru_rotate(struct reclaim *reclaim, uint32_t pfn)
{
    lru_pull(reclaim, pfn);
    lru_push(reclaim, pfn);
}

static void lru_move_to(struct reclaim *reclaim, uint32_t pfn, bool active)
{
    struct frame *frame = frame_at(reclaim->frames, pfn);
    lru_pull(reclaim, pfn);
    frame->flags = (uint8_t)(active ? frame->flags | FRAME_ACTIVE : frame->flags & ~FRAME_ACTIVE);
    lru_push(reclaim, pfn);
    reclaim_count(reclaim, active ? VM_pgactivate : VM_pgdeactivate, 1);
}

void lru_activate(struct reclaim *reclaim, uint32_t pfn)
{
    if (!lru_is_active(frame_at(reclaim->frames, pfn)))
        lru_move_to(reclaim, pfn, true);
}

void lru_replace(struct reclaim *reclaim, uint32_t from, uint32_t to)
{
    struct frame *old = frame_at(reclaim->frames, from), *new = frame_at(reclaim->frames, to);
    frame_set_kind(reclaim->frames, to, FRAME_ANON, 0);
    new->owner = old->owner;
    new->index = old->index;
    new->born = old->born;
    new->flags = old->flags;
    reclaim->nr_lazy += (old->flags & FRAME_LAZYFREE) != 0;
    lru_push(reclaim, to);
    reclaim_remove_anon(reclaim, from);
}

uint64_t lru_nr_reclaimable(const struct reclaim *reclaim, const struct zone *zone)
{
    const uint32_t *nr = reclaim->nr_lru[zone - reclaim->pages->zones];
    return swap_nr_free(reclaim) ? (uint64_t)nr[0] + nr[1] : reclaim->nr_lazy;
}

/* --- the reverse map --- */

/* Physical address of the entry by which a space maps the frame; 0: it does not. */
static uint64_t lru_mapping_slot(const struct reclaim *reclaim, const struct reclaim_space *space, uint32_t pfn)
{
    if (!space->root)
        return 0;
    uint64_t vpn = ANON_VPN(frame_at(reclaim->frames, pfn)->index);
    struct pte_walk walk = pte_walk(reclaim->frames, reclaim->profile, space->root, vpn << PAGE_SHIFT);
    if (!walk.complete)
        return 0;
    uint64_t entry = walk.level[walk.nr_levels - 1].entry;
    return (entry & PTE_PRESENT) && pte_pfn(entry) == pfn ? walk.slot : 0;
}

/* A frame that one space maps needs one look. A shared frame needs a look into each space, at the same address: fork keeps
 * addresses. */
bool lru_each_mapping(struct reclaim *reclaim, uint32_t pfn, uint32_t argument,
                      bool (*visit)(struct reclaim *, struct reclaim_space *, uint64_t slot, uint32_t argument))
{
    const struct frame *frame = frame_at(reclaim->frames, pfn);
    bool shared = ANON_MAPPINGS(frame->index) > 1;
    struct space_ref first = { 1 };
    if (!shared)
        first = reclaim_owner(frame);
    uint32_t last = shared ? reclaim->spaces.nr_used - 1 : first.index;
    for (struct space_ref i = first; i.index <= last; i.index++) {
        uint64_t slot = lru_mapping_slot(reclaim, reclaim_space_at(reclaim, i), pfn);
        if (slot && visit(reclaim, reclaim_space_at(reclaim, i), slot, argument))
            return true;
    }
    return false;
}

void reclaim_drop_mapping(struct reclaim *reclaim, uint32_t pfn, struct space_ref space)
{
    struct frame *frame = frame_at(reclaim->frames, pfn);
    frame->index -= ANON_MAPPING;
    if (!ANON_MAPPINGS(frame->index)) {
        reclaim_remove_anon(reclaim, pfn);
        page_free(reclaim->pages, pfn, 0);
        return;
    }
    for (struct space_ref i = { 1 }; frame->owner == space.index && i.index < reclaim->spaces.nr_used; i.index++)
        if (lru_mapping_slot(reclaim, reclaim_space_at(reclaim, i), pfn))
            frame->owner = i.index;
}

/* --- looking at pages --- */

static bool lru_clear_accessed(struct reclaim *reclaim, struct reclaim_space *space, uint64_t slot, uint32_t unused)
{
    (void)unused;
    uint64_t entry = pte_load(reclaim->frames, reclaim->profile, slot);
    if (!(entry & PTE_ACCESSED))
        return false;
    pte_store(reclaim->frames, reclaim->profile, slot, entry & ~(uint64_t)PTE_ACCESSED);
    space->generation++;
    return true;
}

/* folio_referenced(): clears the accessed bits of all mappings. Returns how many were set. */
static uint32_t lru_take_references(struct reclaim *reclaim, uint32_t pfn)
{
    uint32_t nr = 0, nr_mappings = ANON_MAPPINGS(frame_at(reclaim->frames, pfn)->index);
    while (nr < nr_mappings && lru_each_mapping(reclaim, pfn, 0, lru_clear_accessed))
        nr++;
    return nr;
}

enum verdict { VERDICT_RECLAIM, VERDICT_KEEP, VERDICT_ACTIVATE };

/* folio_check_references(): what becomes of a page at the tail of the inactive list. */
static enum verdict lru_judge(struct reclaim *reclaim, uint32_t pfn)
{
    struct frame *frame = frame_at(reclaim->frames, pfn);
    if (frame->flags & FRAME_LOCKED)
        return VERDICT_ACTIVATE; /* Linux has a third list for what mlock keeps */
    bool was_referenced = (frame->flags & FRAME_REFERENCED) != 0;
    uint32_t nr = lru_take_references(reclaim, pfn);
    frame->flags = (uint8_t)(nr ? frame->flags | FRAME_REFERENCED : frame->flags & ~FRAME_REFERENCED);
    TRACE_EVENT(reclaim->trace, .kind = EV_REFERENCES, .pfn = pfn,
                .pid = reclaim_space_at(reclaim, reclaim_owner(frame))->pid, .count = nr, .a = was_referenced,
                .ok = nr == 0);
    if (!nr)
        return VERDICT_RECLAIM;
    return was_referenced || nr > 1 ? VERDICT_ACTIVATE : VERDICT_KEEP;
}

static bool lru_unmap_to_slot(struct reclaim *reclaim, struct reclaim_space *space, uint64_t slot, uint32_t swap_slot)
{
    pte_store(reclaim->frames, reclaim->profile, slot, pte_make(swap_slot, PTE_SWAP));
    reclaim_get_slot(reclaim, swap_slot);
    space->rss_pages--;
    space->swap_pages++;
    space->generation++;
    return false;
}

/* Writes the frame to a free swap slot and frees it. False: the swap area is full. */
static bool lru_swap_out(struct worker *worker, uint32_t pfn)
{
    struct reclaim *reclaim = worker->reclaim;
    uint32_t slot = swap_take_slot(reclaim, pfn);
    if (!slot)
        return false;
    const struct frame *frame = frame_at(reclaim->frames, pfn);
    uint32_t pid = reclaim_space_at(reclaim, reclaim_owner(frame))->pid;
    TRACE_EVENT(reclaim->trace, .kind = EV_SWAP_OUT, .pfn = pfn, .a = slot, .pid = pid,
                .address = ANON_VPN(frame->index) << PAGE_SHIFT);
    lru_each_mapping(reclaim, pfn, slot, lru_unmap_to_slot);
    reclaim_remove_anon(reclaim, pfn);
    page_free(reclaim->pages, pfn, 0);
    worker_wait(worker, COST_SWAP_IO, 1);
    if (!worker->is_background)
        trace_reclaimed(reclaim->trace, pid, 1);
    return true;
}

/* --- pages that MADV_FREE gave up --- */

/* The page goes to the tail of the inactive list: it is the next to leave. Linux keeps such pages among the file pages,
 * which leave before anonymous ones. */
void reclaim_free_lazily(struct reclaim *reclaim, uint32_t pfn)
{
    struct frame *frame = frame_at(reclaim->frames, pfn);
    if (frame->flags & FRAME_LAZYFREE)
        return;
    lru_pull(reclaim, pfn);
    frame->flags = (uint8_t)((frame->flags & ~(FRAME_ACTIVE | FRAME_REFERENCED)) | FRAME_LAZYFREE);
    frame_list_push_tail(reclaim->frames, &reclaim->inactive, pfn);
    ++*lru_count_of(reclaim, pfn);
    reclaim->nr_lazy++;
    reclaim_count(reclaim, VM_pglazyfree, 1);
}

static bool lru_unmap_clean(struct reclaim *reclaim, struct reclaim_space *space, uint64_t slot, uint32_t unused)
{
    (void)unused;
    if (pte_load(reclaim->frames, reclaim->profile, slot) & PTE_DIRTY)
        return false;
    pte_store(reclaim->frames, reclaim->profile, slot, 0);
    space->rss_pages--;
    space->generation++;
    return true;
}

/* Frees a page that MADV_FREE gave up, unless it has been written to since. One that has been is like any other again. */
static bool lru_drop_lazy(struct worker *worker, uint32_t pfn)
{
    struct reclaim *reclaim = worker->reclaim;
    struct frame *frame = frame_at(reclaim->frames, pfn);
    uint32_t pid = reclaim_space_at(reclaim, reclaim_owner(frame))->pid;
    if (!(frame->flags & FRAME_LAZYFREE))
        return false;
    if (ANON_MAPPINGS(frame->index) > 1 || !lru_each_mapping(reclaim, pfn, 0, lru_unmap_clean)) {
        frame->flags &= (uint8_t)~FRAME_LAZYFREE;
        reclaim->nr_lazy--;
        return false;
    }
    reclaim_remove_anon(reclaim, pfn);
    page_free(reclaim->pages, pfn, 0);
    reclaim_count(reclaim, VM_pglazyfreed, 1);
    if (!worker->is_background)
        trace_reclaimed(reclaim->trace, pid, 1);
    return true;
}

bool reclaim_page_out(struct reclaim *reclaim, uint32_t pfn)
{
    struct worker worker = { .reclaim = reclaim };
    if (frame_at(reclaim->frames, pfn)->flags & FRAME_LOCKED)
        return false;
    bool is_out = lru_drop_lazy(&worker, pfn) || lru_swap_out(&worker, pfn);
    reclaim->nr_reclaimed += is_out;
    return is_out;
}

/* --- scanning --- */

/* inactive_is_low(): the inactive list shall hold half of the pages. With more than 1 GiB of pages a smaller part does: one
 * in 1 + sqrt(10 * GiB). */
static bool lru_inactive_is_low(const struct reclaim *reclaim)
{
    uint64_t inactive = reclaim->inactive.count, active = reclaim->active.count;
    uint64_t gib = (inactive + active) >> (30 - PAGE_SHIFT), ratio = 1;
    while (gib && (ratio + 1) * (ratio + 1) <= 10 * gib)
        ratio++;
    return inactive * ratio < active;
}

static void lru_shrink_active(struct worker *worker, uint32_t nr, uint32_t priority)
{
    struct reclaim *reclaim = worker->reclaim;
    uint32_t done = 0;
    for (; done < nr && reclaim->active.last; done++) {
        uint32_t pfn = reclaim->active.last;
        worker_cost(worker, COST_RECLAIM_PAGE, 1);
        (void)lru_take_references(reclaim, pfn);
        lru_move_to(reclaim, pfn, false);
    }
    reclaim_count(reclaim, VM_pgrefill, done);
    if (done)
        TRACE_EVENT(reclaim->trace, .kind = EV_LRU_ACTIVE, .count = done, .b = priority);
}

/* Deals with the page at the inactive list's tail. Returns true when its frame is free. */
static bool lru_shrink_one(struct worker *worker, uint32_t pfn)
{
    struct reclaim *reclaim = worker->reclaim;
    worker_cost(worker, COST_RECLAIM_PAGE, 1);
    enum verdict verdict = lru_judge(reclaim, pfn);
    if (verdict == VERDICT_RECLAIM && (lru_drop_lazy(worker, pfn) || lru_swap_out(worker, pfn)))
        return true;
    if (verdict == VERDICT_ACTIVATE) {
        reclaim->age++;
        lru_move_to(reclaim, pfn, true);
    } else {
        lru_rotate(reclaim, pfn);
    }
    return false;
}

/* Looks at nr pages of zones that help. Pages of other zones go to the head, and do not count. */
static uint32_t lru_shrink_inactive(struct worker *worker, const struct lru_goal *goal, uint32_t nr)
{
    struct reclaim *reclaim = worker->reclaim;
    uint32_t freed = 0, scanned = 0;
    for (uint32_t left = reclaim->inactive.count; left && scanned < nr; left--) {
        uint32_t pfn = reclaim->inactive.last;
        const struct zone *zone = zone_of_pfn(reclaim->pages, pfn);
        if (reclaim->profile->has_migratetypes && zone->index > goal->highest_zone) {
            reclaim_count(reclaim, VM_pgskip_dma + zone->index, 1);
            lru_rotate(reclaim, pfn);
            continue;
        }
        scanned++;
        freed += lru_shrink_one(worker, pfn);
    }
    reclaim_count(reclaim, worker->is_background ? VM_pgscan_kswapd : VM_pgscan_direct, scanned);
    reclaim_count(reclaim, VM_pgscan_anon, scanned);
    reclaim_count(reclaim, worker->is_background ? VM_pgsteal_kswapd : VM_pgsteal_direct, freed);
    reclaim_count(reclaim, VM_pgsteal_anon, freed);
    if (scanned)
        TRACE_EVENT(reclaim->trace, .kind = EV_LRU_INACTIVE, .count = freed, .a = scanned, .b = goal->priority);
    reclaim->nr_reclaimed += freed;
    return freed;
}

static uint32_t lru_at_most(uint32_t n, uint32_t limit)
{
    return n < limit ? n : limit;
}

uint32_t lru_shrink(struct worker *worker, const struct lru_goal *goal)
{
    struct reclaim *reclaim = worker->reclaim;
    uint32_t inactive = reclaim->inactive.count >> goal->priority, active = reclaim->active.count >> goal->priority,
             freed = 0;
    if (!swap_nr_free(reclaim) && !reclaim->nr_lazy)
        return 0;
    while ((inactive || active) && freed < goal->nr_pages) {
        uint32_t nr = lru_at_most(active, SWAP_CLUSTER_MAX);
        active -= nr;
        if (nr && lru_inactive_is_low(reclaim))
            lru_shrink_active(worker, nr, goal->priority);
        nr = lru_at_most(inactive, SWAP_CLUSTER_MAX);
        inactive -= nr;
        if (nr)
            freed += lru_shrink_inactive(worker, goal, nr);
    }
    if (lru_inactive_is_low(reclaim)) /* whatever was freed, the lists keep their balance */
        lru_shrink_active(worker, SWAP_CLUSTER_MAX, goal->priority);
    return freed;
}
