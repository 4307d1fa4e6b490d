/* alloc/vmalloc/vmalloc.h - virtually contiguous kernel memory: areas, guard pages, lazy freeing. Linux v6.1 mm/vmalloc.c;
 * classic: Linux v2.0 mm/vmalloc.c. Stands on: kmalloc (page-pointer arrays), pgtable, reclaim, frame.
 *
 * linux-6.1: area, page-pointer array (8 bytes a page: kmalloc up to a page, above that a nested area), pages in chunks
 * from the bulk allocator, page tables. A freed area turns lazy; when more lazy pages than lazy_max_pages have piled up,
 * all of them are purged at the end of the call that did it (Linux leaves that to a work item that runs a little later).
 * classic: lowest hole, one page at a time, nothing lazy.
 * Not simulated: the slab objects that hold struct vm_struct and struct vmap_area.
 * Misuse: trace_bug() in the kernel's words, nothing changed. An address inside an area counts as misuse too, where
 * Linux 6.1 would free the area that it falls into. */
#pragma once
#include "alloc/slab/kmalloc.h"
#include "alloc/pgtable/pgtable.h"
#include "alloc/vmalloc/vmap_area.h"

struct vmalloc {
    struct kmalloc *kmalloc;                            /* wired */
    struct pgtable *pgtable;                            /* wired */
    struct reclaim *reclaim;                            /* wired */
    struct frames *frames;                              /* wired */
    struct trace *trace;                                /* wired */
    const struct profile *profile;                      /* wired */
    struct vmap_space space;                            /* which addresses are busy, lazy or free */
    uint64_t nr_busy, requested_bytes, allocated_bytes; /* what callers hold, without page arrays */
    uint64_t nr_kmalloc_arrays; /* page arrays that are kmalloc blocks: live ones that no caller of kmalloc has */
};
enum vmalloc_flags { VMALLOC_ZERO = 1, VMALLOC_HUGE = 2 };

void vmalloc_shape(struct vmalloc *v, const struct machine_config *config, const struct profile *profile);
void vmalloc_wire(struct vmalloc *v, struct kmalloc *kmalloc, struct pgtable *pgtable, struct reclaim *reclaim,
                  struct frames *frames, struct trace *trace, const struct profile *profile);
uint32_t vmalloc_pools(struct vmalloc *v, struct pool **pools);
enum pagoda_error vmalloc_reserve(struct vmalloc *v, const struct pagoda_host *host, uint32_t nr_operations);
void vmalloc_start(struct vmalloc *v, const struct machine_config *config);

/* Neither nothing nor more than there is at all. */
bool vmalloc_size_is_possible(const struct vmalloc *v, uint64_t size);
uint64_t vmalloc_alloc(struct vmalloc *v, uint64_t size, uint32_t flags,
                       struct name_ref name); /* 0: NULL; the trace has the message */
/* Returns the name of the area that it freed; 0: it had none, or it is a bug and nothing was freed. */
struct name_ref vmalloc_free(struct vmalloc *v, uint64_t address);
/* A hint: the area at address is going to be freed (machine_prefetch). */
void vmalloc_prefetch(const struct vmalloc *v, uint64_t address, enum machine_prefetch step);
void vmalloc_purge(struct vmalloc *v);
struct vmalloc_block {
    uint64_t address, requested;
    uint32_t nr_pages, seq;
    struct name_ref name;
};
bool vmalloc_find(const struct vmalloc *v, uint64_t address,
                  struct vmalloc_block *block); /* address: the start of a busy area */
bool vmalloc_next(const struct vmalloc *v, uint64_t *cursor,
                  struct vmalloc_block *block);                   /* what callers got, not page arrays */
bool vmalloc_contains(const struct vmalloc *v, uint64_t address); /* inside the vmalloc range */
/* Busy areas, page arrays too, by way of the page tables: the one that holds the address, guard page included, and the
 * first that ends behind it; 0: none. */
uint32_t vmalloc_area_at(const struct vmalloc *v, uint64_t address);
uint32_t vmalloc_area_from(const struct vmalloc *v, uint64_t address);
/* Does a kmalloc block hold the page pointers of an area: then no caller of kmalloc has it. Told by the first pointer in
 * the block, so not known any more once somebody has overwritten that. */
bool vmalloc_owns_kmalloc(const struct vmalloc *v, uint64_t address);
bool vmalloc_check(const struct vmalloc *v, char *text, size_t capacity);
