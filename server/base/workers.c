/* server/base/workers.c - see workers.h. A thread is never joined: it is counted, and it counts down when it ends. */
#include "server/base/workers.h"
#include "server/base/clock.h"

#include <stddef.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#define SLOW_NS UINT64_C(20000000) /* four turns: shorter ones are not worth a thread */
#define SLOW_NICE 10               /* a tenth of the CPU beside one who works with the usual priority */
#define LOOK_NS 10000000           /* between two looks of the watcher while work waits */
#define LOOK_IDLE_S 1              /* and else */

/* Mutex held. Nobody is free, so somebody's turn is perhaps slow. */
static void workers_alarm(struct workers *workers)
{
    if (workers->nr_waiting || workers->is_tense)
        return;
    workers->is_tense = true;
    pthread_cond_signal(&workers->watched);
}

void workers_submit(struct workers *workers, struct work *work)
{
    pthread_mutex_lock(&workers->mutex);
    ready_put(&workers->list, work);
    workers_alarm(workers);
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

/* ---- a worker ---- */

/* Mutex held. NULL: the workers are to stop, and nothing is left. */
static struct work *workers_next(struct workers *workers)
{
    struct work *work;
    while (!(work = ready_take(&workers->list)) && !workers->is_stopping) {
        workers->nr_waiting++;
        pthread_cond_wait(&workers->ready, &workers->mutex);
        workers->nr_waiting--;
    }
    return work;
}

/* Mutex held. Its place is taken; but when the workers stop everybody helps with what is left. */
static void worker_end_slow(struct worker *worker, struct share *share)
{
    struct workers *workers = worker->all;
    ready_end_slow(&workers->list, share);
    pthread_cond_signal(&workers->ready);
    if (!workers->is_stopping)
        return;
    worker->is_slow = false;
    workers->nr_slow--;
    workers->nr_serving++;
}

/* Mutex held, but not while the work is done. */
static void worker_do(struct worker *worker, struct work *work)
{
    struct workers *workers = worker->all;
    struct share *share = ready_share(&workers->list, work);
    worker->share = share;
    pthread_mutex_unlock(&workers->mutex);
    uint64_t begun_ns = clock_ns();
    turn_begin();
    work->run(work);
    turn_end();
    uint64_t used_ns = clock_ns() - begun_ns;
    pthread_mutex_lock(&workers->mutex);
    worker->share = NULL;
    if (worker->is_slow)
        worker_end_slow(worker, share);
    ready_pay(share, used_ns);
}

/* Mutex held. */
static void worker_end(struct worker *worker)
{
    struct workers *workers = worker->all;
    *(worker->is_slow ? &workers->nr_slow : &workers->nr_serving) -= 1;
    worker->is_there = false;
    pthread_cond_signal(&workers->ended);
}

static void *worker_main(void *context)
{
    struct worker *worker = context;
    struct workers *workers = worker->all;
    pthread_setname_np(pthread_self(), "worker");
    pthread_mutex_lock(&workers->mutex);
    turn_adopt(&worker->turn);
    worker->tid = gettid();
    for (struct work *work; !worker->is_slow && (work = workers_next(workers));)
        worker_do(worker, work);
    worker_end(worker);
    pthread_mutex_unlock(&workers->mutex);
    return NULL;
}

/* Mutex held. False: the host refuses a thread. */
static bool workers_add(struct workers *workers)
{
    struct worker *worker = workers->places;
    pthread_t thread;
    while (worker->is_there)
        worker++;
    worker->all = workers;
    worker->is_slow = false;
    worker->tid = 0;
    if (pthread_create(&thread, NULL, worker_main, worker) != 0)
        return false;
    pthread_detach(thread);
    worker->is_there = true;
    workers->nr_serving++;
    return true;
}

static unsigned workers_wanted(void)
{
    long nr_cpus = sysconf(_SC_NPROCESSORS_ONLN);
    return nr_cpus < (long)WORKERS_MIN ? WORKERS_MIN : nr_cpus > (long)WORKERS_MAX ? WORKERS_MAX : (unsigned)nr_cpus;
}

/* ---- the watcher ---- */

/* Mutex held. */
static bool worker_is_slow(const struct worker *worker)
{
    return worker->is_there && !worker->is_slow && worker->share && turn_age_ns(&worker->turn) > SLOW_NS;
}

/* Mutex held. Somebody else takes its place. Nothing is lost if the host refuses the lower priority. */
static void worker_make_slow(struct worker *worker)
{
    struct workers *workers = worker->all;
    if (!workers_add(workers))
        return;
    worker->is_slow = true;
    workers->nr_serving--;
    workers->nr_slow++;
    ready_begin_slow(&workers->list, worker->share);
    setpriority(PRIO_PROCESS, (id_t)worker->tid, getpriority(PRIO_PROCESS, 0) + SLOW_NICE);
}

/* Mutex held. */
static void workers_relieve(struct workers *workers)
{
    workers->is_tense = ready_has_work(&workers->list);
    for (unsigned i = 0; workers->is_tense && i < WORKERS_PLACES && workers->nr_slow < WORKERS_SLOW_MAX; i++)
        if (worker_is_slow(&workers->places[i]))
            worker_make_slow(&workers->places[i]);
}

/* Mutex held. */
static void watch_wait(struct workers *workers)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_nsec += workers->is_tense ? LOOK_NS : 0;
    until.tv_sec += (workers->is_tense ? 0 : LOOK_IDLE_S) + until.tv_nsec / 1000000000;
    until.tv_nsec %= 1000000000;
    pthread_cond_timedwait(&workers->watched, &workers->mutex, &until);
}

