/* Where an arena gets memory, and where it gives it back. glibc 2.36 malloc/malloc.c: sysmalloc(), systrim(),
 * munmap_chunk(), mremap_chunk().
 *
 * top, the chunk at the end of the heap, grows and shrinks with the program break. Requests above a threshold get a mapping
 * of their own; so does the request of a thread whose arena cannot grow. */
#include "alloc/malloc/malloc_core.h"
#include "alloc/malloc/malloc_top.h"

#define MMAP_AS_MORECORE_SIZE (UINT64_C(1) << 20)

uint64_t top_split(struct libc *c, uint64_t size)
{
    uint64_t top = arena_top(c), top_size = chunk_size(c, top);
    if (top_size > arena_system_mem(c)) {
        libc_die(c, "malloc(): corrupted top size");
        return 0;
    }
    if (top_size < size + c->rules->min_chunk)
        return 0;
    chunk_set_head(c, top, size | PREV_INUSE | arena_flag(c));
    chunk_set_head(c, top + size, (top_size - size) | PREV_INUSE);
    arena_set_top(c, top + size);
    return top;
}

/* --- blocks with a mapping of their own --- */

uint64_t libc_map(struct libc *c, uint64_t length, uint32_t flags)
{
    bool fits = length <= c->rules->ptrdiff_max;
    uint64_t start = fits ? process_mmap(c->heaps->processes, c->process, length, flags, NAME_NONE) : 0;
    libc_look_again(c);
    return start;
}

void libc_give_pages(struct libc *c, uint64_t start, uint64_t length)
{
    (void)process_advise(c->heaps->processes, c->process, start, length, ADVICE_DONTNEED);
    libc_look_again(c);
}

/* Counts a mapping, or minus one. */
static void mapped_count(struct libc *c, uint32_t by)
{
    int32_t nr = (int32_t)(var_get_int(c, c->rules->at_n_mmaps) + by);
    var_put_int(c, c->rules->at_n_mmaps, (uint32_t)nr);
    if (by == 1 && nr > (int32_t)var_get_int(c, c->rules->at_max_n_mmaps))
        var_put_int(c, c->rules->at_max_n_mmaps, (uint32_t)nr);
}

static void mapped_count_bytes(struct libc *c, uint64_t more, uint64_t less)
{
    uint64_t bytes = (var_get(c, c->rules->at_mmapped_mem) + more - less) & c->rules->address_mask;
    var_put(c, c->rules->at_mmapped_mem, bytes);
    if (more && bytes > var_get(c, c->rules->at_max_mmapped_mem))
        var_put(c, c->rules->at_max_mmapped_mem, bytes);
}

static uint64_t mapped_new(struct libc *c, uint64_t size)
{
    uint64_t spare = c->rules->header % CHUNK_ALIGN ? CHUNK_ALIGN - 1 : 0;
    uint64_t length = page_align(size + c->rules->mapped_spare + spare), start = libc_map(c, length, LIBC_MAP_FLAGS);
    if (!start)
        return 0;
    uint64_t lead = -chunk_to_mem(c, start) % CHUNK_ALIGN;
    chunk_put(c, start + lead, CHUNK_PREV_SIZE, lead);
    chunk_set_head(c, start + lead, (length - lead) | IS_MMAPPED);
    mapped_count(c, 1);
    mapped_count_bytes(c, length, 0);
    return start + lead;
}

/* The mapping of a chunk. False: it cannot be the chunk of a mapping. */
static bool mapped_range(struct libc *c, uint64_t chunk, uint64_t *start, uint64_t *length)
{
    uint64_t lead = chunk_get(c, chunk, CHUNK_PREV_SIZE), in_page = chunk_to_mem(c, chunk) % PAGE_SIZE;
    *start = chunk - lead;
    *length = lead + chunk_size(c, chunk);
    return (*start | *length) % PAGE_SIZE == 0 && (in_page & (in_page - 1)) == 0;
}

void munmap_chunk(struct libc *c, uint64_t chunk)
{
    uint64_t start, length;
    if (!mapped_range(c, chunk, &start, &length))
        libc_die(c, "munmap_chunk(): invalid pointer");
    if (c->dead)
        return;
    mapped_count(c, UINT32_MAX);
    mapped_count_bytes(c, 0, length);
    (void)process_munmap(c->heaps->processes, c->process, start, length); /* glibc goes on when it fails, too */
    libc_look_again(c);
}

