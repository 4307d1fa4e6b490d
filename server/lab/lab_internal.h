/* server/lab/lab_internal.h - what a lab is made of. For the files of server/lab, and tests that look inside.
 *
 * Who guards what: the registry's mutex the list and what its fields say so of; the present lane the present machine; the
 * past lane the machines of earlier moments. Order: past lane, present lane, registry, a lane's own mutex. */
#pragma once
#include "server/lab/lab.h"
#include "server/lab/lane.h"
#include "server/lab/snapshot.h"

#define NR_PASTS 2
#define LAB_BUCKETS 1024
#define KEYS_IN_FLIGHT 64u
#define SHORT_WALK 2000u   /* operations: cheaper than to look for a snapshot */
#define FOREVER UINT64_MAX /* as a deadline: none */

/* A machine as it was at its own moment; NULL: none. */
struct past {
    struct machine *machine;
    uint64_t cost_ns; /* of the way from 0 */
    /* Behind the last moment that can be shown results are only read. Simulated time after recorded_seq; 0: not added up.
     */
    uint64_t recorded_seq, recorded_now_ns;
};

/* An operation with an Idempotency-Key that was queued for the log. */
struct key_in_flight {
    uint64_t hash;
    uint64_t ticket; /* 0: free */
};

struct lab {
    struct lab *next;           /* registry list, oldest first */
    struct lab *next_in_bucket; /* by key */
    struct labs *labs;
    struct lab_row row;          /* name, rules, differs_at: registry mutex; the rest does not change; row.seq: see seq */
    atomic_bool is_compared;     /* its log has been recorded under, or compared with, today's rules */
    _Atomic uint64_t differs_at; /* 0, or the first operation that has another result: what comes before can be shown */
    struct lab_log log;
    uint32_t nr_users;     /* registry mutex; 0: may be put to sleep */
    uint32_t nr_watchers;  /* registry mutex; they keep the struct, not its machines */
    uint64_t last_used_ns; /* registry mutex; monotonic */
    uint64_t host_bytes;   /* registry mutex; of its machines, when it was last used */
    bool is_unused;        /* registry mutex; awake and without users: in the list of those */
    struct lab *unused_before, *unused_next;
    atomic_bool deleted; /* or not yet published; written with the registry mutex held */

    struct lane present;
    struct machine *_Atomic machine;    /* NULL: asleep */
    atomic_bool is_broken;              /* the machine broke down: it may only be destroyed */
    _Atomic uint32_t nr_faults;         /* in a row */
    atomic_bool mistrusts_snapshots;    /* the last waking broke down */
    _Atomic uint64_t seq;               /* head */
    _Atomic uint64_t last_ticket;       /* of the newest operation; written before seq */
    uint64_t cost_ns, snapshot_cost_ns; /* of replaying from 0 to the head, to the newest snapshot */
    uint32_t nr_losses; /* of the log, when the machine was made: since it has risen, the machine may be ahead of the log */
    atomic_bool has_images_behind; /* perhaps: snapshots behind the end of the log, which are to go */
    struct past waking;            /* half way to the present, while the lab is being woken */
    atomic_bool is_leaving;        /* its deletion is on the way to the disk: no operation may follow */
    bool is_importing;             /* all or nothing, from import_seq on; undone when the lab is next woken */
    uint64_t import_seq;
    struct lab_import *import;               /* under way: nothing else changes the lab; NULL: none */
    struct lab_log import_log;               /* its log; here, because a snapshot of the import may outlive it */
    struct lab_job *blocked, **last_blocked; /* that wait for the end of the import */
    enum pagoda_error undo_error;            /* for the job that has waited for it */
    struct store_change undoing; /* of an import that was not finished; for the job that keeps the lane meanwhile */
    struct store_change noting;  /* what a comparison has found, on its way to the store */
    atomic_bool is_noting;
    struct store_change dropping;              /* of snapshots behind the end of the log */
    atomic_bool is_dropping;                   /* until then no image is taken: it would go with those */
    struct key_in_flight keys[KEYS_IN_FLIGHT]; /* a ring */
    uint32_t next_key;

