/* alloc/machine/machine_internal.h - what the files of the machine floor share. */
#pragma once
#include "alloc/machine/machine_state.h"
#include "pagoda/view.h"

/* Is the block at head one that alloc_pages() gave to a caller (not a large kmalloc, a slab, a table...)? */
static inline bool machine_is_page_block(const struct machine_state *s, uint32_t head)
{
    const struct frame *frame = frame_at(&s->frames, head);
    return frame->kind == FRAME_KERNEL && frame->index == 0;
}
/* One operation on its way through the machine. */
struct call {
    struct machine *m;
    struct machine_state *s;
    const struct op *op;
    struct op_result *result;
    uint64_t address;           /* op->address, or that of the allocation with the given name */
    struct process_ref process; /* pool index */
    struct cache_ref cache;
    struct name_ref name;      /* of the new allocation; 0: none was given */
    struct name_ref call_site; /* of the new allocation; 0: none was given */
};

/* machine_apply.c: what handlers have in common. */
/* n * size, for results: what a size_t cannot hold is shown as the largest number that every JSON client holds. */
static inline uint64_t call_product(uint64_t n, uint64_t size)
{
    const uint64_t max = (UINT64_C(1) << 53) - 1;
    return size && n > max / size ? max : n * size;
}
static inline bool call_is_bug(const struct call *call)
{
    return call->m->trace.outcome == OUTCOME_BUG;
}
/* A call that may sleep, made where sleeping is forbidden: the kernel's report, and true; nothing else may happen then. */
bool call_refuse_sleep(struct call *call, bool may_sleep, const char *function);
/* What the record of the new allocation keeps. */
static inline struct name_ref call_recorded_name(const struct call *call)
{
    return name_or(call->name, call->call_site);
}
/* Sets the result of an allocation. The call's name, if there is one, then names it. */
struct taken {
    uint64_t address;              /* 0: NULL */
    uint64_t requested, allocated; /* bytes */
};
void call_took(struct call *call, struct taken taken);
/* The block at address has been freed: its name names nothing any more. After a bug nothing changes.
 * name: from the block's record. */
void call_forget_name(struct call *call, struct name_ref name, uint64_t address);
/* The CPU goes over to the call's process, or finds out that its pages have changed meanwhile. */
void call_load_space(struct call *call);
void machine_end_process(struct machine *m, struct process_ref process); /* with its heap and names */
/* Parts of an operation, for runs (machine_heap_run.c): the CPU goes over to the process, unless it is there; what follows
 * when the call is over: background work, the end of those that the OOM killer chose. nr_oom_kills: before the operation.
 */
void machine_load_space(struct machine *m, struct process_ref process);
void machine_settle(struct machine *m, uint64_t nr_oom_kills);
/* machine_user.c: as the heap's, and the name follows the block. */
uint64_t machine_heap_realloc(struct machine *m, struct process_ref process, uint64_t address, uint64_t size,
                              struct name_ref name);
void machine_heap_free(struct machine *m, struct process_ref process, uint64_t address);

/* machine_vmalloc.c, for kvmalloc and kvfree: op->size bytes (enum vmalloc_flags), and the area at call->address. */
void call_vmalloc(struct call *call, uint32_t flags);
void call_vfree(struct call *call);

/* machine_process.c: faults in all of [call->address, + length) before a byte moves. False: the process may not, and has
 * got SIGSEGV, or there is no memory; the message and the outcome say so. */
bool call_reach_user(struct call *call, uint64_t length, bool write);
void call_segfault(struct call *call, uint64_t address, bool write); /* ends the process; call->process is gone then */

/* The handlers, one for each operation: run_kmalloc() and so on. They stand in machine_kernel.c, machine_vmalloc.c,
 * machine_pages.c, machine_process.c, machine_user.c, machine_bytes.c; tick and mark in machine_apply.c. */
#define X(id, name, ...) void run_##name(struct call *call);
OP_MAP(X)
#undef X

/* machine_translate.c: what stands behind an address. */
/* The walk through the tables that the address takes, and the frame behind it. pid 0: as the kernel sees it. False: there
 * is no such process. A process sees kernel addresses as everybody does. */
bool machine_translate(const struct machine *m, uint64_t address, uint32_t pid, struct translation *out);
/* The next run of neighbouring frames behind [*address, end), in address order; *address moves past it. Pages without a
 * frame are skipped. False: none left. pid: for user addresses. */
bool machine_next_run(const struct machine *m, uint32_t pid, uint64_t *address, uint64_t end, struct frame_range *run);
