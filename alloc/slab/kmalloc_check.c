/* The invariants of kmalloc: every slab's frames name it, every slab stands in exactly the place that its state says, and
 * counts equal what they count. Free chains run through bytes that anybody may overwrite, so
 * kmalloc_check() does not follow them: kmalloc_check_chains() does, for callers who know that nobody wrote to free
 * objects. */
#include "alloc/base/check.h"
#include "alloc/slab/bucket.h"

struct sums { /* found by walking the slabs and large blocks */
    uint64_t nr_live, requested_bytes, allocated_bytes;
    uint64_t nr_slabs, nr_objects, nr_listed, nr_frames;
};

static const char *check_tracks(const struct kmalloc *k, const struct slab *slab, struct sums *sums)
{
    uint32_t nr_live = 0;
    for (uint32_t object = 0; object < slab->objects; object++) {
        const struct track *track = track_at(k, slab, object);
        nr_live += track->live;
        sums->requested_bytes += track->requested;
        if (!track->live && (track->requested || track->seq || track->name.index))
            return "kmalloc: a free object has a track";
    }
    sums->nr_live += nr_live;
    sums->allocated_bytes += (uint64_t)nr_live * cache_at(k, slab->cache)->usable;
    return nr_live == slab->nr_live ? NULL : "kmalloc: a slab's nr_live is not the number of its live tracks";
}

static const char *check_counts(const struct kmalloc *k, const struct slab *slab)
{
    const struct cache *cache = cache_at(k, slab->cache);
    uint32_t cpu_first = slab->state == SLAB_CPU ? cache->cpus[slab->cpu].freelist : 0;
    bool has_stray = slab->freelist & SLAB_STRAY; /* somebody freed what is no object */
    if ((slab->freelist > slab->objects && !has_stray) || (cpu_first > slab->objects && cpu_first != FREELIST_STRAY))
        return "kmalloc: a free list begins outside its slab";
    if (k->profile->kmalloc_style == KMALLOC_BUCKETS)
        return (slab->state == SLAB_FULL) == (slab->nr_live == slab->objects) ? NULL
                                                                              : "kmalloc: a page is on the wrong list";
    bool may_lose = cache->flags & SLAB_DEBUG_FLAGS; /* an overwritten chain ends the slab's own list */
    if (slab->state == SLAB_FULL && (slab->freelist || (slab->inuse != slab->objects && !may_lose)))
        return "kmalloc: a full slab has free objects";
    if ((slab->state == SLAB_PARTIAL || slab->state == SLAB_CPU_PARTIAL) && !slab->freelist)
        return "kmalloc: a partial slab has no free object";
    return NULL;
}

static bool check_frames(const struct kmalloc *k, struct slab_ref slab_ref)
{
    const struct slab *slab = slab_at(k, slab_ref);
    struct slab_frame f = { .tracks = slab->tracks, .cache = slab->cache, .track_run = slab->track_run };
    for (; f.page < 1u << slab->order; f.page++) {
        const struct frame *frame = frame_at(k->frames, slab->pfn + f.page);
        if (frame->owner != slab_ref.index || frame->index != slab_frame_pack(f))
            return false;
    }
    return true;
}

static const char *check_slab(const struct kmalloc *k, struct slab_ref slab_ref, struct sums *sums)
{
    const struct slab *slab = slab_at(k, slab_ref);
    const struct frame *head = frame_at(k->frames, slab->pfn);
    if (head->kind != FRAME_SLAB || head->order != slab->order || !check_frames(k, slab_ref))
        return "kmalloc: a slab's frames do not name it";
    if (!cache_at(k, slab->cache)->name[0])
        return "kmalloc: a slab of a cache that is gone";
    const char *wrong = check_tracks(k, slab, sums);
    return wrong ? wrong : check_counts(k, slab);
}

/* The next three count slabs of a cache: on the node's list, in one CPU's hands, both. Each slab must say itself that it is
 * there. They return UINT32_MAX when one does not. */
static uint32_t nr_listed_by_node(const struct kmalloc *k, struct cache_ref cache_ref)
{
    const struct cache *cache = cache_at(k, cache_ref);
    uint32_t nr = 0;
    struct slab_ref before = SLAB_NONE;
    for (struct slab_ref i = slab_list_first(&cache->partial); i.index; before = i, i = slab_at(k, i)->next) {
        const struct slab *slab = slab_at(k, i);
        if (slab->cache.index != cache_ref.index || slab->state != SLAB_PARTIAL || !slab_is_same(slab->prev, before) ||
            ++nr > cache->partial.count)
            return UINT32_MAX;
    }
    return nr == cache->partial.count && before.index == cache->partial.last ? nr : UINT32_MAX;
}

static uint32_t nr_listed_by_cpu(const struct kmalloc *k, struct cache_ref cache_ref, const struct cpu_slab *cpu)
{
    uint32_t nr_partial = 0;
    if (cpu->slab.index &&
        (slab_at(k, cpu->slab)->state != SLAB_CPU || slab_at(k, cpu->slab)->cache.index != cache_ref.index))
        return UINT32_MAX;
    for (struct slab_ref i = cpu->partial; i.index; i = slab_at(k, i)->next)
        if (slab_at(k, i)->cache.index != cache_ref.index || slab_at(k, i)->state != SLAB_CPU_PARTIAL ||
            ++nr_partial > cpu->nr_partial)
            return UINT32_MAX;
    return nr_partial == cpu->nr_partial ? nr_partial + (cpu->slab.index ? 1 : 0) : UINT32_MAX;
}

