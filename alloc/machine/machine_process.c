/* Operations on processes and their mappings, and what becomes of a process that touches memory it may not. Linux v6.1
 * arch/x86/mm/fault.c: show_signal_msg(). A refused call answers with the errno and the reason. */
#include "alloc/machine/machine_internal.h"
#include "alloc/process/process_internal.h"

static void mm_refused(struct call *call, const char *function)
{
    struct trace *t = &call->m->trace;
    enum refusal why = (enum refusal)call->s->processes.refusal;
    trace_print(t, "%s: %s: %s", function, refusal_errno(why), refusal_text(why));
    t->outcome = OUTCOME_NULL;
}

static void mm_answer(struct call *call, bool done, const char *function)
{
    call->result->address = call->address;
    if (!done)
        mm_refused(call, function);
}

/* --- life --- */

static void mm_made_process(struct call *call, struct process_ref process, const char *function)
{
    if (process.index)
        call->result->pid = process_at(&call->s->processes, process)->pid;
    else
        mm_refused(call, function);
}

/* There was no memory for what malloc changes in a new process. Returns none. */
static struct process_ref mm_give_up(struct call *call, struct process_ref process)
{
    uint32_t refusal = call->s->processes.refusal;
    machine_end_process(call->m, process);
    process_refuse(&call->s->processes, refusal);
    return PROCESS_NONE;
}

void run_spawn(struct call *call)
{
    struct process_ref process = process_spawn(&call->s->processes, call_recorded_name(call), call->op->touch);
    bool is_tuned = process.index && (call->op->given & OP_BIT(TUNABLES));
    if (is_tuned && !heap_tune(&call->s->heaps, process, call->op->tunables))
        process = mm_give_up(call, process);
    mm_made_process(call, process, "spawn");
}

void run_fork(struct call *call)
{
    struct process_ref child = process_fork(&call->s->processes, call->process);
    if (child.index && !heap_fork(&call->s->heaps, call->process, child))
        child = mm_give_up(call, child);
    mm_made_process(call, child, "fork");
}

void run_exit(struct call *call)
{
    machine_end_process(call->m, call->process);
}

void run_setrlimit(struct call *call)
{
    trace_step(&call->m->trace, PATH_setrlimit);
    process_set_limit(&call->s->processes, call->process, (enum resource)call->op->resource, call->op->size);
}

/* --- mappings --- */

static uint32_t mm_access(const struct op *op)
{
    static const uint32_t ACCESS[NR_PROTS] = { [PROT_NONE_] = 0,
                                               [PROT_R] = VMA_READ,
                                               [PROT_RW] = VMA_READ | VMA_WRITE,
                                               [PROT_RX] = VMA_READ | VMA_EXEC,
                                               [PROT_RWX] = VMA_READ | VMA_WRITE | VMA_EXEC };
    return ACCESS[op->prot];
}

/* address 0: there is no such mapping. */
static void mm_took(struct call *call, uint64_t address, uint64_t length)
{
    call_took(call,
              (struct taken){ .address = address, .requested = length, .allocated = address ? page_align(length) : 0 });
}

void run_mmap(struct call *call)
{
    uint64_t length = call->op->length;
    uint64_t address =
        process_mmap(&call->s->processes, call->process, length, mm_access(call->op), call_recorded_name(call));
    mm_took(call, address, length);
    if (!address)
        mm_refused(call, "mmap");
}

/* Once the range is gone, the names of mappings that begin in it name nothing. */
static void mm_forget_names(struct call *call, uint64_t start, uint64_t end)
{
    struct processes *ps = &call->s->processes;
    struct vma_ref vma = vma_find_end(ps, process_at(ps, call->process), start);
    for (; vma.index && vma_at(ps, vma)->start < end; vma = vma_at(ps, vma)->next)
        if (vma_at(ps, vma)->start >= start)
            call_forget_name(call, vma_at(ps, vma)->name, vma_at(ps, vma)->start);
}

void run_munmap(struct call *call)
{
    uint64_t start = call->address, length = call->op->length, end = start + page_align(length);
    bool is_range = start % PAGE_SIZE == 0 && start < end && end <= call->m->profile->user_end;
    if (is_range)
        mm_forget_names(call, start, end);
    mm_answer(call, process_munmap(&call->s->processes, call->process, start, length), "munmap");
}

