/* The bins of an arena: circular lists of free chunks, linked through their payload. glibc 2.36 malloc/malloc.c: the middle
 * of _int_malloc(), unlink_chunk().
 *
 * A small bin holds one size, the oldest chunk last. A large bin holds a range of sizes, the largest first. A second list
 * (nextsize) links the first chunk of each distinct size, so that a search steps from size to size:
 *
 *      bin <-> 1584 <-> 1584 <-> 1568 <-> 1536 <-> 1536 <-> bin      fd, bk
 *              1584 <----------> 1568 <-> 1536 <----------> 1584     fd_nextsize, bk_nextsize: a ring without the bin
 *
 * A freed chunk waits at the front of the unsorted list (bin 1). The next request that neither cache, fastbin nor small bin
 * served walks that list from the back. An exact fit is taken, every other chunk goes to its bin. When the list is empty,
 * the smallest chunk that is large enough is cut. A bitmap of the bins skips those that are empty; a bit is set when a
 * chunk is filed, and cleared only by a search that found the bin empty. */
#include "alloc/malloc/malloc_bins.h"
#include "alloc/malloc/malloc_tcache.h"

#define UNSORTED_BATCH 10000u /* chunks that one walk files at most (MAX_ITERS) */

static uint32_t bin_large_index(const struct libc_rules *rules, uint64_t size)
{
    if (size >> 6 <= rules->large_last)
        return rules->large_base + (uint32_t)(size >> 6);
    if (size >> 9 <= 20)
        return 91 + (uint32_t)(size >> 9);
    if (size >> 12 <= 10)
        return 110 + (uint32_t)(size >> 12);
    if (size >> 15 <= 4)
        return 119 + (uint32_t)(size >> 15);
    return size >> 18 <= 2 ? 124 + (uint32_t)(size >> 18) : 126;
}

uint32_t bin_index(const struct libc_rules *rules, uint64_t size)
{
    return bin_is_small(rules, size) ? (uint32_t)(size / CHUNK_ALIGN) + rules->small_skip : bin_large_index(rules, size);
}

/* --- linking --- */

/* Takes a large chunk off the list over sizes. If the next chunk of the bin has the same size, that takes its place.
 * next  the chunk's fd. */
static void bin_unlink_size(struct libc *c, uint64_t chunk, uint64_t next)
{
    uint64_t smaller = chunk_get(c, chunk, CHUNK_FD_NEXTSIZE), larger = chunk_get(c, chunk, CHUNK_BK_NEXTSIZE);
    if (!smaller)
        return;
    if (chunk_get(c, smaller, CHUNK_BK_NEXTSIZE) != chunk || chunk_get(c, larger, CHUNK_FD_NEXTSIZE) != chunk) {
        libc_die(c, "corrupted double-linked list (not small)");
        return;
    }
    uint64_t heir_smaller = larger, heir_larger = smaller; /* without an heir the two become neighbours */
    if (!chunk_get(c, next, CHUNK_FD_NEXTSIZE)) {
        bool alone = smaller == chunk;
        chunk_put(c, next, CHUNK_FD_NEXTSIZE, alone ? next : smaller);
        chunk_put(c, next, CHUNK_BK_NEXTSIZE, alone ? next : larger);
        if (alone)
            return;
        heir_smaller = heir_larger = next;
    }
    chunk_put(c, smaller, CHUNK_BK_NEXTSIZE, heir_smaller);
    chunk_put(c, larger, CHUNK_FD_NEXTSIZE, heir_larger);
}

void bin_unlink(struct libc *c, uint64_t chunk)
{
    uint64_t field = chunk_field(c, chunk), size = field & ~(uint64_t)SIZE_BITS;
    if (chunk_get(c, chunk + size, CHUNK_PREV_SIZE) != size) {
        libc_die(c, "corrupted size vs. prev_size");
        return;
    }
    uint64_t fd = chunk_get(c, chunk, CHUNK_FD), bk = chunk_get(c, chunk, CHUNK_BK);
    if (chunk_get(c, fd, CHUNK_BK) != chunk || chunk_get(c, bk, CHUNK_FD) != chunk) {
        libc_die(c, "corrupted double-linked list");
        return;
    }
    chunk_put(c, fd, CHUNK_BK, bk);
    chunk_put(c, bk, CHUNK_FD, fd);
    if (!bin_is_small(c->rules, field))
        bin_unlink_size(c, chunk, fd);
}

