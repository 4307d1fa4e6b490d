/* Looking at the chunks of a heap in address order: the main heap up to top, then the mappings of the thread arenas, then
 * blocks with a mapping of their own. Which list a free chunk is on is found by walking that list. */
#include "alloc/malloc/malloc_look.h"
#include "pagoda/heap_view.h"

#define LIST_LOOK_MAX 1024u              /* links that a view follows to find out which list a chunk is on */
#define MAPPED_PHASE (UINT64_C(1) << 63) /* of a cursor: past the arenas; the rest is a note's index */

/* --- which list --- */

static bool is_on_unsorted(struct look *look, uint64_t arena, uint64_t chunk)
{
    uint64_t head = look_bin(look, arena, 1), at = peek_chunk(look, head, CHUNK_FD);
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
        at = protect(at + to_link, peek(look, at + to_link)) & look->sizes->address_mask;
    }
    return false;
}

/* The chunk is in the cache of some thread: the bins are short. */
static bool is_cached(struct look *look, uint64_t chunk, uint64_t size)
{
    uint32_t index = tcache_index(look->sizes, size);
    uint64_t mem = chunk + look->sizes->header;
    if (index >= look->heap->par.tcache_bins || index >= TCACHE_BINS_MAX ||
        peek(look, mem + look->sizes->word) != look->heap->tcache_key)
        return false;
    for (uint32_t i = 0; i < HEAP_THREADS_MAX; i++) {
        uint64_t tcache = look->heap->threads[i].tcache;
        uint64_t entry = tcache + 2 * TCACHE_BINS_MAX + ((uint64_t)index << look->sizes->word_shift);
        if (tcache && is_on_protected(look, peek(look, entry), mem, 0))
            return true;
    }
    return false;
}

static bool is_fast(struct look *look, uint64_t arena, uint64_t chunk, uint64_t size)
{
    uint32_t index = fast_index(look->sizes, size);
    if (index >= look->sizes->nr_fast)
        return false;
    uint64_t bin = arena + look->sizes->at_fast + ((uint64_t)index << look->sizes->word_shift);
    return is_on_protected(look, peek(look, bin), chunk, look->sizes->header);
}

static const char *state_of(struct look *look, uint64_t arena, uint64_t chunk, uint64_t size)
{
    if (!(peek_chunk(look, chunk + size, CHUNK_SIZE) & PREV_INUSE)) {
        if (is_on_unsorted(look, arena, chunk))
            return "unsorted";
        return is_small(look->sizes, size) ? "small" : "large";
    }
    if (is_cached(look, chunk, size))
        return "tcache";
    return is_fast(look, arena, chunk, size) ? "fast" : "used";
}

/* --- one chunk --- */

/* Blocks that glibc itself keeps in the heap. */
static const char *own_block(const struct look *look, uint64_t mem)
{
    for (uint32_t i = 0; i < HEAP_THREADS_MAX; i++) {
        const struct heap_thread *thread = &look->heap->threads[i];
        if (thread->tcache == mem)
            return "(thread cache)";
        if (thread->dtv == mem)
            return "(thread's storage)";
    }
    for (uint32_t i = 0; i < look->heap->nr_kept_stacks; i++)
        if (look->heap->kept_stacks[i].dtv == mem)
            return "(thread's storage)";
    return "";
}

static void describe(struct look *look, uint64_t arena, const struct note *note, struct chunk_view *view)
{
    uint64_t field = peek_chunk(look, view->address, CHUNK_SIZE);
    view->requested = note ? note->requested : 0;
    view->name = note ? name_text(look->heaps->names, note->name) : "";
    if (!*view->name && view->state[0] == 'u')
        view->name = own_block(look, view->address + look->sizes->header);
    view->seq = note ? note->seq : 0;
    view->flags = field & SIZE_BITS;
    view->arena = arena;
}

/* The part of a heap that chunks follow one another in. */
struct strip {
    uint64_t arena, first, end; /* end: of the last chunk */
    uint64_t top;
};

/* The strip that holds address; with address 0: the first one. after: the one behind that. */
static bool find_strip(struct look *look, uint64_t address, bool after, struct strip *strip)
{
    uint64_t main = look->heap->main_arena, cursor = 0, top = peek_top(look, main);
    struct heap_region_view region;
    uint64_t first = look_first_chunk(look), end = top + peek_size(look, top);
    bool is_found = !address && !after;
    *strip = (struct strip){ .arena = main, .first = first, .end = end, .top = top };
    if (first && (is_found || (address >= first && address < end))) {
        if (!after)
            return true;
        is_found = true;
    }
    while (heap_next_region(look->heaps, look->heap->process, &cursor, &region)) {
        *strip =
            (struct strip){ region.arena, region.first_chunk, region.address + region.size, peek_top(look, region.arena) };
        if (is_found || !first)
            return true;
        if (address < strip->first || address >= strip->end)
            continue;
        if (!after)
            return true;
        is_found = true;
    }
    return false;
}

/* False: the strip ends before chunk (a fence, or what cannot be a chunk). */
static bool view_in_strip(struct look *look, const struct strip *strip, uint64_t chunk, struct chunk_view *view)
{
    uint64_t size = peek_size(look, chunk);
    if (look->absent || chunk < strip->first || chunk >= strip->end || size < look->sizes->min_chunk ||
        size > strip->end - chunk)
        return false;
    const struct note *note = note_find(look->heaps, look->heap->process, chunk + look->sizes->header);
    *view = (struct chunk_view){ .address = chunk, .size = size };
    view->state = chunk == strip->top ? "top" : note ? "used" : state_of(look, strip->arena, chunk, size);
    look->absent = false;
    describe(look, strip->arena, note, view);
    return true;
}

