/* A lab is its log: whatever is done to it, the state rebuilt (from snapshots, from 0, in a fork, after a restart) is the
 * state lived, bit by bit; damaged snapshots are passed over; stores of versions 1 and 2 are taken over. Seeds are printed;
 * SEED= repeats. */
#include "tests/store/store_fixture.h"

#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <sqlite3.h>

#define NR_MOMENTS 24u
#define OPS_A_MOMENT 700u

struct moment {
    uint64_t seq, hash;
};

static void execute(const char *path, const char *sql)
{
    sqlite3 *db;
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    char *text = NULL;
    if (sqlite3_exec(db, sql, NULL, NULL, &text) != SQLITE_OK)
        fail_msg("%s", text);
    sqlite3_close(db);
}

static int64_t count(const char *path, const char *sql)
{
    sqlite3 *db;
    sqlite3_stmt *select;
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &select, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_step(select), SQLITE_ROW);
    int64_t number = sqlite3_column_int64(select, 0);
    sqlite3_finalize(select);
    sqlite3_close(db);
    return number;
}

static void live(struct lab *lab, struct fixture_random *random, struct moment *moments)
{
    for (unsigned i = 0; i < NR_MOMENTS; i++) {
        enum pagoda_error error;
        store_fixture_run(lab, random, OPS_A_MOMENT, &error);
        assert_int_equal(error, PAGODA_OK);
        moments[i] = (struct moment){ lab_seq(lab), store_fixture_hash(lab) };
    }
}

static void look_back(struct lab *lab, struct fixture_random *random, const struct moment *moments)
{
    for (unsigned i = 0; i < NR_MOMENTS; i++) {
        const struct moment *moment = &moments[fixture_random_below(random, NR_MOMENTS)];
        assert_int_equal(store_fixture_hash_at(lab, moment->seq), moment->hash);
    }
}

static void check_history(const char *profile)
{
    struct fixture_random random = { fixture_seed() };
    struct store_fixture f;
    struct moment moments[NR_MOMENTS];
    char key[LAB_ID_LENGTH + 1], fork_key[LAB_ID_LENGTH + 1];
    store_fixture_make(&f);
    store_fixture_must_open(&f);
    struct lab *lab = store_fixture_lab(&f, profile), *fork;
    live(lab, &random, moments);
    look_back(lab, &random, moments);
    const struct moment *last = &moments[NR_MOMENTS - 1], *middle = &moments[NR_MOMENTS / 2];
    assert_int_equal(store_fixture_replayed_hash(lab), last->hash);
    struct lab_hold hold;
    struct lab_change begun;
    assert_int_equal(lab_take_past(lab, middle->seq, &hold), PAGODA_OK);
    assert_int_equal(lab_begin_fork(&hold, "fork", NULL, &begun), PAGODA_OK);
    lab_release(&hold);
    assert_int_equal(lab_change_now(&begun, &fork), PAGODA_OK);
    assert_int_equal(store_fixture_hash(fork), middle->hash);
    enum pagoda_error error;
    store_fixture_run(fork, &random, 500, &error);
    assert_int_equal(error, PAGODA_OK);
    uint64_t fork_hash = store_fixture_hash(fork);
    memcpy(key, lab->row.id, sizeof key);
    memcpy(fork_key, fork->row.id, sizeof key);
    lab_put(lab);
    lab_put(fork);
    store_fixture_close(&f);

    assert_true(count(f.path, "SELECT count(*) FROM snapshot WHERE nr_parts > 0") > 0);
    for (unsigned round = 0; round < 3; round++) { /* as it is, with damaged images, without any */
        if (round == 1)
            execute(f.path, "UPDATE image SET bytes = substr(bytes, 1, length(bytes) / 2) || x'00' || "
                            "substr(bytes, length(bytes) / 2 + 2)");
        if (round == 2)
            execute(f.path, "DELETE FROM image; DELETE FROM snapshot");
        store_fixture_must_open(&f);
        lab = lab_get(f.labs, key);
        fork = lab_get(f.labs, fork_key);
        assert_int_equal(store_fixture_hash(lab), last->hash);
        assert_int_equal(store_fixture_hash(fork), fork_hash);
        look_back(lab, &random, moments);
        assert_int_equal(store_fixture_hash_at(fork, moments[3].seq), moments[3].hash);
        assert_int_equal(atomic_load(&f.labs->nr_mismatches), 0);
        lab_put(lab);
        lab_put(fork);
        store_fixture_close(&f);
    }
    store_fixture_remove(&f);
}

