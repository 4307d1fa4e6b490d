/* alloc/malloc.h - the user heap: glibc 2.36's malloc (malloc/malloc.c, malloc/arena.c), with its chunk headers, links and bins
 * in the simulated bytes of the process. classic: the same model with 32-bit sizes. Stands on: process, label.
 * glibc's own checks raise trace_bug() with glibc's words; the machine then ends the process. */
#pragma once
#include "alloc/process.h"

struct heaps {
    struct processes *processes; /* wired */
    struct trace *trace; /* wired */
    const struct profile *profile; /* wired */
    struct labels *labels; /* wired */
    struct pool heaps; /* struct heap (malloc_internal.h): glibc's static state of one process */
    struct pool notes; /* struct note: requested size, label, seq of each live block; chained from note_buckets */
    struct pool note_buckets; /* uint32_t note; item i+1 is bucket i */
    uint32_t nr_buckets; /* a power of two, grows with the notes */
    uint64_t nr_live, requested_bytes, allocated_bytes;
};
void heaps_shape(struct heaps *heaps, const struct machine_config *config, const struct profile *profile);
void heaps_wire(struct heaps *heaps, struct processes *processes, struct trace *trace, const struct profile *profile,
                struct labels *labels);
uint32_t heaps_pools(struct heaps *heaps, struct pool **pools);
enum pagoda_error heaps_reserve(struct heaps *heaps, const struct pagoda_host *host);
enum pagoda_error heaps_reserve_fork(struct heaps *heaps, const struct pagoda_host *host, uint32_t parent); /* before fork */

/* The user pointer, or 0 for NULL (ENOMEM). process: pool index. */
uint64_t heap_malloc(struct heaps *heaps, uint32_t process, uint64_t size, uint32_t label);
uint64_t heap_calloc(struct heaps *heaps, uint32_t process, uint64_t n, uint64_t size, uint32_t label);
uint64_t heap_realloc(struct heaps *heaps, uint32_t process, uint64_t address, uint64_t size, uint32_t label);
uint64_t heap_memalign(struct heaps *heaps, uint32_t process, uint64_t align, uint64_t size, uint32_t label);
void heap_free(struct heaps *heaps, uint32_t process, uint64_t address);
uint64_t heap_usable(struct heaps *heaps, uint32_t process, uint64_t address); /* malloc_usable_size */
bool heap_trim(struct heaps *heaps, uint32_t process, uint64_t pad); /* malloc_trim: was memory given back */
bool heap_mallopt(struct heaps *heaps, uint32_t process, int32_t parameter, int32_t value); /* M_MXFAST 1 ... M_MMAP_MAX -4 */
void heap_fork(struct heaps *heaps, uint32_t parent, uint32_t child); /* the child's copy of the static state and notes */
void heap_exit(struct heaps *heaps, uint32_t process); /* forgets the state; the memory is the process floor's */

struct heap_block {
    uint64_t address, usable, requested;
    uint32_t label, seq, pid;
};
bool heap_find(const struct heaps *heaps, uint32_t process, uint64_t address, struct heap_block *block);
bool heap_next(const struct heaps *heaps, uint64_t *cursor, struct heap_block *block); /* live blocks of all processes */
/* Chunks of the main heap from its start to top, then mapped ones; state in view.h's words. Looks without touching. */
bool heap_next_chunk(const struct heaps *heaps, uint32_t process, uint64_t *cursor, struct chunk_view *chunk);
/* The program wrote bytes: unless they lie at the start of a live block, heaps_check() no longer trusts what the chunks say. */
void heap_written(struct heaps *heaps, uint32_t process, uint64_t address, uint64_t length);
bool heaps_check(const struct heaps *heaps, char *text, size_t capacity);
