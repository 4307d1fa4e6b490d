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

/* A connection as one owner sees it; several may share mhd, but only one of them at a time has it asleep. The owner sees to
 * it that sleep and wake do not meet. */
struct connection {
    struct MHD_Connection *mhd;
    struct connections *all;
    bool is_asleep;
};

/* On the connection's HTTP thread, or while it is asleep already, which is no error. False: the daemon stops, and the
 * connection stays awake; what it would have waited for is done or awaited in place. */
bool connection_sleep(struct connection *connection);
/* From any thread; of one who is awake, nothing happens. The connection, its request and what hangs on them may be gone
 * when this returns, unless a lock of the owner keeps them. */
void connection_wake(struct connection *connection);

void connections_stop(struct connections *connections);       /* from now on connection_sleep() is false */
void connections_wait_awake(struct connections *connections); /* until nobody sleeps; behind connections_stop() */
