/* server/lab/lab_import.c - imports that are all or nothing.
 *
 * An import works on a copy of the machine, with a log of its own, whose rows nobody reads before all of them are on disk.
 * Meanwhile the lab is shown as it was, and who wants to change it waits in its queue. At the end the copy takes the
 * machine's place; else it is dropped and its rows are deleted, and the lab has not changed. */
#include "server/base/guard.h"
#include "server/lab/lab_internal.h"

#include <stdlib.h>

struct lab_import {
    struct lab *lab;
    struct machine *machine;
    uint64_t seq, ticket;
    uint64_t cost_ns, snapshot_cost_ns; /* as of struct lab */
};

/* With the present held: nobody else changes the lab from now on. */
static enum pagoda_error import_claim(const struct lab_hold *hold, uint64_t seq, struct lab_import *import)
{
    struct lab *lab = hold->lab;
    if (lab_differs_at(lab))
        return PAGODA_ERR_RULES;
    if (lab->import || hold->seq != seq || atomic_load(&lab->is_leaving))
        return PAGODA_ERR_CONFLICT;
    enum pagoda_error error = guard_clone(hold->machine, &import->machine);
    if (error)
        return error;
    machine_record_events(import->machine, false);
    import->cost_ns = lab->cost_ns;
    import->snapshot_cost_ns = lab->snapshot_cost_ns;
    atomic_store(&lab->import_log.durable_seq, seq);
    atomic_store(&lab->import_log.lost, false);
    lab->import_log.lab = lab->row.number;
    lab->import_seq = seq;
    lab->import = import;
    return PAGODA_OK;
}

static enum pagoda_error import_take_lab(uint64_t seq, struct lab_import *import)
{
    struct lab_hold hold;
    enum pagoda_error error = lab_take(import->lab, &hold);
    if (error)
        return error;
    error = import_claim(&hold, seq, import);
    lab_release(&hold);
    return error;
}

/* What came before the import is on disk before it begins. */
static enum pagoda_error import_begin_log(const struct lab_import *import)
{
    struct lab *lab = import->lab;
    enum pagoda_error error = lab_wait_durable(lab, import->seq);
    return error ? error : store_begin_import(lab->labs->store, lab->row.number, import->seq);
}

/* The lab is everybody's again. */
static void import_give_lab(struct lab_import *import)
{
    struct lab *lab = import->lab;
    lane_take(&lab->present);
    lab->import = NULL;
    lab_unblock(lab);
    lane_release(&lab->present);
    machine_destroy(import->machine);
    free(import);
}

enum pagoda_error lab_import_begin(struct lab *lab, uint64_t seq, struct lab_import **out)
{
    struct lab_import *import = calloc(1, sizeof *import);
    *out = NULL;
    if (!import)
        return PAGODA_ERR_NOMEM;
    *import = (struct lab_import){ .lab = lab, .seq = seq };
    enum pagoda_error error = import_take_lab(seq, import);
    if (error) {
        free(import);
        return error;
    }
    error = import_begin_log(import);
    if (error)
        import_give_lab(import);
    else
        *out = import;
    return error;
}

const struct machine *lab_import_machine(const struct lab_import *import)
{
    return import->machine;
}

enum pagoda_error lab_import_apply(struct lab_import *import, const struct op *op, struct op_result *result,
                                   struct problem *why)
{
    struct lab *lab = import->lab;
    enum pagoda_error error = guard_apply(import->machine, op, result, why);
    if (error)
        return error;
    struct log_entry entry = lab_log_entry(op, result);
    uint64_t ticket = store_append(lab->labs->store, &lab->import_log, &entry, NULL, 0);
    if (!ticket)
        return PAGODA_ERR_IO;
    import->ticket = ticket;
    import->seq = result->seq;
    import->cost_ns += snapshot_replay_ns(result->cost_ns);
    if (import->cost_ns - import->snapshot_cost_ns >= SNAPSHOT_NEAR_NS &&
        snapshot_take(&lab->labs->snapshots, lab, &lab->import_log, import->machine, import->cost_ns))
        import->snapshot_cost_ns = import->cost_ns;
    return PAGODA_OK;
}

uint64_t lab_import_ticket(const struct lab_import *import)
{
    return import->ticket;
}

/* All of it is on disk: the copy becomes the machine. */
static void import_take_place(struct lab_import *import)
{
    struct lab *lab = import->lab;
    machine_record_events(import->machine, true);
    lane_take(&lab->present);
    import->machine = atomic_exchange(&lab->machine, import->machine);
    machine_destroy(lab->waking.machine);
    lab->waking = (struct past){ 0 };
    lab->cost_ns = import->cost_ns;
    lab->snapshot_cost_ns = import->snapshot_cost_ns;
    atomic_store(&lab->last_ticket, import->ticket);
    atomic_store(&lab->log.durable_seq, import->seq);
    atomic_fetch_add(&lab->labs->nr_applied, import->seq - lab_seq(lab));
    atomic_store(&lab->seq, import->seq);
    lane_release(&lab->present);
}

/* The lab stays as it was. nr_losses is raised, so that a snapshot of the import which is still being written is thrown
 * away. When the disk does not let the rows go, the lab sleeps, and whoever wants it next tries again. */
static void import_undo(const struct lab_import *import)
{
    struct lab *lab = import->lab;
    atomic_fetch_add(&lab->import_log.nr_losses, 1);
    if (!store_undo_import(lab->labs->store, lab->row.number, lab->import_seq))
        return;
    lane_take(&lab->present);
    lab->is_importing = true;
    machine_destroy(atomic_exchange(&lab->machine, NULL));
    lane_release(&lab->present);
}

enum pagoda_error lab_import_end(struct lab_import *import, bool is_whole, const struct answer *answer)
{
    struct lab *lab = import->lab;
    struct store *store = lab->labs->store;
    enum pagoda_error error = import->ticket ? store_wait(store, import->ticket) : PAGODA_OK;
    if (!error && atomic_load(&lab->import_log.lost))
        error = PAGODA_ERR_IO;
    if (is_whole && !error)
        error = store_finish_import(store, lab->row.number, import->seq, answer);
    if (is_whole && !error)
        import_take_place(import);
    else
        import_undo(import);
    import_give_lab(import);
    return error;
}
