/* server/lab/lab.h - labs: machines that live by their log.
 *
 * A lab is an actor: at most one has its machine at a time, for a short turn. Who may not wait asks with lab_try(), and
 * leaves a job with lab_post() when the answer is no; the job runs on a worker when its turn comes. Who has the lab, by
 * either way, has a hold: the machine, its moment, and what to wait for before telling anybody of it.
 *
 * Earlier moments are shown by machines of their own, which have a queue of their own. */
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
/* The daemon is about to stop: who would have to wait for a replay gets PAGODA_ERR_STOPPING. From any thread. */
void labs_hurry(struct labs *labs);
void labs_stop(struct labs *labs);  /* before the store closes; NULL is allowed */
void labs_close(struct labs *labs); /* after it; NULL is allowed */
/* Puts to sleep who has been idle too long or, beyond the memory budget, who has been unused longest. */
void labs_tidy(struct labs *labs);
void labs_count(struct labs *labs, struct labs_counts *counts);

/* Who was refused memory (PAGODA_ERR_BUDGET) because of labs that are in use just now. */
struct room_waiter {
    struct room_waiter *next;                  /* private */
    uint64_t until_ns;                         /* 0 at first; how long it may come back */
    void (*go_on)(struct room_waiter *waiter); /* once, on any thread: there may be room */
};
/* Are others why, and is there time left? Not when the daemon is about to stop. */
bool labs_may_wait_for_room(const struct labs *labs, const struct room_waiter *waiter);
/* Has go_on() called soon. It may be called before this returns. False: there is no time left, and
 * go_on() is not called. */
bool labs_wait_for_room(struct labs *labs, struct room_waiter *waiter);
/* A lab may have become one that can be put to sleep: the log has grown, or it has a user less. */
void labs_offer_room(struct labs *labs);

/* What a list says of a lab. row is good for the call; row->seq is not kept up, seq is. */
struct lab_status {
    const struct lab_row *row;
    uint64_t seq;
    uint32_t nr_faults;
    bool is_quarantined;
};
/* Calls each for every lab, oldest first. each must not come back to the labs: their list is locked. */
void labs_each(struct labs *labs, void (*each)(void *context, const struct lab_status *status), void *context);

/* ---- one lab ---- */

/* Finds a lab and keeps it from going away until lab_put(). NULL: there is none of that id. */
struct lab *lab_get(struct labs *labs, const char *id);
void lab_keep(struct lab *lab); /* once more, by somebody who keeps it already; each ends with a lab_put() */
void lab_put(struct lab *lab);
/* By somebody who keeps it: it stays known until lab_unwatch(), but may sleep, or be deleted. lab_keep() gets it back. */
void lab_watch(struct lab *lab);
void lab_unwatch(struct lab *lab);

/* These do not wait, and need no hold. */
const char *lab_id(const struct lab *lab);                      /* as in paths */
int64_t lab_number(const struct lab *lab);                      /* as in the store */
const struct machine_config *lab_config(const struct lab *lab); /* complete */
struct labs *lab_labs(const struct lab *lab);
uint64_t lab_seq(const struct lab *lab);         /* the head */
uint64_t lab_durable_seq(const struct lab *lab); /* how far the log on disk has got */
uint64_t lab_ticket(const struct lab *lab);      /* of its newest operation, if that is on its way to the disk; else 0 */
bool lab_is_awake(const struct lab *lab);        /* its machine is in memory and as the log has it */
bool lab_is_deleted(const struct lab *lab);
/* 0, or the first operation that has another result under today's rules than was recorded: the lab is read-only, and can be
 * shown at moments before it. Known when the lab has been woken once. */
uint64_t lab_differs_at(const struct lab *lab);
/* *why says that the lab is read-only, since when, and what to do. Returns PAGODA_ERR_RULES. */
enum pagoda_error lab_refuse_rules(const struct lab *lab, struct problem *why);
uint32_t lab_nr_faults(const struct lab *lab); /* since an operation last went well, or lab_forgive() */
/* It has broken down too often: nobody gets its machine (PAGODA_ERR_QUARANTINED) until lab_forgive(). */
bool lab_is_quarantined(const struct lab *lab);
void lab_forgive(struct lab *lab);
uint32_t lab_nr_losses(const struct lab *lab); /* how often the end of its log was lost */
/* A copy of its row as it is now, seq included. */
void lab_read_row(struct lab *lab, struct lab_row *row);

