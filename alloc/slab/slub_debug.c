/* slub_debug: caches whose objects are watched. Documentation/mm/slub.rst, and of mm/slub.c calculate_sizes(),
 * alloc_debug_processing(), free_debug_processing() and the checks that they call.
 *
 * Such a cache has no slabs of the CPUs' own: each allocation takes one object from the front of the node's list, each free
 * gives one back, and both look at the object's bytes first. Free objects are filled with 6b, a5 at the end (P); what
 * surrounds an object is bb while it is free and cc while it is in use (Z); the rest of the slab is 5a. Who allocated and
 * freed it stands behind it (U). Bytes that are not what they must be are reported, and put right so that the machine can
 * go on: an allocation leaves the whole slab alone and takes another one; a free does not happen. F adds the checks
 * themselves: without it the bytes are written, but nobody looks. */
#include "alloc/slab/slub.h"

enum { POISON_INUSE = 0x5a, POISON_FREE = 0x6b, POISON_END = 0xa5, RED_INACTIVE = 0xbb, RED_ACTIVE = 0xcc };

uint32_t slub_tracks_at(const struct cache *cache)
{
    return cache->inuse + (cache->offset >= cache->inuse ? 8 : 0);
}

uint32_t slub_padding_at(const struct cache *cache)
{
    uint32_t at = slub_tracks_at(cache);
    if (cache->flags & SLAB_STORE_USER)
        at += 2 * TRACK_BYTES + (cache->flags & SLAB_KMALLOC ? ORIG_SIZE_BYTES : 0);
    return at;
}

static bool slub_poisons_objects(const struct cache *cache)
{
    return cache->flags & SLAB_POISON && !(cache->flags & SLAB_TYPESAFE_BY_RCU);
}

/* --- what the bytes shall be --- */

/* init_object() */
static void slub_mark_object(struct kmalloc *k, const struct cache *cache, uint64_t physical, uint8_t red)
{
    if (cache->flags & SLAB_RED_ZONE) {
        frame_fill(k->frames, physical - cache->red_left, red, cache->red_left);
        frame_fill(k->frames, physical + cache->object_size, red, cache->inuse - cache->object_size);
    }
    if (slub_poisons_objects(cache)) {
        frame_fill(k->frames, physical, POISON_FREE, cache->object_size - 1);
        frame_fill(k->frames, physical + cache->object_size - 1, POISON_END, 1);
    }
}

void slub_debug_fill_slab(struct kmalloc *k, struct slab_ref slab_ref)
{
    const struct slab *slab = slab_at(k, slab_ref);
    const struct cache *cache = cache_at(k, slab->cache);
    if (cache->flags & SLAB_POISON)
        frame_fill(k->frames, (uint64_t)slab->pfn << PAGE_SHIFT, POISON_INUSE, (size_t)PAGE_SIZE << slab->order);
    for (uint32_t object = 0; object < slab->objects; object++) {
        uint64_t physical = object_physical(cache, slab, object);
        slub_mark_object(k, cache, physical, RED_INACTIVE);
        if (cache->flags & SLAB_STORE_USER)
            frame_fill(k->frames, physical + slub_tracks_at(cache), 0, 2 * TRACK_BYTES);
    }
}

/* --- the checks --- */

/* Some bytes that must all be alike. */
struct stretch {
    const char *name;
    uint64_t physical;
    uint32_t length;
    uint8_t byte;
};

static uint8_t slub_byte_at(const struct kmalloc *k, uint64_t physical)
{
    const uint8_t *bytes = slab_peek_bytes(k->frames, physical);
    return bytes ? *bytes : 0;
}

/* The part of the stretch that was overwritten, from its first wrong byte to its last. False: there is none. */
static bool stretch_find_fault(const struct kmalloc *k, const struct stretch *s, uint64_t *first, uint64_t *last)
{
    uint64_t end = s->physical + s->length;
    *first = s->physical;
    while (*first < end && slub_byte_at(k, *first) == s->byte)
        ++*first;
    if (*first == end)
        return false;
    *last = end - 1;
    while (slub_byte_at(k, *last) == s->byte)
        --*last;
    return true;
}

static void stretch_restore(struct kmalloc *k, const struct cache *cache, const struct stretch *s, uint64_t first,
                            uint64_t last)
{
    uint64_t base = k->frames->page_offset;
    slub_fix(k, cache, "Restoring %s 0x%016jx-0x%016jx=0x%x", s->name, base + first, base + last, s->byte);
    frame_fill(k->frames, first, s->byte, (size_t)(last - first + 1));
}

