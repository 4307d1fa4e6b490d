/* tests/fuzz/replay.c - runs a fuzz target once on each file that is given. A crash ends it, and so does
 * one that does not end. */
#include "tests/fuzz/fuzz.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define SECONDS_MAX 120 /* for one input, on a busy machine */

static void replay_file(const char *path)
{
    FILE *file = fopen(path, "rb");
    static uint8_t bytes[1 << 20];
    if (!file) {
        perror(path);
        exit(1);
    }
    size_t nr_bytes = fread(bytes, 1, sizeof bytes, file);
    fclose(file);
    alarm(SECONDS_MAX);
    /* A copy of its size, so that reading behind its end is seen. */
    uint8_t *copy = malloc(nr_bytes ? nr_bytes : 1);
    if (!copy)
        exit(1);
    for (size_t i = 0; i < nr_bytes; i++)
        copy[i] = bytes[i];
    (void)LLVMFuzzerTestOneInput(copy, nr_bytes);
    free(copy);
}

int main(int argc, char **argv)
{
    for (int i = 1; i < argc; i++)
        replay_file(argv[i]);
    return 0;
}
