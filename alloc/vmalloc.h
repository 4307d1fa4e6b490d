/* alloc/vmalloc.h - virtually contiguous kernel memory: areas, guard pages, lazy freeing. Linux v6.1 mm/vmalloc.c; classic:
 * Linux v2.0 mm/vmalloc.c. Stands on: kmalloc (page-pointer arrays), pgtable, reclaim, frame.
 * Misuse: trace_bug() in the kernel's words, nothing changed. */
#pragma once
#include "alloc/kmalloc.h"
#include "alloc/pgtable.h"

struct vmalloc {
    struct kmalloc *kmalloc; /* wired */
    struct pgtable *pgtable; /* wired */
    struct reclaim *reclaim; /* wired */
    struct frames *frames; /* wired */
    struct trace *trace; /* wired */
    const struct profile *profile; /* wired */
    struct pool areas; /* struct vmap_area (vmalloc.c): busy, lazy and free ones */
    uint32_t free_root, busy_root, lazy_root; /* trees of areas by address */
    uint64_t start, end; /* [start, end) of the vmalloc range */
    uint64_t nr_lazy_pages, lazy_max_pages;
    uint64_t nr_busy, requested_bytes, allocated_bytes;
};
enum vmalloc_flags { VMALLOC_ZERO = 1, VMALLOC_HUGE = 2 };

void vmalloc_shape(struct vmalloc *v, const struct machine_config *config, const struct profile *profile);
void vmalloc_wire(struct vmalloc *v, struct kmalloc *kmalloc, struct pgtable *pgtable, struct reclaim *reclaim,
                  struct frames *frames, struct trace *trace, const struct profile *profile);
uint32_t vmalloc_pools(struct vmalloc *v, struct pool **pools);
enum pagoda_error vmalloc_reserve(struct vmalloc *v, const struct pagoda_host *host);
void vmalloc_start(struct vmalloc *v, const struct machine_config *config);

uint64_t vmalloc_alloc(struct vmalloc *v, uint64_t size, uint32_t flags, uint32_t label); /* 0: NULL; the trace has the message */
void vmalloc_free(struct vmalloc *v, uint64_t address);
void vmalloc_purge(struct vmalloc *v);
struct vmalloc_block {
    uint64_t address, requested;
    uint32_t nr_pages, label, seq;
};
bool vmalloc_find(const struct vmalloc *v, uint64_t address, struct vmalloc_block *block); /* address: the start of a busy area */
bool vmalloc_next(const struct vmalloc *v, uint64_t *cursor, struct vmalloc_block *block); /* what callers got, not page arrays */
bool vmalloc_contains(const struct vmalloc *v, uint64_t address); /* inside the vmalloc range */
bool vmalloc_check(const struct vmalloc *v, char *text, size_t capacity);
