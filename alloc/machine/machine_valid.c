/* Is a loaded machine sound? See machine_valid.h. Here: the looking as a whole, free lists, frames, zones. */
#include "alloc/machine/machine_image.h"
#include "alloc/machine/machine_valid.h"
#include "alloc/page/zone.h"
#include "alloc/slab/slab_record.h"

#include <string.h>

/* --- room to look --- */

static size_t valid_marks_bytes(const struct pool *pool)
{
    return ((size_t)pool->nr_used / 8 + 8) & ~(size_t)7;
}

static size_t valid_room_bytes(const struct machine *m)
{
    size_t bytes = ((size_t)m->state.frames.nr + m->state.reclaim.slots.nr_used + 2) * sizeof(uint32_t);
    for (uint32_t i = 0; i < m->nr_pools; i++)
        bytes += valid_marks_bytes(m->pools[i]);
    return (bytes + PAGE_SIZE - 1) & ~(size_t)(PAGE_SIZE - 1);
}

static void valid_divide_room(struct valid *v, uint8_t *room)
{
    for (uint32_t i = 0; i < v->m->nr_pools; i++) {
        v->marks[i] = room;
        room += valid_marks_bytes(v->m->pools[i]);
    }
    v->nr_mappings = (uint32_t *)(void *)room;
    v->nr_swapped = v->nr_mappings + v->s->frames.nr;
}

/* --- pools --- */

/* The free items: as many as are counted, each once. */
static bool valid_free_list(const struct pool *pool, uint8_t *marks)
{
    uint32_t index = pool->first_free;
    for (uint32_t i = 0; i < pool->nr_free; i++) {
        if (!valid_mark(marks, pool, index))
            return false;
        memcpy(&index, pool_at(pool, index), sizeof index);
    }
    return index == 0;
}

static bool valid_pools(const struct valid *v)
{
    const struct machine_state *s = v->s;
    const struct pool *const tables[] = { &s->frames.pool, &s->pages.pageblocks, &s->pages.pcps, &s->tlb.entries,
                                          &s->tlb.cpus };
    for (uint32_t i = 0; i < v->m->nr_pools; i++)
        if (!valid_free_list(v->m->pools[i], v->marks[i]))
            return false;
    for (unsigned i = 0; i < sizeof tables / sizeof tables[0]; i++)
        if (tables[i]->nr_used != tables[i]->capacity || tables[i]->nr_free)
            return false;
    return true;
}

/* What a shape sets, and nobody changes. */
static bool valid_constants(const struct machine_state *s, const struct machine_state *fresh)
{
    const struct kmalloc *k = &s->kmalloc, *new = &fresh->kmalloc;
    return s->frames.nr == fresh->frames.nr && s->frames.page_offset == fresh->frames.page_offset &&
           s->pages.nr_cpus == s->config.cpus && s->tlb.nr_cpus == fresh->tlb.nr_cpus &&
           s->tlb.nr_entries == fresh->tlb.nr_entries && s->tlb.nr_ways == fresh->tlb.nr_ways &&
           k->nr_cpus == new->nr_cpus && k->min_block == new->min_block && k->options == new->options &&
           k->debug_flags == new->debug_flags && k->shuffle_seed == new->shuffle_seed &&
           s->vmalloc.space.lazy_max_pages == fresh->vmalloc.space.lazy_max_pages &&
           s->heaps.nr_cpus == fresh->heaps.nr_cpus;
}

/* --- frames --- */

static bool valid_same_pages(struct valid *v)
{
    const struct frames *frames = &v->s->frames;
    uint8_t *marks = valid_marks(v, &frames->contents);
    for (uint32_t byte = 0; byte < 256; byte++) {
        uint32_t contents = frames->same[byte];
        if (contents && (!byte || !valid_mark(marks, &frames->contents, contents)))
            return false;
        const uint8_t *bytes = contents_at(frames, contents);
        for (uint32_t i = 0; contents && i < PAGE_SIZE; i++)
            if (bytes[i] != byte)
                return false;
    }
    return true;
}

/* A frame's own page of bytes is nobody else's. A shared one is that of its value. */
static bool valid_contents(const struct frames *frames, uint8_t *marks, uint32_t contents)
{
    if (!contents)
        return true;
    if (contents_are_own(contents))
        return valid_mark(marks, &frames->contents, contents);
    return valid_has(&frames->contents, contents & ~CONTENTS_SHARED) &&
           frames->same[contents_at(frames, contents)[0]] == (contents & ~CONTENTS_SHARED);
}

static bool valid_slab_frame(const struct valid *v, uint32_t pfn, const struct frame *frame)
{
    const struct kmalloc *k = &v->s->kmalloc;
    struct slab_frame f = slab_frame_unpack(frame->index);
    if (!valid_has(&k->slabs, frame->owner))
        return false;
    const struct slab *slab = slab_at(k, slab_of_frame(frame));
    return slab->pfn && slab->pfn + f.page == pfn && f.page < 1u << slab->order && f.tracks == slab->tracks &&
           f.cache.index == slab->cache.index && f.track_run == slab->track_run;
}

