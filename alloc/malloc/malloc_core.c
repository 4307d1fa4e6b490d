/* malloc, free, realloc and memalign of one arena, as glibc 2.36 does them behind its public functions.
 *
 * A request is looked for in this order: the fastbin of its size, the small bin of its size, the unsorted list and the
 * bins, top, the system. A freed chunk goes to the thread's cache, else to a fastbin. Else it is merged with free
 * neighbours, and the whole goes to the unsorted list, or into top. */
#include "alloc/malloc/malloc_bins.h"
#include "alloc/malloc/malloc_core.h"
#include "alloc/malloc/malloc_tcache.h"
#include "alloc/malloc/malloc_top.h"

#define CONSOLIDATE_FROM 65536u /* a freed chunk of that size may give memory back (FASTBIN_CONSOLIDATION_THRESHOLD) */

/* --- fastbins --- */

/* Takes the first chunk off a fastbin; 0: it is empty.
 * complaint  what to say if that cannot be a chunk. */
static uint64_t fastbin_pop(struct libc *c, uint32_t index, const char *complaint)
{
    uint64_t chunk = fastbin_get(c, index);
    if (!chunk)
        return 0;
    if (chunk_is_misaligned(c, chunk)) {
        libc_die(c, complaint);
        return 0;
    }
    fastbin_put(c, index, chunk_reveal(c, chunk_to_mem(c, chunk)));
    return chunk;
}

static uint64_t fastbin_take(struct libc *c, uint64_t size)
{
    uint32_t index = fastbin_index(c->rules, size);
    uint64_t chunk = fastbin_pop(c, index, "malloc(): unaligned fastbin chunk detected 2");
    if (!chunk)
        return 0;
    if (fastbin_index(c->rules, chunk_size(c, chunk)) != index) {
        libc_die(c, "malloc(): memory corruption (fast)");
        return 0;
    }
    for (uint64_t left = libc_longest_list(c); left && !c->dead && tcache_has_room(c, size); left--) {
        libc_walk_on(c);
        uint64_t more = fastbin_pop(c, index, "malloc(): unaligned fastbin chunk detected 3");
        if (!more)
            break;
        tcache_put(c, more, tcache_index(c->rules, size));
    }
    return chunk;
}

static void chunk_perturb_freed(struct libc *c, uint64_t chunk, uint64_t size)
{
    uint8_t byte = arena_perturb(c);
    if (byte)
        libc_fill(c, chunk_to_mem(c, chunk), byte, size - c->rules->header);
}

static void fastbin_push(struct libc *c, uint64_t chunk, uint64_t size, bool have_lock)
{
    uint64_t next = chunk_field(c, chunk + size), next_size = next & ~(uint64_t)SIZE_BITS;
    if (next <= c->rules->header || next_size >= arena_system_mem(c)) {
        libc_die(c, "free(): invalid next size (fast)");
        return;
    }
    uint32_t index = fastbin_index(c->rules, size);
    uint64_t first = fastbin_get(c, index), mem = chunk_to_mem(c, chunk);
    if (first == chunk) {
        libc_die(c, "double free or corruption (fasttop)");
        return;
    }
    if (have_lock && first && fastbin_index(c->rules, chunk_size(c, first)) != index) {
        libc_die(c, "invalid fastbin entry (free)");
        return;
    }
    chunk_perturb_freed(c, chunk, size);
    arena_set_has_fast(c, true);
    libc_put(c, mem, chunk_protect(mem, first));
    fastbin_put(c, index, chunk);
}

/* --- merging --- */

/* Merges a chunk with the chunk in front of it, if that is free. Returns where the whole begins; *size is its size. */
static uint64_t chunk_merge_backward(struct libc *c, uint64_t chunk, uint64_t *size, const char *complaint)
{
    if (chunk_is_prev_inuse(c, chunk))
        return chunk;
    uint64_t front = chunk_get(c, chunk, CHUNK_PREV_SIZE);
    chunk -= front;
    if (chunk_size(c, chunk) != front) {
        libc_die(c, complaint);
        return chunk;
    }
    bin_unlink(c, chunk);
    *size += front;
    return chunk;
}

/* Merges a free chunk with top, or with a free chunk behind it. What did not become top goes to the unsorted list.
 * next       the chunk behind.
 * complaint  what to say if the unsorted list is broken. */
