/* The face of kmalloc: chooses by style and size, and judges every address before anything is done with it. Blocks above
 * the largest SLUB class are whole blocks of pages. Objects are slub.c's or bucket.c's. */
#include "alloc/base/bits.h"
#include "alloc/slab/bucket.h"
#include "alloc/slab/slub.h"

#include <string.h>

#define SLUB_MAX 8192u /* bytes: KMALLOC_MAX_CACHE_SIZE */
#define CACHES_MAX 4096u
#define RESERVED_CALLS 4u /* kmalloc calls that one operation may make: vmalloc's page arrays, krealloc */

const struct page_source KMALLOC_PAGES = { reclaim_alloc_pages, reclaim_free_pages };

void kmalloc_shape(struct kmalloc *k, const struct machine_config *config, const struct profile *profile)
{
    memset(k, 0, sizeof *k);
    uint32_t nr_frames = (uint32_t)(config->memory >> PAGE_SHIFT);
    size_t cache_size = (sizeof(struct cache) + config->cpus * sizeof(struct cpu_slab) + 7) & ~(size_t)7;
    pool_shape(&k->caches, (uint32_t)cache_size, CACHES_MAX);
    pool_shape(&k->slabs, sizeof(struct slab), nr_frames + 1);
    for (uint32_t run = 0; run < NR_TRACK_RUNS; run++)
        pool_shape(&k->tracks[run], (uint32_t)sizeof(struct track) * (4u << run), nr_frames + 1);
    k->nr_cpus = config->cpus;
    k->min_block = config->min_block;
    k->shuffle_seed = config->slab_shuffle_seed;
    k->debug_flags = (config->slub_debug & SLUB_DEBUG_F ? (uint32_t)SLAB_CONSISTENCY_CHECKS : 0) |
                     (config->slub_debug & SLUB_DEBUG_Z ? (uint32_t)SLAB_RED_ZONE : 0) |
                     (config->slub_debug & SLUB_DEBUG_P ? (uint32_t)SLAB_POISON : 0) |
                     (config->slub_debug & SLUB_DEBUG_U ? (uint32_t)SLAB_STORE_USER : 0);
    k->debug_seen = k->debug_flags;
    k->options = (config->init_on_alloc ? KMALLOC_INIT_ON_ALLOC : 0u) | (config->init_on_free ? KMALLOC_INIT_ON_FREE : 0u);
    (void)profile;
}

uint32_t kmalloc_pools(struct kmalloc *k, struct pool **pools)
{
    uint32_t n = 0;
    pools[n++] = &k->caches;
    pools[n++] = &k->slabs;
    for (uint32_t run = 0; run < NR_TRACK_RUNS; run++)
        pools[n++] = &k->tracks[run];
    return n;
}

enum pagoda_error kmalloc_reserve(struct kmalloc *k, const struct pagoda_host *host, uint32_t nr_operations)
{
    bool booted = k->caches.nr_used > 1;
    enum pagoda_error err = pool_reserve(&k->caches, host, booted ? nr_operations : NR_CACHE_KINDS * NR_KMALLOC_CLASSES);
    if (!err)
        err = pool_reserve(&k->slabs, host, RESERVED_CALLS * nr_operations);
    for (uint32_t run = 0; !err && run < NR_TRACK_RUNS; run++)
        err = pool_reserve(&k->tracks[run], host, RESERVED_CALLS * nr_operations);
    return err;
}

uint64_t kmalloc_contents_needed(const struct kmalloc *k, struct cache_ref cache, uint64_t address)
{
    if (!(k->debug_seen & (SLAB_RED_ZONE | SLAB_POISON)))
        return 0;
    struct found found = kmalloc_look(k, address);
    if (found.slab.index)
        cache = slab_at(k, found.slab)->cache;
    return cache.index ? UINT64_C(1) << cache_at(k, cache)->order : 0;
}

void kmalloc_start(struct kmalloc *k, const struct machine_config *config)
{
    (void)config;
    if (kmalloc_is_slub(k))
        slub_start(k);
    else
        bucket_start(k);
}