static uint32_t nr_listed(const struct kmalloc *k, struct cache_ref cache_ref)
{
    uint32_t nr = nr_listed_by_node(k, cache_ref);
    for (uint32_t n = 0; n < k->nr_cpus && nr != UINT32_MAX; n++) {
        uint32_t nr_of_cpu = nr_listed_by_cpu(k, cache_ref, &cache_at(k, cache_ref)->cpus[n]);
        nr = nr_of_cpu == UINT32_MAX ? UINT32_MAX : nr + nr_of_cpu;
    }
    return nr;
}

static void add_large(const struct kmalloc *k, struct sums *sums)
{
    uint32_t pfn = 0;
    while (pfn < k->frames->nr) {
        const struct frame *head = frame_at(k->frames, pfn);
        if (head->kind == FRAME_KERNEL && head->index & LARGE_KMALLOC) {
            sums->nr_live++;
            sums->requested_bytes += head->index & ~LARGE_KMALLOC;
            sums->allocated_bytes += (uint64_t)PAGE_SIZE << head->order;
        }
        pfn += head->kind == FRAME_NONE ? 1 : 1u << head->order;
    }
}

static const char *walk_slabs(const struct kmalloc *k, struct sums *sums)
{
    const char *wrong = NULL;
    for (struct slab_ref i = { 1 }; !wrong && i.index < k->slabs.nr_used; i.index++) {
        const struct slab *slab = slab_at(k, i);
        if (!slab->pfn)
            continue;
        sums->nr_slabs++;
        sums->nr_objects += slab->objects;
        sums->nr_listed += slab->state != SLAB_FULL;
        sums->nr_frames += UINT64_C(1) << slab->order;
        wrong = check_slab(k, i, sums);
    }
    return wrong;
}

/* What the caches say of themselves must add up to what the walk over the slabs found. */
static const char *compare_caches(const struct kmalloc *k, const struct sums *sums)
{
    struct sums said = { 0 };
    for (struct cache_ref i = { 1 }; i.index < k->caches.nr_used; i.index++) {
        const struct cache *cache = cache_at(k, i);
        if (!cache->name[0])
            continue;
        uint32_t listed = nr_listed(k, i);
        if (listed == UINT32_MAX)
            return "kmalloc: a slab is not where its state says";
        said.nr_listed += listed;
        said.nr_slabs += cache->nr_slabs;
        said.nr_objects += cache->nr_objects;
        said.nr_live += cache->nr_live;
        said.requested_bytes += cache->requested_bytes;
    }
    if (said.nr_listed != sums->nr_listed)
        return "kmalloc: a slab is on no list";
    if (said.nr_slabs != sums->nr_slabs || said.nr_objects != sums->nr_objects || said.nr_live != sums->nr_live ||
        said.requested_bytes != sums->requested_bytes)
        return "kmalloc: the counts of the caches are not what their slabs add up to";
    return NULL;
}

static const char *kmalloc_find_fault(const struct kmalloc *k)
{
    struct sums sums = { 0 };
    const char *wrong = walk_slabs(k, &sums);
    if (!wrong)
        wrong = compare_caches(k, &sums);
    if (wrong)
        return wrong;
    if (sums.nr_frames != k->frames->kind_count[FRAME_SLAB])
        return "kmalloc: slab frames that no slab owns";
    add_large(k, &sums);
    if (sums.nr_live != k->nr_live || sums.requested_bytes != k->requested_bytes ||
        sums.allocated_bytes != k->allocated_bytes)
        return "kmalloc: the totals are not what slabs and large blocks add up to";
    return NULL;
}

bool kmalloc_check(const struct kmalloc *k, char *text, size_t capacity)
{
    return check_report(kmalloc_find_fault(k), text, capacity);
}

/* Objects on the chain; UINT32_MAX: it is broken, or runs in a circle. */
static uint32_t chain_length(const struct kmalloc *k, const struct slab *slab, uint32_t first)
{
    const struct cache *cache = cache_at(k, slab->cache);
    uint32_t length = 0;
    for (uint32_t next; first; first = next) {
        if (first > slab->objects)
            return UINT32_MAX;
        uint64_t word = k->profile->kmalloc_style == KMALLOC_SLUB ? slub_read_pointer(k, cache, slab, first - 1)
                                                                  : bucket_read_pointer(k, cache, slab, first - 1);
        if (!free_pointer_is_sound(k, cache, slab, first - 1, word, &next) || ++length > slab->objects)
            return UINT32_MAX;
    }
    return length;
}

static const char *check_chain(const struct kmalloc *k, const struct slab *slab)
{
    bool slub = k->profile->kmalloc_style == KMALLOC_SLUB;
    uint32_t cpu_first = slab->state == SLAB_CPU ? cache_at(k, slab->cache)->cpus[slab->cpu].freelist : 0;
    uint32_t own = chain_length(k, slab, slab->freelist), cpus = chain_length(k, slab, cpu_first);
    if (own == UINT32_MAX || cpus == UINT32_MAX)
        return "kmalloc: a free chain leads to what is not a free object";
    if (own + cpus != (uint32_t)slab->objects - slab->nr_live)
        return "kmalloc: free objects that no chain reaches";
    if (slub && own != (uint32_t)slab->objects - slab->inuse)
        return "kmalloc: inuse does not agree with the free chain";
    if (!slub && !bucket_check_page(k, slab))
        return "kmalloc: a page descriptor is not what it must be";
    return NULL;
}

bool kmalloc_check_chains(const struct kmalloc *k, char *text, size_t capacity)
{
    const char *wrong = NULL;
    for (struct slab_ref i = { 1 }; !wrong && i.index < k->slabs.nr_used; i.index++)
        if (slab_at(k, i)->pfn)
            wrong = check_chain(k, slab_at(k, i));
    return check_report(wrong, text, capacity);
}
