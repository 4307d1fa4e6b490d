/* server/http/connection.c - see connection.h.
 *
 * connection_sleep() counts first and looks for the stop afterwards. http_stop() says that it stops first and looks at the
 * count afterwards. So one of the two sees the other. connection_wake() resumes first and counts down afterwards, so a
 * count of 0 says that no connection is suspended. */
#include "server/http/connection.h"
#include "server/http/peers.h"

#include <microhttpd.h>
#include <poll.h>
#include <time.h>

#define POLL_NS 5000000

bool connection_sleep(struct connection *connection)
{
    struct connections *all = connection->all;
    if (connection->is_asleep)
        return true;
    atomic_fetch_add(&all->nr_asleep, 1);
    if (atomic_load(&all->are_stopping)) {
        atomic_fetch_sub(&all->nr_asleep, 1);
        return false;
    }
    connection->is_asleep = true;
    peer_set_asleep(peer_of(connection->mhd), true);
    MHD_suspend_connection(connection->mhd);
    return true;
}

void connection_wake(struct connection *connection)
{
    struct connections *all = connection->all; /* outlives the connection */
    if (!connection->is_asleep)
        return;
    connection->is_asleep = false;
    peer_set_asleep(peer_of(connection->mhd), false);
    MHD_resume_connection(connection->mhd);
    atomic_fetch_sub(&all->nr_asleep, 1);
}

bool socket_is_deserted(int fd)
{
    struct pollfd peer = { .fd = fd, .events = POLLRDHUP };
    return poll(&peer, 1, 0) > 0;
}

bool connection_is_deserted(const struct connection *connection)
{
    const union MHD_ConnectionInfo *info = MHD_get_connection_info(connection->mhd, MHD_CONNECTION_INFO_CONNECTION_FD);
    return info && socket_is_deserted(info->connect_fd);
}

void connections_stop(struct connections *connections)
{
    atomic_store(&connections->are_stopping, true);
}

bool connections_are_stopping(const struct connections *connections)
{
    return atomic_load(&connections->are_stopping);
}

void connections_wait_awake(struct connections *connections)
{
    while (atomic_load(&connections->nr_asleep))
        nanosleep(&(struct timespec){ .tv_nsec = POLL_NS }, NULL);
}
