/* server/lab/lane.c - see lane.h. A lane that is given back with somebody in its queue never becomes free in between: it
 * stays taken and changes hands, so that nobody overtakes the queue. */
#include "server/lab/lane.h"

#include <stddef.h>

struct lane_waiter {
    struct lane_entry entry; /* first member */
    pthread_cond_t granted;
    bool is_granted; /* the lane's mutex */
};

static void lane_push(struct lane *lane, struct lane_entry *entry)
{
    entry->next = NULL;
    *lane->last = entry;
    lane->last = &entry->next;
}

static struct lane_entry *lane_pop(struct lane *lane)
{
    struct lane_entry *entry = lane->first;
    lane->first = entry->next;
    if (!lane->first)
        lane->last = &lane->first;
    return entry;
}

static void lane_run(struct work *work)
{
    struct lane *lane = (struct lane *)(void *)((char *)work - offsetof(struct lane, work));
    pthread_mutex_lock(&lane->mutex);
    struct lane_entry *job = lane_pop(lane);
    pthread_mutex_unlock(&lane->mutex);
    job->run(job);
}

void lane_init(struct lane *lane, struct workers *workers)
{
    *lane = (struct lane){ .last = &lane->first, .workers = workers, .work = { .run = lane_run } };
    pthread_mutex_init(&lane->mutex, NULL);
}

void lane_destroy(struct lane *lane)
{
    pthread_mutex_destroy(&lane->mutex);
}

bool lane_try(struct lane *lane)
{
    pthread_mutex_lock(&lane->mutex);
    bool is_free = !lane->is_taken;
    lane->is_taken = true;
    pthread_mutex_unlock(&lane->mutex);
    return is_free;
}

void lane_take(struct lane *lane)
{
    pthread_mutex_lock(&lane->mutex);
    if (lane->is_taken) {
        struct lane_waiter waiter = { .granted = PTHREAD_COND_INITIALIZER };
        lane_push(lane, &waiter.entry);
        while (!waiter.is_granted)
            pthread_cond_wait(&waiter.granted, &lane->mutex);
        pthread_cond_destroy(&waiter.granted);
    }
    lane->is_taken = true;
    pthread_mutex_unlock(&lane->mutex);
}

void lane_post(struct lane *lane, struct lane_entry *job)
{
    pthread_mutex_lock(&lane->mutex);
    bool was_free = !lane->is_taken;
    lane->is_taken = true;
    lane_push(lane, job);
    pthread_mutex_unlock(&lane->mutex);
    if (was_free)
        workers_submit(lane->workers, &lane->work);
}

void lane_release(struct lane *lane)
{
    pthread_mutex_lock(&lane->mutex);
    bool has_job = lane->first && lane->first->run;
    if (!lane->first) {
        lane->is_taken = false;
    } else if (!has_job) {
        struct lane_waiter *waiter = (struct lane_waiter *)lane_pop(lane);
        waiter->is_granted = true;
        pthread_cond_signal(&waiter->granted);
    }
    pthread_mutex_unlock(&lane->mutex);
    if (has_job)
        workers_submit(lane->workers, &lane->work);
}
