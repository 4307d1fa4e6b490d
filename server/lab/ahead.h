/* server/lab/ahead.h - operations of a log that are read a little before they are applied, so that the host's memory can be
 * asked in time for what they will look at (machine_prefetch). Where a lab has a million live blocks, a replay otherwise
 * mostly waits. Entries come out in the order in which they were put in; they own copies of their texts. */
#pragma once
#include "pagoda/machine.h"
#include "server/store/store.h"

#define AHEAD_ENTRIES 4u
#define AHEAD_TEXT 64u /* bytes of a text: those of names, caches and call sites fit */

struct ahead {
    uint32_t first, count;
    struct log_entry entries[AHEAD_ENTRIES];
    char texts[AHEAD_ENTRIES][NR_OP_TEXTS][AHEAD_TEXT];
};

bool ahead_can_hold(const struct log_entry *entry); /* not those that carry data or long texts */
bool ahead_is_full(const struct ahead *ahead);
void ahead_put(struct ahead *ahead, const struct machine *machine, const struct log_entry *entry); /* it is not full */
/* The oldest, which is good until the next ahead_put(); NULL: there is none. */
const struct log_entry *ahead_take(struct ahead *ahead);
