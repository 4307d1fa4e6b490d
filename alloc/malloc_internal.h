/* alloc/malloc_internal.h - what the malloc_*.c files share: sizes that follow from the word, glibc's static state, and
 * access to the simulated bytes in which everything else lives.
 *
 * Words of the process are read and written by address, through get() and put(), which keep the host's places of the pages
 * used last. main_arena is glibc's own static data: it
 * gets an address just above the mappings, where a C library would be, and its bytes are kept in struct heap, so that bin
 * heads are linked like chunks. Thread arenas live in mappings of the process.
 * When a check fails or an address is not mapped, the call is dead: reads give 0, writes do nothing, and the loops end; the
 * machine floor then ends the process.
 *
 * With 32 bits (classic; glibc's i386) a word is 4 bytes and pointers are still aligned to 16: the header is 8 bytes, the smallest
 * chunk 16, and chunks start 8 bytes before a multiple of 16, also at the start of the heap and of a mapping. Bins are numbered
 * one up (bin of size 16 is 2), large ones begin at 1008; fastbins serve chunks up to 64 bytes, the cache up to 1024.
 * The mapping threshold grows to 512 KiB, heaps of thread arenas are 1 MiB, arenas 2 a CPU. Checked against recordings
 * of the i386 library (tests/sample/glibc-2.36/i386). */
#pragma once
#include "alloc/malloc.h"
#include <string.h>

enum { PREV_INUSE = 1, IS_MMAPPED = 2, NON_MAIN_ARENA = 4, SIZE_BITS = 7 };
enum { CHUNK_ALIGN = 16, NR_BINS = 128, BINMAP_WORDS = 4, TCACHE_BINS_MAX = 64 };
enum { HEAP_THREADS_MAX = 256, UNSORTED_BATCH = 10000, CONSOLIDATE_FROM = 65536, HEAP_PAGES = 1024 };
/* Words of a chunk, as offsets in words: prev_size and the size field head it; a free chunk has links in its payload. */
enum chunk_word { CHUNK_PREV_SIZE, CHUNK_SIZE, CHUNK_FD, CHUNK_BK, CHUNK_FD_NEXTSIZE, CHUNK_BK_NEXTSIZE };

/* What follows from the size of a word (SIZE_SZ); offsets are those of struct malloc_state. */
struct malloc_sizes {
    uint32_t word, word_shift; /* bytes, log2 */
    uint32_t header; /* bytes before the user's pointer (CHUNK_HDR_SZ) */
    uint32_t min_chunk; /* MINSIZE */
    uint32_t min_large; /* first chunk size that is not in a small bin */
    uint32_t fast_shift, nr_fast; /* fastbin index = (size >> shift) - 2 */
    uint32_t max_mxfast; /* largest M_MXFAST */
    uint32_t at_fast, at_top, at_last_remainder, at_bins, at_binmap, at_next, at_next_free, at_system_mem, at_max_system_mem;
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
    uint64_t dtv; /* block that pthread_create took for it; 0: no such thread */
    bool shutting_down;
};
/* Where the host keeps a page of the process. Relative to the pool of heaps, so that it stays true in a copy of the machine.
 * The epoch of its heap, in bits that addresses of pages and words leave free, tells whether it is still known: so that all are
 * forgotten at once. */
#define EPOCH_SHIFT 3u
#define LAST_EPOCH (PAGE_SIZE - 8)
struct heap_page {
    uint64_t read, write; /* the page's address with the epoch if it may be read, written; else something else */
    uintptr_t host; /* host address minus simulated address */
};
struct heap {
    uint32_t link; /* pool */
    uint32_t process;
    uint32_t thread; /* that calls; 0 is the main thread */
    uint32_t nr_cpus; /* what thread arenas are limited by */
    uint64_t nr_live; /* notes of this process */
    bool is_written; /* the program wrote outside its blocks: the bytes may say anything */
    struct malloc_par par;
    uint32_t seen_generation, seen_seq; /* of the address space and the operation when pages was last good */
    uint64_t epoch; /* shifted */
    struct heap_page pages[HEAP_PAGES];
    uint64_t main_arena; /* its address */
    uint64_t tcache_key;
    uint64_t arena_free_list, next_to_use, nr_arenas, nr_arenas_max, aligned_heap_area;
    struct heap_thread threads[HEAP_THREADS_MAX];
    uint8_t libc[PAGE_SIZE]; /* the page that holds main_arena */
};
struct note {
    uint32_t link; /* next of the bucket, or the pool's free link */
    uint32_t process;
    uint64_t address, requested, usable;
    uint32_t label, seq;
};

