/* pagoda/config.h - what a machine is made of: profiles (data, one table) and the choices a lab makes. */
#pragma once
#include "pagoda/error.h"
#include "pagoda/event.h"
#include "pagoda/exact.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PAGE_SHIFT 12u
#define PAGE_SIZE 4096u

enum profile_id { PROFILE_CLASSIC, PROFILE_LINUX_6_1, NR_PROFILES };
enum kmalloc_style { KMALLOC_BUCKETS, KMALLOC_SLUB };

#define MAX_LEVELS 4 /* of page tables */

/* One row per profile: every number in which the two kernels differ. Addresses are virtual, sizes bytes. */
struct source_place;

struct profile {
    enum profile_id id;
    const char *name;
    const char *title;     /* one line for people */
    const char *source;    /* what it follows */
    uint32_t word_bits;    /* 32 or 64 */
    uint32_t nr_orders;    /* orders 0 .. nr_orders-1 */
    bool has_migratetypes; /* with pcp lists, watermarks per zone and fallback */
    enum kmalloc_style kmalloc_style;
    uint64_t kmalloc_max;                            /* bytes; one more is NULL */
    uint64_t memory_min, memory_default, memory_max; /* bytes */
    uint32_t cpus_max;
    uint64_t page_offset;                              /* direct map: address = page_offset + (pfn << PAGE_SHIFT) */
    uint64_t vmalloc_start, vmalloc_end;               /* classic: start is computed from high_memory, 0 here */
    uint64_t vmalloc_gap;                              /* classic: bytes between high_memory and the first area */
    uint32_t pgtable_levels;                           /* 2 or 4 */
    uint32_t pgtable_bits;                             /* index bits per level: 10 or 9 */
    uint64_t user_end;                                 /* first address above user space */
    uint64_t user_text, user_mmap_top, user_stack_top; /* the layout of a new process */
    uint64_t
        mmap_huge_align; /* mappings of whole multiples of it begin at one; 0: they do not. See alloc/process/vma_tree.c */
    uint32_t direct_map_shift; /* log2 of the pages that map all memory: 2 MiB, or 4 KiB where the CPU has no larger ones */
    uint32_t tlb_entries, tlb_ways; /* unless the lab says otherwise */
    uint32_t tlb_asids; /* address spaces that a CPU's TLB can tell apart; 1: it is emptied when another one is loaded */
    uint32_t tlb_flush_ceiling; /* pages; more are not flushed one by one */
    const struct source_place
        *places; /* lines of its source that messages name (alloc/base/oops.h); NULL: they name none */
};

const struct profile *profile_get(enum profile_id id);
const struct profile *profile_find(const char *name, size_t length); /* NULL: there is none of that name */

/* The choices a lab makes: field of struct machine_config, width in bits, type, minimum, maximum, which profiles have it,
 * what it is. The API, the store and the pages are made from this table; the field's name is the name everywhere (two
 * arrays stand beside it). 0 means "the profile's default"; where that is not plainly "off", machine_config_complete() puts
 * the real number in its place. */
