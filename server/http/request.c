/* server/http/request.c - see request.h. */
#include "server/http/request.h"
#include "server/base/number.h"

#include <stdlib.h>
#include <string.h>

void request_destroy(struct request *request)
{
    if (request->progress)
        request->drop(request->progress);
    if (request->is_waiting)
        client_end_wait(request->client);
    if (request->client)
        client_put(&request->app->clients, request->client);
    buffer_clear(&request->change.text);
    if (request->lab)
        lab_put(request->lab);
    if (request->reply.response)
        MHD_destroy_response(request->reply.response);
    buffer_clear(&request->body);
    buffer_clear(&request->reply.body);
    free(request);
}

const char *query_text(const struct request *request, const char *name)
{
    return MHD_lookup_connection_value(request->connection.mhd, MHD_GET_ARGUMENT_KIND, name);
}

bool query_u64(const struct request *request, const char *name, uint64_t min, uint64_t max, uint64_t *value,
               struct reply *refusal)
{
    const char *text = query_text(request, name);
    if (!text)
        return true;
    uint64_t number;
    if (!size_parse(text, strlen(text), &number) || number < min || number > max) {
        *refusal = reply_say(422, name, "%s must be a whole number between %llu and %llu", name, (unsigned long long)min,
                             (unsigned long long)max);
        return false;
    }
    *value = number;
    return true;
}

bool query_bool(const struct request *request, const char *name, bool *value, struct reply *refusal)
{
    const char *text = query_text(request, name);
    if (!text)
        return true;
    if (strcmp(text, "true") != 0 && strcmp(text, "false") != 0) {
        *refusal = reply_say(422, name, "%s must be true or false", name);
        return false;
    }
    *value = text[0] == 't';
    return true;
}

const char *request_header(const struct request *request, const char *name)
{
    return MHD_lookup_connection_value(request->connection.mhd, MHD_HEADER_KIND, name);
}

bool request_is_ndjson(const struct request *request)
{
    const char *type = request_header(request, "Content-Type");
    return type && strncmp(type, "application/x-ndjson", 20) == 0;
}

bool request_accepts(const struct request *request, const char *type)
{
    const char *accepted = request_header(request, "Accept");
    return accepted && strstr(accepted, type);
}

bool etag_matches(const struct request *request, const char *etag)
{
    const char *given = request_header(request, "If-None-Match");
    return given && (strcmp(given, "*") == 0 || strstr(given, etag));
}
