/* The state of reclaim: its shape, its wires, and the invariants of the LRU lists. */
#include "alloc/base/check.h"
#include "alloc/reclaim/reclaim_internal.h"

#include <string.h>

#define NR_SPACES (1u << 16)

void reclaim_shape(struct reclaim *reclaim, const struct machine_config *config)
{
    memset(reclaim, 0, sizeof *reclaim);
    pool_shape(&reclaim->spaces, sizeof(struct reclaim_space), NR_SPACES);
    pool_shape(&reclaim->slots, sizeof(struct swap_slot), (uint32_t)(config->swap >> PAGE_SHIFT) + 1);
}

uint32_t reclaim_pools(struct reclaim *reclaim, struct pool **pools)
{
    pools[0] = &reclaim->spaces;
    pools[1] = &reclaim->slots;
    return 2;
}

/* --- invariants --- */

static const char *reclaim_check_list(const struct reclaim *reclaim, const struct index_list *list, bool active)
{
    uint32_t count = 0, last = 0;
    for (uint32_t pfn = list->first; pfn; pfn = frame_at(reclaim->frames, pfn)->next, count++) {
        if (pfn >= reclaim->frames->nr || count > list->count)
            return "reclaim: an LRU list goes round, or leads out of memory";
        const struct frame *frame = frame_at(reclaim->frames, pfn);
        if (frame->kind != FRAME_ANON)
            return "reclaim: a frame on an LRU list is not anonymous";
        if (!!(frame->flags & FRAME_ACTIVE) != active)
            return "reclaim: a frame's active flag and its list differ";
        if (!ANON_MAPPINGS(frame->index))
            return "reclaim: a frame on an LRU list has no mapping";
        if (frame->prev != last)
            return "reclaim: an LRU list is badly linked";
        last = pfn;
    }
    return count == list->count && last == list->last ? NULL : "reclaim: an LRU list's count is wrong";
}

/* Do the zones count the pages that are on the list? */
static bool reclaim_counts_agree(const struct reclaim *reclaim, const struct index_list *list, bool active)
{
    uint64_t sum = 0;
    for (uint32_t i = 0; i < ZONES_MAX; i++)
        sum += reclaim->nr_lru[i][active];
    return sum == list->count;
}

bool reclaim_check(const struct reclaim *reclaim, char *text, size_t capacity)
{
    const char *wrong = reclaim_check_list(reclaim, &reclaim->active, true);
    if (!wrong)
        wrong = reclaim_check_list(reclaim, &reclaim->inactive, false);
    if (!wrong && (uint64_t)reclaim->active.count + reclaim->inactive.count != reclaim->frames->kind_count[FRAME_ANON])
        wrong = "reclaim: anonymous frames outside the LRU lists";
    if (!wrong && (!reclaim_counts_agree(reclaim, &reclaim->active, true) ||
                   !reclaim_counts_agree(reclaim, &reclaim->inactive, false)))
        wrong = "reclaim: a zone's LRU count is wrong";
    return check_report(wrong, text, capacity);
}
