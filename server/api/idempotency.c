/* server/api/idempotency.c - see idempotency.h. */
#include "server/api/idempotency.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>

bool idempotency_key(const struct request *request, const char **key, struct reply *refusal)
{
    *key = request_header(request, "Idempotency-Key");
    if (!*key || (**key && strlen(*key) <= IDEMPOTENCY_KEY_MAX))
        return true;
    *refusal = reply_say(422, "", "Idempotency-Key must have 1 to 64 characters");
    return false;
}

static enum MHD_Result hash_parameter(void *context, enum MHD_ValueKind kind, const char *key, const char *value)
{
    (void)kind;
    uint64_t *hash = context;
    *hash = hash64_bytes(*hash, key, strlen(key) + 1);
    *hash = hash64_bytes(*hash, value ? value : "", value ? strlen(value) + 1 : 1);
    return MHD_YES;
}

bool idempotency_read(const struct request *request, int64_t lab, struct answer *answer, struct reply *refusal)
{
    *answer = (struct answer){ .lab = lab, .body_hash = HASH_START };
    if (!idempotency_key(request, &answer->key, refusal))
        return false;
    uint64_t *hash = &answer->body_hash;
    *hash = hash64_bytes(*hash, request->method, strlen(request->method) + 1);
    *hash = hash64_bytes(*hash, request->url, strlen(request->url) + 1);
    MHD_get_connection_values(request->connection.mhd, MHD_GET_ARGUMENT_KIND, hash_parameter, hash);
    if (strcmp(request->method, "DELETE") != 0) /* its body says nothing, and is not read when the lab has gone */
        *hash = hash64_bytes(*hash, request->body.data, request->body.length);
    return true;
}

static void answer_locate(struct reply *reply, const char *text)
{
    json_t *lab = json_loads(text, 0, NULL);
    const char *id = json_string_value(json_object_get(lab, "id"));
    if (id)
        snprintf(reply->location, sizeof reply->location, "/api/v1/labs/%s", id);
    json_decref(lab);
}

static struct reply answer_repeat(struct buffer text, unsigned status)
{
    struct reply reply = status == 204 ? reply_empty(status) : reply_json(status, text);
    if (status == 201)
        answer_locate(&reply, buffer_terminate(&reply.body));
    if (status == 204)
        buffer_clear(&text);
    return reply;
}

bool idempotency_answered(const struct request *request, const struct answer *answer, unsigned status, struct reply *reply)
{
    uint64_t body_hash, seq;
    struct buffer text = { 0 };
    enum pagoda_error error =
        answer->key ? store_find_answer(request->app->store, answer, &body_hash, &seq, &text) : PAGODA_ERR_NOT_FOUND;
    if (error == PAGODA_ERR_NOT_FOUND)
        return false;
    if (!error && text.length && body_hash == answer->body_hash) {
        *reply = answer_repeat(text, status);
        return true;
    }
    if (error)
        *reply = reply_error(error, NULL);
    else if (text.length || !request->upload)
        *reply = reply_say(422, "", "this Idempotency-Key was used with another request");
    else
        *reply =
            reply_say(409, "", "what began with this Idempotency-Key behind operation %llu is under way or was cut short",
                      (unsigned long long)seq);
    buffer_clear(&text);
    return true;
}
