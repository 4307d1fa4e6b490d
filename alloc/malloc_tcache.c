/* The thread cache: per chunk size a short stack of freed blocks, kept in a block of the heap itself (counts, then the
 * first entry of each stack) and linked through the first word of the payload. The second word holds a key as long as the
 * block is in the cache, by which a second free() is noticed. Cached chunks count as in use and are never merged. */
#include "alloc/malloc_internal.h"

void tcache_put(struct libc *c, uint64_t chunk, uint32_t index)
{
    uint64_t mem = mem_of(c, chunk), entry = tcache_entry_at(c, index), count = tcache_count_at(c, index);
    put(c, mem + c->sizes->word, c->heap->tcache_key);
    put(c, mem, protect(mem, get(c, entry)));
    put(c, entry, mem);
    put16(c, count, (uint16_t)(get16(c, count) + 1));
}

uint64_t tcache_get(struct libc *c, uint32_t index)
{
    uint64_t entry = tcache_entry_at(c, index), count = tcache_count_at(c, index), mem = get(c, entry);
    if (mem % CHUNK_ALIGN) {
        libc_die(c, "malloc(): unaligned tcache chunk detected");
        return 0;
    }
    put(c, entry, reveal(c, mem));
    put16(c, count, (uint16_t)(get16(c, count) - 1));
    put(c, mem + c->sizes->word, 0);
    return mem;
}

/* --- the usual case --- */

static uint8_t *cache_at_hand(const struct libc *c)
{
    uint64_t at = c->thread->tcache;
    bool is_in_page = at % PAGE_SIZE <= PAGE_SIZE - MALLOC_SIZES_64.tcache_bytes;
    return c->word_shift == 3 && at && is_in_page ? at_hand(c, at, 8, true) : NULL;
}

static uint64_t load(const uint8_t *at)
{
    uint64_t word;
    memcpy(&word, at, sizeof word);
    return word;
}

static void store(uint8_t *at, uint64_t word)
{
    memcpy(at, &word, sizeof word);
}

static uint16_t load_count(const uint8_t *cache, uint32_t index)
{
    uint16_t count;
    memcpy(&count, cache + 2 * (size_t)index, sizeof count);
    return count;
}

static void store_count(uint8_t *cache, uint32_t index, uint32_t count)
{
    uint16_t half = (uint16_t)count;
    memcpy(cache + 2 * (size_t)index, &half, sizeof half);
}

static uint8_t *entry_of(uint8_t *cache, uint32_t index)
{
    return cache + 2 * TCACHE_BINS_MAX + 8 * (size_t)index;
}

uint64_t tcache_get_at_hand(struct libc *c, uint32_t index)
{
    uint8_t *cache = cache_at_hand(c);
    uint32_t count = cache ? load_count(cache, index) : 0;
    if (!count)
        return 0;
    uint64_t mem = load(entry_of(cache, index));
    uint8_t *block = mem % CHUNK_ALIGN ? NULL : at_hand(c, mem, 8, true);
    if (!block)
        return 0;
    store(entry_of(cache, index), protect(mem, load(block)));
    store_count(cache, index, count - 1);
    store(block + 8, 0);
    return mem;
}

bool tcache_put_at_hand(struct libc *c, uint64_t mem, uint64_t field)
{
    uint64_t size = field & ~(uint64_t)SIZE_BITS;
    uint32_t index = tcache_index(&MALLOC_SIZES_64, size);
    if ((size | mem) % CHUNK_ALIGN || (field & NON_MAIN_ARENA) || index >= c->heap->par.tcache_bins)
        return false;
    uint8_t *cache = cache_at_hand(c), *block = at_hand(c, mem, 8, true);
    if (!cache || !block || load(block + 8) == c->heap->tcache_key)
        return false;
    uint32_t count = load_count(cache, index);
    if (count >= c->heap->par.tcache_count)
        return false;
    trace_step(c->heaps->trace, PATH__int_free);
    store(block + 8, c->heap->tcache_key);
    store(block, protect(mem, load(entry_of(cache, index))));
    store(entry_of(cache, index), mem);
    store_count(cache, index, count + 1);
    return true;
}

/* --- its life --- */

bool tcache_holds(struct libc *c, uint64_t mem, uint32_t index)
{
    uint64_t nr = 0;
    for (uint64_t at = get(c, tcache_entry_at(c, index)); at && !c->dead; at = reveal(c, at)) {
        if (nr++ >= c->heap->par.tcache_count)
            libc_die(c, "free(): too many chunks detected in tcache");
        else if (at % CHUNK_ALIGN)
            libc_die(c, "free(): unaligned chunk detected in tcache 2");
        else if (at == mem)
            return true;
    }
    return false;
}

/* The block comes from the arena, past every cache, and is zeroed. */
void tcache_create(struct libc *c)
{
    if (c->thread->shutting_down)
        return;
    arena_choose(c, c->sizes->tcache_bytes);
    uint64_t mem = int_malloc(c, c->sizes->tcache_bytes);
    if (!mem || c->dead)
        return;
    libc_fill(c, mem, 0, c->sizes->tcache_bytes);
    c->thread->tcache = mem;
}

static void free_block(struct libc *c, uint64_t mem)
{
    uint64_t chunk = chunk_of(c, mem);
    c->arena = arena_of_chunk(c, chunk);
    int_free(c, chunk, false);
}

void tcache_shutdown(struct libc *c)
{
    uint64_t tcache = c->thread->tcache;
    c->thread->shutting_down = true;
    if (!tcache)
        return;
    for (uint32_t i = 0; i < TCACHE_BINS_MAX; i++) {
        uint64_t left = longest_list(c);
        c->thread->tcache = tcache;
        uint64_t entry = tcache_entry_at(c, i);
        c->thread->tcache = 0; /* what is freed now passes the cache by */
        for (uint64_t mem; (mem = get(c, entry)) != 0 && !c->dead && left; left--) {
            if (mem % CHUNK_ALIGN)
                libc_die(c, "tcache_thread_shutdown(): unaligned tcache chunk detected");
            put(c, entry, reveal(c, mem));
            free_block(c, mem);
        }
    }
    free_block(c, tcache);
}