    struct lane past;
    struct past pasts[NR_PASTS];
    uint32_t newest_past;
    bool is_seeking; /* the newest past is half way to a moment, for the job that keeps the lane */
};

struct labs {
    struct store *store;
    struct workers *workers;
    struct snapshots snapshots; /* the worker that writes them */
    struct labs_limits limits;
    pthread_mutex_t mutex;
    struct lab *first, *last;
    struct lab *unused_first, *unused_last; /* longest unused first */
    struct lab *buckets[LAB_BUCKETS];
    struct room_waiter *waiting_first, *waiting_last; /* for room: room.c */
    _Atomic uint32_t nr_waiting;
    uint32_t nr_labs;
    atomic_bool are_stopping;                                        /* replays end */
    bool out_of_memory;                                              /* while the list is loaded */
    _Atomic uint64_t nr_applied, nr_wakes, nr_sleeps, nr_mismatches; /* as in struct labs_counts */
};

/* ---- registry.c ---- */

struct lab *lab_make(struct labs *labs, const struct lab_row *row); /* not in the list yet; NULL: out of memory */
void lab_free(struct lab *lab);                                     /* not in the list any more */
void labs_add(struct labs *labs, struct lab *lab);                  /* registry mutex held */
bool registry_has_sleepy(const struct labs *labs); /* is there a lab that may be put to sleep? Registry mutex held. */

/* ---- lab.c ---- */

/* With the present held: makes the machine anew from the log when it sleeps or has lost the end of its log. Waits for the
 * disk. */
enum pagoda_error lab_wake(struct lab *lab) PAGODA_MUST_CHECK;
/* The same, one slice of it: until the deadline. When it is done, lab_is_awake(). Never waits.
 * By then lab_ticket() is 0, and no import is to be undone. */
enum pagoda_error lab_wake_on(struct lab *lab, uint64_t deadline_ns) PAGODA_MUST_CHECK;
/* The import that was not finished: what is to be stored so that it never was. */
void lab_prepare_undo(struct lab *lab);
/* What the log holds of an operation and its result. */
struct log_entry lab_log_entry(const struct op *op, const struct op_result *result);
/* Now and then, with the present held: an image of the machine, for the store. */
void lab_leave_snapshot(struct lab *lab, const struct machine *machine);

/* ---- lab_turn.c ---- */

/* With the present held, when an import has ended: whoever waited for that goes on. */
void lab_unblock(struct lab *lab);

/* ---- lab_fault.c ---- */

void lab_count_fault(struct lab *lab);

/* ---- lab_past.c ---- */

/* With the past held, and the log compared and on disk as far as seq: the machine at seq. After an error there is no hold.
 * hold->machine  NULL: not there at the deadline; the next call with the same seq goes on. */
enum pagoda_error lab_seek(struct lab *lab, uint64_t seq, uint64_t deadline_ns, struct lab_hold *hold) PAGODA_MUST_CHECK;
/* As lab_seek(), for lab_relive() only: at or behind lab_differs_at() the machine is the last that can be shown. */
enum pagoda_error lab_seek_recorded(struct lab *lab, uint64_t seq, uint64_t deadline_ns,
                                    struct lab_hold *hold) PAGODA_MUST_CHECK;

/* ---- lab_replay.c ---- */

/* The nearest snapshot at or before seq, or a new machine at 0. */
enum pagoda_error lab_begin_replay(struct lab *lab, uint64_t seq, struct past *past) PAGODA_MUST_CHECK;
/* A way along the log. */
struct lab_walk {
    uint64_t to;
    uint64_t deadline_ns; /* monotonic: there it stops, wherever it is, but behind one operation at least */
    void (*each_step)(struct lab *lab,
                      const struct past *past); /* sees the machine after each operation; NULL: nobody does */
    /* out: the first operation that has another result than the log says, which ends the replay, else 0. NULL: what differs
     * is reported, and the replay goes on. */
    uint64_t *differs_at;
};
enum pagoda_error lab_replay(struct lab *lab, struct past *past, const struct lab_walk *walk) PAGODA_MUST_CHECK;
/* One operation of the log. What is refused today keeps its number and does nothing. */
enum pagoda_error lab_apply_logged(struct machine *machine, const struct log_entry *entry, struct op_result *result);
