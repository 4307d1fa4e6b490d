/* pagoda/machine.h - one simulated Linux machine: operations in, results and events out.
 *
 * A machine is a pure function of its configuration and the operations applied to it, the same on every host. It does no
 * I/O, reads no clock, has no threads and no globals: callers that share one machine take turns. */
#pragma once
#include "pagoda/config.h"
#include "pagoda/error.h"
#include "pagoda/event.h"
#include "pagoda/host.h"
#include "pagoda/op.h"

struct machine; /* opaque: its floors live in alloc/ */

struct frame_range {
    uint32_t pfn, count;
};
#define RESULT_FRAMES_MAX 64 /* runs that a result lists; nr_frame_runs tells how many there are */
#define RESULT_PATH_MAX 32
#define RESULT_VICTIMS_MAX 16

/* Pages that direct reclaim took from one process. */
struct reclaim_share {
    uint32_t pid, pages;
};

/* What one operation did. The pointers borrow from the machine until its next operation or its end. */
struct op_result {
    uint64_t seq; /* of this operation; 0 for an error */
    enum op_kind kind;
    enum outcome outcome;
    uint64_t address;                   /* 0: none */
    uint64_t requested, allocated;      /* bytes; allocated: what ksize / malloc_usable_size would say */
    const char *cache;                  /* slab cache that served it, or NULL */
    const char *message;                /* what the kernel or glibc would print; NULL when it says nothing */
    uint64_t cost_ns, slept_ns, now_ns; /* now: simulated time after it */
    const uint8_t *bytes;               /* read: what was read */
    const struct event *events;         /* decisions (F_DECISION) stand among them, in order */
    uint32_t nr_bytes, nr_events, events_dropped;
    uint32_t pid;          /* spawn, fork: the new process */
    uint32_t nr_reclaimed; /* pages that direct reclaim freed for it */
    uint32_t
        nr_reclaimed_from; /* processes that they came from; those beyond RESULT_VICTIMS_MAX are counted under the last */
    struct reclaim_share reclaimed_from[RESULT_VICTIMS_MAX];
    uint32_t nr_frame_runs;     /* may exceed RESULT_FRAMES_MAX; 0 with recording off */
    bool physically_contiguous; /* one run of frames backs all of it */
    bool name_is_freed;         /* the operation named an allocation that is freed already, and went to where it was */
    uint32_t nr_path;
    uint8_t path[RESULT_PATH_MAX];      /* enum path_step, outermost first */
    uint32_t cost_count[NR_COST_STEPS]; /* cost_ns is the sum of cost_count * cost_each_ns */
    const uint32_t *cost_each_ns;       /* NR_COST_STEPS of them: COST_MAP's, or what the lab says */
    struct {
        uint32_t hits, misses, flushes;
    } tlb;                                        /* of read and write; flushes: of any operation, each CPU counts */
    struct frame_range frames[RESULT_FRAMES_MAX]; /* frames that back the allocation, in address order */
};

/* Builds a machine at seq 0. On PAGODA_OK the caller owns *out and ends it with machine_destroy(); else *out is NULL.
 * PAGODA_ERR_INVALID: config was refused (*why names the field). PAGODA_ERR_NOMEM: the host hook refused. */
enum pagoda_error machine_create(const struct machine_config *config, const struct pagoda_host *host, struct machine **out,
                                 struct problem *why) PAGODA_MUST_CHECK;
/* NULL is allowed. It works after a fault, too; if what it relies on was written over, the range stays reserved. */
void machine_destroy(struct machine *machine);
/* The machine is all that lies in its range of host addresses, which begins at machine and has so many bytes. */
size_t machine_range_bytes(const struct machine *machine);

/* Runs one operation. What the simulated allocator refuses is result->outcome, not an error. On an error nothing has
 * changed: INVALID (*why: a wrong parameter, a name or process that does not exist, a name already in use), NOMEM. It may
 * not return at all: host.h, fault. */
enum pagoda_error machine_apply(struct machine *machine, const struct op *op, struct op_result *result,
                                struct problem *why) PAGODA_MUST_CHECK;
/* Hints, for callers that know some operations ahead, as a replay does: op will be applied soon. Nothing changes but what
 * is in the host's caches. What a call looks at is found in steps, and the host's memory takes its time for each: say FAR
 * some four operations ahead, and NEAR some two ahead, when what FAR began to fetch has come. */
enum machine_prefetch { PREFETCH_FAR, PREFETCH_NEAR };
void machine_prefetch(const struct machine *machine, const struct op *op, enum machine_prefetch step);

