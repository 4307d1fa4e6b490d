/* server/base/guard.h - calls into the engine, and what becomes of them when it breaks down.
 *
 * A guard is the way back from a call that cannot go on: a broken invariant, or a refusal of the host in the middle of an
 * operation (pagoda_host.fault), or SIGSEGV, SIGBUS or SIGFPE in it. It is set around one call of the engine, so nothing of
 * the server is lost on the way: the engine owns no heap memory and holds no lock. guard_run() is for views, which append
 * to the caller's buffers in between; a buffer that run() keeps in a variable of its own is lost when they break down,
 * so what is to be freed belongs into the context.
 *
 * A signal counts when its address lies in the range of the guarded machine, or of one that is being made there; SIGFPE
 * counts anyway. All others end the process as ever. Guards may stand inside one another; a thread has its own.
 *
 * Each function says a breakdown on stderr, with the lab and the operation of the thread's turn (turn.h), and returns
 * PAGODA_ERR_FAULT. The machine is undefined then: machine_destroy() is all that may be done with it. One that was being
 * made is gone. */
#pragma once
#include "pagoda/machine.h"

/* From now on signals count. Once, before threads start. */
void guard_install(void);

/* As the functions of the engine. *why says what broke. */
enum pagoda_error guard_apply(struct machine *machine, const struct op *op, struct op_result *result,
                              struct problem *why) PAGODA_MUST_CHECK;
enum pagoda_error guard_create(const struct machine_config *config, const struct pagoda_host *host, struct machine **out,
                               struct problem *why) PAGODA_MUST_CHECK;
enum pagoda_error guard_clone(const struct machine *machine, struct machine **out) PAGODA_MUST_CHECK;
enum pagoda_error guard_load(const void *image, size_t nr_bytes, const struct pagoda_host *host,
                             struct machine **out) PAGODA_MUST_CHECK;
/* Anything that looks at a machine. */
enum pagoda_error guard_run(const struct machine *machine, void (*run)(void *context), void *context) PAGODA_MUST_CHECK;

/* For host_memory.c: the host's hook; and what the host has just reserved, on this thread. */
void guard_fault(void *context, const struct pagoda_fault *fault);
void guard_note_range(void *start, size_t nr_bytes);
