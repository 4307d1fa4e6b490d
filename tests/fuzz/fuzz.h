/* tests/fuzz/fuzz.h - what the fuzz targets share. Each fuzz_NAME.c is a program under libFuzzer (make fuzz), and another
 * one that runs the inputs of crashers/NAME and corpus/NAME once (make test-fuzz). */
#pragma once
#include "tests/lib/fixture.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t nr_bytes);

/* The bytes of an input, taken one after the other; behind the end come zeroes. */
struct fuzz_bytes {
    const uint8_t *at, *end;
};
static inline uint64_t fuzz_take(struct fuzz_bytes *in, unsigned nr_bytes)
{
    uint64_t number = 0;
    for (unsigned i = 0; i < nr_bytes && in->at < in->end; i++)
        number |= (uint64_t)*in->at++ << 8 * i;
    return number;
}

/* Machines to begin with, each with processes and blocks in it. */
enum { FUZZ_CLASSIC, FUZZ_SMALL, FUZZ_DEBUG, FUZZ_SWAP, FUZZ_LARGE, NR_FUZZ_MACHINES };
struct machine *fuzz_machine(unsigned number); /* as it was when it was made; good until the next call with that number */

/* Operations out of bytes: any bytes are a legal program. */
#define FUZZ_SEEN 32
struct fuzz_program {
    struct fuzz_bytes in;
    struct machine *machine;
    uint64_t seen[FUZZ_SEEN]; /* addresses that the machine has given out */
    uint32_t pids[4];
    uint32_t nr_seen, nr_pids;
};
void fuzz_program_start(struct fuzz_program *program, struct machine *machine, const uint8_t *data, size_t nr_bytes);
/* Reads and applies the next operation. False: the bytes are at their end, or the host has no memory. */
bool fuzz_program_step(struct fuzz_program *program);
void fuzz_look(const struct machine *machine); /* views of all floors, for whoever reads outside */
_Noreturn void fuzz_fail(const char *what);    /* says it, and aborts */

/* A sink for imports. */
struct import_sink;
struct import_sink fuzz_sink(struct machine *machine);
