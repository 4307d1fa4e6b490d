/* Notes: what the engine remembers of each live block beside the bytes of the process: the size that was asked for, who
 * asked, and when. A hash table over addresses, whose buckets double between operations when the chains grow. */
#include "alloc/malloc_internal.h"

#define FIRST_BUCKETS 1024u
#define MAX_BUCKETS (1u << 20)

/* Neighbouring blocks lie in neighbouring buckets: programs free what they allocated together. */
static uint32_t bucket_index(const struct heaps *heaps, uint32_t process, uint64_t address)
{
    return ((uint32_t)(address / CHUNK_ALIGN) ^ process * 0x9e3779b1u) & (heaps->nr_buckets - 1);
}

static uint32_t *bucket_at(const struct heaps *heaps, uint32_t index)
{
    return pool_at(&heaps->note_buckets, index + 1);
}

/* The link that leads to a note, or the end of the chain. */
static uint32_t *link_to(const struct heaps *heaps, uint32_t process, uint64_t address)
{
    uint32_t *link = bucket_at(heaps, bucket_index(heaps, process, address));
    for (; *link; link = &note_at(heaps, *link)->link) {
        const struct note *note = note_at(heaps, *link);
        if (note->address == address && note->process == process)
            break;
    }
    return link;
}

bool notes_have_room(const struct heaps *heaps)
{
    return heaps->notes.nr_free || heaps->notes.nr_used < heaps->notes.committed;
}

struct note *note_find(const struct heaps *heaps, uint32_t process, uint64_t address)
{
    if (!heaps->nr_buckets)
        return NULL;
    uint32_t note = *link_to(heaps, process, address);
    return note ? note_at(heaps, note) : NULL;
}

/* by: 1, or minus one */
static void count(struct heaps *heaps, struct heap *heap, const struct note *note, uint64_t by)
{
    heap->nr_live += by;
    heaps->nr_live += by;
    heaps->requested_bytes += by * note->requested;
    heaps->allocated_bytes += by * note->usable;
}

/* Notes come and go with every call: they are handed out like any pool's items, only that no item is cleared to be written
 * over at once. */
static uint32_t take_note(struct pool *pool, const struct note *note)
{
    uint32_t index = pool->first_free;
    struct note *mine = (struct note *)(void *)pool->items + index;
    if (index) {
        pool->first_free = mine->link;
        pool->nr_free--;
    } else {
        index = pool_take(pool);
        mine = (struct note *)(void *)pool->items + index;
    }
    if (index)
        *mine = *note;
    return index;
}

static void give_note(struct pool *pool, uint32_t index, struct note *note)
{
    *note = (struct note){ .link = pool->first_free };
    pool->first_free = index;
    pool->nr_free++;
}

/* A broken heap may hand out a block that lies where another one is still live: the new one takes the place. */
void note_add(struct heaps *heaps, struct heap *heap, const struct note *note)
{
    if (heap->is_written)
        (void)note_remove(heaps, heap, note->address);
    uint32_t *bucket = bucket_at(heaps, bucket_index(heaps, note->process, note->address));
    uint32_t index = take_note(&heaps->notes, note);
    if (!index)
        return;
    note_at(heaps, index)->link = *bucket;
    *bucket = index;
    count(heaps, heap, note, 1);
}

uint32_t note_remove(struct heaps *heaps, struct heap *heap, uint64_t address)
{
    uint32_t *link = link_to(heaps, heap->process, address), index = *link;
    if (!index)
        return 0;
    struct note *note = note_at(heaps, index);
    uint32_t label = note->label;
    *link = note->link;
    count(heaps, heap, note, UINT64_MAX);
    give_note(&heaps->notes, index, note);
    return label;
}

/* Each chain is split in two: bucket i keeps what still belongs there, the rest goes to i + nr. */
static void split_buckets(struct heaps *heaps)
{
    uint32_t nr = heaps->nr_buckets;
    heaps->nr_buckets = 2 * nr;
    heaps->note_buckets.nr_used = 2 * nr + 1;
    for (uint32_t i = 0; i < nr; i++) {
        uint32_t *stay = bucket_at(heaps, i), *move = bucket_at(heaps, i + nr);
        for (uint32_t at = *stay; at; at = note_at(heaps, at)->link) {
            const struct note *note = note_at(heaps, at);
            uint32_t **end = bucket_index(heaps, note->process, note->address) == i ? &stay : &move;
            **end = at;
            *end = &note_at(heaps, at)->link;
        }
        *stay = *move = 0;
    }
}

