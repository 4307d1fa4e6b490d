/* Engine speed on one core, recording off: a line a figure, in operations a second. Rivals of the same run where there are
 * any: the host's own malloc for the heap. Seeds are fixed; each figure is the best of three. */
#include "tests/fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static double seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static uint64_t apply(struct machine *m, const struct op *op)
{
    static struct op_result r;
    struct problem why;
    if (machine_apply(m, op, &r, &why))
        abort();
    return r.address;
}

/* nr pairs of an allocation and its free. */
static void pairs(struct machine *m, struct op alloc, struct op release, unsigned nr)
{
    for (unsigned i = 0; i < nr; i++) {
        release.address = apply(m, &alloc);
        apply(m, &release);
    }
}

/* nr operations over a full table of live blocks of mixed sizes: each frees a random one and allocates another. */
static void churn(struct machine *m, enum op_kind kind, enum op_kind release, unsigned live, unsigned nr)
{
    struct fixture_random random = { 42 };
    uint64_t *address = calloc(live, sizeof *address);
    uint8_t *order = calloc(live, 1);
    if (!address || !order)
        abort();
    for (unsigned i = 0; i < live + nr; i++) {
        unsigned at = i < live ? i : (unsigned)fixture_random_below(&random, live);
        if (address[at]) {
            struct op op = fixture_free(release, address[at]);
            op.order = order[at];
            op.given |= release == OP_FREE_PAGES ? P(ORDER) : 0;
            apply(m, &op);
        }
        struct op op = fixture_alloc(kind, 1 + fixture_random_below(&random, 1024), 0);
        if (kind == OP_ALLOC_PAGES) {
            order[at] = op.order = (uint8_t)(fixture_random_below(&random, 8) % 3);
            op.given = P(ORDER);
        }
        address[at] = apply(m, &op);
    }
    free(address);
    free(order);
}

static struct op pages_op(uint8_t order)
{
    struct op op = fixture_op(OP_ALLOC_PAGES);
    op.order = order;
    op.given = P(ORDER);
    return op;
}

static void report(const char *name, double best, unsigned nr, const char *unit)
{
    printf("%-28s %8.2f M %s/s\n", name, nr / best / 1e6, unit);
}

static void bench_pairs(const char *name, const char *profile, struct op alloc, enum op_kind release,
                        uint32_t release_given)
{
    double best = 1e9;
    const unsigned nr = 2000000;
    for (int run = 0; run < 3; run++) {
        struct machine *m = fixture_machine(profile, 0);
        machine_record_events(m, false);
        struct op freeing = fixture_free(release, 0);
        freeing.order = alloc.order;
        freeing.given |= release_given;
        double start = seconds();
        pairs(m, alloc, freeing, nr);
        double took = seconds() - start;
        best = took < best ? took : best;
        machine_destroy(m);
    }
    report(name, best, nr, "pairs");
}

static void bench_churn(const char *name, enum op_kind kind, enum op_kind release, uint64_t memory, unsigned live)
{
    double best = 1e9;
    const unsigned nr = 1000000;
    for (int run = 0; run < 3; run++) {
        struct machine *m = fixture_machine("linux-6.1", memory);
        machine_record_events(m, false);
        double start = seconds();
        churn(m, kind, release, live, nr);
        double took = seconds() - start;
        best = took < best ? took : best;
        machine_destroy(m);
    }
    report(name, best, 2 * nr + live, "ops");
}

static void bench_create(uint64_t memory)
{
    double start = seconds();
    struct machine *m = fixture_machine("linux-6.1", memory);
    double took = seconds() - start;
    printf("create %6llu MiB            %8.2f ms, %.2f MiB of host memory\n", (unsigned long long)(memory >> 20),
           took * 1e3, (double)machine_host_bytes(m) / (1 << 20));
    start = seconds();
    struct machine *copy;
    if (machine_clone(m, &copy))
        abort();
    printf("clone  %6llu MiB            %8.2f ms\n", (unsigned long long)(memory >> 20), (seconds() - start) * 1e3);
    machine_destroy(copy);
    machine_destroy(m);
}

int main(void)
{
    struct op kmalloc = fixture_alloc(OP_KMALLOC, 100, 0);
    bench_pairs("kmalloc+kfree 100 slub", "linux-6.1", kmalloc, OP_KFREE, 0);
    bench_pairs("kmalloc+kfree 100 classic", "classic", kmalloc, OP_KFREE, 0);
    bench_pairs("alloc_pages 0 linux-6.1", "linux-6.1", pages_op(0), OP_FREE_PAGES, P(ORDER));
    bench_pairs("alloc_pages 4 linux-6.1", "linux-6.1", pages_op(4), OP_FREE_PAGES, P(ORDER));
    bench_pairs("alloc_pages 0 classic", "classic", pages_op(0), OP_FREE_PAGES, P(ORDER));
    bench_pairs("vmalloc+vfree 16 KiB", "linux-6.1", fixture_alloc(OP_VMALLOC, 16384, 0), OP_VFREE, 0);
    bench_churn("kmalloc churn 200k live", OP_KMALLOC, OP_KFREE, UINT64_C(1) << 30, 200000);
    bench_churn("pages churn 200k live", OP_ALLOC_PAGES, OP_FREE_PAGES, UINT64_C(4) << 30, 200000);
    bench_create(UINT64_C(256) << 20);
    bench_create(UINT64_C(64) << 30);
    return 0;
}
