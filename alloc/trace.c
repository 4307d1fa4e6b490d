/* The record of one operation. Fixed buffers: an operation that exceeds them has the rest counted, not kept. */
#include "alloc/trace.h"

#include <string.h>

void trace_start(struct trace *trace, uint32_t seq, uint32_t cpu)
{
    trace->cpu = (uint8_t)cpu;
    trace->outcome = OUTCOME_OK;
    trace->seq = seq;
    memset(trace->cost_count, 0, sizeof trace->cost_count);
    trace->cost_ns = 0;
    trace->slept_ns = 0;
    trace->nr_reclaimed = 0;
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

static void say(struct trace *trace, const char *text, size_t length)
{
    size_t room = MESSAGE_MAX - 1 - trace->message_length;
    if (length > room)
        length = room;
    memcpy(trace->message + trace->message_length, text, length);
    trace->message_length += (uint32_t)length;
    trace->message[trace->message_length] = '\0';
}

void trace_say(struct trace *trace, const char *text)
{
    say(trace, text, strlen(text));
}

static void say_digits(struct trace *trace, uint64_t number, uint32_t base)
{
    char digits[24];
    size_t at = sizeof digits;
    do {
        digits[--at] = "0123456789abcdef"[number % base];
        number /= base;
    } while (number);
    say(trace, digits + at, sizeof digits - at);
}

void trace_say_number(struct trace *trace, uint64_t number)
{
    say_digits(trace, number, 10);
}

void trace_say_hex(struct trace *trace, uint64_t number)
{
    say_digits(trace, number, 16);
}

void trace_bug(struct trace *trace, const char *text)
{
    trace->outcome = OUTCOME_BUG;
    trace_say(trace, text);
}