void bin_push_unsorted(struct libc *c, uint64_t chunk, uint64_t size, const char *complaint)
{
    uint64_t head = bin_unsorted(c), first = bin_get(c, head, CHUNK_FD);
    if (complaint && chunk_get(c, first, CHUNK_BK) != head) {
        libc_die(c, complaint);
        return;
    }
    chunk_put(c, chunk, CHUNK_FD, first);
    chunk_put(c, chunk, CHUNK_BK, head);
    if (!bin_is_small(c->rules, size)) {
        chunk_put(c, chunk, CHUNK_FD_NEXTSIZE, 0);
        chunk_put(c, chunk, CHUNK_BK_NEXTSIZE, 0);
    }
    bin_put(c, head, CHUNK_FD, chunk);
    chunk_put(c, first, CHUNK_BK, chunk);
}

/* --- handing out --- */

/* Marks a chunk as in use: the bit for that is in the chunk behind it. */
static void chunk_mark_inuse(struct libc *c, uint64_t chunk, uint64_t size)
{
    chunk_set_prev_inuse(c, chunk + size);
    if (arena_flag(c))
        chunk_set_head(c, chunk, chunk_field(c, chunk) | NON_MAIN_ARENA);
}

/* Takes the oldest chunk of a small bin. The list around it has been checked. */
static void bin_take_last(struct libc *c, uint64_t bin, uint64_t chunk, uint64_t before, uint64_t size)
{
    chunk_mark_inuse(c, chunk, size);
    bin_put(c, bin, CHUNK_BK, before);
    chunk_put(c, before, CHUNK_FD, bin);
}

/* Moves further chunks of this size to the thread's cache while it has room. */
static void bin_stash_small(struct libc *c, uint64_t bin, uint64_t size)
{
    for (uint64_t left = libc_longest_list(c); left && !c->dead && tcache_has_room(c, size); left--) {
        libc_walk_on(c);
        uint64_t chunk = bin_get(c, bin, CHUNK_BK);
        if (chunk == bin)
            return;
        bin_take_last(c, bin, chunk, chunk_get(c, chunk, CHUNK_BK), size);
        tcache_put(c, chunk, tcache_index(c->rules, size));
    }
}

uint64_t bin_take_small(struct libc *c, uint64_t size)
{
    uint64_t bin = bin_at(c, bin_index(c->rules, size)), chunk = bin_get(c, bin, CHUNK_BK);
    if (chunk == bin)
        return 0;
    uint64_t before = chunk_get(c, chunk, CHUNK_BK);
    if (chunk_get(c, before, CHUNK_FD) != chunk) {
        libc_die(c, "malloc(): smallbin double linked list corrupted");
        return 0;
    }
    bin_take_last(c, bin, chunk, before, size);
    bin_stash_small(c, bin, size);
    return chunk;
}

/* Writes the headers of the two parts of a chunk that is cut at size. Returns the chunk. */
static uint64_t chunk_cut(struct libc *c, uint64_t chunk, uint64_t size, uint64_t rest)
{
    chunk_set_head(c, chunk, size | PREV_INUSE | arena_flag(c));
    chunk_set_head(c, chunk + size, rest | PREV_INUSE);
    chunk_set_foot(c, chunk + size, rest);
    return chunk;
}

/* Hands out an unlinked chunk that may be too large. A rest that can be a chunk goes to the unsorted list. */
static uint64_t bin_take_part(struct libc *c, uint64_t chunk, uint64_t chunk_bytes, uint64_t size, const char *complaint)
{
    uint64_t rest = chunk_bytes - size;
    if (rest < c->rules->min_chunk) {
        chunk_mark_inuse(c, chunk, chunk_bytes);
        return chunk;
    }
    bin_push_unsorted(c, chunk + size, rest, complaint);
    return chunk_cut(c, chunk, size, rest);
}

