/* Looking at what malloc keeps beside the chunks: its options, arenas and their mappings, threads, and lists of free
 * chunks. A broken list may lead anywhere, so the caller that walks one decides how far. */
#include "alloc/malloc/malloc_bins.h"
#include "alloc/malloc/malloc_look.h"
#include "pagoda/heap_view.h"

/* Malloc's variables are few, and all else hangs on them: they are looked up in swap, too. */
static bool look_peek(struct look *look, uint64_t address, uint64_t *value, uint32_t nr_bytes)
{
    const struct heap *heap = look->heap;
    bool is_var = address - heap->data < (uint64_t)LIBC_DATA_PAGES * PAGE_SIZE || address == heap->threads[0].tcache_at;
    if (is_var && address % PAGE_SIZE + nr_bytes <= PAGE_SIZE)
        return process_peek_in_swap(look->heaps->processes, heap->process, address, value, nr_bytes);
    return process_peek(look->heaps->processes, heap->process, address, value, nr_bytes) == nr_bytes;
}

uint64_t look_bytes(struct look *look, uint64_t address, uint32_t nr_bytes)
{
    uint64_t value = 0;
    if (look->absent)
        return 0;
    look->absent = !look_peek(look, address, &value, nr_bytes);
    return look->absent ? 0 : value;
}

static uint32_t look_heap_index(const struct heaps *heaps, struct process_ref process)
{
    return process_at(heaps->processes, process)->heap;
}

bool heap_look(const struct heaps *heaps, struct process_ref process, struct heap_view *view)
{
    *view = (struct heap_view){ 0 };
    if (!look_heap_index(heaps, process))
        return false;
    struct look look = look_start(heaps, look_heap_index(heaps, process));
    const struct libc_rules *rules = look.rules;
    uint64_t tcache_bins = look_var(&look, rules->at_tcache_bins);
    *view = (struct heap_view){ .is_there = true,
                                .word = rules->word,
                                .header = rules->header,
                                .min_chunk = rules->min_chunk,
                                .tcache_key = look_var(&look, rules->at_tcache_key),
                                .mmap_threshold = look_var(&look, rules->at_mmap_threshold),
                                .trim_threshold = look_var(&look, rules->at_trim_threshold),
                                .top_pad = look_var(&look, rules->at_top_pad),
                                .max_fast = look_var(&look, rules->at_max_fast),
                                .thresholds_fixed = look_int(&look, rules->at_no_dyn_threshold) != 0,
                                .tcache_max = tcache_bins ? rules->min_chunk + (tcache_bins - 1) * CHUNK_ALIGN : 0,
                                .tcache_count = look_var(&look, rules->at_tcache_count),
                                .n_mmaps = look_int(&look, rules->at_n_mmaps),
                                .n_mmaps_max = look_int(&look, rules->at_n_mmaps_max),
                                .max_n_mmaps = look_int(&look, rules->at_max_n_mmaps),
                                .mmapped_mem = look_var(&look, rules->at_mmapped_mem),
                                .max_mmapped_mem = look_var(&look, rules->at_max_mmapped_mem),
                                .nr_arenas = look_var(&look, rules->at_narenas),
                                .arena_max = look_var(&look, rules->at_narenas_limit) };
    return true;
}

/* --- arenas --- */

/* No more of these can there be: each is as long as the longest heap. The program may have made rings of them. */
static uint64_t look_most_regions(const struct look *look)
{
    uint64_t nr_pages = process_at(look->heaps->processes, look->heap->process)->vm.total;
    return nr_pages / (look->rules->heap_max >> PAGE_SHIFT);
}

/* How many arenas there are to look at. The program may have written over their number. */
static uint64_t look_nr_arenas(struct look *look)
{
    uint64_t nr = look_var(look, look->rules->at_narenas), most = look_most_regions(look) + 1;
    return nr < most ? nr : most;
}

/* The arena of that number, counted along their ring from the main one; 0: there are not so many. */
static uint64_t look_arena(struct look *look, uint64_t number)
{
    uint64_t arena = look->heap->main_arena;
    for (; number && arena; number--) {
        arena = look_word(look, arena + look->rules->at_next);
        if (arena == look->heap->main_arena)
            return 0;
    }
    return arena;
}

static uint32_t look_count_threads(const struct heap *heap, uint64_t arena)
{
    uint32_t nr = 0;
    for (uint32_t i = 0; i < HEAP_THREADS_MAX; i++)
        nr += heap->threads[i].arena == arena;
    return nr;
}

static bool look_is_on_free_list(struct look *look, uint64_t arena)
{
    uint64_t at = look_var(look, look->rules->at_free_list);
    for (uint64_t left = look_nr_arenas(look); at && left; left--, at = look_word(look, at + look->rules->at_next_free))
        if (at == arena)
            return true;
    return false;
}

