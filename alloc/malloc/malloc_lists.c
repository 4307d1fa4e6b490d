/* Looking at what malloc keeps beside the chunks: its options, the arenas and their mappings, the threads, and the lists of
 * free chunks. A broken list may lead anywhere: callers that walk one decide how far. */
#include "alloc/malloc/malloc_look.h"
#include "pagoda/heap_view.h"

uint64_t peek_bytes(struct look *look, uint64_t address, uint32_t nr_bytes)
{
    const struct heap *heap = look->heap;
    uint64_t value = 0;
    if (look->absent)
        return 0;
    if (address / PAGE_SIZE == heap->main_arena / PAGE_SIZE && address % PAGE_SIZE + nr_bytes <= PAGE_SIZE)
        memcpy(&value, heap->libc + address % PAGE_SIZE, nr_bytes);
    else if (process_peek(look->heaps->processes, heap->process, address, &value, nr_bytes) != nr_bytes)
        look->absent = true;
    return look->absent ? 0 : value;
}

static uint32_t heap_index(const struct heaps *heaps, uint32_t process)
{
    return process_at(heaps->processes, process)->heap;
}

bool heap_look(const struct heaps *heaps, uint32_t process, struct heap_view *view)
{
    *view = (struct heap_view){ 0 };
    if (!heap_index(heaps, process))
        return false;
    struct look look = look_at(heaps, heap_index(heaps, process));
    const struct malloc_par *par = &look.heap->par;
    const struct malloc_sizes *s = look.sizes;
    *view = (struct heap_view){ .is_there = true,
                                .word = s->word,
                                .header = s->header,
                                .min_chunk = s->min_chunk,
                                .tcache_key = look.heap->tcache_key,
                                .mmap_threshold = par->mmap_threshold,
                                .trim_threshold = par->trim_threshold,
                                .top_pad = par->top_pad,
                                .max_fast = par->max_fast,
                                .is_threshold_fixed = par->no_dyn_threshold,
                                .tcache_max = s->min_chunk + (par->tcache_bins - 1) * CHUNK_ALIGN,
                                .tcache_count = par->tcache_count,
                                .n_mmaps = par->n_mmaps,
                                .n_mmaps_max = par->n_mmaps_max,
                                .max_n_mmaps = par->max_n_mmaps,
                                .mmapped_mem = par->mmapped_mem,
                                .max_mmapped_mem = par->max_mmapped_mem,
                                .nr_arenas = look.heap->nr_arenas,
                                .arena_max = look.heap->nr_arenas_max };
    return true;
}

/* --- arenas --- */

/* The arena of that number, counted from the main one along their ring; 0: there are not so many. */
static uint64_t arena_number(struct look *look, uint64_t number)
{
    uint64_t arena = look->heap->main_arena;
    for (; number && arena; number--) {
        arena = peek(look, arena + look->sizes->at_next);
        if (arena == look->heap->main_arena)
            return 0;
    }
    return arena;
}

static uint32_t count_threads(const struct heap *heap, uint64_t arena)
{
    uint32_t nr = 0;
    for (uint32_t i = 0; i < HEAP_THREADS_MAX; i++)
        nr += heap->threads[i].arena == arena;
    return nr;
}

static bool is_on_free_list(struct look *look, uint64_t arena)
{
    uint64_t at = look->heap->arena_free_list;
    for (uint64_t left = look->heap->nr_arenas; at && left; left--, at = peek(look, at + look->sizes->at_next_free))
        if (at == arena)
            return true;
    return false;
}

bool heap_next_arena(const struct heaps *heaps, uint32_t process, uint64_t *cursor, struct arena_view *view)
{
    uint32_t heap = heap_index(heaps, process);
    if (!heap || *cursor >= heap_at(heaps, heap)->nr_arenas)
        return false;
    struct look look = look_at(heaps, heap);
    const struct malloc_sizes *s = look.sizes;
    uint64_t arena = arena_number(&look, (*cursor)++), top = peek_top(&look, arena);
    bool has_top = arena && top != look_bin(&look, arena, 1);
    if (!arena)
        return false;
    uint64_t flags = peek_bytes(&look, arena + ARENA_FLAGS, 4);
    *view = (struct arena_view){ .address = arena,
                                 .is_main = arena == look.heap->main_arena,
                                 .is_free = is_on_free_list(&look, arena),
                                 .is_contiguous = !(flags & ARENA_NONCONTIGUOUS),
                                 .has_fast = peek_bytes(&look, arena + ARENA_HAVE_FAST, 4) != 0,
                                 .nr_threads = count_threads(look.heap, arena),
                                 .top = has_top ? top : 0,
                                 .top_size = has_top ? peek_size(&look, top) : 0,
                                 .last_remainder = peek(&look, arena + s->at_last_remainder),
                                 .system_mem = peek(&look, arena + s->at_system_mem),
                                 .max_system_mem = peek(&look, arena + s->at_max_system_mem) };
    for (uint32_t i = 0; i < BINMAP_WORDS; i++)
        view->binmap[i] = (uint32_t)peek_bytes(&look, arena + s->at_binmap + 4 * i, 4);
    return true;
}

