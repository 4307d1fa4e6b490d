/* server/http/upload.c - see upload.h. */
#include "server/http/upload.h"
#include "server/http/connection.h"
#include "server/http/route.h"

#include <stdlib.h>
#include <string.h>

#define PIPE_SIZE MIB   /* a peer that goes is noticed only behind what it had sent: so a short body is here whole */
#define UPLOADS_MAX 32u /* above it, the slowest makes room */
#define UPLOADS_AT_MOST 40u

struct upload {
    struct request *request;
    struct upload *next; /* app->mutex */
    int fd;              /* of the connection */
    pthread_t thread;
    pthread_mutex_t mutex; /* guards what follows */
    pthread_cond_t filled;
    pthread_cond_t drained; /* an HTTP thread waits in place: the daemon stops, or its connection has gone */
    size_t start, length;   /* of what waits in the ring */
    uint64_t nr_bytes;      /* read by the handler */
    bool ended, broken, cancelled;
    bool outlives_peer;       /* the handler: upload_outlive_peer() */
    bool has_left_connection; /* the handler: upload_leave_connection() */
    bool is_done;             /* the handler: request->reply is there */
    bool is_orphan;           /* the connection has gone; the handler's thread ends upload and request */
    char ring[PIPE_SIZE];
};

/* ---- the connection; upload mutex held ---- */

/* False: the daemon stops; this HTTP thread has waited in place for the handler to take or say something. */
static bool upload_sleep(struct upload *upload)
{
    bool is_asleep = connection_sleep(&upload->request->connection);
    if (!is_asleep)
        pthread_cond_wait(&upload->drained, &upload->mutex);
    return is_asleep;
}

static void upload_wake(struct upload *upload)
{
    pthread_cond_signal(&upload->drained);
    connection_wake(&upload->request->connection);
}

/* All of the body has arrived, and the answer is wanted without a peer too. */
static bool upload_is_over(const struct upload *upload)
{
    return upload->cancelled || (upload->broken && !(upload->outlives_peer && upload->ended));
}

/* ---- the list ---- */

/* A place for one more. When they are nearly all taken, the slowest loses its own. */
static bool upload_claim(struct app *app)
{
    pthread_mutex_lock(&app->mutex);
    bool is_free = app->nr_uploads < UPLOADS_AT_MOST, is_tight = app->nr_uploads >= UPLOADS_MAX;
    app->nr_uploads += is_free;
    pthread_mutex_unlock(&app->mutex);
    if (is_tight)
        peers_drop_slowest_upload(&app->peers);
    return is_free;
}

static void upload_give_back(struct app *app)
{
    pthread_mutex_lock(&app->mutex);
    app->nr_uploads--;
    pthread_cond_signal(&app->upload_ended);
    pthread_mutex_unlock(&app->mutex);
}

/* Who is listed behind uploads_cancel() sees that the daemon stops; who is listed before is cancelled there. */
static void upload_list(struct upload *upload, struct app *app)
{
    pthread_mutex_lock(&app->mutex);
    upload->next = app->uploads;
    app->uploads = upload;
    if (connections_are_stopping(&app->connections))
        upload_cancel(upload);
    pthread_mutex_unlock(&app->mutex);
}

static void upload_unlist(const struct upload *upload, struct app *app)
{
    pthread_mutex_lock(&app->mutex);
    struct upload **at = &app->uploads;
    while (*at != upload)
        at = &(*at)->next;
    *at = upload->next;
    pthread_mutex_unlock(&app->mutex);
}

bool uploads_watch(struct app *app)
{
    pthread_mutex_lock(&app->mutex);
    bool has_uploads = app->uploads != NULL;
    for (struct upload *upload = app->uploads; upload; upload = upload->next)
        if (socket_is_deserted(upload->fd))
            upload_break(upload);
    pthread_mutex_unlock(&app->mutex);
    return has_uploads;
}

void uploads_cancel(struct app *app)
{
    pthread_mutex_lock(&app->mutex);
    for (struct upload *upload = app->uploads; upload; upload = upload->next)
        upload_cancel(upload);
    pthread_mutex_unlock(&app->mutex);
}

void uploads_wait(struct app *app)
{
    pthread_mutex_lock(&app->mutex);
    while (app->nr_uploads)
        pthread_cond_wait(&app->upload_ended, &app->mutex);
    pthread_mutex_unlock(&app->mutex);
}

static void upload_destroy(struct upload *upload)
{
    pthread_cond_destroy(&upload->filled);
    pthread_cond_destroy(&upload->drained);
    pthread_mutex_destroy(&upload->mutex);
    free(upload);
}

/* ---- the handler's side ---- */

void upload_leave_connection(struct upload *upload)
{
    pthread_mutex_lock(&upload->mutex);
    upload->has_left_connection = true;
    pthread_cond_signal(&upload->drained);
    pthread_mutex_unlock(&upload->mutex);
}

static void *upload_run_handler(void *context)
{
    struct upload *upload = context;
    struct request *request = upload->request;
    struct app *app = request->app;
    struct reply reply = request->route->handle(app, request);
    enum pagoda_error error = reply.ticket ? store_wait(app->store, reply.ticket) : PAGODA_OK;
    reply.ticket = 0;
    if (error) {
        buffer_clear(&reply.body);
        reply = reply_error(error, NULL);
    }
    pthread_mutex_lock(&upload->mutex);
    request->reply = reply;
    request->has_reply = true;
    upload->is_done = true;
    upload_wake(upload);
    bool is_orphan = upload->is_orphan;
    pthread_mutex_unlock(&upload->mutex);
    if (is_orphan) {
        upload_destroy(upload);
        request_destroy(request);
        upload_give_back(app); /* last: then the daemon may end */
    }
    return NULL;
}