static void chunk_merge_forward(struct libc *c, uint64_t chunk, uint64_t size, uint64_t next, const char *complaint)
{
    uint64_t next_size = chunk_size(c, next);
    if (next == arena_top(c)) {
        chunk_set_head(c, chunk, (size + next_size) | PREV_INUSE);
        arena_set_top(c, chunk);
        return;
    }
    if (chunk_is_prev_inuse(c, next + next_size)) {
        chunk_set_head(c, next, chunk_field(c, next) & ~(uint64_t)PREV_INUSE);
    } else {
        bin_unlink(c, next);
        size += next_size;
    }
    bin_push_unsorted(c, chunk, size, complaint);
    chunk_set_head(c, chunk, size | PREV_INUSE);
    chunk_set_foot(c, chunk, size);
}

static void fastbin_consolidate_one(struct libc *c, uint64_t chunk)
{
    uint64_t size = chunk_size(c, chunk), next = chunk + size;
    chunk = chunk_merge_backward(c, chunk, &size, "corrupted size vs. prev_size in fastbins");
    if (!c->dead)
        chunk_merge_forward(c, chunk, size, next, NULL);
}

/* Chunks in fastbins count as in use, so that neighbours do not merge with them. Here they stop to: bin by bin, chunk by
 * chunk, each merges backward, then forward, and goes to the unsorted list or into top.
 *
 *      |free 64|fast 48|used|      ->  |free 112|used|
 *      |fast 48|fast 48| top |     ->  |       top        |     (the first is free now; the second merges with both)
 *
 * An arena is consolidated before a large request is cut from somewhere, when top does not suffice, after a large free, and
 * by mallopt and malloc_trim. */
void malloc_consolidate(struct libc *c)
{
    arena_set_has_fast(c, false);
    uint64_t left = libc_longest_list(c);
    for (uint32_t i = 0; i < c->rules->nr_fast && !c->dead; i++) {
        uint64_t next, chunk = fastbin_get(c, i);
        if (chunk)
            fastbin_put(c, i, 0);
        for (; chunk && !c->dead; chunk = next) {
            libc_walk_on(c);
            if (chunk_is_misaligned(c, chunk))
                libc_die(c, "malloc_consolidate(): unaligned fastbin chunk detected");
            else if (fastbin_index(c->rules, chunk_size(c, chunk)) != i || !left--)
                libc_die(c, "malloc_consolidate(): invalid chunk size");
            next = chunk_reveal(c, chunk_to_mem(c, chunk));
            if (!c->dead)
                fastbin_consolidate_one(c, chunk);
        }
    }
}

/* --- free --- */

static const char *free_complaint(struct libc *c, uint64_t chunk, uint64_t size)
{
    uint64_t top = arena_top(c), next = chunk + size;
    if (chunk == top)
        return "double free or corruption (top)";
    if (arena_is_contiguous(c) && next >= top + chunk_size(c, top))
        return "double free or corruption (out)";
    uint64_t next_field = chunk_field(c, next);
    if (!(next_field & PREV_INUSE))
        return "double free or corruption (!prev)";
    if (next_field <= c->rules->header || (next_field & ~(uint64_t)SIZE_BITS) >= arena_system_mem(c))
        return "free(): invalid next size (normal)";
    return NULL;
}

/* After a large free, memory at the end of the heap goes back to the system. */
static void arena_give_back(struct libc *c)
{
    if (arena_has_fast(c))
        malloc_consolidate(c);
    if (c->dead)
        return;
    if (!arena_is_main(c))
        arena_heap_trim(c, var_get(c, c->rules->at_top_pad));
    else if (chunk_size(c, arena_top(c)) >= var_get(c, c->rules->at_trim_threshold))
        systrim(c, var_get(c, c->rules->at_top_pad));
}

static void chunk_free_merged(struct libc *c, uint64_t chunk, uint64_t size)
{
    const char *complaint = free_complaint(c, chunk, size);
    if (complaint || c->dead) {
        libc_die(c, complaint);
        return;
    }
    uint64_t next = chunk + size;
    chunk_perturb_freed(c, chunk, size);
    chunk = chunk_merge_backward(c, chunk, &size, "corrupted size vs. prev_size while consolidating");
    if (c->dead)
        return;
    chunk_merge_forward(c, chunk, size, next, "free(): corrupted unsorted chunks");
    if (chunk_size(c, chunk) >= CONSOLIDATE_FROM)
        arena_give_back(c);
}

