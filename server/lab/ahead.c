/* server/lab/ahead.c - a ring. An operation is hinted at twice: when it comes in, and when half of those before it are
 * gone. */
#include "server/lab/ahead.h"

#include <string.h>

bool ahead_can_hold(const struct log_entry *entry)
{
    const struct op *op = &entry->op;
    return !op->text.length && !op->tunables.length && !op->nr_data && op->name.length <= AHEAD_TEXT &&
           op->cache.length <= AHEAD_TEXT && op->call_site.length <= AHEAD_TEXT;
}

bool ahead_is_full(const struct ahead *ahead)
{
    return ahead->count == AHEAD_ENTRIES;
}

static struct log_entry *entry_at(struct ahead *ahead, uint32_t place)
{
    return &ahead->entries[(ahead->first + place) % AHEAD_ENTRIES];
}

static void own_text(struct text *text, char copy[AHEAD_TEXT])
{
    if (text->length)
        text->start = memcpy(copy, text->start, text->length);
}

void ahead_put(struct ahead *ahead, const struct machine *machine, const struct log_entry *entry)
{
    struct log_entry *held = entry_at(ahead, ahead->count);
    char(*texts)[AHEAD_TEXT] = ahead->texts[held - ahead->entries];
    *held = *entry;
    own_text(&held->op.name, texts[0]);
    own_text(&held->op.cache, texts[1]);
    own_text(&held->op.call_site, texts[2]);
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
