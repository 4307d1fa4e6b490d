/* A disk that fails at its nth write, sync or read, for every n that a small piece of work takes. The work opens a store,
 * makes labs, runs operations that each leave an image, forks, imports all or nothing, renames, puts to sleep, deletes.
 * Images are made while the disk fails: some before the commit of their operation, some when that has ended or is lost.
 *
 * Whatever failed, what was acknowledged is there, in this daemon as soon as the disk works again, and in the next one; its
 * moments are those that were acknowledged; images lead where the log leads; pagodad check finds nothing. What failed said
 * so, as a disk's error. EVERY=1 takes every n (make test-disk), else n grows by steps; SEED= varies the work. */
#include "server/cmd/check.h"
#include "tests/lib/failing_host.h"
#include "tests/store/faulty_disk.h"
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

#define IMAGE_BYTES (1u << 16) /* a malloc() of so much is the one of an image */
#define NR_ACTS 14u
#define ACKNOWLEDGED_MAX 64u

enum disk_call { DISK_WRITE, DISK_READ, DISK_SHORT }; /* SHORT: less than was asked for, which is no error */
static const struct {
    const char *name;
    enum disk_call call;
    int code;
    bool forever;
} FAULTS[] = {
    { "one write", DISK_WRITE, SQLITE_IOERR_WRITE, false }, { "all writes", DISK_WRITE, SQLITE_IOERR_WRITE, true },
    { "one sync", DISK_WRITE, SQLITE_IOERR_FSYNC, false },  { "all syncs", DISK_WRITE, SQLITE_IOERR_FSYNC, true },
    { "full once", DISK_WRITE, SQLITE_FULL, false },        { "full", DISK_WRITE, SQLITE_FULL, true },
    { "one read", DISK_READ, SQLITE_IOERR_READ, false },    { "all reads", DISK_READ, SQLITE_IOERR_READ, true },
    { "one short call", DISK_SHORT, SQLITE_OK, false },     { "all short calls", DISK_SHORT, SQLITE_OK, true },
};
#define NR_FAULTS (sizeof FAULTS / sizeof FAULTS[0])

/* What was acknowledged of a lab. */
struct promise {
    char key[LAB_ID_LENGTH + 1];
    bool is_gone, is_in_doubt; /* deleted; a deletion has failed: there, now, and by right gone after a crash */
    unsigned nr;
    struct {
        uint64_t seq, hash;
    } moments[ACKNOWLEDGED_MAX];
};

static struct store_fixture f;
static struct promise promises[4];
static unsigned nr_promises;
static struct lab *watched;
static bool may_fail; /* the disk */
static pthread_t main_thread;
static atomic_bool is_worker_free; /* who saves images may go on */

/* ---- what is promised ---- */

static void expect_disk_error(enum pagoda_error error)
{
    if (!may_fail || (error != PAGODA_ERR_FULL && error != PAGODA_ERR_IO))
        fail_msg("a disk that fails is said to be: %s", pagoda_error_text(error));
}

static struct promise *promise_of(const struct lab *lab)
{
    for (unsigned i = 0; i < nr_promises; i++)
        if (strcmp(promises[i].key, lab->row.id) == 0)
            return &promises[i];
    struct promise *promise = &promises[nr_promises++];
    *promise = (struct promise){ 0 };
    memcpy(promise->key, lab->row.id, sizeof promise->key);
    return promise;
}

static void promise_moment(const struct lab *lab, uint64_t seq, uint64_t hash)
{
    struct promise *promise = promise_of(lab);
    assert_true(promise->nr < ACKNOWLEDGED_MAX);
    promise->moments[promise->nr].seq = seq;
    promise->moments[promise->nr++].hash = hash;
}

/* ---- the work ---- */

static void wait_for_end(void)
{
    while (!store_has_ended(watched->labs->store, atomic_load(&watched->last_ticket)))
        sched_yield();
}

