/* Looking at the chunks of a heap in address order: the main heap up to top, then the mappings of the thread arenas, then
 * blocks with a mapping of their own. A chunk does not say which list it is on, so the lists are walked. */
#include "alloc/malloc/malloc_bins.h"
#include "alloc/malloc/malloc_look.h"
#include "alloc/malloc/malloc_notes.h"
#include "alloc/malloc/malloc_tcache.h"
#include "pagoda/heap_view.h"

#define LIST_LOOK_MAX 1024u              /* links that a view follows to find out which list a chunk is on */
#define MAPPED_PHASE (UINT64_C(1) << 63) /* of a cursor: past the arenas; the rest is a note's index */

/* --- which list --- */

static bool look_is_on_unsorted(struct look *look, uint64_t arena, uint64_t chunk)
{
    uint64_t head = look_bin(look, arena, 1), at = look_chunk_word(look, head, CHUNK_FD);
    for (uint32_t i = 0; i < LIST_LOOK_MAX && at != head && !look->absent; i++) {
        if (at == chunk)
            return true;
        at = look_chunk_word(look, at, CHUNK_FD);
    }
    return false;
}

/* Is wanted on a singly linked list with protected links?
 * at       its first entry.
 * to_link  from an entry to the place of its link. */
static bool look_is_on_protected(struct look *look, uint64_t at, uint64_t wanted, uint64_t to_link)
{
    for (uint32_t i = 0; i < LIST_LOOK_MAX && at && !look->absent; i++) {
        if (at == wanted)
            return true;
        at = chunk_protect(at + to_link, look_word(look, at + to_link)) & look->rules->address_mask;
    }
    return false;
}

/* Is the chunk in the cache of some thread? The bins are short. */
static bool look_is_cached(struct look *look, uint64_t chunk, uint64_t size)
{
    uint64_t index = tcache_index(look->rules, size), mem = chunk + look->rules->header;
    if (index >= look_var(look, look->rules->at_tcache_bins) || index >= look->rules->nr_tcache_bins ||
        look_word(look, mem + look->rules->word) != look_var(look, look->rules->at_tcache_key))
        return false;
    for (uint32_t i = 0; i < HEAP_THREADS_MAX; i++) {
        uint64_t tcache = look_tcache(look, i);
        uint64_t entry = tcache + look->rules->at_tcache_entries + (index << look->rules->word_shift);
        if (tcache && look_is_on_protected(look, look_word(look, entry), mem, 0))
            return true;
    }
    return false;
}

static bool look_is_fast(struct look *look, uint64_t arena, uint64_t chunk)
{
    uint32_t index = fastbin_index(look->rules, look_chunk_size(look, chunk));
    if (index >= look->rules->nr_fast)
        return false;
    uint64_t bin = arena + look->rules->at_fast + ((uint64_t)index << look->rules->word_shift);
    return look_is_on_protected(look, look_word(look, bin), chunk, look->rules->header);
}

static const char *look_state(struct look *look, uint64_t arena, uint64_t chunk, uint64_t size)
{
    if (!(look_chunk_word(look, chunk + size, CHUNK_SIZE) & PREV_INUSE)) {
        if (look_is_on_unsorted(look, arena, chunk))
            return "unsorted";
        return bin_is_small(look->rules, size) ? "small" : "large";
    }
    if (look_is_cached(look, chunk, size))
        return "tcache";
    return look_is_fast(look, arena, chunk) ? "fast" : "used";
}

/* --- one chunk --- */

/* Blocks that glibc itself keeps in the heap. */
static const char *look_own_block(struct look *look, uint64_t mem)
{
    for (uint32_t i = 0; i < HEAP_THREADS_MAX; i++) {
        const struct heap_thread *thread = &look->heap->threads[i];
        if (look_tcache(look, i) == mem)
            return "(thread cache)";
        if (thread->dtv == mem)
            return "(thread's storage)";
    }
    for (uint32_t i = 0; i < look->heap->nr_kept_stacks; i++)
        if (look->heap->kept_stacks[i].dtv == mem)
            return "(thread's storage)";
    return "";
}

