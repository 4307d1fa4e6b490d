/* Operations on the page allocator: alloc_pages, free_pages, and the two writes by which an administrator tidies it up.
 * When the kernel notices a bad free, it is reported in the kernel's words. Debian's kernel has no DEBUG_VM, so it often
 * would go on with corrupted lists. There Pagoda stops, and says what was wrong. */
#include "alloc/machine/machine_internal.h"

#include <string.h>

#define VMEMMAP_BASE UINT64_C(0xffffea0000000000)
#define STRUCT_PAGE_BYTES 64u
#define COMPOUND_HEAD_OFFSET 8u /* the first field of struct page that a free reads */

static const char *pages_task_name(const struct call *call)
{
    const struct machine_state *s = call->s;
    return call->process.index ? name_text(&s->names, process_at(&s->processes, call->process)->name) : "pagoda";
}

/* WARN_ON_ONCE_GFP(order >= MAX_ORDER); here it is said each time. */
static void pages_warn_of_order(struct call *call)
{
    if (call->op->gfp & __GFP_NOWARN)
        return;
    trace_print(&call->m->trace,
                "WARNING: CPU: %u PID: %u at mm/page_alloc.c __alloc_pages: order %u is beyond the largest block, order %u",
                call->op->cpu, call->op->pid, call->op->order, call->m->profile->nr_orders - 1);
}

void run_alloc_pages(struct call *call)
{
    const struct op *op = call->op;
    struct machine_state *s = call->s;
    if (call_refuse_sleep(call, gfp_may_sleep(op->gfp), "alloc_pages"))
        return;
    trace_step(&call->m->trace, PATH_alloc_pages);
    if (op->order >= call->m->profile->nr_orders) {
        pages_warn_of_order(call);
        call_took(call, (struct taken){ .requested = op->order < 52 ? UINT64_C(1) << (op->order + PAGE_SHIFT) : 0 });
        return;
    }
    uint32_t pfn = reclaim_alloc_pages(&s->reclaim, op->gfp, op->order);
    uint64_t bytes = (uint64_t)PAGE_SIZE << op->order;
    struct taken taken = { .requested = bytes };
    if (pfn) {
        taken.address = frame_address(&s->frames, pfn);
        taken.allocated = bytes;
        frame_at(&s->frames, pfn)->owner = call_recorded_name(call).index;
        frame_at(&s->frames, pfn)->index = 0;
        s->nr_page_blocks++;
        s->page_block_bytes += bytes;
    }
    call_took(call, taken);
}

/* --- bad frees --- */

/* page_bad_reason(): what the kernel finds wrong with the first page of the block; NULL: nothing. */
static const char *pages_bad_reason(const struct frame *frame)
{
    switch ((enum frame_kind)frame->kind) {
    case FRAME_NONE: /* the tail of a block has no references of its own */
    case FRAME_FREE:
    case FRAME_PCP:
        return "nonzero _refcount"; /* it was 0, and went to -1 */
    case FRAME_SLAB:
    case FRAME_RESERVED:
    case FRAME_ANON: /* PG_lru */
    case FRAME_SWAPCACHE:
        return "PAGE_FLAGS_CHECK_AT_FREE flag(s) set";
    case FRAME_PGTABLE:
        return "nonzero mapcount"; /* the page's type stands there */
    default:
        return NULL;
    }
}

