/* server/store/sqlite/store_damage.c - which operations of which labs were found to be other than they were written.
 * The last NR_DAMAGES finds are kept, for those who say why a lab does not answer. */
#include "server/store/sqlite/store_state.h"

#include <stdio.h>

static struct damage *damage_find(struct store *store, int64_t lab)
{
    for (uint32_t i = 0; i < NR_DAMAGES; i++)
        if (store->damages[i].lab == lab)
            return &store->damages[i];
    return NULL;
}

void store_note_damage(struct store *store, int64_t lab, uint64_t seq)
{
    struct damage damage = { lab, chain_block_start(seq) + 1, chain_block_end(seq) };
    pthread_mutex_lock(&store->damage_mutex);
    struct damage *known = damage_find(store, lab);
    bool is_new = !known || known->first != damage.first;
    if (!known)
        known = &store->damages[store->nr_damages++ % NR_DAMAGES];
    *known = damage;
    pthread_mutex_unlock(&store->damage_mutex);
    if (is_new && !store->is_read_only)
        fprintf(stderr,
                "pagodad: lab number %lld: between operations %llu and %llu the log is damaged (see: pagodad check)\n",
                (long long)lab, (unsigned long long)damage.first, (unsigned long long)damage.last);
}

bool store_find_damage(struct store *store, int64_t lab, uint64_t *first, uint64_t *last)
{
    pthread_mutex_lock(&store->damage_mutex);
    const struct damage *damage = damage_find(store, lab);
    if (damage) {
        *first = damage->first;
        *last = damage->last;
    }
    pthread_mutex_unlock(&store->damage_mutex);
    return damage;
}