/* check_bytes_and_report() */
static bool stretch_check(struct kmalloc *k, const struct slab *slab, uint64_t object, const struct stretch *s)
{
    const struct cache *cache = cache_at(k, slab->cache);
    uint64_t base = k->frames->page_offset, first, last;
    if (!stretch_find_fault(k, s, &first, &last))
        return true;
    slub_bug(k, cache, "%s overwritten", s->name);
    trace_print(k->trace, "0x%016jx-0x%016jx @offset=%ju. First byte 0x%x instead of 0x%x\n", base + first, base + last,
                first - ((uint64_t)slab->pfn << PAGE_SHIFT), slub_byte_at(k, first), s->byte);
    slub_say_object(k, slab, base + object);
    stretch_restore(k, cache, s, first, last);
    return false;
}

/* slab_pad_check(): the bytes that are left over at the end of a slab. What was overwritten is reported and put right. */
static void slub_check_slab_end(struct kmalloc *k, const struct slab *slab)
{
    const struct cache *cache = cache_at(k, slab->cache);
    uint64_t base = k->frames->page_offset, start = (uint64_t)slab->pfn << PAGE_SHIFT, first, last;
    uint32_t rest = (PAGE_SIZE << slab->order) % cache->size;
    struct stretch s = { "slab padding", start + (PAGE_SIZE << slab->order) - rest, rest, POISON_INUSE };
    if (!(cache->flags & SLAB_POISON) || !rest || !stretch_find_fault(k, &s, &first, &last))
        return;
    slub_bug(k, cache, "Padding overwritten. 0x%016jx-0x%016jx @offset=%ju", base + first, base + last, first - start);
    slub_say_slab(k, slab);
    slub_say_section(k, "Padding ", s.physical, rest);
    stretch_restore(k, cache, &s, first, last);
}

static bool slub_check_red_zones(struct kmalloc *k, const struct slab *slab, uint64_t at, uint8_t red)
{
    const struct cache *cache = cache_at(k, slab->cache);
    uint32_t behind = cache->inuse - cache->object_size;
    struct stretch left = { "Left Redzone", at - cache->red_left, cache->red_left, red };
    struct stretch right = { "Right Redzone", at + cache->object_size, behind, red };
    struct stretch filler = { "Alignment padding", at + cache->object_size, behind, POISON_INUSE };
    if (cache->flags & SLAB_RED_ZONE)
        return stretch_check(k, slab, at, &left) && stretch_check(k, slab, at, &right);
    if (cache->flags & SLAB_POISON)
        stretch_check(k, slab, at, &filler);
    return true;
}

static bool slub_check_poison(struct kmalloc *k, const struct slab *slab, uint64_t at, uint8_t red)
{
    const struct cache *cache = cache_at(k, slab->cache);
    uint32_t size = cache->object_size, padding = slub_padding_at(cache);
    struct stretch body = { "Poison", at, size - 1, POISON_FREE }, end = { "End Poison", at + size - 1, 1, POISON_END };
    struct stretch rest = { "Object padding", at + padding, cache->size - cache->red_left - padding, POISON_INUSE };
    if (!(cache->flags & SLAB_POISON))
        return true;
    if (red == RED_INACTIVE && slub_poisons_objects(cache) &&
        (!stretch_check(k, slab, at, &body) || !stretch_check(k, slab, at, &end)))
        return false;
    stretch_check(k, slab, at, &rest);
    return true;
}

static bool slub_leads_to_object(const struct kmalloc *k, const struct slab *slab, uint64_t word)
{
    uint32_t number;
    return !word || object_number(k, cache_at(k, slab->cache), slab, word, &number);
}

/* slub_check_object(). red: what the red zones must be, which tells whether the object is in use. */
static bool slub_check_object(struct kmalloc *k, const struct slab *slab, uint32_t object, uint8_t red)
{
    const struct cache *cache = cache_at(k, slab->cache);
    uint64_t at = object_physical(cache, slab, object);
    if (!slub_check_red_zones(k, slab, at, red) || !slub_check_poison(k, slab, at, red))
        return false;
    bool pointer_is_data = red == RED_ACTIVE && cache->offset < cache->inuse;
    if (pointer_is_data || slub_leads_to_object(k, slab, slub_read_pointer(k, cache, slab, object)))
        return true;
    slub_object_bug(k, slab, k->frames->page_offset + at, "Freepointer corrupt");
    slub_write_word(k, cache, slab, object, 0); /* what lay behind it is lost */
    return false;
}

