/* server/import/replay_state.c - see replay_state.h. A recording brackets its dumps with STATE and ENDSTATE lines; GET
 * /state gives the lines alone. */
#include "server/import/replay_state.h"
#include "server/base/buffer.h"
#include "server/base/input.h"
#include "server/base/number.h"
#include "server/base/problem.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static uint64_t state_field(const char *line, const char *name)
{
    const char *at = strstr(line, name);
    uint64_t value;
    if (!at)
        return 0;
    at += strlen(name);
    return number_scan_decimal(at, at + strlen(at), &value) ? value : 0;
}

/* What one line says of the machine's size. */
static void state_measure(const char *line, uint64_t *memory, uint32_t *cpus)
{
    uint64_t end = (state_field(line, "\tstart_pfn=") + state_field(line, "\tspanned=")) * PAGE_SIZE;
    if (strncmp(line, "ZONE\t", 5) == 0 && end > *memory)
        *memory = end;
    uint32_t cpu = (uint32_t)state_field(line, "\tcpu=");
    if (strncmp(line, "PCP\t", 4) == 0 && cpu >= *cpus)
        *cpus = cpu + 1;
}

static void state_read_lines(struct input *input, struct buffer *text, uint64_t *memory, uint32_t *cpus)
{
    const char *line;
    size_t length;
    while (input_next_line(input, &line, &length)) {
        if (length >= 8 && memcmp(line, "ENDSTATE", 8) == 0)
            return;
        if (length >= 5 && memcmp(line, "STATE", 5) == 0)
            text->length = 0;
        else if (length && *line != '#') {
            size_t start = text->length;
            buffer_add(text, line, length);
            buffer_add(text, "\n", 2); /* with a NUL, for measure() */
            text->length -= !text->failed;
            if (!text->failed)
                state_measure(text->data + start, memory, cpus);
        }
    }
}

char *state_read(const char *path, size_t *length, uint64_t *memory, uint32_t *cpus, struct problem *why)
{
    struct buffer text = { 0 };
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    struct input *input = fd < 0 ? NULL : input_open(source_of_file(&fd));
    *memory = 0;
    *cpus = 0;
    if (input)
        state_read_lines(input, &text, memory, cpus);
    if (fd < 0)
        problem_say(why, "state", "cannot open %s: %m", path);
    else if (!input || text.failed)
        problem_say(why, "state", "out of memory");
    else if (input_problem(input) || !*memory)
        problem_say(why, "state", "%s: %s", path, input_problem(input) ? input_problem(input) : "no ZONE line in it");
    input_close(input);
    if (fd >= 0)
        close(fd);
    *length = text.length;
    if (why->text[0])
        buffer_clear(&text);
    return text.data;
}

bool state_write(const struct machine *machine, const char *path, struct problem *why)
{
    size_t length = machine_dump_state(machine, NULL, 0);
    char *text = length ? malloc(length + 1) : NULL;
    FILE *file = text ? fopen(path, "w") : NULL;
    if (text)
        machine_dump_state(machine, text, length + 1);
    bool ok = file && fwrite(text, 1, length, file) == length;
    ok = (!file || fclose(file) == 0) && ok;
    if (!ok)
        problem_say(why, "state", length ? "cannot write %s: %m" : "only linux-6.1 has such states: %s is not written",
                    path);
    free(text);
    return ok;
}