/* Waits until the log on disk has got as far as seq. Only for threads that nobody else needs.
 * PAGODA_ERR_FULL, PAGODA_ERR_IO  what lies behind the durable end was lost. */
enum pagoda_error lab_wait_durable(struct lab *lab, uint64_t seq) PAGODA_MUST_CHECK;

/* What keeps a new lab's request from making a second one: its answer, in the same commit. */
struct lab_request {
    struct answer answer; /* answer.key NULL: none is kept */
    void (*encode)(struct buffer *out, const struct lab_status *lab, const struct machine *machine); /* its text */
};

/* A change of which labs there are, which waits for the disk without a thread: it is begun, its part `stored` is posted to
 * the store, and when that was told it is ended. Zeroed at first; its owner keeps it and what it was begun with until the
 * end. */
struct lab_change {
    struct store_change stored; /* first member: for store_post_change(), behind the begin and without a hold */
    struct lab *lab;            /* that it is about */
    struct answer answer;
    struct buffer text; /* of a new lab or a publication: the answer, encoded */
    char name[LAB_NAME_MAX + 1];
};
/* Ends any change, on a thread that may free a machine.
 * error  what the store said.
 * *out   a lab that was made: the caller's to lab_put(); NULL after an error, or when none was made. */
enum pagoda_error lab_change_end(struct lab_change *change, enum pagoda_error error, struct lab **out) PAGODA_MUST_CHECK;
/* Stores and ends a change that was begun. Waits for the disk: only for threads that nobody else needs. */
enum pagoda_error lab_change_now(struct lab_change *change, struct lab **out) PAGODA_MUST_CHECK;

/* Begins a lab.
 * config     completed here.
 * is_hidden  no list and no lab_get() has it until it is published. If it is let go of before, or pagodad ends, it is gone.
 * request    NULL: none.
 * After an error nothing was begun.
 * PAGODA_ERR_INVALID   *why names the field.
 * The change ends with PAGODA_ERR_CONFLICT when the request's key is taken; then nothing was made. */
enum pagoda_error lab_begin_create(struct labs *labs, const char *name, const struct machine_config *config, bool is_hidden,
                                   const struct lab_request *request, struct lab_change *change,
                                   struct problem *why) PAGODA_MUST_CHECK;
/* Begins a fork at the hold's moment. Arguments and errors as of lab_begin_create(). */
enum pagoda_error lab_begin_fork(const struct lab_hold *hold, const char *name, const struct lab_request *request,
                                 struct lab_change *change) PAGODA_MUST_CHECK;
/* Begins to end the hiding of a lab, all of which is on disk. The change ends with PAGODA_ERR_CONFLICT when the request's
 * key is taken; then the lab stays hidden. */
enum pagoda_error lab_begin_publish(const struct lab_hold *hold, const struct lab_request *request,
                                    struct lab_change *change) PAGODA_MUST_CHECK;
void lab_begin_rename(struct lab *lab, const char *name, struct lab_change *change);
/* From here on the lab takes no operation, unless the change fails. By whoever has the present, so that none is under way,
 * or when it cannot be woken.
 * answer  NULL: none. */
void lab_begin_delete(struct lab *lab, const struct answer *answer, struct lab_change *change);

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
bool lab_takes_ops(const struct lab_hold *hold); /* else an import is under way; a job that writes waits for its end */
void lab_release(struct lab_hold *hold);
/* A look at the hold's machine ended with PAGODA_ERR_FAULT (server/base/guard.h): nobody gets this machine any more, and
 * the lab counts it. What changes or copies a machine here does this by itself. */
void lab_broke(struct lab_hold *hold);

/* These wait, for others, for replays and for the disk. Only for threads that nobody else needs: never on a worker or an
 * HTTP thread. After an error there is no hold.
 * at  the moment, at most the head.
 * PAGODA_ERR_NOT_FOUND  there is no such operation.
 * PAGODA_ERR_RULES      the moment lies at or behind lab_differs_at(): no machine of today leads there. */
