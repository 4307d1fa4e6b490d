/* server/store/sqlite/chain.h - hash chains over logs (BLAKE2b of libsodium).
 *
 * A chain's value behind an operation vouches for it, for all before it, and for the lab's configuration, by what they say
 * alone: not by numbers of rows or labs, nor by how they came to the disk. So copies have the values of what they were
 * copied from. Every CHAIN_BLOCK operations the value is the beginning of a new hash, from which a reader can start, too.
 */
#pragma once
#include "server/store/store.h"
#include <sodium.h>

#define CHAIN_BLOCK 64u /* operations */

struct chain_value {
    unsigned char bytes[32];
};
struct chain {
    crypto_generichash_state state;
};

/* How many operations lie before the block of operation seq; the last of that block. seq: from 1. */
static inline uint64_t chain_block_start(uint64_t seq)
{
    return (seq - 1) / CHAIN_BLOCK * CHAIN_BLOCK;
}
static inline uint64_t chain_block_end(uint64_t seq)
{
    return chain_block_start(seq) + CHAIN_BLOCK;
}

/* The value before the first operation. config: as it stands in the lab's row. */
void chain_origin(const void *config, size_t nr_bytes, struct chain_value *value);
/* A block, behind the value before it. */
void chain_begin(struct chain *chain, const struct chain_value *before);
void chain_add(struct chain *chain, const struct log_entry *entry);
/* The value behind what was added; more can be added then. */
struct chain_value chain_read(const struct chain *chain);
bool chain_is_equal(const struct chain_value *a, const struct chain_value *b);
