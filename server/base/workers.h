/* server/base/workers.h - the threads that do what may take long, as many as there are CPUs, and the list of what is ready
 * to be done.
 *
 * The list serves clients in turn (ready.h). Long work is cut into slices. After a slice the work submits itself again, so
 * that other work gets its turn. Work must not wait: not for other work, not for the disk.
 *
 * Some work cannot be cut: one operation on gigabytes, a copy of a large machine. When others wait meanwhile, its worker
 * becomes a slow one: it goes on with lower priority and ends behind that turn, and a new worker takes its place. There are
 * at most WORKERS_SLOW_MAX slow ones, and READY_SLOW_MAX of one client; who has that many waits for their end. */
#pragma once
#include "server/base/ready.h"
#include "server/base/turn.h"

#include <pthread.h>
#include <sys/types.h>

#define WORKERS_MIN 2u /* so that one that is busy for long does not stop the others' work */
#define WORKERS_MAX 64u
#define WORKERS_SLOW_MAX (2 * READY_SLOW_MAX)
#define WORKERS_PLACES (WORKERS_MAX + WORKERS_SLOW_MAX)

struct workers;

struct worker {
    struct turn turn; /* what it is doing */
    struct workers *all;
    struct share *share; /* whom it works for; NULL: it waits for work */
    pid_t tid;           /* 0: not yet known */
    bool is_there, is_slow;
};

struct workers {
    pthread_mutex_t mutex; /* guards what follows */
    pthread_cond_t ready;
    struct ready list;
    bool is_stopping;
    unsigned nr_serving, nr_slow; /* nr_slow: who works and is not to come back */
    unsigned nr_waiting;          /* of those that serve: for work */
    struct worker places[WORKERS_PLACES];
    pthread_cond_t ended; /* a thread */
    pthread_t watcher;
    pthread_cond_t watched;    /* the watcher is to look, or to stop */
    bool is_watched, is_tense; /* is_tense: work waits while all workers are busy */
};

/* Starts the threads, and one that reports turns which do not end.
 * False: the host refused a thread; those that were started wait for workers_stop(). */
bool workers_start(struct workers *workers);
/* Does what is in the list, then ends the threads. */
void workers_stop(struct workers *workers);
/* From any thread. work stays the caller's until it runs; then the struct may be gone when work->run returns. Its share
 * must live until workers_share_is_idle(). */
void workers_submit(struct workers *workers, struct work *work);
bool workers_share_is_idle(struct workers *workers, const struct share *share);
/* Is every worker in a turn that does not end, and are there as many slow ones as may be? Then nothing that takes longer
 * gets done. */
bool workers_are_stuck(struct workers *workers);
