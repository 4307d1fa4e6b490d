/* read and write: bytes by way of the page tables, as a program or the kernel reaches them. Each page is looked up in the
 * CPU's TLB. An access that faults moves nothing, and is reported in the kernel's words. Linux v6.1 arch/x86/mm/fault.c:
 * show_fault_oops(), show_signal_msg(); classic: Linux v2.0 arch/i386/mm/fault.c. */
#include "alloc/machine/machine_internal.h"

/* --- what a fault that cannot be served is told --- */

struct access {
    uint64_t address;
    bool write;
};

static bool bytes_is_user(const struct call *call, uint64_t address)
{
    return address < call->m->profile->user_end;
}

/* The processor's error code of a fault. Bit 0: the page is there; bit 1: a write; bit 2: in user mode. */
static uint32_t bytes_error_code(const struct call *call, struct access access, bool in_user_mode)
{
    struct translation where;
    uint32_t pid = in_user_mode ? process_at(&call->s->processes, call->process)->pid : 0;
    bool present = machine_translate(call->m, access.address, pid, &where) && where.present;
    return (uint32_t)present | (uint32_t)access.write << 1 | (uint32_t)in_user_mode << 2;
}

/* dump_pagetable() of Linux 6.1: the entries on the way, "PGD ... P4D ... PUD ...". With 4 levels the P4D is the PGD. */
static void bytes_print_walk_linux(struct call *call, uint64_t address)
{
    static const char *const NAMES[MAX_LEVELS] = { "PGD", "PUD", "PMD", "PTE" };
    struct trace *t = &call->m->trace;
    struct translation where;
    machine_translate(call->m, address, 0, &where);
    if (where.nr_levels)
        trace_print(t, "\nPGD %jx P4D %jx", where.levels[0].entry, where.levels[0].entry);
    for (uint32_t i = 1; i < where.nr_levels && i < MAX_LEVELS; i++)
        trace_print(t, " %s %jx", NAMES[i], where.levels[i].entry);
}

/* do_page_fault() of Linux 2.0: the entries on the way, a line each. */
static void bytes_print_walk_classic(struct call *call, uint64_t address)
{
    static const char *const NAMES[] = { "pde", "pte" };
    struct translation where;
    machine_translate(call->m, address, 0, &where);
    for (uint32_t i = 0; i < where.nr_levels && i < sizeof NAMES / sizeof NAMES[0]; i++)
        trace_print(&call->m->trace, "\n*%s = %08jx", NAMES[i], where.levels[i].entry);
}

static void bytes_print_oops_classic(struct call *call, uint64_t address)
{
    trace_bug(&call->m->trace, "Unable to handle kernel %s at virtual address %08jx",
              address < PAGE_SIZE ? "NULL pointer dereference" : "paging request", address);
    bytes_print_walk_classic(call, address);
}

static void bytes_print_oops_linux(struct call *call, struct access access)
{
    struct trace *t = &call->m->trace;
    uint32_t code = bytes_error_code(call, access, false);
    if (access.address >> 47 && access.address >> 47 != 0x1ffff) {
        oops_not_canonical(t, access.address);
        return;
    }
    trace_bug(t, "BUG: %s: %016jx\n",
              access.address < PAGE_SIZE ? "kernel NULL pointer dereference, address"
                                         : "unable to handle page fault for address",
              access.address);
    trace_print(t, "#PF: supervisor %s access in kernel mode\n", access.write ? "write" : "read");
    trace_print(t, "#PF: error_code(0x%04x) - %s", code, code & 1 ? "permissions violation" : "not-present page");
    bytes_print_walk_linux(call, access.address);
}

static void bytes_oops(struct call *call, uint64_t address, bool write)
{
    struct access access = { address, write };
    if (call->m->profile->kmalloc_style == KMALLOC_BUCKETS)
        bytes_print_oops_classic(call, address);
    else
        bytes_print_oops_linux(call, access);
}

/* --- from an address to a frame --- */

/* The kernel's text is read-only. Here page tables are, too: a write to them would break the machine itself. */
static bool bytes_is_read_only(const struct call *call, uint32_t pfn)
{
    const struct frame *head = frame_at(&call->s->frames, frame_head(&call->s->frames, pfn));
    return head->kind == FRAME_PGTABLE || head->kind == FRAME_RESERVED;
}

/* Frame of a kernel address; 0: the access faults.
 * where  out: its translation. */
static uint32_t bytes_reach_kernel(const struct call *call, uint64_t address, bool write, struct translation *where)
{
    bool mapped = machine_translate(call->m, address, 0, where) && where->present;
    return mapped && !(write && bytes_is_read_only(call, where->pfn)) ? where->pfn : 0;
}

/* Frame of an address that is accessed now; 0: the access faults. A page of the process is faulted in. The CPU looks the
 * address up in its TLB. */