static void wait_for_snapshots(void)
{
    while (atomic_load(&f.labs->snapshots.nr_queued))
        sched_yield();
}

static void hold_worker(void)
{
    if (pthread_equal(pthread_self(), main_thread)) /* not the one that is meant */
        failing_host_await_allocation(IMAGE_BYTES, hold_worker);
    else
        while (!atomic_load(&is_worker_free))
            sched_yield();
}

static void wait_and_hold_worker(void)
{
    wait_for_end();
    failing_host_await_allocation(IMAGE_BYTES, hold_worker);
}

/* One operation, which leaves an image or not, but for those that are refused. */
static enum pagoda_error apply_one(struct lab_hold *hold, struct fixture_random *random, bool leaves_image)
{
    enum pagoda_error error = PAGODA_OK;
    struct lab *lab = hold->lab;
    uint64_t seq = hold->seq;
    for (unsigned i = 0; i < 20 && !error && hold->seq == seq; i++) {
        struct op_result result;
        struct problem why = { 0 };
        struct op op = store_fixture_op(random, hold->machine);
        if (leaves_image)
            lab->cost_ns = lab->snapshot_cost_ns + SNAPSHOT_NEAR_NS;
        error = lab_apply(hold, &op, NULL, &result, &why);
        error = error == PAGODA_ERR_INVALID ? PAGODA_OK : error;
    }
    return error;
}

static enum pagoda_error apply_and_promise(struct lab *lab, struct fixture_random *random, bool leaves_image)
{
    struct lab_hold hold;
    enum pagoda_error error = lab_take(lab, &hold);
    if (error)
        return error;
    error = apply_one(&hold, random, leaves_image);
    uint64_t seq = hold.seq, hash = machine_hash(hold.machine);
    lab_release(&hold);
    error = error ? error : store_wait(f.store, hold.ticket);
    if (!error)
        promise_moment(lab, seq, hash);
    return error;
}

/* The image is made at once; or when the operation has come to the disk, or is lost; or it is moreover saved only when
 * another operation has got the number of the lost one. */
static void act_apply(struct lab *lab, struct fixture_random *random)
{
    static void (*const WAYS[])(void) = { NULL, wait_for_end, wait_and_hold_worker };
    void (*way)(void) = WAYS[fixture_random_below(random, 3)];
    watched = lab;
    atomic_store(&is_worker_free, false);
    failing_host_await_allocation(way ? IMAGE_BYTES : 0, way);
    enum pagoda_error error = apply_and_promise(lab, random, true);
    if (error)
        expect_disk_error(error);
    if (error && (error = apply_and_promise(lab, random, false)))
        expect_disk_error(error);
    failing_host_await_allocation(0, NULL);
    atomic_store(&is_worker_free, true);
    wait_for_snapshots();
}

static struct lab *act_create(void)
{
    struct machine_config config = { .profile = PROFILE_CLASSIC, .memory = 4 << 20, .swap = 1 << 20 };
    struct problem why = { 0 };
    struct lab *lab;
    enum pagoda_error error = store_fixture_create(&f, "made", &config, &lab, &why);
    if (error)
        expect_disk_error(error);
    else
        promise_moment(lab, 0, store_fixture_hash(lab));
    return lab;
}

static struct lab *act_fork(struct lab *parent, struct fixture_random *random)
{
    struct lab_hold hold;
    struct lab_change change;
    struct lab *lab = NULL;
    uint64_t at = fixture_random_below(random, lab_durable_seq(parent) + 1);
    enum pagoda_error error = lab_take_past(parent, at, &hold);
    if (!error) {
        uint64_t hash = machine_hash(hold.machine);
        error = lab_begin_fork(&hold, "fork", NULL, &change);
        lab_release(&hold);
        error = error ? error : lab_change_now(&change, &lab);
        if (!error)
            promise_moment(lab, at, hash);
    }
    if (error)
        expect_disk_error(error);
    return lab;
}

