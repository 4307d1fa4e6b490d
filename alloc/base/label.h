/* alloc/base/label.h - the caller's words: handles ("name") and call sites, each stored once. Stands on: base. */
#pragma once
#include "alloc/base/pool.h"
#include "pagoda/op.h"

#define LABEL_MAX 63u        /* bytes of a text */
#define NR_LABELS (1u << 24) /* that a lab can have */

struct label {
    uint32_t link;    /* next of the same hash, or the pool's free link */
    uint32_t pid;     /* of the live allocation that this handle names; 0: kernel */
    uint64_t address; /* of that allocation; 0: names nothing now */
    uint32_t site;    /* who made it, as a label; 0: not said */
    char text[LABEL_MAX + 1];
};
struct labels {
    struct pool pool;    /* struct label */
    struct pool buckets; /* uint32_t label index; item i+1 is bucket i; as many as there are labels */
};

void labels_shape(struct labels *labels);
enum pagoda_error labels_reserve(struct labels *labels, const struct pagoda_host *host, uint32_t nr_texts);
static inline bool labels_have_room(const struct labels *labels, uint32_t nr_texts)
{
    return labels->pool.nr_used + nr_texts <= labels->pool.capacity;
}
/* Index of the text, stored if it is new; 0 when the text is empty, or the pool full. A slot must have been reserved. */
uint32_t label_intern(struct labels *labels, struct text text);
uint32_t label_find(const struct labels *labels, struct text text);  /* 0: never seen */
const char *label_text(const struct labels *labels, uint32_t label); /* "" for 0 */
/* Who made the allocation at address that bears the label: the label itself, or, of a handle, what was said beside it. */
const char *label_site(const struct labels *labels, uint32_t label, uint64_t address);
static inline struct label *label_at(const struct labels *labels, uint32_t label)
{
    return pool_at(&labels->pool, label);
}
