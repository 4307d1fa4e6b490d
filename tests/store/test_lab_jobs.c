/* Jobs that are posted to a lab: one has it at a time, first come, first served, and none of them costs a thread while it
 * stands in the queue. */
#include "tests/store/faulty_disk.h"
#include "tests/store/store_fixture.h"

#include <semaphore.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>
#include <sqlite3.h>

struct fixture {
    struct workers workers;
    struct store_fixture store;
    struct lab *lab;
};

static void fixture_start(struct fixture *f)
{
    struct problem why = { 0 };
    assert_true(workers_start(&f->workers));
    store_fixture_make(&f->store);
    assert_int_equal(store_open(f->store.path, NULL, &f->store.store, &why), PAGODA_OK);
    assert_int_equal(labs_open(f->store.store, &f->workers, &f->store.labs, &why), PAGODA_OK);
    f->lab = store_fixture_lab(&f->store, "linux-6.1");
}

static void fixture_stop(struct fixture *f)
{
    lab_put(f->lab);
    workers_stop(&f->workers);
    store_fixture_close(&f->store);
    store_fixture_remove(&f->store);
}

/* A job of some turns, each of which applies one kmalloc of size bytes. */
struct test_job {
    struct lab_job job; /* first member */
    uint64_t size;
    unsigned nr_turns, nr_done;
    bool waits_for_log;
    enum pagoda_error error;
    uint64_t durable_seq; /* when its last turn ran */
    uint64_t first_seq;   /* that its first turn saw */
    uint64_t seq;         /* that its last turn saw */
    uint64_t hash;        /* of the machine that its last turn saw */
    sem_t done;
};

static struct test_job *test_job_of(struct lab_job *job)
{
    return (struct test_job *)job;
}

static void kmalloc_once(struct test_job *job, struct lab_hold *hold)
{
    struct op op = fixture_op(OP_KMALLOC);
    struct op_result result;
    struct problem why = { 0 };
    op.size = job->size;
    op.given |= OP_BIT(SIZE);
    assert_int_equal(lab_apply(hold, &op, NULL, &result, &why), PAGODA_OK);
}

static enum lab_turn test_turn(struct lab_job *lab_job, struct lab_hold *hold)
{
    struct test_job *job = test_job_of(lab_job);
    job->seq = hold->seq;
    if (!job->nr_done)
        job->first_seq = hold->seq;
    job->durable_seq = lab_durable_seq(hold->lab);
    job->hash = machine_hash(hold->machine);
    if (job->nr_done == job->nr_turns)
        return LAB_TURN_DONE;
    kmalloc_once(job, hold);
    job->nr_done++;
    job->job.ticket = hold->ticket;
    return job->waits_for_log ? LAB_TURN_AFTER_LOG : LAB_TURN_AGAIN;
}

static enum lab_turn look_turn(struct lab_job *lab_job, struct lab_hold *hold)
{
    test_job_of(lab_job)->seq = machine_seq(hold->machine);
    test_job_of(lab_job)->hash = machine_hash(hold->machine);
    return LAB_TURN_DONE;
}

static void test_done(struct lab_job *lab_job, enum pagoda_error error)
{
    test_job_of(lab_job)->error = error;
    sem_post(&test_job_of(lab_job)->done);
}

static void job_make(struct test_job *job, uint64_t size, unsigned nr_turns)
{
    *job = (struct test_job){ .job = { .turn = test_turn, .done = test_done }, .size = size, .nr_turns = nr_turns };
    sem_init(&job->done, 0, 0);
}

static void job_await(struct test_job *job)
{
    sem_wait(&job->done);
    sem_destroy(&job->done);
}

/* Who holds the lab is not disturbed; those who come meanwhile run in the order in which they came. */
static void jobs_run_one_at_a_time_in_order(void **state)
{
    (void)state;
    struct fixture f;
    struct test_job jobs[20];
    struct lab_hold hold, second;
    fixture_start(&f);
    assert_true(lab_try(f.lab, &hold));
    assert_false(lab_try(f.lab, &second));
    for (unsigned i = 0; i < 20; i++) {
        job_make(&jobs[i], 100 + i, 1);
        lab_post(f.lab, &jobs[i].job);
    }
    assert_int_equal(lab_seq(f.lab), 0);
    assert_false(lab_try(f.lab, &second)); /* nobody overtakes the queue */
    lab_release(&hold);
    for (unsigned i = 0; i < 20; i++) {
        job_await(&jobs[i]);
        assert_int_equal(jobs[i].error, PAGODA_OK);
        assert_int_equal(jobs[i].nr_done, 1);
        assert_int_equal(jobs[i].first_seq, i);
        assert_int_equal(jobs[i].seq, 20); /* its second turn stood behind the first turns of all */
    }
    assert_int_equal(lab_seq(f.lab), 20);
    assert_int_equal(lab_wait_durable(f.lab, 20), PAGODA_OK);
    assert_int_equal(store_fixture_hash(f.lab), store_fixture_replayed_hash(f.lab));
    fixture_stop(&f);
}

