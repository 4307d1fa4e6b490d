/* kmalloc of Linux 1.x and 2.0. There is a bucket for each block size, and one more for DMA memory. A bucket lists the
 * pages (2^order frames) that have a free block, the one that was full longest ago last. A 16-byte page descriptor stands
 * at the head of the pages: the next descriptor of the list, the first free block, the number of the size, the free blocks
 * left, four words of 32 bits. Free blocks are linked through their own first word. Pages whose blocks are all free go
 * back.
 *
 * In Linux each block began with a header of 8 bytes (flags and size). Here the tracks of slab.c stand for it, so that a
 * block's whole size is the caller's, and the largest request is 128 KiB less the descriptor, as documented. */
#include "alloc/slab/bucket.h"
#include "alloc/base/invariant.h"

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

static struct descriptor bucket_descriptor_of(const struct kmalloc *k, const struct slab *slab)
{
    const struct cache *cache = cache_at(k, slab->cache);
    struct descriptor d = { 0, 0, cache->class, slab->objects - (uint32_t)slab->nr_live };
    if (slab->next.index)
        d.next = (uint32_t)frame_address(k->frames, slab_at(k, slab->next)->pfn);
    if (slab->freelist)
        d.first_free = (uint32_t)object_address(k, cache, slab, slab->freelist - 1u);
    return d;
}

bool bucket_check_page(const struct kmalloc *k, const struct slab *slab)
{
    struct descriptor want = bucket_descriptor_of(k, slab);
    const uint8_t *bytes = slab_peek_bytes(k->frames, (uint64_t)slab->pfn << PAGE_SHIFT);
    return bytes && !memcmp(&want, bytes, sizeof want);
}

static void bucket_write_descriptor(struct kmalloc *k, struct slab_ref slab_ref)
{
    const struct slab *slab = slab_at(k, slab_ref);
    struct descriptor d = bucket_descriptor_of(k, slab);
    memcpy(slab_bytes(k->frames, (uint64_t)slab->pfn << PAGE_SHIFT), &d, sizeof d);
}

uint64_t bucket_read_pointer(const struct kmalloc *k, const struct cache *cache, const struct slab *slab, uint32_t object)
{
    const uint8_t *bytes = slab_peek_bytes(k->frames, object_physical(cache, slab, object));
    uint32_t word = 0;
    if (bytes)
        memcpy(&word, bytes, sizeof word);
    return word;
}

static void bucket_write_pointer(struct kmalloc *k, const struct cache *cache, const struct slab *slab, uint32_t object,
                                 uint32_t next)
{
    uint32_t word = next ? (uint32_t)object_address(k, cache, slab, next - 1) : 0;
    memcpy(slab_bytes(k->frames, object_physical(cache, slab, object)), &word, sizeof word);
}

static void bucket_make(struct kmalloc *k, uint32_t class, bool is_dma)
{
    char name[32] = "dma-";
    const char *plain = BUCKETS[class].name;
    memcpy(name + 4, plain, strlen(plain) + 1);
    struct text text =
        is_dma ? (struct text){ name, (uint32_t)strlen(plain) + 4 } : (struct text){ plain, (uint32_t)strlen(plain) };
    struct cache_ref cache_ref = cache_make(k, text);
    INVARIANT(&k->caches, cache_ref.index); /* reserved before boot */
    struct cache *cache = cache_at(k, cache_ref);
    cache->size = cache->object_size = cache->usable = cache->inuse = BUCKETS[class].size;
    cache->reciprocal = object_reciprocal(cache->size);
    cache->head = cache->reserved = DESCRIPTOR_SIZE;
    cache->align = 4;
    cache->order = cache->min_order = BUCKETS[class].order;
    cache->objects = ((PAGE_SIZE << cache->order) - DESCRIPTOR_SIZE) / cache->size;
    cache->class = class;
    cache->is_kmalloc = 1;
    k->kmalloc_caches[is_dma][class] = cache_ref;
}

void bucket_start(struct kmalloc *k)
{
    for (uint32_t is_dma = 0; is_dma < 2; is_dma++)
        for (uint32_t class = 0; class < NR_KMALLOC_CLASSES; class ++)
            if (BUCKETS[class].size >= k->min_block)
                bucket_make(k, class, is_dma);
}

struct cache_ref bucket_for(const struct kmalloc *k, uint64_t size, uint32_t gfp)
{
    for (uint32_t class = 0; class < NR_KMALLOC_CLASSES; class ++)
        if (BUCKETS[class].size >= size && BUCKETS[class].size >= k->min_block)
            return k->kmalloc_caches[gfp & __GFP_DMA ? 1 : 0][class];
    return CACHE_NONE;
}

static void bucket_put_on_list(struct kmalloc *k, struct cache *cache, struct slab_ref slab_ref)
{
    slab_push_head(k, &cache->partial, slab_ref);
    bucket_write_descriptor(k, slab_ref);
}

/* A page leaves its bucket's list. The page before it gets a new "next", which stands in that page's descriptor. */
static void bucket_take_off_list(struct kmalloc *k, struct cache *cache, struct slab_ref slab_ref)
{
    struct slab_ref before = slab_at(k, slab_ref)->prev;
    slab_remove(k, &cache->partial, slab_ref);
    bucket_write_descriptor(k, slab_ref);
    if (before.index)
        bucket_write_descriptor(k, before);
}

