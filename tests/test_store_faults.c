/* A disk that fails: full, broken, torn, at every single write in turn. What was acknowledged stays, what was not has not
 * happened, the lab is back at its last durable state, and service goes on as soon as the disk does. */
#include "tests/faulty_disk.h"
#include "tests/store_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <sqlite3.h>

static const struct {
    int code;
    bool forever;
} FAULTS[] = { { SQLITE_FULL, false }, { SQLITE_FULL, true }, { SQLITE_IOERR_WRITE, false }, { SQLITE_IOERR_FSYNC, true } };
#define NR_FAULTS (sizeof FAULTS / sizeof FAULTS[0])

/* A few operations, one commit each, while the disk fails at write number at. True: it did. */
static bool run_faulty(struct lab *lab, struct fixture_random *random, int at, unsigned fault)
{
    faulty_disk_arm(at, FAULTS[fault].code, FAULTS[fault].forever);
    uint64_t acknowledged = lab_seq(lab);
    for (unsigned i = 0; i < 6; i++) {
        enum pagoda_error error;
        store_fixture_run(lab, random, 3, &error);
        if (!error)
            acknowledged = lab_seq(lab);
        else
            assert_true(error == PAGODA_ERR_FULL || error == PAGODA_ERR_IO);
    }
    bool failed = faulty_disk_disarm();
    assert_int_equal(store_fixture_hash(lab), store_fixture_replayed_hash(lab));
    assert_true(lab_seq(lab) >= acknowledged);
    enum pagoda_error error;
    store_fixture_run(lab, random, 3, &error);
    assert_int_equal(error, PAGODA_OK); /* room again: no restart needed */
    return failed;
}

static void test_operations(void **state)
{
    (void)state;
    struct fixture_random random = { fixture_seed() };
    struct store_fixture f;
    store_fixture_make(&f);
    store_fixture_must_open(&f);
    struct lab *lab = store_fixture_lab(&f, "linux-6.1");
    unsigned nr_failed = 0;
    for (unsigned fault = 0; fault < NR_FAULTS; fault++)
        for (int at = 0; at < 40 && run_faulty(lab, &random, at, fault); at++)
            nr_failed++;
    assert_true(nr_failed > 40);
    uint64_t hash = store_fixture_hash(lab);
    char key[LAB_KEY_LENGTH + 1];
    memcpy(key, lab->row.key, sizeof key);
    lab_put(lab);
    store_fixture_close(&f);
    store_fixture_must_open(&f);
    lab = lab_get(&f.labs, key);
    assert_int_equal(store_fixture_hash(lab), hash);
    lab_put(lab);
    store_fixture_close(&f);
    store_fixture_remove(&f);
}

/* What befalls a snapshot or a new lab is nobody else's trouble. */
static void test_tasks(void **state)
{
    (void)state;
    struct fixture_random random = { fixture_seed() };
    struct store_fixture f;
    enum pagoda_error error;
    store_fixture_make(&f);
    store_fixture_must_open(&f);
    struct lab *lab = store_fixture_lab(&f, "classic");
    store_fixture_run(lab, &random, 50, &error);
    static char image[600000]; /* three parts */
    const struct snapshot_row row = { .seq = 20, .engine = machine_engine(), .hash = 1 };
    bool failed = true;
    for (int at = 0; failed; at++) {
        faulty_disk_arm(at, SQLITE_FULL, true);
        error = store_save_snapshot(f.store, &lab->log, 0, &row, image, sizeof image);
        struct lab *none;
        struct problem why = { 0 };
        struct machine_config config = { .profile = PROFILE_CLASSIC };
        enum pagoda_error creating = lab_create(&f.labs, "x", &config, &none, &why);
        failed = faulty_disk_disarm();
        assert_true(error == PAGODA_OK || error == PAGODA_ERR_FULL);
        assert_true(!failed || creating == PAGODA_ERR_FULL || at > 0);
        if (!creating) {
            assert_int_equal(lab_delete(none), PAGODA_OK);
            lab_put(none);
        }
        assert_false(atomic_load(&lab->log.lost));
    }
    uint64_t hash = store_fixture_hash(lab);
    lab_put(lab);
    f.labs.idle_ns = 1;
    labs_tidy(&f.labs);
    lab = lab_get(&f.labs, lab->row.key); /* the snapshot says nothing sensible: passed over */
    assert_int_equal(store_fixture_hash(lab), hash);
    lab_put(lab);
    store_fixture_close(&f);
    store_fixture_remove(&f);
}

static void load_version_1(const char *path)
{
    static char sql[1 << 16];
    FILE *file = fopen("tests/sample/store-1.sql", "r");
    assert_non_null(file);
    sql[fread(sql, 1, sizeof sql - 1, file)] = '\0';
    fclose(file);
    sqlite3 *db;
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
}

/* Interrupted wherever it may be, a migration has either not happened or is complete. */
static void test_migration(void **state)
{
    (void)state;
    bool failed = true;
    unsigned nr_failed = 0;
    for (int at = 0; failed; at += 1 + at / 8) {
        struct store_fixture f;
        struct problem why = { 0 };
        store_fixture_make(&f);
        load_version_1(f.path);
        faulty_disk_arm(at, at % 2 ? SQLITE_FULL : SQLITE_IOERR_WRITE, true);
        enum pagoda_error error = store_open(f.path, &f.store, &why);
        if (!error)
            store_close(f.store);
        failed = faulty_disk_disarm();
        nr_failed += failed && error;
        assert_true(!error || why.text[0]);
        store_fixture_must_open(&f);
        unsigned nr_labs = 0;
        uint64_t nr_ops = 0;
        for (struct lab *lab = f.labs.first; lab; lab = lab->next, nr_labs++)
            nr_ops += lab_seq(lab);
        assert_int_equal(nr_labs, 3);
        assert_int_equal(nr_ops, 40 + 45 + 25);
        store_fixture_close(&f);
        store_fixture_remove(&f);
    }
    assert_true(nr_failed > 5);
}

int main(void)
{
    faulty_disk_register();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_operations),
        cmocka_unit_test(test_tasks),
        cmocka_unit_test(test_migration),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
