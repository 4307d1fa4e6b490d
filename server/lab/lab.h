/* server/lab/lab.h - labs: machines that live by their log.
 *
 * Locking: the registry's mutex guards the list and the names; a lab's mutex guards its machine; its past mutex guards the
 * machines that show earlier moments. Order: past, lab, registry. */
#pragma once
#include "pagoda/machine.h"
#include "server/lab/snapshot.h"
#include "server/store/store.h"
#include <pthread.h>

#define NR_PASTS 2
#define LAB_BUCKETS 1024

/* A machine as it was at its own moment; NULL: none. */
struct past {
    struct machine *machine;
    uint64_t cost_ns; /* of the way from 0 */
};

struct lab {
    struct lab *next;           /* registry list, oldest first */
    struct lab *next_in_bucket; /* by key */
    struct labs *labs;
    struct lab_row row; /* row.seq is not kept up: see lab_seq() */
    struct lab_log log;
    uint32_t nr_users;     /* registry mutex; 0: may be put to sleep */
    uint64_t last_used_ns; /* registry mutex; monotonic */
    uint64_t host_bytes;   /* registry mutex; of its machines, when it was last used */
    bool deleted;          /* registry mutex */

    pthread_mutex_t mutex;
    struct machine *_Atomic machine;    /* NULL: asleep */
    _Atomic uint64_t seq;               /* head */
    uint64_t last_ticket;               /* of the newest operation */
    uint64_t cost_ns, snapshot_cost_ns; /* of replaying from 0 to the head, to the newest snapshot */
    bool is_importing;                  /* all or nothing, from import_seq on; undone when the lab is next woken */
    uint64_t import_seq;

    pthread_mutex_t past_mutex;
    struct past pasts[NR_PASTS];
    uint32_t newest_past;
};

struct labs {
    struct store *store;
    struct snapshots snapshots; /* the worker that writes them */
    uint64_t memory_budget;     /* bytes of machines kept awake, more only while they are used */
    uint64_t idle_ns;           /* unused for so long: asleep; 0: never for that alone */
    pthread_mutex_t mutex;
    struct lab *first, *last;
    struct lab *buckets[LAB_BUCKETS];
    uint32_t nr_labs;
    _Atomic uint64_t nr_applied; /* operations since the start, for /metrics */
    _Atomic uint64_t nr_wakes, nr_sleeps;
    _Atomic uint64_t nr_mismatches; /* replays that came by a hash and had another */
};

enum pagoda_error labs_open(struct store *store, struct labs *labs, struct problem *why) PAGODA_MUST_CHECK;
void labs_stop(struct labs *labs);  /* before the store closes: no more snapshots */
void labs_close(struct labs *labs); /* after it */
/* Puts to sleep who has been idle too long or, beyond the memory budget, who has been unused longest. */
void labs_tidy(struct labs *labs);

struct lab *lab_get(struct labs *labs, const char *key); /* NULL: there is none. Give it back with lab_put(). */
void lab_hold(struct lab *lab);                          /* once more, by somebody who has it */
void lab_put(struct lab *lab);
/* Calls each for every lab, oldest first, with the registry locked. */
void labs_each(struct labs *labs, void (*each)(void *context, struct lab *lab), void *context);

/* What keeps a new lab's request from making a second one: its answer, in the same commit. */
struct lab_request {
    struct answer answer;
    void (*encode)(struct buffer *out, struct lab *lab, const struct machine *machine); /* the answer's text */
};

/* The new lab is the caller's to lab_put(). config is completed. request: NULL, or its key is taken: CONFLICT when it was.
 * INVALID: *why names the field. */
enum pagoda_error lab_create(struct labs *labs, const char *name, const struct machine_config *config,
                             const struct lab_request *request, struct lab **out, struct problem *why) PAGODA_MUST_CHECK;
enum pagoda_error lab_fork(struct lab *parent, const char *name, uint64_t at, const struct lab_request *request,
                           struct lab **out, struct problem *why) PAGODA_MUST_CHECK;
enum pagoda_error lab_rename(struct lab *lab, const char *name) PAGODA_MUST_CHECK;
enum pagoda_error lab_delete(struct lab *lab, const struct answer *answer) PAGODA_MUST_CHECK; /* answer: may be NULL */

bool lab_is_awake(const struct lab *lab); /* lab_lock() will not have to replay */
uint64_t lab_seq(const struct lab *lab);

/* Wakes the lab if need be. On PAGODA_OK the caller has it to itself until lab_unlock(). */
enum pagoda_error lab_lock(struct lab *lab) PAGODA_MUST_CHECK;
void lab_unlock(struct lab *lab);
/* Between lock and unlock. Runs an operation and queues it for the log; the result borrows from lab->machine.
 * *ticket: what to wait for before telling anybody. */
enum pagoda_error lab_apply(struct lab *lab, const struct op *op, const char *key, uint64_t body_hash,
                            struct op_result *result, uint64_t *ticket, struct problem *why) PAGODA_MUST_CHECK;

/* Within one lock, around the operations of an import that is to be all or nothing. end: answer (NULL: none) is kept with
 * it; after an error, or with is_whole false, the lab is as it was at begin. */
enum pagoda_error lab_begin_import(struct lab *lab) PAGODA_MUST_CHECK;
enum pagoda_error lab_end_import(struct lab *lab, bool is_whole, const struct answer *answer) PAGODA_MUST_CHECK;

/* ---- the past (lab_past.c) ---- */

/* The machine as it was after operation seq (<= head), until lab_unlock_past(). NOT_FOUND:
 * there is no such operation. */
enum pagoda_error lab_lock_past(struct lab *lab, uint64_t seq, struct machine **machine) PAGODA_MUST_CHECK;
void lab_unlock_past(struct lab *lab);
/* Runs the logged operations [from, to] once more, events on, and shows each: entry and result borrow for the call. */
enum pagoda_error lab_relive(struct lab *lab, uint64_t from, uint64_t to,
                             bool (*each)(void *context, const struct log_entry *entry, const struct op_result *result),
                             void *context) PAGODA_MUST_CHECK;

/* For lab.c: the nearest snapshot at or before seq, or a new machine at 0. */
enum pagoda_error lab_begin_replay(struct lab *lab, uint64_t seq, struct past *past) PAGODA_MUST_CHECK;
/* On to seq, along the log. each_step, when given, sees the machine after each operation. */
enum pagoda_error lab_replay(struct lab *lab, struct past *past, uint64_t seq,
                             void (*each_step)(struct lab *lab, const struct past *past)) PAGODA_MUST_CHECK;
