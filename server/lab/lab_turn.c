/* server/lab/lab_turn.c - who has a lab: holds that are taken at once, holds that are waited for, and jobs in its queues.
 */
#include "server/base/turn.h"
#include "server/lab/lab_internal.h"

#include <assert.h>

/* ---- holds ---- */

static void turn_fill_hold(struct lab *lab, struct lab_hold *hold)
{
    struct machine *machine = atomic_load(&lab->machine);
    turn_is_for(lab->row.key);
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

static enum pagoda_error turn_take_past(struct lab *lab, uint64_t at, struct lab_hold *hold,
                                        enum pagoda_error (*seek)(struct lab *lab, uint64_t seq, struct lab_hold *hold))
{
    if (at > lab_seq(lab))
        return PAGODA_ERR_NOT_FOUND;
    enum pagoda_error error = lab_wait_durable(lab, at);
    if (error)
        return error;
    lane_take(&lab->past);
    error = seek(lab, at, hold);
    if (error)
        lane_release(&lab->past);
    return error;
}

enum pagoda_error lab_take_past(struct lab *lab, uint64_t at, struct lab_hold *hold)
{
    return turn_take_past(lab, at, hold, lab_seek);
}

enum pagoda_error lab_take_recorded(struct lab *lab, uint64_t at, struct lab_hold *hold)
{
    return turn_take_past(lab, at, hold, lab_seek_recorded);
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
    return job->is_past ? &job->lab->past : &job->lab->present;
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

/* With the job's lane taken: the hold for its turn. */
static enum pagoda_error job_take_hold(struct lab_job *job, struct lab_hold *hold)
{
    struct lab *lab = job->lab;
    enum pagoda_error error = PAGODA_OK;
    if (job->is_past) {
        if (lab_durable_seq(lab) >= job_needed_seq(job))
            return lab_seek(lab, job->at, hold);
        return job->log_error ? job->log_error : PAGODA_ERR_IO;
    }
    error = lab_wake(lab);
    if (!error)
        turn_fill_hold(lab, hold);
    return error;
}

/* On a worker, which has the job's lane. The lane is given back before anybody hears that the job is done. */
static void job_run(struct lane_entry *entry)
{
    struct lab_job *job = job_of_entry(entry);
    struct lane *lane = job_lane(job);
    struct lab_hold hold;
    enum pagoda_error error = job_take_hold(job, &hold);
    enum lab_turn turn = error ? LAB_TURN_DONE : job->turn(job, &hold);
    if (turn == LAB_TURN_AGAIN)
        job_queue(job);
    lane_release(lane);
    if (turn == LAB_TURN_AFTER_LOG)
        job_queue_after_log(job, job->ticket);
    else if (turn == LAB_TURN_DONE)
        job->done(job, error);
}

static void job_begin(struct lab *lab, struct lab_job *job, bool is_past)
{
    assert(lab->labs->workers);
    job->entry.run = job_run;
    job->lab = lab;
    job->is_past = is_past;
    job->log_error = PAGODA_OK;
}

void lab_post(struct lab *lab, struct lab_job *job)
{
    job_begin(lab, job, false);
    job_queue(job);
}

void lab_post_past(struct lab *lab, struct lab_job *job)
{
    job_begin(lab, job, true);
    uint64_t ticket = atomic_load(&lab->last_ticket); /* of an operation at or behind until, if the lab has got that far */
    if (lab_durable_seq(lab) < job_needed_seq(job) && ticket)
        job_queue_after_log(job, ticket);
    else
        job_queue(job);
}
