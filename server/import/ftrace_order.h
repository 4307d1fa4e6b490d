/* server/import/ftrace_order.h - events of several CPUs put back into the order of their times.
 *
 * trace_pipe and files joined by hand give the CPUs' events in runs, one CPU after the other. So a window of events is held
 * back, and the oldest of it leaves first; what is out of order by no more than the window comes out as it happened. One
 * CPU's own events are always in order: when its time goes back, another recording begins, and the window must be emptied
 * before that one enters (ftrace_order_is_restart). */
#pragma once
#include "server/import/ftrace_line.h"

#define ORDER_WINDOW 511u /* and one: a power of two */
#define ORDER_CPUS 1024u

struct ftrace_order {
    struct ftrace_event slots[ORDER_WINDOW + 1]; /* one of them is being filled, or looked at */
    uint16_t queue[ORDER_WINDOW + 1];            /* slots from the oldest on, as a ring; behind them the free one */
    uint32_t first, nr;
    uint64_t newest;            /* of those that entered */
    uint64_t left;              /* the newest of those that have left */
    uint64_t times[ORDER_CPUS]; /* newest of each CPU */
};

void ftrace_order_start(struct ftrace_order *order);
/* The event to fill; there is room for it unless the window is full. */
struct ftrace_event *ftrace_order_next(struct ftrace_order *order);
bool ftrace_order_is_restart(const struct ftrace_order *order, const struct ftrace_event *event);
void ftrace_order_restart(struct ftrace_order *order); /* forgets times; the window must be empty */
/* What ftrace_order_next() gave, filled, enters. False: events that happened after it have left already. */
bool ftrace_order_enter(struct ftrace_order *order);
bool ftrace_order_is_full(const struct ftrace_order *order);
/* The oldest; NULL: there is none. Borrowed until the next call but one. */
struct ftrace_event *ftrace_order_leave(struct ftrace_order *order);
