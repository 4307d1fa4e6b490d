/* alloc/machine/machine_valid.h - does what was loaded hang together? For the files that look, floor by floor.
 *
 * An image may come from anybody. First every link is looked at: it must lead to an item that is there, that is in use, and
 * that nobody else owns. After that nothing reads outside the pools, and machine_check() can follow the links. */
#pragma once
#include "alloc/machine/machine_state.h"

struct valid {
    const struct machine *m;
    const struct machine_state *s;
    uint8_t *marks[POOLS_MAX]; /* a bit an item: it is free, or has been met */
    uint32_t *nr_mappings;     /* of each frame, in the tables of processes */
    uint32_t *nr_swapped;      /* of each swap slot, in the same */
    const uint8_t *frame_bits; /* a bit for VALID_FRAMES frames: they are not all zero. Zero ones need no look */
    uint32_t nr_tables_left;   /* that there can be; a walk in circles uses them up */
};

#define VALID_FRAMES 16u

/* Is the machine's state sound?
 * fresh       the state of a new machine of that configuration, for what never changes.
 * frame_bits  as in struct valid.
 * PAGODA_ERR_CORRUPT  it is not.
 * PAGODA_ERR_NOMEM  the host refused memory to look. */
enum pagoda_error machine_is_valid(const struct machine *m, const struct machine_state *fresh,
                                   const uint8_t *frame_bits) PAGODA_MUST_CHECK;
/* The first frame from pfn on that may not be zero; frames.nr: none is left. */
static inline uint32_t valid_next_frame(const struct valid *v, uint32_t pfn)
{
    while (pfn < v->s->frames.nr && !(v->frame_bits[pfn / VALID_FRAMES / 8] >> pfn / VALID_FRAMES % 8 & 1))
        pfn = (pfn / VALID_FRAMES + 1) * VALID_FRAMES;
    return pfn < v->s->frames.nr ? pfn : v->s->frames.nr;
}

static inline bool valid_has(const struct pool *pool, uint32_t index)
{
    return index > 0 && index < pool->nr_used;
}
static inline bool valid_may_have(const struct pool *pool, uint32_t index) /* or none */
{
    return index == 0 || index < pool->nr_used;
}
/* Meets an item for the first time. False: it is not there, it is free, or it was met before. */
static inline bool valid_mark(uint8_t *marks, const struct pool *pool, uint32_t index)
{
    if (!valid_has(pool, index) || marks[index / 8] >> index % 8 & 1)
        return false;
    marks[index / 8] = (uint8_t)(marks[index / 8] | 1u << index % 8);
    return true;
}
static inline uint8_t *valid_marks(const struct valid *v, const struct pool *pool)
{
    uint32_t i = 0;
    while (v->m->pools[i] != pool)
        i++;
    return v->marks[i];
}
static inline bool valid_has_name(const struct valid *v, struct name_ref name)
{
    return valid_may_have(&v->s->names.pool, name.index);
}

/* In this order. */
bool valid_names(struct valid *v);
bool valid_slabs(struct valid *v);
bool valid_areas(struct valid *v);
bool valid_frames(struct valid *v);
bool valid_zones(const struct valid *v);
bool valid_processes(struct valid *v);
bool valid_heaps(struct valid *v);