static void act_import(struct lab *lab, struct fixture_random *random)
{
    struct lab_import *import;
    struct lab_hold hold;
    enum pagoda_error error = lab_take(lab, &hold); /* where is it, after what the disk has lost? */
    if (!error) {
        lab_release(&hold);
        error = lab_import_begin(lab, hold.seq, &import);
    }
    if (!error) {
        for (unsigned i = 0; i < 8 && !error; i++) {
            struct op_result result;
            struct problem why = { 0 };
            struct op op = store_fixture_op(random, lab_import_machine(import));
            error = lab_import_apply(import, &op, &result, &why);
            error = error == PAGODA_ERR_INVALID ? PAGODA_OK : error;
            if (!error && i == 4 && lab_import_ticket(import)) /* several commits */
                error = store_wait(f.store, lab_import_ticket(import));
        }
        uint64_t seq = machine_seq(lab_import_machine(import)), hash = machine_hash(lab_import_machine(import));
        enum pagoda_error ending = lab_import_end(import, !error, NULL);
        error = error ? error : ending;
        if (!error)
            promise_moment(lab, seq, hash);
    }
    wait_for_snapshots();
    if (error)
        expect_disk_error(error);
}

static void act_sleep(struct lab *lab)
{
    lab_put(lab);
    f.labs->limits.idle_ns = 1;
    labs_tidy(f.labs);
    f.labs->limits.idle_ns = 0;
    assert_ptr_equal(lab_get(f.labs, lab->row.id), lab);
}

static void act_rename(struct lab *lab)
{
    struct lab_change change;
    struct lab *unused;
    lab_begin_rename(lab, "renamed", &change);
    enum pagoda_error error = lab_change_now(&change, &unused);
    if (error)
        expect_disk_error(error);
}

static void act_delete(struct lab *lab)
{
    struct lab_change change;
    struct lab *unused;
    struct promise *promise = promise_of(lab);
    lab_begin_delete(lab, NULL, &change);
    enum pagoda_error error = lab_change_now(&change, &unused);
    promise->is_gone = !error;
    promise->is_in_doubt = error;
    if (error)
        expect_disk_error(error);
}

static void work(struct lab *lab, struct fixture_random *random)
{
    struct lab *made = act_create(), *fork = NULL;
    for (unsigned i = 0; i < NR_ACTS; i++) {
        struct lab *one = fork && i % 3 == 0 ? fork : made && i % 3 == 1 ? made : lab;
        if (i == 4 && !fork)
            fork = act_fork(lab, random);
        else if (i == 7)
            act_import(one, random);
        else if (i == 10)
            act_sleep(one);
        else if (i == 11)
            act_rename(one);
        else
            act_apply(one, random);
    }
    if (made)
        act_delete(made);
    if (made)
        lab_put(made);
    if (fork)
        lab_put(fork);
}

/* ---- what became of it ---- */

static void verify_lab(struct lab *lab, const struct promise *promise)
{
    uint64_t hash = store_fixture_hash(lab);
    assert_int_equal(hash, store_fixture_replayed_hash(lab));
    for (unsigned i = 0; i < promise->nr; i++) {
        uint64_t seq = promise->moments[i].seq;
        if (seq > lab_seq(lab))
            fail_msg("operation %llu was acknowledged, the lab ends at %llu", (unsigned long long)seq,
                     (unsigned long long)lab_seq(lab));
        assert_int_equal(store_fixture_hash_at(lab, seq), promise->moments[i].hash);
    }
}

/* is_next: by a daemon that was started after the one that promised. */
static void verify(bool is_next)
{
    for (unsigned i = 0; i < nr_promises; i++) {
        struct lab *lab = lab_get(f.labs, promises[i].key);
        if (promises[i].is_gone)
            assert_null(lab);
        if (!lab && !promises[i].is_gone && !(promises[i].is_in_doubt && is_next))
            fail_msg("lab %s was acknowledged, and is gone", promises[i].key);
        if (!lab)
            continue;
        verify_lab(lab, &promises[i]);
        lab_put(lab);
    }
    assert_int_equal(atomic_load(&f.labs->nr_mismatches), 0);
}

