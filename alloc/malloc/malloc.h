/* alloc/malloc/malloc.h - the user heap: glibc 2.36's malloc (malloc/malloc.c, malloc/arena.c). Stands on: process, name.
 *
 * Chunk headers, links and bins lie in the simulated bytes of the process. classic has the same model with 32-bit sizes.
 * glibc's own checks call trace_bug() with glibc's words and the signal; the machine ends the process after the call. */
#pragma once
#include "alloc/process/process.h"

/* The call into malloc that is running, and what it knows of its process: above all, where the host keeps the pages that
 * were written to last. The next call is likely to be the same process's, so all of it stays from call to call. It only
 * saves host time. It is no part of the state: a copy of a machine begins without it, and behaves alike. */
#define LIBC_PAGES 4096u
#define LIBC_DATA_PAGES 15u /* libc's writable data and its .bss */
struct libc_page {
    uint64_t known; /* the page's address + epoch, if process_owns_page(); else another number */
    uintptr_t host; /* host address minus simulated address */
};
struct libc {
    struct process_ref process;     /* 0: none */
    uint32_t generation;            /* of its address space when the pages were last good */
    uint32_t word_shift;            /* log2 of bytes */
    bool dead;                      /* a check failed: the call is over */
    bool is_from_cache;             /* the chunk found last has been in the thread's cache */
    const struct libc_rules *rules; /* of the process */
    const struct reclaim_space *space;
    struct heaps *heaps;
    struct heap *heap;
    struct heap_thread *thread;
    uint8_t *tcache_place;  /* the host's place of the variable that leads to the thread's cache; NULL: not at hand */
    uint8_t *cache;         /* the host's place of the thread's cache; NULL: not looked for yet */
    uint8_t *cache_entries; /* of its list heads; while cache is not NULL, and so are the next ones */
    uint64_t cache_bins, cache_count, cache_key; /* what malloc's variables say; bins: no more than the block has */
    uint64_t arena;                              /* that the core functions work on */
    uint64_t arena_split;                        /* offset where its second page begins */
    uintptr_t arena_at[2]; /* host address of its start, for offsets in its first page and in the second; 0: not at hand */
    uintptr_t data[LIBC_DATA_PAGES]; /* host address of the start of libc's data, for offsets in each page; 0: as above */
    uint64_t epoch; /* in the bits that page and word addresses leave free; raising it forgets all pages at once */
    struct libc_page pages[LIBC_PAGES];
};

struct heaps {
    struct processes *processes;   /* wired */
    struct trace *trace;           /* wired */
    const struct profile *profile; /* wired */
    struct names *names;           /* wired */
    struct libc *libc;             /* wired */
    struct pool heaps;             /* struct heap (malloc_heap.h): what the engine keeps of one process */
    struct pool notes;             /* struct note (malloc_notes.h): one for each live block */
    struct pool note_buckets;      /* uint32_t note; item i+1 is bucket i */
    uint32_t nr_buckets;           /* a power of two, grows with the notes */
    uint32_t nr_cpus;              /* of the machine */
    uint64_t nr_live, requested_bytes, allocated_bytes;
    uint64_t last_usable; /* of the block that was handed out last */
};
void heaps_shape(struct heaps *heaps, const struct machine_config *config, const struct profile *profile);
/* Writes the addresses of the pools to pools; returns how many. */
uint32_t heaps_pools(struct heaps *heaps, struct pool **pools);
/* Host memory for nr_operations small operations.
 * PAGODA_ERR_NOMEM  the host refused; nothing has changed. */
enum pagoda_error heaps_reserve(struct heaps *heaps, const struct pagoda_host *host, uint32_t nr_operations);
/* Doubles the number of buckets, up to a bound. Errors as above. */
enum pagoda_error heaps_grow_buckets(struct heaps *heaps, const struct pagoda_host *host);
/* Are there too few buckets? */
static inline bool heaps_is_tight(const struct heaps *heaps)
{
    return !heaps->nr_buckets || heaps->nr_live > heaps->nr_buckets;
}
/* What is reserved for each operation by itself: the place of a new heap, and the buckets, for their number is state. */
static inline enum pagoda_error heaps_reserve_each(struct heaps *heaps, const struct pagoda_host *host)
{
    enum pagoda_error err = pool_reserve(&heaps->heaps, host, 1);
    return err || !heaps_is_tight(heaps) ? err : heaps_grow_buckets(heaps, host);
}
/* Host memory for a fork of parent. */
enum pagoda_error heaps_reserve_fork(struct heaps *heaps, const struct pagoda_host *host, struct process_ref parent);

/* --- the public functions of malloc --- */

/* Return the user's pointer; 0: NULL with ENOMEM (or EINVAL, which the message says), or the call was a bug.
 * name  of the block, for its note. */
uint64_t heap_malloc(struct heaps *heaps, struct process_ref process, uint64_t size, struct name_ref name);
uint64_t heap_calloc(struct heaps *heaps, struct process_ref process, uint64_t n, uint64_t size, struct name_ref name);
uint64_t heap_realloc(struct heaps *heaps, struct process_ref process, uint64_t address, uint64_t size,
                      struct name_ref name);
uint64_t heap_memalign(struct heaps *heaps, struct process_ref process, uint64_t align, uint64_t size,
                       struct name_ref name);
uint64_t heap_posix_memalign(struct heaps *heaps, struct process_ref process, uint64_t align, uint64_t size,
                             struct name_ref name);
