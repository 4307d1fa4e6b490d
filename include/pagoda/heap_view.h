/* pagoda/heap_view.h - looking into the heap of a process: malloc's static state, arenas, threads, the lists of free
 * chunks, and the fields of a chunk's header. Chunks in address order are in view.h. As there: lists are walked with a
 * cursor that starts at 0; what lies in a page that is not resident cannot be seen, and ends a list. */
#pragma once
#include "pagoda/view.h"

struct heap_view {
    bool is_there;                    /* false: malloc has not been called, and the rest is 0 */
    uint32_t word, header, min_chunk; /* bytes: of a size field, before the user's pointer, MINSIZE */
    uint64_t tcache_key;              /* in the second word of each cached block */
    uint64_t mmap_threshold, trim_threshold, top_pad, max_fast; /* bytes */
    bool thresholds_fixed;             /* by mallopt or a tunable: it no longer follows what the program frees */
    uint64_t tcache_max, tcache_count; /* bytes of the largest cached chunk; chunks in one bin at most */
    uint64_t n_mmaps, n_mmaps_max, max_n_mmaps, mmapped_mem, max_mmapped_mem;
    uint64_t nr_arenas, arena_max; /* arena_max 0: not settled yet */
};
bool view_heap(const struct machine *machine, uint32_t pid, struct heap_view *heap);

struct arena_view {
    uint64_t address; /* of struct malloc_state */
    bool main, free;  /* free: its thread has ended */
    bool contiguous, have_fast;
    uint32_t nr_threads;                    /* that use it */
    uint64_t top, top_size, last_remainder; /* addresses of chunks; 0: none. last_remainder may be long gone */
    uint64_t system_mem, max_system_mem;
    uint32_t binmap[4];
};
bool view_next_arena(const struct machine *machine, uint32_t pid, uint64_t *cursor, struct arena_view *arena);

/* struct heap_info: one mapping of a thread arena. The main arena has none. */
struct heap_region_view {
    uint64_t address, arena, previous; /* previous: the region before it, of the same arena; 0: none */
    uint64_t size, mprotect_size;
    uint64_t first_chunk;
};
bool view_next_heap_region(const struct machine *machine, uint32_t pid, uint64_t *cursor, struct heap_region_view *region);

struct heap_thread_view {
    uint32_t tid;
    uint64_t arena, tcache,
        dtv; /* addresses: of malloc_state; of the cache's block; of what pthread_create took; 0: none */
    uint64_t stack,
        stack_end; /* [stack, stack_end): its mapping, a guard page first; 0: the main thread's is in the process */
};
bool view_next_heap_thread(const struct machine *machine, uint32_t pid, uint64_t *cursor, struct heap_thread_view *thread);

/* Lists that are not empty: the caches of the threads, then each arena's fastbins and bins. */
struct heap_list_view {
    const char *kind;            /* "tcache", "fast", "unsorted", "small", "large" */
    uint32_t index;              /* of the bin */
    uint32_t tid;                /* tcache */
    uint64_t arena;              /* the others */
    uint64_t head;               /* address: of the word that leads to the first chunk, or of the bin as a chunk */
    uint64_t min_size, max_size; /* bytes of the chunks that belong here; 0: any */
    uint32_t count;              /* tcache: the counter that stands beside the list */
};
bool view_next_heap_list(const struct machine *machine, uint32_t pid, uint64_t *cursor, struct heap_list_view *list);
struct listed_chunk_view {
    uint64_t address, size; /* of the chunk */
    uint64_t link;          /* as stored: protected in tcache and fastbins */
    uint64_t next;          /* where it leads: a chunk, or list->head; 0: the end */
};
bool view_next_listed_chunk(const struct machine *machine, uint32_t pid, const struct heap_list_view *list,
                            uint64_t *cursor, struct listed_chunk_view *chunk);

/* The chunk whose header is at address, as chunks of view.h; then the fields that its words are. */
bool view_chunk(const struct machine *machine, uint32_t pid, uint64_t address, struct chunk_view *chunk);
#define CHUNK_FIELDS_MAX 6
struct chunk_field_view {
    const char *name;        /* "prev_size", "size", "fd", "bk", "fd_nextsize", "bk_nextsize", "next", "key" */
    uint32_t offset, length; /* bytes, from the header */
    bool previous_block;     /* the word belongs to the block before: prev_size of a chunk that follows one in use */
    bool is_link;            /* leads to an address */
    bool protected;          /* stored as address >> 12 ^ link */
    uint64_t value, target;  /* as stored; where it leads */
};
uint32_t view_chunk_fields(const struct machine *machine, uint32_t pid, const struct chunk_view *chunk,
                           struct chunk_field_view fields[CHUNK_FIELDS_MAX]);
