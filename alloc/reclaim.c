/* Reclaim. Anonymous user pages stand on two lists, active and inactive, newest at the head. A page leaves from the tail of
 * inactive: to the head of active if its accessed bit was set since the last look, else to the swap area. Kernel pages are
 * on no list, so they never leave. Work that Linux does in the background (kswapd) is done here at the end of the operation
 * that woke it, in one go: the order is deterministic, and no simulated time of a caller passes. */
#include "alloc/reclaim.h"

#include <string.h>

#define SWAP_CLUSTER_MAX 32u /* pages that one round of direct reclaim aims at */
#define MAX_RECLAIM_RETRIES 16u
#define COSTLY_ORDER 3u /* above it, no OOM kill and no endless retries */
#define NR_SPACES (1u << 16)
#define SWAP_IO_NS 50000u /* as COST_SWAP_IO: time that a sleeper waits for one page */

void reclaim_shape(struct reclaim *reclaim, const struct machine_config *config)
{
    memset(reclaim, 0, sizeof *reclaim);
    pool_shape(&reclaim->spaces, sizeof(struct reclaim_space), NR_SPACES);
    pool_shape(&reclaim->slots, sizeof(struct swap_slot), (uint32_t)(config->swap >> PAGE_SHIFT) + 1);
}

void reclaim_wire(struct reclaim *reclaim, struct page_alloc *pages, struct frames *frames, struct trace *trace,
                  const struct profile *profile)
{
    reclaim->pages = pages;
    reclaim->frames = frames;
    reclaim->trace = trace;
    reclaim->profile = profile;
}

uint32_t reclaim_pools(struct reclaim *reclaim, struct pool **pools)
{
    pools[0] = &reclaim->spaces;
    pools[1] = &reclaim->slots;
    return 2;
}

static struct swap_slot *slot_at(const struct reclaim *reclaim, uint32_t slot)
{
    return pool_at(&reclaim->slots, slot);
}

static struct frame_list *list_of(struct reclaim *reclaim, const struct frame *frame)
{
    return frame->flags & FRAME_ACTIVE ? &reclaim->active : &reclaim->inactive;
}

void reclaim_add_anon(struct reclaim *reclaim, uint32_t pfn, uint32_t space, uint64_t vpn)
{
    struct frame *frame = frame_at(reclaim->frames, pfn);
    frame_set_kind(reclaim->frames, pfn, FRAME_ANON, 0);
    frame->owner = space;
    frame->index = vpn | ANON_MAPPING;
    frame->flags = FRAME_ACTIVE; /* as lru_cache_add_inactive_or_unevictable does not: a fresh page has just been used */
    frame_list_push_head(reclaim->frames, &reclaim->active, pfn);
}

void reclaim_remove_anon(struct reclaim *reclaim, uint32_t pfn)
{
    struct frame *frame = frame_at(reclaim->frames, pfn);
    frame_list_remove(reclaim->frames, list_of(reclaim, frame), pfn);
    frame->flags = 0;
    frame->index = 0;
}

static void move_to(struct reclaim *reclaim, uint32_t pfn, bool active)
{
    struct frame *frame = frame_at(reclaim->frames, pfn);
    frame_list_remove(reclaim->frames, list_of(reclaim, frame), pfn);
    frame->flags = (uint8_t)(active ? frame->flags | FRAME_ACTIVE : frame->flags & ~FRAME_ACTIVE);
    frame_list_push_head(reclaim->frames, list_of(reclaim, frame), pfn);
}

/* Physical address of the entry by which a space maps the frame, or 0. */
static uint64_t mapping_slot(const struct reclaim *reclaim, const struct reclaim_space *space, uint32_t pfn)
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

/* Calls visit for every space that maps the frame. A frame that one space alone maps needs one look; a shared one needs a
 * look into each space, because fork keeps addresses. Stops when visit returns true, and returns true then. */
static bool each_mapping(struct reclaim *reclaim, uint32_t pfn, uint32_t argument,
                         bool (*visit)(struct reclaim *, struct reclaim_space *, uint64_t slot, uint32_t argument))
{
    const struct frame *frame = frame_at(reclaim->frames, pfn);
    bool shared = ANON_MAPPINGS(frame->index) > 1;
    uint32_t first = shared ? 1 : frame->owner, last = shared ? reclaim->spaces.nr_used - 1 : frame->owner;
    for (uint32_t i = first; i <= last; i++) {
        uint64_t slot = mapping_slot(reclaim, reclaim_space_at(reclaim, i), pfn);
        if (slot && visit(reclaim, reclaim_space_at(reclaim, i), slot, argument))
            return true;
    }
    return false;
}

