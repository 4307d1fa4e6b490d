/* Looking at heaps without touching them: the strip of chunks, and the checks of machine_check(). Pages that are not
 * resident cannot be looked at; a walk ends there. */
#include "alloc/malloc_internal.h"

#define LIST_LOOK_MAX 1024u              /* links that a view follows to find out which list a chunk is on */
#define MAPPED_PHASE (UINT64_C(1) << 63) /* of a cursor: past top; the rest is a note's index */

struct look {
    const struct heaps *heaps;
    const struct heap *heap;
    const struct malloc_sizes *sizes;
    bool absent; /* something could not be read */
};

static struct look look_at(const struct heaps *heaps, uint32_t heap)
{
    return (
        struct look){ .heaps = heaps, .heap = heap_at(heaps, heap), .sizes = malloc_sizes_get(heaps->profile->word_bits) };
}

static uint64_t peek(struct look *look, uint64_t address)
{
    const struct heap *heap = look->heap;
    uint64_t value = 0;
    if (address / PAGE_SIZE == heap->main_arena / PAGE_SIZE && address % PAGE_SIZE + look->sizes->word <= PAGE_SIZE)
        memcpy(&value, heap->libc + address % PAGE_SIZE, look->sizes->word);
    else if (process_peek(look->heaps->processes, heap->process, address, &value, look->sizes->word) != look->sizes->word)
        look->absent = true;
    return look->absent ? 0 : value;
}

static uint64_t peek_chunk(struct look *look, uint64_t chunk, enum chunk_word word)
{
    return peek(look, chunk + ((uint64_t)word << look->sizes->word_shift));
}

static uint64_t peek_top(struct look *look)
{
    return peek(look, look->heap->main_arena + look->sizes->at_top);
}

static uint64_t peek_bin(const struct look *look, uint32_t index)
{
    return look->heap->main_arena + look->sizes->at_bins + 2ULL * index * look->sizes->word - 4ULL * look->sizes->word;
}

static uint64_t first_chunk(const struct look *look)
{
    uint64_t base = look->heap->par.sbrk_base;
    return base ? base + -(base + look->sizes->header) % CHUNK_ALIGN : 0;
}

/* --- which list --- */

static bool is_on_unsorted(struct look *look, uint64_t chunk)
{
    uint64_t head = peek_bin(look, 1), at = peek_chunk(look, head, CHUNK_FD);
    for (uint32_t i = 0; i < LIST_LOOK_MAX && at != head && !look->absent; i++) {
        if (at == chunk)
            return true;
        at = peek_chunk(look, at, CHUNK_FD);
    }
    return false;
}

/* A singly linked list whose links are mixed with their places; to_link: from what the list names to where its link is. */
static bool is_on_protected(struct look *look, uint64_t at, uint64_t wanted, uint64_t to_link)
{
    for (uint32_t i = 0; i < LIST_LOOK_MAX && at && !look->absent; i++) {
        if (at == wanted)
            return true;
        at = protect(at + to_link, peek(look, at + to_link));
    }
    return false;
}

static bool is_cached(struct look *look, uint64_t chunk, uint64_t size)
{
    uint32_t index = tcache_index(look->sizes, size);
    uint64_t tcache = look->heap->threads[0].tcache, mem = chunk + look->sizes->header;
    if (!tcache || index >= TCACHE_BINS_MAX)
        return false;
    uint64_t entry = tcache + 2 * TCACHE_BINS_MAX + ((uint64_t)index << look->sizes->word_shift);
    return is_on_protected(look, peek(look, entry), mem, 0);
}

static bool is_fast(struct look *look, uint64_t chunk, uint64_t size)
{
    uint32_t index = fast_index(look->sizes, size);
    if (index >= look->sizes->nr_fast)
        return false;
    uint64_t bin = look->heap->main_arena + look->sizes->at_fast + ((uint64_t)index << look->sizes->word_shift);
    return is_on_protected(look, peek(look, bin), chunk, look->sizes->header);
}