uint64_t heap_valloc(struct heaps *heaps, struct process_ref process, uint64_t size, struct name_ref name);
uint64_t heap_pvalloc(struct heaps *heaps, struct process_ref process, uint64_t size, struct name_ref name);
/* Returns the name of the block; none: it had none, or the call was a bug. */
struct name_ref heap_free(struct heaps *heaps, struct process_ref process, uint64_t address);
/* malloc_usable_size(); bytes. */
uint64_t heap_usable(struct heaps *heaps, struct process_ref process, uint64_t address);
/* malloc_trim(). Was memory given back? */
bool heap_trim(struct heaps *heaps, struct process_ref process, uint64_t pad);
/* Returns what mallopt() returns. */
bool heap_mallopt(struct heaps *heaps, struct process_ref process, enum mallopt_option option, int32_t value);
/* Sets GLIBC_TUNABLES of a process, before its first call. The message says what glibc passes over. False: there is no
 * memory for malloc's variables. */
bool heap_tune(struct heaps *heaps, struct process_ref process, struct text tunables);

/* --- calls that the thread's cache serves --- */

/* All that such a call touches is at hand: nothing is faulted in, looked up, refused or counted. heap_malloc_cached() and
 * heap_free_cached() may be called while the heap is ready, and leave it ready.
 * They return 0 or false when the cache cannot serve the call. Then nothing has changed, and the call has to be made the
 * usual way. So has free() of a block with a name.
 * seq  the operation's. */
bool heap_is_ready(const struct heaps *heaps, struct process_ref process);
uint64_t heap_malloc_cached(struct heaps *heaps, uint64_t size, struct name_ref name, uint32_t seq);
bool heap_free_cached(struct heaps *heaps, uint64_t address);
/* One such call by itself, with its cost. They return as above. */
uint64_t heap_malloc_at_once(struct heaps *heaps, struct process_ref process, uint64_t size, struct name_ref name);
bool heap_free_at_once(struct heaps *heaps, struct process_ref process, uint64_t address);

/* --- threads --- */

/* That thread calls from here on. 0 is the main thread. Another one begins with its first call: the main thread's heap then
 * pays for pthread_create(). False: there was no memory for that, or the heap is broken and the call was a bug. */
bool heap_switch_thread(struct heaps *heaps, struct process_ref process, uint32_t thread);
/* The same, and a new thread gets a stack from glibc. False also when there is no room for the stack. */
bool heap_start_thread(struct heaps *heaps, struct process_ref process, uint32_t thread);
/* False: there is no such thread. */
bool heap_end_thread(struct heaps *heaps, struct process_ref process, uint32_t thread);

/* The child gets a copy of what the engine keeps. False: there was no memory for what malloc changes in the child. */
bool heap_fork(struct heaps *heaps, struct process_ref parent, struct process_ref child);
void heap_exit(struct heaps *heaps, struct process_ref process); /* forgets the state; the memory is the process floor's */

struct heap_block {
    uint64_t address, usable, requested;
    struct name_ref name;
    uint32_t seq, pid;
};
bool heap_find(const struct heaps *heaps, struct process_ref process, uint64_t address, struct heap_block *block);
/* The first live block of the process with bytes from from up to end.
 * floor  where the mapping begins that holds from. */
bool heap_find_in(const struct heaps *heaps, struct process_ref process, uint64_t floor, uint64_t from, uint64_t end,
                  struct heap_block *block);
bool heap_next(const struct heaps *heaps, uint64_t *cursor, struct heap_block *block); /* live blocks of all processes */
/* Looking without touching, in the words of view.h and heap_view.h, where these functions stand as view_*(). */
struct heap_view;
struct arena_view;
struct heap_region_view;
struct heap_thread_view;
struct heap_list_view;
struct listed_chunk_view;
struct chunk_field_view;
bool heap_look(const struct heaps *heaps, struct process_ref process, struct heap_view *view);
bool heap_next_arena(const struct heaps *heaps, struct process_ref process, uint64_t *cursor, struct arena_view *view);
bool heap_next_region(const struct heaps *heaps, struct process_ref process, uint64_t *cursor,
                      struct heap_region_view *view);
bool heap_next_thread(const struct heaps *heaps, struct process_ref process, uint64_t *cursor,
                      struct heap_thread_view *view);
bool heap_next_list(const struct heaps *heaps, struct process_ref process, uint64_t *cursor, struct heap_list_view *list);
bool heap_next_listed(const struct heaps *heaps, struct process_ref process, const struct heap_list_view *list,
                      uint64_t *cursor, struct listed_chunk_view *chunk);
bool heap_chunk_at(const struct heaps *heaps, struct process_ref process, uint64_t address, struct chunk_view *chunk);
uint32_t heap_chunk_fields(const struct heaps *heaps, struct process_ref process, const struct chunk_view *chunk,
                           struct chunk_field_view *fields); /* at most CHUNK_FIELDS_MAX */
bool heap_next_chunk(const struct heaps *heaps, struct process_ref process, uint64_t *cursor, struct chunk_view *chunk);
/* The program is about to access bytes. If malloc has not been called and its variables are among them, they come to be
 * what the library's file says. The call may be a bug then: there is no memory for them. */
void heap_reach(struct heaps *heaps, struct process_ref process, uint64_t address, uint64_t length);
/* The program wrote bytes: unless they lie at the start of a live block, heaps_check() no longer trusts what the chunks
 * say. */
void heap_written(struct heaps *heaps, struct process_ref process, uint64_t address, uint64_t length);
bool heaps_check(const struct heaps *heaps, char *text, size_t capacity);