/* True: the thread's cache has taken the chunk, or the call is dead. */
static bool tcache_take_freed(struct libc *c, uint64_t chunk, uint64_t size)
{
    uint64_t index = tcache_index(c->rules, size), mem = chunk_to_mem(c, chunk);
    if (!tcache_serves(c, size))
        return false;
    if (libc_get(c, mem + c->rules->word) == tcache_key(c) && tcache_holds(c, mem, index))
        libc_die(c, "free(): double free detected in tcache 2");
    if (c->dead || libc_get16(c, tcache_count_at(c, index)) >= var_get(c, c->rules->at_tcache_count))
        return c->dead;
    tcache_put(c, chunk, index);
    return true;
}

void int_free(struct libc *c, uint64_t chunk, bool have_lock)
{
    uint64_t size = chunk_size(c, chunk);
    trace_step(c->heaps->trace, PATH__int_free);
    if (chunk > (-size & c->rules->address_mask) || chunk_is_misaligned(c, chunk))
        libc_die(c, "free(): invalid pointer");
    else if (size < c->rules->min_chunk || size % CHUNK_ALIGN)
        libc_die(c, "free(): invalid size");
    if (c->dead || tcache_take_freed(c, chunk, size))
        return;
    if (size <= arena_max_fast(c))
        fastbin_push(c, chunk, size, have_lock);
    else if (chunk_field(c, chunk) & IS_MMAPPED)
        munmap_chunk(c, chunk);
    else
        chunk_free_merged(c, chunk, size);
}

/* --- malloc --- */

static uint64_t int_take_chunk(struct libc *c, uint64_t size)
{
    uint64_t chunk = size <= arena_max_fast(c) ? fastbin_take(c, size) : 0;
    if (!chunk && !c->dead && bin_is_small(c->rules, size))
        chunk = bin_take_small(c, size);
    else if (!chunk && !c->dead && arena_has_fast(c))
        malloc_consolidate(c); /* a large request: before it is cut from somewhere, small pieces are merged */
    uint32_t index = bin_index(c->rules, size);
    for (uint64_t nr_filed = 0; !chunk && !c->dead;) {
        chunk = bin_take_any(c, size, index, &nr_filed);
        if (!chunk && !c->dead)
            chunk = top_split(c, size);
        if (chunk || c->dead)
            break;
        if (!arena_has_fast(c))
            return sysmalloc(c, size);
        malloc_consolidate(c); /* there may be enough in the fastbins: once more */
    }
    return chunk;
}

uint64_t int_malloc(struct libc *c, uint64_t request)
{
    uint64_t size = chunk_size_for(c->rules, request);
    trace_step(c->heaps->trace, PATH__int_malloc);
    if (!size)
        return 0;
    uint64_t chunk = c->arena ? int_take_chunk(c, size) : sysmalloc(c, size);
    if (!chunk || c->dead)
        return 0;
    uint8_t byte = arena_perturb(c);
    if (byte && !c->is_from_cache)
        libc_fill(c, chunk_to_mem(c, chunk), byte ^ 0xff, request);
    return chunk_to_mem(c, chunk);
}

/* --- realloc --- */

static void chunk_set_size(struct libc *c, uint64_t chunk, uint64_t size)
{
    chunk_set_head(c, chunk, size | (chunk_field(c, chunk) & SIZE_BITS));
}

/* Cuts a chunk in use at size. Frees the rest, if that can be a chunk. */
static void chunk_cut_tail(struct libc *c, uint64_t chunk, uint64_t chunk_bytes, uint64_t size)
{
    uint64_t rest = chunk_bytes - size, tail = chunk + size;
    if (rest < c->rules->min_chunk) {
        chunk_set_size(c, chunk, chunk_bytes);
        chunk_set_prev_inuse(c, chunk + chunk_bytes);
        return;
    }
    chunk_set_size(c, chunk, size);
    chunk_set_head(c, tail, rest | PREV_INUSE | arena_flag(c));
    chunk_set_prev_inuse(c, tail + rest);
    int_free(c, tail, true);
}

