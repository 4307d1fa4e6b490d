/* Allocations that an overwritten free pointer sends elsewhere, frees of what is no live object, and what happens to an
 * object's bytes when it comes and goes.
 *
 * A CPU's free list goes on where the free pointer's bytes say. When somebody wrote over them, the list may lead to an
 * object that is in use, into the middle of one, to another slab, or to pages that are no slab at all: wherever memory is,
 * the kernel hands it out without a word, and two owners share it. Where there is none, the allocation that reads the next
 * free pointer from there faults, and so does every later one on this CPU. Of memory that is an object of some slab, the
 * last owner is on record; of other memory nobody is, as in Linux.
 *
 * kfree() of any address in a slab puts that address on a free list (do_slab_free()), be it the middle of an object or an
 * object that is on the list already: it is handed out again, over the bytes of its owner, or twice. The kernel itself
 * notices just one thing, an address that is the first of the list already (CONFIG_SLAB_FREELIST_HARDENED). Slabs above
 * 32 KiB that are no CPU's current one have no room for such an address in their record: there it is reported only. */
#include "alloc/slab/slub.h"

/* Are all bytes of [address, address + length) memory of the direct map? */
static bool slub_is_memory(const struct kmalloc *k, uint64_t address, uint64_t length)
{
    return address <= UINT64_MAX - length && frame_of_address(k->frames, address) != UINT32_MAX &&
           frame_of_address(k->frames, address + length - 1) != UINT32_MAX;
}

/* Page tables, the kernel's own image and user memory are not zeroed behind their owners' backs: the machine itself would
 * break, not only the simulated one. Such a call faults instead. */
static bool slub_may_zero(const struct kmalloc *k, uint64_t address, uint32_t length)
{
    if (!slub_is_memory(k, address, length))
        return false;
    uint32_t last = frame_of_address(k->frames, address + length - 1);
    for (uint32_t pfn = frame_of_address(k->frames, address); pfn <= last; pfn++) {
        enum frame_kind kind = frame_at(k->frames, frame_head(k->frames, pfn))->kind;
        if (kind == FRAME_PGTABLE || kind == FRAME_RESERVED || kind == FRAME_ANON || kind == FRAME_SWAPCACHE)
            return false;
    }
    return true;
}

static void slub_stray_fault(struct kmalloc *k, const struct cache *cache, uint64_t address)
{
    kmalloc_oops(k, address);
    trace_print(k->trace,
                "\nwhile a CPU followed its free list of %s: somebody wrote over the free pointer of a free object, and it "
                "led there",
                cache->name);
}

/* The object at address gets a new owner; one who has it already is forgotten. Memory that is no object of any slab is
 * handed out as it is. */
static struct kmalloc_block slub_record_stray(struct kmalloc *k, uint64_t address, const struct kmalloc_request *request)
{
    struct found found = kmalloc_look(k, address);
    if (found.kind == FOUND_OBJECT) {
        struct slab *slab = slab_at(k, found.slab);
        struct cache *cache = cache_at(k, slab->cache);
        if (found.track->live)
            track_give(k, cache, slab, found.track);
        track_take(k, cache, slab, found.track, request);
    }
    return found_block(k, &found, address);
}

/* The CPU's list leads to what is no free object of its slab. The kernel does not look: it hands the address out, and takes
 * whatever 8 bytes lie at the free pointer's place for the address of the next free object.
 *
 *     CPU's list: A -> X (somebody wrote X into A's free pointer)
 *     1st allocation: A    2nd: X, if memory is there    3rd: where the bytes at X + offset lead
 *
 * Where no memory is, the read of that word faults. The list stays as it is, so every later allocation of this CPU faults.
 */
