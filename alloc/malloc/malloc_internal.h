/* alloc/malloc/malloc_internal.h - what the malloc_*.c files share: sizes that follow from the word, glibc's static state,
 * and access to the simulated bytes in which everything else lives.
 *
 * Words of the process are read and written by address, through get() and put(), which know the host's places of the pages
 * used last (struct libc). main_arena is glibc's own static data: it gets an address just above the mappings, where a C
 * library would be, and its bytes are kept in struct heap, so that bin heads are linked like chunks. Thread arenas live in
 * mappings of the process. When a check fails or an address is not mapped, the call is dead: reads give 0, writes do
 * nothing, and the loops end; the machine floor then ends the process.
 *
 * With 32 bits (classic; glibc's i386) a word is 4 bytes and pointers are still aligned to 16: the header is 8 bytes, the
 * smallest chunk 16, and chunks start 8 bytes before a multiple of 16, also at the start of the heap and of a mapping. Bins
 * are numbered one up (bin of size 16 is 2), large ones begin at 1008; fastbins serve chunks up to 64 bytes, the cache up
 * to 1024. The mapping threshold grows to 512 KiB, heaps of thread arenas are 1 MiB, arenas 2 a CPU. Checked against
 * recordings of the i386 library (tests/truth/sample/glibc-2.36/i386). */
#pragma once
#include "alloc/malloc/malloc.h"
#include <string.h>

enum { PREV_INUSE = 1, IS_MMAPPED = 2, NON_MAIN_ARENA = 4, SIZE_BITS = 7 };
enum { CHUNK_ALIGN = 16, NR_BINS = 128, BINMAP_WORDS = 4, TCACHE_BINS_MAX = 64 };
enum { MALLOC_MIN_64 = 32 }; /* MINSIZE */
enum { HEAP_THREADS_MAX = 256, UNSORTED_BATCH = 10000, CONSOLIDATE_FROM = 65536 };
/* Words of a chunk, as offsets in words: prev_size and the size field head it; a free chunk has links in its payload. */
enum chunk_word { CHUNK_PREV_SIZE, CHUNK_SIZE, CHUNK_FD, CHUNK_BK, CHUNK_FD_NEXTSIZE, CHUNK_BK_NEXTSIZE };

/* What follows from the size of a word (SIZE_SZ); offsets are those of struct malloc_state. */
struct malloc_sizes {
    uint32_t word, word_shift;    /* bytes, log2 */
    uint32_t header;              /* bytes before the user's pointer (CHUNK_HDR_SZ) */
    uint32_t min_chunk;           /* MINSIZE */
    uint32_t min_large;           /* first chunk size that is not in a small bin */
    uint32_t fast_shift, nr_fast; /* fastbin index = (size >> shift) - 2 */
    uint32_t max_mxfast;          /* largest M_MXFAST */
    uint32_t at_fast, at_top, at_last_remainder, at_bins, at_binmap, at_next, at_next_free, at_system_mem,
        at_max_system_mem;
    uint32_t arena_bytes;
    uint32_t heap_info_bytes;
    uint32_t tcache_bytes;
    uint64_t address_mask, ptrdiff_max;
    uint64_t mmap_threshold_max, heap_max; /* DEFAULT_MMAP_THRESHOLD_MAX, HEAP_MAX_SIZE */
    uint32_t arenas_per_cpu;
};
extern const struct malloc_sizes MALLOC_SIZES_32, MALLOC_SIZES_64;
static inline const struct malloc_sizes *malloc_sizes_get(uint32_t word_bits)
{
    return word_bits == 32 ? &MALLOC_SIZES_32 : &MALLOC_SIZES_64;
}

