/* What the kernels say when kfree(), ksize() or krealloc() is given an address that is none of theirs. First come the
 * kernel's own words, if it would have noticed; then what the address really is.
 *
 * Linux 6.1 treats any address as one of the direct map, and looks at the struct page that belongs to it. What is no slab
 * is freed as a large block. So there is a page fault among the struct pages, or a warning about the block's order. Inside
 * a slab 6.1 believes the address, unless slub_debug=F checks it (slub_debug.c). It notices one thing: an object that is
 * the first of the free list already (CONFIG_SLAB_FREELIST_HARDENED).
 *
 * Linux 2.0 reads the page descriptor at the start of the page, finds that it is none, and prints its words. */
#include "alloc/slab/slub.h"

#include <string.h>

#define PAGE_OFFSET UINT64_C(0xffff888000000000)
#define KERNEL_MAP UINT64_C(0xffffffff80000000) /* of the kernel's image: physical 0 */
#define VMEMMAP UINT64_C(0xffffea0000000000)
#define PAGE_STRUCT 64u

void kmalloc_oops(struct kmalloc *k, uint64_t address)
{
    struct trace *trace = k->trace;
    uint64_t top = address >> 47;
    if (!kmalloc_is_slub(k))
        trace_bug(trace, "Unable to handle kernel paging request at virtual address %08jx", address);
    else if (top && top != 0x1ffff)
        oops_not_canonical(trace, address);
    else if (address < PAGE_SIZE)
        trace_bug(trace, "BUG: kernel NULL pointer dereference, address: %016jx", address);
    else
        trace_bug(trace, "BUG: unable to handle page fault for address: %016jx", address);
}

/* virt_to_page(): the address of the struct page of any address. */
static uint64_t kmalloc_page_struct(uint64_t address)
{
    uint64_t physical = address - (address >= KERNEL_MAP ? KERNEL_MAP : PAGE_OFFSET);
    return VMEMMAP + (physical >> PAGE_SHIFT) * PAGE_STRUCT;
}

void kmalloc_say_reaction(struct kmalloc *k, uint64_t address, uint32_t pfn)
{
    struct trace *trace = k->trace;
    trace->outcome = OUTCOME_BUG;
    if (!kmalloc_is_slub(k) && pfn == UINT32_MAX) {
        kmalloc_oops(k, address & ~(uint64_t)(PAGE_SIZE - 1)); /* it looks for the page descriptor */
    } else if (!kmalloc_is_slub(k)) {
        uint32_t words[4];
        frame_read(k->frames, (uint64_t)pfn << PAGE_SHIFT, words, sizeof words);
        trace_print(trace, "kfree of non-kmalloced memory: %08jx, next= %08x, order=%d", address, words[0], (int)words[2]);
    } else if (pfn == UINT32_MAX) {
        kmalloc_oops(k, kmalloc_page_struct(address) + 8); /* compound_head */
    } else {
        oops_warn(trace, k->profile, AT_FREE_LARGE, NULL);
        trace_print(trace, "object pointer: 0x%016jx", address);
    }
    trace_end_line(trace);
}

/* Says which object of the slab the address lies in, and what is wrong with it. */
static void kmalloc_explain_slab(struct kmalloc *k, const struct slab *slab, uint64_t address)
{
    struct trace *trace = k->trace;
    const struct cache *cache = cache_at(k, slab->cache);
    uint64_t first = object_address(k, cache, slab, 0);
    uint64_t number = (address - first) / cache->size, inside = (address - first) % cache->size;
    if (address < first)
        trace_print(trace, "it is in the page descriptor (%s)", cache->name);
    else if (number >= slab->objects)
        trace_print(trace, "it is in the unused end of a slab (%s)", cache->name);
    else if (inside)
        trace_print(trace, "invalid pointer, %ju bytes into the object at 0x%jx (%s)", inside, address - inside,
                    cache->name);
    else
        trace_print(trace, "the object is free already: double free, or never allocated (%s)", cache->name);
}

static const char *kmalloc_explain_frame(const struct frame *head)
{
    if (head->kind == FRAME_KERNEL && head->index & LARGE_KMALLOC)
        return "it is inside a large block, not its start; the kernel notices nothing";
    switch ((enum frame_kind)head->kind) {
    case FRAME_FREE:
    case FRAME_PCP:
        return "its page frame is free: double free, or never allocated";
    case FRAME_KERNEL:
        return "its pages came from alloc_pages; free_pages takes them back";
    case FRAME_VMALLOC:
        return "its page frame belongs to a vmalloc area; vfree takes the area's own address";
    case FRAME_PGTABLE:
        return "its page frame is a page table";
    case FRAME_ANON:
    case FRAME_SWAPCACHE:
        return "its page frame belongs to a process";
    default:
        return "its page frame is reserved";
    }
}

/* The kernel's own words about an address in a slab. 6.1 has some for the simplest double free alone. False: it says
 * nothing.
 */
static bool kmalloc_say_slab_reaction(struct kmalloc *k, const struct found *found, const char *function, uint64_t address)
{
    if (!kmalloc_is_slub(k)) {
        kmalloc_say_reaction(k, address, found->pfn);
        return true;
    }
    if (!strcmp(function, "ksize") || !strcmp(function, "krealloc") || !slub_is_first_free(k, found, address))
        return false;
    oops_bug(k->trace, k->profile, AT_SET_FREEPOINTER);
    return true;
}

void kmalloc_complain(struct kmalloc *k, const char *function, uint64_t address)
{
    struct trace *trace = k->trace;
    struct found found = kmalloc_look(k, address);
    trace->outcome = OUTCOME_BUG;
    bool notices = true;
    if (found.slab.index)
        notices = kmalloc_say_slab_reaction(k, &found, function, address);
    else if (!found_is_inside_large(k, &found))
        kmalloc_say_reaction(k, address, found.pfn);
    trace_print(trace, "%s: 0x%jx: ", function, address);
    if (found.pfn == UINT32_MAX)
        trace_print(trace, "not an address of the direct map");
    else if (found.slab.index)
        kmalloc_explain_slab(k, slab_at(k, found.slab), address);
    else
        trace_print(trace, "%s", kmalloc_explain_frame(frame_at(k->frames, found.pfn)));
    if (!notices)
        trace_print(trace, "; a kernel without slub_debug=F notices nothing");
}