/* --- blocks of whole pages --- */

static struct kmalloc_block large_alloc(struct kmalloc *k, const struct kmalloc_request *request)
{
    trace_step(k->trace, PATH_kmalloc_large);
    if (request->size > k->profile->kmalloc_max) {
        if (k->profile->places && !(request->gfp & __GFP_NOWARN))
            oops_warn(k->trace, k->profile, AT_ALLOC_PAGES, NULL);
        return KMALLOC_NULL;
    }
    uint32_t order = order_for_bytes(request->size);
    uint32_t gfp = kmalloc_fix_gfp(k, request->gfp);
    trace_step(k->trace, PATH___get_free_pages);
    uint32_t pfn = k->pages->take(k->reclaim, gfp | __GFP_COMP, order);
    if (!pfn)
        return KMALLOC_NULL;
    frame_set_kind(k->frames, pfn, FRAME_KERNEL, order);
    struct frame *head = frame_at(k->frames, pfn);
    head->index = LARGE_KMALLOC | request->size;
    head->owner = request->name.index;
    head->born = k->trace->seq;
    k->nr_live++;
    k->requested_bytes += request->size;
    k->allocated_bytes += (uint64_t)PAGE_SIZE << order;
    k->nr_large_pages += UINT64_C(1) << order;
    return (struct kmalloc_block){ .address = frame_address(k->frames, pfn), .pfn = pfn };
}

static void large_free(struct kmalloc *k, uint32_t pfn)
{
    struct frame *head = frame_at(k->frames, pfn);
    uint32_t order = head->order;
    trace_step(k->trace, PATH___free_pages);
    k->nr_live--;
    k->requested_bytes -= head->index & ~LARGE_KMALLOC;
    k->allocated_bytes -= (uint64_t)PAGE_SIZE << order;
    k->nr_large_pages -= UINT64_C(1) << order;
    head->index = 0;
    head->owner = 0;
    k->pages->give(k->reclaim, pfn, order);
}

/* --- the calls --- */

static uint64_t kmalloc_usable_of(const struct kmalloc *k, const struct found *found)
{
    if (found->kind == FOUND_LARGE)
        return found_large_usable(k, found);
    return cache_at(k, slab_at(k, found->slab)->cache)->usable;
}

/* bytes_alloc of the tracepoint: how far apart objects of the class are, or the pages of a large block. */
static uint64_t kmalloc_bytes_alloc(const struct kmalloc *k, const struct kmalloc_request *request)
{
    if (!kmalloc_is_slub(k))
        return cache_at(k, bucket_for(k, request->size, request->gfp))->size;
    if (request->size > SLUB_MAX)
        return (uint64_t)PAGE_SIZE << order_for_bytes(request->size);
    return cache_at(k, slub_kmalloc_cache(k, request->size, request->gfp))->size;
}

static struct kmalloc_block kmalloc_alloc_block(struct kmalloc *k, const struct kmalloc_request *request)
{
    if (!kmalloc_is_slub(k))
        return bucket_alloc(k, request);
    if (request->size > SLUB_MAX)
        return large_alloc(k, request);
    trace_step(k->trace, PATH___kmem_cache_alloc);
    return slub_alloc(k, slub_kmalloc_cache(k, request->size, request->gfp), request);
}

struct kmalloc_block kmalloc_alloc(struct kmalloc *k, const struct kmalloc_request *request)
{
    trace_step(k->trace, PATH_kmalloc);
    if (!request->size && kmalloc_is_slub(k))
        return (struct kmalloc_block){ .address = ZERO_SIZE_PTR };
    struct kmalloc_block block = kmalloc_alloc_block(k, request);
    if (block.address)
        TRACE_EVENT(k->trace, .kind = EV_KMALLOC, .address = block.address, .a = request->size,
                    .b = kmalloc_bytes_alloc(k, request));
    return block;
}