/* bad_page() and the heart of dump_page() */
static void pages_report_bad_page(struct call *call, uint32_t pfn, const char *reason)
{
    struct trace *t = &call->m->trace;
    bool was_free = strcmp(reason, "nonzero _refcount") == 0;
    trace_bug(t, "BUG: Bad page state in process %s  pfn:%05x\n", pages_task_name(call), pfn);
    trace_print(t, "page:%016jx refcount:%d mapcount:0 pfn:0x%x\n", VMEMMAP_BASE + (uint64_t)pfn * STRUCT_PAGE_BYTES,
                was_free ? -1 : 0, pfn);
    trace_print(t, "page dumped because: %s", reason);
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

/* The frame heads no block of alloc_pages(): the kernel's report, if it has one, and then what the frame is. */
static void pages_report_foreign(struct call *call, uint32_t pfn, uint32_t head)
{
    struct trace *t = &call->m->trace;
    const struct frame *frame = frame_at(&call->s->frames, head);
    const char *reason = pages_bad_reason(frame), *owner = pages_owner_of(frame);
    if (reason)
        pages_report_bad_page(call, pfn, reason);
    else
        trace_bug(t, "__free_pages: Linux would not notice");
    if (owner)
        trace_print(t, "\n(the page belongs to %s)", owner);
    else
        trace_print(t, "\n(the page is free already)");
}

/* The block has another order. If too many pages are freed, the check of tail pages finds the first neighbour in use. If
 * too few are freed, the kernel loses the rest of the block without a word. */
static void pages_report_wrong_order(struct call *call, uint32_t pfn)
{
    struct trace *t = &call->m->trace;
    const struct frames *frames = &call->s->frames;
    uint32_t order = frame_at(frames, pfn)->order;
    uint64_t end = call->op->order < 32 ? (uint64_t)pfn + (UINT64_C(1) << call->op->order) : UINT64_MAX;
    uint32_t at = pfn + (1u << order);
    while (at < end && at < frames->nr) {
        const struct frame *next = frame_at(frames, frame_head(frames, at));
        if (next->kind != FRAME_FREE && next->kind != FRAME_PCP && next->kind != FRAME_NONE)
            break;
        at = next->kind == FRAME_NONE ? at + 1 : frame_head(frames, at) + (1u << next->order);
    }
    if (at < end && at < frames->nr)
        pages_report_bad_page(call, at, "nonzero _refcount");
    else
        trace_bug(t, "__free_pages: Linux would not notice");
    trace_print(t, "\n(the block at this address has order %u, not %u)", order, call->op->order);
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

/* True: the block may be freed. */
static bool pages_check_free(struct call *call, uint32_t pfn)
{
    const struct machine_state *s = call->s;
    bool is_classic = !call->m->profile->has_migratetypes;
    bool exists = pfn != UINT32_MAX && call->address % PAGE_SIZE == 0;
    uint32_t head = exists ? frame_head(&s->frames, pfn) : 0;
    bool is_block = exists && machine_is_page_block(s, head);
    const struct frame *frame = exists ? frame_at(&s->frames, head) : NULL;
    if (is_block && head == pfn && frame->order == call->op->order)
        return true;
    if (is_classic)
        pages_report_classic(call, !exists       ? "nonexistent page"
                                   : !is_block   ? pages_classic_word(frame)
                                   : head != pfn ? "the tail of a block"
                                                 : "a block by another order");
    else if (!exists)
        pages_report_outside(call);
    else if (!is_block)
        pages_report_foreign(call, pfn, head);
    else if (head != pfn) {
        pages_report_bad_page(call, pfn, "nonzero _refcount");
        trace_print(&call->m->trace, "\n(the page is the tail of a block)");
    } else
        pages_report_wrong_order(call, pfn);
    return false;
}

void run_free_pages(struct call *call)
{
    struct machine_state *s = call->s;
    trace_step(&call->m->trace, PATH___free_pages);
    call->result->address = call->address;
    if (!call->address)
        return; /* free_pages(0) does nothing */
    uint32_t pfn = frame_of_address(&s->frames, call->address);
    if (!pages_check_free(call, pfn))
        return;
    struct name_ref name = { frame_at(&s->frames, pfn)->owner };
    reclaim_free_pages(&s->reclaim, pfn, call->op->order);
    s->nr_page_blocks--;
    s->page_block_bytes -= (uint64_t)PAGE_SIZE << call->op->order;
    call_forget_name(call, name, call->address);
}

/* --- tidying up --- */

void run_drain_pages(struct call *call)
{
    trace_step(&call->m->trace, PATH_drain_local_pages);
    page_alloc_drain(&call->s->pages, call->op->cpu);
}

void run_compact_memory(struct call *call)
{
    trace_step(&call->m->trace, PATH_compact_memory);
    if (call->m->profile->has_migratetypes) {
        (void)reclaim_compact_memory(&call->s->reclaim);
        return;
    }
    trace_print(&call->m->trace, "compact_memory: ENOENT: Linux 2.0 cannot move pages");
    call->m->trace.outcome = OUTCOME_NULL;
}

/* --- for the OOM report --- */

struct reclaim_task machine_task_of(const void *state, struct space_ref space)
{
    const struct machine_state *s = state;
    struct reclaim_task task = { .name = "" };
    for (struct process_ref i = { 1 }; i.index < s->processes.pool.nr_used; i.index++) {
        const struct process *p = process_at(&s->processes, i);
        if (!p->pid || p->space.index != space.index)
            continue;
        task.name = name_text(&s->names, p->name);
        for (struct vma_ref vma = p->first_vma; vma.index; vma = vma_at(&s->processes, vma)->next)
            task.total_vm += (vma_at(&s->processes, vma)->end - vma_at(&s->processes, vma)->start) >> PAGE_SHIFT;
        break;
    }
    return task;
}
