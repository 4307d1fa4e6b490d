/* server/http/app.h - what the daemon is made of: one struct, made by cmd/serve.c, that every handler is given. */
#pragma once
#include "server/base/client.h"
#include "server/base/options.h"
#include "server/base/workers.h"
#include "server/http/connection.h"
#include "server/http/listener.h"
#include "server/http/peers.h"
#include "server/lab/lab.h"

#define KIB 1024u
#define MIB (1024u * KIB)
#define HTTP_THREADS_MAX 4

struct MHD_Daemon;
struct http_hooks;
struct import_run;
struct sse_stream;
struct upload;

struct app {
    const struct options *options;
    struct store *store;
    struct labs *labs;
    struct workers workers;
    struct clients clients; /* whom they work for */
    int web_fd;             /* directory of the pages, -1: none */

    /* server/http */
    struct MHD_Daemon *daemons[HTTP_THREADS_MAX]; /* each runs the connections whose sockets it was given */
    unsigned nr_daemons;
    struct listener listener;
    struct peers peers;
    const struct http_hooks *hooks;
    uint16_t port;
    struct {
        uint64_t upload, unpacked; /* of a body that is read while it arrives: bytes as sent, bytes of text */
        uint64_t patience_s;       /* of peers.h */
    } limits;
    struct connections connections;
    _Atomic uint64_t nr_requests, nr_problems;
    _Atomic uint64_t nr_unread;  /* bytes of long answers that wait for their readers */
    _Atomic uint64_t nr_spooled; /* bytes of bodies that wait on the disk */

    pthread_mutex_t mutex; /* guards what follows */
    struct sse_stream *streams;
    struct upload *uploads; /* whose peers are there */
    uint32_t nr_uploads;
    pthread_cond_t upload_ended;

    pthread_mutex_t imports_mutex; /* before an upload's, before mutex */
    struct import_run *imports;    /* those that run now */
};