static void test_history_of_linux(void **state)
{
    (void)state;
    check_history("linux-6.1");
}
static void test_history_of_classic(void **state)
{
    (void)state;
    check_history("classic");
}

/* Images of another identity are passed over, and the lab that wakes without them leaves its own in their place. */
static void test_images_of_another_engine(void **state)
{
    (void)state;
    static const char FOREIGN[] = "SELECT count(*) FROM snapshot WHERE engine = 77 AND nr_parts > 0";
    static const char OURS[] = "SELECT count(*) FROM snapshot WHERE engine <> 77 AND nr_parts > 0";
    struct fixture_random random = { fixture_seed() };
    struct moment moments[NR_MOMENTS];
    struct store_fixture f;
    char key[LAB_ID_LENGTH + 1];
    store_fixture_make(&f);
    store_fixture_must_open(&f);
    struct lab *lab = store_fixture_lab(&f, "linux-6.1");
    live(lab, &random, moments);
    memcpy(key, lab->row.id, sizeof key);
    lab_put(lab);
    store_fixture_close(&f);
    execute(f.path, "UPDATE snapshot SET engine = 77; UPDATE image SET bytes = x'00'");
    int64_t nr_foreign = count(f.path, FOREIGN);
    assert_true(nr_foreign > 0);
    store_fixture_must_open(&f);
    lab = lab_get(f.labs, key);
    assert_int_equal(store_fixture_hash(lab), moments[NR_MOMENTS - 1].hash);
    for (unsigned i = 0; i < 1000 && !atomic_load(&f.labs->snapshots.nr_saved); i++)
        usleep(10000);
    lab_put(lab);
    store_fixture_close(&f);
    assert_true(count(f.path, OURS) > 0);
    assert_true(count(f.path, FOREIGN) < nr_foreign);
    assert_int_equal(count(f.path, "SELECT count(*) FROM image WHERE id NOT IN (SELECT id FROM snapshot)"), 0);
    store_fixture_remove(&f);
}

/* Waking has the store drop images behind the log's end, and keeps the lab until that is done. */
static void put_and_wait(struct lab *lab)
{
    uint32_t nr_users;
    lab_put(lab);
    do {
        pthread_mutex_lock(&lab->labs->mutex);
        nr_users = lab->nr_users;
        pthread_mutex_unlock(&lab->labs->mutex);
    } while (nr_users && sched_yield() == 0);
}

/* Whoever is not used sleeps, and is the same when it wakes. */
static void test_sleep(void **state)
{
    (void)state;
    struct fixture_random random = { fixture_seed() };
    struct store_fixture f;
    enum pagoda_error error;
    store_fixture_make(&f);
    store_fixture_must_open(&f);
    struct lab *lab = store_fixture_lab(&f, "linux-6.1"), *other = store_fixture_lab(&f, "classic");
    store_fixture_run(lab, &random, 300, &error);
    uint64_t hash = store_fixture_hash(lab);
    f.labs->limits.memory_budget = 0;
    labs_tidy(f.labs);
    assert_true(lab_is_awake(lab)); /* in use */
    put_and_wait(lab);
    labs_tidy(f.labs);
    assert_false(lab_is_awake(lab));
    assert_int_equal(lab->host_bytes, 0);
    assert_true(lab_is_awake(other));
    lab = lab_get(f.labs, lab->row.id);
    assert_int_equal(store_fixture_hash(lab), hash);
    f.labs->limits.memory_budget = UINT64_MAX;
    f.labs->limits.idle_ns = 1;
    put_and_wait(lab);
    put_and_wait(other);
    labs_tidy(f.labs);
    assert_false(lab_is_awake(lab) || lab_is_awake(other));
    store_fixture_close(&f);
    store_fixture_remove(&f);
}

