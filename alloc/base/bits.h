/* alloc/base/bits.h - small sums that several floors need. */
#pragma once
#include "pagoda/config.h"

/* fls(): the number of the highest bit that is set, from 1; 0 for 0. */
static inline uint32_t bit_length(uint32_t number)
{
    return number ? 32 - (uint32_t)__builtin_clz(number) : 0;
}
/* get_order(): of the smallest block of pages that holds so many bytes. 0 bytes: 0. */
static inline uint32_t order_for_bytes(uint64_t size)
{
    uint32_t order = 0;
    while ((uint64_t)PAGE_SIZE << order < size)
        order++;
    return order;
}