static const char *state_of(struct look *look, uint64_t chunk, uint64_t size)
{
    if (!(peek_chunk(look, chunk + size, CHUNK_SIZE) & PREV_INUSE)) {
        if (is_on_unsorted(look, chunk))
            return "unsorted";
        return is_small(look->sizes, size) ? "small" : "large";
    }
    if (is_cached(look, chunk, size))
        return "tcache";
    return is_fast(look, chunk, size) ? "fast" : "used";
}

/* --- the strip --- */

static void describe(const struct look *look, const struct note *note, struct chunk_view *view)
{
    view->requested = note ? note->requested : 0;
    view->label = note ? label_text(look->heaps->labels, note->label) : "";
}

/* False: the walk ends before chunk. */
static bool view_chunk(struct look *look, uint64_t chunk, struct chunk_view *view)
{
    uint64_t top = peek_top(look), size = peek_chunk(look, chunk, CHUNK_SIZE) & ~(uint64_t)SIZE_BITS;
    if (look->absent || chunk > top || size < look->sizes->min_chunk || (chunk != top && size > top - chunk))
        return false;
    const struct note *note = note_find(look->heaps, look->heap->process, chunk + look->sizes->header);
    view->address = chunk;
    view->size = size;
    view->state = chunk == top ? "top" : note ? "used" : state_of(look, chunk, size);
    describe(look, note, view);
    look->absent = false;
    return true;
}

/* The next block with a mapping of its own, by note. */
static bool view_mapped(struct look *look, uint64_t *cursor, struct chunk_view *view)
{
    const struct heaps *heaps = look->heaps;
    for (uint32_t i = (uint32_t)*cursor + 1; i < heaps->notes.nr_used; i++) {
        const struct note *note = note_at(heaps, i);
        uint64_t chunk = note->address - look->sizes->header;
        if (!note->address || note->process != look->heap->process)
            continue;
        look->absent = false;
        uint64_t field = peek_chunk(look, chunk, CHUNK_SIZE);
        if (!(field & IS_MMAPPED))
            continue;
        *view = (struct chunk_view){ .address = chunk, .size = field & ~(uint64_t)SIZE_BITS, .state = "mmap" };
        describe(look, note, view);
        *cursor = MAPPED_PHASE | i;
        return true;
    }
    return false;
}

bool heap_next_chunk(const struct heaps *heaps, uint32_t process, uint64_t *cursor, struct chunk_view *chunk)
{
    uint32_t heap = process_at(heaps->processes, process)->heap;
    if (!heap)
        return false;
    struct look look = look_at(heaps, heap);
    uint64_t at = *cursor ? *cursor : first_chunk(&look);
    if (at && !(at & MAPPED_PHASE) && view_chunk(&look, at, chunk)) {
        *cursor = at == peek_top(&look) ? MAPPED_PHASE : at + chunk->size;
        return true;
    }
    if (!(at & MAPPED_PHASE))
        *cursor = MAPPED_PHASE;
    return view_mapped(&look, cursor, chunk);
}

/* --- checks --- */

void heap_written(struct heaps *heaps, uint32_t process, uint64_t address, uint64_t length)
{
    uint32_t heap = process_at(heaps->processes, process)->heap;
    const struct note *note = note_find(heaps, process, address);
    if (heap && (!note || length > note->usable))
        heap_at(heaps, heap)->is_written = true;
}

static bool complain(char *text, size_t capacity, const char *what)
{
    size_t length = strlen(what);
    if (capacity) {
        length = length < capacity ? length : capacity - 1;
        memcpy(text, what, length);
        text[length] = '\0';
    }
    return false;
}

/* The chunks from the start of the heap to top; *nr_free: those that lie in bins. NULL: all is well as far as it can be
 * seen. */
