/* kmalloc of Linux 1.x and 2.0. There is a bucket for each block size, and one more for DMA memory. A bucket lists the
 * pages (2^order frames) that have a free block, the one that was full longest ago last. A 16-byte page descriptor stands
 * at the head of the pages: the next descriptor of the list, the first free block, the number of the size, the free blocks
 * left, four words of 32 bits. Free blocks are linked through their own first word. Pages whose blocks are all free go
 * back.
 *
 * In Linux each block began with a header of 8 bytes (flags and size). Here the tracks of slab.c stand for it, so that a
 * block's whole size is the caller's, and the largest request is 128 KiB less the descriptor, as documented. */
#include "alloc/slab/kmalloc_internal.h"

#include <string.h>

#define DESCRIPTOR_SIZE 16u

static const struct {
    uint32_t size, order;
    const char *name;
} BUCKETS[NR_KMALLOC_CLASSES] = {
    { 32, 0, "kmalloc-32" },         { 64, 0, "kmalloc-64" },       { 128, 0, "kmalloc-128" },
    { 252, 0, "kmalloc-252" },       { 508, 0, "kmalloc-508" },     { 1020, 0, "kmalloc-1020" },
    { 2040, 0, "kmalloc-2040" },     { 4080, 0, "kmalloc-4080" },   { 8176, 1, "kmalloc-8176" },
    { 16368, 2, "kmalloc-16368" },   { 32752, 3, "kmalloc-32752" }, { 65520, 4, "kmalloc-65520" },
    { 131056, 5, "kmalloc-131056" },
};

struct descriptor { /* as it stands in the bytes */
    uint32_t next, first_free, class, nr_free;
};

static struct descriptor descriptor_of(const struct kmalloc *k, const struct slab *slab)
{
    const struct cache *cache = cache_at(k, slab->cache);
    struct descriptor d = { 0, 0, cache->class, slab->objects - (uint32_t)slab->nr_live };
    if (slab->next)
        d.next = (uint32_t)frame_address(k->frames, slab_at(k, slab->next)->pfn);
    if (slab->freelist)
        d.first_free = (uint32_t)object_address(k, cache, slab, slab->freelist - 1u);
    return d;
}

bool bucket_check_page(const struct kmalloc *k, const struct slab *slab)
{
    struct descriptor want = descriptor_of(k, slab);
    const uint8_t *bytes = peek_at(k->frames, (uint64_t)slab->pfn << PAGE_SHIFT);
    return bytes && !memcmp(&want, bytes, sizeof want);
}

static void write_descriptor(struct kmalloc *k, uint32_t index)
{
    const struct slab *slab = slab_at(k, index);
    struct descriptor d = descriptor_of(k, slab);
    memcpy(bytes_at(k->frames, (uint64_t)slab->pfn << PAGE_SHIFT), &d, sizeof d);
}

uint64_t bucket_read_pointer(const struct kmalloc *k, const struct cache *cache, const struct slab *slab, uint32_t object)
{
    const uint8_t *bytes = peek_at(k->frames, object_physical(cache, slab, object));
    uint32_t word = 0;
    if (bytes)
        memcpy(&word, bytes, sizeof word);
    return word;
}

static void write_pointer(struct kmalloc *k, const struct cache *cache, const struct slab *slab, uint32_t object,
                          uint32_t next)
{
    uint32_t word = next ? (uint32_t)object_address(k, cache, slab, next - 1) : 0;
    memcpy(bytes_at(k->frames, object_physical(cache, slab, object)), &word, sizeof word);
}

static void make_bucket(struct kmalloc *k, uint32_t class, bool is_dma)
{
    char name[32] = "dma-";
    const char *plain = BUCKETS[class].name;
    memcpy(name + 4, plain, strlen(plain) + 1);
    struct text text =
        is_dma ? (struct text){ name, (uint32_t)strlen(plain) + 4 } : (struct text){ plain, (uint32_t)strlen(plain) };
    uint32_t index = cache_make(k, text);
    assert(index); /* reserved before boot */
    struct cache *cache = cache_at(k, index);
    cache->size = cache->object_size = cache->usable = cache->inuse = BUCKETS[class].size;
    cache->reciprocal = reciprocal_of(cache->size);
    cache->head = cache->reserved = DESCRIPTOR_SIZE;
    cache->align = 4;
    cache->order = cache->min_order = BUCKETS[class].order;
    cache->objects = ((PAGE_SIZE << cache->order) - DESCRIPTOR_SIZE) / cache->size;
    cache->class = class;
    cache->is_kmalloc = 1;
    k->kmalloc_caches[is_dma][class] = index;
}

void bucket_start(struct kmalloc *k)
{
    for (uint32_t is_dma = 0; is_dma < 2; is_dma++)
        for (uint32_t class = 0; class < NR_KMALLOC_CLASSES; class ++)
            if (BUCKETS[class].size >= k->min_block)
                make_bucket(k, class, is_dma);
}

uint32_t bucket_for(const struct kmalloc *k, uint64_t size, uint32_t gfp)
{
    for (uint32_t class = 0; class < NR_KMALLOC_CLASSES; class ++)
        if (BUCKETS[class].size >= size && BUCKETS[class].size >= k->min_block)
            return k->kmalloc_caches[gfp & __GFP_DMA ? 1 : 0][class];
    return 0;
}

static void put_on_list(struct kmalloc *k, struct cache *cache, uint32_t index)
{
    slab_push_head(k, &cache->partial, index);
    write_descriptor(k, index);
}

