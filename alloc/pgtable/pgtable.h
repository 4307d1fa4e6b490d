/* alloc/pgtable/pgtable.h - page tables in real frames: made on demand, filled, emptied, freed. Linux v6.1 mm/memory.c,
 * mm/vmalloc.c (vmap_pages_range, vunmap_range). Stands on: reclaim, pte, frame.
 *
 * A table is an order-0 block of kind FRAME_PGTABLE; its owner is its level (0: the top), its index the physical address of
 * the entry that leads to it (0: a top table). A process's tables share nothing with the kernel's: where Linux copies the
 * upper half of the top table, Pagoda looks kernel addresses up in kernel_root. The tables of the direct map are reserved
 * frames: boot wrote them before there was an allocator. */
#pragma once
#include "alloc/memory/pte.h"
#include "alloc/reclaim/reclaim.h"
#include "alloc/memory/tlb.h"

/* What x86 Linux puts into entries that lead to tables (_PAGE_TABLE): the leaf decides what may be done. */
#define PTE_TABLE (PTE_PRESENT | PTE_WRITE | PTE_USER | PTE_ACCESSED | PTE_DIRTY)

STATE_STRUCTS
struct pgtable {
    struct reclaim *reclaim;       /* wired */
    struct tlb *tlb;               /* wired */
    struct frames *frames;         /* wired */
    struct trace *trace;           /* wired */
    const struct profile *profile; /* wired */
    uint32_t kernel_root, unused;  /* pfn */
};
STATE_STRUCTS_END
void pgtable_wire(struct pgtable *pgtable, struct reclaim *reclaim, struct tlb *tlb, struct frames *frames,
                  struct trace *trace, const struct profile *profile);
void pgtable_start(struct pgtable *pgtable); /* boot: the kernel's top table */
struct page_alloc;
/* pgtable_boot.c: the entries by which the kernel reaches all memory at page_offset. Their tables are reserved frames. */
void pgtable_map_memory(struct pgtable *pgtable, const struct page_alloc *pages);

/* A top table for a process (its own frame, zeroed); 0: no memory. destroy frees it and every table under it; the caller
 * has removed all leaves. */
uint32_t pgtable_create(struct pgtable *pgtable);
void pgtable_destroy(struct pgtable *pgtable, uint32_t root);
/* Makes the tables for address and returns the physical address of its PTE; 0: no memory (what was made stays, as in
 * Linux). */
uint64_t pgtable_entry(struct pgtable *pgtable, uint32_t root, uint64_t address, uint32_t gfp);
/* Maps frames from address on.
 * bits   of every entry.
 * gfp    for the tables.
 * false  there is no memory, and nothing of the range is mapped. */
struct pgtable_frames {
    const uint32_t *pfns;
    uint32_t nr;
};
bool pgtable_map(struct pgtable *pgtable, uint32_t root, uint64_t address, struct pgtable_frames frames, uint64_t bits,
                 uint32_t gfp);
/* The same for the 2^pgtable_bits frames from pfn on, by one entry of the last level but one (PTE_HUGE). A table that
 * stands there from earlier small mappings is freed. */
bool pgtable_map_huge(struct pgtable *pgtable, uint32_t root, uint64_t address, uint32_t pfn, uint64_t bits, uint32_t gfp);
/* Clears the entries of a range, huge ones too when the range covers them; tables stay. The TLB is the caller's to
 * flush: vmalloc does it when it purges. */
struct page_range {
    uint64_t start, nr_pages; /* start: an address */
};
void pgtable_unmap(struct pgtable *pgtable, uint32_t root, struct page_range range);
void pgtable_prefetch(const struct pgtable *pgtable, uint32_t root,
                      uint64_t address); /* a hint: its PTE will be looked at */
/* Frees the tables of a user range that no longer map anything (free_pgtables). */
void pgtable_free_range(struct pgtable *pgtable, uint32_t root, uint64_t start, uint64_t end);
bool pgtable_check(const struct pgtable *pgtable, uint32_t root, char *text, size_t capacity);
