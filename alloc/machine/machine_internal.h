/* alloc/machine/machine_internal.h - what the files of the machine floor share. */
#pragma once
#include "alloc/base/oops.h"
#include "alloc/machine/machine_state.h"
#include "pagoda/view.h"

/* Is the block at head one that alloc_pages() gave to a caller? Large kmallocs, slabs and tables are not. */
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
    uint64_t address;           /* op->address; with a name, that of the allocation which has it */
    struct process_ref process; /* 0: kernel code */
    struct cache_ref cache;
    struct name_ref name;      /* of the new allocation; 0: none was given */
    struct name_ref call_site; /* of the new allocation; 0: none was given */
    bool name_is_freed;        /* it names what was freed already */
};

/* machine_reserve.c: reserves host memory for all that the operation may need.
 * PAGODA_ERR_NOMEM  the host refused; nothing has changed. */
enum pagoda_error call_reserve(const struct call *call) PAGODA_MUST_CHECK;

/* Checked builds: between begin and end no pool may give more than was reserved from it in between. */
#ifdef PAGODA_CHECKED
void machine_count_begin(const struct machine *m, const char *operation);
void machine_count_end(const struct machine *m);
#else
static inline void machine_count_begin(const struct machine *m, const char *operation)
{
    (void)m;
    (void)operation;
}
static inline void machine_count_end(const struct machine *m)
{
    (void)m;
}
#endif

/* machine_call.c: what handlers have in common. */
/* n * size, for results. A product that is too large is shown as the largest number that every JSON client can hold. */
static inline uint64_t call_product(uint64_t n, uint64_t size)
{
    const uint64_t max = (UINT64_C(1) << 53) - 1;
    uint64_t product;
    return __builtin_mul_overflow(n, size, &product) || product > max ? max : product;
}
static inline bool call_is_bug(const struct call *call)
{
    return call->m->trace.outcome == OUTCOME_BUG;
}
const char *call_task_name(const struct call *call); /* of the process that runs the call, or of a kernel task */
/* A call that may sleep, in an interrupt, is a bug: the kernel's report becomes the message. Linux 6.1 is refused: true,
 * and the call must do nothing more. Linux 2.0 goes on, as if it had been asked with GFP_ATOMIC: false, and *gfp says so.
 * at        where 6.1 notices
 * function  that 2.0 names */
bool call_refuse_sleep(struct call *call, uint32_t *gfp, enum source_place_id at, const char *function);
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
 * name  from the block's record. */
void call_forget_name(struct call *call, struct name_ref name, uint64_t address);
/* The CPU loads the address space of the call's process. If that is loaded already, it forgets what has changed since. */
void call_load_space(struct call *call);
void machine_end_process(struct machine *m, struct process_ref process); /* with its heap and names */
/* Two parts of an operation, for runs, too (machine_heap_run.c). The first does what call_load_space() does. */
void machine_load_space(struct machine *m, struct process_ref process);
/* What follows a call: background work, and the end of processes that the OOM killer chose.
 * nr_oom_kills  before the operation. */
void machine_settle(struct machine *m, uint64_t nr_oom_kills);
/* machine_user.c: what the heap's functions do; and the name follows the block. */
uint64_t machine_heap_realloc(struct machine *m, struct process_ref process, uint64_t address, uint64_t size,
                              struct name_ref name);
void machine_heap_free(struct machine *m, struct process_ref process, uint64_t address);

/* machine_vmalloc.c, for kvmalloc and kvfree, too. */
void call_vmalloc(struct call *call, uint32_t flags); /* op->size bytes; enum vmalloc_flags */
void call_vfree(struct call *call);                   /* the area at call->address */

/* machine_process.c: may the process access all of [call->address, + length)? It is asked before a byte moves. False: the
 * process got SIGSEGV, and is gone. */
bool call_may_reach_user(struct call *call, uint64_t length, bool write);
/* A page of it could not be faulted in. The process is ended, and the message and the outcome say why: the OOM killer chose
 * it, there is no memory for the page, or the stack may not grow so far. */
void call_fault_failed(struct call *call, uint64_t address, bool write);
void call_segfault(struct call *call, uint64_t address, bool write); /* ends the process; call->process is gone then */

/* machine_bad_free.c: may free_pages() free the block at pfn? False: the message says why not, and the outcome is a bug.
 * pfn  of the call's address; UINT32_MAX: there is no memory */
bool call_check_free_pages(struct call *call, uint32_t pfn);

/* The handlers, one for each operation: run_kmalloc() and so on. tick and mark are in machine_apply.c. The others are in
 * machine_kernel.c, machine_vmalloc.c, machine_pages.c, machine_process.c, machine_user.c, machine_bytes.c. */
#define X(id, name, ...) void run_##name(struct call *call);
OP_MAP(X)
#undef X

/* machine_translate.c: what stands behind an address. */
/* The walk of an address through the page tables, and the frame behind it. False: there is no such process.
 * pid  whose address it is; 0: as the kernel sees it. Kernel addresses are the same for all. */
bool machine_translate(const struct machine *m, uint64_t address, uint32_t pid, struct translation *out);
/* The next run of neighbouring frames behind a range, in address order. Pages without a frame are skipped. False: none is
 * left.
 * pid      for user addresses.
 * address  in: where to look from; out: the end of the run. */
bool machine_next_run(const struct machine *m, uint32_t pid, uint64_t *address, uint64_t end, struct frame_range *run);
