/* Views of frames and zones. Frames are shown as runs. A block is a run. Neighbouring single frames of one owner are one
 * run, too: a heap or a vmalloc area of a thousand frames is one thing to the eye. */
#include "alloc/machine/machine_state.h"
#include "alloc/page/zone.h"
#include "pagoda/view.h"

#include <string.h>

static const struct {
    const char *name;
    char letter;
} KINDS[NR_FRAME_KINDS] = {
#define X(id, name, letter) [id] = { name, letter },
    FRAME_KIND_MAP(X)
#undef X
};

const char *frame_kind_name(enum frame_kind kind)
{
    return (unsigned)kind < NR_FRAME_KINDS ? KINDS[kind].name : "";
}

char frame_kind_letter(enum frame_kind kind)
{
    return (unsigned)kind < NR_FRAME_KINDS ? KINDS[kind].letter : '?';
}

enum frame_kind frame_kind_of_group(const char *group)
{
    static const struct {
        const char *group;
        enum frame_kind kind;
    } GROUPS[] = {
        { "kernel", FRAME_SLAB },     { "cache", FRAME_SLAB },      { "pages", FRAME_KERNEL },
        { "vmalloc", FRAME_VMALLOC }, { "process", FRAME_PGTABLE }, { "user", FRAME_ANON },
    };
    for (size_t i = 0; i < sizeof GROUPS / sizeof *GROUPS; i++)
        if (strcmp(GROUPS[i].group, group) == 0)
            return GROUPS[i].kind;
    return FRAME_NONE;
}

const char *migratetype_name(uint32_t migratetype)
{
    static const char *const NAMES[NR_MIGRATETYPES] = { "Unmovable", "Movable", "Reclaimable", "HighAtomic", "Isolate" };
    return migratetype < NR_MIGRATETYPES ? NAMES[migratetype] : "";
}

/* --- who owns a frame --- */

static void name_given(struct frame_run *run, const struct machine_state *s, const char *what, struct name_ref given)
{
    text_print(run->owner, sizeof run->owner, "%s%s%s", what, given.index ? " " : "", name_text(&s->names, given));
}

static void name_plain(struct frame_run *run, const char *what)
{
    text_print(run->owner, sizeof run->owner, "%s", what);
}

/* Sets the run's owner number and name from the head of its block. */
static void set_owner(const struct machine *m, const struct frame *head, struct frame_run *run)
{
    const struct machine_state *s = &m->state;
    struct cache_ref cache;
    run->owner_id = head->owner;
    run->owner[0] = '\0';
    switch ((enum frame_kind)head->kind) {
    case FRAME_KERNEL:
        name_given(run, s, head->index & LARGE_KMALLOC ? "kmalloc" : "pages", (struct name_ref){ head->owner });
        break;
    case FRAME_SLAB:
        cache = kmalloc_slab_cache(&s->kmalloc, (struct slab_ref){ head->owner });
        run->owner_id = cache.index;
        name_plain(run, kmem_cache_name(&s->kmalloc, cache));
        break;
    case FRAME_VMALLOC:
        name_given(run, s, "vmalloc", vmap_area_at(&s->vmalloc.space, (struct vmap_area_ref){ head->owner })->name);
        break;
    case FRAME_PGTABLE:
        name_plain(run, pte_level_name(m->profile, head->owner));
        run->owner_id = head->owner + 1;
        break;
    case FRAME_ANON:
    case FRAME_SWAPCACHE:
        run->owner_id = reclaim_space_at(&s->reclaim, reclaim_owner(head))->pid;
        text_print(run->owner, sizeof run->owner, "pid %u", run->owner_id);
        break;
    case FRAME_RESERVED:
        name_plain(run, reserved_owner_name(head->owner));
        break;
    default:
        break;
    }
}

/* --- runs --- */