/* ZERO_OR_NULL_PTR(). */
static bool kmalloc_is_nothing(const struct kmalloc *k, uint64_t address)
{
    return address == 0 || (address <= ZERO_SIZE_PTR && kmalloc_is_slub(k));
}

uint64_t kmalloc_block_usable(const struct kmalloc *k, const struct kmalloc_block *block)
{
    if (block->cache.index)
        return cache_at(k, block->cache)->usable;
    if (kmalloc_is_nothing(k, block->address))
        return 0;
    struct found found = kmalloc_look(k, block->address);
    return found.kind == FOUND_LARGE ? found_large_usable(k, &found) : 0;
}

/* A live block goes. False: a bug was reported, and it is still live. */
static bool kmalloc_free_live(struct kmalloc *k, const struct found *found, uint64_t address, struct name_ref call_site)
{
    if (!kmalloc_is_slub(k))
        return bucket_free(k, found);
    TRACE_EVENT(k->trace, .kind = EV_KFREE, .address = address);
    if (found->kind == FOUND_LARGE)
        large_free(k, found->pfn);
    else
        slub_free(k, found, call_site);
    return true;
}

/* What is wrong is told; SLUB does what it is asked for all the same. */
static struct kmalloc_freed kmalloc_free_wrong(struct kmalloc *k, const struct found *found, uint64_t address)
{
    struct kmalloc_freed freed = KMALLOC_NOT_FREED;
    kmalloc_complain(k, "kfree", address);
    if (found->slab.index && kmalloc_is_slub(k)) {
        slub_free_stray(k, found, address);
    } else if (found_is_inside_large(k, found)) {
        const struct found whole = { .kind = FOUND_LARGE, .pfn = found->pfn };
        freed = found_before_free(k, &whole, frame_address(k->frames, found->pfn));
        large_free(k, found->pfn);
    }
    return freed;
}

struct kmalloc_freed kmalloc_free(struct kmalloc *k, uint64_t address, struct name_ref call_site)
{
    trace_step(k->trace, PATH_kfree);
    if (kmalloc_is_nothing(k, address))
        return KMALLOC_NOT_FREED;
    struct found found = kmalloc_look(k, address);
    bool may_free = !found.slab.index || !k->debug_seen || slub_debug_may_free(k, found.slab, address);
    if (may_free && !found_is_live(&found))
        return kmalloc_free_wrong(k, &found, address);
    struct kmalloc_freed freed = found_before_free(k, &found, address);
    if (!may_free || !kmalloc_free_live(k, &found, address, call_site))
        freed.name = NAME_NONE;
    return freed;
}

/* The second step: the frame is in the cache. It leads to the slab's record, the object's track, and its bytes, where the
 * free pointer will be. Bytes of objects that cross a page are not looked for in the next one. */
static void kmalloc_prefetch_near(const struct kmalloc *k, const struct frame *frame, uint64_t address)
{
    struct found found = { 0 };
    slab_fetch(slab_at(k, slab_of_frame(frame)));
    kmalloc_look_in_slab(k, address, frame, &found);
    slab_fetch(found.track);
    uint64_t place = address % PAGE_SIZE + cache_at(k, slab_frame_unpack(frame->index).cache)->offset;
    slab_fetch(contents_at(k->frames, frame->contents) + place);
}

void kmalloc_prefetch(const struct kmalloc *k, uint64_t address, enum machine_prefetch step)
{
    uint32_t pfn = frame_of_address(k->frames, address);
    if (pfn == UINT32_MAX)
        return;
    const struct frame *frame = frame_at(k->frames, pfn);
    if (step == PREFETCH_FAR)
        slab_fetch(frame);
    else if (frame_is_of_slab(frame))
        kmalloc_prefetch_near(k, frame, address);
}

uint64_t kmalloc_usable(struct kmalloc *k, uint64_t address)
{
    trace_step(k->trace, PATH_ksize);
    if (kmalloc_is_nothing(k, address))
        return 0;
    struct found found = kmalloc_look(k, address);
    if (found_is_live(&found))
        return kmalloc_usable_of(k, &found);
    kmalloc_complain(k, "ksize", address);
    return found.slab.index && kmalloc_is_slub(k) ? kmalloc_usable_of(k, &found) : 0; /* it asks the slab only */
}