static bool take_accessed_bit(struct reclaim *reclaim, struct reclaim_space *space, uint64_t slot, uint32_t unused)
{
    (void)unused;
    uint64_t entry = pte_load(reclaim->frames, reclaim->profile, slot);
    if (!(entry & PTE_ACCESSED))
        return false;
    pte_store(reclaim->frames, reclaim->profile, slot, entry & ~(uint64_t)PTE_ACCESSED);
    space->generation++;
    return true;
}

static bool unmap_to_slot(struct reclaim *reclaim, struct reclaim_space *space, uint64_t slot, uint32_t swap_slot)
{
    pte_store(reclaim->frames, reclaim->profile, slot, pte_make(swap_slot, PTE_SWAP));
    slot_at(reclaim, swap_slot)->users++;
    space->rss_pages--;
    space->swap_pages++;
    space->generation++;
    return false;
}

void reclaim_drop_mapping(struct reclaim *reclaim, uint32_t pfn, uint32_t space)
{
    struct frame *frame = frame_at(reclaim->frames, pfn);
    frame->index -= ANON_MAPPING;
    if (!ANON_MAPPINGS(frame->index)) {
        reclaim_remove_anon(reclaim, pfn);
        page_free(reclaim->pages, pfn, 0);
        return;
    }
    for (uint32_t i = 1; frame->owner == space && i < reclaim->spaces.nr_used; i++)
        if (mapping_slot(reclaim, reclaim_space_at(reclaim, i), pfn))
            frame->owner = i;
}

/* Writes the frame to a free swap slot and frees it. False: the swap area is full. */
static bool swap_out(struct reclaim *reclaim, uint32_t pfn)
{
    uint32_t slot = pool_take(&reclaim->slots);
    if (!slot)
        return false;
    struct frame *frame = frame_at(reclaim->frames, pfn);
    TRACE_EVENT(reclaim->trace, .kind = EV_SWAP_OUT, .pfn = pfn, .a = slot,
                .pid = reclaim_space_at(reclaim, frame->owner)->pid, .address = ANON_VPN(frame->index) << PAGE_SHIFT);
    each_mapping(reclaim, pfn, slot, unmap_to_slot);
    slot_at(reclaim, slot)->contents = frame->contents;
    frame->contents = 0;
    reclaim_remove_anon(reclaim, pfn);
    page_free(reclaim->pages, pfn, 0);
    return true;
}

void reclaim_get_slot(struct reclaim *reclaim, uint32_t slot)
{
    slot_at(reclaim, slot)->users++;
}

void reclaim_put_slot(struct reclaim *reclaim, uint32_t slot)
{
    struct swap_slot *s = slot_at(reclaim, slot);
    if (--s->users)
        return;
    if (s->contents)
        pool_give(&reclaim->frames->contents, s->contents);
    pool_give(&reclaim->slots, slot);
}

void reclaim_read_slot(struct reclaim *reclaim, uint32_t slot, uint32_t pfn)
{
    uint32_t contents = slot_at(reclaim, slot)->contents;
    if (contents)
        memcpy(frame_bytes(reclaim->frames, pfn), pool_at(&reclaim->frames->contents, contents), PAGE_SIZE);
    else
        frame_zero(reclaim->frames, pfn, 1);
}

/* Keeps inactive at least as long as active (inactive_is_low for small machines: ratio 1). */
static void refill_inactive(struct reclaim *reclaim)
{
    while (reclaim->inactive.count < reclaim->active.count)
        move_to(reclaim, reclaim->active.last, false);
}

/* Frees up to nr pages; returns how many. Looks at each page at most twice. */
static uint32_t shrink_lists(struct reclaim *reclaim, uint32_t nr)
{
    uint32_t freed = 0;
    uint32_t budget = 2 * (reclaim->active.count + reclaim->inactive.count);
    if (pool_nr_live(&reclaim->slots) == reclaim_nr_slots(reclaim))
        return 0;
    for (; freed < nr && budget; budget--) {
        refill_inactive(reclaim);
        uint32_t pfn = reclaim->inactive.last;
        if (!pfn)
            break;
        trace_cost(reclaim->trace, COST_RECLAIM_PAGE, 1);
        if (frame_at(reclaim->frames, pfn)->flags & FRAME_LOCKED)
            move_to(reclaim, pfn, true);
        else if (each_mapping(reclaim, pfn, 0, take_accessed_bit))
            move_to(reclaim, pfn, true);
        else if (swap_out(reclaim, pfn))
            freed++;
        else
            break;
    }
    reclaim->nr_reclaimed += freed;
    return freed;
}

