/* alloc/machine_state.h - the whole machine: every floor, and the range its pools live in. For alloc/machine*.c, alloc/view_*.c. */
#pragma once
#include "alloc/frame.h"
#include "alloc/kmalloc.h"
#include "alloc/label.h"
#include "alloc/malloc.h"
#include "alloc/page_alloc.h"
#include "alloc/pgtable.h"
#include "alloc/process.h"
#include "alloc/reclaim.h"
#include "alloc/trace.h"
#include "alloc/vmalloc.h"
#include "pagoda/machine.h"

#define POOLS_MAX 64

/* What is state: copied, saved, hashed. */
struct machine_state {
    struct machine_config config;
    uint64_t seq, now_ns;
    uint64_t nr_outcomes[3];
    struct frames frames;
    struct page_alloc pages;
    struct reclaim reclaim;
    struct pgtable pgtable;
    struct kmalloc kmalloc;
    struct vmalloc vmalloc;
    struct processes processes;
    struct heaps heaps;
    struct labels labels;
};
struct machine {
    struct machine_state state;
    const struct profile *profile;
    struct pagoda_host host;
    void *range; /* what the host reserved */
    size_t range_bytes;
    struct pool *pools[POOLS_MAX]; /* of all floors, in layout order */
    uint32_t nr_pools;
    uint32_t nr_reserved_ops; /* small operations for which host memory is already reserved */
    struct trace trace;
    uint8_t bytes[OP_DATA_MAX]; /* what read returns */
};
