/* The swap area: slots of a page each. A slot counts the page-table entries that name it. Linux v6.1 mm/swapfile.c; there a
 * free slot is found by scanning clusters. Here the one that was given back last is used first. */
#include "alloc/reclaim/reclaim_internal.h"

static struct swap_slot *swap_slot_at(const struct reclaim *reclaim, uint32_t slot)
{
    return pool_at(&reclaim->slots, slot);
}

uint64_t swap_nr_free(const struct reclaim *reclaim)
{
    return reclaim_nr_slots(reclaim) - pool_nr_live(&reclaim->slots);
}

uint32_t swap_take_slot(struct reclaim *reclaim, uint32_t pfn)
{
    uint32_t slot = pool_take(&reclaim->slots);
    if (!slot)
        return 0;
    struct frame *frame = frame_at(reclaim->frames, pfn);
    swap_slot_at(reclaim, slot)->contents = frame->contents;
    swap_slot_at(reclaim, slot)->evicted = reclaim->age++;
    frame->contents = 0;
    reclaim_count(reclaim, VM_pswpout, 1);
    return slot;
}

void reclaim_get_slot(struct reclaim *reclaim, uint32_t slot)
{
    swap_slot_at(reclaim, slot)->users++;
}

void reclaim_put_slot(struct reclaim *reclaim, uint32_t slot)
{
    struct swap_slot *s = swap_slot_at(reclaim, slot);
    if (--s->users)
        return;
    contents_give(reclaim->frames, s->contents);
    pool_give(&reclaim->slots, slot);
}

/* workingset_refault(). The distance counts what left or was activated since the page left. If the distance is not above
 * the length of the active list, an inactive list that much longer would have kept the page. Then it becomes active at
 * once. */
static void swap_note_refault(struct reclaim *reclaim, uint32_t slot, uint32_t pfn)
{
    uint32_t distance = reclaim->age - swap_slot_at(reclaim, slot)->evicted;
    bool activate = distance <= reclaim->active.count;
    TRACE_EVENT(reclaim->trace, .kind = EV_REFAULT, .pfn = pfn, .a = distance, .ok = activate);
    reclaim_count(reclaim, VM_workingset_refault_anon, 1);
    if (!activate)
        return;
    reclaim_count(reclaim, VM_workingset_activate_anon, 1);
    reclaim->age++;
    lru_activate(reclaim, pfn);
}

void reclaim_read_slot(struct reclaim *reclaim, uint32_t slot, uint32_t pfn)
{
    frame_set_contents(reclaim->frames, pfn, swap_slot_at(reclaim, slot)->contents);
    swap_note_refault(reclaim, slot, pfn);
}

const uint8_t *reclaim_peek_slot(const struct reclaim *reclaim, uint32_t slot)
{
    uint32_t contents = swap_slot_at(reclaim, slot)->contents;
    return contents ? contents_at(reclaim->frames, contents) : NULL;
}