static size_t upload_drain(struct upload *upload, char *out, size_t capacity)
{
    size_t nr = upload->length < capacity ? upload->length : capacity;
    size_t first = nr < PIPE_SIZE - upload->start ? nr : PIPE_SIZE - upload->start;
    memcpy(out, upload->ring + upload->start, first);
    memcpy(out + first, upload->ring, nr - first);
    upload->start = (upload->start + nr) % PIPE_SIZE;
    upload->length -= nr;
    upload->nr_bytes += nr;
    return nr;
}

static long upload_read(void *context, void *out, size_t capacity)
{
    struct upload *upload = context;
    long given = -1;
    pthread_mutex_lock(&upload->mutex);
    while (!upload->length && !upload->ended && !upload_is_over(upload))
        pthread_cond_wait(&upload->filled, &upload->mutex);
    if (!upload_is_over(upload))
        given = (long)upload_drain(upload, out, capacity);
    if (!upload->ended && upload->length <= PIPE_SIZE / 2)
        upload_wake(upload);
    pthread_mutex_unlock(&upload->mutex);
    return given;
}

static bool upload_source_is_over(void *upload)
{
    return upload_is_cancelled(upload);
}

struct source upload_source(struct upload *upload)
{
    return (struct source){ .read = upload_read, .is_over = upload_source_is_over, .context = upload };
}

void upload_outlive_peer(struct upload *upload)
{
    pthread_mutex_lock(&upload->mutex);
    upload->outlives_peer = true;
    pthread_mutex_unlock(&upload->mutex);
}

uint64_t upload_nr_bytes(struct upload *upload)
{
    pthread_mutex_lock(&upload->mutex);
    uint64_t nr_bytes = upload->nr_bytes;
    pthread_mutex_unlock(&upload->mutex);
    return nr_bytes;
}

void upload_cancel(struct upload *upload)
{
    pthread_mutex_lock(&upload->mutex);
    upload->cancelled = true;
    pthread_cond_signal(&upload->filled);
    pthread_mutex_unlock(&upload->mutex);
}

bool upload_is_cancelled(struct upload *upload)
{
    pthread_mutex_lock(&upload->mutex);
    bool is_over = upload_is_over(upload);
    pthread_mutex_unlock(&upload->mutex);
    return is_over;
}

/* ---- the HTTP thread's side ---- */

struct upload *upload_start(struct request *request)
{
    struct upload *upload = calloc(1, sizeof *upload);
    if (!upload || !upload_claim(request->app)) {
        free(upload);
        return NULL;
    }
    upload->request = request;
    upload->fd = MHD_get_connection_info(request->connection.mhd, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd;
    request->upload = upload;
    pthread_mutex_init(&upload->mutex, NULL);
    pthread_cond_init(&upload->filled, NULL);
    pthread_cond_init(&upload->drained, NULL);
    if (pthread_create(&upload->thread, NULL, upload_run_handler, upload) == 0) {
        peer_set_upload(request->peer);
        upload_list(upload, request->app);
        return upload;
    }
    upload_give_back(request->app);
    request->upload = NULL;
    free(upload);
    return NULL;
}

/* Result: how many bytes there was room for. When the handler has ended already, the rest of the body is read and dropped,
 * so that the reply is heard. */
static size_t upload_fill(struct upload *upload, const char *data, size_t nr_bytes)
{
    if (upload->is_done)
        return nr_bytes;
    size_t room = PIPE_SIZE - upload->length, nr = nr_bytes < room ? nr_bytes : room;
    size_t at = (upload->start + upload->length) % PIPE_SIZE;
    size_t first = nr < PIPE_SIZE - at ? nr : PIPE_SIZE - at;
    memcpy(upload->ring + at, data, first);
    memcpy(upload->ring, data + first, nr - first);
    upload->length += nr;
    pthread_cond_signal(&upload->filled);
    return nr;
}

size_t upload_push(struct upload *upload, const char *data, size_t nr_bytes)
{
    pthread_mutex_lock(&upload->mutex);
    size_t nr = upload_fill(upload, data, nr_bytes);
    while (nr < nr_bytes && !upload_sleep(upload))
        nr += upload_fill(upload, data + nr, nr_bytes - nr);
    pthread_mutex_unlock(&upload->mutex);
    return nr;
}

bool upload_finish(struct upload *upload)
{
    pthread_mutex_lock(&upload->mutex);
    upload->ended = true;
    pthread_cond_signal(&upload->filled);
    while (!upload->is_done && !upload_sleep(upload))
        ;
    bool is_done = upload->is_done;
    pthread_mutex_unlock(&upload->mutex);
    return is_done;
}

void upload_break(struct upload *upload)
{
    pthread_mutex_lock(&upload->mutex);
    upload->broken = true;
    pthread_cond_signal(&upload->filled);
    pthread_mutex_unlock(&upload->mutex);
}

bool upload_close(struct upload *upload)
{
    upload_unlist(upload, upload->request->app);
    upload_break(upload);
    pthread_mutex_lock(&upload->mutex);
    while (!upload->is_done && !upload->has_left_connection)
        pthread_cond_wait(&upload->drained, &upload->mutex);
    bool is_done = upload->is_done;
    upload->is_orphan = !is_done;
    if (!is_done)
        pthread_detach(upload->thread);
    pthread_mutex_unlock(&upload->mutex);
    if (is_done) {
        pthread_join(upload->thread, NULL); /* it is on its last lines */
        upload_give_back(upload->request->app);
        upload_destroy(upload);
    }
    return is_done;
}