/* on_freelist(): is the object on its slab's free list? The list ends where it is broken, and that is reported. The count
 * of objects in use says how long the list must be. When it does not agree, that is reported, and the count is put right.
 */
static bool slub_is_on_list(struct kmalloc *k, struct slab *slab, uint32_t object)
{
    const struct cache *cache = cache_at(k, slab->cache);
    uint32_t nr = 0, number;
    for (uint32_t at = slab->freelist; at && nr <= slab->objects; nr++) {
        if (at == object + 1)
            return true;
        uint64_t word = slub_read_pointer(k, cache, slab, at - 1);
        if (!slub_leads_to_object(k, slab, word)) {
            slub_object_bug(k, slab, object_address(k, cache, slab, at - 1), "Freechain corrupt");
            slub_write_word(k, cache, slab, at - 1, 0);
            word = 0;
        }
        at = word && object_number(k, cache, slab, word, &number) ? number + 1 : 0;
    }
    if (nr > slab->objects || slab->inuse == slab->objects - nr)
        return false;
    slub_bug(k, cache, "Wrong object count. Counter is %u but counted were %u", slab->inuse, slab->objects - nr);
    slub_say_slab(k, slab);
    slab->inuse = (uint16_t)(slab->objects - nr);
    slub_fix(k, cache, "Object count adjusted");
    return false;
}

/* --- allocating --- */

/* alloc_debug_processing(). False: something was wrong and was reported. Nothing more is allocated from the slab then. */
static bool slub_debug_approve(struct kmalloc *k, struct slab *slab, uint32_t object, uint32_t requested)
{
    const struct cache *cache = cache_at(k, slab->cache);
    uint64_t at = object_physical(cache, slab, object);
    if (cache->flags & SLAB_CONSISTENCY_CHECKS)
        slub_check_slab_end(k, slab);
    if (cache->flags & SLAB_CONSISTENCY_CHECKS && !slub_check_object(k, slab, object, RED_INACTIVE)) {
        slub_fix(k, cache, "Marking all objects used");
        slab->inuse = slab->objects;
        slab->freelist = 0;
        return false;
    }
    if (cache->flags & SLAB_STORE_USER && cache->flags & SLAB_KMALLOC)
        frame_write(k->frames, at + slub_tracks_at(cache) + 2 * TRACK_BYTES, &requested, ORIG_SIZE_BYTES);
    slub_mark_object(k, cache, at, RED_ACTIVE);
    return true;
}

/* Takes the first free object off the slab's list. object: out.
 * False: its pointer was overwritten and leads nowhere, and without F nobody looked before: a fault. */
static bool slub_debug_pop(struct kmalloc *k, struct slab *slab, uint32_t *object)
{
    const struct cache *cache = cache_at(k, slab->cache);
    uint32_t number = 0;
    *object = slab->freelist - 1u;
    uint64_t word = slub_read_pointer(k, cache, slab, *object);
    bool leads = word && object_number(k, cache, slab, word, &number);
    if (word && !leads && !(cache->flags & SLAB_CONSISTENCY_CHECKS)) {
        kmalloc_oops(k, word + cache->offset);
        trace_print(k->trace, "\nwhere the free list of %s leads: somebody wrote to a free object", cache->name);
        return false;
    }
    slab->freelist = leads ? (uint16_t)(number + 1) : 0;
    slab->inuse++;
    return true;
}

/* A new slab stands at the front of the node's list, all of it free. 0: no memory. */
static struct slab_ref slub_debug_add_slab(struct kmalloc *k, struct cache_ref cache_ref, uint32_t gfp)
{
    uint32_t order, pfn = slub_take_pages(k, cache_ref, gfp, &order);
    if (!pfn)
        return SLAB_NONE;
    struct slab_ref slab_ref = slab_make(k, cache_ref, pfn, order);
    TRACE_EVENT(k->trace, .kind = EV_NEW_SLAB, .pfn = pfn, .order = (uint8_t)order, .count = slab_at(k, slab_ref)->objects);
    slub_debug_fill_slab(k, slab_ref);
    slub_link_new(k, slab_ref);
    slab_push_head(k, &cache_at(k, cache_ref)->partial, slab_ref);
    return slab_ref;
}