/* struct malloc_par, and the tunables. */
struct malloc_par {
    uint64_t trim_threshold, top_pad, mmap_threshold, max_fast;
    uint64_t n_mmaps, n_mmaps_max, max_n_mmaps;
    uint64_t mmapped_mem, max_mmapped_mem, sbrk_base;
    uint64_t tcache_bins, tcache_count, tcache_unsorted_limit;
    uint64_t arena_test, arena_max;
    bool no_dyn_threshold;
    uint8_t perturb; /* M_PERTURB: new blocks are filled with its complement, freed ones with it; 0: neither */
};
struct heap_thread {
    uint64_t tcache, arena; /* addresses; 0: none yet */
    uint64_t dtv;           /* block that pthread_create took for it; 0: no such thread */
    uint64_t stack;         /* start of its mapping; 0: it brought one of its own */
    bool shutting_down;
};
#define THREAD_STACK_BYTES (UINT64_C(8) << 20)
#define THREAD_STACK_SPAN (THREAD_STACK_BYTES + PAGE_SIZE) /* with the guard below it */
struct kept_stack {                                        /* of a thread that has ended */
    uint64_t start, dtv;
};
struct heap {
    uint32_t link; /* pool */
    uint32_t process;
    uint32_t thread;  /* that calls; 0 is the main thread */
    uint32_t nr_cpus; /* what thread arenas are limited by */
    uint64_t nr_live; /* notes of this process */
    bool is_written;  /* the program wrote outside its blocks: the bytes may say anything */
    struct malloc_par par;
    uint64_t main_arena; /* its address */
    uint64_t tcache_key;
    uint64_t arena_free_list, next_to_use, nr_arenas, nr_arenas_max, aligned_heap_area;
    struct heap_thread threads[HEAP_THREADS_MAX];
    struct kept_stack kept_stacks[HEAP_THREADS_MAX + 8]; /* the newest last */
    uint32_t nr_kept_stacks;
    uint8_t libc[PAGE_SIZE]; /* the page that holds main_arena */
};
struct note {
    uint32_t link; /* next of the bucket, or the pool's free link */
    uint32_t process;
    uint64_t address, requested, usable;
    struct name_ref name;
    uint32_t seq;
};

/* A check failed: says text (glibc's words) and ends the call; the process is to end by SIGABRT. */
void libc_die(struct libc *c, const char *text);
void libc_forget_pages(struct libc *c);
uint8_t *libc_fault(struct libc *c, uint64_t address, bool write); /* NULL: dead */
uint64_t libc_get_slow(struct libc *c, uint64_t address, uint32_t bytes);
void libc_put_slow(struct libc *c, uint64_t address, uint32_t bytes, uint64_t value);
void libc_fill(struct libc *c, uint64_t address, uint8_t byte, uint64_t length);
void libc_copy(struct libc *c, uint64_t to, uint64_t from, uint64_t length);
/* A system call came between: pages that the process has lost are not known any more. */
static inline void libc_look_again(struct libc *c)
{
    if (c->space->generation != c->generation)
        libc_forget_pages(c);
}

/* The host's view of an aligned word, if its page is known. One comparison: a word that is not aligned equals no page.
 * Pages that were only read are never known: nearly all that malloc reads it has written. */
