/* What a lab's snapshot costs: the image of a 256 MiB machine with some life in it, and the machine back from it. */
#include "tests/bench/bench.h"

#include <stdio.h>
#include <stdlib.h>

#define NR_TRIES 20

static void bench_with(unsigned nr_live)
{
    struct machine *m = fixture_machine("linux-6.1", UINT64_C(256) << 20), *back;
    machine_record_events(m, false);
    for (unsigned i = 0; i < nr_live; i++) {
        struct op op = fixture_alloc(OP_KMALLOC, 1 + i * 7919 % 2000, 0);
        bench_apply(m, &op);
    }
    size_t room = machine_save(m, NULL, 0), nr_bytes = 0;
    void *image = malloc(room);
    double save = 1e9, load = 1e9;
    for (int run = 0; image && run < NR_TRIES; run++) {
        double start = bench_seconds();
        nr_bytes = machine_save(m, image, room);
        double saved = bench_seconds();
        if (machine_load(image, nr_bytes, &fixture_host()->host, &back))
            abort();
        double loaded = bench_seconds();
        save = saved - start < save ? saved - start : save;
        load = loaded - saved < load ? loaded - saved : load;
        machine_destroy(back);
    }
    char name[48];
    snprintf(name, sizeof name, "snapshot+restore, %u objects", nr_live);
    printf("%-32s %8.2f ms: %.2f + %.2f, %.2f MiB (goal <= 3)\n", name, (save + load) * 1e3, save * 1e3, load * 1e3,
           (double)nr_bytes / (1 << 20));
    free(image);
    machine_destroy(m);
}

void bench_image(void)
{
    bench_with(1000);
    bench_with(20000); /* in 6,000 pages, each with a chain of free objects */
}