bool heap_next_arena(const struct heaps *heaps, struct process_ref process, uint64_t *cursor, struct arena_view *view)
{
    uint32_t heap = look_heap_index(heaps, process);
    if (!heap)
        return false;
    struct look look = look_start(heaps, heap);
    if (*cursor >= look_nr_arenas(&look))
        return false;
    const struct libc_rules *rules = look.rules;
    uint64_t arena = look_arena(&look, (*cursor)++), top = look_top(&look, arena);
    bool has_top = arena && top != look_bin(&look, arena, 1);
    if (!arena)
        return false;
    uint64_t flags = look_bytes(&look, arena + rules->at_flags, 4);
    *view = (struct arena_view){ .address = arena,
                                 .main = arena == look.heap->main_arena,
                                 .free = look_is_on_free_list(&look, arena),
                                 .contiguous = !(flags & ARENA_NONCONTIGUOUS),
                                 .have_fast = look_bytes(&look, arena + rules->at_have_fast, 4) != 0,
                                 .nr_threads = look_count_threads(look.heap, arena),
                                 .top = has_top ? top : 0,
                                 .top_size = has_top ? look_chunk_size(&look, top) : 0,
                                 .last_remainder = look_word(&look, arena + rules->at_last_remainder),
                                 .system_mem = look_word(&look, arena + rules->at_system_mem),
                                 .max_system_mem = look_word(&look, arena + rules->at_max_system_mem) };
    for (uint32_t i = 0; i < BINMAP_WORDS; i++)
        view->binmap[i] = (uint32_t)look_bytes(&look, arena + rules->at_binmap + 4 * i, 4);
    return true;
}

/* --- the mappings of thread arenas --- */

static uint64_t region_of(const struct look *look, uint64_t address)
{
    return address & ~(look->rules->heap_max - 1);
}

/* The first chunk of a region: behind the arena itself, if that lies in it. */
static uint64_t look_region_first(const struct look *look, uint64_t region, uint64_t arena)
{
    uint64_t first =
        region_of(look, arena) == region ? arena + look->rules->arena_bytes : region + look->rules->heap_info_bytes;
    return first + -(first + look->rules->header) % CHUNK_ALIGN;
}

/* The last region of an arena is the one that holds top; each names the one before it. Cursor: arena's number << 32 |
 * number of the region from there back. */
bool heap_next_region(const struct heaps *heaps, struct process_ref process, uint64_t *cursor,
                      struct heap_region_view *view)
{
    uint32_t heap = look_heap_index(heaps, process);
    if (!heap)
        return false;
    struct look look = look_start(heaps, heap);
    uint64_t number = *cursor >> 32, back = *cursor & UINT32_MAX;
    uint64_t nr_arenas = look_nr_arenas(&look);
    for (number += !number; number < nr_arenas; number++, back = 0) {
        if (back > look_most_regions(&look))
            continue;
        uint64_t arena = look_arena(&look, number), region = arena ? region_of(&look, look_top(&look, arena)) : 0;
        for (uint64_t i = back; i && region; i--)
            region = look_word(&look, region + look.rules->word);
        if (look.absent)
            return false;
        if (!region)
            continue;
        *cursor = number << 32 | (back + 1);
        *view = (struct heap_region_view){ .address = region,
                                           .arena = arena,
                                           .previous = look_word(&look, region + look.rules->word),
                                           .size = look_word(&look, region + 2ULL * look.rules->word),
                                           .mprotect_size = look_word(&look, region + 3ULL * look.rules->word),
                                           .first_chunk = look_region_first(&look, region, arena) };
        return true;
    }
    return false;
}

/* --- threads --- */

bool heap_next_thread(const struct heaps *heaps, struct process_ref process, uint64_t *cursor,
                      struct heap_thread_view *view)
{
    uint32_t heap = look_heap_index(heaps, process);
    if (!heap)
        return false;
    struct look look = look_start(heaps, heap);
    for (; *cursor < HEAP_THREADS_MAX; (*cursor)++) {
        const struct heap_thread *thread = &heap_at(heaps, heap)->threads[*cursor];
        if (*cursor && !thread->dtv)
            continue;
        *view = (struct heap_thread_view){ .tid = (uint32_t)*cursor,
                                           .arena = thread->arena,
                                           .tcache = look_tcache(&look, (uint32_t)*cursor),
                                           .dtv = thread->dtv,
                                           .stack = thread->stack,
                                           .stack_end = thread->stack ? thread->stack + THREAD_STACK_SPAN : 0 };
        ++*cursor;
        return true;
    }
    return false;
}

/* --- lists --- */

static bool look_tcache_list(struct look *look, uint32_t tid, uint32_t index, struct heap_list_view *list)
{
    uint64_t tcache = look_tcache(look, tid);
    if (!tcache)
        return false;
    uint64_t head = tcache + look->rules->at_tcache_entries + ((uint64_t)index << look->rules->word_shift);
    uint64_t size = look->rules->min_chunk + (uint64_t)index * CHUNK_ALIGN;
    *list = (struct heap_list_view){ .kind = "tcache", .index = index, .tid = tid, .head = head, .min_size = size };
    list->max_size = size;
    list->count = (uint32_t)look_bytes(look, tcache + look->rules->at_tcache_counts + 2 * index, 2);
    return list->count || look_word(look, head);
}

