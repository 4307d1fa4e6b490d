/* See http_client.h. */
#include "tests/lib/http_client.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

double now_s(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

void fail(const char *what)
{
    perror(what);
    exit(1);
}

void connect_to(struct connection *c, const char *port)
{
    struct sockaddr_in address = { .sin_family = AF_INET,
                                   .sin_port = htons((uint16_t)atoi(port)),
                                   .sin_addr = { htonl(INADDR_LOOPBACK) } };
    int on = 1;
    c->fd = socket(AF_INET, SOCK_STREAM, 0);
    if (c->fd < 0 || connect(c->fd, (struct sockaddr *)&address, sizeof address) != 0)
        fail("connect");
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

void send_all(struct connection *c, const char *bytes, size_t nr_bytes)
{
    while (nr_bytes) {
        ssize_t nr = write(c->fd, bytes, nr_bytes);
        if (nr <= 0)
            fail("write");
        bytes += nr;
        nr_bytes -= (size_t)nr;
    }
}

void read_some(struct connection *c)
{
    ssize_t nr_bytes = read(c->fd, c->answer + c->nr_bytes, ANSWER_MAX - c->nr_bytes);
    if (nr_bytes <= 0)
        fail("read");
    c->nr_bytes += (size_t)nr_bytes;
}

int is_complete(struct connection *c)
{
    c->answer[c->nr_bytes] = '\0';
    const char *end = strstr(c->answer, "\r\n\r\n");
    const char *length = end ? strcasestr(c->answer, "\r\nContent-Length:") : NULL;
    return length && c->nr_bytes >= (size_t)(end + 4 - c->answer) + strtoul(length + 17, NULL, 10);
}

void ask(struct connection *c, const char *path, const char *body, const char *status)
{
    char request[1024];
    int length = snprintf(request, sizeof request,
                          "POST %s HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: "
                          "%zu\r\n\r\n%s",
                          path, strlen(body), body);
    send_all(c, request, (size_t)length);
    c->nr_bytes = 0;
    do
        read_some(c);
    while (!is_complete(c));
    if (strncmp(c->answer + 9, status, 3) != 0) {
        fprintf(stderr, "%s: %.400s\n", path, c->answer);
        exit(1);
    }
}

void answer_field(const struct connection *c, const char *name, char *text, size_t capacity)
{
    char key[40];
    snprintf(key, sizeof key, "\"%s\":\"", name);
    const char *at = strstr(c->answer, key);
    const char *end = at ? strchr(at + strlen(key), '"') : NULL;
    if (!end)
        fail(name);
    snprintf(text, capacity, "%.*s", (int)(end - at - (long)strlen(key)), at + strlen(key));
}

void make_lab(struct connection *c, const char *memory, char key[16])
{
    char body[128];
    snprintf(body, sizeof body, "{\"name\":\"bench\",\"profile\":\"linux-6.1\",\"memory\":\"%s\"}", memory);
    ask(c, "/api/v1/labs", body, "201");
    answer_field(c, "id", key, 16);
    c->nr_bytes = 0;
}
