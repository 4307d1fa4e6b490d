/* server/lab/lab_turn.c - who has a lab: holds that are taken at once, holds that are waited for, and jobs in its queues.
 */
#include "server/base/clock.h"
#include "server/base/turn.h"
#include "server/lab/lab_internal.h"

#include <assert.h>
#include <stddef.h>

/* ---- holds ---- */

static void turn_fill_hold(struct lab *lab, struct lab_hold *hold)
{
    struct machine *machine = atomic_load(&lab->machine);
    turn_is_for(lab->row.id);
    *hold = (struct lab_hold){
        .lab = lab, .machine = machine, .seq = machine_seq(machine), .ticket = atomic_load(&lab->last_ticket)
    };
}

bool lab_try(struct lab *lab, struct lab_hold *hold)
{
    if (!lab_is_awake(lab) || !lane_try(&lab->present))
        return false;
    bool is_awake = lab_is_awake(lab); /* still: the log may have been lost meanwhile */
    if (is_awake)
        turn_fill_hold(lab, hold);
    else
        lane_release(&lab->present);
    return is_awake;
}

enum pagoda_error lab_take(struct lab *lab, struct lab_hold *hold)
{
    lane_take(&lab->present);
    enum pagoda_error error = lab_wake(lab);
    if (error)
        lane_release(&lab->present);
    else
        turn_fill_hold(lab, hold);
    return error;
}

/* A lab of other rules wakes once before its past is shown: it then knows how far that goes. */
static enum pagoda_error turn_compare(struct lab *lab)
{
    if (atomic_load(&lab->is_compared))
        return PAGODA_OK;
    lane_take(&lab->present);
    enum pagoda_error error = lab_wake(lab);
    lane_release(&lab->present);
    return error;
}

enum pagoda_error lab_take_past(struct lab *lab, uint64_t at, struct lab_hold *hold)
{
    if (at > lab_seq(lab))
        return PAGODA_ERR_NOT_FOUND;
    enum pagoda_error error = lab_wait_durable(lab, at);
    if (!error)
        error = turn_compare(lab);
    if (error)
        return error;
    lane_take(&lab->past);
    error = lab_seek(lab, at, FOREVER, hold);
    if (error)
        lane_release(&lab->past);
    return error;
}

bool lab_takes_ops(const struct lab_hold *hold)
{
    return !hold->lab->import;
}

void lab_release(struct lab_hold *hold)
{
    lane_release(hold->past ? &hold->lab->past : &hold->lab->present);
}

/* ---- jobs ---- */

static struct lab_job *job_of_entry(struct lane_entry *entry)
{
    return (struct lab_job *)entry;
}

static struct lab_job *job_of_waiter(struct store_waiter *waiter)
{
    return (struct lab_job *)(void *)((char *)waiter - offsetof(struct lab_job, waiter));
}

static struct lane *job_lane(const struct lab_job *job)
{
    return job->is_in_past ? &job->lab->past : &job->lab->present;
}

static void job_queue(struct lab_job *job)
{
    lane_post(job_lane(job), &job->entry);
}

/* On the store's writer thread. Whether the log has got far enough is seen when the job runs. */
static void job_log_is_written(struct store_waiter *waiter, enum pagoda_error error)
{
    struct lab_job *job = job_of_waiter(waiter);
    job->log_error = error;
    job_queue(job);
}

static void job_queue_after_log(struct lab_job *job, uint64_t ticket)
{
    job->waiter.wake = job_log_is_written;
    store_when_durable(job->lab->labs->store, ticket, &job->waiter);
}

static uint64_t job_needed_seq(const struct lab_job *job)
{
    return job->until > job->at ? job->until : job->at;
}

/* ---- on the way to a hold: the job has its lane ---- */

/* What a job does next. */
enum job_step {
    JOB_HAS_HOLD,
    JOB_ENDS,    /* with an error */
    JOB_SLICED,  /* it keeps the lane; others have the worker first */
    JOB_WAITS,   /* it keeps the lane, and somebody calls lane_go_on() */
    JOB_IS_AWAY, /* it stands in another queue; the lane is free */
};

static void job_log_has_ended(struct store_waiter *waiter, enum pagoda_error error)
{
    (void)error; /* whatever became of the last batch, durable_seq tells it */
    lane_go_on(job_lane(job_of_waiter(waiter)));
}

static void job_undo_is_stored(struct store_change *change, enum pagoda_error error)
{
    struct lab *lab = (struct lab *)(void *)((char *)change - offsetof(struct lab, undoing));
    if (!error && change->has_more) {
        store_post_change(lab->labs->store, change);
        return;
    }
    lab->is_importing = error != PAGODA_OK;
    lab->undo_error = error;
    lane_go_on(&lab->present);
}

static enum job_step job_undo_import(struct lab *lab, struct lab_job *job)
{
    lane_keep(&lab->present, &job->entry);
    lab_prepare_undo(lab);
    lab->undoing.told = job_undo_is_stored;
    store_post_change(lab->labs->store, &lab->undoing);
    return JOB_WAITS;
}

static void job_has_room(struct room_waiter *waiter)
{
    lane_go_on(job_lane((struct lab_job *)(void *)((char *)waiter - offsetof(struct lab_job, room))));
}

