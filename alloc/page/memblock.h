/* alloc/page/memblock.h - physical memory before there is a page allocator, byte by byte. Linux v6.1 mm/memblock.c.
 *
 * Memory is a few areas. What was taken of it is a list of reserved ranges. A request gets the highest free bytes that fit.
 * Every byte counts, because a page of which one byte is taken is not free. Stands on: zone (enum reserved_owner). */
#pragma once
#include "alloc/page/zone.h"

#define MEMBLOCK_AREAS 3u
#define MEMBLOCK_RESERVED 256u /* a range for each CPU's unit, and each request that lies by itself */
#define MEMBLOCK_LINE 64u      /* SMP_CACHE_BYTES: how requests are aligned that do not say */

/* Physical addresses in bytes, [start, end). */
struct memblock_range {
    uint64_t start, end;
    enum reserved_owner owner; /* of a reserved range */
};
struct memblock {
    uint32_t nr_areas, nr_reserved;
    struct memblock_range areas[MEMBLOCK_AREAS];       /* ascending */
    struct memblock_range reserved[MEMBLOCK_RESERVED]; /* ascending; neighbours of one owner are one range */
};

/* What is wanted. */
struct memblock_request {
    uint64_t size;      /* bytes */
    uint64_t align;     /* a power of two; 0: MEMBLOCK_LINE */
    uint64_t low, high; /* the block lies in [low, high); 0, 0: anywhere but in page 0 */
    enum reserved_owner owner;
};

void memblock_add(struct memblock *block, uint64_t start, uint64_t end); /* an area above those that were added before */
/* Takes [start, end), of which nothing is taken yet. */
void memblock_reserve(struct memblock *block, uint64_t start, uint64_t end, enum reserved_owner owner);
void memblock_free(struct memblock *block, uint64_t start, uint64_t end); /* gives it back, whoever had it */
/* The highest place for it, which find leaves free; 0: there is none. */
uint64_t memblock_find(const struct memblock *block, const struct memblock_request *request);
uint64_t memblock_take(struct memblock *block, const struct memblock_request *request);