/* --- the mappings of thread arenas --- */

static uint64_t region_of(const struct look *look, uint64_t address)
{
    return address & ~(look->sizes->heap_max - 1);
}

/* The first chunk of a region: behind the arena itself, if that lies in it. */
static uint64_t region_first(const struct look *look, uint64_t region, uint64_t arena)
{
    uint64_t first =
        region_of(look, arena) == region ? arena + look->sizes->arena_bytes : region + look->sizes->heap_info_bytes;
    return first + -(first + look->sizes->header) % CHUNK_ALIGN;
}

/* The last region of an arena is the one that holds top; each names the one before it. Cursor: arena's number << 32 |
 * number of the region from there back. */
bool heap_next_region(const struct heaps *heaps, uint32_t process, uint64_t *cursor, struct heap_region_view *view)
{
    uint32_t heap = heap_index(heaps, process);
    if (!heap)
        return false;
    struct look look = look_at(heaps, heap);
    uint64_t number = *cursor >> 32, back = *cursor & UINT32_MAX;
    for (number += !number; number < look.heap->nr_arenas; number++, back = 0) {
        uint64_t arena = arena_number(&look, number), region = arena ? region_of(&look, peek_top(&look, arena)) : 0;
        for (uint64_t i = back; i && region; i--)
            region = peek(&look, region + look.sizes->word);
        if (look.absent)
            return false;
        if (!region)
            continue;
        *cursor = number << 32 | (back + 1);
        *view = (struct heap_region_view){ .address = region,
                                           .arena = arena,
                                           .previous = peek(&look, region + look.sizes->word),
                                           .size = peek(&look, region + 2ULL * look.sizes->word),
                                           .mprotect_size = peek(&look, region + 3ULL * look.sizes->word),
                                           .first_chunk = region_first(&look, region, arena) };
        return true;
    }
    return false;
}

/* --- threads --- */

bool heap_next_thread(const struct heaps *heaps, uint32_t process, uint64_t *cursor, struct heap_thread_view *view)
{
    uint32_t heap = heap_index(heaps, process);
    for (; heap && *cursor < HEAP_THREADS_MAX; (*cursor)++) {
        const struct heap_thread *thread = &heap_at(heaps, heap)->threads[*cursor];
        if (*cursor && !thread->dtv)
            continue;
        *view = (struct heap_thread_view){ .tid = (uint32_t)*cursor,
                                           .arena = thread->arena,
                                           .tcache = thread->tcache,
                                           .dtv = thread->dtv,
                                           .stack = thread->stack,
                                           .stack_end = thread->stack ? thread->stack + THREAD_STACK_SPAN : 0 };
        ++*cursor;
        return true;
    }
    return false;
}

/* --- lists --- */

static bool tcache_list(struct look *look, uint32_t tid, uint32_t index, struct heap_list_view *list)
{
    uint64_t tcache = look->heap->threads[tid].tcache;
    if (!tcache)
        return false;
    uint64_t head = tcache + 2 * TCACHE_BINS_MAX + ((uint64_t)index << look->sizes->word_shift);
    uint64_t size = look->sizes->min_chunk + (uint64_t)index * CHUNK_ALIGN;
    *list = (struct heap_list_view){ .kind = "tcache", .index = index, .tid = tid, .head = head, .min_size = size };
    list->max_size = size;
    list->count = (uint32_t)peek_bytes(look, tcache + 2 * index, 2);
    return list->count || peek(look, head);
}

static bool fast_list(struct look *look, uint64_t arena, uint32_t index, struct heap_list_view *list)
{
    uint64_t head = arena + look->sizes->at_fast + ((uint64_t)index << look->sizes->word_shift);
    uint64_t size = ((uint64_t)index + 2) << look->sizes->fast_shift;
    *list = (struct heap_list_view){ .kind = "fast", .index = index, .arena = arena, .head = head, .min_size = size };
    list->max_size = size;
    return peek(look, head) != 0;
}