/* The object that the checks approved of is the caller's. */
static struct kmalloc_block slub_debug_hand_out(struct kmalloc *k, struct slab *slab, uint32_t object,
                                                const struct kmalloc_request *request)
{
    struct cache *cache = cache_at(k, slab->cache);
    uint64_t physical = object_physical(cache, slab, object);
    if (cache->flags & SLAB_STORE_USER)
        slub_write_track(k, cache, physical, TRACK_ALLOC, name_or(request->call_site, request->name));
    struct track *track = track_at(k, slab, object);
    if (track->live) /* an overwritten pointer led to it, and without F nobody minds */
        track_give(k, cache, slab, track);
    track_take(k, cache, slab, track, request);
    slub_prepare(k, cache, physical, request->gfp);
    return object_block(k, slab, physical);
}

struct kmalloc_block slub_debug_alloc(struct kmalloc *k, struct cache_ref cache_ref, const struct kmalloc_request *request)
{
    struct cache *cache = cache_at(k, cache_ref);
    trace_step(k->trace, PATH____slab_alloc);
    trace_cost(k->trace, COST_SLAB_SLOW, 1);
    for (;;) {
        uint32_t object;
        struct slab_ref slab_ref = slab_list_first(&cache->partial);
        if (!slab_ref.index)
            slab_ref = slub_debug_add_slab(k, cache_ref, request->gfp);
        if (!slab_ref.index)
            return KMALLOC_NULL;
        struct slab *slab = slab_at(k, slab_ref);
        if (!slub_debug_pop(k, slab, &object))
            return KMALLOC_NULL;
        bool good = slub_debug_approve(k, slab, object, (uint32_t)request->size);
        if (!slab->freelist)
            slab_remove(k, &cache->partial, slab_ref);
        if (good)
            return slub_debug_hand_out(k, slab, object, request);
    }
}

/* --- freeing --- */

static bool slub_debug_refuse_free(struct kmalloc *k, const struct cache *cache, uint64_t address)
{
    trace_print(k->trace, "FIX %s: Object at 0x%016jx not freed", cache->name, address);
    return false;
}

bool slub_debug_may_free(struct kmalloc *k, struct slab_ref slab_ref, uint64_t address)
{
    struct slab *slab = slab_at(k, slab_ref);
    const struct cache *cache = cache_at(k, slab->cache);
    uint32_t object;
    if (!(cache->flags & SLAB_CONSISTENCY_CHECKS))
        return true;
    slub_check_slab_end(k, slab);
    if (!object_number(k, cache, slab, address, &object)) {
        slub_bug(k, cache, "Invalid object pointer 0x%016jx", address);
        slub_say_slab(k, slab);
        return slub_debug_refuse_free(k, cache, address);
    }
    if (slub_is_on_list(k, slab, object)) {
        slub_object_bug(k, slab, address, "Object already free");
        return slub_debug_refuse_free(k, cache, address);
    }
    return slub_check_object(k, slab, object, RED_ACTIVE) || slub_debug_refuse_free(k, cache, address);
}

void slub_debug_free(struct kmalloc *k, struct slab_ref slab_ref, uint32_t object, struct name_ref call_site)
{
    struct slab *slab = slab_at(k, slab_ref);
    struct cache *cache = cache_at(k, slab->cache);
    uint64_t physical = object_physical(cache, slab, object);
    bool was_full = slab->state == SLAB_FULL;
    trace_step(k->trace, PATH___slab_free);
    trace_cost(k->trace, COST_SLAB_SLOW, 1);
    track_give(k, cache, slab, track_at(k, slab, object));
    if (k->options & KMALLOC_INIT_ON_FREE)
        slub_wipe(k, cache, physical);
    if (cache->flags & SLAB_STORE_USER)
        slub_write_track(k, cache, physical, TRACK_FREE, call_site);
    slub_mark_object(k, cache, physical, RED_INACTIVE);
    slub_write_pointer(k, cache, slab, object, slab->freelist);
    slab->freelist = (uint16_t)(object + 1);
    slab->inuse = slab->inuse ? (uint16_t)(slab->inuse - 1) : 0;
    bool surplus = slab_is_empty(slab) && cache->partial.count >= cache->min_partial;
    if (!was_full && surplus)
        slab_remove(k, &cache->partial, slab_ref);
    if (surplus)
        slab_unmake(k, slab_ref);
    else if (was_full)
        slab_push_tail(k, &cache->partial, slab_ref);
}
