/* Recorded states of the page allocator, as text. */
#include "tests/fuzz/fuzz.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t nr_bytes)
{
    static const struct machine_config CONFIG = { .profile = PROFILE_LINUX_6_1, .memory = 64 << 20, .cpus = 2 };
    struct machine *machine;
    struct problem why = { 0 };
    char *text = malloc(nr_bytes + 1);
    if (!text)
        return 0;
    memcpy(text, data, nr_bytes);
    text[nr_bytes] = '\0';
    enum pagoda_error error = machine_create_from_state(&CONFIG, text, nr_bytes, &fixture_host()->host, &machine, &why);
    if (error && !why.text[0])
        fuzz_fail("a refusal without a reason");
    if (!error) {
        struct fuzz_program program;
        fixture_check(machine);
        fuzz_program_start(&program, machine, data, nr_bytes);
        for (unsigned i = 0; i < 10 && fuzz_program_step(&program); i++) {
        }
        machine_destroy(machine);
    }
    free(text);
    return 0;
}