/* A watcher gets a lab back that nobody uses: it is used then, like any other. */
static void test_watched_labs_sleep(void **state)
{
    (void)state;
    struct store_fixture f;
    store_fixture_make(&f);
    store_fixture_must_open(&f);
    struct lab *lab = store_fixture_lab(&f, "classic");
    f.labs->limits.memory_budget = 0;
    lab_watch(lab);
    put_and_wait(lab);
    lab_keep(lab);
    labs_tidy(f.labs);
    assert_true(lab_is_awake(lab));
    put_and_wait(lab);
    labs_tidy(f.labs);
    assert_false(lab_is_awake(lab));
    assert_null(f.labs->unused_first);
    lab_unwatch(lab);
    store_fixture_close(&f);
    store_fixture_remove(&f);
}

/* ---- versions ---- */

static void make_old(struct store_fixture *f, const char *sample)
{
    FILE *file = fopen(sample, "r");
    assert_non_null(file);
    static char sql[1 << 16];
    size_t length = fread(sql, 1, sizeof sql - 1, file);
    sql[length] = '\0';
    fclose(file);
    store_fixture_make(f);
    execute(f->path, sql);
}

static void check_labs_hash(struct store_fixture *f, unsigned count)
{
    unsigned nr_labs = 0;
    for (struct lab *lab = f->labs->first; lab; lab = lab->next, nr_labs++) {
        uint64_t hash = store_fixture_hash(lab), differs_at = lab_differs_at(lab);
        /* One whose results differ under today's rules stands at the last moment that is as recorded. */
        assert_int_equal(hash, differs_at ? store_fixture_hash_at(lab, differs_at - 1) : store_fixture_replayed_hash(lab));
    }
    assert_int_equal(nr_labs, count);
}

static uint64_t answered_seq(struct store_fixture *f, const char *key, const char *idempotency_key)
{
    struct lab *lab = lab_get(f->labs, key);
    uint64_t body_hash, seq;
    assert_int_equal(store_find_answered(f->store, lab->row.number, idempotency_key, &body_hash, &seq), PAGODA_OK);
    lab_put(lab);
    return seq;
}

/* What was recorded before rules had a revision was recorded under the first. */
static const char FIRST_RULES[] = "SELECT count(*) FROM lab WHERE made = 1";

static void test_version_1(void **state)
{
    (void)state;
    struct store_fixture f;
    make_old(&f, "tests/store/store-1.sql");
    execute(f.path,
            "UPDATE lab SET min_block = 32 WHERE profile = 'linux-6.1'; UPDATE lab SET watermark_scale_factor = 10");
    int64_t nr_ops = count(f.path, "SELECT count(*) FROM op"), sum = count(f.path, "SELECT sum(result_address) FROM op");
    int64_t nr_named = count(f.path, "SELECT count(*) FROM trace WHERE name LIKE 'k%' OR call_site = 'test+0x1'");
    store_fixture_must_open(&f);
    check_labs_hash(&f, 3);
    assert_int_equal(answered_seq(&f, "tajandkn", "from-version-1"), 41);
    store_fixture_close(&f);
    assert_int_equal(count(f.path, "PRAGMA user_version"), 5);
    assert_int_equal(count(f.path, FIRST_RULES), 3);
    assert_int_equal(count(f.path, "SELECT count(*) FROM op"), nr_ops);
    assert_int_equal(count(f.path, "SELECT sum(coalesce(result, address)) FROM op"), sum);
    assert_int_equal(count(f.path, "SELECT count(*) FROM trace WHERE name LIKE 'k%' OR call_site = 'test+0x1'"), nr_named);
    store_fixture_remove(&f);
}

