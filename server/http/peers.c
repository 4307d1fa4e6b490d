/* server/http/peers.c - see peers.h. Each phase has a list. Who enters a phase goes to its end, so the first is the one
 * that has been in it longest, and deadlines and the choice of whom to drop look at first ones.
 *
 * To drop a peer is to shut its socket down. libmicrohttpd then finds the end of its input, and ends the connection on a
 * thread of its own. The socket stays open until peer_destroy() has taken the peer from its list. */
#include "server/http/peers.h"
#include "server/base/clock.h"
#include "server/http/reply.h"

#include <microhttpd.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#define MS_NS UINT64_C(1000000)
#define SECOND_NS (1000 * MS_NS)
#define IDLE_NS (120 * SECOND_NS)     /* between two requests */
#define BODY_RATE 1024u               /* bytes a second, at least */
#define SLOW_RATE (64u * 1024)        /* an upload below it makes room for another */
#define DRAIN_BLOCKS 4                /* as much as a head may have */
#define SLOW_AFTER_NS (2 * SECOND_NS) /* of waiting for it */

/* How long a peer must have been in a phase to be dropped for a newcomer. */
static const uint64_t DROP_AFTER_NS[] = { [PEER_IDLE] = 0, [PEER_HEAD] = SECOND_NS, [PEER_BODY] = 5 * SECOND_NS };

struct peer {
    struct peers *all;
    int fd;
    bool is_surplus;
    struct peer *next, *previous; /* all->mutex, as all that follows */
    enum peer_phase phase;
    uint64_t since_ns;  /* when it entered its phase; PEER_BODY: when something came last */
    uint64_t waited_ns; /* for its body */
    uint64_t received;  /* of its body, bytes */
    bool is_asleep, is_upload, is_stream, is_answered;
};

/* ---- lists; mutex held ---- */

static void peer_link(struct peer *peer, enum peer_phase phase)
{
    struct peer_list *list = &peer->all->lists[phase];
    peer->phase = phase;
    peer->since_ns = clock_ns();
    peer->next = NULL;
    peer->previous = list->last;
    *(list->last ? &list->last->next : &list->first) = peer;
    list->last = peer;
    list->nr++;
}

static void peer_unlink(struct peer *peer)
{
    struct peer_list *list = &peer->all->lists[peer->phase];
    *(peer->previous ? &peer->previous->next : &list->first) = peer->next;
    *(peer->next ? &peer->next->previous : &list->last) = peer->previous;
    list->nr--;
}

static void peer_move(struct peer *peer, enum peer_phase phase)
{
    peer_unlink(peer);
    peer_link(peer, phase);
}

static void peer_end_request(struct peer *peer)
{
    peer->all->nr_streams -= peer->is_stream;
    peer->is_stream = peer->is_upload = peer->is_answered = false;
    peer->received = peer->waited_ns = 0;
}

/* ---- dropping; mutex held ---- */

static void peer_drop(struct peer *peer)
{
    if (peer->phase == PEER_DROPPED)
        return;
    shutdown(peer->fd, SHUT_RDWR);
    peer->all->nr_served -= !peer->is_surplus;
    peer_move(peer, PEER_DROPPED);
}

