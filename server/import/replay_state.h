/* server/import/replay_state.h - a recorded state of the page allocator to start a replay from (machine_create_from_state).
 */
#pragma once
#include "pagoda/machine.h"

/* Reads the file (plain, gzip or zstd): the lines of its first dump, the memory and the CPUs that it speaks of. The caller
 * frees the text. NULL: *why says it. */
char *state_read(const char *path, size_t *length, uint64_t *memory, uint32_t *cpus, struct problem *why);
/* Writes the machine's state. False: *why says why not. */
bool state_write(const struct machine *machine, const char *path, struct problem *why);
