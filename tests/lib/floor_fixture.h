/* tests/lib/floor_fixture.h - floors without a machine: gives pools their memory, and builds the page allocator's floor
 * alone. */
#pragma once
#include "alloc/page/page_alloc.h"

#include <stdlib.h>
#include <sys/mman.h>

/* The whole capacity is there at once; the host pays for what is touched. */
static inline bool floor_map_pool(struct pool *pool)
{
    void *items = mmap(NULL, pool_span(pool), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (items == MAP_FAILED)
        return false;
    pool->items = items;
    pool->committed = pool->capacity;
    return true;
}
static inline void floor_unmap_pool(struct pool *pool)
{
    if (pool->items)
        (void)munmap(pool->items, pool_span(pool));
    pool->items = NULL;
}

struct page_floor {
    struct frames frames;
    struct page_alloc pages;
    struct trace trace;
};

static inline void page_floor_close(struct page_floor *floor)
{
    if (!floor)
        return;
    floor_unmap_pool(&floor->frames.pool);
    floor_unmap_pool(&floor->frames.contents);
    floor_unmap_pool(&floor->pages.pageblocks);
    floor_unmap_pool(&floor->pages.pcps);
    free(floor);
}

/* Booted, with recording off. NULL: the host has no memory. */
static inline struct page_floor *page_floor_open(const struct machine_config *config)
{
    const struct profile *profile = profile_get((enum profile_id)config->profile);
    struct page_floor *floor = calloc(1, sizeof *floor);
    if (!floor)
        return NULL;
    frames_shape(&floor->frames, page_alloc_nr_frames(config, profile), 0, profile->page_offset);
    page_alloc_shape(&floor->pages, config, profile);
    floor->pages.frames = &floor->frames;
    floor->pages.trace = &floor->trace;
    floor->pages.profile = profile;
    if (!floor_map_pool(&floor->frames.pool) || !floor_map_pool(&floor->frames.contents) ||
        !floor_map_pool(&floor->pages.pageblocks) || !floor_map_pool(&floor->pages.pcps)) {
        page_floor_close(floor);
        return NULL;
    }
    page_alloc_start(&floor->pages, config);
    trace_start(&floor->trace, 1, 0);
    return floor;
}
