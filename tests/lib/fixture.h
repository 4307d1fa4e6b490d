/* tests/lib/fixture.h - machines for tests: a host hook over mmap that can be told to fail, and operations in one line
 * each. */
#pragma once
#include "pagoda/gfp.h"
#include "pagoda/machine.h"
#include "pagoda/view.h"

/* A hook whose commits fail once fail_after of them have succeeded; fail_after < 0: never. */
struct fixture_host {
    struct pagoda_host host;
    int64_t fail_after;
    uint64_t nr_commits;
};
struct fixture_host *fixture_host(void); /* the process's own, reset by each call */

/* memory 0: the profile's default. Aborts the test when the machine cannot be made. */
struct machine *fixture_machine(const char *profile, uint64_t memory);
struct machine *fixture_machine_of(const struct machine_config *config);

/* Applies, aborts on a host error, and verifies every invariant. The result is valid until the next call. */
const struct op_result *fixture_apply(struct machine *machine, struct op op);
/* Writes so many bytes of one value there through the kernel; aborts unless it goes well. */
struct fixture_range {
    uint64_t address, length;
};
#define FIXTURE_RANGE(address, length) ((struct fixture_range){ address, length })
void fixture_fill(struct machine *machine, struct fixture_range range, uint8_t byte);
void fixture_check(const struct machine *machine);
struct text fixture_text(const char *text);

/* Makers for the usual operations. */
struct op fixture_op(enum op_kind kind);
struct op fixture_alloc(enum op_kind kind, uint64_t size, uint32_t gfp); /* gfp 0: not given */
struct op fixture_free(enum op_kind kind, uint64_t address);
struct op fixture_user(enum op_kind kind, uint32_t pid, uint64_t size);

/* A small, good generator (splitmix64): the same numbers from the same seed everywhere. */
struct fixture_random {
    uint64_t state;
};
uint64_t fixture_random_below(struct fixture_random *random, uint64_t bound);
uint64_t fixture_seed(void); /* SEED from the environment, else fixed; printed */