/* Nothing lies in the socket's buffer before it, so it fits. */
static void answer_send(int fd, const struct reply *reply)
{
    struct buffer out = { 0 };
    buffer_print(&out, "HTTP/1.1 %u %s\r\nContent-Type: %s\r\nContent-Length: %zu\r\nCache-Control: no-store\r\n",
                 reply->status, status_title(reply->status), reply->content_type, reply->body.length);
    if (reply->retry_after_s)
        buffer_print(&out, "Retry-After: %u\r\n", reply->retry_after_s);
    buffer_text(&out, "Connection: close\r\n\r\n");
    buffer_add(&out, reply->body.data, reply->body.length);
    if (!out.failed && send(fd, out.data, out.length, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0)
        shutdown(fd, SHUT_WR);
    buffer_clear(&out);
}

static void peer_answer(struct peer *peer, const struct reply *reply)
{
    if (peer->is_answered || peer->phase == PEER_DROPPED)
        return;
    peer->is_answered = true;
    answer_send(peer->fd, reply);
}

static void peer_time_out(struct peer *peer, const char *why)
{
    struct reply reply = reply_say(408, "", "%s", why);
    peer_answer(peer, &reply);
    buffer_clear(&reply.body);
    peer_drop(peer);
}

/* Who is idle, else who is slow with a head or a body. */
static void peers_drop_idlest(struct peers *peers)
{
    uint64_t now_ns = clock_ns();
    for (enum peer_phase phase = PEER_IDLE; phase <= PEER_BODY; phase++) {
        struct peer *peer = peers->lists[phase].first;
        if (!peer || now_ns - peer->since_ns < DROP_AFTER_NS[phase])
            continue;
        peer_drop(peer);
        return;
    }
}

/* ---- from connection to connection ---- */

void peers_start(struct peers *peers, const struct peer_limits *limits)
{
    *peers = (struct peers){ .limits = *limits, .swept_ns = clock_ns() };
    pthread_mutex_init(&peers->mutex, NULL);
}

struct peer *peer_create(struct peers *peers, int fd)
{
    struct peer *peer = calloc(1, sizeof *peer);
    if (!peer)
        return NULL;
    peer->all = peers;
    peer->fd = fd;
    pthread_mutex_lock(&peers->mutex);
    if (peers->nr_served >= peers->limits.nr_peers)
        peers_drop_idlest(peers);
    peer->is_surplus = peers->nr_served >= peers->limits.nr_peers;
    peers->nr_served += !peer->is_surplus;
    peer_link(peer, PEER_HEAD);
    pthread_mutex_unlock(&peers->mutex);
    return peer;
}

void peer_destroy(struct peer *peer)
{
    if (!peer)
        return;
    struct peers *peers = peer->all;
    pthread_mutex_lock(&peers->mutex);
    peer_end_request(peer);
    peers->nr_served -= peer->phase != PEER_DROPPED && !peer->is_surplus;
    peer_unlink(peer);
    pthread_mutex_unlock(&peers->mutex);
    free(peer);
}

struct peer *peer_of(struct MHD_Connection *connection)
{
    const union MHD_ConnectionInfo *info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
    return info ? info->socket_context : NULL;
}

/* ---- what a peer is at ---- */

bool peer_is_surplus(const struct peer *peer)
{
    return peer && peer->is_surplus;
}

void peer_enter(struct peer *peer, enum peer_phase phase)
{
    if (!peer)
        return;
    pthread_mutex_lock(&peer->all->mutex);
    if (phase == PEER_IDLE)
        peer_end_request(peer);
    if (peer->phase != PEER_DROPPED)
        peer_move(peer, phase);
    pthread_mutex_unlock(&peer->all->mutex);
}

void peer_receive(struct peer *peer, uint64_t nr_bytes)
{
    if (!peer)
        return;
    pthread_mutex_lock(&peer->all->mutex);
    peer->received += nr_bytes;
    if (peer->phase == PEER_BODY)
        peer_move(peer, PEER_BODY);
    pthread_mutex_unlock(&peer->all->mutex);
}

void peer_set_asleep(struct peer *peer, bool is_asleep)
{
    if (!peer)
        return;
    pthread_mutex_lock(&peer->all->mutex);
    peer->is_asleep = is_asleep;
    pthread_mutex_unlock(&peer->all->mutex);
}

void peer_set_upload(struct peer *peer)
{
    if (!peer)
        return;
    pthread_mutex_lock(&peer->all->mutex);
    peer->is_upload = true;
    pthread_mutex_unlock(&peer->all->mutex);
}

bool peer_begin_stream(struct peer *peer)
{
    if (!peer)
        return true;
    struct peers *peers = peer->all;
    pthread_mutex_lock(&peers->mutex);
    bool has_room = peer->is_stream || peers->nr_streams < peers->limits.nr_streams;
    peers->nr_streams += has_room && !peer->is_stream;
    peer->is_stream |= has_room;
    pthread_mutex_unlock(&peers->mutex);
    return has_room;
}

bool peer_begin_reply(struct peer *peer)
{
    if (!peer)
        return true;
    pthread_mutex_lock(&peer->all->mutex);
    bool may_reply = !peer->is_answered && peer->phase != PEER_DROPPED;
    peer->is_answered = true;
    pthread_mutex_unlock(&peer->all->mutex);
    return may_reply;
}

void peer_refuse(struct peer *peer, const struct reply *reply)
{
    if (!peer)
        return;
    pthread_mutex_lock(&peer->all->mutex);
    peer_answer(peer, reply);
    if (peer->phase != PEER_DROPPED)
        peer_move(peer, PEER_HEAD);
    pthread_mutex_unlock(&peer->all->mutex);
}

/* ---- all of them ---- */

static bool peer_is_slower(const struct peer *peer, uint64_t bytes_a_second)
{
    return peer->received < bytes_a_second * (peer->waited_ns / MS_NS) / 1000;
}

/* Drops the first ones of a list that are in it for longer than that. why: NULL: no answer is owed. */
static void peers_sweep_phase(struct peers *peers, enum peer_phase phase, uint64_t limit_ns, const char *why)
{
    struct peer *peer;
    while ((peer = peers->lists[phase].first) && clock_ns() - peer->since_ns > limit_ns) {
        if (why)
            peer_time_out(peer, why);
        else
            peer_drop(peer);
    }
}

static void peers_sweep_bodies(struct peers *peers, uint64_t passed_ns)
{
    struct peer *next;
    for (struct peer *peer = peers->lists[PEER_BODY].first; peer; peer = next) {
        next = peer->next;
        peer->waited_ns += peer->is_asleep ? 0 : passed_ns;
        if (peer->waited_ns > peers->limits.patience_ns && peer_is_slower(peer, BODY_RATE))
            peer_time_out(peer, "the body came too slowly");
    }
}

void peers_sweep(struct peers *peers)
{
    pthread_mutex_lock(&peers->mutex);
    uint64_t now_ns = clock_ns(), passed_ns = now_ns - peers->swept_ns;
    peers->swept_ns = now_ns;
    peers_sweep_phase(peers, PEER_IDLE, IDLE_NS, NULL);
    peers_sweep_phase(peers, PEER_HEAD, peers->limits.patience_ns, "the head of the request came too slowly");
    peers_sweep_bodies(peers, passed_ns);
    pthread_mutex_unlock(&peers->mutex);
}

void peers_make_room(struct peers *peers)
{
    pthread_mutex_lock(&peers->mutex);
    peers_drop_idlest(peers);
    pthread_mutex_unlock(&peers->mutex);
}

void peers_drop_slowest_upload(struct peers *peers)
{
    struct peer *slowest = NULL;
    pthread_mutex_lock(&peers->mutex);
    for (struct peer *peer = peers->lists[PEER_BODY].first; peer; peer = peer->next)
        if (peer->is_upload && !peer->is_asleep && peer->waited_ns > SLOW_AFTER_NS && peer_is_slower(peer, SLOW_RATE) &&
            (!slowest || peer->received * (slowest->waited_ns / MS_NS) < slowest->received * (peer->waited_ns / MS_NS)))
            slowest = peer;
    if (slowest)
        peer_time_out(slowest, "the body came too slowly while others waited for its place");
    pthread_mutex_unlock(&peers->mutex);
}

void peers_refuse_all(struct peers *peers, const struct reply *reply)
{
    pthread_mutex_lock(&peers->mutex);
    for (enum peer_phase phase = PEER_IDLE; phase <= PEER_BUSY; phase++)
        for (struct peer *peer; (peer = peers->lists[phase].first);) {
            if (phase >= PEER_BODY)
                peer_answer(peer, reply);
            peer_drop(peer);
        }
    pthread_mutex_unlock(&peers->mutex);
}

void peers_turn_away(int fd)
{
    char block[4096];
    struct reply reply = reply_busy(CROWDED_TEXT);
    for (int i = 0; i < DRAIN_BLOCKS && recv(fd, block, sizeof block, MSG_DONTWAIT) > 0; i++)
        ;
    answer_send(fd, &reply);
    buffer_clear(&reply.body);
    close(fd);
}

uint32_t peers_count(struct peers *peers, enum peer_phase phase)
{
    pthread_mutex_lock(&peers->mutex);
    uint32_t nr = peers->lists[phase].nr;
    pthread_mutex_unlock(&peers->mutex);
    return nr;
}