enum pagoda_error heaps_grow_buckets(struct heaps *heaps, const struct pagoda_host *host)
{
    struct pool *pool = &heaps->note_buckets;
    bool grow = heaps->nr_buckets != 0;
    uint32_t want = grow ? 2 * heaps->nr_buckets : FIRST_BUCKETS;
    if (heaps->nr_buckets >= MAX_BUCKETS)
        return PAGODA_OK;
    enum pagoda_error err = pool_reserve(pool, host, want + 1 - pool->nr_used);
    if (err)
        return err;
    if (grow) {
        split_buckets(heaps);
    } else {
        heaps->nr_buckets = want;
        pool->nr_used = want + 1;
    }
    return PAGODA_OK;
}

enum pagoda_error heaps_reserve(struct heaps *heaps, const struct pagoda_host *host, uint32_t nr_operations)
{
    enum pagoda_error err =
        pool_reserve(&heaps->notes, host, (uint64_t)2 * nr_operations); /* a block, a new thread's cost */
    return err ? err : heaps_reserve_each(heaps, host);
}

enum pagoda_error heaps_reserve_fork(struct heaps *heaps, const struct pagoda_host *host, uint32_t parent)
{
    uint32_t heap = process_at(heaps->processes, parent)->heap;
    enum pagoda_error err = heaps_reserve(heaps, host, 1);
    return err || !heap ? err : pool_reserve(&heaps->notes, host, heap_at(heaps, heap)->nr_live + 1);
}

/* --- processes come and go --- */

void heap_fork(struct heaps *heaps, uint32_t parent, uint32_t child)
{
    uint32_t from = process_at(heaps->processes, parent)->heap, to = from ? pool_take(&heaps->heaps) : 0;
    process_at(heaps->processes, child)->heap = to;
    if (!to)
        return;
    struct heap *heap = heap_at(heaps, to);
    *heap = *heap_at(heaps, from);
    heap->process = child;
    heap->thread = 0;
    heap->nr_live = 0;
    for (uint32_t i = 1, end = heaps->notes.nr_used; i < end; i++) {
        struct note note = *note_at(heaps, i);
        if (!note.address || note.process != parent)
            continue;
        note.process = child;
        note_add(heaps, heap, &note);
    }
    struct libc c;
    libc_start(&c, heaps, to);
    libc_forget_pages(&c); /* they were the parent's */
    arenas_after_fork(&c);
}

void heap_exit(struct heaps *heaps, uint32_t process)
{
    uint32_t index = process_at(heaps->processes, process)->heap;
    if (!index)
        return;
    for (uint32_t i = 1; heap_at(heaps, index)->nr_live && i < heaps->notes.nr_used; i++) {
        const struct note *note = note_at(heaps, i);
        if (note->address && note->process == process)
            (void)note_remove(heaps, heap_at(heaps, index), note->address);
    }
    pool_give(&heaps->heaps, index);
    process_at(heaps->processes, process)->heap = 0;
}

/* --- looking --- */

static struct heap_block block_of(const struct heaps *heaps, const struct note *note)
{
    return (struct heap_block){ .address = note->address,
                                .usable = note->usable,
                                .requested = note->requested,
                                .label = note->label,
                                .seq = note->seq,
                                .pid = process_at(heaps->processes, note->process)->pid };
}

bool heap_find(const struct heaps *heaps, uint32_t process, uint64_t address, struct heap_block *block)
{
    const struct note *note = note_find(heaps, process, address);
    if (note)
        *block = block_of(heaps, note);
    return note != NULL;
}

bool heap_next(const struct heaps *heaps, uint64_t *cursor, struct heap_block *block)
{
    for (uint32_t i = (uint32_t)*cursor + 1; i < heaps->notes.nr_used; i++) {
        const struct note *note = note_at(heaps, i);
        if (!note->address)
            continue;
        *block = block_of(heaps, note);
        *cursor = i;
        return true;
    }
    return false;
}