static void a_turn_after_the_log_sees_it_on_disk(void **state)
{
    (void)state;
    struct fixture f;
    struct test_job job;
    fixture_start(&f);
    job_make(&job, 64, 30);
    job.waits_for_log = true;
    lab_post(f.lab, &job.job);
    job_await(&job);
    assert_int_equal(job.error, PAGODA_OK);
    assert_int_equal(job.nr_done, 30);
    assert_int_equal(job.durable_seq, 30);
    fixture_stop(&f);
}

/* More labs than workers, more jobs than labs: while jobs of one lab wait for their turn, others run. */
static void many_labs_take_turns(void **state)
{
    (void)state;
    enum { NR_LABS = 6, NR_JOBS = 60 };
    struct fixture f;
    static struct test_job jobs[NR_JOBS];
    struct lab *labs[NR_LABS];
    struct lab_hold hold;
    fixture_start(&f);
    for (unsigned i = 0; i < NR_LABS; i++)
        labs[i] = store_fixture_lab(&f.store, i % 2 ? "classic" : "linux-6.1");
    assert_true(lab_try(labs[0], &hold)); /* its jobs stand still, and nobody else's */
    for (unsigned i = 0; i < NR_JOBS; i++) {
        job_make(&jobs[i], 1 + i, 10);
        jobs[i].waits_for_log = i % 3 == 0;
        lab_post(labs[i % NR_LABS], &jobs[i].job);
    }
    for (unsigned i = 0; i < NR_JOBS; i++)
        if (i % NR_LABS)
            job_await(&jobs[i]);
    assert_int_equal(lab_seq(labs[0]), 0);
    lab_release(&hold);
    for (unsigned i = 0; i < NR_JOBS; i += NR_LABS)
        job_await(&jobs[i]);
    for (unsigned i = 0; i < NR_LABS; i++) {
        assert_int_equal(lab_seq(labs[i]), NR_JOBS / NR_LABS * 10);
        assert_int_equal(lab_wait_durable(labs[i], lab_seq(labs[i])), PAGODA_OK);
        assert_int_equal(store_fixture_hash(labs[i]), store_fixture_replayed_hash(labs[i]));
        lab_put(labs[i]);
    }
    fixture_stop(&f);
}

static void jobs_of_the_past_see_their_moment(void **state)
{
    (void)state;
    enum { NR_OPS_APPLIED = 50 };
    struct fixture f;
    struct test_job apply, past[NR_OPS_APPLIED + 1];
    fixture_start(&f);
    job_make(&apply, 256, NR_OPS_APPLIED);
    lab_post(f.lab, &apply.job);
    job_await(&apply);
    for (unsigned at = 0; at <= NR_OPS_APPLIED; at++) { /* the newest of them may not be on disk yet */
        job_make(&past[at], 0, 0);
        past[at].job.turn = look_turn;
        past[at].job.moment = LAB_PAST;
        past[at].job.at = at;
        lab_post(f.lab, &past[at].job);
    }
    for (unsigned at = 0; at <= NR_OPS_APPLIED; at++) {
        job_await(&past[at]);
        assert_int_equal(past[at].error, PAGODA_OK);
        assert_int_equal(past[at].seq, at);
        assert_int_equal(past[at].hash, store_fixture_hash_at(f.lab, at));
    }
    fixture_stop(&f);
}

/* The log is lost under a job that waits for it. Its next turn sees the lab as the disk has it. */
static void a_lost_log_is_seen_by_the_next_turn(void **state)
{
    (void)state;
    struct fixture f;
    struct test_job first, second;
    fixture_start(&f);
    job_make(&first, 64, 1);
    first.waits_for_log = true;
    lab_post(f.lab, &first.job);
    job_await(&first);
    faulty_disk_arm(0, SQLITE_FULL, true);
    job_make(&second, 64, 1);
    second.waits_for_log = true;
    lab_post(f.lab, &second.job);
    job_await(&second);
    assert_true(faulty_disk_disarm());
    assert_int_equal(second.nr_done, 1);
    assert_int_equal(second.seq, 1); /* its operation has not happened */
    assert_int_equal(second.hash, first.hash);
    assert_int_equal(lab_seq(f.lab), 1);
    fixture_stop(&f);
}

