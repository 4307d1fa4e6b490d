/* server/http/peers.h - who is connected, what each of them owes, and since when.
 *
 * libmicrohttpd ends a connection on which nothing moves. It does not end one on which a byte a second moves, and when all
 * its connections are taken, newcomers wait in silence. So every connection has a peer here. A peer that owes the head of a
 * request, or a body, has a deadline. When connections run short, the one that has been idle longest makes room. */
#pragma once
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

struct MHD_Connection;
struct peer;
struct reply;

#define CROWDED_TEXT "there are too many connections; try again later"

enum peer_phase {
    PEER_IDLE,    /* between two requests */
    PEER_HEAD,    /* owes the head of a request, or is to hang up */
    PEER_BODY,    /* owes the body of a request */
    PEER_BUSY,    /* waits for an answer, or reads it */
    PEER_DROPPED, /* its socket is shut down */
    NR_PEER_PHASES
};

struct peer_limits {
    uint32_t nr_peers;    /* that are served; more are told to come back later */
    uint32_t nr_streams;  /* of these, how many may be event streams */
    uint64_t patience_ns; /* for a head; for a body, before its rate is looked at */
};

/* In the order in which they entered the phase. */
struct peer_list {
    struct peer *first, *last;
    uint32_t nr;
};

struct peers {
    struct peer_limits limits;
    pthread_mutex_t mutex; /* the innermost: may be taken with any other held; guards what follows */
    struct peer_list lists[NR_PEER_PHASES];
    uint32_t nr_served, nr_streams;
    uint64_t swept_ns; /* when peers_sweep() looked last, of clock_ns() */
};

void peers_start(struct peers *peers, const struct peer_limits *limits);

/* A newcomer. Above the limit it takes the place of the peer that has been idle longest; if nobody is idle, it is surplus.
 * fd  its socket, which must stay open until peer_destroy().
 * Result: NULL: out of memory. In all that follows NULL is a peer that has no deadlines. */
struct peer *peer_create(struct peers *peers, int fd);
void peer_destroy(struct peer *peer);
struct peer *peer_of(struct MHD_Connection *connection);

/* ---- what a peer is at ---- */

bool peer_is_surplus(const struct peer *peer); /* it is to be told to come back later */
void peer_enter(struct peer *peer, enum peer_phase phase);
void peer_receive(struct peer *peer, uint64_t nr_bytes); /* of its body */
void peer_set_asleep(struct peer *peer, bool is_asleep); /* nobody reads from it, so it owes nothing */
void peer_set_upload(struct peer *peer);                 /* its body holds one of the few places for uploads */
bool peer_begin_stream(struct peer *peer);               /* False: there are as many event streams as there may be. */
/* Before libmicrohttpd writes to it. False: peer_refuse() or a deadline was quicker; the connection is to end. */
bool peer_begin_reply(struct peer *peer);
/* An answer past libmicrohttpd, on the connection's HTTP thread while the body arrives. The peer may send on for a while,
 * so that it hears the answer; no request follows. */
void peer_refuse(struct peer *peer, const struct reply *reply);

/* ---- all of them ---- */

/* Now and then: ends the connections of those who owe something for too long. */
void peers_sweep(struct peers *peers);
/* Drops the one that has been idle longest. */
void peers_make_room(struct peers *peers);
/* Ends the connection whose upload comes slowest, if it is slow. */
void peers_drop_slowest_upload(struct peers *peers);
/* Ends all connections. Who waits for an answer that has not begun gets this one. */
void peers_refuse_all(struct peers *peers, const struct reply *reply);
/* Tells a newcomer to come back later, past libmicrohttpd, and closes its socket. What it has sent is read first: else the
 * host would reset the connection, and the answer would be lost. */
void peers_turn_away(int fd);
uint32_t peers_count(struct peers *peers, enum peer_phase phase);
