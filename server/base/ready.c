/* server/base/ready.c - see ready.h. */
#include "server/base/ready.h"

#include <stddef.h>

void ready_init(struct ready *ready)
{
    *ready = (struct ready){ .last = &ready->first };
}

struct share *ready_share(struct ready *ready, const struct work *work)
{
    return work->share ? work->share : &ready->house;
}

static void ready_list_share(struct ready *ready, struct share *share)
{
    share->next = NULL;
    *ready->last = share;
    ready->last = &share->next;
    share->is_listed = true;
}

static void ready_unlist_first(struct ready *ready)
{
    struct share *share = ready->first;
    ready->first = share->next;
    if (!ready->first)
        ready->last = &ready->first;
    share->is_listed = false;
}

static void ready_unlist(struct ready *ready, struct share *share)
{
    struct share **at = &ready->first;
    while (*at != share)
        at = &(*at)->next;
    *at = share->next;
    if (!share->next)
        ready->last = at;
    share->is_listed = false;
}

/* The house's own work is never held: it is of nobody who could bring too much. */
static bool ready_is_held(const struct ready *ready, const struct share *share)
{
    return share != &ready->house && share->nr_slow >= READY_SLOW_MAX;
}

void ready_put(struct ready *ready, struct work *work)
{
    struct share *share = ready_share(ready, work);
    work->next = NULL;
    if (!share->first)
        share->last = &share->first;
    *share->last = work;
    share->last = &work->next;
    if (!share->is_listed && !ready_is_held(ready, share))
        ready_list_share(ready, share);
}

void ready_begin_slow(struct ready *ready, struct share *share)
{
    share->nr_slow++;
    if (share->is_listed && ready_is_held(ready, share))
        ready_unlist(ready, share);
}

void ready_end_slow(struct ready *ready, struct share *share)
{
    share->nr_slow--;
    if (share->first && !share->is_listed && !ready_is_held(ready, share))
        ready_list_share(ready, share);
}

/* The next share that has credit. Each one that is passed over gets its quantum for the next round. */
static struct share *ready_next_share(struct ready *ready)
{
    for (struct share *share; (share = ready->first) && share->credit_ns <= 0;) {
        share->credit_ns += READY_QUANTUM_NS;
        ready_unlist_first(ready);
        ready_list_share(ready, share);
    }
    return ready->first;
}

struct work *ready_take(struct ready *ready)
{
    struct share *share = ready_next_share(ready);
    if (!share)
        return NULL;
    struct work *work = share->first;
    share->first = work->next;
    share->nr_running++;
    if (!share->first) { /* what it has not used is not saved up */
        ready_unlist_first(ready);
        share->credit_ns = 0;
    }
    return work;
}

void ready_pay(struct share *share, uint64_t used_ns)
{
    share->nr_running--;
    share->credit_ns -= used_ns < READY_DEBT_NS ? (int64_t)used_ns : READY_DEBT_NS;
    if (share->credit_ns < -READY_DEBT_NS)
        share->credit_ns = -READY_DEBT_NS;
}

bool ready_has_work(const struct ready *ready)
{
    return ready->first;
}

bool share_is_idle(const struct share *share)
{
    return !share->is_listed && !share->nr_running;
}
