/* Names of errors, events, path steps and costs, made from the X-macros of the public headers. */
#include "pagoda/error.h"
#include "pagoda/event.h"

#include <string.h>

const char *pagoda_error_text(enum pagoda_error error)
{
    static const char *const TEXTS[] = {
#define X(name, text) text,
        PAGODA_ERROR_MAP(X)
#undef X
    };
    return TEXTS[error];
}

/* Copies at most capacity - 1 bytes, always ends with NUL. */
static void copy_text(char *out, size_t capacity, const char *text)
{
    size_t length = strlen(text);
    length = length < capacity ? length : capacity - 1;
    memcpy(out, text, length);
    out[length] = '\0';
}

enum pagoda_error problem_refuse(struct problem *why, const char *field, const char *text)
{
    why->offset = 0;
    copy_text(why->field, sizeof why->field, field);
    copy_text(why->text, sizeof why->text, text);
    return PAGODA_ERR_INVALID;
}

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
