/* server/base/client.h - who asks. Work is shared out, and what one may have waiting is bounded, by this one key: the
 * address of the peer (of IPv6 its network of 64 bits). What a header says of addresses does not count. */
#pragma once
#include "server/base/workers.h"
#include <stdatomic.h>

#define CLIENT_WAITING_MAX 256u /* requests of one client that wait for a turn */
#define CLIENT_BUCKETS 256u

struct sockaddr;

struct client {
    struct client *next; /* guarded by the list's mutex */
    uint32_t nr_users;   /* guarded by the list's mutex */
    unsigned char address[8];
    _Atomic uint32_t nr_waiting;
    _Atomic uint64_t nr_unread; /* bytes of long answers */
    struct share share;         /* the workers' */
};

struct clients {
    pthread_mutex_t mutex; /* guards what follows */
    struct client *buckets[CLIENT_BUCKETS];
};

void clients_init(struct clients *clients);
void clients_clear(struct clients *clients); /* nobody works for them any more */
/* Finds or makes the client of a peer.
 * Result  the caller's to client_put(); NULL: the host has no memory. */
struct client *client_get(struct clients *clients, const struct sockaddr *peer);
void client_keep(struct clients *clients, struct client *client); /* once more, by somebody who keeps it already */
void client_put(struct clients *clients, struct client *client);
/* Now and then: forgets who has gone. */
void clients_tidy(struct clients *clients, struct workers *workers);

/* One more of its requests waits, until client_end_wait(). False: too many do already. */
bool client_begin_wait(struct client *client);
void client_end_wait(struct client *client);
