/* alloc/machine/machine_state.h - the whole machine: every floor, and the range of memory in which its pools lie. For
 * alloc/machine, alloc/view and alloc/proc. */
#pragma once
#include "alloc/memory/frame.h"
#include "alloc/slab/kmalloc.h"
#include "alloc/base/name.h"
#include "alloc/malloc/malloc.h"
#include "alloc/page/page_alloc.h"
#include "alloc/pgtable/pgtable.h"
#include "alloc/process/process.h"
#include "alloc/reclaim/reclaim.h"
#include "alloc/memory/tlb.h"
#include "alloc/base/trace.h"
#include "alloc/vmalloc/vmalloc.h"
#include "pagoda/machine.h"

#define POOLS_MAX 64

struct machine;
bool machine_check_tlbs(const struct machine *m, char *text,
                        size_t capacity); /* does no entry contradict the page tables? */

/* The state: what is copied, saved and hashed. */
STATE_STRUCTS
struct machine_state {
    struct machine_config config;
    uint64_t seq, now_ns;
    uint64_t nr_outcomes[3];
    uint64_t nr_page_blocks, page_block_bytes; /* from alloc_pages(), and not freed yet */
    struct frames frames;
    struct page_alloc pages;
    struct reclaim reclaim;
    struct tlb tlb;
    struct pgtable pgtable;
    struct kmalloc kmalloc;
    struct vmalloc vmalloc;
    struct processes processes;
    struct heaps heaps;
    struct names names;
};
STATE_STRUCTS_END
/* What the OOM report says of the process with that address space (machine_pages.c). */
struct reclaim_task machine_task_of(const void *state, struct space_ref space);
/* machine_tables.c. NR_PAGETABLE: the tables that Linux counts: of a process the two lowest levels, of the kernel the last
 * but one. */
uint64_t machine_count_tables(const void *state);
/* Tables below the top one, of every level: VmPTE. */
uint64_t machine_process_tables(const struct machine_state *s, const struct process *process);

struct machine {
    struct machine_state state;
    const struct profile *profile;
    struct pagoda_host host;
    size_t range_bytes;            /* what the host reserved, from this struct on */
    uint64_t seal;                 /* of what machine_destroy() relies on: the machine may have been written over */
    struct pool *pools[POOLS_MAX]; /* of all floors, in layout order */
    struct pool_source sources[POOLS_MAX];
    uint32_t nr_pools;
    uint32_t nr_reserved_ops;  /* small operations for which host memory is already reserved */
    uint32_t nr_reserved_user; /* those of them that may also be a process's */
    struct trace trace;
    struct libc libc;
    uint8_t bytes[OP_DATA_MAX]; /* what read returns */
};
