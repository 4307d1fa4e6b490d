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
        past[at].job.at = at;
        lab_post_past(f.lab, &past[at].job);
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

int main(void)
{
    faulty_disk_register();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(jobs_run_one_at_a_time_in_order),
        cmocka_unit_test(a_turn_after_the_log_sees_it_on_disk),
        cmocka_unit_test(many_labs_take_turns),
        cmocka_unit_test(jobs_of_the_past_see_their_moment),
        cmocka_unit_test(a_lost_log_is_seen_by_the_next_turn),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
