/* server/import/ftrace_sink.c - see ftrace_sink.h. */
#include "server/import/ftrace_sink.h"

void ftrace_skip(struct ftrace_import *in, const struct ftrace_event *event, const char *reason)
{
    import_skip(in->summary, in->events[event->kind], event->line, reason);
}

bool ftrace_apply(struct ftrace_import *in, const struct op *op, struct op_result *result, struct problem *why)
{
    enum pagoda_error error = in->sink->apply(in->sink->context, op, result, why);
    if (error && error != PAGODA_ERR_INVALID)
        in->error = error;
    if (error)
        return false;
    in->summary->operations++;
    in->summary->outcomes[result->outcome]++;
    return true;
}

struct op *ftrace_op(struct ftrace_import *in, const struct ftrace_event *event, enum op_kind kind)
{
    struct op *op = &in->ops[kind];
    op->cpu = (uint16_t)(event->cpu % in->sink->cpus);
    op->context = event->context;
    op->given = OP_BIT(CPU) | OP_BIT(CONTEXT);
    if (event->nr_call_site) {
        op->call_site = (struct text){ event->call_site, event->nr_call_site };
        op->given |= OP_BIT(CALL_SITE);
    }
    return op;
}

bool ftrace_apply_event(struct ftrace_import *in, const struct ftrace_event *event, const struct op *op,
                        struct op_result *result)
{
    struct problem why = { 0 };
    if (!ftrace_apply(in, op, result, &why)) {
        ftrace_skip(in, event, why.text[0] ? why.text : "the machine refused");
        return false;
    }
    in->events[event->kind]->applied++;
    in->summary->applied++;
    return true;
}
