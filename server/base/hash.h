/* server/base/hash.h - FNV-1a, 64 bits: a short way to tell texts apart that nobody chooses to make them meet. It is part
 * of what the store keeps (answered.body_hash), so it stays as it is. */
#pragma once
#include <stddef.h>
#include <stdint.h>

#define HASH_START UINT64_C(0xcbf29ce484222325)

/* hash: HASH_START, or what an earlier call returned for the bytes before these. */
static inline uint64_t hash64_bytes(uint64_t hash, const void *bytes, size_t nr_bytes)
{
    const unsigned char *at = bytes;
    for (size_t i = 0; i < nr_bytes; i++)
        hash = (hash ^ at[i]) * UINT64_C(0x100000001b3);
    return hash;
}