enum pagoda_error lab_take(struct lab *lab, struct lab_hold *hold) PAGODA_MUST_CHECK;
enum pagoda_error lab_take_past(struct lab *lab, uint64_t at, struct lab_hold *hold) PAGODA_MUST_CHECK;

/* How a turn ends. */
enum lab_turn {
    LAB_TURN_DONE,  /* done() is next */
    LAB_TURN_AGAIN, /* there is more to do: behind the others in the queue (of the past: at job->at, until job->until) */
    LAB_TURN_AFTER_LOG, /* as AGAIN, when job->ticket is on disk, or lost */
};

enum lab_moment {
    LAB_PRESENT,
    LAB_PAST,
    LAB_RECORDED, /* as PAST, for lab_relive() only: at or behind lab_differs_at() the machine is the last that can be shown
                   */
};

struct lab_job {
    struct lane_entry entry; /* first member; private, as what follows up to turn */
    struct store_waiter waiter;
    struct room_waiter room;
    struct lab_job *next;
    struct lab *lab;
    bool is_in_past;
    /* Runs with the lab held, on a worker. Must be short: others wait. */
    enum lab_turn (*turn)(struct lab_job *job, struct lab_hold *hold);
    /* Runs once, behind the last turn and without the hold. Nobody touches the job any more.
     * error  the lab could not be woken, or has not the moment: there was no turn (further). As of lab_take_past(). */
    void (*done)(struct lab_job *job, enum pagoda_error error);
    enum lab_moment moment;
    bool writes;                 /* waits for the end of an import that is all or nothing */
    struct share *share;         /* of the client whom it is done for; NULL: the house */
    uint64_t at, until;          /* of the past: the moment; how far the log must be on disk, 0: as far as at */
    uint64_t ticket;             /* for LAB_TURN_AFTER_LOG */
    enum pagoda_error log_error; /* private: what became of the log that was waited for */
};

/* Queues a job, whose owner keeps the lab. Never waits; no thread is held while the job stands in the queue, or while the
 * disk is waited for. What leads to its moment is done in slices, with others' work in between. */
void lab_post(struct lab *lab, struct lab_job *job);

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
 * PAGODA_ERR_CONFLICT, PAGODA_ERR_NOT_FOUND  an import that is all or nothing is under way; the lab is being deleted.
 * PAGODA_ERR_IO       the log was lost: the lab is rebuilt before its next turn.
 * PAGODA_ERR_FAULT    the machine broke down, *why says in what; nothing was logged: as IO. */
enum pagoda_error lab_apply(struct lab_hold *hold, const struct op *op, const struct op_key *key, struct op_result *result,
                            struct problem *why) PAGODA_MUST_CHECK;
/* Is an operation under that key on its way to the disk? Then *ticket is what to wait for before the store knows. */
bool lab_key_is_in_flight(const struct lab_hold *hold, const char *key, uint64_t *ticket);

/* An import that is all or nothing. It works on a copy: meanwhile the lab is shown as it was, and jobs that write wait. The
 * calls wait for others and for the disk: only for threads that nobody else needs. */
struct lab_import;
/* seq   where the lab is to be.
 * *out  ends with lab_import_end(); NULL after an error.
 * PAGODA_ERR_CONFLICT  the lab is elsewhere, or another such import is under way.
 * PAGODA_ERR_RULES     the lab is read-only. */
enum pagoda_error lab_import_begin(struct lab *lab, uint64_t seq, struct lab_import **out) PAGODA_MUST_CHECK;
const struct machine *lab_import_machine(const struct lab_import *import);
/* Arguments and errors as of lab_apply(). */
enum pagoda_error lab_import_apply(struct lab_import *import, const struct op *op, struct op_result *result,
                                   struct problem *why) PAGODA_MUST_CHECK;
uint64_t lab_import_ticket(const struct lab_import *import); /* of its last operation */
/* is_whole  the lab has gone on to the last operation; else, or after an error, it is as it was at begin.
 * answer    stored in the same commit; NULL: none. */
enum pagoda_error lab_import_end(struct lab_import *import, bool is_whole, const struct answer *answer) PAGODA_MUST_CHECK;

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
