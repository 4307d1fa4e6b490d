/* The thread cache: a short stack of freed blocks for each chunk size. It lies in a block of the heap itself: a counter of
 * each stack, then the newest block of each. A cached block links to the next one in its first word, protected. Its second
 * word holds a key as long as it is cached; free() of a block with the key walks the stack, and so notices a second free().
 * Cached chunks count as in use and are never merged.
 *
 *      counts[64] | entries[64]            block                block
 *                   [i] ---------> | next ^ place | key |  ->  | 0 ^ place | key | */
#include "alloc/malloc/malloc_core.h"
#include "alloc/malloc/malloc_notes.h"
#include "alloc/malloc/malloc_tcache.h"

void tcache_put(struct libc *c, uint64_t chunk, uint64_t index)
{
    uint64_t mem = chunk_to_mem(c, chunk), entry = tcache_entry_at(c, index), count = tcache_count_at(c, index);
    libc_put(c, mem + c->rules->word, tcache_key(c));
    libc_put(c, mem, chunk_protect(mem, libc_get(c, entry)));
    libc_put(c, entry, mem);
    libc_put16(c, count, (uint16_t)(libc_get16(c, count) + 1));
}

uint64_t tcache_get(struct libc *c, uint64_t index)
{
    uint64_t entry = tcache_entry_at(c, index), count = tcache_count_at(c, index), mem = libc_get(c, entry);
    if (mem % CHUNK_ALIGN) {
        libc_die(c, "malloc(): unaligned tcache chunk detected");
        return 0;
    }
    libc_put(c, entry, chunk_reveal(c, mem));
    libc_put16(c, count, (uint16_t)(libc_get16(c, count) - 1));
    libc_put(c, mem + c->rules->word, 0);
    return mem;
}

/* --- whole calls --- */

#define TCACHE_MIN_CHUNK_64 32u /* of every C library with 64 bits */

/* Finds the host's place of the cache, and reads the variables that such a call goes by. Who changes one of them forgets
 * the place. NULL: there is no cache, or it is not at hand. */
static uint8_t *tcache_find(struct libc *c)
{
    const struct libc_rules *r = c->rules;
    uint64_t at = tcache_of_thread(c), bins = var_get(c, r->at_tcache_bins);
    c->cache_bins = bins < r->nr_tcache_bins ? bins : r->nr_tcache_bins;
    c->cache_count = var_get(c, r->at_tcache_count);
    c->cache_key = tcache_key(c);
    if (at && at % PAGE_SIZE + r->tcache_bytes <= PAGE_SIZE && var_at_hand(c, r->at_tcache_bins) &&
        var_at_hand(c, r->at_tcache_key))
        c->cache = libc_at_hand(c, at, CHUNK_ALIGN);
    c->cache_entries = c->cache ? c->cache + r->at_tcache_entries : NULL;
    return c->cache;
}

/* Does the host know all that such a call needs? Only with 64 bits; nobody is in a hurry with 32. */
bool heap_is_ready(const struct heaps *heaps, struct process_ref process)
{
    struct libc *c = heaps->libc;
    return c->process.index == process.index && c->word_shift == 3 && c->space->generation == c->generation &&
           c->thread == &c->heap->threads[c->heap->thread] && !c->heap->is_written && (c->cache || tcache_find(c));
}

static inline uint8_t *tcache_count_in_host(const struct libc *c, uint64_t index)
{
    return c->cache + 2 * index;
}

static inline uint8_t *tcache_entry_in_host(const struct libc *c, uint64_t index)
{
    return c->cache_entries + 8 * index;
}

/* A block that begins a page has its header in the page before. It is left to the usual way. */
static inline uint8_t *tcache_block_at_hand(const struct libc *c, uint64_t mem)
{
    return mem % PAGE_SIZE ? libc_at_hand(c, mem, CHUNK_ALIGN) : NULL;
}

uint64_t heap_malloc_cached(struct heaps *heaps, uint64_t request, struct name_ref name, uint32_t seq)
{
    struct libc *c = heaps->libc;
    const uint64_t least = TCACHE_MIN_CHUNK_64 - 8 - (CHUNK_ALIGN - 1); /* with less the chunk is no smaller */
    uint64_t index = (request > least ? request - least : 0) / CHUNK_ALIGN;
    if (index >= c->cache_bins || !libc_load16(tcache_count_in_host(c, index)) || !notes_have_room(heaps))
        return 0;
    uint64_t mem = libc_load64(tcache_entry_in_host(c, index));
    uint8_t *block = tcache_block_at_hand(c, mem);
    uint64_t field = block ? libc_load64(block - 8) : IS_MMAPPED;
    if (field & IS_MMAPPED)
        return 0;
    libc_store64(tcache_entry_in_host(c, index), chunk_protect(mem, libc_load64(block)));
    libc_store16(tcache_count_in_host(c, index), (uint16_t)(libc_load16(tcache_count_in_host(c, index)) - 1));
    libc_store64(block + 8, 0);
    heaps->last_usable = (field & ~(uint64_t)SIZE_BITS) - 8;
    note_write(heaps, c->heap, mem, request, heaps->last_usable, name, seq);
    return mem;
}

