/* alloc/pgtable/pgtable.h - page tables in real frames: made on demand, filled, emptied, freed. Linux v6.1 mm/memory.c,
 * mm/vmalloc.c (vmap_pages_range, vunmap_range). Stands on: reclaim, pte, frame.
 *
 * A table is a block of order 0 and kind FRAME_PGTABLE. Its owner is its level; 0 is the top. Its index is the physical
 * address of the entry that leads to it; 0: it is a top table. A process's tables share nothing with the kernel's. Linux
 * copies the upper half of the top table; Pagoda looks kernel addresses up in kernel_root. The tables of the direct map are
 * reserved frames: boot wrote them before there was an allocator. */
#pragma once
#include "alloc/memory/pte.h"
#include "alloc/reclaim/reclaim.h"
#include "alloc/memory/tlb.h"

/* _PAGE_TABLE: the bits of an entry that leads to a table. The entry of the page decides what is allowed. */
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
void pgtable_start(struct pgtable *pgtable); /* boot: makes the kernel's top table */
struct page_alloc;
/* pgtable_boot.c: boot writes the entries by which the kernel reaches all memory at page_offset. Their tables are reserved
 * frames. */
void pgtable_map_memory(struct pgtable *pgtable, const struct page_alloc *pages);

/* Makes a top table for a process. Returns its pfn, which the caller ends with pgtable_destroy(); 0: no memory. */
uint32_t pgtable_create(struct pgtable *pgtable);
/* Frees a top table and every table under it. The caller has removed all pages. */
void pgtable_destroy(struct pgtable *pgtable, uint32_t root);
/* Makes the tables for address. Returns the physical address of its PTE; 0: no memory, and tables that were made stay, as
 * in Linux. */
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
/* Maps the 2^pgtable_bits frames from pfn on by one entry of the last level but one (PTE_HUGE). A table that earlier small
 * mappings left there is freed. */
bool pgtable_map_huge(struct pgtable *pgtable, uint32_t root, uint64_t address, uint32_t pfn, uint64_t bits, uint32_t gfp);
/* Clears the entries of a range. A huge entry is cleared when the range covers all of it. Tables stay. The caller flushes
 * the TLBs; vmalloc does that when it purges. */
struct page_range {
    uint64_t start, nr_pages; /* start: an address */
};
void pgtable_unmap(struct pgtable *pgtable, uint32_t root, struct page_range range);
/* A hint that the PTE of an address is going to be read. */
void pgtable_prefetch(const struct pgtable *pgtable, uint32_t root, uint64_t address);
/* free_pgtables(): frees the tables of a user range that map nothing any more. */
void pgtable_free_range(struct pgtable *pgtable, uint32_t root, uint64_t start, uint64_t end);
bool pgtable_check(const struct pgtable *pgtable, uint32_t root, char *text, size_t capacity);