void reclaim_run_kswapd(struct reclaim *reclaim)
{
    bool woken = false;
    for (uint32_t i = 0; i < reclaim->pages->nr_zones; i++)
        woken = woken || reclaim->pages->zones[i].kswapd_woken;
    if (!woken)
        return;
    uint32_t freed = 0, round;
    while (page_alloc_is_below_high(reclaim->pages) && (round = shrink_lists(reclaim, SWAP_CLUSTER_MAX)) > 0)
        freed += round;
    page_alloc_kswapd_done(reclaim->pages);
    TRACE_EVENT(reclaim->trace, .kind = EV_KSWAPD, .count = freed);
}

/* The process with the most pages, as oom_badness() counts them without an adjustment: resident and swapped. 0: none. */
static uint32_t choose_victim(const struct reclaim *reclaim)
{
    uint32_t victim = 0;
    uint64_t worst = 0;
    for (uint32_t i = 1; i < reclaim->spaces.nr_used; i++) {
        const struct reclaim_space *space = reclaim_space_at(reclaim, i);
        uint64_t points = space->rss_pages + space->swap_pages;
        if (space->root && !space->oom_victim && points > worst) {
            worst = points;
            victim = i;
        }
    }
    return victim;
}

static bool unmap_of_victim(struct reclaim *reclaim, struct reclaim_space *space, uint64_t slot, uint32_t victim)
{
    if (space != reclaim_space_at(reclaim, victim))
        return false;
    pte_store(reclaim->frames, reclaim->profile, slot, 0);
    space->rss_pages--;
    space->generation++;
    return true;
}

/* What the OOM reaper does: frees the victim's own resident pages at once. The machine ends the process after the
 * operation. */
static uint32_t reap(struct reclaim *reclaim, struct frame_list *list, uint32_t victim)
{
    uint32_t freed = 0;
    for (uint32_t pfn = list->first, next; pfn; pfn = next) {
        struct frame *frame = frame_at(reclaim->frames, pfn);
        next = frame->next;
        if (frame->owner != victim || ANON_MAPPINGS(frame->index) > 1)
            continue;
        each_mapping(reclaim, pfn, victim, unmap_of_victim);
        reclaim_remove_anon(reclaim, pfn);
        page_free(reclaim->pages, pfn, 0);
        freed++;
    }
    return freed;
}

static bool kill_a_process(struct reclaim *reclaim)
{
    uint32_t victim = choose_victim(reclaim);
    if (!victim) {
        trace_say(reclaim->trace, "Out of memory and no killable processes... ");
        return false;
    }
    struct reclaim_space *space = reclaim_space_at(reclaim, victim);
    trace_step(reclaim->trace, PATH_out_of_memory);
    trace_say(reclaim->trace, "Out of memory: Killed process ");
    trace_say_number(reclaim->trace, space->pid);
    trace_say(reclaim->trace, " anon-rss:");
    trace_say_number(reclaim->trace, space->rss_pages * (PAGE_SIZE / 1024));
    trace_say(reclaim->trace, "kB\n");
    space->oom_victim = 1;
    reclaim->nr_oom_kills++;
    uint32_t freed = reap(reclaim, &reclaim->active, victim) + reap(reclaim, &reclaim->inactive, victim);
    TRACE_EVENT(reclaim->trace, .kind = EV_OOM_KILL, .pid = space->pid, .count = freed);
    return true;
}

static uint32_t direct_reclaim(struct reclaim *reclaim, uint32_t order)
{
    trace_step(reclaim->trace, PATH_try_to_free_pages);
    uint32_t freed = shrink_lists(reclaim, SWAP_CLUSTER_MAX > (1u << order) ? SWAP_CLUSTER_MAX : 1u << order);
    TRACE_EVENT(reclaim->trace, .kind = EV_DIRECT_RECLAIM, .order = (uint8_t)order, .count = freed);
    reclaim->trace->nr_reclaimed += freed;
    reclaim->trace->slept_ns += (uint64_t)freed * SWAP_IO_NS;
    return freed;
}

static bool may_kill(uint32_t gfp, uint32_t order)
{
    return order <= COSTLY_ORDER && (gfp & __GFP_FS) && !(gfp & (__GFP_NORETRY | __GFP_RETRY_MAYFAIL | __GFP_THISNODE));
}

/* __alloc_pages_direct_reclaim: what is still held back is let go before a second walk. */
static uint32_t walk_after_reclaim(struct reclaim *reclaim, uint32_t gfp, uint32_t order)
{
    uint32_t pfn = page_alloc_slow(reclaim->pages, gfp, order);
    if (pfn)
        return pfn;
    page_alloc_unreserve_highatomic(reclaim->pages, gfp, false);
    page_alloc_drain_all(reclaim->pages);
    return page_alloc_slow(reclaim->pages, gfp, order);
}

/* __alloc_pages_slowpath for a call that may sleep: reclaim and walk again while that makes progress, then the OOM killer.
 */
