/* tests/truth/truth_world.h - a process for replaying malloc recordings in: one heap, one address space, as the recorder
 * set them up. */
#pragma once
#include "alloc/malloc/malloc.h"

struct truth_world {
    struct processes *processes;
    struct process_ref process;
    struct trace *trace;
    const struct profile *profile;
    struct names *names;
    uint64_t heap_start, floor; /* mappings are placed below the floor */
};
/* A fresh world each time; the one before is gone. word_bits: 32 or 64. False: the host has no room. */
bool truth_world_start(struct truth_world *world, uint32_t word_bits);
