/* alloc/proc/procfs_kpage.h - page frames as /proc/kpageflags and kpagecount show them. Linux v6.1 fs/proc/page.c:
 * stable_page_flags(). Stands on: machine_state. */
#pragma once
#include "alloc/memory/frame.h"

struct machine_state;

/* Bits of include/uapi/linux/kernel-page-flags.h, and of the kernel's own beyond 31, that a frame can have here. */
enum kpf_bit {
    KPF_REFERENCED = 2,
    KPF_UPTODATE = 3,
    KPF_LRU = 5,
    KPF_ACTIVE = 6,
    KPF_SLAB = 7,
    KPF_BUDDY = 10,
    KPF_MMAP = 11,
    KPF_ANON = 12,
    KPF_SWAPCACHE = 13,
    KPF_SWAPBACKED = 14,
    KPF_COMPOUND_HEAD = 15,
    KPF_COMPOUND_TAIL = 16,
    KPF_UNEVICTABLE = 18,
    KPF_NOPAGE = 20,
    KPF_ZERO_PAGE = 24,
    KPF_PGTABLE = 26,
    KPF_RESERVED = 32,
    KPF_MLOCKED = 33,
};

/* What the block of a frame says of it. Frames alone do not tell page tables and the zero page: procfs_page_flags() adds
 * them.
 * head  of the block. */
uint64_t procfs_block_flags(const struct frames *frames, uint32_t head, uint32_t pfn);
uint64_t procfs_page_flags(const struct machine_state *s, uint32_t head, uint32_t pfn);
