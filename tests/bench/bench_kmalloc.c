/* Speed of kmalloc: through machine_apply, and of its floor alone; mixed sizes among many live objects; what the records of
 * a live object cost. */
#include "alloc/slab/slab_record.h"
#include "alloc/machine/machine_state.h"
#include "tests/bench/bench.h"

#include <stdio.h>
#include <stdlib.h>

#define MIB (UINT64_C(1) << 20)

/* Host memory for so many calls at once, so that what is measured is the floor. */
static struct kmalloc *open_floor(struct machine *m, uint32_t nr_calls, uint64_t nr_pages)
{
    struct kmalloc *k = &m->state.kmalloc;
    machine_record_events(m, false);
    if (kmalloc_reserve(k, &m->host, nr_calls) || pool_reserve(&m->state.frames.contents, &m->host, nr_pages))
        abort();
    trace_start(&m->trace, 1, 0);
    return k;
}

static void floor_pairs(const char *name, const char *profile, uint64_t size)
{
    double best = 1e9;
    const unsigned nr = 5000000;
    for (int run = 0; run < BENCH_RUNS; run++) {
        struct machine *m = fixture_machine(profile, 64 * MIB);
        struct kmalloc *k = open_floor(m, 16, 64);
        const struct kmalloc_request request = { .size = size, .gfp = GFP_KERNEL };
        uint64_t keeps_slab = kmalloc_alloc(k, &request).address; /* as on any machine that is in use */
        double start = bench_seconds();
        for (unsigned i = 0; i < nr; i++)
            kmalloc_free(k, kmalloc_alloc(k, &request).address, NAME_NONE);
        double took = bench_seconds() - start;
        best = took < best ? took : best;
        kmalloc_free(k, keeps_slab, NAME_NONE);
        machine_destroy(m);
    }
    bench_report(name, best, nr, "pairs");
}

/* Sizes as kernels ask for them: most are small. */
static uint64_t mixed_size(struct fixture_random *random)
{
    return 1 + fixture_random_below(random, UINT64_C(16) << fixture_random_below(random, 6));
}

static void print_records(const struct kmalloc *k)
{
    uint64_t bytes = (uint64_t)pool_nr_live(&k->slabs) * k->slabs.item_size;
    for (unsigned run = 0; run < NR_TRACK_RUNS; run++)
        bytes += (uint64_t)pool_nr_live(&k->tracks[run]) * k->tracks[run].item_size;
    printf("%-34s %8.2f bytes an object, %llu live\n", "kmalloc records", (double)bytes / (double)k->nr_live,
           (unsigned long long)k->nr_live);
}

/* As a replay does that has read some operations ahead: server/lab/ahead.h. */
static void look_ahead(const struct kmalloc *k, const uint64_t *address, const uint32_t *at)
{
    __builtin_prefetch(&address[at[6]]);
    kmalloc_prefetch(k, address[at[4]], PREFETCH_FAR);
    kmalloc_prefetch(k, address[at[2]], PREFETCH_NEAR);
}

/* A million live objects; each step frees one at random and allocates another. */
static void floor_churn(const char *name, bool is_known_ahead, unsigned nr_live, unsigned nr)
{
    double best = 1e9;
    uint64_t *address = calloc(nr_live, sizeof *address);
    uint32_t *at = calloc(nr + 6, sizeof *at), *size = calloc(nr, sizeof *size);
    for (int run = 0; address && at && size && run < BENCH_RUNS; run++) {
        struct fixture_random random = { 42 };
        struct machine *m = fixture_machine("linux-6.1", 1024 * MIB);
        struct kmalloc *k = open_floor(m, 200000, 120000);
        for (unsigned i = 0; i < nr_live; i++)
            address[i] =
                kmalloc_alloc(k, &(struct kmalloc_request){ .size = mixed_size(&random), .gfp = GFP_KERNEL }).address;
        for (unsigned i = 0; i < nr; i++) {
            at[i] = (uint32_t)fixture_random_below(&random, nr_live);
            size[i] = (uint32_t)mixed_size(&random);
        }
        double start = bench_seconds();
        for (unsigned i = 0; i < nr; i++) {
            if (is_known_ahead)
                look_ahead(k, address, at + i);
            kmalloc_free(k, address[at[i]], NAME_NONE);
            address[at[i]] = kmalloc_alloc(k, &(struct kmalloc_request){ .size = size[i], .gfp = GFP_KERNEL }).address;
        }
        double took = bench_seconds() - start;
        best = took < best ? took : best;
        if (run == BENCH_RUNS - 1 && is_known_ahead)
            print_records(k);
        machine_destroy(m);
    }
    bench_report(name, best, 2ull * nr, "ops");
    free(address);
    free(at);
    free(size);
}

void bench_kmalloc(void)
{
    struct op kmalloc = fixture_alloc(OP_KMALLOC, 100, 0);
    floor_pairs("kmalloc floor 100 slub", "linux-6.1", 100);
    floor_pairs("kmalloc floor 100 classic", "classic", 100);
    floor_churn("kmalloc floor 1M live, mixed", true, 1000000, 2000000);
    floor_churn("kmalloc floor 1M live, each by itself", false, 1000000, 2000000);
    bench_pairs("kmalloc+kfree 100 slub", "linux-6.1", kmalloc, fixture_free(OP_KFREE, 0));
    bench_pairs("kmalloc+kfree 100 classic", "classic", kmalloc, fixture_free(OP_KFREE, 0));
    bench_churn("kmalloc churn 200k live", OP_KMALLOC, OP_KFREE, 1024 * MIB, 200000);
}
