/* A disk that is full: whoever deletes gets through, the file becomes shorter, and others go on in the room that is free.
 * And a store whose file is no longer where it was. */
#include "tests/store/faulty_disk.h"
#include "tests/store/store_fixture.h"

#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>
#include <sqlite3.h>

#define DISK_BYTES (UINT64_C(22) << 20)
#define LEFT_BYTES (UINT64_C(1) << 20) /* when all but one small lab is gone */
#define NR_AT_ONCE 1000u

static uint64_t file_bytes(const char *path)
{
    struct stat status;
    return stat(path, &status) == 0 ? (uint64_t)status.st_size : 0;
}

/* Operations with names of their own, so that the log grows. */
static enum pagoda_error apply_some(struct lab *lab, unsigned count)
{
    static unsigned nr;
    struct lab_hold hold;
    char name[64] = "";
    enum pagoda_error error = lab_take(lab, &hold);
    if (error)
        return error;
    for (unsigned i = 0; i < count && !error; i++) {
        struct op op = op_default(OP_KMALLOC);
        struct op_result result;
        struct problem why = { 0 };
        op.size = 8;
        op.name = (struct text){ name, (uint32_t)snprintf(name, sizeof name, "%060u", nr++) };
        op.given = OP_BIT(SIZE) | OP_BIT(NAME);
        error = lab_apply(&hold, &op, NULL, &result, &why);
    }
    lab_release(&hold);
    return error ? error : store_wait(lab->labs->store, hold.ticket);
}

static enum pagoda_error fill_a_little(struct lab *lab)
{
    return apply_some(lab, NR_AT_ONCE);
}

static void fill_disk(struct lab *lab)
{
    enum pagoda_error error = PAGODA_OK;
    for (unsigned nr_full = 0; nr_full < 3; nr_full += error != PAGODA_OK) {
        error = fill_a_little(lab);
        assert_true(!error || error == PAGODA_ERR_FULL || error == PAGODA_ERR_IO);
    }
}

static void delete_lab(struct lab *lab)
{
    struct lab_change deletion;
    struct lab *gone;
    lab_begin_delete(lab, NULL, &deletion);
    assert_int_equal(lab_change_now(&deletion, &gone), PAGODA_OK);
    lab_put(lab);
}

static void test_delete_on_a_full_disk(void **state)
{
    (void)state;
    struct store_fixture f;
    char directory[64], reserve[96];
    store_fixture_make(&f);
    snprintf(directory, sizeof directory, "%.*s", (int)(strrchr(f.path, '/') - f.path), f.path);
    snprintf(reserve, sizeof reserve, "%s.reserve", f.path);
    store_fixture_must_open(&f);
    struct lab *large = store_fixture_lab(&f, "classic"), *other = store_fixture_lab(&f, "classic");
    assert_int_equal(fill_a_little(other), PAGODA_OK);
    while (!file_bytes(reserve))
        sched_yield();
    faulty_disk_limit(directory, DISK_BYTES);
    fill_disk(large);
    uint64_t seq = lab_seq(other);
    delete_lab(large);
    for (unsigned i = 0; i < 3000 && file_bytes(f.path) > LEFT_BYTES; i++) /* swept, and given back */
        usleep(10000);
    if (file_bytes(f.path) > LEFT_BYTES)
        fail_msg("%llu bytes are left", (unsigned long long)file_bytes(f.path));
    assert_int_equal(fill_a_little(other), PAGODA_OK);
    assert_int_equal(lab_seq(other), seq + NR_AT_ONCE);
    faulty_disk_limit(directory, 0);
    lab_put(other);
    store_fixture_close(&f);
    store_fixture_remove(&f);
}

static void test_a_file_that_went_away(void **state)
{
    (void)state;
    struct store_fixture f;
    char away[96];
    store_fixture_make(&f);
    store_fixture_must_open(&f);
    struct lab *lab = store_fixture_lab(&f, "classic");
    assert_int_equal(fill_a_little(lab), PAGODA_OK);
    uint64_t hash = store_fixture_hash(lab);
    snprintf(away, sizeof away, "%s.away", f.path);
    for (unsigned replaced = 0; replaced < 2; replaced++) {
        assert_int_equal(rename(f.path, away), 0);
        if (replaced)
            fclose(fopen(f.path, "w"));
        assert_false(store_is_in_place(f.store));
        assert_int_equal(apply_some(lab, 1), PAGODA_ERR_GONE);
        struct lab_change renaming;
        struct lab *none;
        lab_begin_rename(lab, "other", &renaming);
        assert_int_equal(lab_change_now(&renaming, &none), PAGODA_ERR_GONE);
        assert_int_equal(store_fixture_hash(lab), hash); /* who only reads goes on */
        assert_int_equal(rename(away, f.path), 0);
        assert_true(store_is_in_place(f.store));
    }
    assert_int_equal(fill_a_little(lab), PAGODA_OK);
    lab_put(lab);
    store_fixture_close(&f);
    store_fixture_remove(&f);
}

static void test_files_are_the_owners_alone(void **state)
{
    (void)state;
    static const char *const ENDS[] = { "", "-wal", "-shm", ".lock", ".key" };
    struct store_fixture f;
    char path[96];
    store_fixture_make(&f);
    for (unsigned round = 0; round < 2; round++) {
        store_fixture_must_open(&f);
        for (unsigned i = 0; i < sizeof ENDS / sizeof ENDS[0]; i++) {
            struct stat status;
            snprintf(path, sizeof path, "%s%s", f.path, ENDS[i]);
            assert_int_equal(stat(path, &status), 0);
            assert_int_equal(status.st_mode & 0777, 0600);
        }
        store_fixture_close(&f);
        assert_int_equal(chmod(f.path, 0644), 0); /* as an older pagodad has left it */
    }
    store_fixture_remove(&f);
}

static void execute(const char *path, const char *sql)
{
    sqlite3 *db;
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
}

/* Keys of yesterday are forgotten, whether they are one slice or many; those of today stay. */
static void test_keys_expire(void **state)
{
    (void)state;
    struct store_fixture f;
    uint64_t body_hash, seq;
    store_fixture_make(&f);
    store_fixture_must_open(&f);
    lab_put(store_fixture_lab(&f, "classic"));
    store_fixture_close(&f);
    execute(
        f.path,
        "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1300)"
        " INSERT INTO answered (lab, key, body_hash, seq, at)"
        " SELECT 1, printf('k%04d', i), 7, i, strftime('%s', 'now') - CASE WHEN i % 10 THEN 86500 ELSE 80000 END FROM n");
    store_fixture_must_open(&f);
    for (unsigned i = 0; i < 1000 && store_find_answered(f.store, 1, "k1299", &body_hash, &seq) == PAGODA_OK; i++)
        usleep(10000);
    for (unsigned i = 1; i <= 1300; i++) {
        char key[16];
        snprintf(key, sizeof key, "k%04u", i);
        assert_int_equal(store_find_answered(f.store, 1, key, &body_hash, &seq), i % 10 ? PAGODA_ERR_NOT_FOUND : PAGODA_OK);
    }
    store_fixture_close(&f);
    store_fixture_remove(&f);
}

int main(void)
{
    faulty_disk_register();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_delete_on_a_full_disk),
        cmocka_unit_test(test_a_file_that_went_away),
        cmocka_unit_test(test_files_are_the_owners_alone),
        cmocka_unit_test(test_keys_expire),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