static const char *check_chunks(struct look *look, uint64_t *nr_free)
{
    uint64_t top = peek_top(look);
    bool was_free = false;
    for (uint64_t chunk = first_chunk(look), size; chunk && chunk != top; chunk += size) {
        uint64_t field = peek_chunk(look, chunk, CHUNK_SIZE);
        size = field & ~(uint64_t)SIZE_BITS;
        bool is_free = !(peek_chunk(look, chunk + size, CHUNK_SIZE) & PREV_INUSE);
        if (look->absent)
            return NULL;
        if (size == look->sizes->header) {
            look->absent = true; /* a fence: somebody else moved the break, and what follows is not ours */
            return NULL;
        }
        if (size < look->sizes->min_chunk || size % CHUNK_ALIGN || size > top - chunk)
            return "heap: a chunk has an impossible size";
        if (is_free && peek_chunk(look, chunk + size, CHUNK_PREV_SIZE) != size)
            return "heap: size and prev_size of a free chunk differ";
        if (was_free == !!(field & PREV_INUSE))
            return "heap: PREV_INUSE does not tell what the chunk before is";
        if (is_free && was_free)
            return "heap: two free chunks lie side by side";
        *nr_free += was_free = is_free;
    }
    return NULL;
}

static const char *check_bins(struct look *look, uint64_t *nr_listed)
{
    for (uint32_t i = 1; i < NR_BINS; i++) {
        uint64_t bin = peek_bin(look, i), before = bin;
        uint64_t left = peek(look, look->heap->main_arena + look->sizes->at_system_mem) / look->sizes->min_chunk;
        for (uint64_t chunk; (chunk = peek_chunk(look, before, CHUNK_FD)) != bin && !look->absent; before = chunk) {
            uint64_t size = peek_chunk(look, chunk, CHUNK_SIZE) & ~(uint64_t)SIZE_BITS;
            if (peek_chunk(look, chunk, CHUNK_BK) != before && !look->absent)
                return "heap: the links of a bin do not agree";
            if (i > 1 && bin_index(look->sizes, size) != i && !look->absent)
                return "heap: a chunk is in the wrong bin";
            if (!left--)
                return "heap: a bin without end";
            ++*nr_listed;
        }
    }
    return NULL;
}

static const char *check_note(struct look *look, const struct note *note)
{
    uint64_t chunk = note->address - look->sizes->header, field = peek_chunk(look, chunk, CHUNK_SIZE);
    uint64_t size = field & ~(uint64_t)SIZE_BITS;
    bool is_mapped = field & IS_MMAPPED;
    if (!look->absent && size - (is_mapped ? look->sizes->header : look->sizes->word) != note->usable)
        return "heap: a live block does not have the size that was noted";
    if (!look->absent && !is_mapped && !(peek_chunk(look, chunk + size, CHUNK_SIZE) & PREV_INUSE) && !look->absent)
        return "heap: a live block counts as free";
    look->absent = false;
    return NULL;
}

static const char *check_heap(const struct heaps *heaps, uint32_t index)
{
    struct look look = look_at(heaps, index);
    uint64_t nr_free = 0, nr_listed = 0;
    if (look.heap->is_written)
        return NULL;
    const char *wrong = look.heap->par.sbrk_base ? check_chunks(&look, &nr_free) : NULL;
    if (!wrong)
        wrong = check_bins(&look, &nr_listed);
    if (!wrong && !look.absent && nr_free != nr_listed)
        wrong = "heap: the bins do not hold the free chunks";
    return wrong;
}

static const char *check_notes(const struct heaps *heaps)
{
    uint64_t nr = 0, requested = 0, usable = 0;
    for (uint32_t i = 1; i < heaps->notes.nr_used; i++) {
        const struct note *note = note_at(heaps, i);
        if (!note->address)
            continue;
        uint32_t heap = process_at(heaps->processes, note->process)->heap;
        if (!heap || note_find(heaps, note->process, note->address) != note)
            return "heap: a note is lost, or there twice";
        struct look look = look_at(heaps, heap);
        const char *wrong = look.heap->is_written ? NULL : check_note(&look, note);
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
    const char *wrong = check_notes(heaps);
    for (uint32_t i = 1; !wrong && i < heaps->heaps.nr_used; i++)
        if (heap_at(heaps, i)->process)
            wrong = check_heap(heaps, i);
    return wrong ? complain(text, capacity, wrong) : true;
}
