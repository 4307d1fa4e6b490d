/* server/api/compare.h - the same request put to kmalloc, kzalloc, vmalloc and malloc, each on a machine of its own:
 * what it gives, what it wastes, what it costs. Everything is what the engine did; nothing is looked up in a table. */
#pragma once
#include "pagoda/machine.h"

#define COMPARE_ALLOCATORS 4
#define COMPARE_TOUCH_MAX                                                                                                  \
    (UINT64_C(16) << 20) /* bytes of a malloc block that are touched, at most; nor more than half of memory */
extern const enum op_kind COMPARE_OPS[COMPARE_ALLOCATORS];

struct compare_request {
    enum profile_id profile;
    enum machine_past machine;
    uint64_t size;        /* bytes */
    uint32_t gfp;         /* for kmalloc and kzalloc */
    enum context context; /* for the kernel's allocators */
};

/* An operation's result, free of the machine that it was made on. */
struct compare_step {
    struct op_result result; /* its pointers are not to be followed, but for those that stand beside it here */
    char message[512], cache[CACHE_NAME_MAX + 1]; /* "": none */
    uint32_t cost_each_ns[NR_COST_STEPS];
};
struct compare_answer {
    struct op op; /* as it was called */
    struct compare_step call;
    bool is_kernel, may_sleep;
    bool promises_frames; /* one run of them, by contract */
    const char *release;  /* the function that gives it back */
    uint64_t limit;       /* bytes: largest request that succeeds on such a machine, from process context */
    uint64_t slack, page_array, page_tables; /* bytes of memory beyond what was asked for */
    uint64_t guard_addresses;                /* bytes of addresses that stay without memory */
    uint64_t touched;                        /* bytes; 0: what follows was not done */
    struct compare_step touch;               /* malloc: a write to every page; page_tables counts what that made, too */
    struct compare_step access;              /* a read of the first bytes, at most OP_DATA_MAX: what the TLB has to say */
};

/* NOMEM: the host has none. */
enum pagoda_error compare_run(const struct compare_request *request, enum op_kind op, bool with_limit,
                              struct compare_answer *answer) PAGODA_MUST_CHECK;
uint64_t compare_memory(enum profile_id profile); /* bytes that the machines have */
