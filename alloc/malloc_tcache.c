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
    libc_clear(c, mem, c->sizes->tcache_bytes);
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
