/* alloc/base/hash.h - the hash of a run of bytes: FNV-1a, 32 bits (G. Fowler, L. C. Noll, P. Vo). Stands on: nothing. */
#pragma once
#include <stddef.h>
#include <stdint.h>

static inline uint32_t hash32_bytes(const void *bytes, size_t length)
{
    const uint8_t *at = bytes;
    uint32_t hash = 2166136261u;
    for (size_t i = 0; i < length; i++)
        hash = (hash ^ at[i]) * 16777619u;
    return hash;
}
