/* server/base/workers.c - see workers.h. */
#include "server/base/workers.h"

#include <stddef.h>

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

static void *worker_main(void *workers)
{
    pthread_setname_np(pthread_self(), "worker");
    for (struct work *work; (work = workers_next(workers));)
        work->run(work);
    return NULL;
}

bool workers_start(struct workers *workers)
{
    *workers = (struct workers){ .last = &workers->first };
    pthread_mutex_init(&workers->mutex, NULL);
    pthread_cond_init(&workers->ready, NULL);
    while (workers->nr_threads < WORKERS_MAX &&
           pthread_create(&workers->threads[workers->nr_threads], NULL, worker_main, workers) == 0)
        workers->nr_threads++;
    return workers->nr_threads == WORKERS_MAX;
}

void workers_stop(struct workers *workers)
{
    pthread_mutex_lock(&workers->mutex);
    workers->is_stopping = true;
    pthread_cond_broadcast(&workers->ready);
    pthread_mutex_unlock(&workers->mutex);
    for (unsigned i = 0; i < workers->nr_threads; i++)
        pthread_join(workers->threads[i], NULL);
    pthread_cond_destroy(&workers->ready);
    pthread_mutex_destroy(&workers->mutex);
}