#define EPOCH_SHIFT 3u
#define LAST_EPOCH (PAGE_SIZE - 8)
static inline uint8_t *at_hand(const struct libc *c, uint64_t address, uint32_t bytes)
{
    const struct libc_page *page = &c->pages[(address >> PAGE_SHIFT) % LIBC_PAGES];
    uint64_t known = (address & (~(uint64_t)(PAGE_SIZE - 1) | (bytes - 1))) + c->epoch;
    return known == page->known ? (uint8_t *)(page->host + (uintptr_t)address) : NULL;
}
static inline uint64_t load64(const uint8_t *at)
{
    uint64_t value;
    memcpy(&value, at, sizeof value);
    return value;
}
static inline uint32_t load32(const uint8_t *at)
{
    uint32_t value;
    memcpy(&value, at, sizeof value);
    return value;
}
static inline uint16_t load16(const uint8_t *at)
{
    uint16_t value;
    memcpy(&value, at, sizeof value);
    return value;
}
static inline void store64(uint8_t *at, uint64_t value)
{
    memcpy(at, &value, sizeof value);
}
static inline void store32(uint8_t *at, uint32_t value)
{
    memcpy(at, &value, sizeof value);
}
static inline void store16(uint8_t *at, uint16_t value)
{
    memcpy(at, &value, sizeof value);
}
static inline uint32_t get32(struct libc *c, uint64_t address)
{
    const uint8_t *at = at_hand(c, address, 4);
    return at ? load32(at) : (uint32_t)libc_get_slow(c, address, 4);
}
static inline void put32(struct libc *c, uint64_t address, uint32_t value)
{
    uint8_t *at = at_hand(c, address, 4);
    if (at)
        store32(at, value);
    else
        libc_put_slow(c, address, 4, value);
}
static inline uint16_t get16(struct libc *c, uint64_t address)
{
    const uint8_t *at = at_hand(c, address, 2);
    return at ? load16(at) : (uint16_t)libc_get_slow(c, address, 2);
}
static inline void put16(struct libc *c, uint64_t address, uint16_t value)
{
    uint8_t *at = at_hand(c, address, 2);
    if (at)
        store16(at, value);
    else
        libc_put_slow(c, address, 2, value);
}
/* A word of the process: 4 or 8 bytes. */
static inline uint64_t load_word(const struct libc *c, const uint8_t *at)
{
    return c->word_shift == 3 ? load64(at) : load32(at);
}
static inline void store_word(const struct libc *c, uint8_t *at, uint64_t value)
{
    if (c->word_shift == 3)
        store64(at, value);
    else
        store32(at, (uint32_t)value);
}
static inline uint64_t get(struct libc *c, uint64_t address)
{
    const uint8_t *at;
    if (c->word_shift != 3)
        return get32(c, address);
    at = at_hand(c, address, 8);
    return at ? load64(at) : libc_get_slow(c, address, 8);
}
static inline void put(struct libc *c, uint64_t address, uint64_t value)
{
    uint8_t *at;
    if (c->word_shift != 3) {
        put32(c, address, (uint32_t)value);
        return;
    }
    at = at_hand(c, address, 8);
    if (at)
        store64(at, value);
    else
        libc_put_slow(c, address, 8, value);
}

/* Chunks. */
static inline uint64_t chunk_get(struct libc *c, uint64_t chunk, enum chunk_word word)
{
    return get(c, chunk + ((uint64_t)word << c->word_shift));
}
static inline void chunk_put(struct libc *c, uint64_t chunk, enum chunk_word word, uint64_t value)
{
    put(c, chunk + ((uint64_t)word << c->word_shift), value);
}
static inline uint64_t chunk_field(struct libc *c, uint64_t chunk) /* size with its flag bits (chunksize_nomask) */
{
    return chunk_get(c, chunk, CHUNK_SIZE);
}
static inline uint64_t chunk_size(struct libc *c, uint64_t chunk)
{
    return chunk_field(c, chunk) & ~(uint64_t)SIZE_BITS;
}
static inline void set_head(struct libc *c, uint64_t chunk, uint64_t field)
{
    chunk_put(c, chunk, CHUNK_SIZE, field);
}
static inline void set_foot(struct libc *c, uint64_t chunk, uint64_t size)
{
    chunk_put(c, chunk + size, CHUNK_PREV_SIZE, size);
}
static inline bool is_prev_inuse(struct libc *c, uint64_t chunk)
{
    return chunk_field(c, chunk) & PREV_INUSE;
}
static inline void set_prev_inuse(struct libc *c, uint64_t chunk)
{
    set_head(c, chunk, chunk_field(c, chunk) | PREV_INUSE);
}
static inline uint64_t mem_of(const struct libc *c, uint64_t chunk)
{
    return chunk + (2ULL << c->word_shift);
}
static inline uint64_t chunk_of(const struct libc *c, uint64_t mem)
{
    return mem - (2ULL << c->word_shift);
}
static inline bool is_misaligned(const struct libc *c, uint64_t chunk)
{
    return mem_of(c, chunk) % CHUNK_ALIGN != 0;
}
/* Links of singly linked lists are mixed with the place where they are stored (safe linking). */
static inline uint64_t protect(uint64_t place, uint64_t link)
{
    return place >> PAGE_SHIFT ^ link;
}
static inline uint64_t reveal(struct libc *c, uint64_t place)
{
    return protect(place, get(c, place));
}

