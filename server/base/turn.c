/* server/base/turn.c - see turn.h. */
#include "server/base/turn.h"
#include "server/base/clock.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LIMIT_NS UINT64_C(10000000000)

static _Thread_local struct turn own = { .mutex = PTHREAD_MUTEX_INITIALIZER };
static _Thread_local struct turn *mine;

static struct turn *turn_here(void)
{
    return mine ? mine : &own;
}

void turn_init(struct turn *turn)
{
    *turn = (struct turn){ .mutex = PTHREAD_MUTEX_INITIALIZER };
}

void turn_adopt(struct turn *turn)
{
    mine = turn;
}

void turn_begin(void)
{
    struct turn *turn = turn_here();
    turn_is_for("");
    atomic_store_explicit(&turn->operation, NULL, memory_order_relaxed);
    atomic_store_explicit(&turn->begun_ns, clock_ns(), memory_order_relaxed);
}

void turn_end(void)
{
    atomic_store_explicit(&turn_here()->begun_ns, 0, memory_order_relaxed);
}

void turn_is_for(const char *lab)
{
    struct turn *turn = turn_here();
    if (strcmp(turn->lab, lab) == 0) /* nobody else writes there */
        return;
    pthread_mutex_lock(&turn->mutex);
    snprintf(turn->lab, sizeof turn->lab, "%s", lab);
    pthread_mutex_unlock(&turn->mutex);
}

void turn_does(const char *operation)
{
    atomic_store_explicit(&turn_here()->operation, operation, memory_order_relaxed);
}

const char *turn_lab(void)
{
    return turn_here()->lab;
}

const char *turn_operation(void)
{
    return atomic_load_explicit(&turn_here()->operation, memory_order_relaxed);
}

/* Tests of checked builds need not wait so long. */
static uint64_t turn_limit_ns(void)
{
#ifdef PAGODA_CHECKED
    const char *limit_ms = getenv("PAGODA_TURN_LIMIT_MS");
    return limit_ms ? strtoull(limit_ms, NULL, 10) * 1000000u : LIMIT_NS;
#else
    return LIMIT_NS;
#endif
}

uint64_t turn_age_ns(const struct turn *turn)
{
    uint64_t begun_ns = atomic_load_explicit(&turn->begun_ns, memory_order_relaxed);
    return begun_ns ? clock_ns() - begun_ns : 0;
}

bool turn_is_long(const struct turn *turn)
{
    return turn_age_ns(turn) > turn_limit_ns();
}

void turn_report_if_long(struct turn *turn)
{
    uint64_t begun_ns = atomic_load_explicit(&turn->begun_ns, memory_order_relaxed);
    char lab[TURN_LAB_MAX];
    if (!turn_is_long(turn) || turn->reported_ns == begun_ns)
        return;
    turn->reported_ns = begun_ns;
    pthread_mutex_lock(&turn->mutex);
    snprintf(lab, sizeof lab, "%s", turn->lab);
    pthread_mutex_unlock(&turn->mutex);
    const char *operation = atomic_load_explicit(&turn->operation, memory_order_relaxed);
    fprintf(stderr, "pagodad: lab %s: a turn does not end: %s, since %.1f s\n", lab[0] ? lab : "-",
            operation ? operation : "no operation", (double)(clock_ns() - begun_ns) / 1e9);
}
