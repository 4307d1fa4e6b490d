/* The public functions of malloc: size checks, the thread's cache, the choice of the arena. malloc_core.c does the work.
 * Each call leaves a note of the block that it handed out, or takes the note of the one that it got back. */
#include "alloc/malloc/malloc_call.h"
#include "alloc/malloc/malloc_core.h"
#include "alloc/malloc/malloc_notes.h"
#include "alloc/malloc/malloc_tcache.h"
#include "alloc/malloc/malloc_top.h"

#define NR_HEAPS (1u << 15)
#define NR_NOTES (1u << 23)
#define NR_NOTE_BUCKETS ((1u << 20) + 1)

void heaps_shape(struct heaps *heaps, const struct machine_config *config, const struct profile *profile)
{
    (void)profile;
    memset(heaps, 0, sizeof *heaps);
    heaps->nr_cpus = config ? config->cpus : 1;
    pool_shape(&heaps->heaps, sizeof(struct heap), NR_HEAPS);
    pool_shape(&heaps->notes, sizeof(struct note), NR_NOTES);
    pool_shape(&heaps->note_buckets, sizeof(uint32_t), NR_NOTE_BUCKETS);
}

uint32_t heaps_pools(struct heaps *heaps, struct pool **pools)
{
    pools[0] = &heaps->heaps;
    pools[1] = &heaps->notes;
    pools[2] = &heaps->note_buckets;
    return 3;
}

/* --- around a call --- */

/* field  of the chunk's size. */
static inline uint64_t libc_usable_size(const struct libc *c, uint64_t field)
{
    uint64_t size = field & ~(uint64_t)SIZE_BITS;
    return size - (field & IS_MMAPPED ? c->rules->mapped_unusable : c->rules->word);
}

/* The size field for a note. A block that the cache was misled to may have no header; glibc does not look. */
static uint64_t libc_field_if_mapped(struct libc *c, uint64_t chunk)
{
    bool is_there = process_is_mapped(c->heaps->processes, c->process, chunk + c->rules->word);
    return is_there ? chunk_field(c, chunk) : c->rules->word;
}

/* Takes a note of a block that is handed out. */
static inline uint64_t libc_leave(struct libc *c, uint64_t mem, uint64_t requested, struct name_ref name)
{
    if (c->dead || !mem)
        return 0;
    uint64_t chunk = chunk_of_mem(c, mem);
    const uint8_t *here = libc_at_hand(c, chunk + c->rules->word, c->rules->word);
    uint64_t field = here ? libc_load_word(c, here) : libc_field_if_mapped(c, chunk);
    const struct note note = { .process = c->process,
                               .address = mem,
                               .requested = requested,
                               .usable = libc_usable_size(c, field),
                               .name = name,
                               .seq = c->heaps->trace->seq };
    note_add(c->heaps, c->heap, &note);
    c->heaps->last_usable = note.usable;
    return mem;
}

/* --- the calls themselves --- */

/* When the thread's own arena has no room, the main arena may have some. */
static uint64_t libc_malloc_in_arena(struct libc *c, uint64_t request)
{
    arena_choose(c, request);
    uint64_t mem = int_malloc(c, request);
    if (mem || c->dead || arena_is_main(c))
        return mem;
    arena_use(c, c->heap->main_arena);
    return int_malloc(c, request);
}

static uint64_t libc_malloc(struct libc *c, uint64_t request)
{
    uint64_t size = chunk_size_for(c->rules, request);
    if (!size)
        return 0;
    tcache_init(c);
    uint64_t index = tcache_index(c->rules, size);
    bool is_cached = tcache_serves(c, size) && libc_get16(c, tcache_count_at(c, index));
    return is_cached ? tcache_get(c, index) : libc_malloc_in_arena(c, request);
}

/* The first free of a mapping of some size raises the threshold to that size: the program will ask for such a block again,
 * and the next one shall come from the heap. */
static void mapped_learn_threshold(struct libc *c, uint64_t chunk)
{
    const struct libc_rules *r = c->rules;
    uint64_t field = chunk_field(c, chunk), size = field & ~(uint64_t)SIZE_BITS;
    if (var_get_int(c, r->at_no_dyn_threshold) || field <= var_get(c, r->at_mmap_threshold) ||
        field > r->mmap_threshold_max)
        return;
    var_put(c, r->at_mmap_threshold, size);
    var_put(c, r->at_trim_threshold, 2 * size);
}

