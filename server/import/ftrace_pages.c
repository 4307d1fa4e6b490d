/* server/import/ftrace_pages.c - pages of a recorded kernel: which are its slabs', and the rest of them.
 *
 * The recorded kernel took pages for its own slabs and large kmallocs. The machine takes its own, so those events must not
 * be applied again.
 *
 * A slab's page is known by its flags. allocate_slab() adds __GFP_NOWARN and __GFP_NORETRY to the caller's flags, and drops
 * all but the reclaim bits. So __GFP_ZERO, __GFP_HIGHMEM, __GFP_MOVABLE, __GFP_ACCOUNT and __GFP_HARDWALL are never among
 * them, and a higher order has __GFP_COMP. This needs no pointers, so it works with hashed ones too.
 *
 * CONFIG_SLAB kernels (before 6.8) pass the caller's flags on, with __GFP_COMP; up to 4.14 both allocators add
 * __GFP_NOTRACK. So a block with __GFP_COMP is SLAB's if its task is next given an object out of it, or, where pointers are
 * hashed, any object with the same flags.
 *
 * A large kmalloc's block has __GFP_COMP, and is followed, in the same task and context, by a kmalloc event whose
 * bytes_alloc is the block's size. Such a page event waits for the next event of its task and context before it counts.
 *
 * Their mm_page_free events are known by the pfn. mm_page_free_batched repeats mm_page_free. The bulk allocator records
 * nothing, so its pages appear when they are freed.
 *
 * With real pointers the first rule is checked by the place: a slab's block holds the object that its task is given next.
 * (An address in the direct map equals its pfn modulo 1 GiB, to which KASLR aligns the map.) In the recordings of Linux 6.1
 * the two agree on every page. */
#include "server/import/ftrace_pages.h"
#include "pagoda/gfp.h"
#include "pagoda/view.h"

#define SLUB_LARGEST 8192u /* bytes; larger kmallocs get pages of their own */
#define SLAB_NEVER (__GFP_ZERO | __GFP_HIGHMEM | __GFP_MOVABLE | __GFP_ACCOUNT | __GFP_HARDWALL)
#define SLAB_ALWAYS (__GFP_NOWARN | __GFP_NORETRY)
#define SLAB_REFILL (__GFP_NOWARN | __GFP_NOMEMALLOC) /* of a sheaf, 7.x */
/* What SLAB passes on of the caller's flags (GFP_RECLAIM_MASK), but for what gfp_exact_node() changes. */
#define SLAB_PASSED                                                                                                        \
    (__GFP_RECLAIM | __GFP_HIGH | __GFP_ATOMIC | __GFP_IO | __GFP_FS | __GFP_RETRY_MAYFAIL | __GFP_NORETRY |               \
     __GFP_MEMALLOC | __GFP_NOMEMALLOC)
#define SLAB_ADDED (__GFP_COMP | __GFP_RECLAIMABLE | __GFP_NOWARN | __GFP_THISNODE)
#define SLAB_ORDER_MAX 1u           /* SLAB_MAX_ORDER_HI */
#define PLACE_MASK ((1u << 18) - 1) /* frames of 1 GiB */

/* ---- which are slabs ---- */

/* Since 6.7 GFP_NOWAIT says __GFP_NOWARN with its own name. */
static uint32_t page_told_gfp(const struct ftrace_event *event)
{
    bool is_nowait = (event->gfp & (__GFP_RECLAIM | __GFP_HIGH)) == __GFP_KSWAPD_RECLAIM;
    return event->gfp | (is_nowait ? __GFP_NOWARN : 0);
}

static bool page_has_slab_signature(const struct ftrace_event *event)
{
    uint32_t gfp = page_told_gfp(event);
    bool is_allocate_slab = (gfp & SLAB_ALWAYS) == SLAB_ALWAYS || (gfp & SLAB_REFILL) == SLAB_REFILL || event->has_notrack;
    return is_allocate_slab && !(gfp & SLAB_NEVER) && (event->order == 0 || (gfp & __GFP_COMP));
}

/* Are the block's flags those that SLAB makes of the object's? */
static bool page_has_flags_of(const struct ftrace_event *page, const struct ftrace_event *object)
{
    uint32_t passed = page->gfp & ~(uint32_t)SLAB_ADDED;
    return (page->gfp & __GFP_COMP) && page->order <= SLAB_ORDER_MAX && !(page->gfp & SLAB_NEVER) &&
           passed == (object->gfp & SLAB_PASSED);
}

static bool page_has_place_of(const struct ftrace_event *page, const struct ftrace_event *object)
{
    uint64_t place = object->ptr >> PAGE_SHIFT & PLACE_MASK;
    return place - (page->pfn & PLACE_MASK) < (uint64_t)1 << page->order;
}

