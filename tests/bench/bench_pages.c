/* Speed of the page allocator: its floor alone, then through machine_apply; and what a machine costs to make. */
#include "tests/bench/bench.h"
#include "tests/lib/floor_fixture.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#define GIB (UINT64_C(1) << 30)
#define MIB (UINT64_C(1) << 20)

static struct page_floor *open_floor(uint64_t memory)
{
    struct machine_config config = { .profile = PROFILE_LINUX_6_1, .memory = memory };
    struct problem why = { 0 };
    if (machine_config_complete(&config, &why))
        abort();
    struct page_floor *floor = page_floor_open(&config);
    if (!floor)
        abort();
    return floor;
}

/* Processor time: what neighbours on the machine take does not count. */
static double floor_seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

/* An order-0 block taken and given back, nr times: it never leaves this CPU's list. */
static void floor_pairs(const char *name, uint32_t order)
{
    const unsigned nr = 10000000;
    double best = 1e9;
    for (int run = 0; run < BENCH_RUNS; run++) {
        struct page_floor *floor = open_floor(256 * MIB);
        double start = floor_seconds();
        for (unsigned i = 0; i < nr; i++)
            page_free(&floor->pages, page_alloc_fast(&floor->pages, GFP_KERNEL, order), order);
        double took = floor_seconds() - start;
        best = took < best ? took : best;
        page_floor_close(floor);
    }
    bench_report(name, best, nr, "pairs");
}

struct live {
    uint32_t pfn, order;
};
struct turn {
    uint32_t at, order;
};

/* What is freed and what comes in its place: drawn beforehand, so that the allocator alone is timed. */
static void draw_turns(struct turn *turns, unsigned nr_live, unsigned nr)
{
    struct fixture_random random = { 42 };
    for (unsigned i = 0; i < nr_live + nr; i++) {
        uint64_t draw = fixture_random_below(&random, UINT64_C(1) << 40);
        turns[i].at = i < nr_live ? i : (unsigned)((draw >> 8) % nr_live);
        turns[i].order = (uint32_t)(draw & 7) % 4;
    }
}

/* Mixed orders 0..3 over a full table of live blocks; returns seconds for 2 * nr operations. */
static double churn_floor(struct page_floor *floor, struct live *blocks, const struct turn *turns, unsigned nr_live,
                          unsigned nr)
{
    double start = 0;
    for (unsigned i = 0; i < nr_live + nr; i++) {
        if (i == nr_live)
            start = floor_seconds();
        struct live *block = &blocks[turns[i].at];
        if (block->pfn)
            page_free(&floor->pages, block->pfn, block->order);
        block->order = turns[i].order;
        block->pfn = page_alloc_fast(&floor->pages, GFP_KERNEL, block->order);
    }
    return floor_seconds() - start;
}

static void floor_churn(uint64_t memory, unsigned nr_live)
{
    const unsigned nr = 2000000;
    double best = 1e9;
    struct live *blocks = calloc(nr_live, sizeof *blocks);
    struct turn *turns = calloc(nr_live + nr, sizeof *turns);
    if (!blocks || !turns)
        abort();
    draw_turns(turns, nr_live, nr);
    for (int run = 0; run < BENCH_RUNS; run++) {
        struct page_floor *floor = open_floor(memory);
        memset(blocks, 0, nr_live * sizeof *blocks);
        double took = churn_floor(floor, blocks, turns, nr_live, nr);
        best = took < best ? took : best;
        page_floor_close(floor);
    }
    free(blocks);
    free(turns);
    char name[48];
    (void)snprintf(name, sizeof name, "page floor %uk live, %llu MiB", nr_live / 1000, (unsigned long long)(memory / MIB));
    bench_report(name, best, 2 * (uint64_t)nr, "ops");
}

static struct op pages_op(enum op_kind kind, uint8_t order)
{
    struct op op = fixture_op(kind);
    op.order = order;
    op.given = OP_BIT(ORDER) | (kind == OP_FREE_PAGES ? OP_BIT(ADDRESS) : 0);
    return op;
}

static void applied_pairs(const char *name, const char *profile, uint8_t order)
{
    bench_pairs(name, profile, pages_op(OP_ALLOC_PAGES, order), pages_op(OP_FREE_PAGES, order));
}

static void create(uint64_t memory)
{
    double start = bench_seconds();
    struct machine *m = fixture_machine("linux-6.1", memory);
    double took = bench_seconds() - start;
    printf("create %6llu MiB                %8.2f ms, %.2f MiB of host memory\n", (unsigned long long)(memory / MIB),
           took * 1e3, (double)machine_host_bytes(m) / (double)MIB);
    start = bench_seconds();
    struct machine *copy;
    if (machine_clone(m, &copy))
        abort();
    printf("clone  %6llu MiB                %8.2f ms\n", (unsigned long long)(memory / MIB),
           (bench_seconds() - start) * 1e3);
    machine_destroy(copy);
    machine_destroy(m);
}

void bench_pages(void)
{
    floor_pairs("page floor order 0 through pcp", 0);
    floor_pairs("page floor order 4", 4);
    floor_churn(4 * GIB, 200000);
    floor_churn(256 * MIB, 12500); /* the same blocks live on 2^16, 2^20 and 2^24 frames */
    floor_churn(4 * GIB, 12500);
    floor_churn(64 * GIB, 12500);
    applied_pairs("alloc_pages 0 linux-6.1", "linux-6.1", 0);
    applied_pairs("alloc_pages 4 linux-6.1", "linux-6.1", 4);
    applied_pairs("alloc_pages 0 classic", "classic", 0);
    bench_churn("pages churn 200k live", OP_ALLOC_PAGES, OP_FREE_PAGES, 4 * GIB, 200000);
    create(256 * MIB);
    create(64 * GIB);
}
