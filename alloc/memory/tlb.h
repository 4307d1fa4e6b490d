/* alloc/memory/tlb.h - the translation lookaside buffer (TLB) of each CPU: what it holds, what it has to forget, what a
 * miss costs. Linux v6.1 arch/x86/mm/tlb.c; Intel SDM vol. 3, 4.10. Only read and write look addresses up. The costs of
 * other operations that touch memory are steps of their own. Stands on: pool, trace.
 *
 * One array of sets serves pages of all sizes. The way of a set that was not used for longest is replaced. A CPU tags user
 * translations with one of a few address-space identifiers. So it finds them again when it comes back to a process. The
 * i486 of the classic profile has one identifier: loading another address space forgets everything, the kernel's
 * translations too.
 *
 * An address space is named by the pfn of its top table. Its generation counts the changes that made a translation invalid.
 * A CPU that has seen an older generation forgets the whole space before it goes on. */
#pragma once
#include "alloc/base/pool.h"
#include "alloc/base/trace.h"
#include "pagoda/config.h"

#define TLB_ASIDS_MAX 6u /* TLB_NR_DYN_ASIDS */

STATE_STRUCTS
struct tlb_entry {
    uint64_t key;   /* page number, size, identifier: see tlb.c; 0: empty */
    uint32_t pfn;   /* of the byte's own 4 KiB page 0: first frame of the page, whatever its size */
    uint32_t stamp; /* of its last use */
};
struct tlb_cpu {
    uint32_t clock;     /* counts look-ups */
    uint32_t asid;      /* in use; meaningful while root is not 0 */
    uint32_t root;      /* address space that is loaded; 0: the kernel's alone */
    uint32_t next_asid; /* to be taken away when a new space comes */
    struct {
        uint32_t root, generation;
    } asids[TLB_ASIDS_MAX];
};
struct tlb {
    struct trace *trace;           /* wired */
    const struct profile *profile; /* wired */
    struct pool entries; /* struct tlb_entry, item = cpu * nr_entries + set * ways + way + 1; used whole from the start */
    struct pool cpus;    /* struct tlb_cpu, item = cpu + 1; used whole from the start */
    uint32_t nr_cpus, nr_entries, nr_ways, unused;
    uint64_t nr_hits, nr_misses, nr_flushes; /* since boot; flushes: each CPU that flushed counts */
};
STATE_STRUCTS_END

void tlb_shape(struct tlb *tlb, const struct machine_config *config);
uint32_t tlb_pools(struct tlb *tlb, struct pool **pools);

/* The CPU that runs the operation loads an address space (switch_mm); nothing happens when it is the one that is loaded. */
void tlb_load(struct tlb *tlb, uint32_t root, uint32_t generation);
/* Is it loaded, and in that state? */
static inline bool tlb_has(const struct tlb *tlb, uint32_t root, uint32_t generation)
{
    const struct tlb_cpu *c = (const struct tlb_cpu *)(const void *)tlb->cpus.items + tlb->trace->cpu + 1;
    return c->root == root && c->asids[c->asid].generation == generation;
}
struct tlb_page {
    uint32_t pfn;       /* first frame of the page */
    uint32_t shift;     /* the page has 2^shift bytes */
    uint32_t nr_levels; /* tables on the way to its entry */
};
/* That CPU translates an address: a hit, or a walk over the tables and a new entry.
 * page  what the tables say about the address. */
void tlb_access(struct tlb *tlb, uint64_t address, bool is_user, struct tlb_page page);
/* Pages were taken out of an address space, or allow less than before. CPUs that have the space loaded forget the range:
 * this one at once, each other one by an interrupt. The rest find out when they load the space again.
 * generation  of the space, after the change. */
void tlb_flush_user(struct tlb *tlb, uint32_t root, uint32_t generation, uint64_t address, uint64_t nr_pages);
void tlb_flush_kernel(struct tlb *tlb, uint64_t address, uint64_t nr_pages); /* on every CPU (flush_tlb_kernel_range) */
void tlb_forget(struct tlb *tlb, uint32_t root); /* the address space has ended; its pfn may come back as another's */

/* Entries of one CPU, for views and checks. tlb_next() returns false behind the last. */
struct tlb_translation {
    uint64_t address; /* of the page */
    uint32_t page_shift, pfn;
    uint32_t root;       /* 0: the kernel's */
    uint32_t generation; /* of the space when the CPU last looked */
    uint32_t set, age;   /* age: look-ups since the last use */
};
bool tlb_key_is_valid(uint64_t key); /* may an entry have that key? */
bool tlb_next(const struct tlb *tlb, uint32_t cpu, uint64_t *cursor, struct tlb_translation *out);