#define CONFIG_MAP(X)                                                                                                      \
    X(memory, 64, CONFIG_SIZE, 1, UINT64_C(1) << 36, IN_ALL, "bytes of memory, whole pages")                               \
    X(cpus, 32, CONFIG_NUMBER, 1, 64, IN_ALL, "CPUs, each with lists of its own")                                          \
    X(swap, 64, CONFIG_SIZE, 0, UINT64_C(1) << 36, IN_ALL, "bytes of swap, whole pages; 0: none")                          \
    X(min_block, 32, CONFIG_NUMBER, 32, 64, IN_CLASSIC, "smallest kmalloc block: 32 or 64")                                \
    X(min_free_kbytes, 32, CONFIG_NUMBER, 0, UINT32_MAX, IN_ALL,                                                           \
      "kept free for those who cannot wait (vm.min_free_kbytes)")                                                          \
    X(watermark_scale_factor, 32, CONFIG_NUMBER, 1, 3000, IN_LINUX, "distance of the watermarks, 1/10000 of a zone")       \
    X(percpu_pagelist_high_fraction, 32, CONFIG_NUMBER, 0, UINT32_MAX, IN_LINUX,                                           \
      "size of per-CPU lists: 1/this of a zone; 0: by the low mark")                                                       \
    X(max_ram_below_4g, 64, CONFIG_SIZE, 0, UINT64_C(3) << 30, IN_LINUX,                                                   \
      "bytes of memory below 4 GiB, whole 2 MiB; the rest begins at 4 GiB; 0: as a PC has it, at most 3.5 GiB")            \
    X(cmdline_length, 32, CONFIG_NUMBER, 1, 2047, IN_LINUX, "characters of the boot line, which the kernel keeps twice")   \
    X(transparent_hugepage_never, 32, CONFIG_NUMBER, 0, 1, IN_LINUX,                                                       \
      "1: transparent_hugepage=never on the boot line, so khugepaged does not raise min_free_kbytes")                      \
    X(overcommit_memory, 32, CONFIG_NUMBER, 0, 2, IN_LINUX, "0 heuristic, 1 always, 2 never beyond the commit limit")      \
    X(overcommit_ratio, 32, CONFIG_NUMBER, 1, 100, IN_LINUX,                                                               \
      "percent of memory in the commit limit of mode 2; default 50")                                                       \
    X(aslr_seed, 32, CONFIG_NUMBER, 0, UINT32_MAX, IN_LINUX, "0: fixed layout of processes; else drawn from this seed")    \
    X(slab_shuffle_seed, 32, CONFIG_NUMBER, 0, UINT32_MAX, IN_LINUX,                                                       \
      "0: new slabs are linked in order; else shuffled from this seed")                                                    \
    X(slub_debug, 32, CONFIG_LETTERS, 0, SLUB_DEBUG_ALL, IN_LINUX,                                                         \
      "slub_debug=: F checks, Z red zones, P poison, U users")                                                             \
    X(init_on_alloc, 32, CONFIG_NUMBER, 0, 1, IN_LINUX, "1: allocations are zeroed, as Debian boots")                      \
    X(init_on_free, 32, CONFIG_NUMBER, 0, 1, IN_LINUX, "1: memory is zeroed when it is freed")                             \
    X(tlb_entries, 32, CONFIG_NUMBER, 1, 4096, IN_ALL,                                                                     \
      "entries of each CPU's TLB, a power of two; default 64, classic 32")                                                 \
    X(tlb_ways, 32, CONFIG_NUMBER, 1, 64, IN_ALL, "ways of the TLB, a power of two, at most its entries; default 4")       \
    X(machine, 32, CONFIG_WORD, 0, NR_MACHINE_PASTS - 1, IN_ALL,                                                           \
      "what has run before operation 1: fresh nothing, used a busy day, fragmented what left it in pieces; up to 1G")      \
    X(seed, 64, CONFIG_NUMBER, 0, (UINT64_C(1) << 53) - 1, IN_ALL,                                                         \
      "for whatever is drawn at random and has no seed of its own")

/* CONFIG_LETTERS: in JSON a text of SLUB_DEBUG_LETTERS. CONFIG_WORD: in JSON one of MACHINE_WORDS. */
enum config_type { CONFIG_NUMBER, CONFIG_SIZE, CONFIG_LETTERS, CONFIG_WORD };
enum config_profiles {
    IN_CLASSIC = 1 << PROFILE_CLASSIC,
    IN_LINUX = 1 << PROFILE_LINUX_6_1,
    IN_ALL = IN_CLASSIC | IN_LINUX
};
#define SLUB_DEBUG_LETTERS "FZPU" /* bit i of slub_debug is letter i */
enum slub_debug { SLUB_DEBUG_F = 1, SLUB_DEBUG_Z = 2, SLUB_DEBUG_P = 4, SLUB_DEBUG_U = 8, SLUB_DEBUG_ALL = 15 };

enum machine_past { MACHINE_FRESH, MACHINE_USED, MACHINE_FRAGMENTED, NR_MACHINE_PASTS }; /* data/machines has the rest */
extern const char *const MACHINE_WORDS[NR_MACHINE_PASTS];

/* The wide fields stand first, so that no padding is needed. */
#define CONFIG_WIDE_32(field)
#define CONFIG_WIDE_64(field) uint64_t field;
#define CONFIG_NARROW_32(field) uint32_t field;
#define CONFIG_NARROW_64(field)
STATE_STRUCTS
struct machine_config {
#define X(field, width, type, min, max, profiles, doc) CONFIG_WIDE_##width(field)
    CONFIG_MAP(X)
#undef X
    uint32_t profile; /* enum profile_id */
#define X(field, width, type, min, max, profiles, doc) CONFIG_NARROW_##width(field)
    CONFIG_MAP(X)
#undef X
    uint32_t lowmem_reserve_ratio[3]; /* 1/this of the zones above is kept from their users in DMA, DMA32, Normal */
    uint32_t cost_ns[NR_COST_STEPS];  /* what each step of the cost model takes; 0: as COST_MAP says */
};
STATE_STRUCTS_END

struct config_option {
    const char *name;
    enum config_type type;
    uint32_t width; /* bits */
    uint64_t min, max;
    uint32_t profiles; /* bits of enum config_profiles */
    const char *doc;
    size_t offset; /* bytes, in struct machine_config */
};
extern const struct config_option CONFIG_OPTIONS[];
extern const uint32_t NR_CONFIG_OPTIONS;
uint64_t config_value(const struct machine_config *config, const struct config_option *option);
void config_set_value(struct machine_config *config, const struct config_option *option, uint64_t value);

/* Fills in every default and checks ranges. On a failure *why names the field as the API spells it; *config is untouched.
 */
enum pagoda_error machine_config_complete(struct machine_config *config, struct problem *why) PAGODA_MUST_CHECK;
