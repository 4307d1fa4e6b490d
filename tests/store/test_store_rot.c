/* Bit rot. A byte of a store becomes another one. Then either pagodad check says that something is wrong (or the file is
 * refused), or all labs are what they were: the same operations, the same machines. And whatever check says, a daemon that
 * opens the store shows of each lab what it was, or an error: never something else. RUNS= and SEED= say how often, and
 * where. */
#include "server/base/hash.h"
#include "server/base/host_memory.h"
#include "server/cmd/check.h"
#include "tests/store/store_fixture.h"

#include <fcntl.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define NR_LABS 4u
#define RUNS 240u

/* What a lab is: its row, its log, its machine. */
struct essence {
    char key[LAB_ID_LENGTH + 1];
    uint64_t log, machine;
};

static struct essence originals[NR_LABS];
static struct store_fixture f;
static char *bytes;
static size_t nr_bytes;

/* ---- the store ---- */

static void fill_lab(struct lab *lab, struct fixture_random *random, uint64_t nr)
{
    enum pagoda_error error = PAGODA_OK;
    while (!error && lab_seq(lab) < nr)
        store_fixture_run(lab, random, 20, &error);
    assert_int_equal(error, PAGODA_OK);
}

/* The next operation leaves a snapshot. */
static void leave_snapshot(struct lab *lab, struct fixture_random *random)
{
    lab->cost_ns = lab->snapshot_cost_ns + SNAPSHOT_NEAR_NS;
    fill_lab(lab, random, lab_seq(lab) + 1);
    while (atomic_load(&lab->labs->snapshots.nr_queued))
        sched_yield();
}

static struct lab *fork_lab(struct lab *parent, uint64_t at)
{
    struct lab_hold hold;
    struct lab_change begun;
    struct lab *fork;
    assert_int_equal(lab_take_past(parent, at, &hold), PAGODA_OK);
    assert_int_equal(lab_begin_fork(&hold, "fork", NULL, &begun), PAGODA_OK);
    lab_release(&hold);
    assert_int_equal(lab_change_now(&begun, &fork), PAGODA_OK);
    return fork;
}

static void read_bytes(void)
{
    FILE *file = fopen(f.path, "rb");
    assert_non_null(file);
    fseek(file, 0, SEEK_END);
    nr_bytes = (size_t)ftell(file);
    rewind(file);
    bytes = malloc(nr_bytes);
    assert_int_equal(fread(bytes, 1, nr_bytes, file), nr_bytes);
    fclose(file);
}

static bool digest_entry(void *context, const struct log_entry *entry)
{
    uint64_t *hash = context;
    const struct op *op = &entry->op;
    const uint64_t numbers[] = { entry->seq,       (uint64_t)op->kind, (uint64_t)entry->outcome, entry->address,
                                 entry->allocated, entry->cost_ns,     entry->slept_ns,          op->given };
    *hash = hash64_bytes(*hash, numbers, sizeof numbers);
    for (uint32_t left = op->given; left; left &= left - 1) {
        enum op_param_id id = (enum op_param_id)__builtin_ctz(left);
        enum op_param_type type = op_param_info(id)->type;
        struct text text = type == TYPE_TEXT ? op_text(op, id) : (struct text){ (const char *)op->data, op->nr_data };
        uint64_t number = type == TYPE_TEXT || type == TYPE_HEX ? 0 : op_number(op, id);
        *hash = type == TYPE_TEXT || type == TYPE_HEX ? hash64_bytes(*hash, text.start, text.length)
                                                      : hash64_bytes(*hash, &number, sizeof number);
    }
    return true;
}

/* An error: it cannot be said. */
static enum pagoda_error find_essence(struct lab *lab, struct essence *essence)
{
    struct lab_hold hold;
    memcpy(essence->key, lab->row.id, sizeof essence->key);
    essence->log = hash64_bytes(HASH_START, lab->row.name, strlen(lab->row.name));
    enum pagoda_error error = lab_take(lab, &hold);
    if (error)
        return error;
    essence->machine = machine_hash(hold.machine);
    uint64_t seq = hold.seq;
    lab_release(&hold);
    return store_read_ops(f.store, lab->row.number, 1, seq, digest_entry, &essence->log);
}

