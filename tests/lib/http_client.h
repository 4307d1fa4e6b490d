/* tests/lib/http_client.h - just enough HTTP for the benchmarks: keep-alive connections to a pagodad on this host. Whatever
 * goes wrong ends the program. */
#pragma once
#include <stddef.h>
#include <stdint.h>

#define ANSWER_MAX 65536

struct connection {
    int fd;
    size_t nr_bytes; /* of the answer so far */
    char answer[ANSWER_MAX + 1];
};

double now_s(void);
void fail(const char *what) __attribute__((noreturn));
void connect_to(struct connection *c, const char *port);
void send_all(struct connection *c, const char *bytes, size_t nr_bytes);
void read_some(struct connection *c);
int is_complete(struct connection *c); /* the whole answer is there */
/* Sends a request with a JSON body and reads the answer, which must have this status. */
void ask(struct connection *c, const char *path, const char *body, const char *status);
/* The text of the first field of this name in the answer. */
void answer_field(const struct connection *c, const char *name, char *text, size_t capacity);
void make_lab(struct connection *c, const char *memory, char key[16]);
