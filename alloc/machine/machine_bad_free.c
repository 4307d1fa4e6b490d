/* What free_pages() says of an address that is no block of alloc_pages(), or a block of another order. First come the
 * kernel's own words, if it would have noticed; then what is there. Nothing is freed.
 *
 * Linux 6.1 mm/page_alloc.c: __free_pages() takes one reference away, and frees the block if it was the last. So it does
 * not notice that a page is free, or the tail of a block: their count was 0 already. Of a block that it frees it looks at
 * every page but the first (free_pages_prepare()); at the first one too where the order has no per-CPU list. A page that it
 * finds bad is reported, and the block stays away from the free lists. Debian's kernel has no DEBUG_VM, so it often would
 * go on with corrupted lists. There Pagoda stops. Linux 2.0 says less. */
#include "alloc/machine/machine_internal.h"
#include "alloc/page/pcp.h"

#define VMEMMAP_BASE UINT64_C(0xffffea0000000000)
#define STRUCT_PAGE_BYTES 64u
#define COMPOUND_HEAD_OFFSET 8u

/* What the kernel sees at pfn. It knows of no blocks among the pages that were reserved at boot. */
static const struct frame *pages_seen(const struct frames *frames, uint32_t pfn)
{
    const struct frame *head = frame_at(frames, frame_head(frames, pfn));
    return head->kind == FRAME_RESERVED ? head : frame_at(frames, pfn);
}

/* A page in use has one reference. A page that is free, or the tail of a block, has none. */
static uint32_t pages_references(const struct frame *frame)
{
    return frame->kind != FRAME_NONE && frame->kind != FRAME_FREE && frame->kind != FRAME_PCP;
}

/* page_bad_reason(): NULL: the page may be freed. A page can be bad in more than one way; the last way found is told:
 * mapcount, mapping, references, flags.
 * references  that the page still has */
static const char *pages_bad_reason(const struct frame *frame, uint32_t references)
{
    switch ((enum frame_kind)frame->kind) {
    case FRAME_SLAB:
    case FRAME_RESERVED:
    case FRAME_ANON: /* PG_lru */
    case FRAME_SWAPCACHE:
        return "PAGE_FLAGS_CHECK_AT_FREE flag(s) set";
    case FRAME_PGTABLE: /* the page's type stands where the mapcount does */
        return references ? "nonzero _refcount" : "nonzero mapcount";
    default:
        return references ? "nonzero _refcount" : NULL;
    }
}

/* bad_page() and the first line of dump_page() */
static void pages_report_bad(struct call *call, uint32_t pfn, uint32_t references, const char *reason)
{
    struct trace *t = &call->m->trace;
    trace_bug(t, "BUG: Bad page state in process %s  pfn:%05x\n", call_task_name(call), pfn);
    trace_print(t, "page:%016jx refcount:%u mapcount:0 mapping:0000000000000000 index:0x0 pfn:0x%x\n",
                VMEMMAP_BASE + (uint64_t)pfn * STRUCT_PAGE_BYTES, references, pfn);
    trace_print(t, "page dumped because: %s\n", reason);
}

/* The first bad page behind the block's first one; each further one would get a report of its own. */
static bool pages_check_tails(struct call *call, uint32_t pfn, uint32_t order)
{
    const struct frames *frames = &call->s->frames;
    uint64_t end = order < 32 ? (uint64_t)pfn + (UINT64_C(1) << order) : UINT64_MAX;
    for (uint32_t at = pfn + 1; at < end && at < frames->nr; at++) {
        const struct frame *frame = pages_seen(frames, at);
        const char *reason = pages_references(frame) ? pages_bad_reason(frame, 1) : NULL;
        if (reason) {
            pages_report_bad(call, at, 1, reason);
            return false;
        }
    }
    return true;
}

