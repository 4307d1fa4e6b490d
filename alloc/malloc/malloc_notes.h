/* alloc/malloc/malloc_notes.h - notes of live blocks. Stands on: heap. Every call into malloc looks for one, writes one or
 * erases one, so that is done inline, in few instructions. */
#pragma once
#include "alloc/malloc/malloc_heap.h"

struct note {
    uint32_t link; /* next of the bucket, or the pool's free link */
    struct process_ref process;
    uint64_t address, requested, usable;
    struct name_ref name;
    uint32_t seq;
};

static inline struct note *note_at(const struct heaps *heaps, uint32_t note)
{
    return (struct note *)(void *)heaps->notes.items + note;
}
/* Is there room for a note at once? */
static inline bool notes_have_room(const struct heaps *heaps)
{
    return heaps->notes.nr_free || heaps->notes.nr_used < heaps->notes.committed;
}
/* NULL: no live block of the process starts there. */
struct note *note_find(const struct heaps *heaps, struct process_ref process, uint64_t address);
/* A broken heap may hand out a block that lies where another one is still live: the new one takes the place. */
void note_add(struct heaps *heaps, struct heap *heap, const struct note *note);
/* Returns the name of the block; none: it had none, or is not there. */
struct name_ref note_remove(struct heaps *heaps, struct heap *heap, uint64_t address);

/* Neighbouring blocks lie in neighbouring buckets: programs free what they allocated together. */
static inline uint32_t note_bucket(const struct heaps *heaps, struct process_ref process, uint64_t address)
{
    return ((uint32_t)(address / CHUNK_ALIGN) ^ process.index * 0x9e3779b1u) & (heaps->nr_buckets - 1);
}
static inline uint32_t *note_bucket_at(const struct heaps *heaps, uint32_t bucket)
{
    return (uint32_t *)(void *)heaps->note_buckets.items + bucket + 1;
}
/* The link that leads to the note of a block; without one, the link that ends its chain. */
static inline uint32_t *note_link(const struct heaps *heaps, struct process_ref process, uint64_t address)
{
    uint32_t *link = note_bucket_at(heaps, note_bucket(heaps, process, address));
    for (; *link; link = &note_at(heaps, *link)->link) {
        const struct note *note = note_at(heaps, *link);
        if (note->address == address && note->process.index == process.index)
            break;
    }
    return link;
}

/* by  1, or minus 1. */
static inline void note_count(struct heaps *heaps, struct heap *heap, uint64_t requested, uint64_t usable, uint64_t by)
{
    heap->nr_live += by;
    heaps->nr_live += by;
    heaps->requested_bytes += by * requested;
    heaps->allocated_bytes += by * usable;
}

/* Writes a note; there must be room. The item is handed out as pool_take() would, but not cleared first. */
static inline void note_write(struct heaps *heaps, struct heap *heap, uint64_t address, uint64_t requested, uint64_t usable,
                              struct name_ref name, uint32_t seq)
{
    struct pool *pool = &heaps->notes;
    uint32_t index = pool->first_free, *bucket = note_bucket_at(heaps, note_bucket(heaps, heap->process, address));
    struct note *note = note_at(heaps, index ? index : pool->nr_used);
    if (index) {
        pool->first_free = note->link;
        pool->nr_free--;
    } else {
        index = pool->nr_used++;
    }
    pool_count_taken(pool);
    note->link = *bucket;
    note->process = heap->process;
    note->address = address;
    note->requested = requested;
    note->usable = usable;
    note->name = name;
    note->seq = seq;
    *bucket = index;
    note_count(heaps, heap, requested, usable, 1);
}

/* Erases a note. Returns the name of its block.
 * link  what leads to the note. */
static inline struct name_ref note_erase(struct heaps *heaps, struct heap *heap, uint32_t *link)
{
    struct pool *pool = &heaps->notes;
    uint32_t index = *link;
    struct note *note = note_at(heaps, index);
    *link = note->link;
    note->link = pool->first_free;
    note->address = 0; /* it is nobody's */
    pool->first_free = index;
    pool->nr_free++;
    note_count(heaps, heap, note->requested, note->usable, UINT64_MAX);
    return note->name;
}
