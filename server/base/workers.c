/* server/base/workers.c - see workers.h. */
#include "server/base/workers.h"
#include "server/base/clock.h"

#include <stddef.h>
#include <time.h>
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

/* Mutex held. */
static struct turn *workers_take_turn(struct workers *workers)
{
    return &workers->turns[workers->nr_turns++];
}

static void *worker_main(void *context)
{
    struct workers *workers = context;
    pthread_setname_np(pthread_self(), "worker");
    pthread_mutex_lock(&workers->mutex);
    turn_adopt(workers_take_turn(workers));
    for (struct work *work; (work = workers_next(workers));) {
        struct share *share = ready_share(&workers->list, work);
        pthread_mutex_unlock(&workers->mutex);
        uint64_t begun_ns = clock_ns();
        turn_begin();
        work->run(work);
        turn_end();
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
    unsigned wanted = workers_wanted();
    *workers = (struct workers){ 0 };
    ready_init(&workers->list);
    pthread_mutex_init(&workers->mutex, NULL);
    pthread_cond_init(&workers->ready, NULL);
    pthread_cond_init(&workers->stopping, NULL);
    for (unsigned i = 0; i < WORKERS_MAX; i++)
        turn_init(&workers->turns[i]);
    while (workers->nr_threads < wanted &&
           pthread_create(&workers->threads[workers->nr_threads], NULL, worker_main, workers) == 0)
        workers->nr_threads++;
    workers->is_watched = pthread_create(&workers->watcher, NULL, watch_main, workers) == 0;
    return workers->nr_threads == wanted && workers->is_watched;
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