/* The block keeps its place and its name; what the caller asked for changes. */
static void kmalloc_resize_in_place(struct kmalloc *k, const struct found *found, uint64_t size)
{
    uint64_t before;
    if (found->kind == FOUND_LARGE) {
        struct frame *head = frame_at(k->frames, found->pfn);
        before = head->index & ~LARGE_KMALLOC;
        head->index = LARGE_KMALLOC | size;
    } else {
        before = found->track->requested;
        found->track->requested = (uint32_t)size & 0x7fffffffu;
        cache_at(k, slab_at(k, found->slab)->cache)->requested_bytes += size - before;
    }
    k->requested_bytes += size - before;
}

/* Copies bytes between physical addresses. Frames that hold nothing are not backed for it. */
static void kmalloc_copy_bytes(struct kmalloc *k, uint64_t to, uint64_t from, uint64_t length)
{
    uint8_t bytes[256]; /* divides a page; both ends are aligned to 4 at least, so a piece may still cross pages */
    for (uint64_t n; length; to += n, from += n, length -= n) {
        n = length < sizeof bytes ? length : sizeof bytes;
        frame_read(k->frames, from, bytes, (size_t)n);
        if (frame_peek(k->frames, (uint32_t)(from >> PAGE_SHIFT)) ||
            frame_peek(k->frames, (uint32_t)((from + n - 1) >> PAGE_SHIFT)))
            frame_write(k->frames, to, bytes, (size_t)n);
        else
            frame_fill(k->frames, to, 0, (size_t)n);
    }
}

/* A bigger block takes over the name and the bytes. */
static struct kmalloc_block kmalloc_move(struct kmalloc *k, const struct found *found, uint64_t address,
                                         const struct kmalloc_request *request)
{
    const uint64_t page_offset = k->frames->page_offset;
    struct kmalloc_request bigger = *request;
    bigger.name = name_or(found_name(k, found), request->name);
    struct kmalloc_block block = kmalloc_alloc(k, &bigger);
    if (!block.address)
        return block;
    kmalloc_copy_bytes(k, block.address - page_offset, address - page_offset, kmalloc_usable_of(k, found));
    kmalloc_free(k, address, request->call_site);
    if (block.address == address) /* an overwritten free list handed out the old block: it is free again now */
        return (struct kmalloc_block){ .address = address };
    return block;
}

struct kmalloc_block kmalloc_realloc(struct kmalloc *k, uint64_t address, const struct kmalloc_request *request,
                                     struct name_ref *name)
{
    *name = NAME_NONE;
    trace_step(k->trace, PATH_krealloc);
    if (kmalloc_is_nothing(k, address))
        return kmalloc_alloc(k, request);
    struct found found = kmalloc_look(k, address);
    if (!found_is_live(&found)) {
        kmalloc_complain(k, "krealloc", address);
        return KMALLOC_NULL;
    }
    *name = found_name(k, &found);
    if (!request->size && kmalloc_is_slub(k)) {
        kmalloc_free(k, address, request->call_site);
        return (struct kmalloc_block){ .address = ZERO_SIZE_PTR };
    }
    if (request->size > kmalloc_usable_of(k, &found))
        return kmalloc_move(k, &found, address, request);
    kmalloc_resize_in_place(k, &found, request->size);
    return found_block(k, &found, address);
}

/* --- looking --- */

static void kmalloc_describe_large(const struct kmalloc *k, uint32_t pfn, struct kmalloc_record *record)
{
    const struct frame *head = frame_at(k->frames, pfn);
    *record = (struct kmalloc_record){
        .address = frame_address(k->frames, pfn),
        .usable = (uint64_t)PAGE_SIZE << head->order,
        .requested = head->index & ~LARGE_KMALLOC,
        .name = { head->owner },
        .seq = head->born,
        .pfn = pfn,
        .nr_frames = 1u << head->order,
        .order = head->order,
        .is_large = true,
    };
}