uint64_t mremap_chunk(struct libc *c, uint64_t chunk, uint64_t size)
{
    uint64_t start, length;
    if (!mapped_range(c, chunk, &start, &length))
        libc_die(c, "mremap_chunk(): invalid pointer");
    if (c->dead)
        return 0;
    uint64_t lead = chunk - start, new_length = page_align(size + lead + c->rules->mapped_spare);
    if (new_length == length)
        return chunk;
    start = process_mremap(c->heaps->processes, c->process, start, length, new_length);
    libc_look_again(c);
    if (!start)
        return 0;
    chunk_set_head(c, start + lead, (new_length - lead) | IS_MMAPPED);
    mapped_count_bytes(c, new_length, length);
    return start + lead;
}

/* --- the program break --- */

static uint64_t libc_sbrk(struct libc *c, uint64_t increment)
{
    uint64_t old = process_sbrk(c->heaps->processes, c->process, (int64_t)increment);
    libc_look_again(c);
    return old;
}

/* What an extension got. */
struct morecore {
    uint64_t start, size;
    uint64_t end;        /* UINT64_MAX: not asked yet */
    uint64_t correction; /* bytes that were added later, for alignment */
};

/* The break cannot move. A mapping serves instead, and the heap is no longer in one piece. False: no memory. */
static bool morecore_map(struct libc *c, struct morecore *more, uint64_t size, uint64_t old_size)
{
    if (arena_is_contiguous(c))
        more->size = page_align(more->size + old_size);
    if (more->size < MMAP_AS_MORECORE_SIZE)
        more->size = MMAP_AS_MORECORE_SIZE;
    more->start = more->size > size ? libc_map(c, more->size, LIBC_MAP_FLAGS) : 0;
    if (!more->start)
        return false;
    more->end = more->start + more->size;
    arena_put32(c, c->rules->at_flags, arena_get32(c, c->rules->at_flags) | ARENA_NONCONTIGUOUS);
    return true;
}

static bool morecore_get(struct libc *c, struct morecore *more, uint64_t size, uint64_t old_size)
{
    uint64_t want = size + var_get(c, c->rules->at_top_pad) + c->rules->min_chunk;
    *more = (struct morecore){ .end = UINT64_MAX };
    more->size = page_align(arena_is_contiguous(c) ? want - old_size : want) & c->rules->address_mask;
    bool positive = more->size && more->size <= c->rules->ptrdiff_max;
    more->start = positive ? libc_sbrk(c, more->size) : UINT64_MAX;
    return more->start != UINT64_MAX || morecore_map(c, more, size, old_size);
}

/* This is the first extension, or somebody else has moved the break. Aligns the start, and moves the break once more so
 * that the end is that of a page. Returns the aligned start. */
static uint64_t morecore_align(struct libc *c, struct morecore *more, uint64_t old_size, uint64_t old_end)
{
    uint64_t lead = -chunk_to_mem(c, more->start) % CHUNK_ALIGN;
    if (!arena_is_contiguous(c)) {
        if (more->end == UINT64_MAX)
            more->end = libc_sbrk(c, 0);
        return more->start + lead;
    }
    if (old_size)
        arena_add_system_mem(c, more->start - old_end); /* the gap counts as ours */
    uint64_t end = more->start + more->size + lead + old_size;
    more->correction = lead + old_size + page_align(end) - end;
    more->end = libc_sbrk(c, more->correction);
    if (more->end == UINT64_MAX) {
        more->correction = 0;
        more->end = libc_sbrk(c, 0);
    }
    return more->start + lead;
}

/* Ends the old top with two headers that nothing merges with, and frees what lies before them:
 *
 *      |      old top      |      ->      | free | 16 | 16 |  what somebody else mapped  | new top | */
static void top_fence_old(struct libc *c, uint64_t top, uint64_t size)
{
    uint64_t header = c->rules->header;
    size = (size - 2 * header) & ~(uint64_t)(CHUNK_ALIGN - 1);
    chunk_set_head(c, top, size | PREV_INUSE);
    chunk_set_head(c, top + size, header | PREV_INUSE);
    chunk_set_head(c, top + size + header, header | PREV_INUSE);
    if (size >= c->rules->min_chunk)
        int_free(c, top, true);
}