/* The job got no memory. If labs that are in use are why, it keeps its lane and tries again when one of them is not. That
 * is for labs that sleep. A lab whose present is awake does not wait for a past: many of them would wait for each other. */
static enum job_step job_wait_for_room(struct lab_job *job, enum pagoda_error error)
{
    if (error != PAGODA_ERR_BUDGET)
        return JOB_ENDS;
    lane_keep(job_lane(job), &job->entry);
    job->room.go_on = job_has_room;
    if (labs_wait_for_room(job->lab->labs, &job->room))
        return JOB_WAITS;
    lane_keep(job_lane(job), NULL);
    return JOB_ENDS;
}

static enum job_step job_wake_lab(struct lab *lab, struct lab_job *job, enum pagoda_error *error)
{
    uint64_t ticket = lab_ticket(lab);
    if (ticket) {
        lane_keep(&lab->present, &job->entry);
        job->waiter.wake = job_log_has_ended;
        store_when_durable(lab->labs->store, ticket, &job->waiter);
        return JOB_WAITS;
    }
    *error = lab->undo_error;
    lab->undo_error = PAGODA_OK;
    if (*error)
        return JOB_ENDS;
    if (lab->is_importing)
        return job_undo_import(lab, job);
    *error = lab_wake_on(lab, clock_ns() + TURN_NS);
    return *error ? job_wait_for_room(job, *error) : lab_is_awake(lab) ? JOB_HAS_HOLD : JOB_SLICED;
}

static void job_wait_for_import(struct lab *lab, struct lab_job *job)
{
    job->next = NULL;
    *(lab->blocked ? lab->last_blocked : &lab->blocked) = job;
    lab->last_blocked = &job->next;
}

void lab_unblock(struct lab *lab)
{
    for (struct lab_job *job; (job = lab->blocked);) {
        lab->blocked = job->next;
        job_queue(job);
    }
}

static enum job_step job_take_present(struct lab_job *job, struct lab_hold *hold, enum pagoda_error *error)
{
    struct lab *lab = job->lab;
    enum job_step step = lab_is_awake(lab) ? JOB_HAS_HOLD : job_wake_lab(lab, job, error);
    if (step != JOB_HAS_HOLD)
        return step;
    if (job->writes && lab->import) {
        job_wait_for_import(lab, job);
        return JOB_IS_AWAY;
    }
    if (job->moment != LAB_PRESENT) { /* it came to compare the lab with today's rules */
        job->is_in_past = true;
        job_queue(job);
        return JOB_IS_AWAY;
    }
    turn_fill_hold(lab, hold);
    return JOB_HAS_HOLD;
}

static enum job_step job_take_past(struct lab_job *job, struct lab_hold *hold, enum pagoda_error *error)
{
    struct lab *lab = job->lab;
    if (lab_durable_seq(lab) < job_needed_seq(job)) {
        *error = job->log_error ? job->log_error : PAGODA_ERR_IO;
        return JOB_ENDS;
    }
    uint64_t deadline_ns = clock_ns() + TURN_NS;
    *error = job->moment == LAB_RECORDED ? lab_seek_recorded(lab, job->at, deadline_ns, hold)
                                         : lab_seek(lab, job->at, deadline_ns, hold);
    return *error ? JOB_ENDS : hold->machine ? JOB_HAS_HOLD : JOB_SLICED;
}

/* ---- turns ---- */

/* The lane is given back before anybody hears that the job is done. */
static void job_end_turn(struct lab_job *job, struct lane *lane, enum lab_turn turn, enum pagoda_error error)
{
    if (turn == LAB_TURN_AGAIN)
        job_queue(job);
    lane_release(lane);
    if (turn == LAB_TURN_AFTER_LOG)
        job_queue_after_log(job, job->ticket);
    else if (turn == LAB_TURN_DONE)
        job->done(job, error);
}

/* On a worker, which has the job's lane. */
static void job_run(struct lane_entry *entry)
{
    struct lab_job *job = job_of_entry(entry);
    struct lane *lane = job_lane(job);
    struct lab_hold hold;
    enum pagoda_error error = PAGODA_OK;
    turn_is_for(lab_id(job->lab));
    enum job_step step = job->is_in_past ? job_take_past(job, &hold, &error) : job_take_present(job, &hold, &error);
    if (step == JOB_HAS_HOLD || step == JOB_ENDS) {
        job_end_turn(job, lane, step == JOB_ENDS ? LAB_TURN_DONE : job->turn(job, &hold), error);
    } else if (step == JOB_SLICED) {
        lane_keep(lane, entry);
        lane_go_on(lane);
    } else if (step == JOB_IS_AWAY) {
        lane_release(lane);
    }
}

void lab_post(struct lab *lab, struct lab_job *job)
{
    assert(lab->labs->workers);
    job->entry.run = job_run;
    job->entry.share = job->share;
    job->lab = lab;
    job->is_in_past = job->moment != LAB_PRESENT && atomic_load(&lab->is_compared);
    job->log_error = PAGODA_OK;
    job->room = (struct room_waiter){ 0 };
    uint64_t ticket = atomic_load(&lab->last_ticket); /* of an operation at or behind until, if the lab has got that far */
    if (job->moment != LAB_PRESENT && lab_durable_seq(lab) < job_needed_seq(job) && ticket)
        job_queue_after_log(job, ticket);
    else
        job_queue(job);
}