/* The chunk size for a request (request2size); 0: the request is too large. */
static inline uint64_t chunk_size_for(const struct malloc_sizes *s, uint64_t request)
{
    if (request > s->ptrdiff_max)
        return 0;
    uint64_t size = (request + s->word + CHUNK_ALIGN - 1) & ~(uint64_t)(CHUNK_ALIGN - 1);
    return size < s->min_chunk ? s->min_chunk : size;
}
static inline uint64_t page_up(uint64_t bytes)
{
    return (bytes + PAGE_SIZE - 1) & ~(uint64_t)(PAGE_SIZE - 1);
}

/* Arenas: the fields of struct malloc_state, by their offsets. It lies in one page, so its place is looked for once. */
static inline bool is_main_arena(const struct libc *c)
{
    return c->arena == c->heap->main_arena;
}
static inline void libc_use_arena(struct libc *c, uint64_t arena)
{
    c->arena = arena;
    c->arena_at = is_main_arena(c) && !c->dead ? c->heap->libc + arena % PAGE_SIZE : at_hand(c, arena, 8);
}
static inline uint64_t arena_get(struct libc *c, uint32_t offset)
{
    return c->arena_at ? load_word(c, c->arena_at + offset) : get(c, c->arena + offset);
}
static inline void arena_put(struct libc *c, uint32_t offset, uint64_t value)
{
    if (c->arena_at)
        store_word(c, c->arena_at + offset, value);
    else
        put(c, c->arena + offset, value);
}
static inline uint32_t arena_get32(struct libc *c, uint32_t offset)
{
    return c->arena_at ? load32(c->arena_at + offset) : get32(c, c->arena + offset);
}
static inline void arena_put32(struct libc *c, uint32_t offset, uint32_t value)
{
    if (c->arena_at)
        store32(c->arena_at + offset, value);
    else
        put32(c, c->arena + offset, value);
}
static inline uint64_t arena_flag(const struct libc *c) /* for the size field of chunks handed out */
{
    return is_main_arena(c) ? 0 : NON_MAIN_ARENA;
}
enum { ARENA_FLAGS = 4, ARENA_HAVE_FAST = 8, ARENA_NONCONTIGUOUS = 2 };
static inline uint64_t arena_top(struct libc *c)
{
    return arena_get(c, c->sizes->at_top);
}
static inline void arena_set_top(struct libc *c, uint64_t chunk)
{
    arena_put(c, c->sizes->at_top, chunk);
}
static inline uint64_t arena_system_mem(struct libc *c)
{
    return arena_get(c, c->sizes->at_system_mem);
}
static inline void arena_add_system_mem(struct libc *c, uint64_t bytes)
{
    arena_put(c, c->sizes->at_system_mem, arena_system_mem(c) + bytes);
}
static inline bool arena_is_contiguous(struct libc *c)
{
    return !(arena_get32(c, ARENA_FLAGS) & ARENA_NONCONTIGUOUS);
}
static inline bool arena_has_fast(struct libc *c)
{
    return arena_get32(c, ARENA_HAVE_FAST) != 0;
}
static inline void arena_set_has_fast(struct libc *c, bool has)
{
    arena_put32(c, ARENA_HAVE_FAST, has);
}
/* The head of a bin, seen as the chunk whose fd and bk it is. Bin 1 is the unsorted list. */
static inline uint32_t bin_offset(const struct libc *c, uint32_t index)
{
    return c->sizes->at_bins + ((2 * index - 4) << c->word_shift);
}
static inline uint64_t bin_at(const struct libc *c, uint32_t index)
{
    return c->arena + bin_offset(c, index);
}
static inline uint64_t unsorted_bin(const struct libc *c)
{
    return bin_at(c, 1);
}
/* Its own links: word is CHUNK_FD or CHUNK_BK. */
static inline uint64_t bin_get(struct libc *c, uint64_t bin, enum chunk_word word)
{
    return arena_get(c, (uint32_t)(bin - c->arena) + ((uint32_t)word << c->word_shift));
}
static inline void bin_put(struct libc *c, uint64_t bin, enum chunk_word word, uint64_t value)
{
    arena_put(c, (uint32_t)(bin - c->arena) + ((uint32_t)word << c->word_shift), value);
}
static inline uint32_t fast_index(const struct malloc_sizes *s, uint64_t size)
{
    return (uint32_t)(size >> s->fast_shift) - 2;
}
/* The first chunk of a fastbin. */
static inline uint64_t fast_get(struct libc *c, uint32_t index)
{
    return arena_get(c, c->sizes->at_fast + (index << c->word_shift));
}
static inline void fast_put(struct libc *c, uint32_t index, uint64_t chunk)
{
    arena_put(c, c->sizes->at_fast + (index << c->word_shift), chunk);
}
/* No list of an arena can be longer: where a corrupted one would be walked for ever. */
static inline uint64_t longest_list(struct libc *c)
{
    return arena_system_mem(c) / c->sizes->min_chunk + NR_BINS;
}
void arena_init(struct libc *c); /* malloc_init_state */

