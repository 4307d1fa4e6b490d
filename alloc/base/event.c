/* Names of events, path steps and costs, from the lists in event.h. */
#include "pagoda/event.h"

const struct event_info *event_info(enum event_kind kind)
{
    static const struct event_info INFOS[NR_EVENTS] = {
#define X(id, name, fields, a, b) { name, fields, a, b },
        EVENT_MAP(X)
#undef X
    };
    return &INFOS[kind];
}

const char *path_step_name(enum path_step step)
{
    static const char *const NAMES[NR_PATH_STEPS] = {
#define X(name) #name,
        PATH_MAP(X)
#undef X
    };
    return NAMES[step];
}

const struct cost_info *cost_info(enum cost_step step)
{
    static const struct cost_info INFOS[NR_COST_STEPS] = {
#define X(id, name, ns, source) { name, ns, source },
        COST_MAP(X)
#undef X
    };
    return &INFOS[step];
}
