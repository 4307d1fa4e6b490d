/* server/base/client.c - see client.h. */
#include "server/base/client.h"
#include "server/base/hash.h"

#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

void clients_init(struct clients *clients)
{
    *clients = (struct clients){ 0 };
    pthread_mutex_init(&clients->mutex, NULL);
}

void clients_clear(struct clients *clients)
{
    for (unsigned i = 0; i < CLIENT_BUCKETS; i++)
        for (struct client *client; (client = clients->buckets[i]);) {
            clients->buckets[i] = client->next;
            free(client);
        }
    pthread_mutex_destroy(&clients->mutex);
}

/* IPv4, also within IPv6, has 4 bytes of its own behind zeros, where no network of IPv6 begins. */
static void client_read_address(const struct sockaddr *peer, unsigned char address[8])
{
    memset(address, 0, 8);
    if (peer && peer->sa_family == AF_INET) {
        memcpy(address + 4, &((const struct sockaddr_in *)(const void *)peer)->sin_addr, 4);
    } else if (peer && peer->sa_family == AF_INET6) {
        const struct in6_addr *six = &((const struct sockaddr_in6 *)(const void *)peer)->sin6_addr;
        if (IN6_IS_ADDR_V4MAPPED(six))
            memcpy(address + 4, six->s6_addr + 12, 4);
        else
            memcpy(address, six->s6_addr, 8);
    }
}

struct client *client_get(struct clients *clients, const struct sockaddr *peer)
{
    unsigned char address[8];
    client_read_address(peer, address);
    struct client **bucket = &clients->buckets[hash64_bytes(HASH_START, address, sizeof address) % CLIENT_BUCKETS];
    pthread_mutex_lock(&clients->mutex);
    struct client *client = *bucket;
    while (client && memcmp(client->address, address, sizeof address) != 0)
        client = client->next;
    if (!client && (client = calloc(1, sizeof *client))) {
        memcpy(client->address, address, sizeof address);
        client->next = *bucket;
        *bucket = client;
    }
    if (client)
        client->nr_users++;
    pthread_mutex_unlock(&clients->mutex);
    return client;
}

void client_keep(struct clients *clients, struct client *client)
{
    pthread_mutex_lock(&clients->mutex);
    client->nr_users++;
    pthread_mutex_unlock(&clients->mutex);
}

void client_put(struct clients *clients, struct client *client)
{
    pthread_mutex_lock(&clients->mutex);
    client->nr_users--;
    pthread_mutex_unlock(&clients->mutex);
}

void clients_tidy(struct clients *clients, struct workers *workers)
{
    pthread_mutex_lock(&clients->mutex);
    for (unsigned i = 0; i < CLIENT_BUCKETS; i++)
        for (struct client **at = &clients->buckets[i], *client; (client = *at);) {
            if (client->nr_users || !workers_share_is_idle(workers, &client->share)) {
                at = &client->next;
                continue;
            }
            *at = client->next;
            free(client);
        }
    pthread_mutex_unlock(&clients->mutex);
}

bool client_begin_wait(struct client *client)
{
    if (atomic_fetch_add(&client->nr_waiting, 1) < CLIENT_WAITING_MAX)
        return true;
    client_end_wait(client);
    return false;
}

void client_end_wait(struct client *client)
{
    atomic_fetch_sub(&client->nr_waiting, 1);
}
