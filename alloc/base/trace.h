/* alloc/base/trace.h - what the running operation leaves behind: events, path, costs, the kernel's message. Stands on:
 * text.
 *
 * trace_start() clears it when an operation starts. Inside a run of heap operations trace_restart() clears only what the
 * next operation's outcome depends on. Without recording, events and path cost one predictable branch each. Costs are
 * always counted, because they advance the clock, which is state. The buffers are fixed. Events beyond TRACE_EVENTS_MAX are
 * counted and dropped. Path steps beyond RESULT_PATH_MAX are dropped. A longer message is cut. */
#pragma once
#include "alloc/base/text.h"
#include "pagoda/event.h"
#include "pagoda/machine.h"
#include <stddef.h>

#define COST_BATCH 4u /* so many counts are cleared and copied at a time; for all at once compilers call a function */
#define TRACE_EVENTS_MAX 4096u
#define MESSAGE_MAX 8192u

struct trace {
    bool recording;
    uint8_t cpu; /* runs the operation */
    enum outcome outcome;
    uint32_t seq;                         /* low 32 bits of the operation's number, for frame.born and records */
    uint32_t cost_each_ns[NR_COST_STEPS]; /* wired: what a step takes in this lab */
    uint32_t cost_count[(NR_COST_STEPS + COST_BATCH - 1) / COST_BATCH * COST_BATCH];
    uint64_t cost_ns; /* sum of cost_count * cost_each_ns, without slept time */
    uint32_t nr_tlb_hits, nr_tlb_misses, nr_tlb_flushes;
    uint64_t slept_ns;
    uint64_t now_ns; /* simulated time at which the operation began */
    uint32_t pid;    /* the process that runs it; 0: a kernel task */
    uint32_t nr_reclaimed, nr_victims;
    struct reclaim_share victims[RESULT_VICTIMS_MAX];
    uint32_t nr_path, nr_events, nr_dropped;
    uint8_t path[RESULT_PATH_MAX];
    uint32_t message_length;
    char message[MESSAGE_MAX];
    struct event events[TRACE_EVENTS_MAX];
};

/* cost_each_ns: the lab's prices, which outlive the trace. */
void trace_wire(struct trace *trace, const uint32_t cost_each_ns[NR_COST_STEPS]);
/* An operation begins: what the one before has left is forgotten. seq: its number; 0: at boot. */
void trace_start(struct trace *trace, uint32_t seq, uint32_t cpu);
/* The parts of TRACE_EVENT() and trace_step() that do the work, while recording. */
void trace_event_slow(struct trace *trace, const struct event *event);
void trace_step_slow(struct trace *trace, enum path_step step);

/* TRACE_EVENT(trace, .kind = EV_SPLIT, .pfn = pfn, .order = order). Without recording the arguments are not evaluated. */
#define TRACE_EVENT(trace_, ...)                                                                                           \
    do {                                                                                                                   \
        if ((trace_)->recording)                                                                                           \
            trace_event_slow((trace_), &(const struct event){ __VA_ARGS__ });                                              \
    } while (0)

/* Notes that the operation went through a function. A function is noted once, at its first call. */
static inline void trace_step(struct trace *trace, enum path_step step)
{
    if (trace->recording)
        trace_step_slow(trace, step);
}
static inline void trace_cost(struct trace *trace, enum cost_step step, uint32_t count)
{
    trace->cost_count[step] += count;
    trace->cost_ns += (uint64_t)count * trace->cost_each_ns[step];
}

/* The next operation of a run starts on the same CPU. It has no result, so the counts of steps go on. */
static inline void trace_restart(struct trace *trace, uint32_t seq, uint64_t now_ns)
{
    trace->outcome = OUTCOME_OK;
    trace->seq = seq;
    trace->cost_ns = trace->slept_ns = 0;
    trace->now_ns = now_ns;
    trace->message_length = 0;
    trace_cost(trace, COST_CALL, 1);
}

/* Simulated time inside the operation. */
static inline uint64_t trace_time(const struct trace *trace)
{
    return trace->now_ns + trace->cost_ns + trace->slept_ns;
}
/* Direct reclaim took nr pages from a process. */
void trace_reclaimed(struct trace *trace, uint32_t pid, uint32_t nr);

/* Adds to the operation's message. What is beyond MESSAGE_MAX is cut.
 * format  as for text_add(): a subset of printf's. */
void trace_print(struct trace *trace, const char *format, ...) TEXT_FORMAT(2, 3);
void trace_print_v(struct trace *trace, const char *format, va_list args) TEXT_FORMAT(2, 0);
/* Ends the message's last line, if that has text. */
void trace_end_line(struct trace *trace);
/* Makes the operation's outcome a bug, and adds to the message. */
void trace_bug(struct trace *trace, const char *format, ...) TEXT_FORMAT(2, 3);
