/* server/lab/room.c - who waits until labs that are in use make room. Whoever waits is let go on, in the order in which
 * they came, as soon as a lab may be put to sleep. Each then tries again, and may come back. The clock lets them go on,
 * too. */
#include "server/base/clock.h"
#include "server/base/host_memory.h"
#include "server/lab/lab_internal.h"

#define ROOM_WAIT_NS UINT64_C(5000000000)

/* Whoever does not get what he wants while the others have less than half of the budget will not get it later, either. */
bool labs_may_wait_for_room(const struct labs *labs, const struct room_waiter *waiter)
{
    bool are_others_why = host_memory_committed() > labs->limits.memory_budget / 2;
    return are_others_why && !atomic_load(&labs->are_stopping) && (!waiter->until_ns || clock_ns() < waiter->until_ns);
}

/* Takes all who wait. Registry mutex held. */
static struct room_waiter *room_take_waiters(struct labs *labs)
{
    struct room_waiter *first = labs->waiting_first;
    labs->waiting_first = labs->waiting_last = NULL;
    atomic_store(&labs->nr_waiting, 0);
    return first;
}

static void room_let_go_on(struct room_waiter *waiter)
{
    for (struct room_waiter *next; waiter; waiter = next) {
        next = waiter->next;
        waiter->go_on(waiter); /* it may be gone now */
    }
}

bool labs_wait_for_room(struct labs *labs, struct room_waiter *waiter)
{
    struct room_waiter *all = NULL;
    if (!labs_may_wait_for_room(labs, waiter))
        return false;
    waiter->until_ns = waiter->until_ns ? waiter->until_ns : clock_ns() + ROOM_WAIT_NS;
    waiter->next = NULL;
    pthread_mutex_lock(&labs->mutex);
    *(labs->waiting_last ? &labs->waiting_last->next : &labs->waiting_first) = waiter;
    labs->waiting_last = waiter;
    atomic_fetch_add(&labs->nr_waiting, 1);
    if (atomic_load(&labs->are_stopping) || registry_has_sleepy(labs)) /* it came between the refusal and now */
        all = room_take_waiters(labs);
    pthread_mutex_unlock(&labs->mutex);
    room_let_go_on(all);
    return true;
}

void labs_offer_room(struct labs *labs)
{
    if (!atomic_load(&labs->nr_waiting))
        return;
    pthread_mutex_lock(&labs->mutex);
    struct room_waiter *all = room_take_waiters(labs);
    pthread_mutex_unlock(&labs->mutex);
    room_let_go_on(all);
}
