/* server/lab/lane.c - see lane.h. A lane that is given back with somebody in its queue never becomes free in between: it
 * stays taken and changes hands, so that nobody overtakes the queue. */
#include "server/lab/lane.h"

#include <stddef.h>

struct lane_waiter {
    struct lane_entry entry; /* first member */
    pthread_cond_t granted;
    bool is_granted; /* the lane's mutex */
};

static void lane_append(struct lane *lane, struct lane_entry *first)
{
    first->next_client = NULL;
    *lane->last = first;
    lane->last = &first->next_client;
}

/* Behind what the same client has in the queue. As many are looked at as there are clients who wait for this one lane. */
static void lane_push(struct lane *lane, struct lane_entry *entry)
{
    struct lane_entry *first = lane->first;
    while (first && first->share != entry->share)
        first = first->next_client;
    entry->next = NULL;
    if (first) {
        first->last->next = entry;
        first->last = entry;
    } else {
        entry->last = entry;
        lane_append(lane, entry);
    }
}

/* The first entry of the client whose turn it is, who goes behind the others. */
static struct lane_entry *lane_pop(struct lane *lane)
{
    struct lane_entry *entry = lane->first, *next = entry->next;
    lane->first = entry->next_client;
    if (!lane->first)
        lane->last = &lane->first;
    if (next) {
        next->last = entry->last;
        lane_append(lane, next);
    }
    return entry;
}

static void lane_run(struct work *work)
{
    struct lane *lane = (struct lane *)(void *)((char *)work - offsetof(struct lane, work));
    pthread_mutex_lock(&lane->mutex);
    struct lane_entry *job = lane->kept ? lane->kept : lane_pop(lane);
    lane->kept = NULL;
    pthread_mutex_unlock(&lane->mutex);
    job->run(job);
}

/* Lane mutex held, or nobody else has the lane. */
static void lane_submit(struct lane *lane, const struct lane_entry *job)
{
    lane->work.share = job->share;
    workers_submit(lane->workers, &lane->work);
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
    if (was_free)
        lane_submit(lane, job);
    pthread_mutex_unlock(&lane->mutex);
}

void lane_keep(struct lane *lane, struct lane_entry *job)
{
    pthread_mutex_lock(&lane->mutex);
    lane->kept = job;
    pthread_mutex_unlock(&lane->mutex);
}

void lane_go_on(struct lane *lane)
{
    pthread_mutex_lock(&lane->mutex);
    lane_submit(lane, lane->kept);
    pthread_mutex_unlock(&lane->mutex);
}

void lane_release(struct lane *lane)
{
    pthread_mutex_lock(&lane->mutex);
    if (!lane->first) {
        lane->is_taken = false;
    } else if (lane->first->run) {
        lane_submit(lane, lane->first);
    } else {
        struct lane_waiter *waiter = (struct lane_waiter *)lane_pop(lane);
        waiter->is_granted = true;
        pthread_cond_signal(&waiter->granted);
    }
    pthread_mutex_unlock(&lane->mutex);
}
