/* server/lab/lane.h - taking turns at one machine.
 *
 * At most one has a lane at a time. Who comes meanwhile stands in its queue: clients take turns there, and what one client
 * wants is done in the order in which it came. A job costs no thread while it stands there, a thread of its own may wait
 * itself. A lane with jobs that nobody has is in the workers' ready list once; there lanes take turns. Nobody holds the
 * lane's mutex for longer than a few instructions, so it may be taken on a thread that must not wait. */
#pragma once
#include "server/base/workers.h"

struct lane_entry {
    struct lane_entry *next;               /* of the same client */
    struct lane_entry *next_client, *last; /* of a client's first entry: the next client's first; its own last */
    void (*run)(struct lane_entry *entry); /* a job: on a worker, which has the lane then; NULL: a thread waits */
    struct share *share;                   /* of the client whom it is done for; NULL: the house */
};

struct lane {
    pthread_mutex_t mutex;            /* guards what follows */
    bool is_taken;                    /* or in the ready list, for the next entry */
    struct lane_entry *first, **last; /* each client's first entry */
    struct lane_entry *kept;          /* a job that has the lane, but no thread just now: lane_keep() */
    struct work work;                 /* its place in the ready list */
    struct workers *workers;
};

void lane_init(struct lane *lane, struct workers *workers); /* workers: NULL when there will be no jobs */
void lane_destroy(struct lane *lane);

/* Takes the lane when nobody has it or stands in its queue. Never waits. */
bool lane_try(struct lane *lane);
/* Waits for the lane. Only for threads that nobody else needs: never on a worker or an HTTP thread. */
void lane_take(struct lane *lane);
/* Queues a job. It has the lane when it runs and gives it back with lane_release(). */
void lane_post(struct lane *lane, struct lane_entry *job);
/* The job that runs keeps the lane, and lets the worker go until lane_go_on(), which runs it once more. */
void lane_keep(struct lane *lane, struct lane_entry *job);
void lane_go_on(struct lane *lane);
/* Gives the lane to the next in its queue. */
void lane_release(struct lane *lane);
