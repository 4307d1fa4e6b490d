/* Interned texts in a table of linear hashing (W. Litwin, 1980): each new text splits one bucket, so chains stay short and
 * no operation pays for all. Texts are never forgotten: the past may ask for them. */
#include "alloc/base/label.h"

#include <string.h>

void labels_shape(struct labels *labels)
{
    pool_shape(&labels->pool, sizeof(struct label), NR_LABELS + 1);
    pool_shape(&labels->buckets, sizeof(uint32_t), NR_LABELS + 1);
}

enum pagoda_error labels_reserve(struct labels *labels, const struct pagoda_host *host, uint32_t nr_texts)
{
    enum pagoda_error err = pool_reserve(&labels->pool, host, nr_texts);
    return err ? err : pool_reserve(&labels->buckets, host, nr_texts);
}

/* Eight bytes a step: each is mixed by a multiplication (the constant is 2^64 over the golden ratio). */
static uint64_t hash(const char *start, uint32_t length)
{
    uint64_t h = length;
    for (uint32_t i = 0; i < length; i += 8) {
        uint64_t word = 0;
        memcpy(&word, start + i, length - i < 8 ? length - i : 8);
        h = (h ^ word) * UINT64_C(0x9e3779b97f4a7c15);
        h ^= h >> 32;
    }
    return h;
}

/* The largest power of two that is not above nr. */
static uint32_t power_below(uint32_t nr)
{
    return UINT32_C(1) << (31 - __builtin_clz(nr));
}

/* Of nr buckets, which one: as many bits of the hash as there are buckets for. */
static uint32_t bucket_number(uint64_t hash_of_text, uint32_t nr)
{
    uint32_t power = power_below(nr), number = (uint32_t)hash_of_text & (2 * power - 1);
    return number < nr ? number : number - power;
}

static uint32_t *bucket_at(const struct labels *labels, uint32_t number)
{
    return pool_at(&labels->buckets, number + 1);
}

static uint32_t nr_buckets(const struct labels *labels)
{
    return labels->buckets.nr_used - 1;
}

uint32_t label_find(const struct labels *labels, struct text text)
{
    if (!text.length || text.length > LABEL_MAX || !nr_buckets(labels))
        return 0;
    uint32_t at = *bucket_at(labels, bucket_number(hash(text.start, text.length), nr_buckets(labels)));
    for (; at; at = label_at(labels, at)->link) {
        const struct label *label = label_at(labels, at);
        if (memcmp(label->text, text.start, text.length) == 0 && label->text[text.length] == '\0')
            return at;
    }
    return 0;
}

static void add_to_bucket(struct labels *labels, uint32_t at)
{
    struct label *label = label_at(labels, at);
    uint64_t h = hash(label->text, (uint32_t)strlen(label->text));
    uint32_t *bucket = bucket_at(labels, bucket_number(h, nr_buckets(labels)));
    label->link = *bucket;
    *bucket = at;
}

/* One bucket more: what belongs there now has been in the bucket with one bit less. */
static void split_bucket(struct labels *labels)
{
    uint32_t number = pool_take(&labels->buckets) - 1;
    if (!number)
        return;
    uint32_t *before = bucket_at(labels, number - power_below(number)), at = *before;
    *before = 0;
    while (at) {
        uint32_t next = label_at(labels, at)->link;
        add_to_bucket(labels, at);
        at = next;
    }
}

uint32_t label_intern(struct labels *labels, struct text text)
{
    uint32_t at = label_find(labels, text);
    if (at || !text.length || text.length > LABEL_MAX)
        return at;
    at = pool_take(&labels->pool);
    if (!at)
        return 0;
    memcpy(label_at(labels, at)->text, text.start, text.length);
    split_bucket(labels);
    add_to_bucket(labels, at);
    return at;
}

const char *label_text(const struct labels *labels, uint32_t label)
{
    return label ? label_at(labels, label)->text : "";
}

const char *label_site(const struct labels *labels, uint32_t label, uint64_t address)
{
    bool is_handle = label && label_at(labels, label)->address == address;
    return label_text(labels, is_handle ? label_at(labels, label)->site : label);
}
