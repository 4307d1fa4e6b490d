/* Programs that misuse malloc, through the operations of a machine, against what the C library did (the .res files in
 * techniques/).
 *
 * Each file holds a script of tests/lib/heap_script.h with the results that glibc 2.36 (Debian 2.36-9+deb12u14) gave:
 * addresses, words of memory, its last words. techniques/record.c made them; `cut -f1` of such a file is the script. */
#include "alloc/machine/machine_internal.h"
#include "alloc/process/process_internal.h"
#include "tests/lib/fixture.h"
#include "tests/lib/heap_script.h"

#include <glob.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define LIBC_DATA_OFFSET UINT64_C(0x1d3000) /* of its writable data in the library's file */
#define AREA_BYTES UINT64_C(0x10000)
#define LEAST_TECHNIQUES 20u

struct target {
    struct machine *machine;
    uint32_t pid;
    char words[512]; /* of the bug that ended the process */
};

static const struct op_result *apply(struct target *t, struct op op)
{
    op.pid = t->pid;
    op.given |= OP_BIT(PID);
    const struct op_result *r = fixture_apply(t->machine, op);
    if (r->outcome == OUTCOME_BUG)
        (void)snprintf(t->words, sizeof t->words, "%s", r->message);
    return r->outcome == OUTCOME_BUG ? NULL : r;
}

static bool target_call(void *target, char function, uint64_t a, uint64_t b, uint64_t *result)
{
    struct op op = function == 'f' ? fixture_free(OP_FREE, a) : fixture_user(OP_MALLOC, 0, function == 'm' ? a : b);
    switch (function) {
    case 'c':
        op.kind = OP_CALLOC;
        op.n = a;
        op.given |= OP_BIT(N);
        break;
    case 'r':
        op.kind = OP_REALLOC;
        op.address = a;
        op.given |= OP_BIT(ADDRESS);
        break;
    case 'a':
        op.kind = OP_MEMALIGN;
        op.align = a;
        op.given |= OP_BIT(ALIGN);
        break;
    default:
        break;
    }
    const struct op_result *r = apply(target, op);
    *result = r ? r->address : 0;
    return r != NULL;
}

static bool target_write(void *target, uint64_t at, uint64_t value, uint32_t nr_bytes)
{
    struct op op = fixture_op(OP_WRITE);
    op.address = at;
    op.data = (const uint8_t *)&value;
    op.nr_data = nr_bytes;
    op.given |= OP_BIT(ADDRESS) | OP_BIT(HEX);
    return apply(target, op) != NULL;
}

static bool target_read(void *target, uint64_t at, uint64_t *value)
{
    struct op op = fixture_op(OP_READ);
    op.address = at;
    op.length = sizeof *value;
    op.given |= OP_BIT(ADDRESS) | OP_BIT(LENGTH);
    const struct op_result *r = apply(target, op);
    if (r)
        memcpy(value, r->bytes, sizeof *value);
    return r != NULL;
}

static void start(struct target *t, struct heap_script *script)
{
    *t = (struct target){ .machine = fixture_machine("linux-6.1", UINT64_C(32) << 20) };
    t->pid = fixture_apply(t->machine, fixture_op(OP_SPAWN))->pid;
    struct op map = fixture_op(OP_MMAP);
    map.length = AREA_BYTES;
    map.given |= OP_BIT(LENGTH);
    uint64_t area = apply(t, map)->address;
    const struct processes *ps = &t->machine->state.processes;
    const struct process *p = process_at(ps, process_find(ps, t->pid));
    *script = (struct heap_script){ .heap = p->heap_start,
                                    .libc = p->libc_data - LIBC_DATA_OFFSET,
                                    .area = area,
                                    .thread = p->thread_data,
                                    .target = t,
                                    .call = target_call,
                                    .write = target_write,
                                    .read = target_read };
}

/* Compares what a line gives. False: it is the script's last. */
static bool run_line(struct target *t, struct heap_script *script, const char *path, char *line, uint32_t *nr_different)
{
    char result[64], *recorded = strstr(line, "\t= ");
    if (!*line || *line == '#')
        return true;
    if (recorded)
        *recorded = 0;
    recorded = recorded ? recorded + 3 : "";
    bool goes_on = heap_script_line(script, line, result);
    const char *got = goes_on ? result : t->words;
    size_t length = strlen(recorded);
    bool is_same = goes_on ? strcmp(got, recorded) == 0 : length && strstr(got, recorded);
    if (!is_same)
        print_error("%s: %s: glibc gives \"%s\", here it is \"%s\"\n", path, line, recorded, got);
    *nr_different += !is_same;
    return goes_on;
}

/* Returns in how many lines it differs. */
static uint32_t run_file(const char *path)
{
    static char text[65536];
    static struct heap_script script;
    struct target target;
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    text[fread(text, 1, sizeof text - 1, file)] = 0;
    (void)fclose(file);
    start(&target, &script);
    uint32_t nr_lines = 0, nr_different = 0;
    for (char *line = strtok(text, "\n"); line && run_line(&target, &script, path, line, &nr_different);
         line = strtok(NULL, "\n"))
        nr_lines++;
    assert_true(nr_lines > 2);
    machine_destroy(target.machine);
    return nr_different;
}

static void test_as_glibc(void **state)
{
    (void)state;
    glob_t files;
    assert_int_equal(glob("tests/unit/malloc/techniques/*.res", 0, NULL, &files), 0);
    assert_true(files.gl_pathc >= LEAST_TECHNIQUES);
    uint32_t nr_different = 0;
    for (size_t i = 0; i < files.gl_pathc; i++)
        nr_different += run_file(files.gl_pathv[i]);
    globfree(&files);
    assert_int_equal(nr_different, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_as_glibc),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