static int make_store(void **state)
{
    (void)state;
    struct fixture_random random = { 1 };
    store_fixture_make(&f);
    store_fixture_must_open(&f);
    struct lab *labs[NR_LABS] = { store_fixture_lab(&f, "linux-6.1"), store_fixture_lab(&f, "classic") };
    fill_lab(labs[0], &random, 150);
    fill_lab(labs[1], &random, 130);
    labs[2] = fork_lab(labs[0], 100);
    labs[3] = fork_lab(labs[1], 64);
    fill_lab(labs[2], &random, 140);
    leave_snapshot(labs[1], &random);
    fill_lab(labs[1], &random, 190);
    for (unsigned i = 0; i < NR_LABS; i++) {
        assert_int_equal(find_essence(labs[i], &originals[i]), PAGODA_OK);
        lab_put(labs[i]);
    }
    store_fixture_close(&f);
    read_bytes();
    return 0;
}

static int remove_store(void **state)
{
    (void)state;
    free(bytes);
    store_fixture_remove(&f);
    return 0;
}

/* ---- rot ---- */

static void write_rotten(size_t at, char byte)
{
    char path[96];
    static const char *const ENDS[] = { "-wal", "-shm" };
    for (unsigned i = 0; i < 2; i++) {
        snprintf(path, sizeof path, "%s%s", f.path, ENDS[i]);
        unlink(path);
    }
    FILE *file = fopen(f.path, "wb");
    assert_non_null(file);
    char good = bytes[at];
    bytes[at] = byte;
    assert_int_equal(fwrite(bytes, 1, nr_bytes, file), nr_bytes);
    bytes[at] = good;
    fclose(file);
}

/* Output of pagodad check goes nowhere. */
static int check_quietly(void)
{
    const struct options options = { .file = f.path };
    fflush(stdout);
    int out = dup(1), err = dup(2), none = open("/dev/null", O_WRONLY);
    dup2(none, 1);
    dup2(none, 2);
    int result = check(&options);
    fflush(stdout);
    dup2(out, 1);
    dup2(err, 2);
    close(out);
    close(err);
    close(none);
    return result;
}

static bool is_original(const struct essence *essence)
{
    for (unsigned i = 0; i < NR_LABS; i++)
        if (strcmp(originals[i].key, essence->key) == 0 && originals[i].log == essence->log &&
            originals[i].machine == essence->machine)
            return true;
    return false;
}

/* How many labs are as they were; the others cannot be read. */
static unsigned count_sound(size_t at, char byte)
{
    struct problem why = { 0 };
    unsigned nr_sound = 0;
    enum pagoda_error error = store_open(f.path, NULL, &f.store, &why);
    if (error) {
        printf("byte %zu became %d: refused: %s\n", at, byte, why.text);
        return 0;
    }
    error = labs_open(f.store, NULL, &f.labs, &why);
    for (struct lab *lab = error ? NULL : f.labs->first; lab; lab = lab->next) {
        struct essence essence = { 0 };
        if (find_essence(lab, &essence))
            continue;
        if (!is_original(&essence))
            fail_msg("byte %zu became %d: lab %s is shown as something else", at, byte, essence.key);
        nr_sound++;
    }
    if (error)
        store_close(f.store);
    else
        store_fixture_close(&f);
    return nr_sound;
}

static void test_rot(void **state)
{
    (void)state;
    struct fixture_random random = { fixture_seed() };
    const char *runs = getenv("RUNS");
    unsigned nr_reported = 0, nr_runs = runs ? (unsigned)atoi(runs) : RUNS;
    write_rotten(0, bytes[0]);
    assert_int_equal(check_quietly(), 0);
    assert_int_equal(count_sound(0, bytes[0]), NR_LABS);
    for (unsigned i = 0; i < nr_runs; i++) {
        size_t at = (size_t)fixture_random_below(&random, nr_bytes);
        uint64_t flips = UINT64_C(1) << fixture_random_below(&random, 8); /* one bit, or some */
        if (fixture_random_below(&random, 2))
            flips = 1 + fixture_random_below(&random, 255);
        char byte = (char)(bytes[at] ^ (char)flips);
        write_rotten(at, byte);
        bool is_reported = check_quietly() != 0;
        write_rotten(at, byte);
        unsigned nr_sound = count_sound(at, byte);
        if (!is_reported && nr_sound < NR_LABS)
            fail_msg("byte %zu became %d: check calls it sound, %u of %u labs can be read", at, byte, nr_sound, NR_LABS);
        nr_reported += is_reported;
    }
    printf("%u bytes of %zu: %u reported, the others harmless\n", nr_runs, nr_bytes, nr_reported);
    assert_true(nr_reported * 8 > nr_runs);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_rot) };
    return cmocka_run_group_tests(tests, make_store, remove_store);
}
