/* Arenas of threads, and the heaps that they consist of. glibc 2.36 malloc/arena.c.
 *
 * A heap is a mapping that starts at a multiple of its largest size. So the heap of a chunk is found from its address, and
 * the arena from the heap's first words:
 *
 *      first heap   | heap_info | malloc_state | chunk | chunk | ... | top |  not usable yet  |
 *      later heaps  | heap_info | chunk | chunk | ... | fence |  not usable yet  |
 *
 * top lies in the newest heap. An arena grows inside its newest heap; when that is full, it gets another one, and the old
 * top is freed in front of a fence, a header that nothing merges with.
 *
 * A thread that first calls takes an arena that an ended thread left, else makes one, else, at the limit, shares the
 * existing ones in turn. */
#include "alloc/malloc/malloc_bins.h"
#include "alloc/malloc/malloc_call.h"
#include "alloc/malloc/malloc_core.h"
#include "alloc/malloc/malloc_stack.h"
#include "alloc/malloc/malloc_tcache.h"
#include "alloc/malloc/malloc_top.h"

/* Words of struct heap_info, at the start of each mapping. */
enum heap_word { HEAP_ARENA, HEAP_PREV, HEAP_SIZE, HEAP_MPROTECT_SIZE, HEAP_PAGESIZE };

static uint64_t heap_info_get(struct libc *c, uint64_t heap, enum heap_word word)
{
    return libc_get(c, heap + ((uint64_t)word << c->word_shift));
}

static void heap_info_put(struct libc *c, uint64_t heap, enum heap_word word, uint64_t value)
{
    libc_put(c, heap + ((uint64_t)word << c->word_shift), value);
}

static uint64_t heap_info_of(const struct libc *c, uint64_t address)
{
    return address & ~(c->rules->heap_max - 1);
}

uint64_t arena_of_chunk(struct libc *c, uint64_t chunk)
{
    if (!(chunk_field(c, chunk) & NON_MAIN_ARENA))
        return c->heap->main_arena;
    return heap_info_get(c, heap_info_of(c, chunk), HEAP_ARENA);
}

void arena_init(struct libc *c)
{
    for (uint32_t i = 1; i < NR_BINS; i++) {
        chunk_put(c, bin_at(c, i), CHUNK_FD, bin_at(c, i));
        chunk_put(c, bin_at(c, i), CHUNK_BK, bin_at(c, i));
    }
    libc_put32(c, c->arena + c->rules->at_flags, arena_is_main(c) ? 0 : ARENA_NONCONTIGUOUS);
    arena_set_has_fast(c, false);
    arena_set_top(c, bin_unsorted(c)); /* a chunk of size 0: last_remainder lies where its size would be */
}

/* --- heaps of thread arenas --- */

static void arena_unmap(struct libc *c, uint64_t start, uint64_t length)
{
    if (length)
        (void)process_munmap(c->heaps->processes, c->process, start, length);
    libc_look_again(c);
}

/* Address space that nobody can access yet. It counts for no limit. */
static uint64_t arena_reserve_heap(struct libc *c, uint64_t length)
{
    return libc_map(c, length, VMA_CHUNK | VMA_NORESERVE);
}

/* Makes [start, end) of a heap readable and writable. */
static bool arena_make_usable(struct libc *c, uint64_t start, uint64_t end)
{
    bool done = start >= end || process_mprotect(c->heaps->processes, c->process, start, end - start, VMA_READ | VMA_WRITE);
    libc_look_again(c);
    return done;
}

/* Maps an aligned stretch of address space: the place that was left over last time, if it is still free; else the aligned
 * part of a stretch twice as large, of which the rest is unmapped. */
static uint64_t arena_map_heap(struct libc *c)
{
    uint64_t max = c->rules->heap_max, left_over = var_get(c, c->rules->at_aligned_heap_area), start = 0;
    var_put(c, c->rules->at_aligned_heap_area, 0);
    if (left_over)
        start = process_mmap_near(c->heaps->processes, c->process, left_over, max, VMA_CHUNK | VMA_NORESERVE);
    libc_forget_pages(c);
    if (start && heap_info_of(c, start) == start)
        return start;
    if (start)
        arena_unmap(c, start, max);
    start = arena_reserve_heap(c, max * 2);
    if (!start)
        return 0;
    uint64_t aligned = heap_info_of(c, start + max - 1);
    arena_unmap(c, start, aligned - start);
    if (aligned == start)
        var_put(c, c->rules->at_aligned_heap_area, aligned + max);
    arena_unmap(c, aligned + max, max - (aligned - start));
    return aligned;
}

