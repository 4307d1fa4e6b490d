/* Engine speed on one core: the loops that topics share, and the order of the topics. */
#include "tests/bench/bench.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

double bench_seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

uint64_t bench_apply(struct machine *m, const struct op *op)
{
    static struct op_result r;
    static struct problem why; /* stays empty: what fails ends the run */
    if (machine_apply(m, op, &r, &why))
        abort();
    return r.address;
}

void bench_report(const char *name, double seconds, uint64_t nr, const char *unit)
{
    printf("%-32s %8.2f M %s/s\n", name, (double)nr / seconds / 1e6, unit);
    (void)fflush(stdout);
}

static void pairs(struct machine *m, const struct op *alloc, struct op release, unsigned nr)
{
    for (unsigned i = 0; i < nr; i++) {
        release.address = bench_apply(m, alloc);
        bench_apply(m, &release);
    }
}

void bench_pairs(const char *name, const char *profile, struct op alloc, struct op release)
{
    double best = 1e9;
    const unsigned nr = 2000000;
    for (int run = 0; run < BENCH_RUNS; run++) {
        struct machine *m = fixture_machine(profile, 0);
        machine_record_events(m, false);
        double start = bench_seconds();
        pairs(m, &alloc, release, nr);
        double took = bench_seconds() - start;
        best = took < best ? took : best;
        machine_destroy(m);
    }
    bench_report(name, best, nr, "pairs");
}

static void churn(struct machine *m, enum op_kind kind, enum op_kind release, unsigned nr_live, unsigned nr)
{
    struct fixture_random random = { 42 };
    uint64_t *address = calloc(nr_live, sizeof *address);
    uint8_t *order = calloc(nr_live, 1);
    if (!address || !order)
        abort();
    for (unsigned i = 0; i < nr_live + nr; i++) {
        unsigned at = i < nr_live ? i : (unsigned)fixture_random_below(&random, nr_live);
        if (address[at]) {
            struct op op = fixture_free(release, address[at]);
            op.order = order[at];
            op.given |= release == OP_FREE_PAGES ? OP_BIT(ORDER) : 0;
            bench_apply(m, &op);
        }
        struct op op = fixture_alloc(kind, 1 + fixture_random_below(&random, 1024), 0);
        if (kind == OP_ALLOC_PAGES) {
            order[at] = op.order = (uint8_t)(fixture_random_below(&random, 8) % 3);
            op.given = OP_BIT(ORDER);
        }
        address[at] = bench_apply(m, &op);
    }
    free(address);
    free(order);
}

void bench_churn(const char *name, enum op_kind kind, enum op_kind release, uint64_t memory, unsigned nr_live)
{
    double best = 1e9;
    const unsigned nr = 1000000;
    for (int run = 0; run < BENCH_RUNS; run++) {
        struct machine *m = fixture_machine("linux-6.1", memory);
        machine_record_events(m, false);
        double start = bench_seconds();
        churn(m, kind, release, nr_live, nr);
        double took = bench_seconds() - start;
        best = took < best ? took : best;
        machine_destroy(m);
    }
    bench_report(name, best, 2 * (uint64_t)nr + nr_live, "ops");
}

int main(void)
{
    bench_pages();
    bench_kmalloc();
    bench_vmalloc();
    bench_malloc();
    bench_image();
    return 0;
}
