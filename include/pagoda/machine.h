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

/* What one operation did. The pointers borrow from the machine until its next operation or its end. */
struct op_result {
    uint64_t seq; /* of this operation; 0 for an error */
    enum op_kind kind;
    enum outcome outcome;
    uint64_t address; /* 0: none */
    uint64_t requested, allocated; /* bytes; allocated: what ksize / malloc_usable_size would say */
    const char *cache; /* slab cache that served it, or NULL */
    const char *message; /* what the kernel or glibc would print; NULL when it says nothing */
    uint64_t cost_ns, slept_ns, now_ns; /* now: simulated time after it */
    const uint8_t *bytes; /* read: what was read */
    const struct event *events; /* decisions (F_DECISION) stand among them, in order */
    uint32_t nr_bytes, nr_events, nr_events_dropped;
    uint32_t pid; /* spawn, fork: the new process */
    uint32_t nr_reclaimed; /* pages that direct reclaim freed for it */
    uint32_t nr_frame_runs; /* may exceed RESULT_FRAMES_MAX; 0 with recording off */
    bool physically_contiguous; /* one run of frames backs all of it */
    uint32_t nr_path;
    uint8_t path[RESULT_PATH_MAX]; /* enum path_step, outermost first */
    uint32_t cost_count[NR_COST_STEPS]; /* cost_ns is the sum of count * cost_info()->each_ns */
    struct frame_range frames[RESULT_FRAMES_MAX]; /* frames that back the allocation, in address order */
};

/* Builds a machine at seq 0. On PAGODA_OK the caller owns *out and ends it with machine_destroy(); else *out is NULL.
 * PAGODA_ERR_INVALID: config was refused (*why names the field). PAGODA_ERR_NOMEM: the host hook refused. */
enum pagoda_error machine_create(const struct machine_config *config, const struct pagoda_host *host, struct machine **out,
                                 struct problem *why) PAGODA_MUST_CHECK;
void machine_destroy(struct machine *machine); /* NULL is allowed */

/* Runs one operation. What the simulated allocator refuses is result->outcome, not an error. On an error nothing has changed:
 * INVALID (*why: a wrong parameter, a handle or process that does not exist, a handle already in use), NOMEM. */
enum pagoda_error machine_apply(struct machine *machine, const struct op *op, struct op_result *result,
                                struct problem *why) PAGODA_MUST_CHECK;
void machine_record_events(struct machine *machine, bool on); /* on at first; not part of the state */

uint64_t machine_seq(const struct machine *machine);
uint64_t machine_now_ns(const struct machine *machine);
const struct machine_config *machine_config(const struct machine *machine); /* complete: defaults filled in */
const struct profile *machine_profile(const struct machine *machine);

/* A copy that behaves alike from here on; the caller owns *out. */
enum pagoda_error machine_clone(const struct machine *machine, struct machine **out) PAGODA_MUST_CHECK;
/* 64 bits over the whole state: equal machines have equal hashes, on every host of the same byte order. */
uint64_t machine_hash(const struct machine *machine);
/* Flat images. save returns the bytes that an image needs; it writes them when capacity suffices. load refuses an image
 * that is cut short, of another version, or inconsistent (PAGODA_ERR_CORRUPT). */
size_t machine_save(const struct machine *machine, void *out, size_t capacity);
enum pagoda_error machine_load(const void *image, size_t nr_bytes, const struct pagoda_host *host,
                               struct machine **out) PAGODA_MUST_CHECK;
uint64_t machine_host_bytes(const struct machine *machine); /* committed */

/* Verifies every invariant of every floor. True when all hold; else text says which does not, and where. */
bool machine_check(const struct machine *machine, char *text, size_t capacity);