static void page_close_recent(struct ftrace_import *in, struct recent_page *page, bool is_slab_by_place)
{
    if (page->is_open && !in->has_hashed_pointers && (is_slab_by_place || page->has_signature)) {
        in->summary->slab_pages_compared++;
        in->summary->slab_pages_agree += is_slab_by_place && page->has_signature;
    }
    page->is_open = false;
}

static void page_forget_recent(struct ftrace_import *in, const struct ftrace_event *event)
{
    for (uint32_t i = 0; i < RECENT_PAGES; i++)
        if (in->recent[i].pfn == event->pfn)
            page_close_recent(in, &in->recent[i], false);
}

static void page_remember_recent(struct ftrace_import *in, const struct ftrace_event *event)
{
    struct recent_page *page = &in->recent[in->next_recent++ % RECENT_PAGES];
    page_close_recent(in, page, false);
    *page = (struct recent_page){ event->pfn, event->pid, event->order, true, page_has_slab_signature(event) };
}

void ftrace_compare_place(struct ftrace_import *in, const struct ftrace_event *event)
{
    for (uint32_t i = 0; i < RECENT_PAGES; i++) {
        struct recent_page *page = &in->recent[i];
        const struct ftrace_event block = { .pfn = page->pfn, .order = page->order };
        if (page->is_open && page->pid == event->pid && page_has_place_of(&block, event))
            page_close_recent(in, page, true);
    }
}

void ftrace_close_pages(struct ftrace_import *in)
{
    for (uint32_t i = 0; i < RECENT_PAGES; i++)
        page_close_recent(in, &in->recent[i], false);
}

/* ---- the machine's ---- */

static uint64_t page_key(const struct ftrace_event *event)
{
    return event->pfn + 1; /* 0 is no key */
}

static void page_note(struct ftrace_import *in, const struct ftrace_event *event, enum holder holder, uint64_t address)
{
    if (!address_map_put(&in->pages, (struct address_entry){ page_key(event), address, make_tag(holder, event->order) }))
        in->error = PAGODA_ERR_NOMEM;
    in->nr_held[event->order]++;
}

static struct address_entry page_drop(struct ftrace_import *in, struct address_entry *entry)
{
    struct address_entry page = *entry;
    address_map_remove(&in->pages, entry);
    in->nr_held[tag_rest(page.tag)]--;
    return page;
}

static struct op *page_free_op(struct ftrace_import *in, const struct ftrace_event *event, const struct address_entry *page)
{
    struct op *op = ftrace_op(in, event, OP_FREE_PAGES);
    op->address = page->address;
    op->order = (uint8_t)tag_rest(page->tag);
    op->given |= OP_BIT(ADDRESS) | OP_BIT(ORDER);
    return op;
}

/* ---- pages that come again without having gone ---- */

/* A frame cannot be handed out twice: the free of the block that is held was not recorded. */
static void page_free_unrecorded(struct ftrace_import *in, const struct ftrace_event *event, struct address_entry *entry)
{
    struct address_entry page = page_drop(in, entry);
    struct import_event *row = import_event(in->summary, "(free not recorded)");
    struct op_result result;
    struct problem why = { 0 };
    row->read++;
    if (tag_holder(page.tag) == HELD_BY_SLAB)
        import_skip(in->summary, row, event->line, "page of a slab or large kmalloc: the machine gives back its own");
    else if (!page.address)
        import_skip(in->summary, row, event->line, "its allocation failed in the machine");
    else if (ftrace_apply(in, page_free_op(in, event, &page), &result, &why))
        row->applied++;
    else if (!in->error)
        import_skip(in->summary, row, event->line, why.text);
}

static void page_free_block_at(struct ftrace_import *in, const struct ftrace_event *event, uint64_t pfn, uint32_t order)
{
    struct address_entry *entry = address_map_find(&in->pages, pfn + 1);
    if (entry && tag_rest(entry->tag) == order)
        page_free_unrecorded(in, event, entry);
}

/* Blocks that are held and overlap the new one. Blocks begin at multiples of their size: one that is larger has its head at
 * such a multiple below, smaller ones begin inside. Orders of which no block is held cost nothing. */
static void page_free_overlapped(struct ftrace_import *in, const struct ftrace_event *event)
{
    for (uint32_t order = 0; order < ORDERS_MAX && !in->error; order++) {
        uint64_t step = UINT64_C(1) << order, first = event->pfn & ~(step - 1);
        uint64_t end = order < event->order ? event->pfn + (UINT64_C(1) << event->order) : first + 1;
        for (uint64_t pfn = first; in->nr_held[order] && pfn < end && !in->error; pfn += step)
            page_free_block_at(in, event, pfn, order);
    }
}

