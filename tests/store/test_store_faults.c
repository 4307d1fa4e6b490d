/* A disk that fails: full, broken, torn, at every single write in turn. What was acknowledged stays, what was not has not
 * happened, the lab is back at its last durable state, and service goes on as soon as the disk does. */
#include "tests/store/faulty_disk.h"
#include "tests/store/store_fixture.h"

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
    char key[LAB_ID_LENGTH + 1];
    memcpy(key, lab->row.id, sizeof key);
    lab_put(lab);
    store_fixture_close(&f);
    store_fixture_must_open(&f);
    lab = lab_get(f.labs, key);
    assert_int_equal(store_fixture_hash(lab), hash);
    lab_put(lab);
    store_fixture_close(&f);
    store_fixture_remove(&f);
}

/* ---- imports that are all or nothing ---- */

#define IMPORT_OPS 40u

/* The disk fails at write number at. Meanwhile the lab is seen as it was. */
static enum pagoda_error import_once(struct lab *lab, struct fixture_random *random, uint64_t *nr_applied)
{
    struct lab_import *import;
    uint64_t seq = lab_seq(lab);
    enum pagoda_error error = lab_import_begin(lab, seq, &import);
    if (error)
        return error;
    for (unsigned i = 0; !error && i < IMPORT_OPS; i++) {
        struct op_result result;
        struct problem why = { 0 };
        struct op op = store_fixture_op(random, lab_import_machine(import));
        error = lab_import_apply(import, &op, &result, &why);
        error = error == PAGODA_ERR_INVALID ? PAGODA_OK : error;
        if (!error && i % 8 == 7 && lab_import_ticket(import)) /* several commits */
            error = store_wait(lab->labs->store, lab_import_ticket(import));
        assert_int_equal(lab_seq(lab), seq);
    }
    *nr_applied = machine_seq(lab_import_machine(import)) - seq;
    enum pagoda_error ending = lab_import_end(import, !error, NULL);
    return error ? error : ending;
}

/* True: the disk has failed. */
static bool import_faulty(struct store_fixture *f, struct lab *lab, struct fixture_random *random, int at, unsigned fault)
{
    uint64_t seq = lab_seq(lab), hash = store_fixture_hash(lab), nr_applied = 0;
    faulty_disk_arm(at, FAULTS[fault].code, FAULTS[fault].forever);
    enum pagoda_error error = import_once(lab, random, &nr_applied);
    bool failed = faulty_disk_disarm();
    assert_true(!error || error == PAGODA_ERR_FULL || error == PAGODA_ERR_IO);
    if (error && !failed)
        fail_msg("%s, though the disk did not fail (fault %u at %d)", pagoda_error_text(error), fault, at);
    if (error && at % 3 == 0) { /* the store is opened again by another daemon, as it lies there */
        char key[LAB_ID_LENGTH + 1];
        memcpy(key, lab->row.id, sizeof key);
        lab_put(lab);
        store_fixture_close(f);
        store_fixture_must_open(f);
        assert_int_equal(lab_seq(f->labs->first), seq);
        lab = lab_get(f->labs, key);
    }
    assert_int_equal(store_fixture_hash(lab), store_fixture_replayed_hash(lab));
    if (error)
        assert_int_equal(store_fixture_hash(lab), hash);
    assert_int_equal(lab_seq(lab), error ? seq : seq + nr_applied);
    enum pagoda_error next;
    store_fixture_run(lab, random, 3, &next);
    assert_int_equal(next, PAGODA_OK); /* room again: no restart needed, and nothing is in the way */
    assert_int_equal(store_fixture_hash(lab), store_fixture_replayed_hash(lab));
    return failed;
}

static void test_imports(void **state)
{
    (void)state;
    struct fixture_random random = { fixture_seed() };
    struct store_fixture f;
    enum pagoda_error error;
    store_fixture_make(&f);
    store_fixture_must_open(&f);
    struct lab *lab = store_fixture_lab(&f, "linux-6.1");
    store_fixture_run(lab, &random, 20, &error);
    for (unsigned fault = 0; fault < NR_FAULTS; fault++) {
        int at = 0;
        while (at < 60 && import_faulty(&f, f.labs->first, &random, at, fault))
            at += 1 + at / 6;
        assert_true(at > 10);
    }
    lab_put(f.labs->first);
    store_fixture_close(&f);
    store_fixture_remove(&f);
}