/* One call into malloc, in a run of them. */
struct heap_call {
    uint32_t block; /* which of the caller's blocks: free() and realloc() take their address there, what is handed out goes
                       there */
    uint16_t kind;  /* enum op_kind */
    uint16_t tid;
    uint64_t size, n; /* n: of calloc(); of those that align: the alignment */
};
struct heap_run {
    size_t nr_done; /* calls made */
    uint64_t nr_outcomes[3];
};
/* Makes calls of one process, one after the other: malloc, calloc, realloc, free, the aligned ones, malloc_usable_size. The
 * machine is then as if each had gone through machine_apply() with these parameters, but it takes a fraction of the time,
 * because only addresses come back: no events are recorded meanwhile. A block is 0 after free() and when nothing was handed
 * out; a realloc() that fails leaves it as it is. On an error the call at nr_done has changed nothing, those before it are
 * done: INVALID as machine_apply() (the process has ended, be it by an earlier call), NOMEM. */
enum pagoda_error machine_heap_run(struct machine *machine, uint32_t pid, const struct heap_call *calls, size_t nr_calls,
                                   uint64_t *blocks, struct heap_run *done, struct problem *why) PAGODA_MUST_CHECK;
void machine_record_events(struct machine *machine, bool on); /* on at first; not part of the state */

uint64_t machine_seq(const struct machine *machine);
uint64_t machine_now_ns(const struct machine *machine);
const struct machine_config *machine_config(const struct machine *machine); /* complete: defaults filled in */
const struct profile *machine_profile(const struct machine *machine);

/* A copy that behaves alike from here on; the caller owns *out. */
enum pagoda_error machine_clone(const struct machine *machine, struct machine **out) PAGODA_MUST_CHECK;
/* 64 bits over the whole state: equal machines have equal hashes, on every host of the same byte order. */
uint64_t machine_hash(const struct machine *machine);
/* Revision of the rules that lead from operations to results: raised by hand, with a line in CHANGELOG.md, when the same
 * operations may lead to another result, or to another answer about a moment. Each lab keeps the one that made it. */
uint32_t machine_rules(void);
/* Identity of images: equal for two engines only if each may read what the other has saved. It holds the rules, the size
 * of the state, a layout number raised by hand, and what a fixed run of operations leaves in memory, so that a field that
 * moves or changes its meaning shows by itself. Takes a few milliseconds.
 * host      lends the run's two small machines their memory.
 * identity  out; never 0.
 * NOMEM     the host refused. */
enum pagoda_error machine_identity(const struct pagoda_host *host, uint64_t *identity) PAGODA_MUST_CHECK;
/* Sparse images. save writes one when capacity suffices and returns its bytes; else it returns the bytes that it may need
 * at most. load refuses an image that is cut short or inconsistent (PAGODA_ERR_CORRUPT) or whose
 * rules, layout number or size of the state are others (PAGODA_ERR_VERSION). */
size_t machine_save(const struct machine *machine, void *out, size_t capacity);
/* For whoever changes an image: puts its hash right, so that load judges what is in it. False: it has not the form of one.
 */
bool machine_image_seal(void *image, size_t nr_bytes);
uint64_t machine_image_hash(const void *image); /* of the machine that save wrote, without looking at it again */
enum pagoda_error machine_load(const void *image, size_t nr_bytes, const struct pagoda_host *host,
                               struct machine **out) PAGODA_MUST_CHECK;
uint64_t machine_host_bytes(const struct machine *machine); /* committed */
/* Gives the host back what is committed ahead of use. For machines that may wait long for their next operation, which has
 * it committed again. Takes a glance at each pool. */
void machine_trim(struct machine *machine);

/* Verifies every invariant of every floor. True when all hold; else text says which does not, and where. */
bool machine_check(const struct machine *machine, char *text, size_t capacity);

/* The page allocator's state as text, in the format of the recordings ("format 1": ZONE, ZSTAT, FREE, NRFREE, PCP, PCPL, PB
 * and LRU lines). Only of linux-6.1.
 * dump returns the length of the whole and writes what fits, with a NUL.
 * create_from_state makes a machine at seq 0 whose zones, free lists, per-CPU lists and pageblocks are those of the text;
 * all that is neither free nor on a per-CPU list is in use for good. The text is cut into lines on the way.
 * config              memory and CPUs enough for the text.
 * PAGODA_ERR_INVALID  the text is refused; why->offset is the line, counted from 1, and *out is NULL. */
size_t machine_dump_state(const struct machine *machine, char *out, size_t capacity);
enum pagoda_error machine_create_from_state(const struct machine_config *config, char *text, size_t length,
                                            const struct pagoda_host *host, struct machine **out,
                                            struct problem *why) PAGODA_MUST_CHECK;
