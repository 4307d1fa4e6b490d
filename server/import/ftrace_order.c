/* server/import/ftrace_order.c - see ftrace_order.h. The queue holds numbers of slots, so that an event is moved to its
 * place without being copied. Nearly always that place is the end. */
#include "server/import/ftrace_order.h"

#include <string.h>

#define RING (ORDER_WINDOW + 1)

static uint16_t *order_at(struct ftrace_order *order, uint32_t place)
{
    return &order->queue[(order->first + place) & (RING - 1)];
}

void ftrace_order_start(struct ftrace_order *order)
{
    memset(order, 0, sizeof *order);
    for (uint32_t i = 0; i < RING; i++)
        order->queue[i] = (uint16_t)i;
}

struct ftrace_event *ftrace_order_next(struct ftrace_order *order)
{
    return &order->slots[*order_at(order, order->nr)];
}

bool ftrace_order_is_restart(const struct ftrace_order *order, const struct ftrace_event *event)
{
    return event->time && event->time < order->times[event->cpu % ORDER_CPUS];
}

void ftrace_order_restart(struct ftrace_order *order)
{
    order->newest = order->left = 0;
    memset(order->times, 0, sizeof order->times);
}

bool ftrace_order_enter(struct ftrace_order *order)
{
    uint32_t place = order->nr++;
    uint16_t slot = *order_at(order, place);
    struct ftrace_event *event = &order->slots[slot];
    if (!event->time)
        event->time = order->newest; /* not printed: it happened where it stands */
    else
        order->times[event->cpu % ORDER_CPUS] = event->time;
    if (event->time >= order->newest) {
        order->newest = event->time;
        return true;
    }
    for (; place && order->slots[*order_at(order, place - 1)].time > event->time; place--)
        *order_at(order, place) = *order_at(order, place - 1);
    *order_at(order, place) = slot;
    return event->time >= order->left;
}

bool ftrace_order_is_full(const struct ftrace_order *order)
{
    return order->nr == ORDER_WINDOW;
}

struct ftrace_event *ftrace_order_leave(struct ftrace_order *order)
{
    if (!order->nr)
        return NULL;
    struct ftrace_event *event = &order->slots[*order_at(order, 0)];
    order->first = (order->first + 1) & (RING - 1);
    order->nr--;
    if (event->time > order->left)
        order->left = event->time;
    return event;
}
