/* server/lab/lab.h - labs: machines that live by their log.
 *
 * A lab is an actor: at most one has its machine at a time, for a short turn. Who may not wait asks with lab_try(), and
 * leaves a job with lab_post() when the answer is no; the job runs on a worker when its turn comes. Who has the lab, by
 * either way, has a hold: the machine, its moment, and what to wait for before telling anybody of it.
 *
 * Earlier moments are shown by machines of their own, which have a queue of their own (lab_post_past). */
#pragma once
#include "pagoda/machine.h"
#include "server/base/workers.h"
#include "server/lab/lane.h"
#include "server/store/store.h"

struct lab;
struct labs;
struct lab_hold;

/* ---- all labs ---- */

struct labs_limits {
    uint64_t memory_budget; /* bytes of host memory for all machines; 64 MiB can be had in any case */
    uint64_t machine_bytes; /* bytes of host memory for one machine: a lab has its present and two earlier moments */
    uint64_t memory_max;    /* bytes: the largest memory that a lab may be made with */
    uint64_t idle_ns;       /* unused for so long: asleep; 0: never for that alone */
};
#define LABS_UNLIMITED                                                                                                     \
    ((struct labs_limits){ .memory_budget = UINT64_MAX, .machine_bytes = UINT64_MAX, .memory_max = UINT64_MAX })

struct labs_counts {
    uint32_t nr_labs, nr_awake;
    uint64_t nr_applied; /* operations since the start */
    uint64_t nr_wakes, nr_sleeps;
    uint64_t nr_mismatches; /* replays that led elsewhere than the log says */
};

/* Loads the list of labs; their machines sleep until they are asked for.
 * workers  run posted jobs; NULL when nothing will be posted.
 * *out     the caller's, to labs_stop() and labs_close(); NULL after an error.
 * PAGODA_ERR_NOMEM    the host has no memory for every one of the labs, or no thread.
 * PAGODA_ERR_INVALID  *why names a lab that this pagodad does not understand. */
enum pagoda_error labs_open(struct store *store, struct workers *workers, struct labs **out,
                            struct problem *why) PAGODA_MUST_CHECK;
void labs_limit(struct labs *labs, const struct labs_limits *limits); /* unlimited until then */
void labs_stop(struct labs *labs);                                    /* before the store closes; NULL is allowed */
void labs_close(struct labs *labs);                                   /* after it; NULL is allowed */
/* Puts to sleep who has been idle too long or, beyond the memory budget, who has been unused longest. */
void labs_tidy(struct labs *labs);
void labs_count(struct labs *labs, struct labs_counts *counts);

/* What a list says of a lab. row is good for the call; row->seq is not kept up, seq is. */
struct lab_status {
    const struct lab_row *row;
    uint64_t seq;
};
/* Calls each for every lab, oldest first. each must not come back to the labs: their list is locked. */
void labs_each(struct labs *labs, void (*each)(void *context, const struct lab_status *status), void *context);

/* ---- one lab ---- */

/* Finds a lab and keeps it from going away until lab_put(). NULL: there is none of that key. */
struct lab *lab_get(struct labs *labs, const char *key);
void lab_keep(struct lab *lab); /* once more, by somebody who keeps it already; each ends with a lab_put() */
void lab_put(struct lab *lab);

/* These do not wait, and need no hold. */
const char *lab_key(const struct lab *lab);                     /* as in paths */
int64_t lab_id(const struct lab *lab);                          /* as in the store */
const struct machine_config *lab_config(const struct lab *lab); /* complete */
struct labs *lab_labs(const struct lab *lab);
uint64_t lab_seq(const struct lab *lab);         /* the head */
uint64_t lab_durable_seq(const struct lab *lab); /* how far the log on disk has got */
bool lab_is_awake(const struct lab *lab);        /* its machine is in memory and as the log has it */
bool lab_is_deleted(const struct lab *lab);
/* 0, or the first operation that has another result under today's rules than was recorded: the lab is read-only, and can be
 * shown at moments before it. Known when the lab has been woken once. */
uint64_t lab_differs_at(const struct lab *lab);
/* *why says that the lab is read-only, since when, and what to do. Returns PAGODA_ERR_RULES. */
enum pagoda_error lab_refuse_rules(const struct lab *lab, struct problem *why);
uint32_t lab_nr_losses(const struct lab *lab); /* how often the end of its log was lost */
/* A copy of its row as it is now, seq included. */
void lab_read_row(struct lab *lab, struct lab_row *row);

