/* server/base/guard.c - see guard.h. The guards of a thread are a list, the innermost first. sigsetjmp() saves no signal
 * mask, which would be a system call for each operation: the handler puts back the mask that it interrupted. */
#include "server/base/guard.h"
#include "server/base/host_memory.h"
#include "server/base/plant.h"
#include "server/base/problem.h"
#include "server/base/turn.h"

#include <setjmp.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <ucontext.h>

#define SIGNAL_STACK_BYTES (64u * 1024u)

/* Host memory that belongs to a machine. */
#define GUARD_PAGE 4096u /* behind the range: host_memory.c */

struct range {
    uintptr_t start;
    size_t nr_bytes; /* 0: none */
};

struct guard {
    sigjmp_buf way_back;
    struct guard *outer;
    struct range machine, made;
};

static _Thread_local struct guard *volatile innermost;
static _Thread_local char what[200]; /* broke last */
static _Thread_local bool has_signal_stack;
static _Thread_local _Alignas(16) char signal_stack[SIGNAL_STACK_BYTES];

static const int SIGNALS[] = { SIGSEGV, SIGBUS, SIGFPE };
#define NR_SIGNALS (sizeof SIGNALS / sizeof SIGNALS[0])
static struct sigaction before[NR_SIGNALS]; /* a sanitizer's handlers, or the default */

/* ---- ways back ---- */

static _Noreturn void guard_leave(struct guard *guard)
{
    siglongjmp(guard->way_back, 1);
}

void guard_fault(void *context, const struct pagoda_fault *fault)
{
    (void)context;
    struct guard *guard = innermost;
    snprintf(what, sizeof what, "%s (%s:%d)", fault->text, fault->file, fault->line);
    if (guard && fault->kind != PAGODA_FAULT_UNDERCOUNT)
        guard_leave(guard);
    fprintf(stderr, "pagodad: %s\n", what);
    abort();
}

void guard_note_range(void *start, size_t nr_bytes)
{
    if (innermost)
        innermost->made = (struct range){ (uintptr_t)start, nr_bytes };
}

static bool range_has(const struct range *range, uintptr_t address)
{
    return address - range->start < range->nr_bytes;
}

static bool guard_takes(const struct guard *guard, const siginfo_t *info, uintptr_t *offset)
{
    uintptr_t address = (uintptr_t)info->si_addr;
    const struct range *range = range_has(&guard->made, address) ? &guard->made : &guard->machine;
    *offset = address - range->start;
    return info->si_code > 0 && (info->si_signo == SIGFPE || range_has(range, address));
}

/* As if there were no handler: the instruction runs once more, or somebody's kill() is repeated. */
static void guard_give_up(int signo, const siginfo_t *info)
{
    for (size_t i = 0; i < NR_SIGNALS; i++)
        if (SIGNALS[i] == signo)
            sigaction(signo, &before[i], NULL);
    if (info->si_code <= 0)
        raise(signo);
}

static void guard_on_signal(int signo, siginfo_t *info, void *machine_context)
{
    const ucontext_t *interrupted = machine_context;
    struct guard *guard = innermost;
    uintptr_t offset;
    if (!guard || !guard_takes(guard, info, &offset)) {
        guard_give_up(signo, info);
        return;
    }
    /* The thread was in the engine, which calls nothing of libc that could be half way. */
    if (signo == SIGFPE)
        snprintf(what, sizeof what, "SIGFPE");
    else
        snprintf(what, sizeof what, "%s at byte 0x%llx of the machine", signo == SIGBUS ? "SIGBUS" : "SIGSEGV",
                 (unsigned long long)offset);
    pthread_sigmask(SIG_SETMASK, &interrupted->uc_sigmask, NULL); /* TSan has all signals blocked here */
    guard_leave(guard);
}

void guard_install(void)
{
    struct sigaction action = { .sa_sigaction = guard_on_signal, .sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER };
    sigemptyset(&action.sa_mask);
    for (size_t i = 0; i < NR_SIGNALS; i++)
        sigaction(SIGNALS[i], &action, &before[i]);
}