static uint64_t chunk_grow_into_top(struct libc *c, uint64_t chunk, uint64_t sum, uint64_t size)
{
    chunk_set_size(c, chunk, size);
    arena_set_top(c, chunk + size);
    chunk_set_head(c, chunk + size, (sum - size) | PREV_INUSE);
    return chunk_to_mem(c, chunk);
}

/* Moves a block elsewhere. If the new chunk happens to be the next one, the two are joined instead. */
static uint64_t int_realloc_move(struct libc *c, uint64_t chunk, uint64_t old_size, uint64_t size)
{
    uint64_t mem = int_malloc(c, size - (CHUNK_ALIGN - 1));
    if (!mem || c->dead)
        return 0;
    if (chunk_of_mem(c, mem) == chunk + old_size) {
        chunk_cut_tail(c, chunk, old_size + chunk_size(c, chunk + old_size), size);
        return chunk_to_mem(c, chunk);
    }
    libc_copy(c, mem, chunk_to_mem(c, chunk), old_size - c->rules->word);
    int_free(c, chunk, true);
    return mem;
}

uint64_t int_realloc(struct libc *c, uint64_t chunk, uint64_t old_size, uint64_t size)
{
    uint64_t system_mem = arena_system_mem(c), next = chunk + old_size;
    if (chunk_field(c, chunk) <= c->rules->header || old_size >= system_mem) {
        libc_die(c, "realloc(): invalid old size");
        return 0;
    }
    uint64_t next_field = chunk_field(c, next), next_size = next_field & ~(uint64_t)SIZE_BITS;
    if (next_field <= c->rules->header || next_size >= system_mem) {
        libc_die(c, "realloc(): invalid next size");
        return 0;
    }
    if (old_size < size) {
        bool is_top = next == arena_top(c);
        if (is_top && old_size + next_size >= size + c->rules->min_chunk)
            return chunk_grow_into_top(c, chunk, old_size + next_size, size);
        if (is_top || chunk_is_prev_inuse(c, next + next_size) || old_size + next_size < size)
            return int_realloc_move(c, chunk, old_size, size);
        bin_unlink(c, next);
        old_size += next_size;
    }
    chunk_cut_tail(c, chunk, old_size, size);
    return chunk_to_mem(c, chunk);
}

/* --- memalign --- */

/* Moves the start of a block up to an aligned address. The part in front is large enough for a chunk, and is freed; in a
 * mapping, prev_size remembers its length. Returns the chunk that the block is now. */
static uint64_t chunk_align_up(struct libc *c, uint64_t chunk, uint64_t align)
{
    uint64_t to = chunk_of_mem(c, (chunk_to_mem(c, chunk) + align - 1) & -align);
    if (to - chunk < c->rules->min_chunk)
        to += align;
    uint64_t lead = to - chunk, size = chunk_size(c, chunk) - lead;
    if (chunk_field(c, chunk) & IS_MMAPPED) {
        chunk_put(c, to, CHUNK_PREV_SIZE, chunk_get(c, chunk, CHUNK_PREV_SIZE) + lead);
        chunk_set_head(c, to, size | IS_MMAPPED);
        return to;
    }
    chunk_set_head(c, to, size | PREV_INUSE | arena_flag(c));
    chunk_set_prev_inuse(c, to + size);
    chunk_set_size(c, chunk, lead);
    int_free(c, chunk, true);
    return to;
}

uint64_t int_memalign(struct libc *c, uint64_t align, uint64_t request)
{
    uint64_t size = chunk_size_for(c->rules, request), room = size + align + c->rules->min_chunk;
    if (!size || room < align)
        return 0;
    uint64_t mem = int_malloc(c, room);
    if (!mem || c->dead)
        return 0;
    uint64_t chunk = mem % align ? chunk_align_up(c, chunk_of_mem(c, mem), align) : chunk_of_mem(c, mem);
    if (chunk_field(c, chunk) & IS_MMAPPED)
        return chunk_to_mem(c, chunk);
    uint64_t whole = chunk_size(c, chunk);
    if (whole > size + c->rules->min_chunk) {
        chunk_set_head(c, chunk + size, (whole - size) | PREV_INUSE | arena_flag(c));
        chunk_set_size(c, chunk, size);
        int_free(c, chunk + size, true);
    }
    return chunk_to_mem(c, chunk);
}