/* Waits until the log on disk has got as far as seq. For threads that may wait for the disk.
 * PAGODA_ERR_FULL, PAGODA_ERR_IO  what lies behind the durable end was lost. */
enum pagoda_error lab_wait_durable(struct lab *lab, uint64_t seq) PAGODA_MUST_CHECK;

/* What keeps a new lab's request from making a second one: its answer, in the same commit. */
struct lab_request {
    struct answer answer; /* answer.key NULL: none is kept */
    void (*encode)(struct buffer *out, const struct lab_status *lab, const struct machine *machine); /* its text */
};

/* Makes a lab and waits until it is on disk.
 * config   completed here.
 * request  NULL: none.
 * *out     the caller's to lab_put(); NULL after an error.
 * PAGODA_ERR_CONFLICT  the request's key is taken; nothing was made.
 * PAGODA_ERR_INVALID   *why names the field. */
enum pagoda_error lab_create(struct labs *labs, const char *name, const struct machine_config *config,
                             const struct lab_request *request, struct lab **out, struct problem *why) PAGODA_MUST_CHECK;

/* Makes a lab that is filled before anybody sees it: no list and no lab_get() has it until lab_publish(). If it is let go
 * of before, or pagodad ends, it is gone. Arguments and errors as of lab_create(). */
enum pagoda_error lab_create_hidden(struct labs *labs, const char *name, const struct machine_config *config,
                                    struct lab **out, struct problem *why) PAGODA_MUST_CHECK;
/* Waits until all of the lab is on disk, then ends its hiding.
 * answer  stored in the same commit; NULL: none.
 * PAGODA_ERR_CONFLICT  the answer's key is taken; the lab stays hidden. */
enum pagoda_error lab_publish(struct lab_hold *hold, const struct answer *answer) PAGODA_MUST_CHECK;

/* A fork is begun with a hold of the parent at the moment where it leaves (lab_fork_begin, which only copies), and made
 * when that has been given back (lab_fork_end, which waits for the disk). */
struct lab_fork {
    struct lab *parent;
    struct machine *machine; /* the fork's to be */
    uint64_t cost_ns;
};
enum pagoda_error lab_fork_begin(const struct lab_hold *hold, struct lab_fork *fork) PAGODA_MUST_CHECK;
/* Arguments and errors as of lab_create(). fork->machine is gone afterwards, whatever happens. */
enum pagoda_error lab_fork_end(struct lab_fork *fork, const char *name, const struct lab_request *request,
                               struct lab **out) PAGODA_MUST_CHECK;

enum pagoda_error lab_rename(struct lab *lab, const char *name) PAGODA_MUST_CHECK; /* waits for the disk */
/* Waits for the disk. hold: of the present, so that no operation is queued behind the deletion. answer: NULL: none. */
enum pagoda_error lab_delete(struct lab_hold *hold, const struct answer *answer) PAGODA_MUST_CHECK;

/* ---- holds ---- */

/* The lab to oneself, from lab_try(), lab_take(), lab_take_past() or a job's turn, until lab_release() or the turn's end.
 */
struct lab_hold {
    struct lab *lab;
    struct machine *machine; /* at the moment seq */
    uint64_t seq;
    uint64_t ticket;   /* what to wait for before telling what was done or seen; 0: nothing */
    struct past *past; /* the machine is of the past: it may be looked at and relived, not changed; NULL: of the present */
};

/* Takes the present when that can be had at once: nobody has it, nobody waits for it, and its machine is awake. Never
 * waits. False: there is no hold; lab_post(). */
bool lab_try(struct lab *lab, struct lab_hold *hold) PAGODA_MUST_CHECK;
void lab_release(struct lab_hold *hold);

/* These wait, for others and for replays. Only for threads that nobody else needs: never on a worker or an HTTP thread.
 * After an error there is no hold.
 * at  the moment, at most the head.
 * PAGODA_ERR_NOT_FOUND  there is no such operation.
 * PAGODA_ERR_RULES      the moment lies at or behind lab_differs_at(): no machine of today leads there. */
enum pagoda_error lab_take(struct lab *lab, struct lab_hold *hold) PAGODA_MUST_CHECK;
enum pagoda_error lab_take_past(struct lab *lab, uint64_t at, struct lab_hold *hold) PAGODA_MUST_CHECK;
/* As lab_take_past(), for lab_relive() only. At or behind lab_differs_at() the machine is the last that can be shown. */
enum pagoda_error lab_take_recorded(struct lab *lab, uint64_t at, struct lab_hold *hold) PAGODA_MUST_CHECK;