/* ---- clients, slices, imports, deletions ---- */

/* Who brings many jobs to a lab delays who brings one by one of them. */
static void clients_take_turns_in_a_lab(void **state)
{
    (void)state;
    enum { NR_MANY = 20 };
    struct fixture f;
    struct share many = { 0 }, one = { 0 };
    struct test_job jobs[NR_MANY], single;
    struct lab_hold hold;
    fixture_start(&f);
    assert_true(lab_try(f.lab, &hold));
    for (unsigned i = 0; i < NR_MANY; i++) {
        job_make(&jobs[i], 64, 1);
        jobs[i].job.share = &many;
        lab_post(f.lab, &jobs[i].job);
    }
    job_make(&single, 64, 1);
    single.job.share = &one;
    lab_post(f.lab, &single.job);
    lab_release(&hold);
    job_await(&single);
    for (unsigned i = 0; i < NR_MANY; i++)
        job_await(&jobs[i]);
    assert_int_equal(single.first_seq, 1);
    assert_int_equal(jobs[0].first_seq, 0);
    for (unsigned i = 1; i < NR_MANY; i++) /* each client's own jobs keep their order */
        assert_true(jobs[i].first_seq > jobs[i - 1].first_seq);
    fixture_stop(&f);
}

static void apply_many(struct fixture *f, unsigned nr)
{
    struct test_job apply;
    job_make(&apply, 128, nr);
    apply.waits_for_log = false;
    lab_post(f->lab, &apply.job);
    job_await(&apply);
    assert_int_equal(lab_wait_durable(f->lab, lab_seq(f->lab)), PAGODA_OK);
}

/* A way that is cut at every operation leads where the whole way leads. */
static void a_way_in_slices_leads_to_the_same_machine(void **state)
{
    (void)state;
    enum { NR = 300 };
    struct fixture f;
    struct lab_hold hold;
    unsigned nr_slices = 0;
    fixture_start(&f);
    apply_many(&f, NR);
    uint64_t hash = store_fixture_hash(f.lab);
    lane_take(&f.lab->past);
    do {
        assert_int_equal(lab_seek(f.lab, NR - 1, 1, &hold), PAGODA_OK);
        nr_slices++;
    } while (!hold.machine);
    assert_true(nr_slices > 100);
    assert_int_equal(machine_seq(hold.machine), NR - 1);
    uint64_t past_hash = machine_hash(hold.machine);
    lane_release(&f.lab->past);
    assert_int_equal(past_hash, store_fixture_hash_at(f.lab, NR - 1));

    lane_take(&f.lab->present);
    machine_destroy(atomic_exchange(&f.lab->machine, NULL));
    for (nr_slices = 0; !lab_is_awake(f.lab); nr_slices++)
        assert_int_equal(lab_wake_on(f.lab, 1), PAGODA_OK);
    lane_release(&f.lab->present);
    assert_true(nr_slices > 0);
    assert_int_equal(store_fixture_hash(f.lab), hash);
    fixture_stop(&f);
}

static void import_some(struct lab_import *import, unsigned nr)
{
    for (unsigned i = 0; i < nr; i++) {
        struct op op = fixture_op(OP_KMALLOC);
        struct op_result result;
        struct problem why = { 0 };
        op.size = 256;
        op.given |= OP_BIT(SIZE);
        assert_int_equal(lab_import_apply(import, &op, &result, &why), PAGODA_OK);
    }
}

/* While an import is under way the lab is shown as it was, and who writes waits for the end. */
static void jobs_that_write_wait_for_an_import(void **state)
{
    (void)state;
    struct fixture f;
    struct test_job look, write;
    struct lab_import *import, *second;
    fixture_start(&f);
    apply_many(&f, 3);
    uint64_t hash = store_fixture_hash(f.lab);
    assert_int_equal(lab_import_begin(f.lab, 3, &import), PAGODA_OK);
    import_some(import, 10);
    assert_int_equal(store_wait(f.store.store, lab_import_ticket(import)), PAGODA_OK);
    assert_int_equal(lab_import_begin(f.lab, 3, &second), PAGODA_ERR_CONFLICT);
    job_make(&write, 64, 1);
    write.job.writes = true;
    lab_post(f.lab, &write.job);
    job_make(&look, 0, 0);
    look.job.turn = look_turn;
    lab_post(f.lab, &look.job);
    job_await(&look);
    assert_int_equal(look.seq, 3);
    assert_int_equal(look.hash, hash);
    assert_int_equal(lab_durable_seq(f.lab), 3);
    assert_int_equal(write.nr_done, 0);
    assert_int_equal(lab_import_end(import, true, NULL), PAGODA_OK);
    job_await(&write);
    assert_int_equal(write.first_seq, 13);
    assert_int_equal(lab_seq(f.lab), 14);
    assert_int_equal(lab_wait_durable(f.lab, 14), PAGODA_OK);
    assert_int_equal(store_fixture_hash(f.lab), store_fixture_replayed_hash(f.lab));
    fixture_stop(&f);
}