static void test_version_2(void **state)
{
    (void)state;
    struct store_fixture f;
    static const char SHOWN[] = "SELECT count(*) FROM trace WHERE seq <= 40 AND result IS NOT NULL AND cost_ns > 0";
    make_old(&f, "tests/store/store-2.sql");
    int64_t nr_shown = count(f.path, SHOWN);
    store_fixture_must_open(&f);
    check_labs_hash(&f, 3);
    assert_int_equal(answered_seq(&f, "zpp0c65x", "from-version-2"), 44);
    struct fixture_random random = { fixture_seed() };
    enum pagoda_error error;
    struct lab *lab = lab_get(f.labs, "zpp0c65x");
    assert_int_equal(lab_differs_at(lab), 44); /* since rules revision 4 its call of malloc takes four pages more */
    assert_int_equal(store_fixture_run(lab, &random, 200, &error), 0);
    assert_int_equal(error, PAGODA_ERR_RULES);
    lab_put(lab);
    lab = lab_get(f.labs, "n5v6p0ak");
    assert_int_not_equal(store_fixture_run(lab, &random, 200, &error), 0); /* every column is there to be written */
    assert_int_equal(error, PAGODA_OK);
    lab_put(lab);
    store_fixture_close(&f);
    assert_int_equal(count(f.path, "PRAGMA user_version"), 5);
    assert_int_equal(count(f.path, FIRST_RULES), 3);
    assert_int_equal(count(f.path, SHOWN), nr_shown);
    store_fixture_remove(&f);
}

/* Versions 3 and 4 hold the same labs. All that was there is behind the chain; what comes is in it. */
static void check_version_with_columns(const char *sample)
{
    struct store_fixture f;
    make_old(&f, sample);
    int64_t nr_ops = count(f.path, "SELECT count(*) FROM op");
    store_fixture_must_open(&f);
    check_labs_hash(&f, 3);
    assert_int_equal(answered_seq(&f, "cj7gpsge", "from-version-99"), 100);
    struct fixture_random random = { fixture_seed() };
    enum pagoda_error error;
    struct lab *lab = lab_get(f.labs, "nx3x6b55"); /* a fork, in the middle of a block */
    assert_int_not_equal(store_fixture_run(lab, &random, 200, &error), 0);
    assert_int_equal(error, PAGODA_OK);
    assert_int_equal(store_fixture_hash(lab), store_fixture_replayed_hash(lab));
    lab_put(lab);
    store_fixture_close(&f);
    assert_int_equal(count(f.path, "PRAGMA user_version"), 5);
    assert_int_equal(count(f.path, FIRST_RULES), 3);
    assert_int_equal(count(f.path, "SELECT count(*) FROM unchained"), 0);
    assert_int_equal(count(f.path, "SELECT sum(chain_since) FROM lab"), 103 + 100 + 75);
    assert_true(count(f.path, "SELECT count(*) FROM op") > nr_ops);
    assert_int_equal(count(f.path, "SELECT min(at) > 1500000000 FROM answered"), 1);
    store_fixture_remove(&f);
}

static void test_version_3(void **state)
{
    (void)state;
    check_version_with_columns("tests/store/store-3.sql");
}

static void test_version_4(void **state)
{
    (void)state;
    check_version_with_columns("tests/store/store-4.sql");
}

static void test_newer_version(void **state)
{
    (void)state;
    struct store_fixture f;
    struct problem why = { 0 };
    store_fixture_make(&f);
    execute(f.path, "CREATE TABLE future (x); PRAGMA user_version = 77");
    assert_int_equal(store_open(f.path, NULL, &f.store, &why), PAGODA_ERR_VERSION);
    assert_non_null(strstr(why.text, "schema 77"));
    store_fixture_remove(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_history_of_linux),
        cmocka_unit_test(test_history_of_classic),
        cmocka_unit_test(test_images_of_another_engine),
        cmocka_unit_test(test_sleep),
        cmocka_unit_test(test_watched_labs_sleep),
        cmocka_unit_test(test_version_1),
        cmocka_unit_test(test_version_2),
        cmocka_unit_test(test_version_3),
        cmocka_unit_test(test_version_4),
        cmocka_unit_test(test_newer_version),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
