/* tests/bench/bench_import.c - one lab imports NDJSON while another is worked with, operation by operation.
 *
 *     bench_import PORT OPERATIONS [alone]
 *
 * The body is one block of lines, over and over: kmallocs of many sizes, and their kfrees in the opposite order, after
 * which the next kmallocs find the same addresses again. Which ones these are is asked of the lab first. Every operation
 * must be applied and end well. The other lab has one client that waits for each of its operations to be on disk. */
#include "tests/lib/http_client.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NR_BLOCKS 60
#define WAITS_MAX 1000000u

static const unsigned SIZES[] = { 8, 16, 32, 64, 96, 128, 192, 256, 512, 1024, 2048, 4096 };

struct others {
    const char *port;
    pthread_t thread;
    atomic_int has_begun, stops;
    double *waits_ms;
    size_t nr_waits;
};

static void *run_others(void *context)
{
    struct others *others = context;
    struct connection *c = calloc(1, sizeof *c);
    char key[16], path[64];
    if (!c)
        fail("calloc");
    connect_to(c, others->port);
    make_lab(c, "64M", key);
    snprintf(path, sizeof path, "/api/v1/labs/%s/ops", key);
    while (!atomic_load(&others->stops) && others->nr_waits < WAITS_MAX) {
        double start = now_s();
        ask(c, path, "{\"op\":\"kmalloc\",\"size\":64}", "201");
        others->waits_ms[others->nr_waits++] = (now_s() - start) * 1e3;
        atomic_store(&others->has_begun, 1);
    }
    free(c);
    return NULL;
}

static int compare(const void *a, const void *b)
{
    double left = *(const double *)a, right = *(const double *)b;
    return (left > right) - (left < right);
}

/* Makes the block; returns its length. */
static size_t fill_block(struct connection *c, const char *path, char *block, size_t capacity)
{
    static char addresses[NR_BLOCKS][24];
    char body[96];
    size_t length = 0;
    for (int i = 0; i < NR_BLOCKS; i++) {
        unsigned size = SIZES[(unsigned)i % (sizeof SIZES / sizeof SIZES[0])];
        snprintf(body, sizeof body, "{\"op\":\"kmalloc\",\"size\":%u,\"gfp\":\"GFP_KERNEL\",\"call_site\":\"load+0x%x\"}",
                 size, 16 * (unsigned)i);
        ask(c, path, body, "201");
        answer_field(c, "address", addresses[i], sizeof addresses[i]);
        length += (size_t)snprintf(block + length, capacity - length, "%s\n", body);
    }
    for (int i = NR_BLOCKS; i-- > 0;) {
        snprintf(body, sizeof body, "{\"op\":\"kfree\",\"address\":\"%s\"}", addresses[i]);
        ask(c, path, body, "201");
        length += (size_t)snprintf(block + length, capacity - length, "%s\n", body);
    }
    return length;
}

/* A megabyte or so at a time. */
static void send_blocks(struct connection *c, const char *block, size_t length, uint64_t count)
{
    const uint64_t at_once = 128;
    char *many = malloc(length * at_once);
    if (!many)
        fail("malloc");
    for (uint64_t i = 0; i < at_once; i++)
        memcpy(many + i * length, block, length);
    for (; count; count -= count < at_once ? count : at_once)
        send_all(c, many, length * (count < at_once ? count : at_once));
    free(many);
}

static double import(struct connection *c, const char *key, const char *block, size_t length, uint64_t count)
{
    char request[256], expected[64];
    int nr_bytes =
        snprintf(request, sizeof request,
                 "POST /api/v1/labs/%s/import?format=ndjson HTTP/1.1\r\nHost: localhost\r\nContent-Length: %zu\r\n\r\n",
                 key, length * count);
    double start = now_s();
    send_all(c, request, (size_t)nr_bytes);
    send_blocks(c, block, length, count);
    c->nr_bytes = 0;
    do
        read_some(c);
    while (!is_complete(c));
    double seconds = now_s() - start;
    snprintf(expected, sizeof expected, "\"outcomes\":{\"ok\":%llu,", (unsigned long long)count * 2 * NR_BLOCKS);
    if (!strstr(c->answer, expected)) {
        fprintf(stderr, "bench_import: %.1500s\n", c->answer);
        exit(1);
    }
    return seconds;
}

int main(int argc, char **argv)
{
    if (argc < 3) {
        fprintf(stderr, "usage: bench_import PORT OPERATIONS [alone]\n");
        return 2;
    }
    static struct connection c;
    static char block[64 * NR_BLOCKS * 4];
    char key[16], path[64];
    struct others others = { .port = argv[1], .waits_ms = calloc(WAITS_MAX, sizeof(double)) };
    int is_alone = argc > 3;
    connect_to(&c, argv[1]);
    make_lab(&c, "256M", key);
    snprintf(path, sizeof path, "/api/v1/labs/%s/ops", key);
    size_t length = fill_block(&c, path, block, sizeof block);
    uint64_t count = strtoull(argv[2], NULL, 10) / (2 * NR_BLOCKS);
    if (!is_alone && pthread_create(&others.thread, NULL, run_others, &others) != 0)
        fail("pthread_create");
    while (!is_alone && !atomic_load(&others.has_begun))
        ;
    double seconds = import(&c, key, block, length, count);
    atomic_store(&others.stops, 1);
    double operations = (double)count * 2 * NR_BLOCKS;
    printf("import operations=%.0f seconds=%.2f ops_per_s=%.0f", operations, seconds, operations / seconds);
    if (!is_alone) {
        pthread_join(others.thread, NULL);
        size_t nr = others.nr_waits;
        qsort(others.waits_ms, nr, sizeof(double), compare);
        printf(" others=%zu p50_ms=%.2f p99_ms=%.2f max_ms=%.2f", nr, others.waits_ms[nr / 2],
               others.waits_ms[nr * 99 / 100], others.waits_ms[nr - 1]);
    }
    printf("\n");
    free(others.waits_ms);
    return 0;
}