/* What another daemon left of an import goes before the first turn, and no thread waits for that. */
static void an_import_that_was_cut_off_is_undone_before_the_first_turn(void **state)
{
    (void)state;
    struct fixture f;
    struct test_job look;
    struct lab_import *import;
    struct problem why = { 0 };
    char key[LAB_ID_LENGTH + 1];
    fixture_start(&f);
    apply_many(&f, 3);
    uint64_t hash = store_fixture_hash(f.lab);
    memcpy(key, f.lab->row.id, sizeof key);
    assert_int_equal(lab_import_begin(f.lab, 3, &import), PAGODA_OK);
    import_some(import, 20);
    assert_int_equal(store_wait(f.store.store, lab_import_ticket(import)), PAGODA_OK);
    faulty_disk_arm(0, SQLITE_FULL, true); /* nothing of it can be taken back any more */
    assert_int_equal(lab_import_end(import, false, NULL), PAGODA_OK);
    assert_true(faulty_disk_disarm());
    lab_put(f.lab);
    store_fixture_close(&f.store);
    assert_int_equal(store_open(f.store.path, NULL, &f.store.store, &why), PAGODA_OK);
    assert_int_equal(labs_open(f.store.store, &f.workers, &f.store.labs, &why), PAGODA_OK);
    f.lab = lab_get(f.store.labs, key);
    assert_true(f.lab->is_importing);
    job_make(&look, 0, 0);
    look.job.turn = look_turn;
    lab_post(f.lab, &look.job);
    job_await(&look);
    assert_int_equal(look.error, PAGODA_OK);
    assert_int_equal(look.seq, 3);
    assert_int_equal(look.hash, hash);
    assert_false(f.lab->is_importing);
    fixture_stop(&f);
}

static enum lab_turn refused_turn(struct lab_job *lab_job, struct lab_hold *hold)
{
    struct op op = fixture_op(OP_KMALLOC);
    struct op_result result;
    struct problem why = { 0 };
    op.size = 64;
    op.given |= OP_BIT(SIZE);
    test_job_of(lab_job)->seq = lab_apply(hold, &op, NULL, &result, &why);
    return LAB_TURN_DONE;
}

/* No operation follows a deletion that is on its way to the disk; when that fails, the lab is as it was. */
static void a_lab_that_is_being_deleted_takes_no_operation(void **state)
{
    (void)state;
    struct fixture f;
    struct test_job job;
    struct lab_change deletion;
    struct lab *none;
    fixture_start(&f);
    lab_begin_delete(f.lab, NULL, &deletion);
    job_make(&job, 0, 0);
    job.job.turn = refused_turn;
    lab_post(f.lab, &job.job);
    job_await(&job);
    assert_int_equal(job.seq, PAGODA_ERR_NOT_FOUND);
    assert_int_equal(lab_change_end(&deletion, PAGODA_ERR_FULL, &none), PAGODA_ERR_FULL);
    apply_many(&f, 1);
    assert_int_equal(lab_seq(f.lab), 1);
    fixture_stop(&f);
}

int main(void)
{
    faulty_disk_register();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(jobs_run_one_at_a_time_in_order),
        cmocka_unit_test(a_turn_after_the_log_sees_it_on_disk),
        cmocka_unit_test(many_labs_take_turns),
        cmocka_unit_test(jobs_of_the_past_see_their_moment),
        cmocka_unit_test(a_lost_log_is_seen_by_the_next_turn),
        cmocka_unit_test(clients_take_turns_in_a_lab),
        cmocka_unit_test(a_way_in_slices_leads_to_the_same_machine),
        cmocka_unit_test(jobs_that_write_wait_for_an_import),
        cmocka_unit_test(an_import_that_was_cut_off_is_undone_before_the_first_turn),
        cmocka_unit_test(a_lab_that_is_being_deleted_takes_no_operation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