static void libc_free(struct libc *c, uint64_t mem)
{
    uint64_t chunk = chunk_of_mem(c, mem), field = chunk_field(c, chunk);
    if (field & IS_MMAPPED) {
        mapped_learn_threshold(c, chunk);
        munmap_chunk(c, chunk);
        return;
    }
    tcache_init(c);
    arena_use(c, arena_of_chunk(c, chunk));
    if (!c->dead)
        int_free(c, chunk, false);
}

/* Clears what of a new block may hold old bytes. A mapping holds none. Of a block that was cut from top, only the part that
 * top had before this call may. When M_PERTURB has filled the block, all of it is cleared.
 * old_top, old_top_size  the top chunk before the call. */
static void libc_clear_block(struct libc *c, uint64_t mem, uint64_t request, uint64_t old_top, uint64_t old_top_size)
{
    uint64_t chunk = chunk_of_mem(c, mem), field = chunk_field(c, chunk), size = field & ~(uint64_t)SIZE_BITS;
    bool is_perturbed = arena_perturb(c);
    if (field & IS_MMAPPED) {
        if (is_perturbed)
            libc_fill(c, mem, 0, request);
        return;
    }
    if (chunk == old_top && size > old_top_size && !is_perturbed)
        size = old_top_size;
    libc_fill(c, mem, 0, size - c->rules->word);
}

static uint64_t libc_calloc(struct libc *c, uint64_t request)
{
    tcache_init(c);
    arena_choose(c, request);
    uint64_t top = c->arena ? arena_top(c) : 0, top_size = c->arena ? chunk_size(c, top) : 0;
    uint64_t mem = int_malloc(c, request);
    if (!mem && !c->dead && !arena_is_main(c))
        mem = libc_malloc_in_arena(c, request);
    if (mem && !c->dead)
        libc_clear_block(c, mem, request, top, top_size);
    return mem;
}

static uint64_t libc_realloc_mapped(struct libc *c, uint64_t chunk, uint64_t request, uint64_t size)
{
    uint64_t old_size = chunk_size(c, chunk), moved = mremap_chunk(c, chunk, size);
    if (moved || c->dead)
        return moved ? chunk_to_mem(c, moved) : 0;
    if (old_size - c->rules->word >= size)
        return chunk_to_mem(c, chunk);
    uint64_t mem = libc_malloc(c, request);
    if (!mem || c->dead)
        return 0;
    libc_copy(c, mem, chunk_to_mem(c, chunk), old_size - c->rules->header);
    munmap_chunk(c, chunk);
    return mem;
}

static uint64_t libc_realloc(struct libc *c, uint64_t mem, uint64_t request)
{
    uint64_t chunk = chunk_of_mem(c, mem), old_size = chunk_size(c, chunk);
    bool is_mapped = chunk_field(c, chunk) & IS_MMAPPED;
    if (!is_mapped)
        tcache_init(c);
    if (chunk > (-old_size & c->rules->address_mask) || chunk_is_misaligned(c, chunk))
        libc_die(c, "realloc(): invalid pointer");
    uint64_t size = chunk_size_for(c->rules, request);
    if (!size || c->dead)
        return 0;
    if (is_mapped)
        return libc_realloc_mapped(c, chunk, request, size);
    arena_use(c, arena_of_chunk(c, chunk));
    return c->dead ? 0 : int_realloc(c, chunk, old_size, size);
}

/* The alignment that is used: a power of two, and at least the smallest chunk of glibc. 0: there is no such power. */
static uint64_t libc_round_align(const struct libc_rules *rules, uint64_t align)
{
    if (align > rules->address_mask / 2 + 1)
        return 0;
    uint64_t power = 2 * CHUNK_ALIGN;
    while (power < align)
        power <<= 1;
    return power;
}

/* --- public functions --- */

uint64_t heap_malloc_at_once(struct heaps *heaps, struct process_ref process, uint64_t size, struct name_ref name)
{
    uint64_t mem = heap_is_ready(heaps, process) ? heap_malloc_cached(heaps, size, name, heaps->trace->seq) : 0;
    trace_cost(heaps->trace, COST_HEAP, mem != 0);
    return mem;
}

bool heap_free_at_once(struct heaps *heaps, struct process_ref process, uint64_t address)
{
    if (!heap_is_ready(heaps, process) || !heap_free_cached(heaps, address))
        return false;
    trace_step(heaps->trace, PATH__int_free);
    trace_cost(heaps->trace, COST_HEAP, 1);
    return true;
}

