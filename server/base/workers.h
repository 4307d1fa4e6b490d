/* server/base/workers.h - the threads that do what may take long, and the list of what is ready to be done.
 *
 * The list is first come, first served. Long work is cut into slices. After a slice the work submits itself again, so that
 * other work gets its turn. Work must not wait for other work. */
#pragma once
#include "server/base/turn.h"

#include <pthread.h>
#include <stdbool.h>

#define WORKERS_MAX 2u

struct work {
    struct work *next;
    void (*run)(struct work *work); /* on a worker; the struct may be gone when it returns */
};

struct workers {
    pthread_mutex_t mutex; /* guards what follows */
    pthread_cond_t ready;
    struct work *first, **last;
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
/* From any thread. work stays the caller's until it runs. */
void workers_submit(struct workers *workers, struct work *work);
/* Is every worker in a turn that does not end? Then nothing that takes longer gets done. */
bool workers_are_stuck(const struct workers *workers);