/* malloc_core.c */
uint64_t int_malloc(struct libc *c, uint64_t request); /* user pointer, 0: ENOMEM */
void int_free(struct libc *c, uint64_t chunk, bool have_lock);
uint64_t int_realloc(struct libc *c, uint64_t chunk, uint64_t old_size, uint64_t size);
uint64_t int_memalign(struct libc *c, uint64_t align, uint64_t request);
void malloc_consolidate(struct libc *c);

/* malloc_bins.c */
uint32_t bin_index(const struct malloc_sizes *s, uint64_t size);
static inline bool is_small(const struct malloc_sizes *s, uint64_t size)
{
    return size < s->min_large;
}
void unlink_chunk(struct libc *c, uint64_t chunk);
/* Puts a free chunk at the front of the unsorted list; its links only. complaint: what to say if the list is broken. */
void unsorted_push(struct libc *c, uint64_t chunk, uint64_t size, const char *complaint);
uint64_t take_small(struct libc *c, uint64_t size); /* chunk, 0: the bin is empty */
/* One pass over the unsorted list, then the bins. 0: nothing fits. nr_filed counts on from pass to pass of one request. */
uint64_t take_from_bins(struct libc *c, uint64_t size, uint32_t index, uint64_t *nr_filed);

/* malloc_tcache.c */
void tcache_create(struct libc *c); /* unless the thread ends */
static inline void tcache_init(struct libc *c)
{
    if (!c->thread->tcache)
        tcache_create(c);
}
void tcache_shutdown(struct libc *c);                            /* the thread ends: its cache is emptied and freed */
bool tcache_holds(struct libc *c, uint64_t mem, uint32_t index); /* walks a bin; dies of a broken one */
static inline uint32_t tcache_index(const struct malloc_sizes *s, uint64_t size)
{
    return (uint32_t)((size - s->min_chunk + CHUNK_ALIGN - 1) / CHUNK_ALIGN);
}
static inline uint64_t tcache_count_at(const struct libc *c, uint32_t index)
{
    return c->thread->tcache + 2 * (uint64_t)index;
}
static inline uint64_t tcache_entry_at(const struct libc *c, uint32_t index)
{
    return c->thread->tcache + 2 * TCACHE_BINS_MAX + ((uint64_t)index << c->word_shift);
}
static inline bool tcache_serves(const struct libc *c, uint64_t size)
{
    return c->thread->tcache && tcache_index(c->sizes, size) < c->heap->par.tcache_bins;
}
static inline bool tcache_has_room(struct libc *c, uint64_t size)
{
    return tcache_serves(c, size) && get16(c, tcache_count_at(c, tcache_index(c->sizes, size))) < c->heap->par.tcache_count;
}
/* The host's place of the cache; NULL: there is none, or it is not at hand. */
static inline uint8_t *tcache_at_hand(struct libc *c)
{
    uint64_t at = c->thread->tcache;
    if (!c->cache && at && at % PAGE_SIZE + c->sizes->tcache_bytes <= PAGE_SIZE)
        c->cache = at_hand(c, at, CHUNK_ALIGN);
    return c->cache;
}
void tcache_put(struct libc *c, uint64_t chunk, uint32_t index);
uint64_t tcache_get(struct libc *c, uint32_t index); /* user pointer */