/* --- the unsorted list --- */

static const char *unsorted_complaint(struct libc *c, uint64_t chunk, uint64_t size, uint64_t before)
{
    uint64_t system_mem = arena_system_mem(c), next = chunk + size;
    if (size <= c->rules->header || size > system_mem)
        return "malloc(): invalid size (unsorted)";
    uint64_t next_field = chunk_field(c, next);
    if (next_field < c->rules->header || next_field > system_mem)
        return "malloc(): invalid next size (unsorted)";
    if ((chunk_get(c, next, CHUNK_PREV_SIZE) & ~(uint64_t)SIZE_BITS) != size)
        return "malloc(): mismatching next->prev_size (unsorted)";
    if (chunk_get(c, before, CHUNK_FD) != chunk || chunk_get(c, chunk, CHUNK_FD) != bin_unsorted(c))
        return "malloc(): unsorted double linked list corrupted";
    return next_field & PREV_INUSE ? "malloc(): invalid next->prev_inuse (unsorted)" : NULL;
}

/* Small requests in a row are cut from one chunk, the last remainder, as long as it is alone in the unsorted list. So they
 * lie side by side. */
static bool unsorted_is_last_remainder(struct libc *c, uint64_t chunk, uint64_t chunk_bytes, uint64_t before, uint64_t size)
{
    return bin_is_small(c->rules, size) && before == bin_unsorted(c) && chunk_bytes > size + c->rules->min_chunk &&
           chunk == arena_get(c, c->rules->at_last_remainder);
}

static uint64_t unsorted_cut_last_remainder(struct libc *c, uint64_t chunk, uint64_t chunk_bytes, uint64_t size)
{
    uint64_t head = bin_unsorted(c), rest = chunk + size;
    bin_put(c, head, CHUNK_FD, rest);
    bin_put(c, head, CHUNK_BK, rest);
    arena_put(c, c->rules->at_last_remainder, rest);
    chunk_put(c, rest, CHUNK_FD, head);
    chunk_put(c, rest, CHUNK_BK, head);
    if (!bin_is_small(c->rules, chunk_bytes - size)) {
        chunk_put(c, rest, CHUNK_FD_NEXTSIZE, 0);
        chunk_put(c, rest, CHUNK_BK_NEXTSIZE, 0);
    }
    return chunk_cut(c, chunk, size, chunk_bytes - size);
}

/* A chunk that is smaller than all others goes to the end of the bin and of the list over sizes. Returns what its fd will
 * be. */
static uint64_t large_append_smallest(struct libc *c, uint64_t bin, uint64_t chunk)
{
    uint64_t largest = bin_get(c, bin, CHUNK_FD), last = chunk_get(c, largest, CHUNK_BK_NEXTSIZE);
    chunk_put(c, chunk, CHUNK_FD_NEXTSIZE, largest);
    chunk_put(c, chunk, CHUNK_BK_NEXTSIZE, last);
    chunk_put(c, last, CHUNK_FD_NEXTSIZE, chunk);
    chunk_put(c, largest, CHUNK_BK_NEXTSIZE, chunk);
    return bin;
}

/* Finds the place of a chunk by its size, from at downwards, and links it over sizes. Returns what its fd will be. Where
 * its size is there already, it becomes the second of that size: the first keeps the links over sizes. */
static uint64_t large_place_by_size(struct libc *c, uint64_t chunk, uint64_t field, uint64_t at)
{
    uint64_t at_size = chunk_field(c, at), left = libc_longest_list(c);
    for (; field < at_size && !c->dead; at_size = chunk_field(c, at)) {
        libc_walk_on(c);
        at = chunk_get(c, at, CHUNK_FD_NEXTSIZE);
        if (!left--)
            libc_die(c, "malloc(): largebin without end");
    }
    if (field == at_size)
        return chunk_get(c, at, CHUNK_FD);
    uint64_t larger = chunk_get(c, at, CHUNK_BK_NEXTSIZE);
    chunk_put(c, chunk, CHUNK_FD_NEXTSIZE, at);
    chunk_put(c, chunk, CHUNK_BK_NEXTSIZE, larger);
    if (chunk_get(c, larger, CHUNK_FD_NEXTSIZE) != at)
        libc_die(c, "malloc(): largebin double linked list corrupted (nextsize)");
    chunk_put(c, at, CHUNK_BK_NEXTSIZE, chunk);
    chunk_put(c, larger, CHUNK_FD_NEXTSIZE, chunk);
    return at;
}

