/* Speed of vmalloc: small areas made and freed, a million of them alive, large ones mapped, addresses translated. */
#include "alloc/machine/machine_state.h"
#include "tests/bench/bench.h"

#include <stdlib.h>

#define GIB (UINT64_C(1) << 30)
#define NR_LIVE 1000000u
#define NR_CHURN 1000000u

static struct machine *quiet_machine(uint64_t memory)
{
    struct machine *m = fixture_machine("linux-6.1", memory);
    machine_record_events(m, false);
    return m;
}

/* Prefetches as a replay does that has read some operations ahead (server/lab/ahead.h). */
static void look_ahead(const struct machine *m, const uint64_t *live, const uint32_t *at)
{
    struct op far = fixture_free(OP_VFREE, live[at[4]]), near = fixture_free(OP_VFREE, live[at[2]]);
    __builtin_prefetch(&live[at[6]]);
    machine_prefetch(m, &far, PREFETCH_FAR);
    machine_prefetch(m, &near, PREFETCH_NEAR);
}

/* Each step frees an area at random and makes another. */
static void churn_areas(const char *name, struct machine *m, uint64_t *live, bool is_known_ahead)
{
    struct fixture_random random = { 42 };
    struct op make = fixture_alloc(OP_VMALLOC, PAGE_SIZE, 0), end = fixture_free(OP_VFREE, 0);
    uint32_t *at = malloc((NR_CHURN + 6) * sizeof *at);
    double best = 1e9;
    for (int run = 0; at && run < BENCH_RUNS; run++) {
        for (unsigned i = 0; i < NR_CHURN + 6; i++)
            at[i] = (uint32_t)fixture_random_below(&random, NR_LIVE);
        double start = bench_seconds();
        for (unsigned i = 0; i < NR_CHURN; i++) {
            if (is_known_ahead)
                look_ahead(m, live, at + i);
            end.address = live[at[i]];
            bench_apply(m, &end);
            live[at[i]] = bench_apply(m, &make);
        }
        double took = bench_seconds() - start;
        best = took < best ? took : best;
    }
    bench_report(name, best, 2 * NR_CHURN, "ops");
    free(at);
}

static void many_areas(void)
{
    struct machine *m = quiet_machine(8 * GIB);
    uint64_t *live = malloc(NR_LIVE * sizeof *live);
    if (!live)
        abort();
    struct op make = fixture_alloc(OP_VMALLOC, PAGE_SIZE, 0);
    double start = bench_seconds();
    for (unsigned i = 0; i < NR_LIVE; i++)
        live[i] = bench_apply(m, &make);
    bench_report("vmalloc to 1 M live areas", bench_seconds() - start, NR_LIVE, "ops");
    churn_areas("vmalloc churn, 1 M live areas", m, live, true);
    churn_areas("vmalloc churn, each by itself", m, live, false);
    free(live);
    machine_destroy(m);
}

static uint64_t translate(const struct machine *m, uint64_t address)
{
    struct translation where;
    return view_translate(m, address, 0, &where) ? where.pfn : 0;
}

static uint64_t walk(const struct machine *m, uint64_t address)
{
    uint32_t pfn = 0;
    pte_translate(&m->state.frames, m->profile, m->state.pgtable.kernel_root, address, &pfn);
    return pfn;
}

/* Page after page through an area of 1 GiB, or at random. */
static void walk_area(const char *name, const struct machine *m, uint64_t start,
                      uint64_t (*one)(const struct machine *, uint64_t), bool at_random)
{
    const unsigned nr = 4000000;
    struct fixture_random random = { 42 };
    uint64_t sum = 0;
    double best = 1e9;
    for (int run = 0; run < BENCH_RUNS; run++) {
        double begin = bench_seconds();
        for (unsigned i = 0; i < nr; i++)
            sum += one(m, start + (at_random ? fixture_random_below(&random, GIB) : (uint64_t)i * PAGE_SIZE % GIB));
        double took = bench_seconds() - begin;
        best = took < best ? took : best;
    }
    if (!sum)
        abort();
    bench_report(name, best, nr, "walks");
}

static void map_a_gibibyte(void)
{
    struct machine *m = quiet_machine(4 * GIB);
    struct op make = fixture_alloc(OP_VMALLOC, GIB, 0), end = fixture_free(OP_VFREE, 0);
    double best = 1e9;
    for (int run = 0; run < BENCH_RUNS; run++) {
        if (end.address)
            bench_apply(m, &end);
        double start = bench_seconds();
        end.address = bench_apply(m, &make);
        double took = bench_seconds() - start;
        best = took < best ? took : best;
    }
    bench_report("vmalloc 1 GiB", best, GIB / PAGE_SIZE, "pages");
    walk_area("page walk, page after page", m, end.address, walk, false);
    walk_area("page walk, at random in 1 GiB", m, end.address, walk, true);
    walk_area("translate, page after page", m, end.address, translate, false);
    machine_destroy(m);
}

void bench_vmalloc(void)
{
    bench_pairs("vmalloc+vfree 16 KiB", "linux-6.1", fixture_alloc(OP_VMALLOC, 16384, 0), fixture_free(OP_VFREE, 0));
    map_a_gibibyte();
    many_areas();
}