static uint64_t arena_new_heap(struct libc *c, uint64_t size, uint64_t top_pad)
{
    uint64_t max = c->rules->heap_max;
    if (size > max)
        return 0;
    if (size + top_pad < c->rules->heap_min)
        size = c->rules->heap_min;
    else
        size = size + top_pad <= max ? page_align(size + top_pad) : max;
    uint64_t heap = arena_map_heap(c);
    if (!heap || !arena_make_usable(c, heap, heap + size)) {
        arena_unmap(c, heap, heap ? max : 0);
        return 0;
    }
    heap_info_put(c, heap, HEAP_SIZE, size);
    heap_info_put(c, heap, HEAP_MPROTECT_SIZE, size);
    heap_info_put(c, heap, HEAP_PAGESIZE, PAGE_SIZE);
    return heap;
}

static bool arena_grow_heap(struct libc *c, uint64_t heap, uint64_t by)
{
    uint64_t size = heap_info_get(c, heap, HEAP_SIZE) + page_align(by), usable = heap_info_get(c, heap, HEAP_MPROTECT_SIZE);
    if (size > c->rules->heap_max || !arena_make_usable(c, heap + usable, heap + size))
        return false;
    if (size > usable)
        heap_info_put(c, heap, HEAP_MPROTECT_SIZE, size);
    heap_info_put(c, heap, HEAP_SIZE, size);
    return true;
}

/* Ends the old heap: a header of size 0 stops every walk, and what lies before it is freed. */
static void arena_fence_heap(struct libc *c, uint64_t top, uint64_t size)
{
    uint64_t header = c->rules->header;
    size = (size - c->rules->min_chunk) & ~(uint64_t)(CHUNK_ALIGN - 1);
    chunk_set_head(c, top + size + header, PREV_INUSE);
    if (size < c->rules->min_chunk) {
        chunk_set_head(c, top, (size + header) | PREV_INUSE);
        chunk_set_foot(c, top, size + header);
        return;
    }
    chunk_set_head(c, top + size, header | PREV_INUSE);
    chunk_set_foot(c, top + size, header);
    chunk_set_head(c, top, size | PREV_INUSE | NON_MAIN_ARENA);
    int_free(c, top, true);
}

bool arena_grow(struct libc *c, uint64_t size)
{
    uint64_t top = arena_top(c), old_size = chunk_size(c, top), old_heap = heap_info_of(c, top);
    uint64_t before = heap_info_get(c, old_heap, HEAP_SIZE), min = c->rules->min_chunk, info = c->rules->heap_info_bytes;
    if (arena_grow_heap(c, old_heap, min + size - old_size)) {
        uint64_t now = heap_info_get(c, old_heap, HEAP_SIZE);
        arena_add_system_mem(c, now - before);
        chunk_set_head(c, top, (old_heap + now - top) | PREV_INUSE);
        return true;
    }
    uint64_t heap = c->dead ? 0 : arena_new_heap(c, size + min + info, var_get(c, c->rules->at_top_pad));
    if (!heap)
        return false;
    uint64_t now = heap_info_get(c, heap, HEAP_SIZE);
    heap_info_put(c, heap, HEAP_ARENA, c->arena);
    heap_info_put(c, heap, HEAP_PREV, old_heap);
    arena_add_system_mem(c, now);
    arena_set_top(c, heap + info);
    chunk_set_head(c, heap + info, (now - info) | PREV_INUSE);
    arena_fence_heap(c, top, old_size);
    return true;
}

/* --- giving back --- */

/* Returns the free chunk in front of a heap's fence: the top that this heap would have.
 * bytes  out: from there to the heap's end. */
static uint64_t arena_last_chunk(struct libc *c, uint64_t heap, uint64_t *bytes)
{
    uint64_t spare = c->rules->min_chunk - c->rules->header;
    uint64_t fence = heap + heap_info_get(c, heap, HEAP_SIZE) - spare, misaligned = fence % CHUNK_ALIGN;
    fence -= misaligned;
    uint64_t chunk = fence - chunk_get(c, fence, CHUNK_PREV_SIZE);
    *bytes = chunk_size(c, chunk) + spare + misaligned;
    if (!chunk_is_prev_inuse(c, chunk))
        *bytes += chunk_get(c, chunk, CHUNK_PREV_SIZE);
    return chunk;
}

/* Unmaps the newest heap as long as it holds nothing but top and the one before has room enough. Returns the newest heap
 * that stays. */
