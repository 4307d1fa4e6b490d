/* server/base/workers.c - see workers.h. */
#include "server/base/workers.h"
#include "server/base/clock.h"

#include <stddef.h>
#include <unistd.h>

void workers_submit(struct workers *workers, struct work *work)
{
    pthread_mutex_lock(&workers->mutex);
    ready_put(&workers->list, work);
    pthread_cond_signal(&workers->ready);
    pthread_mutex_unlock(&workers->mutex);
}

bool workers_share_is_idle(struct workers *workers, const struct share *share)
{
    pthread_mutex_lock(&workers->mutex);
    bool is_idle = share_is_idle(share);
    pthread_mutex_unlock(&workers->mutex);
    return is_idle;
}

/* Mutex held. NULL: the workers are to stop, and nothing is left. */
static struct work *workers_next(struct workers *workers)
{
    struct work *work;
    while (!(work = ready_take(&workers->list)) && !workers->is_stopping)
        pthread_cond_wait(&workers->ready, &workers->mutex);
    return work;
}

static void *worker_main(void *context)
{
    struct workers *workers = context;
    pthread_setname_np(pthread_self(), "worker");
    pthread_mutex_lock(&workers->mutex);
    for (struct work *work; (work = workers_next(workers));) {
        struct share *share = ready_share(&workers->list, work);
        pthread_mutex_unlock(&workers->mutex);
        uint64_t begun_ns = clock_ns();
        work->run(work);
        uint64_t used_ns = clock_ns() - begun_ns;
        pthread_mutex_lock(&workers->mutex);
        ready_pay(share, used_ns);
    }
    pthread_mutex_unlock(&workers->mutex);
    return NULL;
}

static unsigned workers_wanted(void)
{
    long nr_cpus = sysconf(_SC_NPROCESSORS_ONLN);
    return nr_cpus < (long)WORKERS_MIN ? WORKERS_MIN : nr_cpus > (long)WORKERS_MAX ? WORKERS_MAX : (unsigned)nr_cpus;
}

bool workers_start(struct workers *workers)
{
    unsigned wanted = workers_wanted();
    *workers = (struct workers){ 0 };
    ready_init(&workers->list);
    pthread_mutex_init(&workers->mutex, NULL);
    pthread_cond_init(&workers->ready, NULL);
    while (workers->nr_threads < wanted &&
           pthread_create(&workers->threads[workers->nr_threads], NULL, worker_main, workers) == 0)
        workers->nr_threads++;
    return workers->nr_threads == wanted;
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
