/* Interned texts in a table of linear hashing (W. Litwin, 1980). Each new text splits one bucket. So chains stay short, and
 * no single operation pays for a larger table. Texts are never forgotten: the past may ask for them.
 *
 *      buckets  0   1   2   3   4   5            6 buckets: 0, 1, 4, 5 have been split, 2 and 3 not yet
 *      hash    000 001 x10 x11 100 101           so many bits of the hash choose the bucket */
#include "alloc/base/name.h"

#include <string.h>

void names_shape(struct names *names)
{
    pool_shape(&names->pool, sizeof(struct name), NR_NAMES + 1);
    pool_shape(&names->buckets, sizeof(struct name_ref), NR_NAMES + 1);
}

enum pagoda_error names_reserve(struct names *names, const struct pagoda_host *host, uint32_t nr_texts)
{
    enum pagoda_error err = pool_reserve(&names->pool, host, nr_texts);
    return err ? err : pool_reserve(&names->buckets, host, nr_texts);
}

/* Mixes eight bytes a step by a multiplication. The constant is 2^64 divided by the golden ratio. */
static uint64_t name_hash(const char *start, uint32_t length)
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

/* Which of nr buckets a text belongs to. */
static uint32_t name_bucket_number(uint64_t hash_of_text, uint32_t nr)
{
    uint32_t power = power_below(nr), number = (uint32_t)hash_of_text & (2 * power - 1);
    return number < nr ? number : number - power;
}

static struct name_ref *name_bucket_at(const struct names *names, uint32_t number)
{
    return pool_at(&names->buckets, number + 1);
}

static uint32_t names_nr_buckets(const struct names *names)
{
    return names->buckets.nr_used - 1;
}

struct name_ref name_find(const struct names *names, struct text text)
{
    struct name_ref at = { 0 };
    if (!text.length || text.length > NAME_TEXT_MAX || !names_nr_buckets(names))
        return at;
    at = *name_bucket_at(names, name_bucket_number(name_hash(text.start, text.length), names_nr_buckets(names)));
    for (; at.index; at = name_at(names, at)->link) {
        const struct name *name = name_at(names, at);
        if (memcmp(name->text, text.start, text.length) == 0 && name->text[text.length] == '\0')
            break;
    }
    return at;
}

static void name_add_to_bucket(struct names *names, struct name_ref at)
{
    struct name *name = name_at(names, at);
    uint64_t h = name_hash(name->text, (uint32_t)strlen(name->text));
    struct name_ref *bucket = name_bucket_at(names, name_bucket_number(h, names_nr_buckets(names)));
    name->link = *bucket;
    *bucket = at;
}

/* Adds a bucket. The texts that belong there now have been in the bucket whose number has one bit less. */
static void names_split_bucket(struct names *names)
{
    uint32_t number = pool_take(&names->buckets) - 1;
    if (!number)
        return;
    struct name_ref *before = name_bucket_at(names, number - power_below(number)), at = *before;
    before->index = 0;
    while (at.index) {
        struct name_ref next = name_at(names, at)->link;
        name_add_to_bucket(names, at);
        at = next;
    }
}

struct name_ref name_intern(struct names *names, struct text text)
{
    struct name_ref at = name_find(names, text);
    if (at.index || !text.length || text.length > NAME_TEXT_MAX)
        return at;
    at.index = pool_take(&names->pool);
    if (!at.index)
        return at;
    memcpy(name_at(names, at)->text, text.start, text.length);
    names_split_bucket(names);
    name_add_to_bucket(names, at);
    return at;
}

const char *name_text(const struct names *names, struct name_ref name)
{
    return name.index ? name_at(names, name)->text : "";
}

const char *name_call_site(const struct names *names, struct name_ref name, uint64_t address)
{
    return name_text(names, name_is_of(names, name, address) ? name_at(names, name)->call_site : name);
}

void name_give(struct names *names, struct name_ref name, uint64_t address, uint32_t pid, struct name_ref call_site)
{
    struct name *n = name_at(names, name);
    n->address = address;
    n->pid = pid;
    n->call_site = call_site;
    n->freed = 0;
}

void name_release(struct names *names, struct name_ref name)
{
    struct name *n = name_at(names, name);
    names->nr_freed += names->nr_freed == UINT32_MAX ? 2 : 1; /* never 0 */
    n->freed = names->nr_freed;
    n->freed_address = n->address;
    n->address = 0;
}

uint64_t name_freed_address(const struct names *names, struct name_ref name)
{
    const struct name *n = name_at(names, name);
    return n->freed && names->nr_freed - n->freed < NR_FREED_NAMES ? n->freed_address : 0;
}