void run_mremap(struct call *call)
{
    struct processes *ps = &call->s->processes;
    const struct op *op = call->op;
    struct vma_ref vma = process_find_vma(ps, process_at(ps, call->process), call->address);
    struct name_ref name = vma.index ? vma_at(ps, vma)->name : NAME_NONE;
    bool is_named = name_is_of(&call->s->names, name, call->address);
    uint64_t address = process_mremap(ps, call->process, call->address, op->length, op->new_length);
    if (address && is_named)
        name_at(&call->s->names, name)->address = address;
    mm_took(call, address, op->new_length);
    if (!address)
        mm_refused(call, "mremap");
}

void run_mprotect(struct call *call)
{
    bool done = process_mprotect(&call->s->processes, call->process, call->address, call->op->length, mm_access(call->op));
    mm_answer(call, done, "mprotect");
}

void run_madvise(struct call *call)
{
    enum advice advice = (enum advice)call->op->advice;
    mm_answer(call, process_advise(&call->s->processes, call->process, call->address, call->op->length, advice), "madvise");
}

void run_mlock(struct call *call)
{
    mm_answer(call, process_mlock(&call->s->processes, call->process, call->address, call->op->length), "mlock");
}

void run_munlock(struct call *call)
{
    mm_answer(call, process_munlock(&call->s->processes, call->process, call->address, call->op->length), "munlock");
}

void run_brk(struct call *call)
{
    mm_answer(call, process_brk(&call->s->processes, call->process, call->address), "brk");
}

/* Answers as the C library's function does: with the old break. */
void run_sbrk(struct call *call)
{
    uint64_t old = process_sbrk(&call->s->processes, call->process, call->op->increment);
    if (old == UINT64_MAX)
        mm_refused(call, "sbrk");
    else
        call->result->address = old;
}

/* --- accesses --- */

static const char *segfault_program(const struct call *call, const struct process *p)
{
    return p->name.index ? name_text(&call->s->names, p->name) : "program";
}

static uint64_t segfault_text(const struct processes *ps, const struct process *p)
{
    struct vma_ref vma = p->first_vma;
    while (vma.index && !(vma_at(ps, vma)->flags & VMA_EXEC))
        vma = vma_at(ps, vma)->next;
    return vma.index ? vma_at(ps, vma)->start : 0;
}

/* The simulated program has no instructions: ip is where its code begins, sp is in the first page of its stack. */
static void segfault_say(struct call *call, uint64_t address, bool write)
{
    const struct processes *ps = &call->s->processes;
    const struct process *p = process_at(ps, call->process);
    uint64_t text = segfault_text(ps, p), sp = p->stack_top - PAGE_SIZE;
    struct vma_ref vma = process_find_vma(ps, p, text);
    uint32_t code = process_error_code(ps, call->process, address, write);
    uint64_t text_bytes = vma.index ? vma_at(ps, vma)->end - vma_at(ps, vma)->start : 0;
    const char *program = segfault_program(call, p);
    int digits = (int)call->m->profile->word_bits / 4;
    trace_bug(&call->m->trace,
              "%s[%u]: segfault at %jx ip %0*jx sp %0*jx error %x in %s[%jx+%jx] likely on CPU %u (core %u, socket 0)",
              program, p->pid, address, digits, text, digits, sp, code, program, text, text_bytes, call->op->cpu,
              call->op->cpu);
}

/* Nobody handles SIGSEGV, so it ends the process. */
void call_segfault(struct call *call, uint64_t address, bool write)
{
    trace_step(&call->m->trace, PATH_force_sig_fault);
    segfault_say(call, address, write);
    machine_end_process(call->m, call->process);
}

static bool user_is_dying(const struct call *call)
{
    const struct processes *ps = &call->s->processes;
    return reclaim_space_at(ps->reclaim, process_at(ps, call->process)->space)->oom_victim;
}

bool call_may_reach_user(struct call *call, uint64_t length, bool write)
{
    uint64_t start = call->address, end = start + length;
    uint64_t reached = end < start ? start : process_allowed_until(&call->s->processes, call->process, start, end, write);
    if (reached >= end && end >= start)
        return true;
    call_segfault(call, reached, write);
    return false;
}

void call_fault_failed(struct call *call, uint64_t address, bool write)
{
    struct processes *ps = &call->s->processes;
    if (user_is_dying(call)) { /* the OOM killer has said so */
        call->m->trace.outcome = OUTCOME_NULL;
    } else if (ps->refusal == REFUSAL_KILLED) {
        mm_refused(call, write ? "write" : "read");
        machine_end_process(call->m, call->process);
    } else { /* the stack may grow for the last page, but not for all of them */
        call_segfault(call, address, write);
    }
}
