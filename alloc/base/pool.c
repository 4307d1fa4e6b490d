/* Pools. The item that was given back last is taken first: it is likely to be in the processor's cache. Then come items
 * that were never used. Both take constant time. */
#include "alloc/base/pool.h"
#include "alloc/base/invariant.h"
#include "alloc/base/text.h"

#include <string.h>

#define HOST_PAGE 4096u
#define COMMIT_STEP (64u * 1024u) /* bytes: commits are rare, and waste little */
/* A pool of more than GROWN_BYTES grows by aligned huge pages of the host (x86-64, arm64: 2 MiB), which the host may map as
 * such. Random access to many MiB is mostly a wait for address translations. */
#define HOST_HUGE_PAGE (2u * 1024u * 1024u)
#define GROWN_BYTES (2u * HOST_HUGE_PAGE)
#define COPY_STEP (2u * HOST_HUGE_PAGE) /* a host gives huge pages for steps that are not too long */

void pool_shape(struct pool *pool, uint32_t item_size, uint32_t capacity)
{
    memset(pool, 0, sizeof *pool);
    pool->item_size = item_size;
    pool->capacity = capacity;
    pool->nr_used = 1;
}

size_t pool_span(const struct pool *pool)
{
    size_t bytes = (size_t)pool->capacity * pool->item_size;
    return (bytes + COMMIT_STEP) & ~(size_t)(HOST_PAGE - 1);
}

static size_t pool_pages_up(size_t bytes)
{
    return (bytes + HOST_PAGE - 1) & ~(size_t)(HOST_PAGE - 1);
}

/* Where the committed part ends, counted from the pool's start. */
static size_t pool_committed_end(const struct pool *pool)
{
    return pool_pages_up((size_t)pool->committed * pool->item_size);
}

static bool pool_has_grown(const struct pool *pool)
{
    return (size_t)pool->nr_used * pool->item_size > GROWN_BYTES;
}

/* The end of the huge page in which a byte of the pool lies. Both are counted from the pool's start. */
static size_t pool_huge_end(const struct pool *pool, size_t at)
{
    size_t into = ((uintptr_t)pool->items + at) % HOST_HUGE_PAGE;
    return into ? at + HOST_HUGE_PAGE - into : at;
}

/* Has the host commit bytes [from, to). What a large pool grows by begins at a huge page. */
static bool pool_commit(const struct pool *pool, const struct pagoda_host *host, size_t from, size_t to)
{
    size_t huge = pool_huge_end(pool, from);
    if (pool_has_grown(pool) && huge > from && huge < to) {
        if (!host->commit(host->context, pool->items + from, huge - from))
            return false;
        from = huge;
    }
    return host->commit(host->context, pool->items + from, to - from);
}

/* Has the host commit the pool's bytes up to there, as far as its capacity goes. */
static enum pagoda_error pool_commit_to(struct pool *pool, const struct pagoda_host *host, size_t to)
{
    size_t from = pool_committed_end(pool), span = pool_span(pool);
    if (to > span)
        to = span;
    uint64_t items = to / pool->item_size;
    struct pool extended = *pool;
    extended.committed = items > pool->capacity ? pool->capacity : (uint32_t)items;
    to = pool_committed_end(&extended);
    if (to > from && !pool_commit(pool, host, from, to))
        return PAGODA_ERR_NOMEM;
    pool->committed = extended.committed;
    return PAGODA_OK;
}

/* A pool that is used whole from its creation may be used sparsely: it has not grown. */
enum pagoda_error pool_extend(struct pool *pool, const struct pagoda_host *host, uint64_t nr_items)
{
    if (nr_items <= pool->nr_free)
        return PAGODA_OK;
    uint64_t want = pool->nr_used + (nr_items - pool->nr_free);
    if (want > pool->capacity)
        want = pool->capacity;
    if (want <= pool->committed)
        return PAGODA_OK;
    size_t to = ((size_t)want * pool->item_size + COMMIT_STEP - 1) & ~(size_t)(COMMIT_STEP - 1);
    return pool_commit_to(pool, host, pool_has_grown(pool) ? pool_huge_end(pool, to) : to);
}

