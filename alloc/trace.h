/* alloc/trace.h - what the running operation leaves behind: events, decisions, path, costs, the kernel's message.
 *
 * Cleared when an operation starts. With recording off, events and path cost one predictable branch each; costs are always
 * counted, because they advance the clock, which is state. */
#pragma once
#include "pagoda/event.h"
#include "pagoda/machine.h"
#include <stddef.h>

#define TRACE_EVENTS_MAX 4096u
#define MESSAGE_MAX 4096u

struct trace {
    bool recording;
    uint8_t cpu; /* that runs the operation */
    enum outcome outcome;
    uint32_t seq; /* low 32 bits of the operation's number, for frame.born and records */
    uint32_t cost_count[NR_COST_STEPS];
    uint64_t cost_ns; /* sum of count * cost_each_ns(); slept time is not in it */
    uint64_t slept_ns;
    uint32_t nr_reclaimed;
    uint32_t nr_path, nr_events, nr_dropped;
    uint8_t path[RESULT_PATH_MAX];
    uint32_t message_length;
    char message[MESSAGE_MAX];
    struct event events[TRACE_EVENTS_MAX];
};

void trace_start(struct trace *trace, uint32_t seq, uint32_t cpu);
void trace_event_slow(struct trace *trace, const struct event *event);
void trace_step_slow(struct trace *trace, enum path_step step);

/* TRACE_EVENT(trace, .kind = EV_SPLIT, .pfn = pfn, .order = order): nothing is evaluated when recording is off. */
#define TRACE_EVENT(trace_, ...)                                              \
    do {                                                                      \
        if ((trace_)->recording)                                              \
            trace_event_slow((trace_), &(const struct event){ __VA_ARGS__ }); \
    } while (0)

/* Notes that the operation went through a function; the same function twice in a row, or already on the path, is noted once. */
static inline void trace_step(struct trace *trace, enum path_step step)
{
    if (trace->recording)
        trace_step_slow(trace, step);
}
/* What one step costs: known where the step is, so that adding it up is one multiplication by a constant. */
static inline uint32_t cost_each_ns(enum cost_step step)
{
    static const uint32_t EACH_NS[NR_COST_STEPS] = {
#define X(id, name, ns, source) ns,
        COST_MAP(X)
#undef X
    };
    return EACH_NS[step];
}
static inline void trace_cost(struct trace *trace, enum cost_step step, uint32_t count)
{
    trace->cost_count[step] += count;
    trace->cost_ns += (uint64_t)count * cost_each_ns(step);
}

/* The message is put together from parts, because the engine has no printf. It is cut at MESSAGE_MAX. */
void trace_say(struct trace *trace, const char *text);
void trace_say_number(struct trace *trace, uint64_t number);
void trace_say_hex(struct trace *trace, uint64_t number); /* without 0x */
/* Ends the operation as a bug: sets the outcome and says text. Floors call it before they change anything. */
void trace_bug(struct trace *trace, const char *text);
