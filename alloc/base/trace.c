/* The record of one operation, in fixed buffers. */
#include "alloc/base/trace.h"

#include <string.h>

void trace_wire(struct trace *trace, const uint32_t cost_each_ns[NR_COST_STEPS])
{
    memcpy(trace->cost_each_ns, cost_each_ns, sizeof trace->cost_each_ns);
}

void trace_start(struct trace *trace, uint32_t seq, uint32_t cpu)
{
    trace->cpu = (uint8_t)cpu;
    trace->outcome = OUTCOME_OK;
    trace->seq = seq;
    for (uint32_t i = 0; i < NR_COST_STEPS; i += COST_BATCH)
        memset(trace->cost_count + i, 0, COST_BATCH * sizeof trace->cost_count[0]);
    trace->cost_ns = 0;
    trace->slept_ns = 0;
    trace->pid = 0;
    trace->nr_reclaimed = trace->nr_victims = 0;
    trace->nr_tlb_hits = trace->nr_tlb_misses = trace->nr_tlb_flushes = 0;
    trace->nr_path = trace->nr_events = trace->nr_dropped = 0;
    trace->message_length = 0;
    trace->message[0] = '\0';
    trace_cost(trace, COST_CALL, 1);
}

void trace_event_slow(struct trace *trace, const struct event *event)
{
    if (trace->nr_events < TRACE_EVENTS_MAX)
        trace->events[trace->nr_events++] = *event;
    else
        trace->nr_dropped++;
}

void trace_step_slow(struct trace *trace, enum path_step step)
{
    if (memchr(trace->path, (int)step, trace->nr_path) || trace->nr_path == RESULT_PATH_MAX)
        return;
    trace->path[trace->nr_path++] = (uint8_t)step;
}

void trace_reclaimed(struct trace *trace, uint32_t pid, uint32_t nr)
{
    uint32_t i = 0;
    while (i < trace->nr_victims && trace->victims[i].pid != pid)
        i++;
    if (i == RESULT_VICTIMS_MAX)
        i--;
    else if (i == trace->nr_victims)
        trace->victims[trace->nr_victims++] = (struct reclaim_share){ .pid = pid };
    trace->victims[i].pages += nr;
    trace->nr_reclaimed += nr;
}

void trace_print_v(struct trace *trace, const char *format, va_list args)
{
    struct text_out out = { .start = trace->message, .capacity = MESSAGE_MAX, .length = trace->message_length };
    text_add_v(&out, format, args);
    trace->message_length = out.length < MESSAGE_MAX ? (uint32_t)out.length : MESSAGE_MAX - 1;
}

void trace_print(struct trace *trace, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    trace_print_v(trace, format, args);
    va_end(args);
}

void trace_end_line(struct trace *trace)
{
    if (trace->message_length && trace->message[trace->message_length - 1] != '\n')
        trace_print(trace, "\n");
}

void trace_bug(struct trace *trace, const char *format, ...)
{
    va_list args;
    trace->outcome = OUTCOME_BUG;
    va_start(args, format);
    trace_print_v(trace, format, args);
    va_end(args);
}