/* The page before it on the list gets a new "next", which stands in its descriptor. */
static void take_off_list(struct kmalloc *k, struct cache *cache, uint32_t index)
{
    uint32_t before = slab_at(k, index)->prev;
    slab_remove(k, &cache->partial, index);
    write_descriptor(k, index);
    if (before)
        write_descriptor(k, before);
}

/* Pages with more than one block are single ones, so the blocks' bytes are neighbours in the host as well. */
static void link_blocks(struct kmalloc *k, const struct cache *cache, struct slab *slab)
{
    uint8_t *bytes = bytes_at(k->frames, object_physical(cache, slab, 0));
    uint32_t address = (uint32_t)object_address(k, cache, slab, 0), size = cache->size, last = slab->objects - 1u;
    for (uint32_t i = 0; i < last; i++, bytes += size) {
        address += size;
        memcpy(bytes, &address, sizeof address);
    }
    address = 0;
    memcpy(bytes, &address, sizeof address);
    slab->freelist = 1;
}

static uint32_t get_pages(struct kmalloc *k, uint32_t cache_index, uint32_t gfp)
{
    struct cache *cache = cache_at(k, cache_index);
    trace_step(k->trace, PATH_get_km_page);
    trace_step(k->trace, PATH___get_free_pages);
    trace_cost(k->trace, COST_SLAB_SLOW, 1);
    uint32_t pfn = k->pages->take(k->reclaim, gfp & ~(uint32_t)__GFP_ZERO, cache->order);
    if (!pfn) {
        if (!(gfp & __GFP_NOWARN))
            trace_say(k->trace,
                      k->trace->message_length ? "\nCouldn't get a free page....." : "Couldn't get a free page.....");
        return 0;
    }
    uint32_t index = slab_make(k, cache_index, pfn, cache->order);
    link_blocks(k, cache, slab_at(k, index));
    put_on_list(k, cache, index);
    TRACE_EVENT(k->trace, .kind = EV_NEW_SLAB, .pfn = pfn, .order = (uint8_t)cache->order, .count = cache->objects);
    return index;
}

static bool descriptor_is_sound(struct kmalloc *k, const struct slab *slab, const char *function)
{
    if (bucket_check_page(k, slab))
        return true;
    trace_bug(k->trace, function);
    trace_say(k->trace, ": the page descriptor at 0x");
    trace_say_hex(k->trace, frame_address(k->frames, slab->pfn));
    trace_say(k->trace, " was overwritten");
    return false;
}

/* The first free block of a listed page leaves its chain; false: the chain or the descriptor is broken, nothing changed. */
static bool pop_block(struct kmalloc *k, const struct cache *cache, struct slab *slab, uint32_t *object)
{
    uint32_t next;
    *object = slab->freelist - 1u;
    if (!descriptor_is_sound(k, slab, "kmalloc"))
        return false;
    if (!slab->freelist || track_at(k, slab, *object)->live ||
        !free_pointer_is_sound(k, cache, slab, *object, bucket_read_pointer(k, cache, slab, *object), &next)) {
        trace_bug(k->trace, "Problem: block on freelist at ");
        trace_say_hex(k->trace, slab->freelist ? object_address(k, cache, slab, *object) : 0);
        trace_say(k->trace, " isn't free: somebody wrote to it after it was freed");
        return false;
    }
    slab->freelist = (uint16_t)next;
    return true;
}

static uint64_t refuse_size(struct kmalloc *k, uint64_t size)
{
    trace_say(k->trace, "kmalloc: Size (");
    trace_say_number(k->trace, size);
    trace_say(k->trace, ") too large");
    return 0;
}

uint64_t bucket_alloc(struct kmalloc *k, uint64_t size, uint32_t gfp, struct name_ref name)
{
    uint32_t cache_index = bucket_for(k, size, gfp), object;
    if (!cache_index)
        return refuse_size(k, size);
    struct cache *cache = cache_at(k, cache_index);
    uint32_t index = cache->partial.first;
    if (!index && !(index = get_pages(k, cache_index, gfp)))
        return 0;
    struct slab *slab = slab_at(k, index);
    if (!pop_block(k, cache, slab, &object))
        return 0;
    track_take(k, cache, slab, object, (uint32_t)size, name);
    trace_cost(k->trace, COST_SLAB_FAST, 1);
    if (slab->nr_live == slab->objects)
        take_off_list(k, cache, index);
    else
        write_descriptor(k, index);
    if (gfp & __GFP_ZERO)
        object_zero(k, object_physical(cache, slab, object), cache->size);
    return object_address(k, cache, slab, object);
}

void bucket_free(struct kmalloc *k, uint32_t index, uint32_t object)
{
    struct slab *slab = slab_at(k, index);
    struct cache *cache = cache_at(k, slab->cache);
    if (!descriptor_is_sound(k, slab, "kfree"))
        return;
    TRACE_EVENT(k->trace, .kind = EV_KFREE, .address = object_address(k, cache, slab, object));
    track_give(k, cache, slab, object);
    trace_cost(k->trace, COST_SLAB_FAST, 1);
    write_pointer(k, cache, slab, object, slab->freelist);
    slab->freelist = (uint16_t)(object + 1);
    if (slab->nr_live + 1u == slab->objects)
        put_on_list(k, cache, index);
    else
        write_descriptor(k, index);
    if (slab->nr_live)
        return;
    take_off_list(k, cache, index);
    slab_unmake(k, index);
}