struct kmalloc_block slub_alloc_stray(struct kmalloc *k, struct cache_ref cache_ref, const struct kmalloc_request *request)
{
    struct cache *cache = cache_at(k, cache_ref);
    struct cpu_slab *cpu = &cache->cpus[k->trace->cpu];
    const struct slab *slab = slab_at(k, cpu->slab);
    bool is_stray = cpu->freelist == FREELIST_STRAY;
    uint64_t address = is_stray ? cpu->stray : object_address(k, cache, slab, cpu->freelist - 1u);
    bool zero = request->gfp & __GFP_ZERO || k->options & KMALLOC_INIT_ON_ALLOC;
    if (!slub_is_memory(k, address + cache->offset, sizeof(uint64_t))) {
        slub_stray_fault(k, cache, address + cache->offset);
        return KMALLOC_NULL;
    }
    if (zero && !slub_may_zero(k, address, cache->object_size)) {
        slub_stray_fault(k, cache, address);
        return KMALLOC_NULL;
    }
    uint64_t physical = address - k->frames->page_offset;
    slub_follow(k, cache, cpu, slab, frame_read64(k->frames, physical + cache->offset));
    struct kmalloc_block block = slub_record_stray(k, address, request);
    trace_cost(k->trace, COST_SLAB_FAST, 1);
    if (zero)
        object_zero(k, physical, cache->object_size);
    return block;
}

/* Address at which the free list begins that an object of the slab would be put on: the CPU's own, if the slab is its
 * current one, else the slab's. 0: the list is empty. */
static uint64_t slub_first_free(const struct kmalloc *k, struct slab_ref slab_ref)
{
    const struct slab *slab = slab_at(k, slab_ref);
    const struct cache *cache = cache_at(k, slab->cache);
    const struct cpu_slab *cpu = &cache->cpus[k->trace->cpu];
    if (!slab_is_same(cpu->slab, slab_ref))
        return slab_free_word(k, cache, slab);
    if (cpu->freelist == FREELIST_STRAY)
        return cpu->stray;
    return cpu->freelist ? object_address(k, cache, slab, cpu->freelist - 1u) : 0;
}

bool slub_is_first_free(const struct kmalloc *k, const struct found *found, uint64_t address)
{
    return address == slub_first_free(k, found->slab);
}

/* The address goes on a free list, as if an object began there. The word at its free pointer's place, which may be some
 * live object's data, becomes a link:
 *
 *     list: B -> C, free(X)    becomes    X -> B -> C
 *
 * Nothing happens where the kernel itself notices (X is the first of the list), where slub_debug watches, where the write
 * would break the machine itself, or where the slab's record has no room for such an address. */
void slub_free_stray(struct kmalloc *k, const struct found *found, uint64_t address)
{
    struct slab *slab = slab_at(k, found->slab);
    struct cache *cache = cache_at(k, slab->cache);
    struct cpu_slab *cpu = &cache->cpus[k->trace->cpu];
    uint64_t word = slub_first_free(k, found->slab), physical = address - k->frames->page_offset;
    uint64_t inside = address - frame_address(k->frames, slab->pfn);
    bool has_room = slab_is_same(cpu->slab, found->slab) || found->kind == FOUND_OBJECT || inside < SLAB_STRAY;
    if (word == address || cache->flags & SLAB_DEBUG_FLAGS || !has_room || !slub_may_zero(k, address, cache->size))
        return;
    if (k->options & KMALLOC_INIT_ON_FREE)
        slub_wipe(k, cache, physical);
    frame_write(k->frames, physical + cache->offset, &word, sizeof word);
    if (slab_is_same(cpu->slab, found->slab))
        slub_follow(k, cache, cpu, slab, address);
    else
        slub_freed_into(k, found->slab, (uint16_t)(found->kind == FOUND_OBJECT ? found->object + 1 : SLAB_STRAY | inside));
}

/* slab_want_init_on_alloc(): poisoned objects are only zeroed for those who ask. */
void slub_prepare_slow(struct kmalloc *k, const struct cache *cache, uint64_t physical, uint32_t gfp)
{
    bool by_itself = !(cache->flags & (SLAB_POISON | SLAB_TYPESAFE_BY_RCU));
    if (gfp & __GFP_ZERO || (k->options & KMALLOC_INIT_ON_ALLOC && by_itself))
        object_zero(k, physical, cache->object_size);
    else if (k->options & KMALLOC_INIT_ON_FREE && by_itself) /* all but the free pointer is zero already */
        frame_fill(k->frames, physical + cache->offset, 0, sizeof(uint64_t));
}

void slub_wipe(struct kmalloc *k, const struct cache *cache, uint64_t physical)
{
    if (cache->flags & (SLAB_POISON | SLAB_TYPESAFE_BY_RCU))
        return;
    object_zero(k, physical, cache->object_size);
    frame_fill(k->frames, physical + cache->inuse, 0, cache->size - cache->inuse - cache->red_left);
}
