/* server/base/workers.h - the threads that do what may take long, as many as there are CPUs, and the list of what is ready
 * to be done.
 *
 * The list serves clients in turn (ready.h). Long work is cut into slices. After a slice the work submits itself again, so
 * that other work gets its turn. Work must not wait: not for other work, not for the disk. */
#pragma once
#include "server/base/ready.h"
#include "server/base/turn.h"

#include <pthread.h>

#define WORKERS_MIN 2u /* so that one that is busy for long does not stop the others' work */
#define WORKERS_MAX 64u

struct workers {
    pthread_mutex_t mutex; /* guards what follows */
    pthread_cond_t ready;
    struct ready list;
    bool is_stopping;
    unsigned nr_threads;
    pthread_t threads[WORKERS_MAX];
    struct turn turns[WORKERS_MAX]; /* what each is doing */
    unsigned nr_turns;              /* taken by a thread */
    pthread_t watcher;
    pthread_cond_t stopping;
    bool is_watched;
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
/* Is every worker in a turn that does not end? Then nothing that takes longer gets done. */
bool workers_are_stuck(const struct workers *workers);
