/* server/lab/ahead.c - a ring. An operation is hinted at twice: when it comes in, and when half of those before it are
 * gone. */
#include "server/lab/ahead.h"

#include <string.h>

bool ahead_can_hold(const struct log_entry *entry)
{
    const struct op *op = &entry->op;
    for (uint32_t left = op->given & OP_TEXT_BITS; left; left &= left - 1)
        if (op_text(op, (enum op_param_id)__builtin_ctz(left)).length > AHEAD_TEXT)
            return false;
    return !op->nr_data;
}

bool ahead_is_full(const struct ahead *ahead)
{
    return ahead->count == AHEAD_ENTRIES;
}

static struct log_entry *entry_at(struct ahead *ahead, uint32_t place)
{
    return &ahead->entries[(ahead->first + place) % AHEAD_ENTRIES];
}

/* The texts of an operation become copies. */
static void ahead_own_texts(struct op *op, char (*copies)[AHEAD_TEXT])
{
    for (uint32_t left = op->given & OP_TEXT_BITS; left; left &= left - 1) {
        enum op_param_id id = (enum op_param_id)__builtin_ctz(left);
        struct text text = op_text(op, id);
        if (text.length)
            op_set_text(op, id, (struct text){ memcpy(*copies++, text.start, text.length), text.length });
    }
}

void ahead_put(struct ahead *ahead, const struct machine *machine, const struct log_entry *entry)
{
    struct log_entry *held = entry_at(ahead, ahead->count);
    *held = *entry;
    ahead_own_texts(&held->op, ahead->texts[held - ahead->entries]);
    machine_prefetch(machine, &held->op, PREFETCH_FAR);
    if (ahead->count >= AHEAD_ENTRIES / 2)
        machine_prefetch(machine, &entry_at(ahead, ahead->count - AHEAD_ENTRIES / 2)->op, PREFETCH_NEAR);
    ahead->count++;
}

const struct log_entry *ahead_take(struct ahead *ahead)
{
    if (!ahead->count)
        return NULL;
    const struct log_entry *oldest = entry_at(ahead, 0);
    ahead->first = (ahead->first + 1) % AHEAD_ENTRIES;
    ahead->count--;
    return oldest;
}