/* The smallest size that belongs into a bin, or the first beyond all: found by halving, for sizes and bins rise together.
 */
static uint64_t bin_from(const struct malloc_sizes *s, uint32_t index)
{
    uint64_t low = s->min_chunk, high = UINT64_C(1) << 20;
    while (low < high) {
        uint64_t middle = ((low + high) / 2) & ~(uint64_t)(CHUNK_ALIGN - 1);
        if (bin_index(s, middle) >= index)
            high = middle;
        else
            low = middle + CHUNK_ALIGN;
    }
    return low;
}

static bool bin_list(struct look *look, uint64_t arena, uint32_t index, struct heap_list_view *list)
{
    uint64_t head = look_bin(look, arena, index);
    *list = (struct heap_list_view){ .kind = "unsorted", .index = index, .arena = arena, .head = head };
    uint64_t first = peek_chunk(look, head, CHUNK_FD);
    if (!first || first == head)
        return false;
    if (index == 1)
        return true;
    list->min_size = bin_from(look->sizes, index);
    list->max_size = index == 126 ? 0 : bin_from(look->sizes, index + 1) - CHUNK_ALIGN;
    list->kind = is_small(look->sizes, list->min_size) ? "small" : "large";
    return true;
}

/* Number of the list among all that there may be: caches by thread, then fastbins and bins by arena. */
static bool list_number(struct look *look, uint64_t number, struct heap_list_view *list, bool *ended)
{
    const uint64_t caches = (uint64_t)HEAP_THREADS_MAX * TCACHE_BINS_MAX, per_arena = look->sizes->nr_fast + NR_BINS - 2;
    if (number < caches)
        return tcache_list(look, (uint32_t)(number / TCACHE_BINS_MAX), (uint32_t)(number % TCACHE_BINS_MAX), list);
    number -= caches;
    uint64_t arena = number / per_arena < look->heap->nr_arenas ? arena_number(look, number / per_arena) : 0;
    uint32_t index = (uint32_t)(number % per_arena);
    *ended = !arena;
    if (!arena)
        return false;
    return index < look->sizes->nr_fast ? fast_list(look, arena, index, list)
                                        : bin_list(look, arena, index - look->sizes->nr_fast + 1, list);
}

bool heap_next_list(const struct heaps *heaps, uint32_t process, uint64_t *cursor, struct heap_list_view *list)
{
    uint32_t heap = heap_index(heaps, process);
    if (!heap)
        return false;
    for (bool ended = false; !ended;) {
        struct look look = look_at(heaps, heap);
        uint64_t number = (*cursor)++;
        if (number < (uint64_t)HEAP_THREADS_MAX * TCACHE_BINS_MAX && !look.heap->threads[number / TCACHE_BINS_MAX].tcache)
            *cursor = (number / TCACHE_BINS_MAX + 1) * TCACHE_BINS_MAX;
        else if (list_number(&look, number, list, &ended))
            return true;
    }
    return false;
}

#define LIST_END UINT64_MAX

/* Links in tcache lists lead to the user's pointers, in fastbins to chunks; both are protected. */
static void follow_protected(struct look *look, uint64_t to_mem, struct listed_chunk_view *chunk)
{
    uint64_t place = chunk->address + look->sizes->header;
    chunk->link = peek(look, place);
    uint64_t target = protect(place, chunk->link) & look->sizes->address_mask;
    chunk->next = target ? target - to_mem : 0;
}

bool heap_next_listed(const struct heaps *heaps, uint32_t process, const struct heap_list_view *list, uint64_t *cursor,
                      struct listed_chunk_view *chunk)
{
    uint32_t heap = heap_index(heaps, process);
    if (!heap || *cursor == LIST_END)
        return false;
    struct look look = look_at(heaps, heap);
    bool is_cache = list->kind[0] == 't', is_protected = is_cache || list->kind[0] == 'f';
    uint64_t to_mem = is_cache ? look.sizes->header : 0, at = *cursor;
    if (!at) {
        uint64_t first = is_protected ? peek(&look, list->head) : peek_chunk(&look, list->head, CHUNK_FD);
        at = first ? first - to_mem : 0;
    }
    if (!at || at == list->head)
        return false;
    *chunk = (struct listed_chunk_view){ .address = at, .size = peek_size(&look, at) };
    if (is_protected)
        follow_protected(&look, to_mem, chunk);
    else
        chunk->link = chunk->next = peek_chunk(&look, at, CHUNK_FD);
    *cursor = chunk->next && chunk->next != list->head ? chunk->next : LIST_END;
    return !look.absent;
}