static uint32_t bytes_reach(struct call *call, uint64_t address, bool write)
{
    const struct profile *profile = call->m->profile;
    struct translation where;
    if (bytes_is_user(call, address)) {
        uint32_t pfn = call->process.index ? process_fault(&call->s->processes, call->process, address, write) : 0;
        if (pfn) {
            call_load_space(call);
            struct tlb_page page = { .pfn = pfn, .shift = PAGE_SHIFT, .nr_levels = profile->pgtable_levels };
            tlb_access(&call->s->tlb, address, true, page);
        }
        return pfn;
    }
    uint32_t pfn = bytes_reach_kernel(call, address, write, &where);
    if (pfn) {
        uint32_t first = pfn & ~((1u << (where.page_shift - PAGE_SHIFT)) - 1);
        struct tlb_page page = { .pfn = first, .shift = where.page_shift, .nr_levels = where.nr_levels };
        tlb_access(&call->s->tlb, address, false, page);
    }
    return pfn;
}

/* Where the part of [address, end) ends that can be accessed. It is walked page by page: kernel ranges have no large holes.
 */
static uint64_t bytes_reachable_until(struct call *call, uint64_t address, uint64_t end, bool write)
{
    struct translation where;
    while (address < end && bytes_reach_kernel(call, address, write, &where))
        address = (address | (PAGE_SIZE - 1)) + 1;
    return address;
}

/* May the whole range be accessed? Else the fault is reported, and nothing moves. On a real machine the bytes before the
 * fault would have moved. */
static bool bytes_reach_all(struct call *call, uint64_t length, bool write)
{
    uint64_t end = call->address + length;
    if (call->process.index && bytes_is_user(call, call->address))
        return call_may_reach_user(call, length, write);
    bool wraps = end < call->address;
    uint64_t reached = wraps ? call->address : bytes_reachable_until(call, call->address, end, write);
    if (wraps || reached < end)
        bytes_oops(call, reached, write);
    return !call_is_bug(call);
}

/* The part of a range that lies in one page, and where it is in physical memory. */
struct piece {
    uint64_t offset; /* from the start of the range */
    size_t length;
    uint64_t physical;
};

/* Goes on to the next piece; the first one follows a zeroed one. Pages of a process are faulted in one by one, as a program
 * reaches them: those before may be swapped out again meanwhile. False: the range is done, or a page could not be had,
 * which is reported. */
static bool bytes_next_piece(struct call *call, uint64_t length, bool write, struct piece *piece)
{
    piece->offset += piece->length;
    if (piece->offset >= length)
        return false;
    uint64_t at = call->address + piece->offset, room = PAGE_SIZE - (at & (PAGE_SIZE - 1)), left = length - piece->offset;
    piece->length = (size_t)(room < left ? room : left);
    uint32_t pfn = bytes_reach(call, at, write);
    if (!pfn && bytes_is_user(call, at) && call->process.index)
        call_fault_failed(call, at, write);
    else if (!pfn)
        bytes_oops(call, at, write);
    piece->physical = ((uint64_t)pfn << PAGE_SHIFT) + (at & (PAGE_SIZE - 1));
    return pfn != 0;
}

/* A write by way of the direct map may hit the frames of a heap. The heap is told, because it trusts bytes that nobody else
 * has written. */
static void bytes_tell_heaps(struct call *call, const struct piece *piece)
{
    struct machine_state *s = &call->m->state;
    const struct frame *frame = frame_at(&s->frames, (uint32_t)(piece->physical >> PAGE_SHIFT));
    if (frame->kind != FRAME_ANON)
        return;
    uint64_t address = ANON_VPN(frame->index) << PAGE_SHIFT | (piece->physical & (PAGE_SIZE - 1));
    /* Any process may share the frame, at the same address: fork keeps addresses. */
    for (struct process_ref i = { 1 }; i.index < s->processes.pool.nr_used; i.index++)
        if (process_at(&s->processes, i)->pid)
            heap_written(&s->heaps, i, address, piece->length);
}

/* Malloc's variables may be among what the process is about to access. False: there was no memory for them. */
static bool bytes_reach_heap(struct call *call, uint64_t length)
{
    if (!call->process.index || !bytes_is_user(call, call->address) || !length)
        return true;
    heap_reach(&call->s->heaps, call->process, call->address, length);
    if (call_is_bug(call))
        machine_end_process(call->m, call->process);
    return !call_is_bug(call);
}

void run_write(struct call *call)
{
    const struct op *op = call->op;
    uint64_t length = op->given & OP_BIT(HEX) ? op->nr_data : op->length;
    call->result->address = call->address;
    if (!bytes_reach_all(call, length, true) || !bytes_reach_heap(call, length))
        return;
    bool in_process = bytes_is_user(call, call->address);
    if (in_process && length)
        heap_written(&call->s->heaps, call->process, call->address, length);
    for (struct piece piece = { 0 }; bytes_next_piece(call, length, true, &piece);) {
        if (!in_process)
            bytes_tell_heaps(call, &piece);
        if (op->given & OP_BIT(HEX))
            frame_write(&call->s->frames, piece.physical, op->data + piece.offset, piece.length);
        else
            frame_fill(&call->s->frames, piece.physical, op->fill, piece.length);
    }
}

void run_read(struct call *call)
{
    uint64_t length = call->op->length;
    call->result->address = call->address;
    if (!bytes_reach_all(call, length, false) || !bytes_reach_heap(call, length))
        return;
    struct piece piece = { 0 };
    while (bytes_next_piece(call, length, false, &piece))
        frame_read(&call->s->frames, piece.physical, call->m->bytes + piece.offset, piece.length);
    if (piece.offset < length)
        return;
    call->result->bytes = call->m->bytes;
    call->result->nr_bytes = (uint32_t)length;
}