/* Links a chunk over the sizes of a large bin. Returns what its fd will be. */
static uint64_t large_place(struct libc *c, uint64_t bin, uint64_t chunk, uint64_t size)
{
    uint64_t first = bin_get(c, bin, CHUNK_FD), field = size | PREV_INUSE;
    if (first == bin) {
        chunk_put(c, chunk, CHUNK_FD_NEXTSIZE, chunk);
        chunk_put(c, chunk, CHUNK_BK_NEXTSIZE, chunk);
        return bin;
    }
    if (field < chunk_field(c, bin_get(c, bin, CHUNK_BK)))
        return large_append_smallest(c, bin, chunk);
    uint64_t after = large_place_by_size(c, chunk, field, first);
    if (chunk_get(c, chunk_get(c, after, CHUNK_BK), CHUNK_FD) != after)
        libc_die(c, "malloc(): largebin double linked list corrupted (bk)");
    return after;
}

static void bin_file(struct libc *c, uint64_t chunk, uint64_t size)
{
    uint32_t index = bin_index(c->rules, size);
    uint64_t bin = bin_at(c, index);
    uint32_t map = c->rules->at_binmap + index / 32 * 4;
    uint64_t after = bin_is_small(c->rules, size) ? bin_get(c, bin, CHUNK_FD) : large_place(c, bin, chunk, size);
    uint64_t before = chunk_get(c, after, CHUNK_BK);
    arena_put32(c, map, arena_get32(c, map) | 1u << index % 32);
    chunk_put(c, chunk, CHUNK_BK, before);
    chunk_put(c, chunk, CHUNK_FD, after);
    chunk_put(c, after, CHUNK_BK, chunk);
    chunk_put(c, before, CHUNK_FD, chunk);
}

/* What one walk over the unsorted list found. */
struct unsorted_walk {
    uint64_t size;  /* that is asked for */
    uint64_t found; /* chunk to hand out */
    uint64_t nr_filed;
    bool is_cached; /* an exact fit lies in the thread's cache, to be handed out at the end */
};

/* An exact fit goes to the cache while there is room, for more of them may come. Else it is the answer. */
static void unsorted_take_exact(struct libc *c, struct unsorted_walk *walk, uint64_t chunk)
{
    chunk_mark_inuse(c, chunk, walk->size);
    if (tcache_has_room(c, walk->size)) {
        tcache_put(c, chunk, tcache_index(c->rules, walk->size));
        walk->is_cached = true;
    } else {
        walk->found = chunk;
    }
}

/* Takes or files one chunk of the list. Returns whether the walk goes on. */
static bool unsorted_sort_one(struct libc *c, struct unsorted_walk *walk, uint64_t chunk)
{
    uint64_t before = chunk_get(c, chunk, CHUNK_BK), size = chunk_size(c, chunk), head = bin_unsorted(c);
    const char *complaint = unsorted_complaint(c, chunk, size, before);
    if (complaint || c->dead) {
        libc_die(c, complaint);
        return false;
    }
    if (unsorted_is_last_remainder(c, chunk, size, before, walk->size)) {
        walk->found = unsorted_cut_last_remainder(c, chunk, size, walk->size);
        return false;
    }
    bin_put(c, head, CHUNK_BK, before);
    chunk_put(c, before, CHUNK_FD, head);
    if (size == walk->size) {
        unsorted_take_exact(c, walk, chunk);
        return !walk->found;
    }
    bin_file(c, chunk, size);
    walk->nr_filed++;
    return true;
}

