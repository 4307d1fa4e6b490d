/* server/http/unread.c - see unread.h. */
#include "server/http/unread.h"

#include <stdlib.h>

struct unread {
    struct app *app;
    struct client *client; /* kept; NULL: the house */
    char *bytes;
    uint64_t nr_bytes; /* that count */
};

static bool unread_is_short(const struct reply *reply)
{
    return reply->response || reply->body.length <= UNREAD_SHORT;
}

static uint64_t unread_of(const struct client *client)
{
    return client ? atomic_load(&client->nr_unread) : 0;
}

static void unread_count(struct app *app, struct client *client, uint64_t nr_bytes)
{
    atomic_fetch_add(&app->nr_unread, nr_bytes);
    if (client)
        atomic_fetch_add(&client->nr_unread, nr_bytes);
}

static void unread_free(void *context)
{
    struct unread *unread = context;
    unread_count(unread->app, unread->client, -unread->nr_bytes);
    if (unread->client)
        client_put(&unread->app->clients, unread->client);
    free(unread->bytes);
    free(unread);
}

/* Two at once may go a little beyond the bound. */
bool unread_admit(struct request *request)
{
    struct reply *reply = &request->reply;
    if (unread_is_short(reply))
        return true;
    uint64_t own = unread_of(request->client), nr_bytes = reply->body.length;
    bool is_own_fault = own && own + nr_bytes > UNREAD_OF_CLIENT;
    if (is_own_fault || atomic_load(&request->app->nr_unread) + nr_bytes > UNREAD_IN_ALL) {
        buffer_clear(&reply->body);
        *reply = reply_say(is_own_fault ? 429 : 503, "", "%s answers wait to be read; try again later",
                           is_own_fault ? "too many of your" : "too many");
        reply->retry_after_s = 1;
        return false;
    }
    unread_count(request->app, request->client, nr_bytes);
    return true;
}

struct MHD_Response *unread_response(struct request *request)
{
    struct buffer *body = &request->reply.body;
    if (unread_is_short(&request->reply)) {
        struct MHD_Response *plain = MHD_create_response_from_buffer(body->length, body->data, MHD_RESPMEM_MUST_FREE);
        if (plain)
            *body = (struct buffer){ 0 };
        return plain;
    }
    struct unread *unread = malloc(sizeof *unread);
    struct MHD_Response *response =
        unread ? MHD_create_response_from_buffer_with_free_callback_cls(body->length, body->data, unread_free, unread)
               : NULL;
    if (!response) {
        unread_count(request->app, request->client, -(uint64_t)body->length);
        free(unread);
        return NULL;
    }
    *unread = (struct unread){ request->app, request->client, body->data, body->length };
    if (request->client)
        client_keep(&request->app->clients, request->client);
    *body = (struct buffer){ 0 };
    return response;
}
