/* alloc/slab/slab_bytes.h - the simulated bytes of objects, and the free pointers in them. Stands on: slab_record.h.
 *
 * Anybody may write to a free object. So a word that is read from one is checked before it is believed. */
#pragma once
#include "alloc/slab/slab_record.h"

#include <string.h>

/* Begins to fetch a line of the host's memory that will be written to. The empty asm is there because compilers take a
 * function that does nothing but this for one that does nothing, and drop its calls. */
static inline void slab_fetch(const void *line)
{
    __builtin_prefetch(line, 1);
    __asm__ volatile("");
}

/* The simulated byte at a physical address, and what follows it in its page. */
static inline uint8_t *slab_bytes(struct frames *frames, uint64_t physical)
{
    return frame_bytes(frames, (uint32_t)(physical >> PAGE_SHIFT)) + (physical & (PAGE_SIZE - 1));
}
/* The same for reading. NULL: the whole page is zero. */
static inline const uint8_t *slab_peek_bytes(const struct frames *frames, uint64_t physical)
{
    uint32_t contents = frame_at(frames, (uint32_t)(physical >> PAGE_SHIFT))->contents;
    const uint8_t *page = contents_at(frames, contents);
    return contents ? page + (physical & (PAGE_SIZE - 1)) : NULL;
}

/* A word that lies in one page. */
static inline uint64_t slab_read_word(const struct frames *frames, uint64_t physical)
{
    const uint8_t *bytes = slab_peek_bytes(frames, physical);
    uint64_t word = 0;
    if (bytes)
        memcpy(&word, bytes, sizeof word);
    return word;
}

/* Judges the word in the bytes of a free object that leads to the next one.
 * next   out: that object, + 1; 0: the chain ends here.
 * Returns false when somebody overwrote the word: it leads to what is no free object of the slab. */
static inline bool free_pointer_is_sound(const struct kmalloc *k, const struct cache *cache, const struct slab *slab,
                                         uint32_t object, uint64_t word, uint32_t *next)
{
    uint32_t number;
    *next = 0;
    if (!word)
        return true;
    if (!object_number(k, cache, slab, word, &number) || number == object || track_at(k, slab, number)->live)
        return false;
    *next = number + 1;
    return true;
}

/* SLUB: the word in a free object's bytes that leads to the next one, at the cache's offset; 0 ends the chain. */
static inline uint64_t slub_read_pointer(const struct kmalloc *k, const struct cache *cache, const struct slab *slab,
                                         uint32_t object)
{
    return slab_read_word(k->frames, object_physical(cache, slab, object) + cache->offset);
}
static inline void slub_write_word(struct kmalloc *k, const struct cache *cache, const struct slab *slab, uint32_t object,
                                   uint64_t word)
{
    memcpy(slab_bytes(k->frames, object_physical(cache, slab, object) + cache->offset), &word, sizeof word);
}
/* next: an object, + 1; 0 ends the chain. */
static inline void slub_write_pointer(struct kmalloc *k, const struct cache *cache, const struct slab *slab,
                                      uint32_t object, uint32_t next)
{
    slub_write_word(k, cache, slab, object, next ? object_address(k, cache, slab, next - 1) : 0);
}
/* The CPU's free list goes on where a free pointer's word says. */
static inline void slub_follow(const struct kmalloc *k, const struct cache *cache, struct cpu_slab *cpu,
                               const struct slab *slab, uint64_t word)
{
    uint32_t number;
    cpu->stray = 0;
    if (!word) {
        cpu->freelist = 0;
    } else if (object_number(k, cache, slab, word, &number)) {
        cpu->freelist = (uint16_t)(number + 1);
    } else {
        cpu->freelist = FREELIST_STRAY;
        cpu->stray = word;
    }
}