/* False: the workers stop. */
static bool watch_look(struct workers *workers)
{
    pthread_mutex_lock(&workers->mutex);
    if (!workers->is_stopping)
        watch_wait(workers);
    workers_relieve(workers);
    bool goes_on = !workers->is_stopping;
    pthread_mutex_unlock(&workers->mutex);
    return goes_on;
}

static void *watch_main(void *context)
{
    struct workers *workers = context;
    pthread_setname_np(pthread_self(), "watcher");
    while (watch_look(workers))
        for (unsigned i = 0; i < WORKERS_PLACES; i++)
            turn_report_if_long(&workers->places[i].turn);
    return NULL;
}

bool workers_are_stuck(struct workers *workers)
{
    pthread_mutex_lock(&workers->mutex);
    bool are_stuck = workers->nr_serving && workers->nr_slow == WORKERS_SLOW_MAX;
    for (unsigned i = 0; i < WORKERS_PLACES; i++)
        are_stuck = are_stuck && (!workers->places[i].is_there || turn_is_long(&workers->places[i].turn));
    pthread_mutex_unlock(&workers->mutex);
    return are_stuck;
}

/* ---- start and stop ---- */

static void workers_init(struct workers *workers)
{
    pthread_condattr_t monotonic;
    *workers = (struct workers){ 0 };
    ready_init(&workers->list);
    pthread_mutex_init(&workers->mutex, NULL);
    pthread_cond_init(&workers->ready, NULL);
    pthread_cond_init(&workers->ended, NULL);
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&workers->watched, &monotonic);
    pthread_condattr_destroy(&monotonic);
    for (unsigned i = 0; i < WORKERS_PLACES; i++)
        turn_init(&workers->places[i].turn);
}

bool workers_start(struct workers *workers)
{
    unsigned wanted = workers_wanted();
    workers_init(workers);
    pthread_mutex_lock(&workers->mutex);
    while (workers->nr_serving < wanted && workers_add(workers))
        ;
    bool are_there = workers->nr_serving == wanted;
    pthread_mutex_unlock(&workers->mutex);
    workers->is_watched = pthread_create(&workers->watcher, NULL, watch_main, workers) == 0;
    return are_there && workers->is_watched;
}

void workers_stop(struct workers *workers)
{
    pthread_mutex_lock(&workers->mutex);
    workers->is_stopping = true;
    pthread_cond_broadcast(&workers->ready);
    pthread_cond_broadcast(&workers->watched);
    while (workers->nr_serving || workers->nr_slow)
        pthread_cond_wait(&workers->ended, &workers->mutex);
    pthread_mutex_unlock(&workers->mutex);
    if (workers->is_watched)
        pthread_join(workers->watcher, NULL);
    pthread_cond_destroy(&workers->ready);
    pthread_cond_destroy(&workers->ended);
    pthread_cond_destroy(&workers->watched);
    pthread_mutex_destroy(&workers->mutex);
}
