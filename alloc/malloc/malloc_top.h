/* alloc/malloc/malloc_top.h - memory from the system and back: top, the program break, mappings. Stands on: arena. */
#pragma once
#include "alloc/malloc/malloc_arena.h"

/* Cuts a chunk from top; 0: top is too small. */
uint64_t top_split(struct libc *c, uint64_t size);
/* Gets a chunk from the system; 0: no memory. */
uint64_t sysmalloc(struct libc *c, uint64_t size);
/* Moves the break down to pad bytes behind what is in use. False: nothing was given back. */
bool systrim(struct libc *c, uint64_t pad);
void munmap_chunk(struct libc *c, uint64_t chunk);
/* Returns the chunk, which may have moved; 0: failed, and nothing has changed. */
uint64_t mremap_chunk(struct libc *c, uint64_t chunk, uint64_t size);

#define LIBC_MAP_FLAGS (VMA_READ | VMA_WRITE | VMA_CHUNK)
/* mmap(); 0: failed.
 * flags  enum vma_flags. */
uint64_t libc_map(struct libc *c, uint64_t length, uint32_t flags);
/* madvise(MADV_DONTNEED): the contents are gone. */
void libc_give_pages(struct libc *c, uint64_t start, uint64_t length);
