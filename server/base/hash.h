/* server/base/hash.h - FNV-1a, 64 bits: tells texts and bodies apart where nobody gains by making two meet. */
#pragma once
#include <stddef.h>
#include <stdint.h>

#define HASH_START UINT64_C(0xcbf29ce484222325)

/* hash: of what came before, HASH_START for nothing. */
static inline uint64_t hash_bytes(uint64_t hash, const void *bytes, size_t nr_bytes)
{
    const unsigned char *at = bytes;
    for (size_t i = 0; i < nr_bytes; i++)
        hash = (hash ^ at[i]) * UINT64_C(0x100000001b3);
    return hash;
}