/* How a turn ends. */
enum lab_turn {
    LAB_TURN_DONE,  /* done() is next */
    LAB_TURN_AGAIN, /* there is more to do: behind the others in the queue (of the past: at job->at, until job->until) */
    LAB_TURN_AFTER_LOG, /* as AGAIN, when job->ticket is on disk, or lost */
};

struct lab_job {
    struct lane_entry entry; /* first member; private, as what follows up to turn */
    struct store_waiter waiter;
    struct lab *lab;
    bool is_past;
    /* Runs with the lab held, on a worker. Must be short: others wait. */
    enum lab_turn (*turn)(struct lab_job *job, struct lab_hold *hold);
    /* Runs once, behind the last turn and without the hold. Nobody touches the job any more.
     * error  the lab could not be woken, or has not the moment: there was no turn (further). */
    void (*done)(struct lab_job *job, enum pagoda_error error);
    uint64_t at, until;          /* of the past: the moment; how far the log must be on disk, 0: as far as at */
    uint64_t ticket;             /* for LAB_TURN_AFTER_LOG */
    enum pagoda_error log_error; /* private: what became of the log that was waited for */
};

/* Queue a job, whose owner keeps the lab. Never wait; no thread is held while the job stands in the queue.
 * job  turn and done are set; for the past, at and until, too. */
void lab_post(struct lab *lab, struct lab_job *job);
void lab_post_past(struct lab *lab, struct lab_job *job);

/* ---- what is done with a hold of the present ---- */

/* An operation's Idempotency-Key. */
struct op_key {
    const char *key; /* NULL: none */
    uint64_t body_hash;
};
/* Runs an operation and queues it for the log.
 * key      NULL: none.
 * *result  borrows from the machine.
 * hold     seq and ticket move on with it.
 * PAGODA_ERR_INVALID  *why says what is wrong with op; nothing was done.
 * PAGODA_ERR_RULES    the lab is read-only: lab_differs_at(); *why says so.
 * PAGODA_ERR_IO       the log was lost: the lab is rebuilt before its next turn. */
enum pagoda_error lab_apply(struct lab_hold *hold, const struct op *op, const struct op_key *key, struct op_result *result,
                            struct problem *why) PAGODA_MUST_CHECK;
/* Is an operation under that key on its way to the disk? Then *ticket is what to wait for before the store knows. */
bool lab_key_is_in_flight(const struct lab_hold *hold, const char *key, uint64_t *ticket);

/* Around the operations of an import that is to be all or nothing, within one hold. Both wait for the disk.
 * answer  stored with the end of the import; NULL: none.
 * After an error, or with is_whole false, the lab is as it was at begin; hold->machine may be NULL then. */
enum pagoda_error lab_begin_import(struct lab_hold *hold) PAGODA_MUST_CHECK;
enum pagoda_error lab_end_import(struct lab_hold *hold, bool is_whole, const struct answer *answer) PAGODA_MUST_CHECK;

/* All operations of one lab applied once more to another, with the numbers that they had there, slice by slice. */
struct lab_rerun;
/* from  kept by the caller until the end; its log must be on disk.
 * into  of a new lab, at operation 0; held by the caller until the end.
 * NULL: the host has no memory. */
struct lab_rerun *lab_rerun_begin(struct lab *from, struct lab_hold *into);
/* One slice: short, and without waiting for the disk. Who calls sees to it that the log does not lag far behind.
 * *is_done  nothing is left to do.
 * PAGODA_ERR_NOT_FOUND  from was deleted meanwhile. */
enum pagoda_error lab_rerun_step(struct lab_rerun *rerun, bool *is_done) PAGODA_MUST_CHECK;
void lab_rerun_end(struct lab_rerun *rerun); /* at any time; NULL is allowed */

/* ---- what is done with a hold of the past ---- */

/* A result with what the log holds of it: outcome, address, sizes, costs. No path, events, frames, simulated time. */
void lab_recorded_result(const struct log_entry *entry, struct op_result *result);

/* Runs the logged operations behind hold->seq once more, up to to, with events, and shows each. From lab_differs_at() on,
 * results are those recorded (lab_recorded_result), with their time. The log must have got that far. each: entry and result
 * are good for the call; false stops. hold->seq moves on. */
enum pagoda_error lab_relive(struct lab_hold *hold, uint64_t to,
                             bool (*each)(void *context, const struct log_entry *entry, const struct op_result *result),
                             void *context) PAGODA_MUST_CHECK;
