/* tests/bench/bench_http.c - how many durable operations a second a running pagodad answers, against its empty request.
 *
 *     bench_http PORT [CONNECTIONS [SECONDS]]
 *
 * One thread, epoll, keep-alive connections that each have one request under way. It makes a lab, then takes turns between
 * GET /healthz (the same HTTP set-up with nothing to do) and POST of a kmalloc that is answered when it is on disk. */
#include "tests/lib/http_client.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#define CONNECTIONS_MAX 256
#define ROUNDS 3

/* Answers a second of one request on all connections. */
static double measure(int epoll, struct connection *connections, int count, const char *request, const char *status,
                      double seconds)
{
    struct epoll_event events[CONNECTIONS_MAX];
    uint64_t nr_answers = 0;
    double start = now_s(), end = start + seconds;
    int under_way = count;
    for (int i = 0; i < count; i++)
        send_all(&connections[i], request, strlen(request));
    while (under_way > 0) {
        int ready = epoll_wait(epoll, events, CONNECTIONS_MAX, 5000);
        if (ready <= 0)
            fail("no answer");
        int goes_on = now_s() < end;
        for (int i = 0; i < ready; i++) {
            struct connection *c = events[i].data.ptr;
            read_some(c);
            if (!is_complete(c))
                continue;
            if (strncmp(c->answer + 9, status, 3) != 0) {
                fprintf(stderr, "bench_http: %.200s\n", c->answer);
                exit(1);
            }
            c->nr_bytes = 0;
            nr_answers++;
            if (goes_on)
                send_all(c, request, strlen(request));
            else
                under_way--;
        }
    }
    return (double)nr_answers / (now_s() - start);
}

static void fill_ops_request(char *request, size_t capacity, const char *key)
{
    static const char BODY[] = "{\"op\":\"kmalloc\",\"size\":64}";
    snprintf(request, capacity,
             "POST /api/v1/labs/%s/ops HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: "
             "%zu\r\n\r\n%s",
             key, sizeof BODY - 1, BODY);
}

int main(int argc, char **argv)
{
    if (argc < 2) {
        fprintf(stderr, "usage: bench_http PORT [CONNECTIONS [SECONDS]]\n");
        return 2;
    }
    int count = argc > 2 ? atoi(argv[2]) : 32, epoll = epoll_create1(0);
    double seconds = argc > 3 ? atof(argv[3]) : 1, empty = 0, durable = 0;
    struct connection *connections = calloc(CONNECTIONS_MAX, sizeof *connections);
    if (!connections || count < 1 || count > CONNECTIONS_MAX) {
        free(connections);
        return 2;
    }
    for (int i = 0; i < count; i++) {
        connect_to(&connections[i], argv[1]);
        struct epoll_event event = { .events = EPOLLIN, .data = { .ptr = &connections[i] } };
        epoll_ctl(epoll, EPOLL_CTL_ADD, connections[i].fd, &event);
    }
    char key[16], ops_request[512];
    make_lab(&connections[0], "256M", key);
    fill_ops_request(ops_request, sizeof ops_request, key);
    for (int round = 0; round < ROUNDS; round++) {
        empty +=
            measure(epoll, connections, count, "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n", "200", seconds) / ROUNDS;
        durable += measure(epoll, connections, count, ops_request, "201", seconds) / ROUNDS;
    }
    printf("http connections=%d empty_per_s=%.0f durable_ops_per_s=%.0f ratio=%.2f\n", count, empty, durable,
           durable / empty);
    free(connections);
    return 0;
}
