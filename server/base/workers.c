/* server/base/workers.c - see workers.h. */
#include "server/base/workers.h"

#include <stddef.h>
#include <time.h>

void workers_submit(struct workers *workers, struct work *work)
{
    work->next = NULL;
    pthread_mutex_lock(&workers->mutex);
    *workers->last = work;
    workers->last = &work->next;
    pthread_cond_signal(&workers->ready);
    pthread_mutex_unlock(&workers->mutex);
}

/* NULL: the workers are to stop, and nothing is left. */
static struct work *workers_next(struct workers *workers)
{
    pthread_mutex_lock(&workers->mutex);
    while (!workers->first && !workers->is_stopping)
        pthread_cond_wait(&workers->ready, &workers->mutex);
    struct work *work = workers->first;
    if (work) {
        workers->first = work->next;
        if (!workers->first)
            workers->last = &workers->first;
    }
    pthread_mutex_unlock(&workers->mutex);
    return work;
}

static struct turn *workers_take_turn(struct workers *workers)
{
    pthread_mutex_lock(&workers->mutex);
    struct turn *turn = &workers->turns[workers->nr_turns++];
    pthread_mutex_unlock(&workers->mutex);
    return turn;
}

static void *worker_main(void *context)
{
    struct workers *workers = context;
    pthread_setname_np(pthread_self(), "worker");
    turn_adopt(workers_take_turn(workers));
    for (struct work *work; (work = workers_next(workers));) {
        turn_begin();
        work->run(work);
        turn_end();
    }
    return NULL;
}

/* ---- the watcher ---- */

static bool watch_waits(struct workers *workers)
{
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec++;
    pthread_mutex_lock(&workers->mutex);
    if (!workers->is_stopping)
        pthread_cond_timedwait(&workers->stopping, &workers->mutex, &until);
    bool goes_on = !workers->is_stopping;
    pthread_mutex_unlock(&workers->mutex);
    return goes_on;
}

static void *watch_main(void *context)
{
    struct workers *workers = context;
    pthread_setname_np(pthread_self(), "watcher");
    while (watch_waits(workers))
        for (unsigned i = 0; i < WORKERS_MAX; i++)
            turn_report_if_long(&workers->turns[i]);
    return NULL;
}

bool workers_are_stuck(const struct workers *workers)
{
    for (unsigned i = 0; i < workers->nr_threads; i++)
        if (!turn_is_long(&workers->turns[i]))
            return false;
    return workers->nr_threads > 0;
}

bool workers_start(struct workers *workers)
{
    *workers = (struct workers){ .last = &workers->first };
    pthread_mutex_init(&workers->mutex, NULL);
    pthread_cond_init(&workers->ready, NULL);
    pthread_cond_init(&workers->stopping, NULL);
    for (unsigned i = 0; i < WORKERS_MAX; i++)
        turn_init(&workers->turns[i]);
    while (workers->nr_threads < WORKERS_MAX &&
           pthread_create(&workers->threads[workers->nr_threads], NULL, worker_main, workers) == 0)
        workers->nr_threads++;
    workers->is_watched = pthread_create(&workers->watcher, NULL, watch_main, workers) == 0;
    return workers->nr_threads == WORKERS_MAX && workers->is_watched;
}

void workers_stop(struct workers *workers)
{
    pthread_mutex_lock(&workers->mutex);
    workers->is_stopping = true;
    pthread_cond_broadcast(&workers->ready);
    pthread_cond_broadcast(&workers->stopping);
    pthread_mutex_unlock(&workers->mutex);
    if (workers->is_watched)
        pthread_join(workers->watcher, NULL);
    for (unsigned i = 0; i < workers->nr_threads; i++)
        pthread_join(workers->threads[i], NULL);
    pthread_cond_destroy(&workers->ready);
    pthread_cond_destroy(&workers->stopping);
    pthread_mutex_destroy(&workers->mutex);
}
