/* alloc/malloc/malloc_core.h - malloc, free, realloc and memalign of the arena at work, behind the public functions. Stands
 * on: bins, tcache, top. The names are glibc's. */
#pragma once
#include "alloc/malloc/malloc_arena.h"

/* Return the user's pointer; 0: ENOMEM, or the call is dead. */
uint64_t int_malloc(struct libc *c, uint64_t request);
uint64_t int_memalign(struct libc *c, uint64_t align, uint64_t request);
/* chunk     in use, not mapped.
 * old_size  of it.
 * size      of the chunk that is wanted. */
uint64_t int_realloc(struct libc *c, uint64_t chunk, uint64_t old_size, uint64_t size);
/* have_lock  the caller works on this arena already: glibc checks one thing more then. */
void int_free(struct libc *c, uint64_t chunk, bool have_lock);
/* Empties all fastbins: their chunks merge with free neighbours. */
void malloc_consolidate(struct libc *c);