/* Pages with more than one block are single ones, so the blocks' bytes are neighbours in the host as well. */
static void bucket_link_blocks(struct kmalloc *k, const struct cache *cache, struct slab *slab)
{
    uint8_t *bytes = slab_bytes(k->frames, object_physical(cache, slab, 0));
    uint32_t address = (uint32_t)object_address(k, cache, slab, 0), size = cache->size, last = slab->objects - 1u;
    for (uint32_t i = 0; i < last; i++, bytes += size) {
        address += size;
        memcpy(bytes, &address, sizeof address);
    }
    address = 0;
    memcpy(bytes, &address, sizeof address);
    slab->freelist = 1;
}

static struct slab_ref bucket_get_pages(struct kmalloc *k, struct cache_ref cache_ref, uint32_t gfp)
{
    struct cache *cache = cache_at(k, cache_ref);
    trace_step(k->trace, PATH_get_km_page);
    trace_step(k->trace, PATH___get_free_pages);
    trace_cost(k->trace, COST_SLAB_SLOW, 1);
    uint32_t pfn = k->pages->take(k->reclaim, gfp & ~(uint32_t)__GFP_ZERO, cache->order);
    if (!pfn) {
        if (!(gfp & __GFP_NOWARN))
            trace_print(k->trace, "%sCouldn't get a free page.....", k->trace->message_length ? "\n" : "");
        return SLAB_NONE;
    }
    struct slab_ref slab_ref = slab_make(k, cache_ref, pfn, cache->order);
    bucket_link_blocks(k, cache, slab_at(k, slab_ref));
    bucket_put_on_list(k, cache, slab_ref);
    TRACE_EVENT(k->trace, .kind = EV_NEW_SLAB, .pfn = pfn, .order = (uint8_t)cache->order, .count = cache->objects);
    return slab_ref;
}

static bool bucket_descriptor_is_sound(struct kmalloc *k, const struct slab *slab, const char *function)
{
    if (bucket_check_page(k, slab))
        return true;
    trace_bug(k->trace, "%s: the page descriptor at 0x%jx was overwritten", function, frame_address(k->frames, slab->pfn));
    return false;
}

/* The first free block of a listed page leaves its chain. object: out.
 * False: the chain or the descriptor is broken; a bug was reported, and nothing has changed. */
static bool bucket_pop_block(struct kmalloc *k, const struct cache *cache, struct slab *slab, uint32_t *object)
{
    uint32_t next;
    *object = slab->freelist - 1u;
    if (!bucket_descriptor_is_sound(k, slab, "kmalloc"))
        return false;
    if (!slab->freelist || track_at(k, slab, *object)->live ||
        !free_pointer_is_sound(k, cache, slab, *object, bucket_read_pointer(k, cache, slab, *object), &next)) {
        trace_bug(k->trace, "Problem: block on freelist at %jx isn't free: somebody wrote to it after it was freed",
                  slab->freelist ? object_address(k, cache, slab, *object) : 0);
        return false;
    }
    slab->freelist = (uint16_t)next;
    return true;
}

struct kmalloc_block bucket_alloc(struct kmalloc *k, const struct kmalloc_request *request)
{
    struct cache_ref cache_ref = bucket_for(k, request->size, request->gfp);
    if (!cache_ref.index) {
        trace_print(k->trace, "kmalloc of too large a block (%ju bytes).\n", request->size);
        return KMALLOC_NULL;
    }
    struct cache *cache = cache_at(k, cache_ref);
    struct slab_ref slab_ref = slab_list_first(&cache->partial);
    if (!slab_ref.index)
        slab_ref = bucket_get_pages(k, cache_ref, request->gfp);
    if (!slab_ref.index)
        return KMALLOC_NULL;
    struct slab *slab = slab_at(k, slab_ref);
    uint32_t object;
    if (!bucket_pop_block(k, cache, slab, &object))
        return KMALLOC_NULL;
    uint64_t physical = object_physical(cache, slab, object);
    track_take(k, cache, slab, track_at(k, slab, object), request);
    trace_cost(k->trace, COST_SLAB_FAST, 1);
    if (slab->nr_live == slab->objects)
        bucket_take_off_list(k, cache, slab_ref);
    else
        bucket_write_descriptor(k, slab_ref);
    if (request->gfp & __GFP_ZERO)
        object_zero(k, physical, cache->size);
    return object_block(k, slab, physical);
}

bool bucket_free(struct kmalloc *k, const struct found *found)
{
    struct slab_ref slab_ref = found->slab;
    struct slab *slab = slab_at(k, slab_ref);
    uint32_t object = found->object;
    struct cache *cache = cache_at(k, slab->cache);
    if (!bucket_descriptor_is_sound(k, slab, "kfree"))
        return false;
    TRACE_EVENT(k->trace, .kind = EV_KFREE, .address = object_address(k, cache, slab, object));
    track_give(k, cache, slab, found->track);
    trace_cost(k->trace, COST_SLAB_FAST, 1);
    bucket_write_pointer(k, cache, slab, object, slab->freelist);
    slab->freelist = (uint16_t)(object + 1);
    if (slab->nr_live + 1u == slab->objects)
        bucket_put_on_list(k, cache, slab_ref);
    else
        bucket_write_descriptor(k, slab_ref);
    if (!slab->nr_live) {
        bucket_take_off_list(k, cache, slab_ref);
        slab_unmake(k, slab_ref);
    }
    return true;
}