/* What befalls a snapshot or a new lab is nobody else's trouble. True: the disk has failed. */
static bool task_faulty(struct store_fixture *f, struct lab *lab, int at, unsigned fault)
{
    static char image[600000]; /* three parts */
    const struct snapshot_row row = { .seq = lab_durable_seq(lab), .engine = snapshot_identity(), .hash = 1 };
    faulty_disk_arm(at, FAULTS[fault].code, FAULTS[fault].forever);
    enum pagoda_error error = store_save_snapshot(f->store, &lab->log, 0, &row, image, sizeof image);
    struct lab *none;
    struct problem why = { 0 };
    struct machine_config config = { .profile = PROFILE_CLASSIC };
    enum pagoda_error creating = store_fixture_create(f, "x", &config, &none, &why);
    bool failed = faulty_disk_disarm();
    assert_true(!error || error == PAGODA_ERR_FULL || error == PAGODA_ERR_IO);
    assert_true(!creating || creating == PAGODA_ERR_FULL || creating == PAGODA_ERR_IO);
    assert_true(!failed || !FAULTS[fault].forever || creating || at > 0);
    if (!creating) {
        struct lab_change deletion;
        struct lab *gone;
        lab_begin_delete(none, NULL, &deletion);
        assert_int_equal(lab_change_now(&deletion, &gone), PAGODA_OK);
        lab_put(none);
    }
    assert_false(atomic_load(&lab->log.lost));
    return failed;
}

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
    for (unsigned fault = 0; fault < NR_FAULTS; fault++)
        for (int at = 0; task_faulty(&f, lab, at, fault);)
            at += 1 + at / 10;
    uint64_t hash = store_fixture_hash(lab);
    lab_put(lab);
    f.labs->limits.idle_ns = 1;
    labs_tidy(f.labs);
    lab = lab_get(f.labs, lab->row.id); /* the snapshot says nothing sensible: passed over */
    assert_int_equal(store_fixture_hash(lab), hash);
    lab_put(lab);
    store_fixture_close(&f);
    store_fixture_remove(&f);
}

static const struct {
    const char *sample;
    uint64_t nr_ops;
} OLD_STORES[] = { { "tests/store/store-1.sql", 40 + 45 + 25 },
                   { "tests/store/store-2.sql", 40 + 44 + 21 },
                   { "tests/store/store-4.sql", 103 + 100 + 75 } };

static void load_old_store(const char *path, const char *sample)
{
    static char sql[1 << 16];
    FILE *file = fopen(sample, "r");
    assert_non_null(file);
    sql[fread(sql, 1, sizeof sql - 1, file)] = '\0';
    fclose(file);
    sqlite3 *db;
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
}

/* Interrupted at write number at, a migration has either not happened or is complete. True: it was. */
static bool migrate_faulty(unsigned old, int at, unsigned fault, bool *refused)
{
    struct store_fixture f;
    struct problem why = { 0 };
    store_fixture_make(&f);
    load_old_store(f.path, OLD_STORES[old].sample);
    faulty_disk_arm(at, FAULTS[fault].code, true);
    enum pagoda_error error = store_open(f.path, NULL, &f.store, &why);
    if (!error)
        store_close(f.store);
    bool failed = faulty_disk_disarm();
    *refused = failed && error;
    assert_true(!error || why.text[0]);
    store_fixture_must_open(&f);
    unsigned nr_labs = 0;
    uint64_t nr_ops = 0;
    for (struct lab *lab = f.labs->first; lab; lab = lab->next, nr_labs++)
        nr_ops += lab_seq(lab);
    assert_int_equal(nr_labs, 3);
    assert_int_equal(nr_ops, OLD_STORES[old].nr_ops);
    store_fixture_close(&f);
    store_fixture_remove(&f);
    return failed;
}

static void test_migration(void **state)
{
    (void)state;
    for (unsigned old = 0; old < sizeof OLD_STORES / sizeof OLD_STORES[0]; old++)
        for (unsigned fault = 0; fault < NR_FAULTS; fault++) {
            unsigned nr_refused = 0;
            bool failed = true, refused;
            for (int at = 0; failed; at += 1 + at / 8) {
                failed = migrate_faulty(old, at, fault, &refused);
                nr_refused += refused;
            }
            assert_true(nr_refused > 3);
        }
}

int main(void)
{
    faulty_disk_register();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_operations),
        cmocka_unit_test(test_imports),
        cmocka_unit_test(test_tasks),
        cmocka_unit_test(test_migration),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