/* malloc_top.c */
uint64_t split_top(struct libc *c, uint64_t size); /* chunk, 0: top is too small */
uint64_t sysmalloc(struct libc *c, uint64_t size); /* chunk, 0: no memory */
bool systrim(struct libc *c, uint64_t pad);
void munmap_chunk(struct libc *c, uint64_t chunk);
uint64_t mremap_chunk(struct libc *c, uint64_t chunk, uint64_t size); /* the moved chunk; 0: failed */
#define MALLOC_PAGES (VMA_READ | VMA_WRITE | VMA_CHUNK)
uint64_t malloc_pages(struct libc *c, uint64_t length, uint32_t flags); /* mmap; 0: failed */
void libc_give_pages(struct libc *c, uint64_t start, uint64_t length); /* madvise(MADV_DONTNEED): their contents are gone */

/* malloc_arena.c */
uint64_t arena_of_chunk(struct libc *c, uint64_t chunk);
void arena_choose(struct libc *c, uint64_t request); /* the calling thread's arena, made if need be (arena_get) */
bool arena_grow(struct libc *c, uint64_t size);      /* makes top larger, or a new heap with a new top */
void arena_heap_trim(struct libc *c, uint64_t pad);  /* heap_trim() of the heap that holds top */
void arenas_after_fork(struct libc *c);              /* in the child */
/* malloc_stack.c: the stack of a thread that has been joined; those of the threads that fork leaves behind. */
void stack_keep(struct heaps *heaps, struct heap *heap, struct kept_stack stack);
void stacks_after_fork(struct heap *heap);

/* malloc_state.c */
static inline struct heap *heap_at(const struct heaps *heaps, uint32_t heap)
{
    return (struct heap *)(void *)heaps->heaps.items + heap;
}
struct heap *heap_create(struct heaps *heaps, uint32_t process); /* NULL: limit of the machine */
static inline struct heap *heap_of_process(struct heaps *heaps, uint32_t process)
{
    uint32_t heap = process_at(heaps->processes, process)->heap;
    return heap ? heap_at(heaps, heap) : heap_create(heaps, process);
}

void libc_turn_to(struct libc *c, struct heaps *heaps, uint32_t process); /* another process, which has a heap, is served */
/* A call begins. What was known of the process stays known, unless its address space lost a page meanwhile, or somebody
 * else has written to one (heap_written). */
static inline struct libc *libc_start(struct heaps *heaps, uint32_t process)
{
    struct libc *c = heaps->libc;
    if (c->process != process)
        libc_turn_to(c, heaps, process);
    libc_look_again(c);
    struct heap_thread *thread = &c->heap->threads[c->heap->thread];
    if (c->thread != thread)
        c->cache = NULL;
    c->thread = thread;
    c->dead = c->is_from_cache = false;
    libc_use_arena(c, c->heap->main_arena);
    return c;
}
/* The same for a public function, which costs its time. NULL: a limit of the simulated machine, which looks like ENOMEM. */
static inline struct libc *libc_enter(struct heaps *heaps, uint32_t process)
{
    trace_cost(heaps->trace, COST_HEAP, 1);
    if (heaps->libc->process != process && !heap_of_process(heaps, process))
        return NULL;
    return libc_start(heaps, process);
}

/* malloc_notes.c */
static inline bool notes_have_room(const struct heaps *heaps)
{
    return heaps->notes.nr_free || heaps->notes.nr_used < heaps->notes.committed;
}
struct note *note_find(const struct heaps *heaps, uint32_t process,
                       uint64_t address); /* NULL: no live block starts there */
/* A broken heap may hand out a block that lies where another one is still live: the new one takes the place. */
void note_add(struct heaps *heaps, struct heap *heap, const struct note *note);
struct name_ref note_remove(struct heaps *heaps, struct heap *heap,
                            uint64_t address); /* its name; 0: it had none, or is not there */
static inline struct note *note_at(const struct heaps *heaps, uint32_t note)
{
    return (struct note *)(void *)heaps->notes.items + note;
}
