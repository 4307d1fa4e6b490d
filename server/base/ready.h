/* server/base/ready.h - what is ready to be done, shared out among those whom it is done for.
 *
 * Each of them has a share: a list of work, first come, first served. Shares that have work take turns by deficit round
 * robin: whose turn it is may use READY_QUANTUM_NS, as measured, and goes behind the others. Who used more pays with turns.
 * So who brings a hundred pieces of work does not delay who brings one. A share some of whose work is slow (workers.h) is
 * held, when that is as much as one may have, until some of it has ended. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#define TURN_NS UINT64_C(5000000) /* 5 ms: work that takes longer is cut there */
#define READY_QUANTUM_NS ((int64_t)TURN_NS)
#define READY_SLOW_MAX 8u         /* slow work of one share at a time */
#define READY_DEBT_NS 250000000LL /* the most that is remembered of one piece of work that took long */

struct share;

struct work {
    struct work *next;
    struct share *share; /* NULL: the house's own */
    void (*run)(struct work *work);
};

/* Zeroed at first. Its owner may end it when share_is_idle(). */
struct share {
    struct share *next; /* guarded, as what follows, by who owns the list */
    struct work *first, **last;
    int64_t credit_ns;
    uint32_t nr_running; /* taken and not yet paid for */
    uint32_t nr_slow;    /* of these */
    bool is_listed;
};

struct ready {
    struct share *first, **last; /* shares with work; the first has the turn */
    struct share house;
};

void ready_init(struct ready *ready);
/* work stays the caller's until it runs. */
void ready_put(struct ready *ready, struct work *work);
/* NULL: there is nothing to do. Else ready_pay() with its share follows. */
struct work *ready_take(struct ready *ready);
/* The work that was taken for this share has taken so long. */
void ready_pay(struct share *share, uint64_t used_ns);
/* Work that was taken for the share turns out to be slow; has ended, before ready_pay(). */
void ready_begin_slow(struct ready *ready, struct share *share);
void ready_end_slow(struct ready *ready, struct share *share);
struct share *ready_share(struct ready *ready, const struct work *work);
bool ready_has_work(const struct ready *ready); /* that is not held */
bool share_is_idle(const struct share *share);  /* nothing waits or runs */
