/* The small store that the fuzz target "store" harms. What is random or of today in it (keys, dates) is written over, and
 * the file is packed, so that an input means the same in each process. */
#include "server/json/op_json.h"
#include "server/lab/lab_internal.h"
#include "server/store/sqlite/store_state.h"
#include "tests/fuzz/store_fuzz.h"

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MUST(call)                                                                                                         \
    do {                                                                                                                   \
        if (call)                                                                                                          \
            fuzz_fail(#call);                                                                                              \
    } while (0)

/* Applied again and again, with a number that counts for #. */
static const char *const LINES[] = {
    "{\"op\":\"kmalloc\",\"size\":#,\"name\":\"k#\",\"call_site\":\"driver_probe\"}",
    "{\"op\":\"spawn\"}",
    "{\"op\":\"malloc\",\"pid\":100,\"size\":2#00,\"name\":\"m#\"}",
    "{\"op\":\"write\",\"pid\":100,\"name\":\"m#\",\"hex\":\"00ff0#\"}",
    "{\"op\":\"vmalloc\",\"size\":\"#K\",\"name\":\"v#\"}",
    "{\"op\":\"kmalloc\",\"size\":64,\"gfp\":\"GFP_ATOMIC\",\"context\":\"hardirq\",\"cpu\":0}",
    "{\"op\":\"alloc_pages\",\"order\":1,\"name\":\"p#\"}",
    "{\"op\":\"mark\",\"text\":\"remark #\"}",
    "{\"op\":\"free\",\"pid\":100,\"name\":\"m#\"}",
};
#define NR_LINES (sizeof LINES / sizeof LINES[0])

static void make_line(char *out, size_t capacity, unsigned number)
{
    char *end = out;
    for (const char *at = LINES[number % NR_LINES]; *at && end + 12 < out + capacity; at++)
        if (*at == '#')
            end += snprintf(end, 12, "%u", number / (unsigned)NR_LINES + 1);
        else
            *end++ = *at;
    *end = '\0';
}

static void make_apply(struct lab_hold *hold, unsigned number, const struct op_key *key)
{
    char line[160];
    struct op_request request;
    struct op_result result;
    struct problem why = { 0 };
    make_line(line, sizeof line, number);
    MUST(op_decode(line, strlen(line), &request, &why));
    (void)!lab_apply(hold, &request.op, key, &result, &why); /* some are refused: the log has them no less */
    op_request_clear(&request);
}

static void make_fill(struct lab *lab, uint64_t to)
{
    struct lab_hold hold;
    const struct op_key key = { "a key", 7 };
    MUST(lab_take(lab, &hold));
    for (unsigned i = 0; lab_seq(lab) < to; i++)
        make_apply(&hold, i, i == 3 ? &key : NULL);
    lab_release(&hold);
    MUST(store_wait(lab->labs->store, hold.ticket));
}

static struct lab *make_lab(struct labs *labs, enum profile_id profile)
{
    struct machine_config config = { .profile = profile, .memory = 4 << 20, .swap = 1 << 20 };
    struct lab_change change;
    struct problem why = { 0 };
    struct lab *lab;
    if (profile != PROFILE_CLASSIC)
        config.memory = 32 << 20;
    MUST(lab_begin_create(labs, "a lab", &config, false, NULL, &change, &why));
    MUST(lab_change_now(&change, &lab));
    return lab;
}

static struct lab *make_fork(struct lab *parent, uint64_t at)
{
    struct lab_hold hold;
    struct lab_change change;
    struct lab *lab;
    MUST(lab_take_past(parent, at, &hold));
    MUST(lab_begin_fork(&hold, "a fork", NULL, &change));
    lab_release(&hold);
    MUST(lab_change_now(&change, &lab));
    return lab;
}

/* The next operation leaves an image. */
static void make_image(struct lab *lab)
{
    lab->cost_ns = lab->snapshot_cost_ns + SNAPSHOT_NEAR_NS;
    make_fill(lab, lab_seq(lab) + 1);
    while (atomic_load(&lab->labs->snapshots.nr_queued))
        sched_yield();
}

static void make_labs(struct labs *labs, struct store *store)
{
    struct lab *made[4] = { make_lab(labs, PROFILE_CLASSIC), make_lab(labs, PROFILE_LINUX_6_1) };
    make_fill(made[0], 70);
    make_image(made[0]);
    make_fill(made[1], 20);
    made[2] = make_fork(made[0], 66); /* in the middle of a block, so that it has a value of its own for it */
    make_fill(made[2], 75);
    made[3] = make_fork(made[2], 64);
    MUST(store_begin_import(store, lab_number(made[3]), 64));
    for (unsigned i = 0; i < 4; i++)
        lab_put(made[i]);
}

/* What is not the same each time. */
static void make_same(const char *path)
{
    sqlite3 *db;
    MUST(sqlite3_open(path, &db));
    MUST(store_add_seal(db));
    MUST(sql_script(db, "UPDATE lab SET key = printf('aaaaaaa%d', id), created = '2024-01-01T00:00:00Z';"
                        "UPDATE lab SET seal = " LAB_SEAL ";"
                        "UPDATE answered SET at = 4000000000;"
                        "PRAGMA journal_mode = DELETE; VACUUM; PRAGMA journal_mode = WAL"));
    MUST(sqlite3_close(db));
}

static FILE *make_open(const char *path, const char *mode)
{
    FILE *file = fopen(path, mode);
    if (!file)
        fuzz_fail(path);
    return file;
}

static uint8_t *make_read(const char *path, size_t *nr_bytes)
{
    FILE *file = make_open(path, "rb");
    if (fseek(file, 0, SEEK_END) != 0)
        fuzz_fail("no store");
    *nr_bytes = (size_t)ftell(file);
    rewind(file);
    uint8_t *bytes = malloc(*nr_bytes);
    if (!bytes || fread(bytes, 1, *nr_bytes, file) != *nr_bytes)
        fuzz_fail("the store cannot be read");
    fclose(file);
    return bytes;
}

/* The key marks images: it is to be the same, too. */
static void make_key(const char *path)
{
    char key_path[112];
    snprintf(key_path, sizeof key_path, "%s.key", path);
    FILE *file = make_open(key_path, "wb");
    if (fwrite("0123456789abcdef0123456789abcdef", 1, 32, file) != 32)
        fuzz_fail("no key");
    fclose(file);
}

void store_remove(const char *path)
{
    static const char *const ENDS[] = { "", "-wal", "-shm", "-journal" };
    char name[112];
    for (size_t i = 0; i < sizeof ENDS / sizeof ENDS[0]; i++) {
        snprintf(name, sizeof name, "%s%s", path, ENDS[i]);
        unlink(name);
    }
}

uint8_t *store_make(const struct store_paths *paths, size_t *nr_bytes)
{
    struct store *store;
    struct labs *labs;
    struct problem why = { 0 };
    make_key(paths->store);
    make_key(paths->salvaged);
    MUST(store_open(paths->store, NULL, &store, &why));
    MUST(labs_open(store, NULL, &labs, &why));
    make_labs(labs, store);
    labs_stop(labs);
    store_close(store);
    labs_close(labs);
    make_same(paths->store);
    uint8_t *bytes = make_read(paths->store, nr_bytes);
    store_remove(paths->store);
    return bytes;
}
