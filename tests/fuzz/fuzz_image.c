/* Machine images from anybody: bytes change, the hash is put right, so that it is the loader's validation that decides.
 * What it takes is checked, looked at, and used. */
#include "alloc/machine/machine_state.h"
#include "tests/fuzz/fuzz.h"

#include <stdlib.h>
#include <string.h>

/* An input is: which machine, a program of so many bytes (two bytes), the program, which makes the machine that is saved;
 * then changes: where in the image (four bytes; the highest bits say how it is counted), what to put there (eight). */
#define CHANGE_BYTES 13u

static void *image_make(struct machine *machine, struct fuzz_bytes program, size_t *nr_bytes)
{
    struct fuzz_program run;
    fuzz_program_start(&run, machine, program.at, (size_t)(program.end - program.at));
    while (fuzz_program_step(&run)) {
    }
    *nr_bytes = machine_save(machine, NULL, 0);
    void *image = malloc(*nr_bytes);
    if (image)
        *nr_bytes = machine_save(machine, image, *nr_bytes);
    return image;
}

static void image_change(uint8_t *image, size_t nr_bytes, struct fuzz_bytes *in)
{
    const size_t head = 5 * sizeof(uint64_t); /* the header */
    uint64_t how = fuzz_take(in, 1), at = fuzz_take(in, 4), value = fuzz_take(in, 8);
    size_t width = (size_t)1 << how % 4, room = nr_bytes - head;
    if (how & 64)
        room = sizeof(struct machine_state); /* the numbers that lead to all others */
    at = head + at % (room - 8);
    at -= (at - head) % width;
    uint64_t old = 0;
    memcpy(&old, image + at, width);
    value = how & 16 ? old + value % 5 - 2 : how & 32 ? old ^ UINT64_C(1) << value % 64 : value;
    memcpy(image + at, &value, width);
}

static void image_use(struct machine *machine, struct fuzz_bytes program)
{
    struct fuzz_program run;
    fixture_check(machine); /* the loader has, too */
    fuzz_look(machine);
    fuzz_program_start(&run, machine, program.at, (size_t)(program.end - program.at));
    for (unsigned i = 0; i < 40 && fuzz_program_step(&run); i++) {
    }
    fuzz_look(machine);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t nr_bytes)
{
    struct fuzz_bytes in = { data, data + nr_bytes };
    struct machine *machine = fuzz_machine((unsigned)fuzz_take(&in, 1) % FUZZ_LARGE), *loaded;
    size_t nr_program = fuzz_take(&in, 2), nr_image;
    if (nr_program > (size_t)(in.end - in.at))
        nr_program = (size_t)(in.end - in.at);
    struct fuzz_bytes program = { in.at, in.at + nr_program };
    uint8_t *image = image_make(machine, program, &nr_image);
    for (in.at = program.end; image && in.end - in.at >= (ptrdiff_t)CHANGE_BYTES;)
        image_change(image, nr_image, &in);
    if (image)
        machine_image_seal(image, nr_image);
    if (image && !machine_load(image, nr_image, &fixture_host()->host, &loaded)) {
        image_use(loaded, program);
        machine_destroy(loaded);
    }
    free(image);
    return 0;
}
