/* alloc/vmalloc/vmalloc.h - virtually contiguous kernel memory: areas, guard pages, lazy freeing. Linux v6.1 mm/vmalloc.c;
 * classic: Linux v2.0 mm/vmalloc.c. Stands on: kmalloc (page-pointer arrays), pgtable, reclaim, frame.
 *
 * linux-6.1: an allocation makes an area, an array of page pointers, pages from the bulk allocator, and page tables, in
 * this order. The array takes 8 bytes a page: a kmalloc block up to a page, above that a nested area. A freed area turns
 * lazy. When more than lazy_max_pages are lazy, the call that passed the threshold purges all of them at its end (Linux
 * leaves that to a work item that runs a little later). classic: the lowest hole, one page at a time, nothing lazy. Not
 * simulated: the slab objects that hold struct vm_struct and struct vmap_area. Misuse: trace_bug() with the kernel's words;
 * nothing has changed. An address inside an area is misuse, too; Linux 6.1 would free the area that it falls into. */
#pragma once
#include "alloc/slab/kmalloc.h"
#include "alloc/pgtable/pgtable.h"
#include "alloc/vmalloc/vmap_area.h"

STATE_STRUCTS
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
STATE_STRUCTS_END
enum vmalloc_flags { VMALLOC_ZERO = 1, VMALLOC_HUGE = 2 };

/* A floor's life. shape: what the configuration decides, before the pools have a place. pools: writes the floor's pools to
 * pools, and returns how many they are. start: boot. */
void vmalloc_shape(struct vmalloc *v, const struct machine_config *config, const struct profile *profile);
uint32_t vmalloc_pools(struct vmalloc *v, struct pool **pools);
/* Host memory for the worst case of so many operations. PAGODA_ERR_NOMEM: the host refused. */
enum pagoda_error vmalloc_reserve(struct vmalloc *v, const struct pagoda_host *host, uint32_t nr_operations);
void vmalloc_start(struct vmalloc *v, const struct machine_config *config);

/* Is the size neither 0 nor more than all memory? */
bool vmalloc_size_is_possible(const struct vmalloc *v, uint64_t size);
/* Returns the address; 0: NULL, and the trace has the message.
 * size   bytes.
 * flags  enum vmalloc_flags.
 * name   of the area. */
uint64_t vmalloc_alloc(struct vmalloc *v, uint64_t size, uint32_t flags, struct name_ref name);
/* Returns the name of the area that it freed; 0: it had none, or it is a bug and nothing was freed. */
struct name_ref vmalloc_free(struct vmalloc *v, uint64_t address);
/* A hint that the area at address is going to be freed (machine_prefetch). */
void vmalloc_prefetch(const struct vmalloc *v, uint64_t address, enum machine_prefetch step);
void vmalloc_purge(struct vmalloc *v);
struct vmalloc_block {
    uint64_t address, requested;
    uint32_t nr_pages, seq;
    struct name_ref name;
};
/* The busy area that starts at address. False: none does. */
bool vmalloc_find(const struct vmalloc *v, uint64_t address, struct vmalloc_block *block);
/* The busy area that a caller has and whose page holds address, its guard page left out. */
bool vmalloc_find_around(const struct vmalloc *v, uint64_t address, struct vmalloc_block *block);
/* The next area that a caller has; page arrays are left out.
 * cursor  0 at first. */
bool vmalloc_next(const struct vmalloc *v, uint64_t *cursor, struct vmalloc_block *block);
/* Is the address inside the vmalloc range? */
bool vmalloc_contains(const struct vmalloc *v, uint64_t address);
/* The busy area that holds address, guard page included, and the first one that ends behind it; 0: none. Page arrays count.
 * They are found by way of the page tables. */
struct vmap_area_ref vmalloc_area_at(const struct vmalloc *v, uint64_t address);
struct vmap_area_ref vmalloc_area_from(const struct vmalloc *v, uint64_t address);
/* Does a kmalloc block hold the page pointers of an area? Then no caller of kmalloc has it. The first pointer in the block
 * tells, so the answer is false once somebody has overwritten that. */
bool vmalloc_owns_kmalloc(const struct vmalloc *v, uint64_t address);
/* Where the area starts whose page pointers that block, or the area of that address, holds; 0: it holds none. */
uint64_t vmalloc_of_kmalloc_array(const struct vmalloc *v, uint64_t address);
uint64_t vmalloc_of_array_area(const struct vmalloc *v, uint64_t address);
bool vmalloc_check(const struct vmalloc *v, char *text, size_t capacity);
