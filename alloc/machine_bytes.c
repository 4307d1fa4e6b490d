/* read and write: bytes through the page tables, as a program or the kernel would reach them. */
#include "alloc/machine_internal.h"

static void oops(struct call *call, uint64_t address)
{
    struct trace *t = &call->m->trace;
    bool user = address < call->m->profile->user_end;
    if (user) {
        trace_bug(t, "segfault at ");
        trace_say_hex(t, address);
    } else if (call->m->profile->kmalloc_style == KMALLOC_BUCKETS) {
        trace_bug(t, "Unable to handle kernel paging request at virtual address ");
        trace_say_hex(t, address);
    } else {
        trace_bug(t, "BUG: unable to handle page fault for address: ");
        trace_say_hex(t, address);
    }
}

/* Physical address of a byte for an access; 0: it faults. Pages of the process come in by demand. */
static uint64_t reach(struct call *call, uint64_t address, bool write)
{
    struct machine_state *s = call->s;
    uint32_t pfn;
    if (address < call->m->profile->user_end) {
        pfn = call->process ? process_fault(&s->processes, call->process, address, write) : 0;
    } else {
        struct translation where;
        bool mapped = view_translate(call->m, address, 0, &where) && where.present;
        pfn = mapped ? where.pfn : 0;
        const struct frame *head = pfn ? frame_at(&s->frames, frame_head(&s->frames, pfn)) : NULL;
        if (write && head && (head->kind == FRAME_PGTABLE || head->kind == FRAME_RESERVED))
            pfn = 0; /* the kernel's text is read-only; page tables are kept so here, that no write breaks the machine
                        itself */
    }
    return pfn ? ((uint64_t)pfn << PAGE_SHIFT) + (address & (PAGE_SIZE - 1)) : 0;
}

/* Where the part of [address, end) that can be reached ends. Kernel ranges are walked page by page: they are backed. */
static uint64_t reachable_until(struct call *call, uint64_t address, uint64_t end, bool write)
{
    if (address < call->m->profile->user_end)
        return call->process ? process_mapped_until(&call->s->processes, call->process, address) : address;
    while (address < end && reach(call, address, write))
        address = (address | (PAGE_SIZE - 1)) + 1;
    return address;
}

/* A range is accessed whole or not at all, unlike on a real machine, where the bytes before the fault would have moved. */
static bool reach_all(struct call *call, uint64_t length, bool write)
{
    uint64_t end = call->address + length;
    bool wraps = end < call->address;
    uint64_t reached = wraps ? call->address : reachable_until(call, call->address, end, write);
    if (wraps || reached < end)
        oops(call, reached);
    return !call_is_bug(call);
}

/* The part of a range that lies in one page, and where it is in physical memory. */
struct piece {
    uint64_t offset; /* from the start of the range */
    size_t length;
    uint64_t physical;
};

/* Moves on to the next piece; start with a zeroed one. False: the range is done, or a page could not be had (a bug then).
 */
static bool next_piece(struct call *call, uint64_t length, bool write, struct piece *piece)
{
    piece->offset += piece->length;
    if (piece->offset >= length)
        return false;
    uint64_t at = call->address + piece->offset, room = PAGE_SIZE - (at & (PAGE_SIZE - 1)), left = length - piece->offset;
    piece->length = (size_t)(room < left ? room : left);
    piece->physical = reach(call, at, write);
    if (!piece->physical)
        oops(call, at);
    return piece->physical != 0;
}

/* A heap trusts its own bytes less once somebody else has written them, be it through the kernel's direct map. */
static void tell_heaps(struct call *call, const struct piece *piece)
{
    struct machine_state *s = &call->m->state;
    const struct frame *frame = frame_at(&s->frames, (uint32_t)(piece->physical >> PAGE_SHIFT));
    if (frame->kind != FRAME_ANON)
        return;
    uint64_t address = ANON_VPN(frame->index) << PAGE_SHIFT | (piece->physical & (PAGE_SIZE - 1));
    for (uint32_t i = 1; i < s->processes.pool.nr_used; i++) /* fork keeps addresses: any of them may share the frame */
        if (process_at(&s->processes, i)->pid)
            heap_written(&s->heaps, i, address, piece->length);
}

void run_write(struct call *call)
{
    const struct op *op = call->op;
    uint64_t length = op->given & P(HEX) ? op->nr_data : op->length;
    call->result->address = call->address;
    if (!reach_all(call, length, true))
        return;
    bool is_user = call->address < call->m->profile->user_end;
    if (is_user && length)
        heap_written(&call->s->heaps, call->process, call->address, length);
    for (struct piece piece = { 0 }; next_piece(call, length, true, &piece);) {
        if (!is_user)
            tell_heaps(call, &piece);
        if (op->given & P(HEX))
            frame_write(&call->s->frames, piece.physical, op->data + piece.offset, piece.length);
        else
            frame_fill(&call->s->frames, piece.physical, op->fill, piece.length);
    }
}

void run_read(struct call *call)
{
    uint64_t length = call->op->length;
    call->result->address = call->address;
    if (!reach_all(call, length, false))
        return;
    for (struct piece piece = { 0 }; next_piece(call, length, false, &piece);)
        frame_read(&call->s->frames, piece.physical, call->m->bytes + piece.offset, piece.length);
    if (call_is_bug(call))
        return;
    call->result->bytes = call->m->bytes;
    call->result->nr_bytes = (uint32_t)length;
}