uint64_t heap_malloc(struct heaps *heaps, struct process_ref process, uint64_t size, struct name_ref name)
{
    trace_step(heaps->trace, PATH_malloc);
    struct libc *c = pool_grow(&heaps->notes) ? libc_enter(heaps, process) : NULL;
    if (!c)
        return 0;
    return libc_leave(c, libc_malloc(c, size), size, name);
}

uint64_t heap_calloc(struct heaps *heaps, struct process_ref process, uint64_t n, uint64_t size, struct name_ref name)
{
    trace_step(heaps->trace, PATH_calloc);
    struct libc *c = pool_grow(&heaps->notes) ? libc_enter(heaps, process) : NULL;
    if (!c)
        return 0;
    if (size && n > c->rules->address_mask / size)
        return 0;
    return libc_leave(c, libc_calloc(c, n * size), n * size, name);
}

uint64_t heap_realloc(struct heaps *heaps, struct process_ref process, uint64_t address, uint64_t size,
                      struct name_ref name)
{
    if (!address)
        return heap_malloc(heaps, process, size, name);
    if (!size) {
        (void)heap_free(heaps, process, address);
        return 0;
    }
    trace_step(heaps->trace, PATH_realloc);
    struct libc *c = libc_enter(heaps, process);
    if (!c)
        return 0;
    uint64_t mem = libc_realloc(c, address, size);
    if (!mem || c->dead)
        return 0;
    const struct note *old = note_find(heaps, process, address);
    if (old && !name.index)
        name = old->name;
    (void)note_remove(heaps, c->heap, address);
    return libc_leave(c, mem, size, name);
}

uint64_t heap_memalign(struct heaps *heaps, struct process_ref process, uint64_t align, uint64_t size, struct name_ref name)
{
    if (align <= CHUNK_ALIGN)
        return heap_malloc(heaps, process, size, name);
    trace_step(heaps->trace, PATH_aligned_alloc);
    struct libc *c = pool_grow(&heaps->notes) ? libc_enter(heaps, process) : NULL;
    if (!c)
        return 0;
    uint64_t power = libc_round_align(c->rules, align);
    if (!power) {
        trace_print(heaps->trace, "EINVAL: there is no such power of two");
        return 0;
    }
    arena_choose(c, size + power + c->rules->min_chunk);
    return libc_leave(c, int_memalign(c, power, size), size, name);
}

uint64_t heap_posix_memalign(struct heaps *heaps, struct process_ref process, uint64_t align, uint64_t size,
                             struct name_ref name)
{
    uint64_t word = libc_rules_of_profile(heaps->profile)->word;
    if (align && align % word == 0 && (align & (align - 1)) == 0)
        return heap_memalign(heaps, process, align, size, name);
    trace_print(heaps->trace, "EINVAL: the alignment must be a power of two, and a multiple of sizeof(void *)");
    return 0;
}

uint64_t heap_valloc(struct heaps *heaps, struct process_ref process, uint64_t size, struct name_ref name)
{
    return heap_memalign(heaps, process, PAGE_SIZE, size, name);
}

/* The size is rounded up to whole pages. (glibc's mask is one off; no chunk size shows it.) */
uint64_t heap_pvalloc(struct heaps *heaps, struct process_ref process, uint64_t size, struct name_ref name)
{
    const struct libc_rules *rules = libc_rules_of_profile(heaps->profile);
    return size > rules->address_mask - (PAGE_SIZE - 1) ? 0
                                                        : heap_memalign(heaps, process, PAGE_SIZE, page_align(size), name);
}

struct name_ref heap_free(struct heaps *heaps, struct process_ref process, uint64_t address)
{
    trace_step(heaps->trace, PATH_free);
    struct libc *c = address ? libc_enter(heaps, process) : NULL;
    if (!c)
        return NAME_NONE;
    libc_free(c, address);
    return c->dead ? NAME_NONE : note_remove(heaps, c->heap, address);
}

uint64_t heap_usable(struct heaps *heaps, struct process_ref process, uint64_t address)
{
    if (!address || !heap_of_process(heaps, process))
        return 0;
    struct libc *c = libc_start(heaps, process);
    uint64_t chunk = chunk_of_mem(c, address), field = chunk_field(c, chunk);
    bool in_use = field & IS_MMAPPED || chunk_is_prev_inuse(c, chunk + (field & ~(uint64_t)SIZE_BITS));
    return in_use && !c->dead ? libc_usable_size(c, field) : 0;
}
