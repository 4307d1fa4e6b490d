/* Operations on machines of all kinds, with machine_check() behind them. At the end of some inputs the machine's image is
 * loaded again: whatever operations lead to, the loader takes. */
#include "tests/fuzz/fuzz.h"

#include <stdlib.h>

static void engine_reload(const struct machine *machine)
{
    struct machine *loaded;
    size_t nr_bytes = machine_save(machine, NULL, 0);
    void *image = malloc(nr_bytes);
    if (!image)
        return;
    nr_bytes = machine_save(machine, image, nr_bytes);
    if (machine_load(image, nr_bytes, &fixture_host()->host, &loaded))
        fuzz_fail("the loader refuses what operations made");
    if (machine_hash(loaded) != machine_hash(machine))
        fuzz_fail("what was loaded is another machine");
    machine_destroy(loaded);
    free(image);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t nr_bytes)
{
    if (nr_bytes < 2)
        return 0;
    unsigned which = data[0] >= 250 ? FUZZ_LARGE : data[0] % FUZZ_LARGE, nr_steps = 0;
    struct machine *machine = fuzz_machine(which);
    struct fuzz_program program;
    fuzz_program_start(&program, machine, data + 2, nr_bytes - 2);
    while (fuzz_program_step(&program))
        if (++nr_steps % 16 == 0)
            fixture_check(machine);
    fixture_check(machine);
    if (data[1] % 16 == 0)
        engine_reload(machine);
    return 0;
}
