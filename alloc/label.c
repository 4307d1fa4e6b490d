/* Interned texts in a chained hash table of fixed size: a lab has few names and call sites, and they are never forgotten.
 */
#include "alloc/label.h"

#include <string.h>

#define NR_BUCKETS 4096u
#define NR_LABELS (1u << 20)

void labels_shape(struct labels *labels)
{
    pool_shape(&labels->pool, sizeof(struct label), NR_LABELS);
    pool_shape(&labels->buckets, sizeof(uint32_t), NR_BUCKETS + 1);
}

/* FNV-1a */
static uint32_t hash(struct text text)
{
    uint32_t h = 2166136261u;
    for (uint32_t i = 0; i < text.length; i++)
        h = (h ^ (uint8_t)text.start[i]) * 16777619u;
    return h;
}

static uint32_t *bucket_of(const struct labels *labels, struct text text)
{
    return pool_at(&labels->buckets, hash(text) % NR_BUCKETS + 1);
}

uint32_t label_find(const struct labels *labels, struct text text)
{
    if (!text.length || text.length > LABEL_MAX)
        return 0;
    uint32_t at = *bucket_of(labels, text);
    for (; at; at = label_at(labels, at)->link) {
        const struct label *label = label_at(labels, at);
        if (memcmp(label->text, text.start, text.length) == 0 && label->text[text.length] == '\0')
            return at;
    }
    return 0;
}

uint32_t label_intern(struct labels *labels, struct text text)
{
    uint32_t at = label_find(labels, text);
    if (at || !text.length || text.length > LABEL_MAX)
        return at;
    at = pool_take(&labels->pool);
    if (!at)
        return 0;
    struct label *label = label_at(labels, at);
    memcpy(label->text, text.start, text.length);
    uint32_t *bucket = bucket_of(labels, text);
    label->link = *bucket;
    *bucket = at;
    return at;
}

const char *label_text(const struct labels *labels, uint32_t label)
{
    return label ? label_at(labels, label)->text : "";
}
