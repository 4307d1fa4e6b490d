/* pagoda/config.h - what a machine is made of: profiles (data, one table) and the choices a lab makes. */
#pragma once
#include "pagoda/error.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PAGE_SHIFT 12u
#define PAGE_SIZE 4096u

enum profile_id { PROFILE_CLASSIC, PROFILE_LINUX_6_1, NR_PROFILES };
enum kmalloc_style { KMALLOC_BUCKETS, KMALLOC_SLUB };

#define MAX_LEVELS 4 /* of page tables */

/* One row per profile: every number in which the two kernels differ. Addresses are virtual, sizes bytes. */
struct profile {
    enum profile_id id;
    const char *name;
    const char *title; /* one line for people */
    const char *source; /* what it follows */
    uint32_t word_bits; /* 32 or 64 */
    uint32_t nr_orders; /* orders 0 .. nr_orders-1 */
    bool has_migratetypes; /* with pcp lists, watermarks per zone and fallback */
    enum kmalloc_style kmalloc_style;
    uint64_t kmalloc_max; /* bytes; one more is NULL */
    uint64_t memory_min, memory_default, memory_max; /* bytes */
    uint32_t cpus_max;
    uint64_t page_offset; /* direct map: address = page_offset + (pfn << PAGE_SHIFT) */
    uint64_t vmalloc_start, vmalloc_end; /* classic: start is computed from high_memory, 0 here */
    uint64_t vmalloc_gap; /* classic: bytes between high_memory and the first area */
    uint32_t pgtable_levels; /* 2 or 4 */
    uint32_t pgtable_bits; /* index bits per level: 10 or 9 */
    uint64_t user_end; /* first address above user space */
    uint64_t user_text, user_mmap_top, user_stack_top; /* the layout of a new process */
};

const struct profile *profile_get(enum profile_id id);
const struct profile *profile_find(const char *name, size_t length); /* NULL: there is none of that name */

/* All plain numbers, so that a lab's row in the store is this struct. 0 means "the profile's default" unless said otherwise. */
struct machine_config {
    uint32_t profile; /* enum profile_id */
    uint32_t cpus; /* default 1 */
    uint64_t memory; /* bytes, a multiple of a page */
    uint64_t swap; /* bytes; 0: none */
    uint32_t min_block; /* classic: 32 (default) or 64 */
    uint32_t min_free_kbytes; /* linux-6.1: default computed as the kernel does; classic: 0 = default */
    uint32_t watermark_scale_factor; /* default 10 */
    uint32_t percpu_pagelist_high_fraction; /* default 0: off */
    uint32_t lowmem_reserve_ratio[3]; /* default 256, 256, 32 */
    uint32_t slab_shuffle_seed; /* 0: new slabs are linked in order; else free lists are shuffled with this seed */
    uint32_t init_on_alloc; /* 0: default (off, so that stale bytes can be seen), 1: on, as Debian boots */
    uint32_t init_on_free;
    uint64_t seed; /* reserved for options that need one */
};

/* Fills in every default and checks ranges. On a failure *why names the field as the API spells it; *config is untouched. */
enum pagoda_error machine_config_complete(struct machine_config *config, struct problem *why) PAGODA_MUST_CHECK;