/* A free block has the type of its list; a block in use has the type of its pageblock. */
static uint8_t migratetype_of(const struct machine *m, uint32_t pfn)
{
    const struct frame *head = frame_at(&m->state.frames, pfn);
    if (head->kind == FRAME_FREE || head->kind == FRAME_PCP || !m->profile->has_migratetypes)
        return head->migratetype;
    return (uint8_t)pageblock_type(&m->state.pages, pfn);
}

static void set_run(const struct machine *m, uint32_t pfn, struct frame_run *run)
{
    const struct frame *head = frame_at(&m->state.frames, pfn);
    *run = (struct frame_run){ .pfn = pfn,
                               .count = 1u << head->order,
                               .kind = (enum frame_kind)head->kind,
                               .order = head->order,
                               .migratetype = migratetype_of(m, pfn) };
    set_owner(m, head, run);
}

/* Does the single frame at pfn belong to the run that begins at first? Owner and type must be equal. A free block is always
 * a run of its own. */
static bool continues(const struct machine *m, uint32_t first, uint32_t pfn)
{
    const struct frame *head = frame_at(&m->state.frames, first), *next = frame_at(&m->state.frames, pfn);
    return head->kind != FRAME_FREE && next->kind == head->kind && next->order == 0 && next->owner == head->owner &&
           migratetype_of(m, pfn) == migratetype_of(m, first) && (head->kind != FRAME_KERNEL || next->index == head->index);
}

/* Frames from pfn on that are in no block: those of the hole below 4 GiB. */
static uint32_t count_nothing(const struct frames *frames, uint32_t pfn)
{
    uint32_t end = pfn + 1;
    while (end < frames->nr && frame_at(frames, end)->kind == FRAME_NONE)
        end++;
    return end - pfn;
}

uint32_t view_nr_frames(const struct machine *machine)
{
    return machine->state.frames.nr;
}

bool view_next_frame_run(const struct machine *machine, uint64_t *cursor, struct frame_run *run)
{
    const struct frames *frames = &machine->state.frames;
    if (*cursor >= frames->nr)
        return false;
    uint32_t pfn = (uint32_t)*cursor;
    set_run(machine, pfn, run);
    const struct frame *head = frame_at(frames, pfn);
    if (head->kind == FRAME_NONE)
        run->count = count_nothing(frames, pfn);
    else if (head->order == 0)
        while (pfn + run->count < frames->nr && continues(machine, pfn, pfn + run->count))
            run->count++;
    *cursor = pfn + run->count;
    return true;
}

bool view_frame(const struct machine *machine, uint32_t pfn, struct frame_run *block, uint64_t *born_seq)
{
    const struct frames *frames = &machine->state.frames;
    if (pfn >= frames->nr)
        return false;
    uint32_t head = frame_head(frames, pfn);
    set_run(machine, head, block);
    uint64_t seq = machine->state.seq; /* born holds its low half; the block was born at or before it */
    *born_seq = seq - (uint32_t)((uint32_t)seq - frame_at(frames, head)->born);
    return true;
}

/* A byte by which owners of one kind differ; 0: none. */
static uint8_t owner_hash(uint32_t owner)
{
    uint32_t hash = owner * 0x9e3779b1u;
    return owner ? (uint8_t)(hash >> 24 | 1) : 0;
}

void view_frame_cells(const struct machine *machine, uint32_t from, uint32_t count, uint8_t *out)
{
    const struct frames *frames = &machine->state.frames;
    uint32_t at = from;
    while (at < from + count && at < frames->nr) {
        struct frame_run block;
        set_run(machine, frame_head(frames, at), &block);
        uint32_t end = block.pfn + block.count;
        uint8_t hash = owner_hash(block.owner_id);
        for (; at < end && at < from + count; at++, out += 4) {
            out[0] = (uint8_t)block.kind;
            out[1] = block.order;
            out[2] = (uint8_t)(block.migratetype | (at == block.pfn && block.kind != FRAME_NONE ? 0x80 : 0));
            out[3] = hash;
        }
    }
    if (at < from + count)
        memset(out, 0, (size_t)(from + count - at) * 4);
}

