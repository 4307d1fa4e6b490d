/* gzip and zstd input: lines come out, or a problem is told, whatever the bytes are and however they arrive. */
#include "tests/fuzz/fuzz.h"
#include "server/base/input.h"

#include <string.h>

#define LINES_MAX 20000u /* a small input may stand for a very long one */

/* A source that gives as many bytes at a time as the first byte says. */
struct drops {
    struct fuzz_bytes in;
    size_t each;
};

static long drops_read(void *context, void *out, size_t capacity)
{
    struct drops *drops = context;
    size_t n = (size_t)(drops->in.end - drops->in.at);
    n = n < drops->each ? n : drops->each;
    n = n < capacity ? n : capacity;
    if (n)
        memcpy(out, drops->in.at, n);
    drops->in.at += n;
    return (long)n;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t nr_bytes)
{
    if (!nr_bytes)
        return 0;
    struct drops drops = { { data + 1, data + nr_bytes }, (size_t)1 + data[0] };
    struct input *input = input_open((struct source){ .read = drops_read, .context = &drops });
    const char *line;
    size_t length, sum = 0;
    for (unsigned i = 0; input && i < LINES_MAX && input_next_line(input, &line, &length); i++) {
        for (size_t at = 0; at < length; at++)
            sum += (unsigned char)line[at];
        if (input_line_number(input) > i + 1)
            fuzz_fail("a line's number is too high");
    }
    if (input && sum == 1)
        (void)input_problem(input);
    if (input)
        input_close(input);
    return 0;
}