static uint64_t arena_drop_empty_heaps(struct libc *c, uint64_t heap, uint64_t pad)
{
    uint64_t left = libc_longest_list(c);
    while (arena_top(c) == heap + c->rules->heap_info_bytes && !c->dead && left--) {
        libc_walk_on(c);
        uint64_t before = heap_info_get(c, heap, HEAP_PREV), bytes, chunk = arena_last_chunk(c, before, &bytes);
        uint64_t room = bytes + c->rules->heap_max - heap_info_get(c, before, HEAP_SIZE);
        if (room < pad + c->rules->min_chunk + PAGE_SIZE || c->dead)
            break;
        arena_add_system_mem(c, -heap_info_get(c, heap, HEAP_SIZE));
        if (heap + c->rules->heap_max == var_get(c, c->rules->at_aligned_heap_area))
            var_put(c, c->rules->at_aligned_heap_area, 0);
        arena_unmap(c, heap, c->rules->heap_max);
        heap = before;
        if (!chunk_is_prev_inuse(c, chunk)) {
            chunk -= chunk_get(c, chunk, CHUNK_PREV_SIZE);
            bin_unlink(c, chunk);
        }
        arena_set_top(c, chunk);
        chunk_set_head(c, chunk, bytes | PREV_INUSE);
    }
    return heap;
}

void arena_heap_trim(struct libc *c, uint64_t pad)
{
    uint64_t heap = arena_drop_empty_heaps(c, heap_info_of(c, arena_top(c)), pad);
    uint64_t top = arena_top(c), top_size = chunk_size(c, top), spare = top_size - c->rules->min_chunk - 1;
    if (c->dead || top_size < var_get(c, c->rules->at_trim_threshold) || spare <= pad)
        return;
    uint64_t extra = (spare - pad) & ~(uint64_t)(PAGE_SIZE - 1), size = heap_info_get(c, heap, HEAP_SIZE);
    if (!extra || size < extra + c->rules->heap_info_bytes)
        return;
    heap_info_put(c, heap, HEAP_SIZE, size - extra);
    libc_give_pages(c, heap + size - extra, extra); /* they stay usable */
    arena_add_system_mem(c, -extra);
    chunk_set_head(c, top, (top_size - extra) | PREV_INUSE);
}

/* --- which arena a thread uses --- */

static uint64_t arena_new(struct libc *c, uint64_t request)
{
    const struct libc_rules *rules = c->rules;
    uint64_t own = rules->heap_info_bytes + rules->arena_bytes + CHUNK_ALIGN, pad = var_get(c, rules->at_top_pad);
    uint64_t heap = arena_new_heap(c, request + own, pad);
    if (!heap)
        heap = arena_new_heap(c, own, pad); /* the request may be for a mapping of its own */
    if (!heap)
        return 0;
    uint64_t size = heap_info_get(c, heap, HEAP_SIZE), main_next = c->heap->main_arena + rules->at_next;
    arena_use(c, heap + rules->heap_info_bytes);
    heap_info_put(c, heap, HEAP_ARENA, c->arena);
    arena_init(c);
    arena_add_system_mem(c, size);
    arena_put(c, rules->at_max_system_mem, size);
    uint64_t first = c->arena + rules->arena_bytes;
    first += -chunk_to_mem(c, first) % CHUNK_ALIGN;
    arena_set_top(c, first);
    chunk_set_head(c, first, (heap + size - first) | PREV_INUSE);
    arena_put(c, rules->at_attached, 1);
    arena_put(c, rules->at_next, libc_get(c, main_next)); /* newest first, behind the main arena */
    libc_put(c, main_next, c->arena);
    return c->arena;
}

/* Counts a thread that comes to use the arena; by is 1. Minus 1: one that leaves. Returns how many there are. */
static uint64_t arena_attach(struct libc *c, uint64_t arena, uint64_t by)
{
    uint64_t nr = libc_get(c, arena + c->rules->at_attached) + by;
    libc_put(c, arena + c->rules->at_attached, nr);
    return nr;
}

static uint64_t arena_reuse(struct libc *c)
{
    uint64_t next = var_get(c, c->rules->at_next_to_use), arena = next ? next : c->heap->main_arena;
    arena_attach(c, arena, 1);
    var_put(c, c->rules->at_next_to_use, libc_get(c, arena + c->rules->at_next));
    return arena;
}

