/* Are the heaps as they must be? Chunks, bins and notes have to agree, unless the program has written over them. */
#include "alloc/base/check.h"
#include "alloc/malloc/malloc_bins.h"
#include "alloc/malloc/malloc_look.h"
#include "alloc/malloc/malloc_notes.h"

void heap_written(struct heaps *heaps, struct process_ref process, uint64_t address, uint64_t length)
{
    uint32_t heap = process_at(heaps->processes, process)->heap;
    const struct note *note = note_find(heaps, process, address);
    if (heap && (!note || length > note->usable))
        heap_at(heaps, heap)->is_written = true;
    if (heaps->libc->process.index == process.index)
        libc_forget_pages(heaps->libc); /* a page that was filled has lost its place */
}

/* A word that is never 0 in a heap. 0: the program has taken the page away (brk, madvise), and zeroes have come for it. */
static uint64_t look_never_zero(struct look *look, uint64_t chunk, enum chunk_word word)
{
    uint64_t value = look_chunk_word(look, chunk, word);
    look->absent |= !value;
    return value;
}

/* Walks the chunks from the start of the main heap to top. Returns what is wrong; NULL: nothing, as far as can be seen.
 * nr_free  out: chunks that must lie in bins. */
static const char *heap_check_chunks(struct look *look, uint64_t *nr_free)
{
    uint64_t top = look_top(look, look->heap->main_arena);
    bool was_free = false;
    for (uint64_t chunk = look_first_chunk(look), size; chunk && chunk != top; chunk += size) {
        uint64_t field = look_never_zero(look, chunk, CHUNK_SIZE);
        size = field & ~(uint64_t)SIZE_BITS;
        bool is_free = !(look_never_zero(look, chunk + size, CHUNK_SIZE) & PREV_INUSE);
        if (look->absent)
            return NULL;
        if (size == look->rules->header) {
            look->absent = true; /* a fence: somebody else moved the break, and what follows is not ours */
            return NULL;
        }
        if (size < look->rules->min_chunk || size % CHUNK_ALIGN || size > top - chunk)
            return "heap: a chunk has an impossible size";
        if (is_free && look_never_zero(look, chunk + size, CHUNK_PREV_SIZE) != size && !look->absent)
            return "heap: size and prev_size of a free chunk differ";
        if (was_free == !!(field & PREV_INUSE))
            return "heap: PREV_INUSE does not tell what the chunk before is";
        if (is_free && was_free)
            return "heap: two free chunks lie side by side";
        *nr_free += was_free = is_free;
    }
    return NULL;
}

static const char *heap_check_bins(struct look *look, uint64_t *nr_listed)
{
    for (uint32_t i = 1; i < NR_BINS; i++) {
        uint64_t bin = look_bin(look, look->heap->main_arena, i), before = bin;
        uint64_t left = look_word(look, look->heap->main_arena + look->rules->at_system_mem) / look->rules->min_chunk;
        for (uint64_t chunk; (chunk = look_chunk_word(look, before, CHUNK_FD)) != bin && !look->absent; before = chunk) {
            uint64_t size = look_never_zero(look, chunk, CHUNK_SIZE) & ~(uint64_t)SIZE_BITS;
            if (look_chunk_word(look, chunk, CHUNK_BK) != before && !look->absent)
                return "heap: the links of a bin do not agree";
            if (i > 1 && bin_index(look->rules, size) != i && !look->absent)
                return "heap: a chunk is in the wrong bin";
            if (!left--)
                return "heap: a bin without end";
            ++*nr_listed;
        }
    }
    return NULL;
}

static const char *heap_check_note(struct look *look, const struct note *note)
{
    uint64_t chunk = note->address - look->rules->header, field = look_never_zero(look, chunk, CHUNK_SIZE);
    uint64_t size = field & ~(uint64_t)SIZE_BITS;
    bool is_mapped = field & IS_MMAPPED;
    if (!look->absent && size - (is_mapped ? look->rules->mapped_unusable : look->rules->word) != note->usable)
        return "heap: a live block does not have the size that was noted";
    if (!look->absent && !is_mapped && !(look_never_zero(look, chunk + size, CHUNK_SIZE) & PREV_INUSE) && !look->absent)
        return "heap: a live block counts as free";
    look->absent = false;
    return NULL;
}

static const char *heap_check_one(const struct heaps *heaps, uint32_t index)
{
    struct look look = look_start(heaps, index);
    uint64_t nr_free = 0, nr_listed = 0;
    if (look.heap->is_written)
        return NULL;
    const char *wrong = look_first_chunk(&look) ? heap_check_chunks(&look, &nr_free) : NULL;
    if (!wrong)
        wrong = heap_check_bins(&look, &nr_listed);
    if (!wrong && !look.absent && nr_free != nr_listed)
        wrong = "heap: the bins do not hold the free chunks";
    return wrong;
}

static const char *heap_check_notes(const struct heaps *heaps)
{
    uint64_t nr = 0, requested = 0, usable = 0;
    for (uint32_t i = 1; i < heaps->notes.nr_used; i++) {
        const struct note *note = note_at(heaps, i);
        if (!note->address)
            continue;
        uint32_t heap = process_at(heaps->processes, note->process)->heap;
        if (!heap || note_find(heaps, note->process, note->address) != note)
            return "heap: a note is lost, or there twice";
        struct look look = look_start(heaps, heap);
        const char *wrong = look.heap->is_written ? NULL : heap_check_note(&look, note);
        if (wrong)
            return wrong;
        nr++;
        requested += note->requested;
        usable += note->usable;
    }
    bool agree = nr == heaps->nr_live && requested == heaps->requested_bytes && usable == heaps->allocated_bytes;
    return agree ? NULL : "heap: the counters of live blocks are wrong";
}

bool heaps_check(const struct heaps *heaps, char *text, size_t capacity)
{
    const char *wrong = heap_check_notes(heaps);
    for (uint32_t i = 1; !wrong && i < heaps->heaps.nr_used; i++)
        if (heap_at(heaps, i)->process.index)
            wrong = heap_check_one(heaps, i);
    return check_report(wrong, text, capacity);
}
