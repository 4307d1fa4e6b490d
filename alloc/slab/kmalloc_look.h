/* alloc/slab/kmalloc_look.h - what an address is to kmalloc, found out without a change. Stands on: slab_record.h. */
#pragma once
#include "alloc/slab/slab_record.h"

/* A slab object may be live or free: its track tells. */
enum found_kind { FOUND_NOTHING, FOUND_OBJECT, FOUND_LARGE };
struct found {
    enum found_kind kind;
    uint32_t pfn;         /* head of the address's block; UINT32_MAX: outside the machine's memory */
    struct slab_ref slab; /* in which the address lies, even where no object starts; 0: in none */
    uint32_t object;
    struct track *track; /* of an object */
};

/* The object at address in a slab.
 * frame  the one with that address; it is a slab's.
 * found  in: pfn of that frame; out: the rest. */
static inline void kmalloc_look_in_slab(const struct kmalloc *k, uint64_t address, const struct frame *frame,
                                        struct found *found)
{
    struct slab_frame f = slab_frame_unpack(frame->index);
    const struct cache *cache = cache_at(k, f.cache);
    uint64_t distance = (uint64_t)f.page * PAGE_SIZE + address % PAGE_SIZE - cache->head;
    uint32_t object = (uint32_t)(distance * cache->reciprocal >> 32);
    found->pfn -= f.page;
    found->slab = slab_of_frame(frame);
    found->track = track_run_at(k, f.track_run, f.tracks) + object;
    if (object * (uint64_t)cache->size != distance || object >= slab_at(k, found->slab)->objects)
        return;
    found->kind = FOUND_OBJECT;
    found->object = object;
}
static inline __attribute__((always_inline)) struct found kmalloc_look(const struct kmalloc *k, uint64_t address)
{
    struct found found = { .kind = FOUND_NOTHING, .pfn = frame_of_address(k->frames, address) };
    if (found.pfn == UINT32_MAX)
        return found;
    const struct frame *frame = frame_at(k->frames, found.pfn);
    if (frame_is_of_slab(frame)) {
        kmalloc_look_in_slab(k, address, frame, &found);
        return found;
    }
    found.pfn = frame_head(k->frames, found.pfn);
    frame = frame_at(k->frames, found.pfn);
    if (frame->kind == FRAME_KERNEL && frame->index & LARGE_KMALLOC && address == frame_address(k->frames, found.pfn))
        found.kind = FOUND_LARGE;
    return found;
}
/* Does the address lie in a large block, but not at its start? kfree() goes from any page to the first, and frees it. */
static inline bool found_is_inside_large(const struct kmalloc *k, const struct found *found)
{
    if (found->kind != FOUND_NOTHING || found->pfn == UINT32_MAX)
        return false;
    const struct frame *head = frame_at(k->frames, found->pfn);
    return head->kind == FRAME_KERNEL && head->index & LARGE_KMALLOC;
}
/* Bytes of a large block. */
static inline uint64_t found_large_usable(const struct kmalloc *k, const struct found *found)
{
    return (uint64_t)PAGE_SIZE << frame_at(k->frames, found->pfn)->order;
}
static inline bool found_is_live(const struct found *found)
{
    return found->kind == FOUND_LARGE || (found->kind == FOUND_OBJECT && found->track->live);
}
/* What the record of a live block says. */
static inline struct name_ref found_name(const struct kmalloc *k, const struct found *found)
{
    if (found->kind == FOUND_LARGE)
        return (struct name_ref){ frame_at(k->frames, found->pfn)->owner };
    return found->track->name;
}
/* What the caller who holds the block at address is told of it. Memory that is no block of this floor has just an address.
 */
static inline struct kmalloc_block found_block(const struct kmalloc *k, const struct found *found, uint64_t address)
{
    struct kmalloc_block block = { .address = address, .pfn = frame_of_address(k->frames, address) };
    if (found->kind == FOUND_OBJECT && found->track->live)
        block.cache = slab_at(k, found->slab)->cache;
    return block;
}
/* What a free function that is given a live block's first address answers, if the block goes. */
static inline struct kmalloc_freed found_before_free(const struct kmalloc *k, const struct found *found, uint64_t address)
{
    if (!found_is_live(found))
        return KMALLOC_NOT_FREED;
    struct kmalloc_freed freed = { .address = address, .name = found_name(k, found) };
    if (found->kind == FOUND_OBJECT)
        freed.cache = slab_at(k, found->slab)->cache;
    return freed;
}