enum pagoda_error pool_commit_used(struct pool *pool, const struct pagoda_host *host)
{
    size_t used = pool_pages_up((size_t)pool->nr_used * pool->item_size);
    bool is_table = pool->nr_used == pool->capacity;
    enum pagoda_error err = PAGODA_OK;
    while (!err && pool->nr_used > 1 && pool->committed < pool->nr_used) {
        size_t to = pool_huge_end(pool, pool_committed_end(pool) + COPY_STEP);
        err = pool_commit_to(pool, host, is_table || to > used ? used : to);
    }
    return err;
}

void pool_trim(struct pool *pool, const struct pagoda_host *host)
{
    size_t used = pool_pages_up((size_t)pool->nr_used * pool->item_size), end = pool_committed_end(pool);
    if (pool->committed == pool->capacity || pool_has_grown(pool) || used >= end || !host->decommit)
        return;
    host->decommit(host->context, pool->items + used, end - used);
    pool->committed = (uint32_t)(used / pool->item_size);
}

/* ---- counting, in checked builds ---- */

#ifdef PAGODA_CHECKED
void pool_count_begin(const struct pool *pool, const char *operation)
{
    pool->source->operation = operation;
    pool->source->is_counted = true;
    pool->source->allowed = pool_nr_live(pool);
}

void pool_count_end(const struct pool *pool)
{
    pool->source->is_counted = false;
}

void pool_count_reserved(const struct pool *pool, uint64_t nr_items)
{
    struct pool_source *source = pool->source;
    uint64_t allowed = pool_nr_live(pool) + nr_items;
    if (source && source->is_counted && allowed > source->allowed)
        source->allowed = allowed;
}

void pool_count_taken(const struct pool *pool)
{
    const struct pool_source *source = pool->source;
    char text[160];
    if (!source || !source->is_counted || pool_nr_live(pool) <= source->allowed)
        return;
    (void)text_print(text, sizeof text, "%s took more from the pool of %s than was reserved: %u items live, %ju allowed",
                     source->operation, source->name, pool_nr_live(pool), (uintmax_t)source->allowed);
    fault_raise(source->host, &(struct pagoda_fault){ PAGODA_FAULT_UNDERCOUNT, text, __FILE__, __LINE__ });
}
#endif

/* ---- taking and giving ---- */

static _Noreturn void pool_refused(const struct pool *pool)
{
    char text[160];
    (void)text_print(text, sizeof text, "the host refused memory for the pool of %s in the middle of an operation",
                     pool->source->name);
    fault_raise(pool->source->host, &(struct pagoda_fault){ PAGODA_FAULT_HOST_MEMORY, text, __FILE__, __LINE__ });
}

void pool_need(struct pool *pool, uint64_t nr_items)
{
    if (pool->source && pool_reserve(pool, pool->source->host, nr_items))
        pool_refused(pool);
}

bool pool_grow(struct pool *pool)
{
    if (pool->nr_free || pool->nr_used < pool->committed)
        return true;
    if (pool->nr_used >= pool->capacity || !pool->source)
        return false;
    if (pool_extend(pool, pool->source->host, 1))
        pool_refused(pool);
    return true;
}

uint32_t pool_take(struct pool *pool)
{
    uint32_t index = pool->first_free;
    if (index) {
        uint8_t *item = pool_at(pool, index);
        memcpy(&pool->first_free, item, sizeof(uint32_t));
        pool->nr_free--;
        memset(item, 0, pool->item_size);
    } else if (pool->nr_used < pool->committed || pool_grow(pool)) {
        index = pool->nr_used++;
    }
    pool_count_taken(pool);
    return index;
}

void pool_give(struct pool *pool, uint32_t index)
{
    INVARIANT(pool, index > 0 && index < pool->nr_used);
    uint8_t *item = pool_at(pool, index);
    memset(item, 0, pool->item_size); /* so that equal histories leave equal bytes */
    memcpy(item, &pool->first_free, sizeof(uint32_t));
    pool->first_free = index;
    pool->nr_free++;
}
