/* The WAL is given its length beside a writer that writes to it: nothing is lost by that. */
#include "tests/store/store_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include <cmocka.h>

#define ROOM (INT64_C(8) << 20)

static int64_t wal_bytes(const struct store_fixture *f)
{
    char path[96];
    struct stat wal;
    snprintf(path, sizeof path, "%s-wal", f->path);
    return stat(path, &wal) == 0 ? wal.st_size : 0;
}

static void test_room(void **state)
{
    (void)state;
    struct fixture_random random = { fixture_seed() };
    struct store_fixture f;
    struct statvfs disk;
    char key[LAB_ID_LENGTH + 1];
    enum pagoda_error error;
    store_fixture_make(&f);
    store_fixture_must_open(&f);
    struct lab *lab = store_fixture_lab(&f, "classic");
    memcpy(key, lab->row.id, sizeof key);
    for (int i = 0; i < 100 || (wal_bytes(&f) < ROOM && i < 5000); i++) {
        store_fixture_run(lab, &random, 2, &error);
        assert_int_equal(error, PAGODA_OK);
    }
    assert_int_equal(statvfs(f.path, &disk), 0);
    if (disk.f_bavail > (uint64_t)ROOM * 32 / disk.f_frsize)
        assert_true(wal_bytes(&f) >= ROOM);
    uint64_t hash = store_fixture_hash(lab);
    assert_int_equal(store_fixture_replayed_hash(lab), hash);
    lab_put(lab);
    store_fixture_close(&f);
    store_fixture_must_open(&f);
    lab = lab_get(f.labs, key);
    assert_int_equal(store_fixture_hash(lab), hash);
    lab_put(lab);
    store_fixture_close(&f);
    store_fixture_remove(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_room) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