static void kmalloc_describe_object(const struct kmalloc *k, const struct slab *slab, uint32_t object,
                                    struct kmalloc_record *record)
{
    const struct cache *cache = cache_at(k, slab->cache);
    const struct track *track = track_at(k, slab, object);
    uint64_t first = object_physical(cache, slab, object), last = first + cache->object_size - 1;
    *record = (struct kmalloc_record){
        .address = object_address(k, cache, slab, object),
        .usable = cache->usable,
        .requested = track->requested,
        .name = track->name,
        .seq = track->seq,
        .pfn = (uint32_t)(first >> PAGE_SHIFT),
        .nr_frames = (uint32_t)((last >> PAGE_SHIFT) - (first >> PAGE_SHIFT)) + 1,
        .cache = cache->name,
        .is_cache_object = !cache->is_kmalloc,
    };
}

bool kmalloc_find(const struct kmalloc *k, uint64_t address, struct kmalloc_record *record)
{
    struct found found = kmalloc_look(k, address);
    if (!found_is_live(&found))
        return false;
    if (found.kind == FOUND_LARGE)
        kmalloc_describe_large(k, found.pfn, record);
    else
        kmalloc_describe_object(k, slab_at(k, found.slab), found.object, record);
    return true;
}

/* Of the objects in one frame of a slab. */
static bool kmalloc_find_in_slab(const struct kmalloc *k, const struct slab *slab, uint64_t from, uint64_t end,
                                 struct kmalloc_record *record)
{
    const struct cache *cache = cache_at(k, slab->cache);
    uint64_t first = object_address(k, cache, slab, 0);
    for (uint64_t object = from > first ? (from - first) / cache->size : 0;
         object < slab->objects && first + object * cache->size < end; object++) {
        if (!track_at(k, slab, (uint32_t)object)->live)
            continue;
        kmalloc_describe_object(k, slab, (uint32_t)object, record);
        if (record->address + record->usable > from)
            return true;
    }
    return false;
}

bool kmalloc_find_in(const struct kmalloc *k, uint64_t from, uint64_t end, struct kmalloc_record *record)
{
    struct found found = kmalloc_look(k, from);
    if (found.slab.index)
        return kmalloc_find_in_slab(k, slab_at(k, found.slab), from, end, record);
    if (found.kind != FOUND_LARGE && !found_is_inside_large(k, &found))
        return false;
    kmalloc_describe_large(k, found.pfn, record);
    return true;
}

static bool kmalloc_next_in_slab(const struct kmalloc *k, const struct slab *slab, uint32_t *object)
{
    for (; slab->nr_live && *object < slab->objects; ++*object)
        if (track_at(k, slab, *object)->live)
            return true;
    return false;
}

/* By address: the cursor holds the frame and the next object of its slab. */
bool kmalloc_next(const struct kmalloc *k, uint64_t *cursor, struct kmalloc_record *record)
{
    uint32_t pfn = (uint32_t)(*cursor >> 16), object = *cursor & 0xffff;
    while (pfn < k->frames->nr) {
        const struct frame *head = frame_at(k->frames, pfn);
        uint32_t behind = pfn + (head->kind == FRAME_NONE ? 1 : 1u << head->order);
        if (head->kind == FRAME_SLAB && kmalloc_next_in_slab(k, slab_at(k, slab_of_frame(head)), &object)) {
            kmalloc_describe_object(k, slab_at(k, slab_of_frame(head)), object, record);
            *cursor = (uint64_t)pfn << 16 | (object + 1);
            return true;
        }
        if (head->kind == FRAME_KERNEL && head->index & LARGE_KMALLOC) {
            kmalloc_describe_large(k, pfn, record);
            *cursor = (uint64_t)behind << 16;
            return true;
        }
        pfn = behind;
        object = 0;
    }
    *cursor = (uint64_t)pfn << 16;
    return false;
}