/* One call into the library. */
struct libc {
    struct heap_page *pages;
    uintptr_t host; /* what their places are relative to */
    struct heaps *heaps;
    struct heap *heap;
    struct heap_thread *thread;
    const struct malloc_sizes *sizes;
    uint64_t arena; /* that the core functions work on */
    uint64_t epoch; /* of the heap */
    uint32_t process, word_shift;
    bool dead;
    bool is_from_cache; /* the chunk found last has been in the thread's cache */
};

/* A check failed: says text (glibc's words) and ends the call; the process is to end by SIGABRT. */
void libc_die(struct libc *c, const char *text);
void libc_forget_pages(struct libc *c);
uint8_t *libc_fault(struct libc *c, uint64_t address, bool write); /* NULL: dead */
uint64_t libc_get_slow(struct libc *c, uint64_t address, uint32_t bytes);
void libc_put_slow(struct libc *c, uint64_t address, uint32_t bytes, uint64_t value);
void libc_fill(struct libc *c, uint64_t address, uint8_t byte, uint64_t length);
void libc_copy(struct libc *c, uint64_t to, uint64_t from, uint64_t length);

/* The host's view of an aligned word, if its page is known. One comparison: a word that is not aligned equals no page. */
static inline uint8_t *at_hand(const struct libc *c, uint64_t address, uint32_t bytes, bool write)
{
    const struct heap_page *page = &c->pages[(address >> PAGE_SHIFT) % HEAP_PAGES];
    uint64_t known = (address & (~(uint64_t)(PAGE_SIZE - 1) | (bytes - 1))) + c->epoch;
    return known == (write ? page->write : page->read) ? (uint8_t *)(c->host + page->host + (uintptr_t)address) : NULL;
}
static inline uint64_t get64(struct libc *c, uint64_t address)
{
    const uint8_t *bytes = at_hand(c, address, 8, false);
    uint64_t value;
    if (!bytes)
        return libc_get_slow(c, address, 8);
    memcpy(&value, bytes, 8);
    return value;
}
static inline void put64(struct libc *c, uint64_t address, uint64_t value)
{
    uint8_t *bytes = at_hand(c, address, 8, true);
    if (bytes)
        memcpy(bytes, &value, 8);
    else
        libc_put_slow(c, address, 8, value);
}
static inline uint32_t get32(struct libc *c, uint64_t address)
{
    const uint8_t *bytes = at_hand(c, address, 4, false);
    uint32_t value;
    if (!bytes)
        return (uint32_t)libc_get_slow(c, address, 4);
    memcpy(&value, bytes, 4);
    return value;
}
static inline void put32(struct libc *c, uint64_t address, uint32_t value)
{
    uint8_t *bytes = at_hand(c, address, 4, true);
    if (bytes)
        memcpy(bytes, &value, 4);
    else
        libc_put_slow(c, address, 4, value);
}
static inline uint16_t get16(struct libc *c, uint64_t address)
{
    const uint8_t *bytes = at_hand(c, address, 2, false);
    uint16_t value;
    if (!bytes)
        return (uint16_t)libc_get_slow(c, address, 2);
    memcpy(&value, bytes, 2);
    return value;
}
static inline void put16(struct libc *c, uint64_t address, uint16_t value)
{
    uint8_t *bytes = at_hand(c, address, 2, true);
    if (bytes)
        memcpy(bytes, &value, 2);
    else
        libc_put_slow(c, address, 2, value);
}
/* A word of the process: 4 or 8 bytes. */
static inline uint64_t get(struct libc *c, uint64_t address)
{
    return c->word_shift == 3 ? get64(c, address) : get32(c, address);
}
static inline void put(struct libc *c, uint64_t address, uint64_t value)
{
    if (c->word_shift == 3)
        put64(c, address, value);
    else
        put32(c, address, (uint32_t)value);
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

/* Arenas: the fields of struct malloc_state. */
static inline bool is_main_arena(const struct libc *c)
{
    return c->arena == c->heap->main_arena;
}
static inline uint64_t arena_flag(const struct libc *c) /* for the size field of chunks handed out */
{
    return is_main_arena(c) ? 0 : NON_MAIN_ARENA;
}
enum { ARENA_FLAGS = 4, ARENA_HAVE_FAST = 8, ARENA_NONCONTIGUOUS = 2 };
static inline uint64_t arena_top(struct libc *c)
{
    return get(c, c->arena + c->sizes->at_top);
}
static inline void arena_set_top(struct libc *c, uint64_t chunk)
{
    put(c, c->arena + c->sizes->at_top, chunk);
}
static inline uint64_t arena_system_mem(struct libc *c)
{
    return get(c, c->arena + c->sizes->at_system_mem);
}
static inline void arena_add_system_mem(struct libc *c, uint64_t bytes)
{
    put(c, c->arena + c->sizes->at_system_mem, arena_system_mem(c) + bytes);
}
static inline bool arena_is_contiguous(struct libc *c)
{
    return !(get32(c, c->arena + ARENA_FLAGS) & ARENA_NONCONTIGUOUS);
}
static inline bool arena_has_fast(struct libc *c)
{
    return get32(c, c->arena + ARENA_HAVE_FAST) != 0;
}
static inline void arena_set_has_fast(struct libc *c, bool has)
{
    put32(c, c->arena + ARENA_HAVE_FAST, has);
}
/* The head of a bin, seen as the chunk whose fd and bk it is. Bin 1 is the unsorted list. */
static inline uint64_t bin_at(const struct libc *c, uint32_t index)
{
    return c->arena + c->sizes->at_bins + ((uint64_t)2 * index << c->word_shift) - (4ULL << c->word_shift);
}
static inline uint64_t unsorted_bin(const struct libc *c)
{
    return bin_at(c, 1);
}
static inline uint32_t fast_index(const struct malloc_sizes *s, uint64_t size)
{
    return (uint32_t)(size >> s->fast_shift) - 2;
}
static inline uint64_t fast_bin(const struct libc *c, uint32_t index)
{
    return c->arena + c->sizes->at_fast + ((uint64_t)index << c->word_shift);
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
void tcache_shutdown(struct libc *c); /* the thread ends: its cache is emptied and freed */
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
void tcache_put(struct libc *c, uint64_t chunk, uint32_t index);
uint64_t tcache_get(struct libc *c, uint32_t index); /* user pointer */
/* The usual case of malloc and free: the pages of the cache and of the block are at hand and nothing is amiss, so that no
 * word has to be looked for twice. 0, false: the long way; nothing has changed. field: the block's size with its flags. */
uint64_t tcache_get_at_hand(struct libc *c, uint32_t index);
bool tcache_put_at_hand(struct libc *c, uint64_t mem, uint64_t field);

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
bool arena_grow(struct libc *c, uint64_t size); /* makes top larger, or a new heap with a new top */
void arena_heap_trim(struct libc *c, uint64_t pad); /* heap_trim() of the heap that holds top */
void arenas_after_fork(struct libc *c); /* in the child */

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

static inline uint32_t libc_generation(const struct libc *c)
{
    const struct processes *ps = c->heaps->processes;
    return reclaim_space_at(ps->reclaim, process_at(ps, c->process)->space)->generation;
}
/* Pages stay at hand from call to call, until the address space loses one, or another operation came between, which may
 * have written to them. */
static inline void libc_start(struct libc *c, struct heaps *heaps, uint32_t heap)
{
    c->heaps = heaps;
    c->heap = heap_at(heaps, heap);
    c->pages = c->heap->pages;
    c->host = (uintptr_t)heaps->heaps.items;
    c->thread = &c->heap->threads[c->heap->thread];
    c->sizes = malloc_sizes_get(heaps->profile->word_bits);
    c->arena = c->heap->main_arena;
    c->process = c->heap->process;
    c->epoch = c->heap->epoch;
    c->word_shift = c->sizes->word_shift;
    c->dead = c->is_from_cache = false;
    if (libc_generation(c) != c->heap->seen_generation || heaps->trace->seq - c->heap->seen_seq > 1)
        libc_forget_pages(c);
    c->heap->seen_seq = heaps->trace->seq;
}
/* The same for a public function, which costs its time. False: a limit of the simulated machine, which looks like ENOMEM. */
static inline bool libc_enter(struct libc *c, struct heaps *heaps, uint32_t process)
{
    trace_cost(heaps->trace, COST_HEAP, 1);
    if (!heap_of_process(heaps, process))
        return false;
    libc_start(c, heaps, process_at(heaps->processes, process)->heap);
    return true;
}

/* malloc_notes.c */
bool notes_have_room(const struct heaps *heaps);
struct note *note_find(const struct heaps *heaps, uint32_t process, uint64_t address); /* NULL: no live block starts there */
void note_add(struct heaps *heaps, struct heap *heap, const struct note *note);
uint32_t note_remove(struct heaps *heaps, struct heap *heap, uint64_t address); /* its label; 0: it had none, or is not there */
static inline struct note *note_at(const struct heaps *heaps, uint32_t note)
{
    return (struct note *)(void *)heaps->notes.items + note;
}
