/* pagoda/gfp.h - GFP flags: the bits of Linux v6.1 (include/linux/gfp_types.h) and their names.
 * The classic profile takes the same names; it looks at __GFP_DMA, __GFP_ZERO and whether the call may sleep. */
#pragma once
#include "pagoda/error.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define GFP_BIT_MAP(X)                                                                                                     \
    X(__GFP_DMA, 0x01u)                                                                                                    \
    X(__GFP_HIGHMEM, 0x02u)                                                                                                \
    X(__GFP_DMA32, 0x04u)                                                                                                  \
    X(__GFP_MOVABLE, 0x08u)                                                                                                \
    X(__GFP_RECLAIMABLE, 0x10u)                                                                                            \
    X(__GFP_HIGH, 0x20u)                                                                                                   \
    X(__GFP_IO, 0x40u)                                                                                                     \
    X(__GFP_FS, 0x80u)                                                                                                     \
    X(__GFP_ZERO, 0x100u)                                                                                                  \
    X(__GFP_ATOMIC, 0x200u)                                                                                                \
    X(__GFP_DIRECT_RECLAIM, 0x400u)                                                                                        \
    X(__GFP_KSWAPD_RECLAIM, 0x800u)                                                                                        \
    X(__GFP_WRITE, 0x1000u)                                                                                                \
    X(__GFP_NOWARN, 0x2000u)                                                                                               \
    X(__GFP_RETRY_MAYFAIL, 0x4000u)                                                                                        \
    X(__GFP_NOFAIL, 0x8000u)                                                                                               \
    X(__GFP_NORETRY, 0x10000u)                                                                                             \
    X(__GFP_MEMALLOC, 0x20000u)                                                                                            \
    X(__GFP_COMP, 0x40000u)                                                                                                \
    X(__GFP_NOMEMALLOC, 0x80000u)                                                                                          \
    X(__GFP_HARDWALL, 0x100000u)                                                                                           \
    X(__GFP_THISNODE, 0x200000u)                                                                                           \
    X(__GFP_ACCOUNT, 0x400000u)                                                                                            \
    X(__GFP_ZEROTAGS, 0x800000u)                                                                                           \
    X(__GFP_SKIP_ZERO, 0x1000000u)

/* Combinations. */
#define GFP_MASK_MAP(X)                                                                                                    \
    X(GFP_TRANSHUGE, 0x1c24cau)                                                                                            \
    X(GFP_TRANSHUGE_LIGHT, 0x1c20cau)                                                                                      \
    X(GFP_HIGHUSER_MOVABLE, 0x100ccau)                                                                                     \
    X(GFP_HIGHUSER, 0x100cc2u)                                                                                             \
    X(GFP_USER, 0x100cc0u)                                                                                                 \
    X(GFP_KERNEL_ACCOUNT, 0x400cc0u)                                                                                       \
    X(GFP_KERNEL, 0xcc0u)                                                                                                  \
    X(GFP_NOFS, 0xc40u)                                                                                                    \
    X(GFP_ATOMIC, 0xa20u)                                                                                                  \
    X(GFP_NOIO, 0xc00u)                                                                                                    \
    X(GFP_NOWAIT, 0x800u)                                                                                                  \
    X(GFP_DMA32, 0x04u)                                                                                                    \
    X(GFP_DMA, 0x01u)                                                                                                      \
    X(__GFP_RECLAIM, 0xc00u)

enum gfp_flag {
#define X(name, bits) name = bits,
    GFP_BIT_MAP(X) GFP_MASK_MAP(X)
#undef X
        GFP_ALL_BITS = 0x1ffffffu
};

/* A call with this flag may sleep (gfpflags_allow_blocking in the kernel). */
static inline bool gfp_may_sleep(uint32_t gfp)
{
    return (gfp & __GFP_DIRECT_RECLAIM) != 0;
}

/* Reads "GFP_KERNEL|__GFP_ZERO" or a number ("0xcc0"); blanks round '|' are allowed. On a failure *why names the offset of
 * the word that is not a flag, and *gfp is untouched. */
enum pagoda_error gfp_parse(const char *text, size_t length, uint32_t *gfp, struct problem *why) PAGODA_MUST_CHECK;
/* Writes the names as the kernel prints them, '|' between them, and ends with NUL.
 * none      what stands for no flag at all: "" in messages, "none" in trace events, "0" where gfp_parse() reads it.
 * capacity  512 bytes always suffice; what does not fit is left out.
 * Returns the length. */
size_t gfp_format(uint32_t gfp, const char *none, char *out, size_t capacity);
/* Rows for pages and documentation: i from 0; false past the last. is_mask: a combination of several flags. */
bool gfp_name_at(uint32_t i, const char **name, uint32_t *bits, bool *is_mask);