static uint32_t reclaim_and_retry(struct reclaim *reclaim, uint32_t gfp, uint32_t order)
{
    uint32_t pfn, tries = 0;
    for (bool progress = true; progress && tries < MAX_RECLAIM_RETRIES; tries = order <= COSTLY_ORDER ? 0 : tries + 1) {
        progress = direct_reclaim(reclaim, order) > 0;
        if ((pfn = walk_after_reclaim(reclaim, gfp, order)))
            return pfn;
        if (gfp & __GFP_NORETRY)
            return 0;
    }
    if (page_alloc_unreserve_highatomic(reclaim->pages, gfp, true) && (pfn = page_alloc_slow(reclaim->pages, gfp, order)))
        return pfn;
    while (may_kill(gfp, order)) {
        if ((pfn = page_alloc_last_try(reclaim->pages, gfp, order)))
            return pfn;
        if (!kill_a_process(reclaim))
            return 0;
        if ((pfn = page_alloc_slow(reclaim->pages, gfp, order)))
            return pfn;
    }
    return 0;
}

/* warn_alloc(): what the kernel prints for a failed allocation. */
static void warn(struct reclaim *reclaim, uint32_t gfp, uint32_t order)
{
    if (gfp & __GFP_NOWARN)
        return;
    char names[512];
    gfp_format(gfp, names, sizeof names);
    trace_say(reclaim->trace, "page allocation failure: order:");
    trace_say_number(reclaim->trace, order);
    trace_say(reclaim->trace, ", mode:0x");
    trace_say_hex(reclaim->trace, gfp);
    trace_say(reclaim->trace, "(");
    trace_say(reclaim->trace, names);
    trace_say(reclaim->trace, ")");
}

static uint32_t alloc_slowly(struct reclaim *reclaim, uint32_t gfp, uint32_t order)
{
    trace_step(reclaim->trace, PATH___alloc_pages_slowpath);
    TRACE_EVENT(reclaim->trace, .kind = EV_SLOWPATH, .order = (uint8_t)order);
    uint32_t pfn = page_alloc_slow(reclaim->pages, gfp, order);
    if (!pfn && gfp_may_sleep(gfp))
        pfn = reclaim_and_retry(reclaim, gfp, order);
    if (!pfn)
        warn(reclaim, gfp, order);
    return pfn;
}

uint32_t reclaim_alloc_pages(struct reclaim *reclaim, uint32_t gfp, uint32_t order)
{
    if (order >= reclaim->profile->nr_orders)
        return 0;
    uint32_t pfn = page_alloc_fast(reclaim->pages, gfp, order);
    return pfn ? pfn : alloc_slowly(reclaim, gfp, order);
}

uint32_t reclaim_alloc_bulk(struct reclaim *reclaim, uint32_t gfp, uint32_t nr, uint32_t *pfns)
{
    uint32_t got = nr > 1 ? page_alloc_bulk(reclaim->pages, gfp, nr, pfns) : 0;
    if (got || !nr)
        return got;
    pfns[0] = reclaim_alloc_pages(reclaim, gfp, 0); /* at least one, the ordinary way (rule of __alloc_pages_bulk) */
    return pfns[0] ? 1 : 0;
}

static const char *check_list(const struct reclaim *reclaim, const struct frame_list *list, bool active)
{
    uint32_t count = 0;
    for (uint32_t pfn = list->first; pfn; pfn = frame_at(reclaim->frames, pfn)->next, count++) {
        const struct frame *frame = frame_at(reclaim->frames, pfn);
        if (count > list->count || frame->kind != FRAME_ANON)
            return "reclaim: a frame on an LRU list is not anonymous";
        if (!!(frame->flags & FRAME_ACTIVE) != active)
            return "reclaim: a frame's active flag and its list differ";
        if (!ANON_MAPPINGS(frame->index))
            return "reclaim: a frame on an LRU list has no mapping";
    }
    return count == list->count ? NULL : "reclaim: an LRU list's count is wrong";
}

bool reclaim_check(const struct reclaim *reclaim, char *text, size_t capacity)
{
    const char *wrong = check_list(reclaim, &reclaim->active, true);
    if (!wrong)
        wrong = check_list(reclaim, &reclaim->inactive, false);
    if (!wrong && (uint64_t)reclaim->active.count + reclaim->inactive.count != reclaim->frames->kind_count[FRAME_ANON])
        wrong = "reclaim: anonymous frames outside the LRU lists";
    if (!wrong)
        return true;
    size_t length = strlen(wrong) < capacity ? strlen(wrong) : capacity - 1;
    memcpy(text, wrong, length);
    text[length] = '\0';
    return false;
}
