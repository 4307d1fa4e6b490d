/* tests/bench/bench.h - what the benchmarks share. Each topic has a file, bench_<topic>.c, with one function that prints
 * its rows: a line a figure, to be compared with an earlier run's. Recording is off, seeds are fixed, each figure is the
 * best of three. */
#pragma once
#include "tests/lib/fixture.h"

#define BENCH_RUNS 3

double bench_seconds(void);
/* Applies one operation; aborts when it is refused. Returns the result's address. */
uint64_t bench_apply(struct machine *machine, const struct op *op);
void bench_report(const char *name, double seconds, uint64_t nr, const char *unit); /* millions of unit a second */
/* nr pairs of an allocation and its free, through machine_apply. release: the address is filled in. */
void bench_pairs(const char *name, const char *profile, struct op alloc, struct op release);
/* Operations over a full table of live blocks of random sizes up to 1024 (pages: orders 0..2): each step frees one at
 * random and allocates another. */
void bench_churn(const char *name, enum op_kind kind, enum op_kind release, uint64_t memory, unsigned nr_live);

void bench_pages(void);
void bench_kmalloc(void);
void bench_vmalloc(void);
void bench_malloc(void);
void bench_image(void);
