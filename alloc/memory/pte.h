/* alloc/memory/pte.h - page-table entries in the bytes of table frames, and the walk over the tables. Intel SDM vol. 3,
 * chapter 4. Stands on: frame.
 *
 *      x86-64   4 levels of 512 entries of 8 bytes      address: 9 bits | 9 | 9 | 9 | 12 in the page
 *      i386     2 levels of 1024 entries of 4 bytes     address:         10 bits | 10 | 12 in the page */
#pragma once
#include "alloc/memory/frame.h"
#include "pagoda/config.h"

enum pte_bits {
    PTE_PRESENT = 0x1,
    PTE_WRITE = 0x2,
    PTE_USER = 0x4,
    PTE_ACCESSED = 0x20,
    PTE_DIRTY = 0x40,
    PTE_HUGE = 0x80,    /* in a PMD: maps 2 MiB */
    PTE_GLOBAL = 0x100, /* the same in every address space */
    PTE_SWAP = 0x200,   /* with PRESENT clear: the entry holds a swap slot */
    PTE_COW = 0x400,    /* software bit: write-protected because it is shared copy-on-write */
};
#define PTE_NX (UINT64_C(1) << 63) /* no instructions are fetched from there; entries of 32 bits have no room for it */

static inline uint64_t pte_make(uint32_t pfn, uint64_t bits)
{
    return (uint64_t)pfn << PAGE_SHIFT | bits;
}
static inline uint32_t pte_pfn(uint64_t entry) /* or the swap slot */
{
    return (uint32_t)((entry & UINT64_C(0x000ffffffffff000)) >> PAGE_SHIFT);
}

struct pte_walk {
    uint32_t nr_levels; /* tables visited */
    struct {
        uint32_t table_pfn, index;
        uint64_t entry;
    } level[MAX_LEVELS]; /* top first */
    uint64_t slot;       /* physical address of the last entry read; of a complete walk: of the PTE, or the huge PMD */
    bool complete;       /* every table on the way exists */
};
/* The walk of an address. It changes nothing.
 * root  pfn of the top table. */
struct pte_walk pte_walk(const struct frames *frames, const struct profile *profile, uint32_t root, uint64_t address);
/* The frame that the walk has found. False: none is mapped there.
 * address  of that walk.
 * pfn      out. */
bool pte_walk_frame(const struct profile *profile, const struct pte_walk *walk, uint64_t address, uint32_t *pfn);
/* The same without a record of the way: the frame that holds the byte at address. */
bool pte_translate(const struct frames *frames, const struct profile *profile, uint32_t root, uint64_t address,
                   uint32_t *pfn);
/* slot: physical address of the entry. */
uint64_t pte_load(const struct frames *frames, const struct profile *profile, uint64_t slot);
void pte_store(struct frames *frames, const struct profile *profile, uint64_t slot, uint64_t entry);
/* "PGD", "PUD", "PMD", "PTE". The last level is always the PTE's. */
const char *pte_level_name(const struct profile *profile, uint32_t level);
/* Index of an address in a table. level: 0 is the top. */
static inline uint32_t pte_index(const struct profile *profile, uint32_t level, uint64_t address)
{
    uint32_t below = profile->pgtable_levels - 1 - level;
    return (uint32_t)(address >> (PAGE_SHIFT + below * profile->pgtable_bits)) & ((1u << profile->pgtable_bits) - 1);
}