static void page_take_frames(struct ftrace_import *in, const struct ftrace_event *event)
{
    struct op *op = ftrace_op(in, event, OP_ALLOC_PAGES);
    struct op_result result;
    op->order = event->order;
    op->gfp = event->gfp;
    op->given |= OP_BIT(ORDER) | OP_BIT(GFP);
    if (ftrace_apply_event(in, event, op, &result))
        page_note(in, event, HELD_BY_PAGES, result.address);
}

static void page_leave_to_slab(struct ftrace_import *in, const struct ftrace_event *event)
{
    ftrace_skip(in, event, "page of a slab: the machine's own slabs take theirs");
    page_note(in, event, HELD_BY_SLAB, 0);
}

static void page_take_by_gfp(struct ftrace_import *in, const struct ftrace_event *event)
{
    if (page_has_slab_signature(event))
        page_leave_to_slab(in, event);
    else
        page_take_frames(in, event);
}

/* The next event will tell. */
static bool page_may_be_slab(const struct ftrace_event *event)
{
    return (event->gfp & (__GFP_COMP | __GFP_NOMEMALLOC)) && !(event->gfp & SLAB_NEVER) && !page_has_slab_signature(event);
}

/* object: the next event of the block's task. */
static bool page_is_slab_of(struct ftrace_import *in, const struct ftrace_event *page, const struct ftrace_event *object)
{
    bool is_real = object->ptr >> 32 != 0, has_flags = page_has_flags_of(page, object);
    if (!page_may_be_slab(page) || (is_real ? !page_has_place_of(page, object) : !has_flags))
        return false;
    for (uint32_t i = 0; i < RECENT_PAGES; i++)
        if (in->recent[i].pfn == page->pfn)
            in->recent[i].has_signature |= has_flags;
    return true;
}

static bool page_may_be_large_kmalloc(const struct ftrace_event *event)
{
    return (event->gfp & __GFP_COMP) && !(event->gfp & (__GFP_HIGHMEM | __GFP_MOVABLE)) &&
           (uint64_t)PAGE_SIZE << event->order > SLUB_LARGEST;
}

void ftrace_page_alloc(struct ftrace_import *in, const struct ftrace_event *event)
{
    if (event->pfn == 0)
        return ftrace_skip(in, event, "failed in the recording too");
    page_free_overlapped(in, event);
    page_remember_recent(in, event);
    in->freed_pfn = 0;
    if (page_may_be_large_kmalloc(event) || page_may_be_slab(event))
        in->held = *event;
    else
        page_take_by_gfp(in, event);
}

void ftrace_decide_held(struct ftrace_import *in, const struct ftrace_event *next)
{
    const struct ftrace_event *held = &in->held;
    bool is_kmalloc = next && (next->kind == FTRACE_KMALLOC || next->kind == FTRACE_KMALLOC_NODE);
    bool is_object = is_kmalloc || (next && (next->kind == FTRACE_CACHE_ALLOC || next->kind == FTRACE_CACHE_ALLOC_NODE));
    if (is_kmalloc && next->bytes_alloc == (uint64_t)PAGE_SIZE << held->order) {
        ftrace_skip(in, held, "block of a large kmalloc: the machine's kmalloc takes its own");
        page_note(in, held, HELD_BY_SLAB, 0);
    } else if (is_object && page_is_slab_of(in, held, next)) {
        page_leave_to_slab(in, held);
    } else {
        page_take_by_gfp(in, held);
    }
    in->held.line = 0;
}

void ftrace_page_free(struct ftrace_import *in, const struct ftrace_event *event)
{
    struct address_entry *entry = address_map_find(&in->pages, page_key(event));
    bool is_again = event->kind == FTRACE_PAGE_FREE_DIRECT && in->freed_pfn && in->freed_pfn == event->pfn;
    page_forget_recent(in, event);
    in->freed_pfn = event->pfn;
    if (!entry)
        return ftrace_skip(in, event,
                           is_again
                               ? "freed already: those kernels record a single page twice"
                               : "allocated before the recording began, or by the bulk allocator, which records nothing");
    struct address_entry page = page_drop(in, entry);
    if (tag_holder(page.tag) == HELD_BY_SLAB)
        return ftrace_skip(in, event, "page of a slab or large kmalloc: the machine gives back its own");
    if (!page.address)
        return ftrace_skip(in, event, "its allocation failed in the machine");
    struct op_result result;
    ftrace_apply_event(in, event, page_free_op(in, event, &page), &result);
}