static bool view_mapped_note(struct look *look, const struct note *note, struct chunk_view *view)
{
    uint64_t chunk = note->address - look->sizes->header;
    look->absent = false;
    uint64_t field = peek_chunk(look, chunk, CHUNK_SIZE);
    if (!(field & IS_MMAPPED))
        return false;
    *view = (struct chunk_view){ .address = chunk, .size = field & ~(uint64_t)SIZE_BITS, .state = "mmap" };
    describe(look, 0, note, view);
    return true;
}

/* The next block with a mapping of its own, by note. */
static bool view_mapped(struct look *look, uint64_t *cursor, struct chunk_view *view)
{
    const struct heaps *heaps = look->heaps;
    for (uint32_t i = (uint32_t)*cursor + 1; i < heaps->notes.nr_used; i++) {
        const struct note *note = note_at(heaps, i);
        if (!note->address || note->process != look->heap->process || !view_mapped_note(look, note, view))
            continue;
        *cursor = MAPPED_PHASE | i;
        return true;
    }
    return false;
}

bool heap_chunk_at(const struct heaps *heaps, uint32_t process, uint64_t address, struct chunk_view *chunk)
{
    uint32_t heap = process_at(heaps->processes, process)->heap;
    struct strip strip;
    if (!heap)
        return false;
    struct look look = look_at(heaps, heap);
    if (find_strip(&look, address, false, &strip))
        return view_in_strip(&look, &strip, address, chunk);
    const struct note *note = note_find(heaps, process, address + look.sizes->header);
    return note && view_mapped_note(&look, note, chunk);
}

/* The cursor is the address of the chunk that comes next. */
bool heap_next_chunk(const struct heaps *heaps, uint32_t process, uint64_t *cursor, struct chunk_view *chunk)
{
    uint32_t heap = process_at(heaps->processes, process)->heap;
    if (!heap)
        return false;
    struct look look = look_at(heaps, heap);
    struct strip strip;
    uint64_t at = *cursor;
    while (!(at & MAPPED_PHASE) && find_strip(&look, at, false, &strip)) {
        at = at ? at : strip.first;
        if (view_in_strip(&look, &strip, at, chunk)) {
            *cursor = at + chunk->size;
            if (*cursor >= strip.end)
                *cursor = find_strip(&look, at, true, &strip) ? strip.first : MAPPED_PHASE;
            return true;
        }
        look.absent = false;
        at = find_strip(&look, at, true, &strip) ? strip.first : MAPPED_PHASE;
    }
    *cursor = at & MAPPED_PHASE ? at : MAPPED_PHASE;
    return view_mapped(&look, cursor, chunk);
}

/* --- the words of one chunk --- */

static struct chunk_field_view *add_field(struct look *look, const struct chunk_view *chunk, struct chunk_field_view *field,
                                          const char *name, enum chunk_word word)
{
    uint32_t offset = (uint32_t)word << look->sizes->word_shift;
    uint64_t value = peek(look, chunk->address + offset);
    *field = (struct chunk_field_view){ .name = name, .offset = offset, .length = look->sizes->word, .value = value };
    return field;
}

static void add_link(struct look *look, const struct chunk_view *chunk, struct chunk_field_view *field, const char *name,
                     enum chunk_word word, bool is_protected)
{
    add_field(look, chunk, field, name, word);
    field->is_link = true;
    field->is_protected = is_protected;
    field->target = field->value;
    if (is_protected)
        field->target = protect(chunk->address + field->offset, field->value) & look->sizes->address_mask;
}

static bool is_state(const struct chunk_view *chunk, const char *state)
{
    return strcmp(chunk->state, state) == 0;
}

uint32_t heap_chunk_fields(const struct heaps *heaps, uint32_t process, const struct chunk_view *chunk,
                           struct chunk_field_view *fields)
{
    struct look look = look_at(heaps, process_at(heaps->processes, process)->heap);
    uint32_t nr = 0;
    bool is_large = is_state(chunk, "large");
    add_field(&look, chunk, &fields[nr++], "prev_size", CHUNK_PREV_SIZE)->is_users =
        (chunk->flags & PREV_INUSE) && !(chunk->flags & IS_MMAPPED);
    add_field(&look, chunk, &fields[nr++], "size", CHUNK_SIZE);
    if (is_state(chunk, "tcache")) {
        add_link(&look, chunk, &fields[nr++], "next", CHUNK_FD, true);
        add_field(&look, chunk, &fields[nr++], "key", CHUNK_BK);
    } else if (is_state(chunk, "fast")) {
        add_link(&look, chunk, &fields[nr++], "fd", CHUNK_FD, true);
    } else if (is_large || is_state(chunk, "small") || is_state(chunk, "unsorted")) {
        add_link(&look, chunk, &fields[nr++], "fd", CHUNK_FD, false);
        add_link(&look, chunk, &fields[nr++], "bk", CHUNK_BK, false);
        if (is_large) {
            add_link(&look, chunk, &fields[nr++], "fd_nextsize", CHUNK_FD_NEXTSIZE, false);
            add_link(&look, chunk, &fields[nr++], "bk_nextsize", CHUNK_BK_NEXTSIZE, false);
        }
    }
    return nr;
}
