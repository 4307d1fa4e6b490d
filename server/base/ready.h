/* server/base/ready.h - what is ready to be done, shared out among those whom it is done for.
 *
 * Each of them has a share: a list of work, first come, first served. Shares that have work take turns by deficit round
 * robin: whose turn it is may use READY_QUANTUM_NS, as measured, and goes behind the others. Who used more pays with turns.
 * So who brings a hundred pieces of work does not delay who brings one. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#define TURN_NS UINT64_C(5000000) /* 5 ms: work that takes longer is cut there */
#define READY_QUANTUM_NS ((int64_t)TURN_NS)
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
struct share *ready_share(struct ready *ready, const struct work *work);
bool share_is_idle(const struct share *share); /* nothing waits or runs */
