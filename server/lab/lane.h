/* server/lab/lane.h - taking turns at one machine.
 *
 * At most one has a lane at a time. Who comes meanwhile stands in its queue, first come, first served: a job costs no
 * thread while it stands there, a thread of its own may wait itself. A lane with jobs that nobody has is in the workers'
 * ready list once; there lanes take turns. Nobody holds the lane's mutex for longer than a few instructions, so it may be
 * taken on a thread that must not wait. */
#pragma once
#include "server/base/workers.h"

struct lane_entry {
    struct lane_entry *next;
    void (*run)(struct lane_entry *entry); /* a job: on a worker, which has the lane then; NULL: a thread waits */
};

struct lane {
    pthread_mutex_t mutex; /* guards what follows */
    bool is_taken;         /* or in the ready list, for the first entry */
    struct lane_entry *first, **last;
    struct work work; /* its place in the ready list */
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
/* Gives the lane to the first in its queue. */
void lane_release(struct lane *lane);