/* glibc settles the limit when it first needs it: below arena_test it does not ask how many CPUs there are. */
static uint64_t arena_limit(struct libc *c)
{
    const struct libc_rules *r = c->rules;
    uint64_t limit = var_get(c, r->at_narenas_limit), max = var_get(c, r->at_arena_max);
    if (!limit && max)
        limit = max;
    else if (!limit && var_get(c, r->at_narenas) > var_get(c, r->at_arena_test))
        limit = (uint64_t)c->heap->nr_cpus * r->arenas_per_cpu;
    if (limit)
        var_put(c, r->at_narenas_limit, limit);
    return limit ? limit : UINT64_MAX;
}

static uint64_t arena_find(struct libc *c, uint64_t request)
{
    uint64_t arena = var_get(c, c->rules->at_free_list), nr = var_get(c, c->rules->at_narenas);
    if (arena) {
        var_put(c, c->rules->at_free_list, libc_get(c, arena + c->rules->at_next_free));
        arena_attach(c, arena, 1);
        return arena;
    }
    if (nr >= arena_limit(c))
        return arena_reuse(c);
    arena = arena_new(c, request);
    if (arena)
        var_put(c, c->rules->at_narenas, nr + 1);
    return arena;
}

void arena_choose(struct libc *c, uint64_t request)
{
    if (!c->thread->arena)
        c->thread->arena = arena_find(c, request);
    arena_use(c, c->thread->arena);
}

/* --- threads --- */

/* pthread_create() takes a vector for thread-local storage from the creator's heap. Its entries have two words. */
#define DTV_ENTRIES 17u

static bool thread_switch(struct heaps *heaps, struct process_ref process, uint32_t thread)
{
    struct heap *heap = heap_of_process(heaps, process);
    if (!heap || thread >= HEAP_THREADS_MAX)
        return false;
    heap->thread = 0;
    if (thread && !heap->threads[thread].dtv)
        heap->threads[thread].dtv =
            heap_calloc(heaps, process, DTV_ENTRIES, libc_rules_of_profile(heaps->profile)->header, NAME_NONE);
    if (thread && !heap->threads[thread].dtv)
        return false;
    heap->thread = thread;
    heap->is_threaded |= thread != 0;
    return true;
}

bool heap_switch_thread(struct heaps *heaps, struct process_ref process, uint32_t thread)
{
    uint32_t index = process_at(heaps->processes, process)->heap;
    bool is_same = index ? heap_at(heaps, index)->thread == thread : !thread;
    return is_same || thread_switch(heaps, process, thread);
}

static void arena_put_on_free_list(struct libc *c, uint64_t arena)
{
    libc_put(c, arena + c->rules->at_next_free, var_get(c, c->rules->at_free_list));
    var_put(c, c->rules->at_free_list, arena);
}

bool heap_end_thread(struct heaps *heaps, struct process_ref process, uint32_t thread)
{
    uint32_t index = process_at(heaps->processes, process)->heap;
    struct heap *heap = heap_at(heaps, index);
    if (!index || !thread || thread >= HEAP_THREADS_MAX || !heap->threads[thread].dtv)
        return false;
    struct heap_thread *ending = &heap->threads[thread];
    uint32_t acting = heap->thread == thread ? 0 : heap->thread;
    heap->thread = thread;
    struct libc *c = libc_start(heaps, process);
    tcache_shutdown(c);
    uint64_t arena = ending->arena;
    struct kept_stack stack = { ending->stack, ending->dtv };
    if (arena && !arena_attach(c, arena, UINT64_MAX))
        arena_put_on_free_list(c, arena);
    *ending = (struct heap_thread){ 0 };
    heap->thread = 0;
    if (!c->dead && stack.start)
        stack_keep(heaps, heap, stack);
    else if (!c->dead)
        (void)heap_free(heaps, process, stack.dtv);
    heap->thread = acting;
    return true;
}

/* Only the thread that forked lives on. New threads may take the arenas of the others. A process that never had
 * others writes nothing. */
void arenas_after_fork(struct libc *c)
{
    uint64_t mine = c->thread->arena, left = libc_longest_list(c), arena = c->heap->main_arena;
    if (!c->heap->is_threaded)
        return;
    stacks_after_fork(c->heap);
    for (uint32_t i = 0; i < HEAP_THREADS_MAX; i++)
        if (i != c->heap->thread)
            c->heap->threads[i] = (struct heap_thread){ 0 };
    var_put(c, c->rules->at_free_list, 0);
    do {
        libc_walk_on(c);
        libc_put(c, arena + c->rules->at_attached, arena == mine);
        if (arena != mine)
            arena_put_on_free_list(c, arena);
        arena = libc_get(c, arena + c->rules->at_next);
    } while (arena != c->heap->main_arena && left-- && !c->dead);
}
