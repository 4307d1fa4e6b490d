/* alloc/base/rbtree.h - index-linked red-black trees of sized items, each node knowing the largest size below it.
 *
 * The shape is part of the simulation: an aligned vmalloc takes the first hole on its way through the tree, so inserting
 * and erasing rebalance exactly as Linux v6.1 lib/rbtree.c does. Stands on: base. */
#pragma once
#include "alloc/base/pool.h"
#include <stdbool.h>

/* Stands at the start of a pool item. While an item is in no tree, its first word belongs to the pool. */
struct rb_node {
    uint32_t left, right, parent; /* pool items, 0: none */
    uint32_t is_red;
    uint64_t size; /* bytes */
    uint64_t max;  /* bytes: largest size in the subtree, this node included */
};

static inline struct rb_node *rb_at(const struct pool *pool, uint32_t node)
{
    return pool_at(pool, node);
}
static inline uint64_t rb_max(const struct pool *pool, uint32_t node)
{
    return node ? rb_at(pool, node)->max : 0;
}

/* Hangs node under parent, and rebalances. The caller has set the node's size.
 * parent  0: the tree is empty. */
void rb_insert(const struct pool *pool, uint32_t *root, uint32_t node, uint32_t parent, bool is_left);
void rb_erase(const struct pool *pool, uint32_t *root, uint32_t node);
/* Gives a node of the tree another size. The maxima above it follow. */
void rb_resize(const struct pool *pool, uint32_t node, uint64_t size);

/* For taking a whole tree apart. Unhooks the first node, and returns the one that is first then; 0: none is left. The rest
 * keeps its order, but neither its balance nor its maxima. */
uint32_t rb_unhook_first(const struct pool *pool, uint32_t node);

uint32_t rb_first(const struct pool *pool, uint32_t root); /* 0: the tree is empty */
uint32_t rb_next(const struct pool *pool, uint32_t node);  /* 0: it is the last */
/* Are parents, colours, black heights and maxima right?
 * nr_nodes  out: nodes of the tree. */
bool rb_check(const struct pool *pool, uint32_t root, uint64_t *nr_nodes);