/* free() reads a block's arena at the start of its heap, although the cache takes blocks of any arena. Is that at hand? */
static inline bool tcache_is_arena_at_hand(const struct libc *c, uint64_t mem, uint64_t field)
{
    return !(field & NON_MAIN_ARENA) || libc_at_hand(c, mem & ~(c->rules->heap_max - 1), 8);
}

bool heap_free_cached(struct heaps *heaps, uint64_t mem)
{
    struct libc *c = heaps->libc;
    uint8_t *block = tcache_block_at_hand(c, mem);
    if (!block)
        return false;
    uint64_t field = libc_load64(block - 8), index = (field - TCACHE_MIN_CHUNK_64) / CHUNK_ALIGN;
    if ((field & (CHUNK_ALIGN - 1 - NON_MAIN_ARENA)) > PREV_INUSE || index >= c->cache_bins ||
        libc_load64(block + 8) == c->cache_key || !tcache_is_arena_at_hand(c, mem, field))
        return false;
    uint32_t count = libc_load16(tcache_count_in_host(c, index)), *link = note_link(heaps, c->process, mem);
    if (count >= c->cache_count || !*link || note_at(heaps, *link)->name.index)
        return false;
    libc_store64(block + 8, c->cache_key);
    libc_store64(block, chunk_protect(mem, libc_load64(tcache_entry_in_host(c, index))));
    libc_store64(tcache_entry_in_host(c, index), mem);
    libc_store16(tcache_count_in_host(c, index), (uint16_t)(count + 1));
    (void)note_erase(heaps, c->heap, link);
    return true;
}

/* --- its life --- */

bool tcache_holds(struct libc *c, uint64_t mem, uint64_t index)
{
    uint64_t nr = 0, most = var_get(c, c->rules->at_tcache_count), longest = libc_longest_list(c);
    most = most < longest ? most : longest;
    for (uint64_t at = libc_get(c, tcache_entry_at(c, index)); at && !c->dead; at = chunk_reveal(c, at)) {
        libc_walk_on(c);
        if (nr++ >= most)
            libc_die(c, "free(): too many chunks detected in tcache");
        else if (at % CHUNK_ALIGN)
            libc_die(c, "free(): unaligned chunk detected in tcache 2");
        else if (at == mem)
            return true;
    }
    return false;
}

static void tcache_set(struct libc *c, uint64_t mem)
{
    if (c->thread->tcache_at)
        libc_put(c, c->thread->tcache_at, mem);
    else
        c->thread->tcache = mem;
    c->cache = NULL;
}

/* The block comes from the arena, past the cache, and is zeroed. */
void tcache_create(struct libc *c)
{
    if (c->thread->shutting_down)
        return;
    arena_choose(c, c->rules->tcache_bytes);
    uint64_t mem = int_malloc(c, c->rules->tcache_bytes);
    if (!mem || c->dead)
        return;
    libc_fill(c, mem, 0, c->rules->tcache_bytes);
    tcache_set(c, mem);
}

static void tcache_free_block(struct libc *c, uint64_t mem)
{
    uint64_t chunk = chunk_of_mem(c, mem);
    arena_use(c, arena_of_chunk(c, chunk));
    int_free(c, chunk, false);
}

void tcache_shutdown(struct libc *c)
{
    uint64_t tcache = tcache_of_thread(c);
    c->thread->shutting_down = true;
    if (!tcache)
        return;
    tcache_set(c, 0); /* what is freed now passes the cache by */
    for (uint64_t i = 0; i < c->rules->nr_tcache_bins; i++) {
        uint64_t left = libc_longest_list(c), entry = tcache + c->rules->at_tcache_entries + (i << c->word_shift);
        for (uint64_t mem; (mem = libc_get(c, entry)) != 0 && !c->dead && left; left--) {
            libc_walk_on(c);
            if (mem % CHUNK_ALIGN)
                libc_die(c, "tcache_thread_shutdown(): unaligned tcache chunk detected");
            libc_put(c, entry, chunk_reveal(c, mem));
            tcache_free_block(c, mem);
        }
    }
    tcache_free_block(c, tcache);
}