/* Where the frame's owner and index lead. */
static bool valid_owner(const struct valid *v, uint32_t pfn, const struct frame *frame)
{
    const struct machine_state *s = v->s;
    switch ((enum frame_kind)frame->kind) {
    case FRAME_SLAB:
        return valid_slab_frame(v, pfn, frame);
    case FRAME_NONE:
        return !frame->index || valid_slab_frame(v, pfn, frame);
    case FRAME_VMALLOC:
        return valid_has(&s->vmalloc.space.areas, frame->owner) &&
               vmap_area_at(&s->vmalloc.space, (struct vmap_area_ref){ frame->owner })->start;
    case FRAME_PGTABLE:
        return frame->order == 0 && frame->owner < v->m->profile->pgtable_levels &&
               frame->index >> PAGE_SHIFT < s->frames.nr;
    case FRAME_ANON:
        return frame->order == 0 && valid_has(&s->reclaim.spaces, frame->owner) &&
               reclaim_space_at(&s->reclaim, reclaim_owner(frame))->root;
    case FRAME_KERNEL:
        return valid_has_name(v, (struct name_ref){ frame->owner });
    case FRAME_RESERVED:
        return frame->owner < NR_RESERVED_OWNERS;
    case FRAME_SWAPCACHE:
    case NR_FRAME_KINDS:
        return false;
    case FRAME_FREE:
    case FRAME_PCP:
        return true;
    }
    return false;
}

static bool valid_frame(const struct valid *v, uint32_t pfn, const struct frame *frame, uint8_t *marks)
{
    const struct frames *frames = &v->s->frames;
    if (frame->kind >= NR_FRAME_KINDS || frame->order >= VIEW_ORDERS || frame->migratetype >= NR_MIGRATETYPES)
        return false;
    uint32_t nr = 1u << frame->order;
    if (frame->kind != FRAME_NONE && (pfn % nr || nr > frames->nr - pfn))
        return false;
    if (frame->next >= frames->nr || frame->prev >= frames->nr)
        return false;
    return valid_contents(frames, marks, frame->contents) && valid_owner(v, pfn, frame);
}

bool valid_frames(struct valid *v)
{
    const struct frames *frames = &v->s->frames;
    uint8_t *marks = valid_marks(v, &frames->contents);
    uint64_t counts[NR_FRAME_KINDS] = { 0 };
    uint32_t block_end = 0; /* of the last block that has a head: none begins in it */
    if (!valid_same_pages(v))
        return false;
    for (uint32_t pfn = 0; (pfn = valid_next_frame(v, pfn)) < frames->nr; pfn++) {
        const struct frame *frame = frame_at(frames, pfn);
        if (!valid_frame(v, pfn, frame, marks) || (frame->kind != FRAME_NONE && pfn < block_end))
            return false;
        if (frame->kind == FRAME_NONE)
            continue;
        block_end = pfn + (1u << frame->order);
        counts[frame->kind] += UINT64_C(1) << frame->order;
    }
    for (uint32_t i = 1; i < v->s->reclaim.slots.nr_used; i++) {
        const struct swap_slot *slot = pool_at(&v->s->reclaim.slots, i);
        if (slot->users && !valid_contents(frames, marks, slot->contents))
            return false;
    }
    return memcmp(counts, frames->kind_count, sizeof counts) == 0;
}

/* --- zones --- */

static bool valid_zone(const struct valid *v, const struct zone *zone)
{
    const uint32_t sane = 1u << 20;
    uint32_t end = zone->start_pfn + zone->spanned;
    if (zone->index >= ZONES_MAX || zone->spanned > v->s->frames.nr || end > v->s->frames.nr || end < zone->start_pfn)
        return false;
    for (uint32_t cpu = 0; cpu < v->s->pages.nr_cpus; cpu++) {
        int32_t diff = zone_pcp(&v->s->pages, zone, cpu)->nr_free_diff;
        if (diff > (int32_t)sane || diff < -(int32_t)sane)
            return false;
    }
    /* The scanners stop at a page block's end, which may lie behind the zone's. */
    return memchr(zone->name, 0, sizeof zone->name) && zone->stat_threshold < sane && zone->compact_defer_shift < 32 &&
           zone->compact_migrate_pfn <= end + PAGEBLOCK_PAGES && zone->compact_free_pfn <= end + PAGEBLOCK_PAGES &&
           zone->free_global <= (int64_t)v->s->frames.nr && zone->free_global >= -(int64_t)v->s->frames.nr;
}

bool valid_zones(const struct valid *v)
{
    const struct page_alloc *pa = &v->s->pages;
    if (!pa->nr_zones || pa->nr_zones > ZONES_MAX || pa->kswapd.order >= VIEW_ORDERS ||
        pa->kswapd.highest_zone > ZONE_MOVABLE || pa->kswapd.priority > 12)
        return false;
    for (uint32_t i = 0; i < pa->nr_zones; i++)
        if (!valid_zone(v, &pa->zones[i]))
            return false;
    return true;
}

/* --- all --- */

enum pagoda_error machine_is_valid(const struct machine *m, const struct machine_state *fresh, const uint8_t *frame_bits)
{
    struct pagoda_host host = m->host;
    struct valid v = { .m = m, .s = &m->state, .frame_bits = frame_bits };
    char text[160];
    if (!valid_constants(&m->state, fresh))
        return PAGODA_ERR_CORRUPT;
    size_t bytes = valid_room_bytes(m);
    void *room = host.reserve(&host.context, bytes);
    if (!room)
        return PAGODA_ERR_NOMEM;
    enum pagoda_error err = PAGODA_ERR_NOMEM;
    if (host.commit(host.context, room, bytes)) {
        valid_divide_room(&v, room);
        bool is_valid = valid_pools(&v) && valid_names(&v) && valid_slabs(&v) && valid_areas(&v) && valid_frames(&v) &&
                        valid_zones(&v) && valid_processes(&v) && valid_heaps(&v);
        err = is_valid && machine_check(m, text, sizeof text) ? PAGODA_OK : PAGODA_ERR_CORRUPT;
    }
    host.release(host.context, room, bytes);
    return err;
}