static void verify_goes_on(struct lab *lab, struct fixture_random *random)
{
    enum pagoda_error error;
    store_fixture_run(lab, random, 3, &error);
    assert_int_equal(error, PAGODA_OK); /* the disk works again: no restart needed */
}

/* What it says is kept, and shown when it finds something. */
static void verify_check(void)
{
    const struct options options = { .file = f.path };
    char said[2000] = "";
    FILE *file = tmpfile();
    assert_non_null(file);
    fflush(stdout);
    int out = dup(1);
    dup2(fileno(file), 1);
    int result = check(&options);
    fflush(stdout);
    dup2(out, 1);
    close(out);
    rewind(file);
    said[fread(said, 1, sizeof said - 1, file)] = '\0';
    fclose(file);
    if (result != 0)
        fail_msg("pagodad check: %d: %s", result, said);
}

/* ---- one n ---- */

static void arm(int at, unsigned fault)
{
    if (FAULTS[fault].call == DISK_SHORT)
        faulty_disk_arm_short(at, FAULTS[fault].forever);
    else if (FAULTS[fault].call == DISK_READ)
        faulty_disk_arm_reads(at, FAULTS[fault].code, FAULTS[fault].forever);
    else
        faulty_disk_arm(at, FAULTS[fault].code, FAULTS[fault].forever);
}

static void make_store(struct fixture_random *random, char key[LAB_ID_LENGTH + 1])
{
    store_fixture_make(&f);
    store_fixture_must_open(&f);
    struct lab *lab = store_fixture_lab(&f, "classic");
    memcpy(key, lab->row.id, LAB_ID_LENGTH + 1);
    nr_promises = 0;
    for (unsigned i = 0; i < 3; i++)
        act_apply(lab, random);
    lab_put(lab);
    store_fixture_close(&f);
}

/* NULL: the store was refused, which is an error like others. */
static struct lab *open_faulty(const char *key)
{
    struct problem why = { 0 };
    enum pagoda_error error = store_open(f.path, NULL, &f.store, &why);
    bool is_open = !error;
    if (is_open)
        error = labs_open(f.store, NULL, &f.labs, &why);
    if (!error)
        return lab_get(f.labs, key);
    if (is_open)
        store_close(f.store);
    if (!why.text[0])
        expect_disk_error(error);
    return NULL;
}

/* True: the disk has failed. */
static bool work_faulty(int at, unsigned fault, uint64_t seed)
{
    struct fixture_random random = { seed };
    char key[LAB_ID_LENGTH + 1];
    make_store(&random, key);
    may_fail = FAULTS[fault].call != DISK_SHORT;
    arm(at, fault);
    struct lab *lab = open_faulty(key);
    if (lab)
        work(lab, &random);
    bool failed = faulty_disk_disarm();
    assert_true(lab || may_fail);
    if (lab) {
        verify(false);
        verify_goes_on(lab, &random);
        lab_put(lab);
        store_fixture_close(&f);
    }
    verify_check();
    store_fixture_must_open(&f);
    verify(true);
    store_fixture_close(&f);
    store_fixture_remove(&f);
    return failed;
}

static void test_every_fault(void **state)
{
    (void)state;
    const char *every = getenv("EVERY");
    uint64_t seed = fixture_seed();
    for (unsigned fault = 0; fault < NR_FAULTS; fault++) {
        unsigned nr = 0;
        for (int at = 0; work_faulty(at, fault, seed); at += every ? 1 : 1 + at / 2)
            nr++;
        printf("%s: %u runs\n", FAULTS[fault].name, nr);
        assert_true(nr > 5);
    }
}

int main(void)
{
    main_thread = pthread_self();
    faulty_disk_register();
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_every_fault) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
