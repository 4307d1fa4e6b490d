/* alloc/slab/bucket.h - kmalloc of Linux 1.x and 2.0 (bucket.c). Stands on: slab.h. */
#pragma once
#include "alloc/slab/slab.h"

void bucket_start(struct kmalloc *k);                                              /* boot: makes the buckets */
struct cache_ref bucket_for(const struct kmalloc *k, uint64_t size, uint32_t gfp); /* the bucket that serves it; 0: none */
/* Returns address 0 when there is no memory or the size is too large (the trace has the message), or when bytes that the
 * kernel relies on were overwritten (a bug). */
struct kmalloc_block bucket_alloc(struct kmalloc *k, const struct kmalloc_request *request);
/* Returns false when the page descriptor was overwritten: a bug, and the block stays live. */
bool bucket_free(struct kmalloc *k, const struct found *found);
/* The word in a free block's bytes that leads to the next one. */
uint64_t bucket_read_pointer(const struct kmalloc *k, const struct cache *cache, const struct slab *slab, uint32_t object);
bool bucket_check_page(const struct kmalloc *k,
                       const struct slab *slab); /* is the descriptor in the bytes as it must be? */
