/* server/lab/lab_rerun.c - the operations of one lab, applied once more to another.
 *
 * Operations keep their numbers, so that the two labs can be compared. Where the new machine refuses an operation (it has
 * no such process, say), a mark takes its number. An address that an earlier operation returned is replaced by the address
 * that this operation returns today. */
#include "server/base/address_map.h"
#include "server/base/clock.h"
#include "server/lab/lab_internal.h"

#include <stdio.h>
#include <stdlib.h>

#define OPS_PER_SLICE 1000u
#define PAGE_MASK UINT64_C(0xfff)

struct lab_rerun {
    struct lab *from;
    struct lab_hold *into;
    uint64_t last, nr_done;   /* operations of from */
    uint64_t slice_ns;        /* when the slice began, monotonic */
    struct address_map moved; /* address recorded -> address of today, of each process apart */
    enum pagoda_error error;
};

static uint64_t rerun_key(uint32_t pid, uint64_t address)
{
    return address ^ pid * UINT64_C(0x9e3779b97f4a7c15);
}

/* The block's own address, or one in the first page of a block that begins at a page. */
static uint64_t rerun_address(const struct lab_rerun *rerun, uint32_t pid, uint64_t address)
{
    const struct address_entry *entry = address_map_find(&rerun->moved, rerun_key(pid, address));
    if (entry)
        return entry->address;
    entry = address_map_find(&rerun->moved, rerun_key(pid, address & ~PAGE_MASK));
    return entry && entry->address ? entry->address + (address & PAGE_MASK) : address;
}

static enum pagoda_error rerun_refused(struct lab_rerun *rerun, const struct op *op, const struct problem *why,
                                       struct op_result *result)
{
    char text[200];
    struct problem unused = { 0 };
    struct op mark = op_default(OP_MARK);
    int length = snprintf(text, sizeof text, "refused: %s: %s", op_info(op->kind)->name, why->text);
    mark.text = (struct text){ text, (uint32_t)(length < (int)sizeof text ? length : (int)sizeof text - 1) };
    mark.given = OP_BIT(TEXT);
    return lab_apply(rerun->into, &mark, NULL, result, &unused);
}

static bool rerun_one(void *context, const struct log_entry *entry)
{
    struct lab_rerun *rerun = context;
    if (entry->seq != rerun->nr_done + 1) {
        rerun->error = PAGODA_ERR_CORRUPT;
        return false;
    }
    struct op op = entry->op;
    struct op_result result;
    struct problem why = { 0 };
    uint32_t pid = op.given & OP_BIT(PID) ? op.pid : 0;
    if (op.given & OP_BIT(ADDRESS))
        op.address = rerun_address(rerun, pid, op.address);
    rerun->error = lab_apply(rerun->into, &op, NULL, &result, &why);
    if (rerun->error == PAGODA_ERR_INVALID)
        rerun->error = rerun_refused(rerun, &op, &why, &result);
    uint64_t key = rerun_key(pid, entry->address);
    if (!rerun->error && entry->address && key &&
        (entry->address != result.address || address_map_find(&rerun->moved, key)) &&
        !address_map_put(&rerun->moved, (struct address_entry){ .key = key, .address = result.address }))
        rerun->error = PAGODA_ERR_NOMEM;
    rerun->nr_done += !rerun->error;
    return !rerun->error && clock_ns() - rerun->slice_ns < TURN_NS;
}

struct lab_rerun *lab_rerun_begin(struct lab *from, struct lab_hold *into)
{
    struct lab_rerun *rerun = calloc(1, sizeof *rerun);
    if (!rerun)
        return NULL;
    *rerun = (struct lab_rerun){ .from = from, .into = into, .last = lab_durable_seq(from) };
    machine_record_events(into->machine, false);
    return rerun;
}

enum pagoda_error lab_rerun_step(struct lab_rerun *rerun, bool *is_done)
{
    uint64_t before = rerun->nr_done, first = before + 1, end = before + OPS_PER_SLICE;
    enum pagoda_error error = PAGODA_OK;
    rerun->slice_ns = clock_ns();
    if (end > rerun->last)
        end = rerun->last;
    if (first <= end)
        error = store_read_ops(rerun->into->lab->labs->store, rerun->from->row.number, first, end, rerun_one, rerun);
    error = error ? error : rerun->error;
    if (lab_is_deleted(rerun->from)) /* its rows may be on their way out */
        error = PAGODA_ERR_NOT_FOUND;
    else if (!error && first <= end && rerun->nr_done == before)
        error = PAGODA_ERR_CORRUPT;
    *is_done = rerun->nr_done == rerun->last;
    return error;
}

void lab_rerun_end(struct lab_rerun *rerun)
{
    if (!rerun)
        return;
    machine_record_events(rerun->into->machine, true);
    address_map_clear(&rerun->moved);
    free(rerun);
}