/* What 6.1 reports when it frees what stands at pfn as a block of that order. */
static void pages_report_linux(struct call *call, uint32_t pfn, uint32_t order)
{
    const struct frame *frame = pages_seen(&call->s->frames, pfn);
    bool is_noticed = pages_references(frame) && !pages_check_tails(call, pfn, order);
    const char *reason = pages_references(frame) && !pcp_takes_order(order) ? pages_bad_reason(frame, 0) : NULL;
    if (reason)
        pages_report_bad(call, pfn, 0, reason);
    if (!reason && !is_noticed)
        trace_bug(&call->m->trace, "__free_pages: Linux would not notice\n");
}

static void pages_report_outside(struct call *call)
{
    uint64_t pfn = (call->address - call->s->frames.page_offset) >> PAGE_SHIFT;
    trace_bug(&call->m->trace,
              "BUG: unable to handle page fault for address: %016jx\n"
              "(the struct page of an address that no memory stands behind)",
              VMEMMAP_BASE + pfn * STRUCT_PAGE_BYTES + COMPOUND_HEAD_OFFSET);
}

static const char *pages_owner_of(const struct frame *frame)
{
    switch ((enum frame_kind)frame->kind) {
    case FRAME_KERNEL:
        return "kmalloc, which releases it by kfree";
    case FRAME_VMALLOC:
        return "vmalloc, which releases it by vfree";
    case FRAME_SLAB:
        return "a slab cache";
    case FRAME_RESERVED:
        return "the kernel since boot";
    case FRAME_ANON:
    case FRAME_SWAPCACHE:
        return "a process";
    case FRAME_PGTABLE:
        return "page tables";
    default:
        return NULL;
    }
}

/* What stands there. */
static void pages_explain(struct call *call, uint32_t pfn, uint32_t head)
{
    struct trace *t = &call->m->trace;
    const struct frame *frame = frame_at(&call->s->frames, head);
    const char *owner = pages_owner_of(frame);
    if (machine_is_page_block(call->s, head) && head != pfn)
        trace_print(t, "(the page is the tail of a block)");
    else if (machine_is_page_block(call->s, head))
        trace_print(t, "(the block at this address has order %u, not %u)", frame->order, call->op->order);
    else if (owner)
        trace_print(t, "(the page belongs to %s)", owner);
    else
        trace_print(t, "(the page is free already)");
}

/* Linux 2.0 keeps a count of users for each page, and little else. */
static void pages_report_classic(struct call *call, const char *what)
{
    trace_bug(&call->m->trace, "free_pages: trying to free %s (%08jx): memory probably corrupted", what, call->address);
}

static const char *pages_classic_word(const struct frame *frame)
{
    if (!pages_owner_of(frame))
        return "free memory";
    return frame->kind == FRAME_RESERVED ? "reserved memory" : "memory of another allocator";
}

static void pages_complain_classic(struct call *call, uint32_t pfn, uint32_t head)
{
    const struct frame *frame = head ? frame_at(&call->s->frames, head) : NULL;
    pages_report_classic(call, !frame                                  ? "nonexistent page"
                               : !machine_is_page_block(call->s, head) ? pages_classic_word(frame)
                               : head != pfn                           ? "the tail of a block"
                                                                       : "a block by another order");
}

bool call_check_free_pages(struct call *call, uint32_t pfn)
{
    const struct machine_state *s = call->s;
    bool exists = pfn != UINT32_MAX && call->address % PAGE_SIZE == 0;
    uint32_t head = exists ? frame_head(&s->frames, pfn) : 0;
    if (exists && head == pfn && machine_is_page_block(s, head) && frame_at(&s->frames, head)->order == call->op->order)
        return true;
    if (!call->m->profile->has_migratetypes) {
        pages_complain_classic(call, pfn, head);
    } else if (!exists) {
        pages_report_outside(call);
    } else {
        pages_report_linux(call, pfn, call->op->order);
        pages_explain(call, pfn, head);
    }
    return false;
}
