/* server/http/connection.h - a connection sleeps while somebody works for it, and is woken when that is done.
 *
 * An HTTP thread puts a connection to sleep; while it sleeps no HTTP thread looks at it, and it costs none. When the daemon
 * stops, nobody falls asleep any more, and the end waits for those who sleep: libmicrohttpd cannot end with a connection
 * that is suspended. */
#pragma once
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct MHD_Connection;

/* All of the daemon. */
struct connections {
    _Atomic uint32_t nr_asleep;
    atomic_bool are_stopping;
};

/* A connection as one owner sees it. A request and the stream that answers it each have one, with the same mhd; only one of
 * them has it asleep at a time. The owner sees to it that sleep and wake are not called at once. */
struct connection {
    struct MHD_Connection *mhd;
    struct connections *all;
    bool is_asleep;
};

/* Puts the connection to sleep. Of one that is asleep already, nothing happens.
 * To be called on the connection's HTTP thread, or by whoever has it asleep.
 * False: the daemon stops, and the connection stays awake. The caller does or awaits in place what it would have slept for.
 */
bool connection_sleep(struct connection *connection);
/* Wakes the connection, from any thread. Of one that is awake, nothing happens.
 * The connection, its request and what hangs on them may be gone when this returns, unless a lock of the owner keeps them.
 */
void connection_wake(struct connection *connection);

/* The peer has closed its side, as one does that leaves; or the connection is broken. */
bool socket_is_deserted(int fd);
/* The same of a connection that is asleep, with a lock of its owner held that keeps it so. */
bool connection_is_deserted(const struct connection *connection);

void connections_stop(struct connections *connections); /* from now on connection_sleep() is false */
bool connections_are_stopping(const struct connections *connections);
void connections_wait_awake(struct connections *connections); /* until nobody sleeps; behind connections_stop() */