static void look_describe(struct look *look, uint64_t arena, const struct note *note, struct chunk_view *view)
{
    uint64_t field = look_chunk_word(look, view->address, CHUNK_SIZE);
    view->requested = note ? note->requested : 0;
    view->name = note ? name_text(look->heaps->names, note->name) : "";
    if (!*view->name && view->state[0] == 'u')
        view->name = look_own_block(look, view->address + look->rules->header);
    view->seq = note ? note->seq : 0;
    view->flags = field & SIZE_BITS;
    view->arena = arena;
}

/* The part of a heap that chunks follow one another in. */
struct strip {
    uint64_t arena, first, end; /* end: of the last chunk */
    uint64_t top;
};

/* Finds the strip that holds address, or the first one if address is 0. False: there is none.
 * after  the strip behind that one is wanted. */
static bool look_find_strip(struct look *look, uint64_t address, bool after, struct strip *strip)
{
    uint64_t main = look->heap->main_arena, cursor = 0, top = look_top(look, main);
    struct heap_region_view region;
    uint64_t first = look_first_chunk(look), end = top + look_chunk_size(look, top);
    bool is_found = !address && !after;
    *strip = (struct strip){ .arena = main, .first = first, .end = end, .top = top };
    if (first && (is_found || (address >= first && address < end))) {
        if (!after)
            return true;
        is_found = true;
    }
    while (heap_next_region(look->heaps, look->heap->process, &cursor, &region)) {
        *strip =
            (struct strip){ region.arena, region.first_chunk, region.address + region.size, look_top(look, region.arena) };
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
static bool look_in_strip(struct look *look, const struct strip *strip, uint64_t chunk, struct chunk_view *view)
{
    uint64_t size = look_chunk_size(look, chunk);
    if (look->absent || chunk < strip->first || chunk >= strip->end || size < look->rules->min_chunk ||
        size > strip->end - chunk)
        return false;
    const struct note *note = note_find(look->heaps, look->heap->process, chunk + look->rules->header);
    *view = (struct chunk_view){ .address = chunk, .size = size };
    view->state = chunk == strip->top ? "top" : note ? "used" : look_state(look, strip->arena, chunk, size);
    look->absent = false;
    look_describe(look, strip->arena, note, view);
    return true;
}

static bool look_mapped_note(struct look *look, const struct note *note, struct chunk_view *view)
{
    uint64_t chunk = note->address - look->rules->header;
    look->absent = false;
    uint64_t field = look_chunk_word(look, chunk, CHUNK_SIZE);
    if (!(field & IS_MMAPPED))
        return false;
    *view = (struct chunk_view){ .address = chunk, .size = field & ~(uint64_t)SIZE_BITS, .state = "mmap" };
    look_describe(look, 0, note, view);
    return true;
}

/* The next block with a mapping of its own, by note. */
static bool look_mapped(struct look *look, uint64_t *cursor, struct chunk_view *view)
{
    const struct heaps *heaps = look->heaps;
    for (uint32_t i = (uint32_t)*cursor + 1; i < heaps->notes.nr_used; i++) {
        const struct note *note = note_at(heaps, i);
        if (!note->address || note->process.index != look->heap->process.index || !look_mapped_note(look, note, view))
            continue;
        *cursor = MAPPED_PHASE | i;
        return true;
    }
    return false;
}

bool heap_chunk_at(const struct heaps *heaps, struct process_ref process, uint64_t address, struct chunk_view *chunk)
{
    uint32_t heap = process_at(heaps->processes, process)->heap;
    struct strip strip;
    if (!heap)
        return false;
    struct look look = look_start(heaps, heap);
    if (look_find_strip(&look, address, false, &strip))
        return look_in_strip(&look, &strip, address, chunk);
    const struct note *note = note_find(heaps, process, address + look.rules->header);
    return note && look_mapped_note(&look, note, chunk);
}

/* The cursor is the address of the chunk that comes next. */
bool heap_next_chunk(const struct heaps *heaps, struct process_ref process, uint64_t *cursor, struct chunk_view *chunk)
{
    uint32_t heap = process_at(heaps->processes, process)->heap;
    if (!heap)
        return false;
    struct look look = look_start(heaps, heap);
    struct strip strip;
    uint64_t at = *cursor;
    /* Strips of a broken heap may lead back to one another. */
    for (uint32_t left = LIST_LOOK_MAX; left && !(at & MAPPED_PHASE) && look_find_strip(&look, at, false, &strip); left--) {
        at = at ? at : strip.first;
        if (look_in_strip(&look, &strip, at, chunk)) {
            *cursor = at + chunk->size;
            if (*cursor >= strip.end)
                *cursor = look_find_strip(&look, at, true, &strip) ? strip.first : MAPPED_PHASE;
            return true;
        }
        look.absent = false;
        at = look_find_strip(&look, at, true, &strip) ? strip.first : MAPPED_PHASE;
    }
    *cursor = at & MAPPED_PHASE ? at : MAPPED_PHASE;
    return look_mapped(&look, cursor, chunk);
}

/* --- the words of one chunk --- */

static struct chunk_field_view *look_add_field(struct look *look, const struct chunk_view *chunk,
                                               struct chunk_field_view *field, const char *name, enum chunk_word word)
{
    uint32_t offset = (uint32_t)word << look->rules->word_shift;
    uint64_t value = look_word(look, chunk->address + offset);
    *field = (struct chunk_field_view){ .name = name, .offset = offset, .length = look->rules->word, .value = value };
    return field;
}

static void look_add_link(struct look *look, const struct chunk_view *chunk, struct chunk_field_view *field,
                          const char *name, enum chunk_word word, bool is_protected)
{
    look_add_field(look, chunk, field, name, word);
    field->is_link = true;
    field->protected = is_protected;
    field->target = field->value;
    if (is_protected)
        field->target = chunk_protect(chunk->address + field->offset, field->value) & look->rules->address_mask;
}

static bool look_is_state(const struct chunk_view *chunk, const char *state)
{
    return strcmp(chunk->state, state) == 0;
}

uint32_t heap_chunk_fields(const struct heaps *heaps, struct process_ref process, const struct chunk_view *chunk,
                           struct chunk_field_view *fields)
{
    struct look look = look_start(heaps, process_at(heaps->processes, process)->heap);
    uint32_t nr = 0;
    bool is_large = look_is_state(chunk, "large");
    look_add_field(&look, chunk, &fields[nr++], "prev_size", CHUNK_PREV_SIZE)->previous_block =
        (chunk->flags & PREV_INUSE) && !(chunk->flags & IS_MMAPPED);
    look_add_field(&look, chunk, &fields[nr++], "size", CHUNK_SIZE);
    if (look_is_state(chunk, "tcache")) {
        look_add_link(&look, chunk, &fields[nr++], "next", CHUNK_FD, true);
        look_add_field(&look, chunk, &fields[nr++], "key", CHUNK_BK);
    } else if (look_is_state(chunk, "fast")) {
        look_add_link(&look, chunk, &fields[nr++], "fd", CHUNK_FD, true);
    } else if (is_large || look_is_state(chunk, "small") || look_is_state(chunk, "unsorted")) {
        look_add_link(&look, chunk, &fields[nr++], "fd", CHUNK_FD, false);
        look_add_link(&look, chunk, &fields[nr++], "bk", CHUNK_BK, false);
        if (is_large) {
            look_add_link(&look, chunk, &fields[nr++], "fd_nextsize", CHUNK_FD_NEXTSIZE, false);
            look_add_link(&look, chunk, &fields[nr++], "bk_nextsize", CHUNK_BK_NEXTSIZE, false);
        }
    }
    return nr;
}
