/* The face of kmalloc: chooses by style and size, and judges every address before anything is done with it. Blocks above
 * the largest SLUB class are whole blocks of pages. Objects are slub.c's or bucket.c's. */
#include "alloc/slab/kmalloc_internal.h"

#include <string.h>

#define SLUB_MAX 8192u /* bytes: KMALLOC_MAX_CACHE_SIZE */
#define CACHES_MAX 4096u
#define RESERVED_CALLS 4u /* kmalloc calls that one operation may make: vmalloc's page arrays, krealloc */

static const struct page_source KERNEL_PAGES = { reclaim_alloc_pages, reclaim_free_pages };

static bool is_slub(const struct kmalloc *k)
{
    return k->profile->kmalloc_style == KMALLOC_SLUB;
}

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

void kmalloc_wire(struct kmalloc *k, struct reclaim *reclaim, struct frames *frames, struct trace *trace,
                  const struct profile *profile, const struct names *names)
{
    k->reclaim = reclaim;
    k->frames = frames;
    k->trace = trace;
    k->profile = profile;
    k->names = names;
    k->pages = reclaim ? &KERNEL_PAGES : NULL;
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

uint64_t kmalloc_contents_needed(const struct kmalloc *k, uint32_t cache, uint64_t address)
{
    if (!(k->debug_seen & (SLAB_RED_ZONE | SLAB_POISON)))
        return 0;
    struct found found = kmalloc_look(k, address);
    if (found.slab)
        cache = slab_at(k, found.slab)->cache;
    return cache ? UINT64_C(1) << cache_at(k, cache)->order : 0;
}

void kmalloc_start(struct kmalloc *k, const struct machine_config *config)
{
    (void)config;
    if (is_slub(k))
        slub_start(k);
    else
        bucket_start(k);
}

/* --- blocks of whole pages --- */

static uint32_t large_order(uint64_t size)
{
    uint32_t order = 0;
    while ((uint64_t)PAGE_SIZE << order < size)
        order++;
    return order;
}

static uint64_t refuse_large(struct kmalloc *k, uint64_t size, uint32_t gfp)
{
    if (!(gfp & __GFP_NOWARN)) {
        trace_say(k->trace, "WARNING: CPU: ");
        trace_say_number(k->trace, k->trace->cpu);
        trace_say(k->trace, " PID: ");
        trace_say_number(k->trace, k->trace->pid);
        trace_say(k->trace, " at mm/page_alloc.c __alloc_pages: kmalloc of ");
        trace_say_number(k->trace, size);
        trace_say(k->trace, " bytes needs an order of MAX_ORDER or more");
    }
    return 0;
}

static uint64_t large_alloc(struct kmalloc *k, uint64_t size, uint32_t gfp, struct name_ref name)
{
    trace_step(k->trace, PATH_kmalloc_large);
    if (size > k->profile->kmalloc_max)
        return refuse_large(k, size, gfp);
    uint32_t order = large_order(size);
    gfp = kmalloc_fix_gfp(k, gfp);
    trace_step(k->trace, PATH___get_free_pages);
    uint32_t pfn = k->pages->take(k->reclaim, gfp | __GFP_COMP, order);
    if (!pfn)
        return 0;
    frame_set_kind(k->frames, pfn, FRAME_KERNEL, order);
    struct frame *head = frame_at(k->frames, pfn);
    head->index = LARGE_KMALLOC | size;
    head->owner = name.index;
    head->born = k->trace->seq;
    k->nr_live++;
    k->requested_bytes += size;
    k->allocated_bytes += (uint64_t)PAGE_SIZE << order;
    k->nr_large_pages += UINT64_C(1) << order;
    return frame_address(k->frames, pfn);
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

static uint64_t usable_of(const struct kmalloc *k, const struct found *found)
{
    if (found->kind == FOUND_LARGE)
        return (uint64_t)PAGE_SIZE << frame_at(k->frames, found->pfn)->order;
    return cache_at(k, slab_at(k, found->slab)->cache)->usable;
}

/* bytes_alloc of the tracepoint: how far apart objects of the class are, or the pages of a large block. */
static uint64_t size_of(const struct kmalloc *k, uint64_t size, uint32_t gfp)
{
    if (!is_slub(k))
        return cache_at(k, bucket_for(k, size, gfp))->size;
    if (size > SLUB_MAX)
        return (uint64_t)PAGE_SIZE << large_order(size);
    return cache_at(k, slub_kmalloc_cache(k, size, gfp))->size;
}

static uint64_t alloc_block(struct kmalloc *k, uint64_t size, uint32_t gfp, struct name_ref name)
{
    if (!is_slub(k))
        return bucket_alloc(k, size, gfp, name);
    if (size > SLUB_MAX)
        return large_alloc(k, size, gfp, name);
    trace_step(k->trace, PATH___kmem_cache_alloc);
    return slub_alloc(k, slub_kmalloc_cache(k, size, gfp), gfp, (uint32_t)size, name);
}

uint64_t kmalloc_alloc(struct kmalloc *k, uint64_t size, uint32_t gfp, struct name_ref name)
{
    trace_step(k->trace, PATH_kmalloc);
    if (!size && is_slub(k))
        return ZERO_SIZE_PTR;
    uint64_t address = alloc_block(k, size, gfp, name);
    if (address && k->trace->recording)
        TRACE_EVENT(k->trace, .kind = EV_KMALLOC, .address = address, .a = size, .b = size_of(k, size, gfp));
    return address;
}

static bool is_nothing(const struct kmalloc *k, uint64_t address) /* ZERO_OR_NULL_PTR() */
{
    return address == 0 || (address <= ZERO_SIZE_PTR && is_slub(k));
}

static void free_found(struct kmalloc *k, const struct found *found, uint64_t address)
{
    if (!is_slub(k)) {
        bucket_free(k, found->slab, found->object);
        return;
    }
    TRACE_EVENT(k->trace, .kind = EV_KFREE, .address = address);
    if (found->kind == FOUND_LARGE)
        large_free(k, found->pfn);
    else
        slub_free(k, found->slab, found->object);
}

/* What is wrong is told; SLUB does what it is asked for all the same. */
static void free_wrong(struct kmalloc *k, const struct found *found, uint64_t address)
{
    kmalloc_complain(k, "kfree", address);
    if (found->slab && is_slub(k))
        slub_free_stray(k, found, address);
    else if (found_is_inside_large(k, found))
        large_free(k, found->pfn);
}

void kmalloc_free(struct kmalloc *k, uint64_t address)
{
    trace_step(k->trace, PATH_kfree);
    if (is_nothing(k, address))
        return;
    struct found found = kmalloc_look(k, address);
    if (found.slab && k->debug_seen && !slub_debug_may_free(k, found.slab, address))
        return;
    if (found_is_live(&found))
        free_found(k, &found, address);
    else
        free_wrong(k, &found, address);
}

/* near: the frame is there. It leads to the slab's record, the object's track, and its bytes, where the free pointer will
 * be. Bytes of objects that cross a page are not looked for in the next one. */
static void prefetch_near(const struct kmalloc *k, const struct frame *frame, uint64_t address)
{
    struct found found = { 0 };
    fetch(slab_at(k, frame->owner));
    look_in_slab(k, address, frame, &found);
    fetch(found.track);
    uint64_t place = address % PAGE_SIZE + cache_at(k, slab_frame_unpack(frame->index).cache)->offset;
    fetch(k->frames->contents.items + (size_t)frame->contents * PAGE_SIZE + place);
}

void kmalloc_prefetch(const struct kmalloc *k, uint64_t address, enum machine_prefetch step)
{
    uint32_t pfn = frame_of_address(k->frames, address);
    if (pfn == UINT32_MAX)
        return;
    const struct frame *frame = frame_at(k->frames, pfn);
    if (step == PREFETCH_FAR)
        fetch(frame);
    else if (frame_is_of_slab(frame))
        prefetch_near(k, frame, address);
}

uint64_t kmalloc_usable(struct kmalloc *k, uint64_t address)
{
    trace_step(k->trace, PATH_ksize);
    if (is_nothing(k, address))
        return 0;
    struct found found = kmalloc_look(k, address);
    if (found_is_live(&found))
        return usable_of(k, &found);
    kmalloc_complain(k, "ksize", address);
    return found.slab && is_slub(k) ? usable_of(k, &found) : 0; /* it asks the slab only */
}

/* The block keeps its place; what the caller asked for changes. */
static void resize_in_place(struct kmalloc *k, const struct found *found, uint64_t size, struct name_ref name)
{
    uint64_t before;
    if (found->kind == FOUND_LARGE) {
        struct frame *head = frame_at(k->frames, found->pfn);
        before = head->index & ~LARGE_KMALLOC;
        head->index = LARGE_KMALLOC | size;
        head->owner = name.index ? name.index : head->owner;
    } else {
        struct slab *slab = slab_at(k, found->slab);
        struct track *track = track_at(k, slab, found->object);
        struct cache *cache = cache_at(k, slab->cache);
        before = track->requested;
        track->requested = (uint32_t)size & 0x7fffffffu;
        track->name = name_or(name, track->name);
        cache->requested_bytes += size - before;
    }
    k->requested_bytes += size - before;
}

/* Frames that hold nothing are not backed for the copy. */
static void copy_bytes(struct kmalloc *k, uint64_t to, uint64_t from, uint64_t length)
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

static struct name_ref name_of(const struct kmalloc *k, const struct found *found)
{
    if (found->kind == FOUND_LARGE)
        return (struct name_ref){ frame_at(k->frames, found->pfn)->owner };
    return track_at(k, slab_at(k, found->slab), found->object)->name;
}

uint64_t kmalloc_realloc(struct kmalloc *k, uint64_t address, uint64_t size, uint32_t gfp, struct name_ref name)
{
    trace_step(k->trace, PATH_krealloc);
    if (is_nothing(k, address))
        return kmalloc_alloc(k, size, gfp, name);
    struct found found = kmalloc_look(k, address);
    if (!found_is_live(&found)) {
        kmalloc_complain(k, "krealloc", address);
        return 0;
    }
    if (!size && is_slub(k)) {
        kmalloc_free(k, address);
        return ZERO_SIZE_PTR;
    }
    if (size <= usable_of(k, &found)) {
        resize_in_place(k, &found, size, name);
        return address;
    }
    uint64_t bigger = kmalloc_alloc(k, size, gfp, name_or(name, name_of(k, &found)));
    if (!bigger)
        return 0;
    uint64_t page_offset = k->frames->page_offset;
    copy_bytes(k, bigger - page_offset, address - page_offset, usable_of(k, &found));
    kmalloc_free(k, address);
    return bigger;
}

/* --- looking --- */

static void describe_large(const struct kmalloc *k, uint32_t pfn, struct kmalloc_block *block)
{
    const struct frame *head = frame_at(k->frames, pfn);
    *block = (struct kmalloc_block){
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

static void describe_object(const struct kmalloc *k, const struct slab *slab, uint32_t object, struct kmalloc_block *block)
{
    const struct cache *cache = cache_at(k, slab->cache);
    const struct track *track = track_at(k, slab, object);
    uint64_t first = object_physical(cache, slab, object), last = first + cache->object_size - 1;
    *block = (struct kmalloc_block){
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

bool kmalloc_find(const struct kmalloc *k, uint64_t address, struct kmalloc_block *block)
{
    struct found found = kmalloc_look(k, address);
    if (!found_is_live(&found))
        return false;
    if (found.kind == FOUND_LARGE)
        describe_large(k, found.pfn, block);
    else
        describe_object(k, slab_at(k, found.slab), found.object, block);
    return true;
}

static bool next_in_slab(const struct kmalloc *k, const struct slab *slab, uint32_t *object)
{
    for (; slab->nr_live && *object < slab->objects; ++*object)
        if (track_at(k, slab, *object)->live)
            return true;
    return false;
}

/* By address: the cursor holds the frame and the next object of its slab. */
bool kmalloc_next(const struct kmalloc *k, uint64_t *cursor, struct kmalloc_block *block)
{
    uint32_t pfn = (uint32_t)(*cursor >> 16), object = *cursor & 0xffff;
    while (pfn < k->frames->nr) {
        const struct frame *head = frame_at(k->frames, pfn);
        uint32_t behind = pfn + (head->kind == FRAME_NONE ? 1 : 1u << head->order);
        if (head->kind == FRAME_SLAB && next_in_slab(k, slab_at(k, head->owner), &object)) {
            describe_object(k, slab_at(k, head->owner), object, block);
            *cursor = (uint64_t)pfn << 16 | (object + 1);
            return true;
        }
        if (head->kind == FRAME_KERNEL && head->index & LARGE_KMALLOC) {
            describe_large(k, pfn, block);
            *cursor = (uint64_t)behind << 16;
            return true;
        }
        pfn = behind;
        object = 0;
    }
    *cursor = (uint64_t)pfn << 16;
    return false;
}
