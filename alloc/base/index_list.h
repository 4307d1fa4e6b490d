/* alloc/base/index_list.h - doubly linked lists of numbered items: frames, slabs. Stands on: nothing.
 *
 * An item begins with two words, the numbers of the next and of the previous item. 0 is no item: it ends a list. The words
 * of an item that is in no list are the owner's. Everything is inline, because every page and every slab goes through it.
 */
#pragma once
#include <stddef.h>
#include <stdint.h>

struct index_list {
    uint32_t first, last, count; /* items; 0: none */
};
/* Where the items lie. */
struct index_items {
    uint8_t *start;   /* of item 0 */
    size_t item_size; /* bytes */
};

static inline uint32_t *index_next(struct index_items items, uint32_t item)
{
    return (uint32_t *)(void *)(items.start + item * items.item_size);
}
static inline uint32_t *index_prev(struct index_items items, uint32_t item)
{
    return (uint32_t *)(void *)(items.start + item * items.item_size + sizeof(uint32_t));
}

static inline void index_list_push_head(struct index_items items, struct index_list *list, uint32_t item)
{
    *index_prev(items, item) = 0;
    *index_next(items, item) = list->first;
    if (list->first)
        *index_prev(items, list->first) = item;
    else
        list->last = item;
    list->first = item;
    list->count++;
}

static inline void index_list_push_tail(struct index_items items, struct index_list *list, uint32_t item)
{
    *index_next(items, item) = 0;
    *index_prev(items, item) = list->last;
    if (list->last)
        *index_next(items, list->last) = item;
    else
        list->first = item;
    list->last = item;
    list->count++;
}

/* The item's own words are 0 afterwards. */
static inline void index_list_remove(struct index_items items, struct index_list *list, uint32_t item)
{
    uint32_t next = *index_next(items, item), prev = *index_prev(items, item);
    if (prev)
        *index_next(items, prev) = next;
    else
        list->first = next;
    if (next)
        *index_prev(items, next) = prev;
    else
        list->last = prev;
    *index_next(items, item) = *index_prev(items, item) = 0;
    list->count--;
}
