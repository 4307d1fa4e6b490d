/* server/base/problem.c - see problem.h. */
#include "server/base/problem.h"

#include <stdarg.h>
#include <stdio.h>

static const struct {
    unsigned status;
    const char *title;
} TITLES[] = {
    { 200, "OK" },
    { 201, "Created" },
    { 204, "No Content" },
    { 304, "Not Modified" },
    { 400, "Bad Request" },
    { 403, "Forbidden" },
    { 404, "Not Found" },
    { 405, "Method Not Allowed" },
    { 406, "Not Acceptable" },
    { 408, "Request Timeout" },
    { 409, "Conflict" },
    { 411, "Length Required" },
    { 412, "Precondition Failed" },
    { 413, "Content Too Large" },
    { 414, "URI Too Long" },
    { 415, "Unsupported Media Type" },
    { 421, "Misdirected Request" },
    { 422, "Unprocessable Content" },
    { 429, "Too Many Requests" },
    { 500, "Internal Server Error" },
    { 503, "Service Unavailable" },
    { 507, "Insufficient Storage" },
};

const char *status_title(unsigned status)
{
    for (size_t i = 0; i < sizeof TITLES / sizeof TITLES[0]; i++)
        if (TITLES[i].status == status)
            return TITLES[i].title;
    return "Error";
}

unsigned error_status(enum pagoda_error error)
{
    switch (error) {
    case PAGODA_OK:
        return 200;
    case PAGODA_ERR_INVALID:
        return 422;
    case PAGODA_ERR_NOT_FOUND:
        return 404;
    case PAGODA_ERR_CONFLICT:
    case PAGODA_ERR_RULES:
        return 409;
    case PAGODA_ERR_BUDGET:
        return 429;
    case PAGODA_ERR_FULL:
    case PAGODA_ERR_LAB_MEMORY:
    case PAGODA_ERR_GONE:
        return 507;
    case PAGODA_ERR_NOMEM:
    case PAGODA_ERR_IO:
    case PAGODA_ERR_RANDOM:
    case PAGODA_ERR_FAULT:
    case PAGODA_ERR_QUARANTINED:
    case PAGODA_ERR_STOPPING:
        return 503;
    case PAGODA_ERR_CORRUPT:
    case PAGODA_ERR_VERSION:
        return 500;
    }
    return 500;
}

void problem_encode(struct buffer *out, unsigned status, const char *detail, const char *instance, const char *field)
{
    put_open(out, '{');
    put_field_text(out, "type", "about:blank");
    put_field_text(out, "title", status_title(status));
    put_field_u64(out, "status", status);
    put_field_text(out, "detail", detail);
    if (instance)
        put_field_text(out, "instance", instance);
    if (field && field[0]) {
        char pointer[64];
        snprintf(pointer, sizeof pointer, "/%s", field);
        put_field_array(out, "errors");
        put_open(out, '{');
        put_field_text(out, "pointer", pointer);
        put_field_text(out, "detail", detail);
        put_close(out, '}');
        put_close(out, ']');
    }
    put_close(out, '}');
}

void problem_say(struct problem *why, const char *field, const char *format, ...)
{
    if (why->text[0])
        return; /* the first cause wins */
    snprintf(why->field, sizeof why->field, "%s", field);
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(why->text, sizeof why->text, format, arguments);
    va_end(arguments);
}
