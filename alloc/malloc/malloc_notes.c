/* Notes: what the engine remembers of each live block beside the bytes of the process. That is the size that was asked for,
 * who asked, and when. They stand in a hash table over addresses, whose buckets double between operations as they fill. */
#include "alloc/malloc/malloc_call.h"
#include "alloc/malloc/malloc_notes.h"

#define FIRST_BUCKETS 1024u
#define MAX_BUCKETS (1u << 20)

struct note *note_find(const struct heaps *heaps, struct process_ref process, uint64_t address)
{
    if (!heaps->nr_buckets)
        return NULL;
    uint32_t note = *note_link(heaps, process, address);
    return note ? note_at(heaps, note) : NULL;
}

void note_add(struct heaps *heaps, struct heap *heap, const struct note *note)
{
    if (heap->is_written)
        (void)note_remove(heaps, heap, note->address);
    if (pool_grow(&heaps->notes))
        note_write(heaps, heap, note->address, note->requested, note->usable, note->name, note->seq);
}

struct name_ref note_remove(struct heaps *heaps, struct heap *heap, uint64_t address)
{
    uint32_t *link = note_link(heaps, heap->process, address);
    if (*link)
        return note_erase(heaps, heap, link);
    heap->is_written = true; /* glibc took back what was nobody's: a free chunk may be on two lists now */
    return NAME_NONE;
}

/* Splits each chain in two: bucket i keeps what still belongs there, the rest goes to bucket i + nr. */
static void note_split_buckets(struct heaps *heaps)
{
    uint32_t nr = heaps->nr_buckets;
    heaps->nr_buckets = 2 * nr;
    heaps->note_buckets.nr_used = 2 * nr + 1;
    for (uint32_t i = 0; i < nr; i++) {
        uint32_t *stay = note_bucket_at(heaps, i), *move = note_bucket_at(heaps, i + nr);
        for (uint32_t at = *stay; at; at = note_at(heaps, at)->link) {
            const struct note *note = note_at(heaps, at);
            uint32_t **end = note_bucket(heaps, note->process, note->address) == i ? &stay : &move;
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
        note_split_buckets(heaps);
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

enum pagoda_error heaps_reserve_fork(struct heaps *heaps, const struct pagoda_host *host, struct process_ref parent)
{
    uint32_t heap = process_at(heaps->processes, parent)->heap;
    enum pagoda_error err = heaps_reserve(heaps, host, 1);
    return err || !heap ? err : pool_reserve(&heaps->notes, host, heap_at(heaps, heap)->nr_live + 1);
}

/* --- processes come and go --- */

bool heap_fork(struct heaps *heaps, struct process_ref parent, struct process_ref child)
{
    uint32_t from = process_at(heaps->processes, parent)->heap, to = from ? pool_take(&heaps->heaps) : 0;
    process_at(heaps->processes, child)->heap = to;
    if (!to)
        return true;
    struct heap *heap = heap_at(heaps, to);
    *heap = *heap_at(heaps, from);
    heap->process = child;
    heap->thread = 0;
    heap->nr_live = 0;
    for (uint32_t i = 1, end = heaps->notes.nr_used; i < end; i++) {
        struct note note = *note_at(heaps, i);
        if (!note.address || note.process.index != parent.index)
            continue;
        note.process = child;
        note_add(heaps, heap, &note);
    }
    struct libc *c = libc_start(heaps, child);
    arenas_after_fork(c);
    return !c->dead;
}

void heap_exit(struct heaps *heaps, struct process_ref process)
{
    uint32_t index = process_at(heaps->processes, process)->heap;
    if (!index)
        return;
    if (heaps->libc->process.index == process.index)
        heaps->libc->process = PROCESS_NONE;
    for (uint32_t i = 1; heap_at(heaps, index)->nr_live && i < heaps->notes.nr_used; i++) {
        const struct note *note = note_at(heaps, i);
        if (note->address && note->process.index == process.index)
            (void)note_remove(heaps, heap_at(heaps, index), note->address);
    }
    pool_give(&heaps->heaps, index);
    process_at(heaps->processes, process)->heap = 0;
}

/* --- looking --- */

static struct heap_block note_to_block(const struct heaps *heaps, const struct note *note)
{
    return (struct heap_block){ .address = note->address,
                                .usable = note->usable,
                                .requested = note->requested,
                                .name = note->name,
                                .seq = note->seq,
                                .pid = process_at(heaps->processes, note->process)->pid };
}

bool heap_find(const struct heaps *heaps, struct process_ref process, uint64_t address, struct heap_block *block)
{
    const struct note *note = note_find(heaps, process, address);
    if (note)
        *block = note_to_block(heaps, note);
    return note != NULL;
}

/* Of all notes, the one with bytes between from and end that begins first. */
static const struct note *note_scan(const struct heaps *heaps, struct process_ref process, uint64_t from, uint64_t end)
{
    const struct note *first = NULL;
    for (uint32_t i = 1; i < heaps->notes.nr_used; i++) {
        const struct note *note = note_at(heaps, i);
        if (note->address && note->process.index == process.index && note->address < end &&
            note->address + note->usable > from && (!first || note->address < first->address))
            first = note;
    }
    return first;
}

/* Blocks begin at multiples of CHUNK_ALIGN. The first one that begins at start or further on, below end. */
static const struct note *note_on(const struct heaps *heaps, struct process_ref process, uint64_t start, uint64_t end)
{
    const struct note *note = NULL;
    for (uint64_t at = start; !note && at < end; at += CHUNK_ALIGN)
        note = note_find(heaps, process, at);
    return note;
}

/* The nearest one that begins at start or before it, so many places back at most. */
static const struct note *note_back(const struct heaps *heaps, struct process_ref process, uint64_t start, uint64_t most)
{
    const struct note *note = NULL;
    for (uint64_t i = 0; !note && i <= most; i++)
        note = note_find(heaps, process, start - i * CHUNK_ALIGN);
    return note;
}

/* The block before decides: it reaches from, or the answer begins behind it. The way back to it is long where memory is
 * free. A step of it costs as much as a look at one note, so that it is no longer than there are notes. */
bool heap_find_in(const struct heaps *heaps, struct process_ref process, uint64_t floor, uint64_t from, uint64_t end,
                  struct heap_block *block)
{
    uint64_t start = from & ~(uint64_t)(CHUNK_ALIGN - 1), nr_notes = heaps->notes.nr_used;
    uint64_t most = start > floor ? (start - floor) / CHUNK_ALIGN : 0;
    const struct note *note = note_back(heaps, process, start, most < nr_notes ? most : nr_notes);
    if (!note && most > nr_notes)
        note = note_scan(heaps, process, from, end);
    else if (!note || note->address + note->usable <= from)
        note = note_on(heaps, process, start + CHUNK_ALIGN, end);
    if (note)
        *block = note_to_block(heaps, note);
    return note != NULL;
}

bool heap_next(const struct heaps *heaps, uint64_t *cursor, struct heap_block *block)
{
    for (uint32_t i = (uint32_t)*cursor + 1; i < heaps->notes.nr_used; i++) {
        const struct note *note = note_at(heaps, i);
        if (!note->address)
            continue;
        *block = note_to_block(heaps, note);
        *cursor = i;
        return true;
    }
    return false;
}
