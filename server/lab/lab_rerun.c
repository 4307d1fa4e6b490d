/* server/lab/lab_rerun.c - the operations of one lab, applied once more to another.
 *
 * Operations keep their numbers, so that two labs can be laid side by side: one that the other machine refuses (it has no
 * such process, say) leaves a remark in its place. An operation that was given an address meant the block that an earlier
 * one had returned; what that one returns today takes its place. */
#include "server/base/address_map.h"
#include "server/lab/lab_internal.h"

#include <stdio.h>
#include <string.h>

#define SLICE 1000u /* operations that are read, and then waited for, at a time */
#define PAGE_MASK UINT64_C(0xfff)

struct rerun {
    struct lab_hold *into;
    struct address_map moved; /* address recorded -> address of today, of each process apart */
    enum pagoda_error error;
};

static uint64_t rerun_key(uint32_t pid, uint64_t address)
{
    return address ^ pid * UINT64_C(0x9e3779b97f4a7c15);
}

/* The block's own address, or one in the first page of a block that begins at a page. */
static uint64_t rerun_address(const struct rerun *rerun, uint32_t pid, uint64_t address)
{
    const struct address_entry *entry = address_map_find(&rerun->moved, rerun_key(pid, address));
    if (entry)
        return entry->address;
    entry = address_map_find(&rerun->moved, rerun_key(pid, address & ~PAGE_MASK));
    return entry && entry->address ? entry->address + (address & PAGE_MASK) : address;
}

static enum pagoda_error rerun_refused(struct rerun *rerun, const struct op *op, const struct problem *why,
                                       struct op_result *result)
{
    char text[200];
    struct problem unused = { 0 };
    struct op mark = op_default(OP_MARK);
    int length = snprintf(text, sizeof text, "refused: %s: %s", op_info(op->kind)->name, why->text);
    mark.text = (struct text){ text, (uint32_t)(length < (int)sizeof text ? length : (int)sizeof text - 1) };
    mark.given = 1u << PARAM_TEXT;
    return lab_apply(rerun->into, &mark, NULL, result, &unused);
}

static bool rerun_one(void *context, const struct log_entry *entry)
{
    struct rerun *rerun = context;
    struct op op = entry->op;
    struct op_result result;
    struct problem why = { 0 };
    uint32_t pid = op.given >> PARAM_PID & 1 ? op.pid : 0;
    if (op.given >> PARAM_ADDRESS & 1)
        op.address = rerun_address(rerun, pid, op.address);
    rerun->error = lab_apply(rerun->into, &op, NULL, &result, &why);
    if (rerun->error == PAGODA_ERR_INVALID)
        rerun->error = rerun_refused(rerun, &op, &why, &result);
    uint64_t key = rerun_key(pid, entry->address);
    if (!rerun->error && entry->address && key &&
        (entry->address != result.address || address_map_find(&rerun->moved, key)) &&
        !address_map_put(&rerun->moved, (struct address_entry){ .key = key, .address = result.address }))
        rerun->error = PAGODA_ERR_NOMEM;
    return !rerun->error;
}

enum pagoda_error lab_rerun(struct lab *from, struct lab_hold *into)
{
    struct rerun rerun = { .into = into };
    struct lab *lab = into->lab;
    uint64_t last = lab_durable_seq(from);
    enum pagoda_error error = PAGODA_OK;
    machine_record_events(into->machine, false);
    for (uint64_t seq = 1; seq <= last && !error; seq += SLICE) {
        uint64_t end = seq + SLICE - 1 < last ? seq + SLICE - 1 : last;
        error = store_read_ops(lab->labs->store, from->row.id, seq, end, rerun_one, &rerun);
        error = error ? error : rerun.error;
        if (!error && seq > SLICE) /* what is not yet on disk stays bounded */
            error = lab_wait_durable(lab, seq - 1);
    }
    machine_record_events(into->machine, true);
    address_map_clear(&rerun.moved);
    return error;
}