/* ---- guards ---- */

/* A sanitizer may have given the thread one. */
static void guard_give_signal_stack(void)
{
    stack_t stack;
    has_signal_stack = true;
    if (sigaltstack(NULL, &stack) == 0 && !(stack.ss_flags & SS_DISABLE))
        return;
    stack = (stack_t){ .ss_sp = signal_stack, .ss_size = sizeof signal_stack };
    sigaltstack(&stack, NULL);
}

static inline void guard_enter(struct guard *guard, const struct machine *machine)
{
    if (!has_signal_stack)
        guard_give_signal_stack();
    guard->outer = innermost;
    guard->machine = (struct range){ (uintptr_t)machine, machine ? machine_range_bytes(machine) + GUARD_PAGE : 0 };
    guard->made = (struct range){ 0 };
    innermost = guard;
    atomic_signal_fence(memory_order_seq_cst);
}

static inline void guard_exit(const struct guard *guard)
{
    atomic_signal_fence(memory_order_seq_cst);
    innermost = guard->outer;
}

static enum pagoda_error guard_came_back(const struct guard *guard, struct problem *why)
{
    innermost = guard->outer;
    if (guard->made.nr_bytes)
        HOST_MEMORY.release(HOST_MEMORY.context, (void *)guard->made.start, guard->made.nr_bytes);
    const char *lab = turn_lab(), *operation = turn_operation();
    fprintf(stderr, "pagodad: lab %s: the machine broke down in %s: %s\n", lab[0] ? lab : "-",
            operation ? operation : "a view", what);
    if (why)
        problem_say(why, "", "the machine broke down: %.100s", what);
    return PAGODA_ERR_FAULT;
}

enum pagoda_error guard_apply(struct machine *machine, const struct op *op, struct op_result *result, struct problem *why)
{
    struct guard guard;
    turn_does(op_info(op->kind)->name);
    guard_enter(&guard, machine);
    if (sigsetjmp(guard.way_back, 0))
        return guard_came_back(&guard, why);
    plant_fault(machine, op);
    enum pagoda_error error = machine_apply(machine, op, result, why);
    guard_exit(&guard);
    return error;
}

enum pagoda_error guard_create(const struct machine_config *config, const struct pagoda_host *host, struct machine **out,
                               struct problem *why)
{
    struct guard guard;
    *out = NULL;
    guard_enter(&guard, NULL);
    if (sigsetjmp(guard.way_back, 0))
        return guard_came_back(&guard, why);
    enum pagoda_error error = machine_create(config, host, out, why);
    guard_exit(&guard);
    return error;
}

enum pagoda_error guard_clone(const struct machine *machine, struct machine **out)
{
    struct guard guard;
    *out = NULL;
    guard_enter(&guard, machine);
    if (sigsetjmp(guard.way_back, 0))
        return guard_came_back(&guard, NULL);
    enum pagoda_error error = machine_clone(machine, out);
    guard_exit(&guard);
    return error;
}

enum pagoda_error guard_load(const void *image, size_t nr_bytes, const struct pagoda_host *host, struct machine **out)
{
    struct guard guard;
    *out = NULL;
    guard_enter(&guard, NULL);
    if (sigsetjmp(guard.way_back, 0))
        return guard_came_back(&guard, NULL);
    enum pagoda_error error = machine_load(image, nr_bytes, host, out);
    guard_exit(&guard);
    return error;
}

enum pagoda_error guard_run(const struct machine *machine, void (*run)(void *context), void *context)
{
    struct guard guard;
    turn_does(NULL);
    guard_enter(&guard, machine);
    if (sigsetjmp(guard.way_back, 0))
        return guard_came_back(&guard, NULL);
    plant_fault_in_look(machine);
    run(context);
    guard_exit(&guard);
    return PAGODA_OK;
}