static void top_start_new(struct libc *c, struct morecore *more, uint64_t top, uint64_t old_size)
{
    uint64_t start = morecore_align(c, more, old_size, top + old_size);
    if (more->end == UINT64_MAX)
        return;
    arena_set_top(c, start);
    chunk_set_head(c, start, (more->end - start + more->correction) | PREV_INUSE);
    arena_add_system_mem(c, more->correction);
    if (old_size)
        top_fence_old(c, top, old_size);
}

static void top_extend_main(struct libc *c, uint64_t size)
{
    uint64_t top = arena_top(c), old_size = chunk_size(c, top), old_end = top + old_size;
    struct morecore more;
    if (!morecore_get(c, &more, size, old_size) || c->dead)
        return;
    if (!var_get(c, c->rules->at_sbrk_base))
        var_put(c, c->rules->at_sbrk_base, more.start);
    arena_add_system_mem(c, more.size);
    if (more.start == old_end && more.end == UINT64_MAX)
        chunk_set_head(c, top, (more.size + old_size) | PREV_INUSE);
    else if (arena_is_contiguous(c) && old_size && more.start < old_end)
        libc_die(c, "break adjusted to free malloc space");
    else
        top_start_new(c, &more, top, old_size);
}

#define TOP_ASSERTION                                                                                                      \
    "Fatal glibc error: malloc assertion failure in sysmalloc: (old_top == initial_top (av) && old_size == 0) || "         \
    "((unsigned long) (old_size) >= MINSIZE && prev_inuse (old_top) && ((unsigned long) old_end & (pagesize - 1)) == 0)"

static bool top_is_sane(struct libc *c)
{
    uint64_t top = arena_top(c), field = chunk_field(c, top), size = field & ~(uint64_t)SIZE_BITS;
    if (top == bin_unsorted(c))
        return size == 0;
    return size >= c->rules->min_chunk && (field & PREV_INUSE) && (top + size) % PAGE_SIZE == 0;
}

/* Neither bins nor top could serve the request.
 *  1. At or above the mapping threshold: a mapping of its own, while there may be more of them.
 *  2. Main arena: the break moves up by request + top_pad, less what top has, rounded up to pages. If it came right behind
 *     the old top, top has grown. Else the old top is fenced off and a new one begins.
 *  3. Thread arena: its heap grows, or it gets a new heap; if neither, a mapping after all.
 * Then the chunk is cut from top. */
uint64_t sysmalloc(struct libc *c, uint64_t size)
{
    bool may_map = size >= var_get(c, c->rules->at_mmap_threshold) &&
                   (int32_t)var_get_int(c, c->rules->at_n_mmaps) < (int32_t)var_get_int(c, c->rules->at_n_mmaps_max);
    trace_step(c->heaps->trace, PATH_sysmalloc);
    uint64_t mapped = !c->arena || may_map ? mapped_new(c, size) : 0;
    if (mapped || !c->arena)
        return mapped;
    if (!top_is_sane(c)) {
        libc_die(c, TOP_ASSERTION);
        return 0;
    }
    if (arena_is_main(c))
        top_extend_main(c, size);
    else if (!arena_grow(c, size) && !may_map && (mapped = mapped_new(c, size)) != 0)
        return mapped;
    if (c->dead)
        return 0;
    uint64_t system_mem = arena_system_mem(c);
    if (system_mem > arena_get(c, c->rules->at_max_system_mem))
        arena_put(c, c->rules->at_max_system_mem, system_mem);
    return top_split(c, size);
}

bool systrim(struct libc *c, uint64_t pad)
{
    uint64_t top = arena_top(c), top_size = chunk_size(c, top), spare = top_size - c->rules->min_chunk - 1;
    if (spare <= pad)
        return false;
    uint64_t extra = (spare - pad) & ~(uint64_t)(PAGE_SIZE - 1);
    if (!extra || libc_sbrk(c, 0) != top + top_size || libc_sbrk(c, -extra) == UINT64_MAX)
        return false;
    uint64_t released = top + top_size - libc_sbrk(c, 0);
    arena_add_system_mem(c, -released);
    chunk_set_head(c, top, (top_size - released) | PREV_INUSE);
    return released != 0;
}
