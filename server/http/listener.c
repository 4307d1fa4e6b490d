/* server/http/listener.c - see listener.h. Who is above the limit is taken in too, and told to come back later (peers.h);
 * when the process runs out of file descriptors, newcomers hear it from here. */
#include "server/http/listener.h"
#include "server/base/number.h"
#include "server/http/app.h"
#include "server/http/upload.h"

#include <errno.h>
#include <microhttpd.h>
#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define BACKLOG 4096
#define ACCEPTS_A_ROUND 64  /* then deadlines are looked at */
#define SWEEP_MS 250        /* deadlines */
#define SWEEP_UPLOADS_MS 25 /* while uploads run: whether their peers are there */
#define PAUSE_MS 5
#define DROPPED_MS 1000
#define PORT_MAX 65535u
#define FDS_SPARE 128 /* of those that are no peer's: never for newcomers */

/* ---- the address ---- */

/* "127.0.0.1:8080", "[::1]:8080", ":8080" -> host without brackets, port. */
static bool listen_split(const char *listen_at, char *host, size_t capacity, const char **port)
{
    const char *colon = strrchr(listen_at, ':');
    uint64_t number;
    if (!colon || strlen(colon + 1) > 5 || !number_parse(colon + 1, strlen(colon + 1), &number) || number > PORT_MAX)
        return false;
    size_t length = (size_t)(colon - listen_at);
    bool in_brackets = length > 2 && listen_at[0] == '[' && colon[-1] == ']';
    *port = colon + 1;
    return (size_t)snprintf(host, capacity, "%.*s", (int)(length - 2 * in_brackets), listen_at + in_brackets) < capacity;
}

static bool listen_resolve(const char *listen_at, struct sockaddr_storage *address, socklen_t *length, struct problem *why)
{
    char host[256];
    const char *port;
    if (!listen_split(listen_at, host, sizeof host, &port)) {
        problem_say(why, "listen", "cannot listen on \"%s\": ADDRESS:PORT is expected, with a port up to %u", listen_at,
                    PORT_MAX);
        return false;
    }
    struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE | AI_NUMERICSERV }, *found = NULL;
    int code = getaddrinfo(host[0] ? host : NULL, port, &hints, &found);
    if (code != 0) {
        problem_say(why, "listen", "cannot listen on \"%s\": %s", listen_at, gai_strerror(code));
        return false;
    }
    memcpy(address, found->ai_addr, found->ai_addrlen);
    *length = found->ai_addrlen;
    freeaddrinfo(found);
    return true;
}

bool listener_open(struct app *app, struct problem *why)
{
    struct sockaddr_storage address = { 0 };
    socklen_t length;
    if (!listen_resolve(app->options->listen, &address, &length, why))
        return false;
    int fd = socket(address.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), on = 1;
    if (fd >= 0)
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (fd < 0 || bind(fd, (struct sockaddr *)&address, length) != 0 || listen(fd, BACKLOG) != 0) {
        problem_say(why, "listen", "cannot listen on %s: %s", app->options->listen, strerror(errno));
        if (fd >= 0)
            close(fd);
        return false;
    }
    length = sizeof address;
    getsockname(fd, (struct sockaddr *)&address, &length);
    app->port = ntohs(address.ss_family == AF_INET6 ? ((struct sockaddr_in6 *)&address)->sin6_port
                                                    : ((struct sockaddr_in *)&address)->sin_port);
    app->listener.fd = fd;
    return true;
}

/* ---- the thread ---- */

/* A descriptor's number says how many are open. The last ones are for files. */
static bool fd_is_spare(int fd)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return false;
    return (rlim_t)fd + (limit.rlim_cur > 4 * FDS_SPARE ? FDS_SPARE : limit.rlim_cur / 4) >= limit.rlim_cur;
}

static void listener_pause(void)
{
    nanosleep(&(struct timespec){ .tv_nsec = PAUSE_MS * 1000000 }, NULL);
}

/* Until the connections that have made room for others are closed. False: there are none, or they take too long. */
static bool listener_wait_for_dropped(struct app *app)
{
    bool had_any = false;
    for (unsigned ms = 0; peers_count(&app->peers, PEER_DROPPED); ms += PAUSE_MS, had_any = true) {
        if (ms > DROPPED_MS)
            return false;
        listener_pause();
    }
    return had_any;
}

/* False: nobody waits, or the host has no descriptor left. */
static bool listener_accept(struct app *app)
{
    struct sockaddr_storage address;
    socklen_t length = sizeof address;
    int fd = accept4(app->listener.fd, (struct sockaddr *)&address, &length, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0 && (errno == EMFILE || errno == ENFILE))
        listener_pause(); /* who waits would wake the thread again at once */
    if (fd < 0)
        return errno == ECONNABORTED || errno == EINTR;
    if (fd_is_spare(fd))
        peers_make_room(&app->peers);
    if (fd_is_spare(fd) && !listener_wait_for_dropped(app))
        peers_turn_away(fd);
    else /* closes it if it cannot take it */
        (void)MHD_add_connection(app->daemons[(unsigned)fd % app->nr_daemons], fd, (struct sockaddr *)&address, length);
    return true;
}

static void *listener_main(void *context)
{
    struct app *app = context;
    struct pollfd ready[] = { { .fd = app->listener.fd, .events = POLLIN },
                              { .fd = app->listener.wake_fd, .events = POLLIN } };
    bool has_uploads = false;
    pthread_setname_np(pthread_self(), "listener");
    while (poll(ready, 2, has_uploads ? SWEEP_UPLOADS_MS : SWEEP_MS) >= 0 || errno == EINTR) {
        if (ready[1].revents)
            break;
        for (int i = 0; i < ACCEPTS_A_ROUND && ready[0].revents && listener_accept(app); i++)
            ;
        peers_sweep(&app->peers);
        has_uploads = uploads_watch(app);
    }
    return NULL;
}

bool listener_start(struct app *app, struct problem *why)
{
    app->listener.wake_fd = eventfd(0, EFD_CLOEXEC);
    if (app->listener.wake_fd >= 0 && pthread_create(&app->listener.thread, NULL, listener_main, app) == 0)
        return true;
    problem_say(why, "listen", "cannot start a thread");
    if (app->listener.wake_fd >= 0)
        close(app->listener.wake_fd);
    close(app->listener.fd);
    return false;
}

void listener_stop(struct app *app)
{
    eventfd_write(app->listener.wake_fd, 1);
    pthread_join(app->listener.thread, NULL);
    close(app->listener.wake_fd);
    close(app->listener.fd);
}