static bool look_fast_list(struct look *look, uint64_t arena, uint32_t index, struct heap_list_view *list)
{
    uint64_t head = arena + look->rules->at_fast + ((uint64_t)index << look->rules->word_shift);
    uint64_t size = ((uint64_t)index + 2) << look->rules->fast_shift;
    *list = (struct heap_list_view){ .kind = "fast", .index = index, .arena = arena, .head = head, .min_size = size };
    list->max_size = size;
    return look_word(look, head) != 0;
}

/* The smallest size that belongs in a bin; beyond the last bin, a size above all. Sizes and bins rise together, so halving
 * finds it. */
static uint64_t look_bin_from(const struct libc_rules *rules, uint32_t index)
{
    uint64_t low = rules->min_chunk, high = UINT64_C(1) << 20;
    while (low < high) {
        uint64_t middle = ((low + high) / 2) & ~(uint64_t)(CHUNK_ALIGN - 1);
        if (bin_index(rules, middle) >= index)
            high = middle;
        else
            low = middle + CHUNK_ALIGN;
    }
    return low;
}

static bool look_bin_list(struct look *look, uint64_t arena, uint32_t index, struct heap_list_view *list)
{
    uint64_t head = look_bin(look, arena, index);
    *list = (struct heap_list_view){ .kind = "unsorted", .index = index, .arena = arena, .head = head };
    uint64_t first = look_chunk_word(look, head, CHUNK_FD);
    if (!first || first == head)
        return false;
    if (index == 1)
        return true;
    list->min_size = look_bin_from(look->rules, index);
    list->max_size = index == 126 ? 0 : look_bin_from(look->rules, index + 1) - CHUNK_ALIGN;
    list->kind = bin_is_small(look->rules, list->min_size) ? "small" : "large";
    return true;
}

/* The list of that number: caches by thread come first, then fastbins and bins by arena. False: it is empty, or *ended. */
static bool look_list(struct look *look, uint64_t number, struct heap_list_view *list, bool *ended)
{
    const uint64_t nr_bins = look->rules->nr_tcache_bins, caches = HEAP_THREADS_MAX * nr_bins,
                   per_arena = look->rules->nr_fast + NR_BINS - 2;
    if (number < caches)
        return look_tcache_list(look, (uint32_t)(number / nr_bins), (uint32_t)(number % nr_bins), list);
    number -= caches;
    uint64_t arena = number / per_arena < look_nr_arenas(look) ? look_arena(look, number / per_arena) : 0;
    uint32_t index = (uint32_t)(number % per_arena);
    *ended = !arena;
    if (!arena)
        return false;
    return index < look->rules->nr_fast ? look_fast_list(look, arena, index, list)
                                        : look_bin_list(look, arena, index - look->rules->nr_fast + 1, list);
}

bool heap_next_list(const struct heaps *heaps, struct process_ref process, uint64_t *cursor, struct heap_list_view *list)
{
    uint32_t heap = look_heap_index(heaps, process);
    if (!heap)
        return false;
    for (bool ended = false; !ended;) {
        struct look look = look_start(heaps, heap);
        uint64_t number = (*cursor)++, nr_bins = look.rules->nr_tcache_bins;
        if (number < HEAP_THREADS_MAX * nr_bins && !look_tcache(&look, (uint32_t)(number / nr_bins)))
            *cursor = (number / nr_bins + 1) * nr_bins;
        else if (look_list(&look, number, list, &ended))
            return true;
    }
    return false;
}

#define LIST_END UINT64_MAX

/* Links of cache lists lead to the user's pointers, those of fastbins to chunks. Both are protected.
 * to_mem  from a chunk to what the links lead to. */
static void look_follow_protected(struct look *look, uint64_t to_mem, struct listed_chunk_view *chunk)
{
    uint64_t place = chunk->address + look->rules->header;
    chunk->link = look_word(look, place);
    uint64_t target = chunk_protect(place, chunk->link) & look->rules->address_mask;
    chunk->next = target ? target - to_mem : 0;
}

bool heap_next_listed(const struct heaps *heaps, struct process_ref process, const struct heap_list_view *list,
                      uint64_t *cursor, struct listed_chunk_view *chunk)
{
    uint32_t heap = look_heap_index(heaps, process);
    if (!heap || *cursor == LIST_END)
        return false;
    struct look look = look_start(heaps, heap);
    bool is_cache = list->kind[0] == 't', is_protected = is_cache || list->kind[0] == 'f';
    uint64_t to_mem = is_cache ? look.rules->header : 0, at = *cursor;
    if (!at) {
        uint64_t first = is_protected ? look_word(&look, list->head) : look_chunk_word(&look, list->head, CHUNK_FD);
        at = first ? first - to_mem : 0;
    }
    if (!at || at == list->head)
        return false;
    *chunk = (struct listed_chunk_view){ .address = at, .size = look_chunk_size(&look, at) };
    if (is_protected)
        look_follow_protected(&look, to_mem, chunk);
    else
        chunk->link = chunk->next = look_chunk_word(&look, at, CHUNK_FD);
    *cursor = chunk->next && chunk->next != list->head ? chunk->next : LIST_END;
    return !look.absent;
}
