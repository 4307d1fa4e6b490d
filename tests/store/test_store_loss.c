/* The disk loses operations that the machine has seen already. Nothing of them may come back: no snapshot of a machine that
 * was ahead of the log, whenever it was taken and whatever happens to it afterwards. */
#include "tests/lib/failing_host.h"
#include "tests/store/faulty_disk.h"
#include "tests/store/store_fixture.h"

#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#include <sqlite3.h>

#define NR_BEFORE 20u

static struct lab *watched;

/* The delay between the append and the image: so long that the writer has lost the operation in between. */
static void wait_for_loss(void)
{
    while (!atomic_load(&watched->log.lost))
        sched_yield();
}

static struct op pages_op(uint8_t order)
{
    struct op op = op_default(OP_ALLOC_PAGES);
    op.order = order;
    op.given = OP_BIT(ORDER);
    return op;
}

/* One operation that leaves a snapshot behind. */
static enum pagoda_error apply_and_leave(struct lab *lab, uint8_t order)
{
    struct lab_hold hold;
    struct op_result result;
    struct problem why = { 0 };
    struct op op = pages_op(order);
    assert_int_equal(lab_take(lab, &hold), PAGODA_OK);
    lab->cost_ns = lab->snapshot_cost_ns + SNAPSHOT_NEAR_NS;
    assert_int_equal(lab_apply(&hold, &op, NULL, &result, &why), PAGODA_OK);
    lab_release(&hold);
    return store_wait(lab->labs->store, hold.ticket);
}

static void wait_for_snapshots(struct labs *labs)
{
    while (atomic_load(&labs->snapshots.nr_queued))
        sched_yield();
}

static void put_to_sleep(struct store_fixture *f, struct lab *lab)
{
    f->labs->limits.idle_ns = 1;
    lab_put(lab);
    labs_tidy(f->labs);
    assert_null(atomic_load(&lab->machine));
    assert_ptr_equal(lab_get(f->labs, lab->row.id), lab);
}

static int64_t count_snapshots(const struct store_fixture *f, uint64_t from)
{
    sqlite3 *db;
    sqlite3_stmt *select;
    assert_int_equal(sqlite3_open_v2(f->path, &db, SQLITE_OPEN_READWRITE, "unix"), SQLITE_OK);
    assert_int_equal(
        sqlite3_prepare_v2(db, "SELECT count(*) FROM snapshot WHERE id & 1099511627775 >= ?", -1, &select, NULL),
        SQLITE_OK);
    sqlite3_bind_int64(select, 1, (int64_t)from);
    assert_int_equal(sqlite3_step(select), SQLITE_ROW);
    int64_t count = sqlite3_column_int64(select, 0);
    sqlite3_finalize(select);
    sqlite3_close(db);
    return count;
}

static struct lab *begin(struct store_fixture *f)
{
    struct fixture_random random = { fixture_seed() };
    enum pagoda_error error = PAGODA_OK;
    store_fixture_make(f);
    store_fixture_must_open(f);
    struct lab *lab = store_fixture_lab(f, "linux-6.1");
    while (!error && lab_seq(lab) < NR_BEFORE)
        store_fixture_run(lab, &random, 1, &error);
    assert_int_equal(error, PAGODA_OK);
    return lab;
}

static void test_an_image_of_what_was_lost(void **state)
{
    (void)state;
    struct store_fixture f;
    struct lab *lab = begin(&f);
    watched = lab;
    faulty_disk_arm(0, SQLITE_IOERR_WRITE, false);
    failing_host_await_allocation(1 << 16, wait_for_loss);
    assert_int_equal(apply_and_leave(lab, 3), PAGODA_ERR_IO);
    assert_true(faulty_disk_disarm());
    wait_for_snapshots(f.labs);
    assert_int_equal(count_snapshots(&f, NR_BEFORE + 1), 0);
    for (uint8_t order = 0; order < 2; order++) /* others get the number of the lost one, and the next */
        assert_int_equal(apply_and_leave(lab, order), PAGODA_OK);
    uint64_t hash = store_fixture_hash(lab);
    assert_int_equal(store_fixture_replayed_hash(lab), hash);
    wait_for_snapshots(f.labs);
    put_to_sleep(&f, lab);
    assert_int_equal(store_fixture_hash(lab), hash);
    for (uint64_t seq = NR_BEFORE; seq <= NR_BEFORE + 2; seq++)
        (void)store_fixture_hash_at(lab, seq);
    assert_int_equal(atomic_load(&f.labs->nr_mismatches), 0);
    lab_put(lab);
    store_fixture_close(&f);
    store_fixture_remove(&f);
}

/* An older pagodad has left such a snapshot in the store. It goes before its number is given away. */
static void test_an_image_behind_the_log(void **state)
{
    (void)state;
    struct store_fixture f;
    struct lab *lab = begin(&f);
    char key[LAB_ID_LENGTH + 1], sql[200];
    sqlite3 *db;
    memcpy(key, lab->row.id, sizeof key);
    assert_int_equal(apply_and_leave(lab, 1), PAGODA_OK);
    wait_for_snapshots(f.labs);
    assert_int_equal(count_snapshots(&f, NR_BEFORE + 1), 1);
    lab_put(lab);
    store_fixture_close(&f);
    assert_int_equal(sqlite3_open(f.path, &db), SQLITE_OK);
    for (unsigned i = 0; i < 2; i++) {
        snprintf(sql, sizeof sql, "UPDATE %s SET id = id + 5 WHERE id & 1099511627775 > %u", i ? "image" : "snapshot",
                 NR_BEFORE);
        assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
    }
    sqlite3_close(db);
    store_fixture_must_open(&f);
    lab = lab_get(f.labs, key);
    assert_int_equal(store_fixture_hash(lab), store_fixture_replayed_hash(lab));
    while (atomic_load(&lab->is_dropping)) /* in slices, beside who has woken the lab */
        sched_yield();
    assert_int_equal(count_snapshots(&f, NR_BEFORE + 1), 0);
    lab_put(lab);
    store_fixture_close(&f);
    store_fixture_remove(&f);
}

int main(void)
{
    faulty_disk_register();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_an_image_of_what_was_lost),
        cmocka_unit_test(test_an_image_behind_the_log),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