static void unsorted_walk(struct libc *c, struct unsorted_walk *walk)
{
    uint64_t head = bin_unsorted(c), limit = var_get(c, c->rules->at_tcache_unsorted_limit);
    uint64_t index = tcache_index(c->rules, walk->size);
    for (uint64_t last = walk->nr_filed + UNSORTED_BATCH; walk->nr_filed < last && !c->dead;) {
        libc_walk_on(c);
        uint64_t chunk = bin_get(c, head, CHUNK_BK), filed = walk->nr_filed;
        if (chunk == head || !unsorted_sort_one(c, walk, chunk))
            break;
        if (walk->is_cached && limit && filed != walk->nr_filed && walk->nr_filed > limit)
            break;
    }
    if (!walk->found && walk->is_cached && !c->dead) {
        walk->found = chunk_of_mem(c, tcache_get(c, index));
        c->is_from_cache = true;
    }
}

/* --- best fit --- */

/* Cuts the smallest chunk that is large enough from the request's own bin. Of equal ones the second is taken: it has no
 * links over sizes to be mended. 0: none is large enough. */
static uint64_t large_take(struct libc *c, uint64_t size, uint64_t bin)
{
    uint64_t chunk = bin_get(c, bin, CHUNK_FD), left = libc_longest_list(c);
    if (chunk == bin || chunk_field(c, chunk) < size)
        return 0;
    uint64_t found_size;
    do {
        libc_walk_on(c);
        chunk = chunk_get(c, chunk, CHUNK_BK_NEXTSIZE);
        found_size = chunk_size(c, chunk);
        if (!left--)
            libc_die(c, "malloc(): largebin without end");
    } while (found_size < size && !c->dead);
    uint64_t next = chunk_get(c, chunk, CHUNK_FD);
    if (chunk != bin_get(c, bin, CHUNK_BK) && chunk_field(c, chunk) == chunk_field(c, next))
        chunk = next;
    bin_unlink(c, chunk);
    return c->dead ? 0 : bin_take_part(c, chunk, found_size, size, "malloc(): corrupted unsorted chunks");
}

/* The next bin from index on that holds a chunk; 0: none. Clears the bits of empty bins on the way. */
static uint32_t bin_next_filled(struct libc *c, uint32_t index)
{
    for (uint32_t block = index / 32; block < BINMAP_WORDS; block++, index = block * 32) {
        uint32_t at = c->rules->at_binmap + block * 4, map = arena_get32(c, at);
        for (uint32_t ahead = map & ~0u << index % 32; ahead; ahead &= ahead - 1) {
            uint32_t i = block * 32 + (uint32_t)__builtin_ctz(ahead);
            if (bin_get(c, bin_at(c, i), CHUNK_BK) != bin_at(c, i))
                return i;
            map &= ~(1u << i % 32);
            arena_put32(c, at, map);
        }
    }
    return 0;
}

static uint64_t bin_take_larger(struct libc *c, uint64_t size, uint32_t index)
{
    uint32_t filled = bin_next_filled(c, index);
    if (!filled || c->dead)
        return 0;
    uint64_t chunk = bin_get(c, bin_at(c, filled), CHUNK_BK), found_size = chunk_size(c, chunk);
    bin_unlink(c, chunk);
    if (c->dead)
        return 0;
    if (found_size - size >= c->rules->min_chunk && bin_is_small(c->rules, size))
        arena_put(c, c->rules->at_last_remainder, chunk + size);
    return bin_take_part(c, chunk, found_size, size, "malloc(): corrupted unsorted chunks 2");
}

uint64_t bin_take_any(struct libc *c, uint64_t size, uint32_t index, uint64_t *nr_filed)
{
    struct unsorted_walk walk = { .size = size, .nr_filed = *nr_filed };
    unsorted_walk(c, &walk);
    *nr_filed = walk.nr_filed;
    if (walk.found || c->dead)
        return walk.found;
    uint64_t chunk = bin_is_small(c->rules, size) ? 0 : large_take(c, size, bin_at(c, index));
    return chunk || c->dead ? chunk : bin_take_larger(c, size, index + 1);
}