void view_kind_counts(const struct machine *machine, uint64_t counts[NR_FRAME_KINDS])
{
    const struct frames *frames = &machine->state.frames;
    uint64_t nr_known = 0;
    for (uint32_t kind = FRAME_NONE + 1; kind < NR_FRAME_KINDS; kind++)
        nr_known += counts[kind] = frames->kind_count[kind];
    counts[FRAME_NONE] = frames->nr - nr_known;
}

/* --- zones --- */

static void sum_pcps(const struct page_alloc *pa, const struct zone *zone, struct zone_view *view)
{
    view->free = (uint64_t)zone->free_global;
    for (uint32_t cpu = 0; pa->profile->has_migratetypes && cpu < pa->nr_cpus; cpu++) {
        const struct pcp *pcp = zone_pcp(pa, zone, cpu);
        view->pcp += pcp->count;
        view->free += (uint64_t)(int64_t)pcp->nr_free_diff;
    }
}

/* Counts pageblocks as /proc/pagetypeinfo does: one for each 512 pages from the zone's start on. */
static void count_pageblocks(const struct page_alloc *pa, const struct zone *zone, struct zone_view *view)
{
    uint32_t end = zone->start_pfn + zone->spanned;
    for (uint32_t pfn = zone->start_pfn; pa->profile->has_migratetypes && pfn < end; pfn += PAGEBLOCK_PAGES)
        if (pageblock_type(pa, pfn) != PAGEBLOCK_ABSENT)
            view->nr_pageblocks[pageblock_type(pa, pfn)]++;
}

bool view_pcp(const struct machine *machine, uint32_t zone, uint32_t cpu, struct pcp_view *pcp)
{
    const struct page_alloc *pa = &machine->state.pages;
    if (!pa->profile->has_migratetypes || zone >= pa->nr_zones || cpu >= pa->nr_cpus)
        return false;
    const struct pcp *from = zone_pcp(pa, &pa->zones[zone], cpu);
    *pcp = (struct pcp_view){
        .count = from->count, .high = from->high, .batch = from->batch, .free_factor = from->free_factor
    };
    for (uint32_t i = 0; i < NR_PCP_LISTS; i++)
        pcp->nr_blocks[i / NR_PCP_TYPES][i % NR_PCP_TYPES] = from->lists[i].count;
    return true;
}

bool view_next_zone(const struct machine *machine, uint64_t *cursor, struct zone_view *zone)
{
    const struct page_alloc *pa = &machine->state.pages;
    if (*cursor >= pa->nr_zones)
        return false;
    const struct zone *from = &pa->zones[(*cursor)++];
    *zone = (struct zone_view){ .name = from->name,
                                .start_pfn = from->start_pfn,
                                .spanned = from->spanned,
                                .present = from->present,
                                .managed = from->managed,
                                .min = from->min,
                                .low = from->low,
                                .high = from->high,
                                .boost = from->boost,
                                .highatomic = from->nr_reserved_highatomic,
                                .pcp_high = from->pageset_high,
                                .pcp_batch = from->pageset_batch,
                                .nr_orders = pa->profile->nr_orders };
    memcpy(zone->lowmem_reserve, from->lowmem_reserve, sizeof zone->lowmem_reserve);
    sum_pcps(pa, from, zone);
    count_pageblocks(pa, from, zone);
    for (uint32_t order = 0; order < zone->nr_orders; order++) {
        zone->unusable_index[order] = zone_unusable_index(from, order);
        zone->fragmentation_index[order] = zone_fragmentation_index(from, order);
    }
    const uint32_t *lru = machine->state.reclaim.nr_lru[from - pa->zones];
    zone->nr_inactive = lru[0];
    zone->nr_active = lru[1];
    zone->kswapd_awake = pa->kswapd.awake != 0;
    for (uint32_t order = 0; order < VIEW_ORDERS; order++)
        for (uint32_t type = 0; type < NR_MIGRATETYPES; type++)
            zone->nr_free[order][type] = from->free_area[order][type].count;
    return true;
}
